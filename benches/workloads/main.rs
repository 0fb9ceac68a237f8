//! The workloads W1 to W9, W11, W13 to W31 and `threads`: what each is stands at the head of its
//! module, how to run and how not to read them in `benches/README.md`.
//!
//! Each workload first checks its results and gradients against plain f64 arithmetic, and panics
//! when they are wrong: the time of a wrong result is worth nothing. Only what the command line's
//! filter lets through is set up and checked.

mod chains;
mod composed;
mod products;
#[path = "../programs/mod.rs"]
mod programs;
mod races;
mod rows;
mod threads;
mod training;
mod unary;

use std::cell::LazyCell;
use std::hint::black_box;
use std::time::Duration;

use bumpgrad::{Graph, Var};
use criterion::measurement::WallTime;
use criterion::{Bencher, BenchmarkGroup, Criterion, SamplingMode, Throughput};

use programs::data::{labels, numbers};

type Group<'a> = BenchmarkGroup<'a, WallTime>;

fn main() {
    let mut criterion = Criterion::default()
        .without_plots()
        .sample_size(20)
        .nresamples(10_000)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(700))
        .configure_from_args();
    let graph = Graph::new();
    eprintln!("SIMD level: {} (BUMPGRAD_LEVEL can lower it)", graph.simd_level());
    chains::bench(&mut criterion);
    unary::bench(&mut criterion);
    rows::bench(&mut criterion);
    products::bench(&mut criterion);
    training::bench(&mut criterion);
    composed::bench(&mut criterion);
    races::bench(&mut criterion);
    threads::bench(&mut criterion);
    criterion.final_summary();
}

/// How many elements (or operations, or floating-point operations) the rate is of.
fn elements(count: usize) -> Throughput {
    Throughput::Elements(count as u64)
}

// ---- timing ----

/// A workload whose leaves are in the graph and whose gradients were found right.
struct Ready<'g> {
    /// Records the whole computation from the leaves.
    record: Box<dyn Fn() -> Var<'g> + 'g>,
    /// The head gradient; none for a single element.
    head: Option<Var<'g>>,
}

impl<'g> Ready<'g> {
    fn new(head: Option<Var<'g>>, record: impl Fn() -> Var<'g> + 'g) -> Self {
        Self { record: Box::new(record), head }
    }

    fn forward(&self) -> Var<'g> {
        let y = (self.record)();
        self.read(y);
        y
    }

    /// Backward first, which computes the value as well: read before, it would be computed twice.
    fn forward_backward(&self) -> Var<'g> {
        let y = (self.record)();
        ok(match self.head {
            None => y.backward(),
            Some(head) => y.backward_with(head),
        });
        self.read(y);
        y
    }

    fn read(&self, y: Var<'g>) {
        match self.head {
            None => {
                black_box(ok(y.item()));
            }
            Some(_) => ok(y.eval()),
        };
    }
}

/// Times a workload twice: forward alone, and forward with backward. Each iteration records it
/// anew and drops what it recorded, as a program does that has its leaves in the graph. Each of
/// the two has a name, and a number of elements that the rate is of.
///
/// `setup` makes the leaves and checks the gradients, once, and only when the filter asks for one
/// of the two.
fn forward_and_backward<'g>(
    group: &mut Group<'_>,
    graph: &'g Graph,
    passes: [(String, usize); 2],
    setup: impl FnOnce(&'g Graph) -> Ready<'g>,
) {
    let ready = LazyCell::new(|| setup(graph));
    let [forward, both] = passes;
    if forward.1 >= 1_000_000 {
        few_samples(group);
    }
    group.throughput(elements(forward.1));
    group.bench_function(forward.0, |b| {
        let ready = &*ready;
        iterate(b, graph, || {
            ready.forward();
        });
    });
    group.throughput(elements(both.1));
    group.bench_function(both.0, |b| {
        let ready = &*ready;
        iterate(b, graph, || {
            ready.forward_backward();
        });
    });
}

/// For iterations of milliseconds. It stays with the group.
fn few_samples(group: &mut Group<'_>) {
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    group.measurement_time(Duration::from_millis(1000));
}

/// Times what records nodes: after each iteration they are dropped, and gradients unset.
fn iterate(b: &mut Bencher<'_>, graph: &Graph, mut work: impl FnMut()) {
    let mark = graph.mark();
    b.iter(|| {
        work();
        graph.zero_grad();
        ok(graph.rewind(mark));
    });
}

#[track_caller]
fn ok<T>(result: bumpgrad::Result<T>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}

// ---- checks ----

/// The gradient that backward has left in a leaf.
#[track_caller]
fn gradient(x: Var<'_>) -> Vec<f32> {
    ok(x.grad::<f32>()).unwrap_or_else(|| panic!("backward left no gradient in {x:?}"))
}

/// About two thousand indices, first and last among them, in no step with rows.
fn sampled(len: usize) -> impl Iterator<Item = usize> + Clone {
    (0..len).step_by((len / 2000) | 1).chain(len.checked_sub(1))
}

/// Panics unless `got` is near `want(i)` at sampled indices: within `tolerance` of the value, or of
/// the typical one where it is smaller. A `want` of none is left out.
#[track_caller]
fn check(what: &str, got: &[f32], tolerance: f64, want: impl Fn(usize) -> Option<f64>) {
    compare(what, got.len(), |i| got[i].into(), tolerance, want);
}

/// As [`check`], of any numbers.
#[track_caller]
fn compare(
    what: &str,
    len: usize,
    got: impl Fn(usize) -> f64,
    tolerance: f64,
    want: impl Fn(usize) -> Option<f64>,
) {
    let pairs: Vec<_> = sampled(len).filter_map(|i| Some((i, got(i), want(i)?))).collect();
    assert!(!pairs.is_empty(), "{what}: nothing to compare");
    let squares: f64 = pairs.iter().map(|(_, _, want)| want * want).sum();
    let typical = (squares / pairs.len() as f64).sqrt();
    for (i, got, want) in pairs {
        let distance = (got - want).abs();
        // A NaN is near nothing.
        assert!(
            distance <= tolerance * want.abs().max(typical),
            "{what}: element {i} is {got}, and f64 arithmetic gives {want}"
        );
    }
}

/// As [`check`], against f64 values for all elements.
#[track_caller]
fn check_all(what: &str, got: &[f32], tolerance: f64, want: &[f64]) {
    assert_eq!(got.len(), want.len(), "{what}: the number of elements");
    check(what, got, tolerance, |i| Some(want[i]));
}

/// As [`check`], for a single number.
#[track_caller]
fn check_one(what: &str, got: f64, tolerance: f64, want: f64) {
    compare(what, 1, |_| got, tolerance, |_| Some(want));
}
