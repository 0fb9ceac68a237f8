//! Softmax, its losses, and dropout.

use super::Sink;
use crate::error::{ErrorKind, Maybe};
use crate::graph::{Core, NewNode, Operand};
use crate::id::NodeId;
use crate::node::{Comparison, Op};
use crate::roll_call::Elem;

/// The class that says: leave this row out.
pub(crate) const IGNORED_CLASS: i64 = -100;

/// What a loss makes of the losses of the single elements or rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduce {
    /// Nothing.
    None,
    /// Their mean.
    Mean,
    /// Their sum.
    Sum,
}

impl Core {
    fn softmax_like(&mut self, op: Op, x: NodeId, axis: isize) -> Maybe<NodeId> {
        let what = op.name();
        let dtype = self.need_float(what, x)?;
        let rank = self.shape(x).len();
        let axis = self.axis(what, axis, rank)?;
        if rank == 0 {
            // One element is a distribution by itself.
            let row = self.unsqueeze(x, 0)?;
            let y = self.softmax_like(op, row, 0)?;
            return self.reshape_to(what, y, &[]);
        }
        let mut node = NewNode::new(op, dtype);
        node.inputs[0] = x;
        node.list = self.intern(&[axis])?;
        (node.shape, node.len) = (self.node(x).shape, self.node(x).len);
        self.push(node)
    }

    /// e^x / sum e^x along an axis, without overflow.
    ///
    /// - PyTorch: `torch.softmax(x, axis)`
    pub(crate) fn softmax(&mut self, x: NodeId, axis: isize) -> Maybe<NodeId> {
        self.softmax_like(Op::Softmax, x, axis)
    }

    /// x - log sum e^x along an axis, without overflow.
    ///
    /// - PyTorch: `torch.log_softmax(x, axis)`
    pub(crate) fn log_softmax(&mut self, x: NodeId, axis: isize) -> Maybe<NodeId> {
        self.softmax_like(Op::LogSoftmax, x, axis)
    }

    pub(crate) fn vjp_softmax(&mut self, id: NodeId, g: NodeId, sink: &mut Sink) -> Maybe<()> {
        let x = self.node(id).inputs[0];
        if !sink.wants(self, x) {
            return Ok(());
        }
        let weighted = self.map2(Elem::Mul, g, id)?;
        let axis = self.list(self.node(id).list)[0] as isize;
        let total = self.sum(weighted, &[axis], true)?;
        let rest = self.map2(Elem::Sub, g, total)?;
        let cotangent = self.map2(Elem::Mul, id, rest)?;
        sink.send(self, x, cotangent)
    }

    pub(crate) fn vjp_log_softmax(&mut self, id: NodeId, g: NodeId, sink: &mut Sink) -> Maybe<()> {
        let x = self.node(id).inputs[0];
        if !sink.wants(self, x) {
            return Ok(());
        }
        let axis = self.list(self.node(id).list)[0] as isize;
        let total = self.totals(g, axis)?;
        let share = self.softmax(x, axis)?;
        // A row that was left out may have no softmax.
        let times = if self.node(g).op == Op::Unpick { Elem::Weigh } else { Elem::Mul };
        let taken = self.map2(times, share, total)?;
        let cotangent = self.map2(Elem::Sub, g, taken)?;
        sink.send(self, x, cotangent)
    }

    /// The sums along an axis, which keeps length 1.
    fn totals(&mut self, x: NodeId, axis: isize) -> Maybe<NodeId> {
        let node = *self.node(x);
        if node.op != Op::Unpick || axis != 1 {
            return self.sum(x, &[axis], true);
        }
        // One element a row is not 0, or none.
        let [g, classes, ..] = node.inputs;
        let used =
            self.compare(Comparison::Ne, classes, Operand::Constant(IGNORED_CLASS as f64))?;
        let totals = self.where_(used, g, Operand::Constant(0.0))?;
        self.unsqueeze(totals, -1)
    }

    /// The mean over the rows of -log softmax(logits) at the row's class. Logits are [rows, classes], classes
    /// i64 of shape [rows]; rows of class -100 are left out.
    ///
    /// - PyTorch: `F.cross_entropy(logits, classes)`
    pub(crate) fn cross_entropy(&mut self, logits: NodeId, classes: NodeId) -> Maybe<NodeId> {
        let what = "cross_entropy";
        let dtype = self.need_float(what, logits)?;
        self.need_index(what, classes)?;
        let (dims, rows) = (self.shape(logits), self.shape(classes));
        if dims.len() != 2 || rows.len() != 1 || rows[0] != dims[0] {
            return Err(self.fail(
                ErrorKind::Shape,
                format_args!(
                    "{what}: needs logits of shape [rows, classes] and one class a row, not {dims:?} \
                     and {rows:?}"
                ),
            ));
        }
        let log = self.log_softmax(logits, 1)?;
        let picked = self.pick(log, classes)?;
        let total = self.sum(picked, &[], false)?;
        let used =
            self.compare(Comparison::Ne, classes, Operand::Constant(IGNORED_CLASS as f64))?;
        let used = self.cast(used, dtype)?;
        let count = self.sum(used, &[], false)?;
        let loss = self.map(Elem::Neg, total)?;
        self.map2(Elem::Div, loss, count)
    }

    pub(crate) fn vjp_pick(&mut self, op: Op, id: NodeId, g: NodeId, sink: &mut Sink) -> Maybe<()> {
        let node = *self.node(id);
        let [x, classes, ..] = node.inputs;
        if !sink.wants(self, x) {
            return Ok(());
        }
        let cotangent = match op {
            Op::Pick => self.unpick(g, classes, self.shape(x)[1])?,
            _ => self.pick(g, classes)?,
        };
        sink.send(self, x, cotangent)
    }

    /// Of each row the element of its class; 0 for an ignored row.
    fn pick(&mut self, x: NodeId, classes: NodeId) -> Maybe<NodeId> {
        let mut node = NewNode::new(Op::Pick, self.node(x).dtype);
        (node.inputs[0], node.inputs[1]) = (x, classes);
        (node.shape, node.len) = (self.node(classes).shape, self.node(classes).len);
        self.push(node)
    }

    /// Rows of zeros, so many each, with the elements of `x` where their classes tell.
    pub(crate) fn unpick(&mut self, x: NodeId, classes: NodeId, row: usize) -> Maybe<NodeId> {
        let mut node = NewNode::new(Op::Unpick, self.node(x).dtype);
        (node.inputs[0], node.inputs[1]) = (x, classes);
        let dims = [self.node(classes).len, row];
        (node.shape, node.len) = self.intern_shape(Op::Unpick.name(), &dims)?;
        self.push(node)
    }

    /// The mean of (a - b)^2 over all elements of two tensors of one shape, which are not broadcast.
    ///
    /// - PyTorch: `F.mse_loss(a, b)`
    pub(crate) fn mse(&mut self, a: NodeId, b: NodeId) -> Maybe<NodeId> {
        let what = "mse";
        self.need_same_float(what, a, b)?;
        // Broadcasting a column with a row would make a matrix of differences, and its mean is
        // what hardly anybody means.
        if self.node(a).shape != self.node(b).shape {
            return Err(self.refuse_pair(a, b, |slot, a, b| {
                slot.set(
                    ErrorKind::Shape,
                    format_args!(
                        "{what}: needs tensors of one shape, not {a} and {b}: use reshape or expand"
                    ),
                )
            }));
        }
        let difference = self.map2(Elem::Sub, a, b)?;
        let square = self.map(Elem::Square, difference)?;
        self.mean(square, &[], false)
    }

    /// A stream that no creation function has, and no other dropout: neither one recorded since the
    /// seed was set, nor one recorded under another seed, which draws from the present one, too.
    fn dropout_stream(&self) -> u64 {
        !(self.streams ^ self.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    /// While the graph is in training mode: each element 0 with probability `p`, else scaled by 1 / (1 - p).
    /// Otherwise the tensor itself.
    ///
    /// The choice is made from the seed, from how many random leaves and dropouts were recorded since the
    /// seed was set before this one, and from how many replays began since. Value and gradient have the same
    /// one. A replay begins, and the choice is new, with each write to any leaf, an optimiser's step, a
    /// rewind, a reset, a change of mode, and a resample.
    ///
    /// - PyTorch: `F.dropout(x, p)`
    pub(crate) fn dropout(&mut self, x: NodeId, p: f64) -> Maybe<NodeId> {
        let what = "dropout";
        let dtype = self.need_float(what, x)?;
        if !(0.0..=1.0).contains(&p) {
            return Err(self.fail(
                ErrorKind::Argument,
                format_args!("{what}: the probability must be from 0 to 1, not {p}"),
            ));
        }
        let mut mask = NewNode::new(Op::DropoutMask, dtype);
        (mask.shape, mask.len, mask.imm) = (self.node(x).shape, self.node(x).len, p);
        mask.list = self.intern(&[self.dropout_stream() as usize])?;
        let mask = self.push(mask)?;
        self.streams += 1;
        self.map2(Elem::Weigh, x, mask)
    }
}
