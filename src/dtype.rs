//! Element types: what a tensor holds.

use std::fmt;

/// The element type of a tensor; the numbers are part of the C ABI.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DType {
    /// IEEE single precision; differentiable.
    F32 = 1,
    /// IEEE double precision; differentiable.
    F64 = 2,
    /// Signed 64-bit integers: indices and classes.
    I64 = 3,
    /// Unsigned bytes: masks, 0 or 1.
    U8 = 4,
}

impl DType {
    /// The largest number.
    pub(crate) fn largest(self) -> f64 {
        match self {
            Self::F32 => f64::from(f32::MAX),
            Self::F64 => f64::MAX,
            Self::I64 => i64::MAX as f64,
            Self::U8 => f64::from(u8::MAX),
        }
    }

    /// Bytes of one element.
    pub const fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F64 | Self::I64 => 8,
            Self::U8 => 1,
        }
    }

    /// Whether values of this type can carry gradients.
    pub const fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64)
    }

    /// The type's name: `f32`, `f64`, `i64` or `u8`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::I64 => "i64",
            Self::U8 => "u8",
        }
    }

    /// The type with this C number.
    pub(crate) const fn from_code(code: i32) -> Option<Self> {
        match code {
            1 => Some(Self::F32),
            2 => Some(Self::F64),
            3 => Some(Self::I64),
            4 => Some(Self::U8),
            _ => None,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

mod sealed {
    pub trait Sealed {}
}

/// A Rust type that is the element of a tensor: `f32`, `f64`, `i64` or `u8`.
pub trait Element:
    Copy + Default + PartialEq + fmt::Debug + fmt::Display + sealed::Sealed + 'static
{
    /// The tensor's element type.
    const DTYPE: DType;

    /// The element nearest to `x`, as `as` converts.
    fn from_f64(x: f64) -> Self;

    /// The element as f64 (i64 beyond 2^53 is rounded).
    fn to_f64(self) -> f64;
}

macro_rules! element {
    ($($t:ty: $d:ident),*) => {$(
        impl sealed::Sealed for $t {}
        impl Element for $t {
            const DTYPE: DType = DType::$d;
            #[inline(always)]
            fn from_f64(x: f64) -> Self { x as $t }
            #[inline(always)]
            fn to_f64(self) -> f64 { self as f64 }
        }
    )*};
}

element!(f32: F32, f64: F64, i64: I64, u8: U8);

/// Runs an expression with a type name bound to the element type that a [`DType`] stands for.
macro_rules! with_dtype {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            $crate::dtype::DType::F32 => {
                type $t = f32;
                $body
            }
            $crate::dtype::DType::F64 => {
                type $t = f64;
                $body
            }
            $crate::dtype::DType::I64 => {
                type $t = i64;
                $body
            }
            $crate::dtype::DType::U8 => {
                type $t = u8;
                $body
            }
        }
    };
}

/// As `with_dtype`, for nodes whose dtype was checked to be a float when they were recorded.
macro_rules! with_float {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            $crate::dtype::DType::F32 => {
                type $t = f32;
                $body
            }
            $crate::dtype::DType::F64 => {
                type $t = f64;
                $body
            }
            other => unreachable!("{other} was rejected when the node was recorded"),
        }
    };
}

/// The same with a type of so many bytes: for what only moves elements.
macro_rules! with_bits {
    ($size:expr, $t:ident => $body:expr) => {
        match $size {
            1 => {
                type $t = u8;
                $body
            }
            4 => {
                type $t = u32;
                $body
            }
            _ => {
                type $t = u64;
                $body
            }
        }
    };
}

pub(crate) use {with_bits, with_dtype, with_float};
