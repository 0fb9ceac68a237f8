//! Making chains of instructions that are cheap.
//!
//! Instructions are taken in another order, as far as they do not depend on one another: those that
//! are not cheap in their own order, before them only what they need, and the others together at the
//! end. In a chain, an instruction that reads what the one before it made comes first. A value is
//! written to a register only if somebody else reads it.

use super::datum::NONE;
use super::value::{Value, ValueKind};
use super::{Code, Grain, Instr, Looks, Span};
use crate::arena::{OutOfMemory, TryPush};
use crate::dtype::DType;
use crate::kernel::{Act, Form, Link, Reach, forms};

/// How many instructions there are at a time among which the order is chosen, so that values do not
/// wait in registers for too long.
const LOOKAHEAD: usize = 32;

/// Rows shorter than this are not taken through a chain one by one.
const ROW_MIN: usize = 32;

/// What is known about a value while chains are made.
#[derive(Clone, Copy)]
struct Known {
    /// How many instructions still read it.
    left: u32,
    /// The value that it repeats along rows, if nobody needs it in memory yet; else `NONE`.
    repeats: u32,
    /// The instruction that makes it, or `NONE`.
    maker: u32,
    /// Whether it can be read: it was made.
    made: bool,
    /// Whether it is, or will be, in memory.
    stored: bool,
}

/// The memory for this, kept from plan to plan.
#[derive(Default)]
pub(super) struct Linking {
    known: Vec<Known>,
    /// By instruction.
    turns: Vec<Turn>,
    /// Whether there are any that only write past the cache.
    non_temporal: bool,
    /// The instructions in their new order.
    instrs: Vec<Instr>,
    pub(super) links: Vec<Link>,
}

/// How an instruction can be taken.
#[derive(Clone, Copy, PartialEq)]
enum Turn {
    /// As part of a chain.
    Cheap,
    /// By itself.
    Dear,
    Taken,
}

impl Linking {
    pub(super) fn bytes(&self) -> usize {
        self.known.bytes() + self.turns.bytes() + self.instrs.bytes() + self.links.bytes()
    }

    /// The links of a chain.
    pub(super) fn links_of(&self, instr: &Instr) -> &[Link] {
        instr.links.of(&self.links)
    }
}

/// A chain in the making.
struct OpenChain {
    dtype: DType,
    /// What the block holds.
    held: u32,
    by_rows: bool,
}

/// The instructions of a step and what they read and write, while chains are made of them.
struct Linker<'a> {
    instrs: &'a [Instr],
    values: &'a [Value],
    looks: &'a Looks,
}

impl Linking {
    /// Makes chains of the instructions of a step whose rows are this long. The slots of links are
    /// values, as the operands of instructions are.
    pub(super) fn link(
        &mut self,
        instrs: &mut Vec<Instr>,
        values: &[Value],
        row: usize,
        looks: &Looks,
    ) -> Result<(), OutOfMemory> {
        Linker { instrs, values, looks }.link(row, self)?;
        std::mem::swap(instrs, &mut self.instrs);
        Ok(())
    }
}

impl Linker<'_> {
    fn link(&self, row: usize, linking: &mut Linking) -> Result<(), OutOfMemory> {
        linking.known.clear();
        let blank = Known { left: 0, repeats: NONE, maker: NONE, made: true, stored: true };
        linking.known.try_extend_to(self.values.len(), blank)?;
        linking.turns.clear();
        linking.non_temporal = false;
        linking.instrs.clear();
        linking.links.clear();
        for (number, instr) in self.instrs.iter().enumerate() {
            linking.non_temporal |= instr.code == Code::StoreNonTemporal;
            linking.turns.try_push(if is_cheap(instr) { Turn::Cheap } else { Turn::Dear })?;
            for op in instr.operands() {
                linking.known[op as usize].left += 1;
            }
            for out in instr.results() {
                linking.known[out as usize].maker = number as u32;
                linking.known[out as usize].made = false;
            }
        }
        // What is brought from elsewhere needs nothing, and is only in the way of chains.
        for number in 0..self.instrs.len() {
            if matches!(self.instrs[number].code, Code::Gather | Code::Pad | Code::Join) {
                self.take(number, linking)?;
            }
        }
        let mut first = 0;
        while first < self.instrs.len() {
            if linking.turns[first] == Turn::Taken || self.repeats(first, row, linking) {
                first += 1;
                continue;
            }
            let end = self.instrs.len().min(first + LOOKAHEAD);
            let turns = &linking.turns;
            let is_next = |&number: &usize| {
                turns[number] == Turn::Dear && self.instrs[number].code != Code::Sink
            };
            if let Some(next) = (first..end).find(is_next) {
                let needed = self.needed(first, next, linking);
                let begin = (first..next).find(|&number| {
                    needed >> (number - first) & 1 != 0 && !self.repeats(number, row, linking)
                });
                match begin {
                    Some(begin) => self.chain(begin, first, needed, row, linking)?,
                    None if self.repeats(next, row, linking) => {}
                    None => self.take(next, linking)?,
                }
            } else {
                match (first..end).find(|&number| turns[number] == Turn::Cheap) {
                    Some(begin) => self.chain(begin, first, !0, row, linking)?,
                    None => self.take(first, linking)?,
                }
            }
        }
        Ok(())
    }

    /// Which instructions from `first` on are needed for `last`: by bits.
    fn needed(&self, first: usize, last: usize, linking: &Linking) -> u32 {
        let mut needed = 1 << (last - first);
        self.looks.note(last - first);
        for number in (first..=last).rev() {
            if needed >> (number - first) & 1 == 0 {
                continue;
            }
            for op in self.instrs[number].operands() {
                let known = linking.known[op as usize];
                if !known.made {
                    needed |= 1 << (known.maker as usize - first);
                }
            }
        }
        needed & !(1 << (last - first))
    }

    /// Leaves an instruction as it is.
    fn take(&self, number: usize, linking: &mut Linking) -> Result<(), OutOfMemory> {
        let instr = self.instrs[number];
        linking.turns[number] = Turn::Taken;
        for op in instr.operands() {
            self.bring(op, linking)?;
            linking.known[op as usize].left -= 1;
        }
        linking.instrs.try_push(instr)?;
        for out in instr.results() {
            linking.known[out as usize].made = true;
        }
        Ok(())
    }

    /// Puts off repeating a value along long rows: perhaps nobody needs it in memory. Says whether the
    /// instruction does that, and can.
    fn repeats(&self, number: usize, row: usize, linking: &mut Linking) -> bool {
        let instr = &self.instrs[number];
        if instr.code != Code::Spread || row < ROW_MIN || !linking.known[instr.ops[0] as usize].made
        {
            return false;
        }
        linking.turns[number] = Turn::Taken;
        let known = &mut linking.known[instr.out as usize];
        known.repeats = instr.ops[0];
        known.made = true;
        known.stored = false;
        true
    }

    /// Writes an operand to memory that was only to be repeated along rows.
    fn bring(&self, value: u32, linking: &mut Linking) -> Result<(), OutOfMemory> {
        let known = &mut linking.known[value as usize];
        if known.repeats != NONE && !known.stored {
            known.stored = true;
            let spread = self.instrs[known.maker as usize];
            linking.known[spread.ops[0] as usize].left -= 1;
            linking.instrs.try_push(spread)?;
        }
        Ok(())
    }

    /// Makes a chain that begins with instruction `begin`, of those from `first` on whose bits are set.
    fn chain(
        &self,
        begin: usize,
        first: usize,
        among: u32,
        row: usize,
        linking: &mut Linking,
    ) -> Result<(), OutOfMemory> {
        let dtype = self.instrs[begin].dtype;
        let first_link = linking.links.len();
        let mut open = OpenChain { dtype, held: NONE, by_rows: false };
        let mut next = Some(begin);
        let mut count = 0;
        while let Some(number) = next {
            linking.turns[number] = Turn::Taken;
            self.append(&self.instrs[number], &mut open, linking)?;
            next = self.continues(first, among, row, &open, linking);
            count += 1;
        }
        let one = self.instrs[begin];
        if count == 1 && one.code == Code::Map && !open.by_rows {
            // Its kernel is as good, and reads and writes while it computes.
            linking.links.truncate(first_link);
            linking.known[one.out as usize].stored = true;
            linking.instrs.try_push(one)?;
            return Ok(());
        }
        settle(&open, linking)?;
        let links = Span::since(first_link, linking.links.len());
        let grain = if open.by_rows { Grain::Row } else { Grain::Element };
        let (code, out, ops) = (Code::Chain, NONE, [NONE; 4]);
        linking.instrs.try_push(Instr { code, grain, links, out, ops, ..one })?;
        Ok(())
    }

    /// The instruction that goes on with a chain.
    fn continues(
        &self,
        first: usize,
        among: u32,
        row: usize,
        open: &OpenChain,
        linking: &mut Linking,
    ) -> Option<usize> {
        let mut other: Option<(usize, bool)> = None;
        for number in first..self.instrs.len().min(first + LOOKAHEAD) {
            self.looks.note(1);
            if linking.turns[number] == Turn::Taken {
                continue;
            }
            let instr = &self.instrs[number];
            let writes_down = instr.code == Code::StoreNonTemporal && instr.ops[0] == open.held;
            let is_meant = writes_down || among >> (number - first) & 1 != 0;
            if !is_meant || self.repeats(number, row, linking) {
                continue;
            }
            let ready = |op| linking.known[op as usize].made;
            let is_cheap = linking.turns[number] == Turn::Cheap;
            if !is_cheap || instr.dtype != open.dtype || !instr.operands().all(ready) {
                continue;
            }
            if writes_down {
                return Some(number);
            }
            let fits = instr.code == Code::Map
                && forms(instr.name).iter().any(|form| instr.ops[form.1] == open.held);
            if fits && !linking.non_temporal {
                return Some(number);
            }
            if fits && !other.is_some_and(|(_, fits)| fits) {
                other = Some((number, true));
            }
            other = other.or(Some((number, false)));
        }
        other.map(|(number, _)| number)
    }

    fn append(
        &self,
        instr: &Instr,
        open: &mut OpenChain,
        linking: &mut Linking,
    ) -> Result<(), OutOfMemory> {
        let (form, value) = match instr.code {
            Code::StoreNonTemporal => (None, instr.ops[0]),
            _ => {
                let forms = forms(instr.name);
                let held = forms.iter().find(|form| instr.ops[form.1] == open.held);
                let form = *held.unwrap_or(&forms[0]);
                (Some(form), instr.ops[form.1])
            }
        };
        linking.known[value as usize].left -= 1;
        // Whoever else reads what the block holds finds it in memory.
        if open.held != value {
            settle(open, linking)?;
            self.push_link(Act::Load, value, open, linking)?;
            open.held = value;
        }
        let Some(Form(act, _, operand)) = form else {
            linking.links.try_push(Link {
                act: Act::StoreNonTemporal,
                reach: Reach::Each,
                slot: instr.out,
            })?;
            return Ok(());
        };
        settle(open, linking)?;
        match operand {
            None => {
                linking.links.try_push(Link { act, reach: Reach::Each, slot: NONE })?;
            }
            Some(k) => self.push_link(act, instr.ops[k], open, linking)?,
        }
        linking.known[value as usize].left += 1; // which was counted above
        for op in instr.operands() {
            linking.known[op as usize].left -= 1;
        }
        open.held = instr.out;
        let known = &mut linking.known[instr.out as usize];
        known.made = true;
        known.stored = false;
        if matches!(self.values[instr.out as usize].kind, ValueKind::Stream { .. }) {
            known.stored = true;
            linking.links.try_push(Link {
                act: Act::Store,
                reach: Reach::Each,
                slot: instr.out,
            })?;
        }
        Ok(())
    }

    /// A link that reads a value.
    fn push_link(
        &self,
        act: Act,
        value: u32,
        open: &mut OpenChain,
        linking: &mut Linking,
    ) -> Result<(), OutOfMemory> {
        let known = linking.known[value as usize];
        let (reach, slot) = if known.repeats != NONE && !known.stored {
            open.by_rows = true;
            (Reach::Row, known.repeats)
        } else if matches!(self.values[value as usize].kind, ValueKind::Filled(_)) {
            (Reach::One, value)
        } else {
            (Reach::Each, value)
        };
        linking.links.try_push(Link { act, reach, slot })?;
        Ok(())
    }
}

/// Whether an instruction can be part of a chain.
fn is_cheap(instr: &Instr) -> bool {
    match instr.code {
        Code::StoreNonTemporal => true,
        Code::Map => instr.grain == Grain::Element && !forms(instr.name).is_empty(),
        _ => false,
    }
}

/// Has the block written to a register before it is changed, if somebody else reads it.
fn settle(open: &OpenChain, linking: &mut Linking) -> Result<(), OutOfMemory> {
    if open.held == NONE {
        return Ok(());
    }
    let known = &mut linking.known[open.held as usize];
    if !known.stored && known.repeats == NONE && known.left > 0 {
        known.stored = true;
        linking.links.try_push(Link { act: Act::Store, reach: Reach::Each, slot: open.held })?;
    }
    Ok(())
}
