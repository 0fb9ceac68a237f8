//! Reductions and selections along any axis.
//!
//! - W24: argmax, logsumexp, prod, sum and amax of an f32 matrix [65536, 192] along axis 0 and, as
//!   the measure, along axis 1.
//! - W25: softmax over the middle axis of [16, 64, 64], and over the last one; `+pull` goes backward
//!   from a head.
//! - W27: dropout; amax over two axes of [64, 128, 128], the last two or the outer two; single
//!   elements taken by `gather` and by `index_select`, and the gradients of these.

use std::hint::black_box;

use super::data::{labels, numbers, wide_numbers};
use super::{Outcome, Pass, Row, Serve, anew, graph, ok, value};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = vec![];
    for (name, which) in REDUCTIONS {
        for axis in [0, 1] {
            rows.push(
                Row::new(
                    format!("W24/{name}/axis {axis}"),
                    (HEIGHT * COLUMNS, "element"),
                    move |serve| reduce(serve, which, axis),
                    move || plain_reduce(which, axis),
                )
                .within(1e-4),
            );
        }
    }
    for pull in [false, true] {
        for (name, axis) in [("middle", 1), ("last", 2)] {
            let pass = if pull { "softmax+pull" } else { "softmax" };
            rows.push(Row::new(
                format!("W25/{pass}/{name}"),
                (BOX.iter().product(), "element"),
                move |serve| softmax(serve, axis, pull),
                move || plain_softmax(axis, pull),
            ));
        }
    }
    let million = (MILLION, "element");
    rows.push(
        Row::new(format!("W27/dropout/{MILLION}"), million, dropout, plain_dropout).within(1e-2),
    );
    for (name, axes) in [("last", [1, 2]), ("outer", [0, 2])] {
        rows.push(Row::new(
            format!("W27/amax of two axes/{name}"),
            (CUBE.iter().product(), "element"),
            move |serve| amax(serve, axes),
            move || plain_amax(axes),
        ));
    }
    for (name, way) in [("gather", Way::Gather), ("index_select", Way::IndexSelect)] {
        for gradient in [false, true] {
            let pass = if gradient { "+gradient" } else { "" };
            rows.push(Row::new(
                format!("W27/{name}{pass}/{PICKS}"),
                (PICKS, "element"),
                move |serve| pick(serve, way, gradient),
                move || plain_pick(way, gradient),
            ));
        }
    }
    rows
}

// ---- W24 ----

const HEIGHT: usize = 65_536;
const COLUMNS: usize = 192;

#[derive(Clone, Copy, PartialEq)]
enum Reduction {
    Argmax,
    LogSumExp,
    Prod,
    Sum,
    Amax,
}

const REDUCTIONS: [(&str, Reduction); 5] = [
    ("argmax", Reduction::Argmax),
    ("logsumexp", Reduction::LogSumExp),
    ("prod", Reduction::Prod),
    ("sum", Reduction::Sum),
    ("amax", Reduction::Amax),
];

/// A product of as many stays in range.
fn matrix(which: Reduction) -> Vec<f32> {
    let (low, high) = if which == Reduction::Prod { (0.99, 1.01) } else { (0.5, 2.0) };
    numbers(70, HEIGHT * COLUMNS, low, high)
}

fn reduce(serve: &mut Serve<'_>, which: Reduction, axis: isize) {
    let graph = graph();
    let x = graph.tensor(&matrix(which), &[HEIGHT, COLUMNS]);
    value(&graph, serve, || match which {
        Reduction::Argmax => x.argmax(Some(axis), false),
        Reduction::LogSumExp => x.logsumexp_axes(&[axis], false),
        Reduction::Prod => x.prod_axes(&[axis], false),
        Reduction::Sum => x.sum_axes(&[axis], false),
        Reduction::Amax => x.amax_axes(&[axis], false),
    });
}

/// What a loop by hand computes with: f32 for the time, f64 for the comparison.
trait Float: Copy + PartialOrd + Into<f64> {
    fn from(x: f64) -> Self;
    fn add(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    fn exp_less(self, max: Self) -> Self;
    fn log_plus(self, max: Self) -> Self;
}

macro_rules! floats {
    ($($T:ident)*) => {$(
        impl Float for $T {
            fn from(x: f64) -> Self {
                x as $T
            }
            fn add(self, other: Self) -> Self {
                self + other
            }
            fn mul(self, other: Self) -> Self {
                self * other
            }
            fn exp_less(self, max: Self) -> Self {
                (self - max).exp()
            }
            fn log_plus(self, max: Self) -> Self {
                self.ln() + max
            }
        }
    )*};
}
floats!(f32 f64);

/// Along axis 0 row by row, so that memory is read in order.
fn fold<T: Float>(
    x: &[T],
    axis: isize,
    init: f64,
    mut step: impl FnMut(usize, &mut T, T),
) -> Vec<T> {
    let mut out = vec![T::from(init); if axis == 0 { COLUMNS } else { HEIGHT }];
    for (i, row) in x.chunks_exact(COLUMNS).enumerate() {
        if axis == 0 {
            out.iter_mut().zip(row).for_each(|(out, &x)| step(i, out, x));
        } else {
            row.iter().enumerate().for_each(|(k, &x)| step(k, &mut out[i], x));
        }
    }
    out
}

fn reduce_by_hand<T: Float>(x: &[T], which: Reduction, axis: isize) -> Vec<T> {
    let larger = |_, out: &mut T, x: T| *out = if x > *out { x } else { *out };
    match which {
        Reduction::Sum => fold(x, axis, 0.0, |_, out, x| *out = out.add(x)),
        Reduction::Prod => fold(x, axis, 1.0, |_, out, x| *out = out.mul(x)),
        Reduction::Amax => fold(x, axis, f64::NEG_INFINITY, larger),
        Reduction::LogSumExp => {
            let max = fold(x, axis, f64::NEG_INFINITY, larger);
            let mut sums = vec![T::from(0.0); max.len()];
            for (i, row) in x.chunks_exact(COLUMNS).enumerate() {
                for (k, &x) in row.iter().enumerate() {
                    let place = if axis == 0 { k } else { i };
                    sums[place] = sums[place].add(x.exp_less(max[place]));
                }
            }
            sums.iter().zip(max).map(|(sum, max)| sum.log_plus(max)).collect()
        }
        Reduction::Argmax => {
            let len = if axis == 0 { COLUMNS } else { HEIGHT };
            let mut max = vec![T::from(f64::NEG_INFINITY); len];
            let mut place = vec![0u32; len];
            for (i, row) in x.chunks_exact(COLUMNS).enumerate() {
                for (k, &x) in row.iter().enumerate() {
                    let (at, index) = if axis == 0 { (k, i) } else { (i, k) };
                    if x > max[at] {
                        (max[at], place[at]) = (x, index as u32);
                    }
                }
            }
            place.iter().map(|&place| T::from(place.into())).collect()
        }
    }
}

fn plain_reduce(which: Reduction, axis: isize) -> Box<Pass<'static>> {
    let x = matrix(which);
    Box::new(move |outcome| {
        black_box(reduce_by_hand(black_box(&x), which, axis));
        if let Some(outcome) = outcome {
            let wide: Vec<f64> = x.iter().map(|&x| x.into()).collect();
            outcome.put("y", &reduce_by_hand(&wide, which, axis));
        }
    })
}

// ---- W25 ----

const BOX: [usize; 3] = [16, 64, 64];

fn softmax(serve: &mut Serve<'_>, axis: isize, pull: bool) {
    let graph = graph();
    let len = BOX.iter().product();
    let x = graph.param(&wide_numbers(71, len, -2.0, 2.0), &BOX);
    let head = graph.tensor(&wide_numbers(72, len, -1.0, 1.0), &BOX);
    if !pull {
        return value(&graph, serve, || x.softmax(axis));
    }
    anew(&graph, serve, |outcome| {
        let y = x.softmax(axis);
        ok(y.backward_with(head));
        ok(y.eval());
        if let Some(outcome) = outcome {
            outcome.put_value("y", y);
            outcome.put_gradient("x", x);
        }
    });
}

fn plain_softmax(axis: isize, pull: bool) -> Box<Pass<'static>> {
    let len = BOX.iter().product();
    let (x, head) = (wide_numbers(71, len, -2.0, 2.0), wide_numbers(72, len, -1.0, 1.0));
    let mut y = vec![0.0; len];
    let mut by = vec![0.0; if pull { len } else { 0 }];
    // Lines along the axis: how many of them lie side by side, and how long they are.
    let beside = if axis == 1 { BOX[2] } else { 1 };
    let count = BOX[axis as usize];
    Box::new(move |outcome: Option<&mut Outcome>| {
        let x = black_box(&x);
        let mut maxima = vec![0.0; beside];
        let mut sums = vec![0.0; beside];
        for first in (0..len).step_by(beside * count) {
            let block = first..first + beside * count;
            maxima.fill(f64::NEG_INFINITY);
            for row in x[block.clone()].chunks_exact(beside) {
                maxima.iter_mut().zip(row).for_each(|(max, x)| *max = x.max(*max));
            }
            sums.fill(0.0);
            let rows = x[block.clone()].chunks_exact(beside);
            for (row, out) in rows.zip(y[block.clone()].chunks_exact_mut(beside)) {
                for k in 0..beside {
                    out[k] = (row[k] - maxima[k]).exp();
                    sums[k] += out[k];
                }
            }
            sums.iter_mut().for_each(|sum| *sum = 1.0 / *sum);
            for out in y[block.clone()].chunks_exact_mut(beside) {
                out.iter_mut().zip(&sums).for_each(|(y, scale)| *y *= scale);
            }
            if !pull {
                continue;
            }
            sums.fill(0.0);
            let pairs = |y: &[f64], head: &[f64]| -> Vec<f64> {
                y.iter().zip(head).map(|(y, head)| y * head).collect()
            };
            by[block.clone()].copy_from_slice(&pairs(&y[block.clone()], &head[block.clone()]));
            for row in by[block.clone()].chunks_exact(beside) {
                sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
            }
            let rows = y[block.clone()].chunks_exact(beside);
            for (row, by) in rows.zip(by[block].chunks_exact_mut(beside)) {
                for k in 0..beside {
                    by[k] -= row[k] * sums[k];
                }
            }
        }
        black_box((&y, &by));
        if let Some(outcome) = outcome {
            outcome.put("y", &y);
            if pull {
                outcome.put("x", &by);
            }
        }
    })
}

// ---- W27 ----

const MILLION: usize = 1_000_000;
const DROPPED: f64 = 0.25;

/// What is left, and how much of it: chance decides which.
fn kept(outcome: &mut Outcome, x: &[f64], y: &[f64]) {
    let right = |(x, y): (&f64, &f64)| *y == 0.0 || (y - x / (1.0 - DROPPED)).abs() < 1e-12;
    assert!(x.iter().zip(y).all(right), "dropout keeps x / (1 - p)");
    outcome.put("kept", &[y.iter().filter(|&&y| y != 0.0).count() as f64]);
}

fn dropout(serve: &mut Serve<'_>) {
    let graph = graph();
    graph.set_training(true);
    let data = wide_numbers(73, MILLION, 0.5, 1.0);
    let x = graph.tensor(&data, &[MILLION]);
    anew(&graph, serve, |outcome| {
        let y = x.dropout(DROPPED);
        ok(y.eval());
        if let Some(outcome) = outcome {
            kept(outcome, &data, &ok(y.to_vec()));
        }
    });
}

/// With a counter-based generator, as simple as will do.
fn plain_dropout() -> Box<Pass<'static>> {
    let x = wide_numbers(73, MILLION, 0.5, 1.0);
    let mut y = vec![0.0; MILLION];
    let mut seed = 0u64;
    Box::new(move |outcome: Option<&mut Outcome>| {
        seed += 1;
        let limit = (DROPPED * (1u64 << 32) as f64) as u64;
        for (i, (y, x)) in y.iter_mut().zip(black_box(&x)).enumerate() {
            let mut z = (seed << 32 | i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            z = (z ^ (z >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
            *y = if z >> 32 < limit { 0.0 } else { x * (1.0 / (1.0 - DROPPED)) };
        }
        black_box(&y);
        if let Some(outcome) = outcome {
            kept(outcome, &x, &y);
        }
    })
}

const CUBE: [usize; 3] = [64, 128, 128];

fn amax(serve: &mut Serve<'_>, axes: [isize; 2]) {
    let graph = graph();
    let x = graph.tensor(&wide_numbers(74, CUBE.iter().product(), -1.0, 1.0), &CUBE);
    value(&graph, serve, || x.amax_axes(&axes, false));
}

fn plain_amax(axes: [isize; 2]) -> Box<Pass<'static>> {
    let [outer, middle, inner] = CUBE;
    let x = wide_numbers(74, CUBE.iter().product(), -1.0, 1.0);
    Box::new(move |outcome: Option<&mut Outcome>| {
        let of = |row: &[f64]| row.iter().fold(f64::NEG_INFINITY, |max, &x| x.max(max));
        let mut y = vec![f64::NEG_INFINITY; if axes[0] == 1 { outer } else { middle }];
        for (i, row) in black_box(&x).chunks_exact(inner).enumerate() {
            let place = if axes[0] == 1 { i / middle } else { i % middle };
            y[place] = y[place].max(of(row));
        }
        black_box(&y);
        if let Some(outcome) = outcome {
            outcome.put("y", &y);
        }
    })
}

#[derive(Clone, Copy)]
enum Way {
    Gather,
    IndexSelect,
}

const PICKS: usize = 100_000;
const CLASSES: usize = 10;

fn pick(serve: &mut Serve<'_>, way: Way, gradient: bool) {
    let graph = graph();
    let data = wide_numbers(75, PICKS * CLASSES, -1.0, 1.0);
    let heads = graph.tensor(&wide_numbers(76, PICKS, -1.0, 1.0), &[PICKS]);
    let (x, index) = match way {
        Way::Gather => (
            graph.param(&data, &[PICKS, CLASSES]),
            graph.tensor(&labels(77, PICKS, CLASSES), &[PICKS, 1]),
        ),
        Way::IndexSelect => (
            graph.param(&data, &[PICKS * CLASSES]),
            graph.tensor(&labels(77, PICKS, PICKS * CLASSES), &[PICKS]),
        ),
    };
    let record = || match way {
        Way::Gather => x.gather(1, index).squeeze(Some(1)),
        Way::IndexSelect => x.index_select(0, index),
    };
    if !gradient {
        return value(&graph, serve, record);
    }
    anew(&graph, serve, |outcome| {
        let y = record();
        ok(y.backward_with(heads));
        ok(y.eval());
        if let Some(outcome) = outcome {
            outcome.put_value("y", y);
            outcome.put_gradient("x", x);
        }
    });
}

fn plain_pick(way: Way, gradient: bool) -> Box<Pass<'static>> {
    let x = wide_numbers(75, PICKS * CLASSES, -1.0, 1.0);
    let heads = wide_numbers(76, PICKS, -1.0, 1.0);
    let index = match way {
        Way::Gather => labels(77, PICKS, CLASSES),
        Way::IndexSelect => labels(77, PICKS, PICKS * CLASSES),
    };
    let place = move |i: usize, index: i64| match way {
        Way::Gather => i * CLASSES + index as usize,
        Way::IndexSelect => index as usize,
    };
    let mut y = vec![0.0; PICKS];
    let mut by = vec![0.0; if gradient { x.len() } else { 0 }];
    Box::new(move |outcome: Option<&mut Outcome>| {
        for (i, (y, &index)) in y.iter_mut().zip(black_box(&index)).enumerate() {
            *y = x[place(i, index)];
        }
        if gradient {
            by.fill(0.0);
            for (i, (head, &index)) in heads.iter().zip(&index).enumerate() {
                by[place(i, index)] += head;
            }
        }
        black_box((&y, &by));
        if let Some(outcome) = outcome {
            outcome.put("y", &y);
            if gradient {
                outcome.put("x", &by);
            }
        }
    })
}
