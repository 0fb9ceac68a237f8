//! Powers of 2, logarithms, the cubic root, and the inverses of trigonometric and hyperbolic
//! functions.

use std::f64::consts::{FRAC_PI_2, LN_2, LN_10, LOG2_E, LOG10_E};

use crate::function::Function;
use crate::lane::Lane64;
use crate::math::double::{
    BIAS, EXP, Exponential, ROUNDER, alone, expm1_of, exponential, ln_pair, product, scale,
};
use crate::math::{at_least, at_most, ln_ends, polynomial, sum, sum_by_size, with_sign};
use crate::real::Real;

/// 2^x; exact for integers. Gradient: y ln 2.
///
/// - PyTorch: `torch.exp2(x)`
/// - Cases: `elementwise(-4, 4, special=False)`; `x=S(0.,-0.,inf,-inf,nan,3.,-1.)`
pub(crate) enum Exp2 {}
impl Function for Exp2 {
    const NAME: &str = "exp2";
    const DOMAIN: (f64, f64) = (-4.0, 4.0);
    /// 2^k e^(r ln 2) for the integer k nearest to x, with r ln 2 as a pair. Measured: 0.78 ULP.
    #[inline(always)]
    fn lanes<L: Lane64>(x: L) -> L {
        /// What ln 2 loses in f64.
        const LN_2_LOST: f64 = 2.319046813846299e-17;
        // Beyond these bounds the result is 0 or infinite.
        let x = at_most(at_least(x, -1080.0), 1030.0);
        let rounder = L::lit(ROUNDER + f64::from(BIAS));
        let biased = x + rounder;
        let fraction = x - (biased - rounder);
        let r = fraction * L::lit(LN_2);
        let rest = fraction.product_error(L::lit(LN_2), r) + fraction * L::lit(LN_2_LOST);
        let s = (r * r).mul_add(polynomial(r, EXP), rest);
        scale(L::lit(1.0) + (r + s), biased)
    }
    fn reference(x: f64) -> f64 {
        libm::exp2(x)
    }
    #[inline(always)]
    fn slope<R: Real>(_: R, y: R) -> R {
        y * R::lit(LN_2)
    }
}

/// ln x as a pair, times a pair: the nearest number to the logarithm of any base, nearly always.
#[inline(always)]
fn logarithm<L: Lane64>(x: L, (factor, factor_rest): (f64, f64)) -> L {
    let (ln, ln_rest) = ln_pair(x);
    let y = ln * L::lit(factor);
    let rest =
        ln.product_error(L::lit(factor), y) + (ln * L::lit(factor_rest) + ln_rest * L::lit(factor));
    ln_ends(x, 0.0, y + rest)
}

/// The logarithm to base 2; exact for powers of 2. Gradient: 1 / (x ln 2).
///
/// - PyTorch: `torch.log2(x)`
/// - Cases: `elementwise(.1, 8)`
pub(crate) enum Log2 {}
impl Function for Log2 {
    const NAME: &str = "log2";
    const DOMAIN: (f64, f64) = (0.1, 8.0);
    /// [`logarithm`]. Measured: 0.50 ULP.
    #[inline(always)]
    fn lanes<L: Lane64>(x: L) -> L {
        logarithm(x, (LOG2_E, 2.0355273740931033e-17))
    }
    fn reference(x: f64) -> f64 {
        libm::log2(x)
    }
    #[inline(always)]
    fn slope<R: Real>(x: R, _: R) -> R {
        R::lit(1.0) / (x * R::lit(LN_2))
    }
}

/// The logarithm to base 10; exact for powers of 10. Gradient: 1 / (x ln 10).
///
/// - PyTorch: `torch.log10(x)`
/// - Cases: `elementwise(.1, 8)`
pub(crate) enum Log10 {}
impl Function for Log10 {
    const NAME: &str = "log10";
    const DOMAIN: (f64, f64) = (0.1, 8.0);
    /// [`logarithm`]. Measured: 0.50 ULP.
    #[inline(always)]
    fn lanes<L: Lane64>(x: L) -> L {
        logarithm(x, (LOG10_E, 1.098319650216765e-17))
    }
    fn reference(x: f64) -> f64 {
        libm::log10(x)
    }
    #[inline(always)]
    fn slope<R: Real>(x: R, _: R) -> R {
        R::lit(1.0) / (x * R::lit(LN_10))
    }
}

/// The cubic root, also of negative numbers; exact for cubes. Gradient: 1 / (3 y^2), infinite at 0.
///
/// - PyTorch: `torch.sign(x) * torch.abs(x).pow(1 / 3)`
/// - Cases: `elementwise(.1, 8, special=False)`; `elementwise(-8, -.1, special=False)`
pub(crate) enum Cbrt {}
impl Function for Cbrt {
    const NAME: &str = "cbrt";
    const DOMAIN: (f64, f64) = (0.1, 8.0);
    /// msun s_cbrt.c: a third of the exponent, a polynomial, and a step of Newton's from 23 bits, whose
    /// square is exact. Measured: 0.66 ULP.
    #[inline(always)]
    fn lanes<L: Lane64>(x: L) -> L {
        const TWO_52: u64 = 0x4330_0000 << 32;
        const TWO_54: f64 = 18014398509481984.0;
        /// 1 / cbrt(r) in r = t^3 / x, for an estimate t; error 2^-23.5.
        const P: [f64; 5] = [
            1.87595182427177,
            -1.8849797954337717,
            1.6214297201053545,
            -0.758397934778766,
            0.14599619288661245,
        ];
        /// The high word of the root has a third of that of x, and so much more.
        const THIRD: f64 = 715094163.0;
        let a = x.abs();
        let subnormal = a.lt(L::lit(f64::MIN_POSITIVE));
        let scaled = L::select(subnormal, a * L::lit(TWO_54), a);
        let high = scaled.shr::<32>().or(L::pattern(TWO_52)) - L::lit(L::INTEGERS);
        let t = (high * L::lit(1.0 / 3.0) + L::lit(THIRD + L::INTEGERS)).shl::<32>();
        let r = (t * t) * (t / scaled);
        let t = t * polynomial(r, P);
        let t = t.plus(L::pattern(1 << 31)).and(L::pattern(!0 << 30));
        let w = scaled / (t * t);
        let t = t + t * ((w - t) / ((t + t) + w));
        let y = with_sign(L::select(subnormal, t * L::lit(1.0 / 262144.0), t), x);
        let y = L::select(a.lt(L::lit(f64::INFINITY)), y, x);
        L::select(x.eq(L::lit(0.0)), x, y)
    }
    fn reference(x: f64) -> f64 {
        libm::cbrt(x)
    }
    #[inline(always)]
    fn slope<R: Real>(_: R, y: R) -> R {
        R::lit(1.0) / (R::lit(3.0) * y * y)
    }
}

/// x, or 1 / x beyond 1: with it slopes are written whose squares would leave the range. And whether it
/// is beyond.
#[inline(always)]
fn within_one<R: Real>(x: R) -> (R, R::Mask) {
    let one = R::lit(1.0);
    let beyond = one.lt(x.abs());
    // The branch that is not taken gets an operand at which it is harmless.
    (R::select(beyond, one / R::select(beyond, x, one), x), beyond)
}

/// 1 - x^2, as it is near 0 and near 1.
#[inline(always)]
fn one_less_square<R: Real>(x: R) -> R {
    let one = R::lit(1.0);
    R::select(x.abs().lt(R::lit(0.5)), one - x * x, (one - x) * (one + x))
}

/// What pi / 2 loses in f64.
const HALF_PI_REST: f64 = 6.123233995736766e-17;

/// The arcsine of a small number, or of the root of half of what misses to 1, without what it is taken
/// of: msun e_asin.c.
struct Arc<L> {
    s: L,
    /// asin(s) - s.
    curve: L,
}

#[inline(always)]
fn arc<L: Lane64>(a: L) -> Arc<L> {
    const P: [f64; 6] = [
        0.16666666666666666,
        -0.3255658186224009,
        0.20121253213486293,
        -0.04005553450067941,
        0.0007915349942898145,
        3.479331075960212e-5,
    ];
    const Q: [f64; 5] =
        [1.0, -2.403394911734414, 2.0209457602335057, -0.6882839716054533, 0.07703815055590194];
    let zero = L::lit(0.0);
    let small = a.lt(L::lit(0.5));
    let z = L::select(small, a * a, (L::lit(1.0) - a) * L::lit(0.5));
    let root = z.sqrt();
    let s = L::select(small, a, root);
    let lost = z.minus_product(root, root) / (root + root);
    let lost = L::select(small, zero, L::select(root.eq(zero), zero, lost));
    let curve = s.mul_add(z * polynomial(z, P) / polynomial(z, Q), lost);
    Arc { s, curve }
}

/// The arcsine, in radians. Gradient: 1 / sqrt(1 - x^2).
///
/// - PyTorch: `torch.asin(x)`
/// - Cases: `elementwise(-.9, .9)`
pub(crate) enum Asin {}
impl Function for Asin {
    const NAME: &str = "asin";
    const DOMAIN: (f64, f64) = (-0.9, 0.9);
    /// [`arc`]. Measured: 0.58 ULP.
    #[inline(always)]
    fn lanes<L: Lane64>(x: L) -> L {
        let a = x.abs();
        let Arc { s, curve } = arc(a);
        let (top, lost) = sum_by_size(L::lit(FRAC_PI_2), -(s + s));
        let large = top + (lost + (L::lit(HALF_PI_REST) - (curve + curve)));
        with_sign(L::select(a.lt(L::lit(0.5)), s + curve, large), x)
    }
    fn reference(x: f64) -> f64 {
        libm::asin(x)
    }
    #[inline(always)]
    fn slope<R: Real>(x: R, _: R) -> R {
        R::lit(1.0) / one_less_square(x).sqrt()
    }
}

/// The arccosine, in radians. Gradient: -1 / sqrt(1 - x^2).
///
/// - PyTorch: `torch.acos(x)`
/// - Cases: `elementwise(-.9, .9)`
pub(crate) enum Acos {}
impl Function for Acos {
    const NAME: &str = "acos";
    const DOMAIN: (f64, f64) = (-0.9, 0.9);
    /// [`arc`]. Measured: 0.55 ULP.
    #[inline(always)]
    fn lanes<L: Lane64>(x: L) -> L {
        let zero = L::lit(0.0);
        let Arc { s, curve } = arc(x.abs());
        let small = x.abs().lt(L::lit(0.5));
        // pi / 2 - asin x, 2 asin s, or pi - 2 asin s.
        let (s, curve) = (L::select(small, s, s + s), L::select(small, curve, curve + curve));
        let quarters = L::select(zero.lt(x), zero, L::lit(2.0));
        let quarters = L::select(small, L::lit(1.0), quarters);
        let minus = L::select(small, -x, x).and(L::sign_bit());
        let (s, curve) = (s.xor(minus), curve.xor(minus));
        let (top, lost) = sum_by_size(quarters * L::lit(FRAC_PI_2), s);
        top + (lost + quarters.mul_add(L::lit(HALF_PI_REST), curve))
    }
    fn reference(x: f64) -> f64 {
        libm::acos(x)
    }
    #[inline(always)]
    fn slope<R: Real>(x: R, _: R) -> R {
        R::lit(-1.0) / one_less_square(x).sqrt()
    }
}

/// The arctangent, in radians. Gradient: 1 / (1 + x^2).
///
/// - PyTorch: `torch.atan(x)`
/// - Cases: `elementwise(-4, 4)`
pub(crate) enum Atan {}
impl Function for Atan {
    const NAME: &str = "atan";
    const DOMAIN: (f64, f64) = (-4.0, 4.0);
    /// The angle of (1, x). Measured: 1.24 ULP.
    #[inline(always)]
    fn lanes<L: Lane64>(x: L) -> L {
        x.atan2(L::lit(1.0))
    }
    fn reference(x: f64) -> f64 {
        libm::atan(x)
    }
    #[inline(always)]
    fn slope<R: Real>(x: R, _: R) -> R {
        let (t, beyond) = within_one(x);
        let square = t * t;
        R::select(beyond, square, R::lit(1.0)) / (R::lit(1.0) + square)
    }
}

/// e^|x|, and half of it.
#[inline(always)]
fn half_power<L: Lane64>(x: L) -> (Exponential<L>, L) {
    // From 710.5 on the functions are infinite.
    let e = exponential((at_most(x.abs(), 711.0), L::lit(0.0)));
    let half = scale(L::lit(1.0) + (e.r + e.s), e.biased.minus(L::pattern(1)));
    (e, half)
}

/// The hyperbolic sine. Gradient: cosh x.
///
/// - PyTorch: `torch.sinh(x)`
/// - Cases: `elementwise(-4, 4)`
pub(crate) enum Sinh {}
impl Function for Sinh {
    const NAME: &str = "sinh";
    const DOMAIN: (f64, f64) = (-4.0, 4.0);
    /// (t + t / (1 + t)) / 2 for t = e^|x| - 1, or half of the power. Measured: 1.11 ULP.
    #[inline(always)]
    fn lanes<L: Lane64>(x: L) -> L {
        let (e, half) = half_power(x);
        let (t, rest) = expm1_of(&e);
        let (y, lost) = sum_by_size(t, t / (L::lit(1.0) + t));
        let small = L::lit(0.5) * (y + (lost + rest));
        let y = with_sign(L::select(x.abs().lt(L::lit(22.0)), small, half), x);
        // Where it is x to the last bit.
        L::select(x.abs().lt(L::lit(1e-9)), x, y)
    }
    fn reference(x: f64) -> f64 {
        libm::sinh(x)
    }
    #[inline(always)]
    fn slope<R: Real>(x: R, _: R) -> R {
        x.apply::<Cosh>()
    }
}

/// The hyperbolic cosine. Gradient: sinh x.
///
/// - PyTorch: `torch.cosh(x)`
/// - Cases: `elementwise(-4, 4)`
pub(crate) enum Cosh {}
impl Function for Cosh {
    const NAME: &str = "cosh";
    const DOMAIN: (f64, f64) = (-4.0, 4.0);
    /// Half of e^|x|, and half of one over it. Measured: 1.03 ULP.
    #[inline(always)]
    fn lanes<L: Lane64>(x: L) -> L {
        let (_, half) = half_power(x);
        half + L::lit(0.25) / half
    }
    fn reference(x: f64) -> f64 {
        libm::cosh(x)
    }
    #[inline(always)]
    fn slope<R: Real>(x: R, _: R) -> R {
        x.apply::<Sinh>()
    }
}

/// From where on ln 2 + ln(1 + (x - 1)) will do for the inverses of sinh and cosh.
const FAR: f64 = 1e10;

/// The inverse of the hyperbolic sine. Gradient: 1 / sqrt(1 + x^2).
///
/// - PyTorch: `torch.asinh(x)`
/// - Cases: `elementwise(-4, 4)`
pub(crate) enum Asinh {}
impl Function for Asinh {
    const NAME: &str = "asinh";
    const DOMAIN: (f64, f64) = (-4.0, 4.0);
    /// ln(1 + |x| + x^2 / (1 + sqrt(1 + x^2))), as msun s_asinh.c has it. Measured: 1.36 ULP.
    #[inline(always)]
    fn lanes<L: Lane64>(x: L) -> L {
        let (zero, one, a) = (L::lit(0.0), L::lit(1.0), x.abs());
        let far = L::lit(FAR).lt(a);
        let square = a * a;
        let more = L::select(far, zero, square / (one + (one + square).sqrt()));
        let (all, ln_2) = (L::select(far, a - one, a) + more, L::select(far, L::lit(LN_2), zero));
        let y = all.log1p() + ln_2;
        // Tiny numbers: the square may be subnormal.
        L::select(a.lt(L::lit(1e-9)), x, with_sign(y, x))
    }
    fn reference(x: f64) -> f64 {
        libm::asinh(x)
    }
    #[inline(always)]
    fn slope<R: Real>(x: R, _: R) -> R {
        let (t, beyond) = within_one(x);
        R::select(beyond, t.abs(), R::lit(1.0)) / (R::lit(1.0) + t * t).sqrt()
    }
}

/// The inverse of the hyperbolic cosine. Gradient: 1 / sqrt(x^2 - 1).
///
/// - PyTorch: `torch.acosh(x)`
/// - Cases: `elementwise(1.1, 8)`
pub(crate) enum Acosh {}
impl Function for Acosh {
    const NAME: &str = "acosh";
    const DOMAIN: (f64, f64) = (1.1, 8.0);
    /// ln(1 + t + sqrt(2 t + t^2)) for t = x - 1, as msun e_acosh.c has it. Measured: 1.2 ULP.
    #[inline(always)]
    fn lanes<L: Lane64>(x: L) -> L {
        let (zero, one) = (L::lit(0.0), L::lit(1.0));
        let far = L::lit(FAR).lt(x);
        let t = x - one;
        // The root as a pair.
        let (square, square_rest) = product(alone(t), sum(t, L::lit(2.0)));
        let root = square.sqrt();
        let missing = square.minus_product(root, root) + square_rest;
        let (u, lost) = sum(t, L::select(far, zero, root));
        let rest = lost + L::select(L::lit(0.0).lt(root), missing / (root + root), zero);
        let rest = L::select(far, zero, rest / (one + u));
        let y = u.log1p() + (L::select(far, L::lit(LN_2), zero) + rest);
        L::select(x.lt(one), L::lit(f64::NAN), y)
    }
    fn reference(x: f64) -> f64 {
        if x < 1.0 { f64::NAN } else { libm::acosh(x) }
    }
    #[inline(always)]
    fn slope<R: Real>(x: R, _: R) -> R {
        let (one, far) = (R::lit(1.0), R::lit(2.0).lt(x));
        let t = one / R::select(far, x, one);
        let away = R::select(far, t, one) / R::select(far, one - t * t, one).sqrt();
        let near = R::select(far, R::lit(2.0), x);
        R::select(far, away, one / ((near - one) * (near + one)).sqrt())
    }
}

/// The inverse of the hyperbolic tangent. Gradient: 1 / (1 - x^2).
///
/// - PyTorch: `torch.atanh(x)`
/// - Cases: `elementwise(-.9, .9)`
pub(crate) enum Atanh {}
impl Function for Atanh {
    const NAME: &str = "atanh";
    const DOMAIN: (f64, f64) = (-0.9, 0.9);
    /// ln(1 + 2 |x| / (1 - |x|)) / 2, as msun e_atanh.c has it. Measured: 1.38 ULP.
    #[inline(always)]
    fn lanes<L: Lane64>(x: L) -> L {
        let (one, a) = (L::lit(1.0), x.abs());
        let y = L::lit(0.5) * ((a + a) / (one - a)).log1p();
        let y = with_sign(L::select(one.lt(a), L::lit(f64::NAN), y), x);
        // Tiny numbers: half of twice a subnormal one, rounded in between.
        L::select(a.lt(L::lit(1e-9)), x, y)
    }
    fn reference(x: f64) -> f64 {
        libm::atanh(x)
    }
    #[inline(always)]
    fn slope<R: Real>(x: R, _: R) -> R {
        R::lit(1.0) / one_less_square(x)
    }
}
