//! Patterns of dependence against dense Jacobians, over all operations; and compressed values against
//! dense ones.

#[path = "golden/cases.rs"]
mod cases;
#[rustfmt::skip]
mod operations;

use bumpgrad::{DType, Graph, Sparsity, Var};
use cases::{Case, cases, leaf, run};

/// The dense matrix of values at the places of a pattern.
fn dense(pattern: &Sparsity, values: &[f64], columns: usize) -> Vec<f64> {
    let mut out = vec![0.0; pattern.rows() * columns];
    let mut next = values.iter();
    for row in 0..pattern.rows() {
        assert!(pattern.row(row).is_sorted_by(|a, b| a < b));
        for &column in pattern.row(row) {
            out[row * columns + column as usize] = *next.next().unwrap();
        }
    }
    assert!(next.next().is_none());
    out
}

fn close(got: &[f64], want: &[f64]) -> Option<usize> {
    let scale = want.iter().fold(1.0f64, |most, x| most.max(x.abs()));
    (0..want.len()).find(|&e| {
        let (a, b) = (got[e], want[e]);
        // (A dense product may have made NaN of 0 and an infinite slope, where nothing depends.)
        let is_nan = b.is_nan() && (a.is_nan() || a == 0.0);
        !(a == b || is_nan || (a - b).abs() <= 1e-12 * scale)
    })
}

/// Dependence is told where the Jacobian is not 0, and the compressed values are those of the dense one.
fn check(case: &Case) -> Result<(), String> {
    let json = &case.json;
    let Some(gradients) = json["grads"].as_array() else { return Ok(()) };
    let graph = Graph::new();
    let inputs = json["inputs"].as_array().unwrap();
    let x: Vec<_> = inputs.iter().map(|input| leaf(&graph, input, DType::F64)).collect();
    let y = run(&graph, case, &x)[0];
    for (i, &x) in x.iter().enumerate().filter(|&(i, _)| !gradients[i].is_null()) {
        let columns = x.shape().unwrap().iter().product::<usize>();
        let full = graph.jacobian(y, x).cast(DType::F64);
        let Ok(full) = full.to_vec::<f64>() else { return Ok(()) }; // no room for all axes
        let (pattern, values) = graph.sparse_jacobian(y, x).map_err(|e| format!("{i}: {e}"))?;
        if graph.sparsity(y, x).unwrap() != pattern {
            return Err(format!("{i}: another pattern"));
        }
        let values = values.cast(DType::F64).to_vec().map_err(|e| format!("{i}: {e}"))?;
        if let Some(e) = close(&dense(&pattern, &values, columns), &full) {
            return Err(format!("{i}: element {e} is not {}", full[e]));
        }
    }
    Ok(())
}

#[test]
fn patterns_hold_all_derivatives_of_every_operation() {
    let all = cases();
    let smooth = all.iter().filter(|case| !case.json["note"].as_str().unwrap().contains("special"));
    let failures: Vec<_> = smooth
        .filter_map(|case| check(case).err().map(|e| format!("{}: {e}", case.name())))
        .collect();
    assert!(failures.is_empty(), "{}:\n{}", failures.len(), failures.join("\n"));
}

/// -u'' + u^3 on a line, with u = 0 at both ends.
fn line<'g>(graph: &'g Graph, x: Var<'g>) -> Var<'g> {
    let n = x.shape().unwrap()[0] as isize;
    let padded = graph.concat(&[graph.zeros::<f64>(&[1]), x, graph.zeros::<f64>(&[1])], 0);
    let (left, right) = (padded.slice(0, 0, n, 1), padded.slice(0, 2, n + 2, 1));
    x.scale(2.0) - left - right + x * x * x
}

#[test]
fn a_line_has_three_colours() {
    let graph = Graph::new();
    let n = 50;
    let data: Vec<f64> = (0..n).map(|i| (i as f64 * 0.37).sin()).collect();
    let x = graph.param(&data, &[n]);
    let y = line(&graph, x);
    let (pattern, values) = graph.sparse_jacobian(y, x).unwrap();
    for row in 0..n {
        let want: Vec<_> = (row.max(1) - 1..=(row + 1).min(n - 1)).map(|c| c as u32).collect();
        assert_eq!(pattern.row(row), want);
    }
    let got = dense(&pattern, &values.to_vec().unwrap(), n);
    assert_eq!(got, graph.jacobian(y, x).to_vec::<f64>().unwrap());
    assert_eq!(graph.sparse_jacobian_passes(y, x).unwrap(), (3, 0));
    assert_eq!(graph.sparse_jacobian_passes(y.sum(), x).unwrap(), (0, 1));
    // Written anew, read anew.
    let other: Vec<f64> = data.iter().map(|x| x + 0.5).collect();
    x.write(&other).unwrap();
    let got = dense(&pattern, &values.to_vec().unwrap(), n);
    assert_eq!(got[0], 2.0 + 3.0 * 0.5 * 0.5);
    assert_eq!(got, graph.jacobian(y, x).to_vec::<f64>().unwrap());
}

#[test]
fn hessians_of_grids_and_of_an_arrow() {
    let graph = Graph::new();
    let data: Vec<f64> = (0..36).map(|i| (i as f64 * 0.61).cos()).collect();
    let x = graph.param(&data, &[6, 6]);
    let across = x.slice(0, 1, 6, 1) - x.slice(0, 0, 5, 1);
    let along = x.slice(1, 1, 6, 1) - x.slice(1, 0, 5, 1);
    let energy = across.square().square().sum() + along.square().exp().sum() + x.sin().sum();
    // The last variable meets all others.
    let arrow = (x.slice(0, 0, 1, 1) * x.select(0, 5).select(0, 5)).sin().sum() + x.square().sum();
    for y in [energy, arrow, energy + arrow] {
        let full = graph.hessian(y, x).to_vec::<f64>().unwrap();
        let (pattern, values) = graph.sparse_hessian(y, x, false).unwrap();
        let got = dense(&pattern, &values.to_vec().unwrap(), 36);
        assert_eq!(close(&got, &full), None);
        assert!(pattern.columns.len() < 36 * 8, "{} entries", pattern.columns.len());
        let passes = graph.sparse_hessian_passes(y, x).unwrap();
        assert!((2..=10).contains(&passes), "{passes}");
        let (lower, values) = graph.sparse_hessian(y, x, true).unwrap();
        assert_eq!(lower, graph.hessian_sparsity(y, x, true).unwrap());
        let got = dense(&lower, &values.to_vec().unwrap(), 36);
        for (i, got) in got.iter().enumerate() {
            let want = if i % 36 <= i / 36 { full[i] } else { 0.0 };
            assert!((got - want).abs() < 1e-12);
        }
    }
}

/// What is chosen by values may depend on all; by indices that stay, on what they choose.
#[test]
fn indices_that_move_choose_among_all() {
    let graph = Graph::new();
    let x = graph.param(&[3.0, 1.0, 2.0], &[3]);
    let fixed = graph.tensor(&[2i64, 0], &[2]);
    let pattern = graph.sparsity(x.index_select(0, fixed), x).unwrap();
    assert_eq!((pattern.row(0), pattern.row(1)), (&[2][..], &[0][..]));
    let moving = x.argmax(Some(0), true);
    let pattern = graph.sparsity(x.index_select(0, moving), x).unwrap();
    assert_eq!(pattern.row(0), [0, 1, 2]);
    let nothing = graph.sparsity(fixed.cast(DType::F64), x).unwrap();
    assert_eq!((nothing.rows(), nothing.columns.len()), (2, 0));
    assert!(graph.sparsity(fixed, x).is_err());
}

/// A variable that meets all others, at any place, costs one colour more; and no time.
#[test]
fn a_hub_has_a_colour_of_its_own() {
    let graph = Graph::new();
    let n = 20_000;
    let x = graph.param(&vec![0.5; n], &[n]);
    let step = |from: isize| x.slice(0, from, from + n as isize - 1, 1);
    let line = (step(0) * step(1)).square().sum();
    let began = std::time::Instant::now();
    let alone = graph.sparse_hessian_passes(line, x).unwrap();
    assert!((3..=5).contains(&alone), "{alone}");
    for hub in [0, n / 2, n - 1] {
        let hub = x.slice(0, hub as isize, hub as isize + 1, 1);
        let found = graph.sparse_hessian_passes(line + (hub * x).sin().sum(), x).unwrap();
        assert!(found <= alone + 2, "{found}");
    }
    assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
}

/// A dense block costs what its entries cost, and what does not depend on the input is 0.
#[test]
fn dense_hessians_are_coloured_soon() {
    let graph = Graph::new();
    let x = graph.param(&vec![0.5; 600], &[600]);
    let began = std::time::Instant::now();
    let (pattern, values) = graph.sparse_hessian(x.sum().square(), x, false).unwrap();
    assert_eq!(pattern.columns.len(), 600 * 600);
    assert!(values.to_vec::<f64>().unwrap().iter().all(|&v| v == 2.0));
    let windows: Vec<_> = (0..40).map(|k| x.slice(0, 15 * k, 15 * k + 30, 1).sum()).collect();
    let banded = graph.stack(&windows[..39], 0).square().square().sum();
    let (pattern, values) = graph.sparse_hessian(banded, x, true).unwrap();
    let got = dense(&pattern, &values.to_vec().unwrap(), 600);
    let full = graph.hessian(banded, x).to_vec::<f64>().unwrap();
    for (i, (got, full)) in got.iter().zip(full).enumerate() {
        let want = if i % 600 <= i / 600 { full } else { 0.0 };
        assert!((got - want).abs() <= 1e-12 * want.abs().max(1.0), "{i}: {got}, not {want}");
    }
    assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
    let other = graph.param(&[1.0], &[1]);
    assert_eq!(graph.hessian(other.sum(), x).sum().item().unwrap(), 0.0);
    assert_eq!(graph.sparse_hessian(other.sum(), x, false).unwrap().0.columns.len(), 0);
}

/// y_0 depends on all, each y_i on x_0 and x_i: one gradient and two tangents.
#[test]
fn arrows_are_told_in_both_modes() {
    let graph = Graph::new();
    let n = 8000;
    let data: Vec<f64> = (0..n).map(|i| 0.5 + (i as f64 * 0.37).sin() / 4.0).collect();
    let x = graph.param(&data, &[n]);
    let (first, rest) = (x.slice(0, 0, 1, 1), x.slice(0, 1, n as isize, 1));
    let y = graph.concat(&[x.square().sum().reshape(&[1]), first * rest.sin()], 0);
    let (pattern, values) = graph.sparse_jacobian(y, x).unwrap();
    assert_eq!((pattern.row(0).len(), pattern.columns.len()), (n, n + 2 * (n - 1)));
    let got = values.to_vec::<f64>().unwrap();
    let mut want: Vec<f64> = data.iter().map(|x| 2.0 * x).collect();
    want.extend(data[1..].iter().flat_map(|x| [x.sin(), data[0] * x.cos()]));
    assert_eq!(close(&got, &want), None);
    // Without gradients it is told forwards alone; small, since each column has a direction then.
    let _guard = graph.no_grad();
    let x = graph.tensor(&data[..30], &[30]);
    let (first, rest) = (x.slice(0, 0, 1, 1), x.slice(0, 1, 30, 1));
    let y = graph.concat(&[x.square().sum().reshape(&[1]), first * rest.sin()], 0);
    let (pattern, values) = graph.sparse_jacobian(y, x).unwrap();
    let got = dense(&pattern, &values.to_vec().unwrap(), 30);
    assert_eq!(close(&got, &graph.jacobian(y, x).to_vec::<f64>().unwrap()), None);
}

/// Sums of elements that were chosen at random, some of them of very many, and some elements of very many sums.
#[test]
fn random_patterns_are_those_of_dense_jacobians() {
    let mut state = 7u64;
    let mut draw = |below: u64| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) % below
    };
    for _ in 0..40 {
        let graph = Graph::new();
        let (rows, columns) = (1 + draw(25) as usize, 1 + draw(25) as usize);
        let data: Vec<f64> = (0..columns).map(|_| 0.5 + draw(1000) as f64 / 1000.0).collect();
        let x = graph.param(&data, &[columns]);
        let hub = draw(columns as u64) as i64;
        let sums: Vec<_> = (0..rows)
            .map(|_| {
                let many = if draw(8) == 0 { 3 * columns } else { 2 };
                let mut chosen: Vec<_> = (0..many).map(|_| draw(columns as u64) as i64).collect();
                chosen.extend((draw(2) == 0).then_some(hub));
                x.sin().index_select(0, graph.tensor(&chosen, &[chosen.len()])).square().sum()
            })
            .collect();
        let y = graph.stack(&sums, 0);
        let (pattern, values) = graph.sparse_jacobian(y, x).unwrap();
        let got = dense(&pattern, &values.to_vec().unwrap(), columns);
        let full = graph.jacobian(y, x).to_vec::<f64>().unwrap();
        assert_eq!(close(&got, &full), None);
        assert_eq!(pattern.columns.len(), full.iter().filter(|&&slope| slope != 0.0).count());
    }
}

/// What is summed, multiplied or compared up to a place depends on what is before it on its line.
#[test]
fn scans_have_triangles() {
    let graph = Graph::new();
    let data: Vec<f64> = (0..24).map(|i| 1.0 + i as f64 / 8.0).collect();
    let x = graph.param(&data, &[2, 4, 3]);
    let line = |i: usize| (i / 12, i / 3 % 4, i % 3);
    for axis in 0..3isize {
        let scans = [
            x.cumsum(axis),
            x.cumprod(axis),
            x.logcumsumexp(axis),
            x.cummax(axis).0,
            x.cummin(axis).0,
        ];
        for y in scans {
            let pattern = graph.sparsity(y, x).unwrap();
            for row in 0..24 {
                let want = (0..24).filter(|&column| {
                    let (a, b) = (line(row), line(column));
                    let [mut a, mut b] = [[a.0, a.1, a.2], [b.0, b.1, b.2]];
                    let [k, j] = [&mut a, &mut b].map(|at| std::mem::take(&mut at[axis as usize]));
                    a == b && j <= k
                });
                assert_eq!(pattern.row(row), want.map(|c| c as u32).collect::<Vec<_>>(), "{axis}");
            }
        }
    }
    // Their gradients go the other way; twice is once more.
    let x = graph.param(&data[..7], &[7]);
    let head = graph.param(&data[..7], &[7]);
    let slope = graph.grad(&[(x.cumsum(0), Some(head))], &[x]).unwrap()[0];
    let pattern = graph.sparsity(slope, head).unwrap();
    assert!((0..7).all(|row| *pattern.row(row) == *(row as u32..7).collect::<Vec<_>>()));
    let pattern = graph.sparsity(x.cumsum(0).cumsum(0), x).unwrap();
    assert!((0..7).all(|row| *pattern.row(row) == *(0..=row as u32).collect::<Vec<_>>()));
    // The elements that indices choose, wherever these are from: of the same line.
    let square = graph.param(&data[..9], &[3, 3]);
    let sorted = square.sort(1, false);
    let pattern = graph.sparsity(sorted.0, square).unwrap();
    assert!((0..9).all(|row| *pattern.row(row) == [0, 1, 2].map(|k| row as u32 / 3 * 3 + k)));
}

/// Written element by element, as many programs are: the pattern takes time for what a node touches, and
/// not for all elements of the input.
#[test]
fn scalars_that_are_stacked() {
    let (graph, len) = (Graph::new(), 4_000);
    let x = graph.param(&vec![2.0; len], &[len]);
    let at = |i: usize| x.select(0, (i % len) as isize);
    let parts: Vec<_> = (0..len).map(|i| at(i) * at(i + 1)).collect();
    let y = graph.stack(&parts, 0);
    let want = |i: u32| if i as usize == len - 1 { [0, i] } else { [i, i + 1] };
    let pattern = graph.sparsity(y, x).unwrap();
    assert!((0..len).all(|row| pattern.row(row) == want(row as u32)));
    let (pattern, values) = graph.sparse_jacobian(y, x).unwrap();
    assert!((0..len).all(|row| pattern.row(row) == want(row as u32)));
    assert_eq!(values.to_vec::<f64>().unwrap(), vec![2.0; 2 * len]);
    let pattern = graph.hessian_sparsity(y.sum(), x, false).unwrap();
    let beside = |i: usize| [(i + len - 1) % len, (i + 1) % len];
    assert!((0..len).all(|row| pattern.row(row).len() == 2
        && beside(row).iter().all(|&column| pattern.row(row).contains(&(column as u32)))));
}
