//! Steps that only move elements, in long runs rather than in tiles.

use super::copy::StridedCursor;
use super::padded::PaddedCursor;
use super::step::Run;
use crate::dtype::with_bits;
use crate::plan::Single;
use crate::shape::Padded;

impl Run<'_> {
    /// A tensor among zeros.
    pub(super) fn embed(&self, single: &Single) {
        let &[axis, start, step] = single.list.of(&self.plan.words) else {
            unreachable!("the list of a slice")
        };
        let view = &single.operands.of(&self.plan.views)[0];
        let (from, layout) = self.start(view);
        let (axis, start, step) = (axis as usize, start as usize, step as usize);
        let padded = Padded::new(*layout).embed(axis, start, step, single.dims[axis]);
        let (size, out) = (single.dtype.size(), self.base(single.out));
        // SAFETY: the slice was checked against the shape when it was recorded; the operand and
        // the result are different buffers.
        unsafe {
            PaddedCursor::new(&padded).gather(size, from, out, single.dims.iter().product());
        }
    }

    /// Tensors one after the other.
    pub(super) fn concat(&self, single: &Single) {
        let out = self.base(single.out);
        let axis = single.list.of(&self.plan.words)[0] as usize;
        let lines = single.dims[..axis].iter().product::<usize>();
        let line = single.dims[axis..].iter().product::<usize>();
        let (size, mut start) = (single.dtype.size(), 0);
        for view in single.operands.of(&self.plan.views) {
            let (from, layout) = self.start(view);
            let len = layout.dims()[axis..].iter().product::<usize>();
            // SAFETY: the parts fill the lines of the result one after the other, which recording
            // checked; operands and result are different buffers.
            unsafe {
                with_bits!(size, T => {
                    let to = out.cast::<T>().add(start);
                    StridedCursor::new(layout).gather_lines(from.cast(), to, (len, 1), (lines, line));
                });
            }
            start += len;
        }
    }
}
