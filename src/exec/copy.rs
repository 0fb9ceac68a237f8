//! Moving elements between layouts.

use std::mem::MaybeUninit;

use super::memory::uninit;
use crate::dtype::with_bits;
use crate::plan::period;
use crate::shape::{Layout, MAX_RANK};
use crate::task::copy_two;

/// Elements of a line from which on it is copied by itself.
const LONG: usize = 16;

/// Elements of lines side by side that are copied at a time: the ways of a cache.
const FEW: usize = 8;

/// A walk over the elements of a layout in row-major order, a run of the last axis at a time.
#[derive(Clone)]
pub(super) struct StridedCursor {
    layout: Layout,
    index: [usize; MAX_RANK],
    /// Offset of the next element from the first, in elements.
    at: isize,
    /// Of copies of which element the register is full since it was last brought, and of how many.
    full: (isize, usize),
    again: Again,
}

/// What a register holds of a layout that begins again and again: it is filled once, and each tile is
/// a window of it.
#[derive(Clone, Copy, Default)]
struct Again {
    /// Elements after which it begins again; 0 if the register has no room for that.
    period: usize,
    /// Where in the register the next tile begins, and how many elements are there.
    next: usize,
    count: usize,
}

impl StridedCursor {
    pub(super) fn new(layout: &Layout) -> Self {
        Self::of(layout.merged(), 0)
    }

    /// Of a layout of as few axes as can be, for registers that have room for a period more than is
    /// brought at a time, if there is one.
    pub(super) fn periodic(merged: &Layout) -> Self {
        Self::of(*merged, period(merged))
    }

    fn of(layout: Layout, period: usize) -> Self {
        let again = Again { period, ..Again::default() };
        Self { layout, index: [0; MAX_RANK], at: 0, full: (0, 0), again }
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

    /// Forgets of what the register is full: somebody else has written to it.
    pub(super) fn forget_full(&mut self) {
        self.full = (0, 0);
    }

    /// The next elements on one line: (offset, stride, count), at most `most` of them.
    fn next_run(&mut self, most: usize) -> (isize, isize, usize) {
        let rank = self.layout.dims().len();
        let Some(last) = rank.checked_sub(1) else { return (0, 0, 1) };
        let (dims, strides) = (self.layout.dims(), self.layout.strides());
        let run = (self.at, strides[last], most.min(dims[last] - self.index[last]));
        self.advance(last, run.2);
        run
    }

    /// The next `lines` times `len` elements, if those of a line lie together, and the lines at equal
    /// distances: where the first is, and how far the next line.
    fn next_lines(&mut self, len: usize, lines: usize) -> Option<(isize, isize)> {
        let (dims, strides) = (self.layout.dims(), self.layout.strides());
        let last = dims.len().checked_sub(1).filter(|&last| strides[last] == 1)?;
        let at = self.at;
        if last == 0 {
            self.advance(last, len * lines);
            return Some((at, len as isize));
        }
        let left = dims[last - 1] - self.index[last - 1];
        if dims[last] != len || self.index[last] != 0 || lines > left {
            return None;
        }
        let stride = strides[last - 1];
        self.advance(last - 1, lines);
        Some((at, stride))
    }

    /// Leaves `count` places of an axis behind, if nothing is begun on those after it.
    #[inline(always)]
    fn advance(&mut self, axis: usize, count: usize) {
        let (dims, strides) = (self.layout.dims(), self.layout.strides());
        self.index[axis] += count;
        self.at += count as isize * strides[axis];
        for axis in (1..=axis).rev() {
            if self.index[axis] < dims[axis] {
                break;
            }
            self.at += strides[axis - 1] - dims[axis] as isize * strides[axis];
            self.index[axis] = 0;
            self.index[axis - 1] += 1;
        }
    }

    /// The next elements, at most `most` of them: whole planes or lines, if one is at its beginning, else
    /// a run.
    fn next_block(&mut self, most: usize) -> Block {
        let mut block = Block { at: self.at, counts: [1; 3], strides: [0; 3] };
        let (dims, strides) = (self.layout.dims(), self.layout.strides());
        let Some(mut axis) = dims.len().checked_sub(1) else { return block };
        let (mut k, mut most) = (2, most);
        loop {
            let len = dims[axis];
            block.counts[k] = most.min(len - self.index[axis]);
            block.strides[k] = strides[axis];
            most /= len;
            if k == 0 || axis == 0 || self.index[axis] > 0 || most < 2 {
                break;
            }
            (k, axis) = (k - 1, axis - 1);
        }
        self.advance(axis, block.counts[k]);
        block
    }

    /// Copies the next `n` elements to a dense place.
    ///
    /// # Safety
    /// `from` is the first element of this layout and valid for reading all of it; `to` is valid
    /// for writing `n` elements of `size` bytes; both are aligned for them.
    pub(super) unsafe fn gather(&mut self, size: usize, from: *const u8, to: *mut u8, n: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            with_bits!(size, T => self.gather_as::<T>(from.cast(), to.cast(), n));
        }
    }

    /// Brings the next `n` elements together: copied to `register`, unless they lie together anyway.
    /// What it returns is only to be read, and nobody else writes to the register.
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
        if self.again.period > 0 {
            // SAFETY: the caller's promise.
            return unsafe { self.bring_again(size, from, register, n) };
        }
        let on_one_line = self.layout.dims().len().checked_sub(1).filter(|&last| {
            let left = self.layout.dims()[last] - self.index[last];
            n <= left
        });
        let stride = on_one_line.map(|last| self.layout.strides()[last]);
        let full = std::mem::take(&mut self.full);
        // SAFETY: the caller's promise; a run lies inside of the layout.
        unsafe {
            match stride {
                Some(1) => {
                    let (at, ..) = self.next_run(n);
                    return from.offset(at * size as isize).cast_mut();
                }
                Some(0) if full.0 == self.at && n <= full.1 => {
                    self.full = full;
                    self.next_run(n);
                }
                Some(0) => {
                    self.full = (self.at, n);
                    self.gather(size, from, register, n);
                }
                _ => self.gather(size, from, register, n),
            }
        }
        register
    }

    /// `bring` for what begins again.
    ///
    /// # Safety
    /// As for `bring`.
    unsafe fn bring_again(
        &mut self,
        size: usize,
        from: *const u8,
        register: *mut u8,
        n: usize,
    ) -> *mut u8 {
        let Again { period, next, mut count } = self.again;
        let end = next + n;
        // SAFETY: the register has room for `period + n` elements, and `next < period`. What is
        // gathered lies at or before the last element that is asked for.
        unsafe {
            if count < end.min(period) {
                let more = end.min(period) - count;
                self.gather(size, from, register.add(count * size), more);
                count += more;
            }
            while count < end {
                let more = period.min(end - count);
                let from = register.add((count - period) * size);
                std::ptr::copy_nonoverlapping(from, register.add(count * size), more * size);
                count += more;
            }
            self.again = Again { period, next: end % period, count };
            register.add(next * size)
        }
    }

    /// # Safety
    /// As for `gather`.
    pub(super) unsafe fn gather_as<T: Copy>(&mut self, from: *const T, to: *mut T, n: usize) {
        let mut done = 0;
        while done < n {
            let block = self.next_block(n - done);
            // SAFETY: the block lies inside the layout, and has no more elements than are left.
            unsafe { block.copy(from.offset(block.at), to.add(done)) };
            done += block.counts.iter().product::<usize>();
        }
    }

    /// Copies the next `n` elements to every `apart`-th place.
    ///
    /// # Safety
    /// As for `gather`, with `to` valid for writing those places.
    pub(super) unsafe fn gather_apart<T: Copy>(
        &mut self,
        from: *const T,
        to: *mut T,
        apart: usize,
        n: usize,
    ) {
        let mut done = 0;
        while done < n {
            let (at, stride, count) = self.next_run(n - done);
            // SAFETY: the run lies inside the layout, and `done + count <= n`.
            unsafe {
                let (from, to) = (from.offset(at), to.add(done * apart));
                for i in 0..count {
                    to.add(i * apart).write(from.offset(i as isize * stride).read());
                }
            }
            done += count;
        }
    }

    /// Copies the next elements to lines of `len` places, `step` apart, whose beginnings are `apart`
    /// places apart: `lines` times `len` of them.
    ///
    /// # Safety
    /// As for `gather`, with `to` valid for writing those places.
    pub(super) unsafe fn gather_lines<T: Copy>(
        &mut self,
        from: *const T,
        to: *mut T,
        (len, step): (usize, usize),
        (lines, apart): (usize, usize),
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            if len == 1 {
                return self.gather_apart(from, to, apart, lines);
            }
            if let Some((at, stride)) = self.next_lines(len, lines) {
                let from = from.offset(at);
                for line in 0..lines {
                    let (from, to) = (from.offset(line as isize * stride), to.add(line * apart));
                    if step == 1 && len >= LONG {
                        std::ptr::copy_nonoverlapping(from, to, len);
                    } else {
                        for k in 0..len {
                            to.add(k * step).write(from.add(k).read());
                        }
                    }
                }
                return;
            }
            for line in 0..lines {
                let to = to.add(line * apart);
                if step == 1 {
                    self.gather_as(from, to, len);
                } else {
                    self.gather_apart(from, to, step, len);
                }
            }
        }
    }
}

/// Elements along three axes, the last of which is walked first.
struct Block {
    /// Offset of the first one.
    at: isize,
    counts: [usize; 3],
    strides: [isize; 3],
}

impl Block {
    /// Copies them to a dense place. Lines are mostly short: so the loop over them is chosen once.
    ///
    /// # Safety
    /// `from` is the block's first element and valid for reading all of it, `to` for writing as many
    /// elements.
    unsafe fn copy<T: Copy>(&self, from: *const T, to: *mut T) {
        let [_, lines, run] = self.counts;
        let [_, apart, stride] = self.strides;
        // SAFETY: the caller's promise; each line has `run` elements.
        unsafe {
            match (stride, run) {
                (0, 2) => self.each_line(from, to, |from, to| fill::<T, 2>(from, to)),
                (0, 3) => self.each_line(from, to, |from, to| fill::<T, 3>(from, to)),
                (0, 4..8) => self.each_line(from, to, |from, to| {
                    fill::<T, 4>(from, to);
                    fill::<T, 4>(from, to.add(run - 4));
                }),
                (0, 8..16) => self.each_line(from, to, |from, to| {
                    fill::<T, 8>(from, to);
                    fill::<T, 8>(from, to.add(run - 8));
                }),
                (0, _) => self.each_line(from, to, |from, to| {
                    // Read once: the compiler cannot know that writing does not change it.
                    let value = MaybeUninit::new(from.read());
                    uninit::<T>(to.cast(), run).fill(value);
                }),
                (1, 2) => self.each_line(from, to, |from, to| copy::<T, 2>(from, to)),
                (1, 3) => self.each_line(from, to, |from, to| copy::<T, 3>(from, to)),
                (1, 4..8) => self.each_line(from, to, |from, to| copy_two::<T, 4>(from, to, run)),
                (1, 8..16) => self.each_line(from, to, |from, to| copy_two::<T, 8>(from, to, run)),
                (1, 16..32) => self.each_line(from, to, |from, to| {
                    copy_two::<T, 16>(from, to, run);
                }),
                (1, _) => self.each_line(from, to, |from, to| {
                    std::ptr::copy_nonoverlapping(from, to, run);
                }),
                (-1, _) => self.each_line(from, to, |from, to| backwards(from, to, run)),
                (2, _) => self.each_line(from, to, |from, to| strided::<T, 2>(from, to, run)),
                (3, _) => self.each_line(from, to, |from, to| strided::<T, 3>(from, to, run)),
                (4, _) => self.each_line(from, to, |from, to| strided::<T, 4>(from, to, run)),
                _ if apart == 1 && lines > 1 => self.turn(from, to),
                _ => self.each_line(from, to, |from, to| {
                    for i in 0..run {
                        to.add(i).write(from.offset(i as isize * stride).read());
                    }
                }),
            }
        }
    }

    #[inline(always)]
    fn each_line<T>(&self, from: *const T, mut to: *mut T, copy: impl Fn(*const T, *mut T)) {
        let [planes, lines, run] = self.counts;
        for plane in 0..planes {
            let plane = from.wrapping_offset(plane as isize * self.strides[0]);
            for line in 0..lines {
                copy(plane.wrapping_offset(line as isize * self.strides[1]), to);
                to = to.wrapping_add(run);
            }
        }
    }

    /// Copies lines that lie side by side, a few elements of each at a time: so that where they come from, and
    /// where they go, stays in the first-level cache although it may be powers of 2 apart.
    ///
    /// # Safety
    /// As for `copy`, with lines one element apart.
    unsafe fn turn<T: Copy>(&self, source: *const T, to: *mut T) {
        let [planes, lines, run] = self.counts;
        let stride = self.strides[2];
        // Of short lines it is one element at a time: reading is in order then.
        let few = if run < FEW { 1 } else { FEW };
        for plane in 0..planes {
            for first in (0..run).step_by(few) {
                let from = plane as isize * self.strides[0] + first as isize * stride;
                // SAFETY: the caller's promise.
                unsafe {
                    let (from, to) = (source.offset(from), to.add(plane * lines * run + first));
                    let take = |line: usize, i: usize| {
                        let x = from.offset(line as isize + i as isize * stride).read();
                        to.add(line * run + i).write(x);
                    };
                    match few.min(run - first) {
                        1 => (0..lines).for_each(|line| take(line, 0)),
                        FEW => (0..lines).for_each(|line| (0..FEW).for_each(|i| take(line, i))),
                        few => (0..lines).for_each(|line| (0..few).for_each(|i| take(line, i))),
                    }
                }
            }
        }
    }
}

/// Copies `N` elements. (Of a number that is known, this is a few moves.)
///
/// # Safety
/// As for [`Block::copy`], of these elements.
#[inline(always)]
unsafe fn copy<T: Copy, const N: usize>(from: *const T, to: *mut T) {
    // SAFETY: the caller's promise.
    unsafe { std::ptr::copy_nonoverlapping(from, to, N) };
}

/// Repeats an element `N` times.
///
/// # Safety
/// As for [`Block::copy`].
#[inline(always)]
unsafe fn fill<T: Copy, const N: usize>(from: *const T, to: *mut T) {
    // SAFETY: the caller's promise.
    unsafe {
        let value = from.read();
        for k in 0..N {
            to.add(k).write(value);
        }
    }
}

/// Copies `n` elements of which each lies before the one before.
///
/// # Safety
/// As for [`Block::copy`], of these elements.
#[inline(always)]
unsafe fn backwards<T: Copy>(from: *const T, to: *mut T, n: usize) {
    if n == 0 {
        return;
    }
    // SAFETY: the caller's promise; the places do not overlap.
    let (from, to) =
        unsafe { (std::slice::from_raw_parts(from.sub(n - 1), n), uninit::<T>(to.cast(), n)) };
    gather_backwards(from, to);
}

/// A function of its own, whose parameters overlap nothing.
#[inline(always)]
fn gather_backwards<T: Copy>(from: &[T], to: &mut [MaybeUninit<T>]) {
    for (to, from) in to.iter_mut().zip(from.iter().rev()) {
        to.write(*from);
    }
}

/// Copies `n` elements of which each is `S` after the one before.
///
/// # Safety
/// As for [`Block::copy`], of these elements.
#[inline(always)]
unsafe fn strided<T: Copy, const S: usize>(from: *const T, to: *mut T, n: usize) {
    if n == 0 {
        return;
    }
    // SAFETY: the caller's promise; the places do not overlap.
    let (from, to) =
        unsafe { (std::slice::from_raw_parts(from, (n - 1) * S + 1), uninit::<T>(to.cast(), n)) };
    gather_strided::<T, S>(from, to);
}

/// A function of its own, whose parameters overlap nothing.
#[inline(always)]
fn gather_strided<T: Copy, const S: usize>(from: &[T], to: &mut [MaybeUninit<T>]) {
    let (whole, rest) = from.as_chunks::<S>();
    for (to, from) in to.iter_mut().zip(whole) {
        to.write(from[0]);
    }
    if let ([.., to], [from, ..]) = (to, rest) {
        to.write(*from);
    }
}
