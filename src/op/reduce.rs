//! Reductions over all, one or several axes: sum, extremes, log-sum-exp, and what is made of them.

use super::Sink;
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
    reduced: [bool; MAX_RANK],
    rank: usize,
}

impl Axes {
    /// The shape with reduced axes of length 1.
    fn kept(&self, dims: &Dims) -> Dims {
        let mut out = *dims;
        (0..self.rank).filter(|&axis| self.reduced[axis]).for_each(|axis| out[axis] = 1);
        out
    }

    /// The shape without the reduced axes.
    fn dropped(&self, dims: &Dims) -> Dims {
        let mut out = Dims::SCALAR;
        (0..self.rank).filter(|&axis| !self.reduced[axis]).for_each(|axis| out.push(dims[axis]));
        out
    }

    fn count(&self, dims: &Dims) -> usize {
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
    fn axes(&mut self, what: &str, x: NodeId, axes: &[isize]) -> Maybe<Axes> {
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

    fn push_reduction(
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
        self.push(node)
    }

    pub(crate) fn sum(&mut self, x: NodeId, axes: &[isize], keepdim: bool) -> Maybe<NodeId> {
        let dtype = self.need_float("sum", x)?;
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
        self.push(node)
    }

    pub(crate) fn mean(&mut self, x: NodeId, axes: &[isize], keepdim: bool) -> Maybe<NodeId> {
        self.need_float("mean", x)?;
        let count = self.axes("mean", x, axes)?.count(&self.shape(x));
        let sum = self.sum(x, axes, keepdim)?;
        self.map2(Elem::Div, sum, Operand::Constant(count as f64))
    }

    /// The extreme over the axes. Ties: the first along a single named axis, else evenly split.
    pub(crate) fn extreme(
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
        let dtype = self.need_float(what, x)?;
        let axes = self.axes(what, x, axes)?;
        self.need_some(what, x, &axes)?;
        let op = Op::Reduce(Reduction::Extreme(which, ties));
        self.push_reduction(what, op, dtype, x, &axes, keepdim)
    }

    /// There is no largest of no elements.
    fn need_some(&mut self, what: &str, x: NodeId, axes: &Axes) -> Maybe<()> {
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
        self.need_float(what, x)?;
        let axes = self.axes(what, x, axis.as_slice())?;
        self.need_some(what, x, &axes)?;
        self.push_reduction(what, Op::ArgReduce(which), DType::I64, x, &axes, keepdim)
    }

    pub(crate) fn logsumexp(&mut self, x: NodeId, axes: &[isize], keepdim: bool) -> Maybe<NodeId> {
        let what = "logsumexp";
        let dtype = self.need_float(what, x)?;
        let axes = self.axes(what, x, axes)?;
        self.push_reduction(what, Op::Reduce(Reduction::LogSumExp), dtype, x, &axes, keepdim)
    }

    /// The product as a balanced tree of products: its gradient needs no division, so it is right
    /// at zeros too, to any order.
    pub(crate) fn prod(&mut self, x: NodeId, axes: &[isize], keepdim: bool) -> Maybe<NodeId> {
        let what = "prod";
        self.need_float(what, x)?;
        let axes = self.axes(what, x, axes)?;
        let dims = self.shape(x);
        let (count, kept, dropped) = (axes.count(&dims), axes.kept(&dims), axes.dropped(&dims));
        // The reduced axes last, and as one.
        let mut order = Dims::SCALAR;
        for reduced in [false, true] {
            let chosen = (0..dims.len()).filter(|&axis| axes.reduced[axis] == reduced);
            chosen.for_each(|axis| order.push(axis));
        }
        let last = dropped.len();
        let mut flat = dropped;
        if flat.len() == MAX_RANK {
            // Nothing is reduced: a tensor of the largest rank, and no axis (unreachable by name).
            return Ok(x);
        }
        flat.push(count);
        let moved = self.permute_by(what, x, &order)?;
        let mut y = self.reshape_to(what, moved, &flat)?;
        let mut extra: Option<NodeId> = None;
        let mut left = count;
        while left > 1 {
            let half = left / 2;
            let low = self.slice_by(y, last, 0, half, 1)?;
            let high = self.slice_by(y, last, half, half, 1)?;
            if left % 2 == 1 {
                let odd = self.slice_by(y, last, left - 1, 1, 1)?;
                extra = Some(match extra {
                    Some(extra) => self.map2(Elem::Mul, extra, odd)?,
                    None => odd,
                });
            }
            y = self.map2(Elem::Mul, low, high)?;
            left = half;
        }
        if count == 0 {
            // Sums of nothing are 0, and products of nothing are 1.
            let zero = self.sum(y, &[last as isize], true)?;
            y = self.map2(Elem::Add, zero, Operand::Constant(1.0))?;
        }
        if let Some(extra) = extra {
            y = self.map2(Elem::Mul, y, extra)?;
        }
        self.reshape_to(what, y, if keepdim { &kept } else { &dropped })
    }

    /// Sum of squared distances from the mean, over count - correction.
    pub(crate) fn var(
        &mut self,
        x: NodeId,
        correction: f64,
        axes: &[isize],
        keepdim: bool,
    ) -> Maybe<NodeId> {
        self.need_float("var", x)?;
        let count = self.axes("var", x, axes)?.count(&self.shape(x));
        let mean = self.mean(x, axes, true)?;
        let distance = self.map2(Elem::Sub, x, mean)?;
        let square = self.map(Elem::Square, distance)?;
        let sum = self.sum(square, axes, keepdim)?;
        self.map2(Elem::Div, sum, Operand::Constant((count as f64 - correction).max(0.0)))
    }

    /// (sum |x|^p)^(1/p); the subgradient at 0 is 0.
    pub(crate) fn norm(
        &mut self,
        x: NodeId,
        p: f64,
        axes: &[isize],
        keepdim: bool,
    ) -> Maybe<NodeId> {
        let what = "norm";
        self.need_float(what, x)?;
        if p.is_nan() || p <= 0.0 {
            return Err(self.fail(
                ErrorKind::Argument,
                format_args!("{what}: p must be above 0 (or infinity), not {p}"),
            ));
        }
        if p == 2.0 {
            let square = self.map(Elem::Square, x)?;
            let sum = self.sum(square, axes, keepdim)?;
            return self.map(Elem::NormSqrt, sum);
        }
        let size = self.map(Elem::Abs, x)?;
        if p == 1.0 {
            return self.sum(size, axes, keepdim);
        }
        if p == f64::INFINITY {
            return self.extreme_with(Extreme::Max, Ties::Even, size, axes, keepdim);
        }
        let power = if p > 1.0 {
            self.map2(Elem::Pow, size, Operand::Constant(p))?
        } else {
            // The slope of |x|^p at 0 is infinite, and counts as 0: zeros take no part.
            let some = self.compare(Comparison::Ne, size, Operand::Constant(0.0))?;
            let safe = self.where_(some, size, Operand::Constant(1.0))?;
            let power = self.map2(Elem::Pow, safe, Operand::Constant(p))?;
            self.where_(some, power, Operand::Constant(0.0))?
        };
        let sum = self.sum(power, axes, keepdim)?;
        self.map2(Elem::NormRoot, sum, Operand::Constant(p))
    }

    /// A reduced tensor repeated along the axes it was reduced over.
    fn spread(&mut self, what: &str, y: NodeId, kept: ListId, like: NodeId) -> Maybe<NodeId> {
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
        let wide = self.spread(what, g, node.list, x)?;
        let cotangent = match reduction {
            Reduction::Sum => wide,
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
                            let wide = self.unpick(part, first, dims[axis])?;
                            self.reshape_to(what, wide, &dims)?
                        } else {
                            let part = self.reshape_to(what, g, &kept)?;
                            self.scatter_add(part, first, axis, x)?
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
            Self::Extreme(Extreme::Max, Ties::Even) => "amax",
            Self::Extreme(Extreme::Min, Ties::Even) => "amin",
            Self::Extreme(Extreme::Max, _) => "max",
            Self::Extreme(Extreme::Min, _) => "min",
            Self::LogSumExp => "logsumexp",
        }
    }
}
