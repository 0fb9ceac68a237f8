//! Doing: finds the plan of a read or a backward, and runs its steps.
//!
//! Plans are kept. A plan names nodes by their ids, and a graph's structure up to a node is summed
//! up in that node's hash; so whether the graph was left unchanged, or rewound and recorded in the
//! same way again, the plan made for it is found by comparing a few numbers, and run.

mod assemble;
mod axis;
mod copy;
mod direct;
mod follow;
mod index;
mod join;
mod kept;
mod matmul;
mod profile;
mod tile;

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::arena::{OutOfMemory, TryPush};
use crate::buffer::Buffer;
use crate::defect::FailPoint;
use crate::dtype::{DType, Element};
use crate::error::{ErrorKind, Maybe};
use crate::fpenv::Scope;
use crate::graph::{Core, WalkScratch};
use crate::id::NodeId;
use crate::kernel::{FloatKernels, call1, float_kernels};
use crate::level::Level;
use crate::node::{INLINE_OPERANDS, Op};
use crate::plan::{DatumId, Place, Plan, Planner, Program, Single, Step, Viewed, Work, is_fresh};
use crate::roll_call::Structural;
use crate::shape::{Dims, Layout};
use crate::task::{Given, Task};
use crate::team::{PLAN_COST, STEP_COST, THREADS_MAX, Team};
use direct::Direct;
use follow::Follow;
use index::Outside;
use kept::{Key, Plans};
pub(crate) use profile::Profile;
use tile::Workspace;

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
        if is_fresh(core, root) {
            return Ok(());
        }
        if self.follow(core, root)? {
            return Ok(());
        }
        let hash = core.structure(root, u64::from(root.0));
        let key = Key { hash, is_backward: false };
        if let Some(place) = self.find(core, key)? {
            if self.begin_to_follow(core, root, place)? {
                return Ok(());
            }
            return self.run(core, place);
        }
        let began = self.now();
        self.planner.look(core, &[root], &[]).map_err(|_| core.out_of_memory("plan"))?;
        if self.compute_directly(core, key, &[root], &[])? {
            return Ok(());
        }
        let (place, mut plan) = self.room(core)?;
        let planned = self.plan(core, &[root], &[], usize::MAX, &mut plan);
        self.keep(core, place, key, &[root], plan, planned)?;
        self.note_plan(began, place);
        self.run(core, place)
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
        let hash = given.iter().fold(0x9e37_79b9_7f4a_7c15, |hash, &(root, head)| {
            let hash = core.structure(root, hash ^ u64::from(root.0));
            // (No root's number has these bits: a head is not taken for one more root.)
            head.map_or(hash, |head| core.structure(head, hash ^ !(u64::from(head.0) << 32)))
        });
        let key = Key { hash, is_backward: true };
        if let Some(place) = self.find(core, key)? {
            return self.run(core, place);
        }
        let first = core.len();
        let began = self.now();
        let recorded = self.record_backward(core, given, targets, roots);
        let recorded = recorded.and_then(|()| self.gradients_directly(core, key, targets, roots));
        if !matches!(recorded, Ok(false)) {
            core.truncate(first);
            return recorded.map(|_| ());
        }
        let made = self.room(core).map(|(place, mut plan)| {
            let planned = self.plan(core, roots, targets, first, &mut plan);
            (place, plan, planned)
        });
        core.truncate(first);
        let (place, plan, planned) = made?;
        self.keep(core, place, key, roots, plan, planned)?;
        self.note_plan(began, place);
        self.run(core, place)
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

    /// Plans what was looked at last: where memory is short, with that of all other plans.
    fn plan(
        &mut self,
        core: &mut Core,
        roots: &[NodeId],
        results: &[(NodeId, NodeId)],
        temporaries: usize,
        plan: &mut Plan,
    ) -> Maybe<()> {
        self.count(core);
        let planned = self.planner.plan(core, roots, results, temporaries, plan);
        let planned = planned.or_else(|OutOfMemory| {
            *plan = Plan::default();
            self.spare(core, None);
            self.planner.look(core, roots, results)?;
            self.planner.plan(core, roots, results, temporaries, plan)
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

    /// The plan that was made for this key, if what it takes for granted is so.
    fn find(&mut self, core: &mut Core, key: Key) -> Maybe<Option<usize>> {
        let mut k = 0;
        while let Some(place) = self.plans.nth(key, k) {
            k += 1;
            if !self.plans[place].is_fresh(core) {
                if self.plans[place].misses >= MISSES && self.plans.has_whole(key) {
                    continue;
                }
                let looked = self.planner.look(core, &self.plans[place].sources, &[]);
                looked.map_err(|_| core.out_of_memory("plan"))?;
            }
            let kept = &mut self.plans[place];
            if kept.is_fresh(core) {
                kept.misses = 0;
                return Ok(Some(place));
            }
            kept.misses = kept.misses.saturating_add(1);
        }
        Ok(None)
    }

    /// A place for another plan, and the memory of the plan that was there.
    fn room(&mut self, core: &mut Core) -> Maybe<(usize, Plan)> {
        self.plans.room().map_err(|OutOfMemory| core.out_of_memory("plan"))
    }

    fn keep(
        &mut self,
        core: &mut Core,
        place: usize,
        key: Key,
        roots: &[NodeId],
        plan: Plan,
        planned: Maybe<()>,
    ) -> Maybe<()> {
        #[cfg(test)]
        {
            self.plans_made += 1;
        }
        let kept = self.plans.put(place, plan);
        planned?;
        // What is right already is no step's business, but only as long as it is right.
        for &root in roots.iter().filter(|&&root| core.state(root).ready) {
            if kept.sources.try_push(root).is_err() {
                return Err(core.out_of_memory("plan"));
            }
        }
        for step in kept.plan.steps() {
            for &read in kept.plan.reads(step) {
                let Place::Node(id) = kept.plan.data[read as usize].place else { continue };
                let is_source = core.state(id).ready && core.node(id).op != Op::Leaf;
                if is_source && kept.sources.try_push(id).is_err() {
                    return Err(core.out_of_memory("plan"));
                }
            }
        }
        self.plans.enter(place, key).map_err(|OutOfMemory| core.out_of_memory("plan"))
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

    fn run(&mut self, core: &mut Core, place: usize) -> Maybe<()> {
        self.plans[place].is_used = true;
        self.last = Last::Plan(place);
        // A plan is found by its key only while it is in its place.
        let key = self.plans[place].key.take();
        let plan = std::mem::take(&mut self.plans[place].plan);
        let ran = self.run_plan(core, place, &plan);
        self.plans[place].plan = plan;
        self.plans[place].key = key;
        self.drop_scratch(core);
        if ran.is_err() {
            self.drop_results(core);
        }
        ran
    }

    fn run_plan(&mut self, core: &mut Core, place: usize, plan: &Plan) -> Maybe<()> {
        let threads = if plan.cost < PLAN_COST { 1 } else { self.threads() };
        let prepared = self.prepare(core, plan, threads).or_else(|OutOfMemory| {
            self.drop_results(core);
            self.drop_scratch(core);
            core.evict(plan)?;
            self.spare(core, Some(place));
            self.prepare(core, plan, threads)
        });
        if prepared.is_err() {
            let fail = core.out_of_memory("evaluation");
            self.workspaces.clear();
            self.count(core);
            return Err(fail);
        }
        let began = self.now();
        let (ran, threads) = Team::enter(threads, core.subnormals(), |team| {
            (self.run_steps(core, plan, team), team.threads())
        });
        if let Some(profile) = &mut self.profile {
            profile.ran(began, plan, threads);
        }
        ran
    }

    fn run_steps(&mut self, core: &mut Core, plan: &Plan, team: Team) -> Maybe<()> {
        let run = Run {
            plan,
            bases: &self.bases,
            team,
            workspaces: self.workspaces.as_mut_ptr(),
            profiled: self.profile.is_some(),
            level: self.level,
            seed: core.seed,
            replay: core.clock - core.seeded,
            random: &self.random,
            training: core.training,
            fail_point: core.fail_point.clone(),
        };
        for step in plan.steps() {
            let mut version = if step.random { core.clock } else { core.oldest() };
            for &read in plan.reads(step) {
                version = version.max(match plan.data[read as usize].place {
                    Place::Node(id) => core.state(id).changed,
                    _ => self.versions[read as usize],
                });
            }
            let is_done =
                plan.writes(step).iter().all(|&write| match plan.data[write as usize].place {
                    Place::Node(id) => core.state(id).ready && core.state(id).changed == version,
                    _ => false,
                });
            if !is_done {
                #[cfg(test)]
                {
                    self.nodes_run += step.nodes as usize;
                }
                if let Some(profile) = &mut self.profile {
                    self.workspaces.iter_mut().for_each(Workspace::forget_busy);
                    let began = profile.now();
                    run.step(core, step)?;
                    let shares = self.workspaces.iter().filter_map(Workspace::busy);
                    profile.stepped(began, plan, step, shares);
                } else {
                    run.step(core, step)?;
                }
            }
            for &write in plan.writes(step) {
                match plan.data[write as usize].place {
                    Place::Node(id) => {
                        let clock = core.clock;
                        let state = core.state_mut(id);
                        (state.changed, state.checked, state.ready) = (version, clock, true);
                    }
                    _ => self.versions[write as usize] = version,
                }
            }
        }
        Ok(())
    }

    /// Takes the buffers that a plan needs and has not got.
    fn prepare(&mut self, core: &mut Core, plan: &Plan, threads: usize) -> Result<(), OutOfMemory> {
        debug_assert!(self.results.is_empty() && self.scratch.is_none());
        while self.workspaces.len() < threads {
            self.workspaces.try_push(Workspace::default())?;
        }
        for workspace in &mut self.workspaces[..threads] {
            workspace.prepare(plan, &core.pool)?;
        }
        self.bases.clear();
        self.versions.clear();
        // What has no bytes lies nowhere, aligned.
        let nowhere = std::ptr::without_provenance_mut(crate::buffer::ALIGN);
        self.bases.try_extend_to(plan.data.len(), nowhere)?;
        self.versions.try_extend_to(plan.data.len(), 0)?;
        self.random.clear();
        for mask in &plan.masks {
            self.random.try_push(core.list(core.node(mask.node).list)[0])?;
        }
        self.results.try_room(plan.targets.len())?;
        self.count(core);
        for target in &plan.targets {
            let node = core.node(*target);
            let buffer = core.pool.take(node.len * node.dtype.size())?;
            self.results.push_within((*target, buffer));
        }
        for (datum, base) in plan.data.iter().zip(&mut self.bases) {
            *base = match datum.place {
                Place::Node(id) => core.make_room(id)?.as_ptr(),
                Place::Result(k) => self.results[k as usize].1.as_ptr(),
                Place::Scratch(_) | Place::Chunk => continue,
            };
        }
        if plan.scratch == 0 {
            return Ok(());
        }
        let scratch = core.pool.take(plan.scratch)?;
        self.scratch = Some(scratch);
        for (datum, base) in plan.data.iter().zip(&mut self.bases) {
            if let Place::Scratch(at) = datum.place {
                // SAFETY: the plan's scratch memory holds all of its scratch data.
                *base = unsafe { scratch.as_ptr().add(at) };
            }
        }
        Ok(())
    }

    /// Adds `from` to the gradient buffer of a node.
    pub(crate) fn accumulate(&self, core: &Core, target: NodeId, into: Buffer, from: Buffer) {
        let node = core.node(target);
        let kernel = float_kernels(node.dtype, self.level).accumulate;
        let _scope = Scope::enter(core.subnormals());
        // SAFETY: both buffers hold `len` elements of the dtype, and are different.
        unsafe { call1(kernel, node.len, into.as_ptr(), from.as_ptr()) };
    }
}

impl Core {
    /// Gives back the buffers of values that can be computed again and that a plan does not need.
    #[cold]
    fn evict(&mut self, plan: &Plan) -> Result<(), OutOfMemory> {
        let mut used = Vec::new();
        for datum in &plan.data {
            if let Place::Node(id) = datum.place {
                used.try_push(id)?;
            }
        }
        used.sort_unstable();
        for id in (0..self.len() as u32).map(NodeId) {
            if self.node(id).op == Op::Leaf || used.binary_search(&id).is_ok() {
                continue;
            }
            self.let_go(id);
        }
        Ok(())
    }
}

// SAFETY: the pointers are those of buffers of the graph that owns the engine, and are only looked
// at while a plan runs.
unsafe impl Send for Engine {}

/// One run of a plan.
struct Run<'a> {
    plan: &'a Plan,
    bases: &'a [*mut u8],
    team: Team,
    /// As many as the team has threads.
    workspaces: *mut Workspace,
    /// Whether workers note when they are busy.
    profiled: bool,
    level: Level,
    seed: u64,
    /// Replays since the seed was set.
    replay: u64,
    /// The random streams of the plan's masks.
    random: &'a [u64],
    training: bool,
    fail_point: FailPoint,
}

// SAFETY: steps are run one after the other, and the threads of one step write different parts of
// its data, as `program` and the single steps promise.
unsafe impl Sync for Run<'_> {}

impl Run<'_> {
    fn step(&self, core: &mut Core, step: &Step) -> Maybe<()> {
        self.fail_point.pass();
        let done = match step.work {
            Work::Fused(number) => self.fused(step, &self.plan.programs[number as usize]),
            Work::Single(number) => {
                let single = &self.plan.singles[number as usize];
                if single.op == Op::MatMul {
                    self.matmul(single, self.team_for(step.cost));
                    return Ok(());
                }
                if let Op::Structural(kind) = single.op {
                    return self.structural(core, kind, single, self.team_for(step.cost));
                }
                self.single(single, self.team_for(step.cost))
            }
        };
        done.map_err(|outside| core.fail(ErrorKind::Index, format_args!("{outside}")))
    }

    /// The threads that a step of this cost is worth.
    fn team_for(&self, cost: u64) -> Team {
        if cost < STEP_COST { Team::ALONE } else { self.team }
    }

    fn fused(&self, step: &Step, program: &Program) -> Result<(), Outside> {
        let team = self.team_for(step.cost);
        let sinks = program.sinks.of(&self.plan.sinks);
        for rescues in [false, true] {
            self.pass(step, program, team, rescues)?;
            let wants_rescue = sinks.iter().fold(false, |any, sink| {
                self.fail_point.pass();
                // SAFETY: all chunks are done.
                any | unsafe { self.combine(sink, rescues) }
            });
            if !wants_rescue {
                break;
            }
        }
        Ok(())
    }

    /// Runs a program once; if it `rescues`, once more for those sinks whose results have left the
    /// range. (It does the same again, since a step writes nothing that it reads.)
    fn pass(
        &self,
        step: &Step,
        program: &Program,
        team: Team,
        rescues: bool,
    ) -> Result<(), Outside> {
        for worker in 0..team.threads() {
            // SAFETY: there is a workspace for each worker, and none is at work yet.
            let workspace = unsafe { &mut *self.workspaces.add(worker) };
            workspace.rescues = rescues;
            workspace.forget_factor();
        }
        let product = self.plan.singles.get(program.product as usize);
        let chunks = program.len.div_ceil(program.chunk);
        if product.is_none() && (chunks < 2 || team == Team::ALONE) {
            // SAFETY: `prepare` set the bases and the workspaces; steps run one after the other,
            // in the plan's order.
            return unsafe { self.program(program, 0, program.len, &mut *self.workspaces) };
        }
        let failed = Mutex::new(None);
        team.share(chunks, &|worker, chunk| {
            let from = chunk * program.chunk;
            let to = program.len.min(from + program.chunk);
            // SAFETY: as above; each worker is on one thread at a time and has a workspace of
            // its own, and chunks are whole units.
            let done = unsafe {
                let workspace = &mut *self.workspaces.add(worker);
                let began = self.profiled.then(Instant::now);
                if let Some(product) = product {
                    self.product_chunk(product, step, program, (from, to), workspace);
                }
                let done = self.program(program, from, to, workspace);
                began.inspect(|&began| workspace.note_busy(began));
                done
            };
            if let Err(outside) = done {
                let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                // The first in the order of the data is told, whoever found one first.
                *failed = Outside::first(failed.take(), outside);
            }
        });
        let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
        failed.map_or(Ok(()), Err)
    }

    fn single(&self, single: &Single, team: Team) -> Result<(), Outside> {
        match single.op {
            Op::ArgReduce(_) | Op::Softmax | Op::LogSoftmax | Op::Reduce(_) => {
                self.along_axis(single, team)
            }
            Op::Embed => self.embed(single),
            Op::Concat => self.concat(single),
            Op::Assemble => return self.assemble(single),
            Op::IndexSelect
            | Op::IndexAdd
            | Op::Gather
            | Op::ScatterAdd
            | Op::Pick
            | Op::Unpick => return self.index(single),
            op => unreachable!("{op:?} is fused"),
        }
        Ok(())
    }

    /// An operation that says itself how it is run.
    fn structural(
        &self,
        core: &mut Core,
        kind: Structural,
        single: &Single,
        team: Team,
    ) -> Maybe<()> {
        let views = single.operands.of(&self.plan.views);
        let mut given = [Given::NONE; INLINE_OPERANDS];
        for (given, view) in given.iter_mut().zip(views) {
            let (start, layout) = self.start(view);
            assert!(layout.is_dense());
            let dtype = self.plan.data[view.datum as usize].dtype;
            *given = Given { dtype, dims: Dims::new(layout.dims()), start };
        }
        let work = self.plan.data.get(single.work as usize);
        // SAFETY: operands are dense data that are complete, and that nobody writes while the step runs;
        // the result and the memory to work in are the step's own, and as long as the plan says.
        let task = unsafe {
            Task::new(
                &given[..views.len()],
                single.list.of(&self.plan.words),
                Given { dtype: single.dtype, dims: single.dims, start: self.base(single.out) },
                work.map(|datum| (self.base(single.work).cast(), datum.len)),
                team,
            )
        };
        let done = kind.rule().run(&task);
        done.map_err(|outside| {
            let what = kind.rule().name();
            core.fail(ErrorKind::Index, format_args!("{what}: {outside}"))
        })
    }

    fn kernels(&self, dtype: DType) -> &'static FloatKernels {
        float_kernels(dtype, self.level)
    }

    /// The first byte of a datum.
    #[inline(always)]
    fn base(&self, datum: DatumId) -> *mut u8 {
        self.bases[datum as usize]
    }

    /// The first element of an operand, and its layout.
    fn start<'v>(&self, view: &'v Viewed) -> (*const u8, &'v Layout) {
        let size = self.plan.data[view.datum as usize].dtype.size();
        // SAFETY: the planner's layouts stay inside the datum; the first element of an empty one
        // is not read.
        let from = unsafe { self.base(view.datum).add(view.layout.offset * size) };
        (from, &view.layout)
    }

    /// The elements of an operand that the planner made dense.
    fn dense<T: Element>(&self, view: &Viewed) -> &[T] {
        assert!(self.plan.data[view.datum as usize].dtype == T::DTYPE);
        // SAFETY: a datum with elements of T.
        unsafe { self.dense_bits(view) }
    }

    /// The same as any type.
    ///
    /// # Safety
    /// The elements may be read as a `T`.
    unsafe fn dense_bits<T>(&self, view: &Viewed) -> &[T] {
        let datum = &self.plan.data[view.datum as usize];
        let len = view.layout.len();
        assert!(datum.dtype.size() == size_of::<T>() && view.layout.offset + len <= datum.len);
        assert!(view.layout.is_dense());
        // SAFETY: in bounds of a datum with elements of this size (both checked), which is complete,
        // and which nobody writes while the step runs; the rest is the caller's promise.
        unsafe { std::slice::from_raw_parts(self.start(view).0.cast(), len) }
    }
}

/// Memory to be written.
///
/// # Safety
/// `out` is valid for writing `len` elements of `T`, aligned, and nobody else's for `'a`.
unsafe fn uninit<'a, T>(out: *mut u8, len: usize) -> &'a mut [std::mem::MaybeUninit<T>] {
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts_mut(out.cast(), len) }
}

/// Zeros as floats and integers alike are zero bytes.
fn zero(dtype: DType, len: usize, out: *mut u8) {
    // SAFETY: the step's own result, of `len` elements of the dtype.
    unsafe { out.write_bytes(0, len * dtype.size()) };
}

#[cfg(test)]
mod empty;
#[cfg(test)]
mod tests;
