//! W28: a particle among charges. Each step takes the gradient of the potential, moves the particle,
//! and reads where it is, to stop when it leaves; then the gradient of where it came to, by the
//! speed at the start and by the charges, through all of it. `first` in a graph of
//! its own, `anew` in one that has met it before.

use std::hint::black_box;

use bumpgrad::{Graph, Var};

use super::{FIRST_OR_ANEW, Outcome, Row, Serve, first_or_anew, ok, sizes};

const CHARGES: [f64; 3] = [1.0, 0.6, -0.3];
const PLACES: [[f64; 2]; 3] = [[3.0, -1.0], [-3.0, -0.5], [0.5, 4.0]];
const PLACE: [f64; 2] = [0.0, 1.0];
const SPEED: [f64; 2] = [0.3, 0.2];
const STEP: f64 = 0.01;

pub(super) fn rows() -> Vec<Row> {
    let mut rows = vec![];
    for (large, steps) in sizes(&[25], &[100, 1_000]) {
        for (first, when) in FIRST_OR_ANEW {
            rows.push(Row::new(
                format!("W28/trajectory {when}/{large}{steps}"),
                (steps, "step"),
                move |serve| trajectory(serve, first, steps),
                move || Box::new(move |outcome| plain_trajectory(outcome, steps)),
            ));
        }
    }
    rows
}

fn potential<'g>(x: Var<'g>, charges: Var<'g>, places: Var<'g>) -> Var<'g> {
    (charges / (x - places).square().sum_axes(&[1], false).sqrt()).sum()
}

fn leaves(graph: &Graph) -> Vec<Var<'_>> {
    vec![
        graph.param(&PLACE, &[2]),
        graph.param(&SPEED, &[2]),
        graph.param(&CHARGES, &[3]),
        graph.tensor(PLACES.as_flattened(), &[3, 2]),
    ]
}

fn trajectory(serve: &mut Serve<'_>, first: bool, steps: usize) {
    first_or_anew(first, serve, leaves, |graph, leaves, outcome| {
        let [start, speed, charges, places] = [0, 1, 2, 3].map(|i| leaves[i]);
        let (mut x, mut v) = (start, speed);
        let mut seen = PLACE;
        for _ in 0..steps {
            let force = ok(graph.grad(&[(potential(x, charges, places), None)], &[x]))[0];
            v = v - force * STEP;
            x = x + v * STEP;
            ok(x.read_into(&mut seen));
            if seen[1] < 0.0 {
                break;
            }
        }
        let loss = x.square().sum();
        ok(loss.backward());
        black_box(ok(speed.grad::<f64>()));
        if let Some(outcome) = outcome {
            outcome.put("place", &seen);
            outcome.put_gradient("speed", speed);
            outcome.put_gradient("start", start);
            outcome.put_gradient("charges", charges);
        }
    });
}

fn plain_trajectory(outcome: Option<&mut Outcome>, steps: usize) {
    let distances = |x: [f64; 2]| {
        PLACES.map(|place| {
            let d = [x[0] - place[0], x[1] - place[1]];
            (d, (d[0] * d[0] + d[1] * d[1]).sqrt())
        })
    };
    let (mut x, mut v) = black_box((PLACE, SPEED));
    let mut trail = Vec::with_capacity(steps);
    for _ in 0..steps {
        trail.push(x);
        for ((d, r), charge) in distances(x).into_iter().zip(CHARGES) {
            for k in 0..2 {
                v[k] += STEP * charge * d[k] / r.powi(3);
            }
        }
        for k in 0..2 {
            x[k] += STEP * v[k];
        }
        if x[1] < 0.0 {
            break;
        }
    }
    let mut by_x = x.map(|x| 2.0 * x);
    let mut by_v = [0.0; 2];
    let mut by_charges = [0.0; 3];
    for &x in trail.iter().rev() {
        for k in 0..2 {
            by_v[k] += STEP * by_x[k];
        }
        for (i, (d, r)) in distances(x).into_iter().enumerate() {
            let along = d[0] * by_v[0] + d[1] * by_v[1];
            by_charges[i] += STEP * along / r.powi(3);
            for k in 0..2 {
                by_x[k] +=
                    STEP * CHARGES[i] * (by_v[k] / r.powi(3) - 3.0 * d[k] * along / r.powi(5));
            }
        }
    }
    black_box((by_v, by_x));
    if let Some(outcome) = outcome {
        outcome.put("place", &x);
        outcome.put("speed", &by_v);
        outcome.put("start", &by_x);
        outcome.put("charges", &by_charges);
    }
}
