//! Names for things that live in the graph's arena: small, typed, printed with a letter.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $letter:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) struct $name(pub(crate) u32);

        impl $name {
            pub(crate) const NONE: Self = Self(u32::MAX);

            #[inline(always)]
            pub(crate) const fn index(self) -> usize {
                self.0 as usize
            }

            #[inline(always)]
            pub(crate) fn is_none(self) -> bool {
                self == Self::NONE
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                if self.is_none() { f.write_str("-") } else { write!(f, concat!($letter, "{}"), self.0) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self, f)
            }
        }
    };
}

id!(
    /// A node of one graph, in recording order: inputs always have smaller ids.
    NodeId, "n"
);
id!(
    /// An operation that was called, by its number among the names of those that are told in messages.
    CallId, "c"
);
id!(
    /// An interned list of integers: a shape, a permutation, slice bounds, operand ids.
    ListId, "l"
);

impl NodeId {
    /// The operand is the node's own immediate constant and no node at all.
    pub(crate) const IMMEDIATE: Self = Self(u32::MAX - 1);

    /// Whether this names a node, not "none" or "the immediate".
    #[inline(always)]
    pub(crate) fn is_node(self) -> bool {
        self.0 < Self::IMMEDIATE.0
    }
}
