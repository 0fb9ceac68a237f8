//! One number a row, repeated along it.

use super::body::{Kernel, Levels, Operands, Plain, operand, plain, result};
use super::fold::STRIDE;
use super::rows::row_of;
use crate::level::Level;

/// Repeats each of `n` elements along a row. Operands: the elements; the length of a row.
pub(super) struct SpreadRows;

impl<T: Copy> Plain<T> for SpreadRows {
    #[inline(always)]
    unsafe fn run(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, as the struct states it.
        let (out, x): (&mut [T], &[T]) = unsafe {
            let row = row_of(operands);
            (result(out, n * row), operand(operands, 0, n))
        };
        spread_rows(out, x);
    }
}

#[inline(always)]
pub(super) fn spread_rows<T: Copy>(out: &mut [T], x: &[T]) {
    let row = out.len().checked_div(x.len()).unwrap_or(0);
    match row {
        0 => {}
        1 => out.copy_from_slice(x),
        2 => spread_short::<T, 2>(out, x, row),
        3..=4 => spread_short::<T, 4>(out, x, row),
        5..=8 => spread_short::<T, 8>(out, x, row),
        9..=STRIDE => spread_short::<T, STRIDE>(out, x, row),
        _ => {
            for (out, &x) in out.chunks_exact_mut(row).zip(x) {
                for window in out.as_chunks_mut::<STRIDE>().0 {
                    *window = [x; STRIDE];
                }
                if let Some(last) = out.last_chunk_mut::<STRIDE>() {
                    *last = [x; STRIDE];
                }
            }
        }
    }
}

/// Writes a window of `P` elements at each row; what is too much is written over by the next one.
#[inline(always)]
fn spread_short<T: Copy, const P: usize>(out: &mut [T], x: &[T], row: usize) {
    let whole = if out.len() < P { 0 } else { ((out.len() - P) / row + 1).min(x.len()) };
    for r in 0..whole {
        // SAFETY: r * row + P is no more than the length.
        unsafe { out.as_mut_ptr().add(r * row).cast::<[T; P]>().write([x[r]; P]) };
    }
    for r in whole..x.len() {
        out[r * row..][..row].fill(x[r]);
    }
}

/// Repeats each of `n` elements of so many bytes along a row; called as kernels of rows are.
pub(crate) fn spread(size: usize, level: Level) -> Kernel {
    static SPREAD: [Levels; 3] =
        [plain::<SpreadRows, u8>(), plain::<SpreadRows, u32>(), plain::<SpreadRows, u64>()];
    let kernels = match size {
        1 => &SPREAD[0],
        4 => &SPREAD[1],
        _ => &SPREAD[2],
    };
    kernels[level as usize]
}
