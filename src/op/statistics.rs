//! Reductions that are made of others: counts, deviations, and what leaves NaN out.

use crate::dtype::DType;
use crate::error::Maybe;
use crate::graph::{Core, Operand};
use crate::id::NodeId;
use crate::node::Comparison;
use crate::op::record::Rec;
use crate::real::Real;
use crate::roll_call::Elem;

impl Core {
    /// The standard deviation, the root of `var`. Its gradient is 0 where all elements are equal.
    ///
    /// - PyTorch: `torch.std(x, axes, correction=correction, keepdim=keepdim)`
    /// - Cases: `x=U(7), correction=1., axes=[0], keepdim=False`;
    ///   `x=U(2,3,4), correction=0., axes=[1], keepdim=True`;
    ///   `x=U(2,3,4), correction=1., axes=[0,2], keepdim=False`;
    ///   `x=S(2,2,2), correction=1., axes=[0], keepdim=False`;
    ///   `x=S(3), correction=1., axes=[0], keepdim=False`;
    ///   `x=S(1,nan,3), correction=1., axes=[0], keepdim=False`
    pub(crate) fn std(
        &mut self,
        x: NodeId,
        correction: f64,
        axes: &[isize],
        keepdim: bool,
    ) -> Maybe<NodeId> {
        let variance = self.var(x, correction, axes, keepdim)?;
        self.expression("std", [variance], |[v]| {
            let zero = Rec::lit(0.0);
            let is_none = v.eq(zero);
            let root = Real::select(is_none, Rec::lit(1.0), v).sqrt();
            Real::select(is_none, zero, root)
        })
    }

    /// 1 where an element is not 0 (or, without `nonzero`, where it is), as numbers to count.
    fn marks(&mut self, x: NodeId, nonzero: bool, dtype: DType) -> Maybe<NodeId> {
        let how = if nonzero { Comparison::Ne } else { Comparison::Eq };
        let mask = self.compare(how, x, Operand::Constant(0.0))?;
        self.cast(mask, dtype)
    }

    /// Whether no element is 0 (u8): 1 of no elements. A NaN is not 0. No gradient.
    ///
    /// - PyTorch: `torch.all(x, axes, keepdim).to(torch.uint8) if len(axes) else torch.all(x).to(torch.uint8)`
    /// - Types: any
    /// - Cases: `x=S(1,2,nan), axes=[0], keepdim=False`; `x=M([1,0],[1,1]), axes=[1], keepdim=True`;
    ///   `x=I([1,0],[1,1]), axes=[], keepdim=False`; `x=np.zeros((2,0)), axes=[1], keepdim=False`
    pub(crate) fn all(&mut self, x: NodeId, axes: &[isize], keepdim: bool) -> Maybe<NodeId> {
        let zeros = self.marks(x, false, DType::F32)?;
        let count = self.sum(zeros, axes, keepdim)?;
        self.compare(Comparison::Eq, count, Operand::Constant(0.0))
    }

    /// Whether some element is not 0 (u8): 0 of no elements. A NaN is not 0. No gradient.
    ///
    /// - PyTorch: `torch.any(x, axes, keepdim).to(torch.uint8) if len(axes) else torch.any(x).to(torch.uint8)`
    /// - Types: any
    /// - Cases: `x=S(0,0,nan), axes=[0], keepdim=False`; `x=M([0,0],[1,1]), axes=[1], keepdim=True`;
    ///   `x=I([0,0],[0,0]), axes=[], keepdim=False`; `x=np.zeros((2,0)), axes=[1], keepdim=False`
    pub(crate) fn any(&mut self, x: NodeId, axes: &[isize], keepdim: bool) -> Maybe<NodeId> {
        let marks = self.marks(x, true, DType::F32)?;
        let count = self.sum(marks, axes, keepdim)?;
        self.compare(Comparison::Gt, count, Operand::Constant(0.0))
    }

    /// How many elements are not 0 (i64). A NaN is not 0. No gradient.
    ///
    /// - PyTorch: `(torch.count_nonzero(x, axes) if len(axes) else torch.count_nonzero(x))`
    /// - Types: any
    /// - Cases: `x=S(0,2,nan), axes=[0], keepdim=False`; `x=M([0,0],[1,1]), axes=[1], keepdim=False`;
    ///   `x=I([5,0],[0,0]), axes=[], keepdim=False`; `x=np.zeros((2,0)), axes=[1], keepdim=False`
    pub(crate) fn count_nonzero(
        &mut self,
        x: NodeId,
        axes: &[isize],
        keepdim: bool,
    ) -> Maybe<NodeId> {
        let marks = self.marks(x, true, DType::F64)?;
        let count = self.sum(marks, axes, keepdim)?;
        self.cast(count, DType::I64)
    }

    /// The elements with 0 for NaN.
    fn numbers(&mut self, x: NodeId) -> Maybe<NodeId> {
        let is_number = self.compare(Comparison::Eq, x, x)?;
        self.where_(is_number, x, Operand::Constant(0.0))
    }

    /// The sum of what is no NaN. Gradient: the cotangent, 0 for NaN.
    ///
    /// - PyTorch: `torch.nansum(x, axes if len(axes) else None, keepdim)`
    /// - Cases: `x=U(2,3), axes=[1], keepdim=False`; `x=S(1,nan,3), axes=[0], keepdim=False`;
    ///   `x=S(nan,nan), axes=[], keepdim=False`; `x=S(inf,nan,3), axes=[0], keepdim=True`
    pub(crate) fn nansum(&mut self, x: NodeId, axes: &[isize], keepdim: bool) -> Maybe<NodeId> {
        self.need_float("nansum", x)?;
        let numbers = self.numbers(x)?;
        self.sum(numbers, axes, keepdim)
    }

    /// The mean of what is no NaN; NaN if nothing else is there. Gradient: a share of the cotangent, 0
    /// for NaN.
    ///
    /// - PyTorch: `torch.nanmean(x, axes if len(axes) else None, keepdim)`
    /// - Cases: `x=U(2,3), axes=[1], keepdim=False`; `x=S(1,nan,3), axes=[0], keepdim=False`;
    ///   `x=S(nan,nan), axes=[], keepdim=False`; `x=S(1,nan,3), axes=[0], keepdim=True`;
    ///   `x=U(2,3), axes=[], keepdim=False`
    pub(crate) fn nanmean(&mut self, x: NodeId, axes: &[isize], keepdim: bool) -> Maybe<NodeId> {
        let dtype = self.need_float("nanmean", x)?;
        let numbers = self.numbers(x)?;
        let total = self.sum(numbers, axes, keepdim)?;
        let is_number = self.compare(Comparison::Eq, x, x)?;
        let marks = self.cast(is_number, dtype)?;
        let count = self.sum(marks, axes, keepdim)?;
        self.map2(Elem::Div, total, count)
    }
}
