//! Plans that were once wrong, or were once taken for others; and large data, by their definition.

use bumpgrad::{Graph, Result, Var};

#[test]
fn a_head_is_not_taken_for_one_more_root() -> Result<()> {
    let g = Graph::new();
    let x = g.param(&[2.0f64], &[]);
    let y = x * 3.0;
    g.backward(&[(y, None), (x, None)])?;
    assert_eq!(x.grad::<f64>()?, Some(vec![4.0]));
    g.zero_grad();
    g.backward(&[(y, Some(x))])?;
    assert_eq!(x.grad::<f64>()?, Some(vec![6.0]));
    Ok(())
}

#[test]
fn the_first_node_as_both_operands_does_not_hide_the_others() -> Result<()> {
    let g = Graph::new();
    let x = g.param(&[2.0f64], &[]);
    let (one, ten) = (g.tensor(&[1.0f64], &[]), g.tensor(&[10.0f64], &[]));
    let y = x.pow(x);
    let mark = g.mark();
    let small = g.grad(&[(y, Some(one))], &[x])?[0].item()?;
    g.rewind(mark)?;
    let large = g.grad(&[(y, Some(ten))], &[x])?[0].item()?;
    assert_eq!(large, 10.0 * small);
    Ok(())
}

#[test]
fn a_strided_operand_is_read_again_after_many_constants() -> Result<()> {
    let n = 64;
    let data: Vec<f64> = (0..n * n).map(|i| ((i * 7919) % 997) as f64 * 0.001).collect();
    let run = |fusion: bool| -> Result<Vec<f64>> {
        let g = Graph::new();
        g.set_fusion(fusion);
        let x = g.tensor(&data, &[n, n]);
        let t = x.transpose(0, 1);
        let y = (0..30).fold(t + x, |y, i| y + 0.001 * i as f64);
        (y * t).to_vec()
    };
    assert_eq!(run(true)?, run(false)?);
    Ok(())
}

#[test]
fn long_columns_have_the_log_sum_exp_of_columns() -> Result<()> {
    let g = Graph::new();
    let data: Vec<f64> = (0..27_000).map(|i| ((i * 7919) % 997 * (i % 3)) as f64 * 1e-3).collect();
    let x = g.tensor(&data, &[9000, 3]);
    let y = x.logsumexp_axes(&[0], false).to_vec::<f64>()?;
    let z = x.exp().sum_axes(&[0], false).log().to_vec::<f64>()?;
    assert!(y.iter().zip(&z).all(|(y, z)| (y - z).abs() < 1e-12), "{y:?} is not {z:?}");
    Ok(())
}

#[test]
fn a_leaf_that_was_changed_and_dropped_leaves_no_plan_behind() -> Result<()> {
    let g = Graph::new();
    let z = g.param(&[2.0f64], &[]);
    let mark = g.mark();
    let x = g.tensor(&[3.0f64], &[]);
    x.set_requires_grad(true)?;
    (x * z).backward()?;
    assert_eq!(x.grad::<f64>()?, Some(vec![2.0]));
    g.rewind(mark)?;
    let x = g.tensor(&[3.0f64], &[]);
    (x * z).backward()?;
    assert_eq!(x.grad::<f64>()?, None);
    Ok(())
}

#[test]
fn a_leaf_that_is_changed_while_it_is_the_last_node_is_a_changed_leaf() -> Result<()> {
    let g = Graph::new();
    let z = g.param(&[2.0f64], &[]);
    let x = g.tensor(&[3.0f64], &[]);
    let mark = g.mark();
    x.set_requires_grad(true)?;
    let _unread = x * z;
    x.set_requires_grad(false)?;
    g.rewind(mark)?;
    (x * z).backward()?;
    assert_eq!(x.grad::<f64>()?, None);
    g.rewind(mark)?;
    x.set_requires_grad(true)?;
    (x * z).backward()?;
    assert_eq!(x.grad::<f64>()?, Some(vec![2.0]));
    Ok(())
}

#[test]
fn a_plan_made_while_there_was_nothing_to_do_is_not_run_when_there_is() -> Result<()> {
    let g = Graph::new();
    let x = g.param(&[0.0f64; 4], &[2, 2]);
    let other = g.tensor(&[0.0f64], &[1]);
    let y = x.exp();
    y.matmul(y).sum().item()?; // y is stored for the product
    other.write(&[1.0f64])?;
    assert_eq!(y.to_vec::<f64>()?, [1.0; 4]);
    x.write(&[f64::INFINITY; 4])?;
    assert_eq!(y.to_vec::<f64>()?, [f64::INFINITY; 4]);
    Ok(())
}

#[test]
fn a_recording_with_other_shapes_is_another_one() -> Result<()> {
    let g = Graph::new();
    let mark = g.mark();
    for dims in [vec![4], vec![2, 2], vec![4, 1], vec![1], vec![], vec![3, 1]] {
        let len: usize = dims.iter().product();
        let x = g.param(&vec![2.0f64; len], &dims);
        let y = ((x + 1.0) * x).square();
        assert_eq!(y.shape()?, dims);
        assert_eq!(y.to_vec::<f64>()?, vec![36.0; len]);
        y.sum().backward()?;
        assert_eq!(x.grad::<f64>()?, Some(vec![60.0; len]));
        g.rewind(mark)?;
    }
    Ok(())
}

#[test]
fn a_long_chain_of_small_tensors_is_one_step() -> Result<()> {
    for len in [1, 8, 256] {
        let g = Graph::new();
        let x = g.param(&vec![0.5f32; len], &[len]);
        let (a, b) = (g.tensor(&vec![0.1f32; len], &[len]), g.tensor(&vec![0.9f32; len], &[len]));
        let y = (0..300).fold(x, |y, _| ((y + a) * b).sin());
        let loss = y.sum();
        loss.backward()?;
        let plan = g.plan_to_text();
        assert!(plan.contains("nodes, one by one: small and new"), "{plan}");
        x.write(&vec![0.25f32; len])?;
        loss.backward()?;
        let plan = g.plan_to_text();
        assert!(plan.starts_with("1 step,"), "{plan}");
    }
    Ok(())
}

#[test]
fn the_plan_that_is_shown_is_the_one_that_was_run_last() -> Result<()> {
    let g = Graph::new();
    assert_eq!(g.plan_to_text(), "");
    let x = g.tensor(&[0.5f64; 2000], &[2000]);
    let (y, z) = (x.exp(), x.sin());
    for _ in 0..2 {
        x.write(&[0.25f64; 2000])?;
        y.eval()?;
        assert!(g.plan_to_text().contains("exp"));
        z.eval()?;
        assert!(g.plan_to_text().contains("sin"));
    }
    g.set_fusion(false);
    assert_eq!(g.plan_to_text(), "");
    Ok(())
}

#[test]
fn a_part_of_nothing_is_nothing() -> Result<()> {
    let g = Graph::new();
    let x = g.param(&[0.0f64; 0], &[3, 0]);
    let part = x.slice(0, 1, 3, 1);
    assert_eq!(part.sin().to_vec::<f64>()?, []);
    assert_eq!(part.index_select(0, g.tensor(&[1i64], &[1])).to_vec::<f64>()?, []);
    part.sum().backward()?;
    assert_eq!(x.grad::<f64>()?, Some(vec![]));
    Ok(())
}

/// By subset of reduced axes: sum, largest, and sum of e^x of each group, in the order of groups.
fn groups(data: &[f64], shape: &[usize], subset: usize) -> Vec<[f64; 3]> {
    let kept = |axis: usize| subset >> axis & 1 == 0;
    let count = (0..shape.len()).filter(|&axis| kept(axis)).map(|axis| shape[axis]).product();
    let mut out = vec![[0.0, f64::NEG_INFINITY, 0.0]; count];
    for (i, &x) in data.iter().enumerate() {
        let (mut rest, mut place, mut stride) = (i, 0, 1);
        for axis in (0..shape.len()).rev() {
            if kept(axis) {
                place += rest % shape[axis] * stride;
                stride *= shape[axis];
            }
            rest /= shape[axis];
        }
        let [sum, max, exp] = out[place];
        out[place] = [sum + x, max.max(x), exp + x.exp()];
    }
    out
}

/// Random programs compare two ways that share a planner; this is what they compare with.
#[test]
fn reductions_of_large_tensors_are_what_their_definitions_say() -> Result<()> {
    let shapes: [&[usize]; 7] = [
        &[3, 9000],
        &[9000, 3],
        &[2, 9000, 2],
        &[1030, 70],
        &[5, 70, 90],
        &[20_000],
        &[4, 1, 2100, 3],
    ];
    for shape in shapes {
        let len = shape.iter().product();
        let data: Vec<f64> =
            (0..len).map(|i: usize| (i * 7919 % 997) as f64 * 0.005 - 1.5).collect();
        for threads in [1, 3] {
            let g = Graph::new();
            g.set_num_threads(threads);
            let x = g.param(&data, shape);
            for subset in 1..1 << shape.len() {
                let axes = (0..shape.len()).filter(|&axis| subset >> axis & 1 == 1);
                let axes: Vec<isize> = axes.map(|axis| axis as isize).collect();
                let y = (x + 1.0) - 1.0;
                let sums = y.sum_axes(&axes, false).to_vec::<f64>()?;
                let largest = y.max_axes(&axes, false).to_vec::<f64>()?;
                let exps = y.logsumexp_axes(&axes, false);
                let want = groups(&data, shape, subset);
                assert_eq!(sums.len(), want.len());
                for (k, &exp) in exps.to_vec::<f64>()?.iter().enumerate() {
                    let [sum, max, exps] = want[k];
                    let near = |a: f64, b: f64| (a - b).abs() < 1e-8;
                    let same = near(sums[k], sum) && near(largest[k], max) && near(exp, exps.ln());
                    assert!(same, "{shape:?} over {axes:?}");
                }
                // The gradient of a log-sum-exp is a softmax: each group's adds up to 1.
                g.zero_grad();
                exps.sum().backward()?;
                let total: f64 = x.grad::<f64>()?.unwrap_or_default().iter().sum();
                assert!((total / want.len() as f64 - 1.0).abs() < 1e-9, "{shape:?} over {axes:?}");
            }
        }
    }
    Ok(())
}

/// Results beyond 4 MiB are written past the cache.
#[test]
fn results_of_millions_of_bytes_are_the_same_fused_and_on_any_number_of_threads() -> Result<()> {
    let n = 1_300_003;
    let data: Vec<f32> = (0..n).map(|i| (i * 7919 % 997) as f32 * 0.01 - 3.0).collect();
    let run = |fusion: bool, threads: usize| -> Result<Vec<Vec<u32>>> {
        let g = Graph::new();
        g.set_fusion(fusion);
        g.set_num_threads(threads);
        let (x, y) = (g.param(&data, &[n]), g.param(&data, &[n]));
        let a = (x * y).sin();
        let b = a / a.norm(2.0, &[], false) + a.max();
        let c = b.slice(0, 1, isize::MAX, 1) * a.slice(0, 0, -1, 1);
        let d = b.slice(0, 0, 1_300_000, 1).reshape(&[1000, 1300]);
        let e = (d.transpose(0, 1) * 0.5).tanh().mean_axes(&[0], false);
        let loss = c.mean() + e.square().sum() + d.softmax(1).square().sum();
        let loss = loss + d.logsumexp_axes(&[0], false).sum();
        a.retain_grad()?;
        loss.backward()?;
        let grads = [x, y, a].map(|x| x.grad::<f32>());
        let values = [loss, a, b, c, e].map(|x| x.to_vec::<f32>());
        x.write(&data)?;
        g.zero_grad();
        loss.backward()?;
        let mut out = Vec::new();
        for list in grads.into_iter().chain([x.grad()]) {
            out.push(list?.unwrap_or_default());
        }
        for list in values {
            out.push(list?);
        }
        assert!(out[0] == out[3], "replayed");
        Ok(out.into_iter().map(|list| list.into_iter().map(f32::to_bits).collect()).collect())
    };
    let want = run(true, 1)?;
    for (fusion, threads) in [(false, 1), (true, 2), (true, 8)] {
        assert!(run(fusion, threads)? == want, "fusion {fusion}, {threads} threads");
    }
    Ok(())
}

/// The gradient of nothing is zero at once, however often it was broadcast.
#[test]
fn products_of_nothing_cost_nothing() -> Result<()> {
    for batch in [1, 1 << 20, 1 << 40] {
        let g = Graph::new();
        let a = g.param::<f32>(&[], &[batch, 0, 4]);
        let b = g.param(&[1f32; 20], &[1, 4, 5]);
        let c = g.param(&[1f32; 20], &[4, 5]);
        (a.matmul(b).sum() + a.matmul(c).mean_axes(&[0, 1], false).sum()).backward()?;
        assert_eq!(b.grad::<f32>()?, Some(vec![0.0; 20]));
        assert_eq!(c.grad::<f32>()?.map(|g| g.len()), Some(20));
        assert!(g.memory().peak < 100_000, "{:?}", g.memory());
    }
    Ok(())
}

/// Angles that lanes cannot reduce are computed again: alone, in a tile of others, with the cosine beside
/// the sine, in a read or in a backward.
#[test]
fn sines_of_large_angles_are_the_same_fused() -> Result<()> {
    for n in [1, 101, 1000, 20_000] {
        for every in [1, 7, 300] {
            let angles: Vec<f32> = (0..n)
                .map(|i| {
                    let near = (i as f32 * 0.7371).sin() * 900.0;
                    if i % every == 0 { near * 1e7 } else { near }
                })
                .collect();
            let run = |fusion: bool| -> Result<Vec<Vec<f32>>> {
                let g = Graph::new();
                g.set_fusion(fusion);
                let x = g.param(&angles, &[n]);
                let functions: [fn(Var<'_>) -> Var<'_>; 4] =
                    [|x| x.sin(), |x| x.cos(), |x| x.sin() * x.cos(), |x| x.tan()];
                let mut all = vec![];
                for function in functions {
                    // (New, and met before.)
                    for _ in 0..3 {
                        let y = function(x);
                        (y * 0.123).tanh().mean().backward()?;
                        all.push(y.to_vec()?);
                        all.push(x.grad::<f32>()?.expect("a leaf"));
                        g.zero_grad();
                    }
                }
                Ok(all)
            };
            let [fused, single] = [run(true)?, run(false)?];
            for (k, (a, b)) in fused.iter().zip(&single).enumerate() {
                let differs = a.iter().zip(b).position(|(a, b)| a.to_bits() != b.to_bits());
                let at = differs.map(|i| (i, angles[i], a[i], b[i]));
                assert_eq!(at, None, "result {k} of {n} angles, large every {every}");
            }
        }
    }
    Ok(())
}
