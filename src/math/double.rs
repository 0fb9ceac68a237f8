//! The elementary functions on lanes of f64.
//!
//! A value that f64 is too short for is carried as an unevaluated sum of two lanes, a *pair*
//! (value, rest), rest being about an ULP of value or less.

mod angle;
mod exponential;
mod logarithm;
mod normal;
mod pair;
mod power;

pub(crate) use angle::{
    Direction, atan2, atan2_ends, cos, direction, sin, sin_cos, sine_and_cosine, tan,
};
pub(crate) use exponential::{
    BIAS, EXP, Exponential, ROUNDER, exp, expm1, expm1_of, exponential, gelu_gate, gelu_tanh,
    scale, sigmoid, silu, tanh,
};
pub(crate) use logarithm::{ln, ln_pair, log1p};
pub(crate) use normal::{
    ERF, FRAC_1_SQRT_2_PI, bell, bell_power, erf, gaussian, gelu, mills, normal_cdf, normal_tail,
};
pub(crate) use pair::{alone, product};
pub(crate) use power::pow;

use crate::function::{Function, Function2};
use crate::lane::Lane64;

#[inline(always)]
pub(crate) fn apply<F: Function, L: Lane64>(x: L) -> L {
    F::lanes(x)
}

#[inline(always)]
pub(crate) fn apply2<F: Function2, L: Lane64>(a: L, b: L) -> L {
    F::lanes(a, b)
}
