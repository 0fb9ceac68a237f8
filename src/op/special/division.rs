//! Rests of divisions, and rounded quotients: exact for all numbers.

use crate::function::Function2;
use crate::lane::Lane64;
use crate::math::with_sign;
use crate::real::Real;

/// Up to here a quotient is found, and taken away, in one step: it has so few bits that its products
/// with both halves of a divisor are exact, with FMA or without.
const FEW: f64 = 67108864.0; // 2^26
/// Between these no product leaves the range, nor do the bits that it loses.
const LEAST: f64 = 1e-280;
const MOST: f64 = 1e300;

/// Whether a division needs more steps than one: rare, and left to a loop, as is what has no rest.
#[inline(always)]
fn is_long(a: f64, b: f64) -> bool {
    let (size, by) = (a.abs(), b.abs());
    // (NaN is nowhere. Nothing here stops at the first answer: it is asked of many at a time.)
    let is_short = (size < MOST) & (by > LEAST) & (size < FEW * by);
    !(is_short | (size < by))
}

/// What the division of a by b towards 0 leaves, exactly, unless [`is_long`]. The quotient, rounded,
/// may be off by one: then so is the rest by one b.
#[inline(always)]
fn rest<L: Lane64>(a: L, b: L) -> L {
    let zero = L::lit(0.0);
    let (size, by) = (a.abs(), b.abs());
    let quotient = (size / by).floor();
    let product = quotient * by;
    let left = (size - product) - quotient.product_error(by, product);
    let left = L::select(left.lt(zero), left + by, left);
    let left = with_sign(L::select(by.le(left), left - by, left), a);
    // What is a rest already, also of an infinite b.
    L::select(size.lt(by), a, left)
}

/// A rest brought to the divisor's side: that of the quotient towards -infinity.
#[inline(always)]
fn brought<R: Real>(rest: R, b: R) -> R {
    let zero = R::lit(0.0);
    let relative = R::select(b.lt(zero), -rest, rest);
    R::select(relative.lt(zero), rest + b, rest)
}

/// The quotient that leaves y: of the numbers as they are, not of a rounded a / b.
#[inline(always)]
fn whole<R: Real>([a, b]: [R; 2], y: R) -> R {
    // (Near the largest number the difference of two may be beyond it.)
    let half = R::select(R::lit(MOST).lt(a.abs()), R::lit(0.5), R::lit(1.0));
    ((a * half - y * half) / (b * half)).round()
}

/// The quotient that leaves y, towards -infinity.
#[inline(always)]
fn floored<R: Real>([a, b]: [R; 2], y: R) -> R {
    let (zero, one) = (R::lit(0.0), R::lit(1.0));
    // Over 0 there is no rest, but a quotient; of an infinite a there is neither. An infinite rest is an
    // infinite b, taken once too often.
    let none = R::select(b.eq(zero), a / b, y);
    let quotient = R::select(y.eq(y), whole([a, b], y), none);
    R::select(y.abs().eq(R::lit(f64::INFINITY)), -one, quotient)
}

/// The same with the sign of a / b where it is 0.
#[inline(always)]
fn floored_with_sign<R: Real>(a: R, b: R, rest: R) -> R {
    let (zero, quotient) = (R::lit(0.0), floored([a, b], brought(rest, b)));
    R::select(quotient.eq(zero), a / b * zero, quotient)
}

/// As [`Core::fmod`](crate::graph::Core::fmod). Gradients: 1 and -trunc(a / b), of the exact quotient.
pub(crate) enum Fmod {}
impl Function2 for Fmod {
    const NAME: &str = "fmod";
    const DOMAIN: [(f64, f64); 2] = [(2.1, 2.4), (0.9, 1.0)];
    const IS_REPAIRED: bool = true;
    #[inline(always)]
    fn is_rare(a: f64, b: f64) -> bool {
        is_long(a, b)
    }
    #[inline(always)]
    fn lanes<L: Lane64>(a: L, b: L) -> L {
        rest(a, b)
    }
    fn reference(a: f64, b: f64) -> f64 {
        libm::fmod(a, b)
    }
    #[inline(always)]
    fn pull<R: Real>([a, b]: [R; 2], y: R, g: R) -> [R; 2] {
        // (Beside an infinite a, or over 0, there is no rest, but a quotient.)
        let quotient = R::select(y.eq(y), whole([a, b], y), a / b);
        [g, -(g * quotient)]
    }
}

/// As [`Core::remainder`](crate::graph::Core::remainder). Gradients: 1 and -floor(a / b).
pub(crate) enum Remainder {}
impl Function2 for Remainder {
    const NAME: &str = "remainder";
    const DOMAIN: [(f64, f64); 2] = [(2.1, 2.4), (0.9, 1.0)];
    const IS_REPAIRED: bool = true;
    #[inline(always)]
    fn is_rare(a: f64, b: f64) -> bool {
        is_long(a, b)
    }
    #[inline(always)]
    fn lanes<L: Lane64>(a: L, b: L) -> L {
        brought(rest(a, b), b)
    }
    fn reference(a: f64, b: f64) -> f64 {
        brought(libm::fmod(a, b), b)
    }
    #[inline(always)]
    fn pull<R: Real>([a, b]: [R; 2], y: R, g: R) -> [R; 2] {
        [g, -(g * floored([a, b], y))]
    }
}

/// As [`Core::floor_divide`](crate::graph::Core::floor_divide). Gradients: 0.
pub(crate) enum FloorDivide {}
impl Function2 for FloorDivide {
    const NAME: &str = "floor_divide";
    const DOMAIN: [(f64, f64); 2] = [(2.1, 2.4), (0.9, 1.0)];
    const IS_REPAIRED: bool = true;
    #[inline(always)]
    fn is_rare(a: f64, b: f64) -> bool {
        is_long(a, b)
    }
    #[inline(always)]
    fn lanes<L: Lane64>(a: L, b: L) -> L {
        floored_with_sign(a, b, rest(a, b))
    }
    fn reference(a: f64, b: f64) -> f64 {
        floored_with_sign(a, b, libm::fmod(a, b))
    }
    #[inline(always)]
    fn pull<R: Real>(_: [R; 2], _: R, _: R) -> [R; 2] {
        [R::lit(0.0); 2]
    }
}
