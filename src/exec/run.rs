//! Running a plan: takes the buffers that it needs, and runs the steps whose results are not there
//! already.

use std::cell::Cell;

use super::matmul;
use super::step::Run;
use super::workspace::Workspace;
use super::{Engine, Last};
use crate::arena::{OutOfMemory, TryPush};
use crate::error::Maybe;
use crate::graph::Core;
use crate::id::NodeId;
use crate::node::Op;
use crate::plan::{Plan, Storage};
use crate::team::{PLAN_COST, Team};

impl Engine {
    pub(super) fn run(&mut self, core: &mut Core, place: usize) -> Maybe<()> {
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

    pub(super) fn run_steps(&mut self, core: &mut Core, plan: &Plan, team: Team) -> Maybe<()> {
        let scratch = self.scratch;
        let run = Run {
            plan,
            bases: Cell::from_mut(&mut self.bases[..]).as_slice_of_cells(),
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
            for &(datum, at) in step.places.of(&plan.places) {
                if let Some(scratch) = scratch {
                    // SAFETY: the plan's scratch memory holds all of its scratch data.
                    run.bases[datum as usize].set(unsafe { scratch.as_ptr().add(at) });
                }
            }
            let mut version = if step.random { core.clock } else { core.oldest() };
            for &read in plan.reads(step) {
                version = version.max(match plan.data[read as usize].place {
                    Storage::Node(id) => core.state(id).changed,
                    _ => self.versions[read as usize],
                });
            }
            let is_done =
                plan.writes(step).iter().all(|&write| match plan.data[write as usize].place {
                    Storage::Node(id) => core.state(id).ready && core.state(id).changed == version,
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
                    Storage::Node(id) => {
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
    pub(super) fn prepare(
        &mut self,
        core: &mut Core,
        plan: &Plan,
        threads: usize,
    ) -> Result<(), OutOfMemory> {
        debug_assert!(self.results.is_empty() && self.scratch.is_none());
        while self.workspaces.len() < threads {
            self.workspaces.try_push(Workspace::default())?;
        }
        let product = matmul::workspace(plan);
        for workspace in &mut self.workspaces[..threads] {
            workspace.prepare(plan, product, &core.pool)?;
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
                Storage::Node(id) => core.make_room(id)?.as_ptr(),
                Storage::Result(k) => self.results[k as usize].1.as_ptr(),
                Storage::Scratch(_) | Storage::Chunk => continue,
            };
        }
        if plan.scratch == 0 {
            return Ok(());
        }
        let scratch = core.pool.take(plan.scratch)?;
        self.scratch = Some(scratch);
        for (datum, base) in plan.data.iter().zip(&mut self.bases) {
            if let Storage::Scratch(at) = datum.place {
                // SAFETY: the plan's scratch memory holds all of its scratch data.
                *base = unsafe { scratch.as_ptr().add(at) };
            }
        }
        Ok(())
    }
}

impl Core {
    /// Gives back the buffers of values that can be computed again and that a plan does not need.
    #[cold]
    fn evict(&mut self, plan: &Plan) -> Result<(), OutOfMemory> {
        let mut used = Vec::new();
        for datum in &plan.data {
            if let Storage::Node(id) = datum.place {
                used.try_push(id)?;
            }
        }
        used.sort_unstable();
        for id in (0..self.len() as u32).map(NodeId) {
            let op = self.node(id).op;
            if op == Op::Leaf || !op.may_be_repeated() || used.binary_search(&id).is_ok() {
                continue;
            }
            self.let_go(id);
        }
        Ok(())
    }
}
