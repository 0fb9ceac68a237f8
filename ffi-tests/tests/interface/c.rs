//! The C functions: `src/ffi/operations.rs`.

use crate::declared::{Form, Kind, Operation, Param, Results};
use crate::text::{call, for_c, imports, wrap};

const HEAD: &str = "\
//! The operations. Written by `make interface` from what `src/op/` declares: one plain function an
//! operation, since cbindgen cannot see what macros make.
";

pub fn file(all: &[Operation]) -> String {
    let mut body = String::new();
    for op in all {
        for variant in variants(op) {
            body.push('\n');
            body.push_str(&variant.function(all));
        }
    }
    let imports = imports(
        &body,
        &[
            ("std::ffi", &["c_char"]),
            (
                "super",
                &[
                    "axis_list",
                    "bg_graph",
                    "bg_node",
                    "int_list",
                    "len_list",
                    "list_of",
                    "list_of_all",
                    "node_list",
                    "operation",
                    "operation_on_all",
                    "operations",
                    "record_map",
                    "saturate",
                ],
            ),
            ("crate::graph", &["Operand"]),
            ("crate::roll_call", &["Elem"]),
        ],
    );
    format!("{HEAD}\n{imports}{body}")
}

/// One of the functions that an operation has.
pub struct Variant<'a> {
    pub op: &'a Operation,
    pub name: String,
    /// The parameter that is not given, and what stands for it.
    pub without: Vec<(&'a str, &'static str)>,
    /// What is said instead of the operation's documentation.
    pub doc: Option<String>,
    /// Whether a number stands for the operand that may be one.
    pub number: bool,
}

pub fn variants(op: &Operation) -> Vec<Variant<'_>> {
    let plain = |name: String| Variant { op, name, without: vec![], doc: None, number: false };
    let mut out = vec![plain(op.name.clone())];
    let all = |what: &'static str, by: &'static str| Variant {
        without: vec![(what, by)],
        doc: Some(format!("As bg_{}, over all elements.", op.name)),
        ..plain(format!("{}_all", op.name))
    };
    if op.is_reduction() {
        let mut variant = all("axes", "&[]");
        variant.without.push(("keepdim", "false"));
        out.push(variant);
    }
    if op.params.iter().any(|param| param.kind == Kind::MaybeAxis) {
        let mut variant = all("axis", "None");
        variant.without.push(("keepdim", "false"));
        if op.params.iter().all(|param| param.name != "keepdim") {
            variant.without.pop();
            variant.doc = Some(format!("As bg_{}, for all axes.", op.name));
        }
        out.push(variant);
    }
    if op.params.iter().any(|param| param.kind == Kind::OperandOrNumber) {
        out.push(Variant {
            doc: Some(format!("As bg_{}, with one number for all elements.", op.name)),
            number: true,
            ..plain(format!("{}_scalar", op.name))
        });
    }
    out
}

impl Variant<'_> {
    fn is_given(&self, param: &Param) -> bool {
        self.without.iter().all(|(name, _)| *name != param.name)
    }

    /// The parameters that are given, in C's order.
    pub fn given(&self) -> Vec<&Param> {
        let mut params: Vec<_> = self.op.params.iter().filter(|p| self.is_given(p)).collect();
        // As in the first version.
        let at = |params: &[&Param], name: &str| params.iter().position(|p| p.name == name);
        if let (Some(from), Some(to)) = (at(&params, "correction"), at(&params, "axes")) {
            let correction = params.remove(from);
            params.insert(to, correction);
        }
        params
    }

    /// The declaration's parameters.
    fn parameters(&self) -> Vec<String> {
        let mut out = vec!["g: *mut bg_graph".to_owned()];
        let given = self.given();
        let lists = given.iter().filter(|p| p.count_name(1).is_some()).count();
        for param in &given {
            let name = &param.name;
            out.push(match param.kind {
                Kind::OperandOrNumber if self.number => format!("{name}: f64"),
                _ => format!("{name}: {}", param.c_type()),
            });
            out.extend(param.count_name(lists).map(|count| format!("{count}: usize")));
        }
        match &self.op.results {
            Results::One => {}
            Results::Named(names) => {
                out.extend(names[1..].iter().map(|name| format!("{name}: *mut bg_node")));
            }
            Results::List => {
                out.push("out: *mut bg_node".to_owned());
                out.push("capacity: usize".to_owned());
            }
        }
        out
    }

    fn function(&self, all: &[Operation]) -> String {
        let doc = match &self.doc {
            Some(doc) => vec![doc.clone()],
            None => for_c(&self.op.doc, all),
        };
        let mut out = wrap(&doc, "/// ", 100);
        out.push_str("#[unsafe(no_mangle)]\n");
        let returns = match self.op.results {
            Results::List => " -> usize {",
            _ => " -> bg_node {",
        };
        let head = format!("pub unsafe extern \"C\" fn bg_{}", self.name);
        out.push_str(&call("", &head, &self.parameters(), returns));
        out.push_str("    // SAFETY: the header's rules for `g` and for what is pointed to.\n");
        out.push_str(&self.body());
        out.push_str("}\n");
        out
    }

    fn body(&self) -> String {
        let op = self.op;
        if let Form::Rule(rule) = &op.form {
            let operands: Vec<_> = op.params.iter().map(|p| format!("{}.into()", p.name)).collect();
            let map = if operands.len() == 1 { "map" } else { "map2" };
            let operands = operands.join(", ");
            return format!(
                "    unsafe {{ record_map(g, |s| s.{map}(Elem::{rule}, {operands})) }}\n"
            );
        }
        let given = self.given();
        let lists = given.iter().filter(|p| p.count_name(1).is_some()).count();
        let is_operand = |param: &&&Param| {
            param.kind == Kind::Operand || param.kind == Kind::OperandOrNumber && !self.number
        };
        let operands: Vec<_> = given.iter().filter(is_operand).map(|p| p.name.clone()).collect();
        let mut lines = Vec::new();
        for param in &given {
            let (name, what) = (&param.name, &op.name);
            let count = param.count_name(lists).unwrap_or_default();
            let list = match param.kind {
                Kind::Axes => "axis_list",
                Kind::Ints => "int_list",
                Kind::Lens => "len_list",
                Kind::DType => {
                    lines.push(format!("let {name} = super::dtype(core, \"{what}\", {name})?;"));
                    continue;
                }
                Kind::Reduce => {
                    lines.push(format!("let {name} = super::reduce(core, \"{what}\", {name})?;"));
                    continue;
                }
                Kind::Text => {
                    lines.push(format!("let {name} = super::text(core, \"{what}\", {name})?;"));
                    continue;
                }
                _ => continue,
            };
            lines.push(format!("let {name} = {list}(core, \"{what}\", {name}, {count})?;"));
        }
        let args: Vec<_> = op.params.iter().map(|param| self.argument(param)).collect();
        let is_listed = op.params.iter().any(|p| p.kind == Kind::Operands);
        let mut args = args;
        if op.results == Results::List {
            args.push("out".to_owned());
        }
        let method = op.method();
        let recorded = format!("core.{method}({})", args.join(", "));
        let takes = if is_listed { "xs".to_owned() } else { format!("[{}]", operands.join(", ")) };
        let closure_takes = match op.results {
            Results::List => format!("|core, {takes}, out|"),
            _ => format!("|core, {takes}|"),
        };
        let from = if is_listed {
            let param = given.iter().find(|p| p.kind == Kind::Operands).expect("there is one");
            let count = param.count_name(lists).unwrap_or_default();
            format!("node_list({}, {count})", param.name)
        } else {
            takes.clone()
        };
        let (helper, results) = match &op.results {
            Results::One if is_listed => ("operation_on_all", String::new()),
            Results::One => ("operation", String::new()),
            Results::Named(names) => ("operations", format!(", [{}]", names[1..].join(", "))),
            Results::List if is_listed => ("list_of_all", ", (out, capacity)".to_owned()),
            Results::List => ("list_of", ", (out, capacity)".to_owned()),
        };
        let begin = format!("{helper}(g, \"{}\", {from}{results}, {closure_takes}", op.name);
        let line = format!("    unsafe {{ {begin} {recorded}) }}\n");
        if lines.is_empty() && line.len() <= 101 {
            return line;
        }
        let lines: String = lines.iter().map(|line| format!("            {line}\n")).collect();
        format!(
            "    unsafe {{\n        {begin} {{\n{lines}            {recorded}\n        }})\n    }}\n"
        )
    }

    /// A parameter as the method wants it.
    fn argument(&self, param: &Param) -> String {
        let name = &param.name;
        if let Some((_, by)) = self.without.iter().find(|(without, _)| without == name) {
            return (*by).to_owned();
        }
        match param.kind {
            Kind::OperandOrNumber if self.number => format!("Operand::Constant({name})"),
            Kind::Operands => "xs".to_owned(),
            Kind::MaybeNumber => format!("Some({name})"),
            Kind::Axis => format!("{name} as isize"),
            Kind::MaybeAxis => format!("Some({name} as isize)"),
            Kind::Int => format!("saturate({name})"),
            Kind::Axes | Kind::Ints | Kind::Lens => format!("&{name}"),
            _ => name.clone(),
        }
    }
}

impl Param {
    fn c_type(&self) -> &'static str {
        match self.kind {
            Kind::Operand | Kind::OperandOrNumber => "bg_node",
            Kind::Operands => "*const bg_node",
            Kind::Number | Kind::MaybeNumber => "f64",
            Kind::Axis | Kind::MaybeAxis | Kind::DType | Kind::Reduce => "i32",
            Kind::Axes => "*const i32",
            Kind::Int => "i64",
            Kind::Len => "usize",
            Kind::Ints => "*const i64",
            Kind::Lens => "*const usize",
            Kind::Flag => "bool",
            Kind::Text => "*const c_char",
        }
    }

    /// What tells how long a list is, where there are so many lists.
    pub fn count_name(&self, lists: usize) -> Option<String> {
        let is_list = matches!(self.kind, Kind::Operands | Kind::Axes | Kind::Ints | Kind::Lens);
        let is_shape = matches!(self.name.as_str(), "shape" | "dims");
        let alone = if is_shape { "rank".to_owned() } else { "n".to_owned() };
        is_list.then(|| if lists > 1 { format!("{}_count", self.name) } else { alone })
    }
}

impl Operation {
    /// Whether it is one over axes, all of them if none is named.
    pub fn is_reduction(&self) -> bool {
        let names: Vec<_> = self.params.iter().map(|p| p.name.as_str()).collect();
        matches!(names[..], [_, "axes", "keepdim"])
    }

    /// Whether it is a method of a graph, since its operands are a list.
    pub fn is_of_graph(&self) -> bool {
        self.params.iter().any(|param| param.kind == Kind::Operands)
    }

    /// The method of `Core`.
    pub fn method(&self) -> String {
        if self.name == "where" { "where_".to_owned() } else { self.name.clone() }
    }
}
