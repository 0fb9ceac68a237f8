//! In which order steps are written, and which product feeds which step.

use super::Grain;
use super::draft::{Draft, Drafts, Source, product_chunk};
use super::group::{Edge, Grouping};
use super::value::NONE;
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

impl Grouping {
    /// Has steps written: `write(drafts, step, product)`, where the product, if it is not `NONE`, feeds the
    /// step. Depth first from the oldest step on: what is computed is used soon.
    pub(super) fn schedule(
        &mut self,
        core: &Core,
        temporaries: usize,
        mut write: impl FnMut(&Drafts, u32, u32) -> Result<(), OutOfMemory>,
    ) -> Result<(), OutOfMemory> {
        self.search += 1;
        self.stack.clear();
        for step in 0..self.drafts.steps.len() as u32 {
            self.stack.try_push(step)?;
            while let Some(&top) = self.stack.last() {
                let mut edge = self.drafts.steps[top as usize].deps;
                if self.drafts.steps[top as usize].seen == self.search {
                    self.stack.pop();
                    continue;
                }
                let before = self.stack.len();
                while edge != NONE {
                    let Edge { to, next } = self.edges[edge as usize];
                    self.drafts.looks.note(1);
                    if self.drafts.steps[to as usize].seen != self.search {
                        self.stack.try_push(to)?;
                    }
                    edge = next;
                }
                if self.stack.len() == before {
                    self.drafts.steps[top as usize].seen = self.search;
                    self.stack.pop();
                    let (step, product) = match self.fed_by(core, top, temporaries) {
                        Some(step) => (step, top),
                        None => (top, NONE),
                    };
                    self.drafts.steps[step as usize].seen = self.search;
                    core.fail_point.pass();
                    write(&self.drafts, step, product)?;
                }
            }
        }
        Ok(())
    }

    /// The step that a product can feed, chunk by chunk while each is in the cache: it alone reads
    /// the result, which is then nowhere as a whole, and all else that it reads is there already.
    fn fed_by(&self, core: &Core, product: u32, temporaries: usize) -> Option<u32> {
        let Draft { single: id, users, len, .. } = self.drafts.steps[product as usize];
        if self.single || id.is_none() || core.node(id).op != Op::MatMul || users == NONE {
            return None;
        }
        let node = core.node(id);
        // What a read computes may be wanted by the backward after it; and a product without a
        // gradient may be one of constants, which is computed once, and then skipped.
        let is_dropped = id.index() >= temporaries
            || temporaries != usize::MAX
                && node.requires_grad
                && !self.drafts.fates[id.index()].asked;
        let (dims, left) = (core.dims(node.shape), core.shape(node.inputs[0]));
        let ((m, n), (_, k)) = (last_two(&dims), last_two(&left));
        let size = node.dtype.size();
        let is_worth_it = len * size >= self.feed_bytes
            && n * size >= FEED_ROW
            && with_float!(node.dtype, T => Sizes { m, k, n }.can_hold::<T>());
        if !is_dropped || !is_worth_it {
            return None;
        }
        let Edge { to, next } = self.edges[users as usize];
        let draft = &self.drafts.steps[to as usize];
        let fits = next == NONE
            && draft.single.is_none()
            && draft.len == len
            && product_chunk(draft, n) <= CHUNK_MAX
            && self.reads_as_it_lies(draft, id)
            && self.can_run(draft);
        fits.then_some(to)
    }

    /// Whether all that a step reads of a node is at the place of what it makes.
    fn reads_as_it_lies(&self, draft: &Draft, id: NodeId) -> bool {
        let mut at = draft.first;
        while at != NONE {
            self.drafts.looks.note(1);
            let member = self.drafts.members[at as usize];
            for &operand in member.operands.of(&self.drafts.sources) {
                let is_dense = operand == Source::Dense(id) && member.grain == Grain::Element;
                if operand.base() == Some(id) && !is_dense {
                    return false;
                }
            }
            at = member.next;
        }
        true
    }

    /// Whether all steps before one are written.
    fn can_run(&self, draft: &Draft) -> bool {
        let mut edge = draft.deps;
        while edge != NONE {
            let Edge { to, next } = self.edges[edge as usize];
            self.drafts.looks.note(1);
            if self.drafts.steps[to as usize].seen != self.search {
                return false;
            }
            edge = next;
        }
        true
    }
}
