//! Loop bodies, and the functions that run them at every level, which are what tables hold.

use std::mem::MaybeUninit;

use super::float::Float;
use super::register::Register;
use crate::dtype::DType;
use crate::lane::Lanes;
use crate::level::Level;

/// `kernel(n, out, a, b, c, d)`: the pointers' types are those of the operation. Four operands
/// are arguments of their own, since these travel in registers: a kernel may be called for a
/// single element.
///
/// # Safety
/// - `out` is valid for writing, and every operand the operation reads for reading, `n` elements
///   of the dtype that the kernel was looked up for (row kernels write one element instead).
///   Other operands of the operation are valid too, whatever they hold; pointers beyond the
///   operation's operands are not looked at.
/// - They are aligned for that type, and `out` overlaps none of the operands.
/// - The CPU can run the level that the kernel was looked up for.
pub(crate) type Kernel =
    unsafe fn(n: usize, out: *mut u8, a: *const u8, b: *const u8, c: *const u8, d: *const u8);

/// Calls a kernel of one operand.
///
/// # Safety
/// As for [`Kernel`].
#[inline(always)]
pub(crate) unsafe fn call1(kernel: Kernel, n: usize, out: *mut u8, x: *const u8) {
    // SAFETY: the caller's promise; the other operands are not looked at.
    unsafe { kernel(n, out, x, x, x, x) }
}

/// The operands of a kernel.
pub(super) type Operands = [*const u8; 4];

/// `n` elements from a kernel's `k`-th operand.
///
/// # Safety
/// As for [`Kernel`]; the operand must hold elements of type `T`.
#[inline(always)]
pub(super) unsafe fn operand<'a, T>(operands: &Operands, k: usize, n: usize) -> &'a [T] {
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(operands[k].cast(), n) }
}

/// # Safety
/// As for [`Kernel`]; the result must hold elements of type `T`.
#[inline(always)]
pub(super) unsafe fn result<'a, T>(out: *mut u8, n: usize) -> &'a mut [T] {
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts_mut(out.cast(), n) }
}

/// The functions for all levels that run a kind of loop body, and which of them is for a level. They are
/// given the lanes or registers that the body computes on, if it does.
macro_rules! by_level {
    (
        $at:ident: $body:ident<T $(: $bound:ident)?>,
        $baseline:ident $([$wide:ty])?, $v3:ident $([$three:ty])?, $v4:ident $([$four:ty])?
    ) => {
        by_level!(@function [] $baseline: $body<T $(: $bound)?> $([$wide])?);
        by_level!(@function [
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
        ] $v3: $body<T $(: $bound)?> $([$three])?);
        by_level!(@function [
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512cd,avx512dq,avx512vl")]
        ] $v4: $body<T $(: $bound)?> $([$four])?);

        pub(super) const fn $at<B: $body<T>, T $(: $bound)?>(level: Level) -> Kernel {
            match level {
                Level::Baseline => $baseline::<B, T>,
                #[cfg(target_arch = "x86_64")]
                Level::V3 => $v3::<B, T>,
                #[cfg(target_arch = "x86_64")]
                Level::V4 => $v4::<B, T>,
                #[cfg(not(target_arch = "x86_64"))]
                _ => $baseline::<B, T>,
            }
        }
    };
    (
        @function [$($attribute:tt)*]
        $name:ident: $body:ident<T $(: $bound:ident)?> $([$lanes:ty])?
    ) => {
        /// # Safety
        /// As for [`Kernel`].
        $($attribute)*
        pub(super) unsafe fn $name<B: $body<T>, T $(: $bound)?>(
            n: usize,
            out: *mut u8,
            a: *const u8,
            b: *const u8,
            c: *const u8,
            d: *const u8,
        ) {
            // SAFETY: the caller's promise.
            unsafe { B::run$(::<$lanes>)?(n, out, &[a, b, c, d]) }
        }
    };
}

/// A loop body, for elements of type `T`.
pub(crate) trait Body<T> {
    /// # Safety
    /// As for [`Kernel`].
    unsafe fn run<L: Lanes<Elem = T>>(n: usize, out: *mut u8, operands: &Operands);
}

by_level!(at: Body<T: Float>, baseline[T::Wide], v3[T::Scalar], v4[T::Scalar]);

// For what is long and rare: the code is to be short.
by_level!(rare_at: Body<T: Float>, rare_baseline[T::Plain], rare_v3[T::Scalar], rare_v4[T::Scalar]);

/// A loop body on explicit registers: for what LLVM makes no whole vectors of by itself.
pub(super) trait Explicit<T> {
    /// # Safety
    /// As for [`Kernel`].
    unsafe fn run<R: Register<Elem = T>>(n: usize, out: *mut u8, operands: &Operands);
}

by_level!(
    explicit: Explicit<T: Float>,
    explicit_baseline[T::Wide], explicit_v3[T::V3], explicit_v4[T::V4]
);

/// A loop body without a float type: the same text at every level, without lanes.
pub(super) trait Plain<T> {
    /// # Safety
    /// As for [`Kernel`].
    unsafe fn run(n: usize, out: *mut u8, operands: &Operands);
}

by_level!(plain_at: Plain<T>, plain_baseline, plain_v3, plain_v4);

pub(super) type Levels = [Kernel; Level::ALL.len()];

/// The functions for all levels.
pub(super) const fn plain<P: Plain<T>, T>() -> [Kernel; Level::ALL.len()] {
    let (v3, v4) = (plain_at::<P, T>(Level::V3), plain_at::<P, T>(Level::V4));
    [plain_at::<P, T>(Level::Baseline), v3, v4]
}

/// Memory on the stack for `WORDS` numbers, which nothing prepares: kernels are called often.
pub(super) struct Scratch<const WORDS: usize>(pub(super) [MaybeUninit<u64>; WORDS]);

impl<const WORDS: usize> Scratch<WORDS> {
    pub(super) const fn new() -> Self {
        Self([MaybeUninit::uninit(); WORDS])
    }

    /// The first `len` elements of it.
    ///
    /// # Safety
    /// They are written before they are read.
    pub(super) unsafe fn list<T: Float>(&mut self, len: usize) -> &mut [T] {
        assert!(len * size_of::<T>() <= size_of::<Self>());
        // SAFETY: there is room for so many, which are aligned, since a float is no larger than a
        // word; the rest is the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), len) }
    }
}

/// Element types, in the tables below in the order of [`place`].
pub(super) const DTYPES: usize = 4;

pub(super) fn place(dtype: DType) -> usize {
    match dtype {
        DType::F32 => 0,
        DType::F64 => 1,
        DType::I64 => 2,
        DType::U8 => 3,
    }
}
