//! Matrix products: the `gemm` crate, and a plain loop where its set-up would cost more than the
//! product. Transposes are strides.

use super::{Run, zero};
use crate::dtype::with_float;
use crate::graph::Core;
use crate::kernel::Float;
use crate::node::Node;
use crate::op::matmul::last_two;
use crate::plan::Source;
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

impl Run<'_> {
    /// As `matmul`, prepared for `gemm` running out of memory.
    #[cfg(feature = "capi")]
    pub(super) fn matmul_with_reserve(
        &self,
        core: &mut Core,
        node: &Node,
        sources: &[Source],
        out: *mut u8,
    ) -> crate::error::Maybe<()> {
        let (m, n) = last_two(&core.dims(node.shape));
        let (_, k) = last_two(&core.shape(node.inputs[0]));
        if m.saturating_mul(k).saturating_mul(n) <= SMALL {
            self.matmul(core, node, sources, out);
            return Ok(());
        }
        crate::reserve::with_room_for_gemm(core, (m, k, n), node.dtype.size(), |core| {
            self.matmul(core, node, sources, out);
        })
    }

    pub(super) fn matmul(&self, core: &Core, node: &Node, sources: &[Source], out: *mut u8) {
        let [a, b, ..] = node.inputs;
        let (dims, left) = (core.dims(node.shape), core.shape(a));
        let ((m, n), (_, k)) = (last_two(&dims), last_two(&left));
        if node.len == 0 || k == 0 {
            return zero(node.dtype, node.len, out);
        }
        let batch = Dims::new(&dims[..dims.len() - 2]);
        let (a, a_layout) = self.strided(core, sources[0], a);
        let (b, b_layout) = self.strided(core, sources[1], b);
        let a_steps = a_layout.batch().expand(&batch);
        let b_steps = b_layout.batch().expand(&batch);
        let count = batch.iter().product::<usize>();
        with_float!(node.dtype, T => {
            for i in 0..count {
                // SAFETY: batch entry `i` of each operand and of the result lies inside its buffer.
                unsafe {
                    let a = matrix::<T>(a.cast::<T>().offset(offset(&a_steps, i)), &a_layout);
                    let b = matrix::<T>(b.cast::<T>().offset(offset(&b_steps, i)), &b_layout);
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
