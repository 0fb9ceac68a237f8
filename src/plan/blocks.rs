//! Which elements are reduced together, and in which blocks: these follow from the shape alone.

use crate::kernel::SUM_BLOCK;

/// Rows that a sink adds up at a time, in their own precision.
pub(crate) const JOIN_BLOCK: usize = 64;

/// How the elements of a reduced operand are grouped, in the order of its axes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Groups {
    /// Kept positions outside, reduced ones, kept positions inside.
    pub(crate) outer: usize,
    pub(crate) reduced: usize,
    pub(crate) inner: usize,
}

impl Groups {
    /// The groups of a shape, if its reduced axes are neighbours.
    pub(crate) fn of(dims: &[usize], kept: &[usize]) -> Option<Self> {
        let mut groups = Self { outer: 1, reduced: 1, inner: 1 };
        let mut seen = false;
        for (axis, &len) in dims.iter().enumerate() {
            if len != kept[axis] {
                if groups.inner != 1 {
                    return None;
                }
                seen = true;
                groups.reduced *= len;
            } else if seen {
                groups.inner *= len;
            } else {
                groups.outer *= len;
            }
        }
        Some(groups)
    }

    /// Partial results a group: each is of a fixed stretch of elements, so that neither tiles nor
    /// threads decide in which order a sum is made.
    pub(crate) fn blocks(&self) -> usize {
        self.reduced.div_ceil(if self.inner == 1 { SUM_BLOCK } else { JOIN_BLOCK })
    }

    /// Elements that must be reduced by one thread: whole blocks.
    pub(super) fn unit(&self) -> usize {
        match (self.outer, self.inner) {
            (1, 1) => SUM_BLOCK,
            (1, inner) => JOIN_BLOCK * inner,
            (_, inner) => self.reduced * inner,
        }
    }
}
