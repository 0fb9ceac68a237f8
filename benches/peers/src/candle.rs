//! candle: `candle-core` with what `candle-nn` has on top of it.
//!
//! Fused softmax and layer norm of candle-nn have no gradient, so these are the ones made of single
//! operations. A head is multiplied with the result and summed, as candle has no other way.

use std::hint::black_box;

use candle_core::{D, DType, Device, Result, Tensor, Var};
use candle_nn::{Optimizer, SGD, loss, ops};

use crate::cases::*;
use crate::serve::{Outcome, Session};

pub fn run(session: &mut Session, case: Case) {
    let done = match case {
        Case::Hardware(_) => Ok(()),
        Case::W1 | Case::W2 => scalars(session, case == Case::W2),
        Case::W3(len) => squares(session, len),
        Case::W3Chain(len) => cheap(session, len),
        Case::W4 { op, pull, len } => elementwise(session, op, pull, len),
        Case::W5(which) => rows(session, which),
        Case::W6(which) => matmul(session, which),
        Case::W7(batch) => learn(session, batch),
        Case::W8(len) => rosenbrock(session, len),
        Case::W9 => broadcast(session),
        Case::W11 => attention(session),
        Case::Program(_) => Ok(()),
    };
    done.unwrap_or_else(|error| panic!("candle: {case}: {error}"));
}

fn tensor(data: &[f32], shape: &[usize]) -> Result<Tensor> {
    Tensor::from_slice(data, shape, &Device::Cpu)
}

fn param(data: &[f32], shape: &[usize]) -> Result<Var> {
    Var::from_tensor(&tensor(data, shape)?)
}

fn wide(x: &Tensor) -> Result<Vec<f64>> {
    x.to_dtype(DType::F64)?.flatten_all()?.to_vec1()
}

/// Forward and backward of a scalar; `result` is what the others have before the head.
fn pass(
    outcome: Option<&mut Outcome>,
    leaves: &[(&str, &Var)],
    result: &Tensor,
    loss: &Tensor,
) -> Result<()> {
    let grads = loss.backward()?;
    if let Some(outcome) = outcome {
        outcome.put("result", &wide(result)?);
        for (name, leaf) in leaves {
            let grad = grads.get(leaf.as_tensor()).expect("backward leaves a gradient");
            outcome.put(name, &wide(grad)?);
        }
    }
    black_box(grads);
    Ok(())
}

fn serve(
    session: &mut Session,
    leaves: &[(&str, &Var)],
    head: Option<&Tensor>,
    record: impl Fn() -> Result<Tensor>,
) -> Result<()> {
    session.serve(&mut |outcome| {
        let once = || {
            let y = record()?;
            match head {
                None => {
                    black_box(y.to_dtype(DType::F64)?.sum_all()?.to_scalar::<f64>()?);
                    pass(outcome, leaves, &y, &y)
                }
                Some(head) => pass(outcome, leaves, &y, &(&y * head)?.sum_all()?),
            }
        };
        once().unwrap_or_else(|error| panic!("candle: {error}"));
    });
    Ok(())
}

fn scalars(session: &mut Session, write: bool) -> Result<()> {
    let x = param(&[START as f32], &[1])?;
    let term = tensor(&[TERM as f32], &[1])?;
    let factor = tensor(&[FACTOR as f32], &[1])?;
    let count = std::cell::Cell::new(0);
    serve(session, &[("x", &x)], None, || {
        if write {
            x.set(&tensor(&[start(count.replace(count.get() + 1))], &[1])?)?;
        }
        (0..STEPS).try_fold(x.as_tensor().clone(), |y, step| match step % 3 {
            0 => y + &term,
            1 => y * &factor,
            _ => y.sin(),
        })
    })
}

fn squares(session: &mut Session, len: usize) -> Result<()> {
    let [x, y, z] = crate::cases::squares(len).map(|data| param(&data, &[len]).expect("memory"));
    serve(session, &[("x", &x), ("y", &y), ("z", &z)], None, || {
        ((x.sin()? * y.as_tensor())? + (z.as_tensor() * 0.1)?.exp()?)?.sqr()?.mean_all()
    })
}

fn cheap(session: &mut Session, len: usize) -> Result<()> {
    let x = param(&chain(len), &[len])?;
    serve(session, &[("x", &x)], None, || {
        let round = |y: Tensor, _| ((y * 1.1)? + 0.05)?.relu()? - 0.04;
        (0..ROUNDS).try_fold(x.as_tensor().clone(), round)?.sum_all()
    })
}

fn elementwise(session: &mut Session, op: Unary, pull: bool, len: usize) -> Result<()> {
    let x = param(&unary(op, len), &[len])?;
    let record = || match op {
        Unary::Exp => x.exp(),
        Unary::Log => x.log(),
        Unary::Sin => x.sin(),
        Unary::Tanh => x.tanh(),
        Unary::Sigmoid => ops::sigmoid(&x),
        Unary::Gelu => x.gelu_erf(),
        Unary::Sqrt => x.sqrt(),
        Unary::Recip => x.recip(),
        Unary::Pow => x.powf(2.5),
    };
    session.serve(&mut |outcome| {
        let once = || {
            let y = record()?;
            match (pull, outcome) {
                // Backward of a tensor starts with ones.
                (true, outcome) => pass(outcome, &[("x", &x)], &y, &y),
                (false, Some(outcome)) => {
                    outcome.put("result", &wide(&y)?);
                    Ok(())
                }
                (false, None) => {
                    black_box(y);
                    Ok(())
                }
            }
        };
        once().unwrap_or_else(|error: candle_core::Error| panic!("candle: {error}"));
    });
    Ok(())
}

fn rows(session: &mut Session, which: Rows) -> Result<()> {
    let x = param(&matrix(), &[HEIGHT, COLUMNS])?;
    let head = |shape: &[usize]| tensor(&head(shape.iter().product()), shape);
    let leaves = [("x", &x)];
    match which {
        Rows::Sum => serve(session, &leaves, None, || x.sum_all()),
        Rows::Sum0 => serve(session, &leaves, Some(&head(&[COLUMNS])?), || x.sum(0)),
        Rows::Sum1 => serve(session, &leaves, Some(&head(&[HEIGHT])?), || x.sum(1)),
        Rows::Max1 => serve(session, &leaves, Some(&head(&[HEIGHT])?), || x.max(1)),
        Rows::Softmax => {
            serve(session, &leaves, Some(&head(&[HEIGHT, COLUMNS])?), || ops::softmax(&x, 1))
        }
        Rows::CrossEntropy => {
            let target = Tensor::from_vec(classes(), &[HEIGHT], &Device::Cpu)?;
            serve(session, &leaves, None, || loss::cross_entropy(&x, &target))
        }
        Rows::LayerNorm => {
            let [weight, bias] = norm().map(|data| param(&data, &[COLUMNS]).expect("memory"));
            let leaves = [("x", &x), ("weight", &weight), ("bias", &bias)];
            serve(session, &leaves, Some(&head(&[HEIGHT, COLUMNS])?), || {
                ops::layer_norm_slow(&x, &weight, &bias, EPSILON as f32)
            })
        }
    }
}

fn matmul(session: &mut Session, which: Product) -> Result<()> {
    let Product { count, m, k, n } = which;
    let shape = |rows, columns| match count {
        1 => vec![rows, columns],
        _ => vec![count, rows, columns],
    };
    let [left, right, head] = product(which);
    let (a, b) = (param(&left, &shape(m, k))?, param(&right, &shape(k, n))?);
    let head = tensor(&head, &shape(m, n))?;
    serve(session, &[("left", &a), ("right", &b)], Some(&head), || a.matmul(&b))
}

fn learn(session: &mut Session, batch: usize) -> Result<()> {
    let data = digits(batch);
    let (mut weights, mut biases) = (Vec::new(), Vec::new());
    for layer in 0..LAYERS {
        weights.push(param(&data.weights[layer], &SIZES[layer..layer + 2])?);
        biases.push(param(&data.biases[layer], &[SIZES[layer + 1]])?);
    }
    let images = tensor(&data.images, &[batch, SIZES[0]])?;
    let target = Tensor::from_vec(data.classes, &[batch], &Device::Cpu)?;
    let names = ["weight 1", "weight 2", "weight 3", "bias 1", "bias 2", "bias 3"];
    let params: Vec<Var> = weights.iter().chain(&biases).cloned().collect();
    let mut sgd = SGD::new(params.clone(), RATE)?;
    session.serve(&mut |outcome| {
        let once = || {
            let mut x = images.clone();
            for layer in 0..LAYERS {
                x = x.matmul(&weights[layer])?.broadcast_add(&biases[layer])?;
                if layer + 1 < LAYERS {
                    x = x.relu()?;
                }
            }
            let loss = loss::cross_entropy(&x, &target)?;
            black_box(loss.to_scalar::<f32>()?);
            let grads = loss.backward()?;
            if let Some(outcome) = outcome {
                outcome.put("result", &wide(&loss)?);
                for (name, param) in names.iter().zip(&params) {
                    let grad = grads.get(param.as_tensor()).expect("backward leaves a gradient");
                    outcome.put(name, &wide(grad)?);
                }
            }
            sgd.step(&grads)
        };
        once().unwrap_or_else(|error| panic!("candle: {error}"));
    });
    Ok(())
}

fn rosenbrock(session: &mut Session, len: usize) -> Result<()> {
    let x = Var::from_vec(valley(len), &[len], &Device::Cpu)?;
    serve(session, &[("x", &x)], None, || {
        let (low, high) = (x.narrow(0, 0, len - 1)?, x.narrow(0, 1, len - 1)?);
        let valley = ((high - low.sqr()?)?.sqr()? * 100.0)?;
        (valley + (1.0 - low)?.sqr()?)?.sum_all()
    })
}

fn broadcast(session: &mut Session) -> Result<()> {
    let [a, b, c] = outer();
    let (a, b) = (param(&a, &[SIDE, 1])?, param(&b, &[1, SIDE])?);
    let c = param(&c, &[SIDE])?;
    serve(session, &[("a", &a), ("b", &b), ("c", &c)], None, || {
        a.broadcast_mul(&b)?.broadcast_add(&c)?.relu()?.sum_all()
    })
}

fn attention(session: &mut Session) -> Result<()> {
    let x = tensor(&tokens(), &[BATCH * LENGTH, WIDTH])?;
    let ahead = tensor(&mask(), &[LENGTH, LENGTH])?;
    let p: Vec<Var> = BLOCK
        .iter()
        .zip(block())
        .map(|(part, data)| param(&data, part.1))
        .collect::<Result<_>>()?;
    let leaves: Vec<_> = BLOCK.iter().zip(&p).map(|(part, param)| (part.0, param)).collect();
    let layer_norm =
        |x: &Tensor, i: usize| ops::layer_norm_slow(x, &p[i], &p[i + 1], EPSILON as f32);
    serve(session, &leaves, None, || {
        let qkv = layer_norm(&x, 0)?.matmul(&p[2])?.broadcast_add(&p[3])?;
        let qkv = qkv.reshape((BATCH, LENGTH, 3, HEADS, WIDTH / HEADS))?;
        let part = |i| qkv.narrow(2, i, 1)?.squeeze(2)?.transpose(1, 2)?.contiguous();
        let (q, k, v) = (part(0)?, part(1)?, part(2)?);
        let scale = (HEADS as f64 / WIDTH as f64).sqrt();
        let scores = (q.matmul(&k.t()?)? * scale)?.broadcast_add(&ahead)?;
        let mixed = ops::softmax(&scores, D::Minus1)?.matmul(&v)?.transpose(1, 2)?.contiguous()?;
        let mixed = mixed.reshape((BATCH * LENGTH, WIDTH))?;
        let x = (&x + mixed.matmul(&p[4])?)?.broadcast_add(&p[5])?;
        let up = layer_norm(&x, 6)?.matmul(&p[8])?.broadcast_add(&p[9])?.gelu_erf()?;
        (x + up.matmul(&p[10])?)?.broadcast_add(&p[11])?.sqr()?.mean_all()
    })
}
