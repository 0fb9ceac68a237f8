//! The operations, a family a file.
//!
//! Elementwise operations are *rules*: one value and one cotangent expression over any number
//! type ([`Elementwise`]). All other families record, give their shape rule, and record their
//! cotangents by [`vjp`](crate::grad) functions beside them.

mod activation;
mod arithmetic;
mod arrange;
pub(crate) mod assemble;
pub(crate) mod batch;
pub(crate) mod binary;
pub(crate) mod class;
mod contract;
pub(crate) mod create;
pub(crate) mod custom;
mod diagonal;
mod distance;
mod einsum;
mod element_loss;
pub(crate) mod elementwise;
mod euclid;
pub(crate) mod index;
pub(crate) mod index_add;
mod integer;
mod lines;
pub(crate) mod loss;
pub(crate) mod matmul;
mod norm;
pub(crate) mod often;
pub(crate) mod order;
mod parts;
mod prod;
mod rank;
pub(crate) mod record;
pub(crate) mod reduce;
pub(crate) mod scan;
pub(crate) mod scatter;
mod select;
pub(crate) mod shaping;
pub(crate) mod special;
mod statistics;
pub(crate) mod structural;
pub(crate) mod unary;

pub use loss::Reduce;

use crate::arena::TryPush;
use crate::error::Maybe;
use crate::function::{Function, Function2};
use crate::graph::Core;
use crate::id::NodeId;
use crate::node::{Extreme, Op};
use crate::real::Real;
use crate::roll_call::{Elem, roll_call};
use crate::visit::Visit;

impl Op {
    /// The name that messages and prints use.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Leaf => "leaf",
            Self::Fill => "fill",
            Self::DropoutMask => "dropout_mask",
            Self::Map(elem) => Rule::of(elem).name,
            Self::Pull(elem, _) => Rule::of(elem).name,
            Self::Integer(integer) => integer.name(),
            Self::Compare(comparison) => comparison.name(),
            Self::Where => "where",
            Self::Cast => "cast",
            Self::Reduce(reduction) => reduction.name(),
            Self::ArgReduce(Extreme::Max) => "argmax",
            Self::ArgReduce(Extreme::Min) => "argmin",
            Self::Softmax => "softmax",
            Self::LogSoftmax => "log_softmax",
            Self::Detach => "detach",
            Self::Prod => "prod",
            Self::Reshape => "reshape",
            Self::Permute => "permute",
            Self::Expand => "expand",
            Self::Slice => "slice",
            Self::AsStrided => "as_strided",
            Self::Embed => "embed",
            Self::Concat => "concat",
            Self::Assemble => "assemble",
            Self::MatMul => "matmul",
            Self::Structural(kind) => kind.rule().name(),
            // (That of the operation is the core's to tell.)
            Self::Custom(_) => "custom",
        }
    }
}

/// Where a family's reverse rule leaves the cotangents of its operands.
pub(crate) struct Sink {
    /// The node whose rule it is.
    pub(crate) of: NodeId,
    pub(crate) sent: Vec<(NodeId, NodeId)>,
    /// What the walk goes through.
    pub(crate) visit: Visit,
    /// Whether an operand that leads gets its cotangent though it needed no gradient when the node was
    /// recorded: for a forward walk.
    pub(crate) is_forward: bool,
}

/// Said of a node that leads to something whose gradient is asked for.
pub(crate) const LEADS: u32 = 1;

impl Sink {
    /// Whether an operand needs its cotangent. (Operands in a list have their paths there.)
    pub(crate) fn wants(&self, core: &Core, operand: NodeId) -> bool {
        self.leads(operand) && (self.is_forward || core.paths(self.of).any(|path| path == operand))
    }

    /// Whether a node leads to something whose gradient is asked for.
    pub(crate) fn leads(&self, operand: NodeId) -> bool {
        operand.is_node() && self.visit.has(operand, LEADS)
    }

    pub(crate) fn send(
        &mut self,
        core: &mut Core,
        operand: NodeId,
        cotangent: NodeId,
    ) -> Maybe<()> {
        let sent = self.sent.try_push((operand, cotangent));
        sent.map(|_| ()).map_err(|_| core.out_of_memory("backward"))
    }
}

/// An elementwise operation on `N` floating-point operands.
pub(crate) trait Elementwise<const N: usize> {
    const NAME: &str;

    /// Where tests draw each operand from: inside the domain, away from kinks and overflow.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the tests' loops"))]
    const DOMAIN: [(f64, f64); N];

    /// Whether the rule takes sin, cos or tan of operand 0: kernels then recompute elements that
    /// are too large for the branch-free argument reduction.
    const TRIG: bool = false;

    /// Whether it is long and runs so seldom that one level less is compiled: v4 runs what v3 does.
    const IS_RARE: bool = false;

    /// Whether programs on single numbers are full of it, so that one element has code of its own.
    const IS_FREQUENT: bool = false;

    /// Whether it is computed in f64 only: kernels for f32 convert, and call those for f64.
    const IS_WIDE: bool = false;

    /// Whether some elements are computed again, by the reference: where [`Elementwise::needs_repair`] says
    /// so. (For rules that are computed in f64 only.)
    const IS_REPAIRED: bool = false;

    /// Whether an element is to be computed again; what is made of it otherwise is not used.
    #[inline(always)]
    fn needs_repair(_: [f64; N]) -> bool {
        false
    }

    /// By how many units of its last place an f64 may be off, for a rule that is one function.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the tests' loops"))]
    const ULP: Option<f64> = None;

    fn eval<R: Real>(x: [R; N]) -> R;

    /// The cotangents of the operands, from the operands, the value `y` and its cotangent `g`.
    fn pull<R: Real>(x: [R; N], y: R, g: R) -> [R; N];

    /// The same, in the form that is recorded when it is differentiated in its turn. It differs
    /// where the derivatives of `pull`, taken step by step, would lose digits or meet an infinite
    /// step beside one that is 0. It may read the operands even if `pull` reads only the value.
    fn recorded<R: Real>(x: [R; N], y: R, g: R) -> [R; N] {
        Self::pull(x, y, g)
    }
}

/// What the rest of the library asks about a rule.
pub(crate) struct Rule {
    pub(crate) name: &'static str,
    /// What the cotangent of operand `i` reads.
    reads: fn(usize) -> Touch,
    #[cfg(test)]
    pub(crate) domain: &'static [(f64, f64)],
    #[cfg(test)]
    pub(crate) ulp: Option<f64>,
    /// Whether kernels for f32 call those for f64.
    pub(crate) is_wide: bool,
    #[cfg(test)]
    pub(crate) scalar: Scalar<f64>,
    #[cfg(test)]
    pub(crate) dual: Scalar<crate::dual::Dual>,
}

/// The rule for one number at a time, for tests.
#[cfg(test)]
pub(crate) struct Scalar<R> {
    pub(crate) eval: fn(&[R]) -> R,
    pub(crate) pull: fn(&[R], R, R, usize) -> R,
}

impl Rule {
    pub(crate) fn of(elem: Elem) -> &'static Self {
        &RULES[elem as usize]
    }

    /// What the cotangent of operand `i` is made from.
    pub(crate) fn cotangent(&self, i: usize) -> Cotangent {
        match (self.reads)(i) {
            Touch { reads: 0, .. } => Cotangent::Zero,
            Touch { just_g: true, .. } => Cotangent::Same,
            Touch { reads, .. } => Cotangent::Pull { reads },
        }
    }

    /// Whether the pull of operand `i` is a product with a slope that takes functions, and not only arithmetic.
    pub(crate) fn is_pull_dear(&self, i: usize) -> bool {
        (self.reads)(i).is_dear
    }
}

/// How an operand's cotangent follows from the value's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cotangent {
    Zero,
    /// It is the value's cotangent itself.
    Same,
    /// The rule must run; bit `i` of `reads` is set when it reads operand `i`, with the value and
    /// its cotangent counted after the operands.
    Pull {
        reads: u8,
    },
}

macro_rules! rules {
    (1: $($unary:ident),*; 2: $($binary:ident),*;) => {
        const RULES: &[Rule] =
            &[$(rule::<unary::$unary, 1>(),)* $(rule::<binary::$binary, 2>(),)*];
    };
}
roll_call!(rules);

const fn rule<O: Elementwise<N>, const N: usize>() -> Rule {
    Rule {
        name: O::NAME,
        reads: |i| {
            let x = std::array::from_fn(|k| Touch::of(1 << k));
            O::pull(x, Touch::of(1 << N), Touch { just_g: true, ..Touch::of(2 << N) })[i]
        },
        #[cfg(test)]
        domain: &O::DOMAIN,
        #[cfg(test)]
        ulp: O::ULP,
        is_wide: O::IS_WIDE,
        #[cfg(test)]
        scalar: scalar::<O, f64, N>(),
        #[cfg(test)]
        dual: scalar::<O, crate::dual::Dual, N>(),
    }
}

/// Whether the cotangent of a rule of one operand is made from that operand.
#[inline(always)]
pub(crate) fn pull_reads_operand<O: Elementwise<1>>() -> bool {
    let [cotangent] = O::pull([Touch::of(1)], Touch::of(2), Touch::of(4));
    cotangent.reads & 1 != 0
}

#[cfg(test)]
const fn scalar<O: Elementwise<N>, R: Real, const N: usize>() -> Scalar<R> {
    Scalar {
        eval: |x| O::eval(std::array::from_fn(|k| x[k])),
        pull: |x, y, g, i| O::pull(std::array::from_fn(|k| x[k]), y, g)[i],
    }
}

/// A "number" that knows only where it came from: running a rule on it tells what the rule reads,
/// so no rule has to declare it. The compiler folds the whole run into a constant.
#[derive(Clone, Copy)]
struct Touch {
    reads: u8,
    just_g: bool,
    /// Whether a function was taken on the way.
    is_dear: bool,
}

impl Touch {
    #[inline(always)]
    fn of(reads: u8) -> Self {
        Self { reads, just_g: false, is_dear: false }
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        let is_dear = self.is_dear | other.is_dear;
        Self { reads: self.reads | other.reads, just_g: false, is_dear }
    }

    #[inline(always)]
    fn only(self) -> Self {
        Self { just_g: false, ..self }
    }

    #[inline(always)]
    fn dear(self) -> Self {
        Self { just_g: false, is_dear: true, ..self }
    }
}

macro_rules! touch_operators {
    ($($trait:ident $method:ident),*) => {$(
        impl std::ops::$trait for Touch {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                self.and(other)
            }
        }
    )*};
}
touch_operators!(Add add, Sub sub, Mul mul, Div div);

impl std::ops::Neg for Touch {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        self.only()
    }
}

macro_rules! touch_functions {
    ($how:ident: $($name:ident)*) => {$(
        #[inline(always)]
        fn $name(self) -> Self {
            self.$how()
        }
    )*};
}

impl Real for Touch {
    type Mask = Self;

    #[inline(always)]
    fn lit(_: f64) -> Self {
        Self::of(0)
    }

    touch_functions!(only: abs sqrt floor ceil round);
    touch_functions!(dear: exp expm1 ln log1p sin cos tan tanh sigmoid erf normal_cdf);

    #[inline(always)]
    fn strong(self, other: Self) -> Self {
        // What is 0 wherever the cotangent is must not become a product with a slope, which may be infinite.
        Self { is_dear: !self.just_g && (self.is_dear || other.is_dear), ..self.and(other) }
    }
    #[inline(always)]
    fn pow(self, exponent: Self) -> Self {
        self.and(exponent).dear()
    }
    #[inline(always)]
    fn atan2(self, x: Self) -> Self {
        self.and(x).dear()
    }
    #[inline(always)]
    fn apply<F: Function>(self) -> Self {
        self.dear()
    }
    #[inline(always)]
    fn apply2<F: Function2>(self, other: Self) -> Self {
        self.and(other).dear()
    }
    #[inline(always)]
    fn eq(self, other: Self) -> Self {
        self.and(other)
    }
    #[inline(always)]
    fn lt(self, other: Self) -> Self {
        self.and(other)
    }
    #[inline(always)]
    fn le(self, other: Self) -> Self {
        self.and(other)
    }
    #[inline(always)]
    fn select(mask: Self, yes: Self, no: Self) -> Self {
        mask.and(yes).and(no)
    }
}

#[cfg(test)]
mod tests;
