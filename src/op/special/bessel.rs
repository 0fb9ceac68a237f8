//! Modified Bessel functions of the first kind, scaled or not.
//!
//! Far from 0 they are near to each other, and near 0 their quotients by x are: derivatives that are
//! differences of those cancel. So they are made of two families of integrals and series that have no
//! negative terms, and whose derivatives are members again: [`FallingMoment`] and [`BesselRatio`].

use crate::function::{Function, Function2, of_lanes};
use crate::lane::Lane64;
use crate::math::{at_most, polynomial, with_sign};
use crate::real::Real;

/// Up to a = 8 a power series; and for beyond, without the factor e^a, a polynomial in 16 / a - 1 over
/// the root of a, as Cephes has it (i0.c, i1.c; S. Moshier): the series of Chebyshev polynomials through
/// 45 points, up to where these fall below 2^-58, sorted by powers.
#[inline(always)]
fn series<L: Lane64, const N: usize>(a: L, near: [f64; N], far: [f64; 25]) -> (L, L) {
    let z = L::lit(0.25) * (at_most(a, 8.0) * a);
    let near = z * polynomial(z, near) + L::lit(1.0);
    let far = polynomial(L::lit(16.0) / a - L::lit(1.0), far) / a.sqrt();
    (near, far)
}

/// [`series`], falling by e^-a.
#[inline(always)]
fn falling<L: Lane64, const N: usize>(a: L, near: [f64; N], far: [f64; 25]) -> (L, L) {
    let (near, far) = series(a, near, far);
    (near * (-a).exp(), far)
}

/// [`series`], with e^a where it is without it: in two steps, for e^a overflows first.
#[inline(always)]
fn growing<L: Lane64, const N: usize>(a: L, near: [f64; N], far: [f64; 25]) -> (L, L) {
    let (near, far) = series(a, near, far);
    let root = (L::lit(0.5) * at_most(a, 720.0)).exp();
    let far = far * root * root;
    // Where the function is infinite, the root of a may be, too.
    (near, L::select(L::lit(714.0).lt(a), L::lit(f64::INFINITY), far))
}

/// The modified Bessel function of order 0. Gradient: i1(x).
///
/// - PyTorch: `special.i0(x)`
/// - Cases: `elementwise(.1, 20, special=False)`; `x=S(0.,nan,1.,-3.)`; `x=U(9,lo=-12,hi=-1)`
pub(crate) enum I0 {}
impl Function for I0 {
    const NAME: &str = "i0";
    const DOMAIN: (f64, f64) = (0.2, 5.0);
    const ULP: f64 = 4.0;
    /// [`growing`]. Measured: 3.47 ULP.
    #[inline(always)]
    fn lanes<L: Lane64>(x: L) -> L {
        let (near, far) = growing(x.abs(), I0e::NEAR, I0e::FAR);
        L::select(L::lit(8.0).lt(x.abs()), far, near)
    }
    fn reference(x: f64) -> f64 {
        of_lanes::<Self>(x)
    }
    #[inline(always)]
    fn slope<R: Real>(x: R, _: R) -> R {
        x.apply::<I1>()
    }
}

/// The modified Bessel function of order 1. Gradient: i0(x) - y / x, which is 1/2 at 0.
///
/// - PyTorch: `special.i1(x)`
/// - Cases: `elementwise(.1, 20, special=False)`; `x=S(0.,nan,1.,-3.)`; `x=U(9,lo=-12,hi=-1)`
pub(crate) enum I1 {}
impl Function for I1 {
    const NAME: &str = "i1";
    const DOMAIN: (f64, f64) = (0.2, 5.0);
    const ULP: f64 = 4.0;
    /// [`growing`]. Measured: 3.26 ULP.
    #[inline(always)]
    fn lanes<L: Lane64>(x: L) -> L {
        let a = x.abs();
        let (near, far) = growing(a, I1e::NEAR, I1e::FAR);
        with_sign(L::select(L::lit(8.0).lt(a), far, L::lit(0.5) * a * near), x)
    }
    fn reference(x: f64) -> f64 {
        of_lanes::<Self>(x)
    }
    #[inline(always)]
    fn slope<R: Real>(x: R, y: R) -> R {
        let tiny = x.abs().lt(R::lit(f64::EPSILON));
        let away = R::select(tiny, R::lit(1.0), x);
        R::select(tiny, R::lit(0.5), away.apply::<I0>() - y / away)
    }
    fn recorded<R: Real>(x: R, _: R) -> R {
        x.apply::<I0>() - R::lit(0.5) * R::lit(1.0).apply2::<BesselRatio>(x)
    }
}

/// I_n(x) n! (2 / x)^n = 0F1(; n + 1; x^2 / 4), 1 at 0. Gradient of x: x / (2 (n + 1)) times that of order
/// n + 1.
pub(crate) enum BesselRatio {}
impl Function2 for BesselRatio {
    const NAME: &str = "i1";
    const DOMAIN: [(f64, f64); 2] = [(0.6, 1.4), (0.2, 5.0)];
    #[inline(always)]
    fn lanes<L: Lane64>(n: L, x: L) -> L {
        n.one_by_one(x, Self::reference)
    }
    /// The series, without a negative term.
    fn reference(n: f64, x: f64) -> f64 {
        let (n, z) = (n.round_ties_even(), 0.25 * x * x);
        let (mut term, mut sum, mut k) = (1.0, 1.0, 1.0);
        while term > 1e-17 * sum && sum < f64::INFINITY {
            term *= z / ((n + k) * k);
            sum += term;
            k += 1.0;
        }
        // (A term that is infinite or NaN is the last one.)
        if term.is_finite() { sum } else { term * term }
    }
    #[inline(always)]
    fn pull<R: Real>([n, x]: [R; 2], _: R, g: R) -> [R; 2] {
        let next = n.round() + R::lit(1.0);
        [R::lit(0.0), g * (x / (R::lit(2.0) * next) * next.apply2::<Self>(x))]
    }
}

/// e^-|x| I0(x), for the modified Bessel function of order 0. Gradient: i1e(x) - sign(x) y, which does not
/// cancel, and is 0 at 0.
///
/// - PyTorch: `special.i0e(x)`
/// - Cases: `elementwise(.1, 20)`; `x=U(9,lo=-12,hi=-1)`
pub(crate) enum I0e {}
impl I0e {
    /// (I0(a) - 1) / z in z = a^2 / 4, for a up to 8; error 2^-55.3 of the function.
    const NEAR: [f64; 15] = [
        1.0,
        0.2499999999999997,
        0.027777777777778744,
        0.0017361111111096018,
        6.944444444579502e-05,
        1.929012344916849e-06,
        3.9367599179243686e-08,
        6.151186571199208e-10,
        7.59407253937199e-12,
        7.593868739973905e-14,
        6.277917963530582e-16,
        4.345729569835704e-18,
        2.6392895028703176e-20,
        1.1281535374967494e-22,
        9.190397093769652e-25,
    ];
    const FAR: [f64; 25] = [
        0.40217650944500805,
        0.003360551983667862,
        0.0001362160743919305,
        1.114303379093204e-05,
        1.4838475658279249e-06,
        2.9735985885673923e-07,
        8.872219737904054e-08,
        3.9325843345529525e-08,
        2.1548377974791595e-08,
        7.554691881248806e-09,
        -6.7476579561075216e-09,
        -1.3408917540089737e-08,
        -5.404771567579968e-09,
        7.552583062123378e-09,
        7.430464650325451e-09,
        -3.5059665308793187e-09,
        -5.953569438264931e-09,
        1.5200816953924089e-09,
        3.637954635901157e-09,
        -5.715843864202609e-10,
        -1.61898068362471e-09,
        1.5279202694981178e-10,
        4.577087631643731e-10,
        -2.0260604287412954e-11,
        -6.067631570603187e-11,
    ];
}
impl Function for I0e {
    const NAME: &str = "i0e";
    const DOMAIN: (f64, f64) = (0.2, 20.0);
    const ULP: f64 = 4.0;
    /// [`falling`]. Measured: 3.05 ULP.
    #[inline(always)]
    fn lanes<L: Lane64>(x: L) -> L {
        let a = x.abs();
        let (near, far) = falling(a, Self::NEAR, Self::FAR);
        L::select(L::lit(8.0).lt(a), far, near)
    }
    fn reference(x: f64) -> f64 {
        of_lanes::<Self>(x)
    }
    #[inline(always)]
    fn slope<R: Real>(x: R, _: R) -> R {
        falling_away(x, x.abs().apply::<FirstMoment>())
    }
    fn recorded<R: Real>(x: R, _: R) -> R {
        falling_away(x, R::lit(1.0).apply2::<FallingMoment>(x.abs()))
    }
}

/// A slope of this size away from 0, where it is 0 by decision.
#[inline(always)]
fn falling_away<R: Real>(x: R, size: R) -> R {
    let zero = R::lit(0.0);
    R::select(x.lt(zero), size, R::select(x.eq(zero), zero, -size))
}

/// e^-x (I0(x) - I1(x)) for x >= 0: [`FallingMoment`] of order 1.
pub(crate) enum FirstMoment {}
impl FirstMoment {
    /// 1F1(1/2; 2; z) for z up to 12; and the moment times x^(3/2) in 12 / x - 1 beyond, for x from 6
    /// on: the series of Chebyshev polynomials through 60 and 50 points, up to where these fall below
    /// 2^-57, sorted by powers.
    const NEAR: [f64; 30] = [
        1.0,
        0.2500000000000003,
        0.06249999999999292,
        0.013020833333403328,
        0.002278645832964689,
        0.00034179687619801194,
        4.4759111957284524e-05,
        5.19525849120397e-06,
        5.411675057933547e-07,
        5.111506978320698e-08,
        4.4110166266761166e-09,
        3.5288525221085287e-10,
        2.5065369398360928e-11,
        2.0906209575745494e-12,
        1.5022292044095724e-14,
        3.3212822856109626e-14,
        -5.457701870283366e-15,
        1.116245286658538e-15,
        -1.7153679444902045e-16,
        2.2959360446642844e-17,
        -2.5496002184513394e-18,
        2.3769243503138737e-19,
        -1.8339282489478954e-20,
        1.1619971259379295e-21,
        -5.939669216219004e-23,
        2.3956861137344434e-24,
        -7.350060757745697e-26,
        1.619838319215212e-27,
        -2.2948111216276928e-29,
        1.5996412186424755e-31,
    ];
    const FAR: [f64; 37] = [
        0.20626322098260663,
        0.007438561692881059,
        0.0007561899067737571,
        0.0001401016848448361,
        4.4043686884545165e-05,
        2.180098417734757e-05,
        1.089942492231485e-05,
        -1.4291332599046977e-06,
        -1.1096137742716372e-05,
        -7.364750552001461e-06,
        6.273723599273913e-06,
        8.387151116610707e-06,
        -5.044401168803668e-06,
        -7.321624757767339e-06,
        6.278440326418714e-06,
        4.623753940741818e-06,
        -8.078620189505486e-06,
        3.8575868735161797e-07,
        8.100204007626895e-06,
        -7.351909081538928e-06,
        -4.354771009806993e-06,
        1.3996979159020613e-05,
        -2.8458281241478673e-06,
        -1.7167627860454464e-05,
        1.0062732943895161e-05,
        1.5365991285408243e-05,
        -1.3122726548378773e-05,
        -1.0203870669440508e-05,
        1.0924779248684094e-05,
        4.922827492178651e-06,
        -6.195713722307154e-06,
        -1.635574759802666e-06,
        2.335633648474687e-06,
        3.350500149691056e-07,
        -5.308793063990341e-07,
        -3.190778622806545e-08,
        5.5238439179120965e-08,
    ];
}
impl Function for FirstMoment {
    const NAME: &str = "i0e";
    const DOMAIN: (f64, f64) = (0.2, 20.0);
    const ULP: f64 = 6.0;
    /// e^-2x times a polynomial, or one over the root of x^3. Measured: 5.76 ULP.
    #[inline(always)]
    fn lanes<L: Lane64>(x: L) -> L {
        let edge = L::lit(6.0);
        let z = L::lit(2.0) * at_most(x, 6.0);
        let near = (-z).exp() * polynomial(z, Self::NEAR);
        let away = L::select(x.lt(edge), edge, x);
        let far = polynomial(L::lit(12.0) / away - L::lit(1.0), Self::FAR) / away / away.sqrt();
        L::select(edge.lt(x), far, near)
    }
    fn reference(x: f64) -> f64 {
        of_lanes::<Self>(x)
    }
    #[inline(always)]
    fn slope<R: Real>(x: R, _: R) -> R {
        -R::lit(2.0).apply2::<FallingMoment>(x)
    }
}

/// The mean of (1 - cos t)^n e^(-x (1 - cos t)) over the angles t, for x >= 0: of order 0 it is i0e(x), and
/// its derivatives but for their signs are those of higher orders. Gradient of x: -(that of order n + 1).
pub(crate) enum FallingMoment {}
impl Function2 for FallingMoment {
    const NAME: &str = "i0e";
    const DOMAIN: [(f64, f64); 2] = [(0.6, 1.4), (0.2, 20.0)];
    #[inline(always)]
    fn lanes<L: Lane64>(n: L, x: L) -> L {
        n.one_by_one(x, Self::reference)
    }
    /// At 0 times 1F1(n + 1/2; n + 1; -2 x), which is e^(-2 x) 1F1(1/2; n + 1; 2 x), a series without a
    /// negative term; for large x the asymptotic one.
    fn reference(n: f64, x: f64) -> f64 {
        let (n, z) = (n.round_ties_even(), 2.0 * x);
        // (NaN is nowhere.)
        if !(0.0..=100.0).contains(&n) || !(0.0..).contains(&z) {
            return f64::NAN;
        }
        let orders = (1..=n as usize).map(|k| k as f64);
        let at_0 = orders.clone().fold(1.0, |product, k| product * (2.0 * k - 1.0) / k);
        let (mut term, mut sum, mut k) = (1.0, 1.0, 0.0);
        if z <= 40.0 + 10.0 * n {
            while term > 1e-17 * sum {
                term *= (k + 0.5) * z / ((n + 1.0 + k) * (k + 1.0));
                sum += term;
                k += 1.0;
            }
            return at_0 * (libm::exp(-z) * sum);
        }
        let root = at_0 / (std::f64::consts::PI * z).sqrt();
        let factor = orders.fold(root, |product, k| product * (k / z));
        loop {
            let next = term * ((n + 0.5 + k) * (0.5 + k) / ((k + 1.0) * z));
            if next >= term || next < 1e-17 * sum {
                return factor * sum;
            }
            (term, sum, k) = (next, sum + next, k + 1.0);
        }
    }
    #[inline(always)]
    fn pull<R: Real>([n, x]: [R; 2], _: R, g: R) -> [R; 2] {
        [R::lit(0.0), -(g * (n.round() + R::lit(1.0)).apply2::<Self>(x))]
    }
}

/// e^-|x| I1(x), for the modified Bessel function of order 1. Gradient: i0e(x) - (sign(x) + 1 / x) y,
/// which does not cancel, and is 1/2 at 0.
///
/// - PyTorch: `special.i1e(x)`
/// - Cases: `elementwise(.1, 20)`; `x=U(9,lo=-12,hi=-1)`
pub(crate) enum I1e {}
impl I1e {
    /// (2 I1(a) / a - 1) / z in z = a^2 / 4, for a up to 8; error 2^-54.1 of the function.
    const NEAR: [f64; 14] = [
        0.4999999999999997,
        0.08333333333333524,
        0.006944444444439517,
        0.00034722222222842615,
        1.1574074069565896e-05,
        2.755731943120667e-07,
        4.920949224443463e-09,
        6.834666132468852e-11,
        7.593855347341376e-13,
        6.90584706020392e-15,
        5.2139559475712245e-17,
        3.434965328005458e-19,
        1.5699792680197575e-21,
        1.3885742134861505e-23,
    ];
    const FAR: [f64; 25] = [
        0.38939845902587233,
        -0.009749577193235737,
        -0.00021923576383388928,
        -1.5038547200567218e-05,
        -1.8349101326980946e-06,
        -3.483855761044295e-07,
        -1.0001288294864884e-07,
        -4.312917729178349e-08,
        -2.337392820814264e-08,
        -8.427766093735183e-09,
        6.734464815301589e-09,
        1.4034238782067181e-08,
        5.974437608040275e-09,
        -7.642394134363554e-09,
        -7.888351507862104e-09,
        3.426234149007783e-09,
        6.242741219786487e-09,
        -1.438725053304087e-09,
        -3.794670896208384e-09,
        5.295625441161161e-10,
        1.684898447970544e-09,
        -1.4011625179770232e-10,
        -4.758818838703966e-10,
        1.8515118828852277e-11,
        6.305965197150244e-11,
    ];
}
impl Function for I1e {
    const NAME: &str = "i1e";
    const DOMAIN: (f64, f64) = (0.2, 20.0);
    const ULP: f64 = 4.0;
    /// [`falling`]. Measured: 2.81 ULP.
    #[inline(always)]
    fn lanes<L: Lane64>(x: L) -> L {
        let a = x.abs();
        let (near, far) = falling(a, Self::NEAR, Self::FAR);
        let y = L::select(L::lit(8.0).lt(a), far, L::lit(0.5) * a * near);
        with_sign(y, x)
    }
    fn reference(x: f64) -> f64 {
        of_lanes::<Self>(x)
    }
    #[inline(always)]
    fn slope<R: Real>(x: R, y: R) -> R {
        let tiny = x.abs().lt(R::lit(f64::EPSILON));
        let away = R::select(tiny, R::lit(1.0), x);
        R::select(tiny, R::lit(0.5), away.abs().apply::<FirstMoment>() - y / away)
    }
    fn recorded<R: Real>(x: R, _: R) -> R {
        let moment = |n| R::lit(n).apply2::<FallingMoment>(x.abs());
        moment(2.0) - moment(1.0)
    }
}
