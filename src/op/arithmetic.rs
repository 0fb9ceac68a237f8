//! Functions of two and three tensors that are expressions of the rules.
//!
//! Tensors are float ones of one dtype, and broadcast to one another. As in `activation.rs`, a branch
//! that is not taken gets harmless operands.

use std::f64::consts::LN_2;

use super::activation::{lit, no_slope};
use super::unary::Exp2;
use crate::dtype::DType;
use crate::error::{ErrorKind, Maybe};
use crate::graph::{Core, Operand};
use crate::id::NodeId;
use crate::node::Comparison;
use crate::op::record::Rec;
use crate::real::Real;
use crate::roll_call::Elem;
use crate::shape::Dims;

/// x, but 0 where it is NaN and the other one infinite.
fn not_beside_infinity<'a>(x: Rec<'a>, other: Rec<'a>) -> Rec<'a> {
    let is_infinite = other.abs().eq(lit(f64::INFINITY));
    Real::select(x.eq(x), x, Real::select(is_infinite, lit(0.0), x))
}

/// The larger of two, the smaller one, and whether they are the same infinity: then 1, else 0.
fn ordered<'a>(a: Rec<'a>, b: Rec<'a>) -> [Rec<'a>; 3] {
    let is_less = a.lt(b);
    let (most, least) = (Real::select(is_less, b, a), Real::select(is_less, a, b));
    let (zero, one) = (lit(0.0), lit(1.0));
    let same = Real::select(a.eq(b), Real::select(a.abs().eq(lit(f64::INFINITY)), one, zero), zero);
    [most, least, same]
}

/// The logarithm of a sum of two powers of a base, of which `power` is one: the larger exponent and what the
/// other one adds. Its slopes at two equal infinities are NaN.
fn log_of_sum<'a>(a: Rec<'a>, b: Rec<'a>, ln_base: f64, power: fn(Rec<'a>) -> Rec<'a>) -> Rec<'a> {
    let [most, least, same] = ordered(a, b);
    let is_same = same.eq(lit(1.0));
    let other = |x| Real::select(is_same, lit(0.0), x);
    let (most, least) = (other(most), other(least));
    let more = power(least - most).log1p();
    let sum = most + if ln_base == 1.0 { more } else { more * lit(ln_base.recip()) };
    let alone = |x| no_slope(Real::select(is_same, x, lit(1.0)));
    Real::select(is_same, a + (alone(a) + alone(b)), sum)
}

impl Core {
    /// The length of (a, b), without overflow; infinite if one of them is, even if the other is NaN.
    /// Gradients: a / y and b / y, NaN at (0, 0) and for the infinite one.
    ///
    /// - PyTorch: `torch.hypot(a, b)`
    /// - Cases: `pairs(-2, 2, without=lambda a, b: np.isinf(a) & np.isnan(b) | np.isnan(a) & np.isinf(b))`;
    ///   `a=S(3e-30, 3e30, 3e30, 0), b=S(4e-30, 4e30, 4e-30, -4e-30)`
    pub(crate) fn hypot(&mut self, a: NodeId, b: NodeId) -> Maybe<NodeId> {
        let what = "hypot";
        // Squares of what is larger overflow, of what is smaller lose bits; powers of two avoid it.
        let ((large, down), (small, up)) = match self.need_float(what, a)? {
            DType::F32 => ((60, -70), (-50, 100)),
            _ => ((500, -600), (-480, 600)),
        };
        self.expression(what, [a, b], |[a, b]| {
            let power = |n: i32| lit(2.0_f64.powi(n));
            let most = Real::select(a.abs().lt(b.abs()), b.abs(), a.abs());
            let by = |down, up| {
                let downwards = Real::select(power(large).lt(most), power(down), lit(1.0));
                Real::select(most.lt(power(small)), power(up), downwards)
            };
            let (scale, back) = (by(down, up), by(-down, -up));
            let counted = |x, other| not_beside_infinity(x, other) * scale;
            let (p, q) = (counted(a, b), counted(b, a));
            (p * p + q * q).sqrt() * back
        })
    }

    /// What the division of a by b with a quotient rounded towards 0 leaves, with the sign of a; NaN
    /// where b is 0 or a infinite. Exact, however large the quotient is. Gradients: 1 and -trunc(a / b).
    ///
    /// - PyTorch: `torch.fmod(a, b)`
    /// - Cases: `pairs(-2, 2)`; `pairs(-9, 9, .5, 2)`; `a=S(1, .35, -1, 100), b=S(.3, .1, .3, -.75)`;
    ///   `a=U(2,3,lo=-9,hi=9), b=.75`; `a=S(0, 1, -2, inf, nan), b=inf`;
    ///   `a=S(0, 1, -2, inf, nan), b=-.75`; `a=S(2.**100, -2.**100, -2.**120, 3), b=S(3, 3, 7, 2.**100)`
    pub(crate) fn fmod(&mut self, a: NodeId, b: impl Into<Operand>) -> Maybe<NodeId> {
        self.map2(Elem::Fmod, a, b)
    }

    /// What the division of a by b with a quotient rounded towards -infinity leaves, with the sign of
    /// b, as % does in Python; NaN where b is 0 or a infinite. It is the exact rest (plus b, where that
    /// has another sign), however large the quotient is. Gradients: 1 and -floor(a / b).
    ///
    /// - PyTorch: `torch.remainder(a, b)`
    /// - Cases: `pairs(-2, 2)`; `pairs(-9, 9, .5, 2)`; `a=S(1, .35, -1, 100), b=S(.3, .1, .3, -.75)`;
    ///   `a=U(2,3,lo=-9,hi=9), b=.75`; `a=S(0, 1, -2, inf, nan), b=inf`;
    ///   `a=S(0, 1, -2, inf, nan), b=-.75`; `a=S(2.**100, -2.**100, -2.**120, 3), b=S(3, 3, 7, 2.**100)`
    pub(crate) fn remainder(&mut self, a: NodeId, b: impl Into<Operand>) -> Maybe<NodeId> {
        self.map2(Elem::Remainder, a, b)
    }

    /// An expression of two operands, the second of which may be a number.
    fn with_operand(
        &mut self,
        what: &str,
        [a, c]: [NodeId; 2],
        b: Operand,
        write: impl for<'a> FnOnce([Rec<'a>; 3]) -> Rec<'a>,
    ) -> Maybe<NodeId> {
        match b {
            Operand::Node(b) => self.expression(what, [a, b, c], write),
            Operand::Constant(b) => self.expression(what, [a, c], |[a, c]| write([a, lit(b), c])),
        }
    }

    /// The quotient rounded towards -infinity; plainly a / b where b is 0. It is that of the exact
    /// quotient: 1 by 0.1 is 9, as 0.1 is a little more than that; 0 has the sign of a / b. Gradients: 0.
    ///
    /// - PyTorch: `torch.div(a, b, rounding_mode='floor')`
    /// - Cases: `pairs(-2, 2)`; `a=S(1, .3, -1, 7), b=S(.25, .75, .125, .5)`;
    ///   `a=U(2,3,lo=-9,hi=9), b=.75`; `a=S(0, 1, -2, inf, nan), b=-inf`;
    ///   `a=S(0, -0., 0, -0., 1, -1), b=S(2, 2, -2, -2, 3, -3)`; `a=S(2.**100, -2.**100), b=S(3)`
    pub(crate) fn floor_divide(&mut self, a: NodeId, b: impl Into<Operand>) -> Maybe<NodeId> {
        self.map2(Elem::FloorDivide, a, b)
    }

    /// The size of a with the sign of b, which 0 has, too. (A NaN counts as positive.) Gradients: 1
    /// where the sign stays, -1 where it changes, 0 where a is 0 or NaN; and 0. PyTorch's is NaN
    /// where a is infinite or NaN.
    ///
    /// - PyTorch: `torch.copysign(a, b)`
    /// - Cases: `pairs(-2, 2, without=lambda a, b: ~np.isfinite(a))`
    pub(crate) fn copysign(&mut self, a: NodeId, b: NodeId) -> Maybe<NodeId> {
        let what = "copysign";
        self.need_same_float(what, a, b)?;
        let sign = self.map(Elem::Sign, b)?;
        self.expression(what, [a, b, sign], |[a, b, sign]| {
            let (zero, one) = (lit(0.0), lit(1.0));
            let of_zero = Real::select((one / b).lt(zero), -one, one);
            let sign = Real::select(b.eq(zero), of_zero, sign);
            a.abs() * Real::select(b.eq(b), sign, one)
        })
    }

    /// The larger one; NaN only if both are. Gradients: 1 and 0, at a tie 1/2 each; of two NaN to the
    /// first.
    ///
    /// - PyTorch: `torch.fmax(a, b)`
    /// - Cases: `pairs(-2, 2)`
    pub(crate) fn fmax(&mut self, a: NodeId, b: NodeId) -> Maybe<NodeId> {
        self.but_for_nan("fmax", a, b, Elem::Maximum)
    }

    /// The smaller one; NaN only if both are. Gradients: 1 and 0, at a tie 1/2 each; of two NaN to
    /// the first.
    ///
    /// - PyTorch: `torch.fmin(a, b)`
    /// - Cases: `pairs(-2, 2)`
    pub(crate) fn fmin(&mut self, a: NodeId, b: NodeId) -> Maybe<NodeId> {
        self.but_for_nan("fmin", a, b, Elem::Minimum)
    }

    fn but_for_nan(&mut self, what: &str, a: NodeId, b: NodeId, elem: Elem) -> Maybe<NodeId> {
        self.need_same_float(what, a, b)?;
        self.broadcast(what, a, b)?;
        let extreme = self.map2(elem, a, b)?;
        self.expression(what, [a, b, extreme], |[a, b, extreme]| {
            Real::select(b.eq(b), Real::select(a.eq(a), extreme, b), a)
        })
    }

    /// log(e^a + e^b), without overflow. Gradients: the shares of e^a and e^b in the sum, NaN at two
    /// equal infinities.
    ///
    /// - PyTorch: `torch.logaddexp(a, b)`
    /// - Cases: `pairs(-2, 2)`; `a=S(1000, -1000, 0, 40), b=S(1000, -1001, 800, 0)`
    pub(crate) fn logaddexp(&mut self, a: NodeId, b: NodeId) -> Maybe<NodeId> {
        self.expression("logaddexp", [a, b], |[a, b]| log_of_sum(a, b, 1.0, Real::exp))
    }

    /// log2(2^a + 2^b), without overflow. Gradients: the shares of 2^a and 2^b in the sum, NaN at two
    /// equal infinities.
    ///
    /// - PyTorch: `torch.logaddexp2(a, b)`
    /// - Cases: `pairs(-2, 2)`; `a=S(1000, -1000, 0, 40), b=S(1000, -1001, 2000, 0)`
    pub(crate) fn logaddexp2(&mut self, a: NodeId, b: NodeId) -> Maybe<NodeId> {
        self.expression("logaddexp2", [a, b], |[a, b]| log_of_sum(a, b, LN_2, Real::apply::<Exp2>))
    }

    /// a log b, and 0 where a is 0, unless b is NaN. Gradients: log b, but 0 where a is 0 and b not
    /// positive; and a / b.
    ///
    /// - PyTorch: `torch.xlogy(a, b)`
    /// - Cases: `pairs(-2, 2, .2, 3)`; `a=S(0, 1, 0, -2), b=S(0)`; `a=S(1, -1), b=S(inf)`; `a=S(0), b=S(0, 1, 2)`
    pub(crate) fn xlogy(&mut self, a: NodeId, b: NodeId) -> Maybe<NodeId> {
        self.map2(Elem::Xlogy, a, b)
    }

    /// a log(1 + b), exact for small b, and 0 where a is 0, unless b is NaN. Gradients: log(1 + b),
    /// but 0 where a is 0 and b not above -1; and a / (1 + b).
    ///
    /// - PyTorch: `special.xlog1py(a, b)`
    /// - Cases: `pairs(-2, 2, -.8, 3)`; `a=S(0, 2, -0.), b=S(-1, -1, -1)`; `a=S(0, 1, 0, -2), b=S(-1)`;
    ///   `a=S(1, -1), b=S(inf)`; `a=S(0), b=S(-1, 1, 2)`
    pub(crate) fn xlog1py(&mut self, a: NodeId, b: NodeId) -> Maybe<NodeId> {
        self.map2(Elem::Xlog1py, a, b)
    }

    /// The step: 0 where a is negative or NaN, 1 where it is positive, b where it is 0. Gradients: 0;
    /// and 1 where a is 0, else 0. (PyTorch has none.)
    ///
    /// - PyTorch: `torch.where(a == 0, b, torch.heaviside(a, b).detach())`
    /// - Cases: `pairs(-2, 2)`
    pub(crate) fn heaviside(&mut self, a: NodeId, b: NodeId) -> Maybe<NodeId> {
        let what = "heaviside";
        self.need_same_float(what, a, b)?;
        let sign = self.map(Elem::Sign, a)?;
        self.expression(what, [a, b, sign], |[a, b, sign]| {
            let step = Real::select(sign.lt(lit(0.0)), lit(0.0), sign);
            Real::select(a.eq(lit(0.0)), b, step)
        })
    }

    /// a + weight (b - a): a at weight 0, b at weight 1, both exactly. Gradients: 1 - weight, the
    /// weight, and b - a.
    ///
    /// - PyTorch: `torch.lerp(a, b, weight)`
    /// - Cases: `a=U(2,3), b=U(3), weight=U(2,1)`; `a=U(), b=U(2), weight=U(3,1)`;
    ///   `a=U(0), b=U(1), weight=U(1)`;
    ///   `a=S(0, 1, 1, 1, -inf, 2, 3), b=S(1, 3, 3, inf, 1, nan, 3), weight=S(0, 1, .5, .25, 2, 1, nan)`;
    ///   `a=U(2,3), b=U(3), weight=.25`; `a=U(2,3), b=U(3), weight=-1.5`; `a=U(3), b=U(), weight=.75`
    pub(crate) fn lerp(
        &mut self,
        a: NodeId,
        b: NodeId,
        weight: impl Into<Operand>,
    ) -> Maybe<NodeId> {
        self.with_operand("lerp", [a, b], weight.into(), |[a, weight, b]| {
            let (is_near, one) = (weight.abs().lt(lit(0.5)), lit(1.0));
            // From the end that is nearer, so that both are met.
            let share = Real::select(is_near, weight, weight - one);
            Real::select(is_near, a, b) + share * (b - a)
        })
    }

    /// x + value a b. Gradients: 1, value b and value a.
    ///
    /// - PyTorch: `torch.addcmul(x, a, b, value=value)`
    /// - Cases: `x=U(2,3), a=U(3), b=U(2,1), value=.5`; `x=U(), a=U(2), b=U(3,1), value=-2.`;
    ///   `x=U(0), a=U(1), b=U(1), value=1.`;
    ///   `x=S(1, inf, 1, nan), a=S(0, 2, inf, 1), b=S(inf, 1, 2, 1), value=1.`
    pub(crate) fn addcmul(&mut self, x: NodeId, a: NodeId, b: NodeId, value: f64) -> Maybe<NodeId> {
        self.expression("addcmul", [x, a, b], |[x, a, b]| x + lit(value) * a * b)
    }

    /// x + value a / b. Gradients: 1, value / b and -value a / b^2.
    ///
    /// - PyTorch: `torch.addcdiv(x, a, b, value=value)`
    /// - Cases: `x=U(2,3), a=U(3), b=U(2,1,lo=.5), value=.5`; `x=U(), a=U(2), b=U(3,1,lo=.5), value=-2.`;
    ///   `x=U(0), a=U(1), b=U(1), value=1.`;
    ///   `x=S(1, inf, 1, nan), a=S(1, 2, inf, 1), b=S(0, 1, 2, 1), value=1.`
    pub(crate) fn addcdiv(&mut self, x: NodeId, a: NodeId, b: NodeId, value: f64) -> Maybe<NodeId> {
        self.expression("addcdiv", [x, a, b], |[x, a, b]| x + lit(value) * a / b)
    }

    /// x y + z, of which the product and the sum are rounded each, as by mul and add. Gradients: y, x
    /// and 1.
    ///
    /// - PyTorch: `x * y + z`
    /// - Cases: `x=U(2,3), y=U(3), z=U(2,1)`; `x=U(), y=U(2), z=U(3,1)`; `x=U(0), y=U(1), z=U(1)`;
    ///   `x=S(0, 2, nan), y=S(inf, inf, 1), z=S(1, -inf, 1)`
    pub(crate) fn fma(&mut self, x: NodeId, y: NodeId, z: NodeId) -> Maybe<NodeId> {
        self.expression("fma", [x, y, z], |[x, y, z]| x * y + z)
    }

    /// a 2^b; b may also be i64. Gradients: 2^b and y log 2.
    ///
    /// - PyTorch: `torch.ldexp(a, b)`
    /// - Cases: `pairs(-2, 2)`; `a=U(4), b=I(0, 3, -2, 10)`; `a=U(2,1), b=I(1, 2)`
    pub(crate) fn ldexp(&mut self, a: NodeId, b: NodeId) -> Maybe<NodeId> {
        let what = "ldexp";
        let dtype = self.need_float(what, a)?;
        let b = if self.node(b).dtype == DType::I64 { self.cast(b, dtype)? } else { b };
        self.expression(what, [a, b], |[a, b]| a * lit(2.0).pow(b))
    }

    /// x, but at least min and at most max, which are tensors; max where min is above it; NaN if one
    /// of them is. Gradients: 1 for what is the value; where x is the value and a bound, too, 1/2
    /// each, and 1 for x where it is both; 1 for x where one of them is NaN.
    ///
    /// - PyTorch: `torch.clamp(x, min, max)`
    /// - Cases: `x=U(2,3,lo=-3,hi=3), min=U(3,lo=-1,hi=-.9), max=U(2,1,lo=1,hi=1.1)`;
    ///   `x=U(lo=-.5,hi=.5), min=U(2,lo=-2,hi=-1), max=U(3,1,lo=1,hi=2)`; `x=U(0), min=U(1), max=U(1)`;
    ///   `x=S(0, 1, 2, 3, 1, 2, 1, 1, 3, inf, -inf, nan, 1, 1), min=S(1, 1, 1, 1, 1, 2, 3, 2, 1, 0, 0, 0, nan, 0),
    ///   max=S(2, 2, 2, 2, 1, 2, 2, 2, 1, 1, 1, 1, 2, nan)`
    pub(crate) fn clamp_tensor(&mut self, x: NodeId, min: NodeId, max: NodeId) -> Maybe<NodeId> {
        let what = "clamp_tensor";
        self.need_same_float(what, x, min)?;
        self.need_same_float(what, x, max)?;
        // Said in this name before the rules are asked.
        self.broadcast(what, x, min)?;
        let between = self.map2(Elem::Maximum, x, min)?;
        self.broadcast(what, between, max)?;
        let between = self.map2(Elem::Minimum, between, max)?;
        self.expression(what, [x, min, max, between], |[x, min, max, between]| {
            let one_value = Real::select(x.lt(min), min, Real::select(max.lt(x), max, x));
            let crossed = Real::select(max.lt(min), max, one_value);
            let inside = Real::select(min.lt(max), between, crossed);
            let (zero, nan) = (lit(0.0), lit(f64::NAN));
            let is_none = Real::select(max.eq(max), Real::select(min.eq(min), zero, nan), nan);
            let x_alone = Real::select(x.eq(x), inside, x);
            Real::select(is_none.eq(zero), x_alone, x + nan)
        })
    }

    /// x above 0, else weight times x. The weight is one number, or, as a vector, one for each
    /// channel, which is axis 1 of x. Gradients: 1 above 0, else the weight; and the sum of those x
    /// that are not above 0. K. He et al., "Delving deep into rectifiers", 2015.
    ///
    /// - PyTorch: `F.prelu(x, weight)`
    /// - Cases: `x=U(2,3,avoid=(0,)), weight=U(3)`; `x=U(2,3,2,avoid=(0,)), weight=U(3)`;
    ///   `x=U(2,3,2), weight=U(1)`; `x=U(4), weight=U(1)`; `x=U(4), weight=U()`; `x=U(), weight=U()`;
    ///   `x=U(0,3), weight=U(3)`; `x=S(0, -0., inf, -inf, nan, 1, -1), weight=S(.25)`;
    ///   `x=S(1, inf, -2), weight=S(inf)`
    pub(crate) fn prelu(&mut self, x: NodeId, weight: NodeId) -> Maybe<NodeId> {
        let what = "prelu";
        let (dims, weights) = (self.shape(x), self.shape(weight));
        let channels = dims.get(1).copied().unwrap_or(1);
        let count = self.node(weight).len;
        if weights.len() > 1 || count != 1 && count != channels {
            return Err(self.fail(
                ErrorKind::Shape,
                format_args!(
                    "{what}: needs one weight, or a vector of one for each of the {channels} channels on \
                     axis 1 of {dims:?}, not {weights:?}"
                ),
            ));
        }
        let mut of_channels = Dims::SCALAR;
        if count != 1 {
            of_channels.push(count);
            (2..dims.len()).for_each(|_| of_channels.push(1));
        }
        let weight = self.reshape_to(what, weight, &of_channels)?;
        self.expression(what, [x, weight], |[x, weight]| {
            let zero = lit(0.0);
            let is_above = zero.lt(x);
            Real::select(is_above, x, weight * Real::select(is_above, zero, x))
        })
    }

    /// A u8 mask: 1 where neither a nor b is 0, else 0. The types of a and b need not be the
    /// same; no gradient.
    ///
    /// - PyTorch: `torch.logical_and(a, b)`
    /// - Types: any
    /// - Cases: `pairs(-2, 2)`; `a=M(0, 0, 1, 1), b=M(0, 1, 0, 1)`; `a=I(0, 0, -3, 2), b=I(0, 5, 0, 7)`;
    ///   `a=M(0, 0, 1, 1), b=S(0, 1, -0., nan)`
    pub(crate) fn logical_and(&mut self, a: NodeId, b: NodeId) -> Maybe<NodeId> {
        let (no_a, b) = (self.logical_not(a)?, self.is_set(b)?);
        self.compare_masks("logical_and", Comparison::Lt, no_a, b)
    }

    /// A u8 mask: 1 where a or b or both are not 0, else 0. The types of a and b need not be
    /// the same; no gradient.
    ///
    /// - PyTorch: `torch.logical_or(a, b)`
    /// - Types: any
    /// - Cases: `pairs(-2, 2)`; `a=M(0, 0, 1, 1), b=M(0, 1, 0, 1)`; `a=I(0, 0, -3, 2), b=I(0, 5, 0, 7)`;
    ///   `a=M(0, 0, 1, 1), b=S(0, 1, -0., nan)`
    pub(crate) fn logical_or(&mut self, a: NodeId, b: NodeId) -> Maybe<NodeId> {
        let (no_a, b) = (self.logical_not(a)?, self.is_set(b)?);
        self.compare_masks("logical_or", Comparison::Le, no_a, b)
    }

    /// A u8 mask: 1 where one of a and b is 0 and the other is not, else 0. The types of a
    /// and b need not be the same; no gradient.
    ///
    /// - PyTorch: `torch.logical_xor(a, b)`
    /// - Types: any
    /// - Cases: `pairs(-2, 2)`; `a=M(0, 0, 1, 1), b=M(0, 1, 0, 1)`; `a=I(0, 0, -3, 2), b=I(0, 5, 0, 7)`;
    ///   `a=M(0, 0, 1, 1), b=S(0, 1, -0., nan)`
    pub(crate) fn logical_xor(&mut self, a: NodeId, b: NodeId) -> Maybe<NodeId> {
        let (a, b) = (self.is_set(a)?, self.is_set(b)?);
        self.compare_masks("logical_xor", Comparison::Ne, a, b)
    }

    /// A mask of what is not 0.
    fn is_set(&mut self, x: NodeId) -> Maybe<NodeId> {
        self.compare(Comparison::Ne, x, Operand::Constant(0.0))
    }

    /// Of masks, all of whose functions are comparisons of 0 and 1.
    fn compare_masks(
        &mut self,
        what: &str,
        comparison: Comparison,
        a: NodeId,
        b: NodeId,
    ) -> Maybe<NodeId> {
        self.broadcast(what, a, b)?;
        self.compare(comparison, a, b)
    }

    /// A u8 mask: 1 where |a - b| is at most atol + rtol |b|, or both are the same infinity; else 0.
    /// Two NaN are close with equal_nan. No gradient.
    ///
    /// - PyTorch: `torch.isclose(a, b, rtol, atol, equal_nan)`
    /// - Cases: `pairs(-2, 2), rtol=.5, atol=.25, equal_nan=False`;
    ///   `pairs(-2, 2), rtol=0., atol=0., equal_nan=True`;
    ///   `pairs(-2, 2), rtol=1., atol=inf, equal_nan=False`;
    ///   `a=U(2,1), b=U(3), rtol=1e-5, atol=1., equal_nan=True`
    pub(crate) fn isclose(
        &mut self,
        a: NodeId,
        b: NodeId,
        rtol: f64,
        atol: f64,
        equal_nan: bool,
    ) -> Maybe<NodeId> {
        let what = "isclose";
        // (Refuses NaN, too.)
        if !(rtol >= 0.0 && atol >= 0.0) {
            return Err(self.fail(
                ErrorKind::Argument,
                format_args!("{what}: tolerances must be at least 0, not {rtol} and {atol}"),
            ));
        }
        // By how much it is too far, which is NaN at infinite distances.
        let excess = self.expression(what, [a, b], |[a, b]| {
            let distance = (a - b).abs();
            let is_infinite = distance.eq(lit(f64::INFINITY));
            let distance = Real::select(is_infinite, lit(f64::NAN), distance);
            let allowed = lit(atol) + lit(rtol) * b.abs();
            Real::select(distance.le(allowed), lit(0.0), lit(1.0))
        })?;
        let is_far = self.is_set(excess)?;
        let same = if equal_nan { Comparison::Same } else { Comparison::Eq };
        let is_same = self.compare(same, a, b)?;
        self.compare(Comparison::Le, is_far, is_same)
    }
}
