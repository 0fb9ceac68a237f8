//! The tables: which kernel computes an operation, for a type at a level.

use super::angle::SinCos;
use super::arg::{ArgColumns, ArgRows};
use super::body::{Kernel, place, plain_at, with_single};
use super::cast::CAST;
use super::compare::{COMPARE, WHERE};
use super::float::Float;
use super::fold::{Accumulate, Sum};
use super::integer::INTEGER;
use super::made::made;
use super::parts::{self, Parts};
use super::rule::rules;
use super::softmax::{ExpColumns, ExpRows};
use super::step::{AdagradStep, AdamStep, Bound, LionStep, RmsPropStep, Scale, SgdStep};
use super::whole::WholeRows;
use crate::dtype::DType;
use crate::level::Level;
use crate::node::{Extreme, Op, Reduction};

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
    parts: &'static Parts,
    /// In the order of [`WHOLE`](super::whole::WHOLE).
    rows: [Kernel; 5],
    arg: [Slabs; 2],
    logsumexp: Slabs,
    pub(crate) softmax: Slabs,
    pub(crate) log_softmax: Slabs,
    /// Both: the logarithm to the result, the softmax to the second operand, which must then be valid
    /// for writing and overlap nothing.
    pub(crate) softmaxes: Slabs,
    /// out = sin a, and cos a is written to b, which must then be valid for writing and overlap
    /// nothing: both as `Sin` and `Cos` would give them.
    pub(crate) sincos: Kernel,
    pub(crate) accumulate: Kernel,
    /// Steps of optimisers.
    pub(crate) sgd: Kernel,
    pub(crate) adam: Kernel,
    pub(crate) rms_prop: Kernel,
    pub(crate) adagrad: Kernel,
    pub(crate) lion: Kernel,
    /// In place, by an f64.
    pub(crate) scale: Kernel,
    pub(crate) bound: Kernel,
}

const fn table<T: Float>(parts: &'static Parts, level: Level) -> FloatKernels {
    FloatKernels {
        parts,
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
        logsumexp: exponentials::<0, T>(level),
        softmax: exponentials::<1, T>(level),
        log_softmax: exponentials::<2, T>(level),
        softmaxes: exponentials::<3, T>(level),
        sincos: with_single::<SinCos, T>(level),
        accumulate: plain_at::<Accumulate<Sum<false>>, T>(level),
        sgd: plain_at::<SgdStep, T>(level),
        adam: plain_at::<AdamStep, T>(level),
        rms_prop: plain_at::<RmsPropStep, T>(level),
        adagrad: plain_at::<AdagradStep, T>(level),
        lion: plain_at::<LionStep, T>(level),
        scale: plain_at::<Scale, T>(level),
        bound: plain_at::<Bound, T>(level),
    }
}

/// One for each level.
const fn tables<T: Float>(parts: &'static [Parts; 3]) -> [FloatKernels; 3] {
    let [baseline, v3, v4] = parts;
    [table::<T>(baseline, Level::Baseline), table::<T>(v3, Level::V3), table::<T>(v4, Level::V4)]
}

static F32: [FloatKernels; 3] = tables::<f32>(&parts::F32);
static F64: [FloatKernels; 3] = tables::<f64>(&parts::F64);

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
        self.parts.block(reduction)
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
        self.parts.open(reduction)
    }

    /// Joins a stretch of a row into `STRIDE` lanes, its first element into the first lane.
    pub(crate) fn fold_into(&self, reduction: Reduction) -> Kernel {
        self.parts.fold_into(reduction)
    }

    /// Reduces `STRIDE` lanes to one element.
    pub(crate) fn close(&self, reduction: Reduction) -> Kernel {
        self.parts.close(reduction)
    }

    /// Joins a row into a row of partial results.
    pub(crate) fn join(&self, reduction: Reduction) -> Kernel {
        self.parts.join(reduction)
    }

    /// Joins lines to one line of partial results, in their order.
    pub(crate) fn join_columns(&self, reduction: Reduction) -> Kernel {
        self.parts.join_columns(reduction)
    }

    /// Adds up columns of partial sums; see [`CombineColumns`](super::total::CombineColumns).
    pub(crate) fn combine_columns(&self) -> Kernel {
        self.parts.combine_columns
    }
}

/// The kernel of an elementwise node whose first operand (after a mask) is of this dtype.
pub(crate) fn elementwise(op: Op, operand: DType, result: DType, level: Level) -> Kernel {
    match op {
        Op::Map(elem) => rules(operand, level).eval[elem as usize],
        Op::Pull(elem, i) => rules(operand, level).pull[elem as usize][i as usize],
        Op::Integer(integer) => INTEGER[integer as usize][level as usize],
        Op::Compare(comparison) => COMPARE[place(operand)][comparison as usize][level as usize],
        Op::Where => WHERE[place(result)][level as usize],
        Op::Cast => CAST[place(operand)][place(result)][level as usize],
        _ => unreachable!("{op:?} is not elementwise"),
    }
}
