//! The programs in `c/` and `cpp/`, against the shared and the static library, and under tools that
//! look for errors in memory.

use std::process::Command;
use std::thread;

use ffi_tests::{Link, build, pass, run};

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
fn misuse() {
    check("c/misuse.c");
}

#[test]
fn optimisers() {
    check("c/optimisers.c");
}

#[test]
fn threads() {
    check("c/threads.c");
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

/// Every allocation fails, alone and with all after it.
#[test]
fn allocation_failures() {
    let functions = ["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc"];
    let wrap = functions.map(|function| format!("-Wl,--wrap={function}"));
    let flags = wrap.each_ref().map(String::as_str);
    let program = &build("c/allocation.c", "allocation", Link::Static, &flags);
    let try_all = |what: &str, which: &str| {
        for k in 1.. {
            let (status, text) = run(Command::new(program).args([what, which, &k.to_string()]));
            match status.code() {
                Some(0) => {}
                Some(77) => return k - 1,
                _ => panic!("{what}, {which} from allocation {k} on: {status}\n{text}"),
            }
        }
        0
    };
    thread::scope(|scope| {
        let one = scope.spawn(|| ["example", "training"].map(|what| try_all(what, "one")));
        let all = ["example", "training"].map(|what| try_all(what, "all"));
        let one = one.join().unwrap();
        assert!(all.iter().chain(&one).all(|&count| count > 20), "{one:?} {all:?}");
    });
}

/// The programs with the compiler's checks of addresses and undefined behaviour.
#[test]
fn sanitizers() {
    let flags = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-pthread"];
    for source in ["c/tutorial.c", "c/operations.c", "c/misuse.c", "c/optimisers.c", "cpp/raii.cpp"]
    {
        let name = format!("sanitized-{}", source.replace(['/', '.'], "-"));
        let program = build(source, &name, Link::Static, &flags);
        // Sizes that no machine has are part of the test, and must come back as NULL.
        pass(Command::new(program).env("ASAN_OPTIONS", "allocator_may_return_null=1"));
    }
}

#[test]
fn valgrind() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("skipped: valgrind is not installed");
        return;
    }
    for name in ["tutorial", "operations", "optimisers", "misuse"] {
        let program = build(&format!("c/{name}.c"), &format!("{name}-memcheck"), Link::Static, &[]);
        pass(
            Command::new("valgrind")
                .args(["--quiet", "--error-exitcode=9", "--leak-check=full"])
                .args(["--errors-for-leak-kinds=definite", "--show-leak-kinds=definite"])
                .arg(program),
        );
    }
}
