//! Reading again what a few written leaves have changed.
//!
//! A plan that takes nothing for granted computes all that its root depends on, however little was
//! written. Where one value is read again and again after writes to a few of many leaves, it is cheaper
//! to go the other way: from the leaves *downstream*, to those who use them, and theirs. For that the
//! users of every node are listed once, all values are kept, and each read computes what lies
//! downstream of what was written since, node by node.

use super::Engine;
use super::direct::{Stop, concat_one, line_bytes};
use crate::arena::{OutOfMemory, TryPush};
use crate::error::{Fail, Maybe};
use crate::fpenv::Scope;
use crate::graph::Core;
use crate::id::NodeId;
use crate::node::Op;
use crate::plan::Storage;
use crate::visit::Visit;

/// How often a plan is run for the same nodes before it is asked whether little of it was written; it is
/// asked again after twice as often, and so on.
const RUNS: u32 = 4;

/// So many nodes at least.
const NODES_MIN: usize = 16;

/// Elements a node, on average, and in all, up to which all values are kept.
const SMALL: usize = 1 << 16;
const ELEMENTS_MAX: usize = 1 << 22;

/// What a node costs, in elements.
const NODE: usize = 64;

/// What part of all may be downstream of what was written, on the whole.
const SHARE: usize = 4;

/// How many times all of it may be computed again before that is too often.
const PATIENCE: usize = 4;

/// Roots that are followed.
pub(super) const FOLLOWED: usize = 4;

const BITS: usize = u64::BITS as usize;

/// What one root depends on, and who uses what of it.
#[derive(Default)]
pub(super) struct Follow {
    /// Nobody, if there are no nodes. The root is the last one.
    nodes: Vec<NodeId>,
    /// The tag of the root, which says that it is still the same node.
    tag: u32,
    /// By place in `nodes`: where its users begin among `users`; and where the last one's end.
    first: Vec<u32>,
    /// In rising order for each.
    users: Vec<User>,
    /// Places of the leaves.
    leaves: Vec<u32>,
    /// A bit for each place, set while it is known to be downstream.
    marks: Vec<u64>,
    /// What is to be computed, in order.
    order: Vec<NodeId>,
    /// Operands of concatenations among that: those of the first one first.
    parts: Vec<ConcatPart>,
    /// What all nodes cost that are computed, and those of `order`.
    cost: usize,
    order_cost: usize,
    /// What may be spent above the share, until it is earned again.
    credit: usize,
    /// When all nodes were right, and how many writes there had been.
    clock: u64,
    writes: u64,
}

/// Who uses a node.
#[derive(Clone, Copy)]
struct User {
    place: u32,
    /// If it is a concatenation: how many bytes into a line of it the node is; else `NONE`.
    start: u32,
}

const NONE: u32 = u32::MAX;

/// An operand of a concatenation.
#[derive(Clone, Copy)]
struct ConcatPart {
    of: NodeId,
    operand: NodeId,
    start: u32,
}

impl Follow {
    pub(super) fn bytes(&self) -> usize {
        let lists = [self.first.bytes(), self.users.bytes(), self.leaves.bytes()];
        let found = self.marks.bytes() + self.order.bytes() + self.parts.bytes();
        lists.iter().sum::<usize>() + self.nodes.bytes() + found
    }

    pub(super) fn is_of(&self, core: &Core, root: NodeId) -> bool {
        self.nodes.last() == Some(&root) && core.node(root).tag == self.tag
    }

    /// Lists what a root depends on, and the users; none if there are too few nodes, or large ones, or
    /// some that change by themselves.
    fn of(core: &Core, root: NodeId) -> Result<Option<Self>, OutOfMemory> {
        let mut visit = Visit::default();
        visit.search(core.len(), [root].into_iter(), |_| true, |id| core.operands(id))?;
        let found = visit.found();
        let is_random = |&id: &NodeId| core.node(id).op.is_random();
        let elements = found.iter().map(|&id| core.node(id).len).fold(0, usize::saturating_add);
        let is_small = elements <= SMALL * found.len() && elements <= ELEMENTS_MAX;
        if found.len() < NODES_MIN || !is_small || found.iter().any(is_random) {
            return Ok(None);
        }
        let made = found.iter().map(|&id| core.node(id)).filter(|node| node.op != Op::Leaf);
        let cost = made.map(|node| node.len + NODE).sum::<usize>();
        let tag = core.node(root).tag;
        let mut follow = Self { tag, cost, credit: PATIENCE * cost, ..Self::default() };
        follow.nodes.try_room(found.len())?;
        found.iter().for_each(|&id| follow.nodes.push_within(id));
        let (nodes, least) = (&follow.nodes, found[0].index());
        let mut place_of = Vec::new();
        place_of.try_extend_to(root.index() - least + 1, 0u32)?;
        // Counted, then added up from the end, then filled backwards: each begins where it should.
        follow.first.try_extend_to(nodes.len() + 1, 0)?;
        for (place, &id) in nodes.iter().enumerate() {
            place_of[id.index() - least] = place as u32;
            if core.node(id).op == Op::Leaf {
                follow.leaves.try_push(place as u32)?;
            }
            for operand in core.operands(id) {
                follow.first[place_of[operand.index() - least] as usize] += 1;
            }
        }
        let mut end = 0u32;
        for first in &mut follow.first {
            end = end.checked_add(*first).ok_or(OutOfMemory)?;
            *first = end;
        }
        follow.users.try_extend_to(end as usize, User { place: 0, start: NONE })?;
        for (place, &id) in nodes.iter().enumerate().rev() {
            let node = core.node(id);
            let mut start = (node.op == Op::Concat).then_some(0);
            for operand in core.operands(id) {
                let first = &mut follow.first[place_of[operand.index() - least] as usize];
                *first -= 1;
                let at = start.map_or(Ok(NONE), |start: usize| u32::try_from(start));
                let at = at.map_err(|_| OutOfMemory)?;
                follow.users[*first as usize] = User { place: place as u32, start: at };
                start = start.map(|start| start + line_bytes(core, id, operand));
            }
        }
        follow.marks.try_extend_to(nodes.len().div_ceil(BITS), 0)?;
        Ok(Some(follow))
    }

    fn mark_users(&mut self, place: usize) -> Result<(), OutOfMemory> {
        let [first, end] = [self.first[place], self.first[place + 1]].map(|at| at as usize);
        for user in &self.users[first..end] {
            let at = user.place as usize;
            self.marks[at / BITS] |= 1 << (at % BITS);
            if user.start != NONE {
                let (of, operand, start) = (self.nodes[at], self.nodes[place], user.start);
                self.parts.try_push(ConcatPart { of, operand, start })?;
            }
        }
        Ok(())
    }

    /// Lists what is downstream of the leaves that were written after `clock`, and the `writes` then.
    fn find(&mut self, core: &Core, clock: u64, writes: u64) -> Result<(), OutOfMemory> {
        self.order.clear();
        self.parts.clear();
        if let Some(written) = core.written_after(writes) {
            for leaf in written {
                if let Ok(place) = self.nodes.binary_search(&leaf)
                    && core.state(leaf).changed > clock
                {
                    self.mark_users(place)?;
                }
            }
        } else {
            for k in 0..self.leaves.len() {
                let leaf = self.leaves[k] as usize;
                if core.state(self.nodes[leaf]).changed > clock {
                    self.mark_users(leaf)?;
                }
            }
        }
        for word in 0..self.marks.len() {
            // (Users are in this word or in later ones.)
            while self.marks[word] != 0 {
                let bit = self.marks[word].trailing_zeros() as usize;
                self.marks[word] &= self.marks[word] - 1;
                let place = word * BITS + bit;
                self.order.try_push(self.nodes[place])?;
                self.mark_users(place)?;
            }
        }
        self.parts.sort_unstable_by_key(|part| (part.of, part.start));
        let cost_of = |&id: &NodeId| core.node(id).len + NODE;
        self.order_cost = self.order.iter().map(cost_of).sum();
        Ok(())
    }

    /// Lists what is not right, after bringing the versions of all nodes up to date.
    fn list_stale(&mut self, core: &mut Core) -> Result<(), OutOfMemory> {
        self.order.clear();
        let (clock, oldest) = (core.clock, core.oldest());
        for &id in &self.nodes {
            if core.node(id).op == Op::Leaf {
                continue;
            }
            let versions = core.operands(id).map(|operand| core.state(operand).changed);
            let version = versions.fold(oldest, u64::max);
            let state = core.state_mut(id);
            state.ready &= state.changed == version;
            state.read_through &= state.changed == version;
            (state.changed, state.checked) = (version, clock);
            if !state.ready {
                self.order.try_push(id)?;
            }
        }
        Ok(())
    }

    /// Whether what was found is little.
    fn is_little(&self) -> bool {
        self.order_cost.saturating_mul(SHARE) <= self.cost
    }

    /// Whether what was found can be afforded: it is little, or was until now.
    fn affords(&mut self) -> bool {
        let spent = self.order_cost.saturating_mul(SHARE);
        let credit = (self.credit + self.cost).checked_sub(spent);
        self.credit = credit.unwrap_or(0).min(PATIENCE * self.cost);
        credit.is_some()
    }
}

impl Engine {
    /// Computes what is downstream of what was written since the root was read last, if that root is
    /// followed; says whether it did.
    pub(super) fn follow(&mut self, core: &mut Core, root: NodeId) -> Maybe<bool> {
        let Some(place) = self.follows.iter().position(|follow| follow.is_of(core, root)) else {
            return Ok(false);
        };
        // (It is back in its place only if all went well.)
        let mut follow = self.follows.swap_remove(place);
        let (clock, writes) = (follow.clock, follow.writes);
        let keeps = core.checkpoint_count() == 0;
        let is_right = keeps && core.oldest() <= clock && follow.find(core, clock, writes).is_ok();
        if !is_right || !follow.affords() {
            return Ok(false);
        }
        if !self.recompute(core, &follow.order, &follow.parts)? || !core.state(root).ready {
            return Ok(false);
        }
        (follow.clock, follow.writes) = (core.clock, core.writes());
        self.follows.push_within(follow);
        Ok(true)
    }

    /// Follows the root of a plan that was run often, if little of it was written now, and computes it.
    pub(super) fn begin_to_follow(
        &mut self,
        core: &mut Core,
        root: NodeId,
        place: usize,
    ) -> Maybe<bool> {
        let kept = &mut self.plans[place];
        let tag = core.node(root).tag;
        kept.runs = if kept.tag == tag { kept.runs.saturating_add(1) } else { 0 };
        kept.tag = tag;
        let is_asked = kept.runs >= RUNS && kept.runs.is_power_of_two();
        let saves = core.pool.is_limited() || core.pool.has_budget() || core.checkpoint_count() > 0;
        if !is_asked || !self.fuses() || saves || root.index() < NODES_MIN {
            return Ok(false);
        }
        #[cfg(test)]
        if self.direct.is_off {
            return Ok(false);
        }
        let since = core.state(root).changed;
        if self.most_is_written(core, place, since) {
            return Ok(false);
        }
        let Ok(Some(mut follow)) = Follow::of(core, root) else { return Ok(false) };
        if follow.find(core, since, 0).is_err() || !follow.is_little() {
            return Ok(false);
        }
        // This time everything, for the sake of the values: what nobody had looked at may be stale, though
        // what was made of it in the meantime, by a plan, is right.
        if follow.list_stale(core).is_err() || !self.recompute(core, &follow.order, &[])? {
            return Ok(false);
        }
        (follow.clock, follow.writes) = (core.clock, core.writes());
        if self.follows.len() == FOLLOWED {
            self.follows.remove(0);
        }
        if self.follows.try_push(follow).is_err() {
            self.follows.clear();
        }
        Ok(true)
    }

    /// Whether most of the leaves that a plan reads were written since: as in a training step, which
    /// there is no use in looking at any closer.
    fn most_is_written(&self, core: &Core, place: usize, since: u64) -> bool {
        let (mut all, mut written) = (0, 0);
        for datum in &self.plans[place].plan.data {
            let Storage::Node(id) = datum.place else { continue };
            if core.node(id).op == Op::Leaf {
                all += datum.len + NODE;
                written += if core.state(id).changed > since { datum.len + NODE } else { 0 };
            }
        }
        2 * written > all
    }

    /// Computes nodes in this order; of concatenations that have a value only these operands. If a value
    /// is missing, or there is no memory for one, nothing is said of the nodes that are left.
    fn recompute(
        &mut self,
        core: &mut Core,
        order: &[NodeId],
        mut parts: &[ConcatPart],
    ) -> Maybe<bool> {
        let began = self.now();
        let _scope = Scope::enter(core.subnormals());
        for &id in order {
            core.fail_point.pass();
            let count = parts.iter().take_while(|part| part.of == id).count();
            let (own, others) = parts.split_at(count);
            parts = others;
            let (mut version, mut are_ready) = (core.oldest(), true);
            let mut note = |operand: NodeId| {
                let state = core.state(operand);
                version = version.max(state.changed);
                are_ready &= state.ready;
            };
            let has_value = core.state(id).ready;
            if !own.is_empty() && has_value {
                own.iter().for_each(|part| note(part.operand));
                version = version.max(core.state(id).changed);
            } else {
                core.operands(id).for_each(note);
            }
            if !are_ready {
                return Ok(false);
            }
            core.state_mut(id).ready = false;
            if !own.is_empty() && has_value {
                let Ok(out) = core.make_room(id) else { return Ok(false) };
                for part in own {
                    concat_one(core, id, part.operand, part.start as usize, out.as_ptr());
                }
            } else {
                match self.compute(core, id) {
                    Ok(()) => {}
                    Err(Stop::Failed) => return Err(Fail),
                    Err(Stop::OutOfMemory) => return Ok(false),
                }
            }
            let clock = core.clock;
            let state = core.state_mut(id);
            (state.changed, state.checked, state.ready) = (version, clock, true);
        }
        self.note_direct(began, order.len());
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use crate::random::Stream;
    use crate::session::Session;
    use crate::{Graph, Var};

    /// The sum of a function of each of `n` leaves, and the leaves.
    fn terms(s: &mut Session, n: usize) -> (Vec<crate::graph::Handle>, crate::graph::Handle) {
        use crate::roll_call::Elem;
        let leaves: Vec<_> =
            (0..n).map(|k| s.record(|core| core.leaf("x", &[k as f64], &[1]))).collect();
        let terms: Vec<_> = leaves.iter().map(|&x| s.map(Elem::Square, x)).collect();
        let all = s.record_all("concat", terms.into_iter(), |core, terms| core.concat(terms, 0));
        (leaves, s.record1("sum", all, |core, all| core.sum(all, &[], false)))
    }

    #[test]
    fn a_write_costs_what_is_downstream_however_much_there_is_beside_it() {
        for n in [100, 1_000, 10_000] {
            let s = &mut Session::new();
            let (leaves, sum) = terms(s, n);
            let mut want = (0..n).map(|k| (k * k) as f64).sum::<f64>();
            for k in 0..20 {
                s.write(leaves[k], &[k as f64 + 1.0]).unwrap();
                want += (2 * k + 1) as f64;
                let before = s.nodes_run();
                assert_eq!(s.item(sum).unwrap(), want);
                // The square, the concatenation, the sum (which counts twice if it has a plan of its own).
                assert!(k < 10 || s.nodes_run() - before <= 4, "write {k} of {n}");
            }
        }
    }

    /// What was written before, and what else is read, costs no more than some reads of everything.
    #[test]
    fn other_writes_and_reads_do_not_end_it() {
        use crate::graph::Core;
        use crate::roll_call::Elem;
        for history in 0..4 {
            let s = &mut Session::new();
            let n = 300;
            let leaves: Vec<_> =
                (0..n).map(|k| s.record(|core| core.leaf("x", &[k as f64], &[1]))).collect();
            let mut sums = vec![leaves[0]];
            for &leaf in &leaves[1..] {
                let square = s.map(Elem::Square, leaf);
                let before = sums[sums.len() - 1];
                sums.push(s.record2("add", before, square, |core: &mut Core, x, y| {
                    core.map2(Elem::Add, x, y)
                }));
            }
            let root = sums[n - 1];
            let mut late = 0;
            for k in 0..200 {
                let place = match history {
                    0 if k < 60 => k,
                    1 if k % 40 == 0 => 0,
                    _ => n - 1,
                };
                s.write(leaves[place], &[k as f64]).unwrap();
                let before = s.nodes_run();
                s.item(root).unwrap();
                if history == 2 || (history == 3 && k == 70) {
                    s.item(sums[n / 2]).unwrap();
                }
                late += if k < 150 { 0 } else { s.nodes_run() - before };
            }
            assert!(late <= 50 * 2 + 2 * 600, "history {history}: {late} nodes");
        }
    }

    #[test]
    fn what_is_followed_is_what_is_computed_anew() {
        for seed in 0..60 {
            let graphs = [Graph::new(), Graph::new()];
            // One operation at a time, all of it again after each write.
            graphs[1].set_fusion(false);
            let logs = graphs.each_ref().map(|graph| log_of(graph, seed));
            assert_eq!(logs[0], logs[1], "seed {seed}");
        }
    }

    /// What a random program reads while random leaves of it are written.
    fn log_of(graph: &Graph, seed: u64) -> Vec<u64> {
        let mut count = 0;
        let mut draw = |below: usize| {
            count += 1;
            (Stream::new(seed, 1).uniform(count)[0] * below as f64) as usize
        };
        let leaves: Vec<Var<'_>> =
            (0..30).map(|k| graph.param(&[0.01 * k as f64, 0.3], &[2])).collect();
        let mark = graph.mark();
        let mut log = vec![];
        for round in 0..2 {
            let mut nodes = leaves.clone();
            for _ in 0..120 {
                let [x, y] = [0, 1].map(|_| nodes[draw(nodes.len())]);
                nodes.push(match draw(8) {
                    0 => x + y,
                    1 => x * y,
                    2 => x.sin(),
                    3 => x.tanh() - y,
                    4 => graph.concat(&[x, y, x], 0).slice(0, 1, 5, 3),
                    5 => x + y.sum(),
                    6 => graph.concat(&[x.unsqueeze(1), y.unsqueeze(1)], 1).mean_axes(&[1], false),
                    _ => x.detach() * 0.5,
                });
            }
            let root = graph.concat(&nodes[30..], 0).tanh().sum();
            let others = [60, 90, 120, 140].map(|k| nodes[k].sum());
            for step in 0..120 {
                let writes = if step == 30 { 30 } else { 1 + draw(2) };
                for _ in 0..writes {
                    let value = draw(1000) as f64 / 500.0 - 1.0;
                    leaves[draw(30)].write(&[value, 0.5 - value]).unwrap();
                }
                match draw(16) {
                    // Often enough to be followed, too, or to be planned as a whole.
                    12.. => {
                        let other = others[draw(3 + round)];
                        log.push(other.item().unwrap().to_bits());
                        continue;
                    }
                    0 => root.backward().unwrap(),
                    1 => log.push(nodes[draw(nodes.len())].sum().item().unwrap().to_bits()),
                    2 => graph.set_flush_subnormals(step % 2 == 0),
                    3 => log.extend(leaves[0].grad::<f64>().unwrap().map(|g| g[0].to_bits())),
                    _ => {}
                }
                log.push(root.item().unwrap().to_bits());
            }
            if round == 0 {
                graph.rewind(mark).unwrap();
            }
        }
        log
    }
}
