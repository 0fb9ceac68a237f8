//! What optimisers remember of a parameter, read and written.

use std::ffi::c_void;

use super::read::need_room;
use super::{ask, bg_graph, bg_node, bg_status, status};
use crate::dtype::with_float;
use crate::error::{ErrorKind, Maybe};
use crate::graph::{MOMENTS, Optimiser};
use crate::session::Session;

/// No optimiser: see bg_optimiser.
pub const BG_OPTIMISER_NONE: i32 = 0;
/// SGD with momentum. Moment 0: the velocity. (Without momentum it keeps nothing, and counts no steps.)
pub const BG_OPTIMISER_SGD: i32 = 1;
/// Adam and AdamW. Moments: the mean gradient, the root of the mean squared gradient and, of AMSGrad, the
/// largest that this was.
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

/// Which optimiser remembers something of x, one of BG_OPTIMISER_; the number of its steps goes to
/// `steps`, unless that is NULL. Steps of SGD without momentum leave no trace: BG_OPTIMISER_NONE, or what
/// another optimiser remembers, as it was.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_optimiser(g: *mut bg_graph, x: bg_node, steps: *mut u64) -> i32 {
    // SAFETY: the header's rules for `g` and `steps`.
    unsafe {
        ask(g, |s| {
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
    unsafe { ask(g, |s| Ok(moment_start(s, "has_moment", x, number)?.is_some())) }
}

/// The first byte of a moment, if there is one.
fn moment_start(s: &mut Session, what: &str, x: bg_node, number: i32) -> Maybe<Option<*const u8>> {
    let id = s.core.resolve(what, x.into())?;
    s.core.need_float(what, id)?;
    with_float!(s.core.node(id).dtype, T => {
        let moment = s.moment::<T>(what, x.into(), number.into())?;
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
/// none. BG_ERR_ARGUMENT for another optimiser, a moment that it does not keep, or numbers that are not
/// finite or, in a moment that is a root, below 0; BG_ERR_SHAPE for another size, BG_ERR_GRADIENT for what
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
            if !moments.is_null() {
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
