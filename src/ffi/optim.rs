//! Optimisers: their steps, what is done to gradients before them, and learning rates.

use std::ffi::c_void;

use super::arguments::{flag, option};
use super::{bg_graph, bg_node, bg_status, input, need_size, null_pointer, status};
use crate::error::Maybe;
use crate::graph::Handle;
use crate::optim::{Listed, Rule, Update, schedule};
use crate::session::Session;

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
    /// How much of the gradient is kept from the velocity, after the first step. Default: 0.
    pub dampening: f64,
    /// Nesterov's momentum, which wants momentum and no dampening. Default: false.
    pub nesterov: bool,
    /// Goes uphill: gradients count with the other sign, weight decay does not. Default: false.
    pub maximize: bool,
}

/// Options of bg_adam_step and bg_adamw_step. Start from BG_ADAM_OPTIONS_INIT or
/// BG_ADAMW_OPTIONS_INIT, which set the defaults.
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
    /// For bg_adam_step: adds weight_decay p to the gradient of p. Default: 0. For bg_adamw_step:
    /// subtracts rate weight_decay p from p. Default: 0.01.
    pub weight_decay: f64,
    /// Divides by the largest second moment so far (S. Reddi, S. Kale, S. Kumar, 2018). Default: false.
    pub amsgrad: bool,
    /// Goes uphill: gradients count with the other sign, weight decay does not. Default: false.
    pub maximize: bool,
}

/// Options of bg_rmsprop_step. Start from BG_RMSPROP_OPTIONS_INIT, which sets the defaults.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct bg_rmsprop_options {
    /// sizeof(bg_rmsprop_options)
    pub struct_size: usize,
    /// Learning rate. Default: 0.01.
    pub rate: f64,
    /// Decay of the running averages. Default: 0.99.
    pub smoothing: f64,
    /// Default: 1e-8.
    pub epsilon: f64,
    /// Default: 0.
    pub momentum: f64,
    /// Adds weight_decay p to the gradient of p. Default: 0.
    pub weight_decay: f64,
    /// Divides by the root of the variance, not of the mean square. Default: false.
    pub centered: bool,
    /// Goes uphill: gradients count with the other sign, weight decay does not. Default: false.
    pub maximize: bool,
}

/// Options of bg_adagrad_step. Start from BG_ADAGRAD_OPTIONS_INIT, which sets the defaults.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct bg_adagrad_options {
    /// sizeof(bg_adagrad_options)
    pub struct_size: usize,
    /// Learning rate. Default: 0.01.
    pub rate: f64,
    /// At step t, from 0 on, the rate is divided by 1 + t rate_decay. Default: 0.
    pub rate_decay: f64,
    /// What the sums of squares begin with. Default: 0.
    pub initial: f64,
    /// Default: 1e-10.
    pub epsilon: f64,
    /// Adds weight_decay p to the gradient of p. Default: 0.
    pub weight_decay: f64,
    /// Goes uphill: gradients count with the other sign, weight decay does not. Default: false.
    pub maximize: bool,
}

/// Options of bg_lion_step. Start from BG_LION_OPTIONS_INIT, which sets the defaults.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct bg_lion_options {
    /// sizeof(bg_lion_options)
    pub struct_size: usize,
    /// Learning rate. Default: 0.0001.
    pub rate: f64,
    /// How much of the mean gradient counts in a step. Default: 0.9.
    pub beta1: f64,
    /// How much of the mean gradient stays. Default: 0.99.
    pub beta2: f64,
    /// Subtracts rate weight_decay p from p. Default: 0.
    pub weight_decay: f64,
    /// Goes uphill: gradients count with the other sign, weight decay does not. Default: false.
    pub maximize: bool,
}

/// A list of nodes, NULL for all.
#[derive(Clone, Copy)]
struct Parameters(Option<(*const bg_node, usize)>);

/// Calls with the nodes of a list, or with none where all are meant.
///
/// # Safety
/// As for `input`.
unsafe fn with_listed<R>(
    s: &mut Session,
    what: &str,
    Parameters(list): Parameters,
    call: impl FnOnce(&mut Session, Listed<'_>) -> Maybe<R>,
) -> Maybe<R> {
    let Some((start, n)) = list else { return call(s, None) };
    // SAFETY: the caller's promise.
    let list = unsafe { input(&mut s.core, what, start, n) }?;
    call(s, Some(&mut list.iter().map(Handle::from)))
}

/// # Safety
/// As for `call`, `input` and `need_size`; `update` reads the options, which then begin with a size.
unsafe fn step(
    g: *mut bg_graph,
    what: &str,
    parameters: Parameters,
    options: *const u8,
    update: unsafe fn(*const u8) -> Update,
) -> bg_status {
    // SAFETY: the caller's promise.
    unsafe {
        status(g, |s| {
            need_size(&mut s.core, what, options)?;
            let update = update(options);
            with_listed(s, what, parameters, |s, listed| s.step(update, listed))
        })
    }
}

/// # Safety
/// `o` is NULL or points to options that are as long as they say.
unsafe fn sgd(o: *const u8) -> Update {
    // SAFETY: the caller's promise.
    unsafe {
        let rule = Rule::Sgd {
            rate: option!(o: bg_sgd_options, rate, 0.01),
            momentum: option!(o: bg_sgd_options, momentum, 0.0),
            dampening: option!(o: bg_sgd_options, dampening, 0.0),
            nesterov: flag!(o: bg_sgd_options, nesterov),
            decay: option!(o: bg_sgd_options, weight_decay, 0.0),
        };
        Update { rule, maximise: flag!(o: bg_sgd_options, maximize) }
    }
}

/// # Safety
/// As for `sgd`.
unsafe fn adam_or_adamw(o: *const u8, decoupled: bool, decay: f64) -> Update {
    // SAFETY: the caller's promise.
    unsafe {
        let rule = Rule::Adam {
            rate: option!(o: bg_adam_options, rate, 0.001),
            betas: [
                option!(o: bg_adam_options, beta1, 0.9),
                option!(o: bg_adam_options, beta2, 0.999),
            ],
            epsilon: option!(o: bg_adam_options, epsilon, 1e-8),
            decay: option!(o: bg_adam_options, weight_decay, decay),
            decoupled,
            amsgrad: flag!(o: bg_adam_options, amsgrad),
        };
        Update { rule, maximise: flag!(o: bg_adam_options, maximize) }
    }
}

/// # Safety
/// As for `sgd`.
unsafe fn adam(o: *const u8) -> Update {
    // SAFETY: the caller's promise.
    unsafe { adam_or_adamw(o, false, 0.0) }
}

/// # Safety
/// As for `sgd`.
unsafe fn adamw(o: *const u8) -> Update {
    // SAFETY: the caller's promise.
    unsafe { adam_or_adamw(o, true, 0.01) }
}

/// # Safety
/// As for `sgd`.
unsafe fn rmsprop(o: *const u8) -> Update {
    // SAFETY: the caller's promise.
    unsafe {
        let rule = Rule::RmsProp {
            rate: option!(o: bg_rmsprop_options, rate, 0.01),
            smoothing: option!(o: bg_rmsprop_options, smoothing, 0.99),
            epsilon: option!(o: bg_rmsprop_options, epsilon, 1e-8),
            momentum: option!(o: bg_rmsprop_options, momentum, 0.0),
            centred: flag!(o: bg_rmsprop_options, centered),
            decay: option!(o: bg_rmsprop_options, weight_decay, 0.0),
        };
        Update { rule, maximise: flag!(o: bg_rmsprop_options, maximize) }
    }
}

/// # Safety
/// As for `sgd`.
unsafe fn adagrad(o: *const u8) -> Update {
    // SAFETY: the caller's promise.
    unsafe {
        let rule = Rule::Adagrad {
            rate: option!(o: bg_adagrad_options, rate, 0.01),
            rate_decay: option!(o: bg_adagrad_options, rate_decay, 0.0),
            initial: option!(o: bg_adagrad_options, initial, 0.0),
            epsilon: option!(o: bg_adagrad_options, epsilon, 1e-10),
            decay: option!(o: bg_adagrad_options, weight_decay, 0.0),
        };
        Update { rule, maximise: flag!(o: bg_adagrad_options, maximize) }
    }
}

/// # Safety
/// As for `sgd`.
unsafe fn lion(o: *const u8) -> Update {
    // SAFETY: the caller's promise.
    unsafe {
        let rule = Rule::Lion {
            rate: option!(o: bg_lion_options, rate, 0.0001),
            betas: [
                option!(o: bg_lion_options, beta1, 0.9),
                option!(o: bg_lion_options, beta2, 0.99),
            ],
            decay: option!(o: bg_lion_options, weight_decay, 0.0),
        };
        Update { rule, maximise: flag!(o: bg_lion_options, maximize) }
    }
}

/// One step of gradient descent for every leaf that requires a gradient and has one; NULL for the
/// default options. BG_ERR_ARGUMENT for numbers out of range; no parameter has changed if it fails. Set
/// the gradients to zero before the next backward.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_sgd_step(
    g: *mut bg_graph,
    options: *const bg_sgd_options,
) -> bg_status {
    // SAFETY: the header's rules for `g`; `options` is NULL or begins with its size.
    unsafe { step(g, "sgd_step", Parameters(None), options.cast(), sgd) }
}

/// As bg_sgd_step, for a group of n parameters, each a leaf that requires a gradient and has one
/// (BG_ERR_GRADIENT for others), and none of them twice (BG_ERR_ARGUMENT).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_sgd_step_on(
    g: *mut bg_graph,
    parameters: *const bg_node,
    n: usize,
    options: *const bg_sgd_options,
) -> bg_status {
    let list = Parameters(Some((parameters, n)));
    // SAFETY: the header's rules for `g` and `parameters`; `options` is NULL or begins with its size.
    unsafe { step(g, "sgd_step", list, options.cast(), sgd) }
}

/// As bg_sgd_step, by Adam.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_adam_step(
    g: *mut bg_graph,
    options: *const bg_adam_options,
) -> bg_status {
    // SAFETY: the header's rules for `g`; `options` is NULL or begins with its size.
    unsafe { step(g, "adam_step", Parameters(None), options.cast(), adam) }
}

/// As bg_sgd_step_on, by Adam.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_adam_step_on(
    g: *mut bg_graph,
    parameters: *const bg_node,
    n: usize,
    options: *const bg_adam_options,
) -> bg_status {
    let list = Parameters(Some((parameters, n)));
    // SAFETY: the header's rules for `g` and `parameters`; `options` is NULL or begins with its size.
    unsafe { step(g, "adam_step", list, options.cast(), adam) }
}

/// As bg_sgd_step, by Adam with decoupled weight decay.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_adamw_step(
    g: *mut bg_graph,
    options: *const bg_adam_options,
) -> bg_status {
    // SAFETY: the header's rules for `g`; `options` is NULL or begins with its size.
    unsafe { step(g, "adamw_step", Parameters(None), options.cast(), adamw) }
}

/// As bg_sgd_step_on, by Adam with decoupled weight decay.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_adamw_step_on(
    g: *mut bg_graph,
    parameters: *const bg_node,
    n: usize,
    options: *const bg_adam_options,
) -> bg_status {
    let list = Parameters(Some((parameters, n)));
    // SAFETY: the header's rules for `g` and `parameters`; `options` is NULL or begins with its size.
    unsafe { step(g, "adamw_step", list, options.cast(), adamw) }
}

/// As bg_sgd_step, by RMSProp.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_rmsprop_step(
    g: *mut bg_graph,
    options: *const bg_rmsprop_options,
) -> bg_status {
    // SAFETY: the header's rules for `g`; `options` is NULL or begins with its size.
    unsafe { step(g, "rmsprop_step", Parameters(None), options.cast(), rmsprop) }
}

/// As bg_sgd_step_on, by RMSProp.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_rmsprop_step_on(
    g: *mut bg_graph,
    parameters: *const bg_node,
    n: usize,
    options: *const bg_rmsprop_options,
) -> bg_status {
    let list = Parameters(Some((parameters, n)));
    // SAFETY: the header's rules for `g` and `parameters`; `options` is NULL or begins with its size.
    unsafe { step(g, "rmsprop_step", list, options.cast(), rmsprop) }
}

/// As bg_sgd_step, by Adagrad.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_adagrad_step(
    g: *mut bg_graph,
    options: *const bg_adagrad_options,
) -> bg_status {
    // SAFETY: the header's rules for `g`; `options` is NULL or begins with its size.
    unsafe { step(g, "adagrad_step", Parameters(None), options.cast(), adagrad) }
}

/// As bg_sgd_step_on, by Adagrad.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_adagrad_step_on(
    g: *mut bg_graph,
    parameters: *const bg_node,
    n: usize,
    options: *const bg_adagrad_options,
) -> bg_status {
    let list = Parameters(Some((parameters, n)));
    // SAFETY: the header's rules for `g` and `parameters`; `options` is NULL or begins with its size.
    unsafe { step(g, "adagrad_step", list, options.cast(), adagrad) }
}

/// As bg_sgd_step, by Lion.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_lion_step(
    g: *mut bg_graph,
    options: *const bg_lion_options,
) -> bg_status {
    // SAFETY: the header's rules for `g`; `options` is NULL or begins with its size.
    unsafe { step(g, "lion_step", Parameters(None), options.cast(), lion) }
}

/// As bg_sgd_step_on, by Lion.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_lion_step_on(
    g: *mut bg_graph,
    parameters: *const bg_node,
    n: usize,
    options: *const bg_lion_options,
) -> bg_status {
    let list = Parameters(Some((parameters, n)));
    // SAFETY: the header's rules for `g` and `parameters`; `options` is NULL or begins with its size.
    unsafe { step(g, "lion_step", list, options.cast(), lion) }
}

/// Scales all gradients of leaves down by one factor, most / (norm + 1e-6), if that is below 1, for their
/// common 2-norm: PyTorch's `clip_grad_norm_`. `most` may be infinite. The norm that they had goes to `norm`, unless that is NULL. A norm that is not
/// finite is BG_ERR_GRADIENT, and a `most` below 0 or NaN BG_ERR_ARGUMENT: nothing has changed then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_clip_grad_norm(
    g: *mut bg_graph,
    most: f64,
    norm: *mut f64,
) -> bg_status {
    // SAFETY: the header's rules for `g` and `norm`.
    unsafe { clip_norm(g, Parameters(None), most, norm) }
}

/// As bg_clip_grad_norm, of n leaves, each of which requires a gradient and has one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_clip_grad_norm_of(
    g: *mut bg_graph,
    parameters: *const bg_node,
    n: usize,
    most: f64,
    norm: *mut f64,
) -> bg_status {
    // SAFETY: the header's rules for `g`, `parameters` and `norm`.
    unsafe { clip_norm(g, Parameters(Some((parameters, n))), most, norm) }
}

/// # Safety
/// As for `call` and `input`; `norm` is NULL or valid for writing.
unsafe fn clip_norm(g: *mut bg_graph, list: Parameters, most: f64, norm: *mut f64) -> bg_status {
    // SAFETY: the caller's promise.
    unsafe {
        status(g, |s| {
            with_listed(s, "clip_grad_norm", list, |s, listed| {
                let total = s.clip_grad_norm(most, listed)?;
                if !norm.is_null() {
                    norm.write_unaligned(total);
                }
                Ok(())
            })
        })
    }
}

/// Moves each element of all gradients of leaves between -most and most. BG_ERR_ARGUMENT where it
/// is below 0 or NaN.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_clip_grad_value(g: *mut bg_graph, most: f64) -> bg_status {
    // SAFETY: the header's rules for `g`.
    unsafe { status(g, |s| s.clip_grad_value(most, None)) }
}

/// As bg_clip_grad_value, of n leaves, each of which requires a gradient and has one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_clip_grad_value_of(
    g: *mut bg_graph,
    parameters: *const bg_node,
    n: usize,
    most: f64,
) -> bg_status {
    let list = Parameters(Some((parameters, n)));
    // SAFETY: the header's rules for `g` and `parameters`.
    unsafe {
        status(g, |s| {
            with_listed(s, "clip_grad_value", list, |s, listed| s.clip_grad_value(most, listed))
        })
    }
}

/// Copies `data`, row-major, which has exactly the size of x in bytes, to the gradient of x, in place of
/// the present one: of a leaf that requires a gradient, or of a node that retains it (see
/// bg_retain_grad); BG_ERR_GRADIENT for others.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_write_grad(
    g: *mut bg_graph,
    x: bg_node,
    data: *const c_void,
    bytes: usize,
) -> bg_status {
    // SAFETY: the header's rules for `g` and `data`.
    unsafe {
        status(g, |s| {
            let data = byte_list(s, "write_grad", data, bytes)?;
            s.write_grad(x.into(), data)
        })
    }
}

/// # Safety
/// `data` is NULL or valid for reading so many bytes, during this call of the library.
unsafe fn byte_list<'a>(
    s: &mut Session,
    what: &str,
    data: *const c_void,
    bytes: usize,
) -> Maybe<&'a [u8]> {
    match (data.is_null(), bytes) {
        (_, 0) => Ok(&[]),
        (true, _) => Err(null_pointer(&mut s.core, what)),
        // SAFETY: the caller's promise.
        (false, _) => Ok(unsafe { std::slice::from_raw_parts(data.cast(), bytes) }),
    }
}

/// A learning rate: half a wave of a cosine from `first` at step 0 to `last` at step `total`, and `last`
/// from then on.
#[unsafe(no_mangle)]
pub extern "C" fn bg_schedule_cosine(step: u64, total: u64, first: f64, last: f64) -> f64 {
    schedule::cosine(step, total, first, last)
}

/// A factor of a learning rate that rises evenly from `first` at step 0 to 1 at step `total`, and stays
/// there.
#[unsafe(no_mangle)]
pub extern "C" fn bg_schedule_warm_up(step: u64, total: u64, first: f64) -> f64 {
    schedule::warm_up(step, total, first)
}

/// A factor of a learning rate that is multiplied by `gamma` every so many steps; 1, if that is 0.
#[unsafe(no_mangle)]
pub extern "C" fn bg_schedule_step(step: u64, every: u64, gamma: f64) -> f64 {
    schedule::step(step, every, gamma)
}
