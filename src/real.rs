//! Numbers a rule can be written over.
//!
//! Every elementwise rule (`op/`) is one expression over `R: Real`, and each instantiation gives
//! another use of the same text: SIMD lanes and `#[target_feature]` scalars run it, `f64` is the
//! reference the tests compare with, [`Dual`] carries a derivative along, and the recorder in
//! `grad.rs` appends nodes instead of computing.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};
use std::ops::{Add, Div, Mul, Neg, Sub};

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
    fn tanh(self) -> Self;
    /// 1 / (1 + exp(-x))
    fn sigmoid(self) -> Self;
    fn erf(self) -> Self;
    /// The standard normal distribution function, (1 + erf(x / sqrt 2)) / 2, without its
    /// cancellation for negative x.
    fn normal_cdf(self) -> Self;
    fn pow(self, exponent: Self) -> Self;
    /// The angle of the point (x, self).
    fn atan2(self, x: Self) -> Self;

    fn eq(self, other: Self) -> Self::Mask;
    fn lt(self, other: Self) -> Self::Mask;
    fn le(self, other: Self) -> Self::Mask;
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;
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
    fn pow(self, exponent: f64) -> f64 {
        libm::pow(self, exponent)
    }
    fn atan2(self, x: f64) -> f64 {
        libm::atan2(self, x)
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

/// A value and its derivative along one direction: value + tangent * e, with e^2 = 0.
///
/// Comparisons look at the value only, and `select` picks value and tangent together, so the
/// derivative at a kink is that of the branch taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Dual {
    pub(crate) value: f64,
    pub(crate) tangent: f64,
}

impl Dual {
    /// f(self), given f's value and its derivative there.
    ///
    /// A constant stays a constant, even where the derivative is infinite.
    fn chain(self, value: f64, derivative: f64) -> Dual {
        Dual { value, tangent: product(derivative, self.tangent) }
    }
}

/// derivative * tangent, where a zero tangent wins over an infinite or undefined derivative: what
/// does not move has no part in the result, as in x^n with constant n and negative x.
fn product(derivative: f64, tangent: f64) -> f64 {
    if tangent == 0.0 { 0.0 } else { derivative * tangent }
}

impl Add for Dual {
    type Output = Dual;
    fn add(self, other: Dual) -> Dual {
        Dual { value: self.value + other.value, tangent: self.tangent + other.tangent }
    }
}

impl Sub for Dual {
    type Output = Dual;
    fn sub(self, other: Dual) -> Dual {
        Dual { value: self.value - other.value, tangent: self.tangent - other.tangent }
    }
}

impl Mul for Dual {
    type Output = Dual;
    fn mul(self, other: Dual) -> Dual {
        let tangent = product(other.value, self.tangent) + product(self.value, other.tangent);
        Dual { value: self.value * other.value, tangent }
    }
}

impl Div for Dual {
    type Output = Dual;
    fn div(self, other: Dual) -> Dual {
        let value = self.value / other.value;
        let tangent =
            product(1.0 / other.value, self.tangent) - product(value / other.value, other.tangent);
        Dual { value, tangent }
    }
}

impl Neg for Dual {
    type Output = Dual;
    fn neg(self) -> Dual {
        Dual { value: -self.value, tangent: -self.tangent }
    }
}

impl Real for Dual {
    type Mask = bool;

    fn lit(x: f64) -> Dual {
        Dual { value: x, tangent: 0.0 }
    }

    fn abs(self) -> Dual {
        let sign = if self.value == 0.0 { 0.0 } else { 1f64.copysign(self.value) };
        self.chain(Real::abs(self.value), sign)
    }
    fn sqrt(self) -> Dual {
        let y = Real::sqrt(self.value);
        self.chain(y, 0.5 / y)
    }
    fn floor(self) -> Dual {
        self.chain(Real::floor(self.value), 0.0)
    }
    fn ceil(self) -> Dual {
        self.chain(Real::ceil(self.value), 0.0)
    }
    fn round(self) -> Dual {
        self.chain(Real::round(self.value), 0.0)
    }

    fn exp(self) -> Dual {
        let y = Real::exp(self.value);
        self.chain(y, y)
    }
    fn expm1(self) -> Dual {
        self.chain(Real::expm1(self.value), Real::exp(self.value))
    }
    fn ln(self) -> Dual {
        self.chain(Real::ln(self.value), 1.0 / self.value)
    }
    fn log1p(self) -> Dual {
        self.chain(Real::log1p(self.value), 1.0 / (1.0 + self.value))
    }
    fn sin(self) -> Dual {
        self.chain(Real::sin(self.value), Real::cos(self.value))
    }
    fn cos(self) -> Dual {
        self.chain(Real::cos(self.value), -Real::sin(self.value))
    }
    fn tan(self) -> Dual {
        let y = Real::tan(self.value);
        self.chain(y, 1.0 + y * y)
    }
    fn tanh(self) -> Dual {
        let y = Real::tanh(self.value);
        self.chain(y, (1.0 - y) * (1.0 + y))
    }
    fn sigmoid(self) -> Dual {
        let y = self.value.sigmoid();
        // 1 - y without its cancellation.
        self.chain(y, y * (-self.value).sigmoid())
    }
    fn erf(self) -> Dual {
        self.chain(Real::erf(self.value), FRAC_2_SQRT_PI * Real::exp(-self.value * self.value))
    }
    fn normal_cdf(self) -> Dual {
        let density =
            0.5 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2 * Real::exp(-0.5 * self.value * self.value);
        self.chain(self.value.normal_cdf(), density)
    }
    fn pow(self, exponent: Dual) -> Dual {
        let (x, n) = (self.value, exponent.value);
        let y = x.pow(n);
        // d/dx = n x^(n - 1), which is 0 for n = 0 even at x = 0, where the power is infinite.
        let by_base = if n == 0.0 { 0.0 } else { n * x.pow(n - 1.0) };
        // d/dn = x^n ln x, which tends to 0 at x = 0 for n > 0.
        let by_exponent = if x == 0.0 && n > 0.0 { 0.0 } else { y * Real::ln(x) };
        let tangent = product(by_base, self.tangent) + product(by_exponent, exponent.tangent);
        Dual { value: y, tangent }
    }
    fn atan2(self, x: Dual) -> Dual {
        let square = self.value * self.value + x.value * x.value;
        let tangent =
            product(x.value / square, self.tangent) - product(self.value / square, x.tangent);
        Dual { value: Real::atan2(self.value, x.value), tangent }
    }

    fn eq(self, other: Dual) -> bool {
        self.value == other.value
    }
    fn lt(self, other: Dual) -> bool {
        self.value < other.value
    }
    fn le(self, other: Dual) -> bool {
        self.value <= other.value
    }
    fn select(mask: bool, yes: Dual, no: Dual) -> Dual {
        if mask { yes } else { no }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A function of one number, for floats and duals.
    macro_rules! both {
        (|$x:ident| $eval:expr) => {{
            fn eval<R: Real>($x: R) -> R {
                $eval
            }
            (eval::<f64> as fn(f64) -> f64, eval::<Dual> as fn(Dual) -> Dual)
        }};
    }

    #[test]
    fn duals_agree_with_finite_differences() {
        let functions = [
            both!(|x| x.abs()),
            both!(|x| x.abs().sqrt()),
            both!(|x| x.exp()),
            both!(|x| x.expm1()),
            both!(|x| x.abs().ln()),
            both!(|x| x.abs().log1p()),
            both!(|x| x.sin()),
            both!(|x| x.cos()),
            both!(|x| x.tan()),
            both!(|x| x.tanh()),
            both!(|x| x.sigmoid()),
            both!(|x| Real::erf(x)),
            both!(|x| x.normal_cdf()),
            both!(|x| x.abs().pow(R::lit(2.5))),
            both!(|x| R::lit(2.5).pow(x)),
            both!(|x| (x * x).pow(x)),
            both!(|x| x.pow(R::lit(3.0))),
            both!(|x| x.atan2(R::lit(0.7))),
            both!(|x| R::lit(0.7).atan2(x)),
            both!(|x| (x * x).atan2(-x)),
            both!(|x| R::lit(1.0) / x - x * x),
            both!(|x| R::select(x.lt(R::lit(0.0)), x * x, -x)),
            both!(|x| x.floor() + x.ceil() + x.round()),
        ];
        for (i, (value, dual)) in functions.into_iter().enumerate() {
            for x in [-2.3, -0.6, 0.3, 1.2, 2.8] {
                let h = 1e-6;
                let expected = (value(x + h) - value(x - h)) / (2.0 * h);
                let got = dual(Dual { value: x, tangent: 1.0 });
                assert_eq!(got.value.to_bits(), value(x).to_bits(), "value of {i} at {x}");
                let error = (got.tangent - expected).abs();
                assert!(error <= 1e-7 * (1.0 + expected.abs()), "{i} at {x}: {got:?}, {expected}");
            }
        }
    }

    #[test]
    fn dual_corners() {
        let zero = Dual { value: 0.0, tangent: 1.0 };
        assert_eq!(zero.abs().tangent, 0.0);
        // What stands still has no derivative, not even an infinite one.
        assert_eq!(Dual::lit(0.0).sqrt().tangent, 0.0);
        assert_eq!(zero.pow(Dual::lit(0.0)), Dual { value: 1.0, tangent: 0.0 });
        let negative = Dual { value: -2.0, tangent: 1.0 };
        assert_eq!(negative.pow(Dual::lit(2.0)), Dual { value: 4.0, tangent: -4.0 });
        assert!(zero.eq(Dual::lit(0.0)) && zero.le(Dual::lit(0.0)) && !zero.lt(Dual::lit(0.0)));
    }

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
