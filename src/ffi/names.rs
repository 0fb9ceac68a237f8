//! Names of operations as C strings.

use std::ffi::CStr;

use crate::node::Op;
use crate::op::structural::NAMES;
use crate::op::{Elementwise, binary, unary};
use crate::roll_call::roll_call;

/// Room for the longest name and its NUL.
const ROOM: usize = 16;

const fn c_text(name: &str) -> [u8; ROOM] {
    let mut text = [0; ROOM];
    let (head, _) = text.split_at_mut(name.len());
    head.copy_from_slice(name.as_bytes());
    assert!(name.len() < ROOM);
    text
}

macro_rules! rules {
    (1: $($unary:ident),*; 2: $($binary:ident),*;) => {
        &[
            $(c_text(<unary::$unary as Elementwise<1>>::NAME),)*
            $(c_text(<binary::$binary as Elementwise<2>>::NAME),)*
        ]
    };
}

/// By the number of the operation.
static ELEMENTWISE: &[[u8; ROOM]] = roll_call!(rules);

/// Of operations with a step of their own, by their numbers.
static STRUCTURAL: [[u8; ROOM]; NAMES.len()] = {
    let mut texts = [[0; ROOM]; NAMES.len()];
    let mut k = 0;
    while k < NAMES.len() {
        texts[k] = c_text(NAMES[k]);
        k += 1;
    }
    texts
};

/// All other names.
static OTHERS: &[&CStr] = &[
    c"add",
    c"sub",
    c"mul",
    c"maximum",
    c"minimum",
    c"floor_divide",
    c"remainder",
    c"leaf",
    c"fill",
    c"dropout_mask",
    c"eq",
    c"ne",
    c"lt",
    c"le",
    c"gt",
    c"ge",
    c"same",
    c"where",
    c"cast",
    c"sum",
    c"mean",
    c"norm",
    c"prod",
    c"amax",
    c"amin",
    c"max",
    c"min",
    c"logsumexp",
    c"argmax",
    c"argmin",
    c"softmax",
    c"log_softmax",
    c"detach",
    c"reshape",
    c"permute",
    c"expand",
    c"slice",
    c"as_strided",
    c"embed",
    c"concat",
    c"assemble",
    c"matmul",
    c"custom",
];

/// The name of an operation, with its NUL.
pub(super) fn of(op: Op) -> &'static CStr {
    if let Op::Map(elem) | Op::Pull(elem, _) = op {
        return CStr::from_bytes_until_nul(&ELEMENTWISE[elem as usize]).unwrap_or_default();
    }
    if let Op::Structural(kind) = op {
        return CStr::from_bytes_until_nul(&STRUCTURAL[kind as usize]).unwrap_or_default();
    }
    let name = op.name().as_bytes();
    OTHERS.iter().copied().find(|other| other.to_bytes() == name).unwrap_or(c"unknown")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::callback::Part;
    use crate::node::{Comparison, Custom, Extreme, Integer, Reduction, Ties};
    use crate::roll_call::{Elem, Structural};

    #[test]
    fn every_operation_has_the_name_in_c_that_it_has_in_rust() {
        let mut all: Vec<Op> = vec![
            Op::Leaf,
            Op::Fill,
            Op::DropoutMask,
            Op::Where,
            Op::Cast,
            Op::Softmax,
            Op::LogSoftmax,
            Op::Detach,
            Op::Prod,
            Op::Reshape,
            Op::Permute,
            Op::Expand,
            Op::Slice,
            Op::AsStrided,
            Op::Embed,
            Op::Concat,
            Op::Assemble,
            Op::MatMul,
            Op::Custom(Custom { part: Part::Forward, is_pure: true, has_derivative: true }),
            Op::Reduce(Reduction::Sum),
            Op::Reduce(Reduction::Mean),
            Op::Reduce(Reduction::Norm),
            Op::Reduce(Reduction::LogSumExp),
        ];
        all.extend(Elem::ALL.iter().map(|&elem| Op::Map(elem)));
        all.extend(Elem::ALL.iter().map(|&elem| Op::Pull(elem, 0)));
        all.extend(Comparison::ALL.map(Op::Compare));
        all.extend(Integer::ALL.map(Op::Integer));
        all.extend(Structural::ALL.iter().map(|&kind| Op::Structural(kind)));
        for extreme in [Extreme::Max, Extreme::Min] {
            all.push(Op::ArgReduce(extreme));
            all.extend(
                [Ties::Even, Ties::EvenNan, Ties::First]
                    .map(|ties| Op::Reduce(Reduction::Extreme(extreme, ties))),
            );
        }
        for op in all {
            assert_eq!(of(op).to_str(), Ok(op.name()), "{op:?}");
        }
    }
}
