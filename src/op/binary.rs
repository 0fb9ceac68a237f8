//! Elementwise rules of two operands, written for operands of one shape: broadcasting is the
//! executor's business on the way forward and the reverse walk's on the way back.
//!
//! Values and subgradients at ties are PyTorch's.

use super::Elementwise;
use crate::real::Real;

/// a + b.
pub(crate) enum Add {}
impl Elementwise<2> for Add {
    const NAME: &str = "add";
    const DOMAIN: [(f64, f64); 2] = [(-4.0, 4.0), (-4.0, 4.0)];
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
pub(crate) enum Sub {}
impl Elementwise<2> for Sub {
    const NAME: &str = "sub";
    const DOMAIN: [(f64, f64); 2] = [(-4.0, 4.0), (-4.0, 4.0)];
    #[inline(always)]
    fn eval<R: Real>([a, b]: [R; 2]) -> R {
        a - b
    }
    #[inline(always)]
    fn pull<R: Real>(_: [R; 2], _: R, g: R) -> [R; 2] {
        [g, -g]
    }
}

/// a b.
pub(crate) enum Mul {}
impl Elementwise<2> for Mul {
    const NAME: &str = "mul";
    const DOMAIN: [(f64, f64); 2] = [(-4.0, 4.0), (-4.0, 4.0)];
    #[inline(always)]
    fn eval<R: Real>([a, b]: [R; 2]) -> R {
        a * b
    }
    #[inline(always)]
    fn pull<R: Real>([a, b]: [R; 2], _: R, g: R) -> [R; 2] {
        [g * b, g * a]
    }
}

/// a / b. Derivatives: 1 / b and -y / b.
pub(crate) enum Div {}
impl Elementwise<2> for Div {
    const NAME: &str = "div";
    const DOMAIN: [(f64, f64); 2] = [(-4.0, 4.0), (0.5, 4.0)];
    #[inline(always)]
    fn eval<R: Real>([a, b]: [R; 2]) -> R {
        a / b
    }
    #[inline(always)]
    fn pull<R: Real>([_, b]: [R; 2], y: R, g: R) -> [R; 2] {
        [g / b, -g * (y / b)]
    }
}

/// a^b. Derivatives: b a^(b-1), 0 where b is 0; and y log a, 0 where a is 0 and b is not negative.
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
        let zero = R::lit(0.0);
        let base = R::select(b.eq(zero), zero, g * (b * a.pow(b - R::lit(1.0))));
        let log = y * a.ln();
        let log = R::select(a.eq(zero), R::select(zero.le(b), zero, log), log);
        [base, g * log]
    }
}

/// The larger one; NaN if either is. Derivatives: 1 and 0, at a tie 1/2 each.
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

/// The smaller one; NaN if either is. Derivatives: 1 and 0, at a tie 1/2 each.
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

/// The angle of the point (b, a) in radians. Derivatives: b / (a^2 + b^2) and -a / (a^2 + b^2),
/// 0 at the origin. They are computed from r, the smaller operand by the larger one, because squares
/// would leave the range: 1 / (larger (1 + r^2)), and r times that.
pub(crate) enum Atan2 {}
impl Elementwise<2> for Atan2 {
    const NAME: &str = "atan2";
    const DOMAIN: [(f64, f64); 2] = [(0.2, 4.0), (-4.0, 4.0)];
    #[inline(always)]
    fn eval<R: Real>([a, b]: [R; 2]) -> R {
        a.atan2(b)
    }
    #[inline(always)]
    fn pull<R: Real>([a, b]: [R; 2], _: R, g: R) -> [R; 2] {
        let (zero, steep) = (R::lit(0.0), a.abs().lt(b.abs()));
        let (large, small) = (R::select(steep, b, a), R::select(steep, a, b));
        let ratio = small / large;
        let part = g / (R::lit(1.0) + ratio * ratio);
        // The product before the quotient, which may overflow where the ratio is 0.
        let (to_small, to_large) = (part, ratio * part);
        let to_a = R::select(steep, to_small, to_large) / large;
        let to_b = R::select(steep, to_large, to_small) / large;
        let at_origin = large.eq(zero);
        [R::select(at_origin, zero, to_a), R::select(at_origin, zero, -to_b)]
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
