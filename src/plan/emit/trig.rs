//! The sine and the cosine of one angle: one instruction makes both.

use super::{Context, Emitter, instr};
use crate::arena::{OutOfMemory, TryPush};
use crate::graph::Core;
use crate::id::NodeId;
use crate::kernel::{self, float_kernels};
use crate::node::Op;
use crate::plan::cost::{TrigPart, trig_part};
use crate::plan::datum::NONE;
use crate::plan::draft::{Aim, Draft, Drafts, Member, Source, What};
use crate::plan::value::ValueKind;
use crate::plan::{Code, Grain, Instr, Plan};
use crate::roll_call::Elem;

/// The sine and the cosine of a node.
#[derive(Clone, Copy)]
pub(super) struct Trig {
    of: NodeId,
    /// Whether each is asked for.
    wanted: [bool; 2],
    /// The values, `NONE` before they are made.
    made: [u32; 2],
}

impl Emitter {
    /// Notes of which operands a step needs the sine and the cosine.
    pub(super) fn note_trigs(
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
            let Source::Dense(angle) = member.operands.of(&drafts.sources)[0] else { continue };
            let place = match self.trig_of(angle) {
                NONE => {
                    let trig = Trig { of: angle, wanted: [false; 2], made: [NONE; 2] };
                    let place = self.trigs.try_push(trig)?;
                    self.trig_of[angle.index()] = place;
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
    pub(super) fn trig_member(
        &mut self,
        context: &Context<'_>,
        member: &Member,
        part: TrigPart,
        ops: [u32; 4],
        plan: &mut Plan,
    ) -> Result<(), OutOfMemory> {
        let &Context { drafts, core, draft, .. } = context;
        let node = *core.node(member.node);
        let (dtype, grain) = (node.dtype, member.grain);
        let is_value = matches!(node.op, Op::Map(_));
        let stored = member.aim != Aim::Node || drafts.fates[member.node.index()].stored;
        let place = match member.operands.of(&drafts.sources)[0] {
            Source::Dense(angle) => self.trig_of(angle),
            _ => NONE,
        };
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
            value = if is_value { out } else { self.value(ValueKind::Register(grain))? };
            let both = trig.is_some_and(|trig| trig.wanted == [true; 2]);
            let rows = if grain == Grain::Row { draft.row as u32 } else { 1 };
            if both {
                let other = self.value(ValueKind::Register(grain))?;
                let (sine, cosine) =
                    if part == TrigPart::Sine { (value, other) } else { (other, value) };
                self.trigs[place as usize].made = [sine, cosine];
                self.cost += 350 / rows;
                self.push(Instr {
                    grain,
                    kernel: kernels.sincos,
                    ops: [ops[0], NONE, NONE, NONE],
                    second: cosine,
                    ..instr(Code::SinCos, Op::Map(Elem::Sin), dtype, sine)
                })?;
            } else {
                let (name, kernel) =
                    map(if part == TrigPart::Sine { Elem::Sin } else { Elem::Cos });
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
            if part == TrigPart::Sine {
                // The cotangent of a cosine.
                let (name, kernel) = map(Elem::Neg);
                let negative = self.value(ValueKind::Register(grain))?;
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
}
