//! One more axis: a recorded computation again, for many inputs at once.
//!
//! One walk up the ids. Each node that depends on the inputs is recorded again on operands with one
//! more axis in front, which is what its *batching rule* does: mostly the same operation, with its
//! axes counted one further. What does not depend on the inputs is shared, and broadcast where it
//! meets what does.

use super::Between;
use crate::arena::{OutOfMemory, TryPush};
use crate::error::{ErrorKind, Maybe};
use crate::graph::{Core, NewNode, operand_word};
use crate::id::{ListId, NodeId};
use crate::node::{INLINE_OPERANDS, Node, Op};
use crate::op::LEADS;
use crate::op::assemble::{Kind, Place, Places};
use crate::op::batch::Batched;
use crate::op::custom::{CustomList, EACH, in_front as in_front_of};
use crate::shape::{Dims, Layout, MAX_RANK};

const WHAT: &str = "vmap";

/// What random masks are to the elements of a batch.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Random {
    /// The same for all: for the directions of one derivative.
    Same,
    Different,
}

/// Operands with one more axis in front, of this length.
struct Batch<'a> {
    core: &'a mut Core,
    between: &'a mut Between,
    len: usize,
}

/// An axis of a shape, with one more axis in front.
fn in_front(len: usize, dims: &[usize]) -> Dims {
    let mut out = Dims::SCALAR;
    out.push(len);
    dims.iter().for_each(|&len| out.push(len));
    out
}

impl Core {
    /// Records the computation from `xs` to `ys` again with `batched` in the place of `xs`: each has one
    /// more axis in front, all of the same length, and so has each result.
    pub(crate) fn record_vmap(
        &mut self,
        between: &mut Between,
        ys: &[NodeId],
        xs: &[NodeId],
        batched: &[NodeId],
        random: Random,
        out: &mut [NodeId],
    ) -> Maybe<()> {
        let len = self.check_batch(xs, batched)?;
        self.check_not_read(between, ys, xs)?;
        if random == Random::Different {
            self.let_masks_lead(between);
        }
        for (&x, &batched) in xs.iter().zip(batched) {
            if between.leads(x) {
                between.became[x.index()] = batched;
            }
        }
        let mut batch = Batch { core: self, between, len };
        for k in 0..batch.between.visit.found().len() {
            let id = batch.between.visit.found()[k];
            if batch.between.leads(id) && batch.between.of(id).is_none() {
                // What was recorded without gradients stays without.
                let no_grad = u32::from(batch.core.is_cut(id));
                batch.core.no_grad += no_grad;
                let new = batch.again(id);
                batch.core.no_grad -= no_grad;
                batch.between.became[id.index()] = new?;
            }
        }
        for (&y, out) in ys.iter().zip(out) {
            *out = batch.batched(y)?;
        }
        Ok(())
    }

    /// Whether a node has no gradient although an operand has, and it could have one.
    pub(super) fn is_cut(&self, id: NodeId) -> bool {
        let node = self.node(id);
        let could = node.dtype.is_float() && node.op.is_differentiable();
        could && !node.requires_grad && self.operands(id).any(|x| self.node(x).requires_grad)
    }

    /// The length of the new axis.
    fn check_batch(&mut self, xs: &[NodeId], batched: &[NodeId]) -> Maybe<usize> {
        let Some(&first) = batched.first() else {
            return Err(
                self.fail(ErrorKind::Argument, format_args!("{WHAT}: needs at least one input"))
            );
        };
        let Some(&len) = self.shape(first).first() else {
            return Err(self.fail(
                ErrorKind::Shape,
                format_args!(
                    "{WHAT}: batched input 0 is 0-d: it needs one axis more than its input"
                ),
            ));
        };
        for (i, (&x, &batched)) in xs.iter().zip(batched).enumerate() {
            let (own, have) = (self.shape(x), self.shape(batched));
            let fits = own.len() < MAX_RANK && *have == *in_front(len, &own);
            if !fits {
                return Err(self.fail(
                    ErrorKind::Shape,
                    format_args!(
                        "{WHAT}: batched input {i} must have the shape {own:?} of its input with an axis \
                         of {len} in front, not {have:?}"
                    ),
                ));
            }
            let (want, have) = (self.node(x).dtype, self.node(batched).dtype);
            if want != have {
                return Err(self.fail(
                    ErrorKind::DType,
                    format_args!("{WHAT}: batched input {i} must be {want} like its input, not {have}: use cast"),
                ));
            }
            if xs[..i].contains(&x) {
                return Err(self
                    .fail(ErrorKind::Argument, format_args!("{WHAT}: input {i} is named twice")));
            }
        }
        Ok(len)
    }

    /// Finds what lies between, unless it may have been recorded for a value that was read.
    fn check_not_read(&mut self, between: &mut Between, ys: &[NodeId], xs: &[NodeId]) -> Maybe<()> {
        let mut stops = std::mem::take(&mut between.stops);
        stops.clear();
        let listed = stops.try_room(xs.len()).map(|()| {
            xs.iter().for_each(|&x| stops.push_within(x));
            stops.sort_unstable();
        });
        let found = listed.and_then(|()| {
            between.find(self, xs, ys, |id| {
                let is_input = stops.binary_search(&id).is_ok();
                self.operands(id).filter(move |_| !is_input)
            })
        });
        between.stops = stops;
        let read = found.and_then(|()| self.read_in_between(between));
        match read.map_err(|OutOfMemory| self.out_of_memory(WHAT))? {
            None => Ok(()),
            Some((id, last)) => Err(self.fail_with(|core, slot| {
                slot.set(
                    ErrorKind::Argument,
                    format_args!(
                        "{WHAT}: the value of {id}, {} of {}, was read before {last} was recorded, which may hold \
                         for that value only: read it afterwards, or not at all (where chooses element by \
                         element)",
                        core.op_name(id),
                        core.describe(id)
                    ),
                )
            })),
        }
    }

    /// Something that depends on the inputs and that the user read before the last of what is mapped was recorded,
    /// and that last one. A branch may have been taken for the value, whether or not anything is computed
    /// from it; what the user did afterwards, and how derivatives of it are recorded, plays no part.
    fn read_in_between(
        &self,
        between: &mut Between,
    ) -> Result<Option<(NodeId, NodeId)>, OutOfMemory> {
        let is_input = |id| between.stops.binary_search(&id).is_ok();
        let last = between.on_the_way().filter(|&id| !is_input(id)).last();
        let (Some(last), Some(&first)) = (last, between.stops.first()) else { return Ok(None) };
        let early = |id: &NodeId| self.state(*id).read_at <= last.0 && !is_input(*id);
        let ids = || (first.0..last.0).map(NodeId);
        let Some(end) = ids().filter(early).last() else { return Ok(None) };
        // By node from the first input on: whether it depends on one.
        let mut depends = std::mem::take(&mut between.words);
        depends.clear();
        let place = |id: NodeId| ((id.0 - first.0) as usize / 64, 1 << ((id.0 - first.0) % 64));
        depends.try_extend_to(1 + place(end).0, 0)?;
        let mut read = None;
        for id in ids().take_while(|&id| id <= end) {
            let has = |operand: NodeId| {
                operand >= first && depends[place(operand).0] & place(operand).1 != 0
            };
            if is_input(id) || self.operands(id).any(has) {
                depends[place(id).0] |= place(id).1;
                if early(&id) {
                    read = Some((id, last));
                    break;
                }
            }
        }
        between.words = depends;
        Ok(read)
    }

    /// Random masks of what is batched are drawn for each element of the batch. So they have the new axis,
    /// and with them all that is made of them: the gradients of what they mask, too, which may depend on
    /// nothing else.
    fn let_masks_lead(&self, between: &mut Between) {
        let mut is_done = false;
        while !std::mem::replace(&mut is_done, true) {
            for k in 0..between.visit.found().len() {
                let id = between.visit.found()[k];
                let leads = between.leads(id);
                if !leads && self.operands(id).any(|operand| between.leads(operand)) {
                    between.visit.set(id, LEADS);
                } else if !leads {
                    continue;
                }
                for operand in self.operands(id) {
                    let is_mask = self.node(operand).op.is_random();
                    if is_mask && !between.leads(operand) && between.visit.has(operand, 0) {
                        between.visit.set(operand, LEADS);
                        is_done = false;
                    }
                }
            }
        }
    }
}

impl Batch<'_> {
    /// What stands for a node: with the new axis, or the node itself where nothing leads to it.
    fn of(&self, id: NodeId) -> (NodeId, bool) {
        match self.between.of(id) {
            Some(new) => (new, true),
            None => (id, false),
        }
    }

    /// What stands for a node, with the new axis.
    fn batched(&mut self, id: NodeId) -> Maybe<NodeId> {
        match self.of(id) {
            (new, true) => Ok(new),
            (id, false) => {
                let (shape, _) = self.shape_of(&self.core.shape(id))?;
                let dims = self.core.dims(shape);
                self.core.expand_to(WHAT, id, &dims)
            }
        }
    }

    /// The new shape of what had this one.
    fn shape_of(&mut self, dims: &[usize]) -> Maybe<(ListId, usize)> {
        let mut all = [0; MAX_RANK + 1];
        all[0] = self.len;
        all[1..][..dims.len()].copy_from_slice(dims);
        self.core.intern_shape(WHAT, &all[..1 + dims.len()])
    }

    /// What stands for a node that is broadcast to a rank: its own axes stay at the right.
    fn aligned(&mut self, id: NodeId, rank: usize) -> Maybe<NodeId> {
        let (new, true) = self.of(id) else { return Ok(id) };
        let own = self.core.shape(id);
        if own.len() >= rank {
            return Ok(new);
        }
        let mut dims = Dims::SCALAR;
        dims.push(self.len);
        (own.len()..rank).for_each(|_| dims.push(1));
        own.iter().for_each(|&len| dims.push(len));
        self.core.reshape_to(WHAT, new, &dims)
    }

    /// The same operation on other operands, with another list and the new axis in its shape.
    fn push(
        &mut self,
        node: &Node,
        operands: [NodeId; INLINE_OPERANDS],
        list: ListId,
    ) -> Maybe<NodeId> {
        let dims = self.core.dims(node.shape);
        let (shape, len) = self.shape_of(&dims)?;
        let new = NewNode { inputs: operands, list, shape, len, ..NewNode::like(node) };
        self.core.push(new)
    }

    /// All operands with the new axis, in front of their own.
    fn all(&mut self, node: &Node) -> Maybe<[NodeId; INLINE_OPERANDS]> {
        let mut operands = node.inputs;
        for operand in operands.iter_mut().filter(|operand| operand.is_node()) {
            *operand = self.batched(*operand)?;
        }
        Ok(operands)
    }

    /// A list of axis lengths, or of a shape, with the new axis in front.
    fn longer(&mut self, list: ListId) -> Maybe<ListId> {
        let dims = self.core.dims(list);
        Ok(self.shape_of(&dims)?.0)
    }

    /// The batching rule of a node.
    fn again(&mut self, id: NodeId) -> Maybe<NodeId> {
        let node = *self.core.node(id);
        let rank = self.core.shape(id).len();
        match node.op {
            Op::Map(_) | Op::Pull(..) | Op::Integer(_) | Op::Compare(_) | Op::Where | Op::Cast => {
                let mut operands = node.inputs;
                for operand in operands.iter_mut().filter(|operand| operand.is_node()) {
                    *operand = self.aligned(*operand, rank)?;
                }
                self.push(&node, operands, node.list)
            }
            Op::Detach => {
                let operands = self.all(&node)?;
                self.push(&node, operands, node.list)
            }
            Op::Reduce(_) | Op::Prod => {
                let operands = self.all(&node)?;
                let list = self.longer(node.list)?;
                self.push(&node, operands, list)
            }
            Op::ArgReduce(_) => self.arg_reduce(&node),
            Op::Softmax | Op::LogSoftmax | Op::Slice | Op::Embed => {
                let operands = self.all(&node)?;
                let list = self.further(node.list, 0)?;
                self.push(&node, operands, list)
            }
            Op::Reshape => {
                let operands = self.all(&node)?;
                self.push(&node, operands, node.list)
            }
            Op::Expand => {
                let mut operands = node.inputs;
                operands[0] = self.aligned(operands[0], rank)?;
                self.push(&node, operands, node.list)
            }
            Op::Permute => {
                let operands = self.all(&node)?;
                let mut order = Dims::SCALAR;
                order.push(0);
                let list = self.core.dims(node.list);
                list.iter().for_each(|&axis| order.push(1 + axis));
                self.core.permute_by(WHAT, operands[0], &order)
            }
            Op::AsStrided => self.as_strided(&node),
            Op::Concat => self.concat(&node),
            Op::Assemble => self.assemble(&node),
            Op::Custom(_) => self.custom(id),
            Op::MatMul => self.matmul(&node, rank),
            Op::Structural(kind) => {
                let operands = node.inputs.map(|x| self.of(x));
                let mut batched = Batched { core: self.core, len: self.len, operands };
                batched.record(kind.rule().batching(), &node)
            }
            Op::DropoutMask => {
                let stream = self.core.next_stream()?;
                self.push(&node, node.inputs, stream)
            }
            Op::Leaf | Op::Fill => unreachable!("{:?} depends on nothing", node.op),
        }
    }

    fn arg_reduce(&mut self, node: &Node) -> Maybe<NodeId> {
        let x = node.inputs[0];
        let (dims, kept) = (self.core.shape(x), self.core.dims(node.list));
        let reduced = (0..dims.len()).filter(|&axis| dims[axis] != kept[axis]).count();
        let mut operands = self.all(node)?;
        if reduced <= 1 {
            let list = self.longer(node.list)?;
            return self.push(node, operands, list);
        }
        // All of them: places are counted through the whole.
        let row = [self.len, self.core.node(x).len];
        operands[0] = self.core.reshape_to(WHAT, operands[0], &row)?;
        let list = self.core.intern(&[self.len, 1])?;
        self.push(node, operands, list)
    }

    fn as_strided(&mut self, node: &Node) -> Maybe<NodeId> {
        let operands = self.all(node)?;
        let list = self.core.dims(node.list);
        let step = self.core.node(node.inputs[0]).len;
        let dims = in_front(self.len, &self.core.dims(node.shape));
        let own = list[1..].iter().map(|&stride| stride as isize);
        let strides = std::iter::once(step as isize).chain(own);
        self.core.as_strided(operands[0], &Layout::new(list[0], &dims, strides))
    }

    /// A copy of a list, to be given back to `between`.
    fn words(&mut self, list: ListId) -> Maybe<Vec<u64>> {
        let mut words = std::mem::take(&mut self.between.words);
        words.clear();
        let all = self.core.list(list).iter().try_for_each(|&w| words.try_push(w).map(|_| ()));
        match all {
            Ok(()) => Ok(words),
            Err(OutOfMemory) => Err(self.core.out_of_memory(WHAT)),
        }
    }

    /// A list with one of its words, an axis, one further.
    fn further(&mut self, list: ListId, word: usize) -> Maybe<ListId> {
        let mut words = self.words(list)?;
        words[word] += 1;
        let list = self.core.intern_words(&words);
        self.between.words = words;
        list
    }

    fn concat(&mut self, node: &Node) -> Maybe<NodeId> {
        let mut words = self.words(node.list)?;
        words[0] += 1;
        for word in &mut words[1..] {
            let new = self.batched(NodeId(*word as u32))?;
            *word = operand_word(new, self.core.node(new));
        }
        let list = self.core.intern_words(&words)?;
        self.between.words = words;
        self.push(node, node.inputs, list)
    }

    /// Parts added at their places, each of which repeats along the new axis.
    fn assemble(&mut self, node: &Node) -> Maybe<NodeId> {
        let mut words = self.words(node.list)?;
        let mut parts = std::mem::take(&mut self.between.parts);
        parts.clear();
        let mut operands = words[1..].iter().map(|&word| NodeId(word as u32));
        for place in Places::new(&words) {
            let Some(x) = operands.next() else { break };
            let layout = place.layout();
            let strides =
                std::iter::once(node.len as isize).chain(layout.strides().iter().copied());
            let dims = in_front(self.len, layout.dims());
            let layout = Layout::new(layout.offset, &dims, strides);
            let part = self.batched(x)?;
            let mut index = NodeId::NONE;
            let kind = match place.kind {
                Kind::Block => Kind::Block,
                Kind::Select(along) => {
                    let along = along.further();
                    let given = operands.next().unwrap_or(NodeId::NONE);
                    match self.of(given) {
                        (given, false) => {
                            index = given;
                            Kind::Select(along)
                        }
                        (given, true) => {
                            let like = self.core.shape(part);
                            index = self.along(given, &like, along.axis)?;
                            Kind::Gather(along)
                        }
                    }
                }
                Kind::Gather(along) => {
                    index = self.batched(operands.next().unwrap_or(NodeId::NONE))?;
                    Kind::Gather(along.further())
                }
            };
            let noted = parts.try_push((part, index, Place { kind, layout }));
            noted.map_err(|OutOfMemory| self.core.out_of_memory(WHAT))?;
        }
        let mut list = std::mem::take(&mut words);
        let listed = self.core.list_parts(parts.iter().copied(), &mut list);
        listed.map_err(|OutOfMemory| self.core.out_of_memory(WHAT))?;
        let list_id = self.core.intern_words(&list)?;
        (self.between.words, self.between.parts) = (list, parts);
        self.push(node, node.inputs, list_id)
    }

    /// A run for each element of the batch; or one of all, by an operation that takes batches as they are.
    fn custom(&mut self, id: NodeId) -> Maybe<NodeId> {
        let node = *self.core.node(id);
        let mut words = self.words(node.list)?;
        let list = CustomList::new(&words);
        let (count, lead) = (list.operands.len(), list.lead);
        let is_whole = self.core.customs.facts(list.number).takes_batches;
        let leading = self.core.dims(node.shape);
        for word in &mut words[1..=count] {
            let (x, was_each) = (NodeId(*word as u32), *word & EACH != 0);
            let (mut new, has_axis) = self.of(x);
            if !has_axis && !was_each && !is_whole {
                *word = operand_word(x, self.core.node(x));
                continue;
            }
            let dims = self.core.shape(x);
            let own = if was_each { &dims[lead..] } else { &dims };
            if !was_each {
                // Ones in the place of the older leading axes.
                let mut ones = [1; MAX_RANK + 1];
                ones[0] = if has_axis { self.len } else { 1 };
                new = self.core.reshape_to(WHAT, new, &in_front_of(&ones[..1 + lead], own))?;
            }
            let mut all = [0; MAX_RANK + 1];
            all[0] = self.len;
            all[1..=lead].copy_from_slice(&leading[..lead]);
            new = self.core.expand_to(WHAT, new, &in_front_of(&all[..1 + lead], own))?;
            *word = operand_word(new, self.core.node(new)) | EACH;
        }
        words[2 + count] += 1;
        let list = self.core.intern_words(&words)?;
        self.between.words = words;
        self.push(&node, node.inputs, list)
    }

    /// An index of one vector for each element of the batch, as one for each element of a tensor.
    fn along(&mut self, index: NodeId, like: &[usize], axis: usize) -> Maybe<NodeId> {
        let mut dims = Dims::SCALAR;
        for at in 0..like.len() {
            dims.push(if at == 0 || at == axis { like[at] } else { 1 });
        }
        let index = self.core.reshape_to(WHAT, index, &dims)?;
        self.core.expand_to(WHAT, index, like)
    }

    /// A product that is shared in one operand is one product.
    fn matmul(&mut self, node: &Node, rank: usize) -> Maybe<NodeId> {
        let [a, b, ..] = node.inputs;
        let (left, right) = (self.core.shape(a), self.core.shape(b));
        if let ((a, false), (b, true)) = (self.of(a), self.of(b))
            && left.len() == 2
            && right.len() == 2
        {
            // a b = (b' a')': many matrices by one.
            let swap = |core: &mut Core, x: NodeId| core.transpose(x, -1, -2);
            let (a, b) = (swap(self.core, a)?, swap(self.core, b)?);
            let product = self.core.matmul(b, a)?;
            return swap(self.core, product);
        }
        let (a, b) = (self.aligned(a, rank)?, self.aligned(b, rank)?);
        self.core.matmul(a, b)
    }
}
