//! The baseline's registers: `wide`'s, for where SIMD must not hang on the auto-vectoriser. This is the
//! only file that names that crate. (`wide` cannot serve the levels above: it chooses its instructions
//! when it is itself compiled.)

use std::ops::{Add, Div, Mul, Neg, Sub};

use wide::{f32x4, f64x2, f64x4, u32x4, u64x2, u64x4};

use super::functions::{by_functions, functions};
use super::number::Fused;
use super::{Bits, Lane32, Lane64, Register, Widened};
use crate::level::Level;
use crate::real::Real;

/// Four f32.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct W32(f32x4);

/// Four f64.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct W64(f64x4);

/// Two f64, for kernels: where the CPU has no larger registers, the code for four is twice as long.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct Short64(f64x2);

/// Everything that is the same for all.
macro_rules! wide {
    ($lane:ident: $lanes:literal $float:ident in $floats:ident, $integers:expr; $($trait:ident $function:ident),*) => {
        $(impl $trait for $lane {
            type Output = Self;
            #[inline(always)]
            fn $function(self, other: Self) -> Self {
                Self(self.0.$function(other.0))
            }
        })*

        impl Neg for $lane {
            type Output = Self;
            #[inline(always)]
            fn neg(self) -> Self {
                Self(-self.0)
            }
        }

        impl Real for $lane {
            /// All bits set in a lane for true, none for false.
            type Mask = $floats;

            #[inline(always)]
            fn lit(x: f64) -> Self {
                Self($floats::splat(x as $float))
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
            fn eq(self, other: Self) -> $floats {
                self.0.simd_eq(other.0)
            }
            #[inline(always)]
            fn lt(self, other: Self) -> $floats {
                self.0.simd_lt(other.0)
            }
            #[inline(always)]
            fn le(self, other: Self) -> $floats {
                self.0.simd_le(other.0)
            }
            #[inline(always)]
            fn select(mask: $floats, yes: Self, no: Self) -> Self {
                Self(mask.select(yes.0, no.0))
            }
            functions!(by_functions $float);
        }

        impl Bits for $lane {
            type Elem = $float;
            const FMA: bool = false;
            const FAR: bool = true;
            const INTEGERS: f64 = $integers;

            /// Two roundings even where the target has FMA: the baseline gives the same bits
            /// however the crate was compiled.
            #[inline(always)]
            fn mul_add(self, factor: Self, term: Self) -> Self {
                self * factor + term
            }
            #[inline(always)]
            fn and(self, other: Self) -> Self {
                Self(self.0 & other.0)
            }
            #[inline(always)]
            fn or(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
            #[inline(always)]
            fn xor(self, other: Self) -> Self {
                Self(self.0 ^ other.0)
            }
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                // `wide` integers wrap around.
                Self($floats::from_bits(self.0.to_bits() + other.0.to_bits()))
            }
            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                Self($floats::from_bits(self.0.to_bits() - other.0.to_bits()))
            }
            #[inline(always)]
            fn shl<const BY: u32>(self) -> Self {
                Self($floats::from_bits(self.0.to_bits() << BY))
            }
            #[inline(always)]
            fn shr<const BY: u32>(self) -> Self {
                Self($floats::from_bits(self.0.to_bits() >> BY))
            }
        }

        // SAFETY, of all functions: the trait's caller promises the pointers.
        impl Register for $lane {
            type Far = Self;
            type One = Fused<$float, true, false>;
            type Part = usize;
            const LEVEL: Level = Level::Baseline;
            const LANES: usize = $lanes;
            const LOADS_PARTS: bool = false;
            const SQUARE: usize = 1;

            #[inline(always)]
            fn part(count: usize) -> usize {
                count
            }
            #[inline(always)]
            unsafe fn load(from: *const $float) -> Self {
                // SAFETY: as above; alignment is not assumed.
                Self($floats::new(unsafe { from.cast::<[$float; $lanes]>().read_unaligned() }))
            }
            #[inline(always)]
            unsafe fn splat(from: *const $float) -> Self {
                // SAFETY: as above.
                Self($floats::splat(unsafe { *from }))
            }
            #[inline(always)]
            unsafe fn load_part(from: *const $float, part: usize) -> Self {
                let mut all = [0.0; $lanes];
                for (i, one) in all.iter_mut().enumerate().take(part) {
                    // SAFETY: as above.
                    *one = unsafe { *from.add(i) };
                }
                Self($floats::new(all))
            }
            #[inline(always)]
            unsafe fn load_filled(from: *const $float, part: usize) -> Self {
                // SAFETY: as above.
                let mut all = [unsafe { *from }; $lanes];
                // SAFETY: as above.
                all[..part].copy_from_slice(unsafe { std::slice::from_raw_parts(from, part) });
                Self($floats::new(all))
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $float) {
                // SAFETY: as above; alignment is not assumed.
                unsafe { to.cast::<[$float; $lanes]>().write_unaligned(self.0.to_array()) }
            }
            #[inline(always)]
            unsafe fn store_part(self, to: *mut $float, part: usize) {
                for (i, one) in self.0.to_array().iter().enumerate().take(part) {
                    // SAFETY: as above.
                    unsafe { *to.add(i) = *one };
                }
            }
            #[inline(always)]
            fn sum(self) -> $float {
                let mut all = self.0.to_array();
                let mut half = $lanes / 2;
                while half > 0 {
                    for i in 0..half {
                        all[i] += all[i + half];
                    }
                    half /= 2;
                }
                all[0]
            }
            #[inline(always)]
            unsafe fn transpose(from: *const $float, _: isize, to: *mut $float, _: usize) {
                // SAFETY: as above, of one element.
                unsafe { *to = *from };
            }
        }
    };
}
wide!(W32: 4 f32 in f32x4, 8388608.0; Add add, Sub sub, Mul mul, Div div);
wide!(W64: 4 f64 in f64x4, 4503599627370496.0; Add add, Sub sub, Mul mul, Div div);
wide!(Short64: 2 f64 in f64x2, 4503599627370496.0; Add add, Sub sub, Mul mul, Div div);

impl Lane32 for W32 {
    type Wide = W64;

    #[inline(always)]
    fn pattern(bits: u32) -> Self {
        Self(f32x4::from_bits(u32x4::splat(bits)))
    }
    #[inline(always)]
    fn widen(self) -> W64 {
        W64(f64x4::new(self.0.to_array().map(f64::from)))
    }
}

macro_rules! lane64 {
    ($lane:ident in $floats:ident, $patterns:ident) => {
        impl Lane64 for $lane {
            #[inline(always)]
            fn pattern(bits: u64) -> Self {
                Self($floats::from_bits($patterns::splat(bits)))
            }
            #[inline(always)]
            fn one_by_one(self, other: Self, f: fn(f64, f64) -> f64) -> Self {
                let (mut a, b) = (self.0.to_array(), other.0.to_array());
                for (a, b) in a.iter_mut().zip(b) {
                    *a = f(*a, b);
                }
                Self($floats::new(a))
            }
        }
    };
}
lane64!(W64 in f64x4, u64x4);
lane64!(Short64 in f64x2, u64x2);

impl Widened for W64 {
    type Narrow = W32;

    #[inline(always)]
    fn narrow(self) -> W32 {
        W32(f32x4::new(self.0.to_array().map(|x| x as f32)))
    }
}
