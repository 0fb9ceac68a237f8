//! Where the best element is, of rows and of columns.

use super::body::{Operands, Scratch};
use super::columns::Sign;
use super::float::Float;
use super::made::Made;
use super::parts::Parts;
use super::rows::rows_and_one;
use super::whole::reduce_rows;
use crate::node::{Extreme, Reduction, Ties};

/// Where the first extreme of a row is, as i64; the first NaN if there is one.
pub(super) struct ArgRows<const MAX: bool>;

impl<T: Float, const MAX: bool> Made<T> for ArgRows<MAX> {
    unsafe fn run(parts: &Parts, n: usize, out: *mut u8, operands: &Operands) {
        const AT_ONCE: usize = 256;
        let mut best = Scratch::<AT_ONCE>::new();
        // SAFETY: written before it is read; the rest is the caller's promise, as the module of rows
        // states it, with one i64 a row.
        let (best, (row, out, x)) =
            unsafe { (best.list::<T>(AT_ONCE), rows_and_one::<T, i64>(n, out, operands)) };
        let which = if MAX { Extreme::Max } else { Extreme::Min };
        let extreme = Reduction::Extreme(which, Ties::Even);
        for (first, out) in (0..n).step_by(AT_ONCE).zip(out.chunks_mut(AT_ONCE)) {
            let x = &x[first * row..][..out.len() * row];
            let best = &mut best[..out.len()];
            reduce_rows(parts.block(extreme), extreme, row, best, x);
            let (x, best, count) = (x.as_ptr().cast(), best.as_ptr().cast(), out.len());
            // SAFETY: whole rows, the best of each, and as many results.
            unsafe {
                let out = out.as_mut_ptr().cast();
                (parts.find_rows)(count, out, x, best, x, (&raw const row).cast());
            }
        }
    }
}

/// In which line the first extreme of a column is, as i64; the first NaN if there is one.
pub(super) struct ArgColumns<const MAX: bool>;

impl<T: Float, const MAX: bool> Made<T> for ArgColumns<MAX> {
    unsafe fn run(parts: &Parts, n: usize, out: *mut u8, operands: &Operands) {
        let sign = if MAX { Sign::<T>::PLUS } else { Sign::<T>::MINUS };
        let [x, ..] = *operands;
        // SAFETY: the caller's promise, as the module states it; the kernel wants the sign beside the
        // lengths.
        unsafe {
            let [lines, stride] = operands[3].cast::<[usize; 2]>().read();
            let lengths = [lines, stride, sign];
            (parts.find_columns)(n, out, x, x, x, lengths.as_ptr().cast());
        }
    }
}
