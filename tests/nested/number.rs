//! Numbers that carry derivatives along any number of directions, and tensors of them: a second
//! implementation of everything, in which nothing is fast.

use std::cell::Cell;
use std::rc::Rc;

thread_local! {
    /// Whether a choice was made between numbers that are nearly equal: derivatives there are a
    /// convention, and rounding decides.
    pub(crate) static NEAR: Cell<bool> = const { Cell::new(false) };
}

/// Real, or value + slope e with e^2 = 0: along the newest direction, and both of older ones.
#[derive(Clone, Debug)]
pub(crate) enum Number {
    Real(f64),
    Dual(u32, Rc<(Number, Number)>),
}

use Number::{Dual, Real};

/// Elementary functions.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Function {
    Sin,
    Cos,
    Exp,
    Log,
    Tanh,
    Sqrt,
    Erf,
    Reciprocal,
}

use Function::*;

impl Number {
    pub(crate) fn real(&self) -> f64 {
        match self {
            Real(x) => *x,
            Dual(_, parts) => parts.0.real(),
        }
    }

    fn level(&self) -> u32 {
        match self {
            Real(_) => 0,
            Dual(level, _) => *level,
        }
    }

    /// Value and slope along a direction that is not older than its own.
    pub(crate) fn parts(&self, level: u32) -> (Number, Number) {
        match self {
            Dual(own, parts) if *own == level => (parts.0.clone(), parts.1.clone()),
            _ => (self.clone(), Real(0.0)),
        }
    }

    fn dual(level: u32, value: Number, slope: Number) -> Number {
        Dual(level, Rc::new((value, slope)))
    }

    pub(crate) fn moved(&self, level: u32, slope: &Number) -> Number {
        let (value, own) = self.parts(level);
        Self::dual(level, value, own.plus(slope))
    }

    pub(crate) fn plus(&self, other: &Number) -> Number {
        match (self, other) {
            (Real(a), Real(b)) => Real(a + b),
            _ => {
                let level = self.level().max(other.level());
                let ((a, da), (b, db)) = (self.parts(level), other.parts(level));
                Self::dual(level, a.plus(&b), da.plus(&db))
            }
        }
    }

    pub(crate) fn times(&self, other: &Number) -> Number {
        match (self, other) {
            (Real(a), Real(b)) => Real(a * b),
            _ => {
                let level = self.level().max(other.level());
                let ((a, da), (b, db)) = (self.parts(level), other.parts(level));
                Self::dual(level, a.times(&b), da.times(&b).plus(&a.times(&db)))
            }
        }
    }

    pub(crate) fn scaled(&self, by: f64) -> Number {
        self.times(&Real(by))
    }

    pub(crate) fn add(&self, by: f64) -> Number {
        self.plus(&Real(by))
    }

    pub(crate) fn minus(&self, other: &Number) -> Number {
        self.plus(&other.scaled(-1.0))
    }

    pub(crate) fn over(&self, other: &Number) -> Number {
        self.times(&other.of(Reciprocal))
    }

    pub(crate) fn of(&self, function: Function) -> Number {
        match self {
            Real(x) => Real(match function {
                Sin => x.sin(),
                Cos => x.cos(),
                Exp => x.exp(),
                Log => x.ln(),
                Tanh => x.tanh(),
                Sqrt => x.sqrt(),
                Erf => libm::erf(*x),
                Reciprocal => 1.0 / x,
            }),
            Dual(level, parts) => {
                let (x, slope) = &**parts;
                let y = x.of(function);
                let derivative = match function {
                    Sin => x.of(Cos),
                    Cos => x.of(Sin).scaled(-1.0),
                    Exp => y.clone(),
                    Log => x.of(Reciprocal),
                    Tanh => y.times(&y).scaled(-1.0).add(1.0),
                    Sqrt => y.of(Reciprocal).scaled(0.5),
                    Erf => x.times(x).scaled(-1.0).of(Exp).scaled(std::f64::consts::FRAC_2_SQRT_PI),
                    Reciprocal => y.times(&y).scaled(-1.0),
                };
                Self::dual(*level, y, derivative.times(slope))
            }
        }
    }

    /// Whether it is the larger one: not to be asked of what is nearly equal.
    pub(crate) fn above(&self, other: &Number) -> bool {
        let (a, b) = (self.real(), other.real());
        if (a - b).abs() < 1e-4 {
            NEAR.set(true);
        }
        a > b
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Tensor {
    pub(crate) dims: Vec<usize>,
    pub(crate) data: Vec<Number>,
}

/// Where an element is, of its flat place.
fn index_of(dims: &[usize], mut flat: usize) -> Vec<usize> {
    let mut index = vec![0; dims.len()];
    for (at, &len) in index.iter_mut().zip(dims).rev() {
        (*at, flat) = (flat % len, flat / len);
    }
    index
}

pub(crate) fn flat_of(dims: &[usize], index: &[usize]) -> usize {
    dims.iter().zip(index).fold(0, |flat, (&len, &at)| flat * len + at)
}

impl Tensor {
    pub(crate) fn new(dims: &[usize], data: Vec<Number>) -> Self {
        assert_eq!(data.len(), dims.iter().product::<usize>());
        Self { dims: dims.to_vec(), data }
    }

    pub(crate) fn real(dims: &[usize], data: &[f64]) -> Self {
        Self::new(dims, data.iter().map(|&x| Real(x)).collect())
    }

    pub(crate) fn map(&self, f: impl Fn(&Number) -> Number) -> Self {
        Self::new(&self.dims, self.data.iter().map(f).collect())
    }

    /// Of another shape, each element from an index of this one.
    pub(crate) fn at(&self, dims: &[usize], from: impl Fn(&[usize]) -> Vec<usize>) -> Self {
        let one = |flat| {
            let index = from(&index_of(dims, flat));
            self.data[flat_of(&self.dims, &index)].clone()
        };
        Self::new(dims, (0..dims.iter().product()).map(one).collect())
    }

    pub(crate) fn broadcast(&self, dims: &[usize]) -> Self {
        let behind = dims.len() - self.dims.len();
        self.at(dims, |index| {
            let own = index[behind..].iter().zip(&self.dims);
            own.map(|(&at, &len)| if len == 1 { 0 } else { at }).collect()
        })
    }

    /// Element by element, of two shapes that broadcast.
    pub(crate) fn with(&self, other: &Tensor, f: impl Fn(&Number, &Number) -> Number) -> Self {
        let rank = self.dims.len().max(other.dims.len());
        let len = |x: &Tensor, axis: usize| {
            (axis + x.dims.len()).checked_sub(rank).map_or(1, |axis| x.dims[axis])
        };
        let one = |axis| match (len(self, axis), len(other, axis)) {
            (1, b) => b,
            (a, _) => a,
        };
        let dims: Vec<usize> = (0..rank).map(one).collect();
        let (a, b) = (self.broadcast(&dims), other.broadcast(&dims));
        Self::new(&dims, a.data.iter().zip(&b.data).map(|(a, b)| f(a, b)).collect())
    }

    /// Each line along an axis, as another one.
    pub(crate) fn lines(&self, axis: usize, f: impl Fn(&[Number]) -> Vec<Number>) -> Self {
        let len = self.dims[axis];
        let behind: usize = self.dims[axis + 1..].iter().product();
        let before: usize = self.dims[..axis].iter().product();
        let mut lines = vec![Vec::new(); before * behind];
        for (k, line) in lines.iter_mut().enumerate() {
            let first = k / behind * len * behind + k % behind;
            *line = f(&(0..len).map(|i| self.data[first + i * behind].clone()).collect::<Vec<_>>());
        }
        // (Of no line, what it would be.)
        let some = || {
            let near = NEAR.get();
            let line = f(&vec![Real(1.0); len]);
            NEAR.set(near);
            line
        };
        let many = lines.first().map_or_else(|| some().len(), Vec::len);
        let mut dims = self.dims.clone();
        dims[axis] = many;
        let mut data = Vec::new();
        for k in 0..before * many * behind {
            let (i, place) = (k / behind % many, k % behind);
            data.push(lines[k / behind / many * behind + place][i].clone());
        }
        Self::new(&dims, data)
    }

    /// Several of one shape, along a new first axis.
    pub(crate) fn stack(all: &[Tensor], own: &[usize]) -> Self {
        let dims: Vec<usize> = std::iter::once(all.len()).chain(own.iter().copied()).collect();
        Self::new(&dims, all.iter().flat_map(|x| x.data.clone()).collect())
    }
}
