//! Sinks: reductions over more than a tile, each block by one thread, put together when all are done.

use super::step::Run;
use crate::dtype::with_float;
use crate::kernel::{
    COLUMNS, Float, FloatKernels, STRIDE, call_columns, call_rows, call1, combine_sums, finish,
    float_kernels, rescue,
};
use crate::node::Reduction;
use crate::plan::{Groups, JOIN_BLOCK, SUM_BLOCK, SinkReduction, TILE};

impl Run<'_> {
    /// Takes the elements `start` to `start + n` of a reduced operand in.
    ///
    /// # Safety
    /// `from` is valid for reading `n` elements, `lanes` for `STRIDE` of them, and the sink's
    /// partial results are this thread's for the blocks that these elements lie in.
    pub(super) unsafe fn sink(
        &self,
        sink: &SinkReduction,
        start: usize,
        n: usize,
        from: *const u8,
        lanes: *mut u8,
    ) {
        let kernels = float_kernels(sink.dtype, self.level);
        let size = sink.dtype.size();
        let reduction = sink.reduction;
        let partial = self.base(sink.partial);
        let groups = sink.groups;
        let blocks = groups.blocks();
        let mut done = 0;
        if groups.inner == 1 {
            while done < n {
                let at = start + done;
                let (row, place) = (at / groups.reduced, at % groups.reduced);
                let (block, inside) = (place / SUM_BLOCK, place % SUM_BLOCK);
                let block_len = SUM_BLOCK.min(groups.reduced - block * SUM_BLOCK);
                let mut count = (block_len - inside).min(n - done);
                // SAFETY: the caller's promise; the block's result is inside the partial results.
                unsafe {
                    let from = from.add(done * size);
                    let out = partial.add((row * blocks + block) * size);
                    if count == block_len {
                        // Groups of one block follow one another.
                        let rows = if blocks == 1 { (n - done) / block_len } else { 1 };
                        call_rows(kernels.block(reduction), rows, block_len, out, from);
                        count *= rows;
                    } else {
                        if inside == 0 {
                            call1(kernels.open(reduction), STRIDE, lanes, lanes);
                        }
                        lanes_in(kernels, reduction, size, inside, count, from, lanes);
                        if inside + count == block_len {
                            call1(kernels.close(reduction), STRIDE, out, lanes);
                        }
                    }
                }
                done += count;
            }
            return;
        }
        let join = kernels.join(reduction);
        while done < n {
            let at = start + done;
            let (line, column) = (at / groups.inner, at % groups.inner);
            let (outer, place) = (line / groups.reduced, line % groups.reduced);
            let mut count = (groups.inner - column).min(n - done);
            let is_first = place.is_multiple_of(JOIN_BLOCK);
            let lines = JOIN_BLOCK.min(groups.reduced - place);
            let is_whole = is_first && column == 0 && lines * groups.inner <= n - done;
            // SAFETY: as above.
            unsafe {
                let from = from.add(done * size);
                let line = (outer * blocks + place / JOIN_BLOCK) * groups.inner + column;
                let out = partial.add(line * size);
                if is_whole {
                    let kernel = kernels.join_columns(reduction);
                    call_columns(kernel, groups.inner, lines, groups.inner, out, [from, from]);
                    count = lines * groups.inner;
                } else if is_first && reduction != Reduction::Norm {
                    std::ptr::copy_nonoverlapping(from, out, count * size);
                } else {
                    if is_first {
                        out.write_bytes(0, count * size);
                    }
                    call1(join, count, out, from);
                }
            }
            done += count;
        }
    }

    /// As `sink`, after the sink's results were found to have left the range on the way: elements
    /// are multiplied by what brings these back.
    ///
    /// # Safety
    /// As for `sink`, with elements of `T`; the results are complete, and nobody writes them.
    #[cold]
    pub(super) unsafe fn sink_scaled<T: Float>(
        &self,
        sink: &SinkReduction,
        start: usize,
        n: usize,
        from: *const T,
        lanes: *mut u8,
    ) {
        let Groups { reduced, inner, .. } = sink.groups;
        let results: *const T = self.base(sink.result).cast();
        let mut scaled = [T::default(); TILE];
        for first in (0..n).step_by(TILE) {
            let count = TILE.min(n - first);
            for k in 0..count {
                let at = start + first + k;
                let group = at / inner / reduced * inner + at % inner;
                // SAFETY: the caller's promise, for an element that exists, and its group.
                let (x, result) = unsafe { (*from.add(first + k), *results.add(group)) };
                let scale = rescue(sink.reduction, result);
                scaled[k] = scale.map_or(x, |scale| x.times(T::from_f64(scale)));
            }
            // SAFETY: as above.
            unsafe { self.sink(sink, start + first, count, scaled.as_ptr().cast(), lanes) };
        }
    }

    /// Makes the result of a sink from its partial results. Says whether some of them have left the
    /// range on the way, so that the step has to be run again for the sake of these.
    ///
    /// # Safety
    /// The partial results are complete, and the result is this thread's to write.
    pub(super) unsafe fn combine(&self, sink: &SinkReduction, rescues: bool) -> bool {
        let groups = sink.groups;
        let blocks = groups.blocks();
        if blocks == 1 && !sink.is_scaled() {
            return false;
        }
        if !matches!(sink.reduction, Reduction::Extreme(..)) {
            // SAFETY: the caller's promise.
            return with_float!(sink.dtype, T => unsafe { self.combine_as::<T>(sink, rescues) });
        }
        let size = sink.dtype.size();
        let join = float_kernels(sink.dtype, self.level).join(sink.reduction);
        let (partial, out) = (self.base(sink.partial), self.base(sink.result));
        for outer in 0..groups.outer {
            // SAFETY: the caller's promise; both hold `outer` groups.
            unsafe {
                let from = partial.add(outer * blocks * groups.inner * size);
                let out = out.add(outer * groups.inner * size);
                std::ptr::copy_nonoverlapping(from, out, groups.inner * size);
                for block in 1..blocks {
                    call1(join, groups.inner, out, from.add(block * groups.inner * size));
                }
            }
        }
        false
    }

    /// `combine` for sums: they go on in f64.
    ///
    /// # Safety
    /// As for `combine`.
    unsafe fn combine_as<T: Float>(&self, sink: &SinkReduction, rescues: bool) -> bool {
        let Groups { outer, reduced, inner } = sink.groups;
        let blocks = sink.groups.blocks();
        let (partial, out) = (self.base(sink.partial).cast::<T>(), self.base(sink.result));
        let kernel = float_kernels(sink.dtype, self.level).combine_columns();
        let lengths = [blocks, inner];
        let mut wants_rescue = false;
        let mut end = |out: &mut T, total: f64| {
            if !rescues {
                *out = finish(sink.reduction, total, reduced, 1.0);
                wants_rescue |= rescue(sink.reduction, *out).is_some();
            } else if let Some(scale) = rescue(sink.reduction, *out) {
                *out = finish(sink.reduction, total, reduced, scale);
            }
        };
        // SAFETY: the caller's promise: `outer` groups of `blocks` rows of `inner` sums, and as many
        // groups of `inner` results.
        unsafe {
            if inner == 1 {
                for group in 0..outer {
                    let sums = std::slice::from_raw_parts(partial.add(group * blocks), blocks);
                    end(&mut *out.cast::<T>().add(group), combine_sums(sums));
                }
                return wants_rescue;
            }
            let mut totals = [0.0; COLUMNS];
            for group in 0..outer {
                for column in (0..inner).step_by(COLUMNS) {
                    let n = COLUMNS.min(inner - column);
                    let from: *const u8 = partial.add(group * blocks * inner + column).cast();
                    let (to, lengths) = (totals.as_mut_ptr().cast(), (&raw const lengths).cast());
                    kernel(n, to, from, lengths, lengths, lengths);
                    for (k, &total) in totals[..n].iter().enumerate() {
                        end(&mut *out.cast::<T>().add(group * inner + column + k), total);
                    }
                }
            }
        }
        wants_rescue
    }
}

/// Joins elements into the lanes of a block: the element at place `i` of the block into lane
/// `i % STRIDE`.
///
/// # Safety
/// `from` is valid for reading `n` elements of `size` bytes, `lanes` for `STRIDE` of them.
unsafe fn lanes_in(
    kernels: &FloatKernels,
    reduction: Reduction,
    size: usize,
    place: usize,
    n: usize,
    from: *const u8,
    lanes: *mut u8,
) {
    let join = kernels.join(reduction);
    let lane = place % STRIDE;
    let head = if lane == 0 { 0 } else { n.min(STRIDE - lane) };
    // SAFETY: the caller's promise.
    unsafe {
        if head > 0 {
            call1(join, head, lanes.add(lane * size), from);
        }
        if n > head {
            call1(kernels.fold_into(reduction), n - head, lanes, from.add(head * size));
        }
    }
}
