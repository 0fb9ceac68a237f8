//! Checkpoints: stretches of a recording of which only the outputs are kept. What else is read later,
//! in the gradient above all, is made again from what was there before.

use super::Core;
use super::back::Mark;
use crate::arena::{OutOfMemory, TryPush};
use crate::error::Maybe;
use crate::id::NodeId;
use crate::node::Op;

/// A stretch of the recording.
#[derive(Clone, Copy)]
struct Stretch {
    first: u32,
    /// The number of the one around it, if that is still there; 0 for none.
    parent: u32,
}

/// Which nodes are between checkpoints.
#[derive(Default)]
pub(super) struct Checkpoints {
    /// By node, as long as need be: the number of the innermost one that spans it and does not keep its value,
    /// and of the innermost one that keeps it; 0 for none.
    of: Vec<[u32; 2]>,
    /// By number, from 1 on.
    stretches: Vec<Stretch>,
}

impl Checkpoints {
    pub(super) fn bytes(&self) -> usize {
        self.of.bytes() + self.stretches.bytes()
    }

    /// Forgets what is said of nodes from `len` on.
    #[inline]
    pub(super) fn truncate(&mut self, len: usize) {
        self.of.truncate(len);
        while self.stretches.last().is_some_and(|stretch| stretch.first as usize >= len) {
            self.stretches.pop();
        }
    }
}

/// Where one recording is made from another: which checkpoints of the new one stand for which.
#[derive(Default)]
pub(crate) struct Image {
    numbers: Vec<[u32; 2]>,
}

impl Image {
    fn of(&self, number: u32) -> u32 {
        let found = self.numbers.iter().rev().find(|&&[old, _]| old == number);
        found.map_or(0, |&[_, new]| new)
    }
}

impl Core {
    fn checkpoints_of(&self, id: NodeId) -> [u32; 2] {
        self.checkpoints.of.get(id.index()).copied().unwrap_or_default()
    }

    /// The number of the innermost checkpoint that spans a node whose value it does not keep; 0 for none.
    #[inline]
    pub(crate) fn checkpoint_of(&self, id: NodeId) -> u32 {
        self.checkpoints_of(id)[0]
    }

    /// Whether a node's value does not stay, but is made again where it is read later.
    #[inline]
    pub(crate) fn is_made_anew(&self, id: NodeId) -> bool {
        self.checkpoint_of(id) != 0
    }

    /// How many checkpoints there are.
    #[inline]
    pub(crate) fn checkpoint_count(&self) -> usize {
        self.checkpoints.stretches.len()
    }

    /// The numbers of all checkpoints that span a node, some of them more than once.
    pub(crate) fn checkpoints_around(&self, id: NodeId) -> impl Iterator<Item = u32> {
        let parent_of = |&number: &u32| {
            let stretch = self.checkpoints.stretches.get(number as usize - 1);
            stretch.map(|stretch| stretch.parent).filter(|&parent| parent != 0)
        };
        let known = |&number: &u32| (1..=self.checkpoint_count()).contains(&(number as usize));
        let own = self.checkpoints_of(id).into_iter().filter(known);
        own.flat_map(move |number| std::iter::successors(Some(number), parent_of).take_while(known))
    }

    /// Begins a checkpoint at a node: its number.
    fn new_checkpoint(&mut self, first: usize, parent: u32) -> Result<u32, OutOfMemory> {
        self.checkpoints.of.try_extend_to(self.len(), [0; 2])?;
        self.checkpoints
            .stretches
            .try_push(Stretch { first: first as u32, parent })
            .map(|at| at + 1)
    }

    /// Lets a checkpoint span a node, if that can be computed again and is in none yet.
    fn span(&mut self, number: u32, id: NodeId) {
        let op = self.node(id).op;
        let [own, _] = &mut self.checkpoints.of[id.index()];
        if op != Op::Leaf && op.may_be_repeated() && *own == 0 {
            *own = number;
            self.outdated = self.outdated.min(id.index());
        }
    }

    /// Puts what was recorded for a node, from `first` on, between checkpoints as the node is.
    pub(crate) fn span_image(
        &mut self,
        what: &str,
        image: &mut Image,
        id: NodeId,
        first: usize,
    ) -> Maybe<()> {
        let numbers = self.checkpoints_of(id);
        if numbers == [0; 2] || first == self.len() {
            return Ok(());
        }
        let made = self.images(image, numbers, first);
        let [own, kept] = made.map_err(|OutOfMemory| self.out_of_memory(what))?;
        for id in (first as u32..self.len() as u32).map(NodeId) {
            if own != 0 {
                self.span(own, id);
            }
            self.checkpoints.of[id.index()][1] = kept;
        }
        Ok(())
    }

    fn images(
        &mut self,
        image: &mut Image,
        numbers: [u32; 2],
        first: usize,
    ) -> Result<[u32; 2], OutOfMemory> {
        self.checkpoints.of.try_extend_to(self.len(), [0; 2])?;
        let mut made = [0; 2];
        for (made, old) in made.iter_mut().zip(numbers) {
            *made = image.of(old);
            if old != 0 && *made == 0 {
                let Stretch { parent, .. } = self.checkpoints.stretches[old as usize - 1];
                *made = self.new_checkpoint(first, image.of(parent))?;
                for &[other, new] in &image.numbers {
                    let is_inside = self.checkpoints.stretches[other as usize - 1].parent == old;
                    if is_inside {
                        self.checkpoints.stretches[new as usize - 1].parent = *made;
                    }
                }
                image.numbers.try_push([old, *made])?;
            }
        }
        Ok(made)
    }

    /// Keeps of all that was recorded since the mark only the values of `outs`.
    pub(crate) fn checkpoint(&mut self, begin: Mark, outs: &[NodeId]) -> Maybe<()> {
        let what = "checkpoint";
        self.need_own(what)?;
        self.need_mark(what, begin)?;
        let first = begin.nodes as usize;
        let number = self.new_checkpoint(first, 0);
        let number = number.map_err(|OutOfMemory| self.out_of_memory(what))?;
        let before = &mut self.checkpoints.stretches[..number as usize - 1];
        for inner in before.iter_mut().rev().take_while(|inner| inner.first as usize >= first) {
            if inner.parent == 0 {
                inner.parent = number;
            }
        }
        (first as u32..self.len() as u32).for_each(|id| self.span(number, NodeId(id)));
        for &out in outs {
            // A view has no data of its own.
            let mut at = out;
            while self.checkpoint_of(at) == number {
                let [_, kept] = self.checkpoints.of[at.index()];
                let innermost = if kept == 0 { number } else { kept };
                self.checkpoints.of[at.index()] = [0, innermost];
                if self.node(at).op.is_view() {
                    at = self.node(at).inputs[0];
                }
            }
        }
        for id in (first as u32..self.len() as u32).map(NodeId) {
            if self.checkpoint_of(id) == number && !self.state(id).was_read() {
                self.let_go(id);
            }
        }
        Ok(())
    }
}
