//! The Rust interface: [`Graph`], and [`Var`], a node of one.

mod derivatives;
#[rustfmt::skip]
mod operations;

use std::cell::RefCell;
use std::fmt;
use std::ops::{Add, Div, Mul, Neg, Sub};
use std::panic::Location;

use crate::buffer::MemoryStats;
use crate::dtype::{DType, Element};
use crate::error::{Error, Fail, Maybe, Result};
use crate::exec::Profile;
use crate::fpenv::Subnormals;
use crate::graph::{Core, Handle, Mark, Operand};
use crate::id::NodeId;
use crate::optim::Update;
use crate::print;
use crate::roll_call::Elem;
use crate::session::Session;

/// A recording of operations, and everything it owns: nodes, data, gradients.
///
/// Recording never computes; reading a value, or [`Var::backward`], computes what it needs and
/// nothing else. A value is a function of the present data of the leaves: after
/// [`Var::write`], reading again computes again.
///
/// A graph is used by one thread at a time, and may be moved between threads. Different graphs are
/// independent of each other.
///
/// # Errors
///
/// Operations never panic and return no `Result`, so that expressions stay expressions: one that
/// fails returns a *null* [`Var`], and null in gives null out. The graph remembers the first error
/// with the line of its operation, and the next call that returns a [`Result`] reports it.
pub struct Graph {
    session: RefCell<Session>,
}

impl Default for Graph {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Graph");
        match self.session.try_borrow() {
            Ok(session) => {
                out.field("nodes", &session.core.len()).field("memory", &session.memory())
            }
            Err(_) => out.field("nodes", &"in use"),
        };
        out.finish_non_exhaustive()
    }
}

/// While it lives, nodes are recorded without gradients. May be nested.
#[must_use = "gradients are off only while the guard lives"]
#[derive(Debug)]
pub struct NoGrad<'g> {
    graph: &'g Graph,
}

impl Drop for NoGrad<'_> {
    fn drop(&mut self) {
        self.graph.call(|session| session.core.no_grad -= 1);
    }
}

/// A tensor of a graph: a small handle that can be copied.
///
/// A handle stays valid until its node is dropped by [`Graph::rewind`] or [`Graph::reset`]; a
/// handle used after that, or with another graph, is an error, never a wrong value.
#[derive(Clone, Copy)]
pub struct Var<'g> {
    graph: &'g Graph,
    handle: Handle,
}

impl fmt::Debug for Var<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_null() {
            f.write_str("Var(null)")
        } else {
            write!(f, "Var(n{})", self.handle.id())
        }
    }
}

/// The value as nested brackets, abbreviated if it is long; computed if need be. An error is
/// written in place of the value.
impl fmt::Display for Var<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.eval() {
            Ok(()) => {
                let id = NodeId(self.handle.id());
                self.graph.call(|session| print::tensor(&session.core, id, f))
            }
            Err(error) => write!(f, "({error})"),
        }
    }
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Self { session: RefCell::new(Session::new()) }
    }

    /// A call: everything goes through here.
    #[inline(always)]
    pub(crate) fn call<R>(&self, call: impl FnOnce(&mut Session) -> R) -> R {
        self.session.borrow_mut().enter(call)
    }

    /// Runs a recording on behalf of the caller's line.
    #[track_caller]
    fn record(&self, record: impl FnOnce(&mut Core) -> Maybe<NodeId>) -> Var<'_> {
        self.offer(|session| session.record(record))
    }

    #[track_caller]
    fn offer(&self, record: impl FnOnce(&mut Session) -> Handle) -> Var<'_> {
        let caller = Location::caller();
        let handle = self.call(|session| located(session, caller, record));
        Var { graph: self, handle }
    }

    /// As `offer`, for an elementwise operation.
    #[track_caller]
    fn offer_map(&self, record: impl FnOnce(&mut Session) -> Handle) -> Var<'_> {
        let caller = Location::caller();
        let handle = located(&mut self.session.borrow_mut(), caller, record);
        Var { graph: self, handle }
    }

    /// Runs something that can fail: an error remembered from before comes first.
    #[track_caller]
    fn run<R>(&self, run: impl FnOnce(&mut Session) -> Maybe<R>) -> Result<R> {
        let caller = Location::caller();
        self.call(|session| {
            if let Some(error) = session.core.error.take() {
                return Err(error);
            }
            run(session).map_err(|Fail| {
                session.core.error.locate(caller);
                session.core.error.take().unwrap_or_else(Error::unknown)
            })
        })
    }

    /// Reports the first error since the last report, if there is one.
    pub fn check(&self) -> Result<()> {
        self.run(|_| Ok(()))
    }

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

    /// Records an operation on a list of operands.
    #[track_caller]
    fn operation_on_all(
        &self,
        what: &str,
        xs: &[Var<'_>],
        record: impl FnOnce(&mut Core, &mut [NodeId]) -> Maybe<NodeId>,
    ) -> Var<'_> {
        self.offer(|session| session.record_all(what, xs.iter().map(|x| x.handle), record))
    }

    /// The same with a list of results: none if it failed.
    #[track_caller]
    fn list_of_all(
        &self,
        what: &str,
        xs: &[Var<'_>],
        record: impl FnOnce(&mut Core, &mut [NodeId], &mut Vec<NodeId>) -> Maybe<()>,
    ) -> Vec<Var<'_>> {
        let (mut out, handles) = (Vec::new(), xs.iter().map(|x| x.handle));
        self.offer(|session| {
            let tell = |handle| out.push(Var { graph: self, handle });
            let is_right = session.list_of_all(what, handles, record, tell);
            // (Only whether it is null is looked at.)
            xs.first().map_or(Handle::NULL, |x| if is_right { x.handle } else { Handle::NULL })
        });
        out
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
            session.grad(heads(roots), xs, false, |i, handle| out[i].handle = handle)
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
            session.grad(heads(roots), xs, true, |i, handle| {
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
    /// Seed, mode and memory limit stay, and so does a [`Graph::no_grad`] whose guard lives.
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

/// Records on behalf of the caller's line.
#[inline(always)]
fn located(
    session: &mut Session,
    caller: &'static Location<'static>,
    record: impl FnOnce(&mut Session) -> Handle,
) -> Handle {
    let handle = record(session);
    if handle == Handle::NULL {
        session.core.error.locate(caller);
    }
    handle
}

fn heads<'a>(
    roots: &'a [(Var<'_>, Option<Var<'_>>)],
) -> impl ExactSizeIterator<Item = (Handle, Option<Handle>)> + 'a {
    roots.iter().map(|(root, head)| (root.handle, head.map(|head| head.handle)))
}

impl<'g> Var<'g> {
    #[track_caller]
    fn map(self, what: &str, record: impl FnOnce(&mut Core, NodeId) -> Maybe<NodeId>) -> Self {
        self.graph.offer(|session| session.record1(what, self.handle, record))
    }

    /// Records an operation on some operands.
    #[track_caller]
    fn operation<const N: usize>(
        self,
        what: &str,
        xs: [Handle; N],
        record: impl FnOnce(&mut Core, [NodeId; N]) -> Maybe<NodeId>,
    ) -> Self {
        let [y] = self.operations(what, xs, |core, xs| Ok([record(core, xs)?]));
        y
    }

    /// The same with several results.
    #[track_caller]
    fn operations<const N: usize, const R: usize>(
        self,
        what: &str,
        xs: [Handle; N],
        record: impl FnOnce(&mut Core, [NodeId; N]) -> Maybe<[NodeId; R]>,
    ) -> [Self; R] {
        let mut results = [Handle::NULL; R];
        self.graph.offer(|session| {
            results = session.operation(what, xs, record);
            results[0]
        });
        results.map(|handle| Self { graph: self.graph, handle })
    }

    /// The same with as many results as there are: none if it failed.
    #[track_caller]
    fn list_of<const N: usize>(
        self,
        what: &str,
        xs: [Handle; N],
        record: impl FnOnce(&mut Core, [NodeId; N], &mut Vec<NodeId>) -> Maybe<()>,
    ) -> Vec<Self> {
        let mut out = Vec::new();
        self.graph.offer(|session| {
            let tell = |handle| out.push(Self { graph: self.graph, handle });
            let is_right = session.list_of(what, xs, record, tell);
            // (Only whether it is null is looked at.)
            if is_right { self.handle } else { Handle::NULL }
        });
        out
    }

    /// The graph this tensor belongs to.
    pub fn graph(self) -> &'g Graph {
        self.graph
    }

    /// Whether this is the result of an operation that failed.
    pub fn is_null(self) -> bool {
        self.handle == Handle::NULL
    }

    /// x times a number.
    #[track_caller]
    pub fn scale(self, factor: f64) -> Self {
        self.map("mul", |core, x| core.map2(Elem::Mul, x, Operand::Constant(factor)))
    }

    /// x plus a number.
    #[track_caller]
    pub fn add_scalar(self, term: f64) -> Self {
        self.map("add", |core, x| core.map2(Elem::Add, x, Operand::Constant(term)))
    }

    /// x to the power of a number. Derivative: c x^(c-1), 0 for c = 0.
    #[track_caller]
    pub fn pow_scalar(self, exponent: f64) -> Self {
        self.map("pow", |core, x| core.pow_scalar(x, exponent))
    }

    /// x, but at least `min` and at most `max`; an absent bound does nothing. Derivative: 1 between
    /// the bounds, 0 at and beyond them. Where `min` is above `max`, all elements become `max`.
    #[track_caller]
    pub fn clamp(self, min: Option<f64>, max: Option<f64>) -> Self {
        self.map("clamp", |core, x| core.clamp(x, min, max))
    }

    /// `yes` where this u8 mask is set, else `no`; all three are broadcast to one another. The
    /// gradient goes to whichever was taken.
    #[track_caller]
    pub fn where_(self, yes: Self, no: Self) -> Self {
        self.operation("where", [self.handle, yes.handle, no.handle], |core, [mask, yes, no]| {
            core.where_(mask, yes, no)
        })
    }

    /// The same numbers as another dtype; floats become integers towards zero, numbers beyond an
    /// integer type's range its nearest end, and NaN 0. The gradient is cast back.
    #[track_caller]
    pub fn cast(self, dtype: DType) -> Self {
        self.map("cast", |core, x| core.cast(x, dtype))
    }

    // ---- gradients ----

    /// The same value, through which no gradient flows. It still follows the leaves.
    #[track_caller]
    pub fn detach(self) -> Self {
        self.map("detach", Core::detach)
    }

    /// A constant with the value of now, which stays when leaves change.
    #[track_caller]
    pub fn snapshot(self) -> Self {
        self.graph.offer(|session| session.snapshot(self.handle))
    }

    /// Adds the gradient of this single element to those of the leaves it depends on.
    ///
    /// The value is computed on the way and kept, so read it afterwards: to read it before costs one
    /// more forward, in which what lies between is not kept.
    #[track_caller]
    pub fn backward(self) -> Result<()> {
        self.graph.backward(&[(self, None)])
    }

    /// As [`Var::backward`], for a tensor of any shape with a head gradient of the same.
    #[track_caller]
    pub fn backward_with(self, head: Self) -> Result<()> {
        self.graph.backward(&[(self, Some(head))])
    }

    /// The accumulated gradient, row-major in the tensor's shape; `None` before the first backward
    /// and after [`Var::zero_grad`].
    #[track_caller]
    pub fn grad<T: Element>(self) -> Result<Option<Vec<T>>> {
        self.graph.run(|session| {
            let grad = session.grad_values::<T>(self.handle)?;
            Ok(grad.map(<[T]>::to_vec))
        })
    }

    /// The accumulated gradient as a constant, or `None`.
    #[track_caller]
    pub fn grad_tensor(self) -> Result<Option<Self>> {
        let handle = self.graph.run(|session| Ok(session.grad_leaf(self.handle)))?;
        self.graph.check()?;
        Ok((handle != Handle::NULL).then_some(Self { graph: self.graph, handle }))
    }

    /// Unsets the gradient.
    #[track_caller]
    pub fn zero_grad(self) -> Result<()> {
        self.graph.run(|session| session.zero_grad(self.handle))
    }

    /// Lets a tensor that is no leaf keep its gradient from backward.
    #[track_caller]
    pub fn retain_grad(self) -> Result<()> {
        self.graph.run(|session| session.retain_grad(self.handle))
    }

    /// Whether gradients flow to this tensor.
    #[track_caller]
    pub fn requires_grad(self) -> Result<bool> {
        self.graph.run(|session| session.requires_grad(self.handle))
    }

    /// Sets whether gradients flow to this leaf. Nodes recorded before are not changed.
    #[track_caller]
    pub fn set_requires_grad(self, on: bool) -> Result<()> {
        self.graph.run(|session| {
            let id = session.core.resolve("set_requires_grad", self.handle)?;
            session.core.set_requires_grad(id, on)
        })
    }

    // ---- reading and writing ----

    /// The elements, row-major, computed if need be. `T` must be the tensor's dtype.
    #[track_caller]
    pub fn to_vec<T: Element>(self) -> Result<Vec<T>> {
        self.graph.run(|session| Ok(session.values::<T>("to_vec", self.handle)?.to_vec()))
    }

    /// As [`Var::to_vec`], into memory of the caller, which has as many elements.
    #[track_caller]
    pub fn read_into<T: Element>(self, out: &mut [T]) -> Result<()> {
        self.graph.run(|session| session.read_into(self.handle, out))
    }

    /// Computes the value if need be, without reading it.
    #[track_caller]
    pub fn eval(self) -> Result<()> {
        self.graph.run(|session| session.eval(self.handle))
    }

    /// The only element, of any dtype, as f64.
    #[track_caller]
    pub fn item(self) -> Result<f64> {
        self.graph.run(|session| session.item(self.handle))
    }

    /// New data for a leaf, row-major: everything downstream will be computed anew.
    #[track_caller]
    pub fn write<T: Element>(self, data: &[T]) -> Result<()> {
        self.graph.run(|session| session.write(self.handle, data))
    }

    /// The axis lengths.
    #[track_caller]
    pub fn shape(self) -> Result<Vec<usize>> {
        self.graph.run(|session| Ok(session.shape(self.handle)?.to_vec()))
    }

    /// The element type.
    #[track_caller]
    pub fn dtype(self) -> Result<DType> {
        self.graph.run(|session| session.dtype(self.handle))
    }

    /// The name of the operation that made this tensor; `None` for a leaf.
    #[track_caller]
    pub fn op_name(self) -> Result<Option<&'static str>> {
        self.graph.run(|session| session.op_name(self.handle))
    }

    /// Names the tensor in error messages. Returns it, so that it can be named where it is made.
    #[track_caller]
    pub fn label(self, text: &str) -> Self {
        self.map("label", |core, x| core.set_label(x, text).map(|()| x))
    }
}

macro_rules! operators {
    ($($trait:ident $method:ident $elem:ident),*) => {$(
        impl<'g> $trait for Var<'g> {
            type Output = Var<'g>;
            #[track_caller]
            fn $method(self, other: Self) -> Self {
                Var::$method(self, other)
            }
        }

        impl<'g> $trait<f64> for Var<'g> {
            type Output = Var<'g>;
            #[track_caller]
            fn $method(self, other: f64) -> Self {
                self.graph.offer_map(|session| session.map_scalar(Elem::$elem, self.handle, other))
            }
        }

        impl<'g> $trait<Var<'g>> for f64 {
            type Output = Var<'g>;
            #[track_caller]
            fn $method(self, other: Var<'g>) -> Var<'g> {
                other.graph.offer_map(|session| session.scalar_map(Elem::$elem, self, other.handle))
            }
        }
    )*};
}
operators!(Add add Add, Sub sub Sub, Mul mul Mul, Div div Div);

impl Neg for Var<'_> {
    type Output = Self;
    #[track_caller]
    fn neg(self) -> Self {
        Var::neg(self)
    }
}

/// Stochastic gradient descent with momentum: v = momentum v + g, p = p - rate v.
///
/// Acts on every leaf that requires a gradient and has one. The velocities are kept in the graph.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    /// The learning rate.
    pub rate: f64,
    /// How much of the velocity stays.
    pub momentum: f64,
    /// L2 penalty: this times the parameter is added to its gradient.
    pub decay: f64,
}

impl Sgd {
    /// Without momentum and decay.
    pub const fn new(rate: f64) -> Self {
        Self { rate, momentum: 0.0, decay: 0.0 }
    }

    /// Takes one step. Nothing has changed if it fails.
    #[track_caller]
    pub fn step(&self, graph: &Graph) -> Result<()> {
        let Self { rate, momentum, decay } = *self;
        graph.run(|session| session.step(Update::Sgd { rate, momentum, decay }))
    }
}

/// Adam: D. Kingma, J. Ba, "Adam: a method for stochastic optimization", 2015.
///
/// Acts on every leaf that requires a gradient and has one. The moments are kept in the graph.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// The learning rate.
    pub rate: f64,
    /// How much of the averages of gradient and squared gradient stays.
    pub betas: [f64; 2],
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// L2 penalty: this times the parameter is added to its gradient.
    pub decay: f64,
}

impl Adam {
    /// With the usual betas 0.9 and 0.999, epsilon 1e-8, and no decay.
    pub const fn new(rate: f64) -> Self {
        Self { rate, betas: [0.9, 0.999], epsilon: 1e-8, decay: 0.0 }
    }

    /// Takes one step. Nothing has changed if it fails.
    #[track_caller]
    pub fn step(&self, graph: &Graph) -> Result<()> {
        let Self { rate, betas, epsilon, decay } = *self;
        graph.run(|session| session.step(Update::Adam { rate, betas, epsilon, decay }))
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;
    use crate::fpenv::host;

    /// The bits of the value and of the gradients of `y`, and what the host's environment is then.
    fn results<T: Element>(
        outside: u32,
        xs: &[Var<'_>],
        y: impl FnOnce() -> Result<Vec<Vec<T>>>,
    ) -> Vec<Vec<u64>> {
        let (results, after) = host::within(outside, y);
        assert_eq!(after, outside);
        xs[0].graph().zero_grad();
        let bits = |x: &T| match T::DTYPE {
            DType::F32 => (x.to_f64() as f32).to_bits().into(),
            _ => x.to_f64().to_bits(),
        };
        results.unwrap().iter().map(|list| list.iter().map(bits).collect()).collect()
    }

    fn every_operation<T: Element>() {
        let numbers = [0.3, 150.0, -0.3, 2.5, 0.0, 1e-40, -1e-42, 20.5, -7.0, 1e30, 1e-310, 1e9];
        let data = |n: usize, step: usize| -> Vec<T> {
            (0..n).map(|i| T::from_f64(numbers[(step * i + step) % numbers.len()])).collect()
        };
        for n in (1..20).chain([31, 33, 47, 69]) {
            for &elem in Elem::ALL {
                let graph = Graph::new();
                let xs = [graph.param(&data(n, 1), &[n]), graph.param(&data(n, 5), &[n])];
                let xs = &xs[..elem.arity()];
                let head = graph.full(&[n], T::from_f64(0.7));
                let run = |outside| {
                    results::<T>(outside, xs, || {
                        let y = graph.offer_map(|session| match xs {
                            [x] => session.map(elem, x.handle),
                            _ => session.map2(elem, xs[0].handle, xs[1].handle),
                        });
                        y.backward_with(head)?;
                        let mut out = vec![y.to_vec()?];
                        for x in xs {
                            out.push(x.grad()?.unwrap_or_default());
                        }
                        Ok(out)
                    })
                };
                let want = run(host::DEFAULT);
                for outside in host::OTHERS {
                    assert_eq!(run(outside), want, "{elem:?} {n} x {} {outside:x}", T::DTYPE);
                }
            }
        }
    }

    #[test]
    fn whatever_the_hosts_environment_results_are_the_same() {
        every_operation::<f32>();
        every_operation::<f64>();
    }

    #[test]
    fn what_records_prints_and_fails_heeds_no_environment_either() {
        let run = |outside| {
            let (text, after) = host::within(outside, || {
                let graph = Graph::new();
                let made = [
                    graph.scalar(1e-40f32),
                    graph.full(&[2], 1e-310),
                    graph.arange::<f32>(-0.3, 0.7, 0.1),
                    graph.linspace::<f64>(0.1, 0.7, 5),
                    graph.uniform::<f32>(&[3], 0.1, 0.3),
                    graph.normal::<f64>(&[3], 0.1, 0.3),
                    graph.arange::<f64>(1.0, 4.0, 1.0).var(0.3, &[], false),
                ];
                let mut text: String = made.iter().map(|x| format!("{x} ")).collect();
                let wrong = graph.ones::<f32>(&[2]) + graph.ones::<f32>(&[3]);
                text += &wrong.eval().unwrap_err().to_string();
                text
            });
            assert_eq!(after, outside);
            text
        };
        let want = run(host::DEFAULT);
        for outside in host::OTHERS {
            assert_eq!(run(outside), want, "{outside:x}");
        }
    }
}
