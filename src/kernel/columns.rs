//! Reductions along an axis that is not the last one: what [rows](super::rows) are there are columns
//! here.
//!
//! `kernel(n, out, x, b, x, &[lines, stride])`: `n` columns side by side, whose lines are `stride`
//! elements apart, in the result as in the operand where it has lines, too. Lines are read as they lie,
//! and each column has accumulators of its own: those that a row would have, joined in the same order.
//! So a column has the same result bit for bit as if it were a row. (Only [`JoinColumns`] adds line by
//! line.)

use std::marker::PhantomData;

use super::body::{Kernel, Operands, Plain, result};
use super::float::{Bits, Float};
use super::fold::{Fold, STRIDE, better, beyond};

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
pub(super) const MEMORY: usize = 1024;

/// Columns that are taken at a time, at most, and those of which only the best is held.
pub(super) const WIDTH: usize = MEMORY * 2 / STRIDE;
const ARG_WIDTH: usize = 256;

/// How many of `n` columns are taken at a time, of which there is memory for `most`: as many each time,
/// about.
fn share_of(n: usize, most: usize) -> usize {
    n.div_ceil(n.div_ceil(most).max(1)).next_multiple_of(STRIDE).min(most)
}

/// Some columns.
pub(super) struct Columns<T> {
    x: *const T,
    pub(super) lines: usize,
    pub(super) stride: usize,
    /// How many there are.
    pub(super) width: usize,
}

impl<T: Float> Columns<T> {
    /// How many of a kernel's `n` columns are taken at a time.
    pub(super) fn share(n: usize) -> usize {
        share_of(n, MEMORY * size_of::<u64>() / size_of::<T>() / STRIDE)
    }

    /// Those of a kernel from `first` on, `most` at most.
    ///
    /// # Safety
    /// The kernel was called for `n` columns as the module says.
    #[inline(always)]
    pub(super) unsafe fn at(first: usize, n: usize, most: usize, operands: &Operands) -> Self {
        // SAFETY: the caller's promise.
        let [lines, stride] = unsafe { operands[3].cast::<[usize; 2]>().read() };
        let x = operands[0].cast::<T>().wrapping_add(first);
        Self { x, lines, stride, width: most.min(n - first) }
    }

    /// How many lines have accumulators of their own.
    pub(super) fn group(&self) -> usize {
        STRIDE.min(self.lines)
    }

    /// Calls `take` with a line, the place of its accumulators, and how many elements from there on
    /// lie side by side, for all in lines `from` to `to`.
    pub(super) fn stretches(
        &self,
        from: usize,
        to: usize,
        mut take: impl FnMut(usize, usize, usize),
    ) {
        let is_dense = self.stride == self.width;
        for group in (from..to).step_by(STRIDE) {
            let lines = STRIDE.min(to - group);
            if is_dense {
                take(group, 0, lines * self.width);
                continue;
            }
            (0..lines).for_each(|k| take(group + k, k * self.width, self.width));
        }
    }

    /// The first elements from a line on.
    #[inline(always)]
    pub(super) fn line(&self, line: usize, count: usize) -> &[T] {
        // SAFETY: the kernel's promise, for lines that exist.
        unsafe { std::slice::from_raw_parts(self.x.add(line * self.stride), count) }
    }
}

/// Lines whose numbers every type holds exactly.
const COUNTED: usize = 1 << 20;

/// With which sign elements are taken.
#[derive(Clone, Copy)]
pub(super) struct Sign<T: Float>(T::Bits);

impl<T: Float> Sign<T> {
    pub(super) const PLUS: usize = 0;
    pub(super) const MINUS: usize = 1;

    #[inline(always)]
    fn new(sign: usize) -> Self {
        Self(if sign == Self::MINUS { T::from_f64(-0.0).bits() } else { T::Bits::of(0) })
    }

    #[inline(always)]
    fn of(self, x: T) -> T {
        T::from_bits(x.bits() ^ self.0)
    }
}

/// In which line the first of a column's largest elements is, as i64; the first NaN if there is one.
/// A third number behind the two lengths tells with what sign elements are taken: with the other one, the smallest are sought.
pub(super) struct FindColumns;

impl<T: Float> Plain<T> for FindColumns {
    #[inline(always)]
    unsafe fn run(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, as the module states it, with one i64 a column.
        let out: &mut [i64] = unsafe { result(out, n) };
        // SAFETY: as the struct says.
        let [.., sign] = unsafe { operands[3].cast::<[usize; 3]>().read() };
        let sign = Sign::<T>::new(sign);
        out.fill(0);
        let share = share_of(n, ARG_WIDTH);
        for first in (0..n).step_by(share) {
            // SAFETY: as above.
            let columns = unsafe { Columns::<T>::at(first, n, share, operands) };
            let width = columns.width;
            let (mut best, mut places) = ([T::default(); ARG_WIDTH], [T::default(); ARG_WIDTH]);
            for (best, &x) in best.iter_mut().zip(columns.line(0, width)) {
                *best = sign.of(x);
            }
            for from in (0..columns.lines).step_by(COUNTED) {
                places[..width].fill(T::from_f64(-1.0));
                for line in from..columns.lines.min(from + COUNTED) {
                    better_places(
                        &mut best[..width],
                        &mut places[..width],
                        columns.line(line, width),
                        T::from_f64((line - from) as f64),
                        sign,
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
fn better_places<T: Float>(best: &mut [T], places: &mut [T], line: &[T], place: T, sign: Sign<T>) {
    let (chunks, rest) = best.as_chunks_mut::<STRIDE>();
    let (place_chunks, place_rest) = places.as_chunks_mut::<STRIDE>();
    let (from, last) = line.as_chunks::<STRIDE>();
    for ((best, places), line) in chunks.iter_mut().zip(place_chunks).zip(from) {
        let (mut held, mut at) = (*best, *places);
        for k in 0..STRIDE {
            (held[k], at[k]) = better_place(held[k], at[k], sign.of(line[k]), place);
        }
        (*best, *places) = (held, at);
    }
    for ((best, at), &x) in rest.iter_mut().zip(place_rest).zip(last) {
        (*best, *at) = better_place(*best, *at, sign.of(x), place);
    }
}

#[inline(always)]
fn better_place<T: Float>(best: T, at: T, x: T, place: T) -> (T, T) {
    #[allow(clippy::eq_op)] // a number that is not itself is NaN
    let is_better = (best == best) & ((x > best) | (x != x));
    let new = if is_better { place } else { T::from_f64(-1.0) };
    (better::<T, true>(best, x), beyond::<T, true>(at, new))
}

/// Joins the lines of each column in their order.
pub(super) struct JoinColumns<F>(PhantomData<F>);

impl<T: Float, F: Fold<T>> Plain<T> for JoinColumns<F> {
    #[inline(always)]
    unsafe fn run(n: usize, out: *mut u8, operands: &Operands) {
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
