//! Programs made of many kinds of operations.
//!
//! - W8: the Rosenbrock function of n variables in f64 by array operations, and its gradient.
//! - W9: sum(relu(a b + c)) for a column a, a row b and a row c of 1,024, and the gradients of all
//!   three: a matrix that nobody asks for.
//! - W11: a transformer's block, with causal attention of 4 heads and a gelu perceptron four times
//!   as wide, each after a layer norm: 8 sequences of 128 tokens of 128 numbers, the mean of the
//!   results' squares, and the gradients of all twelve parameters.

use bumpgrad::{Graph, Var};
use criterion::Criterion;

use crate::programs::composed::{
    BLOCK, EPSILON, HEADS, LENGTH, OUTER_SHAPES, SIDE, TOKENS, WIDTH, mask, outer, outer_sum,
    rosenbrock, tokens, transformer,
};
use crate::programs::{composed, data::numbers};
use crate::{Group, Ready, check_all, check_one, compare, forward_and_backward, gradient, ok};

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("W8");
    for len in [1_000, 100_000] {
        case(&mut group, &format!("/{len}"), len, |graph| valley(graph, len));
    }
    group.finish();
    let mut group = criterion.benchmark_group("W9");
    case(&mut group, "", SIDE * SIDE, broadcast);
    group.finish();
    let mut group = criterion.benchmark_group("W11");
    crate::few_samples(&mut group);
    case(&mut group, "", TOKENS, block);
    group.finish();
}

/// Times a case in a graph of its own, with a rate of `count` elements.
fn case(
    group: &mut Group<'_>,
    suffix: &str,
    count: usize,
    setup: impl for<'g> FnOnce(&'g Graph) -> Ready<'g>,
) {
    let graph = Graph::new();
    let passes = ["forward", "forward+backward"].map(|pass| (format!("{pass}{suffix}"), count));
    forward_and_backward(group, &graph, passes, |graph| {
        let ready = setup(graph);
        graph.zero_grad();
        ready
    });
}

/// Runs forward and backward once, gives the result to `check`, and drops it.
fn once<'g>(graph: &Graph, ready: Ready<'g>, check: impl FnOnce(Var<'g>)) -> Ready<'g> {
    let mark = graph.mark();
    check(ready.forward_backward());
    ok(graph.rewind(mark));
    ready
}

// ---- W8 ----

fn valley(graph: &Graph, len: usize) -> Ready<'_> {
    let data = composed::valley(len);
    let x = graph.param(&data, &[len]);
    let ready = Ready::new(None, move || rosenbrock(x, len));
    once(graph, ready, |y| {
        let step = |i: usize| data[i + 1] - data[i] * data[i];
        let term = |i: usize| 100.0 * step(i).powi(2) + (1.0 - data[i]).powi(2);
        check_one("W8: value", ok(y.item()), 1e-12, (0..len - 1).map(term).sum());
        let grad = ok(x.grad::<f64>()).expect("backward leaves a gradient");
        compare(
            "W8: gradient",
            len,
            |i| grad[i],
            1e-12,
            |i| {
                let as_low = |i: usize| -400.0 * data[i] * step(i) - 2.0 * (1.0 - data[i]);
                let low = if i + 1 < len { as_low(i) } else { 0.0 };
                Some(low + if i > 0 { 200.0 * step(i - 1) } else { 0.0 })
            },
        );
    })
}

// ---- W9 ----

fn broadcast(graph: &Graph) -> Ready<'_> {
    let data = outer();
    let [a, b, c] = [0, 1, 2].map(|i| graph.param(&data[i], OUTER_SHAPES[i]));
    let ready = Ready::new(None, move || outer_sum([a, b, c]));
    once(graph, ready, |y| {
        let mut sum = 0.0;
        let mut by = [const { [0.0; SIDE] }; 3];
        for (i, &a) in data[0].iter().enumerate() {
            for (k, (&b, &c)) in data[1].iter().zip(&data[2]).enumerate() {
                let [a, b, c] = [a, b, c].map(f64::from);
                let value = a * b + c;
                if value > 0.0 {
                    sum += value;
                    by[0][i] += b;
                    by[1][k] += a;
                    by[2][k] += 1.0;
                }
            }
        }
        check_one("W9: value", ok(y.item()), 1e-5, sum);
        for (name, x, by) in [("a", a, &by[0]), ("b", b, &by[1]), ("c", c, &by[2])] {
            check_all(&format!("W9: gradient by {name}"), &gradient(x), 1e-4, by);
        }
    })
}

// ---- W11 ----

fn block(graph: &Graph) -> Ready<'_> {
    let (tokens, data) = (tokens(), composed::block());
    let x = graph.tensor(&tokens, &[TOKENS, WIDTH]);
    let mask = graph.tensor(&mask(), &[LENGTH, LENGTH]);
    let p: [Var<'_>; 12] = std::array::from_fn(|i| graph.param(&data[i], BLOCK[i].1));
    let ready = Ready::new(None, move || transformer(x, &p, mask));
    once(graph, ready, |y| {
        let wide = |xs: &[f32]| xs.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
        let tokens = wide(&tokens);
        let mut params: Vec<Vec<f64>> = data.iter().map(|data| wide(data)).collect();
        check_one("W11: value", ok(y.item()), 1e-5, plain_block(&tokens, &params));
        // Along a random direction, a gradient is a difference quotient of f64 arithmetic.
        for (i, &(name, ..)) in BLOCK.iter().enumerate() {
            let direction = numbers(100 + i as u64, data[i].len(), -1.0, 1.0);
            const STEP: f64 = 1e-5;
            let mut at = |step: f64| {
                let there = data[i].iter().zip(&direction);
                params[i] = there.map(|(&x, &d)| f64::from(x) + step * f64::from(d)).collect();
                plain_block(&tokens, &params)
            };
            let want = (at(STEP) - at(-STEP)) / (2.0 * STEP);
            at(0.0);
            let grad = gradient(p[i]);
            let pairs = grad.iter().zip(&direction).map(|(&g, &d)| (f64::from(g), f64::from(d)));
            let got: f64 = pairs.clone().map(|(g, d)| g * d).sum();
            let size = pairs.map(|(g, d)| (g * d).powi(2)).sum::<f64>().sqrt();
            assert!(
                (got - want).abs() <= 1e-3 * size,
                "W11: gradient of the {name}: {got} along a direction, and f64 arithmetic gives {want}"
            );
        }
    })
}

/// Rows of `x` times a matrix, plus a bias.
fn plain_linear(x: &[f64], weight: &[f64], bias: &[f64]) -> Vec<f64> {
    let columns = bias.len();
    let mut out = Vec::with_capacity(x.len() / (weight.len() / columns) * columns);
    for row in x.chunks(weight.len() / columns) {
        let mut sums = bias.to_vec();
        for (x, weights) in row.iter().zip(weight.chunks(columns)) {
            sums.iter_mut().zip(weights).for_each(|(sum, w)| *sum += x * w);
        }
        out.extend(sums);
    }
    out
}

fn plain_norm(x: &[f64], weight: &[f64], bias: &[f64]) -> Vec<f64> {
    let mut out = Vec::with_capacity(x.len());
    for row in x.chunks(WIDTH) {
        let mean = row.iter().sum::<f64>() / WIDTH as f64;
        let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / WIDTH as f64;
        let scale = 1.0 / (variance + EPSILON).sqrt();
        out.extend((0..WIDTH).map(|k| (row[k] - mean) * scale * weight[k] + bias[k]));
    }
    out
}

/// The loss.
fn plain_block(x: &[f64], p: &[Vec<f64>]) -> f64 {
    const EACH: usize = WIDTH / HEADS;
    let qkv = plain_linear(&plain_norm(x, &p[0], &p[1]), &p[2], &p[3]);
    let of = |token: usize, part: usize, head: usize| {
        &qkv[token * 3 * WIDTH + part * WIDTH + head * EACH..][..EACH]
    };
    let mut mixed = vec![0.0; TOKENS * WIDTH];
    for token in 0..TOKENS {
        let first = token / LENGTH * LENGTH;
        for head in 0..HEADS {
            let query = of(token, 0, head);
            let score = |other: usize| {
                let dot: f64 = query.iter().zip(of(other, 1, head)).map(|(q, k)| q * k).sum();
                (dot / (EACH as f64).sqrt()).exp()
            };
            let scores: Vec<f64> = (first..=token).map(score).collect();
            let sum: f64 = scores.iter().sum();
            let out = &mut mixed[token * WIDTH + head * EACH..][..EACH];
            for (other, score) in (first..=token).zip(scores) {
                let values = of(other, 2, head);
                out.iter_mut().zip(values).for_each(|(out, v)| *out += score / sum * v);
            }
        }
    }
    let add = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a + b).collect::<Vec<_>>();
    let x = add(x, &plain_linear(&mixed, &p[4], &p[5]));
    let mut up = plain_linear(&plain_norm(&x, &p[6], &p[7]), &p[8], &p[9]);
    up.iter_mut().for_each(|x| *x *= 0.5 * (1.0 + libm::erf(*x * std::f64::consts::FRAC_1_SQRT_2)));
    let y = add(&x, &plain_linear(&up, &p[10], &p[11]));
    y.iter().map(|y| y * y).sum::<f64>() / y.len() as f64
}
