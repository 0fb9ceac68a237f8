//! Activations, and other functions of one tensor that are expressions of the rules.
//!
//! A branch that is not taken must not be infinite in slope either: 0 times infinity is NaN. So it is
//! given an operand at which it is harmless.

use std::f64::consts::PI;

use crate::error::{ErrorKind, Maybe};
use crate::graph::{Core, Operand};
use crate::id::NodeId;
use crate::node::Comparison;
use crate::op::record::Rec;
use crate::real::{Real, within};
use crate::roll_call::Elem;

pub(super) fn lit<'a>(x: f64) -> Rec<'a> {
    Rec::lit(x)
}

/// `yes` above 0, else `no`.
fn above<'a>(x: Rec<'a>, yes: Rec<'a>, no: Rec<'a>) -> Rec<'a> {
    Real::select(lit(0.0).lt(x), yes, no)
}

/// `yes` up to 0, else `no`, which is also for NaN.
fn up_to<'a>(x: Rec<'a>, yes: Rec<'a>, no: Rec<'a>) -> Rec<'a> {
    Real::select(x.le(lit(0.0)), yes, no)
}

/// x, or 0 above it: the slope at 0 is 1.
fn negative(x: Rec<'_>) -> Rec<'_> {
    up_to(x, x, lit(0.0))
}

/// 0, or NaN for NaN; the slope is 0.
fn flat(x: Rec<'_>) -> Rec<'_> {
    Real::select(x.eq(x), lit(0.0), lit(f64::NAN))
}

/// Towards zero: an integer, whose slope is 0.
fn truncated(x: Rec<'_>) -> Rec<'_> {
    Real::select(x.lt(lit(0.0)), x.ceil(), x.floor())
}

/// 0, whose slope is NaN, at any x but 0 and NaN: for what has a value and no slope. Where another
/// branch is taken, a cotangent of 0 stays 0.
pub(super) fn no_slope(x: Rec<'_>) -> Rec<'_> {
    let inverse = lit(1.0) / x;
    lit(f64::NAN).strong(inverse + -inverse)
}

/// A size beyond which the tails of these functions are flat, and at which nothing overflows.
const FAR: f64 = 1e4;

/// The scale and the alpha of [`Core::selu`], with which activations keep mean 0 and variance 1.
const SELU: (f64, f64) = (1.0507009873554805, 1.6732632423543772);

/// Terms of the series of [`Core::sinc`]: up to 1/2 that many leave out less than an ulp of all
/// derivatives up to the sixth.
const SINC_TERMS: usize = 14;

/// sin(pi x) / (pi x) from its series, sum of (-1)^k (pi x)^2k / (2k + 1)!.
fn sinc_series(x: Rec<'_>) -> Rec<'_> {
    let mut terms = [1.0; SINC_TERMS];
    for k in 1..SINC_TERMS {
        terms[k] = -terms[k - 1] * (PI * PI / (2 * k * (2 * k + 1)) as f64);
    }
    let square = x * x;
    let last = lit(terms[SINC_TERMS - 1]);
    terms[..SINC_TERMS - 1].iter().rev().fold(last, |sum, &term| sum * square + lit(term))
}

/// The same from the sine, of an angle that is brought to within pi exactly.
fn sinc_far(x: Rec<'_>) -> Rec<'_> {
    let turn = x - lit(2.0) * (lit(0.5) * x).round();
    (lit(PI) * turn).sin() / (lit(PI) * x)
}

/// x - tanh x for |x| up to 1, from Lambert's continued fraction tanh x = x / (1 + c) with
/// c = x^2 / (3 + x^2 / (5 + ...)): it is x c / (1 + c), in which nothing is taken from anything. So many
/// levels leave out less than a rounding, of the first three derivatives as well.
fn tanhshrink_near(x: Rec<'_>) -> Rec<'_> {
    const LEVELS: usize = 10;
    let square = x * x;
    let last = lit((2 * LEVELS + 1) as f64);
    let below = (1..LEVELS).rev().fold(last, |sum, k| lit((2 * k + 1) as f64) + square / sum);
    let c = square / below;
    x * c / (lit(1.0) + c)
}

impl Core {
    /// x above 0, else `slope` times x. Gradient: 1 above 0, else the slope.
    ///
    /// - PyTorch: `F.leaky_relu(x, slope)`
    /// - Cases: `elementwise(-3, 3, 0), slope=.01`; `elementwise(-3, 3, 0), slope=1.5`
    pub(crate) fn leaky_relu(&mut self, x: NodeId, slope: f64) -> Maybe<NodeId> {
        self.expression("leaky_relu", [x], |[x]| above(x, x, lit(slope) * x))
    }

    /// x above 0, else alpha (e^x - 1). Gradient: 1 above 0, else alpha e^x.
    /// D. Clevert, T. Unterthiner, S. Hochreiter, 2015.
    ///
    /// - PyTorch: `F.elu(x, alpha)`
    /// - Cases: `elementwise(-3, 3, 0), alpha=1.`; `elementwise(-3, 3, 0), alpha=.7`
    pub(crate) fn elu(&mut self, x: NodeId, alpha: f64) -> Maybe<NodeId> {
        self.expression("elu", [x], |[x]| up_to(x, lit(alpha) * negative(x).expm1(), x))
    }

    /// Up to 0 alpha (e^x - 1) scale, above scale x, with the alpha and the scale that keep mean 0
    /// and variance 1. Gradient: the scale above 0, else alpha scale e^x. G. Klambauer et al.,
    /// "Self-normalizing neural networks", 2017.
    ///
    /// - PyTorch: `F.selu(x)`
    /// - Cases: `elementwise(-3, 3, 0)`
    pub(crate) fn selu(&mut self, x: NodeId) -> Maybe<NodeId> {
        let (scale, alpha) = SELU;
        self.expression("selu", [x], |[x]| {
            up_to(x, lit(scale * alpha) * negative(x).expm1(), lit(scale) * x)
        })
    }

    /// x above 0, else alpha (e^(x / alpha) - 1), with an alpha other than 0. Gradient: 1 above 0,
    /// else e^(x / alpha). J. T. Barron, "Continuously differentiable exponential linear units",
    /// 2017.
    ///
    /// - PyTorch: `alpha * F.elu(x / alpha)`
    /// - Cases: `elementwise(-3, 3, 0), alpha=1.`; `elementwise(-3, 3, 0), alpha=.7`
    pub(crate) fn celu(&mut self, x: NodeId, alpha: f64) -> Maybe<NodeId> {
        if alpha == 0.0 {
            let error = format_args!("celu: alpha must not be 0");
            return Err(self.fail(ErrorKind::Argument, error));
        }
        self.expression("celu", [x], |[x]| {
            up_to(x, lit(alpha) * (negative(x) / lit(alpha)).expm1(), x)
        })
    }

    /// x, but at least 0 and at most 6. Gradient: 1 between, 0 at the bounds and beyond, and for NaN.
    ///
    /// - PyTorch: `F.relu6(x)`
    /// - Cases: `elementwise(-3, 9, 0, 6)`; `x=S(0, -0., 6, 6.5)`
    pub(crate) fn relu6(&mut self, x: NodeId) -> Maybe<NodeId> {
        self.between("relu6", x, 0.0, 6.0)
    }

    /// x, but at least min and at most max. Gradient: 1 between, 0 at the bounds and beyond, and for
    /// NaN.
    ///
    /// - PyTorch: `F.hardtanh(x, min, max)`
    /// - Cases: `elementwise(-3, 3, -1, .5), min=-1., max=.5`; `x=S(-1, .5, .25), min=-1., max=.5`;
    ///   `x=S(2, 3), min=2., max=2.`
    pub(crate) fn hardtanh(&mut self, x: NodeId, min: f64, max: f64) -> Maybe<NodeId> {
        // (NaN is up to nothing.)
        if (min..=max).is_empty() {
            return Err(self.fail(
                ErrorKind::Argument,
                format_args!("hardtanh: needs min up to max, not {min} and {max}"),
            ));
        }
        self.between("hardtanh", x, min, max)
    }

    fn between(&mut self, what: &str, x: NodeId, min: f64, max: f64) -> Maybe<NodeId> {
        self.need_float(what, x)?;
        self.clamp(x, Some(min), Some(max))
    }

    /// (x + 3) / 6, but at least 0 and at most 1. Gradient: 1/6 between, 0 at the bounds and beyond,
    /// and for NaN. (It is F.hardsigmoid, whose gradient PyTorch rounds to f32.)
    ///
    /// - PyTorch: `torch.clamp(x / 6 + .5, 0, 1)`
    /// - Cases: `elementwise(-5, 5, -3, 3)`; `x=S(-3, 3)`
    pub(crate) fn hardsigmoid(&mut self, x: NodeId) -> Maybe<NodeId> {
        let line = self.expression("hardsigmoid", [x], |[x]| x / lit(6.0) + lit(0.5))?;
        self.clamp(line, Some(0.0), Some(1.0))
    }

    /// x (x + 3) / 6 between -3 and 3, 0 below and x above. Gradient: (2 x + 3) / 6 between; 0 at -3
    /// and below, 1 at 3 and above. At -infinity it is 0, where PyTorch gives NaN. A. Howard et al.,
    /// "Searching for MobileNetV3", 2019.
    ///
    /// - PyTorch: `F.hardswish(x)`
    /// - Cases: `elementwise(-5, 5, -3, 3, without=[-inf])`; `x=S(-3, 3)`
    pub(crate) fn hardswish(&mut self, x: NodeId) -> Maybe<NodeId> {
        self.expression("hardswish", [x], |[x]| {
            let bound = lit(3.0);
            let near = Real::select(x.abs().lt(bound), x, lit(0.0));
            let curve = near * ((near + bound) / lit(6.0));
            Real::select(x.le(-bound), lit(0.0), Real::select(x.lt(bound), curve, x))
        })
    }

    /// x tanh(log(1 + e^x)). At -infinity it is 0 with the gradient 0, and at infinity the gradient
    /// is 1, where PyTorch gives NaN. D. Misra, "Mish", 2019.
    ///
    /// - PyTorch: `F.mish(x)`
    /// - Cases: `elementwise(-4, 4, without=[inf, -inf])`
    pub(crate) fn mish(&mut self, x: NodeId) -> Maybe<NodeId> {
        self.expression("mish", [x], |[x]| {
            let (zero, one, two) = (lit(0.0), lit(1.0), lit(2.0));
            // With e = exp(-|x|), of which tanh(log(1 + e^x)) is a quotient: n / (n + 2) for n = e (e + 2) up
            // to 0, and above 1 less 2 e^2 / (1 + 2 e + 2 e^2), so that no derivative loses a tail.
            let is_above = zero.lt(x);
            let near = within(x, FAR);
            let e = Real::select(is_above, -near, near).exp();
            let n = e * (e + two);
            let missing = two * e * e / (one + two * e * (one + e));
            let gate = Real::select(is_above, one - missing, n / (n + two));
            Real::select(x.lt(lit(-FAR)), lit(-FAR), x) * gate
        })
    }

    /// x / (1 + |x|). Gradient: 1 / (1 + |x|)^2. At an infinity it is 1 or -1 with the gradient 0,
    /// where PyTorch gives NaN.
    ///
    /// - PyTorch: `F.softsign(x)`
    /// - Cases: `elementwise(-3, 3, 0, -1, 1, without=[inf, -inf])`
    pub(crate) fn softsign(&mut self, x: NodeId) -> Maybe<NodeId> {
        self.expression("softsign", [x], |[x]| {
            let one = lit(1.0);
            let is_far = one.le(x.abs());
            let near = Real::select(is_far, lit(0.0), x);
            let sign = Real::select(x.lt(lit(0.0)), -one, one);
            // The slope of the quotient would be a difference of two that are nearly the same.
            let far = sign * (one - one / (one + x.abs()));
            Real::select(is_far, far, near / (one + near.abs()))
        })
    }

    /// x - tanh x, which does not cancel near 0, nor do its derivatives. Gradient: tanh(x)^2.
    ///
    /// - PyTorch: `F.tanhshrink(x)`
    /// - Cases: `elementwise(-3, 3)`
    pub(crate) fn tanhshrink(&mut self, x: NodeId) -> Maybe<NodeId> {
        self.expression("tanhshrink", [x], |[x]| {
            let is_near = x.abs().lt(lit(1.0));
            let near = tanhshrink_near(Real::select(is_near, x, lit(0.0)));
            let far = Real::select(is_near, lit(1.0), x);
            Real::select(is_near, near, far - far.tanh())
        })
    }

    /// x, brought nearer to 0 by a threshold that is not negative; 0 up to there. Gradient: 1 beyond
    /// the threshold, else 0, also for NaN.
    ///
    /// - PyTorch: `F.softshrink(x, threshold)`
    /// - Cases: `elementwise(-2, 2, -.5, .5), threshold=.5`; `x=S(.5, -.5, 0), threshold=.5`;
    ///   `x=S(1, -1, 0), threshold=0.`
    pub(crate) fn softshrink(&mut self, x: NodeId, threshold: f64) -> Maybe<NodeId> {
        // (Refuses NaN, too.)
        if !(0.0..).contains(&threshold) {
            return Err(self.fail(
                ErrorKind::Argument,
                format_args!("softshrink: the threshold must be at least 0, not {threshold}"),
            ));
        }
        self.expression("softshrink", [x], |[x]| {
            let (zero, by) = (lit(0.0), lit(threshold));
            let nearer = Real::select(x.lt(zero), x + by, x - by);
            Real::select(by.lt(x.abs()), nearer, flat(x))
        })
    }

    /// x, but 0 from -threshold to threshold. Gradient: 1 beyond, else 0, also for NaN.
    ///
    /// - PyTorch: `F.hardshrink(x, threshold)`
    /// - Cases: `elementwise(-2, 2, -.5, .5), threshold=.5`; `x=S(.5, -.5, 0), threshold=.5`;
    ///   `x=S(.5, -.5, 0), threshold=-1.`
    pub(crate) fn hardshrink(&mut self, x: NodeId, threshold: f64) -> Maybe<NodeId> {
        self.expression("hardshrink", [x], |[x]| {
            Real::select(lit(threshold).lt(x.abs()), x, flat(x))
        })
    }

    /// x above the threshold, else the value. Gradient: 1 above and for NaN, else 0.
    ///
    /// - PyTorch: `F.threshold(x, threshold, value)`
    /// - Cases: `elementwise(-2, 2, .5), threshold=.5, value=7.`; `x=S(.5, .75), threshold=.5, value=-1.`
    pub(crate) fn threshold(&mut self, x: NodeId, threshold: f64, value: f64) -> Maybe<NodeId> {
        self.expression("threshold", [x], |[x]| Real::select(x.le(lit(threshold)), lit(value), x))
    }

    /// log(1 + e^(beta x)) / beta, with a beta other than 0: a smooth relu, the steeper the larger
    /// beta is. Gradient: the sigmoid of beta x. (PyTorch gives x where beta x is above 20.)
    ///
    /// - PyTorch: `F.softplus(x, beta)`
    /// - Cases: `elementwise(-3, 3, special=False), beta=2.`;
    ///   `elementwise(-3, 3, special=False), beta=-.5`; `x=S(inf, -inf, nan, 1000, -1000, 0), beta=2.`
    pub(crate) fn softplus_beta(&mut self, x: NodeId, beta: f64) -> Maybe<NodeId> {
        let what = "softplus_beta";
        if beta == 0.0 {
            let error = format_args!("{what}: beta must not be 0");
            return Err(self.fail(ErrorKind::Argument, error));
        }
        let wide = self.expression(what, [x], |[x]| lit(beta) * x)?;
        let wide = self.map(Elem::Softplus, wide)?;
        self.map2(Elem::Div, wide, Operand::Constant(beta))
    }

    /// The logarithm of the sigmoid, -log(1 + e^-x), without overflow. Gradient: the sigmoid of -x.
    ///
    /// - PyTorch: `F.logsigmoid(x)`
    /// - Cases: `elementwise(-6, 6)`
    pub(crate) fn log_sigmoid(&mut self, x: NodeId) -> Maybe<NodeId> {
        let x = self.expression("log_sigmoid", [x], |[x]| -x)?;
        let y = self.map(Elem::Softplus, x)?;
        self.map(Elem::Neg, y)
    }

    /// log(x / (1 - x)), what sigmoid makes x of. Where eps is not 0, x counts as at least eps and at
    /// most 1 - eps, so eps is from 0 to 1/2. Gradient: 1 / (x (1 - x)), 0 beyond those bounds, and
    /// for NaN. Without them value and gradient are NaN outside of [0, 1].
    ///
    /// - PyTorch: `torch.logit(x, eps or None)`
    /// - Cases: `elementwise(.05, .95), eps=0.`; `elementwise(-1, 2, .1, .9), eps=.1`;
    ///   `x=S(.25, .75, 0, 1, nan), eps=.25`
    pub(crate) fn logit(&mut self, x: NodeId, eps: f64) -> Maybe<NodeId> {
        let what = "logit";
        if !(0.0..=0.5).contains(&eps) {
            return Err(self.fail(
                ErrorKind::Argument,
                format_args!("{what}: eps must be from 0, which means none, to 0.5, not {eps}"),
            ));
        }
        self.expression(what, [x], |[x]| {
            let (least, most) = (lit(eps), lit(1.0 - eps));
            let nan = lit(f64::NAN);
            let x = if eps == 0.0 {
                x * Real::select(x.lt(least), nan, Real::select(most.lt(x), nan, lit(1.0)))
            } else {
                let outside = Real::select(x.lt(least), least, flat(x) + most);
                Real::select(least.le(x), Real::select(x.le(most), x, outside), outside)
            };
            // Where x is near 1/2 the quotient is near 1: its logarithm is taken from what is beside 1, of which 2 x - 1
            // is exact.
            let is_middle = (x - lit(0.5)).abs().lt(lit(0.25));
            let middle = Real::select(is_middle, x, lit(0.5));
            let end = Real::select(is_middle, lit(0.5), x);
            let beside = (middle + middle - lit(1.0)) / (lit(1.0) - middle);
            Real::select(is_middle, beside.log1p(), end.ln() - (-end).log1p())
        })
    }

    /// sin(pi x) / (pi x), and 1 at 0. Near 0 it is computed from its series, so that derivatives do
    /// not cancel there; at the zeros, the whole numbers, the sine is of an angle within pi.
    ///
    /// - PyTorch: `torch.sinc(x)`
    /// - Cases: `elementwise(-3, 3, 0, -.5, .5, without=[1e-10, -1e-10])`
    pub(crate) fn sinc(&mut self, x: NodeId) -> Maybe<NodeId> {
        self.expression("sinc", [x], |[x]| {
            let is_near = x.abs().lt(lit(0.5));
            let near = sinc_series(Real::select(is_near, x, lit(0.0)));
            Real::select(is_near, near, sinc_far(Real::select(is_near, lit(1.0), x)))
        })
    }

    /// The integer next to x towards 0. Gradient: 0.
    ///
    /// - PyTorch: `torch.trunc(x)`
    /// - Cases: `elementwise(-3, 3, -3, -2, -1, 0, 1, 2, 3)`; `x=S(1.5, -1.5, 2.999, -2.999)`
    pub(crate) fn trunc(&mut self, x: NodeId) -> Maybe<NodeId> {
        self.expression("trunc", [x], |[x]| truncated(x))
    }

    /// x less the integer next to it towards 0; NaN at the infinities. Gradient: 1.
    ///
    /// - PyTorch: `torch.frac(x)`
    /// - Cases: `elementwise(-3, 3, -3, -2, -1, 0, 1, 2, 3)`
    pub(crate) fn frac(&mut self, x: NodeId) -> Maybe<NodeId> {
        self.expression("frac", [x], |[x]| x - truncated(x))
    }

    /// x, with nan for NaN, pos for infinity and neg for -infinity; an infinite pos or neg leaves it
    /// as it is. A finite one that is beyond the type's largest number stands for that number, so the
    /// largest f64 does for all types. Gradient: 1, and 0 where x is not finite.
    ///
    /// - PyTorch: `torch.nan_to_num(x, nan, pos, neg)`
    /// - Cases: `elementwise(-3, 3), nan=.5, pos=7., neg=-9.`;
    ///   `elementwise(-3, 3), nan=0., pos=inf, neg=-inf`; `elementwise(-3, 3), nan=nan, pos=1., neg=-inf`
    pub(crate) fn nan_to_num(&mut self, x: NodeId, nan: f64, pos: f64, neg: f64) -> Maybe<NodeId> {
        let what = "nan_to_num";
        let most = self.need_float(what, x)?.largest();
        let held = |y: f64| if y.is_finite() { y.clamp(-most, most) } else { y };
        self.expression(what, [x], |[x]| {
            let infinity = lit(f64::INFINITY);
            let finite = Real::select(x.eq(-infinity), lit(held(neg)), x);
            let number = Real::select(x.eq(infinity), lit(held(pos)), finite);
            Real::select(x.eq(x), number, lit(held(nan)))
        })
    }

    /// -x log x, the part of an entropy, with 0 at 0 and -infinity below. Gradient: -1 - log x;
    /// infinite at 0, NaN below.
    ///
    /// - PyTorch: `special.entr(x)`
    /// - Cases: `elementwise(.1, 4)`
    pub(crate) fn entr(&mut self, x: NodeId) -> Maybe<NodeId> {
        self.expression("entr", [x], |[x]| {
            let (zero, one, infinity) = (lit(0.0), lit(1.0), lit(f64::INFINITY));
            let is_negative = x.lt(zero);
            let log = Real::select(x.le(zero), one, x).ln();
            // At the ends only the logarithm counts; its own slope times x is 0/0 there.
            let log = Real::select(x.eq(infinity), infinity, log);
            let log = Real::select(x.eq(zero), -infinity, log);
            let inside = -Real::select(is_negative, one, x).strong(log);
            let outside = no_slope(Real::select(is_negative, x, -one)) - infinity;
            Real::select(is_negative, outside, inside)
        })
    }

    /// An angle in degrees, in radians. Gradient: pi / 180.
    ///
    /// - PyTorch: `torch.deg2rad(x)`
    /// - Cases: `elementwise(-3, 3)`
    pub(crate) fn deg2rad(&mut self, x: NodeId) -> Maybe<NodeId> {
        self.expression("deg2rad", [x], |[x]| x * lit(PI / 180.0))
    }

    /// An angle in radians, in degrees. Gradient: 180 / pi.
    ///
    /// - PyTorch: `torch.rad2deg(x)`
    /// - Cases: `elementwise(-3, 3)`
    pub(crate) fn rad2deg(&mut self, x: NodeId) -> Maybe<NodeId> {
        self.expression("rad2deg", [x], |[x]| x * lit(180.0 / PI))
    }

    /// A u8 mask: 1 where x is NaN, else 0. No gradient.
    ///
    /// - PyTorch: `torch.isnan(x)`
    /// - Types: any
    /// - Cases: `x=S(0, -0., inf, -inf, nan, 1)`; `x=U(2,3)`; `x=U()`; `x=U(0)`; `x=I(0, -3)`;
    ///   `x=M(1, 0)`
    pub(crate) fn isnan(&mut self, x: NodeId) -> Maybe<NodeId> {
        self.compare(Comparison::Ne, x, x)
    }

    /// A u8 mask: 1 where x is infinite, else 0. No gradient.
    ///
    /// - PyTorch: `torch.isinf(x)`
    /// - Types: any
    /// - Cases: `x=S(0, -0., inf, -inf, nan, 1)`; `x=U(2,3)`; `x=U()`; `x=U(0)`; `x=I(0, -3)`;
    ///   `x=M(1, 0)`
    pub(crate) fn isinf(&mut self, x: NodeId) -> Maybe<NodeId> {
        if !self.node(x).dtype.is_float() {
            return self.compare(Comparison::Ne, x, x);
        }
        let size = self.map(Elem::Abs, x)?;
        self.compare(Comparison::Eq, size, Operand::Constant(f64::INFINITY))
    }

    /// A u8 mask: 1 where x is neither infinite nor NaN, else 0. No gradient.
    ///
    /// - PyTorch: `torch.isfinite(x)`
    /// - Types: any
    /// - Cases: `x=S(0, -0., inf, -inf, nan, 1)`; `x=U(2,3)`; `x=U()`; `x=U(0)`; `x=I(0, -3)`;
    ///   `x=M(1, 0)`
    pub(crate) fn isfinite(&mut self, x: NodeId) -> Maybe<NodeId> {
        if !self.node(x).dtype.is_float() {
            return self.compare(Comparison::Eq, x, x);
        }
        let size = self.map(Elem::Abs, x)?;
        self.compare(Comparison::Lt, size, Operand::Constant(f64::INFINITY))
    }

    /// A u8 mask: 1 where x is 0, else 0. No gradient.
    ///
    /// - PyTorch: `torch.logical_not(x)`
    /// - Types: any
    /// - Cases: `x=S(0, -0., inf, -inf, nan, 1)`; `x=U(2,3)`; `x=U()`; `x=U(0)`; `x=I(0, -3)`;
    ///   `x=M(1, 0)`
    pub(crate) fn logical_not(&mut self, x: NodeId) -> Maybe<NodeId> {
        self.compare(Comparison::Eq, x, Operand::Constant(0.0))
    }
}
