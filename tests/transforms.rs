//! Tangents against PyTorch's gradients, over all the operations of `tests/golden/*.json`: a tangent
//! and a head gradient meet in one number, which both modes must give; and so with second derivatives,
//! which forward and reverse mode give in any order.

#[path = "golden/cases.rs"]
mod cases;
#[rustfmt::skip]
mod operations;

use bumpgrad::{DType, Graph, Var};
use cases::{Case, cases, leaf, numbers, read, run, tensor};

/// PyTorch's own f64 values are good to about this, absolute or relative.
const TOLERANCE: f64 = 1e-12;

/// Directions for the operands, of numbers that are not each other's.
fn direction(len: usize, operand: usize) -> Vec<f64> {
    (0..len).map(|i| ((i * 7 + operand * 3 + 1) % 11) as f64 / 8.0 - 0.6).collect()
}

fn product<'g>(a: Var<'g>, b: Var<'g>) -> Var<'g> {
    (a * b).sum()
}

/// Whether a golden number and one that was made in another way agree: the sum's parts may be larger.
fn agree(got: f64, want: f64, scale: f64, tolerance: f64) -> bool {
    got == want || got.is_nan() && want.is_nan() || (got - want).abs() <= tolerance * scale.max(1.0)
}

struct Run<'g> {
    x: Vec<Var<'g>>,
    y: Var<'g>,
    head: Var<'g>,
    /// Which operands have gradients, directions for them, and the gradients.
    with: Vec<usize>,
    directions: Vec<Var<'g>>,
    gradients: Vec<Vec<f64>>,
}

/// A case that has a gradient, recorded.
fn record<'g>(graph: &'g Graph, case: &Case, with_gradients: bool) -> Option<Run<'g>> {
    let json = &case.json;
    let gradients = json["grads"].as_array()?;
    let inputs = json["inputs"].as_array().unwrap();
    let x: Vec<_> = inputs.iter().map(|input| leaf(graph, input, DType::F64)).collect();
    for x in x.iter().filter(|x| x.requires_grad().unwrap()) {
        x.set_requires_grad(with_gradients).unwrap();
    }
    let y = run(graph, case, &x)[0];
    let head = tensor(graph, &json["head"], y);
    let with: Vec<_> = (0..x.len()).filter(|&i| !gradients[i].is_null()).collect();
    let directions = with.iter().map(|&i| {
        let shape = x[i].shape().unwrap();
        graph.tensor(&direction(shape.iter().product(), i), &shape)
    });
    let directions = directions.collect();
    let gradients = with.iter().map(|&i| numbers(&gradients[i])).collect();
    Some(Run { x, y, head, with, directions, gradients })
}

/// The sum of products of two lists of lists, and of their sizes.
fn inner<'a>(a: impl Iterator<Item = (&'a [f64], Vec<f64>)>) -> (f64, f64) {
    let (mut sum, mut scale) = (0.0, 0.0);
    for (x, y) in a {
        for (x, y) in x.iter().zip(y) {
            sum += x * y;
            scale += (x * y).abs();
        }
    }
    (sum, scale)
}

fn along<'g>(xs: &[Var<'g>], directions: &[Var<'g>]) -> Vec<(Var<'g>, Var<'g>)> {
    xs.iter().copied().zip(directions.iter().copied()).collect()
}

fn first_derivatives(case: &Case) -> Result<(), String> {
    // Inputs of a tangent need not require gradients.
    tangent(case, true).and_then(|()| tangent(case, false))
}

fn tangent(case: &Case, with_gradients: bool) -> Result<(), String> {
    let graph = Graph::new();
    let Some(run) = record(&graph, case, with_gradients) else { return Ok(()) };
    let xs: Vec<_> = run.with.iter().map(|&i| run.x[i]).collect();
    let moved =
        graph.jvp(&[run.y], &along(&xs, &run.directions)).map_err(|e| format!("jvp: {e}"))?[0];
    if moved.shape().unwrap() != run.y.shape().unwrap() {
        return Err(format!("a tangent of shape {:?}", moved.shape().unwrap()));
    }
    let head = numbers(&case.json["head"]);
    if run.gradients.iter().all(Vec::is_empty) {
        return Ok(()); // nothing moves, and a mean of nothing is NaN
    }
    let single = run.y.dtype().unwrap() == DType::F32;
    let tolerance = if single { 1e-7 } else { TOLERANCE };
    let (got, scale) = inner(std::iter::once((&head[..], read(moved))));
    let (want, other) = inner(
        run.gradients.iter().zip(&run.directions).map(|(g, d)| (&g[..], d.to_vec().unwrap())),
    );
    if agree(got, want, scale + other, tolerance) {
        Ok(())
    } else {
        Err(format!("<u, Jv> is {got}, and <J'u, v> {want}"))
    }
}

/// Each pair of modes: H v against PyTorch's, as far as there are directions for it in the case.
fn second_derivatives(case: &Case) -> Result<(), String> {
    let graph = Graph::new();
    let Some(run) = record(&graph, case, true) else { return Ok(()) };
    let Some(second) = case.json["second"].as_array() else { return Ok(()) };
    let probes: Vec<_> =
        run.with.iter().map(|&i| tensor(&graph, &case.json["probe"][i], run.x[i])).collect();
    let xs: Vec<_> = run.with.iter().map(|&i| run.x[i]).collect();
    let say = |what: &str, e: bumpgrad::Error| format!("{what}: {e}");

    // How the gradient moves along the probes, forward over reverse; and the gradient of how the value
    // moves, reverse over forward.
    let gradients = graph.grad(&[(run.y, Some(run.head))], &xs).map_err(|e| say("grad", e))?;
    let over = graph.jvp(&gradients, &along(&xs, &probes)).map_err(|e| say("jvp of grad", e))?;
    let moved = graph.jvp(&[run.y], &along(&xs, &probes)).map_err(|e| say("jvp", e))?[0];
    let under = if moved.requires_grad().unwrap() {
        let roots = [(moved, Some(run.head))];
        graph.grad_allow_unused(&roots, &xs).map_err(|e| say("grad of jvp", e))?
    } else {
        vec![None; xs.len()]
    };
    // Twice forward, along the probes and along the directions.
    let twice =
        graph.jvp(&[moved], &along(&xs, &run.directions)).map_err(|e| say("jvp of jvp", e))?[0];

    let (mut want_sum, mut scale_sum) = (0.0, 0.0);
    for (k, &i) in run.with.iter().enumerate() {
        let want = numbers(&second[i]);
        let scale = want.iter().fold(1.0f64, |most, x| most.max(x.abs()));
        let under = under[k].map_or_else(|| vec![0.0; want.len()], read);
        for (what, got) in [("jvp of grad", read(over[k])), ("grad of jvp", under)] {
            let at = (0..want.len()).find(|&e| !agree(got[e], want[e], scale, 10.0 * TOLERANCE));
            if let Some(e) = at {
                let (got, want) = (got[e], want[e]);
                return Err(format!("{what} {i}: element {e} is {got}, not {want}"));
            }
        }
        let (sum, scale) = inner(std::iter::once((&want[..], run.directions[k].to_vec().unwrap())));
        (want_sum, scale_sum) = (want_sum + sum, scale_sum + scale);
    }
    let (got, scale) = inner(std::iter::once((&numbers(&case.json["head"])[..], read(twice))));
    if agree(got, want_sum, scale + scale_sum, 10.0 * TOLERANCE) {
        Ok(())
    } else {
        Err(format!("jvp of jvp: {got}, not {want_sum}"))
    }
}

fn check_all(check: fn(&Case) -> Result<(), String>) {
    let all: Vec<_> = cases().into_iter().filter(|case| case.json["grads"].is_array()).collect();
    assert!(all.len() > 1000, "only {} cases", all.len());
    let special = |case: &&Case| !case.json["note"].as_str().unwrap().contains("special");
    let failures: Vec<_> = all
        .iter()
        .filter(special)
        .filter_map(|case| check(case).err().map(|e| format!("{}: {e}", case.name())))
        .collect();
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), all.len(), failures.join("\n"));
}

#[test]
fn tangents_agree_with_pytorchs_gradients() {
    check_all(first_derivatives);
}

#[test]
fn second_derivatives_agree_in_any_order_of_modes() {
    check_all(second_derivatives);
}
