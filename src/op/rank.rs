//! Ranks over axes: medians and quantiles.

use super::order::Rank;
use super::reduce::Axes;
use crate::error::{ErrorKind, Maybe};
use crate::graph::{Core, Operand};
use crate::id::NodeId;
use crate::roll_call::Structural;
use crate::shape::Dims;

impl Core {
    /// The elements of that rank over some axes.
    fn of_rank(
        &mut self,
        what: &str,
        (x, axes): (NodeId, &Axes),
        rank: Rank,
        dims: &[usize],
    ) -> Maybe<NodeId> {
        let (rows, at, _) = self.reduced_as_one(what, x, axes)?;
        let rows = self.swap_with_last(what, rows, at)?;
        let [mode, rank] = rank.words();
        let indices = self.indices(what, Structural::ArgTop, rows, 1, &[0, mode, rank])?;
        let values = self.gather(rows, -1, indices)?;
        let values = self.swap_with_last(what, values, at)?;
        self.reshape_to(what, values, dims)
    }

    /// The median: of an even number of elements the lower one of the two in the middle; NaN if there is
    /// one. Gradient: to that element.
    ///
    /// - PyTorch: `x.movedim(axes, list(range(-len(axes), 0))).flatten(-len(axes)).median(-1).values if len(axes) else x.median()`
    /// - Types: any
    /// - Cases: `x=D(7), axes=[0], keepdim=False`; `x=D(2,4,3), axes=[1], keepdim=False`;
    ///   `x=D(2,4,3), axes=[0,2], keepdim=False`; `x=D(2,3), axes=[], keepdim=False`;
    ///   `x=S(1,nan,3), axes=[0], keepdim=False`; `x=I(5,-2,9,7), axes=[0], keepdim=False`;
    ///   `x=I([5,-2,9],[9,1,0]), axes=[1], keepdim=False`; `x=M(3,250,7), axes=[], keepdim=False`;
    ///   `x=I(9007199254740993,9007199254740992,9007199254740994), axes=[0], keepdim=False`
    pub(crate) fn median(&mut self, x: NodeId, axes: &[isize], keepdim: bool) -> Maybe<NodeId> {
        let what = "median";
        let (axes, count, dims) = self.ranked(what, x, axes, keepdim)?;
        self.of_rank(what, (x, &axes), Rank::OrNan((count - 1) / 2), &dims)
    }

    /// The median of what is no NaN; NaN if nothing else is there. Otherwise as `median`.
    ///
    /// - PyTorch: `x.movedim(axes, list(range(-len(axes), 0))).flatten(-len(axes)).nanmedian(-1).values if len(axes) else x.nanmedian()`
    /// - Types: any
    /// - Cases: `x=D(7), axes=[0], keepdim=False`; `x=D(2,4,3), axes=[0,2], keepdim=False`;
    ///   `x=S(1,nan,3,2), axes=[0], keepdim=False`; `x=S(nan,nan), axes=[0], keepdim=False`;
    ///   `x=I(5,-2,9,7), axes=[0], keepdim=False`
    pub(crate) fn nanmedian(&mut self, x: NodeId, axes: &[isize], keepdim: bool) -> Maybe<NodeId> {
        let what = "nanmedian";
        let (axes, _, dims) = self.ranked(what, x, axes, keepdim)?;
        self.of_rank(what, (x, &axes), Rank::MiddleOfNumbers, &dims)
    }

    /// The quantile of a share `q` from 0 to 1: between the two elements beside q (count - 1), in
    /// proportion, as `lerp` has it; NaN if there is one. Where q (count - 1) is whole it is that element,
    /// also an infinite one, for which PyTorch gives NaN. Gradient: to those two.
    ///
    /// - PyTorch: `torch.quantile(x.movedim(axes, list(range(-len(axes), 0))).flatten(-len(axes)) if len(axes) else x.flatten(), q, -1)`
    /// - Cases: `x=D(7), q=.3, axes=[0], keepdim=False`; `x=D(2,4,3), q=.5, axes=[1], keepdim=False`;
    ///   `x=D(2,4,3), q=.77, axes=[0,2], keepdim=False`; `x=D(2,3), q=1., axes=[], keepdim=False`;
    ///   `x=D(5), q=0., axes=[0], keepdim=False`; `x=S(1,nan,3), q=.5, axes=[0], keepdim=False`;
    ///   `x=S(-inf,1,2), q=.1, axes=[0], keepdim=False`; `x=S(-inf,1,2), q=.4, axes=[0], keepdim=False`;
    ///   `x=S(1,inf), q=.3, axes=[0], keepdim=False`; `x=S(1,inf), q=.7, axes=[0], keepdim=False`;
    ///   `x=S(-inf,inf), q=.5, axes=[0], keepdim=False`; `x=S(-3,1,5,6), q=.8, axes=[0], keepdim=False`
    pub(crate) fn quantile(
        &mut self,
        x: NodeId,
        q: f64,
        axes: &[isize],
        keepdim: bool,
    ) -> Maybe<NodeId> {
        let what = "quantile";
        self.need_float(what, x)?;
        if !(0.0..=1.0).contains(&q) {
            return Err(self.fail(
                ErrorKind::Argument,
                format_args!("{what}: the share must be from 0 to 1, not {q}"),
            ));
        }
        let (axes, count, dims) = self.ranked(what, x, axes, keepdim)?;
        let place = q * (count - 1) as f64;
        let low = (place.floor() as usize).min(count - 1);
        let share = place - low as f64;
        let below = self.of_rank(what, (x, &axes), Rank::OrNan(low), &dims)?;
        if share == 0.0 {
            return Ok(below);
        }
        let above = self.of_rank(what, (x, &axes), Rank::OrNan(low + 1), &dims)?;
        self.lerp(below, above, Operand::Constant(share))
    }

    /// The axes over which ranks are asked for, how many elements those are, and the result's shape.
    fn ranked(
        &mut self,
        what: &str,
        x: NodeId,
        axes: &[isize],
        keepdim: bool,
    ) -> Maybe<(Axes, usize, Dims)> {
        let axes = self.axes(what, x, axes)?;
        self.need_some(what, x, &axes)?;
        let dims = self.shape(x);
        let count = axes.count(&dims);
        if count > u32::MAX as usize {
            return Err(
                self.fail(ErrorKind::Limit, format_args!("{what}: more than 2^32 elements"))
            );
        }
        let dims = if keepdim { axes.kept(&dims) } else { axes.dropped(&dims) };
        Ok((axes, count, dims))
    }
}
