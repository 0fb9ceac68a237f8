//! Transforms of transforms of random programs, against numbers that carry derivatives along: a second
//! implementation, of a few dozen operations, which knows no rule of any transform. Whatever is nested,
//! detached, silent, read or replayed, both say the same.

#[path = "nested/meaning.rs"]
mod meaning;
#[path = "nested/number.rs"]
mod number;
#[path = "nested/plain.rs"]
mod plain;
#[path = "nested/program.rs"]
mod program;

use std::cell::Cell;

use bumpgrad::{DType, Graph, Result};
use meaning::{Meaning, World};
use number::{NEAR, Tensor};
use program::{Gene, Recording, Step, data};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

const SHAPES: [&[usize]; 8] = [&[3], &[2, 3], &[], &[2, 1, 2], &[1], &[0], &[2, 0], &[4]];
const LARGEST: f64 = 1e5;

#[derive(Clone, Debug)]
struct Program {
    shape: &'static [usize],
    genes: Vec<Gene>,
}

fn programs() -> impl Strategy<Value = Program> {
    // (Late steps more often: programs are deep.)
    let late = || prop_oneof![0..3u8, any::<u8>()];
    let gene = (any::<u8>(), late(), late(), any::<u8>(), any::<u8>());
    let gene = gene.prop_map(|(op, x, y, z, k)| Gene { op, x, y, z, k });
    let genes = prop::collection::vec(gene, 1..16);
    (0..SHAPES.len(), genes).prop_map(|(shape, genes)| Program { shape: SHAPES[shape], genes })
}

/// What was seen of a program.
#[derive(Default)]
struct Seen {
    judged: Cell<usize>,
    all: Cell<usize>,
    refused: Cell<usize>,
    /// Values that were compared: of no transform, of one, of two of each other, of so many or more.
    nested: [Cell<usize>; 8],
}

fn raise(count: &Cell<usize>, by: usize) {
    count.set(count.get() + by);
}

/// Records a program, and reads everything, for two sets of data.
fn played(graph: &Graph, program: &Program) -> Result<(Vec<Vec<Vec<u64>>>, usize)> {
    let mut recording = Recording::new(graph, program.shape);
    for gene in &program.genes {
        recording.play(gene)?;
    }
    let mut seen = Vec::new();
    for salt in 0..2 {
        write(&recording, salt)?;
        let bits = |x: &f64| if x.is_nan() { u64::MAX } else { x.to_bits() };
        let read = recording.pool.iter().map(|x| x.cast(DType::F64).to_vec::<f64>());
        let read = read.collect::<Result<Vec<_>>>()?;
        seen.push(read.iter().map(|x| x.iter().map(bits).collect()).collect());
    }
    Ok((seen, recording.refused))
}

fn write(recording: &Recording<'_>, salt: usize) -> Result<()> {
    for (k, leaf) in recording.pool.iter().take(4).enumerate() {
        let len = leaf.shape()?.iter().product();
        leaf.write(&data(k, salt, len))?;
    }
    Ok(())
}

fn check(program: &Program, seen: &Seen) -> std::result::Result<(), TestCaseError> {
    let graph = Graph::new();
    let mut recording = Recording::new(&graph, program.shape);
    let fail = |recording: &Recording<'_>, message: String| {
        let (steps, text) = (recording.to_text(), graph.to_text());
        let lines: Vec<_> = text.lines().take(150).collect();
        Err(TestCaseError::fail(format!("{message}\n{steps}\n{}", lines.join("\n"))))
    };
    let tell = |error: bumpgrad::Error| error.to_string();
    for gene in &program.genes {
        if let Err(error) = recording.play(gene).map_err(tell) {
            return fail(&recording, error);
        }
    }
    raise(&seen.refused, recording.refused);
    let is_rounded =
        recording.steps.iter().any(|s| matches!(s, Step::Plain(plain::Plain::Cast(_))));
    for salt in 0..2 {
        if let Err(error) = write(&recording, salt).map_err(tell) {
            return fail(&recording, error);
        }
        let leaf = |k: usize| {
            let dims = recording.pool[k].shape().unwrap();
            Tensor::real(&dims, &data(k, salt, dims.iter().product()))
        };
        let meaning = Meaning::new(&recording.steps, (0..4).map(leaf).collect());
        let world = World::default();
        NEAR.set(false);
        raise(&seen.all, 1);
        let mut is_tame = true;
        for (k, var) in recording.pool.iter().enumerate() {
            let want = meaning.value(&world, k);
            let scale = want.data.iter().fold(1.0f64, |most, x| most.max(x.real().abs()));
            is_tame &= want.data.iter().all(|x| x.real().abs() < LARGEST) && !NEAR.get();
            if !is_tame {
                break;
            }
            let got = match var.cast(DType::F64).to_vec::<f64>() {
                Ok(got) => got,
                Err(error) => return fail(&recording, format!("#{k}: {error}")),
            };
            if var.shape().unwrap() != want.dims {
                return fail(&recording, format!("#{k} should be {:?}", want.dims));
            }
            let tolerance = if is_rounded { 1e-3 } else { 1e-9 } * scale;
            let want: Vec<_> = want.data.iter().map(|x| x.real()).collect();
            if !got.iter().zip(&want).all(|(a, b)| (a - b).abs() <= tolerance) {
                return fail(&recording, format!("#{k} is {got:?}, not {want:?}, of data {salt}"));
            }
            raise(&seen.nested[recording.depth(k).min(7)], 1);
        }
        raise(&seen.judged, is_tame.into());
    }
    Ok(())
}

/// The same bits, however it is computed, and again after a rewind.
fn ways_agree(program: &Program) -> std::result::Result<(), TestCaseError> {
    let tell = |error: bumpgrad::Error| TestCaseError::fail(error.to_string());
    let mut found = Vec::new();
    for (fusion, threads) in [(true, 1), (true, 2), (false, 1)] {
        let graph = Graph::new();
        graph.set_fusion(fusion);
        graph.set_num_threads(threads);
        let mark = graph.mark();
        for _ in 0..2 {
            graph.rewind(mark).map_err(tell)?;
            found.push(played(&graph, program).map_err(tell)?);
        }
    }
    for (way, other) in found.iter().enumerate().skip(1) {
        prop_assert!(found[0] == *other, "bits hang on the way, {}", way);
    }
    Ok(())
}

fn config(share: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse::<u32>().ok());
    ProptestConfig {
        cases: (cases.unwrap_or(100) * share).div_ceil(100),
        failure_persistence: None,
        max_shrink_iters: 4000,
        ..ProptestConfig::default()
    }
}

#[test]
fn nested_transforms_mean_what_they_say() {
    let seen = Seen::default();
    let outcome = TestRunner::new(config(3000)).run(&programs(), |program| check(&program, &seen));
    outcome.unwrap_or_else(|error| panic!("{error}"));
    let nested: Vec<_> = seen.nested.iter().map(Cell::get).collect();
    let (judged, all) = (seen.judged.get(), seen.all.get());
    println!("{judged} of {all} judged, {nested:?} nested, {} refused", seen.refused.get());
    assert!(judged * 2 > all, "only {judged} of {all} were judged");
    assert!(nested[..4].iter().all(|&count| count * 20 > all), "of {all} only {nested:?}");
    assert!(all < 1500 || seen.refused.get() > 0, "no batch was refused");
}

#[test]
fn nested_transforms_are_the_same_bits_in_any_way() {
    let outcome = TestRunner::new(config(1000)).run(&programs(), |program| ways_agree(&program));
    outcome.unwrap_or_else(|error| panic!("{error}"));
}
