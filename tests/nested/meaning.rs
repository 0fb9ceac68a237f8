//! What programs mean, without a rule for any operation or transform. A derivative moves an input by a
//! new direction e, with e^2 = 0, computes everything again, and takes the part along e; a batch puts other
//! data in the place of an input, and computes everything again.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use crate::number::{Number, Tensor};
use crate::program::Step;

use Number::Real;

enum Place {
    /// Moved by a tangent, along this direction.
    Moved(u32, Tensor),
    Taken(Tensor),
}

/// Some inputs are elsewhere.
#[derive(Default)]
pub(crate) struct World<'a> {
    outside: Option<&'a World<'a>>,
    places: Vec<(usize, Place)>,
    known: RefCell<HashMap<usize, Tensor>>,
}

pub(crate) struct Meaning<'a> {
    steps: &'a [Step],
    leaves: Vec<Tensor>,
    level: Cell<u32>,
}

impl<'a> Meaning<'a> {
    pub(crate) fn new(steps: &'a [Step], leaves: Vec<Tensor>) -> Self {
        Self { steps, leaves, level: Cell::new(0) }
    }

    fn direction(&self) -> u32 {
        self.level.set(self.level.get() + 1);
        self.level.get()
    }

    pub(crate) fn value(&self, world: &World<'_>, x: usize) -> Tensor {
        if let Some(known) = world.known.borrow().get(&x) {
            return known.clone();
        }
        let mut inner = Some(world);
        let mut places = Vec::new();
        while let Some(world) = inner {
            places.extend(world.places.iter().rev().filter(|place| place.0 == x));
            inner = world.outside;
        }
        // From the outermost one in; what is taken is not moved by what is outside.
        let taken = places.iter().position(|place| matches!(place.1, Place::Taken(_)));
        let mut value = match taken.map(|at| &places[at].1) {
            Some(Place::Taken(value)) => value.clone(),
            _ => self.step(world, x),
        };
        for place in places[..taken.unwrap_or(places.len())].iter().rev() {
            if let Place::Moved(level, by) = &place.1 {
                value = value.with(by, |x, by| x.moved(*level, by));
            }
        }
        world.known.borrow_mut().insert(x, value.clone());
        value
    }

    fn step(&self, world: &World<'_>, x: usize) -> Tensor {
        let of = |x: usize| self.value(world, x);
        let found = match &self.steps[x] {
            Step::Leaf(k) => return self.leaves[*k].clone(),
            Step::Plain(plain) => return plain.compute(of),
            Step::Jvp(ys, pairs, which) => {
                let moving = pairs.iter().map(|&(x, tangent)| (x, of(tangent))).collect();
                self.moved(world, ys[*which], moving)
            }
            Step::Grad(roots, x) => self.gradient(world, roots, *x),
            Step::Hvp(y, x, tangent) => {
                // Along both: each element of the gradient, moved.
                let level = self.direction();
                let places = vec![(*x, Place::Moved(level, of(*tangent)))];
                let inner = World { outside: Some(world), places, ..World::default() };
                let gradient = self.gradient_of_sum(&inner, *y, *x);
                gradient.map(|x| x.parts(level).1)
            }
            Step::Vmap(ys, pairs, is_empty, which) => {
                let one = |second: bool| {
                    let place = |&(x, other): &(usize, usize)| {
                        (x, Place::Taken(of(if second { other } else { x })))
                    };
                    let places = pairs.iter().map(place).collect();
                    let inner = World { outside: Some(world), places, ..World::default() };
                    self.value(&inner, ys[*which])
                };
                let all = [one(false), one(true)];
                let own = all[0].dims.clone();
                Tensor::stack(if *is_empty { &[] } else { &all }, &own)
            }
            Step::Jacobian(y, x) => self.jacobian(world, *y, *x),
            Step::Hessian(y, x) => {
                let (from, len) = (of(*x), of(*x).data.len());
                let mut rows = Vec::new();
                for i in 0..len {
                    let level = self.direction();
                    let places = vec![(*x, Place::Moved(level, unit(&from.dims, i)))];
                    let inner = World { outside: Some(world), places, ..World::default() };
                    rows.push(self.gradient_of_sum(&inner, *y, *x).map(|x| x.parts(level).1));
                }
                let dims = [&from.dims[..], &from.dims[..]].concat();
                Tensor::new(&dims, rows.into_iter().flat_map(|row| row.data).collect())
            }
        };
        // (As it was recorded.)
        found.map(|x| x.scaled(-1.0))
    }

    /// How `y` moves when some inputs do.
    fn moved(&self, world: &World<'_>, y: usize, moving: Vec<(usize, Tensor)>) -> Tensor {
        let level = self.direction();
        let places = moving.into_iter().map(|(x, by)| (x, Place::Moved(level, by))).collect();
        let inner = World { outside: Some(world), places, ..World::default() };
        self.value(&inner, y).map(|x| x.parts(level).1)
    }

    /// By each element of `x`, how all elements of `y` move.
    fn columns(&self, world: &World<'_>, y: usize, x: usize) -> Vec<Tensor> {
        let from = self.value(world, x);
        let column = |i| self.moved(world, y, vec![(x, unit(&from.dims, i))]);
        (0..from.data.len()).map(column).collect()
    }

    fn gradient(&self, world: &World<'_>, roots: &[(usize, usize)], x: usize) -> Tensor {
        let from = self.value(world, x);
        let mut total = from.map(|_| Real(0.0));
        for &(y, head) in roots {
            let head = self.value(world, head);
            let slopes = self.columns(world, y, x).into_iter().map(|c| {
                let terms = c.data.iter().zip(&head.data);
                terms.fold(Real(0.0), |sum, (a, b)| sum.plus(&a.times(b)))
            });
            total = total.with(&Tensor::new(&from.dims, slopes.collect()), Number::plus);
        }
        total
    }

    fn gradient_of_sum(&self, world: &World<'_>, y: usize, x: usize) -> Tensor {
        let from = self.value(world, x);
        let columns = self.columns(world, y, x).into_iter();
        let sums = columns.map(|c| c.data.iter().fold(Real(0.0), |sum, x| sum.plus(x)));
        Tensor::new(&from.dims, sums.collect())
    }

    fn jacobian(&self, world: &World<'_>, y: usize, x: usize) -> Tensor {
        let (to, from) = (self.value(world, y), self.value(world, x));
        let columns = self.columns(world, y, x);
        let rows = (0..to.data.len()).flat_map(|e| columns.iter().map(move |c| c.data[e].clone()));
        Tensor::new(&[&to.dims[..], &from.dims[..]].concat(), rows.collect())
    }
}

fn unit(dims: &[usize], i: usize) -> Tensor {
    let len = dims.iter().product();
    Tensor::new(dims, (0..len).map(|k| Real(f64::from(u8::from(k == i)))).collect())
}
