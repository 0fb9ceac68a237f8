//! W4: one unary operation on n = 1,000, 100,000 and 10,000,000 elements: forward, and forward with
//! the pull of a head of ones.

use bumpgrad::{Graph, Var};
use criterion::Criterion;

use crate::{Ready, check, forward_and_backward, gradient, numbers, ok};

struct Unary {
    name: &'static str,
    op: for<'g> fn(Var<'g>) -> Var<'g>,
    /// Value and derivative.
    plain: fn(f64) -> (f64, f64),
    low: f32,
}

const UNARY: [Unary; 9] = [
    Unary { name: "exp", op: |x| x.exp(), plain: |x| (x.exp(), x.exp()), low: -4.0 },
    Unary { name: "log", op: |x| x.log(), plain: |x| (x.ln(), 1.0 / x), low: 0.1 },
    Unary { name: "sin", op: |x| x.sin(), plain: |x| (x.sin(), x.cos()), low: -4.0 },
    Unary {
        name: "tanh",
        op: |x| x.tanh(),
        plain: |x| (x.tanh(), 1.0 - x.tanh() * x.tanh()),
        low: -4.0,
    },
    Unary { name: "sigmoid", op: |x| x.sigmoid(), plain: plain_sigmoid, low: -4.0 },
    Unary { name: "gelu", op: |x| x.gelu(), plain: plain_gelu, low: -4.0 },
    Unary { name: "sqrt", op: |x| x.sqrt(), plain: |x| (x.sqrt(), 0.5 / x.sqrt()), low: 0.1 },
    Unary { name: "recip", op: |x| x.reciprocal(), plain: |x| (1.0 / x, -1.0 / (x * x)), low: 0.1 },
    Unary {
        name: "pow2.5",
        op: |x| x.pow_scalar(2.5),
        plain: |x| (x.powf(2.5), 2.5 * x.powf(1.5)),
        low: 0.1,
    },
];

const HIGH: f32 = 4.0;

fn plain_sigmoid(x: f64) -> (f64, f64) {
    let y = 1.0 / (1.0 + (-x).exp());
    (y, y * (1.0 - y))
}

fn plain_gelu(x: f64) -> (f64, f64) {
    let below = 0.5 * (1.0 + libm::erf(x * std::f64::consts::FRAC_1_SQRT_2));
    let density = (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
    (x * below, below + x * density)
}

pub(crate) fn bench(criterion: &mut Criterion) {
    for len in [1_000, 100_000, 10_000_000] {
        let mut group = criterion.benchmark_group("W4");
        for unary in &UNARY {
            let graph = Graph::new();
            let passes = ["forward", "forward+pull"]
                .map(|pass| (format!("{}/{pass}/{len}", unary.name), len));
            forward_and_backward(&mut group, &graph, passes, |graph| ready(graph, unary, len));
        }
        group.finish();
    }
}

fn ready<'g>(graph: &'g Graph, unary: &Unary, len: usize) -> Ready<'g> {
    let data = numbers(5, len, unary.low, HIGH);
    let x = graph.param(&data, &[len]);
    let op = unary.op;
    let ready = Ready::new(Some(graph.ones::<f32>(&[len])), move || op(x));

    let mark = graph.mark();
    let y = ready.forward_backward();
    let plain = |i: usize| (unary.plain)(f64::from(data[i]));
    let name = unary.name;
    check(&format!("W4 {name}: value"), &ok(y.to_vec()), 1e-5, |i| Some(plain(i).0));
    check(&format!("W4 {name}: gradient"), &gradient(x), 1e-5, |i| Some(plain(i).1));
    graph.zero_grad();
    ok(graph.rewind(mark));
    ready
}
