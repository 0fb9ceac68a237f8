//! One more axis: a recorded computation again, for many inputs at once.
//!
//! One walk up the ids. Each node that depends on the inputs is recorded again on operands with one
//! more axis in front, which is what its *batching rule* does: mostly the same operation, with its
//! axes counted one further. What does not depend on the inputs is shared, and broadcast where it
//! meets what does.

use std::mem::take;

use super::{Between, is_cut_off};
use crate::arena::{OutOfMemory, TryPush};
use crate::error::{ErrorKind, Maybe};
use crate::graph::{Core, Image, NewNode, operand_word};
use crate::id::{ListId, NodeId};
use crate::node::{INLINE_OPERANDS, Node, Op};
use crate::op::assemble::{Kind, Place, Places};
use crate::op::batch::Batched;
use crate::op::custom::{CustomList, EACH, in_front};
use crate::op::{LEADS, Rule};
use crate::roll_call::Elem;
use crate::shape::{Dims, Layout, MAX_RANK};

const WHAT: &str = "vmap";

/// What random masks are to the elements of a batch.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Random {
    /// The same for all: for the directions of one derivative.
    Same,
    Different,
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
        let mut image = Image::default();
        for k in 0..between.visit.found().len() {
            let id = between.visit.found()[k];
            if between.leads(id) && between.of(id).is_none() {
                // What was recorded without gradients stays without.
                let no_grad = u32::from(self.is_cut(id));
                self.no_grad += no_grad;
                let first = self.len();
                let new = self.again(between, id, len);
                self.no_grad -= no_grad;
                between.became[id.index()] = new?;
                self.span_image(WHAT, &mut image, id, first)?;
            }
        }
        let mut batched = Batched { core: self, len, operands: NOTHING };
        for (&y, out) in ys.iter().zip(out) {
            *out = batched.with_axis(between.in_place_of(y))?;
        }
        Ok(())
    }

    /// Whether a node has no gradient although an operand has, and it could have one.
    pub(super) fn is_cut(&self, id: NodeId) -> bool {
        let node = self.node(id);
        let could = node.dtype.is_float() && node.op.is_differentiable();
        let mut operands = self.operands_and_paths(id);
        could && !node.requires_grad && operands.any(|(x, is_path)| is_cut_off(self, x, is_path))
    }

    /// A node again, for a batch of this length.
    fn again(&mut self, between: &mut Between, id: NodeId, len: usize) -> Maybe<NodeId> {
        let node = *self.node(id);
        let operands = node.inputs.map(|x| between.in_place_of(x));
        let mut batched = Batched { core: self, len, operands };
        batched.in_front(&batched.core.dims(node.shape))?;
        match node.op {
            Op::Concat => concat(&mut batched, between, &node),
            Op::Assemble => assemble(&mut batched, between, &node),
            Op::Custom(_) => custom(&mut batched, between, &node),
            Op::Structural(kind) => batched.record(kind.rule().batching(), &node),
            _ => batched.again(&node),
        }
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
            let fits = own.len() < MAX_RANK && have.split_first() == Some((&len, &own));
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
        }
        Ok(len)
    }

    /// Finds what lies between, unless it may have been recorded for a value that was read.
    fn check_not_read(&mut self, between: &mut Between, ys: &[NodeId], xs: &[NodeId]) -> Maybe<()> {
        let listed = between.list_stops(xs);
        listed.map_err(|OutOfMemory| self.out_of_memory(WHAT))?;
        if let Some(twice) = between.stops.windows(2).find(|pair| pair[0] == pair[1]) {
            let place = xs.iter().rposition(|&x| x == twice[0]).unwrap_or(0);
            return Err(self
                .fail(ErrorKind::Argument, format_args!("{WHAT}: input {place} is named twice")));
        }
        let read = self.find_unread(between, ys, xs);
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

    /// Finds what lies between, if nothing was read there too early; else tells what was. What a transform made
    /// follows from what it was made of, so the same is asked of that.
    fn find_unread(
        &self,
        between: &mut Between,
        ys: &[NodeId],
        xs: &[NodeId],
    ) -> Result<Option<(NodeId, NodeId)>, OutOfMemory> {
        let (stops, mut words) = (take(&mut between.stops), take(&mut between.words));
        let mut made_of = take(&mut between.made_of);
        made_of.clear();
        let is_input = |id| stops.binary_search(&id).is_ok();
        let mut look = |between: &mut Between, ys: &[NodeId], made_of: &mut Vec<ListId>| {
            between.find(self, xs, ys, |id| self.operands(id).filter(move |_| !is_input(id)))?;
            for list in between.on_the_way().filter_map(|id| self.derived_from(id)) {
                if !made_of.contains(&list) {
                    made_of.try_push(list)?;
                }
            }
            self.read_in_between(between, &is_input, &mut words)
        };
        let mut read = look(between, ys, &mut made_of);
        let (mut k, mut roots) = (0, take(&mut between.nodes));
        while read == Ok(None) && k < made_of.len() {
            roots.clear();
            let listed = self.list(made_of[k]).iter();
            let mut listed = listed.map(|&word| roots.try_push(NodeId(word as u32)));
            read = match listed.all(|pushed| pushed.is_ok()) {
                true => look(between, &roots, &mut made_of),
                false => Err(OutOfMemory),
            };
            k += 1;
        }
        if read == Ok(None) && k > 0 {
            read = look(between, ys, &mut made_of);
        }
        (between.stops, between.words) = (stops, words);
        (between.made_of, between.nodes) = (made_of, roots);
        read
    }

    /// Something on the way, or made of something on the way, that the user read before the last of the user's nodes on
    /// it was recorded; and that last one. A branch may have been taken for the value, whether or not the result is
    /// computed from it.
    fn read_in_between(
        &self,
        between: &Between,
        is_input: &impl Fn(NodeId) -> bool,
        made: &mut Vec<u64>,
    ) -> Result<Option<(NodeId, NodeId)>, OutOfMemory> {
        let is_within = |&id: &NodeId| between.leads(id) && !is_input(id);
        let first = between.on_the_way().find(is_within);
        let by_user = |id: &NodeId| is_within(id) && self.derived_from(*id).is_none();
        let last = between.on_the_way().filter(by_user).last();
        let (Some(first), Some(last)) = (first, last) else { return Ok(None) };
        let early = |id: &NodeId| self.state(*id).read_at <= last.0;
        let ids = (first.0..last.0).map(NodeId);
        let Some(end) = ids.clone().filter(early).last() else { return Ok(None) };
        // By node from the first one within: whether it is made of one within.
        let place = |id: NodeId| ((id.0 - first.0) as usize / 64, 1 << ((id.0 - first.0) % 64));
        made.clear();
        made.try_extend_to(1 + place(end).0, 0)?;
        Ok(ids
            .take_while(|&id| id <= end)
            .find(|id| {
                let of_one = |operand: NodeId| {
                    operand >= first && made[place(operand).0] & place(operand).1 != 0
                };
                let is_made = is_within(id) || self.operands(*id).any(of_one);
                made[place(*id).0] |= if is_made { place(*id).1 } else { 0 };
                is_made && early(id)
            })
            .map(|id| (id, last)))
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

/// The operands of no node.
const NOTHING: [(NodeId, bool); INLINE_OPERANDS] = [(NodeId::NONE, false); INLINE_OPERANDS];

impl Batched<'_> {
    /// The batching rule of a node that has neither a list of operands nor a step of its own.
    fn again(&mut self, node: &Node) -> Maybe<NodeId> {
        let rank = self.core.dims(node.shape).len();
        match node.op {
            Op::Pull(elem, i) if self.is_slope_shared(elem, i) => self.by_slope(node, elem, rank),
            Op::Map(_) | Op::Pull(..) | Op::Integer(_) | Op::Compare(_) | Op::Where | Op::Cast => {
                let mut operands = node.inputs;
                for (k, operand) in operands.iter_mut().enumerate() {
                    *operand = self.aligned(k, rank)?;
                }
                self.push(node, operands, node.list)
            }
            Op::Detach | Op::Reshape => {
                let operands = self.all()?;
                self.push(node, operands, node.list)
            }
            Op::Reduce(_) | Op::Prod => {
                let operands = self.all()?;
                let list = self.longer(node.list)?;
                self.push(node, operands, list)
            }
            Op::ArgReduce(_) => self.arg_reduce(node),
            Op::Softmax | Op::LogSoftmax | Op::Slice | Op::Embed => {
                let operands = self.all()?;
                let list = self.further(node.list, 0)?;
                self.push(node, operands, list)
            }
            Op::Expand => {
                let mut operands = node.inputs;
                operands[0] = self.aligned(0, rank)?;
                self.push(node, operands, node.list)
            }
            Op::Permute => {
                let x = self.operand(0)?;
                let mut order = Dims::SCALAR;
                order.push(0);
                let list = self.core.dims(node.list);
                list.iter().for_each(|&axis| order.push(1 + axis));
                self.core.permute_by(WHAT, x, &order)
            }
            Op::AsStrided => self.as_strided(node),
            Op::MatMul => self.matmul(node, rank),
            Op::DropoutMask => {
                let stream = self.core.next_stream()?;
                self.push(node, node.inputs, stream)
            }
            Op::Concat | Op::Assemble | Op::Custom(_) | Op::Structural(_) | Op::Leaf | Op::Fill => {
                unreachable!("{:?} has a rule elsewhere, or depends on nothing", node.op)
            }
        }
    }

    /// Whether a cotangent alone is batched, and what it is multiplied by is worth being computed once.
    fn is_slope_shared(&self, elem: Elem, i: u8) -> bool {
        let (own, cotangent) = self.operands.split_at(elem.arity() + 1);
        let is_alone = cotangent[0].1 && own.iter().all(|&(_, has_axis)| !has_axis);
        is_alone && Rule::of(elem).is_pull_dear(i.into())
    }

    /// A pull, which is linear in the cotangent, as a product: the slopes are the same for all.
    fn by_slope(&mut self, node: &Node, elem: Elem, rank: usize) -> Maybe<NodeId> {
        let place = elem.arity() + 1;
        let mut slope = NewNode::like(node);
        slope.inputs[place] = self.core.fill_like(node.inputs[place], 1.0)?;
        let slope = self.core.push(slope)?;
        let cotangent = self.aligned(place, rank)?;
        self.core.map2(Elem::Mul, cotangent, slope)
    }

    /// A list of axis lengths, or of a shape, with the new axis in front.
    fn longer(&mut self, list: ListId) -> Maybe<ListId> {
        let dims = self.core.dims(list);
        Ok(self.shape_of(&dims)?.0)
    }

    fn arg_reduce(&mut self, node: &Node) -> Maybe<NodeId> {
        let x = node.inputs[0];
        let (dims, kept) = (self.core.shape(x), self.core.dims(node.list));
        let reduced = (0..dims.len()).filter(|&axis| dims[axis] != kept[axis]).count();
        let mut operands = self.all()?;
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
        let x = self.operand(0)?;
        let list = self.core.dims(node.list);
        let step = self.core.node(node.inputs[0]).len;
        let dims = self.in_front(&self.core.dims(node.shape))?;
        let own = list[1..].iter().map(|&stride| stride as isize);
        let strides = std::iter::once(step as isize).chain(own);
        self.core.as_strided(x, &Layout::new(list[0], &dims, strides))
    }

    /// A product that is shared in one operand is one product.
    fn matmul(&mut self, node: &Node, rank: usize) -> Maybe<NodeId> {
        let [left, right] = [0, 1].map(|k| self.core.shape(node.inputs[k]).len());
        if let [(a, false), (b, true), ..] = self.operands
            && left == 2
            && right == 2
        {
            // a b = (b' a')': many matrices by one.
            let swap = |core: &mut Core, x: NodeId| core.transpose(x, -1, -2);
            let (a, b) = (swap(self.core, a)?, swap(self.core, b)?);
            let product = self.core.matmul(b, a)?;
            return swap(self.core, product);
        }
        let (a, b) = (self.aligned(0, rank)?, self.aligned(1, rank)?);
        self.core.matmul(a, b)
    }
}

/// Calls `record` with a copy of a list, in scratch of `between`.
fn with_words<R>(
    core: &mut Core,
    between: &mut Between,
    list: ListId,
    record: impl FnOnce(&mut Core, &mut Between, &mut Vec<u64>) -> Maybe<R>,
) -> Maybe<R> {
    let mut words = take(&mut between.words);
    words.clear();
    let copied = core.list(list).iter().try_for_each(|&word| words.try_push(word).map(|_| ()));
    let made = match copied {
        Ok(()) => record(core, between, &mut words),
        Err(OutOfMemory) => Err(core.out_of_memory(WHAT)),
    };
    between.words = words;
    made
}

fn concat(batched: &mut Batched<'_>, between: &mut Between, node: &Node) -> Maybe<NodeId> {
    let len = batched.len;
    let list = with_words(batched.core, between, node.list, |core, between, words| {
        words[0] += 1;
        let mut batched = Batched { core, len, operands: NOTHING };
        for word in &mut words[1..] {
            let new = batched.with_axis(between.in_place_of(NodeId(*word as u32)))?;
            *word = operand_word(new, batched.core.node(new));
        }
        batched.core.intern_words(words)
    })?;
    batched.push(node, node.inputs, list)
}

/// Parts added at their places, each of which repeats along the new axis.
fn assemble(batched: &mut Batched<'_>, between: &mut Between, node: &Node) -> Maybe<NodeId> {
    let len = batched.len;
    let list = with_words(batched.core, between, node.list, |core, between, words| {
        let mut parts = take(&mut between.parts);
        parts.clear();
        let mut batched = Batched { core, len, operands: NOTHING };
        let listed = list_parts(&mut batched, between, node, words, &mut parts);
        between.parts = parts;
        listed
    })?;
    batched.push(node, node.inputs, list)
}

fn list_parts(
    batched: &mut Batched<'_>,
    between: &Between,
    node: &Node,
    words: &mut Vec<u64>,
    parts: &mut Vec<(NodeId, NodeId, Place)>,
) -> Maybe<ListId> {
    let mut operands = words[1..].iter().map(|&word| NodeId(word as u32));
    for place in Places::new(words) {
        let Some(x) = operands.next() else { break };
        let layout = place.layout();
        let strides = std::iter::once(node.len as isize).chain(layout.strides().iter().copied());
        let layout = Layout::new(layout.offset, &batched.in_front(layout.dims())?, strides);
        let part = batched.with_axis(between.in_place_of(x))?;
        let mut index = NodeId::NONE;
        let kind = match place.kind {
            Kind::Block => Kind::Block,
            Kind::Select(along) => {
                let along = along.further();
                match between.in_place_of(operands.next().unwrap_or(NodeId::NONE)) {
                    (given, false) => {
                        index = given;
                        Kind::Select(along)
                    }
                    (given, true) => {
                        let like = batched.core.shape(part);
                        index = batched.along(given, &like, along.axis)?;
                        Kind::Gather(along)
                    }
                }
            }
            Kind::Gather(along) => {
                let given = operands.next().unwrap_or(NodeId::NONE);
                index = batched.with_axis(between.in_place_of(given))?;
                Kind::Gather(along.further())
            }
        };
        let noted = parts.try_push((part, index, Place { kind, layout }));
        noted.map_err(|OutOfMemory| batched.core.out_of_memory(WHAT))?;
    }
    let listed = batched.core.list_parts(parts.iter().copied(), words);
    listed.map_err(|OutOfMemory| batched.core.out_of_memory(WHAT))?;
    batched.core.intern_words(words)
}

/// A run for each element of the batch; or one of all, by an operation that takes batches as they are.
fn custom(batched: &mut Batched<'_>, between: &mut Between, node: &Node) -> Maybe<NodeId> {
    let (len, leading) = (batched.len, batched.core.dims(node.shape));
    let list = with_words(batched.core, between, node.list, |core, between, words| {
        let list = CustomList::new(words);
        let (count, lead) = (list.operands.len(), list.lead);
        let is_whole = core.customs.facts(list.number).takes_batches;
        for word in &mut words[1..=count] {
            let (x, was_each) = (NodeId(*word as u32), *word & EACH != 0);
            let (mut new, has_axis) = between.in_place_of(x);
            if !has_axis && !was_each && !is_whole {
                *word = operand_word(x, core.node(x));
                continue;
            }
            let dims = core.shape(x);
            let own = if was_each { &dims[lead..] } else { &dims };
            if !was_each {
                // Ones in the place of the older leading axes.
                let mut ones = [1; MAX_RANK + 1];
                ones[0] = if has_axis { len } else { 1 };
                new = core.reshape_to(WHAT, new, &in_front(&ones[..1 + lead], own))?;
            }
            let mut all = [0; MAX_RANK + 1];
            all[0] = len;
            all[1..=lead].copy_from_slice(&leading[..lead]);
            new = core.expand_to(WHAT, new, &in_front(&all[..1 + lead], own))?;
            *word = operand_word(new, core.node(new)) | EACH;
        }
        words[2 + count] += 1;
        core.intern_words(words)
    })?;
    batched.push(node, node.inputs, list)
}
