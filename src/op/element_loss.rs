//! Losses of elements and of vectors, each with its target.
//!
//! They are expressions, without a branch that may be infinite where it is not taken.

use super::loss::Reduce;
use crate::dtype::DType;
use crate::error::{ErrorKind, Maybe};
use crate::graph::{Core, Operand};
use crate::id::NodeId;
use crate::node::Comparison;
use crate::op::record::Rec;
use crate::real::Real;
use crate::roll_call::Elem;
use crate::shape::broadcasts_to;

/// The smallest divisor of the slope of [`Core::bce_loss`], and what is added to squared lengths in
/// [`Core::cosine_embedding_loss`]: for all types the number that PyTorch has, 1e-12 as f32.
const TINY: f64 = 1e-12_f32 as f64;

/// log(2 pi)
const LOG_2_PI: f64 = 1.8378770664093453;

/// d^2 / 2, and beyond a bound what goes on in a straight line: its slope is d, but at most the bound. (So
/// there is no branch that may be infinite where it is not taken.)
fn bent(d: Rec<'_>, bound: f64) -> Rec<'_> {
    let (least, most) = (Rec::lit(-bound), Rec::lit(bound));
    let slope = Real::select(d.lt(least), least, Real::select(most.lt(d), most, d));
    slope * (d - Rec::lit(0.5) * slope)
}

/// A logarithm, but at least -100.
fn bounded(log: Rec<'_>) -> Rec<'_> {
    let least = Rec::lit(-100.0);
    Real::select(log.lt(least), least, log)
}

/// positive max(-x, 0) + (1 - target) max(x, 0). Only one of them counts at a time, so that neither cancels what
/// is left of the other, and each is exact for targets near 0 and near 1.
fn beyond<'a>(x: Rec<'a>, target: Rec<'a>, positive: Rec<'a>) -> Rec<'a> {
    Real::select(x.lt(Rec::lit(0.0)), -positive, Rec::lit(1.0) - target) * x
}

impl Core {
    /// The mean of (a - b)^2 over all elements of two tensors of one shape, which are not broadcast.
    ///
    /// - PyTorch: `F.mse_loss(a, b)`
    pub(crate) fn mse(&mut self, a: NodeId, b: NodeId) -> Maybe<NodeId> {
        self.mean_square("mse", a, b, Reduce::Mean)
    }

    fn mean_square(
        &mut self,
        what: &str,
        a: NodeId,
        b: NodeId,
        reduction: Reduce,
    ) -> Maybe<NodeId> {
        self.need_same_shape(what, a, b)?;
        let difference = self.map2(Elem::Sub, a, b)?;
        let square = self.map(Elem::Square, difference)?;
        self.reduced(square, reduction)
    }

    /// A loss that is an expression of an element and its target, reduced.
    fn elementwise_loss(
        &mut self,
        what: &str,
        x: NodeId,
        target: NodeId,
        reduction: Reduce,
        write: impl for<'a> FnOnce([Rec<'a>; 2]) -> Rec<'a>,
    ) -> Maybe<NodeId> {
        self.need_same_shape(what, x, target)?;
        let losses = self.expression(what, [x, target], write)?;
        self.reduced(losses, reduction)
    }

    /// (x - target)^2, of two tensors of one shape, reduced.
    ///
    /// - PyTorch: `F.mse_loss(x, target, reduction=reduction)`
    /// - Cases: `x=U(2,3), target=U(2,3), reduction='none'`; `x=U(2,3), target=U(2,3), reduction='sum'`;
    ///   `x=U(2,3), target=U(2,3), reduction='mean'`; `x=U(), target=U(), reduction='none'`;
    ///   `x=U(0), target=U(0), reduction='mean'`
    pub(crate) fn mse_loss(
        &mut self,
        x: NodeId,
        target: NodeId,
        reduction: Reduce,
    ) -> Maybe<NodeId> {
        self.mean_square("mse_loss", x, target, reduction)
    }

    /// |x - target|, of two tensors of one shape, reduced. Gradient: 0 where they are equal.
    ///
    /// - PyTorch: `F.l1_loss(x, target, reduction=reduction)`
    /// - Cases: `x=U(2,3), target=U(2,3), reduction='none'`; `x=U(2,3), target=U(2,3), reduction='sum'`;
    ///   `x=U(2,3), target=U(2,3), reduction='mean'`; `x=U(0), target=U(0), reduction='mean'`;
    ///   `x=S(1, inf, nan, 0, -inf), target=S(1, 1, 1, 0, 0), reduction='sum'`
    pub(crate) fn l1_loss(
        &mut self,
        x: NodeId,
        target: NodeId,
        reduction: Reduce,
    ) -> Maybe<NodeId> {
        self.elementwise_loss("l1_loss", x, target, reduction, |[x, target]| (x - target).abs())
    }

    /// Of d = x - target: d^2 / (2 beta) where |d| is less than beta, else |d| - beta / 2; reduced. beta is not
    /// negative, and 0 makes it |d|. Gradient: d / beta, from -1 to 1. R. Girshick, "Fast R-CNN", 2015.
    ///
    /// - PyTorch: `F.smooth_l1_loss(x, target, reduction=reduction, beta=beta)`
    /// - Cases: `x=U(2,3), target=U(2,3), beta=1., reduction='none'`;
    ///   `x=U(2,3), target=U(2,3), beta=.7, reduction='sum'`;
    ///   `x=U(2,3), target=U(2,3), beta=2.5, reduction='mean'`;
    ///   `x=U(2,3), target=U(2,3), beta=0., reduction='mean'`;
    ///   `x=U(0), target=U(0), beta=1., reduction='mean'`;
    ///   `x=S(0, 1, -1, 2, -2, inf, -inf, nan), target=S(0, 0, 0, 0, 0, 0, 0, 0), beta=1., reduction='sum'`;
    ///   `x=S(0, 1, -1, inf, nan), target=S(0, 0, 0, 0, 0), beta=0., reduction='none'`
    pub(crate) fn smooth_l1_loss(
        &mut self,
        x: NodeId,
        target: NodeId,
        beta: f64,
        reduction: Reduce,
    ) -> Maybe<NodeId> {
        let what = "smooth_l1_loss";
        if beta.is_nan() || beta < 0.0 {
            return Err(self.fail(
                ErrorKind::Argument,
                format_args!("{what}: beta must not be negative, and is {beta}"),
            ));
        }
        self.elementwise_loss(what, x, target, reduction, |[x, target]| {
            let d = x - target;
            if beta == 0.0 { d.abs() } else { bent(d, beta) / Rec::lit(beta) }
        })
    }

    /// Of d = x - target: d^2 / 2 where |d| is at most delta, else delta (|d| - delta / 2); reduced. delta is
    /// above 0. Gradient: d, from -delta to delta. P. Huber, 1964.
    ///
    /// - PyTorch: `F.huber_loss(x, target, reduction=reduction, delta=delta)`
    /// - Cases: `x=U(2,3), target=U(2,3), delta=1., reduction='none'`;
    ///   `x=U(2,3), target=U(2,3), delta=.7, reduction='sum'`;
    ///   `x=U(2,3), target=U(2,3), delta=2.5, reduction='mean'`;
    ///   `x=U(0), target=U(0), delta=1., reduction='mean'`;
    ///   `x=S(0, 1.5, -1.5, 2, -2, inf, -inf, nan), target=S(0, 0, 0, 0, 0, 0, 0, 0), delta=1.5, reduction='sum'`
    pub(crate) fn huber_loss(
        &mut self,
        x: NodeId,
        target: NodeId,
        delta: f64,
        reduction: Reduce,
    ) -> Maybe<NodeId> {
        let what = "huber_loss";
        if delta.is_nan() || delta <= 0.0 {
            return Err(self.fail(
                ErrorKind::Argument,
                format_args!("{what}: delta must be above 0, and is {delta}"),
            ));
        }
        self.elementwise_loss(what, x, target, reduction, |[x, target]| bent(x - target, delta))
    }

    /// -target log x - (1 - target) log(1 - x), of probabilities from 0 to 1, reduced. The logarithms are at
    /// least -100. Gradient: (x - target) / (x (1 - x)), with a divisor of at least 1e-12.
    ///
    /// - PyTorch: `F.binary_cross_entropy(x, target, reduction=reduction)`
    /// - Cases: `x=S(*U(6,lo=.02,hi=.98)).reshape(2,3), target=U(2,3,lo=0,hi=1), reduction='none'`;
    ///   `x=S(*U(6,lo=.02,hi=.98)), target=U(6,lo=0,hi=1), reduction='sum'`;
    ///   `x=S(*U(6,lo=.02,hi=.98)), target=U(6,lo=0,hi=1), reduction='mean'`;
    ///   `x=U(0,lo=0), target=U(0,lo=0), reduction='mean'`;
    ///   `x=S(0, 1, 0, 1, .5, .5, 0, 1), target=S(0, 0, 1, 1, 0, 1, .5, .25), reduction='none'`;
    ///   `x=S(1e-20, 1e-30, 1e-11, 1e-13), target=S(0, 1, 1, 1), reduction='none'`
    pub(crate) fn bce_loss(
        &mut self,
        x: NodeId,
        target: NodeId,
        reduction: Reduce,
    ) -> Maybe<NodeId> {
        let what = "bce_loss";
        self.need_same_shape(what, x, target)?;
        // With these two equal, the second part below is 0, and only its slope counts.
        let held = self.detach(x)?;
        let losses = self.expression(what, [x, held, target], |[x, held, target]| {
            let (zero, one) = (Rec::lit(0.0), Rec::lit(1.0));
            let is_inside = Rec::lit(TINY).le(held * (one - held));
            let p = Real::select(is_inside, x, held);
            let loss = (target - one) * bounded((-p).log1p()) - target * bounded(p.ln());
            // Near 0 and 1 the slope is (x - target) / 1e-12, that of a parabola.
            let (slope, half) = (Rec::lit(1.0 / TINY), Rec::lit(0.5 / TINY));
            let parabola = (half * x * x - half * held * held) - slope * target * (x - held);
            loss + Real::select(is_inside, zero, parabola)
        })?;
        self.reduced(losses, reduction)
    }

    /// The binary cross-entropy of the probabilities sigmoid(x), as `bce_loss`, for any x: target softplus(-x) +
    /// (1 - target) softplus(x), reduced. Nothing overflows or cancels. Gradients: sigmoid(x) - target, and -x.
    ///
    /// - PyTorch: `F.binary_cross_entropy_with_logits(x, target, reduction=reduction)`
    /// - Cases: `x=U(2,3), target=U(2,3,lo=0,hi=1), reduction='none'`;
    ///   `x=U(2,3,lo=-9,hi=9), target=U(2,3,lo=0,hi=1), reduction='sum'`;
    ///   `x=U(2,3), target=U(2,3,lo=0,hi=1), reduction='mean'`; `x=U(0), target=U(0), reduction='mean'`;
    ///   `x=S(-inf), target=S(1), reduction='none'`;
    ///   `x=S(0, 1000, -1000, 1000, -1000, inf, nan), target=S(.5, 1, 0, 0, 1, 0, 0), reduction='none'`
    pub(crate) fn bce_with_logits(
        &mut self,
        x: NodeId,
        target: NodeId,
        reduction: Reduce,
    ) -> Maybe<NodeId> {
        self.logits_loss("bce_with_logits", x, target, None, reduction)
    }

    /// As `bce_with_logits`, with the first part, that of the positive class, times a weight, which is broadcast
    /// to x: one for each class, say.
    ///
    /// - PyTorch: `F.binary_cross_entropy_with_logits(x, target, pos_weight=pos_weight, reduction=reduction)`
    /// - Cases: `x=U(2,3), target=U(2,3,lo=0,hi=1), pos_weight=C(.5,1,3), reduction='none'`;
    ///   `x=U(2,3), target=U(2,3,lo=0,hi=1), pos_weight=C(2), reduction='mean'`;
    ///   `x=U(3), target=U(3,lo=0,hi=1), pos_weight=C(.5,1,3), reduction='sum'`;
    ///   `x=S(0, 1000, -1000, 1000, -1000), target=S(.5, 1, 0, 0, 1), pos_weight=C(2), reduction='none'`
    pub(crate) fn bce_with_logits_weighted(
        &mut self,
        x: NodeId,
        target: NodeId,
        pos_weight: NodeId,
        reduction: Reduce,
    ) -> Maybe<NodeId> {
        self.logits_loss("bce_with_logits_weighted", x, target, Some(pos_weight), reduction)
    }

    fn logits_loss(
        &mut self,
        what: &str,
        x: NodeId,
        target: NodeId,
        weight: Option<NodeId>,
        reduction: Reduce,
    ) -> Maybe<NodeId> {
        self.need_same_shape(what, x, target)?;
        if let Some(weight) = weight {
            self.need_broadcast_to(what, weight, x)?;
        }
        // With softplus(x) = max(x, 0) + softplus(-|x|), of which both parts have the second summand.
        let far = self.expression(what, [x], |[x]| Real::select(x.lt(Rec::lit(0.0)), x, -x))?;
        let rest = self.map(Elem::Softplus, far)?;
        let losses = match weight {
            None => self.expression(what, [x, target, rest], |[x, target, rest]| {
                rest + beyond(x, target, target)
            })?,
            Some(weight) => {
                self.expression(what, [x, target, rest, weight], |[x, target, rest, weight]| {
                    let positive = weight * target;
                    (positive + (Rec::lit(1.0) - target)) * rest + beyond(x, target, positive)
                })?
            }
        };
        self.reduced(losses, reduction)
    }

    /// That `x` is a float tensor of the dtype of `like`, and is broadcast to its shape.
    fn need_broadcast_to(&mut self, what: &str, x: NodeId, like: NodeId) -> Maybe<()> {
        self.need_same_float(what, like, x)?;
        let (from, to) = (self.shape(x), self.shape(like));
        if broadcasts_to(&from, &to) {
            return Ok(());
        }
        Err(self.fail(
            ErrorKind::Shape,
            format_args!("{what}: {from:?} is not broadcast to {to:?}: use reshape"),
        ))
    }

    /// The divergence of Kullback and Leibler, element by element, of log-probabilities x from the probabilities
    /// target: target (log target - x), 0 where the target is 0; with `log_target` the targets are
    /// logarithms, too. Reduced: the mean is over all elements, so for the mean over distributions take
    /// the sum, and divide.
    ///
    /// - PyTorch: `F.kl_div(x, target, reduction=reduction, log_target=log_target)`
    /// - Cases: `x=U(2,3), target=U(2,3,lo=.1), log_target=False, reduction='none'`;
    ///   `x=U(2,3), target=U(2,3,lo=.1), log_target=False, reduction='sum'`;
    ///   `x=U(2,3), target=U(2,3,lo=.1), log_target=False, reduction='mean'`;
    ///   `x=U(2,3), target=U(2,3), log_target=True, reduction='none'`;
    ///   `x=U(2,3), target=U(2,3), log_target=True, reduction='mean'`;
    ///   `x=U(0), target=U(0), log_target=False, reduction='mean'`;
    ///   `x=S(-1, -2, 0, -inf, -1), target=S(0, 1, 0, 1, -1), log_target=False, reduction='none'`;
    ///   `x=S(-1, -2, 0), target=S(-inf, 0, -1), log_target=True, reduction='none'`
    pub(crate) fn kl_div(
        &mut self,
        x: NodeId,
        target: NodeId,
        log_target: bool,
        reduction: Reduce,
    ) -> Maybe<NodeId> {
        self.elementwise_loss("kl_div", x, target, reduction, |[x, target]| {
            if log_target {
                return target.exp() * (target - x);
            }
            let zero = Rec::lit(0.0);
            Real::select(target.eq(zero), zero, target * target.ln()) - target * x
        })
    }

    /// log(1 + e^(-target x)) for targets 1 and -1, reduced.
    ///
    /// - PyTorch: `F.soft_margin_loss(x, target, reduction=reduction)`
    /// - Cases: `x=U(2,3), target=C([1,-1,1],[-1,.5,0]), reduction='none'`;
    ///   `x=U(4), target=C(1,-1,1,-1), reduction='sum'`; `x=U(4), target=C(1,-1,1,-1), reduction='mean'`;
    ///   `x=S(0, 30, -1000, 3), target=C(1, 1, -1, -1), reduction='none'`
    pub(crate) fn soft_margin_loss(
        &mut self,
        x: NodeId,
        target: NodeId,
        reduction: Reduce,
    ) -> Maybe<NodeId> {
        self.need_same_shape("soft_margin_loss", x, target)?;
        let product = self.map2(Elem::Mul, target, x)?;
        let product = self.map(Elem::Neg, product)?;
        let losses = self.map(Elem::Softplus, product)?;
        self.reduced(losses, reduction)
    }

    /// x where the target is 1, max(0, margin - x) where it is -1, and the sum of both elsewhere; reduced. The
    /// target, of the shape of x and of any type that has -1, gets no gradient.
    ///
    /// - PyTorch: `F.hinge_embedding_loss(x, target, margin, reduction=reduction)`
    /// - Cases: `x=U(4), target=I(1,-1,-1,1), margin=1., reduction='none'`;
    ///   `x=U(2,3), target=I([1,-1,-1],[-1,1,-1]), margin=.5, reduction='mean'`;
    ///   `x=U(4), target=I(1,-1,-1,1), margin=1., reduction='sum'`;
    ///   `x=S(1, 1, 0, 2, inf, nan, nan), target=I(-1, 1, 0, -1, -1, 1, -1), margin=1., reduction='none'`
    pub(crate) fn hinge_embedding_loss(
        &mut self,
        x: NodeId,
        target: NodeId,
        margin: f64,
        reduction: Reduce,
    ) -> Maybe<NodeId> {
        let what = "hinge_embedding_loss";
        self.need_float(what, x)?;
        self.need_shape_of(what, x, target)?;
        let [is_far, is_near] = self.signs(what, target)?;
        let missing = self.map2(Elem::Sub, Operand::Constant(margin), x)?;
        let missing = self.map2(Elem::AtLeast, missing, Operand::Constant(0.0))?;
        let far = self.where_(is_far, missing, Operand::Constant(0.0))?;
        let near = self.where_(is_near, x, Operand::Constant(0.0))?;
        let losses = self.map2(Elem::Add, far, near)?;
        self.reduced(losses, reduction)
    }

    /// Where a target is not 1, and where it is not -1.
    fn signs(&mut self, what: &str, target: NodeId) -> Maybe<[NodeId; 2]> {
        if self.node(target).dtype == DType::U8 {
            return Err(self.fail(
                ErrorKind::DType,
                format_args!("{what}: targets are 1 and -1, and u8 has no -1: use cast"),
            ));
        }
        let one = self.compare(Comparison::Ne, target, Operand::Constant(1.0))?;
        Ok([one, self.compare(Comparison::Ne, target, Operand::Constant(-1.0))?])
    }

    /// max(0, margin - target (a - b)), for targets 1, where a should be the larger one, and -1; all of one
    /// shape; reduced.
    ///
    /// - PyTorch: `F.margin_ranking_loss(a, b, target, margin, reduction=reduction)`
    /// - Cases: `a=U(4), b=U(4), target=U(4), margin=.5, reduction='none'`;
    ///   `a=U(4), b=U(4), target=U(4), margin=0., reduction='sum'`;
    ///   `a=U(4), b=U(4), target=U(4), margin=2., reduction='mean'`;
    ///   `a=S(1, 2, 0), b=S(0, 2, 1), target=S(1, 1, -1), margin=1., reduction='none'`;
    ///   `a=S(1, nan), b=S(1, 2), target=S(1, 1), margin=0., reduction='none'`
    pub(crate) fn margin_ranking_loss(
        &mut self,
        a: NodeId,
        b: NodeId,
        target: NodeId,
        margin: f64,
        reduction: Reduce,
    ) -> Maybe<NodeId> {
        let what = "margin_ranking_loss";
        self.need_same_shape(what, a, b)?;
        self.need_same_shape(what, a, target)?;
        let losses = self.expression(what, [a, b, target], |[a, b, target]| {
            Rec::lit(margin) - target * (a - b)
        })?;
        let losses = self.map2(Elem::AtLeast, losses, Operand::Constant(0.0))?;
        self.reduced(losses, reduction)
    }

    /// 1 - cos where the target is 1, max(0, cos - margin) where it is -1, for the cosine of the angle between
    /// the vectors along the last axis of a and b, of one shape; reduced. The target has their shape without
    /// that axis, and any type that has -1; it gets no gradient. (To squared lengths 1e-12 is added.)
    ///
    /// - PyTorch: `F.cosine_embedding_loss(a, b, target, margin, reduction=reduction)`
    /// - Cases: `a=U(4,3), b=U(4,3), target=I(1,-1,-1,1), margin=-.9, reduction='none'`;
    ///   `a=U(4,3), b=U(4,3), target=I(1,-1,-1,1), margin=.2, reduction='mean'`;
    ///   `a=U(3), b=U(3), target=np.array(1), margin=0., reduction='sum'`;
    ///   `a=S(0,0,1,0).reshape(2,2), b=S(1,1,0,1).reshape(2,2), target=I(1,-1), margin=0., reduction='none'`
    pub(crate) fn cosine_embedding_loss(
        &mut self,
        a: NodeId,
        b: NodeId,
        target: NodeId,
        margin: f64,
        reduction: Reduce,
    ) -> Maybe<NodeId> {
        let what = "cosine_embedding_loss";
        self.need_same_shape(what, a, b)?;
        let (dims, given) = (self.shape(a), self.shape(target));
        if dims.split_last().is_none_or(|(_, rows)| *rows != *given) {
            return Err(self.fail(
                ErrorKind::Shape,
                format_args!(
                    "{what}: needs vectors and one target for each, not {dims:?} and {given:?}"
                ),
            ));
        }
        let [is_far, is_near] = self.signs(what, target)?;
        let total = |core: &mut Self, x: NodeId, y: NodeId| {
            let products = core.map2(Elem::Mul, x, y)?;
            core.sum(products, &[-1], false)
        };
        let parts = [total(self, a, b)?, total(self, a, a)?, total(self, b, b)?];
        let cosine = self.expression(what, parts, |[product, a, b]| {
            let least = Rec::lit(TINY);
            product / ((a + least) * (b + least)).sqrt()
        })?;
        let near = self.map2(Elem::Sub, Operand::Constant(1.0), cosine)?;
        let far = self.map2(Elem::Sub, cosine, Operand::Constant(margin))?;
        let far = self.map2(Elem::AtLeast, far, Operand::Constant(0.0))?;
        // What is neither 1 nor -1 has no loss.
        let far = self.where_(is_near, Operand::Constant(0.0), far)?;
        let losses = self.where_(is_far, far, near)?;
        self.reduced(losses, reduction)
    }

    /// max(0, margin + distance(anchor, positive) - distance(anchor, negative)), with distances as those of
    /// `pairwise_distance` for eps 1e-6; with `swap` that of positive and negative, if it is less than the last; reduced.
    /// V. Balntas et al., 2016.
    ///
    /// - PyTorch: `F.triplet_margin_loss(anchor, positive, negative, margin, p, 1e-6, swap, reduction=reduction)`
    /// - Cases: `anchor=U(4,3), positive=U(4,3), negative=U(4,3), margin=1., p=2., swap=False, reduction='none'`;
    ///   `anchor=U(4,3), positive=U(4,3), negative=U(4,3), margin=1., p=2., swap=True, reduction='mean'`;
    ///   `anchor=U(4,3), positive=U(4,3), negative=U(4,3), margin=.5, p=1., swap=False, reduction='sum'`;
    ///   `anchor=U(3), positive=U(3), negative=U(3), margin=5., p=2., swap=False, reduction='mean'`
    #[allow(clippy::too_many_arguments, reason = "as in PyTorch")]
    pub(crate) fn triplet_margin_loss(
        &mut self,
        anchor: NodeId,
        positive: NodeId,
        negative: NodeId,
        margin: f64,
        p: f64,
        swap: bool,
        reduction: Reduce,
    ) -> Maybe<NodeId> {
        const EPS: f64 = 1e-6;
        let what = "triplet_margin_loss";
        self.need_same_shape(what, anchor, positive)?;
        self.need_same_shape(what, anchor, negative)?;
        let near = self.pairwise_distance(anchor, positive, p, EPS, false)?;
        let mut far = self.pairwise_distance(anchor, negative, p, EPS, false)?;
        if swap {
            let other = self.pairwise_distance(positive, negative, p, EPS, false)?;
            far = self.map2(Elem::Minimum, far, other)?;
        }
        let losses =
            self.expression(what, [near, far], |[near, far]| Rec::lit(margin) + near - far)?;
        let losses = self.map2(Elem::AtLeast, losses, Operand::Constant(0.0))?;
        self.reduced(losses, reduction)
    }

    /// The negative log-likelihood of targets under normal distributions with these means and variances:
    /// (log variance + (x - target)^2 / variance) / 2, and with `full` log(2 pi) / 2 more; reduced. The
    /// variance is broadcast to x, or has its shape without the last axis. It is taken as at least eps, but in
    /// the gradient counts as it is.
    ///
    /// - PyTorch: `F.gaussian_nll_loss(x, target, variance, full, eps, reduction=reduction)`
    /// - Cases: `x=U(2,3), target=U(2,3), variance=U(2,3,lo=.2), full=False, eps=1e-6, reduction='none'`;
    ///   `x=U(2,3), target=U(2,3), variance=U(2,3,lo=.2), full=True, eps=1e-6, reduction='mean'`;
    ///   `x=U(2,3), target=U(2,3), variance=U(2,1,lo=.2), full=False, eps=1e-6, reduction='sum'`;
    ///   `x=U(2,3), target=U(2,3), variance=U(2,lo=.2), full=False, eps=1e-6, reduction='none'`;
    ///   `x=U(2,3), target=U(2,3), variance=U(2,3,lo=.1,hi=.4), full=False, eps=.25, reduction='mean'`;
    ///   `x=S(1, 2, 0), target=S(1, 0, 0), variance=S(0, 0, 1e-6), full=False, eps=1e-6, reduction='none'`
    pub(crate) fn gaussian_nll_loss(
        &mut self,
        x: NodeId,
        target: NodeId,
        variance: NodeId,
        full: bool,
        eps: f64,
        reduction: Reduce,
    ) -> Maybe<NodeId> {
        let what = "gaussian_nll_loss";
        self.need_same_shape(what, x, target)?;
        let (dims, given) = (self.shape(x), self.shape(variance));
        let is_by_row = dims.split_last().is_some_and(|(_, rows)| *rows == *given);
        let variance = if is_by_row { self.unsqueeze(variance, -1)? } else { variance };
        self.need_broadcast_to(what, variance, x)?;
        let variance = self.raised(variance, eps)?;
        let losses = self.expression(what, [x, target, variance], |[x, target, variance]| {
            let d = x - target;
            let loss = Rec::lit(0.5) * (variance.ln() + d * d / variance);
            if full { loss + Rec::lit(0.5 * LOG_2_PI) } else { loss }
        })?;
        self.reduced(losses, reduction)
    }

    /// The negative log-likelihood of targets under Poisson distributions, but for what depends on the target
    /// alone: x - target log(x + eps), or with `log_input` e^x - target x; reduced. With `full`, Stirling's
    /// approximation of that is added where the target is above 1:
    /// target log target - target + log(2 pi target) / 2.
    ///
    /// - PyTorch: `F.poisson_nll_loss(x, target, log_input, full, eps=eps, reduction=reduction)`
    /// - Cases: `x=U(2,3), target=U(2,3,lo=.1,hi=4), log_input=True, full=False, eps=1e-8, reduction='none'`;
    ///   `x=U(2,3,lo=.1), target=U(2,3,lo=.1,hi=4), log_input=False, full=False, eps=1e-8, reduction='mean'`;
    ///   `x=U(2,3), target=U(2,3,lo=.1,hi=4,avoid=(1,)), log_input=True, full=True, eps=1e-8, reduction='sum'`;
    ///   `x=U(2,3,lo=.1), target=U(2,3,lo=.1,hi=4,avoid=(1,)), log_input=False, full=True, eps=.1, reduction='none'`;
    ///   `x=S(0, 1, -1), target=S(1, .5, 2), log_input=True, full=True, eps=1e-8, reduction='none'`;
    ///   `x=S(0, 1, 0), target=S(1, 0, 0), log_input=False, full=False, eps=1e-8, reduction='none'`
    pub(crate) fn poisson_nll_loss(
        &mut self,
        x: NodeId,
        target: NodeId,
        log_input: bool,
        full: bool,
        eps: f64,
        reduction: Reduce,
    ) -> Maybe<NodeId> {
        let what = "poisson_nll_loss";
        self.elementwise_loss(what, x, target, reduction, |[x, target]| {
            let loss = match log_input {
                true => x.exp() - target * x,
                false => x - target * (x + Rec::lit(eps)).ln(),
            };
            if !full {
                return loss;
            }
            let is_large = Rec::lit(1.0).lt(target);
            let n = Real::select(is_large, target, Rec::lit(1.0));
            let log = n.ln();
            let rest = n * log - n + Rec::lit(0.5) * (Rec::lit(LOG_2_PI) + log);
            loss + Real::select(is_large, rest, Rec::lit(0.0))
        })
    }
}
