//! A run: the libraries compute each case once and are compared, and then they are timed in turn
//! for several rounds.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Map, Value, json};

use crate::cases::Case;
use crate::{LIBRARIES, THREADS, machine};

const USAGE: &str = "\
peers: times the same work in bumpgrad and in other libraries, in turn

--threads N        threads for each library (1)
--rounds N         rounds of timing; the median counts (7)
--batch MS         the least time of a library's turn in a round (30)
--python PATH      an interpreter with torch or jax; without it these are left out
--compile          torch.compile besides eager torch
--native PATH      this program compiled for this CPU, for the libraries other than bumpgrad
--only A,B         cases whose names begin with one of these: W3 is W3/10000, and not W30
--libraries A,B    only these
--note TEXT        something to remember with the figures
--output FILE      where the figures go (peers.json)
--list             the names of the cases";

type Result<T> = std::result::Result<T, String>;

struct Options {
    threads: usize,
    rounds: usize,
    batch: f64,
    python: Option<String>,
    compile: bool,
    native: Option<String>,
    only: Vec<String>,
    libraries: Vec<String>,
    note: String,
    output: String,
}

impl Options {
    fn parse(arguments: Vec<String>) -> Result<Option<Self>> {
        let mut options = Self {
            threads: 1,
            rounds: 7,
            batch: 0.03,
            python: None,
            compile: false,
            native: None,
            only: Vec::new(),
            libraries: Vec::new(),
            note: String::new(),
            output: "peers.json".to_string(),
        };
        let mut arguments = arguments.into_iter();
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{name} needs a value\n\n{USAGE}"));
            let number =
                |text: String| text.parse::<usize>().map_err(|_| format!("not a number: {text}"));
            let list = |text: String| text.split(',').map(str::to_string).collect();
            match name.as_str() {
                "--threads" => options.threads = number(value()?)?.max(1),
                "--rounds" => options.rounds = number(value()?)?.max(1),
                "--batch" => options.batch = number(value()?)? as f64 / 1000.0,
                "--python" => options.python = Some(value()?),
                "--compile" => options.compile = true,
                "--native" => options.native = Some(value()?),
                "--only" => options.only = list(value()?),
                "--libraries" => options.libraries = list(value()?),
                "--note" => options.note = value()?,
                "--output" => options.output = value()?,
                "--list" => {
                    Case::all().iter().for_each(|case| println!("{case}"));
                    return Ok(None);
                }
                _ => return Err(USAGE.to_string()),
            }
        }
        Ok(Some(options))
    }

    fn wants(&self, library: &str) -> bool {
        self.libraries.is_empty() || self.libraries.iter().any(|name| name == library)
    }
}

/// A library in its process.
struct Peer {
    name: String,
    hello: Value,
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Peer {
    fn start(name: &str, mut command: Command, options: &Options) -> Result<Self> {
        let threads = options.threads.to_string();
        for variable in [THREADS, "RAYON_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"] {
            command.env(variable, &threads);
        }
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{name} does not start: {error}"))?;
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().expect("stdout is piped"));
        let mut peer = Self { name: name.to_string(), hello: Value::Null, process, input, output };
        peer.hello = peer.answer()?;
        Ok(peer)
    }

    fn answer(&mut self) -> Result<Value> {
        let mut line = String::new();
        let count = self.output.read_line(&mut line);
        if !matches!(count, Ok(1..)) {
            return Err(format!("{} has ended; its message is above", self.name));
        }
        serde_json::from_str(&line).map_err(|_| format!("{} answers: {line}", self.name))
    }

    fn ask(&mut self, line: &str) -> Result<Value> {
        let input = self.input.as_mut().expect("it runs");
        let sent = writeln!(input, "{line}").and_then(|()| input.flush());
        sent.map_err(|_| format!("{} has ended; its message is above", self.name))?;
        self.answer()
    }

    /// Seconds for this many iterations.
    fn time(&mut self, count: u64) -> Result<f64> {
        let answer = self.ask(&format!("run {count}"))?;
        answer["seconds"].as_f64().ok_or(format!("{} answers: {answer}", self.name))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // A server ends with its input.
        drop(self.input.take());
        let _ = self.process.wait();
    }
}

pub fn run(arguments: Vec<String>) -> Result<()> {
    let Some(options) = Options::parse(arguments)? else { return Ok(()) };
    let mut peers = start(&options)?;
    let (begin, build) = (machine::load(), machine::build());
    let mut cases = Vec::new();
    for case in Case::all() {
        let name = case.to_string();
        let named = options.only.iter().any(|start| begins(&name, start));
        let wanted = match case {
            Case::Hardware(_) => true,
            // bumpgrad has them on one thread.
            Case::Program(_) if options.threads > 1 => false,
            _ if case.is_large() => named && options.only.iter().any(|only| only.contains("large")),
            _ => named || options.only.is_empty(),
        };
        if wanted && let Some(figures) = measure(&mut peers, case, &options)? {
            cases.push(figures);
        }
    }
    let libraries: Vec<&Value> = peers.iter().map(|peer| &peer.hello).collect();
    let figures = json!({
        "machine": machine::machine(),
        "build": build,
        "load": [begin, machine::load()],
        "note": options.note,
        "threads": options.threads,
        "rounds": options.rounds,
        "batch_seconds": options.batch,
        "libraries": libraries,
        "cases": cases,
    });
    let text = serde_json::to_string_pretty(&figures).expect("figures can be written");
    fs::write(&options.output, text + "\n")
        .map_err(|error| format!("{}: {error}", options.output))?;
    eprintln!("figures are in {}", options.output);
    Ok(())
}

/// Whether a name begins with this; `W30` does not begin with `W3`.
fn begins(name: &str, start: &str) -> bool {
    let digit = |next: Option<char>| next.is_some_and(|next| next.is_ascii_digit());
    let number = digit(start.chars().last());
    name.strip_prefix(start).is_some_and(|rest| !(number && digit(rest.chars().next())))
}

fn start(options: &Options) -> Result<Vec<Peer>> {
    let own = env::current_exe().map_err(|error| error.to_string())?;
    let mut peers = Vec::new();
    for (name, ..) in LIBRARIES.iter().filter(|(name, ..)| options.wants(name)) {
        let ours = name.starts_with("bumpgrad") || *name == "limit";
        let program = match &options.native {
            Some(native) if !ours => PathBuf::from(native),
            _ => own.clone(),
        };
        let mut command = Command::new(program);
        command.args(["serve", name]);
        peers.push(Peer::start(name, command, options)?);
    }
    let Some(python) = &options.python else { return Ok(peers) };
    for name in ["torch", "torch.compile", "jax"] {
        if !options.wants(name) || (name == "torch.compile" && !options.compile) {
            continue;
        }
        let mut command = Command::new(python);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/python.py")).arg(name);
        match Peer::start(name, command, options) {
            Ok(peer) => peers.push(peer),
            Err(message) => eprintln!("{name} is left out: {message}"),
        }
    }
    Ok(peers)
}

/// The figures of a case, if there is a library that has it.
fn measure(peers: &mut [Peer], case: Case, options: &Options) -> Result<Option<Value>> {
    let mut open = Vec::new();
    for (index, peer) in peers.iter_mut().enumerate() {
        let answer = peer.ask(&format!("open {case}"))?;
        if let Some(parts) = answer["parts"].as_array() {
            open.push(Open { index, parts: parts.clone(), count: 1, seconds: Vec::new() });
        }
    }
    if open.is_empty() {
        return Ok(None);
    }
    let distances = compare(peers, case, &open)?;

    for library in &mut open {
        let peer = &mut peers[library.index];
        // The first iteration of all is behind us; a second one warms up what it left cold.
        let mut once = peer.time(1)?;
        if once < options.batch / 4.0 {
            let count = (options.batch / 4.0 / once.max(1e-9)).ceil() as u64;
            once = peer.time(count)? / count as f64;
        }
        library.count = (options.batch / once.max(1e-10)).ceil() as u64;
    }
    let libraries = open.len();
    for round in 0..options.rounds {
        for turn in 0..libraries {
            // Not always after the same neighbour.
            let library = &mut open[(turn + round) % libraries];
            let seconds = peers[library.index].time(library.count)?;
            library.seconds.push(seconds / library.count as f64);
        }
    }

    let (unit, scale, per) = case.unit();
    let show = |seconds: f64| format!("{:.4}", seconds / scale / per as f64);
    let mut times = Map::new();
    let mut line = String::new();
    for library in &mut open {
        let peer = &mut peers[library.index];
        peer.ask("close")?;
        library.seconds.sort_by(f64::total_cmp);
        let median = library.seconds[library.seconds.len() / 2];
        line += &format!("  {} {}", peer.name, show(median));
        let figures = json!({
            "median": median,
            "least": library.seconds.first(),
            "most": library.seconds.last(),
            "iterations": library.count,
        });
        times.insert(peer.name.clone(), figures);
    }
    eprintln!("{case} [{unit}]{line}");
    let limit = if case.operations().is_some() {
        "multiply-adds"
    } else if case.traffic().is_some() {
        "bytes"
    } else {
        "loop"
    };
    Ok(Some(json!({
        "name": case.to_string(),
        "unit": unit,
        "seconds_per_unit": scale * per as f64,
        "limit_by": limit,
        "operations": case.operations(),
        "bytes": case.traffic().map(|traffic| (traffic.reads + traffic.writes) * traffic.bytes),
        "tolerance": case.tolerance(),
        "distances": distances,
        "seconds": times,
        "ratio": ratio(&times),
    })))
}

/// bumpgrad's better time by that of the fastest other library.
fn ratio(times: &Map<String, Value>) -> Option<f64> {
    let least = |ours: bool| {
        times
            .iter()
            .filter(|(name, _)| *name != "limit" && name.starts_with("bumpgrad") == ours)
            .filter_map(|(_, figures)| figures["median"].as_f64())
            .min_by(f64::total_cmp)
    };
    Some(least(true)? / least(false)?)
}

/// A library that has the case.
struct Open {
    index: usize,
    parts: Vec<Value>,
    count: u64,
    seconds: Vec<f64>,
}

/// Each against the first one that has results: the largest distances, or what is wrong.
fn compare(peers: &[Peer], case: Case, open: &[Open]) -> Result<Map<String, Value>> {
    let mut distances = Map::new();
    let mut with_results = open.iter().filter(|library| !library.parts.is_empty());
    let Some(first) = with_results.next() else { return Ok(distances) };
    for other in with_results {
        let names = [first, other].map(|library| peers[library.index].name.as_str());
        let mut largest: f64 = 0.0;
        if first.parts.len() != other.parts.len() {
            return Err(format!("{case}: {} and {} compute different things", names[0], names[1]));
        }
        for (want, got) in first.parts.iter().zip(&other.parts) {
            let what = want["name"].as_str().unwrap_or_default();
            let wrong = |text: String| {
                format!("{case}: {what}: {text}; nothing is timed before they agree")
            };
            if want["len"] != got["len"] || want["name"] != got["name"] {
                let tell = |part: &Value| format!("{} of {}", part["name"], part["len"]);
                return Err(wrong(format!(
                    "{} has {}, {} has {}",
                    names[0],
                    tell(want),
                    names[1],
                    tell(got)
                )));
            }
            let tolerance =
                if what == "result" { case.result_tolerance() } else { case.tolerance() };
            let norms = [want, got].map(|part| part["norm"].as_f64().unwrap_or(f64::NAN));
            let typical = norms[0] / (want["len"].as_f64().unwrap_or(1.0)).sqrt();
            let samples = [want, got].map(|part| {
                let all = part["samples"].as_array().map_or(&[][..], Vec::as_slice);
                all.iter().map(|x| x.as_f64().unwrap_or(f64::NAN)).collect::<Vec<_>>()
            });
            let pairs = samples[0].iter().zip(&samples[1]).enumerate();
            let norm = (usize::MAX, &norms[0], &norms[1]);
            for (i, &a, &b) in pairs.map(|(i, (a, b))| (i, a, b)).chain([norm]) {
                let distance = (a - b).abs() / a.abs().max(typical).max(f64::MIN_POSITIVE);
                if distance.is_nan() || distance > tolerance {
                    let place = match i {
                        usize::MAX => "the norm".to_string(),
                        i => format!("sample {i}"),
                    };
                    return Err(wrong(format!(
                        "{place} is {a} in {} and {b} in {}, which is {distance:.1e} apart, and {tolerance:.0e} is allowed",
                        names[0], names[1],
                    )));
                }
                largest = largest.max(distance);
            }
        }
        distances.insert(names[1].to_string(), json!(largest));
    }
    Ok(distances)
}
