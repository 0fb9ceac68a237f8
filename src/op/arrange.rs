//! What moves elements: to other places, to several, or into larger tensors.
//!
//! Compositions of views and concatenations, which whoever reads them reads in place.

use crate::arena::TryPush;
use crate::dtype::DType;
use crate::error::{ErrorKind, Maybe};
use crate::graph::{Core, NewNode};
use crate::id::NodeId;
use crate::node::Op;
use crate::roll_call::Elem;
use crate::shape::{Dims, MAX_RANK};

/// The step of a slice that goes backwards.
pub(crate) const BACKWARDS: usize = usize::MAX;

/// How many places are added along an axis, before and behind what is there; negative ones are cut off.
type Widths = [[isize; 2]; MAX_RANK];

impl Core {
    /// The elements along these axes in reverse order. A view.
    ///
    /// - PyTorch: `torch.flip(x, axes)`
    /// - Types: any
    /// - Cases: `x=U(4), axes=[0]`; `x=U(2,3), axes=[-1]`; `x=U(2,3), axes=[0, 1]`;
    ///   `x=U(2,3,4), axes=[0, -1]`; `x=U(2,3), axes=[]`; `x=U(), axes=[0]`; `x=U(0,3), axes=[0, 1]`;
    ///   `x=U(1,3), axes=[0]`
    pub(crate) fn flip(&mut self, x: NodeId, axes: &[isize]) -> Maybe<NodeId> {
        let what = "flip";
        let dims = self.shape(x);
        let (mut y, mut seen) = (x, [false; MAX_RANK]);
        for &given in axes {
            let axis = self.axis(what, given, dims.len())?;
            if std::mem::replace(&mut seen[axis], true) {
                return Err(self.fail(
                    ErrorKind::Argument,
                    format_args!("{what}: axis {given} appears twice"),
                ));
            }
            y = self.flip_axis(y, axis)?;
        }
        Ok(y)
    }

    pub(crate) fn flip_axis(&mut self, x: NodeId, axis: usize) -> Maybe<NodeId> {
        match self.shape(x).get(axis) {
            Some(&len) if len > 1 => self.slice_by(x, axis, len - 1, len, BACKWARDS),
            _ => Ok(x),
        }
    }

    /// The elements moved on by these shifts along these axes, one after the other; those that leave at
    /// one end come in at the other. Without axes: by one shift, in the order of all elements.
    ///
    /// - PyTorch: `torch.roll(x, shifts, axes)`
    /// - Types: any
    /// - Cases: `x=U(5), shifts=[2], axes=[0]`; `x=U(5), shifts=[-7], axes=[0]`; `x=U(5), shifts=[5], axes=[0]`;
    ///   `x=U(3,4), shifts=[1, -1], axes=[0, 1]`; `x=U(3,4), shifts=[1, 1], axes=[0, 0]`;
    ///   `x=U(3,4), shifts=[5], axes=[]`; `x=U(), shifts=[1], axes=[]`; `x=U(0,2), shifts=[1], axes=[0]`;
    ///   `x=U(2,3,4), shifts=[1], axes=[1]`
    pub(crate) fn roll(&mut self, x: NodeId, shifts: &[isize], axes: &[isize]) -> Maybe<NodeId> {
        let what = "roll";
        let dims = self.shape(x);
        if shifts.len() != axes.len().max(1) {
            return Err(self.fail(
                ErrorKind::Argument,
                format_args!("{what}: {} shifts for {} axes", shifts.len(), axes.len()),
            ));
        }
        if axes.is_empty() {
            let len = self.node(x).len;
            let flat = self.reshape_to(what, x, &[len])?;
            let rolled = self.roll_axis(flat, shifts[0], 0)?;
            return self.reshape_to(what, rolled, &dims);
        }
        let mut y = x;
        for (&shift, &axis) in shifts.iter().zip(axes) {
            let axis = self.own_axis(what, x, axis)?;
            y = self.roll_axis(y, shift, axis)?;
        }
        Ok(y)
    }

    fn roll_axis(&mut self, x: NodeId, shift: isize, axis: usize) -> Maybe<NodeId> {
        let len = self.shape(x)[axis];
        let shift = shift.checked_rem_euclid(len as isize).unwrap_or(0) as usize;
        if shift == 0 {
            return Ok(x);
        }
        let end = self.slice_by(x, axis, len - shift, shift, 1)?;
        let begin = self.slice_by(x, axis, 0, len - shift, 1)?;
        self.concat(&[end, begin], axis as isize)
    }

    /// Turned by `k` times 90 degrees in the plane of two axes, from the first towards the second.
    /// A view.
    ///
    /// - PyTorch: `torch.rot90(x, k, (axis0, axis1))`
    /// - Types: any
    /// - Cases: `x=U(2,3), k=1, axis0=0, axis1=1`; `x=U(2,3), k=2, axis0=0, axis1=1`;
    ///   `x=U(2,3), k=-1, axis0=0, axis1=1`; `x=U(2,3), k=4, axis0=0, axis1=1`;
    ///   `x=U(2,3,4), k=5, axis0=-1, axis1=0`
    pub(crate) fn rot90(
        &mut self,
        x: NodeId,
        k: isize,
        axis0: isize,
        axis1: isize,
    ) -> Maybe<NodeId> {
        let what = "rot90";
        let (first, second) = self.two_axes(what, x, axis0, axis1)?;
        let y = match k.rem_euclid(4) {
            0 => return Ok(x),
            1 => self.flip_axis(x, second)?,
            2 => {
                let y = self.flip_axis(x, first)?;
                return self.flip_axis(y, second);
            }
            _ => self.flip_axis(x, first)?,
        };
        self.transpose(y, axis0, axis1)
    }

    /// Two axes that are not the same.
    pub(crate) fn two_axes(
        &mut self,
        what: &str,
        x: NodeId,
        axis0: isize,
        axis1: isize,
    ) -> Maybe<(usize, usize)> {
        let dims = self.shape(x);
        if dims.len() < 2 {
            return Err(self.fail(
                ErrorKind::Shape,
                format_args!("{what}: needs a tensor of rank 2 or more, not {dims:?}"),
            ));
        }
        let axes = (self.axis(what, axis0, dims.len())?, self.axis(what, axis1, dims.len())?);
        if axes.0 == axes.1 {
            return Err(self.fail(
                ErrorKind::Argument,
                format_args!("{what}: needs two axes, and {axis0} and {axis1} are the same"),
            ));
        }
        Ok(axes)
    }

    // ---- padding ----

    /// One value added around a tensor. `widths` says how many places: a pair an axis, before and behind,
    /// from the last axis on. Negative ones are cut off. Gradient: that of the elements that are left.
    ///
    /// - PyTorch: `F.pad(x, widths, value=value)`
    /// - Types: any
    /// - Cases: `x=U(3), widths=[1, 2], value=0.`; `x=U(3), widths=[1, 2], value=1.5`;
    ///   `x=U(2,3), widths=[0, 1, 2, 0], value=0.`; `x=U(2,3), widths=[1, 0, 0, 3], value=-inf`;
    ///   `x=U(4), widths=[-1, 2], value=0.`; `x=U(4), widths=[-1, -2], value=3.`;
    ///   `x=U(2,3,4), widths=[1, -1, -1, 2], value=7.`; `x=U(2,3,4), widths=[1, 1, 0, 0, 1, 1], value=0.`;
    ///   `x=U(2,3), widths=[], value=1.`; `x=U(3,0), widths=[1, 1], value=2.`; `x=U(3,0), widths=[1, 1], value=0.`;
    ///   `x=U(2), widths=[-1, -1], value=0.`; `x=I(1, 2), widths=[1, 1], value=5`;
    ///   `x=I(1, 2), widths=[1, 1], value=0`
    pub(crate) fn pad(&mut self, x: NodeId, widths: &[isize], value: f64) -> Maybe<NodeId> {
        let what = "pad";
        let dtype = self.node(x).dtype;
        self.need_number(what, dtype, value)?;
        let widths = self.widths(what, x, widths)?;
        let (x, widths) = self.crop(what, x, &widths)?;
        self.pad_axes(x, &widths, |core, y, axis, before, behind| {
            let mut dims = core.shape(y);
            let len = dims[axis];
            if value.to_bits() == 0 {
                dims[axis] = before + len + behind;
                return core.embed(y, axis, before, 1, &dims);
            }
            let mut around = [y; 2];
            for (part, count) in around.iter_mut().zip([before, behind]) {
                dims[axis] = count;
                *part = core.constant(what, dtype, &dims, value)?;
            }
            core.join_around(around[0], y, around[1], axis, [before, behind])
        })
    }

    /// Continued at its borders as in a mirror, which does not repeat the border itself; otherwise as
    /// `pad`. No wider than an axis is long, less one.
    ///
    /// - PyTorch: `F.pad(x, widths, mode="reflect")`
    /// - Types: any
    /// - Cases: `x=U(2,4), widths=[1, 2]`; `x=U(2,4), widths=[3, 0]`; `x=U(2,3,4), widths=[1, 2, 2, 1]`;
    ///   `x=U(1,4), widths=[-1, 3]`; `x=U(2,2,3,4), widths=[1, 1, 2, 0, 0, 1]`; `x=U(2,4), widths=[1, -2]`
    pub(crate) fn pad_reflect(&mut self, x: NodeId, widths: &[isize]) -> Maybe<NodeId> {
        let what = "pad_reflect";
        let widths = self.widths(what, x, widths)?;
        let padded = self.pad_axes(x, &widths, |core, y, axis, before, behind| {
            let len = core.shape(y)[axis];
            if before.max(behind) >= len {
                return Err(core.too_wide(what, y, axis, before.max(behind), len.max(1) - 1));
            }
            let left = core.slice_by(y, axis, before, before, BACKWARDS)?;
            // (Where nothing is taken, the place does not matter.)
            let right = core.slice_by(y, axis, len.max(2) - 2, behind, BACKWARDS)?;
            core.join_around(left, y, right, axis, [before, behind])
        })?;
        Ok(self.crop(what, padded, &widths)?.0)
    }

    /// Continued at its borders with what is there; otherwise as `pad`.
    ///
    /// - PyTorch: `F.pad(x, widths, mode="replicate")`
    /// - Types: any
    /// - Cases: `x=U(2,4), widths=[1, 2]`; `x=U(2,1), widths=[3, 0]`; `x=U(2,3,4), widths=[1, 2, 2, 1]`;
    ///   `x=U(1,4), widths=[-2, 3]`; `x=U(2,2,3,4), widths=[1, 1, 2, 0, 0, 1]`
    pub(crate) fn pad_replicate(&mut self, x: NodeId, widths: &[isize]) -> Maybe<NodeId> {
        let what = "pad_replicate";
        let widths = self.widths(what, x, widths)?;
        let padded = self.pad_axes(x, &widths, |core, y, axis, before, behind| {
            let mut dims = core.shape(y);
            let Some(last) = dims[axis].checked_sub(1) else {
                return Err(core.too_wide(what, y, axis, before.max(behind), 0));
            };
            let mut around = [y; 2];
            for (part, (from, count)) in around.iter_mut().zip([(0, before), (last, behind)]) {
                dims[axis] = count;
                let border = core.slice_by(y, axis, from, 1, 1)?;
                *part = core.expand_to(what, border, &dims)?;
            }
            core.join_around(around[0], y, around[1], axis, [before, behind])
        })?;
        Ok(self.crop(what, padded, &widths)?.0)
    }

    /// Continued at one border with what is at the other; otherwise as `pad`. No wider than an axis is
    /// long. What is cut off is cut off first, and what is left goes around, more than once if need be
    /// (where PyTorch gives up).
    ///
    /// - PyTorch: `F.pad(x, widths, mode="circular")`
    /// - Types: any
    /// - Cases: `x=U(2,4), widths=[1, 2]`; `x=U(2,3), widths=[3, 3]`; `x=U(2,3,4), widths=[1, 2, 2, 1]`;
    ///   `x=U(1,4), widths=[-1, 3]`; `x=U(2,2,3,4), widths=[1, 1, 2, 0, 0, 1]`
    pub(crate) fn pad_circular(&mut self, x: NodeId, widths: &[isize]) -> Maybe<NodeId> {
        let what = "pad_circular";
        let widths = self.widths(what, x, widths)?;
        let given = self.shape(x);
        let (x, widths) = self.crop(what, x, &widths)?;
        self.pad_axes(x, &widths, |core, y, axis, before, behind| {
            let period = core.shape(y)[axis];
            let most = if period == 0 { 0 } else { given[axis] };
            if before.max(behind) > most {
                return Err(core.too_wide(what, y, axis, before.max(behind), most));
            }
            // Whole turns, as far as one is not enough; then what lies at the ends is what comes next.
            let mut y = y;
            while core.shape(y)[axis] < before.max(behind) {
                y = core.concat(&[y, y], axis as isize)?;
            }
            let len = core.shape(y)[axis];
            let left = core.slice_by(y, axis, len - before, before, 1)?;
            let middle = core.slice_by(y, axis, 0, period, 1)?;
            let right = core.slice_by(y, axis, 0, behind, 1)?;
            core.join_around(left, middle, right, axis, [before, behind])
        })
    }

    /// The widths of each axis, of which the list begins with those of the last one.
    fn widths(&mut self, what: &str, x: NodeId, given: &[isize]) -> Maybe<Widths> {
        let dims = self.shape(x);
        let (pairs, rest) = given.as_chunks::<2>();
        if !rest.is_empty() || pairs.len() > dims.len() {
            return Err(self.fail(
                ErrorKind::Argument,
                format_args!(
                    "{what}: {} widths for {dims:?}: there are two an axis, from the last one on",
                    given.len()
                ),
            ));
        }
        let mut out = [[0; 2]; MAX_RANK];
        let (mut wide, mut fits) = (dims, true);
        for (axis, &[before, behind]) in (0..dims.len()).rev().zip(pairs) {
            out[axis] = [before, behind];
            let len = (dims[axis] as isize).checked_add(before);
            let len = len.and_then(|len| len.checked_add(behind));
            fits &= len.is_some_and(|len| len >= 0);
            // (Negative widths are cut off of the rest.)
            let more = before.max(0).saturating_add(behind.max(0)) as usize;
            wide[axis] = dims[axis].saturating_add(more);
        }
        if !fits {
            return Err(self.fail(
                ErrorKind::Argument,
                format_args!("{what}: widths of {given:?} leave no tensor of {dims:?}"),
            ));
        }
        self.intern_shape(what, &wide)?;
        Ok(out)
    }

    /// Cuts off what negative widths say; which others are left.
    fn crop(&mut self, what: &str, x: NodeId, widths: &Widths) -> Maybe<(NodeId, Widths)> {
        let (dims, mut y, mut left) = (self.shape(x), x, *widths);
        for (axis, &len) in dims.iter().enumerate() {
            let [before, behind] = widths[axis].map(|width| width.min(0).unsigned_abs());
            if before == 0 && behind == 0 {
                continue;
            }
            let count = len.checked_sub(before).and_then(|left| left.checked_sub(behind));
            let Some(count) = count else {
                return Err(self.fail(
                    ErrorKind::Argument,
                    format_args!(
                        "{what}: cannot cut {before} and {behind} off of axis {axis} of {dims:?}"
                    ),
                ));
            };
            y = self.slice_by(y, axis, before, count, 1)?;
            left[axis] = widths[axis].map(|width| width.max(0));
        }
        Ok((y, left))
    }

    /// Has those axes padded of which widths are positive, last ones first.
    fn pad_axes(
        &mut self,
        x: NodeId,
        widths: &Widths,
        pad: impl Fn(&mut Self, NodeId, usize, usize, usize) -> Maybe<NodeId>,
    ) -> Maybe<NodeId> {
        let (mut y, rank) = (x, self.shape(x).len());
        for axis in (0..rank).rev() {
            let [before, behind] = widths[axis].map(|width| width.max(0) as usize);
            if before + behind > 0 {
                y = pad(self, y, axis, before, behind)?;
            }
        }
        Ok(y)
    }

    /// What lies before, in, and behind the middle, without what has no width.
    fn join_around(
        &mut self,
        left: NodeId,
        middle: NodeId,
        right: NodeId,
        axis: usize,
        widths: [usize; 2],
    ) -> Maybe<NodeId> {
        let all = [left, middle, right];
        let range = usize::from(widths[0] == 0)..3 - usize::from(widths[1] == 0);
        self.concat(&all[range], axis as isize)
    }

    #[cold]
    fn too_wide(
        &mut self,
        what: &str,
        x: NodeId,
        axis: usize,
        width: usize,
        most: usize,
    ) -> crate::error::Fail {
        let dims = self.shape(x);
        self.fail(
            ErrorKind::Argument,
            format_args!(
                "{what}: a width of {width} for axis {axis} of {dims:?}, which allows {most} at most"
            ),
        )
    }

    /// One number in all elements of a shape, which takes no memory.
    pub(crate) fn constant(
        &mut self,
        what: &str,
        dtype: DType,
        dims: &[usize],
        value: f64,
    ) -> Maybe<NodeId> {
        let mut node = NewNode::new(Op::Fill, dtype);
        (node.shape, node.len) = self.intern_shape(what, dims)?;
        node.imm = value;
        self.push(node)
    }

    // ---- repeating ----

    /// The whole tensor, so many times along each axis; `repeats` are aligned with the axes at the right,
    /// and there may be more of them. Gradient: added up.
    ///
    /// - PyTorch: `torch.tile(x, tuple(repeats))`
    /// - Types: any
    /// - Cases: `x=U(3), repeats=[2]`; `x=U(2,3), repeats=[2, 3]`; `x=U(2,3), repeats=[2]`;
    ///   `x=U(3), repeats=[2, 1, 2]`; `x=U(), repeats=[2]`; `x=U(2,1,3), repeats=[1, 4, 1]`;
    ///   `x=U(2), repeats=[0]`; `x=U(2), repeats=[]`; `x=U(1,2,1,2,2), repeats=[2, 2, 2, 2, 2]`
    pub(crate) fn tile(&mut self, x: NodeId, repeats: &[isize]) -> Maybe<NodeId> {
        let what = "tile";
        let from = self.shape(x);
        let rank = repeats.len().max(from.len());
        if rank > MAX_RANK || repeats.iter().any(|&times| times < 0) {
            return Err(self.fail(
                ErrorKind::Argument,
                format_args!(
                    "{what}: repeats of {repeats:?}: at most {MAX_RANK}, and none negative"
                ),
            ));
        }
        let at = |axis: usize, list: usize| (axis + list).checked_sub(rank);
        let (mut dims, mut all) = (Dims::SCALAR, Dims::SCALAR);
        let mut times = [1; MAX_RANK];
        for axis in 0..rank {
            dims.push(at(axis, from.len()).map_or(1, |axis| from[axis]));
            times[axis] = at(axis, repeats.len()).map_or(1, |axis| repeats[axis].unsigned_abs());
            all.push(dims[axis].saturating_mul(times[axis]));
        }
        self.intern_shape(what, &all)?;
        // Each axis that is repeated has the times before it.
        let parts = |axis: usize| {
            let (len, times) = (dims[axis], times[axis]);
            if times == 1 || len == 1 {
                [None, Some((len, all[axis]))]
            } else {
                [Some((1, times)), Some((len, len))]
            }
        };
        let split = || (0..rank).flat_map(parts).flatten();
        if split().count() <= MAX_RANK {
            let (mut ones, mut full) = (Dims::SCALAR, Dims::SCALAR);
            split().for_each(|(one, len)| {
                ones.push(one);
                full.push(len);
            });
            let y = self.reshape_to(what, x, &ones)?;
            let y = self.expand_to(what, y, &full)?;
            return self.reshape_to(what, y, &all);
        }
        let mut y = self.reshape_to(what, x, &dims)?;
        for axis in (0..rank).rev() {
            y = self.repeat_axis(what, y, axis, times[axis], false)?;
        }
        Ok(y)
    }

    /// Each element so many times along an axis. Gradient: added up.
    ///
    /// - PyTorch: `torch.repeat_interleave(x, repeats, axis)`
    /// - Types: any
    /// - Cases: `x=U(3), repeats=2, axis=0`; `x=U(2,3), repeats=3, axis=0`; `x=U(2,3), repeats=2, axis=-1`;
    ///   `x=U(2,3), repeats=1, axis=1`; `x=U(2,3), repeats=0, axis=1`; `x=U(2,0), repeats=2, axis=1`
    pub(crate) fn repeat_interleave(
        &mut self,
        x: NodeId,
        repeats: usize,
        axis: isize,
    ) -> Maybe<NodeId> {
        let what = "repeat_interleave";
        let axis = self.own_axis(what, x, axis)?;
        let mut dims = self.shape(x);
        dims[axis] = dims[axis].saturating_mul(repeats);
        self.intern_shape(what, &dims)?;
        self.repeat_axis(what, x, axis, repeats, true)
    }

    /// Along an axis, each position repeated, or all of them.
    fn repeat_axis(
        &mut self,
        what: &str,
        x: NodeId,
        axis: usize,
        times: usize,
        each: bool,
    ) -> Maybe<NodeId> {
        let mut dims = self.shape(x);
        if times == 1 {
            return Ok(x);
        }
        let mut one = Dims::SCALAR;
        if dims.len() < MAX_RANK {
            // (What is beside the axis stays as it is: so a view remains one.)
            (0..axis).for_each(|other| one.push(dims[other]));
        } else {
            one.push(dims[..axis].iter().product());
        }
        let at = one.len() + usize::from(each);
        one.push(if each { dims[axis] } else { 1 });
        one.push(if each { 1 } else { dims[axis] });
        if dims.len() < MAX_RANK {
            (axis + 1..dims.len()).for_each(|other| one.push(dims[other]));
        } else {
            one.push(dims[axis + 1..].iter().product());
        }
        let y = self.reshape_to(what, x, &one)?;
        one[at] = times;
        let y = self.expand_to(what, y, &one)?;
        dims[axis] *= times;
        self.reshape_to(what, y, &dims)
    }

    /// For vectors, what each has along an axis of its own, all in one shape: of result i, element
    /// [j0, j1, ...] is element ji of `xs[i]`. A 0-d tensor counts as a vector. Views.
    ///
    /// - PyTorch: `torch.meshgrid(*[x.double() for x in xs], indexing="ij")`
    /// - Types: any
    /// - Cases: `xs=[U(3)]`; `xs=[U(2), I(1, 2, 3)]`; `xs=[U(), I(1, 2), I(3, 4, 5, 6)]`; `xs=[U(2), I()]`;
    ///   `xs=[I(1, 2), U(3), U(2)]`
    pub(crate) fn meshgrid(&mut self, xs: &[NodeId], out: &mut Vec<NodeId>) -> Maybe<()> {
        let what = "meshgrid";
        if xs.is_empty() || xs.len() > MAX_RANK {
            return Err(self.fail(
                ErrorKind::Argument,
                format_args!("{what}: needs 1 to {MAX_RANK} vectors, not {}", xs.len()),
            ));
        }
        let mut dims = Dims::SCALAR;
        for (i, &x) in xs.iter().enumerate() {
            let shape = self.shape(x);
            if shape.len() > 1 {
                return Err(self.fail(
                    ErrorKind::Shape,
                    format_args!("{what}: operand {i} is {shape:?}, and no vector"),
                ));
            }
            dims.push(self.node(x).len);
        }
        self.intern_shape(what, &dims)?;
        for (axis, &x) in xs.iter().enumerate() {
            let mut own = Dims::SCALAR;
            (0..dims.len()).for_each(|at| own.push(if at == axis { dims[axis] } else { 1 }));
            let y = self.reshape_to(what, x, &own)?;
            let y = self.expand_to(what, y, &dims)?;
            out.try_push(y).map_err(|_| self.out_of_memory(what))?;
        }
        Ok(())
    }

    /// Matrices one after the other along the diagonal of a matrix of zeros. A vector counts as a row, a
    /// 0-d tensor as one element. Gradient: each gets its block.
    ///
    /// - PyTorch: `torch.block_diag(*xs)`
    /// - Types: any
    /// - Cases: `xs=[U(2,3), U(1,2)]`; `xs=[U(2,2)]`; `xs=[U(), U(3), U(2,1)]`; `xs=[U(1,0), U(2,2)]`;
    ///   `xs=[U(2,0), U(0,3), U(1,1)]`
    pub(crate) fn block_diag(&mut self, xs: &mut [NodeId]) -> Maybe<NodeId> {
        let what = "block_diag";
        let mut columns = 0usize;
        for (i, x) in xs.iter_mut().enumerate() {
            let dims = self.shape(*x);
            let (rows, width) = match *dims {
                [] => (1, 1),
                [width] => (1, width),
                [rows, width] => (rows, width),
                _ => {
                    return Err(self.fail(
                        ErrorKind::Shape,
                        format_args!("{what}: operand {i} is {dims:?}, and no matrix"),
                    ));
                }
            };
            *x = self.reshape_to(what, *x, &[rows, width])?;
            columns = columns.saturating_add(width);
        }
        let mut start = 0;
        for x in xs.iter_mut() {
            let [rows, width] = *self.shape(*x) else { unreachable!("{what} of a matrix") };
            self.intern_shape(what, &[rows, columns])?;
            *x = self.embed(*x, 1, if width == 0 { 0 } else { start }, 1, &[rows, columns])?;
            start += width;
        }
        self.concat(xs, 0)
    }

    /// The powers of the elements of a vector, a row each: those from 0 on in `columns` columns, rising or
    /// falling. Gradient: that of the powers.
    ///
    /// - PyTorch: `x[:, None] ** torch.tensor([float(k if increasing else columns - 1 - k) for k in range(columns)])`
    /// - Cases: `x=U(4), columns=4, increasing=False`; `x=U(3), columns=5, increasing=True`;
    ///   `x=U(3), columns=1, increasing=True`; `x=U(3), columns=0, increasing=True`;
    ///   `x=U(0), columns=3, increasing=True`; `x=S(0., -1., 2.), columns=4, increasing=True`
    pub(crate) fn vander(&mut self, x: NodeId, columns: usize, increasing: bool) -> Maybe<NodeId> {
        let what = "vander";
        let dtype = self.need_float(what, x)?;
        let dims = self.shape(x);
        let [len] = *dims else {
            return Err(
                self.fail(ErrorKind::Shape, format_args!("{what}: needs a vector, not {dims:?}"))
            );
        };
        self.intern_shape(what, &[len, columns])?;
        let end = columns as f64;
        let exponents = match increasing {
            true => self.arange(dtype, 0.0, end, 1.0)?,
            false => self.arange(dtype, end - 1.0, -1.0, -1.0)?,
        };
        let column = self.reshape_to(what, x, &[len, 1])?;
        self.map2(Elem::Pow, column, exponents)
    }
}
