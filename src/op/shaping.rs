//! Shape operations. Reshape, permute, expand and slice are views: they move no data.

use super::Sink;
use crate::error::{ErrorKind, Maybe};
use crate::graph::{Core, NewNode, PATH};
use crate::id::{ListId, NodeId};
use crate::node::Op;
use crate::shape::{self, Dims, Layout, MAX_RANK};

impl Core {
    pub(crate) fn push_view(
        &mut self,
        what: &str,
        op: Op,
        x: NodeId,
        dims: &[usize],
        list: ListId,
    ) -> Maybe<NodeId> {
        let mut node = NewNode::new(op, self.node(x).dtype);
        node.inputs[0] = x;
        node.list = list;
        (node.shape, node.len) = self.intern_shape(what, dims)?;
        self.push_here(node)
    }

    /// The same value, through which no gradient flows.
    pub(crate) fn detach(&mut self, x: NodeId) -> Maybe<NodeId> {
        let dims = self.shape(x);
        self.push_view("detach", Op::Detach, x, &dims, ListId::NONE)
    }

    /// The same elements in row-major order in another shape; one length may be -1: what is left.
    ///
    /// - PyTorch: `torch.reshape(x, shape)`
    /// - Types: any
    pub(crate) fn reshape(&mut self, x: NodeId, shape: &[isize]) -> Maybe<NodeId> {
        let what = "reshape";
        let from = self.shape(x);
        if shape.len() > MAX_RANK {
            return Err(self.fail(
                ErrorKind::Limit,
                format_args!(
                    "{what}: a shape of rank {} exceeds the largest, {MAX_RANK}",
                    shape.len()
                ),
            ));
        }
        let len = self.node(x).len;
        let Some(dims) = filled(shape, len) else {
            return Err(self.fail(
                ErrorKind::Shape,
                format_args!(
                    "{what}: the {len} elements of {from:?} do not fill the shape {shape:?}"
                ),
            ));
        };
        self.reshape_to(what, x, &dims)
    }

    /// The axes from `axis_start` to `axis_end`, both included, as one. A 0-d tensor becomes a vector.
    ///
    /// - PyTorch: `torch.flatten(x, axis_start, axis_end)`
    /// - Types: any
    /// - Cases: `x=U(2,3,4), axis_start=0, axis_end=-1`; `x=U(2,3,4), axis_start=1, axis_end=2`;
    ///   `x=U(2,3), axis_start=1, axis_end=1`; `x=U(), axis_start=0, axis_end=-1`;
    ///   `x=U(2,0,3), axis_start=-2, axis_end=-1`
    pub(crate) fn flatten(
        &mut self,
        x: NodeId,
        axis_start: isize,
        axis_end: isize,
    ) -> Maybe<NodeId> {
        let what = "flatten";
        let dims = self.shape(x);
        let start = self.axis(what, axis_start, dims.len())?;
        let end = self.axis(what, axis_end, dims.len())?;
        if start > end {
            return Err(self.fail(
                ErrorKind::Argument,
                format_args!("{what}: axis {axis_start} of {dims:?} is behind axis {axis_end}"),
            ));
        }
        if dims.is_empty() {
            return self.reshape_to(what, x, &[1]);
        }
        let mut flat = Dims::new(&dims[..start]);
        flat.push(dims[start..=end].iter().product());
        dims[end + 1..].iter().for_each(|&len| flat.push(len));
        self.reshape_to(what, x, &flat)
    }

    /// One axis as several; one of their lengths may be -1: what is left.
    ///
    /// - PyTorch: `torch.unflatten(x, axis, tuple(shape))`
    /// - Types: any
    /// - Cases: `x=U(6), axis=0, shape=[2, 3]`; `x=U(2,6), axis=-1, shape=[3, -1]`;
    ///   `x=U(2,6,2), axis=1, shape=[1, 3, 2]`; `x=U(0,2), axis=0, shape=[0, 5]`
    pub(crate) fn unflatten(&mut self, x: NodeId, axis: isize, shape: &[isize]) -> Maybe<NodeId> {
        let what = "unflatten";
        let axis = self.own_axis(what, x, axis)?;
        let dims = self.shape(x);
        let rank = dims.len() - 1 + shape.len();
        if rank > MAX_RANK {
            return Err(self.fail(
                ErrorKind::Limit,
                format_args!("{what}: a shape of rank {rank} exceeds the largest, {MAX_RANK}"),
            ));
        }
        let Some(parts) = filled(shape, dims[axis]).filter(|parts| !parts.is_empty()) else {
            return Err(self.fail(
                ErrorKind::Shape,
                format_args!("{what}: axis {axis} of {dims:?} is not as long as {shape:?}"),
            ));
        };
        let mut all = Dims::new(&dims[..axis]);
        parts.iter().chain(&dims[axis + 1..]).for_each(|&len| all.push(len));
        self.reshape_to(what, x, &all)
    }

    /// As `reshape`, for a shape known to fit.
    pub(crate) fn reshape_to(&mut self, what: &str, x: NodeId, dims: &[usize]) -> Maybe<NodeId> {
        if *self.shape(x) == *dims {
            return Ok(x);
        }
        self.push_view(what, Op::Reshape, x, dims, ListId::NONE)
    }

    /// Axis i of the result is axis order[i] of `x`; `order` names each axis once.
    ///
    /// - PyTorch: `torch.permute(x, order)`
    /// - Types: any
    pub(crate) fn permute(&mut self, x: NodeId, order: &[isize]) -> Maybe<NodeId> {
        let what = "permute";
        let dims = self.shape(x);
        let (mut axes, mut seen) = (Dims::SCALAR, [false; MAX_RANK]);
        if order.len() == dims.len() {
            for &axis in order {
                let axis = self.axis(what, axis, dims.len())?;
                seen[axis] = true;
                axes.push(axis);
            }
        }
        if order.len() != dims.len() || seen[..dims.len()].contains(&false) {
            return Err(self.fail(
                ErrorKind::Argument,
                format_args!("{what}: {order:?} does not name each axis of {dims:?} once"),
            ));
        }
        self.permute_by(what, x, &axes)
    }

    pub(crate) fn permute_by(&mut self, what: &str, x: NodeId, order: &[usize]) -> Maybe<NodeId> {
        if order.iter().enumerate().all(|(i, &axis)| i == axis) {
            return Ok(x);
        }
        let from = self.shape(x);
        let mut dims = from;
        order.iter().enumerate().for_each(|(to, &axis)| dims[to] = from[axis]);
        let list = self.intern(order)?;
        self.push_view(what, Op::Permute, x, &dims, list)
    }

    /// Two axes exchanged.
    ///
    /// - PyTorch: `torch.transpose(x, axis0, axis1)`
    /// - Types: any
    pub(crate) fn transpose(&mut self, x: NodeId, axis0: isize, axis1: isize) -> Maybe<NodeId> {
        let what = "transpose";
        let rank = self.shape(x).len();
        let (a, b) = (self.axis(what, axis0, rank)?, self.axis(what, axis1, rank)?);
        let mut order = Dims::SCALAR;
        (0..rank).for_each(|axis| order.push(axis));
        if rank > 0 {
            order.swap(a, b);
        }
        self.permute_by(what, x, &order)
    }

    /// An axis moved to another place of the result; the others keep their order.
    ///
    /// - PyTorch: `torch.movedim(x, axis_from, axis_to)`
    /// - Types: any
    /// - Cases: `x=U(2,3,4), axis_from=0, axis_to=-1`; `x=U(2,3,4), axis_from=2, axis_to=0`;
    ///   `x=U(2,3), axis_from=1, axis_to=1`; `x=U(), axis_from=0, axis_to=-1`
    pub(crate) fn movedim(&mut self, x: NodeId, axis_from: isize, axis_to: isize) -> Maybe<NodeId> {
        let what = "movedim";
        let rank = self.shape(x).len();
        let from = self.axis(what, axis_from, rank)?;
        let to = self.axis(what, axis_to, rank)?;
        let mut order = Dims::SCALAR;
        (0..rank).for_each(|axis| order.push(axis));
        if from < to {
            order[from..=to].rotate_left(1);
        } else if to < from {
            order[to..=from].rotate_right(1);
        }
        self.permute_by(what, x, &order)
    }

    /// Axes of length 1, and missing ones at the left, repeated up to these lengths; -1 keeps one.
    /// Gradient: summed over what was repeated.
    ///
    /// - PyTorch: `x.expand(shape)`
    /// - Types: any
    pub(crate) fn expand(&mut self, x: NodeId, shape: &[isize]) -> Maybe<NodeId> {
        self.expand_as("expand", x, shape)
    }

    /// As `expand`.
    ///
    /// - PyTorch: `torch.broadcast_to(x, shape)`
    /// - Types: any
    /// - Cases: `x=U(3), shape=[2, 3]`; `x=U(2,1), shape=[2, 4]`; `x=U(), shape=[2]`; `x=U(2,1), shape=[3, -1, 2]`
    pub(crate) fn broadcast_to(&mut self, x: NodeId, shape: &[isize]) -> Maybe<NodeId> {
        self.expand_as("broadcast_to", x, shape)
    }

    fn expand_as(&mut self, what: &str, x: NodeId, shape: &[isize]) -> Maybe<NodeId> {
        let from = self.shape(x);
        let missing = shape.len().checked_sub(from.len());
        let mut dims = Dims::SCALAR;
        let mut fits = missing.is_some() && shape.len() <= MAX_RANK;
        if let Some(missing) = missing.filter(|_| fits) {
            for (axis, &d) in shape.iter().enumerate() {
                let old = axis.checked_sub(missing).map(|axis| from[axis]);
                match (usize::try_from(d), old) {
                    (Ok(d), _) => dims.push(d),
                    (Err(_), Some(old)) if d == -1 => dims.push(old),
                    _ => fits = false,
                }
            }
        }
        if !fits || !shape::broadcasts_to(&from, &dims) {
            return Err(self.fail(
                ErrorKind::Shape,
                format_args!(
                    "{what}: {from:?} does not expand to {shape:?}: only axes of length 1 do"
                ),
            ));
        }
        self.expand_to(what, x, &dims)
    }

    pub(crate) fn expand_to(&mut self, what: &str, x: NodeId, dims: &[usize]) -> Maybe<NodeId> {
        if *self.shape(x) == *dims {
            return Ok(x);
        }
        self.push_view(what, Op::Expand, x, dims, ListId::NONE)
    }

    /// Without this axis if its length is 1, else the tensor itself.
    ///
    /// - PyTorch: `torch.squeeze(x, axis)`
    /// - Types: any
    pub(crate) fn squeeze(&mut self, x: NodeId, axis: Option<isize>) -> Maybe<NodeId> {
        let what = "squeeze";
        let from = self.shape(x);
        let only = match axis {
            Some(axis) => Some(self.axis(what, axis, from.len())?),
            None => None,
        };
        let mut dims = Dims::SCALAR;
        for (axis, &d) in from.iter().enumerate() {
            if d != 1 || only.is_some_and(|only| only != axis) {
                dims.push(d);
            }
        }
        self.reshape_to(what, x, &dims)
    }

    /// With a new axis of length 1 at this place of the result.
    ///
    /// - PyTorch: `torch.unsqueeze(x, axis)`
    /// - Types: any
    pub(crate) fn unsqueeze(&mut self, x: NodeId, axis: isize) -> Maybe<NodeId> {
        let what = "unsqueeze";
        let from = self.shape(x);
        let axis = self.axis(what, axis, from.len() + 1)?;
        if from.len() == MAX_RANK {
            return Err(self.fail(
                ErrorKind::Limit,
                format_args!("{what}: {from:?} has the largest rank, {MAX_RANK}, already"),
            ));
        }
        let mut dims = Dims::SCALAR;
        for at in 0..=from.len() {
            if at == axis {
                dims.push(1);
            }
            if at < from.len() {
                dims.push(from[at]);
            }
        }
        self.reshape_to(what, x, &dims)
    }

    /// The elements from `start` up to but without `stop` along an axis, every `step`-th, as in Python:
    /// negative bounds count from the end, and bounds outside are cut. `step` is at least 1.
    ///
    /// - PyTorch: `x[start:stop:step]`
    /// - Types: any
    pub(crate) fn slice(
        &mut self,
        x: NodeId,
        axis: isize,
        start: isize,
        stop: isize,
        step: isize,
    ) -> Maybe<NodeId> {
        let what = "slice";
        let dims = self.shape(x);
        if dims.is_empty() {
            return Err(self.fail(
                ErrorKind::Shape,
                format_args!("{what}: a 0-d tensor has no axis to slice"),
            ));
        }
        let axis = self.axis(what, axis, dims.len())?;
        if step < 1 {
            return Err(self.fail(
                ErrorKind::Argument,
                format_args!("{what}: the step must be at least 1, not {step}"),
            ));
        }
        let len = dims[axis] as isize;
        let cut = |bound: isize| {
            (if bound < 0 { bound.saturating_add(len) } else { bound }).clamp(0, len)
        };
        let (start, stop) = (cut(start), cut(stop));
        let count = (stop - start).max(0).unsigned_abs().div_ceil(step.unsigned_abs());
        // A step beyond the axis takes one element, and must not overflow the strides.
        let step = step.min(len.max(1));
        self.slice_by(x, axis, start as usize, count, step as usize)
    }

    /// As `slice`, for what is known to be inside. A step may go backwards: see [`Layout::slice`].
    pub(crate) fn slice_by(
        &mut self,
        x: NodeId,
        axis: usize,
        start: usize,
        count: usize,
        step: usize,
    ) -> Maybe<NodeId> {
        let mut dims = self.shape(x);
        dims[axis] = count;
        let list = self.intern(&[axis, start, step])?;
        self.push_view("slice", Op::Slice, x, &dims, list)
    }

    /// Zeros of a shape, with `x` where such a slice takes its elements.
    pub(crate) fn embed(
        &mut self,
        x: NodeId,
        axis: usize,
        start: usize,
        step: usize,
        dims: &[usize],
    ) -> Maybe<NodeId> {
        let list = self.intern(&[axis, start, step])?;
        self.push_view("embed", Op::Embed, x, dims, list)
    }

    /// The tensors one after the other along an axis they all have; other axes must agree.
    /// Gradient: each gets its part.
    ///
    /// - PyTorch: `torch.cat(xs, axis)`
    /// - Types: any
    pub(crate) fn concat(&mut self, xs: &[NodeId], axis: isize) -> Maybe<NodeId> {
        let what = "concat";
        let Some(&first) = xs.first() else {
            return Err(self.fail(ErrorKind::Argument, format_args!("{what}: needs an operand")));
        };
        let mut dims = self.shape(first);
        if dims.is_empty() {
            return Err(self.fail(
                ErrorKind::Shape,
                format_args!("{what}: 0-d tensors have no axis to join along: use stack"),
            ));
        }
        let axis = self.axis(what, axis, dims.len())?;
        let dtype = self.node(first).dtype;
        for (i, &x) in xs.iter().enumerate().skip(1) {
            let other = self.shape(x);
            let agree = other.len() == dims.len()
                && (0..dims.len()).all(|at| at == axis || other[at] == dims[at]);
            let joined = dims[axis].checked_add(if agree { other[axis] } else { 0 });
            let (true, Some(joined)) = (agree, joined) else {
                let first = self.shape(first);
                return Err(self.fail(
                    ErrorKind::Shape,
                    format_args!(
                        "{what}: operand {i} is {other:?} and does not fit {first:?} along axis {axis}"
                    ),
                ));
            };
            dims[axis] = joined;
            let found = self.node(x).dtype;
            if found != dtype {
                return Err(self.fail(
                    ErrorKind::DType,
                    format_args!(
                        "{what}: operand 0 is {dtype} and operand {i} is {found}: use cast"
                    ),
                ));
            }
        }
        let mut node = NewNode::new(Op::Concat, dtype);
        node.list = self.intern_operands(axis, xs)?;
        (node.shape, node.len) = self.intern_shape(what, &dims)?;
        self.push_here(node)
    }

    /// The tensors, all of one shape, along a new axis at this place of the result.
    /// Gradient: each gets its part.
    ///
    /// - PyTorch: `torch.stack(xs, axis)`
    /// - Types: any
    pub(crate) fn stack(&mut self, xs: &mut [NodeId], axis: isize) -> Maybe<NodeId> {
        let what = "stack";
        let Some(&first) = xs.first() else {
            return Err(self.fail(ErrorKind::Argument, format_args!("{what}: needs an operand")));
        };
        let (shape, dims) = (self.node(first).shape, self.shape(first));
        for (i, x) in xs.iter_mut().enumerate() {
            if self.node(*x).shape != shape {
                let other = self.shape(*x);
                return Err(self.fail(
                    ErrorKind::Shape,
                    format_args!("{what}: operand 0 is {dims:?} and operand {i} is {other:?}"),
                ));
            }
            *x = self.unsqueeze(*x, axis)?;
        }
        let axis = self.axis(what, axis, dims.len() + 1)?;
        self.concat(xs, axis as isize)
    }

    /// Where the elements of a view lie, if those of its operand lie `below`: if strides can say it.
    pub(crate) fn view_layout(&self, id: NodeId, below: &Layout) -> Option<Layout> {
        let (node, dims) = (self.node(id), self.shape(id));
        match node.op {
            Op::Detach | Op::Prod => Some(*below),
            Op::Expand => Some(below.expand(&dims)),
            Op::Permute => Some(below.permute(&self.order_of(id))),
            Op::Slice => {
                let [axis, start, step] = self.slice_of(node.list);
                Some(below.slice(axis, start, dims[axis], step))
            }
            Op::Reshape => below.reshape(&dims),
            Op::AsStrided => {
                let words = self.list(node.list);
                let strides = words[1..].iter().map(|&stride| stride as isize);
                let offset = below.offset + words[0] as usize;
                below.is_dense().then(|| Layout::new(offset, &dims, strides))
            }
            _ => None,
        }
    }

    /// The order of axes of a `Permute`.
    pub(crate) fn order_of(&self, id: NodeId) -> Dims {
        let mut order = Dims::SCALAR;
        self.list(self.node(id).list).iter().for_each(|&axis| order.push(axis as usize));
        order
    }

    pub(crate) fn vjp_expand(&mut self, id: NodeId, g: NodeId, sink: &mut Sink) -> Maybe<()> {
        let x = self.node(id).inputs[0];
        if !sink.wants(self, x) {
            return Ok(());
        }
        let cotangent = self.sum_to(g, x)?;
        sink.send(self, x, cotangent)
    }

    pub(crate) fn vjp_embed(&mut self, id: NodeId, g: NodeId, sink: &mut Sink) -> Maybe<()> {
        let node = *self.node(id);
        let x = node.inputs[0];
        if !sink.wants(self, x) {
            return Ok(());
        }
        let [axis, start, step] = self.slice_of(node.list);
        let count = self.shape(x)[axis];
        let cotangent = self.slice_by(g, axis, start, count, step)?;
        sink.send(self, x, cotangent)
    }

    /// Axis, start and step of a slice.
    pub(crate) fn slice_of(&self, list: ListId) -> [usize; 3] {
        let words = self.list(list);
        [words[0] as usize, words[1] as usize, words[2] as usize]
    }

    pub(crate) fn vjp_concat(&mut self, id: NodeId, g: NodeId, sink: &mut Sink) -> Maybe<()> {
        let list = self.node(id).list;
        let axis = self.list(list)[0] as usize;
        let mut start = 0;
        for i in 1..self.list(list).len() {
            let word = self.list(list)[i];
            let x = NodeId(word as u32);
            let count = self.shape(x)[axis];
            if word & PATH != 0 && sink.leads(x) {
                let cotangent = self.slice_by(g, axis, start, count, 1)?;
                sink.send(self, x, cotangent)?;
            }
            start += count;
        }
        Ok(())
    }
}

/// A shape of so many elements, of which one length may be -1: what is left.
fn filled(shape: &[isize], len: usize) -> Option<Dims> {
    let known = shape
        .iter()
        .filter(|&&d| d != -1)
        .try_fold(1usize, |len, &d| usize::try_from(d).ok().and_then(|d| len.checked_mul(d)))?;
    let open = shape.iter().filter(|&&d| d == -1).count();
    let fits = match open {
        0 => known == len,
        1 => known > 0 && len.is_multiple_of(known),
        _ => false,
    };
    let mut dims = Dims::SCALAR;
    fits.then(|| {
        shape.iter().for_each(|&d| dims.push(if d == -1 { len / known } else { d as usize }));
        dims
    })
}
