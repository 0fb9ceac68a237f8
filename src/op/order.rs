//! Order: sorting, ranks, and places in what is sorted.
//!
//! What is computed is indices; values are gathered at them, and so gradients go where the values came
//! from. Rows are sorted as words: the upper half of an element's *key* beside its index, so that a word
//! says which of equal elements comes first. Where upper halves agree, whole keys decide.

use std::cmp::Ordering;
use std::mem::MaybeUninit;

use super::batch::{Batched, Batching};
use super::structural::{Gives, Rule};
use crate::dtype::{DType, Element, with_dtype};
use crate::error::{ErrorKind, Maybe};
use crate::graph::Core;
use crate::id::NodeId;
use crate::node::{INLINE_OPERANDS, Node};
use crate::roll_call::Structural;
use crate::task::{Outside, Task};

/// A number in the order of the elements: NaN last, zeros of both signs equal.
fn key<T: Element>(x: T) -> u64 {
    const SIGN: u64 = 1 << 63;
    match T::DTYPE {
        DType::F32 | DType::F64 => {
            let x = x.to_f64() + 0.0;
            let bits = x.to_bits();
            let is_negative = bits & SIGN != 0;
            if x.is_nan() {
                u64::MAX
            } else if is_negative {
                !bits
            } else {
                bits | SIGN
            }
        }
        // SAFETY: T is i64.
        DType::I64 => unsafe { std::mem::transmute_copy::<T, i64>(&x) as u64 ^ SIGN },
        // (So that the upper half says everything.)
        DType::U8 => (x.to_f64() as u64) << 32,
    }
}

/// The upper half of a key, and an index.
fn word(key: u64, index: usize, is_descending: bool) -> u64 {
    let upper = key >> 32 << 32;
    (if is_descending { !upper >> 32 << 32 } else { upper }) | index as u64
}

/// What decides between words whose upper halves agree: whole keys, then indices.
type Whole<'a> = &'a dyn Fn(u64) -> (u64, u64);

/// Puts words whose upper halves agree in the order of whole keys.
fn refine(words: &mut [u64], whole: Whole<'_>) {
    let mut first = 0;
    while first < words.len() {
        let upper = words[first] >> 32;
        let same = words[first..].iter().take_while(|&&word| word >> 32 == upper).count();
        if same > 1 {
            words[first..first + same].sort_unstable_by_key(|&word| whole(word));
        }
        first += same;
    }
}

fn whole_of<T: Element>(row: &[T], word: u64, is_descending: bool) -> (u64, u64) {
    let index = word as u32 as u64;
    let key = key(row[index as usize]);
    (if is_descending { !key } else { key }, index)
}

/// The indices that sort the rows of the last axis; of equal elements the first comes first. List:
/// whether it is descending.
pub(crate) struct ArgSort;

impl Rule for ArgSort {
    const NAME: &str = "argsort";
    const BATCHING: Batching = Batching::Rows;
    const COST: u64 = 40_000;
    const GIVES: Gives = Gives::Integers(DType::I64);

    fn run(task: &Task<'_>) -> Result<(), Outside> {
        let is_descending = task.list()[0] != 0;
        let len = task.out_dims().last().copied().unwrap_or(1);
        with_dtype!(task.dtype(0), T => {
            let x = task.operand::<T>(0);
            task.each_part::<i64>(len, |out, first| {
                for (row, out) in x[first..].chunks_exact(len).zip(out.chunks_exact_mut(len)) {
                    for (i, (&x, out)) in row.iter().zip(&mut *out).enumerate() {
                        out.write(word(key(x), i, is_descending) as i64);
                    }
                    // SAFETY: all were just written, and any i64 is a u64.
                    let words = unsafe { &mut *(std::ptr::from_mut(out) as *mut [u64]) };
                    words.sort_unstable();
                    refine(words, &|word| whole_of(row, word, is_descending));
                    words.iter_mut().for_each(|word| *word = u64::from(*word as u32));
                }
            });
        });
        Ok(())
    }
}

/// The indices of the first elements of the rows of the last axis, were they sorted. List: whether
/// descending, the rank of the first, and whether a NaN takes its place.
pub(crate) struct ArgTop;

/// Which rank is asked for.
#[derive(Clone, Copy)]
pub(super) enum Rank {
    /// This many from here on.
    From(usize),
    /// This one, if there is no NaN; else that of the first NaN.
    OrNan(usize),
    /// The lower middle of what is no NaN.
    MiddleOfNumbers,
}

impl Rank {
    pub(super) fn words(self) -> [usize; 2] {
        match self {
            Self::From(rank) => [0, rank],
            Self::OrNan(rank) => [1, rank],
            Self::MiddleOfNumbers => [2, 0],
        }
    }

    fn of(words: [u64; 2]) -> Self {
        match words[0] {
            0 => Self::From(words[1] as usize),
            1 => Self::OrNan(words[1] as usize),
            _ => Self::MiddleOfNumbers,
        }
    }
}

impl Rule for ArgTop {
    const NAME: &str = "topk";
    const BATCHING: Batching = Batching::Rows;
    const COST: u64 = 10_000;
    const GIVES: Gives = Gives::Integers(DType::I64);

    fn work_words(core: &Core, node: &Node) -> usize {
        core.shape(node.inputs[0]).last().copied().unwrap_or(1)
    }

    fn run(task: &Task<'_>) -> Result<(), Outside> {
        let list = task.list();
        let (is_descending, rank) = (list[0] != 0, Rank::of([list[1], list[2]]));
        let len = task.dims(0).last().copied().unwrap_or(1);
        let count = task.out_dims().last().copied().unwrap_or(1);
        with_dtype!(task.dtype(0), T => {
            let x = task.operand::<T>(0);
            task.fill(|out: &mut [MaybeUninit<i64>], words| {
                for (row, out) in x.chunks_exact(len).zip(out.chunks_exact_mut(count)) {
                    top(row, words, is_descending, rank, out);
                }
            });
        });
        Ok(())
    }
}

fn top<T: Element>(
    row: &[T],
    words: &mut [u64],
    is_descending: bool,
    rank: Rank,
    out: &mut [MaybeUninit<i64>],
) {
    for (i, (&x, word)) in row.iter().zip(&mut *words).enumerate() {
        *word = self::word(key(x), i, is_descending);
    }
    let is_nan = |x: &T| x.to_f64().is_nan();
    let first = match rank {
        Rank::From(rank) => rank,
        Rank::OrNan(rank) => match row.iter().position(is_nan) {
            Some(place) => {
                out[0].write(place as i64);
                return;
            }
            None => rank,
        },
        Rank::MiddleOfNumbers => {
            let numbers = row.len() - row.iter().filter(|x| is_nan(x)).count();
            numbers.saturating_sub(1) / 2
        }
    };
    let last = first + out.len() - 1;
    let whole = &|word| whole_of(row, word, is_descending);
    select(words, whole, last);
    let chosen = &mut words[..=last];
    if first > 0 {
        select(chosen, whole, first);
    }
    let chosen = &mut chosen[first..];
    chosen.sort_unstable();
    refine(chosen, whole);
    for (out, &word) in out.iter_mut().zip(&*chosen) {
        out.write(i64::from(word as u32));
    }
}

/// Puts the word of a rank where it would be if all were sorted, and those before it before it.
fn select(words: &mut [u64], whole: Whole<'_>, rank: usize) {
    let (_, &mut word, _) = words.select_nth_unstable(rank);
    // Of those with the same upper half whole keys decide: they are brought together first.
    let upper = word >> 32;
    let below = partition(&mut words[..rank], |word| word >> 32 < upper);
    let beyond = partition(&mut words[rank + 1..], |word| word >> 32 == upper);
    let same = &mut words[below..rank + 1 + beyond];
    if same.len() > 1 {
        same.select_nth_unstable_by_key(rank - below, |&word| whole(word));
    }
}

/// Brings the words for which something holds to the front; how many they are.
fn partition(words: &mut [u64], holds: impl Fn(u64) -> bool) -> usize {
    let mut count = 0;
    for i in 0..words.len() {
        if holds(words[i]) {
            words.swap(i, count);
            count += 1;
        }
    }
    count
}

/// Where elements would be inserted into sorted rows of the last axis. Operands: the rows, one or as many
/// as there are rows of values; the values. List: whether behind equal elements.
pub(crate) struct SearchSorted;

impl Rule for SearchSorted {
    const NAME: &str = "searchsorted";
    const BATCHING: Batching = Batching::Own(batch_search);
    const COST: u64 = 10_000;
    const GIVES: Gives = Gives::Integers(DType::I64);

    fn run(task: &Task<'_>) -> Result<(), Outside> {
        let behind = task.list()[0] != 0;
        let len = task.dims(0).last().copied().unwrap_or(1);
        let per = task.out_dims().last().copied().unwrap_or(1);
        let is_one = task.dims(0).len() == 1;
        with_dtype!(task.dtype(0), T => {
            let (rows, values) = (task.operand::<T>(0), task.operand::<T>(1));
            task.each_part::<i64>(per, |out, first| {
                for (k, out) in out.iter_mut().enumerate() {
                    let at = first + k;
                    let row = if is_one { rows } else { &rows[at / per * len..][..len] };
                    let x = values[at];
                    let place = row.partition_point(|&other| {
                        // (With NaN on either side it is not there yet.)
                        let order = other.partial_cmp(&x);
                        order != Some(Ordering::Greater)
                            && (behind || order != Some(Ordering::Equal))
                    });
                    out.write(place as i64);
                }
            });
        });
        Ok(())
    }
}

/// One sorted row for all values of an element is one row of many then.
fn batch_search(batch: &mut Batched<'_>, node: &Node) -> Maybe<NodeId> {
    let (sorted, has_axis) = batch.operands[0];
    let is_one = batch.core.shape(node.inputs[0]).len() == 1;
    let mut operands = [NodeId::NONE; INLINE_OPERANDS];
    operands[1] = batch.operand(1)?;
    operands[0] = if is_one { sorted } else { batch.operand(0)? };
    if !is_one || !has_axis {
        return batch.push(node, operands, node.list);
    }
    let rows = [batch.len, node.len];
    operands[1] = batch.core.reshape_to("vmap", operands[1], &rows)?;
    batch.push_flat(node, operands, &rows)
}

impl Core {
    /// The tensor with an axis moved to the end; it has at least one.
    fn with_axis_last(&mut self, what: &str, x: NodeId, axis: isize) -> Maybe<(NodeId, usize)> {
        let rank = self.shape(x).len();
        let axis = self.axis(what, axis, rank)?;
        if rank == 0 {
            return Ok((self.reshape_to(what, x, &[1])?, 0));
        }
        if self.shape(x)[axis] > u32::MAX as usize {
            return Err(self.fail(
                ErrorKind::Limit,
                format_args!("{what}: an axis of more than 2^32 elements"),
            ));
        }
        Ok((self.swap_with_last(what, x, axis)?, axis))
    }

    pub(super) fn swap_with_last(&mut self, what: &str, x: NodeId, axis: usize) -> Maybe<NodeId> {
        let mut order = crate::shape::Dims::SCALAR;
        let rank = self.shape(x).len();
        (0..rank).for_each(|axis| order.push(axis));
        order.swap(axis, rank - 1);
        self.permute_by(what, x, &order)
    }

    /// Indices along the last axis, in the shape of the rows with `count` instead of their length.
    pub(super) fn indices(
        &mut self,
        what: &str,
        kind: Structural,
        rows: NodeId,
        count: usize,
        list: &[usize],
    ) -> Maybe<NodeId> {
        let mut dims = self.shape(rows);
        let last = dims.len() - 1;
        dims[last] = count;
        let mut node = self.structural(kind, &[rows], list)?;
        (node.shape, node.len) = self.intern_shape(what, &dims)?;
        self.push(node)
    }

    /// Values at indices along the last axis, both with that axis where it was.
    fn at_indices(
        &mut self,
        what: &str,
        rows: NodeId,
        indices: NodeId,
        (x, axis): (NodeId, usize),
        keepdim: bool,
    ) -> Maybe<[NodeId; 2]> {
        let values = self.gather(rows, -1, indices)?;
        let values = self.with_axis_back(what, values, (x, axis), keepdim)?;
        Ok([values, self.with_axis_back(what, indices, (x, axis), keepdim)?])
    }

    /// What was made of rows, with their axis where it was in `x`.
    fn with_axis_back(
        &mut self,
        what: &str,
        y: NodeId,
        (x, axis): (NodeId, usize),
        keepdim: bool,
    ) -> Maybe<NodeId> {
        if self.shape(x).is_empty() {
            return self.reshape_to(what, y, &[]);
        }
        let y = self.swap_with_last(what, y, axis)?;
        if keepdim { Ok(y) } else { self.squeeze(y, Some(axis as isize)) }
    }

    /// Rows of a tensor, the indices that sort them, and which axis they go along.
    fn sorted(
        &mut self,
        what: &str,
        x: NodeId,
        axis: isize,
        descending: bool,
    ) -> Maybe<(NodeId, NodeId, usize)> {
        let (rows, axis) = self.with_axis_last(what, x, axis)?;
        let count = self.shape(rows)[self.shape(rows).len() - 1];
        let list = [usize::from(descending)];
        let indices = self.indices(what, Structural::ArgSort, rows, count, &list)?;
        Ok((rows, indices, axis))
    }

    /// The elements in rising order along an axis (or falling, with `descending`), and the indices (i64)
    /// where they were. Of equal elements the first comes first; a NaN is larger than all numbers.
    /// Gradient: to where the elements were.
    ///
    /// - PyTorch: `torch.sort(x, dim=axis, descending=descending, stable=True)`
    /// - Types: any
    /// - Results: values, indices
    /// - Cases: `x=D(7), axis=0, descending=False`; `x=D(2,5,3), axis=1, descending=True`;
    ///   `x=D(3,4), axis=-1, descending=False`; `x=U(), axis=0, descending=False`;
    ///   `x=U(2,0), axis=1, descending=False`; `x=D(40,3), axis=0, descending=True`;
    ///   `x=S(2,1,nan,2,-0.0,0.0,1,inf,-inf,nan), axis=0, descending=False`;
    ///   `x=S(2,1,nan,2,-0.0,0.0,1,inf,-inf,nan), axis=0, descending=True`
    pub(crate) fn sort(&mut self, x: NodeId, axis: isize, descending: bool) -> Maybe<[NodeId; 2]> {
        let what = "sort";
        let (rows, indices, axis) = self.sorted(what, x, axis, descending)?;
        self.at_indices(what, rows, indices, (x, axis), true)
    }

    /// The indices (i64) that sort a tensor along an axis; otherwise as `sort`. No gradient.
    ///
    /// - PyTorch: `torch.argsort(x, dim=axis, descending=descending, stable=True)`
    /// - Types: any
    /// - Cases: `x=D(7), axis=0, descending=False`; `x=I([3,1,2],[1,1,0]), axis=-1, descending=True`;
    ///   `x=M(1,0,1,0), axis=0, descending=False`;
    ///   `x=I(5,-9223372036854775807,9223372036854775807,5,4), axis=0, descending=False`
    pub(crate) fn argsort(&mut self, x: NodeId, axis: isize, descending: bool) -> Maybe<NodeId> {
        let what = "sort";
        let (_, indices, axis) = self.sorted(what, x, axis, descending)?;
        self.with_axis_back(what, indices, (x, axis), true)
    }

    /// That there are `k` elements in a row.
    fn need_count(
        &mut self,
        what: &str,
        k: usize,
        least: usize,
        (rows, x, axis): (NodeId, NodeId, usize),
    ) -> Maybe<()> {
        let (row, dims) = (self.shape(rows), self.shape(x));
        let len = row.last().copied().unwrap_or(1);
        if (least..=len).contains(&k) {
            return Ok(());
        }
        Err(self.fail(
            ErrorKind::Argument,
            format_args!(
                "{what}: k is {k}, and must be at least {least} and at most {len}, the length of axis \
                 {axis} of {dims:?}"
            ),
        ))
    }

    /// The `k` largest elements along an axis (or smallest, with `largest` false), in order, and their
    /// indices (i64). A NaN is larger than all numbers. Gradient: to where the elements were.
    ///
    /// - PyTorch: `torch.topk(x, k, dim=axis, largest=largest)`
    /// - Types: any
    /// - Results: values, indices
    /// - Cases: `x=D(7), k=3, axis=0, largest=True`; `x=D(2,5,3), k=2, axis=1, largest=False`;
    ///   `x=D(3,4), k=4, axis=-1, largest=True`; `x=D(3,4), k=0, axis=-1, largest=True`;
    ///   `x=U(), k=1, axis=0, largest=True`; `x=S(2,1,nan,inf,-inf), k=3, axis=0, largest=True`;
    ///   `x=S(2,1,nan,inf,-inf), k=5, axis=0, largest=False`; `x=D(2,70), k=5, axis=-1, largest=True`
    pub(crate) fn topk(
        &mut self,
        x: NodeId,
        k: usize,
        axis: isize,
        largest: bool,
    ) -> Maybe<[NodeId; 2]> {
        let what = "topk";
        let (rows, axis) = self.with_axis_last(what, x, axis)?;
        self.need_count(what, k, 0, (rows, x, axis))?;
        let [mode, rank] = Rank::From(0).words();
        let list = [usize::from(largest), mode, rank];
        let indices = self.indices(what, Structural::ArgTop, rows, k, &list)?;
        self.at_indices(what, rows, indices, (x, axis), true)
    }

    /// The `k`-th smallest element along an axis, counted from 1, and its index (i64). A NaN is larger
    /// than all numbers. The axis vanishes, or stays with length 1 with `keepdim`.
    ///
    /// - PyTorch: `torch.kthvalue(x, k, axis, keepdim)`
    /// - Types: any
    /// - Results: values, indices
    /// - Cases: `x=D(7), k=3, axis=0, keepdim=False`; `x=D(2,5,3), k=5, axis=1, keepdim=True`;
    ///   `x=D(3,4), k=1, axis=-1, keepdim=False`; `x=S(2,1,nan,inf), k=3, axis=0, keepdim=False`
    pub(crate) fn kthvalue(
        &mut self,
        x: NodeId,
        k: usize,
        axis: isize,
        keepdim: bool,
    ) -> Maybe<[NodeId; 2]> {
        let what = "kthvalue";
        let (rows, axis) = self.with_axis_last(what, x, axis)?;
        self.need_count(what, k, 1, (rows, x, axis))?;
        let [mode, rank] = Rank::From(k - 1).words();
        let indices = self.indices(what, Structural::ArgTop, rows, 1, &[0, mode, rank])?;
        self.at_indices(what, rows, indices, (x, axis), keepdim)
    }

    /// Where each of `values` would have to be inserted into a row of `sorted`, which is in rising order,
    /// to keep it so (i64): before equal elements, or behind them with `right`. `sorted` is one row, or
    /// has as many as `values`, with the same axes but for the last.
    ///
    /// - PyTorch: `torch.searchsorted(sorted, values, right=right)`
    /// - Types: any
    /// - Cases: `sorted=S(1,3,5,5,7), values=S(0,1,5,6,9,nan), right=False`;
    ///   `sorted=S(1,3,5,5,7), values=S(0,1,5,6,9,nan), right=True`;
    ///   `sorted=f64([[1,2,3],[10,20,30]]), values=f64([[2,0],[15,30]]), right=False`;
    ///   `sorted=S(), values=S(1,2), right=False`; `sorted=I(1,4,6), values=I(4,5), right=True`;
    ///   `sorted=S(1,3), values=f64([[0,2],[2,4]]), right=False`
    pub(crate) fn searchsorted(
        &mut self,
        sorted: NodeId,
        values: NodeId,
        right: bool,
    ) -> Maybe<NodeId> {
        let what = "searchsorted";
        let (dims, asked) = (self.shape(sorted), self.shape(values));
        let (left, other) = (self.node(sorted).dtype, self.node(values).dtype);
        if left != other {
            return Err(self.fail(
                ErrorKind::DType,
                format_args!("{what}: rows are {left} and values {other}: use cast"),
            ));
        }
        let agree = dims.len() == asked.len()
            && !dims.is_empty()
            && dims[..dims.len() - 1] == asked[..asked.len() - 1];
        if dims.len() != 1 && !agree {
            return Err(self.fail(
                ErrorKind::Shape,
                format_args!(
                    "{what}: values of shape {asked:?} need one sorted row, or as many as they have, \
                     not {dims:?}"
                ),
            ));
        }
        let mut node =
            self.structural(Structural::SearchSorted, &[sorted, values], &[usize::from(right)])?;
        (node.shape, node.len) = (self.node(values).shape, self.node(values).len);
        self.push(node)
    }
}
