//! Reductions of integers: without gradient, and around where they overflow.

use super::batch::Batching;
use super::structural::{Gives, Rule};
use crate::dtype::DType;
use crate::error::Maybe;
use crate::graph::Core;
use crate::id::NodeId;
use crate::roll_call::Structural;
use crate::task::{Outside, Task};

/// How integers are reduced; the numbers stand in lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    Sum,
    Product,
    Max,
    Min,
    /// The place of the first largest one, or smallest.
    ArgMax,
    ArgMin,
}

impl Over {
    const ALL: [Self; 6] =
        [Self::Sum, Self::Product, Self::Max, Self::Min, Self::ArgMax, Self::ArgMin];

    fn reduce(self, row: &[i64]) -> i64 {
        let numbers = row.iter().copied();
        let place = |best: Option<i64>| row.iter().position(|&x| Some(x) == best).unwrap_or(0);
        match self {
            Self::Sum => numbers.fold(0, i64::wrapping_add),
            Self::Product => numbers.fold(1, i64::wrapping_mul),
            Self::Max => numbers.fold(i64::MIN, i64::max),
            Self::Min => numbers.fold(i64::MAX, i64::min),
            Self::ArgMax => place(numbers.max()) as i64,
            Self::ArgMin => place(numbers.min()) as i64,
        }
    }
}

/// Rows of i64 reduced to one each. List: how.
pub(crate) struct IntegerRows;

impl Rule for IntegerRows {
    const NAME: &str = "reduce";
    const BATCHING: Batching = Batching::Rows;
    const COST: u64 = 500;
    const GIVES: Gives = Gives::Integers(DType::I64);

    fn run(task: &Task<'_>) -> Result<(), Outside> {
        let (x, how) = (task.operand::<i64>(0), Over::ALL[task.list()[0] as usize]);
        let len = task.dims(0).last().copied().unwrap_or(1);
        task.each_part::<i64>(1, |out, first| {
            for (k, out) in out.iter_mut().enumerate() {
                out.write(how.reduce(&x[(first + k) * len..][..len]));
            }
        });
        Ok(())
    }
}

impl Core {
    /// A reduction of integers: i64, and of the largest and smallest what was given.
    pub(super) fn reduce_integers(
        &mut self,
        what: &str,
        how: Over,
        x: NodeId,
        axes: &[isize],
        keepdim: bool,
    ) -> Maybe<NodeId> {
        let given = self.node(x).dtype;
        let axes = self.axes(what, x, axes)?;
        let keeps = matches!(how, Over::Max | Over::Min);
        if !matches!(how, Over::Sum | Over::Product) {
            self.need_some(what, x, &axes)?;
        }
        let dims = self.shape(x);
        let dims = if keepdim { axes.kept(&dims) } else { axes.dropped(&dims) };
        let wide = self.cast(x, DType::I64)?;
        let (rows, at, _) = self.reduced_as_one(what, wide, &axes)?;
        let rows = self.swap_with_last(what, rows, at)?;
        let mut lens = self.shape(rows);
        let last = lens.len() - 1;
        lens[last] = 1;
        let mut node = self.structural(Structural::IntegerRows, &[rows], &[how as usize])?;
        (node.shape, node.len) = self.intern_shape(what, &lens)?;
        let reduced = self.push(node)?;
        let moved = self.swap_with_last(what, reduced, at)?;
        let y = self.reshape_to(what, moved, &dims)?;
        if keeps { self.cast(y, given) } else { Ok(y) }
    }
}
