//! Elementwise rules of one operand.
//!
//! Values and subgradients at kinks are PyTorch's. `x` is the operand, `y` the value, `g` the
//! cotangent of the value.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use super::Elementwise;
pub(crate) use super::special::{bessel::*, elementary::*, gamma::*, normal::*};
use crate::real::{GATE, GATE_CUBE, Real, within};

/// -x. Gradient: -1.
///
/// - PyTorch: `torch.neg(x)`
/// - Types: floats, i64
/// - Cases: `x=I(3,-4,0)`
pub(crate) enum Neg {}
impl Elementwise<1> for Neg {
    const NAME: &str = "neg";
    const DOMAIN: [(f64, f64); 1] = [(-4.0, 4.0)];
    const IS_FREQUENT: bool = true;
    #[inline(always)]
    fn eval<R: Real>([x]: [R; 1]) -> R {
        -x
    }
    #[inline(always)]
    fn pull<R: Real>(_: [R; 1], _: R, g: R) -> [R; 1] {
        [-g]
    }
}

/// |x|. Gradient: the sign of x, 0 at 0 and for NaN.
///
/// - PyTorch: `torch.abs(x)`
/// - Types: floats, i64
/// - Cases: `x=I(3,-4,0)`
pub(crate) enum Abs {}
impl Elementwise<1> for Abs {
    const NAME: &str = "abs";
    const DOMAIN: [(f64, f64); 1] = [(0.1, 4.0)];
    const IS_FREQUENT: bool = true;
    #[inline(always)]
    fn eval<R: Real>([x]: [R; 1]) -> R {
        x.abs()
    }
    #[inline(always)]
    fn pull<R: Real>([x]: [R; 1], _: R, g: R) -> [R; 1] {
        [g * Sign::eval([x])]
    }
}

/// -1, 0 or 1; 0 for NaN. Gradient: 0.
///
/// - PyTorch: `torch.sign(x)`
/// - Types: floats, i64
/// - Cases: `x=I(3,-4,0)`
pub(crate) enum Sign {}
impl Elementwise<1> for Sign {
    const NAME: &str = "sign";
    const DOMAIN: [(f64, f64); 1] = [(0.1, 4.0)];
    #[inline(always)]
    fn eval<R: Real>([x]: [R; 1]) -> R {
        let zero = R::lit(0.0);
        R::select(zero.lt(x), R::lit(1.0), R::select(x.lt(zero), R::lit(-1.0), zero))
    }
    #[inline(always)]
    fn pull<R: Real>(_: [R; 1], _: R, _: R) -> [R; 1] {
        [R::lit(0.0)]
    }
}

/// e^x. Gradient: y.
///
/// - PyTorch: `torch.exp(x)`
pub(crate) enum Exp {}
impl Elementwise<1> for Exp {
    const NAME: &str = "exp";
    const DOMAIN: [(f64, f64); 1] = [(-4.0, 4.0)];
    const IS_FREQUENT: bool = true;
    #[inline(always)]
    fn eval<R: Real>([x]: [R; 1]) -> R {
        x.exp()
    }
    #[inline(always)]
    fn pull<R: Real>(_: [R; 1], y: R, g: R) -> [R; 1] {
        [g * y]
    }
}

/// e^x - 1, exact for small x. Gradient: e^x, of which y + 1 has lost the tail.
///
/// - PyTorch: `torch.expm1(x)`
pub(crate) enum Expm1 {}
impl Elementwise<1> for Expm1 {
    const NAME: &str = "expm1";
    const DOMAIN: [(f64, f64); 1] = [(-4.0, 4.0)];
    const IS_FREQUENT: bool = true;
    #[inline(always)]
    fn eval<R: Real>([x]: [R; 1]) -> R {
        x.expm1()
    }
    #[inline(always)]
    fn pull<R: Real>([x]: [R; 1], _: R, g: R) -> [R; 1] {
        [g * x.exp()]
    }
}

/// The natural logarithm. Gradient: 1 / x.
///
/// - PyTorch: `torch.log(x)`
pub(crate) enum Log {}
impl Elementwise<1> for Log {
    const NAME: &str = "log";
    const DOMAIN: [(f64, f64); 1] = [(0.1, 8.0)];
    const IS_FREQUENT: bool = true;
    #[inline(always)]
    fn eval<R: Real>([x]: [R; 1]) -> R {
        x.ln()
    }
    #[inline(always)]
    fn pull<R: Real>([x]: [R; 1], _: R, g: R) -> [R; 1] {
        [g / x]
    }
}

/// The natural logarithm of 1 + x, exact for small x. Gradient: 1 / (1 + x).
///
/// - PyTorch: `torch.log1p(x)`
pub(crate) enum Log1p {}
impl Elementwise<1> for Log1p {
    const NAME: &str = "log1p";
    const DOMAIN: [(f64, f64); 1] = [(-0.8, 8.0)];
    const IS_FREQUENT: bool = true;
    #[inline(always)]
    fn eval<R: Real>([x]: [R; 1]) -> R {
        x.log1p()
    }
    #[inline(always)]
    fn pull<R: Real>([x]: [R; 1], _: R, g: R) -> [R; 1] {
        [g / (x + R::lit(1.0))]
    }
}

/// The square root. Gradient: 1 / (2 y).
///
/// - PyTorch: `torch.sqrt(x)`
pub(crate) enum Sqrt {}
impl Elementwise<1> for Sqrt {
    const NAME: &str = "sqrt";
    const DOMAIN: [(f64, f64); 1] = [(0.1, 8.0)];
    const IS_FREQUENT: bool = true;
    #[inline(always)]
    fn eval<R: Real>([x]: [R; 1]) -> R {
        x.sqrt()
    }
    #[inline(always)]
    fn pull<R: Real>(_: [R; 1], y: R, g: R) -> [R; 1] {
        [g / (y + y)]
    }
}

/// What is not negative but for rounding: x, or 0 below it. Derivative: 1, as if nothing were rounded.
pub(crate) enum NotNegative {}
impl Elementwise<1> for NotNegative {
    const NAME: &str = "var";
    const DOMAIN: [(f64, f64); 1] = [(0.1, 8.0)];
    #[inline(always)]
    fn eval<R: Real>([x]: [R; 1]) -> R {
        let zero = R::lit(0.0);
        R::select(x.lt(zero), zero, x)
    }
    #[inline(always)]
    fn pull<R: Real>(_: [R; 1], _: R, g: R) -> [R; 1] {
        [g]
    }
}

/// 1 / sqrt(x). Gradient: -y^3 / 2.
///
/// - PyTorch: `torch.rsqrt(x)`
pub(crate) enum Rsqrt {}
impl Elementwise<1> for Rsqrt {
    const NAME: &str = "rsqrt";
    const DOMAIN: [(f64, f64); 1] = [(0.1, 8.0)];
    #[inline(always)]
    fn eval<R: Real>([x]: [R; 1]) -> R {
        R::lit(1.0) / x.sqrt()
    }
    #[inline(always)]
    fn pull<R: Real>(_: [R; 1], y: R, g: R) -> [R; 1] {
        // (In this order: y^3 may be beyond the largest number, where a half of it is not.)
        [g * (R::lit(-0.5) * y * y * y)]
    }
}

/// x^2. Gradient: 2 x.
///
/// - PyTorch: `torch.square(x)`
/// - Types: floats, i64
/// - Cases: `x=I(3,-4,0)`
pub(crate) enum Square {}
impl Elementwise<1> for Square {
    const NAME: &str = "square";
    const DOMAIN: [(f64, f64); 1] = [(-4.0, 4.0)];
    const IS_FREQUENT: bool = true;
    #[inline(always)]
    fn eval<R: Real>([x]: [R; 1]) -> R {
        x * x
    }
    #[inline(always)]
    fn pull<R: Real>([x]: [R; 1], _: R, g: R) -> [R; 1] {
        [g * (x + x)]
    }
}

/// 1 / x. Gradient: -y^2.
///
/// - PyTorch: `torch.reciprocal(x)`
pub(crate) enum Reciprocal {}
impl Elementwise<1> for Reciprocal {
    const NAME: &str = "reciprocal";
    const DOMAIN: [(f64, f64); 1] = [(0.1, 4.0)];
    const IS_FREQUENT: bool = true;
    #[inline(always)]
    fn eval<R: Real>([x]: [R; 1]) -> R {
        R::lit(1.0) / x
    }
    #[inline(always)]
    fn pull<R: Real>(_: [R; 1], y: R, g: R) -> [R; 1] {
        [-g * (y * y)]
    }
}

/// The sine of an angle in radians. Gradient: cos x.
///
/// - PyTorch: `torch.sin(x)`
pub(crate) enum Sin {}
impl Elementwise<1> for Sin {
    const NAME: &str = "sin";
    const DOMAIN: [(f64, f64); 1] = [(-8.0, 8.0)];
    const IS_FREQUENT: bool = true;
    const TRIG: bool = true;
    #[inline(always)]
    fn eval<R: Real>([x]: [R; 1]) -> R {
        x.sin()
    }
    #[inline(always)]
    fn pull<R: Real>([x]: [R; 1], _: R, g: R) -> [R; 1] {
        [g * x.cos()]
    }
}

/// The cosine of an angle in radians. Gradient: -sin x.
///
/// - PyTorch: `torch.cos(x)`
pub(crate) enum Cos {}
impl Elementwise<1> for Cos {
    const NAME: &str = "cos";
    const DOMAIN: [(f64, f64); 1] = [(-8.0, 8.0)];
    const IS_FREQUENT: bool = true;
    const TRIG: bool = true;
    #[inline(always)]
    fn eval<R: Real>([x]: [R; 1]) -> R {
        x.cos()
    }
    #[inline(always)]
    fn pull<R: Real>([x]: [R; 1], _: R, g: R) -> [R; 1] {
        [-g * x.sin()]
    }
}

/// The tangent of an angle in radians. Gradient: 1 + y^2.
///
/// - PyTorch: `torch.tan(x)`
pub(crate) enum Tan {}
impl Elementwise<1> for Tan {
    const NAME: &str = "tan";
    const DOMAIN: [(f64, f64); 1] = [(-1.3, 1.3)];
    const TRIG: bool = true;
    #[inline(always)]
    fn eval<R: Real>([x]: [R; 1]) -> R {
        x.tan()
    }
    #[inline(always)]
    fn pull<R: Real>(_: [R; 1], y: R, g: R) -> [R; 1] {
        [g * (R::lit(1.0) + y * y)]
    }
}

/// The hyperbolic tangent. Gradient: 1 - y^2, so that it is 0 beyond x = 9 (f32) or 19.
///
/// - PyTorch: `torch.tanh(x)`
pub(crate) enum Tanh {}
impl Elementwise<1> for Tanh {
    const NAME: &str = "tanh";
    const DOMAIN: [(f64, f64); 1] = [(-4.0, 4.0)];
    const IS_FREQUENT: bool = true;
    #[inline(always)]
    fn eval<R: Real>([x]: [R; 1]) -> R {
        x.tanh()
    }
    #[inline(always)]
    fn pull<R: Real>(_: [R; 1], y: R, g: R) -> [R; 1] {
        [g * (R::lit(1.0) - y * y)]
    }
    fn recorded<R: Real>([x]: [R; 1], _: R, g: R) -> [R; 1] {
        [g * (R::lit(4.0) * (x + x).logistic())]
    }
}

/// 1 / (1 + e^-x). Gradient: y (1 - y), so that it is 0 above x = 17 (f32) or 37.
///
/// - PyTorch: `torch.sigmoid(x)`
pub(crate) enum Sigmoid {}
impl Elementwise<1> for Sigmoid {
    const NAME: &str = "sigmoid";
    const DOMAIN: [(f64, f64); 1] = [(-6.0, 6.0)];
    const IS_FREQUENT: bool = true;
    #[inline(always)]
    fn eval<R: Real>([x]: [R; 1]) -> R {
        x.sigmoid()
    }
    #[inline(always)]
    fn pull<R: Real>(_: [R; 1], y: R, g: R) -> [R; 1] {
        [g * ((R::lit(1.0) - y) * y)]
    }
    fn recorded<R: Real>([x]: [R; 1], _: R, g: R) -> [R; 1] {
        [g * x.logistic()]
    }
}

/// The error function. Gradient: 2 / sqrt(pi) e^(-x^2).
///
/// - PyTorch: `torch.erf(x)`
pub(crate) enum Erf {}
impl Elementwise<1> for Erf {
    const NAME: &str = "erf";
    const DOMAIN: [(f64, f64); 1] = [(-2.5, 2.5)];
    #[inline(always)]
    fn eval<R: Real>([x]: [R; 1]) -> R {
        x.erf()
    }
    #[inline(always)]
    fn pull<R: Real>([x]: [R; 1], _: R, g: R) -> [R; 1] {
        [g * (R::lit(FRAC_2_SQRT_PI) * x.bell())]
    }
}

/// max(x, 0). Gradient: 0 up to 0, 1 above; 1 for NaN.
///
/// - PyTorch: `torch.relu(x)`
/// - Types: floats, i64
/// - Cases: `x=I(3,-4,0)`
pub(crate) enum Relu {}
impl Elementwise<1> for Relu {
    const NAME: &str = "relu";
    const DOMAIN: [(f64, f64); 1] = [(0.1, 4.0)];
    const IS_FREQUENT: bool = true;
    #[inline(always)]
    fn eval<R: Real>([x]: [R; 1]) -> R {
        let zero = R::lit(0.0);
        R::select(x.le(zero), zero, x)
    }
    #[inline(always)]
    fn pull<R: Real>(_: [R; 1], y: R, g: R) -> [R; 1] {
        // Reads y, which is kept anyway by what comes next; x need not be.
        let zero = R::lit(0.0);
        [R::select(y.le(zero), zero, g)]
    }
}

/// log(1 + e^x). Gradient: the sigmoid of x.
///
/// - PyTorch: `F.softplus(x)`
pub(crate) enum Softplus {}
impl Elementwise<1> for Softplus {
    const NAME: &str = "softplus";
    const DOMAIN: [(f64, f64); 1] = [(-6.0, 6.0)];
    #[inline(always)]
    fn eval<R: Real>([x]: [R; 1]) -> R {
        let zero = R::lit(0.0);
        R::select(x.lt(zero), zero, x) + (-x.abs()).exp().log1p()
    }
    #[inline(always)]
    fn pull<R: Real>([x]: [R; 1], _: R, g: R) -> [R; 1] {
        [g * x.sigmoid()]
    }
    fn recorded<R: Real>([x]: [R; 1], _: R, g: R) -> [R; 1] {
        [g * x.logistic_cdf()]
    }
}

/// x P(Z <= x) for a standard normal Z. Gradient: P(Z <= x) + x e^(-x^2/2) / sqrt(2 pi).
/// D. Hendrycks, K. Gimpel, "Gaussian error linear units", 2016.
///
/// - PyTorch: `F.gelu(x)`
pub(crate) enum Gelu {}
impl Elementwise<1> for Gelu {
    const NAME: &str = "gelu";
    const DOMAIN: [(f64, f64); 1] = [(-4.0, 4.0)];
    #[inline(always)]
    fn eval<R: Real>([x]: [R; 1]) -> R {
        x.gelu()
    }
    #[inline(always)]
    fn pull<R: Real>([x]: [R; 1], _: R, g: R) -> [R; 1] {
        [g * (x.normal_cdf() + within(x, FAR) * (R::lit(NORMAL) * x.gaussian()))]
    }
}

/// The approximation of gelu by x (1 + tanh u) / 2 with u = sqrt(2/pi) (x + 0.044715 x^3); written
/// with the sigmoid s of 2u, which does not cancel. Gradient: s + x s (1 - s) (2u)'.
///
/// - PyTorch: `F.gelu(x, approximate='tanh')`
pub(crate) enum GeluTanh {}
impl GeluTanh {
    /// (2u)'.
    #[inline(always)]
    fn slope<R: Real>(x: R) -> R {
        R::lit(GATE) + R::lit(3.0 * GATE_CUBE) * (x * x)
    }
}
impl Elementwise<1> for GeluTanh {
    const NAME: &str = "gelu_tanh";
    const DOMAIN: [(f64, f64); 1] = [(-4.0, 4.0)];
    #[inline(always)]
    fn eval<R: Real>([x]: [R; 1]) -> R {
        x.gelu_tanh()
    }
    #[inline(always)]
    fn pull<R: Real>([x]: [R; 1], _: R, g: R) -> [R; 1] {
        let x = within(x, FAR);
        let s = x.gelu_gate();
        [g * (s + x * (s * (-x).gelu_gate()) * Self::slope(x))]
    }
    fn recorded<R: Real>([x]: [R; 1], _: R, g: R) -> [R; 1] {
        let x = within(x, FAR);
        let exponent = x * (R::lit(GATE) + R::lit(GATE_CUBE) * (x * x));
        [g * (exponent.logistic_cdf() + x * exponent.logistic() * Self::slope(x))]
    }
}

/// x times the sigmoid s of x, also called swish. Gradient: s (1 + x (1 - s)).
///
/// - PyTorch: `F.silu(x)`
pub(crate) enum Silu {}
impl Elementwise<1> for Silu {
    const NAME: &str = "silu";
    const DOMAIN: [(f64, f64); 1] = [(-6.0, 6.0)];
    #[inline(always)]
    fn eval<R: Real>([x]: [R; 1]) -> R {
        x.silu()
    }
    #[inline(always)]
    fn pull<R: Real>([x]: [R; 1], _: R, g: R) -> [R; 1] {
        // The sigmoid of -x is 1 - s without its cancellation, from the same exponential.
        [g * (x.sigmoid() * (R::lit(1.0) + within(x, FAR) * (-x).sigmoid()))]
    }
    fn recorded<R: Real>([x]: [R; 1], _: R, g: R) -> [R; 1] {
        [g * (x.logistic_cdf() + within(x, FAR) * x.logistic())]
    }
}

/// A size at which every tail of this file is 0 and its square is far from overflow.
const FAR: f64 = 1e4;

/// 1 / sqrt(2 pi)
const NORMAL: f64 = 0.5 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2;

/// The largest integer up to x. Gradient: 0.
///
/// - PyTorch: `torch.floor(x)`
pub(crate) enum Floor {}
impl Elementwise<1> for Floor {
    const NAME: &str = "floor";
    const DOMAIN: [(f64, f64); 1] = [(2.1, 2.9)];
    #[inline(always)]
    fn eval<R: Real>([x]: [R; 1]) -> R {
        x.floor()
    }
    #[inline(always)]
    fn pull<R: Real>(_: [R; 1], _: R, _: R) -> [R; 1] {
        [R::lit(0.0)]
    }
}

/// The smallest integer from x on. Gradient: 0.
///
/// - PyTorch: `torch.ceil(x)`
pub(crate) enum Ceil {}
impl Elementwise<1> for Ceil {
    const NAME: &str = "ceil";
    const DOMAIN: [(f64, f64); 1] = [(2.1, 2.9)];
    #[inline(always)]
    fn eval<R: Real>([x]: [R; 1]) -> R {
        x.ceil()
    }
    #[inline(always)]
    fn pull<R: Real>(_: [R; 1], _: R, _: R) -> [R; 1] {
        [R::lit(0.0)]
    }
}

/// The nearest integer, the even one of two. Gradient: 0.
///
/// - PyTorch: `torch.round(x)`
pub(crate) enum Round {}
impl Elementwise<1> for Round {
    const NAME: &str = "round";
    const DOMAIN: [(f64, f64); 1] = [(2.6, 3.4)];
    #[inline(always)]
    fn eval<R: Real>([x]: [R; 1]) -> R {
        x.round()
    }
    #[inline(always)]
    fn pull<R: Real>(_: [R; 1], _: R, _: R) -> [R; 1] {
        [R::lit(0.0)]
    }
}

// ---- what rules are recorded with ----

/// e^(-x^2). Derivative: -2 x y.
pub(crate) enum Bell {}
impl Elementwise<1> for Bell {
    const NAME: &str = "erf";
    const DOMAIN: [(f64, f64); 1] = [(-2.5, 2.5)];
    #[inline(always)]
    fn eval<R: Real>([x]: [R; 1]) -> R {
        x.bell()
    }
    #[inline(always)]
    fn pull<R: Real>([x]: [R; 1], y: R, g: R) -> [R; 1] {
        [g * (R::lit(-2.0) * within(x, FAR) * y)]
    }
}

/// e^(-x^2 / 2). Derivative: -x y.
pub(crate) enum Gaussian {}
impl Elementwise<1> for Gaussian {
    const NAME: &str = "gelu";
    const DOMAIN: [(f64, f64); 1] = [(-4.0, 4.0)];
    #[inline(always)]
    fn eval<R: Real>([x]: [R; 1]) -> R {
        x.gaussian()
    }
    #[inline(always)]
    fn pull<R: Real>([x]: [R; 1], y: R, g: R) -> [R; 1] {
        [g * (-within(x, FAR) * y)]
    }
}

/// P(Z <= x) for a standard normal Z. Derivative: e^(-x^2 / 2) / sqrt(2 pi).
pub(crate) enum NormalCdf {}
impl Elementwise<1> for NormalCdf {
    const NAME: &str = "gelu";
    const DOMAIN: [(f64, f64); 1] = [(-4.0, 4.0)];
    #[inline(always)]
    fn eval<R: Real>([x]: [R; 1]) -> R {
        x.normal_cdf()
    }
    #[inline(always)]
    fn pull<R: Real>([x]: [R; 1], _: R, g: R) -> [R; 1] {
        [g * (R::lit(NORMAL) * x.gaussian())]
    }
}

/// The derivative of the sigmoid. Its own: -y tanh(x / 2).
pub(crate) enum Logistic {}
impl Elementwise<1> for Logistic {
    const NAME: &str = "sigmoid";
    const DOMAIN: [(f64, f64); 1] = [(-6.0, 6.0)];
    #[inline(always)]
    fn eval<R: Real>([x]: [R; 1]) -> R {
        x.logistic()
    }
    #[inline(always)]
    fn pull<R: Real>([x]: [R; 1], y: R, g: R) -> [R; 1] {
        [g * (-y * (R::lit(0.5) * x).tanh())]
    }
}

/// The sigmoid. Derivative: as [`Logistic`] computes it, from x, for y has lost the upper tail.
pub(crate) enum LogisticCdf {}
impl Elementwise<1> for LogisticCdf {
    const NAME: &str = "sigmoid";
    const DOMAIN: [(f64, f64); 1] = [(-6.0, 6.0)];
    #[inline(always)]
    fn eval<R: Real>([x]: [R; 1]) -> R {
        x.sigmoid()
    }
    #[inline(always)]
    fn pull<R: Real>([x]: [R; 1], _: R, g: R) -> [R; 1] {
        [g * x.logistic()]
    }
}
