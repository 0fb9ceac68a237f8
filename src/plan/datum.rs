//! The tensors in memory that a plan's steps read and write.

use crate::dtype::DType;
use crate::id::NodeId;
use crate::shape::Layout;

/// No number: where there may be one.
pub(super) const NONE: u32 = u32::MAX;

/// A stretch of a plan's list.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Span {
    pub(crate) first: u32,
    pub(crate) count: u32,
}

impl Span {
    pub(super) fn since(first: usize, list_len: usize) -> Self {
        Self { first: first as u32, count: (list_len - first) as u32 }
    }

    pub(crate) fn of<T>(self, list: &[T]) -> &[T] {
        &list[self.first as usize..(self.first + self.count) as usize]
    }
}

/// The number of a [`Datum`] in its plan.
pub(crate) type DatumId = u32;

/// A tensor in memory that steps read or write.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Datum {
    pub(crate) place: Storage,
    pub(crate) dtype: DType,
    pub(crate) len: usize,
}

impl Datum {
    pub(crate) fn bytes(&self) -> usize {
        self.len * self.dtype.size()
    }
}

/// Where a datum lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Storage {
    /// In the node's own buffer, where it stays.
    Node(NodeId),
    /// This many bytes into the plan's scratch memory, which later data use again.
    Scratch(usize),
    /// In a fresh buffer, for the caller: the gradient of the target of this number.
    Result(u32),
    /// Nowhere as a whole: each thread has the chunk of it that it works on.
    Chunk,
}

/// A datum in a layout: an operand of a single step, or one that is brought into a register.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct View {
    pub(crate) datum: DatumId,
    pub(crate) layout: Layout,
}
