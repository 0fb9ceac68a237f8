//! Handles: the public names of nodes.

use std::sync::atomic::{AtomicU32, Ordering};

use super::Core;
use crate::error::{ErrorKind, Fail, Maybe};
use crate::id::NodeId;

/// The public name of a node: its id, and the tag that the graph had when the node was recorded.
/// Tags come from one counter for the whole process, so a handle of another graph, or one of a
/// node that a rewind dropped, is found out.
///
/// One number of 64 bits, so that a `Var`, which is a handle and a reference, travels in registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Handle(u64);

impl Handle {
    /// The result of an operation that failed.
    pub(crate) const NULL: Self = Self::new(0, 0);

    #[inline(always)]
    pub(crate) const fn new(id: u32, tag: u32) -> Self {
        Self((tag as u64) << 32 | id as u64)
    }

    #[inline(always)]
    pub(crate) const fn id(self) -> u32 {
        self.0 as u32
    }

    #[inline(always)]
    pub(crate) const fn tag(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

static NEXT_TAG: AtomicU32 = AtomicU32::new(1);

pub(super) fn new_tag() -> u32 {
    loop {
        match NEXT_TAG.fetch_add(1, Ordering::Relaxed) {
            0 => continue, // the null handle's tag, after 2^32 others
            tag => return tag,
        }
    }
}

impl Core {
    pub(crate) fn handle(&self, id: NodeId) -> Handle {
        Handle::new(id.0, self.node(id).tag)
    }

    /// The node that a handle names, on behalf of the operation `what`.
    #[inline(always)]
    pub(crate) fn resolve(&mut self, what: &str, handle: Handle) -> Maybe<NodeId> {
        let id = NodeId(handle.id());
        if id.index() < self.nodes.len() && self.node(id).tag == handle.tag() {
            return Ok(id);
        }
        Err(self.bad_handle(what, handle))
    }

    #[cold]
    fn bad_handle(&mut self, what: &str, handle: Handle) -> Fail {
        if handle == Handle::NULL {
            return self.fail(
                ErrorKind::Handle,
                format_args!("{what}: the handle is null (the result of an operation that failed)"),
            );
        }
        if self.is_torn {
            return self.torn(what);
        }
        self.fail(
            ErrorKind::Handle,
            format_args!(
                "{what}: the handle n{} is not valid here: it is of another graph, or its node was \
                 dropped by a rewind or reset",
                handle.id()
            ),
        )
    }

    #[cold]
    pub(crate) fn torn(&mut self, what: &str) -> Fail {
        self.fail(
            ErrorKind::Internal,
            format_args!(
                "{what}: a defect of bumpgrad left parameters or gradients half changed: the graph \
                 cannot be used until it is reset"
            ),
        )
    }
}
