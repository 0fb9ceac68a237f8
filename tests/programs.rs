//! Random programs: a value must not depend on what was read before it.
//!
//! Each program is run lazily (only the end is read), eagerly (every tensor is read as soon as it
//! is recorded, so that views get data of their own), recorded anew after a rewind, and replayed
//! after a write and its undoing. Values and gradients must be equal bit for bit.

use bumpgrad::{Graph, Result, Var};

/// A small generator of choices (splitmix64: G. Steele, D. Lea, C. Flood, 2014).
struct Choices(u64);

impl Choices {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}

/// Records one more tensor from those so far; all values stay within a few units.
fn step<'g>(graph: &'g Graph, pool: &[Var<'g>], choices: &mut Choices) -> Result<Var<'g>> {
    let x = pool[choices.below(pool.len())];
    let shape = x.shape()?;
    let axis = choices.below(shape.len().max(1)) as isize;
    let keepdim = choices.below(2) == 0;
    let partner = |choices: &mut Choices| -> Result<Var<'g>> {
        // Somebody to broadcast with: the last axis of x, a scalar, or x itself, changed.
        Ok(match choices.below(4) {
            0 => x.mean(),
            1 if !shape.is_empty() => x.amax_axes(&[-1], true),
            2 => x.sigmoid(),
            _ => pool.iter().copied().find(|p| p.shape().is_ok_and(|s| s == shape)).unwrap_or(x),
        })
    };
    let y = match choices.below(16) {
        0 => x.sin(),
        1 => x.tanh() * 0.9,
        2 => x.gelu(),
        3 => (x + partner(choices)?).tanh(),
        4 => x * partner(choices)?.sigmoid(),
        5 => x.maximum(partner(choices)?),
        6 => x.gt_scalar(0.1).where_(x, partner(choices)?.expand(&signed(&shape))),
        7 => x.transpose(0, -1),
        8 => x.reshape(&[-1]),
        9 if !shape.is_empty() => x.slice(axis, 0, (shape[axis as usize] as isize - 1).max(1), 2),
        10 if shape.len() < 4 => x.unsqueeze(axis).expand(&wide(&shape, axis as usize, 3)),
        11 => x.mean_axes(&[axis], keepdim),
        12 => x.max_axes(&[axis], keepdim),
        13 if !shape.is_empty() => graph.concat(&[x, x.cos()], axis),
        14 => x.softmax(axis),
        15 if small_product(&shape) => x.matmul(x.transpose(-1, -2)).tanh(),
        _ => x.logsumexp_axes(&[axis], keepdim).cos(),
    };
    Ok(y)
}

/// Larger ones are the `gemm` crate's, whose order of additions depends on the strides.
fn small_product(shape: &[usize]) -> bool {
    matches!(shape, [.., m, k] if m * m * k <= 512)
}

fn signed(shape: &[usize]) -> Vec<isize> {
    shape.iter().map(|&len| len as isize).collect()
}

fn wide(shape: &[usize], axis: usize, len: isize) -> Vec<isize> {
    let mut out = signed(shape);
    out.insert(axis.min(out.len()), len);
    out
}

/// Records a program and runs its backward: the value and the gradient, as bits.
fn run(graph: &Graph, x: Var<'_>, seed: u64, eager: bool) -> Result<Vec<u64>> {
    let x = graph.stack(&[x], 0).squeeze(Some(0)); // this graph's own lifetime
    let mut choices = Choices(seed);
    let mut pool = vec![x];
    for _ in 0..12 {
        let y = step(graph, &pool, &mut choices)?;
        if eager {
            y.eval()?;
        }
        // Products of all with all must stay small.
        if y.shape()?.iter().product::<usize>() <= 2000 {
            pool.push(y);
        }
    }
    let sum = pool.iter().map(|y| y.mean()).reduce(|a, b| a + b).expect("at least x");
    sum.backward()?;
    Ok(vec![sum.item()?.to_bits()])
}

fn gradient(x: Var<'_>) -> Result<Vec<u64>> {
    let grad = x.grad::<f64>()?.expect("x takes part in the sum");
    x.zero_grad()?;
    Ok(grad.iter().map(|d| d.to_bits()).collect())
}

#[test]
fn a_value_does_not_depend_on_what_was_read_before() -> Result<()> {
    let data: Vec<f64> = (0..60).map(|i| ((i * 37) % 23) as f64 * 0.1 - 1.1).collect();
    for seed in 0..3000 {
        let shape: &[usize] = [&[3, 4, 5][..], &[60], &[12, 5], &[1, 20, 3]][seed as usize % 4];
        let told = |error: bumpgrad::Error| panic!("program {seed}: {error}");
        let graph = Graph::new();
        let x = graph.param(&data, shape);
        let mark = graph.mark();
        let lazy = (run(&graph, x, seed, false).unwrap_or_else(told), gradient(x)?);
        graph.rewind(mark)?;
        let eager = (run(&graph, x, seed, true).unwrap_or_else(told), gradient(x)?);
        assert_eq!(lazy, eager, "program {seed}, lazy and eager");
        x.write(&vec![0.5; 60])?;
        x.write(&data)?;
        graph.rewind(mark)?;
        let again = (run(&graph, x, seed, false).unwrap_or_else(told), gradient(x)?);
        assert_eq!(lazy, again, "program {seed}, recorded again");
    }
    Ok(())
}
