//! The best element of rows, and where it is.

use super::body::{Body, Operands, Plain, operand};
use super::float::Float;
use super::fold::{Best, Beyond, Fold, STRIDE, better, nan};
use super::rows::{close, fold_shorts, rows_and_one};
use crate::lane::Register;

/// The best element of such rows.
pub(super) struct BlockExtremes<const MAX: bool>;

impl<T: Float, const MAX: bool> Body<T> for BlockExtremes<MAX> {
    #[inline(always)]
    unsafe fn run<R: Register<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, as the module states it.
        let (row, out, x) = unsafe { rows_and_one::<T, T>(n, out, operands) };
        if row <= STRIDE {
            return fold_shorts::<T, Best<MAX>>(out, x, row);
        }
        for (out, row) in out.iter_mut().zip(x.chunks_exact(row)) {
            // SAFETY: the caller's promise: the level's registers.
            *out = unsafe { extreme_of::<R, T, MAX>(row) };
        }
    }
}

/// The best element of a row; NaN if there is one.
///
/// # Safety
/// The CPU can run the register's level, and the caller has its instructions.
#[inline(always)]
unsafe fn extreme_of<R: Register<Elem = T>, T: Float, const MAX: bool>(row: &[T]) -> T {
    const MOST: usize = 8;
    let registers = STRIDE / R::LANES;
    assert!(registers <= MOST);
    let first: T = Beyond::<MAX>::first();
    let first = R::lit(first.to_f64());
    // NaNs are kept apart: so the comparison is one instruction.
    let (mut held, mut nans) = ([first; MOST], [R::lit(0.0); MOST]);
    let (whole, rest) = row.as_chunks::<STRIDE>();
    for chunk in whole {
        for p in 0..registers {
            // SAFETY: the chunk has as many elements as the registers.
            let x = unsafe { R::load(chunk.as_ptr().add(p * R::LANES)) };
            let is_beyond = if MAX { held[p].lt(x) } else { x.lt(held[p]) };
            held[p] = R::select(is_beyond, x, held[p]);
            nans[p] = R::select(x.eq(x), nans[p], x);
        }
    }
    let mut all = [[T::default(); STRIDE]; 2];
    for (all, registers_) in all.iter_mut().zip([held, nans]) {
        for p in 0..registers {
            // SAFETY: as above.
            unsafe { registers_[p].store(all.as_mut_ptr().add(p * R::LANES)) };
        }
    }
    let [mut held, nans] = all;
    for (held, &x) in held.iter_mut().zip(rest) {
        *held = better::<T, MAX>(*held, x);
    }
    let best = close::<T, Best<MAX>, STRIDE>(held);
    T::from_bits(nans.into_iter().fold(best.bits(), |bits, x| bits | nan(x)))
}

/// Where the first element of a row is that is the same as one of its own, as i64: the second operand
/// tells it for each row. NaN is the same as NaN.
pub(super) struct FindRows;

impl<T: Float> Plain<T> for FindRows {
    #[inline(always)]
    unsafe fn run(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, as the module and the struct state it, with one i64 a row.
        let ((row, out, x), sought): (_, &[T]) =
            unsafe { (rows_and_one::<T, i64>(n, out, operands), operand(operands, 1, n)) };
        for ((out, row), &sought) in out.iter_mut().zip(x.chunks_exact(row)).zip(sought) {
            #[allow(clippy::eq_op)] // a number that is not itself is NaN
            let first = match sought == sought {
                true => first_place(row, |x| x == sought),
                false => first_place(row, |x| x != x),
            };
            *out = first as i64;
        }
    }
}

/// The place of the first element that is sought, in a row that has one.
#[inline(always)]
fn first_place<T: Copy>(row: &[T], is_sought: impl Fn(T) -> bool) -> usize {
    // Blocks without a branch, smaller ones, and then the place in the last one.
    const BLOCK: usize = 4 * STRIDE;
    let blocks = row.as_chunks::<BLOCK>().0;
    let holds = |block: &[T; BLOCK]| block.iter().fold(false, |any, &x| any | is_sought(x));
    let mut start = blocks.iter().position(holds).unwrap_or(blocks.len()) * BLOCK;
    for window in row[start..].as_chunks::<STRIDE>().0 {
        if window.iter().fold(false, |any, &x| any | is_sought(x)) {
            break;
        }
        start += STRIDE;
    }
    start + row[start..].iter().position(|&x| is_sought(x)).unwrap_or(0)
}
