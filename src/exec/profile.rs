//! What a run did when: times of plans and steps, for the trace viewers of browsers.
//!
//! The format is the JSON of the Chrome trace event profiler, "complete" events (`ph: X`) with times
//! in microseconds; `chrome://tracing`, Perfetto and Speedscope open it.

use std::fmt::{self, Write};
use std::time::Instant;

use crate::arena::TryPush;
use crate::plan::{Plan, Step, Work};

/// Bytes of an event's name: what does not fit is left out.
const NAME: usize = 96;

/// One line in the picture.
#[derive(Clone, Copy)]
struct Event {
    name: Name,
    kind: Category,
    /// Nanoseconds since the profile began, and how many it took.
    at: u64,
    took: u64,
    /// The worker; 0 is the thread that asked.
    thread: u32,
    threads: u32,
    nodes: u32,
    elements: u64,
    bytes: u64,
    /// Whether the step makes again what was made.
    again: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Category {
    Planning,
    Run,
    Step,
    /// The part of a step that another worker did.
    Share,
}

/// A short text without memory of its own.
#[derive(Clone, Copy)]
struct Name {
    text: [u8; NAME],
    len: usize,
}

impl Name {
    fn new(text: &str) -> Self {
        let mut name = Self { text: [0; NAME], len: 0 };
        let _ = name.write_str(text);
        name
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[..self.len]).unwrap_or_default()
    }
}

impl Write for Name {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Names of operations are ASCII, so a cut anywhere is between two characters.
        let count = text.len().min(NAME - self.len);
        self.text[self.len..self.len + count].copy_from_slice(&text.as_bytes()[..count]);
        self.len += count;
        if count == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

/// A profile that is being taken.
pub(crate) struct Profile {
    began: Instant,
    events: Vec<Event>,
    /// Events for which there was no memory.
    lost: usize,
}

impl Profile {
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), events: Vec::new(), lost: 0 }
    }

    /// Nanoseconds since the beginning.
    pub(super) fn now(&self) -> u64 {
        self.began.elapsed().as_nanos() as u64
    }

    pub(super) fn since(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.began).as_nanos() as u64
    }

    pub(super) fn bytes(&self) -> usize {
        self.events.bytes()
    }

    fn push(&mut self, event: Event) {
        self.lost += usize::from(self.events.try_push(event).is_err());
    }

    pub(super) fn planned(&mut self, at: u64, plan: &Plan) {
        self.whole("plan", Category::Planning, at, plan, 1);
    }

    pub(super) fn ran(&mut self, at: u64, plan: &Plan, threads: usize) {
        self.whole("run", Category::Run, at, plan, threads);
    }

    /// So many nodes, without a plan.
    pub(super) fn ran_directly(&mut self, at: u64, nodes: usize) {
        let (name, took, nodes) = (Name::new("one by one"), self.now() - at, nodes as u32);
        let (kind, thread, threads, elements, bytes) = (Category::Run, 0, 1, 0, 0);
        let again = false;
        self.push(Event { name, kind, at, took, thread, threads, nodes, elements, bytes, again });
    }

    fn whole(&mut self, name: &str, kind: Category, at: u64, plan: &Plan, threads: usize) {
        let nodes = plan.steps().iter().map(|step| step.nodes).sum();
        let took = self.now() - at;
        let name = Name::new(name);
        let threads = threads as u32;
        self.push(Event {
            name,
            kind,
            at,
            took,
            thread: 0,
            threads,
            nodes,
            elements: 0,
            bytes: 0,
            again: false,
        });
    }

    /// A step, and for each worker but the first when it was busy with it.
    pub(super) fn stepped(
        &mut self,
        at: u64,
        plan: &Plan,
        step: &Step,
        shares: impl Iterator<Item = (Instant, Instant)> + Clone,
    ) {
        let mut bytes = 0;
        for &datum in plan.reads(step).iter().chain(plan.writes(step)) {
            bytes += plan.data[datum as usize].bytes() as u64;
        }
        let (name, elements) = describe(plan, step);
        let threads = shares.clone().count().max(1) as u32;
        let took = self.now() - at;
        let nodes = step.nodes;
        let event = Event {
            name,
            kind: Category::Step,
            at,
            took,
            thread: 0,
            threads,
            nodes,
            elements,
            bytes,
            again: step.is_again(),
        };
        self.push(event);
        for (thread, (from, to)) in shares.enumerate().skip(1) {
            let (at, end) = (self.since(from), self.since(to));
            let took = end - at;
            self.push(Event { kind: Category::Share, at, took, thread: thread as u32, ..event });
        }
    }

    /// The profile as JSON.
    pub(crate) fn write(&self, out: &mut impl Write) -> fmt::Result {
        out.write_str("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n")?;
        for event in &self.events {
            let category = match event.kind {
                Category::Planning => "planning",
                Category::Run => "run",
                Category::Step => "step",
                Category::Share => "share",
            };
            let micro = |nanoseconds: u64| nanoseconds as f64 / 1e3;
            write!(
                out,
                "{{\"name\":\"{}\",\"cat\":\"{category}\",\"ph\":\"X\",\"pid\":1,\"tid\":{},\
                 \"ts\":{:.3},\"dur\":{:.3},\"args\":{{\"nodes\":{},\"threads\":{}",
                event.name.as_str(),
                event.thread,
                micro(event.at),
                micro(event.took),
                event.nodes,
                event.threads,
            )?;
            if event.kind == Category::Step {
                write!(out, ",\"elements\":{},\"bytes\":{}", event.elements, event.bytes)?;
                let rate = event.bytes as f64 / event.took.max(1) as f64;
                write!(out, ",\"gigabytes_per_second\":{rate:.3},\"again\":{}", event.again)?;
            }
            out.write_str("}},\n")?;
        }
        write!(
            out,
            "{{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":1,\"args\":{{\"name\":\"bumpgrad\",\
             \"lost_events\":{}}}}}\n]}}\n",
            self.lost
        )
    }
}

/// What a step does, in a few words, and for how many elements.
fn describe(plan: &Plan, step: &Step) -> (Name, u64) {
    let mut name = Name::new("");
    match step.work {
        Work::Fused(number) => {
            let program = &plan.programs[number as usize];
            let product = plan.singles.get(program.product as usize);
            let mut first = product.is_none();
            let _ = name.write_str(product.map_or("", |product| product.op.name()));
            for (word, operand) in plan.words(program) {
                let (space, pull) = (if first { "" } else { " " }, operand.map_or("", |_| "'"));
                let written = write!(name, "{space}{word}{pull}");
                first = false;
                if written.is_err() {
                    break;
                }
            }
            (name, program.len as u64)
        }
        Work::Single(number) => {
            let single = &plan.singles[number as usize];
            let _ = name.write_str(plan.name_of(single));
            (name, single.dims.iter().product::<usize>() as u64)
        }
    }
}
