//! What is made of the exponentials of rows or of columns: log-sum-exp and softmax.
//!
//! These kernels are made of others ([`Made`]), which they call for some hundred elements at a time:
//! short rows, or lines of columns, are taken together, each step of the arithmetic for all of them.
//! So none of it knows how short they are, and the exponential function is in one loop only.

use super::body::{Kernel, Operands, Scratch, call1, operand};
use super::columns::{Columns, MEMORY, WIDTH};
use super::float::Float;
use super::fold::{STRIDE, SUM_BLOCK};
use super::made::Made;
use super::parts::Parts;
use super::rows::{call_rows, row_of};
use super::total::Total;
use super::whole::reduce_rows;
use crate::node::{Extreme, Reduction, Ties};
use crate::real::Real;

/// Exponentials of a row that are summed in its own precision before the sum goes on in f64.
const BLOCK: usize = 256;

/// Elements of rows that are taken through a loop at a time.
const PART: usize = 2 * BLOCK;

/// What is wanted.
#[derive(Clone, Copy, PartialEq)]
enum Wanted {
    /// One number of each row: log sum e^x.
    LogSumExp,
    Softmax,
    LogSoftmax,
    /// The logarithm as the result, and the softmax at the second operand, which must be valid for
    /// writing.
    Both,
}

impl Wanted {
    const ALL: [Self; 4] = [Self::LogSumExp, Self::Softmax, Self::LogSoftmax, Self::Both];

    fn has_shares(self) -> bool {
        matches!(self, Self::Softmax | Self::Both)
    }

    fn has_logs(self) -> bool {
        matches!(self, Self::LogSoftmax | Self::Both)
    }

    /// What is taken off of the exponents where this is the largest one. For a softmax the plain
    /// maximum: a row of -inf, or with +inf, is NaN, as in PyTorch. For the logarithm of the sum an
    /// infinite one cannot be taken off; without it the sum is 0 or infinite, as it is.
    fn shift<T: Float>(self, largest: T) -> T {
        if self != Self::LogSumExp || largest.to_f64().is_finite() { largest } else { T::default() }
    }
}

/// The kernels of a level, called for lists.
#[derive(Clone, Copy)]
struct Loops<'a>(&'a Parts);

const LARGEST: Reduction = Reduction::Extreme(Extreme::Max, Ties::Even);

impl Loops<'_> {
    /// Reduces rows to one element each.
    fn rows<T: Float>(self, reduction: Reduction, out: &mut [T], x: &[T], row: usize) {
        reduce_rows(self.0.block(reduction), reduction, row, out, x);
    }

    /// Repeats elements along rows. One alone serves for all elements as it is.
    fn spread<'a, T: Float>(self, out: &'a mut [T], x: &'a [T], row: usize) -> &'a [T] {
        if x.len() == 1 {
            return x;
        }
        let out = &mut out[..x.len() * row];
        let kernel = self.0.spread;
        // SAFETY: whole rows, and an element for each.
        unsafe { call_rows(kernel, x.len(), row, out.as_mut_ptr().cast(), x.as_ptr().cast()) };
        out
    }

    /// Takes elements into as many accumulators.
    fn take_in<T: Float>(self, reduction: Reduction, held: &mut [T], x: &[T]) {
        assert!(held.len() == x.len());
        let kernel = self.0.join(reduction);
        // SAFETY: as many elements of each.
        unsafe { call1(kernel, x.len(), held.as_mut_ptr().cast(), x.as_ptr().cast()) };
    }

    fn exp_of_difference<T: Float>(self, out: &mut [T], x: &[T], shift: &[T]) {
        self.call(&self.0.exp_of_difference, out, x, [shift, shift]);
    }

    fn multiply<T: Float>(self, out: &mut [T], by: &[T]) {
        let kernel = self.0.multiply[self.is_one(out, by)];
        // SAFETY: as many elements of each, or one.
        unsafe { call1(kernel, out.len(), out.as_mut_ptr().cast(), by.as_ptr().cast()) };
    }

    fn minus_both<T: Float>(self, out: &mut [T], x: &[T], a: &[T], b: &[T]) {
        self.call(&self.0.minus_both, out, x, [a, b]);
    }

    /// Calls the kernel for others of as many elements, or of one.
    fn call<T: Float>(self, kernels: &[Kernel; 2], out: &mut [T], x: &[T], others: [&[T]; 2]) {
        let [a, b] = others;
        let which = self.is_one(out, a);
        assert!(x.len() == out.len() && a.len() == b.len());
        let [a, b, x] = [a, b, x].map(|from| from.as_ptr().cast());
        // SAFETY: as above.
        unsafe { kernels[which](out.len(), out.as_mut_ptr().cast(), x, a, b, b) };
    }

    /// Whether a list is one number for all elements of another: which of two kernels to call.
    fn is_one<T: Float>(self, of: &[T], list: &[T]) -> usize {
        let is_one = list.len() == 1;
        assert!(is_one || list.len() == of.len());
        usize::from(is_one)
    }
}

/// By what exponentials are multiplied: the inverse of their sum, rounded once, as the sum itself
/// would be.
fn share<T: Float>(total: f64) -> T {
    T::from_f64(1.0 / total)
}

fn log<T: Float>(total: f64) -> T {
    T::from_f64(Real::ln(total))
}

// ---- rows ----

/// The kernel for what is wanted of rows; see [rows](super::rows).
pub(super) struct ExpRows<const WANTED: usize>;

impl<T: Float, const WANTED: usize> Made<T> for ExpRows<WANTED> {
    unsafe fn run(parts: &Parts, n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, as the module of rows states it.
        unsafe { exp_rows::<T>(Loops(parts), Wanted::ALL[WANTED], n, out, operands) }
    }
}

/// # Safety
/// As for [`Kernel`], for rows.
unsafe fn exp_rows<T: Float>(
    loops: Loops<'_>,
    wanted: Wanted,
    n: usize,
    out: *mut u8,
    operands: &Operands,
) {
    // SAFETY: the caller's promise.
    let (row, x): (usize, &[T]) = unsafe {
        let row = row_of(operands);
        (row, operand(operands, 0, n * row))
    };
    if row == 0 {
        return;
    }
    // As many rows as fit in a part, or one that is as long as it is.
    let at_once = if row <= BLOCK { PART / row } else { 1 };
    let mut memory = [const { Scratch::<PART>::new() }; 6];
    let [largest, one, shifts, wide, scratch, totals] = &mut memory;
    // SAFETY: kernels write what is read: a number for each row, or for each element of a part.
    let ([largest, one, shifts, wide, scratch], totals) = unsafe {
        let lists = [largest, one, shifts, wide, scratch].map(|memory| memory.list::<T>(PART));
        (lists, totals.list::<f64>(PART))
    };
    for first in (0..n).step_by(at_once) {
        let count = at_once.min(n - first);
        let (from, len) = (first * row, count * row);
        let x = &x[from..from + len];
        let (largest, totals) = (&mut largest[..count], &mut totals[..count]);
        loops.rows(LARGEST, largest, x, row);
        largest.iter_mut().for_each(|one| *one = wanted.shift(*one));
        let shifts = loops.spread(shifts, largest, row);
        // Rows of results, or the second operand, which is then the kernel's alone, so that writing
        // through it is allowed.
        let (place, logs): (*mut T, *mut T) =
            (if wanted == Wanted::Both { operands[1].cast_mut() } else { out }.cast(), out.cast());
        let mut total = Total::default();
        for (k, x) in x.chunks(PART).enumerate() {
            let exps = match wanted.has_shares() {
                // SAFETY: the caller's promise, for some of the rows.
                true => unsafe { list(place, from + k * PART, x.len()) },
                false => &mut scratch[..x.len()],
            };
            loops.exp_of_difference(exps, x, shifts);
            if row <= BLOCK {
                loops.rows(Reduction::Sum, &mut one[..count], exps, row);
                totals.iter_mut().zip(&*one).for_each(|(total, one)| *total = one.to_f64());
                continue;
            }
            let (whole, rest) = exps.split_at(exps.len() - exps.len() % BLOCK);
            let blocks = whole.len() / BLOCK;
            loops.rows(Reduction::Sum, &mut one[..blocks], whole, BLOCK);
            one[..blocks].iter().for_each(|sum| total.add(sum.to_f64()));
            if !rest.is_empty() {
                loops.rows(Reduction::Sum, &mut one[..1], rest, rest.len());
                total.add(one[0].to_f64());
            }
            totals[0] = total.value();
        }
        let one = &mut one[..count];
        if wanted == Wanted::LogSumExp {
            // SAFETY: as above, with one element a row.
            let out = unsafe { list::<T>(out.cast(), first, count) };
            for ((out, largest), total) in out.iter_mut().zip(largest).zip(&*totals) {
                *out = T::from_f64(largest.to_f64() + Real::ln(*total));
            }
            continue;
        }
        if wanted.has_shares() {
            one.iter_mut().zip(&*totals).for_each(|(one, total)| *one = share(*total));
            // SAFETY: as above.
            let exps = unsafe { list(place, from, len) };
            loops.multiply(exps, loops.spread(wide, one, row));
        }
        if wanted.has_logs() {
            one.iter_mut().zip(&*totals).for_each(|(one, total)| *one = log(*total));
            // SAFETY: as above.
            let logs = unsafe { list(logs, from, len) };
            loops.minus_both(logs, x, shifts, loops.spread(wide, one, row));
        }
    }
}

/// Elements that are written.
///
/// # Safety
/// They are valid for writing, hold something, and are nobody else's for `'a`.
unsafe fn list<'a, T>(out: *mut T, first: usize, count: usize) -> &'a mut [T] {
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts_mut(out.add(first), count) }
}

// ---- columns ----

/// The kernel for what is wanted of columns; see [columns](super::columns).
pub(super) struct ExpColumns<const WANTED: usize>;

impl<T: Float, const WANTED: usize> Made<T> for ExpColumns<WANTED> {
    unsafe fn run(parts: &Parts, n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, as the module of columns states it.
        unsafe { exp_columns::<T>(Loops(parts), Wanted::ALL[WANTED], n, out, operands) }
    }
}

/// # Safety
/// As for [`Kernel`], for columns.
unsafe fn exp_columns<T: Float>(
    loops: Loops<'_>,
    wanted: Wanted,
    n: usize,
    out: *mut u8,
    operands: &Operands,
) {
    let most = Columns::<T>::share(n);
    let place = if wanted == Wanted::Both { operands[1].cast_mut() } else { out }.cast::<T>();
    let mut memory = [const { Scratch::<MEMORY>::new() }; 5];
    for first in (0..n).step_by(most) {
        // SAFETY: the caller's promise.
        let columns = unsafe { Columns::<T>::at(first, n, most, operands) };
        let width = columns.width;
        let len = columns.group() * width;
        // SAFETY: those for shifts and accumulators are filled below, before all else; the others are
        // written for each column where they are wanted.
        let lists = memory.each_mut().map(|memory| unsafe { memory.list::<T>(len) });
        let [shifts, shares, logs, held, scratch] = lists;
        largest(loops, &columns, shifts, held);
        shifts[..width].iter_mut().for_each(|shift| *shift = wanted.shift(*shift));
        repeat(shifts, width);

        let mut totals = [Total::default(); WIDTH];
        let (place, out) = (place.wrapping_add(first), out.cast::<T>());
        for from in (0..columns.lines).step_by(BLOCK) {
            held.fill(T::default());
            let to = columns.lines.min(from + BLOCK);
            columns.stretches(from, to, |line, at, len| {
                let exps = match wanted.has_shares() {
                    // SAFETY: the caller's promise: lines of results, or the second operand, which
                    // is then the kernel's alone, so that writing through it is allowed.
                    true => unsafe { list(place, line * columns.stride, len) },
                    false => &mut scratch[..len],
                };
                loops.exp_of_difference(exps, columns.line(line, len), &shifts[at..][..len]);
                loops.take_in(Reduction::Sum, &mut held[at..][..len], exps);
            });
            close(loops, Reduction::Sum, held, width);
            for (total, &sum) in totals.iter_mut().zip(&held[..width]) {
                total.add(sum.to_f64());
            }
        }
        let totals = totals[..width].iter().map(Total::value);
        if wanted == Wanted::LogSumExp {
            // SAFETY: as above, with one element a column.
            let out = unsafe { list(out, first, width) };
            for ((out, shift), total) in out.iter_mut().zip(&*shifts).zip(totals.clone()) {
                *out = T::from_f64(shift.to_f64() + Real::ln(total));
            }
        }
        if wanted.has_shares() {
            shares
                .iter_mut()
                .zip(totals.clone())
                .for_each(|(share_, total)| *share_ = share(total));
            repeat(shares, width);
            columns.stretches(0, columns.lines, |line, at, len| {
                // SAFETY: as above.
                let exps = unsafe { list(place, line * columns.stride, len) };
                loops.multiply(exps, &shares[at..][..len]);
            });
        }
        if wanted.has_logs() {
            logs.iter_mut().zip(totals).for_each(|(log_, total)| *log_ = log(total));
            repeat(logs, width);
            columns.stretches(0, columns.lines, |line, at, len| {
                // SAFETY: as above.
                let out = unsafe { list(out, first + line * columns.stride, len) };
                let x = columns.line(line, len);
                loops.minus_both(out, x, &shifts[at..][..len], &logs[at..][..len]);
            });
        }
    }
}

/// The largest element of each column, first in `largest`; `held` is memory of the same length.
fn largest<T: Float>(loops: Loops<'_>, columns: &Columns<T>, largest: &mut [T], held: &mut [T]) {
    let width = columns.width;
    // By blocks, as rows are, so that a column has the same zero among equals.
    for from in (0..columns.lines).step_by(SUM_BLOCK) {
        held.fill(T::from_f64(f64::NEG_INFINITY));
        columns.stretches(from, columns.lines.min(from + SUM_BLOCK), |line, at, len| {
            loops.take_in(LARGEST, &mut held[at..][..len], columns.line(line, len));
        });
        close(loops, LARGEST, held, width);
        match from {
            0 => largest[..width].copy_from_slice(&held[..width]),
            _ => loops.take_in(LARGEST, &mut largest[..width], &held[..width]),
        }
    }
}

/// Joins the accumulators of each column: those that are not there are empty.
fn close<T: Float>(loops: Loops<'_>, reduction: Reduction, held: &mut [T], width: usize) {
    let mut lines = STRIDE;
    while lines > 1 {
        lines /= 2;
        if let Some((low, high)) = held.split_at_mut_checked(lines * width) {
            let count = low.len().min(high.len());
            loops.take_in(reduction, &mut low[..count], &high[..count]);
        }
    }
}

/// Repeats the first line, so that there is a group of them.
fn repeat<T: Copy>(lines: &mut [T], width: usize) {
    for at in (width..lines.len()).step_by(width) {
        lines.copy_within(..width, at);
    }
}
