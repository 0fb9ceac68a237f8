//! The elementary functions, written once over lanes.
//!
//! [`double`] computes on f64 and [`single`] on f32 (partly through f64, where that is the cheaper
//! way to the last bit). No function branches: where methods differ by range, all are computed and
//! `select` picks, so a function is the same on one number as on sixteen.
//!
//! Promise, over the whole domain and at every level: 2 ULP, and 4 ULP for `pow`, `tan`, `erf` and
//! `normal_cdf`, subnormal arguments and results included; the IEEE 754 / C99 results at NaN,
//! infinities and signed zeros. Two limits:
//!
//! - `sin`, `cos` and `tan` keep it up to the lanes' [`TRIG_LIMIT`](crate::real::Real::TRIG_LIMIT);
//!   the kernel has larger arguments computed by lanes that reach further, or by the reference.
//! - x * normal_cdf(x) keeps 4 ULP except where normal_cdf(x) is subnormal, x < -12.9 in f32 and
//!   x < -37.5 in f64: there x multiplies the rounding of that.
//!
//! The promise stands without FMA: reductions use constants with trailing zeros, whose products
//! are exact either way. With FMA it is only faster. Beside each function stand its method, the
//! source of its coefficients and the largest error measured (on the sample of `tests` or a larger
//! one). "msun" is FreeBSD's mathematical library, lib/msun; coefficients with no source named are
//! printed by `tests/golden/minimax.py`.

pub(crate) mod double;
mod real;
pub(crate) mod single;
#[cfg(test)]
mod tests;

use crate::lane::Bits;

/// The largest |x| for which f32 `sin`, `cos` and `tan` can be reduced in f32, given FMA: 2^17.
pub(crate) const NEAR_LIMIT_F32: f64 = 131072.0;
/// The same, reduced in f64: 2^27.
pub(crate) const TRIG_LIMIT_F32: f64 = 134217728.0;
/// The largest |x| for which f64 `sin`, `cos` and `tan` hold the promise, a little below
/// 2^20 pi / 2.
pub(crate) const TRIG_LIMIT_F64: f64 = 1.6e6;

/// `magnitude` (of sign +) with the sign of `x`.
#[inline(always)]
pub(crate) fn with_sign<L: Bits>(magnitude: L, x: L) -> L {
    magnitude.or(x.and(L::sign_bit()))
}

/// `x` if it is not below `least`, else `least`. NaN stays.
#[inline(always)]
pub(crate) fn at_least<L: Bits>(x: L, least: f64) -> L {
    x.not_below(L::lit(least))
}

/// `x` if it is not above `most`, else `most`. NaN stays.
#[inline(always)]
pub(crate) fn at_most<L: Bits>(x: L, most: f64) -> L {
    x.not_above(L::lit(most))
}

/// The polynomial with the given coefficients, constant term first, by Horner's rule.
#[inline(always)]
pub(crate) fn polynomial<L: Bits, const N: usize>(x: L, coefficients: [f64; N]) -> L {
    let mut sum = L::lit(coefficients[N - 1]);
    let mut i = N - 1;
    // Not an iterator: it must be unrolled before the loop around it is vectorised.
    while i > 0 {
        i -= 1;
        sum = sum.mul_add(x, L::lit(coefficients[i]));
    }
    sum
}

/// a + b as the rounded sum and what it lost, exactly, for |a| >= |b| or a = 0 (Dekker).
#[inline(always)]
pub(crate) fn sum_by_size<L: Bits>(a: L, b: L) -> (L, L) {
    let sum = a + b;
    (sum, (a - sum) + b)
}

/// a + b as the rounded sum and what it lost, exactly (Knuth).
#[inline(always)]
pub(crate) fn sum<L: Bits>(a: L, b: L) -> (L, L) {
    let sum = a + b;
    let b_part = sum - a;
    (sum, (a - (sum - b_part)) + (b - b_part))
}

/// The logarithm's value at the ends: -infinity at `zero`, NaN below, x itself at infinity and NaN.
#[inline(always)]
pub(crate) fn ln_ends<L: Bits>(x: L, zero: f64, y: L) -> L {
    let y = L::select(x.lt(L::lit(f64::INFINITY)), y, x);
    let y = L::select(x.eq(L::lit(zero)), L::lit(f64::NEG_INFINITY), y);
    L::select(x.lt(L::lit(zero)), L::lit(f64::NAN), y)
}
