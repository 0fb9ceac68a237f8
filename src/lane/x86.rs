//! The registers of v3 and v4, by intrinsics.
//!
//! Nobody else can name them: there are values of these types only in what the functions of
//! [`Levels`](super::Levels) call, whose callers promise that the CPU can run the level. That is why
//! each intrinsic here may be called, and why arithmetic is not unsafe.
//!
//! The instructions for the larger and the smaller of two numbers give the second one where either is
//! NaN, or both are zeros.

use std::arch::x86_64::*;
use std::ops::{Add, Div, Mul, Neg, Sub};

use super::functions::{by_functions, functions};
use super::number::Fused;
use super::pair::Two;
use super::{Bits, Lane32, Lane64, Register, Widened};
use crate::level::Level;
use crate::real::Real;

macro_rules! x86 {
    (
        $(#[$doc:meta])* $name:ident, $float:ident in $register:ty, $lanes:literal lanes at $level:ident;
        mask $mask:ty; part $part:ty; integers $integers:literal;
        operators $($trait:ident $operator:ident $operation:ident),*;
        lit: $set:ident;
        values { $($value:ident($a:ident) $is:expr;)* }
        compare { $($compare:ident($x:ident, $y:ident) $holds:expr;)* }
        select($m:ident, $yes:ident, $no:ident) $select:expr;
        bits { $($bits:ident($p:ident $(, $q:ident)*) $pattern:expr;)* }
        shifts($s:ident, $by:ident) $shl:expr, $shr:expr;
        parts($count:ident) $make_part:expr;
        load($from:ident, $of:ident) $load:ident, $load_part:expr, $load_filled:expr;
        store($to:ident, $v:ident, $for:ident) $store:ident, $store_part:expr, past $stream:ident;
        sum $sum:ident; squares of $square:literal by $transpose:ident;
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        #[repr(transparent)]
        pub(super) struct $name<const FAR: bool>($register);

        // SAFETY, of every function here: the CPU can run the level, as the module says, and pointers
        // are as the trait's caller promises.
        $(impl<const FAR: bool> $trait for $name<FAR> {
            type Output = Self;
            #[inline(always)]
            fn $operator(self, other: Self) -> Self {
                // SAFETY: as above.
                Self(unsafe { $operation(self.0, other.0) })
            }
        })*

        impl<const FAR: bool> Neg for $name<FAR> {
            type Output = Self;
            #[inline(always)]
            fn neg(self) -> Self {
                self.xor(Self::sign_bit())
            }
        }

        impl<const FAR: bool> Real for $name<FAR> {
            type Mask = $mask;

            #[inline(always)]
            fn lit(x: f64) -> Self {
                // SAFETY: as above.
                Self(unsafe { $set(x as $float) })
            }
            $(#[inline(always)]
            fn $value(self) -> Self {
                let $a = self.0;
                // SAFETY: as above.
                Self(unsafe { $is })
            })*
            $(#[inline(always)]
            fn $compare(self, other: Self) -> $mask {
                let ($x, $y) = (self.0, other.0);
                // SAFETY: as above.
                unsafe { $holds }
            })*
            #[inline(always)]
            fn select($m: $mask, yes: Self, no: Self) -> Self {
                let ($yes, $no) = (yes.0, no.0);
                // SAFETY: as above.
                Self(unsafe { $select })
            }
            functions!(by_functions $float);
        }

        impl<const FAR: bool> Bits for $name<FAR> {
            type Elem = $float;
            const FMA: bool = true;
            const FAR: bool = FAR;
            const INTEGERS: f64 = $integers;

            $(#[inline(always)]
            fn $bits(self $(, $q: Self)*) -> Self {
                let ($p, $($q,)*) = (self.0, $($q.0,)*);
                // SAFETY: as above.
                Self(unsafe { $pattern })
            })*
            #[inline(always)]
            fn shl<const BY: u32>(self) -> Self {
                let $s = self.0;
                // SAFETY: as above.
                Self(unsafe {
                    let $by = _mm_cvtsi32_si128(BY as i32);
                    $shl
                })
            }
            #[inline(always)]
            fn shr<const BY: u32>(self) -> Self {
                let $s = self.0;
                // SAFETY: as above.
                Self(unsafe {
                    let $by = _mm_cvtsi32_si128(BY as i32);
                    $shr
                })
            }
        }

        impl<const FAR: bool> Register for $name<FAR> {
            type Far = $name<true>;
            type One = Fused<$float, FAR>;
            type Part = $part;
            const LEVEL: Level = Level::$level;
            const LANES: usize = $lanes;
            const LOADS_PARTS: bool = true;
            const SQUARE: usize = $square;

            #[inline(always)]
            fn part($count: usize) -> $part {
                // SAFETY: as above.
                #[allow(unused_unsafe)]
                unsafe {
                    $make_part
                }
            }
            #[inline(always)]
            unsafe fn load(from: *const $float) -> Self {
                // SAFETY: as above.
                Self(unsafe { $load(from) })
            }
            #[inline(always)]
            unsafe fn splat(from: *const $float) -> Self {
                // SAFETY: as above.
                Self(unsafe { $set(*from) })
            }
            #[inline(always)]
            unsafe fn load_part($from: *const $float, $of: $part) -> Self {
                // SAFETY: as above.
                Self(unsafe { $load_part })
            }
            #[inline(always)]
            unsafe fn load_filled($from: *const $float, $of: $part) -> Self {
                // SAFETY: as above.
                Self(unsafe { $load_filled })
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $float) {
                // SAFETY: as above.
                unsafe { $store(to, self.0) }
            }
            #[inline(always)]
            unsafe fn store_part(self, $to: *mut $float, $for: $part) {
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
            #[inline(always)]
            fn sum(self) -> $float {
                // SAFETY: as above.
                unsafe { $sum(self.0) }
            }
            #[inline(always)]
            unsafe fn transpose(
                from: *const $float,
                from_row: isize,
                to: *mut $float,
                to_row: usize,
            ) {
                // SAFETY: as above.
                unsafe { $transpose(from, from_row, to, to_row) }
            }
        }
    };
}

x86! {
    /// Eight f32 at v3.
    Y32, f32 in __m256, 8 lanes at V3;
    mask __m256; part __m256i; integers 8388608.0;
    operators Add add _mm256_add_ps, Sub sub _mm256_sub_ps, Mul mul _mm256_mul_ps,
        Div div _mm256_div_ps;
    lit: _mm256_set1_ps;
    values {
        abs(x) _mm256_andnot_ps(_mm256_set1_ps(-0.0), x);
        sqrt(x) _mm256_sqrt_ps(x);
    }
    compare {
        eq(x, y) _mm256_cmp_ps::<_CMP_EQ_OQ>(x, y);
        lt(x, y) _mm256_cmp_ps::<_CMP_LT_OQ>(x, y);
        le(x, y) _mm256_cmp_ps::<_CMP_LE_OQ>(x, y);
    }
    select(mask, yes, no) _mm256_blendv_ps(no, yes, mask);
    bits {
        mul_add(x, y, z) _mm256_fmadd_ps(x, y, z);
        not_below(x, least) _mm256_max_ps(least, x);
        not_above(x, most) _mm256_min_ps(most, x);
        and(x, y) _mm256_and_ps(x, y);
        or(x, y) _mm256_or_ps(x, y);
        xor(x, y) _mm256_xor_ps(x, y);
        plus(x, y) floats_8(_mm256_add_epi32(_mm256_castps_si256(x), _mm256_castps_si256(y)));
        minus(x, y) floats_8(_mm256_sub_epi32(_mm256_castps_si256(x), _mm256_castps_si256(y)));
        nearest(x) _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x);
        below(x) _mm256_floor_ps(x);
        above(x) _mm256_ceil_ps(x);
    }
    shifts(x, by)
        floats_8(_mm256_sll_epi32(_mm256_castps_si256(x), by)),
        floats_8(_mm256_srl_epi32(_mm256_castps_si256(x), by));
    parts(count) first_of_8(count);
    load(from, part) _mm256_loadu_ps, _mm256_maskload_ps(from, part),
        _mm256_blendv_ps(_mm256_set1_ps(*from), _mm256_maskload_ps(from, part), floats_8(part));
    store(to, v, part) _mm256_storeu_ps, _mm256_maskstore_ps(to, part, v), past _mm256_stream_ps;
    sum sum_8; squares of 8 by transpose_8x8;
}

x86! {
    /// Four f64 at v3.
    Y64, f64 in __m256d, 4 lanes at V3;
    mask __m256d; part __m256i; integers 4503599627370496.0;
    operators Add add _mm256_add_pd, Sub sub _mm256_sub_pd, Mul mul _mm256_mul_pd,
        Div div _mm256_div_pd;
    lit: _mm256_set1_pd;
    values {
        abs(x) _mm256_andnot_pd(_mm256_set1_pd(-0.0), x);
        sqrt(x) _mm256_sqrt_pd(x);
    }
    compare {
        eq(x, y) _mm256_cmp_pd::<_CMP_EQ_OQ>(x, y);
        lt(x, y) _mm256_cmp_pd::<_CMP_LT_OQ>(x, y);
        le(x, y) _mm256_cmp_pd::<_CMP_LE_OQ>(x, y);
    }
    select(mask, yes, no) _mm256_blendv_pd(no, yes, mask);
    bits {
        mul_add(x, y, z) _mm256_fmadd_pd(x, y, z);
        not_below(x, least) _mm256_max_pd(least, x);
        not_above(x, most) _mm256_min_pd(most, x);
        and(x, y) _mm256_and_pd(x, y);
        or(x, y) _mm256_or_pd(x, y);
        xor(x, y) _mm256_xor_pd(x, y);
        plus(x, y) floats_4(_mm256_add_epi64(_mm256_castpd_si256(x), _mm256_castpd_si256(y)));
        minus(x, y) floats_4(_mm256_sub_epi64(_mm256_castpd_si256(x), _mm256_castpd_si256(y)));
        nearest(x) _mm256_round_pd::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x);
        below(x) _mm256_floor_pd(x);
        above(x) _mm256_ceil_pd(x);
    }
    shifts(x, by)
        floats_4(_mm256_sll_epi64(_mm256_castpd_si256(x), by)),
        floats_4(_mm256_srl_epi64(_mm256_castpd_si256(x), by));
    parts(count) first_of_4(count);
    load(from, part) _mm256_loadu_pd, _mm256_maskload_pd(from, part),
        _mm256_blendv_pd(_mm256_set1_pd(*from), _mm256_maskload_pd(from, part), floats_4(part));
    store(to, v, part) _mm256_storeu_pd, _mm256_maskstore_pd(to, part, v), past _mm256_stream_pd;
    sum sum_4; squares of 4 by transpose_4x4;
}

x86! {
    /// Sixteen f32 at v4.
    Z32, f32 in __m512, 16 lanes at V4;
    mask __mmask16; part __mmask16; integers 8388608.0;
    operators Add add _mm512_add_ps, Sub sub _mm512_sub_ps, Mul mul _mm512_mul_ps,
        Div div _mm512_div_ps;
    lit: _mm512_set1_ps;
    values {
        abs(x) _mm512_abs_ps(x);
        sqrt(x) _mm512_sqrt_ps(x);
    }
    compare {
        eq(x, y) _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(x, y);
        lt(x, y) _mm512_cmp_ps_mask::<_CMP_LT_OQ>(x, y);
        le(x, y) _mm512_cmp_ps_mask::<_CMP_LE_OQ>(x, y);
    }
    select(mask, yes, no) _mm512_mask_blend_ps(mask, no, yes);
    bits {
        mul_add(x, y, z) _mm512_fmadd_ps(x, y, z);
        not_below(x, least) _mm512_max_ps(least, x);
        not_above(x, most) _mm512_min_ps(most, x);
        and(x, y) _mm512_and_ps(x, y);
        or(x, y) _mm512_or_ps(x, y);
        xor(x, y) _mm512_xor_ps(x, y);
        plus(x, y) floats_16(_mm512_add_epi32(_mm512_castps_si512(x), _mm512_castps_si512(y)));
        minus(x, y) floats_16(_mm512_sub_epi32(_mm512_castps_si512(x), _mm512_castps_si512(y)));
        nearest(x)
            _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x);
        below(x) _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(x);
        above(x) _mm512_roundscale_ps::<{ _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC }>(x);
    }
    shifts(x, by)
        floats_16(_mm512_sll_epi32(_mm512_castps_si512(x), by)),
        floats_16(_mm512_srl_epi32(_mm512_castps_si512(x), by));
    parts(count) first_of::<16>(count) as __mmask16;
    load(from, part) _mm512_loadu_ps, _mm512_maskz_loadu_ps(part, from),
        _mm512_mask_loadu_ps(_mm512_set1_ps(*from), part, from);
    store(to, v, part) _mm512_storeu_ps, _mm512_mask_storeu_ps(to, part, v),
        past _mm512_stream_ps;
    sum sum_16; squares of 8 by transpose_8x8;
}

x86! {
    /// Eight f64 at v4.
    Z64, f64 in __m512d, 8 lanes at V4;
    mask __mmask8; part __mmask8; integers 4503599627370496.0;
    operators Add add _mm512_add_pd, Sub sub _mm512_sub_pd, Mul mul _mm512_mul_pd,
        Div div _mm512_div_pd;
    lit: _mm512_set1_pd;
    values {
        abs(x) _mm512_abs_pd(x);
        sqrt(x) _mm512_sqrt_pd(x);
    }
    compare {
        eq(x, y) _mm512_cmp_pd_mask::<_CMP_EQ_OQ>(x, y);
        lt(x, y) _mm512_cmp_pd_mask::<_CMP_LT_OQ>(x, y);
        le(x, y) _mm512_cmp_pd_mask::<_CMP_LE_OQ>(x, y);
    }
    select(mask, yes, no) _mm512_mask_blend_pd(mask, no, yes);
    bits {
        mul_add(x, y, z) _mm512_fmadd_pd(x, y, z);
        not_below(x, least) _mm512_max_pd(least, x);
        not_above(x, most) _mm512_min_pd(most, x);
        and(x, y) _mm512_and_pd(x, y);
        or(x, y) _mm512_or_pd(x, y);
        xor(x, y) _mm512_xor_pd(x, y);
        plus(x, y) doubles_8(_mm512_add_epi64(_mm512_castpd_si512(x), _mm512_castpd_si512(y)));
        minus(x, y) doubles_8(_mm512_sub_epi64(_mm512_castpd_si512(x), _mm512_castpd_si512(y)));
        nearest(x)
            _mm512_roundscale_pd::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x);
        below(x) _mm512_roundscale_pd::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(x);
        above(x) _mm512_roundscale_pd::<{ _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC }>(x);
    }
    shifts(x, by)
        doubles_8(_mm512_sll_epi64(_mm512_castpd_si512(x), by)),
        doubles_8(_mm512_srl_epi64(_mm512_castpd_si512(x), by));
    parts(count) first_of::<8>(count) as __mmask8;
    load(from, part) _mm512_loadu_pd, _mm512_maskz_loadu_pd(part, from),
        _mm512_mask_loadu_pd(_mm512_set1_pd(*from), part, from);
    store(to, v, part) _mm512_storeu_pd, _mm512_mask_storeu_pd(to, part, v),
        past _mm512_stream_pd;
    sum sum_8_wide; squares of 4 by transpose_4x4;
}

use {
    _mm256_castsi256_pd as floats_4, _mm256_castsi256_ps as floats_8,
    _mm512_castsi512_pd as doubles_8, _mm512_castsi512_ps as floats_16,
};

impl<const FAR: bool> Lane32 for Y32<FAR> {
    type Wide = Two<Y64<FAR>>;

    #[inline(always)]
    fn pattern(bits: u32) -> Self {
        // SAFETY: as the module says.
        Self(unsafe { floats_8(_mm256_set1_epi32(bits as i32)) })
    }
    #[inline(always)]
    fn widen(self) -> Self::Wide {
        // SAFETY: as the module says.
        unsafe {
            let upper = _mm256_extractf128_ps::<1>(self.0);
            Two(Y64(_mm256_cvtps_pd(_mm256_castps256_ps128(self.0))), Y64(_mm256_cvtps_pd(upper)))
        }
    }
}

impl<const FAR: bool> Widened for Two<Y64<FAR>> {
    type Narrow = Y32<FAR>;

    #[inline(always)]
    fn narrow(self) -> Self::Narrow {
        // SAFETY: as the module says.
        Y32(unsafe { _mm256_set_m128(_mm256_cvtpd_ps(self.1.0), _mm256_cvtpd_ps(self.0.0)) })
    }
}

impl<const FAR: bool> Lane32 for Z32<FAR> {
    type Wide = Two<Z64<FAR>>;

    #[inline(always)]
    fn pattern(bits: u32) -> Self {
        // SAFETY: as the module says.
        Self(unsafe { floats_16(_mm512_set1_epi32(bits as i32)) })
    }
    #[inline(always)]
    fn widen(self) -> Self::Wide {
        // SAFETY: as the module says.
        unsafe {
            let upper = _mm512_extractf32x8_ps::<1>(self.0);
            Two(Z64(_mm512_cvtps_pd(_mm512_castps512_ps256(self.0))), Z64(_mm512_cvtps_pd(upper)))
        }
    }
}

impl<const FAR: bool> Widened for Two<Z64<FAR>> {
    type Narrow = Z32<FAR>;

    #[inline(always)]
    fn narrow(self) -> Self::Narrow {
        // SAFETY: as the module says.
        Z32(unsafe {
            let lower = _mm512_castps256_ps512(_mm512_cvtpd_ps(self.0.0));
            _mm512_insertf32x8::<1>(lower, _mm512_cvtpd_ps(self.1.0))
        })
    }
}

macro_rules! lane64 {
    ($name:ident, $lanes:literal, |$bits:ident| $pattern:expr) => {
        impl<const FAR: bool> Lane64 for $name<FAR> {
            #[inline(always)]
            fn pattern($bits: u64) -> Self {
                // SAFETY: as the module says.
                Self(unsafe { $pattern })
            }
            #[inline(always)]
            fn one_by_one(self, other: Self, f: fn(f64, f64) -> f64) -> Self {
                let (mut a, mut b) = ([0.0; $lanes], [0.0; $lanes]);
                // SAFETY: all lanes have room.
                unsafe {
                    self.store(a.as_mut_ptr());
                    other.store(b.as_mut_ptr());
                }
                for (a, b) in a.iter_mut().zip(b) {
                    *a = f(*a, b);
                }
                // SAFETY: all lanes are there.
                unsafe { Self::load(a.as_ptr()) }
            }
        }
    };
}
lane64!(Y64, 4, |bits| floats_4(_mm256_set1_epi64x(bits as i64)));
lane64!(Z64, 8, |bits| doubles_8(_mm512_set1_epi64(bits as i64)));

/// Sets the bits of the first `count` of eight lanes.
///
/// # Safety
/// AVX2.
#[inline(always)]
unsafe fn first_of_8(count: usize) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe {
        let places = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        _mm256_cmpgt_epi32(_mm256_set1_epi32(count as i32), places)
    }
}

/// The same of four.
///
/// # Safety
/// AVX2.
#[inline(always)]
unsafe fn first_of_4(count: usize) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe {
        let places = _mm256_setr_epi64x(0, 1, 2, 3);
        _mm256_cmpgt_epi64(_mm256_set1_epi64x(count as i64), places)
    }
}

/// The lowest `count` bits, at most `LANES`.
#[inline(always)]
fn first_of<const LANES: usize>(count: usize) -> u32 {
    debug_assert!(count <= LANES);
    (1u32 << count) - 1
}

/// # Safety
/// AVX; the squares are valid.
#[inline(always)]
unsafe fn transpose_8x8(from: *const f32, from_row: isize, to: *mut f32, to_row: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        // Left halves of rows i and i + 4 in one register, and right halves in another, come from
        // the load units; only 16 of the usual 24 shuffles are left.
        let half = |row: isize, at: usize| _mm_loadu_ps(from.offset(row * from_row).add(at));
        let both = |row: isize, at: usize| {
            _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(half(row, at)), half(row + 4, at))
        };
        for at in [0, 4] {
            let (r0, r1, r2, r3) = (both(0, at), both(1, at), both(2, at), both(3, at));
            let (a, b) = (_mm256_unpacklo_ps(r0, r1), _mm256_unpackhi_ps(r0, r1));
            let (c, d) = (_mm256_unpacklo_ps(r2, r3), _mm256_unpackhi_ps(r2, r3));
            let column = |i: usize| to.add((at + i) * to_row);
            _mm256_storeu_ps(column(0), _mm256_shuffle_ps::<0x44>(a, c));
            _mm256_storeu_ps(column(1), _mm256_shuffle_ps::<0xee>(a, c));
            _mm256_storeu_ps(column(2), _mm256_shuffle_ps::<0x44>(b, d));
            _mm256_storeu_ps(column(3), _mm256_shuffle_ps::<0xee>(b, d));
        }
    }
}

/// # Safety
/// AVX; the squares are valid.
#[inline(always)]
unsafe fn transpose_4x4(from: *const f64, from_row: isize, to: *mut f64, to_row: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        let half = |row: isize, at: usize| _mm_loadu_pd(from.offset(row * from_row).add(at));
        let both = |row: isize, at: usize| {
            _mm256_insertf128_pd::<1>(_mm256_castpd128_pd256(half(row, at)), half(row + 2, at))
        };
        for at in [0, 2] {
            let (r0, r1) = (both(0, at), both(1, at));
            _mm256_storeu_pd(to.add(at * to_row), _mm256_unpacklo_pd(r0, r1));
            _mm256_storeu_pd(to.add((at + 1) * to_row), _mm256_unpackhi_pd(r0, r1));
        }
    }
}

/// # Safety
/// AVX-512.
#[inline(always)]
unsafe fn sum_16(x: __m512) -> f32 {
    // SAFETY: the caller's promise.
    unsafe {
        let upper = _mm512_castps_pd(x);
        let upper = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(upper));
        sum_8(_mm256_add_ps(_mm512_castps512_ps256(x), upper))
    }
}

/// # Safety
/// AVX.
#[inline(always)]
unsafe fn sum_8(x: __m256) -> f32 {
    // SAFETY: the caller's promise.
    unsafe {
        let x = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
        let x = _mm_add_ps(x, _mm_movehl_ps(x, x));
        _mm_cvtss_f32(_mm_add_ss(x, _mm_shuffle_ps::<1>(x, x)))
    }
}

/// # Safety
/// AVX-512.
#[inline(always)]
unsafe fn sum_8_wide(x: __m512d) -> f64 {
    // SAFETY: the caller's promise.
    unsafe {
        let upper = _mm512_extractf64x4_pd::<1>(x);
        sum_4(_mm256_add_pd(_mm512_castpd512_pd256(x), upper))
    }
}

/// # Safety
/// AVX.
#[inline(always)]
unsafe fn sum_4(x: __m256d) -> f64 {
    // SAFETY: the caller's promise.
    unsafe {
        let x = _mm_add_pd(_mm256_castpd256_pd128(x), _mm256_extractf128_pd::<1>(x));
        _mm_cvtsd_f64(_mm_add_sd(x, _mm_unpackhi_pd(x, x)))
    }
}
