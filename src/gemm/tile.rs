//! The innermost loop: a tile of the result, held in registers while the inner axis goes by.

use super::vector::Vector;

/// What the tiles of one block have in common. Strides count elements.
pub(super) struct Job {
    /// Length of the block of the inner axis.
    pub(super) k: usize,
    /// From row to row, and from one index of the inner axis to the next.
    pub(super) a_row: isize,
    pub(super) a_step: isize,
    pub(super) b_step: isize,
    pub(super) c_row: usize,
    /// How many elements of a row's last register there are.
    pub(super) tail: usize,
    /// Whether the tile is added to what is there.
    pub(super) add: bool,
}

/// `kernel(job, a, b, c)`: c = a b or c += a b, for a tile of a fixed number of rows and registers.
///
/// # Safety
/// - At the job's strides, `a` is valid for reading a tile's rows, `c` for reading and writing its
///   rows of elements, `b` for reading `k` rows: only the elements before the tail's end if the
///   level loads parts, else whole registers.
/// - The CPU can run the kernel's level.
pub(super) type TileKernel<T> = unsafe fn(job: &Job, a: *const T, b: *const T, c: *mut T);

/// How many steps before its use B is asked for.
const AHEAD: isize = 12;

/// # Safety
/// As for [`TileKernel`], inside a function that has the vector's instructions.
#[inline(always)]
pub(super) unsafe fn tile<V: Vector, const H: usize, const W: usize>(
    job: &Job,
    mut a: *const V::T,
    mut b: *const V::T,
    c: *mut V::T,
) {
    // SAFETY: the caller's promise, row by row and step by step; pointers beyond the last step are
    // made by wrapping arithmetic, and not followed.
    unsafe {
        let mask = V::mask(job.tail);
        // Worth it only while something else is computed.
        for i in 0..if job.k >= 64 { H } else { 0 } {
            for j in 0..W {
                V::prefetch(c.wrapping_add(i * job.c_row + j * V::LANES));
            }
        }
        let mut sums = [[V::zero(); W]; H];
        for _ in 0..job.k {
            for j in 0..W {
                V::prefetch(b.wrapping_offset(AHEAD * job.b_step).wrapping_add(j * V::LANES));
            }
            let mut row = [V::zero(); W];
            for j in 0..W - 1 {
                row[j] = V::load(b.add(j * V::LANES));
            }
            let last = b.add((W - 1) * V::LANES);
            row[W - 1] = if V::LOADS_PARTS { V::load_part(last, mask) } else { V::load(last) };
            for i in 0..H {
                let x = V::splat(a.offset(i as isize * job.a_row));
                for j in 0..W {
                    sums[i][j] = sums[i][j].plus_product(x, row[j]);
                }
            }
            a = a.wrapping_offset(job.a_step);
            b = b.wrapping_offset(job.b_step);
        }
        for i in 0..H {
            let c = c.add(i * job.c_row);
            for j in 0..W {
                let c = c.add(j * V::LANES);
                let mut sum = sums[i][j];
                if j + 1 < W {
                    if job.add {
                        sum = V::load(c).plus(sum);
                    }
                    sum.store(c);
                } else {
                    if job.add {
                        sum = V::load_part(c, mask).plus(sum);
                    }
                    sum.store_part(c, mask);
                }
            }
        }
    }
}
