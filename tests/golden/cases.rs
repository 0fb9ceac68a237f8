//! The golden cases: an operation, its operands, and what PyTorch makes of them.
#![allow(dead_code, reason = "each test reads its own part of a case")]

use bumpgrad::{DType, Graph, Reduce, Var};
use serde_json::Value;

use crate::operations::{self, Params};

/// An operation on some operands.
pub(crate) struct Case {
    pub(crate) json: Value,
    file: &'static str,
}

impl Case {
    pub(crate) fn op(&self) -> &str {
        self.json["op"].as_str().unwrap()
    }

    pub(crate) fn name(&self) -> String {
        format!(
            "{} {} ({}), params {}",
            self.file,
            self.op(),
            self.json["note"],
            self.json["params"]
        )
    }
}

impl Params for Case {
    fn int(&self, key: &str) -> isize {
        self.maybe_int(key).unwrap_or_else(|| panic!("{}: {key}", self.name()))
    }

    fn maybe_int(&self, key: &str) -> Option<isize> {
        match key {
            // As Python says it.
            "start" | "step" if self.json["params"][key].is_null() => {
                Some(isize::from(key == "step"))
            }
            "stop" if self.json["params"][key].is_null() => Some(isize::MAX),
            // An extreme's place was asked for along the first of the axes.
            "axis" if self.json["params"][key].is_null() => self.ints("axes").first().copied(),
            _ => self.json["params"][key].as_i64().map(|i| i as isize),
        }
    }

    fn number(&self, key: &str) -> f64 {
        number(&self.json["params"][if key == "b" { "scalar" } else { key }])
    }

    fn maybe_number(&self, key: &str) -> Option<f64> {
        let value = &self.json["params"][key];
        (!value.is_null()).then(|| number(value))
    }

    fn ints(&self, key: &str) -> Vec<isize> {
        let list = &self.json["params"][if key == "order" { "axes" } else { key }];
        let list = list.as_array().map(|list| list.iter());
        list.map(|list| list.map(|i| i.as_i64().unwrap() as isize).collect()).unwrap_or_default()
    }

    fn flag(&self, key: &str) -> bool {
        self.json["params"][key].as_bool().unwrap_or(false)
    }

    fn dtype(&self, key: &str) -> DType {
        match self.json["params"][key].as_str().unwrap() {
            "f32" => DType::F32,
            "f64" => DType::F64,
            "i64" => DType::I64,
            "u8" => DType::U8,
            other => panic!("{}: {key} is {other}", self.name()),
        }
    }

    fn reduce(&self, key: &str) -> Reduce {
        match self.json["params"][key].as_str().unwrap_or("mean") {
            "none" => Reduce::None,
            "sum" => Reduce::Sum,
            _ => Reduce::Mean,
        }
    }

    fn text(&self, key: &str) -> String {
        self.json["params"][key].as_str().unwrap().to_owned()
    }
}

/// All cases of all files.
pub(crate) fn cases() -> Vec<Case> {
    macro_rules! files {
        ($($file:literal)*) => {
            [$(($file, include_str!($file))),*]
        };
    }
    let files = files!("unary.json" "binary.json" "select.json" "reduce.json" "shaping.json"
        "index.json" "matmul.json" "loss.json" "operations.json");
    files.into_iter().flat_map(|(file, text)| cases_of(file, text)).collect()
}

/// The cases of a file.
pub(crate) fn cases_of(file: &'static str, text: &str) -> Vec<Case> {
    let Value::Array(list) = serde_json::from_str(text).unwrap() else { panic!("{file}") };
    list.into_iter().map(|json| Case { json, file }).collect()
}

pub(crate) fn number(value: &Value) -> f64 {
    match value {
        Value::String(text) => match text.as_str() {
            "inf" => f64::INFINITY,
            "-inf" => f64::NEG_INFINITY,
            "nan" => f64::NAN,
            other => panic!("no number: {other}"),
        },
        other => other.as_f64().unwrap_or_else(|| panic!("no number: {other}")),
    }
}

pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

pub(crate) fn shape(value: &Value) -> Vec<usize> {
    value["shape"].as_array().unwrap().iter().map(|d| d.as_u64().unwrap() as usize).collect()
}

/// A leaf of an input, with floats as `float`.
pub(crate) fn leaf<'g>(graph: &'g Graph, input: &Value, float: DType) -> Var<'g> {
    let (data, shape) = (numbers(&input["data"]), shape(input));
    match input["dtype"].as_str().unwrap() {
        "i64" => graph.tensor(&data.iter().map(|&x| x as i64).collect::<Vec<_>>(), &shape),
        "u8" => graph.tensor(&data.iter().map(|&x| x as u8).collect::<Vec<_>>(), &shape),
        _ if float == DType::F32 => {
            graph.param(&data.iter().map(|&x| x as f32).collect::<Vec<_>>(), &shape)
        }
        _ => graph.param(&data, &shape),
    }
}

pub(crate) fn tensor<'g>(graph: &'g Graph, data: &Value, like: Var<'_>) -> Var<'g> {
    let shape = like.shape().unwrap();
    let constant = graph.tensor(&numbers(data), &shape);
    constant.cast(like.dtype().unwrap())
}

pub(crate) fn read(x: Var<'_>) -> Vec<f64> {
    x.cast(DType::F64).to_vec().unwrap()
}

/// The results of a case's operation.
pub(crate) fn run<'g>(graph: &'g Graph, case: &Case, x: &[Var<'g>]) -> Vec<Var<'g>> {
    vec![match case.op() {
        "scale" => x[0].scale(case.number("scalar")),
        "add_scalar" => x[0].add_scalar(case.number("scalar")),
        "pow_scalar" => x[0].pow_scalar(case.number("scalar")),
        "clamp" => x[0].clamp(case.maybe_number("min"), case.maybe_number("max")),
        "cast" => x[0].cast(case.dtype("to")),
        "where" => x[0].where_(x[1], x[2]),
        name => {
            let results = operations::call(graph, name, x, case);
            return results.unwrap_or_else(|| panic!("nobody knows {name}"));
        }
    }]
}
