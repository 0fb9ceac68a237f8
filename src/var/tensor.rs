//! What can be asked of a tensor.

use super::{Graph, Var};
use crate::dtype::{DType, Element};
use crate::error::Result;
use crate::exec::PlanMemory;
use crate::graph::{Core, Handle, Operand};
use crate::roll_call::Elem;

impl<'g> Var<'g> {
    /// The graph this tensor belongs to.
    pub fn graph(self) -> &'g Graph {
        self.graph
    }

    /// Whether this is the result of an operation that failed.
    pub fn is_null(self) -> bool {
        self.handle == Handle::NULL
    }

    /// x times a number.
    #[track_caller]
    pub fn scale(self, factor: f64) -> Self {
        self.map("mul", |core, x| core.map2(Elem::Mul, x, Operand::Constant(factor)))
    }

    /// x plus a number.
    #[track_caller]
    pub fn add_scalar(self, term: f64) -> Self {
        self.map("add", |core, x| core.map2(Elem::Add, x, Operand::Constant(term)))
    }

    /// x to the power of a number. Derivative: c x^(c-1), 0 for c = 0.
    #[track_caller]
    pub fn pow_scalar(self, exponent: f64) -> Self {
        self.map("pow", |core, x| core.pow_scalar(x, exponent))
    }

    /// x, but at least `min` and at most `max`; an absent bound does nothing. Derivative: 1 between
    /// the bounds, 0 at and beyond them. Where `min` is above `max`, all elements become `max`.
    #[track_caller]
    pub fn clamp(self, min: Option<f64>, max: Option<f64>) -> Self {
        self.map("clamp", |core, x| core.clamp(x, min, max))
    }

    /// `yes` where this u8 mask is set, else `no`; all three are broadcast to one another. The
    /// gradient goes to whichever was taken.
    #[track_caller]
    pub fn where_(self, yes: Self, no: Self) -> Self {
        self.operation("where", [self.handle, yes.handle, no.handle], |core, [mask, yes, no]| {
            core.where_(mask, yes, no)
        })
    }

    /// The same numbers as another dtype; floats become integers towards zero, numbers beyond an
    /// integer type's range its nearest end, and NaN 0. The gradient is cast back.
    #[track_caller]
    pub fn cast(self, dtype: DType) -> Self {
        self.map("cast", |core, x| core.cast(x, dtype))
    }

    // ---- gradients ----

    /// The same value, through which no gradient flows. It still follows the leaves.
    #[track_caller]
    pub fn detach(self) -> Self {
        self.map("detach", Core::detach)
    }

    /// A constant with the value of now, which stays when leaves change.
    #[track_caller]
    pub fn snapshot(self) -> Self {
        self.graph.offer(|session| session.snapshot(self.handle))
    }

    /// Adds the gradient of this single element to those of the leaves it depends on.
    ///
    /// The value is computed on the way and kept, so read it afterwards: to read it before costs one
    /// more forward, in which what lies between is not kept.
    #[track_caller]
    pub fn backward(self) -> Result<()> {
        self.graph.backward(&[(self, None)])
    }

    /// As [`Var::backward`], for a tensor of any shape with a head gradient of the same.
    #[track_caller]
    pub fn backward_with(self, head: Self) -> Result<()> {
        self.graph.backward(&[(self, Some(head))])
    }

    /// The accumulated gradient, row-major in the tensor's shape; `None` before the first backward
    /// and after [`Var::zero_grad`].
    #[track_caller]
    pub fn grad<T: Element>(self) -> Result<Option<Vec<T>>> {
        self.graph.run(|session| {
            let grad = session.grad_values::<T>(self.handle)?;
            Ok(grad.map(<[T]>::to_vec))
        })
    }

    /// The accumulated gradient as a constant, or `None`.
    #[track_caller]
    pub fn grad_tensor(self) -> Result<Option<Self>> {
        let handle = self.graph.run(|session| Ok(session.grad_leaf(self.handle)))?;
        self.graph.check()?;
        Ok((handle != Handle::NULL).then_some(Self { graph: self.graph, handle }))
    }

    /// Unsets the gradient.
    #[track_caller]
    pub fn zero_grad(self) -> Result<()> {
        self.graph.run(|session| session.zero_grad(self.handle))
    }

    /// Lets a tensor that is no leaf keep its gradient from backward.
    #[track_caller]
    pub fn retain_grad(self) -> Result<()> {
        self.graph.run(|session| session.retain_grad(self.handle))
    }

    /// Whether gradients flow to this tensor.
    #[track_caller]
    pub fn requires_grad(self) -> Result<bool> {
        self.graph.run(|session| session.requires_grad(self.handle))
    }

    /// Sets whether gradients flow to this leaf. Nodes recorded before are not changed.
    #[track_caller]
    pub fn set_requires_grad(self, on: bool) -> Result<()> {
        self.graph.run(|session| {
            let id = session.core.resolve("set_requires_grad", self.handle)?;
            session.core.set_requires_grad(id, on)
        })
    }

    // ---- reading and writing ----

    /// The elements, row-major, computed if need be. `T` must be the tensor's dtype.
    #[track_caller]
    pub fn to_vec<T: Element>(self) -> Result<Vec<T>> {
        self.graph.run(|session| Ok(session.values::<T>("to_vec", self.handle)?.to_vec()))
    }

    /// As [`Var::to_vec`], into memory of the caller, which has as many elements.
    #[track_caller]
    pub fn read_into<T: Element>(self, out: &mut [T]) -> Result<()> {
        self.graph.run(|session| session.read_into(self.handle, out))
    }

    /// Computes the value if need be, without reading it.
    #[track_caller]
    pub fn eval(self) -> Result<()> {
        self.graph.run(|session| session.eval(self.handle))
    }

    /// What memory computing the value takes, before it is computed: nothing where it is there. The plan
    /// that is made is the one that is run next.
    ///
    /// Fails when the [memory budget](Graph::set_memory_budget) is too small.
    #[track_caller]
    pub fn plan_memory(self) -> Result<PlanMemory> {
        let mut memory = PlanMemory::default();
        self.graph.run(|session| {
            memory = session.plan_memory(self.handle)?;
            Ok(())
        })?;
        Ok(memory)
    }

    /// The only element, of any dtype, as f64.
    #[track_caller]
    pub fn item(self) -> Result<f64> {
        self.graph.run(|session| session.item(self.handle))
    }

    /// New data for a leaf, row-major: everything downstream will be computed anew.
    #[track_caller]
    pub fn write<T: Element>(self, data: &[T]) -> Result<()> {
        self.graph.run(|session| session.write(self.handle, data))
    }

    /// The axis lengths.
    #[track_caller]
    pub fn shape(self) -> Result<Vec<usize>> {
        self.graph.run(|session| Ok(session.shape(self.handle)?.to_vec()))
    }

    /// The element type.
    #[track_caller]
    pub fn dtype(self) -> Result<DType> {
        self.graph.run(|session| session.dtype(self.handle))
    }

    /// The name of the operation that made this tensor; `None` for a leaf.
    #[track_caller]
    pub fn op_name(self) -> Result<Option<String>> {
        self.graph.run(|session| Ok(session.op_name(self.handle)?.map(String::from)))
    }

    /// Names the tensor in error messages. Returns it, so that it can be named where it is made.
    #[track_caller]
    pub fn label(self, text: &str) -> Self {
        self.map("label", |core, x| core.set_label(x, text).map(|()| x))
    }
}
