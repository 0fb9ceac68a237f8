//! Reads and gradients in the middle of a recording that grows: `first` in a graph of its own, to
//! which every structure is new, `anew` after a mark in one that has met it before.
//!
//! - W13: y <- y + 0.01 sin(y w) on two elements, and after each step the square of y's norm is
//!   read, or an element of y, or y itself (`read all`); `branch` goes on by the norm; `read+backward`
//!   has the gradient by w of the last y's sum besides.
//! - W14: descent, y <- y - 0.01 grad(e(y), y), with a parameter behind e; `grad+backward` has the
//!   gradient of the last y's sum by the parameter, through all steps.
//! - W15: values of three operations on one leaf, all recorded, then each read once, or each
//!   differentiated once.
//! - W16: the sum of terms, each of a leaf of its own; one leaf is written, the sum read.

use std::hint::black_box;

use bumpgrad::{Graph, Var};

use super::data::wide_numbers;
use super::{FIRST_OR_ANEW, Outcome, Pass, Row, Serve, first_or_anew, graph, ok, sizes};

const START: [f64; 2] = [0.5, -0.4];
const WEIGHTS: [f64; 2] = [1.3, 0.7];
const RATE: f64 = 0.01;

pub(super) fn rows() -> Vec<Row> {
    let mut rows = vec![];
    for kind in [Kind::Read, Kind::Element, Kind::All, Kind::Branch, Kind::Backward] {
        for (large, steps) in sizes(&[250], &[1_000, 4_000]) {
            let name = match kind {
                Kind::Read => "read",
                Kind::Element => "read element",
                Kind::All => "read all",
                Kind::Branch => "branch",
                Kind::Backward => "read+backward",
            };
            for (first, when) in FIRST_OR_ANEW {
                rows.push(Row::new(
                    format!("W13/{name} {when}/{large}{steps}"),
                    (steps, "step"),
                    move |serve| read(serve, first, kind, steps),
                    move || Box::new(move |outcome| plain_read(outcome, kind, steps)),
                ));
            }
        }
    }
    for backward in [false, true] {
        for (large, steps) in sizes(&[100], &[250, 1_000]) {
            let name = if backward { "grad+backward" } else { "grad" };
            for (first, when) in FIRST_OR_ANEW {
                rows.push(Row::new(
                    format!("W14/{name} {when}/{large}{steps}"),
                    (steps, "step"),
                    move |serve| descend(serve, first, backward, steps),
                    move || Box::new(move |outcome| plain_descend(outcome, backward, steps)),
                ));
            }
        }
    }
    for backward in [false, true] {
        for (large, count) in sizes(&[1_000], &[16_000]) {
            let name = if backward { "backward each" } else { "read each" };
            for (first, when) in FIRST_OR_ANEW {
                rows.push(Row::new(
                    format!("W15/{name} {when}/{large}{count}"),
                    (count, "value"),
                    move |serve| each(serve, first, backward, count),
                    move || Box::new(move |outcome| plain_each(outcome, backward, count)),
                ));
            }
        }
    }
    for (large, count) in sizes(&[1_000, 64_000], &[]) {
        rows.push(Row::new(
            format!("W16/write one/{large}{count}"),
            (1, "write"),
            move |serve| write_one(serve, count),
            move || plain_write_one(count),
        ));
    }
    rows
}

fn start_and_weights(graph: &Graph) -> Vec<Var<'_>> {
    [START, WEIGHTS].map(|data| graph.param(&data, &[2])).to_vec()
}

// ---- W13 ----

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Read,
    Element,
    All,
    Branch,
    Backward,
}

fn read(serve: &mut Serve<'_>, first: bool, kind: Kind, steps: usize) {
    first_or_anew(first, serve, start_and_weights, |_, leaves, outcome| {
        let [mut y, w] = [leaves[0], leaves[1]];
        let mut seen = f64::NAN;
        for _ in 0..steps {
            y = match kind {
                Kind::Branch if seen > 2.0 => y * 0.5,
                Kind::Branch if seen < 0.5 => y * 1.01,
                _ => y + (y * w).sin() * RATE,
            };
            seen = match kind {
                Kind::Element => ok(y.slice(0, 0, 1, 1).item()),
                Kind::All => ok(y.to_vec::<f64>())[0],
                _ => ok(y.square().sum().item()),
            };
            black_box(seen);
        }
        if kind == Kind::Backward {
            ok(y.sum().backward());
            black_box(ok(w.grad::<f64>()));
        }
        if let Some(outcome) = outcome {
            outcome.put_value("y", y);
            if kind == Kind::Backward {
                outcome.put_gradient("w", w);
            }
        }
    });
}

fn plain_read(outcome: Option<&mut Outcome>, kind: Kind, steps: usize) {
    let mut y = START;
    let mut seen = f64::NAN;
    let mut trail = Vec::with_capacity(if kind == Kind::Backward { steps } else { 0 });
    for _ in 0..steps {
        if kind == Kind::Backward {
            trail.push(y);
        }
        for (y, w) in y.iter_mut().zip(WEIGHTS) {
            *y = match kind {
                Kind::Branch if seen > 2.0 => *y * 0.5,
                Kind::Branch if seen < 0.5 => *y * 1.01,
                _ => *y + (*y * w).sin() * RATE,
            };
        }
        seen = black_box(y[0] * y[0] + y[1] * y[1]);
    }
    let mut by = [0.0; 2];
    let mut cotangent = [1.0; 2];
    for y in trail.iter().rev() {
        for i in 0..2 {
            let slope = RATE * (y[i] * WEIGHTS[i]).cos() * cotangent[i];
            by[i] += slope * y[i];
            cotangent[i] += slope * WEIGHTS[i];
        }
    }
    black_box(by);
    if let Some(outcome) = outcome {
        outcome.put("y", &y);
        if kind == Kind::Backward {
            outcome.put("w", &by);
        }
    }
}

// ---- W14 ----

fn energy<'g>(y: Var<'g>, w: Var<'g>) -> Var<'g> {
    ((y * w).sin() + y.square() * 0.5).sum()
}

fn descend(serve: &mut Serve<'_>, first: bool, backward: bool, steps: usize) {
    first_or_anew(first, serve, start_and_weights, |graph, leaves, outcome| {
        let [mut y, w] = [leaves[0], leaves[1]];
        for _ in 0..steps {
            let slope = ok(graph.grad(&[(energy(y, w), None)], &[y]))[0];
            y = y - slope * RATE;
        }
        if backward {
            ok(y.sum().backward());
            black_box(ok(w.grad::<f64>()));
        }
        black_box(ok(y.to_vec::<f64>()));
        if let Some(outcome) = outcome {
            outcome.put_value("y", y);
            if backward {
                outcome.put_gradient("w", w);
            }
        }
    });
}

fn plain_descend(outcome: Option<&mut Outcome>, backward: bool, steps: usize) {
    let mut y = black_box(START);
    let mut trail = Vec::with_capacity(if backward { steps } else { 0 });
    for _ in 0..steps {
        if backward {
            trail.push(y);
        }
        for (y, w) in y.iter_mut().zip(WEIGHTS) {
            *y -= RATE * (w * (*y * w).cos() + *y);
        }
    }
    let mut by = [0.0; 2];
    let mut cotangent = [1.0; 2];
    for y in trail.iter().rev() {
        for i in 0..2 {
            let (w, y) = (WEIGHTS[i], y[i]);
            let (sin, cos) = (w * y).sin_cos();
            by[i] -= RATE * (cos - w * y * sin) * cotangent[i];
            cotangent[i] *= 1.0 - RATE * (1.0 - w * w * sin);
        }
    }
    black_box((y, by));
    if let Some(outcome) = outcome {
        outcome.put("y", &y);
        if backward {
            outcome.put("w", &by);
        }
    }
}

// ---- W15 ----

fn factor(i: usize) -> f64 {
    0.5 + 1e-4 * i as f64
}

fn one_leaf(graph: &Graph) -> Vec<Var<'_>> {
    vec![graph.param(&START[..1], &[1])]
}

fn each(serve: &mut Serve<'_>, first: bool, backward: bool, count: usize) {
    first_or_anew(first, serve, one_leaf, |_, leaves, outcome| {
        let x = leaves[0];
        let ys: Vec<_> = (0..count).map(|i| (x * factor(i)).sin() + 0.1).collect();
        let mut sum = 0.0;
        for y in ys {
            if backward {
                ok(y.backward());
            } else {
                sum += ok(y.item());
            }
        }
        if backward {
            sum = ok(x.grad::<f64>()).expect("backward leaves a gradient")[0];
        }
        black_box(sum);
        if let Some(outcome) = outcome {
            outcome.put("sum", &[sum]);
        }
    });
}

fn plain_each(outcome: Option<&mut Outcome>, backward: bool, count: usize) {
    let x = black_box(START[0]);
    let one = |i: usize| match backward {
        true => (x * factor(i)).cos() * factor(i),
        false => (x * factor(i)).sin() + 0.1,
    };
    let sum: f64 = (0..count).map(one).sum();
    black_box(sum);
    if let Some(outcome) = outcome {
        outcome.put("sum", &[sum]);
    }
}

// ---- W16 ----

/// Which leaf the `count`-th pass writes, and what.
fn written(pass: usize, count: usize) -> (usize, f64) {
    (pass * 7919 % count, 0.25 + (pass % 64) as f64 / 128.0)
}

fn write_one(serve: &mut Serve<'_>, count: usize) {
    let graph = graph();
    let xs: Vec<_> =
        wide_numbers(50, count, -1.0, 1.0).iter().map(|&x| graph.param(&[x], &[1])).collect();
    let terms: Vec<_> = xs.iter().map(|x| x.sin() * 1.5).collect();
    let sum = graph.concat(&terms, 0).sum();
    let mut pass = 0;
    serve(&mut |outcome| {
        let (i, value) = written(pass, count);
        pass += 1;
        ok(xs[i].write(&[value]));
        black_box(ok(sum.item()));
        if let Some(outcome) = outcome {
            outcome.put_value("sum", sum);
        }
    });
}

fn plain_write_one(count: usize) -> Box<Pass<'static>> {
    let term = |x: f64| x.sin() * 1.5;
    let mut terms: Vec<f64> = wide_numbers(50, count, -1.0, 1.0).into_iter().map(term).collect();
    let mut pass = 0;
    Box::new(move |outcome| {
        let (i, value) = written(pass, count);
        pass += 1;
        terms[i] = term(value);
        let sum: f64 = black_box(&terms).iter().sum();
        black_box(sum);
        if let Some(outcome) = outcome {
            outcome.put("sum", &[sum]);
        }
    })
}
