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

mod depend;
mod join;

use super::draft::{Aim, Draft, Drafts, Fate, Home, Source, What};
use super::{Grain, Groups, ROW_MAX, Span};
use crate::arena::{OutOfMemory, TryPush};
use crate::graph::Core;
use crate::id::NodeId;
use crate::level::Level;
use crate::node::{Node, Op, Reduction};
use crate::op::structural::Form;
use crate::shape::{Dims, Layout};
use crate::task::Around;

/// Members of a step of one tile beyond which it takes on no more, for a read and for a backward. What
/// is kept in registers is then as much memory as data would be, so little is lost; and the lists in
/// which a step is written stay short. But a backward reads most of what its forward makes: there a
/// cut has many values go through data of their own.
const MEMBERS_MAX: [u32; 2] = [1 << 14, 1 << 16];

/// Operands of a member, at most: of a concatenation. One of more is a step of its own, in which each
/// operand is looked at once, rather than once a tile.
const OPERANDS: usize = 8;

/// What is to be put into a step.
#[derive(Clone, Copy)]
struct Asked {
    id: NodeId,
    what: What,
    /// Elements of the step's space.
    len: usize,
    /// The length that rows of the step must have, 0 for any.
    row: usize,
    /// How many of `operands` are its own.
    count: usize,
    aim: Aim,
}

impl Asked {
    /// A node that has `count` operands, for its own sake.
    fn new(id: NodeId, what: What, len: usize, count: usize) -> Self {
        Self { id, what, len, row: 0, count, aim: Aim::Node }
    }

    fn in_rows(self, row: usize) -> Self {
        Self { row, ..self }
    }
}

/// The memory for this, kept from plan to plan.
pub(super) struct Grouping {
    pub(super) drafts: Drafts,
    /// Members of a step of one tile, at most: in a read and in a backward.
    pub(super) members_max: [u32; 2],
    /// What is computed again, and in which step.
    again: Vec<(u32, NodeId)>,
    /// The newest fused step of a length, newest last.
    latest: Vec<(usize, u32)>,
    stack: Vec<u32>,
    /// Those of the node at hand.
    operands: [Source; OPERANDS],
}

impl Grouping {
    pub(super) fn new(level: Level) -> Self {
        Self {
            drafts: Drafts::new(level),
            members_max: MEMBERS_MAX,
            again: Vec::new(),
            latest: Vec::new(),
            stack: Vec::new(),
            operands: [Source::Absent; OPERANDS],
        }
    }

    /// Bytes of memory that it holds.
    pub(super) fn bytes(&self) -> usize {
        let Self { drafts, again, latest, stack, .. } = self;
        drafts.bytes() + again.bytes() + latest.bytes() + stack.bytes()
    }

    /// Begins a plan.
    pub(super) fn start(
        &mut self,
        core: &Core,
        temporaries: usize,
        is_lean: bool,
    ) -> Result<(), OutOfMemory> {
        self.drafts.clear();
        (self.drafts.temporaries, self.drafts.is_lean) = (temporaries, is_lean);
        self.drafts.is_thrifty = is_lean || core.checkpoint_count() > 0;
        self.again.clear();
        self.latest.clear();
        self.drafts.fates.try_extend_to(core.len(), Fate::BLANK)
    }

    /// Has a node copied to the result `k`.
    pub(super) fn copy(&mut self, core: &Core, id: NodeId, k: u32) -> Result<(), OutOfMemory> {
        let node = core.node(id);
        self.operands[0] = self.drafts.source(core, id, node.shape)?;
        let asked = Asked::new(id, What::Copy, node.len, 1);
        self.join(core, Asked { aim: Aim::Result(k), ..asked })
    }

    /// Sees to it that a node that is computed has dense data of its own in memory.
    pub(super) fn materialise(&mut self, core: &Core, id: NodeId) -> Result<(), OutOfMemory> {
        let node = core.node(id);
        let is_shown = node.op == Op::Embed && !self.drafts.has_own(id);
        if is_shown && self.drafts.number(self.drafts.shown_by(id)).is_none() {
            // In long runs of zeros and of the block, rather than in tiles.
            self.drafts.fates[id.index()].set_home(Home::Ready);
            return self.single_step(core, id, node);
        }
        self.own(core, id)?;
        if self.drafts.walk.is_needed(id) {
            self.drafts.fates[id.index()].stored = true;
        }
        Ok(())
    }

    /// Sees to it that a node has dense data of its own, at least within a step.
    fn own(&mut self, core: &Core, id: NodeId) -> Result<(), OutOfMemory> {
        if !self.drafts.has_own(id) {
            self.operands[0] = self.drafts.source(core, id, core.node(id).shape)?;
            self.drafts.fates[id.index()].set_home(Home::Ready);
            self.join(core, Asked::new(id, What::Copy, core.node(id).len, 1))?;
        }
        Ok(())
    }

    /// Finds the operands of an elementwise node; how many there are.
    fn set_operands(&mut self, core: &Core, node: &Node) -> Result<usize, OutOfMemory> {
        let mut count = 0;
        for (k, &input) in node.inputs.iter().enumerate() {
            self.operands[k] = match input {
                NodeId::NONE => Source::Absent,
                NodeId::IMMEDIATE => self.drafts.splat(node.imm)?,
                input => self.drafts.source(core, input, node.shape)?,
            };
            if input != NodeId::NONE {
                count = k + 1;
            }
        }
        Ok(count)
    }

    /// Notes what a view or a constant shows.
    fn show(&mut self, core: &Core, id: NodeId) -> Result<(), OutOfMemory> {
        let node = core.node(id);
        if node.op == Op::Fill {
            return self.show_constant(id, node.imm);
        }
        if let Some(source) = self.drafts.look_through(core, id)? {
            return self.drafts.show(id, source);
        }
        // The node below gets data of its own first.
        self.own(core, node.inputs[0])?;
        let Some(source) = self.drafts.look_through(core, id)? else {
            unreachable!("{:?} of dense data", node.op)
        };
        self.drafts.show(id, source)
    }

    pub(super) fn assign(&mut self, core: &Core, id: NodeId) -> Result<(), OutOfMemory> {
        let node = *core.node(id);
        if let Some(value) = value_of_nothing(core, &node) {
            return self.show_constant(id, value);
        }
        match node.op {
            op if op.is_view() || op == Op::Fill => self.show(core, id),
            Op::Embed if !self.drafts.single => self.show(core, id),
            op if op.is_elementwise() => {
                let count = self.set_operands(core, &node)?;
                let operands = &self.operands[..count];
                if operands.iter().all(|operand| operand.base().is_none()) {
                    let constant = self.drafts.fold(core, &node, operands)?;
                    return self.drafts.show(id, constant);
                }
                self.join(core, Asked::new(id, What::Map, node.len, count))
            }
            Op::DropoutMask => self.join(core, Asked::new(id, What::Mask, node.len, 0)),
            Op::Reduce(reduction) => self.assign_reduction(core, id, &node, reduction),
            Op::ArgReduce(_) => {
                let x = node.inputs[0];
                let groups = Groups::of(&core.shape(x), &core.dims(node.list));
                let row = match groups {
                    Some(Groups { reduced, inner: 1, .. }) => reduced,
                    _ => 0,
                };
                if (2..=ROW_MAX).contains(&row) && node.len > 0 {
                    self.operands[0] = self.drafts.source(core, x, core.node(x).shape)?;
                    let len = core.node(x).len;
                    self.join(core, Asked::new(id, What::Fold, len, 1).in_rows(row))
                } else {
                    self.single_step(core, id, &node)
                }
            }
            Op::Softmax | Op::LogSoftmax => {
                let axis = core.list(node.list)[0] as usize;
                let Around { len, inner, .. } = Around::new(&core.shape(id), axis);
                let row = len * inner;
                if (1..=ROW_MAX).contains(&row) {
                    self.operands[0] = self.drafts.source(core, node.inputs[0], node.shape)?;
                    self.join(core, Asked::new(id, What::Rows, node.len, 1).in_rows(row))
                } else {
                    self.single_step(core, id, &node)
                }
            }
            Op::Structural(kind) => match kind.rule().joins() {
                Some(joins) => self.assign_rows(core, id, &node, joins.form),
                None => self.single_step(core, id, &node),
            },
            Op::Concat if !self.drafts.single && core.operands(id).count() <= OPERANDS => {
                self.assign_concat(core, id, &node)
            }
            _ => self.single_step(core, id, &node),
        }
    }

    /// What makes one element of each row, or a row of each element.
    fn assign_rows(
        &mut self,
        core: &Core,
        id: NodeId,
        node: &Node,
        form: Form,
    ) -> Result<(), OutOfMemory> {
        let [x, each, ..] = node.inputs;
        let (what, rows) = match form {
            Form::FromRows => (What::FromRows, x),
            Form::ToRows => (What::ToRows, id),
        };
        let row = core.shape(rows).last().copied().unwrap_or(1);
        self.operands[0] = self.drafts.source(core, x, core.node(x).shape)?;
        self.operands[1] = self.drafts.source(core, each, core.node(each).shape)?;
        let (joins, row) = match form {
            Form::FromRows => {
                let home = match self.operands[0] {
                    Source::Dense(base) => self.drafts.home(base),
                    _ => Home::Ready,
                };
                let is_inside = matches!(home, Home::In(step, Grain::Element) if {
                    let draft = self.drafts.steps[step as usize];
                    draft.len == core.node(x).len && draft.row == row && row > 1
                });
                (is_inside && !self.drafts.single, 0)
            }
            Form::ToRows => ((2..=ROW_MAX).contains(&row), row),
        };
        if !joins {
            return self.single_step(core, id, node);
        }
        self.join(core, Asked::new(id, what, node.len, 2).in_rows(row))
    }

    /// A concatenation is made where it is read: its operands lie in memory, in any layout.
    fn assign_concat(&mut self, core: &Core, id: NodeId, node: &Node) -> Result<(), OutOfMemory> {
        for operand in core.operands(id) {
            if let Source::Padded(..) = self.drafts.shown_by(operand) {
                self.own(core, operand)?;
            }
        }
        let mut count = 0;
        for operand in core.operands(id) {
            let source = self.drafts.source(core, operand, core.node(operand).shape)?;
            // (Elsewhere in the tiles than the result, however they lie.)
            self.operands[count] = match self.drafts.layout_of(source, &core.shape(operand)) {
                Some((base, layout)) => self.drafts.strided(base, layout)?,
                None => source,
            };
            count += 1;
        }
        self.join(core, Asked::new(id, What::Concat, node.len, count))?;
        let first = self.drafts.sources.len() - count;
        let operands = Span { first: first as u32, count: count as u32 };
        self.drafts.concats.try_push((id, operands))?;
        Ok(())
    }

    fn show_constant(&mut self, id: NodeId, value: f64) -> Result<(), OutOfMemory> {
        let constant = self.drafts.splat(value)?;
        self.drafts.show(id, constant)
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
        self.operands[0] = self.drafts.source(core, x, core.node(x).shape)?;
        let adds = matches!(reduction, Reduction::Sum | Reduction::Mean | Reduction::Norm);
        let number = self.drafts.number(self.operands[0]);
        if adds && number.is_some_and(|number| number.to_bits() == 0) {
            // Such as the gradient of nothing, which may have been broadcast without end.
            return self.show_constant(id, 0.0);
        }
        let Some(groups) = groups else {
            if let Source::Padded(..) = self.operands[0] {
                self.own(core, x)?;
                self.operands[0] = self.drafts.source(core, x, core.node(x).shape)?;
            }
            // In which order elements are added follows from the shape alone, never from where
            // they lie: the reduced axes are moved to the end.
            if let Some((base, layout)) = self.drafts.layout_of(self.operands[0], &dims) {
                self.operands[0] = self.drafts.strided(base, reduced_last(&layout, &kept))?;
            }
            if whole_rows {
                // However long: only gathering makes rows of what does not lie in rows.
                let reduced = len / node.len;
                return self.join(core, Asked::new(id, What::MovedFold, len, 1).in_rows(reduced));
            }
            return self.join(core, Asked::new(id, What::MovedSink, len, 1));
        };
        let is_row = groups.inner == 1 && groups.reduced <= ROW_MAX;
        if is_row {
            return self.join(core, Asked::new(id, What::Fold, len, 1).in_rows(groups.reduced));
        }
        if whole_rows {
            return self.single_step(core, id, node);
        }
        self.join(core, Asked::new(id, What::Sink, len, 1))
    }

    /// A step of its own for a node that cannot be fused.
    fn single_step(&mut self, core: &Core, id: NodeId, node: &Node) -> Result<(), OutOfMemory> {
        for operand in core.operands(id) {
            let source = self.drafts.source(core, operand, core.node(operand).shape)?;
            let fits = match self.drafts.layout_of(source, &core.shape(operand)) {
                Some((_, layout)) => match node.op {
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
                None => false,
            };
            if !fits {
                self.materialise(core, operand)?;
            }
        }
        let step = self.drafts.steps.try_push(Draft::new(node.len, id))?;
        let first = self.drafts.sources.len();
        for operand in core.operands(id) {
            let source = self.drafts.source(core, operand, core.node(operand).shape)?;
            self.drafts.sources.try_push(source)?;
            let Some(base) = source.base() else { unreachable!("constants were given data") };
            if let Home::In(at, _) | Home::After(at) = self.drafts.home(base) {
                self.drafts.fates[base.index()].stored = true;
                self.depend(step, at)?;
            }
        }
        self.drafts.steps[step as usize].operands = Span::since(first, self.drafts.sources.len());
        self.drafts.fates[id.index()].set_home(Home::After(step));
        self.drafts.fates[id.index()].stored = true;
        Ok(())
    }
}

/// The one number in all elements of a node that has none, or is made of none. So no step but copies
/// ever walks over a shape with an axis of length 0, beside which others may be of any length.
pub(super) fn value_of_nothing(core: &Core, node: &Node) -> Option<f64> {
    let source = match node.op {
        Op::Reduce(_) | Op::MatMul | Op::Embed => node.inputs[0],
        Op::Structural(kind) => return kind.rule().is_nothing(core, node).then_some(0.0),
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
