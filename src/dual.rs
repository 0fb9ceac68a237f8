//! Dual numbers: a value and its derivative along one direction, carried through any rule.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};
use std::ops::{Add, Div, Mul, Neg, Sub};

use crate::function::{Function, Function2};
use crate::real::Real;

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
    fn apply<F: Function>(self) -> Dual {
        let y = F::reference(self.value);
        self.chain(y, F::slope(self.value, y))
    }
    fn apply2<F: Function2>(self, other: Dual) -> Dual {
        let y = F::reference(self.value, other.value);
        let [by_a, by_b] = F::pull([self.value, other.value], y, 1.0);
        let tangent = product(by_a, self.tangent) + product(by_b, other.tangent);
        Dual { value: y, tangent }
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
}
