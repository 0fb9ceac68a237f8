//! Optimisers: steps that change parameters in place, by their gradients.
//!
//! What an optimiser remembers of a parameter lies beside its gradient
//! ([ADR 8](../docs/adr/0008-optimiser-state-in-the-graph.md)).

mod bounded;
mod bounds;
mod gauss_newton;
mod gradients;
mod lbfgs;
mod levenberg;
mod line_search;
mod method;
mod minimise;
mod polish;
mod qr;
pub mod schedule;
mod state;
mod trust_region;

use crate::arena::TryPush;
use crate::buffer::Buffer;
use crate::dtype::{Element, with_float};
use crate::error::{ErrorKind, Fail, Maybe};
use crate::exec::Engine;
use crate::fpenv::Scope;
use crate::graph::{Core, Handle, MOMENTS, Optimiser};
use crate::id::NodeId;
use crate::kernel::{Step, float_kernels};
use crate::node::Op;
use crate::session::Session;
pub use bounds::Bounds;
pub(crate) use lbfgs::Lbfgs;
pub(crate) use levenberg::Levenberg;
pub(crate) use method::{Method, NO_PRODUCTS};
#[cfg(feature = "capi")]
pub(crate) use minimise::zeros;
pub(crate) use minimise::{Curved, Objective, Products, Residuals, Stopped};
pub use minimise::{Ended, Minimum};
pub(crate) use trust_region::TrustRegion;

/// What an optimiser does with each parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Update {
    pub(crate) rule: Rule,
    /// Uphill: gradients count with the other sign.
    pub(crate) maximise: bool,
}

/// Whose step it is, and its options.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rule {
    Sgd { rate: f64, momentum: f64, dampening: f64, nesterov: bool, decay: f64 },
    Adam { rate: f64, betas: [f64; 2], epsilon: f64, decay: f64, decoupled: bool, amsgrad: bool },
    RmsProp { rate: f64, smoothing: f64, epsilon: f64, momentum: f64, centred: bool, decay: f64 },
    Adagrad { rate: f64, rate_decay: f64, initial: f64, epsilon: f64, decay: f64 },
    Lion { rate: f64, betas: [f64; 2], decay: f64 },
}

/// Nodes of the caller's, if not all are meant.
pub(crate) type Listed<'a> = Option<&'a mut dyn ExactSizeIterator<Item = Handle>>;

impl Rule {
    fn name(self) -> &'static str {
        match self {
            Self::Sgd { .. } => "sgd_step",
            Self::Adam { decoupled: false, .. } => "adam_step",
            Self::Adam { .. } => "adamw_step",
            Self::RmsProp { .. } => "rmsprop_step",
            Self::Adagrad { .. } => "adagrad_step",
            Self::Lion { .. } => "lion_step",
        }
    }

    /// Whose state it needs, and which moments of it; none for plain gradient descent.
    fn needs(self) -> Option<(Optimiser, [bool; MOMENTS])> {
        Some(match self {
            Self::Sgd { momentum: 0.0, .. } => return None,
            Self::Sgd { .. } => (Optimiser::Sgd, [true, false, false]),
            Self::Adam { amsgrad, .. } => (Optimiser::Adam, [true, true, amsgrad]),
            Self::RmsProp { momentum, centred, .. } => {
                (Optimiser::RmsProp, [true, centred, momentum != 0.0])
            }
            Self::Adagrad { .. } => (Optimiser::Adagrad, [true, false, false]),
            Self::Lion { .. } => (Optimiser::Lion, [true, false, false]),
        })
    }

    /// What new moments are filled with.
    fn fill(self) -> f64 {
        if let Self::Adagrad { initial, .. } = self { initial.sqrt() } else { 0.0 }
    }

    /// Refuses the first number that makes no sense.
    fn check(self, core: &mut Core) -> Maybe<()> {
        let what = self.name();
        let mut need = |is_right: bool, name: &str, range: &str, x: f64| match is_right {
            true => Ok(()),
            false => Err(core.fail(
                ErrorKind::Argument,
                format_args!("{what}: the {name} must be {range}, not {x}"),
            )),
        };
        let mut sizes = |numbers: &[(&str, f64)]| {
            numbers.iter().try_for_each(|&(name, x)| {
                need((0.0..f64::INFINITY).contains(&x), name, "at least 0 and finite", x)
            })
        };
        match self {
            Self::Sgd { rate, momentum, dampening, decay, .. } => sizes(&[
                ("learning rate", rate),
                ("momentum", momentum),
                ("dampening", dampening),
                ("weight decay", decay),
            ])?,
            Self::Adam { rate, epsilon, decay, .. } => {
                sizes(&[("learning rate", rate), ("epsilon", epsilon), ("weight decay", decay)])?;
            }
            Self::RmsProp { rate, epsilon, momentum, decay, .. } => sizes(&[
                ("learning rate", rate),
                ("epsilon", epsilon),
                ("momentum", momentum),
                ("weight decay", decay),
            ])?,
            Self::Adagrad { rate, rate_decay, initial, epsilon, decay } => sizes(&[
                ("learning rate", rate),
                ("decay of the learning rate", rate_decay),
                ("initial sum", initial),
                ("epsilon", epsilon),
                ("weight decay", decay),
            ])?,
            Self::Lion { rate, decay, .. } => {
                sizes(&[("learning rate", rate), ("weight decay", decay)])?;
            }
        }
        match self {
            Self::Adam { betas, .. } | Self::Lion { betas, .. } => {
                for (name, beta) in ["first beta", "second beta"].into_iter().zip(betas) {
                    need((0.0..1.0).contains(&beta), name, "at least 0 and less than 1", beta)?;
                }
            }
            Self::RmsProp { smoothing: x, .. } => {
                need((0.0..1.0).contains(&x), "smoothing", "at least 0 and less than 1", x)?;
            }
            Self::Sgd { momentum, dampening, nesterov: true, .. } => {
                need(momentum > 0.0, "momentum", "above 0 for Nesterov's", momentum)?;
                need(dampening == 0.0, "dampening", "0 for Nesterov's momentum", dampening)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// The numbers of the kernel, at an optimiser's step of this number, from 1 on.
    fn numbers(self, steps: u64) -> [f64; 7] {
        match self {
            Self::Sgd { rate, momentum, dampening, nesterov, decay } => {
                // As in PyTorch, the first velocity is the gradient.
                let share = if steps == 1 { 1.0 } else { 1.0 - dampening };
                [rate, momentum, decay, share, f64::from(nesterov), 0.0, 0.0]
            }
            Self::Adam { rate, betas: [b1, b2], epsilon, decay, decoupled, .. } => {
                let rest = |beta: f64| rest(beta, steps as f64);
                let (decay, shrink) =
                    if decoupled { (0.0, 1.0 - rate * decay) } else { (decay, 1.0) };
                [rate / rest(b1), b1, b2, epsilon, 1.0 / rest(b2).sqrt(), decay, shrink]
            }
            Self::RmsProp { rate, smoothing, epsilon, momentum, centred, decay } => {
                [rate, smoothing, epsilon, momentum, f64::from(centred), decay, 0.0]
            }
            Self::Adagrad { rate, rate_decay, epsilon, decay, .. } => {
                let rate = rate / (1.0 + (steps as f64 - 1.0) * rate_decay);
                [rate, epsilon, decay, 0.0, 0.0, 0.0, 0.0]
            }
            Self::Lion { rate, betas: [b1, b2], decay } => {
                [rate, b1, b2, 1.0 - rate * decay, 0.0, 0.0, 0.0]
            }
        }
    }
}

impl Session {
    /// One step for the listed leaves, or for every leaf that requires a gradient and has one.
    pub(crate) fn step(&mut self, update: Update, listed: Listed<'_>) -> Maybe<()> {
        let rule = update.rule;
        let what = rule.name();
        rule.check(&mut self.core)?;
        self.find_parameters(what, listed)?;
        let Self { core, engine, xs, .. } = self;
        core.need_own(what)?;
        if core.is_torn {
            return Err(core.torn(what));
        }
        // Memory first, so that running out of it leaves all parameters and averages as they were.
        let mut fresh = Vec::new();
        if let Some((optimiser, needed)) = rule.needs() {
            for &leaf in &*xs {
                let slot = core.node(leaf).slot as usize;
                let missing = core.missing(slot, optimiser, needed);
                if missing == [false; MOMENTS] {
                    continue;
                }
                let room = fresh.try_reserve(1).is_ok();
                match if room { core.new_moments(leaf, missing, rule.fill()) } else { None } {
                    Some(buffers) => fresh.push_within((slot, buffers)),
                    None => {
                        let all = fresh.into_iter().flat_map(|(_, buffers)| buffers).flatten();
                        all.for_each(|buffer| core.pool.give(buffer));
                        return Err(core.out_of_memory(what));
                    }
                }
            }
        }
        core.is_torn = true;
        for (slot, buffers) in fresh {
            if let Some((optimiser, _)) = rule.needs() {
                core.belongs_to(slot, optimiser);
            }
            for (place, buffer) in buffers.into_iter().enumerate() {
                if buffer.is_some() {
                    core.slots[slot].moments[place] = buffer;
                }
            }
        }
        for &leaf in &*xs {
            let slot = core.node(leaf).slot as usize;
            if rule.needs().is_some() {
                core.slots[slot].steps = core.slots[slot].steps.saturating_add(1);
            }
            core.touch(leaf);
            core.fail_point.pass();
            engine.update(core, slot, update);
        }
        core.is_torn = false;
        Ok(())
    }

    /// Finds the parameters that have a gradient, or looks those listed up, into `self.xs`.
    fn find_parameters(&mut self, what: &str, listed: Listed<'_>) -> Maybe<()> {
        if let Some(listed) = listed {
            self.resolve_all(what, listed)?;
            let Self { core, xs, .. } = self;
            for &x in &*xs {
                core.need_parameter(what, x)?;
                if core.slots[core.node(x).slot as usize].grad.is_none() {
                    return Err(core.without_gradient(what, x));
                }
            }
            // (The order makes no difference.)
            xs.sort_unstable();
            if let Some(pair) = xs.windows(2).find(|pair| pair[0] == pair[1]) {
                let x = pair[0];
                return Err(core.fail(
                    ErrorKind::Argument,
                    format_args!("{what}: {x} is in the list more than once"),
                ));
            }
            return Ok(());
        }
        let Self { core, xs, .. } = self;
        xs.clear();
        xs.try_room(core.slots.len()).map_err(|_| core.out_of_memory(what))?;
        for slot in &core.slots {
            if slot.grad.is_some() && core.is_parameter(slot.node) {
                xs.push_within(slot.node);
            }
        }
        Ok(())
    }
}

impl Core {
    /// Whether optimisers act on a node, once it has a gradient.
    fn is_parameter(&self, x: NodeId) -> bool {
        let node = self.node(x);
        node.op == Op::Leaf && node.requires_grad
    }

    /// Refuses what is no parameter; one has a slot afterwards.
    fn need_parameter(&mut self, what: &str, x: NodeId) -> Maybe<usize> {
        self.need_leaf(what, x)?;
        if !self.node(x).requires_grad {
            return Err(self.fail_with(|core, slot| {
                let leaf = core.describe(x);
                slot.set(
                    ErrorKind::Gradient,
                    format_args!("{what}: the leaf {x}, {leaf}, does not require grad"),
                )
            }));
        }
        self.slot(x)
    }

    #[cold]
    fn without_gradient(&mut self, what: &str, x: NodeId) -> Fail {
        self.fail_with(|core, slot| {
            let leaf = core.describe(x);
            slot.set(
                ErrorKind::Gradient,
                format_args!(
                    "{what}: the leaf {x}, {leaf}, has no gradient: call backward before, or leave it out"
                ),
            )
        })
    }

    /// Which moments an optimiser has not got.
    fn missing(&self, slot: usize, of: Optimiser, needed: [bool; MOMENTS]) -> [bool; MOMENTS] {
        let slot = &self.slots[slot];
        if slot.optimiser != Some(of) {
            return needed;
        }
        std::array::from_fn(|place| needed[place] && slot.moments[place].is_none())
    }

    /// Drops what another optimiser remembers.
    fn belongs_to(&mut self, slot: usize, optimiser: Optimiser) {
        if self.slots[slot].optimiser != Some(optimiser) {
            self.forget_moments(slot);
            self.slots[slot].optimiser = Some(optimiser);
        }
    }

    fn forget_moments(&mut self, slot: usize) {
        let Self { slots, pool, .. } = self;
        let slot = &mut slots[slot];
        slot.moments.iter_mut().filter_map(Option::take).for_each(|buffer| pool.give(buffer));
        (slot.optimiser, slot.steps) = (None, 0);
    }

    /// New running averages for a leaf.
    fn new_moments(
        &mut self,
        leaf: NodeId,
        wanted: [bool; MOMENTS],
        fill: f64,
    ) -> Option<[Option<Buffer>; MOMENTS]> {
        let node = *self.node(leaf);
        let mut fresh = [None; MOMENTS];
        for place in (0..MOMENTS).filter(|&place| wanted[place]) {
            let Ok(buffer) = self.pool.take(node.len * node.dtype.size()) else {
                fresh.into_iter().flatten().for_each(|buffer| self.pool.give(buffer));
                return None;
            };
            with_float!(node.dtype, T => {
                // SAFETY: the buffer has room for as many elements of this type, and is new.
                let values = unsafe {
                    std::slice::from_raw_parts_mut(
                        buffer.as_ptr().cast::<std::mem::MaybeUninit<T>>(),
                        node.len,
                    )
                };
                values.fill(std::mem::MaybeUninit::new(T::from_f64(fill)));
            });
            fresh[place] = Some(buffer);
        }
        Some(fresh)
    }
}

impl Engine {
    /// Runs an optimiser's kernel on one parameter.
    fn update(&self, core: &Core, slot: usize, update: Update) {
        let slot = &core.slots[slot];
        let node = core.node(slot.node);
        let (Some(value), Some(grad)) = (core.state(slot.node).value(), slot.grad) else {
            unreachable!("a leaf has a value, and a parameter that is found a gradient")
        };
        let kernels = float_kernels(node.dtype, self.level());
        let kernel = match update.rule {
            Rule::Sgd { .. } => kernels.sgd,
            Rule::Adam { .. } => kernels.adam,
            Rule::RmsProp { .. } => kernels.rms_prop,
            Rule::Adagrad { .. } => kernels.adagrad,
            Rule::Lion { .. } => kernels.lion,
        };
        let needed = update.rule.needs().map_or([false; MOMENTS], |(_, needed)| needed);
        let moments = std::array::from_fn(|place| match slot.moments[place] {
            Some(buffer) if needed[place] => buffer.as_ptr(),
            None if needed[place] => unreachable!("taken before the first update"),
            _ => std::ptr::null_mut(),
        });
        let [a, b, c, d, e, f, g] = update.rule.numbers(slot.steps);
        let sign = if update.maximise { -1.0 } else { 1.0 };
        let step = Step { numbers: [a, b, c, d, e, f, g, sign], moments };
        let (grad, step) = (grad.as_ptr(), (&raw const step).cast::<u8>());
        let _scope = Scope::enter(core.subnormals());
        // SAFETY: value, gradient and moments are different buffers of `len` elements of the
        // dtype, and the kernel reads the moments that it needs, no others.
        unsafe { kernel(node.len, value.as_ptr(), grad, step, step, step) };
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
        let rule = Rule::Adam {
            rate: 0.1,
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            decay: 0.0,
            decoupled: false,
            amsgrad: false,
        };
        let update = Update { rule, maximise: false };
        for steps in [(1 << 31) - 2, (1 << 31) + 5, u64::from(u32::MAX)] {
            s.backward([(y, None)].into_iter()).unwrap();
            s.step(update, None).unwrap();
            // As if the averages had been there that long: no correction is left.
            s.core.slots[0].steps = steps;
            let before = s.item(x).unwrap();
            s.step(update, None).unwrap();
            let moved = (before - s.item(x).unwrap()).abs();
            assert!((1e-3..10.0).contains(&moved), "after {steps} steps: {moved}");
            assert_eq!(s.core.slots[0].steps, steps + 1);
        }
    }
}
