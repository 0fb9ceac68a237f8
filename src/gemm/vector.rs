//! The registers of a product: what a [`Vector`] can do at each level, for each type.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

use super::tile::{TileKernel, tile};
use crate::kernel::Float;
use crate::lane::{Lanes, W32, W64};

/// A register of numbers.
///
/// # Safety
/// Of all functions: the CPU can run the vector's level; pointers are valid for `LANES` elements,
/// or for as many as the mask has. They need not be aligned.
pub(super) trait Vector: Copy {
    type T: Float;
    /// Which of a register's elements are meant.
    type Mask: Copy;
    const LANES: usize;
    /// Whether loading through a mask is as good as loading.
    const LOADS_PARTS: bool;
    /// The kernels of the level, by height and width (in registers), both less one.
    const TILES: &'static [[TileKernel<Self::T>; 2]];
    /// Sides of the squares that `transpose` turns.
    const SQUARE: usize;

    /// The first `count` elements.
    unsafe fn mask(count: usize) -> Self::Mask;
    unsafe fn zero() -> Self;
    /// Has a cache line fetched, if it exists.
    unsafe fn prefetch(from: *const Self::T);
    /// The same, to the second level.
    unsafe fn prefetch_2(from: *const Self::T);
    unsafe fn splat(from: *const Self::T) -> Self;
    unsafe fn load(from: *const Self::T) -> Self;
    /// Zeros where the mask is not; nothing is read there.
    unsafe fn load_part(from: *const Self::T, mask: Self::Mask) -> Self;
    unsafe fn store(self, to: *mut Self::T);
    unsafe fn store_part(self, to: *mut Self::T, mask: Self::Mask);
    unsafe fn plus(self, other: Self) -> Self;
    /// The sum of the elements: the upper half is added to the lower until one is left.
    unsafe fn sum(self) -> Self::T;
    /// self + a b: rounded once where there is FMA.
    unsafe fn plus_product(self, a: Self, b: Self) -> Self;
    /// Writes the rows of a square as columns.
    unsafe fn transpose(from: *const Self::T, from_row: isize, to: *mut Self::T, to_row: usize);
}

/// A table of kernels: every height at widths 1 and 2.
macro_rules! tiles {
    ($kernel:ident, $vector:ty: $($height:literal)*) => {
        &[$([$kernel::<$vector, $height, 1>, $kernel::<$vector, $height, 2>]),*]
    };
}

macro_rules! x86 {
    (
        $(#[$doc:meta])* $name:ident, $t:ty, $register:ty, $lanes:literal, $mask:ty, $square:literal,
        $kernel:ident: $($height:literal)*;
        mask: |$count:ident| $make_mask:expr; zero: $zero:ident; splat: $splat:ident;
        load: $load:ident, |$from:ident, $m:ident| $load_part:expr;
        store: $store:ident, |$to:ident, $n:ident, $v:ident| $store_part:expr;
        add: $add:ident; fma: $fma:ident; sum: $sum:ident; transpose: $transpose:ident;
    ) => {
        $(#[$doc])*
        #[cfg(target_arch = "x86_64")]
        #[derive(Clone, Copy)]
        #[repr(transparent)]
        pub(super) struct $name($register);

        #[cfg(target_arch = "x86_64")]
        impl Vector for $name {
            type T = $t;
            type Mask = $mask;
            const LANES: usize = $lanes;
            const LOADS_PARTS: bool = true;
            const TILES: &'static [[TileKernel<$t>; 2]] = tiles!($kernel, $name: $($height)*);
            const SQUARE: usize = $square;

            // SAFETY, of all of them: the trait's caller promises the level and the pointers.
            #[inline(always)]
            unsafe fn mask($count: usize) -> $mask {
                // SAFETY: as above.
                #[allow(unused_unsafe)]
                unsafe {
                    $make_mask
                }
            }
            #[inline(always)]
            unsafe fn prefetch(from: *const $t) {
                // SAFETY: as above.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
            }
            #[inline(always)]
            unsafe fn prefetch_2(from: *const $t) {
                // SAFETY: as above.
                unsafe { _mm_prefetch::<_MM_HINT_T1>(from.cast()) }
            }
            #[inline(always)]
            unsafe fn zero() -> Self {
                // SAFETY: as above.
                Self(unsafe { $zero() })
            }
            #[inline(always)]
            unsafe fn splat(from: *const $t) -> Self {
                // SAFETY: as above.
                Self(unsafe { $splat(*from) })
            }
            #[inline(always)]
            unsafe fn load(from: *const $t) -> Self {
                // SAFETY: as above.
                Self(unsafe { $load(from) })
            }
            #[inline(always)]
            unsafe fn load_part($from: *const $t, $m: $mask) -> Self {
                // SAFETY: as above.
                Self(unsafe { $load_part })
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $t) {
                // SAFETY: as above.
                unsafe { $store(to, self.0) }
            }
            #[inline(always)]
            unsafe fn store_part(self, $to: *mut $t, $n: $mask) {
                let $v = self.0;
                // SAFETY: as above.
                unsafe { $store_part }
            }
            #[inline(always)]
            unsafe fn plus(self, other: Self) -> Self {
                // SAFETY: as above.
                Self(unsafe { $add(self.0, other.0) })
            }
            #[inline(always)]
            unsafe fn sum(self) -> $t {
                // SAFETY: as above.
                unsafe { $sum(self.0) }
            }
            #[inline(always)]
            unsafe fn plus_product(self, a: Self, b: Self) -> Self {
                // SAFETY: as above.
                Self(unsafe { $fma(a.0, b.0, self.0) })
            }
            #[inline(always)]
            unsafe fn transpose(from: *const $t, from_row: isize, to: *mut $t, to_row: usize) {
                // SAFETY: as above.
                unsafe { $transpose(from, from_row, to, to_row) }
            }
        }
    };
}

x86! {
    /// Sixteen f32 at v4.
    Z32, f32, __m512, 16, __mmask16, 8, tile_v4: 1 2 3 4 5 6 7 8 9 10 11 12 13 14;
    mask: |count| ((1u32 << count) - 1) as u16;
    zero: _mm512_setzero_ps; splat: _mm512_set1_ps;
    load: _mm512_loadu_ps, |from, mask| _mm512_maskz_loadu_ps(mask, from);
    store: _mm512_storeu_ps, |to, mask, v| _mm512_mask_storeu_ps(to, mask, v);
    add: _mm512_add_ps; fma: _mm512_fmadd_ps; sum: sum_16; transpose: transpose_8x8;
}

x86! {
    /// Eight f64 at v4.
    Z64, f64, __m512d, 8, __mmask8, 4, tile_v4: 1 2 3 4 5 6 7 8 9 10 11 12 13 14;
    mask: |count| ((1u32 << count) - 1) as u8;
    zero: _mm512_setzero_pd; splat: _mm512_set1_pd;
    load: _mm512_loadu_pd, |from, mask| _mm512_maskz_loadu_pd(mask, from);
    store: _mm512_storeu_pd, |to, mask, v| _mm512_mask_storeu_pd(to, mask, v);
    add: _mm512_add_pd; fma: _mm512_fmadd_pd; sum: sum_8_f64; transpose: transpose_4x4;
}

/// A window into this has as many leading -1 as a mask is to have: f32 start at 8 - count.
#[cfg(target_arch = "x86_64")]
static WINDOW_32: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
#[cfg(target_arch = "x86_64")]
static WINDOW_64: [i64; 8] = [-1, -1, -1, -1, 0, 0, 0, 0];

x86! {
    /// Eight f32 at v3.
    Y32, f32, __m256, 8, __m256i, 8, tile_v3: 1 2 3 4 5 6;
    mask: |count| _mm256_loadu_si256(WINDOW_32[8 - count..].as_ptr().cast());
    zero: _mm256_setzero_ps; splat: _mm256_set1_ps;
    load: _mm256_loadu_ps, |from, mask| _mm256_maskload_ps(from, mask);
    store: _mm256_storeu_ps, |to, mask, v| _mm256_maskstore_ps(to, mask, v);
    add: _mm256_add_ps; fma: _mm256_fmadd_ps; sum: sum_8; transpose: transpose_8x8;
}

x86! {
    /// Four f64 at v3.
    Y64, f64, __m256d, 4, __m256i, 4, tile_v3: 1 2 3 4 5 6;
    mask: |count| _mm256_loadu_si256(WINDOW_64[4 - count..].as_ptr().cast());
    zero: _mm256_setzero_pd; splat: _mm256_set1_pd;
    load: _mm256_loadu_pd, |from, mask| _mm256_maskload_pd(from, mask);
    store: _mm256_storeu_pd, |to, mask, v| _mm256_maskstore_pd(to, mask, v);
    add: _mm256_add_pd; fma: _mm256_fmadd_pd; sum: sum_4_f64; transpose: transpose_4x4;
}

macro_rules! baseline {
    ($name:ident, $t:ty: $($height:literal)*) => {
        impl Vector for $name {
            type T = $t;
            type Mask = usize;
            const LANES: usize = <$name as Lanes>::LANES;
            const LOADS_PARTS: bool = false;
            const TILES: &'static [[TileKernel<$t>; 2]] = tiles!(tile_baseline, $name: $($height)*);
            const SQUARE: usize = 1;

            // SAFETY, of all of them: the trait's caller promises the pointers.
            #[inline(always)]
            unsafe fn mask(count: usize) -> usize {
                count
            }
            #[inline(always)]
            unsafe fn prefetch(_: *const $t) {}
            #[inline(always)]
            unsafe fn prefetch_2(_: *const $t) {}
            #[inline(always)]
            unsafe fn zero() -> Self {
                // SAFETY: the array has `LANES` elements.
                unsafe { <Self as Lanes>::load(&[0.0; <$name as Lanes>::LANES], 0) }
            }
            #[inline(always)]
            unsafe fn splat(from: *const $t) -> Self {
                // SAFETY: as above.
                let all = [unsafe { *from }; <$name as Lanes>::LANES];
                // SAFETY: the array has `LANES` elements.
                unsafe { <Self as Lanes>::load(&all, 0) }
            }
            #[inline(always)]
            unsafe fn load(from: *const $t) -> Self {
                // SAFETY: as above.
                unsafe { <Self as Lanes>::load(&*from.cast::<[$t; <$name as Lanes>::LANES]>(), 0) }
            }
            #[inline(always)]
            unsafe fn load_part(from: *const $t, count: usize) -> Self {
                let mut all = [0.0; <$name as Lanes>::LANES];
                for (i, one) in all.iter_mut().enumerate().take(count) {
                    // SAFETY: as above.
                    *one = unsafe { *from.add(i) };
                }
                // SAFETY: the array has `LANES` elements.
                unsafe { <Self as Lanes>::load(&all, 0) }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $t) {
                // SAFETY: as above.
                unsafe { <Self as Lanes>::store(self, &mut *to.cast::<[$t; <$name as Lanes>::LANES]>(), 0) }
            }
            #[inline(always)]
            unsafe fn store_part(self, to: *mut $t, count: usize) {
                let mut all = [0.0; <$name as Lanes>::LANES];
                // SAFETY: the array has `LANES` elements.
                unsafe { <Self as Lanes>::store(self, &mut all, 0) };
                for (i, one) in all.iter().enumerate().take(count) {
                    // SAFETY: as above.
                    unsafe { *to.add(i) = *one };
                }
            }
            #[inline(always)]
            unsafe fn plus(self, other: Self) -> Self {
                self + other
            }
            #[inline(always)]
            unsafe fn sum(self) -> $t {
                let mut all = [0.0; <$name as Lanes>::LANES];
                // SAFETY: the array has `LANES` elements, which are four.
                unsafe { <Self as Lanes>::store(self, &mut all, 0) };
                (all[0] + all[2]) + (all[1] + all[3])
            }
            #[inline(always)]
            unsafe fn plus_product(self, a: Self, b: Self) -> Self {
                self + a * b
            }
            #[inline(always)]
            unsafe fn transpose(from: *const $t, _: isize, to: *mut $t, _: usize) {
                // SAFETY: as above, of one element.
                unsafe { *to = *from };
            }
        }
    };
}
baseline!(W32, f32: 1 2 3 4);
baseline!(W64, f64: 1 2 3);

/// # Safety
/// As for [`TileKernel`], at v4.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512cd,avx512dq,avx512vl")]
unsafe fn tile_v4<V: Vector, const H: usize, const W: usize>(
    job: &super::tile::Job,
    a: *const V::T,
    b: *const V::T,
    c: *mut V::T,
) {
    // SAFETY: the caller's promise.
    unsafe { tile::<V, H, W>(job, a, b, c) }
}

/// # Safety
/// As for [`TileKernel`], at v3.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn tile_v3<V: Vector, const H: usize, const W: usize>(
    job: &super::tile::Job,
    a: *const V::T,
    b: *const V::T,
    c: *mut V::T,
) {
    // SAFETY: the caller's promise.
    unsafe { tile::<V, H, W>(job, a, b, c) }
}

/// # Safety
/// As for [`TileKernel`].
unsafe fn tile_baseline<V: Vector, const H: usize, const W: usize>(
    job: &super::tile::Job,
    a: *const V::T,
    b: *const V::T,
    c: *mut V::T,
) {
    // SAFETY: the caller's promise.
    unsafe { tile::<V, H, W>(job, a, b, c) }
}

/// # Safety
/// AVX; the squares are valid.
#[cfg(target_arch = "x86_64")]
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
#[cfg(target_arch = "x86_64")]
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
#[cfg(target_arch = "x86_64")]
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
#[cfg(target_arch = "x86_64")]
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
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn sum_8_f64(x: __m512d) -> f64 {
    // SAFETY: the caller's promise.
    unsafe {
        let upper = _mm512_extractf64x4_pd::<1>(x);
        sum_4_f64(_mm256_add_pd(_mm512_castpd512_pd256(x), upper))
    }
}

/// # Safety
/// AVX.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn sum_4_f64(x: __m256d) -> f64 {
    // SAFETY: the caller's promise.
    unsafe {
        let x = _mm_add_pd(_mm256_castpd256_pd128(x), _mm256_extractf128_pd::<1>(x));
        _mm_cvtsd_f64(_mm_add_sd(x, _mm_unpackhi_pd(x, x)))
    }
}
