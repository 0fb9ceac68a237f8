//! Matrix products: the `gemm` crate, and a plain loop where its set-up would cost more than the
//! product. Transposes are strides.

use super::{Run, zero};
use crate::dtype::with_float;
use crate::kernel::Float;
use crate::op::matmul::last_two;
use crate::plan::Single;
use crate::shape::{Dims, Layout};

/// Multiplications below which the plain loop is used.
const SMALL: usize = 512;

/// A matrix in memory.
#[derive(Clone, Copy)]
struct Matrix<T> {
    start: *const T,
    row_stride: isize,
    column_stride: isize,
}

/// The sizes of a product: rows, inner axis, columns.
pub(super) fn sizes(single: &Single, plan: &crate::plan::Plan) -> (usize, usize, usize) {
    let views = single.operands.of(&plan.views);
    let ((m, n), (_, k)) = (last_two(&single.dims), last_two(views[0].layout.dims()));
    (m, k, n)
}

/// Whether a product is left to `gemm`, which allocates memory.
#[cfg(feature = "capi")]
pub(super) fn is_large((m, k, n): (usize, usize, usize)) -> bool {
    m.saturating_mul(k).saturating_mul(n) > SMALL
}

impl Run<'_> {
    pub(super) fn matmul(&self, single: &Single) {
        let dims = single.dims;
        let (m, k, n) = sizes(single, self.plan);
        let out = self.base(single.out);
        let len = dims.iter().product::<usize>();
        if len == 0 || k == 0 {
            return zero(single.dtype, len, out);
        }
        let batch = Dims::new(&dims[..dims.len() - 2]);
        let views = single.operands.of(&self.plan.views);
        let ((a, a_layout), (b, b_layout)) = (self.start(&views[0]), self.start(&views[1]));
        let a_steps = a_layout.batch().expand(&batch);
        let b_steps = b_layout.batch().expand(&batch);
        let count = batch.iter().product::<usize>();
        with_float!(single.dtype, T => {
            for i in 0..count {
                // SAFETY: batch entry `i` of each operand and of the result lies inside its buffer.
                unsafe {
                    let a = matrix::<T>(a.cast::<T>().offset(offset(&a_steps, i)), a_layout);
                    let b = matrix::<T>(b.cast::<T>().offset(offset(&b_steps, i)), b_layout);
                    multiply::<T>((m, k, n), a, b, out.cast::<T>().add(i * m * n));
                }
            }
        });
    }
}

/// Offset of the `i`-th entry of a layout.
fn offset(layout: &Layout, mut i: usize) -> isize {
    let mut at = 0;
    for (&len, &stride) in layout.dims().iter().zip(layout.strides()).rev() {
        at += (i % len) as isize * stride;
        i /= len;
    }
    at
}

fn matrix<T>(start: *const T, layout: &Layout) -> Matrix<T> {
    let strides = layout.strides();
    let rank = strides.len();
    Matrix { start, row_stride: strides[rank - 2], column_stride: strides[rank - 1] }
}

/// out = a b, with out dense.
///
/// # Safety
/// `a` is valid for reading m x k elements at its strides, `b` for k x n; `out` is valid for
/// writing m x n and overlaps neither.
unsafe fn multiply<T: Float>(
    (m, k, n): (usize, usize, usize),
    a: Matrix<T>,
    b: Matrix<T>,
    out: *mut T,
) {
    if m * k * n <= SMALL {
        for i in 0..m {
            for j in 0..n {
                let mut sum = T::default();
                for l in 0..k {
                    // SAFETY: (i, l), (l, j) and (i, j) are inside the matrices.
                    unsafe {
                        let (i, l, j) = (i as isize, l as isize, j as isize);
                        let x = a.start.offset(i * a.row_stride + l * a.column_stride).read();
                        let y = b.start.offset(l * b.row_stride + j * b.column_stride).read();
                        sum = sum.plus(x.times(y));
                    }
                }
                // SAFETY: as above.
                unsafe { out.add(i * n + j).write(sum) };
            }
        }
        return;
    }
    // SAFETY: the caller's promise; the result is not read (`read_dst` is false).
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out,
            1,
            n as isize,
            false,
            a.start,
            a.column_stride,
            a.row_stride,
            b.start,
            b.column_stride,
            b.row_stride,
            T::default(),
            T::from_f64(1.0),
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
