//! The roll-call: every elementwise operation, by number of operands.
//!
//! A word here and a block in `op/unary.rs`, `op/binary.rs` or `op/special/` make an operation: the
//! enum below, the kernels at every level, the gradient and the tests' loops all follow from the word.
//!
//! The last line of each number of operands is not for users: these are the operations that rules
//! are recorded with when they are differentiated again, for their derivatives hold everywhere.

/// Calls a macro with the whole list.
macro_rules! roll_call {
    ($then:ident) => {
        $then! {
            1: Neg, Abs, Sign, Exp, Expm1, Log, Log1p, Sqrt, Rsqrt, Square, Reciprocal,
               Sin, Cos, Tan, Tanh, Sigmoid, Erf, Relu, Softplus, Gelu, GeluTanh, Silu,
               Floor, Ceil, Round,
               Exp2, Log2, Log10, Cbrt, Asin, Acos, Atan, Sinh, Cosh, Asinh, Acosh, Atanh,
               Erfc, Erfcx, Erfinv, Ndtr, LogNdtr, Ndtri, Lgamma, Digamma, I0, I1, I0e, I1e,
               NotNegative, ErfinvSlope, NdtriSlope, Hazard, ErfcxSlope, FirstMoment,
               Bell, Gaussian, NormalCdf, Logistic, LogisticCdf;
            2: Add, Sub, Mul, Div, Pow, Maximum, Minimum, Atan2, Xlogy, Xlog1py, Fmod, Remainder, FloorDivide,
               AtLeast, AtMost, NormShare, NormRoot,
               Weigh, Strong, PowLog0, PowLog1, PowLog2, Zeta, ErfcMoment, BesselRatio,
               FallingMoment;
        }
    };
}
pub(crate) use roll_call;

macro_rules! elem_enum {
    (1: $($unary:ident),*; 2: $($binary:ident),*;) => {
        /// An elementwise operation on floating-point operands.
        #[repr(u8)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum Elem { $($unary,)* $($binary,)* }

        impl Elem {
            /// All of them, in the order of their numbers.
            pub(crate) const ALL: &[Elem] = &[$(Elem::$unary,)* $(Elem::$binary,)*];

            pub(crate) const fn arity(self) -> usize {
                match self { $(Elem::$unary)|* => 1, $(Elem::$binary)|* => 2 }
            }
        }
    };
}
roll_call!(elem_enum);

/// Calls a macro with the operations that have a step of their own, by the file of `op/` they are in.
macro_rules! structural_roll_call {
    ($then:ident) => {
        $then! {
            scan: Recurrence, LogCumSumExp, CumMax, CumMin;
            integer: IntegerRows;
            order: ArgSort, ArgTop, SearchSorted;
            scatter: Scatter, IsLast;
            index: IndexSelect, Gather, RavelIndex;
            index_add: IndexAdd, ScatterAdd;
            class: GatherClass, ScatterClass;
            prod: RowProducts;
            euclid: Distances;
        }
    };
}
pub(crate) use structural_roll_call;

macro_rules! structural_enum {
    ($($module:ident: $($rule:ident),*;)*) => {
        /// An operation with a step of its own.
        #[repr(u8)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum Structural { $($($rule),*),* }

        #[cfg(all(test, feature = "capi"))]
        impl Structural {
            /// All of them, in the order of their numbers.
            pub(crate) const ALL: &[Self] = &[$($(Self::$rule),*),*];
        }
    };
}
structural_roll_call!(structural_enum);
