//! The last part of a fit, whichever way its steps are found.
//!
//! Where the sum of squares falls no further, its minimum is known to half of the digits only, since it is
//! flat there. Steps of Gauss and Newton go on from there as long as they become shorter:
//! these see the gradient, which is not flat.

use super::minimise::{Edge, Ended, Minimum, Stopped, along, norm, zeros};

/// Steps, at most.
const MOST: usize = 200;
/// Steps that are no shorter than the ones before, at most.
const IDLE: usize = 5;

/// Steps of Gauss and Newton, which no region bounds.
pub(super) trait Steps {
    fn residuals(&mut self, x: &[f64], out: &mut [f64]) -> Result<(), Stopped>;
    /// Writes the step from x, where these are the residuals, of this size; the largest cosine between them
    /// and a column of the Jacobian, NaN where there are no derivatives.
    fn step(
        &mut self,
        x: &[f64],
        residuals: &[f64],
        size: f64,
        out: &mut [f64],
    ) -> Result<f64, Stopped>;
    /// |D x|, D being the scale of the variables.
    fn length(&self, x: &[f64]) -> f64;
}

/// Goes on from where a fit ended, with its residuals `here` and room for others, if it converged; and not
/// only to the edge of where there are values.
pub(super) fn polish(
    steps: &mut dyn Steps,
    x: &mut [f64],
    (here, there): (&mut Vec<f64>, &mut Vec<f64>),
    edge: &Edge,
    found: &mut Minimum,
) -> Result<(), Stopped> {
    let mut size = norm(here);
    if size == 0.0 {
        found.gradient = 0.0;
        return Ok(());
    }
    if !matches!(found.ended, Ended::Value | Ended::Step | Ended::Gradient) {
        return Ok(());
    }
    if edge.is_near() && found.ended != Ended::Gradient {
        (found.gradient, found.ended) = (f64::NAN, Ended::Rounding);
        return Ok(());
    }
    let (mut step, mut point) = (zeros(x.len())?, zeros(x.len())?);
    let (mut before, mut idle) = (f64::INFINITY, 0);
    for _ in 0..MOST {
        found.gradient = steps.step(x, here, size, &mut step)?;
        if found.gradient.is_nan() {
            found.ended = Ended::Rounding;
            break;
        }
        let length = steps.length(&step);
        // Steps this short change no digit.
        let is_done = length <= f64::EPSILON * steps.length(x);
        idle += usize::from(length >= 0.95 * before);
        if is_done || length.is_nan() || idle == IDLE {
            break;
        }
        along(&mut point, x, 1.0, &step);
        found.evaluations += 1;
        steps.residuals(&point, there)?;
        let new = norm(there);
        if new.is_nan() || new > size * (1.0 + 1e-9) {
            break;
        }
        x.copy_from_slice(&point);
        std::mem::swap(here, there);
        (size, before) = (new, length);
        found.iterations += 1;
    }
    found.value = size * size;
    Ok(())
}
