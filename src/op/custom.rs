//! Operations of the user's: how they are recorded, and their derivatives.
//!
//! A node is one run of one of its functions. Its results, if there are several, lie in it in a row, and
//! are seen through views; so are the cotangents that a vjp makes. In a batch a node has leading axes, and
//! is run once for each element of these, unless the operation takes batches as they are; an operand
//! without the leading axes is everybody's.
//!
//! Numeric functions are linear where calculus says so: a vjp in its cotangents, a jvp in its tangents.
//! More is not known of them, so derivatives by anything else need a vjp that is recorded. Where there is
//! one, it is what is used, but for gradients that are not differentiated again: under `no_grad`, and in
//! backward.

use super::Sink;
use crate::arena::{OutOfMemory, TryPush};
use crate::callback::{MOST, Message, Name, Part, Raw, ResultShape};
use crate::dtype::DType;
use crate::error::{ErrorKind, Fail, Maybe};
use crate::graph::{Core, NewNode, PATH, operand_word};
use crate::id::NodeId;
use crate::node::{Custom, Op};
use crate::shape::{self, Dims, MAX_RANK};
use crate::visit::Visit;

/// Marks, in a list of operands, one that has the leading axes of the node.
pub(crate) const EACH: u64 = 1 << 33;

/// The list of a node: how many operands, these, the operation, how many leading axes, inputs and results,
/// the marks, and for each result its rank and its axes, but for the leading ones.
#[derive(Clone, Copy)]
pub(crate) struct CustomList<'a> {
    /// The inputs, then the value of the results (in a vjp or a jvp), then what is given.
    pub(crate) operands: &'a [u64],
    pub(crate) number: u32,
    pub(crate) lead: usize,
    pub(crate) inputs: usize,
    pub(crate) results: usize,
    /// A bit for each input: whether its cotangent is wanted, or its tangent given.
    pub(crate) marks: u64,
    shapes: &'a [u64],
}

/// Which tensors lie in a row.
#[derive(Clone, Copy)]
pub(crate) enum Row {
    Results,
    /// Those that belong to these inputs.
    Inputs(u64),
}

impl<'a> CustomList<'a> {
    pub(crate) fn new(list: &'a [u64]) -> Self {
        let (operands, rest) = list[1..].split_at(list[0] as usize);
        let [number, lead, inputs, results] = [0, 1, 2, 3].map(|k| rest[k] as usize);
        let (marks, shapes) = (rest[4], &rest[5..]);
        Self { operands, number: number as u32, lead, inputs, results, marks, shapes }
    }

    pub(crate) fn operand(&self, k: usize) -> NodeId {
        NodeId(self.operands[k] as u32)
    }

    /// Whether an operand has the leading axes.
    pub(crate) fn is_each(&self, k: usize) -> bool {
        self.operands[k] & EACH != 0
    }

    /// The shapes of the results, without leading axes.
    pub(crate) fn shapes(&self) -> impl Iterator<Item = Dims> + use<'a> {
        let mut rest = self.shapes;
        std::iter::from_fn(move || {
            let (&rank, after) = rest.split_first()?;
            let (own, after) = after.split_at(rank as usize);
            rest = after;
            let mut dims = Dims::SCALAR;
            own.iter().for_each(|&len| dims.push(len as usize));
            Some(dims)
        })
    }

    /// The axes of an operand that has this shape, without the leading ones.
    pub(crate) fn own<'d>(&self, k: usize, dims: &'d [usize]) -> &'d [usize] {
        if self.is_each(k) { &dims[self.lead..] } else { dims }
    }

    /// The shapes of tensors in a row, without leading axes; `dims` tells the shape of an input.
    pub(crate) fn row<'s>(
        &'s self,
        row: Row,
        dims: impl Fn(usize) -> Dims + 's,
    ) -> impl Iterator<Item = Dims> + 's {
        let inputs = if let Row::Inputs(marks) = row { marks } else { 0 };
        let results = if let Row::Results = row { self.results } else { 0 };
        let marked = (0..self.inputs).filter(move |k| inputs >> k & 1 != 0);
        let marked = marked.map(move |k| Dims::new(self.own(k, &dims(k))));
        self.shapes().take(results).chain(marked)
    }
}

/// The shape of several tensors in a row; of a single one its own. None if it is too long.
fn in_a_row(mut shapes: impl Iterator<Item = Dims>) -> Option<Dims> {
    let first = shapes.next()?;
    let mut len = shape::checked_len(&first)?;
    let mut is_single = true;
    for dims in shapes {
        len = len.checked_add(shape::checked_len(&dims)?)?;
        is_single = false;
    }
    Some(if is_single { first } else { Dims::new(&[len]) })
}

impl Core {
    /// The name of a node's operation: of one of the user's, that which it was registered with.
    pub(crate) fn op_name(&self, id: NodeId) -> &str {
        match self.node(id).op {
            Op::Custom(_) => self.customs.facts(self.custom_list(id).number).name.as_str(),
            op => op.name(),
        }
    }

    pub(crate) fn custom_list(&self, id: NodeId) -> CustomList<'_> {
        CustomList::new(self.list(self.node(id).list))
    }

    // ---- recording ----

    /// Applies an operation: its results, one or several, are appended to a list.
    pub(crate) fn apply_custom(
        &mut self,
        number: u32,
        xs: &[NodeId],
        out: &mut Vec<NodeId>,
    ) -> Maybe<()> {
        let name = self.customs.facts(number).name;
        if xs.len() > MOST {
            return Err(self.fail(
                ErrorKind::Limit,
                format_args!("{name}: {} operands exceed the most, {MOST}: concat them", xs.len()),
            ));
        }
        let float = self.float_of(name, xs)?;
        let mut shapes = [ResultShape::new(DType::F64, &[]); MOST];
        let shapes = &mut shapes[..self.customs.facts(number).results];
        self.result_shapes(number, float, xs, shapes)?;
        let (dtype, dims) = self.check_results(name, float, shapes)?;
        let mut words = std::mem::take(&mut self.customs.scratch.words);
        let made = self.push_forward(number, xs, shapes, (dtype, dims), &mut words);
        self.customs.scratch.words = words;
        self.parts_in_a_row(made?, made?, 0, Row::Results, out)
    }

    fn push_forward(
        &mut self,
        number: u32,
        xs: &[NodeId],
        shapes: &[ResultShape],
        (dtype, dims): (DType, Dims),
        words: &mut Vec<u64>,
    ) -> Maybe<NodeId> {
        let facts = *self.customs.facts(number);
        let what = facts.name.as_str();
        words.clear();
        let listed = (|| {
            words.try_push(xs.len() as u64)?;
            for &x in xs {
                words.try_push(operand_word(x, self.node(x)))?;
            }
            for word in [number as usize, 0, xs.len(), facts.results, 0] {
                words.try_push(word as u64)?;
            }
            for (_, dims) in shapes.iter().filter_map(ResultShape::get) {
                words.try_push(dims.len() as u64)?;
                for &len in &*dims {
                    words.try_push(len as u64)?;
                }
            }
            Ok(())
        })();
        listed.map_err(|OutOfMemory| self.out_of_memory(what))?;
        let (is_pure, has_derivative) = (facts.is_pure, facts.has_derivative());
        let custom = Custom { part: Part::Forward, is_pure, has_derivative };
        let mut node = NewNode::new(Op::Custom(custom), dtype);
        (node.shape, node.len) = self.intern_shape(what, &dims)?;
        node.list = self.intern_words(words)?;
        self.push(node)
    }

    /// The type of the float operands, which all have the same.
    fn float_of(&mut self, name: Name, xs: &[NodeId]) -> Maybe<Option<DType>> {
        let mut floats = (0..).zip(xs).map(|(i, &x)| (i, self.node(x).dtype));
        let mut floats = floats.by_ref().filter(|(_, dtype)| dtype.is_float());
        let Some((k, known)) = floats.next() else { return Ok(None) };
        match floats.find(|&(_, dtype)| dtype != known) {
            None => Ok(Some(known)),
            Some((i, dtype)) => Err(self.fail(
                ErrorKind::DType,
                format_args!("{name}: operand {k} is {known} and operand {i} is {dtype}: use cast"),
            )),
        }
    }

    /// Asks an operation for the shapes of its results.
    fn result_shapes(
        &mut self,
        number: u32,
        float: Option<DType>,
        xs: &[NodeId],
        shapes: &mut [ResultShape],
    ) -> Maybe<()> {
        let (name, has_shapes) =
            (self.customs.facts(number).name, self.customs.get(number).has_shapes());
        if xs.is_empty() && !has_shapes {
            return Err(self.fail(
                ErrorKind::Argument,
                format_args!(
                    "{name}: without operands its results have no shape: register it with shapes"
                ),
            ));
        }
        let default = xs.first().map_or(Dims::SCALAR, |&x| self.shape(x));
        shapes.fill(ResultShape::new(float.unwrap_or(DType::F64), &default));
        if !has_shapes {
            return Ok(());
        }
        let mut dims = [Dims::SCALAR; MOST];
        let mut raws = [Raw::ABSENT; MOST];
        for ((raw, dims), &x) in raws.iter_mut().zip(&mut dims).zip(xs) {
            let node = self.node(x);
            *dims = self.shape(x);
            let (len, dtype) = (node.len, node.dtype as i32);
            *raw = Raw { dims: dims.as_ptr(), rank: dims.len(), len, dtype, ..Raw::ABSENT };
        }
        let mut message = Message::new();
        let told = self.customs.get(number).shapes(&raws[..xs.len()], shapes, &mut message);
        told.map_err(|_| self.refuse_callback(name, None, &message))
    }

    /// The type of all results, and the shape of them in a row.
    fn check_results(
        &mut self,
        name: Name,
        float: Option<DType>,
        shapes: &[ResultShape],
    ) -> Maybe<(DType, Dims)> {
        let mut first = None;
        for (k, shape) in shapes.iter().enumerate() {
            let Some((dtype, dims)) = shape.get() else {
                return Err(self.fail(
                    ErrorKind::Callback,
                    format_args!(
                        "{name}: the shape of result {k} has no valid type, or a rank above {MAX_RANK}"
                    ),
                ));
            };
            self.intern_shape(name.as_str(), &dims)?;
            let wanted = first.unwrap_or(float.filter(|_| dtype.is_float()).unwrap_or(dtype));
            if dtype != wanted {
                return Err(self.fail(
                    ErrorKind::DType,
                    format_args!(
                        "{name}: result {k} is {dtype}, and should be {wanted}: all results have one \
                         type, and floats that of the inputs"
                    ),
                ));
            }
            first = Some(wanted);
        }
        let dims = in_a_row(shapes.iter().filter_map(|shape| Some(shape.get()?.1)));
        match (first, dims) {
            (Some(dtype), Some(dims)) => Ok((dtype, dims)),
            _ => Err(self.too_long(name)),
        }
    }

    #[cold]
    fn too_long(&mut self, name: Name) -> Fail {
        self.fail(
            ErrorKind::Limit,
            format_args!("{name}: its results together exceed the address space"),
        )
    }

    /// Tensors that lie in a row after so many leading axes of a node, as the list of `of` says.
    pub(crate) fn parts_in_a_row(
        &mut self,
        of: NodeId,
        flat: NodeId,
        lead: usize,
        row: Row,
        out: &mut Vec<NodeId>,
    ) -> Maybe<()> {
        let name = self.customs.facts(self.custom_list(of).number).name;
        let leading = self.shape(flat);
        let (mut start, mut k) = (0, 0);
        while let (Some(own), is_single) = self.shape_in_a_row(of, row, k) {
            let part = if is_single {
                flat
            } else {
                let len = shape::len(&own);
                let part = self.slice_by(flat, lead, start, len, 1)?;
                start += len;
                self.reshape_to(name.as_str(), part, &in_front(&leading[..lead], &own))?
            };
            out.try_push(part).map_err(|OutOfMemory| self.out_of_memory(name.as_str()))?;
            k += 1;
        }
        Ok(())
    }

    /// The shape of the k-th tensor of a row, if there is one, and whether there is no other.
    fn shape_in_a_row(&self, of: NodeId, row: Row, k: usize) -> (Option<Dims>, bool) {
        let list = self.custom_list(of);
        let shape_of = |k: usize| self.shape(list.operand(k));
        let own = list.row(row, shape_of).nth(k);
        (own, list.row(row, shape_of).nth(1).is_none())
    }

    /// Another function of a node's operation, at the same inputs; with these operands besides, which have
    /// the leading axes or not, and these inputs marked.
    pub(crate) fn custom_again(
        &mut self,
        of: NodeId,
        part: Part,
        given: &[(NodeId, bool)],
        marks: u64,
    ) -> Maybe<NodeId> {
        let mut words = std::mem::take(&mut self.customs.scratch.words);
        let made = self.push_again(of, part, given, marks, &mut words);
        self.customs.scratch.words = words;
        made
    }

    fn push_again(
        &mut self,
        of: NodeId,
        part: Part,
        given: &[(NodeId, bool)],
        marks: u64,
        words: &mut Vec<u64>,
    ) -> Maybe<NodeId> {
        let node = *self.node(of);
        let Op::Custom(custom) = node.op else { unreachable!("{:?}", node.op) };
        let list = self.custom_list(of);
        let (name, lead) = (self.customs.facts(list.number).name, list.lead);
        let value = self.custom_value(of);
        let inputs = (0..list.inputs).map(|k| (list.operand(k), list.is_each(k)));
        // What a value is constant in, so is a derivative of it.
        let constant = if node.requires_grad { 0 } else { PATH };
        let known = inputs.chain([value]).map(|(x, is_each)| (x, is_each, constant));
        let given = given.iter().map(|&(x, is_each)| (x, is_each, 0));
        words.clear();
        let listed = (|| {
            words.try_push(0)?;
            for (x, is_each, constant) in known.chain(given) {
                let each = if is_each { EACH } else { 0 };
                words.try_push(operand_word(x, self.node(x)) & !constant | each)?;
            }
            words[0] = words.len() as u64 - 1;
            for word in [list.number as usize, lead, list.inputs, list.results] {
                words.try_push(word as u64)?;
            }
            words.try_push(marks)?;
            list.shapes.iter().try_for_each(|&word| words.try_push(word).map(|_| ()))
        })();
        let row = if part == Part::Vjp { Row::Inputs(marks) } else { Row::Results };
        let own = in_a_row(list.row(row, |k| self.shape(list.operand(k))));
        listed.map_err(|OutOfMemory| self.out_of_memory(name.as_str()))?;
        let Some(own) = own else { return Err(self.too_long(name)) };
        let dims = in_front(&self.dims(node.shape)[..lead], &own);
        let mut new = NewNode::new(Op::Custom(Custom { part, ..custom }), node.dtype);
        (new.shape, new.len) = self.intern_shape(name.as_str(), &dims)?;
        new.list = self.intern_words(words)?;
        self.push(new)
    }

    /// Where the results are that a node's operation has at the node's inputs, and whether they have the
    /// leading axes.
    pub(crate) fn custom_value(&self, id: NodeId) -> (NodeId, bool) {
        let list = self.custom_list(id);
        match self.node(id).op {
            Op::Custom(Custom { part: Part::Forward, .. }) => (id, list.lead > 0),
            _ => (list.operand(list.inputs), list.is_each(list.inputs)),
        }
    }

    // ---- derivatives ----

    /// Whether a derivative is recorded, rather than computed by a function: of which there may be one.
    pub(crate) fn records_vjp(&self, number: u32, has_function: bool) -> bool {
        let records = self.customs.facts(number).records_vjp;
        records && (self.no_grad == 0 || !has_function)
    }

    /// Sends the cotangents of the operands of a node.
    pub(crate) fn vjp_custom(
        &mut self,
        part: Part,
        id: NodeId,
        g: NodeId,
        sink: &mut Sink,
    ) -> Maybe<()> {
        let (inputs, lead, marks) = {
            let list = self.custom_list(id);
            (list.inputs, list.lead, list.marks)
        };
        if part != Part::Forward {
            self.need_constant(id, "backward", |core, x| sink.wants(core, x))?;
        }
        match part {
            Part::Forward | Part::Jvp => {
                // A jvp is linear in the tangents, and its transpose is the vjp.
                let mut places = [NodeId::NONE; MOST];
                let (mut wanted, mut next) = (0, inputs + 1);
                for k in 0..inputs {
                    let list = self.custom_list(id);
                    let place = match part {
                        Part::Forward => list.operand(k),
                        _ if marks >> k & 1 == 0 => continue,
                        _ => list.operand(next),
                    };
                    next += 1;
                    if sink.wants(self, place) {
                        (places[k], wanted) = (place, wanted | 1 << k);
                    }
                }
                if wanted == 0 {
                    return Ok(());
                }
                let mut found = std::mem::take(&mut self.customs.scratch.found);
                found.clear();
                let made = self.cotangents_of_inputs(id, g, wanted, &mut found);
                let sent = made.and_then(|()| {
                    found.iter().try_for_each(|&(k, cotangent)| match places[k].is_none() {
                        true => Ok(()),
                        false => sink.send(self, places[k], cotangent),
                    })
                });
                self.customs.scratch.found = found;
                sent
            }
            Part::Vjp => {
                // It is linear in the cotangents of the results, and its transpose is the jvp.
                let cotangent = self.custom_list(id).operand(inputs + 1);
                if !sink.wants(self, cotangent) {
                    return Ok(());
                }
                let number = self.custom_list(id).number;
                if !self.customs.facts(number).has_jvp {
                    return Err(self.lacks(id, "backward", "a jvp, or a vjp that is recorded"));
                }
                let mut tangents = std::mem::take(&mut self.customs.scratch.nodes);
                tangents.clear();
                let made = self.parts_in_a_row(id, g, lead, Row::Inputs(marks), &mut tangents);
                let mut given = [(NodeId::NONE, lead > 0); MOST];
                given.iter_mut().zip(&tangents).for_each(|(to, &tangent)| to.0 = tangent);
                let given = &given[..tangents.len()];
                self.customs.scratch.nodes = tangents;
                made?;
                let moved = self.custom_again(id, Part::Jvp, given, marks)?;
                sink.send(self, cotangent, moved)
            }
        }
    }

    /// The cotangents of inputs of a node's operation, with the numbers of the inputs: of the wanted ones,
    /// and maybe of others; none for what gets nothing.
    fn cotangents_of_inputs(
        &mut self,
        of: NodeId,
        g: NodeId,
        wanted: u64,
        found: &mut Vec<(usize, NodeId)>,
    ) -> Maybe<()> {
        let (number, lead) = (self.custom_list(of).number, self.custom_list(of).lead);
        let has_vjp = self.customs.facts(number).has_vjp;
        if self.records_vjp(number, has_vjp)
            && let Some(record) = self.customs.record_vjp
        {
            return record(self, of, g, found);
        }
        if !has_vjp {
            return Err(self.lacks(of, "backward", "a vjp, numeric or recorded"));
        }
        let flat = self.custom_again(of, Part::Vjp, &[(g, lead > 0)], wanted)?;
        let mut parts = std::mem::take(&mut self.customs.scratch.nodes);
        parts.clear();
        let made = self.parts_in_a_row(flat, flat, lead, Row::Inputs(wanted), &mut parts);
        let inputs = (0..MOST).filter(|k| wanted >> k & 1 != 0);
        let told = parts
            .iter()
            .zip(inputs)
            .try_for_each(|(&part, k)| found.try_push((k, part)).map(|_| ()));
        self.customs.scratch.nodes = parts;
        made?;
        told.map_err(|OutOfMemory| self.out_of_memory("backward"))
    }

    /// Fails if a derivative of a vjp or a jvp is asked for by what it is the derivative at.
    pub(crate) fn need_constant(
        &mut self,
        id: NodeId,
        what: &str,
        is_asked: impl Fn(&Self, NodeId) -> bool,
    ) -> Maybe<()> {
        let list = self.custom_list(id);
        if !(0..=list.inputs).any(|k| is_asked(self, list.operand(k))) {
            return Ok(());
        }
        let name = self.customs.facts(list.number).name;
        Err(self.fail(
            ErrorKind::Gradient,
            format_args!(
                "{what}: a derivative of {name} is differentiated again, and is known as numbers only: \
                 register {name} with a vjp that is recorded"
            ),
        ))
    }

    /// Tells what an operation should have been registered with.
    #[cold]
    pub(crate) fn lacks(&mut self, id: NodeId, what: &str, needed: &str) -> Fail {
        let name = self.customs.facts(self.custom_list(id).number).name;
        self.fail(
            ErrorKind::Gradient,
            format_args!("{what}: {name} needs {needed}: register it with one"),
        )
    }

    /// Whether tangents, and whether cotangents, can go through all operations that a node is made of: through
    /// those of the library they can.
    pub(crate) fn modes(&mut self, what: &str, y: NodeId) -> Maybe<[bool; 2]> {
        let mut modes = [true; 2];
        if self.customs.is_empty() {
            return Ok(modes);
        }
        let (mut visit, roots) = (Visit::default(), std::iter::once(y));
        let searched = visit.search(self.len(), roots, |_| true, |id| self.operands(id));
        searched.map_err(|OutOfMemory| self.out_of_memory(what))?;
        for &id in visit.found() {
            let Op::Custom(Custom { part: Part::Forward, has_derivative: true, .. }) =
                self.node(id).op
            else {
                continue;
            };
            let facts = self.customs.facts(self.custom_list(id).number);
            modes[0] &= facts.has_jvp || facts.records_vjp;
            modes[1] &= facts.has_vjp || facts.records_vjp;
        }
        Ok(modes)
    }

    /// Words of memory that a run needs: those of all that lies in a row in each element of a batch, and is
    /// shown to the operation tensor by tensor.
    pub(crate) fn custom_words(&self, id: NodeId) -> usize {
        let node = self.node(id);
        let list = self.custom_list(id);
        let Op::Custom(Custom { part, .. }) = node.op else { return 0 };
        if list.lead == 0 || !self.customs.facts(list.number).takes_batches {
            return 0;
        }
        let len = |k: usize| self.node(list.operand(k)).len;
        let results = match part {
            Part::Vjp => list.marks.count_ones() as usize,
            Part::Forward | Part::Jvp => list.results,
        };
        let made = if results > 1 { node.len } else { 0 };
        let read = match part {
            _ if list.results == 1 => 0,
            Part::Forward => 0,
            Part::Vjp => len(list.inputs) + len(list.inputs + 1),
            Part::Jvp => len(list.inputs),
        };
        made + read
    }
}

/// A shape with others in front: longer than the longest, maybe.
pub(crate) fn in_front(leading: &[usize], own: &[usize]) -> Longer {
    let mut all = Longer { lens: [0; 2 * MAX_RANK], rank: leading.len() + own.len() };
    all.lens[..leading.len()].copy_from_slice(leading);
    all.lens[leading.len()..all.rank].copy_from_slice(own);
    all
}

/// A shape that may have too many axes.
pub(crate) struct Longer {
    lens: [usize; 2 * MAX_RANK],
    rank: usize,
}

impl std::ops::Deref for Longer {
    type Target = [usize];

    fn deref(&self) -> &[usize] {
        &self.lens[..self.rank]
    }
}
