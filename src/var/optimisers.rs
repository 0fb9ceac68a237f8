//! Optimisers, as Rust has them.

use super::Graph;
use crate::error::Result;
use crate::optim::Update;

/// Stochastic gradient descent with momentum: v = momentum v + g, p = p - rate v.
///
/// Acts on every leaf that requires a gradient and has one. The velocities are kept in the graph.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    /// The learning rate.
    pub rate: f64,
    /// How much of the velocity stays.
    pub momentum: f64,
    /// L2 penalty: this times the parameter is added to its gradient.
    pub decay: f64,
}

impl Sgd {
    /// Without momentum and decay.
    pub const fn new(rate: f64) -> Self {
        Self { rate, momentum: 0.0, decay: 0.0 }
    }

    /// Takes one step. Nothing has changed if it fails.
    #[track_caller]
    pub fn step(&self, graph: &Graph) -> Result<()> {
        let Self { rate, momentum, decay } = *self;
        graph.run(|session| session.step(Update::Sgd { rate, momentum, decay }))
    }
}

/// Adam: D. Kingma, J. Ba, "Adam: a method for stochastic optimization", 2015.
///
/// Acts on every leaf that requires a gradient and has one. The moments are kept in the graph.
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
}

impl Adam {
    /// With the usual betas 0.9 and 0.999, epsilon 1e-8, and no decay.
    pub const fn new(rate: f64) -> Self {
        Self { rate, betas: [0.9, 0.999], epsilon: 1e-8, decay: 0.0 }
    }

    /// Takes one step. Nothing has changed if it fails.
    #[track_caller]
    pub fn step(&self, graph: &Graph) -> Result<()> {
        let Self { rate, betas, epsilon, decay } = *self;
        graph.run(|session| session.step(Update::Adam { rate, betas, epsilon, decay }))
    }
}
