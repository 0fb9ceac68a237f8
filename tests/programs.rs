//! Random programs: how a value is computed must not show in it.
//!
//! A program is a list of small genes, each of which records one more tensor from those so far. It
//! is run fused and node by node, read at the end and at each step, replayed, recorded again after
//! a rewind, and on several threads: values and gradients must be equal bit for bit. (NaNs count as
//! equal: which operand's NaN an addition hands on is up to the compiler.)

mod genes;
#[rustfmt::skip]
mod operations;

use bumpgrad::{DType, ErrorKind, Graph, Result, Sgd, Var};
use genes::*;
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    BackwardFirst,
    ValueFirst,
    /// Every tensor is read as soon as it is recorded.
    Eager,
}

#[derive(Clone, Debug, PartialEq)]
struct Outcome {
    total: u64,
    grads: Vec<Option<Vec<u64>>>,
    values: Vec<Vec<u64>>,
}

/// A recorded program.
struct Tape<'g> {
    leaves: usize,
    pool: Vec<Var<'g>>,
    total: Var<'g>,
}

fn tape<'g>(
    graph: &'g Graph,
    program: &Program,
    leaves: &[Var<'g>],
    order: Order,
) -> Result<Tape<'g>> {
    graph.set_seed(7);
    let mut pool = leaves.to_vec();
    for gene in &program.genes {
        let Some(y) = record(graph, program, &pool, gene)? else {
            graph.check()?;
            continue;
        };
        if order == Order::Eager {
            y.eval()?;
        }
        if len_of(&y.shape()?) <= program.most {
            pool.push(y);
        }
    }
    let mut total = graph.scalar(0.0f64).cast(program.dtype);
    for &y in &pool {
        total = total + if len_of(&y.shape()?) == 0 { y.sum() } else { y.mean() };
    }
    Ok(Tape { leaves: leaves.len(), pool, total })
}

impl Tape<'_> {
    fn outcome(&self, order: Order) -> Result<Outcome> {
        let total = match order {
            Order::BackwardFirst => {
                self.total.backward()?;
                self.total.item()?
            }
            _ => {
                let total = self.total.item()?;
                self.total.backward()?;
                total
            }
        };
        let grads =
            self.pool[..self.leaves].iter().map(|&x| grad_bits(x)).collect::<Result<_>>()?;
        let values = self.pool.iter().rev().map(|&x| bits(x)).collect::<Result<_>>()?;
        Ok(Outcome { total: bits_f64(total), grads, values })
    }
}

/// On a graph of its own.
fn fresh(program: &Program, order: Order, set: impl Fn(&Graph)) -> Result<Outcome> {
    let graph = Graph::new();
    set(&graph);
    let leaves = leaves(&graph, program);
    tape(&graph, program, &leaves, order)?.outcome(order)
}

/// Says where two outcomes differ, without all of their numbers.
fn same(one: &Outcome, other: &Outcome, what: &str) -> TestCaseResult {
    prop_assert_eq!(one.values.len(), other.values.len(), "{}", what);
    for (k, (one, other)) in one.values.iter().zip(&other.values).rev().enumerate() {
        prop_assert!(one == other, "{}: value {}: {}", what, k, first(one, other));
    }
    let totals = first(&[one.total], &[other.total]);
    prop_assert!(one.total == other.total, "{}: total: {}", what, totals);
    for (k, (one, other)) in one.grads.iter().zip(&other.grads).enumerate() {
        let list = |grad: &Option<Vec<u64>>| grad.clone().unwrap_or_default();
        prop_assert!(one == other, "{}: gradient {}: {}", what, k, first(&list(one), &list(other)));
    }
    Ok(())
}

fn ways_agree(program: &Program, other: &Gene, place: usize) -> TestCaseResult {
    let lazy = told(fresh(program, Order::BackwardFirst, |_| {}))?;
    let unfused = told(fresh(program, Order::BackwardFirst, |graph| graph.set_fusion(false)))?;
    same(&lazy, &unfused, "fused and unfused")?;
    let value = told(fresh(program, Order::ValueFirst, |_| {}))?;
    same(&lazy, &value, "backward first and value first")?;
    let eager = told(fresh(program, Order::Eager, |_| {}))?;
    same(&lazy, &eager, "lazy and eager")?;

    let graph = Graph::new();
    let leaves = leaves(&graph, program);
    let mark = graph.mark();
    let first = told(tape(&graph, program, &leaves, Order::BackwardFirst))?;
    same(&lazy, &told(first.outcome(Order::BackwardFirst))?, "with a mark")?;
    // A second backward doubles.
    told(first.total.backward())?;
    for (&leaf, grad) in leaves.iter().zip(&lazy.grads) {
        let twice: Option<Vec<u64>> =
            grad.as_ref().map(|grad| {
                grad.iter()
                    .map(|&x| f64::from_bits(x))
                    .map(|x| {
                        if program.dtype == DType::F32 {
                            f64::from(x as f32 * 2.0)
                        } else {
                            x * 2.0
                        }
                    })
                    .map(bits_f64)
                    .collect()
            });
        prop_assert!(told(grad_bits(leaf))? == twice, "two backwards are not twice one");
    }
    // Other data, and the first ones again.
    for (order, what) in
        [(Order::ValueFirst, "replayed"), (Order::BackwardFirst, "replayed, backward first")]
    {
        for salt in [40, 0] {
            for (k, &leaf) in leaves.iter().enumerate() {
                told(write(program, leaf, salt + k))?;
            }
            graph.zero_grad();
            graph.set_seed(7);
            let outcome = told(first.outcome(order))?;
            if salt == 0 {
                same(&lazy, &outcome, what)?;
            }
        }
    }
    // The same again, something else in its place, and the same again.
    let mut changed = program.clone();
    let place = place % program.genes.len();
    changed.genes[place] = *other;
    let want = told(fresh(&changed, Order::BackwardFirst, |_| {}))?;
    for (program, want, what) in [
        (program, &lazy, "recorded again"),
        (&changed, &want, "recorded with a change"),
        (program, &lazy, "recorded without the change again"),
    ] {
        graph.zero_grad();
        told(graph.rewind(mark))?;
        let tape = told(tape(&graph, program, &leaves, Order::BackwardFirst))?;
        same(want, &told(tape.outcome(Order::BackwardFirst))?, what)?;
    }
    Ok(())
}

/// A gene that differs from another a little: in a constant, an axis, an operand, everything.
fn changed(gene: Gene, how: u8, by: u8) -> Gene {
    match how % 5 {
        0 => Gene { k: gene.k.wrapping_add(by), ..gene },
        1 => Gene { k: gene.k.wrapping_add(1), ..gene },
        2 => Gene { y: gene.y.wrapping_add(by), ..gene },
        3 => Gene { x: gene.x.wrapping_add(1), ..gene },
        _ => Gene { op: gene.op.wrapping_add(by), ..gene },
    }
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn a_value_does_not_depend_on_how_it_is_computed(
        program in small(),
        (place, how, by) in any::<(usize, u8, u8)>(),
    ) {
        let place = place % program.genes.len();
        let other = changed(program.genes[place], how, by);
        ways_agree(&program, &other, place)?;
    }
}

proptest! {
    #![proptest_config(cases(12))]

    #[test]
    fn large_values_do_not_depend_on_the_number_of_threads(program in large()) {
        let one = told(fresh(&program, Order::BackwardFirst, |graph| graph.set_num_threads(1)))?;
        for threads in [2, 3, 8] {
            let set = |graph: &Graph| graph.set_num_threads(threads);
            let many = told(fresh(&program, Order::BackwardFirst, set))?;
            same(&one, &many, &format!("{threads} threads"))?;
        }
        let unfused = told(fresh(&program, Order::BackwardFirst, |graph| {
            graph.set_fusion(false);
            graph.set_num_threads(2);
        }))?;
        same(&one, &unfused, "unfused")?;
    }

    #[test]
    fn large_values_do_not_depend_on_how_they_are_computed(
        program in large(),
        (place, how, by) in any::<(usize, u8, u8)>(),
    ) {
        let place = place % program.genes.len();
        let other = changed(program.genes[place], how, by);
        ways_agree(&program, &other, place)?;
    }
}

/// Random programs meet every operation that has golden values.
#[test]
fn genes_record_every_operation() -> Result<()> {
    let graph = Graph::new();
    let program = Program {
        shape: &[3, 4, 6],
        dtype: DType::F64,
        special: false,
        smooth: false,
        most: 3000,
        genes: vec![],
    };
    let pool = leaves(&graph, &program);
    for op in 0..GENES {
        for k in 0..=255u8 {
            let gene = Gene { op, x: 0, y: k.wrapping_mul(37), k };
            if let Some(y) = record(&graph, &program, &pool, &gene)? {
                // By itself and fused: no operation is unknown to the planner or the executor.
                for fusion in [false, true] {
                    graph.set_fusion(fusion);
                    if y.requires_grad()? {
                        y.sum().tanh().backward()?;
                    } else {
                        y.eval()?;
                    }
                }
            }
        }
    }
    let text = graph.to_text();
    let recorded: std::collections::BTreeSet<_> = text
        .lines()
        .filter_map(|line| line.split_once(" = ")?.1.split_once(['(', ':']))
        .map(|(name, _)| name)
        .collect();
    let files = [
        include_str!("golden/unary.json"),
        include_str!("golden/binary.json"),
        include_str!("golden/select.json"),
        include_str!("golden/reduce.json"),
        include_str!("golden/shaping.json"),
        include_str!("golden/index.json"),
        include_str!("golden/matmul.json"),
        include_str!("golden/loss.json"),
    ];
    // What is recorded as other operations.
    let composed = [
        "cross_entropy",
        "scale",
        "add_scalar",
        "pow_scalar",
        "mean",
        "prod",
        "var",
        "transpose",
        "squeeze",
        "unsqueeze",
        "stack",
        "dot",
        "mse",
    ];
    for file in files {
        let cases: serde_json::Value = serde_json::from_str(file).unwrap();
        for case in cases.as_array().unwrap() {
            let op = case["op"].as_str().unwrap();
            assert!(recorded.contains(op) || composed.contains(&op), "{op} is in no gene");
        }
    }
    Ok(())
}

// ---- everything that can be done with a graph, in any order ----

#[derive(Clone, Debug)]
enum Deed {
    Record(Gene),
    RecordWithoutGrad(Gene),
    Write(u8, u8),
    Read(u8),
    Backward(u8),
    /// Of two roots, the second one with a head.
    BackwardOfTwo(u8, u8),
    /// Of whatever roots and heads, which often do not fit.
    BackwardOfAny(Vec<(u8, Option<u8>)>),
    /// A gradient as a node: of a root, with a head, for a leaf.
    Grad(u8, u8, u8),
    /// How something moves along something.
    Jvp(u8, u8),
    /// Something for many of something: an error where what is between was read.
    Vmap(u8, u8),
    Jacobian(u8, u8),
    ReadGrad(u8),
    ZeroGrad,
    ZeroGradOf(u8),
    Toggle(u8),
    Retain(u8),
    Mark,
    Rewind(u8),
    Training(bool),
    Seed(u8),
    Resample,
    Snapshot(u8),
    GradTensor(u8),
    Step,
    /// Whoever fused does so no more, and the other way round.
    Swap,
}

fn deed() -> impl Strategy<Value = Deed> {
    use Deed::*;
    prop_oneof![
        8 => gene().prop_map(Record),
        1 => gene().prop_map(RecordWithoutGrad),
        3 => any::<(u8, u8)>().prop_map(|(x, salt)| Write(x, salt)),
        4 => any::<u8>().prop_map(Read),
        4 => any::<u8>().prop_map(Backward),
        1 => any::<(u8, u8)>().prop_map(|(x, y)| BackwardOfTwo(x, y)),
        2 => prop::collection::vec(any::<(u8, Option<u8>)>(), 1..3).prop_map(BackwardOfAny),
        2 => any::<(u8, u8, u8)>().prop_map(|(x, head, leaf)| Grad(x, head, leaf)),
        1 => any::<(u8, u8)>().prop_map(|(y, x)| Jvp(y, x)),
        2 => any::<(u8, u8)>().prop_map(|(y, x)| Vmap(y, x)),
        1 => any::<(u8, u8)>().prop_map(|(y, x)| Jacobian(y, x)),
        1 => any::<u8>().prop_map(ReadGrad),
        1 => Just(ZeroGrad),
        1 => any::<u8>().prop_map(ZeroGradOf),
        1 => any::<u8>().prop_map(Toggle),
        1 => any::<u8>().prop_map(Retain),
        1 => Just(Mark),
        2 => any::<u8>().prop_map(Rewind),
        1 => any::<bool>().prop_map(Training),
        1 => any::<u8>().prop_map(Seed),
        1 => Just(Resample),
        1 => any::<u8>().prop_map(Snapshot),
        1 => any::<u8>().prop_map(GradTensor),
        1 => Just(Step),
        1 => Just(Swap),
    ]
}

/// A graph on which deeds are done.
struct Actor<'g> {
    graph: &'g Graph,
    program: Program,
    pool: Vec<Var<'g>>,
    leaves: usize,
    marks: Vec<(bumpgrad::Mark, usize)>,
    /// A leaf of indices, good or bad.
    index: Var<'g>,
    fusion: bool,
    /// Whether plans are forgotten before each deed.
    forgets: bool,
}

impl<'g> Actor<'g> {
    fn new(graph: &'g Graph, program: &Program, fusion: bool, forgets: bool) -> Self {
        graph.set_fusion(fusion);
        let mut pool = leaves(graph, program);
        let index = graph.tensor(&[0i64, 1, 0], &[3]);
        let leaves = pool.len();
        // (Whether an index is looked at that no element depends on is left open.)
        if !program.shape.is_empty() && len_of(program.shape) > 0 {
            pool.push(pool[0].index_select(0, index));
        }
        let marks = vec![(graph.mark(), pool.len())];
        Self { graph, program: program.clone(), pool, leaves, marks, index, fusion, forgets }
    }

    fn pick(&self, k: u8) -> Var<'g> {
        // Late ones more often, and leaves.
        let len = self.pool.len();
        if k >= 200 {
            self.pool[k as usize % self.leaves]
        } else {
            self.pool[len - 1 - k as usize % len]
        }
    }

    /// Does a deed; what can be seen of it.
    fn act(&mut self, deed: &Deed) -> Result<Vec<u64>> {
        let graph = self.graph;
        let nothing = Vec::new();
        if self.forgets {
            graph.set_fusion(self.fusion);
        }
        match *deed {
            Deed::Record(ref gene) => {
                let y = record(graph, &self.program, &self.pool, gene)?;
                self.keep(y)?;
            }
            Deed::RecordWithoutGrad(ref gene) => {
                let guard = graph.no_grad();
                let y = record(graph, &self.program, &self.pool, gene)?;
                drop(guard);
                self.keep(y)?;
            }
            Deed::Write(x, salt) => {
                if x % 8 == 7 {
                    // An index that is none, or is one again.
                    let bad = if salt % 2 == 0 { 100_000 } else { 0 };
                    self.index.write(&[0i64, bad, 0])?;
                } else {
                    let leaf = self.pool[x as usize % self.leaves];
                    write(&self.program, leaf, salt as usize)?;
                }
            }
            Deed::Read(x) => return bits(self.pick(x)),
            Deed::Backward(x) => self.pick(x).sum().backward()?,
            Deed::BackwardOfTwo(x, y) => {
                let (x, y) = (self.pick(x), self.pick(y));
                graph.backward(&[(x.mean(), None), (y, Some(y.detach().sin()))])?;
            }
            Deed::BackwardOfAny(ref roots) => {
                let pick = |k: u8| self.pick(k);
                let roots: Vec<_> =
                    roots.iter().map(|&(root, head)| (pick(root), head.map(pick))).collect();
                graph.backward(&roots)?;
            }
            Deed::Grad(x, head, leaf) => {
                let leaf = self.pool[leaf as usize % self.leaves];
                let root = (self.pick(x), Some(self.pick(head)));
                let grad = graph.grad_allow_unused(&[root], &[leaf])?;
                self.keep(grad[0])?;
            }
            Deed::Jvp(y, x) => {
                let x = self.pick(x);
                let moved = graph.jvp(&[self.pick(y)], &[(x, x.cos())])?[0];
                self.keep(Some(moved))?;
            }
            Deed::Vmap(y, x) => {
                let x = self.pick(x);
                let batch = graph.stack(&[x, x.sin(), x * 0.5], 0);
                let many = graph.vmap(&[self.pick(y)], &[(x, batch)])?[0];
                self.keep(Some(many))?;
            }
            Deed::Jacobian(y, x) => {
                let (y, x) = (self.pick(y), self.pick(x));
                if len_of(&y.shape()?) * len_of(&x.shape()?) <= 400 {
                    self.keep(Some(graph.jacobian(y, x)))?;
                }
            }
            Deed::ReadGrad(x) => return Ok(grad_bits(self.pick(x))?.unwrap_or_default()),
            Deed::ZeroGrad => graph.zero_grad(),
            Deed::ZeroGradOf(x) => self.pick(x).zero_grad()?,
            Deed::Toggle(x) => {
                let leaf = self.pool[x as usize % self.leaves];
                leaf.set_requires_grad(!leaf.requires_grad()?)?;
            }
            Deed::Retain(x) => self.pick(x).retain_grad()?,
            Deed::Mark => self.marks.push((graph.mark(), self.pool.len())),
            Deed::Rewind(k) => {
                self.marks.truncate(self.marks.len() - k as usize % self.marks.len());
                let (mark, len) = self.marks[self.marks.len() - 1];
                graph.rewind(mark)?;
                self.pool.truncate(len);
            }
            Deed::Training(on) => graph.set_training(on),
            Deed::Seed(seed) => graph.set_seed(seed.into()),
            Deed::Resample => graph.resample(),
            Deed::Snapshot(x) => {
                let copy = self.pick(x).snapshot();
                self.keep((!copy.is_null()).then_some(copy))?;
            }
            Deed::GradTensor(x) => {
                let copy = self.pick(x).grad_tensor()?;
                self.keep(copy)?;
            }
            Deed::Swap => {
                self.fusion = !self.fusion;
                graph.set_fusion(self.fusion);
            }
            Deed::Step => Sgd { momentum: 0.5, ..Sgd::new(0.01) }.step(graph)?,
        }
        Ok(nothing)
    }

    fn keep(&mut self, y: Option<Var<'g>>) -> Result<()> {
        self.graph.check()?;
        if let Some(y) = y
            && len_of(&y.shape()?) <= self.program.most
        {
            self.pool.push(y);
        }
        Ok(())
    }

    /// Everything that can be seen after a deed, without computing.
    fn sight(&self) -> Vec<Option<Vec<u64>>> {
        self.pool[..self.leaves].iter().map(|&x| grad_bits(x).unwrap_or_default()).collect()
    }
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn deeds_in_any_order_are_seen_as_if_unfused_and_planned_anew(
        program in small(),
        deeds in prop::collection::vec(deed(), 1..40),
    ) {
        let (one, other) = (Graph::new(), Graph::new());
        let mut one = Actor::new(&one, &program, true, false);
        let mut other = Actor::new(&other, &program, false, true);
        for (k, deed) in deeds.iter().enumerate() {
            let seen = [&mut one, &mut other].map(|actor| {
                actor.act(deed).map_err(|error| error.to_string())
            });
            prop_assert!(seen[0] == seen[1], "deed {} {:?}: {}", k, deed, match &seen {
                [Ok(one), Ok(other)] => first(one, other),
                [one, other] => format!("{one:?} or {other:?}"),
            });
            if matches!(deed, Deed::Backward(_) | Deed::BackwardOfTwo(..) | Deed::BackwardOfAny(_)) {
                prop_assert!(one.sight() == other.sight(), "gradients after deed {} {:?}", k, deed);
            }
        }
        for k in (0..one.pool.len()).rev() {
            let seen = [&one, &other].map(|actor| {
                bits(actor.pool[k]).map_err(|error| error.to_string())
            });
            prop_assert!(seen[0] == seen[1], "value {} in the end", k);
        }
    }
}

// ---- little memory, and many graphs ----

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn too_little_memory_is_an_error_and_never_another_value(
        program in small(),
        room in 0usize..60_000,
        reads in prop::collection::vec(any::<(u8, u8)>(), 1..20),
    ) {
        let (graph, free) = (Graph::new(), Graph::new());
        let [tape, want] = [&graph, &free].map(|graph| {
            tape(graph, &program, &leaves(graph, &program), Order::BackwardFirst)
        });
        let (tape, want) = (told(tape)?, told(want)?);
        graph.set_memory_limit(graph.memory().total() + room);
        for (k, &(what, at)) in reads.iter().enumerate() {
            let at = at as usize % tape.pool.len();
            let done = match what % 4 {
                0 => tape.total.backward().map(|()| want.total.backward().map(|()| Vec::new())),
                1 => {
                    told(write(&program, tape.pool[at % tape.leaves], what.into()))?;
                    told(write(&program, want.pool[at % want.leaves], what.into()))?;
                    continue;
                }
                _ => bits(tape.pool[at]).map(|seen| {
                    bits(want.pool[at]).map(|want| if want == seen { Vec::new() } else { want })
                }),
            };
            match done {
                Err(error) => prop_assert_eq!(error.kind(), ErrorKind::Memory, "{}", error),
                Ok(other) => prop_assert!(told(other)?.is_empty(), "read {} of {}", k, at),
            }
            for leaf in 0..tape.leaves {
                let seen = told(grad_bits(tape.pool[leaf]))?;
                let want = told(grad_bits(want.pool[leaf]))?;
                prop_assert!(seen == want, "gradient {} after {}", leaf, k);
            }
        }
    }
}

/// The budget that an error says to be enough.
fn enough(error: &bumpgrad::Error) -> Option<usize> {
    let (_, tail) = error.message().split_once(" is too small: ")?;
    tail.split_once(' ')?.0.parse().ok()
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn a_memory_budget_holds_and_is_seen_in_no_bit(
        program in small(),
        part in 0usize..40,
        every in 1usize..12,
        reads in prop::collection::vec(any::<(u8, u8)>(), 1..16),
    ) {
        let (graph, free) = (Graph::new(), Graph::new());
        let start = graph.mark();
        let [tape, want] = [&graph, &free].map(|graph| {
            tape(graph, &program, &leaves(graph, &program), Order::BackwardFirst)
        });
        let (tape, want) = (told(tape)?, told(want)?);
        // From time to time with a checkpoint, too.
        if every % 3 == 0 {
            let outs = [tape.pool[(tape.pool.len() - 1) / every], tape.total];
            told(graph.checkpoint(start, &outs))?;
        }
        let plain = told(graph.plan_memory_backward(&[(tape.total, None)]))?;
        let mut budget = plain.live + (plain.kept + plain.scratch) * part / 32;
        graph.set_memory_budget(Some(budget));
        for (k, &(what, at)) in reads.iter().enumerate() {
            let at = at as usize % tape.pool.len();
            let is_backward = what % 4 == 0;
            if what % 4 == 1 {
                told(write(&program, tape.pool[at % tape.leaves], what.into()))?;
                told(write(&program, want.pool[at % want.leaves], what.into()))?;
                continue;
            }
            let plan = || match is_backward {
                true => graph.plan_memory_backward(&[(tape.total, None)]),
                false => tape.pool[at].plan_memory(),
            };
            let planned = match plan() {
                Ok(planned) => planned,
                Err(error) => {
                    prop_assert_eq!(error.kind(), ErrorKind::Memory, "{}", error);
                    let more = enough(&error);
                    prop_assert!(more > Some(budget), "{error}");
                    budget = more.unwrap();
                    graph.set_memory_budget(Some(budget));
                    told(plan())?
                }
            };
            prop_assert!(planned.peak() <= budget, "{planned:?} in {budget}");
            if is_backward {
                told(tape.total.backward())?;
                told(want.total.backward())?;
            } else {
                let [seen, want] = [told(bits(tape.pool[at]))?, told(bits(want.pool[at]))?];
                prop_assert!(seen == want, "read {k} of {at}");
            }
            let peak = graph.memory().peak;
            prop_assert!(peak <= plain.peak().max(budget), "{peak} in {budget}");
            for leaf in 0..tape.leaves {
                let seen = told(grad_bits(tape.pool[leaf]))?;
                prop_assert!(seen == told(grad_bits(want.pool[leaf]))?, "gradient {leaf} after {k}");
            }
        }
    }
}

#[test]
fn graphs_on_many_threads_that_share_the_pool_do_not_disturb_each_other() -> Result<()> {
    let gene = |op, x, y, k| Gene { op, x, y, k };
    let program = Program {
        shape: &[1025, 64],
        dtype: DType::F32,
        special: false,
        smooth: false,
        most: 200_000,
        genes: vec![gene(0, 0, 0, 2), gene(4, 4, 1, 2), gene(18, 5, 0, 1), gene(41, 6, 0, 2)],
    };
    let want = fresh(&program, Order::BackwardFirst, |graph| graph.set_num_threads(1))?;
    std::thread::scope(|scope| {
        for threads in [2, 3, 4, 8] {
            let (program, want) = (&program, &want);
            scope.spawn(move || {
                for _ in 0..3 {
                    let set = |graph: &Graph| graph.set_num_threads(threads);
                    let seen = fresh(program, Order::BackwardFirst, set).unwrap();
                    assert!(seen == *want, "on {threads} threads");
                }
            });
        }
    });
    Ok(())
}
