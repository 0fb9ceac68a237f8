//! The numbers that programs compute with.

/// The same numbers in each library and run, equally likely from `low` to `high`.
pub(crate) fn numbers(seed: u64, count: usize, low: f32, high: f32) -> Vec<f32> {
    let mut next = uniform(seed);
    std::iter::repeat_with(|| low + (high - low) * next()).take(count).collect()
}

/// As [`numbers`], as f64.
pub(crate) fn wide_numbers(seed: u64, count: usize, low: f32, high: f32) -> Vec<f64> {
    numbers(seed, count, low, high).into_iter().map(f64::from).collect()
}

/// Whole numbers below `classes`.
pub(crate) fn labels(seed: u64, count: usize, classes: usize) -> Vec<i64> {
    let pick = |x: f32| (x as i64).min(classes as i64 - 1);
    numbers(seed, count, 0.0, classes as f32).into_iter().map(pick).collect()
}

/// From 0 up to 1, by splitmix64.
pub(crate) fn uniform(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 24) as f32
    }
}
