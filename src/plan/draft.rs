//! What grouping decides, as plain data, for emitting to write down: which step does what for which
//! node, and where the elements come from that it reads.

use super::datum::NONE;
use super::walk::Walk;
use super::{Grain, Looks, Span};
use crate::arena::TryPush;
use crate::dtype::DType;
use crate::graph::Core;
use crate::id::NodeId;
use crate::level::Level;
use crate::node::{Node, Op};
use crate::shape::{Layout, Padded};

/// Elements of a chunk of a product, if rows and sums do not want more.
const PRODUCT_CHUNK: usize = 1 << 14;

/// Where the elements come from that a node reads, or shows without having them. It is remembered from
/// the choice of a step to the writing of its program: by then an operand may have got data of its own,
/// in a later step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Source {
    /// There is no such operand.
    Absent,
    /// The number in this place of the drafts' constants.
    Constant(u32),
    /// The data of this node, one after the other, as many as the reader has elements.
    Dense(NodeId),
    /// The data of this node, in the layout of this number.
    Strided(NodeId, u32),
    /// The data of this node among zeros, as the padded layout of this number says.
    Padded(NodeId, u32),
}

impl Source {
    /// Whose data they are.
    pub(super) fn base(self) -> Option<NodeId> {
        match self {
            Self::Dense(base) | Self::Strided(base, _) | Self::Padded(base, _) => Some(base),
            Self::Absent | Self::Constant(_) => None,
        }
    }
}

/// Where a node is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Home {
    /// Nowhere: its value is there.
    Ready,
    /// By a member of this step.
    In(u32, Grain),
    /// It is complete when this step is.
    After(u32),
}

/// What a step does for a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// An elementwise operation.
    Map,
    /// A view or constant that somebody needs as dense data.
    Copy,
    /// A concatenation of few operands.
    Concat,
    /// A reduction of each row.
    Fold,
    /// A function of each row.
    Rows,
    Sink,
    /// A sink over an operand whose reduced axes were moved to the end.
    MovedSink,
    /// As `MovedSink`, for a reduction that only works on whole rows.
    MovedFold,
    /// One element of each row, by what an operand says of the row.
    FromRows,
    /// A row of each element, by what an operand says of it.
    ToRows,
    Mask,
}

/// What a member makes a value for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aim {
    /// The node, whose home the step is.
    Node,
    /// The step alone: it computes again what has its home elsewhere.
    Step,
    /// The result of this number: a copy.
    Result(u32),
}

/// Something that a step does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) node: NodeId,
    pub(super) what: What,
    pub(super) grain: Grain,
    /// Among the drafts' sources.
    pub(super) operands: Span,
    pub(super) aim: Aim,
    pub(super) next: u32,
}

/// A step in the making.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draft {
    pub(super) len: usize,
    pub(super) row: usize,
    pub(super) unit: usize,
    /// Of a single step, the node; else `NONE`.
    pub(super) single: NodeId,
    /// Those of a single step.
    pub(super) operands: Span,
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) streams: u32,
    /// How many there are.
    pub(super) members: u32,
    /// Longer than that of any step it depends on.
    pub(super) depth: u32,
    /// Lists of edges: to those it depends on, and to those that depend on it.
    pub(super) deps: u32,
    pub(super) users: u32,
    /// Whether it has its place in the order of steps.
    pub(super) is_scheduled: bool,
}

impl Draft {
    /// An empty step over `len` elements; for `single` alone, if it is a node.
    pub(super) fn new(len: usize, single: NodeId) -> Self {
        Self {
            len,
            row: 0,
            unit: 1,
            single,
            operands: Span::default(),
            first: NONE,
            last: NONE,
            streams: 0,
            members: 0,
            depth: 0,
            deps: NONE,
            users: NONE,
            is_scheduled: false,
        }
    }
}

/// An edge of the graph of steps, in a list.
#[derive(Clone, Copy)]
pub(super) struct Edge {
    pub(super) to: u32,
    pub(super) next: u32,
}

/// What is known about a node while a plan is made. Valid for nodes that are computed.
#[derive(Clone, Copy)]
pub(super) struct Fate {
    pub(super) kind: FateKind,
    /// Whether its value must be in memory.
    pub(super) stored: bool,
    /// Whether it was asked for.
    pub(super) asked: bool,
    /// The number of the step, or of what it shows.
    pub(super) place: u32,
}

/// Which [`Home`] a node has, or that it shows another one's data.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum FateKind {
    Ready,
    Element,
    Row,
    After,
    Shown,
}

impl Fate {
    pub(super) const BLANK: Self =
        Self { kind: FateKind::Ready, stored: false, asked: false, place: NONE };

    pub(super) fn home(&self) -> Home {
        match self.kind {
            FateKind::Ready | FateKind::Shown => Home::Ready,
            FateKind::Element => Home::In(self.place, Grain::Element),
            FateKind::Row => Home::In(self.place, Grain::Row),
            FateKind::After => Home::After(self.place),
        }
    }

    pub(super) fn set_home(&mut self, home: Home) {
        (self.kind, self.place) = match home {
            Home::Ready => (FateKind::Ready, NONE),
            Home::In(step, Grain::Element) => (FateKind::Element, step),
            Home::In(step, Grain::Row) => (FateKind::Row, step),
            Home::After(step) => (FateKind::After, step),
        };
    }

    /// The number of what it shows, or `NONE` for one with data of its own.
    pub(super) fn shown(&self) -> u32 {
        if self.kind == FateKind::Shown { self.place } else { NONE }
    }

    pub(super) fn set_shown(&mut self, shown: u32) {
        (self.kind, self.place) = (FateKind::Shown, shown);
    }
}

/// The drafts of all steps, and the lists that they refer to. The memory is kept from plan to plan.
pub(super) struct Drafts {
    /// What must be computed.
    pub(super) walk: Walk,
    pub(super) level: Level,
    /// One node a step, and every value stored.
    pub(super) single: bool,
    /// Nodes from here on are needed only inside of this plan; `usize::MAX` in a read.
    pub(super) temporaries: usize,
    /// Whether nothing stays in memory but what was asked for.
    pub(super) is_lean: bool,
    /// Whether memory is to be saved, rather than passes over it.
    pub(super) is_thrifty: bool,
    /// By node.
    pub(super) fates: Vec<Fate>,
    /// What nodes without data show.
    pub(super) shown: Vec<Source>,
    pub(super) steps: Vec<Draft>,
    pub(super) edges: Vec<Edge>,
    pub(super) members: Vec<Member>,
    /// Operands of members and of single steps.
    pub(super) sources: Vec<Source>,
    pub(super) layouts: Vec<Layout>,
    pub(super) padded: Vec<Padded>,
    pub(super) constants: Vec<f64>,
    /// Concatenations that are members, in order of ids, and how their operands looked.
    pub(super) concats: Vec<(NodeId, Span)>,
    pub(super) looks: Looks,
}

impl Drafts {
    pub(super) fn new(level: Level) -> Self {
        Self {
            walk: Walk::default(),
            level,
            single: false,
            temporaries: usize::MAX,
            is_lean: false,
            is_thrifty: false,
            fates: Vec::new(),
            shown: Vec::new(),
            steps: Vec::new(),
            edges: Vec::new(),
            members: Vec::new(),
            sources: Vec::new(),
            layouts: Vec::new(),
            padded: Vec::new(),
            constants: Vec::new(),
            concats: Vec::new(),
            looks: Looks::default(),
        }
    }

    /// Bytes of memory that they hold.
    pub(super) fn bytes(&self) -> usize {
        let Self { walk, fates, shown, steps, members, sources, layouts, .. } = self;
        let nodes = [walk.bytes(), fates.bytes(), shown.bytes(), steps.bytes()];
        let views = [members.bytes(), sources.bytes(), layouts.bytes(), self.padded.bytes()];
        let lists = self.edges.bytes() + self.constants.bytes() + self.concats.bytes();
        [nodes, views].iter().flatten().sum::<usize>() + lists
    }

    pub(super) fn clear(&mut self) {
        self.shown.clear();
        self.steps.clear();
        self.edges.clear();
        self.members.clear();
        self.sources.clear();
        self.layouts.clear();
        self.padded.clear();
        self.constants.clear();
        self.concats.clear();
    }

    /// Where the edges of a list lead.
    pub(super) fn ends(&self, mut edge: u32) -> impl Iterator<Item = u32> {
        std::iter::from_fn(move || {
            let Edge { to, next } = *self.edges.get(edge as usize)?;
            self.looks.note(1);
            edge = next;
            Some(to)
        })
    }

    /// Where a node is computed. (What is not needed is there, if needed nodes read it.)
    pub(super) fn home(&self, id: NodeId) -> Home {
        if self.walk.is_needed(id) { self.fates[id.index()].home() } else { Home::Ready }
    }

    /// Whether this is the plan of a backward.
    pub(super) fn is_backward(&self) -> bool {
        self.temporaries != usize::MAX
    }

    /// Whether a node's value is in a buffer of its own, where it stays, if it is in memory at all;
    /// else it is in scratch memory.
    pub(super) fn stays(&self, core: &Core, id: NodeId) -> bool {
        if !self.walk.is_needed(id) || self.fates[id.index()].asked {
            return id.index() < self.temporaries;
        }
        let is_kept =
            !self.is_lean && !core.is_made_anew(id) || !core.node(id).op.may_be_repeated();
        id.index() < self.temporaries && is_kept
    }

    /// Whether a node has data, rather than that it shows those of another one.
    pub(super) fn has_own(&self, id: NodeId) -> bool {
        !self.walk.is_needed(id) || self.fates[id.index()].kind != FateKind::Shown
    }

    /// If a step does nothing but concatenate: a single step that does it, in long runs rather than in
    /// tiles.
    pub(super) fn lone_concat(&self, draft: &Draft) -> Option<Draft> {
        let member = self.members.get(draft.first as usize)?;
        let is_alone = draft.members == 1 && member.what == What::Concat;
        let operands = member.operands.of(&self.sources);
        let fits = is_alone && operands.iter().all(|operand| operand.base().is_some());
        fits.then_some(Draft { single: member.node, operands: member.operands, ..*draft })
    }
}

/// Whether a layout repeats each element of a list along a row.
pub(super) fn is_spread(layout: &Layout, len: usize, row: usize) -> bool {
    if row <= 1 || layout.offset != 0 {
        return false;
    }
    if row == len {
        return layout.is_splat();
    }
    let merged = layout.merged();
    merged.dims() == [len / row, row] && merged.strides() == [1, 0]
}

/// The dtype by which an elementwise node's kernel is looked up.
pub(crate) fn elementwise_operand(core: &Core, node: &Node) -> DType {
    match node.op {
        // The first operand may be one that the rule does not read.
        Op::Map(_) | Op::Pull(..) => node.dtype,
        Op::Where => operand_dtype(core, node, 1),
        _ => operand_dtype(core, node, 0),
    }
}

/// The dtype in which operand `k` is read.
pub(crate) fn operand_dtype(core: &Core, node: &Node, k: usize) -> DType {
    match (node.op, node.inputs[k]) {
        (_, id) if id.is_node() => core.node(id).dtype,
        (Op::Compare(_), NodeId::IMMEDIATE) => core.node(node.inputs[0]).dtype,
        _ => node.dtype,
    }
}

pub(super) fn lcm(a: usize, b: usize) -> usize {
    if b == 1 || a == b {
        return a; // mostly
    }
    let (mut x, mut y) = (a, b);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    (a / x.max(1)).saturating_mul(b)
}

/// Elements of a chunk of a product that feeds a step: whole rows and whole units.
pub(super) fn product_chunk(draft: &Draft, columns: usize) -> usize {
    let least = lcm(draft.unit, columns);
    least.saturating_mul((PRODUCT_CHUNK / least).max(1))
}
