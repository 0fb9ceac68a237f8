//! Reading and adding at indices held in i64 tensors. Indices are checked when the node is run.

use std::mem::MaybeUninit;

use super::Sink;
use super::assemble::Kind;
use super::batch::{Batched, Batching};
use super::often::{Often, often_words};
use super::structural::{Depends, Gives, Rule};
use crate::dtype::{DType, Element, with_bits, with_float};
use crate::error::{ErrorKind, Maybe};
use crate::graph::{Core, NewNode};
use crate::id::{CallId, NodeId};
use crate::node::{Node, Op};
use crate::roll_call::Structural;
use crate::shape::{Dims, Layout, MAX_RANK};
use crate::task::{Around, Bits, Bounds, Outside, Task, copy_two, zeros};

/// Along which axis indices go, whether negative ones count from its end, and which operation was given
/// them: the list of what reads or adds there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Along {
    pub(crate) axis: usize,
    pub(crate) from_end: bool,
    pub(crate) call: CallId,
}

impl Along {
    pub(crate) fn of(list: &[u64]) -> Self {
        let [axis, from_end, call] = [0, 1, 2].map(|k| list[k]);
        Self { axis: axis as usize, from_end: from_end != 0, call: CallId(call as u32) }
    }

    /// Along the next axis.
    pub(crate) fn further(self) -> Self {
        Self { axis: self.axis + 1, ..self }
    }

    /// The indices along an axis of this length.
    pub(crate) fn bounds(self, len: usize) -> Bounds {
        Bounds { from_end: self.from_end, ..Bounds::of_axis(len, self.call) }
    }
}

/// Where there are no indices there is nothing to check.
fn has_no_index(core: &Core, node: &Node) -> bool {
    core.node(node.inputs[1]).len == 0
}

/// A shape seen from one axis. Where nothing is at any position of it there is one before it: for it indices
/// are checked.
fn around(dims: &[usize], axis: usize) -> Around {
    let Around { outer, len, inner } = Around::new(dims, axis);
    if outer * inner == 0 {
        Around { outer: 1, len, inner: 0 }
    } else {
        Around { outer, len, inner }
    }
}

// ---- reading ----

/// The slices of operand 0 at the indices in operand 1. List: [`Along`].
pub(crate) struct IndexSelect;

impl Rule for IndexSelect {
    const NAME: &str = "index_select";
    const BATCHING: Batching = Batching::Own(batch_select);
    const DEPENDS: Depends = Depends::Chosen;
    const COST: u64 = 1_000;
    const GIVES: Gives = Gives::Chosen(|list| Kind::Select(Along::of(list)));
    const CHECKS_INDICES: bool = true;

    fn is_nothing(core: &Core, node: &Node) -> bool {
        has_no_index(core, node)
    }

    fn run(task: &Task<'_>) -> Result<(), Outside> {
        with_bits!(task.dtype(0).size(), T => select_slices::<T>(task))
    }
}

fn select_slices<T: Bits>(task: &Task<'_>) -> Result<(), Outside> {
    let along = Along::of(task.list());
    let Around { outer, len, inner } = around(task.dims(0), along.axis);
    let (from, index) = (task.bits::<T>(0), task.operand::<i64>(1));
    let are_plain = along.bounds(len).are_plain(index)?;
    task.fill_bits(|out: &mut [MaybeUninit<T>]| {
        let slab = index.len() * inner;
        assert!(from.len() >= outer * len * inner && out.len() >= outer * slab);
        for o in 0..outer {
            let (from, out) = (&from[o * len * inner..], &mut out[o * slab..]);
            let (from, out) = (from.as_ptr(), out.as_mut_ptr().cast());
            // SAFETY: so many slices, which were just looked at; the indices are inside.
            unsafe {
                match are_plain {
                    true => select(inner, index, from, out),
                    false => select_from_end(inner, index, len, from, out),
                }
            }
        }
    });
    Ok(())
}

/// Indices of which those that count from the end are counted together.
const BLOCK: usize = 1024;

/// As `select`, for indices of which some count from the end.
///
/// # Safety
/// As for `select`.
unsafe fn select_from_end<T: Copy>(
    inner: usize,
    index: &[i64],
    len: usize,
    from: *const T,
    out: *mut T,
) {
    let mut places = [0; BLOCK];
    for (block, start) in index.chunks(BLOCK).zip((0..).step_by(BLOCK)) {
        for (place, &i) in places.iter_mut().zip(block) {
            *place = if i < 0 { i + len as i64 } else { i };
        }
        // SAFETY: the caller's promise, for this block.
        unsafe { select(inner, &places[..block.len()], from, out.add(start * inner)) };
    }
}

/// The slices of `inner` elements at indices along an axis of this length: those of `from`, one behind the
/// other.
///
/// # Safety
/// The indices are inside of the axis; `from` is valid for reading as many slices, `out` for writing one
/// for each index.
unsafe fn select<T: Copy>(inner: usize, index: &[i64], from: *const T, out: *mut T) {
    // SAFETY: the caller's promise; a slice has `inner` elements.
    unsafe {
        match inner {
            1 => each_slice(1, index, from, out, |from, out| out.write(from.read())),
            2..4 => {
                each_slice(inner, index, from, out, |from, out| copy_two::<T, 2>(from, out, inner));
            }
            4..8 => {
                each_slice(inner, index, from, out, |from, out| copy_two::<T, 4>(from, out, inner));
            }
            8..16 => {
                each_slice(inner, index, from, out, |from, out| copy_two::<T, 8>(from, out, inner));
            }
            _ => each_slice(inner, index, from, out, |from, out| {
                std::ptr::copy_nonoverlapping(from, out, inner);
            }),
        }
    }
}

#[inline(always)]
fn each_slice<T>(
    inner: usize,
    index: &[i64],
    from: *const T,
    out: *mut T,
    copy: impl Fn(*const T, *mut T),
) {
    for (k, &i) in index.iter().enumerate() {
        copy(from.wrapping_add(i as usize * inner), out.wrapping_add(k * inner));
    }
}

/// The elements of operand 0 at the indices in operand 1. List: [`Along`].
pub(crate) struct Gather;

impl Rule for Gather {
    const NAME: &str = "gather";
    const BATCHING: Batching = Batching::Along(0);
    const DEPENDS: Depends = Depends::Chosen;
    const COST: u64 = 1_000;
    const GIVES: Gives = Gives::Chosen(|list| Kind::Gather(Along::of(list)));
    const CHECKS_INDICES: bool = true;

    fn is_nothing(core: &Core, node: &Node) -> bool {
        has_no_index(core, node)
    }

    fn run(task: &Task<'_>) -> Result<(), Outside> {
        with_bits!(task.dtype(0).size(), T => gather::<T>(task))
    }
}

fn gather<T: Bits>(task: &Task<'_>) -> Result<(), Outside> {
    let along = Along::of(task.list());
    let (inside, outside) = (task.dims(0), task.out_dims());
    let (from, index) = (task.bits::<T>(0), task.operand::<i64>(1));
    let Around { outer, len, inner } = around(inside, along.axis);
    let bounds = along.bounds(len);
    if is_slabs(outside, inside, along.axis) && bounds.are_plain(index)? {
        task.fill_bits(|out: &mut [MaybeUninit<T>]| {
            let slab = outside[along.axis] * inner;
            assert!(from.len() >= outer * len * inner && out.len() >= outer * slab);
            for o in 0..outer {
                let index = &index[o * slab..][..slab];
                let (from, out) = (&from[o * len * inner..], &mut out[o * slab..]);
                for (index, out) in index.chunks_exact(inner).zip(out.chunks_exact_mut(inner)) {
                    for (c, (&i, out)) in index.iter().zip(out).enumerate() {
                        // SAFETY: the index is inside of the axis, and its slab was looked at.
                        out.write(unsafe { *from.get_unchecked(i as usize * inner + c) });
                    }
                }
            }
        });
        return Ok(());
    }
    task.fill_bits(|out: &mut [MaybeUninit<T>]| {
        each_position(bounds, outside, inside, along.axis, index, |k, at| {
            out[k].write(from[at]);
        })
    })
}

/// Whether an index differs from what it looks at only along an axis, and there is something to look at.
fn is_slabs(index: &[usize], dims: &[usize], axis: usize) -> bool {
    let mut others = (0..dims.len()).filter(|&other| other != axis);
    let are_equal = others.all(|other| index[other] == dims[other] && dims[other] > 0);
    !dims.is_empty() && are_equal
}

/// For each position `k` of an index of shape `small`: where it points to in a tensor of shape
/// `large` along `axis`.
fn each_position(
    bounds: Bounds,
    small: &[usize],
    large: &[usize],
    axis: usize,
    index: &[i64],
    mut visit: impl FnMut(usize, usize),
) -> Result<(), Outside> {
    let strides = Layout::dense(large);
    let strides = strides.strides();
    let step = |other: usize| if other == axis { 0 } else { strides[other] as usize };
    let along = strides.get(axis).copied().unwrap_or(0) as usize;
    let (mut coordinates, mut place) = ([0; MAX_RANK], 0);
    for (k, &i) in index.iter().enumerate() {
        let at = bounds.place(k, i)?;
        visit(k, place + at * along);
        for other in (0..small.len()).rev() {
            coordinates[other] += 1;
            place += step(other);
            if coordinates[other] < small[other] {
                break;
            }
            coordinates[other] = 0;
            place -= small[other] * step(other);
        }
    }
    Ok(())
}

/// The places, in the order of all elements of some axes, that the rows of the last axis of an index name: one
/// position along each of these axes, a negative one counted from its end. List: the lengths of the axes.
pub(crate) struct RavelIndex;

impl Rule for RavelIndex {
    const NAME: &str = "ravel_index";
    const BATCHING: Batching = Batching::Rows;
    const GIVES: Gives = Gives::Integers(DType::I64);
    const CHECKS_INDICES: bool = true;

    fn run(task: &Task<'_>) -> Result<(), Outside> {
        let (_, axes) = task.list().split_last().unwrap_or((&0, &[]));
        let rows = task.operand::<i64>(0).chunks_exact(axes.len().max(1));
        task.fill(|out: &mut [MaybeUninit<i64>], _| {
            for ((row, out), first) in rows.zip(out).zip((0..).step_by(axes.len().max(1))) {
                let mut place = 0;
                for (k, (&i, &len)) in row.iter().zip(axes).enumerate() {
                    let along = Bounds::of_axis(len as usize, task.call());
                    let at = Bounds { from_end: true, ..along }.place(first + k, i)?;
                    place = place * len as usize + at;
                }
                out.write(place as i64);
            }
            Ok(())
        })
    }
}

// ---- adding ----

/// Zeros to which the slices of operand 0 are added at the indices in operand 1. List: [`Along`].
pub(crate) struct IndexAdd;

impl Rule for IndexAdd {
    const NAME: &str = "index_add";
    const BATCHING: Batching = Batching::Own(batch_add);
    const DEPENDS: Depends = Depends::Placed(|core, node, places| {
        let along = Along::of(core.list(node.list));
        core.select_along(places, node.inputs[1], along)
    });
    const LINEAR_IN: u8 = 1;
    const COST: u64 = 1_000;
    const GIVES: Gives = Gives::Elements(Self::vjp);
    const CHECKS_INDICES: bool = true;

    fn is_nothing(core: &Core, node: &Node) -> bool {
        has_no_index(core, node)
    }

    fn work_words(core: &Core, node: &Node) -> usize {
        let axis = core.list(node.list)[0] as usize;
        let positions = core.node(node.inputs[1]).len;
        // All that lies behind the axis goes along.
        let Around { len, inner, .. } = Around::new(&core.dims(node.shape), axis);
        often_words(positions, len, positions, inner)
    }

    fn run(task: &Task<'_>) -> Result<(), Outside> {
        with_float!(task.dtype(0), T => task.fill(|out: &mut [MaybeUninit<T>], work| {
            add_slices_at(task, zeros(out), work)
        }))
    }
}

impl IndexAdd {
    fn vjp(core: &mut Core, id: NodeId, g: NodeId, sink: &mut Sink) -> Maybe<()> {
        core.vjp_added(id, g, sink, Core::select_along)
    }
}

fn add<T: Element>(out: &mut T, x: T) {
    *out = T::from_f64(out.to_f64() + x.to_f64());
}

fn add_slices_at<T: Element>(
    task: &Task<'_>,
    out: &mut [T],
    work: &mut [u64],
) -> Result<(), Outside> {
    let along = Along::of(task.list());
    let Around { outer, len, inner } = around(task.out_dims(), along.axis);
    let bounds = along.bounds(len);
    let (from, index) = (task.operand::<T>(0), task.operand::<i64>(1));
    let mut often = Often::new(work, len, inner);
    for (k, &i) in index.iter().enumerate() {
        often.count(bounds.place(k, i)?);
    }
    often.begin();
    for o in 0..outer {
        for (k, &i) in index.iter().enumerate() {
            let place = bounds.place(k, i)?;
            let start = (o * index.len() + k) * inner;
            let part = &from[start..start + inner];
            if let Some(totals) = often.totals(place) {
                totals.iter_mut().zip(part).for_each(|(t, x)| t.add(x.to_f64()));
                continue;
            }
            let to = (o * len + place) * inner;
            out[to..to + inner].iter_mut().zip(part).for_each(|(out, &x)| add(out, x));
        }
        often.end(|place, total| out[o * len * inner + place] = T::from_f64(total));
    }
    Ok(())
}

/// Zeros to which the elements of operand 0 are added at the indices in operand 1. List: [`Along`].
pub(crate) struct ScatterAdd;

impl Rule for ScatterAdd {
    const NAME: &str = "scatter_add";
    const BATCHING: Batching = Batching::Along(0);
    const DEPENDS: Depends = Depends::Placed(|core, node, places| {
        let along = Along::of(core.list(node.list));
        core.gather_along(places, node.inputs[1], along)
    });
    const LINEAR_IN: u8 = 1;
    const COST: u64 = 1_000;
    const GIVES: Gives = Gives::Elements(Self::vjp);
    const CHECKS_INDICES: bool = true;

    fn is_nothing(core: &Core, node: &Node) -> bool {
        has_no_index(core, node)
    }

    fn work_words(core: &Core, node: &Node) -> usize {
        let axis = core.list(node.list)[0] as usize;
        let positions = core.node(node.inputs[1]).len;
        let most = core.shape(node.inputs[1]).get(axis).copied().unwrap_or(positions);
        often_words(most, node.len, positions, 1)
    }

    fn run(task: &Task<'_>) -> Result<(), Outside> {
        with_float!(task.dtype(0), T => task.fill(|out: &mut [MaybeUninit<T>], work| {
            add_elements_at(task, zeros(out), work)
        }))
    }
}

impl ScatterAdd {
    fn vjp(core: &mut Core, id: NodeId, g: NodeId, sink: &mut Sink) -> Maybe<()> {
        core.vjp_added(id, g, sink, Core::gather_along)
    }
}

fn add_elements_at<T: Element>(
    task: &Task<'_>,
    out: &mut [T],
    work: &mut [u64],
) -> Result<(), Outside> {
    let along = Along::of(task.list());
    let (inside, outside) = (task.dims(0), task.out_dims());
    let bounds = along.bounds(outside.get(along.axis).copied().unwrap_or(1));
    let (from, index) = (task.operand::<T>(0), task.operand::<i64>(1));
    let mut often = Often::new(work, out.len(), 1);
    if often.is_possible() {
        each_position(bounds, inside, outside, along.axis, index, |_, at| often.count(at))?;
        often.begin();
    }
    each_position(bounds, inside, outside, along.axis, index, |k, at| match often.totals(at) {
        Some(totals) => totals[0].add(from[k].to_f64()),
        None => add(&mut out[at], from[k]),
    })?;
    often.end(|place, total| out[place] = T::from_f64(total));
    Ok(())
}

impl Core {
    /// Slices or elements at indices, still without a shape: as `structural`, for who is in `along`.
    #[inline(always)]
    fn at_index(
        &mut self,
        kind: Structural,
        x: NodeId,
        index: NodeId,
        along: Along,
    ) -> Maybe<NewNode> {
        let mut node = NewNode::new(Op::Structural(kind), self.node(x).dtype);
        (node.inputs[0], node.inputs[1]) = (x, index);
        node.list = self.intern(&[along.axis, usize::from(along.from_end), along.call.index()])?;
        Ok(node)
    }

    /// The slices along an axis at the positions in `index`, a vector of i64; negative ones count from the
    /// end. Gradient: added up at the positions.
    ///
    /// - PyTorch: `torch.index_select(x, axis, index)`
    /// - Types: any
    pub(crate) fn index_select(&mut self, x: NodeId, axis: isize, index: NodeId) -> Maybe<NodeId> {
        let what = "index_select";
        self.need_index(what, index)?;
        let (mut dims, at) = (self.shape(x), self.shape(index));
        if at.len() > 1 || dims.is_empty() {
            return Err(self.fail(
                ErrorKind::Shape,
                format_args!("{what}: needs a source of rank 1 or more and a 1-d index, not {dims:?} and {at:?}"),
            ));
        }
        let axis = self.axis(what, axis, dims.len())?;
        let along = self.slices_along(what, axis)?;
        dims[axis] = self.node(index).len;
        self.push_slices(x, index, along, &dims)
    }

    /// Slices along an axis, at indices of which negative ones count from its end.
    pub(crate) fn slices_along(&mut self, what: &'static str, axis: usize) -> Maybe<Along> {
        Ok(Along { axis, from_end: true, call: self.call_id(what)? })
    }

    /// Slices at positions that were checked to be of the right shape.
    pub(crate) fn select_along(&mut self, x: NodeId, index: NodeId, along: Along) -> Maybe<NodeId> {
        let mut dims = self.shape(x);
        dims[along.axis] = self.node(index).len;
        self.push_slices(x, index, along, &dims)
    }

    #[inline(always)]
    fn push_slices(
        &mut self,
        x: NodeId,
        index: NodeId,
        along: Along,
        dims: &[usize],
    ) -> Maybe<NodeId> {
        let mut node = self.at_index(Structural::IndexSelect, x, index, along)?;
        (node.shape, node.len) = self.intern_shape(IndexSelect::NAME, dims)?;
        self.push_here(node)
    }

    /// The elements at the positions in `index` (i64) along an axis: for axis 1 of a matrix,
    /// y[i][j] = x[i][index[i][j]]. The result has the shape of `index`, whose other axes are no longer than
    /// those of `x`. Indices are not negative. Gradient: added up at the positions.
    ///
    /// - PyTorch: `torch.gather(x, axis, index)`
    /// - Types: any
    pub(crate) fn gather(&mut self, x: NodeId, axis: isize, index: NodeId) -> Maybe<NodeId> {
        let what = "gather";
        self.need_index(what, index)?;
        let (dims, at) = (self.shape(x), self.shape(index));
        let axis = self.axis(what, axis, dims.len())?;
        let fits = dims.len() == at.len()
            && (0..dims.len()).all(|other| other == axis || at[other] <= dims[other]);
        if !fits {
            return Err(self.fail(
                ErrorKind::Shape,
                format_args!(
                    "{what}: an index of shape {at:?} does not fit {dims:?}: ranks must be equal, and \
                     axes other than {axis} no longer"
                ),
            ));
        }
        let along = self.elements_along(what, axis)?;
        self.gather_along(x, index, along)
    }

    /// Elements along an axis, at indices none of which is negative.
    pub(crate) fn elements_along(&mut self, what: &'static str, axis: usize) -> Maybe<Along> {
        Ok(Along { axis, from_end: false, call: self.call_id(what)? })
    }

    /// Elements at positions that were checked to be of the right shape.
    pub(crate) fn gather_along(&mut self, x: NodeId, index: NodeId, along: Along) -> Maybe<NodeId> {
        let mut node = self.at_index(Structural::Gather, x, index, along)?;
        (node.shape, node.len) = (self.node(index).shape, self.node(index).len);
        self.push_here(node)
    }

    /// Zeros in the shape of `like` with the elements of `x` added at the positions in `index`.
    pub(crate) fn scatter_zeros(
        &mut self,
        x: NodeId,
        index: NodeId,
        along: Along,
        like: NodeId,
    ) -> Maybe<NodeId> {
        self.add_at(Structural::ScatterAdd, x, index, along, like)
    }

    /// Zeros in the shape of `like` with the slices of `x` added at the positions in `index`.
    pub(crate) fn add_slices(
        &mut self,
        x: NodeId,
        index: NodeId,
        along: Along,
        like: NodeId,
    ) -> Maybe<NodeId> {
        self.add_at(Structural::IndexAdd, x, index, along, like)
    }

    fn add_at(
        &mut self,
        kind: Structural,
        x: NodeId,
        index: NodeId,
        along: Along,
        like: NodeId,
    ) -> Maybe<NodeId> {
        let mut node = self.at_index(kind, x, index, along)?;
        (node.shape, node.len) = (self.node(like).shape, self.node(like).len);
        self.push_here(node)
    }

    /// The cotangent of what is added at indices is read there. (That of what is read there is a part of a
    /// whole, and the reverse walk's business.)
    fn vjp_added(
        &mut self,
        id: NodeId,
        g: NodeId,
        sink: &mut Sink,
        read: fn(&mut Self, NodeId, NodeId, Along) -> Maybe<NodeId>,
    ) -> Maybe<()> {
        let node = *self.node(id);
        let [x, index, ..] = node.inputs;
        if !sink.wants(self, x) {
            return Ok(());
        }
        let along = Along::of(self.list(node.list));
        let cotangent = read(self, g, index, along)?;
        sink.send(self, x, cotangent)
    }
}

// ---- batches ----

/// Slices at positions that are each element's own, or everybody's.
fn batch_select(batch: &mut Batched<'_>, node: &Node) -> Maybe<NodeId> {
    let along = Along::of(batch.core.list(node.list));
    let axis = along.axis;
    let [(x, x_has_axis), (index, index_has_axis), ..] = batch.operands;
    if !index_has_axis {
        let list = batch.further(node.list, 0)?;
        let x = batch.operand(0)?;
        return batch.push(node, [x, index, NodeId::NONE, NodeId::NONE], list);
    }
    if x_has_axis {
        let like = batch.in_front(&batch.core.dims(node.shape));
        let index = batch.along(index, &like, 1 + axis)?;
        return batch.core.gather_along(x, index, along.further());
    }
    // One tensor: the slices of all elements at once, and then the new axis out of theirs.
    let (what, count) = (IndexSelect::NAME, batch.core.node(index).len);
    let flat = batch.core.reshape_to(what, index, &[count])?;
    let all = batch.core.select_along(x, flat, along)?;
    let (mut dims, mut order) = (Dims::SCALAR, Dims::SCALAR);
    order.push(axis);
    for (at, &len) in batch.core.shape(all).iter().enumerate() {
        if at == axis {
            dims.push(batch.len);
            dims.push(len / batch.len.max(1));
            order.push(at + 1);
        } else {
            dims.push(len);
            order.push(at + usize::from(at > axis));
        }
    }
    let all = batch.core.reshape_to(what, all, &dims)?;
    batch.core.permute_by(what, all, &order)
}

/// Slices added at positions that are each element's own, or everybody's.
fn batch_add(batch: &mut Batched<'_>, node: &Node) -> Maybe<NodeId> {
    let axis = Along::of(batch.core.list(node.list)).axis;
    let (part, list) = (batch.operand(0)?, batch.further(node.list, 0)?);
    let (index, has_axis) = batch.operands[1];
    if !has_axis {
        return batch.push(node, [part, index, NodeId::NONE, NodeId::NONE], list);
    }
    let like = batch.core.shape(part);
    let index = batch.along(index, &like, 1 + axis)?;
    let added = Node { op: Op::Structural(Structural::ScatterAdd), ..*node };
    batch.push(&added, [part, index, NodeId::NONE, NodeId::NONE], list)
}
