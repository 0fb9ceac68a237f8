//! The inner loops, at every instruction level, behind tables of function pointers.
//!
//! A kernel body is written once. Rules, which call the functions of `math`, compute on registers
//! ([`Register`](crate::lane::Register)). What only adds, compares or converts is a plain loop over
//! numbers, which is compiled for each level, and which LLVM turns into vectors
//! ([ADR 40](../docs/adr/0040-one-kind-of-register.md) says why both). All operands of a kernel are dense
//! and have no overlap with the result; broadcasting, strides and tiles are the executor's.

mod angle;
mod arg;
mod body;
mod cast;
mod chain;
mod columns;
mod compare;
mod draws;
mod each;
mod extreme;
mod float;
mod fold;
mod integer;
#[cfg(all(test, target_arch = "x86_64"))]
mod machine_code;
mod made;
mod parts;
mod pieces;
#[cfg(test)]
mod row_tests;
mod rows;
mod rule;
mod shifted;
mod softmax;
mod spread;
mod step;
mod table;
#[cfg(test)]
mod tests;
mod total;
mod whole;

pub(crate) use body::{Kernel, call1};
pub(crate) use chain::{Act, Form, Link, Reach, chain, forms};
pub(crate) use columns::call_columns;
pub(crate) use draws::Draws;
pub(crate) use float::Float;
pub(crate) use fold::{STRIDE, SUM_BLOCK};
pub(crate) use rows::call_rows;
pub(crate) use spread::spread;
pub(crate) use step::Step;
pub(crate) use table::{FloatKernels, elementwise, float_kernels};
pub(crate) use total::{COLUMNS, Total, combine_sums};
pub(crate) use whole::{finish, rescue};
