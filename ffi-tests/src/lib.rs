//! Builds C and C++ programs against the libraries and runs them; what is tested is in `tests/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::OnceLock;

/// What every C and C++ file must compile with.
pub const WARNINGS: [&str; 4] = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"];

/// What the static library needs besides.
pub const SYSTEM_LIBS: [&str; 3] = ["-lm", "-lpthread", "-ldl"];

/// The directory of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package is inside the repository")
}

/// A directory for this run's files.
pub fn scratch(name: &str) -> PathBuf {
    let dir = root().join("target/ffi-tests").join(name);
    fs::create_dir_all(&dir).expect("the target directory can be written");
    dir
}

/// The directory of the built libraries.
pub fn libraries() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        pass(&mut make(&["lib"]));
        root().join("target/capi/lib")
    })
}

/// A run of make in the repository, as from a shell: without what the test's cargo has set.
pub fn make(targets: &[&str]) -> Command {
    let mut make = Command::new("make");
    make.current_dir(root()).args(targets).env_remove("CARGO");
    make
}

/// A compiler with the warnings and the header: C99 for `.c` files, else C++17.
pub fn compiler(source: &Path) -> Command {
    let is_c = source.extension().is_some_and(|extension| extension == "c");
    let mut compiler = Command::new(if is_c { "cc" } else { "c++" });
    compiler.args(["-g", "-O1", if is_c { "-std=c99" } else { "-std=c++17" }]).args(WARNINGS);
    compiler.arg(root().join("include").to_str().map(|dir| format!("-I{dir}")).unwrap_or_default());
    compiler.arg(source);
    compiler
}

/// How a program gets the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// From the shared one, found beside the program's run path.
    Shared,
    /// From the archive.
    Static,
}

/// Builds a program of this package; `name` tells builds of one source apart.
pub fn build(source: &str, name: &str, link: Link, flags: &[&str]) -> PathBuf {
    let out = scratch("bin").join(name);
    let lib = libraries();
    let mut compiler = compiler(&Path::new(env!("CARGO_MANIFEST_DIR")).join(source));
    compiler.args(flags).arg("-o").arg(&out);
    match link {
        Link::Shared => {
            compiler.arg(lib.join("libbumpgrad.so"));
            compiler.arg(format!("-Wl,-rpath,{}", lib.display())).args(["-lm", "-lpthread"]);
        }
        Link::Static => {
            compiler.arg(lib.join("libbumpgrad.a")).args(SYSTEM_LIBS);
        }
    }
    pass(&mut compiler);
    out
}

/// Runs a command; its status, and all it has written.
pub fn run(command: &mut Command) -> (ExitStatus, String) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = [output.stdout, output.stderr].concat();
    (output.status, String::from_utf8_lossy(&text).into_owned())
}

/// Runs a command that must succeed; all it has written.
pub fn pass(command: &mut Command) -> String {
    let (status, text) = run(command);
    assert!(status.success(), "{command:?}: {status}\n{text}");
    text
}
