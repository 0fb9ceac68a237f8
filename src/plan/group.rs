//! Which step computes what.
//!
//! Nodes are taken in order of ids. An elementwise node joins the step of a producer in the same
//! iteration space, else the latest step of that space, as long as everything that it reads is
//! complete before that step or is made inside of it; else it opens a new one. "Before" is a
//! matter of the graph of steps, not of the order in which they were opened: so the gradient of a
//! loss joins the pass of its forward whenever it does not need the loss itself.
//!
//! Reductions along the last axes, of rows that fit in the cache, are part of a step that keeps
//! rows whole, and what follows from them can be used in the same step again. All other reductions
//! are sinks: their results are complete when the step is. That is the one place where a step must
//! be split.

use super::cost::is_cheap;
use super::draft::{
    AGAIN, Draft, Drafts, Fate, Home, Member, PADDED, Seen, What, elementwise_operand, is_spread,
    lcm, operand_dtype,
};
use super::value::NONE;
use super::{Grain, Groups, ROW_MAX, Span, TILE};
use crate::arena::{OutOfMemory, TryPush};
use crate::dtype::with_dtype;
use crate::graph::Core;
use crate::id::{ListId, NodeId};
use crate::kernel;
use crate::level::Level;
use crate::node::{INLINE_OPERANDS, Node, Op, Reduction};
use crate::shape::{Dims, Layout, Padded};

/// Sinks whose units have a common multiple beyond this do not share a step: threads would get
/// too little to share.
const UNIT_MAX: usize = 1 << 22;

/// Streams of a step of several tiles beyond which unrelated work is not added to it: more than the
/// hardware prefetches well. A step of one tile may have any number: what it keeps in registers is
/// as much memory as what it would leave for another step.
const STREAMS_MAX: u32 = 24;

/// A product whose result has so many bytes feeds the step that reads it, chunk by chunk. (Measured:
/// what is smaller stays in the caches as a whole, and streams are fetched best when they are long.)
const FEED_BYTES: usize = 4 << 20;

/// Steps that a search for a path looks at before it gives up and says that there is one.
const SEARCH_MAX: usize = 200;

/// Members of a step of one tile beyond which it takes on no more, for a read and for a backward. What
/// is kept in registers is then as much memory as data would be, so little is lost; and the lists in
/// which a step is written stay short. But a backward reads most of what its forward makes: there a
/// cut has many values go through data of their own.
const MEMBERS_MAX: [u32; 2] = [1 << 14, 1 << 16];

/// Operands of a member, at most: of a concatenation. One of more is a step of its own, in which each
/// operand is looked at once, rather than once a tile.
const VIEWS: usize = 8;

/// Lengths of which the newest step is known: those that were met last.
const LATEST_MAX: usize = 16;

/// Steps whose depth may change when an older one gets something more to wait for. (As for a search,
/// what takes longer to find out is not done.)
const RAISE_MAX: usize = 64;

/// Edges that are looked at to see whether there is one already. (One that is there twice is in
/// nobody's way.)
const EDGES_MAX: usize = 16;

/// Bytes from which on it is cheaper to compute a value again, by one cheap operation from what is
/// in memory anyway, than to write it in one step and read it in another. Smaller values stay in the
/// cache in between.
const AGAIN_BYTES: usize = 1 << 18;

/// How an operand looks from the node that reads it.
#[derive(Clone, Copy)]
pub(super) enum View {
    /// There is no such operand.
    Absent,
    Constant(f64),
    /// The data of this node, one after the other, as many as the reader has elements.
    Same(NodeId),
    /// The data of this node in another layout.
    Other(NodeId, Layout),
    /// The data of this node among zeros, as the planner's padded one of this number; stretched to
    /// this shape.
    Padded(NodeId, u32, ListId),
}

impl View {
    pub(super) fn base(&self) -> Option<NodeId> {
        match *self {
            View::Same(base) | View::Other(base, _) | View::Padded(base, ..) => Some(base),
            View::Absent | View::Constant(_) => None,
        }
    }
}

/// Layouts and constants that a new one may be equal to: the newest ones.
const ALIKE: usize = 8;

#[derive(Clone, Copy)]
pub(super) struct Edge {
    pub(super) to: u32,
    pub(super) next: u32,
}

/// What is to be put into a step.
#[derive(Clone, Copy)]
struct Asked {
    id: NodeId,
    what: What,
    /// Elements of the step's space.
    len: usize,
    /// The length that rows of the step must have, 0 for any.
    row: usize,
    /// How many of the planner's `views` are its operands.
    count: usize,
    /// The result that it is for, or `NONE`.
    result: u32,
}

/// The memory for this, kept from plan to plan.
pub(super) struct Grouping {
    pub(super) drafts: Drafts,
    /// One node a step, and every value stored.
    pub(super) single: bool,
    /// Bytes of a product's result from which on it feeds a step.
    pub(super) feed_bytes: usize,
    /// Members of a step of one tile, at most: in a read and in a backward.
    pub(super) members_max: [u32; 2],
    pub(super) is_backward: bool,
    /// What is computed again, and in which step.
    again: Vec<(u32, NodeId)>,
    pub(super) edges: Vec<Edge>,
    /// The newest fused step of a length, newest last.
    latest: Vec<(usize, u32)>,
    pub(super) stack: Vec<u32>,
    pub(super) search: u32,
    views: [View; VIEWS],
}

impl Grouping {
    pub(super) fn new(level: Level) -> Self {
        Self {
            drafts: Drafts::new(level),
            single: false,
            feed_bytes: FEED_BYTES,
            members_max: MEMBERS_MAX,
            is_backward: false,
            again: Vec::new(),
            edges: Vec::new(),
            latest: Vec::new(),
            stack: Vec::new(),
            search: 0,
            views: [View::Absent; VIEWS],
        }
    }

    /// Bytes of memory that it holds.
    pub(super) fn bytes(&self) -> usize {
        let Self { drafts, again, edges, latest, stack, .. } = self;
        drafts.bytes() + again.bytes() + edges.bytes() + latest.bytes() + stack.bytes()
    }

    /// Begins a plan: one of a backward, or of a read.
    pub(super) fn start(&mut self, nodes: usize, is_backward: bool) -> Result<(), OutOfMemory> {
        self.drafts.clear();
        self.again.clear();
        self.edges.clear();
        self.latest.clear();
        self.is_backward = is_backward;
        self.drafts.fates.try_extend_to(nodes, Fate::BLANK)
    }

    /// Has a node copied to the result `k`.
    pub(super) fn copy(&mut self, core: &Core, id: NodeId, k: u32) -> Result<(), OutOfMemory> {
        let node = core.node(id);
        self.set_view(core, 0, id, node.shape);
        self.join(core, Asked { id, what: What::Copy, len: node.len, row: 0, count: 1, result: k })
    }

    // ---- how operands look ----

    /// How `operand` looks from a space of this shape, to which it broadcasts.
    pub(super) fn view(&self, core: &Core, operand: NodeId, shape: ListId) -> View {
        let node = core.node(operand);
        let own = self.drafts.has_own(core, operand);
        if own && node.shape == shape {
            return View::Same(operand); // the common case, without a layout
        }
        let target = core.dims(shape);
        let (base, layout) = if own {
            (operand, Layout::dense(&core.dims(node.shape)))
        } else {
            let shown = self.drafts.shown[self.drafts.fates[operand.index()].shown() as usize];
            if shown.base.is_none() {
                return View::Constant(self.drafts.constants[shown.layout as usize]);
            }
            if let Some(padded) = shown.padded() {
                return View::Padded(shown.base, padded as u32, shape);
            }
            (shown.base, self.drafts.layouts[shown.layout as usize])
        };
        let layout = layout.expand(&target);
        if layout.offset == 0 && layout.is_dense() && core.node(base).len == layout.len() {
            return View::Same(base);
        }
        View::Other(base, layout)
    }

    fn set_view(&mut self, core: &Core, k: usize, operand: NodeId, shape: ListId) {
        self.views[k] = self.view(core, operand, shape);
    }

    /// How the operands of an elementwise node look; how many there are.
    fn set_views(&mut self, core: &Core, node: &Node) -> usize {
        let mut count = 0;
        for (k, &input) in node.inputs.iter().enumerate() {
            self.views[k] = match input {
                NodeId::NONE => View::Absent,
                NodeId::IMMEDIATE => View::Constant(node.imm),
                // (The common case, in which no layout is moved.)
                input
                    if self.drafts.has_own(core, input) && core.node(input).shape == node.shape =>
                {
                    View::Same(input)
                }
                input => self.view(core, input, node.shape),
            };
            if input != NodeId::NONE {
                count = k + 1;
            }
        }
        count
    }

    /// What a view or a constant shows.
    fn show(&mut self, core: &Core, id: NodeId) -> Result<(), OutOfMemory> {
        let node = core.node(id);
        if node.op == Op::Fill {
            return self.show_constant(id, node.imm);
        }
        let input = node.inputs[0];
        let shown = match self.look_through(core, id)? {
            Some(shown) => shown,
            None => {
                // The node below gets data of its own first.
                self.own(core, input)?;
                let Some(shown) = self.look_through(core, id)? else {
                    unreachable!("{:?} of dense data", node.op)
                };
                shown
            }
        };
        let shown = self.drafts.shown.try_push(shown)?;
        self.drafts.fates[id.index()].set_shown(shown);
        Ok(())
    }

    /// What a view shows of what the node below it shows, where that can be said.
    fn look_through(&mut self, core: &Core, id: NodeId) -> Result<Option<Seen>, OutOfMemory> {
        let (node, dims) = (core.node(id), core.shape(id));
        let input = node.inputs[0];
        let below = if self.drafts.has_own(core, input) {
            Seen { base: input, layout: NONE }
        } else {
            self.drafts.shown[self.drafts.fates[input.index()].shown() as usize]
        };
        if below.base.is_none() {
            return Ok((node.op != Op::Embed).then_some(below));
        }
        let padded = below.padded().map(|padded| self.drafts.padded[padded]);
        let layout = match below.layout {
            NONE => Layout::dense(&core.shape(input)),
            _ if padded.is_some() => Layout::dense(&[]), // which is not looked at
            layout => self.drafts.layouts[layout as usize],
        };
        if node.op == Op::Embed || padded.is_some() {
            let padded = padded.unwrap_or_else(|| Padded::new(layout));
            let padded = match node.op {
                Op::Embed if *padded.dims() == *dims => {
                    let layout = match below.layout {
                        NONE => self.layout(layout)?,
                        layout => layout,
                    };
                    return Ok(Some(Seen { layout, ..below }));
                }
                Op::Embed => {
                    let [axis, start, step] = core.slice_of(node.list);
                    padded.embed(axis, start, step, dims[axis])
                }
                Op::Detach | Op::Prod => padded,
                Op::Expand => padded.expand(&dims),
                Op::Permute => padded.permute(&core.order_of(id)),
                _ => return Ok(None),
            };
            return Ok(Some(Seen {
                layout: self.drafts.padded.try_push(padded)? | PADDED,
                ..below
            }));
        }
        let Some(layout) = core.view_layout(id, &layout) else { return Ok(None) };
        Ok(Some(Seen { layout: self.layout(layout)?, ..below }))
    }

    /// The number of a layout.
    fn layout(&mut self, layout: Layout) -> Result<u32, OutOfMemory> {
        let known = self.drafts.layouts.iter().rev().take(ALIKE).position(|&known| known == layout);
        match known {
            Some(back) => Ok((self.drafts.layouts.len() - 1 - back) as u32),
            None => self.drafts.layouts.try_push(layout),
        }
    }

    /// How a constant looks.
    fn constant_seen(&mut self, value: f64) -> Result<Seen, OutOfMemory> {
        let is_it = |known: &f64| known.to_bits() == value.to_bits();
        let layout = match self.drafts.constants.iter().rev().take(ALIKE).position(is_it) {
            Some(back) => (self.drafts.constants.len() - 1 - back) as u32,
            None => self.drafts.constants.try_push(value)?,
        };
        Ok(Seen { base: NodeId::NONE, layout })
    }

    /// Sees to it that a node that is computed has dense data of its own in memory.
    pub(super) fn materialise(&mut self, core: &Core, id: NodeId) -> Result<(), OutOfMemory> {
        let node = core.node(id);
        if node.op == Op::Embed && !self.drafts.has_own(core, id) && self.constant(id).is_none() {
            // In long runs of zeros and of the block, rather than in tiles.
            self.drafts.fates[id.index()].set_home(Home::Ready);
            return self.single_step(core, id, node);
        }
        self.own(core, id)?;
        if !core.state(id).ready {
            self.drafts.fates[id.index()].stored = true;
        }
        Ok(())
    }

    /// Sees to it that a node has dense data of its own, at least within a step.
    fn own(&mut self, core: &Core, id: NodeId) -> Result<(), OutOfMemory> {
        if !self.drafts.has_own(core, id) {
            self.set_view(core, 0, id, core.node(id).shape);
            self.drafts.fates[id.index()].set_home(Home::Ready);
            self.join(
                core,
                Asked {
                    id,
                    what: What::Copy,
                    len: core.node(id).len,
                    row: 0,
                    count: 1,
                    result: NONE,
                },
            )?;
        }
        Ok(())
    }

    /// The number that is all of a node without data of its own.
    fn constant(&self, id: NodeId) -> Option<f64> {
        let shown = self.drafts.shown.get(self.drafts.fates[id.index()].shown() as usize)?;
        shown.base.is_none().then(|| self.drafts.constants[shown.layout as usize])
    }

    // ---- joining steps ----

    pub(super) fn assign(&mut self, core: &Core, id: NodeId) -> Result<(), OutOfMemory> {
        let node = *core.node(id);
        if let Some(value) = value_of_nothing(core, &node) {
            return self.show_constant(id, value);
        }
        match node.op {
            op if op.is_view() || op == Op::Fill => self.show(core, id),
            Op::Embed if !self.single => self.show(core, id),
            op if op.is_elementwise() => {
                let count = self.set_views(core, &node);
                let is_constant = self.views[..count]
                    .iter()
                    .all(|v| matches!(v, View::Constant(_) | View::Absent));
                if is_constant {
                    return self.fold_constant(core, id, &node);
                }
                self.join(
                    core,
                    Asked { id, what: What::Map, len: node.len, row: 0, count, result: NONE },
                )
            }
            Op::DropoutMask => self.join(
                core,
                Asked { id, what: What::Mask, len: node.len, row: 0, count: 0, result: NONE },
            ),
            Op::Reduce(reduction) => self.assign_reduction(core, id, &node, reduction),
            Op::ArgReduce(_) => {
                let x = node.inputs[0];
                let groups = Groups::of(&core.shape(x), &core.dims(node.list));
                let row = match groups {
                    Some(Groups { reduced, inner: 1, .. }) => reduced,
                    _ => 0,
                };
                if (2..=ROW_MAX).contains(&row) && node.len > 0 {
                    self.set_view(core, 0, x, core.node(x).shape);
                    let len = core.node(x).len;
                    self.join(
                        core,
                        Asked { id, what: What::Fold, len, row, count: 1, result: NONE },
                    )
                } else {
                    self.single_step(core, id, &node)
                }
            }
            Op::Softmax | Op::LogSoftmax => {
                let axis = core.list(node.list)[0] as usize;
                let Groups { reduced, inner, .. } = Groups::along(&core.shape(id), axis);
                let row = reduced * inner;
                if (1..=ROW_MAX).contains(&row) {
                    self.set_view(core, 0, node.inputs[0], node.shape);
                    self.join(
                        core,
                        Asked { id, what: What::Rows, len: node.len, row, count: 1, result: NONE },
                    )
                } else {
                    self.single_step(core, id, &node)
                }
            }
            Op::Pick => {
                let [x, classes, ..] = node.inputs;
                self.set_view(core, 0, x, core.node(x).shape);
                self.set_view(core, 1, classes, node.shape);
                let row = core.shape(x)[1];
                let inside = match self.views[0] {
                    View::Same(base) => match self.drafts.home(core, base) {
                        Home::In(step, Grain::Element) => {
                            let draft = self.drafts.steps[step as usize];
                            draft.len == core.node(x).len && draft.row == row && row > 1
                        }
                        _ => false,
                    },
                    _ => false,
                };
                if inside && !self.single {
                    self.join(
                        core,
                        Asked {
                            id,
                            what: What::Pick,
                            len: node.len,
                            row: 0,
                            count: 2,
                            result: NONE,
                        },
                    )
                } else {
                    self.single_step(core, id, &node)
                }
            }
            Op::Unpick => {
                let [g, classes, ..] = node.inputs;
                let row = core.dims(node.shape)[1];
                self.set_view(core, 0, g, core.node(g).shape);
                self.set_view(core, 1, classes, core.node(g).shape);
                if (2..=ROW_MAX).contains(&row) {
                    self.join(
                        core,
                        Asked {
                            id,
                            what: What::Unpick,
                            len: node.len,
                            row,
                            count: 2,
                            result: NONE,
                        },
                    )
                } else {
                    self.single_step(core, id, &node)
                }
            }
            Op::Concat if !self.single && core.operands(id).count() <= VIEWS => {
                self.assign_concat(core, id, &node)
            }
            _ => self.single_step(core, id, &node),
        }
    }

    /// A concatenation is made where it is read: its operands lie in memory, in any layout.
    fn assign_concat(&mut self, core: &Core, id: NodeId, node: &Node) -> Result<(), OutOfMemory> {
        for operand in core.operands(id) {
            if let View::Padded(..) = self.view(core, operand, core.node(operand).shape) {
                self.own(core, operand)?;
            }
        }
        let mut count = 0;
        for operand in core.operands(id) {
            let view = self.view(core, operand, core.node(operand).shape);
            self.views[count] = match view {
                View::Same(base) => View::Other(base, Layout::dense(&core.shape(operand))),
                view => view,
            };
            count += 1;
        }
        let (what, len, result) = (What::Concat, node.len, NONE);
        self.join(core, Asked { id, what, len, row: 0, count, result })?;
        let seen = Span { first: (self.drafts.seen.len() - count) as u32, count: count as u32 };
        self.drafts.concats.try_push((id, seen))?;
        Ok(())
    }

    /// An operation on constants alone is one: its kernel says which.
    fn fold_constant(&mut self, core: &Core, id: NodeId, node: &Node) -> Result<(), OutOfMemory> {
        let operand = elementwise_operand(core, node);
        let mut cells = [[0u64; 1]; INLINE_OPERANDS];
        for k in 0..INLINE_OPERANDS {
            let value = match self.views[k] {
                View::Constant(value) => value,
                _ => 0.0,
            };
            with_dtype!(operand_dtype(core, node, k), T => {
                let value = <T as crate::dtype::Element>::from_f64(value);
                // SAFETY: a cell has room for one element of any dtype.
                unsafe { cells[k].as_mut_ptr().cast::<T>().write(value) };
            });
        }
        let kernel = kernel::elementwise(node.op, operand, node.dtype, self.drafts.level);
        let mut out = [0u64; 1];
        let [a, b, c, d] = [0, 1, 2, 3].map(|k: usize| cells[k].as_ptr().cast::<u8>());
        // SAFETY: one element of each operand's dtype, and room for one of the result's.
        unsafe { kernel(1, out.as_mut_ptr().cast(), a, b, c, d) };
        let value = with_dtype!(node.dtype, T => {
            // SAFETY: the kernel wrote one element.
            let value = unsafe { out.as_ptr().cast::<T>().read() };
            crate::dtype::Element::to_f64(value)
        });
        self.show_constant(id, value)
    }

    fn show_constant(&mut self, id: NodeId, value: f64) -> Result<(), OutOfMemory> {
        let shown = self.constant_seen(value)?;
        let shown = self.drafts.shown.try_push(shown)?;
        self.drafts.fates[id.index()].set_shown(shown);
        Ok(())
    }

    fn assign_reduction(
        &mut self,
        core: &Core,
        id: NodeId,
        node: &Node,
        reduction: Reduction,
    ) -> Result<(), OutOfMemory> {
        let x = node.inputs[0];
        let (dims, kept) = (core.shape(x), core.dims(node.list));
        let len = core.node(x).len;
        let whole_rows = reduction == Reduction::LogSumExp;
        let groups = Groups::of(&dims, &kept);
        self.set_view(core, 0, x, core.node(x).shape);
        let adds = matches!(reduction, Reduction::Sum | Reduction::Mean | Reduction::Norm);
        if adds && matches!(self.views[0], View::Constant(zero) if zero.to_bits() == 0) {
            // Such as the gradient of nothing, which may have been broadcast without end.
            return self.show_constant(id, 0.0);
        }
        let Some(groups) = groups else {
            if let View::Padded(..) = self.views[0] {
                self.own(core, x)?;
                self.set_view(core, 0, x, core.node(x).shape);
            }
            // In which order elements are added follows from the shape alone, never from where
            // they lie: the reduced axes are moved to the end.
            let layout = match self.views[0] {
                View::Constant(_) | View::Absent | View::Padded(..) => None,
                View::Same(base) => Some((base, Layout::dense(&dims))),
                View::Other(base, layout) => Some((base, layout)),
            };
            if let Some((base, layout)) = layout {
                self.views[0] = View::Other(base, reduced_last(&layout, &kept));
            }
            if whole_rows {
                // However long: only gathering makes rows of what does not lie in rows.
                let reduced = len / node.len;
                return self.join(
                    core,
                    Asked { id, what: What::MovedFold, len, row: reduced, count: 1, result: NONE },
                );
            }
            return self.join(
                core,
                Asked { id, what: What::MovedSink, len, row: 0, count: 1, result: NONE },
            );
        };
        let is_row = groups.inner == 1 && groups.reduced <= ROW_MAX;
        if is_row {
            return self.join(
                core,
                Asked { id, what: What::Fold, len, row: groups.reduced, count: 1, result: NONE },
            );
        }
        if whole_rows {
            return self.single_step(core, id, node);
        }
        self.join(core, Asked { id, what: What::Sink, len, row: 0, count: 1, result: NONE })
    }

    /// Puts a node whose operands are in `views` into a step over `len` elements: one that exists
    /// if possible. `row` is the length that rows of the step must have, 0 for any.
    fn join(&mut self, core: &Core, asked: Asked) -> Result<(), OutOfMemory> {
        let Asked { id, what, len, count, .. } = asked;
        let mut best: Option<(u32, Grain, What)> = None;
        if !self.single {
            let leading = if what == What::Pick { 1 } else { count };
            for k in 0..leading {
                let Some(base) = self.views[k].base() else { continue };
                let Home::In(step, _) = self.drafts.home(core, base) else { continue };
                if best.is_some_and(|(other, ..)| other >= step) {
                    continue;
                }
                best = self.try_step(core, step, asked).or(best);
            }
            if best.is_none() && what != What::Pick {
                self.drafts.looks.note(self.latest.len());
                let mut last = self.latest.iter().rev();
                if let Some(&(_, step)) = last.find(|&&(other, _)| other == len) {
                    best = self.try_step(core, step, asked);
                }
            }
        }
        let (step, grain, what) = match best {
            Some(found) => found,
            None if what == What::Pick => return self.single_step(core, id, core.node(id)),
            None => {
                let step = self.drafts.steps.try_push(Draft::new(len, NodeId::NONE))?;
                self.latest.retain(|&(other, _)| other != len);
                if self.latest.len() == LATEST_MAX {
                    self.latest.remove(0);
                }
                self.latest.try_push((len, step))?;
                (step, Grain::Element, what)
            }
        };
        self.enter(core, step, grain, Asked { what, ..asked })
    }

    /// Whether a step can take a node on: with which grain, and as what.
    fn try_step(&self, core: &Core, step: u32, asked: Asked) -> Option<(u32, Grain, What)> {
        let Asked { id, what, len, row, count, .. } = asked;
        let draft = &self.drafts.steps[step as usize];
        let most = self.members_max[usize::from(self.is_backward)];
        let is_full = draft.members >= most && draft.len <= TILE;
        if draft.single != NodeId::NONE || is_full {
            return None;
        }
        let grain = match what {
            What::Pick => Grain::Row,
            _ if draft.len == len => Grain::Element,
            // A row is one element of its own only in a step of several elements a row.
            What::Map | What::Copy | What::Sink | What::Fold
                if draft.row > 1 && draft.len / draft.row == len =>
            {
                Grain::Row
            }
            _ => return None,
        };
        let mut what = what;
        if grain == Grain::Element && row != 0 && draft.row != 0 && draft.row != row {
            // Rows of another length: the reduction becomes a sink, if it can.
            what = match what {
                What::Fold if can_join(core, id) => What::Sink,
                _ => return None,
            };
        }
        if grain == Grain::Row && what == What::Fold {
            what = if can_join(core, id) { What::Sink } else { return None };
        }
        for k in 0..count {
            if !self.fits(core, step, Asked { what, ..asked }, grain, k) {
                return None;
            }
        }
        let unit = lcm(draft.unit, self.unit_of(core, id, what, grain, draft, row));
        if unit > UNIT_MAX && draft.first != NONE && unit != draft.unit {
            return None;
        }
        Some((step, grain, what))
    }

    /// Whether a member of this grain can have operand `k` in a step.
    fn fits(&self, core: &Core, step: u32, asked: Asked, grain: Grain, k: usize) -> bool {
        let Asked { what, row, .. } = asked;
        let draft = &self.drafts.steps[step as usize];
        let view = &self.views[k];
        let Some(base) = view.base() else { return true };
        // Classes, and what is put at them, are one a row.
        let by_row = grain == Grain::Row && !(what == What::Pick && k == 0) || what == What::Unpick;
        let home = self.drafts.home(core, base);
        if let Home::In(at, inner) = home
            && at == step
        {
            if what == What::Concat {
                return false; // whose operands lie elsewhere in the tiles than the result
            }
            return match (by_row, inner, view) {
                (false, Grain::Element, View::Same(_)) => true,
                (true, Grain::Row, View::Same(_)) => true,
                (false, Grain::Row, View::Other(_, layout)) => {
                    let row = if draft.row == 0 { row } else { draft.row };
                    is_spread(layout, draft.len, row)
                }
                _ => false,
            };
        }
        let is_full = draft.streams >= STREAMS_MAX && draft.len > TILE;
        if is_full && !matches!(home, Home::In(..)) {
            return false;
        }
        match home {
            Home::Ready => true,
            Home::After(at) | Home::In(at, _) => self.can_wait(step, at),
        }
    }

    fn unit_of(
        &self,
        core: &Core,
        id: NodeId,
        what: What,
        grain: Grain,
        draft: &Draft,
        row: usize,
    ) -> usize {
        match what {
            What::Sink => {
                let node = core.node(id);
                let dims = core.shape(node.inputs[0]);
                let groups = Groups::of(&dims, &core.dims(node.list));
                let unit = groups.map_or(1, |groups| groups.unit());
                if grain == Grain::Row { unit * draft.row } else { unit }
            }
            What::MovedSink => {
                let node = core.node(id);
                let reduced = core.node(node.inputs[0]).len / node.len.max(1);
                Groups { outer: node.len, reduced, inner: 1 }.unit()
            }
            What::Fold | What::Rows | What::Unpick | What::MovedFold => row.max(1),
            What::Map | What::Copy | What::Concat | What::Pick | What::Mask => 1,
        }
    }

    fn enter(
        &mut self,
        core: &Core,
        step: u32,
        grain: Grain,
        asked: Asked,
    ) -> Result<(), OutOfMemory> {
        let Asked { id, what, row, count, result, .. } = asked;
        for k in 0..count {
            let Some(base) = self.views[k].base() else { continue };
            if matches!(self.views[k], View::Same(_))
                && self.compute_again(core, step, grain, base)?
            {
                continue;
            }
            match self.drafts.home(core, base) {
                Home::Ready => self.drafts.steps[step as usize].streams += 1,
                Home::In(at, _) if at == step => {}
                Home::In(at, _) | Home::After(at) => {
                    self.drafts.fates[base.index()].stored = true;
                    self.drafts.steps[step as usize].streams += 1;
                    self.depend(step, at)?;
                }
            }
        }
        let draft = &self.drafts.steps[step as usize];
        let unit = lcm(draft.unit, self.unit_of(core, id, what, grain, draft, row));
        let seen = self.remember(core, count)?;
        self.append(step, Member { node: id, what, grain, seen, result, next: NONE })?;
        let draft = &mut self.drafts.steps[step as usize];
        draft.unit = unit;
        if matches!(what, What::Fold | What::Rows | What::Unpick | What::MovedFold) {
            draft.row = row;
        }
        if result != NONE {
            return Ok(());
        }
        // The reduction of rows of one element has as many results.
        let is_wide = draft.row == 1;
        let home = match what {
            What::Map | What::Copy | What::Concat | What::Rows | What::Unpick | What::Mask => {
                Home::In(step, grain)
            }
            What::Fold | What::MovedFold if is_wide => Home::In(step, Grain::Element),
            What::Fold | What::MovedFold | What::Pick => Home::In(step, Grain::Row),
            What::Sink | What::MovedSink => Home::After(step),
        };
        let fate = &mut self.drafts.fates[id.index()];
        fate.set_home(home);
        // A sink's result is in memory, wherever else it goes.
        fate.stored |= matches!(home, Home::After(_)) || self.single;
        Ok(())
    }

    /// Makes a node that another step computes a member of this one, too, where that is cheaper than
    /// having it in memory.
    fn compute_again(
        &mut self,
        core: &Core,
        step: u32,
        grain: Grain,
        id: NodeId,
    ) -> Result<bool, OutOfMemory> {
        let Home::In(at, Grain::Element) = self.drafts.home(core, id) else { return Ok(false) };
        if at == step || grain == Grain::Row || self.drafts.fates[id.index()].stored || self.single
        {
            return Ok(false);
        }
        if self.again.iter().rev().take(16).any(|&known| known == (step, id)) {
            return Ok(true);
        }
        let node = core.node(id);
        let (is_worth_it, what) = match node.op {
            Op::Map(_) | Op::Pull(..) => {
                let is_large = node.len * node.dtype.size() >= AGAIN_BYTES;
                (is_large && is_cheap(node.op), What::Map)
            }
            // Nothing is computed: what would be written is there already, in pieces.
            Op::Concat => (node.len > TILE, What::Concat),
            _ => (false, What::Map),
        };
        if !is_worth_it {
            return Ok(false);
        }
        let seen = match what {
            What::Concat => {
                let found = self.drafts.concats.binary_search_by_key(&id, |&(known, _)| known);
                found.ok().map(|place| self.drafts.concats[place].1)
            }
            _ => self.operands_of(id),
        };
        let Some(seen) = seen else { return Ok(false) };
        for k in seen.first..seen.first + seen.count {
            let base = self.drafts.seen[k as usize].base;
            if base.is_none() {
                continue;
            }
            let in_memory = match self.drafts.home(core, base) {
                Home::Ready => true,
                Home::After(from) => self.can_wait(step, from),
                Home::In(from, _) => {
                    self.drafts.fates[base.index()].stored && self.can_wait(step, from)
                }
            };
            if !in_memory {
                return Ok(false);
            }
        }
        for k in seen.first..seen.first + seen.count {
            let base = self.drafts.seen[k as usize].base;
            if base.is_none() {
                continue;
            }
            self.drafts.steps[step as usize].streams += 1;
            if let Home::In(from, _) | Home::After(from) = self.drafts.home(core, base) {
                self.depend(step, from)?;
            }
        }
        self.again.try_push((step, id))?;
        let member = Member { node: id, what, grain, seen, result: AGAIN, next: NONE };
        self.append(step, member)?;
        Ok(true)
    }

    /// How the operands of an elementwise node looked when it joined its step, if that was lately.
    fn operands_of(&self, id: NodeId) -> Option<Span> {
        let lately = self.drafts.members.len().saturating_sub(512);
        self.drafts.looks.note(self.drafts.members.len() - lately);
        let mut members = self.drafts.members[lately..].iter();
        let found = members
            .find(|member| member.node == id && member.what == What::Map && member.result == NONE);
        found.map(|member| member.seen)
    }

    fn append(&mut self, step: u32, member: Member) -> Result<(), OutOfMemory> {
        let member = self.drafts.members.try_push(member)?;
        let draft = &mut self.drafts.steps[step as usize];
        match draft.last {
            NONE => draft.first = member,
            last => self.drafts.members[last as usize].next = member,
        }
        draft.last = member;
        draft.members += 1;
        Ok(())
    }

    /// Writes down how the first operands look.
    fn remember(&mut self, core: &Core, count: usize) -> Result<Span, OutOfMemory> {
        let first = self.drafts.seen.len();
        for k in 0..count {
            let absent = Seen { base: NodeId::NONE, layout: NONE };
            let seen = match &self.views[k] {
                View::Absent => absent,
                &View::Constant(constant) => self.constant_seen(constant)?,
                &View::Same(base) => Seen { base, ..absent },
                &View::Other(base, layout) => Seen { base, layout: self.layout(layout)? },
                &View::Padded(base, padded, shape) => {
                    let (dims, as_shown) = (core.dims(shape), &self.drafts.padded[padded as usize]);
                    let padded = if *as_shown.dims() == *dims {
                        padded
                    } else {
                        let stretched = as_shown.expand(&dims);
                        self.drafts.padded.try_push(stretched)?
                    };
                    Seen { base, layout: padded | PADDED }
                }
            };
            self.drafts.seen.try_push(seen)?;
        }
        Ok(Span::since(first, self.drafts.seen.len()))
    }

    /// A step of its own for a node that cannot be fused.
    fn single_step(&mut self, core: &Core, id: NodeId, node: &Node) -> Result<(), OutOfMemory> {
        for operand in core.operands(id) {
            let fits = match self.view(core, operand, core.node(operand).shape) {
                View::Same(_) => true,
                View::Other(_, layout) => match node.op {
                    Op::MatMul => {
                        // A product kernel must not meet a repeated row or column, nor go backwards.
                        let axes = layout.dims().iter().zip(layout.strides()).rev().take(2);
                        axes.into_iter().all(|(&len, &stride)| len == 1 || stride > 0)
                    }
                    Op::Embed | Op::Concat => true,
                    // (Indices are read one after the other.)
                    Op::Assemble if core.node(operand).dtype.is_float() => true,
                    _ => layout.is_dense(),
                },
                View::Constant(_) | View::Absent | View::Padded(..) => false,
            };
            if !fits {
                self.materialise(core, operand)?;
            }
        }
        let step = self.drafts.steps.try_push(Draft::new(node.len, id))?;
        let first = self.drafts.seen.len();
        for operand in core.operands(id) {
            self.set_view(core, 0, operand, core.node(operand).shape);
            self.remember(core, 1)?;
            let Some(base) = self.views[0].base() else {
                unreachable!("constants were given data")
            };
            if let Home::In(at, _) | Home::After(at) = self.drafts.home(core, base) {
                self.drafts.fates[base.index()].stored = true;
                self.depend(step, at)?;
            }
        }
        self.drafts.steps[step as usize].operands = Span::since(first, self.drafts.seen.len());
        self.drafts.fates[id.index()].set_home(Home::After(step));
        self.drafts.fates[id.index()].stored = true;
        Ok(())
    }

    // ---- the graph of steps ----

    /// Notes that `step` needs what `on` makes.
    fn depend(&mut self, step: u32, on: u32) -> Result<(), OutOfMemory> {
        if self.is_linked(step, on) {
            return Ok(());
        }
        let next = self.drafts.steps[step as usize].deps;
        self.drafts.steps[step as usize].deps = self.edges.try_push(Edge { to: on, next })?;
        let next = self.drafts.steps[on as usize].users;
        self.drafts.steps[on as usize].users = self.edges.try_push(Edge { to: step, next })?;
        // Depths of everything that follows.
        self.stack.clear();
        self.stack.try_push(on)?;
        while let Some(at) = self.stack.pop() {
            let depth = self.drafts.steps[at as usize].depth + 1;
            let mut edge = self.drafts.steps[at as usize].users;
            while edge != NONE {
                let Edge { to, next } = self.edges[edge as usize];
                self.drafts.looks.note(1);
                if self.drafts.steps[to as usize].depth < depth {
                    self.drafts.steps[to as usize].depth = depth;
                    self.stack.try_push(to)?;
                }
                edge = next;
            }
        }
        Ok(())
    }

    /// Whether there is an edge between two steps, if it is among the newest of both.
    fn is_linked(&self, step: u32, on: u32) -> bool {
        let (mut dep, mut user) =
            (self.drafts.steps[step as usize].deps, self.drafts.steps[on as usize].users);
        for _ in 0..EDGES_MAX {
            self.drafts.looks.note(1);
            let (Some(one), Some(other)) =
                (self.edges.get(dep as usize), self.edges.get(user as usize))
            else {
                return false;
            };
            if one.to == on || other.to == step {
                return true;
            }
            (dep, user) = (one.next, other.next);
        }
        false
    }

    /// Whether a step can be made to wait for `on`: not if that waits for the step, nor if it would
    /// take long to find out or to note.
    fn can_wait(&self, step: u32, on: u32) -> bool {
        !self.reaches(step, on) && self.can_raise(step, self.drafts.steps[on as usize].depth + 1)
    }

    /// Whether few others get deeper when a step is made this deep.
    fn can_raise(&self, step: u32, depth: u32) -> bool {
        let draft = &self.drafts.steps[step as usize];
        if draft.depth >= depth || draft.users == NONE {
            return true;
        }
        let mut pending = [(0u32, 0u32); RAISE_MAX];
        let (mut count, mut looked) = (1, 0);
        pending[0] = (step, depth);
        while count > 0 {
            count -= 1;
            let (at, depth) = pending[count];
            let mut edge = self.drafts.steps[at as usize].users;
            while edge != NONE {
                let Edge { to, next } = self.edges[edge as usize];
                self.drafts.looks.note(1);
                looked += 1;
                if looked > RAISE_MAX {
                    return false;
                }
                if self.drafts.steps[to as usize].depth <= depth {
                    pending[count] = (to, depth + 1);
                    count += 1;
                }
                edge = next;
            }
        }
        true
    }

    /// Whether `to` needs, directly or not, what `from` makes. May say so when it does not.
    fn reaches(&self, from: u32, to: u32) -> bool {
        let depth = self.drafts.steps[from as usize].depth;
        if from == to {
            return true;
        }
        if self.drafts.steps[to as usize].depth <= depth {
            return false;
        }
        // A small search without memory of its own: paths are short, or the answer is "maybe".
        let mut pending = [0u32; 32];
        let (mut count, mut looked) = (1, 0);
        pending[0] = to;
        while count > 0 {
            count -= 1;
            let mut edge = self.drafts.steps[pending[count] as usize].deps;
            while edge != NONE {
                let Edge { to, next } = self.edges[edge as usize];
                self.drafts.looks.note(1);
                looked += 1;
                if to == from || looked > SEARCH_MAX {
                    return true;
                }
                if self.drafts.steps[to as usize].depth > depth {
                    if count == pending.len() {
                        return true;
                    }
                    pending[count] = to;
                    count += 1;
                }
                edge = next;
            }
        }
        false
    }
}

/// The one number in all elements of a node that has none, or is made of none. So no step but copies
/// ever walks over a shape with an axis of length 0, beside which others may be of any length.
///
/// Indices are checked even where nothing lies at them.
pub(super) fn value_of_nothing(core: &Core, node: &Node) -> Option<f64> {
    let source = match node.op {
        Op::Reduce(_) | Op::MatMul | Op::Embed => node.inputs[0],
        Op::IndexSelect | Op::IndexAdd | Op::Gather | Op::ScatterAdd | Op::Pick | Op::Unpick => {
            return (core.node(node.inputs[1]).len == 0).then_some(0.0);
        }
        // It is made where something was sent, to which there may be indices.
        Op::Assemble => return None,
        _ => NodeId::NONE,
    };
    let of_none = source.is_node() && core.node(source).len == 0;
    (node.len == 0 || of_none).then_some(match node.op {
        // Extremes of nothing were refused when they were recorded.
        Op::Reduce(Reduction::LogSumExp) => f64::NEG_INFINITY,
        Op::Reduce(Reduction::Mean) => f64::NAN,
        _ => 0.0,
    })
}

/// Whether a reduction can be made from parts.
fn can_join(core: &Core, id: NodeId) -> bool {
    matches!(core.node(id).op, Op::Reduce(reduction) if reduction != Reduction::LogSumExp)
}

/// The layout with the reduced axes last.
pub(super) fn reduced_last(layout: &Layout, kept: &[usize]) -> Layout {
    let mut order = Dims::SCALAR;
    for reduced in [false, true] {
        for axis in 0..kept.len() {
            if (layout.dims()[axis] != kept[axis]) == reduced {
                order.push(axis);
            }
        }
    }
    layout.permute(&order)
}
