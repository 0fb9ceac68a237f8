//! The C interface: `extern "C"` functions over [`Session`], and nothing else.
//!
//! What holds for every function (ownership, lifetimes, threads, NULL, errors) is said once, at
//! the top of the header, in `cbindgen.toml`. Here it is *done* once: every function goes through
//! [`call`], which looks at the pointer and the busy flag, and lets no panic out. The rest of a
//! function is its arguments and one call of the session.
//!
//! The header is made from these files by cbindgen, which cannot see functions that macros make:
//! hence one short function an operation.
#![allow(non_camel_case_types, reason = "the names are C's")]
#![allow(clippy::missing_safety_doc, reason = "the header says the rules once for all functions")]
#![allow(rustdoc::broken_intra_doc_links, reason = "the documentation is a C header's")]
#![allow(rustdoc::private_intra_doc_links, reason = "as above")]

mod arguments;
pub mod custom;
pub mod derivatives;
pub mod elementwise;
pub mod engine;
pub mod evidence;
pub mod gradient;
pub mod graph;
pub mod leaf;
pub mod minimise;
pub mod moments;
mod names;
pub mod objective;
#[rustfmt::skip]
pub mod operations;
pub mod optim;
pub mod print;
pub mod read;
#[cfg(test)]
mod tests;
pub mod types;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

use crate::defect;
use crate::error::{ErrorKind, Fail, Maybe};
use crate::graph::{Core, Handle};
use crate::id::NodeId;
use crate::session::{Recording, Session, once};
use arguments::*;
pub use types::*;

/// What a function returns when it could not even begin.
trait Outcome {
    fn refused(status: bg_status) -> Self;
}

impl Outcome for bg_node {
    fn refused(_: bg_status) -> Self {
        Handle::NULL.into()
    }
}

impl Outcome for bg_status {
    fn refused(status: bg_status) -> Self {
        status
    }
}

impl<T> Outcome for *const T {
    fn refused(_: bg_status) -> Self {
        std::ptr::null()
    }
}

macro_rules! outcome_default {
    ($($t:ty),*) => {$(
        impl Outcome for $t {
            fn refused(_: bg_status) -> Self {
                Self::default()
            }
        }
    )*};
}
outcome_default!((), bool, i32, u64, usize);

/// Runs a function's body on the session of a graph that is there and not in use.
///
/// The busy flag is no lock: it is a courtesy that turns most accidental sharing of a graph
/// between threads into a status, for the price of a load and two stores.
///
/// # Safety
/// `g` is NULL or points to a graph that has not been freed.
unsafe fn call<R: Outcome>(g: *const bg_graph, body: impl FnOnce(&mut Session) -> R) -> R {
    // SAFETY: the caller's promise.
    unsafe { call_by(g, |session| session.enter(body)) }
}

/// As [`call`], for a body that enters the session by itself.
///
/// # Safety
/// As for [`call`].
unsafe fn call_by<R: Outcome>(g: *const bg_graph, body: impl FnOnce(&mut Session) -> R) -> R {
    // SAFETY: the caller's promise.
    let Some(graph) = (unsafe { g.as_ref() }) else {
        return R::refused(bg_status::BG_ERR_MEMORY);
    };
    if graph.busy.load(Ordering::Relaxed) {
        return R::refused(bg_status::BG_ERR_BUSY);
    }
    graph.busy.store(true, Ordering::Relaxed);
    // SAFETY: the flag says that no other call is inside, so this is the only reference.
    let session = unsafe { &mut *graph.session.get() };
    let result = catch_unwind(AssertUnwindSafe(|| body(session))).unwrap_or_else(|panic| {
        tell_panic(&mut session.core, panic.as_ref());
        R::refused(bg_status::BG_ERR_INTERNAL)
    });
    graph.busy.store(false, Ordering::Relaxed);
    result
}

#[cold]
fn tell_panic(core: &mut Core, panic: &(dyn Any + Send)) {
    let text = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text.as_str(),
        _ => "",
    };
    defect::with_place(|place| {
        core.fail(
            ErrorKind::Internal,
            format_args!("a defect of bumpgrad, please report it: {text} ({place})"),
        )
    });
}

/// A function that records a node.
///
/// # Safety
/// As for [`call`].
unsafe fn record(g: *mut bg_graph, body: impl FnOnce(&mut Session) -> Handle) -> bg_node {
    // SAFETY: the caller's promise.
    unsafe { call(g, |session| body(session).into()) }
}

/// A function that records an elementwise operation.
///
/// # Safety
/// As for [`call`].
unsafe fn record_map(g: *mut bg_graph, body: impl FnOnce(&mut Session) -> Handle) -> bg_node {
    // SAFETY: the caller's promise.
    unsafe { call_by(g, |session| body(session).into()) }
}

/// A function that records an operation on some operands.
///
/// # Safety
/// As for [`call`].
#[inline]
unsafe fn operation<const N: usize>(
    g: *mut bg_graph,
    what: &'static str,
    xs: [bg_node; N],
    body: impl FnOnce(&mut Core, [NodeId; N]) -> Maybe<NodeId>,
) -> bg_node {
    // SAFETY: the caller's promise.
    unsafe { operations(g, what, xs, [], |core, xs| Ok([body(core, xs)?])) }
}

/// The same with several results: the first is returned, and the others are written to where `others`
/// point, if anywhere.
///
/// # Safety
/// As for [`call`]; `others` are NULL or valid for writing a node.
#[inline]
unsafe fn operations<const N: usize, const R: usize, const M: usize>(
    g: *mut bg_graph,
    what: &'static str,
    xs: [bg_node; N],
    others: [*mut bg_node; M],
    body: impl FnOnce(&mut Core, [NodeId; N]) -> Maybe<[NodeId; R]>,
) -> bg_node {
    let mut results = [Handle::NULL; R];
    // SAFETY: the caller's promise.
    unsafe {
        record_results(g, what, &xs.map(Handle::from), &mut results, &mut once(body));
        for (to, &result) in others.into_iter().zip(&results[1..]) {
            if !to.is_null() {
                to.write_unaligned(result.into());
            }
        }
    }
    results[0].into()
}

/// Compiled once: see [`Session::record_results`].
///
/// # Safety
/// As for [`call`].
#[inline(never)]
unsafe fn record_results(
    g: *mut bg_graph,
    what: &'static str,
    xs: &[Handle],
    results: &mut [Handle],
    run: Recording<'_>,
) {
    // SAFETY: the caller's promise.
    unsafe { call(g, |s| s.record_results(what, xs, results, run)) }
}

/// The same for as many results as there are: they are written to the list of the caller, as far as it
/// goes; how many there are, 0 if the operation failed.
///
/// # Safety
/// As for [`call`]; the list is NULL, or valid for writing as many nodes as its capacity says.
unsafe fn list_of<const N: usize>(
    g: *mut bg_graph,
    what: &'static str,
    xs: [bg_node; N],
    (out, capacity): (*mut bg_node, usize),
    body: impl FnOnce(&mut Core, [NodeId; N], &mut Vec<NodeId>) -> Maybe<()>,
) -> usize {
    // SAFETY: the caller's promise.
    unsafe {
        write_list(g, out, capacity, |s, tell| {
            s.list_of(what, xs.map(Handle::from), body, tell);
        })
    }
}

/// The same for an operation on a list of operands.
///
/// # Safety
/// As for [`list_of`] and, for the list of operands, [`input`].
unsafe fn list_of_all(
    g: *mut bg_graph,
    what: &'static str,
    (xs, n): (*const bg_node, usize),
    (out, capacity): (*mut bg_node, usize),
    body: impl FnOnce(&mut Core, &mut [NodeId], &mut Vec<NodeId>) -> Maybe<()>,
) -> usize {
    // SAFETY: the caller's promise.
    unsafe {
        write_list(g, out, capacity, |s, tell| {
            if let Ok(xs) = input(&mut s.core, what, xs, n) {
                s.list_of_all(what, xs.iter().map(Handle::from), body, tell);
            }
        })
    }
}

/// Writes what a recording tells to a list of the caller's, and null nodes to the rest of it.
///
/// # Safety
/// As for [`list_of`].
unsafe fn write_list(
    g: *mut bg_graph,
    out: *mut bg_node,
    capacity: usize,
    body: impl FnOnce(&mut Session, &mut dyn FnMut(Handle)),
) -> usize {
    let capacity = if out.is_null() { 0 } else { capacity };
    // SAFETY: the caller's promise.
    unsafe {
        call(g, |s| {
            let mut count = 0;
            body(s, &mut |result| {
                if count < capacity {
                    out.add(count).write_unaligned(result.into());
                }
                count += 1;
            });
            for k in count..capacity {
                out.add(k).write_unaligned(Handle::NULL.into());
            }
            count
        })
    }
}

///
/// # Safety
/// As for [`call`] and, for the list, [`input`].
unsafe fn operation_on_all(
    g: *mut bg_graph,
    what: &'static str,
    (xs, n): (*const bg_node, usize),
    body: impl FnOnce(&mut Core, &mut [NodeId]) -> Maybe<NodeId>,
) -> bg_node {
    // SAFETY: the caller's promise.
    unsafe {
        record(g, |s| match input(&mut s.core, what, xs, n) {
            Ok(xs) => s.record_all(what, xs.iter().map(Handle::from), body),
            Err(Fail) => Handle::NULL,
        })
    }
}

/// A function that reports: first an error that is remembered, and then it does nothing.
///
/// # Safety
/// As for [`call`].
unsafe fn status(g: *mut bg_graph, body: impl FnOnce(&mut Session) -> Maybe<()>) -> bg_status {
    // SAFETY: the caller's promise.
    unsafe {
        call(g, |session| {
            if session.core.error.kind().is_none() {
                let _told_below = body(session);
            }
            remembered(session)
        })
    }
}

/// A function that answers a question about the graph; where there is no answer, the outcome of a
/// refused call.
///
/// # Safety
/// As for [`call`].
unsafe fn ask<R: Outcome>(g: *mut bg_graph, body: impl FnOnce(&mut Session) -> Maybe<R>) -> R {
    // SAFETY: the caller's promise.
    unsafe {
        call(g, |session| body(session).unwrap_or_else(|Fail| R::refused(remembered(session))))
    }
}

fn remembered(session: &Session) -> bg_status {
    session.core.error.kind().map_or(bg_status::BG_OK, bg_status::from)
}
