//! Matrices of derivatives, made of the transforms: one product for a direction, recorded once, and
//! then with one more axis for all directions.

use super::{Between, Random};
use crate::arena::TryPush;
use crate::dtype::DType;
use crate::error::{ErrorKind, Maybe};
use crate::graph::{Core, NewNode, Operand};
use crate::id::NodeId;
use crate::node::{Comparison, Op};
use crate::roll_call::Elem;
use crate::shape::{Dims, MAX_RANK};

/// Elements of the largest tensor on the way, at most, unless a single direction has more: more
/// directions are done in blocks, one after the other.
const BLOCK: usize = 1 << 24;

/// How a matrix of derivatives is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Row by row, by gradients: one for each element of the output.
    Reverse,
    /// Column by column, by tangents: one for each element of the input.
    Forward,
}

impl Core {
    /// The mode that takes fewer passes; reverse of two that take as many. Forward, too, where no gradient
    /// reaches the input; and the other one where an operation of the user's has but that.
    pub(crate) fn jacobian_mode(&mut self, y: NodeId, x: NodeId) -> Maybe<Mode> {
        let [has_forward, has_reverse] = self.modes("jacobian", y)?;
        let (y, x) = (self.node(y), self.node(x));
        let has_gradient = y.requires_grad && x.requires_grad && has_reverse;
        let is_reverse = has_gradient && (y.len <= x.len || !has_forward);
        Ok(if is_reverse { Mode::Reverse } else { Mode::Forward })
    }

    /// The derivatives of each element of `y` by each of `x`: in the shape of `y`, and then of `x`.
    pub(crate) fn record_jacobian(
        &mut self,
        between: &mut Between,
        y: NodeId,
        x: NodeId,
        mode: Option<Mode>,
    ) -> Maybe<NodeId> {
        let what = "jacobian";
        self.need_float(what, y)?;
        self.need_float(what, x)?;
        let mut dims = self.shape(y);
        let (rows, columns) = (self.node(y).len, self.node(x).len);
        self.both(what, &mut dims, x)?;
        let mode = match mode {
            Some(mode) => mode,
            None => self.jacobian_mode(y, x)?,
        };
        match mode {
            Mode::Reverse => {
                let head = self.fill_like(y, 0.0)?;
                let mut g = [NodeId::NONE];
                self.record_grad(&[(y, Some(head))], &[x], true, &mut g)?;
                if g[0].is_none() {
                    return self.zeros(what, y, &dims);
                }
                let all = self.by_blocks(between, head, g[0])?;
                let all = self.cast(all, self.node(y).dtype)?;
                self.reshape_to(what, all, &dims)
            }
            Mode::Forward => {
                let tangent = self.fill_like(x, 0.0)?;
                let mut moved = [NodeId::NONE];
                self.record_jvp(between, &[y], &[x], &[tangent], &mut moved)?;
                let all = self.by_blocks(between, tangent, moved[0])?;
                let all = self.reshape_to(what, all, &[columns, rows])?;
                let all = self.transpose(all, 0, 1)?;
                self.reshape_to(what, all, &dims)
            }
        }
    }

    /// The second derivatives of a single element, in the shape of `x`, twice: how its gradient moves,
    /// forward over reverse.
    pub(crate) fn record_hessian(
        &mut self,
        between: &mut Between,
        y: NodeId,
        x: NodeId,
    ) -> Maybe<NodeId> {
        let what = "hessian";
        self.need_one(what, y)?;
        let mut dims = self.shape(x);
        self.both(what, &mut dims, x)?;
        let mut g = [NodeId::NONE];
        self.with_gradients(|core| core.record_gradients(y, &[x], &mut g))?;
        let tangent = self.fill_like(x, 0.0)?;
        let mut moved = [NodeId::NONE];
        self.record_jvp(between, &g, &[x], &[tangent], &mut moved)?;
        // (It is symmetric: columns are rows.)
        let all = self.by_blocks(between, tangent, moved[0])?;
        self.reshape_to(what, all, &dims)
    }

    /// How the gradient of a single element by `xs` moves with tangents: Hessian-vector products.
    pub(crate) fn record_hvp(
        &mut self,
        between: &mut Between,
        y: NodeId,
        xs: &[NodeId],
        tangents: &[NodeId],
        out: &mut [NodeId],
    ) -> Maybe<()> {
        self.need_one("hvp", y)?;
        self.with_gradients(|core| core.record_gradients(y, xs, out))?;
        let mut gradients = std::mem::take(&mut between.nodes);
        gradients.clear();
        let listed = gradients.try_room(xs.len());
        let moved = listed.map_err(|_| self.out_of_memory("hvp")).and_then(|()| {
            out.iter().for_each(|&g| gradients.push_within(g));
            self.record_jvp(between, &gradients, xs, tangents, out)
        });
        between.nodes = gradients;
        moved
    }

    /// The second derivatives of a single element by each element of `x`, twice: forward mode twice.
    pub(crate) fn record_hessian_diagonal(
        &mut self,
        between: &mut Between,
        y: NodeId,
        x: NodeId,
    ) -> Maybe<NodeId> {
        let what = "hessian_diagonal";
        self.need_one(what, y)?;
        self.need_float(what, x)?;
        let tangent = self.fill_like(x, 0.0)?;
        let (mut first, mut second) = ([NodeId::NONE], [NodeId::NONE]);
        self.with_gradients(|core| core.record_jvp(between, &[y], &[x], &[tangent], &mut first))?;
        self.record_jvp(between, &first, &[x], &[tangent], &mut second)?;
        let all = self.by_blocks(between, tangent, second[0])?;
        let dims = self.shape(x);
        self.reshape_to(what, all, &dims)
    }

    /// The sum of these.
    pub(crate) fn record_laplacian(
        &mut self,
        between: &mut Between,
        y: NodeId,
        x: NodeId,
    ) -> Maybe<NodeId> {
        let diagonal = self.record_hessian_diagonal(between, y, x)?;
        self.sum(diagonal, &[], false)
    }

    /// The sum of the derivatives of each element of `y` by that of `x` in its place.
    pub(crate) fn record_divergence(
        &mut self,
        between: &mut Between,
        y: NodeId,
        x: NodeId,
    ) -> Maybe<NodeId> {
        let what = "divergence";
        self.need_same_float(what, y, x)?;
        if self.node(y).shape != self.node(x).shape {
            let (y, x) = (self.shape(y), self.shape(x));
            return Err(self.fail(
                ErrorKind::Shape,
                format_args!("{what}: needs an output of the shape {x:?} of the input, not {y:?}"),
            ));
        }
        let tangent = self.fill_like(x, 0.0)?;
        let mut moved = [NodeId::NONE];
        self.record_jvp(between, &[y], &[x], &[tangent], &mut moved)?;
        let own = self.map2(Elem::Mul, moved[0], tangent)?;
        let own = self.sum(own, &[], false)?;
        let all = self.by_blocks(between, tangent, own)?;
        self.sum(all, &[], false)
    }

    /// The gradients of a single element: zeros by what it does not depend on.
    pub(crate) fn record_gradients(
        &mut self,
        y: NodeId,
        xs: &[NodeId],
        out: &mut [NodeId],
    ) -> Maybe<()> {
        self.record_grad(&[(y, None)], xs, true, out)?;
        for (g, &x) in out.iter_mut().zip(xs) {
            if g.is_none() {
                *g = self.fill_like(x, 0.0)?;
            }
        }
        Ok(())
    }

    pub(crate) fn need_one(&mut self, what: &str, y: NodeId) -> Maybe<()> {
        self.need_float(what, y)?;
        if self.node(y).len == 1 {
            return Ok(());
        }
        let dims = self.shape(y);
        Err(self.fail(
            ErrorKind::Shape,
            format_args!("{what}: needs an output of a single element, not {dims:?}"),
        ))
    }

    /// A shape with that of a node behind.
    fn both(&mut self, what: &str, dims: &mut Dims, x: NodeId) -> Maybe<()> {
        let own = self.shape(x);
        let rank = dims.len() + own.len();
        if rank > MAX_RANK {
            return Err(self.fail(
                ErrorKind::Limit,
                format_args!(
                    "{what}: {dims:?} by {own:?} is of rank {rank}, and the largest is {}: flatten them",
                    MAX_RANK
                ),
            ));
        }
        own.iter().for_each(|&len| dims.push(len));
        Ok(())
    }

    fn zeros(&mut self, what: &str, like: NodeId, dims: &[usize]) -> Maybe<NodeId> {
        let dtype = self.node(like).dtype;
        let mut node = NewNode::new(Op::Fill, dtype);
        (node.shape, node.len) = self.intern_shape(what, dims)?;
        self.push(node)
    }

    /// There is room for an axis of directions.
    pub(crate) fn need_axis(&mut self, what: &str, x: NodeId) -> Maybe<()> {
        let dims = self.shape(x);
        if dims.len() < MAX_RANK {
            return Ok(());
        }
        Err(self.fail(
            ErrorKind::Limit,
            format_args!(
                "{what}: {dims:?} has the largest rank, {MAX_RANK}, and the directions need an axis: \
                 reshape it"
            ),
        ))
    }

    /// What `y` is for each unit direction in the place of `x`, one after the other along the first axis.
    fn by_blocks(&mut self, between: &mut Between, x: NodeId, y: NodeId) -> Maybe<NodeId> {
        let (what, len) = ("jacobian", self.node(x).len);
        self.need_axis(what, x)?;
        let steps = |id| self.operands(id);
        let found = between.find(self, &[x], &[y], steps);
        found.map_err(|_| self.out_of_memory(what))?;
        let on_the_way = between.visit.found().iter().filter(|&&id| between.leads(id));
        let largest = on_the_way.map(|&id| self.node(id).len).max().unwrap_or(1);
        let count = (BLOCK / largest.max(1)).clamp(1, len.max(1));
        let mut blocks = std::mem::take(&mut between.nodes);
        blocks.clear();
        let recorded = (0..len.max(1)).step_by(count).try_for_each(|first| {
            let directions = self.directions(x, first, count.min(len - first))?;
            let mut block = [NodeId::NONE];
            self.record_vmap(between, &[y], &[x], &[directions], Random::Same, &mut block)?;
            blocks.try_push(block[0]).map(|_| ()).map_err(|_| self.out_of_memory(what))
        });
        let all = recorded.and_then(|()| match blocks[..] {
            [all] => Ok(all),
            _ => self.concat(&blocks, 0),
        });
        between.nodes = blocks;
        all
    }

    /// Unit directions of a tensor, from one element on: computed where they are read.
    fn directions(&mut self, x: NodeId, first: usize, count: usize) -> Maybe<NodeId> {
        let (what, dims, dtype) = ("jacobian", self.shape(x), self.node(x).dtype);
        let (first, last) = (first as f64, (first + count) as f64);
        let rows = self.arange(DType::I64, first, last, 1.0)?;
        let mut tall = Dims::SCALAR;
        tall.push(count);
        dims.iter().for_each(|_| tall.push(1));
        let rows = self.reshape_to(what, rows, &tall)?;
        let places = self.arange(DType::I64, 0.0, self.node(x).len as f64, 1.0)?;
        let places = self.reshape_to(what, places, &dims)?;
        let same = self.compare(Comparison::Eq, rows, Operand::Node(places))?;
        self.cast(same, dtype)
    }
}
