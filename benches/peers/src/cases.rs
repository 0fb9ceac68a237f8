//! The cases: names, data, how far results may differ, and what a time is divided by for the
//! table. `benches/README.md` says what W1 to W31 are.

use std::fmt;
use std::sync::LazyLock;

use crate::programs::Row;
pub(crate) use crate::programs::composed::{
    BATCH, BLOCK, EPSILON, HEADS, LENGTH, SIDE, WIDTH, block, mask, outer, tokens, valley,
};
pub(crate) use crate::programs::data::{labels, numbers};

/// Something to compute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Case {
    /// What the machine can do, by itself: bytes read, bytes copied, multiply-adds.
    Hardware(Hardware),
    W1,
    W2,
    W3(usize),
    W3Chain(usize),
    W4 {
        op: Unary,
        pull: bool,
        len: usize,
    },
    W5(Rows),
    W6(Product),
    W7(usize),
    W8(usize),
    W9,
    W11,
    /// One of W13 to W31, by its place among [`PROGRAMS`].
    Program(usize),
}

/// What `workloads` times, too: in bumpgrad, and as a loop by hand.
pub static PROGRAMS: LazyLock<Vec<Row>> = LazyLock::new(crate::programs::rows);

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Hardware {
    Read,
    Copy,
    Fma,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unary {
    Exp,
    Log,
    Sin,
    Tanh,
    Sigmoid,
    Gelu,
    Sqrt,
    Recip,
    Pow,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rows {
    Sum,
    Sum0,
    Sum1,
    Max1,
    Softmax,
    CrossEntropy,
    LayerNorm,
}

/// `count` products [m, k] x [k, n].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Product {
    pub count: usize,
    pub m: usize,
    pub k: usize,
    pub n: usize,
}

pub const UNARY: [(Unary, &str); 9] = [
    (Unary::Exp, "exp"),
    (Unary::Log, "log"),
    (Unary::Sin, "sin"),
    (Unary::Tanh, "tanh"),
    (Unary::Sigmoid, "sigmoid"),
    (Unary::Gelu, "gelu"),
    (Unary::Sqrt, "sqrt"),
    (Unary::Recip, "recip"),
    (Unary::Pow, "pow2.5"),
];

pub const ROWS: [(Rows, &str); 7] = [
    (Rows::Sum, "sum"),
    (Rows::Sum0, "sum-axis-0"),
    (Rows::Sum1, "sum-axis-1"),
    (Rows::Max1, "max-axis-1"),
    (Rows::Softmax, "softmax"),
    (Rows::CrossEntropy, "cross-entropy"),
    (Rows::LayerNorm, "layer-norm"),
];

pub const PRODUCTS: [(Product, &str); 6] = [
    (Product { count: 1, m: 32, k: 32, n: 32 }, "32"),
    (Product { count: 1, m: 128, k: 128, n: 128 }, "128"),
    (Product { count: 1, m: 512, k: 512, n: 512 }, "512"),
    (Product { count: 1, m: 1024, k: 1024, n: 1024 }, "1024"),
    (Product { count: 1, m: 64, k: 784, n: 256 }, "64x784x256"),
    (Product { count: 64, m: 64, k: 64, n: 64 }, "batched-64"),
];

fn named<T: Copy + PartialEq>(table: &[(T, &'static str)], item: T) -> &'static str {
    table.iter().find(|(other, _)| *other == item).map_or("?", |(_, name)| name)
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Hardware(Hardware::Read) => write!(f, "hardware/read"),
            Self::Hardware(Hardware::Copy) => write!(f, "hardware/copy"),
            Self::Hardware(Hardware::Fma) => write!(f, "hardware/fma"),
            Self::W1 => write!(f, "W1"),
            Self::W2 => write!(f, "W2"),
            Self::W3(len) => write!(f, "W3/{len}"),
            Self::W3Chain(len) => write!(f, "W3chain/{len}"),
            Self::W4 { op, pull, len } => {
                let pass = if pull { "forward+pull" } else { "forward" };
                write!(f, "W4/{}/{pass}/{len}", named(&UNARY, op))
            }
            Self::W5(rows) => write!(f, "W5/{}", named(&ROWS, rows)),
            Self::W6(product) => write!(f, "W6/{}", named(&PRODUCTS, product)),
            Self::W7(batch) => write!(f, "W7/{batch}"),
            Self::W8(len) => write!(f, "W8/{len}"),
            Self::W9 => write!(f, "W9"),
            Self::W11 => write!(f, "W11"),
            Self::Program(place) => f.write_str(&PROGRAMS[place].name),
        }
    }
}

impl Case {
    pub fn all() -> Vec<Self> {
        let mut all = [Hardware::Read, Hardware::Copy, Hardware::Fma].map(Self::Hardware).to_vec();
        all.extend([Self::W1, Self::W2]);
        all.extend([10_000, 100_000, 10_000_000].map(Self::W3));
        all.push(Self::W3Chain(10_000_000));
        for (pull, len) in [(true, 1_000), (false, 100_000), (true, 100_000), (true, 10_000_000)] {
            all.extend(UNARY.map(|(op, _)| Self::W4 { op, pull, len }));
        }
        all.extend(ROWS.map(|(rows, _)| Self::W5(rows)));
        all.extend(PRODUCTS.map(|(product, _)| Self::W6(product)));
        all.extend([64, 1024].map(Self::W7));
        all.extend([1_000, 100_000].map(Self::W8));
        all.extend([Self::W9, Self::W11]);
        all.extend((0..PROGRAMS.len()).map(Self::Program));
        all
    }

    /// Whether it may take many seconds, so that it runs only when it is asked for.
    pub fn is_large(self) -> bool {
        matches!(self, Self::Program(place) if PROGRAMS[place].is_large())
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|case| case.to_string() == name)
    }

    /// How far results and gradients of two libraries may differ: relative to the element, or to
    /// the root mean square of its tensor where the element is smaller.
    pub fn tolerance(self) -> f64 {
        match self {
            Self::W1 | Self::W2 | Self::W7(_) | Self::W11 => 2e-3,
            Self::W6(_) | Self::W9 => 5e-4,
            Self::W8(_) => 1e-10,
            Self::Program(place) => PROGRAMS[place].tolerance,
            _ => 2e-4,
        }
    }

    /// As `tolerance`, for a result that is a sum of a million numbers and more: libraries that add
    /// one f32 after the other lose some digits of it, and gradients do not depend on it.
    pub fn result_tolerance(self) -> f64 {
        match self {
            Self::W3(1_000_000..) | Self::W3Chain(_) | Self::W5(Rows::Sum) | Self::W9 => 5e-2,
            _ => self.tolerance(),
        }
    }

    /// The unit that the table shows, how many seconds it is, and how many of the things it is
    /// spread over.
    pub fn unit(self) -> (String, f64, usize) {
        let (unit, scale, per) = match self {
            Self::Hardware(_) => ("ms", 1e-3, 1),
            Self::W1 | Self::W2 => ("ns/op", 1e-9, STEPS),
            Self::W3(len) if len < 1_000_000 => ("us", 1e-6, 1),
            Self::W3(_) | Self::W3Chain(_) | Self::W5(_) | Self::W9 | Self::W11 => ("ms", 1e-3, 1),
            Self::W4 { len, .. } => ("ns/element", 1e-9, len),
            Self::W6(_) | Self::W7(_) => ("us", 1e-6, 1),
            Self::W8(len) => ("ns/variable", 1e-9, len),
            Self::Program(place) => {
                let Row { unit, count, .. } = PROGRAMS[place];
                return (format!("ns/{unit}"), 1e-9, count);
            }
        };
        (unit.to_string(), scale, per)
    }

    /// Multiply-adds count as two; backward as two products more.
    pub fn operations(self) -> Option<f64> {
        let count = match self {
            Self::Hardware(Hardware::Fma) => 2_000_000_000,
            Self::W6(Product { count, m, k, n }) => 6 * count * m * k * n,
            Self::W7(batch) => {
                // The images need no gradient.
                let layers = SIZES.windows(2).map(|pair| pair[0] * pair[1]);
                batch * (6 * layers.sum::<usize>() - 2 * SIZES[0] * SIZES[1])
            }
            Self::W11 => {
                let weights = 12 * WIDTH * WIDTH;
                let attention = 2 * LENGTH * WIDTH;
                6 * BATCH * LENGTH * (weights + attention)
            }
            _ => return None,
        };
        Some(count as f64)
    }

    /// How many arrays a result cannot do without reading and writing, and of how many bytes.
    pub fn traffic(self) -> Option<Traffic> {
        let matrix = 4 * HEIGHT * COLUMNS;
        let (reads, writes, bytes) = match self {
            Self::Hardware(Hardware::Read) => (1, 0, 4 * 32_000_000),
            Self::Hardware(Hardware::Copy) => (1, 1, 4 * 16_000_000),
            // Input and head; result and gradient.
            Self::W4 { pull: true, len: len @ 1_000_000.., .. } => (2, 2, 4 * len),
            Self::W5(Rows::Softmax | Rows::LayerNorm) => (2, 2, matrix),
            Self::W5(_) => (1, 1, matrix),
            _ => return None,
        };
        Some(Traffic { reads, writes, bytes })
    }
}

#[derive(Clone, Copy)]
pub struct Traffic {
    pub reads: usize,
    pub writes: usize,
    pub bytes: usize,
}

// ---- sizes and constants ----

/// Operations of W1 and W2.
pub const STEPS: usize = 1000;
pub const TERM: f64 = 0.001;
pub const FACTOR: f64 = 1.005;
pub const START: f64 = 0.5;
/// What iteration `count` of W2 writes.
pub fn start(count: u32) -> f32 {
    START as f32 + (count % 64) as f32 / 128.0
}
/// Rounds of four operations in W3chain.
pub const ROUNDS: usize = 5;
/// W5's matrix.
pub const HEIGHT: usize = 4096;
pub const COLUMNS: usize = 1024;
/// W7's layers.
pub const SIZES: [usize; 4] = [784, 256, 128, 10];
pub const LAYERS: usize = SIZES.len() - 1;
pub const RATE: f64 = 1e-4;
// ---- data ----

/// W3's x, y and z.
pub fn squares(len: usize) -> [Vec<f32>; 3] {
    [1, 2, 3].map(|seed| numbers(seed, len, -3.0, 3.0))
}

pub fn chain(len: usize) -> Vec<f32> {
    numbers(4, len, -1.0, 1.0)
}

pub fn unary(op: Unary, len: usize) -> Vec<f32> {
    let positive = matches!(op, Unary::Log | Unary::Sqrt | Unary::Recip | Unary::Pow);
    numbers(5, len, if positive { 0.1 } else { -4.0 }, 4.0)
}

pub fn matrix() -> Vec<f32> {
    numbers(6, HEIGHT * COLUMNS, -4.0, 4.0)
}

/// A head gradient.
pub fn head(len: usize) -> Vec<f32> {
    numbers(7, len, -1.0, 1.0)
}

/// W5's classes.
pub fn classes() -> Vec<i64> {
    labels(8, HEIGHT, COLUMNS)
}

/// Layer norm's weight and bias.
pub fn norm() -> [Vec<f32>; 2] {
    [numbers(9, COLUMNS, 0.5, 1.5), numbers(10, COLUMNS, -0.5, 0.5)]
}

/// Left, right and head.
pub fn product(Product { count, m, k, n }: Product) -> [Vec<f32>; 3] {
    [(11, m, k), (12, k, n), (13, m, n)]
        .map(|(seed, rows, columns)| numbers(seed, count * rows * columns, -1.0, 1.0))
}

/// W7's weights, biases, images and classes.
pub struct Digits {
    pub weights: [Vec<f32>; LAYERS],
    pub biases: [Vec<f32>; LAYERS],
    pub images: Vec<f32>,
    pub classes: Vec<i64>,
}

pub fn digits(batch: usize) -> Digits {
    let part = |seed: usize, layer: usize, rows: usize| {
        let bound = 1.0 / (SIZES[layer] as f32).sqrt();
        numbers((seed + layer) as u64, rows * SIZES[layer + 1], -bound, bound)
    };
    Digits {
        weights: std::array::from_fn(|layer| part(14, layer, SIZES[layer])),
        biases: std::array::from_fn(|layer| part(17, layer, 1)),
        images: numbers(20, batch * SIZES[0], 0.0, 1.0),
        classes: labels(21, batch, SIZES[LAYERS]),
    }
}
