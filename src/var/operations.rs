//! The operations as methods. Written by `make interface` from what `src/op/` declares.

use super::{Graph, Var};
use crate::dtype::DType;
use crate::graph::Operand;
use crate::op::Reduce;
use crate::roll_call::Elem;

impl<'g> Var<'g> {
    /// -x. Gradient: -1. Takes i64, too.
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    #[allow(clippy::should_implement_trait)] // the operators are besides
    pub fn neg(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Neg, self.handle))
    }

    /// |x|. Gradient: the sign of x, 0 at 0 and for NaN. Takes i64, too.
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn abs(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Abs, self.handle))
    }

    /// -1, 0 or 1; 0 for NaN. Gradient: 0. Takes i64, too.
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn sign(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Sign, self.handle))
    }

    /// e^x. Gradient: y.
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn exp(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Exp, self.handle))
    }

    /// e^x - 1, exact for small x. Gradient: e^x, of which y + 1 has lost the tail.
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn expm1(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Expm1, self.handle))
    }

    /// The natural logarithm. Gradient: 1 / x.
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn log(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Log, self.handle))
    }

    /// The natural logarithm of 1 + x, exact for small x. Gradient: 1 / (1 + x).
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn log1p(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Log1p, self.handle))
    }

    /// The square root. Gradient: 1 / (2 y).
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn sqrt(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Sqrt, self.handle))
    }

    /// 1 / sqrt(x). Gradient: -y^3 / 2.
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn rsqrt(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Rsqrt, self.handle))
    }

    /// x^2. Gradient: 2 x. Takes i64, too.
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn square(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Square, self.handle))
    }

    /// 1 / x. Gradient: -y^2.
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn reciprocal(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Reciprocal, self.handle))
    }

    /// The sine of an angle in radians. Gradient: cos x.
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn sin(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Sin, self.handle))
    }

    /// The cosine of an angle in radians. Gradient: -sin x.
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn cos(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Cos, self.handle))
    }

    /// The tangent of an angle in radians. Gradient: 1 + y^2.
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn tan(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Tan, self.handle))
    }

    /// The hyperbolic tangent. Gradient: 1 - y^2, so that it is 0 beyond x = 9 (f32) or 19.
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn tanh(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Tanh, self.handle))
    }

    /// 1 / (1 + e^-x). Gradient: y (1 - y), so that it is 0 above x = 17 (f32) or 37.
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn sigmoid(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Sigmoid, self.handle))
    }

    /// The error function. Gradient: 2 / sqrt(pi) e^(-x^2).
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn erf(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Erf, self.handle))
    }

    /// max(x, 0). Gradient: 0 up to 0, 1 above; 1 for NaN. Takes i64, too.
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn relu(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Relu, self.handle))
    }

    /// log(1 + e^x). Gradient: the sigmoid of x.
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn softplus(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Softplus, self.handle))
    }

    /// x P(Z <= x) for a standard normal Z. Gradient: P(Z <= x) + x e^(-x^2/2) / sqrt(2 pi). D.
    /// Hendrycks, K. Gimpel, "Gaussian error linear units", 2016.
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn gelu(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Gelu, self.handle))
    }

    /// The approximation of gelu by x (1 + tanh u) / 2 with u = sqrt(2/pi) (x + 0.044715 x^3);
    /// written with the sigmoid s of 2u, which does not cancel. Gradient: s + x s (1 - s) (2u)'.
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn gelu_tanh(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::GeluTanh, self.handle))
    }

    /// x times the sigmoid s of x, also called swish. Gradient: s (1 + x (1 - s)).
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn silu(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Silu, self.handle))
    }

    /// The largest integer up to x. Gradient: 0.
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn floor(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Floor, self.handle))
    }

    /// The smallest integer from x on. Gradient: 0.
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn ceil(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Ceil, self.handle))
    }

    /// The nearest integer, the even one of two. Gradient: 0.
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn round(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Round, self.handle))
    }

    /// a + b. Takes i64, too.
    ///
    /// Float tensors of one dtype, broadcast to one another.
    #[track_caller]
    #[allow(clippy::should_implement_trait)] // the operators are besides
    pub fn add(self, b: Self) -> Self {
        self.graph.offer_map(|session| session.map2(Elem::Add, self.handle, b.handle))
    }

    /// a - b. Takes i64, too.
    ///
    /// Float tensors of one dtype, broadcast to one another.
    #[track_caller]
    #[allow(clippy::should_implement_trait)] // the operators are besides
    pub fn sub(self, b: Self) -> Self {
        self.graph.offer_map(|session| session.map2(Elem::Sub, self.handle, b.handle))
    }

    /// a b, element by element. Takes i64, too.
    ///
    /// Float tensors of one dtype, broadcast to one another.
    #[track_caller]
    #[allow(clippy::should_implement_trait)] // the operators are besides
    pub fn mul(self, b: Self) -> Self {
        self.graph.offer_map(|session| session.map2(Elem::Mul, self.handle, b.handle))
    }

    /// a / b. Gradients: 1 / b and -y / b.
    ///
    /// Float tensors of one dtype, broadcast to one another.
    #[track_caller]
    #[allow(clippy::should_implement_trait)] // the operators are besides
    pub fn div(self, b: Self) -> Self {
        self.graph.offer_map(|session| session.map2(Elem::Div, self.handle, b.handle))
    }

    /// a^b. Gradients: b a^(b-1), 0 where b is 0; and y log a, 0 where a is 0 and b is not
    /// negative.
    ///
    /// Float tensors of one dtype, broadcast to one another.
    #[track_caller]
    pub fn pow(self, b: Self) -> Self {
        self.graph.offer_map(|session| session.map2(Elem::Pow, self.handle, b.handle))
    }

    /// The larger one; NaN if either is. Gradients: 1 and 0, at a tie 1/2 each. Takes i64, too.
    ///
    /// Float tensors of one dtype, broadcast to one another.
    #[track_caller]
    pub fn maximum(self, b: Self) -> Self {
        self.graph.offer_map(|session| session.map2(Elem::Maximum, self.handle, b.handle))
    }

    /// The smaller one; NaN if either is. Gradients: 1 and 0, at a tie 1/2 each. Takes i64, too.
    ///
    /// Float tensors of one dtype, broadcast to one another.
    #[track_caller]
    pub fn minimum(self, b: Self) -> Self {
        self.graph.offer_map(|session| session.map2(Elem::Minimum, self.handle, b.handle))
    }

    /// The angle of the point (b, a) in radians. Gradients: b / (a^2 + b^2) and -a / (a^2 + b^2), 0
    /// at the origin and at infinity. They are computed from r, the smaller operand by the larger
    /// one, because squares would leave the range: 1 / (larger (1 + r^2)), and r times that.
    ///
    /// Float tensors of one dtype, broadcast to one another.
    #[track_caller]
    pub fn atan2(self, b: Self) -> Self {
        self.graph.offer_map(|session| session.map2(Elem::Atan2, self.handle, b.handle))
    }

    /// 2^x; exact for integers. Gradient: y ln 2.
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn exp2(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Exp2, self.handle))
    }

    /// The logarithm to base 2; exact for powers of 2. Gradient: 1 / (x ln 2).
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn log2(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Log2, self.handle))
    }

    /// The logarithm to base 10; exact for powers of 10. Gradient: 1 / (x ln 10).
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn log10(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Log10, self.handle))
    }

    /// The cubic root, also of negative numbers; exact for cubes. Gradient: 1 / (3 y^2), infinite
    /// at 0.
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn cbrt(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Cbrt, self.handle))
    }

    /// The arcsine, in radians. Gradient: 1 / sqrt(1 - x^2).
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn asin(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Asin, self.handle))
    }

    /// The arccosine, in radians. Gradient: -1 / sqrt(1 - x^2).
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn acos(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Acos, self.handle))
    }

    /// The arctangent, in radians. Gradient: 1 / (1 + x^2).
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn atan(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Atan, self.handle))
    }

    /// The hyperbolic sine. Gradient: cosh x.
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn sinh(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Sinh, self.handle))
    }

    /// The hyperbolic cosine. Gradient: sinh x.
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn cosh(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Cosh, self.handle))
    }

    /// The inverse of the hyperbolic sine. Gradient: 1 / sqrt(1 + x^2).
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn asinh(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Asinh, self.handle))
    }

    /// The inverse of the hyperbolic cosine. Gradient: 1 / sqrt(x^2 - 1).
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn acosh(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Acosh, self.handle))
    }

    /// The inverse of the hyperbolic tangent. Gradient: 1 / (1 - x^2).
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn atanh(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Atanh, self.handle))
    }

    /// 1 - erf(x), without its cancellation. Gradient: -2 / sqrt(pi) e^(-x^2).
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn erfc(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Erfc, self.handle))
    }

    /// e^(x^2) erfc(x), without overflow above 0. Gradient: 2 x y - 2 / sqrt(pi), which does not
    /// cancel.
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn erfcx(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Erfcx, self.handle))
    }

    /// The number whose error function is x. Gradient: sqrt(pi) / 2 e^(y^2).
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn erfinv(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Erfinv, self.handle))
    }

    /// P(Z <= x) for a standard normal Z. Gradient: e^(-x^2 / 2) / sqrt(2 pi).
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn ndtr(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Ndtr, self.handle))
    }

    /// The logarithm of P(Z <= x) for a standard normal Z, also where that is 0. Gradient: e^(-x^2
    /// / 2) / sqrt(2 pi) over P(Z <= x), that is -x far below 0.
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn log_ndtr(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::LogNdtr, self.handle))
    }

    /// The number that a standard normal Z is below with probability x. Gradient: sqrt(2 pi) e^(y^2
    /// / 2).
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn ndtri(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Ndtri, self.handle))
    }

    /// ln|Gamma(x)|. Gradient: digamma(x).
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn lgamma(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Lgamma, self.handle))
    }

    /// The logarithmic derivative of the gamma function. Gradient: polygamma(1, x).
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn digamma(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::Digamma, self.handle))
    }

    /// The derivative of that order of digamma(x), up to order 30; order 0 is digamma itself.
    /// Gradient: polygamma(order + 1, x).
    #[track_caller]
    pub fn polygamma(self, order: usize) -> Self {
        self.operation("polygamma", [self.handle], |core, [x]| core.polygamma(x, order))
    }

    /// The modified Bessel function of order 0. Gradient: i1(x).
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn i0(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::I0, self.handle))
    }

    /// The modified Bessel function of order 1. Gradient: i0(x) - y / x, which is 1/2 at 0.
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn i1(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::I1, self.handle))
    }

    /// e^-|x| I0(x), for the modified Bessel function of order 0. Gradient: i1e(x) - sign(x) y,
    /// which does not cancel, and is 0 at 0.
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn i0e(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::I0e, self.handle))
    }

    /// e^-|x| I1(x), for the modified Bessel function of order 1. Gradient: i0e(x) - (sign(x) + 1 /
    /// x) y, which does not cancel, and is 1/2 at 0.
    ///
    /// Any float tensor; the result has its shape.
    #[track_caller]
    pub fn i1e(self) -> Self {
        self.graph.offer_map(|session| session.map(Elem::I1e, self.handle))
    }

    /// x above 0, else `slope` times x. Gradient: 1 above 0, else the slope.
    #[track_caller]
    pub fn leaky_relu(self, slope: f64) -> Self {
        self.operation("leaky_relu", [self.handle], |core, [x]| core.leaky_relu(x, slope))
    }

    /// x above 0, else alpha (e^x - 1). Gradient: 1 above 0, else alpha e^x. D. Clevert, T.
    /// Unterthiner, S. Hochreiter, 2015.
    #[track_caller]
    pub fn elu(self, alpha: f64) -> Self {
        self.operation("elu", [self.handle], |core, [x]| core.elu(x, alpha))
    }

    /// Up to 0 alpha (e^x - 1) scale, above scale x, with the alpha and the scale that keep mean 0
    /// and variance 1. Gradient: the scale above 0, else alpha scale e^x. G. Klambauer et al.,
    /// "Self-normalizing neural networks", 2017.
    #[track_caller]
    pub fn selu(self) -> Self {
        self.operation("selu", [self.handle], |core, [x]| core.selu(x))
    }

    /// x above 0, else alpha (e^(x / alpha) - 1), with an alpha other than 0. Gradient: 1 above 0,
    /// else e^(x / alpha). J. T. Barron, "Continuously differentiable exponential linear units",
    /// 2017.
    #[track_caller]
    pub fn celu(self, alpha: f64) -> Self {
        self.operation("celu", [self.handle], |core, [x]| core.celu(x, alpha))
    }

    /// x, but at least 0 and at most 6. Gradient: 1 between, 0 at the bounds and beyond, and for
    /// NaN.
    #[track_caller]
    pub fn relu6(self) -> Self {
        self.operation("relu6", [self.handle], |core, [x]| core.relu6(x))
    }

    /// x, but at least min and at most max. Gradient: 1 between, 0 at the bounds and beyond, and
    /// for NaN.
    #[track_caller]
    pub fn hardtanh(self, min: f64, max: f64) -> Self {
        self.operation("hardtanh", [self.handle], |core, [x]| core.hardtanh(x, min, max))
    }

    /// (x + 3) / 6, but at least 0 and at most 1. Gradient: 1/6 between, 0 at the bounds and
    /// beyond, and for NaN. (It is F.hardsigmoid, whose gradient PyTorch rounds to f32.)
    #[track_caller]
    pub fn hardsigmoid(self) -> Self {
        self.operation("hardsigmoid", [self.handle], |core, [x]| core.hardsigmoid(x))
    }

    /// x (x + 3) / 6 between -3 and 3, 0 below and x above. Gradient: (2 x + 3) / 6 between; 0 at
    /// -3 and below, 1 at 3 and above. At -infinity it is 0, where PyTorch gives NaN. A. Howard et
    /// al., "Searching for MobileNetV3", 2019.
    #[track_caller]
    pub fn hardswish(self) -> Self {
        self.operation("hardswish", [self.handle], |core, [x]| core.hardswish(x))
    }

    /// x tanh(log(1 + e^x)). At -infinity it is 0 with the gradient 0, and at infinity the gradient
    /// is 1, where PyTorch gives NaN. D. Misra, "Mish", 2019.
    #[track_caller]
    pub fn mish(self) -> Self {
        self.operation("mish", [self.handle], |core, [x]| core.mish(x))
    }

    /// x / (1 + |x|). Gradient: 1 / (1 + |x|)^2. At an infinity it is 1 or -1 with the gradient 0,
    /// where PyTorch gives NaN.
    #[track_caller]
    pub fn softsign(self) -> Self {
        self.operation("softsign", [self.handle], |core, [x]| core.softsign(x))
    }

    /// x - tanh x, which does not cancel near 0, nor do its derivatives. Gradient: tanh(x)^2.
    #[track_caller]
    pub fn tanhshrink(self) -> Self {
        self.operation("tanhshrink", [self.handle], |core, [x]| core.tanhshrink(x))
    }

    /// x, brought nearer to 0 by a threshold that is not negative; 0 up to there. Gradient: 1
    /// beyond the threshold, else 0, also for NaN.
    #[track_caller]
    pub fn softshrink(self, threshold: f64) -> Self {
        self.operation("softshrink", [self.handle], |core, [x]| core.softshrink(x, threshold))
    }

    /// x, but 0 from -threshold to threshold. Gradient: 1 beyond, else 0, also for NaN.
    #[track_caller]
    pub fn hardshrink(self, threshold: f64) -> Self {
        self.operation("hardshrink", [self.handle], |core, [x]| core.hardshrink(x, threshold))
    }

    /// x above the threshold, else the value. Gradient: 1 above and for NaN, else 0.
    #[track_caller]
    pub fn threshold(self, threshold: f64, value: f64) -> Self {
        self.operation("threshold", [self.handle], |core, [x]| core.threshold(x, threshold, value))
    }

    /// log(1 + e^(beta x)) / beta, with a beta other than 0: a smooth relu, the steeper the larger
    /// beta is. Gradient: the sigmoid of beta x. (PyTorch gives x where beta x is above 20.)
    #[track_caller]
    pub fn softplus_beta(self, beta: f64) -> Self {
        self.operation("softplus_beta", [self.handle], |core, [x]| core.softplus_beta(x, beta))
    }

    /// The logarithm of the sigmoid, -log(1 + e^-x), without overflow. Gradient: the sigmoid of -x.
    #[track_caller]
    pub fn log_sigmoid(self) -> Self {
        self.operation("log_sigmoid", [self.handle], |core, [x]| core.log_sigmoid(x))
    }

    /// log(x / (1 - x)), what sigmoid makes x of. Where eps is not 0, x counts as at least eps and
    /// at most 1 - eps, so eps is from 0 to 1/2. Gradient: 1 / (x (1 - x)), 0 beyond those bounds,
    /// and for NaN. Without them value and gradient are NaN outside of \[0, 1].
    #[track_caller]
    pub fn logit(self, eps: f64) -> Self {
        self.operation("logit", [self.handle], |core, [x]| core.logit(x, eps))
    }

    /// sin(pi x) / (pi x), and 1 at 0. Near 0 it is computed from its series, so that derivatives
    /// do not cancel there; at the zeros, the whole numbers, the sine is of an angle within pi.
    #[track_caller]
    pub fn sinc(self) -> Self {
        self.operation("sinc", [self.handle], |core, [x]| core.sinc(x))
    }

    /// The integer next to x towards 0. Gradient: 0.
    #[track_caller]
    pub fn trunc(self) -> Self {
        self.operation("trunc", [self.handle], |core, [x]| core.trunc(x))
    }

    /// x less the integer next to it towards 0; NaN at the infinities. Gradient: 1.
    #[track_caller]
    pub fn frac(self) -> Self {
        self.operation("frac", [self.handle], |core, [x]| core.frac(x))
    }

    /// x, with nan for NaN, pos for infinity and neg for -infinity; an infinite pos or neg leaves
    /// it as it is. A finite one that is beyond the type's largest number stands for that number,
    /// so the largest f64 does for all types. Gradient: 1, and 0 where x is not finite.
    #[track_caller]
    pub fn nan_to_num(self, nan: f64, pos: f64, neg: f64) -> Self {
        self.operation("nan_to_num", [self.handle], |core, [x]| core.nan_to_num(x, nan, pos, neg))
    }

    /// -x log x, the part of an entropy, with 0 at 0 and -infinity below. Gradient: -1 - log x;
    /// infinite at 0, NaN below.
    #[track_caller]
    pub fn entr(self) -> Self {
        self.operation("entr", [self.handle], |core, [x]| core.entr(x))
    }

    /// An angle in degrees, in radians. Gradient: pi / 180.
    #[track_caller]
    pub fn deg2rad(self) -> Self {
        self.operation("deg2rad", [self.handle], |core, [x]| core.deg2rad(x))
    }

    /// An angle in radians, in degrees. Gradient: 180 / pi.
    #[track_caller]
    pub fn rad2deg(self) -> Self {
        self.operation("rad2deg", [self.handle], |core, [x]| core.rad2deg(x))
    }

    /// A u8 mask: 1 where x is NaN, else 0. No gradient. Takes any type.
    #[track_caller]
    pub fn isnan(self) -> Self {
        self.operation("isnan", [self.handle], |core, [x]| core.isnan(x))
    }

    /// A u8 mask: 1 where x is infinite, else 0. No gradient. Takes any type.
    #[track_caller]
    pub fn isinf(self) -> Self {
        self.operation("isinf", [self.handle], |core, [x]| core.isinf(x))
    }

    /// A u8 mask: 1 where x is neither infinite nor NaN, else 0. No gradient. Takes any type.
    #[track_caller]
    pub fn isfinite(self) -> Self {
        self.operation("isfinite", [self.handle], |core, [x]| core.isfinite(x))
    }

    /// A u8 mask: 1 where x is 0, else 0. No gradient. Takes any type.
    #[track_caller]
    pub fn logical_not(self) -> Self {
        self.operation("logical_not", [self.handle], |core, [x]| core.logical_not(x))
    }

    /// The length of (a, b), without overflow; infinite if one of them is, even if the other is
    /// NaN. Gradients: a / y and b / y, NaN at (0, 0) and for the infinite one.
    #[track_caller]
    pub fn hypot(self, b: Self) -> Self {
        self.operation("hypot", [self.handle, b.handle], |core, [a, b]| core.hypot(a, b))
    }

    /// What the division of a by b with a quotient rounded towards 0 leaves, with the sign of a;
    /// NaN where b is 0 or a infinite. Exact, however large the quotient is. Gradients: 1 and
    /// -trunc(a / b).
    #[track_caller]
    pub fn fmod(self, b: Self) -> Self {
        self.operation("fmod", [self.handle, b.handle], |core, [a, b]| core.fmod(a, b))
    }

    /// As [`Var::fmod`], with one number for all elements.
    #[track_caller]
    pub fn fmod_scalar(self, b: f64) -> Self {
        self.operation("fmod", [self.handle], |core, [a]| core.fmod(a, Operand::Constant(b)))
    }

    /// What the division of a by b with a quotient rounded towards -infinity leaves, with the sign
    /// of b, as % does in Python; NaN where b is 0 or a infinite. It is the exact rest (plus b,
    /// where that has another sign), however large the quotient is. Gradients: 1 and -floor(a / b).
    #[track_caller]
    pub fn remainder(self, b: Self) -> Self {
        self.operation("remainder", [self.handle, b.handle], |core, [a, b]| core.remainder(a, b))
    }

    /// As [`Var::remainder`], with one number for all elements.
    #[track_caller]
    pub fn remainder_scalar(self, b: f64) -> Self {
        self.operation("remainder", [self.handle], |core, [a]| {
            core.remainder(a, Operand::Constant(b))
        })
    }

    /// The quotient rounded towards -infinity; plainly a / b where b is 0. It is that of the exact
    /// quotient: 1 by 0.1 is 9, as 0.1 is a little more than that; 0 has the sign of a / b.
    /// Gradients: 0.
    #[track_caller]
    pub fn floor_divide(self, b: Self) -> Self {
        self.operation("floor_divide", [self.handle, b.handle], |core, [a, b]| {
            core.floor_divide(a, b)
        })
    }

    /// As [`Var::floor_divide`], with one number for all elements.
    #[track_caller]
    pub fn floor_divide_scalar(self, b: f64) -> Self {
        self.operation("floor_divide", [self.handle], |core, [a]| {
            core.floor_divide(a, Operand::Constant(b))
        })
    }

    /// The size of a with the sign of b, which 0 has, too. (A NaN counts as positive.) Gradients: 1
    /// where the sign stays, -1 where it changes, 0 where a is 0 or NaN; and 0. PyTorch's is NaN
    /// where a is infinite or NaN.
    #[track_caller]
    pub fn copysign(self, b: Self) -> Self {
        self.operation("copysign", [self.handle, b.handle], |core, [a, b]| core.copysign(a, b))
    }

    /// The larger one; NaN only if both are. Gradients: 1 and 0, at a tie 1/2 each; of two NaN to
    /// the first.
    #[track_caller]
    pub fn fmax(self, b: Self) -> Self {
        self.operation("fmax", [self.handle, b.handle], |core, [a, b]| core.fmax(a, b))
    }

    /// The smaller one; NaN only if both are. Gradients: 1 and 0, at a tie 1/2 each; of two NaN to
    /// the first.
    #[track_caller]
    pub fn fmin(self, b: Self) -> Self {
        self.operation("fmin", [self.handle, b.handle], |core, [a, b]| core.fmin(a, b))
    }

    /// log(e^a + e^b), without overflow. Gradients: the shares of e^a and e^b in the sum, NaN at
    /// two equal infinities.
    #[track_caller]
    pub fn logaddexp(self, b: Self) -> Self {
        self.operation("logaddexp", [self.handle, b.handle], |core, [a, b]| core.logaddexp(a, b))
    }

    /// log2(2^a + 2^b), without overflow. Gradients: the shares of 2^a and 2^b in the sum, NaN at
    /// two equal infinities.
    #[track_caller]
    pub fn logaddexp2(self, b: Self) -> Self {
        self.operation("logaddexp2", [self.handle, b.handle], |core, [a, b]| core.logaddexp2(a, b))
    }

    /// a log b, and 0 where a is 0, unless b is NaN. Gradients: log b, but 0 where a is 0 and b not
    /// positive; and a / b.
    #[track_caller]
    pub fn xlogy(self, b: Self) -> Self {
        self.operation("xlogy", [self.handle, b.handle], |core, [a, b]| core.xlogy(a, b))
    }

    /// a log(1 + b), exact for small b, and 0 where a is 0, unless b is NaN. Gradients: log(1 + b),
    /// but 0 where a is 0 and b not above -1; and a / (1 + b).
    #[track_caller]
    pub fn xlog1py(self, b: Self) -> Self {
        self.operation("xlog1py", [self.handle, b.handle], |core, [a, b]| core.xlog1py(a, b))
    }

    /// The step: 0 where a is negative or NaN, 1 where it is positive, b where it is 0. Gradients:
    /// 0; and 1 where a is 0, else 0. (PyTorch has none.)
    #[track_caller]
    pub fn heaviside(self, b: Self) -> Self {
        self.operation("heaviside", [self.handle, b.handle], |core, [a, b]| core.heaviside(a, b))
    }

    /// a + weight (b - a): a at weight 0, b at weight 1, both exactly. Gradients: 1 - weight, the
    /// weight, and b - a.
    #[track_caller]
    pub fn lerp(self, b: Self, weight: Self) -> Self {
        self.operation("lerp", [self.handle, b.handle, weight.handle], |core, [a, b, weight]| {
            core.lerp(a, b, weight)
        })
    }

    /// As [`Var::lerp`], with one number for all elements.
    #[track_caller]
    pub fn lerp_scalar(self, b: Self, weight: f64) -> Self {
        self.operation("lerp", [self.handle, b.handle], |core, [a, b]| {
            core.lerp(a, b, Operand::Constant(weight))
        })
    }

    /// x + value a b. Gradients: 1, value b and value a.
    #[track_caller]
    pub fn addcmul(self, a: Self, b: Self, value: f64) -> Self {
        self.operation("addcmul", [self.handle, a.handle, b.handle], |core, [x, a, b]| {
            core.addcmul(x, a, b, value)
        })
    }

    /// x + value a / b. Gradients: 1, value / b and -value a / b^2.
    #[track_caller]
    pub fn addcdiv(self, a: Self, b: Self, value: f64) -> Self {
        self.operation("addcdiv", [self.handle, a.handle, b.handle], |core, [x, a, b]| {
            core.addcdiv(x, a, b, value)
        })
    }

    /// x y + z, of which the product and the sum are rounded each, as by mul and add. Gradients: y,
    /// x and 1.
    #[track_caller]
    pub fn fma(self, y: Self, z: Self) -> Self {
        self.operation("fma", [self.handle, y.handle, z.handle], |core, [x, y, z]| {
            core.fma(x, y, z)
        })
    }

    /// a 2^b; b may also be i64. Gradients: 2^b and y log 2.
    #[track_caller]
    pub fn ldexp(self, b: Self) -> Self {
        self.operation("ldexp", [self.handle, b.handle], |core, [a, b]| core.ldexp(a, b))
    }

    /// x, but at least min and at most max, which are tensors; max where min is above it; NaN if
    /// one of them is. Gradients: 1 for what is the value; where x is the value and a bound, too,
    /// 1/2 each, and 1 for x where it is both; 1 for x where one of them is NaN.
    #[track_caller]
    pub fn clamp_tensor(self, min: Self, max: Self) -> Self {
        self.operation("clamp_tensor", [self.handle, min.handle, max.handle], |core, [x, min, max]| {
            core.clamp_tensor(x, min, max)
        })
    }

    /// x above 0, else weight times x. The weight is one number, or, as a vector, one for each
    /// channel, which is axis 1 of x. Gradients: 1 above 0, else the weight; and the sum of those x
    /// that are not above 0. K. He et al., "Delving deep into rectifiers", 2015.
    #[track_caller]
    pub fn prelu(self, weight: Self) -> Self {
        self.operation("prelu", [self.handle, weight.handle], |core, [x, weight]| {
            core.prelu(x, weight)
        })
    }

    /// A u8 mask: 1 where neither a nor b is 0, else 0. The types of a and b need not be the same;
    /// no gradient. Takes any type.
    #[track_caller]
    pub fn logical_and(self, b: Self) -> Self {
        self.operation("logical_and", [self.handle, b.handle], |core, [a, b]| {
            core.logical_and(a, b)
        })
    }

    /// A u8 mask: 1 where a or b or both are not 0, else 0. The types of a and b need not be the
    /// same; no gradient. Takes any type.
    #[track_caller]
    pub fn logical_or(self, b: Self) -> Self {
        self.operation("logical_or", [self.handle, b.handle], |core, [a, b]| core.logical_or(a, b))
    }

    /// A u8 mask: 1 where one of a and b is 0 and the other is not, else 0. The types of a and b
    /// need not be the same; no gradient. Takes any type.
    #[track_caller]
    pub fn logical_xor(self, b: Self) -> Self {
        self.operation("logical_xor", [self.handle, b.handle], |core, [a, b]| {
            core.logical_xor(a, b)
        })
    }

    /// A u8 mask: 1 where |a - b| is at most atol + rtol |b|, or both are the same infinity; else
    /// 0. Two NaN are close with equal_nan. No gradient.
    #[track_caller]
    pub fn isclose(self, b: Self, rtol: f64, atol: f64, equal_nan: bool) -> Self {
        self.operation("isclose", [self.handle, b.handle], |core, [a, b]| {
            core.isclose(a, b, rtol, atol, equal_nan)
        })
    }

    /// A u8 mask: 1 where a = b, else 0. No gradient. Takes any type.
    #[track_caller]
    pub fn eq(self, b: Self) -> Self {
        self.operation("eq", [self.handle, b.handle], |core, [a, b]| core.eq(a, b))
    }

    /// As [`Var::eq`], with one number for all elements.
    #[track_caller]
    pub fn eq_scalar(self, b: f64) -> Self {
        self.operation("eq", [self.handle], |core, [a]| core.eq(a, Operand::Constant(b)))
    }

    /// A u8 mask: 1 where a != b, else 0. No gradient. Takes any type.
    #[track_caller]
    pub fn ne(self, b: Self) -> Self {
        self.operation("ne", [self.handle, b.handle], |core, [a, b]| core.ne(a, b))
    }

    /// As [`Var::ne`], with one number for all elements.
    #[track_caller]
    pub fn ne_scalar(self, b: f64) -> Self {
        self.operation("ne", [self.handle], |core, [a]| core.ne(a, Operand::Constant(b)))
    }

    /// A u8 mask: 1 where a < b, else 0. No gradient. Takes any type.
    #[track_caller]
    pub fn lt(self, b: Self) -> Self {
        self.operation("lt", [self.handle, b.handle], |core, [a, b]| core.lt(a, b))
    }

    /// As [`Var::lt`], with one number for all elements.
    #[track_caller]
    pub fn lt_scalar(self, b: f64) -> Self {
        self.operation("lt", [self.handle], |core, [a]| core.lt(a, Operand::Constant(b)))
    }

    /// A u8 mask: 1 where a <= b, else 0. No gradient. Takes any type.
    #[track_caller]
    pub fn le(self, b: Self) -> Self {
        self.operation("le", [self.handle, b.handle], |core, [a, b]| core.le(a, b))
    }

    /// As [`Var::le`], with one number for all elements.
    #[track_caller]
    pub fn le_scalar(self, b: f64) -> Self {
        self.operation("le", [self.handle], |core, [a]| core.le(a, Operand::Constant(b)))
    }

    /// A u8 mask: 1 where a > b, else 0. No gradient. Takes any type.
    #[track_caller]
    pub fn gt(self, b: Self) -> Self {
        self.operation("gt", [self.handle, b.handle], |core, [a, b]| core.gt(a, b))
    }

    /// As [`Var::gt`], with one number for all elements.
    #[track_caller]
    pub fn gt_scalar(self, b: f64) -> Self {
        self.operation("gt", [self.handle], |core, [a]| core.gt(a, Operand::Constant(b)))
    }

    /// A u8 mask: 1 where a >= b, else 0. No gradient. Takes any type.
    #[track_caller]
    pub fn ge(self, b: Self) -> Self {
        self.operation("ge", [self.handle, b.handle], |core, [a, b]| core.ge(a, b))
    }

    /// As [`Var::ge`], with one number for all elements.
    #[track_caller]
    pub fn ge_scalar(self, b: f64) -> Self {
        self.operation("ge", [self.handle], |core, [a]| core.ge(a, Operand::Constant(b)))
    }

    /// As [`Var::sum`], over some axes (negative ones count from the end; none means all), which
    /// vanish, or stay with length 1 with `keepdim`.
    #[track_caller]
    pub fn sum_axes(self, axes: &[isize], keepdim: bool) -> Self {
        self.operation("sum", [self.handle], |core, [x]| core.sum(x, axes, keepdim))
    }

    /// The sum; 0 of no elements. Gradient: the cotangent, repeated. That of integers is i64, and
    /// wraps around. Takes any type.
    ///
    /// Over all elements; the result is 0-d.
    #[track_caller]
    pub fn sum(self) -> Self {
        self.operation("sum", [self.handle], |core, [x]| core.sum(x, &[], false))
    }

    /// As [`Var::mean`], over some axes (negative ones count from the end; none means all), which
    /// vanish, or stay with length 1 with `keepdim`.
    #[track_caller]
    pub fn mean_axes(self, axes: &[isize], keepdim: bool) -> Self {
        self.operation("mean", [self.handle], |core, [x]| core.mean(x, axes, keepdim))
    }

    /// The mean; NaN of no elements. (A reduction of its own, and not a sum by a number: what is
    /// between may leave the range.)
    ///
    /// Over all elements; the result is 0-d.
    #[track_caller]
    pub fn mean(self) -> Self {
        self.operation("mean", [self.handle], |core, [x]| core.mean(x, &[], false))
    }

    /// As [`Var::max`], over some axes (negative ones count from the end; none means all), which
    /// vanish, or stay with length 1 with `keepdim`.
    #[track_caller]
    pub fn max_axes(self, axes: &[isize], keepdim: bool) -> Self {
        self.operation("max", [self.handle], |core, [x]| core.max(x, axes, keepdim))
    }

    /// The largest element; NaN if there is one. Of several, all get an equal part of the gradient,
    /// except along a single named axis: there the first gets all. Takes any type.
    ///
    /// Over all elements; the result is 0-d.
    #[track_caller]
    pub fn max(self) -> Self {
        self.operation("max", [self.handle], |core, [x]| core.max(x, &[], false))
    }

    /// As [`Var::min`], over some axes (negative ones count from the end; none means all), which
    /// vanish, or stay with length 1 with `keepdim`.
    #[track_caller]
    pub fn min_axes(self, axes: &[isize], keepdim: bool) -> Self {
        self.operation("min", [self.handle], |core, [x]| core.min(x, axes, keepdim))
    }

    /// The smallest element; otherwise as [`Var::max`]. Takes any type.
    ///
    /// Over all elements; the result is 0-d.
    #[track_caller]
    pub fn min(self) -> Self {
        self.operation("min", [self.handle], |core, [x]| core.min(x, &[], false))
    }

    /// As [`Var::amax`], over some axes (negative ones count from the end; none means all), which
    /// vanish, or stay with length 1 with `keepdim`.
    #[track_caller]
    pub fn amax_axes(self, axes: &[isize], keepdim: bool) -> Self {
        self.operation("amax", [self.handle], |core, [x]| core.amax(x, axes, keepdim))
    }

    /// The largest element; of several, all get an equal part of the gradient. Takes any type.
    ///
    /// Over all elements; the result is 0-d.
    #[track_caller]
    pub fn amax(self) -> Self {
        self.operation("amax", [self.handle], |core, [x]| core.amax(x, &[], false))
    }

    /// As [`Var::amin`], over some axes (negative ones count from the end; none means all), which
    /// vanish, or stay with length 1 with `keepdim`.
    #[track_caller]
    pub fn amin_axes(self, axes: &[isize], keepdim: bool) -> Self {
        self.operation("amin", [self.handle], |core, [x]| core.amin(x, axes, keepdim))
    }

    /// The smallest element; of several, all get an equal part of the gradient. Takes any type.
    ///
    /// Over all elements; the result is 0-d.
    #[track_caller]
    pub fn amin(self) -> Self {
        self.operation("amin", [self.handle], |core, [x]| core.amin(x, &[], false))
    }

    /// The index of the first largest element along an axis, or of the flattened tensor; a NaN
    /// counts as largest. The result is i64, without gradient. Takes any type.
    #[track_caller]
    pub fn argmax(self, axis: Option<isize>, keepdim: bool) -> Self {
        self.operation("argmax", [self.handle], |core, [x]| core.argmax(x, axis, keepdim))
    }

    /// The index of the first smallest element; otherwise as [`Var::argmax`]. Takes any type.
    #[track_caller]
    pub fn argmin(self, axis: Option<isize>, keepdim: bool) -> Self {
        self.operation("argmin", [self.handle], |core, [x]| core.argmin(x, axis, keepdim))
    }

    /// As [`Var::logsumexp`], over some axes (negative ones count from the end; none means all),
    /// which vanish, or stay with length 1 with `keepdim`.
    #[track_caller]
    pub fn logsumexp_axes(self, axes: &[isize], keepdim: bool) -> Self {
        self.operation("logsumexp", [self.handle], |core, [x]| core.logsumexp(x, axes, keepdim))
    }

    /// log sum e^x without overflow; -infinity of no elements. Gradient: the softmax.
    ///
    /// Over all elements; the result is 0-d.
    #[track_caller]
    pub fn logsumexp(self) -> Self {
        self.operation("logsumexp", [self.handle], |core, [x]| core.logsumexp(x, &[], false))
    }

    /// The variance: the sum of squared distances from the mean over count - correction. Correction
    /// 1 is the unbiased estimate, 0 the population's.
    ///
    /// The mean is rounded. The distances from it have few digits if all elements are equal: their
    /// mean, taken off again, leaves nothing then, however large the elements are. And the square
    /// of what the distances add up to is taken off (T. Chan, G. Golub, R. LeVeque, 1983): what is
    /// left does not depend on the means at all, so no gradient need flow there.
    #[track_caller]
    pub fn var(self, correction: f64, axes: &[isize], keepdim: bool) -> Self {
        self.operation("var", [self.handle], |core, [x]| core.var(x, correction, axes, keepdim))
    }

    /// As [`Var::prod`], over some axes (negative ones count from the end; none means all), which
    /// vanish, or stay with length 1 with `keepdim`.
    #[track_caller]
    pub fn prod_axes(self, axes: &[isize], keepdim: bool) -> Self {
        self.operation("prod", [self.handle], |core, [x]| core.prod(x, axes, keepdim))
    }

    /// The product; 1 of no elements. It is a balanced tree of products, and so is its gradient,
    /// which needs no division: it is right where elements are 0, to any order. Takes any type.
    ///
    /// Over all elements; the result is 0-d.
    #[track_caller]
    pub fn prod(self) -> Self {
        self.operation("prod", [self.handle], |core, [x]| core.prod(x, &[], false))
    }

    /// The p-norm (sum |x|^p)^(1/p); the largest |x| for p infinite, the smallest for -infinity,
    /// and how many elements are not 0 for p = 0. Its gradient at 0 is 0; for p < 0 it is so
    /// everywhere if there is a 0.
    #[track_caller]
    pub fn norm(self, p: f64, axes: &[isize], keepdim: bool) -> Self {
        self.operation("norm", [self.handle], |core, [x]| core.norm(x, p, axes, keepdim))
    }

    /// The standard deviation, the root of [`Var::var`]. Its gradient is 0 where all elements are
    /// equal.
    #[track_caller]
    pub fn std(self, correction: f64, axes: &[isize], keepdim: bool) -> Self {
        self.operation("std", [self.handle], |core, [x]| core.std(x, correction, axes, keepdim))
    }

    /// As [`Var::all`], over some axes (negative ones count from the end; none means all), which
    /// vanish, or stay with length 1 with `keepdim`.
    #[track_caller]
    pub fn all_axes(self, axes: &[isize], keepdim: bool) -> Self {
        self.operation("all", [self.handle], |core, [x]| core.all(x, axes, keepdim))
    }

    /// Whether no element is 0 (u8): 1 of no elements. A NaN is not 0. No gradient. Takes any type.
    ///
    /// Over all elements; the result is 0-d.
    #[track_caller]
    pub fn all(self) -> Self {
        self.operation("all", [self.handle], |core, [x]| core.all(x, &[], false))
    }

    /// As [`Var::any`], over some axes (negative ones count from the end; none means all), which
    /// vanish, or stay with length 1 with `keepdim`.
    #[track_caller]
    pub fn any_axes(self, axes: &[isize], keepdim: bool) -> Self {
        self.operation("any", [self.handle], |core, [x]| core.any(x, axes, keepdim))
    }

    /// Whether some element is not 0 (u8): 0 of no elements. A NaN is not 0. No gradient. Takes any
    /// type.
    ///
    /// Over all elements; the result is 0-d.
    #[track_caller]
    pub fn any(self) -> Self {
        self.operation("any", [self.handle], |core, [x]| core.any(x, &[], false))
    }

    /// As [`Var::count_nonzero`], over some axes (negative ones count from the end; none means
    /// all), which vanish, or stay with length 1 with `keepdim`.
    #[track_caller]
    pub fn count_nonzero_axes(self, axes: &[isize], keepdim: bool) -> Self {
        self.operation("count_nonzero", [self.handle], |core, [x]| {
            core.count_nonzero(x, axes, keepdim)
        })
    }

    /// How many elements are not 0 (i64). A NaN is not 0. No gradient. Takes any type.
    ///
    /// Over all elements; the result is 0-d.
    #[track_caller]
    pub fn count_nonzero(self) -> Self {
        self.operation("count_nonzero", [self.handle], |core, [x]| {
            core.count_nonzero(x, &[], false)
        })
    }

    /// As [`Var::nansum`], over some axes (negative ones count from the end; none means all), which
    /// vanish, or stay with length 1 with `keepdim`.
    #[track_caller]
    pub fn nansum_axes(self, axes: &[isize], keepdim: bool) -> Self {
        self.operation("nansum", [self.handle], |core, [x]| core.nansum(x, axes, keepdim))
    }

    /// The sum of what is no NaN. Gradient: the cotangent, 0 for NaN.
    ///
    /// Over all elements; the result is 0-d.
    #[track_caller]
    pub fn nansum(self) -> Self {
        self.operation("nansum", [self.handle], |core, [x]| core.nansum(x, &[], false))
    }

    /// As [`Var::nanmean`], over some axes (negative ones count from the end; none means all),
    /// which vanish, or stay with length 1 with `keepdim`.
    #[track_caller]
    pub fn nanmean_axes(self, axes: &[isize], keepdim: bool) -> Self {
        self.operation("nanmean", [self.handle], |core, [x]| core.nanmean(x, axes, keepdim))
    }

    /// The mean of what is no NaN; NaN if nothing else is there. Gradient: a share of the
    /// cotangent, 0 for NaN.
    ///
    /// Over all elements; the result is 0-d.
    #[track_caller]
    pub fn nanmean(self) -> Self {
        self.operation("nanmean", [self.handle], |core, [x]| core.nanmean(x, &[], false))
    }

    /// The sums of all elements up to each one along an axis. Sums of f32 are made in f64, those of
    /// f64 carry along what they lose, and those of integers are i64. Gradient: the sums from each
    /// one on. Takes any type.
    #[track_caller]
    pub fn cumsum(self, axis: isize) -> Self {
        self.operation("cumsum", [self.handle], |core, [x]| core.cumsum(x, axis))
    }

    /// The products of all elements up to each one along an axis. The gradient is right where
    /// elements are 0, to any order.
    #[track_caller]
    pub fn cumprod(self, axis: isize) -> Self {
        self.operation("cumprod", [self.handle], |core, [x]| core.cumprod(x, axis))
    }

    /// log sum e^x of all elements up to each one along an axis, without overflow.
    #[track_caller]
    pub fn logcumsumexp(self, axis: isize) -> Self {
        self.operation("logcumsumexp", [self.handle], |core, [x]| core.logcumsumexp(x, axis))
    }

    /// The largest of all elements up to each one along an axis, and its index (i64): of several,
    /// the last; a NaN is largest. Gradient: to the elements at the indices.
    #[track_caller]
    pub fn cummax(self, axis: isize) -> (Self, Self) {
        let [values, indices] = self.operations("cummax", [self.handle], |core, [x]| core.cummax(x, axis));
        (values, indices)
    }

    /// The smallest of all elements up to each one along an axis, and its index; otherwise as
    /// [`Var::cummax`].
    #[track_caller]
    pub fn cummin(self, axis: isize) -> (Self, Self) {
        let [values, indices] = self.operations("cummin", [self.handle], |core, [x]| core.cummin(x, axis));
        (values, indices)
    }

    /// The differences of neighbours along an axis, `n` times over: x_(k+1) - x_k. Each time the
    /// axis gets shorter by 1.
    #[track_caller]
    pub fn diff(self, n: usize, axis: isize) -> Self {
        self.operation("diff", [self.handle], |core, [x]| core.diff(x, n, axis))
    }

    /// The integral along an axis by the trapezoidal rule, of values at equal distances `dx`. The
    /// axis is gone from the result.
    #[track_caller]
    pub fn trapezoid(self, dx: f64, axis: isize) -> Self {
        self.operation("trapezoid", [self.handle], |core, [y]| core.trapezoid(y, dx, axis))
    }

    /// The integral along an axis by the trapezoidal rule, of values `y` at the places `x`, which
    /// has the shape of `y` or is a vector along the axis. The axis is gone from the result.
    #[track_caller]
    pub fn trapezoid_at(self, x: Self, axis: isize) -> Self {
        self.operation("trapezoid_at", [self.handle, x.handle], |core, [y, x]| {
            core.trapezoid_at(y, x, axis)
        })
    }

    /// The elements in rising order along an axis (or falling, with `descending`), and the indices
    /// (i64) where they were. Of equal elements the first comes first; a NaN is larger than all
    /// numbers. Gradient: to where the elements were. Takes any type.
    #[track_caller]
    pub fn sort(self, axis: isize, descending: bool) -> (Self, Self) {
        let [values, indices] = self.operations("sort", [self.handle], |core, [x]| core.sort(x, axis, descending));
        (values, indices)
    }

    /// The indices (i64) that sort a tensor along an axis; otherwise as [`Var::sort`]. No gradient.
    /// Takes any type.
    #[track_caller]
    pub fn argsort(self, axis: isize, descending: bool) -> Self {
        self.operation("argsort", [self.handle], |core, [x]| core.argsort(x, axis, descending))
    }

    /// The `k` largest elements along an axis (or smallest, with `largest` false), in order, and
    /// their indices (i64). A NaN is larger than all numbers. Gradient: to where the elements were.
    /// Takes any type.
    #[track_caller]
    pub fn topk(self, k: usize, axis: isize, largest: bool) -> (Self, Self) {
        let [values, indices] = self.operations("topk", [self.handle], |core, [x]| core.topk(x, k, axis, largest));
        (values, indices)
    }

    /// The `k`-th smallest element along an axis, counted from 1, and its index (i64). A NaN is
    /// larger than all numbers. The axis vanishes, or stays with length 1 with `keepdim`. Takes any
    /// type.
    #[track_caller]
    pub fn kthvalue(self, k: usize, axis: isize, keepdim: bool) -> (Self, Self) {
        let [values, indices] = self.operations("kthvalue", [self.handle], |core, [x]| core.kthvalue(x, k, axis, keepdim));
        (values, indices)
    }

    /// Where each of `values` would have to be inserted into a row of `sorted`, which is in rising
    /// order, to keep it so (i64): before equal elements, or behind them with `right`. `sorted` is
    /// one row, or has as many as `values`, with the same axes but for the last. Takes any type.
    #[track_caller]
    pub fn searchsorted(self, values: Self, right: bool) -> Self {
        self.operation("searchsorted", [self.handle, values.handle], |core, [sorted, values]| {
            core.searchsorted(sorted, values, right)
        })
    }

    /// As [`Var::median`], over some axes (negative ones count from the end; none means all), which
    /// vanish, or stay with length 1 with `keepdim`.
    #[track_caller]
    pub fn median_axes(self, axes: &[isize], keepdim: bool) -> Self {
        self.operation("median", [self.handle], |core, [x]| core.median(x, axes, keepdim))
    }

    /// The median: of an even number of elements the lower one of the two in the middle; NaN if
    /// there is one. Gradient: to that element. Takes any type.
    ///
    /// Over all elements; the result is 0-d.
    #[track_caller]
    pub fn median(self) -> Self {
        self.operation("median", [self.handle], |core, [x]| core.median(x, &[], false))
    }

    /// As [`Var::nanmedian`], over some axes (negative ones count from the end; none means all),
    /// which vanish, or stay with length 1 with `keepdim`.
    #[track_caller]
    pub fn nanmedian_axes(self, axes: &[isize], keepdim: bool) -> Self {
        self.operation("nanmedian", [self.handle], |core, [x]| core.nanmedian(x, axes, keepdim))
    }

    /// The median of what is no NaN; NaN if nothing else is there. Otherwise as [`Var::median`].
    /// Takes any type.
    ///
    /// Over all elements; the result is 0-d.
    #[track_caller]
    pub fn nanmedian(self) -> Self {
        self.operation("nanmedian", [self.handle], |core, [x]| core.nanmedian(x, &[], false))
    }

    /// The quantile of a share `q` from 0 to 1: between the two elements beside q (count - 1), in
    /// proportion, as [`Var::lerp`] has it; NaN if there is one. Where q (count - 1) is whole it is
    /// that element, also an infinite one, for which PyTorch gives NaN. Gradient: to those two.
    #[track_caller]
    pub fn quantile(self, q: f64, axes: &[isize], keepdim: bool) -> Self {
        self.operation("quantile", [self.handle], |core, [x]| core.quantile(x, q, axes, keepdim))
    }

    /// The same elements in row-major order in another shape; one length may be -1: what is left.
    /// Takes any type.
    #[track_caller]
    pub fn reshape(self, shape: &[isize]) -> Self {
        self.operation("reshape", [self.handle], |core, [x]| core.reshape(x, shape))
    }

    /// The axes from `axis_start` to `axis_end`, both included, as one. A 0-d tensor becomes a
    /// vector. Takes any type.
    #[track_caller]
    pub fn flatten(self, axis_start: isize, axis_end: isize) -> Self {
        self.operation("flatten", [self.handle], |core, [x]| core.flatten(x, axis_start, axis_end))
    }

    /// One axis as several; one of their lengths may be -1: what is left. Takes any type.
    #[track_caller]
    pub fn unflatten(self, axis: isize, shape: &[isize]) -> Self {
        self.operation("unflatten", [self.handle], |core, [x]| core.unflatten(x, axis, shape))
    }

    /// Axis i of the result is axis order\[i] of `x`; `order` names each axis once. Takes any type.
    #[track_caller]
    pub fn permute(self, order: &[isize]) -> Self {
        self.operation("permute", [self.handle], |core, [x]| core.permute(x, order))
    }

    /// Two axes exchanged. Takes any type.
    #[track_caller]
    pub fn transpose(self, axis0: isize, axis1: isize) -> Self {
        self.operation("transpose", [self.handle], |core, [x]| core.transpose(x, axis0, axis1))
    }

    /// An axis moved to another place of the result; the others keep their order. Takes any type.
    #[track_caller]
    pub fn movedim(self, axis_from: isize, axis_to: isize) -> Self {
        self.operation("movedim", [self.handle], |core, [x]| core.movedim(x, axis_from, axis_to))
    }

    /// Axes of length 1, and missing ones at the left, repeated up to these lengths; -1 keeps one.
    /// Gradient: summed over what was repeated. Takes any type.
    #[track_caller]
    pub fn expand(self, shape: &[isize]) -> Self {
        self.operation("expand", [self.handle], |core, [x]| core.expand(x, shape))
    }

    /// As [`Var::expand`]. Takes any type.
    #[track_caller]
    pub fn broadcast_to(self, shape: &[isize]) -> Self {
        self.operation("broadcast_to", [self.handle], |core, [x]| core.broadcast_to(x, shape))
    }

    /// Without this axis if its length is 1, else the tensor itself. Takes any type.
    #[track_caller]
    pub fn squeeze(self, axis: Option<isize>) -> Self {
        self.operation("squeeze", [self.handle], |core, [x]| core.squeeze(x, axis))
    }

    /// With a new axis of length 1 at this place of the result. Takes any type.
    #[track_caller]
    pub fn unsqueeze(self, axis: isize) -> Self {
        self.operation("unsqueeze", [self.handle], |core, [x]| core.unsqueeze(x, axis))
    }

    /// The elements from `start` up to but without `stop` along an axis, every `step`-th, as in
    /// Python: negative bounds count from the end, and bounds outside are cut. `step` is at least
    /// 1. Takes any type.
    #[track_caller]
    pub fn slice(self, axis: isize, start: isize, stop: isize, step: isize) -> Self {
        self.operation("slice", [self.handle], |core, [x]| core.slice(x, axis, start, stop, step))
    }

    /// What lies at one position along an axis, which vanishes. A negative index counts from the
    /// end. A view. Takes any type.
    #[track_caller]
    pub fn select(self, axis: isize, index: isize) -> Self {
        self.operation("select", [self.handle], |core, [x]| core.select(x, axis, index))
    }

    /// `len` positions of an axis from `start` on, which counts from the end if it is negative. A
    /// view. Takes any type.
    #[track_caller]
    pub fn narrow(self, axis: isize, start: isize, len: usize) -> Self {
        self.operation("narrow", [self.handle], |core, [x]| core.narrow(x, axis, start, len))
    }

    /// Pieces of `size` positions along an axis, of which the last has what is left. Views. Takes
    /// any type.
    #[track_caller]
    pub fn split(self, size: usize, axis: isize) -> Vec<Self> {
        self.list_of("split", [self.handle], |core, [x], out| core.split(x, size, axis, out))
    }

    /// Pieces of these lengths along an axis, which they fill. Views. Takes any type.
    #[track_caller]
    pub fn split_sizes(self, sizes: &[usize], axis: isize) -> Vec<Self> {
        self.list_of("split_sizes", [self.handle], |core, [x], out| {
            core.split_sizes(x, sizes, axis, out)
        })
    }

    /// At most so many pieces of equal lengths along an axis; the last may be shorter. Views. Takes
    /// any type.
    #[track_caller]
    pub fn chunk(self, chunks: usize, axis: isize) -> Vec<Self> {
        self.list_of("chunk", [self.handle], |core, [x], out| core.chunk(x, chunks, axis, out))
    }

    /// What lies at each position along an axis, which vanishes. Views. Takes any type.
    #[track_caller]
    pub fn unbind(self, axis: isize) -> Vec<Self> {
        self.list_of("unbind", [self.handle], |core, [x], out| core.unbind(x, axis, out))
    }

    /// Windows of `size` positions along an axis, `step` apart: their number takes the place of the
    /// axis, and their positions are a new last axis. Windows may overlap. A view. Gradient: added
    /// up where they do. Takes any type.
    #[track_caller]
    pub fn unfold(self, axis: isize, size: usize, step: usize) -> Self {
        self.operation("unfold", [self.handle], |core, [x]| core.unfold(x, axis, size, step))
    }

    /// The elements along these axes in reverse order. A view. Takes any type.
    #[track_caller]
    pub fn flip(self, axes: &[isize]) -> Self {
        self.operation("flip", [self.handle], |core, [x]| core.flip(x, axes))
    }

    /// The elements moved on by these shifts along these axes, one after the other; those that
    /// leave at one end come in at the other. Without axes: by one shift, in the order of all
    /// elements. Takes any type.
    #[track_caller]
    pub fn roll(self, shifts: &[isize], axes: &[isize]) -> Self {
        self.operation("roll", [self.handle], |core, [x]| core.roll(x, shifts, axes))
    }

    /// Turned by `k` times 90 degrees in the plane of two axes, from the first towards the second.
    /// A view. Takes any type.
    #[track_caller]
    pub fn rot90(self, k: isize, axis0: isize, axis1: isize) -> Self {
        self.operation("rot90", [self.handle], |core, [x]| core.rot90(x, k, axis0, axis1))
    }

    /// One value added around a tensor. `widths` says how many places: a pair an axis, before and
    /// behind, from the last axis on. Negative ones are cut off. Gradient: that of the elements
    /// that are left. Takes any type.
    #[track_caller]
    pub fn pad(self, widths: &[isize], value: f64) -> Self {
        self.operation("pad", [self.handle], |core, [x]| core.pad(x, widths, value))
    }

    /// Continued at its borders as in a mirror, which does not repeat the border itself; otherwise
    /// as [`Var::pad`]. No wider than an axis is long, less one. Takes any type.
    #[track_caller]
    pub fn pad_reflect(self, widths: &[isize]) -> Self {
        self.operation("pad_reflect", [self.handle], |core, [x]| core.pad_reflect(x, widths))
    }

    /// Continued at its borders with what is there; otherwise as [`Var::pad`]. Takes any type.
    #[track_caller]
    pub fn pad_replicate(self, widths: &[isize]) -> Self {
        self.operation("pad_replicate", [self.handle], |core, [x]| core.pad_replicate(x, widths))
    }

    /// Continued at one border with what is at the other; otherwise as [`Var::pad`]. No wider than
    /// an axis is long. What is cut off is cut off first, and what is left goes around, more than
    /// once if need be (where PyTorch gives up). Takes any type.
    #[track_caller]
    pub fn pad_circular(self, widths: &[isize]) -> Self {
        self.operation("pad_circular", [self.handle], |core, [x]| core.pad_circular(x, widths))
    }

    /// The whole tensor, so many times along each axis; `repeats` are aligned with the axes at the
    /// right, and there may be more of them. Gradient: added up. Takes any type.
    #[track_caller]
    pub fn tile(self, repeats: &[isize]) -> Self {
        self.operation("tile", [self.handle], |core, [x]| core.tile(x, repeats))
    }

    /// Each element so many times along an axis. Gradient: added up. Takes any type.
    #[track_caller]
    pub fn repeat_interleave(self, repeats: usize, axis: isize) -> Self {
        self.operation("repeat_interleave", [self.handle], |core, [x]| {
            core.repeat_interleave(x, repeats, axis)
        })
    }

    /// The powers of the elements of a vector, a row each: those from 0 on in `columns` columns,
    /// rising or falling. Gradient: that of the powers.
    #[track_caller]
    pub fn vander(self, columns: usize, increasing: bool) -> Self {
        self.operation("vander", [self.handle], |core, [x]| core.vander(x, columns, increasing))
    }

    /// A diagonal of the matrices along two axes, which vanish; it is the last axis of the result.
    /// `offset` is how far above the main diagonal it is, or, negative, below. A view of what lies
    /// in row-major order. Takes any type.
    #[track_caller]
    pub fn diagonal(self, offset: isize, axis0: isize, axis1: isize) -> Self {
        self.operation("diagonal", [self.handle], |core, [x]| {
            core.diagonal(x, offset, axis0, axis1)
        })
    }

    /// Matrices of zeros with the last axis on a diagonal: `offset` above the main one or,
    /// negative, below. Takes any type.
    #[track_caller]
    pub fn diag_embed(self, offset: isize) -> Self {
        self.operation("diag_embed", [self.handle], |core, [x]| core.diag_embed(x, offset))
    }

    /// Of a vector, the matrix that has it on a diagonal among zeros; of a matrix, the diagonal:
    /// `k` above the main one or, negative, below. Takes any type.
    #[track_caller]
    pub fn diag(self, k: isize) -> Self {
        self.operation("diag", [self.handle], |core, [x]| core.diag(x, k))
    }

    /// The sum of the main diagonal of a matrix. Takes any type.
    #[track_caller]
    pub fn trace(self) -> Self {
        self.operation("trace", [self.handle], |core, [x]| core.trace(x))
    }

    /// The matrices of the last two axes with zeros above a diagonal: `k` above the main one or,
    /// negative, below. Gradient: that of the elements that are left. Takes any type.
    #[track_caller]
    pub fn tril(self, k: isize) -> Self {
        self.operation("tril", [self.handle], |core, [x]| core.tril(x, k))
    }

    /// The matrices of the last two axes with zeros below a diagonal: `k` above the main one or,
    /// negative, below. Gradient: that of the elements that are left. Takes any type.
    #[track_caller]
    pub fn triu(self, k: isize) -> Self {
        self.operation("triu", [self.handle], |core, [x]| core.triu(x, k))
    }

    /// The slices along an axis at the positions in `index`, a vector of i64; negative ones count
    /// from the end. Gradient: added up at the positions. Takes any type.
    #[track_caller]
    pub fn index_select(self, axis: isize, index: Self) -> Self {
        self.operation("index_select", [self.handle, index.handle], |core, [x, index]| {
            core.index_select(x, axis, index)
        })
    }

    /// The elements at the positions in `index` (i64) along an axis: for axis 1 of a matrix,
    /// y\[i]\[j] = x\[i]\[index\[i]\[j]]. The result has the shape of `index`, whose other axes are
    /// no longer than those of `x`. Indices are not negative. Gradient: added up at the positions.
    /// Takes any type.
    #[track_caller]
    pub fn gather(self, axis: isize, index: Self) -> Self {
        self.operation("gather", [self.handle, index.handle], |core, [x, index]| {
            core.gather(x, axis, index)
        })
    }

    /// The elements at the positions in `index` (i64, any shape), counted in the order of all
    /// elements; negative ones count from the end. Gradient: added up at the positions. Takes any
    /// type.
    #[track_caller]
    pub fn take(self, index: Self) -> Self {
        self.operation("take", [self.handle, index.handle], |core, [x, index]| core.take(x, index))
    }

    /// The elements at the positions in `index` (i64) along an axis, as [`Var::gather`], of tensors
    /// whose other axes are broadcast to one another; negative positions count from the end.
    /// Gradient: added up at the positions. Takes any type.
    #[track_caller]
    pub fn take_along_dim(self, index: Self, axis: isize) -> Self {
        self.operation("take_along_dim", [self.handle, index.handle], |core, [x, index]| {
            core.take_along_dim(x, index, axis)
        })
    }

    /// The rows of `weight` at an index (i64) of any shape; negative ones count from the end.
    /// Gradient: added up at the rows. Takes any type.
    #[track_caller]
    pub fn embedding(self, index: Self) -> Self {
        self.operation("embedding", [self.handle, index.handle], |core, [weight, index]| {
            core.embedding(weight, index)
        })
    }

    /// A new last axis of length `classes` with 1 at the place that `index` (i64) says, else 0. Of
    /// a class that there is not, all are 0.
    #[track_caller]
    pub fn one_hot(self, classes: usize, dtype: DType) -> Self {
        self.operation("one_hot", [self.handle], |core, [index]| {
            core.one_hot(index, classes, dtype)
        })
    }

    /// `alpha` times the slices of `src` added to those of `x` at the positions in `index`, a
    /// vector of i64, along an axis; negative ones count from the end, and what is added at one
    /// position is added up. Gradient: that of the result for `x`, and `alpha` times what is at the
    /// positions for `src`.
    #[track_caller]
    pub fn index_add(self, axis: isize, index: Self, src: Self, alpha: f64) -> Self {
        self.operation("index_add", [self.handle, index.handle, src.handle], |core, [x, index, src]| {
            core.index_add(x, axis, index, src, alpha)
        })
    }

    /// One value in the slices at the positions in `index`, a vector of i64, along an axis;
    /// negative ones count from the end. Gradient: that of the others. Takes any type.
    #[track_caller]
    pub fn index_fill(self, axis: isize, index: Self, value: f64) -> Self {
        self.operation("index_fill", [self.handle, index.handle], |core, [x, index]| {
            core.index_fill(x, axis, index, value)
        })
    }

    /// One value where the mask (u8) is set, else x; broadcast to one another. Gradient: that of
    /// the others. Takes any type.
    #[track_caller]
    pub fn masked_fill(self, mask: Self, value: f64) -> Self {
        self.operation("masked_fill", [self.handle, mask.handle], |core, [x, mask]| {
            core.masked_fill(x, mask, value)
        })
    }

    /// What lies at the positions along the first axes that the last axis of `index` (i64) lists:
    /// for an index of shape \[.., k], the result has the shape \[..] and then that of x without
    /// its first k axes. Negative positions count from the end. Gradient: added up at the
    /// positions. Takes any type.
    #[track_caller]
    pub fn gather_nd(self, index: Self) -> Self {
        self.operation("gather_nd", [self.handle, index.handle], |core, [x, index]| {
            core.gather_nd(x, index)
        })
    }

    /// `x` with `src` in place of every `step`-th slice from `start` on along an axis: as many as
    /// `src` has. Nothing is written to `x` itself. Gradient: each gets that of its elements. Takes
    /// any type.
    #[track_caller]
    pub fn slice_write(self, src: Self, axis: isize, start: isize, step: usize) -> Self {
        self.operation("slice_write", [self.handle, src.handle], |core, [x, src]| {
            core.slice_write(x, src, axis, start, step)
        })
    }

    /// `x` with `src` in place of what is at one position along an axis, which `src` does not have.
    /// A negative index counts from the end. Nothing is written to `x` itself. Gradient: each gets
    /// that of its elements. Takes any type.
    #[track_caller]
    pub fn select_write(self, src: Self, axis: isize, index: isize) -> Self {
        self.operation("select_write", [self.handle, src.handle], |core, [x, src]| {
            core.select_write(x, src, axis, index)
        })
    }

    /// `x` with the elements of `src` at the positions in `index` (i64) along an axis: for axis 1
    /// of a matrix, y\[i]\[index\[i]\[j]] = src\[i]\[j]. Of several that are written to one place,
    /// the last one in row-major order is there, and gets the gradient. Indices are not negative.
    /// Takes any type.
    #[track_caller]
    pub fn scatter(self, axis: isize, index: Self, src: Self) -> Self {
        self.operation("scatter", [self.handle, index.handle, src.handle], |core, [x, index, src]| {
            core.scatter(x, axis, index, src)
        })
    }

    /// `x` with the elements of `src` added at the positions in `index` (i64) along an axis;
    /// otherwise as [`Var::scatter`]. Gradient: to all of them. Takes any type.
    #[track_caller]
    pub fn scatter_add(self, axis: isize, index: Self, src: Self) -> Self {
        self.operation("scatter_add", [self.handle, index.handle, src.handle], |core, [x, index, src]| {
            core.scatter_add(x, axis, index, src)
        })
    }

    /// `x` with the elements of `src` joined to those at the positions in `index` (i64) along an
    /// axis, by `how`: "sum", "prod", "mean", "amax" or "amin". Without `include_self` what was
    /// there before does not count where something is written. Gradients of equal extremes are
    /// shared evenly; those of products, of any order, are right where factors are 0.
    #[track_caller]
    pub fn scatter_reduce(
        self,
        axis: isize,
        index: Self,
        src: Self,
        how: &str,
        include_self: bool,
    ) -> Self {
        self.operation("scatter_reduce", [self.handle, index.handle, src.handle], |core, [x, index, src]| {
            core.scatter_reduce(x, axis, index, src, how, include_self)
        })
    }

    /// `x` with the slices of `src` at the positions in `index`, a vector of i64, along an axis;
    /// otherwise as [`Var::scatter`]. Takes any type.
    #[track_caller]
    pub fn index_copy(self, axis: isize, index: Self, src: Self) -> Self {
        self.operation("index_copy", [self.handle, index.handle, src.handle], |core, [x, index, src]| {
            core.index_copy(x, axis, index, src)
        })
    }

    /// The sum of a\[i] b\[i] of two vectors of one length: a 0-d tensor.
    #[track_caller]
    pub fn dot(self, b: Self) -> Self {
        self.operation("dot", [self.handle, b.handle], |core, [a, b]| core.dot(a, b))
    }

    /// The matrix product over the last two axes; the others broadcast. A vector on the left is a
    /// row and on the right a column, and that axis is gone from the result.
    #[track_caller]
    pub fn matmul(self, b: Self) -> Self {
        self.operation("matmul", [self.handle, b.handle], |core, [a, b]| core.matmul(a, b))
    }

    /// beta x + alpha a b, for matrices a and b; x is broadcast to their product. With beta 0, x
    /// does not count, whatever it holds.
    #[track_caller]
    pub fn addmm(self, a: Self, b: Self, beta: f64, alpha: f64) -> Self {
        self.operation("addmm", [self.handle, a.handle, b.handle], |core, [x, a, b]| {
            core.addmm(x, a, b, beta, alpha)
        })
    }

    /// beta x + alpha a b, for as many matrices, \[count, rows, inner] and \[count, inner,
    /// columns]; x is broadcast to their products. With beta 0, x does not count, whatever it
    /// holds.
    #[track_caller]
    pub fn baddbmm(self, a: Self, b: Self, beta: f64, alpha: f64) -> Self {
        self.operation("baddbmm", [self.handle, a.handle, b.handle], |core, [x, a, b]| {
            core.baddbmm(x, a, b, beta, alpha)
        })
    }

    /// The vectors along the last axis of x times the transposed weight, of shape \[outputs,
    /// inputs], plus the bias, of shape \[outputs].
    #[track_caller]
    pub fn linear(self, weight: Self, bias: Self) -> Self {
        self.operation("linear", [self.handle, weight.handle, bias.handle], |core, [x, weight, bias]| {
            core.linear(x, weight, bias)
        })
    }

    /// All products of two vectors: y\[i]\[j] = a\[i] b\[j].
    #[track_caller]
    pub fn outer(self, b: Self) -> Self {
        self.operation("outer", [self.handle, b.handle], |core, [a, b]| core.outer(a, b))
    }

    /// The Kronecker product: each element of a times all of b, in its place. The lengths of the
    /// result are the products of those of a and b, aligned at the right; at most 4 axes.
    #[track_caller]
    pub fn kron(self, b: Self) -> Self {
        self.operation("kron", [self.handle, b.handle], |core, [a, b]| core.kron(a, b))
    }

    /// The cross product of the vectors of three elements along an axis; the other axes are
    /// broadcast. Both have one rank.
    #[track_caller]
    pub fn cross(self, b: Self, axis: isize) -> Self {
        self.operation("cross", [self.handle, b.handle], |core, [a, b]| core.cross(a, b, axis))
    }

    /// The sums of a b along an axis, of tensors that are broadcast to one another.
    #[track_caller]
    pub fn vecdot(self, b: Self, axis: isize) -> Self {
        self.operation("vecdot", [self.handle, b.handle], |core, [a, b]| core.vecdot(a, b, axis))
    }

    /// Products summed over pairs of axes: axes_a\[i] of a with axes_b\[i] of b, which must have
    /// one length each, or one of them 1. The result has the other axes of a, and then those of b.
    /// Without axes it has all products.
    #[track_caller]
    pub fn tensordot(self, b: Self, axes_a: &[isize], axes_b: &[isize]) -> Self {
        self.operation("tensordot", [self.handle, b.handle], |core, [a, b]| {
            core.tensordot(a, b, axes_a, axes_b)
        })
    }

    /// Products summed over the last axis of both, which must have one length. The result has the
    /// other axes of a, and then those of b. With a 0-d tensor, it is their product.
    #[track_caller]
    pub fn inner(self, b: Self) -> Self {
        self.operation("inner", [self.handle, b.handle], |core, [a, b]| core.inner(a, b))
    }

    /// y_k = sum a_i weight_kij b_j + bias_k, for vectors along the last axis of `a` and `b`, whose
    /// other axes are the same. The weight has the shape \[outputs, inputs of a, inputs of b], the
    /// bias \[outputs].
    #[track_caller]
    pub fn bilinear(self, b: Self, weight: Self, bias: Self) -> Self {
        self.operation("bilinear", [self.handle, b.handle, weight.handle, bias.handle], |core, [a, b, weight, bias]| {
            core.bilinear(a, b, weight, bias)
        })
    }

    /// The p-norm of the difference of each row of a, \[..., rows, n], and each row of b, \[...,
    /// others, n]: of shape \[..., rows, others]. The axes before the last two are broadcast. p is
    /// not negative, and may be infinite.
    ///
    /// With p = 2 and more than 25 rows on one side, |a|^2 + |b|^2 - 2 a b is made of one product
    /// of matrices, where at least a quarter of |a|^2 + |b|^2 is left of it: up to two bits are
    /// lost. In all other pairs the differences are taken directly, so that nothing cancels however
    /// near they are. Gradient: that of [`Var::norm`], 0 where the distance is 0.
    #[track_caller]
    pub fn cdist(self, b: Self, p: f64) -> Self {
        self.operation("cdist", [self.handle, b.handle], |core, [a, b]| core.cdist(a, b, p))
    }

    /// The p-norm of a - b + eps along the last axis, of tensors that are broadcast to one another;
    /// for any p that [`Var::norm`] takes.
    #[track_caller]
    pub fn pairwise_distance(self, b: Self, p: f64, eps: f64, keepdim: bool) -> Self {
        self.operation("pairwise_distance", [self.handle, b.handle], |core, [a, b]| {
            core.pairwise_distance(a, b, p, eps, keepdim)
        })
    }

    /// The cosine of the angle between the vectors along an axis, of tensors that are broadcast to
    /// one another: the sum of the products of their elements, each divided by its vector's length.
    /// Lengths are at least eps; in the gradient they count as they are.
    #[track_caller]
    pub fn cosine_similarity(self, b: Self, axis: isize, eps: f64) -> Self {
        self.operation("cosine_similarity", [self.handle, b.handle], |core, [a, b]| {
            core.cosine_similarity(a, b, axis, eps)
        })
    }

    /// Each vector along an axis divided by its p-norm, or by eps if that is less; for any p that
    /// [`Var::norm`] takes.
    #[track_caller]
    pub fn normalize(self, p: f64, axis: isize, eps: f64) -> Self {
        self.operation("normalize", [self.handle], |core, [x]| core.normalize(x, p, axis, eps))
    }

    /// (x - mean) / sqrt(variance + eps) weight + bias, with the mean and the variance over the
    /// last axes, which have the shape of the weight and of the bias. The variance is the mean
    /// square of the distances from the mean. J. Ba, J. Kiros, G. Hinton, 2016.
    #[track_caller]
    pub fn layer_norm(self, weight: Self, bias: Self, eps: f64) -> Self {
        self.operation("layer_norm", [self.handle, weight.handle, bias.handle], |core, [x, weight, bias]| {
            core.layer_norm(x, weight, bias, eps)
        })
    }

    /// As [`Var::layer_norm`], with the mean and the variance over each of so many groups of
    /// neighbouring channels, for x of shape \[rows, channels, ...], and with a weight and a bias
    /// for each channel, \[channels]. As many groups as channels make it an instance norm. Y. Wu,
    /// K. He, 2018.
    #[track_caller]
    pub fn group_norm(self, groups: usize, weight: Self, bias: Self, eps: f64) -> Self {
        self.operation("group_norm", [self.handle, weight.handle, bias.handle], |core, [x, weight, bias]| {
            core.group_norm(x, groups, weight, bias, eps)
        })
    }

    /// x / sqrt(mean of x^2 + eps) weight, with the mean over the last axes, which have the shape
    /// of the weight. B. Zhang, R. Sennrich, 2019.
    #[track_caller]
    pub fn rms_norm(self, weight: Self, eps: f64) -> Self {
        self.operation("rms_norm", [self.handle, weight.handle], |core, [x, weight]| {
            core.rms_norm(x, weight, eps)
        })
    }

    /// e^x / sum e^x along an axis, without overflow.
    #[track_caller]
    pub fn softmax(self, axis: isize) -> Self {
        self.operation("softmax", [self.handle], |core, [x]| core.softmax(x, axis))
    }

    /// x - log sum e^x along an axis, without overflow.
    #[track_caller]
    pub fn log_softmax(self, axis: isize) -> Self {
        self.operation("log_softmax", [self.handle], |core, [x]| core.log_softmax(x, axis))
    }

    /// The mean over the rows of -log softmax(logits) at the row's class. Logits are \[rows,
    /// classes], classes i64 of shape \[rows]; rows of class -100 are left out.
    #[track_caller]
    pub fn cross_entropy(self, classes: Self) -> Self {
        self.operation("cross_entropy", [self.handle, classes.handle], |core, [logits, classes]| {
            core.cross_entropy(logits, classes)
        })
    }

    /// -x at the row's class, of log-probabilities x of shape \[rows, classes] or \[rows, classes,
    /// ...], with one class (i64) for each \[rows, ...]; or of one row, \[classes]. Reduced;
    /// elements of class -100 are left out: they are 0, and the mean is over the others.
    #[track_caller]
    pub fn nll_loss(self, classes: Self, reduction: Reduce) -> Self {
        self.operation("nll_loss", [self.handle, classes.handle], |core, [x, classes]| {
            core.nll_loss(x, classes, reduction)
        })
    }

    /// As [`Var::nll_loss`], with the loss of each element times the weight of its class; the mean
    /// is divided by the sum of those weights.
    #[track_caller]
    pub fn nll_loss_weighted(self, classes: Self, weights: Self, reduction: Reduce) -> Self {
        self.operation("nll_loss_weighted", [self.handle, classes.handle, weights.handle], |core, [x, classes, weights]| {
            core.nll_loss_weighted(x, classes, weights, reduction)
        })
    }

    /// -log softmax(logits) at the row's class, otherwise as [`Var::nll_loss`]. With label
    /// smoothing s, from 0 to 1, the part s of each target is spread evenly over all classes. C.
    /// Szegedy et al., 2016.
    #[track_caller]
    pub fn cross_entropy_with(
        self,
        classes: Self,
        label_smoothing: f64,
        reduction: Reduce,
    ) -> Self {
        self.operation("cross_entropy_with", [self.handle, classes.handle], |core, [logits, classes]| {
            core.cross_entropy_with(logits, classes, label_smoothing, reduction)
        })
    }

    /// As [`Var::cross_entropy_with`], with a weight for each class, \[classes], by which its part
    /// of a loss is multiplied; the mean is divided by the sum of the weights of the rows' classes.
    #[track_caller]
    pub fn cross_entropy_weighted(
        self,
        classes: Self,
        weights: Self,
        label_smoothing: f64,
        reduction: Reduce,
    ) -> Self {
        self.operation("cross_entropy_weighted", [self.handle, classes.handle, weights.handle], |core, [logits, classes, weights]| {
            core.cross_entropy_weighted(logits, classes, weights, label_smoothing, reduction)
        })
    }

    /// -sum target log softmax(logits) over the classes, for targets that are probabilities, of the
    /// shape of the logits: \[rows, classes], \[rows, classes, ...], or \[classes]. With label
    /// smoothing s they are (1 - s) target + s / classes. Reduced; the mean is over rows.
    #[track_caller]
    pub fn cross_entropy_soft(self, target: Self, label_smoothing: f64, reduction: Reduce) -> Self {
        self.operation("cross_entropy_soft", [self.handle, target.handle], |core, [logits, target]| {
            core.cross_entropy_soft(logits, target, label_smoothing, reduction)
        })
    }

    /// While the graph is in training mode: each element 0 with probability `p`, else scaled by 1 /
    /// (1 - p). Otherwise the tensor itself.
    ///
    /// The choice is made from the seed, from how many random leaves and dropouts were recorded
    /// since the seed was set before this one, and from how many replays began since. Value and
    /// gradient have the same one. A replay begins, and the choice is new, with each write to any
    /// leaf, an optimiser's step, a rewind, a reset, a change of mode, and a resample.
    #[track_caller]
    pub fn dropout(self, p: f64) -> Self {
        self.operation("dropout", [self.handle], |core, [x]| core.dropout(x, p))
    }

    /// The mean of (a - b)^2 over all elements of two tensors of one shape, which are not
    /// broadcast.
    #[track_caller]
    pub fn mse(self, b: Self) -> Self {
        self.operation("mse", [self.handle, b.handle], |core, [a, b]| core.mse(a, b))
    }

    /// (x - target)^2, of two tensors of one shape, reduced.
    #[track_caller]
    pub fn mse_loss(self, target: Self, reduction: Reduce) -> Self {
        self.operation("mse_loss", [self.handle, target.handle], |core, [x, target]| {
            core.mse_loss(x, target, reduction)
        })
    }

    /// |x - target|, of two tensors of one shape, reduced. Gradient: 0 where they are equal.
    #[track_caller]
    pub fn l1_loss(self, target: Self, reduction: Reduce) -> Self {
        self.operation("l1_loss", [self.handle, target.handle], |core, [x, target]| {
            core.l1_loss(x, target, reduction)
        })
    }

    /// Of d = x - target: d^2 / (2 beta) where |d| is less than beta, else |d| - beta / 2; reduced.
    /// beta is not negative, and 0 makes it |d|. Gradient: d / beta, from -1 to 1. R. Girshick,
    /// "Fast R-CNN", 2015.
    #[track_caller]
    pub fn smooth_l1_loss(self, target: Self, beta: f64, reduction: Reduce) -> Self {
        self.operation("smooth_l1_loss", [self.handle, target.handle], |core, [x, target]| {
            core.smooth_l1_loss(x, target, beta, reduction)
        })
    }

    /// Of d = x - target: d^2 / 2 where |d| is at most delta, else delta (|d| - delta / 2);
    /// reduced. delta is above 0. Gradient: d, from -delta to delta. P. Huber, 1964.
    #[track_caller]
    pub fn huber_loss(self, target: Self, delta: f64, reduction: Reduce) -> Self {
        self.operation("huber_loss", [self.handle, target.handle], |core, [x, target]| {
            core.huber_loss(x, target, delta, reduction)
        })
    }

    /// -target log x - (1 - target) log(1 - x), of probabilities from 0 to 1, reduced. The
    /// logarithms are at least -100. Gradient: (x - target) / (x (1 - x)), with a divisor of at
    /// least 1e-12.
    #[track_caller]
    pub fn bce_loss(self, target: Self, reduction: Reduce) -> Self {
        self.operation("bce_loss", [self.handle, target.handle], |core, [x, target]| {
            core.bce_loss(x, target, reduction)
        })
    }

    /// The binary cross-entropy of the probabilities sigmoid(x), as [`Var::bce_loss`], for any x:
    /// target softplus(-x) + (1 - target) softplus(x), reduced. Nothing overflows or cancels.
    /// Gradients: sigmoid(x) - target, and -x.
    #[track_caller]
    pub fn bce_with_logits(self, target: Self, reduction: Reduce) -> Self {
        self.operation("bce_with_logits", [self.handle, target.handle], |core, [x, target]| {
            core.bce_with_logits(x, target, reduction)
        })
    }

    /// As [`Var::bce_with_logits`], with the first part, that of the positive class, times a
    /// weight, which is broadcast to x: one for each class, say.
    #[track_caller]
    pub fn bce_with_logits_weighted(
        self,
        target: Self,
        pos_weight: Self,
        reduction: Reduce,
    ) -> Self {
        self.operation("bce_with_logits_weighted", [self.handle, target.handle, pos_weight.handle], |core, [x, target, pos_weight]| {
            core.bce_with_logits_weighted(x, target, pos_weight, reduction)
        })
    }

    /// The divergence of Kullback and Leibler, element by element, of log-probabilities x from the
    /// probabilities target: target (log target - x), 0 where the target is 0; with `log_target`
    /// the targets are logarithms, too. Reduced: the mean is over all elements, so for the mean
    /// over distributions take the sum, and divide.
    #[track_caller]
    pub fn kl_div(self, target: Self, log_target: bool, reduction: Reduce) -> Self {
        self.operation("kl_div", [self.handle, target.handle], |core, [x, target]| {
            core.kl_div(x, target, log_target, reduction)
        })
    }

    /// log(1 + e^(-target x)) for targets 1 and -1, reduced.
    #[track_caller]
    pub fn soft_margin_loss(self, target: Self, reduction: Reduce) -> Self {
        self.operation("soft_margin_loss", [self.handle, target.handle], |core, [x, target]| {
            core.soft_margin_loss(x, target, reduction)
        })
    }

    /// x where the target is 1, max(0, margin - x) where it is -1, and the sum of both elsewhere;
    /// reduced. The target, of the shape of x and of any type that has -1, gets no gradient.
    #[track_caller]
    pub fn hinge_embedding_loss(self, target: Self, margin: f64, reduction: Reduce) -> Self {
        self.operation("hinge_embedding_loss", [self.handle, target.handle], |core, [x, target]| {
            core.hinge_embedding_loss(x, target, margin, reduction)
        })
    }

    /// max(0, margin - target (a - b)), for targets 1, where a should be the larger one, and -1;
    /// all of one shape; reduced.
    #[track_caller]
    pub fn margin_ranking_loss(
        self,
        b: Self,
        target: Self,
        margin: f64,
        reduction: Reduce,
    ) -> Self {
        self.operation("margin_ranking_loss", [self.handle, b.handle, target.handle], |core, [a, b, target]| {
            core.margin_ranking_loss(a, b, target, margin, reduction)
        })
    }

    /// 1 - cos where the target is 1, max(0, cos - margin) where it is -1, for the cosine of the
    /// angle between the vectors along the last axis of a and b, of one shape; reduced. The target
    /// has their shape without that axis, and any type that has -1; it gets no gradient. (To
    /// squared lengths 1e-12 is added.)
    #[track_caller]
    pub fn cosine_embedding_loss(
        self,
        b: Self,
        target: Self,
        margin: f64,
        reduction: Reduce,
    ) -> Self {
        self.operation("cosine_embedding_loss", [self.handle, b.handle, target.handle], |core, [a, b, target]| {
            core.cosine_embedding_loss(a, b, target, margin, reduction)
        })
    }

    /// max(0, margin + distance(anchor, positive) - distance(anchor, negative)), with distances as
    /// those of [`Var::pairwise_distance`] for eps 1e-6; with `swap` that of positive and negative,
    /// if it is less than the last; reduced. V. Balntas et al., 2016.
    #[track_caller]
    pub fn triplet_margin_loss(
        self,
        positive: Self,
        negative: Self,
        margin: f64,
        p: f64,
        swap: bool,
        reduction: Reduce,
    ) -> Self {
        self.operation("triplet_margin_loss", [self.handle, positive.handle, negative.handle], |core, [anchor, positive, negative]| {
            core.triplet_margin_loss(anchor, positive, negative, margin, p, swap, reduction)
        })
    }

    /// The negative log-likelihood of targets under normal distributions with these means and
    /// variances: (log variance + (x - target)^2 / variance) / 2, and with `full` log(2 pi) / 2
    /// more; reduced. The variance is broadcast to x, or has its shape without the last axis. It is
    /// taken as at least eps, but in the gradient counts as it is.
    #[track_caller]
    pub fn gaussian_nll_loss(
        self,
        target: Self,
        variance: Self,
        full: bool,
        eps: f64,
        reduction: Reduce,
    ) -> Self {
        self.operation("gaussian_nll_loss", [self.handle, target.handle, variance.handle], |core, [x, target, variance]| {
            core.gaussian_nll_loss(x, target, variance, full, eps, reduction)
        })
    }

    /// The negative log-likelihood of targets under Poisson distributions, but for what depends on
    /// the target alone: x - target log(x + eps), or with `log_input` e^x - target x; reduced. With
    /// `full`, Stirling's approximation of that is added where the target is above 1: target log
    /// target - target + log(2 pi target) / 2.
    #[track_caller]
    pub fn poisson_nll_loss(
        self,
        target: Self,
        log_input: bool,
        full: bool,
        eps: f64,
        reduction: Reduce,
    ) -> Self {
        self.operation("poisson_nll_loss", [self.handle, target.handle], |core, [x, target]| {
            core.poisson_nll_loss(x, target, log_input, full, eps, reduction)
        })
    }
}

impl Graph {
    /// The tensors one after the other along an axis they all have; other axes must agree.
    /// Gradient: each gets its part. Takes any type.
    #[track_caller]
    pub fn concat(&self, xs: &[Var<'_>], axis: isize) -> Var<'_> {
        self.operation_on_all("concat", xs, |core, xs| core.concat(xs, axis))
    }

    /// The tensors, all of one shape, along a new axis at this place of the result. Gradient: each
    /// gets its part. Takes any type.
    #[track_caller]
    pub fn stack(&self, xs: &[Var<'_>], axis: isize) -> Var<'_> {
        self.operation_on_all("stack", xs, |core, xs| core.stack(xs, axis))
    }

    /// For vectors, what each has along an axis of its own, all in one shape: of result i, element
    /// \[j0, j1, ...] is element ji of `xs[i]`. A 0-d tensor counts as a vector. Views. Takes any
    /// type.
    #[track_caller]
    pub fn meshgrid(&self, xs: &[Var<'_>]) -> Vec<Var<'_>> {
        self.list_of_all("meshgrid", xs, |core, xs, out| core.meshgrid(xs, out))
    }

    /// Matrices one after the other along the diagonal of a matrix of zeros. A vector counts as a
    /// row, a 0-d tensor as one element. Gradient: each gets its block. Takes any type.
    #[track_caller]
    pub fn block_diag(&self, xs: &[Var<'_>]) -> Var<'_> {
        self.operation_on_all("block_diag", xs, |core, xs| core.block_diag(xs))
    }

    /// Sums of products by Einstein's convention: each axis of each operand has a label, a letter,
    /// in the equation, as in "ij,jk->ik"; products are summed over the labels that the result has
    /// not got.
    ///
    /// A label that one operand has twice takes its diagonal. An ellipsis "..." stands for all axes
    /// that have no label; those of several operands are broadcast to one another, and are summed
    /// if the result has no ellipsis. Axes of length 1 are repeated where another operand's are
    /// longer. Without "->" the result has the ellipsis, and then the labels that occur once,
    /// capital letters first, by the alphabet. Spaces do not count.
    ///
    /// Any number of float tensors of one dtype. They are multiplied by matrix products, two at a
    /// time, in the order with the fewest multiplications; of more than six, those first that leave
    /// the smallest result. No intermediate result may have more than 8 axes.
    #[track_caller]
    pub fn einsum(&self, equation: &str, xs: &[Var<'_>]) -> Var<'_> {
        self.operation_on_all("einsum", xs, |core, xs| core.einsum(equation, xs))
    }
}
