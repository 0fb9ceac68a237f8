//! Every C function on one case of PyTorch's: `ffi-tests/c/golden.h`.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::c::{Variant, variants};
use crate::declared::{Kind, Operation, Param, Results};

const HEAD: &str = "\
/* Every operation on a case of the golden values. Written by `make interface`. */

typedef struct golden {
    const char *name;
    /* Records the operands and the operation: its first result. */
    bg_node (*call)(bg_graph *g, bg_node *x);
    size_t operands;
    /* The value and, behind it, the head gradient and the gradients of the operands that have one; no
     * numbers where there are none to compare with. */
    const double *numbers;
    size_t values, gradients;
} golden;

";

/// More elements than this are not written down.
const MOST: usize = 30;

/// The golden cases of all files.
pub fn load(root: &Path) -> Vec<Value> {
    let mut out = Vec::new();
    for file in
        ["unary", "binary", "select", "reduce", "shaping", "index", "matmul", "loss", "operations"]
    {
        let text = fs::read_to_string(root.join(format!("tests/golden/{file}.json")));
        let cases: Value = serde_json::from_str(&text.unwrap_or_else(|_| "[]".to_owned())).unwrap();
        out.extend(cases.as_array().unwrap().iter().cloned());
    }
    out
}

pub fn header(all: &[Operation], cases: &[Value]) -> String {
    let (mut functions, mut table) = (String::new(), String::new());
    for op in all {
        let of_op: Vec<_> = cases.iter().filter(|case| case["op"] == op.name.as_str()).collect();
        for variant in variants(op) {
            // (Elsewhere bumpgrad may have decided otherwise.)
            let is_smooth = |case: &&&Value| !case["note"].as_str().unwrap().starts_with("special");
            let fitting = of_op.iter().filter(is_smooth).find(|case| fits(&variant, case));
            let fitting = fitting.or_else(|| of_op.iter().find(|case| fits(&variant, case)));
            let any = of_op.iter().find(|case| is_short(case));
            let Some(case) = fitting.or(any) else { continue };
            functions.push_str(&function(&variant, case));
            let name = &variant.name;
            let operands = case["inputs"].as_array().unwrap().len();
            let numbers = if fitting.is_some() { numbers(case) } else { None };
            let (array, values, gradients) = match numbers {
                Some((text, values, gradients)) => {
                    functions.push_str(&format!(
                        "static const double {name}_numbers[] = {{{text}}};\n\n"
                    ));
                    (format!("{name}_numbers"), values, gradients)
                }
                None => {
                    functions.push('\n');
                    ("NULL".to_owned(), 0, 0)
                }
            };
            table.push_str(&format!(
                "    {{\"bg_{name}\", made_{name}, {operands}, {array}, {values}, {gradients}}},\n"
            ));
        }
    }
    format!("{HEAD}{functions}static const golden GOLDEN[] = {{\n{table}}};\n")
}

fn len(array: &Value) -> usize {
    array["data"].as_array().map_or(0, Vec::len)
}

fn is_short(case: &Value) -> bool {
    let inputs = case["inputs"].as_array().unwrap();
    inputs.iter().map(len).sum::<usize>() <= MOST
        && inputs.iter().all(|input| len(input) > 0)
        && (1..=MOST).contains(&len(&case["value"]))
}

/// Whether a function gives what a case says.
fn fits(variant: &Variant<'_>, case: &Value) -> bool {
    let params = &case["params"];
    let is_all = variant.without.iter().all(|(name, _)| match *name {
        "keepdim" => params["keepdim"] != true,
        "axes" | "axis" => {
            params["axis"].is_null() && params["axes"].as_array().is_none_or(Vec::is_empty)
        }
        _ => true,
    });
    let has_axis = variant.op.params.iter().all(|param| {
        param.kind != Kind::MaybeAxis
            || !variant.without.is_empty()
            || !maybe_axis(params).is_null()
    });
    let operands = case["inputs"].as_array().unwrap().len();
    let is_scalar = variant.op.params.iter().any(|p| p.kind == Kind::OperandOrNumber)
        && variant.number != (operands < 2);
    is_short(case) && is_all && has_axis && !is_scalar
}

fn maybe_axis(params: &Value) -> &Value {
    if params["axis"].is_null() { &params["axes"][0] } else { &params["axis"] }
}

fn number(value: &Value) -> String {
    match value {
        Value::String(text) => match text.as_str() {
            "inf" => "INFINITY".to_owned(),
            "-inf" => "-INFINITY".to_owned(),
            "nan" => "NAN".to_owned(),
            other => other.to_owned(),
        },
        other => other.to_string(),
    }
}

fn list(values: &Value) -> String {
    let values = values.as_array().map_or(&[][..], |values| values);
    values.iter().map(number).collect::<Vec<_>>().join(", ")
}

/// The value, the head and the gradients, and how many numbers are which.
fn numbers(case: &Value) -> Option<(String, usize, usize)> {
    let mut parts = vec![list(&case["value"]["data"])];
    let values = len(&case["value"]);
    let mut gradients = 0;
    if let Some(grads) = case["grads"].as_array() {
        parts.push(list(&case["head"]));
        for grad in grads.iter().filter(|grad| !grad.is_null()) {
            parts.push(list(grad));
            gradients += grad.as_array().map_or(0, Vec::len);
        }
    }
    Some((parts.join(", "), values, gradients))
}

fn function(variant: &Variant<'_>, case: &Value) -> String {
    let name = &variant.name;
    let mut out = format!("static bg_node made_{name}(bg_graph *g, bg_node *x) {{\n");
    for (k, input) in case["inputs"].as_array().unwrap().iter().enumerate() {
        let (dtype, ty) = match input["dtype"].as_str().unwrap() {
            "i64" => ("BG_I64", "int64_t"),
            "u8" => ("BG_U8", "uint8_t"),
            _ => ("BG_F64", "double"),
        };
        let is_constant = case["grads"].as_array().is_some_and(|grads| grads[k].is_null());
        let make = if ty == "double" && !is_constant { "bg_param" } else { "bg_tensor" };
        let dims = input["shape"].as_array().unwrap();
        let shape = if dims.is_empty() { "0".to_owned() } else { list(&input["shape"]) };
        out.push_str(&format!(
            "    x[{k}] = {make}(g, {dtype}, ({ty}[]){{{}}}, (size_t[]){{{shape}}}, {});\n",
            list(&input["data"]),
            dims.len()
        ));
    }
    let mut args = vec!["g".to_owned()];
    let mut operand = 0;
    for param in variant.given() {
        args.extend(argument(variant, param, case, &mut operand));
    }
    match &variant.op.results {
        Results::One => out.push_str(&format!("    return bg_{name}({});\n}}\n", args.join(", "))),
        Results::Named(names) => {
            args.extend(names[1..].iter().map(|_| "NULL".to_owned()));
            out.push_str(&format!("    return bg_{name}({});\n}}\n", args.join(", ")));
        }
        Results::List => {
            args.extend(["out".to_owned(), "8".to_owned()]);
            out.push_str(&format!(
                "    bg_node out[8];\n    bg_{name}({});\n    return out[0];\n}}\n",
                args.join(", ")
            ));
        }
    }
    out
}

fn argument(
    variant: &Variant<'_>,
    param: &Param,
    case: &Value,
    operand: &mut usize,
) -> Vec<String> {
    let params = &case["params"];
    let key = match param.name.as_str() {
        "order" => "axes",
        "b" => "scalar",
        name => name,
    };
    let value = if params[&param.name].is_null() { &params[key] } else { &params[&param.name] };
    let int = |default: &str| if value.is_null() { default.to_owned() } else { number(value) };
    let array = |ty: &str| {
        let items = list(value);
        let count = value.as_array().map_or(0, Vec::len);
        match count {
            0 => vec!["NULL".to_owned(), "0".to_owned()],
            _ => vec![format!("({ty}[]){{{items}}}"), count.to_string()],
        }
    };
    match param.kind {
        Kind::OperandOrNumber if variant.number => vec![int("0")],
        Kind::Operand | Kind::OperandOrNumber => {
            *operand += 1;
            vec![format!("x[{}]", *operand - 1)]
        }
        Kind::Operands => {
            vec!["x".to_owned(), case["inputs"].as_array().unwrap().len().to_string()]
        }
        Kind::Number | Kind::MaybeNumber => vec![int("0")],
        Kind::Axis => vec![int("0")],
        Kind::MaybeAxis => vec![number(maybe_axis(params))],
        Kind::Axes => array("int32_t"),
        Kind::Int => vec![int(match param.name.as_str() {
            "stop" => "INT64_MAX",
            "step" => "1",
            _ => "0",
        })],
        Kind::Len => vec![int("0")],
        Kind::Ints => array("int64_t"),
        Kind::Lens => array("size_t"),
        Kind::Flag => vec![int("false")],
        Kind::DType => vec![format!("BG_{}", value.as_str().unwrap_or("f64").to_uppercase())],
        Kind::Reduce => {
            vec![format!("BG_REDUCE_{}", value.as_str().unwrap_or("mean").to_uppercase())]
        }
        Kind::Text => vec![format!("\"{}\"", value.as_str().unwrap_or_default())],
    }
}
