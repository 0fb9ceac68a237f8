//! Steps of optimisers.

use super::body::{Operands, Plain, operand, result};
use super::float::Float;

/// What one step of an optimiser is made of; which numbers mean what is said at each kernel.
pub(crate) type Coefficients = [f64; 6];

/// Momentum SGD. Operands: gradient, velocity (written), coefficients [rate, momentum, decay].
pub(super) struct SgdStep;

impl<T: Float> Plain<T> for SgdStep {
    #[inline(always)]
    unsafe fn run(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise: operands as the struct says, the velocity being its
        // alone, so that writing through that operand is allowed.
        let (p, g, v, c): (&mut [T], &[T], &mut [T], Coefficients) = unsafe {
            (
                result(out, n),
                operand(operands, 0, n),
                result(operands[1].cast_mut(), n),
                operands[2].cast::<Coefficients>().read_unaligned(),
            )
        };
        let [rate, momentum, decay, ..] = c.map(T::from_f64);
        if c[1] == 0.0 {
            // The velocity is left as it is: it may be infinite, and 0 times that is NaN.
            for i in 0..n {
                let slope = g[i].plus(decay.times(p[i]));
                p[i] = p[i].minus(rate.times(slope));
            }
            return;
        }
        for i in 0..n {
            let slope = g[i].plus(decay.times(p[i]));
            v[i] = momentum.times(v[i]).plus(slope);
            p[i] = p[i].minus(rate.times(v[i]));
        }
    }
}

/// Adam. Operands: gradient, first moment and root of the second (both written), coefficients
/// [rate / (1 - b1^t), b1, b2, epsilon, 1 / sqrt(1 - b2^t), decay]. The second moment itself, of
/// squares, would leave the range.
pub(super) struct AdamStep;

impl<T: Float> Plain<T> for AdamStep {
    #[inline(always)]
    unsafe fn run(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise: operands as the struct says, the moments being its alone,
        // so that writing through those operands is allowed.
        let (p, g, m, v, c): (&mut [T], &[T], &mut [T], &mut [T], Coefficients) = unsafe {
            (
                result(out, n),
                operand(operands, 0, n),
                result(operands[1].cast_mut(), n),
                result(operands[2].cast_mut(), n),
                operands[3].cast::<Coefficients>().read_unaligned(),
            )
        };
        let [rate, b1, b2, epsilon, scale, decay] = c.map(T::from_f64);
        let (c1, c2) = (T::from_f64(1.0 - c[1]), T::from_f64(1.0 - c[2]));
        for i in 0..n {
            let slope = g[i].plus(decay.times(p[i]));
            m[i] = b1.times(m[i]).plus(c1.times(slope));
            // What is squared is no larger than 1.
            let (old, new) = (v[i], slope.size());
            let large = if old < new { new } else { old };
            let large = if large < T::SMALL { T::SMALL } else { large };
            let (old, new) = (old.over(large), new.over(large));
            v[i] = large.times(b2.times(old.times(old)).plus(c2.times(new.times(new))).root());
            let step = m[i].over(v[i].times(scale).plus(epsilon));
            p[i] = p[i].minus(rate.times(step));
        }
    }
}
