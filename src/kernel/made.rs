//! Kernels made of kernels.

use super::body::{Kernel, Operands};
use super::float::Float;
use super::parts::Parts;
use crate::level::Level;

/// A kernel that calls others for all that is long. It is compiled once, and not for a level.
pub(super) trait Made<T> {
    /// # Safety
    /// As for [`Kernel`], at the level of `parts`, which are those of `T`.
    unsafe fn run(parts: &Parts, n: usize, out: *mut u8, operands: &Operands);
}

/// # Safety
/// As for [`Kernel`].
unsafe fn made_at<M: Made<T>, T: Float, const LEVEL: usize>(
    n: usize,
    out: *mut u8,
    a: *const u8,
    b: *const u8,
    c: *const u8,
    d: *const u8,
) {
    // SAFETY: the caller's promise.
    unsafe { M::run(Parts::of(T::DTYPE, Level::ALL[LEVEL]), n, out, &[a, b, c, d]) }
}

pub(super) const fn made<M: Made<T>, T: Float>(level: Level) -> Kernel {
    match level {
        Level::Baseline => made_at::<M, T, 0>,
        Level::V3 => made_at::<M, T, 1>,
        Level::V4 => made_at::<M, T, 2>,
    }
}
