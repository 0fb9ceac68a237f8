//! What an optimiser remembers of a parameter, to be saved and brought back.

use crate::dtype::Element;
use crate::error::{ErrorKind, Maybe};
use crate::graph::{Core, Handle, MOMENTS, Optimiser};
use crate::id::NodeId;
use crate::session::Session;

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
        place: usize,
    ) -> Maybe<Option<&[T]>> {
        let core = &mut self.core;
        let id = core.resolve(what, x)?;
        core.need_dtype(what, id, T::DTYPE)?;
        core.need_place(what, place)?;
        let node = core.node(id);
        let slot = node.has_slot().then(|| &core.slots[node.slot as usize]);
        let moment = slot.and_then(|slot| slot.moments[place]);
        Ok(moment.map(|buffer| core.slot_values(id, buffer)))
    }

    /// A state of the caller's, in place of the present one, or none. Moments that are not given are zero.
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
        for moment in moments.into_iter().flatten() {
            core.need_bytes(what, id, moment.len())?;
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
    fn need_place(&mut self, what: &str, place: usize) -> Maybe<()> {
        if place < MOMENTS {
            return Ok(());
        }
        Err(self.fail(
            ErrorKind::Argument,
            format_args!(
                "{what}: there is no moment {place}: they count from 0 to {}",
                MOMENTS - 1
            ),
        ))
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
