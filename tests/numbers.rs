//! Numbers near the ends of the range, at zero, and in large amounts.

use bumpgrad::{Adam, DType, Element, Graph, Result, Sgd, Var};

const MAX: f64 = f64::MAX;

fn near(what: &str, got: &[f64], want: &[f64], error: f64) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (&got, &want) in got.iter().zip(want) {
        let is_near = got == want || (got - want).abs() <= error * want.abs();
        assert!(is_near || got.is_nan() && want.is_nan(), "{what}: {got:e}, not {want:e}");
    }
}

/// A value and the gradient of its sum, times `head`.
fn slope<T: Element>(
    x: &[f64],
    head: f64,
    f: impl for<'g> Fn(Var<'g>) -> Var<'g>,
) -> Result<(Vec<f64>, Vec<f64>)> {
    let g = Graph::new();
    let given: Vec<T> = x.iter().map(|&x| T::from_f64(x)).collect();
    let x = g.param(&given, &[x.len()]);
    let y = f(x);
    y.backward_with(g.tensor(&[T::from_f64(head)], &[]))?;
    let all = |x: Vec<T>| x.into_iter().map(T::to_f64).collect();
    Ok((all(y.to_vec()?), all(x.grad()?.unwrap())))
}

/// The second derivatives of f: a row for each element.
fn hessian(x: &[f64], f: impl for<'g> Fn(Var<'g>) -> Var<'g>) -> Result<Vec<Vec<f64>>> {
    let g = Graph::new();
    let n = x.len();
    let x = g.param(x, &[n]);
    let [first] = g.grad(&[(f(x), None)], &[x])?[..] else { panic!() };
    (0..n as isize)
        .map(|i| {
            let [row] =
                g.grad(&[(first.slice(0, i, i + 1, 1).sum_axes(&[], false), None)], &[x])?[..]
            else {
                panic!()
            };
            row.to_vec()
        })
        .collect()
}

#[test]
fn norms_of_any_size() -> Result<()> {
    for (x, want) in [
        (&[1e20, 1.0, 1.0][..], 1e20),
        (&[1e-23, 1e-23], 2f64.sqrt() * 1e-23),
        (&[3e-45, 4e-45], 5.6e-45),
        (&[2e38, 2e38], 2f64.sqrt() * 2e38),
        (&[0.0, 0.0], 0.0),
        (&[f64::INFINITY, 1.0], f64::INFINITY),
        (&[f64::NAN, 1.0], f64::NAN),
        (&[f64::NAN, f64::INFINITY], f64::NAN),
        (&[3.0, -4.0], 5.0),
    ] {
        let exact: Vec<f64> = x.iter().map(|&x| f64::from(x as f32)).collect();
        let (y, _) = slope::<f32>(&exact, 1.0, |x| x.norm(2.0, &[], false))?;
        let want = f64::from(want as f32);
        near(&format!("norm of {x:?}"), &y, &[want], 2e-7);
        // As a sink, too: in the middle of a long tensor, and over an outer axis.
        let g = Graph::new();
        let mut long = vec![0.0f32; 40_000];
        long[20_000..20_000 + x.len()]
            .copy_from_slice(&x.iter().map(|&x| x as f32).collect::<Vec<_>>());
        let y = g.tensor(&long, &[long.len()]).norm(2.0, &[], false).item()?;
        near(&format!("norm of {x:?} among zeros"), &[y], &[want], 2e-7);
        let other: Vec<f32> = long.iter().flat_map(|&x| [x, 1.0]).collect();
        let y = g.tensor(&other, &[long.len(), 2]).norm(2.0, &[0], false).to_vec::<f32>()?;
        near(&format!("column {x:?}"), &[f64::from(y[0]), f64::from(y[1])], &[want, 200.0], 2e-7);
    }
    for scale in [1e-320, 1e-300, 1e-160, 1.0, 1e160, 1e300] {
        let (y, dx) = slope::<f64>(&[3.0 * scale, -4.0 * scale], 1.0, |x| x.norm(2.0, &[], false))?;
        near("f64", &y, &[5.0 * scale], if scale < 1e-310 { 1e-2 } else { 1e-15 });
        near("f64 gradient", &dx, &[0.6, -0.8], if scale < 1e-310 { 1e-2 } else { 1e-15 });
    }
    near(
        "gradient",
        &slope::<f32>(&[1e20, 1.0, 1.0], 1.0, |x| x.norm(2.0, &[], false))?.1,
        &[1.0, 1e-20, 1e-20],
        1e-6,
    );
    for p in [0.5, 1.5, 2.5, 3.0, 100.0, 1e4] {
        for scale in [1e-30, 1.0, 1e30] {
            let x = [3.0, 2.0, -1.0];
            let sum: f64 = x.iter().map(|x: &f64| (x.abs() / 3.0).powf(p)).sum();
            let y = 3.0 * sum.powf(1.0 / p);
            let want = x.map(|x| x.signum() * (x.abs() / y).powf(p - 1.0));
            let (got, dx) = slope::<f32>(&x.map(|x| x * scale), 1.0, |x| x.norm(p, &[], false))?;
            near(&format!("{p}-norm"), &got, &[y * scale], 2e-6);
            for (dx, want) in dx.iter().zip(want) {
                assert!((dx - want).abs() < 3e-5 * (1.0 + want.abs()), "{p}: {dx} {want}");
            }
        }
    }
    Ok(())
}

#[test]
fn norms_at_zero() -> Result<()> {
    for which in 0..4 {
        for x in [[0.0, 0.0], [3.0, -4.0]] {
            let rows = match which {
                0 => hessian(&x, |x| x.norm(2.0, &[], false).square())?,
                1 => hessian(&x, |x| {
                    let y = x.norm(2.0, &[], false);
                    y * y
                })?,
                2 => hessian(&x, |x| x.norm(2.0, &[], true).pow_scalar(2.0).sum_axes(&[], false))?,
                _ => hessian(&x, |x| x.norm(2.0, &[], false).square().scale(0.5).scale(2.0))?,
            };
            near("rows", &rows.concat(), &[2.0, 0.0, 0.0, 2.0], 1e-15);
        }
    }
    let rows = hessian(&[3.0, 4.0], |x| x.norm(2.0, &[], false))?;
    near("norm", &rows.concat(), &[0.128, -0.096, -0.096, 0.072], 1e-14);
    let rows = hessian(&[0.0, 3.0, -4.0], |x| x.norm(1.5, &[], false))?;
    assert!(rows.concat().iter().all(|x| x.is_finite()), "{rows:?}");
    near("to 0", &[rows[0][1], rows[0][2], rows[1][0], rows[2][0]], &[0.0; 4], 0.0);
    for p in [1.5, 2.0, 3.0] {
        let g = Graph::new();
        let x = g.param(&[0.0f64, 0.0], &[2]);
        let head = g.param(&[1.0f64], &[]);
        let dx = g.grad(&[(x.norm(p, &[], false), Some(head))], &[x])?[0];
        let to_head = g.grad(&[(dx.sum_axes(&[], false), None)], &[head])?[0];
        assert_eq!((dx.to_vec::<f64>()?, to_head.item()?), (vec![0.0; 2], 0.0), "{p}");
    }
    Ok(())
}

#[test]
fn means_and_variances_do_not_leave_the_range() -> Result<()> {
    for n in [3, 5, 1000, 1500, 20_000] {
        for largest in [f64::from(f32::MAX), 3e38] {
            let x = vec![f64::from(largest as f32); n];
            let (y, dx) = slope::<f32>(&x, 1.0, |x| x.mean_axes(&[], false))?;
            // As any sum: see tests/sums.rs.
            near("mean", &y, &x[..1], (8.0 + (n as f64).log2()) * 2f64.powi(-24));
            near("its gradient", &dx[..1], &[1.0 / n as f64], 1e-7);
            near("var", &slope::<f32>(&x, 1.0, |x| x.var(1.0, &[], false))?.0, &[0.0], 0.0);
        }
        let x = vec![MAX; n];
        near("var", &slope::<f64>(&x, 1.0, |x| x.var(1.0, &[], false))?.0, &[0.0], 0.0);
        near("mean", &slope::<f64>(&x, 1.0, |x| x.mean_axes(&[], false))?.0, &[MAX], 1e-15);
        for c in [0.1, 1e-30, 9996.0, 1e8 + 0.3] {
            let x = vec![f64::from(c as f32); n];
            near("equal", &slope::<f32>(&x, 1.0, |x| x.var(1.0, &[], false))?.0, &[0.0], 0.0);
            near("equal", &slope::<f64>(&x, 1.0, |x| x.var(1.0, &[], false))?.0, &[0.0], 0.0);
        }
    }
    let g = Graph::new();
    let x = g.tensor(&[MAX, -MAX, 3.0, MAX, -MAX, 1.0, MAX, -MAX, 5.0], &[3, 3]);
    near("columns", &x.mean_axes(&[0], false).to_vec()?, &[MAX, -MAX, 3.0], 0.0);
    near("rows", &x.mean_axes(&[1], false).to_vec()?, &[1.0, 1.0 / 3.0, 5.0 / 3.0], 1.0);
    near(
        "tiny",
        &slope::<f32>(&[1e-44; 3], 1.0, |x| x.mean_axes(&[], false))?.0,
        &[f64::from(1e-44f32)],
        0.0,
    );
    near(
        "var",
        &slope::<f64>(&[0.0, 0.0, MAX], 1.0, |x| x.var(1.0, &[], false))?.0,
        &[f64::INFINITY],
        0.0,
    );
    near(
        "var",
        &slope::<f32>(&[3e38, 3e38, -3e38], 1.0, |x| x.var(1.0, &[], false))?.0,
        &[f64::INFINITY],
        0.0,
    );
    near(
        "var",
        &slope::<f32>(&[0.0, 0.0, 1e19], 1.0, |x| x.var(1.0, &[], false))?.0,
        &[1e38 / 3.0],
        1e-6,
    );
    let (y, dx) = slope::<f64>(&[1e9, 1e9 + 1.0, 1e9 + 2.0], 1.0, |x| x.var(1.0, &[], false))?;
    near("offset", &y, &[1.0], 1e-15);
    near("offset", &dx, &[-1.0, 0.0, 1.0], 1e-15);
    let third = 2.0 / 3.0;
    for x in [[0.1, 0.1, 0.1], [1.0, 2.0, 4.0]] {
        let rows = hessian(&x, |x| x.var(1.0, &[], false))?;
        let h = [third, -third / 2.0, -third / 2.0];
        near("second derivatives", &rows[0], &h, 1e-14);
    }
    // All 9996, over an outer axis.
    let x = g.tensor(&vec![9996.0f32; 3_000_000], &[1_000_000, 3]);
    assert_eq!(x.mean_axes(&[0], false).to_vec::<f32>()?, [9996.0; 3]);
    assert_eq!(x.var(1.0, &[0], false).to_vec::<f32>()?, [0.0; 3]);
    Ok(())
}

#[test]
fn products_take_their_head_last() -> Result<()> {
    let f32_max = f64::from(f32::MAX);
    let (_, dx) = slope::<f32>(&[-2.0, 0.0, f32_max], 1.5, |x| x.prod_axes(&[], false))?;
    near("f32", &dx, &[0.0, f64::NEG_INFINITY, 0.0], 0.0);
    let (_, dx) = slope::<f64>(&[-2.0, 0.0, MAX], 1.5, |x| x.prod_axes(&[], false))?;
    near("f64", &dx, &[0.0, f64::NEG_INFINITY, 0.0], 0.0);
    let (_, dx) = slope::<f64>(&[1.0, 1e-20, MAX], 1.5, |x| x.prod_axes(&[], false))?;
    near("f64", &dx, &[1e-20 * MAX * 1.5, f64::INFINITY, 1.5e-20], 1e-15);
    for n in 1..12 {
        let x: Vec<f64> = (0..n).map(|i| 0.5 + i as f64 / 4.0).collect();
        let (y, dx) = slope::<f64>(&x, 2.0, |x| x.prod_axes(&[], false))?;
        let all: f64 = x.iter().product();
        near("prod", &y, &[all], 1e-14);
        near("prod'", &dx, &x.iter().map(|x| 2.0 * all / x).collect::<Vec<_>>(), 1e-14);
    }
    let g = Graph::new();
    let x = g.param(&[1.0f64, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 0.0, 1.0, 2.0, 3.0], &[2, 3, 2]);
    x.prod_axes(&[1], true).sum_axes(&[], false).backward()?;
    let want = [15.0, 24.0, 5.0, 12.0, 3.0, 8.0, 0.0, 3.0, 14.0, 24.0, 0.0, 8.0];
    near("middle axis", &x.grad::<f64>()?.unwrap(), &want, 1e-15);
    let rows = hessian(&[0.0, 2.0, 0.0, 3.0], |x| x.prod_axes(&[], false))?;
    near("at zeros", &rows[0], &[0.0, 0.0, 6.0, 0.0], 0.0);
    Ok(())
}

#[test]
fn what_is_left_out_does_not_count() -> Result<()> {
    let g = Graph::new();
    let inf = f64::INFINITY;
    let logits = g.param(&[-inf, -inf, -inf, 1.0, 2.0, 3.0, f64::NAN, inf, 0.0], &[3, 3]);
    let loss = logits.cross_entropy(g.tensor(&[-100i64, 1, -100], &[3]));
    loss.backward()?;
    let dx = logits.grad::<f64>()?.unwrap();
    assert_eq!((&dx[..3], &dx[6..]), (&[0.0; 3][..], &[0.0; 3][..]));
    let exps = [1f64, 2.0, 3.0].map(f64::exp);
    let all: f64 = exps.iter().sum();
    near("kept", &dx[3..6], &[exps[0] / all, exps[1] / all - 1.0, exps[2] / all], 1e-14);
    for (p, want) in [(1.0, 0.0), (0.0, inf)] {
        let x = g.param(&[inf, f64::NAN, -inf], &[3]);
        let y = x.dropout(p);
        let head = g.tensor(&[inf, 1.0, 1.0], &[3]);
        y.backward_with(head)?;
        near(
            "dropout",
            &y.to_vec()?,
            &if p == 1.0 { [0.0; 3] } else { [inf, f64::NAN, -inf] },
            0.0,
        );
        near("dropout'", &x.grad::<f64>()?.unwrap(), &[want, 1.0 - p, 1.0 - p], 0.0);
    }
    let x = g.param(&[1e300f64; 64], &[64]);
    let y = x.dropout(0.5).to_vec::<f64>()?;
    assert!(y.iter().all(|&y| y == 0.0 || y == 2e300) && y.contains(&0.0) && y.contains(&2e300));
    Ok(())
}

#[test]
fn random_numbers_stay_below_the_end() -> Result<()> {
    let g = Graph::new();
    // Ranges of few numbers, so that rounding would reach the end at once.
    for (low, high) in [
        (1.0, 1.0 + 2f64.powi(-22)),
        (16777214.0, 16777216.0),
        (-1.0, -0.9999999),
        (0.1, 0.10000002),
    ] {
        let x = g.uniform::<f32>(&[100_000], low, high).to_vec::<f32>()?;
        assert!(x.iter().all(|&x| f64::from(x) < high && x >= low as f32), "{low} {high}");
    }
    let end = 1.0 + 2f64.powi(-51);
    assert!(
        g.uniform::<f64>(&[1000], 1.0, end).to_vec::<f64>()?.iter().all(|&x| x >= 1.0 && x < end)
    );
    assert!(g.uniform::<f64>(&[1000], -MAX, MAX).to_vec::<f64>()?.iter().all(|x| x.is_finite()));
    assert_eq!(g.uniform::<f32>(&[3], 2.0, 2.0).to_vec::<f32>()?, [2.0; 3]);
    assert!(g.normal::<f32>(&[1000], 0.0, 3e38).to_vec::<f32>()?.iter().all(|x| x.is_finite()));
    assert!(g.normal::<f64>(&[1000], 1e308, 1e308).to_vec::<f64>()?.iter().all(|x| x.is_finite()));
    Ok(())
}

#[test]
fn optimisers_move_by_the_rate_whatever_the_gradient() -> Result<()> {
    for size in [1e-30, 1e-20, 1.0, 1e20, 1e25, 1e37] {
        let g = Graph::new();
        let x = g.param(&[0.0f32, 0.0], &[2]);
        let slopes = g.tensor(&[size as f32, -(size as f32)], &[2]);
        let adam = Adam { epsilon: 0.0, ..Adam::new(0.125) };
        for step in 1..=3 {
            g.zero_grad();
            (x * slopes).sum_axes(&[], false).backward()?;
            adam.step(&g)?;
            let x = x.to_vec::<f32>()?;
            let want = 0.125 * step as f32;
            assert!((x[0] + want).abs() < 1e-5 && (x[1] - want).abs() < 1e-5, "{size:e}: {x:?}");
        }
    }
    let g = Graph::new();
    let x = g.param(&[1.0f64], &[1]);
    x.sum_axes(&[], false).backward()?;
    let slow = 1.0 - 1e-12;
    Adam { betas: [slow, slow], epsilon: 0.0, ..Adam::new(0.5) }.step(&g)?;
    near("betas near 1", &x.to_vec()?, &[0.5], 1e-9);
    Ok(())
}

#[test]
fn clamping_between_bounds_in_the_wrong_order_gives_the_upper_one() -> Result<()> {
    let g = Graph::new();
    let x = g.param(&[0.0, 1.5, 3.0], &[3]);
    let y = x.clamp(Some(2.0), Some(1.0));
    y.sum_axes(&[], false).backward()?;
    assert_eq!((y.to_vec::<f64>()?, x.grad::<f64>()?.unwrap()), (vec![1.0; 3], vec![0.0; 3]));
    Ok(())
}

#[test]
fn large_numbers_are_printed_to_the_point() {
    let g = Graph::new();
    assert_eq!(g.scalar(1_234_567.1f32).to_string(), "1234567");
    assert_eq!(g.scalar(1234568.5f32).to_string(), "1234569");
    assert_eq!(g.scalar(123456789012.25f64).to_string(), "123456789012");
    assert_eq!(g.scalar(12345.678f32).to_string(), "12345.7");
}

/// Numbers that make no sense are refused, and the ends of what makes sense are right.
#[test]
fn parameters_out_of_range_are_refused() -> Result<()> {
    let g = Graph::new();
    let x = g.param(&[3f32, 0.0, -4.0], &[3]);
    let nan = f64::NAN;
    for (low, high) in [(nan, 1.0), (0.0, nan), (0.0, f64::INFINITY), (2.0, 1.0), (0.0, 1e39)] {
        assert!(g.uniform::<f32>(&[3], low, high).is_null(), "uniform from {low} to {high}");
        assert!(g.check().is_err());
    }
    for (mean, deviation) in [(nan, 1.0), (0.0, nan), (0.0, -1.0), (f64::INFINITY, 1.0)] {
        assert!(g.normal::<f64>(&[3], mean, deviation).is_null(), "normal {mean}, {deviation}");
        assert!(g.check().is_err());
    }
    assert!(x.var(nan, &[], false).is_null() && g.check().is_err());
    // (What is no 0 in f64 must be none in f32.)
    for p in [nan, 1e-50, -1e-50] {
        assert!(x.norm(p, &[], false).is_null() && g.check().is_err(), "norm {p}");
    }
    for p in [1e38, 1e39, 1e300, f64::INFINITY] {
        let y = x.norm(p, &[], false);
        y.backward()?;
        assert_eq!((y.item()?, x.grad::<f32>()?), (4.0, Some(vec![0.0, 0.0, -1.0])), "norm {p}");
        g.zero_grad();
    }
    Ok(())
}

/// Lengths at which one accumulator would stand still.
#[test]
fn very_long_sums_are_right() -> Result<()> {
    let g = Graph::new();
    let mark = g.mark();
    let tenth = f64::from(0.1f32);
    let rows = 1 << 24;
    let x = g.full(&[rows, 1], 0.1f32);
    near(
        "axis 0",
        &x.sum_axes(&[0], false).cast(DType::F64).to_vec()?,
        &[rows as f64 * tenth],
        6e-7,
    );
    g.rewind(mark)?;

    let count = 1 << 25;
    let (x, y) = (g.full(&[count], 0.1f32), g.full(&[count], 0.3f32));
    let product = tenth * f64::from(0.3f32);
    near("dot", &[x.dot(y).item()?], &[count as f64 * product], 6e-7);
    g.rewind(mark)?;

    let x = g.param(&[1f32, 2.0], &[2]);
    x.index_select(0, g.zeros::<i64>(&[count])).sum().backward()?;
    assert_eq!(x.grad::<f32>()?, Some(vec![33554432.0, 0.0]));
    Ok(())
}

#[test]
fn the_sign_of_zero_stays_where_the_function_is_odd() -> Result<()> {
    type Function = for<'g> fn(Var<'g>) -> Var<'g>;
    let functions: [(&str, Function); 13] = [
        ("sin", |x| x.sin()),
        ("tan", |x| x.tan()),
        ("tanh", |x| x.tanh()),
        ("erf", |x| x.erf()),
        ("expm1", |x| x.expm1()),
        ("log1p", |x| x.log1p()),
        ("sqrt", |x| x.sqrt()),
        ("silu", |x| x.silu()),
        ("gelu", |x| x.gelu()),
        ("gelu_tanh", |x| x.gelu_tanh()),
        ("floor", |x| x.floor()),
        ("ceil", |x| x.ceil()),
        ("round", |x| x.round()),
    ];
    let g = Graph::new();
    for n in 1..20 {
        for sign in [1.0, -1.0] {
            let (single, double) = (vec![0.0f32 * sign as f32; n], vec![0.0 * sign; n]);
            for (name, f) in functions {
                let narrow = f(g.tensor(&single, &[n])).to_vec::<f32>()?;
                let wide = f(g.tensor(&double, &[n])).to_vec::<f64>()?;
                assert!(narrow.iter().all(|y| *y == 0.0 && y.signum() as f64 == sign), "{name}");
                assert!(wide.iter().all(|y| *y == 0.0 && y.signum() == sign), "{name}");
            }
        }
    }
    Ok(())
}

/// Operations that change nothing give their operand; where no gradients are recorded, without one.
#[test]
fn without_gradients_an_operation_that_changes_nothing_has_none() {
    let g = Graph::new();
    let x = g.param(&[1.0, 2.0], &[2, 1]);
    let same = |x: Var<'_>| -> Vec<(&'static str, bool)> {
        [
            ("reshape", x.reshape(&[2, 1])),
            ("permute", x.permute(&[0, 1])),
            ("transpose", x.transpose(1, 1)),
            ("expand", x.expand(&[2, 1])),
            ("cast", x.cast(DType::F64)),
            ("squeeze", x.squeeze(Some(0))),
            ("slice", x.slice(0, 0, 2, 1)),
            ("add 0", x + 0.0),
        ]
        .map(|(name, y)| (name, y.requires_grad().unwrap()))
        .to_vec()
    };
    assert!(same(x).iter().all(|(_, requires)| *requires), "{:?}", same(x));
    let off = g.no_grad();
    assert!(same(x).iter().all(|(_, requires)| !*requires), "{:?}", same(x));
    drop(off);
    assert!(same(x).iter().all(|(_, requires)| *requires));
    let y = {
        let _off = g.no_grad();
        x.reshape(&[2, 1])
    };
    (y * x).sum().backward().unwrap();
    assert_eq!(x.grad::<f64>().unwrap(), Some(vec![1.0, 2.0]));
}

/// Without momentum nothing is kept of earlier gradients, whatever they were.
#[test]
fn a_gradient_that_is_no_number_is_forgotten_without_momentum() {
    let g = Graph::new();
    let x = g.param(&[2.0], &[1]);
    let factor = g.tensor(&[f64::NAN], &[1]);
    let loss = (x * factor).sum();
    let sgd = Sgd::new(0.01);
    loss.backward().unwrap();
    sgd.step(&g).unwrap();
    g.zero_grad();
    x.write(&[2.0]).unwrap();
    factor.write(&[4.0]).unwrap();
    loss.backward().unwrap();
    sgd.step(&g).unwrap();
    assert_eq!(x.to_vec::<f64>().unwrap(), [1.96]);
}

#[test]
fn integers_are_cast_to_the_nearest_and_ends_may_be_far_apart() {
    let g = Graph::new();
    let x = g.tensor(&[-5i64, 300, 256, -1, 0, 255, i64::MIN, i64::MAX], &[8]);
    let got = x.cast(DType::U8).to_vec::<u8>().unwrap();
    assert_eq!(got, [0, 255, 255, 0, 0, 255, 0, 255]);
    let ends = g.linspace::<f64>(-1.7e308, 1.7e308, 3).to_vec::<f64>().unwrap();
    assert_eq!(ends, [-1.7e308, 0.0, 1.7e308]);
}

/// The derivative is a number where the cube that it is made of is none.
#[test]
fn the_slope_of_a_reciprocal_root_is_finite_where_it_is() {
    let g = Graph::new();
    let x = g.param(&[1.296_736_3e-26f32], &[1]);
    x.rsqrt().sum().backward().unwrap();
    let slope = x.grad::<f32>().unwrap().unwrap()[0];
    assert!((slope / -3.386e38 - 1.0).abs() < 1e-3, "{slope}");
}

#[test]
fn a_checked_number_is_found_wherever_it_lies() -> Result<()> {
    const KINDS: [f64; 5] = [1.0, 0.0, -1.0, f64::INFINITY, f64::NAN];
    let graph = &Graph::new();
    graph.set_check_numbers(true);
    let x = graph.param(&[1.0; 3], &[3]);
    let y = x.log();
    for case in 0..125 {
        let data = [case / 25, case / 5 % 5, case % 5].map(|k| KINDS[k]);
        x.write(&data)?;
        let logs = data.map(f64::ln);
        let has_infinity = data.contains(&f64::INFINITY);
        let in_leaf = data.iter().position(|x| x.is_nan()).map(|k| ("leaf", k));
        let made = |x: &f64| x.is_nan() || x.is_infinite() && !has_infinity;
        let in_log = || logs.iter().position(made).map(|k| ("log", k));
        match (in_leaf.or_else(in_log), y.to_vec::<f64>()) {
            (None, Ok(got)) => assert_eq!(got, logs),
            (Some((op, k)), Err(error)) => {
                let message = error.message();
                let is_named = message.contains(&format!("element {k} of"));
                assert!(is_named && message.contains(&format!(", {op} [3], is ")), "{message}");
            }
            (want, got) => panic!("{data:?}: {want:?}, and {got:?}"),
        }
    }
    Ok(())
}
