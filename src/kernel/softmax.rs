//! What is made of the exponentials of rows: log-sum-exp and softmax. Called as the kernels of
//! [rows](super::rows). Rows of which several fit in a block are taken together, each step of the
//! arithmetic for all of them: so none of it knows how short they are.

use super::rows::{
    Beyond, Sum, Total, extreme_of, fold_row, fold_rows, row_of, rows_and_one, spread_rows,
};
use super::{Body, Float, Lanewise, Operands, each, operand, result};
use crate::lane::Lanes;
use crate::real::Real;

/// Elements of a row that are taken through the exponential function at a time, on the stack.
pub(super) const EXP_BLOCK: usize = 256;

/// Whether rows are taken several at a time.
fn is_short(row: usize) -> bool {
    row <= EXP_BLOCK / 2
}

/// Elements of whole rows that fit in a block.
fn batch(row: usize) -> usize {
    EXP_BLOCK / row * row
}

/// e^(x - shift)
struct ShiftedExp(f64);

impl Lanewise<1> for ShiftedExp {
    #[inline(always)]
    fn apply<L: Lanes>(&self, [x]: [L; 1]) -> L {
        (x - L::lit(self.0)).exp()
    }
}

/// e^(x - shift), with shifts of their own.
pub(super) struct ExpOfDifference;

impl Lanewise<2> for ExpOfDifference {
    #[inline(always)]
    fn apply<L: Lanes>(&self, [x, shift]: [L; 2]) -> L {
        (x - shift).exp()
    }
}

/// Writes e^(x - shift) of a row; their sum.
#[inline(always)]
fn shifted_exps<L: Lanes<Elem = T>, T: Float>(out: &mut [T], row: &[T], shift: T) -> f64 {
    let mut total = Total::default();
    for (out, row) in out.chunks_mut(EXP_BLOCK).zip(row.chunks(EXP_BLOCK)) {
        each::<L, 1>(out, [row], &ShiftedExp(shift.to_f64()));
        total.add(fold_row::<T, Sum<false>>(out).to_f64());
    }
    total.value()
}

/// [`shifted_exps`] for those who only want the sum.
#[inline(always)]
fn shifted_sum<L: Lanes<Elem = T>, T: Float>(row: &[T], shift: T) -> f64 {
    let mut total = Total::default();
    let mut scratch = [T::default(); EXP_BLOCK];
    for block in row.chunks(EXP_BLOCK) {
        let scratch = &mut scratch[..block.len()];
        each::<L, 1>(scratch, [block], &ShiftedExp(shift.to_f64()));
        total.add(fold_row::<T, Sum<false>>(scratch).to_f64());
    }
    total.value()
}

/// Short rows in the making: a number for each of them, and the same repeated along the rows.
struct Batch<T> {
    one: [T; EXP_BLOCK],
    wide: [T; EXP_BLOCK],
}

impl<T: Float> Batch<T> {
    #[inline(always)]
    fn new() -> Self {
        Self { one: [T::default(); EXP_BLOCK], wide: [T::default(); EXP_BLOCK] }
    }

    /// Changes the numbers, and repeats them.
    #[inline(always)]
    fn spread(&mut self, rows: usize, len: usize, change: impl Fn(T) -> T) {
        for one in &mut self.one[..rows] {
            *one = change(*one);
        }
        spread_rows(&mut self.wide[..len], &self.one[..rows]);
    }

    /// Writes e^(x - largest of the row), with the largest elements changed; leaves the sums of the
    /// rows as the numbers.
    #[inline(always)]
    fn exps<L: Lanes<Elem = T>>(
        &mut self,
        out: &mut [T],
        x: &[T],
        row: usize,
        change: impl Fn(T) -> T,
    ) {
        let rows = x.len() / row;
        // Of NaNs nothing need be known: their exponentials are NaN, too.
        fold_rows::<T, Beyond<true>>(&mut self.one[..rows], x, row);
        self.spread(rows, x.len(), change);
        each::<L, 2>(out, [x, &self.wide[..x.len()]], &ExpOfDifference);
        fold_rows::<T, Sum<false>>(&mut self.one[..rows], out, row);
    }
}

/// By what a row's exponentials are multiplied: the inverse of their sum, rounded once, as the sum
/// itself would be.
#[inline(always)]
pub(super) fn share<T: Float>(total: f64) -> T {
    T::from_f64(1.0 / total)
}

/// What can be taken off of a row whose largest element this is. An infinite maximum cannot; without it
/// the sum is 0 or infinite, as it is.
#[inline(always)]
pub(super) fn finite<T: Float>(largest: T) -> T {
    if largest.to_f64().is_finite() { largest } else { T::default() }
}

#[inline(always)]
pub(super) fn multiply<T: Float>(out: &mut [T], by: &[T]) {
    for (y, &by) in out.iter_mut().zip(by) {
        *y = y.times(by);
    }
}

/// log sum e^x of each row.
pub(super) struct LogSumExpRows;

impl<T: Float> Body<T> for LogSumExpRows {
    #[inline(always)]
    unsafe fn run<L: Lanes<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, as the module states it.
        let (row, out, x) = unsafe { rows_and_one::<T, T>(n, out, operands) };
        if !is_short(row) {
            for (out, row) in out.iter_mut().zip(x.chunks_exact(row)) {
                let shift = finite(extreme_of::<T, true>(row));
                let sum = shifted_sum::<L, T>(row, shift);
                *out = T::from_f64(shift.to_f64() + Real::ln(sum));
            }
            return;
        }
        let (mut held, mut scratch) = (Batch::new(), [T::default(); EXP_BLOCK]);
        let rows = EXP_BLOCK / row;
        for (out, x) in out.chunks_mut(rows).zip(x.chunks(batch(row))) {
            held.exps::<L>(&mut scratch[..x.len()], x, row, finite);
            for (r, out) in out.iter_mut().enumerate() {
                let shift = held.wide[r * row].to_f64();
                *out = T::from_f64(shift + Real::ln(held.one[r].to_f64()));
            }
        }
    }
}

/// Rows, as many results, and their length.
///
/// # Safety
/// As for [`Kernel`](super::Kernel), with operands as the module says.
#[inline(always)]
unsafe fn rows_and_rows<'a, T>(
    n: usize,
    out: *mut u8,
    operands: &Operands,
) -> (usize, &'a mut [T], &'a [T]) {
    // SAFETY: the caller's promise.
    unsafe {
        let row = row_of(operands);
        (row, result(out, n * row), operand(operands, 0, n * row))
    }
}

/// The softmax of each row.
pub(super) struct SoftmaxRows;

impl<T: Float> Body<T> for SoftmaxRows {
    #[inline(always)]
    unsafe fn run<L: Lanes<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, as the module states it.
        let (row, out, x) = unsafe { rows_and_rows::<T>(n, out, operands) };
        softmax::<L, T>(out, x, row, |_, _, _| {});
    }
}

/// The softmax of rows; and for each stretch of them `then`, with where it begins, and with the largest
/// elements and the sums of the rows, all of them or that of the only one.
#[inline(always)]
fn softmax<L: Lanes<Elem = T>, T: Float>(
    out: &mut [T],
    x: &[T],
    row: usize,
    mut then: impl FnMut(usize, &[T], &[f64]),
) {
    if row == 0 {
        return;
    }
    if !is_short(row) {
        let rows = out.chunks_exact_mut(row).zip(x.chunks_exact(row));
        for (r, (out, x)) in rows.enumerate() {
            // The plain maximum: a row of -inf, or with +inf, is NaN, as in PyTorch.
            let largest = extreme_of::<T, true>(x);
            let total = shifted_exps::<L, T>(out, x, largest);
            let by: T = share(total);
            out.iter_mut().for_each(|y| *y = y.times(by));
            then(r * row, &[largest], &[total]);
        }
        return;
    }
    let mut held = Batch::new();
    let (mut largest, mut totals) = ([T::default(); EXP_BLOCK], [0.0; EXP_BLOCK]);
    for (k, (out, x)) in out.chunks_mut(batch(row)).zip(x.chunks(batch(row))).enumerate() {
        let rows = x.len() / row;
        held.exps::<L>(out, x, row, |largest| largest);
        for r in 0..rows {
            (largest[r], totals[r]) = (held.wide[r * row], held.one[r].to_f64());
        }
        held.spread(rows, x.len(), |total| share(total.to_f64()));
        multiply(out, &held.wide);
        then(k * batch(row), &largest[..rows], &totals[..rows]);
    }
}

/// (x - a) - b, in this order: the first difference is exact where it matters.
struct ShiftedTwice(f64, f64);

impl Lanewise<1> for ShiftedTwice {
    #[inline(always)]
    fn apply<L: Lanes>(&self, [x]: [L; 1]) -> L {
        (x - L::lit(self.0)) - L::lit(self.1)
    }
}

/// The same with numbers of their own.
#[inline(always)]
pub(super) fn minus_both<T: Float>(out: &mut [T], x: &[T], a: &[T], b: &[T]) {
    let n = out.len();
    assert!(x.len() == n && a.len() >= n && b.len() >= n);
    for k in 0..n {
        out[k] = x[k].minus(a[k]).minus(b[k]);
    }
}

/// The logarithm of the softmax of each row.
pub(super) struct LogSoftmaxRows;

impl<T: Float> Body<T> for LogSoftmaxRows {
    #[inline(always)]
    unsafe fn run<L: Lanes<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, as the module states it.
        let (row, out, x) = unsafe { rows_and_rows::<T>(n, out, operands) };
        if row == 0 {
            return;
        }
        if !is_short(row) {
            for (out, row) in out.chunks_exact_mut(row).zip(x.chunks_exact(row)) {
                let largest = extreme_of::<T, true>(row);
                let log = Real::ln(shifted_sum::<L, T>(row, largest));
                each::<L, 1>(out, [row], &ShiftedTwice(largest.to_f64(), log));
            }
            return;
        }
        let (mut held, mut largest) = (Batch::new(), [T::default(); EXP_BLOCK]);
        for (out, x) in out.chunks_mut(batch(row)).zip(x.chunks(batch(row))) {
            held.exps::<L>(out, x, row, |largest| largest);
            largest.copy_from_slice(&held.wide);
            held.spread(x.len() / row, x.len(), |total| T::from_f64(Real::ln(total.to_f64())));
            minus_both(out, x, &largest, &held.wide);
        }
    }
}

/// The logarithm of the softmax of each row and the softmax itself. The second operand is the place
/// where the softmax is written.
pub(super) struct SoftmaxesRows;

impl<T: Float> Body<T> for SoftmaxesRows {
    #[inline(always)]
    unsafe fn run<L: Lanes<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise: operands as the struct says, the second being its alone,
        // so that writing through it is allowed.
        let (row, log, x) = unsafe { rows_and_rows::<T>(n, out, operands) };
        // SAFETY: as above.
        let shares: &mut [T] = unsafe { result(operands[1].cast_mut(), n * row) };
        softmax::<L, T>(shares, x, row, |at, largest, totals| {
            for (r, (largest, total)) in largest.iter().zip(totals).enumerate() {
                let (from, to) = (at + r * row, at + (r + 1) * row);
                let shifts = ShiftedTwice(largest.to_f64(), Real::ln(*total));
                each::<L, 1>(&mut log[from..to], [&x[from..to]], &shifts);
            }
        });
    }
}
