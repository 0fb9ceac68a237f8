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

mod line;
mod pack;
#[cfg(test)]
mod tests;
mod tile;
mod tiny;
mod vector;

use std::ops::Range;

use crate::kernel::{Float, Total};
use crate::lane::{W32, W64};
use crate::level::Level;
use tile::Job;
pub(crate) use tiny::Entries;
use vector::Vector;
#[cfg(target_arch = "x86_64")]
use vector::{Y32, Y64, Z32, Z64};

/// Bytes of a block's columns, at most.
const DEEP: usize = 2048;

/// Bytes of a block's rows, at most.
const WIDE: usize = 2048;

/// Blocks of the inner axis that are added in the elements' own precision, before their sum goes on in
/// f64.
const GROUP: usize = 32;

/// Rows whose groups are added at once.
const TALL: usize = 448;

/// Rows of A that a panel has at most, at any level.
const HIGH: usize = 14;

/// What the width of a block is padded to a multiple of, at most.
const PAD: usize = 32;

/// A matrix in memory, in elements.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<T> {
    pub(crate) start: *const T,
    pub(crate) row_stride: isize,
    pub(crate) column_stride: isize,
}

impl<T> Matrix<T> {
    /// The part from a row and a column on.
    #[inline(always)]
    fn at(self, row: usize, column: usize) -> Self {
        let at = row as isize * self.row_stride + column as isize * self.column_stride;
        Self { start: self.start.wrapping_offset(at), ..self }
    }
}

/// Sizes of a product: rows, inner axis, columns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) m: usize,
    pub(crate) k: usize,
    pub(crate) n: usize,
}

/// Part of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) rows: Range<usize>,
    pub(crate) columns: Range<usize>,
}

impl Sizes {
    /// The whole result.
    pub(crate) fn whole(self) -> Part {
        Part { rows: 0..self.m, columns: 0..self.n }
    }

    /// Whether a workspace has room for all of B: it is one block, of several columns.
    pub(crate) fn can_hold<T>(self) -> bool {
        let Sizes { m, k, n } = self;
        m > 1 && n > 1 && k > 0 && k * size_of::<T>() <= DEEP && n * size_of::<T>() <= WIDE
    }

    /// Bytes of memory that computing any part needs.
    pub(crate) fn workspace<T: Float>(self) -> usize {
        let size = size_of::<T>();
        let (elements, totals) = if self.m == 1 || self.n == 1 {
            let rows = if self.k > line::BLOCK { self.m.max(self.n).min(line::CHUNK) } else { 0 };
            (line::BLOCK.min(self.k), rows)
        } else {
            let rows = if self.has_groups::<T>() { self.m.min(TALL) } else { 0 };
            (self.copies::<T>(), rows * self.n.min(WIDE / size))
        };
        elements * size + totals * size_of::<Total>() + ALIGN
    }

    /// Elements of a block of B and a panel of A.
    fn copies<T: Float>(self) -> usize {
        let columns = self.n.min(WIDE / size_of::<T>()).next_multiple_of(PAD);
        let deep = block_len::<T>(self.k);
        columns * deep + HIGH * pack::row_stride::<T>(deep)
    }

    /// Whether the inner axis has more than one group of blocks.
    fn has_groups<T>(self) -> bool {
        self.k > GROUP * block_len::<T>(self.k)
    }
}

/// Cuts a length into at most `most` pieces of at least `least`; how many, and how long they are.
fn cut(len: usize, most: usize, least: usize, multiple: usize) -> (usize, usize) {
    let pieces = most.min(len / least).max(1);
    let piece = len.div_ceil(pieces).next_multiple_of(multiple).max(1);
    (len.div_ceil(piece).max(1), piece)
}

impl Sizes {
    /// Pieces along the rows and along the columns, and the sizes of a piece: of about a million
    /// multiplications, and so large that copying operands for each by itself costs little.
    fn grid(self) -> ((usize, usize), (usize, usize)) {
        let Sizes { m, k, n } = self;
        let is_line = m == 1 || n == 1;
        let work = m.saturating_mul(k).saturating_mul(n);
        let most = work >> if is_line { 18 } else { 20 };
        let rows = cut(m, most, if is_line { 64 } else { 192 }, 1);
        (rows, cut(n, most / rows.0, 128, 64))
    }

    /// How many independent tasks a product is cut into. The sizes alone decide.
    pub(crate) fn tasks(self) -> usize {
        let (rows, columns) = self.grid();
        rows.0 * columns.0
    }

    /// The part of the result that a task computes. One after the other, tasks go along a row of
    /// parts.
    pub(crate) fn task(self, task: usize) -> Part {
        let ((_, height), (columns, width)) = self.grid();
        let (row, column) = (task / columns * height, task % columns * width);
        Part { rows: row..self.m.min(row + height), columns: column..self.n.min(column + width) }
    }
}

/// What the workspace is aligned to.
const ALIGN: usize = 64;

/// Length of the blocks of an inner axis, the last of which may be shorter.
fn block_len<T>(k: usize) -> usize {
    let most = DEEP / size_of::<T>();
    if k <= most { k.max(1) } else { k.div_ceil(k.div_ceil(most)) }
}

/// What a workspace holds of a product's B, for who computes it in many parts, row after row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// Nothing that is needed, now or later.
    Nothing,
    /// Nothing yet; B is to be copied and stay.
    Later,
    /// B, since a part of some rows that was computed before.
    Now,
}

/// Is told which rows are computed next, by who has the caches to itself for that long: what is done
/// with them afterwards can be fetched.
pub(crate) type Ahead<'a> = &'a mut dyn FnMut(Range<usize>);

/// A product to be computed: c = a b, with c dense.
pub(crate) struct Product<T> {
    pub(crate) sizes: Sizes,
    pub(crate) a: Matrix<T>,
    pub(crate) b: Matrix<T>,
    pub(crate) c: *mut T,
}

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

/// A small product, from where A lies, and from B's columns at `b`, whose dense rows are `b_step`
/// apart, and panels `b_panel`.
///
/// # Safety
/// As for [`Product::run`]; nothing is empty, `b` is as described, and the inner axis is no longer
/// than one block.
#[inline(always)]
unsafe fn direct<V: Vector>(
    product: &Product<V::T>,
    part: &Part,
    b: *const V::T,
    b_step: isize,
    b_panel: isize,
) {
    let Product { sizes: Sizes { k, n, .. }, a, c, .. } = *product;
    let (mut row, end) = (part.rows.start, part.rows.end);
    let mut job = Job {
        k,
        a_row: a.row_stride,
        a_step: a.column_stride,
        b_step,
        c_row: n,
        tail: 0,
        add: false,
    };
    let (mut height, mut higher) = (end - row, 0);
    if height > V::TILES.len() {
        let bands = height.div_ceil(V::TILES.len());
        (height, higher) = (height / bands, height % bands);
    }
    while row < end {
        let height = height + usize::from(higher > 0);
        higher = higher.saturating_sub(1);
        let (mut column, mut b) = (part.columns.start, b);
        while column < part.columns.end {
            let left = (2 * V::LANES).min(part.columns.end - column);
            let registers = 1 + usize::from(left > V::LANES);
            job.tail = left - (registers - 1) * V::LANES;
            // SAFETY: a tile of the part; `height` is at least 1, and one of the table's.
            unsafe {
                let a = a.at(row, 0).start;
                V::TILES[height - 1][registers - 1](&job, a, b, c.add(row * n + column));
            }
            b = b.wrapping_offset(b_panel);
            column += left;
        }
        row += height;
    }
}

/// # Safety
/// As for [`Product::run`]; `work` is aligned, and the sizes are not 0.
#[inline(always)]
unsafe fn blocks<V: Vector>(
    product: &Product<V::T>,
    part: &Part,
    work: *mut V::T,
    held: Held,
    ahead: Ahead<'_>,
) {
    let Sizes { k, n, .. } = product.sizes;
    let (rows, columns) = (part.rows.len(), part.columns.len());
    let deep = block_len::<V::T>(k);
    let wide = WIDE / size_of::<V::T>();
    let wide = if columns <= wide {
        columns
    } else {
        columns.div_ceil(columns.div_ceil(wide)).next_multiple_of(2 * V::LANES)
    };
    // Rows of C a page apart share one place in the first level, which has room for eight of them.
    let most = if n * size_of::<V::T>() % 4096 == 0 { 8 } else { 14 }.min(V::TILES.len());
    let grouped = product.sizes.has_groups::<V::T>();
    let tall = if grouped { TALL } else { rows };
    for column in (0..columns).step_by(wide) {
        let width = wide.min(columns - column);
        let padded = width.next_multiple_of(2 * V::LANES);
        for top in (0..rows).step_by(tall) {
            let rows = tall.min(rows - top);
            let top = part.rows.start + top;
            let corner = product.c.wrapping_add(top * n + part.columns.start + column);
            let totals = work.wrapping_add(product.sizes.copies::<V::T>()).cast::<Total>();
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
                let copies_b = held != Held::Nothing || must_copy_b::<V>(b, rows, len, width);
                let mut job = Job {
                    k: len,
                    a_row: 0,
                    a_step: 0,
                    b_step: if copies_b { 2 * V::LANES as isize } else { b.row_stride },
                    c_row: n,
                    tail: 0,
                    add: start % (GROUP * deep) > 0,
                };
                let panel = work.wrapping_add(padded * deep);
                // SAFETY: the workspace holds the block of B, padded, and a panel of A.
                unsafe {
                    if copies_b && held != Held::Now {
                        pack::pack_b::<V>(b, len, width, work);
                    }
                    let mut row = 0;
                    for band in 0..bands {
                        let height = height + usize::from(band < higher);
                        let first = top + row;
                        ahead(first..first + height);
                        let a = product.a.at(first, start);
                        let a = if must_copy_a::<V>(a, height, width) {
                            (job.a_row, job.a_step) = pack::pack_a::<V>(a, height, len, panel);
                            panel.cast_const()
                        } else {
                            (job.a_row, job.a_step) = (a.row_stride, a.column_stride);
                            a.start
                        };
                        let c = corner.add(row * n);
                        let next = product.a.at(first + height, start);
                        let mut fetch = Fetch::new(next, height, len, width.div_ceil(2 * V::LANES));
                        for j in (0..width).step_by(2 * V::LANES) {
                            fetch.go::<V>();
                            let left = (2 * V::LANES).min(width - j);
                            let registers = left.div_ceil(V::LANES);
                            job.tail = left - (registers - 1) * V::LANES;
                            let b = if copies_b { work.add(j * len) } else { b.at(0, j).start };
                            V::TILES[height - 1][registers - 1](&job, a, b, c.add(j));
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
fn must_copy_b<V: Vector>(b: Matrix<V::T>, rows: usize, k: usize, width: usize) -> bool {
    b.column_stride != 1
        || rows > 64
        || (!V::LOADS_PARTS && !width.is_multiple_of(V::LANES))
        || (k * width > 1 << 20)
}

/// Whether a panel of A has to be copied, to be read from near caches.
#[inline(always)]
fn must_copy_a<V: Vector>(a: Matrix<V::T>, height: usize, width: usize) -> bool {
    if width <= 4 * V::LANES {
        return false;
    }
    if a.column_stride != 1 {
        return true;
    }
    // Rows that are a multiple of this many cache lines apart compete for the same places.
    const SETS: usize = 64;
    let lines = a.row_stride.unsigned_abs() * size_of::<V::T>() / 64;
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
    unsafe fn go<V: Vector<T = T>>(&mut self) {
        for _ in 0..self.share.min(self.lines) {
            let at = self.a.at(self.row, 0).start.wrapping_add(self.line * (64 / size_of::<T>()));
            // SAFETY: a prefetch of anything.
            unsafe { V::prefetch_2(at) };
            self.line += 1;
            if self.line == self.per_row {
                (self.line, self.row) = (0, self.row + 1);
            }
            self.lines -= 1;
        }
    }
}
