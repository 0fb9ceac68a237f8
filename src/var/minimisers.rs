//! Searches for minima, as Rust has them.

use super::{Graph, Var};
use crate::error::{Error, ErrorKind, Result};
use crate::optim::{
    self, Bounds, Curved, Levenberg, Method, Minimum, Objective, Residuals, Stopped,
};

/// L-BFGS with a line search for the strong Wolfe conditions: minimises a smooth function of any number of
/// variables by its gradients. J. Nocedal, S. Wright, "Numerical optimization", 2006, algorithms 7.5, 3.5
/// and 3.6.
///
/// ```
/// # let graph = bumpgrad::Graph::new();
/// use bumpgrad::Lbfgs;
/// let x = graph.param(&[-1.2, 1.0], &[2]);
/// let (a, b) = (x.slice(0, 0, 1, 1), x.slice(0, 1, 2, 1));
/// let rosenbrock = ((1.0 - a).square() + 100.0 * (b - a.square()).square()).sum();
/// let minimum = Lbfgs::default().minimise(rosenbrock, &[x])?;
/// assert!(minimum.is_found() && minimum.gradient <= 1e-8);
/// assert!(x.to_vec::<f64>()?.iter().all(|x| (x - 1.0).abs() < 1e-7));
/// # Ok::<(), bumpgrad::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lbfgs {
    /// How many of the last steps are remembered: 10.
    pub history: usize,
    /// Steps, at most: 1000.
    pub iterations: usize,
    /// It ends when no element of the gradient is larger: 1e-8. For a loss that is far from 1 choose it
    /// anew.
    pub gradient: f64,
    /// It ends when a step lowers the value by no more than this part of it; 0, as by default, to go on
    /// as long as the gradient becomes smaller.
    pub value: f64,
}

impl Default for Lbfgs {
    fn default() -> Self {
        Self { history: 10, iterations: 1000, gradient: 1e-8, value: 0.0 }
    }
}

impl Lbfgs {
    fn method(&self) -> optim::Lbfgs {
        let Self { history, iterations, gradient, value } = *self;
        optim::Lbfgs { history, iterations, gradient, value }
    }

    /// Moves the data of leaves to a minimum of `loss`, a single element, from where they are. They must
    /// require gradients, and `loss` must depend on each of them, and be a function of them alone: no
    /// dropout. If it fails the leaves are as before.
    #[track_caller]
    pub fn minimise(&self, loss: Var<'_>, parameters: &[Var<'_>]) -> Result<Minimum> {
        self.minimise_within(loss, parameters, Bounds::default())
    }

    /// As [`minimise`](Self::minimise), between bounds of the elements of the parameters, one parameter
    /// after the other, row-major. From outside, a parameter begins at its nearest bound. R. Byrd, P. Lu, J.
    /// Nocedal, C. Zhu, "A limited memory algorithm for bound constrained optimization", 1995 (L-BFGS-B).
    ///
    /// ```
    /// # let graph = bumpgrad::Graph::new();
    /// use bumpgrad::{Bounds, Lbfgs};
    /// let x = graph.param(&[3.0, 3.0], &[2]);
    /// let loss = ((x + 1.0).square()).sum();
    /// let bounds = Bounds { lower: &[0.0, f64::NEG_INFINITY], ..Bounds::default() };
    /// Lbfgs::default().minimise_within(loss, &[x], bounds)?;
    /// assert_eq!(x.to_vec::<f64>()?, [0.0, -1.0]);
    /// # Ok::<(), bumpgrad::Error>(())
    /// ```
    #[track_caller]
    pub fn minimise_within(
        &self,
        loss: Var<'_>,
        parameters: &[Var<'_>],
        bounds: Bounds<'_>,
    ) -> Result<Minimum> {
        search(Method::Lbfgs(self.method()), loss, parameters, bounds)
    }

    /// Moves `x` to a minimum of a function, which writes its gradient and returns its value: for what is
    /// recorded anew each time. An error of its own ends the search.
    ///
    /// ```
    /// use bumpgrad::{Graph, Lbfgs};
    /// let mut x = [3.0, -2.0];
    /// Lbfgs::default().minimise_function(&mut x, |x, gradient| {
    ///     let graph = Graph::new();
    ///     let p = graph.param(x, &[2]);
    ///     let loss = (p.exp() - p).sum();
    ///     loss.backward()?;
    ///     gradient.copy_from_slice(&p.grad::<f64>()?.unwrap());
    ///     loss.item()
    /// })?;
    /// assert!(x.iter().all(|x| x.abs() < 1e-7));
    /// # Ok::<(), bumpgrad::Error>(())
    /// ```
    pub fn minimise_function(
        &self,
        x: &mut [f64],
        function: impl FnMut(&[f64], &mut [f64]) -> Result<f64>,
    ) -> Result<Minimum> {
        self.minimise_function_within(x, Bounds::default(), function)
    }

    /// As [`minimise_function`](Self::minimise_function), between bounds of x.
    pub fn minimise_function_within(
        &self,
        x: &mut [f64],
        bounds: Bounds<'_>,
        function: impl FnMut(&[f64], &mut [f64]) -> Result<f64>,
    ) -> Result<Minimum> {
        let method = Method::Lbfgs(self.method());
        check(method)?;
        if let Some(wrong) = bounds.wrong(x.len()) {
            let message = format_args!("{}: {wrong}", method.name());
            return Err(Error::new(ErrorKind::Argument, message));
        }
        let mut objective = Function { function, failed: None };
        let found = self.method().minimise(&mut objective, x, bounds);
        found.map_err(|stopped| told(stopped, objective.failed))
    }
}

/// Nonlinear least squares by the method of Levenberg and Marquardt in Moré's form, as MINPACK's `lmder`,
/// with steps of Gauss and Newton in the end, that give all digits.
///
/// ```
/// # let graph = bumpgrad::Graph::new();
/// use bumpgrad::LevenbergMarquardt;
/// let (t, y) = (graph.tensor(&[0.0, 1.0, 2.0, 3.0], &[4]), [2.0, 1.0, 0.5, 0.25]);
/// let (height, rate) = (graph.param(&[1.0], &[]), graph.param(&[0.1], &[]));
/// let residuals = height * (-rate * t).exp() - graph.tensor(&y, &[4]);
/// let fit = LevenbergMarquardt::default().fit(residuals, &[height, rate])?;
/// assert!(fit.value < 1e-20);
/// assert!((height.item()? - 2.0).abs() < 1e-12 && (rate.item()? - f64::ln(2.0)).abs() < 1e-12);
/// # Ok::<(), bumpgrad::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LevenbergMarquardt {
    /// Steps that are tried, at most: 2000.
    pub iterations: usize,
    /// It ends when a step would lower and lowers the sum of squares by no more than this part of it:
    /// 1e-15.
    pub value: f64,
    /// It ends when steps are shorter than this part of the parameters, each in its scale: 1e-15.
    pub step: f64,
    /// It ends when no cosine between the residuals and a column of the Jacobian is larger: 1e-15.
    pub gradient: f64,
    /// How far the first step may go, relative to the parameters: 100.
    pub radius: f64,
    /// Finds steps by conjugate gradients on products with the Jacobian and its transpose, and does without
    /// the matrix: for many parameters. They must require gradients. `false`.
    pub matrix_free: bool,
}

impl Default for LevenbergMarquardt {
    fn default() -> Self {
        Self {
            iterations: 2000,
            value: 1e-15,
            step: 1e-15,
            gradient: 1e-15,
            radius: 100.0,
            matrix_free: false,
        }
    }
}

impl LevenbergMarquardt {
    fn method(&self) -> Levenberg {
        let Self { iterations, value, step, gradient, radius, matrix_free } = *self;
        Levenberg { iterations, value, step, gradient, radius, matrix_free }
    }

    /// Moves the data of leaves to a minimum of the sum of the squares of `residuals`, a tensor of any
    /// shape, from where they are. Jacobians are computed by forward mode, or by reverse mode where there
    /// are fewer residuals than parameters; the leaves need not require gradients, but the residuals must depend
    /// on each of them. If it fails the leaves are as before.
    #[track_caller]
    pub fn fit(&self, residuals: Var<'_>, parameters: &[Var<'_>]) -> Result<Minimum> {
        search(Method::Levenberg(self.method()), residuals, parameters, Bounds::default())
    }

    /// Moves `x` to a minimum of the sum of the squares of so many residuals. The function writes the
    /// residuals and, where it is asked for, the Jacobian, a row for each residual. An error of its own
    /// ends the search. There is no form of this without the matrix.
    pub fn fit_function(
        &self,
        x: &mut [f64],
        residuals: usize,
        function: impl FnMut(&[f64], &mut [f64], Option<&mut [f64]>) -> Result<()>,
    ) -> Result<Minimum> {
        check(Method::Levenberg(self.method()))?;
        if self.matrix_free {
            let message = format_args!("levenberg_marquardt: {}", optim::NO_PRODUCTS);
            return Err(Error::new(ErrorKind::Argument, message));
        }
        let spare = vec![0.0; residuals];
        let mut problem = Squares { function, spare, failed: None };
        let found = self.method().fit(&mut problem, residuals, x);
        found.map_err(|stopped| told(stopped, problem.failed))
    }
}

/// Newton's method in a region of trust, by conjugate gradients on Hessian-vector products (Steihaug's):
/// few steps, and no matrix. J. Nocedal, S. Wright, "Numerical optimization", 2006, algorithms 4.1 and 7.2.
///
/// ```
/// # let graph = bumpgrad::Graph::new();
/// use bumpgrad::TrustRegion;
/// let x = graph.param(&[-1.2, 1.0], &[2]);
/// let (a, b) = (x.slice(0, 0, 1, 1), x.slice(0, 1, 2, 1));
/// let rosenbrock = ((1.0 - a).square() + 100.0 * (b - a.square()).square()).sum();
/// let minimum = TrustRegion::default().minimise(rosenbrock, &[x])?;
/// assert!(minimum.iterations < 40 && minimum.gradient <= 1e-8);
/// assert!(x.to_vec::<f64>()?.iter().all(|x| (x - 1.0).abs() < 1e-7));
/// # Ok::<(), bumpgrad::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrustRegion {
    /// Steps that are tried, at most: 500.
    pub iterations: usize,
    /// It ends when no element of the gradient is larger: 1e-8. For a loss that is far from 1 choose it
    /// anew.
    pub gradient: f64,
    /// How long the first step may be: 1.
    pub radius: f64,
    /// How long any step may be: 1e6.
    pub largest_radius: f64,
}

impl Default for TrustRegion {
    fn default() -> Self {
        Self { iterations: 500, gradient: 1e-8, radius: 1.0, largest_radius: 1e6 }
    }
}

impl TrustRegion {
    fn method(&self) -> optim::TrustRegion {
        let Self { iterations, gradient, radius, largest_radius } = *self;
        optim::TrustRegion { iterations, gradient, radius, largest_radius }
    }

    /// As [`Lbfgs::minimise`], with second derivatives.
    #[track_caller]
    pub fn minimise(&self, loss: Var<'_>, parameters: &[Var<'_>]) -> Result<Minimum> {
        search(Method::TrustRegion(self.method()), loss, parameters, Bounds::default())
    }

    /// Moves `x` to a minimum of a function, which writes its gradient and returns its value. `hessian`
    /// is given a point, a vector, and where to write the product of the Hessian at the point with the
    /// vector. An error of theirs ends the search.
    pub fn minimise_function(
        &self,
        x: &mut [f64],
        function: impl FnMut(&[f64], &mut [f64]) -> Result<f64>,
        hessian: impl FnMut(&[f64], &[f64], &mut [f64]) -> Result<()>,
    ) -> Result<Minimum> {
        check(Method::TrustRegion(self.method()))?;
        let function = Function { function, failed: None };
        let mut objective = WithHessian { function, hessian, point: x.to_vec() };
        let found = self.method().minimise(&mut objective, x);
        found.map_err(|stopped| told(stopped, objective.function.failed))
    }
}

#[track_caller]
fn search(
    method: Method,
    root: Var<'_>,
    parameters: &[Var<'_>],
    bounds: Bounds<'_>,
) -> Result<Minimum> {
    let graph: &Graph = root.graph;
    graph.run(|session| {
        session.minimise(method, root.handle, parameters.iter().map(|x| x.handle), bounds)
    })
}

/// Refuses options that make no sense.
fn check(method: Method) -> Result<()> {
    let what = method.name();
    method.wrong().map_or(Ok(()), |(name, range, x)| {
        let message = format_args!("{what}: the {name} must be {range}, not {x}");
        Err(Error::new(ErrorKind::Argument, message))
    })
}

/// Why a search stopped.
fn told(stopped: Stopped, failed: Option<Error>) -> Error {
    match (stopped, failed) {
        (Stopped::Failed, Some(error)) => error,
        _ => Error::new(ErrorKind::Memory, format_args!("no memory for the search of a minimum")),
    }
}

/// A function of the caller's, and the error that it ended with.
struct Function<F> {
    function: F,
    failed: Option<Error>,
}

impl<F> Function<F> {
    fn keep<R>(&mut self, result: Result<R>) -> std::result::Result<R, Stopped> {
        result.map_err(|error| {
            self.failed = Some(error);
            Stopped::Failed
        })
    }
}

impl<F: FnMut(&[f64], &mut [f64]) -> Result<f64>> Objective for Function<F> {
    fn value(&mut self, x: &[f64], gradient: &mut [f64]) -> std::result::Result<f64, Stopped> {
        let result = (self.function)(x, gradient);
        self.keep(result)
    }
}

struct WithHessian<F, H> {
    function: Function<F>,
    hessian: H,
    point: Vec<f64>,
}

impl<F, H> Objective for WithHessian<F, H>
where
    F: FnMut(&[f64], &mut [f64]) -> Result<f64>,
{
    fn value(&mut self, x: &[f64], gradient: &mut [f64]) -> std::result::Result<f64, Stopped> {
        self.point.copy_from_slice(x);
        self.function.value(x, gradient)
    }
}

impl<F, H> Curved for WithHessian<F, H>
where
    F: FnMut(&[f64], &mut [f64]) -> Result<f64>,
    H: FnMut(&[f64], &[f64], &mut [f64]) -> Result<()>,
{
    fn hessian(&mut self, v: &[f64], out: &mut [f64]) -> std::result::Result<(), Stopped> {
        let result = (self.hessian)(&self.point, v, out);
        self.function.keep(result)
    }

    fn move_to(&mut self, x: &[f64]) -> std::result::Result<(), Stopped> {
        self.point.copy_from_slice(x);
        Ok(())
    }
}

/// Residuals of the caller's.
struct Squares<F> {
    function: F,
    spare: Vec<f64>,
    failed: Option<Error>,
}

impl<F> Residuals for Squares<F>
where
    F: FnMut(&[f64], &mut [f64], Option<&mut [f64]>) -> Result<()>,
{
    fn residuals(&mut self, x: &[f64], out: &mut [f64]) -> std::result::Result<(), Stopped> {
        let result = (self.function)(x, out, None);
        result.map_err(|error| {
            self.failed = Some(error);
            Stopped::Failed
        })
    }

    fn jacobian(&mut self, x: &[f64], out: &mut [f64]) -> std::result::Result<(), Stopped> {
        let result = (self.function)(x, &mut self.spare, Some(out));
        result.map_err(|error| {
            self.failed = Some(error);
            Stopped::Failed
        })
    }
}
