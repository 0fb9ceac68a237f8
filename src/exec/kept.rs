//! Plans that are kept, and found by what they were made for.

use std::ops::{Index, IndexMut};

use hashbrown::HashTable;

use crate::arena::{OutOfMemory, TryPush};
use crate::graph::Core;
use crate::id::NodeId;
use crate::node::Op;
use crate::plan::{Plan, Storage, is_fresh};

/// So many plans are kept, however large they are.
const FEW: usize = 24;

/// So many at most, as long as all of them are small: a loop that reads in each of its steps, and is
/// recorded again and again, has a plan a step.
const MANY: usize = 1024;
const SMALL_BYTES: usize = 8 << 20;

/// After so many plans that were refused a place, one more of those that are kept has to show that it is
/// still in use.
const PATIENCE: usize = 4;

/// What a plan was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// Of the roots, their heads, and the structure of all that they depend on.
    pub(super) hash: u64,
    pub(super) is_backward: bool,
}

#[derive(Default)]
pub(super) struct Kept {
    /// None of a plan that failed, or is not in its place.
    pub(super) key: Option<Key>,
    pub(super) plan: Plan,
    /// Nodes other than leaves whose values the plan takes as they are.
    pub(super) sources: Vec<NodeId>,
    /// How often they were found not to be right, one time after the other.
    pub(super) misses: u32,
    /// How often it was run one time after the other for the same nodes, as their tag says.
    pub(super) runs: u32,
    pub(super) tag: u32,
    /// Whether it was used since somebody looked for one to drop.
    pub(super) is_used: bool,
    /// Of the plan.
    bytes: usize,
}

impl Kept {
    /// Lists what the plan takes for granted: what is right already is no step's business, but only as
    /// long as it is right.
    pub(super) fn list_sources(
        &mut self,
        core: &Core,
        roots: &[NodeId],
    ) -> Result<(), OutOfMemory> {
        for &root in roots.iter().filter(|&&root| core.state(root).ready) {
            self.sources.try_push(root)?;
        }
        for step in self.plan.steps().iter().filter(|step| !step.is_again()) {
            for &read in self.plan.reads(step) {
                let Storage::Node(id) = self.plan.data[read as usize].place else { continue };
                if core.state(id).ready && core.node(id).op != Op::Leaf {
                    self.sources.try_push(id)?;
                }
            }
        }
        Ok(())
    }

    /// Whether what the plan takes for granted is known to be right.
    pub(super) fn is_fresh(&self, core: &Core) -> bool {
        self.sources.iter().all(|&id| is_fresh(core, id))
    }
}

#[derive(Default)]
pub(super) struct Plans {
    kept: Vec<Kept>,
    /// Places by the hashes of keys.
    places: HashTable<u32>,
    /// The next one to be dropped, if it was not used lately.
    hand: usize,
    /// How many were refused a place.
    refused: usize,
    /// Of all plans.
    bytes: usize,
}

impl Index<usize> for Plans {
    type Output = Kept;

    fn index(&self, place: usize) -> &Kept {
        &self.kept[place]
    }
}

impl IndexMut<usize> for Plans {
    fn index_mut(&mut self, place: usize) -> &mut Kept {
        &mut self.kept[place]
    }
}

impl Plans {
    /// Bytes of memory that they hold.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.kept.bytes() + self.places.allocation_size()
    }

    /// The place of the `k`-th plan that was made for this key.
    pub(super) fn nth(&self, key: Key, k: usize) -> Option<usize> {
        let places = self.places.iter_hash(key.hash).map(|&place| place as usize);
        places.filter(|&place| self.kept[place].key == Some(key)).nth(k)
    }

    /// Whether there is a plan for this key that takes nothing for granted.
    pub(super) fn has_whole(&self, key: Key) -> bool {
        (0..).map_while(|k| self.nth(key, k)).any(|place| self.kept[place].sources.is_empty())
    }

    fn is_full(&self) -> bool {
        let len = self.kept.len();
        len >= MANY || (len >= FEW && self.bytes > SMALL_BYTES)
    }

    /// Whether there is a place for another plan that can be done without: not where all plans are in
    /// use. More things that come again than there are places would else oust one another, and none be
    /// found again.
    pub(super) fn admits(&mut self) -> bool {
        if !self.is_full() || !self.kept[self.hand].is_used {
            return true;
        }
        self.refused += 1;
        if self.refused.is_multiple_of(PATIENCE) {
            self.kept[self.hand].is_used = false;
            self.hand = (self.hand + 1) % self.kept.len();
        }
        false
    }

    /// A place for another plan, and the memory of the plan that was there.
    pub(super) fn room(&mut self) -> Result<(usize, Plan), OutOfMemory> {
        let len = self.kept.len();
        if !self.is_full() {
            self.kept.try_push(Kept::default())?;
            return Ok((len, Plan::default()));
        }
        while std::mem::take(&mut self.kept[self.hand].is_used) {
            self.hand = (self.hand + 1) % len;
        }
        let place = self.hand;
        self.hand = (self.hand + 1) % len;
        let kept = &mut self.kept[place];
        if let Some(key) = kept.key.take()
            && let Ok(entry) = self.places.find_entry(key.hash, |&other| other as usize == place)
        {
            entry.remove();
        }
        self.bytes -= std::mem::take(&mut kept.bytes);
        Ok((place, std::mem::take(&mut kept.plan)))
    }

    /// Puts a plan into its place, where it is not found yet.
    pub(super) fn put(&mut self, place: usize, plan: Plan) -> &mut Kept {
        let bytes = plan.bytes();
        self.bytes += bytes;
        let kept = &mut self.kept[place];
        kept.sources.clear();
        let sources = std::mem::take(&mut kept.sources);
        *kept = Kept { plan, sources, bytes, is_used: true, ..Kept::default() };
        kept
    }

    /// Lets the plan in this place be found.
    pub(super) fn enter(&mut self, place: usize, key: Key) -> Result<(), OutOfMemory> {
        let hash_of = |&place: &u32| self.kept[place as usize].key.map_or(0, |key| key.hash);
        self.places.try_reserve(1, hash_of).map_err(|_| OutOfMemory)?;
        #[allow(clippy::disallowed_methods, reason = "into room that was reserved")]
        self.places.insert_unique(key.hash, place as u32, |_| unreachable!("room was reserved"));
        self.kept[place].key = Some(key);
        Ok(())
    }

    /// Drops all plans but the one in this place.
    pub(super) fn drop_others(&mut self, place: Option<usize>) {
        self.places.retain(|other| Some(*other as usize) == place);
        for (other, kept) in self.kept.iter_mut().enumerate() {
            if Some(other) != place {
                self.bytes -= kept.bytes;
                *kept = Kept::default();
            }
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
