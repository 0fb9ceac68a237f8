//! A matrix by a vector. There is nothing to keep in registers but sums, so what counts is to go
//! through the matrix once, in the order in which it lies in memory, and to have sums enough to
//! hide the latency of the additions: sixteen for each element of the result.

use std::ops::Range;

use super::matrix::Matrix;
use super::vector::Vector;
use crate::dtype::Element;
use crate::kernel::Total;

/// Sums of one element of the result: index l of the inner axis goes to sum l % 16.
const SUMS: usize = 16;

/// Length of a block of the inner axis, each of which is summed up by itself. The blocks go on in f64.
pub(super) const BLOCK: usize = crate::kernel::SUM_BLOCK;

/// Rows whose blocks go on at once.
pub(super) const CHUNK: usize = 512;

/// Rows that `by_rows` multiplies at once.
const ROWS: usize = 4;

/// Rows, in registers, and sums that `by_columns` has in registers at once.
const REGISTERS: usize = 4;
const AT_ONCE: usize = 4;

/// out = a x, for some of the rows. `P` registers hold 16 elements.
///
/// # Safety
/// `a` is valid for reading those rows of `k` elements, `x` for `k` elements at its stride, `out`
/// for writing at those rows; `work`, aligned for `Total`, for writing `BLOCK` elements and, if there
/// is more than one block, `CHUNK` totals. The CPU can run the vector's
/// level, and the caller has its instructions.
#[inline(always)]
pub(super) unsafe fn multiply<V: Vector, const P: usize>(
    a: Matrix<V::T>,
    (x, x_stride): (*const V::T, isize),
    k: usize,
    rows: Range<usize>,
    out: *mut V::T,
    work: *mut V::T,
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
                    by_columns::<V>(block, x, len, count, out);
                } else {
                    by_rows::<V, P>(block, x, len, count, out);
                }
                for (i, total) in totals.iter_mut().enumerate() {
                    total.add_block(*out.add(i));
                }
            }
        }
        for (i, total) in totals.iter().enumerate() {
            // SAFETY: a row of the result.
            unsafe { out.add(i).write(V::T::from_f64(total.value())) };
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
unsafe fn by_rows<V: Vector, const P: usize>(
    a: Matrix<V::T>,
    x: *const V::T,
    k: usize,
    count: usize,
    out: *mut V::T,
) {
    let mut row = 0;
    // SAFETY: the caller's promise, for some of the rows.
    unsafe {
        while count - row >= ROWS {
            some_rows::<V, P, ROWS>(a.at(row, 0), x, k, out.add(row));
            row += ROWS;
        }
        while row < count {
            some_rows::<V, P, 1>(a.at(row, 0), x, k, out.add(row));
            row += 1;
        }
    }
}

/// # Safety
/// As for `multiply`, of one block and `R` rows.
#[inline(always)]
unsafe fn some_rows<V: Vector, const P: usize, const R: usize>(
    a: Matrix<V::T>,
    x: *const V::T,
    k: usize,
    out: *mut V::T,
) {
    let is_dense = a.column_stride == 1;
    let whole = k - k % SUMS;
    // SAFETY: the rows exist, and so do the elements up to `k`; masks cover no others.
    unsafe {
        let starts: [*const V::T; R] = std::array::from_fn(|i| a.at(i, 0).start);
        let mut sums = [[V::zero(); P]; R];
        let mut l = 0;
        while is_dense && l < whole {
            for p in 0..P {
                let x = V::load(x.add(l + p * V::LANES));
                for i in 0..R {
                    let a = V::load(starts[i].add(l + p * V::LANES));
                    sums[i][p] = sums[i][p].plus_product(a, x);
                }
            }
            l += SUMS;
        }
        if is_dense && l < k {
            for p in 0..P {
                let mask = V::mask((k - l).saturating_sub(p * V::LANES).min(V::LANES));
                let x = V::load_part(x.wrapping_add(l + p * V::LANES), mask);
                for i in 0..R {
                    let a = V::load_part(starts[i].wrapping_add(l + p * V::LANES), mask);
                    sums[i][p] = sums[i][p].plus_product(a, x);
                }
            }
        }
        while !is_dense && l < k {
            let len = SUMS.min(k - l);
            let (mut factor, mut row) = ([V::T::default(); SUMS], [V::T::default(); SUMS]);
            for s in 0..len {
                factor[s] = *x.add(l + s);
            }
            for i in 0..R {
                for s in 0..len {
                    row[s] = *starts[i].offset((l + s) as isize * a.column_stride);
                }
                for p in 0..P {
                    let (a, x) = (&row[p * V::LANES..], &factor[p * V::LANES..]);
                    let (a, x) = (V::load(a.as_ptr()), V::load(x.as_ptr()));
                    sums[i][p] = sums[i][p].plus_product(a, x);
                }
            }
            l += len;
        }
        for i in 0..R {
            // Sums a half apart are added, until one is left.
            let mut half = P / 2;
            while half > 0 {
                for p in 0..half {
                    sums[i][p] = sums[i][p].plus(sums[i][p + half]);
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
unsafe fn by_columns<V: Vector>(
    a: Matrix<V::T>,
    x: *const V::T,
    k: usize,
    count: usize,
    out: *mut V::T,
) {
    for first in (0..count).step_by(REGISTERS * V::LANES) {
        let rows = (REGISTERS * V::LANES).min(count - first);
        // SAFETY: rows that exist, or parts of registers that are masked.
        unsafe {
            let masks: [V::Mask; REGISTERS] =
                std::array::from_fn(|j| V::mask(rows.saturating_sub(j * V::LANES).min(V::LANES)));
            let is_whole = rows == REGISTERS * V::LANES;
            let mut all = [[V::zero(); REGISTERS]; SUMS];
            for group in (0..SUMS).step_by(AT_ONCE) {
                let mut sums = [[V::zero(); REGISTERS]; AT_ONCE];
                for start in (group..k).step_by(SUMS) {
                    for s in 0..AT_ONCE.min(k - start) {
                        let x = V::splat(x.add(start + s));
                        let from = a.at(first, start + s).start;
                        for j in 0..REGISTERS {
                            let from = from.wrapping_add(j * V::LANES);
                            let a =
                                if is_whole { V::load(from) } else { V::load_part(from, masks[j]) };
                            sums[s][j] = sums[s][j].plus_product(a, x);
                        }
                    }
                }
                // Those beyond the end of the inner axis are continued by zeros.
                let last = k.next_multiple_of(SUMS) - SUMS;
                for s in 0..AT_ONCE {
                    for j in 0..REGISTERS {
                        if last + group + s >= k {
                            sums[s][j] = sums[s][j].plus(V::zero());
                        }
                    }
                }
                all[group..group + AT_ONCE].copy_from_slice(&sums);
            }
            for half in [8, 4, 2, 1] {
                for s in 0..half {
                    for j in 0..REGISTERS {
                        all[s][j] = all[s][j].plus(all[s + half][j]);
                    }
                }
            }
            for j in 0..REGISTERS {
                let out = out.wrapping_add(first + j * V::LANES);
                all[0][j].store_part(out, masks[j]);
            }
        }
    }
}
