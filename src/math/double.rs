//! The elementary functions on lanes of f64.
//!
//! A value that f64 is too short for is carried as an unevaluated sum of two lanes, a *pair*
//! (value, rest), rest being about an ULP of value or less.

use super::{at_least, at_most, ln_ends, polynomial, sum, sum_by_size, with_sign};
use crate::function::{Function, Function2};
use crate::lane::Lane64;
use crate::real::{GATE, GATE_CUBE};

/// 1.5 * 2^52: added to a number below 2^51 it leaves the nearest integer in the low bits.
pub(crate) const ROUNDER: f64 = 6755399441055744.0;

const LOG2_E: f64 = std::f64::consts::LOG2_E;
/// The first 33 bits of ln 2, so that multiples up to 2^20 are exact, and the rest (msun e_log.c).
const LN_2_TOP: f64 = 0.6931471803691238;
const LN_2_REST: f64 = 1.9082149292705877e-10;

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

/// a * b for pairs, to about 2^-104.
#[inline(always)]
pub(crate) fn product<L: Lane64>((a, a_rest): (L, L), (b, b_rest): (L, L)) -> (L, L) {
    let y = a * b;
    (y, a.product_error(b, y) + (a * b_rest + a_rest * b))
}

/// (n + n_rest) / (d + d_rest), for d in [1, 2] and rests that are rounding errors, to little more
/// than half an ULP: the correction of n / d needs no more than a rough 1 / d, (3 - d) / 2.
#[inline(always)]
pub(crate) fn quotient<L: Lane64>((n, n_rest): (L, L), (d, d_rest): (L, L)) -> L {
    let y = n / d;
    let rough_inverse = d.mul_add(L::lit(-0.5), L::lit(1.5));
    y + (n_rest - y * d_rest) * rough_inverse
}

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
fn power_of_two<L: Lane64>(k: L) -> L {
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

/// pi / 2 in three parts of 33 bits, whose multiples up to 2^20 are exact, and the rest to 53 bits
/// (msun e_rem_pio2.c).
const HALF_PI: [f64; 4] =
    [1.5707963267341256, 6.077100506303966e-11, 2.0222662487111665e-21, 8.4784276603689e-32];

/// (sin r - r) / r^3 in r^2 on |r| <= pi / 4, its constant term apart; error 2^-58 of r (msun
/// k_sin.c).
const SIN_3: f64 = -0.16666666666666632;
const SIN: [f64; 5] = [
    0.00833333333332249,
    -0.0001984126982985795,
    2.7557313707070068e-06,
    -2.5050760253406863e-08,
    1.58969099521155e-10,
];

/// (cos r - 1 + r^2 / 2) / r^4 in r^2 on |r| <= pi / 4; error 2^-58 (msun k_cos.c).
const COS: [f64; 6] = [
    0.0416666666666666,
    -0.001388888888887411,
    2.480158728947673e-05,
    -2.7557314351390663e-07,
    2.087572321298175e-09,
    -1.1359647557788195e-11,
];

/// x = n pi / 2 + r, and what is needed of n.
struct Angle<L> {
    sin_r: L,
    cos_r: L,
    /// n mod 4 in the two highest bits, all others zero: the sign says whether n / 2 is odd, and
    /// the number is zero (of either sign) if n is even.
    quadrant: L,
}

/// Reduction to |r| <= pi / 4 and msun's kernels for both functions of r.
///
/// x less n times the four parts of pi / 2, keeping the rounding errors of the differences: n times
/// 151 bits of pi / 2, where no f64 below 2^21 comes nearer to a multiple than 2^-61.
#[inline(always)]
fn angle<L: Lane64>(x: L) -> Angle<L> {
    let shifted = x.mul_add(L::lit(std::f64::consts::FRAC_2_PI), L::lit(ROUNDER));
    let n = shifted - L::lit(ROUNDER);
    // Exact: the product by the trailing zeros, the difference since both are near.
    let first = x - n * L::lit(HALF_PI[0]);
    let (second, lost_second) = sum(first, n * L::lit(-HALF_PI[1]));
    let (third, lost_third) = sum(second, n * L::lit(-HALF_PI[2]));
    let lost = n.mul_add(L::lit(-HALF_PI[3]), lost_second + lost_third);
    let (sin_r, cos_r) = sine_and_cosine(sum_by_size(third, lost));
    Angle { sin_r, cos_r, quadrant: shifted.shl::<62>() }
}

/// For a pair r, with |r| <= pi / 4: msun's kernels.
#[inline(always)]
pub(crate) fn sine_and_cosine<L: Lane64>((r, rest): (L, L)) -> (L, L) {
    let z = r * r;
    let cube = z * r;
    let curve = cube * polynomial(z, SIN);
    let sin_r = r - ((z * (L::lit(0.5) * rest - curve) - rest) - cube * L::lit(SIN_3));

    let half = L::lit(0.5) * z;
    let (one_less_half, lost) = sum_by_size(L::lit(1.0), -half);
    let cos_r = one_less_half + (lost + (z * z * polynomial(z, COS) - r * rest));
    (sin_r, cos_r)
}

impl<L: Lane64> Angle<L> {
    /// One function or the other of r by the quadrant.
    #[inline(always)]
    fn sin(&self, x: L) -> L {
        let even = self.quadrant.eq(L::lit(0.0));
        let y = L::select(even, self.sin_r, self.cos_r).xor(self.quadrant.and(L::sign_bit()));
        // Tiny numbers: keeps the sign of -0.
        L::select(x.abs().lt(L::lit(1e-9)), x, y)
    }

    /// As `sin`, a quadrant further.
    #[inline(always)]
    fn cos(&self) -> L {
        let even = self.quadrant.eq(L::lit(0.0));
        let y = L::select(even, self.cos_r, self.sin_r);
        // -sin, -cos, sin for n = 1, 2, 3: negative where exactly one of the two bits is set.
        y.xor(self.quadrant.xor(self.quadrant.shl::<1>()).and(L::sign_bit()))
    }
}

/// [`angle`]. Measured: 0.73 ULP.
#[inline(always)]
pub(crate) fn sin<L: Lane64>(x: L) -> L {
    angle(x).sin(x)
}

/// [`angle`]. Measured: 0.70 ULP.
#[inline(always)]
pub(crate) fn cos<L: Lane64>(x: L) -> L {
    angle(x).cos()
}

/// [`sin`] and [`cos`] of one [`angle`].
#[inline(always)]
pub(crate) fn sin_cos<L: Lane64>(x: L) -> (L, L) {
    let a = angle(x);
    (a.sin(x), a.cos())
}

/// sin r / cos r, or -cos r / sin r in the odd quadrants, [`angle`]. Measured: 1.79 ULP.
#[inline(always)]
pub(crate) fn tan<L: Lane64>(x: L) -> L {
    let a = angle(x);
    let even = a.quadrant.eq(L::lit(0.0));
    let y = L::select(even, a.sin_r, -a.cos_r) / L::select(even, a.cos_r, a.sin_r);
    L::select(x.abs().lt(L::lit(1e-9)), x, y)
}

/// erf(x) / x - 1 in x^2, for |x| <= 0.85; error 2^-54.7.
pub(crate) const ERF: [f64; 12] = [
    0.1283791670955126,
    -0.3761263890318374,
    0.11283791670954658,
    -0.026866170645011532,
    0.0052239776238539246,
    -0.0008548326898857744,
    0.00012055326770945704,
    -1.4925445950163817e-05,
    1.645760808803322e-06,
    -1.6299793867885435e-07,
    1.4185509924165039e-08,
    -8.826993625555732e-10,
];

/// Phi(-a) e^(a^2 / 2) (a + 5) in t = (a - 5) / (a + 5), for a from 0 to 38.7: all of the normal
/// distribution's tail but its exponential, made flat. Error 2^-53.2 with coefficients of one f64,
/// most of it the rounding of the constant term, which is therefore a pair.
const MILLS_0: (f64, f64) = (0.769193049750063, -1.7720075152392036e-17);
const MILLS: [f64; 22] = [
    -0.6653825028900567,
    0.49530561596997724,
    -0.3135331566712963,
    0.16502036617033972,
    -0.06911863870656695,
    0.020795066800788783,
    -0.002993376766762214,
    -0.0007978694074881042,
    0.0005448990339868611,
    -5.937567795300002e-05,
    -4.976265871349086e-05,
    1.6681052662951787e-05,
    3.980399817154366e-06,
    -2.768977153193923e-06,
    -3.3557471624925696e-07,
    4.329133375921013e-07,
    4.093691958586086e-08,
    -6.60245415236522e-08,
    -8.34176616517463e-09,
    7.935857561486674e-09,
    1.4485481708221047e-09,
    -2.9649738211235875e-10,
];

/// 1 / sqrt(2 pi)
pub(crate) const FRAC_1_SQRT_2_PI: f64 = 0.3989422804014327;

/// Phi(-a) e^(a^2 / 2) as a quotient of pairs, and 1 over its denominator, rounded.
pub(crate) struct Mills<L> {
    n: (L, L),
    d: (L, L),
    inverse: L,
}

impl<L: Lane64> Mills<L> {
    /// As a pair.
    #[inline(always)]
    pub(crate) fn quotient(&self) -> (L, L) {
        let y = self.n.0 * self.inverse;
        let missing = self.n.0.minus_product(y, self.d.0) + (self.n.1 - y * self.d.1);
        sum_by_size(y, missing * self.inverse)
    }
}

/// A pair without a rest. (Adding -0 leaves every number as it is: nothing is computed.)
#[inline(always)]
pub(crate) fn alone<L: Lane64>(x: L) -> (L, L) {
    (x, L::lit(-0.0))
}

/// For a from 0 to 40, a pair.
#[inline(always)]
pub(crate) fn mills<L: Lane64>((a, a_rest): (L, L)) -> Mills<L> {
    let (n, n_rest) = sum(a, L::lit(-5.0));
    let (d, d_rest) = sum(a, L::lit(5.0));
    let (n_rest, d_rest) = (n_rest + a_rest, d_rest + a_rest);
    let inverse = L::lit(1.0) / d;
    let t = n * inverse;
    let t_rest = (n.minus_product(t, d) + (n_rest - t * d_rest)) * inverse;

    let (mills, mills_rest) = sum(L::lit(MILLS_0.0), t * polynomial(t, MILLS));
    // What t lost counts by the derivative, which G' = a G - 1 / sqrt(2 pi) gives for G = mills / d.
    let g = mills * inverse;
    let slope = (a.mul_add(g, L::lit(-FRAC_1_SQRT_2_PI)).mul_add(d, g)) * d * d * L::lit(0.1);
    let mills_rest = slope.mul_add(t_rest, mills_rest + L::lit(MILLS_0.1));
    Mills { n: (mills, mills_rest), d: (d, d_rest), inverse }
}

/// Phi(-a) for a pair a from 0 to 40, where `e` is e^(-a^2 / 2), still to be scaled by the power of 2
/// in `e.biased`.
#[inline(always)]
pub(crate) fn normal_tail<L: Lane64>(a: (L, L), e: &Exponential<L>) -> L {
    let (power, power_rest) = sum_by_size(L::lit(1.0), e.r);
    let power_rest = power_rest + e.s;
    let Mills { n, d: (d, d_rest), inverse } = mills(a);
    let (n, n_rest) = product(n, (power, power_rest));
    // n / d, then corrected by what the product with it misses.
    let y = n * inverse;
    let missing = n.minus_product(y, d) + (n_rest - y * d_rest);
    missing.mul_add(inverse, y)
}

/// A polynomial for |x| < 0.85, else 1 - 2 Phi(-sqrt(2) |x|), which is small enough for the
/// rounding of sqrt(2) |x| not to matter. Measured: 0.98 ULP.
#[inline(always)]
pub(crate) fn erf<L: Lane64>(x: L) -> L {
    // From 6 on the result is 1.
    let a = at_most(x.abs(), 6.5);
    let square = a * a;
    let e = exponential((-square, -a.product_error(a, square)));
    let tail = scale(normal_tail(alone(a * L::lit(std::f64::consts::SQRT_2)), &e), e.biased);
    let far = with_sign(tail.mul_add(L::lit(-2.0), L::lit(1.0)), x);
    let near = x.mul_add(polynomial(square, ERF), x);
    L::select(a.lt(L::lit(0.85)), near, far)
}

/// e^(-a^2 / 2) for a from 0 to 40: the exponent is a pair, for rounding it would cost up to
/// 700 ULP in the far tail.
#[inline(always)]
pub(crate) fn bell<L: Lane64>(a: L) -> Exponential<L> {
    let (square, half) = (a * a, L::lit(-0.5));
    exponential((half * square, half * a.product_error(a, square)))
}

/// [`bell`]. Measured: 0.82 ULP.
#[inline(always)]
pub(crate) fn gaussian<L: Lane64>(x: L) -> L {
    // Beyond 38.6 it is 0.
    let e = bell(at_most(x.abs(), 40.0));
    scale(L::lit(1.0) + (e.r + e.s), e.biased)
}

/// e^(-x^2), as [`bell`]. Measured: 0.79 ULP.
#[inline(always)]
pub(crate) fn bell_of_square<L: Lane64>(x: L) -> L {
    // Beyond 27.3 it is 0.
    let a = at_most(x.abs(), 28.0);
    let square = a * a;
    let e = exponential((-square, -a.product_error(a, square)));
    scale(L::lit(1.0) + (e.r + e.s), e.biased)
}

/// x [`normal_cdf`], with x multiplied in before the last scaling. Measured: 2.26 ULP.
#[inline(always)]
pub(crate) fn gelu<L: Lane64>(x: L) -> L {
    let a = at_most(x.abs(), 40.0);
    let e = bell(a);
    let tail = normal_tail(alone(a), &e);
    let above = x * (L::lit(1.0) - scale(tail, e.biased));
    L::select(x.lt(L::lit(0.0)), scale(-a * tail, e.biased), above)
}

/// [`normal_tail`] or one less it. Measured: 1.88 ULP.
#[inline(always)]
pub(crate) fn normal_cdf<L: Lane64>(x: L) -> L {
    // Beyond 38.6 the tail is 0.
    let a = at_most(x.abs(), 40.0);
    let e = bell(a);
    let tail = scale(normal_tail(alone(a), &e), e.biased);
    L::select(x.lt(L::lit(0.0)), tail, L::lit(1.0) - tail)
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
    let whole = y.eq(y.round());
    let half = y * L::lit(0.5);
    let sign = L::select(half.eq(half.round()), zero, x.and(L::sign_bit()));
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

/// (atan t - t) / t^3 in t^2, negated, for |t| <= 7/16; error below 2^-58 of t (msun s_atan.c).
const ATAN: [f64; 11] = [
    0.3333333333333293,
    -0.19999999999876483,
    0.14285714272503466,
    -0.11111110405462356,
    0.09090887133436507,
    -0.0769187620504483,
    0.06661073137387531,
    -0.058335701337905735,
    0.049768779946159324,
    -0.036531572744216916,
    0.016285820115365782,
];

/// The angle of a point taken apart: turns pi / 4 + atan(t + rest), for |t| <= sqrt(2) - 1.
pub(super) struct Direction<L> {
    pub(super) turns: L,
    pub(super) t: L,
    pub(super) rest: L,
}

/// The direction of (|x|, |y|) as seen with x's sign: the smaller coordinate n over the larger d,
/// or (n - d) / (n + d) if that is above tan(pi / 8), mirrored at the diagonal and the axis.
#[inline(always)]
pub(super) fn direction<L: Lane64>(y: L, x: L) -> Direction<L> {
    const TWO_240: f64 = (1u128 << 120) as f64 * (1u128 << 120) as f64;
    let (zero, one) = (L::lit(0.0), L::lit(1.0));
    let (a, b) = (y.abs(), x.abs());
    let steep = b.lt(a);
    let (n, d) = (L::select(steep, b, a), L::select(steep, a, b));
    // n + d must not overflow, and no product underflow where it is needed (n near d).
    let factor = L::select(d.lt(L::lit(1e-250)), L::lit(TWO_240), one);
    let factor = L::select(L::lit(1e300).lt(d), L::lit(0.25), factor);
    // inf / inf is taken for 1 / 1, and 0 / 0 for 0 / 1.
    let infinite = n.eq(L::lit(f64::INFINITY));
    let n = L::select(infinite, one, n * factor);
    let d = L::select(infinite, one, d * factor);
    let d = L::select(d.eq(zero), one, d);

    let diagonal = (d * L::lit(std::f64::consts::SQRT_2 - 1.0)).lt(n);
    let (difference, difference_rest) = sum_by_size(-d, n);
    let (total, total_rest) = sum_by_size(d, n);
    let top = L::select(diagonal, difference, n);
    let bottom = L::select(diagonal, total, d);
    let t = top / bottom;
    let missing = top.minus_product(t, bottom) + (difference_rest - t * total_rest);
    let rest = L::select(diagonal, missing / bottom, zero);

    let turns = L::select(diagonal, one, zero);
    let mirror = L::select(steep, L::sign_bit(), zero);
    let turns = L::select(steep, L::lit(2.0) - turns, turns);
    // x may be -0.
    let behind = x.and(L::sign_bit());
    let left = with_sign(one, x).lt(zero);
    let turns = L::select(left, L::lit(4.0) - turns, turns);
    let mirror = mirror.xor(behind);
    Direction { turns, t: t.xor(mirror), rest: rest.xor(mirror) }
}

/// The angle found for |y|, with y's sign; NaN if x or y is.
#[inline(always)]
pub(super) fn atan2_ends<L: Lane64>(y: L, x: L, angle: L) -> L {
    let angle = L::select(x.eq(x), with_sign(angle, y), x);
    L::select(y.eq(y), angle, y)
}

/// [`direction`], msun's polynomial, and pi / 4 as a pair. Measured: 1.24 ULP.
#[inline(always)]
pub(crate) fn atan2<L: Lane64>(y: L, x: L) -> L {
    /// What pi / 4 loses in f64, which leaves it 3 trailing zeros.
    const QUARTER_PI_REST: f64 = 3.061616997868383e-17;
    let Direction { turns, t, rest } = direction(y, x);
    let z = t * t;
    // 1 / (1 + t^2) to 3 percent.
    let rest = rest - rest * z;
    // The turns are 0 or the larger one, and exact.
    let (angle, lost) = sum_by_size(turns * L::lit(std::f64::consts::FRAC_PI_4), t);
    let rest = turns.mul_add(L::lit(QUARTER_PI_REST), rest) + lost;
    atan2_ends(y, x, angle + (rest - t * z * polynomial(z, ATAN)))
}

#[inline(always)]
pub(crate) fn apply<F: Function, L: Lane64>(x: L) -> L {
    F::lanes(x)
}

#[inline(always)]
pub(crate) fn apply2<F: Function2, L: Lane64>(a: L, b: L) -> L {
    F::lanes(a, b)
}
