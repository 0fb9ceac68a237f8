//! The functions of [`Real`](crate::real::Real) that no CPU has instructions for. `math` has them; here is
//! only what it must provide, and how the lanes' types come by it.

use crate::function::{Function, Function2};

/// Calls a macro with the functions of one number, and of two.
macro_rules! functions {
    ($then:ident $($float:ident)?) => {
        $then! {
            $($float)?: exp expm1 ln log1p sin cos tan tanh sigmoid erf normal_cdf gaussian bell silu
            gelu gelu_gate gelu_tanh;
            pow atan2
        }
    };
}
pub(crate) use functions;

macro_rules! declare {
    (: $($one:ident)*; $($two:ident)*) => {
        /// A type that has the functions, for lanes of it.
        pub(crate) trait Functions<L> {
            const TRIG_LIMIT: f64;
            $(fn $one(x: L) -> L;)*
            $(fn $two(x: L, y: L) -> L;)*
            fn sin_cos(x: L) -> (L, L);
            fn apply<F: Function>(x: L) -> L;
            fn apply2<F: Function2>(x: L, y: L) -> L;
        }
    };
}
functions!(declare);

/// The part of an `impl Real` that is the same for all lanes, of a type.
macro_rules! by_functions {
    ($float:ident: $($one:ident)*; $($two:ident)*) => {
        const TRIG_LIMIT: f64 = <$float as $crate::lane::Functions<Self>>::TRIG_LIMIT;

        #[inline(always)]
        fn floor(self) -> Self {
            self.below()
        }
        #[inline(always)]
        fn ceil(self) -> Self {
            self.above()
        }
        #[inline(always)]
        fn round(self) -> Self {
            self.nearest()
        }
        $(#[inline(always)]
        fn $one(self) -> Self {
            <$float as $crate::lane::Functions<Self>>::$one(self)
        })*
        $(#[inline(always)]
        fn $two(self, other: Self) -> Self {
            <$float as $crate::lane::Functions<Self>>::$two(self, other)
        })*
        #[inline(always)]
        fn sin_cos(self) -> (Self, Self) {
            <$float as $crate::lane::Functions<Self>>::sin_cos(self)
        }
        #[inline(always)]
        fn apply<F: $crate::function::Function>(self) -> Self {
            <$float as $crate::lane::Functions<Self>>::apply::<F>(self)
        }
        #[inline(always)]
        fn apply2<F: $crate::function::Function2>(self, other: Self) -> Self {
            <$float as $crate::lane::Functions<Self>>::apply2::<F>(self, other)
        }
    };
}
pub(super) use by_functions;
