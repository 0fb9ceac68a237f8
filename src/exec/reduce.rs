//! Reductions: over rows where the reduced axes are the last ones, by joining rows where others
//! follow them, and over a rearranged copy where they are mixed or the operand is a view.

use super::copy::Cursor;
use super::{Run, fill, uninit, zero};
use crate::dtype::with_float;
use crate::error::Maybe;
use crate::graph::Core;
use crate::kernel::{Float, call1};
use crate::node::{Extreme, Node, Reduction, Ties};
use crate::plan::Source;
use crate::shape::{Dims, Layout};

/// Rows that are added up in the element's precision before their sum is added to the result, so
/// that the error of a long column grows with its square root.
const JOIN_BLOCK: usize = 64;

/// How the elements of an operand are grouped, in the order of its axes.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Groups {
    /// Kept positions outside, reduced ones, kept positions inside.
    outer: usize,
    reduced: usize,
    inner: usize,
}

/// The groups of a shape, if its reduced axes are neighbours.
fn groups(dims: &[usize], kept: &[usize]) -> Option<Groups> {
    let mut groups = Groups { outer: 1, reduced: 1, inner: 1 };
    let mut seen = false;
    for (axis, &len) in dims.iter().enumerate() {
        if len != kept[axis] {
            if groups.inner != 1 {
                return None;
            }
            seen = true;
            groups.reduced *= len;
        } else if seen {
            groups.inner *= len;
        } else {
            groups.outer *= len;
        }
    }
    Some(groups)
}

/// The layout with the reduced axes last.
fn reduced_last(layout: &Layout, kept: &[usize]) -> Layout {
    let mut order = Dims::SCALAR;
    for reduced in [false, true] {
        for axis in 0..kept.len() {
            if (layout.dims()[axis] != kept[axis]) == reduced {
                order.push(axis);
            }
        }
    }
    layout.permute(&order)
}

impl Run<'_> {
    pub(super) fn reduce(
        &self,
        core: &mut Core,
        node: &Node,
        reduction: Reduction,
        source: Source,
        out: *mut u8,
    ) -> Maybe<()> {
        let kept = core.dims(node.list);
        let (from, layout) = self.strided(core, source, node.inputs[0]);
        if layout.len() == 0 {
            // Extremes of nothing were refused when they were recorded.
            let nothing = if reduction == Reduction::LogSumExp { f64::NEG_INFINITY } else { 0.0 };
            fill(node.dtype, node.len, out, nothing);
            return Ok(());
        }
        // In which order elements are added follows from the shape alone, never from where they
        // lie, so that a view and its copy have the same sum to the last bit.
        let by_join = self.kernels(node.dtype).join(reduction).is_some();
        let grouped = groups(layout.dims(), &kept).filter(|g| g.inner == 1 || by_join);
        let (layout, groups) = match grouped {
            Some(groups) => (layout, groups),
            None => {
                let reduced = layout.len() / node.len;
                (reduced_last(&layout, &kept), Groups { outer: node.len, reduced, inner: 1 })
            }
        };
        if layout.is_dense() {
            return self.reduce_groups(core, node, reduction, groups, from, out);
        }
        let len = layout.len();
        let size = node.dtype.size();
        let Ok(copy) = core.pool.take(len * size) else {
            return Err(core.out_of_memory(node.op.name()));
        };
        // SAFETY: the copy has room for the operand's elements.
        unsafe { Cursor::new(&layout).gather(size, from, copy.as_ptr(), len) };
        let reduced = self.reduce_groups(core, node, reduction, groups, copy.as_ptr(), out);
        core.pool.give(copy);
        reduced
    }

    fn reduce_groups(
        &self,
        core: &mut Core,
        node: &Node,
        reduction: Reduction,
        groups: Groups,
        from: *const u8,
        out: *mut u8,
    ) -> Maybe<()> {
        let Groups { outer, reduced, inner } = groups;
        let (kernels, size) = (self.kernels(node.dtype), node.dtype.size());
        if inner == 1 {
            let kernel = kernels.row(reduction);
            for row in 0..outer {
                // SAFETY: `outer` rows of `reduced` elements each, and `outer` results.
                unsafe {
                    call1(kernel, reduced, out.add(row * size), from.add(row * reduced * size))
                };
            }
            return Ok(());
        }
        let Some(join) = kernels.join(reduction) else {
            unreachable!("{reduction:?} is not made by joining rows")
        };
        let row_bytes = inner * size;
        let is_sum = reduction == Reduction::Sum && reduced > JOIN_BLOCK;
        let partial = match is_sum {
            false => None,
            true => match core.pool.take(row_bytes) {
                Ok(buffer) => Some(buffer),
                Err(_) => return Err(core.out_of_memory(node.op.name())),
            },
        };
        for o in 0..outer {
            // SAFETY: `outer` blocks of `reduced` rows of `inner` elements, as many result rows,
            // and one partial row; the three do not overlap.
            unsafe {
                let out = out.add(o * row_bytes);
                let row = |r: usize| from.add((o * reduced + r) * row_bytes);
                match partial {
                    None => {
                        std::ptr::copy_nonoverlapping(row(0), out, row_bytes);
                        (1..reduced).for_each(|r| call1(join, inner, out, row(r)));
                    }
                    Some(partial) => {
                        zero(node.dtype, inner, out);
                        for start in (0..reduced).step_by(JOIN_BLOCK) {
                            let end = reduced.min(start + JOIN_BLOCK);
                            std::ptr::copy_nonoverlapping(row(start), partial.as_ptr(), row_bytes);
                            (start + 1..end)
                                .for_each(|r| call1(join, inner, partial.as_ptr(), row(r)));
                            call1(join, inner, out, partial.as_ptr());
                        }
                    }
                }
            }
        }
        if let Some(partial) = partial {
            core.pool.give(partial);
        }
        Ok(())
    }

    /// The index of the first extreme, counted along the reduced axes; a NaN is the most extreme.
    pub(super) fn arg_reduce(
        &self,
        core: &Core,
        node: &Node,
        which: Extreme,
        source: Source,
        out: *mut u8,
    ) {
        let kept = core.dims(node.list);
        let x = node.inputs[0];
        let (_, layout) = self.strided(core, source, x);
        let Some(Groups { outer, reduced, inner }) = groups(layout.dims(), &kept) else {
            unreachable!("one axis or all of a dense operand")
        };
        // SAFETY: the node's own buffer, of `len` elements of i64.
        let out = unsafe { uninit::<i64>(out, node.len) };
        let dtype = core.node(x).dtype;
        let extreme = self.kernels(dtype).row(Reduction::Extreme(which, Ties::First));
        with_float!(dtype, T => {
            let values = self.dense::<T>(core, source, layout.len());
            if inner == 1 {
                // The extreme by the vector kernel, and then where it is.
                for (row, out) in values.chunks_exact(reduced).zip(out) {
                    let mut best = T::default();
                    let from: *const u8 = row.as_ptr().cast();
                    // SAFETY: a row of `reduced` elements, and one element of result.
                    unsafe { call1(extreme, reduced, (&raw mut best).cast(), from) };
                    #[allow(clippy::eq_op)] // a number that is not itself is NaN
                    let is_best = |x: &T| if best == best { *x == best } else { *x != *x };
                    out.write(row.iter().position(is_best).unwrap_or(0) as i64);
                }
                return;
            }
            for o in 0..outer {
                for i in 0..inner {
                    let at = |r: usize| values[(o * reduced + r) * inner + i];
                    let best = (1..reduced).fold(0, |best, r| {
                        if beats(which, at(r), at(best)) { r } else { best }
                    });
                    out[o * inner + i].write(best as i64);
                }
            }
        });
    }
}

fn beats<T: Float>(which: Extreme, challenger: T, best: T) -> bool {
    let is_nan = |x: T| x.to_f64().is_nan();
    let beyond = match which {
        Extreme::Max => challenger > best,
        Extreme::Min => challenger < best,
    };
    !is_nan(best) && (beyond || is_nan(challenger))
}
