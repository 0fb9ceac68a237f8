//! The stages of planning in a row: what must be computed (`walk`), in which step (`group`), in which
//! order (`schedule`), by which instructions (`emit`, `chain`), and where in memory.

use super::draft::{Drafts, Fate};
use super::emit::{Emitter, Used};
use super::group::Grouping;
use super::places::{Lifetime, Places, room_for};
use super::remat::Remat;
use super::schedule::Schedule;
use super::{Plan, Storage};
use crate::arena::{OutOfMemory, TryPush};
use crate::buffer::Part;
use crate::graph::Core;
use crate::id::NodeId;
use crate::level::Level;
use crate::node::Op;

/// What planning takes at least, in bytes: for each node of the graph, and for each that is computed;
/// and to write what a step does for one. (Measured: long chains
/// of sums and sines take about twice as much, since lists grow by doubling; others more.)
const NODE_BYTES: usize = 28;
const NEEDED_BYTES: usize = 45;
const MEMBER_BYTES: usize = 45;

/// What a plan is made for.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// Nodes whose values stay.
    pub(crate) roots: &'a [NodeId],
    /// Leaves, and the nodes whose values are their gradients: in fresh buffers.
    pub(crate) results: &'a [(NodeId, NodeId)],
    /// Nodes from here on are needed only inside of this plan; `usize::MAX` in a read.
    pub(crate) temporaries: usize,
    /// Bytes of scratch memory that it may take: if that is limited, nothing else stays.
    pub(crate) room: Option<usize>,
}

impl<'a> Wanted<'a> {
    /// The values of nodes.
    pub(crate) fn read(roots: &'a [NodeId]) -> Self {
        Self { roots, results: &[], temporaries: usize::MAX, room: None }
    }
}

/// The memory for all of this, kept from plan to plan.
pub(crate) struct Planner {
    grouping: Grouping,
    schedule: Schedule,
    emitter: Emitter,
    remat: Remat,
    places: Places,
    /// What is computed, in order of ids.
    order: Vec<NodeId>,
    /// Of its bytes, those in the pool's books.
    counted: usize,
}

impl Planner {
    pub(crate) fn new(level: Level) -> Self {
        let (grouping, schedule) = (Grouping::new(level), Schedule::new());
        Self {
            grouping,
            schedule,
            emitter: Emitter::default(),
            remat: Remat::default(),
            places: Places::default(),
            order: Vec::new(),
            counted: 0,
        }
    }

    #[cfg(test)]
    pub(super) fn looks(&self) -> usize {
        self.grouping.drafts.looks.0.get()
            + self.emitter.looks.0.get()
            + self.places.looks.0.get()
            + self.remat.looks.0.get()
    }

    /// Whether to fuse nothing.
    pub(crate) fn set_single(&mut self, single: bool) {
        self.grouping.drafts.single = single;
    }

    pub(crate) fn is_single(&self) -> bool {
        self.grouping.drafts.single
    }

    #[cfg(test)]
    pub(super) fn set_members_max(&mut self, most: u32) {
        self.grouping.members_max = [most; 2];
    }

    #[cfg(test)]
    pub(crate) fn set_feed_bytes(&mut self, bytes: usize) {
        self.schedule.feed_bytes = bytes;
    }

    /// Gives its memory back.
    pub(crate) fn forget(&mut self) {
        let Drafts { level, single, .. } = self.grouping.drafts;
        let mut new = Self::new(level);
        new.grouping.drafts.single = single;
        new.grouping.members_max = self.grouping.members_max;
        new.schedule.feed_bytes = self.schedule.feed_bytes;
        *self = new;
    }

    /// Bytes of memory that it holds.
    pub(crate) fn bytes(&self) -> usize {
        let stages = [self.grouping.bytes(), self.schedule.bytes(), self.emitter.bytes()];
        let last = self.remat.bytes() + self.places.bytes();
        stages.iter().sum::<usize>() + last + self.order.bytes()
    }

    /// Refuses to go on where planner and plan would take, with `least` bytes or what they have now,
    /// more than the graph's limit leaves them. Lists grow by doubling: so what is still to come is
    /// asked for at the beginning of a stage, rather than noticed at its end.
    fn afford(&self, core: &Core, plan: &Plan, least: usize) -> Result<(), OutOfMemory> {
        if !core.pool.is_limited() {
            return Ok(());
        }
        let bytes = (self.bytes() + plan.bytes()).max(least);
        core.pool.room_for(Part::Plans, bytes.saturating_sub(self.counted))
    }

    /// The nodes that must be computed for those that were looked at last, in order of ids.
    pub(crate) fn needed(&self) -> impl Iterator<Item = NodeId> {
        self.grouping.drafts.walk.needed()
    }

    /// The nodes that were looked at last, in order of ids.
    pub(crate) fn visited(&self) -> &[NodeId] {
        self.grouping.drafts.walk.visited()
    }

    /// Has all that was looked at computed anew.
    pub(crate) fn take_nothing_for_granted(&mut self, core: &mut Core) {
        self.grouping.drafts.walk.need_all(core);
    }

    /// Looks at all that the roots and the results depend on and that may not be right: brings its
    /// versions up to date, and finds what has to be computed.
    pub(crate) fn look(
        &mut self,
        core: &mut Core,
        roots: &[NodeId],
        results: &[(NodeId, NodeId)],
    ) -> Result<(), OutOfMemory> {
        let results = results.iter().map(|&(_, from)| from);
        self.grouping.drafts.walk.find(core, roots.iter().copied().chain(results))
    }

    /// Plans the computation of what is wanted, which was looked at last. The pool's books are right,
    /// apart from the plan.
    pub(crate) fn plan(
        &mut self,
        core: &mut Core,
        wanted: Wanted<'_>,
        plan: &mut Plan,
    ) -> Result<(), OutOfMemory> {
        self.counted = self.bytes();
        self.make(core, wanted, plan).inspect_err(|_| plan.clear())?;
        #[cfg(debug_assertions)]
        plan.check();
        Ok(())
    }

    fn make(
        &mut self,
        core: &mut Core,
        wanted: Wanted<'_>,
        plan: &mut Plan,
    ) -> Result<(), OutOfMemory> {
        plan.clear();
        let Wanted { roots, results, temporaries, room } = wanted;
        self.grouping.start(core, temporaries, room.is_some())?;
        self.order.clear();
        for id in self.grouping.drafts.walk.needed() {
            self.order.try_push(id)?;
        }
        let least = core.len() * NODE_BYTES + self.order.len() * NEEDED_BYTES;
        self.afford(core, plan, least)?;
        let Self { grouping, emitter, order, .. } = self;
        for &id in &*order {
            core.fail_point.pass();
            grouping.drafts.fates[id.index()] = Fate::BLANK;
            grouping.assign(core, id)?;
        }
        for &root in roots {
            if grouping.drafts.walk.is_needed(root) {
                grouping.materialise(core, root)?;
                grouping.drafts.fates[root.index()].asked = true;
            }
        }
        if !grouping.drafts.is_backward() && room.is_none() {
            keep_what_is_read_through(core, order, &mut grouping.drafts);
        }
        emitter.start(core)?;
        for (k, &(target, from)) in results.iter().enumerate() {
            plan.targets.try_push(target)?;
            if core.node(from).op == Op::Embed {
                grouping.materialise(core, from)?;
            }
            let own = from.index() >= temporaries && grouping.drafts.has_own(from);
            if own && emitter.claim(core, from, k as u32, plan)? {
                let fate = &mut grouping.drafts.fates[from.index()];
                (fate.stored, fate.asked) = (true, true);
            } else {
                grouping.copy(core, from, k as u32)?;
            }
        }
        let members = self.grouping.drafts.members.len();
        self.afford(core, plan, least + members * MEMBER_BYTES)?;
        let Self { grouping, schedule, emitter, .. } = self;
        for &step in schedule.order(&mut grouping.drafts, core)? {
            core.fail_point.pass();
            emitter.step(&grouping.drafts, core, step, plan)?;
        }
        self.place(core, room, plan)?;
        self.afford(core, plan, 0)
    }

    /// Finds room for what lies in scratch memory.
    fn place(
        &mut self,
        core: &Core,
        room: Option<usize>,
        plan: &mut Plan,
    ) -> Result<(), OutOfMemory> {
        let Self { emitter, remat, places, .. } = self;
        let used = &emitter.used;
        if room.is_some() || core.checkpoint_count() > 0 {
            let until = |used: &Used| emitter.end_of_checkpoint(core, used);
            return remat.fit(plan, used, until, room.unwrap_or(usize::MAX), places);
        }
        places.lifetimes.clear();
        for (number, (datum, &Used { first, last, .. })) in plan.data.iter().zip(used).enumerate() {
            if matches!(datum.place, Storage::Scratch(_)) {
                let (datum, bytes) = (number as u32, room_for(datum));
                places.lifetimes.try_push(Lifetime { datum, first, last, bytes, at: 0 })?;
            }
        }
        places.lifetimes.sort_unstable_by_key(|lifetime| (lifetime.first, lifetime.datum));
        places.find()?;
        for &Lifetime { datum, at, .. } in &places.lifetimes {
            plan.data[datum as usize].place = Storage::Scratch(at);
        }
        plan.scratch = places.top;
        Ok(())
    }
}

/// Lets a value stay in memory that an earlier reading computed and did not keep, if something
/// new is made of it: in a recording that grows between readings, the next one begins there,
/// instead of computing everything a third time.
fn keep_what_is_read_through(core: &mut Core, order: &[NodeId], drafts: &mut Drafts) {
    for &id in order.iter().rev() {
        if core.read_through(id) {
            continue;
        }
        for operand in core.operands(id).filter(|&operand| drafts.walk.is_needed(operand)) {
            let Some(base) = drafts.shown_by(operand).base() else { continue };
            // (Operands have smaller ids, so this is from an earlier reading.)
            let is_own = drafts.walk.is_needed(base) && drafts.has_own(base);
            if is_own && core.state(base).read_through && !core.is_made_anew(base) {
                drafts.fates[base.index()].stored = true;
            }
        }
    }
}
