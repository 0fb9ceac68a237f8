//! What has been sent to each node so far.
//!
//! A cotangent of the whole node is added at once. Those of views and of what was selected belong to
//! parts of a node with data of its own, their *base*, through however many views they were read: a
//! view of a view sends to the base directly. They are noted, and added when as many elements are
//! waiting as the base has, or when the walk arrives at it. So each costs what it has elements.

use crate::arena::TryPush;
use crate::error::Maybe;
use crate::graph::{Contribution, Core, Spot};
use crate::id::NodeId;
use crate::node::Op;
use crate::op::assemble::{Kind, Place};
use crate::op::{LEADS, Sink};
use crate::roll_call::Elem;
use crate::shape::Layout;
use crate::visit::Visit;

/// The cotangent of a node that the roots depend on by paths whose derivatives are all zero. It is
/// handed on as such, without arithmetic, in which 0 times infinity would be NaN.
pub(super) const ZERO: NodeId = NodeId::IMMEDIATE;

/// Said of a node whose gradient is asked for.
pub(super) const TARGET: u32 = 2;

const NONE: u32 = u32::MAX;

/// So many parts are put among zeros each, and added up: in the step that reads the sum.
const FEW: u32 = 4;

/// Elements that may wait for however small a base: a loop reads a few parameters at each step.
const MANY: usize = 1024;

/// Cotangents so far, by node.
pub(super) struct Cotangents {
    /// Of the nodes that the walk goes through; anything for others.
    pub(super) of: Vec<NodeId>,
    /// Of the nodes that stand for the expanded form of the `Pull` node `pull`, from `first` on.
    pub(super) expanded: Vec<NodeId>,
    pub(super) first: usize,
    pub(super) pull: NodeId,
    /// By node: its number among the spots, if the spot there is its own.
    pub(super) spot_of: Vec<u32>,
    pub(super) spots: Vec<Spot>,
    pub(super) parts: Vec<Contribution>,
    pub(super) words: Vec<u64>,
}

impl Cotangents {
    pub(super) fn get_mut(&mut self, id: NodeId) -> &mut NodeId {
        if id.index() >= self.first {
            &mut self.expanded[id.index() - self.first]
        } else {
            &mut self.of[id.index()]
        }
    }

    /// Whether gradients flow to a node. What stands for a `Pull` is recorded late, and must not
    /// flow where the `Pull` itself would not: to its operands, and from its value to the value's.
    pub(super) fn reach(&self, core: &Core, visit: &Visit, id: NodeId) -> bool {
        if !visit.has(id, LEADS) {
            return false;
        }
        if self.first == usize::MAX || id.index() >= self.first {
            return true;
        }
        let is_it = |path: NodeId| path == id;
        core.paths(self.pull).any(|path| is_it(path) || core.paths(path).any(is_it))
    }

    pub(super) fn add(
        &mut self,
        core: &mut Core,
        visit: &Visit,
        id: NodeId,
        cotangent: NodeId,
    ) -> Maybe<()> {
        if !self.reach(core, visit, id) {
            return Ok(());
        }
        let cotangent = core.sum_to(cotangent, id)?;
        let sum = match *self.get_mut(id) {
            NodeId::NONE | ZERO => cotangent,
            sum => core.map2(Elem::Add, sum, cotangent)?,
        };
        *self.get_mut(id) = sum;
        Ok(())
    }

    /// Notes that the roots depend on the operands of a node that has a cotangent: none of them
    /// counts as unused, whatever was sent to it.
    pub(super) fn note_paths(&mut self, core: &Core, visit: &Visit, id: NodeId) {
        for path in core.paths(id) {
            if self.reach(core, visit, path) && self.get_mut(path).is_none() {
                *self.get_mut(path) = ZERO;
            }
        }
    }

    pub(super) fn drain(&mut self, core: &mut Core, sink: &mut Sink) -> Maybe<()> {
        for (operand, cotangent) in sink.sent.drain(..) {
            self.add(core, &sink.visit, operand, cotangent)?;
        }
        Ok(())
    }

    // ---- parts ----

    fn spot(&self, id: NodeId) -> Option<usize> {
        let place = *self.spot_of.get(id.index())? as usize;
        self.spots.get(place).is_some_and(|spot| spot.node == id).then_some(place)
    }

    /// Where those who read a node send what belongs to a part of it: to its base, and where in that
    /// the node's elements are. A node whose own gradient is asked for gets all of it.
    fn base(&self, core: &Core, visit: &Visit, id: NodeId) -> (NodeId, Layout) {
        match self.spot(id) {
            Some(place) if !visit.has(id, TARGET) => {
                (self.spots[place].base, self.spots[place].layout)
            }
            _ => (id, Layout::dense(&core.shape(id))),
        }
    }

    fn new_spot(
        &mut self,
        core: &mut Core,
        id: NodeId,
        (base, layout): (NodeId, Layout),
    ) -> Maybe<usize> {
        let spot = Spot { node: id, base, layout, first: NONE, last: NONE, count: 0, elements: 0 };
        let made = self
            .spot_of
            .try_extend_to(id.index() + 1, NONE)
            .and_then(|()| self.spots.try_push(spot));
        let place = made.map_err(|_| core.out_of_memory("backward"))?;
        self.spot_of[id.index()] = place;
        Ok(place as usize)
    }

    /// Finds the base of a node that may be a view, after those of its operands.
    pub(super) fn find_base(&mut self, core: &mut Core, visit: &Visit, id: NodeId) -> Maybe<()> {
        let (op, x) = (core.node(id).op, core.node(id).inputs[0]);
        let is_view = match op {
            Op::Reshape | Op::Permute | Op::Slice | Op::AsStrided => true,
            Op::Expand => core.node(id).len == core.node(x).len,
            _ => false,
        };
        if !is_view {
            return Ok(());
        }
        let (base, below) = self.base(core, visit, x);
        let found = match core.view_layout(id, &below) {
            Some(layout) => (base, layout),
            None => {
                let own = Layout::dense(&core.shape(x));
                let Some(layout) = core.view_layout(id, &own) else {
                    unreachable!("{op:?} of dense data")
                };
                (x, layout)
            }
        };
        self.new_spot(core, id, found).map(|_| ())
    }

    /// Whether a node shows elements of another, its base.
    pub(super) fn is_view(&self, id: NodeId) -> bool {
        self.spot(id).is_some_and(|place| self.spots[place].base != id)
    }

    /// Hands the cotangent of a view or a selection on.
    pub(super) fn send_part(
        &mut self,
        core: &mut Core,
        visit: &Visit,
        of: NodeId,
        cotangent: NodeId,
    ) -> Maybe<()> {
        let node = *core.node(of);
        let is_view = self.is_view(of);
        let (base, layout) = self.readers_base(core, visit, of);
        let covers = node.len == 0 || node.len == core.node(base).len;
        if is_view
            && covers
            && let Some(whole) = core.embed_by(cotangent, &layout, base)?
        {
            return self.add(core, visit, base, whole);
        }
        let place = match self.spot(base) {
            Some(place) => place,
            None => {
                let own = Layout::dense(&core.shape(base));
                self.new_spot(core, base, (base, own))?
            }
        };
        let part = self.parts.try_push(Contribution { of, cotangent, next: NONE });
        let part = part.map_err(|_| core.out_of_memory("backward"))?;
        let spot = &mut self.spots[place];
        match spot.count {
            0 => spot.first = part,
            _ => self.parts[spot.last as usize].next = part,
        }
        (spot.last, spot.count) = (part, spot.count + 1);
        spot.elements += node.len;
        // Waiting takes memory; adding takes time in proportion to the base, as those elements do.
        if spot.elements >= (2 * core.node(base).len).max(MANY) {
            self.settle(core, visit, base)
        } else {
            Ok(())
        }
    }

    /// Adds what is waiting for a node.
    pub(super) fn settle(&mut self, core: &mut Core, visit: &Visit, id: NodeId) -> Maybe<()> {
        let Some(place) = self.spot(id) else { return Ok(()) };
        let spot = &mut self.spots[place];
        let (first, count) = (spot.first, spot.count);
        (spot.first, spot.last, spot.count, spot.elements) = (NONE, NONE, 0, 0);
        if count > FEW || count > 0 && !self.are_slices(core, visit, id, first) {
            return self.assemble(core, visit, id, first);
        }
        let mut at = first;
        while let Some(&part) = self.parts.get(at as usize) {
            at = part.next;
            let (index, Place { kind, layout }) = self.place(core, visit, part.of);
            let x = core.node(part.of).inputs[0];
            let block = match kind {
                Kind::Block => part.cotangent,
                Kind::Select(along) => core.add_slices(part.cotangent, index, along, x)?,
                Kind::Gather(along) => core.scatter_zeros(part.cotangent, index, along, x)?,
            };
            if let Some(whole) = core.embed_by(block, &layout, id)? {
                self.add(core, visit, id, whole)?;
            }
        }
        Ok(())
    }

    /// The index of what sends to a part, and the place of that part.
    fn place(&self, core: &Core, visit: &Visit, of: NodeId) -> (NodeId, Place) {
        let node = core.node(of);
        let kind = match node.op {
            Op::Structural(kind) => kind.chosen(core, node).unwrap_or(Kind::Block),
            _ => Kind::Block,
        };
        (node.inputs[1], Place { kind, layout: self.readers_base(core, visit, of).1 })
    }

    /// Where a view or a selection sends its cotangent: for a view, the places of its elements; for a
    /// selection, of those that it chooses from.
    fn readers_base(&self, core: &Core, visit: &Visit, of: NodeId) -> (NodeId, Layout) {
        match self.spot(of) {
            Some(place) if self.is_view(of) => (self.spots[place].base, self.spots[place].layout),
            _ => self.base(core, visit, core.node(of).inputs[0]),
        }
    }

    /// Whether all parts of a list are slices of their base.
    fn are_slices(&self, core: &Core, visit: &Visit, base: NodeId, first: u32) -> bool {
        let dims = core.shape(base);
        self.list(first).all(|part| {
            self.place(core, visit, part.of).1.layout.as_slices_forwards(&dims).is_some()
        })
    }

    fn list(&self, first: u32) -> impl Iterator<Item = &Contribution> + Clone {
        let part = |at: u32| self.parts.get(at as usize);
        std::iter::successors(part(first), move |before| part(before.next))
    }

    /// Adds a list of parts in one operation, to what there is.
    fn assemble(&mut self, core: &mut Core, visit: &Visit, base: NodeId, first: u32) -> Maybe<()> {
        let before = self.of[base.index()];
        let is_begun = before != ZERO && !before.is_none();
        let whole = Place { kind: Kind::Block, layout: Layout::dense(&core.shape(base)) };
        let begin = is_begun.then_some((before, NodeId::NONE, whole));
        let mut words = std::mem::take(&mut self.words);
        let parts = self.list(first).map(|part| {
            let (index, place) = self.place(core, visit, part.of);
            (part.cotangent, index, place)
        });
        let sum = match core.list_parts(begin.into_iter().chain(parts), &mut words) {
            Ok(()) => core.assemble(base, &words),
            Err(_) => Err(core.out_of_memory("backward")),
        };
        self.words = words;
        self.of[base.index()] = sum?;
        Ok(())
    }
}
