//! The reference: `docs/operations.md`.

use std::fs;
use std::path::Path;

use crate::FAMILIES;
use crate::c::{Variant, variants};
use crate::declared::{self, Operation, Results};
use crate::rust::name;
use crate::text::wrap;

const HEAD: &str = "\
# Operations

Each with its name in C and in Rust. Written by `make interface` from what `src/op/` declares; the
rules that hold for all of them are at the top of [the header](../include/bumpgrad.h).
";

/// The operations by the titles of their families.
fn chapters(all: &[Operation]) -> Vec<(&str, Vec<&Operation>)> {
    let titled = FAMILIES.chunk_by(|(_, title), (_, next)| title == next);
    let chapter = |families: &'static [(&str, &'static str)]| {
        let is_of = |op: &&Operation| families.iter().any(|(family, _)| *family == op.family);
        (families[0].1, all.iter().filter(is_of).collect())
    };
    titled.map(chapter).collect()
}

/// Those that are written by hand, since C has numbers or types where tensors are declared: what they
/// are in PyTorch.
const BY_HAND: (&str, &[(&str, &str)]) = (
    "With a number, a choice or a type",
    &[
        ("scale", "x * factor"),
        ("add_scalar", "x + c"),
        ("pow_scalar", "x ** exponent"),
        ("clamp", "torch.clamp(x, min, max)"),
        ("where", "torch.where(mask.bool(), yes, no)"),
        ("cast", "x.to(dtype)"),
    ],
);

/// Their part of the page, from the C functions.
fn by_hand(root: &Path) -> String {
    let path = root.join("src/ffi/elementwise.rs");
    let file = syn::parse_file(&fs::read_to_string(&path).unwrap()).unwrap();
    let mut out = format!("\n## {}\n", BY_HAND.0);
    for (name, torch) in BY_HAND.1 {
        let is_it = |function: &&syn::ItemFn| function.sig.ident == format!("bg_{name}").as_str();
        let functions = file.items.iter().filter_map(|item| match item {
            syn::Item::Fn(function) => Some(function),
            _ => None,
        });
        let function = functions.clone().find(is_it).unwrap_or_else(|| panic!("no bg_{name}"));
        let params: Vec<String> = function.sig.inputs.iter().map(param_name).collect();
        // A word of Rust's has an underscore there.
        let method = if *name == "where" { "where_" } else { name };
        let (in_c, receiver, rest) = (params.join(", "), &params[1], params[2..].join(", "));
        let doc = wrap(&declared::text_of_docs(&function.attrs), "", 100);
        out.push_str(&format!(
            "\n### {name}\n\n```text\nbg_{name}({in_c})\n{receiver}.{method}({rest})\n```\n\n{doc}\n\
             PyTorch: `{torch}`\n"
        ));
    }
    out
}

fn param_name(param: &syn::FnArg) -> String {
    match param {
        syn::FnArg::Typed(param) => match &*param.pat {
            syn::Pat::Ident(name) => name.ident.to_string(),
            _ => panic!("a pattern"),
        },
        syn::FnArg::Receiver(_) => panic!("a function of C has no receiver"),
    }
}

pub fn page(root: &Path, all: &[Operation]) -> String {
    let mut out = HEAD.to_owned();
    out.push_str(&by_hand(root));
    for (title, operations) in chapters(all) {
        out.push_str(&format!("\n## {title}\n"));
        for op in operations {
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
    let names: Vec<_> = BY_HAND.1.iter().map(|(name, _)| format!("`{name}`")).collect();
    table.push_str(&format!("| {} | {} |\n", BY_HAND.0, names.join(", ")));
    for (title, operations) in chapters(all) {
        let names: Vec<_> = operations.iter().map(|op| format!("`{}`", op.name)).collect();
        table.push_str(&format!("| {title} | {} |\n", names.join(", ")));
    }
    format!("{before}{BEGIN}{table}{END}{after}")
}
