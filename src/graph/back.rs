//! Going back: dropping what was recorded since.

use super::Core;
use super::handle::new_tag;
use crate::error::{ErrorKind, Maybe};
use crate::id::NodeId;
use crate::node::Op;

/// A place in a recording to which [`Graph::rewind`](crate::Graph::rewind) goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub(crate) nodes: u32,
    pub(crate) lists: u32,
    /// The tag of the last node that it keeps; 0 when it keeps none.
    pub(crate) tag: u32,
    /// The first tag of the graph it was made with.
    pub(crate) graph: u32,
}

/// What [`Core::go_back`] goes back to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Start {
    pub(crate) nodes: usize,
    lists: usize,
    streams: u64,
    no_grad: u32,
}

impl Core {
    /// What a call that fails leaves as it was.
    #[inline(always)]
    pub(crate) fn start(&self) -> Start {
        let (nodes, lists) = (self.nodes.len(), self.lists.len());
        Start { nodes, lists, streams: self.streams, no_grad: self.no_grad }
    }

    /// Drops what was recorded since.
    #[cold]
    pub(crate) fn go_back(&mut self, start: Start) {
        self.truncate(start.nodes);
        self.lists.truncate(start.lists);
        (self.streams, self.no_grad) = (start.streams, start.no_grad);
    }

    /// Puts the graph in order after a call that unwound. Everything that can be computed again is
    /// forgotten, whatever state it is in. What cannot be, leaves and gradients and averages, is
    /// right unless it was being changed; then all handles become invalid.
    #[cold]
    pub(crate) fn recover(&mut self, start: Start) {
        self.called = "";
        self.pool.hold_to_budget(false);
        self.go_back(start);
        for id in (0..self.len() as u32).map(NodeId) {
            if self.node(id).op != Op::Leaf {
                self.let_go(id);
            }
        }
        if self.is_torn {
            let tag = new_tag();
            (0..self.nodes.len()).for_each(|id| self.nodes.get_mut(id).tag = tag);
        }
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark {
            nodes: self.nodes.len() as u32,
            lists: self.lists.len() as u32,
            tag: self.last_tag(self.nodes.len()),
            graph: self.first_tag,
        }
    }

    /// The tag of the last one of the first `len` nodes; 0, which no node has, when there is none.
    fn last_tag(&self, len: usize) -> u32 {
        len.checked_sub(1).map_or(0, |last| self.nodes.get(last).tag)
    }

    /// Refuses the mark of another graph, or one of nodes that were dropped.
    pub(crate) fn need_mark(&mut self, what: &str, mark: Mark) -> Maybe<()> {
        let len = mark.nodes as usize;
        // No rewind went back further since then, exactly when the last node that the mark keeps
        // is still there, which its tag tells. Tags come round after 2^32: their order says nothing.
        let kept = len <= self.len() && self.last_tag(len) == mark.tag;
        if kept && mark.graph == self.first_tag {
            return Ok(());
        }
        Err(self.fail(
            ErrorKind::Handle,
            format_args!("{what}: the mark is of another graph or of nodes already dropped"),
        ))
    }

    /// Drops every node recorded after the mark.
    pub(crate) fn rewind(&mut self, mark: Mark) -> Maybe<()> {
        self.need_own("rewind")?;
        self.need_mark("rewind", mark)?;
        self.truncate(mark.nodes as usize);
        // Ids are used again, so random nodes must not be in the same replay as their predecessors.
        self.clock += 1;
        self.lists.truncate(mark.lists as usize);
        self.tag = new_tag();
        Ok(())
    }

    /// Drops everything and keeps the memory for the next recording.
    pub(crate) fn reset(&mut self) {
        if self.need_own("reset").is_err() {
            return;
        }
        self.is_torn = false;
        self.truncate(0);
        self.clock += 1;
        self.lists.truncate(0);
        self.tag = new_tag();
    }

    /// Drops nodes without invalidating handles: for nodes that nobody has a handle of.
    pub(crate) fn truncate(&mut self, len: usize) {
        let mut keep = (1 << (len % 64)) - 1;
        for word in len / 64..self.nodes.len().div_ceil(64) {
            let mut dropped = self.holders[word] & !keep;
            self.holders[word] &= keep;
            keep = 0;
            while dropped != 0 {
                let bit = dropped.trailing_zeros();
                dropped &= dropped - 1;
                let id = NodeId(64 * word as u32 + bit);
                self.let_go(id);
                self.state_mut(id).read_at = u32::MAX;
            }
        }
        if self.slots.iter().any(|slot| slot.node.index() >= len) {
            let pool = &mut self.pool;
            self.slots.retain_mut(|slot| {
                let keep = slot.node.index() < len;
                if !keep {
                    let moments = slot.moments.iter_mut().filter_map(Option::take);
                    slot.grad
                        .take()
                        .into_iter()
                        .chain(moments)
                        .for_each(|buffer| pool.give(buffer));
                }
                keep
            });
            for (index, slot) in self.slots.iter().enumerate() {
                self.nodes.get_mut(slot.node.index()).slot = index as u32;
            }
        }
        self.drop_labels(|node| node.index() >= len);
        self.drop_derived(len);
        self.note_reads_before(len);
        self.checkpoints.truncate(len);
        self.nodes.truncate(len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::DType;
    use crate::graph::NewNode;

    #[test]
    fn dropping_nodes_gives_back_their_values_and_no_others() {
        let mut core = Core::new();
        let leaves = |core: &mut Core, len: usize| {
            (core.len()..len).for_each(|_| core.leaf("x", &[1f32], &[1]).map(|_| ()).unwrap());
        };
        for keep in (0..200).rev() {
            leaves(&mut core, 200);
            let one = core.pool.stats().live / 200;
            core.truncate(keep);
            assert_eq!(core.pool.stats().live, keep * one);
            let node = NewNode::new(Op::Fill, DType::F32);
            let fill = core.push(node).unwrap();
            assert!(core.state(fill).value().is_none() && !core.state(fill).ready);
            assert!((0..keep as u32).all(|id| core.state(NodeId(id)).ready));
            core.truncate(keep);
        }
    }

    /// Tags come round after 2^32 rewinds: a node may have a larger one than its graph has now.
    #[test]
    fn marks_hold_after_tags_have_come_round() {
        let mut core = Core::new();
        let leaf = |core: &mut Core| core.leaf("x", &[1f32], &[1]).unwrap();
        core.tag = u32::MAX;
        leaf(&mut core);
        let early = core.mark();
        leaf(&mut core);
        core.rewind(early).unwrap();
        core.tag = 2;
        let mark = core.mark();
        leaf(&mut core);
        let late = core.mark();
        core.rewind(mark).unwrap();
        assert_eq!(core.len(), 1);
        leaf(&mut core);
        assert!(core.rewind(late).is_err(), "another node is in the place of its last one");
        core.error.clear();
        core.rewind(early).unwrap();
        core.reset();
        assert!(core.rewind(mark).is_err());
        core.error.clear();
        let empty = core.mark();
        leaf(&mut core);
        core.rewind(empty).unwrap();
        assert_eq!((core.len(), empty.tag), (0, 0));
    }
}
