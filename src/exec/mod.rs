//! Doing: runs the steps of a plan on buffers of the graph's pool.

mod copy;
mod elementwise;
mod index;
mod matmul;
mod reduce;

use crate::buffer::Buffer;
use crate::dtype::{DType, Element, with_dtype};
use crate::error::Maybe;
use crate::graph::Core;
use crate::id::NodeId;
use crate::kernel::{FloatKernels, Kernel, float_kernels};
use crate::level::Level;
use crate::node::Op;
use crate::plan::{Plan, Planner, Source, Step};
use crate::random::Stream;
use crate::shape::Layout;

/// Plans and runs; keeps its memory from run to run.
pub(crate) struct Engine {
    planner: Planner,
    plan: Plan,
    level: Level,
    /// How much was computed, for tests of what was not.
    #[cfg(test)]
    pub(crate) steps_run: usize,
}

impl Engine {
    pub(crate) fn new() -> Self {
        Self {
            planner: Planner::default(),
            plan: Plan::default(),
            level: Level::current(),
            #[cfg(test)]
            steps_run: 0,
        }
    }

    pub(crate) fn level(&self) -> Level {
        self.level
    }

    /// Makes the values of the roots right and present, as dense data of their own. Nodes from
    /// `temporaries` on give their buffers back after their last reader, unless they are roots.
    pub(crate) fn evaluate(
        &mut self,
        core: &mut Core,
        roots: &[NodeId],
        temporaries: usize,
    ) -> Maybe<()> {
        self.planner.plan(core, roots, temporaries, &mut self.plan)?;
        let run = Run { plan: &self.plan, level: self.level };
        let mut releases = self.plan.releases().iter().rev().peekable();
        for (number, &step) in self.plan.steps().iter().enumerate() {
            run.step(core, step)?;
            core.state_mut(step.node).ready = true;
            #[cfg(test)]
            {
                self.steps_run += 1;
            }
            while let Some(&(_, id)) = releases.next_if(|(last, _)| *last as usize == number) {
                let state = core.state_mut(id);
                state.ready = false;
                if let Some(buffer) = state.value.take() {
                    core.pool.give(buffer);
                }
            }
        }
        Ok(())
    }

    /// Adds `from`, a computed node, to the gradient buffer of the same length.
    pub(crate) fn accumulate(&self, core: &Core, into: Buffer, from: NodeId) {
        let node = core.node(from);
        let from = buffer_start(core, from).cast_const();
        // SAFETY: both buffers hold `len` elements of the dtype, and are different.
        unsafe {
            (float_kernels(node.dtype, self.level).accumulate)(node.len, into.as_ptr(), &from);
        }
    }

    pub(crate) fn kernels(&self, dtype: DType) -> &'static FloatKernels {
        float_kernels(dtype, self.level)
    }
}

/// The first byte of a node's buffer.
fn buffer_start(core: &Core, id: NodeId) -> *mut u8 {
    match core.state(id).value {
        Some(buffer) => buffer.as_ptr(),
        None => unreachable!("{id} is read before it is computed"),
    }
}

/// One run of a plan.
struct Run<'a> {
    plan: &'a Plan,
    level: Level,
}

impl Run<'_> {
    fn step(&self, core: &mut Core, step: Step) -> Maybe<()> {
        let node = *core.node(step.node);
        let out = match core.state(step.node).value {
            Some(buffer) => buffer.as_ptr(),
            None => {
                let bytes = node.len * node.dtype.size();
                let Ok(buffer) = core.pool.take(bytes) else {
                    return Err(core.out_of_memory(node.op.name()));
                };
                core.state_mut(step.node).value = Some(buffer);
                buffer.as_ptr()
            }
        };
        let sources = self.plan.sources(step);
        if step.is_copy {
            self.copy(core, sources[0], node.dtype, node.len, out);
            return Ok(());
        }
        match node.op {
            Op::Map(_) | Op::Pull(..) | Op::Compare(_) | Op::Where | Op::Cast => {
                self.elementwise(core, &node, sources, out);
                Ok(())
            }
            Op::Fill => {
                fill(node.dtype, node.len, out, node.imm);
                Ok(())
            }
            Op::DropoutMask => {
                self.dropout_mask(core, step.node, out);
                Ok(())
            }
            Op::Reduce(reduction) => self.reduce(core, &node, reduction, sources[0], out),
            Op::ArgReduce(which) => {
                self.arg_reduce(core, &node, which, sources[0], out);
                Ok(())
            }
            Op::Softmax => {
                self.rows(core, &node, sources[0], out, self.kernels(node.dtype).softmax_row);
                Ok(())
            }
            Op::LogSoftmax => {
                self.rows(core, &node, sources[0], out, self.kernels(node.dtype).log_softmax_row);
                Ok(())
            }
            Op::Embed => {
                self.embed(core, &node, sources[0], out);
                Ok(())
            }
            Op::Concat => {
                self.concat(core, step.node, sources, out);
                Ok(())
            }
            Op::IndexSelect
            | Op::IndexAdd
            | Op::Gather
            | Op::ScatterAdd
            | Op::Pick
            | Op::Unpick => self.index(core, &node, sources, out),
            #[cfg(feature = "capi")]
            Op::MatMul => self.matmul_with_reserve(core, &node, sources, out),
            #[cfg(not(feature = "capi"))]
            Op::MatMul => {
                self.matmul(core, &node, sources, out);
                Ok(())
            }
            Op::Leaf | Op::Detach | Op::Reshape | Op::Permute | Op::Expand | Op::Slice => {
                unreachable!("{:?} has nothing to run", node.op)
            }
        }
    }

    fn kernels(&self, dtype: DType) -> &'static FloatKernels {
        float_kernels(dtype, self.level)
    }

    /// The first element of an operand and its layout, for operands with data in their own shape.
    fn strided(&self, core: &Core, source: Source, operand: NodeId) -> (*const u8, Layout) {
        let size = core.node(operand).dtype.size();
        let (base, layout) = match source {
            Source::Dense(base, offset) => {
                let mut layout = Layout::dense(&core.shape(operand));
                layout.offset = offset;
                (base, layout)
            }
            Source::Strided(base, layout) => (base, *self.plan.layout(layout)),
            other => unreachable!("{other:?} was made dense by the planner"),
        };
        // SAFETY: the planner's layouts stay inside the base's buffer; the first element of an
        // empty one is not read.
        (unsafe { buffer_start(core, base).add(layout.offset * size) }, layout)
    }

    /// The elements of an operand that the planner made dense.
    fn dense<'c, T: Element>(&self, core: &'c Core, source: Source, len: usize) -> &'c [T] {
        match source {
            Source::Dense(base, offset) => {
                let start = buffer_start(core, base).cast::<T>();
                assert!(core.node(base).dtype == T::DTYPE && offset + len <= core.node(base).len);
                // SAFETY: in bounds of the base's buffer, which has elements of T (both checked),
                // has been computed, and is borrowed with the core.
                unsafe { std::slice::from_raw_parts(start.add(offset), len) }
            }
            other => unreachable!("{other:?} was made dense by the planner"),
        }
    }

    /// A kernel on each row of the last axis.
    fn rows(
        &self,
        core: &Core,
        node: &crate::node::Node,
        source: Source,
        out: *mut u8,
        kernel: Kernel,
    ) {
        let (from, layout) = self.strided(core, source, node.inputs[0]);
        let n = layout.dims().last().copied().unwrap_or(1);
        let bytes = n * node.dtype.size();
        for row in 0..node.len.checked_div(n).unwrap_or(0) {
            // SAFETY: row by row over two dense buffers of `len` elements; out is the node's own.
            unsafe { kernel(n, out.add(row * bytes), &from.add(row * bytes)) };
        }
    }

    fn dropout_mask(&self, core: &Core, id: NodeId, out: *mut u8) {
        let node = core.node(id);
        let (p, training) = (node.imm, core.training);
        // The node's own stream, with another key in each replay since the seed was set.
        let replay = core.clock - core.seeded;
        let stream = Stream::new(core.seed ^ replay.rotate_left(32), core.list(node.list)[0]);
        crate::dtype::with_float!(node.dtype, T => {
            // SAFETY: the node's own buffer, of `len` elements of T.
            let out = unsafe { uninit::<T>(out, node.len) };
            let kept = T::from_f64(1.0 / (1.0 - p));
            for (pair, out) in out.chunks_mut(2).enumerate() {
                let draws = if training { stream.uniform(pair as u64) } else { [1.0; 2] };
                for (out, u) in out.iter_mut().zip(draws) {
                    out.write(match (training, u < p) {
                        (false, _) => T::from_f64(1.0),
                        (true, true) => T::from_f64(0.0),
                        (true, false) => kept,
                    });
                }
            }
        });
    }
}

/// A node's own buffer, to be written.
///
/// # Safety
/// `out` is valid for writing `len` elements of `T`, aligned, and nobody else's for `'a`.
unsafe fn uninit<'a, T>(out: *mut u8, len: usize) -> &'a mut [std::mem::MaybeUninit<T>] {
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts_mut(out.cast(), len) }
}

fn fill(dtype: DType, len: usize, out: *mut u8, value: f64) {
    with_dtype!(dtype, T => {
        // SAFETY: the node's own buffer, of `len` elements of T.
        unsafe { uninit::<T>(out, len) }.fill(std::mem::MaybeUninit::new(T::from_f64(value)));
    });
}

/// Zeros as floats and integers alike are zero bytes.
fn zero(dtype: DType, len: usize, out: *mut u8) {
    // SAFETY: the node's own buffer, of `len` elements of the dtype.
    unsafe { out.write_bytes(0, len * dtype.size()) };
}

#[cfg(test)]
mod tests;
