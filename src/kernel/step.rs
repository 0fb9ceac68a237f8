//! Steps of optimisers, and what is done to gradients before them.

use super::body::{Operands, Plain, operand, result};
use super::float::Float;
use crate::graph::MOMENTS;

/// What one step of an optimiser is made of; which numbers mean what is said at each kernel. The last
/// one is what gradients are multiplied by: 1 downhill, -1 uphill.
pub(crate) type Coefficients = [f64; 8];

/// What a step's kernel reads, beside the gradient, as its second operand.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Step {
    pub(crate) numbers: Coefficients,
    /// What the kernel reads and writes; NULL for what it does without.
    pub(crate) moments: [*mut u8; MOMENTS],
}

/// Slices of a step: parameter, gradient, moments (empty ones for those that are not there), numbers.
type Parts<'a, T> = (&'a mut [T], &'a [T], [&'a mut [T]; MOMENTS], Coefficients);

/// # Safety
/// As for [`Kernel`](super::Kernel): the operands are a gradient and a [`Step`], whose moments hold `n`
/// elements of type `T` and are the kernel's alone.
#[inline(always)]
unsafe fn parts<'a, T>(n: usize, out: *mut u8, operands: &Operands) -> Parts<'a, T> {
    // SAFETY: the caller's promise.
    unsafe {
        let step = operands[1].cast::<Step>().read();
        let moment = |start: *mut u8| result(start, n);
        let moments = step.moments.map(|start| match start.is_null() {
            true => &mut [],
            false => moment(start),
        });
        (result(out, n), operand(operands, 0, n), moments, step.numbers)
    }
}

/// SGD. Moments: the velocity, if there is momentum. Numbers: [rate, momentum, decay, share of the
/// gradient in the velocity, whether Nesterov's].
pub(super) struct SgdStep;

impl<T: Float> Plain<T> for SgdStep {
    #[inline(always)]
    unsafe fn run(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise.
        let (p, g, [v, ..], c) = unsafe { parts::<T>(n, out, operands) };
        let [rate, momentum, decay, share, .., sign] = c.map(T::from_f64);
        if c[1] == 0.0 {
            // The velocity is left as it is: it may be infinite, and 0 times that is NaN.
            for i in 0..n {
                let slope = sign.times(g[i]).plus(decay.times(p[i]));
                p[i] = p[i].minus(rate.times(slope));
            }
            return;
        }
        if c[4] != 0.0 {
            for i in 0..n {
                let slope = sign.times(g[i]).plus(decay.times(p[i]));
                v[i] = momentum.times(v[i]).plus(share.times(slope));
                p[i] = p[i].minus(rate.times(slope.plus(momentum.times(v[i]))));
            }
            return;
        }
        for i in 0..n {
            let slope = sign.times(g[i]).plus(decay.times(p[i]));
            v[i] = momentum.times(v[i]).plus(share.times(slope));
            p[i] = p[i].minus(rate.times(v[i]));
        }
    }
}

/// sqrt(b old^2 + c new^2) of numbers from 0 on, whose squares may be out of range: what is squared is
/// no larger than 1.
#[inline(always)]
fn root_of_mean<T: Float>(old: T, new: T, b: T, c: T) -> T {
    let large = if old < new { new } else { old };
    let large = if large < T::SMALL { T::SMALL } else { large };
    let (old, new) = (old.over(large), new.over(large));
    large.times(b.times(old.times(old)).plus(c.times(new.times(new))).root())
}

/// Adam. Moments: the first, the root of the second, which itself, of squares, would leave the range, and
/// the largest of these roots, if that is what counts (AMSGrad). Numbers: [rate / (1 - b1^t), b1, b2, epsilon, 1 / sqrt(1 - b2^t), decay of the gradient,
/// what the parameter is multiplied by before].
pub(super) struct AdamStep;

impl<T: Float> Plain<T> for AdamStep {
    #[inline(always)]
    unsafe fn run(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise.
        let (p, g, [m, v, most], c) = unsafe { parts::<T>(n, out, operands) };
        match most.is_empty() {
            true => adam::<T, false>(n, p, g, m, v, most, c),
            false => adam::<T, true>(n, p, g, m, v, most, c),
        }
    }
}

#[inline(always)]
fn adam<T: Float, const AMSGRAD: bool>(
    n: usize,
    p: &mut [T],
    g: &[T],
    m: &mut [T],
    v: &mut [T],
    most: &mut [T],
    c: Coefficients,
) {
    let [rate, b1, b2, epsilon, scale, decay, shrink, sign] = c.map(T::from_f64);
    let (c1, c2) = (T::from_f64(1.0 - c[1]), T::from_f64(1.0 - c[2]));
    for i in 0..n {
        let slope = sign.times(g[i]).plus(decay.times(p[i]));
        m[i] = b1.times(m[i]).plus(c1.times(slope));
        v[i] = root_of_mean(v[i], slope.size(), b2, c2);
        let mut root = v[i];
        if AMSGRAD {
            // (NaN stays: the next root is NaN, too.)
            most[i] = if root < most[i] { most[i] } else { root };
            root = most[i];
        }
        let step = m[i].over(root.times(scale).plus(epsilon));
        p[i] = p[i].times(shrink).minus(rate.times(step));
    }
}

/// RMSProp. Moments: the root of the mean square, the mean gradient if centred, the velocity if there
/// is momentum. Numbers: [rate, smoothing, epsilon, momentum, whether centred, decay].
pub(super) struct RmsPropStep;

impl<T: Float> Plain<T> for RmsPropStep {
    #[inline(always)]
    unsafe fn run(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise.
        let (p, g, [square, mean, velocity], c) = unsafe { parts::<T>(n, out, operands) };
        match (c[4] != 0.0, c[3] != 0.0) {
            (false, false) => rms_prop::<T, false, false>(n, p, g, square, mean, velocity, c),
            (false, true) => rms_prop::<T, false, true>(n, p, g, square, mean, velocity, c),
            (true, false) => rms_prop::<T, true, false>(n, p, g, square, mean, velocity, c),
            (true, true) => rms_prop::<T, true, true>(n, p, g, square, mean, velocity, c),
        }
    }
}

// (A function with slices of its own: so many are more than LLVM would compare for overlaps.)
#[inline(always)]
fn rms_prop<T: Float, const CENTRED: bool, const MOMENTUM: bool>(
    n: usize,
    p: &mut [T],
    g: &[T],
    square: &mut [T],
    mean: &mut [T],
    velocity: &mut [T],
    c: Coefficients,
) {
    let [rate, keep, epsilon, momentum, _, decay, _, sign] = c.map(T::from_f64);
    let rest = T::from_f64(1.0 - c[1]);
    for i in 0..n {
        let slope = sign.times(g[i]).plus(decay.times(p[i]));
        square[i] = root_of_mean(square[i], slope.size(), keep, rest);
        let mut size = square[i];
        if CENTRED {
            mean[i] = mean[i].plus(rest.times(slope.minus(mean[i])));
            let centre = mean[i].size();
            // sqrt(size^2 - centre^2), without the squares. No variance is below 0, but for rounding.
            let less = size.minus(centre);
            let less = if less < T::default() { T::default() } else { less };
            size = less.root().times(size.plus(centre).root());
        }
        let mut step = slope.over(size.plus(epsilon));
        if MOMENTUM {
            velocity[i] = momentum.times(velocity[i]).plus(step);
            step = velocity[i];
        }
        p[i] = p[i].minus(rate.times(step));
    }
}

/// Adagrad. Moments: the root of the sum of squares. Numbers: [rate at this step, epsilon, decay].
pub(super) struct AdagradStep;

impl<T: Float> Plain<T> for AdagradStep {
    #[inline(always)]
    unsafe fn run(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise.
        let (p, g, [sum, ..], c) = unsafe { parts::<T>(n, out, operands) };
        let [rate, epsilon, decay, .., sign] = c.map(T::from_f64);
        let one = T::from_f64(1.0);
        for i in 0..n {
            let slope = sign.times(g[i]).plus(decay.times(p[i]));
            sum[i] = root_of_mean(sum[i], slope.size(), one, one);
            p[i] = p[i].minus(rate.times(slope.over(sum[i].plus(epsilon))));
        }
    }
}

/// Lion. Moments: the mean gradient. Numbers: [rate, b1, b2, what the parameter is multiplied by before].
pub(super) struct LionStep;

impl<T: Float> Plain<T> for LionStep {
    #[inline(always)]
    unsafe fn run(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise.
        let (p, g, [m, ..], c) = unsafe { parts::<T>(n, out, operands) };
        let [rate, b1, b2, shrink, .., sign] = c.map(T::from_f64);
        let (c1, c2) = (T::from_f64(1.0 - c[1]), T::from_f64(1.0 - c[2]));
        let (zero, one) = (T::default(), T::from_f64(1.0));
        for i in 0..n {
            let slope = sign.times(g[i]);
            let mean = b1.times(m[i]).plus(c1.times(slope));
            m[i] = b2.times(m[i]).plus(c2.times(slope));
            // 0 stays 0, and NaN NaN.
            let sign = if mean > zero { one } else { mean };
            let sign = if mean < zero { zero.minus(one) } else { sign };
            p[i] = p[i].times(shrink).minus(rate.times(sign));
        }
    }
}

/// out = factor out. Operand: the factor, as f64.
pub(super) struct Scale;

impl<T: Float> Plain<T> for Scale {
    #[inline(always)]
    unsafe fn run(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise; the operand is as the struct says.
        let (x, factor): (&mut [T], f64) =
            unsafe { (result(out, n), operands[0].cast::<f64>().read()) };
        let factor = T::from_f64(factor);
        for x in x {
            *x = x.times(factor);
        }
    }
}

/// out = out, but at most `bound` in size; NaN stays. Operand: the bound, as f64.
pub(super) struct Bound;

impl<T: Float> Plain<T> for Bound {
    #[inline(always)]
    unsafe fn run(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise; the operand is as the struct says.
        let (x, bound): (&mut [T], f64) =
            unsafe { (result(out, n), operands[0].cast::<f64>().read()) };
        let most = T::from_f64(bound);
        let least = T::default().minus(most);
        for x in x {
            let upper = if *x > most { most } else { *x };
            *x = if upper < least { least } else { upper };
        }
    }
}
