//! Elementwise operations with numbers that are no tensors, and with other names in C than in Rust.

use super::{bg_graph, bg_node, operation, record_map};
use crate::roll_call::Elem;

/// # Safety
/// The header's rules for `g`.
unsafe fn map_scalar(g: *mut bg_graph, elem: Elem, x: bg_node, c: f64) -> bg_node {
    // SAFETY: the caller's promise.
    unsafe { record_map(g, |s| s.map_scalar(elem, x.into(), c)) }
}

/// factor x. Takes BG_I64, too, with a factor that is an integer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_scale(g: *mut bg_graph, x: bg_node, factor: f64) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { map_scalar(g, Elem::Mul, x, factor) }
}

/// x + c. Takes BG_I64, too, with a c that is an integer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_add_scalar(g: *mut bg_graph, x: bg_node, c: f64) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { map_scalar(g, Elem::Add, x, c) }
}

/// x^exponent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_pow_scalar(g: *mut bg_graph, x: bg_node, exponent: f64) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { operation(g, "pow", [x], |core, [x]| core.pow_scalar(x, exponent)) }
}

/// x within min and max; the gradient is 0 outside and at the bounds. An infinite or NaN bound is
/// none; one of them must be a bound. Where min is above max, all elements become max.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_clamp(g: *mut bg_graph, x: bg_node, min: f64, max: f64) -> bg_node {
    let min = (min > f64::NEG_INFINITY).then_some(min);
    let max = (max < f64::INFINITY).then_some(max);
    // SAFETY: the header's rules for `g`.
    unsafe { operation(g, "clamp", [x], |core, [x]| core.clamp(x, min, max)) }
}

/// `yes` where the mask (BG_U8) is set, else `no`; all three broadcast. The gradient goes to the
/// one that was taken. Takes any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_where(
    g: *mut bg_graph,
    mask: bg_node,
    yes: bg_node,
    no: bg_node,
) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe {
        operation(g, "where", [mask, yes, no], |core, [mask, yes, no]| core.where_(mask, yes, no))
    }
}

/// The same numbers as another element type: floats to integers towards zero; what is beyond an
/// integer type's range to its nearest end, and NaN to 0. The gradient flows between float types. Takes
/// any type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_cast(g: *mut bg_graph, x: bg_node, dtype: i32) -> bg_node {
    let what = "cast";
    // SAFETY: the header's rules for `g`.
    unsafe {
        operation(g, what, [x], |core, [x]| {
            let dtype = super::dtype(core, what, dtype)?;
            core.cast(x, dtype)
        })
    }
}
