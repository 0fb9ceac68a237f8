//! Modified Bessel functions of the first kind, scaled.
//!
//! Their derivatives are made of each other, as PyTorch's are: far from 0 these are near to each other,
//! and each derivative has as many units of rounding error as x has.

use crate::function::{Function, of_lanes};
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
}

/// e^-|x| I0(x), for the modified Bessel function of order 0. Gradient: i1e(x) - sign(x) y, which is 0
/// at 0.
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
    fn slope<R: Real>(x: R, y: R) -> R {
        let zero = R::lit(0.0);
        let signed = R::select(x.lt(zero), -y, R::select(x.eq(zero), zero, y));
        x.apply::<I1e>() - signed
    }
}

/// e^-|x| I1(x), for the modified Bessel function of order 1. Gradient: i0e(x) - (sign(x) + 1 / x) y,
/// which is 1/2 at 0.
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
        let (zero, one) = (R::lit(0.0), R::lit(1.0));
        let tiny = x.abs().lt(R::lit(f64::EPSILON));
        let away = R::select(tiny, one, x);
        let sign = R::select(x.lt(zero), -one, one);
        let slope = away.apply::<I0e>() - y * (sign + one / away);
        R::select(tiny, R::lit(0.5), slope)
    }
}
