//! Leaves: data of the user, constants, and random numbers.

use crate::dtype::{DType, Element, with_dtype, with_float};
use crate::error::{ErrorKind, Maybe};
use crate::graph::Core;
use crate::id::NodeId;
use crate::kernel::Draws;
use crate::level::Level;
use crate::node::Op;
use crate::random::Stream;
use crate::shape::MAX_RANK;

/// Random numbers that are drawn at a time.
const DRAWN: usize = 256;

impl Core {
    /// A leaf with a copy of `data`, row-major.
    pub(crate) fn leaf<T: Element>(
        &mut self,
        what: &str,
        data: &[T],
        dims: &[usize],
    ) -> Maybe<NodeId> {
        // Before the shape is interned, so that a wrong rank is told first.
        if dims.len() <= MAX_RANK
            && let Some(len) = crate::shape::checked_len(dims)
            && len != data.len()
        {
            return Err(self.fail(
                ErrorKind::Shape,
                format_args!(
                    "{what}: shape {dims:?} needs {len} elements, and there are {}",
                    data.len()
                ),
            ));
        }
        let id = self.new_leaf(what, T::DTYPE, dims)?;
        self.write_values(id, data);
        Ok(id)
    }

    /// Fills a leaf's buffer, element by element.
    fn fill_leaf<T: Element>(&mut self, id: NodeId, mut value: impl FnMut(usize) -> T) {
        let len = self.node(id).len;
        let start = self.leaf_start::<T>(id);
        for i in 0..len {
            // SAFETY: the leaf's buffer has `len` elements of `T`; `write` reads none of them, so
            // it does not matter that a new buffer's content is undefined.
            unsafe { start.add(i).write(value(i)) };
        }
    }

    fn leaf_start<T: Element>(&mut self, id: NodeId) -> *mut T {
        assert!(self.node(id).op == Op::Leaf && self.node(id).dtype == T::DTYPE, "writing to {id}");
        let buffer = self.state(id).value().expect("a leaf has a buffer from birth");
        buffer.as_ptr().cast()
    }

    fn write_values<T: Element>(&mut self, id: NodeId, data: &[T]) {
        assert_eq!(self.node(id).len, data.len(), "writing to {id}");
        let start = self.leaf_start::<T>(id);
        // SAFETY: the leaf's buffer has `len` elements of `T`, just compared with the data's; the
        // borrow of the core excludes that `data` is this buffer.
        unsafe { std::ptr::copy_nonoverlapping(data.as_ptr(), start, data.len()) };
    }

    /// A new value for one element of a leaf: everything downstream is stale from now on.
    pub(crate) fn write_element<T: Element>(&mut self, id: NodeId, element: usize, value: T) {
        assert!(element < self.node(id).len, "writing to {id}");
        self.touch(id);
        let start = self.leaf_start::<T>(id);
        // SAFETY: the leaf's buffer has that element, just checked.
        unsafe { start.add(element).write(value) };
    }

    /// New data for a leaf: everything downstream is stale from now on.
    pub(crate) fn write<T: Element>(&mut self, id: NodeId, data: &[T]) -> Maybe<()> {
        let what = "write";
        self.need_leaf(what, id)?;
        self.need_dtype(what, id, T::DTYPE)?;
        let (need, have) = (self.node(id).len, data.len());
        if need != have {
            return Err(self.fail_with(|core, slot| {
                let leaf = core.describe(id);
                slot.set(
                    ErrorKind::Shape,
                    format_args!(
                        "{what}: the leaf {leaf} takes {need} elements, and there are {have}"
                    ),
                )
            }));
        }
        self.touch(id);
        self.write_values(id, data);
        Ok(())
    }

    /// Only leaves have data of their own.
    pub(crate) fn need_leaf(&mut self, what: &str, id: NodeId) -> Maybe<()> {
        self.need_own(what)?;
        let op = self.node(id).op;
        if op == Op::Leaf {
            return Ok(());
        }
        Err(self.fail_with(|core, slot| {
            let (x, op) = (core.describe(id), core.op_name(id));
            slot.set(
                ErrorKind::Argument,
                format_args!("{what}: {id}, {x}, is the result of {op}, not a leaf"),
            )
        }))
    }

    pub(crate) fn need_dtype(&mut self, what: &str, id: NodeId, dtype: DType) -> Maybe<()> {
        let found = self.node(id).dtype;
        if found == dtype {
            return Ok(());
        }
        Err(self.fail_with(|core, slot| {
            let x = core.describe(id);
            slot.set(
                ErrorKind::DType,
                format_args!("{what}: the tensor {x} holds {found}, and {dtype} was asked for"),
            )
        }))
    }

    /// Numbers that a type does not hold are refused where they are given, not cut to size. (Floats
    /// are rounded, as everywhere.)
    pub(crate) fn need_number(&mut self, what: &str, dtype: DType, x: f64) -> Maybe<()> {
        const END: f64 = (1u64 << 63) as f64;
        let (fits, range) = match dtype {
            DType::F32 | DType::F64 => return Ok(()),
            DType::I64 => ((-END..END).contains(&x), "-2^63 to 2^63 - 1"),
            DType::U8 => ((0.0..=255.0).contains(&x), "0 to 255"),
        };
        if fits && x.trunc() == x {
            return Ok(());
        }
        Err(self.fail(
            ErrorKind::Argument,
            format_args!("{what}: {dtype} holds whole numbers from {range}, not {x}"),
        ))
    }

    /// One value everywhere.
    pub(crate) fn full(
        &mut self,
        what: &str,
        dtype: DType,
        dims: &[usize],
        value: f64,
    ) -> Maybe<NodeId> {
        self.need_number(what, dtype, value)?;
        with_dtype!(dtype, T => self.full_of(what, dims, T::from_f64(value)))
    }

    /// As `full`, for a value that f64 may not hold.
    pub(crate) fn full_of<T: Element>(
        &mut self,
        what: &str,
        dims: &[usize],
        value: T,
    ) -> Maybe<NodeId> {
        let id = self.new_leaf(what, T::DTYPE, dims)?;
        self.fill_leaf(id, |_| value);
        Ok(id)
    }

    /// start, start + step, ... up to but without `stop`.
    pub(crate) fn arange(
        &mut self,
        dtype: DType,
        start: f64,
        stop: f64,
        step: f64,
    ) -> Maybe<NodeId> {
        let what = "arange";
        let count = ((stop - start) / step).ceil().max(0.0);
        if !(start.is_finite() && stop.is_finite() && step.is_finite() && step != 0.0) {
            return Err(self.fail(
                ErrorKind::Argument,
                format_args!(
                    "{what}: needs finite bounds and a step other than 0, not {start}, {stop}, {step}"
                ),
            ));
        }
        if !dtype.is_float() && step.trunc() != step {
            return Err(self.fail(
                ErrorKind::Argument,
                format_args!("{what}: the step to {dtype} numbers must be a whole one, not {step}"),
            ));
        }
        if count > 0.0 {
            self.need_number(what, dtype, start)?;
            self.need_number(what, dtype, start + step * (count - 1.0))?;
        }
        // A count beyond usize saturates, and is refused as too large.
        let id = self.new_leaf(what, dtype, &[count as usize])?;
        with_dtype!(dtype, T => self.fill_leaf(id, |i| T::from_f64(start + step * i as f64)));
        Ok(id)
    }

    /// `count` numbers at equal distances from `start` to `stop`, both included. The second half
    /// is counted from `stop`, so that the ends are exact and the middle symmetric. Integers between
    /// them are rounded towards zero.
    pub(crate) fn linspace(
        &mut self,
        dtype: DType,
        start: f64,
        stop: f64,
        count: usize,
    ) -> Maybe<NodeId> {
        let what = "linspace";
        self.need_number(what, dtype, start)?;
        self.need_number(what, dtype, stop)?;
        let id = self.new_leaf(what, dtype, &[count])?;
        let gaps = (count.max(2) - 1) as f64;
        let whole = stop - start;
        // (The difference may be beyond the largest number.)
        let step = if whole.is_finite() { whole / gaps } else { stop / gaps - start / gaps };
        with_dtype!(dtype, T => self.fill_leaf(id, |i| {
            let low = i < count.div_ceil(2);
            let x = if low { start + step * i as f64 } else { stop - step * (count - 1 - i) as f64 };
            T::from_f64(x)
        }));
        Ok(id)
    }

    /// 1 on the main diagonal, 0 elsewhere.
    pub(crate) fn eye(&mut self, dtype: DType, rows: usize, columns: usize) -> Maybe<NodeId> {
        let id = self.new_leaf("eye", dtype, &[rows, columns])?;
        with_dtype!(dtype, T => self.fill_leaf(id, |i| {
            T::from_f64(if i / columns == i % columns { 1.0 } else { 0.0 })
        }));
        Ok(id)
    }

    /// A leaf with random numbers of a stream of its own; `draw` makes a pair of equally likely ones.
    fn random(
        &mut self,
        what: &str,
        dtype: DType,
        dims: &[usize],
        draw: impl Fn([f64; 2]) -> [f64; 2],
    ) -> Maybe<NodeId> {
        if !dtype.is_float() {
            return Err(self.fail(
                ErrorKind::DType,
                format_args!("{what}: random numbers are f32 or f64, not {dtype}"),
            ));
        }
        let id = self.new_leaf(what, dtype, dims)?;
        let stream = Stream::new(self.seed, self.streams);
        self.streams += 1;
        with_float!(dtype, T => {
            let (mut pair, mut block, level) = ([0.0; 2], [0.0; DRAWN], Level::current());
            self.fill_leaf(id, |i| {
                if i % DRAWN == 0 {
                    Draws { stream, start: i as u64, p: 0.0, level }.uniform(&mut block);
                }
                if i % 2 == 0 {
                    pair = draw([block[i % DRAWN], block[i % DRAWN + 1]]);
                }
                T::from_f64(pair[i % 2])
            });
        });
        Ok(id)
    }

    /// Equally likely numbers from `low` up to `high`, which is none of them (unless it is `low`), not
    /// even by rounding.
    pub(crate) fn uniform(
        &mut self,
        dtype: DType,
        dims: &[usize],
        low: f64,
        high: f64,
    ) -> Maybe<NodeId> {
        // (Refuses NaN, too.)
        let most = dtype.largest();
        if !(-most <= low && low <= high && high <= most) {
            return Err(self.fail(
                ErrorKind::Argument,
                format_args!(
                    "uniform: needs finite bounds of {dtype}, low up to high, not {low} and {high}"
                ),
            ));
        }
        let (wide, narrow) = (DType::F64, dtype == DType::F32);
        let last = if narrow { before::<f32>(low, high) } else { before::<f64>(low, high) };
        let span = high - low;
        self.random("uniform", dtype, dims, |pair| {
            pair.map(|u| {
                // A span may be beyond the largest number.
                let near = span.abs() <= wide.largest();
                let x = if near { low + span * u } else { low * (1.0 - u) + high * u };
                if low < high { x.min(last) } else { low }
            })
        })
    }

    /// Normal numbers of this mean and standard deviation.
    pub(crate) fn normal(
        &mut self,
        dtype: DType,
        dims: &[usize],
        mean: f64,
        deviation: f64,
    ) -> Maybe<NodeId> {
        let largest = dtype.largest();
        // (Refuses NaN, too.)
        if !(mean.abs() <= largest && (0.0..=largest).contains(&deviation)) {
            return Err(self.fail(
                ErrorKind::Argument,
                format_args!(
                    "normal: needs a finite mean and a finite deviation of at least 0, not {mean} and \
                     {deviation}"
                ),
            ));
        }
        self.random("normal", dtype, dims, |pair| {
            Stream::normal(pair).map(|z| (mean + deviation * z).clamp(-largest, largest))
        })
    }

    /// Restarts the random streams: what is done from here on gives the same numbers as after any
    /// other call with this seed.
    pub(crate) fn set_seed(&mut self, seed: u64) {
        self.seed = seed;
        self.streams = 0;
        self.resample();
        self.seeded = self.clock;
    }

    /// Whether dropout drops.
    pub(crate) fn set_training(&mut self, training: bool) {
        if self.training != training {
            self.training = training;
            self.resample();
        }
    }

    /// Starts a new replay without writing to a leaf: random nodes get new numbers.
    pub(crate) fn resample(&mut self) {
        self.clock += 1;
    }

    /// Sets whether gradients flow to a leaf.
    pub(crate) fn set_requires_grad(&mut self, id: NodeId, on: bool) -> Maybe<()> {
        let what = "set_requires_grad";
        self.need_own(what)?;
        let node = *self.node(id);
        if node.op != Op::Leaf {
            return Err(self.fail(
                ErrorKind::Gradient,
                format_args!(
                    "{what}: can only be changed for leaves; {id} is the result of {}: use detach",
                    node.op.name()
                ),
            ));
        }
        if on && !node.dtype.is_float() {
            return Err(self.fail(
                ErrorKind::Gradient,
                format_args!(
                    "{what}: only tensors of floating point type can require gradients, not {}",
                    node.dtype
                ),
            ));
        }
        if node.requires_grad != on {
            self.node_mut(id).requires_grad = on;
            self.mutated(id);
        }
        Ok(())
    }
}

/// The number next below `high`, among those of a type; `high` itself where `low` is no less.
fn before<T: Element>(low: f64, high: f64) -> f64 {
    let end = T::from_f64(high).to_f64();
    if low >= high || end < high {
        return end;
    }
    match T::DTYPE {
        DType::F32 => f64::from((end as f32).next_down()),
        _ => end.next_down(),
    }
}
