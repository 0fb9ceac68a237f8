//! One step of a plan, on as many threads as it is worth.

use std::cell::Cell;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::workspace::Workspace;
use crate::defect::FailPoint;
use crate::dtype::{DType, Element};
use crate::error::Maybe;
use crate::graph::Core;
use crate::kernel::{FloatKernels, float_kernels};
use crate::level::Level;
use crate::node::{INLINE_OPERANDS, Op};
use crate::plan::{DatumId, Plan, Program, Single, Step, View, Work};
use crate::roll_call::Structural;
use crate::shape::Layout;
use crate::task::{Given, Outside, Task};
use crate::team::{STEP_COST, Team};

/// One run of a plan.
pub(super) struct Run<'a> {
    pub(super) plan: &'a Plan,
    /// Where data begin. They are set before a step is run, and only read while it is.
    pub(super) bases: &'a [Cell<*mut u8>],
    pub(super) team: Team,
    /// As many as the team has threads.
    pub(super) workspaces: *mut Workspace,
    /// Whether workers note when they are busy.
    pub(super) profiled: bool,
    pub(super) level: Level,
    pub(super) seed: u64,
    /// Replays since the seed was set.
    pub(super) replay: u64,
    /// The random streams of the plan's masks.
    pub(super) random: &'a [u64],
    pub(super) training: bool,
    pub(super) fail_point: FailPoint,
}

// SAFETY: steps are run one after the other, and the threads of one step write different parts of
// its data, as `program` and the single steps promise.
unsafe impl Sync for Run<'_> {}

impl Run<'_> {
    pub(super) fn step(&self, core: &mut Core, step: &Step) -> Maybe<()> {
        self.fail_point.pass();
        let done = match step.work {
            Work::Fused(number) => self.fused(step, &self.plan.programs[number as usize]),
            Work::Single(number) => {
                let single = &self.plan.singles[number as usize];
                match single.op {
                    Op::MatMul => {
                        self.matmul(single, self.team_for(step.cost));
                        return Ok(());
                    }
                    Op::Custom(custom) => return self.custom(core, single, custom.part),
                    _ => {}
                }
                self.single(single, self.team_for(step.cost))
            }
        };
        done.map_err(|outside| core.refuse_index(&outside))
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
            Op::Structural(kind) => return self.structural(kind, single, team),
            op => unreachable!("{op:?} is fused"),
        }
        Ok(())
    }

    /// An operation that says itself how it is run.
    fn structural(&self, kind: Structural, single: &Single, team: Team) -> Result<(), Outside> {
        let views = single.operands.of(&self.plan.views);
        let mut given = [Given::NONE; INLINE_OPERANDS];
        for (given, view) in given.iter_mut().zip(views) {
            let (start, layout) = self.start(view);
            let datum = &self.plan.data[view.datum as usize];
            assert!(layout.is_dense() && layout.offset + layout.len() <= datum.len);
            *given = Given { dtype: datum.dtype, dims: layout.dims(), start };
        }
        let work = self.plan.data.get(single.work as usize);
        // SAFETY: operands are dense data that are complete, and that nobody writes while the step runs;
        // the result and the memory to work in are the step's own, and as long as the plan says.
        let task = unsafe {
            Task::new(
                &given[..views.len()],
                single.list.of(&self.plan.words),
                Given { dtype: single.dtype, dims: &single.dims, start: self.base(single.out) },
                work.map(|datum| (self.base(single.work).cast(), datum.len)),
                team,
            )
        };
        kind.rule().run(&task)
    }

    pub(super) fn kernels(&self, dtype: DType) -> &'static FloatKernels {
        float_kernels(dtype, self.level)
    }

    /// The first byte of a datum.
    #[inline(always)]
    pub(super) fn base(&self, datum: DatumId) -> *mut u8 {
        self.bases[datum as usize].get()
    }

    /// The first element of an operand, and its layout.
    pub(super) fn start<'v>(&self, view: &'v View) -> (*const u8, &'v Layout) {
        let size = self.plan.data[view.datum as usize].dtype.size();
        // SAFETY: the planner's layouts stay inside the datum; the first element of an empty one
        // is not read.
        let from = unsafe { self.base(view.datum).add(view.layout.offset * size) };
        (from, &view.layout)
    }

    /// The elements of an operand that the planner made dense.
    pub(super) fn dense<T: Element>(&self, view: &View) -> &[T] {
        assert!(self.plan.data[view.datum as usize].dtype == T::DTYPE);
        // SAFETY: a datum with elements of T.
        unsafe { self.dense_bits(view) }
    }

    /// The same as any type.
    ///
    /// # Safety
    /// The elements may be read as a `T`.
    pub(super) unsafe fn dense_bits<T>(&self, view: &View) -> &[T] {
        let datum = &self.plan.data[view.datum as usize];
        let len = view.layout.len();
        assert!(datum.dtype.size() == size_of::<T>() && view.layout.offset + len <= datum.len);
        assert!(view.layout.is_dense());
        // SAFETY: in bounds of a datum with elements of this size (both checked), which is complete,
        // and which nobody writes while the step runs; the rest is the caller's promise.
        unsafe { std::slice::from_raw_parts(self.start(view).0.cast(), len) }
    }
}
