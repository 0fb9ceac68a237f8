//! Backward is more graph: one reverse walk that records cotangent nodes.
//!
//! From the roots down the ids, each node's cotangent is complete when the walk arrives at it,
//! because whoever uses a node has a larger id. The walk is a loop, never a recursion. Here, and
//! only here, cotangents are summed back to the shape of operands that were broadcast.

mod cotangents;
mod expand;
#[cfg(test)]
mod tests;

use crate::arena::TryPush;
use crate::error::{ErrorKind, Maybe};
use crate::graph::{Core, Operand, WalkScratch};
use crate::id::NodeId;
use crate::node::Op;
use crate::op::{LEADS, Sink};
use crate::roll_call::Elem;
use crate::visit::Visit;
use cotangents::{Cotangents, TARGET, ZERO};
pub(crate) use expand::expand;

/// Fills `list` with `len` times "none".
fn clear(core: &mut Core, list: &mut Vec<NodeId>, len: usize) -> Maybe<()> {
    list.clear();
    list.try_extend_to(len, NodeId::NONE).map_err(|_| core.out_of_memory("backward"))
}

impl Core {
    /// Records the cotangents of the nodes on all ways from the roots to targets, none of which has an
    /// id below `least`. `found(core, node, cotangent)` is told of each target, in falling order of ids.
    fn walk(
        &mut self,
        roots: &[(NodeId, NodeId)],
        least: NodeId,
        is_target: impl FnMut(&Core, NodeId) -> bool,
        mut found: impl FnMut(&mut Core, NodeId, NodeId) -> Maybe<()>,
    ) -> Maybe<()> {
        let mut scratch = std::mem::take(&mut self.walk_scratch);
        let mut cotangents = Cotangents {
            of: std::mem::take(&mut scratch.cotangents),
            expanded: std::mem::take(&mut scratch.expanded),
            first: usize::MAX,
            pull: NodeId::NONE,
            spot_of: std::mem::take(&mut scratch.spot_of),
            spots: std::mem::take(&mut scratch.spots),
            parts: std::mem::take(&mut scratch.parts),
            words: std::mem::take(&mut scratch.words),
        };
        let mut sink = Sink {
            of: NodeId::NONE,
            sent: std::mem::take(&mut scratch.sent),
            visit: std::mem::take(&mut scratch.visit),
            is_forward: false,
        };
        let walked = (|| {
            self.find_ways(roots, least, is_target, &mut cotangents, &mut sink.visit)?;
            for &(root, head) in roots {
                cotangents.add(self, &sink.visit, root, head)?;
            }
            for k in (0..sink.visit.found().len()).rev() {
                let id = sink.visit.found()[k];
                if !sink.visit.has(id, LEADS) {
                    continue;
                }
                cotangents.settle(self, &sink.visit, id)?;
                let g = cotangents.of[id.index()];
                if sink.visit.has(id, TARGET) {
                    found(self, id, g)?;
                }
                if self.ways.is_some() {
                    self.note_way(id)?;
                }
                if self.node(id).op != Op::Leaf {
                    self.vjp(id, g, &mut cotangents, &mut sink)?;
                }
            }
            Ok(())
        })();
        sink.sent.clear();
        cotangents.spots.clear();
        cotangents.parts.clear();
        self.walk_scratch = WalkScratch {
            visit: sink.visit,
            cotangents: cotangents.of,
            expanded: cotangents.expanded,
            spot_of: cotangents.spot_of,
            spots: cotangents.spots,
            parts: cotangents.parts,
            words: cotangents.words,
            sent: sink.sent,
            ..scratch
        };
        walked
    }

    /// Finds what the roots depend on, then, upwards, what of that leads to a target; and of which
    /// nodes the views among it show a part.
    fn find_ways(
        &mut self,
        roots: &[(NodeId, NodeId)],
        least: NodeId,
        mut is_target: impl FnMut(&Core, NodeId) -> bool,
        cotangents: &mut Cotangents,
        visit: &mut Visit,
    ) -> Maybe<()> {
        let searched = visit.search(
            self.len(),
            roots.iter().map(|&(root, _)| root),
            |id| id >= least,
            |id| self.paths(id),
        );
        let top = visit.found().last().map_or(0, |last| last.index() + 1);
        let made = searched.and_then(|()| cotangents.of.try_extend_to(top, NodeId::NONE));
        made.map_err(|_| self.out_of_memory("backward"))?;
        for k in 0..visit.found().len() {
            let id = visit.found()[k];
            cotangents.of[id.index()] = NodeId::NONE;
            if self.paths(id).any(|path| visit.has(path, LEADS)) {
                visit.set(id, LEADS);
                cotangents.find_base(self, visit, id)?;
            }
            if is_target(self, id) {
                visit.set(id, TARGET);
            }
        }
        Ok(())
    }

    /// Notes that what is recorded from here on is the rule of a node.
    #[cold]
    fn note_way(&mut self, id: NodeId) -> Maybe<()> {
        let first = self.len() as u32;
        let noted = self.ways.as_mut().map_or(Ok(0), |ways| ways.try_push((first, id)));
        noted.map(|_| ()).map_err(|_| self.out_of_memory("backward"))
    }

    /// Adds the cotangents that a node sends to its operands.
    fn vjp(
        &mut self,
        id: NodeId,
        g: NodeId,
        cotangents: &mut Cotangents,
        sink: &mut Sink,
    ) -> Maybe<()> {
        if g != ZERO {
            sink.of = id;
            self.send(id, g, cotangents, sink)?;
            cotangents.drain(self, sink)?;
        }
        cotangents.note_paths(self, &sink.visit, id);
        Ok(())
    }

    fn send(
        &mut self,
        id: NodeId,
        g: NodeId,
        cotangents: &mut Cotangents,
        sink: &mut Sink,
    ) -> Maybe<()> {
        match self.node(id).op {
            Op::Pull(elem, i) => self.vjp_pull(elem, i, id, g, cotangents, sink),
            Op::Reshape | Op::Permute | Op::Expand | Op::Slice | Op::AsStrided => {
                self.vjp_part(id, g, cotangents, sink)
            }
            Op::Structural(kind) if kind.chosen(self, self.node(id)).is_some() => {
                self.vjp_part(id, g, cotangents, sink)
            }
            _ => self.vjp_of_rule(id, g, sink),
        }
    }

    /// Sends the cotangents of the operands of a node by its own rule: one that is no pull, and shows or
    /// selects no part of another node.
    pub(crate) fn vjp_of_rule(&mut self, id: NodeId, g: NodeId, sink: &mut Sink) -> Maybe<()> {
        let op = self.node(id).op;
        match op {
            Op::Map(elem) => self.vjp_map(elem, id, g, sink),
            Op::Where => self.vjp_where(id, g, sink),
            Op::Cast => self.vjp_cast(id, g, sink),
            Op::Reduce(reduction) => self.vjp_reduce(reduction, id, g, sink),
            Op::Softmax => self.vjp_softmax(id, g, sink),
            Op::LogSoftmax => self.vjp_log_softmax(id, g, sink),
            Op::Embed => self.vjp_embed(id, g, sink),
            Op::Concat => self.vjp_concat(id, g, sink),
            Op::Assemble => self.vjp_assemble(id, g, sink),
            Op::Prod => self.vjp_prod(id, g, sink),
            Op::MatMul => self.vjp_matmul(id, g, sink),
            Op::Structural(kind) => kind.vjp(self, id, g, sink),
            Op::Custom(custom) => self.vjp_custom(custom.part, id, g, sink),
            Op::Leaf
            | Op::Fill
            | Op::DropoutMask
            | Op::Detach
            | Op::Integer(_)
            | Op::Compare(_)
            | Op::ArgReduce(_) => Ok(()),
            Op::Pull(..) | Op::Reshape | Op::Permute | Op::Expand | Op::Slice | Op::AsStrided => {
                unreachable!("{op:?} is the walk's business")
            }
        }
    }

    /// The cotangent of what was read from a part of another node.
    fn vjp_part(
        &mut self,
        id: NodeId,
        g: NodeId,
        cotangents: &mut Cotangents,
        sink: &mut Sink,
    ) -> Maybe<()> {
        let node = *self.node(id);
        if node.op == Op::Expand && !cotangents.is_view(id) {
            return self.vjp_expand(id, g, sink);
        }
        if !sink.wants(self, node.inputs[0]) {
            return Ok(());
        }
        cotangents.send_part(self, &sink.visit, id, g)
    }

    /// A gradient is itself differentiated: the rule behind the compact node is recorded in full,
    /// and the walk goes through that recording instead.
    fn vjp_pull(
        &mut self,
        elem: Elem,
        i: u8,
        id: NodeId,
        g: NodeId,
        cotangents: &mut Cotangents,
        sink: &mut Sink,
    ) -> Maybe<()> {
        let first = self.len();
        // The recording must know which of its nodes need gradients, whoever asks for them.
        let no_grad = std::mem::replace(&mut self.no_grad, 0);
        let expanded = expand(self, elem, i as usize, *self.node(id));
        self.no_grad = no_grad;
        let Operand::Node(root) = expanded? else { return Ok(()) };
        let last = self.len();
        let mut list = std::mem::take(&mut cotangents.expanded);
        clear(self, &mut list, last - first)?;
        (cotangents.expanded, cotangents.first, cotangents.pull) = (list, first, id);
        let walked = (|| {
            sink.visit.extend_to(last).map_err(|_| self.out_of_memory("backward"))?;
            for id in (first as u32..last as u32).map(NodeId) {
                if self.paths(id).any(|path| cotangents.reach(self, &sink.visit, path)) {
                    sink.visit.set(id, LEADS);
                }
            }
            cotangents.add(self, &sink.visit, root, g)?;
            for id in (first as u32..last as u32).rev().map(NodeId) {
                let g = *cotangents.get_mut(id);
                if !g.is_none() {
                    // Rules are made of operations that are no `Pull`s, so this goes no deeper.
                    self.vjp(id, g, cotangents, sink)?;
                }
            }
            Ok(())
        })();
        cotangents.first = usize::MAX;
        walked
    }

    /// A node for the cotangent of `id`.
    fn written_out(&mut self, id: NodeId, cotangent: NodeId) -> Maybe<NodeId> {
        if cotangent == ZERO { self.fill_like(id, 0.0) } else { Ok(cotangent) }
    }

    /// The head gradients of the roots: those given, else ones for single elements.
    fn heads(
        &mut self,
        what: &str,
        roots: &[(NodeId, Option<NodeId>)],
    ) -> Maybe<Vec<(NodeId, NodeId)>> {
        let mut out = std::mem::take(&mut self.walk_scratch.heads);
        out.clear();
        if out.try_room(roots.len()).is_err() {
            return Err(self.out_of_memory(what));
        }
        for (i, &(y, head)) in roots.iter().enumerate() {
            if !self.node(y).requires_grad {
                return Err(self.fail(
                    ErrorKind::Gradient,
                    format_args!(
                        "{what}: element {i} of tensors does not require grad and does not have a \
                         grad_fn"
                    ),
                ));
            }
            let head = match head {
                None if self.node(y).len == 1 => self.fill_like(y, 1.0)?,
                None => {
                    let dims = self.shape(y);
                    return Err(self.fail(
                        ErrorKind::Gradient,
                        format_args!(
                            "{what}: grad can be implicitly created only for scalar outputs, not \
                             for {dims:?}: give a head gradient"
                        ),
                    ));
                }
                Some(head) => {
                    let (want, have) = (*self.node(y), *self.node(head));
                    if want.shape != have.shape {
                        let (want, have) = (self.shape(y), self.shape(head));
                        return Err(self.fail(
                            ErrorKind::Shape,
                            format_args!("{what}: the head gradient must have the shape {want:?} of the value, not {have:?}"),
                        ));
                    }
                    if want.dtype != have.dtype {
                        return Err(self.fail(
                            ErrorKind::DType,
                            format_args!(
                                "{what}: the head gradient must be {} like the value, not {}: use cast",
                                want.dtype, have.dtype
                            ),
                        ));
                    }
                    head
                }
            };
            out.push_within((y, head));
        }
        Ok(out)
    }

    /// Records the gradients of the roots with respect to every leaf that requires one, and every
    /// node that retains its own. The caller drops the recorded nodes after use.
    pub(crate) fn record_backward(
        &mut self,
        roots: &[(NodeId, Option<NodeId>)],
        targets: &mut Vec<(NodeId, NodeId)>,
    ) -> Maybe<()> {
        self.no_grad += 1;
        let recorded = self.heads("backward", roots).and_then(|heads| {
            let is_target = |core: &Core, id: NodeId| {
                let node = core.node(id);
                node.requires_grad && (node.op == Op::Leaf || node.has_slot())
            };
            let walked = self.walk(&heads, NodeId(0), is_target, |core, id, g| {
                let g = core.written_out(id, g)?;
                targets.try_push((id, g)).map_err(|_| core.out_of_memory("backward"))?;
                Ok(())
            });
            self.walk_scratch.heads = heads;
            walked
        });
        self.no_grad -= 1;
        recorded
    }

    /// Records the gradients of the roots with respect to `xs`, as nodes that can be
    /// differentiated again; "none" for an `x` that the roots do not depend on.
    pub(crate) fn record_grad(
        &mut self,
        roots: &[(NodeId, Option<NodeId>)],
        xs: &[NodeId],
        allow_unused: bool,
        out: &mut [NodeId],
    ) -> Maybe<()> {
        let what = "grad";
        if let Some(i) = xs.iter().position(|&x| !self.node(x).requires_grad) {
            return Err(self.fail(
                ErrorKind::Gradient,
                format_args!(
                    "{what}: input {i} does not require grad: set requires_grad before recording"
                ),
            ));
        }
        out.fill(NodeId::NONE);
        if allow_unused && !roots.iter().any(|&(y, _)| self.node(y).requires_grad) {
            return Ok(()); // no root depends on anything that has a gradient
        }
        let heads = self.heads(what, roots)?;
        let walked = self.walk_to(&heads, xs, out);
        self.walk_scratch.heads = heads;
        walked?;
        match out.iter().position(|x| x.is_none()) {
            Some(i) if !allow_unused => Err(self.fail(
                ErrorKind::Gradient,
                format_args!(
                    "{what}: input {i} is not used by the outputs: allow unused inputs, or leave it out"
                ),
            )),
            _ => Ok(()),
        }
    }

    /// Records the gradients with respect to `xs`.
    fn walk_to(
        &mut self,
        heads: &[(NodeId, NodeId)],
        xs: &[NodeId],
        out: &mut [NodeId],
    ) -> Maybe<()> {
        let mut order = std::mem::take(&mut self.walk_scratch.order);
        let walked = (|| {
            order.clear();
            order.try_extend_to(xs.len(), 0).map_err(|_| self.out_of_memory("grad"))?;
            order.iter_mut().enumerate().for_each(|(k, i)| *i = k as u32);
            order.sort_unstable_by_key(|&i| xs[i as usize]);
            let least = order.first().map_or(NodeId(0), |&i| xs[i as usize]);
            // Ids rise on the way up, and fall on the way down.
            let (mut right, mut left) = (&*order, &*order);
            let is_target = |_: &Core, id: NodeId| {
                while let Some((&i, after)) = right.split_first()
                    && xs[i as usize] < id
                {
                    right = after;
                }
                right.first().is_some_and(|&i| xs[i as usize] == id)
            };
            self.walk(heads, least, is_target, |core, id, g| {
                let g = core.written_out(id, g)?;
                while let Some((&i, before)) = left.split_last()
                    && xs[i as usize] >= id
                {
                    if xs[i as usize] == id {
                        out[i as usize] = g;
                    }
                    left = before;
                }
                Ok(())
            })
        })();
        self.walk_scratch.order = order;
        walked
    }
}
