//! Reductions of integers: without gradient, and around where they overflow.

use super::Sink;
use super::structural::Rule;
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
}

/// Rows of i64 reduced to one each. List: how.
pub(crate) struct IntegerRows;

impl Rule for IntegerRows {
    const NAME: &str = "reduce";
    const AXIS: Option<usize> = None;
    const COST: u64 = 500;

    fn run(task: &Task<'_>) -> Result<(), Outside> {
        let (x, how) = (task.operand::<i64>(0), task.list()[0]);
        let len = task.dims(0).last().copied().unwrap_or(1);
        task.each_part::<i64>(1, |out, first| {
            for (k, out) in out.iter_mut().enumerate() {
                let row = x[(first + k) * len..][..len].iter().copied();
                out.write(match how {
                    0 => row.fold(0, i64::wrapping_add),
                    1 => row.fold(1, i64::wrapping_mul),
                    2 => row.fold(i64::MIN, i64::max),
                    _ => row.fold(i64::MAX, i64::min),
                });
            }
        });
        Ok(())
    }

    fn vjp(_: &mut Core, _: NodeId, _: NodeId, _: &mut Sink) -> Maybe<()> {
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
        if keeps {
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
