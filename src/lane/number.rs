//! One number.

use std::ops::{Add, Div, Mul, Neg, Sub};

use super::functions::{by_functions, functions};
use super::{Bits, Lane32, Lane64, Register, Widened};
use crate::level::Level;
use crate::real::Real;

/// One number, computed on with hardware FMA.
///
/// Only for use inside functions with `#[target_feature(enable = "avx2,fma")]` or more. Elsewhere
/// it is right but slow, unless it is without `FMA`: then it gives the bits of the baseline's registers.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Fused<T, const FAR: bool = false, const FMA: bool = true>(T);

impl<const FAR: bool, const FMA: bool> Fused<f64, FAR, FMA> {
    pub(crate) fn number(self) -> f64 {
        self.0
    }
}

/// Everything that is the same for f32 and f64.
macro_rules! fused {
    ($float:ident, $integers:expr; $($trait:ident $function:ident),*) => {
        $(impl<const FAR: bool, const FMA: bool> $trait for Fused<$float, FAR, FMA> {
            type Output = Self;
            #[inline(always)]
            fn $function(self, other: Self) -> Self {
                Self(self.0.$function(other.0))
            }
        })*

        impl<const FAR: bool, const FMA: bool> Neg for Fused<$float, FAR, FMA> {
            type Output = Self;
            #[inline(always)]
            fn neg(self) -> Self {
                Self(-self.0)
            }
        }

        impl<const FAR: bool, const FMA: bool> Real for Fused<$float, FAR, FMA> {
            type Mask = bool;

            #[inline(always)]
            fn lit(x: f64) -> Self {
                Self(x as $float)
            }
            #[inline(always)]
            fn abs(self) -> Self {
                Self(self.0.abs())
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                Self(self.0.sqrt())
            }
            #[inline(always)]
            fn eq(self, other: Self) -> bool {
                self.0 == other.0
            }
            #[inline(always)]
            fn lt(self, other: Self) -> bool {
                self.0 < other.0
            }
            #[inline(always)]
            fn le(self, other: Self) -> bool {
                self.0 <= other.0
            }
            #[inline(always)]
            fn select(mask: bool, yes: Self, no: Self) -> Self {
                if mask { yes } else { no }
            }
            functions!(by_functions $float);
        }

        impl<const FAR: bool, const FMA: bool> Bits for Fused<$float, FAR, FMA> {
            type Elem = $float;
            const FMA: bool = FMA;
            const FAR: bool = FAR;
            const INTEGERS: f64 = $integers;

            #[inline(always)]
            fn mul_add(self, factor: Self, term: Self) -> Self {
                if FMA { Self(self.0.mul_add(factor.0, term.0)) } else { self * factor + term }
            }
            #[inline(always)]
            fn and(self, other: Self) -> Self {
                Self($float::from_bits(self.0.to_bits() & other.0.to_bits()))
            }
            #[inline(always)]
            fn or(self, other: Self) -> Self {
                Self($float::from_bits(self.0.to_bits() | other.0.to_bits()))
            }
            #[inline(always)]
            fn xor(self, other: Self) -> Self {
                Self($float::from_bits(self.0.to_bits() ^ other.0.to_bits()))
            }
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                Self($float::from_bits(self.0.to_bits().wrapping_add(other.0.to_bits())))
            }
            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                Self($float::from_bits(self.0.to_bits().wrapping_sub(other.0.to_bits())))
            }
            #[inline(always)]
            fn shl<const BY: u32>(self) -> Self {
                Self($float::from_bits(self.0.to_bits() << BY))
            }
            #[inline(always)]
            fn shr<const BY: u32>(self) -> Self {
                Self($float::from_bits(self.0.to_bits() >> BY))
            }
            #[inline(always)]
            fn nearest(self) -> Self {
                Self(self.0.round_ties_even())
            }
            #[inline(always)]
            fn below(self) -> Self {
                Self(self.0.floor())
            }
            #[inline(always)]
            fn above(self) -> Self {
                Self(self.0.ceil())
            }
        }

        // SAFETY, of all functions: the trait's caller promises the pointers.
        impl<const FAR: bool, const FMA: bool> Register for Fused<$float, FAR, FMA> {
            type Far = Fused<$float, true, FMA>;
            type One = Self;
            type Part = usize;
            const LEVEL: Level = if FMA { Level::V3 } else { Level::Baseline };
            const LANES: usize = 1;
            const LOADS_PARTS: bool = false;
            const SQUARE: usize = 1;

            #[inline(always)]
            fn part(count: usize) -> usize {
                count
            }
            #[inline(always)]
            unsafe fn load(from: *const $float) -> Self {
                // SAFETY: as above.
                Self(unsafe { *from })
            }
            #[inline(always)]
            unsafe fn splat(from: *const $float) -> Self {
                // SAFETY: as above.
                Self(unsafe { *from })
            }
            #[inline(always)]
            unsafe fn load_part(from: *const $float, part: usize) -> Self {
                // SAFETY: as above.
                Self(if part == 0 { 0.0 } else { unsafe { *from } })
            }
            #[inline(always)]
            unsafe fn load_filled(from: *const $float, _: usize) -> Self {
                // SAFETY: as above.
                Self(unsafe { *from })
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $float) {
                // SAFETY: as above.
                unsafe { *to = self.0 }
            }
            #[inline(always)]
            unsafe fn store_part(self, to: *mut $float, part: usize) {
                if part > 0 {
                    // SAFETY: as above.
                    unsafe { *to = self.0 }
                }
            }
            #[inline(always)]
            fn sum(self) -> $float {
                self.0
            }
            #[inline(always)]
            unsafe fn transpose(from: *const $float, _: isize, to: *mut $float, _: usize) {
                // SAFETY: as above.
                unsafe { *to = *from }
            }
        }
    };
}
fused!(f32, 8388608.0; Add add, Sub sub, Mul mul, Div div);
fused!(f64, 4503599627370496.0; Add add, Sub sub, Mul mul, Div div);

impl<const FAR: bool, const FMA: bool> Lane32 for Fused<f32, FAR, FMA> {
    type Wide = Fused<f64, FAR, FMA>;

    #[inline(always)]
    fn pattern(bits: u32) -> Self {
        Self(f32::from_bits(bits))
    }
    #[inline(always)]
    fn widen(self) -> Self::Wide {
        Fused(f64::from(self.0))
    }
}

impl<const FAR: bool, const FMA: bool> Lane64 for Fused<f64, FAR, FMA> {
    #[inline(always)]
    fn pattern(bits: u64) -> Self {
        Self(f64::from_bits(bits))
    }
    #[inline(always)]
    fn one_by_one(self, other: Self, f: fn(f64, f64) -> f64) -> Self {
        Self(f(self.0, other.0))
    }
}

impl<const FAR: bool, const FMA: bool> Widened for Fused<f64, FAR, FMA> {
    type Narrow = Fused<f32, FAR, FMA>;

    #[inline(always)]
    fn narrow(self) -> Self::Narrow {
        Fused(self.0 as f32)
    }
}
