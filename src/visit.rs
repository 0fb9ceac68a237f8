//! What some nodes depend on, found without looking at anything else.
//!
//! Marks are by node and are never cleared: they rise from search to search. So a search costs what
//! it finds, however long the graph is.

use crate::arena::{OutOfMemory, TryPush};
use crate::id::NodeId;

/// A search depth first, and its memory, kept from search to search.
#[derive(Default)]
pub(crate) struct Visit {
    /// By node: `round` when the node was visited in this round, more when its caller says more of it.
    marks: Vec<u32>,
    round: u32,
    stack: Vec<NodeId>,
    found: Vec<NodeId>,
}

/// What a caller may say of a node is less than this.
const LEVELS: u32 = 4;

impl Visit {
    pub(crate) fn bytes(&self) -> usize {
        self.marks.bytes() + self.stack.bytes() + self.found.bytes()
    }

    /// What was found, in order of ids.
    pub(crate) fn found(&self) -> &[NodeId] {
        &self.found
    }

    /// Whether a node was visited, and this much was said of it.
    #[inline]
    pub(crate) fn has(&self, id: NodeId, level: u32) -> bool {
        self.marks.get(id.index()).is_some_and(|&mark| mark >= self.round + level)
    }

    /// Says something of a node: one of the graph that was searched, or one marked by `extend_to`.
    #[inline]
    pub(crate) fn set(&mut self, id: NodeId, level: u32) {
        debug_assert!(level < LEVELS);
        self.marks[id.index()] = self.round + level;
    }

    /// Lets nodes that were recorded since the search be spoken of.
    pub(crate) fn extend_to(&mut self, nodes: usize) -> Result<(), OutOfMemory> {
        self.marks.try_extend_to(nodes, 0)
    }

    /// Finds the roots and all that they depend on, of those nodes that are wanted; what is not
    /// wanted is not looked through. `below` tells of a node what it depends on directly.
    #[inline]
    pub(crate) fn search<I: Iterator<Item = NodeId>>(
        &mut self,
        nodes: usize,
        roots: impl Iterator<Item = NodeId>,
        is_wanted: impl Fn(NodeId) -> bool,
        below: impl Fn(NodeId) -> I,
    ) -> Result<(), OutOfMemory> {
        self.marks.try_extend_to(nodes, 0)?;
        if self.round >= u32::MAX - 2 * LEVELS {
            self.marks.fill(0);
            self.round = 0;
        }
        self.round += LEVELS;
        self.found.clear();
        self.stack.clear();
        let mut greatest = None;
        for root in roots {
            self.meet(root, &is_wanted)?;
            greatest = greatest.max(Some(root.index()));
        }
        let mut least = usize::MAX;
        while let Some(id) = self.stack.pop() {
            self.found.try_push(id)?;
            least = least.min(id.index());
            for operand in below(id) {
                self.meet(operand, &is_wanted)?;
            }
        }
        // Mostly what was found is most of a range: then a scan is cheaper than sorting.
        let Some(greatest) = greatest else { return Ok(()) };
        if self.found.len() > greatest.saturating_sub(least) / 16 {
            let (marks, round) = (&self.marks, self.round);
            let range = (least.min(greatest + 1)..=greatest).filter(|&id| marks[id] == round);
            self.found.clear();
            range.for_each(|id| self.found.push_within(NodeId(id as u32)));
        } else {
            self.found.sort_unstable();
        }
        Ok(())
    }

    #[inline]
    fn meet(&mut self, id: NodeId, is_wanted: &impl Fn(NodeId) -> bool) -> Result<(), OutOfMemory> {
        if self.marks[id.index()] != self.round && is_wanted(id) {
            self.marks[id.index()] = self.round;
            self.stack.try_push(id)?;
        }
        Ok(())
    }
}
