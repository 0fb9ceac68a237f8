//! Patterns carried up the recording: for each element of a node, the elements of the input on which it
//! depends.
//!
//! What an operation does to places is asked of the operation itself, which is run on places instead of
//! numbers.

use super::super::Session;
use super::pattern::{Full, Sparsity, append, filled, list};
use crate::arena::{OutOfMemory, TryPush};
use crate::dtype::DType;
use crate::error::{Fail, Maybe};
use crate::graph::{Core, NewNode};
use crate::id::NodeId;
use crate::node::{Node, Op};
use crate::op::assemble::{Kind, Places};
use crate::op::batch::Batching;
use crate::op::structural::{Depends, Gives};
use crate::op::{Cotangent, Rule};
use crate::shape::{Dims, MAX_RANK};
use crate::task::Around;
use crate::transform::moving;

/// Why a pattern was not found.
pub(super) enum Stop {
    Memory,
    Fail,
}

impl From<OutOfMemory> for Stop {
    fn from(_: OutOfMemory) -> Self {
        Self::Memory
    }
}

impl From<Fail> for Stop {
    fn from(_: Fail) -> Self {
        Self::Fail
    }
}

/// The pattern of the derivatives of `y` by `x`; none if it does not depend on it.
pub(super) fn pattern(
    session: &mut Session,
    y: NodeId,
    x: NodeId,
) -> Result<Option<Sparsity>, Stop> {
    let (columns, len) = (session.core.node(x).len, session.core.len());
    session.between.find(&session.core, &[x], &[y], |id| session.core.operands(id))?;
    let nodes = list(session.between.on_the_way())?;
    let mut carrier = Carrier {
        session,
        columns,
        patterns: Vec::new(),
        pattern_of: filled(None, len)?,
        follows: filled(false, len)?,
        counted: None,
    };
    let own = carrier.patterns.try_push(Sparsity::identity(columns)?)?;
    carrier.pattern_of[x.index()] = Some(own);
    nodes.iter().for_each(|id| carrier.follows[id.index()] = true);
    for &id in nodes.iter().filter(|&&id| id != x) {
        carrier.carry(id)?;
    }
    let number = carrier.pattern_of[y.index()];
    Ok(number.map(|number| carrier.patterns.swap_remove(number as usize)))
}

/// Says that an element of a result depends on an element of an operand: target, operand, source.
type Link = [u32; 3];

/// The columns of each target: those of all its sources.
fn joined(
    targets: usize,
    columns: usize,
    links: &mut [Link],
    from: &[&Sparsity],
) -> Full<Sparsity> {
    if !links.is_sorted_by_key(|link| link[0]) {
        links.sort_unstable_by_key(|link| link[0]);
    }
    let mut out = Sparsity::begin()?;
    // A list of all columns is made where no fewer are met: so recordings of many small nodes take no time
    // for what they do not touch. Else a row is sorted to find what is there twice.
    let count = |link: &Link| from[link[1] as usize].row(link[2] as usize).len();
    let all = if links.iter().map(count).sum::<usize>() < columns { 0 } else { columns };
    let mut met = filled(u32::MAX, all)?;
    let mut rest = &*links;
    for target in 0..targets as u32 {
        let first = out.columns.len();
        let count = rest.iter().take_while(|link| link[0] == target).count();
        let (own, others) = rest.split_at(count);
        for &[_, operand, source] in own {
            for &column in from[operand as usize].row(source as usize) {
                let before = met.get_mut(column as usize).map(|met| std::mem::replace(met, target));
                if before != Some(target) {
                    out.columns.try_push(column)?;
                }
            }
        }
        if own.len() > 1 {
            out.columns[first..].sort_unstable();
            let mut kept = first;
            for at in first..out.columns.len() {
                if at == first || out.columns[at] != out.columns[kept - 1] {
                    out.columns[kept] = out.columns[at];
                    kept += 1;
                }
            }
            out.columns.truncate(kept);
        }
        out.end_row()?;
        rest = others;
    }
    Ok(out)
}

/// By element of a shape: which element it is of one that is broadcast to it, or of which it is a corner.
fn broadcast(from: &[usize], to: &[usize]) -> Full<Vec<u32>> {
    let missing = to.len() - from.len();
    let (mut strides, mut step) = ([0; MAX_RANK], 1);
    for axis in (0..from.len()).rev() {
        strides[missing + axis] = if from[axis] == 1 { 0 } else { step };
        step *= from[axis];
    }
    let len = to.iter().product();
    let (mut at, mut place) = ([0; MAX_RANK], 0);
    let mut out = Vec::new();
    out.try_room(len)?;
    for _ in 0..len {
        out.push_within(place as u32);
        for axis in (0..to.len()).rev() {
            at[axis] += 1;
            place += strides[axis];
            if at[axis] < to[axis] {
                break;
            }
            place -= strides[axis] * to[axis];
            at[axis] = 0;
        }
    }
    Ok(out)
}

/// A shape with one axis of length 1.
fn without(dims: &[usize], axis: usize) -> Dims {
    let mut kept = Dims::new(dims);
    if axis < dims.len() {
        kept[axis] = 1;
    }
    kept
}

/// Carries patterns up the recording.
struct Carrier<'a> {
    session: &'a mut Session,
    columns: usize,
    /// The patterns that were found, and by node, which one it has: some share theirs.
    patterns: Vec<Sparsity>,
    pattern_of: Vec<Option<u32>>,
    /// By node: whether its data depend on the input, in whatever way.
    follows: Vec<bool>,
    /// The last places that were recorded, and how many: a vector of which all elements are taken one by one
    /// needs them again and again.
    counted: Option<(usize, NodeId)>,
}

impl Carrier<'_> {
    fn core(&mut self) -> &mut Core {
        &mut self.session.core
    }

    /// Operands that move and have a pattern.
    fn moving(&self, id: NodeId) -> Full<Vec<NodeId>> {
        let all = moving(&self.session.core, id);
        list(all.filter(|x| self.pattern_of[x.index()].is_some()))
    }

    /// Whether an elementwise operation has no derivative by an operand anywhere.
    fn is_flat(&self, node: &Node, x: NodeId) -> bool {
        let Op::Map(elem) = node.op else { return false };
        let own = (0..elem.arity()).filter(|&i| node.inputs[i] == x);
        own.into_iter().all(|i| Rule::of(elem).cotangent(i) == Cotangent::Zero)
    }

    /// The pattern of a node that has one.
    fn pattern(&self, id: NodeId) -> Option<&Sparsity> {
        self.pattern_of[id.index()].map(|number| &self.patterns[number as usize])
    }

    /// The patterns of some nodes.
    fn patterns(&self, of: &[NodeId]) -> Full<Vec<&Sparsity>> {
        list(of.iter().filter_map(|&x| self.pattern(x)))
    }

    fn follows(&self, id: NodeId) -> bool {
        self.follows.get(id.index()).copied().unwrap_or(false)
    }

    /// The places of a tensor, counted from 1: 0 stands for none.
    fn places(&mut self, dims: &[usize]) -> Maybe<NodeId> {
        let len = dims.iter().product::<usize>();
        let flat = match self.counted {
            Some((counted, flat)) if counted == len => flat,
            _ => self.core().arange(DType::I64, 1.0, 1.0 + len as f64, 1.0)?,
        };
        self.counted = Some((len, flat));
        self.core().reshape_to("sparsity", flat, dims)
    }

    fn read(&mut self, id: NodeId) -> Result<Vec<u32>, Stop> {
        // (What an index is wrong for says so itself.)
        self.session.attempt("", |session| session.evaluate(id))?;
        Ok(list(self.session.core.values::<i64>(id).iter().map(|&place| place as u32))?)
    }

    /// Where an operation takes the elements of its result from.
    fn sources(&mut self, node: &Node) -> Result<Vec<u32>, Stop> {
        let dims = self.core().shape(node.inputs[0]);
        let places = self.places(&dims)?;
        let mut again = NewNode { dtype: DType::I64, ..NewNode::like(node) };
        again.inputs[0] = places;
        let again = self.core().push(again)?;
        self.read(again)
    }

    /// Finds the pattern of a node, if it depends on the input.
    fn carry(&mut self, id: NodeId) -> Result<(), Stop> {
        let moves = self.moving(id)?;
        if moves.is_empty() {
            return Ok(());
        }
        let is_same = matches!(self.session.core.node(id).op, Op::Reshape | Op::Detach);
        self.pattern_of[id.index()] = if is_same {
            self.pattern_of[moves[0].index()]
        } else {
            match self.pattern_from(id, &moves)? {
                Some(pattern) => Some(self.patterns.try_push(pattern)?),
                None => None,
            }
        };
        Ok(())
    }

    fn pattern_from(&mut self, id: NodeId, moves: &[NodeId]) -> Result<Option<Sparsity>, Stop> {
        let node = *self.session.core.node(id);
        let dims = self.core().shape(id);
        let mut links: Vec<Link> = Vec::new();
        let given = |carrier: &mut Self, x: NodeId| carrier.core().shape(x);
        match node.op {
            Op::Map(_) | Op::Pull(..) | Op::Where | Op::Cast => {
                for (k, &x) in moves.iter().enumerate() {
                    if self.is_flat(&node, x) {
                        continue;
                    }
                    let own = given(self, x);
                    let sources = broadcast(&own, &dims)?.into_iter().zip(0..);
                    append(&mut links, sources.map(|(source, target)| [target, k as u32, source]))?;
                }
            }
            Op::Permute | Op::Expand | Op::Slice | Op::AsStrided | Op::Embed => {
                let sources = self.sources(&node)?;
                push_sources(&mut links, 0, &sources)?;
            }
            Op::Structural(kind) => {
                let rule = kind.rule();
                let alike = moves.iter().all(|&x| self.session.core.node(x).len == node.len);
                let chooses = self.follows(node.inputs[1]);
                match rule.depends() {
                    Depends::UpTo(_) if alike => {
                        if let Some((axis, backwards)) = self.course(id) {
                            return Ok(Some(self.up_to(&dims, axis, backwards, moves)?));
                        }
                        return Ok(Some(self.all_of(&dims, moves)?));
                    }
                    Depends::Chosen if !chooses => {
                        let sources = self.sources(&node)?;
                        push_sources(&mut links, 0, &sources)?;
                    }
                    Depends::Chosen => return Ok(Some(self.anywhere(&node, &dims, moves)?)),
                    Depends::Placed(place) if !chooses => {
                        let places = self.places(&dims)?;
                        let targets = place(self.core(), &node, places)?;
                        let targets = self.read(targets)?;
                        push_targets(&mut links, 0, &targets)?;
                    }
                    _ => return Ok(Some(self.all_of(&dims, moves)?)),
                }
            }
            Op::Reduce(_) | Op::Prod => {
                let kept = self.core().dims(node.list);
                let own = given(self, moves[0]);
                let targets = broadcast(&kept, &own)?.into_iter().zip(0..);
                append(&mut links, targets.map(|(target, source)| [target, 0, source]))?;
            }
            Op::Softmax | Op::LogSoftmax => {
                let axis = self.core().list(node.list)[0] as usize;
                return Ok(Some(self.along(&dims, axis, moves)?));
            }
            Op::Concat => {
                let axis = self.core().list(node.list)[0] as isize;
                let (mut parts, mut first, mut k) = (Vec::new(), 1.0, 0);
                let operands = list(self.session.core.operands(id))?;
                let mut owners = Vec::new();
                for &x in &operands {
                    let own = given(self, x);
                    let len = self.core().node(x).len;
                    let places = self.core().arange(DType::I64, first, first + len as f64, 1.0)?;
                    parts.try_push(self.core().reshape_to("sparsity", places, &own)?)?;
                    // (They are some of the operands, in the same order.)
                    let moves = moves.get(k as usize) == Some(&x);
                    owners.try_push((first as u32, moves.then_some(k)))?;
                    k += u32::from(moves);
                    first += len as f64;
                }
                // (An operand that is there twice has the pattern twice.)
                let joined = self.core().concat(&parts, axis)?;
                let places = self.read(joined)?;
                for (target, &place) in places.iter().enumerate() {
                    let at = owners.partition_point(|&(first, _)| first <= place) - 1;
                    if let (first, Some(k)) = owners[at] {
                        links.try_push([target as u32, k, place - first])?;
                    }
                }
            }
            Op::Assemble => {
                let words = list(self.session.core.list(node.list).iter().copied())?;
                let mut operands = words[1..].iter().map(|&word| NodeId(word as u32));
                let whole = self.places(&dims)?;
                let mut numbers = list(moves.iter().copied().zip(0..))?;
                numbers.sort_unstable();
                for place in Places::new(&words) {
                    let Some(x) = operands.next() else { break };
                    let part = self.core().as_strided(whole, &place.layout())?;
                    let index = place.kind.has_index().then(|| operands.next()).flatten();
                    let at = numbers.partition_point(|&(other, _)| other < x);
                    let Some(&(_, k)) = numbers.get(at).filter(|&&(other, _)| other == x) else {
                        continue;
                    };
                    if index.is_some_and(|index| self.follows(index)) {
                        return Ok(Some(self.all_of(&dims, moves)?));
                    }
                    let targets = match (place.kind, index) {
                        (Kind::Select(along), Some(index)) => {
                            self.core().select_along(part, index, along)?
                        }
                        (Kind::Gather(along), Some(index)) => {
                            self.core().gather_along(part, index, along)?
                        }
                        _ => part,
                    };
                    let targets = self.read(targets)?;
                    push_targets(&mut links, k, &targets)?;
                }
            }
            Op::MatMul => return Ok(Some(self.product(&node, &dims)?)),
            Op::Custom(_) => return Ok(Some(self.all_of(&dims, moves)?)),
            Op::Reshape
            | Op::Detach
            | Op::Leaf
            | Op::Fill
            | Op::DropoutMask
            | Op::Integer(_)
            | Op::Compare(_)
            | Op::ArgReduce(_) => return Ok(None),
        }
        let from = self.patterns(moves)?;
        Ok(Some(joined(node.len, self.columns, &mut links, &from)?))
    }

    /// Where an operation goes along lines, and no element looks ahead: the axis, and whether it goes
    /// backwards.
    fn course(&self, id: NodeId) -> Option<(usize, bool)> {
        let core = &self.session.core;
        let Op::Structural(kind) = core.node(id).op else { return None };
        let list = core.list(core.node(id).list);
        match (kind.rule().depends(), kind.rule().batching()) {
            (Depends::UpTo(backwards), Batching::Along(word)) => {
                Some((list[word] as usize, backwards(list)))
            }
            _ => None,
        }
    }

    /// Each element depends on those of its line up to it, or from it on.
    fn up_to(
        &self,
        dims: &[usize],
        axis: usize,
        backwards: bool,
        moves: &[NodeId],
    ) -> Full<Sparsity> {
        let Around { outer, len, inner } = Around::new(dims, axis);
        let from = self.patterns(moves)?;
        let place = |o: usize, k: usize, i: usize| (o * len + k) * inner + i;
        // In the order in which lines are gone along: what came before, and what is met here.
        let mut out = Sparsity::begin()?;
        let mut met = filled(u32::MAX, self.columns)?;
        let mut links: Vec<Link> = Vec::new();
        for (o, step, i) in
            (0..outer).flat_map(|o| (0..len).flat_map(move |k| (0..inner).map(move |i| (o, k, i))))
        {
            let first = out.columns.len();
            let row = place(o, step, i);
            if step > 0 {
                let before = out.starts[row - inner]..out.starts[row - inner + 1];
                out.columns.try_room(before.len())?;
                for at in before {
                    let column = out.columns[at];
                    met[column as usize] = row as u32;
                    out.columns.push_within(column);
                }
            }
            let source = place(o, if backwards { len - 1 - step } else { step }, i);
            for &column in from.iter().flat_map(|pattern| pattern.row(source)) {
                if std::mem::replace(&mut met[column as usize], row as u32) != row as u32 {
                    out.columns.try_push(column)?;
                }
            }
            out.columns[first..].sort_unstable();
            out.end_row()?;
            if backwards {
                links.try_push([source as u32, 0, row as u32])?;
            }
        }
        match backwards {
            true => joined(outer * len * inner, self.columns, &mut links, &[&out]),
            false => Ok(out),
        }
    }

    /// Elements that are chosen along an axis, by indices that move: any of the line, or any up to there where
    /// the indices name no others.
    fn anywhere(&mut self, node: &Node, dims: &[usize], moves: &[NodeId]) -> Full<Sparsity> {
        let Op::Structural(kind) = node.op else { return self.all_of(dims, moves) };
        let Gives::Chosen(chosen) = kind.rule().gives() else { return self.all_of(dims, moves) };
        let (Kind::Select(along) | Kind::Gather(along)) = chosen(self.core().list(node.list))
        else {
            return self.all_of(dims, moves);
        };
        let own = self.core().shape(node.inputs[0]);
        if own.is_empty() {
            return self.all_of(dims, moves);
        }
        if let Some((axis, backwards)) = self.course(node.inputs[1])
            && axis == along.axis
            && *own == *dims
        {
            return self.up_to(dims, axis, backwards, moves);
        }
        let kept = without(&own, along.axis);
        let from = self.patterns(moves)?;
        let mut links = list(broadcast(&kept, &own)?.iter().zip(0..).map(|(&l, s)| [l, 0, s]))?;
        let by_line = joined(kept.iter().product(), self.columns, &mut links, &from)?;
        let lines = broadcast(&kept, dims)?;
        let mut links = list(lines.iter().zip(0..).map(|(&line, target)| [target, 0, line]))?;
        joined(lines.len(), self.columns, &mut links, &[&by_line])
    }

    /// Each element depends on all of its line.
    fn along(&self, dims: &[usize], axis: usize, moves: &[NodeId]) -> Full<Sparsity> {
        let kept = without(dims, axis);
        let (lines, from) = (broadcast(&kept, dims)?, self.patterns(moves)?);
        let mut links: Vec<Link> = Vec::new();
        for k in 0..from.len() as u32 {
            append(&mut links, lines.iter().zip(0..).map(|(&line, source)| [line, k, source]))?;
        }
        let by_line = joined(kept.iter().product(), self.columns, &mut links, &from)?;
        let mut links = list(lines.iter().zip(0..).map(|(&line, target)| [target, 0, line]))?;
        joined(lines.len(), self.columns, &mut links, &[&by_line])
    }

    /// Each element depends on all: where it cannot be told, or depends on numbers.
    fn all_of(&self, dims: &[usize], moves: &[NodeId]) -> Full<Sparsity> {
        let (from, mut links) = (self.patterns(moves)?, Vec::new());
        for (k, pattern) in from.iter().enumerate() {
            append(&mut links, (0..pattern.rows() as u32).map(|source| [0, k as u32, source]))?;
        }
        let all = joined(1, self.columns, &mut links, &from)?;
        let len = dims.iter().product::<usize>();
        let mut links = list((0..len as u32).map(|target| [target, 0, 0]))?;
        joined(len, self.columns, &mut links, &[&all])
    }

    /// Each element of a product depends on a row of the one and a column of the other.
    fn product(&mut self, node: &Node, dims: &[usize]) -> Full<Sparsity> {
        let (mut lines, mut links): (Vec<_>, Vec<Link>) = (Vec::new(), Vec::new());
        for (place, &x) in node.inputs[..2].iter().enumerate() {
            let own = self.core().shape(x);
            let Some(pattern) = self.pattern(x) else { continue };
            // Along the inner length.
            let axis = if place == 0 { own.len() - 1 } else { own.len() - 2 };
            let kept = without(&own, axis);
            let inner = broadcast(&kept, &own)?.into_iter().zip(0..);
            let mut inner = list(inner.map(|(line, source)| [line, 0, source]))?;
            let own = joined(kept.iter().product(), self.columns, &mut inner, &[pattern])?;
            let k = lines.try_push(own)?;
            let outer = broadcast(&kept, dims)?.into_iter().zip(0..);
            append(&mut links, outer.map(|(line, target)| [target, k, line]))?;
        }
        let from = list(lines.iter())?;
        joined(node.len, self.columns, &mut links, &from)
    }
}

/// Links from the places that elements were taken from; none from 0.
fn push_sources(links: &mut Vec<Link>, operand: u32, sources: &[u32]) -> Full<()> {
    let taken = sources.iter().zip(0..).filter(|&(&source, _)| source > 0);
    append(links, taken.map(|(&source, target)| [target, operand, source - 1]))
}

/// Links to the places that elements go to.
fn push_targets(links: &mut Vec<Link>, operand: u32, targets: &[u32]) -> Full<()> {
    append(links, targets.iter().zip(0..).map(|(&target, source)| [target - 1, operand, source]))
}
