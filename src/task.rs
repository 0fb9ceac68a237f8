//! What an operation with a step of its own is run on: whole tensors, one element after the other; or, in
//! a fused step, the rows of a tile.
//!
//! The executor makes a [`Task`] of a step, and [`Rows`] of a tile; operations know no more of it than
//! this. Both say on whose behalf indices are looked at, which [`Bounds`] does.

use std::fmt;
use std::mem::MaybeUninit;

use crate::dtype::{DType, Element};
use crate::id::CallId;
use crate::team::Team;

/// Elements that a thread takes at a time, about.
const SHARE: usize = 1 << 14;

// ---- indices ----

/// Which indices there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// What they are called.
    pub(crate) noun: &'static str,
    /// How many there are.
    pub(crate) len: usize,
    /// Whether negative ones count from the end.
    pub(crate) from_end: bool,
    /// The operation that was given them.
    pub(crate) call: CallId,
}

/// An index in the data that is none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outside {
    pub(crate) position: usize,
    pub(crate) index: i64,
    pub(crate) bounds: Bounds,
}

impl Outside {
    /// The one of two that comes first in the data.
    pub(crate) fn first(one: Option<Self>, other: Self) -> Option<Self> {
        Some(one.filter(|one| one.position <= other.position).unwrap_or(other))
    }
}

impl fmt::Display for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let &Self { position, index, bounds: Bounds { noun, len, from_end, .. } } = self;
        write!(f, "{noun} {index} at position {position} is outside of ")?;
        match len.checked_sub(1) {
            Some(last) if from_end => write!(f, "-{len} to {last}"),
            Some(last) => write!(f, "0 to {last}"),
            None => f.write_str("an axis of length 0"),
        }
    }
}

/// Indices that are looked at together.
const BLOCK: usize = 1024;

impl Bounds {
    /// Those of positions along an axis of this length, none of them from its end.
    pub(crate) fn of_axis(len: usize, call: CallId) -> Self {
        Self { noun: "index", len, from_end: false, call }
    }

    /// The place that the index at a position names.
    #[inline(always)]
    pub(crate) fn place(self, position: usize, index: i64) -> Result<usize, Outside> {
        match usize::try_from(index) {
            Ok(at) if at < self.len => Ok(at),
            _ => self.place_from_end(position, index),
        }
    }

    #[cold]
    #[inline(never)]
    fn place_from_end(self, position: usize, index: i64) -> Result<usize, Outside> {
        let at = index.checked_add_unsigned(self.len as u64);
        let at = at.filter(|_| index < 0 && self.from_end).and_then(|at| usize::try_from(at).ok());
        at.ok_or(Outside { position, index, bounds: self })
    }

    /// Whether none of them counts from the end; else the first that is outside. The loop has no branch: it
    /// is a few instructions for a vector of them.
    pub(crate) fn are_plain(self, index: &[i64]) -> Result<bool, Outside> {
        let mut are_plain = true;
        for (block, start) in index.chunks(BLOCK).zip((0..).step_by(BLOCK)) {
            // (As numbers without sign, negative ones are beyond every axis.)
            let is_outside =
                block.iter().fold(false, |any, &i| any | (i as u64 >= self.len as u64));
            if is_outside {
                for (k, &i) in block.iter().enumerate() {
                    self.place(start + k, i)?;
                }
                are_plain = false;
            }
        }
        Ok(are_plain)
    }
}

// ---- shapes ----

/// A shape seen from one axis: positions before it, along it, after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Around {
    pub(crate) outer: usize,
    pub(crate) len: usize,
    pub(crate) inner: usize,
}

impl Around {
    pub(crate) fn new(dims: &[usize], axis: usize) -> Self {
        if dims.is_empty() {
            return Self { outer: 1, len: 1, inner: 1 };
        }
        let (outer, inner) = (dims[..axis].iter().product(), dims[axis + 1..].iter().product());
        Self { outer, len: dims[axis], inner }
    }
}

// ---- elements ----

/// Elements of this size, whatever they are: for what only moves them.
///
/// # Safety
/// All bits are one.
pub(crate) unsafe trait Bits: Copy + Default {}

// SAFETY: numbers of any kind.
unsafe impl<T: Element> Bits for T {}
// SAFETY: numbers without sign.
unsafe impl Bits for u32 {}
// SAFETY: as above.
unsafe impl Bits for u64 {}

/// All of it set to 0.
pub(crate) fn zeros<T: Bits>(out: &mut [MaybeUninit<T>]) -> &mut [T] {
    // SAFETY: inside; then all of them are written, and zero bytes are an element.
    unsafe {
        out.as_mut_ptr().write_bytes(0, out.len());
        &mut *(std::ptr::from_mut(out) as *mut [T])
    }
}

/// Copies `n` elements, from `W` to twice as many: in two pieces, which may overlap.
///
/// # Safety
/// `from` is valid for reading them, `to` for writing them, and both lie apart.
#[inline(always)]
pub(crate) unsafe fn copy_two<T: Copy, const W: usize>(from: *const T, to: *mut T, n: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        std::ptr::copy_nonoverlapping(from, to, W);
        std::ptr::copy_nonoverlapping(from.add(n - W), to.add(n - W), W);
    }
}

// ---- a step ----

/// A tensor of a task.
#[derive(Clone, Copy)]
pub(crate) struct Given<'a> {
    pub(crate) dtype: DType,
    pub(crate) dims: &'a [usize],
    pub(crate) start: *const u8,
}

impl Given<'_> {
    pub(crate) const NONE: Self = Self { dtype: DType::U8, dims: &[], start: std::ptr::null() };

    fn len(&self) -> usize {
        self.dims.iter().product()
    }
}

/// One run of an operation.
pub(crate) struct Task<'a> {
    given: &'a [Given<'a>],
    list: &'a [u64],
    out: Given<'a>,
    work: Option<(*mut u64, usize)>,
    team: Team,
}

// SAFETY: what is pointed to is shared by nobody else while the task runs, and each part of the result
// is given to one thread.
unsafe impl Sync for Task<'_> {}

impl<'a> Task<'a> {
    /// # Safety
    /// - `given` are dense tensors that nobody writes while the task is there.
    /// - `out` is valid for writing one, aligned, and nobody else's while the task is there.
    /// - So are the words of `work`.
    pub(crate) unsafe fn new(
        given: &'a [Given<'a>],
        list: &'a [u64],
        out: Given<'a>,
        work: Option<(*mut u64, usize)>,
        team: Team,
    ) -> Self {
        Self { given, list, out, work, team }
    }

    /// The node's list.
    pub(crate) fn list(&self) -> &[u64] {
        self.list
    }

    /// For whom indices are looked at: the last word of the list of what does.
    pub(crate) fn call(&self) -> CallId {
        self.list.last().map_or(CallId::NONE, |&call| CallId(call as u32))
    }

    /// The shape of an operand.
    pub(crate) fn dims(&self, k: usize) -> &[usize] {
        self.given[k].dims
    }

    pub(crate) fn dtype(&self, k: usize) -> DType {
        self.given[k].dtype
    }

    pub(crate) fn out_dims(&self) -> &[usize] {
        self.out.dims
    }

    /// The elements of an operand.
    pub(crate) fn operand<T: Element>(&self, k: usize) -> &[T] {
        let given = self.given[k];
        assert!(given.dtype == T::DTYPE, "operand {k} is {}, not {}", given.dtype, T::DTYPE);
        // SAFETY: a dense tensor with such elements, by the promise of `new`.
        unsafe { std::slice::from_raw_parts(given.start.cast(), given.len()) }
    }

    /// The same, whatever they are.
    pub(crate) fn bits<T: Bits>(&self, k: usize) -> &[T] {
        let given = self.given[k];
        assert!(given.dtype.size() == size_of::<T>(), "operand {k} is {}", given.dtype);
        // SAFETY: a dense tensor with elements of this size, by the promise of `new`.
        unsafe { std::slice::from_raw_parts(given.start.cast(), given.len()) }
    }

    /// Calls `run(result, first)` for stretches of the result, each of whole units of so many elements:
    /// on all threads, if it is worth it.
    pub(crate) fn each_part<T: Element>(
        &self,
        unit: usize,
        run: impl Fn(&mut [MaybeUninit<T>], usize) + Sync,
    ) {
        let len = self.out.len();
        assert!(self.out.dtype == T::DTYPE && unit > 0 && len.is_multiple_of(unit));
        let share = (SHARE / unit).max(1) * unit;
        self.team.share(len.div_ceil(share), &|_, chunk| {
            let first = chunk * share;
            let count = share.min(len - first);
            // SAFETY: inside of the result, which is ours, and no other chunk's.
            let part = unsafe {
                let start = self.out.start.cast_mut().cast::<MaybeUninit<T>>().add(first);
                std::slice::from_raw_parts_mut(start, count)
            };
            run(part, first);
        });
    }

    /// Fills the whole result on this thread.
    pub(crate) fn fill<R, T: Element>(
        &self,
        fill: impl FnOnce(&mut [MaybeUninit<T>], &mut [u64]) -> R,
    ) -> R {
        assert!(self.out.dtype == T::DTYPE);
        // SAFETY: such elements.
        unsafe { self.fill_as(fill) }
    }

    /// The same, whatever its elements are.
    pub(crate) fn fill_bits<R, T: Bits>(&self, fill: impl FnOnce(&mut [MaybeUninit<T>]) -> R) -> R {
        assert!(self.out.dtype.size() == size_of::<T>());
        // SAFETY: elements of this size.
        unsafe { self.fill_as(|out, _| fill(out)) }
    }

    /// # Safety
    /// The result has elements of the size and the alignment of T.
    #[inline(always)]
    unsafe fn fill_as<R, T>(&self, fill: impl FnOnce(&mut [MaybeUninit<T>], &mut [u64]) -> R) -> R {
        let mut work: &mut [u64] = &mut [];
        // SAFETY: both are ours, by the promise of `new`; words of zeros are numbers.
        unsafe {
            if let Some((start, words)) = self.work {
                start.write_bytes(0, words);
                work = std::slice::from_raw_parts_mut(start, words);
            }
            let start = self.out.start.cast_mut().cast();
            fill(std::slice::from_raw_parts_mut(start, self.out.len()), work)
        }
    }
}

// ---- rows of a tile ----

/// What an operation that joins fused steps does at a time: some rows. Of two operands and the result, one
/// has whole rows, and the others one element for each.
pub(crate) struct Rows {
    /// The number of the first row, and how many there are.
    pub(crate) first: usize,
    pub(crate) count: usize,
    /// Elements of a row.
    pub(crate) len: usize,
    /// Bytes of an element of operand 0, and of the result.
    pub(crate) size: usize,
    /// The operation that this is a part of.
    pub(crate) call: CallId,
    operands: [*const u8; 2],
    out: *mut u8,
    /// Whether it is the result that has whole rows; else operand 0 has.
    makes_rows: bool,
}

impl Rows {
    /// # Safety
    /// - The first operand is valid for reading, and the result for writing, an element of this size for
    ///   each of `count` rows; whole rows of `len` where `makes_rows` says so. They are aligned, and nobody
    ///   else's while the rows are there.
    /// - The second operand is valid for reading as many i64.
    pub(crate) unsafe fn new(
        (first, count, len): (usize, usize, usize),
        size: usize,
        operands: [*const u8; 2],
        out: *mut u8,
        makes_rows: bool,
        call: CallId,
    ) -> Self {
        Self { first, count, len, size, call, operands, out, makes_rows }
    }

    /// The elements of operand 0, those of operand 1, and the result.
    pub(crate) fn parts<T: Bits>(&mut self) -> (&[T], &[i64], &mut [MaybeUninit<T>]) {
        assert!(self.size == size_of::<T>());
        let [rows, ones] = [self.count * self.len, self.count];
        let (given, made) = if self.makes_rows { (ones, rows) } else { (rows, ones) };
        // SAFETY: so many, by the promise of `new`; the result is no operand.
        unsafe {
            (
                std::slice::from_raw_parts(self.operands[0].cast(), given),
                std::slice::from_raw_parts(self.operands[1].cast(), ones),
                std::slice::from_raw_parts_mut(self.out.cast(), made),
            )
        }
    }
}
