//! Operations with a step of their own.
//!
//! Each is one block in its family's file and one word in the second roll-call: a method of `Core`
//! records it, and its [`Rule`] says everything else that the rest of the library asks. What asks
//! goes through one table, and names no operation.

use super::Sink;
use super::{integer, order, scan, scatter};
use crate::dtype::DType;
use crate::error::Maybe;
use crate::graph::{Core, NewNode};
use crate::id::NodeId;
use crate::node::{Node, Op};
use crate::roll_call::{Structural, structural_roll_call};
use crate::task::{Outside, Task};

/// Records the cotangents of a node's operands, from its own.
type Vjp = fn(core: &mut Core, id: NodeId, g: NodeId, sink: &mut Sink) -> Maybe<()>;

/// What the result of an operation is made of, and so what becomes of its cotangent.
pub(crate) enum Gives {
    /// Integers of this type: none comes.
    Integers(DType),
    /// Such elements as operand 0 has.
    Elements(Vjp),
}

/// What is said of an operation with a step of its own. Its operands are dense tensors there.
pub(crate) trait Rule: Sync {
    /// The name that messages and prints use, and C.
    const NAME: &str;

    /// About how long it takes for an element of the result, in thousandths of a nanosecond.
    const COST: u64 = 2_000;

    const GIVES: Gives;

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
pub(crate) trait Entry: Sync {
    fn name(&self) -> &'static str;
    fn cost(&self) -> u64;
    fn axis(&self) -> Option<usize>;
    fn linear_in(&self) -> u8;
    fn gives(&self) -> &'static Gives;
    fn work_words(&self, core: &Core, node: &Node) -> usize;
    fn run(&self, task: &Task<'_>) -> Result<(), Outside>;
}

impl<R: Rule> Entry for R {
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
    fn gives(&self) -> &'static Gives {
        const { &R::GIVES }
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
        static RULES: &[&dyn Entry] = &[$($(&$module::$rule),*),*];

        /// Their names, by number, for C.
        #[cfg(feature = "capi")]
        pub(crate) const NAMES: &[&str] = &[$($(<$module::$rule as Rule>::NAME),*),*];
    };
}
structural_roll_call!(table);

impl Structural {
    pub(crate) fn rule(self) -> &'static dyn Entry {
        RULES[self as usize]
    }

    /// Records the cotangents of a node's operands.
    pub(crate) fn vjp(self, core: &mut Core, id: NodeId, g: NodeId, sink: &mut Sink) -> Maybe<()> {
        match self.rule().gives() {
            Gives::Integers(_) => Ok(()),
            Gives::Elements(vjp) => vjp(core, id, g, sink),
        }
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
        let dtype = match kind.rule().gives() {
            Gives::Integers(dtype) => *dtype,
            Gives::Elements(_) => self.node(operands[0]).dtype,
        };
        let mut node = NewNode::new(Op::Structural(kind), dtype);
        node.inputs[..operands.len()].copy_from_slice(operands);
        node.list = self.intern(list)?;
        Ok(node)
    }
}
