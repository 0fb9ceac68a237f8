//! Sparse derivatives: which elements depend on which, found from the recording; few directions that
//! tell all of them apart; and their values, one for each place of the pattern.
//!
//! The values are elements of products with sums of unit directions, one sum for each colour: a node
//! like any other, to be read again when the input was written.

mod carry;
mod pattern;
mod split;

use super::Session;
use crate::arena::OutOfMemory;
use crate::dtype::DType;
use crate::error::{ErrorKind, Fail, Maybe};
use crate::graph::{Core, Handle, Operand};
use crate::id::NodeId;
use crate::node::Comparison;
use crate::shape::Dims;
use crate::transform::{Between, Random};
use carry::Stop;
pub use pattern::Sparsity;
use pattern::{
    Colouring, Full, filled, list, star_colours, star_places, triangle, with_transposed,
};
use split::Split;

impl Session {
    /// On which elements of `x` each element of `y` depends: by structure, not by numbers; where indices are
    /// computed from `x`, on all that they might choose.
    fn sparsity_of(&mut self, what: &'static str, y: NodeId, x: NodeId) -> Maybe<Sparsity> {
        self.core.need_float(what, y)?;
        self.core.need_float(what, x)?;
        let (rows, columns) = (self.core.node(y).len, self.core.node(x).len);
        let largest = self.core.node(y).len.max(columns);
        if largest >= u32::MAX as usize {
            return Err(self.core.fail(
                ErrorKind::Limit,
                format_args!("{what}: patterns have at most 2^32 - 2 rows and columns"),
            ));
        }
        self.for_now(what, |session| match carry::pattern(session, y, x) {
            Ok(Some(pattern)) => Ok(pattern),
            Ok(None) => {
                let starts = session.full(what, filled(0, rows + 1))?;
                Ok(Sparsity { starts, columns: Vec::new() })
            }
            Err(Stop::Fail) => Err(Fail),
            Err(Stop::Memory) => Err(session.core.out_of_memory(what)),
        })
    }

    /// What needs memory, on behalf of an operation.
    fn full<T>(&mut self, what: &str, made: Full<T>) -> Maybe<T> {
        made.map_err(|OutOfMemory| self.core.out_of_memory(what))
    }

    /// Which elements of a Jacobian may differ from 0.
    pub(crate) fn sparsity(&mut self, y: Handle, x: Handle) -> Maybe<Sparsity> {
        let what = "sparsity";
        let (y, x) = (self.core.resolve(what, y)?, self.core.resolve(what, x)?);
        self.sparsity_of(what, y, x)
    }

    /// Which elements of a Hessian may differ from 0; of its lower triangle, if asked for that.
    pub(crate) fn hessian_sparsity(
        &mut self,
        y: Handle,
        x: Handle,
        lower: bool,
    ) -> Maybe<Sparsity> {
        let what = "hessian_sparsity";
        let (y, x) = (self.core.resolve(what, y)?, self.core.resolve(what, x)?);
        let (_, pattern) = self.for_now(what, |session| session.gradient_sparsity(what, y, x))?;
        let entries = triangle(&pattern, lower);
        self.full(what, entries)
    }

    /// The gradient of a single element, and the symmetric pattern of its derivatives.
    fn gradient_sparsity(
        &mut self,
        what: &'static str,
        y: NodeId,
        x: NodeId,
    ) -> Maybe<(NodeId, Sparsity)> {
        self.core.need_one(what, y)?;
        let mut g = [NodeId::NONE];
        self.core.with_gradients(|core| core.record_gradients(y, &[x], &mut g))?;
        let pattern = self.sparsity_of(what, g[0], x)?;
        let both = with_transposed(&pattern);
        Ok((g[0], self.full(what, both)?))
    }

    /// The pattern of a Jacobian, and the directions that tell its entries apart.
    fn jacobian_split(
        &mut self,
        what: &'static str,
        y: NodeId,
        x: NodeId,
    ) -> Maybe<(Sparsity, Split)> {
        let pattern = self.sparsity_of(what, y, x)?;
        let across = pattern.transposed(self.core.node(x).len);
        let across = self.full(what, across)?;
        let [has_forward, has_reverse] = self.core.modes(what, y)?;
        let has_gradient = self.core.node(y).requires_grad && self.core.node(x).requires_grad;
        let split = Split::of(&pattern, &across, [has_forward, has_reverse && has_gradient]);
        Ok((pattern, self.full(what, split)?))
    }

    /// How many tangents, and how many gradients, a sparse Jacobian takes.
    pub(crate) fn sparse_jacobian_passes(&mut self, y: Handle, x: Handle) -> Maybe<[usize; 2]> {
        let what = "sparse_jacobian_passes";
        let (y, x) = (self.core.resolve(what, y)?, self.core.resolve(what, x)?);
        let (_, split) = self.jacobian_split(what, y, x)?;
        Ok([split.tangents.count as usize, split.heads.count as usize])
    }

    /// How many Hessian-vector products a sparse Hessian takes.
    pub(crate) fn sparse_hessian_passes(&mut self, y: Handle, x: Handle) -> Maybe<usize> {
        let what = "sparse_hessian_passes";
        let (y, x) = (self.core.resolve(what, y)?, self.core.resolve(what, x)?);
        let (_, pattern) = self.for_now(what, |session| session.gradient_sparsity(what, y, x))?;
        let star = star_colours(&pattern);
        Ok(self.full(what, star)?.colours.count as usize)
    }

    /// The values of a Jacobian at the places of its pattern, row by row: from as few tangents and gradients as
    /// the colours of its columns and rows.
    pub(crate) fn sparse_jacobian(&mut self, y: Handle, x: Handle) -> Maybe<(Sparsity, Handle)> {
        let what = "sparse_jacobian";
        let (y, x) = (self.core.resolve(what, y)?, self.core.resolve(what, x)?);
        let (pattern, split) = self.jacobian_split(what, y, x)?;
        let places = split.places(&pattern, self.core.node(x).len);
        let places = self.full(what, places)?;
        let values = self.record_compressed(what, y, |session| {
            let Self { core, between, .. } = session;
            let mut products = [NodeId::NONE; 2];
            if split.tangents.count > 0 || split.heads.count == 0 {
                let (tangent, mut moved) = (core.fill_like(x, 0.0)?, [NodeId::NONE]);
                core.record_jvp(between, &[y], &[x], &[tangent], &mut moved)?;
                products[0] = core.products(between, tangent, moved[0], &split.tangents)?;
            }
            if split.heads.count > 0 {
                let (head, mut sent) = (core.fill_like(y, 0.0)?, [NodeId::NONE]);
                core.record_grad(&[(y, Some(head))], &[x], true, &mut sent)?;
                if sent[0].is_none() {
                    sent[0] = core.fill_like(x, 0.0)?;
                }
                products[1] = core.products(between, head, sent[0], &split.heads)?;
            }
            let all = match products {
                [one, NodeId::NONE] | [NodeId::NONE, one] => one,
                both => core.concat(&both, 0)?,
            };
            core.at_places(all, &places)
        })?;
        Ok((pattern, values))
    }

    /// The values of a Hessian, or of its lower triangle, at the places of its pattern, row by row.
    pub(crate) fn sparse_hessian(
        &mut self,
        y: Handle,
        x: Handle,
        lower: bool,
    ) -> Maybe<(Sparsity, Handle)> {
        let what = "sparse_hessian";
        let (y, x) = (self.core.resolve(what, y)?, self.core.resolve(what, x)?);
        let mut entries = Sparsity::default();
        let values = self.record_compressed(what, y, |session| {
            let (g, pattern) = session.gradient_sparsity(what, y, x)?;
            let star = star_colours(&pattern);
            let star = session.full(what, star)?;
            let triangle = triangle(&pattern, lower);
            entries = session.full(what, triangle)?;
            let places = star_places(&star, &entries);
            let places = session.full(what, places)?;
            let Self { core, between, .. } = session;
            let tangent = core.fill_like(x, 0.0)?;
            let mut moved = [NodeId::NONE];
            core.record_jvp(between, &[g], &[x], &[tangent], &mut moved)?;
            let products = core.products(between, tangent, moved[0], &star.colours)?;
            core.at_places(products, &places)
        })?;
        Ok((entries, values))
    }

    fn record_compressed(
        &mut self,
        what: &'static str,
        y: NodeId,
        record: impl FnOnce(&mut Self) -> Maybe<NodeId>,
    ) -> Maybe<Handle> {
        let id = self.attempt(what, |session| {
            let first = session.core.len();
            let id = record(session)?;
            session.core.note_derived(what, first, std::iter::once(y))?;
            Ok(id)
        })?;
        Ok(self.core.handle(id))
    }
}

impl Core {
    /// What `y` is for the sum of unit directions of each colour in the place of `x`, one after the other.
    fn products(
        &mut self,
        between: &mut Between,
        x: NodeId,
        y: NodeId,
        colours: &Colouring,
    ) -> Maybe<NodeId> {
        let what = "sparse_jacobian";
        self.need_axis(what, x)?;
        let (dims, dtype) = (self.shape(x), self.node(x).dtype);
        let own = list(colours.of.iter().map(|&colour| i64::from(colour)));
        let own = own.map_err(|OutOfMemory| self.out_of_memory(what))?;
        let own = self.leaf(what, &own, &dims)?;
        let all = self.arange(DType::I64, 0.0, f64::from(colours.count), 1.0)?;
        let mut tall = Dims::SCALAR;
        tall.push(colours.count as usize);
        dims.iter().for_each(|_| tall.push(1));
        let all = self.reshape_to(what, all, &tall)?;
        let same = self.compare(Comparison::Eq, all, Operand::Node(own))?;
        let directions = self.cast(same, dtype)?;
        let mut products = [NodeId::NONE];
        self.record_vmap(between, &[y], &[x], &[directions], Random::Same, &mut products)?;
        let flat = [self.node(products[0]).len];
        self.reshape_to(what, products[0], &flat)
    }

    fn at_places(&mut self, products: NodeId, places: &[i64]) -> Maybe<NodeId> {
        let places = self.leaf("sparse_jacobian", places, &[places.len()])?;
        self.index_select(products, 0, places)
    }
}
