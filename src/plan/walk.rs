//! Which nodes must be computed.
//!
//! Which values are still right is decided by *versions*. The version of a leaf is the clock of
//! its last write, that of any other node the newest version among its operands. A value made for
//! the present version is right; so a write makes exactly what is downstream stale.

use crate::arena::OutOfMemory;
use crate::graph::Core;
use crate::id::NodeId;
use crate::node::Op;
use crate::visit::Visit;

/// The walk's own memory, kept from plan to plan.
#[derive(Default)]
pub(super) struct Walk {
    /// What the roots depend on and may have to be computed.
    visit: Visit,
}

/// Said of a visited node that must be computed: its value is not ready, and a root or something else
/// that is needed reads it.
const NEEDED: u32 = 1;

impl Walk {
    pub(super) fn bytes(&self) -> usize {
        self.visit.bytes()
    }

    /// What was looked at for the roots, in order of ids.
    pub(super) fn visited(&self) -> &[NodeId] {
        self.visit.found()
    }

    /// The nodes to be computed for the roots, in order of ids.
    pub(super) fn needed(&self) -> impl Iterator<Item = NodeId> {
        self.visit.found().iter().copied().filter(|&id| self.is_needed(id))
    }

    /// Whether a node must be computed.
    #[inline]
    pub(super) fn is_needed(&self, id: NodeId) -> bool {
        self.visit.has(id, NEEDED)
    }

    pub(super) fn find(
        &mut self,
        core: &mut Core,
        roots: impl Iterator<Item = NodeId> + Clone,
    ) -> Result<(), OutOfMemory> {
        self.visit.search(
            core.len(),
            roots.clone(),
            |id| !is_fresh(core, id),
            |id| core.operands(id),
        )?;
        if !self.find_stale(core) {
            return Ok(());
        }
        // What is only below values that are right is not needed.
        for k in 0..self.visit.found().len() {
            self.visit.set(self.visit.found()[k], 0);
        }
        for root in roots.filter(|&root| !core.state(root).ready) {
            self.visit.set(root, NEEDED);
        }
        for k in (0..self.visit.found().len()).rev() {
            let id = self.visit.found()[k];
            if self.visit.has(id, NEEDED) {
                for operand in core.operands(id).filter(|&operand| !core.state(operand).ready) {
                    self.visit.set(operand, NEEDED);
                }
            }
        }
        Ok(())
    }

    /// Has all that was visited computed, whether it is right or not.
    pub(super) fn need_all(&mut self, core: &mut Core) {
        for k in 0..self.visit.found().len() {
            let id = self.visit.found()[k];
            let op = core.node(id).op;
            // (A value that cannot be had again is taken as it is.)
            if op != Op::Leaf && (op.may_be_repeated() || !core.state(id).ready) {
                core.state_mut(id).ready = false;
                self.visit.set(id, NEEDED);
            }
        }
    }

    /// Brings the versions of the visited nodes up to date; a value of an older one is not ready, and
    /// said to be needed. Whether any is ready.
    fn find_stale(&mut self, core: &mut Core) -> bool {
        let (clock, mut any) = (core.clock, false);
        for k in 0..self.visit.found().len() {
            let id = self.visit.found()[k];
            let version = match core.node(id).op {
                // Every write starts a new replay, and every replay has its own random numbers.
                op if op.is_random() => clock,
                _ => core.operands(id).map(|x| core.state(x).changed).fold(core.oldest(), u64::max),
            };
            let state = core.state_mut(id);
            state.ready &= state.changed == version;
            state.read_through &= state.changed == version;
            (state.changed, state.checked) = (version, clock);
            if state.ready {
                any = true;
            } else {
                self.visit.set(id, NEEDED);
            }
        }
        any
    }
}

/// Whether a node's value is right, without looking any further.
#[inline]
pub(crate) fn is_fresh(core: &Core, id: NodeId) -> bool {
    let state = core.state(id);
    state.ready && (state.checked == core.clock || core.node(id).op == Op::Leaf)
}
