//! Sums of sums, of blocks that were summed in their own precision.

use super::body::{Operands, Plain};
use super::float::Float;
pub(crate) use crate::total::Total;

impl Total {
    /// Adds the sum of a block: as it is, if there are digits enough for many.
    #[inline(always)]
    pub(crate) fn add_block<T: Float>(&mut self, x: T) {
        if T::IS_NARROW {
            self.sum += x.to_f64();
        } else {
            self.add(x.to_f64());
        }
    }
}

/// The sum of the sums of a row's blocks, as [`WholeRows`](super::whole::WholeRows) makes it.
pub(crate) fn combine_sums<T: Float>(sums: &[T]) -> f64 {
    let mut total = Total::default();
    sums.iter().for_each(|&sum| total.add(sum.to_f64()));
    total.value()
}

/// Columns whose sums are combined at once.
pub(crate) const COLUMNS: usize = 32;

/// The sums of some columns, at most `COLUMNS`, in f64. Operands: the first row, and two lengths: of
/// the columns, and from row to row.
pub(super) struct CombineColumns;

impl<T: Float> Plain<T> for CombineColumns {
    #[inline(always)]
    unsafe fn run(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise: operands as the struct says.
        let [rows, stride] = unsafe { operands[1].cast::<[usize; 2]>().read() };
        let (mut sums, mut lost) = ([0.0; COLUMNS], [0.0; COLUMNS]);
        for row in 0..rows {
            // SAFETY: as above; there are `n` columns from here on in each row.
            let row =
                unsafe { std::slice::from_raw_parts(operands[0].cast::<T>().add(row * stride), n) };
            match <&[T; COLUMNS]>::try_from(row) {
                Ok(row) => add_row(&mut sums, &mut lost, row),
                Err(_) => add_row(&mut sums[..n], &mut lost[..n], row),
            }
        }
        // SAFETY: the caller's promise, with `n` numbers of f64 as the result.
        let out = unsafe { std::slice::from_raw_parts_mut(out.cast::<f64>(), n) };
        for k in 0..n {
            out[k] = Total { sum: sums[k], lost: lost[k] }.value();
        }
    }
}

/// Adds a block to each total. (These are apart, in lists of one kind, to be vectors.)
#[inline(always)]
fn add_row<T: Float>(sums: &mut [f64], lost: &mut [f64], row: &[T]) {
    assert!(sums.len() == row.len() && lost.len() == row.len());
    for k in 0..row.len() {
        let mut total = Total { sum: sums[k], lost: lost[k] };
        total.add_block(row[k]);
        (sums[k], lost[k]) = (total.sum, total.lost);
    }
}
