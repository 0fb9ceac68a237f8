//! The Rust interface: [`Graph`], and [`Var`], a node of one.

mod custom;
mod derivatives;
mod graph;
mod minimisers;
#[rustfmt::skip]
mod operations;
mod operators;
mod optimisers;
mod tensor;
#[cfg(all(test, target_arch = "x86_64"))]
mod tests;

use std::cell::{RefCell, RefMut};
use std::fmt;
use std::panic::Location;

use crate::error::{Error, ErrorKind, Fail, Maybe, Result};
use crate::graph::{Core, Handle};
use crate::id::NodeId;
use crate::print;
use crate::session::Session;
pub use custom::{Custom, CustomResult, Recording};
pub use minimisers::{Lbfgs, LevenbergMarquardt, TrustRegion};
pub use optimisers::{Adagrad, Adam, AdamW, Lion, OptimiserState, RmsProp, Sgd};

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

/// What a callback is told that uses the graph which has called it. (Operations are null then, and nothing
/// is remembered.)
const BUSY: &str = "the graph is in use by the call that this callback is a part of";

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Self { session: RefCell::new(Session::new()) }
    }

    /// A call: everything goes through here.
    #[inline(always)]
    pub(crate) fn call<R>(&self, call: impl FnOnce(&mut Session) -> R) -> R {
        match self.session.try_borrow_mut() {
            Ok(mut session) => session.enter(call),
            Err(_) => panic!("{BUSY}"),
        }
    }

    /// The session, unless a callback of its own asks for it.
    #[inline(always)]
    fn unused(&self) -> Option<RefMut<'_, Session>> {
        self.session.try_borrow_mut().ok()
    }

    /// Runs a recording on behalf of the caller's line.
    #[track_caller]
    fn record(&self, record: impl FnOnce(&mut Core) -> Maybe<NodeId>) -> Var<'_> {
        self.offer(|session| session.record(record))
    }

    #[track_caller]
    fn offer(&self, record: impl FnOnce(&mut Session) -> Handle) -> Var<'_> {
        let caller = Location::caller();
        let handle = self.unused().map_or(Handle::NULL, |mut session| {
            session.enter(|session| located(session, caller, record))
        });
        Var { graph: self, handle }
    }

    /// As `offer`, for an elementwise operation.
    #[track_caller]
    fn offer_map(&self, record: impl FnOnce(&mut Session) -> Handle) -> Var<'_> {
        let caller = Location::caller();
        let unused = self.unused();
        let handle =
            unused.map_or(Handle::NULL, |mut session| located(&mut session, caller, record));
        Var { graph: self, handle }
    }

    /// Runs something that can fail: an error remembered from before comes first.
    #[track_caller]
    fn run<R>(&self, run: impl FnOnce(&mut Session) -> Maybe<R>) -> Result<R> {
        let caller = Location::caller();
        let Some(mut session) = self.unused() else {
            return Err(Error::new(ErrorKind::Busy, format_args!("{BUSY}")));
        };
        session.enter(|session| {
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

    /// Records an operation on a list of operands.
    #[track_caller]
    fn operation_on_all(
        &self,
        what: &'static str,
        xs: &[Var<'_>],
        record: impl FnOnce(&mut Core, &mut [NodeId]) -> Maybe<NodeId>,
    ) -> Var<'_> {
        self.offer(|session| session.record_all(what, xs.iter().map(|x| x.handle), record))
    }

    /// The same with a list of results: none if it failed.
    #[track_caller]
    fn list_of_all(
        &self,
        what: &'static str,
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
}

/// Records on behalf of the caller's line.
#[inline(always)]
fn located(
    session: &mut Session,
    caller: &'static Location<'static>,
    record: impl FnOnce(&mut Session) -> Handle,
) -> Handle {
    let first = session.core.len();
    let handle = record(session);
    if handle == Handle::NULL {
        session.core.error.locate(caller);
    }
    if session.checks_numbers() {
        session.note_place(first, caller);
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
    fn map(
        self,
        what: &'static str,
        record: impl FnOnce(&mut Core, NodeId) -> Maybe<NodeId>,
    ) -> Self {
        self.graph.offer(|session| session.record1(what, self.handle, record))
    }

    /// Records an operation on some operands.
    #[track_caller]
    fn operation<const N: usize>(
        self,
        what: &'static str,
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
        what: &'static str,
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
        what: &'static str,
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
}
