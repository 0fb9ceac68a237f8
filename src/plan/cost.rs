//! What operations cost, roughly.

use crate::kernel::forms;
use crate::node::Op;
use crate::op::Rule;
use crate::roll_call::Elem;

/// A sine or a cosine.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum TrigPart {
    Sine,
    Cosine,
}

/// What an operation needs of its angle, if it is a sine or cosine or the cotangent of one.
pub(super) fn trig_part(op: Op) -> Option<TrigPart> {
    match op {
        Op::Map(Elem::Sin) | Op::Pull(Elem::Cos, _) => Some(TrigPart::Sine),
        Op::Map(Elem::Cos) | Op::Pull(Elem::Sin, _) => Some(TrigPart::Cosine),
        _ => None,
    }
}

/// Whether an operation costs less than moving its result to memory and back.
pub(super) fn is_cheap(op: Op) -> bool {
    cost(op) <= 60 && trig_part(op).is_none()
}

/// What a tile's element costs to move to or from memory that is near, in thousandths of a
/// nanosecond.
pub(super) const STREAM_COST: u32 = 60;

/// What an operation costs, in thousandths of a nanosecond an element in L1: rough, for deciding
/// whether threads pay.
pub(super) fn cost(op: Op) -> u32 {
    match op {
        Op::Map(elem) | Op::Pull(elem, _) => match elem {
            Elem::Exp | Elem::Sigmoid | Elem::Silu | Elem::Sin | Elem::Cos | Elem::Tan => 300,
            Elem::Log | Elem::Tanh | Elem::Expm1 | Elem::Log1p | Elem::Erf | Elem::GeluTanh => 450,
            Elem::Softplus | Elem::Gelu | Elem::Atan2 => 1300,
            Elem::Pow | Elem::NormRoot => 2200,
            Elem::PowLog0 | Elem::PowLog1 | Elem::PowLog2 => 3000,
            Elem::Bell | Elem::Gaussian | Elem::Logistic | Elem::LogisticCdf => 300,
            Elem::NormalCdf => 1300,
            _ if Rule::of(elem).is_wide => 4000,
            _ if !forms(op).is_empty() => 20,
            _ => 60,
        },
        _ => 60,
    }
}
