//! Matrix products. One primitive multiplies the last two axes and broadcasts the others; the
//! forms with vectors are that primitive between reshapes.

use super::Sink;
use crate::error::{ErrorKind, Maybe};
use crate::graph::{Core, NewNode};
use crate::id::NodeId;
use crate::node::Op;
use crate::shape::{self, Dims};

impl Core {
    /// The sum of a[i] b[i] of two vectors of one length: a 0-d tensor.
    ///
    /// - PyTorch: `torch.dot(a, b)`
    pub(crate) fn dot(&mut self, a: NodeId, b: NodeId) -> Maybe<NodeId> {
        let what = "dot";
        self.need_same_float(what, a, b)?;
        let (left, right) = (self.shape(a), self.shape(b));
        if left.len() != 1 || right.len() != 1 || left[0] != right[0] {
            return Err(self.refuse_pair(a, b, |slot, a, b| {
                slot.set(
                    ErrorKind::Shape,
                    format_args!("{what}: needs two vectors of one length, not {a} and {b}"),
                )
            }));
        }
        self.matmul(a, b)
    }

    /// The matrix product over the last two axes; the others broadcast. A vector on the left is a row and on
    /// the right a column, and that axis is gone from the result.
    ///
    /// - PyTorch: `torch.matmul(a, b)`
    pub(crate) fn matmul(&mut self, a: NodeId, b: NodeId) -> Maybe<NodeId> {
        let what = "matmul";
        let dtype = self.need_same_float(what, a, b)?;
        let (left, right) = (self.shape(a), self.shape(b));
        if left.is_empty() || right.is_empty() {
            return Err(self.refuse_pair(a, b, |slot, a, b| {
                slot.set(
                    ErrorKind::Shape,
                    format_args!("{what}: needs operands of rank 1 or more, not {a} and {b}"),
                )
            }));
        }
        let (row, column) = (left.len() == 1, right.len() == 1);
        let given = (a, b);
        let a = if row { self.unsqueeze(a, 0)? } else { a };
        let b = if column { self.unsqueeze(b, 1)? } else { b };
        let (x, y) = (self.shape(a), self.shape(b));
        let ((m, k), (l, n)) = (last_two(&x), last_two(&y));
        if k != l {
            return Err(self.refuse_pair(given.0, given.1, |slot, a, b| {
                slot.set(
                    ErrorKind::Shape,
                    format_args!(
                        "{what}: cannot multiply {a} by {b}: the inner lengths are {k} and {l}"
                    ),
                )
            }));
        }
        let batch = match shape::broadcast(&x[..x.len() - 2], &y[..y.len() - 2]) {
            Ok(batch) => batch,
            Err(clash) => {
                return Err(self.refuse_pair(given.0, given.1, |slot, a, b| {
                    slot.set(
                        ErrorKind::Shape,
                        format_args!(
                            "{what}: cannot broadcast the batch axes of {a} and {b}: axis {} is {} \
                             and {}",
                            clash.axis, clash.lens.0, clash.lens.1
                        ),
                    )
                }));
            }
        };
        // Many matrices by one are one tall matrix by one; then its gradient is one product, too,
        // where it would be the sum of as many.
        let is_tall = x.len() > 2 && y.len() == 2;
        let mut dims = if is_tall { Dims::SCALAR } else { batch };
        let rows = if is_tall { m * batch.iter().product::<usize>() } else { m };
        dims.push(rows);
        dims.push(n);
        let a = if is_tall { self.reshape_to(what, a, &[rows, k])? } else { a };
        let mut node = NewNode::new(Op::MatMul, dtype);
        (node.inputs[0], node.inputs[1]) = (a, b);
        (node.shape, node.len) = self.intern_shape(what, &dims)?;
        let product = self.push(node)?;
        if !row && !column && !is_tall {
            return Ok(product);
        }
        let mut dims = batch;
        if !row {
            dims.push(m);
        }
        if !column {
            dims.push(n);
        }
        self.reshape_to(what, product, &dims)
    }

    pub(crate) fn vjp_matmul(&mut self, id: NodeId, g: NodeId, sink: &mut Sink) -> Maybe<()> {
        let [a, b, ..] = self.node(id).inputs;
        if sink.wants(self, a) {
            let transposed = self.transpose(b, -1, -2)?;
            let cotangent = self.matmul(g, transposed)?;
            sink.send(self, a, cotangent)?;
        }
        if sink.wants(self, b) {
            let transposed = self.transpose(a, -1, -2)?;
            let cotangent = self.matmul(transposed, g)?;
            sink.send(self, b, cotangent)?;
        }
        Ok(())
    }
}

pub(crate) fn last_two(dims: &[usize]) -> (usize, usize) {
    (dims[dims.len() - 2], dims[dims.len() - 1])
}
