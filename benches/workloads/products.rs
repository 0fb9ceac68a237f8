//! W6: matrix products: squares of 32, 128, 512 and 1024, [64, 784] x [784, 256], and 64 products
//! of 64 x 64 in one; forward, and forward with both gradients for a head of random numbers.
//!
//! The rate is of floating-point operations: 2 a multiply-add, and backward has twice as many as
//! forward.

use bumpgrad::Graph;
use criterion::Criterion;

use crate::{Ready, check, forward_and_backward, gradient, numbers, ok};

/// How many products, and the shapes: [m, k] x [k, n].
#[derive(Clone, Copy)]
struct Product {
    count: usize,
    m: usize,
    k: usize,
    n: usize,
}

const PRODUCTS: [(&str, Product); 6] = [
    ("32", Product { count: 1, m: 32, k: 32, n: 32 }),
    ("128", Product { count: 1, m: 128, k: 128, n: 128 }),
    ("512", Product { count: 1, m: 512, k: 512, n: 512 }),
    ("1024", Product { count: 1, m: 1024, k: 1024, n: 1024 }),
    ("64x784x256", Product { count: 1, m: 64, k: 784, n: 256 }),
    ("batched 64", Product { count: 64, m: 64, k: 64, n: 64 }),
];

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("W6");
    for (name, product) in PRODUCTS {
        let operations = 2 * product.count * product.m * product.k * product.n;
        let graph = Graph::new();
        let passes = [("forward", operations), ("forward+backward", 3 * operations)]
            .map(|(pass, operations)| (format!("{name}/{pass}"), operations));
        forward_and_backward(&mut group, &graph, passes, |graph| ready(graph, name, product));
    }
    group.finish();
}

fn ready<'g>(graph: &'g Graph, name: &str, product: Product) -> Ready<'g> {
    let Product { count, m, k, n } = product;
    let shape = |rows, columns| match count {
        1 => vec![rows, columns],
        _ => vec![count, rows, columns],
    };
    let data = |seed, rows, columns| numbers(seed, count * rows * columns, -1.0, 1.0);
    let (left, right, cotangent) = (data(11, m, k), data(12, k, n), data(13, m, n));
    let a = graph.param(&left, &shape(m, k));
    let b = graph.param(&right, &shape(k, n));
    let head = graph.tensor(&cotangent, &shape(m, n));
    let ready = Ready::new(Some(head), move || a.matmul(b));

    let mark = graph.mark();
    let y = ready.forward_backward();
    // Element (i, j) of a product over `len`, with the operands' places at each step.
    let sum = |len: usize, of: &dyn Fn(usize) -> (f32, f32)| {
        Some((0..len).map(of).map(|(a, b)| f64::from(a) * f64::from(b)).sum())
    };
    let place = |at: usize, columns: usize, rows: usize| {
        (at / (rows * columns), at / columns % rows, at % columns)
    };
    check(&format!("W6 {name}: value"), &ok(y.to_vec()), 1e-4, |at| {
        let (p, i, j) = place(at, n, m);
        sum(k, &|l| (left[(p * m + i) * k + l], right[(p * k + l) * n + j]))
    });
    check(&format!("W6 {name}: gradient of the left"), &gradient(a), 1e-4, |at| {
        let (p, i, l) = place(at, k, m);
        sum(n, &|j| (cotangent[(p * m + i) * n + j], right[(p * k + l) * n + j]))
    });
    check(&format!("W6 {name}: gradient of the right"), &gradient(b), 1e-4, |at| {
        let (p, l, j) = place(at, n, k);
        sum(m, &|i| (left[(p * m + i) * k + l], cotangent[(p * m + i) * n + j]))
    });
    graph.zero_grad();
    ok(graph.rewind(mark));
    ready
}
