//! What some nodes depend on, found without looking at anything else.
//!
//! Marks are by node and are never cleared: they rise from search to search. So a search costs what
//! it finds, however long the graph is.

use crate::arena::{OutOfMemory, TryPush};
use crate::id::NodeId;

/// A search, and its memory, kept from search to search. It goes from the greatest id to the least:
/// what a node depends on was recorded before it.
#[derive(Default)]
pub(crate) struct Visit {
    /// By node: `round` when the node was visited in this round, more when its caller says more of it.
    marks: Vec<u32>,
    round: u32,
    /// Nodes that were met and not looked at yet.
    pending: Pending,
    found: Vec<NodeId>,
}

/// A set of ids: a bit for each, and a bit for each word of these that is not 0. It is empty between
/// searches.
#[derive(Default)]
struct Pending {
    words: Vec<u64>,
    used: Vec<u64>,
    /// Whether a search was broken off, so that it may not be empty.
    is_open: bool,
}

/// Bits of a word.
const BITS: usize = u64::BITS as usize;

impl Pending {
    /// Empties it, and makes room.
    fn begin(&mut self, nodes: usize) -> Result<(), OutOfMemory> {
        if self.is_open {
            self.words.fill(0);
            self.used.fill(0);
        }
        let words = nodes.div_ceil(BITS);
        self.words.try_extend_to(words, 0)?;
        self.used.try_extend_to(words.div_ceil(BITS), 0)?;
        self.is_open = true;
        Ok(())
    }

    /// Adds an id that is wanted.
    #[inline(always)]
    fn meet(&mut self, id: NodeId, is_wanted: &impl Fn(NodeId) -> bool) {
        let (word, bit) = (id.index() / BITS, 1 << (id.index() % BITS));
        if self.words[word] & bit == 0 && is_wanted(id) {
            self.words[word] |= bit;
            self.used[word / BITS] |= 1 << (word % BITS);
        }
    }

    /// The last word that is not 0, none of them being in a greater group than the one given.
    #[inline(always)]
    fn last_word(&self, group: usize) -> Option<usize> {
        let group = self.used.get(..=group)?.iter().rposition(|&used| used != 0)?;
        Some(group * BITS + self.used[group].ilog2() as usize)
    }
}

/// What a caller may say of a node is less than this.
const LEVELS: u32 = 4;

impl Visit {
    pub(crate) fn bytes(&self) -> usize {
        self.marks.bytes()
            + self.pending.words.bytes()
            + self.pending.used.bytes()
            + self.found.bytes()
    }

    /// What was found, in order of ids.
    pub(crate) fn found(&self) -> &[NodeId] {
        &self.found
    }

    /// Whether a node was visited, and this much was said of it.
    #[inline]
    pub(crate) fn has(&self, id: NodeId, level: u32) -> bool {
        self.marks.get(id.index()).is_some_and(|&mark| mark >= self.round + level)
    }

    /// Says something of a node: one of the graph that was searched, or one marked by `extend_to`.
    #[inline]
    pub(crate) fn set(&mut self, id: NodeId, level: u32) {
        debug_assert!(level < LEVELS);
        self.marks[id.index()] = self.round + level;
    }

    /// Lets nodes that were recorded since the search be spoken of.
    pub(crate) fn extend_to(&mut self, nodes: usize) -> Result<(), OutOfMemory> {
        self.marks.try_extend_to(nodes, 0)
    }

    /// Finds the roots and all that they depend on, of those nodes that are wanted; what is not
    /// wanted is not looked through. `below` tells of a node what it depends on directly.
    #[inline]
    pub(crate) fn search<I: Iterator<Item = NodeId>>(
        &mut self,
        nodes: usize,
        roots: impl Iterator<Item = NodeId>,
        is_wanted: impl Fn(NodeId) -> bool,
        below: impl Fn(NodeId) -> I,
    ) -> Result<(), OutOfMemory> {
        self.marks.try_extend_to(nodes, 0)?;
        if self.round >= u32::MAX - 2 * LEVELS {
            self.marks.fill(0);
            self.round = 0;
        }
        self.round += LEVELS;
        self.found.clear();
        self.pending.begin(nodes)?;
        let mut greatest = None;
        for root in roots {
            self.pending.meet(root, &is_wanted);
            greatest = greatest.max(Some(root.index()));
        }
        let mut group = greatest.map_or(0, |greatest| greatest / (BITS * BITS));
        while let Some(word) = self.pending.last_word(group) {
            group = word / BITS;
            while let Some(bit) = self.pending.words[word].checked_ilog2() {
                self.pending.words[word] ^= 1 << bit;
                let id = NodeId((word * BITS) as u32 + bit);
                self.marks[id.index()] = self.round;
                self.found.try_push(id)?;
                for operand in below(id) {
                    debug_assert!(operand < id, "{operand} was recorded after {id}");
                    self.pending.meet(operand, &is_wanted);
                }
            }
            self.pending.used[group] ^= 1 << (word % BITS);
        }
        self.found.reverse();
        self.pending.is_open = false;
        Ok(())
    }
}
