//! Matrix products: one for each entry of the batch, cut into tasks where threads share them.
//! Transposes are strides.

use super::Run;
use super::tile::Workspace;
use crate::dtype::with_float;
use crate::gemm::{Factor, Matrix, Product, Sizes};
use crate::op::matmul::last_two;
use crate::plan::{Plan, Single};
use crate::shape::{Dims, Layout};

/// The sizes of the matrices.
fn sizes(single: &Single, plan: &Plan) -> Sizes {
    let views = single.operands.of(&plan.views);
    let ((m, n), (_, k)) = (last_two(&single.dims), last_two(views[0].layout.dims()));
    Sizes { m, k, n }
}

/// Bytes of memory that each thread needs for a product.
pub(super) fn workspace(single: &Single, plan: &Plan) -> usize {
    with_float!(single.dtype, T => sizes(single, plan).workspace::<T>())
}

impl Run<'_> {
    pub(super) fn matmul(&self, single: &Single, is_shared: bool) {
        with_float!(single.dtype, T => self.matmul_as::<T>(single, is_shared));
    }

    fn matmul_as<T: Factor>(&self, single: &Single, is_shared: bool) {
        let dims = single.dims;
        let sizes = sizes(single, self.plan);
        let Sizes { m, n, .. } = sizes;
        let batch = Dims::new(&dims[..dims.len() - 2]);
        let count = batch.iter().product::<usize>();
        let views = single.operands.of(&self.plan.views);
        let (a_steps, b_steps) =
            (views[0].layout.batch().expand(&batch), views[1].layout.batch().expand(&batch));
        let product = |i: usize| {
            let ((a, a_layout), (b, b_layout)) = (self.start(&views[0]), self.start(&views[1]));
            let out = self.base(single.out).cast::<T>();
            Product {
                sizes,
                a: matrix(a.cast::<T>().wrapping_offset(offset(&a_steps, i)), a_layout),
                b: matrix(b.cast::<T>().wrapping_offset(offset(&b_steps, i)), b_layout),
                c: out.wrapping_add(i * m * n),
            }
        };
        if !is_shared {
            let work = self.product_memory(0);
            for i in 0..count {
                // SAFETY: entry `i` of each operand and of the result lies inside its buffer, the
                // result is the step's own, and the workspace was prepared for products.
                unsafe { product(i).run(self.level, &sizes.whole(), work, &mut |_| {}) };
            }
            return;
        }
        let tasks = sizes.tasks();
        self.team.share(count * tasks, &|worker, task| {
            let part = sizes.task(task % tasks);
            let work = self.product_memory(worker);
            // SAFETY: as above; tasks write different parts, and each worker has memory of its own.
            unsafe { product(task / tasks).run(self.level, &part, work, &mut |_| {}) };
        });
    }

    /// A worker's memory for products.
    fn product_memory(&self, worker: usize) -> *mut u8 {
        // SAFETY: there is a workspace for each worker of the team, which alone uses it.
        unsafe { Workspace::product(self.workspaces.add(worker)) }
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
