//! Reading at indices held in i64 tensors. Indices are checked when the node is run.

use std::mem::MaybeUninit;

use super::assemble::Kind;
use super::batch::{Batched, Batching};
use super::structural::{Depends, Gives, Rule};
use crate::dtype::{DType, with_bits};
use crate::error::{ErrorKind, Maybe};
use crate::graph::{Core, NewNode};
use crate::id::{CallId, NodeId};
use crate::node::{Node, Op};
use crate::roll_call::Structural;
use crate::shape::{Dims, Layout, MAX_RANK};
use crate::task::{Around, Bits, Bounds, Outside, Task, copy_two};

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
pub(super) fn has_no_index(core: &Core, node: &Node) -> bool {
    core.node(node.inputs[1]).len == 0
}

/// A shape seen from one axis. Where nothing is at any position of it there is one before it: for it indices
/// are checked.
pub(super) fn around(dims: &[usize], axis: usize) -> Around {
    let Around { outer, len, inner } = Around::new(dims, axis);
    if outer * inner == 0 {
        Around { outer: 1, len, inner: 0 }
    } else {
        Around { outer, len, inner }
    }
}

// ---- reading ----

/// What is at the indices in operand 1 along an axis of operand 0: slices, or for each index an element. List:
/// [`Along`].
pub(crate) struct Read<const ELEMENTS: bool>;

/// The slices of operand 0 at the indices in operand 1.
pub(crate) type IndexSelect = Read<false>;

/// The elements of operand 0 at the indices in operand 1.
pub(crate) type Gather = Read<true>;

impl<const ELEMENTS: bool> Rule for Read<ELEMENTS> {
    const NAME: &str = if ELEMENTS { "gather" } else { "index_select" };
    const BATCHING: Batching =
        if ELEMENTS { Batching::Along(0) } else { Batching::Own(batch_select) };
    const DEPENDS: Depends = Depends::Chosen;
    const COST: u64 = 1_000;
    const GIVES: Gives = Gives::Chosen(|list| match ELEMENTS {
        false => Kind::Select(Along::of(list)),
        true => Kind::Gather(Along::of(list)),
    });
    const CHECKS_INDICES: bool = true;

    fn is_nothing(core: &Core, node: &Node) -> bool {
        has_no_index(core, node)
    }

    fn run(task: &Task<'_>) -> Result<(), Outside> {
        with_bits!(task.dtype(0).size(), T => match ELEMENTS {
            false => select_slices::<T>(task),
            true => gather::<T>(task),
        })
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
pub(super) fn each_position(
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

impl Core {
    /// Slices or elements at indices, still without a shape: as `structural`, for who is in `along`.
    #[inline(always)]
    pub(super) fn at_index(
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
        let like = batch.in_front(&batch.core.dims(node.shape))?;
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
