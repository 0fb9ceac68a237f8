//! Elementwise chains.
//!
//! - W1: 1,000 operations on tensors of one element, add, mul and sin in turn, recorded anew each
//!   iteration: record, forward, backward, drop. The other operands of add and mul are constant
//!   tensors, or (`numbers`) plain numbers.
//! - W2: the same chain recorded once; an iteration writes a new input, and does forward and
//!   backward.
//! - W3: mean((sin(x) y + exp(0.1 z))^2) and its gradients by x, y and z.
//! - W3chain: x through 20 operations, mul by, add, relu and sub in turn, then the sum; the
//!   gradient by x.

use std::cell::LazyCell;
use std::hint::black_box;

use bumpgrad::{Graph, Var};
use criterion::Criterion;

use crate::{
    Ready, check, check_one, elements, forward_and_backward, gradient, iterate, numbers, ok,
};

pub(crate) fn bench(criterion: &mut Criterion) {
    scalars(criterion);
    squares(criterion);
    cheap(criterion);
}

// ---- W1, W2 ----

const STEPS: usize = 1000;
/// Such that values and derivatives stay far from 0 all along: arithmetic with denormal numbers
/// takes many times longer.
const TERM: f64 = 0.001;
const FACTOR: f64 = 1.005;
const START: f32 = 0.5;

fn scalar_chain<'g>(x: Var<'g>, term: Var<'g>, factor: Var<'g>) -> Var<'g> {
    (0..STEPS).fold(x, |y, step| match step % 3 {
        0 => y + term,
        1 => y * factor,
        _ => y.sin(),
    })
}

fn scalar_chain_of_numbers(x: Var<'_>) -> Var<'_> {
    (0..STEPS).fold(x, |y, step| match step % 3 {
        0 => y + TERM,
        1 => y * FACTOR,
        _ => y.sin(),
    })
}

/// The value and the derivative.
fn plain_scalar_chain(x: f64) -> (f64, f64) {
    (0..STEPS).fold((x, 1.0), |(y, dy), step| match step % 3 {
        0 => (y + TERM, dy),
        1 => (y * FACTOR, dy * FACTOR),
        _ => (y.sin(), dy * y.cos()),
    })
}

#[track_caller]
fn check_scalar_chain(what: &str, x: Var<'_>, y: Var<'_>, at: f32) {
    let (value, slope) = plain_scalar_chain(f64::from(at));
    check_one(&format!("{what}: value"), ok(y.item()), 1e-4, value);
    ok(y.backward());
    check_one(&format!("{what}: gradient"), f64::from(gradient(x)[0]), 1e-3, slope);
    x.graph().zero_grad();
}

fn scalars(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("W1");
    group.throughput(elements(STEPS));
    {
        let graph = Graph::new();
        let leaves = LazyCell::new(|| {
            let x = graph.param(&[START], &[1]);
            let constant = |value: f64| graph.tensor(&[value as f32], &[1]);
            let (term, factor) = (constant(TERM), constant(FACTOR));
            let mark = graph.mark();
            check_scalar_chain("W1", x, scalar_chain(x, term, factor), START);
            ok(graph.rewind(mark));
            (x, term, factor)
        });
        group.bench_function("record+forward+backward+drop", |b| {
            let (x, term, factor) = *leaves;
            iterate(b, &graph, || scalar_pass(x, scalar_chain(x, term, factor)));
        });
        group.bench_function("record+drop", |b| {
            let (x, term, factor) = *leaves;
            iterate(b, &graph, || {
                black_box(scalar_chain(x, term, factor));
            });
        });
    }
    {
        let graph = Graph::new();
        let leaf = LazyCell::new(|| {
            let x = graph.param(&[START], &[1]);
            let mark = graph.mark();
            check_scalar_chain("W1 numbers", x, scalar_chain_of_numbers(x), START);
            ok(graph.rewind(mark));
            x
        });
        group.bench_function("record+forward+backward+drop, numbers", |b| {
            let x = *leaf;
            iterate(b, &graph, || scalar_pass(x, scalar_chain_of_numbers(x)));
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("W2");
    group.throughput(elements(STEPS));
    let graph = Graph::new();
    let recorded = LazyCell::new(|| {
        let x = graph.param(&[START], &[1]);
        let constant = |value: f64| graph.tensor(&[value as f32], &[1]);
        let y = scalar_chain(x, constant(TERM), constant(FACTOR));
        check_scalar_chain("W2", x, y, START);
        ok(x.write(&[2.0 * START]));
        check_scalar_chain("W2 after a write", x, y, 2.0 * START);
        (x, y)
    });
    let mut count = 0u32;
    group.bench_function("write+forward", |b| {
        let (x, y) = *recorded;
        b.iter(|| {
            count += 1;
            ok(x.write(&[START + (count % 64) as f32 / 128.0]));
            black_box(ok(y.item()))
        });
    });
    group.bench_function("write+forward+backward", |b| {
        let (x, y) = *recorded;
        b.iter(|| {
            count += 1;
            ok(x.write(&[START + (count % 64) as f32 / 128.0]));
            scalar_pass(x, y);
            graph.zero_grad();
        });
    });
    group.finish();
}

fn scalar_pass(x: Var<'_>, y: Var<'_>) {
    ok(y.backward());
    black_box((ok(y.item()), ok(x.grad::<f32>())));
}

// ---- W3 ----

fn squares(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("W3");
    for len in [10_000, 100_000, 10_000_000] {
        let graph = Graph::new();
        let passes = ["forward", "forward+backward"].map(|pass| (format!("{pass}/{len}"), len));
        forward_and_backward(&mut group, &graph, passes, |graph| squares_ready(graph, len));
    }
    group.finish();
}

fn squares_ready(graph: &Graph, len: usize) -> Ready<'_> {
    let data = [1, 2, 3].map(|seed| numbers(seed, len, -3.0, 3.0));
    let [x, y, z] = [0, 1, 2].map(|i| graph.param(&data[i], &[len]));
    let ready = Ready::new(None, move || (x.sin() * y + (z * 0.1).exp()).square().mean());

    let mark = graph.mark();
    let loss = ready.forward_backward();
    let at = |i: usize| [0, 1, 2].map(|k| f64::from(data[k][i]));
    let root = |[x, y, z]: [f64; 3]| x.sin() * y + (0.1 * z).exp();
    let sum: f64 = (0..len).map(|i| root(at(i)).powi(2)).sum();
    check_one("W3: loss", ok(loss.item()), 1e-4, sum / len as f64);
    let slope = |i: usize| 2.0 * root(at(i)) / len as f64;
    check("W3: gradient by x", &gradient(x), 1e-4, |i| {
        let [x, y, _] = at(i);
        Some(slope(i) * x.cos() * y)
    });
    check("W3: gradient by y", &gradient(y), 1e-4, |i| Some(slope(i) * at(i)[0].sin()));
    check("W3: gradient by z", &gradient(z), 1e-4, |i| {
        Some(slope(i) * 0.1 * (0.1 * at(i)[2]).exp())
    });
    graph.zero_grad();
    ok(graph.rewind(mark));
    ready
}

// ---- W3chain ----

const ROUNDS: usize = 5;

fn cheap(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("W3chain");
    let len = 10_000_000;
    let graph = Graph::new();
    let passes = ["forward", "forward+backward"].map(|pass| (format!("{pass}/{len}"), len));
    forward_and_backward(&mut group, &graph, passes, |graph| cheap_ready(graph, len));
    group.finish();
}

fn cheap_ready(graph: &Graph, len: usize) -> Ready<'_> {
    let data = numbers(4, len, -1.0, 1.0);
    let x = graph.param(&data, &[len]);
    let ready =
        Ready::new(None, move || (0..ROUNDS).fold(x, |y, _| (y * 1.1 + 0.05).relu() - 0.04).sum());

    let mark = graph.mark();
    let sum = ready.forward_backward();
    // The value, the derivative, and how near to relu's corner it came.
    let plain = |x: f32| {
        (0..ROUNDS).fold((f64::from(x), 1.0, f64::MAX), |(y, dy, near), _| {
            let y: f64 = y * 1.1 + 0.05;
            let dy = if y > 0.0 { dy * 1.1 } else { 0.0 };
            (y.max(0.0) - 0.04, dy, near.min(y.abs()))
        })
    };
    let want = data.iter().map(|&x| plain(x).0).sum();
    check_one("W3chain: sum", ok(sum.item()), 1e-4, want);
    check("W3chain: gradient", &gradient(x), 1e-5, |i| {
        let (_, slope, near) = plain(data[i]);
        (near > 1e-5).then_some(slope)
    });
    graph.zero_grad();
    ok(graph.rewind(mark));
    ready
}
