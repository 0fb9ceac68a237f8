//! What a figure must come with: the machine, the versions, the flags.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

/// The version of a package in the lock file.
pub fn version(package: &str) -> String {
    let lock = include_str!("../Cargo.lock");
    let named = format!("name = \"{package}\"\n");
    let after = lock.split_once(&named).map_or("", |(_, rest)| rest);
    let line = after.lines().next().unwrap_or_default();
    line.trim_start_matches("version = ").trim_matches('"').to_string()
}

/// The instructions that this program was compiled for.
pub fn flags() -> &'static str {
    if cfg!(target_feature = "avx512f") {
        "compiled for AVX-512"
    } else if cfg!(target_feature = "avx2") {
        "compiled for AVX2"
    } else {
        "compiled for every CPU of its architecture"
    }
}

/// A command's first line, or nothing.
fn ask(program: &str, arguments: &[&str]) -> String {
    let directory = env!("CARGO_MANIFEST_DIR");
    let output = Command::new(program).args(arguments).current_dir(directory).output();
    let text = output.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    String::from_utf8_lossy(&text.unwrap_or_default()).trim().to_string()
}

/// The value of a line `key : value` of a file in /proc.
fn entry(file: &str, key: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines
        .filter(|(other, _)| other.trim() == key)
        .map(|(_, value)| value.trim().to_string())
        .next()
        .unwrap_or_default()
}

pub fn machine() -> Value {
    let cache = |index: usize| {
        let read = |what: &str| {
            let file = format!("/sys/devices/system/cpu/cpu0/cache/index{index}/{what}");
            fs::read_to_string(file).unwrap_or_default().trim().to_string()
        };
        (read("type") != "Instruction").then(|| format!("L{} {}", read("level"), read("size")))
    };
    let caches: Vec<String> = (0..5).filter_map(cache).filter(|text| text != "L ").collect();
    json!({
        "cpu": entry("/proc/cpuinfo", "model name"),
        "family": format!(
            "family {}, model {}",
            entry("/proc/cpuinfo", "cpu family"),
            entry("/proc/cpuinfo", "model")
        ),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "all": processors(),
        "allowed": entry("/proc/self/status", "Cpus_allowed_list"),
        "caches": caches,
        "memory": entry("/proc/meminfo", "MemTotal"),
        "level": ::bumpgrad::Graph::new().simd_level(),
        "system": ask("uname", &["-sm"]),
    })
}

fn processors() -> usize {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    text.lines().filter(|line| line.starts_with("processor")).count()
}

/// How busy the machine is with everything, this run included.
pub fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_string()
}

pub fn build() -> Value {
    let commit = ask("git", &["rev-parse", "--short=10", "HEAD"]);
    // What a run writes is not what it measures.
    let changes =
        ["status", "--porcelain", "--untracked-files=no", "--", ":/", ":/!docs/benchmarks"];
    let dirty = if ask("git", &changes).is_empty() { "" } else { "-dirty" };
    json!({
        "rustc": ask("rustc", &["--version"]),
        "commit": format!("{commit}{dirty}"),
        "date": ask("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
    })
}
