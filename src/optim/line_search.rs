//! A step along a line to where the strong Wolfe conditions hold: J. Nocedal, S. Wright, "Numerical
//! optimization", 2006, algorithms 3.5 and 3.6, with steps by cubic interpolation.
//!
//! Close to a minimum values differ by less than they are rounded by. There the conditions are asked of
//! slopes alone: W. Hager, H. Zhang, "A new conjugate gradient method with guaranteed descent and an
//! efficient line search", 2005, their "approximate Wolfe conditions".

use super::bounds::Bounds;
use super::minimise::{Objective, Stopped, along, dot};

/// What is enough: of the descent that the slope promises, and of the slope that is left.
const DESCENT: f64 = 1e-4;
const CURVATURE: f64 = 0.9;
/// Values closer than this part of them may differ by rounding only.
const ROUNDING: f64 = 1e-14;
/// Values computed for one step, at most.
const MOST: usize = 60;

/// A place on the line.
#[derive(Clone, Copy)]
struct Place {
    step: f64,
    value: f64,
    slope: f64,
}

/// Where a line leads: to a value that will do, or to one with a slope that is no number; further down as far
/// as it was followed; nowhere, if there is no descent that rounding does not hide, or no value however near.
#[derive(Clone, Copy)]
pub(super) enum Way {
    To(f64),
    Endless(f64),
    None,
    Valueless,
}

/// A line on which a function is looked at; `point` and `gradient` are those of the last look.
pub(super) struct Line<'a> {
    pub(super) objective: &'a mut dyn Objective,
    pub(super) x: &'a [f64],
    pub(super) direction: &'a [f64],
    /// What the line stays between.
    pub(super) bounds: Bounds<'a>,
    pub(super) point: &'a mut [f64],
    pub(super) gradient: &'a mut [f64],
    pub(super) evaluations: &'a mut usize,
}

impl Line<'_> {
    /// Makes the place `point`.
    fn go(&mut self, step: f64) {
        along(self.point, self.x, step, self.direction);
        self.bounds.keep(self.point, self.x, step, self.direction);
    }

    fn look(&mut self, step: f64) -> Result<Place, Stopped> {
        self.go(step);
        *self.evaluations += 1;
        let value = self.objective.value(self.point, self.gradient)?;
        let value = if value.is_nan() { f64::INFINITY } else { value };
        Ok(Place { step, value, slope: dot(self.gradient, self.direction) })
    }

    /// Goes from where the function has a value and a slope below 0, the first time by the direction, and no
    /// further than the bounds.
    pub(super) fn search(&mut self, value: f64, slope: f64) -> Result<Way, Stopped> {
        let longest = self.bounds.longest(self.x, self.direction);
        let start = Place { step: 0.0, value, slope };
        let (mut before, mut step) = (start, longest.min(1.0));
        let mut left = MOST;
        while left > 0 {
            left -= 1;
            let here = self.look(step)?;
            if here.value == f64::NEG_INFINITY {
                // Back to the last point that has a value.
                return Ok(Way::Endless(self.look(before.step)?.value));
            }
            // There is no saying where such a line goes on to.
            let is_lost = here.slope.is_nan() || here.slope == f64::NEG_INFINITY;
            if is_lost && here.value < before.value {
                return Ok(Way::To(here.value));
            }
            if is_good(start, here) {
                return Ok(Way::To(here.value));
            }
            let is_above =
                !is_below(start, here) || here.value >= before.value && before.step > 0.0;
            if is_above {
                return self.zoom(start, before, here, left);
            }
            if here.slope >= 0.0 {
                return self.zoom(start, here, before, left);
            }
            if step == longest {
                return Ok(Way::To(here.value));
            }
            // Further, to where the slopes would be 0, but not too far.
            let guess = cubic(before, here);
            let (least, most) = (2.0 * step, 10.0 * step);
            before = here;
            step = if guess > least && guess < most { guess } else { least }.min(longest);
        }
        Ok(Way::Endless(before.value))
    }

    /// Between two places, the better of which is `low`, such that the function falls from there.
    fn zoom(
        &mut self,
        start: Place,
        mut low: Place,
        mut high: Place,
        mut left: usize,
    ) -> Result<Way, Stopped> {
        let mut width = f64::INFINITY;
        while left > 0 {
            left -= 1;
            let distance = high.step - low.step;
            let mut step = cubic(low, high);
            let share = (step - low.step) / distance;
            // A half, where the interpolation does not narrow it enough.
            let is_slow = distance.abs() > 0.66 * width;
            if is_slow || !(0.1..=0.9).contains(&share) {
                let inside = share.clamp(0.1, 0.9);
                let inside = if is_slow || inside.is_nan() { 0.5 } else { inside };
                step = low.step + inside * distance;
            }
            width = distance.abs();
            if step == low.step || step == high.step {
                break;
            }
            self.go(step);
            if low.step == 0.0 && *self.point == *self.x {
                break;
            }
            let here = self.look(step)?;
            if here.value == f64::NEG_INFINITY {
                return Ok(Way::Endless(self.look(low.step)?.value));
            }
            if is_good(start, here) {
                return Ok(Way::To(here.value));
            }
            if !is_below(start, here) || here.value >= low.value {
                high = here;
            } else {
                if here.slope * distance >= 0.0 {
                    high = low;
                }
                low = here;
            }
        }
        // The best that there was, if it is any descent.
        if low.step > 0.0 && low.value < start.value {
            let here = self.look(low.step)?;
            return Ok(Way::To(here.value));
        }
        Ok(if high.value == f64::INFINITY { Way::Valueless } else { Way::None })
    }
}

/// The first condition: enough descent.
fn is_below(start: Place, here: Place) -> bool {
    here.value <= start.value + DESCENT * here.step * start.slope || is_level(start, here)
}

/// Where rounding hides how much the function fell, its slope must say that it did.
fn is_level(start: Place, here: Place) -> bool {
    (here.value - start.value).abs() <= ROUNDING * start.value.abs()
        && here.slope <= (2.0 * DESCENT - 1.0) * start.slope
}

/// Both conditions.
fn is_good(start: Place, here: Place) -> bool {
    is_below(start, here) && here.slope.abs() <= -CURVATURE * start.slope
}

/// Where the cubic through two places with their slopes has its minimum; NaN if it has none.
fn cubic(a: Place, b: Place) -> f64 {
    let distance = b.step - a.step;
    let d1 = a.slope + b.slope - 3.0 * (b.value - a.value) / distance;
    let d2 = (d1 * d1 - a.slope * b.slope).sqrt().copysign(distance);
    b.step - distance * (b.slope + d2 - d1) / (b.slope - a.slope + 2.0 * d2)
}
