//! The recorder: a number type that appends nodes. An expression that is run on it is recorded.
//!
//! Rules are, when they are differentiated again, and operations that are an expression of others.

use std::cell::{Cell, RefCell};

use crate::error::{Fail, Maybe};
use crate::function::{Function, Function2};
use crate::graph::{Core, Operand};
use crate::id::NodeId;
use crate::node::{Comparison, INLINE_OPERANDS};
use crate::real::Real;
use crate::roll_call::Elem;

pub(crate) struct Recorder<'a> {
    core: RefCell<&'a mut Core>,
    /// A node of the dtype and shape that constants take when they must become tensors.
    like: NodeId,
    failed: Cell<bool>,
}

/// A number that is being recorded.
#[derive(Clone, Copy)]
pub(crate) enum Rec<'a> {
    Constant(f64),
    Node(&'a Recorder<'a>, NodeId),
}

/// A recorded comparison, or one of two constants.
#[derive(Clone, Copy)]
pub(crate) enum RecMask<'a> {
    Constant(bool),
    Node(&'a Recorder<'a>, NodeId),
}

impl<'a> Recorder<'a> {
    /// One whose constants take the dtype and the shape of a node, when they must become tensors.
    pub(crate) fn new(core: &'a mut Core, like: NodeId) -> Self {
        Self { core: RefCell::new(core), like, failed: Cell::new(false) }
    }

    /// What was recorded last.
    pub(crate) fn end(&self, result: Rec<'_>) -> Maybe<Operand> {
        if self.failed.get() { Err(Fail) } else { Ok(result.operand()) }
    }

    /// The operands of a node, those that it has not got being none.
    pub(crate) fn operands_of(&self, id: NodeId) -> [NodeId; INLINE_OPERANDS] {
        self.core.borrow().node(id).inputs
    }

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

    #[inline(never)]
    fn unary(self, elem: Elem, fold: fn(f64) -> f64) -> Self {
        match self {
            Rec::Constant(c) => Rec::Constant(fold(c)),
            Rec::Node(recorder, x) => recorder.record(|core| core.map(elem, x)),
        }
    }

    #[inline(never)]
    fn binary(self, elem: Elem, other: Self, fold: fn(f64, f64) -> f64) -> Self {
        match (self, other) {
            (Rec::Constant(a), Rec::Constant(b)) => Rec::Constant(fold(a, b)),
            (Rec::Node(recorder, _), _) | (_, Rec::Node(recorder, _)) => {
                recorder.record(|core| core.map2(elem, self.operand(), other.operand()))
            }
        }
    }

    /// `swapped` is the comparison that says the same with its operands exchanged.
    #[inline(never)]
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

    #[inline(never)]
    fn strong(self, other: Self) -> Self {
        match (self, other) {
            // Nothing depends on the other one.
            (Rec::Constant(0.0), _) | (_, Rec::Constant(0.0)) => Rec::Constant(0.0),
            _ => self.binary(Elem::Strong, other, <f64 as Real>::strong),
        }
    }

    #[inline(never)]
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

    fn apply<F: Function>(self) -> Self {
        self.unary(Elem::ALL[F::NUMBER], F::reference)
    }

    fn apply2<F: Function2>(self, other: Self) -> Self {
        self.binary(Elem::ALL[F::NUMBER], other, F::reference)
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

    #[inline(never)]
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

impl Core {
    /// Records an expression of float tensors of one dtype, which are broadcast to one another.
    pub(crate) fn expression<const N: usize>(
        &mut self,
        what: &str,
        xs: [NodeId; N],
        write: impl for<'a> FnOnce([Rec<'a>; N]) -> Rec<'a>,
    ) -> Maybe<NodeId> {
        // Said here, in the name of the whole: its parts cannot fail then, but for memory.
        self.need_float(what, xs[0])?;
        let mut like = xs[0];
        for &x in &xs[1..] {
            self.need_same_float(what, xs[0], x)?;
            let (shape, _) = self.broadcast(what, like, x)?;
            like = if self.node(like).shape == shape { like } else { x };
        }
        let recorder = Recorder::new(self, like);
        let result = write(xs.map(|x| Rec::Node(&recorder, x)));
        match recorder.end(result)? {
            Operand::Node(id) => Ok(id),
            Operand::Constant(c) => self.fill_like(like, c),
        }
    }
}
