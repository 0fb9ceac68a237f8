//! Messages about a graph: what went wrong, and the nodes that are to be named in it.

use std::fmt;

use super::Core;
use crate::arena::TryPush;
use crate::buffer::Part;
use crate::error::{ErrorKind, ErrorSlot, Fail, Maybe};
use crate::id::{CallId, NodeId};
use crate::node::Node;
use crate::task::Outside;

/// More bytes than a page of records has, with what the bump adds to it.
const RECORD_PAGE: usize = 1 << 16;
const _: () = assert!(512 * size_of::<Node>() + 4096 <= RECORD_PAGE);

impl Core {
    #[cold]
    pub(crate) fn fail(&mut self, kind: ErrorKind, message: fmt::Arguments<'_>) -> Fail {
        let is_first = self.error.kind().is_none();
        let fail = self.error.set(kind, message);
        self.attribute(is_first);
        fail
    }

    /// The first error is told on behalf of the operation that was called, of whatever it is made.
    #[cold]
    fn attribute(&mut self, is_first: bool) {
        if is_first && !self.called.is_empty() {
            self.error.on_behalf_of(self.called);
        }
    }

    /// As `fail`, for messages that look at the graph.
    #[cold]
    pub(crate) fn fail_with(&mut self, tell: impl FnOnce(&Self, &mut ErrorSlot) -> Fail) -> Fail {
        let mut slot = std::mem::replace(&mut self.error, ErrorSlot::new());
        let is_first = slot.kind().is_none();
        let fail = tell(self, &mut slot);
        self.error = slot;
        self.attribute(is_first);
        fail
    }

    /// As `fail`, for messages about two operands.
    #[cold]
    pub(crate) fn refuse_pair(
        &mut self,
        a: NodeId,
        b: NodeId,
        tell: impl FnOnce(&mut ErrorSlot, Describe<'_>, Describe<'_>) -> Fail,
    ) -> Fail {
        self.fail_with(|core, slot| tell(slot, core.describe(a), core.describe(b)))
    }

    /// Tells of an index that was found to be none when a node was run.
    #[cold]
    pub(crate) fn refuse_index(&mut self, outside: &Outside) -> Fail {
        let what = self.call_name(outside.bounds.call);
        self.fail(ErrorKind::Index, format_args!("{what}: {outside}"))
    }

    fn call_name(&self, call: CallId) -> &'static str {
        self.calls.get(call.index()).copied().unwrap_or_default()
    }

    /// Records on behalf of an operation that was called before.
    pub(crate) fn on_behalf_of<R>(
        &mut self,
        call: CallId,
        record: impl FnOnce(&mut Self) -> R,
    ) -> R {
        let call = self.call_name(call);
        let before = std::mem::replace(&mut self.called, call);
        let recorded = record(self);
        self.called = before;
        recorded
    }

    /// The number by which a node that is to look at indices knows for whom it does so: for the operation
    /// that was called, if it is a part of another.
    pub(crate) fn call_id(&mut self, what: &'static str) -> Maybe<CallId> {
        let what = if self.called.is_empty() { what } else { self.called };
        let known = self.calls.iter().position(|&call| std::ptr::eq(call, what) || call == what);
        let place = match known {
            Some(place) => place as u32,
            None => self.calls.try_push(what).map_err(|_| self.out_of_records())?,
        };
        Ok(CallId(place))
    }

    /// Reports exhausted memory on behalf of `what`.
    #[cold]
    pub(crate) fn out_of_memory(&mut self, what: &str) -> Fail {
        let (stats, limit) = (self.pool.stats(), self.pool.limit());
        let Some(part) = self.pool.full() else {
            return self.fail(
                ErrorKind::Memory,
                format_args!(
                    "{what}: out of memory ({} bytes in use by this graph)",
                    stats.total()
                ),
            );
        };
        let part = match part {
            Part::Tensors => "tensors",
            Part::Recording => "the recording",
            Part::Plans => "plans",
        };
        self.fail(
            ErrorKind::Memory,
            format_args!(
                "{what}: the graph's memory limit of {limit} bytes is reached: no more for {part} \
                 ({} bytes in tensors, {} in the recording, {} in plans)",
                stats.pooled, stats.records, stats.plans
            ),
        )
    }

    /// As `out_of_memory`, where a record could not be written.
    #[cold]
    pub(super) fn out_of_records(&mut self) -> Fail {
        // The bump does not say why it has no page; the largest is smaller than this.
        let _the_limit = self.pool.room_for(Part::Recording, RECORD_PAGE);
        self.out_of_memory("record")
    }

    /// Shows a node in a message: its label if it has one, and its shape.
    pub(crate) fn describe(&self, id: NodeId) -> Describe<'_> {
        Describe { core: self, id }
    }

    pub(crate) fn label(&self, id: NodeId) -> Option<&str> {
        let found = self.labels.iter().find(|(node, _)| *node == id);
        found.map(|(_, text)| text.as_str())
    }

    pub(crate) fn set_label(&mut self, id: NodeId, text: &str) -> Maybe<()> {
        let bytes = text.len() + size_of::<(NodeId, String)>();
        let mut copy = String::new();
        let made = self.pool.room_for(Part::Recording, bytes).is_ok()
            && copy.try_reserve_exact(text.len()).is_ok()
            && self.labels.try_reserve(1).is_ok();
        if !made {
            return Err(self.out_of_memory("label"));
        }
        #[allow(clippy::disallowed_methods, reason = "into room that was reserved")]
        copy.push_str(text);
        self.drop_labels(|node| node == id);
        self.label_bytes += text.len();
        self.labels.push_within((id, copy));
        self.count();
        Ok(())
    }

    pub(super) fn drop_labels(&mut self, which: impl Fn(NodeId) -> bool) {
        let bytes = &mut self.label_bytes;
        self.labels.retain(|(node, text)| {
            *bytes -= if which(*node) { text.len() } else { 0 };
            !which(*node)
        });
    }
}

/// A node in a message.
pub(crate) struct Describe<'a> {
    core: &'a Core,
    id: NodeId,
}

impl fmt::Display for Describe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(label) = self.core.label(self.id) {
            write!(f, "\"{label}\" ")?;
        }
        write!(f, "{:?}", self.core.shape(self.id))
    }
}
