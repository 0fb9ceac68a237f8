//! The Rust interface: [`Graph`], and [`Var`], a node of one.

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
use crate::node::{Comparison, Extreme, Ties};
use crate::print;
use crate::roll_call::Elem;
use crate::session::{Session, Update};

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

    // ---- several operands ----

    /// The tensors one after the other along an axis; the other axes must agree.
    /// Gradient: each gets its part.
    #[track_caller]
    pub fn concat(&self, xs: &[Var<'_>], axis: isize) -> Var<'_> {
        self.offer(|session| {
            let xs = xs.iter().map(|x| x.handle);
            session.record_all("concat", xs, |core, xs| core.concat(xs, axis))
        })
    }

    /// The tensors, all of one shape, along a new axis at this place of the result.
    /// Gradient: each gets its part.
    #[track_caller]
    pub fn stack(&self, xs: &[Var<'_>], axis: isize) -> Var<'_> {
        self.offer(|session| {
            let xs = xs.iter().map(|x| x.handle);
            session.record_all("stack", xs, |core, xs| core.stack(xs, axis))
        })
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

macro_rules! unary_methods {
    ($($(#[$doc:meta])* $name:ident => $elem:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// Any float tensor; the result has its shape.
        #[track_caller]
        #[allow(clippy::should_implement_trait)] // the operators are implemented besides
        pub fn $name(self) -> Self {
            self.graph.offer_map(|session| session.map(Elem::$elem, self.handle))
        }
    )*};
}

macro_rules! binary_methods {
    ($($(#[$doc:meta])* $name:ident => $elem:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// Float tensors of one dtype, broadcast to one another. Gradients are summed back.
        #[track_caller]
        #[allow(clippy::should_implement_trait)] // the operators are implemented besides
        pub fn $name(self, other: Self) -> Self {
            self.graph.offer_map(|session| session.map2(Elem::$elem, self.handle, other.handle))
        }
    )*};
}

macro_rules! compare_methods {
    ($($(#[$doc:meta])* $name:ident $scalar:ident => $which:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// Tensors of one dtype, broadcast to one another; the result is a u8 mask without gradient.
        #[track_caller]
        pub fn $name(self, other: Self) -> Self {
            self.map2(stringify!($name), other, |core, a, b| {
                core.compare(Comparison::$which, a, b)
            })
        }

        /// As the comparison with a tensor, with one number for all elements.
        #[track_caller]
        pub fn $scalar(self, other: f64) -> Self {
            self.map(stringify!($name), |core, x| {
                core.compare(Comparison::$which, x, Operand::Constant(other))
            })
        }
    )*};
}

macro_rules! reduce_methods {
    ($($(#[$doc:meta])* $name:ident $axes:ident => |$core:ident, $x:ident, $a:ident, $k:ident| $run:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// Over all elements; the result is 0-d.
        #[track_caller]
        pub fn $name(self) -> Self {
            self.$axes(&[], false)
        }

        /// The same over some axes (negative ones count from the end; none means all), which
        /// vanish, or stay with length 1 with `keepdim`.
        #[track_caller]
        pub fn $axes(self, axes: &[isize], keepdim: bool) -> Self {
            self.map(stringify!($name), |$core, $x| {
                let ($a, $k) = (axes, keepdim);
                $run
            })
        }
    )*};
}

impl<'g> Var<'g> {
    #[track_caller]
    fn map(self, what: &str, record: impl FnOnce(&mut Core, NodeId) -> Maybe<NodeId>) -> Self {
        self.graph.offer(|session| session.record1(what, self.handle, record))
    }

    #[track_caller]
    fn map2(
        self,
        what: &str,
        other: Self,
        record: impl FnOnce(&mut Core, NodeId, NodeId) -> Maybe<NodeId>,
    ) -> Self {
        self.graph.offer(|session| session.record2(what, self.handle, other.handle, record))
    }

    /// The graph this tensor belongs to.
    pub fn graph(self) -> &'g Graph {
        self.graph
    }

    /// Whether this is the result of an operation that failed.
    pub fn is_null(self) -> bool {
        self.handle == Handle::NULL
    }

    unary_methods! {
        /// -x. Derivative: -1.
        neg => Neg;
        /// |x|. Derivative: the sign of x, 0 at 0.
        abs => Abs;
        /// -1, 0 or 1. Derivative: 0.
        sign => Sign;
        /// e^x. Derivative: y.
        exp => Exp;
        /// e^x - 1, exact for small x. Derivative: y + 1, 0 below x = -16 (f32) or -36.
        expm1 => Expm1;
        /// The natural logarithm. Derivative: 1 / x.
        log => Log;
        /// The natural logarithm of 1 + x, exact for small x. Derivative: 1 / (1 + x).
        log1p => Log1p;
        /// The square root. Derivative: 1 / (2 y).
        sqrt => Sqrt;
        /// 1 / sqrt(x). Derivative: -y^3 / 2.
        rsqrt => Rsqrt;
        /// x^2. Derivative: 2 x.
        square => Square;
        /// 1 / x. Derivative: -y^2.
        reciprocal => Reciprocal;
        /// The sine of an angle in radians. Derivative: cos x.
        sin => Sin;
        /// The cosine of an angle in radians. Derivative: -sin x.
        cos => Cos;
        /// The tangent of an angle in radians. Derivative: 1 + y^2.
        tan => Tan;
        /// The hyperbolic tangent. Derivative: 1 - y^2, 0 beyond x = 9 (f32) or 19.
        tanh => Tanh;
        /// 1 / (1 + e^-x). Derivative: y (1 - y), 0 above x = 17 (f32) or 37.
        sigmoid => Sigmoid;
        /// The error function. Derivative: 2 / sqrt(pi) e^(-x^2).
        erf => Erf;
        /// max(x, 0). Derivative: 0 up to 0, 1 above.
        relu => Relu;
        /// log(1 + e^x). Derivative: the sigmoid of x.
        softplus => Softplus;
        /// x P(Z <= x) for a standard normal Z. Derivative: P(Z <= x) + x e^(-x^2/2) / sqrt(2 pi).
        gelu => Gelu;
        /// The approximation of gelu by x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2.
        gelu_tanh => GeluTanh;
        /// x times the sigmoid s of x. Derivative: s (1 + x (1 - s)).
        silu => Silu;
        /// The largest integer up to x. Derivative: 0.
        floor => Floor;
        /// The smallest integer from x on. Derivative: 0.
        ceil => Ceil;
        /// The nearest integer, the even one of two. Derivative: 0.
        round => Round;
    }

    binary_methods! {
        /// a + b.
        add => Add;
        /// a - b.
        sub => Sub;
        /// a b, element by element.
        mul => Mul;
        /// a / b. Derivatives: 1 / b and -y / b.
        div => Div;
        /// a^b. Derivatives: b a^(b-1), 0 where b is 0; and y log a, 0 where a is 0 and b >= 0.
        pow => Pow;
        /// The larger one; NaN if either is. At a tie each gets half of the gradient.
        maximum => Maximum;
        /// The smaller one; NaN if either is. At a tie each gets half of the gradient.
        minimum => Minimum;
        /// The angle of the point (other, self) in radians.
        /// Derivatives: b / (a^2 + b^2) and -a / (a^2 + b^2), 0 at the origin.
        atan2 => Atan2;
    }

    compare_methods! {
        /// a = b.
        eq eq_scalar => Eq;
        /// a != b.
        ne ne_scalar => Ne;
        /// a < b.
        lt lt_scalar => Lt;
        /// a <= b.
        le le_scalar => Le;
        /// a > b.
        gt gt_scalar => Gt;
        /// a >= b.
        ge ge_scalar => Ge;
    }

    reduce_methods! {
        /// The sum; 0 of no elements. Gradient: the cotangent, repeated.
        sum sum_axes => |core, x, axes, keepdim| core.sum(x, axes, keepdim);
        /// The mean; NaN of no elements.
        mean mean_axes => |core, x, axes, keepdim| core.mean(x, axes, keepdim);
        /// The largest element; NaN if there is one. Of several, all get an equal part of the
        /// gradient, except along a single named axis: there the first gets all.
        max max_axes => |core, x, axes, keepdim| core.extreme(Extreme::Max, x, axes, keepdim);
        /// The smallest element; otherwise as `max`.
        min min_axes => |core, x, axes, keepdim| core.extreme(Extreme::Min, x, axes, keepdim);
        /// The largest element; of several, all get an equal part of the gradient.
        amax amax_axes => |core, x, axes, keepdim| {
            core.extreme_with(Extreme::Max, Ties::Even, x, axes, keepdim)
        };
        /// The smallest element; of several, all get an equal part of the gradient.
        amin amin_axes => |core, x, axes, keepdim| {
            core.extreme_with(Extreme::Min, Ties::Even, x, axes, keepdim)
        };
        /// The product; 1 of no elements. The gradient is right where elements are 0, too.
        prod prod_axes => |core, x, axes, keepdim| core.prod(x, axes, keepdim);
        /// log sum e^x without overflow; -inf of no elements. Gradient: the softmax.
        logsumexp logsumexp_axes => |core, x, axes, keepdim| core.logsumexp(x, axes, keepdim);
    }

    /// The variance: the sum of squared distances from the mean over (count - correction).
    /// Correction 1 is the unbiased estimate, 0 the population's. Axes as in [`Var::sum_axes`].
    #[track_caller]
    pub fn var(self, correction: f64, axes: &[isize], keepdim: bool) -> Self {
        self.map("var", |core, x| core.var(x, correction, axes, keepdim))
    }

    /// The p-norm (sum |x|^p)^(1/p), p > 0, or the largest |x| for infinite p. Its gradient at 0 is
    /// 0. Axes as in [`Var::sum_axes`].
    #[track_caller]
    pub fn norm(self, p: f64, axes: &[isize], keepdim: bool) -> Self {
        self.map("norm", |core, x| core.norm(x, p, axes, keepdim))
    }

    /// The index of the first largest element along an axis, or of the flattened tensor; a NaN
    /// counts as largest. The result is i64, without gradient.
    #[track_caller]
    pub fn argmax(self, axis: Option<isize>, keepdim: bool) -> Self {
        self.map("argmax", |core, x| core.arg_extreme(Extreme::Max, x, axis, keepdim))
    }

    /// The index of the first smallest element; otherwise as [`Var::argmax`].
    #[track_caller]
    pub fn argmin(self, axis: Option<isize>, keepdim: bool) -> Self {
        self.map("argmin", |core, x| core.arg_extreme(Extreme::Min, x, axis, keepdim))
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
        self.graph.record(|core| {
            let what = "where";
            let mask = core.resolve(what, self.handle)?;
            let (yes, no) = (core.resolve(what, yes.handle)?, core.resolve(what, no.handle)?);
            core.where_(mask, yes, no)
        })
    }

    /// The same numbers as another dtype; floats become integers towards zero, numbers beyond an
    /// integer type's range its nearest end, and NaN 0. The gradient is cast back.
    #[track_caller]
    pub fn cast(self, dtype: DType) -> Self {
        self.map("cast", |core, x| core.cast(x, dtype))
    }

    // ---- shapes ----

    /// The same elements in row-major order in another shape; one length may be -1: what is left.
    #[track_caller]
    pub fn reshape(self, shape: &[isize]) -> Self {
        self.map("reshape", |core, x| core.reshape(x, shape))
    }

    /// Axis `i` of the result is axis `order[i]` of this tensor.
    #[track_caller]
    pub fn permute(self, order: &[isize]) -> Self {
        self.map("permute", |core, x| core.permute(x, order))
    }

    /// Two axes exchanged.
    #[track_caller]
    pub fn transpose(self, a: isize, b: isize) -> Self {
        self.map("transpose", |core, x| core.transpose(x, a, b))
    }

    /// Axes of length 1 (and missing ones at the left) repeated; -1 keeps a length.
    #[track_caller]
    pub fn expand(self, shape: &[isize]) -> Self {
        self.map("expand", |core, x| core.expand(x, shape))
    }

    /// Without this axis if its length is 1; without all such axes for `None`.
    #[track_caller]
    pub fn squeeze(self, axis: Option<isize>) -> Self {
        self.map("squeeze", |core, x| core.squeeze(x, axis))
    }

    /// With a new axis of length 1 at this place of the result.
    #[track_caller]
    pub fn unsqueeze(self, axis: isize) -> Self {
        self.map("unsqueeze", |core, x| core.unsqueeze(x, axis))
    }

    /// The elements from `start` up to `stop` along an axis, every `step`-th, as Python's slices:
    /// negative bounds count from the end, and bounds are cut to the axis. `step` is at least 1.
    #[track_caller]
    pub fn slice(self, axis: isize, start: isize, stop: isize, step: isize) -> Self {
        self.map("slice", |core, x| core.slice(x, axis, start, stop, step))
    }

    // ---- indices ----

    /// The slices along an axis at the positions in the 1-d i64 tensor `index`. Gradient: added up
    /// at the positions.
    #[track_caller]
    pub fn index_select(self, axis: isize, index: Self) -> Self {
        self.map2("index_select", index, |core, x, index| core.index_select(x, axis, index))
    }

    /// The elements along an axis at the positions in the i64 tensor `index`, which has the same
    /// rank and otherwise no longer axes. Gradient: added up at the positions.
    #[track_caller]
    pub fn gather(self, axis: isize, index: Self) -> Self {
        self.map2("gather", index, |core, x, index| core.gather(x, axis, index))
    }

    // ---- products ----

    /// sum_i a_i b_i of two vectors of one length.
    #[track_caller]
    pub fn dot(self, other: Self) -> Self {
        self.map2("dot", other, Core::dot)
    }

    /// NumPy's matrix product: over the last two axes, the others broadcast; a vector is a row on
    /// the left and a column on the right.
    #[track_caller]
    pub fn matmul(self, other: Self) -> Self {
        self.map2("matmul", other, Core::matmul)
    }

    // ---- softmax and losses ----

    /// e^x / sum e^x along an axis, without overflow.
    #[track_caller]
    pub fn softmax(self, axis: isize) -> Self {
        self.map("softmax", |core, x| core.softmax(x, axis))
    }

    /// x - log sum e^x along an axis, without overflow.
    #[track_caller]
    pub fn log_softmax(self, axis: isize) -> Self {
        self.map("log_softmax", |core, x| core.log_softmax(x, axis))
    }

    /// The mean over the rows of -log softmax(logits) at the row's class. Logits are `[rows, classes]`, classes
    /// i64 of shape `[rows]`; rows of class -100 are left out.
    #[track_caller]
    pub fn cross_entropy(self, classes: Self) -> Self {
        self.map2("cross_entropy", classes, Core::cross_entropy)
    }

    /// The mean of the squared difference of two tensors of one shape, which are not broadcast.
    #[track_caller]
    pub fn mse(self, target: Self) -> Self {
        self.map2("mse", target, Core::mse)
    }

    /// While the graph is in training mode: each element 0 with probability `p`, else scaled by
    /// 1 / (1 - p). Otherwise the tensor itself.
    ///
    /// The choice is made from the seed, from how many random leaves and dropouts were recorded
    /// since [`Graph::set_seed`] before this one, and from how many replays began since. Value and
    /// gradient have the same one. A replay begins, and the choice is new, with each write to any
    /// leaf, an optimiser's step, a rewind, a reset, a change of mode, and [`Graph::resample`].
    #[track_caller]
    pub fn dropout(self, p: f64) -> Self {
        self.map("dropout", |core, x| core.dropout(x, p))
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
