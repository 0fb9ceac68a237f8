//! Which values are there, and which one goes where there is no room.
//!
//! What it costs to have a value again is its step, and those of the absent values next to it, of which
//! it is made or that are made of it: they are kept in sets that are only ever joined (the paper's
//! approximation by equivalence classes), so what goes is spread over the program, and not one long
//! stretch of it. What an absent value that is wanted is made of is wanted, too.

use super::{Remat, Value};
use crate::arena::{OutOfMemory, TryPush};
use crate::plan::datum::{DatumId, NONE};
use crate::plan::places::{Lifetime, Places};
use crate::plan::{Plan, Span};

/// Of more values so many are compared, drawn by chance (always the same), to find one that can go.
const COMPARED: usize = 96;

/// Of its neighbours so many are looked at.
const NEIGHBOURS: usize = 8;

/// Absent values that are next to one another.
#[derive(Clone, Copy)]
pub(super) struct Set {
    parent: u32,
    cost: u64,
}

impl Remat {
    /// Puts a value that was just made among those that are there.
    pub(super) fn appear(
        &mut self,
        datum: DatumId,
        time: u32,
        places: &mut Places,
    ) -> Result<(), OutOfMemory> {
        let place = self.present.try_push(datum)?;
        let value = self.values[datum as usize];
        let (first, last, bytes) = (time, time, value.bytes);
        let lifetime = places.lifetimes.try_push(Lifetime { datum, first, last, bytes, at: 0 })?;
        if value.set != NONE {
            let root = self.root(value.set);
            // (A set is not split when one leaves it.)
            self.sets[root as usize].cost -= value.cost;
            self.items[value.writer as usize].gone -= 1;
        }
        self.taken += bytes;
        self.values[datum as usize] = Value { place, lifetime, set: NONE, ..value };
        Ok(())
    }

    /// Takes a value away, and puts it into a set with its neighbours that are absent, too.
    fn vanish(&mut self, plan: &Plan, datum: DatumId) -> Result<(), OutOfMemory> {
        let Value { writer, bytes, place, .. } = self.values[datum as usize];
        self.present.swap_remove(place as usize);
        if let Some(&moved) = self.present.get(place as usize) {
            self.values[moved as usize].place = place;
        }
        self.taken -= bytes;
        let cost = self.cost(plan, datum);
        let set = self.sets.try_push(Set { parent: NONE, cost })?;
        let value = &mut self.values[datum as usize];
        (value.place, value.set, value.cost) = (NONE, set, cost);
        self.items[writer as usize].gone += 1;
        let mut neighbours = [NONE; NEIGHBOURS];
        self.neighbours(plan, datum, &mut neighbours);
        for other in neighbours.into_iter().filter(|&other| other != NONE) {
            let root = self.root(set);
            self.sets[root as usize].cost += self.sets[other as usize].cost;
            self.sets[other as usize].parent = root;
        }
        Ok(())
    }

    /// What its step costs, if others of that are not to be made again anyway.
    fn cost(&self, plan: &Plan, datum: DatumId) -> u64 {
        let writer = self.values[datum as usize].writer as usize;
        plan.steps[writer].cost.max(1) / u64::from(1 + self.items[writer].gone) + 1
    }

    fn root(&mut self, mut set: u32) -> u32 {
        loop {
            let parent = self.sets[set as usize].parent;
            if parent == NONE {
                return set;
            }
            // Each on the way is brought closer by half.
            let above = self.sets[parent as usize].parent;
            if above != NONE {
                self.sets[set as usize].parent = above;
            }
            set = parent;
        }
    }

    /// The sets of absent values that a value is made of, or that are made of it, or with it.
    fn neighbours(&mut self, plan: &Plan, datum: DatumId, found: &mut [u32; NEIGHBOURS]) {
        let Value { writer, users, used, .. } = self.values[datum as usize];
        let own = if self.values[datum as usize].set == NONE {
            NONE
        } else {
            self.root(self.values[datum as usize].set)
        };
        let mut count = 0;
        let writer = &plan.steps[writer as usize];
        let past = Span { first: users.first, count: used };
        // The newest users: of the older ones hardly anything is wanted any more.
        let newest = past.count.saturating_sub(NEIGHBOURS as u32);
        for k in newest..past.count {
            let user = self.users[(past.first + k) as usize];
            for &other in plan.writes(&plan.steps[user as usize]).iter().take(NEIGHBOURS) {
                self.add_set(other, own, found, &mut count);
            }
        }
        for list in [plan.reads(writer), plan.writes(writer)] {
            for &other in list.iter().take(NEIGHBOURS) {
                self.add_set(other, own, found, &mut count);
            }
        }
    }

    fn add_set(
        &mut self,
        datum: DatumId,
        own: u32,
        found: &mut [u32; NEIGHBOURS],
        count: &mut usize,
    ) {
        let set = self.values[datum as usize].set;
        if set == NONE || *count == NEIGHBOURS {
            return;
        }
        let root = self.root(set);
        if root != own && !found[..*count].contains(&root) {
            found[*count] = root;
            *count += 1;
        }
    }

    /// Takes away the value that is best done without for now; whether there is one.
    pub(super) fn make_room(&mut self, plan: &Plan) -> Result<bool, OutOfMemory> {
        let count = self.present.len();
        let mut best = None;
        if count > COMPARED {
            for _ in 0..COMPARED {
                self.chance ^= self.chance << 13;
                self.chance ^= self.chance >> 7;
                self.chance ^= self.chance << 17;
                let place = (self.chance >> 11) as usize % count;
                self.compare(plan, place, &mut best);
            }
        }
        if best.is_none() {
            (0..count).for_each(|place| self.compare(plan, place, &mut best));
        }
        let Some((_, datum)) = best else { return Ok(false) };
        self.let_go(plan, datum)?;
        Ok(true)
    }

    /// Notes the value in this place, if it is better done without than the best one so far.
    fn compare(&mut self, plan: &Plan, place: usize, best: &mut Option<(f64, DatumId)>) {
        let datum = self.present[place];
        self.looks.note(1);
        let value = self.values[datum as usize];
        if value.locks > 0 || value.is_fixed {
            return;
        }
        // For how long it is not wanted; for which nobody knows, as long as it was not until now.
        let wait = if value.needed > 0 {
            1
        } else if value.used < value.users.count {
            self.users[(value.users.first + value.used) as usize] - self.now + 1
        } else {
            self.order.len() as u32 - value.touched + 1
        };
        let mut neighbours = [NONE; NEIGHBOURS];
        self.neighbours(plan, datum, &mut neighbours);
        let sets = neighbours.into_iter().filter(|&set| set != NONE);
        let around = sets.map(|set| self.sets[set as usize].cost).sum::<u64>();
        let gain = value.bytes as f64 * f64::from(wait);
        let score = gain / (self.cost(plan, datum) + around) as f64;
        if best.is_none_or(|(other, known)| score > other || score == other && datum < known) {
            *best = Some((score, datum));
        }
    }

    /// Takes away a value that is wanted: what it is made of is wanted for that.
    pub(super) fn let_go(&mut self, plan: &Plan, datum: DatumId) -> Result<(), OutOfMemory> {
        self.vanish(plan, datum)?;
        let first = self.work.len();
        self.work.try_push(datum)?;
        while self.work.len() > first {
            let Some(datum) = self.work.pop() else { break };
            let value = &mut self.values[datum as usize];
            if std::mem::replace(&mut value.is_holding, true) {
                continue;
            }
            let writer = value.writer as usize;
            for &read in plan.reads(&plan.steps[writer]) {
                let value = &mut self.values[read as usize];
                value.holders += 1;
                if value.is_absent() && !value.is_holding {
                    self.work.try_push(read)?;
                }
            }
        }
        Ok(())
    }

    /// Notes that a value that is there, or not wanted, wants nothing for itself.
    pub(super) fn stop_holding(&mut self, plan: &Plan, datum: DatumId) -> Result<(), OutOfMemory> {
        let first = self.work.len();
        self.work.try_push(datum)?;
        while self.work.len() > first {
            let Some(datum) = self.work.pop() else { break };
            let value = &mut self.values[datum as usize];
            if !std::mem::replace(&mut value.is_holding, false) {
                continue;
            }
            let writer = value.writer as usize;
            for &read in plan.reads(&plan.steps[writer]) {
                self.values[read as usize].holders -= 1;
                let value = self.values[read as usize];
                if !value.is_wanted() && value.bytes > 0 {
                    if value.is_absent() {
                        self.work.try_push(read)?;
                    } else {
                        self.vanish(plan, read)?;
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn drop_if_done(&mut self, plan: &Plan, datum: DatumId) -> Result<(), OutOfMemory> {
        let value = self.values[datum as usize];
        if value.bytes > 0 && !value.is_wanted() {
            if !value.is_absent() {
                self.vanish(plan, datum)?;
            } else {
                self.stop_holding(plan, datum)?;
            }
        }
        Ok(())
    }
}
