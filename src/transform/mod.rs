//! A recording becomes more recording: `jvp` carries tangents forwards, `vmap` gives a computation
//! one more axis, and Jacobians are made of these and of `grad`.
//!
//! All three give nodes, so they compose in any order, and one planner and one executor run the
//! result. Reverse mode is in [`grad`](crate::grad), which is below: `jvp` transposes a reverse rule
//! where an operation does not say how a tangent goes through it.

mod jacobian;
mod jvp;
mod vmap;

/// Whether an operand that requires a gradient gets none from a node: that was recorded under `no_grad`, or before
/// the operand did. `is_path` says whether one flows.
fn is_cut_off(core: &Core, operand: NodeId, is_path: bool) -> bool {
    core.node(operand).requires_grad && !is_path
}

pub use jacobian::Mode;
pub(crate) use jvp::moving;
pub(crate) use vmap::Random;

use crate::arena::{OutOfMemory, TryPush};
use crate::graph::Core;
use crate::id::{ListId, NodeId};
use crate::op::LEADS;
use crate::op::assemble::Place;
use crate::visit::Visit;

/// What lies between some inputs and some outputs, and what became of it. Kept from call to call.
#[derive(Default)]
pub(crate) struct Between {
    visit: Visit,
    /// By node: what stands for it in the new recording, or none.
    became: Vec<NodeId>,
    words: Vec<u64>,
    /// Operands and their cotangents, between two steps of a forward walk.
    sent: Vec<(NodeId, NodeId)>,
    parts: Vec<(NodeId, NodeId, Place)>,
    /// The inputs, in order of ids.
    stops: Vec<NodeId>,
    /// What transforms made that of which lies between.
    made_of: Vec<ListId>,
    /// Results of one transform for another.
    nodes: Vec<NodeId>,
}

impl Between {
    pub(crate) fn bytes(&self) -> usize {
        self.visit.bytes()
            + self.became.bytes()
            + self.words.bytes()
            + self.sent.bytes()
            + self.parts.bytes()
            + self.stops.bytes()
            + self.made_of.bytes()
            + self.nodes.bytes()
    }

    /// Finds the nodes that lead from `xs` to `ys`: those marked with [`LEADS`], in order of ids, the
    /// `xs` among them. `flows(id, operand)` tells which steps count.
    pub(crate) fn find<I: Iterator<Item = NodeId>>(
        &mut self,
        core: &Core,
        xs: &[NodeId],
        ys: &[NodeId],
        steps: impl Fn(NodeId) -> I,
    ) -> Result<(), OutOfMemory> {
        let least = xs.iter().copied().min().unwrap_or(NodeId::NONE);
        let wanted = |id| id >= least;
        self.visit.search(core.len(), ys.iter().copied(), wanted, &steps)?;
        let top = ys.iter().map(|y| y.index() + 1).max().unwrap_or(0);
        self.became.try_extend_to(top, NodeId::NONE)?;
        for &x in xs {
            if self.visit.has(x, 0) {
                self.visit.set(x, LEADS);
            }
        }
        for &id in self.visit.found() {
            self.became[id.index()] = NodeId::NONE;
        }
        for k in 0..self.visit.found().len() {
            let id = self.visit.found()[k];
            if !self.visit.has(id, LEADS) && steps(id).any(|operand| self.leads(operand)) {
                self.visit.set(id, LEADS);
            }
        }
        Ok(())
    }

    /// Lists the inputs in order of ids.
    fn list_stops(&mut self, xs: &[NodeId]) -> Result<(), OutOfMemory> {
        self.stops.clear();
        self.stops.try_room(xs.len())?;
        xs.iter().for_each(|&x| self.stops.push_within(x));
        self.stops.sort_unstable();
        Ok(())
    }

    /// Takes a node in that was recorded since.
    fn add(&mut self, id: NodeId) -> Result<(), OutOfMemory> {
        self.visit.extend_to(id.index() + 1)?;
        self.became.try_extend_to(id.index() + 1, NodeId::NONE)?;
        self.became[id.index()] = NodeId::NONE;
        self.visit.set(id, LEADS);
        Ok(())
    }

    /// The nodes that were found to lead from the inputs to the outputs, in order of ids.
    pub(crate) fn on_the_way(&self) -> impl Iterator<Item = NodeId> {
        self.visit.found().iter().copied().filter(|&id| self.leads(id))
    }

    /// Whether a node was found to be on the way.
    pub(crate) fn leads(&self, id: NodeId) -> bool {
        self.visit.has(id, LEADS)
    }

    /// What stands for a node, and whether it is something else than the node itself.
    fn in_place_of(&self, id: NodeId) -> (NodeId, bool) {
        self.of(id).map_or((id, false), |new| (new, true))
    }

    /// What stands for a node, if something does.
    fn of(&self, id: NodeId) -> Option<NodeId> {
        let known = self.leads(id).then(|| self.became[id.index()]);
        known.filter(|id| !id.is_none())
    }
}
