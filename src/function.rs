//! Functions that are one block each: the value on lanes of f64, a reference, and the slope.
//!
//! [`Real::apply`] calls one on any number type: lanes compute it, the recorder appends its node,
//! and where only a derivative along a direction is carried, the slope makes that. Rules of such
//! functions follow from the block (`op/special/`), and their kernels for f32 are made of those for
//! f64, so that results are nearly always the nearest f32, and a function is compiled once a level; but
//! where fewer digits are much faster, they have a method of their own.

use crate::lane::{Fused, Lane64};
use crate::real::Real;

/// What has a number in the roll-call.
pub(crate) trait Listed {
    const NUMBER: usize;
}

/// A function of one number.
pub(crate) trait Function: Listed {
    const NAME: &str;

    /// Where tests draw from: inside the domain, away from kinks and overflow.
    const DOMAIN: (f64, f64);

    /// By how many units of its last place a value may be off.
    const ULP: f64 = 2.0;

    /// The value, without branches.
    fn lanes<L: Lane64>(x: L) -> L;

    /// By how many units of its last place a value in f32 may be off, if it has a method of its own, with
    /// fewer digits: [`Function::single`]. Else it is the nearest f32 of what `lanes` gives.
    const SINGLE_ULP: Option<f64> = None;

    /// The value that is rounded to f32.
    #[inline(always)]
    fn single<L: Lane64>(x: L) -> L {
        Self::lanes(x)
    }

    /// The value for one number: of constants, and for tests.
    fn reference(x: f64) -> f64;

    /// The derivative, given the value `y`.
    fn slope<R: Real>(x: R, y: R) -> R;

    /// The same, in the form that is recorded when it is differentiated in its turn; see
    /// [`Elementwise::recorded`](crate::op::Elementwise::recorded).
    fn recorded<R: Real>(x: R, y: R) -> R {
        Self::slope(x, y)
    }
}

/// A function of two numbers.
pub(crate) trait Function2: Listed {
    const NAME: &str;

    const DOMAIN: [(f64, f64); 2];

    fn lanes<L: Lane64>(a: L, b: L) -> L;

    fn reference(a: f64, b: f64) -> f64;

    /// Whether some operands are rare ones, for which kernels take the reference instead.
    const IS_REPAIRED: bool = false;

    /// Whether these are.
    #[inline(always)]
    fn is_rare(_: f64, _: f64) -> bool {
        false
    }

    /// The cotangents of both operands, from them, the value `y` and its cotangent `g`.
    fn pull<R: Real>(x: [R; 2], y: R, g: R) -> [R; 2];
}

/// The lanes' own value for one number: the reference where no other is at hand.
pub(crate) fn of_lanes<F: Function>(x: f64) -> f64 {
    F::lanes(Fused::<f64, false, false>::lit(x)).number()
}
