//! L-BFGS: a quasi-Newton method that knows the Hessian by the last few steps. J. Nocedal, "Updating
//! quasi-Newton matrices with limited storage", 1980. Between bounds, directions are those of `bounded`.

use super::bounded::Bounded;
use super::bounds::Bounds;
use super::line_search::{Line, Way};
use super::minimise::{Ended, Minimum, Objective, Stopped, add, along, dot, largest, norm, zeros};
use crate::arena::TryPush;

/// When to stop, and how much to remember.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Lbfgs {
    pub(crate) history: usize,
    pub(crate) iterations: usize,
    pub(crate) gradient: f64,
    pub(crate) value: f64,
}

/// A step, how the gradient changed by it, and 1 over the product of both.
pub(super) struct Pair {
    pub(super) moved: Vec<f64>,
    pub(super) changed: Vec<f64>,
    /// (0 where it counts for nothing, its curvature being none.)
    pub(super) scale: f64,
    /// Of the two loops.
    share: f64,
}

impl Lbfgs {
    pub(crate) fn minimise(
        &self,
        objective: &mut dyn Objective,
        x: &mut [f64],
        bounds: Bounds<'_>,
    ) -> Result<Minimum, Stopped> {
        let n = x.len();
        let (mut gradient, mut direction) = (zeros(n)?, zeros(n)?);
        let (mut point, mut slopes) = (zeros(n)?, zeros(n)?);
        let mut pairs: Vec<Pair> = Vec::new();
        pairs.try_room(self.history)?;
        // The oldest pair's place, once there are as many as may be.
        let mut oldest = 0;
        let mut bounded = match bounds.are_none() {
            true => None,
            false => Some(Bounded::new(n, self.history)?),
        };
        bounds.project(x);
        // How long a step along the gradient is tried first: nothing that the loss is multiplied by matters.
        let mut length = shortest(x).max(1.0);
        let mut evaluations = 1;
        let mut value = objective.value(x, &mut gradient)?;
        let mut iterations = 0;
        let ended = loop {
            if !value.is_finite() {
                break Ended::Rounding;
            }
            if bounds.slope(x, &gradient) <= self.gradient {
                break Ended::Gradient;
            }
            if iterations == self.iterations {
                break Ended::Iterations;
            }
            // (At a bound it may be infinite: that was a minimum.)
            if !largest(&gradient).is_finite() {
                break Ended::Rounding;
            }
            let mut direct = |pairs: &mut Vec<Pair>, oldest| {
                match &mut bounded {
                    None => two_loops((pairs, oldest), length, &gradient, &mut direction),
                    Some(bounded) => {
                        let pairs = (&pairs[..], oldest);
                        bounded.direct(pairs, length, bounds, x, &gradient, &mut direction);
                    }
                }
                dot(&gradient, &direction)
            };
            let mut slope = direct(&mut pairs, oldest);
            if slope.is_nan() || slope >= 0.0 {
                pairs.clear();
                oldest = 0;
                slope = direct(&mut pairs, oldest);
            }
            let mut line = Line {
                objective,
                x,
                direction: &direction,
                bounds,
                point: &mut point,
                gradient: &mut slopes,
                evaluations: &mut evaluations,
            };
            let way = if slope < 0.0 { line.search(value, slope)? } else { Way::None };
            let found = match way {
                Way::To(found) | Way::Endless(found) => found,
                Way::None if pairs.is_empty() => break Ended::Rounding,
                Way::Valueless if pairs.is_empty() => {
                    // Not what is a minimum: nothing is known around it.
                    gradient.fill(f64::NAN);
                    break Ended::Rounding;
                }
                Way::None | Way::Valueless => {
                    // The memory may be at fault: once more, without it.
                    pairs.clear();
                    oldest = 0;
                    continue;
                }
            };
            iterations += 1;
            if self.history > 0 {
                remember(&mut pairs, &mut oldest, self.history, n, |pair| {
                    for i in 0..n {
                        pair.moved[i] = point[i] - x[i];
                        pair.changed[i] = slopes[i] - gradient[i];
                    }
                })?;
            }
            let fell = value - found;
            let (before, after) = (bounds.slope(x, &gradient), bounds.slope(&point, &slopes));
            along(&mut direction, &point, -1.0, x);
            length = norm(&direction).max(shortest(&point));
            x.copy_from_slice(&point);
            std::mem::swap(&mut gradient, &mut slopes);
            value = found;
            if let Way::Endless(_) = way {
                break Ended::Unbounded;
            }
            if after > self.gradient {
                if self.value > 0.0 && fell <= self.value * value.abs() {
                    break Ended::Value;
                }
                if fell <= 0.0 && after >= before {
                    break Ended::Rounding;
                }
            }
        };
        let gradient = bounds.slope(x, &gradient);
        Ok(Minimum { value, gradient, iterations, evaluations, ended })
    }
}

/// A step that is far from what rounding hides.
fn shortest(x: &[f64]) -> f64 {
    1e-8 * (1.0 + norm(x))
}

/// Puts a pair in the place of the oldest one, unless its curvature is none.
fn remember(
    pairs: &mut Vec<Pair>,
    oldest: &mut usize,
    most: usize,
    n: usize,
    fill: impl FnOnce(&mut Pair),
) -> Result<(), Stopped> {
    let place = if pairs.len() < most {
        let pair = Pair { moved: zeros(n)?, changed: zeros(n)?, scale: 0.0, share: 0.0 };
        pairs.try_push(pair)?;
        pairs.len() - 1
    } else {
        let place = *oldest;
        *oldest = (place + 1) % most;
        place
    };
    let pair = &mut pairs[place];
    fill(pair);
    let product = dot(&pair.moved, &pair.changed);
    let size = norm(&pair.moved) * norm(&pair.changed);
    // One of scale 0 counts for nothing.
    pair.scale = if product > f64::EPSILON * size { 1.0 / product } else { 0.0 };
    Ok(())
}

/// direction = -H gradient, H being the inverse Hessian that the pairs tell: algorithm 7.4 of Nocedal and
/// Wright. Where no pair counts, the direction has this length.
fn two_loops(
    (pairs, oldest): (&mut [Pair], usize),
    length: f64,
    gradient: &[f64],
    direction: &mut [f64],
) {
    direction.iter_mut().zip(gradient).for_each(|(d, g)| *d = -g);
    let count = pairs.len();
    let mut scale = length / norm(gradient);
    let mut is_scaled = false;
    for k in (0..count).rev() {
        let pair = &mut pairs[(oldest + k) % count];
        pair.share = pair.scale * dot(&pair.moved, direction);
        add(direction, -pair.share, &pair.changed);
        if !is_scaled && pair.scale != 0.0 {
            is_scaled = true;
            scale = 1.0 / (pair.scale * dot(&pair.changed, &pair.changed));
        }
    }
    direction.iter_mut().for_each(|d| *d *= scale);
    for k in 0..count {
        let pair = &pairs[(oldest + k) % count];
        let share = pair.scale * dot(&pair.changed, direction);
        add(direction, pair.share - share, &pair.moved);
    }
}
