//! What went wrong, told once.
//!
//! A graph remembers the *first* error in a fixed buffer of its own ([`ErrorSlot`]), so telling
//! about an exhausted memory needs no memory. Inside the library a failure travels as the empty
//! [`Fail`]: the words are already in the slot.

use std::fmt::{self, Write};
use std::panic::Location;

/// The kind of an error; the numbers are part of the C ABI and are never reused.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An argument is out of its allowed range.
    Argument = 1,
    /// Shapes do not fit together.
    Shape = 2,
    /// Element types do not fit together.
    DType = 3,
    /// A handle is null, stale (used after a rewind) or of another graph.
    Handle = 4,
    /// Memory, or the graph's memory limit, is exhausted.
    Memory = 5,
    /// A gradient was asked for where there is none.
    Gradient = 6,
    /// An index in the data is out of bounds.
    Index = 7,
    /// The graph is in use by another call.
    Busy = 8,
    /// A fixed capacity is exceeded: the number of nodes, the rank of a tensor.
    Limit = 9,
    /// A defect of this library.
    Internal = 10,
    /// A function of the caller's has failed.
    Callback = 11,
    /// A number is infinite or none, and numbers are checked.
    Number = 12,
}

/// An error of a graph: its kind and a message that says what was wrong and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

impl Error {
    /// What kind of error this is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// One that no graph remembers.
    pub(crate) fn new(kind: ErrorKind, message: fmt::Arguments<'_>) -> Self {
        let mut slot = ErrorSlot::new();
        let Fail = slot.set(kind, message);
        slot.take().unwrap_or_else(Self::unknown)
    }

    /// For a failure without words, which would be a defect.
    pub(crate) fn unknown() -> Self {
        Self { kind: ErrorKind::Internal, message: String::from("an error without a message") }
    }

    /// The message, one line, without a final dot.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// The result of everything that reads from a graph.
pub type Result<T> = std::result::Result<T, Error>;

/// Something failed and the graph's [`ErrorSlot`] says what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fail;

/// The result of the library's inner functions.
pub(crate) type Maybe<T> = std::result::Result<T, Fail>;

const CAPACITY: usize = 512;

/// The first error since the last clear, kept without a heap allocation.
pub(crate) struct ErrorSlot {
    kind: Option<ErrorKind>,
    is_located: bool,
    len: usize,
    /// Always a valid UTF-8 text of `len` bytes followed by a NUL, for C.
    text: [u8; CAPACITY],
}

impl ErrorSlot {
    pub(crate) const fn new() -> Self {
        Self { kind: None, is_located: false, len: 0, text: [0; CAPACITY] }
    }

    /// Remembers this error, unless an earlier one is remembered already: what follows a first
    /// error is mostly its consequence.
    #[cold]
    pub(crate) fn set(&mut self, kind: ErrorKind, message: fmt::Arguments<'_>) -> Fail {
        if self.kind.is_none() {
            self.kind = Some(kind);
            self.is_located = false;
            self.len = 0;
            // The writer below cuts at the capacity and never fails.
            let _ = self.write_fmt(message);
            self.text[self.len] = 0;
        }
        Fail
    }

    /// Tells the error on behalf of an operation: its name takes the place of the one that the message begins
    /// with, of something that it is made of.
    #[cold]
    pub(crate) fn on_behalf_of(&mut self, what: &str) {
        let is_name =
            |head: &str| head.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let Some((head, tail)) = self.text().split_once(':').filter(|(head, _)| is_name(head))
        else {
            return;
        };
        let (from, room) = (head.len(), CAPACITY - 1 - what.len());
        let take = tail.floor_char_boundary(room - 1) + 1;
        self.text.copy_within(from..from + take, what.len());
        self.text[..what.len()].copy_from_slice(what.as_bytes());
        self.len = what.len() + take;
        self.text[self.len] = 0;
    }

    /// Adds the line of the caller that this error is about, if none is told yet.
    #[cold]
    pub(crate) fn locate(&mut self, location: &Location<'_>) {
        if self.kind.is_some() && !self.is_located {
            self.is_located = true;
            let _ = write!(self, " ({}:{})", location.file(), location.line());
            self.text[self.len] = 0;
        }
    }

    pub(crate) fn clear(&mut self) {
        self.kind = None;
        self.len = 0;
        self.text[0] = 0;
    }

    pub(crate) fn kind(&self) -> Option<ErrorKind> {
        self.kind
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.text[..self.len]).unwrap_or_default()
    }

    /// The text with its final NUL.
    #[cfg(feature = "capi")]
    pub(crate) fn c_text(&self) -> &[u8] {
        &self.text[..=self.len]
    }

    /// Forgets the error and hands it out: for Rust's interface.
    #[allow(clippy::disallowed_methods, reason = "C copies nothing")]
    pub(crate) fn take(&mut self) -> Option<Error> {
        let kind = self.kind?;
        let message = self.text().to_owned();
        self.clear();
        Some(Error { kind, message })
    }
}

impl Write for ErrorSlot {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let room = CAPACITY - 1 - self.len;
        let mut take = s.len().min(room);
        while !s.is_char_boundary(take) {
            take -= 1;
        }
        // A message is one line, whatever a label has in it.
        let plain = s.bytes().map(|byte| if byte.is_ascii_control() { b' ' } else { byte });
        self.text[self.len..self.len + take].iter_mut().zip(plain).for_each(|(to, b)| *to = b);
        self.len += take;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_error_stays_until_it_is_taken() {
        let mut slot = ErrorSlot::new();
        slot.set(ErrorKind::Shape, format_args!("first {}", 1));
        slot.set(ErrorKind::Index, format_args!("second"));
        assert_eq!(slot.text(), "first 1");
        let error = slot.take().unwrap();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Shape, "first 1"));
        assert!(slot.take().is_none());
    }

    #[test]
    fn a_message_is_told_on_behalf_of_another() {
        let mut slot = ErrorSlot::new();
        let mut told = |message: &str, what: &str| {
            slot.clear();
            slot.set(ErrorKind::Index, format_args!("{message}"));
            slot.on_behalf_of(what);
            slot.text().to_owned()
        };
        assert_eq!(told("index_select: index 9", "take"), "take: index 9");
        assert_eq!(told("sum: at: 1", "mean_of_all"), "mean_of_all: at: 1");
        assert_eq!(told("a graph holds: much", "take"), "a graph holds: much");
        assert_eq!(told("nothing", "take"), "nothing");
        let long = told(&format!("a:{}", "é".repeat(CAPACITY)), "take");
        assert!(long.starts_with("take:é") && long.len() >= CAPACITY - 2, "{}", long.len());
    }

    #[test]
    fn a_message_is_one_line() {
        let mut slot = ErrorSlot::new();
        slot.set(ErrorKind::Argument, format_args!("a{}b\x7f\0é", "\r\n\t"));
        assert_eq!(slot.text(), "a   b  é");
    }

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        let mut slot = ErrorSlot::new();
        slot.set(ErrorKind::Argument, format_args!("x{}", "é".repeat(CAPACITY)));
        assert_eq!(slot.text().len(), CAPACITY - 1);
        assert!(slot.text().ends_with('é'));
    }
}
