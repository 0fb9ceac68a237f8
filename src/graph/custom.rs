//! The operations that the user has registered. They are numbered, and stay as long as the graph: a reset
//! drops nodes, and no operation, so that a number in a list or in a plan always means the same.

use std::fmt;

use super::Core;
use crate::arena::{OutOfMemory, TryPush};
use crate::buffer::Part as Books;
use crate::callback::{Call, Facts, MOST, Message, Name, Part, Raw, Refused, ResultShape};
use crate::error::{ErrorKind, Fail, Maybe};
use crate::id::NodeId;

/// An operation that was registered with a graph: see [`Graph::custom`](crate::Graph::custom). It is of use
/// as long as the graph is there, [`reset`](crate::Graph::reset) or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CustomOp {
    pub(crate) number: u32,
    /// The first tag of the graph; 0 for none.
    pub(crate) tag: u32,
}

impl CustomOp {
    /// What registering gives when it fails.
    pub(crate) const NULL: Self = Self { number: 0, tag: 0 };

    /// Whether registering it has failed.
    pub fn is_null(&self) -> bool {
        self.tag == 0
    }
}

/// What an operation records its cotangents from, and where it leaves them: none for an input that it
/// sends nothing to.
pub(crate) struct Recorded<'a> {
    pub(crate) op: CustomOp,
    pub(crate) inputs: &'a [NodeId],
    pub(crate) outputs: &'a [NodeId],
    pub(crate) cotangents: &'a [NodeId],
    pub(crate) results: &'a mut [NodeId],
}

/// An operation of the user's. What unwinds is caught in it.
pub(crate) trait Operation: Send {
    fn facts(&self) -> &Facts;

    /// Sets the shapes of the results, which are that of input 0 as long as nothing is said, from those of
    /// the inputs. (These have no data.)
    fn shapes(
        &self,
        inputs: &[Raw],
        results: &mut [ResultShape],
        message: &mut Message,
    ) -> Result<(), Refused>;

    /// Whether shapes follow from those of the inputs in another way than the default.
    fn has_shapes(&self) -> bool;

    fn run(&self, call: Call<'_>, message: &mut Message) -> Result<(), Refused>;

    /// Records cotangents. (The core's nodes, and everything that is recorded from them, are as they were
    /// but for what it has recorded.)
    fn record(
        &self,
        core: &mut Core,
        call: Recorded<'_>,
        message: &mut Message,
    ) -> Result<(), Refused>;
}

/// Records the cotangents of a node's inputs by its operation, and lists them with the places of the
/// inputs: [`transform`](crate::transform) is needed where the node is one for a batch.
pub(crate) type RecordVjp = fn(
    core: &mut Core,
    of: NodeId,
    cotangent: NodeId,
    found: &mut Vec<(usize, NodeId)>,
) -> Maybe<()>;

/// Lists that are filled anew in each call of an operation, so that a repeated one allocates nothing.
#[derive(Default)]
pub(crate) struct CustomScratch {
    pub(crate) words: Vec<u64>,
    pub(crate) nodes: Vec<NodeId>,
    pub(crate) found: Vec<(usize, NodeId)>,
    pub(crate) dims: Vec<usize>,
    pub(crate) raws: Vec<Raw>,
    /// By tensor: bytes from one element of a batch to the next.
    pub(crate) strides: Vec<usize>,
}

impl CustomScratch {
    fn bytes(&self) -> usize {
        let Self { words, nodes, found, dims, raws, strides } = self;
        let recorded = words.bytes() + nodes.bytes() + found.bytes();
        recorded + dims.bytes() + raws.bytes() + strides.bytes()
    }
}

/// All operations of a graph.
#[derive(Default)]
pub(crate) struct Customs {
    operations: Vec<Box<dyn Operation>>,
    pub(crate) scratch: CustomScratch,
    pub(crate) record_vjp: Option<RecordVjp>,
}

impl Customs {
    pub(super) fn bytes(&self) -> usize {
        let own = self.operations.iter().map(|operation| size_of_val(&**operation));
        own.sum::<usize>() + self.operations.bytes() + self.scratch.bytes()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    pub(crate) fn get(&self, number: u32) -> &dyn Operation {
        &*self.operations[number as usize]
    }

    pub(crate) fn facts(&self, number: u32) -> &Facts {
        self.get(number).facts()
    }
}

impl Core {
    /// Takes an operation in. If it cannot be, it is dropped.
    pub(crate) fn register(
        &mut self,
        operation: Box<dyn Operation>,
        record_vjp: RecordVjp,
    ) -> Maybe<CustomOp> {
        let bytes = size_of_val(&*operation);
        let room = self.pool.room_for(Books::Recording, bytes);
        let pushed = room.and_then(|()| self.customs.operations.try_push(operation));
        let number = pushed.map_err(|OutOfMemory| self.out_of_memory("custom"))?;
        self.customs.record_vjp = Some(record_vjp);
        self.count();
        Ok(CustomOp { number, tag: self.first_tag })
    }

    /// The name of an operation that is to be registered with so many results, if it can be.
    pub(crate) fn custom_name(&mut self, name: &str, results: usize) -> Maybe<Name> {
        let what = "custom";
        if !(1..=MOST).contains(&results) {
            return Err(self.fail(
                ErrorKind::Argument,
                format_args!("{what}: an operation has 1 to {MOST} results, not {results}"),
            ));
        }
        Name::new(name).ok_or_else(|| {
            let most = Name::LONGEST;
            self.fail(
                ErrorKind::Argument,
                format_args!(
                    "{what}: a name consists of 1 to {most} letters, digits and _, not {name:?}"
                ),
            )
        })
    }

    /// The number of an operation of this graph.
    pub(crate) fn resolve_custom(&mut self, op: CustomOp) -> Maybe<u32> {
        if op.tag == self.first_tag && (op.number as usize) < self.customs.operations.len() {
            return Ok(op.number);
        }
        let why = match op.is_null() {
            true => "null (registering it has failed)",
            false => "of another graph",
        };
        Err(self.fail(ErrorKind::Handle, format_args!("apply: the operation is {why}")))
    }

    pub(crate) fn custom_op(&self, number: u32) -> CustomOp {
        CustomOp { number, tag: self.first_tag }
    }

    /// Calls an operation that may use the core itself.
    pub(crate) fn with_custom<R>(
        &mut self,
        number: u32,
        call: impl FnOnce(&mut Self, &dyn Operation) -> R,
    ) -> R {
        let operation: *const (dyn Operation + 'static) =
            &raw const *self.customs.operations[number as usize];
        // SAFETY: it is in a box of its own, which stays where it is, whatever is registered besides, until
        // the core is dropped; and nobody else has the core than the call, which cannot drop it.
        call(self, unsafe { &*operation })
    }

    /// Tells that a callback has failed: that for shapes, or a part.
    #[cold]
    pub(crate) fn refuse_callback(
        &mut self,
        name: Name,
        part: Option<Part>,
        message: &Message,
    ) -> Fail {
        let kind = ErrorKind::Callback;
        match part {
            None => self.refuse_custom(kind, name, format_args!("{message}")),
            Some(part) => {
                let what = part.name();
                self.refuse_custom(kind, name, format_args!("its {what} failed: {message}"))
            }
        }
    }

    /// Tells of an operation what keeps its name, also on behalf of another.
    #[cold]
    pub(crate) fn refuse_custom(
        &mut self,
        kind: ErrorKind,
        name: Name,
        message: fmt::Arguments<'_>,
    ) -> Fail {
        let (called, colon) = (self.called, if self.called.is_empty() { "" } else { ": " });
        self.fail(kind, format_args!("{called}{colon}{name}: {message}"))
    }

    /// Refuses what changes data or drops nodes while a callback records.
    pub(crate) fn need_own(&mut self, what: &str) -> Maybe<()> {
        if self.lent == 0 {
            return Ok(());
        }
        Err(self.fail(
            ErrorKind::Busy,
            format_args!(
                "{what}: the graph is lent to a callback to record a vjp: nothing can be computed, written \
                 or dropped meanwhile"
            ),
        ))
    }
}
