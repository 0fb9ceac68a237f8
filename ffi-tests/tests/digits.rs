//! The digits program in C, beside its Rust twin: both learn the same and complain the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ffi_tests::{Link, build, pass, root, run, scratch};

fn data() -> PathBuf {
    root().join("data/digits.csv")
}

fn in_c(name: &str, link: Link) -> Command {
    Command::new(build("../examples/c/digits.c", name, link, &[]))
}

fn in_rust() -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(root()).args(["run", "--locked", "--quiet", "--example", "digits", "--"]);
    command
}

/// What a run has learnt, without how long it took: the lines of all epochs and the last one.
fn learnt(output: &str) -> Vec<&str> {
    let lines = output.lines().filter(|line| line.starts_with("epoch") || line.starts_with("test"));
    lines.map(|line| line.rsplit_once("  ").map_or(line, |(result, _time)| result)).collect()
}

/// What a run that must fail says last.
fn complaint(mut command: Command, file: &Path) -> String {
    let (status, text) = run(command.arg(file));
    assert_eq!(status.code(), Some(1), "{command:?}\n{text}");
    text.lines().last().unwrap_or_default().to_owned()
}

#[test]
fn c_and_rust_learn_the_same() {
    let wanted = pass(in_rust().arg(data()));
    assert_eq!(learnt(&wanted).len(), 31, "{wanted}");
    for link in [Link::Shared, Link::Static] {
        let output = pass(in_c(&format!("digits-{link:?}"), link).arg(data()));
        assert_eq!(learnt(&output), learnt(&wanted), "{link:?}");
        let accuracy = output.trim_end().rsplit_once("\ntest accuracy ").unwrap().1;
        assert!(accuracy.parse::<f64>().unwrap() >= 0.970, "{accuracy}");
    }
}

#[test]
fn bad_files_are_refused_in_the_same_words() {
    let good = fs::read_to_string(data()).unwrap();
    let lines: Vec<_> = good.lines().collect();
    let with_line_9 = |line| [&lines[..8], &[line], &lines[9..]].concat().join("\n");
    for (name, content, message) in [
        ("short", with_line_9("0,0,5"), ":9: 65 numbers expected, not 3"),
        ("dark", with_line_9(&lines[8].replacen("16", "17", 1)), "should be 0 to 16, not \"17\""),
        ("word", with_line_9(&lines[8].replacen("16", "ink", 1)), "0 to 16, not \"ink\""),
        ("blank", with_line_9(&lines[8].replacen("16", "", 1)), "0 to 16, not \"\""),
        ("half", lines[..900].join("\n"), ": 1797 lines expected, not 900"),
        ("empty", String::new(), ": 1797 lines expected, not 0"),
    ] {
        let file = scratch("digits").join(name);
        fs::write(&file, content).unwrap();
        let told = complaint(in_c("digits-bad", Link::Static), &file);
        assert!(told.contains(message), "{name}: {told}");
        assert_eq!(told, complaint(in_rust(), &file), "{name}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let file = Path::new("no/such/file.csv");
    for command in [in_c("digits-missing", Link::Shared), in_rust()] {
        let told = complaint(command, file);
        assert!(told.starts_with("digits: no/such/file.csv: No such file"), "{told}");
    }
}
