//! W5: sums, the largest, softmax, cross entropy and layer norm of a [4096, 1024] matrix, forward
//! and backward.
//!
//! Results that are no single element get a head of random numbers. Layer norm is
//! (x - mean) / sqrt(variance + 1e-5) * weight + bias by rows, with all three gradients.

use bumpgrad::{Graph, Var};
use criterion::Criterion;

use crate::{Ready, check_all, check_one, forward_and_backward, gradient, labels, numbers, ok};

const ROWS: usize = 4096;
const COLUMNS: usize = 1024;
const EPSILON: f64 = 1e-5;

/// Makes the leaves from the matrix's numbers and checks the gradients.
type Setup = for<'g> fn(&'g Graph, &[f32]) -> Ready<'g>;

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("W5");
    let cases: [(&str, Setup); 7] = [
        ("sum", |graph, data| sum(graph, data, None)),
        ("sum axis 0", |graph, data| sum(graph, data, Some(0))),
        ("sum axis 1", |graph, data| sum(graph, data, Some(1))),
        ("max axis 1", largest),
        ("softmax axis 1", softmax),
        ("cross entropy", cross_entropy),
        ("layer norm", layer_norm),
    ];
    for (name, setup) in cases {
        let graph = Graph::new();
        let passes =
            ["forward", "forward+backward"].map(|pass| (format!("{name}/{pass}"), ROWS * COLUMNS));
        forward_and_backward(&mut group, &graph, passes, |graph| {
            let ready = setup(graph, &numbers(6, ROWS * COLUMNS, -4.0, 4.0));
            graph.zero_grad();
            ready
        });
    }
    group.finish();
}

fn matrix<'g>(graph: &'g Graph, data: &[f32]) -> Var<'g> {
    graph.param(data, &[ROWS, COLUMNS])
}

/// A head gradient and its numbers.
fn head<'g>(graph: &'g Graph, shape: &[usize]) -> (Var<'g>, Vec<f32>) {
    let data = numbers(7, shape.iter().product(), -1.0, 1.0);
    (graph.tensor(&data, shape), data)
}

/// Runs forward and backward once, gives the result to `check`, and drops it.
fn once<'g>(graph: &'g Graph, ready: Ready<'g>, check: impl FnOnce(Var<'g>)) -> Ready<'g> {
    let mark = graph.mark();
    check(ready.forward_backward());
    ok(graph.rewind(mark));
    ready
}

/// An f64 matrix from its elements' places.
fn plain(element: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    (0..ROWS * COLUMNS).map(|i| element(i / COLUMNS, i % COLUMNS)).collect()
}

fn rows(data: &[f32]) -> impl Iterator<Item = impl Iterator<Item = f64> + Clone> {
    data.chunks(COLUMNS).map(|row| row.iter().map(|&x| f64::from(x)))
}

fn sum<'g>(graph: &'g Graph, data: &[f32], axis: Option<isize>) -> Ready<'g> {
    let x = matrix(graph, data);
    let Some(axis) = axis else {
        return once(graph, Ready::new(None, move || x.sum()), |y| {
            // The numbers are around 0, so it is their sizes that rounding is relative to.
            let want: f64 = data.iter().map(|&x| f64::from(x)).sum();
            let distance = (ok(y.item()) - want).abs();
            assert!(distance <= 1e-6 * data.len() as f64, "W5 sum: {y:?} is not near {want}");
            check_all("W5 sum: gradient", &gradient(x), 0.0, &plain(|_, _| 1.0));
        });
    };
    let (head, cotangent) = head(graph, &[[COLUMNS, ROWS][axis as usize]]);
    let ready = Ready::new(Some(head), move || x.sum_axes(&[axis], false));
    once(graph, ready, |y| {
        let mut want = vec![0.0; cotangent.len()];
        for (i, row) in rows(data).enumerate() {
            row.enumerate().for_each(|(k, x)| want[[k, i][axis as usize]] += x);
        }
        check_all("W5 sum of an axis: value", &ok(y.to_vec()), 1e-4, &want);
        let slope = plain(|i, k| f64::from(cotangent[[k, i][axis as usize]]));
        check_all("W5 sum of an axis: gradient", &gradient(x), 0.0, &slope);
    })
}

fn largest<'g>(graph: &'g Graph, data: &[f32]) -> Ready<'g> {
    let x = matrix(graph, data);
    let (head, cotangent) = head(graph, &[ROWS]);
    let ready = Ready::new(Some(head), move || x.max_axes(&[1], false));
    once(graph, ready, |y| {
        let want: Vec<f64> = rows(data).map(|row| row.fold(f64::MIN, f64::max)).collect();
        check_all("W5 max: value", &ok(y.to_vec()), 0.0, &want);
        // The gradient is 0 nearly everywhere, so all of it is compared: the first largest has it.
        let grad = gradient(x);
        for (i, row) in rows(data).enumerate() {
            let first = row.clone().position(|x| x == want[i]);
            for (k, &got) in grad[i * COLUMNS..][..COLUMNS].iter().enumerate() {
                let want = if Some(k) == first { cotangent[i] } else { 0.0 };
                assert_eq!(got, want, "W5 max: the gradient of element ({i}, {k})");
            }
        }
    })
}

/// The softmax of all rows, and each row's log sum e^x.
fn plain_softmax(data: &[f32]) -> (Vec<f64>, Vec<f64>) {
    let sums: Vec<f64> = rows(data).map(|row| row.map(f64::exp).sum::<f64>().ln()).collect();
    (plain(|i, k| (f64::from(data[i * COLUMNS + k]) - sums[i]).exp()), sums)
}

fn softmax<'g>(graph: &'g Graph, data: &[f32]) -> Ready<'g> {
    let x = matrix(graph, data);
    let (head, cotangent) = head(graph, &[ROWS, COLUMNS]);
    let ready = Ready::new(Some(head), move || x.softmax(1));
    once(graph, ready, |y| {
        let (want, _) = plain_softmax(data);
        check_all("W5 softmax: value", &ok(y.to_vec()), 1e-4, &want);
        let dots: Vec<f64> = rows(&cotangent)
            .zip(want.chunks(COLUMNS))
            .map(|(head, y)| head.zip(y).map(|(head, y)| head * y).sum())
            .collect();
        let at = |i, k| i * COLUMNS + k;
        let slope = plain(|i, k| want[at(i, k)] * (f64::from(cotangent[at(i, k)]) - dots[i]));
        check_all("W5 softmax: gradient", &gradient(x), 1e-4, &slope);
    })
}

fn cross_entropy<'g>(graph: &'g Graph, data: &[f32]) -> Ready<'g> {
    let x = matrix(graph, data);
    let classes = labels(8, ROWS, COLUMNS);
    let target = graph.tensor(&classes, &[ROWS]);
    let ready = Ready::new(None, move || x.cross_entropy(target));
    once(graph, ready, |y| {
        let (softmax, sums) = plain_softmax(data);
        let loss = |i: usize| sums[i] - f64::from(data[i * COLUMNS + classes[i] as usize]);
        let mean = (0..ROWS).map(loss).sum::<f64>() / ROWS as f64;
        check_one("W5 cross entropy: value", ok(y.item()), 1e-4, mean);
        let slope = plain(|i, k| {
            let hit = if k == classes[i] as usize { 1.0 } else { 0.0 };
            (softmax[i * COLUMNS + k] - hit) / ROWS as f64
        });
        let grad = gradient(x);
        check_all("W5 cross entropy: gradient", &grad, 1e-4, &slope);
        for (i, &class) in classes.iter().enumerate() {
            let at = i * COLUMNS + class as usize;
            let what = "W5 cross entropy: gradient of the class";
            check_one(what, f64::from(grad[at]), 1e-4, slope[at]);
        }
    })
}

fn layer_norm<'g>(graph: &'g Graph, data: &[f32]) -> Ready<'g> {
    let x = matrix(graph, data);
    let [weights, biases] =
        [(9, 0.5, 1.5), (10, -0.5, 0.5)].map(|(seed, low, high)| numbers(seed, COLUMNS, low, high));
    let (weight, bias) = (graph.param(&weights, &[COLUMNS]), graph.param(&biases, &[COLUMNS]));
    let (head, cotangent) = head(graph, &[ROWS, COLUMNS]);
    let ready = Ready::new(Some(head), move || {
        let centred = x - x.mean_axes(&[1], true);
        let variance = centred.square().mean_axes(&[1], true);
        centred * (variance + EPSILON).rsqrt() * weight + bias
    });
    once(graph, ready, |y| {
        let count = COLUMNS as f64;
        let moments: Vec<(f64, f64)> = rows(data)
            .map(|row| {
                let mean = row.clone().sum::<f64>() / count;
                let variance = row.map(|x| (x - mean).powi(2)).sum::<f64>() / count;
                (mean, 1.0 / (variance + EPSILON).sqrt())
            })
            .collect();
        let normal = plain(|i, k| (f64::from(data[i * COLUMNS + k]) - moments[i].0) * moments[i].1);
        let value =
            plain(|i, k| normal[i * COLUMNS + k] * f64::from(weights[k]) + f64::from(biases[k]));
        check_all("W5 layer norm: value", &ok(y.to_vec()), 1e-4, &value);

        let mut by_weight = vec![0.0; COLUMNS];
        let mut by_bias = vec![0.0; COLUMNS];
        let mut by_x = Vec::with_capacity(data.len());
        for (i, head) in rows(&cotangent).enumerate() {
            let normal = &normal[i * COLUMNS..][..COLUMNS];
            let head: Vec<f64> = head.collect();
            for k in 0..COLUMNS {
                by_weight[k] += head[k] * normal[k];
                by_bias[k] += head[k];
            }
            let inner: Vec<f64> = (0..COLUMNS).map(|k| head[k] * f64::from(weights[k])).collect();
            let mean = inner.iter().sum::<f64>() / count;
            let along = inner.iter().zip(normal).map(|(g, n)| g * n).sum::<f64>() / count;
            by_x.extend((0..COLUMNS).map(|k| moments[i].1 * (inner[k] - mean - normal[k] * along)));
        }
        check_all("W5 layer norm: gradient by x", &gradient(x), 1e-4, &by_x);
        check_all("W5 layer norm: gradient by weight", &gradient(weight), 1e-4, &by_weight);
        check_all("W5 layer norm: gradient by bias", &gradient(bias), 1e-4, &by_bias);
    })
}
