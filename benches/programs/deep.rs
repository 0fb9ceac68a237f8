//! Long tapes of scalars whose structure is new.
//!
//! - W17: a chain of mul, add and sin in turn on one element, in a graph of its own each time, so
//!   that nothing is known from before: `forward` records and reads, `forward+backward` goes
//!   backward besides. The note is the memory that a node takes.
//! - W18: a pendulum with friction, 500 steps of Runge and Kutta's method, and the gradients of the
//!   last angle's square by strength, friction and start: `first` in a graph of its own each time,
//!   `anew` recorded anew in the same graph, `replay` recorded once.

use std::hint::black_box;

use bumpgrad::{Graph, Var};

use super::graphs::Resident;
use super::{Outcome, Row, Serve, first_or_anew, graph, ok, sizes};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = vec![];
    for backward in [false, true] {
        for (large, count) in sizes(&[100_000], &[1_000_000, 10_000_000]) {
            let name = if backward { "forward+backward" } else { "forward" };
            rows.push(Row::new(
                format!("W17/{name}/{large}{count}"),
                (count, "node"),
                move |serve| chain(serve, backward, count),
                move || Box::new(move |outcome| plain_chain(outcome, backward, count)),
            ));
        }
    }
    for when in [When::First, When::Anew, When::Replay] {
        let name = match when {
            When::First => "first",
            When::Anew => "anew",
            When::Replay => "replay",
        };
        for (large, steps) in sizes(&[500], &[5_000]) {
            rows.push(Row::new(
                format!("W18/{name}/{large}{steps}"),
                (steps, "step"),
                move |serve| pendulum(serve, when, steps),
                move || Box::new(move |outcome| plain_pendulum(outcome, steps)),
            ));
        }
    }
    rows
}

// ---- W17 ----

const FACTOR: f64 = 1.005;
const TERM: f64 = 0.001;
const START: f64 = 0.5;

fn chain(serve: &mut Serve<'_>, backward: bool, count: usize) {
    serve(&mut |mut outcome| {
        // Only a checked pass looks at memory, which takes time.
        let before = outcome.is_some().then(Resident::begin);
        let graph = graph();
        let x = graph.param(&[START], &[1]);
        let y = (0..count).fold(x, |y, step| match step % 3 {
            0 => y * FACTOR,
            1 => y + TERM,
            _ => y.sin(),
        });
        let value = ok(y.item());
        let mut slope = 0.0;
        if backward {
            ok(y.backward());
            slope = ok(x.grad::<f64>()).expect("backward leaves a gradient")[0];
        }
        black_box((value, slope));
        if let Some(outcome) = &mut outcome {
            outcome.put("y", &[value]);
            if backward {
                outcome.put("x", &[slope]);
            }
            outcome.note = before.map(|before| before.note(&graph.memory(), count, "node"));
        }
    });
}

fn plain_chain(outcome: Option<&mut Outcome>, backward: bool, count: usize) {
    let mut y = black_box(START);
    let mut trail = Vec::with_capacity(if backward { count } else { 0 });
    for step in 0..count {
        if backward {
            trail.push(y);
        }
        match step % 3 {
            0 => y *= FACTOR,
            1 => y += TERM,
            _ => y = y.sin(),
        }
    }
    let mut slope = 1.0;
    for (step, y) in trail.iter().enumerate().rev() {
        match step % 3 {
            0 => slope *= FACTOR,
            1 => {}
            _ => slope *= y.cos(),
        }
    }
    black_box((y, slope));
    if let Some(outcome) = outcome {
        outcome.put("y", &[y]);
        if backward {
            outcome.put("x", &[slope]);
        }
    }
}

// ---- W18 ----

#[derive(Clone, Copy, PartialEq)]
enum When {
    First,
    Anew,
    Replay,
}

/// Strength and friction, then angle and speed at the start.
const PENDULUM: [f64; 4] = [2.0, 0.1, 1.2, 0.0];
const STEP: f64 = 0.01;
const NAMES: [&str; 4] = ["strength", "friction", "angle", "speed"];

fn swing<'g>(params: &[Var<'g>], steps: usize) -> Var<'g> {
    let [strength, friction, mut angle, mut speed] = [0, 1, 2, 3].map(|i| params[i]);
    let slope = |angle: Var<'g>, speed: Var<'g>| -(angle.sin() * strength) - speed * friction;
    for _ in 0..steps {
        let (a1, s1) = (speed, slope(angle, speed));
        let half = STEP / 2.0;
        let (a2, s2) = (speed + s1 * half, slope(angle + a1 * half, speed + s1 * half));
        let (a3, s3) = (speed + s2 * half, slope(angle + a2 * half, speed + s2 * half));
        let (a4, s4) = (speed + s3 * STEP, slope(angle + a3 * STEP, speed + s3 * STEP));
        angle = angle + (a1 + (a2 + a3) * 2.0 + a4) * (STEP / 6.0);
        speed = speed + (s1 + (s2 + s3) * 2.0 + s4) * (STEP / 6.0);
    }
    angle.square()
}

fn leaves(graph: &Graph) -> Vec<Var<'_>> {
    PENDULUM.map(|value| graph.param(&[value], &[1])).to_vec()
}

fn pendulum_pass(params: &[Var<'_>], y: Var<'_>, outcome: Option<&mut Outcome>) {
    ok(y.backward());
    black_box(ok(y.item()));
    params.iter().for_each(|x| drop(black_box(ok(x.grad::<f64>()))));
    if let Some(outcome) = outcome {
        outcome.put_value("y", y);
        NAMES.iter().zip(params).for_each(|(name, x)| outcome.put_gradient(name, *x));
    }
}

fn pendulum(serve: &mut Serve<'_>, when: When, steps: usize) {
    if when != When::Replay {
        return first_or_anew(when == When::First, serve, leaves, |_, params, outcome| {
            pendulum_pass(params, swing(params, steps), outcome);
        });
    }
    let graph = graph();
    let params = leaves(&graph);
    let y = swing(&params, steps);
    serve(&mut |outcome| {
        ok(params[2].write(&PENDULUM[2..3]));
        pendulum_pass(&params, y, outcome);
        graph.zero_grad();
    });
}

fn plain_pendulum(outcome: Option<&mut Outcome>, steps: usize) {
    let [strength, friction, mut angle, mut speed] = black_box(PENDULUM);
    let slope = |angle: f64, speed: f64| -(angle.sin() * strength) - speed * friction;
    // The states at which the slope is taken.
    let places = |angle: f64, speed: f64| {
        let half = STEP / 2.0;
        let s1 = slope(angle, speed);
        let second = [angle + speed * half, speed + s1 * half];
        let s2 = slope(second[0], second[1]);
        let third = [angle + second[1] * half, speed + s2 * half];
        let s3 = slope(third[0], third[1]);
        let fourth = [angle + third[1] * STEP, speed + s3 * STEP];
        let s4 = slope(fourth[0], fourth[1]);
        ([[angle, speed], second, third, fourth], [s1, s2, s3, s4])
    };
    let mut trail = Vec::with_capacity(steps);
    for _ in 0..steps {
        trail.push([angle, speed]);
        let ([.., p2, p3, p4], [s1, s2, s3, s4]) = places(angle, speed);
        angle += (speed + (p2[1] + p3[1]) * 2.0 + p4[1]) * (STEP / 6.0);
        speed += (s1 + (s2 + s3) * 2.0 + s4) * (STEP / 6.0);
    }
    let value = angle * angle;
    let (mut by_strength, mut by_friction) = (0.0, 0.0);
    let (mut by_angle, mut by_speed) = (2.0 * angle, 0.0);
    for &[angle, speed] in trail.iter().rev() {
        let (places, _) = places(angle, speed);
        let weights = [1.0, 2.0, 2.0, 1.0].map(|weight| weight * STEP / 6.0);
        let reach = [0.0, STEP / 2.0, STEP / 2.0, STEP];
        // The cotangents of a stage's two slopes, complete when it is reached.
        let mut by_a = weights.map(|weight| weight * by_angle);
        let mut by_s = weights.map(|weight| weight * by_speed);
        for stage in (0..4).rev() {
            let [angle, speed] = places[stage];
            by_strength -= by_s[stage] * angle.sin();
            by_friction -= by_s[stage] * speed;
            let at_angle = -by_s[stage] * strength * angle.cos();
            let at_speed = by_a[stage] - by_s[stage] * friction;
            by_angle += at_angle;
            by_speed += at_speed;
            if stage > 0 {
                by_a[stage - 1] += at_angle * reach[stage];
                by_s[stage - 1] += at_speed * reach[stage];
            }
        }
    }
    let by = [by_strength, by_friction, by_angle, by_speed];
    black_box((value, by));
    if let Some(outcome) = outcome {
        outcome.put("y", &[value]);
        NAMES.iter().zip(by).for_each(|(name, by)| outcome.put(name, &[by]));
    }
}
