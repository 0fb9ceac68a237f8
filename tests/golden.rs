//! Values, VJPs with random heads, and gradients of gradients against PyTorch's, over all the
//! operations of `tests/golden/*.json` (made by `tests/golden/generate.py`). Fused or not, and in a
//! second replay, values and gradients are the same bit for bit.

#[path = "golden/cases.rs"]
mod cases;
#[rustfmt::skip]
mod operations;

use bumpgrad::{DType, Graph, Var};
use cases::{Case, cases, leaf, numbers, read, run, shape, tensor};
use serde_json::Value;

/// PyTorch's own f64 values are good to about this, absolute or relative.
const TOLERANCE: f64 = 1e-12;

/// The first pair that differs by more than the tolerance, absolute or relative.
fn differ(got: &[f64], want: &[f64], tolerance: f64) -> Option<String> {
    if got.len() != want.len() {
        return Some(format!("{} elements, not {}", got.len(), want.len()));
    }
    let close = |a: f64, b: f64| {
        a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= tolerance * b.abs().max(1.0)
    };
    let i = (0..got.len()).find(|&i| !close(got[i], want[i]))?;
    Some(format!("element {i} is {:?}, not {:?} (of {got:?} and {want:?})", got[i], want[i]))
}

fn check(case: &Case, float: DType, tolerance: f64) -> Result<(), String> {
    let graph = Graph::new();
    let json = &case.json;
    let inputs = json["inputs"].as_array().unwrap();
    let x: Vec<_> = inputs.iter().map(|input| leaf(&graph, input, float)).collect();
    let results = run(&graph, case, &x);
    let y = *results.first().ok_or_else(|| format!("no result: {:?}", graph.check()))?;
    fn say(what: &str) -> impl Fn(String) -> String + use<> {
        let what = what.to_owned();
        move |error| format!("{what}: {error}")
    }
    let value = || -> Result<(), String> {
        graph.check().map_err(|error| error.to_string())?;
        if y.shape().unwrap() != shape(&json["value"]) {
            return Err(format!("shape {:?}, not {}", y.shape().unwrap(), json["value"]["shape"]));
        }
        differ(&read(y), &numbers(&json["value"]["data"]), tolerance).map_or(Ok(()), Err)
    };
    value().map_err(say("value"))?;
    let others = json["others"].as_array().map_or(&[][..], |others| &others[..]);
    for (k, (other, want)) in results[1..].iter().zip(others).enumerate() {
        if other.shape().map_err(|error| error.to_string())? != shape(want) {
            return Err(format!("result {}: shape {:?}", k + 1, other.shape()));
        }
        differ(&read(*other), &numbers(&want["data"]), tolerance)
            .map_or(Ok(()), Err)
            .map_err(say(&format!("result {}", k + 1)))?;
    }
    if others.len() + 1 != results.len() {
        return Err(format!("{} results, not {}", results.len(), others.len() + 1));
    }
    let Some(grads) = json["grads"].as_array() else { return Ok(()) };
    let with: Vec<_> = (0..x.len()).filter(|&i| !grads[i].is_null()).collect();
    let head = tensor(&graph, &json["head"], y);

    // Backward and grad must agree with the golden gradients, and hence with each other.
    y.backward_with(head).map_err(|error| format!("backward: {error}"))?;
    let roots = [(y, Some(head))];
    let targets: Vec<_> = with.iter().map(|&i| x[i]).collect();
    let nodes = graph.grad(&roots, &targets).map_err(|error| format!("grad: {error}"))?;
    for (&i, &node) in with.iter().zip(&nodes) {
        let accumulated = x[i].grad_tensor().unwrap().ok_or("no gradient")?;
        let want = numbers(&grads[i]);
        for (what, got) in [("backward", read(accumulated)), ("grad", read(node))] {
            differ(&got, &want, tolerance)
                .map_or(Ok(()), Err)
                .map_err(say(&format!("{what} {i}")))?;
        }
    }
    let Some(second) = json["second"].as_array() else { return Ok(()) };
    let products: Vec<_> = with
        .iter()
        .zip(&nodes)
        .map(|(&i, &node)| (node * tensor(&graph, &json["probe"][i], node)).sum())
        .collect();
    let s = products.iter().copied().reduce(|a, b| a + b).unwrap();
    let zeros = |i: usize| vec![0.0; x[i].shape().unwrap().iter().product()];
    let seconds = if s.requires_grad().unwrap() {
        graph
            .grad_allow_unused(&[(s, None)], &targets)
            .map_err(|error| format!("second: {error}"))?
    } else {
        vec![None; with.len()]
    };
    for (&i, node) in with.iter().zip(seconds) {
        let got = node.map_or_else(|| zeros(i), read);
        differ(&got, &numbers(&second[i]), 10.0 * tolerance)
            .map_or(Ok(()), Err)
            .map_err(say(&format!("second {i}")))?;
    }
    Ok(())
}

/// Writes the input to its leaf again.
fn write(leaf: Var<'_>, input: &Value) {
    let data = numbers(&input["data"]);
    match leaf.dtype().unwrap() {
        DType::F32 => leaf.write(&data.iter().map(|&x| x as f32).collect::<Vec<_>>()),
        DType::F64 => leaf.write(&data),
        DType::I64 => leaf.write(&data.iter().map(|&x| x as i64).collect::<Vec<_>>()),
        DType::U8 => leaf.write(&data.iter().map(|&x| x as u8).collect::<Vec<_>>()),
    }
    .unwrap();
}

/// The bits of a case's value and gradients in two replays, fused or not. (Which operand's NaN an
/// addition hands on is up to the compiler, so all NaNs are one.)
fn replays(case: &Case, float: DType, fusion: bool) -> [Vec<u64>; 2] {
    let graph = Graph::new();
    graph.set_fusion(fusion);
    let json = &case.json;
    let inputs = json["inputs"].as_array().unwrap();
    let x: Vec<_> = inputs.iter().map(|input| leaf(&graph, input, float)).collect();
    let y = run(&graph, case, &x)[0];
    let value = y.cast(DType::F64);
    let head = json["grads"].as_array().map(|_| tensor(&graph, &json["head"], y));
    [false, true].map(|again| {
        if again {
            x.iter().zip(inputs).for_each(|(&x, input)| write(x, input));
            graph.zero_grad();
        }
        let mut all = value.to_vec::<f64>().unwrap();
        if let Some(head) = head {
            y.backward_with(head).unwrap();
            for grad in x.iter().filter_map(|x| x.grad_tensor().unwrap()) {
                all.extend(read(grad));
            }
        }
        all.into_iter().map(|x| if x.is_nan() { u64::MAX } else { x.to_bits() }).collect()
    })
}

fn check_bits(case: &Case, float: DType) -> Result<(), String> {
    let [fused, again] = replays(case, float, true);
    let [unfused, again_unfused] = replays(case, float, false);
    let ways = [(again, "replayed"), (unfused, "unfused"), (again_unfused, "unfused, replayed")];
    for (other, way) in ways {
        if let Some(at) =
            (0..fused.len().max(other.len())).find(|&at| fused.get(at) != other.get(at))
        {
            return Err(format!("other bits {way}, from element {at} of value and gradients on"));
        }
    }
    Ok(())
}

/// Where bumpgrad decided otherwise than PyTorch: operation, note, part of the parameters or of the case
/// as it is declared.
const DECIDED: &[(&str, &str, &str)] = &[
    // x^-0.5 is rsqrt, in value and gradient; PyTorch's gradient there is that of pow, so that
    // value and gradient disagree about the domain at -0.0 and -inf.
    ("pow_scalar", "special points: as sqrt and rsqrt, not as pow", "-0.5"),
    // The gradient of a norm that is NaN is NaN; PyTorch gives 0 for p = inf, and NaN for p = 2.
    ("norm", "special points: NaN", "inf"),
    // Far out on an axis the angle does not change any more: 0. PyTorch gets NaN for one of the two
    // operands, from infinity times 0. (`op/tests.rs` has these points.)
    ("atan2", "special points: infinities, NaN", ""),
    // Exact, where PyTorch gives x above 20; and 0 at -infinity, where it gives NaN. Their derivatives of
    // all orders are in `tests/derivatives.rs`.
    ("softplus", "special points: small and large", ""),
    ("gelu", "special points", ""),
    ("gelu_tanh", "special points", ""),
    ("silu", "special points", ""),
    // Elements that are equally far apart share the gradient of a distance, as they do that of a norm, in
    // PyTorch, too; in its cdist each of them gets all.
    ("cdist", "special points", "p=inf"),
    // No loss is larger; PyTorch takes infinities from one another.
    ("bce_with_logits", "special points", "x=S(-inf)"),
    // A row that is left out does not count, whatever it holds; PyTorch multiplies NaN by 0.
    ("cross_entropy", "special points: NaN in an ignored row", ""),
    // The other factors of a NaN are known; PyTorch divides by it.
    ("cumprod", "special points", "S(1,nan,2)"),
    // Where there is nothing but NaN nothing has a share; PyTorch multiplies 0 by NaN.
    ("nanmean", "special points", "S(nan,nan)"),
    // The slope is a difference of numbers that are nearly the same; its limit is 0, and PyTorch's is NaN.
    ("erfcx", "special points", "S(inf)"),
    // Powers of what is no smaller than 1 stay in the range.
    ("norm", "special points", "S(1e-200,2e-200)"),
    // What is -infinity has no share, also where there is nothing else yet: PyTorch gets NaN.
    ("logcumsumexp", "special points", "S(-inf,0,-inf,1)"),
];

fn check_all(float: DType, tolerance: f64, skip: impl Fn(&Case) -> bool) {
    let all: Vec<_> = cases().into_iter().filter(|case| !skip(case)).collect();
    assert!(all.len() > 1500, "only {} cases", all.len());
    let failures: Vec<_> = all
        .iter()
        .filter_map(|case| {
            let checked = check(case, float, tolerance).and_then(|()| check_bits(case, float));
            checked.err().map(|e| format!("{}: {e}", case.name()))
        })
        .collect();
    assert!(
        failures.is_empty(),
        "{} of {} cases:\n{}",
        failures.len(),
        all.len(),
        failures.join("\n")
    );
}

fn is_decided(case: &Case) -> bool {
    let note = case.json["note"].as_str().unwrap();
    let params = case.json["params"].to_string();
    let text = case.json["case"].as_str().unwrap_or_default();
    let is_case = |part: &str| params.contains(part) || text.contains(part);
    DECIDED.iter().any(|&(op, n, part)| op == case.op() && n == note && is_case(part))
}

#[test]
fn f64_values_gradients_and_second_gradients_are_those_of_pytorch() {
    check_all(DType::F64, TOLERANCE, is_decided);
}

/// At special points, too; what is left is the rounding of the inputs and of steep slopes.
#[test]
fn f32_agrees_within_its_precision() {
    check_all(DType::F32, 5e-6, |case| {
        // Casting is about types, and these numbers are none of f32.
        let rounds = case.op() == "var" && case.json["note"] == "special points: large mean";
        // The value, 1000.7, is rounded by 3e-5, and the gradient is made of it.
        let made = case.op() == "logsumexp" && case.json["note"] == "special points: large";
        case.op() == "cast" || rounds || made || is_decided(case)
    });
}

/// The level is found out once a process, so each lower one takes a process of its own.
#[test]
fn lower_simd_levels_agree_too() {
    for level in ["baseline", "v3"] {
        let run = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["f64_values", "f32_agrees"])
            .env("BUMPGRAD_LEVEL", level)
            .output()
            .unwrap();
        let output = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success() && output.contains("2 passed"), "{level}: {output}");
    }
}

/// The names of operations that find an index to be none, where the last one of an input is; each must
/// tell so itself, whatever it is made of, and whether its value is read or only a gradient.
fn refusing(fusion: bool) -> Vec<String> {
    let mut names = Vec::new();
    for case in cases() {
        let inputs = case.json["inputs"].as_array().unwrap();
        let is_index =
            |input: &Value| input["dtype"] == "i64" && input["data"] != Value::from([0; 0]);
        let Some(place) = inputs.iter().position(is_index) else { continue };
        for by_gradient in [false, true] {
            let graph = Graph::new();
            graph.set_fusion(fusion);
            let x: Vec<_> = inputs.iter().map(|input| leaf(&graph, input, DType::F64)).collect();
            let mut index = x[place].to_vec::<i64>().unwrap();
            let last = index.len() - 1;
            index[last] = 1 << 40;
            x[place].write(&index).unwrap();
            let y = run(&graph, &case, &x)[0];
            let read = if by_gradient {
                let of = x.iter().find(|x| x.requires_grad().unwrap());
                let (Some(&of), Ok(true)) = (of, y.requires_grad()) else { continue };
                let gradient = graph.grad_allow_unused(&[(y.sum(), None)], &[of]).unwrap()[0];
                gradient.map_or(Ok(()), |gradient| gradient.eval())
            } else {
                y.eval()
            };
            let Err(error) = read else { continue };
            let told = format!("{}: ", case.op());
            assert!(error.message().starts_with(&told), "{}: {error}", case.name());
            let position = format!("{} at position ", 1i64 << 40);
            assert!(error.message().contains(&position), "{}: {error}", case.name());
            names.push(case.op().to_owned());
        }
    }
    names.sort();
    names.dedup();
    names
}

#[test]
fn indices_outside_are_told_by_the_operation_that_was_called() {
    for fusion in [true, false] {
        let names = refusing(fusion);
        for name in [
            "cross_entropy",
            "cross_entropy_weighted",
            "cross_entropy_with",
            "embedding",
            "gather",
            "gather_nd",
            "index_add",
            "index_copy",
            "index_fill",
            "index_select",
            "nll_loss",
            "nll_loss_weighted",
            "scatter",
            "scatter_add",
            "scatter_reduce",
            "take",
            "take_along_dim",
        ] {
            assert!(names.iter().any(|other| other == name), "{name} is not among {names:?}");
        }
    }
}
