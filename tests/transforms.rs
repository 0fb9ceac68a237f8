//! Tangents against PyTorch's gradients, over all the operations of `tests/golden/*.json`: a tangent
//! and a head gradient meet in one number, which both modes must give; and so with second derivatives,
//! which forward and reverse mode give in any order.

#[path = "golden/cases.rs"]
mod cases;
#[rustfmt::skip]
mod operations;

use bumpgrad::{DType, Graph, Var};
use cases::{Case, cases, leaf, numbers, read, run, tensor};
use serde_json::Value;

/// PyTorch's own f64 values are good to about this, absolute or relative.
const TOLERANCE: f64 = 1e-12;

/// Directions for the operands, of numbers that are not each other's.
fn direction(len: usize, operand: usize) -> Vec<f64> {
    (0..len).map(|i| ((i * 7 + operand * 3 + 1) % 11) as f64 / 8.0 - 0.6).collect()
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

/// An input of element `b` of a batch: as it is, or in another order.
fn element(input: &Value, b: usize) -> Value {
    let mut input = input.clone();
    if b == 1 {
        input["data"].as_array_mut().unwrap().reverse();
    }
    input
}

const BATCH: usize = 2;

/// The operation on its own, with the gradients of its inputs: none if it refuses these.
fn alone(case: &Case, inputs: &[Value]) -> Option<Vec<Vec<f64>>> {
    let graph = Graph::new();
    let x: Vec<_> = inputs.iter().map(|input| leaf(&graph, input, DType::F64)).collect();
    let y = run(&graph, case, &x)[0];
    let derivatives = derivatives(&graph, case, &x, y)?;
    let all = std::iter::once(y).chain(derivatives);
    all.map(|y| y.cast(DType::F64).to_vec().ok()).collect()
}

/// The inputs that have gradients.
fn moving(case: &Case) -> Vec<usize> {
    let gradients = case.json["grads"].as_array().map_or(&[][..], |all| all);
    (0..gradients.len()).filter(|&i| !gradients[i].is_null()).collect()
}

/// The gradients of the inputs that have some, and how the value moves when all of these do.
fn derivatives<'g>(
    graph: &'g Graph,
    case: &Case,
    x: &[Var<'g>],
    y: Var<'g>,
) -> Option<Vec<Var<'g>>> {
    let with: Vec<_> = moving(case).into_iter().map(|i| x[i]).collect();
    if with.is_empty() {
        return Some(Vec::new());
    }
    let mut all = graph.grad(&[(y, Some(tensor(graph, &case.json["head"], y)))], &with).ok()?;
    let tangents = with.iter().enumerate().map(|(k, &x)| {
        let shape = x.shape().unwrap();
        (x, graph.tensor(&direction(shape.iter().product(), k), &shape))
    });
    all.extend(graph.jvp(&[y], &tangents.collect::<Vec<_>>()).ok()?);
    Some(all)
}

/// The operation, recorded once, for a batch of some of its inputs.
fn batched(case: &Case, is_batched: &[bool]) -> Result<(), String> {
    let inputs = case.json["inputs"].as_array().unwrap();
    let of = |b: usize| -> Vec<_> {
        let own = |k: usize| if is_batched[k] { b } else { 0 };
        (0..inputs.len()).map(|k| element(&inputs[k], own(k))).collect()
    };
    let mut want = Vec::new();
    for b in 0..BATCH {
        let Some(alone) = alone(case, &of(b)) else { return Ok(()) };
        want.push(alone);
    }
    let graph = Graph::new();
    let x: Vec<_> = inputs.iter().map(|input| leaf(&graph, input, DType::F64)).collect();
    let y = run(&graph, case, &x)[0];
    let mut ys = vec![y];
    ys.extend(derivatives(&graph, case, &x, y).ok_or("no derivatives")?);
    let batches: Vec<_> = (0..x.len())
        .map(|k| {
            is_batched[k].then(|| {
                let one = |b| leaf(&graph, &element(&inputs[k], b), DType::F64);
                graph.stack(&(0..BATCH).map(one).collect::<Vec<_>>(), 0)
            })
        })
        .collect();
    let pairs: Vec<_> =
        x.iter().zip(&batches).filter_map(|(&x, &batch)| Some((x, batch?))).collect();
    let all = match graph.vmap(&ys, &pairs) {
        Ok(all) => all,
        // There is no room for one more axis.
        Err(e) if e.to_string().contains("rank") => return Ok(()),
        Err(e) => return Err(format!("vmap: {e}")),
    };
    for (k, (&one, &many)) in ys.iter().zip(&all).enumerate() {
        let mut shape = vec![BATCH];
        shape.extend(one.shape().unwrap());
        if many.shape().unwrap() != shape {
            return Err(format!("result {k} has the shape {:?}", many.shape().unwrap()));
        }
        let got: Vec<f64> =
            many.cast(DType::F64).to_vec().map_err(|e| format!("result {k}: {e}"))?;
        let len = got.len() / BATCH;
        for b in 0..BATCH {
            let (got, want) = (&got[b * len..][..len], &want[b][k]);
            let scale = want.iter().fold(1.0f64, |most, x| most.max(x.abs()));
            let at = (0..len).find(|&e| !agree(got[e], want[e], scale, TOLERANCE));
            if let Some(e) = at {
                return Err(format!(
                    "result {k} of {b} with {is_batched:?}: element {e} is {}, not {}",
                    got[e], want[e]
                ));
            }
        }
    }
    let Some(moving) = (!moving(case).is_empty()).then(|| moving(case)) else { return Ok(()) };
    derivatives_of_batch(&graph, case, (&x, &moving), &batches, all[0], &want)
}

/// Gradients and tangents of a batch: those of its elements; of what is shared, their sum.
fn derivatives_of_batch<'g>(
    graph: &'g Graph,
    case: &Case,
    (x, moving): (&[Var<'g>], &[usize]),
    batches: &[Option<Var<'g>>],
    many: Var<'g>,
    want: &[Vec<Vec<f64>>],
) -> Result<(), String> {
    if !many.requires_grad().unwrap() {
        return Ok(());
    }
    let heads = tensor(graph, &case.json["head"], many.select(0, 0));
    let heads = heads.broadcast_to(&to_axes(&many.shape().unwrap()));
    let targets: Vec<_> = moving.iter().map(|&i| batches[i].unwrap_or(x[i])).collect();
    let gradients = graph
        .grad_allow_unused(&[(many, Some(heads))], &targets)
        .map_err(|e| format!("grad of vmap: {e}"))?;
    for (k, gradient) in gradients.into_iter().enumerate() {
        let len = want[0][1 + k].len();
        let mut sum = vec![0.0; len];
        let mut all = Vec::new();
        for want in want {
            sum.iter_mut().zip(&want[1 + k]).for_each(|(sum, x)| *sum += x);
            all.extend_from_slice(&want[1 + k]);
        }
        let want = if batches[moving[k]].is_some() { all } else { sum };
        let got = gradient.map_or_else(|| vec![0.0; want.len()], read);
        let scale = want.iter().fold(1.0f64, |most, x| most.max(x.abs()));
        if let Some(e) = (0..want.len()).find(|&e| !agree(got[e], want[e], scale, TOLERANCE)) {
            return Err(format!("grad of vmap, {k}: element {e} is {}, not {}", got[e], want[e]));
        }
    }
    let tangents = targets.iter().enumerate().map(|(k, &target)| {
        let shape = x[moving[k]].shape().unwrap();
        let direction = graph.tensor(&direction(shape.iter().product(), k), &shape);
        (target, direction.broadcast_to(&to_axes(&target.shape().unwrap())))
    });
    let moved = graph
        .jvp(&[many], &tangents.collect::<Vec<_>>())
        .map_err(|e| format!("jvp of vmap: {e}"))?[0];
    let got = read(moved);
    let want: Vec<f64> = want.iter().flat_map(|want| want.last().unwrap().clone()).collect();
    let scale = want.iter().fold(1.0f64, |most, x| most.max(x.abs()));
    match (0..want.len()).find(|&e| !agree(got[e], want[e], scale, TOLERANCE)) {
        Some(e) => Err(format!("jvp of vmap: element {e} is {}, not {}", got[e], want[e])),
        None => Ok(()),
    }
}

fn to_axes(shape: &[usize]) -> Vec<isize> {
    shape.iter().map(|&len| len as isize).collect()
}

/// All inputs in a batch, and each of them alone.
fn batches(case: &Case) -> Result<(), String> {
    let count = case.json["inputs"].as_array().unwrap().len();
    batched(case, &vec![true; count])?;
    if count > 1 {
        for k in 0..count {
            batched(case, &(0..count).map(|i| i == k).collect::<Vec<_>>())?;
        }
    }
    Ok(())
}

fn check_all(check: fn(&Case) -> Result<(), String>) {
    let all = cases();
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

#[test]
fn batches_are_what_each_element_is_alone() {
    check_all(batches);
}

/// The value of a rule may be seen in another shape by its gradient's recording: in a batch of a batch.
#[test]
fn batches_of_matrices_are_differentiated() {
    let rules: [fn(Var<'_>) -> Var<'_>; 6] =
        [|x| x.tanh(), |x| x.sigmoid(), |x| x.expm1(), |x| x.exp(), |x| x.sqrt(), |x| x.elu(0.5)];
    for rule in rules {
        let graph = Graph::new();
        let x = graph.param(&[0.3], &[]);
        let points = graph.param(&[0.5, 0.2], &[2]);
        let slope = graph.jacobian(rule(x), x);
        let curvature = graph.laplacian(rule(x), x);
        let all = graph.vmap(&[slope, curvature], &[(x, points)]).unwrap();
        let found = graph.grad(&[(all[0].sum() + all[1].sum(), None)], &[points]).unwrap()[0];
        // The same, derivative by derivative.
        let y = rule(points).sum();
        let mut order = vec![y];
        for _ in 0..3 {
            let last = order[order.len() - 1].sum();
            order.push(graph.grad(&[(last, None)], &[points]).unwrap()[0]);
        }
        let want = read(order[2] + order[3]);
        for (got, want) in read(found).into_iter().zip(want) {
            assert!((got - want).abs() < 1e-12 * want.abs().max(1.0), "{got} is not {want}");
        }
    }
}

/// What was recorded without gradients has none in a batch, and masks are those of the value in its
/// Jacobian.
#[test]
fn batches_keep_what_is_constant() {
    let graph = Graph::new();
    let x = graph.param(&[0.3], &[]);
    let still = {
        let _guard = graph.no_grad();
        x.sin()
    };
    let points = graph.param(&[0.3, 0.7], &[2]);
    let y = graph.vmap(&[x.square() * still], &[(x, points)]).unwrap()[0];
    let slopes = read(graph.grad(&[(y.sum(), None)], &[points]).unwrap()[0]);
    for (slope, x) in slopes.into_iter().zip([0.3f64, 0.7]) {
        assert!((slope - 2.0 * x * x.sin()).abs() < 1e-15);
    }
    let ones = graph.param(&[1.0; 8], &[8]);
    let dropped = ones.dropout(0.5);
    let jacobian = read(graph.jacobian(dropped, ones));
    let diagonal: Vec<f64> = (0..8).map(|i| jacobian[9 * i]).collect();
    assert_eq!(diagonal, read(dropped));
    // A shape without room for one more axis is refused.
    let deep = graph.param(&[1.0], &[1; 8]);
    assert!(graph.laplacian(deep.sin().sum(), deep).item().is_err());
    assert!(graph.sparse_hessian(deep.sin().sum(), deep, false).is_err());
    // What the batch is of, on the way, and beside it.
    let (x, points) = (graph.param(&[0.5], &[]), graph.tensor(&[0.25, 0.75], &[2]));
    let index = (x * 0.0).cast(bumpgrad::DType::I64);
    for y in
        [deep, deep.sin(), deep * x, (deep * x).sum(), deep.reshape(&[1; 8]) + x, deep.take(index)]
    {
        match graph.vmap(&[y], &[(x, points)]) {
            Ok(all) => assert_eq!(all[0].shape().unwrap(), [2]),
            Err(error) => assert_eq!(error.kind(), bumpgrad::ErrorKind::Limit, "{error}"),
        }
    }
}

/// A value whose memory was needed for another one was seen all the same.
#[test]
fn what_was_read_stays_read() {
    let graph = Graph::new();
    let x = graph.param(&[0.5; 4096], &[4096]);
    let y = x.sin();
    y.to_vec::<f64>().unwrap();
    let z = y.exp();
    let (other, batch) = (x.cos(), graph.stack(&[x, x], 0));
    graph.set_memory_limit(graph.memory().total() + 10_000);
    other.to_vec::<f64>().unwrap();
    graph.set_memory_limit(usize::MAX);
    let error = graph.vmap(&[z], &[(x, batch)]).unwrap_err().to_string();
    assert!(error.contains("was read"), "{error}");
}

/// A product without gradients moves with what needs none, and the other factor is constant in that.
#[test]
fn what_is_constant_is_so_in_tangents() {
    let graph = Graph::new();
    let (a, t) = (graph.param(&[3.0], &[]), graph.param(&[0.5], &[]));
    let (b, one) = (graph.tensor(&[2.0], &[]), graph.tensor(&[1.0], &[]));
    let y = {
        let _guard = graph.no_grad();
        a * b
    };
    let moved = graph.jvp(&[y], &[(b, t)]).unwrap()[0];
    assert_eq!(moved.item().unwrap(), 1.5);
    let twice = graph.jvp(&[moved], &[(a, one)]).unwrap()[0];
    assert_eq!(twice.item().unwrap(), 0.0);
    let gradients = graph.grad_allow_unused(&[(moved, None)], &[t, a]).unwrap();
    assert_eq!(gradients[0].unwrap().item().unwrap(), 3.0);
    assert!(gradients[1].is_none());
}

/// What was recorded after a value on the way was read may hold for that value only. What the library records or
/// computes for itself is no matter.
#[test]
fn a_value_that_was_read_on_the_way_is_refused() {
    fn refused(graph: &Graph, y: Var<'_>, x: Var<'_>, points: Var<'_>) {
        let error = graph.vmap(&[y], &[(x, points)]).unwrap_err().to_string();
        assert!(error.contains("was read before"), "{error}");
    }
    // The gradients of the first two are made of the value, of the last two of the operand.
    let rules: [fn(Var<'_>) -> Var<'_>; 4] =
        [|x| x.exp(), |x| x.sqrt(), |x| x.square(), |x| x.sin()];
    for rule in rules {
        let graph = Graph::new();
        let x = graph.param(&[0.5], &[]);
        let points = graph.tensor(&[0.25, 0.75], &[2]);
        let y = rule(x);
        // A transform records what follows from the nodes, whatever was read.
        y.item().unwrap();
        let slope = graph.grad(&[(y, None)], &[x]).unwrap()[0];
        slope.item().unwrap();
        let bent = graph.hessian(y, x);
        let moved = graph.jvp(&[slope], &[(x, x)]).unwrap()[0];
        let all = graph.vmap(&[y, slope, bent, moved], &[(x, points)]).unwrap();
        for seen in [x, points, y, slope, all[0]] {
            seen.item().ok();
            seen.to_vec::<f64>().unwrap();
        }
        assert!(graph.vmap(&[y, slope, all[0]], &[(x, points)]).is_ok());
        // What the user records does.
        refused(&graph, slope * 2.0, x, points);
        refused(&graph, y * 2.0, x, points);
        refused(&graph, graph.grad(&[(y * y, None)], &[x]).unwrap()[0], x, points);
        // Another function of the same input.
        assert!(graph.vmap(&[rule(x), rule(x) * 2.0], &[(x, points)]).is_ok());
        // As an input it is what it is.
        let other = graph.param(&[2.0], &[]);
        assert!(graph.vmap(&[y * other], &[(y, points)]).is_ok());
        assert!(graph.vmap(&[y * other], &[(other, points)]).is_ok());
        // A node in the place of one that was read was not.
        let last = graph.param(&[2.0], &[]);
        let mark = graph.mark();
        rule(last).item().unwrap();
        graph.rewind(mark).unwrap();
        let z = rule(last).square();
        assert!(graph.vmap(&[z], &[(last, points)]).is_ok());
    }
    // Nor does it matter that what was recorded in between is gone.
    let graph = Graph::new();
    let x = graph.param(&[0.5], &[]);
    let points = graph.tensor(&[0.25, 0.75], &[2]);
    let y = x.sin();
    for _ in 0..3 {
        let mark = graph.mark();
        let trial = y.exp().square();
        y.item().unwrap();
        trial.item().unwrap();
        graph.rewind(mark).unwrap();
        let mark = graph.mark();
        refused(&graph, y * y, x, points);
        graph.rewind(mark).unwrap();
        assert!(graph.vmap(&[y], &[(x, points)]).is_ok());
    }
    // Computing, showing, checking and searching are no reading.
    for rule in rules {
        let graph = Graph::new();
        let x = graph.param(&[0.5], &[]);
        let points = graph.tensor(&[0.25, 0.75], &[2]);
        let y = rule(x);
        y.eval().unwrap();
        assert!(y.to_string().parse::<f64>().is_ok());
        assert!(graph.gradcheck(y, &[x], &Default::default()).unwrap().is_right);
        assert!(graph.sparsity(y, x).is_ok());
        let best = bumpgrad::Lbfgs { iterations: 3, ..Default::default() };
        best.minimise(y.square(), &[x]).unwrap();
        assert!(graph.vmap(&[y * 2.0], &[(x, points)]).is_ok());
    }
    // A loop whose condition is computed from the result, but no part of it.
    let graph = Graph::new();
    let x = graph.param(&[0.5, 1.0], &[2]);
    let points = graph.tensor(&[0.25, 0.75, 3.0, 4.0], &[2, 2]);
    let mut y = x * 2.0;
    while y.norm(2.0, &[], false).item().unwrap() < 10.0 {
        y = y * 2.0;
    }
    refused(&graph, y, x, points);
    // What a constant is made of was read, too.
    let z = x * 3.0;
    let constant = z.sum().snapshot();
    refused(&graph, z * constant, x, points);
}

/// Under `no_grad` derivatives of any order have the same values, and no gradients.
#[test]
fn second_derivatives_are_the_same_without_gradients() {
    let graph = Graph::new();
    let x = graph.param(&[0.5, 1.5], &[2]);
    let (t, y) = (graph.tensor(&[1.0, -2.0], &[2]), (x * x * x.flip(&[0])).sum());
    let all = || {
        [
            graph.hessian(y, x),
            graph.hvp(y, &[(x, t)]).unwrap()[0],
            graph.hessian_diagonal(y, x),
            graph.laplacian(y, x),
            graph.sparse_hessian(y, x, false).unwrap().1,
            graph.jacobian(y, x),
            graph.sparse_jacobian(y, x).unwrap().1,
        ]
    };
    let with = all();
    let guard = graph.no_grad();
    let without = all();
    assert_eq!(graph.hessian_sparsity(y, x, false).unwrap().columns.len(), 4);
    for (with, without) in with.into_iter().zip(without) {
        assert_eq!(read(with), read(without));
        assert!(with.requires_grad().unwrap() && !without.requires_grad().unwrap());
    }
    // A search is no recording of the user's.
    let best = bumpgrad::TrustRegion::default();
    let valley = ((1.0 - x.select(0, 0)).square()
        + (x.select(0, 1) - x.select(0, 0).square()).square() * 100.0)
        .sum();
    assert!(best.minimise(valley, &[x]).is_err(), "it was recorded without gradients");
    drop(guard);
    let valley = ((1.0 - x.select(0, 0)).square()
        + (x.select(0, 1) - x.select(0, 0).square()).square() * 100.0)
        .sum();
    let _guard = graph.no_grad();
    let found = best.minimise(valley, &[x]).unwrap();
    assert!(found.is_found() && found.value < 1e-20, "{found:?}");
}
