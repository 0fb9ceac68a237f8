//! Elementwise rules, each one a kernel of its value and one of each cotangent.

use std::marker::PhantomData;

use super::angle::{all_near, any_beyond, repair};
use super::body::{
    Body, Kernel, Operands, Scratch, Single, at, call1, operand, operands as lists, place, result,
    with_single,
};
use super::cast::CAST;
use super::each::{Lanewise, each};
use super::float::Float;
use crate::dtype::DType;
use crate::lane::Register;
use crate::level::Level;
use crate::op::{Elementwise, binary, pull_reads_operand, unary};
use crate::real::Real;
use crate::roll_call::{Elem, roll_call};

/// Computes again, one by one, what a rule says that lanes do not get right.
#[inline(always)]
fn again_where_rare<O: Elementwise<N>, T: Float, const N: usize>(out: &mut [T], from: [&[T]; N]) {
    if !O::IS_REPAIRED {
        return;
    }
    let operands = |i: usize| in_f64(&from, i);
    // Looking first keeps the rare loop out of the common path.
    if (0..out.len()).fold(false, |any, i| any | O::needs_repair(operands(i))) {
        for i in (0..out.len()).filter(|&i| O::needs_repair(operands(i))) {
            out[i] = T::from_f64(O::eval::<f64>(operands(i)));
        }
    }
}

/// The operands of one element.
#[inline(always)]
fn in_f64<T: Float, const N: usize>(from: &[&[T]; N], i: usize) -> [f64; N] {
    let mut x = [0.0; N];
    for k in 0..N {
        x[k] = from[k][i].to_f64();
    }
    x
}

/// The value of a rule.
struct Eval<O, const N: usize>(PhantomData<O>);

impl<O: Elementwise<N>, const N: usize> Lanewise<N> for Eval<O, N> {
    #[inline(always)]
    fn apply<R: Real>(&self, x: [R; N]) -> R {
        O::eval(x)
    }
}

impl<O: Elementwise<N>, T: Float, const N: usize> Body<T> for Eval<O, N> {
    #[inline(always)]
    unsafe fn run<R: Register<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, with N operands.
        let (out, from): (&mut [T], [&[T]; N]) = unsafe { (result(out, n), lists(operands, n)) };
        if O::IS_WIDE {
            each::<R, T, N>(out, from, &Self(PhantomData));
            return again_where_rare::<O, T, N>(out, from);
        }
        if !O::TRIG || all_near::<R, T>(from[0]) {
            return each::<R, T, N>(out, from, &Self(PhantomData));
        }
        each::<R::Far, T, N>(out, from, &Self(PhantomData));
        repair::<R::Far, T>(out, from[0], |i| O::eval::<f64>(in_f64(&from, i)));
    }
}

impl<O: Elementwise<N>, T: Float, const N: usize> Single<T> for Eval<O, N> {
    #[inline(always)]
    unsafe fn is_plain<R: Register<Elem = T>>(operands: &Operands) -> bool {
        // SAFETY: the caller's promise.
        !O::TRIG || !any_beyond::<R, T>(unsafe { operand(operands, 0, 1) })
    }
}

/// The cotangent that a rule of one operand sends to it. Operands: the rule's, its value, the
/// value's cotangent. Those that the rule does not read are given as copies of the last.
struct Pull1<O>(PhantomData<O>);

impl<O: Elementwise<1>> Lanewise<3> for Pull1<O> {
    #[inline(always)]
    fn apply<R: Real>(&self, [x, y, g]: [R; 3]) -> R {
        let [cotangent] = O::pull([x], y, g);
        cotangent
    }
}

impl<O: Elementwise<1>, T: Float> Body<T> for Pull1<O> {
    #[inline(always)]
    unsafe fn run<R: Register<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, with 3 operands.
        let (out, from): (&mut [T], [&[T]; 3]) = unsafe { (result(out, n), lists(operands, n)) };
        if O::IS_WIDE {
            return each::<R, T, 3>(out, from, &Self(PhantomData));
        }
        // (What is not read stands for anything: it is no angle.)
        if !O::TRIG || !pull_reads_operand::<O>() || all_near::<R, T>(from[0]) {
            return each::<R, T, 3>(out, from, &Self(PhantomData));
        }
        // The slope is a number of its type before the cotangent comes to it, as it is in a step that
        // has sine and cosine anyway: so these give the same bits.
        each::<R::Far, T, 3>(out, from, &Slope::<O>(PhantomData));
        repair::<R::Far, T>(out, from[0], |i| {
            let [x, y, _] = in_f64(&from, i);
            O::pull::<f64>([x], y, 1.0)[0]
        });
        for (slope, &g) in out.iter_mut().zip(from[2]) {
            *slope = slope.times(g);
        }
    }
}

impl<O: Elementwise<1>, T: Float> Single<T> for Pull1<O> {
    #[inline(always)]
    unsafe fn is_plain<R: Register<Elem = T>>(operands: &Operands) -> bool {
        // SAFETY: the caller's promise.
        !O::TRIG
            || !pull_reads_operand::<O>()
            || !any_beyond::<R, T>(unsafe { operand(operands, 0, 1) })
    }
}

/// As [`Pull1`], for a cotangent of 1.
struct Slope<O>(PhantomData<O>);

impl<O: Elementwise<1>> Lanewise<3> for Slope<O> {
    #[inline(always)]
    fn apply<R: Real>(&self, [x, y, _]: [R; 3]) -> R {
        let [cotangent] = O::pull([x], y, R::lit(1.0));
        cotangent
    }
}

/// The cotangent that a rule of two operands sends to operand `I`; otherwise as [`Pull1`].
struct Pull2<O, const I: usize>(PhantomData<O>);

impl<O: Elementwise<2>, const I: usize> Lanewise<4> for Pull2<O, I> {
    #[inline(always)]
    fn apply<R: Real>(&self, [a, b, y, g]: [R; 4]) -> R {
        O::pull([a, b], y, g)[I]
    }
}

impl<O: Elementwise<2>, T: Float, const I: usize> Body<T> for Pull2<O, I> {
    #[inline(always)]
    unsafe fn run<R: Register<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        const { assert!(!O::TRIG, "only rules of one operand are repaired") };
        // SAFETY: the caller's promise, with 4 operands.
        let (out, from): (&mut [T], [&[T]; 4]) = unsafe { (result(out, n), lists(operands, n)) };
        if O::IS_WIDE {
            return each::<R, T, 4>(out, from, &Self(PhantomData));
        }
        each::<R, T, 4>(out, from, &Self(PhantomData));
    }
}

impl<O: Elementwise<2>, T: Float, const I: usize> Single<T> for Pull2<O, I> {}

/// A kernel of a rule, at the level that it is compiled for where this one is wanted. (Both have the
/// same bits.)
const fn of_rule<O: Elementwise<N>, B: Single<T>, T: Float, const N: usize>(
    level: Level,
) -> Kernel {
    let level = match level {
        Level::V4 if O::IS_RARE => Level::V3,
        level => level,
    };
    if O::IS_FREQUENT { with_single::<B, T>(level) } else { at::<B, T>(level) }
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

/// (One function, and no copy of it for each rule.)
///
/// # Safety
/// As for [`widened_at`]; `kernel` is for f64, has so many operands, and the CPU can run its level.
#[inline(never)]
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

/// The kernels of rules for one float type at one level.
pub(super) struct Rules {
    pub(super) eval: [Kernel; Elem::ALL.len()],
    pub(super) pull: [[Kernel; 2]; Elem::ALL.len()],
}

/// One for each level.
const fn all<T: Float>() -> [Rules; 3] {
    [
        Rules { eval: evals::<T>(Level::Baseline), pull: pulls::<T>(Level::Baseline) },
        Rules { eval: evals::<T>(Level::V3), pull: pulls::<T>(Level::V3) },
        Rules { eval: evals::<T>(Level::V4), pull: pulls::<T>(Level::V4) },
    ]
}

static F32: [Rules; 3] = all::<f32>();
static F64: [Rules; 3] = all::<f64>();

/// The kernels of rules for a float type at a level.
pub(super) fn rules(dtype: DType, level: Level) -> &'static Rules {
    match dtype {
        DType::F32 => &F32[level as usize],
        DType::F64 => &F64[level as usize],
        other => unreachable!("{other} was rejected when the node was recorded"),
    }
}
