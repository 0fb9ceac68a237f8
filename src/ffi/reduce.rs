//! Reductions. All take a list of axes (negative ones count from the end; none means all), and
//! keep the reduced axes with length 1 if asked to.

use super::{bg_graph, bg_node, record, short_list};
use crate::error::Maybe;
use crate::graph::Core;
use crate::id::NodeId;
use crate::node::{Extreme, Ties};
use crate::shape::MAX_RANK;

/// The axes of a reduction as C gives them.
type AxisList = (*const i32, usize);

/// # Safety
/// The header's rules for `g` and the axes.
unsafe fn reduce(
    g: *mut bg_graph,
    what: &str,
    x: bg_node,
    (axes, n): AxisList,
    record_it: impl FnOnce(&mut Core, NodeId, &[isize]) -> Maybe<NodeId>,
) -> bg_node {
    // SAFETY: the caller's promise.
    unsafe {
        record(g, |s| {
            s.record1(what, x.into(), |core, x| {
                let mut list = [0; MAX_RANK];
                for (to, axis) in list.iter_mut().zip(short_list(core, what, axes, n)?.iter()) {
                    *to = axis as isize;
                }
                record_it(core, x, &list[..n])
            })
        })
    }
}

/// Sum of the elements over the axes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_sum(
    g: *mut bg_graph,
    x: bg_node,
    axes: *const i32,
    n: usize,
    keepdim: bool,
) -> bg_node {
    // SAFETY: the header's rules for `g` and `axes`.
    unsafe { reduce(g, "sum", x, (axes, n), |core, x, axes| core.sum(x, axes, keepdim)) }
}

/// Sum of the elements: a 0-d tensor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_sum_all(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`; no axis is read.
    unsafe { bg_sum(g, x, std::ptr::null(), 0, false) }
}

/// Mean of the elements over the axes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_mean(
    g: *mut bg_graph,
    x: bg_node,
    axes: *const i32,
    n: usize,
    keepdim: bool,
) -> bg_node {
    // SAFETY: the header's rules for `g` and `axes`.
    unsafe { reduce(g, "mean", x, (axes, n), |core, x, axes| core.mean(x, axes, keepdim)) }
}

/// Mean of the elements: a 0-d tensor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_mean_all(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`; no axis is read.
    unsafe { bg_mean(g, x, std::ptr::null(), 0, false) }
}

/// Largest element over the axes. Gradient at ties: along a single axis the first gets all,
/// over all axes they share it evenly.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_max(
    g: *mut bg_graph,
    x: bg_node,
    axes: *const i32,
    n: usize,
    keepdim: bool,
) -> bg_node {
    // SAFETY: the header's rules for `g` and `axes`.
    unsafe {
        reduce(g, "max", x, (axes, n), |core, x, axes| core.extreme(Extreme::Max, x, axes, keepdim))
    }
}

/// Smallest element over the axes. Gradient at ties: as for bg_max.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_min(
    g: *mut bg_graph,
    x: bg_node,
    axes: *const i32,
    n: usize,
    keepdim: bool,
) -> bg_node {
    // SAFETY: the header's rules for `g` and `axes`.
    unsafe {
        reduce(g, "min", x, (axes, n), |core, x, axes| core.extreme(Extreme::Min, x, axes, keepdim))
    }
}

/// Largest element over the axes; ties share the gradient evenly.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_amax(
    g: *mut bg_graph,
    x: bg_node,
    axes: *const i32,
    n: usize,
    keepdim: bool,
) -> bg_node {
    // SAFETY: the header's rules for `g` and `axes`.
    unsafe {
        reduce(g, "amax", x, (axes, n), |core, x, axes| {
            core.extreme_with(Extreme::Max, Ties::Even, x, axes, keepdim)
        })
    }
}

/// Smallest element over the axes; ties share the gradient evenly.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_amin(
    g: *mut bg_graph,
    x: bg_node,
    axes: *const i32,
    n: usize,
    keepdim: bool,
) -> bg_node {
    // SAFETY: the header's rules for `g` and `axes`.
    unsafe {
        reduce(g, "amin", x, (axes, n), |core, x, axes| {
            core.extreme_with(Extreme::Min, Ties::Even, x, axes, keepdim)
        })
    }
}

/// Product of the elements over the axes; its gradient is right at zeros, too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_prod(
    g: *mut bg_graph,
    x: bg_node,
    axes: *const i32,
    n: usize,
    keepdim: bool,
) -> bg_node {
    // SAFETY: the header's rules for `g` and `axes`.
    unsafe { reduce(g, "prod", x, (axes, n), |core, x, axes| core.prod(x, axes, keepdim)) }
}

/// log(sum(e^x)) over the axes, without overflow.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_logsumexp(
    g: *mut bg_graph,
    x: bg_node,
    axes: *const i32,
    n: usize,
    keepdim: bool,
) -> bg_node {
    // SAFETY: the header's rules for `g` and `axes`.
    unsafe {
        reduce(g, "logsumexp", x, (axes, n), |core, x, axes| core.logsumexp(x, axes, keepdim))
    }
}

/// Variance over the axes: the sum of squared distances from the mean, divided by count -
/// correction (1 for the unbiased estimate).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_var(
    g: *mut bg_graph,
    x: bg_node,
    axes: *const i32,
    n: usize,
    correction: f64,
    keepdim: bool,
) -> bg_node {
    // SAFETY: the header's rules for `g` and `axes`.
    unsafe {
        reduce(g, "var", x, (axes, n), |core, x, axes| core.var(x, correction, axes, keepdim))
    }
}

/// Norm over the axes: (sum |x|^p)^(1/p), for any p above 0 and INFINITY. The gradient at 0 is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_norm(
    g: *mut bg_graph,
    x: bg_node,
    p: f64,
    axes: *const i32,
    n: usize,
    keepdim: bool,
) -> bg_node {
    // SAFETY: the header's rules for `g` and `axes`.
    unsafe { reduce(g, "norm", x, (axes, n), |core, x, axes| core.norm(x, p, axes, keepdim)) }
}

/// Index (BG_I64) of the first largest element along an axis. No gradient.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_argmax(
    g: *mut bg_graph,
    x: bg_node,
    axis: i32,
    keepdim: bool,
) -> bg_node {
    // SAFETY: the header's rules for `g`; one axis is read.
    unsafe {
        reduce(g, "argmax", x, (&raw const axis, 1), |core, x, axes| {
            core.arg_extreme(Extreme::Max, x, axes.first().copied(), keepdim)
        })
    }
}

/// Index (BG_I64, 0-d) of the first largest of all elements, counted row-major. No gradient.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_argmax_all(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`; no axis is read.
    unsafe {
        reduce(g, "argmax", x, (std::ptr::null(), 0), |core, x, _| {
            core.arg_extreme(Extreme::Max, x, None, false)
        })
    }
}

/// Index (BG_I64) of the first smallest element along an axis. No gradient.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_argmin(
    g: *mut bg_graph,
    x: bg_node,
    axis: i32,
    keepdim: bool,
) -> bg_node {
    // SAFETY: the header's rules for `g`; one axis is read.
    unsafe {
        reduce(g, "argmin", x, (&raw const axis, 1), |core, x, axes| {
            core.arg_extreme(Extreme::Min, x, axes.first().copied(), keepdim)
        })
    }
}

/// Index (BG_I64, 0-d) of the first smallest of all elements, counted row-major. No gradient.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_argmin_all(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`; no axis is read.
    unsafe {
        reduce(g, "argmin", x, (std::ptr::null(), 0), |core, x, _| {
            core.arg_extreme(Extreme::Min, x, None, false)
        })
    }
}
