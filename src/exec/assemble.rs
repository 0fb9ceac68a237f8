//! The step that adds many parts into one tensor: see `op::assemble`.

use super::memory::{uninit, zero};
use super::step::Run;
use crate::dtype::with_float;
use crate::kernel::Float;
use crate::op::assemble::{Kind, ListedPlace, Places};
use crate::op::often::Often;
use crate::plan::{Single, View};
use crate::shape::MAX_RANK;
use crate::task::Outside;

/// A part: where it belongs, its elements, and the indices at which they belong there.
struct Part<'v> {
    place: ListedPlace<'v>,
    from: &'v View,
    index: Option<&'v View>,
}

/// Elements at equal distances, in the whole and among the data of a part.
#[derive(Clone, Copy)]
struct Line {
    to: usize,
    from: usize,
    count: usize,
    to_step: usize,
    from_step: usize,
}

impl Line {
    /// Where element `i` belongs in the whole.
    #[inline(always)]
    fn place(&self, i: usize) -> usize {
        ahead(self.to, i, self.to_step)
    }

    /// Where it lies among the data of the part.
    #[inline(always)]
    fn source(&self, i: usize) -> usize {
        ahead(self.from, i, self.from_step)
    }
}

/// So many steps from a place. (A step backwards is a number that wraps around.)
#[inline(always)]
fn ahead(place: usize, count: usize, step: usize) -> usize {
    place.wrapping_add(count.wrapping_mul(step))
}

/// The axes along which a part is walked over.
struct Axes {
    rank: usize,
    /// Of each: its length, and how far apart elements are in the whole and in the part's data.
    of: [[usize; 3]; MAX_RANK],
}

/// A line shorter than this is not walked along if another axis is longer.
const SHORT: usize = 8;

impl Axes {
    /// In any order, for a part no two elements of which have the same place in the whole, at one index.
    fn new(axes: impl Iterator<Item = [usize; 3]>) -> Self {
        let mut out = Self { rank: 0, of: [[0; 3]; MAX_RANK] };
        for [len, to, from] in axes.filter(|&[len, ..]| len != 1) {
            match out.of[..out.rank].last_mut() {
                Some(last)
                    if last[1] == to.wrapping_mul(len) && last[2] == from.wrapping_mul(len) =>
                {
                    *last = [last[0] * len, to, from];
                }
                _ => {
                    out.of[out.rank] = [len, to, from];
                    out.rank += 1;
                }
            }
        }
        let axes = &mut out.of[..out.rank];
        let longest = (0..axes.len()).max_by_key(|&axis| axes[axis][0]);
        if let (Some(longest), Some(last)) = (longest, axes.len().checked_sub(1))
            && axes[last][0] < SHORT
        {
            axes.swap(longest, last);
        }
        out
    }

    /// One after the other, as they are.
    fn in_order(axes: impl Iterator<Item = [usize; 3]>) -> Self {
        let mut out = Self { rank: 0, of: [[0; 3]; MAX_RANK] };
        for axis in axes {
            out.of[out.rank] = axis;
            out.rank += 1;
        }
        out
    }

    /// Tells each line, from these places on.
    fn lines(&self, to: usize, from: usize, tell: &mut dyn FnMut(Line)) {
        let Some((&[count, to_step, from_step], outer)) = self.of[..self.rank].split_last() else {
            return tell(Line { to, from, count: 1, to_step: 1, from_step: 1 });
        };
        let lines = outer.iter().map(|&[len, ..]| len).product::<usize>();
        let (mut at, mut line) = ([0; MAX_RANK], Line { to, from, count, to_step, from_step });
        for _ in 0..if count == 0 { 0 } else { lines } {
            tell(line);
            for (axis, &[len, to, from]) in outer.iter().enumerate().rev() {
                at[axis] += 1;
                (line.to, line.from) = (line.to.wrapping_add(to), line.from.wrapping_add(from));
                if at[axis] < len {
                    break;
                }
                at[axis] = 0;
                let [to, from] = [to, from].map(|step| step.wrapping_mul(len));
                (line.to, line.from) = (line.to.wrapping_sub(to), line.from.wrapping_sub(from));
            }
        }
    }
}

impl Part<'_> {
    /// Tells each line of the part, in an order that follows from its shape alone.
    fn lines(&self, run: &Run<'_>, tell: &mut dyn FnMut(Line)) -> Result<(), Outside> {
        let (place, from) = (&self.place, &self.from.layout);
        let (to, strides) = (place.offset, from.strides());
        if place.kind == Kind::Block && from.len() == 1 {
            tell(Line { to, from: from.offset, count: 1, to_step: 1, from_step: 1 });
            return Ok(());
        }
        // (Whatever goes backwards wraps around.)
        let steps =
            place.strides.iter().zip(strides).map(|(&to, &from)| [to as usize, from as usize]);
        let axes = from.dims().iter().zip(steps).map(|(&len, [to, from])| [len, to, from]);
        let axis_of = |axis: usize| {
            let len = place.lens.get(axis).map_or(1, |&len| len as usize);
            let step = place.strides.get(axis).map_or(0, |&stride| stride as usize);
            (len, step, strides.get(axis).map_or(0, |&stride| stride as usize))
        };
        let index = self.index.map_or(&[][..], |index| run.dense::<i64>(index));
        match self.place.kind {
            Kind::Block if place.meetings() == 1 => {
                Axes::new(axes).lines(to, from.offset, tell);
            }
            Kind::Block => Axes::in_order(axes).lines(to, from.offset, tell),
            Kind::Select(along) => {
                let (len, to_step, from_step) = axis_of(along.axis);
                let bounds = along.bounds(len);
                let others = axes.enumerate().filter(|&(other, _)| other != along.axis);
                let others = Axes::new(others.map(|(_, axis)| axis));
                for (k, &i) in index.iter().enumerate() {
                    let at = bounds.place(k, i)?;
                    others.lines(ahead(to, at, to_step), ahead(from.offset, k, from_step), tell);
                }
            }
            Kind::Gather(along) => {
                let (len, to_step, _) = axis_of(along.axis);
                let bounds = along.bounds(len);
                // One after the other, as the indices are.
                let all = Axes::in_order(axes.enumerate().map(|(other, [len, to, from])| {
                    [len, if other == along.axis { 0 } else { to }, from]
                }));
                let (mut k, mut outside) = (0, None);
                all.lines(to, from.offset, &mut |line| {
                    for i in 0..line.count {
                        match bounds.place(k, index[k]) {
                            Ok(at) => tell(Line {
                                to: ahead(line.place(i), at, to_step),
                                from: line.source(i),
                                count: 1,
                                ..line
                            }),
                            Err(found) => outside = Some(outside.take().unwrap_or(found)),
                        }
                        k += 1;
                    }
                });
                return outside.map_or(Ok(()), Err);
            }
        }
        Ok(())
    }
}

/// Adds the elements of a line.
#[inline]
fn add<T: Float>(out: &mut [T], from: &[T], line: Line) {
    let Line { to, from: at, count, .. } = line;
    if (line.to_step, line.from_step) == (1, 1) {
        let (out, from) = (&mut out[to..to + count], &from[at..at + count]);
        out.iter_mut().zip(from).for_each(|(out, &x)| *out = out.plus(x));
    } else {
        for i in 0..count {
            let place = line.place(i);
            out[place] = out[place].plus(from[line.source(i)]);
        }
    }
}

impl Run<'_> {
    pub(super) fn assemble(&self, single: &Single) -> Result<(), Outside> {
        with_float!(single.dtype, T => self.assemble_as::<T>(single))
    }

    fn assemble_as<T: Float>(&self, single: &Single) -> Result<(), Outside> {
        let list = single.list.of(&self.plan.words);
        let views = single.operands.of(&self.plan.views);
        let parts = || {
            let mut views = views.iter();
            Places::new(list).map_while(move |place| {
                let from = views.next()?;
                let index = if place.kind.has_index() { views.next() } else { None };
                Some(Part { place, from, index })
            })
        };
        let len = single.dims.iter().product::<usize>();
        let mut often = self.often(single, len);
        if often.is_possible() {
            for part in parts() {
                part.lines(self, &mut |line| {
                    (0..line.count).for_each(|i| often.count(line.place(i)));
                })?;
            }
            often.begin();
        }
        // Mostly what was added before comes first, and takes the place of the zeros.
        let begin = parts().next().filter(|first| {
            first.place.kind == Kind::Block && first.from.layout.len() == len && {
                let layout = first.place.layout();
                layout.is_dense() && !often.is_possible()
            }
        });
        let base = self.base(single.out);
        if begin.is_none() {
            zero(single.dtype, len, base);
        }
        // SAFETY: the step's own result, of `len` elements of T, nobody else's.
        let out = unsafe { uninit::<T>(base, len) };
        if let Some(first) = &begin {
            let from = self.all::<T>(first.from);
            first.lines(self, &mut |line| {
                (0..line.count).for_each(|i| {
                    out[line.place(i)].write(from[line.source(i)]);
                });
            })?;
        }
        // SAFETY: zeros, or the first part, which is as long as the whole and dense in it, were written
        // to all of it.
        let out = unsafe { std::slice::from_raw_parts_mut(base.cast::<T>(), len) };
        for part in parts().skip(usize::from(begin.is_some())) {
            let from = self.all::<T>(part.from);
            if often.is_possible() {
                part.lines(self, &mut |line| {
                    for i in 0..line.count {
                        let (place, x) = (line.place(i), from[line.source(i)]);
                        match often.totals(place) {
                            Some(totals) => totals[0].add(x.to_f64()),
                            None => out[place] = out[place].plus(x),
                        }
                    }
                })?;
            } else {
                part.lines(self, &mut |line| add(out, from, line))?;
            }
        }
        often.end(|place, total| out[place] = T::from_f64(total));
        Ok(())
    }

    /// Sums at so many places, in the memory that the plan has for them.
    fn often(&self, single: &Single, places: usize) -> Often<'_> {
        let Some(datum) = self.plan.data.get(single.work as usize) else {
            return Often::new(&mut [], places, 1);
        };
        let base: *mut u64 = self.base(single.work).cast();
        // SAFETY: the step's own memory, of `len` words, which nobody else has while it runs.
        let work = unsafe {
            base.write_bytes(0, datum.len);
            std::slice::from_raw_parts_mut(base, datum.len)
        };
        Often::new(work, places, 1)
    }

    /// All elements of the datum that an operand lies in.
    fn all<T: Float>(&self, view: &View) -> &[T] {
        let datum = &self.plan.data[view.datum as usize];
        assert!(datum.dtype == T::DTYPE);
        // SAFETY: the datum has `len` elements of T, which are complete, and which nobody writes while
        // the step runs.
        unsafe { std::slice::from_raw_parts(self.base(view.datum).cast(), datum.len) }
    }
}
