//! What an optimiser remembers of a parameter, to be saved and brought back.

use crate::dtype::{Element, with_float};
use crate::error::{ErrorKind, Maybe};
use crate::graph::{Core, Handle, MOMENTS, Optimiser};
use crate::id::NodeId;
use crate::session::Session;

/// What a moment is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Moment {
    None,
    /// A running mean or sum, of either sign.
    Mean,
    /// A root of squares: at least 0.
    Root,
}

impl Optimiser {
    /// What it may keep of a parameter.
    fn moments(self) -> [Moment; MOMENTS] {
        use Moment::{Mean, None, Root};
        match self {
            Self::Sgd | Self::Lion => [Mean, None, None],
            Self::Adam => [Mean, Root, Root],
            Self::RmsProp => [Root, Mean, Mean],
            Self::Adagrad => [Root, None, None],
        }
    }
}

impl Session {
    /// Whose state a leaf has, and how many steps it took.
    pub(crate) fn optimiser(&mut self, x: Handle) -> Maybe<Option<(Optimiser, u64)>> {
        let id = self.core.resolve("optimiser", x)?;
        let node = self.core.node(id);
        let slot = node.has_slot().then(|| &self.core.slots[node.slot as usize]);
        Ok(slot.and_then(|slot| Some((slot.optimiser?, slot.steps))))
    }

    /// A moment of a leaf, if it has that.
    pub(crate) fn moment<T: Element>(
        &mut self,
        what: &str,
        x: Handle,
        number: i64,
    ) -> Maybe<Option<&[T]>> {
        let core = &mut self.core;
        let id = core.resolve(what, x)?;
        core.need_dtype(what, id, T::DTYPE)?;
        let place = core.need_place(what, number)?;
        let node = core.node(id);
        let slot = node.has_slot().then(|| &core.slots[node.slot as usize]);
        let moment = slot.and_then(|slot| slot.moments[place]);
        Ok(moment.map(|buffer| core.slot_values(id, buffer)))
    }

    /// A state of the caller's, in place of the present one, or none. Moments that are not given are zero.
    /// Refuses what no optimiser leaves: moments that it does not keep, numbers that are not finite, roots
    /// below 0.
    pub(crate) fn set_optimiser(
        &mut self,
        x: Handle,
        optimiser: Option<(Optimiser, u64)>,
        moments: [Option<&[u8]>; MOMENTS],
    ) -> Maybe<()> {
        let what = "set_optimiser";
        let core = &mut self.core;
        let id = core.resolve(what, x)?;
        let slot = core.need_parameter(what, id)?;
        for (place, moment) in moments.into_iter().enumerate() {
            let Some(moment) = moment else { continue };
            core.need_bytes(what, id, moment.len())?;
            let kept = optimiser.map_or(Moment::None, |(optimiser, _)| optimiser.moments()[place]);
            core.need_moment(what, id, (place, kept), moment)?;
        }
        let wanted = moments.map(|moment| moment.is_some());
        let fresh = core.new_moments(id, wanted, 0.0).ok_or_else(|| core.out_of_memory(what))?;
        for (to, from) in fresh.iter().zip(moments) {
            if let (Some(to), Some(from)) = (to, from) {
                // SAFETY: the buffer is new and has as many bytes, just compared.
                unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to.as_ptr(), from.len()) };
            }
        }
        core.forget_moments(slot);
        let slot = &mut core.slots[slot];
        slot.moments = fresh;
        if let Some((optimiser, steps)) = optimiser {
            (slot.optimiser, slot.steps) = (Some(optimiser), steps);
        }
        Ok(())
    }
}

impl Core {
    fn need_place(&mut self, what: &str, number: i64) -> Maybe<usize> {
        match usize::try_from(number) {
            Ok(place) if place < MOMENTS => Ok(place),
            _ => Err(self.fail(
                ErrorKind::Argument,
                format_args!(
                    "{what}: there is no moment {number}: they count from 0 to {}",
                    MOMENTS - 1
                ),
            )),
        }
    }

    /// A moment's elements, at any alignment, as they may be.
    fn need_moment(
        &mut self,
        what: &str,
        x: NodeId,
        (place, kept): (usize, Moment),
        moment: &[u8],
    ) -> Maybe<()> {
        let range = match kept {
            Moment::None => {
                return Err(self.fail(
                    ErrorKind::Argument,
                    format_args!("{what}: this optimiser keeps no moment {place}"),
                ));
            }
            Moment::Mean => "finite",
            Moment::Root => "finite and at least 0",
        };
        let is_right = |x: f64| x.is_finite() && (kept == Moment::Mean || x >= 0.0);
        let wrong = with_float!(self.node(x).dtype, T => {
            let elements = moment.chunks_exact(size_of::<T>()).map(|bytes| {
                // SAFETY: the chunk has the bytes of one element; it is read at any alignment.
                unsafe { bytes.as_ptr().cast::<T>().read_unaligned() }.to_f64()
            });
            elements.enumerate().find(|&(_, element)| !is_right(element))
        });
        match wrong {
            None => Ok(()),
            Some((i, element)) => Err(self.fail(
                ErrorKind::Argument,
                format_args!(
                    "{what}: element {i} of moment {place} of {x} must be {range}, not {element}"
                ),
            )),
        }
    }

    /// As many bytes as a node's value has.
    pub(super) fn need_bytes(&mut self, what: &str, x: NodeId, have: usize) -> Maybe<()> {
        let need = self.node(x).len * self.node(x).dtype.size();
        if need == have {
            return Ok(());
        }
        Err(self.fail_with(|core, slot| {
            let (leaf, size) = (core.describe(x), core.node(x).dtype.size());
            slot.set(
                ErrorKind::Shape,
                format_args!(
                    "{what}: {x}, {leaf}, takes {} elements, and there are {} ({have} bytes)",
                    need / size,
                    have / size
                ),
            )
        }))
    }
}
