//! What the tests call by name, and the cases that PyTorch answers.

use crate::c::variants;
use crate::declared::{Kind, Operation, Param, Results, Types};
use crate::rust::name;

const HEAD: &str = "\
//! Operations by name. Written by `make interface` from what `src/op/` declares.
#![allow(dead_code, reason = \"each test has its own parameters\")]

use bumpgrad::{DType, Graph, Reduce, Var};

/// The parameters of a call.
pub(crate) trait Params {
    fn int(&self, name: &str) -> isize;
    fn maybe_int(&self, name: &str) -> Option<isize>;
    fn ints(&self, name: &str) -> Vec<isize>;
    fn number(&self, name: &str) -> f64;
    fn maybe_number(&self, name: &str) -> Option<f64>;
    fn flag(&self, name: &str) -> bool;
    fn dtype(&self, name: &str) -> DType;
    fn reduce(&self, name: &str) -> Reduce;
    fn text(&self, name: &str) -> String;
    fn lens(&self, name: &str) -> Vec<usize> {
        self.ints(name).into_iter().map(|len| len as usize).collect()
    }
}

/// The results of an operation; none if there is no operation of this name.
pub(crate) fn call<'g>(
    graph: &'g Graph,
    name: &str,
    x: &[Var<'g>],
    p: &impl Params,
) -> Option<Vec<Var<'g>>> {
    let _ = graph;
    Some(match name {
";

pub fn dispatch(all: &[Operation]) -> String {
    let mut out = HEAD.to_owned();
    for op in all {
        let variants = variants(op);
        for variant in &variants {
            // Of a reduction over axes the form with axes, to which none may be given.
            let Some(method) = name(variant) else { continue };
            if op.is_reduction() && !method.ends_with("_axes") {
                continue;
            }
            let mut operand = 0;
            let mut args = Vec::new();
            for param in &op.params {
                let is_number = variant.number && param.kind == Kind::OperandOrNumber;
                if matches!(param.kind, Kind::Operand | Kind::OperandOrNumber) && !is_number {
                    args.push(format!("x[{operand}]"));
                    operand += 1;
                } else {
                    args.push(argument(param));
                }
            }
            let receiver = if op.is_of_graph() { "graph".to_owned() } else { args.remove(0) };
            let call = format!("{receiver}.{method}({})", args.join(", "));
            let key = if variant.number { &variant.name } else { &op.name };
            let value = match &op.results {
                Results::One => format!("vec![{call}]"),
                Results::Named(names) => {
                    let names = names.join(", ");
                    format!("{{ let ({names}) = {call}; vec![{names}] }}")
                }
                Results::List => call,
            };
            let arm = format!("        \"{key}\" => {value},\n");
            let block = format!("        \"{key}\" => {{\n            {value}\n        }}\n");
            out.push_str(if arm.len() <= 101 { &arm } else { &block });
        }
    }
    out.push_str("        _ => return None,\n    })\n}\n\n");
    out.push_str("/// All of them.\npub(crate) const NAMES: &[&str] = &[\n");
    for op in all {
        out.push_str(&format!("    \"{}\",\n", op.name));
    }
    out.push_str("];\n");
    for (list, types) in [("TAKE_I64", Types::FloatsAndI64), ("TAKE_ANY", Types::Any)] {
        out.push_str(&format!("\n/// Those that say so.\npub(crate) const {list}: &[&str] = &[\n"));
        for op in all.iter().filter(|op| op.types == types) {
            out.push_str(&format!("    \"{}\",\n", op.name));
        }
        out.push_str("];\n");
    }
    out
}

fn argument(param: &Param) -> String {
    let name = &param.name;
    match param.kind {
        Kind::Operands => "x".to_owned(),
        Kind::Number | Kind::OperandOrNumber | Kind::Operand => format!("p.number(\"{name}\")"),
        Kind::MaybeNumber => format!("p.maybe_number(\"{name}\")"),
        Kind::Axis | Kind::Int => format!("p.int(\"{name}\")"),
        Kind::MaybeAxis => format!("p.maybe_int(\"{name}\")"),
        Kind::Axes | Kind::Ints => format!("&p.ints(\"{name}\")"),
        Kind::Len => format!("p.int(\"{name}\") as usize"),
        Kind::Lens => format!("&p.lens(\"{name}\")"),
        Kind::Flag => format!("p.flag(\"{name}\")"),
        Kind::DType => format!("p.dtype(\"{name}\")"),
        Kind::Reduce => format!("p.reduce(\"{name}\")"),
        Kind::Text => format!("&p.text(\"{name}\")"),
    }
}

/// What `tests/golden/generate.py` asks PyTorch, an operation a line.
pub fn cases(all: &[Operation]) -> String {
    let asked = all.iter().filter(|op| !op.cases.is_empty());
    let lines: Vec<String> = asked
        .map(|op| {
            let operand =
                |kind| matches!(kind, Kind::Operand | Kind::OperandOrNumber | Kind::Operands);
            let operands: Vec<_> =
                op.params.iter().filter(|p| operand(p.kind)).map(|p| quoted(&p.name)).collect();
            let cases: Vec<_> = op.cases.iter().map(|case| quoted(case)).collect();
            format!(
                "{{\"op\": {}, \"operands\": [{}], \"torch\": {},\n \"cases\": [{}]}}",
                quoted(&op.name),
                operands.join(", "),
                quoted(&op.torch),
                cases.join(",\n  ")
            )
        })
        .collect();
    format!("[\n{}\n]\n", lines.join(",\n"))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
