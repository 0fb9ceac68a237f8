//! Parts of tensors: views that move no data.

use crate::arena::TryPush;
use crate::error::{ErrorKind, Maybe};
use crate::graph::Core;
use crate::id::NodeId;
use crate::shape::{Dims, Layout, MAX_RANK};

impl Core {
    /// One of the axes that a tensor has.
    pub(crate) fn own_axis(&mut self, what: &str, x: NodeId, axis: isize) -> Maybe<usize> {
        let rank = self.shape(x).len();
        if rank == 0 {
            return Err(
                self.fail(ErrorKind::Shape, format_args!("{what}: a 0-d tensor has no axis"))
            );
        }
        self.axis(what, axis, rank)
    }

    /// One more axis is possible.
    pub(crate) fn need_room(&mut self, what: &str, x: NodeId) -> Maybe<()> {
        let dims = self.shape(x);
        if dims.len() < MAX_RANK {
            return Ok(());
        }
        Err(self.fail(
            ErrorKind::Limit,
            format_args!("{what}: {dims:?} has the largest rank, {MAX_RANK}, already"),
        ))
    }

    /// A possibly negative position along an axis.
    pub(crate) fn place_along(
        &mut self,
        what: &str,
        x: NodeId,
        axis: usize,
        index: isize,
    ) -> Maybe<usize> {
        let dims = self.shape(x);
        let len = dims[axis] as isize;
        if (-len..len).contains(&index) {
            return Ok(index.rem_euclid(len) as usize);
        }
        Err(self.fail(
            ErrorKind::Argument,
            format_args!("{what}: index {index} is outside of axis {axis} of {dims:?}"),
        ))
    }

    /// What lies at one position along an axis, which vanishes. A negative index counts from the end.
    /// A view.
    ///
    /// - PyTorch: `torch.select(x, axis, index)`
    /// - Types: any
    /// - Cases: `x=U(3), axis=0, index=1`; `x=U(2,3), axis=0, index=-1`; `x=U(2,3), axis=-1, index=2`;
    ///   `x=U(2,3,4), axis=1, index=-3`; `x=U(1,3), axis=0, index=0`; `x=U(2,0), axis=0, index=1`
    pub(crate) fn select(&mut self, x: NodeId, axis: isize, index: isize) -> Maybe<NodeId> {
        let what = "select";
        let axis = self.own_axis(what, x, axis)?;
        let place = self.place_along(what, x, axis, index)?;
        self.select_at(x, axis, place)
    }

    fn select_at(&mut self, x: NodeId, axis: usize, place: usize) -> Maybe<NodeId> {
        let dims = self.shape(x);
        let one = self.slice_by(x, axis, place, 1, 1)?;
        let mut kept = Dims::SCALAR;
        (0..dims.len()).filter(|&other| other != axis).for_each(|other| kept.push(dims[other]));
        self.reshape_to("select", one, &kept)
    }

    /// `len` positions of an axis from `start` on, which counts from the end if it is negative. A view.
    ///
    /// - PyTorch: `torch.narrow(x, axis, start, len)`
    /// - Types: any
    /// - Cases: `x=U(5), axis=0, start=1, len=3`; `x=U(3,4), axis=-1, start=-2, len=2`;
    ///   `x=U(3,4), axis=0, start=3, len=0`; `x=U(2,3,4), axis=1, start=0, len=3`
    pub(crate) fn narrow(
        &mut self,
        x: NodeId,
        axis: isize,
        start: isize,
        len: usize,
    ) -> Maybe<NodeId> {
        let what = "narrow";
        let axis = self.own_axis(what, x, axis)?;
        let dims = self.shape(x);
        let from = if start < 0 { start.saturating_add(dims[axis] as isize) } else { start };
        let from = usize::try_from(from)
            .ok()
            .filter(|&from| from.checked_add(len).is_some_and(|end| end <= dims[axis]));
        match from {
            Some(from) => self.slice_by(x, axis, from, len, 1),
            None => Err(self.fail(
                ErrorKind::Argument,
                format_args!(
                    "{what}: {len} from {start} on are not within axis {axis} of {dims:?}"
                ),
            )),
        }
    }

    /// Pieces of `size` positions along an axis, of which the last has what is left. Views.
    ///
    /// - PyTorch: `torch.split(x, size, axis)`
    /// - Types: any
    /// - Cases: `x=U(5), size=2, axis=0`; `x=U(2,6), size=3, axis=-1`; `x=U(2,3), size=7, axis=1`;
    ///   `x=U(0,3), size=2, axis=0`; `x=U(0,3), size=0, axis=0`
    pub(crate) fn split(
        &mut self,
        x: NodeId,
        size: usize,
        axis: isize,
        out: &mut Vec<NodeId>,
    ) -> Maybe<()> {
        let what = "split";
        let axis = self.own_axis(what, x, axis)?;
        let dims = self.shape(x);
        let len = dims[axis];
        if size == 0 && len > 0 {
            return Err(self.fail(
                ErrorKind::Argument,
                format_args!("{what}: pieces of 0 do not fill axis {axis} of {dims:?}"),
            ));
        }
        let mut start = 0;
        loop {
            let count = size.min(len - start);
            self.piece(what, x, axis, start, count, out)?;
            start += count;
            if start == len {
                return Ok(());
            }
        }
    }

    /// Pieces of these lengths along an axis, which they fill. Views.
    ///
    /// - PyTorch: `torch.split(x, list(sizes), axis)`
    /// - Types: any
    /// - Cases: `x=U(6), sizes=[1, 2, 3], axis=0`; `x=U(2,4), sizes=[4, 0], axis=-1`;
    ///   `x=U(3,2,2), sizes=[1, 1], axis=1`
    pub(crate) fn split_sizes(
        &mut self,
        x: NodeId,
        sizes: &[usize],
        axis: isize,
        out: &mut Vec<NodeId>,
    ) -> Maybe<()> {
        let what = "split_sizes";
        let axis = self.own_axis(what, x, axis)?;
        let dims = self.shape(x);
        let all = sizes.iter().try_fold(0usize, |sum, &size| sum.checked_add(size));
        if all != Some(dims[axis]) {
            return Err(self.fail(
                ErrorKind::Shape,
                format_args!("{what}: pieces of {sizes:?} do not fill axis {axis} of {dims:?}"),
            ));
        }
        let mut start = 0;
        for &count in sizes {
            self.piece(what, x, axis, start, count, out)?;
            start += count;
        }
        Ok(())
    }

    /// At most so many pieces of equal lengths along an axis; the last may be shorter. Views.
    ///
    /// - PyTorch: `torch.chunk(x, chunks, axis)`
    /// - Types: any
    /// - Cases: `x=U(6), chunks=3, axis=0`; `x=U(7), chunks=3, axis=0`; `x=U(2,5), chunks=4, axis=-1`;
    ///   `x=U(2,3), chunks=9, axis=1`; `x=U(0), chunks=3, axis=0`
    pub(crate) fn chunk(
        &mut self,
        x: NodeId,
        chunks: usize,
        axis: isize,
        out: &mut Vec<NodeId>,
    ) -> Maybe<()> {
        let what = "chunk";
        let at = self.own_axis(what, x, axis)?;
        let len = self.shape(x)[at];
        match (chunks, len) {
            (0, _) => Err(self
                .fail(ErrorKind::Argument, format_args!("{what}: needs at least 1 piece, not 0"))),
            // As many as were asked for, in PyTorch, too.
            (_, 0) => (0..chunks).try_for_each(|_| self.piece(what, x, at, 0, 0, out)),
            _ => self.split(x, len.div_ceil(chunks), axis, out),
        }
    }

    /// What lies at each position along an axis, which vanishes. Views.
    ///
    /// - PyTorch: `torch.unbind(x, axis)`
    /// - Types: any
    /// - Cases: `x=U(3), axis=0`; `x=U(2,3), axis=-1`; `x=U(2,3,4), axis=1`; `x=U(2,0), axis=0`
    pub(crate) fn unbind(&mut self, x: NodeId, axis: isize, out: &mut Vec<NodeId>) -> Maybe<()> {
        let what = "unbind";
        let axis = self.own_axis(what, x, axis)?;
        for place in 0..self.shape(x)[axis] {
            let one = self.select_at(x, axis, place)?;
            out.try_push(one).map_err(|_| self.out_of_memory(what))?;
        }
        Ok(())
    }

    fn piece(
        &mut self,
        what: &str,
        x: NodeId,
        axis: usize,
        start: usize,
        count: usize,
        out: &mut Vec<NodeId>,
    ) -> Maybe<()> {
        let piece = self.slice_by(x, axis, start, count, 1)?;
        out.try_push(piece).map_err(|_| self.out_of_memory(what))?;
        Ok(())
    }

    /// Windows of `size` positions along an axis, `step` apart: their number takes the place of the axis,
    /// and their positions are a new last axis. Windows may overlap. A view. Gradient: added up where
    /// they do.
    ///
    /// - PyTorch: `x.unfold(axis, size, step)`
    /// - Types: any
    /// - Cases: `x=U(7), axis=0, size=3, step=1`; `x=U(7), axis=0, size=3, step=2`;
    ///   `x=U(7), axis=0, size=2, step=5`; `x=U(4,5), axis=0, size=2, step=1`;
    ///   `x=U(2,5,3), axis=-2, size=4, step=1`; `x=U(6), axis=0, size=2, step=2`;
    ///   `x=U(3), axis=0, size=3, step=9`; `x=U(3), axis=0, size=0, step=1`; `x=U(), axis=0, size=1, step=1`;
    ///   `x=U(0,3), axis=1, size=2, step=1`; `x=U(3,40), axis=1, size=20, step=1`
    pub(crate) fn unfold(
        &mut self,
        x: NodeId,
        axis: isize,
        size: usize,
        step: usize,
    ) -> Maybe<NodeId> {
        let what = "unfold";
        let dims = self.shape(x);
        let axis = self.axis(what, axis, dims.len())?;
        let len = dims.get(axis).copied().unwrap_or(1);
        if size > len || step == 0 {
            return Err(self.fail(
                ErrorKind::Argument,
                format_args!(
                    "{what}: windows of {size}, {step} apart, do not fit axis {axis} of {dims:?}: \
                     they have at most its length, and a step of at least 1"
                ),
            ));
        }
        self.need_room(what, x)?;
        if dims.is_empty() {
            let one = self.reshape_to(what, x, &[1])?;
            return self.slice_by(one, 0, 0, size, 1);
        }
        let (own, mut windows) = (Layout::dense(&dims), dims);
        windows[axis] = (len - size) / step + 1;
        windows.push(size);
        let mut strides = [0; MAX_RANK];
        strides[..dims.len()].copy_from_slice(own.strides());
        strides[dims.len()] = own.strides()[axis];
        // (One window has no next one, however far.)
        strides[axis] *= if windows[axis] > 1 { step as isize } else { 1 };
        self.as_strided(x, &Layout::new(0, &windows, strides.into_iter()))
    }
}
