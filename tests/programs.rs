//! Random programs: how a value is computed must not show in it.
//!
//! A program is a list of small genes, each of which records one more tensor from those so far. It
//! is run fused and node by node, read at the end and at each step, replayed, recorded again after
//! a rewind, and on several threads: values and gradients must be equal bit for bit. (NaNs count as
//! equal: which operand's NaN an addition hands on is up to the compiler.)

#[rustfmt::skip]
mod operations;

use bumpgrad::{DType, ErrorKind, Graph, Reduce, Result, Sgd, Var};
use operations::Params;
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

/// One more tensor: an operation, its operands, its parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Gene {
    op: u8,
    x: u8,
    y: u8,
    k: u8,
}

#[derive(Clone, Debug)]
struct Program {
    shape: &'static [usize],
    dtype: DType,
    /// Whether infinities and NaNs are among the data.
    special: bool,
    /// Larger tensors are not used any further.
    most: usize,
    genes: Vec<Gene>,
}

const SMALL: [&[usize]; 16] = [
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
const LARGE: [&[usize]; 12] = [
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

fn gene() -> impl Strategy<Value = Gene> {
    (any::<u8>(), any::<u8>(), any::<u8>(), any::<u8>()).prop_map(|(op, x, y, k)| Gene {
        op,
        x,
        y,
        k,
    })
}

fn dtype() -> impl Strategy<Value = DType> {
    prop_oneof![Just(DType::F64), Just(DType::F32)]
}

fn small() -> impl Strategy<Value = Program> {
    let genes = prop::collection::vec(gene(), 1..14);
    let special = prop::bool::weighted(0.15);
    (0..SMALL.len(), dtype(), special, genes).prop_map(|(shape, dtype, special, genes)| Program {
        shape: SMALL[shape],
        dtype,
        special,
        most: 3000,
        genes,
    })
}

fn large() -> impl Strategy<Value = Program> {
    let genes = prop::collection::vec(gene(), 1..8);
    let special = prop::bool::weighted(0.1);
    (0..LARGE.len(), dtype(), special, genes).prop_map(|(shape, dtype, special, genes)| Program {
        shape: LARGE[shape],
        dtype,
        special,
        most: 200_000,
        genes,
    })
}

/// `PROPTEST_CASES` is how many of a hundred.
fn cases(share: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse::<u32>().ok());
    ProptestConfig {
        cases: (cases.unwrap_or(100) * share).div_ceil(100),
        failure_persistence: None,
        max_shrink_iters: 4000,
        ..ProptestConfig::default()
    }
}

// ---- recording ----

fn signed(shape: &[usize]) -> Vec<isize> {
    shape.iter().map(|&len| len as isize).collect()
}

fn len_of(shape: &[usize]) -> usize {
    shape.iter().product()
}

/// Whether one broadcasts to the other.
fn broadcasts(from: &[usize], to: &[usize]) -> bool {
    from.len() <= to.len()
        && from.iter().rev().zip(to.iter().rev()).all(|(&from, &to)| from == to || from == 1)
}

/// Some of the axes, from a number; none stands for all.
fn some_axes(rank: usize, k: usize) -> Vec<isize> {
    (0..rank).filter(|axis| k >> axis & 1 == 1).map(|axis| axis as isize).collect()
}

const UNARY: usize = 26;

fn unary(x: Var<'_>, which: usize) -> Var<'_> {
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

fn binary<'g>(x: Var<'g>, y: Var<'g>, which: usize) -> Var<'g> {
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

fn reduce<'g>(x: Var<'g>, axes: &[isize], keepdim: bool, which: usize) -> Result<Var<'g>> {
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
fn partner<'g>(pool: &[Var<'g>], x: Var<'g>, gene: &Gene) -> Result<Var<'g>> {
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

const GENES: u8 = 58;

/// Parameters of any operation, from a gene.
struct Drawn<'a> {
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
fn declared<'g>(
    graph: &'g Graph,
    program: &Program,
    pool: &[Var<'g>],
    gene: &Gene,
) -> Result<Option<Var<'g>>> {
    let name = operations::NAMES[gene.y as usize % operations::NAMES.len()];
    let x = pool[gene.x as usize % pool.len()];
    let rank = x.shape()?.len();
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
fn record<'g>(
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
            let grad = graph.grad_allow_unused(&[(x.sum(), None)], &pool[..1])?;
            match grad[0] {
                Some(grad) => grad,
                None => return Ok(None),
            }
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
        51..57 => return declared(graph, program, pool, gene),
        _ => unary(unary(x, k), gene.y as usize),
    };
    Ok((!y.is_null()).then_some(y))
}

/// The program's leaves, which come first in its pool.
fn leaves<'g>(graph: &'g Graph, program: &Program) -> Vec<Var<'g>> {
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
fn data<T>(program: &Program, len: usize, salt: usize, from: impl Fn(f64) -> T) -> Vec<T> {
    let value = |i: usize| {
        let i = i + salt * 17;
        match (i * 37 + i / 64) % 97 {
            5 if program.special => f64::NAN,
            6 if program.special => f64::INFINITY,
            7 if program.special => f64::NEG_INFINITY,
            8 | 9 => -0.0,
            10 => 0.0,
            j => ((j * 37) % 41) as f64 * 0.1 - 2.05 + (i % 1013) as f64 * 1e-4,
        }
    };
    (0..len).map(|i| from(value(i))).collect()
}

fn write(program: &Program, leaf: Var<'_>, salt: usize) -> Result<()> {
    let len = len_of(&leaf.shape()?);
    match leaf.dtype()? {
        DType::F32 => leaf.write(&data::<f32>(program, len, salt, |x| x as f32)),
        DType::F64 => leaf.write(&data::<f64>(program, len, salt, |x| x)),
        _ => Ok(()),
    }
}

// ---- running ----

fn bits_f64(x: f64) -> u64 {
    if x.is_nan() { u64::MAX } else { x.to_bits() }
}

/// The elements: as f64, which holds those of f32, too.
fn bits(x: Var<'_>) -> Result<Vec<u64>> {
    Ok(match x.dtype()? {
        DType::F32 => x.to_vec::<f32>()?.iter().map(|&x| bits_f64(x.into())).collect(),
        DType::F64 => x.to_vec::<f64>()?.iter().map(|&x| bits_f64(x)).collect(),
        DType::I64 => x.to_vec::<i64>()?.iter().map(|&x| x as u64).collect(),
        DType::U8 => x.to_vec::<u8>()?.iter().map(|&x| u64::from(x)).collect(),
    })
}

fn grad_bits(x: Var<'_>) -> Result<Option<Vec<u64>>> {
    Ok(match x.dtype()? {
        DType::F32 => {
            x.grad::<f32>()?.map(|grad| grad.iter().map(|&x| bits_f64(x.into())).collect())
        }
        _ => x.grad::<f64>()?.map(|grad| grad.iter().map(|&x| bits_f64(x)).collect()),
    })
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    BackwardFirst,
    ValueFirst,
    /// Every tensor is read as soon as it is recorded.
    Eager,
}

#[derive(Clone, Debug, PartialEq)]
struct Outcome {
    total: u64,
    grads: Vec<Option<Vec<u64>>>,
    values: Vec<Vec<u64>>,
}

/// A recorded program.
struct Tape<'g> {
    leaves: usize,
    pool: Vec<Var<'g>>,
    total: Var<'g>,
}

fn tape<'g>(
    graph: &'g Graph,
    program: &Program,
    leaves: &[Var<'g>],
    order: Order,
) -> Result<Tape<'g>> {
    graph.set_seed(7);
    let mut pool = leaves.to_vec();
    for gene in &program.genes {
        let Some(y) = record(graph, program, &pool, gene)? else {
            graph.check()?;
            continue;
        };
        if order == Order::Eager {
            y.eval()?;
        }
        if len_of(&y.shape()?) <= program.most {
            pool.push(y);
        }
    }
    let mut total = graph.scalar(0.0f64).cast(program.dtype);
    for &y in &pool {
        total = total + if len_of(&y.shape()?) == 0 { y.sum() } else { y.mean() };
    }
    Ok(Tape { leaves: leaves.len(), pool, total })
}

impl Tape<'_> {
    fn outcome(&self, order: Order) -> Result<Outcome> {
        let total = match order {
            Order::BackwardFirst => {
                self.total.backward()?;
                self.total.item()?
            }
            _ => {
                let total = self.total.item()?;
                self.total.backward()?;
                total
            }
        };
        let grads =
            self.pool[..self.leaves].iter().map(|&x| grad_bits(x)).collect::<Result<_>>()?;
        let values = self.pool.iter().rev().map(|&x| bits(x)).collect::<Result<_>>()?;
        Ok(Outcome { total: bits_f64(total), grads, values })
    }
}

/// On a graph of its own.
fn fresh(program: &Program, order: Order, set: impl Fn(&Graph)) -> Result<Outcome> {
    let graph = Graph::new();
    set(&graph);
    let leaves = leaves(&graph, program);
    tape(&graph, program, &leaves, order)?.outcome(order)
}

/// Says where two outcomes differ, without all of their numbers.
fn same(one: &Outcome, other: &Outcome, what: &str) -> TestCaseResult {
    prop_assert_eq!(one.values.len(), other.values.len(), "{}", what);
    for (k, (one, other)) in one.values.iter().zip(&other.values).rev().enumerate() {
        prop_assert!(one == other, "{}: value {}: {}", what, k, first(one, other));
    }
    let totals = first(&[one.total], &[other.total]);
    prop_assert!(one.total == other.total, "{}: total: {}", what, totals);
    for (k, (one, other)) in one.grads.iter().zip(&other.grads).enumerate() {
        let list = |grad: &Option<Vec<u64>>| grad.clone().unwrap_or_default();
        prop_assert!(one == other, "{}: gradient {}: {}", what, k, first(&list(one), &list(other)));
    }
    Ok(())
}

fn first(one: &[u64], other: &[u64]) -> String {
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

fn told<T>(result: Result<T>) -> std::result::Result<T, TestCaseError> {
    result.map_err(|error| TestCaseError::fail(error.to_string()))
}

/// Two graphs that compute the same differently agree; a replay and a new recording as well.
fn ways_agree(program: &Program, other: &Gene, place: usize) -> TestCaseResult {
    let lazy = told(fresh(program, Order::BackwardFirst, |_| {}))?;
    let unfused = told(fresh(program, Order::BackwardFirst, |graph| graph.set_fusion(false)))?;
    same(&lazy, &unfused, "fused and unfused")?;
    let value = told(fresh(program, Order::ValueFirst, |_| {}))?;
    same(&lazy, &value, "backward first and value first")?;
    let eager = told(fresh(program, Order::Eager, |_| {}))?;
    same(&lazy, &eager, "lazy and eager")?;

    let graph = Graph::new();
    let leaves = leaves(&graph, program);
    let mark = graph.mark();
    let first = told(tape(&graph, program, &leaves, Order::BackwardFirst))?;
    same(&lazy, &told(first.outcome(Order::BackwardFirst))?, "with a mark")?;
    // A second backward doubles.
    told(first.total.backward())?;
    for (&leaf, grad) in leaves.iter().zip(&lazy.grads) {
        let twice: Option<Vec<u64>> =
            grad.as_ref().map(|grad| {
                grad.iter()
                    .map(|&x| f64::from_bits(x))
                    .map(|x| {
                        if program.dtype == DType::F32 {
                            f64::from(x as f32 * 2.0)
                        } else {
                            x * 2.0
                        }
                    })
                    .map(bits_f64)
                    .collect()
            });
        prop_assert!(told(grad_bits(leaf))? == twice, "two backwards are not twice one");
    }
    // Other data, and the first ones again.
    for (order, what) in
        [(Order::ValueFirst, "replayed"), (Order::BackwardFirst, "replayed, backward first")]
    {
        for salt in [40, 0] {
            for (k, &leaf) in leaves.iter().enumerate() {
                told(write(program, leaf, salt + k))?;
            }
            graph.zero_grad();
            graph.set_seed(7);
            let outcome = told(first.outcome(order))?;
            if salt == 0 {
                same(&lazy, &outcome, what)?;
            }
        }
    }
    // The same again, something else in its place, and the same again.
    let mut changed = program.clone();
    let place = place % program.genes.len();
    changed.genes[place] = *other;
    let want = told(fresh(&changed, Order::BackwardFirst, |_| {}))?;
    for (program, want, what) in [
        (program, &lazy, "recorded again"),
        (&changed, &want, "recorded with a change"),
        (program, &lazy, "recorded without the change again"),
    ] {
        graph.zero_grad();
        told(graph.rewind(mark))?;
        let tape = told(tape(&graph, program, &leaves, Order::BackwardFirst))?;
        same(want, &told(tape.outcome(Order::BackwardFirst))?, what)?;
    }
    Ok(())
}

/// A gene that differs from another a little: in a constant, an axis, an operand, everything.
fn changed(gene: Gene, how: u8, by: u8) -> Gene {
    match how % 5 {
        0 => Gene { k: gene.k.wrapping_add(by), ..gene },
        1 => Gene { k: gene.k.wrapping_add(1), ..gene },
        2 => Gene { y: gene.y.wrapping_add(by), ..gene },
        3 => Gene { x: gene.x.wrapping_add(1), ..gene },
        _ => Gene { op: gene.op.wrapping_add(by), ..gene },
    }
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn a_value_does_not_depend_on_how_it_is_computed(
        program in small(),
        (place, how, by) in any::<(usize, u8, u8)>(),
    ) {
        let place = place % program.genes.len();
        let other = changed(program.genes[place], how, by);
        ways_agree(&program, &other, place)?;
    }
}

proptest! {
    #![proptest_config(cases(12))]

    #[test]
    fn large_values_do_not_depend_on_the_number_of_threads(program in large()) {
        let one = told(fresh(&program, Order::BackwardFirst, |graph| graph.set_num_threads(1)))?;
        for threads in [2, 3, 8] {
            let set = |graph: &Graph| graph.set_num_threads(threads);
            let many = told(fresh(&program, Order::BackwardFirst, set))?;
            same(&one, &many, &format!("{threads} threads"))?;
        }
        let unfused = told(fresh(&program, Order::BackwardFirst, |graph| {
            graph.set_fusion(false);
            graph.set_num_threads(2);
        }))?;
        same(&one, &unfused, "unfused")?;
    }

    #[test]
    fn large_values_do_not_depend_on_how_they_are_computed(
        program in large(),
        (place, how, by) in any::<(usize, u8, u8)>(),
    ) {
        let place = place % program.genes.len();
        let other = changed(program.genes[place], how, by);
        ways_agree(&program, &other, place)?;
    }
}

/// Random programs meet every operation that has golden values.
#[test]
fn genes_record_every_operation() -> Result<()> {
    let graph = Graph::new();
    let program =
        Program { shape: &[3, 4, 6], dtype: DType::F64, special: false, most: 3000, genes: vec![] };
    let pool = leaves(&graph, &program);
    for op in 0..GENES {
        for k in 0..=255u8 {
            let gene = Gene { op, x: 0, y: k.wrapping_mul(37), k };
            if let Some(y) = record(&graph, &program, &pool, &gene)? {
                // By itself and fused: no operation is unknown to the planner or the executor.
                for fusion in [false, true] {
                    graph.set_fusion(fusion);
                    if y.requires_grad()? {
                        y.sum().tanh().backward()?;
                    } else {
                        y.eval()?;
                    }
                }
            }
        }
    }
    let text = graph.to_text();
    let recorded: std::collections::BTreeSet<_> = text
        .lines()
        .filter_map(|line| line.split_once(" = ")?.1.split_once(['(', ':']))
        .map(|(name, _)| name)
        .collect();
    let files = [
        include_str!("golden/unary.json"),
        include_str!("golden/binary.json"),
        include_str!("golden/select.json"),
        include_str!("golden/reduce.json"),
        include_str!("golden/shaping.json"),
        include_str!("golden/index.json"),
        include_str!("golden/matmul.json"),
        include_str!("golden/loss.json"),
    ];
    // What is recorded as other operations.
    let composed = [
        "cross_entropy",
        "scale",
        "add_scalar",
        "pow_scalar",
        "mean",
        "prod",
        "var",
        "transpose",
        "squeeze",
        "unsqueeze",
        "stack",
        "dot",
        "mse",
    ];
    for file in files {
        let cases: serde_json::Value = serde_json::from_str(file).unwrap();
        for case in cases.as_array().unwrap() {
            let op = case["op"].as_str().unwrap();
            assert!(recorded.contains(op) || composed.contains(&op), "{op} is in no gene");
        }
    }
    Ok(())
}

// ---- everything that can be done with a graph, in any order ----

#[derive(Clone, Debug)]
enum Deed {
    Record(Gene),
    RecordWithoutGrad(Gene),
    Write(u8, u8),
    Read(u8),
    Backward(u8),
    /// Of two roots, the second one with a head.
    BackwardOfTwo(u8, u8),
    /// Of whatever roots and heads, which often do not fit.
    BackwardOfAny(Vec<(u8, Option<u8>)>),
    /// A gradient as a node: of a root, with a head, for a leaf.
    Grad(u8, u8, u8),
    ReadGrad(u8),
    ZeroGrad,
    ZeroGradOf(u8),
    Toggle(u8),
    Retain(u8),
    Mark,
    Rewind(u8),
    Training(bool),
    Seed(u8),
    Resample,
    Snapshot(u8),
    GradTensor(u8),
    Step,
    /// Whoever fused does so no more, and the other way round.
    Swap,
}

fn deed() -> impl Strategy<Value = Deed> {
    use Deed::*;
    prop_oneof![
        8 => gene().prop_map(Record),
        1 => gene().prop_map(RecordWithoutGrad),
        3 => any::<(u8, u8)>().prop_map(|(x, salt)| Write(x, salt)),
        4 => any::<u8>().prop_map(Read),
        4 => any::<u8>().prop_map(Backward),
        1 => any::<(u8, u8)>().prop_map(|(x, y)| BackwardOfTwo(x, y)),
        2 => prop::collection::vec(any::<(u8, Option<u8>)>(), 1..3).prop_map(BackwardOfAny),
        2 => any::<(u8, u8, u8)>().prop_map(|(x, head, leaf)| Grad(x, head, leaf)),
        1 => any::<u8>().prop_map(ReadGrad),
        1 => Just(ZeroGrad),
        1 => any::<u8>().prop_map(ZeroGradOf),
        1 => any::<u8>().prop_map(Toggle),
        1 => any::<u8>().prop_map(Retain),
        1 => Just(Mark),
        2 => any::<u8>().prop_map(Rewind),
        1 => any::<bool>().prop_map(Training),
        1 => any::<u8>().prop_map(Seed),
        1 => Just(Resample),
        1 => any::<u8>().prop_map(Snapshot),
        1 => any::<u8>().prop_map(GradTensor),
        1 => Just(Step),
        1 => Just(Swap),
    ]
}

/// A graph on which deeds are done.
struct Actor<'g> {
    graph: &'g Graph,
    program: Program,
    pool: Vec<Var<'g>>,
    leaves: usize,
    marks: Vec<(bumpgrad::Mark, usize)>,
    /// A leaf of indices, good or bad.
    index: Var<'g>,
    fusion: bool,
    /// Whether plans are forgotten before each deed.
    forgets: bool,
}

impl<'g> Actor<'g> {
    fn new(graph: &'g Graph, program: &Program, fusion: bool, forgets: bool) -> Self {
        graph.set_fusion(fusion);
        let mut pool = leaves(graph, program);
        let index = graph.tensor(&[0i64, 1, 0], &[3]);
        let leaves = pool.len();
        // (Whether an index is looked at that no element depends on is left open.)
        if !program.shape.is_empty() && len_of(program.shape) > 0 {
            pool.push(pool[0].index_select(0, index));
        }
        let marks = vec![(graph.mark(), pool.len())];
        Self { graph, program: program.clone(), pool, leaves, marks, index, fusion, forgets }
    }

    fn pick(&self, k: u8) -> Var<'g> {
        // Late ones more often, and leaves.
        let len = self.pool.len();
        if k >= 200 {
            self.pool[k as usize % self.leaves]
        } else {
            self.pool[len - 1 - k as usize % len]
        }
    }

    /// Does a deed; what can be seen of it.
    fn act(&mut self, deed: &Deed) -> Result<Vec<u64>> {
        let graph = self.graph;
        let nothing = Vec::new();
        if self.forgets {
            graph.set_fusion(self.fusion);
        }
        match *deed {
            Deed::Record(ref gene) => {
                let y = record(graph, &self.program, &self.pool, gene)?;
                self.keep(y)?;
            }
            Deed::RecordWithoutGrad(ref gene) => {
                let guard = graph.no_grad();
                let y = record(graph, &self.program, &self.pool, gene)?;
                drop(guard);
                self.keep(y)?;
            }
            Deed::Write(x, salt) => {
                if x % 8 == 7 {
                    // An index that is none, or is one again.
                    let bad = if salt % 2 == 0 { 100_000 } else { 0 };
                    self.index.write(&[0i64, bad, 0])?;
                } else {
                    let leaf = self.pool[x as usize % self.leaves];
                    write(&self.program, leaf, salt as usize)?;
                }
            }
            Deed::Read(x) => return bits(self.pick(x)),
            Deed::Backward(x) => self.pick(x).sum().backward()?,
            Deed::BackwardOfTwo(x, y) => {
                let (x, y) = (self.pick(x), self.pick(y));
                graph.backward(&[(x.mean(), None), (y, Some(y.detach().sin()))])?;
            }
            Deed::BackwardOfAny(ref roots) => {
                let pick = |k: u8| self.pick(k);
                let roots: Vec<_> =
                    roots.iter().map(|&(root, head)| (pick(root), head.map(pick))).collect();
                graph.backward(&roots)?;
            }
            Deed::Grad(x, head, leaf) => {
                let leaf = self.pool[leaf as usize % self.leaves];
                let root = (self.pick(x), Some(self.pick(head)));
                let grad = graph.grad_allow_unused(&[root], &[leaf])?;
                self.keep(grad[0])?;
            }
            Deed::ReadGrad(x) => return Ok(grad_bits(self.pick(x))?.unwrap_or_default()),
            Deed::ZeroGrad => graph.zero_grad(),
            Deed::ZeroGradOf(x) => self.pick(x).zero_grad()?,
            Deed::Toggle(x) => {
                let leaf = self.pool[x as usize % self.leaves];
                leaf.set_requires_grad(!leaf.requires_grad()?)?;
            }
            Deed::Retain(x) => self.pick(x).retain_grad()?,
            Deed::Mark => self.marks.push((graph.mark(), self.pool.len())),
            Deed::Rewind(k) => {
                self.marks.truncate(self.marks.len() - k as usize % self.marks.len());
                let (mark, len) = self.marks[self.marks.len() - 1];
                graph.rewind(mark)?;
                self.pool.truncate(len);
            }
            Deed::Training(on) => graph.set_training(on),
            Deed::Seed(seed) => graph.set_seed(seed.into()),
            Deed::Resample => graph.resample(),
            Deed::Snapshot(x) => {
                let copy = self.pick(x).snapshot();
                self.keep((!copy.is_null()).then_some(copy))?;
            }
            Deed::GradTensor(x) => {
                let copy = self.pick(x).grad_tensor()?;
                self.keep(copy)?;
            }
            Deed::Swap => {
                self.fusion = !self.fusion;
                graph.set_fusion(self.fusion);
            }
            Deed::Step => Sgd { momentum: 0.5, ..Sgd::new(0.01) }.step(graph)?,
        }
        Ok(nothing)
    }

    fn keep(&mut self, y: Option<Var<'g>>) -> Result<()> {
        self.graph.check()?;
        if let Some(y) = y
            && len_of(&y.shape()?) <= self.program.most
        {
            self.pool.push(y);
        }
        Ok(())
    }

    /// Everything that can be seen after a deed, without computing.
    fn sight(&self) -> Vec<Option<Vec<u64>>> {
        self.pool[..self.leaves].iter().map(|&x| grad_bits(x).unwrap_or_default()).collect()
    }
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn deeds_in_any_order_are_seen_as_if_unfused_and_planned_anew(
        program in small(),
        deeds in prop::collection::vec(deed(), 1..40),
    ) {
        let (one, other) = (Graph::new(), Graph::new());
        let mut one = Actor::new(&one, &program, true, false);
        let mut other = Actor::new(&other, &program, false, true);
        for (k, deed) in deeds.iter().enumerate() {
            let seen = [&mut one, &mut other].map(|actor| {
                actor.act(deed).map_err(|error| error.to_string())
            });
            prop_assert!(seen[0] == seen[1], "deed {} {:?}: {}", k, deed, match &seen {
                [Ok(one), Ok(other)] => first(one, other),
                [one, other] => format!("{one:?} or {other:?}"),
            });
            if matches!(deed, Deed::Backward(_) | Deed::BackwardOfTwo(..) | Deed::BackwardOfAny(_)) {
                prop_assert!(one.sight() == other.sight(), "gradients after deed {} {:?}", k, deed);
            }
        }
        for k in (0..one.pool.len()).rev() {
            let seen = [&one, &other].map(|actor| {
                bits(actor.pool[k]).map_err(|error| error.to_string())
            });
            prop_assert!(seen[0] == seen[1], "value {} in the end", k);
        }
    }
}

// ---- little memory, and many graphs ----

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn too_little_memory_is_an_error_and_never_another_value(
        program in small(),
        room in 0usize..60_000,
        reads in prop::collection::vec(any::<(u8, u8)>(), 1..20),
    ) {
        let (graph, free) = (Graph::new(), Graph::new());
        let [tape, want] = [&graph, &free].map(|graph| {
            tape(graph, &program, &leaves(graph, &program), Order::BackwardFirst)
        });
        let (tape, want) = (told(tape)?, told(want)?);
        graph.set_memory_limit(graph.memory().total() + room);
        for (k, &(what, at)) in reads.iter().enumerate() {
            let at = at as usize % tape.pool.len();
            let done = match what % 4 {
                0 => tape.total.backward().map(|()| want.total.backward().map(|()| Vec::new())),
                1 => {
                    told(write(&program, tape.pool[at % tape.leaves], what.into()))?;
                    told(write(&program, want.pool[at % want.leaves], what.into()))?;
                    continue;
                }
                _ => bits(tape.pool[at]).map(|seen| {
                    bits(want.pool[at]).map(|want| if want == seen { Vec::new() } else { want })
                }),
            };
            match done {
                Err(error) => prop_assert_eq!(error.kind(), ErrorKind::Memory, "{}", error),
                Ok(other) => prop_assert!(told(other)?.is_empty(), "read {} of {}", k, at),
            }
            for leaf in 0..tape.leaves {
                let seen = told(grad_bits(tape.pool[leaf]))?;
                let want = told(grad_bits(want.pool[leaf]))?;
                prop_assert!(seen == want, "gradient {} after {}", leaf, k);
            }
        }
    }
}

#[test]
fn graphs_on_many_threads_that_share_the_pool_do_not_disturb_each_other() -> Result<()> {
    let gene = |op, x, y, k| Gene { op, x, y, k };
    let program = Program {
        shape: &[1025, 64],
        dtype: DType::F32,
        special: false,
        most: 200_000,
        genes: vec![gene(0, 0, 0, 2), gene(4, 4, 1, 2), gene(18, 5, 0, 1), gene(41, 6, 0, 2)],
    };
    let want = fresh(&program, Order::BackwardFirst, |graph| graph.set_num_threads(1))?;
    std::thread::scope(|scope| {
        for threads in [2, 3, 4, 8] {
            let (program, want) = (&program, &want);
            scope.spawn(move || {
                for _ in 0..3 {
                    let set = |graph: &Graph| graph.set_num_threads(threads);
                    let seen = fresh(program, Order::BackwardFirst, set).unwrap();
                    assert!(seen == *want, "on {threads} threads");
                }
            });
        }
    });
    Ok(())
}
