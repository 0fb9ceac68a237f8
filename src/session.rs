//! What can be done with a graph: the one place behind the Rust and the C interface.
//!
//! Both hand in [`Handle`]s, and get [`Fail`](crate::error::Fail) when something is wrong; the
//! words are in the core's error slot. How a failure is reported is theirs.

pub(crate) mod derivatives;

use crate::arena::TryPush;
use crate::buffer::{Buffer, MemoryStats};
use crate::dtype::{DType, Element, with_dtype};
use crate::error::{ErrorKind, Fail, Maybe};
use crate::exec::Engine;
use crate::fpenv::{Scope, Subnormals};
use crate::graph::{Core, Handle, Operand, Start};
use crate::id::NodeId;
use crate::node::Op;
use crate::op::Rule;
use crate::roll_call::Elem;
use crate::shape::Dims;
use crate::transform::Between;

pub(crate) struct Session {
    pub(crate) core: Core,
    pub(crate) engine: Engine,
    /// Lists that calls fill anew each time, so that a repeated one allocates nothing.
    given: Vec<(NodeId, Option<NodeId>)>,
    targets: Vec<(NodeId, NodeId)>,
    roots: Vec<NodeId>,
    /// The operands of a list at hand, and the gradients that were found for them.
    xs: Vec<NodeId>,
    found: Vec<NodeId>,
    /// What goes along with each of them.
    others: Vec<NodeId>,
    between: Between,
}

// SAFETY: a session owns everything it points to (pages of its bump, buffers of its pool), and
// shares them with nobody; moving it to another thread moves that ownership along.
unsafe impl Send for Session {}

/// Operands and results of an operation, at most; of lists there may be more.
const MOST: usize = 8;

/// Records an operation on operands: its results, as many as there is room for.
pub(crate) type Recording<'a> = &'a mut dyn FnMut(&mut Core, &[NodeId], &mut [NodeId]) -> Maybe<()>;

/// A recording of so many operands and results as one of any number, to be called once.
#[inline]
pub(crate) fn once<const N: usize, const R: usize>(
    record: impl FnOnce(&mut Core, [NodeId; N]) -> Maybe<[NodeId; R]>,
) -> impl FnMut(&mut Core, &[NodeId], &mut [NodeId]) -> Maybe<()> {
    let mut record = Some(record);
    move |core, operands, out| {
        let (Some(record), Ok(&operands)) = (record.take(), operands.try_into()) else {
            unreachable!("as many operands, once")
        };
        out.copy_from_slice(&record(core, operands)?);
        Ok(())
    }
}

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

    // ---- recording ----

    /// Runs a recording; the handle of its node, or null.
    pub(crate) fn record(&mut self, record: impl FnOnce(&mut Core) -> Maybe<NodeId>) -> Handle {
        let [handle] = self.operation("record", [], |core, []| Ok([record(core)?]));
        handle
    }

    /// What changes nothing gives its operand: without gradients, where none are recorded.
    fn offered(&mut self, start: Start, id: NodeId) -> Maybe<NodeId> {
        let is_old = id.index() < start.nodes;
        let detaches = is_old && self.core.no_grad > 0 && self.core.node(id).requires_grad;
        if detaches { self.core.detach(id) } else { Ok(id) }
    }

    fn handle_since(&self, start: Start, id: NodeId) -> Handle {
        // A new node has the present tag: no need to look it up.
        let is_new = id.index() >= start.nodes;
        if is_new { Handle::new(id.0, self.core.tag) } else { self.core.handle(id) }
    }

    /// Records an operation on some operands: its results.
    #[inline]
    pub(crate) fn operation<const N: usize, const R: usize>(
        &mut self,
        what: &str,
        xs: [Handle; N],
        record: impl FnOnce(&mut Core, [NodeId; N]) -> Maybe<[NodeId; R]>,
    ) -> [Handle; R] {
        let mut results = [Handle::NULL; R];
        self.record_results(what, &xs, &mut results, &mut once(record));
        results
    }

    /// The same: compiled once, since there are hundreds of operations. The results are null handles, and
    /// stay so if it fails.
    pub(crate) fn record_results(
        &mut self,
        what: &str,
        xs: &[Handle],
        results: &mut [Handle],
        record: Recording<'_>,
    ) {
        let start = self.core.start();
        let (mut operands, mut out) = ([NodeId::NONE; MOST], [NodeId::NONE; MOST]);
        let out = &mut out[..results.len()];
        let recorded = (|| {
            for (id, &x) in operands.iter_mut().zip(xs) {
                *id = self.core.resolve(what, x)?;
            }
            record(&mut self.core, &operands[..xs.len()], out)?;
            for id in out.iter_mut() {
                *id = self.offered(start, *id)?;
            }
            Ok(())
        })();
        match recorded {
            Ok(()) => {
                for (result, &id) in results.iter_mut().zip(&*out) {
                    *result = self.handle_since(start, id);
                }
            }
            Err(Fail) => self.undo(start),
        }
    }

    /// Records an operation with a list of results, each of which is told; says whether all went well.
    pub(crate) fn list_of<const N: usize>(
        &mut self,
        what: &str,
        xs: [Handle; N],
        record: impl FnOnce(&mut Core, [NodeId; N], &mut Vec<NodeId>) -> Maybe<()>,
        tell: impl FnMut(Handle),
    ) -> bool {
        self.record_list(
            |core, out| {
                let mut ids = [NodeId::NONE; N];
                for (id, x) in ids.iter_mut().zip(xs) {
                    *id = core.resolve(what, x)?;
                }
                record(core, ids, out)
            },
            tell,
        )
    }

    /// As `list_of`, for a list of operands.
    pub(crate) fn list_of_all(
        &mut self,
        what: &str,
        xs: impl ExactSizeIterator<Item = Handle>,
        record: impl FnOnce(&mut Core, &mut [NodeId], &mut Vec<NodeId>) -> Maybe<()>,
        tell: impl FnMut(Handle),
    ) -> bool {
        if self.resolve_all(what, xs).is_err() {
            return false;
        }
        let mut operands = std::mem::take(&mut self.xs);
        let is_right = self.record_list(|core, out| record(core, &mut operands, out), tell);
        self.xs = operands;
        is_right
    }

    fn record_list(
        &mut self,
        record: impl FnOnce(&mut Core, &mut Vec<NodeId>) -> Maybe<()>,
        mut tell: impl FnMut(Handle),
    ) -> bool {
        let (start, mut out) = (self.core.start(), std::mem::take(&mut self.found));
        out.clear();
        let recorded = (|| {
            record(&mut self.core, &mut out)?;
            for id in &mut out {
                *id = self.offered(start, *id)?;
            }
            Ok(())
        })();
        match recorded {
            Ok(()) => out.iter().for_each(|&id| tell(self.handle_since(start, id))),
            Err(Fail) => self.undo(start),
        }
        self.found = out;
        recorded.is_ok()
    }

    /// Drops what a recording that failed has left.
    #[cold]
    fn undo(&mut self, start: Start) {
        self.core.go_back(start);
        // Plans must not be in the way of the next try.
        if self.core.pool.is_limited() && self.core.error.kind() == Some(ErrorKind::Memory) {
            self.engine.spare(&mut self.core, None);
        }
    }

    /// As `record`, for a recording of one node: if it fails, or unwinds, there is nothing to undo.
    #[inline(always)]
    fn record_one(&mut self, record: impl FnOnce(&mut Core) -> Maybe<NodeId>) -> Handle {
        match record(&mut self.core) {
            Ok(id) => Handle::new(id.0, self.core.tag),
            Err(Fail) => {
                self.undo(self.core.start());
                Handle::NULL
            }
        }
    }

    pub(crate) fn record1(
        &mut self,
        what: &str,
        x: Handle,
        record: impl FnOnce(&mut Core, NodeId) -> Maybe<NodeId>,
    ) -> Handle {
        self.record(|core| {
            let x = core.resolve(what, x)?;
            record(core, x)
        })
    }

    #[cfg(test)]
    pub(crate) fn record2(
        &mut self,
        what: &str,
        a: Handle,
        b: Handle,
        record: impl FnOnce(&mut Core, NodeId, NodeId) -> Maybe<NodeId>,
    ) -> Handle {
        let [y] = self.operation(what, [a, b], |core, [a, b]| Ok([record(core, a, b)?]));
        y
    }

    // Elementwise functions. They do no arithmetic and record one node, so these four, and no others,
    // may be called without `enter`, which would take them a seventh of their time.

    /// An elementwise function.
    pub(crate) fn map(&mut self, elem: Elem, x: Handle) -> Handle {
        self.record_one(|core| {
            let x = core.resolve(Rule::of(elem).name, x)?;
            core.map_here(elem, x)
        })
    }

    /// An elementwise function of two operands.
    pub(crate) fn map2(&mut self, elem: Elem, a: Handle, b: Handle) -> Handle {
        self.record_one(|core| {
            let what = Rule::of(elem).name;
            let (a, b) = (core.resolve(what, a)?, core.resolve(what, b)?);
            core.map2_here(elem, a, b)
        })
    }

    /// An elementwise function of a tensor and a number.
    pub(crate) fn map_scalar(&mut self, elem: Elem, x: Handle, c: f64) -> Handle {
        self.record_one(|core| {
            let x = core.resolve(Rule::of(elem).name, x)?;
            core.map2_here(elem, x, Operand::Constant(c))
        })
    }

    /// An elementwise function of a number and a tensor.
    pub(crate) fn scalar_map(&mut self, elem: Elem, c: f64, x: Handle) -> Handle {
        self.record_one(|core| {
            let x = core.resolve(Rule::of(elem).name, x)?;
            core.map2_here(elem, Operand::Constant(c), x)
        })
    }

    /// As `record1`, for a list of operands.
    pub(crate) fn record_all(
        &mut self,
        what: &str,
        xs: impl ExactSizeIterator<Item = Handle>,
        record: impl FnOnce(&mut Core, &mut [NodeId]) -> Maybe<NodeId>,
    ) -> Handle {
        if self.resolve_all(what, xs).is_err() {
            return Handle::NULL;
        }
        let mut operands = std::mem::take(&mut self.xs);
        let handle = self.record(|core| record(core, &mut operands));
        self.xs = operands;
        handle
    }

    // ---- reading ----

    pub(crate) fn evaluate(&mut self, id: NodeId) -> Maybe<()> {
        self.engine.evaluate(&mut self.core, id)
    }

    /// Computes a value if need be, for the user to see.
    pub(crate) fn read(&mut self, id: NodeId) -> Maybe<()> {
        self.core.note_read(id);
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
    pub(crate) fn op_name(&mut self, x: Handle) -> Maybe<Option<&'static str>> {
        let id = self.core.resolve("op_name", x)?;
        let op = self.core.node(id).op;
        Ok((op != Op::Leaf).then(|| op.name()))
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
        if self.evaluate(id).is_err() {
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
    fn resolve_all(&mut self, what: &str, xs: impl ExactSizeIterator<Item = Handle>) -> Maybe<()> {
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

    /// Records the gradients of the roots with respect to `xs`; null for unused inputs.
    pub(crate) fn grad(
        &mut self,
        roots: impl ExactSizeIterator<Item = (Handle, Option<Handle>)>,
        xs: impl ExactSizeIterator<Item = Handle>,
        allow_unused: bool,
        mut found: impl FnMut(usize, Handle),
    ) -> Maybe<()> {
        let what = "grad";
        self.resolve_roots(what, roots)?;
        self.resolve_all(what, xs)?;
        let Self { core, given, xs, found: out, .. } = self;
        if out.try_extend_to(xs.len(), NodeId::NONE).is_err() {
            return Err(core.out_of_memory(what));
        }
        let out = &mut out[..xs.len()];
        let start = core.start();
        core.record_grad(given, xs, allow_unused, out).inspect_err(|_| core.go_back(start))?;
        for (i, &id) in out.iter().enumerate() {
            found(i, if id.is_none() { Handle::NULL } else { core.handle(id) });
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
        let id = self.core.resolve("zero_grad", x)?;
        if self.core.node(id).has_slot() {
            let slot = self.core.node(id).slot as usize;
            self.core.clear_grad(slot);
        }
        Ok(())
    }

    pub(crate) fn zero_all_grads(&mut self) {
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

    fn clear_grad(&mut self, slot: usize) {
        if let Some(grad) = self.slots[slot].grad.take() {
            self.pool.give(grad);
        }
    }
}
