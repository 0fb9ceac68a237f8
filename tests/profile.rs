//! The profile example: that it runs, and that what it says adds up.

#[path = "../examples/profile.rs"]
#[allow(dead_code, reason = "its main function is not called here")]
mod profile;

use std::path::{Path, PathBuf};

#[test]
fn shares_add_up_and_plans_are_kept() {
    let trace: PathBuf = [env!("CARGO_TARGET_TMPDIR"), "digits-trace.json"].iter().collect();
    let summary = profile::run(&trace).unwrap();
    let steps: f64 = summary.rows.iter().map(|row| summary.share(row.microseconds)).sum();
    let rest = summary.share(summary.between()) + summary.share(summary.planning);
    assert!((steps + rest - 100.0).abs() < 1e-6, "{steps} % and {rest} %");
    // Steps are inside of runs, but for the rounding of times to nanoseconds.
    assert!(steps > 10.0 && summary.between() > -1.0, "{summary}");

    // One plan does for all batches, and each of its steps runs once a batch.
    assert_eq!((summary.plans, summary.runs), (1, 100), "{summary}");
    assert!(summary.rows.iter().all(|row| row.calls % 100 == 0 && row.bytes > 0.0), "{summary}");
    assert!(summary.rows.iter().any(|row| row.name == "matmul"), "{summary}");
    let lines = summary.to_string().lines().count();
    assert_eq!(lines, summary.rows.len() + 6, "{summary}");

    // What was written is what was summed up.
    let again = profile::Summary::of(&std::fs::read_to_string(&trace).unwrap()).unwrap();
    assert_eq!(again.rows.len(), summary.rows.len());
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let error = profile::run(Path::new("no/such/trace.json")).err().unwrap().to_string();
    assert!(error.starts_with("no/such/trace.json: "), "{error}");
}
