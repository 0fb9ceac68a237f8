//! The finished program: slots for values, and registers, each used again when its value was read for
//! the last time.

use super::Emitter;
use crate::arena::{OutOfMemory, TryPush};
use crate::buffer::ALIGN;
use crate::dtype::DType;
use crate::kernel::{Act, Link, Reach};
use crate::plan::datum::NONE;
use crate::plan::draft::{Draft, product_chunk};
use crate::plan::value::{Value, ValueKind};
use crate::plan::{Code, Grain, Plan, Program, Slot, Span, Storage, TILE};
use crate::shape::Layout;

/// Steps that read and write this much have what they read fetched ahead of time: it comes from beyond
/// the second-level cache.
const AHEAD_BYTES: usize = 1 << 20;

/// Elements of a tile where there is one instruction.
const ALONE_TILE: usize = 4096;

/// Elements of a tile in which lines that lie side by side are read several at a time, and the fewest of
/// them for which that pays.
const TURNED_TILE: usize = 16384;
const TURNED_LINES: usize = 4;

/// Elements that are reduced together, up to which a tile has all of them.
const UNIT_TILE: usize = 4 * TILE;

impl Emitter {
    pub(super) fn program(
        &mut self,
        draft: &Draft,
        product: u32,
        sinks: Span,
        fills: Span,
        views: usize,
        plan: &mut Plan,
    ) -> Result<u32, OutOfMemory> {
        let most = plan.views[views..].iter().fold(TILE, |most, view| {
            most.max(turned(&view.layout, plan.data[view.datum as usize].dtype))
        });
        let tile = match draft.row {
            // One instruction leaves nothing in the cache for another.
            0 if self.instrs.len() == 1 => most.max(ALONE_TILE).min(draft.len).max(1),
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
            if let ValueKind::Stream { datum, offset, size, grain } = value.kind {
                let slot = match plan.data[datum as usize].place {
                    Storage::Chunk => Slot::Chunk { datum, size },
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
                ValueKind::Fixed(grain, more) => value.slot = new_register(grain, more, plan)?,
                ValueKind::Filled(grain) => value.slot = new_register(grain, 0, plan)?,
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
                (instr.out, instr.second, instr.ops) = (0, 0, [0; 4]);
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
            let (out, second) = (instr.out, instr.second);
            instr.out = self.slot(out, plan, &mut new_register)?;
            instr.second = instr.out;
            if second != NONE {
                instr.second = self.slot(second, plan, &mut new_register)?;
                self.release(second, place)?;
            }
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
            views: Span::default(),
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
        let (ValueKind::Register(grain), NONE) = (kind, slot) else { return Ok(slot) };
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
        if let ValueKind::Register(grain) = kind
            && last == place
        {
            self.free[grain as usize].try_push(slot)?;
        }
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
/// many of its lines, or as fit in it; 0 if they do not lie so, or are long.
fn turned(layout: &Layout, dtype: DType) -> usize {
    let merged = layout.merged();
    match (merged.dims(), merged.strides()) {
        (&[.., lines, len], &[.., 1, apart]) if apart > 1 && len <= TURNED_TILE / TURNED_LINES => {
            len * lines.min(ALIGN / dtype.size()).min(TURNED_TILE / len.max(1))
        }
        _ => 0,
    }
}
