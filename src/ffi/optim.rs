//! Optimisers. Their state lives in the graph, with each parameter.

use std::ffi::c_void;
use std::mem::offset_of;

use super::read::need_room;
use super::{bg_graph, bg_node, bg_status, field, input, need_size, null_pointer, status};
use crate::dtype::with_float;
use crate::error::{ErrorKind, Maybe};
use crate::graph::{Handle, MOMENTS, Optimiser};
use crate::optim::{Listed, Update, schedule};
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
}

/// No optimiser: see bg_optimiser.
pub const BG_OPTIMISER_NONE: i32 = 0;
/// SGD with momentum. Moment 0: the velocity.
pub const BG_OPTIMISER_SGD: i32 = 1;
/// Adam and AdamW. Moments: the mean gradient, and the root of the mean squared gradient.
pub const BG_OPTIMISER_ADAM: i32 = 2;
/// RMSProp. Moments: the root of the mean squared gradient, the mean gradient if it is centered, the
/// velocity if there is momentum.
pub const BG_OPTIMISER_RMSPROP: i32 = 3;
/// Adagrad. Moment 0: the root of the sum of squared gradients.
pub const BG_OPTIMISER_ADAGRAD: i32 = 4;
/// Lion. Moment 0: the mean gradient.
pub const BG_OPTIMISER_LION: i32 = 5;

/// How many moments an optimiser may keep for a parameter.
pub const BG_MOMENTS: i32 = 3;

const _: () = assert!(BG_MOMENTS as usize == MOMENTS);

/// # Safety
/// As for `field`, or NULL.
unsafe fn option<T: Copy>(options: *const u8, offset: usize, default: T) -> T {
    // SAFETY: the caller's promise.
    if options.is_null() { default } else { unsafe { field(options, offset, default) } }
}

/// A field of an options struct, or its default.
macro_rules! option {
    ($options:ident: $struct:ident, $field:ident, $default:expr) => {
        option($options, offset_of!($struct, $field), $default)
    };
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
        Update::Sgd {
            rate: option!(o: bg_sgd_options, rate, 0.01),
            momentum: option!(o: bg_sgd_options, momentum, 0.0),
            dampening: option!(o: bg_sgd_options, dampening, 0.0),
            // (Read as a byte: the caller's may hold any.)
            nesterov: option!(o: bg_sgd_options, nesterov, 0u8) != 0,
            decay: option!(o: bg_sgd_options, weight_decay, 0.0),
        }
    }
}

/// # Safety
/// As for `sgd`.
unsafe fn adam_or_adamw(o: *const u8, decoupled: bool, decay: f64) -> Update {
    // SAFETY: the caller's promise.
    unsafe {
        Update::Adam {
            rate: option!(o: bg_adam_options, rate, 0.001),
            betas: [
                option!(o: bg_adam_options, beta1, 0.9),
                option!(o: bg_adam_options, beta2, 0.999),
            ],
            epsilon: option!(o: bg_adam_options, epsilon, 1e-8),
            decay: option!(o: bg_adam_options, weight_decay, decay),
            decoupled,
        }
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
        Update::RmsProp {
            rate: option!(o: bg_rmsprop_options, rate, 0.01),
            smoothing: option!(o: bg_rmsprop_options, smoothing, 0.99),
            epsilon: option!(o: bg_rmsprop_options, epsilon, 1e-8),
            momentum: option!(o: bg_rmsprop_options, momentum, 0.0),
            centred: option!(o: bg_rmsprop_options, centered, 0u8) != 0,
            decay: option!(o: bg_rmsprop_options, weight_decay, 0.0),
        }
    }
}

/// # Safety
/// As for `sgd`.
unsafe fn adagrad(o: *const u8) -> Update {
    // SAFETY: the caller's promise.
    unsafe {
        Update::Adagrad {
            rate: option!(o: bg_adagrad_options, rate, 0.01),
            rate_decay: option!(o: bg_adagrad_options, rate_decay, 0.0),
            initial: option!(o: bg_adagrad_options, initial, 0.0),
            epsilon: option!(o: bg_adagrad_options, epsilon, 1e-10),
            decay: option!(o: bg_adagrad_options, weight_decay, 0.0),
        }
    }
}

/// # Safety
/// As for `sgd`.
unsafe fn lion(o: *const u8) -> Update {
    // SAFETY: the caller's promise.
    unsafe {
        Update::Lion {
            rate: option!(o: bg_lion_options, rate, 0.0001),
            betas: [
                option!(o: bg_lion_options, beta1, 0.9),
                option!(o: bg_lion_options, beta2, 0.99),
            ],
            decay: option!(o: bg_lion_options, weight_decay, 0.0),
        }
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

/// One step of Adam for every leaf that requires a gradient and has one; NULL for the
/// default options. BG_ERR_ARGUMENT for numbers out of range; no parameter has changed if it fails. Set
/// the gradients to zero before the next backward.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_adam_step(
    g: *mut bg_graph,
    options: *const bg_adam_options,
) -> bg_status {
    // SAFETY: the header's rules for `g`; `options` is NULL or begins with its size.
    unsafe { step(g, "adam_step", Parameters(None), options.cast(), adam) }
}

/// As bg_adam_step, for a group of n parameters, each a leaf that requires a gradient and has one
/// (BG_ERR_GRADIENT for others), and none of them twice (BG_ERR_ARGUMENT).
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

/// One step of Adam with decoupled weight decay for every leaf that requires a gradient and has one; NULL for the
/// default options. BG_ERR_ARGUMENT for numbers out of range; no parameter has changed if it fails. Set
/// the gradients to zero before the next backward.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_adamw_step(
    g: *mut bg_graph,
    options: *const bg_adam_options,
) -> bg_status {
    // SAFETY: the header's rules for `g`; `options` is NULL or begins with its size.
    unsafe { step(g, "adamw_step", Parameters(None), options.cast(), adamw) }
}

/// As bg_adamw_step, for a group of n parameters, each a leaf that requires a gradient and has one
/// (BG_ERR_GRADIENT for others), and none of them twice (BG_ERR_ARGUMENT).
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

/// One step of RMSProp for every leaf that requires a gradient and has one; NULL for the
/// default options. BG_ERR_ARGUMENT for numbers out of range; no parameter has changed if it fails. Set
/// the gradients to zero before the next backward.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_rmsprop_step(
    g: *mut bg_graph,
    options: *const bg_rmsprop_options,
) -> bg_status {
    // SAFETY: the header's rules for `g`; `options` is NULL or begins with its size.
    unsafe { step(g, "rmsprop_step", Parameters(None), options.cast(), rmsprop) }
}

/// As bg_rmsprop_step, for a group of n parameters, each a leaf that requires a gradient and has one
/// (BG_ERR_GRADIENT for others), and none of them twice (BG_ERR_ARGUMENT).
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

/// One step of Adagrad for every leaf that requires a gradient and has one; NULL for the
/// default options. BG_ERR_ARGUMENT for numbers out of range; no parameter has changed if it fails. Set
/// the gradients to zero before the next backward.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_adagrad_step(
    g: *mut bg_graph,
    options: *const bg_adagrad_options,
) -> bg_status {
    // SAFETY: the header's rules for `g`; `options` is NULL or begins with its size.
    unsafe { step(g, "adagrad_step", Parameters(None), options.cast(), adagrad) }
}

/// As bg_adagrad_step, for a group of n parameters, each a leaf that requires a gradient and has one
/// (BG_ERR_GRADIENT for others), and none of them twice (BG_ERR_ARGUMENT).
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

/// One step of Lion for every leaf that requires a gradient and has one; NULL for the
/// default options. BG_ERR_ARGUMENT for numbers out of range; no parameter has changed if it fails. Set
/// the gradients to zero before the next backward.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_lion_step(
    g: *mut bg_graph,
    options: *const bg_lion_options,
) -> bg_status {
    // SAFETY: the header's rules for `g`; `options` is NULL or begins with its size.
    unsafe { step(g, "lion_step", Parameters(None), options.cast(), lion) }
}

/// As bg_lion_step, for a group of n parameters, each a leaf that requires a gradient and has one
/// (BG_ERR_GRADIENT for others), and none of them twice (BG_ERR_ARGUMENT).
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

/// Scales all gradients of leaves down, by one factor, if their common 2-norm is above `most`, which
/// may be infinite. The norm that they had goes to `norm`, unless that is NULL. A norm that is not
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

/// Which optimiser remembers something of x, one of BG_OPTIMISER_; the number of its steps goes to
/// `steps`, unless that is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_optimiser(g: *mut bg_graph, x: bg_node, steps: *mut u64) -> i32 {
    // SAFETY: the header's rules for `g` and `steps`.
    unsafe {
        super::ask(g, |s| {
            let (kind, count) = match s.optimiser(x.into())? {
                Some((optimiser, steps)) => (optimiser as i32, steps),
                None => (BG_OPTIMISER_NONE, 0),
            };
            if !steps.is_null() {
                steps.write_unaligned(count);
            }
            Ok(kind)
        })
    }
}

/// Whether an optimiser keeps a moment of x with this number, from 0 to BG_MOMENTS - 1; what they are is
/// said at BG_OPTIMISER_SGD and the others.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_has_moment(g: *mut bg_graph, x: bg_node, number: i32) -> bool {
    // SAFETY: the header's rules for `g`.
    unsafe { super::ask(g, |s| Ok(moment_start(s, "has_moment", x, number)?.is_some())) }
}

/// The first byte of a moment, if there is one.
fn moment_start(s: &mut Session, what: &str, x: bg_node, number: i32) -> Maybe<Option<*const u8>> {
    let id = s.core.resolve(what, x.into())?;
    s.core.need_float(what, id)?;
    let place = usize::try_from(number).unwrap_or(usize::MAX);
    with_float!(s.core.node(id).dtype, T => {
        let moment = s.moment::<T>(what, x.into(), place)?;
        Ok(moment.map(|moment| moment.as_ptr().cast()))
    })
}

/// Copies a moment of x, row-major, to `out`, which has exactly the size of x in bytes.
/// BG_ERR_GRADIENT where there is none: see bg_has_moment.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_read_moment(
    g: *mut bg_graph,
    x: bg_node,
    number: i32,
    out: *mut c_void,
    bytes: usize,
) -> bg_status {
    let what = "read_moment";
    // SAFETY: the header's rules for `g` and `out`, whose size is the tensor's (checked).
    unsafe {
        status(g, |s| {
            let id = s.core.resolve(what, x.into())?;
            need_room(&mut s.core, what, id, out, bytes)?;
            match moment_start(s, what, x, number)? {
                Some(start) => {
                    std::ptr::copy(start, out.cast(), bytes);
                    Ok(())
                }
                None => Err(s.core.fail(
                    ErrorKind::Gradient,
                    format_args!("{what}: no optimiser keeps a moment {number} of {id}"),
                )),
            }
        })
    }
}

/// Gives a leaf that requires a gradient the state of an optimiser, one of BG_OPTIMISER_, in place of
/// the present one: the number of steps, and BG_MOMENTS pointers to moments as bg_read_moment has read
/// them, each of exactly the size of x in bytes, or NULL where there was none. `moments` may be NULL, for
/// none. BG_ERR_ARGUMENT for another optimiser, BG_ERR_SHAPE for another size, BG_ERR_GRADIENT for what
/// does not require a gradient; nothing has changed then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_set_optimiser(
    g: *mut bg_graph,
    x: bg_node,
    optimiser: i32,
    steps: u64,
    moments: *const *const c_void,
    bytes: usize,
) -> bg_status {
    let what = "set_optimiser";
    // SAFETY: the header's rules for `g` and for `moments`, a list of so many pointers.
    unsafe {
        status(g, |s| {
            let optimiser = match optimiser {
                BG_OPTIMISER_NONE => None,
                BG_OPTIMISER_SGD => Some(Optimiser::Sgd),
                BG_OPTIMISER_ADAM => Some(Optimiser::Adam),
                BG_OPTIMISER_RMSPROP => Some(Optimiser::RmsProp),
                BG_OPTIMISER_ADAGRAD => Some(Optimiser::Adagrad),
                BG_OPTIMISER_LION => Some(Optimiser::Lion),
                other => {
                    return Err(s.core.fail(
                        ErrorKind::Argument,
                        format_args!("{what}: {other} is no optimiser: see BG_OPTIMISER_NONE"),
                    ));
                }
            };
            let mut given = [None; MOMENTS];
            if !moments.is_null() && optimiser.is_some() {
                for (place, moment) in given.iter_mut().enumerate() {
                    let start = moments.add(place).read_unaligned();
                    if !start.is_null() {
                        *moment = Some(std::slice::from_raw_parts(start.cast::<u8>(), bytes));
                    }
                }
            }
            s.set_optimiser(x.into(), optimiser.map(|optimiser| (optimiser, steps)), given)
        })
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
