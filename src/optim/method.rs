//! The ways to a minimum, and their options.

use super::lbfgs::Lbfgs;
use super::levenberg::Levenberg;
use super::trust_region::TrustRegion;

/// A way to a minimum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Method {
    Lbfgs(Lbfgs),
    Levenberg(Levenberg),
    TrustRegion(TrustRegion),
}

/// What is wrong with `matrix_free` where residuals are a function of the caller's.
pub(crate) const NO_PRODUCTS: &str =
    "a function of the caller's gives a matrix: without one, residuals must be recorded";

impl Method {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Lbfgs(_) => "lbfgs",
            Self::Levenberg(_) => "levenberg_marquardt",
            Self::TrustRegion(_) => "trust_region",
        }
    }

    /// The first option that makes no sense: what it is called, what it must be, what it is.
    pub(crate) fn wrong(self) -> Option<(&'static str, &'static str, f64)> {
        let size = |name, x: f64| {
            let is_wrong = x.is_nan() || x < 0.0;
            is_wrong.then_some((name, "at least 0", x))
        };
        let radius = |name, x: f64| {
            let is_wrong = x.is_nan() || x <= 0.0;
            is_wrong.then_some((name, "above 0", x))
        };
        match self {
            Self::Lbfgs(Lbfgs { gradient, value, .. }) => {
                size("gradient tolerance", gradient).or_else(|| size("value tolerance", value))
            }
            Self::Levenberg(Levenberg { value, step, gradient, radius: first, .. }) => {
                size("value tolerance", value)
                    .or_else(|| size("step tolerance", step))
                    .or_else(|| size("gradient tolerance", gradient))
                    .or_else(|| radius("radius", first))
            }
            Self::TrustRegion(TrustRegion { gradient, radius: first, largest_radius, .. }) => {
                size("gradient tolerance", gradient)
                    .or_else(|| radius("radius", first))
                    .or_else(|| radius("largest radius", largest_radius))
            }
        }
    }
}
