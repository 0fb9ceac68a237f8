//! What is handed out: the header, the symbols of the shared library, and an installation.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use ffi_tests::{WARNINGS, libraries, make, pass, root, scratch};

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
    assert!(bytes < 3_000_000, "the shared library has {bytes} bytes");
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
