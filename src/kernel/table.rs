//! The tables: which kernel computes an operation, for a type at a level.

use super::angle::SinCos;
use super::body::{Kernel, at, place, plain_at};
use super::cast::CAST;
use super::columns::{ArgColumns, FindColumns, JoinColumns};
use super::compare::{COMPARE, WHERE};
use super::extreme::{ArgRows, BlockExtremes, FindRows};
use super::float::Float;
use super::fold::{Accumulate, Best, Sum};
use super::integer::INTEGER;
use super::made::made;
use super::pieces::{Close, Into, Open};
use super::rows::BlockRows;
use super::rule::{evals, pulls};
use super::softmax::{ExpColumns, ExpOfDifference, ExpRows, MinusBoth, Multiply};
use super::spread::SpreadRows;
use super::step::{AdamStep, SgdStep};
use super::total::CombineColumns;
use super::whole::WholeRows;
use crate::dtype::DType;
use crate::level::Level;
use crate::node::{Extreme, Op, Reduction};
use crate::roll_call::Elem;

/// What is done along the last axis, and along another one.
#[derive(Clone, Copy)]
pub(crate) struct Slabs {
    pub(crate) rows: Kernel,
    pub(crate) columns: Kernel,
}

impl Slabs {
    /// The kernel where so many elements lie behind the axis.
    pub(crate) fn before(&self, inner: usize) -> Kernel {
        if inner == 1 { self.rows } else { self.columns }
    }
}

const fn exponentials<const WANTED: usize, T: Float>(level: Level) -> Slabs {
    let rows = made::<ExpRows<WANTED>, T>(level);
    Slabs { rows, columns: made::<ExpColumns<WANTED>, T>(level) }
}

/// The kernels for one float type at one level.
pub(crate) struct FloatKernels {
    pub(super) eval: [Kernel; Elem::ALL.len()],
    pub(super) pull: [[Kernel; 2]; Elem::ALL.len()],
    /// By reduction: sum, sum of squares, maximum, minimum. Blocks of rows at once; begins,
    /// feeds and reads accumulators; joins a line into another one; joins lines.
    pub(super) block: [Kernel; 4],
    pub(super) open: [Kernel; 4],
    pub(super) fold_into: [Kernel; 4],
    pub(super) close: [Kernel; 4],
    pub(super) join: [Kernel; 4],
    pub(super) join_columns: [Kernel; 4],
    pub(super) combine_columns: Kernel,
    /// In the order of [`WHOLE`](rows::WHOLE).
    pub(super) rows: [Kernel; 5],
    pub(super) arg: [Slabs; 2],
    pub(super) find_rows: Kernel,
    pub(super) find_columns: Kernel,
    /// What the exponentials' kernels are made of, beside those above: with other operands of as many
    /// elements, and of one.
    pub(super) spread: Kernel,
    pub(super) exp_of_difference: [Kernel; 2],
    pub(super) multiply: [Kernel; 2],
    pub(super) minus_both: [Kernel; 2],
    pub(super) logsumexp: Slabs,
    pub(crate) softmax: Slabs,
    pub(crate) log_softmax: Slabs,
    /// Both: the logarithm to the result, the softmax to the second operand, which must then be valid
    /// for writing and overlap nothing.
    pub(crate) softmaxes: Slabs,
    /// out = sin a, and cos a is written to b, which must then be valid for writing and overlap
    /// nothing: both as `Sin` and `Cos` would give them.
    pub(crate) sincos: Kernel,
    pub(crate) accumulate: Kernel,
    pub(crate) sgd: Kernel,
    pub(crate) adam: Kernel,
}

pub(super) const fn table<T: Float>(level: Level) -> FloatKernels {
    FloatKernels {
        eval: evals::<T>(level),
        pull: pulls::<T>(level),
        block: [
            plain_at::<BlockRows<Sum<false>>, T>(level),
            plain_at::<BlockRows<Sum<true>>, T>(level),
            at::<BlockExtremes<true>, T>(level),
            at::<BlockExtremes<false>, T>(level),
        ],
        open: [
            plain_at::<Open<Sum<false>>, T>(level),
            plain_at::<Open<Sum<true>>, T>(level),
            plain_at::<Open<Best<true>>, T>(level),
            plain_at::<Open<Best<false>>, T>(level),
        ],
        fold_into: [
            plain_at::<Into<Sum<false>>, T>(level),
            plain_at::<Into<Sum<true>>, T>(level),
            plain_at::<Into<Best<true>>, T>(level),
            plain_at::<Into<Best<false>>, T>(level),
        ],
        close: [
            plain_at::<Close<Sum<false>>, T>(level),
            plain_at::<Close<Sum<true>>, T>(level),
            plain_at::<Close<Best<true>>, T>(level),
            plain_at::<Close<Best<false>>, T>(level),
        ],
        join: [
            plain_at::<Accumulate<Sum<false>>, T>(level),
            plain_at::<Accumulate<Sum<true>>, T>(level),
            plain_at::<Accumulate<Best<true>>, T>(level),
            plain_at::<Accumulate<Best<false>>, T>(level),
        ],
        join_columns: [
            plain_at::<JoinColumns<Sum<false>>, T>(level),
            plain_at::<JoinColumns<Sum<true>>, T>(level),
            plain_at::<JoinColumns<Best<true>>, T>(level),
            plain_at::<JoinColumns<Best<false>>, T>(level),
        ],
        combine_columns: plain_at::<CombineColumns, T>(level),
        rows: [
            made::<WholeRows<0>, T>(level),
            made::<WholeRows<1>, T>(level),
            made::<WholeRows<2>, T>(level),
            made::<WholeRows<3>, T>(level),
            made::<WholeRows<4>, T>(level),
        ],
        arg: [
            Slabs {
                rows: made::<ArgRows<true>, T>(level),
                columns: made::<ArgColumns<true>, T>(level),
            },
            Slabs {
                rows: made::<ArgRows<false>, T>(level),
                columns: made::<ArgColumns<false>, T>(level),
            },
        ],
        find_rows: plain_at::<FindRows, T>(level),
        find_columns: plain_at::<FindColumns, T>(level),
        spread: plain_at::<SpreadRows, T::Bits>(level),
        exp_of_difference: [
            at::<ExpOfDifference<false>, T>(level),
            at::<ExpOfDifference<true>, T>(level),
        ],
        multiply: [plain_at::<Multiply<false>, T>(level), plain_at::<Multiply<true>, T>(level)],
        minus_both: [plain_at::<MinusBoth<false>, T>(level), plain_at::<MinusBoth<true>, T>(level)],
        logsumexp: exponentials::<0, T>(level),
        softmax: exponentials::<1, T>(level),
        log_softmax: exponentials::<2, T>(level),
        softmaxes: exponentials::<3, T>(level),
        sincos: at::<SinCos, T>(level),
        accumulate: plain_at::<Accumulate<Sum<false>>, T>(level),
        sgd: plain_at::<SgdStep, T>(level),
        adam: plain_at::<AdamStep, T>(level),
    }
}

pub(super) static F32: [FloatKernels; 3] =
    [table::<f32>(Level::Baseline), table::<f32>(Level::V3), table::<f32>(Level::V4)];

pub(super) static F64: [FloatKernels; 3] =
    [table::<f64>(Level::Baseline), table::<f64>(Level::V3), table::<f64>(Level::V4)];

/// The kernels for a float dtype at a level.
pub(crate) fn float_kernels(dtype: DType, level: Level) -> &'static FloatKernels {
    match dtype {
        DType::F32 => &F32[level as usize],
        DType::F64 => &F64[level as usize],
        other => unreachable!("{other} was rejected when the node was recorded"),
    }
}

impl FloatKernels {
    /// Reduces rows to one element each.
    pub(crate) fn rows(&self, reduction: Reduction) -> Kernel {
        match reduction {
            Reduction::Sum => self.rows[0],
            Reduction::Mean => self.rows[1],
            Reduction::Norm => self.rows[2],
            Reduction::Extreme(Extreme::Max, _) => self.rows[3],
            Reduction::Extreme(Extreme::Min, _) => self.rows[4],
            Reduction::LogSumExp => self.logsumexp.rows,
        }
    }

    /// Reduces blocks of at most `SUM_BLOCK` elements to one partial result each.
    pub(crate) fn block(&self, reduction: Reduction) -> Kernel {
        self.block[part(reduction)]
    }

    /// Finds the first extremes of rows or columns: one i64 each.
    pub(crate) fn arg(&self, which: Extreme) -> &Slabs {
        match which {
            Extreme::Max => &self.arg[0],
            Extreme::Min => &self.arg[1],
        }
    }

    pub(crate) fn logsumexp(&self) -> &Slabs {
        &self.logsumexp
    }

    /// Sets `STRIDE` lanes to what a reduction begins with.
    pub(crate) fn open(&self, reduction: Reduction) -> Kernel {
        self.open[part(reduction)]
    }

    /// Joins a stretch of a row into `STRIDE` lanes, its first element into the first lane.
    pub(crate) fn fold_into(&self, reduction: Reduction) -> Kernel {
        self.fold_into[part(reduction)]
    }

    /// Reduces `STRIDE` lanes to one element.
    pub(crate) fn close(&self, reduction: Reduction) -> Kernel {
        self.close[part(reduction)]
    }

    /// Joins a row into a row of partial results.
    pub(crate) fn join(&self, reduction: Reduction) -> Kernel {
        self.join[part(reduction)]
    }

    /// Joins lines to one line of partial results, in their order.
    pub(crate) fn join_columns(&self, reduction: Reduction) -> Kernel {
        self.join_columns[part(reduction)]
    }

    /// Adds up columns of partial sums; see [`CombineColumns`].
    pub(crate) fn combine_columns(&self) -> Kernel {
        self.combine_columns
    }
}

/// The place of a reduction that is made from parts.
pub(super) fn part(reduction: Reduction) -> usize {
    match reduction {
        Reduction::Sum | Reduction::Mean => 0,
        Reduction::Norm => 1,
        Reduction::Extreme(Extreme::Max, _) => 2,
        Reduction::Extreme(Extreme::Min, _) => 3,
        Reduction::LogSumExp => unreachable!("made of whole rows"),
    }
}

/// The kernel of an elementwise node whose first operand (after a mask) is of this dtype.
pub(crate) fn elementwise(op: Op, operand: DType, result: DType, level: Level) -> Kernel {
    match op {
        Op::Map(elem) => float_kernels(operand, level).eval[elem as usize],
        Op::Pull(elem, i) => float_kernels(operand, level).pull[elem as usize][i as usize],
        Op::Integer(integer) => INTEGER[integer as usize][level as usize],
        Op::Compare(comparison) => COMPARE[place(operand)][comparison as usize][level as usize],
        Op::Where => WHERE[place(result)][level as usize],
        Op::Cast => CAST[place(operand)][place(result)][level as usize],
        _ => unreachable!("{op:?} is not elementwise"),
    }
}
