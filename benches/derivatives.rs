//! What derivatives cost beside what they are derivatives of: a tangent beside a value, a
//! Hessian-vector product beside a gradient, a batch beside a loop. Both are timed in turn, and the ratio
//! of the medians is printed beside the most that it should be.
//!
//! ```sh
//! cargo bench --bench derivatives            # all rows
//! cargo bench --bench derivatives -- sparse  # rows whose names have this in them
//! ```

use std::time::{Duration, Instant};

use bumpgrad::{Element, Graph, Var};

/// How long each side of a row is timed, about.
const BUDGET: Duration = Duration::from_millis(400);

fn main() {
    let filters: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    println!("{:44} {:>12} {:>12} {:>8} {:>7}", "us", "this", "beside", "ratio", "goal");
    for (name, goal, row) in ROWS {
        if filters.is_empty() || filters.iter().any(|filter| name.contains(&**filter)) {
            let [this, beside] = row().map(|time| time * 1e6);
            println!("{name:44} {this:12.2} {beside:12.2} {:8.2} {goal:7.2}", this / beside);
        }
    }
}

/// A name, the goal for the ratio, and what times both sides.
type Row = (&'static str, f64, fn() -> [f64; 2]);

const ROWS: &[Row] = &[
    ("jvp / value: elementwise, 10,000 f32", 2.5, || tangent(elementwise)),
    ("jvp / value: layer norm, 256 x 1024 f32", 2.5, || tangent(layer_norm)),
    ("jvp / value: perceptron, 64 examples f32", 2.5, || tangent(perceptron)),
    ("jvp / value: recurrent, 50 steps f32", 2.5, || tangent(recurrent)),
    ("hvp / gradient: elementwise", 2.5, || product(elementwise)),
    ("hvp / gradient: layer norm", 2.5, || product(layer_norm)),
    ("hvp / gradient: perceptron", 2.5, || product(perceptron)),
    ("hvp / gradient: recurrent", 2.5, || product(recurrent)),
    ("jacobian [1000, 4] by 3 / value", 3.0, shared_inputs),
    ("hessian of 8 by 500 rows / gradient", 8.0, logistic),
    ("Greeks of 100,000 options: vmap / by hand", 2.0, book_by_hand),
    ("Greeks of 1,000 options: vmap / loop", 0.05, book_by_loop),
    ("252 steps, 10,000 paths, gradient / by hand", 2.0, paths),
    ("sparse jacobian of a line, 100,000 / value", 8.0, line),
    ("sparse jacobian of a grid, 316 x 316 / value", 8.0, grid),
];

/// Medians of two things, timed in turn.
fn race(mut this: impl FnMut(), mut beside: impl FnMut()) -> [f64; 2] {
    let mut times = [vec![], vec![]];
    let began = Instant::now();
    while began.elapsed() < 2 * BUDGET || times[0].len() < 5 {
        for (times, run) in times.iter_mut().zip([&mut this as &mut dyn FnMut(), &mut beside]) {
            let start = Instant::now();
            let mut runs = 0;
            while runs == 0 || start.elapsed() < Duration::from_micros(500) {
                run();
                runs += 1;
            }
            times.push(start.elapsed().as_secs_f64() / f64::from(runs));
        }
    }
    times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    })
}

fn numbers(len: usize) -> Vec<f64> {
    (0..len).map(|i| ((i * 7919 + 13) % 1000) as f64 / 500.0 - 1.0).collect()
}

fn single(len: usize, scale: f32) -> Vec<f32> {
    numbers(len).into_iter().map(|x| x as f32 * scale).collect()
}

/// A program: its inputs, and its result, a single element.
type Program = for<'g> fn(&'g Graph) -> (Vec<Var<'g>>, Var<'g>);

fn elementwise(graph: &Graph) -> (Vec<Var<'_>>, Var<'_>) {
    let x = graph.param(&single(10_000, 1.0), &[10_000]);
    (vec![x], (x.sin() * (x.square() * -0.5).exp() + (x * 1.5).tanh()).sum())
}

fn layer_norm(graph: &Graph) -> (Vec<Var<'_>>, Var<'_>) {
    let x = graph.param(&single(256 * 1024, 1.0), &[256, 1024]);
    let mean = x.mean_axes(&[1], true);
    let distance = x - mean;
    let y = distance / (distance.square().mean_axes(&[1], true) + 1e-5).sqrt();
    (vec![x], y.square().square().sum())
}

fn perceptron(graph: &Graph) -> (Vec<Var<'_>>, Var<'_>) {
    let mut layer = graph.tensor(&single(64 * 784, 0.5), &[64, 784]);
    let mut weights = vec![];
    for (from, to) in [(784, 256), (256, 128), (128, 10)] {
        let w = graph.param(&single(from * to, 0.1), &[from, to]);
        layer = layer.matmul(w).tanh();
        weights.push(w);
    }
    let classes: Vec<i64> = (0..64).map(|i| i % 10).collect();
    (weights, layer.cross_entropy(graph.tensor(&classes, &[64])))
}

fn recurrent(graph: &Graph) -> (Vec<Var<'_>>, Var<'_>) {
    let w = graph.param(&single(64 * 64, 0.1), &[64, 64]);
    let mut h = graph.tensor(&single(32 * 64, 1.0), &[32, 64]);
    for _ in 0..50 {
        h = h.matmul(w).tanh();
    }
    (vec![w], h.square().sum())
}

/// Two results, each computed anew after its input was written.
fn replay<T: Element>([this, beside]: [(Var<'_>, Var<'_>); 2]) -> [f64; 2] {
    let data: Vec<T> = this.0.to_vec().unwrap();
    let run = |(x, y): (Var<'_>, Var<'_>)| {
        x.write(&data).unwrap();
        y.eval().unwrap();
    };
    race(|| run(this), || run(beside))
}

fn directions<'g>(graph: &'g Graph, xs: &[Var<'g>]) -> Vec<(Var<'g>, Var<'g>)> {
    let one = |x: Var<'g>| {
        let shape = x.shape().unwrap();
        (x, graph.tensor(&single(shape.iter().product(), 0.7), &shape))
    };
    xs.iter().map(|&x| one(x)).collect()
}

fn tangent(program: Program) -> [f64; 2] {
    let (graph, other) = (Graph::new(), Graph::new());
    let ((xs, y), (others, value)) = (program(&graph), program(&other));
    let moved = graph.jvp(&[y], &directions(&graph, &xs)).unwrap()[0];
    replay::<f32>([(xs[0], moved), (others[0], value)])
}

fn product(program: Program) -> [f64; 2] {
    let (graph, other) = (Graph::new(), Graph::new());
    let ((xs, y), (others, value)) = (program(&graph), program(&other));
    let pairs = directions(&graph, &xs);
    let products = graph.hvp(y, &pairs).unwrap();
    let gradients = other.grad(&[(value, None)], &others).unwrap();
    let all = graph.concat(&products.iter().map(|p| p.reshape(&[-1])).collect::<Vec<_>>(), 0);
    let beside = other.concat(&gradients.iter().map(|p| p.reshape(&[-1])).collect::<Vec<_>>(), 0);
    replay::<f32>([(xs[0], all), (others[0], beside)])
}

fn shared_inputs() -> [f64; 2] {
    fn program(graph: &Graph) -> (Var<'_>, Var<'_>) {
        let p = graph.param(&[0.3, 1.1, -0.4], &[3]);
        let t = graph.tensor(&numbers(4000), &[1000, 4]);
        let [a, b, c] = [0, 1, 2].map(|i| p.select(0, i));
        (p, (t * b).sin() * a + (t * t * c).exp() + (t * a * c).tanh())
    }
    let (graph, other) = (Graph::new(), Graph::new());
    let ((p, y), (q, value)) = (program(&graph), program(&other));
    let jacobian = graph.jacobian(y, p);
    replay::<f64>([(p, jacobian), (q, value)])
}

fn logistic() -> [f64; 2] {
    fn program(graph: &Graph) -> (Var<'_>, Var<'_>) {
        let w = graph.param(&numbers(8), &[8]);
        let x = graph.tensor(&numbers(4000), &[500, 8]);
        let labels: Vec<f64> = (0..500).map(|i| f64::from(i % 3 == 0)).collect();
        let labels = graph.tensor(&labels, &[500]);
        let logits = x.matmul(w);
        (w, (logits.softplus() - labels * logits).sum())
    }
    let (graph, other) = (Graph::new(), Graph::new());
    let ((w, y), (v, value)) = (program(&graph), program(&other));
    let hessian = graph.hessian(y, w);
    let gradient = other.grad(&[(value, None)], &[v]).unwrap()[0];
    replay::<f64>([(w, hessian), (v, gradient)])
}

/// Price and Greeks of a call, after Black and Scholes, from spot, volatility and rate.
fn option(p: Var<'_>) -> Var<'_> {
    let [spot, volatility, rate] = [0, 1, 2].map(|i| p.select(0, i));
    let d1 = ((spot / 100.0).log() + rate + volatility.square() / 2.0) / volatility;
    spot * d1.ndtr() - (-rate).exp() * (d1 - volatility).ndtr() * 100.0
}

fn book(count: usize) -> Vec<f64> {
    let one = |i: usize| {
        let u = (i % 1000) as f64 / 1000.0;
        [80.0 + 40.0 * u, 0.1 + 0.2 * u, 0.01 + 0.05 * u]
    };
    (0..count).flat_map(one).collect()
}

/// The normal distribution, by the same function as the library's users in C would take.
fn ndtr(x: f64) -> f64 {
    0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
}

fn book_by_hand() -> [f64; 2] {
    const COUNT: usize = 100_000;
    let graph = Graph::new();
    let p = graph.param(&[100.0, 0.2, 0.05], &[3]);
    let price = option(p);
    let greeks = graph.grad(&[(price, None)], &[p]).unwrap()[0];
    let data = book(COUNT);
    let all = graph.tensor(&data, &[COUNT, 3]);
    let found = graph.vmap(&[price, greeks], &[(p, all)]).unwrap();
    let results = graph.concat(&[found[0].reshape(&[-1]), found[1].reshape(&[-1])], 0);
    let mut by_hand = vec![0.0; 4 * COUNT];
    race(
        || {
            all.write(&data).unwrap();
            results.eval().unwrap();
        },
        || {
            for (p, out) in data.chunks_exact(3).zip(by_hand.chunks_exact_mut(4)) {
                let &[spot, volatility, rate] = p else { return };
                let d1 = ((spot / 100.0).ln() + rate + volatility * volatility / 2.0) / volatility;
                let d2 = d1 - volatility;
                let (n1, n2) = (ndtr(d1), ndtr(d2));
                let strike = 100.0 * (-rate).exp();
                let density = (-d1 * d1 / 2.0).exp() * 0.398_942_280_401_432_7;
                let greeks = [spot * n1 - strike * n2, n1, spot * density, strike * n2];
                out.copy_from_slice(&greeks);
            }
            std::hint::black_box(&by_hand);
        },
    )
}

fn book_by_loop() -> [f64; 2] {
    const COUNT: usize = 1000;
    let graph = Graph::new();
    let p = graph.param(&[100.0, 0.2, 0.05], &[3]);
    let price = option(p);
    let greeks = graph.grad(&[(price, None)], &[p]).unwrap()[0];
    let data = book(COUNT);
    let all = graph.tensor(&data, &[COUNT, 3]);
    let found = graph.vmap(&[price, greeks], &[(p, all)]).unwrap();
    let results = graph.concat(&[found[0].reshape(&[-1]), found[1].reshape(&[-1])], 0);
    let one = graph.concat(&[price.reshape(&[1]), greeks], 0);
    race(
        || {
            all.write(&data).unwrap();
            results.eval().unwrap();
        },
        || {
            for option in data.chunks_exact(3) {
                p.write(option).unwrap();
                one.eval().unwrap();
            }
        },
    )
}

/// An average over paths of a stock, and how it moves with spot, drift and volatility.
fn paths() -> [f64; 2] {
    const PATHS: usize = 10_000;
    const STEPS: usize = 252;
    let graph = Graph::new();
    let p = graph.param(&[1.0, 0.05, 0.2], &[3]);
    let [spot, drift, volatility] = [0, 1, 2].map(|i| p.select(0, i));
    // One path, of its own random numbers; all of them by one more axis.
    let noise = graph.tensor(&numbers(STEPS), &[STEPS]);
    let (mut s, mut mean) = (spot, spot * 0.0);
    for t in 0..STEPS {
        let step = 1.0 + drift / 252.0 + volatility * noise.select(0, t as isize) / 15.87;
        s = s * step;
        mean = mean + s / STEPS as f64;
    }
    let data = numbers(STEPS * PATHS);
    let all = graph.tensor(&data, &[PATHS, STEPS]);
    let means = graph.vmap(&[mean], &[(noise, all)]).unwrap()[0];
    let payoff = (means - 1.0).relu().mean();
    let gradient = graph.grad(&[(payoff, None)], &[p]).unwrap()[0];
    let parameters = [1.0, 0.05, 0.2];
    let mut by_hand = [0.0; 3];
    race(
        || {
            p.write(&parameters).unwrap();
            gradient.eval().unwrap();
        },
        || {
            by_hand = [0.0; 3];
            let [spot, drift, volatility] = parameters;
            for noise in data.chunks_exact(STEPS) {
                // Forward, with the three tangents along.
                let (mut s, mut ds, mut mean, mut dmean) = (spot, [1.0, 0.0, 0.0], 0.0, [0.0; 3]);
                for &z in noise {
                    let step = 1.0 + drift / 252.0 + volatility * z / 15.87;
                    ds = [ds[0] * step, ds[1] * step + s / 252.0, ds[2] * step + s * z / 15.87];
                    s *= step;
                    mean += s / STEPS as f64;
                    (0..3).for_each(|k| dmean[k] += ds[k] / STEPS as f64);
                }
                if mean > 1.0 {
                    (0..3).for_each(|k| by_hand[k] += dmean[k] / PATHS as f64);
                }
            }
            std::hint::black_box(&by_hand);
        },
    )
}

/// -u'' + u^3 on a line.
fn line() -> [f64; 2] {
    fn program(graph: &Graph, n: usize) -> (Var<'_>, Var<'_>) {
        let x = graph.param(&numbers(n), &[n]);
        let end = graph.zeros::<f64>(&[1]);
        let padded = graph.concat(&[end, x, end], 0);
        let n = n as isize;
        let (left, right) = (padded.slice(0, 0, n, 1), padded.slice(0, 2, n + 2, 1));
        (x, x * 2.0 - left - right + x * x * x)
    }
    sparse(|graph| program(graph, 100_000))
}

/// The same on a square.
fn grid() -> [f64; 2] {
    fn program(graph: &Graph, n: usize) -> (Var<'_>, Var<'_>) {
        let x = graph.param(&numbers(n * n), &[n, n]);
        let padded = x.pad(&[1, 1, 1, 1], 0.0);
        let n = n as isize;
        let part = |i: isize, j: isize| padded.slice(0, i, n + i, 1).slice(1, j, n + j, 1);
        let around = part(0, 1) + part(2, 1) + part(1, 0) + part(1, 2);
        (x, x * 4.0 - around + x * x * x)
    }
    sparse(|graph| program(graph, 316))
}

fn sparse(program: impl for<'g> Fn(&'g Graph) -> (Var<'g>, Var<'g>)) -> [f64; 2] {
    let (graph, other) = (Graph::new(), Graph::new());
    let ((x, y), (z, value)) = (program(&graph), program(&other));
    let (pattern, values) = graph.sparse_jacobian(y, x).unwrap();
    assert!(pattern.columns.len() > 2 * pattern.rows());
    replay::<f64>([(x, values), (z, value)])
}
