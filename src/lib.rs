#![doc = include_str!("../README.md")]
// What would abort without memory: see clippy.toml.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_macros))]

mod arena;
mod buffer;
mod callback;
mod defect;
mod dtype;
#[cfg(test)]
mod dual;
mod error;
mod exec;
#[cfg(feature = "capi")]
#[doc(hidden)]
pub mod ffi;
mod fpenv;
mod function;
mod gemm;
mod grad;
mod graph;
mod host;
mod id;
mod kernel;
mod lane;
mod level;
mod math;
mod node;
mod op;
mod optim;
mod plan;
mod print;
mod random;
mod real;
#[cfg(feature = "capi")]
mod reserve;
mod roll_call;
mod session;
mod shape;
mod task;
#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "see reserve.rs")]
mod team;
mod total;
mod transform;
#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "Rust's own interface")]
mod var;
mod visit;

// Tests in here call all operations, too, by the public name of this crate.
#[cfg(test)]
#[path = "../tests/golden/cases.rs"]
mod cases;
#[cfg(test)]
#[rustfmt::skip]
#[path = "../tests/operations/mod.rs"]
mod operations;
#[cfg(test)]
extern crate self as bumpgrad;

pub use buffer::MemoryStats;
pub use dtype::{DType, Element};
pub use error::{Error, ErrorKind, Result};
pub use exec::PlanMemory;
pub use graph::{CustomOp, Mark, Optimiser};
pub use op::Reduce;
pub use optim::{Bounds, Ended, Minimum, schedule};
pub use session::evidence::{Gradcheck, GradcheckOptions};
pub use session::sparse::Sparsity;
pub use shape::MAX_RANK;
pub use transform::Mode;
pub use var::{
    Adagrad, Adam, AdamW, Custom, CustomResult, Graph, Lbfgs, LevenbergMarquardt, Lion, NoGrad,
    OptimiserState, RmsProp, Sgd, TrustRegion, Var,
};

/// What the callbacks of a [`Custom`] operation are called with.
pub mod custom {
    pub use crate::callback::{Jvp, ResultShape, TensorMut, TensorRef, Vjp};
    pub use crate::var::Recording;
}

/// Ends the worker threads, which the first evaluation that is worth it starts, and waits for them.
/// An evaluation that comes later starts them again. For programs that must leave no thread behind,
/// for example before they unload the library.
pub fn shutdown() {
    team::shutdown();
}
