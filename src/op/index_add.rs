//! Adding at indices held in i64 tensors: what reading at them is transposed.

use std::mem::MaybeUninit;

use super::Sink;
use super::batch::{Batched, Batching};
use super::index::{Along, around, each_position, has_no_index};
use super::often::{Often, often_words};
use super::structural::{Depends, Gives, Rule};
use crate::dtype::{Element, with_float};
use crate::error::Maybe;
use crate::graph::Core;
use crate::id::NodeId;
use crate::node::{Node, Op};
use crate::roll_call::Structural;
use crate::task::{Around, Outside, Task, zeros};

/// Zeros to which operand 0 is added at the indices in operand 1 along an axis: slices, or for each index an
/// element. List: [`Along`].
pub(crate) struct Add<const ELEMENTS: bool>;

/// Zeros to which the slices of operand 0 are added at the indices in operand 1.
pub(crate) type IndexAdd = Add<false>;

/// Zeros to which the elements of operand 0 are added at the indices in operand 1.
pub(crate) type ScatterAdd = Add<true>;

impl<const ELEMENTS: bool> Rule for Add<ELEMENTS> {
    const NAME: &str = if ELEMENTS { "scatter_add" } else { "index_add" };
    const BATCHING: Batching = if ELEMENTS { Batching::Along(0) } else { Batching::Own(batch_add) };
    const DEPENDS: Depends = Depends::Placed(|core, node, places| {
        let along = Along::of(core.list(node.list));
        Self::read(core, places, node.inputs[1], along)
    });
    const LINEAR_IN: u8 = 1;
    const COST: u64 = 1_000;
    const GIVES: Gives = Gives::Elements(Self::vjp);
    const CHECKS_INDICES: bool = true;

    fn is_nothing(core: &Core, node: &Node) -> bool {
        has_no_index(core, node)
    }

    fn work_words(core: &Core, node: &Node) -> usize {
        let axis = core.list(node.list)[0] as usize;
        let positions = core.node(node.inputs[1]).len;
        if ELEMENTS {
            let most = core.shape(node.inputs[1]).get(axis).copied().unwrap_or(positions);
            return often_words(most, node.len, positions, 1);
        }
        // All that lies behind the axis goes along.
        let Around { len, inner, .. } = Around::new(&core.dims(node.shape), axis);
        often_words(positions, len, positions, inner)
    }

    fn run(task: &Task<'_>) -> Result<(), Outside> {
        with_float!(task.dtype(0), T => task.fill(|out: &mut [MaybeUninit<T>], work| match ELEMENTS {
            false => add_slices_at(task, zeros(out), work),
            true => add_elements_at(task, zeros(out), work),
        }))
    }
}

impl<const ELEMENTS: bool> Add<ELEMENTS> {
    fn read(core: &mut Core, x: NodeId, index: NodeId, along: Along) -> Maybe<NodeId> {
        if ELEMENTS {
            core.gather_along(x, index, along)
        } else {
            core.select_along(x, index, along)
        }
    }

    /// What is added at indices gets what is read there. (The cotangent of what is read there is a part of a
    /// whole, and the reverse walk's business.)
    fn vjp(core: &mut Core, id: NodeId, g: NodeId, sink: &mut Sink) -> Maybe<()> {
        let node = *core.node(id);
        let [x, index, ..] = node.inputs;
        if !sink.wants(core, x) {
            return Ok(());
        }
        let along = Along::of(core.list(node.list));
        let cotangent = Self::read(core, g, index, along)?;
        sink.send(core, x, cotangent)
    }
}

fn add<T: Element>(out: &mut T, x: T) {
    *out = T::from_f64(out.to_f64() + x.to_f64());
}

fn add_slices_at<T: Element>(
    task: &Task<'_>,
    out: &mut [T],
    work: &mut [u64],
) -> Result<(), Outside> {
    let along = Along::of(task.list());
    let Around { outer, len, inner } = around(task.out_dims(), along.axis);
    let bounds = along.bounds(len);
    let (from, index) = (task.operand::<T>(0), task.operand::<i64>(1));
    let mut often = Often::new(work, len, inner);
    for (k, &i) in index.iter().enumerate() {
        often.count(bounds.place(k, i)?);
    }
    often.begin();
    for o in 0..outer {
        for (k, &i) in index.iter().enumerate() {
            let place = bounds.place(k, i)?;
            let start = (o * index.len() + k) * inner;
            let part = &from[start..start + inner];
            if let Some(totals) = often.totals(place) {
                totals.iter_mut().zip(part).for_each(|(t, x)| t.add(x.to_f64()));
                continue;
            }
            let to = (o * len + place) * inner;
            out[to..to + inner].iter_mut().zip(part).for_each(|(out, &x)| add(out, x));
        }
        often.end(|place, total| out[o * len * inner + place] = T::from_f64(total));
    }
    Ok(())
}

fn add_elements_at<T: Element>(
    task: &Task<'_>,
    out: &mut [T],
    work: &mut [u64],
) -> Result<(), Outside> {
    let along = Along::of(task.list());
    let (inside, outside) = (task.dims(0), task.out_dims());
    let bounds = along.bounds(outside.get(along.axis).copied().unwrap_or(1));
    let (from, index) = (task.operand::<T>(0), task.operand::<i64>(1));
    let mut often = Often::new(work, out.len(), 1);
    if often.is_possible() {
        each_position(bounds, inside, outside, along.axis, index, |_, at| often.count(at))?;
        often.begin();
    }
    each_position(bounds, inside, outside, along.axis, index, |k, at| match often.totals(at) {
        Some(totals) => totals[0].add(from[k].to_f64()),
        None => add(&mut out[at], from[k]),
    })?;
    often.end(|place, total| out[place] = T::from_f64(total));
    Ok(())
}

impl Core {
    /// Zeros in the shape of `like` with the elements of `x` added at the positions in `index`.
    pub(crate) fn scatter_zeros(
        &mut self,
        x: NodeId,
        index: NodeId,
        along: Along,
        like: NodeId,
    ) -> Maybe<NodeId> {
        self.add_at(Structural::ScatterAdd, x, index, along, like)
    }

    /// Zeros in the shape of `like` with the slices of `x` added at the positions in `index`.
    pub(crate) fn add_slices(
        &mut self,
        x: NodeId,
        index: NodeId,
        along: Along,
        like: NodeId,
    ) -> Maybe<NodeId> {
        self.add_at(Structural::IndexAdd, x, index, along, like)
    }

    fn add_at(
        &mut self,
        kind: Structural,
        x: NodeId,
        index: NodeId,
        along: Along,
        like: NodeId,
    ) -> Maybe<NodeId> {
        let mut node = self.at_index(kind, x, index, along)?;
        (node.shape, node.len) = (self.node(like).shape, self.node(like).len);
        self.push_here(node)
    }
}

/// Slices added at positions that are each element's own, or everybody's.
fn batch_add(batch: &mut Batched<'_>, node: &Node) -> Maybe<NodeId> {
    let axis = Along::of(batch.core.list(node.list)).axis;
    let (part, list) = (batch.operand(0)?, batch.further(node.list, 0)?);
    let (index, has_axis) = batch.operands[1];
    if !has_axis {
        return batch.push(node, [part, index, NodeId::NONE, NodeId::NONE], list);
    }
    let like = batch.core.shape(part);
    let index = batch.along(index, &like, 1 + axis)?;
    let added = Node { op: Op::Structural(Structural::ScatterAdd), ..*node };
    batch.push(&added, [part, index, NodeId::NONE, NodeId::NONE], list)
}
