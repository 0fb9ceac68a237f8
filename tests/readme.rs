//! The documents: examples that somebody tests, links that lead somewhere, names that exist.
//!
//! The Rust examples of README.md are tests of the crate's documentation, and its C example is
//! compiled and run in `ffi-tests/`. Here it is checked that nothing in between is left out.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All documents of the project, with their text.
fn documents() -> Vec<(PathBuf, String)> {
    let mut out = Vec::new();
    for folder in ["", "docs", "docs/adr", "data", "benches"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                let text = read(&path);
                out.push((path, text));
            }
        }
    }
    assert!(out.len() > 15, "only {} documents", out.len());
    out
}

/// The fenced blocks of a document: language and content.
fn blocks(text: &str) -> Vec<(&str, &str)> {
    let mut parts = text.split("\n```").skip(1);
    let mut out = Vec::new();
    while let (Some(block), Some(_after)) = (parts.next(), parts.next()) {
        out.push(block.split_once('\n').unwrap());
    }
    out
}

#[test]
fn every_block_says_its_language() {
    for (path, text) in documents() {
        assert_eq!(text.matches("\n```").count() % 2, 0, "{}: an open block", path.display());
        for (language, content) in blocks(&text) {
            let known = ["rust", "c", "sh", "toml", "diff", "text"].contains(&language);
            // Rust that is not in the README would not be tested.
            let tested = language != "rust" || path == root().join("README.md");
            assert!(known && tested, "{}: {language:?} at\n{content}", path.display());
        }
    }
}

#[test]
fn the_shortest_programs_come_first_and_are_the_headers() {
    let readme = read(&root().join("README.md"));
    let order: Vec<_> = blocks(&readme).iter().map(|&(language, _)| language).collect();
    assert_eq!(order[..3], ["sh", "c", "rust"]);
    // Without their comments, the lines of the C example are those at the top of the header.
    let header = read(&root().join("include/bumpgrad.h"));
    for line in blocks(&readme)[1].1.lines() {
        let code = line.split("/*").next().unwrap().trim();
        assert!(header.contains(code), "not in the header: {code}");
    }
}

#[test]
fn links_lead_to_files() {
    for (path, text) in documents() {
        for link in text.split("](").skip(1) {
            let target = link.split(')').next().unwrap();
            let file = target.split('#').next().unwrap();
            if file.is_empty() || file.starts_with("http") {
                continue;
            }
            let there = path.parent().unwrap().join(file);
            assert!(there.exists(), "{}: no {file}", path.display());
        }
    }
}

/// The diffs that show how an operation is added would apply: what they keep or take away is there.
#[test]
fn diffs_are_of_the_files_they_name() {
    let text = read(&root().join("ARCHITECTURE.md"));
    let mut kept = 0;
    for (_, diff) in blocks(&text).into_iter().filter(|&(language, _)| language == "diff") {
        let mut file = String::new();
        for line in diff.lines() {
            if let Some(path) = line.strip_prefix("--- a/") {
                file = read(&root().join(path));
            } else if !line.starts_with(['+', '@']) {
                kept += 1;
                assert!(file.contains(&line[1..]), "no longer there: {line}");
            }
        }
    }
    assert!(kept > 3, "only {kept} lines");
}

#[test]
fn c_names_are_those_of_the_header() {
    let header = read(&root().join("include/bumpgrad.h"));
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for (path, text) in documents() {
        // An operation that is only made up, to show how one is added.
        for name in text.split(|c| !is_name(c)).filter(|&name| name != "bg_softsign") {
            if name.starts_with("bg_") || name.starts_with("BG_") {
                assert!(header.contains(name), "{}: no {name} in the header", path.display());
            }
        }
    }
}

#[test]
fn every_decision_is_listed() {
    let list = read(&root().join("docs/adr/README.md"));
    for entry in fs::read_dir(root().join("docs/adr")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name == "README.md" || list.contains(&name), "{name} is not in the list");
    }
}
