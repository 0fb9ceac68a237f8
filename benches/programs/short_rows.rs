//! W22: short last axes.
//!
//! - `clusters`: the sum over points of the squared distance to the nearest centre,
//!   ((a[n, 1, d] - b[1, k, d])^2).sum(2).amin(1).sum(); its value, or the value with the gradient
//!   by the centres and the diagonal of the second derivative.
//! - `sums`: the sums of squares along a last axis of 2, 3, 5, 8, 16 and 64, of 2^18 elements.

use std::hint::black_box;

use super::data::wide_numbers;
use super::{Outcome, Pass, Row, Serve, anew, graph, ok};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = vec![];
    for derivatives in [false, true] {
        for [n, k, d] in [[4_000, 10, 2], [1_000, 10, 8], [10_000, 100, 16]] {
            let name = if derivatives { "clusters+derivatives" } else { "clusters" };
            rows.push(Row::new(
                format!("W22/{name}/{n}x{k}x{d}"),
                (n * k * d, "element"),
                move |serve| clusters(serve, derivatives, [n, k, d]),
                move || plain_clusters(derivatives, [n, k, d]),
            ));
        }
    }
    for d in [2, 3, 5, 8, 16, 64] {
        rows.push(Row::new(
            format!("W22/sums/{d}"),
            (ELEMENTS / d * d, "element"),
            move |serve| sums(serve, d),
            move || plain_sums(d),
        ));
    }
    rows
}

fn clusters(serve: &mut Serve<'_>, derivatives: bool, [n, k, d]: [usize; 3]) {
    let graph = graph();
    let a = graph.tensor(&wide_numbers(56, n * d, -1.0, 1.0), &[n, 1, d]);
    let b = graph.param(&wide_numbers(57, k * d, -1.0, 1.0), &[1, k, d]);
    anew(&graph, serve, |outcome| {
        let near = (a - b).square().sum_axes(&[2], false).amin_axes(&[1], false).sum();
        let mut found = vec![("value", near)];
        if derivatives {
            let slope = ok(graph.grad(&[(near, None)], &[b]))[0];
            // No centre's gradient depends on another, so that the rows' sums are the diagonal.
            let curve = ok(graph.grad(&[(slope.sum(), None)], &[b]))[0];
            ok(curve.eval());
            ok(slope.eval());
            found.extend([("slope", slope), ("curve", curve)]);
        }
        black_box(ok(near.item()));
        if let Some(outcome) = outcome {
            found.into_iter().for_each(|(name, x)| outcome.put_value(name, x));
        }
    });
}

fn plain_clusters(derivatives: bool, [n, k, d]: [usize; 3]) -> Box<Pass<'static>> {
    let a = wide_numbers(56, n * d, -1.0, 1.0);
    let b = wide_numbers(57, k * d, -1.0, 1.0);
    Box::new(move |outcome: Option<&mut Outcome>| {
        let (a, b) = (black_box(&a), black_box(&b));
        let mut sum = 0.0;
        let mut slope = vec![0.0; k * d];
        let mut curve = vec![0.0; k * d];
        for point in a.chunks_exact(d) {
            let (mut nearest, mut least) = (0, f64::INFINITY);
            for (i, centre) in b.chunks_exact(d).enumerate() {
                let pairs = point.iter().zip(centre);
                let distance: f64 = pairs.map(|(a, b)| (a - b) * (a - b)).sum();
                if distance < least {
                    (nearest, least) = (i, distance);
                }
            }
            sum += least;
            if derivatives {
                for j in 0..d {
                    slope[nearest * d + j] += 2.0 * (b[nearest * d + j] - point[j]);
                    curve[nearest * d + j] += 2.0;
                }
            }
        }
        black_box((sum, &slope, &curve));
        if let Some(outcome) = outcome {
            outcome.put("value", &[sum]);
            if derivatives {
                outcome.put("slope", &slope);
                outcome.put("curve", &curve);
            }
        }
    })
}

const ELEMENTS: usize = 1 << 18;

fn sums(serve: &mut Serve<'_>, d: usize) {
    let graph = graph();
    let n = ELEMENTS / d;
    let x = graph.tensor(&wide_numbers(58, n * d, -1.0, 1.0), &[n, d]);
    anew(&graph, serve, |outcome| {
        let y = x.square().sum_axes(&[1], false);
        ok(y.eval());
        if let Some(outcome) = outcome {
            outcome.put_value("sums", y);
        }
    });
}

fn plain_sums(d: usize) -> Box<Pass<'static>> {
    let x = wide_numbers(58, ELEMENTS / d * d, -1.0, 1.0);
    let mut y = vec![0.0; ELEMENTS / d];
    Box::new(move |outcome: Option<&mut Outcome>| {
        for (y, row) in y.iter_mut().zip(black_box(&x).chunks_exact(d)) {
            *y = row.iter().map(|x| x * x).sum();
        }
        black_box(&y);
        if let Some(outcome) = outcome {
            outcome.put("sums", &y);
        }
    })
}
