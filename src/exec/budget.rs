//! Evaluations within a budget of memory, and what memory they take before they are run.
//!
//! All that a plan takes is taken before its first step, so what it takes is known: what there is, what
//! stays, and scratch memory. A plan is made as usual first. Where that is too much, values that
//! nobody asked for are let go, and a *lean* plan is made, which keeps none and computes again what there is no
//! room for (`plan/remat.rs`).

use super::Engine;
use crate::arena::OutOfMemory;
use crate::buffer::{INLINE, buffer_bytes, buffer_within};
use crate::error::{ErrorKind, Maybe};
use crate::graph::Core;
use crate::id::NodeId;
use crate::plan::{Plan, Storage, Wanted, is_fresh};

/// Bytes of registers that a plan may have, whatever the budget: of what the second-level cache holds.
const REGISTER_BYTES: usize = 1 << 20;

/// What memory an evaluation takes, in bytes, and what it computes more than once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlanMemory {
    /// What tensors take before: data of leaves, gradients, and values that are kept.
    pub live: usize,
    /// Values and gradients that are added, and stay.
    pub kept: usize,
    /// Memory that is used while it runs, and given back.
    pub scratch: usize,
    /// How many steps it takes.
    pub steps: usize,
    /// How many of them make again what was made, and could not be kept.
    pub repeated: usize,
}

impl PlanMemory {
    /// The most that tensors take at a time.
    pub fn peak(&self) -> usize {
        self.live + self.kept + self.scratch
    }
}

impl Engine {
    /// What a plan takes, if it is run now.
    fn memory_of(&self, core: &Core, plan: &Plan) -> PlanMemory {
        let added = plan.data.iter().map(|datum| match datum.place {
            Storage::Node(id) => core.bytes_to_make(id),
            _ => 0,
        });
        let kept = added.sum::<usize>() + results_bytes(core, plan.targets.iter().copied());
        let scratch = if plan.scratch == 0 { 0 } else { buffer_bytes(plan.scratch) };
        let repeated = plan.repeated().0;
        let live = core.pool.stats().live;
        PlanMemory { live, kept, scratch, steps: plan.steps().len(), repeated }
    }

    /// Whether a plan can be run now within the budget.
    pub(super) fn is_within(&self, core: &Core, plan: &Plan) -> bool {
        !core.pool.has_budget() || self.memory_of(core, plan).peak() <= core.pool.budget()
    }

    /// Makes another plan of what is wanted, if this one takes more than the budget leaves it.
    pub(super) fn save_memory(
        &mut self,
        core: &mut Core,
        what: &str,
        wanted: Wanted<'_>,
        plan: &mut Plan,
    ) -> Maybe<()> {
        let budget = core.pool.budget();
        if !core.pool.has_budget() {
            return Ok(());
        }
        let registers = plan.programs.iter().map(|program| program.register_bytes).max();
        let spare = budget.saturating_sub(self.memory_of(core, plan).peak());
        if self.is_within(core, plan) && registers.unwrap_or(0) <= spare.max(REGISTER_BYTES) {
            return Ok(());
        }
        core.let_go_unasked();
        let Wanted { roots, results, .. } = wanted;
        let looked = self.planner.look(core, roots, results);
        looked.map_err(|OutOfMemory| core.out_of_memory("plan"))?;
        // Roots, and what may not be run again.
        let new = roots.iter().enumerate().filter(|&(k, root)| !roots[..k].contains(root));
        let others = self.planner.needed().filter(|id| {
            let stays = id.index() < wanted.temporaries && !roots.contains(id);
            stays && !core.node(*id).op.may_be_repeated()
        });
        let own = new.map(|(_, &root)| root).chain(others);
        let kept = own.map(|id| core.bytes_to_make(id)).sum::<usize>()
            + results_bytes(core, results.iter().map(|&(target, _)| target));
        let live = core.pool.stats().live;
        let room = buffer_within(budget.saturating_sub(live + kept));
        self.plan(core, Wanted { room: Some(room), ..wanted }, plan)?;
        let least = self.memory_of(core, plan).peak();
        if least <= budget {
            return Ok(());
        }
        Err(core.fail(
            ErrorKind::Memory,
            format_args!(
                "{what}: the memory budget of {budget} bytes is too small: {least} are enough, the \
                 smallest that was found ({live} for leaves, gradients and values that were read, {kept} \
                 for what stays)"
            ),
        ))
    }

    /// What memory reading a node takes. The plan that is made for it is the one that is run next.
    pub(crate) fn memory_to_read(&mut self, core: &mut Core, root: NodeId) -> Maybe<PlanMemory> {
        core.need_own("plan_memory")?;
        if is_fresh(core, root) {
            return Ok(PlanMemory { live: core.pool.stats().live, ..PlanMemory::default() });
        }
        self.follows.retain(|follow| !follow.is_of(core, root));
        let place = self.plan_of_read(core, root, false)?;
        Ok(self.memory_of_place(core, place))
    }

    /// The same of a backward.
    pub(crate) fn memory_of_backward(
        &mut self,
        core: &mut Core,
        given: &[(NodeId, Option<NodeId>)],
        targets: &mut Vec<(NodeId, NodeId)>,
        roots: &mut Vec<NodeId>,
    ) -> Maybe<PlanMemory> {
        let place = self.plan_of_backward(core, given, targets, roots, false)?;
        Ok(self.memory_of_place(core, place))
    }

    fn memory_of_place(&mut self, core: &Core, place: Option<usize>) -> PlanMemory {
        let Some(place) = place else { return PlanMemory::default() };
        // (It is the plan that is run next, and no other way of computing.)
        self.plans[place].runs = 0;
        self.memory_of(core, &self.plans[place].plan)
    }
}

/// Bytes of the gradients of these nodes.
fn results_bytes(core: &Core, targets: impl Iterator<Item = NodeId>) -> usize {
    let nodes = targets.map(|target| core.node(target));
    nodes.map(|node| buffer_bytes(node.len * node.dtype.size())).sum()
}

impl Core {
    /// Bytes of the buffer that a value would have to get.
    fn bytes_to_make(&self, id: NodeId) -> usize {
        let node = self.node(id);
        let bytes = node.len * node.dtype.size();
        let has_room = self.state(id).value().is_some() || bytes <= INLINE;
        if has_room { 0 } else { buffer_bytes(bytes) }
    }
}
