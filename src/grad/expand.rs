//! Rules in full: a compact pull is recorded by the rule itself when it is differentiated again.

use crate::error::Maybe;
use crate::graph::{Core, Operand};
use crate::id::NodeId;
use crate::node::{Node, Op};
use crate::op::record::{Rec, Recorder};
use crate::op::{Elementwise, binary, unary};
use crate::roll_call::{Elem, roll_call};

/// Records the rule of `elem` that the pull node stands for, for operand `i`.
pub(crate) fn expand(core: &mut Core, elem: Elem, i: usize, pull: Node) -> Maybe<Operand> {
    let arity = elem.arity();
    // What the compact rule does not read may still be known from the value's node; unless that shows the
    // value in another shape, as in a batch. Then the compact rule is recorded, which does without.
    let value = pull.inputs[arity];
    let is_known = value.is_node() && core.node(value).op == Op::Map(elem);
    let is_compact = value.is_node() && !is_known;
    let recorder = Recorder::new(core, pull.inputs[arity + 1]);
    let known = if is_known { recorder.operands_of(value) } else { pull.inputs };
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
                $(Elem::$unary => rule::<unary::$unary, 1>(is_compact, [operand(0)], y, g)[i],)*
                $(Elem::$binary => {
                    let operands = [operand(0), operand(1)];
                    rule::<binary::$binary, 2>(is_compact, operands, y, g)[i]
                })*
            }
        };
    }
    recorder.end(roll_call!(run))
}

/// A rule's cotangents, in the form for a node that reads no more than the compact one, or for all others.
fn rule<'a, O: Elementwise<N>, const N: usize>(
    is_compact: bool,
    x: [Rec<'a>; N],
    y: Rec<'a>,
    g: Rec<'a>,
) -> [Rec<'a>; N] {
    if is_compact { O::pull(x, y, g) } else { O::recorded(x, y, g) }
}
