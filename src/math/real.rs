//! What lanes need for [`Real`](crate::real::Real): for each type the functions of its file.

use super::{NEAR_LIMIT_F32, TRIG_LIMIT_F32, TRIG_LIMIT_F64, double, single};
use crate::function::{Function, Function2};
use crate::lane::{Functions, Lane32, Lane64, functions};

macro_rules! provide {
    (: $($one:ident)*; $($two:ident)*) => {
        provide!(@for f32, Lane32, single; $($one)*; $($two)*;
            if L::FMA && !L::FAR { NEAR_LIMIT_F32 } else { TRIG_LIMIT_F32 });
        provide!(@for f64, Lane64, double; $($one)*; $($two)*; TRIG_LIMIT_F64);
    };
    (@for $float:ident, $lane:ident, $file:ident; $($one:ident)*; $($two:ident)*; $limit:expr) => {
        impl<L: $lane> Functions<L> for $float {
            const TRIG_LIMIT: f64 = $limit;

            $(#[inline(always)]
            fn $one(x: L) -> L {
                $file::$one(x)
            })*
            $(#[inline(always)]
            fn $two(x: L, y: L) -> L {
                $file::$two(x, y)
            })*
            #[inline(always)]
            fn sin_cos(x: L) -> (L, L) {
                $file::sin_cos(x)
            }
            #[inline(always)]
            fn apply<F: Function>(x: L) -> L {
                $file::apply::<F, L>(x)
            }
            #[inline(always)]
            fn apply2<F: Function2>(x: L, y: L) -> L {
                $file::apply2::<F, L>(x, y)
            }
        }
    };
}
functions!(provide);
