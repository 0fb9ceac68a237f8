//! Sparse derivatives: which elements depend on which, found from the recording; few directions that
//! tell all of them apart; and their values, one for each place of the pattern.
//!
//! The values are elements of products with sums of unit directions, one sum for each colour: a node
//! like any other, to be read again when the input was written.

mod carry;
mod pattern;

use super::Session;
use crate::arena::{OutOfMemory, TryPush};
use crate::dtype::DType;
use crate::error::{ErrorKind, Fail, Maybe};
use crate::graph::{Core, Handle, Operand};
use crate::id::NodeId;
use crate::node::Comparison;
use crate::shape::Dims;
use crate::transform::{Between, Random};
use carry::Stop;
pub use pattern::Sparsity;
use pattern::{Full, filled, list, star_colours, star_places, triangle, with_transposed};

impl Session {
    /// On which elements of `x` each element of `y` depends: by structure, not by numbers; where indices are
    /// computed from `x`, on all that they might choose.
    fn sparsity_of(&mut self, what: &str, y: NodeId, x: NodeId) -> Maybe<Sparsity> {
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
        self.for_now(|session| match carry::pattern(session, y, x) {
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
        let (_, pattern) = self.for_now(|session| session.gradient_sparsity(what, y, x))?;
        let entries = triangle(&pattern, lower);
        self.full(what, entries)
    }

    /// The gradient of a single element, and the symmetric pattern of its derivatives.
    fn gradient_sparsity(&mut self, what: &str, y: NodeId, x: NodeId) -> Maybe<(NodeId, Sparsity)> {
        self.core.need_one(what, y)?;
        let mut g = [NodeId::NONE];
        self.core.record_gradients(y, &[x], &mut g)?;
        let pattern = self.sparsity_of(what, g[0], x)?;
        let both = with_transposed(&pattern);
        Ok((g[0], self.full(what, both)?))
    }

    /// The values of a Jacobian at the places of its pattern, row by row: from as few gradients or
    /// tangents as the colours of its rows or columns, whichever are fewer.
    pub(crate) fn sparse_jacobian(&mut self, y: Handle, x: Handle) -> Maybe<(Sparsity, Handle)> {
        let what = "sparse_jacobian";
        let (y, x) = (self.core.resolve(what, y)?, self.core.resolve(what, x)?);
        let pattern = self.sparsity_of(what, y, x)?;
        let (rows, columns) = (self.core.node(y).len, self.core.node(x).len);
        let across = pattern.transposed(columns);
        let across = self.full(what, across)?;
        let (by_column, by_row) = (pattern.colours(&across), across.colours(&pattern));
        let (by_column, by_row) = (self.full(what, by_column)?, self.full(what, by_row)?);
        let has_gradient = self.core.node(y).requires_grad && self.core.node(x).requires_grad;
        let forward = by_column.1 <= by_row.1 || !has_gradient;
        let mut places = Vec::new();
        let room = places.try_room(pattern.columns.len());
        self.full(what, room)?;
        for row in 0..rows {
            for &column in pattern.row(row) {
                let column = column as usize;
                places.push_within(match forward {
                    true => by_column.0[column] as usize * rows + row,
                    false => by_row.0[row] as usize * columns + column,
                } as i64);
            }
        }
        let values = self.record_compressed(|session| {
            let Self { core, between, .. } = session;
            let mut product = [NodeId::NONE];
            if forward {
                let tangent = core.fill_like(x, 0.0)?;
                core.record_jvp(between, &[y], &[x], &[tangent], &mut product)?;
                core.compressed(between, tangent, product[0], &by_column, &places)
            } else {
                let head = core.fill_like(y, 0.0)?;
                core.record_grad(&[(y, Some(head))], &[x], true, &mut product)?;
                if product[0].is_none() {
                    product[0] = core.fill_like(x, 0.0)?;
                }
                core.compressed(between, head, product[0], &by_row, &places)
            }
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
        let values = self.record_compressed(|session| {
            let (g, pattern) = session.gradient_sparsity(what, y, x)?;
            let colours = star_colours(&pattern);
            let colours = session.full(what, colours)?;
            let triangle = triangle(&pattern, lower);
            entries = session.full(what, triangle)?;
            let places = star_places(&colours, &entries);
            let places = session.full(what, places)?;
            let colours = (colours.of, colours.count);
            let Self { core, between, .. } = session;
            let tangent = core.fill_like(x, 0.0)?;
            let mut moved = [NodeId::NONE];
            core.record_jvp(between, &[g], &[x], &[tangent], &mut moved)?;
            core.compressed(between, tangent, moved[0], &colours, &places)
        })?;
        Ok((entries, values))
    }

    fn record_compressed(
        &mut self,
        record: impl FnOnce(&mut Self) -> Maybe<NodeId>,
    ) -> Maybe<Handle> {
        let id = self.attempt(record)?;
        Ok(self.core.handle(id))
    }
}

impl Core {
    /// Elements of what `y` is for the sum of unit directions of each colour in the place of `x`.
    fn compressed(
        &mut self,
        between: &mut Between,
        x: NodeId,
        y: NodeId,
        (colours, count): &(Vec<u32>, u32),
        places: &[i64],
    ) -> Maybe<NodeId> {
        let what = "sparse_jacobian";
        self.need_axis(what, x)?;
        let (dims, dtype) = (self.shape(x), self.node(x).dtype);
        let colours = list(colours.iter().map(|&colour| i64::from(colour)));
        let colours = colours.map_err(|OutOfMemory| self.out_of_memory(what))?;
        let colours = self.leaf(what, &colours, &dims)?;
        let all = self.arange(DType::I64, 0.0, f64::from(*count), 1.0)?;
        let mut tall = Dims::SCALAR;
        tall.push(*count as usize);
        dims.iter().for_each(|_| tall.push(1));
        let all = self.reshape_to(what, all, &tall)?;
        let same = self.compare(Comparison::Eq, all, Operand::Node(colours))?;
        let directions = self.cast(same, dtype)?;
        let mut products = [NodeId::NONE];
        self.record_vmap(between, &[y], &[x], &[directions], Random::Same, &mut products)?;
        let flat = [self.node(products[0]).len];
        let products = self.reshape_to(what, products[0], &flat)?;
        let places = self.leaf(what, places, &[places.len()])?;
        self.index_select(products, 0, places)
    }
}
