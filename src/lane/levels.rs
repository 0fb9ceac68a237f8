//! Code for every level: how it gets its registers, and its functions.

use super::Register;
use super::wide::{Short64, W32, W64};
#[cfg(target_arch = "x86_64")]
use super::x86::{Y32, Y64, Z32, Z64};

/// What is done on registers of some level.
pub(crate) trait Work<T> {
    /// Whether there is so much of it that short code counts more than speed, where registers are small.
    const IS_SHORT: bool = false;

    /// # Safety
    /// As whoever made it says.
    unsafe fn on<R: Register<Elem = T>>(self);
}

/// A type of numbers for which each level has registers.
///
/// # Safety
/// Of all functions: the work can be done, and the CPU can run the level. They are inlined, and what
/// they call is: the caller has the level's instructions, or it would be slow.
pub(crate) trait Levels: Sized {
    unsafe fn baseline<W: Work<Self>>(work: W);
    #[cfg(target_arch = "x86_64")]
    unsafe fn v3<W: Work<Self>>(work: W);
    #[cfg(target_arch = "x86_64")]
    unsafe fn v4<W: Work<Self>>(work: W);
}

macro_rules! levels {
    ($float:ident, $wide:ident, $short:ident, $v3:ident, $v4:ident) => {
        impl Levels for $float {
            #[inline(always)]
            unsafe fn baseline<W: Work<Self>>(work: W) {
                // SAFETY: the caller's promise.
                unsafe { if W::IS_SHORT { work.on::<$short>() } else { work.on::<$wide>() } }
            }
            #[cfg(target_arch = "x86_64")]
            #[inline(always)]
            unsafe fn v3<W: Work<Self>>(work: W) {
                // SAFETY: the caller's promise.
                unsafe { work.on::<$v3<false>>() }
            }
            #[cfg(target_arch = "x86_64")]
            #[inline(always)]
            unsafe fn v4<W: Work<Self>>(work: W) {
                // SAFETY: the caller's promise.
                unsafe { work.on::<$v4<false>>() }
            }
        }
    };
}
levels!(f32, W32, W32, Y32, Z32);
levels!(f64, W64, Short64, Y64, Z64);

/// A function for each level, which has the level's instructions, and which of them is for a level. They
/// stay functions: what one of them calls keeps its stack and its registers to itself. All
/// of them do one piece of [`Work`] on the registers for a type, or run one text that computes on plain
/// numbers, for LLVM to turn into vectors.
macro_rules! by_level {
    (
        $(#[$doc:meta])*
        $vis:vis $at:ident [$($generics:tt)*] [$($names:tt)*]
        $kind:ty = ($($arg:ident: $arg_type:ty),* $(,)?) on $float:ty => $work:expr
    ) => {
        $crate::lane::by_level! {
            @functions $(#[$doc])* [$vis] $at [$($generics)*] [$($names)*] $kind = ($($arg: $arg_type),*)
            // SAFETY: the caller's promise, which is that of the kind of function.
            unsafe { <$float as $crate::lane::Levels>::baseline($work) };
            // SAFETY: as above.
            unsafe { <$float as $crate::lane::Levels>::v3($work) };
            // SAFETY: as above.
            unsafe { <$float as $crate::lane::Levels>::v4($work) };
        }
    };
    (
        $(#[$doc:meta])*
        $vis:vis $at:ident [$($generics:tt)*] [$($names:tt)*]
        $kind:ty = ($($arg:ident: $arg_type:ty),* $(,)?) => $text:expr
    ) => {
        $crate::lane::by_level! {
            @functions $(#[$doc])* [$vis] $at [$($generics)*] [$($names)*] $kind = ($($arg: $arg_type),*)
            // SAFETY: the caller's promise, which is that of the kind of function.
            unsafe { $text };
            // SAFETY: as above.
            unsafe { $text };
            // SAFETY: as above.
            unsafe { $text };
        }
    };
    (
        @functions $(#[$doc:meta])* [$vis:vis] $at:ident [$($generics:tt)*] [$($names:tt)*]
        $kind:ty = ($($arg:ident: $arg_type:ty),*) $baseline:expr; $v3:expr; $v4:expr;
    ) => {
        $(#[$doc])*
        $vis const fn $at<$($generics)*>(level: $crate::level::Level) -> $kind {
            use $crate::level::Level;

            #[inline(never)]
            unsafe fn baseline<$($generics)*>($($arg: $arg_type),*) {
                $baseline
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            #[inline(never)]
            unsafe fn v3<$($generics)*>($($arg: $arg_type),*) {
                $v3
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512cd,avx512dq,avx512vl")]
            #[inline(never)]
            unsafe fn v4<$($generics)*>($($arg: $arg_type),*) {
                $v4
            }
            match level {
                Level::Baseline => baseline::<$($names)*>,
                #[cfg(target_arch = "x86_64")]
                Level::V3 => v3::<$($names)*>,
                #[cfg(target_arch = "x86_64")]
                Level::V4 => v4::<$($names)*>,
                #[cfg(not(target_arch = "x86_64"))]
                _ => baseline::<$($names)*>,
            }
        }
    };
}
pub(crate) use by_level;
