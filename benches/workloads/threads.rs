//! One and two threads side by side: from which size on the second one pays.
//!
//! - `cheap`: x through 3 multiplications and 3 additions; `dear`: through 3 exponentials, each of
//!   them scaled down. One fused step, an operand of which is a leaf of one element; an iteration
//!   writes that, and computes the result into the memory that it has.
//! - `entry`: the largest of 65,536 numbers by its index, which one thread does. With two allowed
//!   the pool is asked for a helper, who does nothing: the difference is what asking costs.

use std::cell::LazyCell;

use bumpgrad::{Graph, Var};
use criterion::Criterion;

use crate::{check, elements, few_samples, numbers, ok};

const THREADS: [usize; 2] = [1, 2];
const ROUNDS: usize = 3;

pub(crate) fn bench(criterion: &mut Criterion) {
    chains(criterion);
    entry(criterion);
    bumpgrad::shutdown();
}

/// A chain on tensors and the same on numbers, with the second operand.
type Kind = (&'static str, for<'g> fn(Var<'g>, Var<'g>) -> Var<'g>, fn(f64, f64) -> f64);

const KINDS: [Kind; 2] = [
    (
        "cheap",
        |x, s| (0..ROUNDS).fold(x, |y, _| y * s + 0.25),
        |x, s| (0..ROUNDS).fold(x, |y, _| y * s + 0.25),
    ),
    (
        "dear",
        |x, s| (0..ROUNDS).fold(x, |y, _| (y * s).exp()),
        |x, s| (0..ROUNDS).fold(x, |y, _| (y * s).exp()),
    ),
];

fn chains(criterion: &mut Criterion) {
    for (name, record, plain) in KINDS {
        let mut group = criterion.benchmark_group(format!("threads/{name}"));
        for len in [12, 14, 16, 18, 20, 22].map(|bits| 1 << bits) {
            if len >= 1 << 20 {
                few_samples(&mut group);
            }
            group.throughput(elements(len));
            for threads in THREADS {
                let graph = Graph::new();
                graph.set_num_threads(threads);
                let recorded = LazyCell::new(|| {
                    let data = numbers(8, len, -1.0, 1.0);
                    let x = graph.tensor(&data, &[len]);
                    let scale = graph.tensor(&[0.5f32], &[1]);
                    let y = record(x, scale);
                    check(name, &ok(y.to_vec::<f32>()), 1e-5, |i| {
                        Some(plain(f64::from(data[i]), 0.5))
                    });
                    (scale, y)
                });
                let mut count = 0u32;
                group.bench_function(format!("{len}/{threads}"), |b| {
                    let (scale, y) = *recorded;
                    b.iter(|| {
                        count += 1;
                        ok(scale.write(&[0.25 + (count % 64) as f32 / 256.0]));
                        ok(y.eval());
                    });
                });
            }
        }
        group.finish();
    }
}

fn entry(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("threads/entry");
    let data = numbers(9, 1 << 16, -1.0, 1.0);
    let largest = |a: &usize, b: &usize| data[*a].total_cmp(&data[*b]);
    let want = (0..data.len()).rev().max_by(largest).map(|i| i as i64);
    for threads in THREADS {
        let graph = Graph::new();
        graph.set_num_threads(threads);
        let recorded = LazyCell::new(|| {
            let x = graph.tensor(&data, &[data.len()]);
            let y = x.argmax(None, false);
            assert_eq!(ok(y.to_vec::<i64>()).first().copied(), want);
            (x, y)
        });
        group.bench_function(format!("{threads}"), |b| {
            let (x, y) = *recorded;
            b.iter(|| {
                ok(x.write(&data));
                ok(y.eval());
            });
        });
    }
    group.finish();
}
