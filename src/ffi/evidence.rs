//! What speaks for derivatives, or against them.

use std::ffi::c_char;
use std::mem::offset_of;

use super::print::format;
use super::{bg_graph, bg_node, bg_status, call, field, input, need_size, set_field, status};
use crate::graph::Handle;
use crate::session::evidence::GradcheckOptions;

/// Options of bg_gradcheck. Start from BG_GRADCHECK_OPTIONS_INIT, which sets the defaults.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct bg_gradcheck_options {
    /// sizeof(bg_gradcheck_options)
    pub struct_size: usize,
    /// By how much an element is moved, times the larger of 1 and its size. Default: 6e-6.
    pub step: f64,
    /// How far a derivative may be from the difference quotient in any case. Default: 1e-7.
    pub absolute: f64,
    /// And how far in proportion to it. Default: 1e-5.
    pub relative: f64,
}

/// What bg_gradcheck found. Start from BG_GRADCHECK_RESULT_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct bg_gradcheck_result {
    /// sizeof(bg_gradcheck_result)
    pub struct_size: usize,
    /// Which input has the element that is farthest off, in proportion to its tolerance.
    pub input: usize,
    /// Which element of it that is.
    pub element: usize,
    /// The derivative there, by reverse mode.
    pub derivative: f64,
    /// The difference quotient there.
    pub difference: f64,
    /// The product of u and J v by forward mode, for scattered u and v.
    pub forward: f64,
    /// The product of J' u and v by reverse mode: the same, but for rounding.
    pub reverse: f64,
}

/// Compares the gradients of y by m leaves, all of type BG_F64, with central differences, element by
/// element; and reverse mode with forward mode, which must agree but for rounding. An output of several
/// elements is weighed by scattered numbers. BG_ERR_GRADIENT if a derivative is farther off than the
/// tolerances allow, with a message that names the worst; `result` may be NULL. Takes two evaluations
/// for each element; nothing has changed afterwards. Random operations draw anew each time: check
/// without them, or in evaluation mode. `options` may be NULL for the defaults.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_gradcheck(
    g: *mut bg_graph,
    y: bg_node,
    xs: *const bg_node,
    m: usize,
    options: *const bg_gradcheck_options,
    result: *mut bg_gradcheck_result,
) -> bg_status {
    let what = "gradcheck";
    let (given, out) = (options.cast::<u8>(), result.cast::<u8>());
    // SAFETY: the header's rules for `g` and `xs`; the structs are NULL or begin with their sizes.
    unsafe {
        status(g, |s| {
            need_size(&mut s.core, what, given)?;
            need_size(&mut s.core, what, out)?;
            let xs = input(&mut s.core, what, xs, m)?;
            let mut how = GradcheckOptions::default();
            if !given.is_null() {
                how.step = field(given, offset_of!(bg_gradcheck_options, step), how.step);
                how.absolute =
                    field(given, offset_of!(bg_gradcheck_options, absolute), how.absolute);
                how.relative =
                    field(given, offset_of!(bg_gradcheck_options, relative), how.relative);
            }
            let found = s.gradcheck(y.into(), xs.iter().map(Handle::from), &how)?;
            if !out.is_null() {
                set_field(out, offset_of!(bg_gradcheck_result, input), found.input);
                set_field(out, offset_of!(bg_gradcheck_result, element), found.element);
                set_field(out, offset_of!(bg_gradcheck_result, derivative), found.derivative);
                set_field(out, offset_of!(bg_gradcheck_result, difference), found.difference);
                set_field(out, offset_of!(bg_gradcheck_result, forward), found.forward);
                set_field(out, offset_of!(bg_gradcheck_result, reverse), found.reverse);
            }
            s.need_right(&found)
        })
    }
}

/// Whether values that are read, and gradients of backward, are looked through, with all that they are
/// made of. The first number that is NaN, or infinite although nothing infinite went in, is
/// BG_ERR_NUMBER, with a message that names its operation, label and element and, of a gradient, whose
/// derivative it was made in; no gradient has changed then. Slow: for finding out.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_check_numbers(g: *mut bg_graph, on: bool) {
    // SAFETY: the header's rules for `g`.
    unsafe { call(g, |s| s.set_check_numbers(on)) }
}

/// Says in words whether the gradient of `loss` reaches x, and if not, where its way ends: at what was
/// detached, compared, made of integers, or recorded without gradients. As snprintf: at most
/// `capacity` bytes are written, a final NUL among them, and the length of the whole text is returned; 0
/// when there is an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_why_no_grad(
    g: *mut bg_graph,
    loss: bg_node,
    x: bg_node,
    buffer: *mut c_char,
    capacity: usize,
) -> usize {
    // SAFETY: the header's rules for `g` and `buffer`.
    unsafe {
        format(g, (buffer, capacity), |session, out| {
            session.why_no_grad(loss.into(), x.into(), out)
        })
    }
}
