//! Operations of one's own, as Rust has them.

use std::any::Any;
use std::cell::RefCell;
use std::fmt::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Graph, Var};
use crate::callback::{
    Call, Facts, Jvp, Message, Name, Part, Raw, Refused, ResultShape, TensorMut, TensorRef, Vjp,
};
use crate::graph::{Core, CustomOp, Handle, Operation, Recorded};
use crate::id::NodeId;
use crate::session::Session;

/// What a callback of a custom operation returns: an error of any kind, whose text becomes a part of the
/// graph's error, [`ErrorKind::Callback`](crate::ErrorKind::Callback).
pub type CustomResult<T = ()> =
    std::result::Result<T, Box<dyn std::error::Error + Send + Sync + 'static>>;

type ForwardFn = dyn FnMut(&[TensorRef<'_>], &mut [TensorMut<'_>]) -> CustomResult + Send;
type VjpFn = dyn FnMut(&Vjp<'_>, &mut [TensorMut<'_>]) -> CustomResult + Send;
type JvpFn = dyn FnMut(&Jvp<'_>, &mut [TensorMut<'_>]) -> CustomResult + Send;
type ShapesFn = dyn Fn(&[TensorRef<'_>], &mut [ResultShape]) -> CustomResult + Send;
type RecordFn = dyn for<'g> Fn(&Recording<'g>) -> CustomResult<Vec<Option<Var<'g>>>> + Send;

/// An operation of one's own, to be registered by [`Graph::custom`] and applied by [`Graph::apply`].
///
/// It is made of callbacks, of which only the forward is a must. They see tensors as dense slices, and are
/// called on the thread that reads a value, whenever that is: recording calls none but
/// [`shapes`](Self::shapes) and [`recorded_vjp`](Self::recorded_vjp). An error of a callback, and a panic,
/// ends the evaluation with [`ErrorKind::Callback`](crate::ErrorKind::Callback) and its words; nothing is
/// lost then, and the next evaluation tries again. A callback cannot use the graph that it was called from
/// (an error, [`ErrorKind::Busy`](crate::ErrorKind::Busy)); it may use others.
///
/// Of derivatives, there are numeric ones ([`vjp`](Self::vjp), [`jvp`](Self::jvp)), which are fast to
/// write where code exists already, and cannot be differentiated again; and
/// [`recorded_vjp`](Self::recorded_vjp), which can, and which gives forward mode, too. Where there are both,
/// the numeric ones are used for what is not differentiated again: in backward, and under
/// [`no_grad`](Graph::no_grad). An operation without any is constant for derivatives, as
/// [`detach`](Var::detach) is: a loss that depends on its leaves through it alone is refused by backward
/// ([`ErrorKind::Gradient`](crate::ErrorKind::Gradient)), and one that does so in other ways, too, gets the
/// gradients of these alone. [`Graph::why_no_grad`] names it where it is what a gradient ends at.
///
/// ```
/// use bumpgrad::{Custom, Graph};
/// let graph = Graph::new();
/// let cube = graph.custom(
///     Custom::new("cube", |x, y| {
///         let y = y[0].data_mut::<f64>();
///         y.iter_mut().zip(x[0].data::<f64>()).for_each(|(y, x)| *y = x * x * x);
///         Ok(())
///     })
///     .vjp(|at, dx| {
///         let (x, g) = (at.inputs[0].data::<f64>(), at.cotangents[0].data::<f64>());
///         let dx = dx[0].data_mut::<f64>();
///         dx.iter_mut().zip(x).zip(g).for_each(|((dx, x), g)| *dx = 3.0 * x * x * g);
///         Ok(())
///     }),
/// );
/// let x = graph.param(&[1.0, 2.0], &[2]);
/// let y = graph.apply(cube, &[x]).sum();
/// y.backward()?;
/// assert_eq!((y.item()?, x.grad::<f64>()?), (9.0, Some(vec![3.0, 12.0])));
/// # Ok::<(), bumpgrad::Error>(())
/// ```
#[must_use = "it does nothing until it is registered"]
pub struct Custom {
    name: String,
    results: usize,
    is_pure: bool,
    takes_batches: bool,
    shapes: Option<Box<ShapesFn>>,
    forward: Box<ForwardFn>,
    vjp: Option<Box<VjpFn>>,
    jvp: Option<Box<JvpFn>>,
    record: Option<Box<RecordFn>>,
}

impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Custom").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What a vjp is recorded from: see [`Custom::recorded_vjp`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Recording<'g> {
    /// The graph to record with. Nothing can be computed, written or dropped now.
    pub graph: &'g Graph,
    /// The operation itself, to be applied to other operands.
    pub op: CustomOp,
    /// The inputs.
    pub inputs: Vec<Var<'g>>,
    /// The results.
    pub outputs: Vec<Var<'g>>,
    /// The cotangent of each result.
    pub cotangents: Vec<Var<'g>>,
}

impl Custom {
    /// An operation with this name, which consists of letters, digits and `_`. The forward is called with the
    /// inputs and the results, which are to be written, and are zeros at first.
    pub fn new(
        name: &str,
        forward: impl FnMut(&[TensorRef<'_>], &mut [TensorMut<'_>]) -> CustomResult + Send + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            results: 1,
            is_pure: true,
            takes_batches: false,
            shapes: None,
            forward: Box::new(forward),
            vjp: None,
            jvp: None,
            record: None,
        }
    }

    /// How many results it has: 1 unless said otherwise, and at most 64.
    pub fn results(self, results: usize) -> Self {
        Self { results, ..self }
    }

    /// Sets the shapes of the results, each of which is that of input 0 unless it is set; or refuses the
    /// inputs, in words of its own. It is called when the operation is applied; the inputs have no data then.
    pub fn shapes(
        self,
        shapes: impl Fn(&[TensorRef<'_>], &mut [ResultShape]) -> CustomResult + Send + 'static,
    ) -> Self {
        Self { shapes: Some(Box::new(shapes)), ..self }
    }

    /// The cotangents of the inputs, as numbers, from those of the results: one for each input, zeros at
    /// first, and without elements where it is not wanted.
    pub fn vjp(
        self,
        vjp: impl FnMut(&Vjp<'_>, &mut [TensorMut<'_>]) -> CustomResult + Send + 'static,
    ) -> Self {
        Self { vjp: Some(Box::new(vjp)), ..self }
    }

    /// The tangents of the results, as numbers, from those of the inputs.
    pub fn jvp(
        self,
        jvp: impl FnMut(&Jvp<'_>, &mut [TensorMut<'_>]) -> CustomResult + Send + 'static,
    ) -> Self {
        Self { jvp: Some(Box::new(jvp)), ..self }
    }

    /// Records the cotangents of the inputs with operations of the graph: one for each input, of its shape
    /// and type, or `None` where it is zero. So they can be differentiated again. It is called whenever a
    /// derivative is recorded, or planned, and must record the same for inputs of the same shapes. It may
    /// differentiate operations that have such a callback, too: 16 of them, at most, can be at work, each
    /// within the one before; one more is [`ErrorKind::Limit`](crate::ErrorKind::Limit).
    ///
    /// ```
    /// # use bumpgrad::{Custom, Graph};
    /// # let graph = Graph::new();
    /// let exp = graph.custom(
    ///     Custom::new("my_exp", |x, y| {
    ///         let y = y[0].data_mut::<f64>();
    ///         y.iter_mut().zip(x[0].data::<f64>()).for_each(|(y, x)| *y = x.exp());
    ///         Ok(())
    ///     })
    ///     .recorded_vjp(|at| Ok(vec![Some(at.cotangents[0] * at.outputs[0])])),
    /// );
    /// let x = graph.param(&[0.0, 1.0], &[2]);
    /// let y = graph.apply(exp, &[x]).sum();
    /// let hessian = graph.hessian(y, x);
    /// assert_eq!(hessian.to_vec::<f64>()?, [1.0, 0.0, 0.0, f64::exp(1.0)]);
    /// # Ok::<(), bumpgrad::Error>(())
    /// ```
    pub fn recorded_vjp(
        self,
        record: impl for<'g> Fn(&Recording<'g>) -> CustomResult<Vec<Option<Var<'g>>>> + Send + 'static,
    ) -> Self {
        Self { record: Some(Box::new(record)), ..self }
    }

    /// Says that its callbacks may be given tensors that all have more axes in front, the same for all, of
    /// inputs, results, cotangents and tangents: by `vmap`, which otherwise calls them once for each element
    /// of the batch. (What is recorded gets its batch in another way.)
    pub fn takes_batches(self) -> Self {
        Self { takes_batches: true, ..self }
    }

    /// Says that the forward is no function of its inputs, or does something else besides. Then it is run
    /// once in each replay, as dropout draws: again after any leaf was written or
    /// [`resample`](Graph::resample) was called, and no more until then, so that a value and its gradient
    /// come from the same run.
    pub fn impure(self) -> Self {
        Self { is_pure: false, ..self }
    }
}

impl Graph {
    /// Registers an operation of one's own, as often to be applied as one likes. It lives as long as the
    /// graph, whatever is dropped by [`rewind`](Self::rewind) and [`reset`](Self::reset).
    ///
    /// Fails when the name is none, or there are no results, or more than 64.
    #[track_caller]
    pub fn custom(&self, custom: Custom) -> CustomOp {
        let mut op = CustomOp::NULL;
        let mut failed = None;
        self.offer(|session| {
            let named = session.core.custom_name(&custom.name, custom.results);
            let registered = match named {
                Ok(name) => session.register(Box::new(Functions::new(name, custom))),
                Err(fail) => {
                    // (Dropped when the graph can be used again.)
                    failed = Some(custom);
                    Err(fail)
                }
            };
            op = registered.unwrap_or(CustomOp::NULL);
            // (Only whether it is null is looked at.)
            Handle::new(0, op.tag)
        });
        drop(failed);
        op
    }

    /// Applies an operation of one result to operands, all floats among which have one type.
    #[track_caller]
    pub fn apply(&self, op: CustomOp, xs: &[Var<'_>]) -> Var<'_> {
        self.offer(|session| session.apply_one(op, xs.iter().map(|x| x.handle)))
    }

    /// Applies an operation to operands: its results, or none if that fails.
    #[track_caller]
    pub fn apply_all(&self, op: CustomOp, xs: &[Var<'_>]) -> Vec<Var<'_>> {
        let mut out = Vec::new();
        self.offer(|session| {
            let tell = |handle| out.push(Var { graph: self, handle });
            let is_right = session.apply(op, xs.iter().map(|x| x.handle), tell);
            // (Only whether it is null is looked at.)
            Handle::new(0, u32::from(is_right))
        });
        out
    }
}

/// The callbacks of an operation that is registered.
struct Functions {
    facts: Facts,
    shapes: Option<Box<ShapesFn>>,
    forward: RefCell<Box<ForwardFn>>,
    vjp: Option<RefCell<Box<VjpFn>>>,
    jvp: Option<RefCell<Box<JvpFn>>>,
    record: Option<Box<RecordFn>>,
}

impl Functions {
    fn new(name: Name, custom: Custom) -> Self {
        let Custom { results, is_pure, takes_batches, shapes, forward, vjp, jvp, record, .. } =
            custom;
        let facts = Facts {
            name,
            results,
            is_pure,
            takes_batches,
            has_vjp: vjp.is_some(),
            has_jvp: jvp.is_some(),
            records_vjp: record.is_some(),
        };
        let (vjp, jvp) = (vjp.map(RefCell::new), jvp.map(RefCell::new));
        Self { facts, shapes, forward: RefCell::new(forward), vjp, jvp, record }
    }
}

/// What a callback that fails, or panics, leaves in the message.
fn contained<R>(
    message: &mut Message,
    call: impl FnOnce() -> CustomResult<R>,
) -> std::result::Result<R, Refused> {
    let told = match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(result)) => return Ok(result),
        Ok(Err(error)) => write!(message, "{error}"),
        Err(panic) => write!(message, "it panicked: {}", text_of(panic.as_ref())),
    };
    // (A message is cut, and never fails.)
    let _ = told;
    Err(Refused)
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "with something that is no text",
    }
}

impl Operation for Functions {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn has_shapes(&self) -> bool {
        self.shapes.is_some()
    }

    fn shapes(
        &self,
        inputs: &[Raw],
        results: &mut [ResultShape],
        message: &mut Message,
    ) -> std::result::Result<(), Refused> {
        let Some(shapes) = &self.shapes else { return Ok(()) };
        // SAFETY: shapes of nodes, without data.
        let inputs = unsafe { TensorRef::of(inputs) };
        contained(message, || shapes(inputs, results))
    }

    fn run(&self, call: Call<'_>, message: &mut Message) -> std::result::Result<(), Refused> {
        let Call { part, inputs, outputs, given, results } = call;
        // SAFETY: laid out by the executor: operands that are complete, and that nobody writes while the
        // step runs; and what is made, which is the step's own.
        let (inputs, outputs, given, results) = unsafe {
            (
                TensorRef::of(inputs),
                TensorRef::of(outputs),
                TensorRef::of(given),
                TensorMut::of(results),
            )
        };
        contained(message, || match part {
            Part::Forward => (self.forward.try_borrow_mut()?)(inputs, results),
            Part::Vjp => match &self.vjp {
                Some(vjp) => {
                    let at = Vjp { inputs, outputs, cotangents: given };
                    (vjp.try_borrow_mut()?)(&at, results)
                }
                None => Err("there is none".into()),
            },
            Part::Jvp => match &self.jvp {
                Some(jvp) => {
                    let at = Jvp { inputs, outputs, tangents: given };
                    (jvp.try_borrow_mut()?)(&at, results)
                }
                None => Err("there is none".into()),
            },
        })
    }

    fn record(
        &self,
        core: &mut Core,
        call: Recorded<'_>,
        message: &mut Message,
    ) -> std::result::Result<(), Refused> {
        let Recorded { op, inputs, outputs, cotangents, results } = call;
        let (session, lent) = Session::lent(core);
        let graph = Graph { session: RefCell::new(session) };
        let done = contained(message, || {
            let Some(record) = &self.record else { return Err("there is none".into()) };
            let vars = |ids: &[NodeId]| {
                let handles = ids.iter().map(|&id| graph.call(|s| s.core.handle(id)));
                handles.map(|handle| Var { graph: &graph, handle }).collect()
            };
            let [inputs, outputs, cotangents] = [inputs, outputs, cotangents].map(vars);
            let at = Recording { graph: &graph, op, inputs, outputs, cotangents };
            let made = record(&at)?;
            if made.len() != results.len() {
                let (have, want) = (made.len(), results.len());
                return Err(format!("it recorded {have} cotangents for {want} inputs").into());
            }
            for (to, var) in results.iter_mut().zip(made) {
                let Some(var) = var else { continue };
                let id = graph.call(|s| s.core.resolve(self.facts.name.as_str(), var.handle));
                *to = id.map_err(|_| "it recorded a null tensor")?;
            }
            Ok(())
        });
        graph.session.into_inner().give_back(core, lent);
        done
    }
}
