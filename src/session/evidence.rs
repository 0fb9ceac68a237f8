//! What speaks for derivatives, or against them: a check against differences, the first number that is
//! none, and why a gradient does not arrive.

use std::fmt::{self, Write};
use std::panic::Location;

use super::Session;
use crate::arena::TryPush;
use crate::dtype::{DType, Element, with_float};
use crate::error::{ErrorKind, Fail, Maybe};
use crate::graph::{Core, Handle};
use crate::id::NodeId;
use crate::node::{Custom, Op};
use crate::roll_call::Elem;
use crate::visit::Visit;

/// How gradients are checked: see [`Graph::gradcheck`](crate::Graph::gradcheck).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GradcheckOptions {
    /// By how much an element is moved, times the larger of 1 and its size.
    pub step: f64,
    /// How far a derivative may be from the difference quotient in any case.
    pub absolute: f64,
    /// And how far in proportion to it.
    pub relative: f64,
}

impl Default for GradcheckOptions {
    /// The step is the cube root of the precision, where truncation and rounding of a central difference
    /// are about as large.
    fn default() -> Self {
        Self { step: 6e-6, absolute: 1e-7, relative: 1e-5 }
    }
}

/// What a check of gradients found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gradcheck {
    /// Whether all derivatives are within the tolerances, and both modes agree.
    pub is_right: bool,
    /// Which input has the element that is farthest off, in proportion to its tolerance.
    pub input: usize,
    /// Which element of it that is.
    pub element: usize,
    /// The derivative there, by reverse mode.
    pub derivative: f64,
    /// The difference quotient there.
    pub difference: f64,
    /// <u, J v> by forward mode, for scattered u and v; by reverse mode, if an operation of the user's has no
    /// forward mode.
    pub forward: f64,
    /// <J' u, v> by reverse mode: the same, but for rounding.
    pub reverse: f64,
}

/// Where nodes were recorded, and whose cotangents they are, while numbers are checked.
#[derive(Default)]
pub(crate) struct Trail {
    /// From this node on, this line of the caller's.
    places: Vec<(u32, &'static Location<'static>)>,
}

/// What a check reads: y times a head and the sum of it, its gradients and directions for the inputs, and how y
/// moves along these, where there is forward mode.
struct Check {
    head: NodeId,
    sum: NodeId,
    rows: Vec<NodeId>,
    directions: Vec<NodeId>,
    moved: Option<NodeId>,
}

/// How far apart <u, J v> and <J' u, v> may be, in proportion to the sum of the sizes of their terms.
const ROUNDING: f64 = 1e-9;

impl Session {
    /// Compares the gradients of `y`, f64, by some leaves, f64, with central differences, and forward mode
    /// with reverse mode. Nothing has changed afterwards.
    pub(crate) fn gradcheck(
        &mut self,
        y: Handle,
        xs: impl ExactSizeIterator<Item = Handle>,
        options: &GradcheckOptions,
    ) -> Maybe<Gradcheck> {
        let what = "gradcheck";
        let y = self.core.resolve(what, y)?;
        self.core.need_dtype(what, y, DType::F64)?;
        self.resolve_all(what, xs)?;
        for k in 0..self.xs.len() {
            let x = self.xs[k];
            self.core.need_leaf(what, x)?;
            self.core.need_dtype(what, x, DType::F64)?;
        }
        let GradcheckOptions { step, absolute, relative } = *options;
        for (name, value) in [("step", step), ("absolute", absolute), ("relative", relative)] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(self.core.fail(
                    ErrorKind::Argument,
                    format_args!("{what}: {name} must be above 0 and finite, not {value}"),
                ));
            }
        }
        let xs = std::mem::take(&mut self.xs);
        let checked = self.for_now("", |session| session.compare_with_differences(y, &xs, options));
        self.xs = xs;
        checked
    }

    /// Records what a check reads.
    fn record_check(&mut self, y: NodeId, xs: &[NodeId]) -> Maybe<Check> {
        let what = "gradcheck";
        let core = &mut self.core;
        // (The derivative of a single element is told as it is.)
        let head = match core.node(y).len {
            1 => core.fill_like(y, 1.0)?,
            _ => core.scattered_like(y, 0)?,
        };
        let weighed = core.map2(Elem::Mul, y, head)?;
        let sum = core.sum(weighed, &[], false)?;
        let mut rows = core.nodes_for(what, xs.len())?;
        let mut directions = core.nodes_for(what, xs.len())?;
        if core.node(y).requires_grad {
            // By what backward uses; forward mode, by what is differentiated again.
            core.no_grad += 1;
            let recorded = core.record_grad(&[(y, Some(head))], xs, true, &mut rows);
            core.no_grad -= 1;
            recorded?;
        }
        for (k, &x) in xs.iter().enumerate() {
            directions[k] = core.scattered_like(x, 1 + k)?;
            if rows[k].is_none() {
                rows[k] = core.fill_like(x, 0.0)?;
            }
        }
        let mut moved = [NodeId::NONE];
        let [has_forward, _] = core.modes(what, y)?;
        if has_forward {
            core.record_jvp(&mut self.between, &[y], xs, &directions, &mut moved)?;
        }
        let moved = has_forward.then_some(moved[0]);
        Ok(Check { head, sum, rows, directions, moved })
    }

    fn compare_with_differences(
        &mut self,
        y: NodeId,
        xs: &[NodeId],
        options: &GradcheckOptions,
    ) -> Maybe<Gradcheck> {
        let what = "gradcheck";
        let check = self.attempt(what, |session| session.record_check(y, xs))?;
        let Check { head, sum, rows, directions, moved } = check;
        let (mut reverse, mut size) = (0.0, 0.0);
        for (&row, &direction) in rows.iter().zip(&directions) {
            let (product, part) = self.product(row, direction)?;
            (reverse, size) = (reverse + product, size + part);
        }
        let mut forward = reverse;
        if let Some(moved) = moved {
            let (product, part) = self.product(moved, head)?;
            (forward, size) = (product, size + part);
        }
        let agree = (forward - reverse).abs() <= ROUNDING * size.max(f64::MIN_POSITIVE);
        let mut found = Gradcheck {
            is_right: agree || forward == reverse,
            input: 0,
            element: 0,
            derivative: 0.0,
            difference: 0.0,
            forward,
            reverse,
        };
        let mut worst = -1.0;
        for (input, (&x, &row)) in xs.iter().zip(&rows).enumerate() {
            self.evaluate(row)?;
            // (A copy: each difference writes data, after which the gradient would be computed anew.)
            let mut slopes = Vec::new();
            let room = slopes.try_room(self.core.node(x).len);
            room.map_err(|_| self.core.out_of_memory(what))?;
            self.core.values::<f64>(row).iter().for_each(|&slope| slopes.push_within(slope));
            for (element, derivative) in slopes.into_iter().enumerate() {
                let difference = self.difference(sum, x, element, options.step)?;
                let allowed = options.absolute + options.relative * difference.abs();
                // (Something that is no number is farther off than all that is.)
                let off = (derivative - difference).abs() / allowed;
                let off = if off.is_nan() { f64::INFINITY } else { off };
                found.is_right &= off <= 1.0;
                if off > worst {
                    worst = off;
                    found = Gradcheck { input, element, derivative, difference, ..found };
                }
            }
        }
        Ok(found)
    }

    /// Fails, in words, if a check found something wrong.
    #[cfg(feature = "capi")]
    pub(crate) fn need_right(&mut self, found: &Gradcheck) -> Maybe<()> {
        if found.is_right {
            return Ok(());
        }
        let Gradcheck { input, element, derivative, difference, forward, reverse, .. } = *found;
        let x = self.xs[input];
        Err(self.core.fail_with(|core, slot| {
            let x = core.describe(x);
            slot.set(
                ErrorKind::Gradient,
                format_args!(
                    "gradcheck: the derivative by element {element} of input {input}, {x}, is {derivative}, \
                     and the difference quotient {difference}; <u, J v> is {forward}, and <J' u, v> {reverse}"
                ),
            )
        }))
    }

    /// The sum of products of two tensors, and that of the sizes of the products.
    fn product(&mut self, a: NodeId, b: NodeId) -> Maybe<(f64, f64)> {
        self.evaluate(a)?;
        self.evaluate(b)?;
        let pairs = self.core.values::<f64>(a).iter().zip(self.core.values::<f64>(b));
        Ok(pairs.fold((0.0, 0.0), |(sum, size), (a, b)| (sum + a * b, size + (a * b).abs())))
    }

    /// The central difference quotient of a single element by an element of a leaf, which then is what it
    /// was.
    fn difference(&mut self, y: NodeId, x: NodeId, element: usize, step: f64) -> Maybe<f64> {
        let at = self.core.values::<f64>(x)[element];
        let step = step * at.abs().max(1.0);
        let (high, low) = (at + step, at - step);
        let value = |session: &mut Self, to: f64| {
            session.core.write_element(x, element, to);
            session.evaluate(y).map(|()| session.core.values::<f64>(y)[0])
        };
        let values = value(self, high).and_then(|high| Ok((high, value(self, low)?)));
        self.core.write_element(x, element, at);
        let (above, below) = values?;
        Ok((above - below) / (high - low))
    }

    // ---- numbers ----

    /// From now on, or no longer, each value that is read and each gradient is looked through for what is
    /// no number.
    pub(crate) fn set_check_numbers(&mut self, on: bool) {
        self.trail = on.then(Trail::default);
    }

    #[inline(always)]
    pub(crate) fn checks_numbers(&self) -> bool {
        self.trail.is_some()
    }

    /// Notes where the nodes from `first` on were recorded.
    #[cold]
    pub(crate) fn note_place(&mut self, first: usize, place: &'static Location<'static>) {
        let len = self.core.len();
        if let Some(trail) = &mut self.trail
            && len > first
        {
            while trail.places.last().is_some_and(|&(id, _)| id as usize >= first) {
                trail.places.pop();
            }
            // (Without memory for it the line is not told.)
            let _noted = trail.places.try_push((first as u32, place));
        }
    }

    /// Fails if a node, or something that it was made of, is not all finite numbers, and names the first
    /// such node. Data that were given, and constants, may be infinite.
    #[cold]
    pub(crate) fn need_numbers(&mut self, root: NodeId, ways: &[(u32, NodeId)]) -> Maybe<()> {
        let mut visit = Visit::default();
        let core = &self.core;
        let searched =
            visit.search(core.len(), std::iter::once(root), |_| true, |id| core.operands(id));
        searched.map_err(|_| self.core.out_of_memory("check_numbers"))?;
        for &id in visit.found() {
            if !self.core.node(id).dtype.is_float() {
                continue;
            }
            self.engine.evaluate(&mut self.core, id)?;
            let Some((mut element, mut value)) = self.core.first_not_finite(id, |_| true) else {
                continue;
            };
            let node = self.core.node(id);
            let is_given = matches!(node.op, Op::Leaf | Op::Fill) || !node.imm.is_finite();
            if is_given || self.core.operands(id).any(|x| self.core.has_infinity(x)) {
                // Infinities are handed on; NaN may still lie behind them.
                match self.core.first_not_finite(id, f64::is_nan) {
                    Some(found) => (element, value) = found,
                    None => continue,
                }
            }
            return Err(self.no_number(id, element, value, whose(ways, id)));
        }
        Ok(())
    }

    /// The same for all gradients that a backward from these roots would add.
    #[cold]
    pub(super) fn need_finite_gradients(&mut self) -> Maybe<()> {
        for k in 0..self.given.len() {
            self.need_numbers(self.given[k].0, &[])?;
        }
        self.for_now("", |session| {
            session.core.ways = Some(Vec::new());
            session.targets.clear();
            let recorded = session.core.record_backward(&session.given, &mut session.targets);
            let ways = session.core.ways.take().unwrap_or_default();
            recorded?;
            let mut targets = 0..session.targets.len();
            targets.try_for_each(|k| session.need_numbers(session.targets[k].1, &ways))
        })
    }

    fn no_number(&mut self, id: NodeId, element: usize, value: f64, of: Option<NodeId>) -> Fail {
        let place = self.trail.as_ref().and_then(|trail| {
            let after = trail.places.partition_point(|&(first, _)| first <= id.0);
            trail.places[..after].last().map(|&(_, place)| place)
        });
        self.core.fail_with(|core, slot| {
            let (op, x) = (core.op_name(id), core.describe(id));
            let text = Told(|f: &mut fmt::Formatter<'_>| {
                write!(f, "check_numbers: element {element} of {id}, {op} {x}, is {value}")?;
                if let Some(of) = of {
                    let (op, x) = (core.op_name(of), core.describe(of));
                    write!(f, ", made in the derivative of {of}, {op} {x}")?;
                }
                match place.filter(|_| of.is_none()) {
                    Some(place) => write!(f, ", recorded at {}:{}", place.file(), place.line()),
                    None => Ok(()),
                }
            });
            slot.set(ErrorKind::Number, format_args!("{text}"))
        })
    }

    // ---- where a gradient ends ----

    /// Says in words whether the gradient of `loss` reaches `x`, and if not, where its way ends.
    pub(crate) fn why_no_grad(
        &mut self,
        loss: Handle,
        x: Handle,
        out: &mut impl Write,
    ) -> Maybe<()> {
        let what = "why_no_grad";
        let (loss, x) = (self.core.resolve(what, loss)?, self.core.resolve(what, x)?);
        let core = &self.core;
        let mut visit = Visit::default();
        let wanted = |id| id >= x;
        let searched =
            visit.search(core.len(), std::iter::once(loss), wanted, |id| core.operands(id));
        searched.map_err(|_| self.core.out_of_memory(what))?;
        let told = tell_ways(&self.core, &mut visit, loss, x, out);
        told.map_err(|fmt::Error| {
            self.core.fail(ErrorKind::Argument, format_args!("{what}: the text cannot be written"))
        })
    }
}

/// The node whose operands' cotangents were being recorded when a node was, if they were.
fn whose(ways: &[(u32, NodeId)], id: NodeId) -> Option<NodeId> {
    let after = ways.partition_point(|&(first, _)| first <= id.0);
    ways[..after].last().map(|&(_, of)| of)
}

/// Text that is made where it is shown.
struct Told<F>(F);

impl<F: Fn(&mut fmt::Formatter<'_>) -> fmt::Result> fmt::Display for Told<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.0)(f)
    }
}

/// Said of a node that depends on the input, and of one to which its gradient can flow.
const DEPENDS: u32 = 1;
const FLOWS: u32 = 2;

/// So many cuts are told.
const CUTS: usize = 8;

fn tell_ways(
    core: &Core,
    visit: &mut Visit,
    loss: NodeId,
    x: NodeId,
    out: &mut impl Write,
) -> fmt::Result {
    let name = |id: NodeId| {
        Told(move |f: &mut fmt::Formatter<'_>| {
            write!(f, "{id}, {} {}", core.op_name(id), core.describe(id))
        })
    };
    if !visit.has(x, 0) {
        return write!(out, "{} does not depend on {}", name(loss), name(x));
    }
    if !core.node(x).requires_grad {
        return write!(
            out,
            "{} does not require a gradient: set that before recording what uses it",
            name(x)
        );
    }
    visit.set(x, FLOWS);
    let mut cuts = 0;
    for k in 0..visit.found().len() {
        let id = visit.found()[k];
        if id == x || !core.operands(id).any(|operand| visit.has(operand, DEPENDS)) {
            continue;
        }
        let flows = core.paths(id).any(|operand| visit.has(operand, FLOWS));
        visit.set(id, if flows { FLOWS } else { DEPENDS });
    }
    if visit.has(loss, FLOWS) {
        return write!(out, "the gradient of {} reaches {}", name(loss), name(x));
    }
    write!(out, "the gradient of {} does not reach {}:", name(loss), name(x))?;
    for &id in visit.found() {
        let is_cut = visit.has(id, DEPENDS)
            && !visit.has(id, FLOWS)
            && core.operands(id).any(|operand| visit.has(operand, FLOWS));
        if !is_cut {
            continue;
        }
        cuts += 1;
        if cuts > CUTS {
            return write!(out, " and others");
        }
        let node = core.node(id);
        let reason = match node.op {
            Op::Detach => "was detached",
            Op::Compare(_) => "is a comparison, which has no derivative",
            _ if !node.dtype.is_float() => "is of integers, which have no derivative",
            Op::Custom(Custom { has_derivative: false, .. }) => {
                "was registered without a derivative"
            }
            op if !op.is_differentiable() => "has no derivative",
            _ => "was recorded under no_grad, or before its operand required a gradient",
        };
        write!(out, "{} {} {reason}", if cuts == 1 { "" } else { ";" }, name(id))?;
    }
    Ok(())
}

impl Core {
    /// A leaf of numbers from -1 to 1 that follow no pattern of the data, other ones for each stream: H.
    /// Weyl's sequence.
    fn scattered_like(&mut self, like: NodeId, stream: usize) -> Maybe<NodeId> {
        let (dims, shift) = (self.shape(like), 0.754_877_666_2 * stream as f64);
        let id = self.new_leaf("gradcheck", DType::F64, &dims)?;
        for i in 0..self.node(id).len {
            let x = (0.618_033_988_7 * (i + 1) as f64 + shift).fract();
            self.write_element(id, i, 2.0 * x - 1.0);
        }
        Ok(id)
    }

    fn nodes_for(&mut self, what: &str, len: usize) -> Maybe<Vec<NodeId>> {
        let mut nodes = Vec::new();
        nodes.try_extend_to(len, NodeId::NONE).map_err(|_| self.out_of_memory(what))?;
        Ok(nodes)
    }

    /// The first element of a value that is no finite number, among those that count.
    fn first_not_finite(&self, id: NodeId, counts: impl Fn(f64) -> bool) -> Option<(usize, f64)> {
        with_float!(self.node(id).dtype, T => {
            let values = self.values::<T>(id).iter().map(|x| x.to_f64()).enumerate();
            { values }.find(|&(_, x)| !x.is_finite() && counts(x))
        })
    }

    fn has_infinity(&self, id: NodeId) -> bool {
        let is_float = self.node(id).dtype.is_float();
        is_float
            && with_float!(self.node(id).dtype, T => {
                self.values::<T>(id).iter().any(|x| x.is_infinite())
            })
    }
}
