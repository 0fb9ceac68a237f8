//! Copies of parts of the operands, laid out as the tiles read them.

use super::matrix::Matrix;
use crate::dtype::Element;
use crate::lane::Register;

/// Copies `k` x `n` elements into panels, each two registers wide; the last one is padded with
/// zeros.
///
/// # Safety
/// `b` is valid for reading k x n elements; `to` for writing k elements for each column of the
/// panels. The CPU can run the vector's level, and the caller has its instructions.
#[inline(always)]
pub(super) unsafe fn pack_b<R: Register<Elem = T>, T: Element>(
    b: Matrix<T>,
    k: usize,
    n: usize,
    to: *mut T,
) {
    let width = 2 * R::LANES;
    if b.column_stride == 1 {
        // SAFETY: the caller's promise.
        return unsafe { copy_rows::<R, T>(b, k, n, to) };
    }
    for j in (0..n).step_by(width) {
        // SAFETY: the caller's promise, for the panel that begins at column j.
        unsafe { turn::<R, T>(b.at(0, j), k, width.min(n - j), to.add(j * k)) };
    }
}

/// Panels whose rows are dense: row by row, since that is how they lie in memory.
///
/// # Safety
/// As for `pack_b`.
#[inline(always)]
unsafe fn copy_rows<R: Register<Elem = T>, T: Element>(
    b: Matrix<T>,
    k: usize,
    n: usize,
    to: *mut T,
) {
    let width = 2 * R::LANES;
    let (whole, rest) = (n - n % width, n % width);
    // SAFETY: `pack_b`'s caller promises it; the masks cover the columns that there are.
    unsafe {
        let first = R::part(rest.min(R::LANES));
        let second = R::part(rest.saturating_sub(R::LANES));
        for l in 0..k {
            let (mut from, mut to) = (b.at(l, 0).start, to.add(l * width));
            for _ in (0..whole).step_by(width) {
                let (left, right) = (R::load(from), R::load(from.add(R::LANES)));
                left.store(to);
                right.store(to.add(R::LANES));
                from = from.wrapping_add(width);
                to = to.wrapping_add(width * k);
            }
            if rest > 0 {
                R::load_part(from, first).store(to);
                R::load_part(from.wrapping_add(R::LANES), second).store(to.add(R::LANES));
            }
        }
    }
}

/// A panel of any layout: by squares where the columns are dense.
#[inline(always)]
unsafe fn turn<R: Register<Elem = T>, T: Element>(
    b: Matrix<T>,
    k: usize,
    columns: usize,
    to: *mut T,
) {
    let width = 2 * R::LANES;
    let is_turned = b.row_stride == 1 && R::SQUARE > 1;
    let (deep, wide) =
        if is_turned { (k - k % R::SQUARE, columns - columns % R::SQUARE) } else { (0, 0) };
    // SAFETY: `pack_b`'s caller promises it: squares, then what is left over, lie inside.
    unsafe {
        for j in (0..wide).step_by(R::SQUARE) {
            for l in (0..deep).step_by(R::SQUARE) {
                let from = b.at(l, j).start;
                R::transpose(from, b.column_stride, to.add(l * width + j), width);
            }
        }
        for l in 0..k {
            let first = if l < deep { wide } else { 0 };
            for j in first..columns {
                to.add(l * width + j).write(b.at(l, j).start.read());
            }
            // Padding, where whole registers are read.
            for j in columns..(if R::LOADS_PARTS { 0 } else { width }) {
                to.add(l * width + j).write(T::default());
            }
        }
    }
}

/// Copies `rows` x `k` elements; they are then dense, in rows, or in columns if they are that in A.
/// Returns the strides of the copy.
///
/// # Safety
/// `a` is valid for reading rows x k elements, `to` for writing as many. The CPU can run the
/// vector's level, and the caller has its instructions.
#[inline(always)]
pub(super) unsafe fn pack_a<R: Register<Elem = T>, T: Element>(
    a: Matrix<T>,
    rows: usize,
    k: usize,
    to: *mut T,
) -> (isize, isize) {
    // SAFETY: the caller's promise; the mask covers what is beyond whole registers.
    unsafe {
        if a.row_stride == 1 {
            let (whole, mask) = (rows - rows % R::LANES, R::part(rows % R::LANES));
            for l in 0..k {
                let (from, to) = (a.at(0, l).start, to.add(l * rows));
                for i in (0..whole).step_by(R::LANES) {
                    R::load(from.add(i)).store(to.add(i));
                }
                R::load_part(from.add(whole), mask).store_part(to.add(whole), mask);
            }
            return (1, rows as isize);
        }
        let stride = row_stride::<T>(k);
        for i in 0..rows {
            let (a, to) = (a.at(i, 0), to.add(i * stride));
            if a.column_stride == 1 {
                let whole = k - k % R::LANES;
                for l in (0..whole).step_by(R::LANES) {
                    R::load(a.start.add(l)).store(to.add(l));
                }
                let mask = R::part(k % R::LANES);
                R::load_part(a.start.add(whole), mask).store_part(to.add(whole), mask);
            } else {
                (0..k).for_each(|l| to.add(l).write(a.at(0, l).start.read()));
            }
        }
        (stride as isize, 1)
    }
}

/// From row to row of a panel of A: an odd number of cache lines, so that the rows do not compete
/// for the same places in the cache.
#[inline(always)]
pub(super) fn row_stride<T>(k: usize) -> usize {
    let line = 64 / size_of::<T>();
    (k.div_ceil(line) | 1) * line
}
