//! Reductions along an axis that is not the last one: what [rows](super::rows) are there are columns
//! here.
//!
//! `kernel(n, out, x, b, x, &[lines, stride])`: `n` columns side by side, whose lines are `stride`
//! elements apart, in the result as in the operand where it has lines, too. Lines are read as they lie,
//! and each column has accumulators of its own: those that a row would have, joined in the same order.
//! So a column has the same result bit for bit as if it were a row. (Only [`JoinColumns`] adds line by
//! line.)

use super::rows::{Best, Fold, STRIDE, SUM_BLOCK, Sum, Total};
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

/// Columns that are taken at a time.
const WIDTH: usize = 64;

/// Their accumulators: `STRIDE` lines of them.
const HELD: usize = WIDTH * STRIDE;

/// Some columns.
struct Columns<T> {
    x: *const T,
    lines: usize,
    stride: usize,
    /// How many there are.
    width: usize,
}

impl<T: Float> Columns<T> {
    /// Those of a kernel from `first` on, `WIDTH` at most.
    ///
    /// # Safety
    /// The kernel was called for `n` columns as the module says.
    #[inline(always)]
    unsafe fn at(first: usize, n: usize, operands: &Operands) -> Self {
        // SAFETY: the caller's promise.
        let [lines, stride] = unsafe { operands[3].cast::<[usize; 2]>().read() };
        let x = operands[0].cast::<T>().wrapping_add(first);
        Self { x, lines, stride, width: WIDTH.min(n - first) }
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

    /// Reduces lines `from` to `to`: to the first elements of `held`.
    #[inline(always)]
    fn fold<F: Fold<T>>(&self, held: &mut [T; HELD], from: usize, to: usize) {
        held[..STRIDE * self.width].fill(F::first());
        for group in (from..to).step_by(STRIDE) {
            let (len, count) = self.stretches(group, to.min(group + STRIDE));
            for k in 0..count {
                take_in::<T, F>(&mut held[k * len..][..len], self.line(group + k, len));
            }
        }
        close_lines::<T, F>(held, self.width);
    }

    /// The best element of each column.
    #[inline(always)]
    fn best<const MAX: bool>(&self, best: &mut [T; HELD]) {
        let mut held = [T::default(); HELD];
        for from in (0..self.lines).step_by(SUM_BLOCK) {
            self.fold::<Best<MAX>>(&mut held, from, self.lines.min(from + SUM_BLOCK));
            if from == 0 {
                best[..self.width].copy_from_slice(&held[..self.width]);
            } else {
                take_in::<T, Best<MAX>>(&mut best[..self.width], &held[..self.width]);
            }
        }
    }

    /// Adds up e^(x - shift), where `shifts` hold a group of lines; writes them to `out`, lines like its
    /// own, if it is not null.
    ///
    /// # Safety
    /// `out` is null, or valid for writing such lines.
    #[inline(always)]
    unsafe fn exps<L: Lanes<Elem = T>>(&self, shifts: &[T; HELD], out: *mut T) -> [Total; WIDTH] {
        let (mut held, mut scratch) = ([T::default(); HELD], [T::default(); HELD]);
        let mut totals = [Total::default(); WIDTH];
        for from in (0..self.lines).step_by(EXP_BLOCK) {
            held[..STRIDE * self.width].fill(T::default());
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
            close_lines::<T, Sum<false>>(&mut held, self.width);
            for (total, &sum) in totals.iter_mut().zip(&held[..self.width]) {
                total.add(sum.to_f64());
            }
        }
        totals
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
    for (held, &x) in held.iter_mut().zip(x) {
        *held = F::take(*held, x);
    }
}

/// Joins the accumulators of each column.
#[inline(always)]
fn close_lines<T: Copy, F: Fold<T>>(held: &mut [T; HELD], width: usize) {
    let mut lines = STRIDE;
    while lines > 1 {
        lines /= 2;
        let (low, high) = held.split_at_mut(lines * width);
        for (low, &high) in low.iter_mut().zip(&*high) {
            *low = F::join(*low, high);
        }
    }
}

/// Repeats the first line, so that there is a group of them.
#[inline(always)]
fn repeat<T: Copy>(lines: &mut [T; HELD], width: usize) {
    for k in 1..STRIDE {
        lines.copy_within(..width, k * width);
    }
}

/// log sum e^x of each column.
pub(super) struct LogSumExpColumns;

impl<T: Float> Body<T> for LogSumExpColumns {
    #[inline(always)]
    unsafe fn run<L: Lanes<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, as the module states it.
        let out: &mut [T] = unsafe { result(out, n) };
        for first in (0..n).step_by(WIDTH) {
            // SAFETY: as above; nothing but sums is written.
            let (totals, shifts) = unsafe {
                let columns = Columns::<T>::at(first, n, operands);
                let mut shifts = [T::default(); HELD];
                columns.best::<true>(&mut shifts);
                shifts[..columns.width].iter_mut().for_each(|shift| *shift = finite(*shift));
                repeat(&mut shifts, columns.width);
                (columns.exps::<L>(&shifts, std::ptr::null_mut()), shifts)
            };
            for (k, out) in out[first..].iter_mut().take(WIDTH).enumerate() {
                *out = T::from_f64(shifts[k].to_f64() + Real::ln(totals[k].value()));
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
        for first in (0..n).step_by(WIDTH) {
            let both = if SHARES && LOG { operands[1].cast_mut() } else { out };
            let (out, exps) =
                (out.cast::<T>().wrapping_add(first), both.cast::<T>().wrapping_add(first));
            // SAFETY: the caller's promise: operands as the struct says, so that writing through the
            // second one is allowed.
            unsafe {
                let columns = Columns::<T>::at(first, n, operands);
                let mut shifts = [T::default(); HELD];
                // The plain maximum: a column of -inf, or with +inf, is NaN, as in PyTorch.
                columns.best::<true>(&mut shifts);
                repeat(&mut shifts, columns.width);
                let totals = columns.exps::<L>(&shifts, exps);
                let (mut shares, mut logs) = ([T::default(); HELD], [T::default(); HELD]);
                for (k, total) in totals[..columns.width].iter().enumerate() {
                    if SHARES {
                        shares[k] = share(total.value());
                    }
                    if LOG {
                        logs[k] = T::from_f64(Real::ln(total.value()));
                    }
                }
                repeat(&mut shares, columns.width);
                repeat(&mut logs, columns.width);
                for group in (0..columns.lines).step_by(STRIDE) {
                    let end = columns.lines.min(group + STRIDE);
                    let (len, count) = columns.stretches(group, end);
                    for k in 0..count {
                        let (line, place) = (group + k, k * len);
                        if SHARES {
                            let exps = line_of(exps, columns.stride, line, len);
                            multiply(exps, &shares[place..][..len]);
                        }
                        if LOG {
                            let (a, b) = (&shifts[place..][..len], &logs[place..][..len]);
                            let out = line_of(out, columns.stride, line, len);
                            minus_both(out, columns.line(line, len), a, b);
                        }
                    }
                }
            }
        }
    }
}

/// Numbers of lines, as wide as an element.
pub(crate) trait Count: Copy + PartialEq {
    const NONE: Self;
    fn of(line: u32) -> Self;
    fn number(self) -> usize;
}

impl Count for u32 {
    const NONE: Self = u32::MAX;
    #[inline(always)]
    fn of(line: u32) -> Self {
        line
    }
    #[inline(always)]
    fn number(self) -> usize {
        self as usize
    }
}

impl Count for u64 {
    const NONE: Self = u64::MAX;
    #[inline(always)]
    fn of(line: u32) -> Self {
        u64::from(line)
    }
    #[inline(always)]
    fn number(self) -> usize {
        self as usize
    }
}

/// Lines whose numbers fit in the narrowest [`Count`].
const COUNTED: usize = 1 << 20;

/// In which line the first of a column's extremes is, as i64; the first NaN if there is one.
pub(super) struct ArgColumns<const MAX: bool>;

impl<T: Float, const MAX: bool> Body<T> for ArgColumns<MAX> {
    #[inline(always)]
    unsafe fn run<L: Lanes<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, as the module states it, with one i64 a column.
        let out: &mut [i64] = unsafe { result(out, n) };
        out.fill(0);
        for first in (0..n).step_by(WIDTH) {
            // SAFETY: as above.
            let columns = unsafe { Columns::<T>::at(first, n, operands) };
            let width = columns.width;
            let (mut best, mut places) = ([T::default(); WIDTH], [T::Count::NONE; WIDTH]);
            best[..width].copy_from_slice(columns.line(0, width));
            for from in (0..columns.lines).step_by(COUNTED) {
                places[..width].fill(T::Count::NONE);
                for line in from..columns.lines.min(from + COUNTED) {
                    let place = T::Count::of((line - from) as u32);
                    better_places::<T, MAX>(
                        &mut best[..width],
                        &mut places[..width],
                        columns.line(line, width),
                        place,
                    );
                }
                for (out, place) in out[first..].iter_mut().zip(&places[..width]) {
                    if *place != T::Count::NONE {
                        *out = (from + place.number()) as i64;
                    }
                }
            }
        }
    }
}

/// Takes a line in: where it is better, it is the best one, and its place the place.
#[inline(always)]
fn better_places<T: Float, const MAX: bool>(
    best: &mut [T],
    places: &mut [T::Count],
    line: &[T],
    place: T::Count,
) {
    let n = line.len();
    assert!(best.len() == n && places.len() == n);
    for k in 0..n {
        let (x, held) = (line[k], best[k]);
        let beyond = if MAX { x > held } else { x < held };
        #[allow(clippy::eq_op)] // a number that is not itself is NaN
        let is_better = (held == held) & (beyond | (x != x));
        best[k] = if is_better { x } else { held };
        places[k] = if is_better { place } else { places[k] };
    }
}

/// Joins the lines of each column in their order.
pub(super) struct JoinColumns<F>(std::marker::PhantomData<F>);

impl<T: Float, F: Fold<T>> Body<T> for JoinColumns<F> {
    #[inline(always)]
    unsafe fn run<L: Lanes<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, as the module states it.
        let (out, [lines, stride]) = unsafe {
            (result::<T>(out, n), operands[3].cast::<[usize; 2]>().read())
        };
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
