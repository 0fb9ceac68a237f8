//! The loops that softmax and its like are made of.

use super::body::{Body, Operands, Plain, operand, result};
use super::each::{Lanewise, each};
use super::float::Float;
use crate::lane::Register;
use crate::real::Real;

/// out = e^(x - shift). If `ONE`, there is one shift for all elements; so it is below.
pub(super) struct ExpOfDifference<const ONE: bool>;

/// With a shift for each element, and with one.
struct ExpOfDifferences;
struct ExpOfShifted(f64);

impl Lanewise<2> for ExpOfDifferences {
    #[inline(always)]
    fn apply<R: Real>(&self, [x, shift]: [R; 2]) -> R {
        (x - shift).exp()
    }
}

impl Lanewise<1> for ExpOfShifted {
    #[inline(always)]
    fn apply<R: Real>(&self, [x]: [R; 1]) -> R {
        (x - R::lit(self.0)).exp()
    }
}

impl<T: Float, const ONE: bool> Body<T> for ExpOfDifference<ONE> {
    #[inline(always)]
    unsafe fn run<R: Register<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, with two operands.
        unsafe {
            let (out, x): (&mut [T], &[T]) = (result(out, n), operand(operands, 0, n));
            if ONE {
                let shift = operand::<T>(operands, 1, 1)[0];
                each::<R, T, 1>(out, [x], &ExpOfShifted(shift.to_f64()));
            } else {
                each::<R, T, 2>(out, [x, operand(operands, 1, n)], &ExpOfDifferences);
            }
        }
    }
}

/// out = out by
pub(super) struct Multiply<const ONE: bool>;

impl<T: Float, const ONE: bool> Plain<T> for Multiply<ONE> {
    #[inline(always)]
    unsafe fn run(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, with one operand.
        let (out, by): (&mut [T], &[T]) =
            unsafe { (result(out, n), operand(operands, 0, if ONE { 1 } else { n })) };
        if ONE {
            let by = by[0];
            out.iter_mut().for_each(|out| *out = out.times(by));
        } else {
            out.iter_mut().zip(by).for_each(|(out, &by)| *out = out.times(by));
        }
    }
}

/// out = (x - a) - b, in this order: the first difference is exact where it matters.
pub(super) struct MinusBoth<const ONE: bool>;

impl<T: Float, const ONE: bool> Plain<T> for MinusBoth<ONE> {
    #[inline(always)]
    unsafe fn run(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, with three operands.
        let (out, x, [a, b]): (&mut [T], &[T], [&[T]; 2]) = unsafe {
            let others = [1, 2].map(|k| operand(operands, k, if ONE { 1 } else { n }));
            (result(out, n), operand(operands, 0, n), others)
        };
        if ONE { minus_one::<T>(out, x, a[0], b[0]) } else { minus_both(out, x, a, b) }
    }
}

/// Functions of their own: that `out` is a parameter tells LLVM that it overlaps nothing.
#[inline(always)]
fn minus_both<T: Float>(out: &mut [T], x: &[T], a: &[T], b: &[T]) {
    let n = out.len();
    assert!(x.len() == n && a.len() == n && b.len() == n);
    for k in 0..n {
        out[k] = x[k].minus(a[k]).minus(b[k]);
    }
}

#[inline(always)]
fn minus_one<T: Float>(out: &mut [T], x: &[T], a: T, b: T) {
    for (out, x) in out.iter_mut().zip(x) {
        *out = x.minus(a).minus(b);
    }
}
