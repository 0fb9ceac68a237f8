//! Shapes and strided layouts: plain arithmetic on short lists of axis lengths.
//!
//! A *shape* is a slice of axis lengths, row-major. A [`Layout`] says where the elements of a
//! shape lie in somebody's buffer: views (reshape, permute, expand, slice) are nothing but
//! another layout of the same data, and a broadcast operand is a layout with stride 0.

use std::fmt;

/// The largest rank of a tensor. Fixed, so that layouts are plain values and need no heap.
pub const MAX_RANK: usize = 8;

/// A short list of axis lengths held by value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dims {
    rank: usize,
    lens: [usize; MAX_RANK],
}

impl Dims {
    pub(crate) const SCALAR: Self = Self { rank: 0, lens: [0; MAX_RANK] };

    /// The shape with these axis lengths; `dims` has at most [`MAX_RANK`] of them.
    pub(crate) fn new(dims: &[usize]) -> Self {
        let mut lens = [0; MAX_RANK];
        lens[..dims.len()].copy_from_slice(dims);
        Self { rank: dims.len(), lens }
    }

    pub(crate) fn push(&mut self, len: usize) {
        self.lens[self.rank] = len;
        self.rank += 1;
    }
}

impl std::ops::Deref for Dims {
    type Target = [usize];
    #[inline(always)]
    fn deref(&self) -> &[usize] {
        &self.lens[..self.rank]
    }
}

impl std::ops::DerefMut for Dims {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [usize] {
        &mut self.lens[..self.rank]
    }
}

impl fmt::Debug for Dims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// Number of elements, or `None` when it (or its size in bytes) exceeds the address space.
pub(crate) fn checked_len(dims: &[usize]) -> Option<usize> {
    // An empty axis makes the tensor empty, but the other axes must still be addressable.
    let product =
        dims.iter().filter(|&&d| d != 0).try_fold(1usize, |len, &d| len.checked_mul(d))?;
    if product > isize::MAX as usize / 8 {
        return None;
    }
    Some(if dims.contains(&0) { 0 } else { product })
}

/// Number of elements of a shape that was checked when it was recorded.
#[inline]
pub(crate) fn len(dims: &[usize]) -> usize {
    dims.iter().product()
}

/// An axis that two shapes disagree about, counted in the broadcast shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clash {
    pub(crate) axis: usize,
    pub(crate) lens: (usize, usize),
}

/// The shape of both operands stretched to one another by the NumPy rule: axes are aligned at the
/// right, and an axis of length 1 (or a missing one) is repeated.
pub(crate) fn broadcast(a: &[usize], b: &[usize]) -> Result<Dims, Clash> {
    let rank = a.len().max(b.len());
    let mut out = Dims { rank, lens: [0; MAX_RANK] };
    for axis in 0..rank {
        let at = |dims: &[usize]| (axis + dims.len()).checked_sub(rank).map_or(1, |i| dims[i]);
        out[axis] = match (at(a), at(b)) {
            (x, y) if x == y => x,
            (1, y) => y,
            (x, 1) => x,
            lens => return Err(Clash { axis, lens }),
        };
    }
    Ok(out)
}

/// Whether `from` broadcasts to exactly `to`.
pub(crate) fn broadcasts_to(from: &[usize], to: &[usize]) -> bool {
    from.len() <= to.len()
        && from.iter().rev().zip(to.iter().rev()).all(|(&f, &t)| f == t || f == 1)
}

/// Where the elements of a shape lie in a buffer, in units of elements.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) offset: usize,
    dims: Dims,
    strides: [isize; MAX_RANK],
}

impl Layout {
    /// Row-major and dense.
    pub(crate) fn dense(dims: &[usize]) -> Self {
        let mut strides = [0; MAX_RANK];
        let mut stride = 1;
        for axis in (0..dims.len()).rev() {
            strides[axis] = stride;
            stride *= dims[axis] as isize;
        }
        Self { offset: 0, dims: Dims::new(dims), strides }
    }

    /// Of elements at these distances; as many as `dims` has axes.
    pub(crate) fn new(offset: usize, dims: &[usize], strides: impl Iterator<Item = isize>) -> Self {
        let mut out = Self { offset, dims: Dims::new(dims), strides: [0; MAX_RANK] };
        out.strides.iter_mut().zip(strides).for_each(|(to, stride)| *to = stride);
        out
    }

    pub(crate) fn dims(&self) -> &[usize] {
        &self.dims
    }

    pub(crate) fn strides(&self) -> &[isize] {
        &self.strides[..self.dims.len()]
    }

    pub(crate) fn len(&self) -> usize {
        len(&self.dims)
    }

    /// Whether the elements lie one after the other, from `offset` on.
    pub(crate) fn is_dense(&self) -> bool {
        let mut expected = 1;
        for axis in (0..self.dims.len()).rev() {
            if self.dims[axis] == 1 {
                continue;
            }
            if self.strides[axis] != expected {
                return self.len() == 0;
            }
            expected *= self.dims[axis] as isize;
        }
        true
    }

    /// Whether every element is one and the same.
    pub(crate) fn is_splat(&self) -> bool {
        self.dims.iter().zip(self.strides()).all(|(&d, &s)| d == 1 || s == 0)
    }

    /// The same data stretched to `dims`, to which this layout's shape broadcasts.
    pub(crate) fn expand(&self, dims: &[usize]) -> Self {
        let mut out = Self { offset: self.offset, dims: Dims::new(dims), strides: [0; MAX_RANK] };
        let missing = dims.len() - self.dims.len();
        for axis in 0..self.dims.len() {
            let stretched = self.dims[axis] == 1 && dims[missing + axis] != 1;
            out.strides[missing + axis] = if stretched { 0 } else { self.strides[axis] };
        }
        out
    }

    /// Axis `i` of the result is axis `order[i]` of this one.
    pub(crate) fn permute(&self, order: &[usize]) -> Self {
        let mut out = *self;
        for (to, &from) in order.iter().enumerate() {
            out.dims[to] = self.dims[from];
            out.strides[to] = self.strides[from];
        }
        out
    }

    /// Every `step`-th element of one axis, `len` of them from `start` on. A step may go backwards: it is
    /// a number with a sign, as is the distance of elements.
    pub(crate) fn slice(&self, axis: usize, start: usize, len: usize, step: usize) -> Self {
        let mut out = *self;
        // Where there are no elements, every offset is behind the last one.
        if len > 0 && self.len() > 0 {
            out.offset = out.offset.wrapping_add_signed(start as isize * self.strides[axis]);
        }
        out.dims[axis] = len;
        out.strides[axis] *= step as isize;
        out
    }

    /// The same elements, those of each axis in the order in which they lie.
    fn forwards(&self) -> Self {
        let mut out = *self;
        for axis in 0..self.dims.len() {
            if self.strides[axis] < 0 {
                let len = self.dims[axis];
                out = out.slice(axis, len.max(1) - 1, len, usize::MAX);
            }
        }
        out
    }

    /// As `as_slices`, of the same elements forwards.
    pub(crate) fn as_slices_forwards(&self, dims: &[usize]) -> Option<([Stretch; MAX_RANK], Dims)> {
        if self.strides().iter().all(|&stride| stride >= 0) {
            return self.as_slices(dims);
        }
        self.forwards().as_slices(dims)
    }

    /// How many of the elements may be one and the same, at most.
    pub(crate) fn meetings(&self) -> usize {
        let mut order = [7, 6, 5, 4, 3, 2, 1, 0];
        let axes = &mut order[MAX_RANK - self.dims.len()..];
        // (Mostly they are in order.)
        axes.sort_unstable_by_key(|&axis| self.strides[axis].unsigned_abs());
        let (mut most, mut reach) = (1usize, 0usize);
        for &mut axis in axes {
            let (len, stride) = (self.dims[axis], self.strides[axis].unsigned_abs());
            if len > 1 {
                let ways = reach.checked_div(stride).map_or(len, |back| len.min(back + 1));
                most = most.saturating_mul(ways);
                reach = reach.saturating_add((len - 1).saturating_mul(stride));
            }
        }
        most
    }

    /// The layout of the entries of a batch of matrices: all axes but the last two.
    pub(crate) fn batch(&self) -> Self {
        let rank = self.dims.len() - 2;
        Self { offset: 0, dims: Dims::new(&self.dims[..rank]), strides: self.strides }
    }

    /// The same elements in the same order under another shape, where strides can express it.
    pub(crate) fn reshape(&self, dims: &[usize]) -> Option<Self> {
        if self.is_dense() {
            return Some(Self { offset: self.offset, ..Self::dense(dims) });
        }
        let merged = self.merged();
        let mut out = Self { offset: self.offset, dims: Dims::new(dims), strides: [0; MAX_RANK] };
        // Walk both shapes from the right; each old axis must be split into whole new axes.
        let mut axis = dims.len();
        for old in (0..merged.dims.len()).rev() {
            let (mut left, mut stride) = (merged.dims[old], merged.strides[old]);
            while left > 1 {
                axis = axis.checked_sub(1)?;
                if !left.is_multiple_of(dims[axis]) {
                    return None;
                }
                out.strides[axis] = stride;
                stride *= dims[axis] as isize;
                left /= dims[axis];
            }
        }
        Some(out)
    }

    /// How this layout takes its elements from a dense tensor of shape `dims`, if slices of its axes,
    /// taken in some order, say it: what it has of each axis, and in which order it goes through
    /// those of which it has more than one place.
    pub(crate) fn as_slices(&self, dims: &[usize]) -> Option<([Stretch; MAX_RANK], Dims)> {
        if self.len() == 0 {
            return None;
        }
        let whole = Self::dense(dims);
        let mut axes = [Stretch::ONE; MAX_RANK];
        let mut left = self.offset;
        for (axis, (&len, &stride)) in dims.iter().zip(whole.strides()).enumerate() {
            axes[axis] = Stretch { len, count: 1, start: left / stride as usize, step: 1 };
            left %= stride as usize;
        }
        let mut order = Dims::SCALAR;
        let merged = self.merged();
        for (&len, &stride) in merged.dims().iter().zip(merged.strides()).rev() {
            let (mut left, mut stride) = (len, stride);
            while left > 1 {
                let axis = whole.strides().iter().zip(dims).position(|(&one, &len)| {
                    one <= stride && stride < one * len as isize && stride % one == 0
                })?;
                let step = (stride / whole.strides()[axis]) as usize;
                let Stretch { len, count, start, .. } = axes[axis];
                // All that there is, where it goes on evenly in the axis before.
                let all = if len.is_multiple_of(step) && start < step { len / step } else { left };
                let taken = if left.is_multiple_of(all) { left.min(all) } else { left };
                if count != 1 || start + (taken - 1) * step >= len {
                    return None;
                }
                axes[axis] = Stretch { len, count: taken, start, step };
                order.push(axis);
                left /= taken;
                stride = whole.strides()[axis] * len as isize;
            }
        }
        order.reverse();
        Some((axes, order))
    }

    /// The same walk over the data with as few axes as possible: axes of length 1 vanish, and
    /// neighbours that one stride can express become one.
    ///
    /// A layout without elements has one axis, of length 0: whoever walks over the axes divides by no
    /// other length, and begins no walk over an outer one.
    pub(crate) fn merged(&self) -> Self {
        if self.len() == 0 {
            return Self::dense(&[0]);
        }
        let mut out = Self { offset: self.offset, dims: Dims::SCALAR, strides: [0; MAX_RANK] };
        for axis in 0..self.dims.len() {
            let (len, stride) = (self.dims[axis], self.strides[axis]);
            if len == 1 {
                continue;
            }
            let rank = out.dims.len();
            if rank > 0 && out.strides[rank - 1] == stride * len as isize {
                out.dims[rank - 1] *= len;
                out.strides[rank - 1] = stride;
            } else {
                out.dims.push(len);
                out.strides[rank] = stride;
            }
        }
        out
    }
}

/// A block of elements among zeros: what a slice took, put back into its place. Along each axis
/// the block has every `step`-th place from `start` on.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Padded {
    /// Where the elements of the block lie in a buffer.
    pub(crate) block: Layout,
    dims: Dims,
    start: Dims,
    step: Dims,
}

/// One axis of a [`Padded`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stretch {
    /// Its length, zeros included.
    pub(crate) len: usize,
    /// How many places are the block's.
    pub(crate) count: usize,
    pub(crate) start: usize,
    pub(crate) step: usize,
}

impl Stretch {
    const ONE: Self = Self { len: 1, count: 1, start: 0, step: 1 };

    /// How many of the block's places come before this one.
    #[inline]
    pub(crate) fn before(&self, place: usize) -> usize {
        let beyond = place.saturating_sub(self.start);
        // Most blocks have no gaps, and a division takes longer than copying a short line.
        (if self.step == 1 { beyond } else { beyond.div_ceil(self.step) }).min(self.count)
    }

    /// Whether a place is the block's.
    pub(crate) fn has(&self, place: usize) -> bool {
        self.before(place) < self.before(place + 1)
    }
}

impl Padded {
    /// A block without zeros.
    pub(crate) fn new(block: Layout) -> Self {
        let rank = block.dims.len();
        let (start, step) = (Dims::new(&[0; MAX_RANK][..rank]), Dims::new(&[1; MAX_RANK][..rank]));
        Self { block, dims: block.dims, start, step }
    }

    pub(crate) fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// Put among the zeros of a longer axis.
    pub(crate) fn embed(&self, axis: usize, start: usize, step: usize, len: usize) -> Self {
        let mut out = *self;
        out.dims[axis] = len;
        out.start[axis] = start + step * self.start[axis];
        out.step[axis] = step * self.step[axis];
        out
    }

    /// As [`Layout::expand`].
    pub(crate) fn expand(&self, dims: &[usize]) -> Self {
        let missing = dims.len() - self.dims.len();
        let mut block = Dims::new(dims);
        let mut out = Self::new(Layout::dense(dims));
        for (axis, &count) in self.block.dims().iter().enumerate() {
            let to = missing + axis;
            if self.dims[axis] != dims[to] && count == 1 {
                continue; // a place of the block, repeated
            }
            block[to] = count;
            (out.start[to], out.step[to]) = (self.start[axis], self.step[axis]);
        }
        out.block = self.block.expand(&block);
        out
    }

    /// As [`Layout::permute`].
    pub(crate) fn permute(&self, order: &[usize]) -> Self {
        let mut out = Self { block: self.block.permute(order), ..*self };
        for (to, &from) in order.iter().enumerate() {
            out.dims[to] = self.dims[from];
            (out.start[to], out.step[to]) = (self.start[from], self.step[from]);
        }
        out
    }

    /// The axes one by one.
    pub(crate) fn axes(&self) -> impl Iterator<Item = Stretch> {
        (0..self.dims.len()).map(|axis| {
            let (len, count) = (self.dims[axis], self.block.dims[axis]);
            // How far one place alone is from the next does not matter.
            let step = if count < 2 { 1 } else { self.step[axis] };
            Stretch { len, count, start: self.start[axis], step }
        })
    }

    /// As few axes as possible, but at least one. An axis is no axis of its own where it has no zeros
    /// and stands behind places that lie side by side, or where it has but one place of the block.
    pub(crate) fn merged_axes(&self) -> ([Stretch; MAX_RANK], usize) {
        let mut out = [Stretch::ONE; MAX_RANK];
        let mut rank = 0;
        for axis in self.axes().filter(|&axis| axis != Stretch::ONE) {
            let is_full = axis.count == axis.len && axis.step == 1;
            match out[..rank].last_mut() {
                Some(last) if is_full && last.step == 1 => {
                    last.len *= axis.len;
                    last.count *= axis.len;
                    last.start *= axis.len;
                }
                Some(last) if axis.count == 1 => {
                    last.len *= axis.len;
                    last.start = last.start * axis.len + axis.start;
                    last.step = if last.count < 2 { 1 } else { last.step * axis.len };
                }
                _ => {
                    out[rank] = axis;
                    rank += 1;
                }
            }
        }
        (out, rank.max(1))
    }
}

impl fmt::Debug for Padded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {:?} of {:?}", self.block, self.start, self.dims)?;
        if self.step.iter().any(|&step| step != 1) {
            write!(f, " by {:?}", self.step)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}*{:?}+{}", self.dims, self.strides(), self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The offsets a layout visits, by definition.
    fn offsets(layout: &Layout) -> Vec<usize> {
        let mut all = vec![layout.offset as isize];
        for (&d, &s) in layout.dims().iter().zip(layout.strides()) {
            all = all.iter().flat_map(|o| (0..d as isize).map(move |i| o + i * s)).collect();
        }
        all.into_iter().map(|o| o as usize).collect()
    }

    #[test]
    fn broadcast_aligns_at_the_right_and_names_the_axis_that_clashes() {
        assert_eq!(&*broadcast(&[2, 3], &[3]).unwrap(), &[2, 3]);
        assert_eq!(&*broadcast(&[3, 1], &[1, 4]).unwrap(), &[3, 4]);
        assert_eq!(&*broadcast(&[], &[]).unwrap(), &[] as &[usize]);
        assert_eq!(&*broadcast(&[1], &[0]).unwrap(), &[0]);
        assert_eq!(broadcast(&[2, 3], &[4]), Err(Clash { axis: 1, lens: (3, 4) }));
        assert!(broadcasts_to(&[1, 3], &[5, 2, 3]) && !broadcasts_to(&[2], &[1]));
    }

    #[test]
    fn lengths_that_do_not_fit_in_memory_are_refused_even_when_empty() {
        assert_eq!(checked_len(&[2, 3]), Some(6));
        assert_eq!(checked_len(&[0, 3]), Some(0));
        assert_eq!(checked_len(&[usize::MAX, 2]), None);
        assert_eq!(checked_len(&[0, usize::MAX, 2]), None);
    }

    #[test]
    fn views_visit_the_right_elements() {
        let base = Layout::dense(&[2, 3, 4]);
        assert_eq!(offsets(&base), (0..24).collect::<Vec<_>>());
        assert_eq!(offsets(&base.permute(&[2, 0, 1]))[..3], [0, 4, 8]);
        assert_eq!(offsets(&base.slice(2, 1, 2, 2))[..4], [1, 3, 5, 7]);
        let row = Layout::dense(&[3]).expand(&[2, 3]);
        assert_eq!(offsets(&row), [0, 1, 2, 0, 1, 2]);
        assert!(Layout::dense(&[1]).expand(&[4, 5]).is_splat());
        let back = base.slice(2, 3, 4, usize::MAX).slice(0, 1, 2, usize::MAX);
        assert_eq!(offsets(&back)[..6], [15, 14, 13, 12, 19, 18]);
        assert_eq!(back.forwards(), base);
    }

    #[test]
    fn how_often_an_element_is_shown_has_a_bound() {
        let base = Layout::dense(&[4, 1, 6]);
        let windows = |size: usize, step: isize| {
            let count = (24 - size) / step as usize + 1;
            Layout::new(0, &[count, size], [step, 1].into_iter())
        };
        for layout in [
            base,
            base.permute(&[2, 0, 1]),
            base.slice(2, 5, 6, usize::MAX),
            Layout::new(3, &[3], [7].into_iter()),
            windows(3, 3),
            windows(2, 5),
        ] {
            assert_eq!(layout.meetings(), 1, "{layout:?}");
        }
        for layout in [windows(3, 1), windows(5, 2), base.expand(&[4, 9, 6])] {
            let all = offsets(&layout);
            let most = all.iter().map(|at| all.iter().filter(|&other| other == at).count());
            assert!((2..=layout.meetings()).contains(&most.max().unwrap()), "{layout:?}");
        }
    }

    /// What says how slices take the elements of a layout gives them in its order.
    #[test]
    fn slices_that_say_a_layout_take_its_elements() {
        let dims = [3, 1, 4, 6];
        let whole = Layout::dense(&dims);
        let mut layouts = vec![whole, whole.reshape(&[72]).unwrap(), whole.permute(&[3, 1, 0, 2])];
        for (axis, start, len, step) in [(0, 1, 2, 1), (2, 1, 2, 2), (3, 1, 3, 2), (3, 2, 1, 1)] {
            let part = whole.slice(axis, start, len, step);
            layouts.extend([part, part.permute(&[2, 3, 0, 1]), part.slice(2, 1, 1, 1)]);
            layouts.extend(part.reshape(&[part.len()]));
        }
        let flat = whole.reshape(&[72]).unwrap();
        for (start, len, step) in
            [(6, 12, 1), (7, 3, 1), (24, 24, 1), (0, 36, 2), (25, 12, 2), (5, 1, 1)]
        {
            layouts.push(flat.slice(0, start, len, step));
        }
        for layout in layouts {
            let (axes, order) = layout.as_slices(&dims).unwrap_or_else(|| panic!("{layout:?}"));
            let taken = axes[..4].iter().enumerate().fold(whole, |whole, (axis, place)| {
                whole.slice(axis, place.start, place.count, place.step)
            });
            let rest = (0..4).filter(|axis| !order.contains(axis));
            let order: Vec<usize> = order.iter().copied().chain(rest).collect();
            assert_eq!(offsets(&taken.permute(&order)), offsets(&layout), "{layout:?}");
        }
        for (start, len, step) in [(4, 12, 1), (5, 2, 1), (0, 6, 7), (18, 12, 1)] {
            let layout = flat.slice(0, start, len, step);
            assert!(layout.as_slices(&dims).is_none(), "{layout:?}");
        }
    }

    #[test]
    fn merging_keeps_the_walk_and_reshape_works_where_strides_can_express_it() {
        let base = Layout::dense(&[2, 3, 4]);
        for layout in
            [base, base.permute(&[0, 2, 1]), base.slice(0, 1, 1, 1), base.slice(1, 0, 2, 2)]
        {
            assert_eq!(offsets(&layout.merged()), offsets(&layout));
        }
        assert_eq!(base.merged().dims(), [24]);
        let sliced = base.slice(0, 0, 2, 1).slice(2, 1, 2, 1); // [2, 3, 2], rows of 4 cut to 2
        let view = sliced.reshape(&[6, 2]).unwrap();
        assert_eq!(offsets(&view), offsets(&sliced));
        assert_eq!(offsets(&sliced.reshape(&[2, 3, 1, 2, 1]).unwrap()), offsets(&sliced));
        assert!(sliced.reshape(&[12]).is_none());
        assert!(base.permute(&[2, 1, 0]).reshape(&[24]).is_none());
    }
}
