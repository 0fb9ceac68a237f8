//! What a product is: two matrices, its sizes, and how it is cut into parts.

use std::ops::Range;

use super::matrix::Matrix;
use super::{line, pack};
use crate::kernel::{Float, Total};

/// Bytes of a block's columns, at most.
pub(super) const DEEP: usize = 2048;

/// Bytes of a block's rows, at most.
pub(super) const WIDE: usize = 2048;

/// Blocks of the inner axis that are added in the elements' own precision, before their sum goes on in
/// f64.
pub(super) const GROUP: usize = 32;

/// Rows whose groups are added at once.
pub(super) const TALL: usize = 448;

/// Rows of A that a panel has at most, at any level.
const HIGH: usize = 14;

/// What the width of a block is padded to a multiple of, at most.
const PAD: usize = 32;

/// What the workspace is aligned to.
pub(super) const ALIGN: usize = 64;

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
    pub(super) fn copies<T: Float>(self) -> usize {
        let columns = self.n.min(WIDE / size_of::<T>()).next_multiple_of(PAD);
        let deep = block_len::<T>(self.k);
        columns * deep + HIGH * pack::row_stride::<T>(deep)
    }

    /// Whether the inner axis has more than one group of blocks.
    pub(super) fn has_groups<T>(self) -> bool {
        self.k > GROUP * block_len::<T>(self.k)
    }
}

/// Cuts a length into at most `most` pieces of at least `least`; how many, and how long they are.
fn cut(len: usize, most: usize, least: usize, multiple: usize) -> (usize, usize) {
    let pieces = most.min(len / least).max(1);
    let piece = len.div_ceil(pieces).next_multiple_of(multiple).max(1);
    (len.div_ceil(piece).max(1), piece)
}

/// Length of the blocks of an inner axis, the last of which may be shorter.
pub(super) fn block_len<T>(k: usize) -> usize {
    let most = DEEP / size_of::<T>();
    if k <= most { k.max(1) } else { k.div_ceil(k.div_ceil(most)) }
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
