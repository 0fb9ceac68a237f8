//! The reference: `docs/operations.md`.

use crate::FAMILIES;
use crate::c::{Variant, variants};
use crate::declared::{Operation, Results};
use crate::rust::name;
use crate::text::wrap;

const HEAD: &str = "\
# Operations

Each with its name in C and in Rust. Written by `make interface` from what `src/op/` declares; the
rules that hold for all of them are at the top of [the header](../include/bumpgrad.h).
";

pub fn page(all: &[Operation]) -> String {
    let mut out = HEAD.to_owned();
    for (family, title) in FAMILIES {
        let of_family: Vec<_> = all.iter().filter(|op| op.family == *family).collect();
        if of_family.is_empty() {
            continue;
        }
        out.push_str(&format!("\n## {title}\n"));
        for op in of_family {
            out.push_str(&format!("\n### {}\n\n```text\n", op.name));
            for variant in variants(op) {
                out.push_str(&format!("{}\n", in_c(&variant)));
                if let Some(method) = name(&variant) {
                    out.push_str(&format!("{}\n", in_rust(&variant, &method)));
                }
            }
            out.push_str("```\n\n");
            out.push_str(&wrap(&op.doc, "", 100));
            out.push_str(&format!("\nPyTorch: `{}`\n", op.torch));
        }
    }
    out
}

fn in_c(variant: &Variant<'_>) -> String {
    let mut args = vec!["g".to_owned()];
    let given = variant.given();
    let lists = given.iter().filter(|param| param.count_name(1).is_some()).count();
    for param in given {
        args.push(param.name.clone());
        args.extend(param.count_name(lists));
    }
    match &variant.op.results {
        Results::One => {}
        Results::Named(names) => args.extend(names[1..].iter().map(|name| format!("&{name}"))),
        Results::List => args.extend(["out".to_owned(), "capacity".to_owned()]),
    }
    format!("bg_{}({})", variant.name, args.join(", "))
}

fn in_rust(variant: &Variant<'_>, method: &str) -> String {
    let op = variant.op;
    let is_all = op.is_reduction() && !method.ends_with("_axes");
    let mut names: Vec<_> = op
        .params
        .iter()
        .filter(|param| !is_all || !matches!(param.name.as_str(), "axes" | "keepdim"))
        .map(|param| param.name.clone())
        .collect();
    let receiver = if op.is_of_graph() { "graph".to_owned() } else { names.remove(0) };
    format!("{receiver}.{method}({})", names.join(", "))
}

const BEGIN: &str = "<!-- operations: written by make interface -->\n";
const END: &str = "<!-- end -->";

/// The README with its table of operations.
pub fn readme(text: &str, all: &[Operation]) -> String {
    let (before, rest) = text.split_once(BEGIN).expect("the README has a place for operations");
    let (_, after) = rest.split_once(END).expect("and it ends");
    let mut table = "| | |\n|---|---|\n".to_owned();
    for (family, title) in FAMILIES {
        let of_family = all.iter().filter(|op| op.family == *family);
        let names: Vec<_> = of_family.map(|op| format!("`{}`", op.name)).collect();
        if !names.is_empty() {
            table.push_str(&format!("| {title} | {} |\n", names.join(", ")));
        }
    }
    format!("{before}{BEGIN}{table}{END}{after}")
}
