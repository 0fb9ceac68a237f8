//! bumpgrad, in two columns: `anew` records the computation each iteration and drops it, `replay`
//! has recorded it once, and writes its input anew each iteration.

use std::hint::black_box;

use bumpgrad::{DType, Graph, Sgd, Var};

use crate::cases::*;
use crate::programs::composed::{self, OUTER_SHAPES, layer_norm, outer_sum, transformer};
use crate::serve::{Outcome, Session};

pub fn anew(session: &mut Session, case: Case) {
    match case {
        Case::W2 => {}
        _ => run(session, case, false),
    }
}

/// Only the cases that programs replay, or where recording counts.
pub fn replay(session: &mut Session, case: Case) {
    match case {
        Case::W2 | Case::W3(_) | Case::W4 { len: 1_000, .. } => run(session, case, true),
        Case::W7(_) | Case::W8(_) | Case::W9 | Case::W11 => run(session, case, true),
        _ => {}
    }
}

/// As many threads as the run asks for.
fn threads(graph: &Graph, count: usize) {
    graph.set_num_threads(count);
}

fn run(session: &mut Session, case: Case, replay: bool) {
    let graph = Graph::new();
    threads(&graph, crate::threads());
    let job = Job { graph: &graph, session, replay };
    match case {
        Case::Hardware(_) => {}
        Case::W1 | Case::W2 => scalars(job),
        Case::W3(len) => squares(job, len),
        Case::W3Chain(len) => cheap(job, len),
        Case::W4 { op, pull, len } => elementwise(job, op, pull, len),
        Case::W5(which) => rows(job, which),
        Case::W6(which) => matmul(job, which),
        Case::W7(batch) => learn(job, batch),
        Case::W8(len) => rosenbrock(job, len),
        Case::W9 => broadcast(job),
        Case::W11 => attention(job),
        Case::Program(place) => {
            PROGRAMS[place].program(&mut |pass| job.session.serve_program(pass));
        }
    }
}

struct Job<'g, 's> {
    graph: &'g Graph,
    session: &'s mut Session,
    replay: bool,
}

/// What a case is besides the recording.
struct Plan<'g, 'a> {
    /// The leaves with gradients.
    leaves: &'a [(&'a str, Var<'g>)],
    head: Option<Var<'g>>,
    backward: bool,
    /// Between iterations of a replay.
    write: &'a mut dyn FnMut(),
    /// After backward.
    step: &'a dyn Fn(),
}

impl<'g> Job<'g, '_> {
    fn run(self, plan: Plan<'g, '_>, record: impl Fn() -> Var<'g>) {
        let Self { graph, session, replay } = self;
        let pass = |y: Var<'g>, outcome: Option<&mut Outcome>| {
            // Backward computes the value as well: read before, it would be computed twice.
            if plan.backward {
                ok(match plan.head {
                    None => y.backward(),
                    Some(head) => y.backward_with(head),
                });
            }
            match plan.head {
                None => {
                    black_box(ok(y.item()));
                }
                Some(_) => ok(y.eval()),
            }
            if let Some(outcome) = outcome {
                outcome.put("result", &wide(y));
                for (name, leaf) in plan.leaves.iter().filter(|_| plan.backward) {
                    outcome.put(name, &gradient(*leaf));
                }
            }
            (plan.step)();
            graph.zero_grad();
        };
        if replay {
            let y = record();
            session.serve(&mut |outcome| {
                (plan.write)();
                pass(y, outcome);
            });
        } else {
            let mark = graph.mark();
            session.serve(&mut |outcome| {
                pass(record(), outcome);
                ok(graph.rewind(mark));
            });
        }
    }
}

impl<'g, 'a> Plan<'g, 'a> {
    fn new(leaves: &'a [(&'a str, Var<'g>)], write: &'a mut dyn FnMut()) -> Self {
        Self { leaves, head: None, backward: true, write, step: &|| {} }
    }
}

#[track_caller]
fn ok<T>(result: bumpgrad::Result<T>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}

fn wide(x: Var<'_>) -> Vec<f64> {
    match ok(x.dtype()) {
        DType::F64 => ok(x.to_vec()),
        _ => ok(x.to_vec::<f32>()).into_iter().map(f64::from).collect(),
    }
}

fn gradient(x: Var<'_>) -> Vec<f64> {
    wide(ok(x.grad_tensor()).expect("backward leaves a gradient"))
}

fn scalars(job: Job<'_, '_>) {
    let graph = job.graph;
    let x = graph.param(&[START as f32], &[1]);
    let [term, factor] = [TERM, FACTOR].map(|value| graph.tensor(&[value as f32], &[1]));
    let mut count = 0;
    let mut write = || {
        ok(x.write(&[start(count)]));
        count += 1;
    };
    job.run(Plan::new(&[("x", x)], &mut write), || {
        (0..STEPS).fold(x, |y, step| match step % 3 {
            0 => y + term,
            1 => y * factor,
            _ => y.sin(),
        })
    });
}

fn squares(job: Job<'_, '_>, len: usize) {
    let data = crate::cases::squares(len);
    let [x, y, z] = [0, 1, 2].map(|i| job.graph.param(&data[i], &[len]));
    let leaves = [("x", x), ("y", y), ("z", z)];
    let mut write = || ok(x.write(&data[0]));
    job.run(Plan::new(&leaves, &mut write), || (x.sin() * y + (z * 0.1).exp()).square().mean());
}

fn cheap(job: Job<'_, '_>, len: usize) {
    let data = chain(len);
    let x = job.graph.param(&data, &[len]);
    let mut write = || ok(x.write(&data));
    job.run(Plan::new(&[("x", x)], &mut write), || {
        (0..ROUNDS).fold(x, |y, _| (y * 1.1 + 0.05).relu() - 0.04).sum()
    });
}

fn elementwise(job: Job<'_, '_>, op: Unary, pull: bool, len: usize) {
    let data = unary(op, len);
    let x = job.graph.param(&data, &[len]);
    let mut write = || ok(x.write(&data));
    let head = Some(job.graph.ones::<f32>(&[len]));
    let leaves = [("x", x)];
    let plan = Plan { head, backward: pull, ..Plan::new(&leaves, &mut write) };
    job.run(plan, || match op {
        Unary::Exp => x.exp(),
        Unary::Log => x.log(),
        Unary::Sin => x.sin(),
        Unary::Tanh => x.tanh(),
        Unary::Sigmoid => x.sigmoid(),
        Unary::Gelu => x.gelu(),
        Unary::Sqrt => x.sqrt(),
        Unary::Recip => x.reciprocal(),
        Unary::Pow => x.pow_scalar(2.5),
    });
}

fn rows(job: Job<'_, '_>, which: Rows) {
    let graph = job.graph;
    let data = matrix();
    let x = graph.param(&data, &[HEIGHT, COLUMNS]);
    let mut write = || ok(x.write(&data));
    let with_head = |shape: &[usize]| Some(graph.tensor(&head(shape.iter().product()), shape));
    let only = [("x", x)];
    let plan = Plan::new(&only, &mut write);
    match which {
        Rows::Sum => job.run(plan, || x.sum()),
        Rows::Sum0 => {
            job.run(Plan { head: with_head(&[COLUMNS]), ..plan }, || x.sum_axes(&[0], false));
        }
        Rows::Sum1 => {
            job.run(Plan { head: with_head(&[HEIGHT]), ..plan }, || x.sum_axes(&[1], false));
        }
        Rows::Max1 => {
            job.run(Plan { head: with_head(&[HEIGHT]), ..plan }, || x.max_axes(&[1], false));
        }
        Rows::Softmax => {
            job.run(Plan { head: with_head(&[HEIGHT, COLUMNS]), ..plan }, || x.softmax(1));
        }
        Rows::CrossEntropy => {
            let target = graph.tensor(&classes(), &[HEIGHT]);
            job.run(plan, || x.cross_entropy(target));
        }
        Rows::LayerNorm => {
            let [weight, bias] = norm().map(|data| graph.param(&data, &[COLUMNS]));
            let leaves = [("x", x), ("weight", weight), ("bias", bias)];
            let head = with_head(&[HEIGHT, COLUMNS]);
            job.run(Plan { leaves: &leaves, head, ..plan }, || layer_norm(x, weight, bias));
        }
    }
}

fn matmul(job: Job<'_, '_>, which: Product) {
    let Product { count, m, k, n } = which;
    let graph = job.graph;
    let shape = |rows, columns| match count {
        1 => vec![rows, columns],
        _ => vec![count, rows, columns],
    };
    let [left, right, cotangent] = product(which);
    let a = graph.param(&left, &shape(m, k));
    let b = graph.param(&right, &shape(k, n));
    let mut write = || ok(a.write(&left));
    let leaves = [("left", a), ("right", b)];
    let head = Some(graph.tensor(&cotangent, &shape(m, n)));
    job.run(Plan { head, ..Plan::new(&leaves, &mut write) }, || a.matmul(b));
}

fn learn(job: Job<'_, '_>, batch: usize) {
    let graph = job.graph;
    let data = digits(batch);
    let weights: [Var<'_>; LAYERS] =
        std::array::from_fn(|i| graph.param(&data.weights[i], &[SIZES[i], SIZES[i + 1]]));
    let biases: [Var<'_>; LAYERS] =
        std::array::from_fn(|i| graph.param(&data.biases[i], &[SIZES[i + 1]]));
    let images = graph.tensor(&data.images, &[batch, SIZES[0]]);
    let target = graph.tensor(&data.classes, &[batch]);
    let names = ["weight 1", "weight 2", "weight 3", "bias 1", "bias 2", "bias 3"];
    let params = weights.into_iter().chain(biases);
    let leaves: Vec<_> = names.into_iter().zip(params).collect();
    let sgd = Sgd::new(RATE);
    // The step changes the weights.
    let mut nothing = || {};
    let plan = Plan { step: &|| ok(sgd.step(graph)), ..Plan::new(&leaves, &mut nothing) };
    job.run(plan, || {
        let logits = (0..LAYERS).fold(images, |x, layer| {
            let y = x.matmul(weights[layer]) + biases[layer];
            if layer + 1 < LAYERS { y.relu() } else { y }
        });
        logits.cross_entropy(target)
    });
}

fn rosenbrock(job: Job<'_, '_>, len: usize) {
    let data = valley(len);
    let x = job.graph.param(&data, &[len]);
    let mut write = || ok(x.write(&data));
    job.run(Plan::new(&[("x", x)], &mut write), || composed::rosenbrock(x, len));
}

fn broadcast(job: Job<'_, '_>) {
    let data = outer();
    let [a, b, c] = [0, 1, 2].map(|i| job.graph.param(&data[i], OUTER_SHAPES[i]));
    let mut write = || ok(a.write(&data[0]));
    let leaves = [("a", a), ("b", b), ("c", c)];
    job.run(Plan::new(&leaves, &mut write), || outer_sum([a, b, c]));
}

fn attention(job: Job<'_, '_>) {
    let graph = job.graph;
    let data = tokens();
    let x = graph.tensor(&data, &[BATCH * LENGTH, WIDTH]);
    let ahead = graph.tensor(&mask(), &[LENGTH, LENGTH]);
    let leaves: Vec<_> = BLOCK
        .iter()
        .zip(block())
        .map(|(&(name, shape, ..), data)| (name, graph.param(&data, shape)))
        .collect();
    let p: Vec<_> = leaves.iter().map(|&(_, leaf)| leaf).collect();
    let mut write = || ok(x.write(&data));
    job.run(Plan::new(&leaves, &mut write), || transformer(x, &p, ahead));
}
