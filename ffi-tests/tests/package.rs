//! What is handed out: the header, the symbols of the shared library, and an installation.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use ffi_tests::{SYSTEM_LIBS, WARNINGS, compiler, libraries, make, pass, root, scratch};

/// The functions of the header: words before a parenthesis, on lines that are no comment.
fn declared() -> BTreeSet<String> {
    let header = fs::read_to_string(root().join("include/bumpgrad.h")).unwrap();
    let (_, code) = header.split_once("extern \"C\" {").unwrap();
    let code = code.lines().filter(|line| !line.starts_with("//"));
    code.filter_map(|line| line.split_once('(')?.0.rsplit([' ', '*']).next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_header_compiles_alone_in_every_standard() {
    let dir = scratch("header");
    for (kind, compiler, standards) in
        [("c", "cc", "c99 c11 c17 c2x"), ("cpp", "c++", "c++11 c++14 c++17 c++20")]
    {
        let source = dir.join(format!("alone.{kind}"));
        let program = "#include \"bumpgrad.h\"\n#include \"bumpgrad.h\"\n\n\
                       bg_node none(void);\nbg_node none(void) { return BG_NULL; }\n";
        fs::write(&source, program).unwrap();
        for standard in standards.split(' ') {
            pass(
                Command::new(compiler)
                    .args([&format!("-std={standard}"), "-c", "-o", "/dev/null"])
                    .args(WARNINGS)
                    .arg(format!("-I{}", root().join("include").display()))
                    .arg(&source),
            );
        }
    }
}

#[test]
fn the_shared_library_exports_the_header_and_nothing_else() {
    let library = libraries().join("libbumpgrad.so");
    let symbols = pass(Command::new("nm").args(["-D", "--defined-only"]).arg(&library));
    let exported: BTreeSet<_> =
        symbols.lines().filter_map(|line| line.rsplit(' ').next()).map(str::to_owned).collect();
    assert_eq!(exported, declared());
    let dynamic = pass(Command::new("readelf").arg("-d").arg(&library));
    assert!(dynamic.contains("Library soname: [libbumpgrad.so.0]"), "{dynamic}");
    let bytes = fs::metadata(&library).unwrap().len();
    // (Meant to be 3.5 million. The bound keeps it from growing by accident.)
    assert!(bytes < 4_450_000, "the shared library has {bytes} bytes");
}

/// The names that the library brings into a program, and those that it wants from it.
fn symbols(of: &str, which: &str) -> BTreeSet<String> {
    let library = libraries().join(of);
    let text = pass(Command::new("nm").args(["--extern-only", which]).arg(&library));
    let symbols = text.lines().filter(|line| !line.is_empty() && !line.ends_with(':'));
    symbols.filter_map(|line| line.rsplit(' ').next()).map(str::to_owned).collect()
}

#[test]
fn the_static_library_brings_the_header_and_nothing_else() {
    assert_eq!(symbols("libbumpgrad.a", "--defined-only"), declared());
    let bytes = fs::metadata(libraries().join("libbumpgrad.a")).unwrap().len();
    assert!(bytes < 8_850_000, "the static library has {bytes} bytes");
}

/// What is wanted of the system is in the README, because other systems may not have it.
#[test]
fn what_the_static_library_wants() {
    let wanted = symbols("libbumpgrad.a", "--undefined-only");
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let large_files = wanted.iter().filter(|name| name.ends_with("64"));
    let (told, rest): (Vec<_>, Vec<_>) =
        large_files.partition(|name| readme.contains(&format!("`{name}`")));
    assert!(!told.is_empty() && rest.is_empty(), "not in the README: {rest:?}");
    for absent in ["_dl_find_object", "gnu_get_libc_version"] {
        assert!(!wanted.contains(absent), "{absent}");
    }
}

/// A program may link several libraries that were written in Rust, in any order.
#[test]
fn the_static_library_stands_beside_another_one_in_rust() {
    let dir = scratch("beside");
    let other = r#"
        use std::cell::RefCell;
        thread_local!(static SEEN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) });
        /// Panics inside, notes it in a thread-local, and is on a thread of its own, too.
        #[unsafe(no_mangle)]
        pub extern "C" fn other(n: i32) -> i32 {
            std::panic::set_hook(Box::new(|_| ()));
            let work = move || {
                let caught = std::panic::catch_unwind(|| assert!(n < 0, "{n} is not negative"));
                SEEN.with(|seen| seen.borrow_mut().push(format!("{caught:?}")));
                SEEN.with(|seen| seen.borrow().len() as i32) + i32::from(caught.is_err())
            };
            work() + std::thread::spawn(work).join().unwrap_or(100)
        }
    "#;
    fs::write(dir.join("other.rs"), other).unwrap();
    let host = r#"
        #include "bumpgrad.h"
        int other(int n);
        int main(void) {
            bg_graph *g = bg_graph_new();
            bg_set_num_threads(g, 2);
            bg_node x = bg_full(g, BG_F64, (size_t[]){300000}, 1, 2);
            double sum = 0;
            bg_status before = bg_item(g, bg_sum_all(g, bg_square(g, x)), &sum);
            int panics = other(5);
            bg_node bad = bg_add(g, x, bg_zeros(g, BG_F64, (size_t[]){2}, 1));
            int is_right = bg_is_null(bad) && before == BG_OK && sum == 1200000 && panics == 4;
            bg_graph_free(g);
            bg_shutdown();
            return !is_right;
        }
    "#;
    fs::write(dir.join("host.c"), host).unwrap();
    let archive = dir.join("libother.a");
    let mut rustc = Command::new("rustc");
    rustc.args(["--edition=2024", "--crate-type=staticlib", "-O", "-o"]);
    pass(rustc.arg(&archive).arg(dir.join("other.rs")));
    let ours = libraries().join("libbumpgrad.a");
    for (name, libraries) in [("before", [&ours, &archive]), ("after", [&archive, &ours])] {
        for option in ["-O1", "-Wl,--gc-sections"] {
            let program = dir.join(name);
            let mut compiler = compiler(&dir.join("host.c"));
            compiler.arg(option).args(libraries).args(SYSTEM_LIBS).arg("-o").arg(&program);
            pass(&mut compiler);
            pass(&mut Command::new(&program));
        }
    }
}

#[test]
fn every_function_is_called_by_a_program() {
    let programs: String = ["c", "cpp"]
        .iter()
        .flat_map(|dir| fs::read_dir(root().join("ffi-tests").join(dir)).unwrap())
        .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    for function in declared() {
        assert!(programs.contains(&format!("{function}(")), "no program calls {function}");
    }
}

#[test]
fn an_installed_library_is_found_by_pkg_config() {
    libraries();
    let dir = scratch("an installation"); // whose path has a space
    let destination = format!("DESTDIR={}", dir.display());
    pass(&mut make(&["install", &destination, "PREFIX=/usr"]));
    for (name, option) in [("shared", None), ("static", Some("--static"))] {
        let flags = pass(
            Command::new("pkg-config")
                .env("PKG_CONFIG_LIBDIR", dir.join("usr/lib/pkgconfig"))
                .env("PKG_CONFIG_SYSROOT_DIR", &dir)
                .args(["--cflags", "--libs", "bumpgrad"])
                .args(option),
        );
        // Of the static libraries, only this one is wanted: not the system's.
        let flags = match option {
            Some(_) => flags.replace("-lbumpgrad", "-l:libbumpgrad.a"),
            None => flags,
        };
        let program = dir.join(name);
        // The flags are quoted for a shell.
        let source = root().join("ffi-tests/c/readme.c");
        let command = format!(
            "cc -std=c99 {} '{}' {} -o '{}'",
            WARNINGS.join(" "),
            source.display(),
            flags.trim(),
            program.display()
        );
        pass(Command::new("sh").args(["-c", &command]));
        pass(Command::new(&program).env("LD_LIBRARY_PATH", dir.join("usr/lib")));
    }
}
