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

/// out = f(operands), element by element, by one loop, so that there is one copy of a function's code: what
/// is left behind whole registers is computed with as many before it as fill one, once more; and what is
/// shorter than one register, on copies that fill it.
#[inline(always)]
pub(super) fn each<R: Register<Elem = T>, T: Float, const N: usize>(
    out: &mut [T],
    from: [&[T]; N],
    f: &impl Lanewise<N>,
) {
    let n = out.len();
    assert!(from.iter().all(|from| from.len() == n));
    let mut copies = [const { Scratch::<REGISTER>::new() }; N];
    let mut result = Scratch::<REGISTER>::new();
    let copies = copies.each_mut().map(|copy| copy.start::<T>());
    let (out, from) = (out.as_mut_ptr(), from.map(<[T]>::as_ptr));
    let is_short = n < R::LANES;
    // A list, although there are two at most: else LLVM would make two loops.
    let (stretches, count) = if is_short {
        let copied = (result.start(), copies.map(<*mut T>::cast_const), R::LANES);
        ([copied; 2], usize::from(n > 0))
    } else {
        let (left, last) = (n % R::LANES, n - R::LANES);
        let end = (out.wrapping_add(last), from.map(|from| from.wrapping_add(last)), R::LANES);
        ([(out, from, n - left), end], 1 + usize::from(left > 0))
    };
    // SAFETY: all slices are `n` long, and nothing is read or written outside of them; the copies are as
    // long as a register, and filled before they are read.
    unsafe {
        if is_short && n > 0 {
            for k in 0..N {
                R::load_filled(from[k], R::part(n)).store(copies[k]);
            }
        }
        for &(to, from, len) in &stretches[..count] {
            let mut i = 0;
            while i < len {
                let x = from.map(|from| R::load(from.add(i)));
                f.apply(x).store(to.add(i));
                i += R::LANES;
            }
        }
        if is_short && n > 0 {
            R::load(result.start()).store_part(out, R::part(n));
        }
    }
}

/// Words of the largest register.
const REGISTER: usize = 8;
