//! The gamma function's logarithm and the derivatives of that.

use std::f64::consts::{FRAC_1_PI, PI};

use crate::error::{ErrorKind, Maybe};
use crate::function::{Function, Function2, of_lanes};
use crate::graph::Core;
use crate::id::NodeId;
use crate::lane::Lane64;
use crate::math::double::{alone, ln_pair, product, sine_and_cosine};
use crate::math::{at_most, polynomial, sum, sum_by_size, with_sign};
use crate::op::record::Rec;
use crate::real::Real;

/// From here on the asymptotic series are summed.
const LARGE: f64 = 8.5;

/// What pi loses in f64.
const PI_REST: f64 = 1.2246467991473532e-16;

/// |sin(pi a)|.
#[inline(always)]
fn sine_of_turns<L: Lane64>(a: L) -> L {
    let r = (a - a.round()).abs();
    // Of the sine or the cosine of the smaller angle.
    let steep = L::lit(0.25).lt(r);
    let r = L::select(steep, L::lit(0.5) - r, r);
    let angle = r * L::lit(PI);
    let rest = r.product_error(L::lit(PI), angle) + r * L::lit(PI_REST);
    let (sine, cosine) = sine_and_cosine((angle, rest));
    L::select(steep, cosine, sine)
}

/// ln|Gamma(x)|. Gradient: digamma(x).
///
/// - PyTorch: `torch.lgamma(x)`
/// - Cases: `elementwise(.2, 9)`; `x=U(8, lo=-2.95, hi=-2.05)`; `x=U(5, lo=20, hi=300)`
pub(crate) enum Lgamma {}
impl Lgamma {
    /// The derivative at 2, a pair.
    const SLOPE: (f64, f64) = (0.42278433509846713, 4.942915152430645e-18);
    /// (ln Gamma(2 + t) / t - the derivative at 2) / t on |t| <= 1/2; error 2^-56.3.
    const NEAR: [f64; 19] = [
        0.3224670334241132,
        -0.0673523010531981,
        0.020580808427787232,
        -0.007385551028671968,
        0.0028905103305510924,
        -0.0011927539118445232,
        0.0005096695308921585,
        -0.00022315475396207383,
        9.945740494646366e-05,
        -4.492631395651302e-05,
        2.0508328179638064e-05,
        -9.43871071727361e-06,
        4.367845490054825e-06,
        -2.043923743590957e-06,
        9.817507687028487e-07,
        -4.324805443709172e-07,
        1.5526952435374738e-07,
        -1.3224039062092402e-07,
        1.0403238653834714e-07,
    ];
    /// What Stirling's formula misses, times a, in 1 / a^2; error 2^-64.2.
    const STIRLING: [f64; 7] = [
        0.08333333333333333,
        -0.0027777777777641182,
        0.0007936507857337788,
        -0.0005952358643367705,
        0.0008414078232251431,
        -0.0018878893302856374,
        0.005030303156919336,
    ];
    /// ln(2 pi) / 2, a pair.
    const HALF_LN_2_PI: (f64, f64) = (0.9189385332046728, -3.8782941580672414e-17);

    /// At a > 0, a pair: by the recurrence from [1.5, 2.5], or by Stirling's formula.
    #[inline(always)]
    fn positive<L: Lane64>(a: L) -> (L, L) {
        let (zero, one) = (L::lit(0.0), L::lit(1.0));
        let large = L::lit(LARGE).le(a);
        // Steps up (negative) or down, and where they lead to, exactly.
        let n = (at_most(a, LARGE) - L::lit(2.0)).round();
        let t = a - (n + L::lit(2.0));
        // The product of what the steps pass.
        let below = n.lt(zero);
        let first = L::select(one.le(n), a - one, one);
        let (shifted, shifted_rest) = sum(one, a);
        let is_small = n.lt(-one);
        let second = L::select(L::lit(2.0).le(n), a - L::lit(2.0), one);
        let second =
            (L::select(is_small, shifted, second), L::select(is_small, shifted_rest, zero));
        let mut p = product(alone(L::select(below, a, first)), second);
        let mut j = 3.0;
        while j < 6.5 {
            let step = L::select(L::lit(j).le(n), a - L::lit(j), one);
            p = product(p, alone(step));
            j += 1.0;
        }

        let (ln, ln_rest) = ln_pair(L::select(large, a, p.0));
        let ln_rest = ln_rest + L::select(large, zero, p.1 / p.0);
        let (ln, ln_rest) = (L::select(below, -ln, ln), L::select(below, -ln_rest, ln_rest));

        let (slope, slope_rest) = sum_by_size(L::lit(Self::SLOPE.0), t * polynomial(t, Self::NEAR));
        let (g, g_rest) = product(alone(t), (slope, slope_rest + L::lit(Self::SLOPE.1)));
        let (near, near_rest) = sum(g, ln);
        let near_rest = near_rest + (g_rest + ln_rest);

        let inverse = one / a;
        let more = inverse * polynomial(inverse * inverse, Self::STIRLING);
        let (far, far_rest) = product(alone(a - L::lit(0.5)), (ln, ln_rest));
        let (far, lost) = sum(far, -a);
        let far_rest = far_rest + lost + (more + L::lit(Self::HALF_LN_2_PI.1));
        let (far, lost) = sum(far, L::lit(Self::HALF_LN_2_PI.0));
        sum(L::select(large, far, near), L::select(large, far_rest + lost, near_rest))
    }

    /// As `positive`, to the digits of f64.
    #[inline(always)]
    fn positive_in_f64<L: Lane64>(a: L) -> L {
        let (zero, one) = (L::lit(0.0), L::lit(1.0));
        let large = L::lit(LARGE).le(a);
        let n = (at_most(a, LARGE) - L::lit(2.0)).round();
        let t = a - (n + L::lit(2.0));
        let below = n.lt(zero);
        let second = L::select(n.lt(-one), one + a, one);
        let mut p = L::select(below, a, one) * second;
        let mut j = 1.0;
        while j < 6.5 {
            p = p * L::select(L::lit(j).le(n), a - L::lit(j), one);
            j += 1.0;
        }
        let ln = L::select(large, a, p).ln();
        let g = t * t.mul_add(polynomial(t, Self::NEAR), L::lit(Self::SLOPE.0));
        let near = g + L::select(below, -ln, ln);
        let inverse = one / a;
        let more = inverse * polynomial(inverse * inverse, Self::STIRLING);
        let far = (a - L::lit(0.5)) * ln - a + (L::lit(Self::HALF_LN_2_PI.0) + more);
        L::select(large, far, near)
    }
}
impl Function for Lgamma {
    const NAME: &str = "lgamma";
    const DOMAIN: (f64, f64) = (0.1, 8.0);
    const SINGLE_ULP: Option<f64> = Some(0.51);
    /// [`Lgamma::positive`], and for x below 0 by the reflection
    /// Gamma(-a) Gamma(a) = -pi / (a sin(pi a)). Measured: 1.22 ULP above 0; below, near the zeros, a
    /// rounding of a number near 1.
    #[inline(always)]
    fn lanes<L: Lane64>(x: L) -> L {
        const FRAC_1_PI_REST: f64 = -1.9678676675182486e-17;
        let (zero, infinity, a) = (L::lit(0.0), L::lit(f64::INFINITY), x.abs());
        let (y, rest) = Self::positive(a);
        let above = L::select(L::lit(2.5563481638716906e305).lt(a), infinity, y + rest);

        let sine = sine_of_turns(a);
        let area =
            product(product(alone(a), alone(sine)), (L::lit(FRAC_1_PI), L::lit(FRAC_1_PI_REST)));
        let (ln, ln_rest) = ln_pair(area.0);
        let (below, lost) = sum(ln, y);
        let below = -(below + (lost + rest + ln_rest + area.1 / area.0));
        // As at -x, to the last bit; and the area might be no number.
        let below = L::select(a.lt(L::lit(1e-20)), above, below);
        let below = L::select(sine.eq(zero), infinity, below);

        let y = L::select(x.lt(zero), below, above);
        let y = L::select(x.eq(zero), infinity, y);
        L::select(a.lt(infinity), y, a)
    }
    /// The same without pairs. Measured: the nearest f32 of the other one above 0; below, near the zeros, a rounding of
    /// an f64 near 1.
    #[inline(always)]
    fn single<L: Lane64>(x: L) -> L {
        let (zero, infinity, a) = (L::lit(0.0), L::lit(f64::INFINITY), x.abs());
        let above = Self::positive_in_f64(a);
        let sine = sine_of_turns(a);
        let below = -((a * sine * L::lit(FRAC_1_PI)).ln() + above);
        let below = L::select(a.lt(L::lit(1e-20)), above, below);
        let below = L::select(sine.eq(zero), infinity, below);
        let y = L::select(x.lt(zero), below, above);
        let y = L::select(x.eq(zero), infinity, y);
        L::select(a.lt(infinity), y, a)
    }
    fn reference(x: f64) -> f64 {
        of_lanes::<Self>(x)
    }
    #[inline(always)]
    fn slope<R: Real>(x: R, _: R) -> R {
        x.apply::<Digamma>()
    }
}

/// The logarithmic derivative of the gamma function. Gradient: polygamma(1, x).
///
/// - PyTorch: `torch.digamma(x)`
/// - Cases: `elementwise(.2, 9)`; `x=U(8, lo=-2.95, hi=-2.05)`; `x=U(5, lo=20, hi=300)`
pub(crate) enum Digamma {}
impl Digamma {
    /// The zero, less 1.5, as a pair.
    const ZERO: (f64, f64) = (1.4616321449683622 - 1.5, 9.549995429965697e-17);
    /// psi(1.5 + u) over the distance from the zero, on |u| <= 1/2; error 2^-54.2.
    const NEAR: [f64; 23] = [
        0.9510558760318328,
        -0.4236274212814606,
        0.24054248424078722,
        -0.14840492305388028,
        0.09498872445284975,
        -0.0619221332755427,
        0.04076083394339166,
        -0.026975796657624916,
        0.017907248235567774,
        -0.011908220153187122,
        0.007927023327463171,
        -0.005279936635667254,
        0.0035180887052994646,
        -0.0023454998375096662,
        0.001563503397368175,
        -0.0010364320166265713,
        0.0006902821367402852,
        -0.00048603461039499295,
        0.00032588080411616424,
        -0.0001446564689713073,
        9.329495465685155e-05,
        -0.00017833328105000917,
        0.00012117345268722736,
    ];
    /// ln a - 1 / (2 a) - psi(a), times a^2, in 1 / a^2; error 2^-65.1.
    const FAR: [f64; 7] = [
        0.08333333333333323,
        -0.008333333333154178,
        0.003968253861488166,
        -0.004166635918553997,
        0.00757094234802904,
        -0.020669645695551624,
        0.0632600551644449,
    ];
    /// (1 / r - pi cot(pi r)) / r - 2 / (1 - r^2) in r^2, for |r| <= 1/2; error 2^-56.5.
    const COTANGENT: [f64; 9] = [
        1.2898681336964553,
        0.16464646742188507,
        0.034686123990688,
        0.008154711803145314,
        0.0019891593424627117,
        0.0004920893722973706,
        0.0001229682852875421,
        2.898155633337403e-05,
        1.0479707206005812e-05,
    ];

    /// At a > 0.
    #[inline(always)]
    fn positive<L: Lane64>(a: L) -> L {
        let (zero, one) = (L::lit(0.0), L::lit(1.0));
        let inverse = one / a;
        let z = inverse * inverse;
        let far = (a.ln() - L::lit(0.5) * inverse) - z * polynomial(z, Self::FAR);

        // Steps up (-1) or down that lead into [1, 2], and the sum of what they pass.
        let n = at_most(a, LARGE).floor() - one;
        let u = a - (n + L::lit(1.5));
        let mut passed = L::select(n.lt(zero), -inverse, zero);
        let mut j = 1.0;
        while j < 7.5 {
            let infinite = L::lit(f64::INFINITY);
            passed = passed + one / L::select(L::lit(j).le(n), a - L::lit(j), infinite);
            j += 1.0;
        }
        let (g, rest) = sum(u, L::lit(-Self::ZERO.0));
        let rest = rest - L::lit(Self::ZERO.1);
        let near = polynomial(u, Self::NEAR);
        let near = g.mul_add(near, passed + rest * near);
        L::select(L::lit(LARGE).le(a), far, near)
    }
}
impl Function for Digamma {
    const NAME: &str = "digamma";
    const DOMAIN: (f64, f64) = (0.1, 8.0);
    const ULP: f64 = 3.0;
    /// By the recurrence from [1, 2], where it is the distance from the zero (in pairs) times a
    /// polynomial; from 8.5 on by the asymptotic series; below 0 by the reflection
    /// psi(-a) = psi(a) + 1 / a + pi cot(pi a). Measured: 2.25 ULP above 0; below, near the zeros, a
    /// rounding of a number near 1.
    #[inline(always)]
    fn lanes<L: Lane64>(x: L) -> L {
        let (zero, one, a) = (L::lit(0.0), L::lit(1.0), x.abs());
        let above = Self::positive(a);
        let r = a - a.round();
        let z = r * r;
        let less = r * (L::lit(2.0) / (one - z) + polynomial(z, Self::COTANGENT));
        let below = (above + one / a) + (one / r - less);
        let below = L::select(r.eq(zero), L::lit(f64::NAN), below);
        let y = L::select(x.lt(zero), below, above);
        L::select(x.eq(zero), with_sign(L::lit(f64::INFINITY), -x), y)
    }
    fn reference(x: f64) -> f64 {
        of_lanes::<Self>(x)
    }
    #[inline(always)]
    fn slope<R: Real>(x: R, _: R) -> R {
        let negative = x.lt(R::lit(0.0));
        let q = R::select(negative, R::lit(1.0) - x, x);
        let zeta = R::lit(2.0).apply2::<Zeta>(q);
        let r = R::select(negative, x - x.round(), R::lit(0.25));
        let sine = (R::lit(PI) * r).sin();
        R::select(negative, R::lit(PI * PI) / (sine * sine) - zeta, zeta)
    }
}

/// Hurwitz's zeta function for an integer order s > 1: the sum of (q + k)^-s over k = 0, 1, ..., for
/// q >= 0. Gradient of q: -s zeta(s + 1, q).
pub(crate) enum Zeta {}
impl Function2 for Zeta {
    const NAME: &str = "polygamma";
    const DOMAIN: [(f64, f64); 2] = [(2.6, 3.4), (0.5, 8.0)];
    #[inline(always)]
    fn lanes<L: Lane64>(s: L, q: L) -> L {
        s.one_by_one(q, Self::reference)
    }
    /// The sum up to where the formula of Euler and Maclaurin converges fast, and that.
    fn reference(s: f64, q: f64) -> f64 {
        /// B_2k / (2 k)!
        const BERNOULLI: [f64; 10] = [
            0.08333333333333333,
            -0.001388888888888889,
            3.306878306878307e-5,
            -8.267195767195768e-7,
            2.08767569878681e-8,
            -5.284190138687493e-10,
            1.3382536530684679e-11,
            -3.3896802963225827e-13,
            8.586062056277845e-15,
            -2.174868698558062e-16,
        ];
        let s = s.round_ties_even();
        if q.is_nan() || s.is_nan() || q < 0.0 || s <= 1.0 {
            return f64::NAN;
        }
        if q == f64::INFINITY {
            return 0.0;
        }
        // A few products have no more errors than a power.
        let power = |a: f64| match s {
            ..=8.0 => 1.0 / (1..s as u32).fold(a, |product, _| product * a),
            _ => libm::pow(a, -s),
        };
        let (mut a, mut sum) = (q, 0.0);
        while a < 10.0 + 0.5 * s && a < 100.0 {
            sum += power(a);
            a += 1.0;
        }
        let last = power(a);
        let mut tail = 0.5 * last + a * last / (s - 1.0);
        let (mut factor, mut fall) = (s, last / a);
        for (k, b) in BERNOULLI.into_iter().enumerate() {
            tail += b * factor * fall;
            let next = s + 2.0 * k as f64;
            factor *= (next + 1.0) * (next + 2.0);
            fall /= a * a;
        }
        sum + tail
    }
    #[inline(always)]
    fn pull<R: Real>([s, q]: [R; 2], _: R, g: R) -> [R; 2] {
        let s = s.round();
        [R::lit(0.0), g * (-s * (s + R::lit(1.0)).apply2::<Self>(q))]
    }
}

/// The order up to which polygamma is made.
const MOST: usize = 30;

impl Core {
    /// The derivative of that order of digamma(x), up to order 30; order 0 is digamma itself.
    /// Gradient: polygamma(order + 1, x).
    ///
    /// - PyTorch: `special.polygamma(order, x)`
    /// - Cases: `x=U(2,3,lo=.3,hi=9), order=0`; `x=U(2,3,lo=.3,hi=9), order=1`;
    ///   `x=U(5,lo=-.9,hi=-.1), order=1`; `x=U(2,3,lo=.3,hi=9), order=2`;
    ///   `x=U(2,3,lo=1,hi=9), order=5`; `x=U(0,3), order=3`
    pub(crate) fn polygamma(&mut self, x: NodeId, order: usize) -> Maybe<NodeId> {
        if order > MOST {
            return Err(self.fail(
                ErrorKind::Argument,
                format_args!("polygamma: the order is {order}, and may be at most {MOST}"),
            ));
        }
        if order == 0 {
            return self.map(crate::roll_call::Elem::Digamma, x);
        }
        self.expression("polygamma", [x], |[x]| of_order(order, x))
    }
}

/// (-1)^(n + 1) n! zeta(n + 1, x); below 0 by the n-th derivative of psi(1 - x) - psi(x) =
/// pi cot(pi x), a polynomial in the cotangent.
fn of_order(n: usize, x: Rec<'_>) -> Rec<'_> {
    let (zero, one) = (Rec::lit(0.0), Rec::lit(1.0));
    let mut size = 1.0;
    // Coefficients of the derivatives: P becomes -pi (1 + c^2) P'.
    let mut p = [0.0; MOST + 2];
    p[1] = PI;
    for k in 1..=n {
        size *= k as f64;
        let mut next = [0.0; MOST + 2];
        for i in 1..=k {
            let slope = -PI * i as f64 * p[i];
            next[i - 1] += slope;
            next[i + 1] += slope;
        }
        p = next;
    }
    let negative = x.lt(zero);
    let q = Rec::select(negative, one - x, x);
    let zeta = Rec::lit(size) * Rec::lit(n as f64 + 1.0).apply2::<Zeta>(q);
    let r = Rec::lit(PI) * Rec::select(negative, x - x.round(), Rec::lit(0.25));
    let cotangent = r.cos() / r.sin();
    let square = cotangent * cotangent;
    // Every other coefficient is 0.
    let odd = (n + 1) % 2;
    let mut sum = Rec::lit(p[n + 1]);
    for i in (odd..n).rev().filter(|i| i % 2 == odd) {
        sum = sum * square + Rec::lit(p[i]);
    }
    let sum = if odd == 1 { sum * cotangent } else { sum };
    let above = if n % 2 == 1 { zeta } else { -zeta };
    Rec::select(negative, -zeta - sum, above)
}
