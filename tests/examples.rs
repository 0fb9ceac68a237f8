//! The examples with pictures: that what they claim holds, and that the pictures in docs/pictures are
//! theirs.

#![allow(
    clippy::duplicate_mod,
    reason = "each example is a program of its own, with what it draws with"
)]

#[path = "../examples/greeks.rs"]
#[allow(dead_code, reason = "its main function is not called here")]
mod greeks;
#[path = "../examples/posterior.rs"]
#[allow(dead_code, reason = "its main function is not called here")]
mod posterior;
#[path = "../examples/tutorial.rs"]
#[allow(dead_code, reason = "its main function is not called here")]
mod tutorial;

use std::path::{Path, PathBuf};

/// The words and numbers in a picture. Where curves go may differ by a pixel from CPU to CPU.
fn texts(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path);
    let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(text.contains("<svg "), "{}", path.display());
    let parts = text.split("<text").skip(1);
    parts.map(|part| part.split(['<', '>']).nth(1).unwrap().trim().to_owned()).collect()
}

fn folder(name: &str) -> PathBuf {
    [env!("CARGO_TARGET_TMPDIR"), name].iter().collect()
}

/// That these pictures were written, and say what those in docs/pictures say.
fn compare(folder: &Path, pictures: &[&str]) {
    let docs = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/pictures"));
    for picture in pictures {
        let written = texts(&folder.join(picture));
        assert!(written.len() > 10, "{picture}: {written:?}");
        assert_eq!(written, texts(&docs.join(picture)), "{picture}: copy it to docs/pictures");
    }
}

#[test]
fn the_tutorial() {
    let folder = folder("tutorial");
    tutorial::run(&folder).unwrap();
    compare(&folder, &["sine.svg", "function.svg", "branches.svg"]);
    let graph = std::fs::read_to_string(folder.join("function.dot")).unwrap();
    // Graphviz has drawn the copy, and may be missing here.
    let drawn =
        texts(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/pictures/function.dot.svg").as_ref());
    let nodes: Vec<_> = graph.split("label=\"").skip(1).collect();
    assert_eq!(nodes.len(), 7, "{graph}");
    for node in nodes {
        let name = node.split("\\n").next().unwrap();
        assert!(drawn.iter().any(|text| text == name), "{name}: {drawn:?}");
    }
}

#[test]
fn greeks_by_scenario() {
    let folder = folder("greeks");
    greeks::run(&folder).unwrap();
    compare(&folder, &["greeks.svg"]);
}

#[test]
fn a_posterior() {
    let folder = folder("posterior");
    posterior::run(&folder).unwrap();
    compare(&folder, &["posterior.svg"]);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let error = tutorial::run(Path::new("/dev/null/pictures")).unwrap_err().to_string();
    assert!(error.starts_with("/dev/null/pictures: "), "{error}");
}
