//! Searches for minima.

use std::ffi::c_void;
use std::mem::offset_of;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};

use super::arguments::{flag, option};
use super::{
    bg_graph, bg_node, bg_status, input, need_size, null_pointer, set_field, status, tell_panic,
};
use crate::arena::TryPush;
use crate::error::{ErrorKind, Maybe};
use crate::fpenv::{Scope, Subnormals};
use crate::graph::{Core, Handle};
use crate::optim::{
    Bounds, Curved, Ended, Lbfgs, Levenberg, Method, Minimum, NO_PRODUCTS, Objective, Residuals,
    Stopped, TrustRegion,
};

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
/// A search ended because rounding hides any further descent, or there is no value where it began.
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
    /// It ends when no element of the gradient is larger. Default: 1e-8.
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
    /// Steps, at most. Default: 500.
    pub iterations: usize,
    /// It ends when no element of the gradient is larger. Default: 1e-8.
    pub gradient_tolerance: f64,
    /// How long the first step may be. Default: 1.
    pub radius: f64,
    /// How long any step may be. Default: 1e6.
    pub largest_radius: f64,
}

/// A function to be minimised: writes its value at x, which may be infinite or NaN where it has none, and
/// its gradient. Returns 0; anything else ends the search with BG_ERR_CALLBACK. It must return, not throw
/// or jump.
pub type bg_objective = Option<
    unsafe extern "C" fn(
        user: *mut c_void,
        x: *const f64,
        gradient: *mut f64,
        value: *mut f64,
    ) -> i32,
>;

/// Second derivatives of a function: writes the product of the Hessian at x with v. Returns as
/// bg_objective does.
pub type bg_hessian_product = Option<
    unsafe extern "C" fn(user: *mut c_void, x: *const f64, v: *const f64, out: *mut f64) -> i32,
>;

/// Residuals of a least-squares fit: writes them and, unless `jacobian` is NULL, their derivatives, a row
/// for each residual. Returns as bg_objective does.
pub type bg_residual_function = Option<
    unsafe extern "C" fn(
        user: *mut c_void,
        x: *const f64,
        residuals: *mut f64,
        jacobian: *mut f64,
    ) -> i32,
>;

/// # Safety
/// `o` is NULL or points to options that are as long as they say.
unsafe fn lbfgs(o: *const u8) -> Method {
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
unsafe fn levenberg(o: *const u8) -> Method {
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
unsafe fn trust_region(o: *const u8) -> Method {
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
struct Copied {
    lower: Vec<f64>,
    upper: Vec<f64>,
}

impl Copied {
    /// # Safety
    /// As for `lbfgs`; lists that are not NULL have as many numbers as the options say.
    unsafe fn new(core: &mut Core, what: &str, o: *const u8) -> Maybe<Self> {
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

    fn bounds(&self) -> Bounds<'_> {
        Bounds { lower: &self.lower, upper: &self.upper }
    }
}

/// Where the options and the result of a search are.
#[derive(Clone, Copy)]
struct Outside {
    options: *const u8,
    result: *mut bg_search_result,
}

impl Outside {
    /// # Safety
    /// Both are NULL or begin with their size.
    unsafe fn check(self, core: &mut Core, what: &str) -> Maybe<()> {
        // SAFETY: the caller's promise.
        unsafe {
            need_size(core, what, self.options)?;
            need_size(core, what, self.result.cast())
        }
    }

    /// # Safety
    /// The result is NULL, or as long as it says and valid for writing.
    unsafe fn tell(self, minimum: Minimum) {
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
/// options, among which are bounds (then it is L-BFGS-B). Where it ended goes to `result`, unless that is NULL; BG_OK does not say that a minimum was
/// found: see bg_search_result.ended. If it fails the leaves are as before.
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

/// A function of the caller's, what it is called with, and what it returned when it failed.
#[derive(Clone, Copy)]
struct Called<F> {
    function: F,
    user: *mut c_void,
    code: i32,
}

impl<F> Called<F> {
    fn look(&mut self, code: i32) -> Result<(), Stopped> {
        self.code = code;
        if code == 0 { Ok(()) } else { Err(Stopped::Failed) }
    }
}

type ObjectiveFn = unsafe extern "C" fn(*mut c_void, *const f64, *mut f64, *mut f64) -> i32;
type HessianFn = unsafe extern "C" fn(*mut c_void, *const f64, *const f64, *mut f64) -> i32;

impl Objective for Called<ObjectiveFn> {
    fn value(&mut self, x: &[f64], gradient: &mut [f64]) -> Result<f64, Stopped> {
        let mut value = f64::NAN;
        // SAFETY: the function is the caller's, and gets what the header says: as many numbers as the
        // caller said that there are.
        let code = unsafe {
            (self.function)(self.user, x.as_ptr(), gradient.as_mut_ptr(), &raw mut value)
        };
        self.look(code).map(|()| value)
    }
}

/// The same with second derivatives, at a point.
struct CalledTwice {
    objective: Called<ObjectiveFn>,
    hessian: HessianFn,
    point: Vec<f64>,
}

impl Objective for CalledTwice {
    fn value(&mut self, x: &[f64], gradient: &mut [f64]) -> Result<f64, Stopped> {
        self.point.copy_from_slice(x);
        self.objective.value(x, gradient)
    }
}

impl Curved for CalledTwice {
    fn hessian(&mut self, vector: &[f64], out: &mut [f64]) -> Result<(), Stopped> {
        let (user, point, v) = (self.objective.user, self.point.as_ptr(), vector.as_ptr());
        // SAFETY: as for the objective.
        let code = unsafe { (self.hessian)(user, point, v, out.as_mut_ptr()) };
        self.objective.look(code)
    }

    fn move_to(&mut self, x: &[f64]) -> Result<(), Stopped> {
        self.point.copy_from_slice(x);
        Ok(())
    }
}

/// The same for residuals, which are written together with the Jacobian: to a list of their own then.
struct CalledForResiduals {
    called: Called<ObjectiveFn>,
    spare: Vec<f64>,
}

impl Residuals for CalledForResiduals {
    fn residuals(&mut self, x: &[f64], out: &mut [f64]) -> Result<(), Stopped> {
        let Called { function, user, .. } = self.called;
        // SAFETY: as for the objective; no Jacobian is asked for.
        let code = unsafe { function(user, x.as_ptr(), out.as_mut_ptr(), std::ptr::null_mut()) };
        self.called.look(code)
    }

    fn jacobian(&mut self, x: &[f64], out: &mut [f64]) -> Result<(), Stopped> {
        let (Called { function, user, .. }, spare) = (self.called, self.spare.as_mut_ptr());
        // SAFETY: as for the objective.
        let code = unsafe { function(user, x.as_ptr(), spare, out.as_mut_ptr()) };
        self.called.look(code)
    }
}

/// Counts a search, while it goes on: its graph must not be freed by a function that it calls.
struct Kept<'a>(&'a AtomicU32);

impl<'a> Kept<'a> {
    fn new(searches: &'a AtomicU32) -> Self {
        searches.fetch_add(1, Ordering::Relaxed);
        Self(searches)
    }
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A search with functions of the caller's, outside of the graph: they may use it.
///
/// # Safety
/// As for `call` and `Outside`; `x` is NULL or valid for reading and writing n numbers; `method` reads the
/// options.
unsafe fn called(
    g: *mut bg_graph,
    what: &str,
    (x, n): (*mut f64, usize),
    (outside, method): (Outside, unsafe fn(*const u8) -> Method),
    is_given: bool,
    run: impl FnOnce(Method, Bounds<'_>, &mut [f64]) -> Result<Minimum, (Stopped, i32)>,
) -> bg_status {
    let mut chosen = None;
    // SAFETY: NULL, or a graph that has not been freed; nor is it until this ends.
    let _kept = unsafe { g.as_ref() }.map(|graph| Kept::new(&graph.searches));
    // SAFETY: the caller's promise.
    unsafe {
        let begun = status(g, |s| {
            outside.check(&mut s.core, what)?;
            if x.is_null() && n > 0 || !is_given {
                return Err(null_pointer(&mut s.core, what));
            }
            let method = method(outside.options);
            s.check_method(method)?;
            let copied = match method {
                Method::Lbfgs(_) => Copied::new(&mut s.core, what, outside.options)?,
                Method::Levenberg(Levenberg { matrix_free: true, .. }) => {
                    let message = format_args!("{what}: {NO_PRODUCTS}");
                    return Err(s.core.fail(ErrorKind::Argument, message));
                }
                _ => Copied::default(),
            };
            s.check_bounds(what, copied.bounds(), n)?;
            chosen = Some((method, copied));
            Ok(())
        });
        let (bg_status::BG_OK, Some((method, copied))) = (begun, chosen) else { return begun };
        // (Of any alignment; and as before if it fails.)
        let found = catch_unwind(AssertUnwindSafe(|| {
            let _scope = Scope::enter(Subnormals::Keep);
            let mut copy = list(n).map_err(|stopped| (stopped, 0))?;
            std::ptr::copy_nonoverlapping(
                x.cast::<u8>(),
                copy.as_mut_ptr().cast(),
                n * size_of::<f64>(),
            );
            let minimum = run(method, copied.bounds(), &mut copy)?;
            Ok((minimum, copy))
        }));
        match found {
            // (Unless the graph remembers an error from inside, which is reported then.)
            Ok(Ok((minimum, copy))) => status(g, |_| {
                std::ptr::copy_nonoverlapping(
                    copy.as_ptr().cast(),
                    x.cast::<u8>(),
                    n * size_of::<f64>(),
                );
                outside.tell(minimum);
                Ok(())
            }),
            Ok(Err((Stopped::Memory, _))) => status(g, |s| Err(s.core.out_of_memory(what))),
            Ok(Err((Stopped::Failed, code))) => status(g, |s| {
                Err(s.core.fail(
                    ErrorKind::Callback,
                    format_args!("{what}: a function of the caller's returned {code}"),
                ))
            }),
            Err(panic) => status(g, |s| {
                tell_panic(&mut s.core, panic.as_ref());
                Err(crate::error::Fail)
            }),
        }
    }
}

/// Zeros.
fn list(n: usize) -> Result<Vec<f64>, Stopped> {
    crate::optim::zeros(n).map_err(Stopped::from)
}

/// As bg_lbfgs, of a function of the caller's: moves n numbers x from where they are. The function is called
/// with `user`, on the calling thread, and may use any graph, this one too: it can write leaves, call
/// bg_backward and read gradients, or record anew each time; but not free this one: see bg_graph_free.
/// BG_ERR_CALLBACK if it returns anything but 0,
/// unless the graph remembers an error of its own from inside of it, which is reported in any case; x is as
/// before then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_lbfgs_function(
    g: *mut bg_graph,
    x: *mut f64,
    n: usize,
    function: bg_objective,
    user: *mut c_void,
    options: *const bg_lbfgs_options,
    result: *mut bg_search_result,
) -> bg_status {
    let outside = Outside { options: options.cast(), result };
    // SAFETY: the header's rules for `g`, `x`, `options` and `result`.
    unsafe {
        called(g, "lbfgs", (x, n), (outside, lbfgs), function.is_some(), |method, bounds, x| {
            let (Method::Lbfgs(lbfgs), Some(function)) = (method, function) else {
                unreachable!("checked before")
            };
            let mut objective = Called { function, user, code: 0 };
            lbfgs.minimise(&mut objective, x, bounds).map_err(|stopped| (stopped, objective.code))
        })
    }
}

/// As bg_levenberg_marquardt, for m residuals of a function of the caller's, and as bg_lbfgs_function for
/// the rest.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_levenberg_marquardt_function(
    g: *mut bg_graph,
    x: *mut f64,
    n: usize,
    m: usize,
    function: bg_residual_function,
    user: *mut c_void,
    options: *const bg_levenberg_marquardt_options,
    result: *mut bg_search_result,
) -> bg_status {
    let outside = Outside { options: options.cast(), result };
    let what = "levenberg_marquardt";
    // SAFETY: the header's rules for `g`, `x`, `options` and `result`.
    unsafe {
        called(g, what, (x, n), (outside, levenberg), function.is_some(), |method, _, x| {
            let (Method::Levenberg(levenberg), Some(function)) = (method, function) else {
                unreachable!("checked before")
            };
            let spare = list(m).map_err(|stopped| (stopped, 0))?;
            let called = Called { function, user, code: 0 };
            let mut residuals = CalledForResiduals { called, spare };
            let found = levenberg.fit(&mut residuals, m, x);
            found.map_err(|stopped| (stopped, residuals.called.code))
        })
    }
}

/// As bg_trust_region, of functions of the caller's, and as bg_lbfgs_function for the rest.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_trust_region_function(
    g: *mut bg_graph,
    x: *mut f64,
    n: usize,
    function: bg_objective,
    hessian: bg_hessian_product,
    user: *mut c_void,
    options: *const bg_trust_region_options,
    result: *mut bg_search_result,
) -> bg_status {
    let outside = Outside { options: options.cast(), result };
    let is_given = function.is_some() && hessian.is_some();
    // SAFETY: the header's rules for `g`, `x`, `options` and `result`.
    unsafe {
        called(g, "trust_region", (x, n), (outside, trust_region), is_given, |method, _, x| {
            let (Method::TrustRegion(region), Some(function), Some(hessian)) =
                (method, function, hessian)
            else {
                unreachable!("checked before")
            };
            let objective = Called { function, user, code: 0 };
            let point = list(x.len()).map_err(|stopped| (stopped, 0))?;
            let mut twice = CalledTwice { objective, hessian, point };
            let found = region.minimise(&mut twice, x);
            found.map_err(|stopped| (stopped, twice.objective.code))
        })
    }
}
