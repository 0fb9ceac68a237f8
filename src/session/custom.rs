//! Operations of the user's: registered, applied, and asked to record their cotangents.

use super::Session;
use crate::arena::{OutOfMemory, TryPush};
use crate::callback::{Message, Name, Part};
use crate::error::{ErrorKind, Fail, Maybe};
use crate::graph::{Core, CustomOp, Handle, NewNode, Operation, Recorded};
use crate::id::NodeId;
use crate::node::Op;
use crate::op::custom::{Row, in_front};
use crate::shape;
use crate::transform::{Between, Random};

impl Session {
    /// Takes an operation in, which is dropped with the graph, or now if it cannot be.
    pub(crate) fn register(&mut self, operation: Box<dyn Operation>) -> Maybe<CustomOp> {
        self.core.register(operation, record_vjp)
    }

    /// Applies an operation, and tells of each of its results; says whether all went well.
    pub(crate) fn apply(
        &mut self,
        op: CustomOp,
        xs: impl ExactSizeIterator<Item = Handle>,
        tell: impl FnMut(Handle),
    ) -> bool {
        let Ok(number) = self.core.resolve_custom(op) else { return false };
        let name = self.core.customs.facts(number).name;
        if self.resolve_all(name.as_str(), xs).is_err() {
            return false;
        }
        let operands = std::mem::take(&mut self.xs);
        // (Its own name is told, not that of a function of the library's.)
        let record = |core: &mut Core, out: &mut _| core.apply_custom(number, &operands, out);
        let is_right = self.record_list("", record, tell);
        self.xs = operands;
        is_right
    }

    /// The one result of an operation.
    pub(crate) fn apply_one(
        &mut self,
        op: CustomOp,
        xs: impl ExactSizeIterator<Item = Handle>,
    ) -> Handle {
        let Ok(number) = self.core.resolve_custom(op) else { return Handle::NULL };
        let facts = *self.core.customs.facts(number);
        if facts.results != 1 {
            self.core.fail(
                ErrorKind::Argument,
                format_args!("{}: it has {} results: use apply_all", facts.name, facts.results),
            );
            return Handle::NULL;
        }
        let mut result = Handle::NULL;
        self.apply(op, xs, |handle| result = handle);
        result
    }

    /// A session with a core that is somebody else's, for a callback that records.
    pub(crate) fn lent(core: &mut Core) -> (Self, Lent) {
        let mut session = Self::new();
        std::mem::swap(&mut session.core, core);
        let core = &mut session.core;
        let called = std::mem::take(&mut core.called);
        // What it records may itself be differentiated, also by the callback.
        let no_grad = std::mem::take(&mut core.no_grad);
        core.lent += 1;
        (session, Lent { called, no_grad })
    }

    /// Gives the core back.
    pub(crate) fn give_back(mut self, core: &mut Core, lent: Lent) {
        self.core.lent -= 1;
        (self.core.called, self.core.no_grad) = (lent.called, lent.no_grad);
        std::mem::swap(&mut self.core, core);
    }
}

/// So many callbacks may record, each within the one before: they are on one stack.
const NESTED: u32 = 16;

/// What a core that was lent has to be given back with.
pub(crate) struct Lent {
    called: &'static str,
    no_grad: u32,
}

/// Has an operation record the cotangents of the inputs of a node.
fn record_vjp(
    core: &mut Core,
    of: NodeId,
    g: NodeId,
    found: &mut Vec<(usize, NodeId)>,
) -> Maybe<()> {
    let inputs = core.custom_list(of).inputs;
    let mut nodes = Vec::new();
    let room = nodes.try_room(inputs + 2);
    room.map_err(|OutOfMemory| core.out_of_memory("backward"))?;
    let list = core.custom_list(of);
    (0..inputs).for_each(|k| nodes.push_within(list.operand(k)));
    let (value, is_each) = core.custom_value(of);
    let is_batch = list.lead > 0;
    nodes.push_within(value);
    nodes.push_within(g);
    let made = match is_batch {
        false => record_once(core, of, &nodes),
        true => record_batch(core, of, &nodes, is_each),
    };
    for (k, cotangent) in made?.into_iter().enumerate() {
        if !cotangent.is_none() {
            found.try_push((k, cotangent)).map_err(|OutOfMemory| core.out_of_memory("backward"))?;
        }
    }
    Ok(())
}

/// The cotangents of the inputs of an operation at these nodes: inputs, what it makes of them, and the
/// cotangent of that. None for an input that gets nothing.
fn record_once(core: &mut Core, of: NodeId, nodes: &[NodeId]) -> Maybe<Vec<NodeId>> {
    let (number, results) = (core.custom_list(of).number, core.custom_list(of).results);
    let name = core.customs.facts(number).name;
    let (inputs, rows) = nodes.split_at(nodes.len() - 2);
    let (mut parts, mut out) = (Vec::new(), Vec::new());
    core.parts_in_a_row(of, rows[0], 0, Row::Results, &mut parts)?;
    core.parts_in_a_row(of, rows[1], 0, Row::Results, &mut parts)?;
    let made = out.try_extend_to(inputs.len(), NodeId::NONE);
    made.map_err(|OutOfMemory| core.out_of_memory(name.as_str()))?;
    let (outputs, cotangents) = parts.split_at(results);
    if core.lent >= NESTED {
        core.is_too_deep = true;
        return Err(refuse_depth(core, name));
    }
    let mut message = Message::new();
    let told = core.with_custom(number, |core, operation| {
        let op = core.custom_op(number);
        let results = &mut out[..];
        let call = Recorded { op, inputs, outputs, cotangents, results };
        operation.record(core, call, &mut message)
    });
    // (A callback may have told it in its own words, of which only the first would be seen.)
    let is_too_deep = std::mem::take(&mut core.is_too_deep);
    if told.is_err() && is_too_deep {
        core.is_too_deep = core.lent > 0;
        return Err(refuse_depth(core, name));
    }
    if told.is_err() {
        return Err(core.refuse_callback(name, Some(Part::Vjp), &message));
    }
    for (k, (cotangent, &x)) in out.iter_mut().zip(inputs).enumerate() {
        if cotangent.is_none() {
            continue;
        }
        let (have, want) = (*core.node(*cotangent), *core.node(x));
        if have.shape != want.shape || have.dtype != want.dtype {
            let (shape, own) = (core.shape(*cotangent), core.shape(x));
            return Err(core.refuse_custom(
                ErrorKind::Callback,
                name,
                format_args!(
                    "its vjp recorded a cotangent of {} {shape:?} for input {k}, which is {} {own:?}",
                    have.dtype, want.dtype
                ),
            ));
        }
        if core.no_grad > 0 && have.requires_grad {
            *cotangent = core.detach(*cotangent)?;
        }
    }
    Ok(out)
}

#[cold]
fn refuse_depth(core: &mut Core, name: Name) -> Fail {
    core.refuse_custom(
        ErrorKind::Limit,
        name,
        format_args!(
            "more than {NESTED} vjps are recorded, each within the one before: does it differentiate its own \
             operation?"
        ),
    )
}

/// The same for a batch: recorded for one element of it, then with the axis of all.
fn record_batch(
    core: &mut Core,
    of: NodeId,
    nodes: &[NodeId],
    value_is_each: bool,
) -> Maybe<Vec<NodeId>> {
    let (lead, inputs) = (core.custom_list(of).lead, core.custom_list(of).inputs);
    let leading = core.shape(of);
    let leading = &leading[..lead];
    let batch = [shape::len(leading)];
    let what = "vmap";
    let memory = |core: &mut Core| core.out_of_memory(what);
    let (mut single, mut xs, mut batched) = (Vec::new(), Vec::new(), Vec::new());
    for (k, &x) in nodes.iter().enumerate() {
        let is_each = match k {
            _ if k < inputs => core.custom_list(of).is_each(k),
            _ if k == inputs => value_is_each,
            _ => true,
        };
        let mut one = x;
        if is_each {
            let dims = core.shape(x);
            let own = &dims[lead..];
            one = core.stand_in(what, x, own)?;
            let all = core.reshape_to(what, x, &in_front(&batch, own))?;
            let noted = xs.try_push(one).and_then(|_| batched.try_push(all));
            noted.map_err(|OutOfMemory| memory(core))?;
        }
        single.try_push(one).map_err(|OutOfMemory| memory(core))?;
    }
    let mut out = record_once(core, of, &single)?;
    let mut ys = Vec::new();
    for &y in out.iter().filter(|y| !y.is_none()) {
        ys.try_push(y).map_err(|OutOfMemory| memory(core))?;
    }
    let mut all = Vec::new();
    all.try_extend_to(ys.len(), NodeId::NONE).map_err(|OutOfMemory| memory(core))?;
    let between = &mut Between::default();
    core.record_vmap(between, &ys, &xs, &batched, Random::Different, &mut all)?;
    let mut made = all.iter();
    for y in out.iter_mut().filter(|y| !y.is_none()) {
        let Some(&all) = made.next() else { return Err(Fail) };
        let dims = core.shape(all);
        *y = core.reshape_to(what, all, &in_front(leading, &dims[1..]))?;
    }
    Ok(out)
}

impl Core {
    /// A node of a type and a shape, with a gradient if another has one, for something to be recorded with
    /// it that is then recorded again with others in its place.
    fn stand_in(&mut self, what: &str, like: NodeId, dims: &[usize]) -> Maybe<NodeId> {
        let node = *self.node(like);
        let mut new = NewNode::new(Op::Fill, node.dtype);
        (new.shape, new.len) = self.intern_shape(what, dims)?;
        let id = self.push(new)?;
        self.node_mut(id).requires_grad = node.requires_grad;
        self.mutated(id);
        Ok(id)
    }
}
