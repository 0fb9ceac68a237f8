//! Backward is more graph: one reverse walk that records cotangent nodes.
//!
//! From the roots down the ids, each node's cotangent is complete when the walk arrives at it,
//! because whoever uses a node has a larger id. The walk is a loop, never a recursion. Here, and
//! only here, cotangents are summed back to the shape of operands that were broadcast.

use std::cell::{Cell, RefCell};

use crate::arena::TryPush;
use crate::error::{ErrorKind, Maybe};
use crate::graph::{Core, Operand, WalkScratch};
use crate::id::NodeId;
use crate::node::{Comparison, Node, Op};
use crate::op::{Elementwise, Sink, binary, unary};
use crate::real::Real;
use crate::roll_call::{Elem, roll_call};

/// The cotangent of a node that the roots depend on by paths whose derivatives are all zero. It is
/// handed on as such, without arithmetic, in which 0 times infinity would be NaN.
const ZERO: NodeId = NodeId::IMMEDIATE;

/// Cotangents so far, by node.
struct Cotangents {
    of: Vec<NodeId>,
    /// Of the nodes that stand for the expanded form of the `Pull` node `pull`, from `first` on.
    expanded: Vec<NodeId>,
    first: usize,
    pull: NodeId,
}

impl Cotangents {
    fn get_mut(&mut self, id: NodeId) -> &mut NodeId {
        if id.index() >= self.first {
            &mut self.expanded[id.index() - self.first]
        } else {
            &mut self.of[id.index()]
        }
    }

    /// Whether gradients flow to a node. What stands for a `Pull` is recorded late, and must not
    /// flow where the `Pull` itself would not: to its operands, and from its value to the value's.
    fn reach(&self, core: &Core, id: NodeId) -> bool {
        if self.first == usize::MAX || id.index() >= self.first {
            return true;
        }
        let is_it = |path: NodeId| path == id;
        core.paths(self.pull).any(|path| is_it(path) || core.paths(path).any(is_it))
    }

    fn add(&mut self, core: &mut Core, id: NodeId, cotangent: NodeId) -> Maybe<()> {
        if !self.reach(core, id) {
            return Ok(());
        }
        let cotangent = core.sum_to(cotangent, id)?;
        let sum = match *self.get_mut(id) {
            NodeId::NONE | ZERO => cotangent,
            sum => core.map2(Elem::Add, sum, cotangent)?,
        };
        *self.get_mut(id) = sum;
        Ok(())
    }

    /// Notes that the roots depend on the operands of a node that has a cotangent: none of them
    /// counts as unused, whatever was sent to it.
    fn note_paths(&mut self, core: &Core, id: NodeId) {
        for path in core.paths(id) {
            if self.reach(core, path) && self.get_mut(path).is_none() {
                *self.get_mut(path) = ZERO;
            }
        }
    }

    fn drain(&mut self, core: &mut Core, sink: &mut Sink) -> Maybe<()> {
        for (operand, cotangent) in sink.sent.drain(..) {
            self.add(core, operand, cotangent)?;
        }
        Ok(())
    }
}

/// Fills `list` with `len` times "none".
fn clear(core: &mut Core, list: &mut Vec<NodeId>, len: usize) -> Maybe<()> {
    list.clear();
    list.try_extend_to(len, NodeId::NONE).map_err(|_| core.out_of_memory("backward"))
}

impl Core {
    /// Records the cotangents of everything that `roots` depend on and that requires gradients.
    /// `found(core, node, cotangent)` is told of each, in falling order of ids.
    fn walk(
        &mut self,
        roots: &[(NodeId, NodeId)],
        mut found: impl FnMut(&mut Core, NodeId, NodeId) -> Maybe<()>,
    ) -> Maybe<()> {
        let Some(top) = roots.iter().map(|(root, _)| root.index()).max() else { return Ok(()) };
        let mut scratch = std::mem::take(&mut self.walk_scratch);
        let mut cotangents = Cotangents {
            of: std::mem::take(&mut scratch.cotangents),
            expanded: std::mem::take(&mut scratch.expanded),
            first: usize::MAX,
            pull: NodeId::NONE,
        };
        let mut sink = Sink { of: NodeId::NONE, sent: std::mem::take(&mut scratch.sent) };
        let walked = (|| {
            clear(self, &mut cotangents.of, top + 1)?;
            for &(root, head) in roots {
                cotangents.add(self, root, head)?;
            }
            for id in (0..=top as u32).rev().map(NodeId) {
                let g = cotangents.of[id.index()];
                if g.is_none() {
                    continue;
                }
                found(self, id, g)?;
                if self.node(id).op != Op::Leaf && self.node(id).requires_grad {
                    self.vjp(id, g, &mut cotangents, &mut sink)?;
                }
            }
            Ok(())
        })();
        sink.sent.clear();
        self.walk_scratch = WalkScratch {
            cotangents: cotangents.of,
            expanded: cotangents.expanded,
            sent: sink.sent,
            heads: std::mem::take(&mut self.walk_scratch.heads),
        };
        walked
    }

    /// Adds the cotangents that a node sends to its operands.
    fn vjp(
        &mut self,
        id: NodeId,
        g: NodeId,
        cotangents: &mut Cotangents,
        sink: &mut Sink,
    ) -> Maybe<()> {
        if g != ZERO {
            sink.of = id;
            self.send(id, g, cotangents, sink)?;
            cotangents.drain(self, sink)?;
        }
        cotangents.note_paths(self, id);
        Ok(())
    }

    fn send(
        &mut self,
        id: NodeId,
        g: NodeId,
        cotangents: &mut Cotangents,
        sink: &mut Sink,
    ) -> Maybe<()> {
        let op = self.node(id).op;
        match op {
            Op::Map(elem) => self.vjp_map(elem, id, g, sink),
            Op::Pull(elem, i) => self.vjp_pull(elem, i, id, g, cotangents, sink),
            Op::Where => self.vjp_where(id, g, sink),
            Op::Cast => self.vjp_cast(id, g, sink),
            Op::Reduce(reduction) => self.vjp_reduce(reduction, id, g, sink),
            Op::Softmax => self.vjp_softmax(id, g, sink),
            Op::LogSoftmax => self.vjp_log_softmax(id, g, sink),
            Op::Reshape | Op::Permute | Op::Expand | Op::Slice => self.vjp_view(op, id, g, sink),
            Op::Embed => self.vjp_embed(id, g, sink),
            Op::Concat => self.vjp_concat(id, g, sink),
            Op::IndexSelect | Op::IndexAdd | Op::Gather | Op::ScatterAdd => {
                self.vjp_index(op, id, g, sink)
            }
            Op::Prod => self.vjp_prod(id, g, sink),
            Op::Pick | Op::Unpick => self.vjp_pick(op, id, g, sink),
            Op::MatMul => self.vjp_matmul(id, g, sink),
            Op::Leaf
            | Op::Fill
            | Op::DropoutMask
            | Op::Detach
            | Op::Compare(_)
            | Op::ArgReduce(_) => Ok(()),
        }
    }

    /// A gradient is itself differentiated: the rule behind the compact node is recorded in full,
    /// and the walk goes through that recording instead.
    fn vjp_pull(
        &mut self,
        elem: Elem,
        i: u8,
        id: NodeId,
        g: NodeId,
        cotangents: &mut Cotangents,
        sink: &mut Sink,
    ) -> Maybe<()> {
        let first = self.len();
        // The recording must know which of its nodes need gradients, whoever asks for them.
        let no_grad = std::mem::replace(&mut self.no_grad, 0);
        let expanded = expand(self, elem, i as usize, *self.node(id));
        self.no_grad = no_grad;
        let Operand::Node(root) = expanded? else { return Ok(()) };
        let last = self.len();
        let mut list = std::mem::take(&mut cotangents.expanded);
        clear(self, &mut list, last - first)?;
        (cotangents.expanded, cotangents.first, cotangents.pull) = (list, first, id);
        let walked = (|| {
            cotangents.add(self, root, g)?;
            for id in (first as u32..last as u32).rev().map(NodeId) {
                let g = *cotangents.get_mut(id);
                if !g.is_none() && self.node(id).requires_grad {
                    // Rules are made of operations that are no `Pull`s, so this goes no deeper.
                    self.vjp(id, g, cotangents, sink)?;
                }
            }
            Ok(())
        })();
        cotangents.first = usize::MAX;
        walked
    }

    /// A node for the cotangent of `id`.
    fn written_out(&mut self, id: NodeId, cotangent: NodeId) -> Maybe<NodeId> {
        if cotangent == ZERO { self.fill_like(id, 0.0) } else { Ok(cotangent) }
    }

    /// The head gradients of the roots: those given, else ones for single elements.
    fn heads(
        &mut self,
        what: &str,
        roots: &[(NodeId, Option<NodeId>)],
    ) -> Maybe<Vec<(NodeId, NodeId)>> {
        let mut out = std::mem::take(&mut self.walk_scratch.heads);
        out.clear();
        if out.try_room(roots.len()).is_err() {
            return Err(self.out_of_memory(what));
        }
        for (i, &(y, head)) in roots.iter().enumerate() {
            if !self.node(y).requires_grad {
                return Err(self.fail(
                    ErrorKind::Gradient,
                    format_args!(
                        "{what}: element {i} of tensors does not require grad and does not have a \
                         grad_fn"
                    ),
                ));
            }
            let head = match head {
                None if self.node(y).len == 1 => self.fill_like(y, 1.0)?,
                None => {
                    let dims = self.shape(y);
                    return Err(self.fail(
                        ErrorKind::Gradient,
                        format_args!(
                            "{what}: grad can be implicitly created only for scalar outputs, not \
                             for {dims:?}: give a head gradient"
                        ),
                    ));
                }
                Some(head) => {
                    let (want, have) = (*self.node(y), *self.node(head));
                    if want.shape != have.shape {
                        let (want, have) = (self.shape(y), self.shape(head));
                        return Err(self.fail(
                            ErrorKind::Shape,
                            format_args!("{what}: the head gradient must have the shape {want:?} of the value, not {have:?}"),
                        ));
                    }
                    if want.dtype != have.dtype {
                        return Err(self.fail(
                            ErrorKind::DType,
                            format_args!(
                                "{what}: the head gradient must be {} like the value, not {}: use cast",
                                want.dtype, have.dtype
                            ),
                        ));
                    }
                    head
                }
            };
            out.push_within((y, head));
        }
        Ok(out)
    }

    /// Records the gradients of the roots with respect to every leaf that requires one, and every
    /// node that retains its own. The caller drops the recorded nodes after use.
    pub(crate) fn record_backward(
        &mut self,
        roots: &[(NodeId, Option<NodeId>)],
        targets: &mut Vec<(NodeId, NodeId)>,
    ) -> Maybe<()> {
        self.no_grad += 1;
        let recorded = self.heads("backward", roots).and_then(|heads| {
            let walked = self.walk(&heads, |core, id, g| {
                let node = core.node(id);
                let is_target = node.requires_grad && (node.op == Op::Leaf || node.has_slot());
                if is_target {
                    let g = core.written_out(id, g)?;
                    targets.try_push((id, g)).map_err(|_| core.out_of_memory("backward"))?;
                }
                Ok(())
            });
            self.walk_scratch.heads = heads;
            walked
        });
        self.no_grad -= 1;
        recorded
    }

    /// Records the gradients of the roots with respect to `xs`, as nodes that can be
    /// differentiated again; "none" for an `x` that the roots do not depend on.
    pub(crate) fn record_grad(
        &mut self,
        roots: &[(NodeId, Option<NodeId>)],
        xs: &[NodeId],
        allow_unused: bool,
        out: &mut [NodeId],
    ) -> Maybe<()> {
        let what = "grad";
        if let Some(i) = xs.iter().position(|&x| !self.node(x).requires_grad) {
            return Err(self.fail(
                ErrorKind::Gradient,
                format_args!(
                    "{what}: input {i} does not require grad: set requires_grad before recording"
                ),
            ));
        }
        out.fill(NodeId::NONE);
        if allow_unused && !roots.iter().any(|&(y, _)| self.node(y).requires_grad) {
            return Ok(()); // no root depends on anything that has a gradient
        }
        let heads = self.heads(what, roots)?;
        let walked = self.walk(&heads, |core, id, g| {
            if xs.contains(&id) {
                let g = core.written_out(id, g)?;
                xs.iter().zip(&mut *out).filter(|&(&x, _)| x == id).for_each(|(_, out)| *out = g);
            }
            Ok(())
        });
        self.walk_scratch.heads = heads;
        walked?;
        match out.iter().position(|x| x.is_none()) {
            Some(i) if !allow_unused => Err(self.fail(
                ErrorKind::Gradient,
                format_args!(
                    "{what}: input {i} is not used by the outputs: allow unused inputs, or leave it out"
                ),
            )),
            _ => Ok(()),
        }
    }
}

// ---- the recorder: a number type that appends nodes ----

struct Recorder<'a> {
    core: RefCell<&'a mut Core>,
    /// A node of the dtype and shape that constants take when they must become tensors.
    like: NodeId,
    failed: Cell<bool>,
}

/// A number that is being recorded.
#[derive(Clone, Copy)]
enum Rec<'a> {
    Constant(f64),
    Node(&'a Recorder<'a>, NodeId),
}

/// A recorded comparison, or one of two constants.
#[derive(Clone, Copy)]
enum RecMask<'a> {
    Constant(bool),
    Node(&'a Recorder<'a>, NodeId),
}

impl<'a> Recorder<'a> {
    fn run(&'a self, record: impl FnOnce(&mut Core) -> Maybe<NodeId>) -> Option<NodeId> {
        if self.failed.get() {
            return None;
        }
        let id = record(&mut self.core.borrow_mut()).ok();
        self.failed.set(id.is_none());
        id
    }

    /// After a failure the rest of the rule runs on constants, and its result is not used.
    fn record(&'a self, record: impl FnOnce(&mut Core) -> Maybe<NodeId>) -> Rec<'a> {
        self.run(record).map_or(Rec::Constant(0.0), |id| Rec::Node(self, id))
    }
}

impl<'a> Rec<'a> {
    fn operand(self) -> Operand {
        match self {
            Rec::Constant(c) => Operand::Constant(c),
            Rec::Node(_, id) => Operand::Node(id),
        }
    }

    fn unary(self, elem: Elem, fold: fn(f64) -> f64) -> Self {
        match self {
            Rec::Constant(c) => Rec::Constant(fold(c)),
            Rec::Node(recorder, x) => recorder.record(|core| core.map(elem, x)),
        }
    }

    fn binary(self, elem: Elem, other: Self, fold: fn(f64, f64) -> f64) -> Self {
        match (self, other) {
            (Rec::Constant(a), Rec::Constant(b)) => Rec::Constant(fold(a, b)),
            (Rec::Node(recorder, _), _) | (_, Rec::Node(recorder, _)) => {
                recorder.record(|core| core.map2(elem, self.operand(), other.operand()))
            }
        }
    }

    /// `swapped` is the comparison that says the same with its operands exchanged.
    fn compare(
        self,
        comparison: Comparison,
        swapped: Comparison,
        other: Self,
        fold: fn(&f64, &f64) -> bool,
    ) -> RecMask<'a> {
        let (recorder, mask) = match (self, other) {
            (Rec::Constant(a), Rec::Constant(b)) => return RecMask::Constant(fold(&a, &b)),
            (Rec::Node(recorder, a), b) => {
                (recorder, recorder.run(|core| core.compare(comparison, a, b.operand())))
            }
            (a, Rec::Node(recorder, b)) => {
                (recorder, recorder.run(|core| core.compare(swapped, b, a.operand())))
            }
        };
        mask.map_or(RecMask::Constant(false), |id| RecMask::Node(recorder, id))
    }
}

macro_rules! rec_operators {
    ($($trait:ident $method:ident $elem:ident),*) => {$(
        impl std::ops::$trait for Rec<'_> {
            type Output = Self;
            fn $method(self, other: Self) -> Self {
                self.binary(Elem::$elem, other, |a, b| std::ops::$trait::$method(a, b))
            }
        }
    )*};
}
rec_operators!(Add add Add, Sub sub Sub, Mul mul Mul, Div div Div);

impl std::ops::Neg for Rec<'_> {
    type Output = Self;
    fn neg(self) -> Self {
        self.unary(Elem::Neg, |x| -x)
    }
}

macro_rules! rec_functions {
    ($($method:ident $elem:ident),*) => {$(
        fn $method(self) -> Self {
            self.unary(Elem::$elem, <f64 as Real>::$method)
        }
    )*};
}

impl<'a> Real for Rec<'a> {
    type Mask = RecMask<'a>;

    fn lit(x: f64) -> Self {
        Rec::Constant(x)
    }

    rec_functions!(
        abs Abs, sqrt Sqrt, floor Floor, ceil Ceil, round Round, exp Exp, expm1 Expm1, ln Log,
        log1p Log1p, sin Sin, cos Cos, tan Tan, tanh Tanh, sigmoid Sigmoid, erf Erf,
        bell Bell, gaussian Gaussian, normal_cdf NormalCdf, logistic Logistic,
        logistic_cdf LogisticCdf
    );

    fn strong(self, other: Self) -> Self {
        match (self, other) {
            // Nothing depends on the other one.
            (Rec::Constant(0.0), _) | (_, Rec::Constant(0.0)) => Rec::Constant(0.0),
            _ => self.binary(Elem::Strong, other, <f64 as Real>::strong),
        }
    }

    fn pow_log(self, exponent: Self, k: usize) -> Self {
        match k {
            0 => self.binary(Elem::PowLog0, exponent, |a, b| a.pow_log(b, 0)),
            1 => self.binary(Elem::PowLog1, exponent, |a, b| a.pow_log(b, 1)),
            2 => self.binary(Elem::PowLog2, exponent, |a, b| a.pow_log(b, 2)),
            _ => {
                let away = Self::select(self.eq(Self::lit(0.0)), Self::lit(1.0), self);
                self.pow_log(exponent, k - 1).strong(away.ln())
            }
        }
    }

    fn pow(self, exponent: Self) -> Self {
        self.binary(Elem::Pow, exponent, <f64 as Real>::pow)
    }

    fn atan2(self, x: Self) -> Self {
        self.binary(Elem::Atan2, x, <f64 as Real>::atan2)
    }

    fn eq(self, other: Self) -> RecMask<'a> {
        self.compare(Comparison::Eq, Comparison::Eq, other, |a, b| a == b)
    }

    fn lt(self, other: Self) -> RecMask<'a> {
        self.compare(Comparison::Lt, Comparison::Gt, other, |a, b| a < b)
    }

    fn le(self, other: Self) -> RecMask<'a> {
        self.compare(Comparison::Le, Comparison::Ge, other, |a, b| a <= b)
    }

    fn select(mask: RecMask<'a>, yes: Self, no: Self) -> Self {
        match mask {
            RecMask::Constant(set) => {
                if set {
                    yes
                } else {
                    no
                }
            }
            // Both the same, as where an exact exponent leaves nothing to choose.
            RecMask::Node(..) if yes.operand() == no.operand() => yes,
            RecMask::Node(recorder, mask) => recorder.record(|core| {
                let yes = match (yes, no) {
                    (Rec::Constant(c), Rec::Constant(_)) => {
                        Operand::Node(core.fill_like(recorder.like, c)?)
                    }
                    _ => yes.operand(),
                };
                core.where_(mask, yes, no.operand())
            }),
        }
    }
}

/// Records the rule of `elem` that the pull node stands for, for operand `i`.
fn expand(core: &mut Core, elem: Elem, i: usize, pull: Node) -> Maybe<Operand> {
    let arity = elem.arity();
    let recorder = Recorder {
        core: RefCell::new(core),
        like: pull.inputs[arity + 1],
        failed: Cell::new(false),
    };
    // What the compact rule does not read may still be known from the value's node.
    let value = pull.inputs[arity];
    let known =
        if value.is_node() { recorder.core.borrow().node(value).inputs } else { pull.inputs };
    let operand = |k: usize| match pull.inputs[k] {
        NodeId::NONE if k < arity && known[k].is_node() => Rec::Node(&recorder, known[k]),
        NodeId::IMMEDIATE => Rec::Constant(pull.imm),
        NodeId::NONE if k < arity && known[k] == NodeId::IMMEDIATE => Rec::Constant(pull.imm),
        // Nobody reads it.
        NodeId::NONE => Rec::Constant(f64::NAN),
        id => Rec::Node(&recorder, id),
    };
    let (y, g) = (operand(arity), operand(arity + 1));
    macro_rules! run {
        (1: $($unary:ident),*; 2: $($binary:ident),*;) => {
            match elem {
                $(Elem::$unary => unary::$unary::recorded([operand(0)], y, g)[i],)*
                $(Elem::$binary => binary::$binary::recorded([operand(0), operand(1)], y, g)[i],)*
            }
        };
    }
    let result = roll_call!(run).operand();
    if recorder.failed.get() { Err(crate::error::Fail) } else { Ok(result) }
}
