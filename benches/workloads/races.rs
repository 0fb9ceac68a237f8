//! W13 to W31: programs beside the same arithmetic as loops by hand. What they are stands in
//! `benches/programs/`. Their large sizes take part only when they are asked for.

use std::cell::{Cell, LazyCell, RefCell};
use std::time::Duration;

use criterion::{Criterion, SamplingMode};

use crate::elements;
use crate::programs::{Outcome, Row, rows};

pub(crate) fn bench(criterion: &mut Criterion) {
    let large = std::env::args().any(|argument| argument.contains("large"));
    for row in rows().iter().filter(|row| large || !row.is_large()) {
        race(criterion, row);
    }
}

fn race(criterion: &mut Criterion, row: &Row) {
    let (group, rest) = row.name.split_once('/').expect("a name begins with its workload");
    let mut group = criterion.benchmark_group(group);
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    group.measurement_time(Duration::from_millis(500));
    group.throughput(elements(row.count));
    let checked = Cell::new(false);
    // criterion calls this for each sample. A graph cannot outlive its call, so that each has a new
    // one, and a pass that is not timed, in which it makes its plans.
    group.bench_function(format!("{rest}/bumpgrad"), |b| {
        row.program(&mut |pass| {
            let mut got = Outcome::default();
            if checked.replace(true) {
                pass(None);
            } else {
                let mut want = Outcome::default();
                pass(Some(&mut got));
                row.by_hand()(Some(&mut want));
                row.compare(&got, &want);
            }
            b.iter(|| pass(None));
        });
    });
    let by_hand = LazyCell::new(|| RefCell::new(row.by_hand()));
    group.bench_function(format!("{rest}/by hand"), |b| {
        let mut pass = by_hand.borrow_mut();
        b.iter(|| pass(None));
    });
    group.finish();
}
