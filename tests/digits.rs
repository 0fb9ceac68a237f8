//! The digits example: that it learns, and what it says about files that are not as they should be.

#[path = "../examples/digits.rs"]
#[allow(dead_code, reason = "its main function is not called here")]
mod digits;

use std::path::{Path, PathBuf};

fn data() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data/digits.csv");
    std::fs::read_to_string(path).unwrap()
}

/// What the example says about a file with this content, without the file's name.
fn complaint(case: &str, content: &str) -> String {
    let path: PathBuf = [env!("CARGO_TARGET_TMPDIR"), &format!("{case}.csv")].iter().collect();
    std::fs::write(&path, content).unwrap();
    let error = digits::run(&path).unwrap_err().to_string();
    let rest = error.strip_prefix(&path.display().to_string());
    rest.unwrap_or_else(|| panic!("no file name: {error}")).to_owned()
}

#[test]
fn reads_unseen_digits() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data/digits.csv");
    let accuracy = digits::run(Path::new(path)).unwrap();
    assert!(accuracy >= 0.970, "{accuracy}");
}

#[test]
fn a_missing_file_is_named() {
    let error = digits::run(Path::new("no/such/file.csv")).unwrap_err().to_string();
    assert!(error.starts_with("no/such/file.csv: "), "{error}");
}

#[test]
fn damage_is_told_with_its_line() {
    let data = data();
    let lines: Vec<&str> = data.lines().collect();
    let with_line_3 = |line: &str| {
        let mut lines = lines.clone();
        lines[2] = line;
        lines.join("\n")
    };
    let short = lines[2].rsplit_once(',').unwrap().0;
    let dark = lines[2].replacen("0,", "17,", 1);
    let worded = lines[2].replacen("0,", "zero,", 1);
    let unlabelled = format!("{short},10");
    for (case, content, message) in [
        ("short", with_line_3(short), ":3: 65 numbers expected, not 64"),
        ("long", with_line_3(&format!("{},1", lines[2])), ":3: 65 numbers expected, not 66"),
        ("dark", with_line_3(&dark), ":3: number 1 should be 0 to 16, not \"17\""),
        ("word", with_line_3(&worded), ":3: number 1 should be 0 to 16, not \"zero\""),
        ("label", with_line_3(&unlabelled), ":3: number 65 should be 0 to 9, not \"10\""),
        ("cut", lines[..100].join("\n"), ": 1797 lines expected, not 100"),
        ("empty", String::new(), ": 1797 lines expected, not 0"),
    ] {
        assert_eq!(complaint(case, &content), message, "{case}");
    }
}
