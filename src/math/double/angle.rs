//! The functions of an angle, and the angle of a point.

use super::exponential::ROUNDER;
use crate::lane::Lane64;
use crate::math::{polynomial, sum, sum_by_size, with_sign};

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
pub(crate) struct Direction<L> {
    pub(crate) turns: L,
    pub(crate) t: L,
    pub(crate) rest: L,
}

/// The direction of (|x|, |y|) as seen with x's sign: the smaller coordinate n over the larger d,
/// or (n - d) / (n + d) if that is above tan(pi / 8), mirrored at the diagonal and the axis.
#[inline(always)]
pub(crate) fn direction<L: Lane64>(y: L, x: L) -> Direction<L> {
    const TWO_240: f64 = (1u128 << 120) as f64 * (1u128 << 120) as f64;
    let (zero, one) = (L::lit(0.0), L::lit(1.0));
    let (a, b) = (y.abs(), x.abs());
    let steep = b.lt(a);
    let (n, d) = (a.not_above(b), b.not_below(a));
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
pub(crate) fn atan2_ends<L: Lane64>(y: L, x: L, angle: L) -> L {
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
