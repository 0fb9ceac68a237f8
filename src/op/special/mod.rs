//! Elementary and special functions, each one block: see [`function`](crate::function).
//!
//! Values and gradients at zeros, poles and infinities are PyTorch's.

pub(crate) mod bessel;
pub(crate) mod division;
pub(crate) mod elementary;
pub(crate) mod gamma;
pub(crate) mod normal;

use super::{Elementwise, binary, unary};
use crate::function::{Function, Function2, Listed};
use crate::real::Real;
use crate::roll_call::{Elem, roll_call};

macro_rules! listed {
    (1: $($unary:ident),*; 2: $($binary:ident),*;) => {
        $(impl Listed for unary::$unary {
            const NUMBER: usize = Elem::$unary as usize;
        })*
        $(impl Listed for binary::$binary {
            const NUMBER: usize = Elem::$binary as usize;
        })*
    };
}
roll_call!(listed);

impl<F: Function> Elementwise<1> for F {
    const NAME: &str = F::NAME;
    const DOMAIN: [(f64, f64); 1] = [F::DOMAIN];
    // (What has a method of its own in f32 is meant to be fast.)
    const IS_RARE: bool = F::SINGLE_ULP.is_none();
    const IS_WIDE: bool = F::SINGLE_ULP.is_none();
    const ULP: Option<f64> = Some(F::ULP);
    #[inline(always)]
    fn eval<R: Real>([x]: [R; 1]) -> R {
        x.apply::<F>()
    }
    #[inline(always)]
    fn pull<R: Real>([x]: [R; 1], y: R, g: R) -> [R; 1] {
        [g * F::slope(x, y)]
    }
    fn recorded<R: Real>([x]: [R; 1], y: R, g: R) -> [R; 1] {
        [g * F::recorded(x, y)]
    }
}

impl<F: Function2> Elementwise<2> for F {
    const NAME: &str = F::NAME;
    const DOMAIN: [(f64, f64); 2] = F::DOMAIN;
    const IS_RARE: bool = true;
    const IS_WIDE: bool = true;
    const IS_REPAIRED: bool = F::IS_REPAIRED;
    #[inline(always)]
    fn needs_repair([a, b]: [f64; 2]) -> bool {
        F::is_rare(a, b)
    }
    #[inline(always)]
    fn eval<R: Real>([a, b]: [R; 2]) -> R {
        a.apply2::<F>(b)
    }
    #[inline(always)]
    fn pull<R: Real>(x: [R; 2], y: R, g: R) -> [R; 2] {
        F::pull(x, y, g)
    }
}

#[cfg(test)]
mod tests;
