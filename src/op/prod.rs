//! The product over axes, and its gradient: balanced trees of products.
//!
//! The tree of a row of many elements is one step; other trees are products of slices, which fuse.

use std::ops::Mul;

use super::Sink;
use super::batch::Batching;
use super::integer::Over;
use super::reduce::Axes;
use super::structural::{Gives, Rule};
use crate::dtype::{Element, with_float};
use crate::error::Maybe;
use crate::graph::{Core, NewNode, Operand};
use crate::id::NodeId;
use crate::node::Op;
use crate::roll_call::{Elem, Structural};
use crate::shape::{Dims, MAX_RANK};
use crate::task::{Outside, Task};

/// From how many elements on the tree of a row is one step.
const LONG: usize = 32;

/// The products of rows, which keep length 1.
pub(crate) struct RowProducts;

impl Rule for RowProducts {
    const NAME: &str = "prod";
    const COST: u64 = 50_000;
    const BATCHING: Batching = Batching::Rows;
    /// The node on top of a product has the gradient.
    const GIVES: Gives = Gives::Elements(|_, _, _, _| Ok(()));

    fn run(task: &Task<'_>) -> Result<(), Outside> {
        let len = task.dims(0).last().copied().unwrap_or(1);
        with_float!(task.dtype(0), T => {
            let x = task.operand::<T>(0);
            task.each_part::<T>(1, |out, first| {
                for (out, row) in out.iter_mut().zip(x[first * len..].chunks_exact(len)) {
                    out.write(product(row));
                }
            });
        });
        Ok(())
    }
}

/// The product of a row: of blocks, in each of which so many products go on side by side, and of these a
/// tree, of which no more than one branch of each size waits.
fn product<T: Element + Mul<Output = T>>(row: &[T]) -> T {
    const LANES: usize = 16;
    const BLOCK: usize = 8 * LANES;
    let one = T::from_f64(1.0);
    let mut waiting = [one; usize::BITS as usize];
    let mut count = 0_usize;
    for block in row.chunks(BLOCK) {
        let mut lanes = [one; LANES];
        let mut parts = block.chunks_exact(LANES);
        for part in &mut parts {
            lanes.iter_mut().zip(part).for_each(|(lane, &x)| *lane = *lane * x);
        }
        lanes.iter_mut().zip(parts.remainder()).for_each(|(lane, &x)| *lane = *lane * x);
        let mut half = LANES / 2;
        while half > 0 {
            for lane in 0..half {
                lanes[lane] = lanes[lane] * lanes[lane + half];
            }
            half /= 2;
        }
        // As when 1 is added to a binary number: each carry joins two branches of one size.
        let mut branch = lanes[0];
        let carries = count.trailing_ones() as usize;
        waiting[..carries].iter().for_each(|&other| branch = other * branch);
        waiting[carries] = branch;
        count += 1;
    }
    let is_waiting = |&level: &usize| count >> level & 1 != 0;
    (0..waiting.len()).filter(is_waiting).fold(one, |product, level| waiting[level] * product)
}

impl Core {
    /// The product; 1 of no elements. It is a balanced tree of products, and so is its gradient, which needs
    /// no division: it is right where elements are 0, to any order.
    ///
    /// - PyTorch: `torch.prod(x, axes[0], keepdim)`
    /// - Types: any
    /// - Cases: `x=I([1,2],[3,4]), axes=[0], keepdim=False`
    pub(crate) fn prod(&mut self, x: NodeId, axes: &[isize], keepdim: bool) -> Maybe<NodeId> {
        let what = "prod";
        if !self.node(x).dtype.is_float() {
            return self.reduce_integers(what, Over::Product, x, axes, keepdim);
        }
        let dtype = self.node(x).dtype;
        let axes = self.axes(what, x, axes)?;
        let dims = self.shape(x);
        let (kept, dropped) = (axes.kept(&dims), axes.dropped(&dims));
        if dims.len() == MAX_RANK && dropped.len() == MAX_RANK {
            // Nothing is reduced: a tensor of the largest rank, and no axis (unreachable by name).
            return Ok(x);
        }
        // Its gradient is the business of the node on top.
        self.no_grad += 1;
        let tree = self.prod_tree(what, x, &axes, if keepdim { &kept } else { &dropped });
        self.no_grad -= 1;
        let tree = tree?;
        let mut node = NewNode::new(Op::Prod, dtype);
        (node.inputs[0], node.inputs[1]) = (tree, x);
        node.list = self.intern(&kept)?;
        (node.shape, node.len) = (self.node(tree).shape, self.node(tree).len);
        self.push(node)
    }

    fn prod_tree(&mut self, what: &str, x: NodeId, axes: &Axes, dims: &Dims) -> Maybe<NodeId> {
        let (mut y, at, _) = self.reduced_as_one(what, x, axes)?;
        let count = self.shape(y)[at];
        if count == 0 {
            // Sums of nothing are 0, and products of nothing are 1.
            let zero = self.sum(y, &[at as isize], true)?;
            y = self.map2(Elem::Add, zero, Operand::Constant(1.0))?;
        }
        if count >= LONG && at + 1 == self.shape(y).len() {
            let mut kept = self.shape(y);
            kept[at] = 1;
            let mut node = self.structural(Structural::RowProducts, &[y], &[])?;
            (node.shape, node.len) = self.intern_shape(what, &kept)?;
            let products = self.push(node)?;
            return self.reshape_to(what, products, dims);
        }
        let mut extra: Option<NodeId> = None;
        let mut left = count;
        while left > 1 {
            let half = left / 2;
            let low = self.slice_by(y, at, 0, half, 1)?;
            let high = self.slice_by(y, at, half, half, 1)?;
            if left % 2 == 1 {
                let odd = self.slice_by(y, at, left - 1, 1, 1)?;
                extra = Some(match extra {
                    Some(extra) => self.map2(Elem::Mul, extra, odd)?,
                    None => odd,
                });
            }
            y = self.map2(Elem::Mul, low, high)?;
            left = half;
        }
        if let Some(extra) = extra {
            y = self.map2(Elem::Mul, y, extra)?;
        }
        self.reshape_to(what, y, dims)
    }

    /// Each element's cotangent is that of the product times the product of all others. (The
    /// cotangent comes last: where it is not 1, it might take what is between out of the range.)
    pub(crate) fn vjp_prod(&mut self, id: NodeId, g: NodeId, sink: &mut Sink) -> Maybe<()> {
        let what = Op::Prod.name();
        let node = *self.node(id);
        let x = node.inputs[1];
        if !sink.wants(self, x) {
            return Ok(());
        }
        let (dims, kept) = (self.shape(x), self.dims(node.list));
        let mut axes = Axes { reduced: [false; MAX_RANK], rank: dims.len() };
        (0..dims.len()).for_each(|axis| axes.reduced[axis] = dims[axis] != kept[axis]);
        let count = axes.count(&dims);
        if count < 2 {
            let cotangent = self.spread(what, g, node.list, x)?;
            return sink.send(self, x, cotangent);
        }
        let (rows, at, order) = self.reduced_as_one(what, x, &axes)?;
        // Products of pairs, of pairs of pairs, and so on; one that has no other goes along.
        let mut levels = [rows; usize::BITS as usize];
        let (mut depth, mut left) = (0, count);
        while left > 1 {
            let y = levels[depth];
            let low = self.slice_by(y, at, 0, left / 2, 1)?;
            let high = self.slice_by(y, at, left / 2, left / 2, 1)?;
            let mut next = self.map2(Elem::Mul, low, high)?;
            if left % 2 == 1 {
                let odd = self.slice_by(y, at, left - 1, 1, 1)?;
                next = self.concat(&[next, odd], at as isize)?;
            }
            depth += 1;
            (levels[depth], left) = (next, left.div_ceil(2));
        }
        // Back: the products of all others than a pair's, times the other of the pair.
        let mut others = self.fill_like(levels[depth], 1.0)?;
        for &y in levels[..depth].iter().rev() {
            let len = self.shape(y)[at];
            let half = len / 2;
            let low = self.slice_by(y, at, 0, half, 1)?;
            let high = self.slice_by(y, at, half, half, 1)?;
            let outer = self.slice_by(others, at, 0, half, 1)?;
            let to_low = self.map2(Elem::Mul, outer, high)?;
            let to_high = self.map2(Elem::Mul, outer, low)?;
            others = if len % 2 == 1 {
                let odd = self.slice_by(others, at, half, 1, 1)?;
                self.concat(&[to_low, to_high, odd], at as isize)?
            } else {
                self.concat(&[to_low, to_high], at as isize)?
            };
        }
        let (mut moved, mut back) = (dims, order);
        for (to, &axis) in order.iter().enumerate() {
            (moved[to], back[axis]) = (dims[axis], to);
        }
        let others = self.reshape_to(what, others, &moved)?;
        let others = self.permute_by(what, others, &back)?;
        let wide = self.spread(what, g, node.list, x)?;
        let cotangent = self.map2(Elem::Mul, others, wide)?;
        sink.send(self, x, cotangent)
    }
}
