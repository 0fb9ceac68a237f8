//! Matrix products. One primitive multiplies the last two axes and broadcasts the others; the
//! forms with vectors are that primitive between reshapes. Beside them, products of vectors that are
//! elementwise ones of views.

use super::Sink;
use crate::error::{ErrorKind, Maybe};
use crate::graph::{Core, NewNode, Operand};
use crate::id::NodeId;
use crate::node::Op;
use crate::roll_call::Elem;
use crate::shape::{self, Dims, MAX_RANK};

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
        let product = self.push_here(node)?;
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

    /// beta x + alpha a b, for matrices a and b; x is broadcast to their product. With beta 0, x does not
    /// count, whatever it holds.
    ///
    /// - PyTorch: `torch.addmm(x, a, b, beta=beta, alpha=alpha)`
    /// - Cases: `x=U(2,4), a=U(2,3), b=U(3,4), beta=1., alpha=1.`;
    ///   `x=U(4), a=U(2,3), b=U(3,4), beta=.5, alpha=-2.`; `x=U(2,1), a=U(2,3), b=U(3,4), beta=2., alpha=1.`;
    ///   `x=U(), a=U(2,3), b=U(3,4), beta=1., alpha=.5`; `x=U(2,4), a=U(2,3), b=U(3,4), beta=0., alpha=1.`;
    ///   `x=U(2,4), a=U(2,3), b=U(3,4), beta=1., alpha=0.`;
    ///   `x=U(2,4), a=U(2,0), b=U(0,4), beta=1.5, alpha=1.`;
    ///   `x=S(nan, inf), a=S(1,2).reshape(1,2), b=S(1,2,3,4).reshape(2,2), beta=0., alpha=1.`
    pub(crate) fn addmm(
        &mut self,
        x: NodeId,
        a: NodeId,
        b: NodeId,
        beta: f64,
        alpha: f64,
    ) -> Maybe<NodeId> {
        self.add_product("addmm", 2, [x, a, b], beta, alpha)
    }

    /// beta x + alpha a b, for as many matrices, [count, rows, inner] and [count, inner, columns]; x is
    /// broadcast to their products. With beta 0, x does not count, whatever it holds.
    ///
    /// - PyTorch: `torch.baddbmm(x, a, b, beta=beta, alpha=alpha)`
    /// - Cases: `x=U(1,2,2), a=U(2,2,1), b=U(2,1,2), beta=1., alpha=1.`;
    ///   `x=U(2,2,4), a=U(2,2,3), b=U(2,3,4), beta=1., alpha=1.`;
    ///   `x=U(4), a=U(2,2,3), b=U(2,3,4), beta=.5, alpha=-2.`;
    ///   `x=U(2,1,4), a=U(2,2,3), b=U(2,3,4), beta=0., alpha=2.`;
    ///   `x=U(0,2,4), a=U(0,2,3), b=U(0,3,4), beta=1., alpha=1.`
    pub(crate) fn baddbmm(
        &mut self,
        x: NodeId,
        a: NodeId,
        b: NodeId,
        beta: f64,
        alpha: f64,
    ) -> Maybe<NodeId> {
        self.add_product("baddbmm", 3, [x, a, b], beta, alpha)
    }

    /// beta x + alpha a b, where a and b have this rank, and as many matrices.
    fn add_product(
        &mut self,
        what: &str,
        rank: usize,
        [x, a, b]: [NodeId; 3],
        beta: f64,
        alpha: f64,
    ) -> Maybe<NodeId> {
        self.need_same_float(what, a, b)?;
        self.need_same_float(what, x, a)?;
        let (left, right) = (self.shape(a), self.shape(b));
        let fits = left.len() == rank
            && right.len() == rank
            && left[..rank - 2] == right[..rank - 2]
            && last_two(&left).1 == last_two(&right).0;
        if !fits {
            return Err(self.refuse_pair(a, b, |slot, a, b| {
                slot.set(
                    ErrorKind::Shape,
                    format_args!(
                        "{what}: cannot multiply {a} by {b}: both must have rank {rank}, and the \
                         columns of the first be as many as the rows of the second"
                    ),
                )
            }));
        }
        let mut dims = left;
        dims[rank - 1] = last_two(&right).1;
        let from = self.shape(x);
        if !shape::broadcasts_to(&from, &dims) {
            return Err(self.fail(
                ErrorKind::Shape,
                format_args!("{what}: {from:?} is not broadcast to the product, {dims:?}"),
            ));
        }
        let product = self.matmul(a, b)?;
        let product = self.times(product, alpha)?;
        let x = match beta {
            // Nor does it where it is infinite.
            0.0 => self.map2(Elem::Weigh, x, Operand::Constant(0.0))?,
            _ => self.times(x, beta)?,
        };
        self.map2(Elem::Add, x, product)
    }

    fn times(&mut self, x: NodeId, factor: f64) -> Maybe<NodeId> {
        match factor {
            1.0 => Ok(x),
            _ => self.map2(Elem::Mul, x, Operand::Constant(factor)),
        }
    }

    /// The vectors along the last axis of x times the transposed weight, of shape [outputs, inputs], plus the
    /// bias, of shape [outputs].
    ///
    /// - PyTorch: `F.linear(x, weight, bias)`
    /// - Cases: `x=U(4,3), weight=U(2,3), bias=U(2)`; `x=U(3), weight=U(2,3), bias=U(2)`;
    ///   `x=U(2,4,3), weight=U(2,3), bias=U(2)`; `x=U(0,3), weight=U(2,3), bias=U(2)`;
    ///   `x=U(4,0), weight=U(2,0), bias=U(2)`
    pub(crate) fn linear(&mut self, x: NodeId, weight: NodeId, bias: NodeId) -> Maybe<NodeId> {
        let what = "linear";
        self.need_same_float(what, x, weight)?;
        self.need_same_float(what, x, bias)?;
        let [dims, matrix, shift] = [x, weight, bias].map(|x| self.shape(x));
        let fits = matrix.len() == 2 && dims.last() == Some(&matrix[1]) && *shift == matrix[..1];
        if !fits {
            return Err(self.fail(
                ErrorKind::Shape,
                format_args!(
                    "{what}: needs [..., inputs] with a weight [outputs, inputs] and a bias \
                     [outputs], not {dims:?}, {matrix:?} and {shift:?}"
                ),
            ));
        }
        let weight = self.transpose(weight, 0, 1)?;
        let product = self.matmul(x, weight)?;
        self.map2(Elem::Add, product, bias)
    }

    /// All products of two vectors: y[i][j] = a[i] b[j].
    ///
    /// - PyTorch: `torch.outer(a, b)`
    /// - Cases: `a=U(2), b=U(3)`; `a=U(1), b=U(1)`; `a=U(0), b=U(3)`; `a=S(0, inf, nan), b=S(1, 0)`
    pub(crate) fn outer(&mut self, a: NodeId, b: NodeId) -> Maybe<NodeId> {
        let what = "outer";
        self.need_same_float(what, a, b)?;
        if self.shape(a).len() != 1 || self.shape(b).len() != 1 {
            return Err(self.refuse_pair(a, b, |slot, a, b| {
                slot.set(
                    ErrorKind::Shape,
                    format_args!("{what}: needs two vectors, not {a} and {b}"),
                )
            }));
        }
        let a = self.unsqueeze(a, 1)?;
        self.map2(Elem::Mul, a, b)
    }

    /// The Kronecker product: each element of a times all of b, in its place. The lengths of the result are
    /// the products of those of a and b, aligned at the right; at most 4 axes.
    ///
    /// - PyTorch: `torch.kron(a, b)`
    /// - Cases: `a=U(2,3), b=U(3,2)`; `a=U(2), b=U(3)`; `a=U(2,3,2), b=U(3)`; `a=U(2), b=U(3,2)`;
    ///   `a=U(), b=U(2,3)`; `a=U(), b=U()`; `a=U(0,2), b=U(2,3)`; `a=U(2,1,2,2), b=U(1,3,1,2)`
    pub(crate) fn kron(&mut self, a: NodeId, b: NodeId) -> Maybe<NodeId> {
        let what = "kron";
        self.need_same_float(what, a, b)?;
        let (left, right) = (self.shape(a), self.shape(b));
        let rank = left.len().max(right.len());
        if 2 * rank > MAX_RANK {
            return Err(self.refuse_pair(a, b, |slot, a, b| {
                slot.set(
                    ErrorKind::Limit,
                    format_args!(
                        "{what}: needs operands of rank {} or less, not {a} and {b}",
                        MAX_RANK / 2
                    ),
                )
            }));
        }
        let (mut outer, mut inner, mut dims) = (Dims::SCALAR, Dims::SCALAR, Dims::SCALAR);
        for axis in 0..rank {
            let at = |dims: &Dims| (axis + dims.len()).checked_sub(rank).map_or(1, |i| dims[i]);
            let (x, y) = (at(&left), at(&right));
            [x, 1].into_iter().for_each(|len| outer.push(len));
            [1, y].into_iter().for_each(|len| inner.push(len));
            // (What overflows is refused below, before this is used.)
            dims.push(x.saturating_mul(y));
        }
        let a = self.reshape_to(what, a, &outer)?;
        let b = self.reshape_to(what, b, &inner)?;
        let products = self.map2(Elem::Mul, a, b)?;
        self.reshape_to(what, products, &dims)
    }

    /// The cross product of the vectors of three elements along an axis; the other axes are broadcast. Both
    /// have one rank.
    ///
    /// - PyTorch: `torch.linalg.cross(a, b, dim=axis)`
    /// - Cases: `a=U(3), b=U(3), axis=0`; `a=U(2,3), b=U(2,3), axis=-1`; `a=U(3,2), b=U(3,2), axis=0`;
    ///   `a=U(2,3,4), b=U(2,3,4), axis=1`; `a=U(2,3), b=U(1,3), axis=1`; `a=U(1,4,3), b=U(2,1,3), axis=-1`;
    ///   `a=U(0,3), b=U(0,3), axis=-1`; `a=S(1, inf, 0), b=S(2, 1, nan), axis=0`
    pub(crate) fn cross(&mut self, a: NodeId, b: NodeId, axis: isize) -> Maybe<NodeId> {
        let what = "cross";
        self.need_same_float(what, a, b)?;
        self.broadcast(what, a, b)?;
        let (left, right) = (self.shape(a), self.shape(b));
        let at = self.axis(what, axis, left.len())?;
        if left.len() != right.len() || left.get(at) != Some(&3) || right[at] != 3 {
            return Err(self.refuse_pair(a, b, |slot, a, b| {
                slot.set(
                    ErrorKind::Shape,
                    format_args!(
                        "{what}: needs operands of one rank, with 3 elements along axis {axis}, not {a} \
                         and {b}"
                    ),
                )
            }));
        }
        let mut parts = [NodeId::NONE; 3];
        for (i, part) in parts.iter_mut().enumerate() {
            let (next, last) = ((i + 1) % 3, (i + 2) % 3);
            let [x, y] = [(a, next), (b, last)].map(|(x, i)| self.slice_by(x, at, i, 1, 1));
            let plus = self.map2(Elem::Mul, x?, y?)?;
            let [x, y] = [(a, last), (b, next)].map(|(x, i)| self.slice_by(x, at, i, 1, 1));
            let minus = self.map2(Elem::Mul, x?, y?)?;
            *part = self.map2(Elem::Sub, plus, minus)?;
        }
        self.concat(&parts, at as isize)
    }

    /// The sums of a b along an axis, of tensors that are broadcast to one another.
    ///
    /// - PyTorch: `torch.linalg.vecdot(a, b, dim=axis)`
    /// - Cases: `a=U(3), b=U(3), axis=0`; `a=U(2,3), b=U(2,3), axis=-1`; `a=U(2,3), b=U(3), axis=-1`;
    ///   `a=U(2,3), b=U(2,3), axis=0`; `a=U(2,1,3), b=U(4,1), axis=1`; `a=U(2,0), b=U(2,0), axis=1`
    pub(crate) fn vecdot(&mut self, a: NodeId, b: NodeId, axis: isize) -> Maybe<NodeId> {
        let what = "vecdot";
        self.need_same_float(what, a, b)?;
        let (shape, _) = self.broadcast(what, a, b)?;
        let axis = self.axis(what, axis, self.dims(shape).len())?;
        let products = self.map2(Elem::Mul, a, b)?;
        self.sum(products, &[axis as isize], false)
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
