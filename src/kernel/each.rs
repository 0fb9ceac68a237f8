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
    let (n, out) = (out.len(), out.as_mut_ptr());
    let mut copies = [const { Scratch::<REGISTER>::new() }; N];
    let mut result = Scratch::<REGISTER>::new();
    let Lists { from, ends, copies } = Lists::new(n, &from, &mut copies, R::LANES);
    let is_short = n < R::LANES;
    // A list, although there are two at most: else LLVM would make two loops.
    let (stretches, count) = if is_short {
        ([(result.start(), copies, R::LANES); 2], usize::from(n > 0))
    } else {
        let (left, last) = (n % R::LANES, n - R::LANES);
        let end = (out.wrapping_add(last), ends, R::LANES);
        ([(out, from, n - left), end], 1 + usize::from(left > 0))
    };
    // SAFETY: all slices are `n` long, and nothing is read or written outside of them; the copies are as
    // long as a register, and filled before they are read.
    unsafe {
        if is_short && n > 0 {
            for k in 0..N {
                R::load_filled(from[k], R::part(n)).store(copies[k].cast_mut());
            }
        }
        for &(to, from, len) in &stretches[..count] {
            let mut i = 0;
            while i < len {
                let mut x = [R::load(from[0].add(i)); N];
                for k in 1..N {
                    x[k] = R::load(from[k].add(i));
                }
                f.apply(x).store(to.add(i));
                i += R::LANES;
            }
        }
        if is_short && n > 0 {
            R::load(result.start()).store_part(out, R::part(n));
        }
    }
}

/// Where operands are.
struct Lists<T, const N: usize> {
    from: [*const T; N],
    /// Their last registers, if they are as long as one.
    ends: [*const T; N],
    /// Room for a register of each.
    copies: [*const T; N],
}

impl<T: Float, const N: usize> Lists<T, N> {
    /// (By loops, and not by functions of arrays: what is compiled for each of hundreds of kernels is little.)
    #[inline(always)]
    fn new(n: usize, lists: &[&[T]; N], room: &mut [Scratch<REGISTER>; N], lanes: usize) -> Self {
        let none = [std::ptr::null(); N];
        let mut all = Self { from: none, ends: none, copies: none };
        for k in 0..N {
            assert!(lists[k].len() == n);
            all.from[k] = lists[k].as_ptr();
            all.ends[k] = all.from[k].wrapping_add(n.wrapping_sub(lanes));
            all.copies[k] = room[k].start::<T>().cast_const();
        }
        all
    }
}

/// Words of the largest register.
const REGISTER: usize = 8;
