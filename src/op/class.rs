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

/// From each row of operand 0 the element whose class operand 1 tells; 0 for ignored rows.
pub(crate) struct GatherClass;

impl Rule for GatherClass {
    const NAME: &str = "gather_class";
    const BATCHING: Batching = Batching::Own(batch_classes);
    const DEPENDS: Depends = Depends::Chosen;
    const LINEAR_IN: u8 = 1;
    const COST: u64 = 1_000;
    const GIVES: Gives = Gives::Elements(Self::vjp);
    const CHECKS_INDICES: bool = true;
    const JOINS: Option<Joins> = Some(Joins { form: Form::FromRows, run: Self::run_rows });

    fn is_nothing(core: &Core, node: &Node) -> bool {
        has_no_rows(core, node)
    }

    fn run(task: &Task<'_>) -> Result<(), Outside> {
        let bounds = classes(task.dims(0)[1], task.call());
        with_bits!(task.dtype(0).size(), T => task.fill_bits(|out: &mut [MaybeUninit<T>]| {
            gather::<T>(bounds, 0, task.bits(0), task.operand(1), out)
        }))
    }
}

impl GatherClass {
    fn run_rows(rows: &mut Rows) -> Result<(), Outside> {
        let (first, bounds) = (rows.first, classes(rows.len, rows.call));
        with_bits!(rows.size, T => {
            let (x, classes, out) = rows.parts::<T>();
            gather(bounds, first, x, classes, out)
        })
    }

    fn vjp(core: &mut Core, id: NodeId, g: NodeId, sink: &mut Sink) -> Maybe<()> {
        let node = *core.node(id);
        let [x, classes, ..] = node.inputs;
        if !sink.wants(core, x) {
            return Ok(());
        }
        let row = core.shape(x)[1];
        let cotangent = core.scatter_class(g, classes, row)?;
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

/// Rows of zeros, with operand 0 at the class of each that is not ignored.
pub(crate) struct ScatterClass;

impl Rule for ScatterClass {
    const NAME: &str = "scatter_class";
    const BATCHING: Batching = Batching::Own(batch_classes);
    const DEPENDS: Depends = Depends::Chosen;
    const LINEAR_IN: u8 = 1;
    const COST: u64 = 1_000;
    const GIVES: Gives = Gives::Elements(Self::vjp);
    const CHECKS_INDICES: bool = true;
    const JOINS: Option<Joins> = Some(Joins { form: Form::ToRows, run: Self::run_rows });

    fn is_nothing(core: &Core, node: &Node) -> bool {
        has_no_rows(core, node)
    }

    fn run(task: &Task<'_>) -> Result<(), Outside> {
        let bounds = classes(task.out_dims()[1], task.call());
        with_bits!(task.dtype(0).size(), T => task.fill_bits(|out: &mut [MaybeUninit<T>]| {
            scatter::<T>(bounds, 0, task.bits(0), task.operand(1), out)
        }))
    }
}

impl ScatterClass {
    fn run_rows(rows: &mut Rows) -> Result<(), Outside> {
        let (first, bounds) = (rows.first, classes(rows.len, rows.call));
        with_bits!(rows.size, T => {
            let (x, classes, out) = rows.parts::<T>();
            scatter(bounds, first, x, classes, out)
        })
    }

    fn vjp(core: &mut Core, id: NodeId, g: NodeId, sink: &mut Sink) -> Maybe<()> {
        let node = *core.node(id);
        let [x, classes, ..] = node.inputs;
        if !sink.wants(core, x) {
            return Ok(());
        }
        let cotangent = core.gather_class(g, classes)?;
        sink.send(core, x, cotangent)
    }
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
