//! Reading and adding at indices held in i64 tensors. Indices are checked when the node is run.

use super::Sink;
use crate::error::{ErrorKind, Maybe};
use crate::graph::{Core, NewNode};
use crate::id::NodeId;
use crate::node::Op;

impl Core {
    fn push_index(&mut self, op: Op, x: NodeId, index: NodeId, axis: usize) -> Maybe<NewNode> {
        let mut node = NewNode::new(op, self.node(x).dtype);
        (node.inputs[0], node.inputs[1]) = (x, index);
        node.list = self.intern(&[axis])?;
        Ok(node)
    }

    /// The slices along an axis at the positions in `index`, a vector of i64; negative ones count from the
    /// end. Gradient: added up at the positions.
    ///
    /// - PyTorch: `torch.index_select(x, axis, index)`
    /// - Types: any
    pub(crate) fn index_select(&mut self, x: NodeId, axis: isize, index: NodeId) -> Maybe<NodeId> {
        let what = "index_select";
        self.need_index(what, index)?;
        let (mut dims, at) = (self.shape(x), self.shape(index));
        if at.len() > 1 || dims.is_empty() {
            return Err(self.fail(
                ErrorKind::Shape,
                format_args!("{what}: needs a source of rank 1 or more and a 1-d index, not {dims:?} and {at:?}"),
            ));
        }
        let axis = self.axis(what, axis, dims.len())?;
        dims[axis] = self.node(index).len;
        let mut node = self.push_index(Op::IndexSelect, x, index, axis)?;
        (node.shape, node.len) = self.intern_shape(what, &dims)?;
        self.push_here(node)
    }

    /// The elements at the positions in `index` (i64) along an axis: for axis 1 of a matrix,
    /// y[i][j] = x[i][index[i][j]]. The result has the shape of `index`, whose other axes are no longer than
    /// those of `x`. Indices are not negative. Gradient: added up at the positions.
    ///
    /// - PyTorch: `torch.gather(x, axis, index)`
    /// - Types: any
    pub(crate) fn gather(&mut self, x: NodeId, axis: isize, index: NodeId) -> Maybe<NodeId> {
        let what = "gather";
        self.need_index(what, index)?;
        let (dims, at) = (self.shape(x), self.shape(index));
        let axis = self.axis(what, axis, dims.len())?;
        let fits = dims.len() == at.len()
            && (0..dims.len()).all(|other| other == axis || at[other] <= dims[other]);
        if !fits {
            return Err(self.fail(
                ErrorKind::Shape,
                format_args!(
                    "{what}: an index of shape {at:?} does not fit {dims:?}: ranks must be equal, and \
                     axes other than {axis} no longer"
                ),
            ));
        }
        let mut node = self.push_index(Op::Gather, x, index, axis)?;
        (node.shape, node.len) = (self.node(index).shape, self.node(index).len);
        self.push_here(node)
    }

    /// Zeros in the shape of `like` with the elements of `x` added at the positions in `index`.
    pub(crate) fn scatter_zeros(
        &mut self,
        x: NodeId,
        index: NodeId,
        axis: usize,
        like: NodeId,
    ) -> Maybe<NodeId> {
        self.add_at(Op::ScatterAdd, x, index, axis, like)
    }

    /// Zeros in the shape of `like` with the slices of `x` added at the positions in `index`.
    pub(crate) fn add_slices(
        &mut self,
        x: NodeId,
        index: NodeId,
        axis: usize,
        like: NodeId,
    ) -> Maybe<NodeId> {
        self.add_at(Op::IndexAdd, x, index, axis, like)
    }

    /// Zeros in the shape of `like` to which `op` adds `x` at the positions in `index`.
    fn add_at(
        &mut self,
        op: Op,
        x: NodeId,
        index: NodeId,
        axis: usize,
        like: NodeId,
    ) -> Maybe<NodeId> {
        let mut node = self.push_index(op, x, index, axis)?;
        (node.shape, node.len) = (self.node(like).shape, self.node(like).len);
        self.push_here(node)
    }

    /// The cotangent of what is added at indices. (That of what is read there is a part of a whole,
    /// and the reverse walk's business.)
    pub(crate) fn vjp_index_add(
        &mut self,
        op: Op,
        id: NodeId,
        g: NodeId,
        sink: &mut Sink,
    ) -> Maybe<()> {
        let node = *self.node(id);
        let [x, index, ..] = node.inputs;
        if !sink.wants(self, x) {
            return Ok(());
        }
        let axis = self.list(node.list)[0] as usize;
        let cotangent = match op {
            Op::IndexAdd => self.index_select(g, axis as isize, index)?,
            Op::ScatterAdd => self.gather(g, axis as isize, index)?,
            _ => unreachable!("{op:?} does not add at indices"),
        };
        sink.send(self, x, cotangent)
    }
}
