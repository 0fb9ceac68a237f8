//! Random programs, many of whose steps are tangents, gradients and batches of other steps, against other
//! ways to the same numbers: forward mode against reverse mode, derivatives against differences, and
//! batches against a loop. (That none of this depends on how it is computed is the matter of
//! `programs.rs`.)

mod genes;
#[rustfmt::skip]
mod operations;

use std::cell::Cell;

use bumpgrad::{DType, Graph, Result, Var};
use genes::*;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// Runs a test of programs, and demands that enough of them were judged: the others have numbers that are
/// none, or too large.
fn judge<P: std::fmt::Debug>(
    share: u32,
    programs: impl Strategy<Value = P>,
    test: impl Fn(&P) -> std::result::Result<bool, TestCaseError>,
) {
    let (judged, all) = (Cell::new(0), Cell::new(0));
    let mut runner = TestRunner::new(cases(share));
    let outcome = runner.run(&programs, |program| {
        let is_judged = test(&program)?;
        judged.set(judged.get() + usize::from(is_judged));
        all.set(all.get() + 1);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    let (judged, all) = (judged.get(), all.get());
    println!("{judged} of {all} programs were judged");
    assert!(judged * 2 > all, "only {judged} of {all} programs were judged");
}

/// A failure, with what was recorded.
fn wrong(graph: &Graph, message: String) -> TestCaseError {
    let text = graph.to_text();
    let end: Vec<_> = text.lines().take(200).collect();
    TestCaseError::fail(format!("{message}\n{}", end.join("\n")))
}

fn precise() -> impl Strategy<Value = Program> {
    small().prop_map(|program| Program {
        dtype: DType::F64,
        special: false,
        most: 600,
        shape: if len_of(program.shape) > 100 { &[3, 5] } else { program.shape },
        ..program
    })
}

/// All that a program records, leaves first.
fn pool<'g>(graph: &'g Graph, program: &Program, leaves: Vec<Var<'g>>) -> Result<Vec<Var<'g>>> {
    let mut pool = leaves;
    for gene in &program.genes {
        if let Some(y) = record(graph, program, &pool, gene)?
            && len_of(&y.shape()?) <= program.most
        {
            pool.push(y);
        }
    }
    graph.check().map(|()| pool)
}

/// Numbers between -1 and 1 without a pattern.
fn scattered<'g>(graph: &'g Graph, like: Var<'_>, salt: usize) -> Result<Var<'g>> {
    let shape = like.shape()?;
    let number = |i: usize| (((i + 1) * (2 * salt + 37)) % 101) as f64 / 50.0 - 1.0;
    Ok(graph.tensor(&(0..len_of(&shape)).map(number).collect::<Vec<_>>(), &shape))
}

/// The sum of products, and of their sizes.
fn product(x: Var<'_>, y: Var<'_>) -> Result<(f64, f64)> {
    let (x, y) = (x.to_vec::<f64>()?, y.to_vec::<f64>()?);
    let terms = x.iter().zip(&y).map(|(x, y)| x * y);
    Ok(terms.fold((0.0, 0.0), |(sum, size), term| (sum + term, size + f64::abs(term))))
}

/// How precise the numbers of a recording are, in proportion to the largest ones.
fn precision(graph: &Graph) -> f64 {
    if graph.to_text().contains("f32") { 1e-4 } else { 1e-9 }
}

const LARGEST: f64 = 1e6;

/// Whether all values are such that rounding errors stay small.
fn is_tame(pool: &[Var<'_>]) -> Result<bool> {
    for x in pool {
        if !x.to_vec::<f64>()?.iter().all(|x| x.abs() < LARGEST) {
            return Ok(false);
        }
    }
    Ok(true)
}

// ---- forward and reverse ----

/// <u, J v> = <J' u, v>, with all steps as outputs, and all leaves as inputs.
fn modes_meet(program: &Program) -> std::result::Result<bool, TestCaseError> {
    let graph = Graph::new();
    let found = told((|| -> Result<_> {
        let leaves = leaves(&graph, program);
        let pool = pool(&graph, program, leaves.clone())?;
        let mut roots = Vec::new();
        for (k, &y) in pool.iter().enumerate() {
            if y.requires_grad()? {
                roots.push((y, Some(scattered(&graph, y, k)?)));
            }
        }
        let mut moving = Vec::new();
        for (k, &x) in leaves.iter().enumerate() {
            moving.push((x, scattered(&graph, x, 20 + k)?));
        }
        let ys: Vec<_> = roots.iter().map(|root| root.0).collect();
        let moved = graph.jvp(&ys, &moving)?;
        let gradients = graph.grad_allow_unused(&roots, &leaves)?;
        let (mut forward, mut reverse, mut size) = (0.0, 0.0, 0.0);
        for (&(_, u), &moved) in roots.iter().zip(&moved) {
            let (sum, part) = product(moved, u.unwrap())?;
            (forward, size) = (forward + sum, size + part);
        }
        for (&(_, v), gradient) in moving.iter().zip(gradients) {
            if let Some(gradient) = gradient {
                let (sum, part) = product(gradient, v)?;
                (reverse, size) = (reverse + sum, size + part);
            }
        }
        Ok((forward, reverse, size, is_tame(&pool)?))
    })())?;
    let (forward, reverse, size, is_tame) = found;
    if !(is_tame && size < LARGEST) {
        return Ok(false);
    }
    if (forward - reverse).abs() <= precision(&graph) * size.max(1.0) {
        Ok(true)
    } else {
        Err(wrong(&graph, format!("<u, J v> is {forward}, and <J' u, v> {reverse}, of {size}")))
    }
}

#[test]
fn forward_and_reverse_mode_meet() {
    judge(4000, precise(), modes_meet);
}

// ---- differences ----

/// How far from the leaves' numbers slopes are looked at: ties and differences that are 0 have slopes of their
/// own there, which no difference sees.
const AWAY: f64 = 0.00137;

/// All values of a program in one number, with leaves that are so far along their directions, and a little more.
fn weighed(graph: &Graph, program: &Program, along: f64) -> Result<(f64, Vec<f64>, bool)> {
    let leaves = leaves(graph, program);
    let mut moving = Vec::new();
    for (k, &x) in leaves.iter().enumerate() {
        let direction = scattered(graph, x, 20 + k)?;
        let (from, by) = (x.to_vec::<f64>()?, direction.to_vec::<f64>()?);
        let moved: Vec<_> = from.iter().zip(by).map(|(x, by)| x + (AWAY + along) * by).collect();
        x.write(&moved)?;
        moving.push((x, direction));
    }
    let pool = pool(graph, program, leaves)?;
    let (mut value, mut slopes) = (0.0, Vec::new());
    let moved = if along == 0.0 { graph.jvp(&pool, &moving)? } else { Vec::new() };
    for (k, &y) in pool.iter().enumerate() {
        let weights = scattered(graph, y, k)?;
        value += product(y, weights)?.0;
        if along == 0.0 {
            slopes.push(product(moved[k], weights)?.0);
        }
    }
    Ok((value, slopes, is_tame(&pool)?))
}

/// Tangents are what differences go to, where these go somewhere.
fn differences_agree(program: &Program) -> std::result::Result<bool, TestCaseError> {
    let at = |along: f64| {
        let graph = Graph::new();
        told(weighed(&graph, program, along)).map(|found| (graph, found))
    };
    let (graph, (here, slopes, is_tame)) = at(0.0)?;
    let slope: f64 = slopes.iter().sum();
    let step = 1e-5;
    let mut found = Vec::new();
    for step in [step, 0.5 * step] {
        let (up, down) = (at(step)?.1.0, at(-step)?.1.0);
        // On both sides, or there is a kink.
        found.push([(up - here) / step, (here - down) / step, (up - down) / (2.0 * step)]);
    }
    let size = 1.0f64.max(here.abs()).max(slope.abs());
    let all = found.iter().flatten();
    let (least, most) = all.fold((f64::MAX, f64::MIN), |(a, b), &x| (a.min(x), b.max(x)));
    let spread = most - least;
    // (A slope that is none is one of log or of a root at 0.)
    let is_tame = is_tame && slope.is_finite() && size < LARGEST;
    if !(is_tame && spread < 1e-4 * size) {
        return Ok(false);
    }
    // (The error of the smaller step is a quarter.)
    let limit = found[1][2] + (found[1][2] - found[0][2]) / 3.0;
    let error = spread + 1e-6 * size;
    if (slope - limit).abs() <= error {
        Ok(true)
    } else {
        Err(wrong(&graph, format!("the slope is {slope}, and the difference goes to {limit}")))
    }
}

#[test]
fn tangents_are_limits_of_differences() {
    judge(2000, precise().prop_map(|p| Program { smooth: true, ..p }), differences_agree);
}

// ---- batches ----

/// The data of one element of a batch.
fn element(program: &Program, leaf: usize, len: usize, b: usize) -> Vec<f64> {
    data(program, len, leaf + 50 * b, |x| x)
}

/// Which leaves have one more axis.
fn is_batched(which: u8, leaf: usize) -> bool {
    leaf == 0 || which >> leaf & 1 == 1
}

const BATCH: usize = 3;

/// All steps for a batch of leaves, and gradients of that, are those of the elements, one by one.
fn batches_are_loops((program, which): &(Program, u8)) -> std::result::Result<bool, TestCaseError> {
    let graph = Graph::new();
    let batched = told(in_a_batch(&graph, program, *which))?;
    let Some((values, gradients)) = batched else { return Ok(false) };
    let precision = 10.0 * precision(&graph);
    let mut sums: Vec<Vec<f64>> = Vec::new();
    for b in 0..BATCH {
        let alone = Graph::new();
        let (want, slopes, is_tame) = told(one_by_one(&alone, program, *which, b))?;
        if !is_tame || !slopes.iter().flatten().all(|x| x.abs() < LARGEST) {
            return Ok(false);
        }
        for (k, want) in want.iter().enumerate() {
            let got = &values[k][b * want.len()..][..want.len()];
            if let Some(message) = apart(got, want, precision) {
                return Err(wrong(&graph, format!("step {k} of element {b}: {message}")));
            }
        }
        for (k, slope) in slopes.iter().enumerate() {
            if is_batched(*which, k) {
                let got = &gradients[k][b * slope.len()..][..slope.len()];
                if let Some(message) = apart(got, slope, precision) {
                    let message = format!("gradient {k} of element {b}: {message}");
                    return Err(wrong(&graph, message));
                }
            }
        }
        if sums.is_empty() {
            sums = slopes;
        } else {
            let all = sums.iter_mut().flatten().zip(slopes.iter().flatten());
            all.for_each(|(sum, slope)| *sum += slope);
        }
    }
    for (k, sum) in sums.iter().enumerate() {
        if !is_batched(*which, k)
            && let Some(message) = apart(&gradients[k], sum, precision)
        {
            return Err(wrong(&graph, format!("gradient {k}, which is shared: {message}")));
        }
    }
    Ok(true)
}

fn apart(got: &[f64], want: &[f64], precision: f64) -> Option<String> {
    let scale = want.iter().fold(1.0f64, |most, x| most.max(x.abs()));
    let is_close = |a: f64, b: f64| a.is_nan() && b.is_nan() || (a - b).abs() <= precision * scale;
    let at = (0..want.len()).find(|&i| !is_close(got[i], want[i]))?;
    Some(format!("{at} of {} is {}, not {}", want.len(), got[at], want[at]))
}

/// What is differentiated: all steps, weighed by how many they are.
fn total<'g>(graph: &'g Graph, steps: &[Var<'g>]) -> Result<Var<'g>> {
    let mut total = graph.scalar(0.0);
    for (k, &y) in steps.iter().enumerate() {
        total = total + y.sum() * (1.0 / (1 + k) as f64);
    }
    Ok(total)
}

type Numbers = Vec<Vec<f64>>;

fn gradients(graph: &Graph, total: Var<'_>, xs: &[Var<'_>]) -> Result<Numbers> {
    let all = match total.requires_grad()? {
        true => graph.grad_allow_unused(&[(total, None)], xs)?,
        false => vec![None; xs.len()],
    };
    let zeros = |x: &Var<'_>| x.shape().map(|shape| vec![0.0; len_of(&shape)]);
    let one = |(g, x): (Option<Var<'_>>, &Var<'_>)| g.map_or_else(|| zeros(x), |g| g.to_vec());
    all.into_iter().zip(xs).map(one).collect()
}

/// Values and gradients; nothing if there is no room for one more axis.
fn in_a_batch(graph: &Graph, program: &Program, which: u8) -> Result<Option<(Numbers, Numbers)>> {
    let leaves = leaves(graph, program);
    let (mut pairs, mut xs) = (Vec::new(), leaves.clone());
    for (k, &leaf) in leaves.iter().enumerate().filter(|&(k, _)| is_batched(which, k)) {
        let shape = leaf.shape()?;
        let of = |b| element(program, k, len_of(&shape), b);
        let batch = (0..BATCH).flat_map(of).collect::<Vec<_>>();
        xs[k] = graph.param(&batch, &[&[BATCH], &shape[..]].concat());
        pairs.push((leaf, xs[k]));
    }
    let steps = pool(graph, program, leaves)?;
    let all = match graph.vmap(&steps, &pairs) {
        Ok(all) => all,
        Err(error) if error.kind() == bumpgrad::ErrorKind::Limit => return Ok(None),
        Err(error) => return Err(error),
    };
    let gradients = gradients(graph, total(graph, &all)?, &xs)?;
    let values = all.iter().map(|y| y.to_vec()).collect::<Result<_>>()?;
    Ok(Some((values, gradients)))
}

fn one_by_one(
    graph: &Graph,
    program: &Program,
    which: u8,
    b: usize,
) -> Result<(Numbers, Numbers, bool)> {
    let leaves = leaves(graph, program);
    for (k, &leaf) in leaves.iter().enumerate().filter(|&(k, _)| is_batched(which, k)) {
        leaf.write(&element(program, k, len_of(&leaf.shape()?), b))?;
    }
    let steps = pool(graph, program, leaves.clone())?;
    let gradients = gradients(graph, total(graph, &steps)?, &leaves)?;
    let values = steps.iter().map(|y| y.to_vec()).collect::<Result<_>>()?;
    Ok((values, gradients, is_tame(&steps)?))
}

#[test]
fn batches_are_what_a_loop_gives() {
    let programs = precise().prop_map(|p| Program { smooth: true, ..p });
    judge(2000, (programs, any::<u8>()), batches_are_loops);
}
