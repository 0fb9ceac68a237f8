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

pub mod elementwise;
pub mod engine;
pub mod gradient;
pub mod graph;
pub mod leaf;
mod names;
#[rustfmt::skip]
pub mod operations;
pub mod optim;
pub mod print;
pub mod read;
#[cfg(test)]
mod tests;
pub mod types;

use std::any::Any;
use std::ffi::{CStr, c_char};
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

use crate::defect;
use crate::dtype::DType;
use crate::error::{ErrorKind, Fail, Maybe};
use crate::graph::{Core, Handle};
use crate::id::NodeId;
use crate::op::Reduce;
use crate::session::{Recording, Session, once};
use crate::shape::{Dims, MAX_RANK};
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
    what: &str,
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
    what: &str,
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
    what: &str,
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
    what: &str,
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
    what: &str,
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

/// A list of nodes of the caller.
fn node_list(start: *const bg_node, len: usize) -> (*const bg_node, usize) {
    (start, len)
}

/// A function that records an operation on a list of operands.
///
/// # Safety
/// As for [`call`] and, for the list, [`input`].
unsafe fn operation_on_all(
    g: *mut bg_graph,
    what: &str,
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

/// A list of the caller's. It may lie anywhere, also where no `T` of Rust may: entries are read one
/// by one.
struct List<'a, T> {
    start: *const T,
    len: usize,
    caller: PhantomData<&'a T>,
}

impl<T: Copy> List<'_, T> {
    fn iter(&self) -> impl ExactSizeIterator<Item = T> {
        // SAFETY: `input` was promised `len` entries at any alignment.
        (0..self.len).map(|i| unsafe { self.start.add(i).read_unaligned() })
    }
}

/// The entries that a caller's pointer and count stand for.
///
/// # Safety
/// `start` is NULL or valid for reading `len` entries, at any alignment, during this call of the
/// library.
unsafe fn input<'a, T>(
    core: &mut Core,
    what: &str,
    start: *const T,
    len: usize,
) -> Maybe<List<'a, T>> {
    if start.is_null() && len > 0 {
        return Err(null_pointer(core, what));
    }
    if len > isize::MAX as usize / size_of::<T>().max(1) {
        return Err(core.fail(
            ErrorKind::Argument,
            format_args!("{what}: a list of {len} entries exceeds the address space"),
        ));
    }
    Ok(List { start, len, caller: PhantomData })
}

/// A list with at most one entry an axis.
///
/// # Safety
/// As for [`input`].
unsafe fn short_list<'a, T>(
    core: &mut Core,
    what: &str,
    start: *const T,
    len: usize,
) -> Maybe<List<'a, T>> {
    if len > MAX_RANK {
        return Err(core.fail(
            ErrorKind::Limit,
            format_args!("{what}: a list of {len} axes exceeds the largest rank, {MAX_RANK}"),
        ));
    }
    // SAFETY: the caller's promise.
    unsafe { input(core, what, start, len) }
}

/// Entries of a list that is no list of axes, at most.
const LISTED: usize = 64;

/// A short list of numbers of the caller's.
struct Short<T> {
    numbers: [T; LISTED],
    len: usize,
}

impl<T> Deref for Short<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.numbers[..self.len]
    }
}

/// A list of the caller's, with each entry as it is wanted.
///
/// # Safety
/// As for [`input`].
unsafe fn numbers<T: Copy, U: Copy + Default>(
    core: &mut Core,
    what: &str,
    start: *const T,
    len: usize,
    widen: fn(T) -> U,
) -> Maybe<Short<U>> {
    if len > LISTED {
        return Err(core.fail(
            ErrorKind::Limit,
            format_args!("{what}: a list of {len} numbers exceeds the longest, {LISTED}"),
        ));
    }
    // SAFETY: the caller's promise.
    let given = unsafe { input(core, what, start, len) }?;
    let mut numbers = [U::default(); LISTED];
    for (to, from) in numbers.iter_mut().zip(given.iter()) {
        *to = widen(from);
    }
    Ok(Short { numbers, len })
}

/// Axes given by the caller.
///
/// # Safety
/// As for [`input`].
unsafe fn axis_list(
    core: &mut Core,
    what: &str,
    start: *const i32,
    len: usize,
) -> Maybe<Short<isize>> {
    // SAFETY: the caller's promise.
    unsafe {
        short_list(core, what, start, len)?;
        numbers(core, what, start, len, |axis| axis as isize)
    }
}

/// Lengths, bounds or shifts given by the caller.
///
/// # Safety
/// As for [`input`].
unsafe fn int_list(
    core: &mut Core,
    what: &str,
    start: *const i64,
    len: usize,
) -> Maybe<Short<isize>> {
    // SAFETY: the caller's promise.
    unsafe { numbers(core, what, start, len, saturate) }
}

/// Lengths given by the caller.
///
/// # Safety
/// As for [`input`].
unsafe fn len_list(
    core: &mut Core,
    what: &str,
    start: *const usize,
    len: usize,
) -> Maybe<Short<usize>> {
    // SAFETY: the caller's promise.
    unsafe { numbers(core, what, start, len, |len| len) }
}

/// A length or bound of C's; out of isize, it is out of range for any tensor.
fn saturate(x: i64) -> isize {
    isize::try_from(x).unwrap_or(if x < 0 { isize::MIN } else { isize::MAX })
}

/// A shape given by the caller.
///
/// # Safety
/// As for [`input`].
unsafe fn shape(core: &mut Core, what: &str, dims: *const usize, rank: usize) -> Maybe<Dims> {
    // SAFETY: the caller's promise.
    let given = unsafe { short_list(core, what, dims, rank) }?;
    let mut dims = Dims::SCALAR;
    given.iter().for_each(|len| dims.push(len));
    Ok(dims)
}

#[cold]
fn null_pointer(core: &mut Core, what: &str) -> Fail {
    core.fail(ErrorKind::Argument, format_args!("{what}: a pointer is NULL"))
}

/// A word given by the caller.
///
/// # Safety
/// `start` is NULL or points to a string that ends with a NUL, during this call of the library.
unsafe fn text<'a>(core: &mut Core, what: &str, start: *const c_char) -> Maybe<&'a str> {
    if start.is_null() {
        return Err(null_pointer(core, what));
    }
    // SAFETY: the caller's promise.
    let text = unsafe { CStr::from_ptr(start) };
    text.to_str()
        .map_err(|_| core.fail(ErrorKind::Argument, format_args!("{what}: a text is not UTF-8")))
}

fn dtype(core: &mut Core, what: &str, code: i32) -> Maybe<DType> {
    DType::from_code(code).ok_or_else(|| {
        core.fail(
            ErrorKind::Argument,
            format_args!("{what}: {code} is no element type: use BG_F32, BG_F64, BG_I64 or BG_U8"),
        )
    })
}

/// How a loss is reduced.
fn reduce(core: &mut Core, what: &str, code: i32) -> Maybe<Reduce> {
    match code {
        BG_REDUCE_NONE => Ok(Reduce::None),
        BG_REDUCE_MEAN => Ok(Reduce::Mean),
        BG_REDUCE_SUM => Ok(Reduce::Sum),
        _ => Err(core.fail(
            ErrorKind::Argument,
            format_args!(
                "{what}: {code} is no reduction: use BG_REDUCE_NONE, BG_REDUCE_MEAN or BG_REDUCE_SUM"
            ),
        )),
    }
}

/// The largest size that a struct of the interface may ever have.
const STRUCT_MAX: usize = 4096;

/// The caller's struct, if there is one, says how long it is: at least one field besides, as there
/// was in the first version, and no longer than any version will be.
///
/// # Safety
/// `options` is NULL or points to a struct that begins with its size.
unsafe fn need_size(core: &mut Core, what: &str, options: *const u8) -> Maybe<()> {
    if options.is_null() {
        return Ok(());
    }
    // SAFETY: the caller's promise.
    let size = unsafe { options.cast::<usize>().read_unaligned() };
    if (2 * size_of::<usize>()..=STRUCT_MAX).contains(&size) {
        return Ok(());
    }
    Err(core.fail(
        ErrorKind::Argument,
        format_args!(
            "{what}: struct_size is {size}, which no struct has: start from its _INIT macro"
        ),
    ))
}

/// One field of an options struct, if the caller's struct is long enough to have it. Its first
/// field is its size; a reference to a shorter struct than ours would be undefined behaviour.
///
/// # Safety
/// `options` points to a struct of the caller's that is as long as its first field says.
unsafe fn field<T: Copy>(options: *const u8, offset: usize, default: T) -> T {
    // SAFETY: the size is there, and tells whether the field is.
    unsafe {
        let size = options.cast::<usize>().read_unaligned();
        if offset + size_of::<T>() > size {
            return default;
        }
        options.add(offset).cast::<T>().read_unaligned()
    }
}

/// Writes one field of an output struct, if the caller's struct has it.
///
/// # Safety
/// As for [`field`], and the struct may be written to.
unsafe fn set_field<T: Copy>(out: *mut u8, offset: usize, value: T) {
    // SAFETY: the size is there, and tells whether the field is.
    unsafe {
        let size = out.cast::<usize>().read_unaligned();
        if offset + size_of::<T>() <= size {
            out.add(offset).cast::<T>().write_unaligned(value);
        }
    }
}
