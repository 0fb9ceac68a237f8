//! Operands of instructions: read where they lie, or brought into registers.

use super::{Brought, Context, Emitter, Used, instr};
use crate::arena::{OutOfMemory, TryPush};
use crate::dtype::DType;
use crate::id::NodeId;
use crate::node::Op;
use crate::plan::cost::STREAM_COST;
use crate::plan::datum::NONE;
use crate::plan::draft::{Home, Member, Source, is_spread};
use crate::plan::value::ValueKind;
use crate::plan::{
    Code, DatumId, Fill, FillFrom, Grain, Instr, Join, Pad, Piece, PieceFrom, Plan, Span, Storage,
    View, period,
};

impl Emitter {
    /// What lies in memory, one element after the other.
    pub(super) fn stream(
        &mut self,
        datum: DatumId,
        offset: usize,
        grain: Grain,
        plan: &Plan,
    ) -> Result<u32, OutOfMemory> {
        let size = plan.data[datum as usize].dtype.size() as u32;
        let kind = ValueKind::Stream { datum, offset, size, grain };
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
        let slot = self.value(ValueKind::Filled(grain))?;
        self.width = self.width.max(dtype.size());
        plan.fills.try_push(Fill { slot, dtype, grain, from })?;
        self.brought.try_push((what, slot))?;
        Ok(slot)
    }
    /// Brings an operand before the instructions of this step.
    pub(super) fn operand(
        &mut self,
        context: &Context<'_>,
        source: Source,
        dtype: DType,
        grain: Grain,
        plan: &mut Plan,
    ) -> Result<u32, OutOfMemory> {
        let &Context { drafts, core, draft, number } = context;
        let base = match source {
            Source::Absent => return Ok(NONE),
            Source::Constant(constant) => {
                let constant = drafts.constants[constant as usize];
                let what = Brought::Constant(constant.to_bits(), dtype, grain);
                return self.fill(what, FillFrom::Constant(constant), dtype, grain, plan);
            }
            Source::Dense(base) if self.again_in[base.index()] == self.steps => {
                return Ok(self.value_of[base.index()]);
            }
            Source::Dense(base) | Source::Strided(base, _) | Source::Padded(base, _) => base,
        };
        if let Home::In(at, inner) = drafts.home(base)
            && at == number
        {
            let value = self.value_of[base.index()];
            if inner == grain {
                return Ok(value);
            }
            return self.spread(base, value, dtype);
        }
        let datum = self.datum(drafts, core, base, plan)?;
        if plan.data[datum as usize].place != Storage::Chunk {
            self.reads(datum)?;
        }
        let layout = match source {
            Source::Strided(_, layout) => drafts.layouts[layout as usize],
            Source::Padded(_, padded) => {
                let padded = drafts.padded[padded as usize];
                return self.pad(Pad { datum, padded }, dtype, grain, plan);
            }
            _ => return self.stream(datum, 0, grain, plan),
        };
        if layout.is_dense() {
            return self.stream(datum, layout.offset, grain, plan);
        }
        if layout.is_splat() {
            let what = Brought::Element(datum, layout.offset, grain);
            return self.fill(what, FillFrom::Element(datum, layout.offset), dtype, grain, plan);
        }
        if grain == Grain::Element && is_spread(&layout, draft.len, draft.row) {
            let column = self.stream(datum, 0, Grain::Row, plan)?;
            return self.spread(base, column, dtype);
        }
        debug_assert_eq!(
            layout.len(),
            if grain == Grain::Row { draft.len / draft.row } else { draft.len }
        );
        let view = View { datum, layout: layout.merged() };
        // A gather has a cursor of its own, so one of another instruction is not used again.
        let known = self.brought.iter().rev().take(24).find(|(known, _)| match *known {
            Brought::Gather(arg) => plan.views[arg as usize] == view,
            _ => false,
        });
        if let Some(&(_, value)) = known {
            return Ok(value);
        }
        let arg = plan.views.try_push(view)?;
        let what = Brought::Gather(arg);
        // A slot of its own, since it may come to point into the datum itself.
        let period = period(&view.layout);
        let out = self.value(ValueKind::Fixed(grain, period))?;
        self.width = self.width.max(dtype.size());
        self.cost += if period > 0 { 0 } else { 200 };
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
        let out = self.value(ValueKind::Register(Grain::Element))?;
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
        let out = self.value(ValueKind::Fixed(grain, 0))?;
        self.width = self.width.max(dtype.size());
        self.cost += 100;
        self.push(Instr { grain, arg, ..instr(Code::Pad, Op::Embed, dtype, out) })?;
        self.brought.try_push((Brought::Pad(arg), out))?;
        Ok(out)
    }

    /// Brings the operands of a concatenation.
    pub(super) fn join(
        &mut self,
        context: &Context<'_>,
        member: &Member,
        plan: &mut Plan,
    ) -> Result<u32, OutOfMemory> {
        let &Context { drafts, core, .. } = context;
        let node = core.node(member.node);
        let (dims, axis) = (core.dims(node.shape), core.list(node.list)[0] as usize);
        let inner = dims[axis + 1..].iter().product::<usize>();
        let first = plan.pieces.len();
        let mut start = 0;
        let sources = member.operands.of(&drafts.sources);
        for (operand, &source) in core.operands(member.node).zip(sources) {
            let dims = core.shape(operand);
            let len = dims[axis] * inner;
            let from = match (drafts.number(source), drafts.layout_of(source, &dims)) {
                (Some(number), _) => PieceFrom::Constant(number),
                (None, Some((base, layout))) => {
                    let datum = self.datum(drafts, core, base, plan)?;
                    self.reads(datum)?;
                    PieceFrom::View(plan.views.try_push(View { datum, layout })?)
                }
                (None, None) => unreachable!("others were given data"),
            };
            plan.pieces.try_push(Piece { start, len, from })?;
            start += len;
        }
        let pieces = Span::since(first, plan.pieces.len());
        let arg = plan.joins.try_push(Join { pieces, line: dims[axis] * inner })?;
        // A slot of its own, as for a gather.
        let out = self.value(ValueKind::Fixed(Grain::Element, 0))?;
        self.width = self.width.max(node.dtype.size());
        self.cost += 100;
        self.push(Instr { arg, ..instr(Code::Join, node.op, node.dtype, out) })?;
        Ok(out)
    }
}
