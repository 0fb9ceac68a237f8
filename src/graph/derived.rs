//! Which nodes a transform recorded, and of what: these follow from what they were made of, not from what
//! a program read in between.

use super::Core;
use crate::arena::{OutOfMemory, TryPush};
use crate::error::Maybe;
use crate::id::{ListId, NodeId};

/// Nodes that one call recorded, one after the other.
#[derive(Clone, Copy)]
pub(super) struct Derived {
    first: u32,
    end: u32,
    /// What it made them of.
    roots: ListId,
}

impl Core {
    /// Notes that all nodes from `first` on were made of the nodes `roots` by a transform.
    pub(crate) fn note_derived(
        &mut self,
        what: &str,
        first: usize,
        roots: impl ExactSizeIterator<Item = NodeId> + Clone,
    ) -> Maybe<()> {
        let lists = self.lists.intern(&self.pool.bump, roots.map(|id| u64::from(id.0)));
        let (first, end) = (first as u32, self.len() as u32);
        // Calls within this one have noted theirs.
        self.derived.truncate(self.derived.partition_point(|before| before.first < first));
        let noted = lists.and_then(|roots| {
            if first < end {
                self.derived.try_push(Derived { first, end, roots })?;
            }
            Ok(())
        });
        noted.map_err(|OutOfMemory| self.out_of_memory(what))
    }

    /// The list of what a transform made this node of; none if it is the user's own.
    pub(crate) fn derived_from(&self, id: NodeId) -> Option<ListId> {
        let after = self.derived.partition_point(|derived| derived.first <= id.0);
        let last = self.derived[..after].last().filter(|derived| id.0 < derived.end);
        last.map(|derived| derived.roots)
    }

    /// Forgets what was noted of nodes that are dropped.
    pub(super) fn drop_derived(&mut self, len: usize) {
        self.derived
            .truncate(self.derived.partition_point(|derived| (derived.end as usize) <= len));
    }
}
