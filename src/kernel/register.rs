//! The vectors that a [chain](super::chain) computes on: explicit ones at every level, since LLVM
//! does not keep a block of plain numbers in registers from one link to the next.

use std::ops::{Add, Div, Mul, Neg, Sub};

use crate::function::{Function, Function2};
use crate::lane::{Fused, Lanes, W32, W64};
use crate::real::Real;

/// A vector in a register.
///
/// # Safety
/// Of all functions, those of [`Real`] as well: the CPU can run the vector's level. Pointers are
/// valid for `LANES` elements, or for `count` of them.
pub(crate) trait Register: Real {
    type Elem: Copy;
    const LANES: usize;

    unsafe fn load(from: *const Self::Elem) -> Self;
    unsafe fn store(self, to: *mut Self::Elem);
    /// One number in all lanes.
    unsafe fn splat(from: *const Self::Elem) -> Self;
    /// The first `count` lanes, at least one; copies of the first in the others, which so raise no
    /// exception that it does not.
    unsafe fn load_part(from: *const Self::Elem, count: usize) -> Self;
    unsafe fn store_part(self, to: *mut Self::Elem, count: usize);
    /// Stores past the cache where that is possible and the place is aligned.
    #[inline(always)]
    unsafe fn store_past(self, to: *mut Self::Elem) {
        // SAFETY: the caller's promise.
        unsafe { self.store(to) }
    }
}

/// The registers of the baseline, and single numbers: the types of `lane`.
macro_rules! lanes {
    ($($lane:ty, $float:ident;)*) => {$(
        impl Register for $lane {
            type Elem = $float;
            const LANES: usize = <$lane as Lanes>::LANES;

            #[inline(always)]
            unsafe fn load(from: *const $float) -> Self {
                // SAFETY: the caller's promise.
                unsafe { Lanes::load(std::slice::from_raw_parts(from, <$lane as Lanes>::LANES), 0) }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $float) {
                // SAFETY: the caller's promise.
                unsafe {
                    let to = std::slice::from_raw_parts_mut(to, <$lane as Lanes>::LANES);
                    Lanes::store(self, to, 0);
                }
            }
            #[inline(always)]
            unsafe fn splat(from: *const $float) -> Self {
                // SAFETY: the caller's promise.
                let all = [unsafe { *from }; <$lane as Lanes>::LANES];
                // SAFETY: all lanes are there.
                unsafe { Lanes::load(&all, 0) }
            }
            #[inline(always)]
            unsafe fn load_part(from: *const $float, count: usize) -> Self {
                // SAFETY: the caller's promise.
                let mut all = [unsafe { *from }; <$lane as Lanes>::LANES];
                // SAFETY: the caller's promise.
                all[..count].copy_from_slice(unsafe { std::slice::from_raw_parts(from, count) });
                // SAFETY: all lanes are there.
                unsafe { Lanes::load(&all, 0) }
            }
            #[inline(always)]
            unsafe fn store_part(self, to: *mut $float, count: usize) {
                let mut all = [0.0; <$lane as Lanes>::LANES];
                // SAFETY: all lanes have room.
                unsafe { Lanes::store(self, &mut all, 0) };
                // SAFETY: the caller's promise.
                unsafe { std::ptr::copy_nonoverlapping(all.as_ptr(), to, count) };
            }
        }
    )*};
}
lanes! {
    Fused<f32>, f32;
    Fused<f64>, f64;
    W32, f32;
    W64, f64;
}

/// The elementary functions: no link of a chain computes one.
#[cfg(target_arch = "x86_64")]
macro_rules! not_in_chains {
    ($($function:ident($($argument:ident),*);)*) => {$(
        #[inline(always)]
        fn $function(self $(, $argument: Self)*) -> Self {
            $(let _ = $argument;)*
            unreachable!("chains are of cheap operations")
        }
    )*};
}

#[cfg(target_arch = "x86_64")]
macro_rules! x86 {
    (
        $(#[$doc:meta])* $name:ident, $float:ident, $register:ty, $lanes:literal, mask $mask:ty;
        $set:ident $load:ident $store:ident $stream:ident;
        $add:ident $sub:ident $mul:ident $div:ident $sqrt:ident $abs:expr, $neg:expr;
        |$x:ident, $y:ident| eq $eq:expr, lt $lt:expr, le $le:expr;
        |$m:ident, $yes:ident, $no:ident| $select:expr;
        |$from:ident, $count:ident| $load_part:expr; |$to:ident, $n:ident, $v:ident| $store_part:expr;
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        #[repr(transparent)]
        pub(crate) struct $name($register);

        // SAFETY, of every function here: the CPU can run the level, as the users of a `Register`
        // promise, and pointers are as they say.
        x86!(operator $name: Add add $add, Sub sub $sub, Mul mul $mul, Div div $div);

        impl Neg for $name {
            type Output = Self;
            #[inline(always)]
            fn neg(self) -> Self {
                let $x = self.0;
                // SAFETY: as above.
                Self(unsafe { $neg })
            }
        }

        impl Real for $name {
            type Mask = $mask;

            #[inline(always)]
            fn lit(x: f64) -> Self {
                // SAFETY: as above.
                Self(unsafe { $set(x as $float) })
            }
            #[inline(always)]
            fn abs(self) -> Self {
                let $x = self.0;
                // SAFETY: as above.
                Self(unsafe { $abs })
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                // SAFETY: as above.
                Self(unsafe { $sqrt(self.0) })
            }
            #[inline(always)]
            fn eq(self, other: Self) -> $mask {
                let ($x, $y) = (self.0, other.0);
                // SAFETY: as above.
                unsafe { $eq }
            }
            #[inline(always)]
            fn lt(self, other: Self) -> $mask {
                let ($x, $y) = (self.0, other.0);
                // SAFETY: as above.
                unsafe { $lt }
            }
            #[inline(always)]
            fn le(self, other: Self) -> $mask {
                let ($x, $y) = (self.0, other.0);
                // SAFETY: as above.
                unsafe { $le }
            }
            #[inline(always)]
            fn select($m: $mask, yes: Self, no: Self) -> Self {
                let ($yes, $no) = (yes.0, no.0);
                // SAFETY: as above.
                Self(unsafe { $select })
            }
            not_in_chains! {
                floor(); ceil(); round(); exp(); expm1(); ln(); log1p(); sin(); cos(); tan();
                tanh(); sigmoid(); erf(); normal_cdf(); pow(exponent); atan2(x);
            }

            #[inline(always)]
            fn apply<F: Function>(self) -> Self {
                unreachable!("chains are of cheap operations")
            }
            #[inline(always)]
            fn apply2<F: Function2>(self, _: Self) -> Self {
                unreachable!("chains are of cheap operations")
            }
        }

        impl Register for $name {
            type Elem = $float;
            const LANES: usize = $lanes;

            #[inline(always)]
            unsafe fn load(from: *const $float) -> Self {
                // SAFETY: as above.
                Self(unsafe { $load(from) })
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $float) {
                // SAFETY: as above.
                unsafe { $store(to, self.0) }
            }
            #[inline(always)]
            unsafe fn splat(from: *const $float) -> Self {
                // SAFETY: as above.
                Self(unsafe { $set(*from) })
            }
            #[inline(always)]
            unsafe fn load_part($from: *const $float, $count: usize) -> Self {
                // SAFETY: as above.
                Self(unsafe { $load_part })
            }
            #[inline(always)]
            unsafe fn store_part(self, $to: *mut $float, $n: usize) {
                let $v = self.0;
                // SAFETY: as above.
                unsafe { $store_part }
            }
            #[inline(always)]
            unsafe fn store_past(self, to: *mut $float) {
                if to.addr().is_multiple_of(size_of::<$register>()) {
                    // SAFETY: as above, and the place is aligned.
                    unsafe { $stream(to, self.0) }
                } else {
                    // SAFETY: as above.
                    unsafe { $store(to, self.0) }
                }
            }
        }
    };
    (operator $name:ident: $($trait:ident $function:ident $intrinsic:ident),*) => {$(
        impl $trait for $name {
            type Output = Self;
            #[inline(always)]
            fn $function(self, other: Self) -> Self {
                // SAFETY: the CPU can run the level.
                Self(unsafe { $intrinsic(self.0, other.0) })
            }
        }
    )*};
}

#[cfg(target_arch = "x86_64")]
pub(crate) use x86_64::{Y32, Y64, Z32, Z64};

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use std::arch::x86_64::*;

    use super::*;

    /// Sets the bits of the first `count` of eight 32-bit or four 64-bit lanes.
    #[inline(always)]
    unsafe fn lanes_up_to<const WIDE: bool>(count: usize) -> __m256i {
        // SAFETY: the caller's CPU has AVX2.
        unsafe {
            if WIDE {
                _mm256_cmpgt_epi64(_mm256_set1_epi64x(count as i64), _mm256_setr_epi64x(0, 1, 2, 3))
            } else {
                _mm256_cmpgt_epi32(
                    _mm256_set1_epi32(count as i32),
                    _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
                )
            }
        }
    }

    /// The lanes that are set in the mask, and the first one's number in the others.
    #[inline(always)]
    unsafe fn filled_ps(from: *const f32, mask: __m256i) -> __m256 {
        // SAFETY: the caller's CPU has AVX2, and the pointer is valid for the lanes that are set, of
        // which the first is one.
        unsafe {
            let some = _mm256_maskload_ps(from, mask);
            _mm256_blendv_ps(_mm256_set1_ps(*from), some, _mm256_castsi256_ps(mask))
        }
    }

    /// The same for f64.
    #[inline(always)]
    unsafe fn filled_pd(from: *const f64, mask: __m256i) -> __m256d {
        // SAFETY: as above.
        unsafe {
            let some = _mm256_maskload_pd(from, mask);
            _mm256_blendv_pd(_mm256_set1_pd(*from), some, _mm256_castsi256_pd(mask))
        }
    }

    x86! {
        /// Eight f32 at v3.
        Y32, f32, __m256, 8, mask __m256;
        _mm256_set1_ps _mm256_loadu_ps _mm256_storeu_ps _mm256_stream_ps;
        _mm256_add_ps _mm256_sub_ps _mm256_mul_ps _mm256_div_ps _mm256_sqrt_ps
        _mm256_andnot_ps(_mm256_set1_ps(-0.0), x), _mm256_xor_ps(x, _mm256_set1_ps(-0.0));
        |x, y| eq _mm256_cmp_ps::<_CMP_EQ_OQ>(x, y), lt _mm256_cmp_ps::<_CMP_LT_OQ>(x, y),
        le _mm256_cmp_ps::<_CMP_LE_OQ>(x, y);
        |mask, yes, no| _mm256_blendv_ps(no, yes, mask);
        |from, count| filled_ps(from, lanes_up_to::<false>(count));
        |to, count, v| _mm256_maskstore_ps(to, lanes_up_to::<false>(count), v);
    }

    x86! {
        /// Four f64 at v3.
        Y64, f64, __m256d, 4, mask __m256d;
        _mm256_set1_pd _mm256_loadu_pd _mm256_storeu_pd _mm256_stream_pd;
        _mm256_add_pd _mm256_sub_pd _mm256_mul_pd _mm256_div_pd _mm256_sqrt_pd
        _mm256_andnot_pd(_mm256_set1_pd(-0.0), x), _mm256_xor_pd(x, _mm256_set1_pd(-0.0));
        |x, y| eq _mm256_cmp_pd::<_CMP_EQ_OQ>(x, y), lt _mm256_cmp_pd::<_CMP_LT_OQ>(x, y),
        le _mm256_cmp_pd::<_CMP_LE_OQ>(x, y);
        |mask, yes, no| _mm256_blendv_pd(no, yes, mask);
        |from, count| filled_pd(from, lanes_up_to::<true>(count));
        |to, count, v| _mm256_maskstore_pd(to, lanes_up_to::<true>(count), v);
    }

    x86! {
        /// Sixteen f32 at v4.
        Z32, f32, __m512, 16, mask __mmask16;
        _mm512_set1_ps _mm512_loadu_ps _mm512_storeu_ps _mm512_stream_ps;
        _mm512_add_ps _mm512_sub_ps _mm512_mul_ps _mm512_div_ps _mm512_sqrt_ps
        _mm512_abs_ps(x), _mm512_xor_ps(x, _mm512_set1_ps(-0.0));
        |x, y| eq _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(x, y), lt _mm512_cmp_ps_mask::<_CMP_LT_OQ>(x, y),
        le _mm512_cmp_ps_mask::<_CMP_LE_OQ>(x, y);
        |mask, yes, no| _mm512_mask_blend_ps(mask, no, yes);
        |from, count|
        _mm512_mask_loadu_ps(_mm512_set1_ps(*from), ((1u32 << count) - 1) as __mmask16, from);
        |to, count, v| _mm512_mask_storeu_ps(to, ((1u32 << count) - 1) as __mmask16, v);
    }

    x86! {
        /// Eight f64 at v4.
        Z64, f64, __m512d, 8, mask __mmask8;
        _mm512_set1_pd _mm512_loadu_pd _mm512_storeu_pd _mm512_stream_pd;
        _mm512_add_pd _mm512_sub_pd _mm512_mul_pd _mm512_div_pd _mm512_sqrt_pd
        _mm512_abs_pd(x), _mm512_xor_pd(x, _mm512_set1_pd(-0.0));
        |x, y| eq _mm512_cmp_pd_mask::<_CMP_EQ_OQ>(x, y), lt _mm512_cmp_pd_mask::<_CMP_LT_OQ>(x, y),
        le _mm512_cmp_pd_mask::<_CMP_LE_OQ>(x, y);
        |mask, yes, no| _mm512_mask_blend_pd(mask, no, yes);
        |from, count|
        _mm512_mask_loadu_pd(_mm512_set1_pd(*from), ((1u32 << count) - 1) as __mmask8, from);
        |to, count, v| _mm512_mask_storeu_pd(to, ((1u32 << count) - 1) as __mmask8, v);
    }
}
