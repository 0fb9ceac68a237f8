//! How an operation with a step of its own is recorded for a batch: with one more axis, in front.

use crate::error::Maybe;
use crate::graph::{Core, NewNode};
use crate::id::{ListId, NodeId};
use crate::node::{INLINE_OPERANDS, Node};
use crate::shape::{Dims, MAX_RANK};

const WHAT: &str = "vmap";

/// What becomes of an operation for a batch.
#[derive(Clone, Copy)]
pub(crate) enum Batching {
    /// The same, since it works on rows of the last axis, whatever is before it.
    Rows,
    /// The same along the next axis: this word of its list says which one. All operands have it.
    Along(usize),
    /// What this records.
    Own(fn(&mut Batched<'_>, &Node) -> Maybe<NodeId>),
}

/// What stands for the operands of a node.
pub(crate) struct Batched<'a> {
    pub(crate) core: &'a mut Core,
    /// The length of the new axis.
    pub(crate) len: usize,
    /// Each operand, and whether it has the new axis; one that has not is everybody's.
    pub(crate) operands: [(NodeId, bool); INLINE_OPERANDS],
}

impl Batched<'_> {
    pub(crate) fn record(&mut self, batching: Batching, node: &Node) -> Maybe<NodeId> {
        match batching {
            Batching::Rows => {
                let operands = self.all()?;
                self.push(node, operands, node.list)
            }
            Batching::Along(word) => self.record_along(node, word),
            Batching::Own(record) => record(self, node),
        }
    }

    /// A shape with the new axis.
    pub(crate) fn in_front(&mut self, dims: &[usize]) -> Maybe<Dims> {
        if dims.len() == MAX_RANK {
            // Says that the rank is too large.
            self.shape_of(dims)?;
        }
        let mut out = Dims::SCALAR;
        out.push(self.len);
        dims.iter().for_each(|&len| out.push(len));
        Ok(out)
    }

    /// An operand with the new axis.
    pub(crate) fn operand(&mut self, k: usize) -> Maybe<NodeId> {
        let operand = self.operands[k];
        if operand.0.is_node() { self.with_axis(operand) } else { Ok(operand.0) }
    }

    /// What stands for a node, with the new axis: what is everybody's is expanded along it.
    pub(crate) fn with_axis(&mut self, (x, has_axis): (NodeId, bool)) -> Maybe<NodeId> {
        if has_axis {
            return Ok(x);
        }
        let dims = self.in_front(&self.core.shape(x))?;
        self.core.expand_to(WHAT, x, &dims)
    }

    /// An operand that is broadcast to a rank: its own axes stay at the right.
    pub(crate) fn aligned(&mut self, k: usize, rank: usize) -> Maybe<NodeId> {
        let (x, has_axis) = self.operands[k];
        if !has_axis {
            return Ok(x);
        }
        let all = self.core.shape(x);
        let own = &all[1..];
        if own.len() >= rank {
            return Ok(x);
        }
        let mut dims = Dims::SCALAR;
        dims.push(self.len);
        (own.len()..rank).for_each(|_| dims.push(1));
        own.iter().for_each(|&len| dims.push(len));
        self.core.reshape_to(WHAT, x, &dims)
    }

    /// All operands with the new axis.
    pub(crate) fn all(&mut self) -> Maybe<[NodeId; INLINE_OPERANDS]> {
        let mut operands = [NodeId::NONE; INLINE_OPERANDS];
        for (k, operand) in operands.iter_mut().enumerate() {
            *operand = self.operand(k)?;
        }
        Ok(operands)
    }

    /// The new shape of what had this one.
    pub(crate) fn shape_of(&mut self, dims: &[usize]) -> Maybe<(ListId, usize)> {
        let mut all = [0; MAX_RANK + 1];
        all[0] = self.len;
        all[1..][..dims.len()].copy_from_slice(dims);
        self.core.intern_shape(WHAT, &all[..1 + dims.len()])
    }

    /// The same operation on other operands, with another list and the new axis in its shape.
    pub(crate) fn push(
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

    /// The same on operands and in a shape without the new axis, which is then put in front of that of the
    /// node.
    pub(crate) fn push_flat(
        &mut self,
        node: &Node,
        operands: [NodeId; INLINE_OPERANDS],
        dims: &[usize],
    ) -> Maybe<NodeId> {
        let mut new = NewNode { inputs: operands, ..NewNode::like(node) };
        (new.shape, new.len) = self.core.intern_shape(WHAT, dims)?;
        let new = self.core.push(new)?;
        let dims = self.in_front(&self.core.dims(node.shape))?;
        self.core.reshape_to(WHAT, new, &dims)
    }

    /// A list with one of its words, an axis, one further.
    pub(crate) fn further(&mut self, list: ListId, word: usize) -> Maybe<ListId> {
        let mut words = [0; MAX_RANK + 2];
        let list = self.core.list(list);
        let words = &mut words[..list.len()];
        words.copy_from_slice(list);
        words[word] += 1;
        self.core.intern_words(words)
    }

    /// An index of one vector for each element of the batch, as one for each element of a tensor.
    pub(crate) fn along(&mut self, index: NodeId, like: &[usize], axis: usize) -> Maybe<NodeId> {
        let mut dims = Dims::SCALAR;
        for at in 0..like.len() {
            dims.push(if at == 0 || at == axis { like[at] } else { 1 });
        }
        let index = self.core.reshape_to(WHAT, index, &dims)?;
        self.core.expand_to(WHAT, index, like)
    }

    /// What works along an axis of operands that all have it.
    fn record_along(&mut self, node: &Node, word: usize) -> Maybe<NodeId> {
        let mut operands = self.all()?;
        let list = self.further(node.list, word)?;
        if !self.core.dims(node.shape).is_empty() {
            return self.push(node, operands, list);
        }
        // A number has no axis: a row of one has.
        let one = [self.len, 1];
        for operand in operands.iter_mut().filter(|operand| operand.is_node()) {
            *operand = self.core.reshape_to(WHAT, *operand, &one)?;
        }
        self.push_flat(&Node { list, ..*node }, operands, &one)
    }
}
