//! Float types as kernels and products see them: by their numbers, their bits, and their registers.

use std::ops::{BitAnd, BitOr, BitXor, Not};

use crate::dtype::Element;
use crate::lane::Levels;

/// A float type, with registers at every level.
pub(crate) trait Float: Element + PartialOrd + Levels {
    /// Bits as wide as it.
    type Bits: Bits;

    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
    fn over(self, other: Self) -> Self;
    /// self * factor + term, rounded once: slow without FMA.
    fn times_plus(self, factor: Self, term: Self) -> Self;
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
pub(super) const fn power_of_two(exponent: i64) -> f64 {
    f64::from_bits(((1023 + exponent) as u64) << 52)
}

macro_rules! float {
    ($t:ty, $bits:ty, $tiny:literal, $up:literal, $down:literal) => {
        impl Float for $t {
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
            fn times_plus(self, factor: Self, term: Self) -> Self {
                self.mul_add(factor, term)
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

float!(f32, u32, -50, 100, -80);

float!(f64, u64, -480, 600, -600);

/// Bits as wide as an element.
pub(crate) trait Bits:
    Copy
    + PartialEq
    + BitAnd<Output = Self>
    + BitOr<Output = Self>
    + BitXor<Output = Self>
    + Not<Output = Self>
{
    /// All of them are set.
    const ALL: Self;
    fn of(bits: u32) -> Self;
}

impl Bits for u32 {
    const ALL: Self = u32::MAX;
    #[inline(always)]
    fn of(bits: u32) -> Self {
        bits
    }
}

impl Bits for u64 {
    const ALL: Self = u64::MAX;
    #[inline(always)]
    fn of(bits: u32) -> Self {
        u64::from(bits)
    }
}
