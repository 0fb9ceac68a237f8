//! Sums of many numbers, with what additions lose carried along.

/// A sum with the low part that additions lost carried along (A. Neumaier, 1974).
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct Total {
    pub(crate) sum: f64,
    pub(crate) lost: f64,
}

impl Total {
    #[inline(always)]
    pub(crate) fn add(&mut self, x: f64) {
        let sum = self.sum + x;
        let lost =
            if self.sum.abs() >= x.abs() { (self.sum - sum) + x } else { (x - sum) + self.sum };
        // An infinite sum has lost nothing (the difference would be NaN).
        self.lost += if sum.is_finite() { lost } else { 0.0 };
        self.sum = sum;
    }

    #[inline(always)]
    pub(crate) fn value(&self) -> f64 {
        self.sum + self.lost
    }
}
