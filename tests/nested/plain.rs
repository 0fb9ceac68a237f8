//! Operations, twice: recorded, and on numbers that carry derivatives along.

use bumpgrad::{DType, Graph, Var};

use crate::number::{Function, NEAR, Number, Tensor, flat_of};

use Function::*;
use Number::Real;

/// An operation on earlier results, by their places.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Plain {
    Unary(usize, usize),
    Binary(usize, usize, usize),
    Reduce(usize, usize, usize),
    Shape(usize, usize, usize),
    /// A mask.
    Above(usize, usize),
    /// Twice the one where it is above the other, and the other elsewhere.
    Choose(usize, usize),
    /// Places of the largest, along an axis that is kept.
    Largest(usize, usize),
    /// What is at some places.
    Gather(usize, usize, usize),
    /// x x', of matrices.
    Matmul(usize),
    Detach(usize),
    /// A product without gradients, and which of its operands are constant there.
    Silent([usize; 2], [bool; 2]),
    /// To f32 and back.
    Cast(usize),
}

pub(crate) const UNARY: usize = 16;
pub(crate) const BINARY: usize = 6;
pub(crate) const REDUCE: usize = 7;
pub(crate) const SHAPE: usize = 13;

impl Plain {
    pub(crate) fn operands(&self) -> Vec<usize> {
        match *self {
            Self::Unary(_, x) | Self::Reduce(_, x, _) | Self::Shape(_, x, _) => vec![x],
            Self::Largest(x, _) | Self::Matmul(x) | Self::Detach(x) | Self::Cast(x) => vec![x],
            Self::Binary(_, x, y) | Self::Above(x, y) | Self::Choose(x, y) => vec![x, y],
            Self::Gather(x, y, _) => vec![x, y],
            Self::Silent(xs, _) => xs.to_vec(),
        }
    }

    pub(crate) fn record<'g>(&self, graph: &'g Graph, pool: &[Var<'g>]) -> Var<'g> {
        let of = |x: usize| pool[x];
        let dims = |x: usize| pool[x].shape().unwrap();
        match *self {
            Self::Unary(which, x) => unary(which, of(x)),
            Self::Binary(which, x, y) => match which {
                0 => of(x) + of(y),
                1 => of(x) - of(y),
                2 => of(x) * of(y),
                3 => of(x) / (of(y).square() + 0.5),
                4 => of(x).maximum(of(y)),
                _ => (of(x).square() + 0.5).pow(of(y)),
            },
            Self::Reduce(which, x, axis) => {
                let (x, axes) = (of(x), [axis as isize]);
                match which {
                    0 => x.sum_axes(&axes, false),
                    1 => x.mean_axes(&axes, false),
                    2 => x.prod_axes(&axes, false),
                    3 => x.logsumexp_axes(&axes, false),
                    4 => x.var(0.0, &axes, false),
                    5 => x.max_axes(&axes, false),
                    _ => (x.square() + 0.1).norm(2.0, &axes, false),
                }
            }
            Self::Shape(which, x, axis) => {
                let (at, last) =
                    (axis as isize, dims(x).get(axis).map_or(0, |len| *len as i64 - 1));
                let x = of(x);
                match which {
                    0 => x.transpose(0, -1),
                    1 => x.reshape(&[-1]),
                    2 => x.slice(at, 1, isize::MAX, 1),
                    3 => graph.concat(&[x, x.sin()], at),
                    4 => {
                        let wide = |len: &usize| *len as isize;
                        let own = x.shape().unwrap();
                        let to: Vec<_> = std::iter::once(2).chain(own.iter().map(wide)).collect();
                        x.expand(&to)
                    }
                    5 => x.flip(&[at]),
                    6 => x.select(at, 0),
                    7 => x.index_select(at, graph.tensor(&[last, 0, last], &[3])),
                    8 => x.cumsum(at),
                    9 => x.sort(at, false).0,
                    10 => x.softmax(at),
                    11 => x.log_softmax(at),
                    _ => x.pad(&[1, 1], 0.5),
                }
            }
            Self::Above(x, y) => of(x).gt(of(y)),
            Self::Choose(x, y) => {
                let (x, y) = (of(x), of(y));
                x.gt(y).where_(x * 2.0, y)
            }
            Self::Largest(x, axis) => of(x).argmax(Some(axis as isize), true),
            Self::Gather(x, places, axis) => of(x).gather(axis as isize, of(places)),
            Self::Matmul(x) => of(x).matmul(of(x).transpose(0, 1)),
            Self::Detach(x) => of(x).detach(),
            Self::Silent([x, y], _) => {
                let _guard = graph.no_grad();
                of(x) * of(y)
            }
            Self::Cast(x) => of(x).cast(DType::F32).cast(DType::F64),
        }
    }

    pub(crate) fn compute(&self, of: impl Fn(usize) -> Tensor) -> Tensor {
        match *self {
            Self::Unary(which, x) => of(x).map(|x| compute_unary(which, x)),
            Self::Binary(which, x, y) => of(x).with(&of(y), |x, y| match which {
                0 => x.plus(y),
                1 => x.minus(y),
                2 => x.times(y),
                3 => x.over(&y.times(y).add(0.5)),
                4 if x.above(y) => x.clone(),
                4 => y.clone(),
                _ => x.times(x).add(0.5).of(Log).times(y).of(Exp),
            }),
            Self::Reduce(which, x, axis) => {
                let kept = of(x).lines(axis, |line| vec![compute_reduce(which, line)]);
                let mut dims = kept.dims;
                dims.remove(axis);
                Tensor::new(&dims, kept.data)
            }
            Self::Shape(which, x, axis) => compute_shape(which, &of(x), axis),
            Self::Above(x, y) => of(x).with(&of(y), |x, y| Real(f64::from(u8::from(x.above(y))))),
            Self::Choose(x, y) => {
                of(x).with(&of(y), |x, y| if x.above(y) { x.scaled(2.0) } else { y.clone() })
            }
            Self::Largest(x, axis) => of(x).lines(axis, |line| vec![Real(largest(line) as f64)]),
            Self::Gather(x, places, axis) => {
                let (x, places) = (of(x), of(places));
                x.at(&places.dims, |index| {
                    let mut from = index.to_vec();
                    from[axis] = places.data[flat_of(&places.dims, index)].real() as usize;
                    from
                })
            }
            Self::Matmul(x) => {
                let x = of(x);
                let (m, n) = (x.dims[0], x.dims[1]);
                let element = |k: usize| {
                    let row = |i: usize| &x.data[i * n..][..n];
                    let terms = row(k / m).iter().zip(row(k % m));
                    terms.fold(Real(0.0), |sum, (a, b)| sum.plus(&a.times(b)))
                };
                Tensor::new(&[m, m], (0..m * m).map(element).collect())
            }
            Self::Detach(x) => of(x).map(|x| Real(x.real())),
            Self::Silent([x, y], [still_x, still_y]) => {
                let held = |x: Tensor, is| if is { x.map(|x| Real(x.real())) } else { x };
                held(of(x), still_x).with(&held(of(y), still_y), Number::times)
            }
            Self::Cast(x) => of(x),
        }
    }
}

fn unary(which: usize, x: Var<'_>) -> Var<'_> {
    match which {
        0 => x.sin(),
        1 => x.cos(),
        2 => x.tanh(),
        3 => x.exp(),
        4 => x.sigmoid(),
        5 => x.square(),
        6 => x.neg(),
        7 => x.abs(),
        8 => x.relu(),
        9 => (x.square() + 0.5).log(),
        10 => (x.square() + 0.5).sqrt(),
        11 => (x.square() + 0.5).reciprocal(),
        12 => x.softplus(),
        13 => x.floor(),
        14 => x.gelu(),
        _ => x * 0.7 - 0.2,
    }
}

fn compute_unary(which: usize, x: &Number) -> Number {
    let sigmoid = || x.scaled(-1.0).of(Exp).add(1.0).of(Reciprocal);
    let zero = Real(0.0);
    match which {
        0 => x.of(Sin),
        1 => x.of(Cos),
        2 => x.of(Tanh),
        3 => x.of(Exp),
        4 => sigmoid(),
        5 => x.times(x),
        6 => x.scaled(-1.0),
        7 if x.above(&zero) => x.clone(),
        7 => x.scaled(-1.0),
        8 if x.above(&zero) => x.clone(),
        8 => zero,
        9 => x.times(x).add(0.5).of(Log),
        10 => x.times(x).add(0.5).of(Sqrt),
        11 => x.times(x).add(0.5).of(Reciprocal),
        12 => x.of(Exp).add(1.0).of(Log),
        13 => {
            let x = x.real();
            if (x - x.round()).abs() < 1e-4 {
                NEAR.set(true);
            }
            Real(x.floor())
        }
        14 => x.scaled(std::f64::consts::FRAC_1_SQRT_2).of(Erf).add(1.0).times(x).scaled(0.5),
        _ => x.scaled(0.7).add(-0.2),
    }
}

fn largest(line: &[Number]) -> usize {
    (1..line.len()).fold(0, |best, i| if line[i].above(&line[best]) { i } else { best })
}

fn sum(line: &[Number]) -> Number {
    line.iter().fold(Real(0.0), |sum, x| sum.plus(x))
}

fn compute_reduce(which: usize, line: &[Number]) -> Number {
    let mean = || sum(line).scaled(1.0 / line.len() as f64);
    match which {
        0 => sum(line),
        1 => mean(),
        2 => line.iter().fold(Real(1.0), |product, x| product.times(x)),
        3 => sum(&line.iter().map(|x| x.of(Exp)).collect::<Vec<_>>()).of(Log),
        4 => {
            let mean = mean();
            let squares = line.iter().map(|x| x.minus(&mean)).map(|x| x.times(&x));
            sum(&squares.collect::<Vec<_>>()).scaled(1.0 / line.len() as f64)
        }
        5 => line[largest(line)].clone(),
        _ => {
            let squares = line.iter().map(|x| x.times(x).add(0.1)).map(|x| x.times(&x));
            sum(&squares.collect::<Vec<_>>()).of(Sqrt)
        }
    }
}

fn compute_shape(which: usize, x: &Tensor, axis: usize) -> Tensor {
    let softmax = |line: &[Number]| {
        let powers: Vec<_> = line.iter().map(|x| x.of(Exp)).collect();
        let total = sum(&powers);
        powers.iter().map(|x| x.over(&total)).collect::<Vec<_>>()
    };
    match which {
        0 => {
            let (mut dims, last) = (x.dims.clone(), x.dims.len() - 1);
            dims.swap(0, last);
            x.at(&dims, |index| {
                let mut index = index.to_vec();
                index.swap(0, last);
                index
            })
        }
        1 => Tensor::new(&[x.data.len()], x.data.clone()),
        2 => x.lines(axis, |line| line.iter().skip(1).cloned().collect()),
        3 => x.lines(axis, |line| {
            line.iter().cloned().chain(line.iter().map(|x| x.of(Sin))).collect()
        }),
        4 => x.broadcast(&[&[2], &x.dims[..]].concat()),
        5 => x.lines(axis, |line| line.iter().rev().cloned().collect()),
        6 => {
            let first = x.lines(axis, |line| vec![line[0].clone()]);
            let mut dims = first.dims;
            dims.remove(axis);
            Tensor::new(&dims, first.data)
        }
        7 => x.lines(axis, |line| {
            let last = &line[line.len() - 1];
            vec![last.clone(), line[0].clone(), last.clone()]
        }),
        8 => x.lines(axis, |line| (1..=line.len()).map(|to| sum(&line[..to])).collect()),
        9 => x.lines(axis, |line| {
            let mut line = line.to_vec();
            // (Each pair is compared, so that none is nearly equal unnoticed.)
            for end in (1..line.len()).rev() {
                for i in 0..end {
                    if line[i].above(&line[i + 1]) {
                        line.swap(i, i + 1);
                    }
                }
            }
            line
        }),
        10 => x.lines(axis, softmax),
        11 => x.lines(axis, |line| softmax(line).iter().map(|x| x.of(Log)).collect()),
        _ => x.lines(x.dims.len() - 1, |line| {
            let edge = || std::iter::once(Real(0.5));
            edge().chain(line.iter().cloned()).chain(edge()).collect()
        }),
    }
}
