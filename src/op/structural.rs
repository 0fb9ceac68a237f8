//! Operations with a step of their own.
//!
//! Each is one block in its family's file and one word in the second roll-call: a method of `Core`
//! records it, and its [`Rule`] says everything else that the rest of the library asks. What asks
//! goes through one table, and names no operation.

use std::marker::PhantomData;

use super::Sink;
use super::assemble::Kind;
use super::batch::Batching;
use super::{class, euclid, index, index_add, integer, order, prod, scan, scatter};
use crate::dtype::DType;
use crate::error::Maybe;
use crate::graph::{Core, NewNode};
use crate::id::{CallId, NodeId};
use crate::node::{Node, Op};
use crate::roll_call::{Structural, structural_roll_call};
use crate::shape::MAX_RANK;
use crate::task::{Outside, Rows, Task};

/// Records the cotangents of a node's operands, from its own.
type Vjp = fn(core: &mut Core, id: NodeId, g: NodeId, sink: &mut Sink) -> Maybe<()>;

/// What the result of an operation is made of, and so what becomes of its cotangent.
pub(crate) enum Gives {
    /// Integers of this type: none comes.
    Integers(DType),
    /// Such elements as operand 0 has.
    Elements(Vjp),
    /// Elements of operand 0, chosen as the list says: it belongs to a part of that, which is the business
    /// of the reverse walk.
    Chosen(fn(&[u64]) -> Kind),
}

/// On which elements of its operands an element of a result depends: a pattern of derivatives.
pub(crate) enum Depends {
    /// On those of its line up to it, along the axis that its batching names; from it on, where this says of
    /// its list that it goes backwards. Of a result that is places: it names none but those.
    UpTo(fn(list: &[u64]) -> bool),
    /// On one of operand 0, where operand 1 says: the operation takes places as it takes numbers.
    Chosen,
    /// On those of operand 0 whose places, of which this makes a tensor, are its own.
    Placed(fn(core: &mut Core, node: &Node, places: NodeId) -> Maybe<NodeId>),
    /// On any.
    All,
}

/// How an operation is part of a fused step: it is run there on the rows of a tile.
pub(crate) struct Joins {
    pub(crate) form: Form,
    pub(crate) run: fn(&mut Rows) -> Result<(), Outside>,
}

/// What an operation makes of the rows of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// One element of each row of operand 0, by what operand 1 says of the row. It joins the step that makes
    /// the rows, and no other: of rows in memory it reads little.
    FromRows,
    /// A row of each element of operand 0, by what operand 1 says of it.
    ToRows,
}

/// What is said of an operation with a step of its own. Its operands are dense tensors there.
pub(crate) trait Rule: Sync {
    /// The name that messages and prints use, and C.
    const NAME: &str;

    /// About how long it takes for an element of the result, in thousandths of a nanosecond.
    const COST: u64 = 2_000;

    const GIVES: Gives;

    /// How it is recorded for a batch.
    const BATCHING: Batching;

    /// On which elements of its operands an element of the result depends.
    const DEPENDS: Depends = Depends::All;

    /// In which operands it is linear, each for itself, as bits: a tangent goes through it like a value.
    const LINEAR_IN: u8 = 0;

    const JOINS: Option<Joins> = None;

    /// Whether it looks at indices. Then its list ends with the number of the operation that it does so for.
    const CHECKS_INDICES: bool = false;

    /// Whether the result is all zeros without a step. (Indices are checked even where nothing lies at them.)
    fn is_nothing(core: &Core, node: &Node) -> bool {
        let _ = core;
        node.len == 0
    }

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
    fn batching(&self) -> Batching;
    fn depends(&self) -> &'static Depends;
    fn linear_in(&self) -> u8;
    fn gives(&self) -> &'static Gives;
    fn joins(&self) -> Option<&'static Joins>;
    fn checks_indices(&self) -> bool;
    fn is_nothing(&self, core: &Core, node: &Node) -> bool;
    fn work_words(&self, core: &Core, node: &Node) -> usize;
    fn run(&self, task: &Task<'_>) -> Result<(), Outside>;
}

/// A rule in the table: no value of its type is needed.
struct Of<R>(PhantomData<R>);

impl<R: Rule> Entry for Of<R> {
    fn name(&self) -> &'static str {
        R::NAME
    }
    fn cost(&self) -> u64 {
        R::COST
    }
    fn batching(&self) -> Batching {
        R::BATCHING
    }
    fn depends(&self) -> &'static Depends {
        const { &R::DEPENDS }
    }
    fn linear_in(&self) -> u8 {
        // What is chosen is chosen of a tangent, too.
        R::LINEAR_IN | u8::from(matches!(R::GIVES, Gives::Chosen(_)))
    }
    fn gives(&self) -> &'static Gives {
        const { &R::GIVES }
    }
    fn joins(&self) -> Option<&'static Joins> {
        const { &R::JOINS }.as_ref()
    }
    fn checks_indices(&self) -> bool {
        R::CHECKS_INDICES
    }
    fn is_nothing(&self, core: &Core, node: &Node) -> bool {
        R::is_nothing(core, node)
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
        static RULES: &[&dyn Entry] = &[$($(&Of::<$module::$rule>(PhantomData)),*),*];

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
            Gives::Integers(_) | Gives::Chosen(_) => Ok(()),
            Gives::Elements(vjp) => {
                // What looks at the same indices does so on behalf of the same call.
                match self.call(core.list(core.node(id).list)) {
                    Some(call) => core.on_behalf_of(call, |core| vjp(core, id, g, sink)),
                    None => vjp(core, id, g, sink),
                }
            }
        }
    }

    /// For whom an operation looks at indices, if it does.
    pub(crate) fn call(self, list: &[u64]) -> Option<CallId> {
        let call = list.last().filter(|_| self.rule().checks_indices());
        call.map(|&call| CallId(call as u32))
    }

    /// Which elements of operand 0 a node is made of, if it is made of some.
    pub(crate) fn chosen(self, core: &Core, node: &Node) -> Option<Kind> {
        match self.rule().gives() {
            Gives::Chosen(kind) => Some(kind(core.list(node.list))),
            Gives::Integers(_) | Gives::Elements(_) => None,
        }
    }
}

impl Core {
    /// A node of an operation with a step of its own, still without its shape; `list` without for whom.
    pub(crate) fn structural(
        &mut self,
        kind: Structural,
        operands: &[NodeId],
        list: &[usize],
    ) -> Maybe<NewNode> {
        let rule = kind.rule();
        let dtype = match rule.gives() {
            Gives::Integers(dtype) => *dtype,
            Gives::Elements(_) | Gives::Chosen(_) => self.node(operands[0]).dtype,
        };
        let mut node = NewNode::new(Op::Structural(kind), dtype);
        node.inputs[..operands.len()].copy_from_slice(operands);
        node.list = if rule.checks_indices() {
            let mut words = [0; MAX_RANK + 2];
            let call = self.call_id(rule.name())?;
            words[..list.len()].copy_from_slice(list);
            words[list.len()] = call.index();
            self.intern(&words[..=list.len()])?
        } else {
            self.intern(list)?
        };
        Ok(node)
    }
}
