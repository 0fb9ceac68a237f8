//! Two registers as one: as many f64 as a register has f32.

use std::ops::{Add, Div, Mul, Neg, Sub};

use super::functions::{by_functions, functions};
use super::{Bits, Lane64};
use crate::real::Real;

/// The lower half and the upper one.
#[derive(Clone, Copy)]
pub(super) struct Two<L>(pub(super) L, pub(super) L);

macro_rules! operators {
    ($($trait:ident $function:ident),*) => {$(
        impl<L: Lane64> $trait for Two<L> {
            type Output = Self;
            #[inline(always)]
            fn $function(self, other: Self) -> Self {
                Self(self.0.$function(other.0), self.1.$function(other.1))
            }
        }
    )*};
}
operators!(Add add, Sub sub, Mul mul, Div div);

impl<L: Lane64> Neg for Two<L> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self(-self.0, -self.1)
    }
}

/// Functions of the halves.
macro_rules! halves {
    ($($function:ident($($other:ident),*))*) => {$(
        #[inline(always)]
        fn $function(self $(, $other: Self)*) -> Self {
            Self(self.0.$function($($other.0),*), self.1.$function($($other.1),*))
        }
    )*};
}

impl<L: Lane64> Real for Two<L> {
    type Mask = (L::Mask, L::Mask);

    #[inline(always)]
    fn lit(x: f64) -> Self {
        Self(L::lit(x), L::lit(x))
    }
    halves!(abs() sqrt());
    #[inline(always)]
    fn eq(self, other: Self) -> Self::Mask {
        (self.0.eq(other.0), self.1.eq(other.1))
    }
    #[inline(always)]
    fn lt(self, other: Self) -> Self::Mask {
        (self.0.lt(other.0), self.1.lt(other.1))
    }
    #[inline(always)]
    fn le(self, other: Self) -> Self::Mask {
        (self.0.le(other.0), self.1.le(other.1))
    }
    #[inline(always)]
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self {
        Self(L::select(mask.0, yes.0, no.0), L::select(mask.1, yes.1, no.1))
    }
    functions!(by_functions f64);
}

impl<L: Lane64> Bits for Two<L> {
    type Elem = f64;
    const FMA: bool = L::FMA;
    const FAR: bool = L::FAR;
    const INTEGERS: f64 = L::INTEGERS;

    halves!(mul_add(factor, term) and(other) or(other) xor(other) plus(other) minus(other));
    halves!(nearest() below() above() not_below(least) not_above(most));
    #[inline(always)]
    fn shl<const BY: u32>(self) -> Self {
        Self(self.0.shl::<BY>(), self.1.shl::<BY>())
    }
    #[inline(always)]
    fn shr<const BY: u32>(self) -> Self {
        Self(self.0.shr::<BY>(), self.1.shr::<BY>())
    }
}

impl<L: Lane64> Lane64 for Two<L> {
    #[inline(always)]
    fn pattern(bits: u64) -> Self {
        Self(L::pattern(bits), L::pattern(bits))
    }
    #[inline(always)]
    fn one_by_one(self, other: Self, f: fn(f64, f64) -> f64) -> Self {
        Self(self.0.one_by_one(other.0, f), self.1.one_by_one(other.1, f))
    }
}
