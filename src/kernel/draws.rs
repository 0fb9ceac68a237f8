//! Random numbers, a block of counters at a time: those of [`Stream`], one by one, from registers.

use super::body::{Levels, Operands, Plain, plain, result};
use crate::dtype::{DType, Element};
use crate::level::Level;
use crate::random::{BLOCK, Stream};

/// What is drawn: the numbers of a stream from one of them on.
pub(crate) struct Draws {
    pub(crate) stream: Stream,
    pub(crate) start: u64,
    /// Of a mask: with which probability an element is dropped.
    pub(crate) p: f64,
    pub(crate) level: Level,
}

impl Draws {
    /// Calls the kernel of masks: each of `out` is 0 with probability `p`, else 1 / (1 - p).
    pub(crate) fn mask<T: Element>(&self, out: &mut [std::mem::MaybeUninit<T>]) {
        static MASKS: [Levels; 2] = [plain::<Mask, f32>(), plain::<Mask, f64>()];
        let kernel = MASKS[usize::from(T::DTYPE == DType::F64)][self.level as usize];
        let draws: *const u8 = std::ptr::from_ref(self).cast();
        // SAFETY: as many elements of the type, and what the kernel reads.
        unsafe { kernel(out.len(), out.as_mut_ptr().cast(), draws, draws, draws, draws) };
    }

    /// Writes numbers in [0, 1).
    pub(crate) fn uniform(&self, out: &mut [f64]) {
        static UNIFORM: Levels = plain::<Uniform, f64>();
        let draws: *const u8 = std::ptr::from_ref(self).cast();
        let kernel = UNIFORM[self.level as usize];
        // SAFETY: as above.
        unsafe { kernel(out.len(), out.as_mut_ptr().cast(), draws, draws, draws, draws) };
    }

    /// Makes elements of 53 random bits each, a block at a time.
    #[inline(always)]
    fn each<T: Copy + Default, M: Make<T>>(&self, out: &mut [T], make: M) {
        let (mut pair, mut skipped) = (self.start / 2, (self.start % 2) as usize);
        let mut done = 0;
        while done < out.len() {
            let words = self.stream.words_block(pair, self.level);
            let count = (2 * BLOCK - skipped).min(out.len() - done);
            let to = &mut out[done..done + count];
            if let Ok(to) = <&mut [T; 2 * BLOCK]>::try_from(&mut *to) {
                for k in 0..2 * BLOCK {
                    to[k] = make.element(words[k] >> 11);
                }
            } else {
                for (k, to) in to.iter_mut().enumerate() {
                    *to = make.element(words[skipped + k] >> 11);
                }
            }
            (done, pair, skipped) = (done + count, pair + BLOCK as u64, 0);
        }
    }
}

/// An element of 53 random bits. A trait and no closure, as `Lanewise` is.
trait Make<T> {
    fn element(&self, bits: u64) -> T;
}

/// 2^53
const BITS: f64 = (1u64 << 53) as f64;

struct Below<T> {
    bound: u64,
    kept: T,
}

impl<T: Element> Make<T> for Below<T> {
    #[inline(always)]
    fn element(&self, bits: u64) -> T {
        // (Both are below 2^63, and vectors of signed integers are compared more easily.)
        if (bits as i64) < self.bound as i64 { T::default() } else { self.kept }
    }
}

struct Mask;

impl<T: Element> Plain<T> for Mask {
    #[inline(always)]
    unsafe fn run(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, with `Draws` as the operand.
        let (out, draws): (&mut [T], &Draws) =
            unsafe { (result(out, n), &*operands[0].cast::<Draws>()) };
        // A multiple of 2^-53 is below p where its count is below p 2^53, which is exact.
        let bound = (draws.p * BITS).ceil() as u64;
        draws.each(out, Below { bound, kept: T::from_f64(1.0 / (1.0 - draws.p)) });
    }
}

struct Share;

impl Make<f64> for Share {
    #[inline(always)]
    fn element(&self, bits: u64) -> f64 {
        // Halves that vectors convert at every level; the sum is exact.
        let high = f64::from_bits((bits >> 32) | (1075 + 32) << 52) - (1u64 << 32) as f64 * MIDDLE;
        let low = f64::from_bits((bits & 0xffff_ffff) | 1075 << 52) - MIDDLE;
        (high + low) * (1.0 / BITS)
    }
}

/// 2^52: the numbers from here on have their integers in the last bits.
const MIDDLE: f64 = (1u64 << 52) as f64;

struct Uniform;

impl Plain<f64> for Uniform {
    #[inline(always)]
    unsafe fn run(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: as above.
        let (out, draws): (&mut [f64], &Draws) =
            unsafe { (result(out, n), &*operands[0].cast::<Draws>()) };
        draws.each(out, Share);
    }
}
