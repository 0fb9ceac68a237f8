//! Selections and writes that are made of others.

use crate::dtype::DType;
use crate::error::{ErrorKind, Maybe};
use crate::graph::{Core, Operand};
use crate::id::NodeId;
use crate::node::Comparison;
use crate::op::assemble::{Kind, Place};
use crate::op::index::Along;
use crate::roll_call::{Elem, Structural};
use crate::shape::{self, Dims, Layout};

impl Core {
    /// The elements at the positions in `index` (i64, any shape), counted in the order of all elements;
    /// negative ones count from the end. Gradient: added up at the positions.
    ///
    /// - PyTorch: `torch.take(x, index)`
    /// - Types: any
    /// - Cases: `x=U(2,3), index=I(0, 5, -1, 0)`; `x=U(4), index=I([1, 1], [-4, 2])`;
    ///   `x=U(2,3), index=I(4).reshape(())`; `x=U(3), index=I()`; `x=U(), index=I(0, -1)`
    pub(crate) fn take(&mut self, x: NodeId, index: NodeId) -> Maybe<NodeId> {
        let len = self.node(x).len;
        let flat = self.reshape_to("take", x, &[len])?;
        self.select_all("take", flat, index)
    }

    /// The slices of the first axis at an index of any shape.
    fn select_all(&mut self, what: &str, x: NodeId, index: NodeId) -> Maybe<NodeId> {
        self.need_index(what, index)?;
        let (at, from, count) = (self.shape(index), self.shape(x), self.node(index).len);
        if at.len() + from.len() - 1 > shape::MAX_RANK {
            return Err(self.fail(
                ErrorKind::Limit,
                format_args!(
                    "{what}: an index of shape {at:?} into {from:?} makes a rank beyond {}",
                    shape::MAX_RANK
                ),
            ));
        }
        let index = self.reshape_to(what, index, &[count])?;
        let chosen = self.index_select(x, 0, index)?;
        let mut dims = at;
        from[1..].iter().for_each(|&len| dims.push(len));
        self.reshape_to(what, chosen, &dims)
    }

    /// The elements at the positions in `index` (i64) along an axis, as `gather`, of tensors whose other
    /// axes are broadcast to one another; negative positions count from the end. Gradient: added up at the
    /// positions.
    ///
    /// - PyTorch: `torch.take_along_dim(x, index, axis)`
    /// - Types: any
    /// - Cases: `x=U(2,3), index=I([2, 0], [1, 1]), axis=1`; `x=U(2,3), index=I([-1, 0, 2, 2]), axis=1`;
    ///   `x=U(1,3), index=I([2], [0]), axis=-1`; `x=U(2,3), index=I([-2, 0, 1]), axis=0`;
    ///   `x=U(3), index=I(0, 0, -1), axis=0`; `x=U(2,3), index=I([], []), axis=1`
    pub(crate) fn take_along_dim(
        &mut self,
        x: NodeId,
        index: NodeId,
        axis: isize,
    ) -> Maybe<NodeId> {
        let what = "take_along_dim";
        self.need_index(what, index)?;
        let (dims, at) = (self.shape(x), self.shape(index));
        let axis = self.axis(what, axis, dims.len())?;
        // (The axis itself may have any lengths.)
        let (mut from, mut to) = (dims, at);
        if dims.len() == at.len() && !dims.is_empty() {
            (from[axis], to[axis]) = (1, 1);
        }
        let both = shape::broadcast(&from, &to).ok().filter(|_| dims.len() == at.len());
        let Some(both) = both else {
            return Err(self.fail(
                ErrorKind::Shape,
                format_args!(
                    "{what}: an index of shape {at:?} does not fit {dims:?}: ranks must be equal, and axes \
                     other than {axis} broadcast"
                ),
            ));
        };
        if dims.is_empty() {
            return self.gather(x, 0, index);
        }
        (from, to) = (both, both);
        (from[axis], to[axis]) = (dims[axis], at[axis]);
        let x = self.expand_to(what, x, &from)?;
        let index = self.expand_to(what, index, &to)?;
        let along = Along { from_end: true, ..self.elements_along(what, axis)? };
        self.gather_along(x, index, along)
    }

    /// The rows of `weight` at an index (i64) of any shape; negative ones count from the end. Gradient: added
    /// up at the rows.
    ///
    /// - PyTorch: `F.embedding(index % weight.shape[0], weight)`
    /// - Types: any
    /// - Cases: `weight=U(4,3), index=I(0, 3, 3)`; `weight=U(4,3), index=I([1, -1], [0, 1])`;
    ///   `weight=U(4,2), index=I(2).reshape(())`; `weight=U(2,3), index=I()`
    pub(crate) fn embedding(&mut self, weight: NodeId, index: NodeId) -> Maybe<NodeId> {
        let what = "embedding";
        let dims = self.shape(weight);
        if dims.len() != 2 {
            return Err(self.fail(
                ErrorKind::Shape,
                format_args!("{what}: the weight must be a matrix of rows, not {dims:?}"),
            ));
        }
        self.select_all(what, weight, index)
    }

    /// A new last axis of length `classes` with 1 at the place that `index` (i64) says, else 0. Of a class
    /// that there is not, all are 0.
    ///
    /// - PyTorch: `F.one_hot(index, classes).to({"f64": torch.float64, "i64": torch.int64}[dtype])`
    /// - Cases: `index=I(0, 2, 1), classes=3, dtype="i64"`; `index=I([1, 1]), classes=4, dtype="f64"`;
    ///   `index=I(1).reshape(()), classes=2, dtype="f64"`; `index=I(), classes=3, dtype="i64"`
    pub(crate) fn one_hot(&mut self, index: NodeId, classes: usize, dtype: DType) -> Maybe<NodeId> {
        let what = "one_hot";
        self.need_index(what, index)?;
        self.need_room(what, index)?;
        let mut dims = self.shape(index);
        dims.push(classes);
        self.intern_shape(what, &dims)?;
        let index = self.unsqueeze(index, -1)?;
        let all = self.arange(DType::I64, 0.0, classes as f64, 1.0)?;
        let mask = self.compare(Comparison::Eq, index, all)?;
        self.cast(mask, dtype)
    }

    /// `alpha` times the slices of `src` added to those of `x` at the positions in `index`, a vector of i64,
    /// along an axis; negative ones count from the end, and what is added at one position is added up.
    /// Gradient: that of the result for `x`, and `alpha` times what is at the positions for `src`.
    ///
    /// - PyTorch: `torch.index_add(x, axis, index % x.shape[axis], src, alpha=alpha)`
    /// - Cases: `x=U(3), axis=0, index=I(2, 0), src=U(2), alpha=1.`;
    ///   `x=U(3,2), axis=0, index=I(1, -1, 1), src=U(3,2), alpha=-2.`;
    ///   `x=U(2,3), axis=-1, index=I(0, 0), src=U(2,2), alpha=.5`;
    ///   `x=U(2,3,2), axis=1, index=I(2), src=U(2,1,2), alpha=1.`; `x=U(2,2), axis=0, index=I(), src=U(0,2), alpha=1.`
    pub(crate) fn index_add(
        &mut self,
        x: NodeId,
        axis: isize,
        index: NodeId,
        src: NodeId,
        alpha: f64,
    ) -> Maybe<NodeId> {
        let what = "index_add";
        self.need_same_float(what, x, src)?;
        self.need_index(what, index)?;
        let axis = self.own_axis(what, x, axis)?;
        let (dims, part, at) = (self.shape(x), self.shape(src), self.shape(index));
        let mut want = dims;
        want[axis] = self.node(index).len;
        if at.len() > 1 || part != want {
            return Err(self.fail(
                ErrorKind::Shape,
                format_args!(
                    "{what}: with a 1-d index, here {at:?}, into axis {axis} of {dims:?}, the source is \
                     {want:?}, not {part:?}"
                ),
            ));
        }
        let src =
            if alpha == 1.0 { src } else { self.map2(Elem::Mul, src, Operand::Constant(alpha))? };
        let layout = Layout::dense(&dims);
        let along = self.slices_along(what, axis)?;
        let parts = [
            (x, NodeId::NONE, Place { kind: Kind::Block, layout }),
            (src, index, Place { kind: Kind::Select(along), layout }),
        ];
        let mut words = Vec::new();
        let listed = self.list_parts(parts.into_iter(), &mut words);
        listed.map_err(|_| self.out_of_memory(what))?;
        self.assemble(x, &words)
    }

    /// One value in the slices at the positions in `index`, a vector of i64, along an axis; negative ones
    /// count from the end. Gradient: that of the others.
    ///
    /// - PyTorch: `torch.index_fill(x, axis, index, value)`
    /// - Types: any
    /// - Cases: `x=U(4), axis=0, index=I(1, -1), value=2.`; `x=U(3,2), axis=0, index=I(1, 1), value=nan`;
    ///   `x=U(2,3), axis=-1, index=I(0, 2), value=-inf`; `x=I(1, 2, 3), axis=0, index=I(-1), value=9`;
    ///   `x=U(2,3), axis=1, index=I(), value=1.`
    pub(crate) fn index_fill(
        &mut self,
        x: NodeId,
        axis: isize,
        index: NodeId,
        value: f64,
    ) -> Maybe<NodeId> {
        let what = "index_fill";
        self.need_index(what, index)?;
        let axis = self.own_axis(what, x, axis)?;
        let (dims, at) = (self.shape(x), self.shape(index));
        if at.len() > 1 {
            return Err(
                self.fail(ErrorKind::Shape, format_args!("{what}: needs a 1-d index, not {at:?}"))
            );
        }
        // How often each position is named.
        let named = self.constant(what, DType::F32, &[self.node(index).len], 1.0)?;
        let like = self.constant(what, DType::F32, &[dims[axis]], 0.0)?;
        let along = self.slices_along(what, 0)?;
        let count = self.add_slices(named, index, along, like)?;
        let mask = self.compare(Comparison::Ne, count, Operand::Constant(0.0))?;
        let mask = self.along(mask, axis, dims.len())?;
        self.where_(mask, Operand::Constant(value), x)
    }

    /// A vector as a tensor of this rank that has it along an axis.
    fn along(&mut self, x: NodeId, axis: usize, rank: usize) -> Maybe<NodeId> {
        let mut dims = Dims::SCALAR;
        (0..rank).for_each(|at| dims.push(if at == axis { self.node(x).len } else { 1 }));
        self.reshape_to("reshape", x, &dims)
    }

    /// One value where the mask (u8) is set, else x; broadcast to one another. Gradient: that of the others.
    ///
    /// - PyTorch: `torch.masked_fill(x, mask.bool(), value)`
    /// - Types: any
    /// - Cases: `x=U(3), mask=M(1, 0, 1), value=2.`; `x=U(2,3), mask=M(1, 0, 0), value=-inf`;
    ///   `x=U(2,1), mask=M([1, 0], [0, 0]), value=0.`; `x=S(nan, inf, 1), mask=M(1, 1, 0), value=3.`;
    ///   `x=U(0), mask=M(1), value=1.`; `x=I(1, 2), mask=M(0, 1), value=-3`
    pub(crate) fn masked_fill(&mut self, x: NodeId, mask: NodeId, value: f64) -> Maybe<NodeId> {
        self.where_(mask, Operand::Constant(value), x)
    }

    /// What lies at the positions along the first axes that the last axis of `index` (i64) lists: for an
    /// index of shape [.., k], the result has the shape [..] and then that of x without its first k axes.
    /// Negative positions count from the end. Gradient: added up at the positions.
    ///
    /// - PyTorch: `x[tuple(index.unbind(-1))]`
    /// - Types: any
    /// - Cases: `x=U(2,3), index=I([0, 1], [1, -1], [0, 1])`; `x=U(2,3), index=I([1], [-2])`;
    ///   `x=U(2,3,2), index=I([[0, 2], [1, 0]])`; `x=U(2,3), index=I(1, 2)`;
    ///   `x=U(2,2,2), index=I([0, 1, -1])`
    pub(crate) fn gather_nd(&mut self, x: NodeId, index: NodeId) -> Maybe<NodeId> {
        let what = "gather_nd";
        self.need_index(what, index)?;
        let (dims, at) = (self.shape(x), self.shape(index));
        let Some((&count, outer)) =
            at.split_last().filter(|&(&k, _)| (1..=dims.len()).contains(&k))
        else {
            return Err(self.fail(
                ErrorKind::Shape,
                format_args!(
                    "{what}: an index of shape {at:?} into {dims:?}: its last axis has 1 to {} positions",
                    dims.len()
                ),
            ));
        };
        let mut node = self.structural(Structural::RavelIndex, &[index], &dims[..count])?;
        (node.shape, node.len) = self.intern_shape(what, outer)?;
        let place = self.push(node)?;
        let mut flat = Dims::SCALAR;
        flat.push(dims[..count].iter().product());
        dims[count..].iter().for_each(|&len| flat.push(len));
        let source = self.reshape_to(what, x, &flat)?;
        self.select_all(what, source, place)
    }

    // ---- writes ----

    /// `x` with `src` in place of every `step`-th slice from `start` on along an axis: as many as `src` has.
    /// Nothing is written to `x` itself. Gradient: each gets that of its elements.
    ///
    /// - PyTorch: `torch.slice_scatter(x, src, axis, start, start % x.shape[axis] + step * src.shape[axis], step)`
    /// - Types: any
    /// - Cases: `x=U(5), src=U(2), axis=0, start=1, step=1`; `x=U(5), src=U(2), axis=0, start=-3, step=2`;
    ///   `x=U(2,4), src=U(2,2), axis=1, start=0, step=2`; `x=U(3,2), src=U(3,2), axis=0, start=0, step=1`;
    ///   `x=U(3,2), src=U(1,2), axis=-2, start=2, step=1`; `x=U(3), src=U(0), axis=0, start=1, step=1`;
    ///   `x=I(1, 2, 3), src=I(7), axis=0, start=1, step=1`; `x=I(1, 2, 3), src=I(7, 8), axis=0, start=0, step=2`
    pub(crate) fn slice_write(
        &mut self,
        x: NodeId,
        src: NodeId,
        axis: isize,
        start: isize,
        step: usize,
    ) -> Maybe<NodeId> {
        let what = "slice_write";
        let axis = self.own_axis(what, x, axis)?;
        let (dims, part) = (self.shape(x), self.shape(src));
        let len = dims[axis];
        let from = if start < 0 { start.saturating_add(len as isize) } else { start };
        let mut want = dims;
        want[axis] = part.get(axis).copied().unwrap_or(1);
        let last = want[axis].saturating_sub(1).checked_mul(step);
        let end = usize::try_from(from).ok().zip(last).and_then(|(from, last)| {
            from.checked_add(last)?.checked_add(usize::from(want[axis] > 0))
        });
        if part != want || step == 0 || end.is_none_or(|end| end > len) {
            return Err(self.fail(
                ErrorKind::Shape,
                format_args!(
                    "{what}: {part:?} does not fit into axis {axis} of {dims:?} from {start} on by steps \
                     of {step}"
                ),
            ));
        }
        self.write_slices(what, x, src, axis, from as usize, step)
    }

    /// `x` with `src` in place of what is at one position along an axis, which `src` does not have. A negative
    /// index counts from the end. Nothing is written to `x` itself. Gradient: each gets that of its elements.
    ///
    /// - PyTorch: `torch.select_scatter(x, src, axis, index)`
    /// - Types: any
    /// - Cases: `x=U(4), src=U(), axis=0, index=-1`; `x=U(2,3), src=U(3), axis=0, index=0`;
    ///   `x=U(2,3,2), src=U(2,2), axis=1, index=1`
    pub(crate) fn select_write(
        &mut self,
        x: NodeId,
        src: NodeId,
        axis: isize,
        index: isize,
    ) -> Maybe<NodeId> {
        let what = "select_write";
        let axis = self.own_axis(what, x, axis)?;
        let place = self.place_along(what, x, axis, index)?;
        let (dims, part) = (self.shape(x), self.shape(src));
        let (mut want, mut slice) = (Dims::SCALAR, dims);
        (0..dims.len()).filter(|&other| other != axis).for_each(|other| want.push(dims[other]));
        slice[axis] = 1;
        if part != want {
            return Err(self.fail(
                ErrorKind::Shape,
                format_args!(
                    "{what}: what is at one position along axis {axis} of {dims:?} is {want:?}, not {part:?}"
                ),
            ));
        }
        let src = self.reshape_to(what, src, &slice)?;
        self.write_slices(what, x, src, axis, place, 1)
    }

    fn write_slices(
        &mut self,
        what: &str,
        x: NodeId,
        src: NodeId,
        axis: usize,
        start: usize,
        step: usize,
    ) -> Maybe<NodeId> {
        let (whole, part) = (self.node(x).dtype, self.node(src).dtype);
        if whole != part {
            return Err(self.fail(
                ErrorKind::DType,
                format_args!(
                    "{what}: operands are {whole} and {part}: use cast to make them equal"
                ),
            ));
        }
        let (dims, count) = (self.shape(x), self.shape(src)[axis]);
        let len = dims[axis];
        if step == 1 || count <= 1 {
            let end = start + count;
            let before = self.slice_by(x, axis, 0, start, 1)?;
            let behind = self.slice_by(x, axis, end, len - end, 1)?;
            // Also what is empty: nobody's operand is unused.
            return self.concat(&[before, src, behind], axis as isize);
        }
        let ones = self.constant(what, DType::U8, &[count], 1.0)?;
        let mask = self.embed(ones, 0, start, step, &[len])?;
        let mask = self.along(mask, axis, dims.len())?;
        let among = self.embed(src, axis, start, step, &dims)?;
        self.where_(mask, among, x)
    }
}
