//! Checkpoints: stretches of a recording of which only the outputs are kept. What else is read later,
//! in the gradient above all, is made again from what was there before.

use super::Core;
use super::back::Mark;
use crate::arena::{OutOfMemory, TryPush};
use crate::error::Maybe;
use crate::id::NodeId;
use crate::node::Op;

/// Which nodes are between checkpoints.
#[derive(Default)]
pub(super) struct Checkpoints {
    /// By node: the number of the innermost one that has it; 0 for none. As long as need be.
    of: Vec<u32>,
    /// By number, from 1 on: the first node.
    first: Vec<u32>,
}

impl Checkpoints {
    pub(super) fn bytes(&self) -> usize {
        self.of.bytes() + self.first.bytes()
    }

    /// Forgets what is said of nodes from `len` on.
    #[inline]
    pub(super) fn truncate(&mut self, len: usize) {
        self.of.truncate(len);
        while self.first.last().is_some_and(|&first| first as usize >= len) {
            self.first.pop();
        }
    }
}

/// Where one recording is made from another: which checkpoint of the new one stands for which.
#[derive(Default)]
pub(crate) struct Image {
    of: u32,
    number: u32,
}

impl Core {
    /// The number of the innermost checkpoint that spans a node whose value it does not keep; 0 for none.
    #[inline]
    pub(crate) fn checkpoint_of(&self, id: NodeId) -> u32 {
        self.checkpoints.of.get(id.index()).copied().unwrap_or(0)
    }

    /// Whether a node's value does not stay, but is made again where it is read later.
    #[inline]
    pub(crate) fn is_made_anew(&self, id: NodeId) -> bool {
        self.checkpoint_of(id) != 0
    }

    /// How many checkpoints there are.
    #[inline]
    pub(crate) fn checkpoint_count(&self) -> usize {
        self.checkpoints.first.len()
    }

    /// Lets a checkpoint, a new one if its number is 0, span the nodes from `first` on, but for leaves,
    /// what may not be run again, and those of others: its number.
    pub(crate) fn span(&mut self, number: u32, first: usize) -> Result<u32, OutOfMemory> {
        self.checkpoints.of.try_extend_to(self.len(), 0)?;
        let number = match number {
            0 => self.checkpoints.first.try_push(first as u32)? + 1,
            number => number,
        };
        for id in (first as u32..self.len() as u32).map(NodeId) {
            let op = self.node(id).op;
            let may_go = op != Op::Leaf && op.may_be_repeated();
            if may_go && self.checkpoints.of[id.index()] == 0 {
                self.checkpoints.of[id.index()] = number;
            }
        }
        self.outdated = self.outdated.min(first);
        Ok(number)
    }

    /// Puts what was recorded for a node, from `first` on, between checkpoints if the node is.
    pub(crate) fn span_image(
        &mut self,
        what: &str,
        image: &mut Image,
        id: NodeId,
        first: usize,
    ) -> Maybe<()> {
        let of = self.checkpoint_of(id);
        if of == 0 || first == self.len() {
            return Ok(());
        }
        if image.of != of {
            *image = Image { of, number: 0 };
        }
        let number = self.span(image.number, first);
        image.number = number.map_err(|OutOfMemory| self.out_of_memory(what))?;
        Ok(())
    }

    /// Keeps of all that was recorded since the mark only the values of `outs`.
    pub(crate) fn checkpoint(&mut self, begin: Mark, outs: &[NodeId]) -> Maybe<()> {
        let what = "checkpoint";
        self.need_own(what)?;
        self.need_mark(what, begin)?;
        let first = begin.nodes as usize;
        let number = self.span(0, first).map_err(|OutOfMemory| self.out_of_memory(what))?;
        for &out in outs {
            // A view has no data of its own.
            let mut at = out;
            while self.checkpoint_of(at) == number {
                self.checkpoints.of[at.index()] = 0;
                if self.node(at).op.is_view() {
                    at = self.node(at).inputs[0];
                }
            }
        }
        for id in (first as u32..self.len() as u32).map(NodeId) {
            if self.checkpoint_of(id) == number && !self.state(id).was_read {
                self.let_go(id);
            }
        }
        Ok(())
    }
}
