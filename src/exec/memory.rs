//! Memory that steps write.

use std::mem::MaybeUninit;

use crate::dtype::DType;

/// Memory to be written.
///
/// # Safety
/// `out` is valid for writing `len` elements of `T`, aligned, and nobody else's for `'a`.
pub(super) unsafe fn uninit<'a, T>(out: *mut u8, len: usize) -> &'a mut [MaybeUninit<T>] {
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts_mut(out.cast(), len) }
}

/// Zeros as floats and integers alike are zero bytes.
pub(super) fn zero(dtype: DType, len: usize, out: *mut u8) {
    // SAFETY: the step's own result, of `len` elements of the dtype.
    unsafe { out.write_bytes(0, len * dtype.size()) };
}
