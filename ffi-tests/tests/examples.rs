//! The examples that have twins: the C program checks itself, and says what the Rust program says.

use std::process::Command;

use ffi_tests::{Link, build, libraries, make, pass, root, scratch};

/// What a program that must succeed writes to its standard output.
fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{error}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

fn twins(name: &str) {
    let mut in_rust = Command::new(env!("CARGO"));
    in_rust.current_dir(root()).args(["run", "--locked", "--quiet", "--example", name, "--"]);
    let wanted = output(in_rust.arg(scratch("pictures")));
    assert!(wanted.lines().count() > 5, "{wanted}");
    for link in [Link::Shared, Link::Static] {
        let source = format!("../examples/c/{name}.c");
        let program = build(&source, &format!("{name}-{link:?}"), link, &[]);
        assert_eq!(output(Command::new(program).current_dir(root())), wanted, "{link:?}");
    }
}

#[test]
fn tutorial() {
    twins("tutorial");
}

#[test]
fn greeks() {
    twins("greeks");
}

#[test]
fn posterior() {
    twins("posterior");
}

#[test]
fn all_are_run_by_make() {
    libraries(); // two runs of make would make them at once
    let text = pass(&mut make(&["examples"]));
    for words in ["9. Training and evaluation", "right to 12 digits", "accepted: "] {
        assert!(text.contains(words), "no \"{words}\" in\n{text}");
    }
}
