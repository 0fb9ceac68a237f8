//! Optimisers. Their state lives in the graph, with each parameter.

use std::mem::offset_of;

use super::{bg_graph, bg_status, field, need_size, status};
use crate::optim::Update;

/// Options of bg_sgd_step. Start from BG_SGD_OPTIONS_INIT, which sets the defaults.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct bg_sgd_options {
    /// sizeof(bg_sgd_options)
    pub struct_size: usize,
    /// Learning rate. Default: 0.01.
    pub rate: f64,
    /// Default: 0.
    pub momentum: f64,
    /// Adds weight_decay p to the gradient of p. Default: 0.
    pub weight_decay: f64,
}

/// Options of bg_adam_step. Start from BG_ADAM_OPTIONS_INIT, which sets the defaults.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct bg_adam_options {
    /// sizeof(bg_adam_options)
    pub struct_size: usize,
    /// Learning rate. Default: 0.001.
    pub rate: f64,
    /// Decay of the running mean of gradients. Default: 0.9.
    pub beta1: f64,
    /// Decay of the running mean of squared gradients. Default: 0.999.
    pub beta2: f64,
    /// Default: 1e-8.
    pub epsilon: f64,
    /// Adds weight_decay p to the gradient of p. Default: 0.
    pub weight_decay: f64,
}

/// # Safety
/// As for `field`, or NULL.
unsafe fn number(options: *const u8, offset: usize, default: f64) -> f64 {
    // SAFETY: the caller's promise.
    if options.is_null() { default } else { unsafe { field(options, offset, default) } }
}

/// One step of gradient descent for every leaf that requires a gradient and has one; NULL for the
/// default options. Set the gradients to zero before the next backward.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_sgd_step(
    g: *mut bg_graph,
    options: *const bg_sgd_options,
) -> bg_status {
    let start = options.cast::<u8>();
    // SAFETY: the header's rules for `g`; `options` is NULL or begins with its size.
    unsafe {
        status(g, |s| {
            need_size(&mut s.core, "sgd_step", start)?;
            s.step(Update::Sgd {
                rate: number(start, offset_of!(bg_sgd_options, rate), 0.01),
                momentum: number(start, offset_of!(bg_sgd_options, momentum), 0.0),
                decay: number(start, offset_of!(bg_sgd_options, weight_decay), 0.0),
            })
        })
    }
}

/// One step of Adam for every leaf that requires a gradient and has one; NULL for the default
/// options. Set the gradients to zero before the next backward.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_adam_step(
    g: *mut bg_graph,
    options: *const bg_adam_options,
) -> bg_status {
    let start = options.cast::<u8>();
    // SAFETY: the header's rules for `g`; `options` is NULL or begins with its size.
    unsafe {
        status(g, |s| {
            need_size(&mut s.core, "adam_step", start)?;
            s.step(Update::Adam {
                rate: number(start, offset_of!(bg_adam_options, rate), 0.001),
                betas: [
                    number(start, offset_of!(bg_adam_options, beta1), 0.9),
                    number(start, offset_of!(bg_adam_options, beta2), 0.999),
                ],
                epsilon: number(start, offset_of!(bg_adam_options, epsilon), 1e-8),
                decay: number(start, offset_of!(bg_adam_options, weight_decay), 0.0),
            })
        })
    }
}
