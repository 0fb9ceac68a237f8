//! The tables of kernels that others are made of.

use super::body::{Kernel, at, plain_at};
use super::columns::{FindColumns, JoinColumns};
use super::extreme::{BlockExtremes, FindRows};
use super::float::Float;
use super::fold::{Accumulate, Best, Sum};
use super::pieces::{Close, Into, Open};
use super::rows::BlockRows;
use super::shifted::{ExpOfDifference, MinusBoth, Multiply};
use super::spread::SpreadRows;
use super::total::CombineColumns;
use crate::dtype::DType;
use crate::level::Level;
use crate::node::{Extreme, Reduction};

/// Those for one float type at one level.
pub(super) struct Parts {
    /// By reduction: sum, sum of squares, maximum, minimum. Blocks of rows at once; begins,
    /// feeds and reads accumulators; joins a line into another one; joins lines.
    pub(super) block: [Kernel; 4],
    pub(super) open: [Kernel; 4],
    pub(super) fold_into: [Kernel; 4],
    pub(super) close: [Kernel; 4],
    pub(super) join: [Kernel; 4],
    pub(super) join_columns: [Kernel; 4],
    pub(super) combine_columns: Kernel,
    pub(super) find_rows: Kernel,
    pub(super) find_columns: Kernel,
    /// What the exponentials' kernels are made of, beside those above: with other operands of as many
    /// elements, and of one.
    pub(super) spread: Kernel,
    pub(super) exp_of_difference: [Kernel; 2],
    pub(super) multiply: [Kernel; 2],
    pub(super) minus_both: [Kernel; 2],
}

const fn parts<T: Float>(level: Level) -> Parts {
    Parts {
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
        find_rows: plain_at::<FindRows, T>(level),
        find_columns: plain_at::<FindColumns, T>(level),
        spread: plain_at::<SpreadRows, T::Bits>(level),
        exp_of_difference: [
            at::<ExpOfDifference<false>, T>(level),
            at::<ExpOfDifference<true>, T>(level),
        ],
        multiply: [plain_at::<Multiply<false>, T>(level), plain_at::<Multiply<true>, T>(level)],
        minus_both: [plain_at::<MinusBoth<false>, T>(level), plain_at::<MinusBoth<true>, T>(level)],
    }
}

pub(super) static F32: [Parts; 3] =
    [parts::<f32>(Level::Baseline), parts::<f32>(Level::V3), parts::<f32>(Level::V4)];
pub(super) static F64: [Parts; 3] =
    [parts::<f64>(Level::Baseline), parts::<f64>(Level::V3), parts::<f64>(Level::V4)];

impl Parts {
    /// Those for a float type at a level.
    pub(super) fn of(dtype: DType, level: Level) -> &'static Self {
        match dtype {
            DType::F32 => &F32[level as usize],
            _ => &F64[level as usize],
        }
    }

    pub(super) fn block(&self, reduction: Reduction) -> Kernel {
        self.block[part(reduction)]
    }

    pub(super) fn open(&self, reduction: Reduction) -> Kernel {
        self.open[part(reduction)]
    }

    pub(super) fn fold_into(&self, reduction: Reduction) -> Kernel {
        self.fold_into[part(reduction)]
    }

    pub(super) fn close(&self, reduction: Reduction) -> Kernel {
        self.close[part(reduction)]
    }

    pub(super) fn join(&self, reduction: Reduction) -> Kernel {
        self.join[part(reduction)]
    }

    pub(super) fn join_columns(&self, reduction: Reduction) -> Kernel {
        self.join_columns[part(reduction)]
    }
}

/// The place of a reduction that is made from parts.
fn part(reduction: Reduction) -> usize {
    match reduction {
        Reduction::Sum | Reduction::Mean => 0,
        Reduction::Norm => 1,
        Reduction::Extreme(Extreme::Max, _) => 2,
        Reduction::Extreme(Extreme::Min, _) => 3,
        Reduction::LogSumExp => unreachable!("made of whole rows"),
    }
}
