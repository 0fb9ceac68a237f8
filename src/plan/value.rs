//! What the instructions of a step read and write, before it is a finished program.

use super::{DatumId, Grain};

/// Something that instructions of the step read or write.
#[derive(Clone, Copy)]
pub(super) struct Value {
    pub(super) kind: ValueKind,
    /// The place of the last instruction, or link of a chain, that uses it.
    pub(super) last: u32,
    /// Its slot in the finished program.
    pub(super) slot: u32,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum ValueKind {
    Stream {
        datum: DatumId,
        offset: usize,
        size: u32,
        grain: Grain,
    },
    /// A register with one number everywhere, from before the first tile on.
    Filled(Grain),
    /// A register of its own, with room for so many elements more than a tile.
    Fixed(Grain, usize),
    Register(Grain),
}
