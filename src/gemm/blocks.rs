//! Large products, block by block.

use super::matrix::Matrix;
use super::pack;
use super::product::{Ahead, GROUP, Held, Part, Product, Sizes, TALL, WIDE, block_len};
use super::tile::{Factor, Job};
use crate::kernel::{Float, Total};
use crate::lane::{Register, prefetch_2};
use crate::level::Level;

/// # Safety
/// As for [`Product::run`]; `work` is aligned, and the sizes are not 0.
#[inline(always)]
pub(super) unsafe fn blocks<R: Register<Elem = T>, T: Factor>(
    product: &Product<T>,
    part: &Part,
    work: *mut T,
    held: Held,
    ahead: Ahead<'_>,
) {
    let Sizes { k, n, .. } = product.sizes;
    let (rows, columns) = (part.rows.len(), part.columns.len());
    let deep = block_len::<T>(k);
    let wide = WIDE / size_of::<T>();
    let wide = if columns <= wide {
        columns
    } else {
        columns.div_ceil(columns.div_ceil(wide)).next_multiple_of(2 * R::LANES)
    };
    // Rows of C a page apart share one place in the first level, which has room for eight of them.
    let tiles = T::TILES[R::LEVEL as usize];
    let most = if (n * size_of::<T>()).is_multiple_of(4096) { 8 } else { 14 }.min(tiles.len());
    let grouped = product.sizes.has_groups::<T>();
    let tall = if grouped { TALL } else { rows };
    for column in (0..columns).step_by(wide) {
        let width = wide.min(columns - column);
        let padded = width.next_multiple_of(2 * R::LANES);
        for top in (0..rows).step_by(tall) {
            let rows = tall.min(rows - top);
            let top = part.rows.start + top;
            let corner = product.c.wrapping_add(top * n + part.columns.start + column);
            let totals = work.wrapping_add(product.sizes.copies::<T>()).cast::<Total>();
            // SAFETY: the workspace has room for them behind the copies; any bytes will do, which
            // are set before they are read.
            let totals: &mut [Total] = unsafe {
                let count = if grouped { rows * width } else { 0 };
                totals.write_bytes(0, count);
                std::slice::from_raw_parts_mut(totals, count)
            };
            // Tiles of about the same height.
            let (bands, height, higher) = if rows <= most {
                (1, rows, 0)
            } else {
                let bands = rows.div_ceil(most);
                (bands, rows / bands, rows % bands)
            };
            for start in (0..k).step_by(deep) {
                let len = deep.min(k - start);
                let b = product.b.at(start, part.columns.start + column);
                let copies_b = held != Held::Nothing || must_copy_b::<R, T>(b, rows, len, width);
                let mut job = Job {
                    k: len,
                    a_row: 0,
                    a_step: 0,
                    b_step: if copies_b { 2 * R::LANES as isize } else { b.row_stride },
                    c_row: n,
                    tail: 0,
                    add: start % (GROUP * deep) > 0,
                };
                let panel = work.wrapping_add(padded * deep);
                // SAFETY: the workspace holds the block of B, padded, and a panel of A.
                unsafe {
                    if copies_b && held != Held::Now {
                        pack::pack_b::<R, T>(b, len, width, work);
                    }
                    let mut row = 0;
                    for band in 0..bands {
                        let height = height + usize::from(band < higher);
                        let first = top + row;
                        ahead(first..first + height);
                        let a = product.a.at(first, start);
                        let a = if must_copy_a::<R, T>(a, height, width) {
                            (job.a_row, job.a_step) = pack::pack_a::<R, T>(a, height, len, panel);
                            panel.cast_const()
                        } else {
                            (job.a_row, job.a_step) = (a.row_stride, a.column_stride);
                            a.start
                        };
                        let c = corner.add(row * n);
                        let next = product.a.at(first + height, start);
                        let mut fetch = Fetch::new(next, height, len, width.div_ceil(2 * R::LANES));
                        for j in (0..width).step_by(2 * R::LANES) {
                            fetch.go::<R>();
                            let left = (2 * R::LANES).min(width - j);
                            let registers = left.div_ceil(R::LANES);
                            job.tail = left - (registers - 1) * R::LANES;
                            let b = if copies_b { work.add(j * len) } else { b.at(0, j).start };
                            tiles[height - 1][registers - 1](&job, a, b, c.add(j));
                        }
                        row += height;
                    }
                }
                let end = start + len;
                if grouped && (end % (GROUP * deep) == 0 || end == k) {
                    // SAFETY: this part of the result, which holds the sum of a group.
                    unsafe { add_group(totals, corner, n, width, end == k) };
                }
            }
        }
    }
}

/// Adds the sums of a group at `c` to the totals, `width` a row; if it is the last one, the totals go
/// there.
///
/// # Safety
/// `c` is valid for reading and writing the rows, `c_row` elements apart.
unsafe fn add_group<T: Float>(
    totals: &mut [Total],
    c: *mut T,
    c_row: usize,
    width: usize,
    is_last: bool,
) {
    for (i, totals) in totals.chunks_mut(width).enumerate() {
        for (j, total) in totals.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            unsafe {
                let c = c.add(i * c_row + j);
                total.add_block(*c);
                if is_last {
                    c.write(T::from_f64(total.value()));
                }
            }
        }
    }
}

/// Whether a block of B has to be copied, to be read as whole registers and from near caches.
#[inline(always)]
fn must_copy_b<R: Register<Elem = T>, T: Factor>(
    b: Matrix<T>,
    rows: usize,
    k: usize,
    width: usize,
) -> bool {
    b.column_stride != 1
        || rows > 64
        || (!R::LOADS_PARTS && !width.is_multiple_of(R::LANES))
        || (k * width > 1 << 20)
}

/// Whether a panel of A has to be copied, to be read from near caches.
#[inline(always)]
fn must_copy_a<R: Register<Elem = T>, T: Factor>(
    a: Matrix<T>,
    height: usize,
    width: usize,
) -> bool {
    if width <= 4 * R::LANES {
        return false;
    }
    if a.column_stride != 1 {
        return true;
    }
    // Rows that are a multiple of this many cache lines apart compete for the same places.
    const SETS: usize = 64;
    let lines = a.row_stride.unsigned_abs() * size_of::<T>() / 64;
    let places = SETS >> lines.trailing_zeros().min(SETS.trailing_zeros());
    height > 4 * places
}

/// Has the next panel of A fetched, a share of it with each tile.
struct Fetch<T> {
    a: Matrix<T>,
    lines: usize,
    line: usize,
    per_row: usize,
    row: usize,
    share: usize,
}

impl<T: Float> Fetch<T> {
    #[inline(always)]
    fn new(a: Matrix<T>, height: usize, k: usize, tiles: usize) -> Self {
        let per_row = (k * size_of::<T>()).div_ceil(64);
        let lines = if a.column_stride == 1 && tiles > 1 { height * per_row } else { 0 };
        let share = if lines > 0 { lines.div_ceil(tiles) } else { 0 };
        Self { a, lines, line: 0, per_row, row: 0, share }
    }

    #[inline(always)]
    fn go<R: Register<Elem = T>>(&mut self) {
        if R::LEVEL == Level::Baseline {
            return;
        }
        for _ in 0..self.share.min(self.lines) {
            let at = self.a.at(self.row, 0).start.wrapping_add(self.line * (64 / size_of::<T>()));
            prefetch_2(at);
            self.line += 1;
            if self.line == self.per_row {
                (self.line, self.row) = (0, self.row + 1);
            }
            self.lines -= 1;
        }
    }
}
