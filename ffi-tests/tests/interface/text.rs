//! Documentation for the different readers.

use std::collections::HashSet;

use crate::declared::Operation;

/// Lines of at most so many characters, each with a prefix; an empty line stays one.
pub fn wrap(lines: &[String], prefix: &str, width: usize) -> String {
    let mut out = String::new();
    for paragraph in lines.split(String::is_empty) {
        if !out.is_empty() {
            out.push_str(prefix.trim_end());
            out.push('\n');
        }
        let mut line = String::new();
        for word in paragraph.iter().flat_map(|line| line.split_whitespace()) {
            let is_full = prefix.len() + line.len() + 1 + word.len() > width;
            if is_full && !line.is_empty() {
                out.push_str(&format!("{prefix}{line}\n"));
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        out.push_str(&format!("{prefix}{line}\n"));
    }
    out
}

/// The text for C: operations and types by their names there, and no marks.
pub fn for_c(lines: &[String], all: &[Operation]) -> Vec<String> {
    let lines = replace(lines, |word| match all.iter().find(|op| op.name == word) {
        Some(op) => format!("bg_{}", op.name),
        None => word.to_owned(),
    });
    let types = [("i64", "BG_I64"), ("u8", "BG_U8")];
    let is_end = |c: char| !c.is_ascii_alphanumeric() && c != '_';
    let named = |word: &str| {
        let found = types.iter().find(|(ty, _)| word.trim_matches(is_end) == *ty);
        found.map_or(word.to_owned(), |(ty, name)| word.replace(ty, name))
    };
    lines.iter().map(|line| line.split(' ').map(named).collect::<Vec<_>>().join(" ")).collect()
}

/// The text for Rust: operations as links.
pub fn for_rust(lines: &[String], all: &[Operation]) -> Vec<String> {
    let lines = replace(lines, |word| match all.iter().find(|op| op.name == word) {
        Some(op) if op.is_of_graph() => format!("[`Graph::{word}`]"),
        Some(_) => format!("[`Var::{word}`]"),
        None => format!("`{word}`"),
    });
    // What looks like a link elsewhere is a shape.
    let escaped = |line: &String| {
        let parts = line.split('`').enumerate().map(|(i, part)| match i % 2 {
            0 => part.replace('[', "\\["),
            _ => format!("`{part}`"),
        });
        let line: String = parts.collect();
        line.replace("\\[`Var::", "[`Var::").replace("\\[`Graph::", "[`Graph::")
    };
    lines.iter().map(escaped).collect()
}

/// Each word between backticks replaced.
fn replace(lines: &[String], mut by: impl FnMut(&str) -> String) -> Vec<String> {
    let one = |line: &String| {
        let parts = line.split('`').enumerate();
        parts.map(|(i, part)| if i % 2 == 1 { by(part) } else { part.to_owned() }).collect()
    };
    lines.iter().map(one).collect()
}

/// A call or a declaration: in one line if it fits, else an argument a line.
pub fn call(indent: &str, before: &str, args: &[String], after: &str) -> String {
    let line = format!("{indent}{before}({}){after}", args.join(", "));
    if line.len() <= 100 {
        return line + "\n";
    }
    let args: String = args.iter().map(|arg| format!("{indent}    {arg},\n")).collect();
    format!("{indent}{before}(\n{args}{indent}){after}\n")
}

/// The imports of those names that a text has as words.
pub fn imports(text: &str, from: &[(&str, &[&str])]) -> String {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let words: HashSet<&str> = code.flat_map(|line| line.split(|c| !is_name(c))).collect();
    let mut out = String::new();
    for (path, names) in from {
        let used: Vec<_> = names.iter().copied().filter(|name| words.contains(name)).collect();
        match used[..] {
            [] => {}
            [name] => out.push_str(&format!("use {path}::{name};\n")),
            _ => out.push_str(&format!("use {path}::{{{}}};\n", used.join(", "))),
        }
    }
    out
}
