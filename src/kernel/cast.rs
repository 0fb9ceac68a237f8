//! Conversions between element types.

use std::marker::PhantomData;

use super::body::{DTYPES, Levels, Operands, Plain, operand, plain, result};
use crate::dtype::Element;

/// Operand: one of `T`; the result is of `U`.
pub(super) struct Cast<U>(PhantomData<U>);

impl<T: Element + As<U>, U: Element> Plain<T> for Cast<U> {
    #[inline(always)]
    unsafe fn run(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, with one operand of T and a result of U.
        let (out, from): (&mut [U], &[T]) = unsafe { (result(out, n), operand(operands, 0, n)) };
        convert(out, from);
    }
}

#[inline(always)]
pub(super) fn convert<T: As<U> + Copy, U>(out: &mut [U], from: &[T]) {
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

pub(super) static CAST: [[Levels; DTYPES]; DTYPES] =
    [cast_from::<f32>(), cast_from::<f64>(), cast_from::<i64>(), cast_from::<u8>()];
