//! Pairs: the arithmetic that keeps what a rounding loses.

use crate::lane::Lane64;

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

/// A pair without a rest. (Adding -0 leaves every number as it is: nothing is computed.)
#[inline(always)]
pub(crate) fn alone<L: Lane64>(x: L) -> (L, L) {
    (x, L::lit(-0.0))
}
