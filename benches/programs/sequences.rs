//! W21: a recurrent net over a sequence of rows, as ADBench has it: cells of elementwise gates, with
//! weights [2 layers, 4, 14], whose rows each cell takes by slices inside the loop, and so does each
//! step its input. The loss of predicting the next row, and the gradient by all weights.

use std::hint::black_box;

use bumpgrad::Var;

use super::data::wide_numbers;
use super::{Outcome, Pass, Row, Serve, anew, at, graph, ok, sizes};

const LAYERS: usize = 4;
const WIDTH: usize = 14;
type Numbers = [f64; WIDTH];

pub(super) fn rows() -> Vec<Row> {
    let mut rows = vec![];
    for backward in [false, true] {
        for (large, steps) in sizes(&[64], &[256, 1_024, 4_096]) {
            let name = if backward { "value+gradient" } else { "value" };
            rows.push(Row::new(
                format!("W21/{name}/{large}{steps}"),
                (steps * LAYERS, "cell"),
                move |serve| recurrent(serve, backward, steps),
                move || plain_recurrent(backward, steps),
            ));
        }
    }
    rows
}

/// Weights, what becomes of the input and of the last layer, and the sequence.
fn data(steps: usize) -> [Vec<f64>; 3] {
    [
        wide_numbers(53, 2 * LAYERS * 4 * WIDTH, -1.0, 1.0),
        wide_numbers(54, 3 * WIDTH, -1.0, 1.0),
        wide_numbers(55, (steps + 1) * WIDTH, 0.0, 1.0),
    ]
}

fn cell<'g>(
    [weight, bias]: [Var<'g>; 2],
    input: Var<'g>,
    [hidden, memory]: [Var<'g>; 2],
) -> [Var<'g>; 2] {
    let forget = (input * at(weight, 0) + at(bias, 0)).sigmoid();
    let accept = (hidden * at(weight, 1) + at(bias, 1)).sigmoid();
    let show = (input * at(weight, 2) + at(bias, 2)).sigmoid();
    let change = (hidden * at(weight, 3) + at(bias, 3)).tanh();
    let memory = memory * forget + accept * change;
    [show * memory.tanh(), memory]
}

fn recurrent(serve: &mut Serve<'_>, backward: bool, steps: usize) {
    let graph = graph();
    let [weights, ends, sequence] = data(steps);
    let weights = graph.param(&weights, &[2 * LAYERS, 4, WIDTH]);
    let ends = graph.param(&ends, &[3, WIDTH]);
    let sequence = graph.tensor(&sequence, &[steps + 1, WIDTH]);
    let zero = graph.zeros::<f64>(&[WIDTH]);
    anew(&graph, serve, |outcome| {
        let mut states = [[zero; 2]; LAYERS];
        let mut loss = graph.scalar(0.0);
        for t in 0..steps {
            let mut x = at(sequence, t) * at(ends, 0);
            for (layer, state) in states.iter_mut().enumerate() {
                let parts = [at(weights, 2 * layer), at(weights, 2 * layer + 1)];
                *state = cell(parts, x, *state);
                x = state[0];
            }
            let guess = x * at(ends, 1) + at(ends, 2);
            let norm = (guess.exp().sum() + 2.0).log();
            loss = loss - (at(sequence, t + 1) * (guess - norm)).sum();
        }
        let loss = loss * (1.0 / (steps * WIDTH) as f64);
        if backward {
            ok(loss.backward());
        }
        black_box(ok(loss.item()));
        if let Some(outcome) = outcome {
            outcome.put_value("loss", loss);
            if backward {
                outcome.put_gradient("weights", weights);
                outcome.put_gradient("ends", ends);
            }
        }
    });
}

/// What the reverse pass needs of a cell: input, hidden and memory before, the gates forget, accept,
/// show and change, and the tanh of the new memory.
#[derive(Clone, Copy)]
struct Trail {
    input: Numbers,
    hidden: Numbers,
    memory: Numbers,
    gates: [Numbers; 4],
    shown: Numbers,
}

fn plain_recurrent(backward: bool, steps: usize) -> Box<Pass<'static>> {
    let [weights, ends, sequence] = data(steps);
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let row = |x: &[f64], i: usize| -> Numbers {
        x[i * WIDTH..][..WIDTH].try_into().expect("a row has this width")
    };
    let mut trail: Vec<Trail> = Vec::with_capacity(steps * LAYERS);
    let mut guesses: Vec<(Numbers, f64)> = Vec::with_capacity(steps);
    Box::new(move |outcome: Option<&mut Outcome>| {
        let mut states = [[[0.0; WIDTH]; 2]; LAYERS];
        let mut loss = 0.0;
        trail.clear();
        guesses.clear();
        for t in 0..steps {
            let [input, weight, bias] = [row(&sequence, t), row(&ends, 1), row(&ends, 2)];
            let scale = row(&ends, 0);
            let mut x: Numbers = std::array::from_fn(|k| input[k] * scale[k]);
            for (layer, [hidden, memory]) in states.iter_mut().enumerate() {
                let weight = |gate: usize| row(&weights, 8 * layer + gate);
                let [w, b] = [0, 4].map(|first| [0, 1, 2, 3].map(|gate| weight(first + gate)));
                let mut now = Trail {
                    input: x,
                    hidden: *hidden,
                    memory: *memory,
                    gates: [[0.0; WIDTH]; 4],
                    shown: [0.0; WIDTH],
                };
                for k in 0..WIDTH {
                    let [f, a, s, c] = [
                        sigmoid(x[k] * w[0][k] + b[0][k]),
                        sigmoid(hidden[k] * w[1][k] + b[1][k]),
                        sigmoid(x[k] * w[2][k] + b[2][k]),
                        (hidden[k] * w[3][k] + b[3][k]).tanh(),
                    ];
                    memory[k] = memory[k] * f + a * c;
                    now.shown[k] = memory[k].tanh();
                    hidden[k] = s * now.shown[k];
                    now.gates.iter_mut().zip([f, a, s, c]).for_each(|(gate, x)| gate[k] = x);
                }
                x = *hidden;
                if backward {
                    trail.push(now);
                }
            }
            let guess: Numbers = std::array::from_fn(|k| x[k] * weight[k] + bias[k]);
            let sum = guess.iter().map(|x| x.exp()).sum::<f64>() + 2.0;
            let norm = sum.ln();
            let next = row(&sequence, t + 1);
            loss -= guess.iter().zip(next).map(|(guess, next)| next * (guess - norm)).sum::<f64>();
            guesses.push((guess, sum));
        }
        let count = (steps * WIDTH) as f64;
        loss /= count;

        let mut by_weights = vec![0.0; weights.len()];
        let mut by_ends = vec![0.0; ends.len()];
        // Cotangents of hidden and memory.
        let mut by_states = [[[0.0; WIDTH]; 2]; LAYERS];
        for t in (0..steps).rev().filter(|_| backward) {
            let (guess, sum) = &guesses[t];
            let next = row(&sequence, t + 1);
            let total: f64 = next.iter().sum();
            let last = &trail[t * LAYERS + LAYERS - 1];
            let mut by_x = [0.0; WIDTH];
            for k in 0..WIDTH {
                let by_guess = (total * guess[k].exp() / sum - next[k]) / count;
                by_ends[WIDTH + k] += by_guess * last.gates[2][k] * last.shown[k];
                by_ends[2 * WIDTH + k] += by_guess;
                by_x[k] = by_guess * ends[WIDTH + k];
            }
            for layer in (0..LAYERS).rev() {
                let Trail { input, hidden, memory, gates, shown } = &trail[t * LAYERS + layer];
                let [by_hidden, by_memory] = &mut by_states[layer];
                for k in 0..WIDTH {
                    let place = |gate: usize| (8 * layer + gate) * WIDTH + k;
                    let [f, a, s, c] = gates.map(|gate| gate[k]);
                    let by_out = by_x[k] + by_hidden[k];
                    let by_new = by_memory[k] + by_out * s * (1.0 - shown[k] * shown[k]);
                    let by_gates = [
                        by_new * memory[k] * f * (1.0 - f),
                        by_new * c * a * (1.0 - a),
                        by_out * shown[k] * s * (1.0 - s),
                        by_new * a * (1.0 - c * c),
                    ];
                    by_memory[k] = by_new * f;
                    let from = [input[k], hidden[k], input[k], hidden[k]];
                    for gate in 0..4 {
                        by_weights[place(gate)] += by_gates[gate] * from[gate];
                        by_weights[place(4 + gate)] += by_gates[gate];
                    }
                    let back = |gate: usize| by_gates[gate] * weights[place(gate)];
                    by_x[k] = back(0) + back(2);
                    by_hidden[k] = back(1) + back(3);
                }
            }
            for k in 0..WIDTH {
                by_ends[k] += by_x[k] * sequence[t * WIDTH + k];
            }
        }
        black_box((loss, &by_weights, &by_ends));
        if let Some(outcome) = outcome {
            outcome.put("loss", &[loss]);
            if backward {
                outcome.put("weights", &by_weights);
                outcome.put("ends", &by_ends);
            }
        }
    })
}
