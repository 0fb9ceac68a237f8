//! A plan: what to run, in order, as plain data.

use super::datum::{Datum, DatumId, NONE, Span, View};
use super::program::{Dropout, Fill, Instr, Join, Pad, Piece, Program, SinkReduction, Slot};
use crate::arena::{OutOfMemory, TryPush};
use crate::callback::Name;
use crate::dtype::DType;
use crate::graph::Core;
use crate::id::NodeId;
use crate::kernel::Link;
use crate::node::Op;
use crate::op::custom::CustomList;
use crate::op::structural::Gives;
use crate::shape::Dims;

/// One entry in the list of what to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) work: Work,
    /// Data that it reads, and then data that it writes.
    pub(super) links: Span,
    pub(super) reads: u32,
    /// How many nodes it computes.
    pub(crate) nodes: u32,
    /// How long it takes on one thread, roughly, in nanoseconds.
    pub(crate) cost: u64,
    /// Whether it draws random numbers, new ones in each replay.
    pub(crate) random: bool,
    /// The step that it repeats, to make again what there was no room to keep; no step's number for none.
    pub(super) repeats: u32,
    /// Among the plan's places: where in scratch memory it puts what was there before elsewhere.
    pub(crate) places: Span,
}

impl Step {
    /// Whether it was run before.
    pub(crate) fn is_again(&self) -> bool {
        self.repeats != NONE
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Work {
    /// The plan's program of this number.
    Fused(u32),
    /// The plan's single of this number.
    Single(u32),
}

/// An operation of its own, on data in memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Single {
    pub(crate) op: Op,
    pub(crate) dtype: DType,
    pub(crate) dims: Dims,
    pub(crate) out: DatumId,
    /// Among the views.
    pub(crate) operands: Span,
    /// The node's list, in the plan's words.
    pub(crate) list: Span,
    /// Memory of its own, in words; no datum's number if it needs none.
    pub(crate) work: DatumId,
}

/// What to run, in order. See the module.
#[derive(Default)]
pub(crate) struct Plan {
    pub(crate) data: Vec<Datum>,
    pub(super) steps: Vec<Step>,
    pub(super) links: Vec<DatumId>,
    /// Scratch data, and how many bytes into the memory they lie from a step on.
    pub(crate) places: Vec<(DatumId, usize)>,
    pub(crate) programs: Vec<Program>,
    pub(crate) slots: Vec<Slot>,
    pub(crate) fills: Vec<Fill>,
    pub(crate) instrs: Vec<Instr>,
    pub(crate) chains: Vec<Link>,
    pub(crate) sinks: Vec<SinkReduction>,
    pub(crate) pads: Vec<Pad>,
    pub(crate) joins: Vec<Join>,
    pub(crate) pieces: Vec<Piece>,
    pub(crate) masks: Vec<Dropout>,
    pub(crate) singles: Vec<Single>,
    pub(crate) views: Vec<View>,
    pub(crate) words: Vec<u64>,
    /// Of the user's operations among the singles: their numbers, and their names.
    names: Vec<(u32, Name)>,
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

    /// How many steps make again what was made, and how long that takes.
    pub(crate) fn repeated(&self) -> (usize, u64) {
        let again = self.steps.iter().filter(|step| step.is_again());
        again.fold((0, 0), |(count, cost), step| (count + 1, cost + step.cost))
    }

    /// A rough estimate, in nanoseconds.
    pub(super) fn single_cost(&self, single: &Single) -> u64 {
        let len = single.dims.iter().product::<usize>() as u64;
        let views = single.operands.of(&self.views);
        match single.op {
            // 60 floating-point operations a nanosecond.
            Op::MatMul => len * *views[0].layout.dims().last().unwrap_or(&1) as u64 / 30,
            Op::Structural(kind) => {
                // Of the source no more than is chosen.
                let chooses = matches!(kind.rule().gives(), Gives::Chosen(_));
                let read = &views[usize::from(chooses)..];
                let given = read.iter().map(|view| view.layout.len() as u64).sum::<u64>();
                given.max(len) * kind.rule().cost() / 1000
            }
            _ => views.iter().map(|view| view.layout.len() as u64).sum::<u64>().max(len),
        }
    }

    /// Keeps the name of a single step's operation, if that is the user's.
    pub(super) fn note_name(&mut self, core: &Core, id: NodeId) -> Result<(), OutOfMemory> {
        if let Op::Custom(_) = core.node(id).op {
            let number = core.custom_list(id).number;
            if self.names.iter().all(|&(known, _)| known != number) {
                self.names.try_push((number, core.customs.facts(number).name))?;
            }
        }
        Ok(())
    }

    /// The name of a single step's operation.
    pub(crate) fn name_of(&self, single: &Single) -> &str {
        let Op::Custom(_) = single.op else { return single.op.name() };
        let number = CustomList::new(single.list.of(&self.words)).number;
        let known = self.names.iter().find(|&&(known, _)| known == number);
        known.map_or("", |(_, name)| name.as_str())
    }

    pub(super) fn clear(&mut self) {
        self.data.clear();
        self.steps.clear();
        self.links.clear();
        self.places.clear();
        self.programs.clear();
        self.slots.clear();
        self.fills.clear();
        self.instrs.clear();
        self.chains.clear();
        self.sinks.clear();
        self.pads.clear();
        self.joins.clear();
        self.pieces.clear();
        self.masks.clear();
        self.singles.clear();
        self.views.clear();
        self.words.clear();
        self.names.clear();
        self.scratch = 0;
        self.cost = 0;
        self.targets.clear();
    }

    /// Bytes of memory that it holds.
    pub(crate) fn bytes(&self) -> usize {
        let Self { data, steps, links, programs, slots, fills, instrs, chains, .. } = self;
        let Self { sinks, pads, joins, pieces, masks, .. } = self;
        let Self { singles, views, words, names, targets, .. } = self;
        let fused = [data.bytes(), steps.bytes(), links.bytes(), programs.bytes(), slots.bytes()];
        let parts = [fills.bytes(), instrs.bytes(), chains.bytes(), sinks.bytes(), pads.bytes()];
        let joined = joins.bytes() + pieces.bytes();
        let others = [joined, masks.bytes(), singles.bytes(), views.bytes(), words.bytes()];
        let last = names.bytes() + targets.bytes() + self.places.bytes();
        [fused, parts, others].iter().flatten().sum::<usize>() + last
    }
}
