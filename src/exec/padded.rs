//! Elements of a block, with the zeros around it.

use super::copy::StridedCursor;
use crate::dtype::with_bits;
use crate::shape::{MAX_RANK, Padded, Stretch};

/// Elements of a line up to which whole lines are brought together.
const SHORT: usize = 128;

/// A walk over a block and the zeros around it in row-major order, a run of the last axis at a time.
#[derive(Clone)]
pub(super) struct PaddedCursor {
    axes: [Stretch; MAX_RANK],
    /// The last axis.
    last: usize,
    index: [usize; MAX_RANK],
    /// Whether the block has elements on the line at hand.
    inside: bool,
    /// Where the block's next element lies.
    block: StridedCursor,
}

impl PaddedCursor {
    pub(super) fn new(padded: &Padded) -> Self {
        let (axes, rank) = padded.merged_axes();
        let block = StridedCursor::new(&padded.block);
        let mut cursor = Self { axes, last: rank - 1, index: [0; MAX_RANK], inside: false, block };
        cursor.note_line();
        cursor
    }

    fn note_line(&mut self) {
        let mut leading = self.axes[..self.last].iter().zip(&self.index);
        self.inside = leading.all(|(axis, &place)| axis.has(place));
    }

    /// Goes to the element of this number, zeros included.
    pub(super) fn seek(&mut self, mut element: usize) {
        for axis in (0..=self.last).rev() {
            let len = self.axes[axis].len.max(1);
            self.index[axis] = if axis == 0 { element } else { element % len };
            element /= len;
        }
        self.note_line();
        let (mut before, mut inside) = (0, true);
        for (axis, &place) in self.axes[..=self.last].iter().zip(&self.index) {
            before = before * axis.count + if inside { axis.before(place) } else { 0 };
            inside &= axis.has(place);
        }
        self.block.seek(before);
    }

    /// Leaves the next `n` elements behind, which are on one line.
    fn advance(&mut self, n: usize) {
        self.index[self.last] += n;
        if self.index[self.last] < self.axes[self.last].len {
            return;
        }
        for axis in (1..=self.last).rev() {
            if self.index[axis] < self.axes[axis].len {
                break;
            }
            self.index[axis] = 0;
            self.index[axis - 1] += 1;
        }
        self.note_line();
    }

    /// As [`StridedCursor::bring`].
    ///
    /// # Safety
    /// `from` is the first element of the block and valid for reading all of it; `register` is
    /// valid for writing `n` elements of `size` bytes, as many as are left; both are aligned for
    /// them.
    pub(super) unsafe fn bring(
        &mut self,
        size: usize,
        from: *const u8,
        register: *mut u8,
        n: usize,
    ) -> *mut u8 {
        let (line, place) = (self.axes[self.last], self.index[self.last]);
        let is_all_block = self.inside
            && line.step == 1
            && line.start <= place
            && place + n <= line.start + line.count;
        // SAFETY: the caller's promise.
        unsafe {
            if is_all_block {
                self.advance(n);
                return self.block.bring(size, from, register, n);
            }
            self.block.forget_full();
            self.gather(size, from, register, n);
        }
        register
    }

    /// As [`StridedCursor::gather`].
    ///
    /// # Safety
    /// As for `bring`.
    pub(super) unsafe fn gather(&mut self, size: usize, from: *const u8, to: *mut u8, n: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            with_bits!(size, T => self.gather_as::<T>(from.cast(), to.cast(), n));
        }
    }

    /// # Safety
    /// As for `bring`.
    unsafe fn gather_as<T: Copy>(&mut self, from: *const T, mut to: *mut T, mut n: usize) {
        let line = self.axes[self.last];
        while n > 0 {
            let place = self.index[self.last];
            if place == 0 && self.last > 0 && n >= 2 * line.len && line.len < SHORT {
                // SAFETY: as many lines as are left at most.
                let done = unsafe { self.gather_whole_lines(from, to, n / line.len) };
                (to, n) = (to.wrapping_add(done), n - done);
                continue;
            }
            let count = n.min(line.len - place);
            let (first, end) = (line.before(place), line.before(place + count));
            let taken = if self.inside { end - first } else { 0 };
            // SAFETY: `count` elements at most are left, and `taken` of them are the block's next;
            // those lie where the block begins on this line or later. Zeros are zero bytes.
            unsafe {
                if taken == 0 {
                    to.write_bytes(0, count);
                } else {
                    let head = line.start + first * line.step - place;
                    if line.step == 1 {
                        to.write_bytes(0, head);
                        self.block.gather_as(from, to.add(head), taken);
                        to.add(head + taken).write_bytes(0, count - head - taken);
                    } else {
                        to.write_bytes(0, count);
                        self.block.gather_apart(from, to.add(head), line.step, taken);
                    }
                }
                to = to.add(count);
            }
            self.advance(count);
            n -= count;
        }
    }

    /// The next lines, at most `most`, up to the end of the axis before the last; at a beginning of one.
    /// How many elements that were.
    ///
    /// # Safety
    /// As for `bring`.
    unsafe fn gather_whole_lines<T: Copy>(
        &mut self,
        from: *const T,
        to: *mut T,
        most: usize,
    ) -> usize {
        let (line, above) = (self.axes[self.last], self.last - 1);
        let (axis, place) = (self.axes[above], self.index[above]);
        let lines = most.min(axis.len - place);
        let (first, end) = (axis.before(place), axis.before(place + lines));
        let mut leading = self.axes[..above].iter().zip(&self.index);
        let taken = leading.all(|(axis, &place)| axis.has(place)) as usize * (end - first);
        // SAFETY: so many lines are left. The lines of the block are among them, where it says, and
        // hold its next elements. Zeros are zero bytes.
        unsafe {
            to.write_bytes(0, lines * line.len);
            if taken > 0 && line.count > 0 {
                let head = axis.start + first * axis.step - place;
                let to = to.add(head * line.len + line.start);
                let ways = [(line.count, line.step), (taken, axis.step * line.len)];
                self.block.gather_lines(from, to, ways[0], ways[1]);
            }
        }
        self.index[above] += lines;
        for axis in (1..=above).rev() {
            if self.index[axis] < self.axes[axis].len {
                break;
            }
            self.index[axis] = 0;
            self.index[axis - 1] += 1;
        }
        self.note_line();
        lines * line.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Layout;

    /// The elements of a block among zeros, by definition.
    fn all(padded: &Padded, from: &[u32]) -> Vec<u32> {
        // For each place its offset, if it is the block's.
        let mut places = vec![Some(padded.block.offset as isize)];
        let axes = padded.block.strides().iter().zip(padded.axes());
        for (&stride, axis) in axes {
            let along = |place: usize| {
                let at = place.checked_sub(axis.start)?;
                let inside = at % axis.step == 0 && at / axis.step < axis.count;
                inside.then(|| (at / axis.step) as isize * stride)
            };
            let join = |before: Option<isize>| {
                (0..axis.len).map(move |place| Some(before? + along(place)?))
            };
            places = places.into_iter().flat_map(join).collect();
        }
        places.into_iter().map(|at| at.map_or(0, |at| from[at as usize])).collect()
    }

    #[test]
    fn a_block_among_zeros_is_walked_from_any_place_in_any_pieces() {
        let from: Vec<u32> = (1..=120).collect();
        let dense = |dims: &[usize]| Padded::new(Layout::dense(dims));
        let cube = Padded::new(Layout::dense(&[2, 3, 4]).permute(&[2, 0, 1]));
        let cases = [
            dense(&[]),
            dense(&[7]),
            dense(&[7]).embed(0, 2, 1, 9),
            Padded::new(Layout::dense(&[3, 1]).expand(&[3, 9])).embed(1, 2, 1, 14),
            dense(&[7]).embed(0, 1, 3, 20),
            dense(&[7]).embed(0, 1, 2, 15).embed(0, 2, 3, 50),
            dense(&[1]).embed(0, 4, 9, 9),
            dense(&[0]).embed(0, 3, 2, 5),
            dense(&[3, 4]).embed(0, 1, 1, 5),
            dense(&[3, 4]).embed(0, 1, 2, 7),
            dense(&[3, 4]).embed(1, 2, 1, 7),
            dense(&[5, 1]).embed(1, 1, 1, 3),
            dense(&[5, 1, 1]).embed(2, 1, 1, 4).embed(1, 2, 1, 3).embed(0, 1, 2, 11),
            dense(&[5, 1, 2]).embed(1, 2, 1, 3).embed(0, 2, 1, 8),
            dense(&[1, 2]).embed(0, 2, 1, 4).embed(1, 1, 1, 3),
            dense(&[3, 4]).embed(1, 0, 2, 8).embed(0, 2, 1, 6),
            dense(&[3, 4]).embed(1, 0, 2, 8).embed(0, 2, 1, 6).permute(&[1, 0]),
            dense(&[0, 4]).embed(0, 0, 1, 3),
            dense(&[1, 4]).embed(1, 1, 1, 6).expand(&[2, 3, 6]),
            dense(&[1, 4]).embed(0, 1, 1, 3).expand(&[2, 3, 4]),
            dense(&[0, 4]).embed(0, 0, 1, 1).expand(&[3, 4]),
            cube,
            cube.embed(0, 1, 1, 6),
            cube.embed(2, 1, 2, 8).embed(1, 0, 1, 3),
            cube.embed(0, 1, 1, 6).embed(1, 2, 1, 5).embed(2, 0, 1, 4),
        ];
        for padded in cases {
            let want = all(&padded, &from);
            for start in 0..=want.len() {
                for piece in [1, 2, 5, 64] {
                    let mut cursor = PaddedCursor::new(&padded);
                    cursor.seek(start);
                    let mut register = [u32::MAX; 64];
                    let mut at = start;
                    while at < want.len() {
                        let n = piece.min(want.len() - at);
                        // SAFETY: the block lies in `from`, as `all` has looked; a register has room.
                        let found = unsafe {
                            let first = from.as_ptr().add(padded.block.offset).cast();
                            let place = cursor.bring(4, first, register.as_mut_ptr().cast(), n);
                            std::slice::from_raw_parts(place.cast::<u32>(), n)
                        };
                        assert_eq!(found, &want[at..at + n], "{padded:?} from {start} by {piece}");
                        at += n;
                    }
                }
            }
        }
    }
}
