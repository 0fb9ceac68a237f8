//! Matrices of derivatives: both modes against each other and against PyTorch's gradients, over all
//! operations; and closed forms.

#[path = "golden/cases.rs"]
mod cases;
#[rustfmt::skip]
mod operations;

use bumpgrad::{DType, Graph, Mode, Var};
use cases::{Case, cases, leaf, numbers, run};

fn close(got: f64, want: f64, scale: f64) -> bool {
    got.is_nan() && want.is_nan() || got == want || (got - want).abs() <= 1e-11 * scale.max(1.0)
}

#[track_caller]
fn assert_close(got: &[f64], want: &[f64]) {
    let scale = want.iter().fold(1.0f64, |most, x| most.max(x.abs()));
    let equal = got.len() == want.len() && got.iter().zip(want).all(|(a, b)| close(*a, *b, scale));
    assert!(equal, "{got:?} is not {want:?}");
}

/// Rows and columns of a case's Jacobians, each mode on its own.
fn check(case: &Case) -> Result<(), String> {
    let json = &case.json;
    let Some(gradients) = json["grads"].as_array() else { return Ok(()) };
    let graph = Graph::new();
    let inputs = json["inputs"].as_array().unwrap();
    let x: Vec<_> = inputs.iter().map(|input| leaf(&graph, input, DType::F64)).collect();
    let y = run(&graph, case, &x)[0];
    if y.dtype().unwrap() == DType::F32 {
        return Ok(()); // a cast: rounded in one mode before and in the other after
    }
    let head = numbers(&json["head"]);
    for (i, &x) in x.iter().enumerate().filter(|&(i, _)| !gradients[i].is_null()) {
        let (rows, columns) = (head.len(), x.shape().unwrap().iter().product::<usize>());
        let mut shape = y.shape().unwrap();
        shape.extend(x.shape().unwrap());
        let mut found = Vec::new();
        for mode in [Mode::Reverse, Mode::Forward] {
            let jacobian = graph.jacobian_by(mode, y, x);
            match graph.check() {
                Err(error) if error.to_string().contains("rank") => {
                    return Ok(()); // no room for all axes
                }
                other => other.map_err(|e| format!("{mode:?} {i}: {e}"))?,
            }
            if jacobian.shape().unwrap() != shape {
                return Err(format!("{mode:?} {i}: a shape of {:?}", jacobian.shape()));
            }
            found.push(jacobian.to_vec::<f64>().map_err(|e| e.to_string())?);
        }
        let scale = found[0].iter().fold(1.0f64, |most, x| most.max(x.abs()));
        for e in 0..rows * columns {
            if !close(found[1][e], found[0][e], scale) {
                let (a, b) = (found[1][e], found[0][e]);
                return Err(format!("{i}: element {e} is {a} forward, and {b} in reverse"));
            }
        }
        let want = numbers(&gradients[i]);
        for column in 0..columns {
            let terms = (0..rows).map(|row| head[row] * found[0][row * columns + column]);
            let (sum, size) = terms.fold((0.0, 0.0f64), |(s, a), t| (s + t, a + t.abs()));
            if !close(sum, want[column], size.max(want[column].abs())) {
                return Err(format!("{i}: column {column}: {sum}, not {}", want[column]));
            }
        }
    }
    Ok(())
}

#[test]
fn both_modes_agree_and_with_pytorch() {
    let all = cases();
    let smooth = all.iter().filter(|case| !case.json["note"].as_str().unwrap().contains("special"));
    let failures: Vec<_> = smooth
        .filter_map(|case| check(case).err().map(|e| format!("{}: {e}", case.name())))
        .collect();
    assert!(failures.is_empty(), "{}:\n{}", failures.len(), failures.join("\n"));
}

fn rosenbrock<'g>(graph: &'g Graph, at: &[f64]) -> (Var<'g>, Var<'g>) {
    let x = graph.param(at, &[at.len()]);
    let (low, high) = (x.slice(0, 0, at.len() as isize - 1, 1), x.slice(0, 1, isize::MAX, 1));
    let y = ((high - low.square()).square().scale(100.0) + (low - 1.0).square()).sum();
    (x, y)
}

#[test]
fn the_hessian_of_rosenbrocks_valley() {
    for (at, want) in
        [([0.0, 0.0], [2.0, 0.0, 0.0, 200.0]), ([1.0, 1.0], [802.0, -400.0, -400.0, 200.0])]
    {
        let graph = Graph::new();
        let (x, y) = rosenbrock(&graph, &at);
        assert_eq!(graph.hessian(y, x).to_vec::<f64>().unwrap(), want);
        assert_eq!(graph.hessian_diagonal(y, x).to_vec::<f64>().unwrap(), [want[0], want[3]]);
        assert_eq!(graph.laplacian(y, x).item().unwrap(), want[0] + want[3]);
        let v = graph.tensor(&[0.5, -2.0], &[2]);
        let product = graph.hvp(y, &[(x, v)]).unwrap()[0].to_vec::<f64>().unwrap();
        assert_eq!(product, [0.5 * want[0] - 2.0 * want[1], 0.5 * want[2] - 2.0 * want[3]]);
    }
}

#[test]
fn powers_at_their_edges() {
    let graph = Graph::new();
    let p = graph.param(&[3.0, 4.0], &[2]);
    let y = p.select(0, 0).pow(p.select(0, 1));
    let log = 3.0f64.ln();
    let mixed = 27.0 + 108.0 * log;
    assert_close(
        &graph.hessian(y, p).to_vec::<f64>().unwrap(),
        &[108.0, mixed, mixed, 81.0 * log * log],
    );
    let x = graph.param(&[0.0], &[]);
    let tangent = graph.tensor(&[1.0], &[]);
    let moved = graph.jvp(&[x.pow_scalar(1.875)], &[(x, tangent)]).unwrap();
    assert_eq!(moved[0].item().unwrap(), 0.0);
    for mode in [Mode::Forward, Mode::Reverse] {
        assert_eq!(graph.jacobian_by(mode, x.pow_scalar(1.875), x).item().unwrap(), 0.0);
    }
}

/// Several inputs that move together.
#[test]
fn hessian_vector_products_of_several_inputs() {
    let graph = Graph::new();
    let (a, b) = (graph.param(&[1.0, 2.0], &[2]), graph.param(&[3.0], &[]));
    let y = (a.square() * b.square()).sum();
    let (u, v) = (graph.tensor(&[1.0, -1.0], &[2]), graph.tensor(&[0.5], &[]));
    let found = graph.hvp(y, &[(a, u), (b, v)]).unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].to_vec::<f64>().unwrap(), [18.0 + 6.0, -18.0 + 12.0]);
    assert_eq!(found[1].to_vec::<f64>().unwrap(), [12.0 - 24.0 + 5.0]);
}

/// What is not chosen has no slope: a tangent is chosen like the value. A gradient, as PyTorch's, is 0
/// times what is not chosen, unless that is kept in its domain.
#[test]
fn where_takes_the_slope_of_what_it_chose() {
    let graph = Graph::new();
    for at in [-1.0, -3.0] {
        let x = graph.param(&[at], &[]);
        let is_positive = x.gt(graph.tensor(&[0.0], &[]));
        let y = is_positive.where_(x.sqrt(), x * 0.0);
        assert_eq!(graph.jacobian_by(Mode::Forward, y, x).item().unwrap(), 0.0);
        assert_eq!(graph.hessian_diagonal(y, x).item().unwrap(), 0.0);
        assert!(graph.jacobian_by(Mode::Reverse, y, x).item().unwrap().is_nan());
        let safe = is_positive.where_(x, graph.tensor(&[1.0], &[]));
        let y = is_positive.where_(safe.sqrt(), x * 0.0);
        assert_eq!(graph.jacobian_by(Mode::Reverse, y, x).item().unwrap(), 0.0);
        assert_eq!(graph.hessian(y, x).item().unwrap(), 0.0);
    }
}

/// Rodrigues' formula, whose angle has no slope at 0: chosen around it, the rotation has one.
#[test]
fn a_rotation_by_nothing_turns_a_point_by_the_cross_product() {
    let graph = Graph::new();
    let (r, p) = (graph.param(&[0.0; 3], &[3]), graph.tensor(&[1.0, 2.0, 3.0], &[3]));
    let square = r.square().sum();
    let is_small = square.lt(graph.tensor(&[1e-12], &[]));
    let safe = is_small.where_(graph.tensor(&[1.0], &[]), square);
    let angle = safe.sqrt();
    let sine = is_small.where_(1.0 - square / 6.0, angle.sin() / angle);
    let versine = is_small.where_(0.5 - square / 24.0, (1.0 - angle.cos()) / safe);
    let turned = p + sine * r.cross(p, 0) + versine * r.cross(r.cross(p, 0), 0);
    let want = [0.0, 3.0, -2.0, -3.0, 0.0, 1.0, 2.0, -1.0, 0.0];
    for mode in [Mode::Forward, Mode::Reverse] {
        let jacobian = graph.jacobian_by(mode, turned, r);
        assert_close(&jacobian.to_vec::<f64>().unwrap(), &want);
    }
}

/// Black and Scholes, 1973: price and Greeks of a call.
#[test]
fn greeks_of_a_call() {
    let graph = Graph::new();
    let p = graph.param(&[100.0, 0.2, 0.05], &[3]);
    let (spot, volatility, rate) = (p.select(0, 0), p.select(0, 1), p.select(0, 2));
    let (strike, time) = (100.0, 1.0);
    let spread = volatility * f64::sqrt(time);
    let d1 = ((spot / strike).log() + (rate + volatility.square() / 2.0) * time) / spread;
    let price = spot * d1.ndtr() - (rate * -time).exp() * (d1 - spread).ndtr() * strike;
    let [delta, vega, rho] = graph.jacobian(price, p).to_vec::<f64>().unwrap()[..] else {
        panic!()
    };
    let gamma = graph.hessian(price, p).to_vec::<f64>().unwrap()[0];
    let got = [price.item().unwrap(), delta, vega, gamma, rho];
    for (got, want) in got.into_iter().zip([10.450584, 0.636831, 37.524035, 0.018762, 53.232482]) {
        assert!((got - want).abs() < 1e-6, "{got} is not {want}");
    }
}

#[test]
fn two_outputs_of_three_inputs_in_both_modes() {
    let graph = Graph::new();
    let (x, valley) = rosenbrock(&graph, &[3.0, 5.0, 7.0]);
    let y = graph.stack(&[x.square().sum().scale(2.0), valley], 0);
    assert_eq!(y.to_vec::<f64>().unwrap(), [166.0, 34020.0]);
    assert_eq!(graph.jacobian_mode(y, x).unwrap(), Mode::Reverse);
    for mode in [Mode::Forward, Mode::Reverse] {
        let rows = graph.jacobian_by(mode, y, x).to_vec::<f64>().unwrap();
        assert_eq!(rows, [12.0, 20.0, 28.0, 4804.0, 35208.0, -3600.0]);
    }
    // A vector field's divergence is the trace.
    let field = x * x.sum();
    let trace = graph.divergence(field, x).item().unwrap();
    assert_eq!(trace, 3.0 * 15.0 + 15.0);
}
