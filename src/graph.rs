//! The tape: nodes, their data, and the rules of handles.
//!
//! [`Core`] is what a graph is, behind the borrow check of `var.rs` and of `ffi/`: it appends
//! nodes and owns memory. It computes nothing; the executor does, when a value is read.

mod back;
mod checkpoint;
mod custom;
mod data;
mod derived;
mod handle;
mod message;
mod record;
mod structure;
mod walk;

use crate::arena::{Lists, OutOfMemory, Stack, TryPush};
use crate::buffer::{Buffer, INLINE, MemoryStats, Pool};
use crate::defect::FailPoint;
use crate::error::ErrorSlot;
use crate::fpenv::Subnormals;
use crate::id::{ListId, NodeId};
use crate::node::{Node, Op};
use crate::shape::Dims;
pub use back::Mark;
pub(crate) use back::Start;
use checkpoint::Checkpoints;
pub(crate) use checkpoint::Image;
pub use custom::CustomOp;
pub(crate) use custom::{CustomScratch, Customs, Operation, Recorded};
pub(crate) use data::MOMENTS;
pub use data::Optimiser;
use data::{GradSlot, WRITTEN, Written};
use derived::Derived;
pub(crate) use handle::Handle;
use handle::new_tag;
pub(crate) use record::{NewNode, Operand, PATH, operand_word};
use record::{STATE_BITS, STATES};
pub(crate) use walk::{Contribution, Spot, WalkScratch};

/// The mutable side of a node: its value, if there is one, and how old it is.
///
/// The graph's clock ticks when a leaf is written. A value is right as long as no operand changed
/// after it: `changed` of every operand is at most its own. `checked` remembers the clock at which
/// that was last found out, so that an unchanged graph is not walked again. Neither says anything
/// of a node that has not been looked at since it was recorded, which is not ready.
#[derive(Clone, Copy)]
pub(crate) struct State {
    value: Option<Buffer>,
    pub(crate) changed: u64,
    pub(crate) checked: u64,
    /// Whether the buffer holds the value as of `changed`.
    pub(crate) ready: bool,
    /// Whether a reading computed the value as of `changed`, kept or not.
    pub(crate) read_through: bool,
    /// How many nodes there were when the user first saw a value of it: what was recorded from there on may
    /// hold for that value only.
    pub(crate) read_at: u32,
}

impl State {
    /// Of a node that was just recorded.
    const BLANK: Self = Self {
        value: None,
        changed: 0,
        checked: 0,
        ready: false,
        read_through: false,
        read_at: u32::MAX,
    };

    pub(crate) fn value(&self) -> Option<Buffer> {
        self.value
    }

    /// Whether the user has seen a value of it.
    fn was_read(&self) -> bool {
        self.read_at != u32::MAX
    }
}

/// An iterator over operands.
#[derive(Clone)]
pub(crate) struct Operands<'a> {
    inline: &'a [NodeId],
    listed: &'a [u64],
}

impl Iterator for Operands<'_> {
    type Item = NodeId;

    #[inline]
    fn next(&mut self) -> Option<NodeId> {
        while let Some((&first, rest)) = self.inline.split_first() {
            self.inline = rest;
            if first.is_node() {
                return Some(first);
            }
        }
        let (&first, rest) = self.listed.split_first()?;
        self.listed = rest;
        Some(NodeId(first as u32))
    }
}

/// See the module.
pub(crate) struct Core {
    pub(crate) error: ErrorSlot,
    /// The stacks and lists below point into its bump.
    pub(crate) pool: Pool,
    pub(crate) slots: Vec<GradSlot>,
    pub(crate) clock: u64,
    /// Nesting depth of `no_grad`; nodes recorded inside do not require gradients.
    pub(crate) no_grad: u32,
    pub(crate) training: bool,
    subnormals: Subnormals,
    /// The clock when that was set: what was computed before is of another kind.
    oldest: u64,
    written: Written,
    pub(crate) seed: u64,
    /// The clock when the seed was set: dropout counts its replays from here.
    pub(crate) seeded: u64,
    /// Counts the random leaves and dropouts since then, each with a stream of its own.
    pub(crate) streams: u64,
    /// Whether data that cannot be computed again are being changed: see [`Core::recover`].
    pub(crate) is_torn: bool,
    /// If asked for: from which node on the reverse walk recorded which node's rule.
    pub(crate) ways: Option<Vec<(u32, NodeId)>>,
    pub(crate) fail_point: FailPoint,
    pub(crate) customs: Customs,
    /// How many callbacks, each within the one before, have it to record with, and for nothing else.
    pub(crate) lent: u32,
    /// Whether one more has been refused, for which those around it may fail.
    pub(crate) is_too_deep: bool,
    /// From this node on, hashes are not those of the nodes as they are now.
    outdated: usize,
    checkpoints: Checkpoints,
    derived: Vec<Derived>,
    /// Nodes that the user saw a value of, in order of when that was first.
    reads: Vec<NodeId>,
    labels: Vec<(NodeId, String)>,
    /// Of their texts.
    label_bytes: usize,
    /// Lists that the reverse walk fills anew each time.
    pub(crate) walk_scratch: WalkScratch,
    pub(crate) tag: u32,
    /// Tells this graph from all others.
    first_tag: u32,
    nodes: Stack<Node>,
    /// At least one a node; without a value for those beyond the last, so that recording need not
    /// write any.
    states: Stack<State>,
    /// As many as states: the values of those that are small enough. Written and read through the
    /// buffers that point here, never borrowed.
    inlined: Stack<u64, STATE_BITS>,
    /// A bit for each state: set where there may be something to forget.
    holders: Vec<u64>,
    lists: Lists,
    /// The operation that is being recorded, as its user called it; else empty.
    pub(crate) called: &'static str,
    /// Those that are told where an index is found to be none.
    calls: Vec<&'static str>,
}

impl Core {
    pub(crate) fn new() -> Self {
        let tag = new_tag();
        Self {
            error: ErrorSlot::new(),
            pool: Pool::new(),
            slots: Vec::new(),
            clock: 1,
            no_grad: 0,
            training: true,
            subnormals: Subnormals::Keep,
            oldest: 0,
            written: Written { last: [NodeId::NONE; WRITTEN], count: 0 },
            seed: 0,
            seeded: 1,
            streams: 0,
            is_torn: false,
            ways: None,
            fail_point: FailPoint::default(),
            customs: Customs::default(),
            lent: 0,
            is_too_deep: false,
            outdated: usize::MAX,
            checkpoints: Checkpoints::default(),
            derived: Vec::new(),
            reads: Vec::new(),
            labels: Vec::new(),
            label_bytes: 0,
            walk_scratch: WalkScratch::default(),
            tag,
            first_tag: tag,
            nodes: Stack::new(),
            states: Stack::with_room(STATES),
            inlined: Stack::unmoved(),
            holders: Vec::new(),
            lists: Lists::new(),
            called: "",
            calls: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    #[inline(always)]
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        self.nodes.get(id.index())
    }

    #[inline(always)]
    pub(crate) fn node_mut(&mut self, id: NodeId) -> &mut Node {
        self.nodes.get_mut(id.index())
    }

    #[inline(always)]
    pub(crate) fn state(&self, id: NodeId) -> &State {
        self.states.get(id.index())
    }

    #[inline(always)]
    pub(crate) fn state_mut(&mut self, id: NodeId) -> &mut State {
        self.states.get_mut(id.index())
    }

    /// The buffer for a node's value, made where there is none.
    #[inline]
    pub(crate) fn make_room(&mut self, id: NodeId) -> Result<Buffer, OutOfMemory> {
        if let Some(buffer) = self.state(id).value {
            return Ok(buffer);
        }
        let node = self.node(id);
        let bytes = node.len * node.dtype.size();
        let buffer = match bytes <= INLINE {
            true => Buffer::inline(self.inlined.place(id.index())),
            false => self.pool.take(bytes)?,
        };
        self.state_mut(id).value = Some(buffer);
        self.holders[id.index() / 64] |= 1 << (id.index() % 64);
        Ok(buffer)
    }

    /// Notes that a reading computes a value; whether one did so before.
    pub(crate) fn read_through(&mut self, id: NodeId) -> bool {
        self.holders[id.index() / 64] |= 1 << (id.index() % 64);
        std::mem::replace(&mut self.state_mut(id).read_through, true)
    }

    /// Notes that the user sees a value.
    pub(crate) fn note_read(&mut self, id: NodeId) {
        self.holders[id.index() / 64] |= 1 << (id.index() % 64);
        if self.state(id).was_read() {
            return;
        }
        // (Without memory for it, it is as if it had been read before anything else.)
        let listed = self.reads.try_push(id);
        let now = self.nodes.len() as u32;
        self.state_mut(id).read_at = listed.map_or(0, |_| now);
    }

    /// What is recorded from here on is recorded after everything that was read.
    fn note_reads_before(&mut self, len: usize) {
        let Self { reads, states, .. } = self;
        let before =
            |id: &NodeId| id.index() < len && states.get(id.index()).read_at as usize <= len;
        let first = reads.partition_point(before);
        let mut kept = first;
        for k in first..reads.len() {
            let id = reads[k];
            if id.index() < len {
                states.get_mut(id.index()).read_at = len as u32;
                reads[kept] = id;
                kept += 1;
            }
        }
        reads.truncate(kept);
    }

    /// Takes the buffer of a value away. That the user saw it stays true.
    pub(crate) fn let_go(&mut self, id: NodeId) {
        let state = self.state_mut(id);
        (state.ready, state.read_through) = (false, false);
        if let Some(buffer) = state.value.take() {
            self.pool.give(buffer);
        }
    }

    /// Takes away the buffers of values that can be computed again, and that nobody asked for.
    #[cold]
    pub(crate) fn let_go_unasked(&mut self) {
        for word in 0..self.nodes.len().div_ceil(64) {
            let mut holders = self.holders[word];
            while holders != 0 {
                let id = NodeId(64 * word as u32 + holders.trailing_zeros());
                holders &= holders - 1;
                if id.index() >= self.len() {
                    continue;
                }
                let (op, state) = (self.node(id).op, self.state(id));
                let is_asked = op == Op::Leaf || state.ready && state.was_read();
                if !is_asked && op.may_be_repeated() {
                    self.let_go(id);
                }
            }
        }
    }

    pub(crate) fn list(&self, id: ListId) -> &[u64] {
        self.lists.get(id)
    }

    /// The axis lengths of an interned shape.
    pub(crate) fn dims(&self, shape: ListId) -> Dims {
        let mut dims = Dims::SCALAR;
        self.lists.get(shape).iter().for_each(|&len| dims.push(len as usize));
        dims
    }

    pub(crate) fn shape(&self, id: NodeId) -> Dims {
        self.dims(self.node(id).shape)
    }

    /// The operands that do not fit in a node, as words of its list.
    #[inline]
    pub(crate) fn listed(&self, op: Op, list: ListId) -> &[u64] {
        match op {
            Op::Concat => &self.lists.get(list)[1..],
            Op::Assemble | Op::Custom(_) => {
                let words = self.lists.get(list);
                &words[1..1 + words[0] as usize]
            }
            _ => &[],
        }
    }

    /// The operands that are nodes.
    #[inline]
    pub(crate) fn operands(&self, id: NodeId) -> Operands<'_> {
        let node = self.node(id);
        Operands { inline: &node.inputs, listed: self.listed(node.op, node.list) }
    }

    /// The operands that are nodes, and of each whether it required a gradient when the node was recorded.
    pub(crate) fn operands_and_paths(&self, id: NodeId) -> impl Iterator<Item = (NodeId, bool)> {
        let node = self.node(id);
        let inline = node.inputs.iter().enumerate();
        let inline = inline.map(|(k, &operand)| (operand, node.paths >> k & 1 != 0));
        let listed = self.listed(node.op, node.list).iter();
        let listed = listed.map(|&word| (NodeId(word as u32), node.is_path(word)));
        inline.filter(|(operand, _)| operand.is_node()).chain(listed)
    }

    /// The operands to which gradients flow from a node: those that required one when it was
    /// recorded, whatever has been said of them since.
    #[inline]
    pub(crate) fn paths(&self, id: NodeId) -> impl Iterator<Item = NodeId> {
        let node = self.node(id);
        let inline = node.inputs.iter().enumerate();
        let inline = inline.filter(|(k, _)| node.paths >> k & 1 != 0).map(|(_, &operand)| operand);
        let listed = self.listed(node.op, node.list).iter().filter(|&&word| node.is_path(word));
        inline.chain(listed.map(|&word| NodeId(word as u32)))
    }

    /// Brings the pool's books up to date.
    fn count(&mut self) {
        self.pool.count_records(self.bytes());
    }

    /// Bytes that the records take outside of the bump.
    pub(crate) fn bytes(&self) -> usize {
        self.nodes.bytes()
            + self.states.bytes()
            + self.inlined.bytes()
            + self.lists.bytes()
            + self.holders.bytes()
            + self.slots.bytes()
            + self.labels.bytes()
            + self.checkpoints.bytes()
            + self.derived.bytes()
            + self.reads.bytes()
            + self.calls.bytes()
            + self.customs.bytes()
            + self.label_bytes
    }

    /// The books of the pool, without plans.
    pub(crate) fn stats(&self) -> MemoryStats {
        let stats = self.pool.stats();
        MemoryStats { records: self.bytes() + self.pool.bump.allocated_bytes(), ..stats }
    }

    pub(crate) fn set_memory_limit(&mut self, bytes: usize) {
        self.pool.set_limit(bytes);
        self.count();
    }
}
