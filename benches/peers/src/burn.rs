//! burn, with its own CPU backend (flex) and its automatic differentiation.
//!
//! A head is multiplied with the result and summed, as backward takes none.

use std::hint::black_box;

use burn_tensor::activation::{gelu, log_softmax, relu, sigmoid, softmax};
use burn_tensor::{DType, Device, Gradients, Int, Tensor, TensorData, module};

use crate::cases::*;
use crate::serve::{Outcome, Session};

pub fn run(session: &mut Session, case: Case) {
    let device = &Device::flex().autodiff();
    match case {
        Case::Hardware(_) => {}
        Case::W1 | Case::W2 => scalars(session, device, case == Case::W2),
        Case::W3(len) => squares(session, device, len),
        Case::W3Chain(len) => cheap(session, device, len),
        Case::W4 { op, pull, len } => elementwise(session, device, op, pull, len),
        Case::W5(which) => rows(session, device, which),
        Case::W6(which) => matmul(session, device, which),
        Case::W7(batch) => learn(session, device, batch),
        Case::W8(len) => rosenbrock(session, device, len),
        Case::W9 => broadcast(session, device),
        Case::W11 => attention(session, device),
        Case::Program(_) => {}
    }
}

fn tensor<const D: usize>(device: &Device, data: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(data, shape), device)
}

fn param<const D: usize>(device: &Device, data: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    tensor(device, data, shape).require_grad()
}

fn wide<const D: usize>(x: &Tensor<D>) -> Vec<f64> {
    x.clone().inner().to_data().convert::<f64>().try_to_vec().expect("they are numbers")
}

type ReadGrad<'a> = Box<dyn Fn(&Gradients) -> Vec<f64> + 'a>;

/// A leaf and how to read its gradient, whatever its rank.
struct Leaf<'a> {
    name: &'a str,
    grad: ReadGrad<'a>,
}

fn leaf<'a, const D: usize>(name: &'a str, x: &'a Tensor<D>) -> Leaf<'a> {
    let grad = move |grads: &Gradients| {
        let grad = x.grad(grads).expect("backward leaves a gradient");
        grad.to_data().convert::<f64>().try_to_vec().expect("they are numbers")
    };
    Leaf { name, grad: Box::new(grad) }
}

fn tell<const D: usize>(
    outcome: Option<&mut Outcome>,
    result: &Tensor<D>,
    leaves: &[Leaf<'_>],
    grads: &Gradients,
) {
    let Some(outcome) = outcome else { return };
    outcome.put("result", &wide(result));
    for leaf in leaves {
        outcome.put(leaf.name, &(leaf.grad)(grads));
    }
}

fn serve<const D: usize>(
    session: &mut Session,
    leaves: &[Leaf<'_>],
    head: Option<Tensor<D>>,
    record: impl Fn() -> Tensor<D>,
) {
    session.serve(&mut |outcome| {
        let y = record();
        let grads = match &head {
            None => {
                black_box(y.clone().inner().into_scalar::<f64>());
                y.backward()
            }
            Some(head) => (y.clone() * head.clone()).sum().backward(),
        };
        tell(outcome, &y, leaves, &grads);
        black_box(&grads);
    });
}

fn scalars(session: &mut Session, device: &Device, write: bool) {
    let [term, factor] = [TERM, FACTOR].map(|value| tensor(device, vec![value as f32], [1]));
    let mut count = 0;
    session.serve(&mut |outcome| {
        let mut value = START as f32;
        if write {
            value = start(count);
            count += 1;
        }
        let x = param(device, vec![value], [1]);
        let y = (0..STEPS).fold(x.clone(), |y, step| match step % 3 {
            0 => y + term.clone(),
            1 => y * factor.clone(),
            _ => y.sin(),
        });
        black_box(y.clone().inner().into_scalar::<f64>());
        let grads = y.backward();
        tell(outcome, &y, &[leaf("x", &x)], &grads);
        black_box(&grads);
    });
}

fn squares(session: &mut Session, device: &Device, len: usize) {
    let [x, y, z] = crate::cases::squares(len).map(|data| param(device, data, [len]));
    serve(session, &[leaf("x", &x), leaf("y", &y), leaf("z", &z)], None, || {
        (x.clone().sin() * y.clone() + (z.clone() * 0.1).exp()).square().mean()
    });
}

fn cheap(session: &mut Session, device: &Device, len: usize) {
    let x = param(device, chain(len), [len]);
    serve(session, &[leaf("x", &x)], None, || {
        (0..ROUNDS).fold(x.clone(), |y, _| relu(y * 1.1 + 0.05) - 0.04).sum()
    });
}

fn elementwise(session: &mut Session, device: &Device, op: Unary, pull: bool, len: usize) {
    let x = param(device, unary(op, len), [len]);
    session.serve(&mut |outcome| {
        let x_ = x.clone();
        let y = match op {
            Unary::Exp => x_.exp(),
            Unary::Log => x_.log(),
            Unary::Sin => x_.sin(),
            Unary::Tanh => x_.tanh(),
            Unary::Sigmoid => sigmoid(x_),
            Unary::Gelu => gelu(x_),
            Unary::Sqrt => x_.sqrt(),
            Unary::Recip => x_.recip(),
            Unary::Pow => x_.powf_scalar(2.5),
        };
        if pull {
            // Backward of a tensor starts with ones.
            let grads = y.backward();
            tell(outcome, &y, &[leaf("x", &x)], &grads);
            black_box(&grads);
        } else if let Some(outcome) = outcome {
            outcome.put("result", &wide(&y));
        }
        black_box(&y);
    });
}

fn rows(session: &mut Session, device: &Device, which: Rows) {
    let x = &param(device, matrix(), [HEIGHT, COLUMNS]);
    let head = |rows: usize, columns: usize| {
        Some(tensor(device, crate::cases::head(rows * columns), [rows, columns]))
    };
    let leaves = [leaf("x", x)];
    match which {
        Rows::Sum => serve(session, &leaves, None, || x.clone().sum()),
        Rows::Sum0 => serve(session, &leaves, head(1, COLUMNS), || x.clone().sum_dim(0)),
        Rows::Sum1 => serve(session, &leaves, head(HEIGHT, 1), || x.clone().sum_dim(1)),
        Rows::Max1 => serve(session, &leaves, head(HEIGHT, 1), || x.clone().max_dim(1)),
        Rows::Softmax => {
            serve(session, &leaves, head(HEIGHT, COLUMNS), || softmax(x.clone(), 1));
        }
        Rows::CrossEntropy => {
            let target = TensorData::new(classes(), [HEIGHT, 1]);
            let target = Tensor::<2, Int>::from_data(target, device);
            serve(session, &leaves, None, || cross_entropy(x.clone(), &target));
        }
        Rows::LayerNorm => {
            let [weight, bias] = norm().map(|data| param(device, data, [COLUMNS]));
            let leaves = [leaf("x", x), leaf("weight", &weight), leaf("bias", &bias)];
            serve(session, &leaves, head(HEIGHT, COLUMNS), || {
                module::layer_norm(x.clone(), weight.clone(), Some(bias.clone()), EPSILON)
            });
        }
    }
}

fn cross_entropy(logits: Tensor<2>, target: &Tensor<2, Int>) -> Tensor<1> {
    log_softmax(logits, 1).gather(1, target.clone()).mean().neg()
}

fn matmul(session: &mut Session, device: &Device, which: Product) {
    let Product { count, m, k, n } = which;
    let [left, right, head] = product(which);
    let a = param(device, left, [count, m, k]);
    let b = param(device, right, [count, k, n]);
    let head = tensor(device, head, [count, m, n]);
    let leaves = [leaf("left", &a), leaf("right", &b)];
    serve(session, &leaves, Some(head), || a.clone().matmul(b.clone()));
}

fn learn(session: &mut Session, device: &Device, batch: usize) {
    let data = digits(batch);
    let mut weights: Vec<Tensor<2>> = (0..LAYERS)
        .map(|i| param(device, data.weights[i].clone(), [SIZES[i], SIZES[i + 1]]))
        .collect();
    let mut biases: Vec<Tensor<1>> =
        (0..LAYERS).map(|i| param(device, data.biases[i].clone(), [SIZES[i + 1]])).collect();
    let images = tensor(device, data.images, [batch, SIZES[0]]);
    let target = TensorData::new(data.classes, [batch, 1]);
    let target = Tensor::<2, Int>::from_data(target, device);
    session.serve(&mut |outcome| {
        let mut x = images.clone();
        for layer in 0..LAYERS {
            x = module::linear(x, weights[layer].clone(), Some(biases[layer].clone()));
            if layer + 1 < LAYERS {
                x = relu(x);
            }
        }
        let loss = cross_entropy(x, &target);
        black_box(loss.clone().inner().into_scalar::<f64>());
        let grads = loss.backward();
        if let Some(outcome) = outcome {
            let weight = |i: usize| leaf(["weight 1", "weight 2", "weight 3"][i], &weights[i]);
            let bias = |i: usize| leaf(["bias 1", "bias 2", "bias 3"][i], &biases[i]);
            let leaves: Vec<_> = (0..LAYERS).map(weight).chain((0..LAYERS).map(bias)).collect();
            tell(Some(outcome), &loss, &leaves, &grads);
        }
        step(&mut weights, &grads);
        step(&mut biases, &grads);
    });
}

fn step<const D: usize>(params: &mut [Tensor<D>], grads: &Gradients) {
    for param in params {
        let grad = param.grad(grads).expect("backward leaves a gradient");
        let stepped = param.clone().inner() - grad * RATE;
        *param = Tensor::from_inner(stepped).require_grad();
    }
}

fn rosenbrock(session: &mut Session, device: &Device, len: usize) {
    let data = TensorData::new(valley(len), [len]);
    let x = Tensor::<1>::from_data(data, (device, DType::F64)).require_grad();
    serve(session, &[leaf("x", &x)], None, || {
        let (low, high) = (x.clone().narrow(0, 0, len - 1), x.clone().narrow(0, 1, len - 1));
        let valley = (high - low.clone().square()).square() * 100.0;
        (valley + (low.neg() + 1.0).square()).sum()
    });
}

fn broadcast(session: &mut Session, device: &Device) {
    let [a, b, c] = outer();
    let (a, b) = (param(device, a, [SIDE, 1]), param(device, b, [1, SIDE]));
    let c = param(device, c, [SIDE]);
    serve(session, &[leaf("a", &a), leaf("b", &b), leaf("c", &c)], None, || {
        relu(a.clone() * b.clone() + c.clone().unsqueeze()).sum()
    });
}

fn attention(session: &mut Session, device: &Device) {
    let x = tensor(device, tokens(), [BATCH * LENGTH, WIDTH]);
    let ahead = tensor(device, mask(), [1, 1, LENGTH, LENGTH]);
    let data = block();
    let vector = |i: usize| param(device, data[i].clone(), [data[i].len()]);
    let matrix = |i: usize| {
        let shape = BLOCK[i].1;
        param(device, data[i].clone(), [shape[0], shape[1]])
    };
    let vectors = [0, 1, 3, 5, 6, 7, 9, 11].map(|i| (i, vector(i)));
    let matrices = [2, 4, 8, 10].map(|i| (i, matrix(i)));
    let v = |i: usize| vectors.iter().find(|(j, _)| *j == i).expect("a vector").1.clone();
    let m = |i: usize| matrices.iter().find(|(j, _)| *j == i).expect("a matrix").1.clone();
    let mut leaves: Vec<(usize, Leaf<'_>)> =
        vectors.iter().map(|(i, x)| (*i, leaf(BLOCK[*i].0, x))).collect();
    leaves.extend(matrices.iter().map(|(i, x)| (*i, leaf(BLOCK[*i].0, x))));
    leaves.sort_by_key(|(i, _)| *i);
    let leaves: Vec<_> = leaves.into_iter().map(|(_, leaf)| leaf).collect();
    serve(session, &leaves, None, || {
        let normal = module::layer_norm(x.clone(), v(0), Some(v(1)), EPSILON);
        let qkv = module::linear(normal, m(2), Some(v(3)));
        let qkv = qkv.reshape([BATCH, LENGTH, 3, HEADS, WIDTH / HEADS]);
        let part = |i: usize| -> Tensor<4> {
            qkv.clone().narrow(2, i, 1).squeeze_dim::<4>(2).swap_dims(1, 2)
        };
        let (query, key, value) = (part(0), part(1), part(2));
        let scale = (HEADS as f64 / WIDTH as f64).sqrt();
        let scores = query.matmul(key.transpose()) * scale + ahead.clone();
        let mixed = softmax(scores, 3).matmul(value).swap_dims(1, 2);
        let mixed = mixed.reshape([BATCH * LENGTH, WIDTH]);
        let x = x.clone() + module::linear(mixed, m(4), Some(v(5)));
        let normal = module::layer_norm(x.clone(), v(6), Some(v(7)), EPSILON);
        let up = gelu(module::linear(normal, m(8), Some(v(9))));
        (x + module::linear(up, m(10), Some(v(11)))).square().mean()
    });
}
