//! Moving elements between layouts.

use std::mem::MaybeUninit;

use super::{Run, uninit, zero};
use crate::plan::Single;
use crate::shape::{Layout, MAX_RANK};

/// A walk over the elements of a layout in row-major order, a run of the last axis at a time.
#[derive(Clone)]
pub(super) struct Cursor {
    layout: Layout,
    index: [usize; MAX_RANK],
    /// Offset of the next element from the first, in elements.
    at: isize,
}

impl Cursor {
    pub(super) fn new(layout: &Layout) -> Self {
        Self { layout: layout.merged(), index: [0; MAX_RANK], at: 0 }
    }

    /// Goes to the element of this number.
    pub(super) fn seek(&mut self, mut element: usize) {
        let (dims, strides) = (self.layout.dims(), self.layout.strides());
        self.at = 0;
        for axis in (0..dims.len()).rev() {
            // The first axis takes what is left: behind the last element, too.
            self.index[axis] = if axis == 0 { element } else { element % dims[axis] };
            self.at += self.index[axis] as isize * strides[axis];
            element /= dims[axis].max(1);
        }
    }

    /// The next elements on one line: (offset, stride, count), at most `most` of them.
    fn next_run(&mut self, most: usize) -> (isize, isize, usize) {
        let rank = self.layout.dims().len();
        let Some(last) = rank.checked_sub(1) else { return (0, 0, 1) };
        let (dims, strides) = (self.layout.dims(), self.layout.strides());
        let run = (self.at, strides[last], most.min(dims[last] - self.index[last]));
        self.index[last] += run.2;
        self.at += run.2 as isize * strides[last];
        for axis in (1..=last).rev() {
            if self.index[axis] < dims[axis] {
                break;
            }
            self.at += strides[axis - 1] - dims[axis] as isize * strides[axis];
            self.index[axis] = 0;
            self.index[axis - 1] += 1;
        }
        run
    }

    /// Copies the next `n` elements to a dense place.
    ///
    /// # Safety
    /// `from` is the first element of this layout and valid for reading all of it; `to` is valid
    /// for writing `n` elements of `size` bytes; both are aligned for them.
    pub(super) unsafe fn gather(&mut self, size: usize, from: *const u8, to: *mut u8, n: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            match size {
                1 => self.gather_as::<u8>(from.cast(), to.cast(), n),
                4 => self.gather_as::<u32>(from.cast(), to.cast(), n),
                _ => self.gather_as::<u64>(from.cast(), to.cast(), n),
            }
        }
    }

    /// Brings the next `n` elements together: copied to `register`, unless they lie together anyway.
    /// What it returns is only to be read.
    ///
    /// # Safety
    /// As for `gather`.
    pub(super) unsafe fn bring(
        &mut self,
        size: usize,
        from: *const u8,
        register: *mut u8,
        n: usize,
    ) -> *mut u8 {
        let rank = self.layout.dims().len();
        let direct = rank.checked_sub(1).is_some_and(|last| {
            let left = self.layout.dims()[last] - self.index[last];
            self.layout.strides()[last] == 1 && n <= left
        });
        // SAFETY: the caller's promise; a run lies inside of the layout.
        unsafe {
            if direct {
                let (at, ..) = self.next_run(n);
                return from.offset(at * size as isize).cast_mut();
            }
            self.gather(size, from, register, n);
        }
        register
    }

    /// # Safety
    /// As for `gather`.
    unsafe fn gather_as<T: Copy>(&mut self, from: *const T, to: *mut T, n: usize) {
        let mut done = 0;
        while done < n {
            let (at, stride, count) = self.next_run(n - done);
            // SAFETY: the run lies inside the layout, and `done + count <= n`.
            unsafe {
                let (from, to) = (from.offset(at), to.add(done));
                if stride == 1 {
                    std::ptr::copy_nonoverlapping(from, to, count);
                } else if stride == 0 {
                    // Read once: the compiler cannot know that writing does not change it.
                    let value = MaybeUninit::new(from.read());
                    uninit::<T>(to.cast(), count).fill(value);
                } else {
                    for i in 0..count {
                        to.add(i).write(from.offset(i as isize * stride).read());
                    }
                }
            }
            done += count;
        }
    }

    /// Copies `n` dense elements to the next places of this layout.
    ///
    /// # Safety
    /// As for `gather`, with reading and writing exchanged.
    unsafe fn scatter<T: Copy>(&mut self, from: *const T, to: *mut T, n: usize) {
        let mut done = 0;
        while done < n {
            let (at, stride, count) = self.next_run(n - done);
            // SAFETY: the run lies inside the layout, and `done + count <= n`.
            unsafe {
                let (from, to) = (from.add(done), to.offset(at));
                for i in 0..count {
                    to.offset(i as isize * stride).write(from.add(i).read());
                }
            }
            done += count;
        }
    }
}

/// Elements copied through the stack at a time when both sides have strides.
const CHUNK: usize = 256;

/// Copies all elements from one layout to another of the same length.
///
/// # Safety
/// `from` and `to` are the first elements of their layouts, valid for reading and writing all of
/// them, aligned for elements of `size` bytes, and do not overlap.
unsafe fn copy_between(
    size: usize,
    from: *const u8,
    source: &Layout,
    to: *mut u8,
    target: &Layout,
) {
    let n = source.len();
    let (mut read, mut write) = (Cursor::new(source), Cursor::new(target));
    if target.is_dense() {
        // SAFETY: the caller's promise.
        return unsafe { read.gather(size, from, to, n) };
    }
    let mut chunk = [0u64; CHUNK];
    let mut done = 0;
    while done < n {
        let count = CHUNK.min(n - done);
        // SAFETY: the caller's promise, and the chunk holds CHUNK elements of up to 8 bytes.
        unsafe {
            read.gather(size, from, chunk.as_mut_ptr().cast(), count);
            match size {
                1 => write.scatter(chunk.as_ptr().cast::<u8>(), to, count),
                4 => write.scatter(chunk.as_ptr().cast::<u32>(), to.cast(), count),
                _ => write.scatter(chunk.as_ptr(), to.cast(), count),
            }
        }
        done += count;
    }
}

impl Run<'_> {
    pub(super) fn embed(&self, single: &Single) {
        let out = self.base(single.out);
        zero(single.dtype, single.dims.iter().product(), out);
        let &[axis, start, step] = single.list.of(&self.plan.words) else {
            unreachable!("the list of a slice")
        };
        let view = &single.operands.of(&self.plan.views)[0];
        let (from, layout) = self.start(view);
        let (axis, start, step) = (axis as usize, start as usize, step as usize);
        let part = Layout::dense(&single.dims).slice(axis, start, layout.dims()[axis], step);
        let size = single.dtype.size();
        // SAFETY: the slice was checked against the shape when it was recorded; the operand and
        // the result are different buffers.
        unsafe { copy_between(size, from, layout, out.add(part.offset * size), &part) };
    }

    pub(super) fn concat(&self, single: &Single) {
        let out = self.base(single.out);
        let axis = single.list.of(&self.plan.words)[0] as usize;
        let whole = Layout::dense(&single.dims);
        let (size, mut start) = (single.dtype.size(), 0);
        for view in single.operands.of(&self.plan.views) {
            let (from, layout) = self.start(view);
            let count = layout.dims()[axis];
            let part = whole.slice(axis, start, count, 1);
            // SAFETY: the parts fill the result one after the other, which recording checked.
            unsafe { copy_between(size, from, layout, out.add(part.offset * size), &part) };
            start += count;
        }
    }
}
