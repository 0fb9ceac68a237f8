//! Nonlinear least squares by the method of Levenberg and Marquardt in Moré's form, that of MINPACK's
//! `lmder`: steps are Gauss's and Newton's within a region of trust, in variables that are scaled by the
//! largest lengths that the columns of the Jacobian had. In the end they are `polish`ed.

use super::minimise::{Edge, Ended, Minimum, Residuals, Stopped, along, norm, zeros};
use super::polish::{Steps, polish};
use super::qr::Triangle;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Levenberg {
    pub(crate) iterations: usize,
    /// Of the relative fall of the sum of squares, the relative length of a step, and the largest cosine
    /// between the residuals and a column of the Jacobian.
    pub(crate) value: f64,
    pub(crate) step: f64,
    pub(crate) gradient: f64,
    /// Of the first region, relative to the scaled variables.
    pub(crate) radius: f64,
    /// Steps by products with the Jacobian, which is not made: see `gauss_newton`.
    pub(crate) matrix_free: bool,
}

impl Levenberg {
    pub(crate) fn fit(
        &self,
        problem: &mut dyn Residuals,
        count: usize,
        x: &mut [f64],
    ) -> Result<Minimum, Stopped> {
        let n = x.len();
        let len = count.checked_mul(n).ok_or(Stopped::Memory)?;
        let (mut here, mut there) = (zeros(count)?, zeros(count)?);
        let mut jacobian = zeros(len)?;
        let (mut step, mut point, mut scale) = (zeros(n)?, zeros(n)?, zeros(n)?);
        let mut triangle = Triangle::new(count, n)?;
        problem.residuals(x, &mut here)?;
        let mut size = norm(&here);
        let (mut evaluations, mut iterations, mut edge) = (1, 0, Edge::default());
        let (mut radius, mut damping, mut cosine) = (0.0, 0.0, f64::NAN);
        let ended = 'all: loop {
            if !size.is_finite() {
                break Ended::Rounding;
            }
            problem.jacobian(x, &mut jacobian)?;
            triangle.factor(&jacobian, &here);
            cosine = triangle.largest_cosine(size);
            if cosine.is_nan() {
                break Ended::Rounding;
            }
            if iterations == 0 {
                scale.copy_from_slice(triangle.lengths());
                scale.iter_mut().filter(|d| **d == 0.0).for_each(|d| *d = 1.0);
                let length = scaled(&scale, x);
                radius = if length > 0.0 { self.radius * length } else { self.radius };
            }
            scale.iter_mut().zip(triangle.lengths()).for_each(|(d, &l)| *d = d.max(l));
            if cosine <= self.gradient {
                break Ended::Gradient;
            }
            loop {
                if iterations == self.iterations {
                    break 'all Ended::Iterations;
                }
                triangle.solve_within(radius, &scale, &mut damping, &mut step);
                along(&mut point, x, -1.0, &step);
                let length = scaled(&scale, &step);
                if iterations == 0 {
                    radius = radius.min(length);
                }
                iterations += 1;
                evaluations += 1;
                problem.residuals(&point, &mut there)?;
                let new = norm(&there);
                edge.tried(new, damping > 0.0);
                // (Also where it is NaN.)
                let falls = if 0.1 * new < size { 1.0 - (new / size) * (new / size) } else { -1.0 };
                let linear = triangle.size_of_product(&step) / size;
                let damped = damping.sqrt() * length / size;
                let promised = linear * linear + 2.0 * damped * damped;
                let slope = -(linear * linear + damped * damped);
                let ratio = if promised == 0.0 { 0.0 } else { falls / promised };
                if ratio <= 0.25 {
                    let shrink =
                        if falls >= 0.0 { 0.5 } else { 0.5 * slope / (slope + 0.5 * falls) };
                    let is_far = 0.1 * new >= size || new.is_nan() || shrink < 0.1;
                    let shrink = if is_far { 0.1 } else { shrink };
                    radius = shrink * radius.min(10.0 * length);
                    damping /= shrink;
                } else if damping == 0.0 || ratio >= 0.75 {
                    radius = 2.0 * length;
                    damping *= 0.5;
                }
                let is_taken = ratio >= 1e-4;
                if is_taken {
                    x.copy_from_slice(&point);
                    std::mem::swap(&mut here, &mut there);
                    size = new;
                }
                let tolerance = |wanted: f64| wanted.max(f64::EPSILON);
                if size == 0.0 {
                    break 'all Ended::Value;
                }
                let is_level = |most| falls.abs() <= most && promised <= most && ratio <= 2.0;
                if is_level(tolerance(self.value)) {
                    break 'all Ended::Value;
                }
                if radius <= tolerance(self.step) * scaled(&scale, x) {
                    break 'all Ended::Step;
                }
                if is_taken {
                    break;
                }
            }
        };
        let mut found =
            Minimum { value: size * size, gradient: cosine, iterations, evaluations, ended };
        let mut steps = Dense { problem, jacobian, triangle, scale };
        polish(&mut steps, x, (&mut here, &mut there), &edge, &mut found)?;
        Ok(found)
    }
}

/// Steps by the matrix.
struct Dense<'a> {
    problem: &'a mut dyn Residuals,
    jacobian: Vec<f64>,
    triangle: Triangle,
    scale: Vec<f64>,
}

impl Steps for Dense<'_> {
    fn residuals(&mut self, x: &[f64], out: &mut [f64]) -> Result<(), Stopped> {
        self.problem.residuals(x, out)
    }

    fn step(
        &mut self,
        x: &[f64],
        residuals: &[f64],
        size: f64,
        out: &mut [f64],
    ) -> Result<f64, Stopped> {
        self.problem.jacobian(x, &mut self.jacobian)?;
        self.triangle.factor(&self.jacobian, residuals);
        self.triangle.solve(out);
        out.iter_mut().for_each(|s| *s = -*s);
        Ok(self.triangle.largest_cosine(size))
    }

    fn length(&self, x: &[f64]) -> f64 {
        scaled(&self.scale, x)
    }
}

/// |D x|
pub(super) fn scaled(d: &[f64], x: &[f64]) -> f64 {
    let sum: f64 = d.iter().zip(x).map(|(d, x)| (d * x) * (d * x)).sum();
    sum.sqrt()
}
