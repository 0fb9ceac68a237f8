//! The tape: nodes, their data, and the rules of handles.
//!
//! [`Core`] is what a graph is, behind the borrow check of `var.rs` and of `ffi/`: it appends
//! nodes and owns memory. It computes nothing; the executor does, when a value is read.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::arena::{Lists, OutOfMemory, Stack, TryPush};
use crate::buffer::{Buffer, INLINE, MemoryStats, Part, Pool};
use crate::defect::FailPoint;
use crate::dtype::{DType, Element};
use crate::error::{ErrorKind, ErrorSlot, Fail, Maybe};
use crate::fpenv::Subnormals;
use crate::id::{ListId, NodeId};
use crate::node::{INLINE_OPERANDS, NO_SLOT, Node, Op};
use crate::shape::{self, Dims, Layout, MAX_RANK};
use crate::visit::Visit;

/// The public name of a node: its id, and the tag that the graph had when the node was recorded.
/// Tags come from one counter for the whole process, so a handle of another graph, or one of a
/// node that a rewind dropped, is found out.
///
/// One number of 64 bits, so that a `Var`, which is a handle and a reference, travels in registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Handle(u64);

impl Handle {
    /// The result of an operation that failed.
    pub(crate) const NULL: Self = Self::new(0, 0);

    #[inline(always)]
    pub(crate) const fn new(id: u32, tag: u32) -> Self {
        Self((tag as u64) << 32 | id as u64)
    }

    #[inline(always)]
    pub(crate) const fn id(self) -> u32 {
        self.0 as u32
    }

    #[inline(always)]
    pub(crate) const fn tag(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// A place in a recording to which [`Graph::rewind`](crate::Graph::rewind) goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub(crate) nodes: u32,
    pub(crate) lists: u32,
    /// The tag of the last node that it keeps; 0 when it keeps none.
    pub(crate) tag: u32,
    /// The first tag of the graph it was made with.
    pub(crate) graph: u32,
}

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
    /// Whether the user has seen a value of it.
    pub(crate) was_read: bool,
}

impl State {
    /// Of a node that was just recorded.
    const BLANK: Self = Self {
        value: None,
        changed: 0,
        checked: 0,
        ready: false,
        read_through: false,
        was_read: false,
    };

    pub(crate) fn value(&self) -> Option<Buffer> {
        self.value
    }
}

/// The gradient of a leaf, or of another node that was asked to retain it, and what an optimiser
/// remembers about it.
pub(crate) struct Slot {
    pub(crate) node: NodeId,
    /// Unset until the first backward, and after `zero_grad`.
    pub(crate) grad: Option<Buffer>,
    /// Running averages of an optimiser, one buffer each.
    pub(crate) moments: [Option<Buffer>; 2],
    /// Steps the optimiser has taken.
    pub(crate) steps: u64,
}

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

/// All numbers below those that are no nodes; whole words of [`Core::holders`].
const NODES_MAX: usize = NodeId::IMMEDIATE.index() / 64 * 64;

/// Nodes for whose states there is room at a time: the bits of a word of `holders`.
const STATES: usize = 1 << STATE_BITS;
const STATE_BITS: u32 = 6;

/// More bytes than a page of records has, with what the bump adds to it.
const RECORD_PAGE: usize = 1 << 16;
const _: () = assert!(512 * size_of::<Node>() + 4096 <= RECORD_PAGE);

/// The leaves that were written last.
struct Written {
    last: [NodeId; WRITTEN],
    /// Of all writes.
    count: u64,
}

const WRITTEN: usize = 32;

/// See the module.
pub(crate) struct Core {
    pub(crate) error: ErrorSlot,
    /// The stacks and lists below point into its bump.
    pub(crate) pool: Pool,
    pub(crate) slots: Vec<Slot>,
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
    pub(crate) fail_point: FailPoint,
    /// From this node on, hashes are not those of the nodes as they are now.
    outdated: usize,
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
}

static NEXT_TAG: AtomicU32 = AtomicU32::new(1);

fn new_tag() -> u32 {
    loop {
        match NEXT_TAG.fetch_add(1, Ordering::Relaxed) {
            0 => continue, // the null handle's tag, after 2^32 others
            tag => return tag,
        }
    }
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
            fail_point: FailPoint::default(),
            outdated: usize::MAX,
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
        }
    }

    // ---- errors ----

    #[cold]
    pub(crate) fn fail(&mut self, kind: ErrorKind, message: fmt::Arguments<'_>) -> Fail {
        self.error.set(kind, message)
    }

    /// As `fail`, for messages that look at the graph.
    #[cold]
    pub(crate) fn fail_with(&mut self, tell: impl FnOnce(&Self, &mut ErrorSlot) -> Fail) -> Fail {
        let mut slot = std::mem::replace(&mut self.error, ErrorSlot::new());
        let fail = tell(self, &mut slot);
        self.error = slot;
        fail
    }

    /// As `fail`, for messages about two operands.
    #[cold]
    pub(crate) fn refuse_pair(
        &mut self,
        a: NodeId,
        b: NodeId,
        tell: impl FnOnce(&mut ErrorSlot, Describe<'_>, Describe<'_>) -> Fail,
    ) -> Fail {
        self.fail_with(|core, slot| tell(slot, core.describe(a), core.describe(b)))
    }

    /// Reports exhausted memory on behalf of `what`.
    #[cold]
    pub(crate) fn out_of_memory(&mut self, what: &str) -> Fail {
        let (stats, limit) = (self.pool.stats(), self.pool.limit());
        let Some(part) = self.pool.full() else {
            return self.fail(
                ErrorKind::Memory,
                format_args!(
                    "{what}: out of memory ({} bytes in use by this graph)",
                    stats.total()
                ),
            );
        };
        let part = match part {
            Part::Tensors => "tensors",
            Part::Recording => "the recording",
            Part::Plans => "plans",
        };
        self.fail(
            ErrorKind::Memory,
            format_args!(
                "{what}: the graph's memory limit of {limit} bytes is reached: no more for {part} \
                 ({} bytes in tensors, {} in the recording, {} in plans)",
                stats.pooled, stats.records, stats.plans
            ),
        )
    }

    /// As `out_of_memory`, where a record could not be written.
    #[cold]
    fn out_of_records(&mut self) -> Fail {
        // The bump does not say why it has no page; the largest is smaller than this.
        let _the_limit = self.pool.room_for(Part::Recording, RECORD_PAGE);
        self.out_of_memory("record")
    }

    // ---- looking things up ----

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
        self.state_mut(id).was_read = true;
    }

    /// Takes the buffer of a value away.
    pub(crate) fn let_go(&mut self, id: NodeId) {
        let state = self.state_mut(id);
        (state.ready, state.read_through, state.was_read) = (false, false, false);
        if let Some(buffer) = state.value.take() {
            self.pool.give(buffer);
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
            Op::Assemble => {
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
        let listed = listed.map(|&word| (NodeId(word as u32), word & PATH != 0));
        inline.filter(|(operand, _)| operand.is_node()).chain(listed)
    }

    /// The operands to which gradients flow from a node: those that required one when it was
    /// recorded, whatever has been said of them since.
    #[inline]
    pub(crate) fn paths(&self, id: NodeId) -> impl Iterator<Item = NodeId> {
        let node = self.node(id);
        let inline = node.inputs.iter().enumerate();
        let inline = inline.filter(|(k, _)| node.paths >> k & 1 != 0).map(|(_, &operand)| operand);
        let listed = self.listed(node.op, node.list).iter().filter(|&word| word & PATH != 0);
        inline.chain(listed.map(|&word| NodeId(word as u32)))
    }

    pub(crate) fn handle(&self, id: NodeId) -> Handle {
        Handle::new(id.0, self.node(id).tag)
    }

    /// The node that a handle names, on behalf of the operation `what`.
    #[inline(always)]
    pub(crate) fn resolve(&mut self, what: &str, handle: Handle) -> Maybe<NodeId> {
        let id = NodeId(handle.id());
        if id.index() < self.nodes.len() && self.node(id).tag == handle.tag() {
            return Ok(id);
        }
        Err(self.bad_handle(what, handle))
    }

    #[cold]
    fn bad_handle(&mut self, what: &str, handle: Handle) -> Fail {
        if handle == Handle::NULL {
            return self.fail(
                ErrorKind::Handle,
                format_args!("{what}: the handle is null (the result of an operation that failed)"),
            );
        }
        if self.is_torn {
            return self.torn(what);
        }
        self.fail(
            ErrorKind::Handle,
            format_args!(
                "{what}: the handle n{} is not valid here: it is of another graph, or its node was \
                 dropped by a rewind or reset",
                handle.id()
            ),
        )
    }

    #[cold]
    pub(crate) fn torn(&mut self, what: &str) -> Fail {
        self.fail(
            ErrorKind::Internal,
            format_args!(
                "{what}: a defect of bumpgrad left parameters or gradients half changed: the graph \
                 cannot be used until it is reset"
            ),
        )
    }

    /// Shows a node in a message: its label if it has one, and its shape.
    pub(crate) fn describe(&self, id: NodeId) -> Describe<'_> {
        Describe { core: self, id }
    }

    pub(crate) fn label(&self, id: NodeId) -> Option<&str> {
        let found = self.labels.iter().find(|(node, _)| *node == id);
        found.map(|(_, text)| text.as_str())
    }

    pub(crate) fn set_label(&mut self, id: NodeId, text: &str) -> Maybe<()> {
        let bytes = text.len() + size_of::<(NodeId, String)>();
        let mut copy = String::new();
        let made = self.pool.room_for(Part::Recording, bytes).is_ok()
            && copy.try_reserve_exact(text.len()).is_ok()
            && self.labels.try_reserve(1).is_ok();
        if !made {
            return Err(self.out_of_memory("label"));
        }
        #[allow(clippy::disallowed_methods, reason = "into room that was reserved")]
        copy.push_str(text);
        self.drop_labels(|node| node == id);
        self.label_bytes += text.len();
        self.labels.push_within((id, copy));
        self.count();
        Ok(())
    }

    fn drop_labels(&mut self, which: impl Fn(NodeId) -> bool) {
        let bytes = &mut self.label_bytes;
        self.labels.retain(|(node, text)| {
            *bytes -= if which(*node) { text.len() } else { 0 };
            !which(*node)
        });
    }

    // ---- recording ----

    pub(crate) fn intern(&mut self, words: &[usize]) -> Maybe<ListId> {
        let words = words.iter().map(|&word| word as u64);
        self.lists.intern(&self.pool.bump, words).map_err(|_| self.out_of_records())
    }

    /// An axis and operands that do not fit in a node.
    pub(crate) fn intern_operands(&mut self, axis: usize, xs: &[NodeId]) -> Maybe<ListId> {
        let Self { nodes, lists, pool, .. } = &mut *self;
        let word = |i: usize| match i.checked_sub(1) {
            None => axis as u64,
            Some(i) => operand_word(xs[i], nodes.get(xs[i].index())),
        };
        lists.intern(&pool.bump, (0..xs.len() + 1).map(word)).map_err(|_| self.out_of_records())
    }

    /// A list as it is.
    pub(crate) fn intern_words(&mut self, words: &[u64]) -> Maybe<ListId> {
        let words = words.iter().copied();
        self.lists.intern(&self.pool.bump, words).map_err(|_| self.out_of_records())
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
        if self.nodes.push(&self.pool.bump, record).is_err() {
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
            + self.label_bytes
    }

    /// The structure of everything up to a node, mixed with a number.
    pub(crate) fn structure(&mut self, id: NodeId, with: u64) -> u64 {
        self.settle();
        mix(self.node(id).hash, with)
    }

    /// Sums up a node and all before it: what they do, not which data they hold. Two recordings
    /// with the same hash are taken for the same one.
    #[inline(always)]
    fn hash(
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
            self.nodes.get_mut(id).hash = hash;
        }
        self.outdated = usize::MAX;
    }

    // ---- leaves ----

    /// A leaf of this shape with a buffer of undefined content; the caller fills it at once.
    pub(crate) fn new_leaf(&mut self, what: &str, dtype: DType, dims: &[usize]) -> Maybe<NodeId> {
        let (shape, len) = self.intern_shape(what, dims)?;
        let id = self.push(NewNode { shape, len, ..NewNode::new(Op::Leaf, dtype) })?;
        if self.make_room(id).is_err() {
            self.truncate(id.index());
            return Err(self.out_of_memory(what));
        }
        // New data like any other: what depends on "the present replay" (dropout) stays as it is.
        let clock = self.clock;
        let state = self.state_mut(id);
        (state.changed, state.checked, state.ready) = (clock, clock, true);
        Ok(id)
    }

    /// Says that a leaf's data are about to change: everything downstream is stale from now on.
    pub(crate) fn touch(&mut self, leaf: NodeId) {
        self.clock += 1;
        let clock = self.clock;
        let state = self.state_mut(leaf);
        (state.changed, state.checked) = (clock, clock);
        self.written.last[self.written.count as usize % WRITTEN] = leaf;
        self.written.count += 1;
    }

    /// How many times leaves were written.
    pub(crate) fn writes(&self) -> u64 {
        self.written.count
    }

    /// The leaves that were written after so many writes, some of them more than once and some dropped
    /// since; none if there are too many to know.
    pub(crate) fn written_after(&self, writes: u64) -> Option<impl Iterator<Item = NodeId>> {
        let count = self.written.count;
        let known = count.saturating_sub(writes) <= WRITTEN as u64;
        known.then(|| (writes..count).map(|k| self.written.last[k as usize % WRITTEN]))
    }

    /// What computing does with subnormal numbers.
    pub(crate) fn subnormals(&self) -> Subnormals {
        self.subnormals
    }

    /// Everything computed is stale, if it was computed otherwise.
    pub(crate) fn set_subnormals(&mut self, subnormals: Subnormals) {
        if self.subnormals != subnormals {
            self.subnormals = subnormals;
            self.clock += 1;
            self.oldest = self.clock;
        }
    }

    /// The least version of a computed value that may be right.
    pub(crate) fn oldest(&self) -> u64 {
        self.oldest
    }

    /// The elements of a node whose value is present.
    pub(crate) fn values<T: Element>(&self, id: NodeId) -> &[T] {
        let node = self.node(id);
        assert_eq!(node.dtype, T::DTYPE, "reading {id}");
        match self.state(id) {
            // SAFETY: a node's buffer holds `len` elements of its dtype (taken with that size,
            // written before it is marked as ready), and is borrowed with the core.
            State { value: Some(buffer), ready: true, .. } => unsafe {
                std::slice::from_raw_parts(buffer.as_ptr().cast::<T>(), node.len)
            },
            _ => panic!("{id} has no value"),
        }
    }

    /// The gradient slot of a node, made when it has none.
    #[inline]
    pub(crate) fn slot(&mut self, id: NodeId) -> Maybe<usize> {
        let node = self.node(id);
        if node.has_slot() { Ok(node.slot as usize) } else { self.new_slot(id) }
    }

    #[cold]
    fn new_slot(&mut self, id: NodeId) -> Maybe<usize> {
        let slot = Slot { node: id, grad: None, moments: [None; 2], steps: 0 };
        let place = self.slots.try_push(slot).map_err(|_| self.out_of_memory("gradient"))?;
        self.node_mut(id).slot = place;
        Ok(place as usize)
    }

    /// The elements of a slot's buffer.
    pub(crate) fn slot_values<T: Element>(&self, id: NodeId, buffer: Buffer) -> &[T] {
        let node = self.node(id);
        assert_eq!(node.dtype, T::DTYPE, "reading the gradient of {id}");
        // SAFETY: gradient and moment buffers are taken with the size of their node's value, and
        // are filled when they are taken.
        unsafe { std::slice::from_raw_parts(buffer.as_ptr().cast::<T>(), node.len) }
    }

    // ---- going back ----

    /// What a call that fails leaves as it was.
    #[inline(always)]
    pub(crate) fn start(&self) -> Start {
        Start { nodes: self.nodes.len(), streams: self.streams, no_grad: self.no_grad }
    }

    /// Drops what was recorded since.
    #[cold]
    pub(crate) fn go_back(&mut self, start: Start) {
        self.truncate(start.nodes);
        (self.streams, self.no_grad) = (start.streams, start.no_grad);
    }

    /// Puts the graph in order after a call that unwound. Everything that can be computed again is
    /// forgotten, whatever state it is in. What cannot be, leaves and gradients and averages, is
    /// right unless it was being changed; then all handles become invalid.
    #[cold]
    pub(crate) fn recover(&mut self, start: Start) {
        self.go_back(start);
        for id in (0..self.len() as u32).map(NodeId) {
            if self.node(id).op != Op::Leaf {
                self.let_go(id);
            }
        }
        if self.is_torn {
            let tag = new_tag();
            (0..self.nodes.len()).for_each(|id| self.nodes.get_mut(id).tag = tag);
        }
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark {
            nodes: self.nodes.len() as u32,
            lists: self.lists.len() as u32,
            tag: self.last_tag(self.nodes.len()),
            graph: self.first_tag,
        }
    }

    /// The tag of the last one of the first `len` nodes; 0, which no node has, when there is none.
    fn last_tag(&self, len: usize) -> u32 {
        len.checked_sub(1).map_or(0, |last| self.nodes.get(last).tag)
    }

    /// Drops every node recorded after the mark.
    pub(crate) fn rewind(&mut self, mark: Mark) -> Maybe<()> {
        let len = mark.nodes as usize;
        // No rewind went back further since then, exactly when the last node that the mark keeps
        // is still there, which its tag tells. Tags come round after 2^32: their order says nothing.
        let kept = len <= self.len() && self.last_tag(len) == mark.tag;
        if !kept || mark.graph != self.first_tag {
            return Err(self.fail(
                ErrorKind::Handle,
                format_args!("rewind: the mark is of another graph or of nodes already dropped"),
            ));
        }
        self.truncate(len);
        // Ids are used again, so random nodes must not be in the same replay as their predecessors.
        self.clock += 1;
        self.lists.truncate(mark.lists as usize);
        self.tag = new_tag();
        Ok(())
    }

    /// Drops everything and keeps the memory for the next recording.
    pub(crate) fn reset(&mut self) {
        self.is_torn = false;
        self.truncate(0);
        self.clock += 1;
        self.lists.truncate(0);
        self.tag = new_tag();
    }

    /// Drops nodes without invalidating handles: for nodes that nobody has a handle of.
    pub(crate) fn truncate(&mut self, len: usize) {
        let mut keep = (1 << (len % 64)) - 1;
        for word in len / 64..self.nodes.len().div_ceil(64) {
            let mut dropped = self.holders[word] & !keep;
            self.holders[word] &= keep;
            keep = 0;
            while dropped != 0 {
                let bit = dropped.trailing_zeros();
                dropped &= dropped - 1;
                self.let_go(NodeId(64 * word as u32 + bit));
            }
        }
        if self.slots.iter().any(|slot| slot.node.index() >= len) {
            let pool = &mut self.pool;
            self.slots.retain_mut(|slot| {
                let keep = slot.node.index() < len;
                if !keep {
                    let buffers =
                        [slot.grad.take(), slot.moments[0].take(), slot.moments[1].take()];
                    buffers.into_iter().flatten().for_each(|buffer| pool.give(buffer));
                }
                keep
            });
            for (index, slot) in self.slots.iter().enumerate() {
                self.nodes.get_mut(slot.node.index()).slot = index as u32;
            }
        }
        self.drop_labels(|node| node.index() >= len);
        self.nodes.truncate(len);
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

/// Both halves of a product, so that every bit of either factor reaches every bit of the result
/// (the "folded multiply" of wyhash).
#[inline(always)]
fn mix(a: u64, b: u64) -> u64 {
    let (a, b) = (a ^ 0x9e37_79b9_7f4a_7c15, b ^ 0xd6e8_feb8_6659_fd93);
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

/// How an operand stands in a list of them.
pub(crate) fn operand_word(id: NodeId, node: &Node) -> u64 {
    u64::from(id.0) | if node.requires_grad { PATH } else { 0 }
}

/// The reverse walk's lists, kept so that a repeated backward allocates nothing.
#[derive(Default)]
pub(crate) struct WalkScratch {
    pub(crate) visit: Visit,
    pub(crate) cotangents: Vec<NodeId>,
    pub(crate) expanded: Vec<NodeId>,
    pub(crate) spot_of: Vec<u32>,
    pub(crate) spots: Vec<Spot>,
    pub(crate) parts: Vec<Contribution>,
    pub(crate) words: Vec<u64>,
    pub(crate) sent: Vec<(NodeId, NodeId)>,
    pub(crate) heads: Vec<(NodeId, NodeId)>,
    pub(crate) order: Vec<u32>,
}

impl WalkScratch {
    pub(crate) fn bytes(&self) -> usize {
        let Self { visit, cotangents, expanded, spot_of, spots, parts, .. } = self;
        let Self { words, sent, heads, order, .. } = self;
        let nodes = visit.bytes() + cotangents.bytes() + expanded.bytes() + spot_of.bytes();
        let parts = spots.bytes() + parts.bytes() + words.bytes();
        nodes + parts + sent.bytes() + heads.bytes() + order.bytes()
    }
}

/// What the reverse walk knows of a node that is a view of another, or to a part of which cotangents
/// were sent.
#[derive(Clone, Copy)]
pub(crate) struct Spot {
    pub(crate) node: NodeId,
    /// The node that gets the cotangent of this view, and where in it; itself if it is no view.
    pub(crate) base: NodeId,
    pub(crate) layout: Layout,
    /// Cotangents of parts of it that are not added yet: a list, how many, and of how many elements.
    pub(crate) first: u32,
    pub(crate) last: u32,
    pub(crate) count: u32,
    pub(crate) elements: usize,
}

/// The cotangent of a view or a selection, sent to a part of its base.
#[derive(Clone, Copy)]
pub(crate) struct Contribution {
    pub(crate) of: NodeId,
    pub(crate) cotangent: NodeId,
    pub(crate) next: u32,
}

/// What [`Core::go_back`] goes back to.
#[derive(Clone, Copy)]
pub(crate) struct Start {
    pub(crate) nodes: usize,
    streams: u64,
    no_grad: u32,
}

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

/// A node in a message.
pub(crate) struct Describe<'a> {
    core: &'a Core,
    id: NodeId,
}

impl fmt::Display for Describe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(label) = self.core.label(self.id) {
            write!(f, "\"{label}\" ")?;
        }
        write!(f, "{:?}", self.core.shape(self.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropping_nodes_gives_back_their_values_and_no_others() {
        let mut core = Core::new();
        let leaves = |core: &mut Core, len: usize| {
            (core.len()..len).for_each(|_| core.leaf("x", &[1f32], &[1]).map(|_| ()).unwrap());
        };
        for keep in (0..200).rev() {
            leaves(&mut core, 200);
            let one = core.pool.stats().live / 200;
            core.truncate(keep);
            assert_eq!(core.pool.stats().live, keep * one);
            let node = NewNode::new(Op::Fill, DType::F32);
            let fill = core.push(node).unwrap();
            assert!(core.state(fill).value().is_none() && !core.state(fill).ready);
            assert!((0..keep as u32).all(|id| core.state(NodeId(id)).ready));
            core.truncate(keep);
        }
    }

    /// Tags come round after 2^32 rewinds: a node may have a larger one than its graph has now.
    #[test]
    fn marks_hold_after_tags_have_come_round() {
        let mut core = Core::new();
        let leaf = |core: &mut Core| core.leaf("x", &[1f32], &[1]).unwrap();
        core.tag = u32::MAX;
        leaf(&mut core);
        let early = core.mark();
        leaf(&mut core);
        core.rewind(early).unwrap();
        core.tag = 2;
        let mark = core.mark();
        leaf(&mut core);
        let late = core.mark();
        core.rewind(mark).unwrap();
        assert_eq!(core.len(), 1);
        leaf(&mut core);
        assert!(core.rewind(late).is_err(), "another node is in the place of its last one");
        core.error.clear();
        core.rewind(early).unwrap();
        core.reset();
        assert!(core.rewind(mark).is_err());
        core.error.clear();
        let empty = core.mark();
        leaf(&mut core);
        core.rewind(empty).unwrap();
        assert_eq!((core.len(), empty.tag), (0, 0));
    }
}
