//! Writes at indices: a tensor with other elements in some places.

use std::mem::MaybeUninit;
use std::ops::{Add, Mul};

use super::Sink;
use super::batch::Batching;
use super::scan::Course;
use super::structural::{Gives, Rule};
use crate::dtype::{DType, Element, with_dtype};
use crate::error::{ErrorKind, Maybe};
use crate::graph::{Core, Operand};
use crate::id::{CallId, NodeId};
use crate::node::{Comparison, Node};
use crate::roll_call::{Elem, Structural};
use crate::shape::{Layout, MAX_RANK};
use crate::task::{Bounds, Outside, Task};

/// Elements that are added up and multiplied as their type has it: integers wrap around.
trait Arithmetic: Element + PartialOrd {
    fn plus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
}

macro_rules! arithmetic {
    ($($t:ty: $plus:ident, $times:ident);*) => {$(
        impl Arithmetic for $t {
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self.$plus(other)
            }
            #[inline(always)]
            fn times(self, other: Self) -> Self {
                self.$times(other)
            }
        }
    )*};
}
arithmetic!(f32: add, mul; f64: add, mul; i64: wrapping_add, wrapping_mul; u8: wrapping_add, wrapping_mul);

/// What is made of an element and of one that is written to its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// The last one that is written.
    Set,
    Add,
    Multiply,
    Max,
    Min,
}

impl Mode {
    const ALL: [Self; 5] = [Self::Set, Self::Add, Self::Multiply, Self::Max, Self::Min];

    fn join<T: Arithmetic>(self, x: T, y: T) -> T {
        let is_nan = |x: T| x.partial_cmp(&x).is_none();
        match self {
            Self::Set => y,
            Self::Add => x.plus(y),
            Self::Multiply => x.times(y),
            Self::Max if is_nan(x) || x >= y => x,
            Self::Min if is_nan(x) || x <= y => x,
            _ => y,
        }
    }
}

/// How elements are written.
#[derive(Clone, Copy)]
struct How {
    mode: Mode,
    /// Whether what was there counts.
    counts: bool,
    /// How many indices, one behind the other, are one of those that were given.
    each: usize,
}

impl How {
    fn new(mode: Mode, counts: bool) -> Self {
        Self { mode, counts, each: 1 }
    }

    fn of(list: &[u64]) -> Self {
        let [mode, counts, each] = [1, 2, 3].map(|k| list[k]);
        Self { mode: Mode::ALL[mode as usize], counts: counts != 0, each: each as usize }
    }
}

/// Operand 0 with the elements of operand 2 written to the places of operand 1 along an axis. List: the
/// axis, and [`How`].
pub(crate) struct Scatter;

impl Rule for Scatter {
    const NAME: &str = "scatter";
    const BATCHING: Batching = Batching::Along(0);
    const COST: u64 = 3_000;
    const GIVES: Gives = Gives::Elements(Self::vjp);
    const CHECKS_INDICES: bool = true;

    fn work_words(core: &Core, node: &Node) -> usize {
        if How::of(core.list(node.list)).counts { 0 } else { node.len.div_ceil(64) }
    }

    fn run(task: &Task<'_>) -> Result<(), Outside> {
        with_dtype!(task.dtype(0), T => {
            task.fill(|out: &mut [MaybeUninit<T>], touched| write::<T>(task, out, touched))
        })
    }
}

impl Scatter {
    fn vjp(core: &mut Core, id: NodeId, g: NodeId, sink: &mut Sink) -> Maybe<()> {
        let node = *core.node(id);
        let list = core.list(node.list);
        let (axis, how) = (list[0] as usize, How::of(list));
        let [x, index, src, _] = node.inputs;
        match how.mode {
            Mode::Set => core.vjp_set((x, index, src), axis, how, g, sink),
            Mode::Add => core.vjp_add((x, index, src), axis, how, g, sink),
            Mode::Multiply => core.vjp_multiply(id, axis, how, g, sink),
            Mode::Max | Mode::Min => core.vjp_extremes(id, axis, how, g, sink),
        }
    }
}

/// Calls `visit(position, outer, last, place)` for each index: its own position, as a number and by all
/// axes but the last, and by the last one; and the place that it names in what has the shape `large`.
fn each_place(
    (small, large): (&[usize], &[usize]),
    (axis, each): (usize, usize),
    (index, call): (&[i64], CallId),
    mut visit: impl FnMut(usize, &[usize], usize, usize),
) -> Result<(), Outside> {
    let strides = Layout::dense(large);
    let to = strides.strides();
    let bounds = Bounds::of_axis(large.get(axis).copied().unwrap_or(1), call);
    let along = to.get(axis).map_or(0, |&stride| stride as usize);
    // The last axis is the inner loop.
    let row = small.last().copied().unwrap_or(1);
    let last = small.len().saturating_sub(1);
    let step = if last == axis || small.is_empty() { 0 } else { 1 };
    let mut at = [0; MAX_RANK];
    for (number, index) in index.chunks_exact(row.max(1)).enumerate() {
        let outer = at[..last].iter().zip(to).enumerate().filter(|&(k, _)| k != axis);
        let start: usize = outer.map(|(_, (at, &stride))| at * stride as usize).sum();
        for (k, &i) in index.iter().enumerate() {
            let position = number * row + k;
            let i = bounds
                .place(position, i)
                .map_err(|outside| Outside { position: outside.position / each, ..outside })?;
            visit(position, &at[..last], k, start + k * step + i * along);
        }
        for k in (0..last).rev() {
            at[k] += 1;
            if at[k] < small[k] {
                break;
            }
            at[k] = 0;
        }
    }
    Ok(())
}

fn write<T: Arithmetic>(
    task: &Task<'_>,
    out: &mut [MaybeUninit<T>],
    touched: &mut [u64],
) -> Result<(), Outside> {
    let list = task.list();
    let (axis, How { mode, each, .. }) = (list[0] as usize, How::of(list));
    let (x, index, src) = (task.operand::<T>(0), task.operand::<i64>(1), task.operand::<T>(2));
    for (out, &x) in out.iter_mut().zip(x) {
        out.write(x);
    }
    // SAFETY: all of them were just written.
    let out = unsafe { &mut *(std::ptr::from_mut(out) as *mut [T]) };
    let from = Layout::dense(task.dims(2));
    let from = from.strides();
    each_place(
        (task.dims(1), task.out_dims()),
        (axis, each),
        (index, task.call()),
        |_, outer, last, place| {
            let start = outer.iter().zip(from).map(|(at, &stride)| at * stride as usize);
            let taken = start.sum::<usize>() + last;
            let is_first =
                touched.get(place / 64).is_some_and(|word| word >> (place % 64) & 1 == 0);
            out[place] = if is_first {
                touched[place / 64] |= 1 << (place % 64);
                src[taken]
            } else {
                mode.join(out[place], src[taken])
            };
        },
    )
}

/// Whether each index is the last one that names its place. Operands: the indices, and what they are
/// places of. List: the axis, and how many indices are one of those that were given.
pub(crate) struct IsLast;

impl Rule for IsLast {
    const NAME: &str = "is_last";
    const BATCHING: Batching = Batching::Along(0);
    const COST: u64 = 3_000;
    const GIVES: Gives = Gives::Integers(DType::U8);
    const CHECKS_INDICES: bool = true;

    fn work_words(core: &Core, node: &Node) -> usize {
        core.node(node.inputs[1]).len
    }

    fn run(task: &Task<'_>) -> Result<(), Outside> {
        let index = (task.operand::<i64>(0), task.call());
        let along = (task.list()[0] as usize, task.list()[1] as usize);
        let dims = (task.dims(0), task.dims(1));
        task.fill(|out: &mut [MaybeUninit<u8>], last| {
            each_place(dims, along, index, |position, _, _, place| last[place] = position as u64)?;
            each_place(dims, along, index, |position, _, _, place| {
                out[position].write(u8::from(last[place] == position as u64));
            })
        })
    }
}

impl Core {
    fn write_at(
        &mut self,
        what: &str,
        How { mode, counts, each }: How,
        (x, index, src): (NodeId, NodeId, NodeId),
        axis: isize,
    ) -> Maybe<NodeId> {
        self.need_index(what, index)?;
        let (left, right) = (self.node(x).dtype, self.node(src).dtype);
        if left != right {
            return Err(self.fail(
                ErrorKind::DType,
                format_args!("{what}: {right} cannot be written to {left}: use cast"),
            ));
        }
        let (dims, at, given) = (self.shape(x), self.shape(index), self.shape(src));
        let axis = self.axis(what, axis, dims.len())?;
        let fits = dims.len() == at.len()
            && at.len() == given.len()
            && (0..dims.len()).all(|other| {
                at[other] <= given[other] && (other == axis || at[other] <= dims[other])
            });
        if !fits {
            return Err(self.fail(
                ErrorKind::Shape,
                format_args!(
                    "{what}: an index of shape {at:?} does not fit {dims:?} and a source of shape \
                     {given:?}: ranks must be equal, and it no longer than the source, nor than what is \
                     written to beside axis {axis}"
                ),
            ));
        }
        let place = Mode::ALL.iter().position(|&other| other == mode).unwrap_or(0);
        let list = [axis, place, usize::from(counts), each];
        let mut node = self.structural(Structural::Scatter, &[x, index, src], &list)?;
        (node.shape, node.len) = (self.node(x).shape, self.node(x).len);
        self.push(node)
    }

    /// A source with as many elements as there are indices.
    fn as_indexed(&mut self, src: NodeId, index: NodeId) -> Maybe<NodeId> {
        let mut y = src;
        for (axis, &len) in self.shape(index).iter().enumerate() {
            y = self.slice_by(y, axis, 0, len, 1)?;
        }
        Ok(y)
    }

    /// Sends the cotangents of the elements at the indices to the source, which may have more.
    fn send_to_source(
        &mut self,
        (index, src): (NodeId, NodeId),
        taken: NodeId,
        sink: &mut Sink,
    ) -> Maybe<()> {
        let (dims, small) = (self.shape(src), self.shape(index));
        let mut wide = taken;
        for axis in (0..dims.len()).rev() {
            if small[axis] != dims[axis] {
                let mut lens = self.shape(wide);
                lens[axis] = dims[axis];
                wide = self.embed(wide, axis, 0, 1, &lens)?;
            }
        }
        sink.send(self, src, wide)
    }

    /// Zeros where something was written.
    fn without_written(
        &mut self,
        g: NodeId,
        index: NodeId,
        axis: usize,
        each: usize,
    ) -> Maybe<NodeId> {
        let (dims, dtype) = (self.shape(index), self.node(g).dtype);
        let zeros = self.constant("scatter", dtype, &dims, 0.0)?;
        let how = How { each, ..How::new(Mode::Set, true) };
        self.write_at("scatter", how, (g, index, zeros), axis as isize)
    }

    /// Of several elements that were written to one place only the last one is there.
    fn vjp_set(
        &mut self,
        (x, index, src): (NodeId, NodeId, NodeId),
        axis: usize,
        how: How,
        g: NodeId,
        sink: &mut Sink,
    ) -> Maybe<()> {
        if sink.wants(self, x) {
            let rest = self.without_written(g, index, axis, how.each)?;
            sink.send(self, x, rest)?;
        }
        if sink.wants(self, src) {
            let mut node = self.structural(Structural::IsLast, &[index, x], &[axis, how.each])?;
            (node.shape, node.len) = (self.node(index).shape, self.node(index).len);
            let is_last = self.push(node)?;
            let taken = self.gather(g, axis as isize, index)?;
            let taken = self.where_(is_last, taken, Operand::Constant(0.0))?;
            self.send_to_source((index, src), taken, sink)?;
        }
        Ok(())
    }

    fn vjp_add(
        &mut self,
        (x, index, src): (NodeId, NodeId, NodeId),
        axis: usize,
        how: How,
        g: NodeId,
        sink: &mut Sink,
    ) -> Maybe<()> {
        if sink.wants(self, x) {
            let to_x = if how.counts { g } else { self.without_written(g, index, axis, how.each)? };
            sink.send(self, x, to_x)?;
        }
        if sink.wants(self, src) {
            let taken = self.gather(g, axis as isize, index)?;
            self.send_to_source((index, src), taken, sink)?;
        }
        Ok(())
    }

    /// Of each factor the product of all others, without a division: of those before it and those
    /// behind it, where the factors of a place are brought together. Both are linear recurrences, and so
    /// right where factors are 0, as their derivatives are. (In f64: a product of some factors may leave
    /// the range of f32 where that of all does not.)
    fn vjp_multiply(
        &mut self,
        id: NodeId,
        axis: usize,
        how: How,
        g: NodeId,
        sink: &mut Sink,
    ) -> Maybe<()> {
        let what = "scatter_reduce";
        let [x, index, src, _] = self.node(id).inputs;
        let (at, dtype) = (axis as isize, self.node(x).dtype);
        let given = self.as_indexed(src, index)?;
        if sink.wants(self, x) {
            let to_x = if how.counts {
                let ones = self.fill_like(x, 1.0)?;
                let others =
                    self.write_at(what, How { counts: true, ..how }, (ones, index, given), at)?;
                self.map2(Elem::Mul, g, others)?
            } else {
                self.without_written(g, index, axis, how.each)?
            };
            sink.send(self, x, to_x)?;
        }
        if sink.wants(self, src) && self.node(index).len > 0 {
            let order = self.argsort(index, at, false)?;
            let places = self.gather(index, at, order)?;
            let factors = self.gather(given, at, order)?;
            let factors = self.cast(factors, DType::F64)?;
            let first = match how.counts {
                true => self.gather(x, at, places)?,
                false => self.fill_like(factors, 1.0)?,
            };
            let first = self.cast(first, DType::F64)?;
            let before = self.product_of_run(places, factors, first, axis, false)?;
            let last = self.fill_like(factors, 1.0)?;
            let behind = self.product_of_run(places, factors, last, axis, true)?;
            let others = self.map2(Elem::Mul, before, behind)?;
            let others = self.cast(others, dtype)?;
            let back = self.argsort(order, at, false)?;
            let others = self.gather(others, at, back)?;
            let g = self.gather(g, at, index)?;
            let taken = self.map2(Elem::Mul, g, others)?;
            self.send_to_source((index, src), taken, sink)?;
        }
        Ok(())
    }

    /// The product of what is before (or behind) each factor in its run, those that lie together along an
    /// axis and have one place; it begins with `first`.
    fn product_of_run(
        &mut self,
        places: NodeId,
        factors: NodeId,
        first: NodeId,
        axis: usize,
        backwards: bool,
    ) -> Maybe<NodeId> {
        if self.shape(factors).is_empty() {
            return Ok(first); // a number has no neighbours
        }
        let neighbours = self.shifted(places, axis, backwards, -1.0)?;
        let is_first = self.compare(Comparison::Ne, places, neighbours)?;
        let zero = Operand::Constant(0.0);
        let factor = self.shifted(factors, axis, backwards, 1.0)?;
        let factor = self.where_(is_first, zero, factor)?;
        let start = self.where_(is_first, first, zero)?;
        let course = Course { axis, backwards, restarts: true };
        self.recurrence(Some(factor), Some(start), course)
    }

    /// All that are as large as the largest share its cotangent.
    fn vjp_extremes(
        &mut self,
        id: NodeId,
        axis: usize,
        how: How,
        g: NodeId,
        sink: &mut Sink,
    ) -> Maybe<()> {
        let what = "scatter_reduce";
        let [x, index, src, _] = self.node(id).inputs;
        let (at, dtype) = (axis as isize, self.node(x).dtype);
        let given = self.as_indexed(src, index)?;
        let best = self.gather(id, at, index)?;
        let x_is = self.compare(Comparison::Same, x, id)?;
        let src_is = self.compare(Comparison::Same, given, best)?;
        let (x_is, src_is) = (self.cast(x_is, dtype)?, self.cast(src_is, dtype)?);
        let (x_is, src_is) = (self.detach(x_is)?, self.detach(src_is)?);
        let count =
            self.write_at(what, How { mode: Mode::Add, ..how }, (x_is, index, src_is), at)?;
        let share = self.map2(Elem::Div, g, count)?;
        if sink.wants(self, x) {
            let to_x = if how.counts {
                self.map2(Elem::Mul, x_is, share)?
            } else {
                self.without_written(g, index, axis, how.each)?
            };
            sink.send(self, x, to_x)?;
        }
        if sink.wants(self, src) {
            let share = self.gather(share, at, index)?;
            let taken = self.map2(Elem::Mul, src_is, share)?;
            self.send_to_source((index, src), taken, sink)?;
        }
        Ok(())
    }

    /// `x` with the elements of `src` at the positions in `index` (i64) along an axis: for axis 1 of a
    /// matrix, y[i][index[i][j]] = src[i][j]. Of several that are written to one place, the last one in
    /// row-major order is there, and gets the gradient. Indices are not negative.
    ///
    /// - PyTorch: `torch.scatter(x, axis, index, src[tuple(slice(n) for n in index.shape)])`
    /// - Types: any
    /// - Cases: `x=U(3,4), axis=1, index=I([0,2],[1,3],[3,0]), src=U(3,2)`;
    ///   `x=U(3,4), axis=0, index=I([0,2,1,0]), src=U(2,4)`; `x=U(5), axis=0, index=I(4,0), src=U(3)`;
    ///   `x=U(2,3), axis=-1, index=np.zeros((2,0),np.int64), src=U(2,1)`
    pub(crate) fn scatter(
        &mut self,
        x: NodeId,
        axis: isize,
        index: NodeId,
        src: NodeId,
    ) -> Maybe<NodeId> {
        self.write_at("scatter", How::new(Mode::Set, true), (x, index, src), axis)
    }

    /// `x` with the elements of `src` added at the positions in `index` (i64) along an axis; otherwise as
    /// `scatter`. Gradient: to all of them.
    ///
    /// - PyTorch: `torch.scatter_add(x, axis, index, src[tuple(slice(n) for n in index.shape)])`
    /// - Types: any
    /// - Cases: `x=U(3,4), axis=1, index=I([0,2],[1,1],[3,0]), src=U(3,2)`;
    ///   `x=U(3,4), axis=0, index=I([0,2,1,0],[0,0,0,0]), src=U(2,4)`;
    ///   `x=U(5), axis=0, index=I(4,0,4), src=U(5)`
    pub(crate) fn scatter_add(
        &mut self,
        x: NodeId,
        axis: isize,
        index: NodeId,
        src: NodeId,
    ) -> Maybe<NodeId> {
        self.write_at("scatter_add", How::new(Mode::Add, true), (x, index, src), axis)
    }

    /// `x` with the elements of `src` joined to those at the positions in `index` (i64) along an axis, by
    /// `how`: "sum", "prod", "mean", "amax" or "amin". Without `include_self` what was there before does
    /// not count where something is written. Gradients of equal extremes are shared evenly; those of products,
    /// of any order, are right where factors are 0.
    ///
    /// - PyTorch: `torch.scatter_reduce(x, axis, index, src, how, include_self=include_self)`
    /// - Cases: `x=U(3,4), axis=1, index=I([0,2],[1,1],[3,0]), src=U(3,2), how='sum', include_self=True`;
    ///   `x=U(3,4), axis=1, index=I([0,2],[1,1],[3,0]), src=U(3,2), how='sum', include_self=False`;
    ///   `x=U(3,4), axis=1, index=I([0,2],[1,1],[3,0]), src=U(3,2), how='prod', include_self=True`;
    ///   `x=U(3,4), axis=1, index=I([0,2],[1,1],[3,0]), src=U(3,2), how='prod', include_self=False`;
    ///   `x=U(3,4), axis=1, index=I([0,2],[1,1],[3,0]), src=U(3,2), how='mean', include_self=True`;
    ///   `x=U(3,4), axis=1, index=I([0,2],[1,1],[3,0]), src=U(3,2), how='mean', include_self=False`;
    ///   `x=D(3,4), axis=1, index=I([0,2],[1,1],[3,0]), src=U(3,2), how='amax', include_self=True`;
    ///   `x=D(3,4), axis=1, index=I([0,2],[1,1],[3,0]), src=U(3,2), how='amin', include_self=False`;
    ///   `x=S(2,0,3), axis=0, index=I(0,0,1,2,2), src=S(3,0,5,0,0), how='prod', include_self=True`;
    ///   `x=S(2,1,3), axis=0, index=I(0,0,1,2,2), src=S(2,1,1,3,4), how='amax', include_self=True`
    pub(crate) fn scatter_reduce(
        &mut self,
        x: NodeId,
        axis: isize,
        index: NodeId,
        src: NodeId,
        how: &str,
        include_self: bool,
    ) -> Maybe<NodeId> {
        let what = "scatter_reduce";
        let dtype = self.need_same_float(what, x, src)?;
        let mode = match how {
            "sum" | "mean" => Mode::Add,
            "prod" => Mode::Multiply,
            "amax" => Mode::Max,
            "amin" => Mode::Min,
            _ => {
                return Err(self.fail(
                    ErrorKind::Argument,
                    format_args!("{what}: by \"sum\", \"prod\", \"mean\", \"amax\" or \"amin\", not \"{how}\""),
                ));
            }
        };
        let joined = self.write_at(what, How::new(mode, include_self), (x, index, src), axis)?;
        if how != "mean" {
            return Ok(joined);
        }
        let (ones, given) = (self.fill_like(x, 1.0)?, self.fill_like(src, 1.0)?);
        let counts =
            self.write_at(what, How::new(mode, include_self), (ones, index, given), axis)?;
        debug_assert!(dtype.is_float());
        self.map2(Elem::Div, joined, counts)
    }

    /// `x` with the slices of `src` at the positions in `index`, a vector of i64, along an axis; otherwise
    /// as `scatter`.
    ///
    /// - PyTorch: `torch.index_copy(x, axis, index, src)`
    /// - Types: any
    /// - Cases: `x=U(5,3), axis=0, index=I(4,0), src=U(2,3)`; `x=U(2,5,3), axis=1, index=I(1,2,0), src=U(2,3,3)`;
    ///   `x=U(4), axis=0, index=I(2), src=U(1)`
    pub(crate) fn index_copy(
        &mut self,
        x: NodeId,
        axis: isize,
        index: NodeId,
        src: NodeId,
    ) -> Maybe<NodeId> {
        let what = "index_copy";
        self.need_index(what, index)?;
        let (dims, given, count) = (self.shape(x), self.shape(src), self.node(index).len);
        let at = self.axis(what, axis, dims.len())?;
        let fits = dims.len() == given.len()
            && !dims.is_empty()
            && self.shape(index).len() == 1
            && (0..dims.len()).all(|k| given[k] == if k == at { count } else { dims[k] });
        if !fits {
            let index = self.shape(index);
            return Err(self.fail(
                ErrorKind::Shape,
                format_args!(
                    "{what}: a source of shape {given:?} and an index of shape {index:?} do not fit \
                     {dims:?} along axis {at}"
                ),
            ));
        }
        let mut along = dims;
        (0..dims.len()).for_each(|k| along[k] = if k == at { count } else { 1 });
        let index = self.reshape_to(what, index, &along)?;
        let index = self.expand_to(what, index, &given)?;
        let each = given[at + 1..].iter().product::<usize>().max(1);
        let how = How { each, ..How::new(Mode::Set, true) };
        self.write_at(what, how, (x, index, src), axis)
    }
}
