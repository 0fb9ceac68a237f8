//! Scans: what an axis has added up to, or multiplied to, up to each of its positions.
//!
//! Sums and products are linear recurrences, s_k = a_k s_(k-1) + b_k, and so are their cotangents, in
//! the other direction. A recurrence is one operation, then, and differentiable to any order without
//! any division: the gradient of a product is right where factors are 0.

use super::Sink;
use super::batch::Batching;
use super::lines::{Scan, no_join};
use super::structural::{Depends, Gives, Rule};
use crate::dtype::{DType, Element, with_float};
use crate::error::{ErrorKind, Maybe};
use crate::graph::{Core, Operand};
use crate::id::NodeId;
use crate::real::Real;
use crate::roll_call::{Elem, Structural};
use crate::task::{Around, Outside, Task};

/// A sum, and what its additions have lost (D. Knuth's exact sum of two): without a branch, since it is
/// made at each element.
#[derive(Clone, Copy, Default)]
struct Running {
    sum: f64,
    lost: f64,
}

impl Running {
    #[inline(always)]
    fn and(self, x: f64) -> Self {
        let sum = self.sum + x;
        let part = sum - self.sum;
        let lost = (self.sum - (sum - part)) + (x - part);
        Self { sum, lost: self.lost + lost }
    }

    /// (A part may be beyond the range where the whole is not.)
    fn join(self, part: Self) -> Option<Self> {
        let sum = self.and(part.sum);
        part.sum.is_finite().then_some(Self { lost: sum.lost + part.lost, ..sum })
    }

    /// (What an infinite sum has lost is NaN.)
    #[inline(always)]
    fn value(self) -> f64 {
        let whole = self.sum + self.lost;
        if self.sum.is_finite() { whole } else { self.sum }
    }
}

/// s_k = a_k s_(k-1) + b_k along an axis, from 0; from 1 without b. Without a the factors are 1.
/// Operands: a and b, as far as they are there. List: axis, whether backwards, whether there is an a,
/// and a b, and whether a factor 0 begins anew, whatever s was.
pub(crate) struct Recurrence;

/// How a recurrence goes along its axis.
#[derive(Clone, Copy)]
pub(super) struct Course {
    pub(super) axis: usize,
    pub(super) backwards: bool,
    /// Whether a factor 0 begins anew, whatever was there before: infinite, or NaN.
    pub(super) restarts: bool,
}

impl Course {
    pub(super) fn along(axis: usize, backwards: bool) -> Self {
        Self { axis, backwards, restarts: false }
    }

    fn reversed(self) -> Self {
        Self { backwards: !self.backwards, ..self }
    }
}

impl Rule for Recurrence {
    const NAME: &str = "scan";
    const BATCHING: Batching = Batching::Along(0);
    const DEPENDS: Depends = Depends::UpTo(|list| list[1] != 0);
    const COST: u64 = 1_500;
    const GIVES: Gives = Gives::Elements(Self::vjp);

    fn run(task: &Task<'_>) -> Result<(), Outside> {
        let list = task.list();
        let around = Around::new(task.out_dims(), list[0] as usize);
        let backwards = list[1] != 0;
        let unit = around.len * around.inner;
        if task.dtype(0) == DType::I64 {
            let b = task.operand::<i64>(0);
            task.each_part::<i64>(unit, |out, first| {
                let step = |s: i64, i: usize, _: usize| s.wrapping_add(b[first + i]);
                let join = |s: i64, part: i64| Some(s.wrapping_add(part));
                Scan { start: 0, step, value: |s| s, join }.along(out, around, backwards);
            });
            return Ok(());
        }
        with_float!(task.dtype(0), T => match (list[2] != 0, list[3] != 0) {
            (true, true) => {
                let (a, b) = (task.operand::<T>(0), task.operand::<T>(1));
                let restarts = list[4] != 0;
                task.each_part::<T>(unit, |out, first| {
                    let step = |s: f64, i: usize, _: usize| {
                        let (a, b) = (a[first + i].to_f64(), b[first + i].to_f64());
                        if restarts && a == 0.0 { b } else { a * s + b }
                    };
                    let scan = Scan { start: 0.0, step, value: T::from_f64, join: no_join };
                    scan.along(out, around, backwards);
                });
            }
            (true, false) => {
                let a = task.operand::<T>(0);
                task.each_part::<T>(unit, |out, first| {
                    let step = |s: f64, i: usize, _: usize| a[first + i].to_f64() * s;
                    let scan = Scan { start: 1.0, step, value: T::from_f64, join: no_join };
                    scan.along(out, around, backwards);
                });
            }
            // Sums of f32 have digits enough in f64; those of f64 carry along what is lost.
            _ if T::DTYPE == DType::F32 => {
                let b = task.operand::<T>(0);
                task.each_part::<T>(unit, |out, first| {
                    let step = |s: f64, i: usize, _: usize| s + b[first + i].to_f64();
                    let join = |s: f64, part: f64| Some(s + part);
                    Scan { start: 0.0, step, value: T::from_f64, join }.along(out, around, backwards);
                });
            }
            _ => {
                let b = task.operand::<T>(0);
                task.each_part::<T>(unit, |out, first| {
                    let step = |s: Running, i: usize, _: usize| s.and(b[first + i].to_f64());
                    let value = |s: Running| T::from_f64(s.value());
                    let scan = Scan { start: Running::default(), step, value, join: Running::join };
                    scan.along(out, around, backwards);
                });
            }
        });
        Ok(())
    }
}

impl Recurrence {
    /// With r_k = g_k + a_(k+1) r_(k+1), which goes the other way: r_k for b, and r_k s_(k-1) for a.
    fn vjp(core: &mut Core, id: NodeId, g: NodeId, sink: &mut Sink) -> Maybe<()> {
        let node = *core.node(id);
        let list = core.list(node.list);
        let (axis, backwards) = (list[0] as usize, list[1] != 0);
        let (has_a, has_b) = (list[2] != 0, list[3] != 0);
        let course = Course { axis, backwards, restarts: list[4] != 0 };
        let (a, b) = (node.inputs[0], node.inputs[usize::from(has_a)]);
        if !has_a {
            let r = core.recurrence(None, Some(g), course.reversed())?;
            return sink.send(core, b, r);
        }
        // In f64: of products of f32, r may be beyond the range where r s is not.
        let [a64, g64] = [core.cast(a, DType::F64)?, core.cast(g, DType::F64)?];
        let next = core.shifted(a64, axis, !backwards, 0.0)?;
        let r = core.recurrence(Some(next), Some(g64), course.reversed())?;
        if has_b && sink.wants(core, b) {
            let cotangent = core.cast(r, node.dtype)?;
            sink.send(core, b, cotangent)?;
        }
        if sink.wants(core, a) {
            let s = core.cast(id, DType::F64)?;
            let before = core.shifted(s, axis, backwards, if has_b { 0.0 } else { 1.0 })?;
            let cotangent = core.map2(Elem::Mul, r, before)?;
            let cotangent = core.cast(cotangent, node.dtype)?;
            sink.send(core, a, cotangent)?;
        }
        Ok(())
    }
}

/// log sum e^x of all elements up to each one. List: axis.
pub(crate) struct LogCumSumExp;

impl Rule for LogCumSumExp {
    const NAME: &str = "logcumsumexp";
    const BATCHING: Batching = Batching::Along(0);
    const DEPENDS: Depends = Depends::UpTo(|_| false);
    const COST: u64 = 15_000;
    const GIVES: Gives = Gives::Elements(Self::vjp);

    fn run(task: &Task<'_>) -> Result<(), Outside> {
        let around = Around::new(task.out_dims(), task.list()[0] as usize);
        with_float!(task.dtype(0), T => {
            let x = task.operand::<T>(0);
            task.each_part::<T>(around.len * around.inner, |out, first| {
                let step = |s, i: usize, _: usize| log_sum(s, x[first + i].to_f64());
                let start = f64::NEG_INFINITY;
                let scan = Scan { start, step, value: T::from_f64, join: no_join };
                scan.along(out, around, false);
            });
        });
        Ok(())
    }
}

/// log(e^a + e^b). A function of its own: a scan has many loops.
#[inline(never)]
fn log_sum(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    // Equal infinities, of which one is the sum.
    if low == high && low.is_infinite() {
        return low;
    }
    high + libm::log1p(libm::exp(low - high))
}

impl LogCumSumExp {
    /// The cotangent of x_k is e^(x_k - y_k) S_k, with S_k = g_k + e^(y_k - y_(k+1)) S_(k+1): a
    /// recurrence whose factors are at most 1, so that nothing leaves the range.
    fn vjp(core: &mut Core, id: NodeId, g: NodeId, sink: &mut Sink) -> Maybe<()> {
        let node = *core.node(id);
        let (x, axis) = (node.inputs[0], core.list(node.list)[0] as usize);
        if !sink.wants(core, x) {
            return Ok(());
        }
        let next = core.shifted(id, axis, true, f64::INFINITY)?;
        let decay = core.falling_exp(id, next)?;
        let sums = core.recurrence(Some(decay), Some(g), Course::along(axis, true))?;
        let share = core.falling_exp(x, id)?;
        let cotangent = core.map2(Elem::Mul, sums, share)?;
        sink.send(core, x, cotangent)
    }
}

/// The place of the largest element up to each one: of several, the last; a NaN stays. List: axis.
pub(crate) struct CumMax;

impl Rule for CumMax {
    const NAME: &str = "cummax";
    const BATCHING: Batching = Batching::Along(0);
    const DEPENDS: Depends = Depends::UpTo(|_| false);
    const GIVES: Gives = Gives::Integers(DType::I64);

    fn run(task: &Task<'_>) -> Result<(), Outside> {
        running_place::<true>(task);
        Ok(())
    }
}

/// The place of the smallest element up to each one; otherwise as [`CumMax`].
pub(crate) struct CumMin;

impl Rule for CumMin {
    const NAME: &str = "cummin";
    const BATCHING: Batching = Batching::Along(0);
    const DEPENDS: Depends = Depends::UpTo(|_| false);
    const GIVES: Gives = Gives::Integers(DType::I64);

    fn run(task: &Task<'_>) -> Result<(), Outside> {
        running_place::<false>(task);
        Ok(())
    }
}

fn running_place<const MAX: bool>(task: &Task<'_>) {
    /// The element that counts from here on, of one and of a later one. (A NaN counts, and stays.)
    #[inline(always)]
    fn later<T: Element + PartialOrd, const MAX: bool>(best: (T, i64), next: (T, i64)) -> (T, i64) {
        let (x, y) = (best.0, next.0);
        let is_better = if MAX { y >= x } else { y <= x };
        let is_nan = y.partial_cmp(&y).is_none();
        if is_better | is_nan { next } else { best }
    }
    let around = Around::new(task.out_dims(), task.list()[0] as usize);
    with_float!(task.dtype(0), T => {
        let x = task.operand::<T>(0);
        task.each_part::<i64>(around.len * around.inner, |out, first| {
            let least = if MAX { f64::NEG_INFINITY } else { f64::INFINITY };
            let step = |best: (T, i64), i: usize, k: usize| {
                later::<T, MAX>(best, (x[first + i], k as i64))
            };
            let join = |best, part| Some(later::<T, MAX>(best, part));
            let scan = Scan { start: (T::from_f64(least), 0), step, value: |(_, place)| place, join };
            scan.along(out, around, false);
        });
    });
}

impl Core {
    /// A linear recurrence along an axis: see [`Recurrence`].
    pub(super) fn recurrence(
        &mut self,
        a: Option<NodeId>,
        b: Option<NodeId>,
        course: Course,
    ) -> Maybe<NodeId> {
        let flags = [course.backwards, a.is_some(), b.is_some(), course.restarts];
        let [backwards, has_a, has_b, restarts] = flags.map(usize::from);
        let list = [course.axis, backwards, has_a, has_b, restarts];
        let first = a.or(b).unwrap_or(NodeId::NONE);
        let operands = [first, b.unwrap_or(first)];
        let count = has_a + has_b;
        let mut node = self.structural(Structural::Recurrence, &operands[..count], &list)?;
        (node.shape, node.len) = (self.node(first).shape, self.node(first).len);
        self.push(node)
    }

    /// x one position further back along an axis (or, with `ahead`, further ahead: element k is x_(k+1)),
    /// with a constant where nothing comes from.
    pub(super) fn shifted(
        &mut self,
        x: NodeId,
        axis: usize,
        ahead: bool,
        rest: f64,
    ) -> Maybe<NodeId> {
        let len = self.shape(x)[axis];
        if len == 0 {
            return Ok(x);
        }
        let moved = self.slice_by(x, axis, usize::from(ahead), len - 1, 1)?;
        let one = self.slice_by(x, axis, 0, 1, 1)?;
        let one = self.fill_like(one, rest)?;
        let xs = if ahead { [moved, one] } else { [one, moved] };
        self.concat(&xs, axis as isize)
    }

    /// e^(a - b) for a up to b, and 0 where both are -infinity.
    fn falling_exp(&mut self, a: NodeId, b: NodeId) -> Maybe<NodeId> {
        self.expression("logcumsumexp", [a, b], |[a, b]| {
            let lowest = Real::lit(f64::NEG_INFINITY);
            let is_lowest = a.eq(lowest);
            let harmless = Real::select(is_lowest, Real::lit(0.0), a - b);
            Real::select(is_lowest, Real::lit(0.0), harmless.exp())
        })
    }

    /// The axis of a scan, and the tensor with at least one.
    fn scanned(&mut self, what: &str, x: NodeId, axis: isize) -> Maybe<(NodeId, usize)> {
        let rank = self.shape(x).len();
        let axis = self.axis(what, axis, rank)?;
        let x = if rank == 0 { self.reshape_to(what, x, &[1])? } else { x };
        Ok((x, axis))
    }

    /// A result in the shape of what was given.
    fn as_given(&mut self, what: &str, y: NodeId, given: NodeId) -> Maybe<NodeId> {
        let dims = self.shape(given);
        self.reshape_to(what, y, &dims)
    }

    /// The sums of all elements up to each one along an axis. Sums of f32 are made in f64, those of f64
    /// carry along what they lose, and those of integers are i64. Gradient: the sums from each one on.
    ///
    /// - PyTorch: `torch.cumsum(x, axis)`
    /// - Types: any
    /// - Cases: `x=U(7), axis=0`; `x=U(2,3,4), axis=1`; `x=U(2,3,4), axis=0`; `x=U(5,3), axis=-1`;
    ///   `x=U(), axis=0`; `x=U(2,0,3), axis=2`; `x=U(70,70), axis=0`; `x=S(1,inf,2,-inf,3), axis=0`;
    ///   `x=S(1,nan,2), axis=0`; `x=I([1,2],[3,4]), axis=0`; `x=M(1,1,0,1), axis=0`
    pub(crate) fn cumsum(&mut self, x: NodeId, axis: isize) -> Maybe<NodeId> {
        let what = "cumsum";
        let wide = if self.node(x).dtype.is_float() { x } else { self.cast(x, DType::I64)? };
        let (line, axis) = self.scanned(what, wide, axis)?;
        let y = self.recurrence(None, Some(line), Course::along(axis, false))?;
        self.as_given(what, y, x)
    }

    /// The products of all elements up to each one along an axis. The gradient is right where elements
    /// are 0, to any order.
    ///
    /// - PyTorch: `torch.cumprod(x, axis)`
    /// - Cases: `x=U(7), axis=0`; `x=U(2,3,4), axis=1`; `x=U(5,3), axis=-1`; `x=U(), axis=0`;
    ///   `x=U(0,2), axis=0`; `x=S(2,0,3,4), axis=0`; `x=S(0,2,0,3), axis=0`; `x=S(1,nan,2), axis=0`
    pub(crate) fn cumprod(&mut self, x: NodeId, axis: isize) -> Maybe<NodeId> {
        let what = "cumprod";
        self.need_float(what, x)?;
        let (line, axis) = self.scanned(what, x, axis)?;
        let y = self.recurrence(Some(line), None, Course::along(axis, false))?;
        self.as_given(what, y, x)
    }

    /// log sum e^x of all elements up to each one along an axis, without overflow.
    ///
    /// - PyTorch: `torch.logcumsumexp(x, axis)`
    /// - Cases: `x=U(7), axis=0`; `x=U(2,3,4), axis=1`; `x=U(5,3), axis=-1`; `x=U(), axis=0`;
    ///   `x=S(40,41,-40), axis=0`; `x=S(-inf,0,-inf,1), axis=0`
    pub(crate) fn logcumsumexp(&mut self, x: NodeId, axis: isize) -> Maybe<NodeId> {
        let what = "logcumsumexp";
        self.need_float(what, x)?;
        let (line, axis) = self.scanned(what, x, axis)?;
        let mut node = self.structural(Structural::LogCumSumExp, &[line], &[axis])?;
        (node.shape, node.len) = (self.node(line).shape, self.node(line).len);
        let y = self.push(node)?;
        self.as_given(what, y, x)
    }

    /// The largest of all elements up to each one along an axis, and its index (i64): of several, the
    /// last; a NaN is largest. Gradient: to the elements at the indices.
    ///
    /// - PyTorch: `torch.cummax(x, axis)`
    /// - Results: values, indices
    /// - Cases: `x=D(7), axis=0`; `x=D(2,3,4), axis=1`; `x=D(5,3), axis=-1`; `x=U(), axis=0`;
    ///   `x=S(1,3,3,2,nan,5,nan,1), axis=0`; `x=S(-inf,-inf,0), axis=0`
    pub(crate) fn cummax(&mut self, x: NodeId, axis: isize) -> Maybe<[NodeId; 2]> {
        self.running("cummax", Structural::CumMax, x, axis)
    }

    /// The smallest of all elements up to each one along an axis, and its index; otherwise as `cummax`.
    ///
    /// - PyTorch: `torch.cummin(x, axis)`
    /// - Results: values, indices
    /// - Cases: `x=D(7), axis=0`; `x=D(2,3,4), axis=1`; `x=D(5,3), axis=-1`; `x=U(), axis=0`;
    ///   `x=S(1,3,1,2,nan,5,nan,1), axis=0`
    pub(crate) fn cummin(&mut self, x: NodeId, axis: isize) -> Maybe<[NodeId; 2]> {
        self.running("cummin", Structural::CumMin, x, axis)
    }

    fn running(
        &mut self,
        what: &str,
        kind: Structural,
        x: NodeId,
        axis: isize,
    ) -> Maybe<[NodeId; 2]> {
        self.need_float(what, x)?;
        let (line, axis) = self.scanned(what, x, axis)?;
        let mut node = self.structural(kind, &[line], &[axis])?;
        (node.shape, node.len) = (self.node(line).shape, self.node(line).len);
        let indices = self.push(node)?;
        let values = self.gather(line, axis as isize, indices)?;
        Ok([self.as_given(what, values, x)?, self.as_given(what, indices, x)?])
    }

    /// The differences of neighbours along an axis, `n` times over: x_(k+1) - x_k. Each time the axis
    /// gets shorter by 1.
    ///
    /// - PyTorch: `torch.diff(x, n, axis)`
    /// - Cases: `x=U(7), n=1, axis=0`; `x=U(2,5,4), n=2, axis=1`; `x=U(3), n=0, axis=0`;
    ///   `x=U(3,2), n=1, axis=-1`
    pub(crate) fn diff(&mut self, x: NodeId, n: usize, axis: isize) -> Maybe<NodeId> {
        let what = "diff";
        self.need_float(what, x)?;
        let dims = self.shape(x);
        if dims.is_empty() || n > dims[self.axis(what, axis, dims.len())?] {
            return Err(self.fail(
                ErrorKind::Shape,
                format_args!("{what}: {dims:?} has no {n} differences along axis {axis}"),
            ));
        }
        let axis = self.axis(what, axis, dims.len())?;
        let mut y = x;
        for k in 0..n {
            let left = dims[axis] - k - 1;
            let (low, high) =
                (self.slice_by(y, axis, 0, left, 1)?, self.slice_by(y, axis, 1, left, 1)?);
            y = self.map2(Elem::Sub, high, low)?;
        }
        Ok(y)
    }

    /// The integral along an axis by the trapezoidal rule, of values at equal distances `dx`. The axis is
    /// gone from the result.
    ///
    /// - PyTorch: `torch.trapezoid(y, dx=dx, dim=axis)`
    /// - Cases: `y=U(7), dx=1., axis=0`; `y=U(2,5,4), dx=.3, axis=1`; `y=U(3,1), dx=2., axis=-1`
    pub(crate) fn trapezoid(&mut self, y: NodeId, dx: f64, axis: isize) -> Maybe<NodeId> {
        let what = "trapezoid";
        let pairs = self.sums_of_neighbours(what, y, axis)?;
        let total = self.sum(pairs, &[axis], false)?;
        self.map2(Elem::Mul, total, Operand::Constant(dx / 2.0))
    }

    /// The integral along an axis by the trapezoidal rule, of values `y` at the places `x`, which has the
    /// shape of `y` or is a vector along the axis. The axis is gone from the result.
    ///
    /// - PyTorch: `torch.trapezoid(y, x, dim=axis)`
    /// - Cases: `y=U(7), x=D(7), axis=0`; `y=U(2,5,4), x=U(5), axis=1`; `y=U(3,4), x=U(3,4), axis=-1`
    pub(crate) fn trapezoid_at(&mut self, y: NodeId, x: NodeId, axis: isize) -> Maybe<NodeId> {
        let what = "trapezoid_at";
        self.need_same_float(what, y, x)?;
        let (dims, places) = (self.shape(y), self.shape(x));
        let pairs = self.sums_of_neighbours(what, y, axis)?;
        let at = self.axis(what, axis, dims.len())?;
        let mut widths = x;
        if places.len() == 1 && dims.len() > 1 {
            let mut along = crate::shape::Dims::SCALAR;
            (0..dims.len()).for_each(|axis| along.push(if axis == at { places[0] } else { 1 }));
            widths = self.reshape_to(what, x, &along)?;
        }
        let widths = self.diff(widths, 1, axis)?;
        let areas = self.map2(Elem::Mul, pairs, widths)?;
        let total = self.sum(areas, &[axis], false)?;
        self.map2(Elem::Mul, total, Operand::Constant(0.5))
    }

    fn sums_of_neighbours(&mut self, what: &str, y: NodeId, axis: isize) -> Maybe<NodeId> {
        self.need_float(what, y)?;
        let dims = self.shape(y);
        let at = self.axis(what, axis, dims.len())?;
        let Some(count) = dims.get(at).and_then(|len| len.checked_sub(1)) else {
            return Err(self.fail(
                ErrorKind::Shape,
                format_args!("{what}: needs values along axis {axis}, and {dims:?} has none"),
            ));
        };
        let (low, high) = (self.slice_by(y, at, 0, count, 1)?, self.slice_by(y, at, 1, count, 1)?);
        self.map2(Elem::Add, low, high)
    }
}
