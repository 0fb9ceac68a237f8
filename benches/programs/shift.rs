//! W26: y' = x * concat(1, y[:-1]) for 10,000 variables, by 100 steps of Runge and Kutta's method:
//! the last y, or besides the gradient of its sum by x.

use std::hint::black_box;

use bumpgrad::Var;

use super::data::wide_numbers;
use super::{Outcome, Pass, Row, Serve, anew, graph, ok};

const N: usize = 10_000;
const STEPS: usize = 100;
const STEP: f64 = 1.0 / STEPS as f64;

pub(super) fn rows() -> Vec<Row> {
    let row = |gradient: bool| {
        let name = if gradient { "value+gradient" } else { "value" };
        Row::new(
            format!("W26/{name}/{N}"),
            (N * STEPS, "element"),
            move |serve| shift(serve, gradient),
            move || plain_shift(gradient),
        )
    };
    vec![row(false), row(true)]
}

fn shift(serve: &mut Serve<'_>, gradient: bool) {
    let graph = graph();
    let x = graph.param(&wide_numbers(80, N, 0.5, 1.5), &[N]);
    let one = graph.ones::<f64>(&[1]);
    let zero = graph.zeros::<f64>(&[N]);
    let slope = |y: Var<'_>| x * graph.concat(&[one, y.slice(0, 0, -1, 1)], 0);
    anew(&graph, serve, |outcome| {
        let mut y = zero;
        for _ in 0..STEPS {
            let k1 = slope(y);
            let k2 = slope(y + k1 * (STEP / 2.0));
            let k3 = slope(y + k2 * (STEP / 2.0));
            let k4 = slope(y + k3 * STEP);
            y = y + (k1 + k2 * 2.0 + k3 * 2.0 + k4) * (STEP / 6.0);
        }
        if gradient {
            ok(y.sum().backward());
        }
        ok(y.eval());
        if let Some(outcome) = outcome {
            outcome.put_value("y", y);
            if gradient {
                outcome.put_gradient("x", x);
            }
        }
    });
}

/// out = x * shifted(y + factor k).
fn plain_slope(x: &[f64], y: &[f64], k: &[f64], factor: f64, out: &mut [f64]) {
    out[0] = x[0];
    let places = x[1..].iter().zip(y).zip(k).zip(&mut out[1..]);
    places.for_each(|(((x, y), k), out)| *out = x * (y + factor * k));
}

fn plain_shift(gradient: bool) -> Box<Pass<'static>> {
    let x = wide_numbers(80, N, 0.5, 1.5);
    let zero = vec![0.0; N];
    let mut y = zero.clone();
    let mut k: [Vec<f64>; 4] = std::array::from_fn(|_| zero.clone());
    let mut trail = vec![0.0; if gradient { N * STEPS } else { 0 }];
    let mut by_x = zero.clone();
    let mut by_y = zero.clone();
    let mut by_k: [Vec<f64>; 4] = std::array::from_fn(|_| zero.clone());
    const REACH: [f64; 4] = [0.0, STEP / 2.0, STEP / 2.0, STEP];
    const WEIGHTS: [f64; 4] = [STEP / 6.0, STEP / 3.0, STEP / 3.0, STEP / 6.0];
    let stages = move |x: &[f64], y: &[f64], k: &mut [Vec<f64>; 4]| {
        plain_slope(x, y, &zero, 0.0, &mut k[0]);
        for stage in 1..4 {
            let (before, now) = k.split_at_mut(stage);
            plain_slope(x, y, &before[stage - 1], REACH[stage], &mut now[0]);
        }
    };
    Box::new(move |outcome: Option<&mut Outcome>| {
        let x = black_box(&x);
        y.fill(0.0);
        for step in 0..STEPS {
            if gradient {
                trail[step * N..][..N].copy_from_slice(&y);
            }
            stages(x, &y, &mut k);
            for i in 0..N {
                y[i] += STEP / 6.0 * (k[0][i] + 2.0 * k[1][i] + 2.0 * k[2][i] + k[3][i]);
            }
        }
        if gradient {
            by_x.fill(0.0);
            by_y.fill(1.0);
            for step in (0..STEPS).rev() {
                let y = &trail[step * N..][..N];
                stages(x, y, &mut k);
                for stage in 0..4 {
                    for i in 0..N {
                        by_k[stage][i] = WEIGHTS[stage] * by_y[i];
                    }
                }
                for stage in (0..4).rev() {
                    let (before, now) = by_k.split_at_mut(stage);
                    let by = &now[0];
                    by_x[0] += by[0];
                    // A stage's argument is y + reach times the slope before.
                    for i in 0..N - 1 {
                        let back = x[i + 1] * by[i + 1];
                        by_y[i] += back;
                        match before.last_mut() {
                            None => by_x[i + 1] += by[i + 1] * y[i],
                            Some(before) => {
                                before[i] += REACH[stage] * back;
                                by_x[i + 1] += by[i + 1] * (y[i] + REACH[stage] * k[stage - 1][i]);
                            }
                        }
                    }
                }
            }
        }
        black_box((&y, &by_x));
        if let Some(outcome) = outcome {
            outcome.put("y", &y);
            if gradient {
                outcome.put("x", &by_x);
            }
        }
    })
}
