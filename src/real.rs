//! Numbers a rule can be written over.
//!
//! Every elementwise rule (`op/`) is one expression over `R: Real`, and each instantiation gives
//! another use of the same text: SIMD lanes and `#[target_feature]` scalars run it, `f64` is the
//! reference the tests compare with, [`Dual`](crate::dual) carries a derivative along, and the recorder in
//! `grad.rs` appends nodes instead of computing.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};
use std::ops::{Add, Div, Mul, Neg, Sub};

use crate::function::{Function, Function2};

/// A number that elementwise rules compute with.
///
/// `Mask` is the outcome of a comparison; `select` is the only way to branch, so a rule has no
/// control flow and runs the same on one number as on sixteen.
pub(crate) trait Real:
    Copy
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    type Mask: Copy;

    /// The largest |x| for which `sin`, `cos` and `tan` are right.
    const TRIG_LIMIT: f64 = f64::INFINITY;

    /// The constant `x`, rounded to this type.
    fn lit(x: f64) -> Self;

    fn abs(self) -> Self;
    fn sqrt(self) -> Self;
    fn floor(self) -> Self;
    fn ceil(self) -> Self;
    /// Round half to even.
    fn round(self) -> Self;

    fn exp(self) -> Self;
    fn expm1(self) -> Self;
    fn ln(self) -> Self;
    fn log1p(self) -> Self;
    fn sin(self) -> Self;
    fn cos(self) -> Self;
    fn tan(self) -> Self;
    /// Sine and cosine. Lanes make them by one reduction.
    #[inline(always)]
    fn sin_cos(self) -> (Self, Self) {
        (self.sin(), self.cos())
    }
    fn tanh(self) -> Self;
    /// 1 / (1 + exp(-x))
    fn sigmoid(self) -> Self;
    fn erf(self) -> Self;
    /// The standard normal distribution function, (1 + erf(x / sqrt 2)) / 2, without its
    /// cancellation for negative x.
    fn normal_cdf(self) -> Self;
    /// e^(-x^2 / 2). Lanes make it from the same parts as `normal_cdf`, so that a rule with both
    /// computes one exponential.
    #[inline(always)]
    fn gaussian(self) -> Self {
        (Self::lit(-0.5) * self * self).exp()
    }
    /// e^(-x^2)
    #[inline(always)]
    fn bell(self) -> Self {
        (-(self * self)).exp()
    }
    /// The derivative of the sigmoid, e^x / (1 + e^x)^2. Lanes compute one exponential.
    #[inline(always)]
    fn logistic(self) -> Self {
        self.sigmoid() * (-self).sigmoid()
    }
    /// The sigmoid; recorded as a function whose derivatives hold in the tails.
    #[inline(always)]
    fn logistic_cdf(self) -> Self {
        self.sigmoid()
    }
    /// x sigmoid(x), 0 at -infinity.
    #[inline(always)]
    fn silu(self) -> Self {
        Self::select(self.lt(Self::lit(-1e4)), Self::lit(-0.0), self * self.sigmoid())
    }
    /// x normal_cdf(x), 0 at -infinity.
    #[inline(always)]
    fn gelu(self) -> Self {
        Self::select(self.lt(Self::lit(-1e4)), Self::lit(-0.0), self * self.normal_cdf())
    }
    /// sigmoid(2 u) for u = sqrt(2/pi) (x + 0.044715 x^3).
    #[inline(always)]
    fn gelu_gate(self) -> Self {
        (self * (Self::lit(GATE) + Self::lit(GATE_CUBE) * (self * self))).sigmoid()
    }
    /// x gelu_gate(x), 0 at -infinity.
    #[inline(always)]
    fn gelu_tanh(self) -> Self {
        Self::select(self.lt(Self::lit(-1e4)), Self::lit(-0.0), self * self.gelu_gate())
    }
    /// self * other, and 0 where one of them is, even if the other is infinite or NaN.
    #[inline(always)]
    fn strong(self, other: Self) -> Self {
        let zero = Self::lit(0.0);
        let product = Self::select(other.eq(zero), zero, self * other);
        Self::select(self.eq(zero), zero, product)
    }
    fn pow(self, exponent: Self) -> Self;
    /// self^exponent ln(self)^k, for k > 0 with 0 where self is 0 and the exponent is not negative.
    #[inline(always)]
    fn pow_log(self, exponent: Self, k: usize) -> Self {
        times_log(self.pow(exponent), self, exponent, k)
    }
    /// The angle of the point (x, self).
    fn atan2(self, x: Self) -> Self;

    /// The value of a function.
    fn apply<F: Function>(self) -> Self;
    fn apply2<F: Function2>(self, other: Self) -> Self;

    fn eq(self, other: Self) -> Self::Mask;
    fn lt(self, other: Self) -> Self::Mask;
    fn le(self, other: Self) -> Self::Mask;
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;
}

/// The factors of x and x^3 in the exponent of [`Real::gelu_gate`]: 2 sqrt(2/pi), and 0.044715 of it.
pub(crate) const GATE: f64 = 1.5957691216057308;
pub(crate) const GATE_CUBE: f64 = 0.07135481627260025;

/// a^b ln(a)^k, from y = a^b. It is 0 where y is, and where a is 0 and b is not negative, which is
/// PyTorch's derivative of 0^b.
#[inline(always)]
pub(crate) fn times_log<R: Real>(y: R, a: R, b: R, k: usize) -> R {
    if k == 0 {
        return y;
    }
    let (zero, ln) = (R::lit(0.0), a.ln());
    let power = (1..k).fold(ln, |power, _| power * ln);
    let product = R::select(y.eq(zero), R::select(a.lt(zero), ln, zero), y * power);
    R::select(a.eq(zero), R::select(zero.le(b), zero, product), product)
}

/// x, but at least -size and at most size; NaN stays. For factors that would otherwise be infinite
/// beside one that is 0 long before.
#[inline(always)]
pub(crate) fn within<R: Real>(x: R, size: f64) -> R {
    let (least, most) = (R::lit(-size), R::lit(size));
    let x = R::select(x.lt(least), least, x);
    R::select(most.lt(x), most, x)
}

/// The reference: libm, or the plain formula where that is as good.
impl Real for f64 {
    type Mask = bool;

    fn lit(x: f64) -> f64 {
        x
    }

    fn abs(self) -> f64 {
        f64::abs(self)
    }
    fn sqrt(self) -> f64 {
        f64::sqrt(self)
    }
    fn floor(self) -> f64 {
        f64::floor(self)
    }
    fn ceil(self) -> f64 {
        f64::ceil(self)
    }
    fn round(self) -> f64 {
        self.round_ties_even()
    }

    fn exp(self) -> f64 {
        libm::exp(self)
    }
    fn expm1(self) -> f64 {
        libm::expm1(self)
    }
    fn ln(self) -> f64 {
        libm::log(self)
    }
    fn log1p(self) -> f64 {
        libm::log1p(self)
    }
    fn sin(self) -> f64 {
        libm::sin(self)
    }
    fn cos(self) -> f64 {
        libm::cos(self)
    }
    fn tan(self) -> f64 {
        libm::tan(self)
    }
    fn tanh(self) -> f64 {
        libm::tanh(self)
    }
    /// Through exp(-|x|), which cannot overflow.
    fn sigmoid(self) -> f64 {
        let e = libm::exp(-self.abs());
        if self < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) }
    }
    fn erf(self) -> f64 {
        libm::erf(self)
    }
    /// erfc(-x / sqrt 2) / 2. Rounding that argument t alone would cost t^2 units in the last
    /// place, so what it loses is added back to first order: erfc' = -2 / sqrt(pi) exp(-t^2).
    fn normal_cdf(self) -> f64 {
        /// 1 / sqrt 2 less its f64 value.
        const FRAC_1_SQRT_2_REST: f64 = -4.833646656726457e-17;
        let t = -self * FRAC_1_SQRT_2;
        let lost = (-self).mul_add(FRAC_1_SQRT_2, -t) - self * FRAC_1_SQRT_2_REST;
        let y = libm::erfc(t);
        // Only where the value still moves: at infinity `lost` is infinity - infinity.
        if self.abs() < 40.0 {
            0.5 * (y - FRAC_2_SQRT_PI * libm::exp(-t * t) * lost)
        } else {
            0.5 * y
        }
    }
    /// Rounding the square would cost as many units in the last place, so what it loses is added back
    /// to first order.
    fn gaussian(self) -> f64 {
        let square = self * self;
        let y = libm::exp(-0.5 * square);
        // Only where the value still moves: at infinity what is lost is NaN.
        if self.abs() < 40.0 { y - y * (0.5 * self.mul_add(self, -square)) } else { y }
    }
    fn bell(self) -> f64 {
        let square = self * self;
        let y = libm::exp(-square);
        if self.abs() < 40.0 { y - y * self.mul_add(self, -square) } else { y }
    }
    fn pow(self, exponent: f64) -> f64 {
        libm::pow(self, exponent)
    }
    fn atan2(self, x: f64) -> f64 {
        libm::atan2(self, x)
    }
    fn apply<F: Function>(self) -> f64 {
        F::reference(self)
    }
    fn apply2<F: Function2>(self, other: f64) -> f64 {
        F::reference(self, other)
    }

    fn eq(self, other: f64) -> bool {
        self == other
    }
    fn lt(self, other: f64) -> bool {
        self < other
    }
    fn le(self, other: f64) -> bool {
        self <= other
    }
    fn select(mask: bool, yes: f64, no: f64) -> f64 {
        if mask { yes } else { no }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reference_corners() {
        assert_eq!(f64::NEG_INFINITY.normal_cdf(), 0.0);
        assert_eq!(f64::INFINITY.normal_cdf(), 1.0);
        assert_eq!(0.0.normal_cdf(), 0.5);
        assert_eq!((-1000.0).sigmoid(), 0.0);
        assert_eq!(f64::INFINITY.sigmoid(), 1.0);
        assert!(f64::NAN.normal_cdf().is_nan() && f64::NAN.sigmoid().is_nan());
        assert_eq!(Real::round(2.5), 2.0);
        assert_eq!(Real::round(-3.5), -4.0);
    }
}
