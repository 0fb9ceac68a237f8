//! Matrix products: one for each entry of the batch, cut into tasks where threads share them.
//! Transposes are strides.

use std::ops::Range;

use super::step::Run;
use super::workspace::Workspace;
use crate::dtype::with_float;
use crate::gemm::{Entries, Factor, Held, Matrix, Part, Product, Sizes};
use crate::level::Level;
use crate::node::Op;
use crate::op::matmul::last_two;
use crate::plan::{Grain, Plan, Program, Single, Slot, Step};
use crate::shape::{Dims, Layout};
use crate::team::Team;

/// Tiny products that a thread takes at a time.
const ENTRIES: usize = 4096;

/// The sizes of the matrices.
fn sizes(single: &Single, plan: &Plan) -> Sizes {
    let views = single.operands.of(&plan.views);
    let ((m, n), (_, k)) = (last_two(&single.dims), last_two(views[0].layout.dims()));
    Sizes { m, k, n }
}

/// Bytes of memory that each thread needs for the products of a plan.
pub(super) fn workspace(plan: &Plan) -> usize {
    let products = plan.singles.iter().filter(|single| single.op == Op::MatMul);
    let bytes =
        products.map(|single| with_float!(single.dtype, T => sizes(single, plan).workspace::<T>()));
    bytes.max().unwrap_or(0)
}

/// A batch of products: `m` rows of the result each, one after the other.
struct Products<'a, T> {
    sizes: Sizes,
    count: usize,
    a: (*const T, &'a Layout),
    b: (*const T, &'a Layout),
    /// From entry to entry.
    a_steps: Layout,
    b_steps: Layout,
    out: *mut T,
}

// SAFETY: as for `Run`.
unsafe impl<T> Sync for Products<'_, T> {}

impl<T: Factor> Products<'_, T> {
    fn product(&self, i: usize) -> Product<T> {
        let Sizes { m, n, .. } = self.sizes;
        Product {
            sizes: self.sizes,
            a: matrix(self.a.0.wrapping_offset(offset(&self.a_steps, i)), self.a.1),
            b: matrix(self.b.0.wrapping_offset(offset(&self.b_steps, i)), self.b.1),
            c: self.out.wrapping_add(i * m * n),
        }
    }

    /// Computes some entries, which are tiny.
    ///
    /// # Safety
    /// The entries of each operand and of the result lie inside of their buffers, and nobody else looks
    /// at those of the result. The CPU can run the level.
    unsafe fn tiny(&self, level: Level, entries: Range<usize>) {
        let step = |layout: &Layout| layout.strides().last().copied().unwrap_or(0);
        let line = self.a_steps.dims().last().copied().unwrap_or(1);
        let mut i = entries.start;
        while i < entries.end {
            let Product { sizes, a, b, c } = self.product(i);
            let count = (line - i % line).min(entries.end - i);
            let (a_step, b_step) = (step(&self.a_steps), step(&self.b_steps));
            // SAFETY: the caller's promise.
            unsafe { Entries { count, a, b, c, a_step, b_step }.run(level, sizes) };
            i += count;
        }
    }
}

impl Run<'_> {
    /// The products of a step, with their results from `out` on.
    fn batch<T>(&self, single: &Single, out: *mut u8) -> Products<'_, T> {
        let dims = single.dims;
        let batch = Dims::new(&dims[..dims.len() - 2]);
        let views = single.operands.of(&self.plan.views);
        let ((a, a_layout), (b, b_layout)) = (self.start(&views[0]), self.start(&views[1]));
        Products {
            sizes: sizes(single, self.plan),
            count: batch.iter().product(),
            a: (a.cast(), a_layout),
            b: (b.cast(), b_layout),
            a_steps: a_layout.batch().expand(&batch),
            b_steps: b_layout.batch().expand(&batch),
            out: out.cast(),
        }
    }

    pub(super) fn matmul(&self, single: &Single, team: Team) {
        with_float!(single.dtype, T => self.matmul_as::<T>(single, team));
    }

    fn matmul_as<T: Factor>(&self, single: &Single, team: Team) {
        let batch = self.batch::<T>(single, self.base(single.out));
        let sizes = batch.sizes;
        if sizes.is_tiny() && batch.count > 1 {
            let pieces = batch.count.div_ceil(ENTRIES);
            let piece = |number: usize| {
                let from = number * ENTRIES;
                // SAFETY: as below.
                unsafe { batch.tiny(self.level, from..batch.count.min(from + ENTRIES)) };
            };
            if team == Team::ALONE {
                (0..pieces).for_each(piece);
            } else {
                team.share(pieces, &|_, number| piece(number));
            }
            return;
        }
        if team == Team::ALONE {
            let work = self.product_memory(0);
            for i in 0..batch.count {
                let product = batch.product(i);
                // SAFETY: entry `i` of each operand and of the result lies inside its buffer, the
                // result is the step's own, and the workspace was prepared for products.
                unsafe {
                    product.run(self.level, &sizes.whole(), work, Held::Nothing, &mut |_| {})
                };
            }
            return;
        }
        let tasks = sizes.tasks();
        team.share(batch.count * tasks, &|worker, task| {
            let (product, part) = (batch.product(task / tasks), sizes.task(task % tasks));
            let work = self.product_memory(worker);
            // SAFETY: as above; tasks write different parts, and each worker has memory of its own.
            unsafe { product.run(self.level, &part, work, Held::Nothing, &mut |_| {}) };
        });
    }

    /// Computes the elements of a product from `from` to `to`, which are a chunk, into the
    /// workspace. Meanwhile it has fetched what else the step reads for them: there is little to
    /// fetch for the product itself, and hardware that fetches ahead starts anew with each chunk.
    ///
    /// # Safety
    /// The step's operands are complete, and the workspace was prepared for the plan, and forgot
    /// the factor that it held before the step.
    pub(super) unsafe fn product_chunk(
        &self,
        single: &Single,
        step: &Step,
        program: &Program,
        (from, to): (usize, usize),
        workspace: &mut Workspace,
    ) {
        // Where the result would begin if the room for the chunk were part of it.
        let before = from * single.dtype.size();
        let out = workspace.chunk_at(before).wrapping_sub(before);
        with_float!(single.dtype, T => {
            let batch = self.batch::<T>(single, out);
            let Sizes { m, n, .. } = batch.sizes;
            let (mut row, end) = (from / n, to / n);
            let goes_on = program.chunk / n < m;
            while row < end {
                let (i, first) = (row / m, row % m);
                let rows = first..m.min(first + end - row);
                row += rows.len();
                let product = batch.product(i);
                // One copy of the right factor serves many chunks.
                let held = if goes_on { workspace.hold(product.b.start.cast()) } else { Held::Nothing };
                let part = Part { rows, columns: 0..n };
                let ahead = &mut |rows: Range<usize>| {
                    self.fetch(step, program, (i * m + rows.start) * n, rows.len() * n);
                };
                // SAFETY: rows of entry `i`; the rest is the caller's promise.
                unsafe { product.run(self.level, &part, workspace.memory(), held, ahead) };
            }
        });
    }

    /// Has the elements `from` to `from + n` of what a program reads fetched to the second level.
    fn fetch(&self, step: &Step, program: &Program, from: usize, n: usize) {
        let reads = self.plan.reads(step);
        for slot in program.slots.of(&self.plan.slots) {
            if let Slot::Stream { datum, offset, size, grain: Grain::Element } = *slot
                && reads.contains(&datum)
            {
                let size = size as usize;
                let start = self.base(datum).wrapping_add((offset + from) * size);
                for line in (0..n * size).step_by(64) {
                    prefetch(start.wrapping_add(line));
                }
            }
        }
    }

    /// A worker's memory for products.
    fn product_memory(&self, worker: usize) -> *mut u8 {
        // SAFETY: there is a workspace for each worker of the team, which alone uses it.
        unsafe { (*self.workspaces.add(worker)).memory() }
    }
}

/// Asks for a cache line, to be brought to the second level.
#[inline(always)]
fn prefetch(at: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: SSE is part of x86-64, and any address may be asked for.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T1>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
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
