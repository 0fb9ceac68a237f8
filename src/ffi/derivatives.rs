//! Derivatives as tensors: tangents, batches, and matrices.

use super::{ask, bg_graph, bg_node, bg_status, head, input, null_pointer, record, status};
use crate::error::{ErrorKind, Maybe};
use crate::graph::Handle;
use crate::session::Session;
use crate::session::derivatives::{Matrix, Transform};
use crate::session::sparse::Sparsity;
use crate::transform::Mode;

/// Jacobian: in the mode that takes fewer passes.
pub const BG_AUTO: i32 = 0;
/// Jacobian: row by row, by gradients.
pub const BG_REVERSE: i32 = 1;
/// Jacobian: column by column, by tangents.
pub const BG_FORWARD: i32 = 2;

/// A function that records results from n outputs, and m inputs that come in pairs with something.
///
/// # Safety
/// `g`, and the arrays of so many nodes, are as the header's rules say.
unsafe fn transform(
    g: *mut bg_graph,
    (transform, what): (Transform, &str),
    (ys, n): (*const bg_node, usize),
    (xs, others, m): (*const bg_node, *const bg_node, usize),
    (out, results): (*mut bg_node, usize),
) -> bg_status {
    // SAFETY: the caller's promise.
    unsafe {
        if !out.is_null() {
            (0..results).for_each(|i| out.add(i).write_unaligned(Handle::NULL.into()));
        }
        status(g, |s| {
            let ys = input(&mut s.core, what, ys, n)?;
            let xs = input(&mut s.core, what, xs, m)?;
            let others = input(&mut s.core, what, others, m)?;
            if out.is_null() && results > 0 {
                return Err(null_pointer(&mut s.core, what));
            }
            let pairs = xs.iter().zip(others.iter()).map(|(x, other)| (x.into(), other.into()));
            s.transform(transform, ys.iter().map(Handle::from), pairs, |i, node| {
                out.add(i).write_unaligned(node.into());
            })
        })
    }
}

/// How n nodes move when each of m inputs moves by its tangent, a tensor of its shape and type:
/// Jacobian-vector products by forward mode, as nodes that can be differentiated again. An output
/// that does not depend on the inputs gives zeros. With a gradient (bg_grad) among the outputs they
/// are Hessian-vector products. The inputs may be any nodes of a float type, and need not require
/// gradients; one that depends on another moves with that, too. What was detached, or recorded
/// without gradients from what has some, is constant. All are null when there is an error. `out` must
/// not overlap the other arrays.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_jvp(
    g: *mut bg_graph,
    ys: *const bg_node,
    n: usize,
    xs: *const bg_node,
    tangents: *const bg_node,
    m: usize,
    out: *mut bg_node,
) -> bg_status {
    // SAFETY: the header's rules.
    unsafe { transform(g, (Transform::Jvp, "jvp"), (ys, n), (xs, tangents, m), (out, n)) }
}

/// The gradients of n nodes, each times its head gradient, added up, with respect to m inputs, as
/// nodes: bg_grad for several outputs, vector-Jacobian products. `heads` may be NULL, and each of them
/// BG_NULL, for an output of a single element.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_vjp(
    g: *mut bg_graph,
    ys: *const bg_node,
    heads: *const bg_node,
    n: usize,
    xs: *const bg_node,
    m: usize,
    out: *mut bg_node,
    allow_unused: bool,
) -> bg_status {
    let what = "vjp";
    // SAFETY: the header's rules.
    unsafe {
        if !out.is_null() {
            (0..m).for_each(|i| out.add(i).write_unaligned(Handle::NULL.into()));
        }
        status(g, |s| {
            let ys = input(&mut s.core, what, ys, n)?;
            let xs = input(&mut s.core, what, xs, m)?;
            if out.is_null() && m > 0 {
                return Err(null_pointer(&mut s.core, what));
            }
            let xs = xs.iter().map(Handle::from);
            let found = |i, x: Handle| out.add(i).write_unaligned(x.into());
            if heads.is_null() {
                let roots = ys.iter().map(|y| (y.into(), None));
                return s.grad(what, roots, xs, allow_unused, found);
            }
            let heads = input(&mut s.core, what, heads, n)?;
            let roots = ys.iter().zip(heads.iter()).map(|(y, h)| (y.into(), head(h)));
            s.grad(what, roots, xs, allow_unused, found)
        })
    }
}

/// The computation from m inputs to n nodes, recorded again with each input replaced by its batch,
/// which has one more axis in front, of one length for all; and so has each result. What does not
/// depend on the inputs is shared. It may hold gradients and tangents: those of each element of the
/// batch, then. The inputs may be any nodes; what they were made of does not matter. Dropout draws for
/// each element of the batch. BG_ERR_ARGUMENT where a value in between, or one computed from it, was
/// read, or made a bg_snapshot of, and something in between was recorded afterwards: a branch that was
/// taken for that value would be taken for all. (Recording derivatives does not count, and bg_print and
/// bg_format are no reading. Inputs may be read at any time. These branches are not seen, and the caller's to
/// know of: for an input, for what is computed of inputs by nodes that are not in between, for nodes that
/// were rewound since, for gradients that bg_read_grad gives, and for numbers that searches return.)
/// All are null when there is an error. `out` must not overlap the other arrays.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_vmap(
    g: *mut bg_graph,
    ys: *const bg_node,
    n: usize,
    xs: *const bg_node,
    batches: *const bg_node,
    m: usize,
    out: *mut bg_node,
) -> bg_status {
    // SAFETY: the header's rules.
    unsafe { transform(g, (Transform::Vmap, "vmap"), (ys, n), (xs, batches, m), (out, n)) }
}

/// Hessian-vector products: how the gradients of y, a single element, with respect to m inputs move
/// when all of them move by their tangents; one result for each input. Forward over reverse, without a
/// matrix. The inputs must require gradients; zeros for one that y does not depend on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_hvp(
    g: *mut bg_graph,
    y: bg_node,
    xs: *const bg_node,
    tangents: *const bg_node,
    m: usize,
    out: *mut bg_node,
) -> bg_status {
    // SAFETY: the header's rules, and y is one node.
    unsafe { transform(g, (Transform::Hvp, "hvp"), (&raw const y, 1), (xs, tangents, m), (out, m)) }
}

/// A function that records a matrix of derivatives.
///
/// # Safety
/// `g` is as the header's rules say.
unsafe fn matrix(g: *mut bg_graph, matrix: Matrix, y: bg_node, x: bg_node) -> bg_node {
    // SAFETY: the caller's promise.
    unsafe { record(g, |s| s.matrix(matrix, y.into(), x.into())) }
}

/// What a C caller's mode means.
fn mode(s: &mut Session, mode: i32) -> Maybe<Option<Mode>> {
    match mode {
        BG_AUTO => Ok(None),
        BG_REVERSE => Ok(Some(Mode::Reverse)),
        BG_FORWARD => Ok(Some(Mode::Forward)),
        other => Err(s.core.fail(
            ErrorKind::Argument,
            format_args!(
                "jacobian: the mode must be BG_AUTO, BG_REVERSE or BG_FORWARD, not {other}"
            ),
        )),
    }
}

/// The derivatives of each element of y by each element of x: a tensor of the shape of y followed by
/// that of x. It takes a gradient for each element of y (BG_REVERSE) or a tangent for each element of
/// x (BG_FORWARD), or whichever are fewer (BG_AUTO); all at once, and in blocks where that would take a
/// lot of memory. Zeros if y does not depend on x. What dropout drops is the same in all directions and in
/// the value. The rank of x is below BG_MAX_RANK, and so is that of the input of all functions below.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_jacobian(
    g: *mut bg_graph,
    y: bg_node,
    x: bg_node,
    how: i32,
) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe {
        record(g, |s| match mode(s, how) {
            Ok(mode) => s.matrix(Matrix::Jacobian(mode), y.into(), x.into()),
            Err(_) => Handle::NULL,
        })
    }
}

/// The mode that BG_AUTO stands for: BG_REVERSE if y has no more elements than x, BG_FORWARD
/// otherwise, and where x requires no gradient. 0 when there is an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_jacobian_mode(g: *mut bg_graph, y: bg_node, x: bg_node) -> i32 {
    // SAFETY: the header's rules for `g`.
    unsafe {
        ask(g, |s| {
            Ok(match s.jacobian_mode(y.into(), x.into())? {
                Mode::Reverse => BG_REVERSE,
                Mode::Forward => BG_FORWARD,
            })
        })
    }
}

/// The second derivatives of y, a single element, by each pair of elements of x: a tensor of the
/// shape of x twice. Forward over reverse, for all directions at once. x must require gradients; zeros if y
/// does not depend on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_hessian(g: *mut bg_graph, y: bg_node, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { matrix(g, Matrix::Hessian, y, x) }
}

/// The diagonal of the Hessian of y, a single element, in the shape of x: forward mode twice along
/// each axis. x need not require gradients.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_hessian_diagonal(g: *mut bg_graph, y: bg_node, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { matrix(g, Matrix::HessianDiagonal, y, x) }
}

/// The Laplacian of y, a single element, by x: the sum of the diagonal of its Hessian.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_laplacian(g: *mut bg_graph, y: bg_node, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { matrix(g, Matrix::Laplacian, y, x) }
}

/// The divergence of a vector field y at x, of one shape: the sum of the derivatives of each element of
/// y by the element of x in its place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_divergence(g: *mut bg_graph, y: bg_node, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { matrix(g, Matrix::Divergence, y, x) }
}

/// Writes a pattern to the caller's arrays, as far as they are there; the number of its entries.
///
/// # Safety
/// `starts` is NULL or has room for the rows and one more, `columns` for `capacity`.
unsafe fn tell_pattern(
    pattern: &Sparsity,
    starts: *mut usize,
    (columns, capacity): (*mut u32, usize),
) -> usize {
    // SAFETY: the caller's promise.
    unsafe {
        if !starts.is_null() {
            for (i, &start) in pattern.starts.iter().enumerate() {
                starts.add(i).write_unaligned(start);
            }
        }
        if !columns.is_null() {
            for (i, &column) in pattern.columns.iter().take(capacity).enumerate() {
                columns.add(i).write_unaligned(column);
            }
        }
    }
    pattern.columns.len()
}

/// On which elements of x each element of y depends: where the Jacobian may differ from 0, in compressed
/// rows (CSR). Returns the number of entries; 0, too, when there is an error. `starts`, if it is not
/// NULL, has room for one more than y has elements, and gets where each row begins and the last one ends;
/// `columns`, if it is not NULL, gets the columns of the rows, rising, of which at most `capacity` are
/// written. The pattern is found from the recording and holds for all data, as long as the indices are
/// those of now; what is chosen by indices that are computed from x may depend on all.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_sparsity(
    g: *mut bg_graph,
    y: bg_node,
    x: bg_node,
    starts: *mut usize,
    columns: *mut u32,
    capacity: usize,
) -> usize {
    // SAFETY: the header's rules for `g`; the arrays have room.
    unsafe {
        ask(g, |s| {
            let pattern = s.sparsity(y.into(), x.into())?;
            Ok(tell_pattern(&pattern, starts, (columns, capacity)))
        })
    }
}

/// The same for the Hessian of y, a single element, by x: all of it, or its lower triangle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_hessian_sparsity(
    g: *mut bg_graph,
    y: bg_node,
    x: bg_node,
    lower: bool,
    starts: *mut usize,
    columns: *mut u32,
    capacity: usize,
) -> usize {
    // SAFETY: the header's rules for `g`; the arrays have room.
    unsafe {
        ask(g, |s| {
            let pattern = s.hessian_sparsity(y.into(), x.into(), lower)?;
            Ok(tell_pattern(&pattern, starts, (columns, capacity)))
        })
    }
}

/// The Jacobian at the places of its pattern, in the order of bg_sparsity: a tensor of one axis, to be
/// read again after bg_write. It takes as many tangents as the columns have colours, or gradients as the
/// rows have: columns that meet in no row have one colour (greedy distance-2 colouring: T. Coleman, J.
/// More, 1983). Where x requires gradients and a few rows (or columns) have very many entries, these are
/// taken apart, in the other mode (bicolouring: T. Coleman, A. Verma, 1998). How many there are is what
/// bg_sparse_jacobian_passes says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_sparse_jacobian(g: *mut bg_graph, y: bg_node, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe {
        record(g, |s| {
            let made = s.sparse_jacobian(y.into(), x.into());
            made.map_or(Handle::NULL, |(_, values)| values)
        })
    }
}

/// The Hessian of y, a single element, by x, or its lower triangle, at the places of its pattern, in the
/// order of bg_hessian_sparsity: a tensor of one axis, to be read again after bg_write. It takes as many
/// Hessian-vector products as a star colouring has colours (A. Gebremedhin, F. Manne, A. Pothen, 2005):
/// see bg_sparse_hessian_passes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_sparse_hessian(
    g: *mut bg_graph,
    y: bg_node,
    x: bg_node,
    lower: bool,
) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe {
        record(g, |s| {
            let made = s.sparse_hessian(y.into(), x.into(), lower);
            made.map_or(Handle::NULL, |(_, values)| values)
        })
    }
}

/// How many passes bg_sparse_jacobian(g, y, x) takes, where a dense one takes as many as y or x has
/// elements. How many of them are tangents, and how many gradients, goes to `tangents` and `gradients`,
/// unless these are NULL. 0 when there is an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_sparse_jacobian_passes(
    g: *mut bg_graph,
    y: bg_node,
    x: bg_node,
    tangents: *mut usize,
    gradients: *mut usize,
) -> usize {
    // SAFETY: the header's rules for `g`; the others are NULL or valid for writing.
    unsafe {
        ask(g, |s| {
            let counts = s.sparse_jacobian_passes(y.into(), x.into())?;
            for (to, count) in [tangents, gradients].into_iter().zip(counts) {
                if !to.is_null() {
                    to.write_unaligned(count);
                }
            }
            Ok(counts.iter().sum())
        })
    }
}

/// How many Hessian-vector products bg_sparse_hessian takes for y, a single element, and x, where a dense
/// Hessian takes as many as x has elements. 0 when there is an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_sparse_hessian_passes(
    g: *mut bg_graph,
    y: bg_node,
    x: bg_node,
) -> usize {
    // SAFETY: the header's rules for `g`.
    unsafe { ask(g, |s| s.sparse_hessian_passes(y.into(), x.into())) }
}
