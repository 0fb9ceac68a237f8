//! Angles: which lanes reach far enough for them, what is computed again one by one, and sine and cosine
//! together.

use super::body::{Body, Operands, operand, result};
use super::each::MAX_LANES;
use super::float::Float;
use crate::lane::Lanes;
use crate::real::Real;

/// Whether any angle is beyond what the lanes' branch-free functions are right for.
#[inline(always)]
fn any_beyond<L: Lanes<Elem = T>, T: Float>(angle: &[T]) -> bool {
    match angle {
        [x] => is_beyond::<L, T>(*x),
        _ => angle.iter().fold(false, |any, &x| any | is_beyond::<L, T>(x)),
    }
}

#[inline(always)]
pub(super) fn is_beyond<L: Lanes<Elem = T>, T: Float>(x: T) -> bool {
    x.to_f64().abs() > L::TRIG_LIMIT
}

/// Whether these lanes will do for all angles, and others would reach further.
#[inline(always)]
pub(super) fn all_near<L: Lanes<Elem = T>, T: Float>(angle: &[T]) -> bool {
    L::TRIG_LIMIT < <L::Far as Lanes>::TRIG_LIMIT && !any_beyond::<L, T>(angle)
}

/// Computes again, one by one, the elements whose angle is too large for the lanes.
#[inline(always)]
pub(super) fn repair<L: Lanes<Elem = T>, T: Float>(
    out: &mut [T],
    angle: &[T],
    exact: impl Fn(usize) -> f64,
) {
    // Looking first keeps the rare loop out of the common path.
    if any_beyond::<L, T>(angle) {
        let beyond = |&(_, &x): &(usize, &T)| is_beyond::<L, T>(x);
        for (i, _) in angle.iter().enumerate().filter(beyond) {
            out[i] = T::from_f64(exact(i));
        }
    }
}

/// The sine and the cosine of an angle. Operands: the angle, and the place where the cosine is
/// written.
pub(super) struct SinCos;

impl<T: Float> Body<T> for SinCos {
    #[inline(always)]
    unsafe fn run<L: Lanes<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise: operands as the struct says, the second being its alone,
        // so that writing through it is allowed.
        let (sine, cosine, angle): (&mut [T], &mut [T], &[T]) =
            unsafe { (result(out, n), result(operands[1].cast_mut(), n), operand(operands, 0, n)) };
        if all_near::<L, T>(angle) {
            return each_sin_cos::<L>(sine, cosine, angle);
        }
        each_sin_cos::<L::Far>(sine, cosine, angle);
        repair::<L::Far, T>(sine, angle, |i| Real::sin(angle[i].to_f64()));
        repair::<L::Far, T>(cosine, angle, |i| Real::cos(angle[i].to_f64()));
    }
}

/// [`each`] for two results.
#[inline(always)]
fn each_sin_cos<L: Lanes>(sine: &mut [L::Elem], cosine: &mut [L::Elem], angle: &[L::Elem]) {
    let n = angle.len();
    assert!(sine.len() == n && cosine.len() == n);
    let whole = n - n % L::LANES;
    let mut i = 0;
    while i < whole {
        // SAFETY: LANES elements from i on are inside all slices, which are `n` long.
        unsafe {
            let (s, c) = L::load(angle, i).sin_cos();
            s.store(sine, i);
            c.store(cosine, i);
        }
        i += L::LANES;
    }
    if whole < n {
        let mut last = [angle[whole]; MAX_LANES];
        last[..n - whole].copy_from_slice(&angle[whole..]);
        let (mut s, mut c) = (last, last);
        // SAFETY: the copies hold MAX_LANES elements, at least LANES.
        unsafe {
            let (sin, cos) = L::load(&last, 0).sin_cos();
            sin.store(&mut s, 0);
            cos.store(&mut c, 0);
        }
        sine[whole..].copy_from_slice(&s[..n - whole]);
        cosine[whole..].copy_from_slice(&c[..n - whole]);
    }
}
