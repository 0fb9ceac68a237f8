//! The C example of README.md, compiled and run from the README's own text.

use std::fs;
use std::process::Command;

use ffi_tests::{Link, build, pass, root, scratch};

#[test]
fn the_shortest_program_works() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let (_, block) = readme.split_once("\n```c\n").unwrap();
    let (example, _) = block.split_once("\n```").unwrap();
    let program = format!(
        "#include <stdio.h>\n#include \"bumpgrad.h\"\n\nint main(void)\n{{\n{example}\n\
         return !(dx[0] == 0 && dx[1] == 4 && dx[2] == 8 && dx[3] == 12);\n}}\n"
    );
    let source = scratch("readme").join("shortest.c");
    fs::write(&source, program).unwrap();
    for link in [Link::Shared, Link::Static] {
        let program = build(source.to_str().unwrap(), &format!("shortest-{link:?}"), link, &[]);
        assert_eq!(pass(&mut Command::new(program)), "", "it says nothing when all is well");
    }
}
