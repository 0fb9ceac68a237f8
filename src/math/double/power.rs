//! Powers of any base.

use super::exponential::{exponential, scale};
use super::logarithm::ln_pair;
use crate::lane::Lane64;
use crate::math::{at_least, at_most};

/// The exponent y, finite: beyond these bounds it is as good as infinite, and infinity * ln 1 would
/// be NaN.
#[inline(always)]
fn pow_exponent<L: Lane64>(y: L) -> L {
    at_most(at_least(y, -1e300), 1e300)
}

/// x^y as C99 has it, given |x|^y as e^(y ln |x|) with y from [`pow_exponent`], ln 0 = -infinity
/// and ln infinity = infinity.
#[inline(always)]
fn pow_ends<L: Lane64>(x: L, y: L, power: L) -> L {
    let (zero, one) = (L::lit(0.0), L::lit(1.0));
    // An odd y leaves a half; from 2^53 on all are even.
    let whole = y.eq(y.nearest());
    let half = y * L::lit(0.5);
    let sign = L::select(half.eq(half.nearest()), zero, x.and(L::sign_bit()));
    let signed = power.or(L::select(whole, sign, zero));
    // Negative and finite: NaN unless y is whole.
    let broken = L::select(L::lit(f64::NEG_INFINITY).lt(x), L::lit(f64::NAN), signed);
    let broken = L::select(x.lt(zero), broken, signed);
    let power = L::select(whole, signed, broken);
    // 1^y and x^0 are 1 even for NaN.
    let power = L::select(x.eq(one), one, power);
    L::select(y.eq(zero), one, power)
}

/// e^(y ln x) with the logarithm and the product as pairs. Measured: 0.80 ULP.
#[inline(always)]
pub(crate) fn pow<L: Lane64>(x: L, y: L) -> L {
    let (magnitude, y) = (x.abs(), pow_exponent(y));
    let (ln, ln_rest) = ln_pair(magnitude);
    let ln = L::select(magnitude.eq(L::lit(0.0)), L::lit(f64::NEG_INFINITY), ln);
    let ln = L::select(magnitude.lt(L::lit(f64::INFINITY)), ln, magnitude);
    let exponent = y * ln;
    let rest = y.product_error(ln, exponent) + y * ln_rest;
    // Far out the result is 0 or infinite, and `rest` may be infinite or NaN.
    let rest = L::select(exponent.abs().lt(L::lit(800.0)), rest, L::lit(0.0));
    let e = exponential((at_most(at_least(exponent, -800.0), 800.0), rest));
    pow_ends(x, y, scale(L::lit(1.0) + (e.r + e.s), e.biased))
}
