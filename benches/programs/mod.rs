//! W13 to W31: programs as people write them, define by run and with all that loops, reads and
//! branches bring, each beside the same arithmetic as a plain loop by hand.
//!
//! `workloads` times them with criterion, `cliffs` in seconds, and `peers` beside other libraries.
//! In all three, the results and gradients of the two are compared before anything is timed: the
//! loops compute in f64, by derivatives on paper. What each program is stands at the head of its
//! module.

// Each of the three uses another part.
#![allow(dead_code)]

mod axes;
pub(crate) mod composed;
pub(crate) mod data;
mod deep;
mod graphs;
mod loops;
mod minors;
mod points;
mod reads;
mod sequences;
mod shift;
mod short_rows;
mod tables;
mod trajectory;

use bumpgrad::{DType, Graph, Var};

/// What a pass has computed, for the comparison.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) parts: Vec<(String, Vec<f64>)>,
    /// What is to be told besides the time.
    pub(crate) note: Option<String>,
}

impl Outcome {
    pub(crate) fn put<T: Copy + Into<f64>>(&mut self, name: &str, data: &[T]) {
        self.parts.push((name.into(), data.iter().map(|&x| x.into()).collect()));
    }

    fn put_value(&mut self, name: &str, x: Var<'_>) {
        self.parts.push((name.into(), wide(x)));
    }

    fn put_gradient(&mut self, name: &str, x: Var<'_>) {
        self.put_value(name, ok(x.grad_tensor()).expect("backward leaves a gradient"));
    }
}

/// An iteration of a program. With an outcome, it also tells what it has computed.
pub(crate) type Pass<'a> = dyn FnMut(Option<&mut Outcome>) + 'a;
/// Gets a pass, whose graph and leaves live until it returns.
pub(crate) type Serve<'a> = dyn FnMut(&mut Pass<'_>) + 'a;

pub(crate) struct Row {
    /// Such as `W13/read/250`: the workload, what is done, the size.
    pub(crate) name: String,
    /// How many of the units that a time is divided by.
    pub(crate) count: usize,
    pub(crate) unit: &'static str,
    /// How far results may differ, relative to the element, or to the root mean square of its
    /// tensor where the element is smaller.
    pub(crate) tolerance: f64,
    program: Box<dyn Fn(&mut Serve<'_>) + Send + Sync>,
    by_hand: Box<dyn Fn() -> Box<Pass<'static>> + Send + Sync>,
}

impl Row {
    fn new(
        name: String,
        (count, unit): (usize, &'static str),
        program: impl Fn(&mut Serve<'_>) + Send + Sync + 'static,
        by_hand: impl Fn() -> Box<Pass<'static>> + Send + Sync + 'static,
    ) -> Self {
        let (program, by_hand) = (Box::new(program), Box::new(by_hand));
        Self { name, count, unit, tolerance: 1e-9, program, by_hand }
    }

    fn within(self, tolerance: f64) -> Self {
        Self { tolerance, ..self }
    }

    /// Sets the program up in bumpgrad and gives its pass to `serve`.
    pub(crate) fn program(&self, serve: &mut Serve<'_>) {
        (self.program)(serve);
    }

    pub(crate) fn by_hand(&self) -> Box<Pass<'static>> {
        (self.by_hand)()
    }

    /// Whether it may take many seconds: such a row runs only when it is asked for.
    pub(crate) fn is_large(&self) -> bool {
        self.name.contains("/large/")
    }

    /// Panics unless two passes have computed the same.
    pub(crate) fn compare(&self, got: &Outcome, want: &Outcome) {
        let name = &self.name;
        assert_eq!(got.parts.len(), want.parts.len(), "{name}: the number of results");
        assert!(!want.parts.is_empty(), "{name}: nothing to compare");
        for ((part, got), (other, want)) in got.parts.iter().zip(&want.parts) {
            assert_eq!(part, other, "{name}: the names of results");
            assert_eq!(got.len(), want.len(), "{name}: the number of elements of {part}");
            let squares: f64 = want.iter().map(|x| x * x).sum();
            let typical = (squares / want.len() as f64).sqrt();
            for (i, (got, want)) in got.iter().zip(want).enumerate() {
                // A NaN is near nothing.
                assert!(
                    (got - want).abs() <= self.tolerance * want.abs().max(typical),
                    "{name}: element {i} of {part} is {got}, and plain arithmetic gives {want}"
                );
            }
        }
    }
}

pub(crate) fn rows() -> Vec<Row> {
    let themes = [
        reads::rows,
        deep::rows,
        loops::rows,
        sequences::rows,
        short_rows::rows,
        points::rows,
        axes::rows,
        shift::rows,
        trajectory::rows,
        graphs::rows,
        tables::rows,
        minors::rows,
    ];
    let number = |row: &Row| row.name[1..3].parse::<u32>().expect("names begin with W13 and so on");
    let mut rows: Vec<Row> = themes.into_iter().flat_map(|rows| rows()).collect();
    rows.sort_by_key(number);
    rows
}

/// The sizes, and for each whether its rows are large: `usual` ones and `large` ones.
fn sizes<T: Copy>(usual: &[T], large: &[T]) -> Vec<(&'static str, T)> {
    let usual = usual.iter().map(|&size| ("", size));
    usual.chain(large.iter().map(|&size| ("large/", size))).collect()
}

// ---- for the programs ----

fn graph() -> Graph {
    let graph = Graph::new();
    graph.set_num_threads(1);
    graph
}

/// A program that records anew each time: what a pass records is dropped at its end, and gradients
/// are unset.
fn anew(graph: &Graph, serve: &mut Serve<'_>, mut pass: impl FnMut(Option<&mut Outcome>)) {
    let mark = graph.mark();
    serve(&mut |outcome| {
        pass(outcome);
        graph.zero_grad();
        ok(graph.rewind(mark));
    });
}

/// Records a tensor anew each time and computes it.
fn value<'g>(graph: &'g Graph, serve: &mut Serve<'_>, record: impl Fn() -> Var<'g>) {
    anew(graph, serve, |outcome| {
        let y = record();
        ok(y.eval());
        if let Some(outcome) = outcome {
            outcome.put_value("y", y);
        }
    });
}

/// As [`anew`], or with a graph of its own for each pass, to which every structure is new.
fn first_or_anew(
    first: bool,
    serve: &mut Serve<'_>,
    leaves: impl for<'g> Fn(&'g Graph) -> Vec<Var<'g>>,
    pass: impl for<'g> Fn(&'g Graph, &[Var<'g>], Option<&mut Outcome>),
) {
    if first {
        serve(&mut |outcome| {
            let graph = graph();
            pass(&graph, &leaves(&graph), outcome);
        });
    } else {
        let graph = graph();
        let leaves = leaves(&graph);
        anew(&graph, serve, |outcome| pass(&graph, &leaves, outcome));
    }
}

/// The two for [`first_or_anew`], and what they are called.
const FIRST_OR_ANEW: [(bool, &str); 2] = [(true, "first"), (false, "anew")];

/// The `i`-th slice along the first axis.
fn at(x: Var<'_>, i: usize) -> Var<'_> {
    let i = i as isize;
    x.slice(0, i, i + 1, 1).squeeze(Some(0))
}

#[track_caller]
fn ok<T>(result: bumpgrad::Result<T>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}

#[track_caller]
fn wide(x: Var<'_>) -> Vec<f64> {
    match ok(x.dtype()) {
        DType::F64 => ok(x.to_vec()),
        DType::F32 => ok(x.to_vec::<f32>()).into_iter().map(f64::from).collect(),
        _ => ok(x.to_vec::<i64>()).into_iter().map(|x| x as f64).collect(),
    }
}
