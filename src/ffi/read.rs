//! Reading values, and what is known about a tensor without computing it.

use std::ffi::{CStr, c_char, c_void};

use super::{ask, bg_graph, bg_node, bg_status, names, null_pointer, status};
use crate::dtype::with_dtype;
use crate::error::{ErrorKind, Maybe};
use crate::graph::Core;
use crate::id::NodeId;
use crate::node::Op;
use crate::session::Session;
use crate::shape::Dims;

/// The caller's buffer has exactly the size of the tensor.
pub(super) fn need_bytes(core: &mut Core, what: &str, x: NodeId, bytes: usize) -> Maybe<()> {
    let node = *core.node(x);
    let need = node.len * node.dtype.size();
    if bytes == need {
        return Ok(());
    }
    Err(core.fail_with(|core, slot| {
        let (x, dtype) = (core.describe(x), node.dtype);
        slot.set(
            ErrorKind::Shape,
            format_args!("{what}: the tensor {x} of type {dtype} has {need} bytes, not {bytes}"),
        )
    }))
}

/// The caller has a buffer of exactly the tensor's size.
pub(super) fn need_room(
    core: &mut Core,
    what: &str,
    x: NodeId,
    out: *mut c_void,
    bytes: usize,
) -> Maybe<()> {
    need_bytes(core, what, x, bytes)?;
    if out.is_null() && bytes > 0 { Err(null_pointer(core, what)) } else { Ok(()) }
}

fn start(core: &Core, x: NodeId) -> *const c_void {
    with_dtype!(core.node(x).dtype, T => core.values::<T>(x).as_ptr().cast())
}

/// Computes x, if need be, and copies its elements, row-major, to `out`, which has exactly their
/// size in bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_read(
    g: *mut bg_graph,
    x: bg_node,
    out: *mut c_void,
    bytes: usize,
) -> bg_status {
    // SAFETY: the header's rules for `g` and `out`, whose size is the tensor's (checked).
    unsafe {
        status(g, |session| {
            let id = session.core.resolve("read", x.into())?;
            need_room(&mut session.core, "read", id, out, bytes)?;
            session.read(id)?;
            std::ptr::copy(start(&session.core, id).cast::<u8>(), out.cast(), bytes);
            Ok(())
        })
    }
}

/// The one element of a tensor of any type and of any shape with one element.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_item(g: *mut bg_graph, x: bg_node, out: *mut f64) -> bg_status {
    // SAFETY: the header's rules for `g` and `out`.
    unsafe {
        status(g, |session| {
            if out.is_null() {
                return Err(null_pointer(&mut session.core, "item"));
            }
            out.write_unaligned(session.item(x.into())?);
            Ok(())
        })
    }
}

/// Computes x, if need be, and shows its elements, row-major, without copying them. Valid until the
/// next call with this graph that reads another value, computes (a snapshot, backward, a step of an
/// optimiser), writes, changes a mode, the seed or the memory limit, goes back, or frees the graph.
/// Recording operations, and asking for shapes and the like, leave it valid. NULL when there is an
/// error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_data(g: *mut bg_graph, x: bg_node) -> *const c_void {
    // SAFETY: the header's rules for `g`.
    unsafe {
        ask(g, |session| {
            if session.core.error.kind().is_some() {
                return Ok(std::ptr::null());
            }
            let id = session.core.resolve("data", x.into())?;
            session.read(id)?;
            Ok(start(&session.core, id))
        })
    }
}

fn shape_of(session: &mut Session, what: &str, x: bg_node) -> Maybe<Dims> {
    let id = session.core.resolve(what, x.into())?;
    Ok(session.core.shape(id))
}

/// The number of axes; -1 when x is not valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_rank(g: *mut bg_graph, x: bg_node) -> i32 {
    // SAFETY: the header's rules for `g`.
    unsafe { ask(g, |session| Ok(shape_of(session, "rank", x)?.len() as i32 + 1)) - 1 }
}

/// Writes the length of each axis to dims, which has room for `capacity` of them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_shape(
    g: *mut bg_graph,
    x: bg_node,
    dims: *mut usize,
    capacity: usize,
) -> bg_status {
    // SAFETY: the header's rules for `g` and `dims`, which is long enough (checked).
    unsafe {
        status(g, |session| {
            let (shape, core) = (session.shape(x.into())?, &mut session.core);
            if capacity < shape.len() {
                return Err(core.fail(
                    ErrorKind::Argument,
                    format_args!("shape: {shape:?} does not fit in {capacity} places"),
                ));
            }
            if dims.is_null() && !shape.is_empty() {
                return Err(null_pointer(core, "shape"));
            }
            for (axis, &len) in shape.iter().enumerate() {
                dims.add(axis).write_unaligned(len);
            }
            Ok(())
        })
    }
}

/// The number of elements; 0 when x is not valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_len(g: *mut bg_graph, x: bg_node) -> usize {
    // SAFETY: the header's rules for `g`.
    unsafe { ask(g, |session| Ok(shape_of(session, "len", x)?.iter().product())) }
}

/// The element type, BG_F32 to BG_U8; 0 when x is not valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_dtype(g: *mut bg_graph, x: bg_node) -> i32 {
    // SAFETY: the header's rules for `g`.
    unsafe { ask(g, |session| Ok(session.dtype(x.into())? as i32)) }
}

/// The name of the operation that made x, such as "mul", for ever valid, and of an operation of the
/// caller's as long as the graph; NULL for a leaf, and when x is not valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_op_name(g: *mut bg_graph, x: bg_node) -> *const c_char {
    // SAFETY: the header's rules for `g`.
    unsafe {
        ask(g, |session| {
            let id = session.core.resolve("op_name", x.into())?;
            let op = session.core.node(id).op;
            Ok(match op {
                Op::Leaf => std::ptr::null(),
                // (In the box of the operation, which stays where it is.)
                Op::Custom(_) => {
                    let number = session.core.custom_list(id).number;
                    session.core.customs.facts(number).name.c_text().as_ptr().cast()
                }
                op => names::of(op).as_ptr(),
            })
        })
    }
}

/// Whether gradients flow to x.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_requires_grad(g: *mut bg_graph, x: bg_node) -> bool {
    // SAFETY: the header's rules for `g`.
    unsafe { ask(g, |session| session.requires_grad(x.into())) }
}

/// Sets whether gradients flow to x, a leaf. What is recorded from now on follows.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_set_requires_grad(g: *mut bg_graph, x: bg_node, on: bool) -> bg_status {
    // SAFETY: the header's rules for `g`.
    unsafe {
        status(g, |session| {
            let id = session.core.resolve("set_requires_grad", x.into())?;
            session.core.set_requires_grad(id, on)
        })
    }
}

/// Names a node, for messages and prints: UTF-8, copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_set_label(
    g: *mut bg_graph,
    x: bg_node,
    label: *const c_char,
) -> bg_status {
    // SAFETY: the header's rules for `g` and `label`, a C string.
    unsafe {
        status(g, |session| {
            let core = &mut session.core;
            let id = core.resolve("set_label", x.into())?;
            if label.is_null() {
                return Err(null_pointer(core, "set_label"));
            }
            let Ok(text) = CStr::from_ptr(label).to_str() else {
                return Err(core
                    .fail(ErrorKind::Argument, format_args!("set_label: the label is not UTF-8")));
            };
            core.set_label(id, text)
        })
    }
}
