//! The elementary functions on lanes of f32.
//!
//! Where one f32 operation too many would break the promise, the computation goes through f64
//! lanes, in which short polynomials suffice and nothing underflows or overflows.

use super::{
    NEAR_LIMIT_F32, at_least, at_most, double, ln_ends, polynomial, sum_by_size, with_sign,
};
use crate::function::{Function, Function2};
use crate::lane::{Bits, Lane32, Widened};
use crate::real::{GATE, GATE_CUBE, Real};

/// 1.5 * 2^23: added to a number below 2^22 it leaves the nearest integer in the low bits.
const ROUNDER: f64 = 12582912.0;
/// 1.5 * 2^52: the same for f64 lanes.
const WIDE_ROUNDER: f64 = 6755399441055744.0;

const LOG2_E: f64 = std::f64::consts::LOG2_E;
/// The first 15 bits of ln 2, so that multiples up to 2^9 are exact, and the rest (msun
/// e_expf.c).
const LN_2_TOP: f64 = 0.693145751953125;
const LN_2_REST: f64 = 1.428606765330187e-06;

/// (e^r - 1 - r) / r^2 on |r| <= ln(2) / 2; error of e^r - 1 below 2^-25.9 of it.
const EXP: [f64; 5] =
    [0.5, 0.1666654348373413, 0.04166628047823906, 0.00836661085486412, 0.0013946497347205877];

/// The integer k nearest to x / ln 2, and lanes in whose low bits k + `bias` is: moved up by 23,
/// these are 2^(k + bias - 127), where k + bias is in 0..=254 (0 gives the number 0).
#[inline(always)]
fn exponent<L: Lane32>(x: L, bias: f64) -> (L, L) {
    let biased = x.mul_add(L::lit(LOG2_E), L::lit(ROUNDER + bias));
    (biased - L::lit(ROUNDER + bias), biased)
}

/// 2^k for integer k in -126..=127, and 0 for -127.
#[inline(always)]
fn power_of_two<L: Lane32>(k: L) -> L {
    (k + L::lit(ROUNDER + 127.0)).shl::<23>()
}

/// e^x as 2^k m, for |x| up to 300: m from sqrt(1/2) to sqrt(2), and the second of [`exponent`].
#[inline(always)]
fn exponential<L: Lane32>(x: L, bias: f64) -> (L, L) {
    let (k, biased) = exponent(x, bias);
    (power(k.mul_add(L::lit(-LN_2_REST), k.mul_add(L::lit(-LN_2_TOP), x))), biased)
}

/// e^r for |r| up to ln(2) / 2.
#[inline(always)]
fn power<L: Lane32>(r: L) -> L {
    let one = L::lit(1.0);
    r.mul_add(r.mul_add(polynomial(r, EXP), one), one)
}

/// e^x for x from -80 to 80, where one factor 2^k will do.
#[inline(always)]
fn exp_small<L: Lane32>(x: L) -> L {
    let (m, biased) = exponential(x, 127.0);
    m * biased.shl::<23>()
}

/// What to add to an exponent for [`scale_down`].
const DOWN: f64 = 127.0 + 64.0;

/// m 2^k for k in -190..=63, given as k + [`DOWN`]: the last factor alone rounds, where the result
/// is subnormal.
#[inline(always)]
fn scale_down<L: Lane32>(m: L, biased: L) -> L {
    const TWO_64: f64 = (1u128 << 64) as f64;
    m * biased.shl::<23>() * L::lit(1.0 / TWO_64)
}

/// [`exponential`]. Measured: 1.21 ULP, with FMA 0.93.
#[inline(always)]
pub(crate) fn exp<L: Lane32>(x: L) -> L {
    // Beyond these bounds the result is 0 or infinite.
    let (m, biased) = exponential(at_most(at_least(x, -104.0), 89.0), 2.0 * 127.0);
    // 2^k in two factors, so that a subnormal result is rounded in the last product.
    let half = biased.shr::<1>();
    m * half.shl::<23>() * biased.minus(half).shl::<23>()
}

/// As in `double`. Measured: 1.26 ULP.
#[inline(always)]
pub(crate) fn expm1<L: Lane32>(x: L) -> L {
    // Below -20 the result is -1 to the last bit.
    let a = at_most(at_least(x, -20.0), 89.0);
    let (k, biased) = exponent(a, 126.0);
    // 2^k (1 + r + s), s of the size of r^2 / 2.
    let r = k.mul_add(L::lit(-LN_2_TOP), a);
    let rest = k * L::lit(-LN_2_REST);
    let sum = r + rest;
    let s = (sum * sum).mul_add(polynomial(sum, EXP), rest);
    // 2^k is halved on the way, since it may overflow.
    let half = biased.shl::<23>();
    // The first term is 0 (k = 0) or the larger one.
    let (y, lost) = sum_by_size(half - L::lit(0.5), half * r);
    let y = y + half.mul_add(s, lost);
    // Tiny numbers would lose their low bits to the halving, and -0 its sign.
    L::select(x.abs().lt(L::lit(1e-8)), x, y + y)
}

/// tanh(x) / x - 1 over x^2, in x^2, for |x| <= 0.625; error 2^-27.7.
const TANH: [f64; 5] = [
    -0.3333328366279602,
    0.13331490755081177,
    -0.05374349653720856,
    0.02065058797597885,
    -0.0057170456275343895,
];

/// A polynomial for |x| < 0.625, else 1 - 2 / (e^(2 |x|) + 1) (the method of Cephes tanhf.c).
/// Measured: 1.37 ULP.
#[inline(always)]
pub(crate) fn tanh<L: Lane32>(x: L) -> L {
    // From 9.1 on the result is 1.
    let a = at_most(x.abs(), 10.0);
    let e = exp_small(a + a);
    let far = L::lit(1.0) - L::lit(2.0) / (e + L::lit(1.0));
    let z = a * a;
    let near = (z * a).mul_add(polynomial(z, TANH), a);
    with_sign(L::select(a.lt(L::lit(0.625)), near, far), x)
}

/// n - n e / (1 + e) with e = e^-|x| and n = 1 or, for negative x, e: it neither overflows nor
/// cancels, and where e is small the rounding of the quotient does not count.
/// Measured: 1.80 ULP, with FMA 1.65.
#[inline(always)]
pub(crate) fn sigmoid<L: Lane32>(x: L) -> L {
    // Below, e is 0.
    let (m, biased) = exponential(at_least(-x.abs(), -104.0), DOWN);
    let (e, one) = (scale_down(m, biased), L::lit(1.0));
    let n = L::select(x.lt(L::lit(0.0)), e, one);
    (-n).fused(e / (one + e), n)
}

/// As in `double`; e^-|t| is m 2^k, with k as [`scale_down`] takes it.
#[inline(always)]
fn gated<L: Lane32>(x: L, (m, biased): (L, L)) -> L {
    let (one, negative) = (L::lit(1.0), x.lt(L::lit(0.0)));
    let power = scale_down(m, biased);
    let n = L::select(negative, at_least(x, -110.0) * m, x);
    let y = (-at_most(n, 1e4)).mul_add(power / (one + power), n);
    let y = L::select(negative, scale_down(y, biased), y);
    L::select(x.eq(L::lit(0.0)), x, y)
}

/// [`gated`]. Measured: 2.44 ULP.
#[inline(always)]
pub(crate) fn silu<L: Lane32>(x: L) -> L {
    gated(x, exponential(at_least(-x.abs(), -110.0), DOWN))
}

/// As in `double`: e^-|2 u| as m 2^k.
#[inline(always)]
fn gate_decay<L: Lane32>(x: L) -> (L, L) {
    /// The first 17 bits of [`GATE`](crate::real::GATE), so that a sum less it is exact.
    const TOP: f64 = 1.595703125;
    // From 10.6 on the power is 0.
    let a = at_most(x.abs(), 11.0);
    let square = a * a;
    let factor = L::lit(GATE_CUBE);
    let w = factor.mul_add(square, L::lit(TOP));
    let rest = factor.fused(square, L::lit(TOP) - w);
    let rest = factor.mul_add(a.square_error(square), rest);
    let rest =
        square.mul_add(L::lit(GATE_CUBE - GATE_CUBE as f32 as f64), rest + L::lit(GATE - TOP));
    let t = a * w;
    let t_rest = a.fused(w, -t) + a * rest;
    let (k, biased) = exponent(-t, DOWN);
    let r = k.mul_add(L::lit(-LN_2_TOP), -t) + k.mul_add(L::lit(-LN_2_REST), -t_rest);
    (power(r), biased)
}

/// [`gate_decay`]. Measured: 1.67 ULP.
#[inline(always)]
pub(crate) fn gelu_gate<L: Lane32>(x: L) -> L {
    let (m, biased) = gate_decay(x);
    let (e, one) = (scale_down(m, biased), L::lit(1.0));
    let n = L::select(x.lt(L::lit(0.0)), e, one);
    (-n).fused(e / (one + e), n)
}

/// [`gated`]. Measured: 2.33 ULP.
#[inline(always)]
pub(crate) fn gelu_tanh<L: Lane32>(x: L) -> L {
    gated(x, gate_decay(x))
}

/// (ln((1 + s) / (1 - s)) - 2 s) / s^3 as a polynomial in s^2, for |s| <= 0.1716; error 2^-34.24
/// of the logarithm (msun e_logf.c, Lg1 to Lg4).
const LN: [f64; 4] =
    [0.6666666269302368, 0.40000972151756287, 0.2849878668785095, 0.24279078841209412];
/// The first 17 bits of ln 2 and the rest (msun e_logf.c): unlike those of [`EXP`], as a sum they
/// have the precision of a logarithm.
const LN_2: (f64, f64) = (0.6931381225585938, 9.05800061445916e-06);

/// x as 2^k m with m from sqrt(1/2) to sqrt(2), for positive normal x; `k_of_1` is 127, or more by
/// what x was scaled by.
#[inline(always)]
fn split<L: Lane32>(x: L, k_of_1: L) -> (L, L) {
    /// The bits of sqrt(1/2).
    const LEAST: u32 = 0x3f35_04f3;
    const ONE: u32 = 0x3f80_0000;
    /// The bits of 2^23: an integer below 2^23 put over them is a float 2^23 larger.
    const TWO_23: u32 = 0x4b00_0000;
    let moved = x.plus(L::pattern(ONE - LEAST));
    let k = moved.shr::<23>().or(L::pattern(TWO_23)) - (k_of_1 + L::lit(L::INTEGERS));
    let m = moved.and(L::pattern((1 << 23) - 1)).plus(L::pattern(LEAST));
    (k, m)
}

/// k ln 2 + ln(1 + f) + rest, for f from sqrt(1/2) - 1 to sqrt(2) - 1 and a small rest (msun).
#[inline(always)]
fn ln_sum<L: Lane32>(k: L, f: L, rest: L) -> L {
    let half_square = L::lit(0.5) * f * f;
    let s = f / (L::lit(2.0) + f);
    let z = s * s;
    let tail = k.mul_add(L::lit(LN_2.1), rest);
    let small = s.mul_add(half_square + z * polynomial(z, LN), tail) - half_square + f;
    k.mul_add(L::lit(LN_2.0), small)
}

/// msun e_logf.c: x = 2^k (1 + f), ln(1 + f) through s = f / (2 + f). Measured: 0.84 ULP.
#[inline(always)]
pub(crate) fn ln<L: Lane32>(x: L) -> L {
    let subnormal = x.lt(L::lit(f64::from(f32::MIN_POSITIVE)));
    let scaled = L::select(subnormal, x * L::lit(L::INTEGERS), x);
    let (k, m) = split(scaled, L::select(subnormal, L::lit(127.0 + 23.0), L::lit(127.0)));
    ln_ends(x, 0.0, ln_sum(k, m - L::lit(1.0), L::lit(0.0)))
}

/// As in `double` (msun s_log1pf.c). Measured: 0.89 ULP.
#[inline(always)]
pub(crate) fn log1p<L: Lane32>(x: L) -> L {
    let one = L::lit(1.0);
    let u = one + x;
    let (k, m) = split(u, L::lit(127.0));
    let f = m - one;
    let lost = L::select(x.lt(one), x - (u - one), one - (u - x));
    // 1 / (1 + f) to 4 percent is enough for a term this small, which from 2^24 on is none.
    let inverse = f.mul_add(f.mul_add(L::lit(0.8), -one), one);
    let rest = lost * power_of_two(-at_most(k, 100.0)) * inverse;
    // For x from sqrt(1/2) - 1 to sqrt(2) - 1 nothing needs reducing, so nothing need be lost.
    let near = (x - L::lit(0.0606)).abs().lt(L::lit(0.3535));
    let zero = L::lit(0.0);
    let y = ln_sum(L::select(near, zero, k), L::select(near, x, f), L::select(near, zero, rest));
    // Tiny numbers: keeps the sign of -0.
    let y = L::select(x.abs().lt(L::lit(1e-8)), x, y);
    ln_ends(x, -1.0, y)
}

/// (sin r - r) / r^3 in r^2 on |r| <= pi / 4; error 2^-27.4 of r.
const SIN: [f64; 3] = [-0.16666655242443085, 0.008332176133990288, -0.00019516977772582322];

/// (cos r - 1 + r^2 / 2) / r^4 in r^2 on |r| <= pi / 4; error 2^-30.9.
const COS: [f64; 3] = [0.04166664555668831, -0.0013887364184483886, 2.443809171381872e-05];

/// |x| as n pi / 2 + r with |r| up to pi / 4, and n mod 4.
#[derive(Clone, Copy)]
struct Reduced<L> {
    r: L,
    /// 0, 2, -0 or -2, whose bits are n mod 4 in the two highest: zero if n is even, and the sign
    /// says whether n / 2 is odd.
    quadrant: L,
}

/// Cody and Waite's reduction by three parts of pi / 2, for lanes with FMA and x from 0 to
/// [`NEAR_LIMIT_F32`].
///
/// The first difference is exact, being below 1 and a multiple of 2^-24. The last one counts only
/// where the first two leave little.
#[inline(always)]
fn reduce_near<L: Lane32>(x: L) -> Reduced<L> {
    /// pi / 2 in parts of 24 bits.
    const HALF_PI: [f64; 3] = [1.5707963705062866, -4.371138828673793e-08, -1.7151245100058819e-15];
    let shifted = x.mul_add(L::lit(std::f64::consts::FRAC_2_PI), L::lit(ROUNDER));
    let n = shifted - L::lit(ROUNDER);
    let r = n.mul_add(L::lit(-HALF_PI[0]), x);
    let r = n.mul_add(L::lit(-HALF_PI[1]), r);
    let r = n.mul_add(L::lit(-HALF_PI[2]), r);
    Reduced { r, quadrant: shifted.shl::<30>() }
}

/// The reduction in f64, for x from 0 to [`TRIG_LIMIT_F32`](super::TRIG_LIMIT_F32).
///
/// The error left is that of f64 in n times the rest of pi / 2, below 2^-54 up to the limit; no f32
/// below it comes nearer than 2^-28 to a multiple of pi / 2.
#[inline(always)]
fn reduce_far<L: Lane32>(x: L) -> Reduced<L> {
    /// The first 25 bits of pi / 2, whose multiples up to 2^28 are exact in f64, and the rest to
    /// 53 bits (msun e_rem_pio2f.c).
    const HALF_PI: (f64, f64) = (1.5707963109016418, 1.5893254773528196e-08);
    let x = x.widen();
    let rounder = L::Wide::lit(WIDE_ROUNDER);
    let shifted = x.mul_add(L::Wide::lit(std::f64::consts::FRAC_2_PI), rounder);
    let n = shifted - rounder;
    let top = n.mul_add(L::Wide::lit(-HALF_PI.0), x);
    let r = n.mul_add(L::Wide::lit(-HALF_PI.1), top).narrow();
    Reduced { r, quadrant: shifted.shl::<62>().narrow() }
}

/// [`reduce_near`] where that will do, so that an element is the same whatever its neighbours are,
/// else [`reduce_far`].
#[inline(always)]
fn reduce_any<L: Lane32>(x: L) -> Reduced<L> {
    let (near, far) = (reduce_near(x), reduce_far(x));
    let is_near = x.le(L::lit(NEAR_LIMIT_F32));
    Reduced {
        r: L::select(is_near, near.r, far.r),
        quadrant: L::select(is_near, near.quadrant, far.quadrant),
    }
}

/// The reduction that the lanes can do, from 0 up to their limit.
#[inline(always)]
fn reduce<L: Lane32>(x: L) -> Reduced<L> {
    match (L::FMA, L::FAR) {
        (false, _) => reduce_far(x),
        (true, false) => reduce_near(x),
        (true, true) => reduce_any(x),
    }
}

/// Both functions of r, and the quadrant, of |x|.
struct Angle<L> {
    sin_r: L,
    cos_r: L,
    quadrant: L,
}

/// The reduction of |x|, and polynomials.
#[inline(always)]
fn angle<L: Lane32>(x: L) -> Angle<L> {
    let Reduced { r, quadrant } = reduce(x.abs());
    let z = r * r;
    let sin_r = (z * r).mul_add(polynomial(z, SIN), r);
    let cos_r = z.mul_add(z.mul_add(polynomial(z, COS), L::lit(-0.5)), L::lit(1.0));
    Angle { sin_r, cos_r, quadrant }
}

impl<L: Lane32> Angle<L> {
    /// One function or the other of r by the quadrant; the sine of -x is that of x with the other
    /// sign, which keeps that of -0.
    #[inline(always)]
    fn sin(&self, x: L) -> L {
        let even = self.quadrant.eq(L::lit(0.0));
        let y = L::select(even, self.sin_r, self.cos_r);
        y.xor(self.quadrant.xor(x).and(L::sign_bit()))
    }

    /// As `sin`, a quadrant further.
    #[inline(always)]
    fn cos(&self) -> L {
        let even = self.quadrant.eq(L::lit(0.0));
        let y = L::select(even, self.cos_r, -self.sin_r);
        y.xor(self.quadrant.and(L::sign_bit()))
    }
}

/// [`angle`]. Measured: 1.57 ULP.
#[inline(always)]
pub(crate) fn sin<L: Lane32>(x: L) -> L {
    angle(x).sin(x)
}

/// [`angle`]. Measured: 1.57 ULP.
#[inline(always)]
pub(crate) fn cos<L: Lane32>(x: L) -> L {
    angle(x).cos()
}

/// [`sin`] and [`cos`] of one [`angle`].
#[inline(always)]
pub(crate) fn sin_cos<L: Lane32>(x: L) -> (L, L) {
    let a = angle(x);
    (a.sin(x), a.cos())
}

/// sin r / cos r, or -cos r / sin r in the odd quadrants, [`angle`]. Measured: 3.54 ULP.
#[inline(always)]
pub(crate) fn tan<L: Lane32>(x: L) -> L {
    let a = angle(x);
    let even = a.quadrant.eq(L::lit(0.0));
    let y = L::select(even, a.sin_r, -a.cos_r) / L::select(even, a.cos_r, a.sin_r);
    y.xor(x.and(L::sign_bit()))
}

/// erf(x) / x - 1 in x^2, for |x| <= 0.93; error 2^-24.9.
const ERF: [f64; 6] = [
    0.12837915122509003,
    -0.3761247992515564,
    0.11281682550907135,
    -0.026761719956994057,
    0.004985940642654896,
    -0.0005953742074780166,
];

/// -ln(erfc(x)) / x, for x from 0.92 to 4; error 2^-30.1 of erf(x).
const ERFC: [f64; 8] = [
    1.128551721572876,
    0.6356253027915955,
    0.10526268929243088,
    -0.02267412655055523,
    0.0029301501344889402,
    -4.958398858434521e-05,
    -4.55817389592994e-05,
    4.938260190101573e-06,
];

/// A polynomial for |x| < 0.925, else 1 - e^-P(|x|) (the method of N. Juffa's erff).
/// Measured: 1.42 ULP.
#[inline(always)]
pub(crate) fn erf<L: Lane32>(x: L) -> L {
    // From 3.92 on the result is 1.
    let a = at_most(x.abs(), 4.0);
    let far = with_sign(L::lit(1.0) - exp_small(-a * polynomial(a, ERFC)), x);
    let near = x.mul_add(polynomial(a * a, ERF), x);
    L::select(a.lt(L::lit(0.925)), near, far)
}

/// e^(-a^2 / 2) / Phi(-a), for a from 0 to 14.6, as 2 + a (slope + n(v) / d(v)) with v = a - 2;
/// error 2^-26.2. The quotient is small where a is large and its factor is small where a is, and
/// with them the rounding errors of the polynomials.
struct Mills {
    slope: f64,
    n: [f64; 4],
    d: [f64; 5],
}
const MILLS: Mills = Mills {
    slope: 2.506598711013794,
    n: [-2.8762083053588867, -1.3936363458633423, -0.25965002179145813, -0.017704728990793228],
    d: [
        5.404231548309326,
        3.8664615154266357,
        1.1344224214553833,
        0.1585438996553421,
        0.008860706351697445,
    ],
};

/// e^(-a^2 half) as 2^k (1 + m), for an exponent down to -105 and a power of 2 as `half`, and k as
/// [`scale_down`] takes it. The exponent is a pair: rounding it would cost up to 50 ULP in the far
/// tail.
#[inline(always)]
fn bell_power<L: Lane32>(a: L, half: f64) -> (L, L) {
    let square = a * a;
    let (x, x_rest) = (square * L::lit(-half), a.square_error(square) * L::lit(-half));
    let (k, biased) = exponent(x, DOWN);
    let r = k.mul_add(L::lit(-LN_2_TOP), x) + k.mul_add(L::lit(-LN_2_REST), x_rest);
    ((r * r).mul_add(polynomial(r, EXP), r), biased)
}

/// [`bell_power`]. Measured: 1.06 ULP, over all arguments.
#[inline(always)]
pub(crate) fn gaussian<L: Lane32>(x: L) -> L {
    // Beyond 14.5 it is 0.
    let (m, k) = bell_power(at_most(x.abs(), 14.5), 0.5);
    scale_down(L::lit(1.0) + m, k)
}

/// e^(-x^2), by [`bell_power`]. Measured: 1.02 ULP.
#[inline(always)]
pub(crate) fn bell<L: Lane32>(x: L) -> L {
    // Beyond 10.2 it is 0.
    let (m, k) = bell_power(at_most(x.abs(), 10.25), 1.0);
    scale_down(L::lit(1.0) + m, k)
}

/// The tail Phi(-a) for a from 0 to 14.5, still to be scaled by the power of 2.
#[inline(always)]
fn normal_tail<L: Lane32>(a: L) -> (L, L) {
    let (m, k) = bell_power(a, 0.5);
    let v = a - L::lit(2.0);
    let slope = polynomial(v, MILLS.n) / polynomial(v, MILLS.d) + L::lit(MILLS.slope);
    let inverse = L::lit(1.0) / a.fused(slope, L::lit(2.0));
    (m.fused(inverse, inverse), k)
}

/// The tail, or one less it. Measured over all arguments: 3.15 ULP.
#[inline(always)]
pub(crate) fn normal_cdf<L: Lane32>(x: L) -> L {
    // Beyond 14.3 the tail is 0.
    let (tail, k) = normal_tail(at_most(x.abs(), 14.5));
    let tail = scale_down(tail, k);
    L::select(x.lt(L::lit(0.0)), tail, L::lit(1.0) - tail)
}

/// As in `double`. Measured: 3.57 ULP.
#[inline(always)]
pub(crate) fn gelu<L: Lane32>(x: L) -> L {
    let a = at_most(x.abs(), 14.5);
    let (tail, k) = normal_tail(a);
    let above = x * (L::lit(1.0) - scale_down(tail, k));
    L::select(x.lt(L::lit(0.0)), scale_down(-a * tail, k), above)
}

/// log2((1 + s) / (1 - s)) / s in s^2, for |s| <= 0.1716, for f64 lanes; error 2^-37.8.
const LOG2_WIDE: [f64; 5] = [
    2.8853900817901112,
    0.9617966733081701,
    0.5770835918016799,
    0.4116722861359353,
    0.3407385005818283,
];

/// (2^r - 1) / r on |r| <= 1/2, for f64 lanes; error of 2^r 2^-28.9.
const EXP2_WIDE: [f64; 6] = [
    0.6931472029198242,
    0.24022647905245292,
    0.055503323173249276,
    0.009618437981328611,
    0.0013398938861080866,
    0.00015353309292023723,
];

/// 2^(y log2 |x|), both in f64 lanes to f32 accuracy and some bits more; everything around them in
/// f32 lanes, twice as many at a time. Measured: 0.54 ULP.
#[inline(always)]
pub(crate) fn pow<L: Lane32>(x: L, y: L) -> L {
    let wide = L::Wide::lit;
    let (zero, one, infinity) = (L::lit(0.0), L::lit(1.0), L::lit(f64::INFINITY));
    let a = x.abs();
    let subnormal = a.lt(L::lit(f64::from(f32::MIN_POSITIVE)));
    let scaled = L::select(subnormal, a * L::lit(L::INTEGERS), a);
    let (k, m) = split(scaled, L::select(subnormal, L::lit(127.0 + 23.0), L::lit(127.0)));
    // log2 0 = -infinity; log2 of infinity and NaN are these.
    let k = L::select(a.eq(zero), L::lit(f64::NEG_INFINITY), k);
    let k = L::select(a.lt(infinity), k, a);

    let f = (m - one).widen();
    let s = f / (f + wide(2.0));
    let log = s.mul_add(polynomial(s * s, LOG2_WIDE), k.widen());
    // Narrowing makes 0 or infinity of what is beyond these bounds.
    let power = at_most(at_least(y.widen() * log, -200.0), 200.0);
    let shifted = power + wide(WIDE_ROUNDER);
    let r = power - (shifted - wide(WIDE_ROUNDER));
    let m = r.mul_add(polynomial(r, EXP2_WIDE), wide(1.0));
    let power = m.plus(shifted.shl::<52>()).narrow();

    // C99's ends. 1^y is 1 even for NaN; so is |-1|^y for infinite y.
    let power = L::select(a.eq(one), one, power);
    // An odd y leaves a half; from 2^24 on all are even.
    let whole = y.eq(y.nearest());
    let half = y * L::lit(0.5);
    let sign = L::select(half.eq(half.nearest()), zero, x.and(L::sign_bit()));
    // Negative and finite: NaN unless y is whole.
    let broken = L::select(a.lt(infinity), L::lit(f64::NAN), power);
    let broken = L::select(x.lt(zero), broken, power);
    let power = L::select(whole, power.or(sign), broken);
    // x^0 is 1 even for NaN.
    L::select(y.eq(zero), one, power)
}

/// (atan t - t) / t^3 in t^2, for |t| <= tan(pi / 8), for f64 lanes; error 2^-40.2 of t.
const ATAN_WIDE: [f64; 7] = [
    -0.3333333329613152,
    0.1999999436744036,
    -0.14285424992363846,
    0.11104024528901622,
    -0.08996994024521925,
    0.06991763771878562,
    -0.03793154852771916,
];

/// As in `double`, with a shorter polynomial and without its rests. Measured: 0.51 ULP.
#[inline(always)]
pub(crate) fn atan2<L: Lane32>(y: L, x: L) -> L {
    let (y, x) = (y.widen(), x.widen());
    let double::Direction { turns, t, .. } = double::direction(y, x);
    let z = t * t;
    let t = (t * z).mul_add(polynomial(z, ATAN_WIDE), t);
    let angle = turns.mul_add(L::Wide::lit(std::f64::consts::FRAC_PI_4), t);
    double::atan2_ends(y, x, angle).narrow()
}

#[inline(always)]
pub(crate) fn apply<F: Function, L: Lane32>(x: L) -> L {
    F::single(x.widen()).narrow()
}

#[inline(always)]
pub(crate) fn apply2<F: Function2, L: Lane32>(a: L, b: L) -> L {
    F::lanes(a.widen(), b.widen()).narrow()
}
