//! Times the same work in bumpgrad and in other libraries, in turn.
//!
//! Each library is a process of its own, which this one starts: `serve LIBRARY`, or `python.py`.
//! `drive.rs` is what happens in a run, `cases.rs` what is computed; `benches/README.md` says how to
//! read the figures.

mod bumpgrad;
#[cfg(feature = "burn")]
mod burn;
mod candle;
mod cases;
#[cfg(feature = "dfdx")]
mod dfdx;
mod drive;
mod limit;
mod machine;
#[path = "../../programs/mod.rs"]
mod programs;
mod serve;

use serde_json::json;

use crate::serve::Library;

/// The libraries in this program: name, crate, and how it serves.
const LIBRARIES: &[(&str, &str, Library)] = &[
    ("bumpgrad", "bumpgrad", bumpgrad::anew),
    ("bumpgrad-replay", "bumpgrad", bumpgrad::replay),
    ("candle", "candle-core", candle::run),
    #[cfg(feature = "burn")]
    ("burn", "burn-tensor", burn::run),
    #[cfg(feature = "dfdx")]
    ("dfdx", "dfdx", dfdx::run),
    ("limit", "", limit::run),
];

const THREADS: &str = "PEERS_THREADS";

/// How many threads a library may use.
fn threads() -> usize {
    std::env::var(THREADS).ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("serve") => {
            let name = arguments.get(1).expect("serve is followed by a library");
            let (_, package, library) = LIBRARIES
                .iter()
                .find(|(other, ..)| other == name)
                .expect("a library of this program");
            let hello = json!({
                "library": name,
                "version": machine::version(package),
                "flags": machine::flags(),
            });
            serve::serve(*library, &hello);
        }
        _ => {
            if let Err(message) = drive::run(arguments) {
                eprintln!("{message}");
                std::process::exit(1);
            }
        }
    }
}
