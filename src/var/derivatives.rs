//! Derivatives as tensors: tangents, batches, and matrices.

use super::{Graph, Var};
use crate::error::Result;
use crate::graph::Handle;
use crate::session::derivatives::{Matrix, Transform};
use crate::session::evidence::{Gradcheck, GradcheckOptions};
use crate::session::sparse::Sparsity;
use crate::transform::Mode;

impl Graph {
    /// How `ys` move when each of the `xs` moves by its tangent, a tensor of its shape: Jacobian-vector
    /// products, by forward mode, as nodes that can be differentiated again. With a [`grad`](Self::grad)
    /// among the `ys` they are Hessian-vector products. An output that does not depend on the inputs
    /// gives zeros.
    ///
    /// The inputs may be any nodes of a float type, and need not require gradients. One that depends on
    /// another moves with that, too. What was detached, or recorded without gradients from what has some,
    /// is constant.
    ///
    /// ```
    /// # let graph = bumpgrad::Graph::new();
    /// let x = graph.param(&[1.0, 2.0, 3.0], &[3]);
    /// let y = x.square();
    /// let direction = graph.tensor(&[1.0, 0.0, -1.0], &[3]);
    /// let moved = graph.jvp(&[y], &[(x, direction)])?;
    /// assert_eq!(moved[0].to_vec::<f64>()?, [2.0, 0.0, -6.0]);
    /// # Ok::<(), bumpgrad::Error>(())
    /// ```
    #[track_caller]
    pub fn jvp<'g>(
        &'g self,
        ys: &[Var<'_>],
        xs_and_tangents: &[(Var<'_>, Var<'_>)],
    ) -> Result<Vec<Var<'g>>> {
        self.transform(Transform::Jvp, ys, xs_and_tangents)
    }

    /// The computation from some inputs to `ys`, recorded again for many inputs at once: each input is
    /// given with what takes its place, which has one more axis in front, of one length for all; and so
    /// have the results. What does not depend on the inputs is shared. It may hold gradients and tangents:
    /// those of each element of the batch, then.
    ///
    /// The inputs may be any nodes; what they were made of does not matter. Dropout draws for each element
    /// of the batch. Fails where a value in between, or one computed from it, was read, or made a
    /// [`snapshot`](Var::snapshot) of, and something in between was recorded afterwards: a branch that was taken for
    /// that value would be taken for all. Recording derivatives does not count, nor does printing,
    /// [`eval`](Var::eval), or what other calls compute for themselves. Inputs may be read at any time. These
    /// branches are not seen, and the caller's to know of: for an input, for what is computed of inputs by
    /// nodes that are not in between, for nodes that were rewound since, for gradients that
    /// [`grad`](Var::grad) gives, and for numbers that searches return.
    ///
    /// ```
    /// # let graph = bumpgrad::Graph::new();
    /// let x = graph.param(&[3.0], &[]);
    /// let y = x.square().sin();
    /// let slope = graph.grad(&[(y, None)], &[x])?[0];
    /// let points = graph.tensor(&[0.0, 0.5, 1.0], &[3]);
    /// let all = graph.vmap(&[y, slope], &[(x, points)])?;
    /// assert_eq!(all[1].shape()?, [3]);
    /// assert_eq!(all[1].to_vec::<f64>()?[2], 2.0 * f64::cos(1.0));
    /// # Ok::<(), bumpgrad::Error>(())
    /// ```
    #[track_caller]
    pub fn vmap<'g>(
        &'g self,
        ys: &[Var<'_>],
        xs_and_batches: &[(Var<'_>, Var<'_>)],
    ) -> Result<Vec<Var<'g>>> {
        self.transform(Transform::Vmap, ys, xs_and_batches)
    }

    /// Hessian-vector products: how the gradients of `y`, a single element, with respect to each input move
    /// when all inputs move by their tangents. Forward over reverse, without a matrix; zeros by an input that
    /// `y` does not depend on. All inputs require gradients.
    #[track_caller]
    pub fn hvp<'g>(
        &'g self,
        y: Var<'_>,
        xs_and_tangents: &[(Var<'_>, Var<'_>)],
    ) -> Result<Vec<Var<'g>>> {
        self.transform(Transform::Hvp, &[y], xs_and_tangents)
    }

    /// The derivatives of each element of `y` by each element of `x`, as a tensor of the shape of `y`
    /// followed by that of `x`. It takes a gradient for each element of `y`, or a tangent for each of `x`,
    /// whichever are fewer: see [`Graph::jacobian_mode`]; all at once by [`vmap`](Self::vmap), and in blocks
    /// where that would take a lot of memory. Zeros if `y` does not depend on `x`. What dropout drops is the
    /// same in all directions and in the value.
    ///
    /// ```
    /// # let graph = bumpgrad::Graph::new();
    /// let x = graph.param(&[3.0, 4.0], &[2]);
    /// let y = graph.stack(&[x.square().sum(), x.prod()], 0);
    /// let jacobian = graph.jacobian(y, x);
    /// assert_eq!(jacobian.to_vec::<f64>()?, [6.0, 8.0, 4.0, 3.0]);
    /// # Ok::<(), bumpgrad::Error>(())
    /// ```
    #[track_caller]
    pub fn jacobian(&self, y: Var<'_>, x: Var<'_>) -> Var<'_> {
        self.matrix(Matrix::Jacobian(None), y, x)
    }

    /// As [`Graph::jacobian`], in a mode of one's own choice.
    #[track_caller]
    pub fn jacobian_by(&self, mode: Mode, y: Var<'_>, x: Var<'_>) -> Var<'_> {
        self.matrix(Matrix::Jacobian(Some(mode)), y, x)
    }

    /// The mode that [`Graph::jacobian`] takes: reverse if `y` has no more elements than `x`, and forward
    /// otherwise, and where `x` requires no gradient.
    #[track_caller]
    pub fn jacobian_mode(&self, y: Var<'_>, x: Var<'_>) -> Result<Mode> {
        self.run(|session| session.jacobian_mode(y.handle, x.handle))
    }

    /// The second derivatives of `y`, a single element, by each pair of elements of `x`: a tensor of the
    /// shape of `x` twice. Forward over reverse, for all directions at once; zeros if `y` does not depend on
    /// `x`, which requires gradients.
    #[track_caller]
    pub fn hessian(&self, y: Var<'_>, x: Var<'_>) -> Var<'_> {
        self.matrix(Matrix::Hessian, y, x)
    }

    /// The diagonal of the [`hessian`](Self::hessian), in the shape of `x`: forward mode twice along each
    /// axis, without gradients.
    #[track_caller]
    pub fn hessian_diagonal(&self, y: Var<'_>, x: Var<'_>) -> Var<'_> {
        self.matrix(Matrix::HessianDiagonal, y, x)
    }

    /// The Laplacian: the sum of the [`hessian_diagonal`](Self::hessian_diagonal).
    #[track_caller]
    pub fn laplacian(&self, y: Var<'_>, x: Var<'_>) -> Var<'_> {
        self.matrix(Matrix::Laplacian, y, x)
    }

    /// The divergence of a vector field, `y` of the shape of `x`: the sum of the derivatives of each
    /// element of `y` by the element of `x` in its place.
    #[track_caller]
    pub fn divergence(&self, y: Var<'_>, x: Var<'_>) -> Var<'_> {
        self.matrix(Matrix::Divergence, y, x)
    }

    #[track_caller]
    fn matrix(&self, matrix: Matrix, y: Var<'_>, x: Var<'_>) -> Var<'_> {
        self.offer(|session| session.matrix(matrix, y.handle, x.handle))
    }

    /// Records one node for each output, from inputs in pairs with what goes along.
    #[track_caller]
    fn transform<'g>(
        &'g self,
        transform: Transform,
        ys: &[Var<'_>],
        pairs: &[(Var<'_>, Var<'_>)],
    ) -> Result<Vec<Var<'g>>> {
        let null = Var { graph: self, handle: Handle::NULL };
        let mut out = vec![null; transform.results(ys.len(), pairs.len())];
        self.run(|session| {
            let ys = ys.iter().map(|y| y.handle);
            let pairs = pairs.iter().map(|(x, other)| (x.handle, other.handle));
            session.transform(transform, ys, pairs, |i, handle| out[i].handle = handle)
        })?;
        Ok(out)
    }

    // ---- sparse ----

    /// On which elements of `x` each element of `y` depends: where the [`jacobian`](Self::jacobian) may differ
    /// from 0. It is found from the recording, element by element, and holds for all data, as long as the
    /// indices are those of now; what is chosen by indices that are computed from `x` may depend on all.
    #[track_caller]
    pub fn sparsity(&self, y: Var<'_>, x: Var<'_>) -> Result<Sparsity> {
        self.run(|session| session.sparsity(y.handle, x.handle))
    }

    /// The same for the [`hessian`](Self::hessian) of a single element: symmetric, or its lower triangle.
    #[track_caller]
    pub fn hessian_sparsity(&self, y: Var<'_>, x: Var<'_>, lower: bool) -> Result<Sparsity> {
        self.run(|session| session.hessian_sparsity(y.handle, x.handle, lower))
    }

    /// The [`jacobian`](Self::jacobian) at the places of its [`sparsity`](Self::sparsity), row by row: a
    /// tensor of one axis. It takes as many tangents as the columns have colours, or gradients as the rows have:
    /// columns that meet in no row have one colour (greedy distance-2 colouring). Where `x` requires gradients
    /// and a few rows (or columns) have very many entries, these are taken apart, in the other mode
    /// (bicolouring: T. Coleman, A. Verma, 1998).
    ///
    /// ```
    /// # let graph = bumpgrad::Graph::new();
    /// let x = graph.param(&[1.0, 2.0, 3.0, 4.0], &[4]);
    /// let y = x.slice(0, 1, 4, 1) * x.slice(0, 0, 3, 1);
    /// let (pattern, values) = graph.sparse_jacobian(y, x)?;
    /// assert_eq!(pattern.row(1), [1, 2]);
    /// assert_eq!(values.to_vec::<f64>()?, [2.0, 1.0, 3.0, 2.0, 4.0, 3.0]);
    /// # Ok::<(), bumpgrad::Error>(())
    /// ```
    #[track_caller]
    pub fn sparse_jacobian<'g>(&'g self, y: Var<'_>, x: Var<'_>) -> Result<(Sparsity, Var<'g>)> {
        let made = self.run(|session| session.sparse_jacobian(y.handle, x.handle));
        made.map(|(pattern, handle)| (pattern, Var { graph: self, handle }))
    }

    /// The [`hessian`](Self::hessian) of a single element, or its lower triangle, at the places of its
    /// pattern, row by row: from as few Hessian-vector products as a star colouring needs.
    #[track_caller]
    pub fn sparse_hessian<'g>(
        &'g self,
        y: Var<'_>,
        x: Var<'_>,
        lower: bool,
    ) -> Result<(Sparsity, Var<'g>)> {
        let made = self.run(|session| session.sparse_hessian(y.handle, x.handle, lower));
        made.map(|(pattern, handle)| (pattern, Var { graph: self, handle }))
    }

    /// How many tangents and how many gradients [`sparse_jacobian`](Self::sparse_jacobian) takes, where the
    /// dense one takes as many as `y` or `x` has elements.
    #[track_caller]
    pub fn sparse_jacobian_passes(&self, y: Var<'_>, x: Var<'_>) -> Result<(usize, usize)> {
        let counts = self.run(|session| session.sparse_jacobian_passes(y.handle, x.handle));
        counts.map(|[tangents, gradients]| (tangents, gradients))
    }

    /// How many Hessian-vector products [`sparse_hessian`](Self::sparse_hessian) takes, where the dense one
    /// takes as many as `x` has elements.
    #[track_caller]
    pub fn sparse_hessian_passes(&self, y: Var<'_>, x: Var<'_>) -> Result<usize> {
        self.run(|session| session.sparse_hessian_passes(y.handle, x.handle))
    }

    // ---- evidence ----

    /// Compares the gradients of `y` by some leaves, all f64, with central differences, element by element;
    /// and reverse mode with forward mode, which must agree but for rounding: <u, J v> = <J' u, v> for
    /// scattered u and v. An output of several elements is weighed by u. Takes two evaluations for each
    /// element; nothing has changed afterwards. Random operations draw anew each time: check without them,
    /// or in evaluation mode.
    ///
    /// ```
    /// # let graph = bumpgrad::Graph::new();
    /// let x = graph.param(&[0.5, 1.5], &[2]);
    /// let found = graph.gradcheck((x * x.sin()).sum(), &[x], &Default::default())?;
    /// assert!(found.is_right, "{found:?}");
    /// # Ok::<(), bumpgrad::Error>(())
    /// ```
    #[track_caller]
    pub fn gradcheck(
        &self,
        y: Var<'_>,
        xs: &[Var<'_>],
        options: &GradcheckOptions,
    ) -> Result<Gradcheck> {
        self.run(|session| session.gradcheck(y.handle, xs.iter().map(|x| x.handle), options))
    }

    /// Whether values that are read, and gradients of backward, are looked through, with all that they are
    /// made of. The first number that is NaN, or infinite although nothing infinite went in, is an error
    /// ([`ErrorKind::Number`](crate::ErrorKind::Number)) that names its operation, element and, for what is
    /// recorded from now on, line; of a gradient, whose derivative it was made in. Slow: for finding out.
    pub fn set_check_numbers(&self, on: bool) {
        self.call(|session| session.set_check_numbers(on));
    }

    /// In words, whether the gradient of `loss` reaches `x`, and if not, where its way ends: at what was
    /// detached, compared, made of integers, or recorded without gradients.
    #[track_caller]
    pub fn why_no_grad(&self, loss: Var<'_>, x: Var<'_>) -> Result<String> {
        self.run(|session| {
            let mut text = String::new();
            session.why_no_grad(loss.handle, x.handle, &mut text)?;
            Ok(text)
        })
    }
}
