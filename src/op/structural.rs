//! Operations with a step of their own.
//!
//! Each is one block in its family's file and one word in the second roll-call: a method of `Core`
//! records it, and its [`Rule`] says everything else that the rest of the library asks. What asks
//! goes through one table, and names no operation.

use super::Sink;
use super::{integer, order, scan, scatter};
use crate::error::Maybe;
use crate::graph::{Core, NewNode};
use crate::id::NodeId;
use crate::node::{Node, Op};
use crate::roll_call::{Structural, structural_roll_call};
use crate::task::{Outside, Task};

/// What is said of an operation with a step of its own. Its operands are dense tensors there.
pub(crate) trait Rule: Sync {
    /// The name that messages and prints use, and C.
    const NAME: &str;

    /// About how long it takes for an element of the result, in thousandths of a nanosecond.
    const COST: u64 = 2_000;

    /// Records the cotangents of the operands. (What gives integers is not asked.)
    fn vjp(core: &mut Core, id: NodeId, g: NodeId, sink: &mut Sink) -> Maybe<()>;

    /// Which word of the list is an axis of the operands, which then all have it; none for what works on
    /// the rows of the last one.
    const AXIS: Option<usize>;

    /// In which operands it is linear, each for itself, as bits: a tangent goes through it like a value.
    const LINEAR_IN: u8 = 0;

    /// Words of memory that a run needs.
    fn work_words(core: &Core, node: &Node) -> usize {
        let _ = (core, node);
        0
    }

    /// Computes the result.
    fn run(task: &Task<'_>) -> Result<(), Outside>;
}

/// A rule as the table has it.
pub(crate) trait Listed: Sync {
    fn name(&self) -> &'static str;
    fn cost(&self) -> u64;
    fn axis(&self) -> Option<usize>;
    fn linear_in(&self) -> u8;
    fn vjp(&self, core: &mut Core, id: NodeId, g: NodeId, sink: &mut Sink) -> Maybe<()>;
    fn work_words(&self, core: &Core, node: &Node) -> usize;
    fn run(&self, task: &Task<'_>) -> Result<(), Outside>;
}

impl<R: Rule> Listed for R {
    fn name(&self) -> &'static str {
        R::NAME
    }
    fn cost(&self) -> u64 {
        R::COST
    }
    fn axis(&self) -> Option<usize> {
        R::AXIS
    }
    fn linear_in(&self) -> u8 {
        R::LINEAR_IN
    }
    fn vjp(&self, core: &mut Core, id: NodeId, g: NodeId, sink: &mut Sink) -> Maybe<()> {
        R::vjp(core, id, g, sink)
    }
    fn work_words(&self, core: &Core, node: &Node) -> usize {
        R::work_words(core, node)
    }
    fn run(&self, task: &Task<'_>) -> Result<(), Outside> {
        R::run(task)
    }
}

macro_rules! table {
    ($($module:ident: $($rule:ident),*;)*) => {
        static RULES: &[&dyn Listed] = &[$($(&$module::$rule),*),*];

        /// Their names, by number, for C.
        #[cfg(feature = "capi")]
        pub(crate) const NAMES: &[&str] = &[$($(<$module::$rule as Rule>::NAME),*),*];
    };
}
structural_roll_call!(table);

impl Structural {
    pub(crate) fn rule(self) -> &'static dyn Listed {
        RULES[self as usize]
    }
}

impl Core {
    /// A node of an operation with a step of its own, still without its shape.
    pub(crate) fn structural(
        &mut self,
        kind: Structural,
        operands: &[NodeId],
        list: &[usize],
    ) -> Maybe<NewNode> {
        let mut node = NewNode::new(Op::Structural(kind), self.node(operands[0]).dtype);
        node.inputs[..operands.len()].copy_from_slice(operands);
        node.list = self.intern(list)?;
        Ok(node)
    }
}
