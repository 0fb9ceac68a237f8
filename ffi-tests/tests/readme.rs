//! The C examples of README.md, compiled and run from the README's own text.

use std::fs;
use std::process::Command;

use ffi_tests::{Link, build, pass, root, scratch};

/// Builds and runs the C example of that number, with this as what it returns; "" if it is a whole program.
fn check(number: usize, name: &str, result: &str) {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let block = readme.split("\n```c\n").nth(1 + number).unwrap();
    let (example, _) = block.split_once("\n```").unwrap();
    let includes = "#include <stdio.h>\n#include \"bumpgrad.h\"\n";
    let program = match result {
        "" => format!("{includes}\n{example}\n"),
        result => format!("{includes}\nint main(void)\n{{\n{example}\nreturn {result};\n}}\n"),
    };
    let source = scratch("readme").join(format!("{name}.c"));
    fs::write(&source, program).unwrap();
    for link in [Link::Shared, Link::Static] {
        let program = build(source.to_str().unwrap(), &format!("{name}-{link:?}"), link, &[]);
        assert_eq!(pass(&mut Command::new(program)), "", "it says nothing when all is well");
    }
}

#[test]
fn the_shortest_program_works() {
    check(0, "shortest", "!(dx[0] == 0 && dx[1] == 4 && dx[2] == 8 && dx[3] == 12)");
}

#[test]
fn a_sparse_jacobian_works() {
    check(
        1,
        "sparse",
        "!(entries == 6 && rows[1] == 2 && columns[5] == 3 && values[0] == 2 && values[1] == 1 \
         && values[2] == 3 && values[3] == 2 && values[4] == 4 && values[5] == 3)",
    );
}

#[test]
fn an_operation_of_ones_own_works() {
    check(2, "solve", "");
}

#[test]
fn checkpoints_work() {
    // Ten values that are kept, of 8 KiB each, and ten at a time.
    let result = "!(memory.repeated > 50 && memory.peak < 300000)";
    check(3, "checkpoints", result);
}
