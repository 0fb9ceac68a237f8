//! Recording on behalf of a caller who has handles: what fails leaves nothing behind.

use super::Session;
use crate::error::{ErrorKind, Fail, Maybe};
use crate::graph::{Core, Handle, Operand, Start};
use crate::id::NodeId;
use crate::op::Rule;
use crate::roll_call::Elem;

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
    /// Runs a recording; the handle of its node, or null.
    pub(crate) fn record(&mut self, record: impl FnOnce(&mut Core) -> Maybe<NodeId>) -> Handle {
        let [handle] = self.operation("", [], |core, []| Ok([record(core)?]));
        handle
    }

    /// What changes nothing gives its operand: without gradients, where none are recorded.
    pub(super) fn offered(&mut self, start: Start, id: NodeId) -> Maybe<NodeId> {
        let is_old = id.index() < start.nodes;
        let detaches = is_old && self.core.no_grad > 0 && self.core.node(id).requires_grad;
        if detaches { self.core.detach(id) } else { Ok(id) }
    }

    pub(super) fn handle_since(&self, start: Start, id: NodeId) -> Handle {
        // A new node has the present tag: no need to look it up.
        let is_new = id.index() >= start.nodes;
        if is_new { Handle::new(id.0, self.core.tag) } else { self.core.handle(id) }
    }

    /// Records an operation on some operands: its results.
    #[inline]
    pub(crate) fn operation<const N: usize, const R: usize>(
        &mut self,
        what: &'static str,
        xs: [Handle; N],
        record: impl FnOnce(&mut Core, [NodeId; N]) -> Maybe<[NodeId; R]>,
    ) -> [Handle; R] {
        let mut results = [Handle::NULL; R];
        self.record_results(what, &xs, &mut results, &mut once(record));
        results
    }

    /// The same: compiled once, since there are hundreds of operations. The results are null handles, and
    /// stay so if it fails. What fails in it is told on behalf of `what`, unless that is empty.
    pub(crate) fn record_results(
        &mut self,
        what: &'static str,
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
            self.core.called = what;
            record(&mut self.core, &operands[..xs.len()], out)?;
            for id in out.iter_mut() {
                *id = self.offered(start, *id)?;
            }
            Ok(())
        })();
        self.core.called = "";
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
        what: &'static str,
        xs: [Handle; N],
        record: impl FnOnce(&mut Core, [NodeId; N], &mut Vec<NodeId>) -> Maybe<()>,
        tell: impl FnMut(Handle),
    ) -> bool {
        self.record_list(
            what,
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
        what: &'static str,
        xs: impl ExactSizeIterator<Item = Handle>,
        record: impl FnOnce(&mut Core, &mut [NodeId], &mut Vec<NodeId>) -> Maybe<()>,
        tell: impl FnMut(Handle),
    ) -> bool {
        if self.resolve_all(what, xs).is_err() {
            return false;
        }
        let mut operands = std::mem::take(&mut self.xs);
        let is_right = self.record_list(what, |core, out| record(core, &mut operands, out), tell);
        self.xs = operands;
        is_right
    }

    pub(super) fn record_list(
        &mut self,
        what: &'static str,
        record: impl FnOnce(&mut Core, &mut Vec<NodeId>) -> Maybe<()>,
        mut tell: impl FnMut(Handle),
    ) -> bool {
        let (start, mut out) = (self.core.start(), std::mem::take(&mut self.found));
        out.clear();
        let recorded = (|| {
            self.core.called = what;
            record(&mut self.core, &mut out)?;
            for id in &mut out {
                *id = self.offered(start, *id)?;
            }
            Ok(())
        })();
        self.core.called = "";
        match recorded {
            Ok(()) => out.iter().for_each(|&id| tell(self.handle_since(start, id))),
            Err(Fail) => self.undo(start),
        }
        self.found = out;
        recorded.is_ok()
    }

    /// Makes a recording of which nothing stays if it fails. What fails in it is told on behalf of `what`; as
    /// it is, if that is empty.
    pub(super) fn attempt<R>(
        &mut self,
        what: &'static str,
        record: impl FnOnce(&mut Self) -> Maybe<R>,
    ) -> Maybe<R> {
        let start = self.core.start();
        let before = std::mem::replace(&mut self.core.called, what);
        let result = record(self).inspect_err(|_| self.undo(start));
        self.core.called = before;
        result
    }

    /// Makes a recording of which nothing stays in any case.
    pub(super) fn for_now<R>(
        &mut self,
        what: &'static str,
        record: impl FnOnce(&mut Self) -> Maybe<R>,
    ) -> Maybe<R> {
        let start = self.core.start();
        let result = self.attempt(what, record);
        self.core.go_back(start);
        result
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

    /// As `record`, for a recording of one node, or of two of integers.
    #[inline(always)]
    fn record_one(&mut self, record: impl FnOnce(&mut Core) -> Maybe<NodeId>) -> Handle {
        let start = self.core.start();
        match record(&mut self.core) {
            Ok(id) => Handle::new(id.0, self.core.tag),
            Err(Fail) => {
                self.undo(start);
                Handle::NULL
            }
        }
    }

    pub(crate) fn record1(
        &mut self,
        what: &'static str,
        x: Handle,
        record: impl FnOnce(&mut Core, NodeId) -> Maybe<NodeId>,
    ) -> Handle {
        let [y] = self.operation(what, [x], |core, [x]| Ok([record(core, x)?]));
        y
    }

    #[cfg(test)]
    pub(crate) fn record2(
        &mut self,
        what: &'static str,
        a: Handle,
        b: Handle,
        record: impl FnOnce(&mut Core, NodeId, NodeId) -> Maybe<NodeId>,
    ) -> Handle {
        let [y] = self.operation(what, [a, b], |core, [a, b]| Ok([record(core, a, b)?]));
        y
    }

    // Elementwise functions. They do no arithmetic and record a node, or two, one after the other, so these four,
    // and no others, may be called without `enter`, which would take them a seventh of their time.

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
        what: &'static str,
        xs: impl ExactSizeIterator<Item = Handle>,
        record: impl FnOnce(&mut Core, &mut [NodeId]) -> Maybe<NodeId>,
    ) -> Handle {
        if self.resolve_all(what, xs).is_err() {
            return Handle::NULL;
        }
        let mut operands = std::mem::take(&mut self.xs);
        let [handle] = self.operation(what, [], |core, []| Ok([record(core, &mut operands)?]));
        self.xs = operands;
        handle
    }
}
