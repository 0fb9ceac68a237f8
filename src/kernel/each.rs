//! A loop over registers, element by element.

use super::body::Scratch;
use super::float::Float;
use crate::lane::Register;
use crate::real::Real;

/// What [`each`] computes. A trait and no closure: closures cannot be told to be inlined always, and one
/// that is left outside of its `#[target_feature]` caller is compiled without the level's instructions.
pub(super) trait Lanewise<const N: usize> {
    fn apply<R: Real>(&self, x: [R; N]) -> R;
}

/// out = f(operands), element by element. What is left behind whole registers goes through the same
/// loop, on copies that fill one, so that there is one copy of a function's code.
#[inline(always)]
pub(super) fn each<R: Register<Elem = T>, T: Float, const N: usize>(
    out: &mut [T],
    from: [&[T]; N],
    f: &impl Lanewise<N>,
) {
    let n = out.len();
    assert!(from.iter().all(|from| from.len() == n));
    let (whole, left) = (n - n % R::LANES, n % R::LANES);
    let mut copies = [const { Scratch::<REGISTER>::new() }; N];
    let mut result = Scratch::<REGISTER>::new();
    let out = out.as_mut_ptr();
    let from = from.map(<[T]>::as_ptr);
    let copied = copies.each_mut().map(|copy| copy.start::<T>());
    // Twice the same, as a list: else LLVM would make two loops of it.
    let stretches =
        [(out, from, whole), (result.start(), copied.map(<*mut T>::cast_const), R::LANES)];
    let part = R::part(left);
    // SAFETY: all slices are `n` long, the copies as long as a register, and of what is left only that
    // part is read and written.
    unsafe {
        if left > 0 {
            for k in 0..N {
                R::load_filled(from[k].add(whole), part).store(copied[k]);
            }
        }
        for &(to, from, count) in &stretches[..1 + usize::from(left > 0)] {
            let mut i = 0;
            while i < count {
                let x = from.map(|from| R::load(from.add(i)));
                f.apply(x).store(to.add(i));
                i += R::LANES;
            }
        }
        if left > 0 {
            R::load(result.start()).store_part(out.add(whole), part);
        }
    }
}

/// Words of the largest register.
const REGISTER: usize = 8;

/// [`each`], which spares a single number what registers cost: kernels are called for many of these.
#[inline(always)]
pub(super) fn each_or_one<R: Register<Elem = T>, T: Float, const N: usize>(
    out: &mut [T],
    from: [&[T]; N],
    f: &impl Lanewise<N>,
) {
    if R::FMA && out.len() == 1 {
        each::<R::One, T, N>(out, from, f);
    } else {
        each::<R, T, N>(out, from, f);
    }
}
