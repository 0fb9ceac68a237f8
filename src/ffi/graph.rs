//! The graph itself: life, marks, memory, modes, errors; and the library's version.

use std::alloc::Layout;
use std::cell::UnsafeCell;
use std::ffi::c_char;
use std::mem::offset_of;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::{
    arguments::{head, input},
    bg_graph, bg_node, bg_status, call, field, need_size, remembered, set_field, status,
};
use crate::defect;
use crate::error::{ErrorKind, Maybe};
use crate::exec::PlanMemory;
use crate::graph::{Handle, Mark};
use crate::level::Level;
use crate::session::Session;

/// The version of this header: rises when programs must change.
pub const BG_VERSION_MAJOR: i32 = 0;
/// The version of this header: rises when there is something new.
pub const BG_VERSION_MINOR: i32 = 1;
/// The version of this header: rises when something was mended.
pub const BG_VERSION_PATCH: i32 = 0;
/// The version of this header as one number: 1000000 major + 1000 minor + patch.
pub const BG_VERSION: i32 = 1000;

/// The version of the library that is linked, to be compared with BG_VERSION.
#[unsafe(no_mangle)]
pub extern "C" fn bg_version() -> i32 {
    BG_VERSION
}

/// The version of the library that is linked, as in "1.2.3".
#[unsafe(no_mangle)]
pub extern "C" fn bg_version_string() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The set of instructions that kernels use on this CPU: "baseline", "v3" (AVX2 and FMA) or "v4"
/// (AVX-512). The environment variable BUMPGRAD_LEVEL can lower it.
#[unsafe(no_mangle)]
pub extern "C" fn bg_simd_level() -> *const c_char {
    match Level::current() {
        Level::Baseline => c"baseline".as_ptr(),
        Level::V3 => c"v3".as_ptr(),
        Level::V4 => c"v4".as_ptr(),
    }
}

/// Options of bg_graph_new_with. Start from BG_OPTIONS_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct bg_options {
    /// sizeof(bg_options)
    pub struct_size: usize,
    /// As for bg_set_memory_limit. Default: 0, no limit.
    pub memory_limit: usize,
    /// As for bg_set_seed. Default: 0.
    pub seed: u64,
}

/// A new, empty graph; NULL when there is no memory for it.
#[unsafe(no_mangle)]
pub extern "C" fn bg_graph_new() -> *mut bg_graph {
    // SAFETY: NULL stands for the defaults.
    unsafe { bg_graph_new_with(ptr::null()) }
}

/// As bg_graph_new, with options; NULL for the defaults.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_graph_new_with(options: *const bg_options) -> *mut bg_graph {
    defect::hush();
    let mut session = Session::new();
    let serial = session.core.mark().graph;
    let start = options.cast::<u8>();
    // SAFETY: the caller gives a struct that begins with its size, or NULL. What is wrong with it is
    // remembered by the graph.
    if !start.is_null() && unsafe { need_size(&mut session.core, "graph_new_with", start) }.is_ok()
    {
        // SAFETY: as above.
        let (limit, seed) = unsafe {
            (
                field(start, offset_of!(bg_options, memory_limit), 0),
                field(start, offset_of!(bg_options, seed), 0),
            )
        };
        session.set_memory_limit(limit_of(limit));
        session.core.set_seed(seed);
    }
    // SAFETY: the layout has a size other than 0.
    let Some(place) = NonNull::new(unsafe { std::alloc::alloc(Layout::new::<bg_graph>()) }) else {
        return ptr::null_mut();
    };
    let place = place.cast::<bg_graph>();
    let (busy, session) = (AtomicBool::new(false), UnsafeCell::new(session));
    let searches = AtomicU32::new(0);
    let graph = bg_graph { busy, searches, serial, is_lent: false, session };
    // SAFETY: newly allocated for this type.
    unsafe { place.write(graph) };
    place.as_ptr()
}

/// Releases a graph and everything in it. NULL is allowed. A graph that another call is using is left
/// alone; so is one in whose search (bg_lbfgs_function and others) this is called, which remembers it as
/// BG_ERR_BUSY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_graph_free(g: *mut bg_graph) {
    // SAFETY: NULL, or a graph of `bg_graph_new` that has not been freed.
    let Some(graph) = (unsafe { g.as_ref() }) else { return };
    if graph.searches.load(Ordering::Relaxed) > 0 {
        let message = "graph_free: a function that a search of this graph calls must not free it";
        // SAFETY: as above.
        unsafe {
            call(g, |s| {
                s.core.fail(ErrorKind::Busy, format_args!("{message}"));
            });
        }
        return;
    }
    // (What operations were registered with is told that it goes: it finds the graph in use, too.)
    if graph.is_lent || graph.busy.swap(true, Ordering::Relaxed) {
        return;
    }
    // SAFETY: as above, and nobody is using it; it was allocated with this layout.
    unsafe {
        g.drop_in_place();
        std::alloc::dealloc(g.cast(), Layout::new::<bg_graph>());
    }
}

/// 0 stands for "no limit" in C.
fn limit_of(bytes: usize) -> usize {
    if bytes == 0 { usize::MAX } else { bytes }
}

/// Whether a node is null: the result of an operation that failed.
#[unsafe(no_mangle)]
pub extern "C" fn bg_is_null(x: bg_node) -> bool {
    x.tag == 0
}

// ---- errors ----

/// The remembered error: the first one since the graph was made or the error was cleared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_last_status(g: *const bg_graph) -> bg_status {
    // SAFETY: the header's rules for `g`.
    unsafe { call(g, |session| remembered(session)) }
}

/// The remembered error in words: what was wrong, with shapes and labels, and what would be right.
/// One line; "" when there is no error; never NULL, not even for a NULL graph. Valid until the
/// error is cleared.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_error_message(g: *const bg_graph) -> *const c_char {
    if g.is_null() {
        return c"the graph is NULL (out of memory in bg_graph_new?)".as_ptr();
    }
    // SAFETY: the header's rules for `g`.
    let text = unsafe { call(g, |session| session.core.error.c_text().as_ptr()) };
    if text.is_null() { c"the graph is in use by another call".as_ptr() } else { text.cast() }
}

/// Forgets the remembered error, so that the graph can be used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_clear_error(g: *mut bg_graph) {
    // SAFETY: the header's rules for `g`.
    unsafe { call(g, |session| session.core.error.clear()) }
}

// ---- going back ----

/// A place in the recording, to which bg_rewind goes back. Made by bg_mark.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct bg_place {
    pub nodes: u32,
    pub lists: u32,
    pub tag: u32,
    pub check: u32,
}

/// Makes a place that this graph did not hand out recognisable.
fn check(mark: Mark, serial: u32) -> u32 {
    [mark.nodes, mark.lists, mark.tag].into_iter().fold(serial ^ 0x9E37_79B9, |sum, word| {
        (sum ^ word).wrapping_mul(0x85EB_CA6B).rotate_left(13)
    })
}

/// The present end of the recording.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_mark(g: *const bg_graph) -> bg_place {
    let mut place = bg_place { nodes: 0, lists: 0, tag: 0, check: 0 };
    // SAFETY: the header's rules for `g`, which is not NULL where the closure runs.
    unsafe {
        call(g, |session| {
            let mark = session.core.mark();
            let Mark { nodes, lists, tag, .. } = mark;
            place = bg_place { nodes, lists, tag, check: check(mark, (*g).serial) };
        });
    }
    place
}

/// Drops every node recorded after the mark, and keeps the memory for those to come: what a loop
/// does at the end of each iteration. Nodes from before the mark keep data and gradients. Works
/// while an error is remembered, too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_rewind(g: *mut bg_graph, mark: bg_place) -> bg_status {
    // SAFETY: the header's rules for `g`, which is not NULL where the closure runs.
    unsafe {
        call(g, |session| {
            if let Ok(mark) = mark_of(session, "rewind", mark, (*g).serial) {
                let _told_below = session.core.rewind(mark);
            }
            remembered(session)
        })
    }
}

/// The mark that was handed out as this place.
fn mark_of(session: &mut Session, what: &str, place: bg_place, serial: u32) -> Maybe<Mark> {
    let bg_place { nodes, lists, tag, check: told } = place;
    let mark = Mark { nodes, lists, tag, graph: serial };
    if check(mark, serial) == told {
        return Ok(mark);
    }
    Err(session.core.fail(
        ErrorKind::Handle,
        format_args!("{what}: the mark was not made by bg_mark with this graph"),
    ))
}

/// Makes what was recorded since `begin` a checkpoint: of its values only those of the n nodes `outs` are
/// kept. Whatever reads another one later, the gradient above all, has it computed again, from what was
/// there before: a checkpoint every 30 layers of 1000 keeps 33 values, and 30 at a time. Values and
/// gradients are the same, bit for bit. A checkpoint that spans others leaves what they span to them.
/// What bg_jvp and bg_vmap record of its nodes is between checkpoints, too. What was read stays. Graphs with
/// checkpoints have a plan for each evaluation, however small.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_checkpoint(
    g: *mut bg_graph,
    begin: bg_place,
    outs: *const bg_node,
    n: usize,
) -> bg_status {
    let what = "checkpoint";
    // SAFETY: the header's rules for `g`, which is not NULL where the closure runs, and for `outs`.
    unsafe {
        status(g, |session| {
            let begin = mark_of(session, what, begin, (*g).serial)?;
            let outs = input(&mut session.core, what, outs, n)?;
            session.checkpoint(begin, outs.iter().map(Handle::from))
        })
    }
}

/// Drops all nodes with their data, gradients and what optimisers remember, and keeps the memory for
/// those to come. Ends whatever bg_no_grad_begin began. Seed, mode, memory limit and budget and a
/// remembered error stay as they are.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_reset(g: *mut bg_graph) {
    // SAFETY: the header's rules for `g`.
    unsafe {
        call(g, |session| {
            session.core.reset();
            session.core.no_grad = 0;
        })
    }
}

/// The number of nodes in the recording.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_node_count(g: *const bg_graph) -> usize {
    // SAFETY: the header's rules for `g`.
    unsafe { call(g, |session| session.core.len()) }
}

// ---- memory ----

/// Memory of a graph, in bytes. Start from BG_MEMORY_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct bg_memory {
    /// sizeof(bg_memory)
    pub struct_size: usize,
    /// In tensors that hold values or gradients now.
    pub live: usize,
    /// Taken from the system for tensors, in use or kept for reuse.
    pub pooled: usize,
    /// The largest `live` so far.
    pub peak: usize,
    /// Taken from the system for the recording: nodes, shapes, labels.
    pub records: usize,
    /// Taken from the system for plans, and for making and running them.
    pub plans: usize,
}

/// Fills in the fields of `out` that its struct_size covers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_memory_stats(g: *mut bg_graph, out: *mut bg_memory) -> bg_status {
    // SAFETY: the header's rules for `g`; `out` is a struct that begins with its size.
    unsafe {
        status(g, |session| {
            if out.is_null() {
                return Err(super::null_pointer(&mut session.core, "memory_stats"));
            }
            let (stats, out) = (session.memory(), out.cast::<u8>());
            need_size(&mut session.core, "memory_stats", out)?;
            set_field(out, offset_of!(bg_memory, live), stats.live);
            set_field(out, offset_of!(bg_memory, pooled), stats.pooled);
            set_field(out, offset_of!(bg_memory, peak), stats.peak);
            set_field(out, offset_of!(bg_memory, records), stats.records);
            set_field(out, offset_of!(bg_memory, plans), stats.plans);
            Ok(())
        })
    }
}

/// Limits the memory a graph takes from the system, in bytes; 0 for no limit. What counts is the sum
/// of `pooled`, `records` and `plans` of bg_memory_stats: all but the graph itself (a few KiB), and
/// lists of arguments during a call. What needs more fails with BG_ERR_MEMORY and a message that
/// says what is full, and nothing is lost. Before that, what only saves time is given back to the
/// system: plans, which are made anew when they are needed, buffers that are free, and values that
/// can be computed again. An operation that fails to be recorded gives plans back, too, so that it
/// may be tried again. A plan that is refused may by then have taken more than it was allowed, but
/// less than twice that, and gives it back.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_set_memory_limit(g: *mut bg_graph, bytes: usize) {
    // SAFETY: the header's rules for `g`.
    unsafe { call(g, |session| session.set_memory_limit(limit_of(bytes))) }
}

/// Lets each evaluation hold at most this many bytes of tensors at a time: data of leaves, gradients,
/// values that are kept, and scratch memory, as `live` of bg_memory_stats counts them. 0, the default, for no
/// budget. Where that is less than what is usual, values that nobody asked for are let go, and steps
/// are run again to make what there was no room to keep: bg_plan_memory_backward says how many, and
/// bg_print_plan which. No bit of any result depends on that. What would not fit all the same fails with
/// BG_ERR_MEMORY and the smallest budget that was found to be enough, and nothing is lost. What was
/// read stays, and counts; so do leaves, gradients and what optimisers remember, which are not refused.
/// Registers and packed factors, a fixed amount for each thread, are counted by `plans`. Free buffers are
/// given back to the system rather than have `pooled` exceed the budget, apart from those of at most
/// 2 KiB: evaluations that take turns, and whose memory does not fit side by side, allocate each time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_set_memory_budget(g: *mut bg_graph, bytes: usize) {
    // SAFETY: the header's rules for `g`.
    unsafe { call(g, |session| session.set_memory_budget(limit_of(bytes))) }
}

/// The memory budget that was set; 0 for no budget.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_memory_budget(g: *const bg_graph) -> usize {
    // SAFETY: the header's rules for `g`.
    let budget = unsafe { call(g, |session| session.core.pool.budget()) };
    if budget == usize::MAX { 0 } else { budget }
}

/// What memory an evaluation takes, in bytes, and what it computes more than once. Start from
/// BG_PLANNED_MEMORY_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct bg_planned_memory {
    /// sizeof(bg_planned_memory)
    pub struct_size: usize,
    /// What tensors take before: `live` of bg_memory_stats.
    pub live: usize,
    /// Values and gradients that are added, and stay.
    pub kept: usize,
    /// Memory that is used while it runs, and given back.
    pub scratch: usize,
    /// The most that tensors take at a time: the sum.
    pub peak: usize,
    /// How many steps it takes.
    pub steps: usize,
    /// How many of them make again what was made, and could not be kept.
    pub repeated: usize,
}

/// Says what memory computing x takes, before it is computed: nothing where its value is there. The plan that
/// is made is the one that is run next. BG_ERR_MEMORY if the memory budget is too small. Fills in the
/// fields of `out` that its struct_size covers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_plan_memory(
    g: *mut bg_graph,
    x: bg_node,
    out: *mut bg_planned_memory,
) -> bg_status {
    // SAFETY: the header's rules for `g`; `out` is a struct that begins with its size.
    unsafe { tell_memory(g, "plan_memory", out, |session| session.plan_memory(x.into())) }
}

/// The same of bg_backward_many. `heads` may be NULL, and each of its nodes BG_NULL. Fails as that
/// does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_plan_memory_backward(
    g: *mut bg_graph,
    ys: *const bg_node,
    heads: *const bg_node,
    n: usize,
    out: *mut bg_planned_memory,
) -> bg_status {
    let what = "plan_memory_backward";
    // SAFETY: the header's rules for `g`, `ys` and `heads`; `out` is a struct that begins with its size.
    unsafe {
        tell_memory(g, what, out, |session| {
            let ys = input(&mut session.core, what, ys, n)?;
            if heads.is_null() {
                return session.plan_memory_backward(ys.iter().map(|y| (y.into(), None)));
            }
            let heads = input(&mut session.core, what, heads, n)?;
            let roots = ys.iter().zip(heads.iter());
            session.plan_memory_backward(roots.map(|(y, h)| (y.into(), head(h))))
        })
    }
}

/// # Safety
/// The header's rules for `g`; `out` is NULL or a struct that begins with its size.
unsafe fn tell_memory(
    g: *mut bg_graph,
    what: &str,
    out: *mut bg_planned_memory,
    ask: impl FnOnce(&mut Session) -> Maybe<PlanMemory>,
) -> bg_status {
    // SAFETY: the caller's promise.
    unsafe {
        status(g, |session| {
            if out.is_null() {
                return Err(super::null_pointer(&mut session.core, what));
            }
            let out = out.cast::<u8>();
            need_size(&mut session.core, what, out)?;
            let memory = ask(session)?;
            set_field(out, offset_of!(bg_planned_memory, live), memory.live);
            set_field(out, offset_of!(bg_planned_memory, kept), memory.kept);
            set_field(out, offset_of!(bg_planned_memory, scratch), memory.scratch);
            set_field(out, offset_of!(bg_planned_memory, peak), memory.peak());
            set_field(out, offset_of!(bg_planned_memory, steps), memory.steps);
            set_field(out, offset_of!(bg_planned_memory, repeated), memory.repeated);
            Ok(())
        })
    }
}

/// The memory limit that was set; 0 for no limit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_memory_limit(g: *const bg_graph) -> usize {
    // SAFETY: the header's rules for `g`.
    let limit = unsafe { call(g, |session| session.core.pool.limit()) };
    if limit == usize::MAX { 0 } else { limit }
}

// ---- modes ----

/// Starts the random numbers anew: the same seed, followed by the same calls, gives the same
/// numbers again. bg_uniform and bg_normal draw when they are called; bg_dropout draws when it is
/// computed, and dropouts recorded before follow the new seed, too. A new graph has the seed 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_set_seed(g: *mut bg_graph, seed: u64) {
    // SAFETY: the header's rules for `g`.
    unsafe { call(g, |session| session.core.set_seed(seed)) }
}

/// The seed that was set last; 0 for a NULL graph.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_seed(g: *const bg_graph) -> u64 {
    // SAFETY: the header's rules for `g`.
    unsafe { call(g, |session| session.core.seed) }
}

/// Gives dropouts new random numbers, as writing to a leaf does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_resample(g: *mut bg_graph) {
    // SAFETY: the header's rules for `g`.
    unsafe { call(g, |session| session.core.resample()) }
}

/// Sets training mode, in which a new graph is, or evaluation mode, in which dropout does nothing.
/// Values already recorded follow.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_set_training(g: *mut bg_graph, training: bool) {
    // SAFETY: the header's rules for `g`.
    unsafe { call(g, |session| session.core.set_training(training)) }
}

/// Whether the graph is in training mode.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_training(g: *const bg_graph) -> bool {
    // SAFETY: the header's rules for `g`.
    unsafe { call(g, |session| session.core.training) }
}

/// From here to the matching bg_no_grad_end, results do not require gradients. May be nested.
/// Parameters made inside still do.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_no_grad_begin(g: *mut bg_graph) {
    // SAFETY: the header's rules for `g`.
    unsafe { call(g, |session| session.core.no_grad = session.core.no_grad.saturating_add(1)) }
}

/// Ends what bg_no_grad_begin began; an error to be remembered when nothing did.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_no_grad_end(g: *mut bg_graph) {
    // SAFETY: the header's rules for `g`.
    unsafe {
        call(g, |session| match session.core.no_grad.checked_sub(1) {
            Some(depth) => session.core.no_grad = depth,
            None => {
                session.core.fail(
                    ErrorKind::Argument,
                    format_args!("no_grad_end: there is no no_grad_begin to end"),
                );
            }
        })
    }
}

/// Whether results do not require gradients now: inside of bg_no_grad_begin and bg_no_grad_end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_is_no_grad(g: *const bg_graph) -> bool {
    // SAFETY: the header's rules for `g`.
    unsafe { call(g, |session| session.core.no_grad > 0) }
}

const _: () = {
    // The version is written out above, because a header wants plain numbers.
    assert!(
        BG_VERSION == 1_000_000 * BG_VERSION_MAJOR + 1000 * BG_VERSION_MINOR + BG_VERSION_PATCH
    );
    assert!(is_number(env!("CARGO_PKG_VERSION_MAJOR"), BG_VERSION_MAJOR));
    assert!(is_number(env!("CARGO_PKG_VERSION_MINOR"), BG_VERSION_MINOR));
    assert!(is_number(env!("CARGO_PKG_VERSION_PATCH"), BG_VERSION_PATCH));
};

const fn is_number(text: &str, number: i32) -> bool {
    match i32::from_str_radix(text, 10) {
        Ok(read) => read == number,
        Err(_) => false,
    }
}
