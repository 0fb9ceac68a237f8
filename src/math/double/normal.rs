//! The normal distribution, the error function, and the functions that they gate.

use super::exponential::{Exponential, exponential, scale};
use super::pair::{alone, product};
use crate::lane::Lane64;
use crate::math::{at_most, polynomial, sum, sum_by_size, with_sign};

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
pub(crate) fn bell_power<L: Lane64>(a: L) -> Exponential<L> {
    let (square, half) = (a * a, L::lit(-0.5));
    exponential((half * square, half * a.product_error(a, square)))
}

/// [`bell_power`]. Measured: 0.82 ULP.
#[inline(always)]
pub(crate) fn gaussian<L: Lane64>(x: L) -> L {
    // Beyond 38.6 it is 0.
    let e = bell_power(at_most(x.abs(), 40.0));
    scale(L::lit(1.0) + (e.r + e.s), e.biased)
}

/// e^(-x^2), as [`bell_power`]. Measured: 0.79 ULP.
#[inline(always)]
pub(crate) fn bell<L: Lane64>(x: L) -> L {
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
    let e = bell_power(a);
    let tail = normal_tail(alone(a), &e);
    let above = x * (L::lit(1.0) - scale(tail, e.biased));
    L::select(x.lt(L::lit(0.0)), scale(-a * tail, e.biased), above)
}

/// [`normal_tail`] or one less it. Measured: 1.88 ULP.
#[inline(always)]
pub(crate) fn normal_cdf<L: Lane64>(x: L) -> L {
    // Beyond 38.6 the tail is 0.
    let a = at_most(x.abs(), 40.0);
    let e = bell_power(a);
    let tail = scale(normal_tail(alone(a), &e), e.biased);
    L::select(x.lt(L::lit(0.0)), tail, L::lit(1.0) - tail)
}
