//! The error function's complement and inverse, and the normal distribution.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, SQRT_2};

use crate::function::{Function, Function2, of_lanes};
use crate::lane::Lane64;
use crate::math::double::{
    BIAS, ERF, FRAC_1_SQRT_2_PI, alone, bell_power, exponential, mills, normal_tail, scale,
};
use crate::math::{at_most, polynomial, sum, with_sign};
use crate::real::Real;

/// What sqrt 2 loses in f64.
const SQRT_2_REST: f64 = -9.667293313452913e-17;
/// sqrt(2 pi)
const SQRT_2_PI: f64 = 2.5066282746310007;
/// sqrt(pi) / 2
const HALF_SQRT_PI: f64 = 0.886226925452758;

/// a sqrt(2), a pair.
#[inline(always)]
fn times_sqrt_2<L: Lane64>(a: L) -> (L, L) {
    let y = a * L::lit(SQRT_2);
    (y, a.product_error(L::lit(SQRT_2), y) + a * L::lit(SQRT_2_REST))
}

/// e^(-a^2), the exponent being a pair.
#[inline(always)]
fn bell_of_square<L: Lane64>(a: L) -> crate::math::double::Exponential<L> {
    let square = a * a;
    exponential((-square, -a.product_error(a, square)))
}

/// 1 - erf(x), without its cancellation. Gradient: -2 / sqrt(pi) e^(-x^2).
///
/// - PyTorch: `torch.erfc(x)`
/// - Cases: `elementwise(-3, 3)`
pub(crate) enum Erfc {}
impl Function for Erfc {
    const NAME: &str = "erfc";
    const DOMAIN: (f64, f64) = (-2.5, 2.5);
    /// 1 - erf(x) by a polynomial for |x| < 0.477, else twice the normal distribution's tail at
    /// sqrt(2) |x|, or 2 less that. Measured: 1.77 ULP.
    #[inline(always)]
    fn lanes<L: Lane64>(x: L) -> L {
        // Beyond 27.3 the tail is 0.
        let a = at_most(x.abs(), 27.5);
        let e = bell_of_square(a);
        let tail = scale(L::lit(2.0) * normal_tail(times_sqrt_2(a), &e), e.biased);
        let near = L::lit(1.0) - (x + x * polynomial(x * x, ERF));
        let far = L::select(x.lt(L::lit(0.0)), L::lit(2.0) - tail, tail);
        L::select(a.lt(L::lit(0.477)), near, far)
    }
    fn reference(x: f64) -> f64 {
        libm::erfc(x)
    }
    #[inline(always)]
    fn slope<R: Real>(x: R, _: R) -> R {
        R::lit(-FRAC_2_SQRT_PI) * x.bell()
    }
}

/// e^(x^2) erfc(x), without overflow above 0. Gradient: 2 x y - 2 / sqrt(pi), which does not cancel.
///
/// - PyTorch: `special.erfcx(x)`
/// - Cases: `elementwise(-3, 8, special=False)`; `x=S(0.,-0.,-inf,nan,1.,-3.)`; `x=S(inf)`
pub(crate) enum Erfcx {}
impl Function for Erfcx {
    const NAME: &str = "erfcx";
    const DOMAIN: (f64, f64) = (-2.0, 4.0);
    const ULP: f64 = 3.0;
    /// What is beside the power of e in the normal distribution's tail, or its asymptotic series; for x
    /// below 0 that less than 2 e^(x^2). Measured: 2.11 ULP.
    #[inline(always)]
    fn lanes<L: Lane64>(x: L) -> L {
        /// erfcx(x) x sqrt(pi), in 1 / (2 x^2): the asymptotic series.
        const SERIES: [f64; 8] = [1.0, -1.0, 3.0, -15.0, 105.0, -945.0, 10395.0, -135135.0];
        /// 1 / sqrt(pi)
        const INVERSE: f64 = 0.5641895835477563;
        let a = x.abs();
        let bounded = at_most(a, 27.0);
        let (near, rest) = mills(times_sqrt_2(bounded)).quotient();
        let z = L::lit(0.5) / (a * a);
        let far = L::lit(INVERSE) / a * polynomial(z, SERIES);
        let above = L::select(L::lit(27.0).lt(a), far, L::lit(2.0) * (near + rest));
        let square = bounded * bounded;
        let e = exponential((square, bounded.product_error(bounded, square)));
        // At 27 it is infinite.
        let power = scale(L::lit(2.0) + L::lit(2.0) * (e.r + e.s), e.biased);
        L::select(x.lt(L::lit(0.0)), power - above, above)
    }
    fn reference(x: f64) -> f64 {
        of_lanes::<Self>(x)
    }
    #[inline(always)]
    fn slope<R: Real>(x: R, _: R) -> R {
        x.apply::<ErfcxSlope>()
    }
}

/// The derivative of erfcx. Its own: [`ErfcMoment`] of order 2.
pub(crate) enum ErfcxSlope {}
impl ErfcxSlope {
    /// -erfcx'(x) (1 + x)^2 in (x - 3) / (x + 3): the series of Chebyshev polynomials through 70 points, up
    /// to where these fall below 2^-58, sorted by powers.
    const ABOVE: [f64; 28] = [
        0.869956160114766,
        -0.43993078235099875,
        0.10852958956914442,
        0.10902015961134301,
        -0.13897039952792678,
        0.06581824372900277,
        -0.00020911712263013273,
        -0.01755049062614256,
        0.00834837767993897,
        0.0003900284681381723,
        -0.0016024652801523056,
        0.00020549743469060574,
        0.0002761169916860324,
        -5.6427157270897084e-05,
        -5.3379800816434993e-05,
        1.0074224332535162e-05,
        1.1679877145329297e-05,
        -1.021584332795941e-06,
        -2.672866572040064e-06,
        -1.806831071414312e-07,
        5.786996987758054e-07,
        1.486627448924947e-07,
        -1.0617653116427523e-07,
        -5.09894566162371e-08,
        1.416305884887873e-08,
        1.05381574082075e-08,
        -9.991750364950917e-10,
        -1.0509787629648675e-09,
    ];
}
impl Function for ErfcxSlope {
    const NAME: &str = "erfcx";
    const DOMAIN: (f64, f64) = (-2.0, 4.0);
    const ULP: f64 = 5.0;
    /// A polynomial above 0; below, 2 x erfcx(x) - 2 / sqrt(pi), in which nothing cancels. Measured: 4.81
    /// ULP.
    #[inline(always)]
    fn lanes<L: Lane64>(x: L) -> L {
        let (zero, one, three) = (L::lit(0.0), L::lit(1.0), L::lit(3.0));
        let below = L::lit(2.0) * x * Erfcx::lanes(x) - L::lit(FRAC_2_SQRT_PI);
        // Where it is subnormal or 0 the quotient need not be a number.
        let a = at_most(x.abs(), 1e200);
        let size = one / (one + a);
        let above = polynomial((a - three) / (a + three), Self::ABOVE) * size * size;
        L::select(x.lt(zero), below, L::select(x.eq(x), -above, x))
    }
    fn reference(x: f64) -> f64 {
        of_lanes::<Self>(x)
    }
    #[inline(always)]
    fn slope<R: Real>(x: R, _: R) -> R {
        R::lit(2.0).apply2::<ErfcMoment>(x)
    }
}

/// 2^n n! e^(x^2) i^n erfc(x), of the repeated integrals of erfc: the n-th derivative of erfcx, but for
/// its sign. Gradient of x: -(that of order n + 1).
pub(crate) enum ErfcMoment {}
impl Function2 for ErfcMoment {
    const NAME: &str = "erfcx";
    const DOMAIN: [(f64, f64); 2] = [(1.6, 2.4), (-2.0, 4.0)];
    #[inline(always)]
    fn lanes<L: Lane64>(n: L, x: L) -> L {
        n.one_by_one(x, Self::reference)
    }
    /// By the recurrence F_(k+1) = 2 k F_(k-1) - 2 x F_k. It is stable below 0, and good enough up to 1;
    /// beyond, ratios are found backwards, which converges the faster the larger x is (W. Gautschi, 1967).
    fn reference(n: f64, x: f64) -> f64 {
        let n = n.round_ties_even();
        // (NaN is no order.)
        if !(0.0..=100.0).contains(&n) || x.is_nan() {
            return f64::NAN;
        }
        let (zeroth, n) = (Erfcx::reference(x), n as usize);
        if n == 0 {
            return zeroth;
        }
        if x < 1.0 {
            let (mut before, mut last) = (zeroth, -ErfcxSlope::reference(x));
            for k in 1..n {
                (before, last) = (last, 2.0 * k as f64 * before - 2.0 * x * last);
            }
            return last;
        }
        let steps = n + 10 + (200.0 / (x * x)) as usize;
        let mut ratio = (x * x + 2.0 * steps as f64).sqrt() - x;
        let mut product = zeroth;
        for k in (1..=steps).rev() {
            ratio = 2.0 * k as f64 / (2.0 * x + ratio);
            product *= if k <= n { ratio } else { 1.0 };
        }
        product
    }
    #[inline(always)]
    fn pull<R: Real>([n, x]: [R; 2], _: R, g: R) -> [R; 2] {
        [R::lit(0.0), -(g * (n.round() + R::lit(1.0)).apply2::<Self>(x))]
    }
}

/// y with erf(y) = x as y + rest, and what its slope is made of.
struct Inverse<L> {
    y: L,
    rest: L,
    /// e^(y^2), still to be scaled by the power of 2.
    growth: L,
    biased: L,
}

/// The inverse of the error function at x, from 0 to 1, where `tail` is 1 - x: each must be exact
/// where it is below 1/2.
///
/// A first y to 7 digits (M. Wichura, algorithm AS 241, PPND7), and from there Taylor's series of the
/// inverse, in what erf(y) misses near 0, else erfc(y), over the power of e that is in the slope.
#[inline(always)]
fn inverse<L: Lane64>(x: L, tail: L) -> Inverse<L> {
    const NEAR: ([f64; 4], [f64; 4]) = (
        [3.3871327179, 50.434271938, 159.29113202, 59.109374720],
        [1.0, 17.895169469, 78.757757664, 67.187563600],
    );
    const TAIL: ([f64; 4], [f64; 3]) = (
        [1.4234372777, 2.7568153900, 1.3067284816, 0.17023821103],
        [1.0, 0.73700164250, 0.12021132975],
    );
    const FAR: ([f64; 4], [f64; 3]) = (
        [6.6579051150, 3.0812263860, 0.42868294337, 0.017337203997],
        [1.0, 0.24197894225, 0.012258202635],
    );
    let (zero, one) = (L::lit(0.0), L::lit(1.0));
    let q = x * L::lit(0.5);
    let z = L::lit(0.180625) - q * q;
    let near = q * polynomial(z, NEAR.0) / polynomial(z, NEAR.1);
    let r = (-(tail * L::lit(0.5)).ln()).sqrt();
    let (t, u) = (r - L::lit(1.6), r - L::lit(5.0));
    let middle = polynomial(t, TAIL.0) / polynomial(t, TAIL.1);
    let far = polynomial(u, FAR.0) / polynomial(u, FAR.1);
    let far = L::select(r.lt(L::lit(5.0)), middle, far);
    let y = L::lit(FRAC_1_SQRT_2) * L::select(x.lt(L::lit(0.85)), near, far);

    let e = bell_of_square(y);
    let power = one + (e.r + e.s);
    let is_near = x.lt(L::lit(0.5));
    let missing = L::select(is_near, x - (y + y * polynomial(y * y, ERF)), -tail);
    let against = L::pattern(2 * u64::from(BIAS)).minus(e.biased);
    let missing = scale(missing, against);
    let there = L::lit(2.0) * normal_tail(times_sqrt_2(y), &e);
    let missing = missing + L::select(is_near, zero, there);
    let u = missing / (L::lit(FRAC_2_SQRT_PI) * power);
    let square = y * y;
    let third = square.mul_add(L::lit(4.0 / 3.0), L::lit(1.0 / 3.0));
    let fourth = y * square.mul_add(L::lit(2.0), L::lit(7.0 / 6.0));
    let rest = u.mul_add(u * u.mul_add(u.mul_add(fourth, third), y), u);

    // e^((y + rest)^2 - y^2)
    let w = (y + y + rest) * rest;
    let growth = w.mul_add(w.mul_add(w.mul_add(L::lit(1.0 / 6.0), L::lit(0.5)), one), one) / power;
    Inverse { y, rest, growth, biased: against }
}

/// The number whose error function is x. Gradient: sqrt(pi) / 2 e^(y^2).
///
/// - PyTorch: `torch.erfinv(x)`
/// - Cases: `elementwise(-.95, .95)`
pub(crate) enum Erfinv {}
impl Erfinv {
    /// erfinv(x) / x in w / 8.32 - 1 for w = -ln(1 - x^2), for all |x| that are f32 and below 1; error
    /// 2^-28: the series of Chebyshev polynomials through 48 points, sorted by powers. (The variable is
    /// that of M. Giles, "Approximating the erfinv function", 2010.)
    const SINGLE: [f64; 20] = [
        2.717363245801896,
        1.4409911499628256,
        -0.3340190748508702,
        0.1346296803815148,
        -0.045304852746649894,
        -0.008602096154186037,
        0.03893812773316672,
        -0.04770052889849061,
        0.03817382791604978,
        -0.01791549474002738,
        0.001023676283589046,
        0.004246202473304454,
        -0.010017093406151686,
        0.020522288657908554,
        -0.013668990618340121,
        -0.008555142962934007,
        0.013920900734699702,
        -0.0021338619182632575,
        -0.0034168519388953775,
        0.0012837960881905345,
    ];
}
impl Function for Erfinv {
    const NAME: &str = "erfinv";
    const DOMAIN: (f64, f64) = (-0.9, 0.9);
    const SINGLE_ULP: Option<f64> = Some(0.58);
    /// [`inverse`]. Measured: 1.84 ULP.
    #[inline(always)]
    fn lanes<L: Lane64>(x: L) -> L {
        let a = x.abs();
        let Inverse { y, rest, .. } = inverse(a, L::lit(1.0) - a);
        let y = L::select(a.eq(L::lit(1.0)), L::lit(f64::INFINITY), y + rest);
        with_sign(y.abs(), x)
    }
    /// A polynomial. Measured: 0.56 ULP.
    #[inline(always)]
    fn single<L: Lane64>(x: L) -> L {
        let one = L::lit(1.0);
        let w = -((one - x) * (one + x)).ln();
        let y = x * polynomial(w * L::lit(1.0 / 8.32) - one, Self::SINGLE);
        L::select(x.abs().eq(one), with_sign(L::lit(f64::INFINITY), x), y)
    }
    fn reference(x: f64) -> f64 {
        of_lanes::<Self>(x)
    }
    #[inline(always)]
    fn slope<R: Real>(x: R, _: R) -> R {
        x.apply::<ErfinvSlope>()
    }
}

/// The derivative of erfinv. Its own: 2 y of its square.
pub(crate) enum ErfinvSlope {}
impl Function for ErfinvSlope {
    const NAME: &str = "erfinv";
    const DOMAIN: (f64, f64) = (-0.9, 0.9);
    const ULP: f64 = 4.0;
    #[inline(always)]
    fn lanes<L: Lane64>(x: L) -> L {
        let a = x.abs();
        let Inverse { growth, biased, .. } = inverse(a, L::lit(1.0) - a);
        let y = scale(L::lit(HALF_SQRT_PI) * growth, biased);
        L::select(a.eq(L::lit(1.0)), L::lit(f64::INFINITY), y)
    }
    fn reference(x: f64) -> f64 {
        of_lanes::<Self>(x)
    }
    #[inline(always)]
    fn slope<R: Real>(x: R, y: R) -> R {
        R::lit(2.0) * x.apply::<Erfinv>() * y * y
    }
}

/// P(Z <= x) for a standard normal Z. Gradient: e^(-x^2 / 2) / sqrt(2 pi).
///
/// - PyTorch: `special.ndtr(x)`
/// - Cases: `elementwise(-4, 4)`
pub(crate) enum Ndtr {}
impl Function for Ndtr {
    const NAME: &str = "ndtr";
    const DOMAIN: (f64, f64) = (-4.0, 4.0);
    #[inline(always)]
    fn lanes<L: Lane64>(x: L) -> L {
        x.normal_cdf()
    }
    fn reference(x: f64) -> f64 {
        Real::normal_cdf(x)
    }
    #[inline(always)]
    fn slope<R: Real>(x: R, _: R) -> R {
        R::lit(FRAC_1_SQRT_2_PI) * x.gaussian()
    }
}

/// From where on series in 1 / a^2 are summed for the normal distribution's tail.
const FAR: f64 = 38.0;

/// The logarithm of P(Z <= x) for a standard normal Z, also where that is 0. Gradient:
/// e^(-x^2 / 2) / sqrt(2 pi) over P(Z <= x), that is -x far below 0.
///
/// - PyTorch: `special.log_ndtr(x)`
/// - Cases: `elementwise(-4, 4, special=False)`; `x=S(0.,-0.,inf,nan,3.,-1.,-20.)`
pub(crate) enum LogNdtr {}
impl Function for LogNdtr {
    const NAME: &str = "log_ndtr";
    const DOMAIN: (f64, f64) = (-4.0, 4.0);
    const ULP: f64 = 3.0;
    /// ln(1 - P(Z <= -x)) above 0; below, -x^2 / 2 and the logarithm of what is beside it in the tail.
    /// Measured: 2.4 ULP.
    #[inline(always)]
    fn lanes<L: Lane64>(x: L) -> L {
        /// ln(P(Z <= -a) e^(a^2 / 2) a sqrt(2 pi)) a^2 in 1 / a^2: the asymptotic series.
        const SERIES: [f64; 5] = [-1.0, 2.5, -37.0 / 3.0, 88.25, -816.2];
        let (zero, a) = (L::lit(0.0), x.abs());
        let (bounded, square) = (at_most(a, 40.0), a * a);
        let e = bell_power(bounded);
        let tail = scale(normal_tail(alone(bounded), &e), e.biased);
        let above = (-tail).log1p();

        let far = L::lit(FAR).lt(a);
        let z = L::lit(1.0) / square;
        let (near, rest) = mills(alone(bounded)).quotient();
        let size = L::select(far, L::lit(FRAC_1_SQRT_2_PI) / a, near);
        let more = L::select(far, z * polynomial(z, SERIES), rest / near);
        let lost = L::lit(-0.5) * a.product_error(a, square);
        // Beyond, nothing counts but the square, which may be infinite.
        let small = L::select(a.lt(L::lit(1e20)), size.ln() + (more + lost), zero);
        let below = L::lit(-0.5) * square + small;
        L::select(x.lt(zero), below, above)
    }
    fn reference(x: f64) -> f64 {
        of_lanes::<Self>(x)
    }
    #[inline(always)]
    fn slope<R: Real>(x: R, _: R) -> R {
        x.apply::<Hazard>()
    }
}

/// The derivative of log_ndtr, h. Its own: -h (x + h).
pub(crate) enum Hazard {}
impl Hazard {
    /// h / a - 1 for x = -a, in 1 / a^2, without the factor 1 / a^2: the asymptotic series.
    const SERIES: [f64; 6] = [1.0, -2.0, 10.0, -74.0, 706.0, -8162.0];
}
impl Function for Hazard {
    const NAME: &str = "log_ndtr";
    const DOMAIN: (f64, f64) = (-4.0, 4.0);
    const ULP: f64 = 4.0;
    #[inline(always)]
    fn lanes<L: Lane64>(x: L) -> L {
        let (zero, one, a) = (L::lit(0.0), L::lit(1.0), x.abs());
        let bounded = at_most(a, 40.0);
        let e = bell_power(bounded);
        let tail = scale(normal_tail(alone(bounded), &e), e.biased);
        let density = L::lit(FRAC_1_SQRT_2_PI) * scale(one + (e.r + e.s), e.biased);
        let near = L::lit(FRAC_1_SQRT_2_PI) / mills(alone(bounded)).quotient().0;
        let z = one / (a * a);
        let far = a + a * (z * polynomial(z, Self::SERIES));
        let far = L::select(L::lit(1e20).lt(a), a, far);
        let below = L::select(L::lit(FAR).lt(a), far, near);
        L::select(x.lt(zero), below, density / (one - tail))
    }
    fn reference(x: f64) -> f64 {
        of_lanes::<Self>(x)
    }
    #[inline(always)]
    fn slope<R: Real>(x: R, y: R) -> R {
        // x + h would lose its digits.
        let far = x.lt(R::lit(-FAR));
        let a = R::select(far, x, R::lit(-FAR));
        let z = R::lit(1.0) / (a * a);
        let series = Self::SERIES.iter().rev().fold(R::lit(0.0), |sum, &c| sum * z + R::lit(c));
        -(y * R::select(far, -(series / a), x + y))
    }
}

/// The number that a standard normal Z is below with probability x. Gradient:
/// sqrt(2 pi) e^(y^2 / 2).
///
/// - PyTorch: `special.ndtri(x)`
/// - Cases: `elementwise(.02, .98)`
pub(crate) enum Ndtri {}
impl Ndtri {
    /// The inverse of the error function at |2 x - 1|.
    #[inline(always)]
    fn inverse<L: Lane64>(x: L) -> Inverse<L> {
        let (half, one) = (L::lit(0.5), L::lit(1.0));
        let tail = L::select(half.lt(x), one - x, x);
        let tail = tail + tail;
        inverse(one - tail, tail)
    }
}
impl Function for Ndtri {
    const NAME: &str = "ndtri";
    const DOMAIN: (f64, f64) = (0.05, 0.95);
    /// [`inverse`]. Measured: 1.54 ULP.
    #[inline(always)]
    fn lanes<L: Lane64>(x: L) -> L {
        let (zero, half, one) = (L::lit(0.0), L::lit(0.5), L::lit(1.0));
        let Inverse { y, rest, .. } = Self::inverse(x);
        let (y, lost) = times_sqrt_2(y);
        let (y, lost) = sum(y, lost + rest * L::lit(SQRT_2));
        let y = y + lost;
        let y = L::select(x.eq(zero), L::lit(f64::INFINITY), y);
        let y = L::select(x.eq(one), L::lit(f64::INFINITY), y);
        L::select(x.lt(half), -y, y)
    }
    fn reference(x: f64) -> f64 {
        of_lanes::<Self>(x)
    }
    #[inline(always)]
    fn slope<R: Real>(x: R, _: R) -> R {
        x.apply::<NdtriSlope>()
    }
}

/// The derivative of ndtri. Its own: y of its square.
pub(crate) enum NdtriSlope {}
impl Function for NdtriSlope {
    const NAME: &str = "ndtri";
    const DOMAIN: (f64, f64) = (0.05, 0.95);
    const ULP: f64 = 4.0;
    #[inline(always)]
    fn lanes<L: Lane64>(x: L) -> L {
        let Inverse { growth, biased, .. } = Ndtri::inverse(x);
        let y = scale(L::lit(SQRT_2_PI) * growth, biased);
        let y = L::select(x.eq(L::lit(0.0)), L::lit(f64::INFINITY), y);
        L::select(x.eq(L::lit(1.0)), L::lit(f64::INFINITY), y)
    }
    fn reference(x: f64) -> f64 {
        of_lanes::<Self>(x)
    }
    #[inline(always)]
    fn slope<R: Real>(x: R, y: R) -> R {
        x.apply::<Ndtri>() * y * y
    }
}
