//! The types and constants of the C interface.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, AtomicU32};

use crate::error::ErrorKind;
use crate::graph::Handle;
use crate::session::Session;
use crate::shape::MAX_RANK;

/// A recording of operations with all its data. Made by bg_graph_new, released by bg_graph_free.
pub struct bg_graph {
    /// Set while a call is inside: see `call`.
    pub(super) busy: AtomicBool,
    /// Searches that call functions of the caller's, for which the graph is not busy.
    pub(super) searches: AtomicU32,
    /// Makes marks of other graphs, and forged ones, recognisable.
    pub(super) serial: u32,
    /// Whether it stands for another graph, for a callback: it is not to be freed.
    pub(super) is_lent: bool,
    pub(super) session: UnsafeCell<Session>,
}

/// A tensor of a graph, passed by value. It is BG_NULL (see bg_is_null) when the operation that
/// should have made it failed. Its fields are the library's business.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct bg_node {
    pub id: u32,
    pub tag: u32,
}

/// What a function reports. The numbers never change their meaning.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum bg_status {
    /// No error.
    BG_OK = 0,
    /// An argument is out of its allowed range.
    BG_ERR_ARGUMENT = 1,
    /// Shapes or sizes do not fit together.
    BG_ERR_SHAPE = 2,
    /// Element types do not fit together.
    BG_ERR_DTYPE = 3,
    /// A node is null, of another graph, or dropped by bg_rewind or bg_reset.
    BG_ERR_HANDLE = 4,
    /// Memory, or the graph's memory limit, is exhausted; or the graph is NULL.
    BG_ERR_MEMORY = 5,
    /// A gradient was asked for where there is none.
    BG_ERR_GRADIENT = 6,
    /// An index in the data is out of bounds.
    BG_ERR_INDEX = 7,
    /// The graph is in use by another call.
    BG_ERR_BUSY = 8,
    /// A fixed capacity is exceeded: the number of nodes, the rank of a tensor, the address space.
    BG_ERR_LIMIT = 9,
    /// A defect of this library.
    BG_ERR_INTERNAL = 10,
    /// A function of the caller's has failed.
    BG_ERR_CALLBACK = 11,
    /// A number is infinite or none: see bg_check_numbers.
    BG_ERR_NUMBER = 12,
}

impl From<ErrorKind> for bg_status {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Argument => Self::BG_ERR_ARGUMENT,
            ErrorKind::Shape => Self::BG_ERR_SHAPE,
            ErrorKind::DType => Self::BG_ERR_DTYPE,
            ErrorKind::Handle => Self::BG_ERR_HANDLE,
            ErrorKind::Memory => Self::BG_ERR_MEMORY,
            ErrorKind::Gradient => Self::BG_ERR_GRADIENT,
            ErrorKind::Index => Self::BG_ERR_INDEX,
            ErrorKind::Busy => Self::BG_ERR_BUSY,
            ErrorKind::Limit => Self::BG_ERR_LIMIT,
            ErrorKind::Internal => Self::BG_ERR_INTERNAL,
            ErrorKind::Callback => Self::BG_ERR_CALLBACK,
            ErrorKind::Number => Self::BG_ERR_NUMBER,
        }
    }
}

/// Element type: IEEE single precision; differentiable.
pub const BG_F32: i32 = 1;
/// Element type: IEEE double precision; differentiable.
pub const BG_F64: i32 = 2;
/// Element type: signed 64-bit integers, for indices and classes.
pub const BG_I64: i32 = 3;
/// Element type: unsigned bytes, for masks of 0 and 1.
pub const BG_U8: i32 = 4;

/// Of a loss: those of the single elements or rows.
pub const BG_REDUCE_NONE: i32 = 0;
/// Of a loss: the mean over elements or rows.
pub const BG_REDUCE_MEAN: i32 = 1;
/// Of a loss: the sum over elements or rows.
pub const BG_REDUCE_SUM: i32 = 2;

/// The largest rank of a tensor.
pub const BG_MAX_RANK: i32 = 8;

const _: () = assert!(BG_MAX_RANK as usize == MAX_RANK);

impl From<bg_node> for Handle {
    fn from(node: bg_node) -> Self {
        Self::new(node.id, node.tag)
    }
}

impl From<Handle> for bg_node {
    fn from(handle: Handle) -> Self {
        Self { id: handle.id(), tag: handle.tag() }
    }
}
