//! Doing: finds the plan of a read or a backward, and runs its steps.
//!
//! Plans are kept. A plan names nodes by their ids, and a graph's structure up to a node is summed
//! up in that node's hash; so whether the graph was left unchanged, or rewound and recorded in the
//! same way again, the plan made for it is found by comparing a few numbers, and run.

mod assemble;
mod axis;
mod budget;
mod copy;
mod custom;
mod direct;
mod follow;
mod join;
mod kept;
mod matmul;
mod memory;
mod moves;
mod padded;
mod profile;
mod run;
mod sink;
mod step;
mod tile;
mod workspace;

use std::fmt;

use crate::arena::{OutOfMemory, TryPush};
use crate::buffer::Buffer;
use crate::error::Maybe;
use crate::fpenv::Scope;
use crate::graph::{Core, WalkScratch};
use crate::id::NodeId;
use crate::kernel::{call1, float_kernels};
use crate::level::Level;
use crate::plan::{Plan, Planner, Wanted, is_fresh};
use crate::team::THREADS_MAX;
pub use budget::PlanMemory;
use direct::Direct;
use follow::Follow;
use kept::{Key, Plans};
pub(crate) use profile::Profile;
use workspace::Workspace;

/// After so many misses a plan's sources are not looked at any closer, if there is a plan without.
const MISSES: u32 = 4;

/// How something was computed.
#[derive(Clone, Copy)]
enum Last {
    Nothing,
    /// By the plan in this place.
    Plan(usize),
    /// So many nodes, without a plan.
    Direct(usize),
}

/// What is told of so many nodes.
struct OneByOne(usize);

impl fmt::Display for OneByOne {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0 == 1 { "" } else { "s" };
        write!(
            f,
            "{} node{plural}, one by one: small and new; a plan is made when it comes again",
            self.0
        )
    }
}

/// Plans and runs; keeps its memory from run to run.
pub(crate) struct Engine {
    planner: Planner,
    direct: Direct,
    follows: Vec<Follow>,
    plans: Plans,
    last: Last,
    level: Level,
    /// How many threads may work; 0 for as many as there are cores.
    threads: usize,
    /// One a thread.
    workspaces: Vec<Workspace>,
    bases: Vec<*mut u8>,
    versions: Vec<u64>,
    random: Vec<u64>,
    /// What the last backward computed: nodes and their gradients.
    results: Vec<(NodeId, Buffer)>,
    /// Where the plan at hand has its scratch data.
    scratch: Option<Buffer>,
    profile: Option<Profile>,
    /// How many nodes were computed, and plans made, for tests of what was not.
    #[cfg(test)]
    pub(crate) nodes_run: usize,
    #[cfg(test)]
    pub(crate) plans_made: usize,
}

impl Engine {
    pub(crate) fn new() -> Self {
        let level = Level::current();
        Self {
            planner: Planner::new(level),
            direct: Direct::new(),
            follows: Vec::new(),
            plans: Plans::default(),
            last: Last::Nothing,
            level,
            threads: 0,
            workspaces: Vec::new(),
            bases: Vec::new(),
            versions: Vec::new(),
            random: Vec::new(),
            results: Vec::new(),
            scratch: None,
            profile: None,
            #[cfg(test)]
            nodes_run: 0,
            #[cfg(test)]
            plans_made: 0,
        }
    }

    #[cfg(test)]
    pub(crate) fn planner(&mut self) -> &mut Planner {
        &mut self.planner
    }

    pub(crate) fn level(&self) -> Level {
        self.level
    }

    /// Whether to fuse operations, which changes no number.
    pub(crate) fn set_fusion(&mut self, on: bool) {
        self.planner.set_single(!on);
        self.forget_plans();
    }

    /// Forgets how things were computed: they are to be computed in another way.
    pub(crate) fn forget_plans(&mut self) {
        self.follows.clear();
        self.plans.clear();
        self.last = Last::Nothing;
    }

    pub(crate) fn fuses(&self) -> bool {
        !self.planner.is_single()
    }

    pub(crate) fn set_threads(&mut self, threads: usize) {
        self.threads = threads.min(THREADS_MAX);
    }

    /// How many threads may work on a plan.
    pub(crate) fn threads(&self) -> usize {
        if self.threads == 0 { crate::host::cores().min(THREADS_MAX) } else { self.threads }
    }

    /// Begins to take a profile, or ends it and gives it back.
    pub(crate) fn set_profile(&mut self, profile: Option<Profile>) -> Option<Profile> {
        std::mem::replace(&mut self.profile, profile)
    }

    /// The plan that was run last, if the last evaluation had one.
    #[cfg(test)]
    pub(crate) fn last_plan(&self) -> Option<&Plan> {
        if let Last::Plan(place) = self.last { Some(&self.plans[place].plan) } else { None }
    }

    /// Computes nothing without a plan.
    #[cfg(test)]
    pub(crate) fn always_plan(&mut self) {
        self.direct.is_off = true;
    }

    /// How the last evaluation was computed, as text.
    pub(crate) fn tell(&self, out: &mut impl fmt::Write) -> fmt::Result {
        match self.last {
            Last::Nothing => Ok(()),
            Last::Plan(place) => write!(out, "{}", self.plans[place].plan),
            Last::Direct(nodes) => writeln!(out, "{}", OneByOne(nodes)),
        }
    }

    /// The same as a graph in the DOT language.
    pub(crate) fn tell_dot(&self, out: &mut impl fmt::Write) -> fmt::Result {
        match self.last {
            Last::Nothing => Ok(()),
            Last::Plan(place) => self.plans[place].plan.dot(out),
            Last::Direct(nodes) => {
                writeln!(
                    out,
                    "digraph plan {{\n  s0 [shape=box, label=\"{}\"];\n}}",
                    OneByOne(nodes)
                )
            }
        }
    }

    /// Makes the value of a node right and present, as dense data of its own.
    pub(crate) fn evaluate(&mut self, core: &mut Core, root: NodeId) -> Maybe<()> {
        core.need_own("evaluation")?;
        if is_fresh(core, root) {
            return Ok(());
        }
        core.pool.hold_to_budget(true);
        let done = match self.follow(core, root) {
            Ok(false) => self.plan_of_read(core, root, true),
            done => done.map(|_| None),
        };
        let done = done.and_then(|place| place.map_or(Ok(()), |place| self.run(core, place)));
        core.pool.hold_to_budget(false);
        done
    }

    /// The plan to compute a node's value, found or made; none if it was computed without, which is done
    /// only if it is `for_now`.
    fn plan_of_read(
        &mut self,
        core: &mut Core,
        root: NodeId,
        for_now: bool,
    ) -> Maybe<Option<usize>> {
        let hash = core.structure(root, u64::from(root.0));
        let key = Key { hash, is_backward: false };
        if let Some(place) = self.find(core, key)? {
            let follows = for_now && self.begin_to_follow(core, root, place)?;
            return Ok((!follows).then_some(place));
        }
        let began = self.now();
        self.planner.look(core, &[root], &[]).map_err(|_| core.out_of_memory("plan"))?;
        if for_now && self.compute_directly(core, key, &[root], &[])? {
            return Ok(None);
        }
        let place = self.make_plan(core, key, "read", Wanted::read(&[root]))?;
        self.note_plan(began, place);
        Ok(Some(place))
    }

    /// Computes gradients: `record` records them, if no plan is known, and fills `targets` with
    /// nodes and their gradients. Calls `found` with each of these nodes and a buffer that holds
    /// its gradient; nothing has changed if it fails before. The values of the roots are computed
    /// on the way.
    pub(crate) fn backward(
        &mut self,
        core: &mut Core,
        given: &[(NodeId, Option<NodeId>)],
        targets: &mut Vec<(NodeId, NodeId)>,
        roots: &mut Vec<NodeId>,
    ) -> Maybe<()> {
        core.need_own("backward")?;
        core.pool.hold_to_budget(true);
        let place = self.plan_of_backward(core, given, targets, roots, true);
        let done = place.and_then(|place| place.map_or(Ok(()), |place| self.run(core, place)));
        core.pool.hold_to_budget(false);
        done
    }

    /// The plan to compute gradients, as for `plan_of_read`.
    fn plan_of_backward(
        &mut self,
        core: &mut Core,
        given: &[(NodeId, Option<NodeId>)],
        targets: &mut Vec<(NodeId, NodeId)>,
        roots: &mut Vec<NodeId>,
        for_now: bool,
    ) -> Maybe<Option<usize>> {
        let hash = given.iter().fold(0x9e37_79b9_7f4a_7c15, |hash, &(root, head)| {
            let hash = core.structure(root, hash ^ u64::from(root.0));
            // (No root's number has these bits: a head is not taken for one more root.)
            head.map_or(hash, |head| core.structure(head, hash ^ !(u64::from(head.0) << 32)))
        });
        let key = Key { hash, is_backward: true };
        if let Some(place) = self.find(core, key)? {
            return Ok(Some(place));
        }
        let temporaries = core.len();
        let began = self.now();
        let mut plan = || {
            self.record_backward(core, given, targets, roots)?;
            let (roots, results) = (&roots[..], &targets[..]);
            let looked = self.planner.look(core, roots, results);
            looked.map_err(|_| core.out_of_memory("backward"))?;
            if for_now && self.gradients_directly(core, key, results, roots)? {
                return Ok(None);
            }
            let wanted = Wanted { roots, results, temporaries, room: None };
            self.make_plan(core, key, "backward", wanted).map(Some)
        };
        let made = plan();
        core.truncate(temporaries);
        if let Ok(Some(place)) = made {
            self.note_plan(began, place);
        }
        made
    }

    /// Records gradients, and lists which nodes they are of, and the roots.
    fn record_backward(
        &mut self,
        core: &mut Core,
        given: &[(NodeId, Option<NodeId>)],
        targets: &mut Vec<(NodeId, NodeId)>,
        roots: &mut Vec<NodeId>,
    ) -> Maybe<()> {
        targets.clear();
        roots.clear();
        core.record_backward(given, targets)?;
        for &(root, _) in given {
            roots.try_push(root).map_err(|_| core.out_of_memory("backward"))?;
        }
        Ok(())
    }

    /// Makes a plan of what was looked at last, and keeps it: in which place.
    fn make_plan(
        &mut self,
        core: &mut Core,
        key: Key,
        what: &str,
        wanted: Wanted<'_>,
    ) -> Maybe<usize> {
        let room = self.plans.room();
        let (place, mut plan) = room.map_err(|OutOfMemory| core.out_of_memory("plan"))?;
        let planned = self.plan(core, wanted, &mut plan);
        let planned = planned.and_then(|()| self.save_memory(core, what, wanted, &mut plan));
        #[cfg(test)]
        {
            self.plans_made += 1;
        }
        let kept = self.plans.put(place, plan);
        planned?;
        let listed = kept.list_sources(core, wanted.roots);
        let entered = listed.and_then(|()| self.plans.enter(place, key));
        entered.map_err(|OutOfMemory| core.out_of_memory("plan"))?;
        Ok(place)
    }

    /// Plans what was looked at last: where memory is short, with that of all other plans.
    fn plan(&mut self, core: &mut Core, wanted: Wanted<'_>, plan: &mut Plan) -> Maybe<()> {
        self.count(core);
        let planned = self.planner.plan(core, wanted, plan);
        let planned = planned.or_else(|OutOfMemory| {
            *plan = Plan::default();
            self.spare(core, None);
            self.planner.look(core, wanted.roots, wanted.results)?;
            self.planner.plan(core, wanted, plan)
        });
        planned.map_err(|OutOfMemory| {
            // What was begun is in nobody's way.
            *plan = Plan::default();
            self.spare(core, None);
            core.out_of_memory("plan")
        })
    }

    /// Bytes of memory that it holds.
    pub(crate) fn bytes(&self, core: &Core) -> usize {
        let workspaces = self.workspaces.iter().map(Workspace::bytes);
        let lists = [self.bases.bytes(), self.versions.bytes(), self.random.bytes()];
        let results = self.results.bytes()
            + self.direct.bytes()
            + self.follows.iter().map(Follow::bytes).sum::<usize>()
            + self.profile.as_ref().map_or(0, Profile::bytes);
        let outer = self.plans.bytes() + self.workspaces.bytes() + core.walk_scratch.bytes();
        let inner = workspaces.chain(lists).sum::<usize>();
        self.planner.bytes() + outer + inner + results
    }

    /// Brings the books of a graph with a limit up to date.
    pub(crate) fn count(&self, core: &mut Core) {
        if core.pool.is_limited() {
            core.pool.count_plans(self.bytes(core));
        }
    }

    /// Gives back what only saves time: plans other than that of `place`, the planner's lists, memory
    /// to work in, and buffers that are free. Not while a plan runs.
    #[cold]
    pub(crate) fn spare(&mut self, core: &mut Core, place: Option<usize>) {
        self.planner.forget();
        self.direct.forget();
        self.follows.clear();
        self.plans.drop_others(place);
        self.last = place.map_or(Last::Nothing, Last::Plan);
        self.workspaces.clear();
        core.walk_scratch = WalkScratch::default();
        core.pool.release_free();
        self.count(core);
    }

    /// The nodes and the gradients that the last backward computed, for the caller to take over.
    pub(crate) fn results(&self) -> &[(NodeId, Buffer)] {
        &self.results
    }

    /// The caller has taken the last one of the results over.
    pub(crate) fn forget_result(&mut self) {
        self.results.pop();
    }

    /// Gives the results back.
    pub(crate) fn drop_results(&mut self, core: &mut Core) {
        self.results.drain(..).for_each(|(_, buffer)| core.pool.give(buffer));
    }

    /// Adds `from` to the gradient buffer of a node.
    pub(crate) fn accumulate(&self, core: &Core, target: NodeId, into: Buffer, from: Buffer) {
        let node = core.node(target);
        let kernel = float_kernels(node.dtype, self.level).accumulate;
        let _scope = Scope::enter(core.subnormals());
        // SAFETY: both buffers hold `len` elements of the dtype, and are different.
        unsafe { call1(kernel, node.len, into.as_ptr(), from.as_ptr()) };
    }

    /// Begins afresh after a call that unwound, with the settings it had: whatever it was doing may
    /// be half done.
    #[cold]
    pub(crate) fn recover(&mut self, core: &mut Core) {
        self.drop_results(core);
        self.drop_scratch(core);
        let fuses = self.fuses();
        self.planner = Planner::new(self.level);
        self.direct = Direct::new();
        self.set_fusion(fuses);
        self.workspaces.clear();
    }

    fn drop_scratch(&mut self, core: &mut Core) {
        if let Some(scratch) = self.scratch.take() {
            core.pool.give(scratch);
        }
    }

    /// The plan that was made for this key, if what it takes for granted is so, and there is memory to
    /// run it.
    fn find(&mut self, core: &mut Core, key: Key) -> Maybe<Option<usize>> {
        let (mut k, mut is_large) = (0, false);
        while let Some(place) = self.plans.nth(key, k) {
            k += 1;
            if !self.plans[place].is_fresh(core) {
                if self.plans[place].misses >= MISSES && self.plans.has_whole(key) {
                    continue;
                }
                let looked = self.planner.look(core, &self.plans[place].sources, &[]);
                looked.map_err(|_| core.out_of_memory("plan"))?;
            }
            if self.plans[place].is_fresh(core) {
                if self.is_within(core, &self.plans[place].plan) {
                    self.plans[place].misses = 0;
                    return Ok(Some(place));
                }
                if !std::mem::replace(&mut is_large, true) {
                    core.let_go_unasked();
                    k = 0;
                }
                continue;
            }
            let kept = &mut self.plans[place];
            kept.misses = kept.misses.saturating_add(1);
        }
        Ok(None)
    }

    /// The time in the profile, if one is taken.
    fn now(&self) -> u64 {
        self.profile.as_ref().map_or(0, |profile| profile.now())
    }

    fn note_plan(&mut self, began: u64, place: usize) {
        if let Some(profile) = &mut self.profile {
            profile.planned(began, &self.plans[place].plan);
        }
    }
}

// SAFETY: the pointers are those of buffers of the graph that owns the engine, and are only looked
// at while a plan runs.
unsafe impl Send for Engine {}

#[cfg(test)]
mod empty;
#[cfg(test)]
mod tests;
