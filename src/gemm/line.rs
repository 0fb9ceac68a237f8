//! A matrix by a vector. There is nothing to keep in registers but sums, so what counts is to go
//! through the matrix once, in the order in which it lies in memory, and to have sums enough to
//! hide the latency of the additions: sixteen for each element of the result.

use std::ops::Range;

use super::matrix::Matrix;
use crate::kernel::{Float, Total};
use crate::lane::Register;

/// Sums of one element of the result: index l of the inner axis goes to sum l % 16.
const SUMS: usize = 16;

/// Registers that hold as many, at most.
const MOST: usize = 4;

/// Length of a block of the inner axis, each of which is summed up by itself. The blocks go on in f64.
pub(super) const BLOCK: usize = crate::kernel::SUM_BLOCK;

/// Rows whose blocks go on at once.
pub(super) const CHUNK: usize = 512;

/// Rows that `by_rows` multiplies at once.
const ROWS: usize = 4;

/// Rows, in registers, and sums that `by_columns` has in registers at once.
const REGISTERS: usize = 4;
const AT_ONCE: usize = 4;

/// out = a x, for some of the rows.
///
/// # Safety
/// `a` is valid for reading those rows of `k` elements, `x` for `k` elements at its stride, `out`
/// for writing at those rows; `work`, aligned for `Total`, for writing `BLOCK` elements and, if there
/// is more than one block, `CHUNK` totals. The CPU can run the vector's
/// level, and the caller has its instructions.
#[inline(always)]
pub(super) unsafe fn multiply<R: Register<Elem = T>, T: Float>(
    a: Matrix<T>,
    (x, x_stride): (*const T, isize),
    k: usize,
    rows: Range<usize>,
    out: *mut T,
    work: *mut T,
) {
    for first in rows.clone().step_by(CHUNK) {
        let count = if k > BLOCK { CHUNK.min(rows.end - first) } else { rows.len() };
        // SAFETY: the caller's promise: memory for these, behind that for a block of `x`.
        let totals: &mut [Total] = unsafe {
            if k > BLOCK {
                std::slice::from_raw_parts_mut(work.add(BLOCK).cast(), count)
            } else {
                &mut []
            }
        };
        totals.fill(Total::default());
        let out = out.wrapping_add(first);
        for start in (0..k).step_by(BLOCK) {
            let len = BLOCK.min(k - start);
            // SAFETY: the caller's promise, for a block of the inner axis.
            unsafe {
                let mut x = x.offset(start as isize * x_stride);
                if x_stride != 1 {
                    (0..len).for_each(|l| work.add(l).write(*x.offset(l as isize * x_stride)));
                    x = work;
                }
                let block = a.at(first, start);
                if block.row_stride == 1 && block.column_stride != 1 {
                    by_columns::<R, T>(block, x, len, count, out);
                } else {
                    by_rows::<R, T>(block, x, len, count, out);
                }
                for (i, total) in totals.iter_mut().enumerate() {
                    total.add_block(*out.add(i));
                }
            }
        }
        for (i, total) in totals.iter().enumerate() {
            // SAFETY: a row of the result.
            unsafe { out.add(i).write(T::from_f64(total.value())) };
        }
        if k <= BLOCK {
            return;
        }
    }
}

/// Dense rows, or rows of any layout, slowly. The inner axis is continued by zeros to a multiple of
/// 16, which [`by_columns`] must do, too: adding zero turns a sum of -0 into 0.
///
/// # Safety
/// As for `multiply`, of one block.
#[inline(always)]
unsafe fn by_rows<R: Register<Elem = T>, T: Float>(
    a: Matrix<T>,
    x: *const T,
    k: usize,
    count: usize,
    out: *mut T,
) {
    let mut row = 0;
    // SAFETY: the caller's promise, for some of the rows.
    unsafe {
        while count - row >= ROWS {
            some_rows::<R, T, ROWS>(a.at(row, 0), x, k, out.add(row));
            row += ROWS;
        }
        while row < count {
            some_rows::<R, T, 1>(a.at(row, 0), x, k, out.add(row));
            row += 1;
        }
    }
}

/// # Safety
/// As for `multiply`, of one block and `ROWS` rows.
#[inline(always)]
unsafe fn some_rows<R: Register<Elem = T>, T: Float, const ROWS: usize>(
    a: Matrix<T>,
    x: *const T,
    k: usize,
    out: *mut T,
) {
    let is_dense = a.column_stride == 1;
    let whole = k - k % SUMS;
    // SAFETY: the rows exist, and so do the elements up to `k`; masks cover no others.
    unsafe {
        let starts: [*const T; ROWS] = std::array::from_fn(|i| a.at(i, 0).start);
        let registers = SUMS / R::LANES;
        let mut sums = [[R::lit(0.0); MOST]; ROWS];
        let mut l = 0;
        while is_dense && l < whole {
            for p in 0..registers {
                let x = R::load(x.add(l + p * R::LANES));
                for i in 0..ROWS {
                    let a = R::load(starts[i].add(l + p * R::LANES));
                    sums[i][p] = a.mul_add(x, sums[i][p]);
                }
            }
            l += SUMS;
        }
        if is_dense && l < k {
            for p in 0..registers {
                let mask = R::part((k - l).saturating_sub(p * R::LANES).min(R::LANES));
                let x = R::load_part(x.wrapping_add(l + p * R::LANES), mask);
                for i in 0..ROWS {
                    let a = R::load_part(starts[i].wrapping_add(l + p * R::LANES), mask);
                    sums[i][p] = a.mul_add(x, sums[i][p]);
                }
            }
        }
        while !is_dense && l < k {
            let len = SUMS.min(k - l);
            let (mut factor, mut row) = ([T::default(); SUMS], [T::default(); SUMS]);
            for s in 0..len {
                factor[s] = *x.add(l + s);
            }
            for i in 0..ROWS {
                for s in 0..len {
                    row[s] = *starts[i].offset((l + s) as isize * a.column_stride);
                }
                for p in 0..registers {
                    let (a, x) = (&row[p * R::LANES..], &factor[p * R::LANES..]);
                    let (a, x) = (R::load(a.as_ptr()), R::load(x.as_ptr()));
                    sums[i][p] = a.mul_add(x, sums[i][p]);
                }
            }
            l += len;
        }
        for i in 0..ROWS {
            // Sums a half apart are added, until one is left.
            let mut half = registers / 2;
            while half > 0 {
                for p in 0..half {
                    sums[i][p] = sums[i][p] + sums[i][p + half];
                }
                half /= 2;
            }
            out.add(i).write(sums[i][0].sum());
        }
    }
}

/// # Safety
/// As for `multiply`, of one block.
#[inline(always)]
unsafe fn by_columns<R: Register<Elem = T>, T: Float>(
    a: Matrix<T>,
    x: *const T,
    k: usize,
    count: usize,
    out: *mut T,
) {
    for first in (0..count).step_by(REGISTERS * R::LANES) {
        let rows = (REGISTERS * R::LANES).min(count - first);
        // SAFETY: rows that exist, or parts of registers that are masked.
        unsafe {
            let masks: [R::Part; REGISTERS] =
                std::array::from_fn(|j| R::part(rows.saturating_sub(j * R::LANES).min(R::LANES)));
            let is_whole = rows == REGISTERS * R::LANES;
            let mut all = [[R::lit(0.0); REGISTERS]; SUMS];
            for group in (0..SUMS).step_by(AT_ONCE) {
                let mut sums = [[R::lit(0.0); REGISTERS]; AT_ONCE];
                for start in (group..k).step_by(SUMS) {
                    for s in 0..AT_ONCE.min(k - start) {
                        let x = R::splat(x.add(start + s));
                        let from = a.at(first, start + s).start;
                        for j in 0..REGISTERS {
                            let from = from.wrapping_add(j * R::LANES);
                            let a =
                                if is_whole { R::load(from) } else { R::load_part(from, masks[j]) };
                            sums[s][j] = a.mul_add(x, sums[s][j]);
                        }
                    }
                }
                // Those beyond the end of the inner axis are continued by zeros.
                let last = k.next_multiple_of(SUMS) - SUMS;
                for s in 0..AT_ONCE {
                    for j in 0..REGISTERS {
                        if last + group + s >= k {
                            sums[s][j] = sums[s][j] + R::lit(0.0);
                        }
                    }
                }
                all[group..group + AT_ONCE].copy_from_slice(&sums);
            }
            for half in [8, 4, 2, 1] {
                for s in 0..half {
                    for j in 0..REGISTERS {
                        all[s][j] = all[s][j] + all[s + half][j];
                    }
                }
            }
            for j in 0..REGISTERS {
                let out = out.wrapping_add(first + j * R::LANES);
                all[0][j].store_part(out, masks[j]);
            }
        }
    }
}
