//! Reductions of rows, many in one call.
//!
//! `kernel(rows, out, x, x, x, &row)`: the fourth operand is the length of a row, as a usize. Rows lie
//! one behind the other. A row is reduced in `STRIDE` accumulators, which are then joined in pairs: the
//! same at every level, so that a sum is the same bit for bit wherever it is made. A row of fewer
//! elements leaves some of them empty, so it is read in a window of 2, 4, 8 or 16 elements, those that
//! belong to the next row left out, and needs no loop of its own.

use std::marker::PhantomData;

use super::body::{Kernel, Operands, Plain, operand, result};
use super::float::{Bits, Float};
use super::fold::{Fold, STRIDE};

/// Calls a kernel of rows.
///
/// # Safety
/// As for [`Kernel`]: `x` is valid for reading `rows * row` elements, `out` for writing what the kernel
/// makes of them.
#[inline(always)]
pub(crate) unsafe fn call_rows(
    kernel: Kernel,
    rows: usize,
    row: usize,
    out: *mut u8,
    x: *const u8,
) {
    // SAFETY: the caller's promise; the other operands are not looked at.
    unsafe { kernel(rows, out, x, x, x, (&raw const row).cast()) }
}

/// The length of the rows that a kernel is called for.
///
/// # Safety
/// The kernel was called as the module says.
#[inline(always)]
pub(super) unsafe fn row_of(operands: &Operands) -> usize {
    // SAFETY: the caller's promise.
    unsafe { operands[3].cast::<usize>().read() }
}

// ---- one stretch, into accumulators ----

/// Joins a stretch of a row into `STRIDE` accumulators.
#[inline(always)]
pub(super) fn fold_into<T: Copy, F: Fold<T>>(held: &mut [T; STRIDE], row: &[T]) {
    let (whole, rest) = row.as_chunks::<STRIDE>();
    for chunk in whole {
        for k in 0..STRIDE {
            held[k] = F::take(held[k], chunk[k]);
        }
    }
    for (k, &x) in rest.iter().enumerate() {
        held[k] = F::take(held[k], x);
    }
}

/// Joins the accumulators.
#[inline(always)]
pub(super) fn close<T: Copy, F: Fold<T>, const P: usize>(mut held: [T; P]) -> T {
    let mut width = P;
    while width > 1 {
        width /= 2;
        for k in 0..width {
            held[k] = F::join(held[k], held[k + width]);
        }
    }
    held[0]
}

/// Which elements of a window belong to a row, by bits, and what stands for the others.
struct Own<T: Float, const P: usize> {
    keep: [T::Bits; P],
    rest: [T::Bits; P],
}

impl<T: Float, const P: usize> Own<T, P> {
    /// The first `n` ones.
    #[inline(always)]
    fn first<F: Fold<T>>(n: usize) -> Self {
        let keep = std::array::from_fn(|k| if k < n { T::Bits::ALL } else { T::Bits::of(0) });
        Self { keep, rest: keep.map(|keep| F::first().bits() & !keep) }
    }

    #[inline(always)]
    fn of(&self, window: &[T; P], k: usize) -> T {
        T::from_bits(window[k].bits() & self.keep[k] | self.rest[k])
    }
}

/// A window in accumulators, of which some may stay empty.
#[inline(always)]
fn fold_window<T: Float, F: Fold<T>, const P: usize>(window: &[T; P], own: &Own<T, P>) -> T {
    let mut held = [F::first(); P];
    for k in 0..P {
        held[k] = F::take(F::first(), own.of(window, k));
    }
    close::<T, F, P>(held)
}

/// The first `P` elements of what is left, of which `n` are there at least.
#[inline(always)]
fn window<T: Copy, const P: usize>(rest: &[T], n: usize) -> [T; P] {
    match rest.first_chunk::<P>() {
        Some(window) => *window,
        None => {
            let mut window = [rest[0]; P];
            window[..n].copy_from_slice(&rest[..n]);
            window
        }
    }
}

// ---- many rows ----

#[inline(always)]
fn fold_short<T: Float, F: Fold<T>, const P: usize>(out: &mut [T], x: &[T], row: usize) {
    assert!(row <= P && x.len() == out.len() * row);
    if row == P {
        for (out, window) in out.iter_mut().zip(x.as_chunks::<P>().0) {
            let held = window.map(|x| F::take(F::first(), x));
            *out = close::<T, F, P>(held);
        }
        return;
    }
    let own = Own::first::<F>(row);
    for (r, out) in out.iter_mut().enumerate() {
        *out = fold_window::<T, F, P>(&window(&x[r * row..], row), &own);
    }
}

/// Reduces rows of at most `STRIDE` elements.
#[inline(always)]
pub(super) fn fold_shorts<T: Float, F: Fold<T>>(out: &mut [T], x: &[T], row: usize) {
    match row {
        0 => out.fill(F::first()),
        1..=2 => fold_short::<T, F, 2>(out, x, row),
        3..=4 => fold_short::<T, F, 4>(out, x, row),
        5..=8 => fold_short::<T, F, 8>(out, x, row),
        _ => fold_short::<T, F, STRIDE>(out, x, row),
    }
}

/// Reduces rows of at most `SUM_BLOCK` elements.
#[inline(always)]
fn fold_rows<T: Float, F: Fold<T>>(out: &mut [T], x: &[T], row: usize) {
    match row {
        0..=STRIDE => fold_shorts::<T, F>(out, x, row),
        _ => {
            let (whole, tail) = (row - row % STRIDE, row % STRIDE);
            let own = Own::first::<F>(tail);
            for (r, out) in out.iter_mut().enumerate() {
                let from = &x[r * row..];
                let mut held = [F::first(); STRIDE];
                fold_into::<T, F>(&mut held, &from[..whole]);
                if tail > 0 {
                    let window: [T; STRIDE] = window(&from[whole..], tail);
                    for k in 0..STRIDE {
                        held[k] = F::take(held[k], own.of(&window, k));
                    }
                }
                *out = close::<T, F, STRIDE>(held);
            }
        }
    }
}

/// Reduces rows of at most `SUM_BLOCK` elements, or blocks of longer ones.
pub(super) struct BlockRows<F>(PhantomData<F>);

impl<T: Float, F: Fold<T>> Plain<T> for BlockRows<F> {
    #[inline(always)]
    unsafe fn run(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, as the module states it.
        let (row, out, x) = unsafe { rows_and_one::<T, T>(n, out, operands) };
        fold_rows::<T, F>(out, x, row);
    }
}

/// The length of rows, one result for each, and all their elements.
///
/// # Safety
/// As for [`Kernel`], with operands as the module says.
#[inline(always)]
pub(super) unsafe fn rows_and_one<'a, T, U>(
    n: usize,
    out: *mut u8,
    operands: &Operands,
) -> (usize, &'a mut [U], &'a [T]) {
    // SAFETY: the caller's promise.
    unsafe {
        let row = row_of(operands);
        (row, result(out, n), operand(operands, 0, n * row))
    }
}
