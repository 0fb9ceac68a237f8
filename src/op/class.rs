//! The element of each row at its class, and back: what losses of classes are made of.

use std::mem::MaybeUninit;

use super::Sink;
use super::batch::{Batched, Batching};
use super::structural::{Depends, Form, Gives, Joins, Rule};
use crate::dtype::with_bits;
use crate::error::Maybe;
use crate::graph::Core;
use crate::id::{CallId, NodeId};
use crate::node::Node;
use crate::roll_call::Structural;
use crate::task::{Bits, Bounds, Outside, Rows, Task, zeros};

/// The class that says: leave this row out.
pub(crate) const IGNORED_CLASS: i64 = -100;

/// So many classes.
fn classes(len: usize, call: CallId) -> Bounds {
    Bounds { noun: "class", ..Bounds::of_axis(len, call) }
}

fn has_no_rows(core: &Core, node: &Node) -> bool {
    core.node(node.inputs[1]).len == 0
}

/// Between rows and one element of each, where operand 1 tells the class of the row: one way, or the other. Each is
/// the other one transposed.
pub(crate) struct OfClass<const TO_ROWS: bool>;

/// From each row of operand 0 the element of its class; 0 for ignored rows.
pub(crate) type GatherClass = OfClass<false>;

/// Rows of zeros, with operand 0 at the class of each that is not ignored.
pub(crate) type ScatterClass = OfClass<true>;

impl<const TO_ROWS: bool> Rule for OfClass<TO_ROWS> {
    const NAME: &str = if TO_ROWS { "scatter_class" } else { "gather_class" };
    const BATCHING: Batching = Batching::Own(batch_classes);
    const DEPENDS: Depends = Depends::Chosen;
    const LINEAR_IN: u8 = 1;
    const COST: u64 = 1_000;
    const GIVES: Gives = Gives::Elements(Self::vjp);
    const CHECKS_INDICES: bool = true;
    const JOINS: Option<Joins> = Some(Joins {
        form: if TO_ROWS { Form::ToRows } else { Form::FromRows },
        run: Self::run_rows,
    });

    fn is_nothing(core: &Core, node: &Node) -> bool {
        has_no_rows(core, node)
    }

    fn run(task: &Task<'_>) -> Result<(), Outside> {
        let rows = if TO_ROWS { task.out_dims() } else { task.dims(0) };
        let bounds = classes(rows[1], task.call());
        with_bits!(task.dtype(0).size(), T => task.fill_bits(|out: &mut [MaybeUninit<T>]| {
            Self::move_elements::<T>(bounds, 0, task.bits(0), task.operand(1), out)
        }))
    }
}

impl<const TO_ROWS: bool> OfClass<TO_ROWS> {
    fn run_rows(rows: &mut Rows) -> Result<(), Outside> {
        let (first, bounds) = (rows.first, classes(rows.len, rows.call));
        with_bits!(rows.size, T => {
            let (x, classes, out) = rows.parts::<T>();
            Self::move_elements(bounds, first, x, classes, out)
        })
    }

    fn move_elements<T: Bits>(
        bounds: Bounds,
        first: usize,
        x: &[T],
        classes: &[i64],
        out: &mut [MaybeUninit<T>],
    ) -> Result<(), Outside> {
        match TO_ROWS {
            false => gather(bounds, first, x, classes, out),
            true => scatter(bounds, first, x, classes, out),
        }
    }

    fn vjp(core: &mut Core, id: NodeId, g: NodeId, sink: &mut Sink) -> Maybe<()> {
        let node = *core.node(id);
        let [x, classes, ..] = node.inputs;
        if !sink.wants(core, x) {
            return Ok(());
        }
        let cotangent = if TO_ROWS {
            core.gather_class(g, classes)?
        } else {
            let row = core.shape(x)[1];
            core.scatter_class(g, classes, row)?
        };
        sink.send(core, x, cotangent)
    }
}

fn gather<T: Bits>(
    bounds: Bounds,
    first: usize,
    x: &[T],
    classes: &[i64],
    out: &mut [MaybeUninit<T>],
) -> Result<(), Outside> {
    for (k, (&class, out)) in classes.iter().zip(out).enumerate() {
        out.write(match class {
            IGNORED_CLASS => T::default(),
            class => x[k * bounds.len + bounds.place(first + k, class)?],
        });
    }
    Ok(())
}

fn scatter<T: Bits>(
    bounds: Bounds,
    first: usize,
    x: &[T],
    classes: &[i64],
    out: &mut [MaybeUninit<T>],
) -> Result<(), Outside> {
    let out = zeros(out);
    for (k, (&class, &x)) in classes.iter().zip(x).enumerate() {
        if class != IGNORED_CLASS {
            out[k * bounds.len + bounds.place(first + k, class)?] = x;
        }
    }
    Ok(())
}

impl Core {
    /// Of each row the element of its class; 0 for an ignored row.
    pub(super) fn gather_class(&mut self, x: NodeId, classes: NodeId) -> Maybe<NodeId> {
        let mut node = self.structural(Structural::GatherClass, &[x, classes], &[])?;
        (node.shape, node.len) = (self.node(classes).shape, self.node(classes).len);
        self.push(node)
    }

    /// Rows of zeros, so many each, with the elements of `x` where their classes tell.
    pub(super) fn scatter_class(
        &mut self,
        x: NodeId,
        classes: NodeId,
        row: usize,
    ) -> Maybe<NodeId> {
        let mut node = self.structural(Structural::ScatterClass, &[x, classes], &[])?;
        let dims = [self.node(classes).len, row];
        (node.shape, node.len) = self.intern_shape(ScatterClass::NAME, &dims)?;
        self.push(node)
    }
}

/// One class a row: the rows of all elements, one after the other.
fn batch_classes(batch: &mut Batched<'_>, node: &Node) -> Maybe<NodeId> {
    let shapes = [0, 1].map(|k| batch.core.shape(node.inputs[k]));
    let mut operands = batch.all()?;
    for (operand, mut rows) in operands.iter_mut().zip(shapes) {
        rows[0] *= batch.len;
        *operand = batch.core.reshape_to("vmap", *operand, &rows)?;
    }
    let mut rows = batch.core.dims(node.shape);
    rows[0] *= batch.len;
    batch.push_flat(node, operands, &rows)
}
