//! Euclidean distances of many pairs of points, by one product of matrices.
//!
//! |a - b|^2 = |a|^2 + |b|^2 - 2 a b has the digits of its largest part: fewer the nearer two points are
//! to each other, compared with how far they are from the origin. So it is used where at least a
//! quarter of |a|^2 + |b|^2 is left, and costs two bits at most; all other pairs are marked, and their
//! differences taken one by one.

use super::Sink;
use super::batch::Batching;
use super::structural::{Gives, Rule};
use crate::dtype::{DType, Element, with_float};
use crate::error::Maybe;
use crate::graph::Core;
use crate::id::NodeId;
use crate::op::record::Rec;
use crate::real::Real;
use crate::roll_call::{Elem, Structural};
use crate::task::{Outside, Task};

/// What stands for a distance that is still to be found.
const MARK: f64 = -1.0;

/// Distances of rows, of which those that are marked are found by the rows. Operands: the rows, [..., rows, n]
/// and [..., others, n], and the distances, [..., rows, others].
pub(crate) struct Distances;

impl Rule for Distances {
    const NAME: &str = "cdist";
    const BATCHING: Batching = Batching::Rows;
    const GIVES: Gives = Gives::Elements(vjp_distances);

    fn run(task: &Task<'_>) -> Result<(), Outside> {
        let (left, right) = (task.dims(0), task.dims(1));
        let [rows, len] = [left[left.len() - 2], left[left.len() - 1]];
        let others = right[right.len() - 2];
        with_float!(task.dtype(0), T => {
            let (a, b, given) = (task.operand::<T>(0), task.operand::<T>(1), task.operand::<T>(2));
            task.each_part::<T>(others, |out, first| {
                for (k, (out, &distance)) in out.iter_mut().zip(&given[first..]).enumerate() {
                    if distance != T::from_f64(MARK) {
                        out.write(distance);
                        continue;
                    }
                    let (row, other) = ((first + k) / others, (first + k) % others);
                    let other = row / rows * others + other;
                    let (a, b) = (&a[row * len..][..len], &b[other * len..][..len]);
                    out.write(T::from_f64(distance_of(a, b)));
                }
            });
        });
        Ok(())
    }
}

/// The differences over the distance, 0 where that is 0, times the cotangent.
fn vjp_distances(core: &mut Core, id: NodeId, g: NodeId, sink: &mut Sink) -> Maybe<()> {
    let [a, b, ..] = core.node(id).inputs;
    let (left, right) = (core.unsqueeze(a, -2)?, core.unsqueeze(b, -3)?);
    let difference = core.map2(Elem::Sub, left, right)?;
    let y = core.unsqueeze(id, -1)?;
    let g = core.unsqueeze(g, -1)?;
    let share = core.map2(Elem::NormShare, difference, y)?;
    let part = core.map2(Elem::Mul, share, g)?;
    if sink.wants(core, a) {
        let to_a = core.sum(part, &[-2], false)?;
        sink.send(core, a, to_a)?;
    }
    if sink.wants(core, b) {
        let to_b = core.sum(part, &[-3], false)?;
        let to_b = core.map(Elem::Neg, to_b)?;
        sink.send(core, b, to_b)?;
    }
    Ok(())
}

/// The distance of two points, whose squares may be beyond the range.
fn distance_of<T: Element>(a: &[T], b: &[T]) -> f64 {
    let differences = || a.iter().zip(b).map(|(a, b)| a.to_f64() - b.to_f64());
    let square: f64 = differences().map(|d| d * d).sum();
    if (1e-280..1e300).contains(&square) {
        return square.sqrt();
    }
    let largest = differences().fold(0.0, |most: f64, d| most.max(d.abs()));
    if largest == 0.0 || largest == f64::INFINITY {
        // (An infinite difference beside NaN: the sum knows.)
        return if square.is_nan() { square } else { largest };
    }
    largest * differences().map(|d| (d / largest) * (d / largest)).sum::<f64>().sqrt()
}

impl Core {
    /// Distances of the rows of two tensors with the same axes before the last two.
    pub(super) fn euclidean(&mut self, what: &str, a: NodeId, b: NodeId) -> Maybe<NodeId> {
        // The gradient is that of the distances themselves.
        self.no_grad += 1;
        let far = self.far_distances(what, a, b);
        self.no_grad -= 1;
        let far = far?;
        let mut node = self.structural(Structural::Distances, &[a, b, far], &[])?;
        (node.shape, node.len) = (self.node(far).shape, self.node(far).len);
        self.push(node)
    }

    /// Those that a product gives with nearly all digits; [`MARK`] for the others.
    fn far_distances(&mut self, what: &str, a: NodeId, b: NodeId) -> Maybe<NodeId> {
        // Squares that are beyond the range, or below it, say nothing.
        let (least, most) = match self.node(a).dtype {
            DType::F32 => (1e-30, 1e37),
            _ => (1e-280, 1e300),
        };
        let across = self.transpose(b, -1, -2)?;
        let products = self.matmul(a, across)?;
        let mut squares = [a, b];
        for (x, axis) in squares.iter_mut().zip([-1, -2]) {
            let square = self.map(Elem::Square, *x)?;
            let sum = self.sum(square, &[-1], false)?;
            *x = self.unsqueeze(sum, axis)?;
        }
        let [a, b] = squares;
        self.expression(what, [a, b, products], |[a, b, product]| {
            let (two, mark) = (Rec::lit(2.0), Rec::lit(MARK));
            let size = a + b;
            let square = size - two * product;
            let root = Real::select((Rec::lit(0.25) * size).le(square), square.sqrt(), mark);
            let root = Real::select(Rec::lit(least).lt(size), root, mark);
            Real::select(size.lt(Rec::lit(most)), root, mark)
        })
    }
}
