//! `include/bumpgrad.h` is what cbindgen makes of `src/ffi/`, and declares exactly what the
//! libraries export.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// The files behind the header, in the order in which it shows them.
const SOURCES: &str = "types graph leaf read gradient derivatives evidence optim moments minimise objective custom elementwise operations print engine";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn header() -> PathBuf {
    root().join("include/bumpgrad.h")
}

fn generated() -> String {
    let config = cbindgen::Config::from_file(root().join("cbindgen.toml")).unwrap();
    let mut builder = cbindgen::Builder::new().with_config(config);
    for source in SOURCES.split_whitespace() {
        builder = builder.with_src(root().join(format!("src/ffi/{source}.rs")));
    }
    let mut text = Vec::new();
    builder.generate().unwrap().write(&mut text);
    String::from_utf8(text).unwrap()
}

#[test]
fn the_header_is_up_to_date() {
    let generated = generated();
    if env::var_os("UPDATE").is_some() {
        fs::write(header(), &generated).unwrap();
    }
    let present = fs::read_to_string(header()).unwrap_or_default();
    assert!(
        present == generated,
        "include/bumpgrad.h is not what src/ffi/ and cbindgen.toml say: run `make header`"
    );
}

/// The functions that a text declares: words that begin with `bg_`, right before a parenthesis.
fn declared(text: &str) -> BTreeSet<&str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices('(')
        .map(|(end, _)| &text[text[..end].rfind(|c| !is_name(c)).map_or(0, |i| i + 1)..end])
        .filter(|name| name.starts_with("bg_"))
        .collect()
}

/// A text without its comments.
fn code(text: &str) -> String {
    let mut blocks = text.split("/*");
    let first = blocks.next().unwrap_or_default();
    let rest = blocks.map(|block| block.split_once("*/").expect("a comment ends").1);
    let lines: String = std::iter::once(first).chain(rest).collect();
    lines.lines().map(|line| line.split("//").next().unwrap_or_default()).collect()
}

#[test]
fn the_header_declares_every_exported_function() {
    let mut exported = BTreeSet::new();
    for file in fs::read_dir(root().join("src/ffi")).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        for part in text.split("#[unsafe(no_mangle)]").skip(1) {
            let (_, name) = part.split_once(" fn ").unwrap();
            exported.insert(name.split_once('(').unwrap().0.to_owned());
        }
    }
    let header = code(&fs::read_to_string(header()).unwrap());
    for function in &exported {
        let count = header.matches(&format!("{function}(")).count();
        assert_eq!(count, 1, "{function} is declared {count} times");
    }
    assert_eq!(declared(&header), exported.iter().map(String::as_str).collect());
    assert!(exported.len() > 100, "{exported:?}");
}
