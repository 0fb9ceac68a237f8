//! Logarithms.

use super::exponential::{LN_2_REST, LN_2_TOP, power_of_two};
use super::pair::product;
use crate::lane::Lane64;
use crate::math::{at_most, ln_ends, polynomial, sum_by_size};

/// (ln((1 + s) / (1 - s)) - 2 s) / s^3 as a polynomial in s^2, for |s| <= 0.1716; error 2^-58.45
/// of the logarithm (msun e_log.c, Lg1 to Lg7).
const LN: [f64; 7] = [
    0.6666666666666735,
    0.3999999999940942,
    0.2857142874366239,
    0.22222198432149784,
    0.1818357216161805,
    0.15313837699209373,
    0.14798198605116586,
];

/// x as 2^k m with m from sqrt(1/2) to sqrt(2), for positive normal x; `k_of_1` is 1023, or more by
/// what x was scaled by.
#[inline(always)]
fn split<L: Lane64>(x: L, k_of_1: L) -> (L, L) {
    /// The high word of sqrt(1/2).
    const LEAST: u64 = 0x3fe6_a09e << 32;
    const ONE: u64 = 0x3ff0_0000 << 32;
    /// The bits of 2^52: an integer below 2^52 put over them is a float 2^52 larger.
    const TWO_52: u64 = 0x4330_0000 << 32;
    let moved = x.plus(L::pattern(ONE - LEAST));
    let k = moved.shr::<52>().or(L::pattern(TWO_52)) - (k_of_1 + L::lit(L::INTEGERS));
    let m = moved.and(L::pattern((1 << 52) - 1)).plus(L::pattern(LEAST));
    (k, m)
}

/// [`split`] for any positive finite x.
#[inline(always)]
fn split_any<L: Lane64>(x: L) -> (L, L) {
    let subnormal = x.lt(L::lit(f64::MIN_POSITIVE));
    let scaled = L::select(subnormal, x * L::lit(L::INTEGERS), x);
    split(scaled, L::select(subnormal, L::lit(1023.0 + 52.0), L::lit(1023.0)))
}

/// k ln 2 + ln(1 + f) + rest, for f from sqrt(1/2) - 1 to sqrt(2) - 1 and a small rest (msun).
#[inline(always)]
fn ln_sum<L: Lane64>(k: L, f: L, rest: L) -> L {
    let half_square = L::lit(0.5) * f * f;
    let s = f / (L::lit(2.0) + f);
    let z = s * s;
    let tail = k.mul_add(L::lit(LN_2_REST), rest);
    let small = s.mul_add(half_square + z * polynomial(z, LN), tail) - half_square + f;
    k.mul_add(L::lit(LN_2_TOP), small)
}

/// msun e_log.c: x = 2^k (1 + f), ln(1 + f) through s = f / (2 + f). Measured: 0.76 ULP.
#[inline(always)]
pub(crate) fn ln<L: Lane64>(x: L) -> L {
    let (k, m) = split_any(x);
    ln_ends(x, 0.0, ln_sum(k, m - L::lit(1.0), L::lit(0.0)))
}

/// msun s_log1p.c: the logarithm of u = 1 + x, plus what u lost by rounding, over u.
/// Measured: 0.74 ULP.
#[inline(always)]
pub(crate) fn log1p<L: Lane64>(x: L) -> L {
    let one = L::lit(1.0);
    let u = one + x;
    let (k, m) = split(u, L::lit(1023.0));
    let f = m - one;
    let lost = L::select(x.lt(one), x - (u - one), one - (u - x));
    // 1 / (1 + f) to 4 percent is enough for a term this small, which from 2^53 on is none.
    let inverse = f.mul_add(f.mul_add(L::lit(0.8), -one), one);
    let rest = lost * power_of_two(-at_most(k, 1000.0)) * inverse;
    // For x from sqrt(1/2) - 1 to sqrt(2) - 1 nothing needs reducing, so nothing need be lost.
    let near = (x - L::lit(0.0606)).abs().lt(L::lit(0.3535));
    let zero = L::lit(0.0);
    let y = ln_sum(L::select(near, zero, k), L::select(near, x, f), L::select(near, zero, rest));
    // Tiny numbers: keeps the sign of -0.
    let y = L::select(x.abs().lt(L::lit(f64::EPSILON / 4.0)), x, y);
    ln_ends(x, -1.0, y)
}

/// (ln((1 + q) / (1 - q)) / q - 2 - 2/3 q^2) / q^4 in q^2, for |q| <= 0.1716; error 2^-65.6 of the
/// logarithm over q.
const LN_PAIR: [f64; 9] = [
    0.4,
    0.28571428571428376,
    0.22222222222290822,
    0.18181818169214845,
    0.15384616756668712,
    0.13333240247961842,
    0.11768679843640065,
    0.10422797926782121,
    0.11014095547672292,
];

/// What 2/3 loses in f64.
const TWO_THIRDS_REST: f64 = 3.700743415417188e-17;

/// ln x as a pair, to about 2^-65, for positive finite x: x = 2^k m, q = (m - 1) / (m + 1),
/// ln m = 2 q + q^3 (2/3 + ...), in pairs as far as that needs (the method of SLEEF's xpow).
#[inline(always)]
pub(crate) fn ln_pair<L: Lane64>(x: L) -> (L, L) {
    let (k, m) = split_any(x);
    let n = m - L::lit(1.0);
    let (d, d_rest) = sum_by_size(L::lit(1.0), m);
    let inverse = L::lit(1.0) / d;
    let q = n * inverse;
    let q = (q, (n.minus_product(q, d) - q * d_rest) * inverse);

    let z = product(q, q);
    let two_thirds = L::lit(2.0 / 3.0);
    let (c, c_rest) = sum_by_size(two_thirds, z.0 * polynomial(z.0, LN_PAIR));
    let cubic = product(product(q, z), (c, c_rest + L::lit(TWO_THIRDS_REST)));

    // 0 (k = 0) or the larger one, and exact.
    let (y, lost) = sum_by_size(k * L::lit(LN_2_TOP), q.0 + q.0);
    let (y, lost_cubic) = sum_by_size(y, cubic.0);
    let rest = k.mul_add(L::lit(LN_2_REST), q.1 + q.1) + cubic.1;
    sum_by_size(y, (lost + lost_cubic) + rest)
}
