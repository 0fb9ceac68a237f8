//! Numbers in registers: what chains, kernels, products and the functions of `math` compute on.
//!
//! A type here is a register of some level, or one number that stands for a register:
//!
//! - those of `lane/wide.rs`, the baseline's: of the `wide` crate, which no other file names;
//! - those of `lane/x86.rs`, of v3 and v4, by intrinsics;
//! - [`Fused`], a plain number, where there is only one.
//!
//! Each says once what its instructions do ([`Real`], [`Bits`], [`Register`]); `math` makes all
//! [functions](Functions) of that. Its functions have no branches, and take floats apart by their bits, since
//! conversions between 64-bit integers and floats exist only from AVX-512 on.
//!
//! **Levels.** The registers have no name outside of this module. Code is generic over a
//! [`Register`], and gets one from the functions of [`Levels`], which are `unsafe`: their caller promises
//! that the CPU has the level. So nobody can compute on such a register who was not promised that, and
//! arithmetic itself need not be unsafe. The functions that have a level's instructions come from one
//! macro, `by_level!`.
//!
//! Everything is `inline(always)`: a function left outside its `#[target_feature]` caller would be
//! compiled for the baseline, where FMA is a library call.

mod fetch;
mod functions;
mod levels;
mod number;
#[cfg(target_arch = "x86_64")]
mod pair;
mod wide;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(crate) use fetch::{prefetch, prefetch_2};
pub(crate) use functions::{Functions, functions};
pub(crate) use levels::{Levels, Work, by_level};
pub(crate) use number::Fused;

use crate::level::Level;
use crate::real::Real;

/// Numbers that are also seen as bit patterns.
///
/// The integer operations (`and` to `shr`) take and give numbers whose *bits* are the integer.
pub(crate) trait Bits: Real {
    type Elem: Copy;

    /// Whether `mul_add` rounds once.
    const FMA: bool;
    /// Whether angles are reduced as far as they can be, at the price of speed; up to where the others
    /// are right, the same bits.
    const FAR: bool;
    /// The smallest number from which on every number is an integer: 2^23 or 2^52.
    const INTEGERS: f64;

    /// The number with only the sign bit set.
    #[inline(always)]
    fn sign_bit() -> Self {
        Self::lit(-0.0)
    }
    /// self * factor + term: rounded once where there is FMA, else twice.
    fn mul_add(self, factor: Self, term: Self) -> Self;

    /// self if it is not below `least`, else that. NaN stays.
    #[inline(always)]
    fn not_below(self, least: Self) -> Self {
        Self::select(self.lt(least), least, self)
    }
    /// self if it is not above `most`, else that. NaN stays.
    #[inline(always)]
    fn not_above(self, most: Self) -> Self {
        Self::select(most.lt(self), most, self)
    }

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

    /// Half to even: adding 2^23 or 2^52 leaves no room for a fraction. Exact.
    #[inline(always)]
    fn nearest(self) -> Self {
        let magnitude = self.abs();
        let whole = (magnitude + Self::lit(Self::INTEGERS)) - Self::lit(Self::INTEGERS);
        // Larger numbers are integers already; NaN compares false and stays.
        let signed = whole.or(self.and(Self::sign_bit()));
        Self::select(magnitude.lt(Self::lit(Self::INTEGERS)), signed, self)
    }
    /// The nearest integer, less one if that is above. Exact.
    #[inline(always)]
    fn below(self) -> Self {
        let nearest = self.nearest();
        let one_less = nearest - Self::lit(1.0);
        Self::select(self.lt(nearest), one_less, nearest)
    }
    /// The nearest integer, plus one if that is below. Exact.
    #[inline(always)]
    fn above(self) -> Self {
        let nearest = self.nearest();
        let one_more = nearest + Self::lit(1.0);
        // -1 + 1 is +0, but the ceiling of -0.7 is -0.
        let magnitude = Self::select(nearest.lt(self), one_more, nearest).abs();
        magnitude.or(self.and(Self::sign_bit()))
    }
}

/// Numbers of f32.
pub(crate) trait Lane32: Bits<Elem = f32> {
    /// As many numbers of f64.
    type Wide: Widened<Narrow = Self>;

    fn pattern(bits: u32) -> Self;
    /// The same numbers as f64.
    fn widen(self) -> Self::Wide;

    /// self * self - square, exactly, where `square` is self * self rounded and nothing underflows.
    /// Without FMA it is Dekker's, for a number split into 12 and 12 bits.
    #[inline(always)]
    fn square_error(self, square: Self) -> Self {
        if Self::FMA {
            return self.mul_add(self, -square);
        }
        let a = self.and(Self::pattern(!0 << 12));
        let rest = self - a;
        ((a * a - square) + (a + a) * rest) + rest * rest
    }
    /// self * factor + term, rounded (about) once at every level.
    #[inline(always)]
    fn fused(self, factor: Self, term: Self) -> Self {
        if Self::FMA {
            return self.mul_add(factor, term);
        }
        (self.widen() * factor.widen() + term.widen()).narrow()
    }
}

/// Numbers of f64.
pub(crate) trait Lane64: Bits<Elem = f64> {
    fn pattern(bits: u64) -> Self;
    /// One number after the other, for what is too rare to be worth vectors.
    fn one_by_one(self, other: Self, f: fn(f64, f64) -> f64) -> Self;
    /// self * factor - product, exactly, where `product` is self * factor rounded and neither
    /// overflow nor underflow meddles.
    #[inline(always)]
    fn product_error(self, factor: Self, product: Self) -> Self {
        if Self::FMA { self.mul_add(factor, -product) } else { dekker(self, factor, product) }
    }
    /// self - a * b, rounded (about) once, for a * b so near to self that it is tiny.
    #[inline(always)]
    fn minus_product(self, a: Self, b: Self) -> Self {
        if Self::FMA {
            return (-a).mul_add(b, self);
        }
        let product = a * b;
        (self - product) - dekker(a, b, product)
    }
}

/// Numbers of f64 that stand for as many of f32.
pub(crate) trait Widened: Lane64 {
    type Narrow: Lane32<Wide = Self>;

    /// Rounded to f32.
    fn narrow(self) -> Self::Narrow;
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

/// What moves between memory and a register, and sums one up.
///
/// # Safety
/// Of all functions: pointers are valid for `LANES` elements, or for those of a part. They need not be
/// aligned.
pub(crate) trait Register: Bits {
    /// The same with angles reduced as far as they can be.
    type Far: Register<Elem = Self::Elem>;
    /// A single number, with the same bits.
    type One: Register<Elem = Self::Elem>;
    /// Some elements of a register: the first ones.
    type Part: Copy;

    /// The level whose register it is: the lowest one that has its instructions.
    const LEVEL: Level;
    /// How many elements it holds.
    const LANES: usize;
    /// Whether loading a part is as good as loading.
    const LOADS_PARTS: bool;
    /// Sides of the squares that `transpose` turns.
    const SQUARE: usize;

    /// The first `count` elements, at most `LANES`.
    fn part(count: usize) -> Self::Part;
    unsafe fn load(from: *const Self::Elem) -> Self;
    /// One number in all lanes.
    unsafe fn splat(from: *const Self::Elem) -> Self;
    /// Zeros where the part is not; nothing is read there.
    unsafe fn load_part(from: *const Self::Elem, part: Self::Part) -> Self;
    /// Copies of the first element where the part is not, which so raise no exception that it does not.
    /// The part is not empty.
    unsafe fn load_filled(from: *const Self::Elem, part: Self::Part) -> Self;
    unsafe fn store(self, to: *mut Self::Elem);
    unsafe fn store_part(self, to: *mut Self::Elem, part: Self::Part);
    /// Stores past the cache where that is possible and the place is aligned.
    #[inline(always)]
    unsafe fn store_past(self, to: *mut Self::Elem) {
        // SAFETY: the caller's promise.
        unsafe { self.store(to) }
    }
    /// The sum of the elements: the upper half is added to the lower until one is left.
    fn sum(self) -> Self::Elem;
    /// Writes the rows of a square as columns.
    unsafe fn transpose(
        from: *const Self::Elem,
        from_row: isize,
        to: *mut Self::Elem,
        to_row: usize,
    );
}
