//! What a fused step does with each tile: instructions, and the slots that they read and write.

use super::TILE;
use super::blocks::Groups;
use super::datum::{DatumId, NONE, Span};
use crate::dtype::DType;
use crate::id::NodeId;
use crate::kernel::Kernel;
use crate::node::{Op, Reduction};
use crate::roll_call::Structural;
use crate::shape::{Layout, Padded};

/// How fine a value is, in a step that keeps rows whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grain {
    /// One for each element of the iteration space.
    Element,
    /// One for each row.
    Row,
}

/// What a fused step does with each tile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Program {
    /// Elements of the iteration space.
    pub(crate) len: usize,
    /// Elements of a row; 0 where rows mean nothing.
    pub(crate) row: usize,
    /// Elements of a tile: whole rows where there are any.
    pub(crate) tile: usize,
    /// Chunks for threads are multiples of this many elements, so that no sum is cut in two.
    pub(crate) unit: usize,
    /// Streams first, `streams` of them, then registers.
    pub(crate) slots: Span,
    pub(crate) streams: u32,
    pub(crate) fills: Span,
    pub(crate) instrs: Span,
    pub(crate) sinks: Span,
    /// What stands somewhere in an operand that is not dense.
    pub(crate) views: Span,
    pub(crate) pads: Span,
    pub(crate) joins: Span,
    /// Whether there are stores past the cache, which need something after the last tile.
    pub(crate) non_temporal: bool,
    /// Bytes of registers that a thread needs.
    pub(crate) register_bytes: usize,
    /// What a thread takes at a time.
    pub(crate) chunk: usize,
    /// The matrix product, the plan's single of this number, whose result the program reads: each
    /// chunk of it is computed just before the program runs on it. `NO_PRODUCT` for none.
    pub(crate) product: u32,
}

pub(crate) const NO_PRODUCT: u32 = u32::MAX;

/// Where an instruction reads or writes a tile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Slot {
    /// The tile's part of a datum: dense from element `offset` on.
    Stream { datum: DatumId, offset: usize, size: u32, grain: Grain },
    /// The tile's part of the product's chunk at hand.
    Chunk { datum: DatumId, size: u32 },
    /// This many bytes into the thread's registers.
    Register(usize),
}

/// A register that is filled before the first tile: one value everywhere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fill {
    pub(crate) slot: u32,
    pub(crate) dtype: DType,
    pub(crate) grain: Grain,
    pub(crate) from: FillFrom,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum FillFrom {
    Constant(f64),
    /// An element of a datum.
    Element(DatumId, usize),
}

/// One instruction: it makes `out` from the slots `ops`, tile by tile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instr {
    pub(crate) code: Code,
    /// What it is called in the plan's text.
    pub(crate) name: Op,
    pub(crate) grain: Grain,
    /// Of the result (of the operand, for a sink and an index).
    pub(crate) dtype: DType,
    pub(crate) kernel: Kernel,
    pub(crate) out: u32,
    /// The second result of one that makes two; of a finished program's others, `out`.
    pub(crate) second: u32,
    pub(crate) ops: [u32; 4],
    pub(crate) arg: u32,
    /// Those of a chain, in the plan's list.
    pub(crate) links: Span,
}

impl Instr {
    /// The slots that it reads: before a program is finished, while unused ones are `NONE`, and if it is
    /// no chain.
    pub(super) fn operands(&self) -> impl Iterator<Item = u32> + use<> {
        self.ops.into_iter().filter(|&op| op != NONE)
    }

    /// The slots that it writes, as above.
    pub(super) fn results(&self) -> impl Iterator<Item = u32> + use<> {
        let first = (self.code != Code::Sink).then_some(self.out);
        first.into_iter().chain((self.second != NONE).then_some(self.second))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// The kernel on the whole tile.
    Map,
    /// The operations of its links; row by row, if its grain is that.
    Chain,
    /// The kernel on the whole tile, with two results.
    SinCos,
    /// The kernel on each row, or on the columns of each, which lie `arg` elements side by side: a row
    /// of the result.
    Rows,
    /// As `Rows`, with two results.
    Softmaxes,
    /// The kernel on each row: one element of the result.
    Fold,
    /// The kernel on each row: an i64.
    Arg,
    /// Each row's element, repeated along the row.
    Spread,
    /// The tile's elements of a datum that are not dense: the plan's view of number `arg`, with as few
    /// axes as can be.
    Gather,
    /// The same with zeros around them: the plan's pad of number `arg`.
    Pad,
    /// Those of several data that follow one another along an axis: the plan's join of number `arg`.
    Join,
    Copy,
    /// To a stream, past the cache. In a finished program a link of a chain does it.
    StoreNonTemporal,
    /// What an operation does to the rows of a tile. Its `arg` says for whom.
    OfRows(Structural),
    /// The random mask of node `arg`.
    Mask,
    /// Into the program's sink of number `arg`.
    Sink,
}

/// Elements after which a layout may begin again for a register to hold them beside a tile.
const PERIOD_MAX: usize = 4 * TILE;

/// Elements after which a layout begins again, of as few axes as can be, if a register has room for so
/// many more than a tile; else 0.
pub(crate) fn period(merged: &Layout) -> usize {
    let period = match (merged.dims(), merged.strides()) {
        ([_, inner @ ..], [0, ..]) if !inner.is_empty() => inner.iter().product(),
        _ => 0,
    };
    if period <= PERIOD_MAX { period } else { 0 }
}

/// A datum among zeros.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pad {
    pub(crate) datum: DatumId,
    pub(crate) padded: Padded,
}

/// Operands one after the other along an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Join {
    /// In the plan's list.
    pub(crate) pieces: Span,
    /// Elements of a line: one line of each piece.
    pub(crate) line: usize,
}

/// An operand of a join.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Piece {
    /// Where its lines begin in those of the whole, and how long they are.
    pub(crate) start: usize,
    pub(crate) len: usize,
    pub(crate) from: PieceFrom,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum PieceFrom {
    Constant(f64),
    /// The plan's view of this number.
    View(u32),
}

/// A random mask.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Dropout {
    pub(crate) node: NodeId,
    pub(crate) p: f64,
}

/// A reduction whose result is complete when the step is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SinkReduction {
    pub(crate) reduction: Reduction,
    pub(crate) dtype: DType,
    pub(crate) grain: Grain,
    pub(crate) groups: Groups,
    /// `outer * blocks * inner` elements; the result itself where that is all there is to it.
    pub(crate) partial: DatumId,
    pub(crate) result: DatumId,
}

impl SinkReduction {
    /// Whether a result that has left the range of its type on the way can be had by scaling.
    pub(crate) fn is_scaled(&self) -> bool {
        matches!(self.reduction, Reduction::Mean | Reduction::Norm)
    }
}
