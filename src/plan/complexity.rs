//! How much planning takes: of what it looks at, and of memory. Both are to grow as the number of nodes
//! does, whatever the program; so they are counted for programs of one kind and several lengths.

use super::tests::graph;
use crate::{Graph, Var};

/// Sums up in pairs, then in pairs of pairs.
fn tree<'g>(mut all: Vec<Var<'g>>) -> Var<'g> {
    while all.len() > 1 {
        all = all.chunks(2).map(|pair| pair[1..].iter().fold(pair[0], |x, &y| x + y)).collect();
    }
    all[0]
}

fn param<'g>(g: &'g Graph, shape: &[usize]) -> Var<'g> {
    g.param(&vec![0.1f64; shape.iter().product()], shape)
}

/// A chain of cheap and dear operations on so many elements.
fn chain(g: &Graph, n: usize, len: usize) -> Var<'_> {
    let (x, w) = (param(g, &[len]), param(g, &[len]));
    let y = (0..n).fold(x, |y, k| match k % 3 {
        0 => y + w,
        1 => y * w,
        _ => y.sin(),
    });
    y.sum()
}

fn pull<'g>(angle: Var<'g>, k: Var<'g>) -> Var<'g> {
    -(angle.sin() * k)
}

/// Steps of a pendulum by the classical Runge-Kutta method.
fn pendulum(g: &Graph, n: usize) -> Var<'_> {
    let (mut angle, mut speed, k) = (param(g, &[1]), param(g, &[1]), param(g, &[1]));
    let h = 0.01;
    for _ in 0..n / 40 {
        let slope = |angle| pull(angle, k);
        let (a1, b1) = (speed, slope(angle));
        let (a2, b2) = (speed + b1 * (h / 2.0), slope(angle + a1 * (h / 2.0)));
        let (a3, b3) = (speed + b2 * (h / 2.0), slope(angle + a2 * (h / 2.0)));
        let (a4, b4) = (speed + b3 * h, slope(angle + a3 * h));
        angle = angle + (a1 + a2 * 2.0 + a3 * 2.0 + a4) * (h / 6.0);
        speed = speed + (b1 + b2 * 2.0 + b3 * 2.0 + b4) * (h / 6.0);
    }
    angle.square() + speed.square()
}

fn recurrent(g: &Graph, n: usize) -> Var<'_> {
    let (w, u, bias) = (param(g, &[8, 32]), param(g, &[3, 32]), param(g, &[32]));
    let (mut state, mut cell) = (param(g, &[2, 8]), param(g, &[2, 8]));
    for _ in 0..n / 20 {
        let x = g.tensor(&[0.3f64; 6], &[2, 3]);
        let z = state.matmul(w) + x.matmul(u) + bias;
        let gate = |k: isize| z.slice(1, 8 * k, 8 * k + 8, 1);
        cell = gate(0).sigmoid() * cell + gate(1).sigmoid() * gate(2).tanh();
        state = gate(3).sigmoid() * cell.tanh();
    }
    state.square().sum()
}

/// Groups of different lengths, summed up one after the other.
fn groups(g: &Graph, n: usize, lengths: usize) -> Var<'_> {
    (0..n / 4)
        .fold(param(g, &[]), |total, k| total + (param(g, &[1 + k % lengths]) * 0.5).sin().sum())
}

fn products(g: &Graph, n: usize) -> Var<'_> {
    let (x, w) = (param(g, &[3, 3]), param(g, &[3, 3]));
    (0..n).fold(x, |x, _| x.matmul(w)).sum()
}

fn softmaxes(g: &Graph, n: usize) -> Var<'_> {
    (0..n / 3).fold(param(g, &[3, 4]), |x, _| x.softmax(1) + x.log_softmax(1)).sum()
}

fn rows(g: &Graph, n: usize) -> Var<'_> {
    let y = (0..n / 4).fold(param(g, &[8, 5]), |y, _| (y - y.mean_axes(&[1], true)) * 0.9);
    y.sum()
}

fn stacked(g: &Graph, n: usize) -> Var<'_> {
    let all: Vec<Var> = (0..n / 2).map(|_| param(g, &[1]).sin()).collect();
    g.concat(&all, 0).square().sum()
}

/// Something shifted by one element and read in place, again and again.
fn shifted(g: &Graph, n: usize) -> Var<'_> {
    let one = g.ones::<f64>(&[1]);
    let y = (0..n / 4).fold(param(g, &[20]), |y, _| y * g.concat(&[one, y.slice(0, 0, 19, 1)], 0));
    y.sum()
}

/// One value that is used by all.
fn fan(g: &Graph, n: usize) -> Var<'_> {
    let w = param(g, &[300]);
    tree((0..n / 3).map(|k| (w * k as f64).tanh()).collect()).sum()
}

/// Each step waits for more and more of an older chain.
fn late(g: &Graph, n: usize) -> Var<'_> {
    let (w, mut left, mut right) = (param(g, &[3, 3]), param(g, &[3, 3]), param(g, &[3, 3]));
    let mut total = param(g, &[3, 3]);
    for _ in 0..n / 4 {
        left = left.matmul(w);
    }
    total = total + left;
    let mut after = total;
    for _ in 0..n / 4 {
        after = after.matmul(w);
    }
    for _ in 0..n / 4 {
        right = right.matmul(w);
        total = total + right;
    }
    (total + after).sum()
}

type Example = (&'static str, fn(&Graph, usize) -> Var<'_>);

const PROGRAMS: [Example; 15] = [
    ("a chain of numbers", |g, n| chain(g, n, 1)),
    ("a chain of vectors", |g, n| chain(g, n, 64)),
    ("a chain of several tiles", |g, n| chain(g, n, 1000)),
    ("a chain of large vectors", |g, n| chain(g, n, 40_000)),
    ("a pendulum", pendulum),
    ("a recurrent net", recurrent),
    ("groups of few lengths", |g, n| groups(g, n, 5)),
    ("groups of many lengths", |g, n| groups(g, n, usize::MAX)),
    ("products", products),
    ("softmaxes", softmaxes),
    ("rows", rows),
    ("stacked numbers", stacked),
    ("shifted vectors", shifted),
    ("a fan", fan),
    ("late operands", late),
];

/// Nodes planned, what the planner looked at, and bytes of the plan and of the planner's lists.
fn planned(program: Example, n: usize, backward: bool) -> [f64; 3] {
    let g = graph();
    g.set_num_threads(1);
    let y = program.1(&g, n);
    let looks = || g.call(|session| session.engine().planner().looks());
    let before = looks();
    g.profile_begin();
    if backward {
        y.backward().unwrap()
    } else {
        y.eval().unwrap()
    }
    let nodes = g.call(|session| {
        session
            .engine()
            .last_plan()
            .unwrap()
            .steps()
            .iter()
            .map(|step| step.nodes as usize)
            .sum::<usize>()
    });
    g.profile_end();
    [nodes as f64, (looks() - before) as f64, g.memory().plans as f64]
}

/// Programs in which what is looked at grows up to a bound, the same for each node: one has been seen.
const BOUNDED: &str = "late operands";

#[test]
fn planning_takes_as_much_as_there_are_nodes() {
    for program in PROGRAMS {
        for backward in [false, true] {
            // Long enough for lists of bounded length to be full.
            let n = if program.0.contains("large") { 1000 } else { 4000 };
            let [short, long] = [n, 4 * n].map(|n| planned(program, n, backward));
            let what = format!("{}, backward {backward}: {short:?}, {long:?}", program.0);
            let times = long[0] / short[0];
            assert!(times > 3.0, "{what}");
            assert!(long[1] <= 1.4 * times * short[1] || program.0 == BOUNDED, "{what}: looks");
            // Lists grow by doubling, so memory comes in steps.
            assert!(long[2] <= 2.0 * times * short[2], "{what}: memory");
            assert!(long[1] <= 300.0 * long[0], "{what}: looks a node");
        }
    }
}

/// A small plan costs what it is long, however long the graph beside it.
#[test]
fn a_small_plan_in_a_long_graph_looks_at_little() {
    let plan = |others: usize| {
        let g = graph();
        chain(&g, others, 1).eval().unwrap();
        let y = chain(&g, 30, 1);
        let looks = || g.call(|session| session.engine().planner().looks());
        let before = looks();
        y.backward().unwrap();
        looks() - before
    };
    assert_eq!(plan(10), plan(3000));
}

/// Where a step ends because it has enough members shows in no number.
#[test]
fn steps_that_are_cut_compute_the_same() {
    for program in PROGRAMS {
        let [whole, cut] = [u32::MAX, 7].map(|most| {
            let g = graph();
            g.call(|session| session.engine().planner().set_members_max(most));
            let x = param(&g, &[3]);
            let y = program.1(&g, 60) + (x.exp() * x).sum();
            let mut bits = vec![y.item().unwrap().to_bits()];
            y.backward().unwrap();
            bits.push(y.item().unwrap().to_bits());
            g.call(|session| {
                let core = &session.core;
                for slot in &core.slots {
                    let gradient = core.slot_values::<f64>(slot.node, slot.grad.unwrap());
                    bits.extend(gradient.iter().map(|element| element.to_bits()));
                }
            });
            bits
        });
        assert_eq!(whole, cut, "{}", program.0);
    }
}

/// Also where memory is so short that most is computed twice, or that what is enough must be found: for each
/// step that is run a bounded number of values is compared, and steps are run a bounded number of times.
#[test]
fn planning_within_a_budget_looks_at_each_node_a_bounded_number_of_times() {
    for program in PROGRAMS.into_iter().filter(|program| program.0 != BOUNDED) {
        let g = graph();
        let y = program.1(&g, if program.0.contains("large") { 400 } else { 4000 });
        let plain = g.plan_memory_backward(&[(y, None)]).unwrap();
        let looks = || g.call(|session| session.engine().planner().looks());
        let before = looks();
        g.set_memory_budget(Some(plain.live + plain.kept / 6 + plain.scratch / 6));
        if let Err(error) = g.plan_memory_backward(&[(y, None)]) {
            assert!(error.message().contains("is too small"), "{error}");
        }
        let each = (looks() - before) / g.len();
        assert!(each <= 5000, "{}: {each} looks a node", program.0);
    }
}
