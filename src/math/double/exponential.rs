//! Powers of e, and what is made of one: the sigmoid and the functions that it gates.

use super::pair::quotient;
use crate::lane::Lane64;
use crate::math::{at_least, at_most, polynomial, sum, sum_by_size, with_sign};
use crate::real::{GATE, GATE_CUBE};

/// 1.5 * 2^52: added to a number below 2^51 it leaves the nearest integer in the low bits.
pub(crate) const ROUNDER: f64 = 6755399441055744.0;

const LOG2_E: f64 = std::f64::consts::LOG2_E;
/// The first 33 bits of ln 2, so that multiples up to 2^20 are exact, and the rest (msun e_log.c).
pub(super) const LN_2_TOP: f64 = 0.6931471803691238;

pub(super) const LN_2_REST: f64 = 1.9082149292705877e-10;

/// (e^r - 1 - r) / r^2 on |r| <= ln(2) / 2; error of e^r - 1 below 2^-60.7 of it.
pub(crate) const EXP: [f64; 11] = [
    0.5,
    0.16666666666666677,
    0.0416666666666667,
    0.008333333333321579,
    0.0013888888888866765,
    0.00019841269886266622,
    2.4801587360699305e-05,
    2.7557244061535514e-06,
    2.755724263700865e-07,
    2.51090905464923e-08,
    2.092448135279365e-09,
];

/// A power of e taken apart: 2^k (1 + r + s), with |r| <= ln(2) / 2 and s of the size of r^2 / 2.
pub(crate) struct Exponential<L> {
    /// k + [`BIAS`] in the low bits.
    pub(crate) biased: L,
    pub(crate) r: L,
    pub(crate) s: L,
}

/// Twice that of an f64: half of what it is added to, for any k that counts, is the exponent of a
/// normal number.
pub(crate) const BIAS: u16 = 2 * 1023;

/// 2^k for integer k in -1022..=1023, and 0 for -1023.
#[inline(always)]
pub(super) fn power_of_two<L: Lane64>(k: L) -> L {
    (k + L::lit(ROUNDER + 1023.0)).shl::<52>()
}

/// m * 2^k for k in -2044..=2046, given with [`BIAS`]: in two steps, so that a subnormal result is
/// rounded in the last.
#[inline(always)]
pub(crate) fn scale<L: Lane64>(m: L, biased: L) -> L {
    let half = biased.shr::<1>();
    m * half.shl::<52>() * biased.minus(half).shl::<52>()
}

/// e^(x + rest), for |x| up to 1000: Cody and Waite's reduction by multiples of ln 2, keeping what
/// the reduced argument loses by rounding.
#[inline(always)]
pub(crate) fn exponential<L: Lane64>((x, rest): (L, L)) -> Exponential<L> {
    let rounder = L::lit(ROUNDER + f64::from(BIAS));
    let biased = x.mul_add(L::lit(LOG2_E), rounder);
    let k = biased - rounder;
    let r = k.mul_add(L::lit(-LN_2_TOP), x);
    let rest = k.mul_add(L::lit(-LN_2_REST), rest);
    let sum = r + rest;
    let s = (sum * sum).mul_add(polynomial(sum, EXP), rest);
    Exponential { biased, r, s }
}

/// [`exponential`], to a double result. Measured: 0.82 ULP.
#[inline(always)]
pub(crate) fn exp<L: Lane64>(x: L) -> L {
    // Beyond these bounds the result is 0 or infinite and k leaves the range of `scale`.
    let x = at_most(at_least(x, -746.0), 710.0);
    let e = exponential((x, L::lit(0.0)));
    scale(L::lit(1.0) + (e.r + e.s), e.biased)
}

/// e^x - 1 as a pair, for x <= 710: 2^k (r + s) + (2^k - 1), halved on the way since 2^k may
/// overflow.
#[inline(always)]
fn expm1_pair<L: Lane64>(x: L) -> (L, L) {
    // Below, the result is -1 to the last bit.
    expm1_of(&exponential((at_least(x, -50.0), L::lit(0.0))))
}

/// A power of e less 1, as a pair.
#[inline(always)]
pub(crate) fn expm1_of<L: Lane64>(e: &Exponential<L>) -> (L, L) {
    let half = e.biased.minus(L::pattern(u64::from(BIAS - 1022))).shl::<52>();
    // The first term is 0 (k = 0) or the larger one.
    let (y, lost) = sum_by_size(half - L::lit(0.5), half * e.r);
    let (y, rest) = sum_by_size(y, half.mul_add(e.s, lost));
    (y + y, rest + rest)
}

/// [`expm1_pair`]. Measured: 0.96 ULP.
#[inline(always)]
pub(crate) fn expm1<L: Lane64>(x: L) -> L {
    let (y, _) = expm1_pair(at_most(x, 710.0));
    // Tiny numbers would lose their low bits to the halving, and -0 its sign.
    L::select(x.abs().lt(L::lit(f64::EPSILON / 4.0)), x, y)
}

/// t / (-2 - t) with t = e^(-2 |x|) - 1, as msun s_tanh.c has it for small |x|; with t and the
/// denominator as pairs it serves everywhere. Measured: 1.41 ULP.
#[inline(always)]
pub(crate) fn tanh<L: Lane64>(x: L) -> L {
    let (t, t_rest) = expm1_pair(x.abs() * L::lit(-2.0));
    let (d, d_rest) = sum_by_size(L::lit(2.0), t);
    let y = quotient((-t, -t_rest), (d, d_rest + t_rest));
    // Where tanh x = x to the last bit; as in `expm1`.
    L::select(x.abs().lt(L::lit(1e-9)), x, with_sign(y, x))
}

/// n - n e / (1 + e) with e = e^-|x| and n = 1 or, for negative x, e: it neither overflows nor
/// cancels, and where e is small the rounding of the quotient does not count.
/// Measured: 1.72 ULP, with FMA 1.56.
#[inline(always)]
pub(crate) fn sigmoid<L: Lane64>(x: L) -> L {
    let (e, one) = (exp(-x.abs()), L::lit(1.0));
    let n = L::select(x.lt(L::lit(0.0)), e, one);
    (-n).mul_add(e / (one + e), n)
}

/// x / (1 + e^-t) for t of the sign of x, given e^-|t|: as [`sigmoid`], but where x is negative it
/// multiplies before the last scaling, so that a subnormal result is rounded once.
#[inline(always)]
fn gated<L: Lane64>(x: L, e: Exponential<L>) -> L {
    let (one, negative) = (L::lit(1.0), x.lt(L::lit(0.0)));
    let m = one + (e.r + e.s);
    let power = scale(m, e.biased);
    // Far down the power is 0, and infinity times it would be NaN.
    let n = L::select(negative, at_least(x, -1e4) * m, x);
    // (Where n is larger, nothing is taken from it: infinity times 0 would be NaN.)
    let y = (-at_most(n, 1e4)).mul_add(power / (one + power), n);
    let y = L::select(negative, scale(y, e.biased), y);
    // -0 stays.
    L::select(x.eq(L::lit(0.0)), x, y)
}

/// e^-|x|, for any x.
#[inline(always)]
fn decay<L: Lane64>(x: L) -> Exponential<L> {
    exponential((at_least(-x.abs(), -800.0), L::lit(0.0)))
}

/// [`gated`]. Measured: 1.85 ULP.
#[inline(always)]
pub(crate) fn silu<L: Lane64>(x: L) -> L {
    gated(x, decay(x))
}

/// e^-|2 u| for u = sqrt(2/pi) (x + 0.044715 x^3); the exponent is a pair, for rounding it would cost
/// up to 1000 ULP in the far tail.
#[inline(always)]
fn gate_decay<L: Lane64>(x: L) -> Exponential<L> {
    /// What the factors lose in f64.
    const GATE_REST: f64 = -9.96930880911092e-17;
    const GATE_CUBE_REST: f64 = -6.175149918155315e-19;
    // From 21.6 on the power is 0.
    let a = at_most(x.abs(), 22.0);
    let square = a * a;
    let square_rest = a.product_error(a, square);
    let factor = L::lit(GATE_CUBE);
    let q = factor * square;
    let q_rest = factor.product_error(square, q)
        + factor.mul_add(square_rest, square.mul_add(L::lit(GATE_CUBE_REST), L::lit(GATE_REST)));
    let (w, w_rest) = sum(L::lit(GATE), q);
    let t = -a * w;
    exponential((t, -a.product_error(w, -t) - a * (w_rest + q_rest)))
}

/// [`gate_decay`]. Measured: 1.26 ULP.
#[inline(always)]
pub(crate) fn gelu_gate<L: Lane64>(x: L) -> L {
    let e = gate_decay(x);
    let (e, one) = (scale(L::lit(1.0) + (e.r + e.s), e.biased), L::lit(1.0));
    let n = L::select(x.lt(L::lit(0.0)), e, one);
    (-n).mul_add(e / (one + e), n)
}

/// [`gated`]. Measured: 1.85 ULP.
#[inline(always)]
pub(crate) fn gelu_tanh<L: Lane64>(x: L) -> L {
    gated(x, gate_decay(x))
}
