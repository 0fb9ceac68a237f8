//! What an operation with a step of its own is run on: whole tensors, one element after the other.
//!
//! The executor makes a [`Task`] of a step; operations know no more of it than this.

use std::fmt;
use std::mem::MaybeUninit;

use crate::dtype::{DType, Element};
use crate::shape::Dims;
use crate::team::Team;

/// Elements that a thread takes at a time, about.
const SHARE: usize = 1 << 14;

/// A tensor of a task.
#[derive(Clone, Copy)]
pub(crate) struct Given {
    pub(crate) dtype: DType,
    pub(crate) dims: Dims,
    pub(crate) start: *const u8,
}

impl Given {
    pub(crate) const NONE: Self =
        Self { dtype: DType::U8, dims: Dims::SCALAR, start: std::ptr::null() };
}

/// An index in the data that is none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outside {
    pub(crate) position: usize,
    pub(crate) index: i64,
    pub(crate) len: usize,
}

impl fmt::Display for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { position, index, len } = self;
        write!(f, "index {index} at position {position} is outside of ")?;
        match len.checked_sub(1) {
            Some(last) => write!(f, "0 to {last}"),
            None => f.write_str("an axis of length 0"),
        }
    }
}

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

/// One run of an operation.
pub(crate) struct Task<'a> {
    given: &'a [Given],
    list: &'a [u64],
    out: Given,
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
        given: &'a [Given],
        list: &'a [u64],
        out: Given,
        work: Option<(*mut u64, usize)>,
        team: Team,
    ) -> Self {
        Self { given, list, out, work, team }
    }

    /// The node's list.
    pub(crate) fn list(&self) -> &[u64] {
        self.list
    }

    /// The shape of an operand.
    pub(crate) fn dims(&self, k: usize) -> &[usize] {
        &self.given[k].dims
    }

    pub(crate) fn dtype(&self, k: usize) -> DType {
        self.given[k].dtype
    }

    pub(crate) fn out_dims(&self) -> &[usize] {
        &self.out.dims
    }

    /// The elements of an operand.
    pub(crate) fn operand<T: Element>(&self, k: usize) -> &[T] {
        let Given { dtype, ref dims, start } = self.given[k];
        assert!(dtype == T::DTYPE, "operand {k} is {dtype}, not {}", T::DTYPE);
        // SAFETY: a dense tensor with such elements, by the promise of `new`.
        unsafe { std::slice::from_raw_parts(start.cast(), dims.iter().product()) }
    }

    /// Calls `run(result, first)` for stretches of the result, each of whole units of so many elements:
    /// on all threads, if it is worth it.
    pub(crate) fn each_part<T: Element>(
        &self,
        unit: usize,
        run: impl Fn(&mut [MaybeUninit<T>], usize) + Sync,
    ) {
        let len: usize = self.out.dims.iter().product();
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
        let len: usize = self.out.dims.iter().product();
        assert!(self.out.dtype == T::DTYPE);
        let (work, words) = self.work.unwrap_or((std::ptr::dangling_mut(), 0));
        // SAFETY: both are ours, by the promise of `new`; words of zeros are numbers.
        unsafe {
            work.write_bytes(0, words);
            let out = std::slice::from_raw_parts_mut(self.out.start.cast_mut().cast(), len);
            fill(out, std::slice::from_raw_parts_mut(work, words))
        }
    }
}
