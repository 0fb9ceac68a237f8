//! Angles: which lanes reach far enough for them, what is computed again one by one, and sine and cosine
//! together.

use super::body::{Body, Operands, Single, operand, result};
use super::float::Float;
use crate::lane::Register;
use crate::real::Real;

/// Whether any angle is beyond what the lanes' branch-free functions are right for.
#[inline(always)]
pub(super) fn any_beyond<R: Register<Elem = T>, T: Float>(angle: &[T]) -> bool {
    match angle {
        [x] => is_beyond::<R, T>(*x),
        _ => angle.iter().fold(false, |any, &x| any | is_beyond::<R, T>(x)),
    }
}

#[inline(always)]
pub(super) fn is_beyond<R: Register<Elem = T>, T: Float>(x: T) -> bool {
    x.to_f64().abs() > R::TRIG_LIMIT
}

/// Whether these lanes will do for all angles, and others would reach further.
#[inline(always)]
pub(super) fn all_near<R: Register<Elem = T>, T: Float>(angle: &[T]) -> bool {
    R::TRIG_LIMIT < <R::Far as Real>::TRIG_LIMIT && !any_beyond::<R, T>(angle)
}

/// Computes again, one by one, the elements whose angle is too large for the lanes.
#[inline(always)]
pub(super) fn repair<R: Register<Elem = T>, T: Float>(
    out: &mut [T],
    angle: &[T],
    exact: impl Fn(usize) -> f64,
) {
    // Looking first keeps the rare loop out of the common path.
    if any_beyond::<R, T>(angle) {
        let beyond = |&(_, &x): &(usize, &T)| is_beyond::<R, T>(x);
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
    unsafe fn run<R: Register<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise: operands as the struct says, the second being its alone,
        // so that writing through it is allowed.
        let (sine, cosine, angle): (&mut [T], &mut [T], &[T]) =
            unsafe { (result(out, n), result(operands[1].cast_mut(), n), operand(operands, 0, n)) };
        if all_near::<R, T>(angle) {
            return each_sin_cos::<R, T>(sine, cosine, angle);
        }
        each_sin_cos::<R::Far, T>(sine, cosine, angle);
        repair::<R::Far, T>(sine, angle, |i| Real::sin(angle[i].to_f64()));
        repair::<R::Far, T>(cosine, angle, |i| Real::cos(angle[i].to_f64()));
    }
}

impl<T: Float> Single<T> for SinCos {
    #[inline(always)]
    unsafe fn is_plain<R: Register<Elem = T>>(operands: &Operands) -> bool {
        // SAFETY: the caller's promise.
        !any_beyond::<R, T>(unsafe { operand(operands, 0, 1) })
    }
}

/// As [`each`](super::each::each), for two results.
#[inline(always)]
fn each_sin_cos<R: Register<Elem = T>, T: Float>(sine: &mut [T], cosine: &mut [T], angle: &[T]) {
    let n = angle.len();
    assert!(sine.len() == n && cosine.len() == n);
    let mut i = 0;
    while i < n {
        let left = n - i;
        // SAFETY: all slices are `n` long, and of the last register only what is left is read and
        // written.
        unsafe {
            let (sine, cosine) = (sine.as_mut_ptr().add(i), cosine.as_mut_ptr().add(i));
            let (angle, is_whole) = (angle.as_ptr().add(i), left >= R::LANES);
            let x = if is_whole { R::load(angle) } else { R::load_filled(angle, R::part(left)) };
            let (s, c) = x.sin_cos();
            if is_whole {
                s.store(sine);
                c.store(cosine);
            } else {
                let part = R::part(left);
                s.store_part(sine, part);
                c.store_part(cosine, part);
            }
        }
        i += R::LANES;
    }
}
