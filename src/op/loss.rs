//! Softmax, the losses of classes, and dropout.
//!
//! Losses of classes gather from rows: where classes are not along the last axis, it is moved there first,
//! so that softmax, gathering and their gradients are one pass over the rows.

use super::Sink;
use super::class::IGNORED_CLASS;
use crate::dtype::DType;
use crate::error::{ErrorKind, Maybe};
use crate::graph::{Core, NewNode, Operand};
use crate::id::{ListId, NodeId};
use crate::node::{Comparison, Op};
use crate::op::record::Rec;
use crate::real::Real;
use crate::roll_call::{Elem, Structural};
use crate::shape::Dims;

/// One element a row, where its class tells.
const PER_CLASS: Op = Op::Structural(Structural::ScatterClass);

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

/// Log-probabilities of classes, a row each, and the classes of the rows.
struct ClassRows {
    log: NodeId,
    classes: NodeId,
    /// The shape that the classes were given in.
    dims: Dims,
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
        self.push_here(node)
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
        let times = if self.node(g).op == PER_CLASS { Elem::Weigh } else { Elem::Mul };
        let taken = self.map2(times, share, total)?;
        let cotangent = self.map2(Elem::Sub, g, taken)?;
        sink.send(self, x, cotangent)
    }

    /// The sums along an axis, which keeps length 1.
    fn totals(&mut self, x: NodeId, axis: isize) -> Maybe<NodeId> {
        let node = *self.node(x);
        if node.op != PER_CLASS || axis != 1 {
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
        let picked = self.gather_class(log, classes)?;
        let total = self.sum(picked, &[], false)?;
        let used =
            self.compare(Comparison::Ne, classes, Operand::Constant(IGNORED_CLASS as f64))?;
        let used = self.cast(used, dtype)?;
        let count = self.sum(used, &[], false)?;
        let loss = self.map(Elem::Neg, total)?;
        self.map2(Elem::Div, loss, count)
    }

    /// Broadcasting a column with a row would make a matrix of differences, and its mean is what hardly
    /// anybody means.
    pub(super) fn need_same_shape(&mut self, what: &str, a: NodeId, b: NodeId) -> Maybe<()> {
        self.need_same_float(what, a, b)?;
        self.need_shape_of(what, a, b)
    }

    /// Of any types.
    pub(super) fn need_shape_of(&mut self, what: &str, a: NodeId, b: NodeId) -> Maybe<()> {
        if self.node(a).shape == self.node(b).shape {
            return Ok(());
        }
        Err(self.refuse_pair(a, b, |slot, a, b| {
            slot.set(
                ErrorKind::Shape,
                format_args!(
                    "{what}: needs tensors of one shape, not {a} and {b}: use reshape or expand"
                ),
            )
        }))
    }

    /// The losses of single elements or rows, reduced.
    pub(super) fn reduced(&mut self, losses: NodeId, reduction: Reduce) -> Maybe<NodeId> {
        match reduction {
            Reduce::None => Ok(losses),
            Reduce::Mean => self.mean(losses, &[], false),
            Reduce::Sum => self.sum(losses, &[], false),
        }
    }

    /// -x at the row's class, of log-probabilities x of shape [rows, classes] or [rows, classes, ...], with one
    /// class (i64) for each [rows, ...]; or of one row, [classes]. Reduced; elements of class -100 are left
    /// out: they are 0, and the mean is over the others.
    ///
    /// - PyTorch: `F.nll_loss(x, classes, reduction=reduction)`
    /// - Cases: `x=U(4,3), classes=I(0,2,1,1), reduction='none'`;
    ///   `x=U(4,3), classes=I(0,2,1,1), reduction='mean'`;
    ///   `x=U(4,3), classes=I(0,-100,1,-100), reduction='sum'`;
    ///   `x=U(4,3), classes=I(0,-100,1,-100), reduction='mean'`;
    ///   `x=U(4,3), classes=I(0,-100,1,-100), reduction='none'`;
    ///   `x=U(2,3,2), classes=I([0,2],[-100,1]), reduction='none'`;
    ///   `x=U(2,3,2), classes=I([0,2],[-100,1]), reduction='mean'`;
    ///   `x=U(2,3,1,2), classes=I([[0,2]],[[-100,1]]), reduction='sum'`;
    ///   `x=U(3), classes=np.array(1), reduction='none'`; `x=U(3), classes=np.array(1), reduction='mean'`;
    ///   `x=S(1,2,3,4).reshape(2,2), classes=I(-100,-100), reduction='mean'`;
    ///   `x=S(1,-inf,nan,4).reshape(2,2), classes=I(1,1), reduction='none'`;
    ///   `x=U(0,3), classes=I(), reduction='none'`; `x=U(0,3), classes=I(), reduction='sum'`;
    ///   `x=S().reshape(0,3), classes=I(), reduction='mean'`;
    ///   `x=U(2,3,0), classes=I([],[]), reduction='none'`
    pub(crate) fn nll_loss(
        &mut self,
        x: NodeId,
        classes: NodeId,
        reduction: Reduce,
    ) -> Maybe<NodeId> {
        let what = "nll_loss";
        let rows = self.class_rows(what, x, classes)?;
        self.class_loss(what, rows, None, 0.0, reduction)
    }

    /// As `nll_loss`, with the loss of each element times the weight of its class; the mean is divided by the
    /// sum of those weights.
    ///
    /// - PyTorch: `F.nll_loss(x, classes, weights, reduction=reduction)`
    /// - Cases: `x=U(4,3), classes=I(0,2,1,1), weights=C(.5,2,1), reduction='none'`;
    ///   `x=U(4,3), classes=I(0,-100,1,1), weights=C(.5,2,1), reduction='mean'`;
    ///   `x=U(4,3), classes=I(0,2,1,1), weights=C(.5,2,0), reduction='sum'`;
    ///   `x=U(2,3,2), classes=I([0,2],[-100,1]), weights=C(.5,2,1), reduction='mean'`
    pub(crate) fn nll_loss_weighted(
        &mut self,
        x: NodeId,
        classes: NodeId,
        weights: NodeId,
        reduction: Reduce,
    ) -> Maybe<NodeId> {
        let what = "nll_loss_weighted";
        let rows = self.class_rows(what, x, classes)?;
        self.class_loss(what, rows, Some(weights), 0.0, reduction)
    }

    /// -log softmax(logits) at the row's class, otherwise as `nll_loss`. With label smoothing s, from 0 to 1, the
    /// part s of each target is spread evenly over all classes. C. Szegedy et al., 2016.
    ///
    /// - PyTorch: `F.cross_entropy(logits, classes, label_smoothing=label_smoothing, reduction=reduction)`
    /// - Cases: `logits=U(4,3), classes=I(0,2,1,1), label_smoothing=0., reduction='none'`;
    ///   `logits=U(4,3), classes=I(0,2,-100,1), label_smoothing=.1, reduction='mean'`;
    ///   `logits=U(4,3), classes=I(0,2,-100,1), label_smoothing=.3, reduction='none'`;
    ///   `logits=U(4,3), classes=I(0,2,-100,1), label_smoothing=.3, reduction='sum'`;
    ///   `logits=U(2,3,2), classes=I([0,2],[-100,1]), label_smoothing=.1, reduction='none'`;
    ///   `logits=U(2,3,2,2), classes=I([[0,2],[1,1]],[[-100,1],[2,0]]), label_smoothing=0., reduction='mean'`;
    ///   `logits=U(3), classes=np.array(1), label_smoothing=.1, reduction='mean'`;
    ///   `logits=U(2,3), classes=I(0,1), label_smoothing=1., reduction='mean'`;
    ///   `logits=S(1,2,3,4).reshape(2,2), classes=I(-100,-100), label_smoothing=.1, reduction='mean'`;
    ///   `logits=S(1000,0,-1000,0,0,0).reshape(2,3), classes=I(2,0), label_smoothing=0., reduction='none'`
    pub(crate) fn cross_entropy_with(
        &mut self,
        logits: NodeId,
        classes: NodeId,
        label_smoothing: f64,
        reduction: Reduce,
    ) -> Maybe<NodeId> {
        let what = "cross_entropy_with";
        let mut rows = self.class_rows(what, logits, classes)?;
        rows.log = self.log_softmax(rows.log, 1)?;
        self.class_loss(what, rows, None, label_smoothing, reduction)
    }

    /// As `cross_entropy_with`, with a weight for each class, [classes], by which its part of a loss is
    /// multiplied; the mean is divided by the sum of the weights of the rows' classes.
    ///
    /// - PyTorch: `F.cross_entropy(logits, classes, weights, label_smoothing=label_smoothing, reduction=reduction)`
    /// - Cases: `logits=U(4,3), classes=I(0,2,1,1), weights=C(.5,2,1), label_smoothing=0., reduction='none'`;
    ///   `logits=U(4,3), classes=I(0,2,-100,1), weights=C(.5,2,1), label_smoothing=.1, reduction='mean'`;
    ///   `logits=U(4,3), classes=I(0,2,-100,1), weights=C(.5,2,1), label_smoothing=.3, reduction='none'`;
    ///   `logits=U(2,3,2), classes=I([0,2],[-100,1]), weights=C(.5,2,1), label_smoothing=.1, reduction='sum'`;
    ///   `logits=U(2,3,2), classes=I([0,2],[-100,1]), weights=C(.5,2,0), label_smoothing=0., reduction='mean'`
    pub(crate) fn cross_entropy_weighted(
        &mut self,
        logits: NodeId,
        classes: NodeId,
        weights: NodeId,
        label_smoothing: f64,
        reduction: Reduce,
    ) -> Maybe<NodeId> {
        let what = "cross_entropy_weighted";
        let mut rows = self.class_rows(what, logits, classes)?;
        rows.log = self.log_softmax(rows.log, 1)?;
        self.class_loss(what, rows, Some(weights), label_smoothing, reduction)
    }

    /// -sum target log softmax(logits) over the classes, for targets that are probabilities, of the shape of the
    /// logits: [rows, classes], [rows, classes, ...], or [classes]. With label smoothing s they are
    /// (1 - s) target + s / classes. Reduced; the mean is over rows.
    ///
    /// - PyTorch: `F.cross_entropy(logits, target, label_smoothing=label_smoothing, reduction=reduction)`
    /// - Cases: `logits=U(4,3), target=U(4,3,lo=0,hi=1), label_smoothing=0., reduction='mean'`;
    ///   `logits=U(4,3), target=U(4,3,lo=0,hi=1), label_smoothing=.1, reduction='none'`;
    ///   `logits=U(4,3), target=U(4,3,lo=0,hi=1), label_smoothing=.1, reduction='sum'`;
    ///   `logits=U(2,3,2), target=U(2,3,2,lo=0,hi=1), label_smoothing=0., reduction='mean'`;
    ///   `logits=U(2,3,2), target=U(2,3,2,lo=0,hi=1), label_smoothing=.2, reduction='none'`;
    ///   `logits=U(3), target=U(3,lo=0,hi=1), label_smoothing=0., reduction='mean'`;
    ///   `logits=S(1000,0,0,0).reshape(2,2), target=S(0,1,1,0).reshape(2,2), label_smoothing=0., reduction='none'`
    pub(crate) fn cross_entropy_soft(
        &mut self,
        logits: NodeId,
        target: NodeId,
        label_smoothing: f64,
        reduction: Reduce,
    ) -> Maybe<NodeId> {
        let what = "cross_entropy_soft";
        self.need_same_shape(what, logits, target)?;
        self.need_smoothing(what, label_smoothing)?;
        let dims = self.shape(logits);
        if dims.is_empty() {
            return Err(self.fail(
                ErrorKind::Shape,
                format_args!("{what}: needs an axis of classes, and the logits are 0-d"),
            ));
        }
        let axis = usize::from(dims.len() > 1);
        let log = self.log_softmax(logits, axis as isize)?;
        let products = self.expression(what, [target, log], |[target, log]| {
            let even = label_smoothing / dims[axis] as f64;
            let target = match label_smoothing {
                0.0 => target,
                s => target * Rec::lit(1.0 - s) + Rec::lit(even),
            };
            -(target * log)
        })?;
        let losses = self.sum(products, &[axis as isize], false)?;
        self.reduced(losses, reduction)
    }

    fn need_smoothing(&mut self, what: &str, smoothing: f64) -> Maybe<()> {
        if (0.0..=1.0).contains(&smoothing) {
            return Ok(());
        }
        Err(self.fail(
            ErrorKind::Argument,
            format_args!("{what}: label smoothing must be from 0 to 1, not {smoothing}"),
        ))
    }

    /// What all losses of log-probabilities and classes have in common.
    fn class_loss(
        &mut self,
        what: &str,
        rows: ClassRows,
        weights: Option<NodeId>,
        smoothing: f64,
        reduction: Reduce,
    ) -> Maybe<NodeId> {
        self.need_smoothing(what, smoothing)?;
        let ClassRows { log, classes, dims } = rows;
        let (dtype, count) = (self.node(log).dtype, self.shape(log)[1]);
        if let Some(weights) = weights {
            self.need_same_float(what, log, weights)?;
            let given = self.shape(weights);
            if *given != [count] {
                return Err(self.fail(
                    ErrorKind::Shape,
                    format_args!(
                        "{what}: needs a weight for each of {count} classes, not {given:?}"
                    ),
                ));
            }
        }
        let zero = Operand::Constant(0.0);
        // All with the other sign up to the end: then the gradient of a mean does not wait for its value.
        let mut gains = self.gather_class(log, classes)?;
        let used =
            self.compare(Comparison::Ne, classes, Operand::Constant(IGNORED_CLASS as f64))?;
        // How much each row counts.
        let share = match weights {
            Some(weights) => {
                let safe = self.cast(classes, DType::F64)?;
                let safe = self.where_(used, safe, zero)?;
                let safe = self.cast(safe, DType::I64)?;
                let share = self.index_select(weights, 0, safe)?;
                let share = self.where_(used, share, zero)?;
                gains = self.map2(Elem::Mul, gains, share)?;
                share
            }
            None => self.cast(used, dtype)?,
        };
        // The sums over a row's classes, without those of rows that are left out.
        let mut all = None;
        if smoothing > 0.0 {
            let log = weights.map_or(Ok(log), |weights| self.map2(Elem::Mul, log, weights))?;
            let column = self.cast(used, dtype)?;
            let column = self.unsqueeze(column, 1)?;
            let log = self.map2(Elem::Weigh, log, column)?;
            let axes: &[isize] = if reduction == Reduce::None { &[1] } else { &[] };
            all = Some(self.sum(log, axes, false)?);
        }
        if reduction != Reduce::None {
            gains = self.sum(gains, &[], false)?;
        }
        if let Some(all) = all {
            let even = smoothing / count as f64;
            gains = self.expression(what, [gains, all], |[gain, all]| {
                gain * Rec::lit(1.0 - smoothing) + all * Rec::lit(even)
            })?;
        }
        let losses = self.map(Elem::Neg, gains)?;
        match reduction {
            Reduce::None => self.reshape_to(what, losses, &dims),
            Reduce::Sum => Ok(losses),
            Reduce::Mean => {
                let shares = self.sum(share, &[], false)?;
                self.map2(Elem::Div, losses, shares)
            }
        }
    }

    /// What is given for each class, as rows, and as many classes.
    fn class_rows(&mut self, what: &str, x: NodeId, classes: NodeId) -> Maybe<ClassRows> {
        self.need_float(what, x)?;
        self.need_index(what, classes)?;
        let (dims, given) = (self.shape(x), self.shape(classes));
        let axis = usize::from(dims.len() > 1);
        let mut order = Dims::SCALAR;
        (0..dims.len()).filter(|&other| other != axis).for_each(|other| order.push(other));
        let fits = !dims.is_empty()
            && order.len() == given.len()
            && order.iter().zip(given.iter()).all(|(&from, &len)| dims[from] == len);
        if !fits {
            return Err(self.fail(
                ErrorKind::Shape,
                format_args!(
                    "{what}: needs [rows, classes, ...] and a class for each of [rows, ...], not \
                     {dims:?} and {given:?}"
                ),
            ));
        }
        let rows = self.node(classes).len;
        order.push(axis);
        let x = self.permute_by(what, x, &order)?;
        let log = self.reshape_to(what, x, &[rows, dims[axis]])?;
        Ok(ClassRows { log, classes: self.reshape_to(what, classes, &[rows])?, dims: given })
    }

    /// The list of a node that draws from a stream of its own.
    pub(crate) fn next_stream(&mut self) -> Maybe<ListId> {
        let list = self.intern(&[self.dropout_stream() as usize])?;
        self.streams += 1;
        Ok(list)
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
        mask.list = self.next_stream()?;
        let mask = self.push(mask)?;
        self.map2(Elem::Weigh, x, mask)
    }
}
