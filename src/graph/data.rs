//! Data that are not computed: those of leaves, and gradients.

use super::{Core, NewNode, State};
use crate::arena::TryPush;
use crate::buffer::Buffer;
use crate::dtype::{DType, Element};
use crate::error::Maybe;
use crate::fpenv::Subnormals;
use crate::id::NodeId;
use crate::node::Op;

/// Buffers that an optimiser may keep for a parameter.
pub(crate) const MOMENTS: usize = 3;

/// Whose running averages are kept with a parameter. The numbers are part of the C interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(i32)]
pub enum Optimiser {
    /// SGD with momentum: the velocity. (Without it nothing is kept, and no step counted.)
    Sgd = 1,
    /// Adam and AdamW: the mean gradient, the root of the mean square and, of AMSGrad, the largest that
    /// this was.
    Adam = 2,
    /// RMSProp: the root of the mean square, the mean gradient if it is centred, the velocity if there is
    /// momentum.
    RmsProp = 3,
    /// Adagrad: the root of the sum of squares.
    Adagrad = 4,
    /// Lion: the mean gradient.
    Lion = 5,
}

/// The gradient of a leaf, or of another node that was asked to retain it, and what an optimiser
/// remembers about it.
pub(crate) struct GradSlot {
    pub(crate) node: NodeId,
    /// Unset until the first backward, and after `zero_grad`.
    pub(crate) grad: Option<Buffer>,
    /// Which optimiser the rest is of.
    pub(crate) optimiser: Option<Optimiser>,
    /// Its running averages, one buffer each.
    pub(crate) moments: [Option<Buffer>; MOMENTS],
    /// Steps it has taken.
    pub(crate) steps: u64,
}

/// The leaves that were written last.
pub(super) struct Written {
    pub(super) last: [NodeId; WRITTEN],
    /// Of all writes.
    pub(super) count: u64,
}

pub(super) const WRITTEN: usize = 32;

impl Core {
    /// A leaf of this shape with a buffer of undefined content; the caller fills it at once.
    pub(crate) fn new_leaf(&mut self, what: &str, dtype: DType, dims: &[usize]) -> Maybe<NodeId> {
        let (shape, len) = self.intern_shape(what, dims)?;
        let id = self.push(NewNode { shape, len, ..NewNode::new(Op::Leaf, dtype) })?;
        if self.fail_point.refuses() || self.make_room(id).is_err() {
            self.truncate(id.index());
            return Err(self.out_of_memory(what));
        }
        // New data like any other: what depends on "the present replay" (dropout) stays as it is.
        let clock = self.clock;
        let state = self.state_mut(id);
        (state.changed, state.checked, state.ready) = (clock, clock, true);
        Ok(id)
    }

    /// Says that a leaf's data are about to change: everything downstream is stale from now on.
    pub(crate) fn touch(&mut self, leaf: NodeId) {
        self.clock += 1;
        let clock = self.clock;
        let state = self.state_mut(leaf);
        (state.changed, state.checked) = (clock, clock);
        self.written.last[self.written.count as usize % WRITTEN] = leaf;
        self.written.count += 1;
    }

    /// How many times leaves were written.
    pub(crate) fn writes(&self) -> u64 {
        self.written.count
    }

    /// The leaves that were written after so many writes, some of them more than once and some dropped
    /// since; none if there are too many to know.
    pub(crate) fn written_after(&self, writes: u64) -> Option<impl Iterator<Item = NodeId>> {
        let count = self.written.count;
        let known = count.saturating_sub(writes) <= WRITTEN as u64;
        known.then(|| (writes..count).map(|k| self.written.last[k as usize % WRITTEN]))
    }

    /// What computing does with subnormal numbers.
    pub(crate) fn subnormals(&self) -> Subnormals {
        self.subnormals
    }

    /// Everything computed is stale, if it was computed otherwise.
    pub(crate) fn set_subnormals(&mut self, subnormals: Subnormals) {
        if self.subnormals != subnormals {
            self.subnormals = subnormals;
            self.clock += 1;
            self.oldest = self.clock;
        }
    }

    /// The least version of a computed value that may be right.
    pub(crate) fn oldest(&self) -> u64 {
        self.oldest
    }

    /// The elements of a node whose value is present.
    pub(crate) fn values<T: Element>(&self, id: NodeId) -> &[T] {
        let node = self.node(id);
        assert_eq!(node.dtype, T::DTYPE, "reading {id}");
        match self.state(id) {
            // SAFETY: a node's buffer holds `len` elements of its dtype (taken with that size,
            // written before it is marked as ready), and is borrowed with the core.
            State { value: Some(buffer), ready: true, .. } => unsafe {
                std::slice::from_raw_parts(buffer.as_ptr().cast::<T>(), node.len)
            },
            _ => panic!("{id} has no value"),
        }
    }

    /// The gradient slot of a node, made when it has none.
    #[inline]
    pub(crate) fn slot(&mut self, id: NodeId) -> Maybe<usize> {
        let node = self.node(id);
        if node.has_slot() { Ok(node.slot as usize) } else { self.new_slot(id) }
    }

    #[cold]
    fn new_slot(&mut self, id: NodeId) -> Maybe<usize> {
        let slot =
            GradSlot { node: id, grad: None, optimiser: None, moments: [None; MOMENTS], steps: 0 };
        let place = self.slots.try_push(slot).map_err(|_| self.out_of_memory("gradient"))?;
        self.node_mut(id).slot = place;
        Ok(place as usize)
    }

    /// The elements of a slot's buffer.
    pub(crate) fn slot_values<T: Element>(&self, id: NodeId, buffer: Buffer) -> &[T] {
        let node = self.node(id);
        assert_eq!(node.dtype, T::DTYPE, "reading the gradient of {id}");
        // SAFETY: gradient and moment buffers are taken with the size of their node's value, and
        // are filled when they are taken.
        unsafe { std::slice::from_raw_parts(buffer.as_ptr().cast::<T>(), node.len) }
    }
}
