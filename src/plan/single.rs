//! Plans of one node: a step of its own, on operands that are there as dense data.

use super::datum::NONE;
use super::group::value_of_nothing;
use super::{Datum, Groups, Plan, Single, Span, Step, Storage, View, Work};
use crate::arena::{OutOfMemory, TryPush};
use crate::dtype::DType;
use crate::graph::Core;
use crate::id::NodeId;
use crate::node::{Node, Op, Reduction};
use crate::op::often::often_words;
use crate::shape::Layout;

/// Words of memory that a step of its own needs.
pub(super) fn work_words(core: &Core, id: NodeId, node: &Node) -> usize {
    match node.op {
        Op::Assemble => {
            let (most, elements) = core.meetings(id);
            often_words(most, node.len, elements, 1)
        }
        Op::Structural(kind) => kind.rule().work_words(core, node),
        Op::Custom(_) => core.custom_words(id),
        _ => 0,
    }
}

/// Whether a node can be a step of its own where its operands are dense.
pub(crate) fn can_be_alone(core: &Core, node: &Node) -> bool {
    let can = match node.op {
        Op::MatMul
        | Op::Concat
        | Op::Embed
        | Op::Assemble
        | Op::Softmax
        | Op::LogSoftmax
        | Op::ArgReduce(_)
        | Op::Structural(_)
        | Op::Custom(_) => true,
        Op::Reduce(Reduction::LogSumExp) => {
            Groups::of(&core.shape(node.inputs[0]), &core.dims(node.list)).is_some()
        }
        _ => false,
    };
    can && value_of_nothing(core, node).is_none()
}

impl Plan {
    /// Makes this the plan of one node.
    pub(crate) fn of_single(&mut self, core: &Core, id: NodeId) -> Result<(), OutOfMemory> {
        self.clear();
        let node = *core.node(id);
        let datum = |id: NodeId| {
            let node = core.node(id);
            Datum { place: Storage::Node(id), dtype: node.dtype, len: node.len }
        };
        for operand in core.operands(id) {
            let number = self.data.try_push(datum(operand))?;
            let layout = Layout::dense(&core.shape(operand));
            self.views.try_push(View { datum: number, layout })?;
            self.links.try_push(number)?;
        }
        let reads = self.links.len() as u32;
        let out = self.data.try_push(datum(id))?;
        self.links.try_push(out)?;
        if !node.list.is_none() {
            for &word in core.list(node.list) {
                self.words.try_push(word)?;
            }
        }
        self.note_name(core, id)?;
        let len = work_words(core, id, &node);
        let mut work = NONE;
        if len > 0 {
            let datum = Datum { place: Storage::Scratch(0), dtype: DType::I64, len };
            work = self.data.try_push(datum)?;
            self.scratch = datum.bytes();
        }
        let single = Single {
            op: node.op,
            dtype: node.dtype,
            dims: core.dims(node.shape),
            out,
            operands: Span::since(0, self.views.len()),
            list: Span::since(0, self.words.len()),
            work,
        };
        let cost = self.single_cost(&single);
        self.singles.try_push(single)?;
        let links = Span::since(0, self.links.len());
        let work = Work::Single(0);
        let (random, repeats, places) = (node.op.is_random(), NONE, Span::default());
        self.steps.try_push(Step {
            work,
            links,
            reads,
            nodes: 1,
            cost,
            random,
            repeats,
            places,
        })?;
        Ok(())
    }
}
