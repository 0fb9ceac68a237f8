//! Rows that come in pieces: the accumulators lie in memory.

use std::marker::PhantomData;

use super::body::{Operands, Plain, operand, result};
use super::float::Float;
use super::fold::{Fold, STRIDE};
use super::rows::{close, fold_into};

/// What the accumulators begin with, what goes into them, and what comes out: `STRIDE` elements as the
/// result; a stretch of a row, its first element for the first accumulator; accumulators as the operand,
/// and one element of result.
pub(super) struct Open<F>(PhantomData<F>);

pub(super) struct Into<F>(PhantomData<F>);

pub(super) struct Close<F>(PhantomData<F>);

impl<T: Float, F: Fold<T>> Plain<T> for Open<F> {
    #[inline(always)]
    unsafe fn run(_: usize, out: *mut u8, _: &Operands) {
        // SAFETY: the caller's promise: the result is STRIDE elements.
        unsafe { result(out, STRIDE) }.fill(F::first());
    }
}

impl<T: Float, F: Fold<T>> Plain<T> for Into<F> {
    #[inline(always)]
    unsafe fn run(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, with one operand and accumulators as the result.
        let (held, row): (&mut [T; STRIDE], &[T]) =
            unsafe { (&mut *out.cast(), operand(operands, 0, n)) };
        fold_into::<T, F>(held, row);
    }
}

impl<T: Float, F: Fold<T>> Plain<T> for Close<F> {
    #[inline(always)]
    unsafe fn run(_: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise: accumulators as the operand, one element of result.
        let held: [T; STRIDE] = unsafe { operands[0].cast::<[T; STRIDE]>().read() };
        // SAFETY: as above.
        unsafe { out.cast::<T>().write(close::<T, F, STRIDE>(held)) };
    }
}
