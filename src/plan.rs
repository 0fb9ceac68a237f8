//! Deciding what a read must compute: nothing more than that, in an order that works.
//!
//! A [`Plan`] is plain data without buffers: steps that name nodes, and for each operand where its
//! elements lie. Views cost nothing here: a step reads through them from the tensor below.
//!
//! Which values are still right is decided by *versions*. The version of a leaf is the clock of
//! its last write, that of any other node the newest version among its operands. A value made for
//! the present version is right; so a write makes exactly what is downstream stale.

use crate::error::Maybe;
use crate::graph::Core;
use crate::id::NodeId;
use crate::node::Op;
use crate::shape::Layout;

/// Where the elements of one operand come from, seen from the step's iteration space.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Source {
    /// One after the other, from this element of the node's buffer on.
    Dense(NodeId, usize),
    /// The same element everywhere.
    Splat(NodeId, usize),
    /// As the plan's layout of this number says.
    Strided(NodeId, u32),
    /// No buffer at all.
    Constant(f64),
    /// The rule does not read this operand.
    Absent,
}

/// One thing to run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Step {
    /// What is computed: the node's value, into its own buffer.
    pub(crate) node: NodeId,
    /// A view that somebody needs as dense data of its own: its one source is copied.
    pub(crate) is_copy: bool,
    first: u32,
    count: u32,
}

/// What to run, in order. See the module.
#[derive(Default)]
pub(crate) struct Plan {
    steps: Vec<Step>,
    sources: Vec<Source>,
    layouts: Vec<Layout>,
    /// Nodes whose last reader is the step of this number, the last step first.
    releases: Vec<(u32, NodeId)>,
}

impl Plan {
    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    pub(crate) fn sources(&self, step: Step) -> &[Source] {
        &self.sources[step.first as usize..(step.first + step.count) as usize]
    }

    pub(crate) fn layout(&self, number: u32) -> &Layout {
        &self.layouts[number as usize]
    }

    pub(crate) fn releases(&self) -> &[(u32, NodeId)] {
        &self.releases
    }

    fn clear(&mut self) {
        self.steps.clear();
        self.sources.clear();
        self.layouts.clear();
        self.releases.clear();
    }

    fn push_step(&mut self, node: NodeId, is_copy: bool, first: usize) {
        let count = (self.sources.len() - first) as u32;
        self.steps.push(Step { node, is_copy, first: first as u32, count });
    }
}

/// What a step needs an operand to be.
#[derive(Clone, Copy, PartialEq)]
enum Need {
    /// Anything: the elements are fetched in the order of the result's space.
    Any,
    /// Any strides, in the operand's own shape.
    Strided,
    /// One element after the other, in the operand's own shape.
    Dense,
}

fn need(op: Op) -> Need {
    match op {
        Op::Map(_) | Op::Pull(..) | Op::Compare(_) | Op::Where | Op::Cast => Need::Any,
        Op::Reduce(_) | Op::MatMul | Op::Embed | Op::Concat => Need::Strided,
        _ => Need::Dense,
    }
}

/// The planner's own memory, kept from plan to plan.
#[derive(Default)]
pub(crate) struct Planner {
    /// By node: `round` when the node was visited in this round, `round + 1` when it must be
    /// computed. Rounds rise by two, so that nothing has to be cleared.
    marks: Vec<u32>,
    round: u32,
    stack: Vec<NodeId>,
    visited: Vec<NodeId>,
    /// The roots in order of ids.
    roots: Vec<NodeId>,
    /// By node, for those that must be computed: the number of what it shows, or `OWN`.
    places: Vec<u32>,
    shown: Vec<Place>,
}

/// What a node without data of its own (a view, a constant) shows.
#[derive(Clone, Copy)]
struct Place {
    base: NodeId,
    layout: Layout,
    /// The base is a constant, and has no data either.
    is_constant: bool,
}

/// The node has, or will have when the step is run, dense data of its own.
const OWN: u32 = u32::MAX;

impl Planner {
    /// Plans the computation of the roots. Nodes from `temporaries` on are needed only inside of
    /// this plan, unless they are roots.
    pub(crate) fn plan(
        &mut self,
        core: &mut Core,
        roots: &[NodeId],
        temporaries: usize,
        plan: &mut Plan,
    ) -> Maybe<()> {
        plan.clear();
        if roots.iter().all(|&root| is_fresh(core, root)) {
            return Ok(());
        }
        self.roots.clear();
        if self.roots.try_reserve(roots.len()).is_err() {
            return Err(core.out_of_memory("plan"));
        }
        self.roots.extend_from_slice(roots);
        self.roots.sort_unstable();
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
        for i in 0..self.visited.len() {
            let id = self.visited[i];
            if self.marks[id.index()] == needed {
                let is_root = self.roots.binary_search(&id).is_ok();
                self.emit(core, id, is_root, plan)?;
            }
        }
        self.find_releases(core, roots, temporaries, plan)
    }

    /// Collects what the roots depend on and may have to be computed, in order of ids.
    fn visit(&mut self, core: &mut Core, roots: &[NodeId]) -> Maybe<()> {
        let len = core.len();
        let room = self.marks.try_reserve(len.saturating_sub(self.marks.len())).is_ok()
            && self.places.try_reserve(len.saturating_sub(self.places.len())).is_ok();
        if !room {
            return Err(core.out_of_memory("plan"));
        }
        if self.marks.len() < len {
            self.marks.resize(len, 0);
            self.places.resize(len, OWN);
        }
        if self.round >= u32::MAX - 4 {
            self.marks.fill(0);
            self.round = 0;
        }
        self.round += 2;
        self.visited.clear();
        self.shown.clear();
        self.stack.clear();
        for &root in roots {
            self.meet(core, root)?;
        }
        let mut least = usize::MAX;
        while let Some(id) = self.stack.pop() {
            if self.visited.try_reserve(1).is_err() {
                return Err(core.out_of_memory("plan"));
            }
            self.visited.push(id);
            least = least.min(id.index());
            let room = self.stack.try_reserve(core.operands(id).count());
            if room.is_err() {
                return Err(core.out_of_memory("plan"));
            }
            for operand in core.operands(id) {
                if !is_fresh(core, operand) && self.marks[operand.index()] != self.round {
                    self.marks[operand.index()] = self.round;
                    self.stack.push(operand);
                }
            }
        }
        // Mostly the visited nodes are most of a range: then a scan is cheaper than sorting.
        let Some(greatest) = roots.iter().map(|root| root.index()).max() else { return Ok(()) };
        if self.visited.len() > greatest.saturating_sub(least) / 16 {
            let marks = &self.marks;
            let range = (least.min(greatest + 1)..=greatest).filter(|&id| marks[id] == self.round);
            self.visited.clear();
            self.visited.extend(range.map(|id| NodeId(id as u32)));
        } else {
            self.visited.sort_unstable();
        }
        Ok(())
    }

    fn meet(&mut self, core: &mut Core, root: NodeId) -> Maybe<()> {
        if !is_fresh(core, root) && self.marks[root.index()] != self.round {
            self.marks[root.index()] = self.round;
            if self.stack.try_reserve(1).is_err() {
                return Err(core.out_of_memory("plan"));
            }
            self.stack.push(root);
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
                _ => core.operands(id).map(|x| core.state(x).changed).max().unwrap_or(0),
            };
            let state = core.state_mut(id);
            state.ready &= state.changed == version;
            (state.changed, state.checked) = (version, clock);
        }
    }

    /// Appends the step that computes a node, unless it is one that needs no data of its own.
    fn emit(&mut self, core: &mut Core, id: NodeId, is_root: bool, plan: &mut Plan) -> Maybe<()> {
        let node = *core.node(id);
        let count = core.operands(id).count();
        let room = plan.steps.try_reserve(count + 1).is_ok()
            && plan.sources.try_reserve(2 * count + 4).is_ok()
            && plan.layouts.try_reserve(2 * count + 4).is_ok()
            && self.shown.try_reserve(1).is_ok();
        if !room {
            return Err(core.out_of_memory("plan"));
        }
        if node.op.is_view() || node.op == Op::Fill {
            let place = self.show(core, id, plan);
            self.places[id.index()] = self.shown.len() as u32;
            self.shown.push(place);
            if is_root {
                self.materialise(core, id, plan);
            }
            return Ok(());
        }
        self.places[id.index()] = OWN;
        let need = need(node.op);
        if need == Need::Any {
            let first = plan.sources.len();
            let last = node.inputs.iter().rposition(|input| !input.is_none()).map_or(0, |i| i + 1);
            for &input in &node.inputs[..last] {
                let source = match input {
                    NodeId::NONE => Source::Absent,
                    NodeId::IMMEDIATE => Source::Constant(node.imm),
                    input => self.source(core, input, id, plan),
                };
                plan.sources.push(source);
            }
            plan.push_step(id, false, first);
            return Ok(());
        }
        // Steps that make operands dense come before this one, so the sources are collected after.
        for operand in core.operands(id) {
            let fits = match self.source(core, operand, operand, plan) {
                Source::Dense(..) => true,
                Source::Strided(_, layout) if node.op == Op::MatMul => {
                    // A product kernel must not meet a repeated row or column.
                    let layout = plan.layout(layout);
                    let axes = layout.dims().iter().zip(layout.strides()).rev().take(2);
                    axes.into_iter().all(|(&len, &stride)| len == 1 || stride != 0)
                }
                Source::Strided(..) => need == Need::Strided,
                _ => false,
            };
            if !fits {
                self.materialise(core, operand, plan);
            }
        }
        let first = plan.sources.len();
        for operand in core.operands(id) {
            let source = self.source(core, operand, operand, plan);
            plan.sources.push(source);
        }
        plan.push_step(id, false, first);
        Ok(())
    }

    /// What a view or a constant shows.
    fn show(&mut self, core: &Core, id: NodeId, plan: &mut Plan) -> Place {
        let (node, dims) = (core.node(id), core.shape(id));
        if node.op == Op::Fill {
            return Place { base: id, layout: Layout::dense(&dims), is_constant: true };
        }
        let below = self.place(core, node.inputs[0]);
        if below.is_constant {
            return Place { layout: Layout::dense(&dims), ..below };
        }
        let layout = match node.op {
            Op::Detach => below.layout,
            Op::Expand => below.layout.expand(&dims),
            Op::Permute => {
                let mut order = dims;
                let list = core.list(node.list);
                list.iter().enumerate().for_each(|(i, &axis)| order[i] = axis as usize);
                below.layout.permute(&order)
            }
            Op::Slice => {
                let [axis, start, step] = core.slice_of(node.list);
                below.layout.slice(axis, start, dims[axis], step)
            }
            _ => match below.layout.reshape(&dims) {
                Some(layout) => layout,
                None => {
                    // Strides cannot express it: the view below gets data of its own first.
                    self.materialise(core, node.inputs[0], plan);
                    let layout = Layout::dense(&dims);
                    return Place { base: node.inputs[0], layout, is_constant: false };
                }
            },
        };
        Place { layout, ..below }
    }

    /// Gives data of its own to a node that so far only shows others' data.
    fn materialise(&mut self, core: &Core, id: NodeId, plan: &mut Plan) {
        let first = plan.sources.len();
        let is_view = core.node(id).op.is_view();
        if is_view {
            let source = self.source(core, id, id, plan);
            plan.sources.push(source);
        }
        plan.push_step(id, is_view, first);
        self.places[id.index()] = OWN;
    }

    fn has_own(&self, core: &Core, id: NodeId) -> bool {
        core.state(id).ready || self.places[id.index()] == OWN
    }

    /// Where the data of a node lie.
    fn place(&self, core: &Core, id: NodeId) -> Place {
        if self.has_own(core, id) {
            return Place { base: id, layout: Layout::dense(&core.shape(id)), is_constant: false };
        }
        self.shown[self.places[id.index()] as usize]
    }

    /// How `operand` looks from the iteration space of `space`, to whose shape it broadcasts.
    fn source(&self, core: &Core, operand: NodeId, space: NodeId, plan: &mut Plan) -> Source {
        let target = core.node(space);
        if core.node(operand).shape == target.shape && self.has_own(core, operand) {
            return Source::Dense(operand, 0); // the common case, without a layout
        }
        let place = self.place(core, operand);
        if place.is_constant {
            return Source::Constant(core.node(place.base).imm);
        }
        let layout = place.layout.expand(&core.dims(target.shape));
        if layout.is_dense() {
            return Source::Dense(place.base, layout.offset);
        }
        if layout.is_splat() && need(target.op) == Need::Any {
            return Source::Splat(place.base, layout.offset);
        }
        plan.layouts.push(layout);
        Source::Strided(place.base, plan.layouts.len() as u32 - 1)
    }

    /// Finds the step after which each temporary is not read any more.
    fn find_releases(
        &mut self,
        core: &mut Core,
        roots: &[NodeId],
        temporaries: usize,
        plan: &mut Plan,
    ) -> Maybe<()> {
        // Marks serve once more: the next even number stands for "released already".
        let released = self.round + 2;
        self.round += 2;
        for &root in roots {
            self.marks[root.index()] = released;
        }
        for (number, step) in plan.steps.iter().enumerate().rev() {
            for source in &plan.sources[step.first as usize..(step.first + step.count) as usize] {
                let base = match *source {
                    Source::Dense(base, _) | Source::Splat(base, _) | Source::Strided(base, _) => {
                        base
                    }
                    Source::Constant(_) | Source::Absent => continue,
                };
                if base.index() >= temporaries && self.marks[base.index()] != released {
                    self.marks[base.index()] = released;
                    if plan.releases.try_reserve(1).is_err() {
                        return Err(core.out_of_memory("plan"));
                    }
                    plan.releases.push((number as u32, base));
                }
            }
        }
        Ok(())
    }
}

fn is_fresh(core: &Core, id: NodeId) -> bool {
    let state = core.state(id);
    state.ready && (state.checked == core.clock || core.node(id).op == Op::Leaf)
}
