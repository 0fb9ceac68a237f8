//! What the reverse walk notes, kept from walk to walk.

use crate::arena::TryPush;
use crate::id::NodeId;
use crate::shape::Layout;
use crate::visit::Visit;

/// The reverse walk's lists, kept so that a repeated backward allocates nothing.
#[derive(Default)]
pub(crate) struct WalkScratch {
    pub(crate) visit: Visit,
    pub(crate) cotangents: Vec<NodeId>,
    pub(crate) expanded: Vec<NodeId>,
    pub(crate) spot_of: Vec<u32>,
    pub(crate) spots: Vec<Spot>,
    pub(crate) parts: Vec<Contribution>,
    pub(crate) words: Vec<u64>,
    pub(crate) sent: Vec<(NodeId, NodeId)>,
    pub(crate) heads: Vec<(NodeId, NodeId)>,
    pub(crate) order: Vec<u32>,
}

impl WalkScratch {
    pub(crate) fn bytes(&self) -> usize {
        let Self { visit, cotangents, expanded, spot_of, spots, parts, .. } = self;
        let Self { words, sent, heads, order, .. } = self;
        let nodes = visit.bytes() + cotangents.bytes() + expanded.bytes() + spot_of.bytes();
        let parts = spots.bytes() + parts.bytes() + words.bytes();
        nodes + parts + sent.bytes() + heads.bytes() + order.bytes()
    }
}

/// What the reverse walk knows of a node that is a view of another, or to a part of which cotangents
/// were sent.
#[derive(Clone, Copy)]
pub(crate) struct Spot {
    pub(crate) node: NodeId,
    /// The node that gets the cotangent of this view, and where in it; itself if it is no view.
    pub(crate) base: NodeId,
    pub(crate) layout: Layout,
    /// Cotangents of parts of it that are not added yet: a list, how many, and of how many elements.
    pub(crate) first: u32,
    pub(crate) last: u32,
    pub(crate) count: u32,
    pub(crate) elements: usize,
}

/// The cotangent of a view or a selection, sent to a part of its base.
#[derive(Clone, Copy)]
pub(crate) struct Contribution {
    pub(crate) of: NodeId,
    pub(crate) cotangent: NodeId,
    pub(crate) next: u32,
}
