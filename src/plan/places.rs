//! Places in scratch memory, for what steps leave to later ones.

use super::datum::DatumId;
use super::{Datum, Looks};
use crate::arena::{OutOfMemory, TryPush};
use crate::buffer::ALIGN;

/// Holes in scratch memory that are known at a time. What was in the least one is not used again
/// when there are more: looking for the first that fits stays short, however many data there are.
const HOLES_MAX: usize = 256;

/// From when to when a datum is in scratch memory, and where.
#[derive(Clone, Copy)]
pub(super) struct Lifetime {
    pub(super) datum: DatumId,
    /// Its first and its last step.
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) bytes: usize,
    pub(super) at: usize,
}

/// What is to lie in scratch memory, and the memory to find out where; kept from plan to plan.
#[derive(Default)]
pub(super) struct Places {
    /// In order of their first steps.
    pub(super) lifetimes: Vec<Lifetime>,
    by_end: Vec<u32>,
    /// Where they begin, and their bytes, in order of place.
    holes: Vec<(usize, usize)>,
    /// The bytes that all of it takes.
    pub(super) top: usize,
    pub(super) looks: Looks,
}

impl Places {
    pub(super) fn bytes(&self) -> usize {
        self.lifetimes.bytes() + self.by_end.bytes() + self.holes.bytes()
    }

    /// Finds room: first fit, in the order of the steps.
    pub(super) fn find(&mut self) -> Result<(), OutOfMemory> {
        let Self { lifetimes, by_end, holes, top, looks } = self;
        by_end.clear();
        holes.clear();
        for number in 0..lifetimes.len() {
            by_end.try_push(number as u32)?;
        }
        by_end.sort_unstable_by_key(|&number| (lifetimes[number as usize].last, number));
        let mut ended = 0;
        *top = 0;
        for number in 0..lifetimes.len() {
            let Lifetime { first, bytes: need, .. } = lifetimes[number];
            while let Some(&gone) = by_end.get(ended)
                && lifetimes[gone as usize].last < first
            {
                let Lifetime { at, bytes, .. } = lifetimes[gone as usize];
                give_back(holes, at, bytes)?;
                ended += 1;
            }
            looks.note(holes.len());
            let hole = holes.iter().position(|&(_, bytes)| bytes >= need);
            lifetimes[number].at = match hole {
                Some(hole) => {
                    let (at, bytes) = holes[hole];
                    if bytes == need {
                        holes.remove(hole);
                    } else {
                        holes[hole] = (at + need, bytes - need);
                    }
                    at
                }
                // At the end, from where the last hole begins.
                None => {
                    let hole = holes.pop_if(|&mut (start, bytes)| start + bytes == *top);
                    let at = hole.map_or(*top, |(start, _)| start);
                    *top = at + need;
                    at
                }
            };
        }
        Ok(())
    }
}

/// Bytes that a datum takes there.
pub(super) fn room_for(datum: &Datum) -> usize {
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
