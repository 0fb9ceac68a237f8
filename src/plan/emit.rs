//! Writing the programs of fused steps, and finding room for what they leave in memory.
//!
//! Instructions are first written over *values*, one a definition; when a step is complete, values
//! that do not lie in memory get registers, each used again after its value was last read. A value
//! that others need is written where it belongs at once, and is read from there by the rest of the
//! step: it is still in the cache.

use super::chain::Linking;
use super::cost::{Part, STREAM_COST, cost, trig_part};
use super::draft::{
    AGAIN, Draft, Drafts, Home, Member, Seen, What, elementwise_operand, is_spread, operand_dtype,
    product_chunk,
};
use super::single::work_words;
use super::value::{Kind, NONE, Value};
use super::{
    Code, Datum, DatumId, Fill, FillFrom, Gather, Grain, Groups, Instr, Join, Looks, Mask,
    NO_PRODUCT, Pad, Piece, PieceFrom, Place, Plan, Program, Single, Sink, Slot, Span, Step, TILE,
    Viewed, Work,
};
use crate::arena::{OutOfMemory, TryPush};
use crate::buffer::ALIGN;
use crate::dtype::DType;
use crate::graph::Core;
use crate::id::NodeId;
use crate::kernel::{self, Act, Kernel, Link, Reach, float_kernels};
use crate::level::Level;
use crate::node::{Op, Reduction};
use crate::roll_call::Elem;
use crate::shape::Layout;

/// Results from this size on are written past the cache: they would only push out what is still
/// needed, and would be read from memory first.
const NON_TEMPORAL_BYTES: usize = 4 << 20;

/// Steps that read and write this much have what they read fetched ahead of time: it comes from beyond
/// the second-level cache.
const AHEAD_BYTES: usize = 1 << 20;

/// Elements of a tile where there is one instruction.
const ALONE_TILE: usize = 4096;

/// Holes in scratch memory that are known at a time. What was in the least one is not used again
/// when there are more: looking for the first that fits stays short, however many data there are.
const HOLES_MAX: usize = 256;

/// Elements of a line up to which lines that lie side by side are read several at a time.
const TURNED_MAX: usize = 128;

/// Elements that are reduced together, up to which a tile has all of them.
const UNIT_TILE: usize = 4 * TILE;

/// What was already brought into registers.
#[derive(Clone, Copy, PartialEq)]
enum Brought {
    Constant(u64, DType, Grain),
    Element(DatumId, usize, Grain),
    Spread(NodeId),
    Gather(u32),
    Pad(u32),
}

/// The sine and the cosine of a node.
#[derive(Clone, Copy)]
struct Trig {
    of: NodeId,
    /// Whether each is asked for.
    wanted: [bool; 2],
    /// The values, `NONE` before they are made.
    made: [u32; 2],
}

/// What is known about a datum while a plan is made.
#[derive(Clone, Copy)]
struct Used {
    /// The node whose value it is; none of a partial result.
    of: NodeId,
    /// The first and the last step that use it, and the one that writes it.
    first: u32,
    last: u32,
    writer: u32,
    /// The step that was last to have it as a stream, and the value there.
    stream_in: u32,
    stream: u32,
}

/// The emitter's own memory, kept from plan to plan. Nothing in it that is as long as the graph is
/// cleared for a plan: what is there is looked at only if it was noted for this plan, or this step.
#[derive(Default)]
pub(super) struct Emitter {
    /// By node: its datum, if that is the node's.
    datum_of: Vec<DatumId>,
    /// By datum.
    used: Vec<Used>,
    value_of: Vec<u32>,
    /// By node: the step that computed it again last, counted over all plans.
    again_in: Vec<u32>,
    /// Steps of all plans.
    steps: u32,
    /// By node: its place among `trigs`, if it is there that the node is.
    trig_of: Vec<u32>,
    /// Those of the step at hand.
    trigs: Vec<Trig>,
    /// By value: how often it is read.
    uses: Vec<u32>,
    values: Vec<Value>,
    brought: Vec<(Brought, u32)>,
    instrs: Vec<Instr>,
    linking: Linking,
    free: [Vec<u32>; 2],
    by_end: Vec<DatumId>,
    holes: Vec<(usize, usize)>,
    reads: Vec<DatumId>,
    writes: Vec<DatumId>,
    step: u32,
    cost: u32,
    width: usize,
    pub(super) looks: Looks,
}

impl Emitter {
    pub(super) fn bytes(&self) -> usize {
        let Self { datum_of, used, value_of, again_in, trig_of, trigs, uses, values, .. } = self;
        let Self { brought, instrs, linking, free, by_end, holes, reads, writes, .. } = self;
        let nodes = [datum_of.bytes(), value_of.bytes(), again_in.bytes(), trig_of.bytes()];
        let values = [uses.bytes(), values.bytes(), brought.bytes(), instrs.bytes()];
        let data = [used.bytes(), trigs.bytes(), by_end.bytes(), holes.bytes()];
        let lists = [reads.bytes(), writes.bytes(), free[0].bytes(), free[1].bytes()];
        [nodes, values, data, lists].iter().flatten().sum::<usize>() + linking.bytes()
    }

    pub(super) fn start(&mut self, nodes: usize) -> Result<(), OutOfMemory> {
        self.datum_of.try_extend_to(nodes, 0)?;
        self.value_of.try_extend_to(nodes, 0)?;
        self.again_in.try_extend_to(nodes, 0)?;
        self.trig_of.try_extend_to(nodes, 0)?;
        self.used.clear();
        self.step = 0;
        Ok(())
    }

    /// Lets a node's value be the result `k`, if it is not one already.
    pub(super) fn claim(
        &mut self,
        core: &Core,
        id: NodeId,
        k: u32,
        plan: &mut Plan,
    ) -> Result<bool, OutOfMemory> {
        if self.known_datum(id).is_some() {
            return Ok(false);
        }
        let node = core.node(id);
        let datum = Datum { place: Place::Result(k), dtype: node.dtype, len: node.len };
        self.datum_of[id.index()] = self.add(id, datum, plan)?;
        Ok(true)
    }

    /// The datum of a node, if it has one in this plan.
    fn known_datum(&self, id: NodeId) -> Option<DatumId> {
        let datum = self.datum_of[id.index()];
        self.used.get(datum as usize).filter(|used| used.of == id).map(|_| datum)
    }

    fn add(&mut self, of: NodeId, datum: Datum, plan: &mut Plan) -> Result<DatumId, OutOfMemory> {
        let (first, last, writer, stream_in, stream) = (NONE, NONE, NONE, NONE, NONE);
        self.used.try_push(Used { of, first, last, writer, stream_in, stream })?;
        plan.data.try_push(datum)
    }

    /// The memory of a node that has or gets its value there.
    fn datum(
        &mut self,
        core: &Core,
        id: NodeId,
        temporaries: usize,
        plan: &mut Plan,
    ) -> Result<DatumId, OutOfMemory> {
        if let Some(datum) = self.known_datum(id) {
            return Ok(datum);
        }
        let node = core.node(id);
        let place = if id.index() < temporaries { Place::Node(id) } else { Place::Scratch(0) };
        let datum = self.add(id, Datum { place, dtype: node.dtype, len: node.len }, plan)?;
        self.datum_of[id.index()] = datum;
        Ok(datum)
    }

    /// Notes that the step uses a datum; whether it did so before.
    fn touch(&mut self, datum: DatumId) -> bool {
        let used = &mut self.used[datum as usize];
        let known = used.last == self.step;
        if used.first == NONE {
            used.first = self.step;
        }
        used.last = self.step;
        known
    }

    fn reads(&mut self, datum: DatumId) -> Result<(), OutOfMemory> {
        if !self.touch(datum) {
            self.reads.try_push(datum)?;
        }
        Ok(())
    }

    fn writes(&mut self, datum: DatumId) -> Result<(), OutOfMemory> {
        self.touch(datum);
        self.used[datum as usize].writer = self.step;
        self.writes.try_push(datum)?;
        Ok(())
    }

    /// Writes one step, and into it the product that feeds it, if it is not `NONE`.
    pub(super) fn step(
        &mut self,
        drafts: &Drafts,
        core: &Core,
        number: u32,
        product: u32,
        temporaries: usize,
        plan: &mut Plan,
    ) -> Result<(), OutOfMemory> {
        let draft = drafts.steps[number as usize];
        let draft = drafts.lone_concat(&draft).unwrap_or(draft);
        self.steps = self.steps.wrapping_add(1);
        if self.steps == 0 {
            self.again_in.fill(0);
            self.steps = 1;
        }
        self.reads.clear();
        self.writes.clear();
        let (mut nodes, mut random, mut cost) = (0, false, 0);
        let product = match drafts.steps.get(product as usize) {
            None => NO_PRODUCT,
            Some(draft) => {
                let node = core.node(draft.single);
                let datum = Datum { place: Place::Chunk, dtype: node.dtype, len: node.len };
                self.datum_of[draft.single.index()] = self.add(draft.single, datum, plan)?;
                let product = self.single(drafts, core, draft, temporaries, plan)?;
                nodes = 1;
                cost = plan.single_cost(&plan.singles[product as usize]);
                product
            }
        };
        let work = if draft.single.is_none() {
            self.values.clear();
            self.brought.clear();
            self.instrs.clear();
            self.cost = 0;
            self.width = 1;
            let (sinks, fills) = (plan.sinks.len(), plan.fills.len());
            let (gathers, pads, joins) = (plan.gathers.len(), plan.pads.len(), plan.joins.len());
            self.note_trigs(drafts, core, &draft)?;
            let mut at = draft.first;
            while at != NONE {
                let member = drafts.members[at as usize];
                let context = Context { drafts, core, draft: &draft, number, temporaries };
                self.member(&context, &member, plan)?;
                nodes += u32::from(member.result == NONE);
                random |= member.what == What::Mask;
                at = member.next;
            }
            self.tidy(drafts.level)?;
            let Self { linking, instrs, values, looks, .. } = self;
            linking.link(instrs, values, draft.row, looks)?;
            let sinks = Span::since(sinks, plan.sinks.len());
            let fills = Span::since(fills, plan.fills.len());
            let number = self.program(&draft, product, sinks, fills, gathers, plan)?;
            let program = &mut plan.programs[number as usize];
            program.gathers = Span::since(gathers, plan.gathers.len());
            program.pads = Span::since(pads, plan.pads.len());
            program.joins = Span::since(joins, plan.joins.len());
            Work::Fused(number)
        } else {
            nodes = 1;
            Work::Single(self.single(drafts, core, &draft, temporaries, plan)?)
        };
        let first = plan.links.len();
        for &datum in self.reads.iter().chain(&self.writes) {
            plan.links.try_push(datum)?;
        }
        let links = Span::since(first, plan.links.len());
        cost += match work {
            Work::Fused(_) => u64::from(self.cost) * draft.len as u64 / 1000,
            Work::Single(number) => plan.single_cost(&plan.singles[number as usize]),
        };
        plan.cost += cost;
        let reads = self.reads.len() as u32;
        plan.steps.try_push(Step { work, links, reads, nodes, cost, random })?;
        self.step += 1;
        Ok(())
    }

    fn single(
        &mut self,
        drafts: &Drafts,
        core: &Core,
        draft: &Draft,
        temporaries: usize,
        plan: &mut Plan,
    ) -> Result<u32, OutOfMemory> {
        let node = *core.node(draft.single);
        let first = plan.views.len();
        for (operand, seen) in core.operands(draft.single).zip(draft.operands.of(&drafts.seen)) {
            let datum = self.datum(core, seen.base, temporaries, plan)?;
            self.reads(datum)?;
            let layout = match seen.layout {
                NONE => Layout::dense(&core.shape(operand)),
                layout => drafts.layouts[layout as usize],
            };
            plan.views.try_push(Viewed { datum, layout })?;
        }
        let operands = Span::since(first, plan.views.len());
        let first = plan.words.len();
        if !node.list.is_none() {
            for &word in core.list(node.list) {
                plan.words.try_push(word)?;
            }
        }
        let list = Span::since(first, plan.words.len());
        let out = self.datum(core, draft.single, temporaries, plan)?;
        if plan.data[out as usize].place != Place::Chunk {
            self.writes(out)?;
        }
        let dims = core.dims(node.shape);
        let mut work = NONE;
        let len = work_words(core, draft.single, &node);
        if len > 0 {
            let place = Place::Scratch(0);
            work = self.add(NodeId::NONE, Datum { place, dtype: DType::I64, len }, plan)?;
            self.touch(work);
        }
        let (op, dtype) = (node.op, node.dtype);
        plan.singles.try_push(Single { op, dtype, dims, out, operands, list, work })
    }

    // ---- values ----

    fn value(&mut self, kind: Kind) -> Result<u32, OutOfMemory> {
        self.values.try_push(Value { kind, last: 0, slot: NONE })
    }

    /// What lies in memory, one element after the other.
    fn stream(
        &mut self,
        datum: DatumId,
        offset: usize,
        grain: Grain,
        plan: &Plan,
    ) -> Result<u32, OutOfMemory> {
        let size = plan.data[datum as usize].dtype.size() as u32;
        let kind = Kind::Stream { datum, offset, size, grain };
        let Used { stream_in, stream, .. } = self.used[datum as usize];
        if stream_in == self.step && self.values[stream as usize].kind == kind {
            return Ok(stream);
        }
        let value = self.value(kind)?;
        self.cost += if grain == Grain::Element { STREAM_COST } else { 0 };
        let used = &mut self.used[datum as usize];
        (used.stream_in, used.stream) = (self.step, value);
        Ok(value)
    }

    /// The value of `what` if it was brought before.
    fn known(&self, what: Brought) -> Option<u32> {
        self.looks.note(self.brought.len().min(24));
        // The newest are the likeliest, and an old one is only made twice.
        let recent = self.brought.iter().rev().take(24);
        recent.into_iter().find(|(known, _)| *known == what).map(|&(_, value)| value)
    }

    fn fill(
        &mut self,
        what: Brought,
        from: FillFrom,
        dtype: DType,
        grain: Grain,
        plan: &mut Plan,
    ) -> Result<u32, OutOfMemory> {
        if let Some(value) = self.known(what) {
            return Ok(value);
        }
        let slot = self.value(Kind::Filled(grain))?;
        self.width = self.width.max(dtype.size());
        plan.fills.try_push(Fill { slot, dtype, grain, from })?;
        self.brought.try_push((what, slot))?;
        Ok(slot)
    }

    fn push(&mut self, instr: Instr) -> Result<(), OutOfMemory> {
        self.instrs.try_push(instr)?;
        Ok(())
    }

    /// Brings an operand before the instructions of this step.
    fn operand(
        &mut self,
        context: &Context<'_>,
        seen: &Seen,
        dtype: DType,
        grain: Grain,
        plan: &mut Plan,
    ) -> Result<u32, OutOfMemory> {
        let &Context { drafts, core, draft, number, temporaries } = context;
        if seen.base.is_none() {
            if seen.layout == NONE {
                return Ok(NONE);
            }
            let constant = drafts.constants[seen.layout as usize];
            let what = Brought::Constant(constant.to_bits(), dtype, grain);
            return self.fill(what, FillFrom::Constant(constant), dtype, grain, plan);
        }
        if self.again_in[seen.base.index()] == self.steps && seen.layout == NONE {
            return Ok(self.value_of[seen.base.index()]);
        }
        if let Home::In(at, inner) = drafts.home(core, seen.base)
            && at == number
        {
            let value = self.value_of[seen.base.index()];
            if inner == grain {
                return Ok(value);
            }
            return self.spread(seen.base, value, dtype);
        }
        let datum = self.datum(core, seen.base, temporaries, plan)?;
        if plan.data[datum as usize].place != Place::Chunk {
            self.reads(datum)?;
        }
        if seen.layout == NONE {
            return self.stream(datum, 0, grain, plan);
        }
        if let Some(padded) = seen.padded() {
            let padded = drafts.padded[padded];
            return self.pad(Pad { datum, padded }, dtype, grain, plan);
        }
        let layout = drafts.layouts[seen.layout as usize];
        if layout.is_dense() {
            return self.stream(datum, layout.offset, grain, plan);
        }
        if layout.is_splat() {
            let what = Brought::Element(datum, layout.offset, grain);
            return self.fill(what, FillFrom::Element(datum, layout.offset), dtype, grain, plan);
        }
        if grain == Grain::Element && is_spread(&layout, draft.len, draft.row) {
            let column = self.stream(datum, 0, Grain::Row, plan)?;
            return self.spread(seen.base, column, dtype);
        }
        debug_assert_eq!(
            layout.len(),
            if grain == Grain::Row { draft.len / draft.row } else { draft.len }
        );
        // A gather has a cursor of its own, so one of another instruction is not used again.
        let known = self.brought.iter().rev().take(24).find(|(known, _)| match *known {
            Brought::Gather(arg) => {
                let gather = &plan.gathers[arg as usize];
                gather.datum == datum && gather.layout == layout
            }
            _ => false,
        });
        if let Some(&(_, value)) = known {
            return Ok(value);
        }
        let gather = Gather::by_tiles(datum, layout);
        let arg = plan.gathers.try_push(gather)?;
        let what = Brought::Gather(arg);
        // A slot of its own, since it may come to point into the datum itself.
        let out = self.value(Kind::Fixed(grain, gather.period))?;
        self.width = self.width.max(dtype.size());
        self.cost += if gather.period > 0 { 0 } else { 200 };
        self.push(Instr { grain, arg, ..instr(Code::Gather, Op::Expand, dtype, out) })?;
        self.brought.try_push((what, out))?;
        Ok(out)
    }

    /// A column's value along its rows; `of` is the node that has the column.
    fn spread(&mut self, of: NodeId, column: u32, dtype: DType) -> Result<u32, OutOfMemory> {
        let what = Brought::Spread(of);
        if let Some(value) = self.known(what) {
            return Ok(value);
        }
        let out = self.value(Kind::Register(Grain::Element))?;
        self.width = self.width.max(dtype.size());
        let ops = [column, NONE, NONE, NONE];
        self.push(Instr { ops, ..instr(Code::Spread, Op::Expand, dtype, out) })?;
        self.brought.try_push((what, out))?;
        Ok(out)
    }

    /// Brings an operand among zeros.
    fn pad(
        &mut self,
        pad: Pad,
        dtype: DType,
        grain: Grain,
        plan: &mut Plan,
    ) -> Result<u32, OutOfMemory> {
        // As for gathers.
        let known = self.brought.iter().rev().take(24).find(|(known, _)| match *known {
            Brought::Pad(arg) => plan.pads[arg as usize] == pad,
            _ => false,
        });
        if let Some(&(_, value)) = known {
            return Ok(value);
        }
        let arg = plan.pads.try_push(pad)?;
        let out = self.value(Kind::Fixed(grain, 0))?;
        self.width = self.width.max(dtype.size());
        self.cost += 100;
        self.push(Instr { grain, arg, ..instr(Code::Pad, Op::Embed, dtype, out) })?;
        self.brought.try_push((Brought::Pad(arg), out))?;
        Ok(out)
    }

    /// Brings the operands of a concatenation.
    fn join(
        &mut self,
        context: &Context<'_>,
        member: &Member,
        plan: &mut Plan,
    ) -> Result<u32, OutOfMemory> {
        let &Context { drafts, core, temporaries, .. } = context;
        let node = core.node(member.node);
        let (dims, axis) = (core.dims(node.shape), core.list(node.list)[0] as usize);
        let inner = dims[axis + 1..].iter().product::<usize>();
        let first = plan.pieces.len();
        let mut start = 0;
        for (operand, seen) in core.operands(member.node).zip(member.seen.of(&drafts.seen)) {
            let len = core.shape(operand)[axis] * inner;
            let from = if seen.base.is_none() {
                PieceFrom::Constant(drafts.constants[seen.layout as usize])
            } else {
                let datum = self.datum(core, seen.base, temporaries, plan)?;
                self.reads(datum)?;
                let layout = drafts.layouts[seen.layout as usize];
                PieceFrom::Gather(plan.gathers.try_push(Gather { datum, layout, period: 0 })?)
            };
            plan.pieces.try_push(Piece { start, len, from })?;
            start += len;
        }
        let pieces = Span::since(first, plan.pieces.len());
        let arg = plan.joins.try_push(Join { pieces, line: dims[axis] * inner })?;
        // A slot of its own, as for a gather.
        let out = self.value(Kind::Fixed(Grain::Element, 0))?;
        self.width = self.width.max(node.dtype.size());
        self.cost += 100;
        self.push(Instr { arg, ..instr(Code::Join, node.op, node.dtype, out) })?;
        Ok(out)
    }

    /// The value that a member makes: in memory if others need it there. The second one is the
    /// stream to store it to, past the cache, if that is worth while.
    fn target(
        &mut self,
        context: &Context<'_>,
        member: &Member,
        grain: Grain,
        plan: &mut Plan,
    ) -> Result<(u32, u32), OutOfMemory> {
        let &Context { drafts, core, temporaries, .. } = context;
        let node = core.node(member.node);
        self.width = self.width.max(node.dtype.size());
        let datum = if member.result == AGAIN {
            let value = self.value(Kind::Register(grain))?;
            self.value_of[member.node.index()] = value;
            self.again_in[member.node.index()] = self.steps;
            return Ok((value, NONE));
        } else if member.result != NONE {
            let place = Place::Result(member.result);
            self.add(NodeId::NONE, Datum { place, dtype: node.dtype, len: node.len }, plan)?
        } else if drafts.fates[member.node.index()].stored {
            self.datum(core, member.node, temporaries, plan)?
        } else {
            let value = self.value(Kind::Register(grain))?;
            self.value_of[member.node.index()] = value;
            return Ok((value, NONE));
        };
        self.writes(datum)?;
        let stream = self.stream(datum, 0, grain, plan)?;
        let large = grain == Grain::Element
            && node.dtype.is_float()
            && plan.data[datum as usize].bytes() >= NON_TEMPORAL_BYTES;
        let value = if large { self.value(Kind::Register(grain))? } else { stream };
        if member.result == NONE {
            self.value_of[member.node.index()] = value;
        }
        Ok((value, if large { stream } else { NONE }))
    }

    fn store_non_temporal(
        &mut self,
        dtype: DType,
        value: u32,
        stream: u32,
    ) -> Result<(), OutOfMemory> {
        if stream == NONE {
            return Ok(());
        }
        self.push(Instr {
            ops: [value, NONE, NONE, NONE],
            ..instr(Code::StoreNonTemporal, Op::Detach, dtype, stream)
        })
    }

    // ---- members ----

    fn member(
        &mut self,
        context: &Context<'_>,
        member: &Member,
        plan: &mut Plan,
    ) -> Result<(), OutOfMemory> {
        let &Context { drafts, core, draft, .. } = context;
        let node = *core.node(member.node);
        let seen = member.seen.of(&drafts.seen);
        let level = drafts.level;
        let grain = member.grain;
        let input = node.inputs[0];
        let input_dtype = if input.is_node() { core.node(input).dtype } else { node.dtype };
        match member.what {
            What::Map => {
                let mut ops = [NONE; 4];
                for (k, seen) in seen.iter().enumerate() {
                    let dtype = operand_dtype(core, &node, k);
                    ops[k] = self.operand(context, seen, dtype, grain, plan)?;
                }
                if let Some(part) = trig_part(node.op) {
                    return self.trig_member(context, member, part, ops, plan);
                }
                let kernel = kernel::elementwise(
                    node.op,
                    elementwise_operand(core, &node),
                    node.dtype,
                    level,
                );
                self.cost += cost(node.op) / if grain == Grain::Row { draft.row as u32 } else { 1 };
                let (out, stream) = self.target(context, member, grain, plan)?;
                let instr = instr(Code::Map, node.op, node.dtype, out);
                self.push(Instr { grain, kernel, ops, ..instr })?;
                self.store_non_temporal(node.dtype, out, stream)
            }
            What::Copy | What::Concat => {
                let op = if member.what == What::Copy {
                    self.operand(context, &seen[0], node.dtype, grain, plan)?
                } else {
                    self.join(context, member, plan)?
                };
                let stored = drafts.fates[member.node.index()].stored || member.result != NONE;
                if member.what == What::Concat && (member.result == AGAIN || !stored) {
                    self.value_of[member.node.index()] = op;
                    if member.result == AGAIN {
                        self.again_in[member.node.index()] = self.steps;
                    }
                    return Ok(());
                }
                let (out, stream) = self.target(context, member, grain, plan)?;
                self.cost += 50;
                if stream != NONE {
                    // The register is not needed.
                    if member.result == NONE {
                        self.value_of[member.node.index()] = op;
                    }
                    return self.store_non_temporal(node.dtype, op, stream);
                }
                let ops = [op, NONE, NONE, NONE];
                self.push(Instr { grain, ops, ..instr(Code::Copy, Op::Detach, node.dtype, out) })
            }
            What::Mask => {
                let arg = plan.masks.try_push(Mask { node: member.node, p: node.imm })?;
                let (out, stream) = self.target(context, member, grain, plan)?;
                self.cost += 2000;
                self.push(Instr { grain, arg, ..instr(Code::Mask, node.op, node.dtype, out) })?;
                self.store_non_temporal(node.dtype, out, stream)
            }
            What::Rows | What::Fold | What::MovedFold => {
                let kernels = float_kernels(input_dtype, level);
                let inner = match node.op {
                    Op::Softmax | Op::LogSoftmax => {
                        Groups::along(&core.dims(node.shape), core.list(node.list)[0] as usize)
                            .inner
                    }
                    _ => 1,
                };
                let (code, kernel, out_grain) = match node.op {
                    Op::ArgReduce(which) => (Code::Arg, kernels.arg(which).rows, Grain::Row),
                    Op::Softmax => (Code::Rows, kernels.softmax.before(inner), Grain::Element),
                    Op::LogSoftmax => {
                        (Code::Rows, kernels.log_softmax.before(inner), Grain::Element)
                    }
                    Op::Reduce(reduction) if draft.row == 1 => {
                        (Code::Fold, kernels.rows(reduction), Grain::Element)
                    }
                    Op::Reduce(reduction) => (Code::Fold, kernels.rows(reduction), Grain::Row),
                    op => unreachable!("{op:?} is not made of rows"),
                };
                self.cost += match node.op {
                    Op::Reduce(Reduction::LogSumExp) => 400,
                    Op::Reduce(_) => 60,
                    Op::ArgReduce(_) => 100,
                    _ => 500,
                };
                let op = self.operand(context, &seen[0], input_dtype, Grain::Element, plan)?;
                let (out, stream) = self.target(context, member, out_grain, plan)?;
                let ops = [op, NONE, NONE, NONE];
                let instr = instr(code, node.op, input_dtype, out);
                let arg = inner as u32;
                self.push(Instr { kernel, ops, arg, grain: out_grain, ..instr })?;
                self.store_non_temporal(node.dtype, out, stream)
            }
            What::Pick => {
                let x = self.operand(context, &seen[0], node.dtype, Grain::Element, plan)?;
                let classes = self.operand(context, &seen[1], DType::I64, Grain::Row, plan)?;
                let (out, _) = self.target(context, member, Grain::Row, plan)?;
                let ops = [x, classes, NONE, NONE];
                let instr = instr(Code::Pick, node.op, node.dtype, out);
                self.push(Instr { ops, grain: Grain::Row, ..instr })
            }
            What::Unpick => {
                let g = self.operand(context, &seen[0], node.dtype, Grain::Row, plan)?;
                let classes = self.operand(context, &seen[1], DType::I64, Grain::Row, plan)?;
                let (out, stream) = self.target(context, member, Grain::Element, plan)?;
                self.cost += 30;
                let ops = [g, classes, NONE, NONE];
                self.push(Instr { ops, ..instr(Code::Unpick, node.op, node.dtype, out) })?;
                self.store_non_temporal(node.dtype, out, stream)
            }
            What::Sink | What::MovedSink => {
                let Op::Reduce(reduction) = node.op else {
                    unreachable!("{:?} is no reduction", node.op)
                };
                let (dims, kept) = (core.shape(input), core.dims(node.list));
                let groups = match Groups::of(&dims, &kept) {
                    Some(groups) if member.what == What::Sink => groups,
                    _ => {
                        let reduced = core.node(input).len / node.len;
                        Groups { outer: node.len, reduced, inner: 1 }
                    }
                };
                let op = self.operand(context, &seen[0], input_dtype, grain, plan)?;
                let result = self.datum(core, member.node, context.temporaries, plan)?;
                self.writes(result)?;
                let blocks = groups.blocks();
                let mut sink =
                    Sink { reduction, dtype: node.dtype, grain, groups, partial: result, result };
                if blocks > 1 || sink.is_scaled() {
                    let len = groups.outer * blocks * groups.inner;
                    let place = Place::Scratch(0);
                    sink.partial =
                        self.add(NodeId::NONE, Datum { place, dtype: node.dtype, len }, plan)?;
                    self.touch(sink.partial);
                }
                self.cost += 60;
                let arg = plan.sinks.try_push(sink)?;
                let ops = [op, NONE, NONE, NONE];
                self.push(Instr { grain, arg, ops, ..instr(Code::Sink, node.op, node.dtype, op) })
            }
        }
    }

    // ---- sine and cosine of one angle, products that are added ----

    /// Notes of which operands a step needs the sine and the cosine.
    fn note_trigs(
        &mut self,
        drafts: &Drafts,
        core: &Core,
        draft: &Draft,
    ) -> Result<(), OutOfMemory> {
        self.trigs.clear();
        let mut at = draft.first;
        while at != NONE {
            let member = drafts.members[at as usize];
            at = member.next;
            let (What::Map, Some(part)) = (member.what, trig_part(core.node(member.node).op))
            else {
                continue;
            };
            let seen = member.seen.of(&drafts.seen)[0];
            if seen.base.is_none() || seen.layout != NONE {
                continue;
            }
            let place = match self.trig_of(seen.base) {
                NONE => {
                    let trig = Trig { of: seen.base, wanted: [false; 2], made: [NONE; 2] };
                    let place = self.trigs.try_push(trig)?;
                    self.trig_of[seen.base.index()] = place;
                    place
                }
                place => place,
            };
            self.trigs[place as usize].wanted[part as usize] = true;
        }
        Ok(())
    }

    /// The place of a node among `trigs`, or `NONE`.
    fn trig_of(&self, id: NodeId) -> u32 {
        let place = self.trig_of[id.index()];
        let is_there = self.trigs.get(place as usize).is_some_and(|trig| trig.of == id);
        if is_there { place } else { NONE }
    }

    /// A sine or cosine, or the cotangent of one: the same instructions whether the other part is
    /// needed or not, so that the numbers are the same, too.
    fn trig_member(
        &mut self,
        context: &Context<'_>,
        member: &Member,
        part: Part,
        ops: [u32; 4],
        plan: &mut Plan,
    ) -> Result<(), OutOfMemory> {
        let &Context { drafts, core, draft, .. } = context;
        let node = *core.node(member.node);
        let (dtype, grain) = (node.dtype, member.grain);
        let seen = member.seen.of(&drafts.seen)[0];
        let is_value = matches!(node.op, Op::Map(_));
        let stored = member.result != NONE || drafts.fates[member.node.index()].stored;
        let is_noted = !seen.base.is_none() && seen.layout == NONE;
        let place = if is_noted { self.trig_of(seen.base) } else { NONE };
        let trig = self.trigs.get(place as usize).copied();
        let known = trig.map_or(NONE, |trig| trig.made[part as usize]);
        if is_value && !stored && known != NONE {
            self.value_of[member.node.index()] = known;
            return Ok(());
        }
        let (out, stream) = self.target(context, member, grain, plan)?;
        let kernels = float_kernels(dtype, drafts.level);
        let map = |elem: Elem| {
            let op = Op::Map(elem);
            (op, kernel::elementwise(op, dtype, dtype, drafts.level))
        };
        let mut value = known;
        if known == NONE {
            value = if is_value { out } else { self.value(Kind::Register(grain))? };
            let both = trig.is_some_and(|trig| trig.wanted == [true; 2]);
            let rows = if grain == Grain::Row { draft.row as u32 } else { 1 };
            if both {
                let other = self.value(Kind::Register(grain))?;
                let (sine, cosine) =
                    if part == Part::Sine { (value, other) } else { (other, value) };
                self.trigs[place as usize].made = [sine, cosine];
                self.cost += 350 / rows;
                self.push(Instr {
                    grain,
                    kernel: kernels.sincos,
                    ops: [ops[0], cosine, NONE, NONE],
                    ..instr(Code::SinCos, Op::Map(Elem::Sin), dtype, sine)
                })?;
            } else {
                let (name, kernel) = map(if part == Part::Sine { Elem::Sin } else { Elem::Cos });
                self.cost += 300 / rows;
                let ops = [ops[0], NONE, NONE, NONE];
                self.push(Instr { grain, kernel, ops, ..instr(Code::Map, name, dtype, value) })?;
                if let Some(trig) = self.trigs.get_mut(place as usize) {
                    trig.made[part as usize] = value;
                }
            }
        } else if is_value {
            let ops = [known, NONE, NONE, NONE];
            self.push(Instr { grain, ops, ..instr(Code::Copy, Op::Detach, dtype, out) })?;
        }
        if !is_value {
            let mut g = ops[2];
            if part == Part::Sine {
                // The cotangent of a cosine.
                let (name, kernel) = map(Elem::Neg);
                let negative = self.value(Kind::Register(grain))?;
                let ops = [g, NONE, NONE, NONE];
                self.push(Instr { grain, kernel, ops, ..instr(Code::Map, name, dtype, negative) })?;
                g = negative;
            }
            let (name, kernel) = map(Elem::Mul);
            let ops = [g, value, NONE, NONE];
            self.push(Instr { grain, kernel, ops, ..instr(Code::Map, name, dtype, out) })?;
        }
        self.store_non_temporal(dtype, out, stream)
    }

    /// Leaves out what nobody reads (every other step may compute it for itself), and makes one
    /// instruction of a softmax and the logarithm of the same one.
    fn tidy(&mut self, level: Level) -> Result<(), OutOfMemory> {
        self.uses.clear();
        self.uses.try_extend_to(self.values.len(), 0)?;
        for instr in &self.instrs {
            instr.operands().for_each(|op| self.uses[op as usize] += 1);
        }
        let mut needless = false;
        for number in (0..self.instrs.len()).rev() {
            let instr = &self.instrs[number];
            let is_pure = matches!(
                instr.code,
                Code::Map | Code::Spread | Code::Gather | Code::Pad | Code::Join
            );
            let in_memory = matches!(self.values[instr.out as usize].kind, Kind::Stream { .. });
            if is_pure && !in_memory && self.uses[instr.out as usize] == 0 {
                instr.operands().for_each(|op| self.uses[op as usize] -= 1);
                self.instrs[number].out = NONE;
                needless = true;
            }
        }
        // By value: the instruction that makes rows of it and has no partner yet.
        let alone = &mut self.uses;
        alone.fill(NONE);
        for number in 0..self.instrs.len() {
            self.looks.note(1);
            if self.instrs[number].code != Code::Rows || self.instrs[number].out == NONE {
                continue;
            }
            let this = self.instrs[number];
            let first = std::mem::replace(&mut alone[this.ops[0] as usize], number as u32) as usize;
            let Some(&one) =
                self.instrs.get(first).filter(|one| one.name != this.name && one.arg == this.arg)
            else {
                continue;
            };
            alone[this.ops[0] as usize] = NONE;
            let other = &mut self.instrs[number];
            let (log, shares) = if one.name == Op::LogSoftmax {
                (one.out, other.out)
            } else {
                (other.out, one.out)
            };
            other.out = NONE;
            let dtype = one.dtype;
            self.instrs[first] = Instr {
                kernel: float_kernels(dtype, level).softmaxes.before(one.arg as usize),
                ops: [one.ops[0], shares, NONE, NONE],
                arg: one.arg,
                ..instr(Code::Softmaxes, Op::LogSoftmax, dtype, log)
            };
            needless = true;
        }
        if needless {
            self.instrs.retain(|instr| instr.out != NONE);
        }
        Ok(())
    }

    // ---- the finished program ----

    fn program(
        &mut self,
        draft: &Draft,
        product: u32,
        sinks: Span,
        fills: Span,
        gathers: usize,
        plan: &mut Plan,
    ) -> Result<u32, OutOfMemory> {
        let most = plan.gathers[gathers..].iter().fold(TILE, |most, gather| {
            most.max(turned(&gather.layout, plan.data[gather.datum as usize].dtype))
        });
        let tile = match draft.row {
            // One instruction leaves nothing in the cache for another.
            0 if self.instrs.len() == 1 => ALONE_TILE.min(draft.len).max(1),
            0 => most.min(draft.len).max(1),
            row => (most / row).min(draft.len / row).max(1) * row,
        };
        let tile = whole_units(tile, draft);
        // About 50 microseconds of work, but not so little data that streams begin all the time.
        let chunk = (50_000_000 / u64::from(self.cost.max(1))).clamp(1 << 12, 1 << 16) as usize;
        let chunk = match plan.singles.get(product as usize) {
            Some(product) => product_chunk(draft, product.dims.last().copied().unwrap_or(1)),
            None => draft.unit * chunk.div_ceil(draft.unit),
        };
        let rows = tile.checked_div(draft.row).unwrap_or(0);
        let width = self.width;
        let bytes = |count: usize| match count * width {
            small @ 0..=15 => small.next_multiple_of(16).max(16),
            small @ 16..ALIGN => small.next_multiple_of(16),
            large => large.next_multiple_of(ALIGN),
        };
        let counts = [tile, rows];
        let first = plan.slots.len();
        for value in &mut self.values {
            if let Kind::Stream { datum, offset, size, grain } = value.kind {
                let slot = match plan.data[datum as usize].place {
                    Place::Chunk => Slot::Chunk { datum, size },
                    _ => Slot::Stream { datum, offset, size, grain },
                };
                let slot = plan.slots.try_push(slot)?;
                value.slot = slot - first as u32;
            }
        }
        let streams = (plan.slots.len() - first) as u32;
        let slots = plan.slots[first..].iter();
        let traffic = slots.map(|slot| match *slot {
            Slot::Stream { size, grain: Grain::Element, .. } => size as usize * draft.len,
            _ => 0,
        });
        let from_afar = traffic.sum::<usize>() >= AHEAD_BYTES;
        let chains = self.instrs.iter().filter(|instr| instr.code == Code::Chain).count();
        let mut chain = 0u32;
        let mut register_bytes = 0;
        let mut new_register = |grain: Grain, more: usize, plan: &mut Plan| {
            let slot = plan.slots.try_push(Slot::Register(register_bytes))? - first as u32;
            register_bytes += bytes(counts[grain as usize] + more);
            Ok::<_, OutOfMemory>(slot)
        };
        for value in &mut self.values {
            match value.kind {
                Kind::Fixed(grain, more) => value.slot = new_register(grain, more, plan)?,
                Kind::Filled(grain) => value.slot = new_register(grain, 0, plan)?,
                _ => {}
            }
        }
        for fill in &mut plan.fills[fills.first as usize..] {
            fill.slot = self.values[fill.slot as usize].slot;
        }
        self.note_last_uses();
        self.free.iter_mut().for_each(Vec::clear);
        let first_instr = plan.instrs.len();
        let mut non_temporal = false;
        let mut place = 0;
        for number in 0..self.instrs.len() {
            let mut instr = self.instrs[number];
            if instr.code == Code::Chain {
                let first_link = plan.chains.len();
                for k in instr.links.first..instr.links.first + instr.links.count {
                    let mut link = self.linking.links[k as usize];
                    non_temporal |= link.act == Act::StoreNonTemporal;
                    link.slot = if link.slot == NONE {
                        0
                    } else {
                        let slot = self.slot(link.slot, plan, &mut new_register)?;
                        self.release(link.slot, place)?;
                        slot
                    };
                    plan.chains.try_push(link)?;
                    place += 1;
                }
                // Each chain has its share of the streams fetched.
                let share = (chain..streams).step_by(chains);
                for k in share.take_while(|_| from_afar) {
                    self.looks.note(1);
                    let Slot::Stream { datum, size, grain, .. } = plan.slots[first + k as usize]
                    else {
                        continue; // a chunk of a product, which is there
                    };
                    let is_like_it = grain == Grain::Element && size as usize == instr.dtype.size();
                    if is_like_it && self.used[datum as usize].writer != self.step {
                        let (act, reach) = (Act::Ahead, Reach::Each);
                        plan.chains.try_push(Link { act, reach, slot: k })?;
                    }
                }
                chain += 1;
                instr.links = Span::since(first_link, plan.chains.len());
                instr.out = 0;
                instr.ops = [0; 4];
                plan.instrs.try_push(instr)?;
                continue;
            }
            for out in instr.results() {
                self.slot(out, plan, &mut new_register)?;
            }
            let mut any = NONE;
            for k in 0..4 {
                let op = instr.ops[k];
                if op != NONE {
                    instr.ops[k] = self.slot(op, plan, &mut new_register)?;
                    any = instr.ops[k];
                    if !self.instrs[number].ops[..k].contains(&op) {
                        self.release(op, place)?;
                    }
                }
            }
            let out = instr.out;
            instr.out = self.slot(out, plan, &mut new_register)?;
            // A kernel may look at operands that its rule does not read, so their pointers must be
            // valid: they are another operand's, of the same type.
            instr.ops.iter_mut().filter(|op| **op == NONE).for_each(|op| *op = any);
            if any == NONE {
                instr.ops = [instr.out; 4];
            }
            if instr.code != Code::Sink {
                // A value that nobody reads.
                self.release(out, place)?;
            }
            plan.instrs.try_push(instr)?;
            place += 1;
        }
        plan.programs.try_push(Program {
            len: draft.len,
            row: draft.row,
            tile,
            unit: draft.unit,
            slots: Span::since(first, plan.slots.len()),
            streams,
            fills,
            instrs: Span::since(first_instr, plan.instrs.len()),
            sinks,
            gathers: Span::default(),
            pads: Span::default(),
            joins: Span::default(),
            non_temporal,
            register_bytes: register_bytes.next_multiple_of(ALIGN),
            chunk,
            product,
        })
    }

    /// Notes where each value is used last.
    fn note_last_uses(&mut self) {
        let mut place = 0;
        for instr in &self.instrs {
            if instr.code == Code::Chain {
                for link in self.linking.links_of(instr) {
                    if link.slot != NONE {
                        self.values[link.slot as usize].last = place;
                    }
                    place += 1;
                }
            } else {
                for value in instr.operands().chain(instr.results()) {
                    self.values[value as usize].last = place;
                }
                place += 1;
            }
        }
    }

    /// The slot of a value: a register that is free, if it has none yet.
    fn slot(
        &mut self,
        value: u32,
        plan: &mut Plan,
        new_register: &mut impl FnMut(Grain, usize, &mut Plan) -> Result<u32, OutOfMemory>,
    ) -> Result<u32, OutOfMemory> {
        let Value { kind, slot, .. } = self.values[value as usize];
        let (Kind::Register(grain), NONE) = (kind, slot) else { return Ok(slot) };
        let slot = match self.free[grain as usize].pop() {
            Some(slot) => slot,
            None => new_register(grain, 0, plan)?,
        };
        self.values[value as usize].slot = slot;
        Ok(slot)
    }

    /// Frees the register of a value whose last use is here.
    fn release(&mut self, value: u32, place: u32) -> Result<(), OutOfMemory> {
        let Value { kind, slot, last } = self.values[value as usize];
        if let Kind::Register(grain) = kind
            && last == place
        {
            self.free[grain as usize].try_push(slot)?;
        }
        Ok(())
    }

    /// Finds room for what lies in scratch memory: first fit, in the order of the steps.
    pub(super) fn finish(&mut self, plan: &mut Plan) -> Result<(), OutOfMemory> {
        self.by_end.clear();
        for (number, datum) in plan.data.iter().enumerate() {
            if matches!(datum.place, Place::Scratch(_)) {
                self.by_end.try_push(number as u32)?;
            }
        }
        let used = &self.used;
        let mut by_start = std::mem::take(&mut self.reads);
        by_start.clear();
        for &datum in &self.by_end {
            by_start.try_push(datum)?;
        }
        by_start.sort_unstable_by_key(|&datum| (used[datum as usize].first, datum));
        self.by_end.sort_unstable_by_key(|&datum| (used[datum as usize].last, datum));
        self.holes.clear();
        let (mut top, mut ended) = (0usize, 0);
        for &datum in &by_start {
            while ended < self.by_end.len()
                && used[self.by_end[ended] as usize].last < used[datum as usize].first
            {
                let gone = plan.data[self.by_end[ended] as usize];
                let Place::Scratch(at) = gone.place else { unreachable!("only those are listed") };
                give_back(&mut self.holes, at, room(&gone))?;
                ended += 1;
            }
            let need = room(&plan.data[datum as usize]);
            self.looks.note(self.holes.len());
            let hole = self.holes.iter().position(|&(_, bytes)| bytes >= need);
            let at = match hole {
                Some(hole) => {
                    let (at, bytes) = self.holes[hole];
                    if bytes == need {
                        self.holes.remove(hole);
                    } else {
                        self.holes[hole] = (at + need, bytes - need);
                    }
                    at
                }
                None => {
                    top += need;
                    top - need
                }
            };
            plan.data[datum as usize].place = Place::Scratch(at);
        }
        plan.scratch = top;
        self.reads = by_start;
        Ok(())
    }
}

/// As many elements as a tile has, or some more, so that no short sum is cut in two.
fn whole_units(tile: usize, draft: &Draft) -> usize {
    let unit = draft.unit;
    let is_cut = !tile.is_multiple_of(unit) && !unit.is_multiple_of(tile);
    if is_cut && unit <= UNIT_TILE { (tile / unit).max(1) * unit } else { tile }
}

/// Elements of a tile for which an operand whose lines lie side by side is read by whole cache lines: as
/// many of its lines; 0 if they are not, or are long.
fn turned(layout: &Layout, dtype: DType) -> usize {
    let merged = layout.merged();
    match (merged.dims(), merged.strides()) {
        (&[.., lines, len], &[.., 1, apart]) if apart > 1 && len <= TURNED_MAX => {
            len * lines.min(ALIGN / dtype.size())
        }
        _ => 0,
    }
}

fn room(datum: &Datum) -> usize {
    datum.bytes().next_multiple_of(ALIGN)
}

/// Adds a hole to a list in order of place, joined with its neighbours.
fn give_back(holes: &mut Vec<(usize, usize)>, at: usize, bytes: usize) -> Result<(), OutOfMemory> {
    if bytes == 0 {
        return Ok(());
    }
    let place = holes.partition_point(|&(start, _)| start < at);
    holes.try_insert(place, (at, bytes))?;
    if place + 1 < holes.len() && holes[place].0 + holes[place].1 == holes[place + 1].0 {
        holes[place].1 += holes[place + 1].1;
        holes.remove(place + 1);
    }
    if place > 0 && holes[place - 1].0 + holes[place - 1].1 == holes[place].0 {
        holes[place - 1].1 += holes[place].1;
        holes.remove(place);
    }
    if holes.len() > HOLES_MAX {
        let least = (0..holes.len()).min_by_key(|&hole| holes[hole].1).unwrap_or(0);
        holes.remove(least);
    }
    Ok(())
}

/// What members are emitted in.
struct Context<'a> {
    drafts: &'a Drafts,
    core: &'a Core,
    draft: &'a Draft,
    number: u32,
    temporaries: usize,
}

fn instr(code: Code, name: Op, dtype: DType, out: u32) -> Instr {
    Instr {
        code,
        name,
        grain: Grain::Element,
        dtype,
        kernel: no_kernel as Kernel,
        out,
        ops: [NONE; 4],
        arg: 0,
        links: Span::default(),
    }
}

/// Stands where an instruction has no kernel.
///
/// # Safety
/// None: it does nothing.
unsafe fn no_kernel(_: usize, _: *mut u8, _: *const u8, _: *const u8, _: *const u8, _: *const u8) {}
