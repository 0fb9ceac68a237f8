//! Optimisers: steps that change parameters in place, by their gradients.
//!
//! What an optimiser remembers of a parameter lies beside its gradient
//! ([ADR 8](../docs/adr/0008-optimiser-state-in-the-graph.md)).

use crate::arena::TryPush;
use crate::buffer::Buffer;
use crate::error::{ErrorKind, Maybe};
use crate::exec::Engine;
use crate::fpenv::Scope;
use crate::graph::Core;
use crate::kernel::{Coefficients, float_kernels};
use crate::node::Op;
use crate::session::Session;

/// What an optimiser does with each parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Update {
    Sgd { rate: f64, momentum: f64, decay: f64 },
    Adam { rate: f64, betas: [f64; 2], epsilon: f64, decay: f64 },
}

impl Update {
    fn name(self) -> &'static str {
        match self {
            Self::Sgd { .. } => "sgd_step",
            Self::Adam { .. } => "adam_step",
        }
    }

    /// Refuses the first number that makes no sense.
    fn check(self, core: &mut Core) -> Maybe<()> {
        let what = self.name();
        let mut refuse = |name: &str, x: f64, range: &str| {
            Err(core.fail(
                ErrorKind::Argument,
                format_args!("{what}: the {name} must be {range}, not {x}"),
            ))
        };
        let (size, betas) = match self {
            Self::Sgd { rate, momentum, decay } => ([rate, momentum, decay], None),
            Self::Adam { rate, betas, epsilon, decay } => ([rate, epsilon, decay], Some(betas)),
        };
        let second = if betas.is_none() { "momentum" } else { "epsilon" };
        for (name, x) in ["learning rate", second, "weight decay"].into_iter().zip(size) {
            if !(0.0..f64::INFINITY).contains(&x) {
                return refuse(name, x, "at least 0 and finite");
            }
        }
        for (name, beta) in ["first beta", "second beta"].into_iter().zip(betas.unwrap_or_default())
        {
            if !(0.0..1.0).contains(&beta) {
                return refuse(name, beta, "at least 0 and less than 1");
            }
        }
        Ok(())
    }
}

impl Session {
    /// One step for every leaf that requires a gradient and has one.
    pub(crate) fn step(&mut self, update: Update) -> Maybe<()> {
        let core = &mut self.core;
        let what = update.name();
        update.check(core)?;
        if core.is_torn {
            return Err(core.torn(what));
        }
        let moments = match update {
            Update::Sgd { .. } => 1,
            Update::Adam { .. } => 2,
        };
        // Memory first, so that running out of it leaves all parameters and averages as they were.
        let mut fresh = Vec::new();
        for slot in 0..core.slots.len() {
            let present = core.slots[slot].moments.iter().filter(|kept| kept.is_some()).count();
            if !core.is_parameter(slot) || present == moments {
                continue;
            }
            let room = fresh.try_reserve(1).is_ok();
            match if room { core.new_moments(slot, moments) } else { None } {
                Some(buffers) => fresh.push_within((slot, buffers)),
                None => {
                    let all = fresh.into_iter().flat_map(|(_, buffers)| buffers).flatten();
                    all.for_each(|buffer| core.pool.give(buffer));
                    return Err(core.out_of_memory(what));
                }
            }
        }
        core.is_torn = true;
        for (slot, buffers) in fresh {
            for (place, buffer) in buffers.into_iter().enumerate() {
                let old = std::mem::replace(&mut core.slots[slot].moments[place], buffer);
                if let Some(old) = old {
                    core.pool.give(old);
                }
            }
            core.slots[slot].steps = 0;
        }
        for slot in 0..core.slots.len() {
            if core.is_parameter(slot) {
                core.slots[slot].steps = core.slots[slot].steps.saturating_add(1);
                let leaf = core.slots[slot].node;
                core.touch(leaf);
                core.fail_point.pass();
                self.engine.update(core, slot, update);
            }
        }
        core.is_torn = false;
        Ok(())
    }
}

impl Core {
    /// Whether an optimiser acts on the node of this slot.
    fn is_parameter(&self, slot: usize) -> bool {
        let slot = &self.slots[slot];
        let node = self.node(slot.node);
        slot.grad.is_some() && node.op == Op::Leaf && node.requires_grad
    }

    /// New running averages for a slot, all zero; an optimiser that needs another number of them
    /// than the last one starts afresh.
    fn new_moments(&mut self, slot: usize, count: usize) -> Option<[Option<Buffer>; 2]> {
        let node = *self.node(self.slots[slot].node);
        let bytes = node.len * node.dtype.size();
        let mut fresh = [None; 2];
        for i in 0..count {
            let Ok(buffer) = self.pool.take(bytes) else {
                fresh.into_iter().flatten().for_each(|buffer| self.pool.give(buffer));
                return None;
            };
            // SAFETY: the buffer has that many bytes; zero bytes are float zeros.
            unsafe { buffer.as_ptr().write_bytes(0, bytes) };
            fresh[i] = Some(buffer);
        }
        Some(fresh)
    }
}

impl Engine {
    /// Runs an optimiser's kernel on one parameter.
    fn update(&self, core: &Core, slot: usize, update: Update) {
        let slot = &core.slots[slot];
        let node = core.node(slot.node);
        let (Some(value), Some(grad), Some(first)) =
            (core.state(slot.node).value(), slot.grad, slot.moments[0])
        else {
            unreachable!("taken before the first update")
        };
        let kernels = float_kernels(node.dtype, self.level());
        let (kernel, coefficients, operands): (_, Coefficients, [*const u8; 3]) = match update {
            Update::Sgd { rate, momentum, decay } => (
                kernels.sgd,
                [rate, momentum, decay, 0.0, 0.0, 0.0],
                [grad.as_ptr(), first.as_ptr(), std::ptr::null()],
            ),
            Update::Adam { rate, betas: [b1, b2], epsilon, decay } => {
                let rest = |beta: f64| rest(beta, slot.steps as f64);
                let Some(second) = slot.moments[1] else {
                    unreachable!("taken before the first update")
                };
                (
                    kernels.adam,
                    [rate / rest(b1), b1, b2, epsilon, 1.0 / rest(b2).sqrt(), decay],
                    [grad.as_ptr(), first.as_ptr(), second.as_ptr()],
                )
            }
        };
        let last: *const u8 = (&raw const coefficients).cast();
        let all = match update {
            Update::Sgd { .. } => [operands[0], operands[1], last, std::ptr::null()],
            Update::Adam { .. } => [operands[0], operands[1], operands[2], last],
        };
        let [a, b, c, d] = all;
        let _scope = Scope::enter(core.subnormals());
        // SAFETY: value, gradient and moments are different buffers of `len` elements of the
        // dtype, and the coefficients follow them where the kernel expects them.
        unsafe { kernel(node.len, value.as_ptr(), a, b, c, d) };
    }
}

/// 1 - beta^t, for a beta that may be close to 1.
// (By itself: the compiler would take the logarithm out of the loop over the parameters, and take it of
// nothing for an optimiser that has no beta.)
#[inline(never)]
fn rest(beta: f64, t: f64) -> f64 {
    -libm::expm1(t * libm::log(beta))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roll_call::Elem;

    #[test]
    fn adam_goes_on_after_more_steps_than_fit_in_31_bits() {
        let s = &mut Session::new();
        let x = s.record(|core| {
            let id = core.leaf("x", &[1.0f64], &[1])?;
            core.set_requires_grad(id, true)?;
            Ok(id)
        });
        let y = s.map(Elem::Square, x);
        let update = Update::Adam { rate: 0.1, betas: [0.9, 0.999], epsilon: 1e-8, decay: 0.0 };
        for steps in [(1 << 31) - 2, (1 << 31) + 5, u64::from(u32::MAX)] {
            s.backward([(y, None)].into_iter()).unwrap();
            s.step(update).unwrap();
            // As if the averages had been there that long: no correction is left.
            s.core.slots[0].steps = steps;
            let before = s.item(x).unwrap();
            s.step(update).unwrap();
            let moved = (before - s.item(x).unwrap()).abs();
            assert!((1e-3..10.0).contains(&moved), "after {steps} steps: {moved}");
            assert_eq!(s.core.slots[0].steps, steps + 1);
        }
    }
}
