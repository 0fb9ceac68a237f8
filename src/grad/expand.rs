//! Rules in full: a compact pull is recorded by the rule itself when it is differentiated again.

use crate::error::Maybe;
use crate::graph::{Core, Operand};
use crate::id::NodeId;
use crate::node::Node;
use crate::op::record::{Rec, Recorder};
use crate::op::{Elementwise, binary, unary};
use crate::roll_call::{Elem, roll_call};

/// Records the rule of `elem` that the pull node stands for, for operand `i`.
pub(crate) fn expand(core: &mut Core, elem: Elem, i: usize, pull: Node) -> Maybe<Operand> {
    let arity = elem.arity();
    let recorder = Recorder::new(core, pull.inputs[arity + 1]);
    // What the compact rule does not read may still be known from the value's node.
    let value = pull.inputs[arity];
    let known = if value.is_node() { recorder.operands_of(value) } else { pull.inputs };
    let operand = |k: usize| match pull.inputs[k] {
        NodeId::NONE if k < arity && known[k].is_node() => Rec::Node(&recorder, known[k]),
        NodeId::IMMEDIATE => Rec::Constant(pull.imm),
        NodeId::NONE if k < arity && known[k] == NodeId::IMMEDIATE => Rec::Constant(pull.imm),
        // Nobody reads it.
        NodeId::NONE => Rec::Constant(f64::NAN),
        id => Rec::Node(&recorder, id),
    };
    let (y, g) = (operand(arity), operand(arity + 1));
    macro_rules! run {
        (1: $($unary:ident),*; 2: $($binary:ident),*;) => {
            match elem {
                $(Elem::$unary => unary::$unary::recorded([operand(0)], y, g)[i],)*
                $(Elem::$binary => binary::$binary::recorded([operand(0), operand(1)], y, g)[i],)*
            }
        };
    }
    recorder.end(roll_call!(run))
}
