//! Searches for minima of functions of the caller's, outside of the graph.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};

use super::minimise::{
    Copied, Outside, bg_lbfgs_options, bg_levenberg_marquardt_options, bg_search_result,
    bg_trust_region_options, lbfgs, levenberg, trust_region,
};
use super::{bg_graph, bg_status, null_pointer, status, tell_panic};
use crate::error::ErrorKind;
use crate::fpenv::{Scope, Subnormals};
use crate::optim::{
    Bounds, Curved, Levenberg, Method, Minimum, NO_PRODUCTS, Objective, Residuals, Stopped,
};

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
/// BG_ERR_CALLBACK if it returns anything but 0; an error of this graph from inside of it comes first, and
/// is reported in any case. x is as before then.
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
