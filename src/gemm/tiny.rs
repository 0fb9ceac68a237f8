//! Batches of products that are smaller than a tile, such as rotations of points: entry by entry, in
//! plain loops whose lengths the compiler knows. The order of additions is that of the other ways.

use super::Factor;
use super::matrix::Matrix;
use super::product::Sizes;
use crate::level::Level;

/// The longest axis.
const TINY: usize = 4;

/// Entries that lie at equal distances.
pub(crate) struct Entries<T> {
    pub(crate) count: usize,
    pub(crate) a: Matrix<T>,
    pub(crate) b: Matrix<T>,
    /// The results, which are dense.
    pub(crate) c: *mut T,
    /// From entry to entry.
    pub(crate) a_step: isize,
    pub(crate) b_step: isize,
}

impl Sizes {
    /// Whether products are computed in this way, if there are several of them.
    pub(crate) fn is_tiny(self) -> bool {
        [self.m, self.k, self.n].iter().all(|len| (1..=TINY).contains(len))
    }
}

impl<T: Factor> Entries<T> {
    /// Computes all of them.
    ///
    /// # Safety
    /// - The sizes are tiny.
    /// - At their strides and steps, the factors of all entries are valid for reading, and `c` for
    ///   writing m x n elements an entry, which overlap neither.
    /// - The CPU can run the level.
    pub(crate) unsafe fn run(&self, level: Level, sizes: Sizes) {
        // SAFETY: the caller's promise; the levels above the baseline have FMA.
        unsafe {
            match level {
                Level::Baseline => all::<T, false>(self, sizes),
                #[cfg(target_arch = "x86_64")]
                _ => with_fma(self, sizes),
                #[cfg(not(target_arch = "x86_64"))]
                _ => all::<T, false>(self, sizes),
            }
        }
    }
}

/// # Safety
/// As for [`Entries::run`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn with_fma<T: Factor>(entries: &Entries<T>, sizes: Sizes) {
    // SAFETY: the caller's promise.
    unsafe { all::<T, true>(entries, sizes) }
}

/// # Safety
/// As for [`Entries::run`].
#[inline(always)]
unsafe fn all<T: Factor, const FUSED: bool>(entries: &Entries<T>, Sizes { m, k, n }: Sizes) {
    macro_rules! by_size {
        ($($k:literal: $($n:literal)*;)*) => {
            // SAFETY: the caller's promise.
            unsafe {
                match (k, n) {
                    $($(($k, $n) => each::<T, FUSED, $k, $n>(entries, m),)*)*
                    _ => unreachable!("no tiny sizes"),
                }
            }
        };
    }
    by_size! { 1: 1 2 3 4; 2: 1 2 3 4; 3: 1 2 3 4; 4: 1 2 3 4; }
}

/// # Safety
/// As for [`Entries::run`], with these sizes.
#[inline(always)]
unsafe fn each<T: Factor, const FUSED: bool, const K: usize, const N: usize>(
    entries: &Entries<T>,
    m: usize,
) {
    let &Entries { count, a, b, c, a_step, b_step } = entries;
    for i in 0..count {
        let (a_at, b_at) = (i as isize * a_step, i as isize * b_step);
        // SAFETY: the caller's promise, for entry `i`.
        let read = |matrix: Matrix<T>, at: isize, row: usize, column: usize| unsafe {
            let place = row as isize * matrix.row_stride + column as isize * matrix.column_stride;
            *matrix.start.offset(at + place)
        };
        let right: [[T; N]; K] =
            std::array::from_fn(|l| std::array::from_fn(|j| read(b, b_at, l, j)));
        for row in 0..m {
            let left: [T; K] = std::array::from_fn(|l| read(a, a_at, row, l));
            let mut out = [T::default(); N];
            if m == 1 || N == 1 {
                // As in `line`: a sum for each index, which are added in pairs.
                for j in 0..N {
                    let mut sums = [T::default(); 4];
                    for l in 0..K {
                        sums[l] = sums[l].plus_product::<FUSED>(left[l], right[l][j]);
                    }
                    out[j] = sums[0].plus(sums[2]).plus(sums[1].plus(sums[3]));
                }
            } else {
                for l in 0..K {
                    for j in 0..N {
                        out[j] = out[j].plus_product::<FUSED>(left[l], right[l][j]);
                    }
                }
            }
            // SAFETY: the caller's promise, for a row of the result.
            unsafe { c.add((i * m + row) * N).cast::<[T; N]>().write(out) };
        }
    }
}
