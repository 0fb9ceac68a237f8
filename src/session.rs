//! What can be done with a graph: the one place behind the Rust and the C interface.
//!
//! Both hand in [`Handle`]s, and get [`Fail`](crate::error::Fail) when something is wrong; the
//! words are in the core's error slot. How a failure is reported is theirs.

mod custom;
pub(crate) mod derivatives;
pub(crate) mod evidence;
mod record;
mod solve;
pub(crate) mod sparse;

use crate::arena::TryPush;
use crate::buffer::{Buffer, MemoryStats};
use crate::dtype::{DType, Element, with_dtype};
use crate::error::{ErrorKind, Maybe};
use crate::exec::{Engine, PlanMemory};
use crate::fpenv::{Scope, Subnormals};
use crate::graph::{Core, Handle, Mark, Start};
use crate::id::NodeId;
use crate::node::Op;
use crate::shape::Dims;
use crate::transform::Between;
use evidence::Trail;
#[cfg(feature = "capi")]
pub(crate) use record::{Recording, once};

pub(crate) struct Session {
    pub(crate) core: Core,
    pub(crate) engine: Engine,
    /// Lists that calls fill anew each time, so that a repeated one allocates nothing.
    given: Vec<(NodeId, Option<NodeId>)>,
    targets: Vec<(NodeId, NodeId)>,
    roots: Vec<NodeId>,
    /// The operands of a list at hand, and the gradients that were found for them.
    pub(crate) xs: Vec<NodeId>,
    found: Vec<NodeId>,
    /// What goes along with each of them.
    others: Vec<NodeId>,
    between: Between,
    /// Set while numbers are checked.
    trail: Option<Trail>,
}

// SAFETY: a session owns everything it points to (pages of its bump, buffers of its pool), and
// shares them with nobody; moving it to another thread moves that ownership along.
unsafe impl Send for Session {}

impl Session {
    pub(crate) fn new() -> Self {
        Self {
            core: Core::new(),
            engine: Engine::new(),
            given: Vec::new(),
            targets: Vec::new(),
            roots: Vec::new(),
            xs: Vec::new(),
            found: Vec::new(),
            others: Vec::new(),
            between: Between::default(),
            trail: None,
        }
    }

    pub(crate) fn level_name(&self) -> &'static str {
        self.engine.level().name()
    }

    #[cfg(test)]
    pub(crate) fn nodes_run(&self) -> usize {
        self.engine.nodes_run
    }

    pub(crate) fn engine(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// Runs a call of the interface, in the default floating-point environment. One that unwinds has
    /// met a defect of this library, and leaves the graph as if it had not begun or, where that cannot
    /// be, unusable until it is reset.
    #[inline(always)]
    pub(crate) fn enter<R>(&mut self, call: impl FnOnce(&mut Self) -> R) -> R {
        let start = self.core.start();
        let unwinding = Unwinding { session: self, start };
        let scope = Scope::enter(Subnormals::Keep);
        let result = call(unwinding.session);
        drop(scope);
        std::mem::forget(unwinding);
        result
    }

    // ---- reading ----

    pub(crate) fn evaluate(&mut self, id: NodeId) -> Maybe<()> {
        self.engine.evaluate(&mut self.core, id)
    }

    /// Computes a value if need be, for the user to see.
    pub(crate) fn read(&mut self, id: NodeId) -> Maybe<()> {
        self.core.note_read(id);
        if self.checks_numbers() {
            self.need_numbers(id, &[])?;
        }
        self.evaluate(id)
    }

    /// The elements of a tensor, computed if need be.
    pub(crate) fn values<T: Element>(&mut self, what: &str, x: Handle) -> Maybe<&[T]> {
        let id = self.core.resolve(what, x)?;
        self.core.need_dtype(what, id, T::DTYPE)?;
        self.read(id)?;
        Ok(self.core.values(id))
    }

    /// Computes a value if need be.
    pub(crate) fn eval(&mut self, x: Handle) -> Maybe<()> {
        let id = self.core.resolve("eval", x)?;
        self.evaluate(id)
    }

    /// Copies the elements of a tensor to `out`, which has as many.
    pub(crate) fn read_into<T: Element>(&mut self, x: Handle, out: &mut [T]) -> Maybe<()> {
        let what = "read";
        let values = self.values::<T>(what, x)?;
        if values.len() == out.len() {
            out.copy_from_slice(values);
            return Ok(());
        }
        let len = values.len();
        Err(self.core.fail(
            ErrorKind::Shape,
            format_args!(
                "{what}: the tensor has {len} elements, and there is room for {}",
                out.len()
            ),
        ))
    }

    /// The one element of a tensor of any dtype.
    pub(crate) fn item(&mut self, x: Handle) -> Maybe<f64> {
        let what = "item";
        let id = self.core.resolve(what, x)?;
        if self.core.node(id).len != 1 {
            let dims = self.core.shape(id);
            return Err(self.core.fail(
                ErrorKind::Shape,
                format_args!(
                    "{what}: a tensor of shape {dims:?} is not a single element: use read"
                ),
            ));
        }
        self.read(id)?;
        Ok(with_dtype!(self.core.node(id).dtype, T => self.core.values::<T>(id)[0].to_f64()))
    }

    pub(crate) fn dtype(&mut self, x: Handle) -> Maybe<DType> {
        let id = self.core.resolve("dtype", x)?;
        Ok(self.core.node(id).dtype)
    }

    pub(crate) fn shape(&mut self, x: Handle) -> Maybe<Dims> {
        let id = self.core.resolve("shape", x)?;
        Ok(self.core.shape(id))
    }

    /// The name of the operation, none for a leaf.
    pub(crate) fn op_name(&mut self, x: Handle) -> Maybe<Option<&str>> {
        let id = self.core.resolve("op_name", x)?;
        Ok((self.core.node(id).op != Op::Leaf).then(|| self.core.op_name(id)))
    }

    pub(crate) fn requires_grad(&mut self, x: Handle) -> Maybe<bool> {
        let id = self.core.resolve("requires_grad", x)?;
        Ok(self.core.node(id).requires_grad)
    }

    // ---- leaves ----

    pub(crate) fn write<T: Element>(&mut self, x: Handle, data: &[T]) -> Maybe<()> {
        let id = self.core.resolve("write", x)?;
        self.core.write(id, data)
    }

    /// A constant leaf with the value that `x` has now.
    pub(crate) fn snapshot(&mut self, x: Handle) -> Handle {
        let what = "snapshot";
        let Ok(id) = self.core.resolve(what, x) else { return Handle::NULL };
        // (What is made of it holds for this value, as if it had been read.)
        if self.read(id).is_err() {
            return Handle::NULL;
        }
        let buffer = self.core.state(id).value();
        self.record(|core| core.copy_leaf(what, id, buffer))
    }

    // ---- gradients ----

    /// Adds the gradients of the roots to those of the leaves. Nothing has changed if it fails.
    ///
    /// A first gradient is not copied: the slot takes over the buffer it was computed in. All that
    /// can fail is done before any gradient changes.
    pub(crate) fn backward(
        &mut self,
        roots: impl ExactSizeIterator<Item = (Handle, Option<Handle>)>,
    ) -> Maybe<()> {
        self.resolve_roots("backward", roots)?;
        if self.checks_numbers() {
            self.need_finite_gradients()?;
        }
        let Self { core, engine, given, targets, roots, .. } = self;
        engine.backward(core, given, targets, roots)?;
        for k in 0..engine.results().len() {
            let target = engine.results()[k].0;
            core.slot(target).inspect_err(|_| engine.drop_results(core))?;
        }
        core.is_torn = true;
        while let Some(&(target, buffer)) = engine.results().last() {
            core.fail_point.pass();
            let slot = core.node(target).slot as usize;
            match core.slots[slot].grad {
                None => core.slots[slot].grad = Some(buffer),
                Some(grad) => {
                    engine.accumulate(core, target, grad, buffer);
                    core.pool.give(buffer);
                }
            }
            engine.forget_result();
        }
        core.is_torn = false;
        Ok(())
    }

    /// Looks operands up, into `self.xs`.
    pub(crate) fn resolve_all(
        &mut self,
        what: &str,
        xs: impl ExactSizeIterator<Item = Handle>,
    ) -> Maybe<()> {
        self.xs.clear();
        if self.xs.try_room(xs.len()).is_err() {
            return Err(self.core.out_of_memory(what));
        }
        for x in xs {
            self.xs.push_within(self.core.resolve(what, x)?);
        }
        Ok(())
    }

    /// Looks the roots and their head gradients up, into `self.given`.
    fn resolve_roots(
        &mut self,
        what: &str,
        roots: impl ExactSizeIterator<Item = (Handle, Option<Handle>)>,
    ) -> Maybe<()> {
        self.given.clear();
        if self.given.try_room(roots.len()).is_err() {
            return Err(self.core.out_of_memory(what));
        }
        for (root, head) in roots {
            let root = self.core.resolve(what, root)?;
            let head = head.map(|head| self.core.resolve(what, head)).transpose()?;
            self.given.push_within((root, head));
        }
        Ok(())
    }

    /// Records the gradients of the roots with respect to `xs`, on behalf of `what`; null for unused inputs.
    pub(crate) fn grad(
        &mut self,
        what: &'static str,
        roots: impl ExactSizeIterator<Item = (Handle, Option<Handle>)>,
        xs: impl ExactSizeIterator<Item = Handle>,
        allow_unused: bool,
        mut found: impl FnMut(usize, Handle),
    ) -> Maybe<()> {
        self.resolve_roots(what, roots)?;
        self.resolve_all(what, xs)?;
        self.attempt(what, |session| {
            let Self { core, given, xs, found: out, .. } = session;
            let (room, first) = (out.try_extend_to(xs.len(), NodeId::NONE), core.len());
            room.map_err(|_| core.out_of_memory(what))?;
            core.record_grad(given, xs, allow_unused, &mut out[..xs.len()])?;
            core.note_derived(what, first, given.iter().map(|&(root, _)| root))
        })?;
        for (i, &id) in self.found[..self.xs.len()].iter().enumerate() {
            found(i, if id.is_none() { Handle::NULL } else { self.core.handle(id) });
        }
        Ok(())
    }

    pub(crate) fn gradient(&mut self, what: &str, x: Handle) -> Maybe<(NodeId, Option<Buffer>)> {
        let id = self.core.resolve(what, x)?;
        let node = self.core.node(id);
        let slot = node.has_slot().then_some(node.slot as usize);
        Ok((id, slot.and_then(|slot| self.core.slots[slot].grad)))
    }

    /// The gradient of a leaf, or of a node that retains its own; none before the first backward.
    pub(crate) fn grad_values<T: Element>(&mut self, x: Handle) -> Maybe<Option<&[T]>> {
        let what = "grad";
        let (id, grad) = self.gradient(what, x)?;
        self.core.need_dtype(what, id, T::DTYPE)?;
        Ok(grad.map(|grad| self.core.slot_values(id, grad)))
    }

    /// A constant leaf with the present gradient; null, and no error, where there is none.
    pub(crate) fn grad_leaf(&mut self, x: Handle) -> Handle {
        let what = "grad_tensor";
        match self.gradient(what, x) {
            Ok((id, Some(grad))) => self.record(|core| core.copy_leaf(what, id, Some(grad))),
            _ => Handle::NULL,
        }
    }

    pub(crate) fn zero_grad(&mut self, x: Handle) -> Maybe<()> {
        self.core.need_own("zero_grad")?;
        let id = self.core.resolve("zero_grad", x)?;
        if self.core.node(id).has_slot() {
            let slot = self.core.node(id).slot as usize;
            self.core.clear_grad(slot);
        }
        Ok(())
    }

    pub(crate) fn zero_all_grads(&mut self) {
        if self.core.need_own("zero_grads").is_err() {
            return;
        }
        (0..self.core.slots.len()).for_each(|slot| self.core.clear_grad(slot));
    }

    /// Lets a node that is no leaf keep its gradient from backward.
    pub(crate) fn retain_grad(&mut self, x: Handle) -> Maybe<()> {
        let what = "retain_grad";
        let id = self.core.resolve(what, x)?;
        if !self.core.node(id).requires_grad {
            return Err(self.core.fail(
                ErrorKind::Gradient,
                format_args!(
                    "{what}: a tensor that does not require grad has no gradient to retain"
                ),
            ));
        }
        if !self.core.node(id).has_slot() {
            self.core.slot(id)?;
            self.core.mutated(id);
        }
        Ok(())
    }

    // ---- memory ----

    /// Lets the graph take at most this many bytes from the system.
    pub(crate) fn set_memory_limit(&mut self, bytes: usize) {
        self.core.set_memory_limit(bytes);
        self.engine.count(&mut self.core);
    }

    /// Lets evaluations hold at most this many bytes of tensors at a time.
    pub(crate) fn set_memory_budget(&mut self, bytes: usize) {
        self.core.pool.set_budget(bytes);
        self.engine.forget_plans();
    }

    /// What memory reading a tensor takes.
    pub(crate) fn plan_memory(&mut self, x: Handle) -> Maybe<PlanMemory> {
        let id = self.core.resolve("plan_memory", x)?;
        self.engine.memory_to_read(&mut self.core, id)
    }

    /// What memory a backward of these roots takes.
    pub(crate) fn plan_memory_backward(
        &mut self,
        roots: impl ExactSizeIterator<Item = (Handle, Option<Handle>)>,
    ) -> Maybe<PlanMemory> {
        let what = "plan_memory_backward";
        self.resolve_roots(what, roots)?;
        self.attempt(what, |session| {
            let Self { core, engine, given, targets, roots, .. } = session;
            engine.memory_of_backward(core, given, targets, roots)
        })
    }

    /// Keeps of all that was recorded since the mark only the values of `outs`.
    pub(crate) fn checkpoint(
        &mut self,
        begin: Mark,
        outs: impl ExactSizeIterator<Item = Handle>,
    ) -> Maybe<()> {
        self.resolve_all("checkpoint", outs)?;
        let Self { core, xs, .. } = self;
        core.checkpoint(begin, xs)
    }

    pub(crate) fn memory(&self) -> MemoryStats {
        let plans = self.engine.bytes(&self.core) + self.between.bytes();
        MemoryStats { plans, ..self.core.stats() }
    }
}

/// Lives while a call of the interface runs, and is dropped only when that unwinds.
struct Unwinding<'a> {
    session: &'a mut Session,
    start: Start,
}

impl Drop for Unwinding<'_> {
    #[cold]
    fn drop(&mut self) {
        let Session { core, engine, .. } = &mut *self.session;
        engine.recover(core);
        core.recover(self.start);
    }
}

impl Core {
    /// A constant leaf with the content of a buffer that holds a value of `like`'s kind.
    fn copy_leaf(&mut self, what: &str, like: NodeId, from: Option<Buffer>) -> Maybe<NodeId> {
        let (dims, dtype) = (self.shape(like), self.node(like).dtype);
        let leaf = self.new_leaf(what, dtype, &dims)?;
        if let (Some(from), Some(to)) = (from, self.state(leaf).value()) {
            let bytes = self.node(leaf).len * dtype.size();
            // SAFETY: both buffers hold that many bytes, and the leaf's is new.
            unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to.as_ptr(), bytes) };
        }
        Ok(leaf)
    }

    pub(crate) fn clear_grad(&mut self, slot: usize) {
        if let Some(grad) = self.slots[slot].grad.take() {
            self.pool.give(grad);
        }
    }
}
