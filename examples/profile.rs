//! Where the time goes: trains the digits network for a few steps, and says what each step of the
//! plans took.
//!
//!     cargo run --release --example profile [trace]
//!
//! The trace (default: digits-trace.json) opens in <https://ui.perfetto.dev> or `chrome://tracing`.

use std::collections::HashMap;
use std::error::Error;
use std::fmt::{self, Display};
use std::path::Path;
use std::process::ExitCode;

use bumpgrad::{Adam, Graph, Result, Var};
use serde_json::Value;

const IMAGES: usize = 1797;
const PIXELS: usize = 64;
const HIDDEN: usize = 64;
const CLASSES: usize = 10;
const BATCH: usize = 32;
const BATCHES: usize = 100;

/// All calls of one step.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) elements: u64,
    pub(crate) calls: usize,
    pub(crate) microseconds: f64,
    pub(crate) bytes: f64,
    /// The most that worked on one call.
    pub(crate) threads: u64,
}

/// What a profile says, summed up. Times are in microseconds.
pub(crate) struct Summary {
    /// Distinct steps, the longest time first.
    pub(crate) rows: Vec<Row>,
    pub(crate) plans: usize,
    pub(crate) planning: f64,
    pub(crate) runs: usize,
    pub(crate) running: f64,
}

impl Summary {
    pub(crate) fn of(trace: &str) -> std::result::Result<Self, Box<dyn Error>> {
        let trace: Value = serde_json::from_str(trace)?;
        let events = trace["traceEvents"].as_array().ok_or("no events")?;
        let mut summary = Self { rows: Vec::new(), plans: 0, planning: 0.0, runs: 0, running: 0.0 };
        let mut rows = HashMap::<(&str, u64, u64), Row>::new();
        for event in events {
            let took = event["dur"].as_f64().unwrap_or_default();
            let (name, args) = (event["name"].as_str().unwrap_or_default(), &event["args"]);
            match event["cat"].as_str() {
                Some("planning") => {
                    summary.plans += 1;
                    summary.planning += took;
                }
                Some("run") => {
                    summary.runs += 1;
                    summary.running += took;
                }
                Some("step") => {
                    // Steps of one name that read or write other sizes are others.
                    let elements = args["elements"].as_u64().unwrap_or_default();
                    let bytes = args["bytes"].as_u64().unwrap_or_default();
                    let row = rows.entry((name, elements, bytes)).or_insert_with(|| Row {
                        name: name.to_owned(),
                        elements,
                        calls: 0,
                        microseconds: 0.0,
                        bytes: 0.0,
                        threads: 0,
                    });
                    row.calls += 1;
                    row.microseconds += took;
                    row.bytes += bytes as f64;
                    row.threads = row.threads.max(args["threads"].as_u64().unwrap_or_default());
                }
                _ => {}
            }
        }
        summary.rows = rows.into_values().collect();
        summary.rows.sort_by(|a, b| b.microseconds.total_cmp(&a.microseconds));
        Ok(summary)
    }

    /// What is not in steps: taking buffers, going from step to step, entering the pool.
    pub(crate) fn between(&self) -> f64 {
        self.running - self.rows.iter().map(|row| row.microseconds).sum::<f64>()
    }

    /// All that the profile saw.
    pub(crate) fn total(&self) -> f64 {
        self.planning + self.running
    }

    /// Per cent of the total time.
    pub(crate) fn share(&self, microseconds: f64) -> f64 {
        100.0 * microseconds / self.total()
    }
}

/// A name that fits in its column. Names of operations are ASCII.
fn short(name: &str, width: usize) -> String {
    if name.len() <= width { name.to_owned() } else { format!("{}...", &name[..width - 3]) }
}

impl Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:42} {:>8} {:>6} {:>7} {:>8} {:>6} {:>7}",
            "step", "elements", "calls", "share", "us/call", "GB/s", "threads"
        )?;
        for row in &self.rows {
            writeln!(
                f,
                "{:42} {:8} {:6} {:6.1}% {:8.2} {:6.2} {:7}",
                short(&row.name, 42),
                row.elements,
                row.calls,
                self.share(row.microseconds),
                row.microseconds / row.calls as f64,
                row.bytes / row.microseconds / 1e3,
                row.threads
            )?;
        }
        for (name, calls, took) in [
            ("(between steps)", self.runs, self.between()),
            ("(planning)", self.plans, self.planning),
        ] {
            let each = took / calls.max(1) as f64;
            writeln!(f, "{name:42} {:8} {calls:6} {:6.1}% {each:8.2}", "", self.share(took))?;
        }
        writeln!(
            f,
            "\nPlans made: {}, in {:.0} us. Plans run: {}, in {:.0} us.",
            self.plans, self.planning, self.runs, self.running
        )?;
        let first: Vec<String> = self.rows[..self.rows.len().min(3)]
            .iter()
            .map(|row| {
                format!("`{}` ({:.0} %)", short(&row.name, 24), self.share(row.microseconds))
            })
            .collect();
        writeln!(f, "Most of the time goes to {}.", first.join(", "))
    }
}

/// Pixels in 0..=1 and labels of the first images of a file that `digits` has checked.
fn read(path: &Path) -> std::result::Result<(Vec<f32>, Vec<i64>), Box<dyn Error>> {
    let text = std::fs::read_to_string(path)?;
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let numbers =
            line.split(',').map(str::parse).collect::<std::result::Result<Vec<u8>, _>>()?;
        let (label, greys) = numbers.split_last().ok_or("an empty line")?;
        pixels.extend(greys.iter().map(|&grey| f32::from(grey) / 16.0));
        labels.push(i64::from(*label));
    }
    if (pixels.len(), labels.len()) == (IMAGES * PIXELS, IMAGES) {
        Ok((pixels, labels))
    } else {
        Err("the digits are not complete".into())
    }
}

/// The network of examples/digits.rs: its loss for a batch.
fn loss<'g>(graph: &'g Graph, images: Var<'g>, labels: Var<'g>) -> Result<Var<'g>> {
    let parameter = |dims: &[usize], size: f64| -> Result<Var<'g>> {
        let parameter = graph.normal::<f32>(dims, 0.0, size);
        parameter.set_requires_grad(true)?;
        Ok(parameter)
    };
    let weights =
        |inputs: usize, outputs: usize| parameter(&[inputs, outputs], (2.0 / inputs as f64).sqrt());
    let hidden = (images.matmul(weights(PIXELS, HIDDEN)?) + parameter(&[HIDDEN], 0.0)?).relu();
    let logits = hidden.matmul(weights(HIDDEN, CLASSES)?) + parameter(&[CLASSES], 0.0)?;
    Ok(logits.cross_entropy(labels))
}

/// Trains and writes the trace.
pub(crate) fn run(trace: &Path) -> std::result::Result<Summary, Box<dyn Error>> {
    let data = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/data/digits.csv"));
    let (pixels, targets) = read(data)?;
    let graph = Graph::new();
    let images = graph.zeros::<f32>(&[BATCH, PIXELS]);
    let labels = graph.zeros::<i64>(&[BATCH]);
    let loss = loss(&graph, images, labels)?;
    let adam = Adam::new(0.002);

    graph.profile_begin();
    for batch in 0..BATCHES {
        let first = batch * BATCH % (IMAGES - BATCH);
        images.write(&pixels[first * PIXELS..(first + BATCH) * PIXELS])?;
        labels.write(&targets[first..first + BATCH])?;
        graph.zero_grad();
        loss.backward()?;
        adam.step(&graph)?;
    }
    let json = graph.profile_end();
    std::fs::write(trace, &json).map_err(|error| format!("{}: {error}", trace.display()))?;
    Summary::of(&json)
}

fn main() -> ExitCode {
    let trace = std::env::args_os().nth(1).unwrap_or_else(|| "digits-trace.json".into());
    match run(Path::new(&trace)) {
        Ok(summary) => {
            print!("{summary}");
            println!("{} opens in https://ui.perfetto.dev", Path::new(&trace).display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("profile: {error}");
            ExitCode::FAILURE
        }
    }
}
