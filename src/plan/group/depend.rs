//! The graph of steps: which one needs what others make.

use super::Grouping;
use crate::arena::{OutOfMemory, TryPush};
use crate::plan::datum::NONE;
use crate::plan::draft::Edge;

/// Steps that a search for a path looks at before it gives up and says that there is one.
const SEARCH_MAX: usize = 200;

/// Steps whose depth may change when an older one gets something more to wait for. (As for a search,
/// what takes longer to find out is not done.)
const RAISE_MAX: usize = 64;

/// Edges that are looked at to see whether there is one already. (One that is there twice is in
/// nobody's way.)
const EDGES_MAX: usize = 16;

impl Grouping {
    /// Notes that `step` needs what `on` makes.
    pub(super) fn depend(&mut self, step: u32, on: u32) -> Result<(), OutOfMemory> {
        if self.is_linked(step, on) {
            return Ok(());
        }
        let next = self.drafts.steps[step as usize].deps;
        self.drafts.steps[step as usize].deps =
            self.drafts.edges.try_push(Edge { to: on, next })?;
        let next = self.drafts.steps[on as usize].users;
        self.drafts.steps[on as usize].users =
            self.drafts.edges.try_push(Edge { to: step, next })?;
        // Depths of everything that follows.
        self.stack.clear();
        self.stack.try_push(on)?;
        while let Some(at) = self.stack.pop() {
            let depth = self.drafts.steps[at as usize].depth + 1;
            let mut edge = self.drafts.steps[at as usize].users;
            while edge != NONE {
                let Edge { to, next } = self.drafts.edges[edge as usize];
                self.drafts.looks.note(1);
                if self.drafts.steps[to as usize].depth < depth {
                    self.drafts.steps[to as usize].depth = depth;
                    self.stack.try_push(to)?;
                }
                edge = next;
            }
        }
        Ok(())
    }

    /// Whether there is an edge between two steps, if it is among the newest of both.
    fn is_linked(&self, step: u32, on: u32) -> bool {
        let (mut dep, mut user) =
            (self.drafts.steps[step as usize].deps, self.drafts.steps[on as usize].users);
        for _ in 0..EDGES_MAX {
            self.drafts.looks.note(1);
            let (Some(one), Some(other)) =
                (self.drafts.edges.get(dep as usize), self.drafts.edges.get(user as usize))
            else {
                return false;
            };
            if one.to == on || other.to == step {
                return true;
            }
            (dep, user) = (one.next, other.next);
        }
        false
    }

    /// Whether a step can be made to wait for `on`: not if that waits for the step, nor if it would
    /// take long to find out or to note. Nor, where memory is to be saved, for a newer one: what the step has
    /// got already would have to be kept as long.
    pub(super) fn can_wait(&self, step: u32, on: u32) -> bool {
        (!self.drafts.is_thrifty || on <= step)
            && !self.reaches(step, on)
            && self.can_raise(step, self.drafts.steps[on as usize].depth + 1)
    }

    /// Whether few others get deeper when a step is made this deep.
    fn can_raise(&self, step: u32, depth: u32) -> bool {
        let draft = &self.drafts.steps[step as usize];
        if draft.depth >= depth || draft.users == NONE {
            return true;
        }
        let mut pending = [(0u32, 0u32); RAISE_MAX];
        let (mut count, mut looked) = (1, 0);
        pending[0] = (step, depth);
        while count > 0 {
            count -= 1;
            let (at, depth) = pending[count];
            for step in self.drafts.ends(self.drafts.steps[at as usize].users) {
                looked += 1;
                if looked > RAISE_MAX {
                    return false;
                }
                if self.drafts.steps[step as usize].depth <= depth {
                    pending[count] = (step, depth + 1);
                    count += 1;
                }
            }
        }
        true
    }

    /// Whether `to` needs, directly or not, what `from` makes. May say so when it does not.
    fn reaches(&self, from: u32, to: u32) -> bool {
        let depth = self.drafts.steps[from as usize].depth;
        if from == to {
            return true;
        }
        if self.drafts.steps[to as usize].depth <= depth {
            return false;
        }
        // A small search without memory of its own: paths are short, or the answer is "maybe".
        let mut pending = [0u32; 32];
        let (mut count, mut looked) = (1, 0);
        pending[0] = to;
        while count > 0 {
            count -= 1;
            for step in self.drafts.ends(self.drafts.steps[pending[count] as usize].deps) {
                looked += 1;
                if step == from || looked > SEARCH_MAX {
                    return true;
                }
                if self.drafts.steps[step as usize].depth > depth {
                    if count == pending.len() {
                        return true;
                    }
                    pending[count] = step;
                    count += 1;
                }
            }
        }
        false
    }
}
