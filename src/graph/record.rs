//! Recording: nodes are checked elsewhere, and appended here.

use super::{Core, State};
use crate::arena::{OutOfMemory, TryPush};
use crate::dtype::DType;
use crate::error::{ErrorKind, Maybe};
use crate::id::{ListId, NodeId};
use crate::node::{INLINE_OPERANDS, NO_SLOT, Node, Op};
use crate::shape::{self, MAX_RANK};

/// An operand of an elementwise operation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Operand {
    Node(NodeId),
    Constant(f64),
}

impl From<NodeId> for Operand {
    fn from(id: NodeId) -> Self {
        Self::Node(id)
    }
}

/// Marks, in the list of a node, an operand that required a gradient when that was recorded.
pub(crate) const PATH: u64 = 1 << 32;

/// All numbers below those that are no nodes; whole words of [`Core::holders`].
const NODES_MAX: usize = NodeId::IMMEDIATE.index() / 64 * 64;

/// Nodes for whose states there is room at a time: the bits of a word of `holders`.
pub(super) const STATES: usize = 1 << STATE_BITS;
pub(super) const STATE_BITS: u32 = 6;

/// What a caller of [`Core::push`] says about a node.
pub(crate) struct NewNode {
    pub(crate) op: Op,
    pub(crate) dtype: DType,
    pub(crate) shape: ListId,
    pub(crate) len: usize,
    pub(crate) inputs: [NodeId; INLINE_OPERANDS],
    pub(crate) list: ListId,
    pub(crate) imm: f64,
}

impl NewNode {
    /// The same operation with the same operands.
    pub(crate) fn like(node: &Node) -> Self {
        let &Node { op, dtype, shape, len, inputs, list, imm, .. } = node;
        Self { op, dtype, shape, len, inputs, list, imm }
    }

    pub(crate) fn new(op: Op, dtype: DType) -> Self {
        Self {
            op,
            dtype,
            shape: ListId::NONE,
            len: 0,
            inputs: [NodeId::NONE; INLINE_OPERANDS],
            list: ListId::NONE,
            imm: 0.0,
        }
    }
}

/// How an operand stands in a list of them.
pub(crate) fn operand_word(id: NodeId, node: &Node) -> u64 {
    u64::from(id.0) | if node.requires_grad { PATH } else { 0 }
}

impl Node {
    /// Whether an operand in the node's list required a gradient when that was recorded, and the node has one.
    pub(crate) fn is_path(&self, word: u64) -> bool {
        self.requires_grad && word & PATH != 0
    }
}

impl Core {
    pub(crate) fn intern(&mut self, words: &[usize]) -> Maybe<ListId> {
        self.intern_from(words.iter().map(|&word| word as u64))
    }

    /// An axis and operands that do not fit in a node.
    pub(crate) fn intern_operands(&mut self, axis: usize, xs: &[NodeId]) -> Maybe<ListId> {
        let Self { nodes, lists, pool, .. } = &mut *self;
        let word = |i: usize| match i.checked_sub(1) {
            None => axis as u64,
            Some(i) => operand_word(xs[i], nodes.get(xs[i].index())),
        };
        let made = lists.intern(&pool.bump, (0..xs.len() + 1).map(word));
        made.map_err(|OutOfMemory| self.out_of_records())
    }

    /// A list as it is.
    pub(crate) fn intern_words(&mut self, words: &[u64]) -> Maybe<ListId> {
        self.intern_from(words.iter().copied())
    }

    #[inline(always)]
    fn intern_from(&mut self, words: impl ExactSizeIterator<Item = u64> + Clone) -> Maybe<ListId> {
        let made = match self.fail_point.refuses() {
            false => self.lists.intern(&self.pool.bump, words),
            true => Err(OutOfMemory),
        };
        made.map_err(|OutOfMemory| self.out_of_records())
    }

    /// Checks and interns the shape of a new node.
    pub(crate) fn intern_shape(&mut self, what: &str, dims: &[usize]) -> Maybe<(ListId, usize)> {
        if dims.len() > MAX_RANK {
            return Err(self.fail(
                ErrorKind::Limit,
                format_args!(
                    "{what}: a shape of rank {} exceeds the largest, {MAX_RANK}",
                    dims.len()
                ),
            ));
        }
        let Some(len) = shape::checked_len(dims) else {
            return Err(self.fail(
                ErrorKind::Limit,
                format_args!("{what}: a tensor of shape {dims:?} exceeds the address space"),
            ));
        };
        Ok((self.intern(dims)?, len))
    }

    /// Appends a node that was checked; fills in what follows from its operands.
    #[inline(never)]
    pub(crate) fn push(&mut self, node: NewNode) -> Maybe<NodeId> {
        self.push_here(node)
    }

    /// As `push`, as a part of the caller: passing a node on takes as long as recording it.
    #[inline(always)]
    pub(crate) fn push_here(&mut self, node: NewNode) -> Maybe<NodeId> {
        self.fail_point.pass();
        let id = self.nodes.len();
        let may = self.no_grad == 0 && node.dtype.is_float() && node.op.is_differentiable();
        let mut paths = 0;
        if may {
            for (k, &id) in node.inputs.iter().enumerate() {
                paths |= u8::from(id.is_node() && self.node(id).requires_grad) << k;
            }
        }
        let requires_grad = paths != 0
            || may && self.listed(node.op, node.list).iter().any(|&word| word & PATH != 0);
        let hash = self.hash(&node, requires_grad, paths, false, id);
        // Written where it stays, field by field: no copy is read back before it is complete.
        let record = Node {
            hash,
            op: node.op,
            dtype: node.dtype,
            requires_grad,
            paths,
            shape: node.shape,
            tag: self.tag,
            inputs: node.inputs,
            list: node.list,
            slot: NO_SLOT,
            imm: node.imm,
            len: node.len,
        };
        if self.fail_point.refuses() || self.nodes.push(&self.pool.bump, record).is_err() {
            return Err(self.out_of_records());
        }
        if id == self.states.len() {
            self.more_states().inspect_err(|_| self.nodes.truncate(id))?;
        }
        Ok(NodeId(id as u32))
    }

    /// Makes room for the states of more nodes.
    #[cold]
    fn more_states(&mut self) -> Maybe<()> {
        let words = self.states.len() / STATES + 1;
        if words > NODES_MAX / STATES {
            return Err(self
                .fail(ErrorKind::Limit, format_args!("a graph holds at most {NODES_MAX} nodes")));
        }
        let mut grow = || {
            self.holders.try_extend_to(words, 0)?;
            while self.inlined.len() < STATES * words {
                self.inlined.push(&self.pool.bump, 0)?;
            }
            while self.states.len() < STATES * words {
                self.states.push(&self.pool.bump, State::BLANK)?;
            }
            Ok(())
        };
        grow().map_err(|OutOfMemory| self.out_of_records())?;
        self.count();
        Ok(())
    }
}
