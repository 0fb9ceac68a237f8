//! Writing the programs of fused steps.
//!
//! Instructions are first written over *values*, one a definition; when a step is complete, values
//! that do not lie in memory get registers, each used again after its value was last read. A value
//! that others need is written where it belongs at once, and is read from there by the rest of the
//! step: it is still in the cache.

mod member;
mod operand;
mod program;
mod tidy;
mod trig;

use super::chain::Linking;
use super::datum::NONE;
use super::draft::{Aim, Draft, Drafts, What};
use super::schedule::Scheduled;
use super::single::work_words;
use super::value::{Value, ValueKind};
use super::{
    Code, Datum, DatumId, Grain, Instr, Looks, NO_PRODUCT, Plan, Single, Span, Step, Storage, View,
    Work,
};
use crate::arena::{OutOfMemory, TryPush};
use crate::dtype::DType;
use crate::graph::Core;
use crate::id::NodeId;
use crate::kernel::Kernel;
use crate::node::Op;
use trig::Trig;

/// What was already brought into registers.
#[derive(Clone, Copy, PartialEq)]
enum Brought {
    Constant(u64, DType, Grain),
    Element(DatumId, usize, Grain),
    Spread(NodeId),
    Gather(u32),
    Pad(u32),
}

/// What is known about a datum while a plan is made.
#[derive(Clone, Copy)]
pub(super) struct Used {
    /// The node whose value it is; none of a partial result.
    pub(super) of: NodeId,
    /// The first and the last step that use it, and the one that writes it.
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) writer: u32,
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
    pub(super) used: Vec<Used>,
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
    reads: Vec<DatumId>,
    writes: Vec<DatumId>,
    /// By checkpoint: the last step that computes one of its nodes.
    ends: Vec<u32>,
    step: u32,
    cost: u32,
    width: usize,
    pub(super) looks: Looks,
}

impl Emitter {
    pub(super) fn bytes(&self) -> usize {
        let Self { datum_of, used, value_of, again_in, trig_of, trigs, uses, values, .. } = self;
        let Self { brought, instrs, linking, free, reads, writes, .. } = self;
        let nodes = [datum_of.bytes(), value_of.bytes(), again_in.bytes(), trig_of.bytes()];
        let values = [uses.bytes(), values.bytes(), brought.bytes(), instrs.bytes()];
        let lists = [reads.bytes(), writes.bytes(), free[0].bytes(), free[1].bytes()];
        [nodes, values, lists, [used.bytes(), trigs.bytes(), self.ends.bytes(), 0]]
            .iter()
            .flatten()
            .sum::<usize>()
            + linking.bytes()
    }

    pub(super) fn start(&mut self, core: &Core) -> Result<(), OutOfMemory> {
        let nodes = core.len();
        self.datum_of.try_extend_to(nodes, 0)?;
        self.value_of.try_extend_to(nodes, 0)?;
        self.again_in.try_extend_to(nodes, 0)?;
        self.trig_of.try_extend_to(nodes, 0)?;
        self.used.clear();
        self.step = 0;
        self.ends.clear();
        self.ends.try_extend_to(core.checkpoint_count() + 1, NONE)
    }

    /// The step after which a datum goes, because a checkpoint ends there.
    pub(super) fn end_of_checkpoint(&self, core: &Core, used: &Used) -> u32 {
        self.ends[core.checkpoint_of(used.of) as usize]
    }

    fn note_checkpoint(&mut self, core: &Core, id: NodeId) {
        if core.checkpoint_count() > 0 {
            core.checkpoints_around(id).for_each(|number| self.ends[number as usize] = self.step);
        }
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
        let datum = Datum { place: Storage::Result(k), dtype: node.dtype, len: node.len };
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
        drafts: &Drafts,
        core: &Core,
        id: NodeId,
        plan: &mut Plan,
    ) -> Result<DatumId, OutOfMemory> {
        if let Some(datum) = self.known_datum(id) {
            return Ok(datum);
        }
        let node = core.node(id);
        let place = if drafts.stays(core, id) { Storage::Node(id) } else { Storage::Scratch(0) };
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
        Scheduled { step: number, product }: Scheduled,
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
                let datum = Datum { place: Storage::Chunk, dtype: node.dtype, len: node.len };
                self.datum_of[draft.single.index()] = self.add(draft.single, datum, plan)?;
                let product = self.single(drafts, core, draft, plan)?;
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
            let (views, pads, joins) = (plan.views.len(), plan.pads.len(), plan.joins.len());
            self.note_trigs(drafts, core, &draft)?;
            let mut at = draft.first;
            while at != NONE {
                let member = drafts.members[at as usize];
                self.note_checkpoint(core, member.node);
                let context = Context { drafts, core, draft: &draft, number };
                self.member(&context, &member, plan)?;
                nodes += u32::from(member.aim == Aim::Node);
                random |= member.what == What::Mask;
                at = member.next;
            }
            self.tidy(drafts.level)?;
            let Self { linking, instrs, values, looks, .. } = self;
            linking.link(instrs, values, draft.row, looks)?;
            let sinks = Span::since(sinks, plan.sinks.len());
            let fills = Span::since(fills, plan.fills.len());
            let number = self.program(&draft, product, sinks, fills, views, plan)?;
            let program = &mut plan.programs[number as usize];
            program.views = Span::since(views, plan.views.len());
            program.pads = Span::since(pads, plan.pads.len());
            program.joins = Span::since(joins, plan.joins.len());
            Work::Fused(number)
        } else {
            nodes = 1;
            random = core.node(draft.single).op.is_random();
            Work::Single(self.single(drafts, core, &draft, plan)?)
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
        let places = Span::default();
        let step = Step { work, links, reads, nodes, cost, random, repeats: NONE, places };
        plan.steps.try_push(step)?;
        self.step += 1;
        Ok(())
    }

    fn single(
        &mut self,
        drafts: &Drafts,
        core: &Core,
        draft: &Draft,
        plan: &mut Plan,
    ) -> Result<u32, OutOfMemory> {
        let node = *core.node(draft.single);
        plan.note_name(core, draft.single)?;
        self.note_checkpoint(core, draft.single);
        let first = plan.views.len();
        for (operand, &source) in
            core.operands(draft.single).zip(draft.operands.of(&drafts.sources))
        {
            let Some((base, layout)) = drafts.layout_of(source, &core.shape(operand)) else {
                unreachable!("others were given data")
            };
            let datum = self.datum(drafts, core, base, plan)?;
            self.reads(datum)?;
            plan.views.try_push(View { datum, layout })?;
        }
        let operands = Span::since(first, plan.views.len());
        let first = plan.words.len();
        if !node.list.is_none() {
            for &word in core.list(node.list) {
                plan.words.try_push(word)?;
            }
        }
        let list = Span::since(first, plan.words.len());
        let out = self.datum(drafts, core, draft.single, plan)?;
        if plan.data[out as usize].place != Storage::Chunk {
            self.writes(out)?;
        }
        let dims = core.dims(node.shape);
        let mut work = NONE;
        let len = work_words(core, draft.single, &node);
        if len > 0 {
            let place = Storage::Scratch(0);
            work = self.add(NodeId::NONE, Datum { place, dtype: DType::I64, len }, plan)?;
            self.touch(work);
        }
        let (op, dtype) = (node.op, node.dtype);
        plan.singles.try_push(Single { op, dtype, dims, out, operands, list, work })
    }

    fn value(&mut self, kind: ValueKind) -> Result<u32, OutOfMemory> {
        self.values.try_push(Value { kind, last: 0, slot: NONE })
    }

    fn push(&mut self, instr: Instr) -> Result<(), OutOfMemory> {
        self.instrs.try_push(instr)?;
        Ok(())
    }
}

/// What members are emitted in.
struct Context<'a> {
    drafts: &'a Drafts,
    core: &'a Core,
    draft: &'a Draft,
    number: u32,
}

fn instr(code: Code, name: Op, dtype: DType, out: u32) -> Instr {
    Instr {
        code,
        name,
        grain: Grain::Element,
        dtype,
        kernel: no_kernel as Kernel,
        out,
        second: NONE,
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
