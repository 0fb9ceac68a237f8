//! Many parts added into one tensor: the cotangent of a tensor that was read part by part.
//!
//! What is sent back to a slice or to a selection of a tensor belongs to a part of it. A few such
//! parts are put among zeros (`Embed`), which costs nothing: whoever adds them up reads them there.
//! Many would cost the whole tensor each. So the reverse walk lists them, and one node adds them,
//! each to the elements that it belongs to and to no others.

use super::Sink;
use super::index::Along;
use crate::arena::{OutOfMemory, TryPush};
use crate::error::Maybe;
use crate::graph::{Core, NewNode, PATH, operand_word};
use crate::id::{CallId, NodeId};
use crate::node::Op;
use crate::shape::{Dims, Layout, MAX_RANK};

/// Where the elements of a part belong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Place {
    pub(crate) kind: Kind,
    /// For a block, the places of its elements in the whole, which is dense. For what was selected,
    /// the places of that from which it was.
    pub(crate) layout: Layout,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Block,
    /// The slices at the indices of the next operand were chosen.
    Select(Along),
    /// The elements at the indices of the next operand were chosen.
    Gather(Along),
}

impl Kind {
    pub(crate) fn has_index(self) -> bool {
        self != Self::Block
    }
}

impl Place {
    pub(crate) fn write(&self, words: &mut Vec<u64>) -> Result<(), OutOfMemory> {
        let (kind, along) = match self.kind {
            Kind::Block => (0, None),
            Kind::Select(along) => (1, Some(along)),
            Kind::Gather(along) => (2, Some(along)),
        };
        let along = along.map_or(0, |Along { axis, from_end, call }| {
            (axis as u64) << 8 | u64::from(from_end) << 16 | u64::from(call.0) << 32
        });
        let (dims, strides) = (self.layout.dims(), self.layout.strides());
        words.try_push(kind | along | (dims.len() as u64) << 24)?;
        words.try_push(self.layout.offset as u64)?;
        for &len in dims {
            words.try_push(len as u64)?;
        }
        for &stride in strides {
            words.try_push(stride as u64)?;
        }
        Ok(())
    }
}

/// The places in the list of an `Assemble`, one for each part.
#[derive(Clone)]
pub(crate) struct Places<'a> {
    words: &'a [u64],
}

impl<'a> Places<'a> {
    pub(crate) fn new(list: &'a [u64]) -> Self {
        Self { words: &list[1 + list[0] as usize..] }
    }
}

/// A [`Place`] as it stands in a list.
#[derive(Clone, Copy)]
pub(crate) struct ListedPlace<'a> {
    pub(crate) kind: Kind,
    pub(crate) offset: usize,
    pub(crate) lens: &'a [u64],
    pub(crate) strides: &'a [u64],
}

impl ListedPlace<'_> {
    pub(crate) fn layout(&self) -> Layout {
        let mut dims = Dims::SCALAR;
        self.lens.iter().for_each(|&len| dims.push(len as usize));
        Layout::new(self.offset, &dims, self.strides.iter().map(|&stride| stride as isize))
    }

    /// How many of the elements of a block may be one and the same, at most.
    pub(crate) fn meetings(&self) -> usize {
        // Mostly each axis goes further than all behind it.
        let mut reach = 0u64;
        for (&len, &stride) in self.lens.iter().zip(self.strides).rev() {
            if len > 1 {
                let stride = (stride as i64).unsigned_abs();
                if stride <= reach {
                    return self.layout().meetings();
                }
                reach = reach.saturating_add((len - 1).saturating_mul(stride));
            }
        }
        1
    }
}

impl<'a> Iterator for Places<'a> {
    type Item = ListedPlace<'a>;

    #[inline]
    fn next(&mut self) -> Option<ListedPlace<'a>> {
        let (&[head, offset], rest) = self.words.split_first_chunk()?;
        let [kind, axis, from_end, rank, ..] = head.to_le_bytes();
        let call = CallId((head >> 32) as u32);
        let along = Along { axis: axis.into(), from_end: from_end != 0, call };
        let rank = usize::from(rank);
        let kind = match kind {
            0 => Kind::Block,
            1 => Kind::Select(along),
            _ => Kind::Gather(along),
        };
        let (lens, rest) = rest.split_at(rank);
        let (strides, rest) = rest.split_at(rank);
        self.words = rest;
        Some(ListedPlace { kind, offset: offset as usize, lens, strides })
    }
}

impl Core {
    /// Writes the list of an `Assemble`: operands, of which those that need one have an index, and
    /// their places.
    pub(crate) fn list_parts(
        &self,
        parts: impl Iterator<Item = (NodeId, NodeId, Place)> + Clone,
        words: &mut Vec<u64>,
    ) -> Result<(), OutOfMemory> {
        words.clear();
        words.try_push(0)?;
        for (x, index, place) in parts.clone() {
            words.try_push(operand_word(x, self.node(x)))?;
            if place.kind.has_index() {
                words.try_push(u64::from(index.0))?;
            }
        }
        words[0] = words.len() as u64 - 1;
        parts.into_iter().try_for_each(|(.., place)| place.write(words))
    }

    /// Zeros in the shape of `like`, to which the parts in a list are added in their order.
    pub(crate) fn assemble(&mut self, like: NodeId, list: &[u64]) -> Maybe<NodeId> {
        let mut node = NewNode::new(Op::Assemble, self.node(like).dtype);
        (node.shape, node.len) = (self.node(like).shape, self.node(like).len);
        node.list = self.intern_words(list)?;
        self.push_here(node)
    }

    /// The elements of `x`, row-major, that lie where this layout says.
    pub(crate) fn as_strided(&mut self, x: NodeId, layout: &Layout) -> Maybe<NodeId> {
        if *layout == Layout::dense(&self.shape(x)) {
            return Ok(x);
        }
        let mut list = [0; 1 + MAX_RANK];
        list[0] = layout.offset;
        for (to, &stride) in list[1..].iter_mut().zip(layout.strides()) {
            *to = stride as usize;
        }
        let list = self.intern(&list[..1 + layout.dims().len()])?;
        self.push_view("as_strided", Op::AsStrided, x, layout.dims(), list)
    }

    pub(crate) fn vjp_assemble(&mut self, id: NodeId, g: NodeId, sink: &mut Sink) -> Maybe<()> {
        let list = self.node(id).list;
        // Where the next operand and the next place are in the list.
        let (mut operand, mut at) = (1, 1 + self.list(list)[0] as usize);
        while at < self.list(list).len() {
            let words = self.list(list);
            let mut places = Places { words: &words[at..] };
            let Some(place) = places.next() else { break };
            at = words.len() - places.words.len();
            let (word, index) = (words[operand], words.get(operand + 1).copied().unwrap_or(0));
            operand += 1 + usize::from(place.kind.has_index());
            let (x, index) = (NodeId(word as u32), NodeId(index as u32));
            if word & PATH == 0 || !sink.leads(x) {
                continue;
            }
            let (kind, layout) = (place.kind, place.layout());
            let whole = self.as_strided(g, &layout)?;
            let cotangent = match kind {
                Kind::Block => whole,
                Kind::Select(along) => self.select_along(whole, index, along)?,
                Kind::Gather(along) => self.gather_along(whole, index, along)?,
            };
            sink.send(self, x, cotangent)?;
        }
        Ok(())
    }

    /// A block put among zeros in the shape of `like`, if slices of its axes would take it.
    pub(crate) fn embed_by(
        &mut self,
        block: NodeId,
        layout: &Layout,
        like: NodeId,
    ) -> Maybe<Option<NodeId>> {
        let dims = self.shape(like);
        if layout.len() == 0 && !dims.is_empty() {
            // Nothing, wherever it is; but there is a path to it.
            let mut lens = dims;
            lens[0] = 0;
            let nothing = self.reshape_to("reshape", block, &lens)?;
            return self.embed(nothing, 0, 0, 1, &dims).map(Some);
        }
        let Some((axes, order)) = layout.as_slices_forwards(&dims) else { return Ok(None) };
        let mut x = block;
        for (axis, &stride) in layout.strides().iter().enumerate() {
            if stride < 0 {
                x = self.flip_axis(x, axis)?;
            }
        }
        if !order.is_sorted() {
            let (mut lens, mut by) = (order, order);
            for (i, &axis) in order.iter().enumerate() {
                (lens[i], by[i]) = (axes[axis].count, i);
            }
            x = self.reshape_to("reshape", x, &lens)?;
            by.sort_unstable_by_key(|&i| order[i]);
            x = self.permute_by("permute", x, &by)?;
        }
        let mut lens = dims;
        lens.iter_mut().zip(&axes).for_each(|(len, axis)| *len = axis.count);
        x = self.reshape_to("reshape", x, &lens)?;
        for (axis, place) in axes[..dims.len()].iter().enumerate().rev() {
            if place.count != place.len {
                lens[axis] = place.len;
                x = self.embed(x, axis, place.start, place.step, &lens)?;
            }
        }
        Ok(Some(x))
    }

    /// How many elements may meet at one place of an `Assemble`, at most, and of how many all parts are.
    pub(crate) fn meetings(&self, id: NodeId) -> (usize, usize) {
        let mut operands = self.operands(id);
        let (mut most, mut all) = (0, 0);
        for place in Places::new(self.list(self.node(id).list)) {
            let Some(x) = operands.next() else { break };
            all += self.node(x).len;
            most += match place.kind {
                Kind::Block => place.meetings(),
                Kind::Select(_) => operands.next().map_or(0, |index| self.node(index).len),
                Kind::Gather(along) => operands
                    .next()
                    .map_or(0, |index| self.shape(index).get(along.axis).copied().unwrap_or(1)),
            };
        }
        (most, all)
    }
}
