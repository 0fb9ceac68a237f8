//! Reductions over all, one or several axes: sum, mean, extremes, log-sum-exp, variance.

use super::Sink;
use super::integer::Over;
use crate::dtype::DType;
use crate::error::{ErrorKind, Maybe};
use crate::graph::{Core, NewNode, Operand};
use crate::id::{ListId, NodeId};
use crate::node::{Comparison, Extreme, Op, Reduction, Ties};
use crate::roll_call::Elem;
use crate::shape::{Dims, MAX_RANK};

/// Which axes of a shape are reduced.
#[derive(Clone, Copy)]
pub(crate) struct Axes {
    pub(super) reduced: [bool; MAX_RANK],
    pub(super) rank: usize,
}

impl Axes {
    /// The shape with reduced axes of length 1.
    pub(super) fn kept(&self, dims: &Dims) -> Dims {
        let mut out = *dims;
        (0..self.rank).filter(|&axis| self.reduced[axis]).for_each(|axis| out[axis] = 1);
        out
    }

    /// The shape without the reduced axes.
    pub(super) fn dropped(&self, dims: &Dims) -> Dims {
        let mut out = Dims::SCALAR;
        (0..self.rank).filter(|&axis| !self.reduced[axis]).for_each(|axis| out.push(dims[axis]));
        out
    }

    pub(super) fn count(&self, dims: &Dims) -> usize {
        (0..self.rank).filter(|&axis| self.reduced[axis]).map(|axis| dims[axis]).product()
    }
}

impl Core {
    /// A possibly negative axis as an index; a 0-d tensor takes 0 and -1.
    pub(crate) fn axis(&mut self, what: &str, axis: isize, rank: usize) -> Maybe<usize> {
        let span = rank.max(1) as isize;
        if (-span..span).contains(&axis) {
            return Ok(axis.rem_euclid(span) as usize);
        }
        Err(self.fail(
            ErrorKind::Argument,
            format_args!(
                "{what}: axis {axis} is outside of {} to {} for a tensor of rank {rank}",
                -span,
                span - 1
            ),
        ))
    }

    /// The axes to reduce; none named means all.
    pub(super) fn axes(&mut self, what: &str, x: NodeId, axes: &[isize]) -> Maybe<Axes> {
        let rank = self.shape(x).len();
        let mut out = Axes { reduced: [axes.is_empty(); MAX_RANK], rank };
        for &axis in axes {
            let at = self.axis(what, axis, rank)?;
            if out.reduced[at] {
                return Err(self
                    .fail(ErrorKind::Argument, format_args!("{what}: axis {axis} appears twice")));
            }
            out.reduced[at] = true;
        }
        Ok(out)
    }

    pub(super) fn push_reduction(
        &mut self,
        what: &str,
        op: Op,
        dtype: DType,
        x: NodeId,
        axes: &Axes,
        keepdim: bool,
    ) -> Maybe<NodeId> {
        let dims = self.shape(x);
        let kept = axes.kept(&dims);
        let mut node = NewNode::new(op, dtype);
        node.inputs[0] = x;
        node.list = self.intern(&kept)?;
        let shape = if keepdim { kept } else { axes.dropped(&dims) };
        (node.shape, node.len) = self.intern_shape(what, &shape)?;
        self.push_here(node)
    }

    /// The sum; 0 of no elements. Gradient: the cotangent, repeated. That of integers is i64, and wraps
    /// around.
    ///
    /// - PyTorch: `torch.sum(x, axes if len(axes) else None, keepdim)`
    /// - Types: any
    /// - Cases: `x=I([1,2],[3,4]), axes=[0], keepdim=False`; `x=M([1,2],[3,4]), axes=[], keepdim=False`;
    ///   `x=I([[1,2],[3,4]],[[5,6],[7,8]]), axes=[0,2], keepdim=True`;
    ///   `x=I(9223372036854775807,2), axes=[0], keepdim=False`
    pub(crate) fn sum(&mut self, x: NodeId, axes: &[isize], keepdim: bool) -> Maybe<NodeId> {
        if !self.node(x).dtype.is_float() {
            return self.reduce_integers("sum", Over::Sum, x, axes, keepdim);
        }
        let dtype = self.node(x).dtype;
        let axes = self.axes("sum", x, axes)?;
        self.push_reduction("sum", Op::Reduce(Reduction::Sum), dtype, x, &axes, keepdim)
    }

    /// The sum over the axes by which `x` was broadcast from `dims`: the reverse of broadcasting.
    pub(crate) fn sum_to(&mut self, x: NodeId, to: NodeId) -> Maybe<NodeId> {
        let (shape, len) = (self.node(to).shape, self.node(to).len);
        if self.node(x).shape == shape {
            return Ok(x);
        }
        let (from, to) = (self.shape(x), self.dims(shape));
        let missing = from.len() - to.len();
        let mut kept = from;
        for axis in 0..from.len() {
            kept[axis] = if axis < missing { 1 } else { to[axis - missing] };
        }
        let mut node = NewNode::new(Op::Reduce(Reduction::Sum), self.node(x).dtype);
        node.inputs[0] = x;
        node.list = self.intern(&kept)?;
        (node.shape, node.len) = (shape, len);
        self.push_here(node)
    }

    /// The mean; NaN of no elements. (A reduction of its own, and not a sum by a number: what is between
    /// may leave the range.)
    ///
    /// - PyTorch: `torch.mean(x, axes, keepdim)`
    pub(crate) fn mean(&mut self, x: NodeId, axes: &[isize], keepdim: bool) -> Maybe<NodeId> {
        let dtype = self.need_float("mean", x)?;
        let axes = self.axes("mean", x, axes)?;
        self.push_reduction("mean", Op::Reduce(Reduction::Mean), dtype, x, &axes, keepdim)
    }

    /// The largest element; NaN if there is one. Of several, all get an equal part of the gradient, except
    /// along a single named axis: there the first gets all.
    ///
    /// - PyTorch: `torch.max(x, axis, keepdim)`
    /// - Types: any
    pub(crate) fn max(&mut self, x: NodeId, axes: &[isize], keepdim: bool) -> Maybe<NodeId> {
        self.extreme(Extreme::Max, x, axes, keepdim)
    }

    /// The smallest element; otherwise as `max`.
    ///
    /// - PyTorch: `torch.min(x, axis, keepdim)`
    /// - Types: any
    pub(crate) fn min(&mut self, x: NodeId, axes: &[isize], keepdim: bool) -> Maybe<NodeId> {
        self.extreme(Extreme::Min, x, axes, keepdim)
    }

    /// The largest element; of several, all get an equal part of the gradient.
    ///
    /// - PyTorch: `torch.amax(x, axes, keepdim)`
    /// - Types: any
    /// - Cases: `x=I([1,2],[3,4]), axes=[0], keepdim=False`; `x=M([1,2],[3,4]), axes=[1], keepdim=False`
    pub(crate) fn amax(&mut self, x: NodeId, axes: &[isize], keepdim: bool) -> Maybe<NodeId> {
        self.extreme_with(Extreme::Max, Ties::Even, x, axes, keepdim)
    }

    /// The smallest element; of several, all get an equal part of the gradient.
    ///
    /// - PyTorch: `torch.amin(x, axes, keepdim)`
    /// - Types: any
    pub(crate) fn amin(&mut self, x: NodeId, axes: &[isize], keepdim: bool) -> Maybe<NodeId> {
        self.extreme_with(Extreme::Min, Ties::Even, x, axes, keepdim)
    }

    /// The index of the first largest element along an axis, or of the flattened tensor; a NaN counts as
    /// largest. The result is i64, without gradient.
    ///
    /// - PyTorch: `torch.argmax(x, axis, keepdim)`
    /// - Types: any
    /// - Cases: `x=I([1,5,5],[7,2,7]), axis=1, keepdim=False`; `x=I([1,5,5],[7,2,7]), axis=0, keepdim=True`;
    ///   `x=I([1,5,7],[7,2,5]), axis=None, keepdim=False`; `x=M(0,255,255), axis=0, keepdim=False`;
    ///   `x=I(-9223372036854775807,-9223372036854775807), axis=0, keepdim=False`
    pub(crate) fn argmax(
        &mut self,
        x: NodeId,
        axis: Option<isize>,
        keepdim: bool,
    ) -> Maybe<NodeId> {
        self.arg_extreme(Extreme::Max, x, axis, keepdim)
    }

    /// The index of the first smallest element; otherwise as `argmax`.
    ///
    /// - PyTorch: `torch.argmin(x, axis, keepdim)`
    /// - Types: any
    /// - Cases: `x=I([1,5,1],[7,2,2]), axis=1, keepdim=False`; `x=M(255,0,0), axis=None, keepdim=False`;
    ///   `x=I(9223372036854775807,9223372036854775807), axis=0, keepdim=False`
    pub(crate) fn argmin(
        &mut self,
        x: NodeId,
        axis: Option<isize>,
        keepdim: bool,
    ) -> Maybe<NodeId> {
        self.arg_extreme(Extreme::Min, x, axis, keepdim)
    }

    /// The extreme over the axes. Ties: the first along a single named axis, else evenly split.
    fn extreme(
        &mut self,
        which: Extreme,
        x: NodeId,
        axes: &[isize],
        keepdim: bool,
    ) -> Maybe<NodeId> {
        let ties = match axes.len() {
            0 => Ties::EvenNan,
            1 => Ties::First,
            _ => Ties::Even,
        };
        self.extreme_with(which, ties, x, axes, keepdim)
    }

    pub(crate) fn extreme_with(
        &mut self,
        which: Extreme,
        ties: Ties,
        x: NodeId,
        axes: &[isize],
        keepdim: bool,
    ) -> Maybe<NodeId> {
        let what = Reduction::Extreme(which, ties).name();
        if !self.node(x).dtype.is_float() {
            let how = if which == Extreme::Max { Over::Max } else { Over::Min };
            return self.reduce_integers(what, how, x, axes, keepdim);
        }
        let dtype = self.node(x).dtype;
        let axes = self.axes(what, x, axes)?;
        self.need_some(what, x, &axes)?;
        let op = Op::Reduce(Reduction::Extreme(which, ties));
        self.push_reduction(what, op, dtype, x, &axes, keepdim)
    }

    /// There is no largest of no elements.
    pub(super) fn need_some(&mut self, what: &str, x: NodeId, axes: &Axes) -> Maybe<()> {
        let dims = self.shape(x);
        if axes.count(&dims) > 0 {
            return Ok(());
        }
        Err(self.fail(
            ErrorKind::Shape,
            format_args!("{what}: {dims:?} has no element along the reduced axes"),
        ))
    }

    pub(crate) fn arg_extreme(
        &mut self,
        which: Extreme,
        x: NodeId,
        axis: Option<isize>,
        keepdim: bool,
    ) -> Maybe<NodeId> {
        let what = Op::ArgReduce(which).name();
        if !self.node(x).dtype.is_float() {
            let how = if which == Extreme::Max { Over::ArgMax } else { Over::ArgMin };
            return self.reduce_integers(what, how, x, axis.as_slice(), keepdim);
        }
        let axes = self.axes(what, x, axis.as_slice())?;
        self.need_some(what, x, &axes)?;
        self.push_reduction(what, Op::ArgReduce(which), DType::I64, x, &axes, keepdim)
    }

    /// log sum e^x without overflow; -infinity of no elements. Gradient: the softmax.
    ///
    /// - PyTorch: `torch.logsumexp(x, axes, keepdim)`
    pub(crate) fn logsumexp(&mut self, x: NodeId, axes: &[isize], keepdim: bool) -> Maybe<NodeId> {
        let what = "logsumexp";
        let dtype = self.need_float(what, x)?;
        let axes = self.axes(what, x, axes)?;
        self.push_reduction(what, Op::Reduce(Reduction::LogSumExp), dtype, x, &axes, keepdim)
    }

    /// A tensor with its reduced axes as one, where they are if they are neighbours, else at the end;
    /// which axis that is; and in which order the axes are then.
    pub(super) fn reduced_as_one(
        &mut self,
        what: &str,
        x: NodeId,
        axes: &Axes,
    ) -> Maybe<(NodeId, usize, Dims)> {
        let dims = self.shape(x);
        let reduced = &axes.reduced[..dims.len()];
        let at = reduced.iter().position(|&is| is).unwrap_or(dims.len());
        let len = reduced[at..].iter().take_while(|&&is| is).count();
        let are_neighbours = !reduced[at + len..].contains(&true);
        let mut order = Dims::SCALAR;
        if are_neighbours {
            (0..dims.len()).for_each(|axis| order.push(axis));
        } else {
            for last in [false, true] {
                let chosen = (0..dims.len()).filter(|&axis| reduced[axis] == last);
                chosen.for_each(|axis| order.push(axis));
            }
        }
        let kept = axes.dropped(&dims);
        let at = if are_neighbours { at } else { kept.len() };
        let mut flat = Dims::SCALAR;
        kept[..at].iter().for_each(|&len| flat.push(len));
        flat.push(axes.count(&dims));
        kept[at..].iter().for_each(|&len| flat.push(len));
        let moved = if are_neighbours { x } else { self.permute_by(what, x, &order)? };
        Ok((self.reshape_to(what, moved, &flat)?, at, order))
    }

    /// The variance: the sum of squared distances from the mean over count - correction. Correction 1 is the
    /// unbiased estimate, 0 the population's.
    ///
    /// The mean is rounded. The distances from it have few digits if all elements are equal: their mean,
    /// taken off again, leaves nothing then, however large the elements are. And the square of what the
    /// distances add up to is taken off (T. Chan, G. Golub, R. LeVeque, 1983): what is left does not
    /// depend on the means at all, so no gradient need flow there.
    ///
    /// - PyTorch: `torch.var(x, axes, correction=correction, keepdim=keepdim)`
    pub(crate) fn var(
        &mut self,
        x: NodeId,
        correction: f64,
        axes: &[isize],
        keepdim: bool,
    ) -> Maybe<NodeId> {
        let dtype = self.need_float("var", x)?;
        if correction.is_nan() {
            return Err(self.fail(
                ErrorKind::Argument,
                format_args!("var: the correction must be a number, not NaN"),
            ));
        }
        let count = self.axes("var", x, axes)?.count(&self.shape(x)) as f64;
        let mean = self.mean(x, axes, true)?;
        let mean = self.detach(mean)?;
        let distance = self.map2(Elem::Sub, x, mean)?;
        // What was lost in rounding the mean; nothing where a distance is beyond the range.
        let lost = self.mean(distance, axes, true)?;
        let lost = self.detach(lost)?;
        let size = self.map(Elem::Abs, lost)?;
        let known = self.compare(Comparison::Le, size, Operand::Constant(dtype.largest()))?;
        let lost = self.where_(known, lost, Operand::Constant(0.0))?;
        let distance = self.map2(Elem::Sub, distance, lost)?;
        let square = self.map(Elem::Square, distance)?;
        let total = self.sum(square, axes, keepdim)?;
        let rest = self.sum(distance, axes, keepdim)?;
        let share = self.map2(Elem::Div, rest, Operand::Constant(count))?;
        let excess = self.map2(Elem::Mul, rest, share)?;
        // An infinite total stays what it is.
        let excess = self.map2(Elem::AtMost, excess, Operand::Constant(dtype.largest()))?;
        let total = self.map2(Elem::Sub, total, excess)?;
        let total = self.map(Elem::NotNegative, total)?;
        self.map2(Elem::Div, total, Operand::Constant((count - correction).max(0.0)))
    }

    /// A reduced tensor repeated along the axes it was reduced over.
    pub(super) fn spread(
        &mut self,
        what: &str,
        y: NodeId,
        kept: ListId,
        like: NodeId,
    ) -> Maybe<NodeId> {
        let kept = self.dims(kept);
        let y = self.reshape_to(what, y, &kept)?;
        let dims = self.shape(like);
        self.expand_to(what, y, &dims)
    }

    pub(crate) fn vjp_reduce(
        &mut self,
        reduction: Reduction,
        id: NodeId,
        g: NodeId,
        sink: &mut Sink,
    ) -> Maybe<()> {
        let node = *self.node(id);
        let x = node.inputs[0];
        if !sink.wants(self, x) {
            return Ok(());
        }
        let what = reduction.name();
        if reduction == Reduction::Norm {
            let cotangent = self.vjp_norm(x, id, g, node.list)?;
            return sink.send(self, x, cotangent);
        }
        let mut g = g;
        if reduction == Reduction::Mean {
            let count = self.node(x).len / node.len.max(1);
            g = self.map2(Elem::Div, g, Operand::Constant(count as f64))?;
        }
        let wide = self.spread(what, g, node.list, x)?;
        let cotangent = match reduction {
            Reduction::Sum | Reduction::Mean | Reduction::Norm => wide,
            Reduction::LogSumExp => {
                let y = self.spread(what, id, node.list, x)?;
                let distance = self.map2(Elem::Sub, x, y)?;
                let share = self.map(Elem::Exp, distance)?;
                self.map2(Elem::Mul, wide, share)?
            }
            Reduction::Extreme(which, Ties::First) => {
                let (kept, dims) = (self.dims(node.list), self.shape(x));
                let axis = (0..dims.len()).find(|&axis| kept[axis] != dims[axis]);
                match axis {
                    None => wide, // the only element along its axis
                    Some(axis) => {
                        let first = self.arg_extreme(which, x, Some(axis as isize), true)?;
                        let is_last = dims[axis..].iter().product::<usize>() == dims[axis];
                        if is_last && node.len > 0 {
                            // Rows lie together: one pass, with the forward if it is run now.
                            let rows = [node.len];
                            let first = self.reshape_to(what, first, &rows)?;
                            let part = self.reshape_to(what, g, &rows)?;
                            let wide = self.scatter_class(part, first, dims[axis])?;
                            self.reshape_to(what, wide, &dims)?
                        } else {
                            let part = self.reshape_to(what, g, &kept)?;
                            let along = self.elements_along(what, axis)?;
                            self.scatter_zeros(part, first, along, x)?
                        }
                    }
                }
            }
            Reduction::Extreme(_, ties) => {
                let y = self.spread(what, id, node.list, x)?;
                let same = if ties == Ties::EvenNan { Comparison::Same } else { Comparison::Eq };
                let mask = self.compare(same, x, y)?;
                let mask = self.cast(mask, node.dtype)?;
                let kept = self.dims(node.list);
                let mut count = NewNode::new(Op::Reduce(Reduction::Sum), node.dtype);
                count.inputs[0] = mask;
                count.list = node.list;
                (count.shape, count.len) = (node.list, node.len);
                let count = self.push(count)?;
                let g = self.reshape_to(what, g, &kept)?;
                let part = self.map2(Elem::Div, g, count)?;
                self.map2(Elem::Mul, mask, part)?
            }
        };
        sink.send(self, x, cotangent)
    }
}

impl Reduction {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Mean => "mean",
            Self::Norm => "norm",
            Self::Extreme(Extreme::Max, Ties::Even) => "amax",
            Self::Extreme(Extreme::Min, Ties::Even) => "amin",
            Self::Extreme(Extreme::Max, _) => "max",
            Self::Extreme(Extreme::Min, _) => "min",
            Self::LogSumExp => "logsumexp",
        }
    }
}
