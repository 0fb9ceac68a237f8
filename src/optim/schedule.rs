//! Learning rates as functions of the step: numbers for an optimiser's options.
//!
//! There is no object that counts: the program knows its step, and a product of two schedules is one.
//!
//! ```
//! use bumpgrad::schedule;
//! let rate = |step| 0.1 * schedule::warm_up(step, 10, 0.0) * schedule::cosine(step, 100, 1.0, 0.01);
//! assert_eq!(rate(0), 0.0);
//! assert!(rate(10) > rate(50) && rate(50) > rate(100));
//! ```

/// Half a wave from `first` at step 0 down to `last` at step `total`, and `last` from then on: I.
/// Loshchilov, F. Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017. For restarts give
/// the step since the last one.
pub fn cosine(step: u64, total: u64, first: f64, last: f64) -> f64 {
    if step >= total {
        return last;
    }
    // Of a quarter of the angle, whose square loses no digits.
    let wave = libm::cos(0.5 * std::f64::consts::PI * (step as f64 / total as f64));
    last + (first - last) * (wave * wave)
}

/// A factor that rises evenly from `first` at step 0 to 1 at step `total`, and stays there.
pub fn warm_up(step: u64, total: u64, first: f64) -> f64 {
    if step >= total {
        return 1.0;
    }
    first + (1.0 - first) * (step as f64 / total as f64)
}

/// A factor that is multiplied by `gamma` every so many steps; 1, if that is 0.
pub fn step(step: u64, every: u64, gamma: f64) -> f64 {
    match step.checked_div(every) {
        Some(times) => libm::pow(gamma, times as f64),
        None => 1.0,
    }
}
