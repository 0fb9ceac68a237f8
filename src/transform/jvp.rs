//! Forward mode: how outputs move when inputs do, as nodes.
//!
//! One walk up the ids. A rule that is linear in an operand is applied to the tangent in that
//! operand's place. An elementwise rule's tangent is the sum of its pulls with tangents in the
//! cotangent's place, for a pull is linear in the cotangent. For everything else the reverse rule is
//! transposed: its cotangents are recorded for a head gradient u, and the gradient of these with
//! respect to u, with tangents as head gradients, is the tangent of the value (J. Townsend, "A new
//! trick for calculating Jacobian vector products", 2017). So every operation that has a reverse rule
//! has a forward one.

use super::{Between, is_cut_off};
use crate::arena::TryPush;
use crate::callback::{MOST, Part};
use crate::error::{ErrorKind, Maybe};
use crate::grad::expand;
use crate::graph::{Core, Image, NewNode, Operand, operand_word};
use crate::id::NodeId;
use crate::node::{INLINE_OPERANDS, Node, Op, Reduction};
use crate::op::{Cotangent, Rule, Sink};
use crate::roll_call::Elem;

/// In which operands an operation is linear, each for itself, as bits.
fn linear_in(op: Op) -> u8 {
    match op {
        Op::Reduce(Reduction::Sum | Reduction::Mean)
        | Op::Cast
        | Op::Reshape
        | Op::Permute
        | Op::Expand
        | Op::Slice
        | Op::AsStrided
        | Op::Embed => 1,
        Op::MatMul => 0b11,
        Op::Structural(kind) => kind.rule().linear_in(),
        _ => 0,
    }
}

/// The operands through which tangents flow: all that a gradient would flow to, and those that need
/// none. What was recorded without gradients, or detached, is constant.
pub(crate) fn moving(core: &Core, id: NodeId) -> impl Iterator<Item = NodeId> + '_ {
    let node = core.node(id);
    let flows = node.op.is_differentiable() && node.dtype.is_float();
    // The first operand of a product is its value: gradients, and so tangents, come from the second,
    // the elements that it is a product of.
    let hidden = usize::from(node.op == Op::Prod);
    let all = core.operands_and_paths(id).skip(hidden);
    let moving = all.filter(move |&(operand, is_path)| flows && moves(core, operand, is_path));
    moving.map(|(operand, _)| operand)
}

fn moves(core: &Core, operand: NodeId, is_path: bool) -> bool {
    core.node(operand).dtype.is_float() && !is_cut_off(core, operand, is_path)
}

impl Core {
    /// Records the tangents of `ys` where each of `xs` moves by its tangent: zeros for what does not
    /// depend on them.
    pub(crate) fn record_jvp(
        &mut self,
        between: &mut Between,
        ys: &[NodeId],
        xs: &[NodeId],
        tangents: &[NodeId],
        out: &mut [NodeId],
    ) -> Maybe<()> {
        self.check_tangents(xs, tangents)?;
        between.sent.clear();
        let found = between.find(self, xs, ys, |id| moving(self, id));
        found.map_err(|_| self.out_of_memory("jvp"))?;
        for (&x, &tangent) in xs.iter().zip(tangents) {
            self.add_tangent(between, x, tangent)?;
        }
        let mut image = Image::default();
        for k in 0..between.visit.found().len() {
            let id = between.visit.found()[k];
            if between.leads(id) && self.node(id).op != Op::Leaf {
                let first = self.len();
                self.push_tangent(between, id)?;
                self.span_image("jvp", &mut image, id, first)?;
            }
        }
        for (&y, out) in ys.iter().zip(out) {
            *out = match between.of(y) {
                Some(tangent) => tangent,
                None => self.fill_like(y, 0.0)?,
            };
        }
        Ok(())
    }

    fn check_tangents(&mut self, xs: &[NodeId], tangents: &[NodeId]) -> Maybe<()> {
        let what = "jvp";
        for (i, (&x, &tangent)) in xs.iter().zip(tangents).enumerate() {
            self.need_float(what, x)?;
            let (want, have) = (*self.node(x), *self.node(tangent));
            if want.shape != have.shape {
                let (want, have) = (self.shape(x), self.shape(tangent));
                return Err(self.fail(
                    ErrorKind::Shape,
                    format_args!(
                        "{what}: tangent {i} must have the shape {want:?} of its input, not {have:?}"
                    ),
                ));
            }
            if want.dtype != have.dtype {
                return Err(self.fail(
                    ErrorKind::DType,
                    format_args!(
                        "{what}: tangent {i} must be {} like its input, not {}: use cast",
                        want.dtype, have.dtype
                    ),
                ));
            }
        }
        Ok(())
    }

    /// An input that is named twice, or depends on another one, moves by the sum.
    fn add_tangent(&mut self, between: &mut Between, id: NodeId, tangent: NodeId) -> Maybe<()> {
        if !between.leads(id) {
            return Ok(());
        }
        let sum = match between.of(id) {
            Some(before) => self.map2(Elem::Add, before, tangent)?,
            None => tangent,
        };
        between.became[id.index()] = sum;
        Ok(())
    }

    /// Gives a node the tangent that follows from those of its operands.
    fn push_tangent(&mut self, between: &mut Between, of: NodeId) -> Maybe<()> {
        let id = self.on_constants(of)?;
        let node = *self.node(id);
        let operands = self.tangents_of_operands(between, id);
        let tangent = match node.op {
            Op::Map(elem) => self.tangent_of_map(elem, id, &operands)?,
            Op::Pull(elem, i) => self.tangent_of_pull(between, elem, i, id)?,
            Op::Where => self.tangent_of_where(&node, &operands)?,
            Op::Concat | Op::Assemble => self.tangent_of_list(between, id)?,
            Op::Custom(custom) => self.tangent_of_custom(between, id, custom.part)?,
            op if linear_in(op) != 0 && self.is_linear_here(&node, &operands) => {
                self.tangent_by_itself(&node, &operands)?
            }
            _ => self.transposed(between, id)?,
        };
        match tangent {
            Some(tangent) => self.add_tangent(between, of, tangent),
            None => Ok(()),
        }
    }

    /// The same node on operands that are detached where no tangent comes from, if it was recorded without
    /// gradients: what is constant in a value is constant in how that moves.
    fn on_constants(&mut self, id: NodeId) -> Maybe<NodeId> {
        let mut again = NewNode::like(self.node(id));
        // (What an operation of the user's makes of a value without gradients is constant, too: `custom_again`.)
        if !self.is_cut(id) || matches!(again.op, Op::Concat | Op::Assemble | Op::Custom(_)) {
            return Ok(id);
        }
        for operand in again.inputs.iter_mut().filter(|operand| operand.is_node()) {
            if self.node(*operand).requires_grad {
                *operand = self.detach(*operand)?;
            }
        }
        self.push(again)
    }

    /// By operand that is no part of a list: its tangent, or none.
    fn tangents_of_operands(&self, between: &Between, id: NodeId) -> [NodeId; INLINE_OPERANDS] {
        let (mut tangents, inputs) = ([NodeId::NONE; INLINE_OPERANDS], self.node(id).inputs);
        for operand in moving(self, id) {
            let Some(tangent) = between.of(operand) else { continue };
            for place in (0..INLINE_OPERANDS).filter(|&place| inputs[place] == operand) {
                tangents[place] = tangent;
            }
        }
        tangents
    }

    /// Whether all operands that move are such that the operation is linear in them.
    fn is_linear_here(&self, node: &Node, tangents: &[NodeId]) -> bool {
        let linear = linear_in(node.op);
        tangents.iter().enumerate().all(|(k, t)| t.is_none() || linear >> k & 1 != 0)
    }

    /// The operation again, with the tangent of an operand in that operand's place: the sum over them.
    fn tangent_by_itself(&mut self, node: &Node, tangents: &[NodeId]) -> Maybe<Option<NodeId>> {
        let mut sum = None;
        for (k, &tangent) in tangents.iter().enumerate() {
            if tangent.is_none() {
                continue;
            }
            let mut again = NewNode::like(node);
            again.inputs[k] = tangent;
            let part = self.push(again)?;
            sum = self.plus(sum, part)?;
        }
        Ok(sum)
    }

    fn plus(&mut self, sum: Option<NodeId>, part: NodeId) -> Maybe<Option<NodeId>> {
        match sum {
            Some(sum) => self.map2(Elem::Add, sum, part).map(Some),
            None => Ok(Some(part)),
        }
    }

    /// The sum of the pulls, in the shape of the value.
    fn tangent_of_map(
        &mut self,
        elem: Elem,
        id: NodeId,
        tangents: &[NodeId],
    ) -> Maybe<Option<NodeId>> {
        let mut sum = None;
        for (i, &tangent) in tangents[..elem.arity()].iter().enumerate() {
            if tangent.is_none() {
                continue;
            }
            let part = match Rule::of(elem).cotangent(i) {
                Cotangent::Zero => continue,
                Cotangent::Same => tangent,
                Cotangent::Pull { reads } => {
                    let tangent = self.in_shape_of(id, tangent)?;
                    self.pull(elem, i, id, tangent, reads)?
                }
            };
            sum = self.plus(sum, part)?;
        }
        sum.map(|sum| self.in_shape_of(id, sum)).transpose()
    }

    /// A tangent of an operand that was broadcast, in the shape of the value.
    fn in_shape_of(&mut self, id: NodeId, tangent: NodeId) -> Maybe<NodeId> {
        let dims = self.shape(id);
        self.expand_to("jvp", tangent, &dims)
    }

    fn tangent_of_where(&mut self, node: &Node, tangents: &[NodeId]) -> Maybe<Option<NodeId>> {
        let side = |t: NodeId| if t.is_none() { Operand::Constant(0.0) } else { t.into() };
        let (yes, no) = (side(tangents[1]), side(tangents[2]));
        if yes == no && yes == Operand::Constant(0.0) {
            return Ok(None);
        }
        let tangent = self.where_(node.inputs[0], yes, no)?;
        let dims = self.dims(node.shape);
        self.expand_to("jvp", tangent, &dims).map(Some)
    }

    /// What is linear in all operands of a list together: zeros for those that do not move.
    fn tangent_of_list(&mut self, between: &mut Between, id: NodeId) -> Maybe<Option<NodeId>> {
        let node = *self.node(id);
        let mut words = std::mem::take(&mut between.words);
        let made = (|| {
            let count = self.listed(node.op, node.list).len();
            words.clear();
            let all = self.list(node.list).iter().try_for_each(|&w| words.try_push(w).map(|_| ()));
            all.map_err(|_| self.out_of_memory("jvp"))?;
            // The operands come second, after the axis or after how many they are.
            for place in 1..1 + count {
                let operand = NodeId(words[place] as u32);
                if !self.node(operand).dtype.is_float() {
                    continue; // an index
                }
                let moves = moves(self, operand, node.is_path(words[place]));
                let tangent = match between.of(operand).filter(|_| moves) {
                    Some(tangent) => tangent,
                    None => self.fill_like(operand, 0.0)?,
                };
                words[place] = operand_word(tangent, self.node(tangent));
            }
            let mut again = NewNode::like(&node);
            again.list = self.intern_words(&words)?;
            self.push(again).map(Some)
        })();
        between.words = words;
        made
    }

    /// By a function of the operation; or by that which records its cotangents.
    fn tangent_of_custom(
        &mut self,
        between: &mut Between,
        id: NodeId,
        part: Part,
    ) -> Maybe<Option<NodeId>> {
        let what = "jvp";
        let (number, inputs, marks) = {
            let list = self.custom_list(id);
            (list.number, list.inputs, list.marks)
        };
        let tangent_of = |core: &Self, operand: NodeId| {
            let moves = moving(core, id).any(|other| other == operand);
            between.of(operand).filter(|_| moves)
        };
        if part != Part::Forward {
            self.need_constant(id, what, |core, x| tangent_of(core, x).is_some())?;
        }
        let mut given = [(NodeId::NONE, false); MOST];
        let (mut count, mut moved) = (0, 0);
        let list = self.custom_list(id);
        match part {
            Part::Forward => {
                for k in 0..inputs {
                    if let Some(tangent) = tangent_of(self, list.operand(k)) {
                        given[count] = (tangent, list.is_each(k));
                        (count, moved) = (count + 1, moved | 1 << k);
                    }
                }
            }
            // It is linear in the cotangents of the results.
            Part::Vjp => {
                let place = inputs + 1;
                if let Some(tangent) = tangent_of(self, list.operand(place)) {
                    given[0] = (tangent, list.is_each(place));
                    (count, moved) = (1, marks);
                }
            }
            // It is linear in all tangents together.
            Part::Jvp => {
                let marked = (0..inputs).filter(|k| marks >> k & 1 != 0);
                for (k, place) in marked.zip(inputs + 1..) {
                    if let Some(tangent) = tangent_of(self, list.operand(place)) {
                        given[count] = (tangent, list.is_each(place));
                        (count, moved) = (count + 1, moved | 1 << k);
                    }
                }
            }
        }
        if count == 0 {
            return Ok(None);
        }
        if part == Part::Forward {
            let has_jvp = self.customs.facts(number).has_jvp;
            if self.records_vjp(number, has_jvp) {
                return self.transposed(between, id);
            }
            if !has_jvp {
                return Err(self.lacks(id, what, "a jvp, or a vjp that is recorded"));
            }
        }
        let part = if part == Part::Vjp { Part::Vjp } else { Part::Jvp };
        self.custom_again(id, part, &given[..count], moved).map(Some)
    }

    /// A pull is itself differentiated: its rule is recorded in full, and the walk goes through that.
    fn tangent_of_pull(
        &mut self,
        between: &mut Between,
        elem: Elem,
        i: u8,
        id: NodeId,
    ) -> Maybe<Option<NodeId>> {
        let first = self.len();
        let expanded =
            self.with_gradients(|core| expand(core, elem, i as usize, *core.node(id)))?;
        let Operand::Node(root) = expanded else { return Ok(None) };
        if root.index() < first {
            return Ok(between.of(root));
        }
        for id in (first as u32..self.len() as u32).map(NodeId) {
            if moving(self, id).any(|operand| between.leads(operand)) {
                between.add(id).map_err(|_| self.out_of_memory("jvp"))?;
                self.push_tangent(between, id)?;
            }
        }
        Ok(between.of(root))
    }

    /// The transposed reverse rule.
    fn transposed(&mut self, between: &mut Between, id: NodeId) -> Maybe<Option<NodeId>> {
        let mut sum = None;
        let mut sink = Sink {
            of: id,
            sent: std::mem::take(&mut between.sent),
            visit: std::mem::take(&mut between.visit),
            is_forward: true,
        };
        let sent = self.with_gradients(|core| {
            // Something of its kind to differentiate by: nobody computes it.
            let head = core.detach(id)?;
            core.node_mut(head).requires_grad = true;
            core.mutated(head);
            core.vjp_of_rule(id, head, &mut sink)?;
            for k in 0..sink.sent.len() {
                let (operand, cotangent) = sink.sent[k];
                sink.sent[k].1 = core.sum_to(cotangent, operand)?;
            }
            Ok(head)
        });
        (between.visit, between.sent) = (sink.visit, sink.sent);
        let head = sent?;
        let (inputs, tangents) = (self.node(id).inputs, self.tangents_of_operands(between, id));
        while let Some((operand, cotangent)) = between.sent.pop() {
            // (A cotangent that does not depend on the head gradient is 0.)
            let place = inputs.iter().position(|&input| input == operand);
            let tangent = match place {
                Some(place) => tangents[place],
                // (Operands of the user's operations are in a list.)
                None if moving(self, id).any(|other| other == operand) => {
                    between.of(operand).unwrap_or(NodeId::NONE)
                }
                None => NodeId::NONE,
            };
            if tangent.is_node() && self.node(cotangent).requires_grad {
                let mut part = [NodeId::NONE];
                self.record_grad(&[(cotangent, Some(tangent))], &[head], true, &mut part)?;
                if !part[0].is_none() {
                    sum = self.plus(sum, part[0])?;
                }
            }
        }
        Ok(sum)
    }

    /// Records as if gradients were on: what is recorded is differentiated at once.
    pub(crate) fn with_gradients<R>(&mut self, record: impl FnOnce(&mut Self) -> R) -> R {
        let no_grad = std::mem::replace(&mut self.no_grad, 0);
        let result = record(self);
        self.no_grad = no_grad;
        result
    }
}
