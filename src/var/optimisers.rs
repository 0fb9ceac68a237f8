//! Optimisers, as Rust has them.

use super::{Graph, Var};
use crate::dtype::Element;
use crate::error::Result;
use crate::graph::Optimiser;
use crate::optim::{Listed, Rule, Update};

/// The two forms of a step, for all parameters and for some.
macro_rules! steps {
    ($optimiser:ident: |$self:ident| $update:expr) => {
        impl $optimiser {
            /// Takes one step, for every leaf that requires a gradient and has one. Nothing has changed if
            /// it fails.
            #[track_caller]
            pub fn step(&self, graph: &Graph) -> Result<()> {
                graph.run(|session| session.step(self.update(), None))
            }

            /// As [`step`](Self::step), for these parameters, each of which must be a leaf that requires
            /// a gradient and has one. So one optimiser has groups of parameters with options of their
            /// own, and several optimisers are side by side.
            #[track_caller]
            pub fn step_on(&self, graph: &Graph, parameters: &[Var<'_>]) -> Result<()> {
                graph.run(|session| {
                    let mut listed = parameters.iter().map(|x| x.handle);
                    session.step(self.update(), Some(&mut listed))
                })
            }

            fn update(&$self) -> Update {
                $update
            }
        }
    };
}

/// Stochastic gradient descent with momentum: v = momentum v + (1 - dampening) g, p = p - rate v; the
/// first velocity is g. As PyTorch's `SGD`.
///
/// Without momentum nothing is remembered. The velocities are kept in the graph.
///
/// ```
/// # let graph = bumpgrad::Graph::new();
/// use bumpgrad::Sgd;
/// let weights = graph.param(&[1.0, 2.0], &[2]);
/// let bias = graph.param(&[0.5], &[]);
/// let loss = (weights.square().sum() + bias).square();
/// loss.backward()?;
/// // Two groups of parameters.
/// Sgd { momentum: 0.9, nesterov: true, ..Sgd::new(0.01) }.step_on(&graph, &[weights])?;
/// Sgd::new(0.001).step_on(&graph, &[bias])?;
/// # Ok::<(), bumpgrad::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    /// The learning rate.
    pub rate: f64,
    /// How much of the velocity stays.
    pub momentum: f64,
    /// How much of the gradient is kept from the velocity, after the first step.
    pub dampening: f64,
    /// Nesterov's momentum: p = p - rate (g + momentum v). Wants momentum, and no dampening.
    pub nesterov: bool,
    /// L2 penalty: this times the parameter is added to its gradient.
    pub decay: f64,
    /// Goes uphill: gradients count with the other sign, decay does not.
    pub maximise: bool,
}

impl Sgd {
    /// Without momentum and decay.
    pub const fn new(rate: f64) -> Self {
        Self { rate, momentum: 0.0, dampening: 0.0, nesterov: false, decay: 0.0, maximise: false }
    }
}

steps!(Sgd: |self| {
    let Self { rate, momentum, dampening, nesterov, decay, maximise } = *self;
    Update { rule: Rule::Sgd { rate, momentum, dampening, nesterov, decay }, maximise }
});

/// Adam: D. Kingma, J. Ba, "Adam: a method for stochastic optimization", 2015.
///
/// The moments are kept in the graph.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// The learning rate.
    pub rate: f64,
    /// How much of the averages of gradient and squared gradient stays.
    pub betas: [f64; 2],
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// L2 penalty: this times the parameter is added to its gradient.
    pub decay: f64,
    /// Divides by the largest second moment so far: S. Reddi, S. Kale, S. Kumar, "On the convergence of
    /// Adam and beyond", 2018 (AMSGrad).
    pub amsgrad: bool,
    /// Goes uphill: gradients count with the other sign, decay does not.
    pub maximise: bool,
}

impl Adam {
    /// With the usual betas 0.9 and 0.999, epsilon 1e-8, and no decay.
    pub const fn new(rate: f64) -> Self {
        Self {
            rate,
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            decay: 0.0,
            amsgrad: false,
            maximise: false,
        }
    }
}

steps!(Adam: |self| {
    let Self { rate, betas, epsilon, decay, amsgrad, maximise } = *self;
    let rule = Rule::Adam { rate, betas, epsilon, decay, decoupled: false, amsgrad };
    Update { rule, maximise }
});

/// Adam with decoupled weight decay: I. Loshchilov, F. Hutter, "Decoupled weight decay regularization",
/// 2019. Before each step parameters shrink to 1 - rate decay of themselves.
///
/// The moments are kept in the graph; they are [`Adam`]'s.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamW {
    /// The learning rate.
    pub rate: f64,
    /// How much of the averages of gradient and squared gradient stays.
    pub betas: [f64; 2],
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// By which part of themselves, times the rate, parameters shrink.
    pub decay: f64,
    /// Divides by the largest second moment so far: S. Reddi, S. Kale, S. Kumar, "On the convergence of
    /// Adam and beyond", 2018 (AMSGrad).
    pub amsgrad: bool,
    /// Goes uphill: gradients count with the other sign, decay does not.
    pub maximise: bool,
}

impl AdamW {
    /// With the usual betas 0.9 and 0.999, epsilon 1e-8, and decay 0.01.
    pub const fn new(rate: f64) -> Self {
        Self {
            rate,
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            decay: 0.01,
            amsgrad: false,
            maximise: false,
        }
    }
}

steps!(AdamW: |self| {
    let Self { rate, betas, epsilon, decay, amsgrad, maximise } = *self;
    let rule = Rule::Adam { rate, betas, epsilon, decay, decoupled: true, amsgrad };
    Update { rule, maximise }
});

/// RMSProp: gradients are divided by the root of a running mean of their squares. T. Tieleman, G. Hinton,
/// 2012; as PyTorch's `RMSprop`.
///
/// The averages are kept in the graph.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RmsProp {
    /// The learning rate.
    pub rate: f64,
    /// How much of the averages stays.
    pub smoothing: f64,
    /// Added to the root.
    pub epsilon: f64,
    /// How much of the velocity, which sums the divided gradients, stays.
    pub momentum: f64,
    /// Divides by the root of the variance: the mean square less the square of the mean.
    pub centred: bool,
    /// L2 penalty: this times the parameter is added to its gradient.
    pub decay: f64,
    /// Goes uphill: gradients count with the other sign, decay does not.
    pub maximise: bool,
}

impl RmsProp {
    /// With smoothing 0.99 and epsilon 1e-8, and nothing else.
    pub const fn new(rate: f64) -> Self {
        let (smoothing, epsilon) = (0.99, 1e-8);
        Self {
            rate,
            smoothing,
            epsilon,
            momentum: 0.0,
            centred: false,
            decay: 0.0,
            maximise: false,
        }
    }
}

steps!(RmsProp: |self| {
    let Self { rate, smoothing, epsilon, momentum, centred, decay, maximise } = *self;
    Update { rule: Rule::RmsProp { rate, smoothing, epsilon, momentum, centred, decay }, maximise }
});

/// Adagrad: gradients are divided by the root of the sum of all their squares. J. Duchi, E. Hazan, Y.
/// Singer, "Adaptive subgradient methods for online learning and stochastic optimization", 2011.
///
/// The sums are kept in the graph.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adagrad {
    /// The learning rate.
    pub rate: f64,
    /// At step t, from 0 on, the rate is divided by 1 + t times this.
    pub rate_decay: f64,
    /// What the sums begin with.
    pub initial: f64,
    /// Added to the root.
    pub epsilon: f64,
    /// L2 penalty: this times the parameter is added to its gradient.
    pub decay: f64,
    /// Goes uphill: gradients count with the other sign, decay does not.
    pub maximise: bool,
}

impl Adagrad {
    /// With sums from 0 on, epsilon 1e-10, and no decay of either kind.
    pub const fn new(rate: f64) -> Self {
        Self { rate, rate_decay: 0.0, initial: 0.0, epsilon: 1e-10, decay: 0.0, maximise: false }
    }
}

steps!(Adagrad: |self| {
    let Self { rate, rate_decay, initial, epsilon, decay, maximise } = *self;
    Update { rule: Rule::Adagrad { rate, rate_decay, initial, epsilon, decay }, maximise }
});

/// Lion: steps of one size, in the direction of the sign. X. Chen et al., "Symbolic discovery of
/// optimization algorithms", 2023: c = b1 m + (1 - b1) g, p = p - rate (sign c + decay p), m = b2 m +
/// (1 - b2) g.
///
/// The mean gradients are kept in the graph.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lion {
    /// The learning rate, a tenth to a third of what it would be for Adam.
    pub rate: f64,
    /// How much of the mean gradient counts in a step, and stays.
    pub betas: [f64; 2],
    /// By which part of themselves, times the rate, parameters shrink.
    pub decay: f64,
    /// Goes uphill: gradients count with the other sign, decay does not.
    pub maximise: bool,
}

impl Lion {
    /// With betas 0.9 and 0.99, and no decay.
    pub const fn new(rate: f64) -> Self {
        Self { rate, betas: [0.9, 0.99], decay: 0.0, maximise: false }
    }
}

steps!(Lion: |self| {
    let Self { rate, betas, decay, maximise } = *self;
    Update { rule: Rule::Lion { rate, betas, decay }, maximise }
});

/// What an optimiser remembers of a parameter, to be saved with its value: see
/// [`Var::optimiser_state`].
#[derive(Clone, Debug, PartialEq)]
pub struct OptimiserState<T> {
    /// Whose state it is.
    pub optimiser: Optimiser,
    /// How many steps that took.
    pub steps: u64,
    /// Its running averages, in the order that [`Optimiser`] tells, row-major in the parameter's shape.
    pub moments: [Option<Vec<T>>; 3],
}

impl Graph {
    /// Scales all gradients of leaves down by one factor, most / (norm + 1e-6), if that is below 1, for their
    /// common 2-norm, as PyTorch's `clip_grad_norm_`. Returns the norm before; a norm that is not finite is an error, and
    /// changes nothing.
    ///
    /// ```
    /// # let graph = bumpgrad::Graph::new();
    /// let x = graph.param(&[30.0, 40.0], &[2]);
    /// x.square().sum().backward()?;
    /// assert_eq!(graph.clip_grad_norm(1.0)?, 100.0);
    /// assert!((x.grad::<f64>()?.unwrap()[1] - 0.8).abs() < 1e-6);
    /// # Ok::<(), bumpgrad::Error>(())
    /// ```
    #[track_caller]
    pub fn clip_grad_norm(&self, most: f64) -> Result<f64> {
        self.run(|session| session.clip_grad_norm(most, None))
    }

    /// As [`Graph::clip_grad_norm`], of these parameters, each of which must have a gradient.
    #[track_caller]
    pub fn clip_grad_norm_of(&self, parameters: &[Var<'_>], most: f64) -> Result<f64> {
        let mut listed = parameters.iter().map(|x| x.handle);
        let listed: Listed<'_> = Some(&mut listed);
        self.run(|session| session.clip_grad_norm(most, listed))
    }

    /// Moves each element of all gradients of leaves between `-most` and `most`.
    #[track_caller]
    pub fn clip_grad_value(&self, most: f64) -> Result<()> {
        self.run(|session| session.clip_grad_value(most, None))
    }

    /// As [`Graph::clip_grad_value`], of these parameters, each of which must have a gradient.
    #[track_caller]
    pub fn clip_grad_value_of(&self, parameters: &[Var<'_>], most: f64) -> Result<()> {
        let mut listed = parameters.iter().map(|x| x.handle);
        let listed: Listed<'_> = Some(&mut listed);
        self.run(|session| session.clip_grad_value(most, listed))
    }
}

impl Var<'_> {
    /// A gradient of one's own, row-major, in place of the present one: of a leaf that requires a
    /// gradient, or of a node that retains it.
    ///
    /// ```
    /// # let graph = bumpgrad::Graph::new();
    /// let x = graph.param(&[1.0, 2.0], &[2]);
    /// x.set_grad(&[0.5, -0.5])?;
    /// bumpgrad::Sgd::new(1.0).step(&graph)?;
    /// assert_eq!(x.to_vec::<f64>()?, [0.5, 2.5]);
    /// # Ok::<(), bumpgrad::Error>(())
    /// ```
    #[track_caller]
    pub fn set_grad<T: Element>(self, data: &[T]) -> Result<()> {
        self.graph.run(|session| {
            let id = session.core.resolve("set_grad", self.handle)?;
            session.core.need_dtype("set_grad", id, T::DTYPE)?;
            session.write_grad(self.handle, bytes(data))
        })
    }

    /// What an optimiser remembers of this parameter, if one does.
    ///
    /// ```
    /// # let graph = bumpgrad::Graph::new();
    /// use bumpgrad::{Adam, Optimiser};
    /// let x = graph.param(&[1.0, 2.0], &[2]);
    /// x.square().sum().backward()?;
    /// Adam::new(0.1).step(&graph)?;
    /// let saved = x.optimiser_state::<f64>()?.unwrap();
    /// assert_eq!((saved.optimiser, saved.steps), (Optimiser::Adam, 1));
    /// x.set_optimiser_state(Some(&saved))?; // here, or in another program
    /// # Ok::<(), bumpgrad::Error>(())
    /// ```
    #[track_caller]
    pub fn optimiser_state<T: Element>(self) -> Result<Option<OptimiserState<T>>> {
        self.graph.run(|session| {
            let Some((optimiser, steps)) = session.optimiser(self.handle)? else { return Ok(None) };
            let mut moments = [const { None }; 3];
            for (place, moment) in moments.iter_mut().enumerate() {
                let kept = session.moment::<T>("optimiser_state", self.handle, place as i64)?;
                *moment = kept.map(<[T]>::to_vec);
            }
            Ok(Some(OptimiserState { optimiser, steps, moments }))
        })
    }

    /// Gives this parameter the state that another one had, or none. What no optimiser leaves is an error:
    /// moments that it does not keep, numbers that are not finite, roots of squares below 0.
    #[track_caller]
    pub fn set_optimiser_state<T: Element>(self, state: Option<&OptimiserState<T>>) -> Result<()> {
        self.graph.run(|session| {
            let id = session.core.resolve("set_optimiser_state", self.handle)?;
            session.core.need_dtype("set_optimiser_state", id, T::DTYPE)?;
            let Some(OptimiserState { optimiser, steps, moments }) = state else {
                return session.set_optimiser(self.handle, None, [None; 3]);
            };
            let moments = moments.each_ref().map(|moment| moment.as_deref().map(bytes));
            session.set_optimiser(self.handle, Some((*optimiser, *steps)), moments)
        })
    }
}

/// The bytes of elements.
fn bytes<T: Element>(data: &[T]) -> &[u8] {
    // SAFETY: elements are numbers, without padding, and every byte is one.
    unsafe { std::slice::from_raw_parts(data.as_ptr().cast(), size_of_val(data)) }
}
