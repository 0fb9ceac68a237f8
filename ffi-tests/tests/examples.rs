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

/// The rocket has no twin: it wants Ipopt, and is skipped where that is missing.
#[test]
fn rocket() {
    let asked = |what: &str| {
        let asked = Command::new("pkg-config").args([what, "ipopt"]).output().ok()?;
        let words = String::from_utf8(asked.stdout).ok()?;
        asked.status.success().then(|| words.split_whitespace().map(str::to_owned).collect())
    };
    let flags: Option<(Vec<String>, Vec<String>)> = asked("--cflags").zip(asked("--libs-only-L"));
    let Some((compile, link)) = flags else {
        eprintln!("rocket: skipped, for want of Ipopt (Debian: coinor-libipopt-dev, pkg-config)");
        return;
    };
    let mut flags: Vec<_> = compile.iter().chain(&link).map(String::as_str).collect();
    flags.push("-lipopt");
    for link in [Link::Shared, Link::Static] {
        let program = build("../examples/c/rocket.c", &format!("rocket-{link:?}"), link, &flags);
        let said = output(&mut Command::new(program));
        assert!(said.contains("gradients instead of 600"), "{said}");
        assert!(said.contains("height 1.01283"), "{said}");
    }
}

#[test]
fn all_are_run_by_make() {
    libraries(); // two runs of make would make them at once
    let text = pass(&mut make(&["examples"]));
    for words in ["9. Training and evaluation", "right to 12 digits", "accepted: "] {
        assert!(text.contains(words), "no \"{words}\" in\n{text}");
    }
}
