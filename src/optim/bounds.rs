//! Bounds of variables, and what they leave of a gradient and of a step.

use std::fmt;

use super::minimise::largest;

/// Between which numbers each variable must stay.
///
/// A list is empty, for no bounds, or has one for each variable, which is infinite where there is none. In a
/// leaf of f32 they are rounded.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bounds<'a> {
    /// What variables must not be below.
    pub lower: &'a [f64],
    /// What variables must not be above.
    pub upper: &'a [f64],
}

/// What is wrong with bounds.
pub(crate) enum Wrong {
    Count { name: &'static str, bounds: usize, variables: usize },
    Order { variable: usize, lower: f64, upper: f64 },
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Count { name, bounds, variables } => {
                write!(f, "there are {bounds} {name} bounds, and {variables} variables")
            }
            Self::Order { variable, lower, upper } => write!(
                f,
                "the bounds of variable {variable} are {lower} and {upper}, which no number is between"
            ),
        }
    }
}

impl Bounds<'_> {
    pub(crate) fn wrong(self, variables: usize) -> Option<Wrong> {
        for (name, list) in [("lower", self.lower), ("upper", self.upper)] {
            if !list.is_empty() && list.len() != variables {
                return Some(Wrong::Count { name, bounds: list.len(), variables });
            }
        }
        (0..variables).find_map(|variable| {
            let (lower, upper) = self.of(variable);
            let is_right = lower <= upper && lower < f64::INFINITY && upper > f64::NEG_INFINITY;
            (!is_right).then_some(Wrong::Order { variable, lower, upper })
        })
    }

    pub(super) fn are_none(self) -> bool {
        self.lower.is_empty() && self.upper.is_empty()
    }

    pub(crate) fn of(self, i: usize) -> (f64, f64) {
        let lower = self.lower.get(i).copied().unwrap_or(f64::NEG_INFINITY);
        (lower, self.upper.get(i).copied().unwrap_or(f64::INFINITY))
    }

    /// The nearest number between the bounds of a variable; NaN stays.
    pub(super) fn nearest(self, i: usize, x: f64) -> f64 {
        let (lower, upper) = self.of(i);
        if x < lower {
            lower
        } else if x > upper {
            upper
        } else {
            x
        }
    }

    pub(super) fn project(self, x: &mut [f64]) {
        if !self.are_none() {
            x.iter_mut().enumerate().for_each(|(i, x)| *x = self.nearest(i, *x));
        }
    }

    /// The size of the largest element of the gradient that bounds do not make up for: of the step down
    /// the gradient, as far as they allow it.
    pub(super) fn slope(self, x: &[f64], gradient: &[f64]) -> f64 {
        if self.are_none() {
            return largest(gradient);
        }
        let moves = x.iter().zip(gradient).enumerate().map(|(i, (&x, &g))| {
            let (lower, upper) = self.of(i);
            // Not the difference to a point that was rounded.
            if g > 0.0 { g.min(x - lower) } else { (-g).min(upper - x) }
        });
        // (`min` takes NaN for no number.)
        if gradient.iter().any(|g| g.is_nan()) { f64::NAN } else { moves.fold(0.0, f64::max) }
    }

    /// How often a direction can be taken, by one variable, and where that ends.
    fn end(self, i: usize, x: f64, direction: f64) -> (f64, f64) {
        let (lower, upper) = self.of(i);
        let bound = if direction < 0.0 { lower } else { upper };
        if direction == 0.0 { (f64::INFINITY, x) } else { ((bound - x) / direction, bound) }
    }

    /// The same by all of them.
    pub(super) fn longest(self, x: &[f64], direction: &[f64]) -> f64 {
        if self.are_none() {
            return f64::INFINITY;
        }
        let ends = x.iter().zip(direction).enumerate().map(|(i, (&x, &d))| self.end(i, x, d).0);
        ends.fold(f64::INFINITY, f64::min)
    }

    /// Puts variables that have come to their bounds, but for rounding, where these are.
    pub(super) fn keep(self, point: &mut [f64], x: &[f64], step: f64, direction: &[f64]) {
        if self.are_none() {
            return;
        }
        for (i, point) in point.iter_mut().enumerate() {
            let (longest, bound) = self.end(i, x[i], direction[i]);
            *point = if longest <= step { bound } else { self.nearest(i, *point) };
        }
    }
}
