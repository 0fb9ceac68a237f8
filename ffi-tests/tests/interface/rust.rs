//! The methods of `Var`: `src/var/operations.rs`.

use crate::c::{Variant, variants};
use crate::declared::{Form, Kind, Operation, Param, Results};
use crate::text::{call, for_rust, imports, wrap};

const HEAD: &str = "\
//! The operations as methods. Written by `make interface` from what `src/op/` declares.
";

pub fn file(all: &[Operation]) -> String {
    let mut out = String::new();
    for (of_graph, owner) in [(false, "<'g> Var<'g>"), (true, "Graph")] {
        out.push_str(&format!("\nimpl{owner} {{\n").replace("implGraph", "impl Graph"));
        let mut is_first = true;
        for op in all.iter().filter(|op| op.is_of_graph() == of_graph) {
            for variant in variants(op) {
                if let Some(method) = method(&variant, all) {
                    out.push_str(if is_first { "" } else { "\n" });
                    out.push_str(&method);
                    is_first = false;
                }
            }
        }
        out.push_str("}\n");
    }
    let imports = imports(
        &out,
        &[
            ("super", &["Graph", "Var"]),
            ("crate::dtype", &["DType"]),
            ("crate::graph", &["Operand"]),
            ("crate::op", &["Reduce"]),
            ("crate::roll_call", &["Elem"]),
        ],
    );
    format!("{HEAD}\n{imports}{out}")
}

/// The name of a variant here, if it is one of its own.
pub fn name(variant: &Variant<'_>) -> Option<String> {
    let op = variant.op;
    let is_all = variant.name.ends_with("_all") && !op.name.ends_with("_all");
    if op.is_reduction() {
        return Some(if is_all { op.method() } else { format!("{}_axes", op.name) });
    }
    // An axis that may be absent is an `Option`.
    (!is_all).then(|| if variant.number { variant.name.clone() } else { op.method() })
}

fn method(variant: &Variant<'_>, all: &[Operation]) -> Option<String> {
    let op = variant.op;
    let name = name(variant)?;
    let is_all = op.is_reduction() && !name.ends_with("_axes");
    let mut doc = match (&variant.doc, op.is_reduction()) {
        (_, true) if is_all => {
            let mut doc = for_rust(&op.doc, all);
            doc.push(String::new());
            doc.push("Over all elements; the result is 0-d.".to_owned());
            doc
        }
        (_, true) => vec![format!(
            "As [`Var::{}`], over some axes (negative ones count from the end; none means all), \
             which vanish, or stay with length 1 with `keepdim`.",
            op.name
        )],
        (Some(_), _) => {
            vec![format!("As [`Var::{}`], with one number for all elements.", op.name)]
        }
        (None, _) => for_rust(&op.doc, all),
    };
    if let Form::Rule(_) = op.form {
        doc.push(String::new());
        doc.push(match op.params.len() {
            1 => "Any float tensor; the result has its shape.".to_owned(),
            _ => "Float tensors of one dtype, broadcast to one another.".to_owned(),
        });
    }
    let mut out = wrap(&doc, "    /// ", 100);
    out.push_str("    #[track_caller]\n");
    if matches!(op.name.as_str(), "neg" | "add" | "sub" | "mul" | "div") {
        out.push_str("    #[allow(clippy::should_implement_trait)] // the operators are besides\n");
    }
    let mut operands = op.params.iter().filter(|p| is_operand(variant, p));
    let receiver = if op.is_of_graph() { None } else { operands.next() };
    let others: Vec<_> = op
        .params
        .iter()
        .filter(|param| receiver.is_none_or(|receiver| receiver.name != param.name))
        .filter(|param| !is_all || !matches!(param.name.as_str(), "axes" | "keepdim"))
        .collect();
    let takes = if op.is_of_graph() { "&self" } else { "self" };
    let mut params = vec![takes.to_owned()];
    params.extend(others.iter().map(|param| parameter(variant, param)));
    let value = if op.is_of_graph() { "Var<'_>" } else { "Self" };
    let returns = match &op.results {
        Results::One => value.to_owned(),
        Results::Named(names) => format!("({})", vec![value; names.len()].join(", ")),
        Results::List => format!("Vec<{value}>"),
    };
    out.push_str(&call("    ", &format!("pub fn {name}"), &params, &format!(" -> {returns} {{")));
    out.push_str(&body(variant, receiver, is_all));
    out.push_str("    }\n");
    Some(out)
}

fn is_operand(variant: &Variant<'_>, param: &Param) -> bool {
    param.kind == Kind::Operand || param.kind == Kind::OperandOrNumber && !variant.number
}

fn parameter(variant: &Variant<'_>, param: &Param) -> String {
    let ty = match param.kind {
        Kind::OperandOrNumber if variant.number => "f64",
        Kind::Operand | Kind::OperandOrNumber => "Self",
        Kind::Operands => "&[Var<'_>]",
        Kind::Number => "f64",
        Kind::MaybeNumber => "Option<f64>",
        Kind::Axis | Kind::Int => "isize",
        Kind::MaybeAxis => "Option<isize>",
        Kind::Axes | Kind::Ints => "&[isize]",
        Kind::Len => "usize",
        Kind::Lens => "&[usize]",
        Kind::Flag => "bool",
        Kind::DType => "DType",
        Kind::Reduce => "Reduce",
        Kind::Text => "&str",
    };
    format!("{}: {ty}", param.name)
}

fn body(variant: &Variant<'_>, receiver: Option<&Param>, is_all: bool) -> String {
    let op = variant.op;
    let handle = |param: &&Param| match receiver {
        Some(receiver) if receiver.name == param.name => "self.handle".to_owned(),
        _ => format!("{}.handle", param.name),
    };
    let operands: Vec<_> = op.params.iter().filter(|p| is_operand(variant, p)).collect();
    let handles: Vec<_> = operands.iter().map(handle).collect();
    if let Form::Rule(rule) = &op.form {
        let map = if handles.len() == 1 { "map" } else { "map2" };
        let handles = handles.join(", ");
        return format!(
            "        self.graph.offer_map(|session| session.{map}(Elem::{rule}, {handles}))\n"
        );
    }
    let names: Vec<_> = operands.iter().map(|p| p.name.clone()).collect();
    let mut args: Vec<_> = op
        .params
        .iter()
        .map(|param| match (param.kind, param.name.as_str()) {
            (_, "axes") if is_all => "&[]".to_owned(),
            (_, "keepdim") if is_all => "false".to_owned(),
            (Kind::OperandOrNumber, name) if variant.number => {
                format!("Operand::Constant({name})")
            }
            (Kind::Operands, _) => "xs".to_owned(),
            (_, name) => name.to_owned(),
        })
        .collect();
    if op.results == Results::List {
        args.push("out".to_owned());
    }
    let recorded = format!("core.{}({})", op.method(), args.join(", "));
    let what = &op.name;
    if let Some(list) = op.params.iter().find(|p| p.kind == Kind::Operands) {
        let list = &list.name;
        let (helper, takes) = match op.results {
            Results::List => ("list_of_all", ", out"),
            _ => ("operation_on_all", ""),
        };
        let begin = format!("self.{helper}(\"{what}\", {list}, |core, xs{takes}|");
        return lines(&begin, &recorded);
    }
    let (helper, takes) = match op.results {
        Results::One => ("operation", String::new()),
        Results::Named(_) => ("operations", String::new()),
        Results::List => ("list_of", ", out".to_owned()),
    };
    let begin = format!(
        "self.{helper}(\"{what}\", [{}], |core, [{}]{takes}|",
        handles.join(", "),
        names.join(", ")
    );
    match &op.results {
        Results::Named(names) => {
            let names = names.join(", ");
            let call = lines(&begin, &recorded);
            let call = call.trim_start().trim_end();
            format!("        let [{names}] = {call};\n        ({names})\n")
        }
        _ => lines(&begin, &recorded),
    }
}

fn lines(begin: &str, recorded: &str) -> String {
    let line = format!("        {begin} {recorded})\n");
    if line.len() <= 101 {
        return line;
    }
    format!("        {begin} {{\n            {recorded}\n        }})\n")
}
