//! Loops whose body is another one each time, or which take a tensor apart.
//!
//! - W19: control flow. From 50 to 500 steps on one element, each of them either mul, add and tanh
//!   or mul and sin, with another length and other branches each time, so that no recording comes
//!   again; backward, and drop.
//! - W20: y <- tanh(0.9 y + w[t]) for each element of a parameter: by `slice`, by `index_select`, or
//!   with each element a leaf. Value and gradient; recorded once and the start written, or `anew`.

use std::hint::black_box;

use bumpgrad::Var;

use super::data::{uniform, wide_numbers};
use super::{Outcome, Pass, Row, Serve, anew, graph, ok, sizes};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = vec![Row::new(
        format!("W19/control flow/{LOOPS}"),
        (OPERATIONS, "operation"),
        branches,
        plain_branches,
    )];
    for (way, name) in
        [(Way::Slice, "slice"), (Way::IndexSelect, "index_select"), (Way::Leaves, "leaves")]
    {
        for (large, steps) in sizes(&[1_000], &[8_000, 100_000]) {
            for replay in [true, false] {
                let when = if replay { "replay" } else { "anew" };
                rows.push(Row::new(
                    format!("W20/{name} {when}/{large}{steps}"),
                    (steps, "step"),
                    move |serve| elements(serve, way, replay, steps),
                    move || plain_elements(steps),
                ));
            }
        }
    }
    rows
}

// ---- W19 ----

const LOOPS: usize = 20;
const SHORTEST: usize = 50;
const LONGEST: usize = 500;
/// On average; branches are drawn.
const OPERATIONS: usize = LOOPS * (SHORTEST + LONGEST) / 2 * 5 / 2;
/// Factor and term of one branch, and factor of the other.
const WEIGHTS: [f64; 3] = [1.1, 0.2, 1.7];
const NAMES: [&str; 3] = ["w", "b", "v"];

/// The branches of the loops to come: as many lengths as there are loops, in another order each
/// time.
fn paths() -> impl FnMut() -> Vec<Vec<bool>> {
    let mut next = uniform(51);
    move || {
        let length = |i: usize| SHORTEST + (LONGEST - SHORTEST) * i / (LOOPS - 1);
        let mut lengths: Vec<_> = (0..LOOPS).map(length).collect();
        for i in (1..LOOPS).rev() {
            lengths.swap(i, (next() * (i + 1) as f32) as usize);
        }
        lengths.into_iter().map(|len| (0..len).map(|_| next() < 0.5).collect()).collect()
    }
}

fn branches(serve: &mut Serve<'_>) {
    let graph = graph();
    let params = WEIGHTS.map(|value| graph.param(&[value], &[1]));
    let [w, b, v] = params;
    let start = graph.tensor(&[0.5], &[1]);
    let mark = graph.mark();
    let mut paths = paths();
    serve(&mut |outcome| {
        let mut values = vec![];
        for path in paths() {
            let mut y = start;
            for tanh in path {
                y = if tanh { (y * w + b).tanh() } else { (y * v).sin() };
            }
            ok(y.backward());
            values.push(ok(y.item()));
            ok(graph.rewind(mark));
        }
        black_box(&values);
        if let Some(outcome) = outcome {
            outcome.put("values", &values);
            NAMES.iter().zip(params).for_each(|(name, x)| outcome.put_gradient(name, x));
        }
        graph.zero_grad();
    });
}

fn plain_branches() -> Box<Pass<'static>> {
    let mut paths = paths();
    Box::new(move |outcome| {
        let [w, b, v] = black_box(WEIGHTS);
        let mut by = [0.0; 3];
        let mut values = vec![];
        for path in paths() {
            let mut y = 0.5f64;
            let mut trail = Vec::with_capacity(path.len());
            for &tanh in &path {
                let before = y;
                y = if tanh { (y * w + b).tanh() } else { (y * v).sin() };
                trail.push((before, y));
            }
            let mut cotangent = 1.0;
            for (&tanh, (before, y)) in path.iter().zip(trail).rev() {
                let slope = cotangent * if tanh { 1.0 - y * y } else { (before * v).cos() };
                if tanh {
                    by[0] += slope * before;
                    by[1] += slope;
                    cotangent = slope * w;
                } else {
                    by[2] += slope * before;
                    cotangent = slope * v;
                }
            }
            values.push(y);
        }
        black_box((&values, by));
        if let Some(outcome) = outcome {
            outcome.put("values", &values);
            NAMES.iter().zip(by).for_each(|(name, by)| outcome.put(name, &[by]));
        }
    })
}

// ---- W20 ----

#[derive(Clone, Copy)]
enum Way {
    Slice,
    IndexSelect,
    Leaves,
}

const DECAY: f64 = 0.9;

fn start(pass: usize) -> f64 {
    0.25 + (pass % 64) as f64 / 128.0
}

fn elements(serve: &mut Serve<'_>, way: Way, replay: bool, steps: usize) {
    let graph = graph();
    let data = wide_numbers(52, steps, -0.5, 0.5);
    let leaves: Vec<_> = match way {
        Way::Leaves => data.iter().map(|&w| graph.param(&[w], &[1])).collect(),
        _ => vec![graph.param(&data, &[steps])],
    };
    let first = graph.param(&[start(0)], &[1]);
    let places: Vec<_> = match way {
        Way::IndexSelect => (0..steps).map(|t| graph.tensor(&[t as i64], &[1])).collect(),
        _ => vec![],
    };
    let record = || {
        let mut y = first;
        for t in 0..steps {
            let w = match way {
                Way::Slice => leaves[0].slice(0, t as isize, t as isize + 1, 1),
                Way::IndexSelect => leaves[0].index_select(0, places[t]),
                Way::Leaves => leaves[t],
            };
            y = (y * DECAY + w).tanh();
        }
        y
    };
    let pass = |y: Var<'_>, outcome: Option<&mut Outcome>| {
        ok(y.backward());
        black_box(ok(y.item()));
        if let Some(outcome) = outcome {
            outcome.put_value("y", y);
            let by: Vec<f64> =
                leaves.iter().flat_map(|w| ok(w.grad::<f64>()).expect("it is a leaf")).collect();
            outcome.put("w", &by);
            outcome.put_gradient("start", first);
        }
    };
    let mut count = 0;
    let mut write = || {
        ok(first.write(&[start(count)]));
        count += 1;
    };
    if replay {
        let y = record();
        serve(&mut |outcome| {
            write();
            pass(y, outcome);
            graph.zero_grad();
        });
    } else {
        anew(&graph, serve, |outcome| {
            write();
            pass(record(), outcome);
        });
    }
}

fn plain_elements(steps: usize) -> Box<Pass<'static>> {
    let w = wide_numbers(52, steps, -0.5, 0.5);
    let mut by = vec![0.0; steps];
    let mut trail = vec![0.0; steps];
    let mut count = 0;
    Box::new(move |outcome| {
        let mut y = start(count);
        count += 1;
        for (w, kept) in w.iter().zip(&mut trail) {
            y = (y * DECAY + w).tanh();
            *kept = y;
        }
        let mut cotangent = 1.0;
        for (by, y) in by.iter_mut().zip(&trail).rev() {
            *by = cotangent * (1.0 - y * y);
            cotangent = *by * DECAY;
        }
        black_box((y, &by, cotangent));
        if let Some(outcome) = outcome {
            outcome.put("y", &[y]);
            outcome.put("w", &by);
            outcome.put("start", &[cotangent]);
        }
    })
}
