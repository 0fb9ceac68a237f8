//! Distances between vectors, and tensors brought to a standard length or spread.

use crate::error::{ErrorKind, Maybe};
use crate::graph::{Core, Operand};
use crate::id::NodeId;
use crate::node::Comparison;
use crate::roll_call::Elem;
use crate::shape::{Dims, MAX_RANK};

/// Of more rows than these Euclidean distances are made of a product of matrices, as in PyTorch.
const MANY: usize = 25;

impl Core {
    /// The p-norm of the difference of each row of a, [..., rows, n], and each row of b, [..., others, n]: of
    /// shape [..., rows, others]. The axes before the last two are broadcast. p is not negative, and may
    /// be infinite.
    ///
    /// With p = 2 and more than 25 rows on one side, |a|^2 + |b|^2 - 2 a b is made of one product of matrices,
    /// where at least a quarter of |a|^2 + |b|^2 is left of it: up to two bits are lost. In all other pairs
    /// the differences are taken directly, so that nothing cancels however near they are. Gradient: that of
    /// `norm`, 0 where the distance is 0.
    ///
    /// - PyTorch: `torch.cdist(a, b, p)`
    /// - Cases: `a=U(3,2), b=U(4,2), p=2.`; `a=U(3,2), b=U(4,2), p=1.`; `a=U(3,2), b=U(4,2), p=3.`;
    ///   `a=U(3,2), b=U(4,2), p=1.5`; `a=U(3,2), b=U(4,2), p=inf`;
    ///   `a=S(0,0,1,2).reshape(2,2), b=S(0,0,1,1).reshape(2,2), p=0.`; `a=U(2,3,2), b=U(2,1,2), p=2.`;
    ///   `a=U(5,1,3,2), b=U(2,4,2), p=2.`; `a=U(0,2), b=U(3,2), p=2.`; `a=U(2,0), b=U(3,0), p=2.`;
    ///   `a=U(2,1), b=U(3,1), p=2.`; `a=S(0,0,1,2).reshape(2,2), b=S(0,0,1,2,1,0).reshape(3,2), p=2.`;
    ///   `a=S(0,0,1,2).reshape(2,2), b=S(0,0,1,2,1,0).reshape(3,2), p=1.`;
    ///   `a=S(0,0,1,2).reshape(2,2), b=S(0,0,1,2,1,0).reshape(3,2), p=1.5`;
    ///   `a=S(0,0,1,2).reshape(2,2), b=S(0,0,1,2,1,1).reshape(3,2), p=inf`; `a=U(30,3), b=U(4,3), p=2.`;
    ///   `a=U(2,3,5), b=U(2,26,5), p=2.`; `a=U(0,2), b=U(30,2), p=2.`
    pub(crate) fn cdist(&mut self, a: NodeId, b: NodeId, p: f64) -> Maybe<NodeId> {
        let what = "cdist";
        self.need_same_float(what, a, b)?;
        if p.is_nan() || p < 0.0 {
            return Err(self.fail(
                ErrorKind::Argument,
                format_args!("{what}: p must not be negative, and is {p}"),
            ));
        }
        let (left, right) = (self.shape(a), self.shape(b));
        if left.len() < 2 || right.len() < 2 || left.last() != right.last() {
            return Err(self.refuse_pair(a, b, |slot, a, b| {
                slot.set(
                    ErrorKind::Shape,
                    format_args!("{what}: needs rows of one length, not {a} and {b}"),
                )
            }));
        }
        let count = left[left.len() - 2].max(right[right.len() - 2]);
        let are_alike = left[..left.len() - 2] == right[..right.len() - 2];
        if p == 2.0 && count > MANY && are_alike && left.last() != Some(&0) {
            return self.euclidean(what, a, b);
        }
        let a = self.unsqueeze(a, -2)?;
        let b = self.unsqueeze(b, -3)?;
        let difference = self.map2(Elem::Sub, a, b)?;
        // There is no largest of no elements; whatever the norm of none, it is 0.
        let p = if left.last() == Some(&0) { 1.0 } else { p };
        self.norm(difference, p, &[-1], false)
    }

    /// The p-norm of a - b + eps along the last axis, of tensors that are broadcast to one another; for any p
    /// that `norm` takes.
    ///
    /// - PyTorch: `F.pairwise_distance(a, b, p, eps, keepdim)`
    /// - Cases: `a=U(4,3), b=U(4,3), p=2., eps=1e-6, keepdim=False`;
    ///   `a=U(4,3), b=U(4,3), p=1., eps=1e-6, keepdim=True`;
    ///   `a=U(3), b=U(2,3), p=3., eps=1e-6, keepdim=False`; `a=U(3), b=U(3), p=2., eps=.5, keepdim=False`;
    ///   `a=U(0,3), b=U(0,3), p=2., eps=1e-6, keepdim=False`;
    ///   `a=S(1,2), b=S(1,2), p=2., eps=0., keepdim=False`
    pub(crate) fn pairwise_distance(
        &mut self,
        a: NodeId,
        b: NodeId,
        p: f64,
        eps: f64,
        keepdim: bool,
    ) -> Maybe<NodeId> {
        let what = "pairwise_distance";
        self.need_same_float(what, a, b)?;
        self.broadcast(what, a, b)?;
        let difference = self.map2(Elem::Sub, a, b)?;
        let difference = self.map2(Elem::Add, difference, Operand::Constant(eps))?;
        self.norm(difference, p, &[-1], keepdim)
    }

    /// The cosine of the angle between the vectors along an axis, of tensors that are broadcast to one another:
    /// the sum of the products of their elements, each divided by its vector's length. Lengths are at
    /// least eps; in the gradient they count as they are.
    ///
    /// - PyTorch: `F.cosine_similarity(a, b, axis, eps)`
    /// - Cases: `a=U(4,3), b=U(4,3), axis=1, eps=1e-8`; `a=U(4,3), b=U(4,3), axis=0, eps=1e-8`;
    ///   `a=U(4,3), b=U(3), axis=-1, eps=1e-8`; `a=U(4,1,3), b=U(1,2,3), axis=-1, eps=1e-8`;
    ///   `a=U(3), b=U(3), axis=0, eps=1e-8`; `a=U(4,3), b=U(4,3), axis=1, eps=2.5`;
    ///   `a=U(0,3), b=U(0,3), axis=1, eps=1e-8`; `a=U(3,0), b=U(3,0), axis=1, eps=1e-8`;
    ///   `a=S(0,0,1,2).reshape(2,2), b=S(1,2,0,0).reshape(2,2), axis=1, eps=1e-8`
    pub(crate) fn cosine_similarity(
        &mut self,
        a: NodeId,
        b: NodeId,
        axis: isize,
        eps: f64,
    ) -> Maybe<NodeId> {
        let what = "cosine_similarity";
        self.need_same_float(what, a, b)?;
        let (shape, _) = self.broadcast(what, a, b)?;
        let dims = self.dims(shape);
        let axes = [self.axis(what, axis, dims.len())? as isize];
        let mut shares = [a, b];
        for x in &mut shares {
            *x = self.expand_to(what, *x, &dims)?;
            let length = self.norm(*x, 2.0, &axes, true)?;
            let length = self.raised(length, eps)?;
            *x = self.map2(Elem::Div, *x, length)?;
        }
        let products = self.map2(Elem::Mul, shares[0], shares[1])?;
        self.sum(products, &axes, false)
    }

    /// What is less than `least` raised to it, with the gradient of what it was.
    pub(crate) fn raised(&mut self, x: NodeId, least: f64) -> Maybe<NodeId> {
        let is_less = self.compare(Comparison::Lt, x, Operand::Constant(least))?;
        let held = self.detach(x)?;
        let nothing = self.map2(Elem::Sub, x, held)?;
        let raised = self.map2(Elem::Add, nothing, Operand::Constant(least))?;
        self.where_(is_less, raised, x)
    }

    /// Each vector along an axis divided by its p-norm, or by eps if that is less; for any p that `norm` takes.
    ///
    /// - PyTorch: `F.normalize(x, p, axis, eps)`
    /// - Cases: `x=U(4,3), p=2., axis=1, eps=1e-12`; `x=U(4,3), p=1., axis=0, eps=1e-12`;
    ///   `x=U(2,3,2), p=3., axis=-2, eps=1e-12`; `x=D(4,3), p=inf, axis=1, eps=1e-12`;
    ///   `x=U(4,3), p=2., axis=1, eps=2.5`; `x=U(3), p=2., axis=0, eps=1e-12`;
    ///   `x=U(0,3), p=2., axis=1, eps=1e-12`; `x=S(0,0,3,4).reshape(2,2), p=2., axis=1, eps=1e-12`;
    ///   `x=U(4,3), p=-1., axis=1, eps=1e-12`
    pub(crate) fn normalize(&mut self, x: NodeId, p: f64, axis: isize, eps: f64) -> Maybe<NodeId> {
        let what = "normalize";
        self.need_float(what, x)?;
        let axis = self.axis(what, axis, self.shape(x).len())? as isize;
        let norm = self.norm(x, p, &[axis], true)?;
        let norm = self.map2(Elem::AtLeast, norm, Operand::Constant(eps))?;
        self.map2(Elem::Div, x, norm)
    }

    /// (x - mean) / sqrt(variance + eps) weight + bias, with the mean and the variance over the last axes, which
    /// have the shape of the weight and of the bias. The variance is the mean square of the distances from
    /// the mean. J. Ba, J. Kiros, G. Hinton, 2016.
    ///
    /// - PyTorch: `F.layer_norm(x, weight.shape, weight, bias, eps)`
    /// - Cases: `x=U(4,3), weight=U(3), bias=U(3), eps=1e-5`;
    ///   `x=U(2,3,4), weight=U(3,4), bias=U(3,4), eps=1e-5`; `x=U(2,3,4), weight=U(4), bias=U(4), eps=.5`;
    ///   `x=U(5), weight=U(5), bias=U(5), eps=1e-5`; `x=U(0,3), weight=U(3), bias=U(3), eps=1e-5`;
    ///   `x=S(2,2,2), weight=S(1,2,3), bias=S(0,0,1), eps=1e-5`; `x=U(3,1), weight=U(1), bias=U(1), eps=1e-5`
    pub(crate) fn layer_norm(
        &mut self,
        x: NodeId,
        weight: NodeId,
        bias: NodeId,
        eps: f64,
    ) -> Maybe<NodeId> {
        let what = "layer_norm";
        let axes = self.normalized_axes(what, x, weight)?;
        self.need_same_float(what, x, bias)?;
        let (of_weight, of_bias) = (self.shape(weight), self.shape(bias));
        if of_bias != of_weight {
            return Err(self.fail(
                ErrorKind::Shape,
                format_args!(
                    "{what}: needs a bias of the weight's shape, {of_weight:?}, not of {of_bias:?}"
                ),
            ));
        }
        let axes = &axes[..of_weight.len()];
        let mean = self.mean(x, axes, true)?;
        let distance = self.map2(Elem::Sub, x, mean)?;
        let shares = self.by_root_mean_square(distance, axes, eps)?;
        let scaled = self.map2(Elem::Mul, shares, weight)?;
        self.map2(Elem::Add, scaled, bias)
    }

    /// As `layer_norm`, with the mean and the variance over each of so many groups of neighbouring channels, for
    /// x of shape [rows, channels, ...], and with a weight and a bias for each channel, [channels]. As many
    /// groups as channels make it an instance norm. Y. Wu, K. He, 2018.
    ///
    /// - PyTorch: `F.group_norm(x, groups, weight, bias, eps)`
    /// - Cases: `x=U(2,4,3), groups=2, weight=U(4), bias=U(4), eps=1e-5`;
    ///   `x=U(2,4,2,3), groups=4, weight=U(4), bias=U(4), eps=1e-5`;
    ///   `x=U(2,4,3), groups=1, weight=U(4), bias=U(4), eps=.5`;
    ///   `x=U(3,6), groups=3, weight=U(6), bias=U(6), eps=1e-5`;
    ///   `x=U(0,4,3), groups=2, weight=U(4), bias=U(4), eps=1e-5`
    pub(crate) fn group_norm(
        &mut self,
        x: NodeId,
        groups: usize,
        weight: NodeId,
        bias: NodeId,
        eps: f64,
    ) -> Maybe<NodeId> {
        let what = "group_norm";
        self.need_same_float(what, x, weight)?;
        self.need_same_float(what, x, bias)?;
        let [dims, of_weight, of_bias] = [x, weight, bias].map(|x| self.shape(x));
        let channels = dims.get(1).copied().unwrap_or(0);
        let fits = groups > 0 && channels > 0 && channels.is_multiple_of(groups);
        if !fits || *of_weight != [channels] || *of_bias != [channels] {
            return Err(self.fail(
                ErrorKind::Shape,
                format_args!(
                    "{what}: needs [rows, channels, ...], channels that {groups} groups divide, and a \
                     weight and a bias [channels], not {dims:?}, {of_weight:?} and {of_bias:?}"
                ),
            ));
        }
        let size = channels / groups * dims[2..].iter().product::<usize>();
        let rows = self.reshape_to(what, x, &[dims[0], groups, size])?;
        let mean = self.mean(rows, &[-1], true)?;
        let distance = self.map2(Elem::Sub, rows, mean)?;
        let shares = self.by_root_mean_square(distance, &[-1], eps)?;
        let shares = self.reshape_to(what, shares, &dims)?;
        // Along the second axis.
        let mut column = Dims::new(&dims[1..]);
        column[1..].fill(1);
        let weight = self.reshape_to(what, weight, &column)?;
        let bias = self.reshape_to(what, bias, &column)?;
        let scaled = self.map2(Elem::Mul, shares, weight)?;
        self.map2(Elem::Add, scaled, bias)
    }

    /// x / sqrt(mean of x^2 + eps) weight, with the mean over the last axes, which have the shape of the weight.
    /// B. Zhang, R. Sennrich, 2019.
    ///
    /// - PyTorch: `F.rms_norm(x, weight.shape, weight, eps)`
    /// - Cases: `x=U(4,3), weight=U(3), eps=1e-5`; `x=U(2,3,4), weight=U(3,4), eps=1e-5`;
    ///   `x=U(5), weight=U(5), eps=.5`; `x=U(0,3), weight=U(3), eps=1e-5`;
    ///   `x=S(0,0), weight=S(1,2), eps=1e-5`
    pub(crate) fn rms_norm(&mut self, x: NodeId, weight: NodeId, eps: f64) -> Maybe<NodeId> {
        let axes = self.normalized_axes("rms_norm", x, weight)?;
        let count = self.shape(weight).len();
        let shares = self.by_root_mean_square(x, &axes[..count], eps)?;
        self.map2(Elem::Mul, shares, weight)
    }

    /// x / sqrt(mean of x^2 + eps).
    fn by_root_mean_square(&mut self, x: NodeId, axes: &[isize], eps: f64) -> Maybe<NodeId> {
        let square = self.map(Elem::Square, x)?;
        let mean = self.mean(square, axes, true)?;
        let mean = self.map2(Elem::Add, mean, Operand::Constant(eps))?;
        let scale = self.map(Elem::Rsqrt, mean)?;
        self.map2(Elem::Mul, x, scale)
    }

    /// The last axes of x, as many as the weight has, counted from the end.
    fn normalized_axes(
        &mut self,
        what: &str,
        x: NodeId,
        weight: NodeId,
    ) -> Maybe<[isize; MAX_RANK]> {
        self.need_same_float(what, x, weight)?;
        let (dims, last) = (self.shape(x), self.shape(weight));
        if last.is_empty() || !dims.ends_with(&last) {
            return Err(self.fail(
                ErrorKind::Shape,
                format_args!(
                    "{what}: needs a weight in the shape of the last axes of {dims:?}, not {last:?}"
                ),
            ));
        }
        let mut axes = [0; MAX_RANK];
        for (k, axis) in axes.iter_mut().take(last.len()).enumerate() {
            *axis = -1 - k as isize;
        }
        Ok(axes)
    }
}
