//! Arithmetic on i64.

use super::body::{Levels, Operands, Plain, operand, plain, result};
use crate::node::Integer;

/// Arithmetic on i64: the number is that of [`Integer`].
struct Arithmetic<const OP: usize>;

impl<const OP: usize> Plain<i64> for Arithmetic<OP> {
    #[inline(always)]
    unsafe fn run(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, with 2 operands.
        let (out, a, b): (&mut [i64], &[i64], &[i64]) =
            unsafe { (result(out, n), operand(operands, 0, n), operand(operands, 1, n)) };
        for i in 0..n {
            out[i] = arithmetic(Integer::ALL[OP], a[i], b[i]);
        }
    }
}

#[inline(always)]
fn arithmetic(op: Integer, a: i64, b: i64) -> i64 {
    match op {
        Integer::Add => a.wrapping_add(b),
        Integer::Sub => a.wrapping_sub(b),
        Integer::Mul => a.wrapping_mul(b),
        Integer::FloorDivide if b == 0 => 0,
        Integer::FloorDivide => {
            let (quotient, rest) = (a.wrapping_div(b), a.wrapping_rem(b));
            quotient.wrapping_sub(i64::from(rest != 0 && (rest < 0) != (b < 0)))
        }
        Integer::Remainder if b == 0 => 0,
        Integer::Remainder => {
            let rest = a.wrapping_rem(b);
            if rest != 0 && (rest < 0) != (b < 0) { rest.wrapping_add(b) } else { rest }
        }
        Integer::Maximum => a.max(b),
        Integer::Minimum => a.min(b),
    }
}

pub(super) static INTEGER: [Levels; Integer::ALL.len()] = [
    plain::<Arithmetic<0>, i64>(),
    plain::<Arithmetic<1>, i64>(),
    plain::<Arithmetic<2>, i64>(),
    plain::<Arithmetic<3>, i64>(),
    plain::<Arithmetic<4>, i64>(),
    plain::<Arithmetic<5>, i64>(),
    plain::<Arithmetic<6>, i64>(),
];
