//! Every sum, wherever it happens, has an error that grows no faster than the logarithm of its length.

use bumpgrad::{Graph, Result, Var};

/// Relative to the sum of absolute values: half a unit in the last place of f32 for each doubling of
/// the length, and a few for what is added in order.
fn bound(n: usize) -> f64 {
    (8.0 + (n as f64).log2()) * 2f64.powi(-24)
}

fn check(what: &str, n: usize, got: &[f32], want: &[f64]) {
    check_within(bound(n), what, got, want);
}

fn check_within(bound: f64, what: &str, got: &[f32], want: &[f64]) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (&got, &want)) in got.iter().zip(want).enumerate() {
        let error = (f64::from(got) - want).abs() / want.abs();
        assert!(error <= bound, "{what}, element {i}: {got}, not {want}: {error:e} > {bound:e}");
    }
}

/// What makes plain additions in order fail: one number again and again, or ones of slowly changing size.
fn data(len: usize, kind: usize) -> Vec<f32> {
    (0..len)
        .map(|i| match kind {
            0 => 0.1,
            _ => 0.3 + (i * 7919 % 10007) as f32 / 10007.0,
        })
        .collect()
}

/// The sums of f(x) over some axes, in f64.
fn reduced(x: &[f32], dims: &[usize], axes: &[usize], f: impl Fn(f64) -> f64) -> Vec<f64> {
    let kept: Vec<usize> = (0..dims.len()).filter(|axis| !axes.contains(axis)).collect();
    let mut out = vec![0.0; kept.iter().map(|&axis| dims[axis]).product()];
    for (i, &x) in x.iter().enumerate() {
        let (mut rest, mut at) = (i, vec![0; dims.len()]);
        for axis in (0..dims.len()).rev() {
            at[axis] = rest % dims[axis];
            rest /= dims[axis];
        }
        let place = kept.iter().fold(0, |place, &axis| place * dims[axis] + at[axis]);
        out[place] += f(f64::from(x));
    }
    out
}

const LONG: usize = 1 << 17;

#[test]
fn reductions_over_any_axes_of_any_layout() -> Result<()> {
    let shapes: &[&[usize]] = &[&[LONG], &[LONG, 3], &[3, LONG], &[2, LONG, 3], &[300, 3, 400]];
    for &dims in shapes {
        let len = dims.iter().product::<usize>();
        for kind in 0..2 {
            let values = data(len, kind);
            for mask in 1..1 << dims.len() {
                let axes: Vec<usize> =
                    (0..dims.len()).filter(|axis| mask >> axis & 1 == 1).collect();
                let n = axes.iter().map(|&axis| dims[axis]).product::<usize>();
                if n < 1000 {
                    continue;
                }
                let given: Vec<isize> = axes.iter().map(|&axis| axis as isize).collect();
                let sums = reduced(&values, dims, &axes, |x| x);
                let squares = reduced(&values, dims, &axes, |x| x * x);
                for layout in ["dense", "turned", "sliced", "computed"] {
                    let g = Graph::new();
                    let x = laid_out(&g, &values, dims, layout);
                    let what = |op| format!("{op} of {dims:?} over {axes:?}, {layout}, {kind}");
                    check(&what("sum"), n, &x.sum_axes(&given, false).to_vec()?, &sums);
                    let means: Vec<f64> = sums.iter().map(|x| x / n as f64).collect();
                    check(&what("mean"), n, &x.mean_axes(&given, true).to_vec()?, &means);
                    let norms: Vec<f64> = squares.iter().map(|x| x.sqrt()).collect();
                    check(&what("norm"), n, &x.norm(2.0, &given, false).to_vec()?, &norms);
                    if kind == 1 && layout == "dense" {
                        let cubes = reduced(&values, dims, &axes, |x| x * x * x);
                        let norms: Vec<f64> = cubes.iter().map(|x| x.cbrt()).collect();
                        check(&what("3-norm"), n, &x.norm(3.0, &given, false).to_vec()?, &norms);
                        let exps = reduced(&values, dims, &axes, f64::exp);
                        let logs: Vec<f64> = exps.iter().map(|x| x.ln()).collect();
                        check(
                            &what("logsumexp"),
                            n,
                            &x.logsumexp_axes(&given, false).to_vec()?,
                            &logs,
                        );
                        let vars = (sums.iter().zip(&squares))
                            .map(|(s, q)| q / n as f64 - (s / n as f64).powi(2));
                        let vars: Vec<f64> = vars.collect();
                        check(&what("var"), n, &x.var(0.0, &given, false).to_vec()?, &vars);
                    }
                }
            }
        }
    }
    Ok(())
}

/// The same elements, otherwise in memory.
fn laid_out<'g>(g: &'g Graph, values: &[f32], dims: &[usize], layout: &str) -> Var<'g> {
    let rank = dims.len();
    match layout {
        "turned" => {
            let back: Vec<isize> = (0..rank as isize).rev().collect();
            let turned: Vec<usize> = dims.iter().rev().copied().collect();
            let moved = g.tensor(values, dims).permute(&back).to_vec::<f32>().unwrap();
            g.tensor(&moved, &turned).permute(&back)
        }
        "sliced" => {
            let mut wide = dims.to_vec();
            wide[rank - 1] *= 2;
            let apart: Vec<f32> = values.iter().flat_map(|&x| [x, 1e9]).collect();
            g.tensor(&apart, &wide).slice(-1, 0, isize::MAX, 2)
        }
        "computed" => g.tensor(values, dims).scale(-1.0).abs(),
        _ => g.tensor(values, dims),
    }
}

#[test]
fn gradients_of_what_was_broadcast() -> Result<()> {
    for dims in [&[LONG, 3][..], &[3, LONG], &[2, LONG, 3]] {
        for axis in 0..dims.len() {
            let mut small = dims.to_vec();
            let n = std::mem::replace(&mut small[axis], 1);
            if n < 1000 {
                continue;
            }
            let g = Graph::new();
            let x = g.param(&vec![2.0f32; small.iter().product()], &small);
            let factors = data(dims.iter().product(), 1);
            let wide = x * g.tensor(&factors, dims);
            wide.sum_axes(&[], false).backward()?;
            let want = reduced(&factors, dims, &[axis], |x| x);
            let got = x.grad::<f32>()?.unwrap();
            check(&format!("broadcast to {dims:?} along {axis}"), n, &got, &want);
        }
    }
    Ok(())
}

#[test]
fn products_with_a_long_inner_axis() -> Result<()> {
    for k in [1 << 11, (1 << 14) + 77, 1 << 17] {
        for kind in 0..2 {
            let (a, b) = (data(3 * k, kind), data(5 * k, kind));
            let product = |i: usize, j: usize, turned: (bool, bool)| -> f64 {
                let at_a = |l: usize| if turned.0 { a[l * 3 + i] } else { a[i * k + l] };
                let at_b = |l: usize| if turned.1 { b[j * k + l] } else { b[l * 5 + j] };
                (0..k).map(|l| f64::from(at_a(l)) * f64::from(at_b(l))).sum()
            };
            for turned in [(false, false), (true, false), (false, true), (true, true)] {
                let g = Graph::new();
                let x = if turned.0 {
                    g.tensor(&a, &[k, 3]).transpose(0, 1)
                } else {
                    g.tensor(&a, &[3, k])
                };
                let y = if turned.1 {
                    g.tensor(&b, &[5, k]).transpose(0, 1)
                } else {
                    g.tensor(&b, &[k, 5])
                };
                let want: Vec<f64> = (0..15).map(|at| product(at / 5, at % 5, turned)).collect();
                let what = |op| format!("{op}, inner axis {k}, turned {turned:?}, {kind}");
                // Here 512 products are added in order, however long the axis is.
                check_within(
                    96.0 * 2f64.powi(-24),
                    &what("product"),
                    &x.matmul(y).to_vec()?,
                    &want,
                );
                let column = y.slice(1, 2, 3, 1);
                let picked: Vec<f64> = (0..3).map(|i| want[i * 5 + 2]).collect();
                check(&what("by a column"), k, &x.matmul(column).to_vec()?, &picked);
                let row = x.slice(0, 1, 2, 1);
                check(&what("row by"), k, &row.matmul(y).to_vec()?, &want[5..10]);
                let dot = row.reshape(&[-1]).dot(column.reshape(&[-1]));
                check(&what("dot"), k, &dot.to_vec()?, &want[7..8]);
            }
        }
    }
    Ok(())
}

#[test]
fn additions_at_indices() -> Result<()> {
    type Choose = fn(usize) -> i64;
    let choices: [(&str, Choose); 4] = [
        ("all equal", |_| 2),
        ("two", |i| 3 * (i as i64 % 2)),
        ("even", |i| i as i64 % 5),
        ("uneven", |i| if i % 100 == 7 { i as i64 % 5 } else { 4 }),
    ];
    for n in [10, 65, LONG] {
        for (name, choose) in choices {
            let index: Vec<i64> = (0..n).map(choose).collect();
            let factors = data(2 * n * 3, 1);
            let mut want = vec![0.0; 2 * 5 * 3];
            for o in 0..2 {
                for (k, &i) in index.iter().enumerate() {
                    for j in 0..3 {
                        let x = f64::from(factors[(o * n + k) * 3 + j]);
                        want[(o * 5 + i as usize) * 3 + j] += x;
                    }
                }
            }
            let nonzero = |got: &[f32]| -> (Vec<f32>, Vec<f64>) {
                let both =
                    got.iter().zip(&want).filter(|(got, want)| **want != 0.0 || **got != 0.0);
                both.map(|(&got, &want)| (got, want)).unzip()
            };
            let g = Graph::new();
            let x = g.param(&[1.0f32; 30], &[2, 5, 3]);
            let weights = g.tensor(&factors, &[2, n, 3]);
            (x.index_select(1, g.tensor(&index, &[n])) * weights)
                .sum_axes(&[], false)
                .backward()?;
            let (got, expected) = nonzero(&x.grad::<f32>()?.unwrap());
            check(&format!("index_select, {n} {name}"), n, &got, &expected);
            x.zero_grad()?;
            let all: Vec<i64> = (0..2 * n * 3).map(|at| index[at / 3 % n]).collect();
            (x.gather(1, g.tensor(&all, &[2, n, 3])) * weights).sum_axes(&[], false).backward()?;
            let (got, expected) = nonzero(&x.grad::<f32>()?.unwrap());
            check(&format!("gather, {n} {name}"), n, &got, &expected);
        }
    }
    Ok(())
}

#[test]
fn losses_over_many_rows() -> Result<()> {
    let g = Graph::new();
    let n = LONG;
    let (a, b) = (data(n, 1), data(n, 0));
    let exact: f64 = a.iter().zip(&b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum();
    let loss = g.tensor(&a, &[n]).mse(g.tensor(&b, &[n])).to_vec::<f32>()?;
    check("mse", n, &loss, &[exact / n as f64]);
    let logits = g.param(&[0.0f32; 3], &[3]);
    let classes = g.tensor(&vec![1i64; n], &[n]);
    let loss = logits.expand(&[n as isize, 3]).cross_entropy(classes);
    check("cross entropy", n, &loss.to_vec()?, &[3f64.ln()]);
    loss.backward()?;
    let third = 1.0 / 3.0;
    check("its gradient", n, &logits.grad::<f32>()?.unwrap(), &[third, third - 1.0, third]);
    let rows = g.tensor(&vec![0.1f32; n], &[1, n]);
    check("softmax", n, &rows.softmax(1).to_vec::<f32>()?[..1], &[1.0 / n as f64]);
    let ones = g.tensor(&vec![1u8; n], &[n]).cast(bumpgrad::DType::F32);
    check(
        "count",
        n,
        &ones.expand(&[3, n as isize]).sum_axes(&[0, 1], false).to_vec()?,
        &[3.0 * n as f64],
    );
    Ok(())
}

#[test]
fn the_same_bits_for_any_number_of_threads_fused_or_not() -> Result<()> {
    let run = |threads: usize, fusion: bool| -> Result<Vec<u32>> {
        let g = Graph::new();
        g.set_num_threads(threads);
        g.set_fusion(fusion);
        let dims = [20_000, 2, 9];
        let values = data(dims.iter().product(), 1);
        let mut out = Vec::new();
        let mut take = |x: Var<'_>| -> Result<()> {
            out.extend(x.to_vec::<f32>()?.iter().map(|x| x.to_bits()));
            Ok(())
        };
        for scale in [1.0, 1e37, 1e38, 1e25, 1e-25] {
            let x = g.param(&values, &dims);
            let y = x.scale(scale);
            for axes in [&[][..], &[0], &[1], &[2], &[0, 1], &[0, 2], &[1, 2]] {
                take(y.mean_axes(axes, false))?;
                take(y.norm(2.0, axes, false))?;
                take(y.scale(1.5).var(1.0, axes, false))?;
                take(y.sum_axes(axes, false))?;
            }
            let z = y.norm(2.0, &[0], false).sum_axes(&[], false)
                + y.mean_axes(&[0, 1], false).sum_axes(&[], false);
            z.backward()?;
            take(x.grad_tensor()?.unwrap())?;
        }
        Ok(out)
    };
    let want = run(1, true)?;
    for (threads, fusion) in [(1, false), (2, true), (3, true), (2, false)] {
        assert!(run(threads, fusion)? == want, "{threads} threads, fusion {fusion}");
    }
    Ok(())
}
