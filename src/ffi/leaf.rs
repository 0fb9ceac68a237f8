//! Leaves: data of the caller, constants, random numbers, copies.

use std::ffi::c_void;

use super::{BG_F32, BG_F64, BG_I64, BG_U8};
use super::{bg_graph, bg_node, bg_status, dtype, null_pointer, record, shape, status};
use crate::dtype::DType;
use crate::error::{ErrorKind, Maybe};
use crate::graph::Core;
use crate::id::NodeId;
use crate::shape::{Dims, checked_len};

/// What a new leaf is made from.
struct LeafSource {
    what: &'static str,
    code: i32,
    data: *const c_void,
    requires_grad: bool,
}

impl LeafSource {
    /// # Safety
    /// `dims` is NULL or valid for reading `rank` lengths, and `data` for the elements of a tensor of
    /// that shape and type.
    unsafe fn leaf(&self, core: &mut Core, dims: *const usize, rank: usize) -> Maybe<NodeId> {
        let what = self.what;
        let dtype = dtype(core, what, self.code)?;
        // SAFETY: the caller's promise.
        let dims = unsafe { shape(core, what, dims, rank) }?;
        if self.requires_grad && !dtype.is_float() {
            return Err(core.fail(
                ErrorKind::Gradient,
                format_args!("{what}: only f32 and f64 tensors can require gradients, not {dtype}"),
            ));
        }
        if self.data.is_null() && checked_len(&dims).is_some_and(|len| len > 0) {
            return Err(null_pointer(core, what));
        }
        let id = core.new_leaf(what, dtype, &dims)?;
        // SAFETY: the caller's promise; nothing to read where `data` is NULL.
        unsafe { fill(core, id, self.data) };
        if self.requires_grad {
            core.set_requires_grad(id, true)?;
        }
        Ok(id)
    }
}

/// Copies the data of a leaf byte by byte: they may have any alignment, and may even be the leaf's
/// own, from `bg_data`.
///
/// # Safety
/// `data` is valid for reading as many bytes as the leaf has.
unsafe fn fill(core: &Core, leaf: NodeId, data: *const c_void) {
    let bytes = core.node(leaf).len * core.node(leaf).dtype.size();
    if let Some(buffer) = core.state(leaf).value().filter(|_| bytes > 0) {
        // SAFETY: the buffer has that many bytes, and so have the data.
        unsafe { std::ptr::copy(data.cast::<u8>(), buffer.as_ptr(), bytes) };
    }
}

/// # Safety
/// The header's rules for `g`, and those of [`LeafSource::leaf`] for a shape [n].
unsafe fn vector(g: *mut bg_graph, n: usize, source: LeafSource) -> bg_node {
    // SAFETY: the caller's promise.
    unsafe { record(g, |s| s.record(|core| source.leaf(core, &n, 1))) }
}

/// A parameter: a vector that requires a gradient, with a copy of n floats.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_param_f32(g: *mut bg_graph, data: *const f32, n: usize) -> bg_node {
    let source = LeafSource { what: "param", code: BG_F32, data: data.cast(), requires_grad: true };
    // SAFETY: the header's rules for `g` and `data`.
    unsafe { vector(g, n, source) }
}

/// A parameter: a vector that requires a gradient, with a copy of n doubles.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_param_f64(g: *mut bg_graph, data: *const f64, n: usize) -> bg_node {
    let source = LeafSource { what: "param", code: BG_F64, data: data.cast(), requires_grad: true };
    // SAFETY: the header's rules for `g` and `data`.
    unsafe { vector(g, n, source) }
}

/// A parameter of any float type and shape: a leaf that requires a gradient, with a copy of the
/// data, row-major.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_param(
    g: *mut bg_graph,
    dtype: i32,
    data: *const c_void,
    dims: *const usize,
    rank: usize,
) -> bg_node {
    let source = LeafSource { what: "param", code: dtype, data, requires_grad: true };
    // SAFETY: the header's rules for `g`, `data` and `dims`.
    unsafe { record(g, |s| s.record(|core| source.leaf(core, dims, rank))) }
}

/// A constant vector with a copy of n floats.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_vector_f32(g: *mut bg_graph, data: *const f32, n: usize) -> bg_node {
    let source =
        LeafSource { what: "vector", code: BG_F32, data: data.cast(), requires_grad: false };
    // SAFETY: the header's rules for `g` and `data`.
    unsafe { vector(g, n, source) }
}

/// A constant vector with a copy of n doubles.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_vector_f64(g: *mut bg_graph, data: *const f64, n: usize) -> bg_node {
    let source =
        LeafSource { what: "vector", code: BG_F64, data: data.cast(), requires_grad: false };
    // SAFETY: the header's rules for `g` and `data`.
    unsafe { vector(g, n, source) }
}

/// A constant vector with a copy of n integers: indices or classes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_vector_i64(g: *mut bg_graph, data: *const i64, n: usize) -> bg_node {
    let source =
        LeafSource { what: "vector", code: BG_I64, data: data.cast(), requires_grad: false };
    // SAFETY: the header's rules for `g` and `data`.
    unsafe { vector(g, n, source) }
}

/// A constant vector with a copy of n bytes: a mask.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_vector_u8(g: *mut bg_graph, data: *const u8, n: usize) -> bg_node {
    let source =
        LeafSource { what: "vector", code: BG_U8, data: data.cast(), requires_grad: false };
    // SAFETY: the header's rules for `g` and `data`.
    unsafe { vector(g, n, source) }
}

/// A constant of any type and shape, with a copy of the data, row-major.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_tensor(
    g: *mut bg_graph,
    dtype: i32,
    data: *const c_void,
    dims: *const usize,
    rank: usize,
) -> bg_node {
    let source = LeafSource { what: "tensor", code: dtype, data, requires_grad: false };
    // SAFETY: the header's rules for `g`, `data` and `dims`.
    unsafe { record(g, |s| s.record(|core| source.leaf(core, dims, rank))) }
}

/// A 0-d constant of type BG_F32.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_scalar_f32(g: *mut bg_graph, value: f32) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { record(g, |s| s.record(|core| core.full("scalar", DType::F32, &[], value.into()))) }
}

/// A 0-d constant of type BG_F64.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_scalar_f64(g: *mut bg_graph, value: f64) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { record(g, |s| s.record(|core| core.full("scalar", DType::F64, &[], value))) }
}

/// # Safety
/// The header's rules for `g` and `dims`.
unsafe fn made(
    g: *mut bg_graph,
    what: &str,
    code: i32,
    (dims, rank): (*const usize, usize),
    make: impl FnOnce(&mut Core, DType, &Dims) -> Maybe<NodeId>,
) -> bg_node {
    // SAFETY: the caller's promise.
    unsafe {
        record(g, |s| {
            s.record(|core| {
                let dtype = dtype(core, what, code)?;
                let dims = shape(core, what, dims, rank)?;
                make(core, dtype, &dims)
            })
        })
    }
}

/// # Safety
/// As for `made`.
unsafe fn filled(
    g: *mut bg_graph,
    what: &str,
    code: i32,
    dims: (*const usize, usize),
    value: f64,
) -> bg_node {
    // SAFETY: the caller's promise.
    unsafe { made(g, what, code, dims, |core, dtype, dims| core.full(what, dtype, dims, value)) }
}

/// A constant of zeros.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_zeros(
    g: *mut bg_graph,
    dtype: i32,
    dims: *const usize,
    rank: usize,
) -> bg_node {
    // SAFETY: the header's rules for `g` and `dims`.
    unsafe { filled(g, "zeros", dtype, (dims, rank), 0.0) }
}

/// A constant of ones.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_ones(
    g: *mut bg_graph,
    dtype: i32,
    dims: *const usize,
    rank: usize,
) -> bg_node {
    // SAFETY: the header's rules for `g` and `dims`.
    unsafe { filled(g, "ones", dtype, (dims, rank), 1.0) }
}

/// A constant with one value everywhere. An integer type refuses what it does not hold: fractions,
/// NaN, and numbers beyond its range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_full(
    g: *mut bg_graph,
    dtype: i32,
    dims: *const usize,
    rank: usize,
    value: f64,
) -> bg_node {
    // SAFETY: the header's rules for `g` and `dims`.
    unsafe { filled(g, "full", dtype, (dims, rank), value) }
}

/// # Safety
/// The header's rules for `g`.
unsafe fn typed(
    g: *mut bg_graph,
    what: &str,
    code: i32,
    make: impl FnOnce(&mut Core, DType) -> Maybe<NodeId>,
) -> bg_node {
    // SAFETY: the caller's promise; no axis is read.
    unsafe { made(g, what, code, (std::ptr::null(), 0), |core, dtype, _| make(core, dtype)) }
}

/// A constant vector: start, start + step, ... up to but without stop. An integer type refuses what
/// it does not hold, as in bg_full.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_arange(
    g: *mut bg_graph,
    dtype: i32,
    start: f64,
    stop: f64,
    step: f64,
) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { typed(g, "arange", dtype, |core, dtype| core.arange(dtype, start, stop, step)) }
}

/// A constant vector: n numbers at equal distances from start to stop, both included. An integer
/// type refuses ends that it does not hold, and rounds what is between them towards zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_linspace(
    g: *mut bg_graph,
    dtype: i32,
    start: f64,
    stop: f64,
    n: usize,
) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { typed(g, "linspace", dtype, |core, dtype| core.linspace(dtype, start, stop, n)) }
}

/// A constant matrix with 1 on the main diagonal and 0 elsewhere.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_eye(
    g: *mut bg_graph,
    dtype: i32,
    rows: usize,
    columns: usize,
) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { typed(g, "eye", dtype, |core, dtype| core.eye(dtype, rows, columns)) }
}

/// A constant of equally likely random numbers from low up to high, which is never one of them unless
/// it is low; float types only, and finite bounds in this order.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_uniform(
    g: *mut bg_graph,
    dtype: i32,
    dims: *const usize,
    rank: usize,
    low: f64,
    high: f64,
) -> bg_node {
    // SAFETY: the header's rules for `g` and `dims`.
    unsafe {
        made(g, "uniform", dtype, (dims, rank), |core, dtype, dims| {
            core.uniform(dtype, dims, low, high)
        })
    }
}

/// A constant of normal random numbers of this mean and standard deviation, which is finite and at
/// least 0; float types only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_normal(
    g: *mut bg_graph,
    dtype: i32,
    dims: *const usize,
    rank: usize,
    mean: f64,
    deviation: f64,
) -> bg_node {
    // SAFETY: the header's rules for `g` and `dims`.
    unsafe {
        made(g, "normal", dtype, (dims, rank), |core, dtype, dims| {
            core.normal(dtype, dims, mean, deviation)
        })
    }
}

/// Replaces the data of a leaf; `bytes` must be exactly their size. Everything that depends on the
/// leaf follows: the next read or backward computes it anew.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_write(
    g: *mut bg_graph,
    x: bg_node,
    data: *const c_void,
    bytes: usize,
) -> bg_status {
    let what = "write";
    // SAFETY: the header's rules for `g` and `data`, whose size is the leaf's (checked).
    unsafe {
        status(g, |session| {
            let core = &mut session.core;
            let id = core.resolve(what, x.into())?;
            core.need_leaf(what, id)?;
            super::read::need_bytes(core, what, id, bytes)?;
            if data.is_null() && bytes > 0 {
                return Err(null_pointer(core, what));
            }
            core.touch(id);
            fill(core, id, data);
            Ok(())
        })
    }
}

/// A constant with the value that x has now, which later writes do not change.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_snapshot(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { record(g, |s| s.snapshot(x.into())) }
}

/// The value of x, through which no gradient flows.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_detach(g: *mut bg_graph, x: bg_node) -> bg_node {
    // SAFETY: the header's rules for `g`.
    unsafe { record(g, |s| s.record1("detach", x.into(), |core, x| core.detach(x))) }
}
