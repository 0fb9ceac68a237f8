//! W13 to W31 in seconds: for each program the time of bumpgrad and of the loop by hand, in turn, and
//! the ratio of the medians. For comparing two builds, or for looking for a program that falls off.
//!
//! ```sh
//! cargo bench --bench cliffs                     # all rows but the large ones
//! cargo bench --bench cliffs -- W13 W20/slice    # rows whose names have one of these in them
//! cargo bench --bench cliffs -- "W13/read first/large"
//! cargo bench --bench cliffs -- --against target/release/deps/cliffs-0123 W13
//! ```
//!
//! `--against` names the program of another build, which times the same rows in turn with this one.

mod programs;

use std::process::{Command, exit};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use programs::{Outcome, Pass, Row};

/// How long a row takes about, where an iteration does not take longer.
const BUDGET: Duration = Duration::from_millis(600);
/// A sample is at least as long, so that the clock's reading does not count.
const SAMPLE: Duration = Duration::from_millis(5);
/// Runs of each build where two are compared.
const ROUNDS: usize = 3;

fn main() {
    let mut against = None;
    let mut filters = vec![];
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // What cargo adds.
            "--bench" => {}
            "--list" => {
                programs::rows().iter().for_each(|row| println!("{}", row.name));
                return;
            }
            "--against" => against = arguments.next(),
            // For the other build: one row, two numbers.
            "--row" => {
                let name = arguments.next().unwrap_or_default();
                let rows = programs::rows();
                let Some(row) = rows.iter().find(|row| row.name == name) else { exit(3) };
                let times = race(row);
                println!("{} {}", times.bumpgrad, times.by_hand);
                return;
            }
            option if option.starts_with('-') => {
                eprintln!("unknown option {option}: see benches/README.md");
                exit(2);
            }
            filter => filters.push(filter.to_string()),
        }
    }
    let wanted = |row: &Row| {
        let large = filters.iter().any(|filter| filter.contains("large"));
        (large || !row.is_large())
            && (filters.is_empty() || filters.iter().any(|filter| row.name.contains(filter)))
    };
    let rows: Vec<Row> = programs::rows().into_iter().filter(wanted).collect();
    match against {
        None => alone(&rows),
        Some(other) => compare(&rows, &other),
    }
}

/// Medians, in seconds an iteration, and what the program had to say.
struct Times {
    bumpgrad: f64,
    by_hand: f64,
    note: Option<String>,
}

fn alone(rows: &[Row]) {
    println!("{:34} {:>12} {:>12} {:>8}", "ns", "bumpgrad", "by hand", "ratio");
    for row in rows {
        let Times { bumpgrad, by_hand, note } = race(row);
        let each = |seconds: f64| seconds * 1e9 / row.count as f64;
        println!(
            "{:34} {:12.2} {:12.2} {:8.2}  /{} {}",
            row.name,
            each(bumpgrad),
            each(by_hand),
            bumpgrad / by_hand,
            row.unit,
            note.unwrap_or_default()
        );
    }
}

fn compare(rows: &[Row], other: &str) {
    println!("{:34} {:>12} {:>12} {:>8} {:>9}", "ns", "this", "other", "ratio", "by hand");
    let this = std::env::current_exe().expect("a running program has a path");
    for row in rows {
        let mut times = [vec![], vec![], vec![]];
        for _ in 0..ROUNDS {
            for (i, program) in [this.as_os_str(), other.as_ref()].into_iter().enumerate() {
                let out = Command::new(program).args(["--row", &row.name]).output();
                let out = out.unwrap_or_else(|error| panic!("{program:?}: {error}"));
                let text = String::from_utf8_lossy(&out.stdout);
                let numbers: Vec<f64> =
                    text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
                if let [bumpgrad, by_hand] = numbers[..] {
                    times[i].push(bumpgrad);
                    times[2].push(by_hand);
                }
            }
        }
        let [this, other, by_hand] = times.map(|times| median(times) * 1e9 / row.count as f64);
        println!(
            "{:34} {this:12.2} {other:12.2} {:8.2} {by_hand:9.2}  /{}",
            row.name,
            this / other,
            row.unit
        );
    }
}

/// NaN of none: the other build has not got this row, or has failed in it.
fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Compares what the two compute, then times them in turn.
fn race(row: &Row) -> Times {
    let mut times = None;
    row.program(&mut |program| {
        let mut by_hand = row.by_hand();
        let (mut got, mut want) = (Outcome::default(), Outcome::default());
        let began = Instant::now();
        program(Some(&mut got));
        by_hand(Some(&mut want));
        row.compare(&got, &want);

        let mut samples = [vec![], vec![]];
        let mut counts = [1, 1];
        for (i, pass) in [&mut *program, &mut *by_hand].into_iter().enumerate() {
            let seconds = sample(pass, 1);
            // A long pass is not wasted; a short one has told how many make a sample.
            if seconds > SAMPLE.as_secs_f64() {
                samples[i].push(seconds);
            }
            counts[i] = (SAMPLE.as_secs_f64() / seconds.max(1e-9)).clamp(1.0, 1e6) as usize;
        }
        while samples.iter().any(Vec::is_empty) || began.elapsed() < BUDGET {
            samples[0].push(sample(program, counts[0]));
            samples[1].push(sample(&mut *by_hand, counts[1]));
        }
        let note = got.note.take();
        let [bumpgrad, by_hand] = samples.map(median);
        times = Some(Times { bumpgrad, by_hand, note });
    });
    times.expect("a program serves a pass")
}

/// Seconds an iteration.
fn sample(pass: &mut Pass<'_>, count: usize) -> f64 {
    let began = now();
    for _ in 0..count {
        pass(None);
    }
    (now() - began) / count as f64
}

/// Seconds that this thread has had a CPU, where the system tells it: all of the programs are of one
/// thread, and what else the machine does counts less so.
fn now() -> f64 {
    #[cfg(unix)]
    {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the structure is this function's own, and the clock is one that POSIX has.
        if unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) } == 0 {
            return time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9;
        }
    }
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    BEGAN.elapsed().as_secs_f64()
}
