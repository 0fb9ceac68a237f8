//! Elementwise functions and their derivatives up to the third order, all mixed ones, at special
//! points and in the tails, against 1,000 digits: `tests/golden/derivatives.json`, made by
//! `tests/golden/derivatives.py`. Each derivative is a gradient of a gradient through the public
//! interface: recorded, planned, fused or not.

use std::collections::BTreeMap;

use bumpgrad::{DType, Graph, Reduce, Result, Var};
use serde_json::Value;

/// By how many units of its last place a derivative may be off, by its order: the promise for
/// values and 8 for slopes; above, each rule that is differentiated adds some roundings.
const ULP: [f64; 4] = [4.0, 8.0, 32.0, 128.0];

/// Where more is allowed, and why.
fn bound(op: &str, dtype: DType, total: usize, value: f64, want: f64) -> f64 {
    let least = match dtype {
        DType::F32 => f64::from(f32::MIN_POSITIVE),
        _ => f64::MIN_POSITIVE,
    };
    match op {
        // A derivative made of parts that are subnormal has their digits.
        _ if total > 0 && want.abs() < 4.0 * least => 256.0,
        "pow" if value.abs() < least => 256.0,
        // The exponent, up to 100 (f32) and 700, is rounded before its power is taken.
        "gelu_tanh" if total > 1 => 1024.0,
        // The slope h has the slope -h (x + h), where x + h is small far below 0.
        "log_ndtr" if total == 3 => 1024.0,
        _ => ULP[total],
    }
}

/// First derivatives that are made of the value, which has lost the tail: off by no more than this
/// many roundings of a number near 1. (To make them of x costs an exponential more for each; higher
/// derivatives are made so.)
fn is_near(op: &str, dtype: DType, total: usize, got: f64, want: f64) -> bool {
    let rounding = if dtype == DType::F32 { 2f64.powi(-24) } else { 2f64.powi(-53) };
    total == 1 && matches!(op, "sigmoid" | "tanh") && (got - want).abs() <= 3.0 * rounding
}

fn number(text: &Value) -> Option<f64> {
    let text = text.as_str()?;
    Some(text.parse().unwrap_or_else(|_| panic!("no number: {text}")))
}

fn apply<'g>(op: &str, xs: &[Var<'g>]) -> Var<'g> {
    let x = xs[0];
    match op {
        "exp" => x.exp(),
        "expm1" => x.expm1(),
        "log" => x.log(),
        "log1p" => x.log1p(),
        "sqrt" => x.sqrt(),
        "rsqrt" => x.rsqrt(),
        "square" => x.square(),
        "reciprocal" => x.reciprocal(),
        "sin" => x.sin(),
        "cos" => x.cos(),
        "tan" => x.tan(),
        "tanh" => x.tanh(),
        "sigmoid" => x.sigmoid(),
        "erf" => x.erf(),
        "softplus" => x.softplus(),
        "silu" => x.silu(),
        "gelu" => x.gelu(),
        "gelu_tanh" => x.gelu_tanh(),
        "exp2" => x.exp2(),
        "log2" => x.log2(),
        "log10" => x.log10(),
        "cbrt" => x.cbrt(),
        "asin" => x.asin(),
        "acos" => x.acos(),
        "atan" => x.atan(),
        "sinh" => x.sinh(),
        "cosh" => x.cosh(),
        "asinh" => x.asinh(),
        "acosh" => x.acosh(),
        "atanh" => x.atanh(),
        "erfc" => x.erfc(),
        "erfcx" => x.erfcx(),
        "erfinv" => x.erfinv(),
        "ndtr" => x.ndtr(),
        "log_ndtr" => x.log_ndtr(),
        "ndtri" => x.ndtri(),
        "lgamma" => x.lgamma(),
        "digamma" => x.digamma(),
        "i0" => x.i0(),
        "i1" => x.i1(),
        "i0e" => x.i0e(),
        "i1e" => x.i1e(),
        "neg" => -x,
        "abs" => x.abs(),
        "relu" => x.relu(),
        "sign" => x.sign(),
        "floor" => x.floor(),
        "ceil" => x.ceil(),
        "round" => x.round(),
        "pow" => x.pow(xs[1]),
        "atan2" => x.atan2(xs[1]),
        "div" => x / xs[1],
        "xlogy" => x.xlogy(xs[1]),
        "xlog1py" => x.xlog1py(xs[1]),
        "fmod" => x.fmod(xs[1]),
        "remainder" => x.remainder(xs[1]),
        "floor_divide" => x.floor_divide(xs[1]),
        "mish" => x.mish(),
        "tanhshrink" => x.tanhshrink(),
        "elu" => x.elu(0.75),
        "celu" => x.celu(0.5),
        "selu" => x.selu(),
        "log_sigmoid" => x.log_sigmoid(),
        "softplus_beta" => x.softplus_beta(2.0),
        "logit" => x.logit(0.0),
        "sinc" => x.sinc(),
        "softsign" => x.softsign(),
        "entr" => x.entr(),
        "hypot" => x.hypot(xs[1]),
        "logaddexp" => x.logaddexp(xs[1]),
        "logaddexp2" => x.logaddexp2(xs[1]),
        "bce_with_logits" => x.bce_with_logits(xs[1], Reduce::None),
        "soft_margin_loss" => x.soft_margin_loss(xs[1], Reduce::None),
        other => panic!("an operation that the test does not know: {other}"),
    }
}

fn leaf<'g>(g: &'g Graph, dtype: DType, data: &[f64]) -> Var<'g> {
    match dtype {
        DType::F32 => g.param(&data.iter().map(|&x| x as f32).collect::<Vec<_>>(), &[data.len()]),
        _ => g.param(data, &[data.len()]),
    }
}

fn read(x: Var<'_>) -> Result<Vec<f64>> {
    x.cast(DType::F64).to_vec()
}

/// The distance from the wanted number, in units of its last place; subnormal numbers have the unit
/// of the smallest normal one.
fn distance(dtype: DType, got: f64, want: f64) -> f64 {
    if got == want || got.is_nan() && want.is_nan() {
        return 0.0;
    }
    let (digits, least, most) = match dtype {
        DType::F32 => (23, f64::from(f32::MIN_POSITIVE), f64::from(f32::MAX)),
        _ => (52, f64::MIN_POSITIVE, f64::MAX),
    };
    // Infinity is one unit beyond the largest number.
    let end = |x: f64| if x.is_infinite() { most.copysign(x) } else { x };
    // Far from the ends of the range.
    let (far, lift) = if want.abs() < 1e-150 { (600, 2f64.powi(600)) } else { (0, 1.0) };
    let exponent = want.abs().clamp(least, most).log2().floor() as i32;
    let unit = 2f64.powi(exponent - digits + far);
    (end(got) * lift / unit - end(want) * lift / unit).abs()
}

/// Checks all orders of one operation; what differs is added to `wrong`.
fn check(entry: &Value, scalar: Option<f64>, fusion: bool, wrong: &mut BTreeMap<String, String>) {
    let op = entry["op"].as_str().unwrap();
    let dtype = if entry["dtype"] == "f32" { DType::F32 } else { DType::F64 };
    let mut points: Vec<Vec<f64>> = entry["points"]
        .as_array()
        .unwrap()
        .iter()
        .map(|point| point.as_array().unwrap().iter().map(|x| number(x).unwrap()).collect())
        .collect();
    let chosen: Vec<usize> =
        (0..points.len()).filter(|&i| scalar.is_none_or(|c| points[i][1] == c)).collect();
    points = chosen.iter().map(|&i| points[i].clone()).collect();
    let g = Graph::new();
    g.set_fusion(fusion);
    let arity = if scalar.is_some() { 1 } else { points[0].len() };
    let xs: Vec<_> = (0..arity)
        .map(|k| leaf(&g, dtype, &points.iter().map(|point| point[k]).collect::<Vec<_>>()))
        .collect();
    let y = match scalar {
        Some(c) => xs[0].pow_scalar(c),
        None => apply(op, &xs),
    };
    for (name, row) in entry["orders"].as_object().unwrap() {
        let order: Vec<usize> = name.bytes().map(|digit| (digit - b'0') as usize).collect();
        let total: usize = order.iter().sum();
        if order.iter().skip(arity).any(|&k| k > 0) {
            continue;
        }
        // In both orders of differentiation.
        for reversed in [false, true] {
            let mut path: Vec<usize> =
                (0..arity).flat_map(|k| std::iter::repeat_n(k, order[k])).collect();
            if reversed {
                path.reverse();
            }
            let mut derivative = y;
            let mut is_zero = false;
            for k in path {
                if !derivative.requires_grad().unwrap() {
                    is_zero = true; // a constant
                    break;
                }
                let found = g.grad_allow_unused(&[(derivative.sum(), None)], &xs[k..=k]).unwrap();
                match found[0] {
                    Some(next) => derivative = next,
                    None => is_zero = true,
                }
            }
            let got = if is_zero { vec![0.0; points.len()] } else { read(derivative).unwrap() };
            let row = row.as_array().unwrap();
            for (k, &i) in chosen.iter().enumerate() {
                let Some(want) = number(&row[i]) else { continue };
                let off = distance(dtype, got[k], want);
                let value =
                    number(&entry["orders"].as_object().unwrap().values().next().unwrap()[i]);
                let most = bound(op, dtype, total, value.unwrap_or(1.0), want);
                // Even exponents that f32 does not tell from odd ones, the second derivative: infinite,
                // of the wrong sign.
                let huge = dtype == DType::F32
                    && scalar == Some(1e10)
                    && total > 1
                    && points[k][0] < 0.0
                    && got[k].is_infinite()
                    && want.is_infinite();
                // (Comparing so finds NaN, too.)
                if !(off <= most || is_near(op, dtype, total, got[k], want) || huge) {
                    let what = if scalar.is_some() { "pow_scalar" } else { op };
                    wrong.entry(format!("{what} {dtype} d{name} at {:?}", points[k])).or_insert(
                        format!("{:?}, not {want:?}: {off:.3} ULP, fusion {fusion}", got[k]),
                    );
                }
            }
        }
    }
}

#[test]
fn derivatives_of_all_orders_hold_everywhere() {
    let entries: Value = serde_json::from_str(include_str!("golden/derivatives.json")).unwrap();
    let mut wrong = BTreeMap::new();
    for entry in entries.as_array().unwrap() {
        for fusion in [true, false] {
            check(entry, None, fusion, &mut wrong);
            if entry["op"] == "pow" {
                for exponent in [0.0, 1.0, 2.0, 3.0, -1.0, 0.5, 1.5, 4.0, 2.5, 1e10] {
                    check(entry, Some(exponent), fusion, &mut wrong);
                }
            }
        }
    }
    let lines: Vec<_> = wrong.iter().map(|(what, how)| format!("{what}: {how}")).collect();
    assert!(lines.is_empty(), "{} differ:\n{}", lines.len(), lines.join("\n"));
}

/// Every operation of the roll-call that users have is among the entries, or is checked elsewhere.
#[test]
fn every_elementwise_operation_is_checked() {
    // Made of products and choices alone: `tests/golden.rs` and the unit tests of rules.
    const OTHERS: [&str; 5] = ["add", "sub", "mul", "maximum", "minimum"];
    let entries: Value = serde_json::from_str(include_str!("golden/derivatives.json")).unwrap();
    let checked: Vec<_> =
        entries.as_array().unwrap().iter().map(|entry| entry["op"].as_str().unwrap()).collect();
    let words = include_str!("../src/roll_call.rs");
    let words = words.split_once("$then! {").unwrap().1.split_once('}').unwrap().0;
    let mut count = 0;
    for list in words.split(';').filter(|list| list.contains(':')) {
        let list = list.split_once(':').unwrap().1;
        // Those behind this word are not for users, but what derivatives are made of.
        let end = list.find("NotNegative").or(list.find("AtLeast")).unwrap();
        for word in list[..end].split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let mut name = String::new();
            for (i, letter) in word.char_indices() {
                if letter.is_uppercase() && i > 0 {
                    name.push('_');
                }
                name.push(letter.to_ascii_lowercase());
            }
            assert!(
                checked.contains(&name.as_str()) || OTHERS.contains(&name.as_str()),
                "no derivatives are checked for {name}: tests/golden/derivatives.py"
            );
            count += 1;
        }
    }
    assert!(count > 30, "the roll-call is read wrongly: {count} words");
}

/// So is every expression of such operations, in its tails, but for what is made of straight lines.
#[test]
fn every_elementwise_expression_is_checked() {
    const LINES: [&str; 20] = [
        "copysign",
        "deg2rad",
        "fmax",
        "fmin",
        "frac",
        "hardshrink",
        "hardsigmoid",
        "hardswish",
        "hardtanh",
        "heaviside",
        "isclose",
        "ldexp",
        "leaky_relu",
        "nan_to_num",
        "rad2deg",
        "relu6",
        "softshrink",
        "threshold",
        "trunc",
        "logical_",
    ];
    let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let entries = parse(include_str!("golden/derivatives.json"));
    let checked: Vec<_> =
        entries.as_array().unwrap().iter().map(|entry| entry["op"].as_str().unwrap()).collect();
    let mut count = 0;
    for operation in parse(include_str!("golden/declared.json")).as_array().unwrap() {
        let op = operation["op"].as_str().unwrap();
        let cases = operation["cases"].to_string();
        if !cases.contains("elementwise(") && !cases.contains("pairs(") {
            continue;
        }
        let is_lines = LINES.iter().any(|name| op.starts_with(name));
        assert!(
            checked.contains(&op) || is_lines,
            "no derivatives are checked for {op}: tests/golden/derivatives.py"
        );
        count += 1;
    }
    assert!(count > 50, "the declarations are read wrongly: {count} operations");
}
