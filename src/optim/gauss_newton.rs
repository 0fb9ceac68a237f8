//! Nonlinear least squares without the matrix: as `levenberg`, with steps that are found by conjugate
//! gradients on products with the Jacobian and its transpose, within the region of trust. T. Steihaug, "The
//! conjugate gradient method and trust regions in large scale optimization", 1983; A. Bjorck, "Numerical
//! methods for least squares problems", 1996, algorithm 7.4.1 (CGLS), which never squares the Jacobian.
//!
//! Variables are scaled by the lengths of the columns here, too. Those are not seen, but guessed: the mean
//! square of an element of J'u, for random u of variance 1, is the square of its column's length. C. Bekas,
//! E. Kokiopoulou, Y. Saad, "An estimator for the diagonal of a matrix", 2007.

use super::levenberg::{Levenberg, scaled};
use super::minimise::{
    Edge, Ended, Minimum, Products, Stopped, add, along, dot, largest, norm, zeros,
};
use super::polish::{Steps, polish};
use super::trust_region::to_boundary;
use crate::level::Level;
use crate::random::{BLOCK, Stream};

/// Random vectors for one guess of the lengths of the columns.
const PROBES: usize = 4;

/// The inner iteration.
struct Inner {
    /// Of the variables, what each is divided by: the steps below are in scaled ones.
    scale: Vec<f64>,
    scaled_step: Vec<f64>,
    direction: Vec<f64>,
    slope: Vec<f64>,
    spare: Vec<f64>,
    /// What the linear model leaves of the residuals, with the other sign.
    rest: Vec<f64>,
    product: Vec<f64>,
    /// How far random numbers were drawn.
    drawn: u64,
}

/// What a step promises.
struct Promise {
    /// The fall of the sum of squares; NaN where the product with the Jacobian is.
    fall: f64,
    is_at_boundary: bool,
}

impl Levenberg {
    /// As `fit`, without the matrix. The cosines at the end are by the guessed lengths.
    pub(crate) fn fit_by_products(
        &self,
        problem: &mut dyn Products,
        count: usize,
        x: &mut [f64],
    ) -> Result<Minimum, Stopped> {
        let n = x.len();
        let (mut here, mut there) = (zeros(count)?, zeros(count)?);
        let (mut step, mut point) = (zeros(n)?, zeros(n)?);
        let mut inner = Inner::new(count, n)?;
        problem.residuals(x, &mut here)?;
        let mut size = norm(&here);
        let (mut evaluations, mut iterations, mut edge) = (1, 0, Edge::default());
        let (mut radius, mut cosine) = (0.0, f64::NAN);
        let ended = 'all: loop {
            if !size.is_finite() {
                break Ended::Rounding;
            }
            inner.look_at(problem, iterations == 0)?;
            cosine = inner.begin(problem, &here, size)?;
            if cosine.is_nan() {
                break Ended::Rounding;
            }
            if iterations == 0 {
                let length = scaled(&inner.scale, x);
                radius = if length > 0.0 { self.radius * length } else { self.radius };
            }
            if cosine <= self.gradient {
                break Ended::Gradient;
            }
            loop {
                if iterations == self.iterations {
                    break 'all Ended::Iterations;
                }
                // In the end steps are Gauss's and Newton's: the closer, the more exact.
                let promise = inner.solve(problem, radius, cosine.min(0.1), &mut step)?;
                if promise.fall.is_nan() {
                    cosine = f64::NAN;
                    break 'all Ended::Rounding;
                }
                along(&mut point, x, 1.0, &step);
                let length = scaled(&inner.scale, &step);
                iterations += 1;
                evaluations += 1;
                problem.residuals(&point, &mut there)?;
                let new = norm(&there);
                edge.tried(new, promise.is_at_boundary);
                // (Also where it is NaN.)
                let falls = if 0.1 * new < size { 1.0 - (new / size) * (new / size) } else { -1.0 };
                let promised = promise.fall / (size * size);
                let ratio = if promised == 0.0 { 0.0 } else { falls / promised };
                if ratio <= 0.25 {
                    radius = 0.25 * radius.min(length);
                } else if ratio >= 0.75 && promise.is_at_boundary {
                    radius = 2.0 * length;
                }
                let is_taken = ratio >= 1e-4;
                if is_taken {
                    x.copy_from_slice(&point);
                    std::mem::swap(&mut here, &mut there);
                    size = new;
                } else {
                    problem.move_to(x)?;
                }
                let tolerance = |wanted: f64| wanted.max(f64::EPSILON);
                let is_level = |most| falls.abs() <= most && promised <= most && ratio <= 2.0;
                if size == 0.0 || is_level(tolerance(self.value)) {
                    break 'all Ended::Value;
                }
                if radius <= tolerance(self.step) * scaled(&inner.scale, x) {
                    break 'all Ended::Step;
                }
                if is_taken {
                    break;
                }
                inner.begin(problem, &here, size)?;
            }
        };
        let mut found =
            Minimum { value: size * size, gradient: cosine, iterations, evaluations, ended };
        polish(&mut Free { problem, inner }, x, (&mut here, &mut there), &edge, &mut found)?;
        Ok(found)
    }
}

/// Steps by products.
struct Free<'a> {
    problem: &'a mut dyn Products,
    inner: Inner,
}

impl Steps for Free<'_> {
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
        self.problem.move_to(x)?;
        let cosine = self.inner.begin(self.problem, residuals, size)?;
        if cosine.is_nan() {
            return Ok(cosine);
        }
        let promise = self.inner.solve(self.problem, f64::INFINITY, 0.0, out)?;
        Ok(if promise.fall.is_nan() { f64::NAN } else { cosine })
    }

    fn length(&self, x: &[f64]) -> f64 {
        scaled(&self.inner.scale, x)
    }
}

impl Inner {
    fn new(count: usize, n: usize) -> Result<Self, Stopped> {
        Ok(Self {
            scale: zeros(n)?,
            scaled_step: zeros(n)?,
            direction: zeros(n)?,
            slope: zeros(n)?,
            spare: zeros(n)?,
            rest: zeros(count)?,
            product: zeros(count)?,
            drawn: 0,
        })
    }

    /// Guesses the lengths of the columns at a new point; the largest ones so far are the scale.
    fn look_at(&mut self, problem: &mut dyn Products, is_first: bool) -> Result<(), Stopped> {
        let Self { scale, scaled_step: squares, product, spare, drawn, .. } = self;
        squares.fill(0.0);
        for _ in 0..PROBES {
            for part in product.chunks_mut(2 * BLOCK) {
                let words = Stream::new(0, 0).words_block(*drawn, Level::current());
                *drawn += BLOCK as u64;
                // Evenly from -sqrt 3 to sqrt 3.
                let number = |word| f64::sqrt(3.0) * (f64::powi(2.0, -63) * word as f64 - 1.0);
                part.iter_mut().zip(words).for_each(|(u, word)| *u = number(word));
            }
            problem.reverse(product, spare)?;
            squares.iter_mut().zip(&*spare).for_each(|(sum, u)| *sum += u * u);
        }
        for (scale, sum) in scale.iter_mut().zip(&*squares) {
            let length = (sum / PROBES as f64).sqrt();
            if length.is_finite() {
                *scale = scale.max(length);
            }
            if is_first && *scale == 0.0 {
                *scale = 1.0;
            }
        }
        Ok(())
    }

    /// Begins with a step of 0; the largest cosine between the residuals and a column, NaN where these have
    /// no lengths.
    fn begin(
        &mut self,
        problem: &mut dyn Products,
        residuals: &[f64],
        size: f64,
    ) -> Result<f64, Stopped> {
        self.scaled_step.fill(0.0);
        self.rest.iter_mut().zip(residuals).for_each(|(rest, r)| *rest = -r);
        self.find_slope(problem)?;
        self.direction.copy_from_slice(&self.slope);
        let most = largest(&self.slope);
        Ok(match size > 0.0 {
            // (`min` takes NaN for no number.)
            true if !most.is_finite() => f64::NAN,
            true => (most / size).min(1.0),
            false => 0.0,
        })
    }

    /// slope = D^-1 J' rest
    fn find_slope(&mut self, problem: &mut dyn Products) -> Result<(), Stopped> {
        let Self { rest, slope, scale, .. } = self;
        problem.reverse(rest, slope)?;
        slope.iter_mut().zip(&*scale).for_each(|(s, d)| *s /= d);
        Ok(())
    }

    /// A step within the radius, to where the slope is this part of what it was, or as small as rounding
    /// lets it be.
    fn solve(
        &mut self,
        problem: &mut dyn Products,
        radius: f64,
        part: f64,
        step: &mut [f64],
    ) -> Result<Promise, Stopped> {
        let n = step.len();
        let mut square = dot(&self.slope, &self.slope);
        let enough = part * part * square;
        let mut promise = Promise { fall: 0.0, is_at_boundary: false };
        // In exact arithmetic as many steps as there are variables, or residuals, would do.
        for _ in 0..n.min(self.rest.len()).saturating_add(10) {
            let Self { scale, scaled_step, direction, spare, product, .. } = self;
            spare.iter_mut().zip(&*direction).zip(&*scale).for_each(|((s, p), d)| *s = p / d);
            problem.forward(spare, product)?;
            let curvature = dot(product, product);
            if curvature.is_nan() {
                promise.fall = f64::NAN;
            }
            if !(square > 0.0 && curvature > 0.0) {
                break;
            }
            let factor = square / curvature;
            let most = match radius.is_finite() {
                true => to_boundary(scaled_step, direction, radius),
                false => f64::INFINITY,
            };
            if factor >= most {
                add(scaled_step, most, direction);
                promise.fall += most * (2.0 * square - most * curvature);
                promise.is_at_boundary = true;
                break;
            }
            add(scaled_step, factor, direction);
            add(&mut self.rest, -factor, product);
            promise.fall += factor * square;
            self.find_slope(problem)?;
            let next = dot(&self.slope, &self.slope);
            // Each scaled column has a length of about 1.
            let rounding = 4.0 * f64::EPSILON * norm(&self.rest);
            if next <= enough || next <= n as f64 * rounding * rounding {
                break;
            }
            let keep = next / square;
            self.direction.iter_mut().zip(&self.slope).for_each(|(p, s)| *p = keep * *p + s);
            square = next;
        }
        let scaled = self.scaled_step.iter().zip(&self.scale);
        step.iter_mut().zip(scaled).for_each(|(step, (z, d))| *step = z / d);
        Ok(promise)
    }
}
