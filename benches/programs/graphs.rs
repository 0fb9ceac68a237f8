//! Many graphs, and what memory is taken.
//!
//! - W29: graphs with one small parameter each, all alive, after a backward and a step of Adam. The
//!   note is the memory that a graph takes.

use std::hint::black_box;

use bumpgrad::{Adam, MemoryStats};

use super::{Outcome, Pass, Row, Serve, graph, ok, sizes};

const SMALL: [f64; 3] = [0.5, -1.0, 2.0];
const RATE: f64 = 0.1;

pub(super) fn rows() -> Vec<Row> {
    let row = |(large, count): (&str, usize)| {
        Row::new(
            format!("W29/graphs/{large}{count}"),
            (count, "graph"),
            move |serve| graphs(serve, count),
            move || plain_graphs(count),
        )
    };
    sizes(&[1_000], &[10_000]).into_iter().map(row).collect()
}

fn graphs(serve: &mut Serve<'_>, count: usize) {
    let adam = Adam::new(RATE);
    serve(&mut |outcome| {
        let before = outcome.is_some().then(Resident::begin);
        let mut total = MemoryStats::default();
        let graphs: Vec<_> = (0..count).map(|_| graph()).collect();
        let mut last = vec![];
        for graph in &graphs {
            let w = graph.param(&SMALL, &[3]);
            ok((w.square() + w.sin()).sum().backward());
            ok(adam.step(graph));
            last = ok(w.to_vec::<f64>());
            let memory = graph.memory();
            total.live += memory.live;
            total.pooled += memory.pooled;
            total.records += memory.records;
            total.plans += memory.plans;
        }
        black_box(&last);
        if let Some(outcome) = outcome {
            outcome.put("w", &last);
            outcome.note = before.map(|before| before.note(&total, count, "graph"));
        }
    });
}

fn plain_graphs(count: usize) -> Box<Pass<'static>> {
    struct Parameter {
        value: [f64; 3],
        gradient: [f64; 3],
        moments: [[f64; 3]; 2],
    }
    Box::new(move |outcome: Option<&mut Outcome>| {
        let zero = [0.0; 3];
        let start = || Box::new(Parameter { value: SMALL, gradient: zero, moments: [zero; 2] });
        let mut all: Vec<_> = (0..count).map(|_| start()).collect();
        for p in &mut all {
            for i in 0..3 {
                p.gradient[i] = 2.0 * p.value[i] + p.value[i].cos();
                p.moments[0][i] = 0.1 * p.gradient[i];
                p.moments[1][i] = 0.001 * p.gradient[i].powi(2);
                let (first, second) = (p.moments[0][i] / 0.1, p.moments[1][i] / 0.001);
                p.value[i] -= RATE * first / (second.sqrt() + 1e-8);
            }
        }
        black_box(&all);
        if let (Some(outcome), Some(last)) = (outcome, all.last()) {
            outcome.put("w", &last.value);
        }
    })
}

/// What the process has resident, where the system tells it.
pub(super) struct Resident {
    before: Option<usize>,
}

impl Resident {
    pub(super) fn begin() -> Self {
        // The peak begins anew.
        let _ = std::fs::write("/proc/self/clear_refs", "5");
        Self { before: status("VmRSS:") }
    }

    /// Bytes for each of `count` things: what graphs say of themselves, and what the process's peak
    /// grew by.
    pub(super) fn note(&self, memory: &MemoryStats, count: usize, unit: &str) -> String {
        let each = |bytes: usize| bytes as f64 / count as f64;
        let (all, records, plans) =
            (each(memory.total()), each(memory.records), each(memory.plans));
        let mut note = format!("{all:.0} bytes/{unit} (records {records:.0}, plans {plans:.0})");
        if let (Some(before), Some(peak)) = (self.before, status("VmHWM:")) {
            note += &format!(", process {:.0}", each(peak.saturating_sub(before)));
        }
        note
    }
}

/// A line of the process's status that is in kB.
fn status(name: &str) -> Option<usize> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().trim_end_matches(" kB").parse::<usize>().ok().map(|kb| kb * 1024)
}
