//! The nonlinear regressions of NIST's Statistical Reference Datasets, all 27 of them, from both starts, to
//! the eleven digits that are certified.
//!
//! `golden/nist.json` has their data: L. Wilkins, S. Hiebert, W. Guthrie, "StRD nonlinear regression",
//! National Institute of Standards and Technology, <https://www.itl.nist.gov/div898/strd/>.

use std::f64::consts::PI;

use bumpgrad::{Graph, LevenbergMarquardt, Result, Var};
use serde_json::Value;

fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

/// What a problem's model says of predictors and parameters; formulas as NIST gives them, with b1 as
/// `b[0]`.
fn model<'g>(name: &str, x: &[Var<'g>], b: &[Var<'g>]) -> Var<'g> {
    let p = x[0];
    match name {
        "Misra1a" | "BoxBOD" => b[0] * (1.0 - (-b[1] * p).exp()),
        "Misra1b" => b[0] * (1.0 - (1.0 + b[1] * p / 2.0).pow_scalar(-2.0)),
        "Misra1c" => b[0] * (1.0 - (1.0 + 2.0 * b[1] * p).pow_scalar(-0.5)),
        "Misra1d" => b[0] * b[1] * p / (1.0 + b[1] * p),
        "Chwirut1" | "Chwirut2" => (-b[0] * p).exp() / (b[1] + b[2] * p),
        "DanWood" => b[0] * p.pow(b[1]),
        "Bennett5" => b[0] * (b[1] + p).pow(-1.0 / b[2]),
        "Eckerle4" => b[0] / b[1] * (-0.5 * ((p - b[2]) / b[1]).square()).exp(),
        "ENSO" => {
            let year = 2.0 * PI * p / 12.0;
            let (second, third) = (2.0 * PI * p / b[3], 2.0 * PI * p / b[6]);
            let seasons = b[0] + b[1] * year.cos() + b[2] * year.sin();
            let slow = b[4] * second.cos() + b[5] * second.sin();
            seasons + slow + b[7] * third.cos() + b[8] * third.sin()
        }
        "Gauss1" | "Gauss2" | "Gauss3" => {
            let bell = |h: Var<'g>, c: Var<'g>, w: Var<'g>| h * (-((p - c) / w).square()).exp();
            b[0] * (-b[1] * p).exp() + bell(b[2], b[3], b[4]) + bell(b[5], b[6], b[7])
        }
        "Hahn1" | "Thurber" => {
            let (square, cube) = (p.square(), p.square() * p);
            let above = b[0] + b[1] * p + b[2] * square + b[3] * cube;
            above / (1.0 + b[4] * p + b[5] * square + b[6] * cube)
        }
        "Kirby2" => {
            let square = p.square();
            (b[0] + b[1] * p + b[2] * square) / (1.0 + b[3] * p + b[4] * square)
        }
        "Lanczos1" | "Lanczos2" | "Lanczos3" => {
            let term = |i: usize| b[i] * (-b[i + 1] * p).exp();
            term(0) + term(2) + term(4)
        }
        "MGH09" => b[0] * (p.square() + p * b[1]) / (p.square() + p * b[2] + b[3]),
        "MGH10" => b[0] * (b[1] / (p + b[2])).exp(),
        "MGH17" => b[0] + b[1] * (-p * b[3]).exp() + b[2] * (-p * b[4]).exp(),
        // Of the logarithm of the response.
        "Nelson" => b[0] - b[1] * p * (-b[2] * x[1]).exp(),
        "Rat42" => b[0] / (1.0 + (b[1] - b[2] * p).exp()),
        "Rat43" => b[0] / (1.0 + (b[1] - b[2] * p).exp()).pow(1.0 / b[3]),
        "Roszman1" => b[0] - b[1] * p - (b[2] / (p - b[3])).atan() / PI,
        _ => unreachable!("{name}"),
    }
}

/// What 1 in the eleventh digit of a number is.
fn unit(x: f64) -> f64 {
    10f64.powf(x.abs().log10().floor() - 10.0)
}

/// Fits a problem from a start, to less than so many units in the eleventh digit.
fn fit(
    how: LevenbergMarquardt,
    most: f64,
    name: &str,
    problem: &Value,
    start: &Value,
) -> Result<()> {
    let g = Graph::new();
    let list = |values: &[f64]| g.tensor(values, &[values.len()]);
    let x: Vec<_> = problem["x"].as_array().unwrap().iter().map(|x| list(&numbers(x))).collect();
    let y = list(&numbers(&problem["y"]));
    let y = if name == "Nelson" { y.log() } else { y };
    let b: Vec<_> = numbers(start).iter().map(|&b| g.param(&[b], &[])).collect();
    let residuals = model(name, &x, &b) - y;
    let fit = how.fit(residuals, &b)?;
    assert!(fit.is_found(), "{name} from {start}: {fit:?}");
    for (i, (b, wanted)) in b.iter().zip(numbers(&problem["certified"])).enumerate() {
        let units = (b.item()? - wanted).abs() / unit(wanted);
        assert!(units < most, "{name} from {start}: b{} is {b}, {units} units off", i + 1);
    }
    // Residuals are as exact as the values that they are differences of.
    let squares = problem["squares"].as_f64().unwrap();
    let norm = numbers(&problem["y"]).iter().map(|y| y * y).sum::<f64>().sqrt();
    let rounding = 2.0 * f64::EPSILON * norm;
    let rounding = rounding * (2.0 * squares.sqrt() + rounding);
    let off = (fit.value - squares).abs();
    assert!(off < 0.6 * unit(squares) + rounding, "{name} from {start}: squares of {}", fit.value);
    // The leaves hold what was found, and the recording goes on from there.
    let again = residuals.square().sum().item()?;
    assert!((again - fit.value).abs() < 1e-12 * squares + rounding, "{name}: {again}");
    Ok(())
}

#[test]
fn regressions_have_their_certified_digits() -> Result<()> {
    let problems: Value = serde_json::from_str(include_str!("golden/nist.json")).unwrap();
    let problems = problems.as_object().unwrap();
    assert_eq!(problems.len(), 27);
    for (name, problem) in problems {
        for start in problem["starts"].as_array().unwrap() {
            fit(LevenbergMarquardt::default(), 0.6, name, problem, start)?;
        }
    }
    Ok(())
}

/// Conjugate gradients find the same digits where a problem is no harder than that. In some the last one
/// or two are lost: their Jacobians have columns that are nearly dependent. From three starts, far away, the
/// way is lost, too: for that the matrix is there.
#[test]
fn regressions_without_a_matrix() -> Result<()> {
    let problems: Value = serde_json::from_str(include_str!("golden/nist.json")).unwrap();
    let how = LevenbergMarquardt { matrix_free: true, ..LevenbergMarquardt::default() };
    let lost = [("BoxBOD", 0), ("MGH10", 0), ("MGH17", 0)];
    for (name, problem) in problems.as_object().unwrap() {
        let units = match name.as_str() {
            "Bennett5" | "Hahn1" | "Lanczos3" => 20.0,
            _ => 0.6,
        };
        for (k, start) in problem["starts"].as_array().unwrap().iter().enumerate() {
            if !lost.contains(&(name.as_str(), k)) {
                fit(how, units, name, problem, start)?;
            }
        }
    }
    Ok(())
}
