//! Places in scratch memory, for what steps leave to later ones.

use super::Emitter;
use crate::arena::{OutOfMemory, TryPush};
use crate::buffer::ALIGN;
use crate::plan::{Datum, Plan, Storage};

/// Holes in scratch memory that are known at a time. What was in the least one is not used again
/// when there are more: looking for the first that fits stays short, however many data there are.
const HOLES_MAX: usize = 256;

impl Emitter {
    /// Finds room for what lies in scratch memory: first fit, in the order of the steps.
    pub(in crate::plan) fn finish(&mut self, plan: &mut Plan) -> Result<(), OutOfMemory> {
        self.by_end.clear();
        for (number, datum) in plan.data.iter().enumerate() {
            if matches!(datum.place, Storage::Scratch(_)) {
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
                let Storage::Scratch(at) = gone.place else {
                    unreachable!("only those are listed")
                };
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
            plan.data[datum as usize].place = Storage::Scratch(at);
        }
        plan.scratch = top;
        self.reads = by_start;
        Ok(())
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
