//! dfdx: the cases that its shapes and operations express without detours. W8 and W11 are not
//! among them; nor is gelu, whose gradient in 0.13 lacks the inner factor, 1 / sqrt 2.

use std::hint::black_box;

use dfdx::prelude::*;

use crate::cases::{
    COLUMNS, Case, EPSILON, FACTOR, HEIGHT, RATE, ROUNDS, Rows, SIDE, SIZES, START, STEPS, TERM,
    Unary, chain, classes, digits, head, matrix, norm, outer, product, start, unary,
};
use crate::serve::{Outcome, Session};

type Traced<S> = Tensor<S, f32, Cpu, OwnedTape<f32, Cpu>>;
type Plain<S> = Tensor<S, f32, Cpu>;
type Grads = Gradients<f32, Cpu>;

pub fn run(session: &mut Session, case: Case) {
    let device = &Cpu::default();
    match case {
        Case::W1 | Case::W2 => scalars(session, device, case == Case::W2),
        Case::W3(len) => squares(session, device, len),
        Case::W3Chain(len) => cheap(session, device, len),
        Case::W4 { op: Unary::Gelu, .. } => {}
        Case::W4 { op, pull, len } => elementwise(session, device, op, pull, len),
        Case::W5(which) => rows(session, device, which),
        Case::W6(which) => matmul(session, device, which),
        Case::W7(batch) => learn(session, device, batch),
        Case::W9 => broadcast(session, device),
        Case::Hardware(_) | Case::W8(_) | Case::W11 | Case::Program(_) => {}
    }
}

fn tell<S: Shape, T>(
    outcome: &mut Option<&mut Outcome>,
    name: &str,
    tensor: &Tensor<S, f32, Cpu, T>,
) {
    if let Some(outcome) = outcome {
        outcome.put(name, &tensor.as_vec());
    }
}

fn tell_grad<S: Shape>(
    outcome: &mut Option<&mut Outcome>,
    name: &str,
    leaf: &Plain<S>,
    grads: &Grads,
) {
    if outcome.is_some() {
        tell(outcome, name, &grads.get(leaf));
    }
}

fn scalars(session: &mut Session, device: &Cpu, write: bool) {
    let [term, factor] = [TERM, FACTOR].map(|value| device.tensor([value as f32]));
    let mut count = 0;
    session.serve(&mut |mut outcome| {
        let mut value = START as f32;
        if write {
            value = start(count);
            count += 1;
        }
        let x: Plain<Rank1<1>> = device.tensor([value]);
        let y = (0..STEPS).fold(x.leaky_trace(), |y, step| match step % 3 {
            0 => y + term.clone(),
            1 => y * factor.clone(),
            _ => y.sin(),
        });
        tell(&mut outcome, "result", &y);
        let y = y.sum();
        black_box(y.array());
        let grads = y.backward();
        tell_grad(&mut outcome, "x", &x, &grads);
        black_box(&grads);
    });
}

fn squares(session: &mut Session, device: &Cpu, len: usize) {
    let [x, y, z] = crate::cases::squares(len).map(|data| device.tensor_from_vec(data, (len,)));
    session.serve(&mut |mut outcome| {
        let e = (z.leaky_trace() * 0.1).exp();
        let loss = (x.leaky_trace().sin() * y.clone() + e).square().mean();
        tell(&mut outcome, "result", &loss);
        black_box(loss.array());
        let grads = loss.backward();
        tell_grad(&mut outcome, "x", &x, &grads);
        tell_grad(&mut outcome, "y", &y, &grads);
        tell_grad(&mut outcome, "z", &z, &grads);
        black_box(&grads);
    });
}

fn cheap(session: &mut Session, device: &Cpu, len: usize) {
    let x = device.tensor_from_vec(chain(len), (len,));
    session.serve(&mut |mut outcome| {
        let y = (0..ROUNDS).fold(x.leaky_trace(), |y, _| (y * 1.1 + 0.05).relu() - 0.04).sum();
        tell(&mut outcome, "result", &y);
        black_box(y.array());
        let grads = y.backward();
        tell_grad(&mut outcome, "x", &x, &grads);
        black_box(&grads);
    });
}

fn elementwise(session: &mut Session, device: &Cpu, op: Unary, pull: bool, len: usize) {
    let x = device.tensor_from_vec(unary(op, len), (len,));
    fn apply<T: Tape<f32, Cpu>>(
        op: Unary,
        x: Tensor<(usize,), f32, Cpu, T>,
    ) -> Tensor<(usize,), f32, Cpu, T> {
        match op {
            Unary::Exp => x.exp(),
            Unary::Log => x.ln(),
            Unary::Sin => x.sin(),
            Unary::Tanh => x.tanh(),
            Unary::Sigmoid => x.sigmoid(),
            Unary::Gelu => unreachable!("it is left out"),
            Unary::Sqrt => x.sqrt(),
            Unary::Recip => x.recip(),
            Unary::Pow => x.powf(2.5),
        }
    }
    session.serve(&mut |mut outcome| {
        let y = apply(op, x.leaky_trace());
        tell(&mut outcome, "result", &y);
        if pull {
            let grads = y.sum().backward();
            tell_grad(&mut outcome, "x", &x, &grads);
            black_box(&grads);
        } else {
            black_box(&y);
        }
    });
}

type Matrix = Rank2<HEIGHT, COLUMNS>;

/// A head, and forward and backward with it.
fn with_head<S: Shape>(
    session: &mut Session,
    x: &Plain<Matrix>,
    head: Plain<S>,
    others: &[(&str, &Plain<Rank1<COLUMNS>>)],
    record: impl Fn(Traced<Matrix>) -> Traced<S>,
) {
    session.serve(&mut |mut outcome| {
        let y = record(x.leaky_trace());
        tell(&mut outcome, "result", &y);
        let grads = (y * head.clone()).sum().backward();
        tell_grad(&mut outcome, "x", x, &grads);
        for (name, leaf) in others {
            tell_grad(&mut outcome, name, *leaf, &grads);
        }
        black_box(&grads);
    });
}

fn rows(session: &mut Session, device: &Cpu, which: Rows) {
    let x: Plain<Matrix> = device.tensor_from_vec(matrix(), Default::default());
    let columns =
        || -> Plain<Rank1<COLUMNS>> { device.tensor_from_vec(head(COLUMNS), Default::default()) };
    let height =
        || -> Plain<Rank1<HEIGHT>> { device.tensor_from_vec(head(HEIGHT), Default::default()) };
    let all =
        || -> Plain<Matrix> { device.tensor_from_vec(head(HEIGHT * COLUMNS), Default::default()) };
    match which {
        Rows::Sum => session.serve(&mut |mut outcome| {
            let y = x.leaky_trace().sum();
            tell(&mut outcome, "result", &y);
            black_box(y.array());
            let grads = y.backward();
            tell_grad(&mut outcome, "x", &x, &grads);
            black_box(&grads);
        }),
        Rows::Sum0 => with_head(session, &x, columns(), &[], |x| x.sum::<_, Axis<0>>()),
        Rows::Sum1 => with_head(session, &x, height(), &[], |x| x.sum::<_, Axis<1>>()),
        Rows::Max1 => with_head(session, &x, height(), &[], |x| x.max::<_, Axis<1>>()),
        Rows::Softmax => with_head(session, &x, all(), &[], |x| x.softmax::<Axis<1>>()),
        Rows::LayerNorm => {
            let [weight, bias] = norm().map(|data| -> Plain<Rank1<COLUMNS>> {
                device.tensor_from_vec(data, Default::default())
            });
            let others = [("weight", &weight), ("bias", &bias)];
            with_head(session, &x, all(), &others, |x| {
                let normal = x.normalize::<Axis<1>>(EPSILON);
                let weight = weight.retaped::<OwnedTape<f32, Cpu>>().broadcast::<Matrix, _>();
                let bias = bias.retaped::<OwnedTape<f32, Cpu>>().broadcast::<Matrix, _>();
                normal * weight + bias
            });
        }
        Rows::CrossEntropy => {
            let hot = one_hot(&classes(), COLUMNS);
            let target: Plain<Matrix> = device.tensor_from_vec(hot, Default::default());
            session.serve(&mut |mut outcome| {
                let y = cross_entropy_with_logits_loss(x.leaky_trace(), target.clone());
                tell(&mut outcome, "result", &y);
                black_box(y.array());
                let grads = y.backward();
                tell_grad(&mut outcome, "x", &x, &grads);
                black_box(&grads);
            });
        }
    }
}

fn one_hot(classes: &[i64], count: usize) -> Vec<f32> {
    let mut hot = vec![0.0; classes.len() * count];
    classes.iter().enumerate().for_each(|(i, &class)| hot[i * count + class as usize] = 1.0);
    hot
}

fn matmul(session: &mut Session, device: &Cpu, which: crate::cases::Product) {
    let crate::cases::Product { count, m, k, n } = which;
    let [left, right, cotangent] = product(which);
    macro_rules! products {
        ($left:expr, $right:expr, $out:expr) => {{
            let a = device.tensor_from_vec(left, $left);
            let b = device.tensor_from_vec(right, $right);
            let head = device.tensor_from_vec(cotangent, $out);
            session.serve(&mut |mut outcome| {
                let y = a.leaky_trace().matmul(b.clone());
                tell(&mut outcome, "result", &y);
                let grads = (y * head.clone()).sum().backward();
                tell_grad(&mut outcome, "left", &a, &grads);
                tell_grad(&mut outcome, "right", &b, &grads);
                black_box(&grads);
            });
        }};
    }
    match count {
        1 => products!((m, k), (k, n), (m, n)),
        _ => products!((count, m, k), (count, k, n), (count, m, n)),
    }
}

fn learn(session: &mut Session, device: &Cpu, batch: usize) {
    const LAST: usize = SIZES[3];
    let data = digits(batch);
    let [weight_1, weight_2, weight_3] = data.weights;
    let [bias_1, bias_2, bias_3] = data.biases;
    let mut w1: Plain<Rank2<784, 256>> = device.tensor_from_vec(weight_1, Default::default());
    let mut w2: Plain<Rank2<256, 128>> = device.tensor_from_vec(weight_2, Default::default());
    let mut w3: Plain<Rank2<128, LAST>> = device.tensor_from_vec(weight_3, Default::default());
    let mut b1: Plain<Rank1<256>> = device.tensor_from_vec(bias_1, Default::default());
    let mut b2: Plain<Rank1<128>> = device.tensor_from_vec(bias_2, Default::default());
    let mut b3: Plain<Rank1<LAST>> = device.tensor_from_vec(bias_3, Default::default());
    let images = device.tensor_from_vec(data.images, (batch, Const::<784>));
    let hot = one_hot(&data.classes, LAST);
    let target = device.tensor_from_vec(hot, (batch, Const::<LAST>));
    session.serve(&mut |mut outcome| {
        let x = images.leaky_trace().matmul(w1.clone());
        let shape = *x.shape();
        let x = (x + b1.retaped::<OwnedTape<f32, Cpu>>().broadcast_like(&shape)).relu();
        let x = x.matmul(w2.clone());
        let shape = *x.shape();
        let x = (x + b2.retaped::<OwnedTape<f32, Cpu>>().broadcast_like(&shape)).relu();
        let x = x.matmul(w3.clone());
        let shape = *x.shape();
        let x = x + b3.retaped::<OwnedTape<f32, Cpu>>().broadcast_like(&shape);
        let loss = cross_entropy_with_logits_loss(x, target.clone());
        tell(&mut outcome, "result", &loss);
        black_box(loss.array());
        let grads = loss.backward();
        tell_grad(&mut outcome, "weight 1", &w1, &grads);
        tell_grad(&mut outcome, "weight 2", &w2, &grads);
        tell_grad(&mut outcome, "weight 3", &w3, &grads);
        tell_grad(&mut outcome, "bias 1", &b1, &grads);
        tell_grad(&mut outcome, "bias 2", &b2, &grads);
        tell_grad(&mut outcome, "bias 3", &b3, &grads);
        // w - rate * gradient, in place.
        w1.axpy(1.0, &grads.get(&w1), -RATE);
        w2.axpy(1.0, &grads.get(&w2), -RATE);
        w3.axpy(1.0, &grads.get(&w3), -RATE);
        b1.axpy(1.0, &grads.get(&b1), -RATE);
        b2.axpy(1.0, &grads.get(&b2), -RATE);
        b3.axpy(1.0, &grads.get(&b3), -RATE);
    });
}

fn broadcast(session: &mut Session, device: &Cpu) {
    let data = outer();
    let [a, b, c] =
        data.map(|data| -> Plain<Rank1<SIDE>> { device.tensor_from_vec(data, Default::default()) });
    type Square = Rank2<SIDE, SIDE>;
    session.serve(&mut |mut outcome| {
        let rows = a.leaky_trace().broadcast::<Square, Axis<1>>();
        let columns = b.leaky_trace().broadcast::<Square, Axis<0>>();
        let added = c.leaky_trace().broadcast::<Square, Axis<0>>();
        let loss = (rows * columns + added).relu().sum();
        tell(&mut outcome, "result", &loss);
        black_box(loss.array());
        let grads = loss.backward();
        tell_grad(&mut outcome, "a", &a, &grads);
        tell_grad(&mut outcome, "b", &b, &grads);
        tell_grad(&mut outcome, "c", &c, &grads);
        black_box(&grads);
    });
}
