//! Deciding what a read must compute: nothing more than that, in an order that works, in as few
//! passes over memory as dependencies allow.
//!
//! A [`Plan`] is plain data without buffers. Its steps are of two kinds. A *fused* step runs a
//! small [`Program`] over tiles: stretches of one iteration space that are short enough for all
//! values in between to stay in the first-level cache. A *single* step is one operation that is
//! not elementwise (a matrix product, an index, a concatenation), on data in memory. Views cost
//! nothing here: a step reads through them from the tensor below.
//!
//! Planning is a row of stages that hand plain data on, which `planner` calls one after the other:
//! `walk` finds what must be computed, `group` decides which step computes it (its `draft`s say so),
//! `schedule` in which order, `emit` writes the programs, `chain` makes their cheap instructions
//! links of chains, `remat` computes again what there is no room to keep, and `places` finds room for the
//! rest. A plan does not refer to gradient nodes, so it outlives them: backward records them
//! once, and as long as the graph has the same structure the plan is only run again.

mod blocks;
mod chain;
#[cfg(debug_assertions)]
mod check;
#[cfg(test)]
mod complexity;
mod cost;
mod datum;
mod draft;
mod emit;
mod group;
mod places;
mod planner;
mod program;
mod remat;
mod schedule;
mod single;
mod source;
mod steps;
#[cfg(test)]
mod tests;
mod text;
mod value;
mod walk;

pub(crate) use blocks::{Groups, JOIN_BLOCK};
pub(crate) use datum::{Datum, DatumId, Span, Storage, View};
pub(crate) use draft::{elementwise_operand, operand_dtype};
pub(crate) use planner::{Planner, Wanted};
pub(crate) use program::{
    Code, Dropout, Fill, FillFrom, Grain, Instr, Join, NO_PRODUCT, Pad, Piece, PieceFrom, Program,
    SinkReduction, Slot, period,
};
pub(crate) use single::can_be_alone;
pub(crate) use steps::{Plan, Single, Step, Work};
pub(crate) use walk::is_fresh;

pub(crate) use crate::kernel::SUM_BLOCK;

/// Elements of a tile in a step without rows. (Measured: 256 is as good as 128 and 512 for few
/// operands, and better for many.)
pub(crate) const TILE: usize = 256;

/// Elements of the longest row that a step keeps whole: 32 KiB of f32, so that a few registers of
/// such rows stay in the second-level cache.
pub(crate) const ROW_MAX: usize = 8192;

/// Counts what planning looks at beside the nodes themselves, in tests of how much that is.
#[derive(Default)]
struct Looks(#[cfg(test)] std::cell::Cell<usize>);

impl Looks {
    #[inline(always)]
    fn note(&self, count: usize) {
        #[cfg(test)]
        self.0.set(self.0.get() + count);
        let _ = count;
    }
}
