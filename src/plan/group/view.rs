//! How operands look from the node that reads them: views and constants have no data of their own, so
//! whoever reads through them sees the data below in another layout.

use super::Grouping;
use crate::arena::{OutOfMemory, TryPush};
use crate::dtype::with_dtype;
use crate::graph::Core;
use crate::id::{ListId, NodeId};
use crate::kernel;
use crate::node::{INLINE_OPERANDS, Node, Op};
use crate::plan::Span;
use crate::plan::draft::{PADDED, Seen, elementwise_operand, operand_dtype};
use crate::plan::value::NONE;
use crate::shape::{Layout, Padded};

/// How an operand looks from the node that reads it.
#[derive(Clone, Copy)]
pub(super) enum View {
    /// There is no such operand.
    Absent,
    Constant(f64),
    /// The data of this node, one after the other, as many as the reader has elements.
    Same(NodeId),
    /// The data of this node in another layout.
    Other(NodeId, Layout),
    /// The data of this node among zeros, as the planner's padded one of this number; stretched to
    /// this shape.
    Padded(NodeId, u32, ListId),
}

impl View {
    pub(super) fn base(&self) -> Option<NodeId> {
        match *self {
            View::Same(base) | View::Other(base, _) | View::Padded(base, ..) => Some(base),
            View::Absent | View::Constant(_) => None,
        }
    }
}

/// Layouts and constants that a new one may be equal to: the newest ones.
const ALIKE: usize = 8;

impl Grouping {
    /// How `operand` looks from a space of this shape, to which it broadcasts.
    pub(super) fn view(&self, core: &Core, operand: NodeId, shape: ListId) -> View {
        let node = core.node(operand);
        let own = self.drafts.has_own(core, operand);
        if own && node.shape == shape {
            return View::Same(operand); // the common case, without a layout
        }
        let target = core.dims(shape);
        let (base, layout) = if own {
            (operand, Layout::dense(&core.dims(node.shape)))
        } else {
            let shown = self.drafts.shown[self.drafts.fates[operand.index()].shown() as usize];
            if shown.base.is_none() {
                return View::Constant(self.drafts.constants[shown.layout as usize]);
            }
            if let Some(padded) = shown.padded() {
                return View::Padded(shown.base, padded as u32, shape);
            }
            (shown.base, self.drafts.layouts[shown.layout as usize])
        };
        let layout = layout.expand(&target);
        if layout.offset == 0 && layout.is_dense() && core.node(base).len == layout.len() {
            return View::Same(base);
        }
        View::Other(base, layout)
    }

    pub(super) fn set_view(&mut self, core: &Core, k: usize, operand: NodeId, shape: ListId) {
        self.views[k] = self.view(core, operand, shape);
    }

    /// How the operands of an elementwise node look; how many there are.
    pub(super) fn set_views(&mut self, core: &Core, node: &Node) -> usize {
        let mut count = 0;
        for (k, &input) in node.inputs.iter().enumerate() {
            self.views[k] = match input {
                NodeId::NONE => View::Absent,
                NodeId::IMMEDIATE => View::Constant(node.imm),
                // (The common case, in which no layout is moved.)
                input
                    if self.drafts.has_own(core, input) && core.node(input).shape == node.shape =>
                {
                    View::Same(input)
                }
                input => self.view(core, input, node.shape),
            };
            if input != NodeId::NONE {
                count = k + 1;
            }
        }
        count
    }

    /// What a view or a constant shows.
    pub(super) fn show(&mut self, core: &Core, id: NodeId) -> Result<(), OutOfMemory> {
        let node = core.node(id);
        if node.op == Op::Fill {
            return self.show_constant(id, node.imm);
        }
        let input = node.inputs[0];
        let shown = match self.look_through(core, id)? {
            Some(shown) => shown,
            None => {
                // The node below gets data of its own first.
                self.own(core, input)?;
                let Some(shown) = self.look_through(core, id)? else {
                    unreachable!("{:?} of dense data", node.op)
                };
                shown
            }
        };
        let shown = self.drafts.shown.try_push(shown)?;
        self.drafts.fates[id.index()].set_shown(shown);
        Ok(())
    }

    /// What a view shows of what the node below it shows, where that can be said.
    fn look_through(&mut self, core: &Core, id: NodeId) -> Result<Option<Seen>, OutOfMemory> {
        let (node, dims) = (core.node(id), core.shape(id));
        let input = node.inputs[0];
        let below = if self.drafts.has_own(core, input) {
            Seen { base: input, layout: NONE }
        } else {
            self.drafts.shown[self.drafts.fates[input.index()].shown() as usize]
        };
        if below.base.is_none() {
            return Ok((node.op != Op::Embed).then_some(below));
        }
        let padded = below.padded().map(|padded| self.drafts.padded[padded]);
        let layout = match below.layout {
            NONE => Layout::dense(&core.shape(input)),
            _ if padded.is_some() => Layout::dense(&[]), // which is not looked at
            layout => self.drafts.layouts[layout as usize],
        };
        if node.op == Op::Embed || padded.is_some() {
            let padded = padded.unwrap_or_else(|| Padded::new(layout));
            let padded = match node.op {
                Op::Embed if *padded.dims() == *dims => {
                    let layout = match below.layout {
                        NONE => self.layout(layout)?,
                        layout => layout,
                    };
                    return Ok(Some(Seen { layout, ..below }));
                }
                Op::Embed => {
                    let [axis, start, step] = core.slice_of(node.list);
                    padded.embed(axis, start, step, dims[axis])
                }
                Op::Detach | Op::Prod => padded,
                Op::Expand => padded.expand(&dims),
                Op::Permute => padded.permute(&core.order_of(id)),
                _ => return Ok(None),
            };
            return Ok(Some(Seen {
                layout: self.drafts.padded.try_push(padded)? | PADDED,
                ..below
            }));
        }
        let Some(layout) = core.view_layout(id, &layout) else { return Ok(None) };
        Ok(Some(Seen { layout: self.layout(layout)?, ..below }))
    }

    /// The number of a layout.
    fn layout(&mut self, layout: Layout) -> Result<u32, OutOfMemory> {
        let known = self.drafts.layouts.iter().rev().take(ALIKE).position(|&known| known == layout);
        match known {
            Some(back) => Ok((self.drafts.layouts.len() - 1 - back) as u32),
            None => self.drafts.layouts.try_push(layout),
        }
    }

    /// How a constant looks.
    fn constant_seen(&mut self, value: f64) -> Result<Seen, OutOfMemory> {
        let is_it = |known: &f64| known.to_bits() == value.to_bits();
        let layout = match self.drafts.constants.iter().rev().take(ALIKE).position(is_it) {
            Some(back) => (self.drafts.constants.len() - 1 - back) as u32,
            None => self.drafts.constants.try_push(value)?,
        };
        Ok(Seen { base: NodeId::NONE, layout })
    }

    /// The number that is all of a node without data of its own.
    pub(super) fn constant(&self, id: NodeId) -> Option<f64> {
        let shown = self.drafts.shown.get(self.drafts.fates[id.index()].shown() as usize)?;
        shown.base.is_none().then(|| self.drafts.constants[shown.layout as usize])
    }

    /// An operation on constants alone is one: its kernel says which.
    pub(super) fn fold_constant(
        &mut self,
        core: &Core,
        id: NodeId,
        node: &Node,
    ) -> Result<(), OutOfMemory> {
        let operand = elementwise_operand(core, node);
        let mut cells = [[0u64; 1]; INLINE_OPERANDS];
        for k in 0..INLINE_OPERANDS {
            let value = match self.views[k] {
                View::Constant(value) => value,
                _ => 0.0,
            };
            with_dtype!(operand_dtype(core, node, k), T => {
                let value = <T as crate::dtype::Element>::from_f64(value);
                // SAFETY: a cell has room for one element of any dtype.
                unsafe { cells[k].as_mut_ptr().cast::<T>().write(value) };
            });
        }
        let kernel = kernel::elementwise(node.op, operand, node.dtype, self.drafts.level);
        let mut out = [0u64; 1];
        let [a, b, c, d] = [0, 1, 2, 3].map(|k: usize| cells[k].as_ptr().cast::<u8>());
        // SAFETY: one element of each operand's dtype, and room for one of the result's.
        unsafe { kernel(1, out.as_mut_ptr().cast(), a, b, c, d) };
        let value = with_dtype!(node.dtype, T => {
            // SAFETY: the kernel wrote one element.
            let value = unsafe { out.as_ptr().cast::<T>().read() };
            crate::dtype::Element::to_f64(value)
        });
        self.show_constant(id, value)
    }

    pub(super) fn show_constant(&mut self, id: NodeId, value: f64) -> Result<(), OutOfMemory> {
        let shown = self.constant_seen(value)?;
        let shown = self.drafts.shown.try_push(shown)?;
        self.drafts.fates[id.index()].set_shown(shown);
        Ok(())
    }

    /// Writes down how the first operands look.
    pub(super) fn remember(&mut self, core: &Core, count: usize) -> Result<Span, OutOfMemory> {
        let first = self.drafts.seen.len();
        for k in 0..count {
            let absent = Seen { base: NodeId::NONE, layout: NONE };
            let seen = match &self.views[k] {
                View::Absent => absent,
                &View::Constant(constant) => self.constant_seen(constant)?,
                &View::Same(base) => Seen { base, ..absent },
                &View::Other(base, layout) => Seen { base, layout: self.layout(layout)? },
                &View::Padded(base, padded, shape) => {
                    let (dims, as_shown) = (core.dims(shape), &self.drafts.padded[padded as usize]);
                    let padded = if *as_shown.dims() == *dims {
                        padded
                    } else {
                        let stretched = as_shown.expand(&dims);
                        self.drafts.padded.try_push(stretched)?
                    };
                    Seen { base, layout: padded | PADDED }
                }
            };
            self.drafts.seen.try_push(seen)?;
        }
        Ok(Span::since(first, self.drafts.seen.len()))
    }
}
