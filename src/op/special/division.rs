//! Rests of divisions, and rounded quotients: exact for all numbers.

use crate::function::Function2;
use crate::lane::Lane64;
use crate::math::{floor, with_sign};
use crate::real::Real;

/// Up to here a quotient is found, and taken away, in one step: it has so few bits that its products
/// with both halves of a divisor are exact, with FMA or without.
const FEW: f64 = 67108864.0; // 2^26

/// What the division of a by b towards 0 leaves, exactly. The quotient, rounded, may be off by one:
/// then so is the rest by one b. Larger quotients, and numbers near the ends of the range, are rare,
/// and left to a loop.
#[inline(always)]
fn rest<L: Lane64>(a: L, b: L) -> L {
    /// Between these no product leaves the range, nor do the bits that it loses.
    const LEAST: f64 = 1e-280;
    const MOST: f64 = 1e300;
    let (zero, one) = (L::lit(0.0), L::lit(1.0));
    let (size, by) = (a.abs(), b.abs());
    let quotient = floor(size / by);
    let product = quotient * by;
    let left = (size - product) - quotient.product_error(by, product);
    let left = L::select(left.lt(zero), left + by, left);
    let left = with_sign(L::select(by.le(left), left - by, left), a);
    // (NaN is nowhere, and so it is with the rare ones.)
    let common = L::select(quotient.lt(L::lit(FEW)), one, zero);
    let common = L::select(size.lt(L::lit(MOST)), common, zero);
    let common = L::select(L::lit(LEAST).lt(by), common, zero);
    let left = left.or_where(common.eq(zero), [a, b], libm::fmod);
    // What is a rest already, also of an infinite b.
    L::select(size.lt(by), a, left)
}

/// Whether a rest that is not 0 has the other sign than the divisor: 1 or 0.
#[inline(always)]
fn across<R: Real>(rest: R, b: R) -> R {
    let (zero, one) = (R::lit(0.0), R::lit(1.0));
    let relative = R::select(b.lt(zero), -rest, rest);
    R::select(relative.lt(zero), one, zero)
}

/// The quotient towards -infinity from the rest of the one towards 0; plainly a / b where b is 0. (A
/// large one is an integer anyway, and has its sign where it is 0.)
#[inline(always)]
fn floored<R: Real>(a: R, b: R, rest: R) -> R {
    let (zero, plain) = (R::lit(0.0), a / b);
    let whole = ((a - rest) / b - across(rest, b)).round();
    // As PyTorch: 0 has the sign of the quotient.
    let signed_zero = plain * zero;
    let whole = R::select(whole.eq(zero), signed_zero, whole);
    R::select(b.eq(zero), plain, whole)
}

/// As [`Core::fmod`](crate::graph::Core::fmod). Gradients: 1 and -trunc(a / b), of the exact quotient.
pub(crate) enum Fmod {}
impl Function2 for Fmod {
    const NAME: &str = "fmod";
    const DOMAIN: [(f64, f64); 2] = [(2.1, 2.4), (0.9, 1.0)];
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
        let quotient = R::select(y.eq(y), ((a - y) / b).round(), a / b);
        [g, -(g * quotient)]
    }
}

/// As [`Core::remainder`](crate::graph::Core::remainder). Gradients: 1 and -floor(a / b).
pub(crate) enum Remainder {}
impl Function2 for Remainder {
    const NAME: &str = "remainder";
    const DOMAIN: [(f64, f64); 2] = [(2.1, 2.4), (0.9, 1.0)];
    #[inline(always)]
    fn lanes<L: Lane64>(a: L, b: L) -> L {
        let rest = rest(a, b);
        L::select(across(rest, b).eq(L::lit(0.0)), rest, rest + b)
    }
    fn reference(a: f64, b: f64) -> f64 {
        let rest = libm::fmod(a, b);
        if across(rest, b) == 0.0 { rest } else { rest + b }
    }
    #[inline(always)]
    fn pull<R: Real>([a, b]: [R; 2], _: R, g: R) -> [R; 2] {
        [g, -(g * a.apply2::<FloorDivide>(b))]
    }
}

/// As [`Core::floor_divide`](crate::graph::Core::floor_divide). Gradients: 0.
pub(crate) enum FloorDivide {}
impl Function2 for FloorDivide {
    const NAME: &str = "floor_divide";
    const DOMAIN: [(f64, f64); 2] = [(2.1, 2.4), (0.9, 1.0)];
    #[inline(always)]
    fn lanes<L: Lane64>(a: L, b: L) -> L {
        floored(a, b, rest(a, b))
    }
    fn reference(a: f64, b: f64) -> f64 {
        floored(a, b, libm::fmod(a, b))
    }
    #[inline(always)]
    fn pull<R: Real>(_: [R; 2], _: R, _: R) -> [R; 2] {
        [R::lit(0.0); 2]
    }
}
