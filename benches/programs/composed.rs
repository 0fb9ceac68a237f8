//! W8, W9 and W11, which `workloads` times by itself and `peers` beside other libraries: their data,
//! and how bumpgrad records them.

use bumpgrad::Var;

use super::data::{numbers, wide_numbers};

// ---- W8 ----

/// The point.
pub(crate) fn valley(len: usize) -> Vec<f64> {
    wide_numbers(22, len, -1.5, 1.5)
}

/// Rosenbrock's function of the `len` elements of x.
pub(crate) fn rosenbrock(x: Var<'_>, len: usize) -> Var<'_> {
    let end = len as isize;
    let (low, high) = (x.slice(0, 0, end - 1, 1), x.slice(0, 1, end, 1));
    ((high - low.square()).square() * 100.0 + (1.0 - low).square()).sum()
}

// ---- W9 ----

/// The matrix is a square.
pub(crate) const SIDE: usize = 1024;

/// a, b and c.
pub(crate) fn outer() -> [Vec<f32>; 3] {
    [23, 24, 25].map(|seed| numbers(seed, SIDE, -1.0, 1.0))
}

pub(crate) const OUTER_SHAPES: [&[usize]; 3] = [&[SIDE, 1], &[1, SIDE], &[SIDE]];

pub(crate) fn outer_sum<'g>([a, b, c]: [Var<'g>; 3]) -> Var<'g> {
    (a * b + c).relu().sum()
}

// ---- W11 ----

pub(crate) const BATCH: usize = 8;
pub(crate) const LENGTH: usize = 128;
pub(crate) const TOKENS: usize = BATCH * LENGTH;
pub(crate) const WIDTH: usize = 128;
pub(crate) const HEADS: usize = 4;
pub(crate) const EPSILON: f64 = 1e-5;

/// The parameters: name, shape, lowest and highest number.
pub(crate) const BLOCK: [(&str, &[usize], f32, f32); 12] = [
    ("norm 1 weight", &[WIDTH], 0.5, 1.5),
    ("norm 1 bias", &[WIDTH], -0.5, 0.5),
    ("qkv weight", &[WIDTH, 3 * WIDTH], -0.1, 0.1),
    ("qkv bias", &[3 * WIDTH], -0.1, 0.1),
    ("out weight", &[WIDTH, WIDTH], -0.1, 0.1),
    ("out bias", &[WIDTH], -0.1, 0.1),
    ("norm 2 weight", &[WIDTH], 0.5, 1.5),
    ("norm 2 bias", &[WIDTH], -0.5, 0.5),
    ("up weight", &[WIDTH, 4 * WIDTH], -0.1, 0.1),
    ("up bias", &[4 * WIDTH], -0.1, 0.1),
    ("down weight", &[4 * WIDTH, WIDTH], -0.1, 0.1),
    ("down bias", &[WIDTH], -0.1, 0.1),
];

/// The input.
pub(crate) fn tokens() -> Vec<f32> {
    numbers(26, TOKENS * WIDTH, -1.0, 1.0)
}

pub(crate) fn block() -> Vec<Vec<f32>> {
    let part = |(i, &(_, shape, low, high)): (usize, &(&str, &[usize], f32, f32))| {
        numbers(27 + i as u64, shape.iter().product(), low, high)
    };
    BLOCK.iter().enumerate().map(part).collect()
}

/// What is added to the scores of attention: no token looks ahead.
pub(crate) fn mask() -> Vec<f32> {
    let ahead = |i: usize| i % LENGTH > i / LENGTH;
    (0..LENGTH * LENGTH).map(|i| if ahead(i) { -1e9 } else { 0.0 }).collect()
}

/// Made of single operations. W5 has it, too.
pub(crate) fn layer_norm<'g>(x: Var<'g>, weight: Var<'g>, bias: Var<'g>) -> Var<'g> {
    let centred = x - x.mean_axes(&[-1], true);
    let variance = centred.square().mean_axes(&[-1], true);
    centred * (variance + EPSILON).rsqrt() * weight + bias
}

/// The mean square of what the block makes of tokens, with [`BLOCK`]'s parameters and [`mask`].
pub(crate) fn transformer<'g>(x: Var<'g>, p: &[Var<'g>], ahead: Var<'g>) -> Var<'g> {
    let [batch, length, width, heads] = [BATCH, LENGTH, WIDTH, HEADS].map(|n| n as isize);
    let qkv = layer_norm(x, p[0], p[1]).matmul(p[2]) + p[3];
    let qkv = qkv.reshape(&[batch, length, 3, heads, width / heads]);
    let part = |i| qkv.slice(2, i, i + 1, 1).squeeze(Some(2)).permute(&[0, 2, 1, 3]);
    let (q, k, v) = (part(0), part(1), part(2));
    let scale = (HEADS as f64 / WIDTH as f64).sqrt();
    let scores = q.matmul(k.transpose(2, 3)) * scale + ahead;
    let mixed = scores.softmax(3).matmul(v).permute(&[0, 2, 1, 3]);
    let x = x + mixed.reshape(&[batch * length, width]).matmul(p[4]) + p[5];
    let up = (layer_norm(x, p[6], p[7]).matmul(p[8]) + p[9]).gelu();
    (x + up.matmul(p[10]) + p[11]).square().mean()
}
