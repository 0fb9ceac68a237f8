//! What can be asked of a graph.

use std::fmt;

use super::{Graph, NoGrad, Var, heads};
use crate::buffer::MemoryStats;
use crate::dtype::Element;
use crate::error::Result;
use crate::exec::{PlanMemory, Profile};
use crate::fpenv::Subnormals;
use crate::graph::{Handle, Mark};
use crate::print;
use crate::session::Session;
use std::panic::Location;

impl Graph {
    // ---- leaves ----

    /// A constant with a copy of `data`, row-major in this shape.
    ///
    /// Fails when the number of elements is not that of the shape.
    #[track_caller]
    pub fn tensor<T: Element>(&self, data: &[T], shape: &[usize]) -> Var<'_> {
        self.record(|core| core.leaf("tensor", data, shape))
    }

    /// A leaf that requires a gradient, with a copy of `data`, row-major in this shape. `T` must be
    /// a float.
    #[track_caller]
    pub fn param<T: Element>(&self, data: &[T], shape: &[usize]) -> Var<'_> {
        self.record(|core| {
            let id = core.leaf("param", data, shape)?;
            core.set_requires_grad(id, true)?;
            Ok(id)
        })
    }

    /// A 0-d constant.
    #[track_caller]
    pub fn scalar<T: Element>(&self, value: T) -> Var<'_> {
        self.tensor(&[value], &[])
    }

    /// A leaf of zeros.
    #[track_caller]
    pub fn zeros<T: Element>(&self, shape: &[usize]) -> Var<'_> {
        self.record(|core| core.full("zeros", T::DTYPE, shape, 0.0))
    }

    /// A leaf of ones.
    #[track_caller]
    pub fn ones<T: Element>(&self, shape: &[usize]) -> Var<'_> {
        self.record(|core| core.full("ones", T::DTYPE, shape, 1.0))
    }

    /// A leaf with one value everywhere.
    #[track_caller]
    pub fn full<T: Element>(&self, shape: &[usize], value: T) -> Var<'_> {
        self.record(|core| core.full_of("full", shape, value))
    }

    /// A leaf of `start`, `start + step`, ... up to but without `stop`. An integer dtype refuses what
    /// it does not hold: fractions, and numbers beyond its range.
    #[track_caller]
    pub fn arange<T: Element>(&self, start: f64, stop: f64, step: f64) -> Var<'_> {
        self.record(|core| core.arange(T::DTYPE, start, stop, step))
    }

    /// A leaf of `count` numbers at equal distances from `start` to `stop`, both included. An integer
    /// dtype refuses ends that it does not hold, and rounds what is between them towards zero.
    #[track_caller]
    pub fn linspace<T: Element>(&self, start: f64, stop: f64, count: usize) -> Var<'_> {
        self.record(|core| core.linspace(T::DTYPE, start, stop, count))
    }

    /// A leaf of shape `[rows, columns]` with 1 on the main diagonal and 0 elsewhere.
    #[track_caller]
    pub fn eye<T: Element>(&self, rows: usize, columns: usize) -> Var<'_> {
        self.record(|core| core.eye(T::DTYPE, rows, columns))
    }

    /// A leaf of random numbers, equally likely from `low` up to `high`. `T` must be a float.
    ///
    /// The numbers follow from [`Graph::set_seed`] and from how many random leaves and dropouts were
    /// recorded since.
    #[track_caller]
    pub fn uniform<T: Element>(&self, shape: &[usize], low: f64, high: f64) -> Var<'_> {
        self.record(|core| core.uniform(T::DTYPE, shape, low, high))
    }

    /// A leaf of normally distributed random numbers; otherwise as [`Graph::uniform`].
    #[track_caller]
    pub fn normal<T: Element>(&self, shape: &[usize], mean: f64, deviation: f64) -> Var<'_> {
        self.record(|core| core.normal(T::DTYPE, shape, mean, deviation))
    }

    // ---- gradients ----

    /// Adds the gradients of several roots to those of the leaves, in one walk. Each root comes
    /// with its head gradient; without one it must be a single element.
    #[track_caller]
    pub fn backward(&self, roots: &[(Var<'_>, Option<Var<'_>>)]) -> Result<()> {
        self.run(|session| session.backward(heads(roots)))
    }

    /// The gradients of the roots with respect to `xs`, as nodes that can be differentiated again.
    /// No leaf's gradient changes.
    ///
    /// Fails when an `x` does not require gradients, or when the roots do not depend on it.
    #[track_caller]
    pub fn grad<'g>(
        &'g self,
        roots: &[(Var<'_>, Option<Var<'_>>)],
        xs: &[Var<'_>],
    ) -> Result<Vec<Var<'g>>> {
        let mut out = vec![Var { graph: self, handle: Handle::NULL }; xs.len()];
        self.run(|session| {
            let xs = xs.iter().map(|x| x.handle);
            session.grad("grad", heads(roots), xs, false, |i, handle| out[i].handle = handle)
        })?;
        Ok(out)
    }

    /// As [`Graph::grad`], with `None` for an `x` that the roots do not depend on.
    #[track_caller]
    pub fn grad_allow_unused<'g>(
        &'g self,
        roots: &[(Var<'_>, Option<Var<'_>>)],
        xs: &[Var<'_>],
    ) -> Result<Vec<Option<Var<'g>>>> {
        let mut out = vec![None; xs.len()];
        self.run(|session| {
            let xs = xs.iter().map(|x| x.handle);
            session.grad("grad", heads(roots), xs, true, |i, handle| {
                out[i] = (handle != Handle::NULL).then_some(Var { graph: self, handle });
            })
        })?;
        Ok(out)
    }

    /// Unsets all gradients.
    pub fn zero_grad(&self) {
        self.call(Session::zero_all_grads);
    }

    /// Records without gradients while the guard lives. May be nested. A leaf made meanwhile keeps
    /// its own setting.
    pub fn no_grad(&self) -> NoGrad<'_> {
        self.call(|session| session.core.no_grad += 1);
        NoGrad { graph: self }
    }

    // ---- modes ----

    /// Training mode (the default) or evaluation mode: whether [`Var::dropout`] drops. Counts as a
    /// write: what depends on it is computed again.
    pub fn set_training(&self, training: bool) {
        self.call(|session| session.core.set_training(training));
    }

    /// Whether the graph is in training mode.
    pub fn is_training(&self) -> bool {
        self.call(|session| session.core.training)
    }

    /// Starts the random numbers anew from this seed; a new graph has the seed 0. The same seed,
    /// followed by the same operations, gives the same numbers again: random leaves draw when they
    /// are made, and [`Var::dropout`] when it is computed. Dropouts recorded before follow the new
    /// seed, too.
    pub fn set_seed(&self, seed: u64) {
        self.call(|session| session.core.set_seed(seed));
    }

    /// The seed that was set last.
    pub fn seed(&self) -> u64 {
        self.call(|session| session.core.seed)
    }

    /// New random numbers for [`Var::dropout`] without writing to a leaf, which has that effect too.
    pub fn resample(&self) {
        self.call(|session| session.core.resample());
    }

    // ---- how things are computed ----

    /// How many threads may work on one evaluation of this graph; 0, the default, for as many as
    /// the machine has cores. Has no influence on any number: results are the same bit for bit, apart
    /// from the sign and the payload of a NaN, here as everywhere.
    /// Small evaluations stay on the thread that asks for them.
    pub fn set_num_threads(&self, threads: usize) {
        self.call(|session| session.engine().set_threads(threads));
    }

    /// How many threads may work on one evaluation of this graph.
    pub fn num_threads(&self) -> usize {
        self.call(|session| session.engine().threads())
    }

    /// Whether evaluations, gradients and optimisers of this graph take subnormal numbers (below 1.2e-38
    /// in f32, 2.2e-308 in f64) for zeros; off by default. Many CPUs are many times slower where they
    /// meet them. Data of leaves stay as they are, and what only moves or chooses among them (views,
    /// [`Var::where_`], [`Var::maximum`]), or is its operand where that is small (neg, abs, log1p, expm1),
    /// may give them or 0. Counts as a write to every leaf. Does
    /// nothing on CPUs other than x86-64 and aarch64.
    pub fn set_flush_subnormals(&self, on: bool) {
        let subnormals = if on { Subnormals::Flush } else { Subnormals::Keep };
        self.call(|session| session.core.set_subnormals(subnormals));
    }

    /// Whether this graph takes subnormal numbers for zeros.
    pub fn flush_subnormals(&self) -> bool {
        self.call(|session| session.core.subnormals() == Subnormals::Flush)
    }

    /// Whether operations are fused into passes over memory (the default), or computed one by one,
    /// keeping every value: slower, and the same bit for bit, but for subnormal numbers of a graph that
    /// flushes them. For finding out where a value comes from, and for tests.
    pub fn set_fusion(&self, on: bool) {
        self.call(|session| session.engine().set_fusion(on));
    }

    /// Whether operations are fused.
    pub fn fusion(&self) -> bool {
        self.call(|session| session.engine().fuses())
    }

    // ---- going back, and memory ----

    /// A place in the recording to come back to.
    pub fn mark(&self) -> Mark {
        self.call(|session| session.core.mark())
    }

    /// Drops every node recorded after the mark, keeping their memory for the next ones. Nodes
    /// before the mark keep data and gradients; handles of dropped nodes become invalid. A new
    /// replay begins: [`Var::dropout`] draws anew. Works while an error is remembered, and then
    /// reports it.
    #[track_caller]
    pub fn rewind(&self, mark: Mark) -> Result<()> {
        let caller = Location::caller();
        self.call(|session| {
            if session.core.rewind(mark).is_err() {
                session.core.error.locate(caller);
            }
        });
        self.check()
    }

    /// Drops all nodes with their data, gradients and what optimisers remember, and keeps the memory.
    /// Seed, mode, memory limit and budget stay, and so does a [`Graph::no_grad`] whose guard lives.
    pub fn reset(&self) {
        self.call(|session| session.core.reset());
    }

    /// Number of nodes recorded.
    pub fn len(&self) -> usize {
        self.call(|session| session.core.len())
    }

    /// Whether nothing is recorded.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the graph's memory is used for.
    pub fn memory(&self) -> MemoryStats {
        self.call(|session| session.memory())
    }

    /// Lets the graph take at most this many bytes: the [`total`](MemoryStats::total) of tensors,
    /// records and plans. What needs more fails with
    /// [`ErrorKind::Memory`](crate::ErrorKind::Memory) and loses nothing; before that, plans, free
    /// buffers, and values that can be computed again are given back to the system.
    pub fn set_memory_limit(&self, bytes: usize) {
        self.call(|session| session.set_memory_limit(bytes));
    }

    /// Lets each evaluation hold at most this many bytes of tensors at a time: data of leaves, gradients,
    /// values that are kept, and scratch memory, as [`MemoryStats::live`] counts them. `None`, the default,
    /// for no budget.
    ///
    /// Where that is less than what is usual, values that nobody asked for are let go, and steps are run again
    /// to make what there was no room to keep. No bit of any result depends on that. What would not fit
    /// all the same is refused with [`ErrorKind::Memory`](crate::ErrorKind::Memory) and the smallest
    /// budget that was found to be enough; nothing is lost. See [`Graph::plan_memory_backward`] for what is computed
    /// twice.
    ///
    /// What was read stays, and counts; so do leaves, gradients and what optimisers remember, which are
    /// not refused. Registers and packed factors, a fixed amount for each thread, are counted by
    /// [`MemoryStats::plans`]. Free buffers are given back to the system rather than have
    /// [`MemoryStats::pooled`] exceed the budget, apart from those of at most 2 KiB: evaluations that take
    /// turns, and whose memory does not fit side by side, allocate each time.
    pub fn set_memory_budget(&self, bytes: Option<usize>) {
        self.call(|session| session.set_memory_budget(bytes.unwrap_or(usize::MAX)));
    }

    /// The memory budget that was set.
    pub fn memory_budget(&self) -> Option<usize> {
        let budget = self.call(|session| session.core.pool.budget());
        (budget != usize::MAX).then_some(budget)
    }

    /// What memory [`Graph::backward`] with these roots takes, before it is run. The plan that is made is the
    /// one that is run next. [`Var::plan_memory`] says it of reading a value.
    ///
    /// Fails as `backward` does, and when the memory budget is too small.
    #[track_caller]
    pub fn plan_memory_backward(&self, roots: &[(Var<'_>, Option<Var<'_>>)]) -> Result<PlanMemory> {
        let mut memory = PlanMemory::default();
        self.run(|session| {
            memory = session.plan_memory_backward(heads(roots))?;
            Ok(())
        })?;
        Ok(memory)
    }

    /// Makes what was recorded since `begin` a checkpoint: of its values only those of `outs` are kept.
    /// Whatever reads another one later, the gradient above all, has it computed again, from what was
    /// there before. (Compare `torch.utils.checkpoint`.) Values and gradients are the same, bit for bit.
    ///
    /// A checkpoint that spans others leaves what they span to them. What [`Graph::jvp`] and [`Graph::vmap`]
    /// record of its nodes is between checkpoints, too. What was read stays. Graphs with checkpoints have a plan
    /// for each evaluation, however small.
    ///
    /// Fails when the mark is of another graph, or of nodes that were dropped.
    ///
    /// ```
    /// # fn main() -> bumpgrad::Result<()> {
    /// let g = bumpgrad::Graph::new();
    /// let x = g.param(&[0.5f64, 1.0], &[2]);
    /// let mark = g.mark();
    /// let y = (0..100).fold(x, |y, _| (y * 1.1).sin());
    /// g.checkpoint(mark, &[y])?;
    /// y.square().sum().backward()?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn checkpoint(&self, begin: Mark, outs: &[Var<'_>]) -> Result<()> {
        self.run(|session| session.checkpoint(begin, outs.iter().map(|out| out.handle)))
    }

    /// The recording as text, a node a line.
    pub fn to_text(&self) -> String {
        text(|out| self.call(|session| print::graph(&session.core, out)))
    }

    /// The recording as a graph in the DOT language of Graphviz.
    pub fn to_dot(&self) -> String {
        text(|out| self.call(|session| print::dot(&session.core, out)))
    }

    /// How the last evaluation was computed, as text: its steps, each one pass over memory, and
    /// what they do to each tile. `n12` is a node, `dn12` the gradient of one, `t3` a temporary. What
    /// is small and was met for the first time has no steps: it was computed node by node.
    pub fn plan_to_text(&self) -> String {
        text(|out| self.call(|s| s.engine().tell(out)))
    }

    /// The steps of the last evaluation as a graph in the DOT language of Graphviz.
    pub fn plan_to_dot(&self) -> String {
        text(|out| self.call(|s| s.engine().tell_dot(out)))
    }

    /// Begins to note when each step of each evaluation runs, how many bytes it reads and writes,
    /// and on how many threads.
    pub fn profile_begin(&self) {
        self.call(|session| session.engine().set_profile(Some(Profile::new())));
    }

    /// What was noted since [`Graph::profile_begin`], as JSON for trace viewers (Perfetto,
    /// `chrome://tracing`, Speedscope); empty if no profile was begun.
    pub fn profile_end(&self) -> String {
        let profile = self.call(|session| session.engine().set_profile(None));
        text(|out| profile.map_or(Ok(()), |profile| profile.write(out)))
    }

    /// The instructions that kernels use: `baseline`, `v3` (AVX2) or `v4` (AVX-512). The
    /// environment variable `BUMPGRAD_LEVEL` can lower it.
    pub fn simd_level(&self) -> &'static str {
        self.call(|session| session.level_name())
    }
}

fn text(write: impl FnOnce(&mut String) -> fmt::Result) -> String {
    let mut out = String::new();
    // A String takes everything.
    let _ = write(&mut out);
    out
}
