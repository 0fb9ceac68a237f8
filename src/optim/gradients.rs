//! Gradients between backward and a step: written, and clipped.

use super::Listed;
use crate::buffer::Buffer;
use crate::dtype::{Element, with_float};
use crate::error::{ErrorKind, Maybe};
use crate::exec::Engine;
use crate::fpenv::Scope;
use crate::graph::{Core, Handle};
use crate::id::NodeId;
use crate::kernel::{FloatKernels, Kernel, call_rows, call1, float_kernels};
use crate::node::Reduction;
use crate::session::Session;

impl Session {
    /// A gradient of the caller's, in place of the present one.
    pub(crate) fn write_grad(&mut self, x: Handle, data: &[u8]) -> Maybe<()> {
        let what = "write_grad";
        let core = &mut self.core;
        core.need_own(what)?;
        let id = core.resolve(what, x)?;
        core.need_bytes(what, id, data.len())?;
        let grad = core.room_for_grad(what, id)?;
        // SAFETY: the buffer has as many bytes, just compared, and is not the caller's.
        unsafe { std::ptr::copy_nonoverlapping(data.as_ptr(), grad.as_ptr(), data.len()) };
        Ok(())
    }

    /// Scales gradients down by one factor, most / (norm + 1e-6) if that is below 1; the norm that they had.
    pub(crate) fn clip_grad_norm(&mut self, most: f64, listed: Listed<'_>) -> Maybe<f64> {
        let what = "clip_grad_norm";
        self.prepare_to_clip(what, "norm", most, listed)?;
        let Self { core, engine, xs, .. } = self;
        let mut total = 0.0;
        for &x in &*xs {
            let norm = engine.norm_of_grad(core, x);
            if !norm.is_finite() {
                return Err(core.fail_with(|core, slot| {
                    let leaf = core.describe(x);
                    slot.set(
                        ErrorKind::Gradient,
                        format_args!("{what}: the norm of the gradient of {x}, {leaf}, is {norm}"),
                    )
                }));
            }
            total = libm::hypot(total, norm);
        }
        // PyTorch's factor, with what it adds against a division by 0.
        let factor = most / (total + 1e-6);
        if factor < 1.0 {
            engine.change_grads(core, xs, |kernels| kernels.scale, factor);
        }
        Ok(total)
    }

    /// Moves each element of gradients between `-most` and `most`.
    pub(crate) fn clip_grad_value(&mut self, most: f64, listed: Listed<'_>) -> Maybe<()> {
        self.prepare_to_clip("clip_grad_value", "value", most, listed)?;
        self.engine.change_grads(&mut self.core, &self.xs, |kernels| kernels.bound, most);
        Ok(())
    }

    fn prepare_to_clip(
        &mut self,
        what: &str,
        name: &str,
        most: f64,
        listed: Listed<'_>,
    ) -> Maybe<()> {
        self.core.need_own(what)?;
        if most.is_nan() || most < 0.0 {
            return Err(self.core.fail(
                ErrorKind::Argument,
                format_args!("{what}: the largest {name} must be at least 0, not {most}"),
            ));
        }
        if self.core.is_torn {
            return Err(self.core.torn(what));
        }
        self.find_parameters(what, listed)
    }
}

impl Core {
    /// The buffer for a gradient of the caller's, made where there is none.
    fn room_for_grad(&mut self, what: &str, x: NodeId) -> Maybe<Buffer> {
        if self.is_torn {
            return Err(self.torn(what));
        }
        let slot = match self.node(x).has_slot() {
            true => self.node(x).slot as usize,
            false => self.need_parameter(what, x)?,
        };
        if let Some(grad) = self.slots[slot].grad {
            return Ok(grad);
        }
        let bytes = self.node(x).len * self.node(x).dtype.size();
        let grad = self.pool.take(bytes).map_err(|_| self.out_of_memory(what))?;
        // SAFETY: the buffer is new, and has as many bytes; zero bytes are float zeros.
        unsafe { grad.as_ptr().write_bytes(0, bytes) };
        self.slots[slot].grad = Some(grad);
        Ok(grad)
    }
}

impl Engine {
    /// The 2-norm of a gradient.
    fn norm_of_grad(&self, core: &Core, x: NodeId) -> f64 {
        let node = core.node(x);
        let Some(grad) = core.slots[node.slot as usize].grad else { return 0.0 };
        let kernel = float_kernels(node.dtype, self.level()).rows(Reduction::Norm);
        let _scope = Scope::enter(core.subnormals());
        with_float!(node.dtype, T => {
            let mut norm = T::default();
            let out: *mut T = &raw mut norm;
            // SAFETY: the gradient has `len` elements of the kernel's type, and the result is one.
            unsafe { call_rows(kernel, 1, node.len, out.cast(), grad.as_ptr()) };
            norm.to_f64()
        })
    }

    /// Runs a kernel on gradients in place.
    fn change_grads(
        &self,
        core: &mut Core,
        xs: &[NodeId],
        kernel: impl Fn(&FloatKernels) -> Kernel,
        number: f64,
    ) {
        core.is_torn = true;
        let operand = (&raw const number).cast::<u8>();
        for &x in xs {
            core.fail_point.pass();
            let node = core.node(x);
            let Some(grad) = core.slots[node.slot as usize].grad else { continue };
            let kernel = kernel(float_kernels(node.dtype, self.level()));
            let _scope = Scope::enter(core.subnormals());
            // SAFETY: the gradient has `len` elements of the kernel's type; the operand is its number.
            unsafe { call1(kernel, node.len, grad.as_ptr(), operand) };
        }
        core.is_torn = false;
    }
}
