//! Tensors and graphs as text, into the caller's buffer or to C's standard output.

use std::ffi::{c_char, c_int};
use std::fmt::{self, Write};

use super::{ask, bg_graph, bg_node, bg_status, status};
use crate::error::{ErrorKind, Maybe};
use crate::graph::Core;
use crate::host::Uncancelled;
use crate::print;

/// bg_format_graph, bg_format_plan: lines for people, one a node or a few a step.
pub const BG_TEXT: i32 = 0;
/// bg_format_graph, bg_format_plan: a drawing for Graphviz.
pub const BG_DOT: i32 = 1;

/// The caller's buffer, filled as snprintf does: what does not fit is counted.
pub(super) struct CBuffer {
    start: *mut c_char,
    capacity: usize,
    len: usize,
}

impl CBuffer {
    /// # Safety
    /// `start` is valid for writing `capacity` bytes while this lives, or NULL.
    unsafe fn new(start: *mut c_char, capacity: usize) -> Self {
        let capacity = if start.is_null() { 0 } else { capacity };
        let out = Self { start, capacity, len: 0 };
        out.end();
        out
    }

    /// Writes the final NUL.
    fn end(&self) {
        if let Some(last) = self.capacity.checked_sub(1) {
            // SAFETY: inside the buffer that `new` was promised.
            unsafe { self.start.add(self.len.min(last)).write(0) };
        }
    }
}

impl Write for CBuffer {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let room = self.capacity.saturating_sub(1).saturating_sub(self.len);
        if room > 0 {
            let count = s.len().min(room);
            // SAFETY: `room` bytes are left after `len`.
            unsafe {
                std::ptr::copy_nonoverlapping(s.as_ptr().cast(), self.start.add(self.len), count);
            }
        }
        self.len += s.len();
        Ok(())
    }
}

/// C's own stream, so that the order with the caller's printf is kept.
pub(super) struct StandardOutput;

unsafe extern "C" {
    safe fn putchar(c: c_int) -> c_int;
}

impl Write for StandardOutput {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let _uncancelled = Uncancelled::new();
        if s.bytes().all(|byte| putchar(byte.into()) >= 0) { Ok(()) } else { Err(fmt::Error) }
    }
}

/// Formats into the caller's buffer, and counts.
///
/// # Safety
/// The header's rules for `g` and `buffer`.
pub(super) unsafe fn format(
    g: *mut bg_graph,
    (buffer, capacity): (*mut c_char, usize),
    write: impl FnOnce(&mut crate::session::Session, &mut CBuffer) -> Maybe<()>,
) -> usize {
    // SAFETY: the caller's promise.
    unsafe {
        let mut out = CBuffer::new(buffer, capacity);
        ask(g, |session| {
            write(session, &mut out)?;
            out.end();
            Ok(out.len)
        })
    }
}

/// A stream's error on the graph's behalf; writing to a buffer never fails.
pub(super) fn written(core: &mut Core, what: &str, result: fmt::Result) -> Maybe<()> {
    result.map_err(|fmt::Error| {
        core.fail(ErrorKind::Argument, format_args!("{what}: standard output cannot be written"))
    })
}

/// Computes x, if need be, and writes it as nested brackets; more than 1000 elements are
/// abbreviated, and none are "[]". Floats are rounded to 6 (f32) or 8 (f64) digits, but not before the point: numbers that
/// look alike may differ, and bg_read tells them apart. As snprintf: at most `capacity` bytes are written, a final NUL among them, and the
/// length of the whole text is returned; 0 when x is not valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_format(
    g: *mut bg_graph,
    x: bg_node,
    buffer: *mut c_char,
    capacity: usize,
) -> usize {
    // SAFETY: the header's rules for `g` and `buffer`.
    unsafe {
        format(g, (buffer, capacity), |session, out| {
            let id = session.core.resolve("format", x.into())?;
            session.evaluate(id)?;
            let result = print::tensor(&session.core, id, out);
            written(&mut session.core, "format", result)
        })
    }
}

/// As bg_format, to standard output, with a final newline.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_print(g: *mut bg_graph, x: bg_node) -> bg_status {
    // SAFETY: the header's rules for `g`.
    unsafe {
        status(g, |session| {
            let id = session.core.resolve("print", x.into())?;
            session.evaluate(id)?;
            let out = &mut StandardOutput;
            let result = print::tensor(&session.core, id, out).and_then(|()| out.write_char('\n'));
            written(&mut session.core, "print", result)
        })
    }
}

/// Writes the recording: BG_TEXT or BG_DOT. Buffer and result as for bg_format.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_format_graph(
    g: *mut bg_graph,
    buffer: *mut c_char,
    capacity: usize,
    format_code: i32,
) -> usize {
    // SAFETY: the header's rules for `g` and `buffer`.
    unsafe {
        format(g, (buffer, capacity), |session, out| graph(&mut session.core, format_code, out))
    }
}

/// As bg_format_graph, to standard output.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_print_graph(g: *mut bg_graph, format_code: i32) -> bg_status {
    // SAFETY: the header's rules for `g`.
    unsafe { status(g, |session| graph(&mut session.core, format_code, &mut StandardOutput)) }
}

fn graph(core: &mut Core, format_code: i32, out: &mut impl Write) -> Maybe<()> {
    let what = "print_graph";
    let result = match format_code {
        BG_TEXT => print::graph(core, out),
        BG_DOT => print::dot(core, out),
        other => return Err(unknown_format(core, what, other)),
    };
    written(core, what, result)
}

pub(super) fn unknown_format(core: &mut Core, what: &str, code: i32) -> crate::error::Fail {
    core.fail(
        ErrorKind::Argument,
        format_args!("{what}: {code} is no format: use BG_TEXT or BG_DOT"),
    )
}

/// The label of x, or "" if it has none. Buffer and result as for bg_format.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_label(
    g: *mut bg_graph,
    x: bg_node,
    buffer: *mut c_char,
    capacity: usize,
) -> usize {
    // SAFETY: the header's rules for `g` and `buffer`.
    unsafe {
        format(g, (buffer, capacity), |session, out| {
            let id = session.core.resolve("label", x.into())?;
            let result = out.write_str(session.core.label(id).unwrap_or_default());
            written(&mut session.core, "label", result)
        })
    }
}
