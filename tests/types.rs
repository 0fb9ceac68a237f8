//! Which operations take integers is what their documentation says.

#[path = "golden/cases.rs"]
mod cases;
#[rustfmt::skip]
mod operations;

use bumpgrad::{DType, ErrorKind, Graph};
use cases::{Case, cases, leaf, run};

/// Whether the operation of a case takes integers where that has floats; None if it has none, or fails for
/// another reason.
fn takes(case: &Case, dtype: DType) -> Option<bool> {
    let graph = Graph::new();
    let inputs = case.json["inputs"].as_array().unwrap();
    let is_float = |input: &serde_json::Value| input["dtype"] == "f64";
    if !inputs.iter().any(is_float) {
        return None;
    }
    let given = |input| {
        let x = leaf(&graph, input, DType::F64);
        if is_float(input) { x.detach().cast(dtype) } else { x }
    };
    let x: Vec<_> = inputs.iter().map(given).collect();
    run(&graph, case, &x);
    match graph.check() {
        Ok(()) => Some(true),
        Err(error) => (error.kind() == ErrorKind::DType).then_some(false),
    }
}

#[test]
fn integers_are_taken_where_they_are_said_to_be() {
    // Written by hand, and documented so.
    const I64: [&str; 2] = ["scale", "add_scalar"];
    const ANY: [&str; 2] = ["where", "cast"];
    let mut wrong = Vec::new();
    let mut count = 0;
    for case in cases() {
        let op = case.op();
        let takes_any = operations::TAKE_ANY.contains(&op) || ANY.contains(&op);
        let takes_i64 = takes_any || operations::TAKE_I64.contains(&op) || I64.contains(&op);
        for (dtype, is_said) in [(DType::I64, takes_i64), (DType::U8, takes_any)] {
            if let Some(is_so) = takes(&case, dtype) {
                count += 1;
                if is_so != is_said {
                    wrong.push(format!("{dtype}: {}", case.name()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "not as documented:\n{}", wrong.join("\n"));
    assert!(count > 2000, "only {count} cases");
}
