//! Searches for minima: test functions of the literature, and what happens when something is wrong.

use bumpgrad::{
    DType, Element, Ended, Error, ErrorKind, Graph, Lbfgs, LevenbergMarquardt, Minimum, Result,
    TrustRegion, Var,
};

type Search = dyn Fn(Var<'_>, &[Var<'_>]) -> Result<Minimum>;

/// Both searches for minima of any function.
fn both(check: impl Fn(&str, &Search)) {
    check("lbfgs", &|loss, xs| Lbfgs::default().minimise(loss, xs));
    check("trust_region", &|loss, xs| TrustRegion::default().minimise(loss, xs));
}

fn element(x: Var<'_>, i: usize) -> Var<'_> {
    x.slice(0, i as isize, i as isize + 1, 1).reshape(&[])
}

/// The sum of 100 (b - a^2)^2 + (1 - a)^2 over neighbours.
fn rosenbrock(x: Var<'_>) -> Result<Var<'_>> {
    let n = x.shape()?[0] as isize;
    let (a, b) = (x.slice(0, 0, n - 1, 1), x.slice(0, 1, n, 1));
    Ok((100.0 * (b - a.square()).square() + (1.0 - a).square()).sum())
}

fn near(found: Var<'_>, wanted: &[f64], tolerance: f64) {
    for (found, wanted) in found.to_vec::<f64>().unwrap().iter().zip(wanted) {
        assert!((found - wanted).abs() < tolerance, "{found} instead of {wanted}");
    }
}

#[test]
fn rosenbrock_in_some_dimensions() {
    both(|name, search| {
        for n in [2, 3, 10, 50] {
            let g = Graph::new();
            let start: Vec<f64> = (0..n).map(|i| if i % 2 == 0 { -1.2 } else { 1.0 }).collect();
            let x = g.param(&start, &[n]);
            let found = search(rosenbrock(x).unwrap(), &[x]).unwrap();
            assert_eq!(found.ended, Ended::Gradient, "{name}, {n}: {found:?}");
            assert!(found.gradient <= 1e-8 && found.value < 20.0, "{name}, {n}: {found:?}");
            // (In some dimensions there is another minimum, close to (-1, 1, ..., 1).)
            if found.value < 1.0 {
                near(x, &vec![1.0; n], 1e-7);
            }
        }
    });
}

#[test]
fn functions_of_more_garbow_and_hillstrom() {
    both(|name, search| {
        let g = Graph::new();
        // Beale's.
        let x = g.param(&[1.0, 1.0], &[2]);
        let (a, b) = (element(x, 0), element(x, 1));
        let powers = [(1.5, b), (2.25, b.square()), (2.625, b.square() * b)];
        let [one, two, three] = powers.map(|(y, b)| (y - a * (1.0 - b)).square());
        let beale = one + two + three;
        let found = search(beale, &[x]).unwrap();
        assert!(found.is_found() && found.value < 1e-15, "{name}: {found:?}");
        near(x, &[3.0, 0.5], 1e-7);
        // Powell's singular function: the Hessian has rank 2 at the minimum.
        let x = g.param(&[3.0, -1.0, 0.0, 1.0], &[4]);
        let [a, b, c, d] = [0, 1, 2, 3].map(|i| element(x, i));
        let powell = (a + 10.0 * b).square() + 5.0 * (c - d).square();
        let powell = powell + (b - 2.0 * c).square().square() + 10.0 * (a - d).square().square();
        let found = search(powell, &[x]).unwrap();
        assert!(found.is_found() && found.value < 1e-9, "{name}: {found:?}");
        near(x, &[0.0; 4], 0.02);
        // Wood's, from where the Hessian is indefinite, on four leaves.
        let leaves = [-3.0, -1.0, -3.0, -1.0].map(|x| g.param(&[x], &[]));
        let [a, b, c, d] = leaves;
        let wood = 100.0 * (a.square() - b).square() + (a - 1.0).square() + (c - 1.0).square();
        let wood = wood + 90.0 * (c.square() - d).square();
        let wood = wood + 10.1 * ((b - 1.0).square() + (d - 1.0).square());
        let wood = wood + 19.8 * (b - 1.0) * (d - 1.0);
        let found = search(wood, &leaves).unwrap();
        assert!(found.is_found() && found.value < 1e-12, "{name}: {found:?}");
        leaves.iter().for_each(|&x| near(x, &[1.0], 1e-6));
        // One whose values leave the range on the way.
        let x = g.param(&[30.0, -40.0], &[2]);
        let found = search((x.exp() - x).sum(), &[x]).unwrap();
        assert!(found.is_found(), "{name}: {found:?}");
        near(x, &[0.0; 2], 1e-7);
    });
}

#[test]
fn a_regression_whose_minimum_is_known() {
    both(|name, search| {
        let g = Graph::new();
        g.set_seed(3);
        let a = g.normal::<f64>(&[40, 5], 0.0, 1.0);
        let wanted = g.normal::<f64>(&[5, 1], 0.0, 1.0).snapshot();
        let y = a.matmul(wanted).snapshot();
        let x = g.zeros::<f64>(&[5, 1]);
        x.set_requires_grad(true).unwrap();
        let loss = (a.matmul(x) - y).square().mean();
        let found = search(loss, &[x]).unwrap();
        assert!(found.is_found() && found.value < 1e-14, "{name}: {found:?}");
        near(x, &wanted.to_vec::<f64>().unwrap(), 1e-7);
    });
}

#[test]
fn parameters_of_f32() {
    both(|name, search| {
        let g = Graph::new();
        let (x, y) = (g.param(&[-1.0f32, 4.0], &[2]), g.param(&[2.0], &[]));
        let loss = (x - 1.0).square().sum().cast(DType::F64) + (y - 3.0).square();
        let found = search(loss, &[y, x]).unwrap();
        assert!(found.value < 1e-10, "{name}: {found:?}");
        assert!((y.item().unwrap() - 3.0).abs() < 1e-4, "{name}: {y}");
        let [a, b] = x.to_vec::<f32>().unwrap()[..] else { panic!() };
        assert!((a - 1.0).abs() < 1e-4 && (b - 1.0).abs() < 1e-4, "{name}: {x}");
    });
    let g = Graph::new();
    let x = g.param(&[1.0f32, 5.0], &[2]);
    let fit = LevenbergMarquardt::default().fit(x.square() - 4.0, &[x]).unwrap();
    assert!(fit.value < 1e-9, "{fit:?}");
}

#[test]
fn functions_of_the_callers() -> Result<()> {
    let quartic = |x: &[f64], gradient: &mut [f64]| {
        gradient.iter_mut().zip(x).for_each(|(g, x)| *g = 4.0 * (x - 1.0).powi(3) + 2.0 * x);
        Ok(x.iter().map(|x| (x - 1.0).powi(4) + x * x).sum())
    };
    let curvature = |x: &[f64], v: &[f64], out: &mut [f64]| {
        for i in 0..x.len() {
            out[i] = (12.0 * (x[i] - 1.0).powi(2) + 2.0) * v[i];
        }
        Ok(())
    };
    let mut x = [5.0, -2.0, 0.0];
    let found = Lbfgs::default().minimise_function(&mut x, quartic)?;
    let mut y = [5.0, -2.0, 0.0];
    let other = TrustRegion::default().minimise_function(&mut y, quartic, curvature)?;
    assert!(found.is_found() && other.is_found() && (found.value - other.value).abs() < 1e-12);
    // The root of 2 (x - 1)^3 + x.
    assert!(x.iter().chain(&y).all(|x| (x - 0.410_245_487_699).abs() < 1e-8), "{x:?} {y:?}");
    let mut x = [-1.2, 1.0];
    let fit = LevenbergMarquardt::default().fit_function(&mut x, 2, |x, out, jacobian| {
        out.copy_from_slice(&[10.0 * (x[1] - x[0] * x[0]), 1.0 - x[0]]);
        if let Some(jacobian) = jacobian {
            jacobian.copy_from_slice(&[-20.0 * x[0], 10.0, -1.0, 0.0]);
        }
        Ok(())
    })?;
    assert!(fit.is_found() && x == [1.0, 1.0], "{fit:?} {x:?}");
    // An error of theirs ends the search, and is told.
    let failing = || -> Error {
        let g = Graph::new();
        g.tensor(&[1.0], &[2]).item().unwrap_err()
    };
    let mut x = [1.0];
    let error = Lbfgs::default().minimise_function(&mut x, |_, _| Err(failing())).unwrap_err();
    assert_eq!(error, failing());
    let told = TrustRegion::default().minimise_function(&mut x, quartic, |_, _, _| Err(failing()));
    assert_eq!(told.unwrap_err(), failing());
    let told = LevenbergMarquardt::default().fit_function(&mut x, 1, |_, _, _| Err(failing()));
    assert_eq!(told.unwrap_err(), failing());
    Ok(())
}

#[test]
fn few_residuals_and_many_parameters() -> Result<()> {
    // Fewer residuals than parameters: any minimum will do.
    let g = Graph::new();
    let x = g.param(&[1.0, 2.0, 3.0], &[3]);
    let fit = LevenbergMarquardt::default().fit(x.sum() - 9.0, &[x])?;
    assert!(fit.value < 1e-20 && (x.sum().item()? - 9.0).abs() < 1e-10, "{fit:?}");
    // Parameters that have no influence, or the same one.
    let (a, b, c) = (g.param(&[1.0], &[]), g.param(&[1.0], &[]), g.param(&[1.0], &[]));
    let t = g.tensor(&[1.0, 2.0, 3.0], &[3]);
    let fit = LevenbergMarquardt::default().fit((a + b) * t - 4.0 * t, &[a, b, c])?;
    assert!(fit.value < 1e-20, "{fit:?}");
    assert_eq!(c.item()?, 1.0);
    Ok(())
}

#[test]
fn limits_of_iterations() -> Result<()> {
    let g = Graph::new();
    let x = g.param(&[-1.2, 1.0], &[2]);
    let loss = rosenbrock(x)?;
    let few = Lbfgs { iterations: 3, ..Lbfgs::default() }.minimise(loss, &[x])?;
    assert_eq!((few.iterations, few.ended, few.is_found()), (3, Ended::Iterations, false));
    assert_eq!(loss.item()?, few.value);
    let few = TrustRegion { iterations: 2, ..TrustRegion::default() }.minimise(loss, &[x])?;
    assert_eq!((few.iterations, few.ended), (2, Ended::Iterations));
    let rough = Lbfgs { value: 0.5, ..Lbfgs::default() }.minimise(loss, &[x])?;
    assert_eq!(rough.ended, Ended::Value);
    let none = Lbfgs { history: 0, iterations: 20, ..Lbfgs::default() }.minimise(loss, &[x])?;
    assert!(none.value <= rough.value);
    Ok(())
}

#[test]
fn what_is_wrong_is_told_and_changes_nothing() -> Result<()> {
    let g = Graph::new();
    let x = g.param(&[1.0, 2.0], &[2]);
    let other = g.param(&[1.0], &[]);
    let loss = x.square().sum();
    let nodes = g.to_text();
    both(|name, search| {
        let refused = |loss: Var<'_>, xs: &[Var<'_>], kind, words: &str| {
            let error = search(loss, xs).unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.message().contains(words), "{error}");
        };
        let start = format!("{name}: ");
        refused(loss, &[], ErrorKind::Argument, &(start.clone() + "there must be a parameter"));
        refused(
            loss,
            &[x, x],
            ErrorKind::Argument,
            &(start.clone() + "n0 is in the list more than"),
        );
        refused(loss, &[loss], ErrorKind::Argument, "not a leaf");
        refused(x, &[x], ErrorKind::Shape, &(start + "what is minimised must be a single element"));
        refused(loss, &[other], ErrorKind::Gradient, "is not used");
    });
    let constant = g.tensor(&[1i64], &[1]);
    let fit = LevenbergMarquardt::default().fit(x, &[constant]);
    assert_eq!(fit.unwrap_err().kind(), ErrorKind::DType);
    for lbfgs in [
        Lbfgs { gradient: -1.0, ..Lbfgs::default() },
        Lbfgs { value: f64::NAN, ..Lbfgs::default() },
    ] {
        let error = lbfgs.minimise(loss, &[x]).unwrap_err();
        assert!(error.message().contains("tolerance must be at least 0"), "{error}");
        let error = lbfgs.minimise_function(&mut [1.0], |_, _| Ok(0.0)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Argument);
    }
    let region = TrustRegion { radius: 0.0, ..TrustRegion::default() };
    let error = region.minimise(loss, &[x]).unwrap_err();
    assert!(error.message().contains("trust_region: the radius must be above 0, not 0"), "{error}");
    assert_eq!(x.to_vec::<f64>()?, [1.0, 2.0]);
    assert!(g.to_text().starts_with(nodes.trim_end()));
    Ok(())
}

/// What cannot be computed on the way ends the search, with the leaves as before.
#[test]
fn an_evaluation_that_fails() -> Result<()> {
    both(|name, search| {
        let g = Graph::new();
        let x = g.param(&[2.0], &[1]);
        let table = g.tensor(&[1.0, 2.0, 3.0], &[3]);
        // An index that is right at the start, and wrong where the minimum is.
        let part = table.index_select(0, x.detach().cast(DType::I64)).sum();
        let loss = (x - 9.0).square().sum() + 0.0 * part;
        let error = search(loss, &[x]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Index, "{name}: {error}");
        assert_eq!(x.to_vec::<f64>().unwrap(), [2.0]);
        assert_eq!(loss.item().unwrap(), 49.0);
    });
    Ok(())
}

/// The same search again gives the same bits, and records nothing that stays.
#[test]
fn searches_are_reproducible() -> Result<()> {
    fn bits<T: Element>(x: Var<'_>) -> Vec<u64> {
        x.to_vec::<T>().unwrap().iter().map(|x| x.to_f64().to_bits()).collect()
    }
    let g = Graph::new();
    let x = g.param(&[-1.2, 1.0, 0.5], &[3]);
    let loss = rosenbrock(x)?;
    let text = g.to_text();
    let first = Lbfgs::default().minimise(loss, &[x])?;
    let found = bits::<f64>(x);
    x.write(&[-1.2, 1.0, 0.5])?;
    assert_eq!(Lbfgs::default().minimise(loss, &[x])?, first);
    assert_eq!(bits::<f64>(x), found);
    assert_eq!(g.to_text().lines().count(), text.lines().count());
    assert_eq!(x.grad::<f64>()?, None);
    Ok(())
}
