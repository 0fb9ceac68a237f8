//! Chains: many cheap operations in one instruction.
//!
//! The kernel of a single cheap operation spends its time on moving a tile from the cache to
//! registers and back. A chain takes the tile block by block, as many vectors as fit in registers,
//! and each block through all of its *links*: most change the block by one operation, with an
//! operand from memory or one number; some write it down. What is in between never leaves the
//! registers. Choosing the link costs one predicted jump a block.
//!
//! Rules are those of `op`, so results are the same bit for bit as those of their kernels.

use super::float::Float;
use crate::dtype::DType;
use crate::lane::{Register, Work, by_level, prefetch_2};
use crate::level::Level;
use crate::node::Op;
use crate::op::{Elementwise, binary, unary};
use crate::roll_call::Elem;

/// Vectors of a block: with them and an operand, half of the registers are in use.
const VECTORS: usize = 8;

/// Vectors of the blocks for what is left of a tile.
const PAIR: usize = 2;

/// One link.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Link {
    pub(crate) act: Act,
    pub(crate) reach: Reach,
    /// Where its operand is, or where the block is written to.
    pub(crate) slot: u32,
}

/// Which element of a link's operand goes with an element of the tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Its own.
    Each,
    /// That of its row.
    Row,
    /// The first.
    One,
}

/// Calls a macro with what links compute and what it is called, on the block's element `a` and the operand's `p`. In a pull
/// one of them is the cotangent `g`, and the other one what the rule reads.
macro_rules! alphabet {
    ($then:ident) => {
        $then! {
            alone {
                Neg "neg": |a| unary::Neg::eval([a]),
                Abs "abs": |a| unary::Abs::eval([a]),
                Square "square": |a| unary::Square::eval([a]),
                Sqrt "sqrt": |a| unary::Sqrt::eval([a]),
                Rsqrt "rsqrt": |a| unary::Rsqrt::eval([a]),
                Reciprocal "reciprocal": |a| unary::Reciprocal::eval([a]),
                Relu "relu": |a| unary::Relu::eval([a]),
            }
            paired {
                Add "add": |a, p| binary::Add::eval([a, p]),
                Sub "sub": |a, p| binary::Sub::eval([a, p]),
                SubFrom "sub from": |a, p| binary::Sub::eval([p, a]),
                Mul "mul": |a, p| binary::Mul::eval([a, p]),
                Div "div": |a, p| binary::Div::eval([a, p]),
                DivInto "div into": |a, p| binary::Div::eval([p, a]),
                Maximum "maximum": |a, p| binary::Maximum::eval([a, p]),
                Minimum "minimum": |a, p| binary::Minimum::eval([a, p]),
                AtLeast "at least": |a, p| binary::AtLeast::eval([a, p]),
                AtMost "at most": |a, p| binary::AtMost::eval([a, p]),
                Weigh "weigh": |a, p| binary::Weigh::eval([a, p]),
                WeighBy "weigh by": |a, p| binary::Weigh::eval([p, a]),
                NormShare "norm share": |a, p| binary::NormShare::eval([a, p]),
                AbsPull "abs'": |g, p| pull::<unary::Abs, _>(p, g),
                AbsPulled "abs' times": |a, g| pull::<unary::Abs, _>(a, g),
                SquarePull "square'": |g, p| pull::<unary::Square, _>(p, g),
                SquarePulled "square' times": |a, g| pull::<unary::Square, _>(a, g),
                ReluPull "relu'": |g, p| pull::<unary::Relu, _>(p, g),
                ReluPulled "relu' times": |a, g| pull::<unary::Relu, _>(a, g),
                SqrtPull "sqrt'": |g, p| pull::<unary::Sqrt, _>(p, g),
                SqrtPulled "sqrt' times": |a, g| pull::<unary::Sqrt, _>(a, g),
                RsqrtPull "rsqrt'": |g, p| pull::<unary::Rsqrt, _>(p, g),
                RsqrtPulled "rsqrt' times": |a, g| pull::<unary::Rsqrt, _>(a, g),
                ReciprocalPull "reciprocal'": |g, p| pull::<unary::Reciprocal, _>(p, g),
                ReciprocalPulled "reciprocal' times": |a, g| pull::<unary::Reciprocal, _>(a, g),
                Log1pPull "log1p'": |g, p| pull::<unary::Log1p, _>(p, g),
                Log1pPulled "log1p' times": |a, g| pull::<unary::Log1p, _>(a, g),
                TanhPull "tanh'": |g, p| pull::<unary::Tanh, _>(p, g),
                TanhPulled "tanh' times": |a, g| pull::<unary::Tanh, _>(a, g),
                SigmoidPull "sigmoid'": |g, p| pull::<unary::Sigmoid, _>(p, g),
                SigmoidPulled "sigmoid' times": |a, g| pull::<unary::Sigmoid, _>(a, g),
            }
        }
    };
}

/// The cotangent of a rule's operand, if the rule reads, apart from the cotangent, only its operand
/// or only its value.
#[inline(always)]
fn pull<O: Elementwise<1>, R: Register>(read: R, g: R) -> R {
    let [cotangent] = O::pull([read], read, g);
    cotangent
}

macro_rules! acts {
    (
        alone { $($alone:ident $alone_name:literal: |$a:ident| $alone_is:expr,)* }
        paired { $($paired:ident $paired_name:literal: |$b:ident, $p:ident| $paired_is:expr,)* }
    ) => {
        /// What a link does with the block.
        #[repr(u8)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Act {
            /// The block is its operand.
            Load,
            /// Writes the block down.
            Store,
            /// The same, past the cache.
            StoreNonTemporal,
            /// Has what lies some tiles ahead of its operand brought to the cache.
            Ahead,
            $($alone,)*
            $($paired,)*
        }

        impl Act {
            /// Whether it reads its operand.
            pub(crate) fn reads(self) -> bool {
                matches!(self, Act::Load $(| Act::$paired)*)
            }

            /// Whether it writes the block down.
            pub(crate) fn writes(self) -> bool {
                matches!(self, Act::Store | Act::StoreNonTemporal)
            }

            /// Whether it changes the block by an operation.
            pub(crate) fn computes(self) -> bool {
                !matches!(self, Act::Load | Act::Ahead) && !self.writes()
            }

            /// What it is called in a plan's text.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    Act::Load => "load",
                    Act::Store => "store",
                    Act::StoreNonTemporal => "store past",
                    Act::Ahead => "ahead",
                    $(Act::$alone => $alone_name,)*
                    $(Act::$paired => $paired_name,)*
                }
            }
        }

        /// Takes one block through all links: `V` whole vectors of `R`, or one in part.
        ///
        /// # Safety
        /// As for [`Chain`]; each slot is valid at these offsets for as many elements.
        #[inline(always)]
        unsafe fn block<R: Register, const V: usize>(
            links: &[Link],
            slots: *const *mut u8,
            offsets: [usize; 3],
            ahead: usize,
            count: usize,
        ) {
            let mut held = [R::lit(0.0); V];
            for link in links {
                // SAFETY: the caller's promise.
                let slot = unsafe { *slots.add(link.slot as usize) };
                // Meaningless where the link has no operand.
                let at = slot.wrapping_add(offsets[link.reach as usize]).cast::<R::Elem>();
                macro_rules! operand {
                    ($k:ident) => {
                        // SAFETY: the caller's promise.
                        unsafe {
                            if V == 1 && count < R::LANES {
                                R::load_filled(at, R::part(count))
                            } else {
                                R::load(at.add($k * R::LANES))
                            }
                        }
                    };
                }
                if link.reach != Reach::Each {
                    // SAFETY: the caller's promise.
                    let number = unsafe { R::splat(at) };
                    match link.act {
                        Act::Load => held = [number; V],
                        $(Act::$paired => for held in &mut held {
                            let ($b, $p) = (*held, number);
                            *held = $paired_is;
                        },)*
                        _ => {}
                    }
                    continue;
                }
                match link.act {
                    Act::Load => for k in 0..V {
                        held[k] = operand!(k);
                    },
                    Act::Store | Act::StoreNonTemporal if V == 1 && count < R::LANES => {
                        // SAFETY: the caller's promise.
                        unsafe { held[0].store_part(at, R::part(count)) };
                    }
                    Act::Store => for k in 0..V {
                        // SAFETY: the caller's promise.
                        unsafe { held[k].store(at.add(k * R::LANES)) };
                    },
                    Act::StoreNonTemporal => for k in 0..V {
                        // SAFETY: the caller's promise.
                        unsafe { held[k].store_past(at.add(k * R::LANES)) };
                    },
                    Act::Ahead => fetch_ahead(at.cast(), ahead, V * size_of::<R>()),
                    $(Act::$alone => for held in &mut held {
                        let $a = *held;
                        *held = $alone_is;
                    },)*
                    $(Act::$paired => for k in 0..V {
                        let ($b, $p) = (held[k], operand!(k));
                        held[k] = $paired_is;
                    },)*
                }
            }
        }
    };
}
alphabet!(acts);

/// Has the cache lines of `bytes` bytes, `ahead` bytes from here, fetched: to the second-level cache,
/// for the first one is full.
#[inline(always)]
fn fetch_ahead(from: *const u8, ahead: usize, bytes: usize) {
    for line in (0..bytes).step_by(64) {
        prefetch_2(from.wrapping_add(ahead + line));
    }
}

/// `chain(links, slots, rows, n, ahead)` takes `rows` rows of `n` elements through the links, as
/// elements of the type that it was looked up for; streams are fetched `ahead` bytes ahead.
///
/// # Safety
/// - `slots` holds a pointer for each slot of a link, valid for reading, or for writing where the link
///   stores: `rows * n` elements for [`Reach::Each`], `rows` for [`Reach::Row`], one for
///   [`Reach::One`], aligned for the type. They may be the same, but do not overlap in part; those of
///   `Row` and `One` are written by no link.
/// - The CPU can run the level that the chain was looked up for.
pub(crate) type Chain =
    unsafe fn(links: &[Link], slots: *const *mut u8, rows: usize, n: usize, ahead: usize);

/// # Safety
/// As for [`Chain`].
#[inline(always)]
unsafe fn run<R: Register>(
    links: &[Link],
    slots: *const *mut u8,
    rows: usize,
    n: usize,
    ahead: usize,
) {
    let size = size_of::<R::Elem>();
    if n == 1 {
        for row in 0..rows {
            // SAFETY: the caller's promise.
            unsafe { block::<R::One, 1>(links, slots, [row * size, row * size, 0], ahead, 1) };
        }
        return;
    }
    for row in 0..rows {
        let offsets = |i: usize| [(row * n + i) * size, row * size, 0];
        let mut i = 0;
        while n - i >= VECTORS * R::LANES {
            // SAFETY: the caller's promise.
            unsafe { block::<R, VECTORS>(links, slots, offsets(i), ahead, VECTORS * R::LANES) };
            i += VECTORS * R::LANES;
        }
        while n - i >= PAIR * R::LANES {
            // SAFETY: the caller's promise.
            unsafe { block::<R, PAIR>(links, slots, offsets(i), ahead, PAIR * R::LANES) };
            i += PAIR * R::LANES;
        }
        while i < n {
            let count = R::LANES.min(n - i);
            // SAFETY: the caller's promise.
            unsafe { block::<R, 1>(links, slots, offsets(i), ahead, count) };
            i += count;
        }
    }
}

/// A call of a chain.
struct Call<'a> {
    links: &'a [Link],
    slots: *const *mut u8,
    rows: usize,
    n: usize,
    ahead: usize,
}

impl<T: Float> Work<T> for Call<'_> {
    #[inline(always)]
    unsafe fn on<R: Register<Elem = T>>(self) {
        // SAFETY: the promise of the chain's caller.
        unsafe { run::<R>(self.links, self.slots, self.rows, self.n, self.ahead) }
    }
}

by_level! {
    /// The chain for floats of a type.
    at [T: Float] [T]
    Chain = (links: &[Link], slots: *const *mut u8, rows: usize, n: usize, ahead: usize)
    on T => Call { links, slots, rows, n, ahead }
}

/// The chain for floats of a type at a level.
pub(crate) fn chain(dtype: DType, level: Level) -> Chain {
    match dtype {
        DType::F32 => at::<f32>(level),
        DType::F64 => at::<f64>(level),
        other => unreachable!("no link takes {other}"),
    }
}

/// A way to compute an operation by a link: what it does, which of the operation's operands is the
/// block, and which one is the link's, if it has one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form(pub(crate) Act, pub(crate) usize, pub(crate) Option<usize>);

/// The ways to compute an operation by a link; none for what is not cheap.
pub(crate) fn forms(op: Op) -> &'static [Form] {
    use Act::*;
    match op {
        Op::Map(elem) => match elem {
            Elem::Neg => const { &[Form(Neg, 0, None)] },
            Elem::Abs => const { &[Form(Abs, 0, None)] },
            Elem::Square => const { &[Form(Square, 0, None)] },
            Elem::Sqrt => const { &[Form(Sqrt, 0, None)] },
            Elem::Rsqrt => const { &[Form(Rsqrt, 0, None)] },
            Elem::Reciprocal => const { &[Form(Reciprocal, 0, None)] },
            Elem::Relu => const { &[Form(Relu, 0, None)] },
            Elem::Add => const { &[Form(Add, 0, Some(1)), Form(Add, 1, Some(0))] },
            Elem::Sub => const { &[Form(Sub, 0, Some(1)), Form(SubFrom, 1, Some(0))] },
            Elem::Mul => const { &[Form(Mul, 0, Some(1)), Form(Mul, 1, Some(0))] },
            Elem::Div => const { &[Form(Div, 0, Some(1)), Form(DivInto, 1, Some(0))] },
            Elem::Maximum => const { &[Form(Maximum, 0, Some(1))] },
            Elem::Minimum => const { &[Form(Minimum, 0, Some(1))] },
            Elem::AtLeast => const { &[Form(AtLeast, 0, Some(1))] },
            Elem::AtMost => const { &[Form(AtMost, 0, Some(1))] },
            Elem::Weigh => const { &[Form(Weigh, 0, Some(1)), Form(WeighBy, 1, Some(0))] },
            Elem::NormShare => const { &[Form(NormShare, 0, Some(1))] },
            _ => &[],
        },
        // A pull's operands are the rule's, its value and the cotangent.
        Op::Pull(elem, i) => match (elem, i) {
            (Elem::Neg, _) => const { &[Form(Neg, 2, None)] },
            (Elem::Abs, _) => const { &[Form(AbsPull, 2, Some(0)), Form(AbsPulled, 0, Some(2))] },
            (Elem::Exp, _) => const { &[Form(Mul, 2, Some(1)), Form(Mul, 1, Some(2))] },
            (Elem::Log, _) => const { &[Form(Div, 2, Some(0)), Form(DivInto, 0, Some(2))] },
            (Elem::Square, _) => {
                const { &[Form(SquarePull, 2, Some(0)), Form(SquarePulled, 0, Some(2))] }
            }
            (Elem::Log1p, _) => {
                const { &[Form(Log1pPull, 2, Some(0)), Form(Log1pPulled, 0, Some(2))] }
            }
            (Elem::Relu, _) => {
                const { &[Form(ReluPull, 2, Some(1)), Form(ReluPulled, 1, Some(2))] }
            }
            (Elem::Sqrt, _) => {
                const { &[Form(SqrtPull, 2, Some(1)), Form(SqrtPulled, 1, Some(2))] }
            }
            (Elem::Rsqrt, _) => {
                const { &[Form(RsqrtPull, 2, Some(1)), Form(RsqrtPulled, 1, Some(2))] }
            }
            (Elem::Reciprocal, _) => {
                const { &[Form(ReciprocalPull, 2, Some(1)), Form(ReciprocalPulled, 1, Some(2))] }
            }
            (Elem::Tanh, _) => {
                const { &[Form(TanhPull, 2, Some(1)), Form(TanhPulled, 1, Some(2))] }
            }
            (Elem::Sigmoid, _) => {
                const { &[Form(SigmoidPull, 2, Some(1)), Form(SigmoidPulled, 1, Some(2))] }
            }
            (Elem::Sub, 1) => const { &[Form(Neg, 3, None)] },
            (Elem::Mul, 0) => const { &[Form(Mul, 3, Some(1)), Form(Mul, 1, Some(3))] },
            (Elem::Mul, 1) => const { &[Form(Mul, 3, Some(0)), Form(Mul, 0, Some(3))] },
            (Elem::Weigh, 0) => const { &[Form(Weigh, 3, Some(1)), Form(WeighBy, 1, Some(3))] },
            (Elem::Weigh, 1) => const { &[Form(Mul, 3, Some(0)), Form(Mul, 0, Some(3))] },
            (Elem::NormShare, 0) => const { &[Form(NormShare, 3, Some(1))] },
            (Elem::Div, 0) => const { &[Form(Div, 3, Some(1)), Form(DivInto, 1, Some(3))] },
            _ => &[],
        },
        _ => &[],
    }
}
