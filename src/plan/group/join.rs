//! Which step a node joins: one that exists, if it can wait for all that the node reads.

use super::{Asked, Grouping, can_join};
use crate::arena::{OutOfMemory, TryPush};
use crate::graph::Core;
use crate::id::NodeId;
use crate::node::Op;
use crate::plan::cost::is_cheap;
use crate::plan::datum::NONE;
use crate::plan::draft::{Aim, Draft, Home, Member, Source, What, is_spread, lcm};
use crate::plan::{Grain, Groups, Span, TILE};

/// Sinks whose units have a common multiple beyond this do not share a step: threads would get
/// too little to share.
const UNIT_MAX: usize = 1 << 22;

/// Streams of a step of several tiles beyond which unrelated work is not added to it: more than the
/// hardware prefetches well. A step of one tile may have any number: what it keeps in registers is
/// as much memory as what it would leave for another step.
const STREAMS_MAX: u32 = 24;

/// Members of a step of one tile where memory is to be saved: what is in registers is memory, too, which
/// no other step uses.
const THRIFTY_MEMBERS_MAX: u32 = 1 << 8;

/// Lengths of which the newest step is known: those that were met last.
const LATEST_MAX: usize = 16;

/// Bytes from which on it is cheaper to compute a value again, by one cheap operation from what is
/// in memory anyway, than to write it in one step and read it in another. Smaller values stay in the
/// cache in between.
const AGAIN_BYTES: usize = 1 << 18;

impl Grouping {
    /// Puts a node whose operands were found into a step over `len` elements: one that exists
    /// if possible. `row` is the length that rows of the step must have, 0 for any.
    pub(super) fn join(&mut self, core: &Core, asked: Asked) -> Result<(), OutOfMemory> {
        let Asked { id, what, len, count, .. } = asked;
        let mut best: Option<(u32, Grain, What)> = None;
        if !self.drafts.single {
            let leading = if what == What::FromRows { 1 } else { count };
            for k in 0..leading {
                let Some(base) = self.operands[k].base() else { continue };
                let Home::In(step, _) = self.drafts.home(base) else { continue };
                if best.is_some_and(|(other, ..)| other >= step) {
                    continue;
                }
                best = self.try_step(core, step, asked).or(best);
            }
            if best.is_none() && what != What::FromRows {
                self.drafts.looks.note(self.latest.len());
                let mut last = self.latest.iter().rev();
                if let Some(&(_, step)) = last.find(|&&(other, _)| other == len) {
                    best = self.try_step(core, step, asked);
                }
            }
        }
        let (step, grain, what) = match best {
            Some(found) => found,
            None if what == What::FromRows => return self.single_step(core, id, core.node(id)),
            None => {
                let step = self.drafts.steps.try_push(Draft::new(len, NodeId::NONE))?;
                self.latest.retain(|&(other, _)| other != len);
                if self.latest.len() == LATEST_MAX {
                    self.latest.remove(0);
                }
                self.latest.try_push((len, step))?;
                (step, Grain::Element, what)
            }
        };
        self.enter(core, step, grain, Asked { what, ..asked })
    }

    /// Whether a step can take a node on: with which grain, and as what.
    fn try_step(&self, core: &Core, step: u32, asked: Asked) -> Option<(u32, Grain, What)> {
        let Asked { id, what, len, row, count, .. } = asked;
        let draft = &self.drafts.steps[step as usize];
        let most = match self.drafts.is_thrifty {
            true => THRIFTY_MEMBERS_MAX,
            false => self.members_max[usize::from(self.drafts.is_backward())],
        };
        let is_full = draft.members >= most && draft.len <= TILE;
        if draft.single != NodeId::NONE || is_full {
            return None;
        }
        let grain = match what {
            What::FromRows => Grain::Row,
            _ if draft.len == len => Grain::Element,
            // A row is one element of its own only in a step of several elements a row.
            What::Map | What::Copy | What::Sink | What::Fold
                if draft.row > 1 && draft.len / draft.row == len =>
            {
                Grain::Row
            }
            _ => return None,
        };
        let mut what = what;
        if grain == Grain::Element && row != 0 && draft.row != 0 && draft.row != row {
            // Rows of another length: the reduction becomes a sink, if it can.
            what = match what {
                What::Fold if can_join(core, id) => What::Sink,
                _ => return None,
            };
        }
        if grain == Grain::Row && what == What::Fold {
            what = if can_join(core, id) { What::Sink } else { return None };
        }
        for k in 0..count {
            if !self.fits(step, Asked { what, ..asked }, grain, k) {
                return None;
            }
        }
        let unit = lcm(draft.unit, self.unit_of(core, id, what, grain, draft, row));
        if unit > UNIT_MAX && draft.first != NONE && unit != draft.unit {
            return None;
        }
        Some((step, grain, what))
    }

    /// Whether a member of this grain can have operand `k` in a step.
    fn fits(&self, step: u32, asked: Asked, grain: Grain, k: usize) -> bool {
        let Asked { what, row, .. } = asked;
        let draft = &self.drafts.steps[step as usize];
        let operand = self.operands[k];
        let Some(base) = operand.base() else { return true };
        // Classes, and what is put at them, are one a row.
        let by_row =
            grain == Grain::Row && !(what == What::FromRows && k == 0) || what == What::ToRows;
        let home = self.drafts.home(base);
        if let Home::In(at, inner) = home
            && at == step
        {
            if what == What::Concat {
                return false; // whose operands lie elsewhere in the tiles than the result
            }
            return match (by_row, inner, operand) {
                (false, Grain::Element, Source::Dense(_)) => true,
                (true, Grain::Row, Source::Dense(_)) => true,
                (false, Grain::Row, Source::Strided(_, layout)) => {
                    let row = if draft.row == 0 { row } else { draft.row };
                    is_spread(&self.drafts.layouts[layout as usize], draft.len, row)
                }
                _ => false,
            };
        }
        let is_full = draft.streams >= STREAMS_MAX && draft.len > TILE;
        if is_full && !matches!(home, Home::In(..)) {
            return false;
        }
        match home {
            Home::Ready => true,
            Home::After(at) | Home::In(at, _) => self.can_wait(step, at),
        }
    }

    fn unit_of(
        &self,
        core: &Core,
        id: NodeId,
        what: What,
        grain: Grain,
        draft: &Draft,
        row: usize,
    ) -> usize {
        match what {
            What::Sink => {
                let node = core.node(id);
                let dims = core.shape(node.inputs[0]);
                let groups = Groups::of(&dims, &core.dims(node.list));
                let unit = groups.map_or(1, |groups| groups.unit());
                if grain == Grain::Row { unit * draft.row } else { unit }
            }
            What::MovedSink => {
                let node = core.node(id);
                let reduced = core.node(node.inputs[0]).len / node.len.max(1);
                Groups { outer: node.len, reduced, inner: 1 }.unit()
            }
            What::Fold | What::Rows | What::ToRows | What::MovedFold => row.max(1),
            What::Map | What::Copy | What::Concat | What::FromRows | What::Mask => 1,
        }
    }

    fn enter(
        &mut self,
        core: &Core,
        step: u32,
        grain: Grain,
        asked: Asked,
    ) -> Result<(), OutOfMemory> {
        let Asked { id, what, row, count, aim, .. } = asked;
        for k in 0..count {
            let Some(base) = self.operands[k].base() else { continue };
            if matches!(self.operands[k], Source::Dense(_))
                && self.compute_again(core, step, grain, base)?
            {
                continue;
            }
            match self.drafts.home(base) {
                Home::Ready => self.drafts.steps[step as usize].streams += 1,
                Home::In(at, _) if at == step => {}
                Home::In(at, _) | Home::After(at) => {
                    self.drafts.fates[base.index()].stored = true;
                    self.drafts.steps[step as usize].streams += 1;
                    self.depend(step, at)?;
                }
            }
        }
        let draft = &self.drafts.steps[step as usize];
        let unit = lcm(draft.unit, self.unit_of(core, id, what, grain, draft, row));
        let first = self.drafts.sources.len();
        for operand in &self.operands[..count] {
            self.drafts.sources.try_push(*operand)?;
        }
        let operands = Span::since(first, self.drafts.sources.len());
        self.append(step, Member { node: id, what, grain, operands, aim, next: NONE })?;
        let draft = &mut self.drafts.steps[step as usize];
        draft.unit = unit;
        if matches!(what, What::Fold | What::Rows | What::ToRows | What::MovedFold) {
            draft.row = row;
        }
        if aim != Aim::Node {
            return Ok(());
        }
        // The reduction of rows of one element has as many results.
        let is_wide = draft.row == 1;
        let home = match what {
            What::Map | What::Copy | What::Concat | What::Rows | What::ToRows | What::Mask => {
                Home::In(step, grain)
            }
            What::Fold | What::MovedFold if is_wide => Home::In(step, Grain::Element),
            What::Fold | What::MovedFold | What::FromRows => Home::In(step, Grain::Row),
            What::Sink | What::MovedSink => Home::After(step),
        };
        let fate = &mut self.drafts.fates[id.index()];
        fate.set_home(home);
        // A sink's result is in memory, wherever else it goes.
        fate.stored |= matches!(home, Home::After(_)) || self.drafts.single;
        Ok(())
    }

    /// Makes a node that another step computes a member of this one, too, where that is cheaper than
    /// having it in memory.
    fn compute_again(
        &mut self,
        core: &Core,
        step: u32,
        grain: Grain,
        id: NodeId,
    ) -> Result<bool, OutOfMemory> {
        let Home::In(at, Grain::Element) = self.drafts.home(id) else { return Ok(false) };
        if at == step
            || grain == Grain::Row
            || self.drafts.fates[id.index()].stored
            || self.drafts.single
        {
            return Ok(false);
        }
        if self.again.iter().rev().take(16).any(|&known| known == (step, id)) {
            return Ok(true);
        }
        let node = core.node(id);
        let (is_worth_it, what) = match node.op {
            Op::Map(_) | Op::Pull(..) => {
                let is_large = node.len * node.dtype.size() >= AGAIN_BYTES;
                (is_large && is_cheap(node.op), What::Map)
            }
            // Nothing is computed: what would be written is there already, in pieces.
            Op::Concat => (node.len > TILE, What::Concat),
            _ => (false, What::Map),
        };
        if !is_worth_it {
            return Ok(false);
        }
        let operands = match what {
            What::Concat => {
                let found = self.drafts.concats.binary_search_by_key(&id, |&(known, _)| known);
                found.ok().map(|place| self.drafts.concats[place].1)
            }
            _ => self.operands_of(id),
        };
        let Some(operands) = operands else { return Ok(false) };
        for k in operands.first..operands.first + operands.count {
            let Some(base) = self.drafts.sources[k as usize].base() else { continue };
            let in_memory = match self.drafts.home(base) {
                Home::Ready => true,
                Home::After(from) => self.can_wait(step, from),
                Home::In(from, _) => {
                    self.drafts.fates[base.index()].stored && self.can_wait(step, from)
                }
            };
            if !in_memory {
                return Ok(false);
            }
        }
        for k in operands.first..operands.first + operands.count {
            let Some(base) = self.drafts.sources[k as usize].base() else { continue };
            self.drafts.steps[step as usize].streams += 1;
            if let Home::In(from, _) | Home::After(from) = self.drafts.home(base) {
                self.depend(step, from)?;
            }
        }
        self.again.try_push((step, id))?;
        let member = Member { node: id, what, grain, operands, aim: Aim::Step, next: NONE };
        self.append(step, member)?;
        Ok(true)
    }

    /// The operands of an elementwise node as they were when it joined its step, if that was lately.
    fn operands_of(&self, id: NodeId) -> Option<Span> {
        let lately = self.drafts.members.len().saturating_sub(512);
        self.drafts.looks.note(self.drafts.members.len() - lately);
        let mut members = self.drafts.members[lately..].iter();
        let found = members.find(|member| {
            member.node == id && member.what == What::Map && member.aim == Aim::Node
        });
        found.map(|member| member.operands)
    }

    fn append(&mut self, step: u32, member: Member) -> Result<(), OutOfMemory> {
        let member = self.drafts.members.try_push(member)?;
        let draft = &mut self.drafts.steps[step as usize];
        match draft.last {
            NONE => draft.first = member,
            last => self.drafts.members[last as usize].next = member,
        }
        draft.last = member;
        draft.members += 1;
        Ok(())
    }
}
