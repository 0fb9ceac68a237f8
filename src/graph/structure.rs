//! The structure of a recording in one number: by it, what was computed before is found again.

use super::{Core, NewNode};
use crate::id::{ListId, NodeId};
use crate::node::Op;

impl Core {
    /// The structure of everything up to a node, mixed with a number.
    pub(crate) fn structure(&mut self, id: NodeId, with: u64) -> u64 {
        self.settle();
        mix(self.node(id).hash, with)
    }

    /// Sums up a node and all before it: what they do, not which data they hold. Two recordings
    /// with the same hash are taken for the same one.
    #[inline(always)]
    pub(super) fn hash(
        &self,
        node: &NewNode,
        requires_grad: bool,
        paths: u8,
        retains: bool,
        id: usize,
    ) -> u64 {
        let before = id.checked_sub(1).map_or(0, |last| self.nodes.get(last).hash);
        let [a, b, c, d] = node.inputs.map(|input| u64::from(input.0));
        let list = |id: ListId| if id.is_none() { 1 } else { self.lists.hash(id) };
        let kind = node.op.code() << 16
            | u64::from(node.dtype as u8) << 8
            | u64::from(paths) << 2
            | u64::from(retains) << 1
            | u64::from(requires_grad);
        let operands = mix(a << 32 | b, c << 32 | d);
        // Which random numbers are drawn is no part of the structure: each recording has others.
        let own_list = if node.op == Op::DropoutMask { ListId::NONE } else { node.list };
        let shape = match node.op {
            // It follows from the operands'.
            Op::Map(_) => ListId::NONE,
            _ => node.shape,
        };
        let lists = mix(list(shape), list(own_list).rotate_left(32));
        let own = mix(kind, node.imm.to_bits());
        mix(before ^ operands, lists ^ own.rotate_left(17))
    }

    /// Notes that a node is not what it was recorded as: whether it requires a gradient, or
    /// retains it.
    pub(crate) fn mutated(&mut self, id: NodeId) {
        self.outdated = self.outdated.min(id.index());
        if id.index() + 1 == self.nodes.len() {
            self.settle(); // at once, before others build on its hash
        }
    }

    /// Brings the hashes up to date from the first node on that was changed after it was recorded.
    #[inline]
    fn settle(&mut self) {
        if self.outdated != usize::MAX {
            self.settle_from(self.outdated);
        }
    }

    #[cold]
    fn settle_from(&mut self, first: usize) {
        for id in first..self.nodes.len() {
            let node = *self.nodes.get(id);
            let recorded = NewNode::like(&node);
            let retains = node.op != Op::Leaf && node.has_slot();
            let hash = self.hash(&recorded, node.requires_grad, node.paths, retains, id);
            let hash = match self.checkpoint_of(NodeId(id as u32)) {
                0 => hash,
                number => mix(hash, u64::from(number)),
            };
            self.nodes.get_mut(id).hash = hash;
        }
        self.outdated = usize::MAX;
    }
}

/// Both halves of a product, so that every bit of either factor reaches every bit of the result
/// (the "folded multiply" of wyhash).
#[inline(always)]
fn mix(a: u64, b: u64) -> u64 {
    let (a, b) = (a ^ 0x9e37_79b9_7f4a_7c15, b ^ 0xd6e8_feb8_6659_fd93);
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}
