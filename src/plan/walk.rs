//! Which nodes must be computed.
//!
//! Which values are still right is decided by *versions*. The version of a leaf is the clock of
//! its last write, that of any other node the newest version among its operands. A value made for
//! the present version is right; so a write makes exactly what is downstream stale.

use crate::arena::{OutOfMemory, TryPush};
use crate::graph::Core;
use crate::id::NodeId;
use crate::node::Op;

/// The walk's own memory, kept from plan to plan.
#[derive(Default)]
pub(super) struct Walk {
    /// By node: `round` when the node was visited in this round, `round + 1` when it must be
    /// computed. Rounds rise by two, so that nothing has to be cleared.
    marks: Vec<u32>,
    round: u32,
    stack: Vec<NodeId>,
    /// What the roots depend on and may have to be computed, in order of ids.
    visited: Vec<NodeId>,
}

impl Walk {
    pub(super) fn bytes(&self) -> usize {
        self.marks.bytes() + self.stack.bytes() + self.visited.bytes()
    }

    /// The nodes to be computed for the roots, in order of ids.
    pub(super) fn needed(&self) -> impl Iterator<Item = NodeId> {
        let needed = self.round + 1;
        self.visited.iter().copied().filter(move |id| self.marks[id.index()] == needed)
    }

    /// Whether a node must be computed.
    #[inline]
    pub(super) fn is_needed(&self, id: NodeId) -> bool {
        self.marks[id.index()] == self.round + 1
    }

    pub(super) fn find(&mut self, core: &mut Core, roots: &[NodeId]) -> Result<(), OutOfMemory> {
        self.visit(core, roots)?;
        self.find_stale(core);
        let needed = self.round + 1;
        for &root in roots.iter().filter(|&&root| !core.state(root).ready) {
            self.marks[root.index()] = needed;
        }
        for &id in self.visited.iter().rev() {
            if self.marks[id.index()] == needed {
                for operand in core.operands(id).filter(|&operand| !core.state(operand).ready) {
                    self.marks[operand.index()] = needed;
                }
            }
        }
        Ok(())
    }

    fn visit(&mut self, core: &Core, roots: &[NodeId]) -> Result<(), OutOfMemory> {
        self.marks.try_extend_to(core.len(), 0)?;
        if self.round >= u32::MAX - 4 {
            self.marks.fill(0);
            self.round = 0;
        }
        self.round += 2;
        self.visited.clear();
        self.stack.clear();
        let mut greatest = None;
        for &root in roots {
            self.meet(core, root)?;
            greatest = greatest.max(Some(root.index()));
        }
        let mut least = usize::MAX;
        while let Some(id) = self.stack.pop() {
            self.visited.try_push(id)?;
            least = least.min(id.index());
            for operand in core.operands(id) {
                self.meet(core, operand)?;
            }
        }
        // Mostly the visited nodes are most of a range: then a scan is cheaper than sorting.
        let Some(greatest) = greatest else { return Ok(()) };
        if self.visited.len() > greatest.saturating_sub(least) / 16 {
            let (marks, round) = (&self.marks, self.round);
            let range = (least.min(greatest + 1)..=greatest).filter(|&id| marks[id] == round);
            self.visited.clear();
            range.for_each(|id| self.visited.push_within(NodeId(id as u32)));
        } else {
            self.visited.sort_unstable();
        }
        Ok(())
    }

    #[inline]
    fn meet(&mut self, core: &Core, id: NodeId) -> Result<(), OutOfMemory> {
        if self.marks[id.index()] != self.round && !is_fresh(core, id) {
            self.marks[id.index()] = self.round;
            self.stack.try_push(id)?;
        }
        Ok(())
    }

    /// Brings the versions of the visited nodes up to date; a value of an older one is not ready.
    fn find_stale(&mut self, core: &mut Core) {
        let clock = core.clock;
        for &id in &self.visited {
            let version = match core.node(id).op {
                // Every write starts a new replay, and every replay has its own random numbers.
                Op::DropoutMask => clock,
                _ => core.operands(id).map(|x| core.state(x).changed).fold(core.oldest(), u64::max),
            };
            let state = core.state_mut(id);
            state.ready &= state.changed == version;
            state.read_through &= state.changed == version;
            (state.changed, state.checked) = (version, clock);
        }
    }
}

/// Whether a node's value is right, without looking any further.
#[inline]
pub(crate) fn is_fresh(core: &Core, id: NodeId) -> bool {
    let state = core.state(id);
    state.ready && (state.checked == core.clock || core.node(id).op == Op::Leaf)
}
