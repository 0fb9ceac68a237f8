//! The interface is what the operations declare: the C functions, the methods in Rust, what the tests
//! call by name, the golden cases, the C tests, and the reference are written from `src/op/`, and checked in.
//! `make interface` writes them anew; this fails when they are out of date.

mod c;
mod declared;
mod golden;
mod reference;
mod rust;
mod tests;
mod text;

use std::{env, fs};

use ffi_tests::root;

/// The files in `src/op/` in which operations are declared, and what they hold: those that follow one
/// another with the same title share it.
pub const FAMILIES: &[(&str, &str)] = &[
    ("unary", "Functions of one tensor"),
    ("binary", "Functions of two tensors"),
    ("special/elementary", "Elementary functions"),
    ("special/normal", "Error functions and the normal distribution"),
    ("special/gamma", "Gamma functions"),
    ("special/bessel", "Bessel functions"),
    ("activation", "Activations and other expressions"),
    ("arithmetic", "Other functions of several tensors"),
    ("elementwise", "Comparisons"),
    ("reduce", "Reductions"),
    ("prod", "Reductions"),
    ("norm", "Reductions"),
    ("statistics", "Counts and statistics"),
    ("scan", "Scans"),
    ("order", "Order"),
    ("rank", "Order"),
    ("shaping", "Shapes"),
    ("parts", "Parts"),
    ("arrange", "Rearrangements"),
    ("diagonal", "Diagonals and triangles"),
    ("index", "Indices"),
    ("select", "Selections and writes"),
    ("scatter", "Writes at indices"),
    ("matmul", "Products"),
    ("einsum", "Contractions"),
    ("distance", "Distances and normalisation"),
    ("loss", "Softmax and losses"),
    ("element_loss", "Softmax and losses"),
];

#[test]
fn the_interface_is_up_to_date() {
    let families: Vec<_> = FAMILIES.iter().map(|(family, _)| *family).collect();
    let all = declared::operations(root(), &families);
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let files = [
        ("README.md", reference::readme(&readme, &all)),
        ("src/ffi/operations.rs", c::file(&all)),
        ("src/var/operations.rs", rust::file(&all)),
        ("tests/operations/mod.rs", tests::dispatch(&all)),
        ("tests/golden/declared.json", tests::cases(&all)),
        ("docs/operations.md", reference::page(root(), &all)),
        ("ffi-tests/c/golden.h", golden::header(&all, &golden::load(root()))),
    ];
    let mut stale = Vec::new();
    for (path, text) in &files {
        let path = root().join(path);
        if fs::read_to_string(&path).unwrap_or_default() != *text {
            stale.push(path.display().to_string());
            if env::var_os("UPDATE").is_some() {
                fs::create_dir_all(path.parent().expect("a file is in a directory")).unwrap();
                fs::write(&path, text).unwrap();
            }
        }
    }
    if env::var_os("UPDATE").is_none() {
        assert!(stale.is_empty(), "run `make interface`: out of date are {stale:?}");
    }
}
