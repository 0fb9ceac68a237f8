//! Products of matrices, and the layers and losses of networks.

use super::{bg_graph, bg_node, record};

/// Sum of a[i] b[i] of two vectors of one length: a 0-d tensor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_dot(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { record(g, |s| s.record2("dot", a.into(), b.into(), |core, a, b| core.dot(a, b))) }
}

/// Matrix product over the last two axes; the others broadcast. A vector on the left is a row and
/// on the right a column, and that axis is gone from the result.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_matmul(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe {
        record(g, |s| s.record2("matmul", a.into(), b.into(), |core, a, b| core.matmul(a, b)))
    }
}

/// e^x / sum(e^x) along an axis, without overflow.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_softmax(g: *mut bg_graph, x: bg_node, axis: i32) -> bg_node {
    let axis = axis as isize;
    // SAFETY: the header's rules for `g`.
    unsafe { record(g, |s| s.record1("softmax", x.into(), |core, x| core.softmax(x, axis))) }
}

/// x - log(sum(e^x)) along an axis, without overflow.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_log_softmax(g: *mut bg_graph, x: bg_node, axis: i32) -> bg_node {
    let axis = axis as isize;
    // SAFETY: the header's rules for `g`.
    unsafe {
        record(g, |s| s.record1("log_softmax", x.into(), |core, x| core.log_softmax(x, axis)))
    }
}

/// Mean over the rows of -log softmax(logits)[class]: logits of shape [rows, classes] and a vector
/// of one class (BG_I64) a row. Rows of class -100 are left out.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_cross_entropy(
    g: *mut bg_graph,
    logits: bg_node,
    classes: bg_node,
) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe {
        record(g, |s| {
            s.record2("cross_entropy", logits.into(), classes.into(), |core, logits, classes| {
                core.cross_entropy(logits, classes)
            })
        })
    }
}

/// Mean of (a - b)^2 over all elements of two tensors of one shape, which are not broadcast.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_mse(g: *mut bg_graph, a: bg_node, b: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { record(g, |s| s.record2("mse", a.into(), b.into(), |core, a, b| core.mse(a, b))) }
}

/// In training mode each element is 0 with probability p, else scaled by 1 / (1 - p); in evaluation
/// mode x. Which ones are 0 follows from the seed, from how many dropouts, bg_uniform and bg_normal
/// were recorded before this one since bg_set_seed, and from how many replays have begun since: a
/// replay begins, with a new choice, with each write to any leaf, an optimiser's step, bg_rewind,
/// bg_reset, a change of mode, and bg_resample. Within a replay, every read, and the gradient, sees
/// the same choice.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_dropout(g: *mut bg_graph, x: bg_node, p: f64) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { record(g, |s| s.record1("dropout", x.into(), |core, x| core.dropout(x, p))) }
}
