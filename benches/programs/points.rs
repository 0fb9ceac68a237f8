//! W23: programs on 30,000 points.
//!
//! - `norm`: the lengths of vectors [n, 2].
//! - `rotate`: a matrix for each point, (m[n, 3, 3] * p[n, 1, 3]).sum(2) + t[3]; `rotate by matmul` by
//!   a batch of products.
//! - `cross`: w x p for vectors [n, 3], by columns and a concat.
//! - `residuals`: points moved, projected and subtracted from where they were seen [n, 2];
//!   `residuals+gradient` the sum of squares and its gradient by the points and the motion.

use std::hint::black_box;

use bumpgrad::Var;

use super::data::wide_numbers;
use super::{Outcome, Pass, Row, Serve, anew, graph, ok, value};

const N: usize = 30_000;

pub(super) fn rows() -> Vec<Row> {
    let row = |name: &str, program: fn(&mut Serve<'_>), by_hand: fn() -> Box<Pass<'static>>| {
        Row::new(format!("W23/{name}/{N}"), (N, "point"), program, by_hand)
    };
    vec![
        row("norm", norm, plain_norm),
        row("rotate", |serve| rotate(serve, false), plain_rotate),
        row("rotate by matmul", |serve| rotate(serve, true), plain_rotate),
        row("cross", cross, plain_cross),
        row("residuals", |serve| residuals(serve, false), || plain_residuals(false)),
        row("residuals+gradient", |serve| residuals(serve, true), || plain_residuals(true)),
    ]
}

fn vectors(seed: u64, width: usize) -> Vec<f64> {
    wide_numbers(seed, N * width, -1.0, 1.0)
}

/// Fills `width` numbers for each point.
fn plain_value(width: usize, fill: impl Fn(usize, &mut [f64]) + 'static) -> Box<Pass<'static>> {
    let mut y = vec![0.0; N * width];
    Box::new(move |outcome: Option<&mut Outcome>| {
        y.chunks_exact_mut(width).enumerate().for_each(|(i, out)| fill(i, out));
        black_box(&y);
        if let Some(outcome) = outcome {
            outcome.put("y", &y);
        }
    })
}

fn norm(serve: &mut Serve<'_>) {
    let graph = graph();
    let x = graph.tensor(&vectors(60, 2), &[N, 2]);
    value(&graph, serve, || x.square().sum_axes(&[1], false).sqrt());
}

fn plain_norm() -> Box<Pass<'static>> {
    let x = vectors(60, 2);
    plain_value(1, move |i, out| {
        out[0] = (x[2 * i] * x[2 * i] + x[2 * i + 1] * x[2 * i + 1]).sqrt();
    })
}

const SHIFT: [f64; 3] = [0.1, -0.2, 4.0];

fn rotate(serve: &mut Serve<'_>, matmul: bool) {
    let graph = graph();
    let m = graph.tensor(&vectors(61, 9), &[N, 3, 3]);
    let p = graph.tensor(&vectors(62, 3), &[N, 3]);
    let shift = graph.tensor(&SHIFT, &[3]);
    value(&graph, serve, || match matmul {
        true => m.matmul(p.unsqueeze(2)).squeeze(Some(2)) + shift,
        false => (m * p.unsqueeze(1)).sum_axes(&[2], false) + shift,
    });
}

fn plain_rotate() -> Box<Pass<'static>> {
    let (m, p) = (vectors(61, 9), vectors(62, 3));
    plain_value(3, move |i, out| {
        let (m, p) = (&m[9 * i..][..9], &p[3 * i..][..3]);
        for r in 0..3 {
            out[r] = m[3 * r] * p[0] + m[3 * r + 1] * p[1] + m[3 * r + 2] * p[2] + SHIFT[r];
        }
    })
}

/// A column [n, 1].
fn column(x: Var<'_>, k: isize) -> Var<'_> {
    x.slice(1, k, k + 1, 1)
}

fn cross(serve: &mut Serve<'_>) {
    let graph = graph();
    let w = graph.tensor(&vectors(63, 3), &[N, 3]);
    let p = graph.tensor(&vectors(62, 3), &[N, 3]);
    value(&graph, serve, || {
        let [w, p] = [w, p].map(|x| [0, 1, 2].map(|k| column(x, k)));
        let part = |a: usize, b: usize| w[a] * p[b] - w[b] * p[a];
        graph.concat(&[part(1, 2), part(2, 0), part(0, 1)], 1)
    });
}

fn plain_cross() -> Box<Pass<'static>> {
    let (w, p) = (vectors(63, 3), vectors(62, 3));
    plain_value(3, move |i, out| {
        let (w, p) = (&w[3 * i..][..3], &p[3 * i..][..3]);
        out[0] = w[1] * p[2] - w[2] * p[1];
        out[1] = w[2] * p[0] - w[0] * p[2];
        out[2] = w[0] * p[1] - w[1] * p[0];
    })
}

/// Some rotation, row by row.
const TURN: [f64; 9] = [0.36, 0.48, -0.8, -0.8, 0.6, 0.0, 0.48, 0.64, 0.6];
const FOCUS: f64 = 1.5;

fn residuals(serve: &mut Serve<'_>, gradient: bool) {
    let graph = graph();
    let p = graph.param(&vectors(62, 3), &[N, 3]);
    let turn = graph.param(&TURN, &[3, 3]);
    let shift = graph.param(&SHIFT, &[3]);
    let seen = graph.tensor(&vectors(64, 2), &[N, 2]);
    let record = || {
        let moved = p.matmul(turn.transpose(0, 1)) + shift;
        moved.slice(1, 0, 2, 1) / column(moved, 2) * FOCUS - seen
    };
    if !gradient {
        return value(&graph, serve, record);
    }
    anew(&graph, serve, |outcome| {
        let loss = record().square().sum();
        ok(loss.backward());
        black_box(ok(loss.item()));
        if let Some(outcome) = outcome {
            outcome.put_value("loss", loss);
            for (name, x) in [("points", p), ("turn", turn), ("shift", shift)] {
                outcome.put_gradient(name, x);
            }
        }
    });
}

fn plain_residuals(gradient: bool) -> Box<Pass<'static>> {
    let (p, seen) = (vectors(62, 3), vectors(64, 2));
    let moved = |p: &[f64]| -> [f64; 3] {
        std::array::from_fn(|r| {
            let row = &TURN[3 * r..][..3];
            row[0] * p[0] + row[1] * p[1] + row[2] * p[2] + SHIFT[r]
        })
    };
    let residual = move |moved: [f64; 3], seen: &[f64]| -> [f64; 2] {
        std::array::from_fn(|k| moved[k] / moved[2] * FOCUS - seen[k])
    };
    if !gradient {
        return plain_value(2, move |i, out| {
            out.copy_from_slice(&residual(moved(&p[3 * i..][..3]), &seen[2 * i..][..2]));
        });
    }
    let mut by_points = vec![0.0; 3 * N];
    Box::new(move |outcome: Option<&mut Outcome>| {
        let mut loss = 0.0;
        let mut by_turn = [0.0; 9];
        let mut by_shift = [0.0; 3];
        let all = p.chunks_exact(3).zip(seen.chunks_exact(2)).zip(by_points.chunks_exact_mut(3));
        for ((p, seen), by) in all {
            let moved = moved(p);
            let rest = residual(moved, seen);
            loss += rest[0] * rest[0] + rest[1] * rest[1];
            let scale = 2.0 * FOCUS / moved[2];
            let by_moved = [
                rest[0] * scale,
                rest[1] * scale,
                -(rest[0] * moved[0] + rest[1] * moved[1]) * scale / moved[2],
            ];
            by.fill(0.0);
            for r in 0..3 {
                by_shift[r] += by_moved[r];
                for k in 0..3 {
                    by_turn[3 * r + k] += by_moved[r] * p[k];
                    by[k] += by_moved[r] * TURN[3 * r + k];
                }
            }
        }
        black_box((loss, &by_points));
        if let Some(outcome) = outcome {
            outcome.put("loss", &[loss]);
            outcome.put("points", &by_points);
            outcome.put("turn", &by_turn);
            outcome.put("shift", &by_shift);
        }
    })
}
