//! The innermost loop: a tile of the result, held in registers while the inner axis goes by.

use crate::kernel::Float;
use crate::lane::{Register, Work, by_level, prefetch};
use crate::level::Level;

/// What the tiles of one block have in common. Strides count elements.
pub(crate) struct Job {
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
pub(crate) type TileKernel<T> = unsafe fn(job: &Job, a: *const T, b: *const T, c: *mut T);

/// How many steps before its use B is asked for.
const AHEAD: isize = 12;

/// A call of a tile's kernel, `H` rows high and `W` registers wide.
struct Tile<'a, T, const H: usize, const W: usize> {
    job: &'a Job,
    a: *const T,
    b: *const T,
    c: *mut T,
}

by_level! {
    /// The kernel of a tile at a level.
    tile [T: Float, const H: usize, const W: usize] [T, H, W]
    TileKernel<T> = (job: &Job, a: *const T, b: *const T, c: *mut T)
    on T => Tile::<T, H, W> { job, a, b, c }
}

impl<T: Float, const H: usize, const W: usize> Work<T> for Tile<'_, T, H, W> {
    #[inline(always)]
    unsafe fn on<R: Register<Elem = T>>(self) {
        let Self { job, mut a, mut b, c } = self;
        // SAFETY: the caller's promise, row by row and step by step; pointers beyond the last step are
        // made by wrapping arithmetic, and not followed.
        unsafe {
            let mask = R::part(job.tail);
            // Worth it only while something else is computed.
            for i in 0..if job.k >= 64 { H } else { 0 } {
                for j in 0..W {
                    fetch::<R>(c.wrapping_add(i * job.c_row + j * R::LANES));
                }
            }
            let mut sums = [[R::lit(0.0); W]; H];
            for _ in 0..job.k {
                for j in 0..W {
                    fetch::<R>(b.wrapping_offset(AHEAD * job.b_step).wrapping_add(j * R::LANES));
                }
                let mut row = [R::lit(0.0); W];
                for j in 0..W - 1 {
                    row[j] = R::load(b.add(j * R::LANES));
                }
                let last = b.add((W - 1) * R::LANES);
                row[W - 1] = if R::LOADS_PARTS { R::load_part(last, mask) } else { R::load(last) };
                for i in 0..H {
                    let x = R::splat(a.offset(i as isize * job.a_row));
                    for j in 0..W {
                        sums[i][j] = x.mul_add(row[j], sums[i][j]);
                    }
                }
                a = a.wrapping_offset(job.a_step);
                b = b.wrapping_offset(job.b_step);
            }
            for i in 0..H {
                let c = c.add(i * job.c_row);
                for j in 0..W {
                    let c = c.add(j * R::LANES);
                    let mut sum = sums[i][j];
                    if j + 1 < W {
                        if job.add {
                            sum = R::load(c) + sum;
                        }
                        sum.store(c);
                    } else {
                        if job.add {
                            sum = R::load_part(c, mask) + sum;
                        }
                        sum.store_part(c, mask);
                    }
                }
            }
        }
    }
}

/// Has a cache line fetched, where the CPU is so fast that it counts.
#[inline(always)]
fn fetch<R: Register>(from: *const R::Elem) {
    if R::LEVEL > Level::Baseline {
        prefetch(from);
    }
}

/// The kernels of a level, by height and width (in registers), both less one.
pub(crate) type Tiles<T> = &'static [[TileKernel<T>; 2]];

/// A float type with products at every level.
pub(crate) trait Factor: Float {
    const TILES: [Tiles<Self>; Level::ALL.len()];
}

macro_rules! tiles {
    ($t:ty, $level:ident: $($height:literal)*) => {
        &[$([tile::<$t, $height, 1>(Level::$level), tile::<$t, $height, 2>(Level::$level)]),*]
    };
}

impl Factor for f32 {
    const TILES: [Tiles<f32>; Level::ALL.len()] = [
        tiles!(f32, Baseline: 1 2 3 4),
        tiles!(f32, V3: 1 2 3 4 5 6),
        tiles!(f32, V4: 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
    ];
}

impl Factor for f64 {
    const TILES: [Tiles<f64>; Level::ALL.len()] = [
        tiles!(f64, Baseline: 1 2 3),
        tiles!(f64, V3: 1 2 3 4 5 6),
        tiles!(f64, V4: 1 2 3 4 5 6 7 8 9 10 11 12 13 14),
    ];
}
