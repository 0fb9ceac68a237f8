//! Elementwise operations: one operand, two operands broadcast to one another, comparisons.

use super::{bg_graph, bg_node, record, record_map};
use crate::graph::Operand;
use crate::node::Comparison;
use crate::roll_call::Elem;

/// # Safety
/// The header's rules for `g`.
unsafe fn map(g: *mut bg_graph, elem: Elem, x: bg_node) -> bg_node {
    // SAFETY: the caller's promise.
    unsafe { record_map(g, |s| s.map(elem, x.into())) }
}

/// # Safety
/// The header's rules for `g`.
unsafe fn map2(g: *mut bg_graph, elem: Elem, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the caller's promise.
    unsafe { record_map(g, |s| s.map2(elem, a.into(), b.into())) }
}

/// # Safety
/// The header's rules for `g`.
unsafe fn map_scalar(g: *mut bg_graph, elem: Elem, x: bg_node, c: f64) -> bg_node {
    // SAFETY: the caller's promise.
    unsafe { record_map(g, |s| s.map_scalar(elem, x.into(), c)) }
}

/// # Safety
/// The header's rules for `g`.
unsafe fn compare(g: *mut bg_graph, how: Comparison, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the caller's promise.
    unsafe {
        record(g, |s| {
            s.record2(how.name(), a.into(), b.into(), |core, a, b| core.compare(how, a, b))
        })
    }
}

/// # Safety
/// The header's rules for `g`.
unsafe fn compare_scalar(g: *mut bg_graph, how: Comparison, x: bg_node, c: f64) -> bg_node {
    // SAFETY: the caller's promise.
    unsafe {
        record(g, |s| {
            s.record1(how.name(), x.into(), |core, x| core.compare(how, x, Operand::Constant(c)))
        })
    }
}

/// -x.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_neg(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { map(g, Elem::Neg, x) }
}

/// |x|; the gradient at 0 is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_abs(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { map(g, Elem::Abs, x) }
}

/// -1, 0 or 1; the gradient is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_sign(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { map(g, Elem::Sign, x) }
}

/// e^x.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_exp(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { map(g, Elem::Exp, x) }
}

/// e^x - 1, exact near 0. The gradient is made of it, so below x = -16 (f32) or -36 it is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_expm1(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { map(g, Elem::Expm1, x) }
}

/// The natural logarithm.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_log(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { map(g, Elem::Log, x) }
}

/// log(1 + x), exact near 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_log1p(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { map(g, Elem::Log1p, x) }
}

/// The square root.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_sqrt(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { map(g, Elem::Sqrt, x) }
}

/// 1 / sqrt(x).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_rsqrt(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { map(g, Elem::Rsqrt, x) }
}

/// x^2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_square(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { map(g, Elem::Square, x) }
}

/// 1 / x.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_reciprocal(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { map(g, Elem::Reciprocal, x) }
}

/// The sine of x, in radians.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_sin(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { map(g, Elem::Sin, x) }
}

/// The cosine of x, in radians.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_cos(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { map(g, Elem::Cos, x) }
}

/// The tangent of x, in radians.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_tan(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { map(g, Elem::Tan, x) }
}

/// The hyperbolic tangent y. The gradient, 1 - y^2, is made of it, so beyond x = 9 (f32) or 19 it is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_tanh(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { map(g, Elem::Tanh, x) }
}

/// 1 / (1 + e^-x). The gradient is made of it, so above x = 17 (f32) or 37 it is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_sigmoid(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { map(g, Elem::Sigmoid, x) }
}

/// The error function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_erf(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { map(g, Elem::Erf, x) }
}

/// max(x, 0); the gradient at 0 is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_relu(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { map(g, Elem::Relu, x) }
}

/// log(1 + e^x).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_softplus(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { map(g, Elem::Softplus, x) }
}

/// x times the normal distribution function of x.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_gelu(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { map(g, Elem::Gelu, x) }
}

/// The approximation of gelu by tanh.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_gelu_tanh(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { map(g, Elem::GeluTanh, x) }
}

/// x sigmoid(x).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_silu(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { map(g, Elem::Silu, x) }
}

/// The next integer below; the gradient is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_floor(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { map(g, Elem::Floor, x) }
}

/// The next integer above; the gradient is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_ceil(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { map(g, Elem::Ceil, x) }
}

/// The nearest integer, halves to even; the gradient is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_round(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { map(g, Elem::Round, x) }
}

/// a + b.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_add(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { map2(g, Elem::Add, a, b) }
}

/// a - b.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_sub(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { map2(g, Elem::Sub, a, b) }
}

/// a b, element by element.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_mul(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { map2(g, Elem::Mul, a, b) }
}

/// a / b.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_div(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { map2(g, Elem::Div, a, b) }
}

/// a^b.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_pow(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { map2(g, Elem::Pow, a, b) }
}

/// The larger one; at a tie each gets half of the gradient.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_maximum(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { map2(g, Elem::Maximum, a, b) }
}

/// The smaller one; at a tie each gets half of the gradient.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_minimum(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { map2(g, Elem::Minimum, a, b) }
}

/// The angle of the point (b, a), in radians: atan2(a, b).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_atan2(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { map2(g, Elem::Atan2, a, b) }
}

/// factor x.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_scale(g: *mut bg_graph, x: bg_node, factor: f64) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { map_scalar(g, Elem::Mul, x, factor) }
}

/// x + c.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_add_scalar(g: *mut bg_graph, x: bg_node, c: f64) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { map_scalar(g, Elem::Add, x, c) }
}

/// x^exponent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_pow_scalar(g: *mut bg_graph, x: bg_node, exponent: f64) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { record(g, |s| s.record1("pow", x.into(), |core, x| core.pow_scalar(x, exponent))) }
}

/// x within min and max; the gradient is 0 outside and at the bounds. An infinite or NaN bound is
/// none; one of them must be a bound. Where min is above max, all elements become max.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_clamp(g: *mut bg_graph, x: bg_node, min: f64, max: f64) -> bg_node {
    let min = (min > f64::NEG_INFINITY).then_some(min);
    let max = (max < f64::INFINITY).then_some(max);
    // SAFETY: the header's rules for `g`.
    unsafe { record(g, |s| s.record1("clamp", x.into(), |core, x| core.clamp(x, min, max))) }
}

/// A mask (BG_U8): 1 where a == b, else 0. Any type, the same for both; no gradient.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_eq(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { compare(g, Comparison::Eq, a, b) }
}

/// A mask (BG_U8): 1 where a != b, else 0. Any type, the same for both; no gradient.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_ne(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { compare(g, Comparison::Ne, a, b) }
}

/// A mask (BG_U8): 1 where a < b, else 0. Any type, the same for both; no gradient.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_lt(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { compare(g, Comparison::Lt, a, b) }
}

/// A mask (BG_U8): 1 where a <= b, else 0. Any type, the same for both; no gradient.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_le(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { compare(g, Comparison::Le, a, b) }
}

/// A mask (BG_U8): 1 where a > b, else 0. Any type, the same for both; no gradient.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_gt(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { compare(g, Comparison::Gt, a, b) }
}

/// A mask (BG_U8): 1 where a >= b, else 0. Any type, the same for both; no gradient.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_ge(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { compare(g, Comparison::Ge, a, b) }
}

/// A mask (BG_U8): 1 where x == c, else 0. Any type; no gradient.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_eq_scalar(g: *mut bg_graph, x: bg_node, c: f64) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { compare_scalar(g, Comparison::Eq, x, c) }
}

/// A mask (BG_U8): 1 where x != c, else 0. Any type; no gradient.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_ne_scalar(g: *mut bg_graph, x: bg_node, c: f64) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { compare_scalar(g, Comparison::Ne, x, c) }
}

/// A mask (BG_U8): 1 where x < c, else 0. Any type; no gradient.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_lt_scalar(g: *mut bg_graph, x: bg_node, c: f64) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { compare_scalar(g, Comparison::Lt, x, c) }
}

/// A mask (BG_U8): 1 where x <= c, else 0. Any type; no gradient.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_le_scalar(g: *mut bg_graph, x: bg_node, c: f64) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { compare_scalar(g, Comparison::Le, x, c) }
}

/// A mask (BG_U8): 1 where x > c, else 0. Any type; no gradient.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_gt_scalar(g: *mut bg_graph, x: bg_node, c: f64) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { compare_scalar(g, Comparison::Gt, x, c) }
}

/// A mask (BG_U8): 1 where x >= c, else 0. Any type; no gradient.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_ge_scalar(g: *mut bg_graph, x: bg_node, c: f64) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { compare_scalar(g, Comparison::Ge, x, c) }
}

/// `yes` where the mask (BG_U8) is set, else `no`; all three broadcast. The gradient goes to the
/// one that was taken.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_where(
    g: *mut bg_graph,
    mask: bg_node,
    yes: bg_node,
    no: bg_node,
) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe {
        record(g, |s| {
            s.record(|core| {
                let what = "where";
                let mask = core.resolve(what, mask.into())?;
                let (yes, no) = (core.resolve(what, yes.into())?, core.resolve(what, no.into())?);
                core.where_(mask, yes, no)
            })
        })
    }
}

/// The same numbers as another element type: floats to integers towards zero; what is beyond an
/// integer type's range to its nearest end, and NaN to 0. The gradient flows between float types.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_cast(g: *mut bg_graph, x: bg_node, dtype: i32) -> bg_node {
    let what = "cast";
    // SAFETY: the header's rules for `g`.
    unsafe {
        record(g, |s| {
            s.record1(what, x.into(), |core, x| {
                let dtype = super::dtype(core, what, dtype)?;
                core.cast(x, dtype)
            })
        })
    }
}
