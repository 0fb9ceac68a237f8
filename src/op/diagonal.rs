//! Diagonals and triangles of matrices: views, blocks among zeros, and comparisons of coordinates, which
//! are no tensors of the size of the data.

use crate::dtype::DType;
use crate::error::{ErrorKind, Maybe};
use crate::graph::{Core, Operand};
use crate::id::NodeId;
use crate::node::Comparison;
use crate::shape::{Dims, Layout};

impl Core {
    /// A diagonal of the matrices along two axes, which vanish; it is the last axis of the result. `offset`
    /// is how far above the main diagonal it is, or, negative, below. A view of what lies in row-major order.
    ///
    /// - PyTorch: `torch.diagonal(x, offset, axis0, axis1)`
    /// - Types: any
    /// - Cases: `x=U(3,3), offset=0, axis0=0, axis1=1`; `x=U(2,4), offset=1, axis0=0, axis1=1`;
    ///   `x=U(4,2), offset=-2, axis0=0, axis1=1`; `x=U(2,3,4), offset=-1, axis0=-1, axis1=0`;
    ///   `x=U(2,3,4), offset=0, axis0=0, axis1=2`; `x=U(2,3), offset=5, axis0=0, axis1=1`;
    ///   `x=U(0,3), offset=0, axis0=0, axis1=1`; `x=U(1,1), offset=0, axis0=0, axis1=1`
    pub(crate) fn diagonal(
        &mut self,
        x: NodeId,
        offset: isize,
        axis0: isize,
        axis1: isize,
    ) -> Maybe<NodeId> {
        let (row, column) = self.two_axes("diagonal", x, axis0, axis1)?;
        let dims = self.shape(x);
        let own = Layout::dense(&dims);
        let (down, right) = below_and_right(offset);
        let count = dims[row].saturating_sub(down).min(dims[column].saturating_sub(right));
        let (mut kept, mut steps) = (Dims::SCALAR, [0; crate::shape::MAX_RANK]);
        for (axis, &step) in own.strides().iter().enumerate() {
            if axis != row && axis != column {
                steps[kept.len()] = step;
                kept.push(dims[axis]);
            }
        }
        let (below, beside) = (own.strides()[row], own.strides()[column]);
        steps[kept.len()] = below + beside;
        kept.push(count);
        let start = match count {
            0 => 0,
            _ => down * below.unsigned_abs() + right * beside.unsigned_abs(),
        };
        self.as_strided(x, &Layout::new(start, &kept, steps.into_iter()))
    }

    /// Matrices of zeros with the last axis on a diagonal: `offset` above the main one or, negative, below.
    ///
    /// - PyTorch: `torch.diag_embed(x, offset)`
    /// - Types: any
    /// - Cases: `x=U(3), offset=0`; `x=U(3), offset=1`; `x=U(2,3), offset=-2`; `x=U(2,2,1), offset=0`;
    ///   `x=U(0), offset=0`; `x=U(0), offset=1`; `x=U(2,0), offset=-1`; `x=I(1, 2), offset=1`
    pub(crate) fn diag_embed(&mut self, x: NodeId, offset: isize) -> Maybe<NodeId> {
        self.diag_embed_as("diag_embed", x, offset)
    }

    fn diag_embed_as(&mut self, what: &str, x: NodeId, offset: isize) -> Maybe<NodeId> {
        let axis = self.own_axis(what, x, -1)?;
        self.need_room(what, x)?;
        let (mut flat, mut square) = (self.shape(x), self.shape(x));
        let count = flat[axis];
        let side = count.saturating_add(offset.unsigned_abs());
        square[axis] = side;
        square.push(side);
        self.intern_shape(what, &square)?;
        // Row by row, one place and a whole row lie between two of its elements.
        flat[axis] = side * side;
        let (down, right) = below_and_right(offset);
        let (start, step) = match count {
            0 => (0, 1),
            1 => (down * side + right, 1),
            _ => (down * side + right, side + 1),
        };
        let among = self.embed(x, axis, start, step, &flat)?;
        self.reshape_to(what, among, &square)
    }

    /// Of a vector, the matrix that has it on a diagonal among zeros; of a matrix, the diagonal: `k` above
    /// the main one or, negative, below.
    ///
    /// - PyTorch: `torch.diag(x, k)`
    /// - Types: any
    /// - Cases: `x=U(3), k=0`; `x=U(2), k=-1`; `x=U(2,3), k=0`; `x=U(3,2), k=1`; `x=U(2,3), k=-1`;
    ///   `x=U(0), k=2`
    pub(crate) fn diag(&mut self, x: NodeId, k: isize) -> Maybe<NodeId> {
        let what = "diag";
        let dims = self.shape(x);
        match dims.len() {
            1 => self.diag_embed_as(what, x, k),
            2 => self.diagonal(x, k, 0, 1),
            _ => Err(self.fail(
                ErrorKind::Shape,
                format_args!("{what}: needs a vector or a matrix, not {dims:?}"),
            )),
        }
    }

    /// The sum of the main diagonal of a matrix.
    ///
    /// - PyTorch: `torch.trace(x)`
    /// - Types: any
    /// - Cases: `x=U(3,3)`; `x=U(2,4)`; `x=U(0,2)`; `x=U(1,1)`; `x=I([1, 2], [3, 4])`
    pub(crate) fn trace(&mut self, x: NodeId) -> Maybe<NodeId> {
        let what = "trace";
        let dims = self.shape(x);
        if dims.len() != 2 {
            return Err(
                self.fail(ErrorKind::Shape, format_args!("{what}: needs a matrix, not {dims:?}"))
            );
        }
        let diagonal = self.diagonal(x, 0, 0, 1)?;
        self.sum(diagonal, &[], false)
    }

    /// The matrices of the last two axes with zeros above a diagonal: `k` above the main one or, negative,
    /// below. Gradient: that of the elements that are left.
    ///
    /// - PyTorch: `torch.tril(x, k)`
    /// - Types: any
    /// - Cases: `x=U(3,3), k=0`; `x=U(2,4), k=1`; `x=U(2,3,2), k=-1`; `x=U(2,3), k=-9`; `x=U(2,3), k=9`;
    ///   `x=U(0,3), k=0`; `x=M([1, 2], [3, 4]), k=0`; `x=I([1, 2], [3, 4]), k=-1`; `x=f64([[1, inf], [nan, -inf]]).view(type(S(1))), k=0`
    pub(crate) fn tril(&mut self, x: NodeId, k: isize) -> Maybe<NodeId> {
        self.triangle("tril", x, k, Comparison::Ge)
    }

    /// The matrices of the last two axes with zeros below a diagonal: `k` above the main one or, negative,
    /// below. Gradient: that of the elements that are left.
    ///
    /// - PyTorch: `torch.triu(x, k)`
    /// - Types: any
    /// - Cases: `x=U(3,3), k=0`; `x=U(2,4), k=1`; `x=U(2,3,2), k=-1`; `x=U(2,3), k=-9`; `x=U(2,3), k=9`;
    ///   `x=U(0,3), k=0`; `x=M([1, 2], [3, 4]), k=1`; `x=f64([[1, inf], [nan, -inf]]).view(type(S(1))), k=0`
    pub(crate) fn triu(&mut self, x: NodeId, k: isize) -> Maybe<NodeId> {
        self.triangle("triu", x, k, Comparison::Le)
    }

    /// The elements at which a row's number, moved by `k`, compares so with the column's.
    fn triangle(
        &mut self,
        what: &str,
        x: NodeId,
        k: isize,
        comparison: Comparison,
    ) -> Maybe<NodeId> {
        let dims = self.shape(x);
        let [.., rows, columns] = *dims else {
            return Err(self.fail(
                ErrorKind::Shape,
                format_args!("{what}: needs a tensor of rank 2 or more, not {dims:?}"),
            ));
        };
        // Beyond the corners nothing changes any more.
        let k = k.clamp(-(rows as isize), columns as isize) as f64;
        let row = self.arange(DType::I64, k, k + rows as f64, 1.0)?;
        let row = self.reshape_to(what, row, &[rows, 1])?;
        let column = self.arange(DType::I64, 0.0, columns as f64, 1.0)?;
        let mask = self.compare(comparison, row, column)?;
        self.where_(mask, x, Operand::Constant(0.0))
    }
}

/// How far below and right of the main diagonal another one begins.
fn below_and_right(offset: isize) -> (usize, usize) {
    let far = offset.unsigned_abs();
    if offset < 0 { (far, 0) } else { (0, far) }
}
