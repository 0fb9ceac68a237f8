//! One recorded operation: a small Copy record.

use std::hash::{Hash, Hasher};

use crate::callback::Part;
use crate::dtype::DType;
use crate::id::{ListId, NodeId};
use crate::roll_call::{Elem, Structural};

/// What a node does. Operations that are not elementwise keep their parameters in the node's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Op {
    /// Data given by the user or the optimiser.
    Leaf,
    /// One constant, the immediate, everywhere.
    Fill,
    /// 0 with the probability in the immediate, else 1 / (1 - p); all 1 outside of training. List:
    /// the stream of random numbers.
    DropoutMask,
    /// The value of an elementwise rule.
    Map(Elem),
    /// The cotangent that an elementwise rule sends to one of its operands. Operands: those of the
    /// rule, its value, the cotangent of its value; those that the rule does not read are absent.
    Pull(Elem, u8),
    /// Arithmetic on i64.
    Integer(Integer),
    /// A mask.
    Compare(Comparison),
    /// Operand 1 where the mask in operand 0 is set, else operand 2.
    Where,
    Cast,
    /// List: the shape with the reduced axes kept as 1.
    Reduce(Reduction),
    /// The first index of the largest or smallest element. List as for `Reduce`.
    ArgReduce(Extreme),
    /// Along the last axis.
    Softmax,
    /// Along the last axis.
    LogSoftmax,
    /// The same value, through which no gradient flows.
    Detach,
    /// The value of operand 0, a product of elements of operand 1, to which its gradient flows.
    Prod,
    Reshape,
    /// List: the order of the axes.
    Permute,
    Expand,
    /// List: axis, start, step.
    Slice,
    /// Elements of operand 0, row-major, at these places. List: the first one, the strides.
    AsStrided,
    /// Zeros, with operand 0 in the place that `Slice` with the same list would take.
    Embed,
    /// List: the axis, then the ids of the operands.
    Concat,
    /// Zeros to which parts are added, each in its place. List: how many operands, their ids, then
    /// the places of the parts: see `op::assemble`.
    Assemble,
    /// Matrix products over the last two axes, broadcast over the others.
    MatMul,
    /// An operation with a step of its own, as its rule says.
    Structural(Structural),
    /// An operation of the user's. List: how many operands, their ids, then which operation, and what it
    /// makes of them: see `op::custom`.
    Custom(Custom),
}

/// What is asked of an operation of the user's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Custom {
    pub(crate) part: Part,
    pub(crate) is_pure: bool,
    pub(crate) has_derivative: bool,
}

/// Arithmetic on i64, which wraps around where it overflows. What is divided by 0 is 0.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Integer {
    Add,
    Sub,
    Mul,
    FloorDivide,
    Remainder,
    Maximum,
    Minimum,
}

impl Integer {
    pub(crate) const ALL: [Self; 7] = [
        Self::Add,
        Self::Sub,
        Self::Mul,
        Self::FloorDivide,
        Self::Remainder,
        Self::Maximum,
        Self::Minimum,
    ];

    /// That which does to integers what a rule does to floats.
    pub(crate) fn of(elem: Elem) -> Option<Self> {
        match elem {
            Elem::Add => Some(Self::Add),
            Elem::Sub => Some(Self::Sub),
            Elem::Mul => Some(Self::Mul),
            Elem::Maximum | Elem::AtLeast => Some(Self::Maximum),
            Elem::Minimum | Elem::AtMost => Some(Self::Minimum),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Sub => "sub",
            Self::Mul => "mul",
            Self::FloorDivide => "floor_divide",
            Self::Remainder => "remainder",
            Self::Maximum => "maximum",
            Self::Minimum => "minimum",
        }
    }
}

/// An elementwise comparison.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Comparison {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    /// Equal, or both NaN.
    Same,
}

impl Comparison {
    pub(crate) const ALL: [Self; 7] =
        [Self::Eq, Self::Ne, Self::Lt, Self::Le, Self::Gt, Self::Ge, Self::Same];
}

#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Reduction {
    Sum,
    Mean,
    /// The root of the sum of squares.
    Norm,
    /// What happens at ties is the gradient's business.
    Extreme(Extreme, Ties),
    LogSumExp,
}

#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Extreme {
    Max,
    Min,
}

/// Which of several equal extremes gets the gradient.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Ties {
    /// All get an equal part; a NaN makes every part NaN.
    Even,
    /// All get an equal part; NaNs count as equal.
    EvenNan,
    /// The first gets all.
    First,
}

impl Op {
    /// A number that tells operations apart.
    #[inline(always)]
    pub(crate) fn code(self) -> u64 {
        match self {
            // The most frequent ones without a search.
            Self::Map(elem) => 2 << 32 | elem as u64,
            Self::Structural(kind) => 3 << 32 | kind as u64,
            other => other.digits(),
        }
    }

    fn digits(self) -> u64 {
        /// Puts what is hashed side by side: a variant, and at most three small parameters.
        struct Digits(u64);
        impl Hasher for Digits {
            fn write(&mut self, bytes: &[u8]) {
                bytes.iter().for_each(|&byte| self.0 = self.0 << 8 | u64::from(byte));
            }
            fn write_isize(&mut self, variant: isize) {
                self.0 = self.0 << 8 | variant as u64;
            }
            fn finish(&self) -> u64 {
                self.0
            }
        }
        let mut digits = Digits(1);
        self.hash(&mut digits);
        digits.finish()
    }

    /// Whether each element of the result is made of one element of each operand, by a kernel.
    pub(crate) fn is_elementwise(self) -> bool {
        matches!(
            self,
            Self::Map(_)
                | Self::Pull(..)
                | Self::Integer(_)
                | Self::Compare(_)
                | Self::Where
                | Self::Cast
        )
    }

    /// Whether the node's data are another node's, seen through another layout.
    pub(crate) fn is_view(self) -> bool {
        matches!(
            self,
            Self::Detach
                | Self::Prod
                | Self::Reshape
                | Self::Permute
                | Self::Expand
                | Self::Slice
                | Self::AsStrided
        )
    }

    /// Whether each replay has another value of it.
    pub(crate) fn is_random(self) -> bool {
        matches!(
            self,
            Self::DropoutMask | Self::Custom(Custom { part: Part::Forward, is_pure: false, .. })
        )
    }

    /// Whether running it once more, in the same replay, gives the same and does nothing else.
    pub(crate) fn may_be_repeated(self) -> bool {
        !matches!(self, Self::Custom(Custom { is_pure: false, .. }))
    }

    /// Whether a gradient can flow through a node of this kind.
    pub(crate) fn is_differentiable(self) -> bool {
        !matches!(
            self,
            Self::Leaf
                | Self::Fill
                | Self::DropoutMask
                | Self::Detach
                | Self::Compare(_)
                | Self::ArgReduce(_)
                | Self::Custom(Custom { has_derivative: false, .. })
        )
    }
}

/// Operands that fit in the node itself; [`Op::Concat`], [`Op::Assemble`] and [`Op::Custom`] keep theirs in
/// a list.
pub(crate) const INLINE_OPERANDS: usize = 4;

/// A recorded operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    /// Sums up the structure of the graph up to here: see `Core::hash`.
    pub(crate) hash: u64,
    pub(crate) op: Op,
    pub(crate) dtype: DType,
    pub(crate) requires_grad: bool,
    /// Bit `k` is set if operand `k` required a gradient when this was recorded: see `Core::paths`.
    pub(crate) paths: u8,
    /// The interned shape.
    pub(crate) shape: ListId,
    /// The graph's tag when the node was recorded: a handle is valid only with the same tag.
    pub(crate) tag: u32,
    /// [`NodeId::NONE`] beyond the last and for operands that are not needed.
    pub(crate) inputs: [NodeId; INLINE_OPERANDS],
    pub(crate) list: ListId,
    /// Index of the leaf's or retained node's gradient slot, or `NO_SLOT`.
    pub(crate) slot: u32,
    /// The constant that stands for the operand [`NodeId::IMMEDIATE`].
    pub(crate) imm: f64,
    /// Number of elements.
    pub(crate) len: usize,
}

pub(crate) const NO_SLOT: u32 = u32::MAX;

impl Node {
    pub(crate) fn has_slot(&self) -> bool {
        self.slot != NO_SLOT
    }
}

const _: () = assert!(size_of::<Node>() <= 64, "a node fits in one cache line");
