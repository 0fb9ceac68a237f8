//! How elements are reduced, one by one.

use std::marker::PhantomData;

use super::body::{Operands, Plain, operand, result};
use super::float::{Bits, Float};

/// Elements that are reduced side by side.
pub(crate) const STRIDE: usize = 16;

/// Elements of a row that are summed in its own precision before the sum goes on in f64.
pub(crate) const SUM_BLOCK: usize = 1024;

/// How elements are reduced: `join` is associative up to rounding, and `first` neutral.
pub(super) trait Fold<T> {
    fn first() -> T;
    /// What there is after one element alone.
    fn begin(x: T) -> T;
    /// Takes an element in.
    fn take(held: T, x: T) -> T;
    fn join(a: T, b: T) -> T;
}

/// The sum of elements, or (`SQUARE`) of their squares.
pub(super) struct Sum<const SQUARE: bool>;

impl<T: Float, const SQUARE: bool> Fold<T> for Sum<SQUARE> {
    #[inline(always)]
    fn first() -> T {
        T::default()
    }
    #[inline(always)]
    fn begin(x: T) -> T {
        term::<T, SQUARE>(x)
    }
    #[inline(always)]
    fn take(held: T, x: T) -> T {
        held.plus(term::<T, SQUARE>(x))
    }
    #[inline(always)]
    fn join(a: T, b: T) -> T {
        a.plus(b)
    }
}

/// The largest (`MAX`) or smallest element; NaN if there is one.
pub(super) struct Best<const MAX: bool>;

impl<T: Float, const MAX: bool> Fold<T> for Best<MAX> {
    #[inline(always)]
    fn first() -> T {
        T::from_f64(if MAX { f64::NEG_INFINITY } else { f64::INFINITY })
    }
    #[inline(always)]
    fn begin(x: T) -> T {
        x
    }
    #[inline(always)]
    fn take(held: T, x: T) -> T {
        better::<T, MAX>(held, x)
    }
    #[inline(always)]
    fn join(a: T, b: T) -> T {
        better::<T, MAX>(a, b)
    }
}

/// As [`Best`], of numbers: NaNs may be passed over.
pub(super) struct Beyond<const MAX: bool>;

impl<T: Float, const MAX: bool> Fold<T> for Beyond<MAX> {
    #[inline(always)]
    fn first() -> T {
        Best::<MAX>::first()
    }
    #[inline(always)]
    fn begin(x: T) -> T {
        x
    }
    #[inline(always)]
    fn take(a: T, b: T) -> T {
        beyond::<T, MAX>(a, b)
    }
    #[inline(always)]
    fn join(a: T, b: T) -> T {
        beyond::<T, MAX>(a, b)
    }
}

/// What a sum takes of an element: the element itself, or its square.
#[inline(always)]
pub(super) fn term<T: Float, const SQUARE: bool>(x: T) -> T {
    if SQUARE { x.times(x) } else { x }
}

/// The better one of two numbers, or the first.
#[inline(always)]
pub(super) fn beyond<T: Float, const MAX: bool>(a: T, b: T) -> T {
    if if MAX { b > a } else { b < a } { b } else { a }
}

/// The better one of two; NaN wins. (As bits: where the result is stored over `a`, LLVM would make of a
/// choice between the two a store under a mask, which takes many times as long on some CPUs.)
#[inline(always)]
pub(super) fn better<T: Float, const MAX: bool>(a: T, b: T) -> T {
    T::from_bits(beyond::<T, MAX>(a, b).bits() | nan(b))
}

/// All bits if it is NaN, else none.
#[inline(always)]
pub(super) fn nan<T: Float>(x: T) -> T::Bits {
    #[allow(clippy::eq_op)] // a number that is not itself is NaN
    if x != x { T::Bits::ALL } else { T::Bits::of(0) }
}

// ---- accumulation: the result is also an operand ----

/// Takes x into out: gradients that add up, and reductions over outer axes.
pub(super) struct Accumulate<F>(PhantomData<F>);

impl<T: Float, F: Fold<T>> Plain<T> for Accumulate<F> {
    #[inline(always)]
    unsafe fn run(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, with one operand.
        let (out, x): (&mut [T], &[T]) = unsafe { (result(out, n), operand(operands, 0, n)) };
        for (out, &x) in out.iter_mut().zip(x) {
            *out = F::take(*out, x);
        }
    }
}
