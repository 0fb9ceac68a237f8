//! The inner loops, at every instruction level, behind tables of function pointers.
//!
//! A kernel body is written once, generic over [`Lanes`]. At the baseline it runs on `wide`'s
//! vectors. At v3 and v4 it runs on plain scalars inside functions with `#[target_feature]`, where
//! LLVM turns the loop into AVX2 or AVX-512; `wide` cannot do that, since it chooses its
//! instructions when it is itself compiled. All operands of a kernel are dense and have no overlap
//! with the result; broadcasting, strides and tiles are the executor's.

use std::marker::PhantomData;

pub(crate) use chain::{Act, Form, Link, Reach, chain, forms};

use crate::dtype::{DType, Element};
use crate::lane::{Fused, Lanes, W32, W64};
use crate::level::Level;
use crate::node::{Comparison, Extreme, Op, Reduction};
use crate::op::{Elementwise, binary, unary};
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
    type Wide: Lanes<Elem = Self>;
    type Scalar: Lanes<Elem = Self>;

    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
    fn over(self, other: Self) -> Self;
    fn root(self) -> Self;
    fn size(self) -> Self;

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
    ($t:ty, $wide:ty, $tiny:literal, $up:literal, $down:literal) => {
        impl Float for $t {
            type Wide = $wide;
            type Scalar = Fused<$t>;

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
        }
    };
}
float!(f32, W32, -50, 100, -80);
float!(f64, W64, -480, 600, -600);

/// # Safety
/// As for [`Kernel`].
unsafe fn baseline<B: Body<T>, T: Float>(
    n: usize,
    out: *mut u8,
    a: *const u8,
    b: *const u8,
    c: *const u8,
    d: *const u8,
) {
    // SAFETY: the caller's promise.
    unsafe { B::run::<T::Wide>(n, out, &[a, b, c, d]) }
}

/// # Safety
/// As for [`Kernel`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn v3<B: Body<T>, T: Float>(
    n: usize,
    out: *mut u8,
    a: *const u8,
    b: *const u8,
    c: *const u8,
    d: *const u8,
) {
    // SAFETY: the caller's promise.
    unsafe { B::run::<T::Scalar>(n, out, &[a, b, c, d]) }
}

/// # Safety
/// As for [`Kernel`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512cd,avx512dq,avx512vl")]
unsafe fn v4<B: Body<T>, T: Float>(
    n: usize,
    out: *mut u8,
    a: *const u8,
    b: *const u8,
    c: *const u8,
    d: *const u8,
) {
    // SAFETY: the caller's promise.
    unsafe { B::run::<T::Scalar>(n, out, &[a, b, c, d]) }
}

/// The function for a level.
const fn at<B: Body<T>, T: Float>(level: Level) -> Kernel {
    match level {
        Level::Baseline => baseline::<B, T>,
        #[cfg(target_arch = "x86_64")]
        Level::V3 => v3::<B, T>,
        #[cfg(target_arch = "x86_64")]
        Level::V4 => v4::<B, T>,
        #[cfg(not(target_arch = "x86_64"))]
        _ => baseline::<B, T>,
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
    let whole = n - n % L::LANES;
    let mut i = 0;
    while i < whole {
        // SAFETY: LANES elements from i on are inside all slices, which are `n` long.
        unsafe {
            let x = std::array::from_fn(|k| L::load(from[k], i));
            f.apply(x).store(out, i);
        }
        i += L::LANES;
    }
    if whole < n {
        // The tail runs the same code as the body, on copies filled up to whole lanes.
        // (The result must not be read: it may never have been written.)
        let mut last = from.map(|from| [from[whole]; MAX_LANES]);
        for k in 0..N {
            last[k][..n - whole].copy_from_slice(&from[k][whole..]);
        }
        let mut y = [from[0][whole]; MAX_LANES];
        // SAFETY: the copies hold MAX_LANES elements, at least LANES.
        unsafe {
            let x = std::array::from_fn(|k| L::load(&last[k], 0));
            f.apply(x).store(&mut y, 0);
        }
        out[whole..].copy_from_slice(&y[..n - whole]);
    }
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
        if !O::TRIG || all_near::<L, T>(from[0]) {
            return each::<L, 3>(out, from, &Self(PhantomData));
        }
        each::<L::Far, 3>(out, from, &Self(PhantomData));
        repair::<L::Far, T>(out, from[0], |i| {
            let [x, y, g] = from.map(|from| from[i].to_f64());
            O::pull::<f64>([x], y, g)[0]
        });
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
        each::<L, 4>(out, from, &Self(PhantomData));
    }
}

macro_rules! elementwise_tables {
    (1: $($unary:ident),*; 2: $($binary:ident),*;) => {
        const fn evals<T: Float>(level: Level) -> [Kernel; Elem::ALL.len()] {
            [
                $(at::<Eval<unary::$unary, 1>, T>(level),)*
                $(at::<Eval<binary::$binary, 2>, T>(level),)*
            ]
        }

        const fn pulls<T: Float>(level: Level) -> [[Kernel; 2]; Elem::ALL.len()] {
            [
                $([at::<Pull1<unary::$unary>, T>(level); 2],)*
                $([
                    at::<Pull2<binary::$binary, 0>, T>(level),
                    at::<Pull2<binary::$binary, 1>, T>(level),
                ],)*
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

/// Rust's `as`, for any two element types.
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
    i64 => f32 f64 i64 u8;
    u8 => f32 f64 i64 u8;
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

/// # Safety
/// As for [`Kernel`].
unsafe fn plain_baseline<P: Plain<T>, T>(
    n: usize,
    out: *mut u8,
    a: *const u8,
    b: *const u8,
    c: *const u8,
    d: *const u8,
) {
    // SAFETY: the caller's promise.
    unsafe { P::run(n, out, &[a, b, c, d]) }
}

/// # Safety
/// As for [`Kernel`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn plain_v3<P: Plain<T>, T>(
    n: usize,
    out: *mut u8,
    a: *const u8,
    b: *const u8,
    c: *const u8,
    d: *const u8,
) {
    // SAFETY: the caller's promise.
    unsafe { P::run(n, out, &[a, b, c, d]) }
}

/// # Safety
/// As for [`Kernel`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512cd,avx512dq,avx512vl")]
unsafe fn plain_v4<P: Plain<T>, T>(
    n: usize,
    out: *mut u8,
    a: *const u8,
    b: *const u8,
    c: *const u8,
    d: *const u8,
) {
    // SAFETY: the caller's promise.
    unsafe { P::run(n, out, &[a, b, c, d]) }
}

/// The functions for all levels.
const fn plain<P: Plain<T>, T>() -> [Kernel; Level::ALL.len()] {
    [
        plain_baseline::<P, T>,
        #[cfg(target_arch = "x86_64")]
        plain_v3::<P, T>,
        #[cfg(target_arch = "x86_64")]
        plain_v4::<P, T>,
        #[cfg(not(target_arch = "x86_64"))]
        plain_baseline::<P, T>,
        #[cfg(not(target_arch = "x86_64"))]
        plain_baseline::<P, T>,
    ]
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

/// The kernel of an elementwise node whose first operand (after a mask) is of this dtype.
pub(crate) fn elementwise(op: Op, operand: DType, result: DType, level: Level) -> Kernel {
    match op {
        Op::Map(elem) => float_kernels(operand, level).eval[elem as usize],
        Op::Pull(elem, i) => float_kernels(operand, level).pull[elem as usize][i as usize],
        Op::Compare(comparison) => COMPARE[place(operand)][comparison as usize][level as usize],
        Op::Where => WHERE[place(result)][level as usize],
        Op::Cast => CAST[place(operand)][place(result)][level as usize],
        _ => unreachable!("{op:?} is not elementwise"),
    }
}

// ---- rows: one operand of n elements ----

/// Elements that are reduced side by side. The same at every level, so that a sum is the same
/// bit for bit wherever it is made.
pub(crate) const STRIDE: usize = 16;

/// Joins a stretch of a row into `STRIDE` accumulators.
#[inline(always)]
fn fold_into<T: Copy>(acc: &mut [T; STRIDE], row: &[T], join: impl Fn(T, T) -> T) {
    let (whole, rest) = row.as_chunks::<STRIDE>();
    for chunk in whole {
        for k in 0..STRIDE {
            acc[k] = join(acc[k], chunk[k]);
        }
    }
    for (k, &x) in rest.iter().enumerate() {
        acc[k] = join(acc[k], x);
    }
}

/// Joins the accumulators.
#[inline(always)]
fn close<T: Copy>(mut acc: [T; STRIDE], join: impl Fn(T, T) -> T) -> T {
    let mut width = STRIDE;
    while width > 1 {
        width /= 2;
        for k in 0..width {
            acc[k] = join(acc[k], acc[k + width]);
        }
    }
    acc[0]
}

/// Reduces a row with `STRIDE` accumulators; `join` must be associative up to rounding, and
/// `first` neutral.
#[inline(always)]
fn fold_row<T: Copy>(row: &[T], first: T, join: impl Fn(T, T) -> T + Copy) -> T {
    let mut acc = [first; STRIDE];
    fold_into(&mut acc, row, join);
    close(acc, join)
}

/// Elements of a row that are summed in its own precision before the sum goes on in f64.
pub(crate) const SUM_BLOCK: usize = 1024;

/// What a sum takes of an element: the element itself, or its square.
#[inline(always)]
fn term<T: Float, const SQUARE: bool>(x: T) -> T {
    if SQUARE { x.times(x) } else { x }
}

/// The sum of a row's terms. Blocks are summed in the element's precision and added up in f64 with
/// the lost low part carried along, so the error does not grow with the length of the row.
#[inline(always)]
fn row_total<T: Float, const SQUARE: bool>(row: &[T], scale: T) -> f64 {
    let mut total = Total::default();
    for block in row.chunks(SUM_BLOCK) {
        let mut lanes = [T::default(); STRIDE];
        fold_into(&mut lanes, block, |a, x| a.plus(term::<T, SQUARE>(x.times(scale))));
        total.add(close(lanes, |a, b| a.plus(b)).to_f64());
    }
    total.value()
}

/// The sum of a row's terms, one element.
struct SumRow<const SQUARE: bool>;

impl<T: Float, const SQUARE: bool> Body<T> for SumRow<SQUARE> {
    #[inline(always)]
    unsafe fn run<L: Lanes<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, with one operand and one element of result.
        let (out, row): (&mut [T], &[T]) = unsafe { (result(out, 1), operand(operands, 0, n)) };
        out[0] = T::from_f64(row_total::<T, SQUARE>(row, T::from_f64(1.0)));
    }
}

/// The mean of a row, or (`SQUARE`) its Euclidean norm: one element.
struct ScaledRow<const SQUARE: bool>;

impl<T: Float, const SQUARE: bool> Body<T> for ScaledRow<SQUARE> {
    #[inline(always)]
    unsafe fn run<L: Lanes<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, with one operand and one element of result.
        let (out, row): (&mut [T], &[T]) = unsafe { (result(out, 1), operand(operands, 0, n)) };
        let reduction = if SQUARE { Reduction::Norm } else { Reduction::Mean };
        let total = row_total::<T, SQUARE>(row, T::from_f64(1.0));
        out[0] = finish(reduction, total, n, 1.0);
        if let Some(scale) = rescue(reduction, out[0]) {
            let total = row_total::<T, SQUARE>(row, T::from_f64(scale));
            out[0] = finish(reduction, total, n, scale);
        }
    }
}

/// By what the elements have to be multiplied to get a result that is right, after one that left the
/// range of its type on the way: `None` if it did not.
pub(crate) fn rescue<T: Float>(reduction: Reduction, result: T) -> Option<f64> {
    let result = result.to_f64();
    match reduction {
        // More than the number of elements, which is all by which a sum exceeds the largest of them.
        Reduction::Mean if !result.is_finite() => Some(power_of_two(-64)),
        Reduction::Norm if result == f64::INFINITY => Some(T::DOWN),
        Reduction::Norm if result < T::TINY => Some(T::UP),
        _ => None,
    }
}

/// What a reduction makes of the sum of `count` terms, whose elements were multiplied by `scale`.
pub(crate) fn finish<T: Float>(reduction: Reduction, total: f64, count: usize, scale: f64) -> T {
    match reduction {
        Reduction::Mean if scale == 1.0 => T::from_f64(total / count as f64),
        // A mean is not beyond the largest number, but may be by rounding.
        Reduction::Mean if total.is_finite() => {
            let largest = T::DTYPE.largest();
            T::from_f64((total / count as f64 / scale).clamp(-largest, largest))
        }
        Reduction::Norm => T::from_f64(total.sqrt() / scale),
        _ => T::from_f64(total),
    }
}

/// A sum with the low part that additions lost carried along (A. Neumaier, 1974).
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct Total {
    sum: f64,
    lost: f64,
}

impl Total {
    #[inline(always)]
    pub(crate) fn add(&mut self, x: f64) {
        let sum = self.sum + x;
        let lost =
            if self.sum.abs() >= x.abs() { (self.sum - sum) + x } else { (x - sum) + self.sum };
        // An infinite sum has lost nothing (the difference would be NaN).
        self.lost += if sum.is_finite() { lost } else { 0.0 };
        self.sum = sum;
    }

    /// Adds the sum of a block: as it is, if there are digits enough for many.
    #[inline(always)]
    pub(crate) fn add_block<T: Float>(&mut self, x: T) {
        if T::IS_NARROW {
            self.sum += x.to_f64();
        } else {
            self.add(x.to_f64());
        }
    }

    #[inline(always)]
    pub(crate) fn value(&self) -> f64 {
        self.sum + self.lost
    }
}

/// The sum of the sums of a row's blocks, as [`SumRow`] makes it.
pub(crate) fn combine_sums<T: Float>(sums: &[T]) -> f64 {
    let mut total = Total::default();
    sums.iter().for_each(|&sum| total.add(sum.to_f64()));
    total.value()
}

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

/// What the lanes of a sum begin with, what goes into them, and what comes out.
struct OpenSum;
struct IntoSum<const SQUARE: bool>;
struct CloseSum;

impl<T: Float> Body<T> for OpenSum {
    #[inline(always)]
    unsafe fn run<L: Lanes<Elem = T>>(_: usize, out: *mut u8, _: &Operands) {
        // SAFETY: the caller's promise: the result is STRIDE elements.
        unsafe { result(out, STRIDE) }.fill(T::default());
    }
}

impl<T: Float, const SQUARE: bool> Body<T> for IntoSum<SQUARE> {
    #[inline(always)]
    unsafe fn run<L: Lanes<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, with one operand and lanes as the result.
        let (lanes, row): (&mut [T; STRIDE], &[T]) =
            unsafe { (&mut *out.cast(), operand(operands, 0, n)) };
        fold_into(lanes, row, |a, x| a.plus(term::<T, SQUARE>(x)));
    }
}

impl<T: Float> Body<T> for CloseSum {
    #[inline(always)]
    unsafe fn run<L: Lanes<Elem = T>>(_: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise: lanes as the operand, one element of result.
        let lanes: [T; STRIDE] = unsafe { operands[0].cast::<[T; STRIDE]>().read() };
        // SAFETY: as above.
        unsafe { out.cast::<T>().write(close(lanes, |a, b| a.plus(b))) };
    }
}

/// The largest (`MAX`) or smallest element of a row; NaN if there is one.
struct ExtremeRow<const MAX: bool>;

/// The better one of two; NaN wins.
#[inline(always)]
fn better<T: Float, const MAX: bool>(a: T, b: T) -> T {
    let better = if MAX { b > a } else { b < a };
    #[allow(clippy::eq_op)] // a number that is not itself is NaN
    if better | (b != b) { b } else { a }
}

/// What every number is better than, or equal to.
#[inline(always)]
fn worst<T: Float, const MAX: bool>() -> T {
    T::from_f64(if MAX { f64::NEG_INFINITY } else { f64::INFINITY })
}

#[inline(always)]
fn extreme_of<T: Float, const MAX: bool>(row: &[T]) -> T {
    // NaNs are looked for apart: the comparison alone is one instruction for a whole vector.
    #[allow(clippy::eq_op)] // a number that is not itself is NaN
    let has_nan = row.iter().fold(false, |any, &x| any | (x != x));
    if has_nan {
        return T::from_f64(f64::NAN);
    }
    // By blocks, as sums are, so that a row which comes in pieces has the same zero among equals.
    let beyond = |a: T, b: T| if if MAX { b > a } else { b < a } { b } else { a };
    let mut best = worst::<T, MAX>();
    for (k, block) in row.chunks(SUM_BLOCK).enumerate() {
        let one = fold_row(block, worst::<T, MAX>(), beyond);
        best = if k == 0 { one } else { beyond(best, one) };
    }
    best
}

/// As the parts of a sum.
struct OpenExtreme<const MAX: bool>;
struct IntoExtreme<const MAX: bool>;
struct CloseExtreme<const MAX: bool>;

impl<T: Float, const MAX: bool> Body<T> for OpenExtreme<MAX> {
    #[inline(always)]
    unsafe fn run<L: Lanes<Elem = T>>(_: usize, out: *mut u8, _: &Operands) {
        // SAFETY: the caller's promise: the result is STRIDE elements.
        unsafe { result(out, STRIDE) }.fill(worst::<T, MAX>());
    }
}

impl<T: Float, const MAX: bool> Body<T> for IntoExtreme<MAX> {
    #[inline(always)]
    unsafe fn run<L: Lanes<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, with one operand and lanes as the result.
        let (lanes, row): (&mut [T; STRIDE], &[T]) =
            unsafe { (&mut *out.cast(), operand(operands, 0, n)) };
        fold_into(lanes, row, better::<T, MAX>);
    }
}

impl<T: Float, const MAX: bool> Body<T> for CloseExtreme<MAX> {
    #[inline(always)]
    unsafe fn run<L: Lanes<Elem = T>>(_: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise: lanes as the operand, one element of result.
        let lanes: [T; STRIDE] = unsafe { operands[0].cast::<[T; STRIDE]>().read() };
        // SAFETY: as above.
        unsafe { out.cast::<T>().write(close(lanes, better::<T, MAX>)) };
    }
}

impl<T: Float, const MAX: bool> Body<T> for ExtremeRow<MAX> {
    #[inline(always)]
    unsafe fn run<L: Lanes<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, with one operand and one element of result.
        let (out, row): (&mut [T], &[T]) = unsafe { (result(out, 1), operand(operands, 0, n)) };
        out[0] = extreme_of::<T, MAX>(row);
    }
}

/// Where the first of a row's extremes is, as i64; the first NaN if there is one.
struct ArgRow<const MAX: bool>;

impl<T: Float, const MAX: bool> Body<T> for ArgRow<MAX> {
    #[inline(always)]
    unsafe fn run<L: Lanes<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, with one operand and one i64 of result.
        let (out, row): (&mut [i64], &[T]) = unsafe { (result(out, 1), operand(operands, 0, n)) };
        if n <= STRIDE {
            // Not worth the beginning and the end of a loop over vectors.
            let (mut best, mut first) = (row[0], 0);
            for (i, &x) in row.iter().enumerate() {
                let beyond = if MAX { x > best } else { x < best };
                #[allow(clippy::eq_op)] // a number that is not itself is NaN
                let is_better = (best == best) & (beyond | (x != x));
                first = if is_better { i } else { first };
                best = if is_better { x } else { best };
            }
            out[0] = first as i64;
            return;
        }
        let best = extreme_of::<T, MAX>(row);
        #[allow(clippy::eq_op)] // a number that is not itself is NaN
        let first = match best == best {
            true => first_place(row, |x| x == best),
            false => first_place(row, |x| x != x),
        };
        out[0] = first as i64;
    }
}

/// The place of the first element that is sought, in a row that has one.
#[inline(always)]
fn first_place<T: Copy>(row: &[T], is_sought: impl Fn(T) -> bool) -> usize {
    // Blocks without a branch, and then the place in the block.
    const BLOCK: usize = 64;
    let blocks = row.as_chunks::<BLOCK>().0;
    let holds = |block: &[T; BLOCK]| block.iter().fold(false, |any, &x| any | is_sought(x));
    let start = blocks.iter().position(holds).unwrap_or(blocks.len()) * BLOCK;
    start + row[start..].iter().position(|&x| is_sought(x)).unwrap_or(0)
}

/// Elements of a row that are taken through the exponential function at a time, on the stack.
const EXP_BLOCK: usize = 256;

/// e^(x - shift)
struct ShiftedExp(f64);

impl Lanewise<1> for ShiftedExp {
    #[inline(always)]
    fn apply<L: Lanes>(&self, [x]: [L; 1]) -> L {
        (x - L::lit(self.0)).exp()
    }
}

/// Writes e^(x - shift) of a row; their sum.
#[inline(always)]
fn shifted_exps<L: Lanes<Elem = T>, T: Float>(out: &mut [T], row: &[T], shift: T) -> f64 {
    let mut total = Total::default();
    for (out, row) in out.chunks_mut(EXP_BLOCK).zip(row.chunks(EXP_BLOCK)) {
        each::<L, 1>(out, [row], &ShiftedExp(shift.to_f64()));
        total.add(fold_row(out, T::default(), |a, b| a.plus(b)).to_f64());
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
        total.add(fold_row(scratch, T::default(), |a, b| a.plus(b)).to_f64());
    }
    total.value()
}

/// Divides a row by a number: by its inverse, rounded once, as the number itself would be.
#[inline(always)]
fn share_out<T: Float>(row: &mut [T], total: f64) {
    let inverse = T::from_f64(1.0 / total);
    for y in row {
        *y = y.times(inverse);
    }
}

/// log sum e^x of a row, one element.
struct LogSumExpRow;

impl<T: Float> Body<T> for LogSumExpRow {
    #[inline(always)]
    unsafe fn run<L: Lanes<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, with one operand and one element of result.
        let (out, row): (&mut [T], &[T]) = unsafe { (result(out, 1), operand(operands, 0, n)) };
        let largest = extreme_of::<T, true>(row);
        // An infinite maximum cannot be taken off; without it the sum is 0 or infinite, as it is.
        let shift = if largest.to_f64().is_finite() { largest } else { T::default() };
        let sum = shifted_sum::<L, T>(row, shift);
        out[0] = T::from_f64(shift.to_f64() + Real::ln(sum));
    }
}

/// The softmax of a row.
struct SoftmaxRow;

impl<T: Float> Body<T> for SoftmaxRow {
    #[inline(always)]
    unsafe fn run<L: Lanes<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, with one operand.
        let (out, row): (&mut [T], &[T]) = unsafe { (result(out, n), operand(operands, 0, n)) };
        if row.is_empty() {
            return;
        }
        // The plain maximum: a row of -inf, or with +inf, is NaN, as in PyTorch.
        let largest = extreme_of::<T, true>(row);
        let total = shifted_exps::<L, T>(out, row, largest);
        share_out(out, total);
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

/// The logarithm of the softmax of a row.
struct LogSoftmaxRow;

impl<T: Float> Body<T> for LogSoftmaxRow {
    #[inline(always)]
    unsafe fn run<L: Lanes<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, with one operand.
        let (out, row): (&mut [T], &[T]) = unsafe { (result(out, n), operand(operands, 0, n)) };
        if row.is_empty() {
            return;
        }
        let largest = extreme_of::<T, true>(row);
        let log = Real::ln(shifted_sum::<L, T>(row, largest));
        each::<L, 1>(out, [row], &ShiftedTwice(largest.to_f64(), log));
    }
}

/// The logarithm of the softmax of a row and the softmax itself. Operands: the row, and the place
/// where the softmax is written.
struct SoftmaxesRow;

impl<T: Float> Body<T> for SoftmaxesRow {
    #[inline(always)]
    unsafe fn run<L: Lanes<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise: operands as the struct says, the second being its alone,
        // so that writing through it is allowed.
        let (log, shares, row): (&mut [T], &mut [T], &[T]) =
            unsafe { (result(out, n), result(operands[1].cast_mut(), n), operand(operands, 0, n)) };
        if row.is_empty() {
            return;
        }
        let largest = extreme_of::<T, true>(row);
        let total = shifted_exps::<L, T>(shares, row, largest);
        share_out(shares, total);
        each::<L, 1>(log, [row], &ShiftedTwice(largest.to_f64(), Real::ln(total)));
    }
}

// ---- accumulation: the result is also an operand ----

/// out += x, or its square: gradients that add up, and sums over outer axes.
struct Accumulate<const SQUARE: bool>;

impl<T: Float, const SQUARE: bool> Body<T> for Accumulate<SQUARE> {
    #[inline(always)]
    unsafe fn run<L: Lanes<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, with one operand.
        let (out, x): (&mut [T], &[T]) = unsafe { (result(out, n), operand(operands, 0, n)) };
        for (out, &x) in out.iter_mut().zip(x) {
            *out = out.plus(term::<T, SQUARE>(x));
        }
    }
}

/// out = the larger (`MAX`) or smaller of out and x; NaN wins.
struct AccumulateExtreme<const MAX: bool>;

impl<T: Float, const MAX: bool> Body<T> for AccumulateExtreme<MAX> {
    #[inline(always)]
    unsafe fn run<L: Lanes<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, with one operand.
        let (out, x): (&mut [T], &[T]) = unsafe { (result(out, n), operand(operands, 0, n)) };
        for (out, &x) in out.iter_mut().zip(x) {
            *out = better::<T, MAX>(*out, x);
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

/// The kernels for one float type at one level.
pub(crate) struct FloatKernels {
    eval: [Kernel; Elem::ALL.len()],
    pull: [[Kernel; 2]; Elem::ALL.len()],
    /// By reduction: sum, sum of squares, maximum, minimum. A block at once; begins, feeds and reads
    /// lanes; joins rows.
    block: [Kernel; 4],
    open: [Kernel; 4],
    fold_into: [Kernel; 4],
    close: [Kernel; 4],
    join: [Kernel; 4],
    combine_columns: Kernel,
    mean_row: Kernel,
    norm_row: Kernel,
    arg_row: [Kernel; 2],
    logsumexp_row: Kernel,
    pub(crate) softmax_row: Kernel,
    pub(crate) log_softmax_row: Kernel,
    /// Both: the logarithm to the result, the softmax to the second operand, which must then be valid
    /// for writing and overlap nothing.
    pub(crate) softmaxes_row: Kernel,
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
            at::<SumRow<false>, T>(level),
            at::<SumRow<true>, T>(level),
            at::<ExtremeRow<true>, T>(level),
            at::<ExtremeRow<false>, T>(level),
        ],
        open: [
            at::<OpenSum, T>(level),
            at::<OpenSum, T>(level),
            at::<OpenExtreme<true>, T>(level),
            at::<OpenExtreme<false>, T>(level),
        ],
        fold_into: [
            at::<IntoSum<false>, T>(level),
            at::<IntoSum<true>, T>(level),
            at::<IntoExtreme<true>, T>(level),
            at::<IntoExtreme<false>, T>(level),
        ],
        close: [
            at::<CloseSum, T>(level),
            at::<CloseSum, T>(level),
            at::<CloseExtreme<true>, T>(level),
            at::<CloseExtreme<false>, T>(level),
        ],
        join: [
            at::<Accumulate<false>, T>(level),
            at::<Accumulate<true>, T>(level),
            at::<AccumulateExtreme<true>, T>(level),
            at::<AccumulateExtreme<false>, T>(level),
        ],
        combine_columns: at::<CombineColumns, T>(level),
        mean_row: at::<ScaledRow<false>, T>(level),
        norm_row: at::<ScaledRow<true>, T>(level),
        arg_row: [at::<ArgRow<true>, T>(level), at::<ArgRow<false>, T>(level)],
        logsumexp_row: at::<LogSumExpRow, T>(level),
        softmax_row: at::<SoftmaxRow, T>(level),
        log_softmax_row: at::<LogSoftmaxRow, T>(level),
        softmaxes_row: at::<SoftmaxesRow, T>(level),
        sincos: at::<SinCos, T>(level),
        accumulate: at::<Accumulate<false>, T>(level),
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
    /// Reduces a row to one element.
    pub(crate) fn row(&self, reduction: Reduction) -> Kernel {
        match reduction {
            Reduction::Mean => self.mean_row,
            Reduction::Norm => self.norm_row,
            Reduction::LogSumExp => self.logsumexp_row,
            reduction => self.block(reduction),
        }
    }

    /// Reduces a block to one partial result.
    pub(crate) fn block(&self, reduction: Reduction) -> Kernel {
        self.block[part(reduction)]
    }

    /// Finds the first extreme of a row: one i64.
    pub(crate) fn arg(&self, which: Extreme) -> Kernel {
        match which {
            Extreme::Max => self.arg_row[0],
            Extreme::Min => self.arg_row[1],
        }
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

mod chain;
#[cfg(all(test, target_arch = "x86_64"))]
mod machine_code;
mod register;
#[cfg(test)]
mod tests;
