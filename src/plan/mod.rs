//! Deciding what a read must compute: nothing more than that, in an order that works, in as few
//! passes over memory as dependencies allow.
//!
//! A [`Plan`] is plain data without buffers. Its steps are of two kinds. A *fused* step runs a
//! small [`Program`] over tiles: stretches of one iteration space that are short enough for all
//! values in between to stay in the first-level cache. A *single* step is one operation that is
//! not elementwise (a matrix product, an index, a concatenation), on data in memory. Views cost
//! nothing here: a step reads through them from the tensor below.
//!
//! Planning is a row of stages that hand plain data on, which `planner` calls one after the other:
//! `walk` finds what must be computed, `group` decides which step computes it (its `draft`s say so),
//! `schedule` in which order, `emit` writes the programs, and `chain` makes their cheap instructions
//! links of chains. A plan does not refer to gradient nodes, so it outlives them: backward records them
//! once, and as long as the graph has the same structure the plan is only run again.

mod chain;
#[cfg(test)]
mod complexity;
mod cost;
mod draft;
mod emit;
mod group;
mod planner;
mod schedule;
mod single;
#[cfg(test)]
mod tests;
mod text;
mod value;
mod walk;

pub(crate) use draft::{elementwise_operand, operand_dtype};
pub(crate) use planner::Planner;
pub(crate) use single::can_be_alone;
pub(crate) use walk::is_fresh;

use crate::arena::TryPush;
use crate::dtype::DType;
use crate::id::NodeId;
pub(crate) use crate::kernel::SUM_BLOCK;
use crate::kernel::{Kernel, Link};
use crate::node::{Op, Reduction};
use crate::shape::{Dims, Layout, Padded};

/// Elements of a tile in a step without rows. (Measured: 256 is as good as 128 and 512 for few
/// operands, and better for many.)
pub(crate) const TILE: usize = 256;

/// Elements of the longest row that a step keeps whole: 32 KiB of f32, so that a few registers of
/// such rows stay in the second-level cache.
pub(crate) const ROW_MAX: usize = 8192;

/// Counts what planning looks at beside the nodes themselves, in tests of how much that is.
#[derive(Default)]
struct Looks(#[cfg(test)] std::cell::Cell<usize>);

impl Looks {
    #[inline(always)]
    fn note(&self, count: usize) {
        #[cfg(test)]
        self.0.set(self.0.get() + count);
        let _ = count;
    }
}

/// A stretch of a plan's list.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Span {
    pub(crate) first: u32,
    pub(crate) count: u32,
}

impl Span {
    fn since(first: usize, list_len: usize) -> Self {
        Self { first: first as u32, count: (list_len - first) as u32 }
    }

    pub(crate) fn of<T>(self, list: &[T]) -> &[T] {
        &list[self.first as usize..(self.first + self.count) as usize]
    }
}

/// The number of a [`Datum`] in its plan.
pub(crate) type DatumId = u32;

/// A tensor in memory that steps read or write.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Datum {
    pub(crate) place: Place,
    pub(crate) dtype: DType,
    pub(crate) len: usize,
}

impl Datum {
    pub(crate) fn bytes(&self) -> usize {
        self.len * self.dtype.size()
    }
}

/// Where a datum lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Place {
    /// In the node's own buffer, where it stays.
    Node(NodeId),
    /// This many bytes into the plan's scratch memory, which later data use again.
    Scratch(usize),
    /// In a fresh buffer, for the caller: the gradient of the target of this number.
    Result(u32),
    /// Nowhere as a whole: each thread has the chunk of it that it works on.
    Chunk,
}

/// How fine a value is, in a step that keeps rows whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grain {
    /// One for each element of the iteration space.
    Element,
    /// One for each row.
    Row,
}

/// One entry in the list of what to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) work: Work,
    /// Data that it reads, and then data that it writes.
    links: Span,
    reads: u32,
    /// How many nodes it computes.
    pub(crate) nodes: u32,
    /// How long it takes on one thread, roughly, in nanoseconds.
    pub(crate) cost: u64,
    /// Whether it draws random numbers, new ones in each replay.
    pub(crate) random: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Work {
    /// The plan's program of this number.
    Fused(u32),
    /// The plan's single of this number.
    Single(u32),
}

/// What a fused step does with each tile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Program {
    /// Elements of the iteration space.
    pub(crate) len: usize,
    /// Elements of a row; 0 where rows mean nothing.
    pub(crate) row: usize,
    /// Elements of a tile: whole rows where there are any.
    pub(crate) tile: usize,
    /// Chunks for threads are multiples of this many elements, so that no sum is cut in two.
    pub(crate) unit: usize,
    /// Streams first, `streams` of them, then registers.
    pub(crate) slots: Span,
    pub(crate) streams: u32,
    pub(crate) fills: Span,
    pub(crate) instrs: Span,
    pub(crate) sinks: Span,
    /// What stands somewhere in an operand that is not dense.
    pub(crate) gathers: Span,
    pub(crate) pads: Span,
    pub(crate) joins: Span,
    /// Whether there are stores past the cache, which need something after the last tile.
    pub(crate) non_temporal: bool,
    /// Bytes of registers that a thread needs.
    pub(crate) register_bytes: usize,
    /// What a thread takes at a time.
    pub(crate) chunk: usize,
    /// The matrix product, the plan's single of this number, whose result the program reads: each
    /// chunk of it is computed just before the program runs on it. `NO_PRODUCT` for none.
    pub(crate) product: u32,
}

pub(crate) const NO_PRODUCT: u32 = u32::MAX;

/// Where an instruction reads or writes a tile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Slot {
    /// The tile's part of a datum: dense from element `offset` on.
    Stream { datum: DatumId, offset: usize, size: u32, grain: Grain },
    /// The tile's part of the product's chunk at hand.
    Chunk { datum: DatumId, size: u32 },
    /// This many bytes into the thread's registers.
    Register(usize),
}

/// A register that is filled before the first tile: one value everywhere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fill {
    pub(crate) slot: u32,
    pub(crate) dtype: DType,
    pub(crate) grain: Grain,
    pub(crate) from: FillFrom,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum FillFrom {
    Constant(f64),
    /// An element of a datum.
    Element(DatumId, usize),
}

/// One instruction: it makes `out` from the slots `ops`, tile by tile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instr {
    pub(crate) code: Code,
    /// What it is called in the plan's text.
    pub(crate) name: Op,
    pub(crate) grain: Grain,
    /// Of the result (of the operand, for a sink and an index).
    pub(crate) dtype: DType,
    pub(crate) kernel: Kernel,
    pub(crate) out: u32,
    pub(crate) ops: [u32; 4],
    pub(crate) arg: u32,
    /// Those of a chain, in the plan's list.
    pub(crate) links: Span,
}

impl Instr {
    /// The slots that it reads: before a program is finished, while unused ones are `u32::MAX`, and if
    /// it is no chain.
    fn operands(&self) -> impl Iterator<Item = u32> + use<> {
        let mut ops = self.ops;
        if self.code.makes_two() {
            ops[1] = u32::MAX;
        }
        ops.into_iter().filter(|&op| op != u32::MAX)
    }

    /// The slots that it writes, if it is no chain.
    fn results(&self) -> impl Iterator<Item = u32> + use<> {
        let (code, out, second) = (self.code, self.out, self.ops[1]);
        let first = (code != Code::Sink).then_some(out);
        first.into_iter().chain(code.makes_two().then_some(second))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// The kernel on the whole tile.
    Map,
    /// The operations of its links; row by row, if its grain is that.
    Chain,
    /// The kernel makes two results: `out`, and the second slot of `ops`, which is no operand.
    SinCos,
    /// The kernel on each row, or on the columns of each, which lie `arg` elements side by side: a row
    /// of the result.
    Rows,
    /// As `Rows`, with two results: `out`, and the second slot of `ops`.
    Softmaxes,
    /// The kernel on each row: one element of the result.
    Fold,
    /// The kernel on each row: an i64.
    Arg,
    /// Each row's element, repeated along the row.
    Spread,
    /// The tile's elements of a datum that are not dense: the plan's gather of number `arg`.
    Gather,
    /// The same with zeros around them: the plan's pad of number `arg`.
    Pad,
    /// Those of several data that follow one another along an axis: the plan's join of number `arg`.
    Join,
    Copy,
    /// To a stream, past the cache. In a finished program a link of a chain does it.
    StoreNonTemporal,
    /// From each row of operand 0 the element that operand 1 tells; 0 for ignored rows.
    Pick,
    /// Zeros, with operand 0 where operand 1 tells.
    Unpick,
    /// The random mask of node `arg`.
    Mask,
    /// Into the program's sink of number `arg`.
    Sink,
}

impl Code {
    /// Whether the second of an instruction's operands is a result.
    fn makes_two(self) -> bool {
        matches!(self, Self::SinCos | Self::Softmaxes)
    }
}

/// A strided operand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Gather {
    pub(crate) datum: DatumId,
    pub(crate) layout: Layout,
    /// Elements after which it begins again, if its register has room for so many more; else 0.
    pub(crate) period: usize,
}

/// Elements after which a layout may begin again for a register to hold them beside a tile.
const PERIOD_MAX: usize = 4 * TILE;

impl Gather {
    /// One that comes tile by tile into a register of its own.
    fn by_tiles(datum: DatumId, layout: Layout) -> Self {
        let merged = layout.merged();
        let period = match (merged.dims(), merged.strides()) {
            ([_, inner @ ..], [0, ..]) if !inner.is_empty() => inner.iter().product(),
            _ => 0,
        };
        Self { datum, layout, period: if period <= PERIOD_MAX { period } else { 0 } }
    }
}

/// An operand among zeros.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pad {
    pub(crate) datum: DatumId,
    pub(crate) padded: Padded,
}

/// Operands one after the other along an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Join {
    /// In the plan's list.
    pub(crate) pieces: Span,
    /// Elements of a line: one line of each piece.
    pub(crate) line: usize,
}

/// An operand of a join.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Piece {
    /// Where its lines begin in those of the whole, and how long they are.
    pub(crate) start: usize,
    pub(crate) len: usize,
    pub(crate) from: PieceFrom,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum PieceFrom {
    Constant(f64),
    /// The plan's gather of this number.
    Gather(u32),
}

/// A random mask.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Mask {
    pub(crate) node: NodeId,
    pub(crate) p: f64,
}

/// Rows that a sink adds up at a time, in their own precision.
pub(crate) const JOIN_BLOCK: usize = 64;

/// Elements that are added up at one index, in their own precision.
pub(crate) const RUN_MAX: usize = 64;

/// Words of memory that an addition at indices needs, to know the places with more elements than that,
/// and for their totals, of two words each.
fn index_add_words(op: Op, out: &[usize], index: &[usize], axis: usize) -> usize {
    let positions = index.iter().product::<usize>();
    let (places, inner, most) = match op {
        // All that lies behind the axis goes along.
        Op::IndexAdd => {
            let len = out.get(axis).copied().unwrap_or(1);
            (len, out.iter().skip(axis + 1).product(), positions)
        }
        Op::ScatterAdd => (out.iter().product(), 1, index.get(axis).copied().unwrap_or(positions)),
        _ => return 0,
    };
    often_words(most, places, positions, inner)
}

/// As `index_add_words`, where `most` of the elements may meet at one place.
fn often_words(most: usize, places: usize, elements: usize, inner: usize) -> usize {
    if most <= RUN_MAX {
        return 0;
    }
    places.div_ceil(2) + elements / (RUN_MAX + 1) * inner * 2
}

/// How the elements of a reduced operand are grouped, in the order of its axes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Groups {
    /// Kept positions outside, reduced ones, kept positions inside.
    pub(crate) outer: usize,
    pub(crate) reduced: usize,
    pub(crate) inner: usize,
}

impl Groups {
    /// The groups of a shape, if its reduced axes are neighbours.
    pub(crate) fn of(dims: &[usize], kept: &[usize]) -> Option<Self> {
        let mut groups = Self { outer: 1, reduced: 1, inner: 1 };
        let mut seen = false;
        for (axis, &len) in dims.iter().enumerate() {
            if len != kept[axis] {
                if groups.inner != 1 {
                    return None;
                }
                seen = true;
                groups.reduced *= len;
            } else if seen {
                groups.inner *= len;
            } else {
                groups.outer *= len;
            }
        }
        Some(groups)
    }

    /// The groups along one axis.
    pub(crate) fn along(dims: &[usize], axis: usize) -> Self {
        let (outer, inner) = (dims[..axis].iter().product(), dims[axis + 1..].iter().product());
        Self { outer, reduced: dims[axis], inner }
    }

    /// Partial results a group: each is of a fixed stretch of elements, so that neither tiles nor
    /// threads decide in which order a sum is made.
    pub(crate) fn blocks(&self) -> usize {
        self.reduced.div_ceil(if self.inner == 1 { SUM_BLOCK } else { JOIN_BLOCK })
    }

    /// Elements that must be reduced by one thread: whole blocks.
    fn unit(&self) -> usize {
        match (self.outer, self.inner) {
            (1, 1) => SUM_BLOCK,
            (1, inner) => JOIN_BLOCK * inner,
            (_, inner) => self.reduced * inner,
        }
    }
}

/// A reduction whose result is complete when the step is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sink {
    pub(crate) reduction: Reduction,
    pub(crate) dtype: DType,
    pub(crate) grain: Grain,
    pub(crate) groups: Groups,
    /// `outer * blocks * inner` elements; the result itself where that is all there is to it.
    pub(crate) partial: DatumId,
    pub(crate) result: DatumId,
}

impl Sink {
    /// Whether a result that has left the range of its type on the way can be had by scaling.
    pub(crate) fn is_scaled(&self) -> bool {
        matches!(self.reduction, Reduction::Mean | Reduction::Norm)
    }
}

/// An operation of its own, on data in memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Single {
    pub(crate) op: Op,
    pub(crate) dtype: DType,
    pub(crate) dims: Dims,
    pub(crate) out: DatumId,
    /// In the plan's list of views.
    pub(crate) operands: Span,
    /// The node's list, in the plan's words.
    pub(crate) list: Span,
    /// Memory of its own, in words; no datum's number if it needs none.
    pub(crate) work: DatumId,
}

/// An operand of a single step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Viewed {
    pub(crate) datum: DatumId,
    pub(crate) layout: Layout,
}

/// What to run, in order. See the module.
#[derive(Default)]
pub(crate) struct Plan {
    pub(crate) data: Vec<Datum>,
    steps: Vec<Step>,
    links: Vec<DatumId>,
    pub(crate) programs: Vec<Program>,
    pub(crate) slots: Vec<Slot>,
    pub(crate) fills: Vec<Fill>,
    pub(crate) instrs: Vec<Instr>,
    pub(crate) chains: Vec<Link>,
    pub(crate) sinks: Vec<Sink>,
    pub(crate) gathers: Vec<Gather>,
    pub(crate) pads: Vec<Pad>,
    pub(crate) joins: Vec<Join>,
    pub(crate) pieces: Vec<Piece>,
    pub(crate) masks: Vec<Mask>,
    pub(crate) singles: Vec<Single>,
    pub(crate) views: Vec<Viewed>,
    pub(crate) words: Vec<u64>,
    /// Bytes of scratch memory.
    pub(crate) scratch: usize,
    /// How long all steps take on one thread, roughly, in nanoseconds.
    pub(crate) cost: u64,
    /// Whose gradients the results are.
    pub(crate) targets: Vec<NodeId>,
}

impl Plan {
    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    pub(crate) fn reads(&self, step: &Step) -> &[DatumId] {
        &step.links.of(&self.links)[..step.reads as usize]
    }

    pub(crate) fn writes(&self, step: &Step) -> &[DatumId] {
        &step.links.of(&self.links)[step.reads as usize..]
    }

    /// A rough estimate, in nanoseconds.
    fn single_cost(&self, single: &Single) -> u64 {
        let len = single.dims.iter().product::<usize>() as u64;
        let views = single.operands.of(&self.views);
        match single.op {
            // 60 floating-point operations a nanosecond.
            Op::MatMul => len * *views[0].layout.dims().last().unwrap_or(&1) as u64 / 30,
            // Of the source no more than is selected.
            Op::IndexSelect | Op::Gather => len.max(views[1].layout.len() as u64),
            Op::Structural(kind) => {
                let given = views.iter().map(|view| view.layout.len() as u64).sum::<u64>();
                given.max(len) * kind.rule().cost() / 1000
            }
            _ => views.iter().map(|view| view.layout.len() as u64).sum::<u64>().max(len),
        }
    }

    fn clear(&mut self) {
        self.data.clear();
        self.steps.clear();
        self.links.clear();
        self.programs.clear();
        self.slots.clear();
        self.fills.clear();
        self.instrs.clear();
        self.chains.clear();
        self.sinks.clear();
        self.gathers.clear();
        self.pads.clear();
        self.joins.clear();
        self.pieces.clear();
        self.masks.clear();
        self.singles.clear();
        self.views.clear();
        self.words.clear();
        self.scratch = 0;
        self.cost = 0;
        self.targets.clear();
    }

    /// Bytes of memory that it holds.
    pub(crate) fn bytes(&self) -> usize {
        let Self { data, steps, links, programs, slots, fills, instrs, chains, .. } = self;
        let Self { sinks, gathers, pads, joins, pieces, masks, .. } = self;
        let Self { singles, views, words, targets, .. } = self;
        let fused = [data.bytes(), steps.bytes(), links.bytes(), programs.bytes(), slots.bytes()];
        let parts = [fills.bytes(), instrs.bytes(), chains.bytes(), sinks.bytes(), gathers.bytes()];
        let joined = joins.bytes() + pieces.bytes();
        let others =
            [joined + pads.bytes(), masks.bytes(), singles.bytes(), views.bytes(), words.bytes()];
        [fused, parts, others].iter().flatten().sum::<usize>() + targets.bytes()
    }

    /// Says what is wrong with a plan: for debug builds.
    #[cfg(debug_assertions)]
    #[allow(clippy::disallowed_macros, reason = "no release has it")]
    pub(crate) fn check(&self) {
        let mut written = vec![false; self.data.len()];
        for step in &self.steps {
            for &read in self.reads(step) {
                let datum = self.data[read as usize];
                let is_source = matches!(datum.place, Place::Node(_));
                assert!(written[read as usize] || is_source, "{datum:?} is read before it is made");
            }
            for &write in self.writes(step) {
                assert!(
                    !written[write as usize],
                    "{:?} is written twice",
                    self.data[write as usize]
                );
                written[write as usize] = true;
            }
            let Work::Fused(number) = step.work else { continue };
            let program = &self.programs[number as usize];
            let slots = program.slots.of(&self.slots);
            assert!(program.row == 0 || program.tile.is_multiple_of(program.row));
            assert!(program.unit > 0 && program.tile > 0);
            assert!(program.chunk > 0 && program.chunk.is_multiple_of(program.unit));
            for (k, slot) in slots.iter().enumerate() {
                match *slot {
                    Slot::Stream { datum, offset, size, grain } => {
                        assert!(k < program.streams as usize);
                        let datum = self.data[datum as usize];
                        let count = match grain {
                            Grain::Element => program.len,
                            Grain::Row => program.len / program.row.max(1),
                        };
                        assert!(offset + count <= datum.len, "{slot:?} of {datum:?}");
                        assert_eq!(size as usize, datum.dtype.size());
                    }
                    Slot::Chunk { datum, size } => {
                        assert!(k < program.streams as usize);
                        assert_eq!(datum, self.singles[program.product as usize].out);
                        let datum = self.data[datum as usize];
                        assert!(datum.place == Place::Chunk && datum.len == program.len);
                        assert_eq!(size as usize, datum.dtype.size());
                    }
                    Slot::Register(at) => {
                        assert!(k >= program.streams as usize && at < program.register_bytes);
                    }
                }
            }
            let mut set = vec![false; slots.len()];
            (0..program.streams as usize).for_each(|k| set[k] = true);
            program.fills.of(&self.fills).iter().for_each(|fill| set[fill.slot as usize] = true);
            for instr in program.instrs.of(&self.instrs) {
                if instr.code == Code::Chain {
                    for link in instr.links.of(&self.chains) {
                        let slot = link.slot as usize;
                        assert!(!link.act.reads() || set[slot], "{link:?} reads what is not set");
                        set[slot] |= link.act.writes();
                    }
                    continue;
                }
                if instr.code.makes_two() {
                    set[instr.ops[1] as usize] = true;
                }
                if !matches!(instr.code, Code::Gather | Code::Pad | Code::Join | Code::Mask) {
                    for &op in &instr.ops {
                        assert!(set[op as usize], "{instr:?} reads slot {op} before it is set");
                    }
                }
                if instr.code != Code::Sink {
                    let has_none = [Code::Gather, Code::Pad, Code::Join, Code::Mask];
                    let apart = has_none.contains(&instr.code) || !instr.ops.contains(&instr.out);
                    assert!(apart, "{instr:?} writes over its operand");
                    set[instr.out as usize] = true;
                }
            }
        }
    }
}
