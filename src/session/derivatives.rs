//! Calls that make recordings of recordings.

use super::Session;
use crate::arena::TryPush;
use crate::error::Maybe;
use crate::graph::Handle;
use crate::id::NodeId;

impl Session {
    /// Looks up the outputs, into `self.roots`, and further lists one after the other, into `self.xs`.
    fn resolve_lists(
        &mut self,
        what: &str,
        ys: impl ExactSizeIterator<Item = Handle>,
        others: impl ExactSizeIterator<Item = Handle>,
    ) -> Maybe<()> {
        self.resolve_all(what, ys)?;
        std::mem::swap(&mut self.xs, &mut self.roots);
        self.resolve_all(what, others)
    }

    /// Records the tangents of `ys` where `xs`, the first half of `pairs`, move by its second half.
    pub(crate) fn jvp(
        &mut self,
        ys: impl ExactSizeIterator<Item = Handle>,
        pairs: impl ExactSizeIterator<Item = Handle>,
        found: impl FnMut(usize, Handle),
    ) -> Maybe<()> {
        self.resolve_lists("jvp", ys, pairs)?;
        self.transform("jvp", found, |session, out| {
            let Self { core, between, roots, xs, .. } = session;
            let (xs, tangents) = xs.split_at(xs.len() / 2);
            core.record_jvp(between, roots, xs, tangents, out)
        })
    }

    /// Records one node for each output, and tells of them; nothing stays if it fails.
    fn transform(
        &mut self,
        what: &str,
        mut found: impl FnMut(usize, Handle),
        record: impl FnOnce(&mut Self, &mut [NodeId]) -> Maybe<()>,
    ) -> Maybe<()> {
        let (start, count) = (self.core.start(), self.roots.len());
        let mut out = std::mem::take(&mut self.found);
        let recorded = (|| {
            out.clear();
            out.try_extend_to(count, NodeId::NONE).map_err(|_| self.core.out_of_memory(what))?;
            record(self, &mut out)?;
            out.iter_mut().try_for_each(|id| self.offered(start, *id).map(|new| *id = new))
        })();
        match recorded {
            Ok(()) => (0..count).for_each(|i| found(i, self.handle_since(start, out[i]))),
            Err(_) => self.undo(start),
        }
        self.found = out;
        recorded
    }
}
