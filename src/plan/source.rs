//! Where elements come from: views and constants have no data of their own, so whoever reads through
//! them sees the data below in another layout, or among zeros, or a number.

use super::draft::{Drafts, Source, elementwise_operand, operand_dtype};
use crate::arena::{OutOfMemory, TryPush};
use crate::dtype::{Element, with_dtype};
use crate::graph::Core;
use crate::id::{ListId, NodeId};
use crate::kernel;
use crate::node::{INLINE_OPERANDS, Node, Op};
use crate::shape::{Layout, Padded};

/// Layouts and constants that a new one may be equal to: the newest ones.
const ALIKE: usize = 8;

impl Drafts {
    /// Where the elements of `operand` come from in a space of this shape, to which it broadcasts.
    pub(super) fn source(
        &mut self,
        core: &Core,
        operand: NodeId,
        shape: ListId,
    ) -> Result<Source, OutOfMemory> {
        let own = core.node(operand).shape;
        let shown = self.shown_by(operand);
        if own == shape && shown == Source::Dense(operand) {
            return Ok(shown); // the common case, without a layout
        }
        let dims = core.dims(shape);
        if let Source::Padded(base, padded) = shown {
            let padded = &self.padded[padded as usize];
            if *padded.dims() == *dims {
                return Ok(shown);
            }
            let stretched = padded.expand(&dims);
            return Ok(Source::Padded(base, self.padded.try_push(stretched)?));
        }
        let Some((base, layout)) = self.layout_of(shown, &core.dims(own)) else {
            return Ok(shown);
        };
        let layout = layout.expand(&dims);
        if layout.offset == 0 && layout.is_dense() && core.node(base).len == layout.len() {
            return Ok(Source::Dense(base));
        }
        self.strided(base, layout)
    }

    /// What a node without data of its own shows; else its data.
    pub(super) fn shown_by(&self, id: NodeId) -> Source {
        if self.has_own(id) {
            Source::Dense(id)
        } else {
            self.shown[self.fates[id.index()].shown() as usize]
        }
    }

    /// Whose elements these are, and in which layout, unless there are zeros: of a source that is read
    /// as a tensor of this shape.
    pub(super) fn layout_of(&self, source: Source, dims: &[usize]) -> Option<(NodeId, Layout)> {
        match source {
            Source::Dense(base) => Some((base, Layout::dense(dims))),
            Source::Strided(base, layout) => Some((base, self.layouts[layout as usize])),
            Source::Absent | Source::Constant(_) | Source::Padded(..) => None,
        }
    }

    /// The number that is all of a source.
    pub(super) fn number(&self, source: Source) -> Option<f64> {
        match source {
            Source::Constant(constant) => Some(self.constants[constant as usize]),
            _ => None,
        }
    }

    /// The data of a node in a layout.
    pub(super) fn strided(&mut self, base: NodeId, layout: Layout) -> Result<Source, OutOfMemory> {
        let known = self.layouts.iter().rev().take(ALIKE).position(|&known| known == layout);
        let number = match known {
            Some(back) => (self.layouts.len() - 1 - back) as u32,
            None => self.layouts.try_push(layout)?,
        };
        Ok(Source::Strided(base, number))
    }

    /// One number everywhere.
    pub(super) fn splat(&mut self, value: f64) -> Result<Source, OutOfMemory> {
        let is_it = |known: &f64| known.to_bits() == value.to_bits();
        let number = match self.constants.iter().rev().take(ALIKE).position(is_it) {
            Some(back) => (self.constants.len() - 1 - back) as u32,
            None => self.constants.try_push(value)?,
        };
        Ok(Source::Constant(number))
    }

    /// Notes what a node without data of its own shows.
    pub(super) fn show(&mut self, id: NodeId, source: Source) -> Result<(), OutOfMemory> {
        let shown = self.shown.try_push(source)?;
        self.fates[id.index()].set_shown(shown);
        Ok(())
    }

    /// What a view shows of what the node below it shows, where that can be said.
    pub(super) fn look_through(
        &mut self,
        core: &Core,
        id: NodeId,
    ) -> Result<Option<Source>, OutOfMemory> {
        let (node, dims) = (core.node(id), core.shape(id));
        let input = node.inputs[0];
        let below = self.shown_by(input);
        let (base, padded) = match below {
            Source::Absent | Source::Constant(_) => {
                return Ok((node.op != Op::Embed).then_some(below));
            }
            Source::Padded(base, padded) => (base, self.padded[padded as usize]),
            Source::Dense(base) | Source::Strided(base, _) => {
                let Some((_, layout)) = self.layout_of(below, &core.shape(input)) else {
                    unreachable!("there are no zeros")
                };
                if node.op != Op::Embed {
                    let Some(layout) = core.view_layout(id, &layout) else { return Ok(None) };
                    return self.strided(base, layout).map(Some);
                }
                (base, Padded::new(layout))
            }
        };
        let padded = match node.op {
            Op::Embed if *padded.dims() == *dims => return Ok(Some(below)),
            Op::Embed => {
                let [axis, start, step] = core.slice_of(node.list);
                padded.embed(axis, start, step, dims[axis])
            }
            Op::Detach | Op::Prod => padded,
            Op::Expand => padded.expand(&dims),
            Op::Permute => padded.permute(&core.order_of(id)),
            _ => return Ok(None),
        };
        Ok(Some(Source::Padded(base, self.padded.try_push(padded)?)))
    }

    /// An operation on constants alone is one: its kernel says which.
    pub(super) fn fold(
        &mut self,
        core: &Core,
        node: &Node,
        operands: &[Source],
    ) -> Result<Source, OutOfMemory> {
        let mut cells = [[0u64; 1]; INLINE_OPERANDS];
        for (k, cell) in cells.iter_mut().enumerate() {
            let value = operands.get(k).and_then(|&operand| self.number(operand)).unwrap_or(0.0);
            with_dtype!(operand_dtype(core, node, k), T => {
                // SAFETY: a cell has room for one element of any dtype.
                unsafe { cell.as_mut_ptr().cast::<T>().write(T::from_f64(value)) };
            });
        }
        let operand = elementwise_operand(core, node);
        let kernel = kernel::elementwise(node.op, operand, node.dtype, self.level);
        let mut out = [0u64; 1];
        let [a, b, c, d] = cells.each_ref().map(|cell| cell.as_ptr().cast::<u8>());
        // SAFETY: one element of each operand's dtype, and room for one of the result's.
        unsafe { kernel(1, out.as_mut_ptr().cast(), a, b, c, d) };
        let value = with_dtype!(node.dtype, T => {
            // SAFETY: the kernel wrote one element.
            let value = unsafe { out.as_ptr().cast::<T>().read() };
            value.to_f64()
        });
        self.splat(value)
    }
}
