//! Products of two matrices, after K. Goto and R. van de Geijn, *Anatomy of High-Performance Matrix
//! Multiplication* (ACM TOMS 34, 2008), as rearranged by F. Van Zee and R. van de Geijn, *BLIS: A
//! Framework for Rapidly Instantiating BLAS Functionality* (ACM TOMS 41, 2015).
//!
//! A *tile* of the result, as large as the registers allow, is computed at once: for each index of
//! the inner axis a few registers are loaded from B, a few numbers from A, and each number is
//! multiplied with each register. The loops around it see to it that these loads come from near
//! caches: a *block* of B, `DEEP` x `WIDE` elements, is copied to where it stays in the second
//! level; a *panel* of A, as high as a tile, stays in the first level while the block goes by. (BLIS
//! has it the other way round. Here rows are what registers hold, so B is what streams.) Operands
//! that lie well as they are, are not copied.
//!
//! An element of the result is, for each block of the inner axis, a chain of fused multiplications
//! and additions in order of index, and the blocks are added in order: in its own precision those of
//! a group, and the groups in f64, so that the error does not grow with the axis. The length of blocks
//! depends on that of the axis alone. So the result has the same bits whatever the strides, however it is
//! cut into pieces, and at every level that has FMA. (Products with a vector have another order,
//! see [`line`], for which the same holds.)

mod blocks;
mod direct;
mod line;
mod matrix;
mod pack;
mod product;
#[cfg(test)]
mod tests;
mod tile;
mod tiny;
mod vector;

pub(crate) use matrix::Matrix;
pub(crate) use product::{Ahead, Held, Part, Product, Sizes};
pub(crate) use tiny::Entries;

use blocks::blocks;
use direct::direct;
use product::{ALIGN, DEEP};
use vector::Vector;
#[cfg(target_arch = "x86_64")]
use vector::{Y32, Y64, Z32, Z64};

use crate::kernel::Float;
use crate::lane::{W32, W64};
use crate::level::Level;

/// A float type with products at every level.
pub(crate) trait Factor: Float {
    /// self + a b: rounded once if `FUSED`, which only code with FMA may ask for.
    fn plus_product<const FUSED: bool>(self, a: Self, b: Self) -> Self;

    /// # Safety
    /// As for [`Product::run`].
    unsafe fn run(
        level: Level,
        product: &Product<Self>,
        part: &Part,
        work: *mut u8,
        held: Held,
        ahead: Ahead<'_>,
    );
}

impl<T: Factor> Product<T> {
    /// Computes a part of the result. Parts can be computed in any order, and in parallel.
    ///
    /// # Safety
    /// - `a` is valid for reading m x k elements at its strides, `b` for k x n; `c` for writing
    ///   m x n, of which only the part is touched, and overlaps neither.
    /// - `work` is valid for writing `sizes.workspace::<T>()` bytes, and nobody else's. If B is held
    ///   now, nothing was written there since a part of a product with the same B was computed to
    ///   hold it.
    /// - B is only held by parts with all columns, if `sizes.can_hold::<T>()`.
    /// - The CPU can run the level.
    pub(crate) unsafe fn run(
        &self,
        level: Level,
        part: &Part,
        work: *mut u8,
        held: Held,
        ahead: Ahead<'_>,
    ) {
        // SAFETY: the caller's promise.
        unsafe { T::run(level, self, part, work, held, ahead) }
    }
}

macro_rules! factor {
    ($t:ty, $v4:ty: $p4:literal, $v3:ty: $p3:literal, $baseline:ty: $p1:literal) => {
        impl Factor for $t {
            #[inline(always)]
            fn plus_product<const FUSED: bool>(self, a: Self, b: Self) -> Self {
                if FUSED { a.mul_add(b, self) } else { self + a * b }
            }

            unsafe fn run(
                level: Level,
                product: &Product<Self>,
                part: &Part,
                work: *mut u8,
                held: Held,
                ahead: Ahead<'_>,
            ) {
                macro_rules! at_level {
                    ($way:ident) => {
                        match level {
                            Level::Baseline => baseline::<$baseline, $p1, $way>,
                            #[cfg(target_arch = "x86_64")]
                            Level::V3 => v3::<$v3, $p3, $way>,
                            #[cfg(target_arch = "x86_64")]
                            Level::V4 => v4::<$v4, $p4, $way>,
                            #[cfg(not(target_arch = "x86_64"))]
                            _ => unreachable!("no other level is detected"),
                        }
                    };
                }
                let Sizes { m, k, n } = product.sizes;
                let registers = match level {
                    Level::Baseline => 0,
                    Level::V3 => 2 * 32 / size_of::<$t>(),
                    Level::V4 => 2 * 64 / size_of::<$t>(),
                };
                let (rows, columns) = (part.rows.len(), part.columns.len());
                // Functions of their own: what is small must not pay for what is large.
                let run: Way<$t> = if rows == 0 || columns == 0 {
                    return;
                } else if k == 0 {
                    |product: &Product<$t>, part: &Part, _: *mut u8, _: Held, _: Ahead<'_>| {
                        for i in part.rows.clone() {
                            // SAFETY: a part of a row of the result.
                            unsafe {
                                let at = i * product.sizes.n + part.columns.start;
                                product.c.add(at).write_bytes(0, part.columns.len());
                            }
                        }
                    }
                } else if n == 1 || m == 1 {
                    at_level!(LINE)
                } else if columns <= 2 * registers
                    && rows <= 64
                    && k * size_of::<$t>() <= DEEP
                    && held == Held::Nothing
                {
                    if product.b.column_stride == 1 { at_level!(DIRECT) } else { at_level!(TURNED) }
                } else {
                    at_level!(BLOCKS)
                };
                // SAFETY: the caller's promise.
                unsafe { run(product, part, work, held, ahead) }
            }
        }
    };
}
factor!(f32, Z32: 1, Y32: 2, W32: 4);
factor!(f64, Z64: 2, Y64: 4, W64: 4);

/// Ways to compute a product: with a vector; without copies, and with one of B; block by block.
const LINE: usize = 0;
const DIRECT: usize = 1;
const TURNED: usize = 2;
const BLOCKS: usize = 3;

/// One of them, at a level.
///
/// # Safety
/// As for [`Product::run`].
type Way<T> = unsafe fn(&Product<T>, &Part, *mut u8, Held, Ahead<'_>);

/// # Safety
/// As for [`Product::run`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512cd,avx512dq,avx512vl")]
unsafe fn v4<V: Vector, const P: usize, const WAY: usize>(
    product: &Product<V::T>,
    part: &Part,
    work: *mut u8,
    held: Held,
    ahead: Ahead<'_>,
) {
    // SAFETY: the caller's promise.
    unsafe { multiply::<V, P, WAY>(product, part, work, held, ahead) }
}

/// # Safety
/// As for [`Product::run`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn v3<V: Vector, const P: usize, const WAY: usize>(
    product: &Product<V::T>,
    part: &Part,
    work: *mut u8,
    held: Held,
    ahead: Ahead<'_>,
) {
    // SAFETY: the caller's promise.
    unsafe { multiply::<V, P, WAY>(product, part, work, held, ahead) }
}

/// # Safety
/// As for [`Product::run`].
unsafe fn baseline<V: Vector, const P: usize, const WAY: usize>(
    product: &Product<V::T>,
    part: &Part,
    work: *mut u8,
    held: Held,
    ahead: Ahead<'_>,
) {
    // SAFETY: the caller's promise.
    unsafe { multiply::<V, P, WAY>(product, part, work, held, ahead) }
}

/// # Safety
/// As for [`Product::run`]; nothing is empty.
#[inline(always)]
unsafe fn multiply<V: Vector, const P: usize, const WAY: usize>(
    product: &Product<V::T>,
    part: &Part,
    work: *mut u8,
    held: Held,
    ahead: Ahead<'_>,
) {
    let Product { sizes: Sizes { k, n, .. }, a, b, c } = *product;
    let work = work.wrapping_add(work.align_offset(ALIGN)).cast::<V::T>();
    // SAFETY: the caller's promise; a row times B is the turned B times a column.
    unsafe {
        match WAY {
            LINE => {
                let turned =
                    Matrix { row_stride: b.column_stride, column_stride: b.row_stride, ..b };
                let (matrix, x, rows) = match n {
                    1 => (a, (b.start, b.row_stride), &part.rows),
                    _ => (turned, (a.start, a.column_stride), &part.columns),
                };
                line::multiply::<V, P>(matrix, x, k, rows.clone(), c, work);
            }
            DIRECT => {
                let step = 2 * V::LANES as isize;
                direct::<V>(product, part, b.at(0, part.columns.start).start, b.row_stride, step);
            }
            TURNED => {
                let step = 2 * V::LANES as isize;
                let columns = part.columns.len();
                pack::pack_b::<V>(b.at(0, part.columns.start), k, columns, work);
                direct::<V>(product, part, work, step, step * k as isize);
            }
            _ => blocks::<V>(product, part, work, held, ahead),
        }
    }
}
