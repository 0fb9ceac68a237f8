//! Gradients.

use std::ffi::c_void;

use super::{ask, bg_graph, bg_node, bg_status, head, input, null_pointer, record, status};
use crate::error::{ErrorKind, Fail, Maybe};
use crate::graph::Handle;
use crate::session::Session;

/// Adds the gradient of y, a single element, to the gradient of every leaf that requires one. It
/// adds: see bg_zero_grads. When it fails, no gradient has changed. The value of y is computed on the
/// way and kept: read it afterwards. To read it before costs one more forward.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_backward(g: *mut bg_graph, y: bg_node) -> bg_status {
    // SAFETY: the header's rules for `g`.
    unsafe { status(g, |s| s.backward([(y.into(), None)].into_iter())) }
}

/// As bg_backward, for y of any shape with a head gradient of the same shape: the gradient of
/// sum(head y).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_backward_with(
    g: *mut bg_graph,
    y: bg_node,
    head: bg_node,
) -> bg_status {
    // SAFETY: the header's rules for `g`.
    unsafe { status(g, |s| s.backward([(y.into(), Some(head.into()))].into_iter())) }
}

/// As bg_backward, for the sum of n roots in one pass. `heads` may be NULL, and each of its nodes
/// BG_NULL, for a root with a single element.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_backward_many(
    g: *mut bg_graph,
    ys: *const bg_node,
    heads: *const bg_node,
    n: usize,
) -> bg_status {
    let what = "backward";
    // SAFETY: the header's rules for `g`, `ys` and `heads`.
    unsafe {
        status(g, |s| {
            let ys = input(&mut s.core, what, ys, n)?;
            if heads.is_null() {
                return s.backward(ys.iter().map(|y| (y.into(), None)));
            }
            let heads = input(&mut s.core, what, heads, n)?;
            s.backward(ys.iter().zip(heads.iter()).map(|(y, h)| (y.into(), head(h))))
        })
    }
}

/// The gradients of y with respect to n nodes, as nodes that can be computed with and
/// differentiated again; no leaf's gradient changes. `head_or_null` may be BG_NULL when y is a
/// single element. An x that y does not depend on is an error or, with allow_unused, has a null
/// gradient. All are null when there is an error. `out` must not overlap `xs`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_grad(
    g: *mut bg_graph,
    y: bg_node,
    head_or_null: bg_node,
    xs: *const bg_node,
    n: usize,
    out: *mut bg_node,
    allow_unused: bool,
) -> bg_status {
    let what = "grad";
    let null = bg_node::from(Handle::NULL);
    // SAFETY: the header's rules for `g`, `xs` and `out`, which has n places.
    unsafe {
        if !out.is_null() {
            (0..n).for_each(|i| out.add(i).write_unaligned(null));
        }
        status(g, |s| {
            let xs = input(&mut s.core, what, xs, n)?;
            if out.is_null() && n > 0 {
                return Err(null_pointer(&mut s.core, what));
            }
            let root = [(y.into(), head(head_or_null))].into_iter();
            let xs = xs.iter().map(Handle::from);
            s.grad(what, root, xs, allow_unused, |i, x| out.add(i).write_unaligned(x.into()))
        })
    }
}

/// Fails where no backward has reached x since the last zero_grad.
fn no_gradient(session: &mut Session, what: &str, x: bg_node) -> Fail {
    session.core.fail(
        ErrorKind::Gradient,
        format_args!(
            "{what}: n{} has no gradient: it is unset until backward reaches a leaf that requires grad",
            x.id
        ),
    )
}

/// The first byte of the gradient of x, if there is one.
fn gradient_start(session: &mut Session, what: &str, x: bg_node) -> Maybe<Option<*const u8>> {
    let (_, gradient) = session.gradient(what, x.into())?;
    Ok(gradient.map(|buffer| buffer.as_ptr().cast_const()))
}

/// Copies the gradient of x, row-major, to `out`, which has exactly its size in bytes: that of x.
/// BG_ERR_GRADIENT while there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_read_grad(
    g: *mut bg_graph,
    x: bg_node,
    out: *mut c_void,
    bytes: usize,
) -> bg_status {
    // SAFETY: the header's rules for `g` and `out`, whose size is the tensor's (checked).
    unsafe {
        status(g, |s| {
            let what = "read_grad";
            let id = s.core.resolve(what, x.into())?;
            super::read::need_room(&mut s.core, what, id, out, bytes)?;
            match gradient_start(s, what, x)? {
                Some(start) => {
                    std::ptr::copy(start, out.cast(), bytes);
                    Ok(())
                }
                None => Err(no_gradient(s, what, x)),
            }
        })
    }
}

/// Whether x has a gradient.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_has_grad(g: *mut bg_graph, x: bg_node) -> bool {
    // SAFETY: the header's rules for `g`.
    unsafe { ask(g, |s| Ok(gradient_start(s, "has_grad", x)?.is_some())) }
}

/// A constant with the present gradient of x.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_grad_tensor(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe {
        record(g, |s| {
            let gradient = s.grad_leaf(x.into());
            if gradient == Handle::NULL {
                // Tells nothing new when the reason is another one, told already.
                no_gradient(s, "grad_tensor", x);
            }
            gradient
        })
    }
}

/// Unsets the gradient of x.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_zero_grad(g: *mut bg_graph, x: bg_node) -> bg_status {
    // SAFETY: the header's rules for `g`.
    unsafe { status(g, |s| s.zero_grad(x.into())) }
}

/// Unsets all gradients of the graph.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_zero_grads(g: *mut bg_graph) {
    // SAFETY: the header's rules for `g`.
    unsafe { super::call(g, Session::zero_all_grads) }
}

/// Lets x, which is no leaf, keep its gradient from backward, too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_retain_grad(g: *mut bg_graph, x: bg_node) -> bg_status {
    // SAFETY: the header's rules for `g`.
    unsafe { status(g, |s| s.retain_grad(x.into())) }
}
