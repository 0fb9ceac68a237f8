//! Steps that read or add at indices. An index out of bounds is an error that names it.

use std::fmt;
use std::mem::MaybeUninit;

use super::copy::copy_two;
use super::{Run, uninit, zero};
use crate::dtype::{Element, with_bits, with_float};
use crate::kernel::Total;
use crate::node::Op;
use crate::op::loss::IGNORED_CLASS;
use crate::plan::{RUN_MAX, Single};
use crate::shape::{Layout, MAX_RANK};
use crate::task::Around;

/// An index that is none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outside {
    op: Op,
    position: usize,
    index: i64,
    len: usize,
}

impl Outside {
    /// The one of two that comes first in the data.
    pub(super) fn first(one: Option<Self>, other: Self) -> Option<Self> {
        Some(one.filter(|one| one.position <= other.position).unwrap_or(other))
    }
}

impl fmt::Display for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { op, position, index, len } = self;
        let (what, noun) = match op {
            Op::Pick | Op::Unpick => (Op::Pick.name(), "class"),
            Op::IndexAdd => (Op::IndexSelect.name(), "index"),
            Op::ScatterAdd => (Op::Gather.name(), "index"),
            op => (op.name(), "index"),
        };
        write!(f, "{what}: {noun} {index} at position {position} is outside of ")?;
        match len.checked_sub(1) {
            Some(last) if counts_from_end(*op) => write!(f, "-{len} to {last}"),
            Some(last) => write!(f, "0 to {last}"),
            None => f.write_str("an axis of length 0"),
        }
    }
}

pub(super) fn checked(op: Op, position: usize, index: i64, len: usize) -> Result<usize, Outside> {
    match usize::try_from(index) {
        Ok(at) if at < len => Ok(at),
        _ => checked_from_end(op, position, index, len),
    }
}

/// Whether negative indices of an operation count from the end.
fn counts_from_end(op: Op) -> bool {
    matches!(op, Op::IndexSelect | Op::IndexAdd)
}

#[cold]
fn checked_from_end(op: Op, position: usize, index: i64, len: usize) -> Result<usize, Outside> {
    let at = index.checked_add_unsigned(len as u64).filter(|_| index < 0 && counts_from_end(op));
    let at = at.and_then(|at| usize::try_from(at).ok());
    at.ok_or(Outside { op, position, index, len })
}

/// Indices that are looked at together.
const BLOCK: usize = 1024;

/// Whether all indices are inside of an axis, none of them counted from its end; else the first that is
/// outside. The loop has no branch: it is a few instructions for a vector of them.
fn within(op: Op, index: &[i64], len: usize) -> Result<bool, Outside> {
    let mut are_plain = true;
    for (block, start) in index.chunks(BLOCK).zip((0..).step_by(BLOCK)) {
        // (As numbers without sign, negative ones are beyond every axis.)
        let is_outside = block.iter().fold(false, |any, &i| any | (i as u64 >= len as u64));
        if is_outside {
            for (k, &i) in block.iter().enumerate() {
                checked(op, start + k, i, len)?;
            }
            are_plain = false;
        }
    }
    Ok(are_plain)
}

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

/// Copies one float of this many bytes: of a length that the compiler knows.
///
/// # Safety
/// `from` is valid for reading it, `out` for writing it, and both are aligned.
#[inline(always)]
unsafe fn copy_float(size: usize, from: *const u8, out: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe {
        match size {
            4 => out.cast::<u32>().write(from.cast::<u32>().read()),
            _ => out.cast::<u64>().write(from.cast::<u64>().read()),
        }
    }
}

/// The element of a row whose class is told; 0 for an ignored row.
///
/// # Safety
/// `row` is valid for reading `classes` floats of `size` bytes, `out` for writing one; both are
/// aligned for them.
pub(super) unsafe fn pick_row(
    size: usize,
    position: usize,
    class: i64,
    classes: usize,
    row: *const u8,
    out: *mut u8,
) -> Result<(), Outside> {
    // SAFETY: the caller's promise, and a checked class.
    unsafe {
        match class {
            IGNORED_CLASS => out.write_bytes(0, size),
            class => {
                let at = checked(Op::Pick, position, class, classes)?;
                copy_float(size, row.add(at * size), out);
            }
        }
    }
    Ok(())
}

/// Puts an element where the class of a row of zeros tells.
///
/// # Safety
/// `out` is valid for writing `classes` floats of `size` bytes, `from` for reading one; both are
/// aligned for them.
pub(super) unsafe fn unpick_row(
    size: usize,
    position: usize,
    class: i64,
    classes: usize,
    from: *const u8,
    out: *mut u8,
) -> Result<(), Outside> {
    if class != IGNORED_CLASS {
        let at = checked(Op::Unpick, position, class, classes)?;
        // SAFETY: the caller's promise, and a checked class.
        unsafe { copy_float(size, from, out.add(at * size)) };
    }
    Ok(())
}

/// A shape seen from one axis: positions before it, along it, after it. Where nothing is at any of
/// them there is one before it: for it indices are checked.
fn around(dims: &[usize], axis: usize) -> (usize, usize, usize) {
    let Around { outer, len, inner } = Around::new(dims, axis);
    if outer * inner == 0 { (1, len, 0) } else { (outer, len, inner) }
}

impl Run<'_> {
    pub(super) fn index(&self, single: &Single) -> Result<(), Outside> {
        match single.op {
            Op::IndexAdd | Op::ScatterAdd => {
                with_float!(single.dtype, T => self.add_at_indices::<T>(single))
            }
            _ => with_bits!(single.dtype.size(), T => self.move_at_indices::<T>(single)),
        }
    }

    fn move_at_indices<T: Copy + Default>(&self, single: &Single) -> Result<(), Outside> {
        let views = single.operands.of(&self.plan.views);
        let (op, axis) = (single.op, self.index_axis(single));
        let checked = |position, index, len| checked(op, position, index, len);
        let (inside, outside) = (views[0].layout.dims(), &*single.dims);
        let len = outside.iter().product::<usize>();
        // SAFETY: any bits are a number without sign.
        let from = unsafe { self.dense_bits::<T>(&views[0]) };
        let index = self.dense::<i64>(&views[1]);
        // SAFETY: the step's own result, of `len` elements of this size.
        let out = unsafe { uninit::<T>(self.base(single.out), len) };
        match op {
            Op::IndexSelect => {
                let (outer, len, inner) = around(inside, axis);
                let are_plain = within(op, index, len)?;
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
            }
            Op::Gather if is_slabs(outside, inside, axis) => {
                let (outer, len, inner) = around(inside, axis);
                let slab = outside[axis] * inner;
                within(op, index, len)?;
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
            }
            Op::Gather => {
                each_position(op, outside, inside, axis, index, |k, at| {
                    out[k].write(from[at]);
                })?;
            }
            Op::Pick => {
                let classes = inside[1];
                for (row, (&class, out)) in index.iter().zip(out).enumerate() {
                    out.write(match class {
                        IGNORED_CLASS => T::default(),
                        class => from[row * classes + checked(row, class, classes)?],
                    });
                }
            }
            _ => {
                let classes = outside[1];
                out.fill(MaybeUninit::new(T::default()));
                for (row, &class) in index.iter().enumerate() {
                    if class != IGNORED_CLASS {
                        out[row * classes + checked(row, class, classes)?].write(from[row]);
                    }
                }
            }
        }
        Ok(())
    }

    fn add_at_indices<T: Element>(&self, single: &Single) -> Result<(), Outside> {
        let views = single.operands.of(&self.plan.views);
        let (op, axis) = (single.op, self.index_axis(single));
        let (inside, outside) = (views[0].layout.dims(), &*single.dims);
        let len = outside.iter().product::<usize>();
        let (from, index) = (self.dense::<T>(&views[0]), self.dense::<i64>(&views[1]));
        let out = self.base(single.out);
        zero(single.dtype, len, out);
        // SAFETY: the step's own result, of `len` elements of T, all of them 0.
        let out: &mut [T] = unsafe { std::slice::from_raw_parts_mut(out.cast(), len) };
        if op == Op::IndexAdd {
            let (outer, len, inner) = around(outside, axis);
            let mut often = self.often(single, len, inner);
            for (k, &i) in index.iter().enumerate() {
                often.count(checked(op, k, i, len)?);
            }
            often.begin();
            for o in 0..outer {
                for (k, &i) in index.iter().enumerate() {
                    let place = checked(op, k, i, len)?;
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
            return Ok(());
        }
        let mut often = self.often(single, len, 1);
        if often.is_possible() {
            each_position(op, inside, outside, axis, index, |_, at| often.count(at))?;
            often.begin();
        }
        each_position(op, inside, outside, axis, index, |k, at| match often.totals(at) {
            Some(totals) => totals[0].add(from[k].to_f64()),
            None => add(&mut out[at], from[k]),
        })?;
        often.end(|place, total| out[place] = T::from_f64(total));
        Ok(())
    }

    fn index_axis(&self, single: &Single) -> usize {
        single.list.of(&self.plan.words).first().map_or(0, |&axis| axis as usize)
    }
}

/// Whether an index differs from what it looks at only along an axis, and there is something to look at.
fn is_slabs(index: &[usize], dims: &[usize], axis: usize) -> bool {
    let others = (0..dims.len()).filter(|&other| other != axis);
    let are_equal = others.into_iter().all(|other| index[other] == dims[other] && dims[other] > 0);
    !dims.is_empty() && are_equal
}

/// Places to which more than `RUN_MAX` elements are added: their sums go on in f64, with the low part
/// carried along. All others are added in their own precision, which is as good for so few.
pub(super) struct Often<'a> {
    /// By place: how often it is named; then the number of its totals, or `SELDOM`.
    places: &'a mut [u32],
    totals: &'a mut [Total],
    /// Totals of a place.
    inner: usize,
    /// Places that are named often.
    used: usize,
}

const SELDOM: u32 = u32::MAX;

impl Often<'_> {
    /// Whether there can be any.
    pub(super) fn is_possible(&self) -> bool {
        !self.places.is_empty()
    }

    pub(super) fn count(&mut self, place: usize) {
        if let Some(count) = self.places.get_mut(place) {
            *count = count.saturating_add(1);
        }
    }

    /// All places were counted.
    pub(super) fn begin(&mut self) {
        for place in self.places.iter_mut() {
            *place = if *place as usize > RUN_MAX {
                self.used += 1;
                self.used as u32 - 1
            } else {
                SELDOM
            };
        }
        self.totals[..self.used * self.inner].fill(Total::default());
        if self.used == 0 {
            self.places = &mut [];
        }
    }

    /// The totals of a place that is named often.
    #[inline(always)]
    pub(super) fn totals(&mut self, place: usize) -> Option<&mut [Total]> {
        let number = *self.places.get(place)?;
        let start = number as usize * self.inner;
        if number == SELDOM { None } else { Some(&mut self.totals[start..start + self.inner]) }
    }

    /// Tells each total, with its element among those of all places, and begins anew.
    pub(super) fn end(&mut self, mut tell: impl FnMut(usize, f64)) {
        for (place, &number) in self.places.iter().enumerate() {
            if number == SELDOM {
                continue;
            }
            for k in 0..self.inner {
                let total = &mut self.totals[number as usize * self.inner + k];
                tell(place * self.inner + k, std::mem::take(total).value());
            }
        }
    }
}

impl Run<'_> {
    /// The memory that the plan has for this, for so many places.
    pub(super) fn often(&self, single: &Single, places: usize, inner: usize) -> Often<'_> {
        let Some(datum) = self.plan.data.get(single.work as usize) else {
            return Often { places: &mut [], totals: &mut [], inner, used: 0 };
        };
        let words = places.div_ceil(2);
        let base: *mut u64 = self.base(single.work).cast();
        assert!(words <= datum.len);
        // SAFETY: the step's own memory, of `len` words; zero bytes are numbers of both kinds.
        unsafe {
            base.write_bytes(0, datum.len);
            Often {
                places: std::slice::from_raw_parts_mut(base.cast(), places),
                totals: std::slice::from_raw_parts_mut(
                    base.add(words).cast(),
                    (datum.len - words) / 2,
                ),
                inner,
                used: 0,
            }
        }
    }
}

fn add<T: Element>(out: &mut T, x: T) {
    *out = T::from_f64(out.to_f64() + x.to_f64());
}

/// For each position `k` of an index of shape `small`: where it points to in a tensor of shape
/// `large` along `axis`.
fn each_position(
    op: Op,
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
        let at = checked(op, k, i, large.get(axis).copied().unwrap_or(1))?;
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
