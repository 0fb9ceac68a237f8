//! Small products, from where A lies.

use super::product::{Part, Product, Sizes};
use super::tile::{Factor, Job};
use crate::lane::Register;

/// A small product, from where A lies, and from B's columns at `b`, whose dense rows are `b_step`
/// apart, and panels `b_panel`.
///
/// # Safety
/// As for [`Product::run`]; nothing is empty, `b` is as described, and the inner axis is no longer
/// than one block.
#[inline(always)]
pub(super) unsafe fn direct<R: Register<Elem = T>, T: Factor>(
    product: &Product<T>,
    part: &Part,
    b: *const T,
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
    let tiles = T::TILES[R::LEVEL as usize];
    if height > tiles.len() {
        let bands = height.div_ceil(tiles.len());
        (height, higher) = (height / bands, height % bands);
    }
    while row < end {
        let height = height + usize::from(higher > 0);
        higher = higher.saturating_sub(1);
        let (mut column, mut b) = (part.columns.start, b);
        while column < part.columns.end {
            let left = (2 * R::LANES).min(part.columns.end - column);
            let registers = 1 + usize::from(left > R::LANES);
            job.tail = left - (registers - 1) * R::LANES;
            // SAFETY: a tile of the part; `height` is at least 1, and one of the table's.
            unsafe {
                let a = a.at(row, 0).start;
                tiles[height - 1][registers - 1](&job, a, b, c.add(row * n + column));
            }
            b = b.wrapping_offset(b_panel);
            column += left;
        }
        row += height;
    }
}
