//! The operations. Written by `make interface` from what `src/op/` declares: one plain function an
//! operation, since cbindgen cannot see what macros make.

use std::ffi::c_char;
use super::{axis_list, bg_graph, bg_node, int_list, len_list, list_of, list_of_all, node_list, operation, operation_on_all, operations, record_map, saturate};
use crate::graph::Operand;
use crate::roll_call::Elem;

/// -x. Gradient: -1. Takes BG_I64, too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_neg(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Neg, x.into())) }
}

/// |x|. Gradient: the sign of x, 0 at 0 and for NaN. Takes BG_I64, too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_abs(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Abs, x.into())) }
}

/// -1, 0 or 1; 0 for NaN. Gradient: 0. Takes BG_I64, too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_sign(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Sign, x.into())) }
}

/// e^x. Gradient: y.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_exp(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Exp, x.into())) }
}

/// e^x - 1, exact for small x. Gradient: e^x, of which y + 1 has lost the tail.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_expm1(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Expm1, x.into())) }
}

/// The natural logarithm. Gradient: 1 / x.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_log(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Log, x.into())) }
}

/// The natural logarithm of 1 + x, exact for small x. Gradient: 1 / (1 + x).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_log1p(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Log1p, x.into())) }
}

/// The square root. Gradient: 1 / (2 y).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_sqrt(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Sqrt, x.into())) }
}

/// 1 / sqrt(x). Gradient: -y^3 / 2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_rsqrt(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Rsqrt, x.into())) }
}

/// x^2. Gradient: 2 x. Takes BG_I64, too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_square(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Square, x.into())) }
}

/// 1 / x. Gradient: -y^2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_reciprocal(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Reciprocal, x.into())) }
}

/// The sine of an angle in radians. Gradient: cos x.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_sin(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Sin, x.into())) }
}

/// The cosine of an angle in radians. Gradient: -sin x.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_cos(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Cos, x.into())) }
}

/// The tangent of an angle in radians. Gradient: 1 + y^2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_tan(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Tan, x.into())) }
}

/// The hyperbolic tangent. Gradient: 1 - y^2, so that it is 0 beyond x = 9 (f32) or 19.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_tanh(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Tanh, x.into())) }
}

/// 1 / (1 + e^-x). Gradient: y (1 - y), so that it is 0 above x = 17 (f32) or 37.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_sigmoid(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Sigmoid, x.into())) }
}

/// The error function. Gradient: 2 / sqrt(pi) e^(-x^2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_erf(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Erf, x.into())) }
}

/// max(x, 0). Gradient: 0 up to 0, 1 above; 1 for NaN. Takes BG_I64, too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_relu(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Relu, x.into())) }
}

/// log(1 + e^x). Gradient: the sigmoid of x.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_softplus(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Softplus, x.into())) }
}

/// x P(Z <= x) for a standard normal Z. Gradient: P(Z <= x) + x e^(-x^2/2) / sqrt(2 pi). D.
/// Hendrycks, K. Gimpel, "Gaussian error linear units", 2016.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_gelu(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Gelu, x.into())) }
}

/// The approximation of gelu by x (1 + tanh u) / 2 with u = sqrt(2/pi) (x + 0.044715 x^3); written
/// with the sigmoid s of 2u, which does not cancel. Gradient: s + x s (1 - s) (2u)'.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_gelu_tanh(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::GeluTanh, x.into())) }
}

/// x times the sigmoid s of x, also called swish. Gradient: s (1 + x (1 - s)).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_silu(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Silu, x.into())) }
}

/// The largest integer up to x. Gradient: 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_floor(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Floor, x.into())) }
}

/// The smallest integer from x on. Gradient: 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_ceil(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Ceil, x.into())) }
}

/// The nearest integer, the even one of two. Gradient: 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_round(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Round, x.into())) }
}

/// a + b. Takes BG_I64, too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_add(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map2(Elem::Add, a.into(), b.into())) }
}

/// a - b. Takes BG_I64, too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_sub(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map2(Elem::Sub, a.into(), b.into())) }
}

/// a b, element by element. Takes BG_I64, too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_mul(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map2(Elem::Mul, a.into(), b.into())) }
}

/// a / b. Gradients: 1 / b and -y / b.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_div(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map2(Elem::Div, a.into(), b.into())) }
}

/// a^b. Gradients: b a^(b-1), 0 where b is 0; and y log a, 0 where a is 0 and b is not negative.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_pow(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map2(Elem::Pow, a.into(), b.into())) }
}

/// The larger one; NaN if either is. Gradients: 1 and 0, at a tie 1/2 each. Takes BG_I64, too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_maximum(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map2(Elem::Maximum, a.into(), b.into())) }
}

/// The smaller one; NaN if either is. Gradients: 1 and 0, at a tie 1/2 each. Takes BG_I64, too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_minimum(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map2(Elem::Minimum, a.into(), b.into())) }
}

/// The angle of the point (b, a) in radians. Gradients: b / (a^2 + b^2) and -a / (a^2 + b^2), 0 at
/// the origin and at infinity. They are computed from r, the smaller operand by the larger one,
/// because squares would leave the range: 1 / (larger (1 + r^2)), and r times that.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_atan2(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map2(Elem::Atan2, a.into(), b.into())) }
}

/// 2^x; exact for integers. Gradient: y ln 2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_exp2(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Exp2, x.into())) }
}

/// The logarithm to base 2; exact for powers of 2. Gradient: 1 / (x ln 2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_log2(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Log2, x.into())) }
}

/// The logarithm to base 10; exact for powers of 10. Gradient: 1 / (x ln 10).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_log10(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Log10, x.into())) }
}

/// The cubic root, also of negative numbers; exact for cubes. Gradient: 1 / (3 y^2), infinite at 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_cbrt(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Cbrt, x.into())) }
}

/// The arcsine, in radians. Gradient: 1 / sqrt(1 - x^2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_asin(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Asin, x.into())) }
}

/// The arccosine, in radians. Gradient: -1 / sqrt(1 - x^2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_acos(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Acos, x.into())) }
}

/// The arctangent, in radians. Gradient: 1 / (1 + x^2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_atan(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Atan, x.into())) }
}

/// The hyperbolic sine. Gradient: cosh x.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_sinh(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Sinh, x.into())) }
}

/// The hyperbolic cosine. Gradient: sinh x.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_cosh(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Cosh, x.into())) }
}

/// The inverse of the hyperbolic sine. Gradient: 1 / sqrt(1 + x^2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_asinh(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Asinh, x.into())) }
}

/// The inverse of the hyperbolic cosine. Gradient: 1 / sqrt(x^2 - 1).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_acosh(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Acosh, x.into())) }
}

/// The inverse of the hyperbolic tangent. Gradient: 1 / (1 - x^2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_atanh(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Atanh, x.into())) }
}

/// 1 - erf(x), without its cancellation. Gradient: -2 / sqrt(pi) e^(-x^2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_erfc(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Erfc, x.into())) }
}

/// e^(x^2) erfc(x), without overflow above 0. Gradient: 2 x y - 2 / sqrt(pi), which does not
/// cancel.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_erfcx(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Erfcx, x.into())) }
}

/// The number whose error function is x. Gradient: sqrt(pi) / 2 e^(y^2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_erfinv(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Erfinv, x.into())) }
}

/// P(Z <= x) for a standard normal Z. Gradient: e^(-x^2 / 2) / sqrt(2 pi).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_ndtr(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Ndtr, x.into())) }
}

/// The logarithm of P(Z <= x) for a standard normal Z, also where that is 0. Gradient: e^(-x^2 / 2)
/// / sqrt(2 pi) over P(Z <= x), that is -x far below 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_log_ndtr(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::LogNdtr, x.into())) }
}

/// The number that a standard normal Z is below with probability x. Gradient: sqrt(2 pi) e^(y^2 /
/// 2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_ndtri(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Ndtri, x.into())) }
}

/// ln|Gamma(x)|. Gradient: digamma(x).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_lgamma(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Lgamma, x.into())) }
}

/// The logarithmic derivative of the gamma function. Gradient: polygamma(1, x).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_digamma(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::Digamma, x.into())) }
}

/// The derivative of that order of digamma(x), up to order 30; order 0 is digamma itself. Gradient:
/// polygamma(order + 1, x).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_polygamma(g: *mut bg_graph, x: bg_node, order: usize) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "polygamma", [x], |core, [x]| core.polygamma(x, order)) }
}

/// The modified Bessel function of order 0. Gradient: i1(x).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_i0(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::I0, x.into())) }
}

/// The modified Bessel function of order 1. Gradient: i0(x) - y / x, which is 1/2 at 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_i1(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::I1, x.into())) }
}

/// e^-|x| I0(x), for the modified Bessel function of order 0. Gradient: i1e(x) - sign(x) y, which
/// does not cancel, and is 0 at 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_i0e(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::I0e, x.into())) }
}

/// e^-|x| I1(x), for the modified Bessel function of order 1. Gradient: i0e(x) - (sign(x) + 1 / x)
/// y, which does not cancel, and is 1/2 at 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_i1e(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { record_map(g, |s| s.map(Elem::I1e, x.into())) }
}

/// x above 0, else slope times x. Gradient: 1 above 0, else the slope.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_leaky_relu(g: *mut bg_graph, x: bg_node, slope: f64) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "leaky_relu", [x], |core, [x]| core.leaky_relu(x, slope)) }
}

/// x above 0, else alpha (e^x - 1). Gradient: 1 above 0, else alpha e^x. D. Clevert, T.
/// Unterthiner, S. Hochreiter, 2015.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_elu(g: *mut bg_graph, x: bg_node, alpha: f64) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "elu", [x], |core, [x]| core.elu(x, alpha)) }
}

/// Up to 0 alpha (e^x - 1) scale, above scale x, with the alpha and the scale that keep mean 0 and
/// variance 1. Gradient: the scale above 0, else alpha scale e^x. G. Klambauer et al.,
/// "Self-normalizing neural networks", 2017.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_selu(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "selu", [x], |core, [x]| core.selu(x)) }
}

/// x above 0, else alpha (e^(x / alpha) - 1), with an alpha other than 0. Gradient: 1 above 0, else
/// e^(x / alpha). J. T. Barron, "Continuously differentiable exponential linear units", 2017.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_celu(g: *mut bg_graph, x: bg_node, alpha: f64) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "celu", [x], |core, [x]| core.celu(x, alpha)) }
}

/// x, but at least 0 and at most 6. Gradient: 1 between, 0 at the bounds and beyond, and for NaN.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_relu6(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "relu6", [x], |core, [x]| core.relu6(x)) }
}

/// x, but at least min and at most max. Gradient: 1 between, 0 at the bounds and beyond, and for
/// NaN.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_hardtanh(g: *mut bg_graph, x: bg_node, min: f64, max: f64) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "hardtanh", [x], |core, [x]| core.hardtanh(x, min, max)) }
}

/// (x + 3) / 6, but at least 0 and at most 1. Gradient: 1/6 between, 0 at the bounds and beyond,
/// and for NaN. (It is F.hardsigmoid, whose gradient PyTorch rounds to f32.)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_hardsigmoid(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "hardsigmoid", [x], |core, [x]| core.hardsigmoid(x)) }
}

/// x (x + 3) / 6 between -3 and 3, 0 below and x above. Gradient: (2 x + 3) / 6 between; 0 at -3
/// and below, 1 at 3 and above. At -infinity it is 0, where PyTorch gives NaN. A. Howard et al.,
/// "Searching for MobileNetV3", 2019.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_hardswish(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "hardswish", [x], |core, [x]| core.hardswish(x)) }
}

/// x tanh(log(1 + e^x)). At -infinity it is 0 with the gradient 0, and at infinity the gradient is
/// 1, where PyTorch gives NaN. D. Misra, "Mish", 2019.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_mish(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "mish", [x], |core, [x]| core.mish(x)) }
}

/// x / (1 + |x|). Gradient: 1 / (1 + |x|)^2. At an infinity it is 1 or -1 with the gradient 0,
/// where PyTorch gives NaN.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_softsign(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "softsign", [x], |core, [x]| core.softsign(x)) }
}

/// x - tanh x, which does not cancel near 0, nor do its derivatives. Gradient: tanh(x)^2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_tanhshrink(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "tanhshrink", [x], |core, [x]| core.tanhshrink(x)) }
}

/// x, brought nearer to 0 by a threshold that is not negative; 0 up to there. Gradient: 1 beyond
/// the threshold, else 0, also for NaN.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_softshrink(g: *mut bg_graph, x: bg_node, threshold: f64) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "softshrink", [x], |core, [x]| core.softshrink(x, threshold)) }
}

/// x, but 0 from -threshold to threshold. Gradient: 1 beyond, else 0, also for NaN.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_hardshrink(g: *mut bg_graph, x: bg_node, threshold: f64) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "hardshrink", [x], |core, [x]| core.hardshrink(x, threshold)) }
}

/// x above the threshold, else the value. Gradient: 1 above and for NaN, else 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_threshold(
    g: *mut bg_graph,
    x: bg_node,
    threshold: f64,
    value: f64,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "threshold", [x], |core, [x]| core.threshold(x, threshold, value)) }
}

/// log(1 + e^(beta x)) / beta, with a beta other than 0: a smooth relu, the steeper the larger beta
/// is. Gradient: the sigmoid of beta x. (PyTorch gives x where beta x is above 20.)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_softplus_beta(g: *mut bg_graph, x: bg_node, beta: f64) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "softplus_beta", [x], |core, [x]| core.softplus_beta(x, beta)) }
}

/// The logarithm of the sigmoid, -log(1 + e^-x), without overflow. Gradient: the sigmoid of -x.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_log_sigmoid(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "log_sigmoid", [x], |core, [x]| core.log_sigmoid(x)) }
}

/// log(x / (1 - x)), what sigmoid makes x of. Where eps is not 0, x counts as at least eps and at
/// most 1 - eps, so eps is from 0 to 1/2. Gradient: 1 / (x (1 - x)), 0 beyond those bounds, and for
/// NaN. Without them value and gradient are NaN outside of [0, 1].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_logit(g: *mut bg_graph, x: bg_node, eps: f64) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "logit", [x], |core, [x]| core.logit(x, eps)) }
}

/// sin(pi x) / (pi x), and 1 at 0. Near 0 it is computed from its series, so that derivatives do
/// not cancel there; at the zeros, the whole numbers, the sine is of an angle within pi.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_sinc(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "sinc", [x], |core, [x]| core.sinc(x)) }
}

/// The integer next to x towards 0. Gradient: 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_trunc(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "trunc", [x], |core, [x]| core.trunc(x)) }
}

/// x less the integer next to it towards 0; NaN at the infinities. Gradient: 1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_frac(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "frac", [x], |core, [x]| core.frac(x)) }
}

/// x, with nan for NaN, pos for infinity and neg for -infinity; an infinite pos or neg leaves it as
/// it is. A finite one that is beyond the type's largest number stands for that number, so the
/// largest f64 does for all types. Gradient: 1, and 0 where x is not finite.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_nan_to_num(
    g: *mut bg_graph,
    x: bg_node,
    nan: f64,
    pos: f64,
    neg: f64,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "nan_to_num", [x], |core, [x]| core.nan_to_num(x, nan, pos, neg)) }
}

/// -x log x, the part of an entropy, with 0 at 0 and -infinity below. Gradient: -1 - log x;
/// infinite at 0, NaN below.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_entr(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "entr", [x], |core, [x]| core.entr(x)) }
}

/// An angle in degrees, in radians. Gradient: pi / 180.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_deg2rad(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "deg2rad", [x], |core, [x]| core.deg2rad(x)) }
}

/// An angle in radians, in degrees. Gradient: 180 / pi.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_rad2deg(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "rad2deg", [x], |core, [x]| core.rad2deg(x)) }
}

/// A BG_U8 mask: 1 where x is NaN, else 0. No gradient. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_isnan(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "isnan", [x], |core, [x]| core.isnan(x)) }
}

/// A BG_U8 mask: 1 where x is infinite, else 0. No gradient. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_isinf(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "isinf", [x], |core, [x]| core.isinf(x)) }
}

/// A BG_U8 mask: 1 where x is neither infinite nor NaN, else 0. No gradient. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_isfinite(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "isfinite", [x], |core, [x]| core.isfinite(x)) }
}

/// A BG_U8 mask: 1 where x is 0, else 0. No gradient. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_logical_not(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "logical_not", [x], |core, [x]| core.logical_not(x)) }
}

/// The length of (a, b), without overflow; infinite if one of them is, even if the other is NaN.
/// Gradients: a / y and b / y, NaN at (0, 0) and for the infinite one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_hypot(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "hypot", [a, b], |core, [a, b]| core.hypot(a, b)) }
}

/// What the division of a by b with a quotient rounded towards 0 leaves, with the sign of a; NaN
/// where b is 0 or a infinite. Exact, however large the quotient is. Gradients: 1 and -trunc(a /
/// b).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_fmod(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "fmod", [a, b], |core, [a, b]| core.fmod(a, b)) }
}

/// As bg_fmod, with one number for all elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_fmod_scalar(g: *mut bg_graph, a: bg_node, b: f64) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "fmod", [a], |core, [a]| core.fmod(a, Operand::Constant(b))) }
}

/// What the division of a by b with a quotient rounded towards -infinity leaves, with the sign of
/// b, as % does in Python; NaN where b is 0 or a infinite. It is the exact rest (plus b, where that
/// has another sign), however large the quotient is. Gradients: 1 and -floor(a / b).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_remainder(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "remainder", [a, b], |core, [a, b]| core.remainder(a, b)) }
}

/// As bg_remainder, with one number for all elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_remainder_scalar(g: *mut bg_graph, a: bg_node, b: f64) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "remainder", [a], |core, [a]| core.remainder(a, Operand::Constant(b))) }
}

/// The quotient rounded towards -infinity; plainly a / b where b is 0. It is that of the exact
/// quotient: 1 by 0.1 is 9, as 0.1 is a little more than that; 0 has the sign of a / b. Gradients:
/// 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_floor_divide(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "floor_divide", [a, b], |core, [a, b]| core.floor_divide(a, b)) }
}

/// As bg_floor_divide, with one number for all elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_floor_divide_scalar(g: *mut bg_graph, a: bg_node, b: f64) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "floor_divide", [a], |core, [a]| {
            core.floor_divide(a, Operand::Constant(b))
        })
    }
}

/// The size of a with the sign of b, which 0 has, too. (A NaN counts as positive.) Gradients: 1
/// where the sign stays, -1 where it changes, 0 where a is 0 or NaN; and 0. PyTorch's is NaN where
/// a is infinite or NaN.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_copysign(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "copysign", [a, b], |core, [a, b]| core.copysign(a, b)) }
}

/// The larger one; NaN only if both are. Gradients: 1 and 0, at a tie 1/2 each; of two NaN to the
/// first.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_fmax(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "fmax", [a, b], |core, [a, b]| core.fmax(a, b)) }
}

/// The smaller one; NaN only if both are. Gradients: 1 and 0, at a tie 1/2 each; of two NaN to the
/// first.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_fmin(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "fmin", [a, b], |core, [a, b]| core.fmin(a, b)) }
}

/// log(e^a + e^b), without overflow. Gradients: the shares of e^a and e^b in the sum, NaN at two
/// equal infinities.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_logaddexp(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "logaddexp", [a, b], |core, [a, b]| core.logaddexp(a, b)) }
}

/// log2(2^a + 2^b), without overflow. Gradients: the shares of 2^a and 2^b in the sum, NaN at two
/// equal infinities.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_logaddexp2(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "logaddexp2", [a, b], |core, [a, b]| core.logaddexp2(a, b)) }
}

/// a log b, and 0 where a is 0, unless b is NaN. Gradients: log b, but 0 where a is 0 and b not
/// positive; and a / b.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_xlogy(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "xlogy", [a, b], |core, [a, b]| core.xlogy(a, b)) }
}

/// a log(1 + b), exact for small b, and 0 where a is 0, unless b is NaN. Gradients: log(1 + b), but
/// 0 where a is 0 and b not above -1; and a / (1 + b).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_xlog1py(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "xlog1py", [a, b], |core, [a, b]| core.xlog1py(a, b)) }
}

/// The step: 0 where a is negative or NaN, 1 where it is positive, b where it is 0. Gradients: 0;
/// and 1 where a is 0, else 0. (PyTorch has none.)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_heaviside(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "heaviside", [a, b], |core, [a, b]| core.heaviside(a, b)) }
}

/// a + weight (b - a): a at weight 0, b at weight 1, both exactly. Gradients: 1 - weight, the
/// weight, and b - a.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_lerp(
    g: *mut bg_graph,
    a: bg_node,
    b: bg_node,
    weight: bg_node,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "lerp", [a, b, weight], |core, [a, b, weight]| core.lerp(a, b, weight)) }
}

/// As bg_lerp, with one number for all elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_lerp_scalar(
    g: *mut bg_graph,
    a: bg_node,
    b: bg_node,
    weight: f64,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "lerp", [a, b], |core, [a, b]| {
            core.lerp(a, b, Operand::Constant(weight))
        })
    }
}

/// x + value a b. Gradients: 1, value b and value a.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_addcmul(
    g: *mut bg_graph,
    x: bg_node,
    a: bg_node,
    b: bg_node,
    value: f64,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "addcmul", [x, a, b], |core, [x, a, b]| core.addcmul(x, a, b, value)) }
}

/// x + value a / b. Gradients: 1, value / b and -value a / b^2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_addcdiv(
    g: *mut bg_graph,
    x: bg_node,
    a: bg_node,
    b: bg_node,
    value: f64,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "addcdiv", [x, a, b], |core, [x, a, b]| core.addcdiv(x, a, b, value)) }
}

/// x y + z, of which the product and the sum are rounded each, as by mul and add. Gradients: y, x
/// and 1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_fma(g: *mut bg_graph, x: bg_node, y: bg_node, z: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "fma", [x, y, z], |core, [x, y, z]| core.fma(x, y, z)) }
}

/// a 2^b; b may also be BG_I64. Gradients: 2^b and y log 2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_ldexp(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "ldexp", [a, b], |core, [a, b]| core.ldexp(a, b)) }
}

/// x, but at least min and at most max, which are tensors; max where min is above it; NaN if one of
/// them is. Gradients: 1 for what is the value; where x is the value and a bound, too, 1/2 each,
/// and 1 for x where it is both; 1 for x where one of them is NaN.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_clamp_tensor(
    g: *mut bg_graph,
    x: bg_node,
    min: bg_node,
    max: bg_node,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "clamp_tensor", [x, min, max], |core, [x, min, max]| {
            core.clamp_tensor(x, min, max)
        })
    }
}

/// x above 0, else weight times x. The weight is one number, or, as a vector, one for each channel,
/// which is axis 1 of x. Gradients: 1 above 0, else the weight; and the sum of those x that are not
/// above 0. K. He et al., "Delving deep into rectifiers", 2015.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_prelu(g: *mut bg_graph, x: bg_node, weight: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "prelu", [x, weight], |core, [x, weight]| core.prelu(x, weight)) }
}

/// A BG_U8 mask: 1 where neither a nor b is 0, else 0. The types of a and b need not be the same;
/// no gradient. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_logical_and(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "logical_and", [a, b], |core, [a, b]| core.logical_and(a, b)) }
}

/// A BG_U8 mask: 1 where a or b or both are not 0, else 0. The types of a and b need not be the
/// same; no gradient. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_logical_or(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "logical_or", [a, b], |core, [a, b]| core.logical_or(a, b)) }
}

/// A BG_U8 mask: 1 where one of a and b is 0 and the other is not, else 0. The types of a and b
/// need not be the same; no gradient. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_logical_xor(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "logical_xor", [a, b], |core, [a, b]| core.logical_xor(a, b)) }
}

/// A BG_U8 mask: 1 where |a - b| is at most atol + rtol |b|, or both are the same infinity; else 0.
/// Two NaN are close with equal_nan. No gradient.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_isclose(
    g: *mut bg_graph,
    a: bg_node,
    b: bg_node,
    rtol: f64,
    atol: f64,
    equal_nan: bool,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "isclose", [a, b], |core, [a, b]| {
            core.isclose(a, b, rtol, atol, equal_nan)
        })
    }
}

/// A BG_U8 mask: 1 where a = b, else 0. No gradient. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_eq(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "eq", [a, b], |core, [a, b]| core.eq(a, b)) }
}

/// As bg_eq, with one number for all elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_eq_scalar(g: *mut bg_graph, a: bg_node, b: f64) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "eq", [a], |core, [a]| core.eq(a, Operand::Constant(b))) }
}

/// A BG_U8 mask: 1 where a != b, else 0. No gradient. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_ne(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "ne", [a, b], |core, [a, b]| core.ne(a, b)) }
}

/// As bg_ne, with one number for all elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_ne_scalar(g: *mut bg_graph, a: bg_node, b: f64) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "ne", [a], |core, [a]| core.ne(a, Operand::Constant(b))) }
}

/// A BG_U8 mask: 1 where a < b, else 0. No gradient. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_lt(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "lt", [a, b], |core, [a, b]| core.lt(a, b)) }
}

/// As bg_lt, with one number for all elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_lt_scalar(g: *mut bg_graph, a: bg_node, b: f64) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "lt", [a], |core, [a]| core.lt(a, Operand::Constant(b))) }
}

/// A BG_U8 mask: 1 where a <= b, else 0. No gradient. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_le(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "le", [a, b], |core, [a, b]| core.le(a, b)) }
}

/// As bg_le, with one number for all elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_le_scalar(g: *mut bg_graph, a: bg_node, b: f64) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "le", [a], |core, [a]| core.le(a, Operand::Constant(b))) }
}

/// A BG_U8 mask: 1 where a > b, else 0. No gradient. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_gt(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "gt", [a, b], |core, [a, b]| core.gt(a, b)) }
}

/// As bg_gt, with one number for all elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_gt_scalar(g: *mut bg_graph, a: bg_node, b: f64) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "gt", [a], |core, [a]| core.gt(a, Operand::Constant(b))) }
}

/// A BG_U8 mask: 1 where a >= b, else 0. No gradient. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_ge(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "ge", [a, b], |core, [a, b]| core.ge(a, b)) }
}

/// As bg_ge, with one number for all elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_ge_scalar(g: *mut bg_graph, a: bg_node, b: f64) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "ge", [a], |core, [a]| core.ge(a, Operand::Constant(b))) }
}

/// The sum; 0 of no elements. Gradient: the cotangent, repeated. That of integers is BG_I64, and
/// wraps around. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_sum(
    g: *mut bg_graph,
    x: bg_node,
    axes: *const i32,
    n: usize,
    keepdim: bool,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "sum", [x], |core, [x]| {
            let axes = axis_list(core, "sum", axes, n)?;
            core.sum(x, &axes, keepdim)
        })
    }
}

/// As bg_sum, over all elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_sum_all(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "sum", [x], |core, [x]| core.sum(x, &[], false)) }
}

/// The mean; NaN of no elements. (A reduction of its own, and not a sum by a number: what is
/// between may leave the range.)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_mean(
    g: *mut bg_graph,
    x: bg_node,
    axes: *const i32,
    n: usize,
    keepdim: bool,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "mean", [x], |core, [x]| {
            let axes = axis_list(core, "mean", axes, n)?;
            core.mean(x, &axes, keepdim)
        })
    }
}

/// As bg_mean, over all elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_mean_all(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "mean", [x], |core, [x]| core.mean(x, &[], false)) }
}

/// The largest element; NaN if there is one. Of several, all get an equal part of the gradient,
/// except along a single named axis: there the first gets all. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_max(
    g: *mut bg_graph,
    x: bg_node,
    axes: *const i32,
    n: usize,
    keepdim: bool,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "max", [x], |core, [x]| {
            let axes = axis_list(core, "max", axes, n)?;
            core.max(x, &axes, keepdim)
        })
    }
}

/// As bg_max, over all elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_max_all(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "max", [x], |core, [x]| core.max(x, &[], false)) }
}

/// The smallest element; otherwise as bg_max. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_min(
    g: *mut bg_graph,
    x: bg_node,
    axes: *const i32,
    n: usize,
    keepdim: bool,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "min", [x], |core, [x]| {
            let axes = axis_list(core, "min", axes, n)?;
            core.min(x, &axes, keepdim)
        })
    }
}

/// As bg_min, over all elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_min_all(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "min", [x], |core, [x]| core.min(x, &[], false)) }
}

/// The largest element; of several, all get an equal part of the gradient. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_amax(
    g: *mut bg_graph,
    x: bg_node,
    axes: *const i32,
    n: usize,
    keepdim: bool,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "amax", [x], |core, [x]| {
            let axes = axis_list(core, "amax", axes, n)?;
            core.amax(x, &axes, keepdim)
        })
    }
}

/// As bg_amax, over all elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_amax_all(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "amax", [x], |core, [x]| core.amax(x, &[], false)) }
}

/// The smallest element; of several, all get an equal part of the gradient. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_amin(
    g: *mut bg_graph,
    x: bg_node,
    axes: *const i32,
    n: usize,
    keepdim: bool,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "amin", [x], |core, [x]| {
            let axes = axis_list(core, "amin", axes, n)?;
            core.amin(x, &axes, keepdim)
        })
    }
}

/// As bg_amin, over all elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_amin_all(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "amin", [x], |core, [x]| core.amin(x, &[], false)) }
}

/// The index of the first largest element along an axis, or of the flattened tensor; a NaN counts
/// as largest. The result is BG_I64, without gradient. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_argmax(
    g: *mut bg_graph,
    x: bg_node,
    axis: i32,
    keepdim: bool,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "argmax", [x], |core, [x]| core.argmax(x, Some(axis as isize), keepdim)) }
}

/// As bg_argmax, over all elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_argmax_all(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "argmax", [x], |core, [x]| core.argmax(x, None, false)) }
}

/// The index of the first smallest element; otherwise as bg_argmax. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_argmin(
    g: *mut bg_graph,
    x: bg_node,
    axis: i32,
    keepdim: bool,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "argmin", [x], |core, [x]| core.argmin(x, Some(axis as isize), keepdim)) }
}

/// As bg_argmin, over all elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_argmin_all(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "argmin", [x], |core, [x]| core.argmin(x, None, false)) }
}

/// log sum e^x without overflow; -infinity of no elements. Gradient: the softmax.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_logsumexp(
    g: *mut bg_graph,
    x: bg_node,
    axes: *const i32,
    n: usize,
    keepdim: bool,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "logsumexp", [x], |core, [x]| {
            let axes = axis_list(core, "logsumexp", axes, n)?;
            core.logsumexp(x, &axes, keepdim)
        })
    }
}

/// As bg_logsumexp, over all elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_logsumexp_all(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "logsumexp", [x], |core, [x]| core.logsumexp(x, &[], false)) }
}

/// The variance: the sum of squared distances from the mean over count - correction. Correction 1
/// is the unbiased estimate, 0 the population's.
///
/// The mean is rounded. The distances from it have few digits if all elements are equal: their
/// mean, taken off again, leaves nothing then, however large the elements are. And the square of
/// what the distances add up to is taken off (T. Chan, G. Golub, R. LeVeque, 1983): what is left
/// does not depend on the means at all, so no gradient need flow there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_var(
    g: *mut bg_graph,
    x: bg_node,
    axes: *const i32,
    n: usize,
    correction: f64,
    keepdim: bool,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "var", [x], |core, [x]| {
            let axes = axis_list(core, "var", axes, n)?;
            core.var(x, correction, &axes, keepdim)
        })
    }
}

/// The product; 1 of no elements. It is a balanced tree of products, and so is its gradient, which
/// needs no division: it is right where elements are 0, to any order. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_prod(
    g: *mut bg_graph,
    x: bg_node,
    axes: *const i32,
    n: usize,
    keepdim: bool,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "prod", [x], |core, [x]| {
            let axes = axis_list(core, "prod", axes, n)?;
            core.prod(x, &axes, keepdim)
        })
    }
}

/// As bg_prod, over all elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_prod_all(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "prod", [x], |core, [x]| core.prod(x, &[], false)) }
}

/// The p-norm (sum |x|^p)^(1/p); the largest |x| for p infinite, the smallest for -infinity, and
/// how many elements are not 0 for p = 0. Its gradient at 0 is 0; for p < 0 it is so everywhere if
/// there is a 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_norm(
    g: *mut bg_graph,
    x: bg_node,
    p: f64,
    axes: *const i32,
    n: usize,
    keepdim: bool,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "norm", [x], |core, [x]| {
            let axes = axis_list(core, "norm", axes, n)?;
            core.norm(x, p, &axes, keepdim)
        })
    }
}

/// The standard deviation, the root of bg_var. Its gradient is 0 where all elements are equal.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_std(
    g: *mut bg_graph,
    x: bg_node,
    axes: *const i32,
    n: usize,
    correction: f64,
    keepdim: bool,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "std", [x], |core, [x]| {
            let axes = axis_list(core, "std", axes, n)?;
            core.std(x, correction, &axes, keepdim)
        })
    }
}

/// Whether no element is 0 (BG_U8): 1 of no elements. A NaN is not 0. No gradient. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_all(
    g: *mut bg_graph,
    x: bg_node,
    axes: *const i32,
    n: usize,
    keepdim: bool,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "all", [x], |core, [x]| {
            let axes = axis_list(core, "all", axes, n)?;
            core.all(x, &axes, keepdim)
        })
    }
}

/// As bg_all, over all elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_all_all(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "all", [x], |core, [x]| core.all(x, &[], false)) }
}

/// Whether some element is not 0 (BG_U8): 0 of no elements. A NaN is not 0. No gradient. Takes any
/// type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_any(
    g: *mut bg_graph,
    x: bg_node,
    axes: *const i32,
    n: usize,
    keepdim: bool,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "any", [x], |core, [x]| {
            let axes = axis_list(core, "any", axes, n)?;
            core.any(x, &axes, keepdim)
        })
    }
}

/// As bg_any, over all elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_any_all(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "any", [x], |core, [x]| core.any(x, &[], false)) }
}

/// How many elements are not 0 (BG_I64). A NaN is not 0. No gradient. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_count_nonzero(
    g: *mut bg_graph,
    x: bg_node,
    axes: *const i32,
    n: usize,
    keepdim: bool,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "count_nonzero", [x], |core, [x]| {
            let axes = axis_list(core, "count_nonzero", axes, n)?;
            core.count_nonzero(x, &axes, keepdim)
        })
    }
}

/// As bg_count_nonzero, over all elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_count_nonzero_all(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "count_nonzero", [x], |core, [x]| core.count_nonzero(x, &[], false)) }
}

/// The sum of what is no NaN. Gradient: the cotangent, 0 for NaN.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_nansum(
    g: *mut bg_graph,
    x: bg_node,
    axes: *const i32,
    n: usize,
    keepdim: bool,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "nansum", [x], |core, [x]| {
            let axes = axis_list(core, "nansum", axes, n)?;
            core.nansum(x, &axes, keepdim)
        })
    }
}

/// As bg_nansum, over all elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_nansum_all(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "nansum", [x], |core, [x]| core.nansum(x, &[], false)) }
}

/// The mean of what is no NaN; NaN if nothing else is there. Gradient: a share of the cotangent, 0
/// for NaN.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_nanmean(
    g: *mut bg_graph,
    x: bg_node,
    axes: *const i32,
    n: usize,
    keepdim: bool,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "nanmean", [x], |core, [x]| {
            let axes = axis_list(core, "nanmean", axes, n)?;
            core.nanmean(x, &axes, keepdim)
        })
    }
}

/// As bg_nanmean, over all elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_nanmean_all(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "nanmean", [x], |core, [x]| core.nanmean(x, &[], false)) }
}

/// The sums of all elements up to each one along an axis. Sums of f32 are made in f64, those of f64
/// carry along what they lose, and those of integers are BG_I64. Gradient: the sums from each one
/// on. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_cumsum(g: *mut bg_graph, x: bg_node, axis: i32) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "cumsum", [x], |core, [x]| core.cumsum(x, axis as isize)) }
}

/// The products of all elements up to each one along an axis. The gradient is right where elements
/// are 0, to any order.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_cumprod(g: *mut bg_graph, x: bg_node, axis: i32) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "cumprod", [x], |core, [x]| core.cumprod(x, axis as isize)) }
}

/// log sum e^x of all elements up to each one along an axis, without overflow.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_logcumsumexp(g: *mut bg_graph, x: bg_node, axis: i32) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "logcumsumexp", [x], |core, [x]| core.logcumsumexp(x, axis as isize)) }
}

/// The largest of all elements up to each one along an axis, and its index (BG_I64): of several,
/// the last; a NaN is largest. Gradient: to the elements at the indices.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_cummax(
    g: *mut bg_graph,
    x: bg_node,
    axis: i32,
    indices: *mut bg_node,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operations(g, "cummax", [x], [indices], |core, [x]| core.cummax(x, axis as isize)) }
}

/// The smallest of all elements up to each one along an axis, and its index; otherwise as
/// bg_cummax.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_cummin(
    g: *mut bg_graph,
    x: bg_node,
    axis: i32,
    indices: *mut bg_node,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operations(g, "cummin", [x], [indices], |core, [x]| core.cummin(x, axis as isize)) }
}

/// The differences of neighbours along an axis, n times over: x_(k+1) - x_k. Each time the axis
/// gets shorter by 1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_diff(g: *mut bg_graph, x: bg_node, n: usize, axis: i32) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "diff", [x], |core, [x]| core.diff(x, n, axis as isize)) }
}

/// The integral along an axis by the trapezoidal rule, of values at equal distances dx. The axis is
/// gone from the result.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_trapezoid(g: *mut bg_graph, y: bg_node, dx: f64, axis: i32) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "trapezoid", [y], |core, [y]| core.trapezoid(y, dx, axis as isize)) }
}

/// The integral along an axis by the trapezoidal rule, of values y at the places x, which has the
/// shape of y or is a vector along the axis. The axis is gone from the result.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_trapezoid_at(
    g: *mut bg_graph,
    y: bg_node,
    x: bg_node,
    axis: i32,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "trapezoid_at", [y, x], |core, [y, x]| {
            core.trapezoid_at(y, x, axis as isize)
        })
    }
}

/// The elements in rising order along an axis (or falling, with descending), and the indices
/// (BG_I64) where they were. Of equal elements the first comes first; a NaN is larger than all
/// numbers. Gradient: to where the elements were. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_sort(
    g: *mut bg_graph,
    x: bg_node,
    axis: i32,
    descending: bool,
    indices: *mut bg_node,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operations(g, "sort", [x], [indices], |core, [x]| {
            core.sort(x, axis as isize, descending)
        })
    }
}

/// The indices (BG_I64) that sort a tensor along an axis; otherwise as bg_sort. No gradient. Takes
/// any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_argsort(
    g: *mut bg_graph,
    x: bg_node,
    axis: i32,
    descending: bool,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "argsort", [x], |core, [x]| core.argsort(x, axis as isize, descending)) }
}

/// The k largest elements along an axis (or smallest, with largest false), in order, and their
/// indices (BG_I64). A NaN is larger than all numbers. Gradient: to where the elements were. Takes
/// any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_topk(
    g: *mut bg_graph,
    x: bg_node,
    k: usize,
    axis: i32,
    largest: bool,
    indices: *mut bg_node,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operations(g, "topk", [x], [indices], |core, [x]| {
            core.topk(x, k, axis as isize, largest)
        })
    }
}

/// The k-th smallest element along an axis, counted from 1, and its index (BG_I64). A NaN is larger
/// than all numbers. The axis vanishes, or stays with length 1 with keepdim. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_kthvalue(
    g: *mut bg_graph,
    x: bg_node,
    k: usize,
    axis: i32,
    keepdim: bool,
    indices: *mut bg_node,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operations(g, "kthvalue", [x], [indices], |core, [x]| {
            core.kthvalue(x, k, axis as isize, keepdim)
        })
    }
}

/// Where each of values would have to be inserted into a row of sorted, which is in rising order,
/// to keep it so (BG_I64): before equal elements, or behind them with right. sorted is one row, or
/// has as many as values, with the same axes but for the last. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_searchsorted(
    g: *mut bg_graph,
    sorted: bg_node,
    values: bg_node,
    right: bool,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "searchsorted", [sorted, values], |core, [sorted, values]| {
            core.searchsorted(sorted, values, right)
        })
    }
}

/// The median: of an even number of elements the lower one of the two in the middle; NaN if there
/// is one. Gradient: to that element. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_median(
    g: *mut bg_graph,
    x: bg_node,
    axes: *const i32,
    n: usize,
    keepdim: bool,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "median", [x], |core, [x]| {
            let axes = axis_list(core, "median", axes, n)?;
            core.median(x, &axes, keepdim)
        })
    }
}

/// As bg_median, over all elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_median_all(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "median", [x], |core, [x]| core.median(x, &[], false)) }
}

/// The median of what is no NaN; NaN if nothing else is there. Otherwise as bg_median. Takes any
/// type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_nanmedian(
    g: *mut bg_graph,
    x: bg_node,
    axes: *const i32,
    n: usize,
    keepdim: bool,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "nanmedian", [x], |core, [x]| {
            let axes = axis_list(core, "nanmedian", axes, n)?;
            core.nanmedian(x, &axes, keepdim)
        })
    }
}

/// As bg_nanmedian, over all elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_nanmedian_all(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "nanmedian", [x], |core, [x]| core.nanmedian(x, &[], false)) }
}

/// The quantile of a share q from 0 to 1: between the two elements beside q (count - 1), in
/// proportion, as bg_lerp has it; NaN if there is one. Where q (count - 1) is whole it is that
/// element, also an infinite one, for which PyTorch gives NaN. Gradient: to those two.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_quantile(
    g: *mut bg_graph,
    x: bg_node,
    q: f64,
    axes: *const i32,
    n: usize,
    keepdim: bool,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "quantile", [x], |core, [x]| {
            let axes = axis_list(core, "quantile", axes, n)?;
            core.quantile(x, q, &axes, keepdim)
        })
    }
}

/// The same elements in row-major order in another shape; one length may be -1: what is left. Takes
/// any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_reshape(
    g: *mut bg_graph,
    x: bg_node,
    shape: *const i64,
    rank: usize,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "reshape", [x], |core, [x]| {
            let shape = int_list(core, "reshape", shape, rank)?;
            core.reshape(x, &shape)
        })
    }
}

/// The axes from axis_start to axis_end, both included, as one. A 0-d tensor becomes a vector.
/// Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_flatten(
    g: *mut bg_graph,
    x: bg_node,
    axis_start: i32,
    axis_end: i32,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "flatten", [x], |core, [x]| {
            core.flatten(x, axis_start as isize, axis_end as isize)
        })
    }
}

/// One axis as several; one of their lengths may be -1: what is left. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_unflatten(
    g: *mut bg_graph,
    x: bg_node,
    axis: i32,
    shape: *const i64,
    rank: usize,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "unflatten", [x], |core, [x]| {
            let shape = int_list(core, "unflatten", shape, rank)?;
            core.unflatten(x, axis as isize, &shape)
        })
    }
}

/// Axis i of the result is axis order[i] of x; order names each axis once. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_permute(
    g: *mut bg_graph,
    x: bg_node,
    order: *const i32,
    n: usize,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "permute", [x], |core, [x]| {
            let order = axis_list(core, "permute", order, n)?;
            core.permute(x, &order)
        })
    }
}

/// Two axes exchanged. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_transpose(
    g: *mut bg_graph,
    x: bg_node,
    axis0: i32,
    axis1: i32,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "transpose", [x], |core, [x]| {
            core.transpose(x, axis0 as isize, axis1 as isize)
        })
    }
}

/// An axis moved to another place of the result; the others keep their order. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_movedim(
    g: *mut bg_graph,
    x: bg_node,
    axis_from: i32,
    axis_to: i32,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "movedim", [x], |core, [x]| {
            core.movedim(x, axis_from as isize, axis_to as isize)
        })
    }
}

/// Axes of length 1, and missing ones at the left, repeated up to these lengths; -1 keeps one.
/// Gradient: summed over what was repeated. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_expand(
    g: *mut bg_graph,
    x: bg_node,
    shape: *const i64,
    rank: usize,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "expand", [x], |core, [x]| {
            let shape = int_list(core, "expand", shape, rank)?;
            core.expand(x, &shape)
        })
    }
}

/// As bg_expand. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_broadcast_to(
    g: *mut bg_graph,
    x: bg_node,
    shape: *const i64,
    rank: usize,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "broadcast_to", [x], |core, [x]| {
            let shape = int_list(core, "broadcast_to", shape, rank)?;
            core.broadcast_to(x, &shape)
        })
    }
}

/// Without this axis if its length is 1, else the tensor itself. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_squeeze(g: *mut bg_graph, x: bg_node, axis: i32) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "squeeze", [x], |core, [x]| core.squeeze(x, Some(axis as isize))) }
}

/// As bg_squeeze, for all axes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_squeeze_all(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "squeeze", [x], |core, [x]| core.squeeze(x, None)) }
}

/// With a new axis of length 1 at this place of the result. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_unsqueeze(g: *mut bg_graph, x: bg_node, axis: i32) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "unsqueeze", [x], |core, [x]| core.unsqueeze(x, axis as isize)) }
}

/// The elements from start up to but without stop along an axis, every step-th, as in Python:
/// negative bounds count from the end, and bounds outside are cut. step is at least 1. Takes any
/// type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_slice(
    g: *mut bg_graph,
    x: bg_node,
    axis: i32,
    start: i64,
    stop: i64,
    step: i64,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "slice", [x], |core, [x]| {
            core.slice(x, axis as isize, saturate(start), saturate(stop), saturate(step))
        })
    }
}

/// The tensors one after the other along an axis they all have; other axes must agree. Gradient:
/// each gets its part. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_concat(
    g: *mut bg_graph,
    xs: *const bg_node,
    n: usize,
    axis: i32,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation_on_all(g, "concat", node_list(xs, n), |core, xs| {
            core.concat(xs, axis as isize)
        })
    }
}

/// The tensors, all of one shape, along a new axis at this place of the result. Gradient: each gets
/// its part. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_stack(
    g: *mut bg_graph,
    xs: *const bg_node,
    n: usize,
    axis: i32,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation_on_all(g, "stack", node_list(xs, n), |core, xs| {
            core.stack(xs, axis as isize)
        })
    }
}

/// What lies at one position along an axis, which vanishes. A negative index counts from the end. A
/// view. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_select(g: *mut bg_graph, x: bg_node, axis: i32, index: i64) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "select", [x], |core, [x]| {
            core.select(x, axis as isize, saturate(index))
        })
    }
}

/// len positions of an axis from start on, which counts from the end if it is negative. A view.
/// Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_narrow(
    g: *mut bg_graph,
    x: bg_node,
    axis: i32,
    start: i64,
    len: usize,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "narrow", [x], |core, [x]| {
            core.narrow(x, axis as isize, saturate(start), len)
        })
    }
}

/// Pieces of size positions along an axis, of which the last has what is left. Views. Takes any
/// type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_split(
    g: *mut bg_graph,
    x: bg_node,
    size: usize,
    axis: i32,
    out: *mut bg_node,
    capacity: usize,
) -> usize {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        list_of(g, "split", [x], (out, capacity), |core, [x], out| {
            core.split(x, size, axis as isize, out)
        })
    }
}

/// Pieces of these lengths along an axis, which they fill. Views. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_split_sizes(
    g: *mut bg_graph,
    x: bg_node,
    sizes: *const usize,
    n: usize,
    axis: i32,
    out: *mut bg_node,
    capacity: usize,
) -> usize {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        list_of(g, "split_sizes", [x], (out, capacity), |core, [x], out| {
            let sizes = len_list(core, "split_sizes", sizes, n)?;
            core.split_sizes(x, &sizes, axis as isize, out)
        })
    }
}

/// At most so many pieces of equal lengths along an axis; the last may be shorter. Views. Takes any
/// type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_chunk(
    g: *mut bg_graph,
    x: bg_node,
    chunks: usize,
    axis: i32,
    out: *mut bg_node,
    capacity: usize,
) -> usize {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        list_of(g, "chunk", [x], (out, capacity), |core, [x], out| {
            core.chunk(x, chunks, axis as isize, out)
        })
    }
}

/// What lies at each position along an axis, which vanishes. Views. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_unbind(
    g: *mut bg_graph,
    x: bg_node,
    axis: i32,
    out: *mut bg_node,
    capacity: usize,
) -> usize {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        list_of(g, "unbind", [x], (out, capacity), |core, [x], out| {
            core.unbind(x, axis as isize, out)
        })
    }
}

/// Windows of size positions along an axis, step apart: their number takes the place of the axis,
/// and their positions are a new last axis. Windows may overlap. A view. Gradient: added up where
/// they do. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_unfold(
    g: *mut bg_graph,
    x: bg_node,
    axis: i32,
    size: usize,
    step: usize,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "unfold", [x], |core, [x]| core.unfold(x, axis as isize, size, step)) }
}

/// The elements along these axes in reverse order. A view. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_flip(
    g: *mut bg_graph,
    x: bg_node,
    axes: *const i32,
    n: usize,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "flip", [x], |core, [x]| {
            let axes = axis_list(core, "flip", axes, n)?;
            core.flip(x, &axes)
        })
    }
}

/// The elements moved on by these shifts along these axes, one after the other; those that leave at
/// one end come in at the other. Without axes: by one shift, in the order of all elements. Takes
/// any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_roll(
    g: *mut bg_graph,
    x: bg_node,
    shifts: *const i64,
    shifts_count: usize,
    axes: *const i32,
    axes_count: usize,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "roll", [x], |core, [x]| {
            let shifts = int_list(core, "roll", shifts, shifts_count)?;
            let axes = axis_list(core, "roll", axes, axes_count)?;
            core.roll(x, &shifts, &axes)
        })
    }
}

/// Turned by k times 90 degrees in the plane of two axes, from the first towards the second. A
/// view. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_rot90(
    g: *mut bg_graph,
    x: bg_node,
    k: i64,
    axis0: i32,
    axis1: i32,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "rot90", [x], |core, [x]| {
            core.rot90(x, saturate(k), axis0 as isize, axis1 as isize)
        })
    }
}

/// One value added around a tensor. widths says how many places: a pair an axis, before and behind,
/// from the last axis on. Negative ones are cut off. Gradient: that of the elements that are left.
/// Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_pad(
    g: *mut bg_graph,
    x: bg_node,
    widths: *const i64,
    n: usize,
    value: f64,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "pad", [x], |core, [x]| {
            let widths = int_list(core, "pad", widths, n)?;
            core.pad(x, &widths, value)
        })
    }
}

/// Continued at its borders as in a mirror, which does not repeat the border itself; otherwise as
/// bg_pad. No wider than an axis is long, less one. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_pad_reflect(
    g: *mut bg_graph,
    x: bg_node,
    widths: *const i64,
    n: usize,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "pad_reflect", [x], |core, [x]| {
            let widths = int_list(core, "pad_reflect", widths, n)?;
            core.pad_reflect(x, &widths)
        })
    }
}

/// Continued at its borders with what is there; otherwise as bg_pad. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_pad_replicate(
    g: *mut bg_graph,
    x: bg_node,
    widths: *const i64,
    n: usize,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "pad_replicate", [x], |core, [x]| {
            let widths = int_list(core, "pad_replicate", widths, n)?;
            core.pad_replicate(x, &widths)
        })
    }
}

/// Continued at one border with what is at the other; otherwise as bg_pad. No wider than an axis is
/// long. What is cut off is cut off first, and what is left goes around, more than once if need be
/// (where PyTorch gives up). Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_pad_circular(
    g: *mut bg_graph,
    x: bg_node,
    widths: *const i64,
    n: usize,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "pad_circular", [x], |core, [x]| {
            let widths = int_list(core, "pad_circular", widths, n)?;
            core.pad_circular(x, &widths)
        })
    }
}

/// The whole tensor, so many times along each axis; repeats are aligned with the axes at the right,
/// and there may be more of them. Gradient: added up. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_tile(
    g: *mut bg_graph,
    x: bg_node,
    repeats: *const i64,
    n: usize,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "tile", [x], |core, [x]| {
            let repeats = int_list(core, "tile", repeats, n)?;
            core.tile(x, &repeats)
        })
    }
}

/// Each element so many times along an axis. Gradient: added up. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_repeat_interleave(
    g: *mut bg_graph,
    x: bg_node,
    repeats: usize,
    axis: i32,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "repeat_interleave", [x], |core, [x]| {
            core.repeat_interleave(x, repeats, axis as isize)
        })
    }
}

/// For vectors, what each has along an axis of its own, all in one shape: of result i, element [j0,
/// j1, ...] is element ji of xs[i]. A 0-d tensor counts as a vector. Views. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_meshgrid(
    g: *mut bg_graph,
    xs: *const bg_node,
    n: usize,
    out: *mut bg_node,
    capacity: usize,
) -> usize {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        list_of_all(g, "meshgrid", node_list(xs, n), (out, capacity), |core, xs, out| {
            core.meshgrid(xs, out)
        })
    }
}

/// Matrices one after the other along the diagonal of a matrix of zeros. A vector counts as a row,
/// a 0-d tensor as one element. Gradient: each gets its block. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_block_diag(g: *mut bg_graph, xs: *const bg_node, n: usize) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation_on_all(g, "block_diag", node_list(xs, n), |core, xs| core.block_diag(xs)) }
}

/// The powers of the elements of a vector, a row each: those from 0 on in columns columns, rising
/// or falling. Gradient: that of the powers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_vander(
    g: *mut bg_graph,
    x: bg_node,
    columns: usize,
    increasing: bool,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "vander", [x], |core, [x]| core.vander(x, columns, increasing)) }
}

/// A diagonal of the matrices along two axes, which vanish; it is the last axis of the result.
/// offset is how far above the main diagonal it is, or, negative, below. A view of what lies in
/// row-major order. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_diagonal(
    g: *mut bg_graph,
    x: bg_node,
    offset: i64,
    axis0: i32,
    axis1: i32,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "diagonal", [x], |core, [x]| {
            core.diagonal(x, saturate(offset), axis0 as isize, axis1 as isize)
        })
    }
}

/// Matrices of zeros with the last axis on a diagonal: offset above the main one or, negative,
/// below. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_diag_embed(g: *mut bg_graph, x: bg_node, offset: i64) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "diag_embed", [x], |core, [x]| core.diag_embed(x, saturate(offset))) }
}

/// Of a vector, the matrix that has it on a diagonal among zeros; of a matrix, the diagonal: k
/// above the main one or, negative, below. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_diag(g: *mut bg_graph, x: bg_node, k: i64) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "diag", [x], |core, [x]| core.diag(x, saturate(k))) }
}

/// The sum of the main diagonal of a matrix. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_trace(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "trace", [x], |core, [x]| core.trace(x)) }
}

/// The matrices of the last two axes with zeros above a diagonal: k above the main one or,
/// negative, below. Gradient: that of the elements that are left. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_tril(g: *mut bg_graph, x: bg_node, k: i64) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "tril", [x], |core, [x]| core.tril(x, saturate(k))) }
}

/// The matrices of the last two axes with zeros below a diagonal: k above the main one or,
/// negative, below. Gradient: that of the elements that are left. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_triu(g: *mut bg_graph, x: bg_node, k: i64) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "triu", [x], |core, [x]| core.triu(x, saturate(k))) }
}

/// The slices along an axis at the positions in index, a vector of BG_I64; negative ones count from
/// the end. Gradient: added up at the positions. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_index_select(
    g: *mut bg_graph,
    x: bg_node,
    axis: i32,
    index: bg_node,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "index_select", [x, index], |core, [x, index]| {
            core.index_select(x, axis as isize, index)
        })
    }
}

/// The elements at the positions in index (BG_I64) along an axis: for axis 1 of a matrix, y[i][j] =
/// x[i][index[i][j]]. The result has the shape of index, whose other axes are no longer than those
/// of x. Indices are not negative. Gradient: added up at the positions. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_gather(
    g: *mut bg_graph,
    x: bg_node,
    axis: i32,
    index: bg_node,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "gather", [x, index], |core, [x, index]| {
            core.gather(x, axis as isize, index)
        })
    }
}

/// The elements at the positions in index (BG_I64, any shape), counted in the order of all
/// elements; negative ones count from the end. Gradient: added up at the positions. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_take(g: *mut bg_graph, x: bg_node, index: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "take", [x, index], |core, [x, index]| core.take(x, index)) }
}

/// The elements at the positions in index (BG_I64) along an axis, as bg_gather, of tensors whose
/// other axes are broadcast to one another; negative positions count from the end. Gradient: added
/// up at the positions. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_take_along_dim(
    g: *mut bg_graph,
    x: bg_node,
    index: bg_node,
    axis: i32,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "take_along_dim", [x, index], |core, [x, index]| {
            core.take_along_dim(x, index, axis as isize)
        })
    }
}

/// The rows of weight at an index (BG_I64) of any shape; negative ones count from the end.
/// Gradient: added up at the rows. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_embedding(
    g: *mut bg_graph,
    weight: bg_node,
    index: bg_node,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "embedding", [weight, index], |core, [weight, index]| {
            core.embedding(weight, index)
        })
    }
}

/// A new last axis of length classes with 1 at the place that index (BG_I64) says, else 0. Of a
/// class that there is not, all are 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_one_hot(
    g: *mut bg_graph,
    index: bg_node,
    classes: usize,
    dtype: i32,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "one_hot", [index], |core, [index]| {
            let dtype = super::dtype(core, "one_hot", dtype)?;
            core.one_hot(index, classes, dtype)
        })
    }
}

/// alpha times the slices of src added to those of x at the positions in index, a vector of BG_I64,
/// along an axis; negative ones count from the end, and what is added at one position is added up.
/// Gradient: that of the result for x, and alpha times what is at the positions for src.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_index_add(
    g: *mut bg_graph,
    x: bg_node,
    axis: i32,
    index: bg_node,
    src: bg_node,
    alpha: f64,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "index_add", [x, index, src], |core, [x, index, src]| {
            core.index_add(x, axis as isize, index, src, alpha)
        })
    }
}

/// One value in the slices at the positions in index, a vector of BG_I64, along an axis; negative
/// ones count from the end. Gradient: that of the others. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_index_fill(
    g: *mut bg_graph,
    x: bg_node,
    axis: i32,
    index: bg_node,
    value: f64,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "index_fill", [x, index], |core, [x, index]| {
            core.index_fill(x, axis as isize, index, value)
        })
    }
}

/// One value where the mask (BG_U8) is set, else x; broadcast to one another. Gradient: that of the
/// others. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_masked_fill(
    g: *mut bg_graph,
    x: bg_node,
    mask: bg_node,
    value: f64,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "masked_fill", [x, mask], |core, [x, mask]| {
            core.masked_fill(x, mask, value)
        })
    }
}

/// What lies at the positions along the first axes that the last axis of index (BG_I64) lists: for
/// an index of shape [.., k], the result has the shape [..] and then that of x without its first k
/// axes. Negative positions count from the end. Gradient: added up at the positions. Takes any
/// type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_gather_nd(g: *mut bg_graph, x: bg_node, index: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "gather_nd", [x, index], |core, [x, index]| core.gather_nd(x, index)) }
}

/// x with src in place of every step-th slice from start on along an axis: as many as src has.
/// Nothing is written to x itself. Gradient: each gets that of its elements. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_slice_write(
    g: *mut bg_graph,
    x: bg_node,
    src: bg_node,
    axis: i32,
    start: i64,
    step: usize,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "slice_write", [x, src], |core, [x, src]| {
            core.slice_write(x, src, axis as isize, saturate(start), step)
        })
    }
}

/// x with src in place of what is at one position along an axis, which src does not have. A
/// negative index counts from the end. Nothing is written to x itself. Gradient: each gets that of
/// its elements. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_select_write(
    g: *mut bg_graph,
    x: bg_node,
    src: bg_node,
    axis: i32,
    index: i64,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "select_write", [x, src], |core, [x, src]| {
            core.select_write(x, src, axis as isize, saturate(index))
        })
    }
}

/// x with the elements of src at the positions in index (BG_I64) along an axis: for axis 1 of a
/// matrix, y[i][index[i][j]] = src[i][j]. Of several that are written to one place, the last one in
/// row-major order is there, and gets the gradient. Indices are not negative. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_scatter(
    g: *mut bg_graph,
    x: bg_node,
    axis: i32,
    index: bg_node,
    src: bg_node,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "scatter", [x, index, src], |core, [x, index, src]| {
            core.scatter(x, axis as isize, index, src)
        })
    }
}

/// x with the elements of src added at the positions in index (BG_I64) along an axis; otherwise as
/// bg_scatter. Gradient: to all of them. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_scatter_add(
    g: *mut bg_graph,
    x: bg_node,
    axis: i32,
    index: bg_node,
    src: bg_node,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "scatter_add", [x, index, src], |core, [x, index, src]| {
            core.scatter_add(x, axis as isize, index, src)
        })
    }
}

/// x with the elements of src joined to those at the positions in index (BG_I64) along an axis, by
/// how: "sum", "prod", "mean", "amax" or "amin". Without include_self what was there before does
/// not count where something is written. Gradients of equal extremes are shared evenly; those of
/// products, of any order, are right where factors are 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_scatter_reduce(
    g: *mut bg_graph,
    x: bg_node,
    axis: i32,
    index: bg_node,
    src: bg_node,
    how: *const c_char,
    include_self: bool,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "scatter_reduce", [x, index, src], |core, [x, index, src]| {
            let how = super::text(core, "scatter_reduce", how)?;
            core.scatter_reduce(x, axis as isize, index, src, how, include_self)
        })
    }
}

/// x with the slices of src at the positions in index, a vector of BG_I64, along an axis; otherwise
/// as bg_scatter. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_index_copy(
    g: *mut bg_graph,
    x: bg_node,
    axis: i32,
    index: bg_node,
    src: bg_node,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "index_copy", [x, index, src], |core, [x, index, src]| {
            core.index_copy(x, axis as isize, index, src)
        })
    }
}

/// The sum of a[i] b[i] of two vectors of one length: a 0-d tensor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_dot(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "dot", [a, b], |core, [a, b]| core.dot(a, b)) }
}

/// The matrix product over the last two axes; the others broadcast. A vector on the left is a row
/// and on the right a column, and that axis is gone from the result.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_matmul(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "matmul", [a, b], |core, [a, b]| core.matmul(a, b)) }
}

/// beta x + alpha a b, for matrices a and b; x is broadcast to their product. With beta 0, x does
/// not count, whatever it holds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_addmm(
    g: *mut bg_graph,
    x: bg_node,
    a: bg_node,
    b: bg_node,
    beta: f64,
    alpha: f64,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "addmm", [x, a, b], |core, [x, a, b]| core.addmm(x, a, b, beta, alpha)) }
}

/// beta x + alpha a b, for as many matrices, [count, rows, inner] and [count, inner, columns]; x is
/// broadcast to their products. With beta 0, x does not count, whatever it holds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_baddbmm(
    g: *mut bg_graph,
    x: bg_node,
    a: bg_node,
    b: bg_node,
    beta: f64,
    alpha: f64,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "baddbmm", [x, a, b], |core, [x, a, b]| {
            core.baddbmm(x, a, b, beta, alpha)
        })
    }
}

/// The vectors along the last axis of x times the transposed weight, of shape [outputs, inputs],
/// plus the bias, of shape [outputs].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_linear(
    g: *mut bg_graph,
    x: bg_node,
    weight: bg_node,
    bias: bg_node,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "linear", [x, weight, bias], |core, [x, weight, bias]| {
            core.linear(x, weight, bias)
        })
    }
}

/// All products of two vectors: y[i][j] = a[i] b[j].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_outer(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "outer", [a, b], |core, [a, b]| core.outer(a, b)) }
}

/// The Kronecker product: each element of a times all of b, in its place. The lengths of the result
/// are the products of those of a and b, aligned at the right; at most 4 axes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_kron(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "kron", [a, b], |core, [a, b]| core.kron(a, b)) }
}

/// The cross product of the vectors of three elements along an axis; the other axes are broadcast.
/// Both have one rank.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_cross(g: *mut bg_graph, a: bg_node, b: bg_node, axis: i32) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "cross", [a, b], |core, [a, b]| core.cross(a, b, axis as isize)) }
}

/// The sums of a b along an axis, of tensors that are broadcast to one another.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_vecdot(g: *mut bg_graph, a: bg_node, b: bg_node, axis: i32) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "vecdot", [a, b], |core, [a, b]| core.vecdot(a, b, axis as isize)) }
}

/// Sums of products by Einstein's convention: each axis of each operand has a label, a letter, in
/// the equation, as in "ij,jk->ik"; products are summed over the labels that the result has not
/// got.
///
/// A label that one operand has twice takes its diagonal. An ellipsis "..." stands for all axes
/// that have no label; those of several operands are broadcast to one another, and are summed if
/// the result has no ellipsis. Axes of length 1 are repeated where another operand's are longer.
/// Without "->" the result has the ellipsis, and then the labels that occur once, capital letters
/// first, by the alphabet. Spaces do not count.
///
/// Any number of float tensors of one dtype. They are multiplied by matrix products, two at a time,
/// in the order with the fewest multiplications; of more than six, those first that leave the
/// smallest result. No intermediate result may have more than 8 axes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_einsum(
    g: *mut bg_graph,
    equation: *const c_char,
    xs: *const bg_node,
    n: usize,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation_on_all(g, "einsum", node_list(xs, n), |core, xs| {
            let equation = super::text(core, "einsum", equation)?;
            core.einsum(equation, xs)
        })
    }
}

/// Products summed over pairs of axes: axes_a[i] of a with axes_b[i] of b, which must have one
/// length each, or one of them 1. The result has the other axes of a, and then those of b. Without
/// axes it has all products.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_tensordot(
    g: *mut bg_graph,
    a: bg_node,
    b: bg_node,
    axes_a: *const i64,
    axes_a_count: usize,
    axes_b: *const i64,
    axes_b_count: usize,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "tensordot", [a, b], |core, [a, b]| {
            let axes_a = int_list(core, "tensordot", axes_a, axes_a_count)?;
            let axes_b = int_list(core, "tensordot", axes_b, axes_b_count)?;
            core.tensordot(a, b, &axes_a, &axes_b)
        })
    }
}

/// Products summed over the last axis of both, which must have one length. The result has the other
/// axes of a, and then those of b. With a 0-d tensor, it is their product.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_inner(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "inner", [a, b], |core, [a, b]| core.inner(a, b)) }
}

/// y_k = sum a_i weight_kij b_j + bias_k, for vectors along the last axis of a and b, whose other
/// axes are the same. The weight has the shape [outputs, inputs of a, inputs of b], the bias
/// [outputs].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_bilinear(
    g: *mut bg_graph,
    a: bg_node,
    b: bg_node,
    weight: bg_node,
    bias: bg_node,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "bilinear", [a, b, weight, bias], |core, [a, b, weight, bias]| {
            core.bilinear(a, b, weight, bias)
        })
    }
}

/// The p-norm of the difference of each row of a, [..., rows, n], and each row of b, [..., others,
/// n]: of shape [..., rows, others]. The axes before the last two are broadcast. p is not negative,
/// and may be infinite.
///
/// With p = 2 and more than 25 rows on one side, |a|^2 + |b|^2 - 2 a b is made of one product of
/// matrices, where at least a quarter of |a|^2 + |b|^2 is left of it: up to two bits are lost. In
/// all other pairs the differences are taken directly, so that nothing cancels however near they
/// are. Gradient: that of bg_norm, 0 where the distance is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_cdist(g: *mut bg_graph, a: bg_node, b: bg_node, p: f64) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "cdist", [a, b], |core, [a, b]| core.cdist(a, b, p)) }
}

/// The p-norm of a - b + eps along the last axis, of tensors that are broadcast to one another; for
/// any p that bg_norm takes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_pairwise_distance(
    g: *mut bg_graph,
    a: bg_node,
    b: bg_node,
    p: f64,
    eps: f64,
    keepdim: bool,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "pairwise_distance", [a, b], |core, [a, b]| {
            core.pairwise_distance(a, b, p, eps, keepdim)
        })
    }
}

/// The cosine of the angle between the vectors along an axis, of tensors that are broadcast to one
/// another: the sum of the products of their elements, each divided by its vector's length. Lengths
/// are at least eps; in the gradient they count as they are.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_cosine_similarity(
    g: *mut bg_graph,
    a: bg_node,
    b: bg_node,
    axis: i32,
    eps: f64,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "cosine_similarity", [a, b], |core, [a, b]| {
            core.cosine_similarity(a, b, axis as isize, eps)
        })
    }
}

/// Each vector along an axis divided by its p-norm, or by eps if that is less; for any p that
/// bg_norm takes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_normalize(
    g: *mut bg_graph,
    x: bg_node,
    p: f64,
    axis: i32,
    eps: f64,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "normalize", [x], |core, [x]| core.normalize(x, p, axis as isize, eps)) }
}

/// (x - mean) / sqrt(variance + eps) weight + bias, with the mean and the variance over the last
/// axes, which have the shape of the weight and of the bias. The variance is the mean square of the
/// distances from the mean. J. Ba, J. Kiros, G. Hinton, 2016.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_layer_norm(
    g: *mut bg_graph,
    x: bg_node,
    weight: bg_node,
    bias: bg_node,
    eps: f64,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "layer_norm", [x, weight, bias], |core, [x, weight, bias]| {
            core.layer_norm(x, weight, bias, eps)
        })
    }
}

/// As bg_layer_norm, with the mean and the variance over each of so many groups of neighbouring
/// channels, for x of shape [rows, channels, ...], and with a weight and a bias for each channel,
/// [channels]. As many groups as channels make it an instance norm. Y. Wu, K. He, 2018.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_group_norm(
    g: *mut bg_graph,
    x: bg_node,
    groups: usize,
    weight: bg_node,
    bias: bg_node,
    eps: f64,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "group_norm", [x, weight, bias], |core, [x, weight, bias]| {
            core.group_norm(x, groups, weight, bias, eps)
        })
    }
}

/// x / sqrt(mean of x^2 + eps) weight, with the mean over the last axes, which have the shape of
/// the weight. B. Zhang, R. Sennrich, 2019.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_rms_norm(
    g: *mut bg_graph,
    x: bg_node,
    weight: bg_node,
    eps: f64,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "rms_norm", [x, weight], |core, [x, weight]| {
            core.rms_norm(x, weight, eps)
        })
    }
}

/// e^x / sum e^x along an axis, without overflow.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_softmax(g: *mut bg_graph, x: bg_node, axis: i32) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "softmax", [x], |core, [x]| core.softmax(x, axis as isize)) }
}

/// x - log sum e^x along an axis, without overflow.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_log_softmax(g: *mut bg_graph, x: bg_node, axis: i32) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "log_softmax", [x], |core, [x]| core.log_softmax(x, axis as isize)) }
}

/// The mean over the rows of -log softmax(logits) at the row's class. Logits are [rows, classes],
/// classes BG_I64 of shape [rows]; rows of class -100 are left out.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_cross_entropy(
    g: *mut bg_graph,
    logits: bg_node,
    classes: bg_node,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "cross_entropy", [logits, classes], |core, [logits, classes]| {
            core.cross_entropy(logits, classes)
        })
    }
}

/// -x at the row's class, of log-probabilities x of shape [rows, classes] or [rows, classes, ...],
/// with one class (BG_I64) for each [rows, ...]; or of one row, [classes]. Reduced; elements of
/// class -100 are left out: they are 0, and the mean is over the others.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_nll_loss(
    g: *mut bg_graph,
    x: bg_node,
    classes: bg_node,
    reduction: i32,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "nll_loss", [x, classes], |core, [x, classes]| {
            let reduction = super::reduce(core, "nll_loss", reduction)?;
            core.nll_loss(x, classes, reduction)
        })
    }
}

/// As bg_nll_loss, with the loss of each element times the weight of its class; the mean is divided
/// by the sum of those weights.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_nll_loss_weighted(
    g: *mut bg_graph,
    x: bg_node,
    classes: bg_node,
    weights: bg_node,
    reduction: i32,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "nll_loss_weighted", [x, classes, weights], |core, [x, classes, weights]| {
            let reduction = super::reduce(core, "nll_loss_weighted", reduction)?;
            core.nll_loss_weighted(x, classes, weights, reduction)
        })
    }
}

/// -log softmax(logits) at the row's class, otherwise as bg_nll_loss. With label smoothing s, from
/// 0 to 1, the part s of each target is spread evenly over all classes. C. Szegedy et al., 2016.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_cross_entropy_with(
    g: *mut bg_graph,
    logits: bg_node,
    classes: bg_node,
    label_smoothing: f64,
    reduction: i32,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "cross_entropy_with", [logits, classes], |core, [logits, classes]| {
            let reduction = super::reduce(core, "cross_entropy_with", reduction)?;
            core.cross_entropy_with(logits, classes, label_smoothing, reduction)
        })
    }
}

/// As bg_cross_entropy_with, with a weight for each class, [classes], by which its part of a loss
/// is multiplied; the mean is divided by the sum of the weights of the rows' classes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_cross_entropy_weighted(
    g: *mut bg_graph,
    logits: bg_node,
    classes: bg_node,
    weights: bg_node,
    label_smoothing: f64,
    reduction: i32,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "cross_entropy_weighted", [logits, classes, weights], |core, [logits, classes, weights]| {
            let reduction = super::reduce(core, "cross_entropy_weighted", reduction)?;
            core.cross_entropy_weighted(logits, classes, weights, label_smoothing, reduction)
        })
    }
}

/// -sum target log softmax(logits) over the classes, for targets that are probabilities, of the
/// shape of the logits: [rows, classes], [rows, classes, ...], or [classes]. With label smoothing s
/// they are (1 - s) target + s / classes. Reduced; the mean is over rows.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_cross_entropy_soft(
    g: *mut bg_graph,
    logits: bg_node,
    target: bg_node,
    label_smoothing: f64,
    reduction: i32,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "cross_entropy_soft", [logits, target], |core, [logits, target]| {
            let reduction = super::reduce(core, "cross_entropy_soft", reduction)?;
            core.cross_entropy_soft(logits, target, label_smoothing, reduction)
        })
    }
}

/// While the graph is in training mode: each element 0 with probability p, else scaled by 1 / (1 -
/// p). Otherwise the tensor itself.
///
/// The choice is made from the seed, from how many random leaves and dropouts were recorded since
/// the seed was set before this one, and from how many replays began since. Value and gradient have
/// the same one. A replay begins, and the choice is new, with each write to any leaf, an
/// optimiser's step, a rewind, a reset, a change of mode, and a resample.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_dropout(g: *mut bg_graph, x: bg_node, p: f64) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "dropout", [x], |core, [x]| core.dropout(x, p)) }
}

/// The mean of (a - b)^2 over all elements of two tensors of one shape, which are not broadcast.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_mse(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe { operation(g, "mse", [a, b], |core, [a, b]| core.mse(a, b)) }
}

/// (x - target)^2, of two tensors of one shape, reduced.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_mse_loss(
    g: *mut bg_graph,
    x: bg_node,
    target: bg_node,
    reduction: i32,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "mse_loss", [x, target], |core, [x, target]| {
            let reduction = super::reduce(core, "mse_loss", reduction)?;
            core.mse_loss(x, target, reduction)
        })
    }
}

/// |x - target|, of two tensors of one shape, reduced. Gradient: 0 where they are equal.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_l1_loss(
    g: *mut bg_graph,
    x: bg_node,
    target: bg_node,
    reduction: i32,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "l1_loss", [x, target], |core, [x, target]| {
            let reduction = super::reduce(core, "l1_loss", reduction)?;
            core.l1_loss(x, target, reduction)
        })
    }
}

/// Of d = x - target: d^2 / (2 beta) where |d| is less than beta, else |d| - beta / 2; reduced.
/// beta is not negative, and 0 makes it |d|. Gradient: d / beta, from -1 to 1. R. Girshick, "Fast
/// R-CNN", 2015.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_smooth_l1_loss(
    g: *mut bg_graph,
    x: bg_node,
    target: bg_node,
    beta: f64,
    reduction: i32,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "smooth_l1_loss", [x, target], |core, [x, target]| {
            let reduction = super::reduce(core, "smooth_l1_loss", reduction)?;
            core.smooth_l1_loss(x, target, beta, reduction)
        })
    }
}

/// Of d = x - target: d^2 / 2 where |d| is at most delta, else delta (|d| - delta / 2); reduced.
/// delta is above 0. Gradient: d, from -delta to delta. P. Huber, 1964.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_huber_loss(
    g: *mut bg_graph,
    x: bg_node,
    target: bg_node,
    delta: f64,
    reduction: i32,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "huber_loss", [x, target], |core, [x, target]| {
            let reduction = super::reduce(core, "huber_loss", reduction)?;
            core.huber_loss(x, target, delta, reduction)
        })
    }
}

/// -target log x - (1 - target) log(1 - x), of probabilities from 0 to 1, reduced. The logarithms
/// are at least -100. Gradient: (x - target) / (x (1 - x)), with a divisor of at least 1e-12.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_bce_loss(
    g: *mut bg_graph,
    x: bg_node,
    target: bg_node,
    reduction: i32,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "bce_loss", [x, target], |core, [x, target]| {
            let reduction = super::reduce(core, "bce_loss", reduction)?;
            core.bce_loss(x, target, reduction)
        })
    }
}

/// The binary cross-entropy of the probabilities sigmoid(x), as bg_bce_loss, for any x: target
/// softplus(-x) + (1 - target) softplus(x), reduced. Nothing overflows or cancels. Gradients:
/// sigmoid(x) - target, and -x.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_bce_with_logits(
    g: *mut bg_graph,
    x: bg_node,
    target: bg_node,
    reduction: i32,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "bce_with_logits", [x, target], |core, [x, target]| {
            let reduction = super::reduce(core, "bce_with_logits", reduction)?;
            core.bce_with_logits(x, target, reduction)
        })
    }
}

/// As bg_bce_with_logits, with the first part, that of the positive class, times a weight, which is
/// broadcast to x: one for each class, say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_bce_with_logits_weighted(
    g: *mut bg_graph,
    x: bg_node,
    target: bg_node,
    pos_weight: bg_node,
    reduction: i32,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "bce_with_logits_weighted", [x, target, pos_weight], |core, [x, target, pos_weight]| {
            let reduction = super::reduce(core, "bce_with_logits_weighted", reduction)?;
            core.bce_with_logits_weighted(x, target, pos_weight, reduction)
        })
    }
}

/// The divergence of Kullback and Leibler, element by element, of log-probabilities x from the
/// probabilities target: target (log target - x), 0 where the target is 0; with log_target the
/// targets are logarithms, too. Reduced: the mean is over all elements, so for the mean over
/// distributions take the sum, and divide.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_kl_div(
    g: *mut bg_graph,
    x: bg_node,
    target: bg_node,
    log_target: bool,
    reduction: i32,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "kl_div", [x, target], |core, [x, target]| {
            let reduction = super::reduce(core, "kl_div", reduction)?;
            core.kl_div(x, target, log_target, reduction)
        })
    }
}

/// log(1 + e^(-target x)) for targets 1 and -1, reduced.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_soft_margin_loss(
    g: *mut bg_graph,
    x: bg_node,
    target: bg_node,
    reduction: i32,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "soft_margin_loss", [x, target], |core, [x, target]| {
            let reduction = super::reduce(core, "soft_margin_loss", reduction)?;
            core.soft_margin_loss(x, target, reduction)
        })
    }
}

/// x where the target is 1, max(0, margin - x) where it is -1, and the sum of both elsewhere;
/// reduced. The target, of the shape of x and of any type that has -1, gets no gradient.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_hinge_embedding_loss(
    g: *mut bg_graph,
    x: bg_node,
    target: bg_node,
    margin: f64,
    reduction: i32,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "hinge_embedding_loss", [x, target], |core, [x, target]| {
            let reduction = super::reduce(core, "hinge_embedding_loss", reduction)?;
            core.hinge_embedding_loss(x, target, margin, reduction)
        })
    }
}

/// max(0, margin - target (a - b)), for targets 1, where a should be the larger one, and -1; all of
/// one shape; reduced.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_margin_ranking_loss(
    g: *mut bg_graph,
    a: bg_node,
    b: bg_node,
    target: bg_node,
    margin: f64,
    reduction: i32,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "margin_ranking_loss", [a, b, target], |core, [a, b, target]| {
            let reduction = super::reduce(core, "margin_ranking_loss", reduction)?;
            core.margin_ranking_loss(a, b, target, margin, reduction)
        })
    }
}

/// 1 - cos where the target is 1, max(0, cos - margin) where it is -1, for the cosine of the angle
/// between the vectors along the last axis of a and b, of one shape; reduced. The target has their
/// shape without that axis, and any type that has -1; it gets no gradient. (To squared lengths
/// 1e-12 is added.)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_cosine_embedding_loss(
    g: *mut bg_graph,
    a: bg_node,
    b: bg_node,
    target: bg_node,
    margin: f64,
    reduction: i32,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "cosine_embedding_loss", [a, b, target], |core, [a, b, target]| {
            let reduction = super::reduce(core, "cosine_embedding_loss", reduction)?;
            core.cosine_embedding_loss(a, b, target, margin, reduction)
        })
    }
}

/// max(0, margin + distance(anchor, positive) - distance(anchor, negative)), with distances as
/// those of bg_pairwise_distance for eps 1e-6; with swap that of positive and negative, if it is
/// less than the last; reduced. V. Balntas et al., 2016.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_triplet_margin_loss(
    g: *mut bg_graph,
    anchor: bg_node,
    positive: bg_node,
    negative: bg_node,
    margin: f64,
    p: f64,
    swap: bool,
    reduction: i32,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "triplet_margin_loss", [anchor, positive, negative], |core, [anchor, positive, negative]| {
            let reduction = super::reduce(core, "triplet_margin_loss", reduction)?;
            core.triplet_margin_loss(anchor, positive, negative, margin, p, swap, reduction)
        })
    }
}

/// The negative log-likelihood of targets under normal distributions with these means and
/// variances: (log variance + (x - target)^2 / variance) / 2, and with full log(2 pi) / 2 more;
/// reduced. The variance is broadcast to x, or has its shape without the last axis. It is taken as
/// at least eps, but in the gradient counts as it is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_gaussian_nll_loss(
    g: *mut bg_graph,
    x: bg_node,
    target: bg_node,
    variance: bg_node,
    full: bool,
    eps: f64,
    reduction: i32,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "gaussian_nll_loss", [x, target, variance], |core, [x, target, variance]| {
            let reduction = super::reduce(core, "gaussian_nll_loss", reduction)?;
            core.gaussian_nll_loss(x, target, variance, full, eps, reduction)
        })
    }
}

/// The negative log-likelihood of targets under Poisson distributions, but for what depends on the
/// target alone: x - target log(x + eps), or with log_input e^x - target x; reduced. With full,
/// Stirling's approximation of that is added where the target is above 1: target log target -
/// target + log(2 pi target) / 2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_poisson_nll_loss(
    g: *mut bg_graph,
    x: bg_node,
    target: bg_node,
    log_input: bool,
    full: bool,
    eps: f64,
    reduction: i32,
) -> bg_node {
    // SAFETY: the header's rules for `g` and for what is pointed to.
    unsafe {
        operation(g, "poisson_nll_loss", [x, target], |core, [x, target]| {
            let reduction = super::reduce(core, "poisson_nll_loss", reduction)?;
            core.poisson_nll_loss(x, target, log_input, full, eps, reduction)
        })
    }
}
