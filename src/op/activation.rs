//! Activations, and other functions of one tensor that are expressions of the rules.
//!
//! A branch that is not taken must not be infinite in slope either: 0 times infinity is NaN. So it is
//! given an operand at which it is harmless.

use crate::error::Maybe;
use crate::graph::Core;
use crate::id::NodeId;
use crate::op::record::Rec;
use crate::real::Real;

fn lit<'a>(x: f64) -> Rec<'a> {
    Rec::lit(x)
}

/// `yes` above 0, else `no`.
fn above<'a>(x: Rec<'a>, yes: Rec<'a>, no: Rec<'a>) -> Rec<'a> {
    Real::select(lit(0.0).lt(x), yes, no)
}

/// `yes` up to 0, else `no`, which is also for NaN.
fn up_to<'a>(x: Rec<'a>, yes: Rec<'a>, no: Rec<'a>) -> Rec<'a> {
    Real::select(x.le(lit(0.0)), yes, no)
}

/// x, or 0 above it: the slope at 0 is 1.
fn negative(x: Rec<'_>) -> Rec<'_> {
    up_to(x, x, lit(0.0))
}

impl Core {
    /// x above 0, else `slope` times x. Gradient: 1 above 0, else the slope.
    ///
    /// - PyTorch: `F.leaky_relu(x, slope)`
    /// - Cases: `elementwise(-3, 3, 0), slope=.01`; `elementwise(-3, 3, 0), slope=1.5`
    pub(crate) fn leaky_relu(&mut self, x: NodeId, slope: f64) -> Maybe<NodeId> {
        self.expression("leaky_relu", [x], |[x]| above(x, x, lit(slope) * x))
    }

    /// x above 0, else alpha (e^x - 1). Gradient: 1 above 0, else alpha e^x.
    /// D. Clevert, T. Unterthiner, S. Hochreiter, 2015.
    ///
    /// - PyTorch: `F.elu(x, alpha)`
    /// - Cases: `elementwise(-3, 3, 0), alpha=1.`; `elementwise(-3, 3, 0), alpha=.7`
    pub(crate) fn elu(&mut self, x: NodeId, alpha: f64) -> Maybe<NodeId> {
        self.expression("elu", [x], |[x]| up_to(x, lit(alpha) * negative(x).expm1(), x))
    }
}
