//! Loop bodies, and the functions that run them at every level, which are what tables hold.

use std::marker::PhantomData;
use std::mem::MaybeUninit;

use super::float::Float;
use crate::dtype::DType;
use crate::lane::{Register, Work, by_level};
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

/// `n` elements from each of a kernel's first operands.
///
/// # Safety
/// As for [`operand`], for all of them.
#[inline(always)]
pub(super) unsafe fn operands<'a, T, const N: usize>(all: &Operands, n: usize) -> [&'a [T]; N] {
    let mut lists = [&[][..]; N];
    for k in 0..N {
        // SAFETY: the caller's promise.
        lists[k] = unsafe { operand(all, k, n) };
    }
    lists
}

/// # Safety
/// As for [`Kernel`]; the result must hold elements of type `T`.
#[inline(always)]
pub(super) unsafe fn result<'a, T>(out: *mut u8, n: usize) -> &'a mut [T] {
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts_mut(out.cast(), n) }
}

/// A loop body on registers.
pub(super) trait Body<T> {
    /// # Safety
    /// As for [`Kernel`].
    unsafe fn run<R: Register<Elem = T>>(n: usize, out: *mut u8, operands: &Operands);
}

/// A call of a body.
struct Call<B> {
    body: PhantomData<B>,
    n: usize,
    out: *mut u8,
    operands: Operands,
}

impl<B> Call<B> {
    #[inline(always)]
    fn new(n: usize, out: *mut u8, operands: Operands) -> Self {
        Self { body: PhantomData, n, out, operands }
    }
}

impl<T, B: Body<T>> Work<T> for Call<B> {
    const IS_SHORT: bool = true;

    #[inline(always)]
    unsafe fn on<R: Register<Elem = T>>(self) {
        // SAFETY: the promise of the kernel's caller.
        unsafe { B::run::<R>(self.n, self.out, &self.operands) }
    }
}

/// A body that one element may be given to on its own.
pub(super) trait Single<T>: Body<T> {
    /// Whether a plain number does for this element.
    ///
    /// # Safety
    /// As for [`Kernel`], with one element.
    #[inline(always)]
    unsafe fn is_plain<R: Register<Elem = T>>(operands: &Operands) -> bool {
        let _ = operands;
        true
    }
}

/// A body in front of which one element is computed as a plain number, with the same bits: programs on
/// numbers call kernels for nothing else, and would pay for the registers and the stack of its loop. That
/// is a function of its own, so that none of it is here.
struct OneOr<B>(PhantomData<B>);

impl<T: Float, B: Single<T>> Body<T> for OneOr<B> {
    #[inline(always)]
    unsafe fn run<R: Register<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        let &[a, b, c, d] = operands;
        // SAFETY: the caller's promise; the general function is of the level of these registers.
        unsafe {
            if n == 1 && B::is_plain::<R>(operands) {
                B::run::<R::One>(1, out, operands);
            } else {
                at::<B, T>(R::LEVEL)(n, out, a, b, c, d);
            }
        }
    }
}

by_level! {
    /// The kernel of a body at a level.
    pub(super) at [B: Body<T>, T: Float] [B, T]
    Kernel = (n: usize, out: *mut u8, a: *const u8, b: *const u8, c: *const u8, d: *const u8)
    on T => Call::<B>::new(n, out, [a, b, c, d])
}

/// The kernel of a body at a level, one that spares single elements where they have the same bits.
pub(super) const fn with_single<B: Single<T>, T: Float>(level: Level) -> Kernel {
    match level {
        // Its plain numbers round sums of products otherwise than its registers do.
        Level::Baseline => at::<B, T>(level),
        Level::V3 | Level::V4 => at::<OneOr<B>, T>(level),
    }
}

/// A loop body of plain numbers: the same text at every level, which LLVM turns into vectors.
pub(super) trait Plain<T> {
    /// # Safety
    /// As for [`Kernel`].
    unsafe fn run(n: usize, out: *mut u8, operands: &Operands);
}

by_level! {
    /// The kernel of a plain body at a level.
    pub(super) plain_at [P: Plain<T>, T] [P, T]
    Kernel = (n: usize, out: *mut u8, a: *const u8, b: *const u8, c: *const u8, d: *const u8)
    => P::run(n, out, &[a, b, c, d])
}

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

    /// Where its first element is.
    #[inline(always)]
    pub(super) fn start<T: Float>(&mut self) -> *mut T {
        self.0.as_mut_ptr().cast()
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
