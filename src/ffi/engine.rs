//! How things are computed: threads, plans, profiles.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::fmt::{self, Write};
use std::io;
use std::ptr::NonNull;

use super::print::{BG_DOT, BG_TEXT, StandardOutput, format, unknown_format, written};
use super::{bg_graph, bg_status, call, null_pointer, status};
use crate::error::{ErrorKind, Maybe};
use crate::exec::Profile;
use crate::fpenv::Subnormals;
use crate::host::Uncancelled;
use crate::session::Session;

/// Sets how many threads may work on one evaluation of this graph; 0, the default, for as many as
/// the machine has cores; at most 256. No number depends on it: results are the same bit for bit
/// (see Numbers, above). The thread that asks is one of them; small evaluations stay on it, and so
/// do all when the system has no other threads to give. Graphs share the others, which the first
/// evaluation that is worth it starts: see bg_shutdown.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_set_num_threads(g: *mut bg_graph, threads: usize) {
    // SAFETY: the header's rules for `g`.
    unsafe { call(g, |session| session.engine().set_threads(threads)) }
}

/// How many threads may work on one evaluation of this graph: what was set, or the number of cores.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_num_threads(g: *const bg_graph) -> usize {
    // SAFETY: the header's rules for `g`.
    unsafe { call(g, |session| session.engine().threads()) }
}

/// Ends the worker threads of this process and waits for them; evaluations that they help with go on
/// without, and a later one starts them again. For programs that must leave no thread behind: after
/// it, with no thread inside of a call, the library can be unloaded (dlclose), and must not be
/// without it. In the child of a process that has had worker threads it does nothing: evaluations
/// there use one thread, since fork leaves the others behind.
#[unsafe(no_mangle)]
pub extern "C" fn bg_shutdown() {
    crate::team::shutdown();
}

/// Sets whether operations are fused into passes over memory (the default), or computed one by one,
/// keeping every value: slower, and the same bit for bit (see Numbers, above), but for subnormal
/// numbers of a graph that flushes them. For finding out where a value comes from.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_set_fusion(g: *mut bg_graph, on: bool) {
    // SAFETY: the header's rules for `g`.
    unsafe { call(g, |session| session.engine().set_fusion(on)) }
}

/// Whether operations are fused: see bg_set_fusion. False for a NULL graph.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_fusion(g: *const bg_graph) -> bool {
    // SAFETY: the header's rules for `g`.
    unsafe { call(g, |session| session.engine().fuses()) }
}

/// Sets whether evaluations, gradients and optimisers of this graph take subnormal numbers (below
/// 1.2e-38 in BG_F32, 2.2e-308 in BG_F64) for zeros; off in a new graph. Many CPUs are many times
/// slower where they meet them. Data of leaves stay as they are, and what only moves or chooses
/// among them (views, bg_where, bg_maximum), or is its operand where that is small (bg_neg, bg_abs,
/// bg_log1p, bg_expm1), may give them or 0. A change counts as a write to every leaf. Does nothing on CPUs other than x86-64 and aarch64.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_set_flush_subnormals(g: *mut bg_graph, on: bool) {
    let subnormals = if on { Subnormals::Flush } else { Subnormals::Keep };
    // SAFETY: the header's rules for `g`.
    unsafe { call(g, |session| session.core.set_subnormals(subnormals)) }
}

/// Whether this graph takes subnormal numbers for zeros.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_flush_subnormals(g: *const bg_graph) -> bool {
    // SAFETY: the header's rules for `g`.
    unsafe { call(g, |session| session.core.subnormals() == Subnormals::Flush) }
}

/// Writes how the last evaluation was computed: BG_TEXT or BG_DOT. A step is one pass over memory;
/// n12 is a node, dn12 the gradient of one, t3 a temporary. What is small and was met for the first
/// time has no steps: it was computed node by node. Nothing, if nothing was computed yet.
/// Buffer and result as for bg_format.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_format_plan(
    g: *mut bg_graph,
    buffer: *mut c_char,
    capacity: usize,
    format_code: i32,
) -> usize {
    // SAFETY: the header's rules for `g` and `buffer`.
    unsafe {
        format(g, (buffer, capacity), |session, out| plan(session, "format_plan", format_code, out))
    }
}

/// As bg_format_plan, to standard output.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_print_plan(g: *mut bg_graph, format_code: i32) -> bg_status {
    // SAFETY: the header's rules for `g`.
    unsafe { status(g, |session| plan(session, "print_plan", format_code, &mut StandardOutput)) }
}

fn plan(session: &mut Session, what: &str, format_code: i32, out: &mut impl Write) -> Maybe<()> {
    let result = match format_code {
        BG_TEXT => session.engine().tell(out),
        BG_DOT => session.engine().tell_dot(out),
        _ => return Err(unknown_format(&mut session.core, what, format_code)),
    };
    written(&mut session.core, what, result)
}

/// Begins to note when each step of each evaluation runs, how many bytes it reads and writes, and
/// on how many threads. What was noted before and not written is dropped.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_profile_begin(g: *mut bg_graph) {
    // SAFETY: the header's rules for `g`.
    unsafe { call(g, |session| drop(session.engine().set_profile(Some(Profile::new())))) }
}

/// Writes what was noted since bg_profile_begin to a file, as JSON for trace viewers (Perfetto,
/// chrome://tracing, Speedscope), and stops noting. A file that is there already is replaced. When
/// it cannot be written, what was noted is lost.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_profile_end(g: *mut bg_graph, path: *const c_char) -> bg_status {
    let what = "profile_end";
    // SAFETY: the header's rules for `g`; `path` is NULL or a string that ends in NUL.
    unsafe {
        status(g, |session| {
            let Some(profile) = session.engine().set_profile(None) else {
                return Err(session.core.fail(
                    ErrorKind::Argument,
                    format_args!("{what}: no profile is being taken: call profile_begin first"),
                ));
            };
            if path.is_null() {
                return Err(null_pointer(&mut session.core, what));
            }
            let path = CStr::from_ptr(path);
            write_file(path, &profile).map_err(|fmt::Error| {
                // Rust's words for it would take memory.
                let kind = match io::Error::last_os_error().kind() {
                    io::ErrorKind::OutOfMemory => ErrorKind::Memory,
                    _ => ErrorKind::Argument,
                };
                let path = Lossy(path.to_bytes());
                session.core.fail(kind, format_args!("{what}: cannot write to {path}"))
            })
        })
    }
}

/// Writes to a file through C's library, which has NULL for memory that it does not get.
fn write_file(path: &CStr, profile: &Profile) -> fmt::Result {
    // Declared inside of functions, so that they are not in the header.
    unsafe extern "C" {
        fn fopen(path: *const c_char, mode: *const c_char) -> *mut c_void;
        fn fclose(file: *mut c_void) -> c_int;
    }
    let _uncancelled = Uncancelled::new();
    // SAFETY: both strings end in NUL.
    let file = unsafe { fopen(path.as_ptr(), c"wb".as_ptr()) };
    let mut file = NonNull::new(file).map(File).ok_or(fmt::Error)?;
    let written = profile.write(&mut file);
    // SAFETY: opened above, and not used any more.
    let closed = unsafe { fclose(file.0.as_ptr()) };
    if closed == 0 { written } else { Err(fmt::Error) }
}

/// An open file of C's library.
struct File(NonNull<c_void>);

impl Write for File {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        unsafe extern "C" {
            fn fwrite(from: *const c_void, size: usize, count: usize, file: *mut c_void) -> usize;
        }
        // SAFETY: the file is open, and the text has so many bytes.
        let count = unsafe { fwrite(text.as_ptr().cast(), 1, text.len(), self.0.as_ptr()) };
        if count == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

/// Text in an encoding that may not be Rust's.
struct Lossy<'a>(&'a [u8]);

impl fmt::Display for Lossy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.utf8_chunks().try_for_each(|chunk| {
            f.write_str(chunk.valid())?;
            f.write_str(if chunk.invalid().is_empty() { "" } else { "\u{fffd}" })
        })
    }
}
