//! Searches for minima of what is recorded.

use std::mem::offset_of;

use super::arguments::{flag, option};
use super::{bg_graph, bg_node, bg_status, input, need_size, set_field, status};
use crate::arena::TryPush;
use crate::error::{ErrorKind, Maybe};
use crate::graph::{Core, Handle};
use crate::optim::{Bounds, Ended, Lbfgs, Levenberg, Method, Minimum, TrustRegion};

/// Where a search ended. Start from BG_SEARCH_RESULT_INIT, which sets the size.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct bg_search_result {
    /// sizeof(bg_search_result)
    pub struct_size: usize,
    /// The value there; of a least-squares fit, the sum of squares.
    pub value: f64,
    /// The size of the largest element of the gradient there, as far as bounds allow a step down; of a
    /// least-squares fit, the largest cosine between the residuals and a column of the Jacobian.
    pub gradient: f64,
    /// Steps that were taken.
    pub iterations: usize,
    /// Values that were computed.
    pub evaluations: usize,
    /// Why it ended: one of BG_ENDED_.
    pub ended: i32,
}

/// A search ended because the gradient is as small as was wanted.
pub const BG_ENDED_GRADIENT: i32 = 1;
/// A search ended because the value falls no more than was wanted.
pub const BG_ENDED_VALUE: i32 = 2;
/// A search ended because the steps are as small as was wanted.
pub const BG_ENDED_STEP: i32 = 3;
/// A search ended because rounding hides any further descent, or there is no value or no derivative where
/// it is, or around it: one that is infinite or NaN. Then `gradient` is infinite or NaN, or `value` is.
pub const BG_ENDED_ROUNDING: i32 = 4;
/// A search ended because as many iterations were made as were allowed.
pub const BG_ENDED_ITERATIONS: i32 = 5;
/// A search ended because the value falls along a line as far as that was followed: to minus infinity, or
/// over 18 orders of magnitude. It is unbounded below, so far as that can be seen.
pub const BG_ENDED_UNBOUNDED: i32 = 6;

const _: () = assert!(
    BG_ENDED_GRADIENT == Ended::Gradient as i32
        && BG_ENDED_VALUE == Ended::Value as i32
        && BG_ENDED_STEP == Ended::Step as i32
        && BG_ENDED_ROUNDING == Ended::Rounding as i32
        && BG_ENDED_ITERATIONS == Ended::Iterations as i32
        && BG_ENDED_UNBOUNDED == Ended::Unbounded as i32
);

/// Options of bg_lbfgs. Start from BG_LBFGS_OPTIONS_INIT, which sets the defaults.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct bg_lbfgs_options {
    /// sizeof(bg_lbfgs_options)
    pub struct_size: usize,
    /// How many of the last steps are remembered. Default: 10.
    pub history: usize,
    /// Steps, at most. Default: 1000.
    pub iterations: usize,
    /// It ends when no element of the gradient is larger: for a loss that is far from 1 choose it anew.
    /// Default: 1e-8.
    pub gradient_tolerance: f64,
    /// It ends when a step lowers the value by no more than this part of it; 0 to go on as long as the
    /// gradient becomes smaller. Default: 0.
    pub value_tolerance: f64,
    /// What variables must not be below, if it is not NULL: a number, which may be infinite, for each
    /// element of the parameters, one parameter after the other, row-major. From outside, a variable
    /// begins at its nearest bound. Default: NULL.
    pub lower: *const f64,
    /// What they must not be above. Default: NULL.
    pub upper: *const f64,
    /// How many numbers these lists have, each that is not NULL. Default: 0.
    pub bounds: usize,
}

/// Options of bg_levenberg_marquardt. Start from BG_LEVENBERG_MARQUARDT_OPTIONS_INIT, which sets the
/// defaults.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct bg_levenberg_marquardt_options {
    /// sizeof(bg_levenberg_marquardt_options)
    pub struct_size: usize,
    /// Steps that are tried, at most. Default: 2000.
    pub iterations: usize,
    /// It ends when a step would lower and lowers the sum of squares by no more than this part of it.
    /// Default: 1e-15.
    pub value_tolerance: f64,
    /// It ends when steps are shorter than this part of the parameters, each in its scale. Default:
    /// 1e-15.
    pub step_tolerance: f64,
    /// It ends when no cosine between the residuals and a column of the Jacobian is larger. Default:
    /// 1e-15.
    pub gradient_tolerance: f64,
    /// How far the first step may go, relative to the parameters. Default: 100.
    pub radius: f64,
    /// Finds steps by conjugate gradients on products with the Jacobian and its transpose, and does without
    /// the matrix: for many parameters. Not for bg_levenberg_marquardt_function. Default: false.
    pub matrix_free: bool,
}

/// Options of bg_trust_region. Start from BG_TRUST_REGION_OPTIONS_INIT, which sets the defaults.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct bg_trust_region_options {
    /// sizeof(bg_trust_region_options)
    pub struct_size: usize,
    /// Steps that are tried, at most. Default: 500.
    pub iterations: usize,
    /// It ends when no element of the gradient is larger: for a loss that is far from 1 choose it anew.
    /// Default: 1e-8.
    pub gradient_tolerance: f64,
    /// How long the first step may be. Default: 1.
    pub radius: f64,
    /// How long any step may be. Default: 1e6.
    pub largest_radius: f64,
}

/// # Safety
/// `o` is NULL or points to options that are as long as they say.
pub(super) unsafe fn lbfgs(o: *const u8) -> Method {
    // SAFETY: the caller's promise.
    unsafe {
        Method::Lbfgs(Lbfgs {
            history: option!(o: bg_lbfgs_options, history, 10),
            iterations: option!(o: bg_lbfgs_options, iterations, 1000),
            gradient: option!(o: bg_lbfgs_options, gradient_tolerance, 1e-8),
            value: option!(o: bg_lbfgs_options, value_tolerance, 0.0),
        })
    }
}

/// # Safety
/// As for `lbfgs`.
pub(super) unsafe fn levenberg(o: *const u8) -> Method {
    // SAFETY: the caller's promise.
    unsafe {
        Method::Levenberg(Levenberg {
            iterations: option!(o: bg_levenberg_marquardt_options, iterations, 2000),
            value: option!(o: bg_levenberg_marquardt_options, value_tolerance, 1e-15),
            step: option!(o: bg_levenberg_marquardt_options, step_tolerance, 1e-15),
            gradient: option!(o: bg_levenberg_marquardt_options, gradient_tolerance, 1e-15),
            radius: option!(o: bg_levenberg_marquardt_options, radius, 100.0),
            matrix_free: flag!(o: bg_levenberg_marquardt_options, matrix_free),
        })
    }
}

/// # Safety
/// As for `lbfgs`.
pub(super) unsafe fn trust_region(o: *const u8) -> Method {
    // SAFETY: the caller's promise.
    unsafe {
        Method::TrustRegion(TrustRegion {
            iterations: option!(o: bg_trust_region_options, iterations, 500),
            gradient: option!(o: bg_trust_region_options, gradient_tolerance, 1e-8),
            radius: option!(o: bg_trust_region_options, radius, 1.0),
            largest_radius: option!(o: bg_trust_region_options, largest_radius, 1e6),
        })
    }
}

/// Lists of bounds, copied; empty ones for none.
#[derive(Default)]
pub(super) struct Copied {
    lower: Vec<f64>,
    upper: Vec<f64>,
}

impl Copied {
    /// # Safety
    /// As for `lbfgs`; lists that are not NULL have as many numbers as the options say.
    pub(super) unsafe fn new(core: &mut Core, what: &str, o: *const u8) -> Maybe<Self> {
        // SAFETY: the caller's promise.
        unsafe {
            let len = option!(o: bg_lbfgs_options, bounds, 0);
            let mut copy = |start: *const f64| -> Maybe<Vec<f64>> {
                let given = input(core, what, start, if start.is_null() { 0 } else { len })?;
                let mut list = Vec::new();
                if !start.is_null() && len == 0 {
                    return Err(core.fail(
                        ErrorKind::Argument,
                        format_args!("{what}: there are bounds, and `bounds` says 0"),
                    ));
                }
                list.try_room(len).map_err(|_| core.out_of_memory(what))?;
                given.iter().for_each(|x| list.push_within(x));
                Ok(list)
            };
            Ok(Self {
                lower: copy(option!(o: bg_lbfgs_options, lower, std::ptr::null()))?,
                upper: copy(option!(o: bg_lbfgs_options, upper, std::ptr::null()))?,
            })
        }
    }

    pub(super) fn bounds(&self) -> Bounds<'_> {
        Bounds { lower: &self.lower, upper: &self.upper }
    }
}

/// Where the options and the result of a search are.
#[derive(Clone, Copy)]
pub(super) struct Outside {
    pub(super) options: *const u8,
    pub(super) result: *mut bg_search_result,
}

impl Outside {
    /// # Safety
    /// Both are NULL or begin with their size.
    pub(super) unsafe fn check(self, core: &mut Core, what: &str) -> Maybe<()> {
        // SAFETY: the caller's promise.
        unsafe {
            need_size(core, what, self.options)?;
            need_size(core, what, self.result.cast())
        }
    }

    /// # Safety
    /// The result is NULL, or as long as it says and valid for writing.
    pub(super) unsafe fn tell(self, minimum: Minimum) {
        let out = self.result.cast::<u8>();
        if out.is_null() {
            return;
        }
        // SAFETY: the caller's promise.
        unsafe {
            set_field(out, offset_of!(bg_search_result, value), minimum.value);
            set_field(out, offset_of!(bg_search_result, gradient), minimum.gradient);
            set_field(out, offset_of!(bg_search_result, iterations), minimum.iterations);
            set_field(out, offset_of!(bg_search_result, evaluations), minimum.evaluations);
            set_field(out, offset_of!(bg_search_result, ended), minimum.ended as i32);
        }
    }
}

/// A search in a recording.
///
/// # Safety
/// As for `call`, `input` and `Outside`; `method` reads the options.
unsafe fn recorded(
    g: *mut bg_graph,
    what: &str,
    root: bg_node,
    (parameters, n): (*const bg_node, usize),
    outside: Outside,
    method: unsafe fn(*const u8) -> Method,
) -> bg_status {
    // SAFETY: the caller's promise.
    unsafe {
        status(g, |s| {
            outside.check(&mut s.core, what)?;
            let method = method(outside.options);
            let parameters = input(&mut s.core, what, parameters, n)?;
            let copied = match method {
                Method::Lbfgs(_) => Copied::new(&mut s.core, what, outside.options)?,
                _ => Copied::default(),
            };
            let parameters = parameters.iter().map(Handle::from);
            let minimum = s.minimise(method, root.into(), parameters, copied.bounds())?;
            outside.tell(minimum);
            Ok(())
        })
    }
}

/// Moves the data of n leaves to a minimum of `loss`, a single element, from where they are, by L-BFGS with
/// a line search for the strong Wolfe conditions. The leaves must require gradients; `loss` must depend on
/// each of them (BG_ERR_GRADIENT), and be a function of them alone: no dropout. NULL for the default
/// options, among which are bounds (then it is L-BFGS-B: R. Byrd, P. Lu, J. Nocedal, C. Zhu, 1995). Where it
/// ended goes to `result`, unless that is NULL; BG_OK does not say that a minimum was found: see
/// bg_search_result.ended. If it fails the leaves are as before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_lbfgs(
    g: *mut bg_graph,
    loss: bg_node,
    parameters: *const bg_node,
    n: usize,
    options: *const bg_lbfgs_options,
    result: *mut bg_search_result,
) -> bg_status {
    let outside = Outside { options: options.cast(), result };
    // SAFETY: the header's rules for `g`, `parameters`, `options` and `result`.
    unsafe { recorded(g, "lbfgs", loss, (parameters, n), outside, lbfgs) }
}

/// Moves the data of n leaves to a minimum of the sum of the squares of `residuals`, a tensor of any shape,
/// from where they are: by the method of Levenberg and Marquardt in Moré's form, as MINPACK's lmder, with
/// steps of Gauss and Newton in the end, that give all digits. The leaves need not require gradients, but
/// with the option matrix_free. The rest is as for bg_lbfgs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_levenberg_marquardt(
    g: *mut bg_graph,
    residuals: bg_node,
    parameters: *const bg_node,
    n: usize,
    options: *const bg_levenberg_marquardt_options,
    result: *mut bg_search_result,
) -> bg_status {
    let outside = Outside { options: options.cast(), result };
    // SAFETY: the header's rules for `g`, `parameters`, `options` and `result`.
    unsafe { recorded(g, "levenberg_marquardt", residuals, (parameters, n), outside, levenberg) }
}

/// As bg_lbfgs, by Newton's method in a region of trust, whose steps are found by conjugate gradients on
/// Hessian-vector products (Steihaug's): few steps, and no matrix.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_trust_region(
    g: *mut bg_graph,
    loss: bg_node,
    parameters: *const bg_node,
    n: usize,
    options: *const bg_trust_region_options,
    result: *mut bg_search_result,
) -> bg_status {
    let outside = Outside { options: options.cast(), result };
    // SAFETY: the header's rules for `g`, `parameters`, `options` and `result`.
    unsafe { recorded(g, "trust_region", loss, (parameters, n), outside, trust_region) }
}
