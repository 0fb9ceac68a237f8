//! The programs in `c/` and `cpp/`, against the shared and the static library, and under tools that
//! look for errors in memory.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, thread};

use ffi_tests::{Link, SYSTEM_LIBS, build, compiler, libraries, pass, root, run, scratch};

/// Builds a program both ways, and runs both.
fn check(source: &str) {
    for link in [Link::Shared, Link::Static] {
        let name = format!("{}-{link:?}", source.replace(['/', '.'], "-"));
        pass(&mut Command::new(build(source, &name, link, &["-pthread"])));
    }
}

#[test]
fn shortest() {
    check("c/readme.c");
}

#[test]
fn tutorial() {
    check("c/tutorial.c");
}

#[test]
fn operations() {
    check("c/operations.c");
}

#[test]
fn golden_values() {
    check("c/golden.c");
}

#[test]
fn misuse() {
    check("c/misuse.c");
}

#[test]
fn derivatives() {
    check("c/derivatives.c");
}

#[test]
fn optimisers() {
    check("c/optimisers.c");
}

#[test]
fn minimisers() {
    check("c/minimisers.c");
    check("../examples/c/fit.c");
}

#[test]
fn custom() {
    check("c/custom.c");
    check("cpp/custom.cpp");
}

#[test]
fn threads() {
    check("c/threads.c");
}

/// Also that the program calls every function that records a node.
#[test]
fn environment() {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let header = read("include/bumpgrad.h");
    let source = read("ffi-tests/c/environment.c") + &read("ffi-tests/c/golden.h");
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words: Vec<&str> = source.split(|c| !is_name(c)).collect();
    for line in header.lines() {
        let Some(declared) = line.strip_prefix("bg_node ") else { continue };
        let name = declared.split('(').next().unwrap();
        assert!(words.contains(&name), "{name} is not called in other environments");
    }
    check("c/environment.c");
}

/// Also that the profile which the program writes is JSON, and says what it should of each step.
#[test]
fn engine() {
    for link in [Link::Shared, Link::Static] {
        let program = build("c/engine.c", &format!("engine-{link:?}"), link, &["-pthread"]);
        let trace = scratch("engine").join(format!("{link:?}.json"));
        pass(Command::new(program).arg(&trace));
        let read = r#"
import json, sys
events = json.load(open(sys.argv[1]))["traceEvents"]
steps = [event for event in events if event.get("cat") == "step"]
for event in steps:
    args = event["args"]
    assert event["ph"] == "X" and event["dur"] >= 0 and event["name"], event
    assert args["bytes"] > 0 and args["threads"] >= 1 and args["nodes"] >= 1, event
runs = [event for event in events if event.get("cat") == "run"]
assert any(event["args"]["threads"] == 2 for event in runs), runs
for event in steps:
    assert any(run["ts"] <= event["ts"] and event["ts"] + event["dur"] <= run["ts"] + run["dur"] + .01
               for run in runs), event
assert len(steps) >= 3, steps
"#;
        pass(Command::new("python3").args(["-c", read]).arg(&trace));
    }
}

#[test]
fn cpp() {
    check("cpp/raii.cpp");
}

/// Every instruction set that the CPU has gives the same tutorial.
#[test]
fn levels() {
    let program = build("c/operations.c", "levels", Link::Shared, &[]);
    for level in ["baseline", "v3", "v4"] {
        pass(Command::new(&program).env("BUMPGRAD_LEVEL", level));
    }
}

/// The functions that allocate.
const ALLOCATE: [&str; 5] = ["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc"];

/// A program that has calls of these functions go through itself.
fn build_wrapped(source: &str, name: &str, functions: &[&str]) -> PathBuf {
    let wrap: Vec<_> = functions.iter().map(|function| format!("-Wl,--wrap={function}")).collect();
    let flags: Vec<_> = wrap.iter().map(String::as_str).chain(["-pthread"]).collect();
    build(source, name, Link::Static, &flags)
}

/// Runs the program with its arguments and 1, 2, ..., until it says that there are no more.
fn count_runs(program: &Path, arguments: &[&str]) -> u32 {
    for k in 1.. {
        let (status, text) = run(Command::new(program).args(arguments).arg(k.to_string()));
        match status.code() {
            Some(0) => {}
            Some(77) => return k - 1,
            _ => panic!("{arguments:?}, from call {k} on: {status}\n{text}"),
        }
    }
    0
}

/// Threads are started, or not, when something fails: see the program.
#[test]
fn exhausted_while_threads_start() {
    let functions = ["pthread_create", "pthread_attr_init", "pthread_atfork"];
    let program = build_wrapped("c/pool.c", "pool", &[&ALLOCATE[..], &functions].concat());
    pass(Command::new(&program).arg("steady"));
    for which in ["one", "all"] {
        let count = count_runs(&program, &[which]);
        assert!(count > 100, "{which}: {count}");
    }
    for bytes in (0..20_000_000).step_by(500_000) {
        pass(Command::new(&program).args(["space", &bytes.to_string()]));
    }
}

/// Signals, children and cancelled threads of the host.
#[test]
fn guest() {
    for link in [Link::Shared, Link::Static] {
        let program = build("c/guest.c", &format!("guest-{link:?}"), link, &["-pthread"]);
        pass(&mut Command::new(&program));
        let (status, text) = run(Command::new(&program).arg("namespace"));
        match status.code() {
            Some(77) => eprintln!("SKIPPED: no namespace of processes can be made here"),
            _ => assert!(status.success(), "{status}\n{text}"),
        }
    }
}

/// The shared library goes when it is closed.
#[test]
fn unloading() {
    let program = scratch("bin").join("unload");
    let mut compiler = compiler(&root().join("ffi-tests/c/unload.c"));
    pass(compiler.arg("-pthread").arg("-o").arg(&program).args(SYSTEM_LIBS));
    pass(Command::new(program).arg(libraries().join("libbumpgrad.so")));
}

/// Every allocation of these programs fails, alone and with all after it.
fn fail_allocations(programs: &[&str]) {
    let name = format!("allocation-{}", programs[0]);
    let allocation = &build_wrapped("c/allocation.c", &name, &ALLOCATE);
    thread::scope(|scope| {
        for which in ["one", "all"] {
            scope.spawn(move || {
                for program in programs {
                    // The first graph looks at the variable.
                    let mut command = Command::new(allocation);
                    command.args([program, which]).env("BUMPGRAD_LEVEL", "v3");
                    let count = pass(&mut command);
                    let count: u32 = count.trim().parse().unwrap_or(0);
                    assert!(count > 20, "{program}: {count} allocations");
                }
            });
        }
    });
}

#[test]
fn allocation_failures() {
    fail_allocations(&["example", "unary", "binary", "reductions", "shapes"]);
    fail_allocations(&["training", "searches", "custom", "engine"]);
}

#[test]
fn allocation_failures_with_threads() {
    fail_allocations(&["threads"]);
}

/// The programs with the compiler's checks of addresses and undefined behaviour.
#[test]
fn sanitizers() {
    let flags = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-pthread"];
    let programs = [
        "tutorial",
        "operations",
        "misuse",
        "optimisers",
        "minimisers",
        "custom",
        "engine",
        "guest",
    ];
    let sources = programs.map(|name| format!("c/{name}.c"));
    for source in sources.iter().map(String::as_str).chain(["cpp/raii.cpp", "cpp/custom.cpp"]) {
        let name = format!("sanitized-{}", source.replace(['/', '.'], "-"));
        let program = build(source, &name, Link::Static, &flags);
        let mut program = Command::new(program);
        // Sizes that no machine has are part of the test, and must come back as NULL.
        program.env("ASAN_OPTIONS", "allocator_may_return_null=1");
        pass(program.current_dir(scratch("sanitized")));
    }
}

#[test]
fn valgrind() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("skipped: valgrind is not installed");
        return;
    }
    for name in ["tutorial", "operations", "optimisers", "minimisers", "custom", "misuse"] {
        let program = build(&format!("c/{name}.c"), &format!("{name}-memcheck"), Link::Static, &[]);
        pass(
            Command::new("valgrind")
                .args(["--quiet", "--error-exitcode=9", "--leak-check=full"])
                .args(["--errors-for-leak-kinds=definite", "--show-leak-kinds=definite"])
                .arg(program),
        );
    }
}
