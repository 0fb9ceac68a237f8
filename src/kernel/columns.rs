//! Reductions along an axis that is not the last one: what [rows](super::rows) are there are columns
//! here.
//!
//! `kernel(n, out, x, b, x, &[lines, stride])`: `n` columns side by side, whose lines are `stride`
//! elements apart, in the result as in the operand where it has lines, too. Lines are read as they lie,
//! and each column has accumulators of its own: those that a row would have, joined in the same order.
//! So a column has the same result bit for bit as if it were a row. (Only [`JoinColumns`] adds line by
//! line.)

use std::mem::MaybeUninit;
use std::ops::{BitAnd, BitOr, Not};

use super::rows::{Beyond, Fold, STRIDE, SUM_BLOCK, Sum, Total, better, beyond};
use super::softmax::{EXP_BLOCK, ExpOfDifference, finite, minus_both, multiply, share};
use super::{Body, Float, Kernel, Operands, each, result};
use crate::lane::Lanes;
use crate::real::Real;

/// Calls a kernel of columns.
///
/// # Safety
/// As for [`Kernel`], with operands as the module says.
pub(crate) unsafe fn call_columns(
    kernel: Kernel,
    n: usize,
    lines: usize,
    stride: usize,
    out: *mut u8,
    [x, second]: [*const u8; 2],
) {
    let lengths = [lines, stride];
    // SAFETY: the caller's promise.
    unsafe { kernel(n, out, x, second, x, (&raw const lengths).cast()) }
}

/// Words of memory for accumulators: `STRIDE` lines of columns.
const MEMORY: usize = 1024;
type Memory = [MaybeUninit<u64>; MEMORY];
const NO_MEMORY: Memory = [MaybeUninit::uninit(); MEMORY];

/// Columns that are taken at a time, at most, and those of which only the best is held.
const WIDTH: usize = MEMORY * 2 / STRIDE;
const ARG_WIDTH: usize = 256;

/// How many of `n` columns are taken at a time, of which there is memory for `most`: as many each time,
/// about.
fn share_of(n: usize, most: usize) -> usize {
    n.div_ceil(n.div_ceil(most).max(1)).next_multiple_of(STRIDE).min(most)
}

/// Some columns.
struct Columns<T> {
    x: *const T,
    lines: usize,
    stride: usize,
    /// How many there are.
    width: usize,
}

impl<T: Float> Columns<T> {
    /// How many of a kernel's `n` columns are taken at a time.
    fn share(n: usize) -> usize {
        share_of(n, MEMORY * size_of::<u64>() / size_of::<T>() / STRIDE)
    }

    /// Those of a kernel from `first` on, `most` at most.
    ///
    /// # Safety
    /// The kernel was called for `n` columns as the module says.
    #[inline(always)]
    unsafe fn at(first: usize, n: usize, most: usize, operands: &Operands) -> Self {
        // SAFETY: the caller's promise.
        let [lines, stride] = unsafe { operands[3].cast::<[usize; 2]>().read() };
        let x = operands[0].cast::<T>().wrapping_add(first);
        Self { x, lines, stride, width: most.min(n - first) }
    }

    /// How many elements lie side by side in lines `from` to `to`, and how many times that.
    #[inline(always)]
    fn stretches(&self, from: usize, to: usize) -> (usize, usize) {
        let is_dense = self.stride == self.width;
        if is_dense { ((to - from) * self.width, 1) } else { (self.width, to - from) }
    }

    /// The first elements from a line on.
    #[inline(always)]
    fn line(&self, line: usize, count: usize) -> &[T] {
        // SAFETY: the kernel's promise, for lines that exist.
        unsafe { std::slice::from_raw_parts(self.x.add(line * self.stride), count) }
    }

    /// How many lines have accumulators of their own.
    #[inline(always)]
    fn group(&self) -> usize {
        STRIDE.min(self.lines)
    }

    /// As much of some memory as these accumulators need.
    #[inline(always)]
    fn held<'a>(&self, memory: &'a mut Memory, first: T) -> &'a mut [T] {
        let len = self.group() * self.width;
        assert!(len * size_of::<T>() <= size_of::<Memory>());
        // SAFETY: there is room for so many elements, which are no larger than a word; all of them are
        // written before any is read.
        unsafe {
            let held: *mut T = memory.as_mut_ptr().cast();
            std::slice::from_raw_parts_mut(held.cast::<MaybeUninit<T>>(), len)
                .fill(MaybeUninit::new(first));
            std::slice::from_raw_parts_mut(held, len)
        }
    }

    /// Reduces lines `from` to `to`: to the first elements of `held`, which hold nothing yet.
    #[inline(always)]
    fn fold<F: Fold<T>>(&self, held: &mut [T], from: usize, to: usize) {
        for group in (from..to).step_by(STRIDE) {
            let (len, count) = self.stretches(group, to.min(group + STRIDE));
            for k in 0..count {
                take_in::<T, F>(&mut held[k * len..][..len], self.line(group + k, len));
            }
        }
        close_lines::<T, F>(held, self.width);
    }

    /// The largest element of each column: first in `largest`, which holds nothing yet. NaNs may be passed
    /// over: their exponentials are NaN, too.
    #[inline(always)]
    fn largest(&self, largest: &mut [T]) {
        for from in (0..self.lines).step_by(SUM_BLOCK) {
            let to = self.lines.min(from + SUM_BLOCK);
            if from == 0 {
                self.fold::<Beyond<true>>(largest, from, to);
                continue;
            }
            let mut memory = NO_MEMORY;
            let held = self.held(&mut memory, <Beyond<true> as Fold<T>>::first());
            self.fold::<Beyond<true>>(held, from, to);
            join_in::<T, Beyond<true>>(&mut largest[..self.width], &held[..self.width]);
        }
    }

    /// Adds up e^(x - shift), where `shifts` hold a group of lines; writes them to `out`, lines like its
    /// own, if it is not null.
    ///
    /// # Safety
    /// `out` is null, or valid for writing such lines.
    #[inline(always)]
    unsafe fn exps<L: Lanes<Elem = T>>(
        &self,
        totals: &mut [Total; WIDTH],
        shifts: &[T],
        out: *mut T,
    ) {
        let (mut held, mut scratch) = (NO_MEMORY, NO_MEMORY);
        let scratch = self.held(&mut scratch, T::default());
        for from in (0..self.lines).step_by(EXP_BLOCK) {
            let held = self.held(&mut held, T::default());
            let to = self.lines.min(from + EXP_BLOCK);
            for group in (from..to).step_by(STRIDE) {
                let (len, count) = self.stretches(group, to.min(group + STRIDE));
                for k in 0..count {
                    let exps = if out.is_null() {
                        &mut scratch[..len]
                    } else {
                        // SAFETY: the caller's promise.
                        unsafe { line_of(out, self.stride, group + k, len) }
                    };
                    let shifts = &shifts[k * len..][..len];
                    each::<L, 2>(exps, [self.line(group + k, len), shifts], &ExpOfDifference);
                    take_in::<T, Sum<false>>(&mut held[k * len..][..len], exps);
                }
            }
            close_lines::<T, Sum<false>>(held, self.width);
            for (total, &sum) in totals.iter_mut().zip(&held[..self.width]) {
                total.add(sum.to_f64());
            }
        }
    }
}

/// Elements from a line on that are written.
///
/// # Safety
/// `out` is valid for writing them, and nobody else's for `'a`.
#[inline(always)]
unsafe fn line_of<'a, T>(out: *mut T, stride: usize, line: usize, count: usize) -> &'a mut [T] {
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts_mut(out.add(line * stride), count) }
}

/// Takes elements into as many accumulators.
#[inline(always)]
fn take_in<T: Copy, F: Fold<T>>(held: &mut [T], x: &[T]) {
    let (chunks, rest) = held.as_chunks_mut::<STRIDE>();
    let (from, last) = x.as_chunks::<STRIDE>();
    for (held, x) in chunks.iter_mut().zip(from) {
        let mut next = *held;
        for k in 0..STRIDE {
            next[k] = F::take(next[k], x[k]);
        }
        *held = next;
    }
    for (held, &x) in rest.iter_mut().zip(last) {
        *held = F::take(*held, x);
    }
}

/// The same for accumulators that are joined.
#[inline(always)]
fn join_in<T: Copy, F: Fold<T>>(held: &mut [T], other: &[T]) {
    let (chunks, rest) = held.as_chunks_mut::<STRIDE>();
    let (from, last) = other.as_chunks::<STRIDE>();
    for (held, other) in chunks.iter_mut().zip(from) {
        let mut next = *held;
        for k in 0..STRIDE {
            next[k] = F::join(next[k], other[k]);
        }
        *held = next;
    }
    for (held, &other) in rest.iter_mut().zip(last) {
        *held = F::join(*held, other);
    }
}

/// Joins the accumulators of each column: those that are not there are empty.
#[inline(always)]
fn close_lines<T: Copy, F: Fold<T>>(held: &mut [T], width: usize) {
    let mut lines = STRIDE;
    while lines > 1 {
        lines /= 2;
        if let Some((low, high)) = held.split_at_mut_checked(lines * width) {
            let count = low.len().min(high.len());
            join_in::<T, F>(&mut low[..count], &high[..count]);
        }
    }
}

/// Repeats the first line, so that there is a group of them.
#[inline(always)]
fn repeat<T: Copy>(lines: &mut [T], width: usize) {
    for at in (width..lines.len()).step_by(width) {
        lines.copy_within(..width, at);
    }
}

/// log sum e^x of each column.
pub(super) struct LogSumExpColumns;

impl<T: Float> Body<T> for LogSumExpColumns {
    #[inline(always)]
    unsafe fn run<L: Lanes<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, as the module states it.
        let out: &mut [T] = unsafe { result(out, n) };
        let share = Columns::<T>::share(n);
        for first in (0..n).step_by(share) {
            // SAFETY: as above.
            let columns = unsafe { Columns::<T>::at(first, n, share, operands) };
            let width = columns.width;
            let mut memory = NO_MEMORY;
            let shifts = columns.held(&mut memory, <Beyond<true> as Fold<T>>::first());
            columns.largest(shifts);
            shifts[..width].iter_mut().for_each(|shift| *shift = finite(*shift));
            repeat(shifts, width);
            let mut totals = [Total::default(); WIDTH];
            // SAFETY: nothing but sums is written.
            unsafe { columns.exps::<L>(&mut totals, shifts, std::ptr::null_mut()) };
            for k in 0..width {
                let log = Real::ln(totals[k].value());
                out[first + k] = T::from_f64(shifts[k].to_f64() + log);
            }
        }
    }
}

/// The softmax of each column (`SHARES`), its logarithm (`LOG`), or both: the logarithm is then the
/// result, and the second operand the place where the softmax is written.
pub(super) struct SoftmaxColumns<const SHARES: bool, const LOG: bool>;

impl<T: Float, const SHARES: bool, const LOG: bool> Body<T> for SoftmaxColumns<SHARES, LOG> {
    #[inline(always)]
    unsafe fn run<L: Lanes<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        let most = Columns::<T>::share(n);
        for first in (0..n).step_by(most) {
            let both = if SHARES && LOG { operands[1].cast_mut() } else { out };
            let (out, exps) =
                (out.cast::<T>().wrapping_add(first), both.cast::<T>().wrapping_add(first));
            // SAFETY: the caller's promise, as the module states it.
            let columns = unsafe { Columns::<T>::at(first, n, most, operands) };
            let (width, stride) = (columns.width, columns.stride);
            let mut memory = [NO_MEMORY; 3];
            let [shifts, shares, logs] = &mut memory;
            let shifts = columns.held(shifts, <Beyond<true> as Fold<T>>::first());
            // The plain maximum: a column of -inf, or with +inf, is NaN, as in PyTorch.
            columns.largest(shifts);
            repeat(shifts, width);
            let mut totals = [Total::default(); WIDTH];
            // SAFETY: the caller's promise: operands as the struct says, so that writing through the
            // second one is allowed.
            unsafe { columns.exps::<L>(&mut totals, shifts, exps) };
            let shares = columns.held(shares, T::default());
            let logs = columns.held(logs, T::default());
            for (k, total) in totals[..width].iter().enumerate() {
                if SHARES {
                    shares[k] = share(total.value());
                }
                if LOG {
                    logs[k] = T::from_f64(Real::ln(total.value()));
                }
            }
            repeat(shares, width);
            repeat(logs, width);
            for group in (0..columns.lines).step_by(STRIDE) {
                let (len, count) = columns.stretches(group, columns.lines.min(group + STRIDE));
                for k in 0..count {
                    let (line, place) = (group + k, k * len);
                    if SHARES {
                        // SAFETY: as above.
                        let exps = unsafe { line_of(exps, stride, line, len) };
                        multiply(exps, &shares[place..][..len]);
                    }
                    if LOG {
                        let (a, b) = (&shifts[place..][..len], &logs[place..][..len]);
                        // SAFETY: as above.
                        let out = unsafe { line_of(out, stride, line, len) };
                        minus_both(out, columns.line(line, len), a, b);
                    }
                }
            }
        }
    }
}

/// Bits as wide as an element.
pub(crate) trait Bits:
    Copy + PartialEq + BitAnd<Output = Self> + BitOr<Output = Self> + Not<Output = Self>
{
    /// All of them are set.
    const ALL: Self;
    fn of(bits: u32) -> Self;
}

impl Bits for u32 {
    const ALL: Self = u32::MAX;
    #[inline(always)]
    fn of(bits: u32) -> Self {
        bits
    }
}

impl Bits for u64 {
    const ALL: Self = u64::MAX;
    #[inline(always)]
    fn of(bits: u32) -> Self {
        u64::from(bits)
    }
}

/// Lines whose numbers every type holds exactly.
const COUNTED: usize = 1 << 20;

/// In which line the first of a column's extremes is, as i64; the first NaN if there is one.
pub(super) struct ArgColumns<const MAX: bool>;

impl<T: Float, const MAX: bool> Body<T> for ArgColumns<MAX> {
    #[inline(always)]
    unsafe fn run<L: Lanes<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, as the module states it, with one i64 a column.
        let out: &mut [i64] = unsafe { result(out, n) };
        out.fill(0);
        let share = share_of(n, ARG_WIDTH);
        for first in (0..n).step_by(share) {
            // SAFETY: as above.
            let columns = unsafe { Columns::<T>::at(first, n, share, operands) };
            let width = columns.width;
            let (mut best, mut places) = ([T::default(); ARG_WIDTH], [T::default(); ARG_WIDTH]);
            best[..width].copy_from_slice(columns.line(0, width));
            for from in (0..columns.lines).step_by(COUNTED) {
                places[..width].fill(T::from_f64(-1.0));
                for line in from..columns.lines.min(from + COUNTED) {
                    better_places::<T, MAX>(
                        &mut best[..width],
                        &mut places[..width],
                        columns.line(line, width),
                        T::from_f64((line - from) as f64),
                    );
                }
                for (out, place) in out[first..].iter_mut().zip(&places[..width]) {
                    let place = place.to_f64();
                    *out = if place < 0.0 { *out } else { from as i64 + place as i64 };
                }
            }
        }
    }
}

/// Takes a line in: where it is better, it is the best one, and its place the place, which is larger than
/// those before.
#[inline(always)]
fn better_places<T: Float, const MAX: bool>(
    best: &mut [T],
    places: &mut [T],
    line: &[T],
    place: T,
) {
    let (chunks, rest) = best.as_chunks_mut::<STRIDE>();
    let (place_chunks, place_rest) = places.as_chunks_mut::<STRIDE>();
    let (from, last) = line.as_chunks::<STRIDE>();
    for ((best, places), line) in chunks.iter_mut().zip(place_chunks).zip(from) {
        let (mut held, mut at) = (*best, *places);
        for k in 0..STRIDE {
            (held[k], at[k]) = better_place::<T, MAX>(held[k], at[k], line[k], place);
        }
        (*best, *places) = (held, at);
    }
    for ((best, at), &x) in rest.iter_mut().zip(place_rest).zip(last) {
        (*best, *at) = better_place::<T, MAX>(*best, *at, x, place);
    }
}

#[inline(always)]
fn better_place<T: Float, const MAX: bool>(best: T, at: T, x: T, place: T) -> (T, T) {
    let is_beyond = if MAX { x > best } else { x < best };
    #[allow(clippy::eq_op)] // a number that is not itself is NaN
    let is_better = (best == best) & (is_beyond | (x != x));
    let new = if is_better { place } else { T::from_f64(-1.0) };
    (better::<T, MAX>(best, x), beyond::<T, true>(at, new))
}

/// Joins the lines of each column in their order.
pub(super) struct JoinColumns<F>(std::marker::PhantomData<F>);

impl<T: Float, F: Fold<T>> Body<T> for JoinColumns<F> {
    #[inline(always)]
    unsafe fn run<L: Lanes<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, as the module states it.
        let (out, [lines, stride]) =
            unsafe { (result::<T>(out, n), operands[3].cast::<[usize; 2]>().read()) };
        let x = operands[0].cast::<T>();
        // Few columns are held in registers.
        let mut at = 0;
        while n - at >= 8 {
            // SAFETY: as above, of so many columns.
            unsafe { join::<T, F, 8>(&mut out[at..], x.add(at), lines, stride) };
            at += 8;
        }
        while n - at >= 2 {
            // SAFETY: as above.
            unsafe { join::<T, F, 2>(&mut out[at..], x.add(at), lines, stride) };
            at += 2;
        }
        if n > at {
            // SAFETY: as above.
            unsafe { join::<T, F, 1>(&mut out[at..], x.add(at), lines, stride) };
        }
    }
}

/// # Safety
/// `lines` lines of `W` elements, `stride` apart, can be read; there is at least one.
#[inline(always)]
unsafe fn join<T: Float, F: Fold<T>, const W: usize>(
    out: &mut [T],
    x: *const T,
    lines: usize,
    stride: usize,
) {
    // SAFETY: the caller's promise.
    let line = |line: usize| unsafe { x.add(line * stride).cast::<[T; W]>().read() };
    let mut held = line(0).map(F::begin);
    for k in 1..lines {
        let next = line(k);
        for c in 0..W {
            held[c] = F::take(held[c], next[c]);
        }
    }
    out[..W].copy_from_slice(&held);
}
