//! Calls that make recordings of recordings.

use super::Session;
use crate::arena::TryPush;
use crate::error::Maybe;
use crate::graph::Handle;
use crate::id::NodeId;
use crate::transform::{Mode, Random};

/// What is made of a recording whose inputs come in pairs with something.
#[derive(Clone, Copy)]
pub(crate) enum Transform {
    /// How outputs move when inputs move by their tangents.
    Jvp,
    /// The same with one more axis, on batches of the inputs.
    Vmap,
    /// How the gradients of an output by the inputs move when these do: one for each input.
    Hvp,
}

/// A matrix of derivatives of an output by an input, or what is made of it.
#[derive(Clone, Copy)]
pub(crate) enum Matrix {
    Jacobian(Option<Mode>),
    Hessian,
    HessianDiagonal,
    Laplacian,
    Divergence,
}

impl Transform {
    fn name(self) -> &'static str {
        match self {
            Self::Jvp => "jvp",
            Self::Vmap => "vmap",
            Self::Hvp => "hvp",
        }
    }

    /// How many results there are of so many outputs and inputs.
    pub(crate) fn results(self, outputs: usize, inputs: usize) -> usize {
        match self {
            Self::Jvp | Self::Vmap => outputs,
            Self::Hvp => inputs,
        }
    }
}

impl Session {
    /// Records one node for each of `ys`, and tells of them; nothing stays if it fails.
    pub(crate) fn transform(
        &mut self,
        transform: Transform,
        ys: impl ExactSizeIterator<Item = Handle>,
        pairs: impl ExactSizeIterator<Item = (Handle, Handle)>,
        mut found: impl FnMut(usize, Handle),
    ) -> Maybe<()> {
        let (what, start) = (transform.name(), self.core.start());
        self.resolve_all(what, ys)?;
        std::mem::swap(&mut self.xs, &mut self.roots);
        self.resolve_pairs(what, pairs)?;
        let mut out = std::mem::take(&mut self.found);
        let recorded = self.attempt(what, |session| {
            let Self { core, between, roots, xs, others, .. } = &mut *session;
            out.clear();
            let count = transform.results(roots.len(), xs.len());
            let made = out.try_extend_to(count, NodeId::NONE);
            made.map_err(|_| core.out_of_memory(what))?;
            match transform {
                Transform::Jvp => core.record_jvp(between, roots, xs, others, &mut out)?,
                Transform::Vmap => {
                    core.record_vmap(between, roots, xs, others, Random::Different, &mut out)?
                }
                Transform::Hvp => core.record_hvp(between, roots[0], xs, others, &mut out)?,
            }
            core.note_derived(what, start.nodes, roots.iter().copied())?;
            out.iter_mut().try_for_each(|id| session.offered(start, *id).map(|new| *id = new))
        });
        if recorded.is_ok() {
            out.iter().enumerate().for_each(|(i, &id)| found(i, self.handle_since(start, id)));
        }
        self.found = out;
        recorded
    }

    /// Records a matrix of derivatives.
    pub(crate) fn matrix(&mut self, matrix: Matrix, y: Handle, x: Handle) -> Handle {
        let what = match matrix {
            Matrix::Jacobian(_) => "jacobian",
            Matrix::Hessian => "hessian",
            Matrix::HessianDiagonal => "hessian_diagonal",
            Matrix::Laplacian => "laplacian",
            Matrix::Divergence => "divergence",
        };
        let mut between = std::mem::take(&mut self.between);
        let [result] = self.operation(what, [y, x], |core, [y, x]| {
            let (between, first) = (&mut between, core.len());
            let made = match matrix {
                Matrix::Jacobian(mode) => core.record_jacobian(between, y, x, mode)?,
                Matrix::Hessian => core.record_hessian(between, y, x)?,
                Matrix::HessianDiagonal => core.record_hessian_diagonal(between, y, x)?,
                Matrix::Laplacian => core.record_laplacian(between, y, x)?,
                Matrix::Divergence => core.record_divergence(between, y, x)?,
            };
            core.note_derived(what, first, std::iter::once(y))?;
            Ok([made])
        });
        self.between = between;
        result
    }

    /// Which mode a Jacobian would choose.
    pub(crate) fn jacobian_mode(&mut self, y: Handle, x: Handle) -> Maybe<Mode> {
        let what = "jacobian_mode";
        let (y, x) = (self.core.resolve(what, y)?, self.core.resolve(what, x)?);
        self.core.need_float(what, y)?;
        self.core.need_float(what, x)?;
        self.core.jacobian_mode(y, x)
    }

    /// Looks pairs up, into `self.xs` and `self.others`.
    fn resolve_pairs(
        &mut self,
        what: &str,
        pairs: impl ExactSizeIterator<Item = (Handle, Handle)>,
    ) -> Maybe<()> {
        let Self { core, xs, others, .. } = self;
        xs.clear();
        others.clear();
        let room = xs.try_room(pairs.len()).and_then(|()| others.try_room(pairs.len()));
        room.map_err(|_| core.out_of_memory(what))?;
        for (x, other) in pairs {
            xs.push_within(core.resolve(what, x)?);
            others.push_within(core.resolve(what, other)?);
        }
        Ok(())
    }
}
