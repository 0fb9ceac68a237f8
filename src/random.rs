//! Random numbers by counting: number `i` of a stream is a function of (seed, stream, i), so it
//! can be made again, in any order and on any thread.
//!
//! Philox4x32-10 of J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as
//! 1, 2, 3", SC 2011; it passes BigCrush and is the generator of several array libraries.

use crate::level::Level;

/// Four random words for a counter.
#[cfg(test)]
fn philox(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let ([mut a, mut b, mut c, mut d], [mut k, mut l]) = (counter, key);
    for _ in 0..10 {
        let (low, high) = (u64::from(a) * 0xD251_1F53, u64::from(c) * 0xCD9E_8D57);
        (a, b, c, d) =
            ((high >> 32) as u32 ^ b ^ k, high as u32, (low >> 32) as u32 ^ d ^ l, low as u32);
        k = k.wrapping_add(0x9E37_79B9);
        l = l.wrapping_add(0xBB67_AE85);
    }
    [a, b, c, d]
}

/// Counters that are taken at a time.
pub(crate) const BLOCK: usize = 8;

const LOW: u64 = 0xffff_ffff;

/// The state of as many counters: words of 32 bits, but in lanes of 64, which is how vectors multiply.
struct Counters {
    a: [u64; BLOCK],
    b: [u64; BLOCK],
    c: [u64; BLOCK],
    d: [u64; BLOCK],
    key: [u32; 2],
}

impl Counters {
    /// One round of [`philox`].
    #[inline(always)]
    fn round(self) -> Self {
        let Self { mut a, mut b, mut c, mut d, key: [k, l] } = self;
        for i in 0..BLOCK {
            let (low, high) = (a[i] * 0xD251_1F53, c[i] * 0xCD9E_8D57);
            (a[i], b[i]) = ((high >> 32) ^ b[i] ^ u64::from(k), high & LOW);
            (c[i], d[i]) = ((low >> 32) ^ d[i] ^ u64::from(l), low & LOW);
        }
        Self { a, b, c, d, key: [k.wrapping_add(0x9E37_79B9), l.wrapping_add(0xBB67_AE85)] }
    }
}

/// A sequence of random numbers.
#[derive(Clone, Copy)]
pub(crate) struct Stream {
    seed: u64,
    /// The high half of the counter: streams of one seed do not overlap.
    stream: u64,
}

impl Stream {
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        Self { seed, stream }
    }

    /// Two random words.
    #[cfg(test)]
    fn words(self, i: u64) -> [u64; 2] {
        let counter = [i as u32, (i >> 32) as u32, self.stream as u32, (self.stream >> 32) as u32];
        let [a, b, c, d] = philox(counter, [self.seed as u32, (self.seed >> 32) as u32]);
        [u64::from(a) << 32 | u64::from(b), u64::from(c) << 32 | u64::from(d)]
    }

    /// The words of `BLOCK` counters from `first` on, as `words` gives them, side by side.
    #[inline(always)]
    pub(crate) fn words_block(self, first: u64, level: Level) -> [u64; 2 * BLOCK] {
        #[cfg(target_arch = "x86_64")]
        if level >= Level::V3 {
            // SAFETY: the level has AVX2.
            return unsafe { self.words_block_v3(first) };
        }
        let _ = level;
        self.words_block_baseline(first)
    }

    fn words_block_baseline(self, first: u64) -> [u64; 2 * BLOCK] {
        let counter = std::array::from_fn(|i| first.wrapping_add(i as u64));
        let state = Counters {
            a: counter.map(|counter| counter & LOW),
            b: counter.map(|counter| counter >> 32),
            c: [self.stream & LOW; BLOCK],
            d: [self.stream >> 32; BLOCK],
            key: [self.seed as u32, (self.seed >> 32) as u32],
        };
        // Written out: from one turn of a loop to the next, LLVM would forget how small the numbers are.
        let state = state.round().round().round().round().round();
        let Counters { a, b, c, d, .. } = state.round().round().round().round().round();
        let mut words = [0; 2 * BLOCK];
        for i in 0..BLOCK {
            words[2 * i] = a[i] << 32 | b[i];
            words[2 * i + 1] = c[i] << 32 | d[i];
        }
        words
    }

    /// The same. In explicit registers: whether LLVM finds the multiplications of 32 bits changes with
    /// what stands around them, and without them this takes five times as long.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn words_block_v3(self, first: u64) -> [u64; 2 * BLOCK] {
        use std::arch::x86_64::*;
        let all = |x: u64| _mm256_set1_epi64x(x as i64);
        // Words of 32 bits in lanes of 64, whose upper halves are anything until the end.
        let counters = [[0, 1, 2, 3], [4, 5, 6, 7]];
        let counters = counters
            .map(|[i, j, k, l]| _mm256_add_epi64(all(first), _mm256_setr_epi64x(i, j, k, l)));
        let mut a = counters;
        let mut b = counters.map(|counter| _mm256_srli_epi64::<32>(counter));
        let mut c = [all(self.stream); 2];
        let mut d = [all(self.stream >> 32); 2];
        let [mut k, mut l] = [self.seed as u32, (self.seed >> 32) as u32];
        for _ in 0..10 {
            for i in 0..2 {
                let low = _mm256_mul_epu32(a[i], all(0xD251_1F53));
                let high = _mm256_mul_epu32(c[i], all(0xCD9E_8D57));
                let [from_b, from_d] = [(b[i], k), (d[i], l)]
                    .map(|(word, key)| _mm256_xor_si256(word, all(key.into())));
                a[i] = _mm256_xor_si256(_mm256_srli_epi64::<32>(high), from_b);
                c[i] = _mm256_xor_si256(_mm256_srli_epi64::<32>(low), from_d);
                (b[i], d[i]) = (high, low);
            }
            k = k.wrapping_add(0x9E37_79B9);
            l = l.wrapping_add(0xBB67_AE85);
        }
        let mut words = [0; 2 * BLOCK];
        for i in 0..2 {
            let [first, second] = [(a[i], b[i]), (c[i], d[i])].map(|(high, low)| {
                _mm256_or_si256(_mm256_slli_epi64::<32>(high), _mm256_and_si256(low, all(LOW)))
            });
            let (even, odd) =
                (_mm256_unpacklo_epi64(first, second), _mm256_unpackhi_epi64(first, second));
            let pairs = [
                _mm256_permute2x128_si256::<0x20>(even, odd),
                _mm256_permute2x128_si256::<0x31>(even, odd),
            ];
            for (pair, to) in pairs.into_iter().zip(words[8 * i..].chunks_exact_mut(4)) {
                // SAFETY: four words of 64 bits.
                unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), pair) };
            }
        }
        words
    }

    /// The `i`-th pair of numbers in [0, 1), multiples of 2^-53.
    #[cfg(test)]
    pub(crate) fn uniform(self, i: u64) -> [f64; 2] {
        self.words(i).map(|word| (word >> 11) as f64 * (1.0 / (1u64 << 53) as f64))
    }

    /// A pair of independent standard normal numbers from one of equally likely ones, by the method of G. Box and
    /// M. Muller, "A note on the generation of random normal deviates", 1958.
    pub(crate) fn normal([u, v]: [f64; 2]) -> [f64; 2] {
        let (radius, angle) = ((-2.0 * libm::log(1.0 - u)).sqrt(), std::f64::consts::TAU * v);
        [radius * libm::cos(angle), radius * libm::sin(angle)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers of the Random123 distribution (kat_vectors, philox4x32 10).
    #[test]
    fn philox_gives_the_published_words() {
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(
            philox([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox(
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0]
            ),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn blocks_are_the_words_one_by_one() {
        for (seed, id) in [(0, 0), (7, 1), (u64::MAX, u64::MAX), (0x1234_5678_9abc_def0, 1 << 40)] {
            let stream = Stream::new(seed, id);
            for first in [0, 1, 1000, u64::from(u32::MAX) - 3, u64::MAX - 2] {
                let want = (0..BLOCK as u64).flat_map(|i| stream.words(first.wrapping_add(i)));
                let want: Vec<u64> = want.collect();
                for level in Level::ALL.into_iter().filter(|&level| level <= Level::detect()) {
                    assert_eq!(stream.words_block(first, level).to_vec(), want, "{level:?}");
                }
            }
        }
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let stream = Stream::new(7, 1);
        let n = 100_000u64;
        let moments = |draw: &dyn Fn(u64) -> [f64; 2]| {
            let all = (0..n).flat_map(draw);
            let (s, q) = all.fold((0.0, 0.0), |(s, q), x| (s + x, q + x * x));
            let mean = s / (2 * n) as f64;
            (mean, q / (2 * n) as f64 - mean * mean)
        };
        // Five standard errors of 200,000 draws.
        let (mean, var) = moments(&|i| stream.uniform(i));
        assert!((mean - 0.5).abs() < 0.0033 && (var - 1.0 / 12.0).abs() < 0.001, "{mean} {var}");
        let (mean, var) = moments(&|i| Stream::normal(stream.uniform(i)));
        assert!(mean.abs() < 0.0112 && (var - 1.0).abs() < 0.016, "{mean} {var}");
    }
}
