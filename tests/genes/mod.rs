//! Programs of genes: small numbers, each of which records one more tensor from those so far.
//!
//! A program is a list of genes, so that proptest leaves out what is not needed and makes the rest
//! smaller. A gene that makes no sense in its place records nothing, so every shortened program is one.
#![allow(dead_code, reason = "each test has its own programs")]

pub(crate) mod transforms;

use std::fmt;

use bumpgrad::{DType, Graph, Reduce, Result, Var};
use proptest::prelude::*;

use crate::operations::{self, Params};

/// One more tensor: an operation, its operands, its parameters.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Gene {
    pub(crate) op: u8,
    pub(crate) x: u8,
    pub(crate) y: u8,
    pub(crate) k: u8,
}

/// In one line, whatever is asked for: programs are lists of them.
impl fmt::Debug for Gene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gene {{ op: {}, x: {}, y: {}, k: {} }}", self.op, self.x, self.y, self.k)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) shape: &'static [usize],
    pub(crate) dtype: DType,
    /// Whether infinities and NaNs are among the data.
    pub(crate) special: bool,
    /// Whether what has no slope, or another one than its value, is left out: what is detached, random,
    /// or rounded, and zeros and ties among the data.
    pub(crate) smooth: bool,
    /// Larger tensors are not used any further.
    pub(crate) most: usize,
    pub(crate) genes: Vec<Gene>,
}

pub(crate) const SMALL: [&[usize]; 16] = [
    &[3, 4, 5],
    &[60],
    &[12, 5],
    &[1, 20, 3],
    &[],
    &[1],
    &[0, 4],
    &[3, 0],
    &[7, 1, 9],
    &[2, 3, 1, 4],
    &[257],
    &[16, 17],
    &[2, 2, 2, 2, 3],
    &[5, 1],
    &[1, 300],
    &[64, 9],
];

/// Beyond a tile, a block of a sum, a chunk, a row that is kept whole.
pub(crate) const LARGE: [&[usize]; 12] = [
    &[1100, 70],
    &[70, 1100],
    &[9000, 9],
    &[9, 9000],
    &[4, 130, 150],
    &[65_537],
    &[200, 400],
    &[3, 8193, 4],
    &[1025, 64],
    &[100_000],
    &[2, 3, 70, 200],
    &[8192, 10],
];

pub(crate) fn gene() -> impl Strategy<Value = Gene> {
    (any::<u8>(), any::<u8>(), any::<u8>(), any::<u8>()).prop_map(|(op, x, y, k)| Gene {
        op,
        x,
        y,
        k,
    })
}

pub(crate) fn dtype() -> impl Strategy<Value = DType> {
    prop_oneof![Just(DType::F64), Just(DType::F32)]
}

pub(crate) fn small() -> impl Strategy<Value = Program> {
    let genes = prop::collection::vec(gene(), 1..14);
    let special = prop::bool::weighted(0.15);
    (0..SMALL.len(), dtype(), special, genes).prop_map(|(shape, dtype, special, genes)| Program {
        shape: SMALL[shape],
        dtype,
        special,
        smooth: false,
        most: 3000,
        genes,
    })
}

pub(crate) fn large() -> impl Strategy<Value = Program> {
    let genes = prop::collection::vec(gene(), 1..8);
    let special = prop::bool::weighted(0.1);
    (0..LARGE.len(), dtype(), special, genes).prop_map(|(shape, dtype, special, genes)| Program {
        shape: LARGE[shape],
        dtype,
        special,
        smooth: false,
        most: 200_000,
        genes,
    })
}

/// `PROPTEST_CASES` is how many of a hundred.
pub(crate) fn cases(share: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse::<u32>().ok());
    ProptestConfig {
        cases: (cases.unwrap_or(100) * share).div_ceil(100),
        failure_persistence: None,
        max_shrink_iters: 4000,
        ..ProptestConfig::default()
    }
}

// ---- recording ----

pub(crate) fn signed(shape: &[usize]) -> Vec<isize> {
    shape.iter().map(|&len| len as isize).collect()
}

pub(crate) fn len_of(shape: &[usize]) -> usize {
    shape.iter().product()
}

/// Whether one broadcasts to the other.
pub(crate) fn broadcasts(from: &[usize], to: &[usize]) -> bool {
    from.len() <= to.len()
        && from.iter().rev().zip(to.iter().rev()).all(|(&from, &to)| from == to || from == 1)
}

/// Some of the axes, from a number; none stands for all.
pub(crate) fn some_axes(rank: usize, k: usize) -> Vec<isize> {
    (0..rank).filter(|axis| k >> axis & 1 == 1).map(|axis| axis as isize).collect()
}

pub(crate) const UNARY: usize = 26;

pub(crate) fn unary(x: Var<'_>, which: usize) -> Var<'_> {
    match which % UNARY {
        0 => x.sin(),
        1 => x.cos(),
        2 => x.tanh(),
        3 => x.sigmoid(),
        4 => x.gelu(),
        5 => x.gelu_tanh(),
        6 => x.relu(),
        7 => x.abs(),
        8 => x.square().tanh(),
        9 => x.neg(),
        10 => x.softplus(),
        11 => x.silu(),
        12 => x.erf(),
        13 => x.floor(),
        14 => x.sign(),
        15 => x.round(),
        16 => x.tanh().exp(),
        17 => x.abs().log(),
        18 => x.abs().sqrt(),
        19 => (x.abs() + 1.0).rsqrt(),
        20 => (x.square() + 0.5).reciprocal(),
        21 => x.tanh().expm1(),
        22 => x.abs().log1p(),
        23 => (x.tanh() * 1.3).tan(),
        24 => x.exp(),
        _ => x.ceil(),
    }
}

pub(crate) fn binary<'g>(x: Var<'g>, y: Var<'g>, which: usize) -> Var<'g> {
    match which % 8 {
        0 => x + y,
        1 => x - y,
        2 => x * y,
        3 => x / (y.abs() + 0.5),
        4 => x.maximum(y),
        5 => x.minimum(y),
        6 => (x.abs() + 0.5).pow(y.tanh()),
        _ => x.atan2(y),
    }
}

pub(crate) fn reduce<'g>(
    x: Var<'g>,
    axes: &[isize],
    keepdim: bool,
    which: usize,
) -> Result<Var<'g>> {
    let shape = x.shape()?;
    let count: usize = match axes {
        [] => len_of(&shape),
        axes => axes.iter().map(|&axis| shape[axis as usize]).product(),
    };
    Ok(match which % 15 {
        0 | 1 => x.sum_axes(axes, keepdim).tanh(),
        2 => x.mean_axes(axes, keepdim),
        3 if count > 0 => x.max_axes(axes, keepdim),
        4 if count > 0 => x.min_axes(axes, keepdim),
        5 if count > 0 => x.amax_axes(axes, keepdim),
        6 if count > 0 => x.amin_axes(axes, keepdim),
        7 | 8 => x.logsumexp_axes(axes, keepdim),
        9 => x.norm(2.0, axes, keepdim),
        12 => x.norm(1.5, axes, keepdim),
        13 => x.norm(1.0, axes, keepdim),
        14 if count > 0 => x.norm(f64::INFINITY, axes, keepdim),
        10 if count < 50 => x.prod_axes(axes, keepdim),
        _ => x.var(0.0, axes, keepdim),
    })
}

/// A tensor to be combined with one of this shape: what broadcasts, or is made to.
pub(crate) fn partner<'g>(pool: &[Var<'g>], x: Var<'g>, gene: &Gene) -> Result<Var<'g>> {
    let shape = x.shape()?;
    let from = gene.y as usize;
    for i in 0..pool.len() {
        let other = pool[(from + i) % pool.len()];
        if i < 4 && broadcasts(&other.shape()?, &shape) {
            return Ok(other);
        }
    }
    reduce(x, &some_axes(shape.len(), from >> 2), true, from)
}

/// Those before this one are operations, and those from it on make recordings of recordings.
pub(crate) const OPERATIONS: u8 = 57;
pub(crate) const GENES: u8 = OPERATIONS + transforms::KINDS;

/// Parameters of any operation, from a gene.
pub(crate) struct Drawn<'a> {
    gene: &'a Gene,
    rank: usize,
    dtype: DType,
}

impl Params for Drawn<'_> {
    fn int(&self, name: &str) -> isize {
        let k = self.gene.k as usize;
        match name {
            _ if name.starts_with("axis") => {
                (k / name.len() % self.rank.max(1)) as isize - (k & 1) as isize
            }
            // Of what is counted a few.
            _ => 1 + (k / 2 % 3) as isize,
        }
    }
    fn maybe_int(&self, name: &str) -> Option<isize> {
        (self.gene.k & 1 == 0).then(|| self.int(name))
    }
    fn ints(&self, name: &str) -> Vec<isize> {
        let k = self.gene.k as usize;
        match name {
            "axes" => some_axes(self.rank, k),
            "order" => (0..self.rank as isize).rev().collect(),
            _ => (0..self.rank).map(|axis| 1 + (k >> axis & 1) as isize).collect(),
        }
    }
    fn number(&self, _: &str) -> f64 {
        f64::from(self.gene.k % 8) * 0.25 + 0.25
    }
    fn maybe_number(&self, name: &str) -> Option<f64> {
        (self.gene.k & 2 == 0).then(|| self.number(name))
    }
    fn flag(&self, name: &str) -> bool {
        self.gene.k as usize >> (name.len() % 8) & 1 == 1
    }
    fn dtype(&self, _: &str) -> DType {
        self.dtype
    }
    fn reduce(&self, _: &str) -> Reduce {
        [Reduce::None, Reduce::Mean, Reduce::Sum][self.gene.k as usize % 3]
    }
    fn text(&self, name: &str) -> String {
        let words: &[&str] = match name {
            "how" => &["sum", "prod", "mean", "amax", "amin"],
            _ => &["...i->...i", "...i,...i->...", "...i,...i->...i"],
        };
        words[self.gene.k as usize % words.len()].to_owned()
    }
}

/// Whatever operation there is, by its declaration: nothing where it refuses.
pub(crate) fn declared<'g>(
    graph: &'g Graph,
    program: &Program,
    pool: &[Var<'g>],
    gene: &Gene,
) -> Result<Option<Var<'g>>> {
    let name = operations::NAMES[gene.y as usize % operations::NAMES.len()];
    let x = pool[gene.x as usize % pool.len()];
    let rank = x.shape()?.len();
    // (A norm below eps is left alone in the gradient, as PyTorch does.)
    let has_another_slope =
        ["dropout", "cosine_similarity", "cosine_embedding_loss", "gaussian_nll_loss"];
    if program.smooth && has_another_slope.contains(&name) {
        return Ok(None);
    }
    let is_indexed =
        ["index", "take", "gather", "scatter", "embedding", "classes", "one_hot", "nll"]
            .iter()
            .any(|word| name.contains(word));
    let y = partner(pool, x, gene)?;
    let shape = x.shape()?;
    if is_indexed && len_of(&shape) == 0 {
        return Ok(None);
    }
    // (The first place is there along any axis.)
    let few: Vec<usize> = shape.iter().map(|&len| len.min(2)).collect();
    let index = graph.zeros::<i64>(&few);
    let xs = if is_indexed { [x, index, y, x] } else { [x, y, x, y] };
    let drawn = Drawn { gene, rank, dtype: program.dtype };
    let count = 1 + usize::from(gene.k & 4 == 0);
    let takes_list = ["concat", "stack", "einsum", "meshgrid", "block_diag"].contains(&name);
    let xs = if takes_list { &xs[..count] } else { &xs[..] };
    let results = operations::call(graph, name, xs, &drawn).unwrap_or_default();
    if graph.check().is_err() {
        return Ok(None);
    }
    let Some(&y) = results.get(gene.k as usize % results.len().max(1)) else { return Ok(None) };
    let y = if y.dtype()? == program.dtype { y } else { y.cast(program.dtype) };
    // Large numbers soon leave the range, and then everything is NaN.
    Ok(Some(if gene.k & 8 == 0 { y.tanh() } else { y }))
}

/// Records what a gene says; nothing where that makes no sense.
pub(crate) fn record<'g>(
    graph: &'g Graph,
    program: &Program,
    pool: &[Var<'g>],
    gene: &Gene,
) -> Result<Option<Var<'g>>> {
    let x = pool[gene.x as usize % pool.len()];
    let (shape, k) = (x.shape()?, gene.k as usize);
    let (rank, len) = (shape.len(), len_of(&shape));
    let axis = k % rank.max(1);
    let at = axis as isize;
    let keepdim = k & 64 != 0;
    let constant = f64::from(gene.k) * 0.01 - 0.9;
    let axis_len = shape.get(axis).copied().unwrap_or(1);
    let y = match gene.op % GENES {
        38 | 40 | 41 | 49 if program.smooth => return Ok(None),
        0..4 => unary(x, k),
        4..8 => binary(x, partner(pool, x, gene)?, k),
        8 => x * constant,
        9 => x + constant,
        10 => constant - x,
        11 => constant / (x.abs() + 1.0),
        12 => x.pow_scalar(f64::from(gene.k % 4)).tanh(),
        13 => x.clamp(Some(constant - 0.5), Some(constant + 0.5)),
        14..18 => reduce(x, &some_axes(rank, k), keepdim, gene.y as usize)?,
        18 => x.softmax(at),
        19 => x.log_softmax(at),
        20 | 21 if rank > 0 => {
            // Layer norm, perhaps with weights.
            let mean = x.mean_axes(&[-1], true);
            let scale = (x.var(0.0, &[-1], true) + 1e-5).rsqrt();
            let y = (x - mean) * scale;
            if keepdim { y * partner(pool, x, gene)? + partner(pool, x, gene)? } else { y }
        }
        22 | 23 if rank > 0 && len > 0 => {
            let (classes, rows) = (shape[rank - 1], len / shape[rank - 1]);
            let flat = x.reshape(&[rows as isize, classes as isize]);
            if keepdim {
                flat.cross_entropy((flat * constant).argmax(Some(1), false))
            } else {
                let class =
                    |row| if row % 7 == 3 { -100 } else { ((row * 5 + k) % classes) as i64 };
                let list: Vec<i64> = (0..rows).map(class).collect();
                flat.cross_entropy(graph.tensor(&list, &[rows]))
            }
        }
        24 if rank > 0 && axis_len > 0 => x.gather(at, x.argmax(Some(at), true)),
        25 if rank > 0 && axis_len > 0 => {
            let list: Vec<i64> =
                (0..1 + gene.y as usize % 5).map(|i| ((i * i + k) % axis_len) as i64).collect();
            x.index_select(at, graph.tensor(&list, &[list.len()]))
        }
        26 if rank > 0 => graph.concat(&[x, unary(x, gene.y as usize)], at),
        27 if rank < 5 => graph.stack(&[unary(x, k), x, x.sin()], at),
        28 if rank > 0 => {
            // Not empty, unless the tensor is.
            let start = (gene.y as isize % 3).min(axis_len as isize - 1).max(0);
            let step = 1 + (gene.y as isize >> 2) % 3;
            x.slice(at, start, isize::MAX, step)
        }
        29 if rank > 0 && axis_len > 1 => {
            // Neighbours, perhaps inside of another axis: gradients are sums of blocks among zeros.
            let apart = 1 + (gene.y as isize >> 3) % (axis_len as isize - 1).min(9);
            let step = 1 + isize::from(gene.y & 128 != 0);
            let x = if keepdim { x.slice(-at - 1, 1, -1, 1) } else { x };
            binary(x.slice(at, apart, isize::MAX, step), x.slice(at, 0, -apart, step), k >> 3)
        }
        30 => {
            let mut order: Vec<isize> = (0..rank as isize).collect();
            order.rotate_left(axis);
            if keepdim && rank > 1 {
                order.swap(0, rank - 1);
            }
            x.permute(&order)
        }
        31 => x.transpose(0, -1),
        32 => x.reshape(&[-1]),
        33 if len > 0 && len.is_multiple_of(6) => x.reshape(&[(len / 6) as isize, 2, 3]),
        34 if rank < 5 => {
            let mut wide = signed(&shape);
            wide.insert(axis, 2 + (gene.y % 2) as isize);
            x.unsqueeze(at).expand(&wide)
        }
        35 if rank >= 2 => {
            let (m, n) = (shape[rank - 2], shape[rank - 1]);
            if m * m > 40_000 || m * m * n > 5_000_000 {
                return Ok(None);
            }
            x.matmul(unary(x, gene.y as usize).transpose(-1, -2)).tanh()
        }
        36 | 37 => {
            let y = partner(pool, x, gene)?;
            let mask = match k % 4 {
                0 => x.gt_scalar(0.1),
                1 => x.le(y),
                2 => x.eq(y),
                _ => x.ne_scalar(0.0),
            };
            if keepdim {
                mask.cast(program.dtype)
            } else {
                mask.where_(x, y.expand(&signed(&shape)))
            }
        }
        38 => {
            let other = match k % 3 {
                0 => DType::I64,
                _ if program.dtype == DType::F32 => DType::F64,
                _ => DType::F32,
            };
            let y = x.cast(other);
            if other == DType::I64 {
                y.cast(program.dtype)
            } else {
                unary(y, gene.y as usize).cast(program.dtype)
            }
        }
        39 => (0..30 + gene.k % 10).fold(x, |y, i| y * 0.9 + 0.01 * f64::from(i)),
        40 => binary(x, x.detach(), k),
        41 => x.dropout(f64::from(gene.k % 5) * 0.25),
        42 => {
            // A gradient as a node.
            return transforms::gradient(graph, x, pool[0]);
        }
        43 if len <= 400 => {
            // More operands than a step takes.
            let leaf = |i: u8| {
                let value = f64::from(i) * 0.01;
                match program.dtype {
                    DType::F32 => graph.full(&shape, value as f32),
                    _ => graph.full(&shape, value),
                }
            };
            (0..30).fold(x, |y, i| y * 0.9 + leaf(i))
        }
        44 => {
            // Reduced, and used where it was reduced.
            let axes = some_axes(rank, k);
            let small = reduce(x, &axes, true, gene.y as usize)?;
            binary(x, small, gene.y as usize >> 4)
        }
        45 if rank > 0 => {
            // Nothing at all, seen in some way.
            let at = at.min(axis_len as isize);
            let empty = x.slice(axis as isize, at, at, 1 + (gene.y % 3) as isize);
            match gene.y % 5 {
                0 => empty.transpose(0, -1),
                1 => {
                    empty.unsqueeze(0).expand(&[&[3], signed(&empty.shape()?).as_slice()].concat())
                }
                2 => empty.softmax(-1).slice(0, 0, isize::MAX, 2),
                3 => graph.concat(&[empty, x, empty], axis as isize),
                _ => empty.transpose(-1, 0).sum_axes(&some_axes(rank, k), keepdim) * x.mean(),
            }
        }
        46 if rank > 0 && axis_len > 0 => x.gather(at, x.argmin(Some(at), true)),
        47 if rank > 0 && len <= 5000 => {
            // Losses and products of vectors.
            let (flat, y) = (x.reshape(&[-1]), partner(pool, x, gene)?.expand(&signed(&shape)));
            if keepdim { x.mse(y) } else { flat.dot(unary(y, k).reshape(&[-1])).tanh() }
        }
        48 if rank > 0 && shape[rank - 1] <= 40 && len <= 5000 => {
            // A batch of products, and of a matrix with a vector.
            let y = x.unsqueeze(-1).matmul(unary(x, gene.y as usize).unsqueeze(-2));
            if keepdim { y.matmul(x.unsqueeze(-1)).squeeze(Some(-1)).tanh() } else { y.tanh() }
        }
        49 if rank > 0 => {
            let mask = match k % 4 {
                0 => x.lt_scalar(0.1),
                1 => x.ge(unary(x, k)),
                2 => x.le_scalar(constant),
                _ => x.ge_scalar(0.0),
            };
            mask.where_(x.maximum(x.detach()), x * constant)
        }
        51..OPERATIONS => return declared(graph, program, pool, gene),
        kind @ OPERATIONS.. => {
            let kind = kind - OPERATIONS;
            return transforms::transformed(graph, program, pool, gene, kind);
        }
        _ => unary(unary(x, k), gene.y as usize),
    };
    Ok((!y.is_null()).then_some(y))
}

/// The program's leaves, which come first in its pool.
pub(crate) fn leaves<'g>(graph: &'g Graph, program: &Program) -> Vec<Var<'g>> {
    let shape = program.shape;
    let row: &[usize] = shape.last().map_or(&[], std::slice::from_ref);
    let mut column = shape.to_vec();
    if let Some(last) = column.last_mut() {
        *last = 1;
    }
    let leaf = |shape: &[usize], salt| match program.dtype {
        DType::F32 => graph.param(&data::<f32>(program, len_of(shape), salt, |x| x as f32), shape),
        _ => graph.param(&data::<f64>(program, len_of(shape), salt, |x| x), shape),
    };
    vec![leaf(shape, 0), leaf(row, 1), leaf(&column, 2), leaf(&[], 3)]
}

/// Data with ties and zeros of both signs.
pub(crate) fn data<T>(
    program: &Program,
    len: usize,
    salt: usize,
    from: impl Fn(f64) -> T,
) -> Vec<T> {
    let apart = if program.smooth { salt as f64 * 1.7e-5 } else { 0.0 };
    let value = |i: usize| {
        let i = i + salt * 17;
        match (i * 37 + i / 64) % 97 {
            5 if program.special => f64::NAN,
            6 if program.special => f64::INFINITY,
            7 if program.special => f64::NEG_INFINITY,
            8 | 9 if !program.smooth => -0.0,
            10 if !program.smooth => 0.0,
            j => ((j * 37) % 41) as f64 * 0.1 - 2.05 + (i % 1013) as f64 * 1e-4 + apart,
        }
    };
    (0..len).map(|i| from(value(i))).collect()
}

pub(crate) fn write(program: &Program, leaf: Var<'_>, salt: usize) -> Result<()> {
    let len = len_of(&leaf.shape()?);
    match leaf.dtype()? {
        DType::F32 => leaf.write(&data::<f32>(program, len, salt, |x| x as f32)),
        DType::F64 => leaf.write(&data::<f64>(program, len, salt, |x| x)),
        _ => Ok(()),
    }
}

pub(crate) fn bits_f64(x: f64) -> u64 {
    if x.is_nan() { u64::MAX } else { x.to_bits() }
}

/// The elements: as f64, which holds those of f32, too.
pub(crate) fn bits(x: Var<'_>) -> Result<Vec<u64>> {
    Ok(match x.dtype()? {
        DType::F32 => x.to_vec::<f32>()?.iter().map(|&x| bits_f64(x.into())).collect(),
        DType::F64 => x.to_vec::<f64>()?.iter().map(|&x| bits_f64(x)).collect(),
        DType::I64 => x.to_vec::<i64>()?.iter().map(|&x| x as u64).collect(),
        DType::U8 => x.to_vec::<u8>()?.iter().map(|&x| u64::from(x)).collect(),
    })
}

pub(crate) fn grad_bits(x: Var<'_>) -> Result<Option<Vec<u64>>> {
    Ok(match x.dtype()? {
        DType::F32 => {
            x.grad::<f32>()?.map(|grad| grad.iter().map(|&x| bits_f64(x.into())).collect())
        }
        _ => x.grad::<f64>()?.map(|grad| grad.iter().map(|&x| bits_f64(x)).collect()),
    })
}

pub(crate) fn first(one: &[u64], other: &[u64]) -> String {
    let at = (0..one.len().min(other.len())).find(|&i| one[i] != other[i]);
    match at {
        Some(at) => format!(
            "element {at} of {} is {:?} or {:?}",
            one.len(),
            f64::from_bits(one[at]),
            f64::from_bits(other[at])
        ),
        None => format!("{} and {} elements", one.len(), other.len()),
    }
}

pub(crate) fn told<T>(result: Result<T>) -> std::result::Result<T, TestCaseError> {
    result.map_err(|error| TestCaseError::fail(error.to_string()))
}
