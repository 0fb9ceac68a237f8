//! `+`, `-`, `*` and `/`, of tensors and of numbers.

use std::ops::{Add, Div, Mul, Neg, Sub};

use super::Var;
use crate::roll_call::Elem;

macro_rules! operators {
    ($($trait:ident $method:ident $elem:ident),*) => {$(
        impl<'g> $trait for Var<'g> {
            type Output = Var<'g>;
            #[track_caller]
            fn $method(self, other: Self) -> Self {
                Var::$method(self, other)
            }
        }

        impl<'g> $trait<f64> for Var<'g> {
            type Output = Var<'g>;
            #[track_caller]
            fn $method(self, other: f64) -> Self {
                self.graph.offer_map(|session| session.map_scalar(Elem::$elem, self.handle, other))
            }
        }

        impl<'g> $trait<Var<'g>> for f64 {
            type Output = Var<'g>;
            #[track_caller]
            fn $method(self, other: Var<'g>) -> Var<'g> {
                other.graph.offer_map(|session| session.scalar_map(Elem::$elem, self, other.handle))
            }
        }
    )*};
}
operators!(Add add Add, Sub sub Sub, Mul mul Mul, Div div Div);

impl Neg for Var<'_> {
    type Output = Self;
    #[track_caller]
    fn neg(self) -> Self {
        Var::neg(self)
    }
}
