//! Elementwise rules of two operands, written for operands of one shape: broadcasting is the
//! executor's business on the way forward and the reverse walk's on the way back.
//!
//! Values and subgradients at ties are PyTorch's.

use super::Elementwise;
pub(crate) use super::special::bessel::{BesselRatio, FallingMoment};
pub(crate) use super::special::division::{FloorDivide, Fmod, Remainder};
pub(crate) use super::special::gamma::Zeta;
pub(crate) use super::special::normal::ErfcMoment;
use crate::real::{Real, times_log};

/// a + b.
///
/// - PyTorch: `torch.add(a, b)`
/// - Types: floats, i64
/// - Cases: `a=I([1,2],[3,4]), b=I(5,-6)`
pub(crate) enum Add {}
impl Elementwise<2> for Add {
    const NAME: &str = "add";
    const DOMAIN: [(f64, f64); 2] = [(-4.0, 4.0), (-4.0, 4.0)];
    const IS_FREQUENT: bool = true;
    #[inline(always)]
    fn eval<R: Real>([a, b]: [R; 2]) -> R {
        a + b
    }
    #[inline(always)]
    fn pull<R: Real>(_: [R; 2], _: R, g: R) -> [R; 2] {
        [g, g]
    }
}

/// a - b.
///
/// - PyTorch: `torch.sub(a, b)`
/// - Types: floats, i64
/// - Cases: `a=I([1,2],[3,4]), b=I(5,-6)`
pub(crate) enum Sub {}
impl Elementwise<2> for Sub {
    const NAME: &str = "sub";
    const DOMAIN: [(f64, f64); 2] = [(-4.0, 4.0), (-4.0, 4.0)];
    const IS_FREQUENT: bool = true;
    #[inline(always)]
    fn eval<R: Real>([a, b]: [R; 2]) -> R {
        a - b
    }
    #[inline(always)]
    fn pull<R: Real>(_: [R; 2], _: R, g: R) -> [R; 2] {
        [g, -g]
    }
}

/// a b, element by element.
///
/// - PyTorch: `torch.mul(a, b)`
/// - Types: floats, i64
/// - Cases: `a=I(9223372036854775807,-3), b=I(2,7)`
pub(crate) enum Mul {}
impl Elementwise<2> for Mul {
    const NAME: &str = "mul";
    const DOMAIN: [(f64, f64); 2] = [(-4.0, 4.0), (-4.0, 4.0)];
    const IS_FREQUENT: bool = true;
    #[inline(always)]
    fn eval<R: Real>([a, b]: [R; 2]) -> R {
        a * b
    }
    #[inline(always)]
    fn pull<R: Real>([a, b]: [R; 2], _: R, g: R) -> [R; 2] {
        [g * b, g * a]
    }
}

/// a / b. Gradients: 1 / b and -y / b.
///
/// - PyTorch: `torch.div(a, b)`
pub(crate) enum Div {}
impl Elementwise<2> for Div {
    const NAME: &str = "div";
    const DOMAIN: [(f64, f64); 2] = [(-4.0, 4.0), (0.5, 4.0)];
    const IS_FREQUENT: bool = true;
    #[inline(always)]
    fn eval<R: Real>([a, b]: [R; 2]) -> R {
        a / b
    }
    #[inline(always)]
    fn pull<R: Real>([_, b]: [R; 2], y: R, g: R) -> [R; 2] {
        [g / b, -g * (y / b)]
    }
}

/// b - 1, and the sign by which a^(b - 1) is to be multiplied. From 2^24 (f32) or 2^53 on all b are
/// even, and so are all b - 1 that can be told: there the sign is put right.
#[inline(always)]
fn lower<R: Real>(a: R, b: R) -> (R, R) {
    let (one, less) = (R::lit(1.0), b - R::lit(1.0));
    let lost = R::select(a.lt(R::lit(0.0)), R::lit(-1.0), one);
    (less, R::select((b - less).eq(one), one, lost))
}

/// a^b. Gradients: b a^(b-1), 0 where b is 0; and y log a, 0 where a is 0 and b is not negative.
///
/// - PyTorch: `torch.pow(a, b)`
pub(crate) enum Pow {}
impl Elementwise<2> for Pow {
    const NAME: &str = "pow";
    const DOMAIN: [(f64, f64); 2] = [(0.2, 4.0), (-2.0, 3.0)];
    #[inline(always)]
    fn eval<R: Real>([a, b]: [R; 2]) -> R {
        a.pow(b)
    }
    #[inline(always)]
    fn pull<R: Real>([a, b]: [R; 2], y: R, g: R) -> [R; 2] {
        let (zero, (less, sign)) = (R::lit(0.0), lower(a, b));
        let base = R::select(b.eq(zero), zero, g * (b * (a.pow(less) * sign)));
        [base, g * times_log(y, a, b, 1)]
    }
    fn recorded<R: Real>([a, b]: [R; 2], _: R, g: R) -> [R; 2] {
        let (less, sign) = lower(a, b);
        [g * b.strong(a.pow_log(less, 0) * sign), g * a.pow_log(b, 1)]
    }
}

/// The larger one; NaN if either is. Gradients: 1 and 0, at a tie 1/2 each.
///
/// - PyTorch: `torch.maximum(a, b)`
/// - Types: floats, i64
/// - Cases: `a=I(1,-2,3), b=I(2,-7,3)`
pub(crate) enum Maximum {}
impl Elementwise<2> for Maximum {
    const NAME: &str = "maximum";
    const DOMAIN: [(f64, f64); 2] = [(-4.0, 0.0), (0.1, 4.0)];
    #[inline(always)]
    fn eval<R: Real>([a, b]: [R; 2]) -> R {
        R::select(b.eq(b), R::select(a.lt(b), b, a), b)
    }
    #[inline(always)]
    fn pull<R: Real>([a, b]: [R; 2], _: R, g: R) -> [R; 2] {
        let (zero, half) = (R::lit(0.0), R::lit(0.5) * g);
        [
            R::select(a.eq(b), half, R::select(a.lt(b), zero, g)),
            R::select(a.eq(b), half, R::select(b.lt(a), zero, g)),
        ]
    }
}

/// The smaller one; NaN if either is. Gradients: 1 and 0, at a tie 1/2 each.
///
/// - PyTorch: `torch.minimum(a, b)`
/// - Types: floats, i64
/// - Cases: `a=I(1,-2,3), b=I(2,-7,3)`
pub(crate) enum Minimum {}
impl Elementwise<2> for Minimum {
    const NAME: &str = "minimum";
    const DOMAIN: [(f64, f64); 2] = [(-4.0, 0.0), (0.1, 4.0)];
    #[inline(always)]
    fn eval<R: Real>([a, b]: [R; 2]) -> R {
        R::select(b.eq(b), R::select(b.lt(a), b, a), b)
    }
    #[inline(always)]
    fn pull<R: Real>([a, b]: [R; 2], _: R, g: R) -> [R; 2] {
        let (zero, half) = (R::lit(0.0), R::lit(0.5) * g);
        [
            R::select(a.eq(b), half, R::select(b.lt(a), zero, g)),
            R::select(a.eq(b), half, R::select(a.lt(b), zero, g)),
        ]
    }
}

/// The angle of the point (b, a) in radians. Gradients: b / (a^2 + b^2) and -a / (a^2 + b^2), 0 at
/// the origin and at infinity. They are computed from r, the smaller operand by the larger one,
/// because squares would leave the range: 1 / (larger (1 + r^2)), and r times that.
///
/// - PyTorch: `torch.atan2(a, b)`
pub(crate) enum Atan2 {}
impl Atan2 {
    #[inline(always)]
    fn slopes<R: Real>([a, b]: [R; 2], g: R) -> [R; 2] {
        let steep = a.abs().lt(b.abs());
        let (large, small) = (R::select(steep, b, a), R::select(steep, a, b));
        // Both infinite: any finite ratio will do.
        let infinite = small.abs().eq(R::lit(f64::INFINITY));
        let ratio = R::select(infinite, R::lit(1.0), small / large);
        let part = g / (R::lit(1.0) + ratio * ratio);
        // The product before the quotient, which may overflow where the ratio is 0.
        let (to_small, to_large) = (part, ratio * part);
        let to_a = R::select(steep, to_small, to_large) / large;
        let to_b = R::select(steep, to_large, to_small) / large;
        [to_a, -to_b]
    }
}
impl Elementwise<2> for Atan2 {
    const NAME: &str = "atan2";
    const DOMAIN: [(f64, f64); 2] = [(0.2, 4.0), (-4.0, 4.0)];
    #[inline(always)]
    fn eval<R: Real>([a, b]: [R; 2]) -> R {
        a.atan2(b)
    }
    #[inline(always)]
    fn pull<R: Real>([a, b]: [R; 2], _: R, g: R) -> [R; 2] {
        let zero = R::lit(0.0);
        let at_origin = (a.abs() + b.abs()).eq(zero);
        Self::slopes([a, b], g).map(|slope| R::select(at_origin, zero, slope))
    }
    /// Where a derivative is 0 by decision, so are those of it: they are taken of another point, and
    /// not used.
    fn recorded<R: Real>([a, b]: [R; 2], _: R, g: R) -> [R; 2] {
        let (zero, one) = (R::lit(0.0), R::lit(1.0));
        let at_origin = (a.abs() + b.abs()).eq(zero);
        let smaller = R::select(a.abs().lt(b.abs()), a, b).abs();
        let at_infinity = smaller.eq(R::lit(f64::INFINITY));
        let elsewhere = |x| R::select(at_origin, one, R::select(at_infinity, one, x));
        let slopes = Self::slopes([elsewhere(a), elsewhere(b)], g);
        slopes.map(|x| R::select(at_origin, zero, R::select(at_infinity, zero, x)))
    }
}

/// What has the factor x, of which 0 makes 0 unless y is NaN, whatever the product is.
#[inline(always)]
fn unless_0<R: Real>(x: R, y: R, product: R) -> R {
    let zero = R::lit(0.0);
    R::select(x.eq(zero), R::select(y.eq(y), zero, y), product)
}

/// As [`Core::xlogy`](crate::graph::Core::xlogy).
pub(crate) enum Xlogy {}
impl Elementwise<2> for Xlogy {
    const NAME: &str = "xlogy";
    const DOMAIN: [(f64, f64); 2] = [(-4.0, 4.0), (0.2, 4.0)];
    const IS_RARE: bool = true;
    #[inline(always)]
    fn eval<R: Real>([a, b]: [R; 2]) -> R {
        unless_0(a, b, a * b.ln())
    }
    #[inline(always)]
    fn pull<R: Real>([a, b]: [R; 2], _: R, g: R) -> [R; 2] {
        let zero = R::lit(0.0);
        let is_flat = R::select(a.eq(zero), R::select(b.le(zero), zero, g), g);
        [unless_0(is_flat, b, is_flat * b.ln()), g * a / b]
    }
}

/// As [`Core::xlog1py`](crate::graph::Core::xlog1py).
pub(crate) enum Xlog1py {}
impl Elementwise<2> for Xlog1py {
    const NAME: &str = "xlog1py";
    const DOMAIN: [(f64, f64); 2] = [(-4.0, 4.0), (-0.8, 4.0)];
    const IS_RARE: bool = true;
    #[inline(always)]
    fn eval<R: Real>([a, b]: [R; 2]) -> R {
        unless_0(a, b, a * b.log1p())
    }
    #[inline(always)]
    fn pull<R: Real>([a, b]: [R; 2], _: R, g: R) -> [R; 2] {
        let (zero, one) = (R::lit(0.0), R::lit(1.0));
        let is_flat = R::select(a.eq(zero), R::select(b.le(-one), zero, g), g);
        [unless_0(is_flat, b, is_flat * b.log1p()), g * a / (b + one)]
    }
}

/// a, but at least b: clamping below by a scalar. Derivative: 0 at the bound and for NaN.
pub(crate) enum AtLeast {}
impl Elementwise<2> for AtLeast {
    const NAME: &str = "clamp";
    const DOMAIN: [(f64, f64); 2] = [(-4.0, 0.0), (0.1, 4.0)];
    #[inline(always)]
    fn eval<R: Real>([a, b]: [R; 2]) -> R {
        R::select(a.lt(b), b, a)
    }
    #[inline(always)]
    fn pull<R: Real>([a, b]: [R; 2], _: R, g: R) -> [R; 2] {
        let zero = R::lit(0.0);
        [R::select(b.lt(a), g, zero), R::select(a.lt(b), g, zero)]
    }
}

/// a, but at most b: clamping above by a scalar. Derivative: 0 at the bound and for NaN.
pub(crate) enum AtMost {}
impl Elementwise<2> for AtMost {
    const NAME: &str = "clamp";
    const DOMAIN: [(f64, f64); 2] = [(-4.0, 0.0), (0.1, 4.0)];
    #[inline(always)]
    fn eval<R: Real>([a, b]: [R; 2]) -> R {
        R::select(b.lt(a), b, a)
    }
    #[inline(always)]
    fn pull<R: Real>([a, b]: [R; 2], _: R, g: R) -> [R; 2] {
        let zero = R::lit(0.0);
        [R::select(a.lt(b), g, zero), R::select(b.lt(a), g, zero)]
    }
}

/// a / b, and 0 where b is 0: what an element a has to do with the slope of its norm b, whose
/// subgradient at 0 is 0. Derivatives: 1 / b and -y / b.
pub(crate) enum NormShare {}
impl Elementwise<2> for NormShare {
    const NAME: &str = "norm";
    const DOMAIN: [(f64, f64); 2] = [(-4.0, 4.0), (0.5, 4.0)];
    #[inline(always)]
    fn eval<R: Real>([a, b]: [R; 2]) -> R {
        let zero = R::lit(0.0);
        R::select(b.eq(zero), zero, a / b)
    }
    #[inline(always)]
    fn pull<R: Real>([_, b]: [R; 2], y: R, g: R) -> [R; 2] {
        let zero = R::lit(0.0);
        let share = R::select(b.eq(zero), zero, g / b);
        [share, -(y * share)]
    }
}

/// a b, and 0 where the weight b is 0, whatever a is: what does not count may be infinite, or NaN.
pub(crate) enum Weigh {}
impl Elementwise<2> for Weigh {
    const NAME: &str = "mul";
    const DOMAIN: [(f64, f64); 2] = [(-4.0, 4.0), (0.1, 4.0)];
    #[inline(always)]
    fn eval<R: Real>([a, b]: [R; 2]) -> R {
        let zero = R::lit(0.0);
        R::select(b.eq(zero), zero, a * b)
    }
    #[inline(always)]
    fn pull<R: Real>([a, b]: [R; 2], _: R, g: R) -> [R; 2] {
        let zero = R::lit(0.0);
        [R::select(b.eq(zero), zero, g * b), g * a]
    }
}

/// a^(1/b) with the subgradient 0 at 0: the last step of the p-norm, a = sum |x|^p, b = p.
pub(crate) enum NormRoot {}
impl Elementwise<2> for NormRoot {
    const NAME: &str = "norm";
    const DOMAIN: [(f64, f64); 2] = [(0.2, 4.0), (1.0, 4.0)];
    const IS_RARE: bool = true;
    const IS_WIDE: bool = true;
    #[inline(always)]
    fn eval<R: Real>([a, b]: [R; 2]) -> R {
        a.pow(R::lit(1.0) / b)
    }
    #[inline(always)]
    fn pull<R: Real>([a, b]: [R; 2], y: R, g: R) -> [R; 2] {
        // At 0 both are 0, as y is.
        let safe = R::select(y.eq(R::lit(0.0)), R::lit(1.0), a);
        [g * (y / (safe * b)), -(g * (y * safe.ln() / (b * b)))]
    }
}

// ---- what rules are recorded with ----

/// a b, and 0 where a or b is, even if the other is infinite or NaN.
pub(crate) enum Strong {}
impl Elementwise<2> for Strong {
    const NAME: &str = "mul";
    const DOMAIN: [(f64, f64); 2] = [(-4.0, 4.0), (-4.0, 4.0)];
    #[inline(always)]
    fn eval<R: Real>([a, b]: [R; 2]) -> R {
        a.strong(b)
    }
    #[inline(always)]
    fn pull<R: Real>([a, b]: [R; 2], _: R, g: R) -> [R; 2] {
        [g.strong(b), g.strong(a)]
    }
}

/// a^b log(a)^K: all that the derivatives of a power are made of, of any order (up to K = 2; further
/// logarithms are factors). They are b a^(b-1) log(a)^K + K a^(b-1) log(a)^(K-1), and the same with
/// K + 1; a cotangent of 0 stays 0 where they are infinite, since it means that another factor won.
pub(crate) enum PowLog<const K: usize> {}
pub(crate) type PowLog0 = PowLog<0>;
pub(crate) type PowLog1 = PowLog<1>;
pub(crate) type PowLog2 = PowLog<2>;
impl<const K: usize> Elementwise<2> for PowLog<K> {
    const NAME: &str = "pow";
    const DOMAIN: [(f64, f64); 2] = [(0.2, 4.0), (-2.0, 3.0)];
    const IS_RARE: bool = true;
    const IS_WIDE: bool = true;
    #[inline(always)]
    fn eval<R: Real>([a, b]: [R; 2]) -> R {
        a.pow_log(b, K)
    }
    #[inline(always)]
    fn pull<R: Real>([a, b]: [R; 2], _: R, g: R) -> [R; 2] {
        let (zero, (less, sign)) = (R::lit(0.0), lower(a, b));
        let base = if K == 0 {
            b.strong(a.pow_log(less, 0) * sign)
        } else {
            let many = b.strong(a.pow_log(less, K));
            let fewer = R::lit(K as f64) * a.pow_log(less, K - 1);
            // At 0 both may be infinite, of different signs; the first one is so sooner.
            let alone = R::select(less.lt(zero), R::select(b.eq(zero), fewer, many), many + fewer);
            R::select(a.eq(zero), alone, many + fewer)
        };
        [g.strong(base), g.strong(a.pow_log(b, K + 1))]
    }
}
