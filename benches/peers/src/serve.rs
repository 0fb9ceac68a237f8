//! One library in a process of its own: it reads commands, a line each, and answers each with a
//! line of JSON. `python.py` speaks the same.
//!
//! - `open CASE`: sets up, computes once, and answers samples of results and gradients, or that it
//!   does not have this case;
//! - `run COUNT`: as many iterations, answered with the seconds that they took;
//! - `close`: drops all of it.

use std::io::{BufRead, Write};
use std::time::Instant;

use serde_json::{Value, json};

use crate::cases::Case;
use crate::programs::{self, Pass};

/// What a library has computed, for the comparison with the others.
#[derive(Default)]
pub struct Outcome {
    parts: Vec<Value>,
}

impl Outcome {
    /// Adds a result or a gradient: its norm, and the elements at about 2,000 places.
    pub fn put<T: Copy + Into<f64>>(&mut self, name: &str, data: &[T]) {
        let norm = data.iter().map(|&x| x.into().powi(2)).sum::<f64>().sqrt();
        let places =
            (0..data.len()).step_by((data.len() / 2000) | 1).chain(data.len().checked_sub(1));
        let samples: Vec<f64> = places.map(|i| data[i].into()).collect();
        self.parts
            .push(json!({ "name": name, "len": data.len(), "norm": norm, "samples": samples }));
    }
}

/// An iteration. With an outcome, it also tells what it has computed.
pub type Work<'a> = dyn FnMut(Option<&mut Outcome>) + 'a;

pub struct Session {
    asked: bool,
}

impl Session {
    /// Answers commands about an open case until it is closed.
    pub fn serve(&mut self, work: &mut Work<'_>) {
        self.asked = true;
        let mut outcome = Outcome::default();
        work(Some(&mut outcome));
        answer(&json!({ "parts": outcome.parts }));
        while let Some(line) = command() {
            match line.split_once(' ') {
                Some(("run", count)) => {
                    let count: u64 = count.parse().expect("run is followed by a number");
                    let begin = Instant::now();
                    for _ in 0..count {
                        work(None);
                    }
                    answer(&json!({ "seconds": begin.elapsed().as_secs_f64() }));
                }
                _ if line == "close" => break,
                _ => panic!("not a command here: {line}"),
            }
        }
    }
}

impl Session {
    /// As [`Session::serve`], for what `benches/programs/` has.
    pub fn serve_program(&mut self, pass: &mut Pass<'_>) {
        self.serve(&mut |outcome| match outcome {
            None => pass(None),
            Some(outcome) => {
                let mut found = programs::Outcome::default();
                pass(Some(&mut found));
                found.parts.iter().for_each(|(name, data)| outcome.put(name, data));
            }
        });
    }
}

/// A library: it serves the cases that it has, and returns at once from others.
pub type Library = fn(&mut Session, Case);

pub fn serve(library: Library, hello: &Value) {
    answer(hello);
    while let Some(line) = command() {
        let Some(("open", name)) = line.split_once(' ') else { panic!("not a command: {line}") };
        let mut session = Session { asked: false };
        if let Some(case) = Case::parse(name) {
            library(&mut session, case);
        }
        answer(&json!({ "closed": session.asked }));
    }
}

fn command() -> Option<String> {
    let mut line = String::new();
    let count = std::io::stdin().lock().read_line(&mut line).expect("stdin can be read");
    (count > 0).then(|| line.trim_end().to_string())
}

fn answer(value: &Value) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{value}").and_then(|()| out.flush()).expect("stdout can be written");
}
