//! The p-norm over axes.

use crate::dtype::DType;
use crate::error::{ErrorKind, Maybe};
use crate::graph::{Core, Operand};
use crate::id::{ListId, NodeId};
use crate::node::{Comparison, Extreme, Op, Reduction, Ties};
use crate::op::record::Rec;
use crate::real::Real;
use crate::roll_call::Elem;

impl Core {
    /// The p-norm (sum |x|^p)^(1/p); the largest |x| for p infinite, the smallest for -infinity, and how
    /// many elements are not 0 for p = 0. Its gradient at 0 is 0; for p < 0 it is so everywhere if there is
    /// a 0.
    ///
    /// - PyTorch: `torch.linalg.vector_norm(x, p, axes if len(axes) else None, keepdim)`
    /// - Cases: `x=U(7), p=0., axes=[], keepdim=False`; `x=U(2,3,4), p=-1., axes=[1], keepdim=False`;
    ///   `x=U(2,3,4), p=-2.5, axes=[0,2], keepdim=True`; `x=D(2,3,4), p=-inf, axes=[1], keepdim=False`;
    ///   `x=S(0,2,nan), p=0., axes=[], keepdim=False`; `x=S(1e-200,2e-200), p=-2., axes=[], keepdim=False`;
    ///   `x=S(2,-2,3), p=-inf, axes=[0], keepdim=False`; `x=S(0,2,3), p=-1., axes=[], keepdim=False`;
    ///   `x=S(0,2,0,1,-4,2), p=-2.5, axes=[0], keepdim=True`; `x=S(inf,2,3), p=-1., axes=[], keepdim=False`;
    ///   `x=S(inf,0,3), p=-1., axes=[], keepdim=False`; `x=S(nan,1,3), p=-2., axes=[], keepdim=False`;
    ///   `x=S(0,2,-3), p=-inf, axes=[], keepdim=False`
    pub(crate) fn norm(
        &mut self,
        x: NodeId,
        p: f64,
        axes: &[isize],
        keepdim: bool,
    ) -> Maybe<NodeId> {
        let what = "norm";
        let dtype = self.need_float(what, x)?;
        // In the precision of the elements.
        let given = p;
        let p = match dtype {
            DType::F32 => f64::from(p as f32),
            _ => p,
        };
        if p.is_nan() || p == 0.0 && given != 0.0 {
            return Err(self.fail(
                ErrorKind::Argument,
                format_args!("{what}: p must be a number that {dtype} tells from 0, not {given}"),
            ));
        }
        let reduced = self.axes(what, x, axes)?;
        if p == 2.0 {
            let op = Op::Reduce(Reduction::Norm);
            return self.push_reduction(what, op, dtype, x, &reduced, keepdim);
        }
        if p == 0.0 {
            // (The sign has a gradient, of 0; that of NaN is 0.)
            let sign = self.map(Elem::Sign, x)?;
            let mark = self.map(Elem::Square, sign)?;
            let is_number = self.compare(Comparison::Eq, x, x)?;
            let mark = self.where_(is_number, mark, Operand::Constant(1.0))?;
            return self.sum(mark, axes, keepdim);
        }
        let size = self.map(Elem::Abs, x)?;
        if p < 0.0 {
            return self.norm_by_smallest(size, p, axes, keepdim);
        }
        if p == 1.0 || p < f64::INFINITY && reduced.count(&self.shape(x)) == 0 {
            return self.sum(size, axes, keepdim);
        }
        if p == f64::INFINITY {
            return self.extreme_with(Extreme::Max, Ties::Even, size, axes, keepdim);
        }
        // Powers of what is no larger than 1 stay in the range.
        let largest = self.extreme_with(Extreme::Max, Ties::Even, size, axes, true)?;
        let largest = self.detach(largest)?;
        let one = Operand::Constant(1.0);
        let scale = self.compare(Comparison::Gt, largest, Operand::Constant(0.0))?;
        let scale = self.where_(scale, largest, one)?;
        let finite = self.compare(Comparison::Le, scale, Operand::Constant(dtype.largest()))?;
        let scale = self.where_(finite, scale, one)?;
        let share = self.map2(Elem::Div, size, scale)?;
        let power = if p >= 2.0 && p.fract() == 0.0 {
            self.map2(Elem::Pow, share, Operand::Constant(p))?
        } else {
            // Some slope of |x|^p at 0 is infinite, and counts as 0: zeros take no part.
            let zero = Operand::Constant(0.0);
            let some = self.compare(Comparison::Ne, share, zero)?;
            let safe = self.where_(some, share, one)?;
            let power = self.map2(Elem::Pow, safe, Operand::Constant(p))?;
            self.where_(some, power, zero)?
        };
        let sum = self.sum(power, axes, keepdim)?;
        let root = self.map2(Elem::NormRoot, sum, Operand::Constant(p))?;
        let dims = self.shape(root);
        let scale = self.reshape_to(what, scale, &dims)?;
        self.map2(Elem::Mul, root, scale)
    }

    /// The norm of these sizes for a negative p: the smallest one, and how far the others take it down.
    fn norm_by_smallest(
        &mut self,
        size: NodeId,
        p: f64,
        axes: &[isize],
        keepdim: bool,
    ) -> Maybe<NodeId> {
        let what = "norm";
        if p == f64::NEG_INFINITY {
            return self.extreme_with(Extreme::Min, Ties::Even, size, axes, keepdim);
        }
        let largest = self.node(size).dtype.largest();
        let smallest = self.extreme_with(Extreme::Min, Ties::Even, size, axes, true)?;
        let smallest = self.detach(smallest)?;
        let scale = self.expression(what, [smallest], |[x]| {
            let (one, zero) = (Rec::lit(1.0), Rec::lit(0.0));
            let positive = Real::select(zero.lt(x), x, one);
            Real::select(x.le(Rec::lit(largest)), positive, one)
        })?;
        let share = self.map2(Elem::Div, size, scale)?;
        // The power of 0 is infinite, its slope as well; beside it the norm, 0, does not move.
        let some = self.compare(Comparison::Ne, share, Operand::Constant(0.0))?;
        let safe = self.where_(some, share, Operand::Constant(1.0))?;
        let power = self.map2(Elem::Pow, safe, Operand::Constant(p))?;
        let power = self.where_(some, power, Operand::Constant(f64::INFINITY))?;
        let sum = self.sum(power, axes, keepdim)?;
        let root = self.map2(Elem::Pow, sum, Operand::Constant(1.0 / p))?;
        let dims = self.shape(root);
        let scale = self.reshape_to(what, scale, &dims)?;
        self.map2(Elem::Mul, root, scale)
    }

    /// The cotangent of what a Euclidean norm `y` is taken of: the norm's by the element's share. As
    /// far as the norm's cotangent has the norm as a factor, as that of its square has, the two are
    /// left out: so it is right at 0, too.
    pub(super) fn vjp_norm(
        &mut self,
        x: NodeId,
        y: NodeId,
        g: NodeId,
        kept: ListId,
    ) -> Maybe<NodeId> {
        let what = "norm";
        let mut factors: Option<NodeId> = None;
        let mut g = Some(g);
        while let Some(part) = g {
            let node = *self.node(part);
            let [a, b, ..] = node.inputs;
            let is_sum = node.op == Op::Map(Elem::Add) && a.is_node() && b.is_node();
            let (factor, left) = if let Some(factor) = self.factor_beside(y, part)? {
                (factor, None)
            } else if is_sum && let Some(factor) = self.factor_beside(y, b)? {
                (factor, Some(a))
            } else if is_sum && let Some(factor) = self.factor_beside(y, a)? {
                (factor, Some(b))
            } else {
                break;
            };
            g = left;
            factors = Some(match factors {
                Some(factors) => self.map2(Elem::Add, factors, factor)?,
                None => factor,
            });
        }
        let direct = match factors {
            Some(factors) => {
                let factors = self.spread(what, factors, kept, x)?;
                Some(self.map2(Elem::Mul, x, factors)?)
            }
            None => None,
        };
        let Some(g) = g else { return Ok(direct.unwrap_or(x)) };
        let y = self.spread(what, y, kept, x)?;
        let share = self.map2(Elem::NormShare, x, y)?;
        let g = self.spread(what, g, kept, x)?;
        let part = self.map2(Elem::Mul, share, g)?;
        direct.map_or(Ok(part), |direct| self.map2(Elem::Add, direct, part))
    }

    /// The other factor of a cotangent of `y` that is by construction a multiple of it.
    fn factor_beside(&mut self, y: NodeId, g: NodeId) -> Maybe<Option<NodeId>> {
        let node = *self.node(g);
        let [a, b, c, d] = node.inputs;
        Ok(match node.op {
            Op::Pull(Elem::Square, _) if a == y => {
                Some(self.map2(Elem::Mul, c, Operand::Constant(2.0))?)
            }
            Op::Pull(Elem::Mul, 0) if b == y => Some(d),
            Op::Pull(Elem::Mul, 1) if a == y => Some(d),
            _ => None,
        })
    }
}
