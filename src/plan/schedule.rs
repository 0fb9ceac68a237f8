//! In which order steps are written, and which product feeds which step.

use super::Grain;
use super::datum::NONE;
use super::draft::{Draft, Drafts, Edge, Source, product_chunk};
use crate::arena::{OutOfMemory, TryPush};
use crate::dtype::with_float;
use crate::gemm::Sizes;
use crate::graph::Core;
use crate::id::NodeId;
use crate::node::Op;
use crate::op::matmul::last_two;

/// Bytes of a row from which on a product feeds a step. (Measured: between shorter ones there is too little
/// arithmetic to fetch behind.)
const FEED_ROW: usize = 192;

/// Elements of a product's chunk, at most: more would not stay in the cache.
const CHUNK_MAX: usize = 1 << 16;

/// A product whose result has so many bytes feeds the step that reads it, chunk by chunk. (Measured:
/// what is smaller stays in the caches as a whole, and streams are fetched best when they are long.)
const FEED_BYTES: usize = 4 << 20;

/// A step whose turn has come.
#[derive(Clone, Copy)]
pub(super) struct Scheduled {
    pub(super) step: u32,
    /// The product that feeds it, or `NONE`.
    pub(super) product: u32,
}

/// The order of steps, and the memory to find it, kept from plan to plan.
pub(super) struct Schedule {
    order: Vec<Scheduled>,
    /// Steps whose turn has not come.
    pending: Vec<u32>,
    /// Bytes of a product's result from which on it feeds a step.
    pub(super) feed_bytes: usize,
}

impl Schedule {
    pub(super) fn new() -> Self {
        Self { order: Vec::new(), pending: Vec::new(), feed_bytes: FEED_BYTES }
    }

    /// Bytes of memory that it holds.
    pub(super) fn bytes(&self) -> usize {
        self.order.bytes() + self.pending.bytes()
    }

    /// Puts steps in order: depth first from the oldest on, so that what is computed is used soon.
    pub(super) fn order(
        &mut self,
        drafts: &mut Drafts,
        core: &Core,
    ) -> Result<&[Scheduled], OutOfMemory> {
        self.order.clear();
        self.pending.clear();
        for step in 0..drafts.steps.len() as u32 {
            self.pending.try_push(step)?;
            while let Some(&top) = self.pending.last() {
                let Draft { is_scheduled, deps, .. } = drafts.steps[top as usize];
                if is_scheduled {
                    self.pending.pop();
                    continue;
                }
                let before = self.pending.len();
                for step in drafts.ends(deps) {
                    if !drafts.steps[step as usize].is_scheduled {
                        self.pending.try_push(step)?;
                    }
                }
                if self.pending.len() == before {
                    drafts.steps[top as usize].is_scheduled = true;
                    self.pending.pop();
                    let (step, product) = match self.fed_by(drafts, core, top) {
                        Some(step) => (step, top),
                        None => (top, NONE),
                    };
                    drafts.steps[step as usize].is_scheduled = true;
                    self.order.try_push(Scheduled { step, product })?;
                }
            }
        }
        Ok(&self.order)
    }

    /// The step that a product can feed, chunk by chunk while each is in the cache: it alone reads
    /// the result, which is then nowhere as a whole, and all else that it reads is there already.
    fn fed_by(&self, drafts: &Drafts, core: &Core, product: u32) -> Option<u32> {
        let Draft { single: id, users, len, .. } = drafts.steps[product as usize];
        if drafts.single || id.is_none() || core.node(id).op != Op::MatMul || users == NONE {
            return None;
        }
        let node = core.node(id);
        // What a read computes may be wanted by the backward after it; and a product without a
        // gradient may be one of constants, which is computed once, and then skipped.
        let is_dropped = !drafts.stays(core, id)
            || drafts.is_backward() && node.requires_grad && !drafts.fates[id.index()].asked;
        let (dims, left) = (core.dims(node.shape), core.shape(node.inputs[0]));
        let ((m, n), (_, k)) = (last_two(&dims), last_two(&left));
        let size = node.dtype.size();
        let is_worth_it = len * size >= self.feed_bytes
            && n * size >= FEED_ROW
            && with_float!(node.dtype, T => Sizes { m, k, n }.can_hold::<T>());
        if !is_dropped || !is_worth_it {
            return None;
        }
        let Edge { to, next } = drafts.edges[users as usize];
        let draft = &drafts.steps[to as usize];
        let fits = next == NONE
            && draft.single.is_none()
            && draft.len == len
            && product_chunk(draft, n) <= CHUNK_MAX
            && reads_as_it_lies(drafts, draft, id)
            && drafts.ends(draft.deps).all(|step| drafts.steps[step as usize].is_scheduled);
        fits.then_some(to)
    }
}

/// Whether all that a step reads of a node is at the place of what it makes.
fn reads_as_it_lies(drafts: &Drafts, draft: &Draft, id: NodeId) -> bool {
    let mut at = draft.first;
    while at != NONE {
        drafts.looks.note(1);
        let member = drafts.members[at as usize];
        for &operand in member.operands.of(&drafts.sources) {
            let is_dense = operand == Source::Dense(id) && member.grain == Grain::Element;
            if operand.base() == Some(id) && !is_dense {
                return false;
            }
        }
        at = member.next;
    }
    true
}
