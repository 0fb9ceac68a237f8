//! Newton's method in a trust region, whose steps are found by conjugate gradients on products with the
//! Hessian: T. Steihaug, "The conjugate gradient method and trust regions in large scale optimization",
//! 1983; J. Nocedal, S. Wright, "Numerical optimization", 2006, algorithms 4.1 and 7.2.

use super::bounds::Bounds;
use super::line_search::{Line, Way};
use super::minimise::{
    Curved, Edge, Ended, Minimum, Stopped, add, along, dot, largest, norm, zeros,
};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct TrustRegion {
    /// Steps that are tried, at most, whether they are taken or not.
    pub(crate) iterations: usize,
    pub(crate) gradient: f64,
    pub(crate) radius: f64,
    pub(crate) largest_radius: f64,
}

/// After so many good steps in a row that ended at the boundary of the region, the line on which the last one
/// came there is followed: it may have no end. (An odd number: where steps are of two kinds in turn, it is
/// each one's.)
const STRAIGHT: usize = 9;

/// Vectors of the conjugate gradients, kept from step to step.
struct Conjugate {
    step: Vec<f64>,
    residual: Vec<f64>,
    direction: Vec<f64>,
    product: Vec<f64>,
}

impl TrustRegion {
    pub(crate) fn minimise(
        &self,
        objective: &mut dyn Curved,
        x: &mut [f64],
    ) -> Result<Minimum, Stopped> {
        let n = x.len();
        let (mut gradient, mut slopes, mut point) = (zeros(n)?, zeros(n)?, zeros(n)?);
        let mut inner = Conjugate {
            step: zeros(n)?,
            residual: zeros(n)?,
            direction: zeros(n)?,
            product: zeros(n)?,
        };
        let mut value = objective.value(x, &mut gradient)?;
        let (mut evaluations, mut tries, mut iterations) = (1, 0, 0);
        let (mut straight, mut edge) = (0, Edge::default());
        let mut radius = self.radius.min(f64::MAX);
        let ended = loop {
            let steepest = largest(&gradient);
            if !(value.is_finite() && steepest.is_finite()) {
                break Ended::Rounding;
            }
            if steepest <= self.gradient {
                break Ended::Gradient;
            }
            if tries == self.iterations {
                break Ended::Iterations;
            }
            // In the end the step is Newton's: the closer, the more exact.
            let size = norm(&gradient);
            let (promised, is_at_boundary) =
                inner.solve(objective, &gradient, radius, size.sqrt().min(0.5))?;
            let length = norm(&inner.step);
            if length == 0.0 {
                // Products with the Hessian are no numbers.
                edge.tried(f64::NAN, false);
            }
            along(&mut point, x, 1.0, &inner.step);
            if point == *x {
                break Ended::Rounding;
            }
            tries += 1;
            evaluations += 1;
            let found = objective.value(&point, &mut slopes)?;
            if found == f64::NEG_INFINITY {
                break Ended::Unbounded;
            }
            let fell = value - found;
            // Where values differ by rounding only, the model is believed as long as gradients fall.
            let is_level = fell.abs() <= 1e-14 * value.abs() && promised <= 1e-13 * value.abs();
            let ratio = match is_level {
                true if norm(&slopes) < size => 1.0,
                true => 0.0,
                false => fell / promised,
            };
            // (NaN, too, is no descent.)
            if ratio.is_nan() || ratio < 0.25 {
                radius = 0.25 * radius.min(length);
            } else if ratio > 0.75 && length > 0.99 * radius {
                radius = (2.0 * radius).min(self.largest_radius).min(f64::MAX);
            }
            edge.tried(found, is_at_boundary);
            straight = if ratio > 0.75 && is_at_boundary { straight + 1 } else { 0 };
            if ratio > 1e-4 {
                iterations += 1;
                x.copy_from_slice(&point);
                std::mem::swap(&mut gradient, &mut slopes);
                value = found;
                if straight > 0 && straight % STRAIGHT == 0 {
                    let mut line = Line {
                        objective,
                        x,
                        direction: &inner.direction,
                        bounds: Bounds::default(),
                        point: &mut point,
                        gradient: &mut slopes,
                        evaluations: &mut evaluations,
                    };
                    let slope = dot(&gradient, &inner.direction);
                    let way = if slope < 0.0 { line.search(value, slope)? } else { Way::None };
                    if let Way::Endless(found) = way {
                        iterations += 1;
                        x.copy_from_slice(&point);
                        std::mem::swap(&mut gradient, &mut slopes);
                        value = found;
                        break Ended::Unbounded;
                    }
                    objective.move_to(x)?;
                }
            } else {
                if is_level || radius <= f64::EPSILON * f64::EPSILON * (1.0 + norm(x)) {
                    break Ended::Rounding;
                }
                objective.move_to(x)?;
            }
        };
        if edge.is_near() && ended == Ended::Rounding {
            // Not what is a minimum: nothing is known around it.
            gradient.fill(f64::NAN);
        }
        Ok(Minimum { value, gradient: largest(&gradient), iterations, evaluations, ended })
    }
}

impl Conjugate {
    /// A step within the radius that lowers the quadratic model, to where its slope is this part of what it
    /// was; by how much, and whether that is at the boundary.
    ///
    /// The model is divided by the size of the gradient, whose square may be out of range. That is a power
    /// of two, so that nothing is rounded by it.
    fn solve(
        &mut self,
        objective: &mut dyn Curved,
        gradient: &[f64],
        radius: f64,
        part: f64,
    ) -> Result<(f64, bool), Stopped> {
        let scale = power_of_two(largest(gradient));
        let Self { step, residual, direction, product } = self;
        step.fill(0.0);
        residual.iter_mut().zip(gradient).for_each(|(r, g)| *r = g / scale);
        direction.iter_mut().zip(&*residual).for_each(|(d, r)| *d = -r);
        let mut square = dot(residual, residual);
        let enough = part * square.sqrt();
        let mut is_at_boundary = false;
        // In exact arithmetic as many steps as there are variables would do.
        for _ in 0..2 * gradient.len() + 10 {
            objective.hessian(direction, product)?;
            product.iter_mut().for_each(|p| *p /= scale);
            let curvature = dot(direction, product);
            // Where there is no curvature, the step ends: it may be 0.
            if !curvature.is_finite() {
                break;
            }
            let factor = square / curvature;
            let most = to_boundary(step, direction, radius);
            if curvature <= 0.0 || factor >= most {
                direction.iter_mut().for_each(|d| *d *= most);
                add(step, 1.0, direction);
                add(residual, most, product);
                is_at_boundary = true;
                break;
            }
            add(step, factor, direction);
            add(residual, factor, product);
            let next = dot(residual, residual);
            if next.sqrt() <= enough {
                break;
            }
            let keep = next / square;
            direction.iter_mut().zip(&*residual).for_each(|(d, r)| *d = keep * *d - r);
            square = next;
        }
        // The residual is gradient + Hessian step: the model falls by -(g + r) step / 2.
        let slope: f64 = gradient.iter().zip(&*step).map(|(g, s)| g / scale * s).sum();
        Ok((-0.5 * (slope + dot(residual, step)) * scale, is_at_boundary))
    }
}

/// The largest power of two that a positive number is not below, or the least normal one.
fn power_of_two(x: f64) -> f64 {
    f64::from_bits(x.to_bits() & f64::INFINITY.to_bits()).max(f64::MIN_POSITIVE)
}

/// How far along a direction the step becomes as long as the radius.
pub(super) fn to_boundary(step: &[f64], direction: &[f64], radius: f64) -> f64 {
    // Both are divided by powers of two, so that squares are in range and nothing is rounded by it.
    let (long, wide) = (power_of_two(largest(direction)), power_of_two(radius));
    let (mut a, mut b, mut c) = (0.0, 0.0, 0.0);
    for (d, s) in direction.iter().zip(step) {
        let (d, s) = (d / long, s / wide);
        (a, b, c) = (a + d * d, b + s * d, c + s * s);
    }
    let rest = (radius / wide) * (radius / wide) - c;
    // The larger root of a t^2 + 2 b t - rest, without a difference.
    let root = (b * b + a * rest).max(0.0).sqrt();
    (if b > 0.0 { rest / (b + root) } else { (root - b) / a }) * (wide / long)
}
