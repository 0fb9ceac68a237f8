//! Comparisons, whose result is a mask, and selection by one.

use super::body::{DTYPES, Levels, Operands, Plain, operand, plain, result};
use crate::dtype::Element;
use crate::node::Comparison;

/// Operands: two of `T`; the result is a mask.
pub(super) struct Compare<const C: u8>;

impl<T: Element + PartialOrd, const C: u8> Plain<T> for Compare<C> {
    #[inline(always)]
    unsafe fn run(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, with 2 operands and a result of u8.
        let (out, a, b): (&mut [u8], &[T], &[T]) =
            unsafe { (result(out, n), operand(operands, 0, n), operand(operands, 1, n)) };
        compare::<T, C>(out, a, b);
    }
}

/// A function of its own, as are [`choose`] and [`convert`]: that `out` is a parameter tells LLVM
/// that it overlaps nothing.
#[inline(always)]
pub(super) fn compare<T: Element + PartialOrd, const C: u8>(out: &mut [u8], a: &[T], b: &[T]) {
    assert!(a.len() == out.len() && b.len() == out.len());
    for i in 0..out.len() {
        let (a, b) = (a[i], b[i]);
        out[i] = u8::from(match Comparison::ALL[C as usize] {
            Comparison::Eq => a == b,
            Comparison::Ne => a != b,
            Comparison::Lt => a < b,
            Comparison::Le => a <= b,
            Comparison::Gt => a > b,
            Comparison::Ge => a >= b,
            // A number that is not itself is NaN. No short circuit: this is to be a vector.
            #[allow(clippy::eq_op)]
            Comparison::Same => (a == b) | ((a != a) & (b != b)),
        });
    }
}

/// Operands: mask, value where it is set, value elsewhere.
pub(super) struct Where;

impl<T: Element> Plain<T> for Where {
    #[inline(always)]
    unsafe fn run(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, with 3 operands, the first of u8.
        let (out, mask, yes, no): (&mut [T], &[u8], &[T], &[T]) = unsafe {
            (
                result(out, n),
                operand(operands, 0, n),
                operand(operands, 1, n),
                operand(operands, 2, n),
            )
        };
        choose(out, mask, yes, no);
    }
}

#[inline(always)]
fn choose<T: Copy>(out: &mut [T], mask: &[u8], yes: &[T], no: &[T]) {
    let n = out.len();
    assert!(mask.len() == n && yes.len() == n && no.len() == n);
    for i in 0..n {
        // Both are read, whichever is taken: a load under a condition would be a branch.
        let (yes, no) = (yes[i], no[i]);
        out[i] = if mask[i] != 0 { yes } else { no };
    }
}

const fn comparisons<T: Element + PartialOrd>() -> [Levels; Comparison::ALL.len()] {
    [
        plain::<Compare<0>, T>(),
        plain::<Compare<1>, T>(),
        plain::<Compare<2>, T>(),
        plain::<Compare<3>, T>(),
        plain::<Compare<4>, T>(),
        plain::<Compare<5>, T>(),
        plain::<Compare<6>, T>(),
    ]
}

pub(super) static COMPARE: [[Levels; Comparison::ALL.len()]; DTYPES] =
    [comparisons::<f32>(), comparisons::<f64>(), comparisons::<i64>(), comparisons::<u8>()];

pub(super) static WHERE: [Levels; DTYPES] =
    [plain::<Where, f32>(), plain::<Where, f64>(), plain::<Where, i64>(), plain::<Where, u8>()];
