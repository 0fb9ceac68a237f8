//! What the minimisers have in common: functions of lists of numbers, and how a search ended.
//!
//! A minimiser knows nothing of graphs. It moves a list of f64, and asks an [`Objective`] or
//! [`Residuals`] for values there.

use crate::arena::{OutOfMemory, TryPush};

/// Why a search ended without a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// There was no memory for it.
    Memory,
    /// A value could not be computed; who computes knows why.
    Failed,
}

impl From<OutOfMemory> for Stopped {
    fn from(_: OutOfMemory) -> Self {
        Self::Memory
    }
}

/// A function to be minimised.
pub(crate) trait Objective {
    /// Its value at x, which may be infinite or NaN where it has none, and its gradient.
    fn value(&mut self, x: &[f64], gradient: &mut [f64]) -> Result<f64, Stopped>;
}

/// One that has second derivatives.
pub(crate) trait Curved: Objective {
    /// The Hessian at the point of the last `value`, times a vector.
    fn hessian(&mut self, vector: &[f64], out: &mut [f64]) -> Result<(), Stopped>;
    /// Goes back to a point, for `hessian`.
    fn move_to(&mut self, x: &[f64]) -> Result<(), Stopped>;
}

/// A list of functions, half the sum of whose squares is to be minimised.
pub(crate) trait Residuals {
    fn residuals(&mut self, x: &[f64], out: &mut [f64]) -> Result<(), Stopped>;
    /// Their derivatives: a row for each residual.
    fn jacobian(&mut self, x: &[f64], out: &mut [f64]) -> Result<(), Stopped>;
}

/// The same, of which only products with the derivatives are known, at the point of the last `residuals`.
pub(crate) trait Products {
    fn residuals(&mut self, x: &[f64], out: &mut [f64]) -> Result<(), Stopped>;
    /// The Jacobian times a vector.
    fn forward(&mut self, v: &[f64], out: &mut [f64]) -> Result<(), Stopped>;
    /// Its transpose times a vector.
    fn reverse(&mut self, u: &[f64], out: &mut [f64]) -> Result<(), Stopped>;
    /// Goes back to a point, for the products.
    fn move_to(&mut self, x: &[f64]) -> Result<(), Stopped>;
}

/// Why a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(i32)]
pub enum Ended {
    /// The gradient is as small as was wanted.
    Gradient = 1,
    /// The value falls no more than was wanted.
    Value = 2,
    /// The steps are as small as was wanted.
    Step = 3,
    /// Rounding hides any further descent, or there is no value or no derivative where it is, or around it:
    /// one that is infinite or NaN. Then `gradient` is infinite or NaN, or `value` is.
    Rounding = 4,
    /// As many iterations were made as were allowed.
    Iterations = 5,
    /// The value falls along a line as far as that was followed: to minus infinity, or over 18 orders of
    /// magnitude. It is unbounded below, so far as that can be seen.
    Unbounded = 6,
}

/// Where a search ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Minimum {
    /// The value there; of a least-squares fit, the sum of squares.
    pub value: f64,
    /// The size of the largest element of the gradient there, as far as bounds allow a step down; of a
    /// least-squares fit, the largest cosine between the residuals and a column of the Jacobian.
    pub gradient: f64,
    /// Steps that were taken.
    pub iterations: usize,
    /// Values that were computed.
    pub evaluations: usize,
    /// Why it ended.
    pub ended: Ended,
}

impl Minimum {
    /// Whether it ended because there was nothing more to do, where there are a value and a gradient.
    pub fn is_found(&self) -> bool {
        let has_value = self.value.is_finite() && self.gradient.is_finite();
        !matches!(self.ended, Ended::Iterations | Ended::Unbounded) && has_value
    }
}

/// Whether a search in a region of trust is where values end: that has no minimum there, and the region
/// shrinks for ever.
#[derive(Default)]
pub(super) struct Edge {
    /// How many more steps to the boundary of the region are to have values, until it is elsewhere: while it
    /// comes nearer there are some of these between two that have none.
    left: u32,
}

impl Edge {
    pub(super) fn tried(&mut self, value: f64, is_at_boundary: bool) {
        self.left = match (value.is_finite(), is_at_boundary) {
            (false, _) => 5,
            (true, true) => self.left.saturating_sub(1),
            (true, false) => 0,
        };
    }

    pub(super) fn is_near(&self) -> bool {
        self.left > 0
    }
}

/// Zeros.
pub(crate) fn zeros(len: usize) -> Result<Vec<f64>, OutOfMemory> {
    let mut list = Vec::new();
    list.try_room(len)?;
    list.try_extend_to(len, 0.0)?;
    Ok(list)
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The 2-norm, whatever the size of the squares.
pub(super) fn norm(x: &[f64]) -> f64 {
    let sum = dot(x, x);
    if sum.is_normal() {
        return sum.sqrt();
    }
    let size = largest(x);
    if size == 0.0 || !size.is_finite() {
        return size;
    }
    size * x.iter().map(|x| (x / size) * (x / size)).sum::<f64>().sqrt()
}

/// The size of the largest element; NaN if there is one.
pub(super) fn largest(x: &[f64]) -> f64 {
    // (`max` would lose NaN.)
    x.iter().fold(0.0, |most: f64, x| if most >= x.abs() || most.is_nan() { most } else { x.abs() })
}

/// to = x + factor d
pub(super) fn along(to: &mut [f64], x: &[f64], factor: f64, d: &[f64]) {
    for ((to, x), d) in to.iter_mut().zip(x).zip(d) {
        *to = x + factor * d;
    }
}

/// x = x + factor d
pub(super) fn add(x: &mut [f64], factor: f64, d: &[f64]) {
    x.iter_mut().zip(d).for_each(|(x, d)| *x += factor * d);
}
