//! Computing node by node, without a plan.
//!
//! A plan costs more than it saves where a structure is small and met for the first time: a value
//! that is read in a loop to decide how to go on, a recording that is another one in each iteration.
//! Such nodes are computed at once, each by its kernel, in order of ids; every value stays with its
//! node, so that the next read begins where this one ended. What comes again gets a plan.
//!
//! The kernels are those of plans, so the numbers are, too.

use super::copy::StridedCursor;
use super::kept::Key;
use super::memory::uninit;
use super::{Engine, Last};
use crate::arena::{OutOfMemory, TryPush};
use crate::dtype::{Element, with_dtype};
use crate::error::{Fail, Maybe};
use crate::fpenv::Scope;
use crate::graph::Core;
use crate::id::NodeId;
use crate::kernel::{call_rows, elementwise, float_kernels};
use crate::node::{INLINE_OPERANDS, Node, Op, Reduction};
use crate::op::matmul::last_two;
use crate::plan::{
    Groups, Plan, ROW_MAX, Wanted, can_be_alone, elementwise_operand, operand_dtype,
};
use crate::shape::Layout;
use crate::team::Team;

/// How many hashes are remembered of what was computed here: so many at first, and at most.
const MET: [usize; 2] = [64, 4096];

/// So few nodes are never worth a plan, if they are small.
const FEW: usize = 8;

/// Elements a node, on average, up to which planning costs more than passing over memory once for
/// each node.
const SMALL: usize = 512;

/// Elements of an operand that are brought together at a time.
const TILE: usize = 256;

/// The memory for this, kept from call to call.
pub(super) struct Direct {
    /// Hashes of what was computed here lately, each in the place that a part of it says; and how often
    /// one took another's place.
    met: Vec<u64>,
    ousted: usize,
    /// What is to be computed.
    order: Vec<NodeId>,
    /// Operands of a node that is computed by a plan of its own.
    operands: Vec<NodeId>,
    /// Room for a tile of each operand.
    tiles: Vec<u64>,
    /// The plan of one node.
    plan: Plan,
    /// Whether nothing is computed here.
    #[cfg(test)]
    pub(crate) is_off: bool,
}

impl Direct {
    pub(super) fn new() -> Self {
        Self {
            met: Vec::new(),
            ousted: 0,
            order: Vec::new(),
            operands: Vec::new(),
            tiles: Vec::new(),
            plan: Plan::default(),
            #[cfg(test)]
            is_off: false,
        }
    }

    /// Bytes of memory that it holds.
    pub(super) fn bytes(&self) -> usize {
        self.met.bytes()
            + self.order.bytes()
            + self.operands.bytes()
            + self.tiles.bytes()
            + self.plan.bytes()
    }

    /// Remembers a hash; whether it was known.
    fn meet(&mut self, hash: u64) -> Result<bool, OutOfMemory> {
        let len = self.met.len();
        if len == 0 || (self.ousted >= len / 4 && len < MET[1]) {
            self.met.try_extend_to((2 * len).max(MET[0]), 0)?;
            for place in 0..len {
                let other = (self.met[place] >> 32) as usize % self.met.len();
                self.met.swap(place, other);
            }
            self.ousted = 0;
        }
        let place = (hash >> 32) as usize % self.met.len();
        let before = std::mem::replace(&mut self.met[place], hash);
        self.ousted += usize::from(before != hash && before != 0);
        Ok(before == hash)
    }

    /// Gives its memory back.
    pub(super) fn forget(&mut self) {
        (self.met, self.ousted) = (Vec::new(), 0);
        self.order = Vec::new();
        self.operands = Vec::new();
        self.tiles = Vec::new();
        self.plan = Plan::default();
    }
}

/// Why a node was not computed.
pub(super) enum Stop {
    OutOfMemory,
    /// It was told.
    Failed,
}

impl From<OutOfMemory> for Stop {
    fn from(_: OutOfMemory) -> Self {
        Self::OutOfMemory
    }
}

impl Engine {
    /// Computes what the planner has found to be needed for the roots and the results, if it is better
    /// done without a plan; says whether it did.
    pub(super) fn compute_directly(
        &mut self,
        core: &mut Core,
        key: Key,
        roots: &[NodeId],
        results: &[(NodeId, NodeId)],
    ) -> Maybe<bool> {
        if !self.fuses() || !self.is_direct(core, key).unwrap_or(false) {
            return Ok(false);
        }
        match self.compute_all(core) {
            Ok(()) => Ok(true),
            Err(Stop::Failed) => Err(Fail),
            Err(Stop::OutOfMemory) => self.let_go(core, roots, results).map(|()| false),
        }
    }

    /// Computes the nodes that were listed.
    fn compute_all(&mut self, core: &mut Core) -> Result<(), Stop> {
        let began = self.now();
        let _scope = Scope::enter(core.subnormals());
        for place in 0..self.direct.order.len() {
            core.fail_point.pass();
            let id = self.direct.order[place];
            self.compute(core, id)?;
            core.state_mut(id).ready = true;
        }
        self.note_direct(began, self.direct.order.len());
        Ok(())
    }

    /// Notes that so many nodes were computed without a plan.
    pub(super) fn note_direct(&mut self, began: u64, nodes: usize) {
        #[cfg(test)]
        {
            self.nodes_run += nodes;
        }
        if let Some(profile) = &mut self.profile {
            profile.ran_directly(began, nodes);
        }
        self.last = Last::Direct(nodes);
    }

    /// Gives back what was computed: a plan takes less memory, and none knows of nodes that a backward
    /// recorded and that have values. Then looks anew, for the planner.
    #[cold]
    fn let_go(
        &mut self,
        core: &mut Core,
        roots: &[NodeId],
        results: &[(NodeId, NodeId)],
    ) -> Maybe<()> {
        self.direct.order.iter().for_each(|&id| core.let_go(id));
        self.planner.look(core, roots, results).map_err(|OutOfMemory| core.out_of_memory("plan"))
    }

    /// Whether what is needed is small and new, or very little.
    fn is_direct(&mut self, core: &mut Core, key: Key) -> Result<bool, OutOfMemory> {
        #[cfg(test)]
        if self.direct.is_off {
            return Ok(false);
        }
        let hash = key.hash ^ u64::from(key.is_backward);
        let is_known = self.direct.meet(hash)?;
        let is_small = self.list_needed(core)?;
        if is_small {
            // Lists of the walk and the recorded gradients count, too.
            self.count(core);
            if core.pool.stats().total() > core.pool.limit() {
                return Err(OutOfMemory);
            }
        }
        let visited = self.planner.visited();
        if is_known && visited.len() > FEW && (!is_small || self.plans.admits()) {
            // Finding out what is still right takes longer than computing it in a plan, which is then
            // right whatever is written.
            let all = visited.iter().map(|&id| elements_of(core, id));
            if is_small || all.fold(0, usize::saturating_add) <= SMALL * visited.len() {
                self.planner.take_nothing_for_granted(core);
            }
            return Ok(false);
        }
        // Values between checkpoints are not kept.
        Ok(is_small && core.checkpoint_count() == 0)
    }

    /// Lists the nodes that are needed; whether they are small.
    fn list_needed(&mut self, core: &Core) -> Result<bool, OutOfMemory> {
        let order = &mut self.direct.order;
        order.clear();
        let mut elements = 0usize;
        for id in self.planner.needed() {
            if !core.node(id).op.may_be_repeated() {
                // What was computed here is let go of if there is too little memory, to be planned.
                return Ok(false);
            }
            elements = elements.saturating_add(elements_of(core, id));
            order.try_push(id)?;
        }
        Ok(elements <= SMALL * order.len())
    }

    /// Computes a node whose operands are right.
    pub(super) fn compute(&mut self, core: &mut Core, id: NodeId) -> Result<(), Stop> {
        let node = *core.node(id);
        match node.op {
            op if op.is_elementwise() => {
                let out = core.make_room(id)?.as_ptr();
                self.elementwise(core, &node, out)?;
            }
            Op::Fill => {
                let out = core.make_room(id)?.as_ptr();
                with_dtype!(node.dtype, T => {
                    // SAFETY: the node's own buffer, of as many elements.
                    unsafe { fill(out, node.len, T::from_f64(node.imm)) };
                });
            }
            op if op.is_view() => {
                let out = core.make_room(id)?.as_ptr();
                view(core, id, &node, out);
            }
            Op::Concat => {
                let out = core.make_room(id)?.as_ptr();
                concat(core, id, out);
            }
            Op::Reduce(reduction) => match rows_of(core, &node) {
                Some(row) => {
                    let out = core.make_room(id)?.as_ptr();
                    self.reduce_rows(core, &node, reduction, row, out);
                }
                None => self.compute_by_plan(core, id)?,
            },
            _ => self.compute_by_plan(core, id)?,
        }
        Ok(())
    }

    /// By a plan of this node alone.
    fn compute_by_plan(&mut self, core: &mut Core, id: NodeId) -> Result<(), Stop> {
        // They are right, so that nobody has to look below them.
        let operands = &mut self.direct.operands;
        operands.clear();
        for operand in core.operands(id) {
            operands.try_push(operand)?;
        }
        for &operand in &*operands {
            core.state_mut(operand).checked = core.clock;
        }
        let mut plan = std::mem::take(&mut self.direct.plan);
        let done = if can_be_alone(core, core.node(id)) {
            plan.of_single(core, id)
        } else {
            self.planner
                .look(core, &[id], &[])
                .and_then(|()| self.planner.plan(core, Wanted::read(&[id]), &mut plan))
        };
        let done = done.map_err(Stop::from);
        let done = done.and_then(|()| Ok(self.prepare(core, &plan, 1)?));
        let done =
            done.and_then(|()| self.run_steps(core, &plan, Team::ALONE).map_err(|_| Stop::Failed));
        self.drop_scratch(core);
        self.direct.plan = plan;
        done
    }

    fn elementwise(&mut self, core: &Core, node: &Node, out: *mut u8) -> Result<(), Stop> {
        let kernel = elementwise(node.op, elementwise_operand(core, node), node.dtype, self.level);
        if node.len == 1 {
            // Operands of one element, or numbers.
            let mut numbers = [0u64; INLINE_OPERANDS];
            let mut ops = [out.cast_const(); INLINE_OPERANDS];
            for (k, &input) in node.inputs.iter().enumerate() {
                match input {
                    NodeId::NONE => {}
                    NodeId::IMMEDIATE => {
                        ops[k] = numbers[k..].as_mut_ptr().cast();
                        with_dtype!(operand_dtype(core, node, k), T => {
                            // SAFETY: a word holds one element of any dtype.
                            unsafe { fill(ops[k].cast_mut(), 1, T::from_f64(node.imm)) };
                        });
                    }
                    input => ops[k] = values(core, input),
                }
            }
            let [a, b, c, d] = ops;
            // SAFETY: one element of each operand's dtype (absent ones are not read), and room for
            // one of the result's.
            unsafe { kernel(1, out, a, b, c, d) };
            return Ok(());
        }
        let most = TILE.min(node.len);
        self.direct.tiles.try_extend_to(INLINE_OPERANDS * most, 0)?;
        let tiles = &mut self.direct.tiles;
        let mut operands = [const { Feed::Absent }; INLINE_OPERANDS];
        for (k, &input) in node.inputs.iter().enumerate() {
            let tile: *mut u8 = tiles[k * most..].as_mut_ptr().cast();
            let dtype = operand_dtype(core, node, k);
            operands[k] = match input {
                NodeId::NONE => Feed::Absent,
                NodeId::IMMEDIATE => {
                    with_dtype!(dtype, T => {
                        // SAFETY: a tile has room for as many elements of any dtype.
                        unsafe { fill(tile, most, T::from_f64(node.imm)) };
                    });
                    Feed::Fixed(tile)
                }
                input if core.node(input).len == node.len => {
                    Feed::Dense(values(core, input), dtype.size())
                }
                input if core.node(input).len == 1 => {
                    with_dtype!(dtype, T => {
                        // SAFETY: one element is there, and a tile has room for as many.
                        unsafe {
                            let x = values(core, input).cast::<T>().read();
                            fill(tile, most, x);
                        }
                    });
                    Feed::Fixed(tile)
                }
                input => {
                    let dims = core.dims(node.shape);
                    let layout = Layout::dense(&core.shape(input)).expand(&dims);
                    let cursor = StridedCursor::new(&layout);
                    Feed::Spread(values(core, input), cursor, tile, dtype.size())
                }
            };
        }
        let size = node.dtype.size();
        let is_dense = |operand: &Feed| matches!(operand, Feed::Absent | Feed::Dense(..));
        let tile = if operands.iter().all(is_dense) { node.len } else { TILE };
        let mut first = 0;
        while first < node.len {
            let n = tile.min(node.len - first);
            // SAFETY: inside of the node's own buffer.
            let out = unsafe { out.add(first * size) };
            let [a, b, c, d] = operands.each_mut().map(|operand| match operand {
                Feed::Absent => out.cast_const(),
                Feed::Fixed(tile) => tile.cast_const(),
                // SAFETY: an operand of as many elements.
                Feed::Dense(from, size) => unsafe { from.add(first * *size) },
                // SAFETY: the layout is one of the operand's elements, and a tile has room for `n`.
                Feed::Spread(from, cursor, tile, size) => unsafe {
                    cursor.bring(*size, *from, *tile, n).cast_const()
                },
            });
            // SAFETY: `n` elements of each operand's dtype (absent ones are not read), and room for
            // as many of the result's, which is no operand.
            unsafe { kernel(n, out, a, b, c, d) };
            first += n;
        }
        Ok(())
    }

    fn reduce_rows(
        &self,
        core: &Core,
        node: &Node,
        reduction: Reduction,
        row: usize,
        out: *mut u8,
    ) {
        let kernel = float_kernels(node.dtype, self.level).rows(reduction);
        // SAFETY: as many rows as results.
        unsafe { call_rows(kernel, node.len, row, out, values(core, node.inputs[0])) };
    }

    /// As `compute_directly`, for gradients that were just recorded: they are the results then. The
    /// caller drops what was recorded.
    pub(super) fn gradients_directly(
        &mut self,
        core: &mut Core,
        key: Key,
        targets: &[(NodeId, NodeId)],
        roots: &[NodeId],
    ) -> Maybe<bool> {
        if !self.compute_directly(core, key, roots, targets)? {
            return Ok(false);
        }
        let taken = self.take_results(core, targets);
        if taken.is_err() {
            self.drop_results(core);
            self.let_go(core, roots, targets)?;
        }
        Ok(taken.is_ok())
    }

    /// Copies gradients to buffers of their own.
    fn take_results(
        &mut self,
        core: &mut Core,
        targets: &[(NodeId, NodeId)],
    ) -> Result<(), OutOfMemory> {
        self.results.try_room(targets.len())?;
        for &(target, from) in targets {
            let node = *core.node(from);
            let bytes = node.len * node.dtype.size();
            let buffer = core.pool.take(bytes)?;
            self.results.push_within((target, buffer));
            // SAFETY: as many bytes of a value that is there, to a buffer of as many.
            unsafe {
                std::ptr::copy_nonoverlapping(values(core, from), buffer.as_ptr(), bytes);
            }
        }
        Ok(())
    }
}

/// How an operand of an elementwise node is brought to the kernel.
#[allow(clippy::large_enum_variant, reason = "there are four at a time")]
enum Feed {
    Absent,
    /// The same tile each time.
    Fixed(*mut u8),
    /// As it lies: the first element, and bytes of each.
    Dense(*const u8, usize),
    /// Through a tile: the first element, and bytes of each.
    Spread(*const u8, StridedCursor, *mut u8, usize),
}

/// Elements that pass through the cache for a node.
fn elements_of(core: &Core, id: NodeId) -> usize {
    let node = core.node(id);
    let read = match node.op {
        Op::MatMul => {
            let (_, k) = last_two(&core.shape(node.inputs[0]));
            node.len.saturating_mul(k) / 16
        }
        Op::Reduce(_) | Op::ArgReduce(_) => core.node(node.inputs[0]).len,
        _ => 0,
    };
    // (What is made of nothing may be long.)
    read.max(node.len)
}

/// The length of the rows along which a node reduces, if they are rows.
fn rows_of(core: &Core, node: &Node) -> Option<usize> {
    let groups = Groups::of(&core.shape(node.inputs[0]), &core.dims(node.list))?;
    (groups.inner == 1 && (1..=ROW_MAX).contains(&groups.reduced)).then_some(groups.reduced)
}

/// The first element of a value that is there.
#[inline(always)]
fn values(core: &Core, id: NodeId) -> *const u8 {
    let state = core.state(id);
    debug_assert!(state.ready, "{id} has no value");
    match state.value() {
        Some(buffer) => buffer.as_ptr().cast_const(),
        None => panic!("{id} has no value"),
    }
}

/// # Safety
/// `out` is valid for writing `len` elements of `T`, aligned, and nobody else's.
unsafe fn fill<T: Element>(out: *mut u8, len: usize, value: T) {
    // SAFETY: the caller's promise.
    unsafe { uninit::<T>(out, len) }.fill(std::mem::MaybeUninit::new(value));
}

/// Copies what a view shows to `out`.
fn view(core: &Core, id: NodeId, node: &Node, out: *mut u8) {
    if node.len == 0 {
        return;
    }
    let (from, size) = (values(core, node.inputs[0]), node.dtype.size());
    let is_same = matches!(node.op, Op::Detach | Op::Prod | Op::Reshape);
    let layout =
        (!is_same).then(|| core.view_layout(id, &Layout::dense(&core.shape(node.inputs[0]))));
    match layout.flatten() {
        Some(layout) => {
            // SAFETY: the layout is one of the operand's elements, and as long as the node.
            unsafe {
                let from = from.add(layout.offset * size);
                StridedCursor::new(&layout).gather(size, from, out, node.len);
            }
        }
        // SAFETY: the same elements in the same order.
        None => unsafe { std::ptr::copy_nonoverlapping(from, out, node.len * size) },
    }
}

/// Copies the operands of a concatenation to `out`.
fn concat(core: &Core, id: NodeId, out: *mut u8) {
    let mut start = 0;
    for operand in core.operands(id) {
        start += concat_one(core, id, operand, start, out);
    }
}

/// Copies one of the operands of a concatenation, which is `start` bytes into each line of the result;
/// how many bytes it has of each.
pub(super) fn concat_one(
    core: &Core,
    id: NodeId,
    operand: NodeId,
    start: usize,
    out: *mut u8,
) -> usize {
    let [line, len] = [id, operand].map(|part| line_bytes(core, id, part));
    if len > 0 {
        let from = values(core, operand);
        for k in 0..core.node(id).len * core.node(id).dtype.size() / line {
            // SAFETY: the operand has as many lines of `len` bytes, and the result has room for them
            // from `start` on in each of its own.
            unsafe {
                std::ptr::copy_nonoverlapping(from.add(k * len), out.add(k * line + start), len);
            }
        }
    }
    len
}

/// Bytes that a concatenation, or an operand of it, has of a line of the result.
pub(super) fn line_bytes(core: &Core, id: NodeId, part: NodeId) -> usize {
    let (node, part) = (core.node(id), core.node(part));
    let before = &core.dims(node.shape)[..core.list(node.list)[0] as usize];
    (part.len * part.dtype.size()).checked_div(before.iter().product()).unwrap_or(0)
}
