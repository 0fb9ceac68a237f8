//! W7: one training step of a perceptron 784-256-128-10 with relu and softmax cross entropy, by SGD
//! on the same batch of 64 or 1024: forward, backward, step.
//!
//! `anew` records the loss each step and drops it, `replay` records it once.

use std::cell::LazyCell;
use std::hint::black_box;

use bumpgrad::{Graph, Sgd, Var};
use criterion::Criterion;

use crate::{
    check, check_all, check_one, elements, few_samples, gradient, iterate, labels, numbers, ok,
};

const SIZES: [usize; 4] = [784, 256, 128, 10];
const LAYERS: usize = SIZES.len() - 1;
/// Small, so that many steps on one batch leave something to learn.
const SGD: Sgd = Sgd::new(1e-4);

/// The network, and the batch it learns.
#[derive(Clone, Copy)]
struct Model<'g> {
    weights: [Var<'g>; LAYERS],
    biases: [Var<'g>; LAYERS],
    images: Var<'g>,
    classes: Var<'g>,
}

impl<'g> Model<'g> {
    fn loss(&self) -> Var<'g> {
        let logits = (0..LAYERS).fold(self.images, |x, layer| {
            let y = x.matmul(self.weights[layer]) + self.biases[layer];
            if layer + 1 < LAYERS { y.relu() } else { y }
        });
        logits.cross_entropy(self.classes)
    }
}

/// What the model is made of.
struct Data {
    batch: usize,
    weights: [Vec<f32>; LAYERS],
    biases: [Vec<f32>; LAYERS],
    images: Vec<f32>,
    classes: Vec<i64>,
}

impl Data {
    fn new(batch: usize) -> Self {
        let parts = |seed: u64, rows: fn(usize) -> usize| {
            std::array::from_fn(|layer| {
                let bound = 1.0 / (SIZES[layer] as f32).sqrt();
                let count = rows(layer) * SIZES[layer + 1];
                numbers(seed + layer as u64, count, -bound, bound)
            })
        };
        Self {
            batch,
            weights: parts(14, |layer| SIZES[layer]),
            biases: parts(17, |_| 1),
            images: numbers(20, batch * SIZES[0], 0.0, 1.0),
            classes: labels(21, batch, SIZES[LAYERS]),
        }
    }

    fn model<'g>(&self, graph: &'g Graph) -> Model<'g> {
        let leaves = |parts: &[Vec<f32>; LAYERS], shape: fn(usize) -> Vec<usize>| {
            std::array::from_fn(|layer| graph.param(&parts[layer], &shape(layer)))
        };
        Model {
            weights: leaves(&self.weights, |layer| vec![SIZES[layer], SIZES[layer + 1]]),
            biases: leaves(&self.biases, |layer| vec![SIZES[layer + 1]]),
            images: graph.tensor(&self.images, &[self.batch, SIZES[0]]),
            classes: graph.tensor(&self.classes, &[self.batch]),
        }
    }

    /// The loss, and the gradients of weights and biases.
    fn plain(&self) -> (f64, [Vec<f64>; LAYERS], [Vec<f64>; LAYERS]) {
        let wide = |xs: &[f32]| xs.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
        let mut inputs = vec![wide(&self.images)];
        for layer in 0..LAYERS {
            let (weights, biases) = (wide(&self.weights[layer]), wide(&self.biases[layer]));
            let columns = SIZES[layer + 1];
            let mut out = Vec::with_capacity(self.batch * columns);
            for row in inputs[layer].chunks(SIZES[layer]) {
                let mut sums = biases.clone();
                for (x, weights) in row.iter().zip(weights.chunks(columns)) {
                    sums.iter_mut().zip(weights).for_each(|(sum, w)| *sum += x * w);
                }
                let last = layer + 1 == LAYERS;
                out.extend(sums.iter().map(|&sum| if last { sum } else { sum.max(0.0) }));
            }
            inputs.push(out);
        }

        let mut loss = 0.0;
        let mut head = inputs[LAYERS].clone();
        for (row, &class) in head.chunks_mut(SIZES[LAYERS]).zip(&self.classes) {
            let sum: f64 = row.iter().map(|x| x.exp()).sum();
            loss += sum.ln() - row[class as usize];
            row.iter_mut().for_each(|x| *x = x.exp() / sum);
            row[class as usize] -= 1.0;
            row.iter_mut().for_each(|x| *x /= self.batch as f64);
        }

        let mut by_weights = [const { Vec::new() }; LAYERS];
        let mut by_biases = [const { Vec::new() }; LAYERS];
        for layer in (0..LAYERS).rev() {
            let weights = wide(&self.weights[layer]);
            let (rows, columns) = (SIZES[layer], SIZES[layer + 1]);
            let mut by_weight = vec![0.0; rows * columns];
            let mut by_bias = vec![0.0; columns];
            let mut by_input = Vec::with_capacity(self.batch * rows);
            for (xs, heads) in inputs[layer].chunks(rows).zip(head.chunks(columns)) {
                by_bias.iter_mut().zip(heads).for_each(|(sum, head)| *sum += head);
                for (i, &x) in xs.iter().enumerate() {
                    let grads = &mut by_weight[i * columns..][..columns];
                    grads.iter_mut().zip(heads).for_each(|(sum, head)| *sum += x * head);
                    let weights = &weights[i * columns..][..columns];
                    let dot: f64 = weights.iter().zip(heads).map(|(w, head)| w * head).sum();
                    // The input is the relu of the layer before.
                    by_input.push(if x > 0.0 { dot } else { 0.0 });
                }
            }
            (by_weights[layer], by_biases[layer], head) = (by_weight, by_bias, by_input);
        }
        (loss / self.batch as f64, by_weights, by_biases)
    }
}

/// The model in a graph, after one step that was compared with plain arithmetic.
fn ready(graph: &Graph, batch: usize) -> Model<'_> {
    let data = Data::new(batch);
    let model = data.model(graph);
    let mark = graph.mark();
    let loss = model.loss();
    let (want, by_weights, by_biases) = data.plain();
    check_one("W7: loss", ok(loss.item()), 1e-4, want);
    ok(loss.backward());
    for layer in 0..LAYERS {
        let what = |part| format!("W7: gradient of the {part} of layer {layer}");
        check_all(&what("weights"), &gradient(model.weights[layer]), 1e-3, &by_weights[layer]);
        check_all(&what("biases"), &gradient(model.biases[layer]), 1e-3, &by_biases[layer]);
    }
    ok(SGD.step(graph));
    for (layer, by) in by_weights.iter().enumerate() {
        let before = &data.weights[layer];
        let after = ok(model.weights[layer].to_vec());
        check(&format!("W7: a step of layer {layer}"), &after, 1e-6, |i| {
            Some(f64::from(before[i]) - SGD.rate * by[i])
        });
    }
    let after = ok(loss.item());
    assert!(after < want, "W7: a step takes the loss from {want} to {after}");
    graph.zero_grad();
    ok(graph.rewind(mark));
    model
}

/// The step, all but the recording.
fn learn(graph: &Graph, loss: Var<'_>) {
    ok(loss.backward());
    black_box(ok(loss.item()));
    ok(SGD.step(graph));
}

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("W7");
    few_samples(&mut group);
    for batch in [64, 1024] {
        group.throughput(elements(batch));
        {
            let graph = Graph::new();
            let model = LazyCell::new(|| ready(&graph, batch));
            group.bench_function(format!("{batch}/anew"), |b| {
                let model = &*model;
                iterate(b, &graph, || learn(&graph, model.loss()));
            });
        }
        let graph = Graph::new();
        let loss = LazyCell::new(|| ready(&graph, batch).loss());
        group.bench_function(format!("{batch}/replay"), |b| {
            let loss = *loss;
            b.iter(|| {
                learn(&graph, loss);
                graph.zero_grad();
            });
        });
    }
    group.finish();
}
