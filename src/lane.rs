//! What a kernel computes on at each [`Level`](crate::level::Level).
//!
//! - [`W32`] and [`W64`], four numbers of the `wide` crate: the baseline, where SIMD must not hang
//!   on the auto-vectoriser. This is the only file that names `wide`.
//! - [`Fused`], one plain number whose `mul_add` is the FMA instruction: levels v3 and v4. A plain
//!   loop over it inside a `#[target_feature]` function is vectorised by LLVM to whatever width
//!   that level has. `wide` cannot serve there: it chooses its instructions when *it* is compiled.
//!
//! The functions of `math` are written once over the traits [`Lane32`] and [`Lane64`]. They have no
//! branches, and no operation here that LLVM would leave scalar: reading an exponent goes through
//! bits and additions of a large constant, since conversions between 64-bit integers and floats
//! exist only from AVX-512 on.
//!
//! Everything is `inline(always)`: a function left outside its `#[target_feature]` caller would be
//! compiled for the baseline, where FMA is a library call.

use std::ops::{Add, Div, Mul, Neg, Sub};

use wide::{f32x4, f64x4, u32x4, u64x4};

use crate::function::{Function, Function2};
use crate::math::single::Reduced;
use crate::math::{self, NEAR_LIMIT_F32, TRIG_LIMIT_F32, TRIG_LIMIT_F64};
use crate::real::Real;

/// A [`Real`] that kernels move between memory and registers.
pub(crate) trait Lanes: Real {
    type Elem: Copy;

    /// How many elements one value holds.
    const LANES: usize;

    /// The `LANES` elements of `source` from place `at` on.
    ///
    /// # Safety
    ///
    /// - `source` has at least `at` + `LANES` elements.
    unsafe fn load(source: &[Self::Elem], at: usize) -> Self;

    /// Writes the `LANES` elements to place `at` of `target` and on.
    ///
    /// # Safety
    ///
    /// - `target` has at least `at` + `LANES` elements.
    unsafe fn store(self, target: &mut [Self::Elem], at: usize);

    /// The largest |x| for which `sin`, `cos` and `tan` keep the promise of `math`.
    const TRIG_LIMIT: f64;
    /// The same lanes with the largest `TRIG_LIMIT`, at the price of speed; up to that of `Self`,
    /// the same bits.
    type Far: Lanes<Elem = Self::Elem>;

    /// Sine and cosine by one reduction: the same as one by one.
    fn sin_cos(self) -> (Self, Self);
}

/// Lanes that are also seen as bit patterns, which is how `math` takes floats apart.
///
/// The integer operations (`and` to `shr`) take and give lanes whose *bits* are the integer.
pub(crate) trait Bits: Lanes {
    /// The smallest number from which on every number is an integer: 2^23 or 2^52.
    const INTEGERS: f64;

    /// The lane with only the sign bit set.
    fn sign_bit() -> Self;
    /// self * factor + term: rounded once where the lane has FMA, else twice.
    fn mul_add(self, factor: Self, term: Self) -> Self;

    fn and(self, other: Self) -> Self;
    fn or(self, other: Self) -> Self;
    fn xor(self, other: Self) -> Self;
    /// Integer addition, wrapping around.
    fn plus(self, other: Self) -> Self;
    /// Integer subtraction, wrapping around.
    fn minus(self, other: Self) -> Self;
    fn shl<const BY: u32>(self) -> Self;
    /// Zeros come in from above.
    fn shr<const BY: u32>(self) -> Self;
}

/// Lanes of f32.
pub(crate) trait Lane32: Bits<Elem = f32> {
    /// As many lanes of f64.
    type Wide: Lane64<Narrow = Self>;

    fn pattern(bits: u32) -> Self;
    /// self * self - square, exactly, where `square` is self * self rounded and nothing underflows.
    fn square_error(self, square: Self) -> Self;
    /// self * factor + term, rounded (about) once at every level.
    fn fused(self, factor: Self, term: Self) -> Self;
    /// The same numbers as f64.
    fn widen(self) -> Self::Wide;
    /// The reduction of angles, from 0 up to `TRIG_LIMIT`.
    fn reduce(self) -> Reduced<Self>;
}

/// Lanes of f64.
pub(crate) trait Lane64: Bits<Elem = f64> {
    /// As many lanes of f32.
    type Narrow: Lane32<Wide = Self>;

    fn pattern(bits: u64) -> Self;
    /// self * factor - product, exactly, where `product` is self * factor rounded and neither
    /// overflow nor underflow meddles.
    fn product_error(self, factor: Self, product: Self) -> Self;
    /// self - a * b, rounded (about) once, for a * b so near to self that it is tiny.
    fn minus_product(self, a: Self, b: Self) -> Self;
    /// Rounded to f32.
    fn narrow(self) -> Self::Narrow;
    /// One lane after the other, for what is too rare to be worth vectors.
    fn one_by_one(self, other: Self, f: fn(f64, f64) -> f64) -> Self;
}

/// One number, computed on with hardware FMA.
///
/// Only for use inside functions with `#[target_feature(enable = "avx2,fma")]` or more. Elsewhere
/// it is right but slow, unless it is without `FMA`: then it gives the bits of [`W32`] and [`W64`].
/// `FAR`: of [`Lanes::Far`].
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Fused<T, const FAR: bool = false, const FMA: bool = true>(T);

impl<const FAR: bool, const FMA: bool> Fused<f64, FAR, FMA> {
    pub(crate) fn number(self) -> f64 {
        self.0
    }
}

/// Four f32 at the baseline level.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct W32(f32x4);

/// Four f64 at the baseline level.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct W64(f64x4);

/// The operators and [`Real`] for a lane type: the functions come from `$math`, the few basic
/// operations are given.
macro_rules! real {
    ([$($generic:tt)*] $lane:ty, $math:ident, { $($basic:item)* }) => {
        impl<$($generic)*> Add for $lane {
            type Output = Self;
            #[inline(always)]
            fn add(self, other: Self) -> Self {
                Self(self.0 + other.0)
            }
        }

        impl<$($generic)*> Sub for $lane {
            type Output = Self;
            #[inline(always)]
            fn sub(self, other: Self) -> Self {
                Self(self.0 - other.0)
            }
        }

        impl<$($generic)*> Mul for $lane {
            type Output = Self;
            #[inline(always)]
            fn mul(self, other: Self) -> Self {
                Self(self.0 * other.0)
            }
        }

        impl<$($generic)*> Div for $lane {
            type Output = Self;
            #[inline(always)]
            fn div(self, other: Self) -> Self {
                Self(self.0 / other.0)
            }
        }

        impl<$($generic)*> Neg for $lane {
            type Output = Self;
            #[inline(always)]
            fn neg(self) -> Self {
                Self(-self.0)
            }
        }

        impl<$($generic)*> Real for $lane {
            $($basic)*

            #[inline(always)]
            fn exp(self) -> Self {
                math::$math::exp(self)
            }
            #[inline(always)]
            fn expm1(self) -> Self {
                math::$math::expm1(self)
            }
            #[inline(always)]
            fn ln(self) -> Self {
                math::$math::ln(self)
            }
            #[inline(always)]
            fn log1p(self) -> Self {
                math::$math::log1p(self)
            }
            #[inline(always)]
            fn sin(self) -> Self {
                math::$math::sin(self)
            }
            #[inline(always)]
            fn cos(self) -> Self {
                math::$math::cos(self)
            }
            #[inline(always)]
            fn tan(self) -> Self {
                math::$math::tan(self)
            }
            #[inline(always)]
            fn tanh(self) -> Self {
                math::$math::tanh(self)
            }
            #[inline(always)]
            fn sigmoid(self) -> Self {
                math::$math::sigmoid(self)
            }
            #[inline(always)]
            fn erf(self) -> Self {
                math::$math::erf(self)
            }
            #[inline(always)]
            fn normal_cdf(self) -> Self {
                math::$math::normal_cdf(self)
            }
            #[inline(always)]
            fn gaussian(self) -> Self {
                math::$math::gaussian(self)
            }
            #[inline(always)]
            fn bell(self) -> Self {
                math::$math::bell_of_square(self)
            }
            #[inline(always)]
            fn silu(self) -> Self {
                math::$math::silu(self)
            }
            #[inline(always)]
            fn gelu(self) -> Self {
                math::$math::gelu(self)
            }
            #[inline(always)]
            fn gelu_gate(self) -> Self {
                math::$math::gelu_gate(self)
            }
            #[inline(always)]
            fn gelu_tanh(self) -> Self {
                math::$math::gelu_tanh(self)
            }
            #[inline(always)]
            fn pow(self, exponent: Self) -> Self {
                math::$math::pow(self, exponent)
            }
            #[inline(always)]
            fn atan2(self, x: Self) -> Self {
                math::$math::atan2(self, x)
            }
            #[inline(always)]
            fn apply<F: Function>(self) -> Self {
                math::$math::apply::<F, Self>(self)
            }
            #[inline(always)]
            fn apply2<F: Function2>(self, other: Self) -> Self {
                math::$math::apply2::<F, Self>(self, other)
            }
        }
    };
}

/// Everything about [`Fused`] that is the same for f32 and f64.
macro_rules! fused {
    ($float:ident, $math:ident, $integers:expr, $limit:expr) => {
        real!([const FAR: bool, const FMA: bool] Fused<$float, FAR, FMA>, $math, {
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
            fn floor(self) -> Self {
                Self(self.0.floor())
            }
            #[inline(always)]
            fn ceil(self) -> Self {
                Self(self.0.ceil())
            }
            #[inline(always)]
            fn round(self) -> Self {
                Self(self.0.round_ties_even())
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
        });

        impl<const FAR: bool, const FMA: bool> Lanes for Fused<$float, FAR, FMA> {
            type Elem = $float;
            type Far = Fused<$float, true, FMA>;
            const LANES: usize = 1;
            const TRIG_LIMIT: f64 = $limit;

            // By index: LLVM sees that it is inside. Reading through a pointer is checked where
            // debug assertions are on, in a way that leaves the loop without vectors.
            #[inline(always)]
            unsafe fn load(source: &[$float], at: usize) -> Self {
                // Two ways, because either check would cost the loop its vectors: that of the
                // index, in optimised builds, leaves the last vector to single numbers, and those
                // of unchecked access, in debug builds, leave everything to them.
                if cfg!(debug_assertions) {
                    return Self(source[at]);
                }
                // SAFETY: the caller's promise.
                Self(unsafe { *source.get_unchecked(at) })
            }
            #[inline(always)]
            unsafe fn store(self, target: &mut [$float], at: usize) {
                if cfg!(debug_assertions) {
                    target[at] = self.0;
                    return;
                }
                // SAFETY: the caller's promise.
                unsafe { *target.get_unchecked_mut(at) = self.0 };
            }
            #[inline(always)]
            fn sin_cos(self) -> (Self, Self) {
                math::$math::sin_cos(self)
            }
        }

        impl<const FAR: bool, const FMA: bool> Bits for Fused<$float, FAR, FMA> {
            const INTEGERS: f64 = $integers;

            #[inline(always)]
            fn sign_bit() -> Self {
                Self(-0.0)
            }
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
        }
    };
}

fused!(f32, single, 8388608.0, if FAR { TRIG_LIMIT_F32 } else { NEAR_LIMIT_F32 });
fused!(f64, double, 4503599627370496.0, TRIG_LIMIT_F64);

impl<const FAR: bool, const FMA: bool> Lane32 for Fused<f32, FAR, FMA> {
    type Wide = Fused<f64, FAR, FMA>;

    #[inline(always)]
    fn pattern(bits: u32) -> Self {
        Self(f32::from_bits(bits))
    }
    #[inline(always)]
    fn square_error(self, square: Self) -> Self {
        if FMA { self.mul_add(self, -square) } else { dekker_square(self, square) }
    }
    #[inline(always)]
    fn fused(self, factor: Self, term: Self) -> Self {
        if FMA {
            self.mul_add(factor, term)
        } else {
            (self.widen() * factor.widen() + term.widen()).narrow()
        }
    }
    #[inline(always)]
    fn widen(self) -> Self::Wide {
        Fused(f64::from(self.0))
    }
    #[inline(always)]
    fn reduce(self) -> Reduced<Self> {
        match (FMA, FAR) {
            (false, _) => math::single::reduce_far(self),
            (true, false) => math::single::reduce_near(self),
            (true, true) => math::single::reduce_any(self),
        }
    }
}

impl<const FAR: bool, const FMA: bool> Lane64 for Fused<f64, FAR, FMA> {
    type Narrow = Fused<f32, FAR, FMA>;

    #[inline(always)]
    fn pattern(bits: u64) -> Self {
        Self(f64::from_bits(bits))
    }
    #[inline(always)]
    fn product_error(self, factor: Self, product: Self) -> Self {
        if FMA { self.mul_add(factor, -product) } else { dekker(self, factor, product) }
    }
    #[inline(always)]
    fn minus_product(self, a: Self, b: Self) -> Self {
        if FMA { (-a).mul_add(b, self) } else { minus_dekker(self, a, b) }
    }
    #[inline(always)]
    fn narrow(self) -> Self::Narrow {
        Fused(self.0 as f32)
    }
    #[inline(always)]
    fn one_by_one(self, other: Self, f: fn(f64, f64) -> f64) -> Self {
        Fused(f(self.0, other.0))
    }
}

/// Dekker's product, with both factors split into 26 and 27 bits by masking, which unlike
/// Veltkamp's splitting cannot overflow. Every partial product is exact but the last, whose
/// error is below 2^-105 of the product.
#[inline(always)]
fn dekker<L: Lane64>(x: L, factor: L, product: L) -> L {
    let top = L::pattern(!0 << 27);
    let (a, b) = (x.and(top), factor.and(top));
    let (a_rest, b_rest) = (x - a, factor - b);
    ((a * b - product) + a * b_rest + a_rest * b) + a_rest * b_rest
}

#[inline(always)]
fn minus_dekker<L: Lane64>(x: L, a: L, b: L) -> L {
    let product = a * b;
    (x - product) - dekker(a, b, product)
}

/// The same for a number split into 12 and 12 bits.
#[inline(always)]
fn dekker_square<L: Lane32>(x: L, square: L) -> L {
    let a = x.and(L::pattern(!0 << 12));
    let rest = x - a;
    ((a * a - square) + (a + a) * rest) + rest * rest
}

/// Everything about [`W32`] and [`W64`] that is the same.
macro_rules! wide {
    ($lane:ident, $float:ident, $floats:ident, $math:ident, $integers:expr, $limit:expr) => {
        real!([] $lane, $math, {
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
            fn floor(self) -> Self {
                math::floor(self)
            }
            #[inline(always)]
            fn ceil(self) -> Self {
                math::ceil(self)
            }
            #[inline(always)]
            fn round(self) -> Self {
                math::round(self)
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
        });

        impl Lanes for $lane {
            type Elem = $float;
            type Far = Self;
            const LANES: usize = 4;
            const TRIG_LIMIT: f64 = $limit;

            #[inline(always)]
            unsafe fn load(source: &[$float], at: usize) -> Self {
                debug_assert!(at + 4 <= source.len());
                let four = source.as_ptr().wrapping_add(at).cast::<[$float; 4]>();
                // SAFETY: the caller promises four elements; alignment is not assumed.
                let four = unsafe { four.read_unaligned() };
                Self($floats::new(four))
            }
            #[inline(always)]
            unsafe fn store(self, target: &mut [$float], at: usize) {
                debug_assert!(at + 4 <= target.len());
                let four = target.as_mut_ptr().wrapping_add(at).cast::<[$float; 4]>();
                // SAFETY: the caller promises four elements; alignment is not assumed.
                unsafe { four.write_unaligned(self.0.to_array()) }
            }
            #[inline(always)]
            fn sin_cos(self) -> (Self, Self) {
                math::$math::sin_cos(self)
            }
        }

        impl Bits for $lane {
            const INTEGERS: f64 = $integers;

            #[inline(always)]
            fn sign_bit() -> Self {
                Self($floats::splat(-0.0))
            }
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
    };
}

wide!(W32, f32, f32x4, single, 8388608.0, TRIG_LIMIT_F32);
wide!(W64, f64, f64x4, double, 4503599627370496.0, TRIG_LIMIT_F64);

impl Lane32 for W32 {
    type Wide = W64;

    #[inline(always)]
    fn pattern(bits: u32) -> Self {
        Self(f32x4::from_bits(u32x4::splat(bits)))
    }
    #[inline(always)]
    fn square_error(self, square: Self) -> Self {
        dekker_square(self, square)
    }
    #[inline(always)]
    fn fused(self, factor: Self, term: Self) -> Self {
        (self.widen() * factor.widen() + term.widen()).narrow()
    }
    #[inline(always)]
    fn widen(self) -> W64 {
        W64(f64x4::new(self.0.to_array().map(f64::from)))
    }
    #[inline(always)]
    fn reduce(self) -> Reduced<Self> {
        math::single::reduce_far(self)
    }
}

impl Lane64 for W64 {
    type Narrow = W32;

    #[inline(always)]
    fn pattern(bits: u64) -> Self {
        Self(f64x4::from_bits(u64x4::splat(bits)))
    }
    #[inline(always)]
    fn product_error(self, factor: Self, product: Self) -> Self {
        dekker(self, factor, product)
    }
    #[inline(always)]
    fn minus_product(self, a: Self, b: Self) -> Self {
        minus_dekker(self, a, b)
    }
    #[inline(always)]
    fn narrow(self) -> W32 {
        W32(f32x4::new(self.0.to_array().map(|x| x as f32)))
    }
    #[inline(always)]
    fn one_by_one(self, other: Self, f: fn(f64, f64) -> f64) -> Self {
        let (a, b) = (self.0.to_array(), other.0.to_array());
        W64(f64x4::new([f(a[0], b[0]), f(a[1], b[1]), f(a[2], b[2]), f(a[3], b[3])]))
    }
}
