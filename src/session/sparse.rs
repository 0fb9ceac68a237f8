//! Sparse derivatives: which elements depend on which, found from the recording; few directions that
//! tell all of them apart; and their values, one for each place of the pattern.
//!
//! The pattern is carried up the recording, a set of input elements for each element of a node.
//! What an operation does to places is asked of the operation itself, which is run on places instead
//! of numbers. Columns that share no row share a direction (A. Curtis, M. Powell, J. Reid, 1974; greedy,
//! by T. Coleman, J. Moré, 1983: a distance-2 colouring of the columns); of a Hessian, which is
//! symmetric, a star colouring does with fewer (T. Coleman, J. Moré, 1984; A. Gebremedhin, F. Manne,
//! A. Pothen, "What color is your Jacobian?", 2005).

use super::Session;
use crate::arena::{OutOfMemory, TryPush};
use crate::dtype::DType;
use crate::error::{ErrorKind, Fail, Maybe};
use crate::graph::{Core, Handle, NewNode, Operand};
use crate::id::NodeId;
use crate::node::{Comparison, Node, Op};
use crate::op::assemble::{Kind, Places};
use crate::op::{Cotangent, Rule};
use crate::roll_call::Structural;
use crate::shape::{Dims, MAX_RANK};
use crate::transform::{Between, moving};

/// Why a pattern was not found.
enum Stop {
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

type Full<T> = Result<T, OutOfMemory>;

/// A list of what comes.
fn list<T>(items: impl Iterator<Item = T>) -> Full<Vec<T>> {
    let mut out = Vec::new();
    out.try_room(items.size_hint().0)?;
    append(&mut out, items)?;
    Ok(out)
}

fn append<T>(list: &mut Vec<T>, items: impl Iterator<Item = T>) -> Full<()> {
    items.into_iter().try_for_each(|item| list.try_push(item).map(|_| ()))
}

fn filled<T: Clone>(value: T, len: usize) -> Full<Vec<T>> {
    let mut out = Vec::new();
    out.try_extend_to(len, value)?;
    Ok(out)
}

/// Which columns each row has, in rising order: compressed rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sparsity {
    /// Where each row begins in `columns`, and where the last one ends.
    pub starts: Vec<usize>,
    /// The columns of the first row, of the second, and so on.
    pub columns: Vec<u32>,
}

impl Sparsity {
    /// The columns of a row.
    pub fn row(&self, row: usize) -> &[u32] {
        &self.columns[self.starts[row]..self.starts[row + 1]]
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Of no rows; more are appended.
    fn begin() -> Full<Self> {
        Ok(Self { starts: filled(0, 1)?, columns: Vec::new() })
    }

    /// The columns appended last are a row.
    fn end_row(&mut self) -> Full<()> {
        self.starts.try_push(self.columns.len()).map(|_| ())
    }

    fn identity(len: usize) -> Full<Self> {
        Ok(Self { starts: list(0..=len)?, columns: list(0..len as u32)? })
    }

    /// Rows and columns exchanged.
    fn transposed(&self, columns: usize) -> Full<Self> {
        let mut starts = filled(0, columns + 1)?;
        for &column in &self.columns {
            starts[column as usize + 1] += 1;
        }
        (0..columns).for_each(|column| starts[column + 1] += starts[column]);
        let (mut next, mut rows) = (list(starts.iter().copied())?, filled(0, self.columns.len())?);
        for row in 0..self.rows() {
            for &column in self.row(row) {
                rows[next[column as usize]] = row as u32;
                next[column as usize] += 1;
            }
        }
        Ok(Self { starts, columns: rows })
    }

    /// The least numbers for the columns such that no row has two columns of one number; how many there are.
    fn colours(&self, columns: usize) -> Full<(Vec<u32>, u32)> {
        let by_column = self.transposed(columns)?;
        let (mut colours, mut most) = (filled(u32::MAX, columns)?, 0);
        // By colour: the last column that met it.
        let mut met = filled(u32::MAX, columns)?;
        for column in 0..columns {
            for &row in by_column.row(column) {
                for &other in self.row(row as usize) {
                    let colour = colours[other as usize];
                    if colour != u32::MAX {
                        met[colour as usize] = column as u32;
                    }
                }
            }
            let free = met.iter().position(|&last| last != column as u32).unwrap_or(columns);
            colours[column] = free as u32;
            most = most.max(free as u32 + 1);
        }
        Ok((colours, most))
    }
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
    let mut met = filled(u32::MAX, columns)?;
    let mut rest = &*links;
    for target in 0..targets as u32 {
        let first = out.columns.len();
        let count = rest.iter().take_while(|link| link[0] == target).count();
        let (own, others) = rest.split_at(count);
        for &[_, operand, source] in own {
            for &column in from[operand as usize].row(source as usize) {
                if std::mem::replace(&mut met[column as usize], target) != target {
                    out.columns.try_push(column)?;
                }
            }
        }
        if own.len() > 1 {
            out.columns[first..].sort_unstable();
        }
        out.end_row()?;
        rest = others;
    }
    Ok(out)
}

/// By element of a shape: which element it is of one that is broadcast to it.
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
        let len = dims.iter().product::<usize>() as f64;
        let flat = self.core().arange(DType::I64, 1.0, 1.0 + len, 1.0)?;
        self.core().reshape_to("sparsity", flat, dims)
    }

    fn read(&mut self, id: NodeId) -> Result<Vec<u32>, Stop> {
        self.session.evaluate(id)?;
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
            Op::Permute
            | Op::Expand
            | Op::Slice
            | Op::AsStrided
            | Op::Embed
            | Op::Pick
            | Op::Unpick => {
                if node.inputs[1..].iter().any(|&index| self.follows(index)) {
                    return Ok(Some(self.all_of(&dims, moves)?));
                }
                let sources = self.sources(&node)?;
                push_sources(&mut links, 0, &sources)?;
            }
            Op::IndexSelect | Op::Gather => {
                if self.follows(node.inputs[1]) {
                    return Ok(Some(self.all_of(&dims, moves)?));
                }
                let sources = self.sources(&node)?;
                push_sources(&mut links, 0, &sources)?;
            }
            Op::IndexAdd | Op::ScatterAdd => {
                let index = node.inputs[1];
                if self.follows(index) {
                    return Ok(Some(self.all_of(&dims, moves)?));
                }
                let axis = self.core().list(node.list)[0] as isize;
                let places = self.places(&dims)?;
                let targets = match node.op {
                    Op::IndexAdd => self.core().index_select(places, axis, index)?,
                    _ => self.core().gather(places, axis, index)?,
                };
                let targets = self.read(targets)?;
                push_targets(&mut links, 0, &targets)?;
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
                    let moves = moves.contains(&x);
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
                for place in Places::new(&words) {
                    let Some(x) = operands.next() else { break };
                    let part = self.core().as_strided(whole, &place.layout())?;
                    let index = place.kind.has_index().then(|| operands.next()).flatten();
                    let Some(k) = moves.iter().position(|&other| other == x) else { continue };
                    if index.is_some_and(|index| self.follows(index)) {
                        return Ok(Some(self.all_of(&dims, moves)?));
                    }
                    let targets = match (place.kind, index) {
                        (Kind::Select(axis), Some(index)) => {
                            self.core().index_select(part, axis as isize, index)?
                        }
                        (Kind::Gather(axis), Some(index)) => {
                            self.core().gather(part, axis as isize, index)?
                        }
                        _ => part,
                    };
                    let targets = self.read(targets)?;
                    push_targets(&mut links, k as u32, &targets)?;
                }
            }
            Op::MatMul => return Ok(Some(self.product(&node, &dims)?)),
            Op::Structural(kind) => {
                let alike = moves.iter().all(|&x| self.session.core.node(x).len == node.len);
                return Ok(Some(match kind.rule().axis() {
                    Some(word) if alike && kind != Structural::Scatter => {
                        let axis = self.core().list(node.list)[word] as usize;
                        self.along(&dims, axis, moves)?
                    }
                    _ => self.all_of(&dims, moves)?,
                }));
            }
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

/// The colours of the vertices of a symmetric pattern such that neighbours differ, and every path of four
/// vertices has at least three: then each entry of the matrix, or the one across the diagonal, is alone in
/// its row with its colour.
fn star_colours(pattern: &Sparsity) -> Full<(Vec<u32>, u32)> {
    const NONE: u32 = u32::MAX;
    let len = pattern.rows();
    let (mut colours, mut most) = (filled(NONE, len)?, 0);
    // By colour: the last vertex that must not have it.
    let mut forbidden = filled(NONE, len + 1)?;
    for v in 0..len as u32 {
        let around = |w: u32| pattern.row(w as usize).iter().copied().filter(move |&x| x != w);
        for w in around(v) {
            let own = colours[w as usize];
            if own != NONE {
                forbidden[own as usize] = v;
            }
            for x in around(w).filter(|&x| x != v) {
                let far = colours[x as usize];
                if far == NONE {
                    continue;
                }
                let closes = own == NONE || around(x).any(|y| y != w && colours[y as usize] == own);
                if closes {
                    forbidden[far as usize] = v;
                }
            }
        }
        let free = forbidden.iter().position(|&last| last != v).unwrap_or(len);
        colours[v as usize] = free as u32;
        most = most.max(free as u32 + 1);
    }
    Ok((colours, most))
}

/// Where each entry of a symmetric pattern is among the compressed values: in the direction of its
/// column's colour, or across the diagonal.
fn star_places(pattern: &Sparsity, colours: &[u32], entries: &Sparsity) -> Full<Vec<i64>> {
    let len = pattern.rows();
    let alone = |i: usize, j: usize| {
        let same = pattern.row(i).iter().filter(|&&k| colours[k as usize] == colours[j]);
        same.count() == 1
    };
    let mut out = Vec::new();
    out.try_room(entries.columns.len())?;
    for i in 0..len {
        for &j in entries.row(i) {
            let j = j as usize;
            let (i, j) = if alone(i, j) { (i, j) } else { (j, i) };
            out.push_within((colours[j] as usize * len + i) as i64);
        }
    }
    Ok(out)
}

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
        let start = self.core.start();
        let found = self.find_pattern(y, x);
        self.core.go_back(start);
        match found {
            Ok(Some(pattern)) => Ok(pattern),
            Ok(None) => match filled(0, rows + 1) {
                Ok(starts) => Ok(Sparsity { starts, columns: Vec::new() }),
                Err(OutOfMemory) => Err(self.core.out_of_memory(what)),
            },
            Err(Stop::Fail) => Err(Fail),
            Err(Stop::Memory) => Err(self.core.out_of_memory(what)),
        }
    }

    fn find_pattern(&mut self, y: NodeId, x: NodeId) -> Result<Option<Sparsity>, Stop> {
        let (columns, len) = (self.core.node(x).len, self.core.len());
        self.between.find(&self.core, &[x], &[y], |id| self.core.operands(id))?;
        let nodes = list(self.between.on_the_way())?;
        let mut carrier = Carrier {
            session: self,
            columns,
            patterns: Vec::new(),
            pattern_of: filled(None, len)?,
            follows: filled(false, len)?,
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
        let start = self.core.start();
        let pattern = self.gradient_sparsity(what, y, x).map(|(_, pattern)| pattern);
        self.core.go_back(start);
        let entries = triangle(&pattern?, lower);
        self.full(what, entries)
    }

    /// The gradient of a single element, and the symmetric pattern of its derivatives.
    fn gradient_sparsity(&mut self, what: &str, y: NodeId, x: NodeId) -> Maybe<(NodeId, Sparsity)> {
        self.core.need_one(what, y)?;
        let mut g = [NodeId::NONE];
        self.core.record_grad(&[(y, None)], &[x], false, &mut g)?;
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
        let by_column = pattern.colours(columns);
        let by_column = self.full(what, by_column)?;
        let by_row = pattern.transposed(columns).and_then(|across| across.colours(rows));
        let by_row = self.full(what, by_row)?;
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
            let places = star_places(&pattern, &colours.0, &entries);
            let places = session.full(what, places)?;
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
        let start = self.core.start();
        match record(self) {
            Ok(id) => Ok(self.core.handle(id)),
            Err(fail) => {
                self.undo(start);
                Err(fail)
            }
        }
    }
}

/// The entries on and below the diagonal, or all.
fn triangle(pattern: &Sparsity, lower: bool) -> Full<Sparsity> {
    let mut out = Sparsity::begin()?;
    for row in 0..pattern.rows() {
        let own = pattern.row(row).iter().filter(|&&column| !lower || column as usize <= row);
        append(&mut out.columns, own.copied())?;
        out.end_row()?;
    }
    Ok(out)
}

/// A square pattern, and what lies across its diagonal.
fn with_transposed(pattern: &Sparsity) -> Full<Sparsity> {
    let across = pattern.transposed(pattern.rows())?;
    let mut out = Sparsity::begin()?;
    for row in 0..pattern.rows() {
        let (mut own, mut other) = (pattern.row(row), across.row(row));
        // Both rise.
        while let Some(&next) = own.first().into_iter().chain(other.first()).min() {
            out.columns.try_push(next)?;
            own = own.strip_prefix(&[next]).unwrap_or(own);
            other = other.strip_prefix(&[next]).unwrap_or(other);
        }
        out.end_row()?;
    }
    Ok(out)
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
        self.record_vmap(between, &[y], &[x], &[directions], &mut products)?;
        let flat = [self.node(products[0]).len];
        let products = self.reshape_to(what, products[0], &flat)?;
        let places = self.leaf(what, places, &[places.len()])?;
        self.index_select(products, 0, places)
    }
}
