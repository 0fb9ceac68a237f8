//! What the sources of the operations declare.
//!
//! An operation that users can call is declared where it is: a documented method of `Core` in
//! `src/op/`, or a rule. Its signature says what it takes, its documentation what it means, and the
//! list below that what PyTorch calls it, for which cases, which types it takes besides floats, and how
//! its results are called.

use std::fs;
use std::path::Path;

use syn::{Attribute, Expr, FnArg, ImplItem, Item, Lit, Meta, Pat, ReturnType};

/// An operation that users can call.
#[derive(Debug)]
pub struct Operation {
    pub name: String,
    /// The file in `src/op/` without its ending.
    pub family: String,
    /// Lines of text.
    pub doc: Vec<String>,
    pub types: Types,
    /// How PyTorch says it.
    pub torch: String,
    /// Operands and parameters of golden cases.
    pub cases: Vec<String>,
    pub form: Form,
    /// In the order in which they are given.
    pub params: Vec<Param>,
    pub results: Results,
}

/// Which tensors it takes, apart from indices and masks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Types {
    /// Unless something else is said.
    Floats,
    FloatsAndI64,
    Any,
}

impl Types {
    fn named(text: &str) -> Self {
        match text {
            "any" => Self::Any,
            "floats, i64" => Self::FloatsAndI64,
            other => panic!("types are any, or \"floats, i64\", not {other}"),
        }
    }

    /// What the documentation says of it.
    fn said(self) -> Option<&'static str> {
        match self {
            Self::Floats => None,
            Self::FloatsAndI64 => Some("Takes i64, too."),
            Self::Any => Some("Takes any type."),
        }
    }
}

/// How it is recorded.
#[derive(Debug, PartialEq)]
pub enum Form {
    /// A rule, by the name of its type.
    Rule(String),
    /// A method of `Core`.
    Method,
}

#[derive(Debug, PartialEq)]
pub enum Results {
    One,
    /// Several, with these names.
    Named(Vec<String>),
    /// As many as the operand says.
    List,
}

#[derive(Debug)]
pub struct Param {
    pub name: String,
    pub kind: Kind,
}

/// What a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A tensor.
    Operand,
    /// A tensor, or a number in another function of the same name with `_scalar`.
    OperandOrNumber,
    /// A list of tensors.
    Operands,
    Number,
    /// A number or, in Rust, nothing.
    MaybeNumber,
    Axis,
    /// An axis, or all of them in another function.
    MaybeAxis,
    Axes,
    /// An integer.
    Int,
    /// A length.
    Len,
    Ints,
    Lens,
    Flag,
    DType,
    /// How a loss is reduced.
    Reduce,
    /// A word out of a list.
    Text,
}

/// All operations, in the order of files and of what is in them.
pub fn operations(root: &Path, families: &[&str]) -> Vec<Operation> {
    families.iter().flat_map(|family| of_file(root, family)).collect()
}

fn of_file(root: &Path, family: &str) -> Vec<Operation> {
    let path = root.join(format!("src/op/{family}.rs"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let mut out = Vec::new();
    let mut rule_doc = None;
    for item in &file.items {
        match item {
            Item::Enum(rule) => rule_doc = Some((rule.ident.to_string(), Doc::of(&rule.attrs))),
            Item::Impl(block) if block.trait_.is_some() => {
                let Some((rule, Some(doc))) = rule_doc.take() else { continue };
                out.push(of_rule(family, &rule, doc, block));
            }
            Item::Impl(block) => {
                for item in &block.items {
                    let ImplItem::Fn(method) = item else { continue };
                    let Some(doc) = Doc::of(&method.attrs) else { continue };
                    out.push(of_method(family, doc, method));
                }
            }
            _ => {}
        }
    }
    out
}

fn of_rule(family: &str, rule: &str, doc: Doc, block: &syn::ItemImpl) -> Operation {
    let name = block.items.iter().find_map(|item| match item {
        ImplItem::Const(constant) if constant.ident == "NAME" => Some(text_of(&constant.expr)),
        _ => None,
    });
    let names: &[&str] = if family == "binary" { &["a", "b"] } else { &["x"] };
    let operand = |name: &&str| Param { name: (*name).to_owned(), kind: Kind::Operand };
    Operation {
        name: name.unwrap_or_else(|| panic!("{rule} has no name")),
        family: family.to_owned(),
        doc: doc.text,
        types: doc.types,
        torch: doc.torch,
        cases: doc.cases,
        form: Form::Rule(rule.to_owned()),
        params: names.iter().map(operand).collect(),
        results: Results::One,
    }
}

fn of_method(family: &str, doc: Doc, method: &syn::ImplItemFn) -> Operation {
    let name = method.sig.ident.to_string();
    let (mut params, mut results) = (Vec::new(), Results::One);
    for input in method.sig.inputs.iter() {
        let FnArg::Typed(input) = input else { continue };
        let Pat::Ident(ident) = &*input.pat else { panic!("{name}: a pattern") };
        let (param, ty) = (ident.ident.to_string(), words(&input.ty));
        if ty == "&mut Vec<NodeId>" {
            results = Results::List;
            continue;
        }
        params.push(Param { kind: kind(&name, &param, &ty), name: param });
    }
    if let ReturnType::Type(_, ty) = &method.sig.output
        && words(ty).starts_with("Maybe<[NodeId;")
    {
        assert!(doc.results.len() > 1, "{name}: its documentation names no results");
        results = Results::Named(doc.results);
    }
    let name = name.trim_end_matches('_').to_owned();
    let Doc { text: doc, types, torch, cases, .. } = doc;
    let form = Form::Method;
    Operation { name, family: family.to_owned(), doc, types, torch, cases, form, params, results }
}

/// A type as text, without needless spaces.
fn words(ty: &syn::Type) -> String {
    use quote::ToTokens;
    let text = ty.to_token_stream().to_string();
    ["< ", " <", " >", "& ", "[ ", " ]", " ;", " ,"]
        .iter()
        .fold(text, |text, gap| text.replace(gap, gap.trim()))
}

fn kind(operation: &str, name: &str, ty: &str) -> Kind {
    match (ty, name) {
        ("NodeId", _) => Kind::Operand,
        ("impl Into<Operand>", _) => Kind::OperandOrNumber,
        ("&[NodeId]" | "&mut [NodeId]", _) => Kind::Operands,
        ("f64", _) => Kind::Number,
        ("Option<f64>", _) => Kind::MaybeNumber,
        ("isize", name) if name.starts_with("axis") => Kind::Axis,
        ("Option<isize>", "axis") => Kind::MaybeAxis,
        ("&[isize]", "axes" | "order") => Kind::Axes,
        ("isize", _) => Kind::Int,
        ("usize", _) => Kind::Len,
        ("&[isize]", _) => Kind::Ints,
        ("&[usize]", _) => Kind::Lens,
        ("bool", _) => Kind::Flag,
        ("DType", _) => Kind::DType,
        ("Reduce", _) => Kind::Reduce,
        ("&str", _) => Kind::Text,
        _ => panic!("{operation}: what is {name}: {ty}?"),
    }
}

/// The documentation of something that users can call.
struct Doc {
    text: Vec<String>,
    types: Types,
    torch: String,
    cases: Vec<String>,
    results: Vec<String>,
}

impl Doc {
    /// None for what has no list that says what PyTorch calls it.
    fn of(attributes: &[Attribute]) -> Option<Self> {
        let mut lines: Vec<String> = Vec::new();
        let mut fields: Vec<String> = Vec::new();
        for line in &text_of_docs(attributes) {
            if let Some(field) = line.strip_prefix("- ") {
                fields.push(field.to_owned());
            } else if let (Some(field), true) = (fields.last_mut(), line.starts_with("  ")) {
                field.push(' ');
                field.push_str(line.trim());
            } else {
                lines.push(line.to_owned());
            }
        }
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        let field = |name: &str| fields.iter().find_map(|field| field.strip_prefix(name));
        let torch = ticked(field("PyTorch: ")?).concat();
        let results =
            field("Results: ").map(|names| names.split(", ").map(str::to_owned).collect());
        let types = field("Types: ").map_or(Types::Floats, Types::named);
        lines.extend(types.said().map(str::to_owned));
        Some(Self {
            text: lines,
            types,
            torch,
            cases: field("Cases: ").map(ticked).unwrap_or_default(),
            results: results.unwrap_or_default(),
        })
    }
}

/// The documentation of something, as lines.
pub fn text_of_docs(attributes: &[Attribute]) -> Vec<String> {
    let text = |attribute: &Attribute| match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => Some(text_of(&meta.value)),
        _ => None,
    };
    let lines = attributes.iter().filter_map(text);
    lines.map(|line| line.strip_prefix(' ').unwrap_or(&line).to_owned()).collect()
}

/// What stands between backticks.
fn ticked(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn text_of(expr: &Expr) -> String {
    match expr {
        Expr::Lit(lit) => match &lit.lit {
            Lit::Str(text) => text.value(),
            _ => panic!("no text"),
        },
        _ => panic!("no literal"),
    }
}
