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

pub(crate) use matrix::Matrix;
pub(crate) use product::{Ahead, Held, Part, Product, Sizes};
pub(crate) use tile::Factor;
pub(crate) use tiny::Entries;

use blocks::blocks;
use direct::direct;
use product::{ALIGN, DEEP};

use crate::lane::{Register, Work, by_level};
use crate::level::Level;

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
        let Sizes { m, k, n } = self.sizes;
        // Numbers in two registers.
        let two = match level {
            Level::Baseline => 0,
            Level::V3 => 2 * 32 / size_of::<T>(),
            Level::V4 => 2 * 64 / size_of::<T>(),
        };
        let (rows, columns) = (part.rows.len(), part.columns.len());
        if rows == 0 || columns == 0 {
            return;
        }
        let is_small =
            columns <= 2 * two && rows <= 64 && k * size_of::<T>() <= DEEP && held == Held::Nothing;
        // Functions of their own: what is small must not pay for what is large.
        let run = if k == 0 {
            // SAFETY: the caller's promise.
            return unsafe { self.clear(part) };
        } else if n == 1 || m == 1 {
            way::<T, LINE>(level)
        } else if is_small && self.b.column_stride == 1 {
            way::<T, DIRECT>(level)
        } else if is_small {
            way::<T, TURNED>(level)
        } else {
            way::<T, BLOCKS>(level)
        };
        // SAFETY: the caller's promise.
        unsafe { run(self, part, work, held, ahead) }
    }

    /// # Safety
    /// `c` is valid for writing the part.
    unsafe fn clear(&self, part: &Part) {
        for i in part.rows.clone() {
            // SAFETY: a part of a row of the result.
            unsafe {
                let at = i * self.sizes.n + part.columns.start;
                self.c.add(at).write_bytes(0, part.columns.len());
            }
        }
    }
}

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

/// A call of a way.
struct Call<'a, T, const WAY: usize> {
    product: &'a Product<T>,
    part: &'a Part,
    work: *mut u8,
    held: Held,
    ahead: Ahead<'a>,
}

by_level! {
    /// A way at a level.
    way [T: Factor, const WAY: usize] [T, WAY]
    Way<T> = (product: &Product<T>, part: &Part, work: *mut u8, held: Held, ahead: Ahead<'_>)
    on T => Call::<T, WAY> { product, part, work, held, ahead }
}

impl<T: Factor, const WAY: usize> Work<T> for Call<'_, T, WAY> {
    /// Nothing is empty.
    #[inline(always)]
    unsafe fn on<R: Register<Elem = T>>(self) {
        let Self { product, part, work, held, ahead } = self;
        let Product { sizes: Sizes { k, n, .. }, a, b, c } = *product;
        let work = work.wrapping_add(work.align_offset(ALIGN)).cast::<T>();
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
                    line::multiply::<R, T>(matrix, x, k, rows.clone(), c, work);
                }
                DIRECT => {
                    let step = 2 * R::LANES as isize;
                    direct::<R, T>(
                        product,
                        part,
                        b.at(0, part.columns.start).start,
                        b.row_stride,
                        step,
                    );
                }
                TURNED => {
                    let step = 2 * R::LANES as isize;
                    let columns = part.columns.len();
                    pack::pack_b::<R, T>(b.at(0, part.columns.start), k, columns, work);
                    direct::<R, T>(product, part, work, step, step * k as isize);
                }
                _ => blocks::<R, T>(product, part, work, held, ahead),
            }
        }
    }
}
