//! Shape operations. Most are views: they move no data.

use super::{bg_graph, bg_node, input, record, short_list};
use crate::error::Maybe;
use crate::graph::{Core, Handle};
use crate::id::NodeId;
use crate::shape::MAX_RANK;

/// # Safety
/// The header's rules for `g` and the list.
unsafe fn with_list<T: Copy>(
    g: *mut bg_graph,
    what: &str,
    x: bg_node,
    (list, len): (*const T, usize),
    widen: fn(T) -> isize,
    record_it: impl FnOnce(&mut Core, NodeId, &[isize]) -> Maybe<NodeId>,
) -> bg_node {
    // SAFETY: the caller's promise.
    unsafe {
        record(g, |s| {
            s.record1(what, x.into(), |core, x| {
                let mut wide = [0; MAX_RANK];
                for (to, from) in wide.iter_mut().zip(short_list(core, what, list, len)?.iter()) {
                    *to = widen(from);
                }
                record_it(core, x, &wide[..len])
            })
        })
    }
}

/// A length or bound of C's; out of isize, it is out of range for any tensor.
fn saturate(x: i64) -> isize {
    isize::try_from(x).unwrap_or(if x < 0 { isize::MIN } else { isize::MAX })
}

/// The same elements in row-major order in another shape; one length may be -1: what is left.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_reshape(
    g: *mut bg_graph,
    x: bg_node,
    dims: *const i64,
    rank: usize,
) -> bg_node {
    // SAFETY: the header's rules for `g` and `dims`.
    unsafe {
        with_list(g, "reshape", x, (dims, rank), saturate, |core, x, dims| core.reshape(x, dims))
    }
}

/// Two axes exchanged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_transpose(g: *mut bg_graph, x: bg_node, a: i32, b: i32) -> bg_node {
    let (a, b) = (a as isize, b as isize);
    // SAFETY: the header's rules for `g`.
    unsafe { record(g, |s| s.record1("transpose", x.into(), |core, x| core.transpose(x, a, b))) }
}

/// Axis i of the result is axis order[i] of x; `order` names each axis once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_permute(
    g: *mut bg_graph,
    x: bg_node,
    order: *const i32,
    n: usize,
) -> bg_node {
    // SAFETY: the header's rules for `g` and `order`.
    unsafe {
        with_list(
            g,
            "permute",
            x,
            (order, n),
            |axis| axis as isize,
            |core, x, order| core.permute(x, order),
        )
    }
}

/// Axes of length 1, and missing ones at the left, repeated up to these lengths; -1 keeps one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_expand(
    g: *mut bg_graph,
    x: bg_node,
    dims: *const i64,
    rank: usize,
) -> bg_node {
    // SAFETY: the header's rules for `g` and `dims`.
    unsafe {
        with_list(g, "expand", x, (dims, rank), saturate, |core, x, dims| core.expand(x, dims))
    }
}

/// Without this axis if its length is 1, else x itself.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_squeeze(g: *mut bg_graph, x: bg_node, axis: i32) -> bg_node {
    let axis = Some(axis as isize);
    // SAFETY: the header's rules for `g`.
    unsafe { record(g, |s| s.record1("squeeze", x.into(), |core, x| core.squeeze(x, axis))) }
}

/// Without all axes of length 1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_squeeze_all(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { record(g, |s| s.record1("squeeze", x.into(), |core, x| core.squeeze(x, None))) }
}

/// With a new axis of length 1 at this place of the result.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_unsqueeze(g: *mut bg_graph, x: bg_node, axis: i32) -> bg_node {
    let axis = axis as isize;
    // SAFETY: the header's rules for `g`.
    unsafe { record(g, |s| s.record1("unsqueeze", x.into(), |core, x| core.unsqueeze(x, axis))) }
}

/// The elements from start up to but without stop along an axis, every step-th (at least 1).
/// Negative bounds count from the end, and bounds outside are cut, as in Python.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_slice(
    g: *mut bg_graph,
    x: bg_node,
    axis: i32,
    start: i64,
    stop: i64,
    step: i64,
) -> bg_node {
    let (start, stop, step) = (saturate(start), saturate(stop), saturate(step));
    // SAFETY: the header's rules for `g`.
    unsafe {
        record(g, |s| {
            s.record1("slice", x.into(), |core, x| core.slice(x, axis as isize, start, stop, step))
        })
    }
}

/// # Safety
/// The header's rules for `g` and `xs`.
unsafe fn join(
    g: *mut bg_graph,
    what: &str,
    (xs, n): (*const bg_node, usize),
    record_it: impl FnOnce(&mut Core, &mut [NodeId]) -> Maybe<NodeId>,
) -> bg_node {
    // SAFETY: the caller's promise.
    unsafe {
        record(g, |s| match input(&mut s.core, what, xs, n) {
            Ok(xs) => s.record_all(what, xs.iter().map(Handle::from), record_it),
            Err(_) => Handle::NULL,
        })
    }
}

/// The n tensors one after the other along an axis they all have; other axes must agree.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_concat(
    g: *mut bg_graph,
    xs: *const bg_node,
    n: usize,
    axis: i32,
) -> bg_node {
    // SAFETY: the header's rules for `g` and `xs`.
    unsafe { join(g, "concat", (xs, n), |core, xs| core.concat(xs, axis as isize)) }
}

/// The n tensors, all of one shape, along a new axis at this place of the result.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_stack(
    g: *mut bg_graph,
    xs: *const bg_node,
    n: usize,
    axis: i32,
) -> bg_node {
    // SAFETY: the header's rules for `g` and `xs`.
    unsafe { join(g, "stack", (xs, n), |core, xs| core.stack(xs, axis as isize)) }
}
