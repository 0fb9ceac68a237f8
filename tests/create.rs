//! Leaves: what the creation functions make, and what random numbers promise.

use bumpgrad::{DType, Graph, Result, Var};

#[test]
fn constants_have_the_asked_values_shape_and_dtype() -> Result<()> {
    let g = Graph::new();
    let check = |x: Var<'_>, dtype: DType, shape: &[usize], want: &[f64]| -> Result<()> {
        assert_eq!((x.dtype()?, &x.shape()?[..]), (dtype, shape));
        assert_eq!(x.cast(DType::F64).to_vec::<f64>()?, want);
        assert!(!x.requires_grad()?);
        Ok(())
    };
    check(g.zeros::<f32>(&[2, 3]), DType::F32, &[2, 3], &[0.0; 6])?;
    check(g.ones::<f64>(&[]), DType::F64, &[], &[1.0])?;
    check(g.full::<i64>(&[3], -7), DType::I64, &[3], &[-7.0; 3])?;
    check(g.full::<u8>(&[0, 4], 1), DType::U8, &[0, 4], &[])?;
    check(g.eye::<f32>(2, 3), DType::F32, &[2, 3], &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0])?;
    check(g.eye::<f32>(0, 0), DType::F32, &[0, 0], &[])?;
    check(g.arange::<i64>(0.0, 5.0, 2.0), DType::I64, &[3], &[0.0, 2.0, 4.0])?;
    check(g.arange::<f64>(1.0, 0.0, -0.25), DType::F64, &[4], &[1.0, 0.75, 0.5, 0.25])?;
    check(g.arange::<f64>(1.0, 0.0, 1.0), DType::F64, &[0], &[])?;
    check(g.linspace::<f64>(-1.0, 1.0, 5), DType::F64, &[5], &[-1.0, -0.5, 0.0, 0.5, 1.0])?;
    check(g.linspace::<f32>(3.0, 9.0, 1), DType::F32, &[1], &[3.0])?;
    let third = g.linspace::<f64>(0.0, 1.0, 4).to_vec::<f64>()?;
    assert_eq!(third, [0.0, 1.0 / 3.0, 1.0 - 1.0 / 3.0, 1.0]);
    Ok(())
}

#[test]
fn integers_are_not_cut_to_size_silently() -> Result<()> {
    let g = Graph::new();
    type Make<'a> = &'a dyn Fn() -> Var<'a>;
    let wrong: &[(&str, Make<'_>)] = &[
        ("arange: u8 holds whole numbers from 0 to 255, not 256", &|| {
            g.arange::<u8>(0.0, 257.0, 1.0)
        }),
        ("arange: u8 holds whole numbers from 0 to 255, not -1", &|| {
            g.arange::<u8>(1.0, -2.0, -1.0)
        }),
        ("arange: i64 holds whole numbers from -2^63 to 2^63 - 1, not 0.5", &|| {
            g.arange::<i64>(0.5, 3.0, 1.0)
        }),
        ("arange: the step to i64 numbers must be a whole one, not 0.5", &|| {
            g.arange::<i64>(0.0, 3.0, 0.5)
        }),
        ("linspace: u8 holds whole numbers from 0 to 255, not 300", &|| {
            g.linspace::<u8>(0.0, 300.0, 4)
        }),
    ];
    for (message, make) in wrong {
        assert!(make().is_null(), "{message}");
        let error = g.check().unwrap_err();
        assert!(error.message().starts_with(message), "{message}: {error}");
    }
    assert_eq!(g.arange::<u8>(255.0, -1.0, -85.0).to_vec::<u8>()?, [255, 170, 85, 0]);
    assert_eq!(g.arange::<i64>(3.0, 0.0, 1.0).to_vec::<i64>()?, []);
    // A cast takes numbers as they come: the nearest one, and 0 for NaN.
    let x = g.tensor(&[-1.5, 2.9, 256.0, 1e300, f64::NAN], &[5]);
    assert_eq!(x.cast(DType::U8).to_vec::<u8>()?, [0, 2, 255, 255, 0]);
    assert_eq!(x.cast(DType::I64).to_vec::<i64>()?, [-1, 2, 256, i64::MAX, 0]);
    Ok(())
}

#[test]
fn random_leaves_follow_from_the_seed_and_their_number() -> Result<()> {
    let draw = |seed: u64| -> Result<[Vec<f32>; 3]> {
        let g = Graph::new();
        g.set_seed(seed);
        let (a, b) = (g.uniform::<f32>(&[501], -1.0, 3.0), g.uniform::<f32>(&[501], -1.0, 3.0));
        let c = g.normal::<f32>(&[20_001], 5.0, 2.0);
        Ok([a.to_vec()?, b.to_vec()?, c.to_vec()?])
    };
    let [a, b, c] = draw(1)?;
    assert_eq!(draw(1)?, [a.clone(), b.clone(), c.clone()]);
    assert!(draw(2)?[0] != a && a != b);
    assert!(a.iter().all(|x| (-1.0..=3.0).contains(x)));
    // Five standard errors.
    let mean = c.iter().map(|&x| f64::from(x)).sum::<f64>() / c.len() as f64;
    assert!((mean - 5.0).abs() < 5.0 * 2.0 / (c.len() as f64).sqrt(), "{mean}");
    // The same numbers in both precisions, as far as they reach.
    let g = Graph::new();
    g.set_seed(1);
    let wide = g.uniform::<f64>(&[501], -1.0, 3.0).to_vec::<f64>()?;
    assert!(wide.iter().zip(&a).all(|(x, y)| *x as f32 == *y));
    Ok(())
}

#[test]
fn a_leaf_takes_exactly_its_data_and_keeps_it_when_refused() -> Result<()> {
    let g = Graph::new();
    let x = g.param(&[1.0f32, 2.0], &[2]);
    assert!(x.write(&[1.0f32]).unwrap_err().message().contains("takes 2 elements"));
    assert!(x.write(&[1.0f64, 2.0]).unwrap_err().message().contains("f32"));
    assert!(x.exp().write(&[1.0f32, 2.0]).unwrap_err().message().contains("not a leaf"));
    assert_eq!(x.to_vec::<f32>()?, [1.0, 2.0]);
    let mut out = [0f32; 2];
    x.square().read_into(&mut out)?;
    assert_eq!(out, [1.0, 4.0]);
    let error = x.read_into(&mut [0f32; 3]).unwrap_err();
    assert!(error.message().contains("2 elements, and there is room for 3"), "{error}");
    assert!(x.to_vec::<f64>().unwrap_err().message().contains("holds f32"));
    assert!(x.item().unwrap_err().message().contains("single element"));
    Ok(())
}

#[test]
fn memory_is_reported_limited_and_kept_by_reset() -> Result<()> {
    let g = Graph::new();
    let x = g.zeros::<f64>(&[1000]);
    let used = g.memory();
    assert!(used.live >= 8000 && used.pooled >= used.live && used.records > 0);
    g.set_memory_limit(used.total());
    let error = (0..100).map(|_| g.zeros::<f64>(&[1000])).find_map(|_| g.check().err());
    assert!(error.expect("the limit is reached").message().contains("memory limit"));
    assert_eq!(x.to_vec::<f64>()?, [0.0; 1000]);
    g.reset();
    assert_eq!((g.memory().live, g.memory().pooled), (0, g.memory().pooled));
    assert!(g.zeros::<f64>(&[1000]).to_vec::<f64>().is_ok());
    Ok(())
}

#[test]
fn integers_keep_all_their_digits_and_compare_only_with_integers() -> Result<()> {
    let g = Graph::new();
    let large = (1i64 << 53) + 1;
    assert_eq!(g.full(&[1], large).to_vec::<i64>()?, [large]);
    let x = g.tensor(&[0i64, 2, 3], &[3]);
    assert_eq!(x.ge_scalar(2.0).to_vec::<u8>()?, [0, 1, 1]);
    for wrong in [2.5, f64::NAN, f64::INFINITY, 9.3e18] {
        assert!(x.eq_scalar(wrong).is_null());
        assert!(g.check().unwrap_err().message().contains("cast the tensor to f64"));
    }
    assert!(g.zeros::<u8>(&[1]).lt_scalar(300.0).is_null());
    assert!(g.check().is_err());
    assert_eq!(x.cast(DType::F64).lt_scalar(2.5).to_vec::<u8>()?, [1, 1, 0]);
    Ok(())
}

#[test]
fn a_failed_step_of_another_optimiser_loses_nothing() -> Result<()> {
    let g = Graph::new();
    let (a, b) = (g.param(&[0f32; 100_000], &[100_000]), g.param(&[0f32; 100_000], &[100_000]));
    (a + b).sum().backward()?;
    let sgd = bumpgrad::Sgd { momentum: 1.0, ..bumpgrad::Sgd::new(1.0) };
    sgd.step(&g)?;
    g.set_memory_limit(g.memory().total() + 920_000);
    assert!(bumpgrad::Adam::new(1.0).step(&g).is_err());
    g.set_memory_limit(usize::MAX);
    sgd.step(&g)?;
    // Two steps with full momentum: 1 and then 2.
    assert_eq!((a.to_vec::<f32>()?[0], b.to_vec::<f32>()?[0]), (-3.0, -3.0));
    Ok(())
}

/// What is refused for want of memory takes none away from what comes next.
#[test]
fn a_refused_product_leaves_room_for_a_sum() -> Result<()> {
    for limit in (1_000_000..1_500_000).step_by(25_000) {
        let g = Graph::new();
        g.set_memory_limit(limit);
        let x = g.param(&vec![0.5f32; 90_000], &[300, 300]);
        let s = x.sum();
        let before = s.item()?;
        let product = x.matmul(x).sum();
        let refused = product.item().is_err();
        assert!(g.memory().total() <= limit, "{:?} of {limit}", g.memory());
        assert_eq!((-x).sum().item()?, -before, "limit {limit}, refused {refused}");
        x.write(&vec![0.25f32; 90_000])?;
        assert_eq!(s.item()?, before / 2.0, "limit {limit}");
    }
    Ok(())
}
