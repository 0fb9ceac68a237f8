//! Reductions of rows of any length, by blocks.

use super::body::{Kernel, Operands, Scratch};
use super::float::{Float, power_of_two};
use super::fold::{SUM_BLOCK, better};
use super::made::Made;
use super::parts::Parts;
use super::rows::{call_rows, rows_and_one};
use super::total::Total;
use crate::node::{Extreme, Reduction, Ties};

/// Reduces rows of any length, by blocks. Their sums go on in f64 with the lost low part carried
/// along, so the error does not grow with the length of a row.
pub(super) struct WholeRows<const REDUCTION: usize>;

impl<T: Float, const REDUCTION: usize> Made<T> for WholeRows<REDUCTION> {
    unsafe fn run(parts: &Parts, n: usize, out: *mut u8, operands: &Operands) {
        let reduction = WHOLE[REDUCTION];
        // SAFETY: the caller's promise, as the module states it.
        let (row, out, x) = unsafe { rows_and_one::<T, T>(n, out, operands) };
        reduce_rows(parts.block(reduction), reduction, row, out, x);
    }
}

pub(super) fn reduce_rows<T: Float>(
    block: Kernel,
    reduction: Reduction,
    row: usize,
    out: &mut [T],
    x: &[T],
) {
    let blocks = |out: &mut [T], x: &[T], row: usize| {
        assert!(out.len() * row == x.len());
        // SAFETY: whole rows, and as many results.
        unsafe { call_rows(block, out.len(), row, out.as_mut_ptr().cast(), x.as_ptr().cast()) };
    };
    let is_extreme = matches!(reduction, Reduction::Extreme(..));
    if row <= SUM_BLOCK {
        // One block: it is what there is to a row.
        blocks(out, x, row);
        if !matches!(reduction, Reduction::Mean | Reduction::Norm) {
            return;
        }
        for y in &mut *out {
            *y = finish(reduction, y.to_f64(), row, 1.0);
        }
    }
    let mut scaled = Scratch::<SUM_BLOCK>::new();
    for (k, y) in out.iter_mut().enumerate() {
        let x = &x[k * row..][..row];
        let mut total_of = |scale: f64| {
            let mut total = Total::default();
            for block in x.chunks(SUM_BLOCK) {
                let mut one = [T::default()];
                if scale == 1.0 {
                    blocks(&mut one, block, block.len());
                } else {
                    // SAFETY: written at once.
                    let scaled = unsafe { scaled.list::<T>(block.len()) };
                    let scale = T::from_f64(scale);
                    scaled.iter_mut().zip(block).for_each(|(y, &x)| *y = x.times(scale));
                    blocks(&mut one, scaled, block.len());
                }
                total.add(one[0].to_f64());
            }
            total.value()
        };
        if is_extreme {
            for (b, part) in x.chunks(SUM_BLOCK).enumerate() {
                let mut one = [T::default()];
                blocks(&mut one, part, part.len());
                *y = match reduction {
                    _ if b == 0 => one[0],
                    Reduction::Extreme(Extreme::Min, _) => better::<T, false>(*y, one[0]),
                    _ => better::<T, true>(*y, one[0]),
                };
            }
            continue;
        }
        if row > SUM_BLOCK {
            *y = finish(reduction, total_of(1.0), row, 1.0);
        }
        if let Some(scale) = rescue(reduction, *y) {
            *y = finish(reduction, total_of(scale), row, scale);
        }
    }
}

/// What [`WholeRows`] makes.
pub(super) const WHOLE: [Reduction; 5] = [
    Reduction::Sum,
    Reduction::Mean,
    Reduction::Norm,
    Reduction::Extreme(Extreme::Max, Ties::Even),
    Reduction::Extreme(Extreme::Min, Ties::Even),
];

/// By what the elements have to be multiplied to get a result that is right, after one that left the
/// range of its type on the way: `None` if it did not.
#[inline(always)]
pub(crate) fn rescue<T: Float>(reduction: Reduction, result: T) -> Option<f64> {
    let result = result.to_f64();
    match reduction {
        // More than the number of elements, which is all by which a sum exceeds the largest of them.
        Reduction::Mean if !result.is_finite() => Some(power_of_two(-64)),
        Reduction::Norm if result == f64::INFINITY => Some(T::DOWN),
        Reduction::Norm if result < T::TINY => Some(T::UP),
        _ => None,
    }
}

/// What a reduction makes of the sum of `count` terms, whose elements were multiplied by `scale`.
#[inline(always)]
pub(crate) fn finish<T: Float>(reduction: Reduction, total: f64, count: usize, scale: f64) -> T {
    match reduction {
        Reduction::Mean if scale == 1.0 => T::from_f64(total / count as f64),
        // A mean is not beyond the largest number, but may be by rounding.
        Reduction::Mean if total.is_finite() => {
            let largest = T::DTYPE.largest();
            T::from_f64((total / count as f64 / scale).clamp(-largest, largest))
        }
        Reduction::Norm => T::from_f64(total.sqrt() / scale),
        _ => T::from_f64(total),
    }
}
