//! Reading at indices held in tensors. Indices are checked when the value is computed.

use super::{bg_graph, bg_node, record};

/// The slices of x along an axis at the positions in `index`, a vector of BG_I64. Indices
/// are not negative. Gradients of repeated positions add up.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_index_select(
    g: *mut bg_graph,
    x: bg_node,
    axis: i32,
    index: bg_node,
) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe {
        record(g, |s| {
            s.record2("index_select", x.into(), index.into(), |core, x, index| {
                core.index_select(x, axis as isize, index)
            })
        })
    }
}

/// The elements of x at the positions in `index` (BG_I64) along an axis: for axis 1 of a matrix,
/// y[i][j] = x[i][index[i][j]]. The result has the shape of `index`, whose other axes are no longer
/// than those of x. Indices are not negative. Gradients of repeated positions add up.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_gather(
    g: *mut bg_graph,
    x: bg_node,
    axis: i32,
    index: bg_node,
) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe {
        record(g, |s| {
            s.record2("gather", x.into(), index.into(), |core, x, index| {
                core.gather(x, axis as isize, index)
            })
        })
    }
}
