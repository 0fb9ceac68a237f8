//! Searches for minima: test functions of the literature, and what happens when something is wrong.

use bumpgrad::{
    Bounds, DType, Element, Ended, Error, ErrorKind, Graph, Lbfgs, LevenbergMarquardt, Minimum,
    Result, TrustRegion, Var,
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
    let fit = LevenbergMarquardt::default().fit((a + b + 0.0 * c) * t - 4.0 * t, &[a, b, c])?;
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
    // (Steps that are not taken count, too.)
    assert_eq!((few.evaluations, few.ended), (3, Ended::Iterations));
    let rough = Lbfgs { value: 0.5, ..Lbfgs::default() }.minimise(loss, &[x])?;
    assert_eq!(rough.ended, Ended::Value);
    let none = Lbfgs { history: 0, iterations: 20, ..Lbfgs::default() }.minimise(loss, &[x])?;
    assert!(none.value <= rough.value);
    Ok(())
}

/// Losses without a minimum: it goes down as far as the line is followed, and says so.
#[test]
fn losses_that_are_unbounded_below() -> Result<()> {
    let g = Graph::new();
    let (x, y) = (g.param(&[1.0, 2.0], &[2]), g.param(&[3.0f32], &[]));
    let loss = x.sum() - (2.0 * y).cast(DType::F64);
    let found = Lbfgs::default().minimise(loss, &[x, y])?;
    assert_eq!((found.ended, found.iterations), (Ended::Unbounded, 1), "{found:?}");
    assert!(!found.is_found() && found.value < -1e17 && found.gradient == 2.0, "{found:?}");
    assert!(x.to_vec::<f64>()?.iter().all(|&x| x < -1e16) && y.item()? > 1e16);
    assert_eq!(loss.item()?, found.value);
    // One whose value is minus infinity soon: the leaves stay where there is a value.
    let x = g.param(&[1.0], &[]);
    let found = Lbfgs::default().minimise(-(50.0 * x).exp(), &[x])?;
    assert_eq!(found.ended, Ended::Unbounded, "{found:?}");
    assert!(found.value.is_finite() && found.value < -1e20 && x.item()?.is_finite(), "{found:?}");
    // Both searches, on losses that fall by more and more, or beside what has a minimum.
    both(|name, search| {
        let g = Graph::new();
        let (x, y) = (g.param(&[1.0], &[]), g.param(&[3.0], &[]));
        let losses = [
            3.0 * x + y,
            y - x.square(),
            x + y.square(),
            x * y,
            (x - 2.0).square() * (x - 2.0) + y.square(),
            1e-6 * x + (y - 1.0).square(),
            -(50.0 * x).exp() + y.square(),
        ];
        for (i, &loss) in losses.iter().enumerate() {
            x.write(&[1.0]).unwrap();
            y.write(&[3.0]).unwrap();
            let found = search(loss, &[x, y]).unwrap();
            let what = format!("{name}, {i}: {found:?}");
            assert_eq!((found.ended, found.is_found()), (Ended::Unbounded, false), "{what}");
            assert!(found.value.is_finite() && found.value < -1e11, "{what}");
            assert_eq!(loss.item().unwrap(), found.value, "{what}");
        }
    });
    // A region that grows without end, and one that may not grow.
    for (radius, largest_radius) in [(1.0, f64::INFINITY), (1e-3, 1e-3)] {
        let region = TrustRegion { radius, largest_radius, ..TrustRegion::default() };
        let x = g.param(&[1.0], &[]);
        let found = region.minimise(3.0 * x, &[x])?;
        assert_eq!(found.ended, Ended::Unbounded, "{found:?}");
        assert!(found.value < -1e14 && found.evaluations < 100, "{found:?}");
    }
    // No value at the start is no minimum.
    let x = g.param(&[-1.0], &[]);
    let found = Lbfgs::default().minimise(x.log(), &[x])?;
    assert_eq!((found.ended, found.is_found()), (Ended::Rounding, false));
    Ok(())
}

/// Numbers that are none, in a gradient or a Jacobian, at the start or later: never is that a minimum, and
/// the search ends.
#[test]
fn derivatives_that_have_no_value() -> Result<()> {
    const BAD: [f64; 3] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    let ends = |found: Minimum, what: &str| {
        assert_eq!((found.ended, found.is_found()), (Ended::Rounding, false), "{what}: {found:?}");
        assert!(!found.gradient.is_finite(), "{what}: {found:?}");
        assert!(found.evaluations < 200, "{what}: {found:?}");
    };
    for (bad, place, after) in BAD.iter().flat_map(|&bad| {
        [(0, 0), (1, 0), (0, 1), (1, 1), (0, 3)].map(|(place, after)| (bad, place, after))
    }) {
        let what = format!("{bad} in {place} after {after}");
        // A quartic, in one of whose variables the gradient is bad from some value on.
        let function = |count: &mut usize, x: &[f64], gradient: &mut [f64]| {
            gradient.iter_mut().zip(x).for_each(|(g, x)| *g = 4.0 * x * x * x);
            *count += 1;
            if *count > after {
                gradient[place] = bad;
            }
            Ok(x.iter().map(|x| x.powi(4)).sum())
        };
        let curvature = |x: &[f64], v: &[f64], out: &mut [f64]| {
            (0..2).for_each(|i| out[i] = 12.0 * x[i] * x[i] * v[i]);
            Ok(())
        };
        let mut count = 0;
        let found = TrustRegion::default().minimise_function(
            &mut [3.0, 1.0],
            |x, gradient| function(&mut count, x, gradient),
            curvature,
        )?;
        ends(found, &what);
        let mut count = 0;
        let value = |x: &[f64], gradient: &mut [f64]| function(&mut count, x, gradient);
        ends(Lbfgs::default().minimise_function(&mut [3.0, 1.0], value)?, &what);
        let mut count = 0;
        let fit =
            LevenbergMarquardt::default().fit_function(&mut [3.0, 1.0], 2, |x, out, to| {
                (0..2).for_each(|i| out[i] = x[i] * x[i]);
                if let Some(jacobian) = to {
                    jacobian.copy_from_slice(&[2.0 * x[0], 0.0, 0.0, 2.0 * x[1]]);
                    count += 1;
                    if count > after {
                        jacobian[3 * place] = bad;
                    }
                }
                Ok(())
            })?;
        ends(fit, &what);
    }
    // Recorded: an infinite derivative, and 0 times one.
    for is_root in [true, false] {
        both(|name, search| {
            let g = Graph::new();
            let x = g.param(&[0.0, 2.0], &[2]);
            let y = if is_root { x } else { x.square() };
            ends(search(y.sqrt().sum(), &[x]).unwrap(), name);
            assert_eq!(x.to_vec::<f64>().unwrap(), [0.0, 2.0]);
        });
    }
    for matrix_free in [false, true] {
        let method = LevenbergMarquardt { matrix_free, ..LevenbergMarquardt::default() };
        let g = Graph::new();
        let x = g.param(&[0.0, 2.0], &[2]);
        ends(method.fit(x.sqrt() - 1.0, &[x])?, "sqrt");
        ends(method.fit(x.square().sqrt() - 3.0, &[x])?, "|x|");
        assert_eq!(x.to_vec::<f64>()?, [0.0, 2.0]);
    }
    // No value at the start, and a gradient of 0 there.
    let none = |_: &[f64], gradient: &mut [f64]| {
        gradient.fill(0.0);
        Ok(f64::NAN)
    };
    let zero = |_: &[f64], _: &[f64], out: &mut [f64]| {
        out.fill(0.0);
        Ok(())
    };
    let found = Lbfgs::default().minimise_function(&mut [1.0], none)?;
    let other = TrustRegion::default().minimise_function(&mut [1.0], none, zero)?;
    for found in [found, other] {
        assert_eq!((found.ended, found.is_found()), (Ended::Rounding, false), "{found:?}");
        assert!(found.value.is_nan());
    }
    // A Hessian without numbers gives no step.
    let square = |x: &[f64], gradient: &mut [f64]| {
        gradient[0] = 2.0 * x[0];
        Ok(x[0] * x[0])
    };
    for bad in BAD {
        let hessian = |_: &[f64], _: &[f64], out: &mut [f64]| {
            out.fill(bad);
            Ok(())
        };
        let found = TrustRegion::default().minimise_function(&mut [1.0], square, hessian)?;
        assert_eq!((found.ended, found.evaluations), (Ended::Rounding, 1), "{found:?}");
        assert!(!found.is_found(), "{found:?}");
    }
    // At its bound a gradient may be infinite: that is a minimum.
    let g = Graph::new();
    let x = g.param(&[0.0, 0.0], &[2]);
    let bounds = Bounds { lower: &[0.0, 0.0], upper: &[] };
    let found = Lbfgs::default().minimise_within(x.sqrt().sum(), &[x], bounds)?;
    assert_eq!((found.ended, found.gradient), (Ended::Gradient, 0.0));
    Ok(())
}

/// Numbers that are none where a search goes: it may end there, but never says that this is a minimum, nor that
/// there is none.
#[test]
fn values_that_are_none_on_the_way() -> Result<()> {
    // What falls for ever, or has a minimum at 3; and is no number, or its slope or curvature is, in a region.
    for (is_line, bad, place, first) in [true, false].into_iter().flat_map(|is_line| {
        [f64::NAN, f64::INFINITY, f64::NEG_INFINITY].into_iter().flat_map(move |bad| {
            ["value", "slope", "curvature"].into_iter().flat_map(move |place| {
                [0.0, 0.5, 2.0].into_iter().map(move |first| (is_line, bad, place, first))
            })
        })
    }) {
        if place == "value" && bad == f64::NEG_INFINITY {
            continue;
        }
        let number =
            |at: &str, x: f64, good: f64| if at == place && x > first { bad } else { good };
        let function = |x: &[f64], gradient: &mut [f64]| {
            let x = x[0];
            gradient[0] = number("slope", x, if is_line { -1.0 } else { 2.0 * (x - 3.0) });
            Ok(number("value", x, if is_line { -x } else { (x - 3.0) * (x - 3.0) }))
        };
        let hessian = |x: &[f64], v: &[f64], out: &mut [f64]| {
            out[0] = v[0] * number("curvature", x[0], if is_line { 0.0 } else { 2.0 });
            Ok(())
        };
        let region = TrustRegion::default().minimise_function(&mut [0.0], function, hessian)?;
        let lbfgs = Lbfgs::default().minimise_function(&mut [0.0], function)?;
        let fit = LevenbergMarquardt::default().fit_function(&mut [0.0], 2, |x, out, to| {
            out.copy_from_slice(&[number("value", x[0], x[0] - 3.0), 1.0]);
            let slopes = [number("slope", x[0], 1.0), 0.0];
            to.into_iter().for_each(|to| to.copy_from_slice(&slopes));
            Ok(())
        })?;
        for (name, found) in [("trust_region", region), ("lbfgs", lbfgs), ("levenberg", fit)] {
            if name != "trust_region" && place == "curvature" || name == "levenberg" && is_line {
                continue;
            }
            let what = format!("{name}: {place} {bad} after {first}, {is_line}: {found:?}");
            // (Newton's step may come to the minimum from where there is a curvature.)
            let is_there = !is_line && place == "curvature" && first == 2.0;
            assert_eq!(found.is_found(), is_there, "{what}");
            assert!(is_there || found.ended == Ended::Rounding, "{what}");
        }
    }
    Ok(())
}

/// Gradients whose squares are out of range, in the region of trust.
#[test]
fn gradients_of_any_size() -> Result<()> {
    let g = Graph::new();
    for scale in [1e-200, 1e-160, 1.0, 1e150, 1e160, 1e250, 1e300] {
        let x = g.param(&[1.0, -2.0], &[2]);
        let loss = (scale * (x - 0.5).square()).sum();
        let exact = TrustRegion { gradient: 1e-9 * scale, ..TrustRegion::default() };
        let found = exact.minimise(loss, &[x])?;
        assert_eq!(found.ended, Ended::Gradient, "{scale}: {found:?}");
        assert!(found.iterations < 10, "{scale}: {found:?}");
        near(x, &[0.5; 2], 1e-9);
    }
    let x = g.param(&[1.0, 0.9], &[2]);
    let found = TrustRegion::default().minimise((300.0 * x).exp().sum(), &[x])?;
    assert_eq!(found.ended, Ended::Gradient, "{found:?}");
    // One that its function does not have: no step is any good, and there are as many as may be.
    let wrong = |x: &[f64], gradient: &mut [f64]| {
        gradient.copy_from_slice(&[1e200, -1e308]);
        Ok(x[0] * x[0])
    };
    let curvature = |_: &[f64], v: &[f64], out: &mut [f64]| {
        out.copy_from_slice(v);
        Ok(())
    };
    for radius in [1.0, 1e200, f64::INFINITY] {
        let region = TrustRegion { iterations: 20, radius, ..TrustRegion::default() };
        let found = region.minimise_function(&mut [0.0, 2.0], wrong, curvature)?;
        assert_eq!((found.ended, found.evaluations), (Ended::Iterations, 21), "{found:?}");
    }
    Ok(())
}

/// What a loss is multiplied by changes neither the way to its minimum nor how long it takes.
#[test]
fn losses_of_any_scale() -> Result<()> {
    let none = Bounds::default();
    let some = Bounds { lower: &[-2.0, -2.0], upper: &[0.5, 2.0] };
    for (bounds, wanted) in [(none, [1.0, 1.0]), (some, [0.5, 0.25])] {
        let mut before = None;
        for scale in [1.0_f64, 1e-20, 1e20, 1e-100, 1e100] {
            let g = Graph::new();
            let x = g.param(&[-1.2, 1.0], &[2]);
            // (A bound that is near makes up for any slope: none is small beside a large tolerance.)
            let most = if bounds == none { scale } else { scale.min(1.0) };
            let exact = Lbfgs { gradient: 1e-8 * most, ..Lbfgs::default() };
            let found = exact.minimise_within(scale * rosenbrock(x)?, &[x], bounds)?;
            assert!(found.is_found(), "{scale}: {found:?}");
            near(x, &wanted, 1e-7);
            let iterations = *before.get_or_insert(found.iterations);
            assert!(found.iterations.abs_diff(iterations) < 5, "{scale}: {found:?}");
        }
    }
    // Far from 0 a step of 1 is none; without a memory every step is along the gradient.
    for (start, history) in [(1e20, 10), (1e20, 0), (1.0, 0)] {
        let square = |x: &[f64], gradient: &mut [f64]| {
            gradient[0] = 2e-20 * (x[0] + 5.0);
            Ok(1e-20 * (x[0] + 5.0) * (x[0] + 5.0))
        };
        let exact = Lbfgs { gradient: 1e-28, history, ..Lbfgs::default() };
        let mut x = [start];
        let found = exact.minimise_function(&mut x, square)?;
        assert!((x[0] + 5.0).abs() < 1e-7, "{start}, {history}: {found:?} {x:?}");
    }
    Ok(())
}

#[test]
fn rosenbrock_between_bounds() -> Result<()> {
    // Start, bounds, minimum: of SciPy 1.17.1, L-BFGS-B with ftol 1e-16 and gtol 1e-11.
    let cases: [([&[f64]; 4], f64); 3] = [
        ([&[-1.2, 1.0], &[-2.0, -2.0], &[0.5, 2.0], &[0.5, 0.25]], 0.25),
        ([&[2.0, 2.0], &[1.5, -2.0], &[3.0, 2.0], &[1.5, 2.0]], 6.5),
        (
            [
                &[-1.2, 0.5, -1.0, 0.3, 0.1],
                &[-1.5; 5],
                &[0.8; 5],
                &[0.8, 0.6600461763, 0.4482711622, 0.2088584503, 0.0436218523],
            ],
            1.1482239651667934,
        ),
    ];
    for ([start, lower, upper, wanted], value) in cases {
        let g = Graph::new();
        let x = g.param(start, &[start.len()]);
        let bounds = Bounds { lower, upper };
        let found = Lbfgs::default().minimise_within(rosenbrock(x)?, &[x], bounds)?;
        assert!(found.is_found() && found.gradient < 1e-7, "{found:?}");
        assert!((found.value - value).abs() < 1e-10, "{found:?}");
        assert!(found.iterations < 50 && found.evaluations < 100, "{found:?}");
        near(x, wanted, 1e-7);
        // At its bounds it is exactly.
        for ((x, bound), wanted) in x.to_vec::<f64>()?.iter().zip(upper).zip(wanted) {
            assert!(x <= bound && (wanted != bound || x == bound), "{x} {bound}");
        }
    }
    Ok(())
}

/// Numbers that look random, evenly from -1 to 1.
fn numbers(seed: u64, len: usize) -> Vec<f64> {
    let g = Graph::new();
    g.set_seed(seed);
    g.uniform::<f64>(&[len], -1.0, 1.0).to_vec().unwrap()
}

/// Convex quadratic functions between random bounds, some of them none, against coordinate descent.
#[test]
fn quadratics_between_bounds() -> Result<()> {
    for seed in 0..12 {
        let n = 3 + 4 * seed as usize;
        let (a, b) = (numbers(seed, n * n), numbers(seed + 100, n));
        // a a' + 0.1
        let matrix = |i: usize, j: usize| {
            let product: f64 = (0..n).map(|k| a[i * n + k] * a[j * n + k]).sum();
            product + if i == j { 0.1 } else { 0.0 }
        };
        let lower: Vec<f64> = numbers(seed + 200, n)
            .iter()
            .map(|&x| if x > 0.5 { f64::NEG_INFINITY } else { x })
            .collect();
        let widths = numbers(seed + 300, n);
        let upper: Vec<f64> = (0..n)
            .map(|i| match (lower[i].is_finite(), widths[i]) {
                (_, width) if width > 0.6 => f64::INFINITY,
                // (An empty interval leaves one number.)
                (true, width) => lower[i] + width.max(0.0),
                (false, width) => width,
            })
            .collect();
        let mut wanted = vec![0.0; n];
        for _ in 0..20_000 {
            for i in 0..n {
                let rest: f64 = (0..n).filter(|&j| j != i).map(|j| matrix(i, j) * wanted[j]).sum();
                wanted[i] = ((b[i] - rest) / matrix(i, i)).clamp(lower[i], upper[i]);
            }
            if n > 20 {
                break;
            }
        }
        let all: Vec<f64> = (0..n * n).map(|k| matrix(k / n, k % n)).collect();
        let g = Graph::new();
        // Two leaves, listed in the other order; from outside of the bounds.
        let half = n / 2;
        let (y, x) =
            (g.param(&vec![9.0; n - half], &[n - half]), g.param(&vec![-9.0; half], &[half]));
        let both = Graph::concat(&g, &[x, y], 0);
        let product = g.tensor(&all, &[n, n]).matmul(both);
        let loss = 0.5 * both.dot(product) - both.dot(g.tensor(&b, &[n]));
        let bounds = Bounds { lower: &lower, upper: &upper };
        let found = Lbfgs::default().minimise_within(loss, &[x, y], bounds)?;
        assert_eq!(found.ended, Ended::Gradient, "{n}: {found:?}");
        let point = both.to_vec::<f64>()?;
        // The conditions of Karush, Kuhn and Tucker are enough, since it is convex.
        for i in 0..n {
            assert!(lower[i] <= point[i] && point[i] <= upper[i], "{n}, {i}");
            let slope = (0..n).map(|j| matrix(i, j) * point[j]).sum::<f64>() - b[i];
            let holds = slope.abs() < 1e-7
                || slope > 0.0 && point[i] == lower[i]
                || slope < 0.0 && point[i] == upper[i];
            assert!(holds, "{n}, {i}: {slope} at {}", point[i]);
            assert!(n > 20 || (point[i] - wanted[i]).abs() < 1e-6, "{n}, {i}");
        }
    }
    Ok(())
}

#[test]
fn bounds_of_other_kinds() -> Result<()> {
    let lbfgs = Lbfgs::default();
    // A line goes to a corner.
    let mut x = [0.5, 0.5];
    let bounds = Bounds { lower: &[0.0, 0.0], upper: &[1.0, 1.0] };
    let line = |_: &[f64], gradient: &mut [f64]| {
        gradient.copy_from_slice(&[1.0, -1e-3]);
        Ok(0.0)
    };
    let found = lbfgs.minimise_function_within(&mut x, bounds, |x, gradient| {
        line(x, gradient).map(|_: f64| x[0] - 1e-3 * x[1])
    })?;
    assert_eq!((x, found.ended), ([0.0, 1.0], Ended::Gradient), "{found:?}");
    // Where it is bounded on one side, and goes to the other.
    let bounds = Bounds { lower: &[0.0, 0.0], upper: &[] };
    let found = lbfgs.minimise_function_within(&mut x, bounds, |x, gradient| {
        line(x, gradient).map(|_: f64| x[0] - 1e-3 * x[1])
    })?;
    assert_eq!(found.ended, Ended::Unbounded, "{found:?}");
    assert!(x[0] == 0.0 && x[1] > 1e10, "{x:?}");
    // In a leaf of f32 there must be an f32 between.
    let graph = Graph::new();
    let single = graph.param(&[0.5f32, 0.5], &[2]);
    let bounds = Bounds { lower: &[0.0, 1e300], upper: &[] };
    let error = lbfgs.minimise_within(single.square().sum(), &[single], bounds).unwrap_err();
    assert!(error.to_string().contains("the bounds of variable 1 are"), "{error}");
    assert_eq!(single.to_vec::<f32>()?, [0.5, 0.5]);
    // Infinite bounds are none.
    let quartic = |x: &[f64], gradient: &mut [f64]| {
        gradient.iter_mut().zip(x).for_each(|(g, x)| *g = 4.0 * (x - 1.0).powi(3) + 2.0 * x);
        Ok(x.iter().map(|x| (x - 1.0).powi(4) + x * x).sum())
    };
    let mut x = [5.0, -2.0, 0.0];
    let bounds = Bounds { lower: &[f64::NEG_INFINITY; 3], upper: &[f64::INFINITY; 3] };
    assert!(lbfgs.minimise_function_within(&mut x, bounds, quartic)?.is_found());
    assert!(x.iter().all(|x| (x - 0.410_245_487_699).abs() < 1e-8), "{x:?}");
    // Without a memory, too.
    let rough = Lbfgs { history: 0, ..lbfgs };
    let bounds = Bounds { lower: &[0.5, f64::NEG_INFINITY, 0.0], upper: &[] };
    let found = rough.minimise_function_within(&mut x, bounds, quartic)?;
    assert!(found.is_found() && x[0] == 0.5 && (x[1] - 0.410_245_487_699).abs() < 1e-8, "{x:?}");
    // What is wrong.
    let refused = |lower: &[f64], upper: &[f64], words: &str| {
        let mut x = [1.0, 2.0];
        let bounds = Bounds { lower, upper };
        let error = lbfgs.minimise_function_within(&mut x, bounds, quartic).unwrap_err();
        assert!(error.kind() == ErrorKind::Argument && error.message() == words, "{error}");
        assert_eq!(x, [1.0, 2.0]);
        let g = Graph::new();
        let x = g.param(&[1.0, 2.0], &[2]);
        let error = lbfgs.minimise_within(x.square().sum(), &[x], bounds).unwrap_err();
        assert!(
            error.kind() == ErrorKind::Argument && error.message().starts_with(words),
            "{error}"
        );
    };
    refused(&[1.0], &[], "lbfgs: there are 1 lower bounds, and 2 variables");
    let wrong = "lbfgs: the bounds of variable 1 are 3 and 2, which no number is between";
    refused(&[0.0, 3.0], &[1.0, 2.0], wrong);
    let wrong = "lbfgs: the bounds of variable 0 are NaN and inf, which no number is between";
    refused(&[f64::NAN, 0.0], &[], wrong);
    let wrong = "lbfgs: the bounds of variable 0 are inf and inf, which no number is between";
    refused(&[f64::INFINITY, 0.0], &[], wrong);
    Ok(())
}

/// The minimum of |x - y|^2 + weight |differences of x|^2, whose normal equations are tridiagonal: by
/// Thomas's elimination.
fn smoothed(y: &[f64], weight: f64) -> Vec<f64> {
    let n = y.len();
    let (mut upper, mut x) = (vec![0.0; n], y.to_vec());
    for i in 0..n {
        let diagonal = 1.0 + weight * if i == 0 || i == n - 1 { 1.0 } else { 2.0 };
        let before = if i == 0 { (0.0, 0.0) } else { (upper[i - 1], x[i - 1]) };
        let pivot = diagonal + weight * before.0;
        upper[i] = -weight / pivot;
        x[i] = (y[i] + weight * before.1) / pivot;
    }
    for i in (0..n - 1).rev() {
        x[i] -= upper[i] * x[i + 1];
    }
    x
}

/// A curve of 25,000 points is smoothed, linearly and not, in less memory than the matrix would take,
/// which is 10 gigabytes.
#[test]
fn many_parameters_without_a_matrix() -> Result<()> {
    let (n, weight) = (25_000, 5.0);
    let noise = numbers(5, n);
    let y: Vec<f64> = (0..n).map(|i| (i as f64 / 3000.0).sin() + 0.3 * noise[i]).collect();
    let wanted = smoothed(&y, weight);
    let free = LevenbergMarquardt { matrix_free: true, ..LevenbergMarquardt::default() };
    let run = |is_linear: bool| -> Result<(Vec<f64>, Minimum)> {
        let g = Graph::new();
        g.set_memory_limit(100 << 20);
        let z = g.zeros::<f64>(&[n]);
        z.set_requires_grad(true)?;
        let x = if is_linear { z } else { z.sinh() };
        let (a, b) = (x.slice(0, 0, n as isize - 1, 1), x.slice(0, 1, n as isize, 1));
        let rough = f64::sqrt(weight) * (b - a);
        let residuals = g.concat(&[x - g.tensor(&y, &[n]), rough], 0);
        let found = free.fit(residuals, &[z])?;
        Ok((x.to_vec()?, found))
    };
    for is_linear in [true, false] {
        let (x, found) = run(is_linear)?;
        assert!(found.is_found() && found.gradient < 1e-9, "{found:?}");
        assert!(found.iterations < 40, "{found:?}");
        for (i, (x, wanted)) in x.iter().zip(&wanted).enumerate() {
            assert!((x - wanted).abs() < 1e-9, "{is_linear}, {i}: {x} instead of {wanted}");
        }
    }
    // What this process had at most, where the system tells.
    if let Ok(text) = std::fs::read_to_string("/proc/self/status") {
        let most =
            text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split(' ').rev().nth(1));
        let most: u64 = most.and_then(|most| most.trim().parse().ok()).unwrap();
        assert!(most < 1 << 20, "{most} kB");
    }
    Ok(())
}

#[test]
fn what_is_wrong_without_a_matrix() -> Result<()> {
    let free = LevenbergMarquardt { matrix_free: true, ..LevenbergMarquardt::default() };
    let error = free.fit_function(&mut [1.0], 1, |_, _, _| Ok(())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Argument);
    assert!(error.message().contains("residuals must be recorded"), "{error}");
    let g = Graph::new();
    let x = g.tensor(&[1.0], &[1]);
    let error = free.fit(x.square(), &[x]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Gradient, "{error}");
    // Fewer residuals than parameters; parameters of f32, or in the other order, or without influence.
    let (x, y) = (g.param(&[1.0f32, 5.0], &[2]), g.param(&[3.0], &[]));
    let both = x.square().cast(DType::F64) - 4.0 + 0.1 * (y - 2.0);
    let found = free.fit(g.concat(&[both, (y - 2.0).reshape(&[1])], 0), &[y, x])?;
    assert!(found.value < 1e-9, "{found:?}");
    let z = g.param(&[1.0, 2.0, 3.0], &[3]);
    let found = free.fit(z.sum() - 9.0, &[z])?;
    assert!(found.value < 1e-20, "{found:?}");
    // Nothing left at the start.
    let found = free.fit(z.sum() - z.sum(), &[z])?;
    assert!(found.is_found() && found.value == 0.0, "{found:?}");
    let found = LevenbergMarquardt { iterations: 1, ..free }.fit(z.exp() - 2.0, &[z])?;
    assert_eq!((found.iterations, found.ended), (1, Ended::Iterations));
    Ok(())
}

/// A parameter that is not used is named, whether it is not there or no derivative leads to it.
fn unused(name: &str, function: &dyn Fn(Var<'_>) -> Var<'_>, search: &Search) {
    let g = Graph::new();
    let (x, y) = (g.param(&[1.0, 2.0], &[2]), g.param(&[3.0], &[1]));
    let y = y.label("height");
    for root in [function(x), function(x) + 0.0 * y.detach().sum()] {
        let error = search(root, &[x, y]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Gradient, "{error}");
        let start =
            format!("{name}: parameter 1, n1, \"height\" [1], is not used by what is minimised");
        assert!(error.message().starts_with(&start), "{error}");
        assert_eq!(x.to_vec::<f64>().unwrap(), [1.0, 2.0]);
    }
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
    both(|name, search| {
        unused(name, &|x| x.square().sum(), search);
    });
    for matrix_free in [false, true] {
        let method = LevenbergMarquardt { matrix_free, ..LevenbergMarquardt::default() };
        let name = "levenberg_marquardt";
        let search: &Search = &move |root, xs| method.fit(root, xs);
        unused(name, &|x| x.square(), search);
        let error = search(g.tensor(&[1.0, 2.0], &[2]), &[x]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Gradient, "{error}");
    }
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
