//! The inner loops, at every instruction level, behind tables of function pointers.
//!
//! A kernel body is written once, generic over [`Lanes`]. At the baseline it runs on `wide`'s
//! vectors. At v3 and v4 it runs on plain scalars inside functions with `#[target_feature]`, where
//! LLVM turns the loop into AVX2 or AVX-512; `wide` cannot do that, since it chooses its
//! instructions when it is itself compiled. All operands of a kernel are dense and have no overlap
//! with the result; broadcasting, strides and tiles are the executor's.

use std::marker::PhantomData;
use std::mem::MaybeUninit;

pub(crate) use chain::{Act, Form, Link, Reach, chain, forms};
use columns::{ArgColumns, FindColumns, JoinColumns};
pub(crate) use columns::{Bits, call_columns};
pub(crate) use draws::Draws;
pub(crate) use register::Register;
use rows::{
    ArgRows, Best, BlockExtremes, BlockRows, Close, FindRows, Fold, Into, Open, SpreadRows, Sum,
    WholeRows,
};
pub(crate) use rows::{STRIDE, SUM_BLOCK, Total, call_rows, combine_sums, finish, rescue};
use softmax::{ExpColumns, ExpOfDifference, ExpRows, MinusBoth, Multiply};

use crate::dtype::{DType, Element};
use crate::lane::{Fused, Lanes, W32, W64};
use crate::level::Level;
use crate::node::{Comparison, Extreme, Integer, Op, Reduction};
use crate::op::{Elementwise, binary, pull_reads_operand, unary};
use crate::real::Real;
use crate::roll_call::{Elem, roll_call};

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
type Operands = [*const u8; 4];

/// A loop body, for elements of type `T`.
pub(crate) trait Body<T> {
    /// # Safety
    /// As for [`Kernel`].
    unsafe fn run<L: Lanes<Elem = T>>(n: usize, out: *mut u8, operands: &Operands);
}

/// A float type with lanes at every level.
pub(crate) trait Float: Element + PartialOrd {
    type Wide: Lanes<Elem = Self> + Register<Elem = Self>;
    type Scalar: Lanes<Elem = Self>;
    /// The same without FMA, for the baseline: vectors of two f64, where `Wide` has four.
    type Plain: Lanes<Elem = Self>;
    /// Registers of the levels above the baseline.
    #[cfg(target_arch = "x86_64")]
    type V3: Register<Elem = Self>;
    #[cfg(target_arch = "x86_64")]
    type V4: Register<Elem = Self>;
    /// Bits as wide as it.
    type Bits: Bits;

    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
    fn over(self, other: Self) -> Self;
    fn root(self) -> Self;
    fn size(self) -> Self;
    fn bits(self) -> Self::Bits;
    fn from_bits(bits: Self::Bits) -> Self;

    /// The smallest number with all digits.
    const SMALL: Self;
    /// Whether f64 has so many more digits that sums of these numbers need nothing carried along.
    const IS_NARROW: bool;
    /// A sum of squares below this one squared may have lost some, being near the end of the range.
    const TINY: f64;
    /// By what numbers are multiplied before they are squared, if the sum of squares was too small,
    /// and too large: powers of two.
    const UP: f64;
    const DOWN: f64;
}

/// 2^exponent
const fn power_of_two(exponent: i64) -> f64 {
    f64::from_bits(((1023 + exponent) as u64) << 52)
}

macro_rules! float {
    ($t:ty, $wide:ty, $v3:ident, $v4:ident, $bits:ty, $tiny:literal, $up:literal, $down:literal) => {
        impl Float for $t {
            type Wide = $wide;
            type Scalar = Fused<$t>;
            type Plain = Fused<$t, false, false>;
            #[cfg(target_arch = "x86_64")]
            type V3 = register::$v3;
            #[cfg(target_arch = "x86_64")]
            type V4 = register::$v4;
            type Bits = $bits;

            const SMALL: Self = <$t>::MIN_POSITIVE;
            const IS_NARROW: bool = size_of::<$t>() < size_of::<f64>();
            const TINY: f64 = power_of_two($tiny);
            const UP: f64 = power_of_two($up);
            const DOWN: f64 = power_of_two($down);

            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self + other
            }
            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                self - other
            }
            #[inline(always)]
            fn times(self, other: Self) -> Self {
                self * other
            }
            #[inline(always)]
            fn over(self, other: Self) -> Self {
                self / other
            }
            #[inline(always)]
            fn root(self) -> Self {
                self.sqrt()
            }
            #[inline(always)]
            fn size(self) -> Self {
                self.abs()
            }
            #[inline(always)]
            fn bits(self) -> $bits {
                self.to_bits()
            }
            #[inline(always)]
            fn from_bits(bits: $bits) -> Self {
                Self::from_bits(bits)
            }
        }
    };
}
float!(f32, W32, Y32, Z32, u32, -50, 100, -80);
float!(f64, W64, Y64, Z64, u64, -480, 600, -600);

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

        const fn $at<B: $body<T>, T $(: $bound)?>(level: Level) -> Kernel {
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
        unsafe fn $name<B: $body<T>, T $(: $bound)?>(
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

by_level!(at: Body<T: Float>, baseline[T::Wide], v3[T::Scalar], v4[T::Scalar]);
// For what is long and rare: the code is to be short.
by_level!(rare_at: Body<T: Float>, rare_baseline[T::Plain], rare_v3[T::Scalar], rare_v4[T::Scalar]);

// ---- explicit registers ----

/// A loop body on explicit registers: for what LLVM makes no whole vectors of by itself.
trait Explicit<T> {
    /// # Safety
    /// As for [`Kernel`].
    unsafe fn run<R: Register<Elem = T>>(n: usize, out: *mut u8, operands: &Operands);
}

by_level!(
    explicit: Explicit<T: Float>,
    explicit_baseline[T::Wide], explicit_v3[T::V3], explicit_v4[T::V4]
);

// ---- kernels made of kernels ----

/// A kernel that calls others for all that is long. It is compiled once, and not for a level.
trait Made<T> {
    /// # Safety
    /// As for [`Kernel`], at the level of `kernels`, which are those of `T`.
    unsafe fn run(kernels: &FloatKernels, n: usize, out: *mut u8, operands: &Operands);
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
    unsafe { M::run(float_kernels(T::DTYPE, Level::ALL[LEVEL]), n, out, &[a, b, c, d]) }
}

const fn made<M: Made<T>, T: Float>(level: Level) -> Kernel {
    match level {
        Level::Baseline => made_at::<M, T, 0>,
        Level::V3 => made_at::<M, T, 1>,
        Level::V4 => made_at::<M, T, 2>,
    }
}

/// Memory on the stack for `WORDS` numbers, which nothing prepares: kernels are called often.
struct Scratch<const WORDS: usize>([MaybeUninit<u64>; WORDS]);

impl<const WORDS: usize> Scratch<WORDS> {
    const fn new() -> Self {
        Self([MaybeUninit::uninit(); WORDS])
    }

    /// The first `len` elements of it.
    ///
    /// # Safety
    /// They are written before they are read.
    unsafe fn list<T: Float>(&mut self, len: usize) -> &mut [T] {
        assert!(len * size_of::<T>() <= size_of::<Self>());
        // SAFETY: there is room for so many, which are aligned, since a float is no larger than a
        // word; the rest is the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), len) }
    }
}

// ---- elementwise rules ----

/// `n` elements from a kernel's `k`-th operand.
///
/// # Safety
/// As for [`Kernel`]; the operand must hold elements of type `T`.
#[inline(always)]
unsafe fn operand<'a, T>(operands: &Operands, k: usize, n: usize) -> &'a [T] {
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(operands[k].cast(), n) }
}

/// # Safety
/// As for [`Kernel`]; the result must hold elements of type `T`.
#[inline(always)]
unsafe fn result<'a, T>(out: *mut u8, n: usize) -> &'a mut [T] {
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts_mut(out.cast(), n) }
}

/// What [`each`] does with its lanes. A trait and no closure: closures cannot be told to be inlined
/// always, and one that is left outside of its `#[target_feature]` caller is compiled without the
/// level's instructions.
trait Lanewise<const N: usize> {
    fn apply<L: Lanes>(&self, x: [L; N]) -> L;
}

/// out = f(operands), element by element. That `out` is a parameter of its own tells LLVM that it
/// overlaps nothing, without which the loop would not be vectorised.
#[inline(always)]
fn each<L: Lanes, const N: usize>(
    out: &mut [L::Elem],
    from: [&[L::Elem]; N],
    f: &impl Lanewise<N>,
) {
    let n = out.len();
    assert!(from.iter().all(|from| from.len() == n));
    if L::LANES == 1 && n == 1 {
        // A single number needs nothing of what sets up a loop of vectors.
        // SAFETY: all slices hold one element.
        unsafe {
            let x = std::array::from_fn(|k| L::load(from[k], 0));
            f.apply(x).store(out, 0);
        }
        return;
    }
    if L::LANES == 1 || n == 0 {
        return each_whole::<L, N>(out, from, f);
    }
    // The tail goes through the same loop, on copies filled up to whole lanes, so that there is one
    // copy of a function's code.
    let whole = n - n % L::LANES;
    let (body, tail) = out.split_at_mut(whole);
    let mut last = from.map(|from| [from[n - 1]; MAX_LANES]);
    let mut y = last[0];
    let (mut out, mut now) = (body, from.map(|from| &from[..whole]));
    let mut has_tail = !tail.is_empty();
    loop {
        each_whole::<L, N>(out, now, f);
        if !has_tail {
            break;
        }
        for k in 0..N {
            last[k][..n - whole].copy_from_slice(&from[k][whole..]);
        }
        (out, now) = (&mut y[..L::LANES], std::array::from_fn(|k| &last[k][..L::LANES]));
        has_tail = false;
    }
    tail.copy_from_slice(&y[..n - whole]);
}

/// The same for whole lanes.
#[inline(always)]
fn each_whole<L: Lanes, const N: usize>(
    out: &mut [L::Elem],
    from: [&[L::Elem]; N],
    f: &impl Lanewise<N>,
) {
    let n = out.len();
    assert!(from.iter().all(|from| from.len() == n) && n.is_multiple_of(L::LANES));
    let mut i = 0;
    while i < n {
        // SAFETY: LANES elements from i on are inside all slices, which are `n` long.
        unsafe {
            let x = std::array::from_fn(|k| L::load(from[k], i));
            f.apply(x).store(out, i);
        }
        i += L::LANES;
    }
}

/// [`each`] in pieces of one length, the last one filled up: so there is one copy of a long function's
/// code, where a loop of any length would have others for single elements and for what vectors leave.
#[inline(always)]
fn in_pieces<L: Lanes, const N: usize>(
    out: &mut [L::Elem],
    from: [&[L::Elem]; N],
    f: &impl Lanewise<N>,
) {
    const PIECE: usize = 16;
    let n = out.len();
    assert!(from.iter().all(|from| from.len() == n));
    if n == 0 {
        return;
    }
    let whole = n - n % PIECE;
    let (body, tail) = out.split_at_mut(whole);
    let mut last = from.map(|from| [from[n - 1]; PIECE]);
    let mut y = last[0];
    let (mut out, mut now) = (body, from.map(|from| &from[..whole]));
    let mut has_tail = !tail.is_empty();
    loop {
        let mut i = 0;
        while i < out.len() {
            let piece = now.map(|from| &from[i..i + PIECE]);
            each_whole::<L, N>(&mut out[i..i + PIECE], piece, f);
            i += PIECE;
        }
        if !has_tail {
            break;
        }
        for k in 0..N {
            last[k][..n - whole].copy_from_slice(&from[k][whole..]);
        }
        (out, now) = (&mut y, std::array::from_fn(|k| &last[k][..]));
        has_tail = false;
    }
    tail.copy_from_slice(&y[..n - whole]);
}

const MAX_LANES: usize = 8;

/// Whether any angle is beyond what the lanes' branch-free functions are right for.
#[inline(always)]
fn any_beyond<L: Lanes<Elem = T>, T: Float>(angle: &[T]) -> bool {
    match angle {
        [x] => is_beyond::<L, T>(*x),
        _ => angle.iter().fold(false, |any, &x| any | is_beyond::<L, T>(x)),
    }
}

#[inline(always)]
fn is_beyond<L: Lanes<Elem = T>, T: Float>(x: T) -> bool {
    x.to_f64().abs() > L::TRIG_LIMIT
}

/// Whether these lanes will do for all angles, and others would reach further.
#[inline(always)]
fn all_near<L: Lanes<Elem = T>, T: Float>(angle: &[T]) -> bool {
    L::TRIG_LIMIT < <L::Far as Lanes>::TRIG_LIMIT && !any_beyond::<L, T>(angle)
}

/// Computes again, one by one, the elements whose angle is too large for the lanes.
#[inline(always)]
fn repair<L: Lanes<Elem = T>, T: Float>(out: &mut [T], angle: &[T], exact: impl Fn(usize) -> f64) {
    // Looking first keeps the rare loop out of the common path.
    if any_beyond::<L, T>(angle) {
        let beyond = |&(_, &x): &(usize, &T)| is_beyond::<L, T>(x);
        for (i, _) in angle.iter().enumerate().filter(beyond) {
            out[i] = T::from_f64(exact(i));
        }
    }
}

/// The value of a rule.
struct Eval<O, const N: usize>(PhantomData<O>);

impl<O: Elementwise<N>, const N: usize> Lanewise<N> for Eval<O, N> {
    #[inline(always)]
    fn apply<L: Lanes>(&self, x: [L; N]) -> L {
        O::eval(x)
    }
}

impl<O: Elementwise<N>, T: Float, const N: usize> Body<T> for Eval<O, N> {
    #[inline(always)]
    unsafe fn run<L: Lanes<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, with N operands.
        let (out, from): (&mut [T], [&[T]; N]) =
            unsafe { (result(out, n), std::array::from_fn(|k| operand(operands, k, n))) };
        if O::IS_WIDE {
            return in_pieces::<L, N>(out, from, &Self(PhantomData));
        }
        if !O::TRIG || all_near::<L, T>(from[0]) {
            return each::<L, N>(out, from, &Self(PhantomData));
        }
        each::<L::Far, N>(out, from, &Self(PhantomData));
        repair::<L::Far, T>(out, from[0], |i| {
            O::eval::<f64>(std::array::from_fn(|k| from[k][i].to_f64()))
        });
    }
}

/// The cotangent that a rule of one operand sends to it. Operands: the rule's, its value, the
/// value's cotangent. Those that the rule does not read are given as copies of the last.
struct Pull1<O>(PhantomData<O>);

impl<O: Elementwise<1>> Lanewise<3> for Pull1<O> {
    #[inline(always)]
    fn apply<L: Lanes>(&self, [x, y, g]: [L; 3]) -> L {
        let [cotangent] = O::pull([x], y, g);
        cotangent
    }
}

impl<O: Elementwise<1>, T: Float> Body<T> for Pull1<O> {
    #[inline(always)]
    unsafe fn run<L: Lanes<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, with 3 operands.
        let (out, from): (&mut [T], [&[T]; 3]) =
            unsafe { (result(out, n), std::array::from_fn(|k| operand(operands, k, n))) };
        if O::IS_WIDE {
            return in_pieces::<L, 3>(out, from, &Self(PhantomData));
        }
        // (What is not read stands for anything: it is no angle.)
        if !O::TRIG || !pull_reads_operand::<O>() || all_near::<L, T>(from[0]) {
            return each::<L, 3>(out, from, &Self(PhantomData));
        }
        // The slope is a number of its type before the cotangent comes to it, as it is in a step that
        // has sine and cosine anyway: so these give the same bits.
        each::<L::Far, 3>(out, from, &Slope::<O>(PhantomData));
        repair::<L::Far, T>(out, from[0], |i| {
            let [x, y, _] = from.map(|from| from[i].to_f64());
            O::pull::<f64>([x], y, 1.0)[0]
        });
        for (slope, &g) in out.iter_mut().zip(from[2]) {
            *slope = slope.times(g);
        }
    }
}

/// As [`Pull1`], for a cotangent of 1.
struct Slope<O>(PhantomData<O>);

impl<O: Elementwise<1>> Lanewise<3> for Slope<O> {
    #[inline(always)]
    fn apply<L: Lanes>(&self, [x, y, _]: [L; 3]) -> L {
        let [cotangent] = O::pull([x], y, L::lit(1.0));
        cotangent
    }
}

/// The cotangent that a rule of two operands sends to operand `I`; otherwise as [`Pull1`].
struct Pull2<O, const I: usize>(PhantomData<O>);

impl<O: Elementwise<2>, const I: usize> Lanewise<4> for Pull2<O, I> {
    #[inline(always)]
    fn apply<L: Lanes>(&self, [a, b, y, g]: [L; 4]) -> L {
        O::pull([a, b], y, g)[I]
    }
}

impl<O: Elementwise<2>, T: Float, const I: usize> Body<T> for Pull2<O, I> {
    #[inline(always)]
    unsafe fn run<L: Lanes<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        const { assert!(!O::TRIG, "only rules of one operand are repaired") };
        // SAFETY: the caller's promise, with 4 operands.
        let (out, from): (&mut [T], [&[T]; 4]) =
            unsafe { (result(out, n), std::array::from_fn(|k| operand(operands, k, n))) };
        if O::IS_WIDE {
            return in_pieces::<L, 4>(out, from, &Self(PhantomData));
        }
        each::<L, 4>(out, from, &Self(PhantomData));
    }
}

/// A kernel of a rule, at the level that it is compiled for where this one is wanted. (Both have the
/// same bits.)
const fn of_rule<O: Elementwise<N>, B: Body<T>, T: Float, const N: usize>(level: Level) -> Kernel {
    let level = match level {
        Level::V4 if O::IS_RARE => Level::V3,
        level => level,
    };
    if O::IS_WIDE { rare_at::<B, T>(level) } else { at::<B, T>(level) }
}

/// An f32 kernel of an elementwise operation that is computed in f64: of its value, or of the cotangent
/// of operand `PULL - 1`. It converts blocks, and calls the f64 kernel; it is compiled for no level.
///
/// # Safety
/// As for [`Kernel`], with elements of f32.
unsafe fn widened_at<const ELEM: usize, const PULL: usize, const LEVEL: usize>(
    n: usize,
    out: *mut u8,
    a: *const u8,
    b: *const u8,
    c: *const u8,
    d: *const u8,
) {
    let arity = Elem::ALL[ELEM].arity();
    let (kernel, operands) = match PULL {
        0 => (F64[LEVEL].eval[ELEM], arity),
        _ => (F64[LEVEL].pull[ELEM][PULL - 1], arity + 2),
    };
    // SAFETY: the caller's promise; a kernel of a pull is given the operands, the value, and its
    // cotangent, all valid.
    unsafe { widened(kernel, Level::ALL[LEVEL], n, out, &[a, b, c, d][..operands]) }
}

/// # Safety
/// As for [`widened_at`]; `kernel` is for f64, has so many operands, and the CPU can run its level.
unsafe fn widened(kernel: Kernel, level: Level, n: usize, out: *mut u8, operands: &[*const u8]) {
    const BLOCK: usize = 128;
    let (f32, f64) = (place(DType::F32), place(DType::F64));
    let (widen, narrow) = (CAST[f32][f64][level as usize], CAST[f64][f32][level as usize]);
    let mut wide = [const { Scratch::<BLOCK>::new() }; 4];
    let mut result = Scratch::<BLOCK>::new();
    let result = result.0.as_mut_ptr().cast::<u8>();
    for start in (0..n).step_by(BLOCK) {
        let len = BLOCK.min(n - start);
        let mut given = [result.cast_const(); 4];
        for ((&operand, block), given) in operands.iter().zip(&mut wide).zip(&mut given) {
            let block = block.0.as_mut_ptr().cast::<u8>();
            // SAFETY: `len` elements from `start` on are inside of the operand, and the block has
            // room for them.
            unsafe { call1(widen, len, block, operand.cast::<f32>().add(start).cast()) };
            *given = block;
        }
        let [a, b, c, d] = given;
        // SAFETY: the blocks were just written; those that stand for no operand are not looked at.
        // The result has room for `len` elements, in both types.
        unsafe {
            kernel(len, result, a, b, c, d);
            call1(narrow, len, out.cast::<f32>().add(start).cast(), result);
        }
    }
}

const fn widened_for<const ELEM: usize, const PULL: usize>(level: Level) -> Kernel {
    match level {
        Level::Baseline => widened_at::<ELEM, PULL, 0>,
        Level::V3 => widened_at::<ELEM, PULL, 1>,
        Level::V4 => widened_at::<ELEM, PULL, 2>,
    }
}

macro_rules! elementwise_tables {
    (1: $($unary:ident),*; 2: $($binary:ident),*;) => {
        const fn evals<T: Float>(level: Level) -> [Kernel; Elem::ALL.len()] {
            [
                $(if T::IS_NARROW && <unary::$unary as Elementwise<1>>::IS_WIDE {
                    widened_for::<{ Elem::$unary as usize }, 0>(level)
                } else {
                    of_rule::<unary::$unary, Eval<unary::$unary, 1>, T, 1>(level)
                },)*
                $(if T::IS_NARROW && <binary::$binary as Elementwise<2>>::IS_WIDE {
                    widened_for::<{ Elem::$binary as usize }, 0>(level)
                } else {
                    of_rule::<binary::$binary, Eval<binary::$binary, 2>, T, 2>(level)
                },)*
            ]
        }

        const fn pulls<T: Float>(level: Level) -> [[Kernel; 2]; Elem::ALL.len()] {
            [
                $([if T::IS_NARROW && <unary::$unary as Elementwise<1>>::IS_WIDE {
                    widened_for::<{ Elem::$unary as usize }, 1>(level)
                } else {
                    of_rule::<unary::$unary, Pull1<unary::$unary>, T, 1>(level)
                }; 2],)*
                $(if T::IS_NARROW && <binary::$binary as Elementwise<2>>::IS_WIDE {
                    [
                        widened_for::<{ Elem::$binary as usize }, 1>(level),
                        widened_for::<{ Elem::$binary as usize }, 2>(level),
                    ]
                } else {
                    [
                        of_rule::<binary::$binary, Pull2<binary::$binary, 0>, T, 2>(level),
                        of_rule::<binary::$binary, Pull2<binary::$binary, 1>, T, 2>(level),
                    ]
                },)*
            ]
        }
    };
}
roll_call!(elementwise_tables);

// ---- sine and cosine together ----

/// The sine and the cosine of an angle. Operands: the angle, and the place where the cosine is
/// written.
struct SinCos;

impl<T: Float> Body<T> for SinCos {
    #[inline(always)]
    unsafe fn run<L: Lanes<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise: operands as the struct says, the second being its alone,
        // so that writing through it is allowed.
        let (sine, cosine, angle): (&mut [T], &mut [T], &[T]) =
            unsafe { (result(out, n), result(operands[1].cast_mut(), n), operand(operands, 0, n)) };
        if all_near::<L, T>(angle) {
            return each_sin_cos::<L>(sine, cosine, angle);
        }
        each_sin_cos::<L::Far>(sine, cosine, angle);
        repair::<L::Far, T>(sine, angle, |i| Real::sin(angle[i].to_f64()));
        repair::<L::Far, T>(cosine, angle, |i| Real::cos(angle[i].to_f64()));
    }
}

/// [`each`] for two results.
#[inline(always)]
fn each_sin_cos<L: Lanes>(sine: &mut [L::Elem], cosine: &mut [L::Elem], angle: &[L::Elem]) {
    let n = angle.len();
    assert!(sine.len() == n && cosine.len() == n);
    let whole = n - n % L::LANES;
    let mut i = 0;
    while i < whole {
        // SAFETY: LANES elements from i on are inside all slices, which are `n` long.
        unsafe {
            let (s, c) = L::load(angle, i).sin_cos();
            s.store(sine, i);
            c.store(cosine, i);
        }
        i += L::LANES;
    }
    if whole < n {
        let mut last = [angle[whole]; MAX_LANES];
        last[..n - whole].copy_from_slice(&angle[whole..]);
        let (mut s, mut c) = (last, last);
        // SAFETY: the copies hold MAX_LANES elements, at least LANES.
        unsafe {
            let (sin, cos) = L::load(&last, 0).sin_cos();
            sin.store(&mut s, 0);
            cos.store(&mut c, 0);
        }
        sine[whole..].copy_from_slice(&s[..n - whole]);
        cosine[whole..].copy_from_slice(&c[..n - whole]);
    }
}

// ---- comparisons, selection, conversion ----

/// Operands: two of `T`; the result is a mask.
struct Compare<const C: u8>;

impl<T: Element + PartialOrd, const C: u8> Plain<T> for Compare<C> {
    #[inline(always)]
    unsafe fn run(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, with 2 operands and a result of u8.
        let (out, a, b): (&mut [u8], &[T], &[T]) =
            unsafe { (result(out, n), operand(operands, 0, n), operand(operands, 1, n)) };
        compare::<T, C>(out, a, b);
    }
}

/// A function of its own, as are [`choose`] and [`convert`]: that `out` is a parameter tells LLVM
/// that it overlaps nothing.
#[inline(always)]
fn compare<T: Element + PartialOrd, const C: u8>(out: &mut [u8], a: &[T], b: &[T]) {
    assert!(a.len() == out.len() && b.len() == out.len());
    for i in 0..out.len() {
        let (a, b) = (a[i], b[i]);
        out[i] = u8::from(match Comparison::ALL[C as usize] {
            Comparison::Eq => a == b,
            Comparison::Ne => a != b,
            Comparison::Lt => a < b,
            Comparison::Le => a <= b,
            Comparison::Gt => a > b,
            Comparison::Ge => a >= b,
            // A number that is not itself is NaN. No short circuit: this is to be a vector.
            #[allow(clippy::eq_op)]
            Comparison::Same => (a == b) | ((a != a) & (b != b)),
        });
    }
}

/// Operands: mask, value where it is set, value elsewhere.
struct Where;

impl<T: Element> Plain<T> for Where {
    #[inline(always)]
    unsafe fn run(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, with 3 operands, the first of u8.
        let (out, mask, yes, no): (&mut [T], &[u8], &[T], &[T]) = unsafe {
            (
                result(out, n),
                operand(operands, 0, n),
                operand(operands, 1, n),
                operand(operands, 2, n),
            )
        };
        choose(out, mask, yes, no);
    }
}

#[inline(always)]
fn choose<T: Copy>(out: &mut [T], mask: &[u8], yes: &[T], no: &[T]) {
    let n = out.len();
    assert!(mask.len() == n && yes.len() == n && no.len() == n);
    for i in 0..n {
        // Both are read, whichever is taken: a load under a condition would be a branch.
        let (yes, no) = (yes[i], no[i]);
        out[i] = if mask[i] != 0 { yes } else { no };
    }
}

/// Operand: one of `T`; the result is of `U`.
struct Cast<U>(PhantomData<U>);

impl<T: Element + As<U>, U: Element> Plain<T> for Cast<U> {
    #[inline(always)]
    unsafe fn run(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, with one operand of T and a result of U.
        let (out, from): (&mut [U], &[T]) = unsafe { (result(out, n), operand(operands, 0, n)) };
        convert(out, from);
    }
}

#[inline(always)]
fn convert<T: As<U> + Copy, U>(out: &mut [U], from: &[T]) {
    assert!(from.len() == out.len());
    for i in 0..out.len() {
        out[i] = from[i].cast();
    }
}

/// The same number as another type, or the nearest one: Rust's `as`, which from integer to integer would
/// drop bits.
pub(crate) trait As<U> {
    fn cast(self) -> U;
}

macro_rules! casts {
    ($($from:ty => $($to:ty)*;)*) => {$($(
        impl As<$to> for $from {
            #[inline(always)]
            fn cast(self) -> $to {
                self as $to
            }
        }
    )*)*};
}
casts! {
    f32 => f32 f64;
    f64 => f32 f64;
    i64 => f32 f64 i64;
    u8 => f32 f64 i64 u8;
}

impl As<u8> for i64 {
    #[inline(always)]
    fn cast(self) -> u8 {
        let x = if self > 0 { self } else { 0 };
        (if x < 255 { x } else { 255 }) as u8
    }
}

/// `as` from floats to integers, which saturates, in steps that LLVM turns into vectors.
macro_rules! saturating_casts {
    ($($from:ty)*) => {$(
        impl As<u8> for $from {
            #[inline(always)]
            fn cast(self) -> u8 {
                // NaN is not above 0.
                let x = if self > 0.0 { self } else { 0.0 };
                let x = if x < 255.0 { x } else { 255.0 };
                // SAFETY: from 0 to 255.
                unsafe { x.to_int_unchecked::<i32>() as u8 }
            }
        }

        impl As<i64> for $from {
            #[inline(always)]
            fn cast(self) -> i64 {
                const TWO_63: $from = (1u64 << 63) as $from;
                let x = if self >= -TWO_63 { self } else { -TWO_63 };
                let inside = if x < TWO_63 { x } else { 0.0 };
                // SAFETY: inside of the range of i64, and not NaN.
                let y = unsafe { inside.to_int_unchecked::<i64>() };
                let y = if self >= TWO_63 { i64::MAX } else { y };
                #[allow(clippy::eq_op)] // a number that is not itself is NaN
                if self == self { y } else { 0 }
            }
        }
    )*};
}
saturating_casts!(f32 f64);

/// A loop body without a float type: the same text at every level, without lanes.
trait Plain<T> {
    /// # Safety
    /// As for [`Kernel`].
    unsafe fn run(n: usize, out: *mut u8, operands: &Operands);
}

by_level!(plain_at: Plain<T>, plain_baseline, plain_v3, plain_v4);

/// The functions for all levels.
const fn plain<P: Plain<T>, T>() -> [Kernel; Level::ALL.len()] {
    let (v3, v4) = (plain_at::<P, T>(Level::V3), plain_at::<P, T>(Level::V4));
    [plain_at::<P, T>(Level::Baseline), v3, v4]
}

type Levels = [Kernel; Level::ALL.len()];

const fn comparisons<T: Element + PartialOrd>() -> [Levels; Comparison::ALL.len()] {
    [
        plain::<Compare<0>, T>(),
        plain::<Compare<1>, T>(),
        plain::<Compare<2>, T>(),
        plain::<Compare<3>, T>(),
        plain::<Compare<4>, T>(),
        plain::<Compare<5>, T>(),
        plain::<Compare<6>, T>(),
    ]
}

const fn cast_from<T>() -> [Levels; DTYPES]
where
    T: Element + As<f32> + As<f64> + As<i64> + As<u8>,
{
    [
        plain::<Cast<f32>, T>(),
        plain::<Cast<f64>, T>(),
        plain::<Cast<i64>, T>(),
        plain::<Cast<u8>, T>(),
    ]
}

/// Element types, in the tables below in the order of [`place`].
const DTYPES: usize = 4;

fn place(dtype: DType) -> usize {
    match dtype {
        DType::F32 => 0,
        DType::F64 => 1,
        DType::I64 => 2,
        DType::U8 => 3,
    }
}

static COMPARE: [[Levels; Comparison::ALL.len()]; DTYPES] =
    [comparisons::<f32>(), comparisons::<f64>(), comparisons::<i64>(), comparisons::<u8>()];
static WHERE: [Levels; DTYPES] =
    [plain::<Where, f32>(), plain::<Where, f64>(), plain::<Where, i64>(), plain::<Where, u8>()];
static CAST: [[Levels; DTYPES]; DTYPES] =
    [cast_from::<f32>(), cast_from::<f64>(), cast_from::<i64>(), cast_from::<u8>()];

/// Arithmetic on i64: the number is that of [`Integer`].
struct Arithmetic<const OP: usize>;

impl<const OP: usize> Plain<i64> for Arithmetic<OP> {
    #[inline(always)]
    unsafe fn run(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, with 2 operands.
        let (out, a, b): (&mut [i64], &[i64], &[i64]) =
            unsafe { (result(out, n), operand(operands, 0, n), operand(operands, 1, n)) };
        for i in 0..n {
            out[i] = arithmetic(Integer::ALL[OP], a[i], b[i]);
        }
    }
}

#[inline(always)]
fn arithmetic(op: Integer, a: i64, b: i64) -> i64 {
    match op {
        Integer::Add => a.wrapping_add(b),
        Integer::Sub => a.wrapping_sub(b),
        Integer::Mul => a.wrapping_mul(b),
        Integer::FloorDivide if b == 0 => 0,
        Integer::FloorDivide => {
            let (quotient, rest) = (a.wrapping_div(b), a.wrapping_rem(b));
            quotient.wrapping_sub(i64::from(rest != 0 && (rest < 0) != (b < 0)))
        }
        Integer::Remainder if b == 0 => 0,
        Integer::Remainder => {
            let rest = a.wrapping_rem(b);
            if rest != 0 && (rest < 0) != (b < 0) { rest.wrapping_add(b) } else { rest }
        }
        Integer::Maximum => a.max(b),
        Integer::Minimum => a.min(b),
    }
}

static INTEGER: [Levels; Integer::ALL.len()] = [
    plain::<Arithmetic<0>, i64>(),
    plain::<Arithmetic<1>, i64>(),
    plain::<Arithmetic<2>, i64>(),
    plain::<Arithmetic<3>, i64>(),
    plain::<Arithmetic<4>, i64>(),
    plain::<Arithmetic<5>, i64>(),
    plain::<Arithmetic<6>, i64>(),
];

/// The kernel of an elementwise node whose first operand (after a mask) is of this dtype.
pub(crate) fn elementwise(op: Op, operand: DType, result: DType, level: Level) -> Kernel {
    match op {
        Op::Map(elem) => float_kernels(operand, level).eval[elem as usize],
        Op::Pull(elem, i) => float_kernels(operand, level).pull[elem as usize][i as usize],
        Op::Integer(integer) => INTEGER[integer as usize][level as usize],
        Op::Compare(comparison) => COMPARE[place(operand)][comparison as usize][level as usize],
        Op::Where => WHERE[place(result)][level as usize],
        Op::Cast => CAST[place(operand)][place(result)][level as usize],
        _ => unreachable!("{op:?} is not elementwise"),
    }
}

// ---- sums of sums: one a column ----

/// Columns whose sums are combined at once.
pub(crate) const COLUMNS: usize = 32;

/// The sums of some columns, at most `COLUMNS`, in f64. Operands: the first row, and two lengths: of
/// the columns, and from row to row.
struct CombineColumns;

impl<T: Float> Body<T> for CombineColumns {
    #[inline(always)]
    unsafe fn run<L: Lanes<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise: operands as the struct says.
        let [rows, stride] = unsafe { operands[1].cast::<[usize; 2]>().read() };
        let (mut sums, mut lost) = ([0.0; COLUMNS], [0.0; COLUMNS]);
        for row in 0..rows {
            // SAFETY: as above; there are `n` columns from here on in each row.
            let row =
                unsafe { std::slice::from_raw_parts(operands[0].cast::<T>().add(row * stride), n) };
            match <&[T; COLUMNS]>::try_from(row) {
                Ok(row) => add_row(&mut sums, &mut lost, row),
                Err(_) => add_row(&mut sums[..n], &mut lost[..n], row),
            }
        }
        // SAFETY: the caller's promise, with `n` numbers of f64 as the result.
        let out = unsafe { std::slice::from_raw_parts_mut(out.cast::<f64>(), n) };
        for k in 0..n {
            out[k] = Total { sum: sums[k], lost: lost[k] }.value();
        }
    }
}

/// Adds a block to each total. (These are apart, in lists of one kind, to be vectors.)
#[inline(always)]
fn add_row<T: Float>(sums: &mut [f64], lost: &mut [f64], row: &[T]) {
    assert!(sums.len() == row.len() && lost.len() == row.len());
    for k in 0..row.len() {
        let mut total = Total { sum: sums[k], lost: lost[k] };
        total.add_block(row[k]);
        (sums[k], lost[k]) = (total.sum, total.lost);
    }
}

// ---- accumulation: the result is also an operand ----

/// Takes x into out: gradients that add up, and reductions over outer axes.
struct Accumulate<F>(PhantomData<F>);

impl<T: Float, F: Fold<T>> Body<T> for Accumulate<F> {
    #[inline(always)]
    unsafe fn run<L: Lanes<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, with one operand.
        let (out, x): (&mut [T], &[T]) = unsafe { (result(out, n), operand(operands, 0, n)) };
        for (out, &x) in out.iter_mut().zip(x) {
            *out = F::take(*out, x);
        }
    }
}

// ---- optimisers ----

/// What one step of an optimiser is made of; which numbers mean what is said at each kernel.
pub(crate) type Coefficients = [f64; 6];

/// Momentum SGD. Operands: gradient, velocity (written), coefficients [rate, momentum, decay].
struct SgdStep;

impl<T: Float> Body<T> for SgdStep {
    #[inline(always)]
    unsafe fn run<L: Lanes<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise: operands as the struct says, the velocity being its
        // alone, so that writing through that operand is allowed.
        let (p, g, v, c): (&mut [T], &[T], &mut [T], Coefficients) = unsafe {
            (
                result(out, n),
                operand(operands, 0, n),
                result(operands[1].cast_mut(), n),
                operands[2].cast::<Coefficients>().read_unaligned(),
            )
        };
        let [rate, momentum, decay, ..] = c.map(T::from_f64);
        if c[1] == 0.0 {
            // The velocity is left as it is: it may be infinite, and 0 times that is NaN.
            for i in 0..n {
                let slope = g[i].plus(decay.times(p[i]));
                p[i] = p[i].minus(rate.times(slope));
            }
            return;
        }
        for i in 0..n {
            let slope = g[i].plus(decay.times(p[i]));
            v[i] = momentum.times(v[i]).plus(slope);
            p[i] = p[i].minus(rate.times(v[i]));
        }
    }
}

/// Adam. Operands: gradient, first moment and root of the second (both written), coefficients
/// [rate / (1 - b1^t), b1, b2, epsilon, 1 / sqrt(1 - b2^t), decay]. The second moment itself, of
/// squares, would leave the range.
struct AdamStep;

impl<T: Float> Body<T> for AdamStep {
    #[inline(always)]
    unsafe fn run<L: Lanes<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise: operands as the struct says, the moments being its alone,
        // so that writing through those operands is allowed.
        let (p, g, m, v, c): (&mut [T], &[T], &mut [T], &mut [T], Coefficients) = unsafe {
            (
                result(out, n),
                operand(operands, 0, n),
                result(operands[1].cast_mut(), n),
                result(operands[2].cast_mut(), n),
                operands[3].cast::<Coefficients>().read_unaligned(),
            )
        };
        let [rate, b1, b2, epsilon, scale, decay] = c.map(T::from_f64);
        let (c1, c2) = (T::from_f64(1.0 - c[1]), T::from_f64(1.0 - c[2]));
        for i in 0..n {
            let slope = g[i].plus(decay.times(p[i]));
            m[i] = b1.times(m[i]).plus(c1.times(slope));
            // What is squared is no larger than 1.
            let (old, new) = (v[i], slope.size());
            let large = if old < new { new } else { old };
            let large = if large < T::SMALL { T::SMALL } else { large };
            let (old, new) = (old.over(large), new.over(large));
            v[i] = large.times(b2.times(old.times(old)).plus(c2.times(new.times(new))).root());
            let step = m[i].over(v[i].times(scale).plus(epsilon));
            p[i] = p[i].minus(rate.times(step));
        }
    }
}

/// What is done along the last axis, and along another one.
#[derive(Clone, Copy)]
pub(crate) struct Slabs {
    pub(crate) rows: Kernel,
    pub(crate) columns: Kernel,
}

impl Slabs {
    /// The kernel where so many elements lie behind the axis.
    pub(crate) fn before(&self, inner: usize) -> Kernel {
        if inner == 1 { self.rows } else { self.columns }
    }
}

const fn exponentials<const WANTED: usize, T: Float>(level: Level) -> Slabs {
    let rows = made::<ExpRows<WANTED>, T>(level);
    Slabs { rows, columns: made::<ExpColumns<WANTED>, T>(level) }
}

/// The kernels for one float type at one level.
pub(crate) struct FloatKernels {
    eval: [Kernel; Elem::ALL.len()],
    pull: [[Kernel; 2]; Elem::ALL.len()],
    /// By reduction: sum, sum of squares, maximum, minimum. Blocks of rows at once; begins,
    /// feeds and reads accumulators; joins a line into another one; joins lines.
    block: [Kernel; 4],
    open: [Kernel; 4],
    fold_into: [Kernel; 4],
    close: [Kernel; 4],
    join: [Kernel; 4],
    join_columns: [Kernel; 4],
    combine_columns: Kernel,
    /// In the order of [`WHOLE`](rows::WHOLE).
    rows: [Kernel; 5],
    arg: [Slabs; 2],
    find_rows: Kernel,
    find_columns: Kernel,
    /// What the exponentials' kernels are made of, beside those above: with other operands of as many
    /// elements, and of one.
    spread: Kernel,
    exp_of_difference: [Kernel; 2],
    multiply: [Kernel; 2],
    minus_both: [Kernel; 2],
    logsumexp: Slabs,
    pub(crate) softmax: Slabs,
    pub(crate) log_softmax: Slabs,
    /// Both: the logarithm to the result, the softmax to the second operand, which must then be valid
    /// for writing and overlap nothing.
    pub(crate) softmaxes: Slabs,
    /// out = sin a, and cos a is written to b, which must then be valid for writing and overlap
    /// nothing: both as `Sin` and `Cos` would give them.
    pub(crate) sincos: Kernel,
    pub(crate) accumulate: Kernel,
    pub(crate) sgd: Kernel,
    pub(crate) adam: Kernel,
}

const fn table<T: Float>(level: Level) -> FloatKernels {
    FloatKernels {
        eval: evals::<T>(level),
        pull: pulls::<T>(level),
        block: [
            at::<BlockRows<Sum<false>>, T>(level),
            at::<BlockRows<Sum<true>>, T>(level),
            explicit::<BlockExtremes<true>, T>(level),
            explicit::<BlockExtremes<false>, T>(level),
        ],
        open: [
            at::<Open<Sum<false>>, T>(level),
            at::<Open<Sum<true>>, T>(level),
            at::<Open<Best<true>>, T>(level),
            at::<Open<Best<false>>, T>(level),
        ],
        fold_into: [
            at::<Into<Sum<false>>, T>(level),
            at::<Into<Sum<true>>, T>(level),
            at::<Into<Best<true>>, T>(level),
            at::<Into<Best<false>>, T>(level),
        ],
        close: [
            at::<Close<Sum<false>>, T>(level),
            at::<Close<Sum<true>>, T>(level),
            at::<Close<Best<true>>, T>(level),
            at::<Close<Best<false>>, T>(level),
        ],
        join: [
            at::<Accumulate<Sum<false>>, T>(level),
            at::<Accumulate<Sum<true>>, T>(level),
            at::<Accumulate<Best<true>>, T>(level),
            at::<Accumulate<Best<false>>, T>(level),
        ],
        join_columns: [
            at::<JoinColumns<Sum<false>>, T>(level),
            at::<JoinColumns<Sum<true>>, T>(level),
            at::<JoinColumns<Best<true>>, T>(level),
            at::<JoinColumns<Best<false>>, T>(level),
        ],
        combine_columns: at::<CombineColumns, T>(level),
        rows: [
            made::<WholeRows<0>, T>(level),
            made::<WholeRows<1>, T>(level),
            made::<WholeRows<2>, T>(level),
            made::<WholeRows<3>, T>(level),
            made::<WholeRows<4>, T>(level),
        ],
        arg: [
            Slabs {
                rows: made::<ArgRows<true>, T>(level),
                columns: made::<ArgColumns<true>, T>(level),
            },
            Slabs {
                rows: made::<ArgRows<false>, T>(level),
                columns: made::<ArgColumns<false>, T>(level),
            },
        ],
        find_rows: at::<FindRows, T>(level),
        find_columns: at::<FindColumns, T>(level),
        spread: plain::<SpreadRows, T::Bits>()[level as usize],
        exp_of_difference: [
            at::<ExpOfDifference<false>, T>(level),
            at::<ExpOfDifference<true>, T>(level),
        ],
        multiply: [at::<Multiply<false>, T>(level), at::<Multiply<true>, T>(level)],
        minus_both: [at::<MinusBoth<false>, T>(level), at::<MinusBoth<true>, T>(level)],
        logsumexp: exponentials::<0, T>(level),
        softmax: exponentials::<1, T>(level),
        log_softmax: exponentials::<2, T>(level),
        softmaxes: exponentials::<3, T>(level),
        sincos: at::<SinCos, T>(level),
        accumulate: at::<Accumulate<Sum<false>>, T>(level),
        sgd: at::<SgdStep, T>(level),
        adam: at::<AdamStep, T>(level),
    }
}

static F32: [FloatKernels; 3] =
    [table::<f32>(Level::Baseline), table::<f32>(Level::V3), table::<f32>(Level::V4)];
static F64: [FloatKernels; 3] =
    [table::<f64>(Level::Baseline), table::<f64>(Level::V3), table::<f64>(Level::V4)];

/// The kernels for a float dtype at a level.
pub(crate) fn float_kernels(dtype: DType, level: Level) -> &'static FloatKernels {
    match dtype {
        DType::F32 => &F32[level as usize],
        DType::F64 => &F64[level as usize],
        other => unreachable!("{other} was rejected when the node was recorded"),
    }
}

impl FloatKernels {
    /// Reduces rows to one element each.
    pub(crate) fn rows(&self, reduction: Reduction) -> Kernel {
        match reduction {
            Reduction::Sum => self.rows[0],
            Reduction::Mean => self.rows[1],
            Reduction::Norm => self.rows[2],
            Reduction::Extreme(Extreme::Max, _) => self.rows[3],
            Reduction::Extreme(Extreme::Min, _) => self.rows[4],
            Reduction::LogSumExp => self.logsumexp.rows,
        }
    }

    /// Reduces blocks of at most `SUM_BLOCK` elements to one partial result each.
    pub(crate) fn block(&self, reduction: Reduction) -> Kernel {
        self.block[part(reduction)]
    }

    /// Finds the first extremes of rows or columns: one i64 each.
    pub(crate) fn arg(&self, which: Extreme) -> &Slabs {
        match which {
            Extreme::Max => &self.arg[0],
            Extreme::Min => &self.arg[1],
        }
    }

    pub(crate) fn logsumexp(&self) -> &Slabs {
        &self.logsumexp
    }

    /// Sets `STRIDE` lanes to what a reduction begins with.
    pub(crate) fn open(&self, reduction: Reduction) -> Kernel {
        self.open[part(reduction)]
    }

    /// Joins a stretch of a row into `STRIDE` lanes, its first element into the first lane.
    pub(crate) fn fold_into(&self, reduction: Reduction) -> Kernel {
        self.fold_into[part(reduction)]
    }

    /// Reduces `STRIDE` lanes to one element.
    pub(crate) fn close(&self, reduction: Reduction) -> Kernel {
        self.close[part(reduction)]
    }

    /// Joins a row into a row of partial results.
    pub(crate) fn join(&self, reduction: Reduction) -> Kernel {
        self.join[part(reduction)]
    }

    /// Joins lines to one line of partial results, in their order.
    pub(crate) fn join_columns(&self, reduction: Reduction) -> Kernel {
        self.join_columns[part(reduction)]
    }

    /// Adds up columns of partial sums; see [`CombineColumns`].
    pub(crate) fn combine_columns(&self) -> Kernel {
        self.combine_columns
    }
}

/// The place of a reduction that is made from parts.
fn part(reduction: Reduction) -> usize {
    match reduction {
        Reduction::Sum | Reduction::Mean => 0,
        Reduction::Norm => 1,
        Reduction::Extreme(Extreme::Max, _) => 2,
        Reduction::Extreme(Extreme::Min, _) => 3,
        Reduction::LogSumExp => unreachable!("made of whole rows"),
    }
}

/// Repeats each of `n` elements of so many bytes along a row; called as kernels of rows are.
pub(crate) fn spread(size: usize, level: Level) -> Kernel {
    static SPREAD: [Levels; 3] =
        [plain::<SpreadRows, u8>(), plain::<SpreadRows, u32>(), plain::<SpreadRows, u64>()];
    let kernels = match size {
        1 => &SPREAD[0],
        4 => &SPREAD[1],
        _ => &SPREAD[2],
    };
    kernels[level as usize]
}

mod chain;
mod columns;
mod draws;
#[cfg(all(test, target_arch = "x86_64"))]
mod machine_code;
mod register;
#[cfg(test)]
mod row_tests;
mod rows;
mod softmax;
#[cfg(test)]
mod tests;
