//! Batches of products that are smaller than a tile, such as rotations of points: entry by entry, in
//! plain loops whose lengths the compiler knows. The order of additions is that of the other ways.

use super::matrix::Matrix;
use super::product::Sizes;
use crate::kernel::Float;
use crate::lane::{Register, Work, by_level};
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

impl<T: Float> Entries<T> {
    /// Computes all of them.
    ///
    /// # Safety
    /// - The sizes are tiny.
    /// - At their strides and steps, the factors of all entries are valid for reading, and `c` for
    ///   writing m x n elements an entry, which overlap neither.
    /// - The CPU can run the level.
    pub(crate) unsafe fn run(&self, level: Level, sizes: Sizes) {
        // (What v4 has besides is of no use here.)
        // SAFETY: the caller's promise.
        unsafe { all_at::<T>(level.min(Level::V3))(self, sizes) }
    }
}

/// # Safety
/// As for [`Entries::run`].
type Run<T> = unsafe fn(&Entries<T>, Sizes);

struct All<'a, T> {
    entries: &'a Entries<T>,
    sizes: Sizes,
}

impl<T: Float> Work<T> for All<'_, T> {
    #[inline(always)]
    unsafe fn on<R: Register<Elem = T>>(self) {
        let Self { entries, sizes: Sizes { m, k, n } } = self;
        macro_rules! by_size {
            ($($k:literal: $($n:literal)*;)*) => {
                // SAFETY: the caller's promise.
                unsafe {
                    match (k, n) {
                        $($(($k, $n) => each::<R, T, $k, $n>(entries, m),)*)*
                        _ => unreachable!("no tiny sizes"),
                    }
                }
            };
        }
        by_size! { 1: 1 2 3 4; 2: 1 2 3 4; 3: 1 2 3 4; 4: 1 2 3 4; }
    }
}

by_level! {
    /// All entries at a level.
    all_at [T: Float] [T]
    Run<T> = (entries: &Entries<T>, sizes: Sizes) on T => All { entries, sizes }
}

/// # Safety
/// As for [`Entries::run`], with these sizes.
#[inline(always)]
unsafe fn each<R: Register<Elem = T>, T: Float, const K: usize, const N: usize>(
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
        let (mut left, mut right) = ([T::default(); K], [[T::default(); N]; K]);
        for l in 0..K {
            for j in 0..N {
                right[l][j] = read(b, b_at, l, j);
            }
        }
        for row in 0..m {
            for l in 0..K {
                left[l] = read(a, a_at, row, l);
            }
            let mut out = [T::default(); N];
            if m == 1 || N == 1 {
                // As in `line`: a sum for each index, which are added in pairs.
                for j in 0..N {
                    let mut sums = [T::default(); 4];
                    for l in 0..K {
                        sums[l] = plus_product::<R, T>(sums[l], left[l], right[l][j]);
                    }
                    out[j] = sums[0].plus(sums[2]).plus(sums[1].plus(sums[3]));
                }
            } else {
                for l in 0..K {
                    for j in 0..N {
                        out[j] = plus_product::<R, T>(out[j], left[l], right[l][j]);
                    }
                }
            }
            // SAFETY: the caller's promise, for a row of the result.
            unsafe { c.add((i * m + row) * N).cast::<[T; N]>().write(out) };
        }
    }
}

/// sum + a b: rounded once if the level has FMA.
#[inline(always)]
fn plus_product<R: Register<Elem = T>, T: Float>(sum: T, a: T, b: T) -> T {
    if R::FMA { a.times_plus(b, sum) } else { sum.plus(a.times(b)) }
}
