//! Learns to read handwritten digits: a network with one hidden layer, mini-batches and Adam.
//!
//!     cargo run --release --example digits [file]
//!
//! `examples/c/digits.c` is the same program in C, and its losses are the same to the last bit.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use bumpgrad::{Adam, DType, Graph, Result, Var};

const IMAGES: usize = 1797;
const PIXELS: usize = 64;
const HIDDEN: usize = 64;
const CLASSES: usize = 10;

/// Images to learn from; the network is tested with the other 357, which it never sees.
const TRAIN: usize = 1440;
const BATCH: usize = 32;
const EPOCHS: usize = 30;
const RATE: f64 = 0.002;

/// Decides which images are kept for the test, the first weights, and the batches. Others end with
/// 0.964 to 0.986: 357 images are few, and some of them are hard to read for anyone.
const SEED: u64 = 2;

/// Images as rows of numbers in 0..=1, and which digit each of them is.
#[derive(Default)]
struct Digits {
    pixels: Vec<f32>,
    labels: Vec<i64>,
}

impl Digits {
    /// Reads lines of 64 grey values 0..=16 and a label 0..=9.
    fn read(path: &Path) -> std::result::Result<Self, String> {
        let name = path.display();
        let bytes = std::fs::read(path).map_err(|error| format!("{name}: {error}"))?;
        let mut digits = Self::default();
        for (i, line) in String::from_utf8_lossy(&bytes).lines().enumerate() {
            let at = i + 1;
            let fields = line.split(',').count();
            if fields != PIXELS + 1 {
                return Err(format!("{name}:{at}: {} numbers expected, not {fields}", PIXELS + 1));
            }
            for (k, field) in line.split(',').enumerate() {
                let largest = if k < PIXELS { 16 } else { CLASSES as u8 - 1 };
                let number = field.parse::<u8>().ok().filter(|&number| number <= largest);
                match number {
                    Some(grey) if k < PIXELS => digits.pixels.push(f32::from(grey) / 16.0),
                    Some(label) => digits.labels.push(i64::from(label)),
                    None => {
                        return Err(format!(
                            "{name}:{at}: number {} should be 0 to {largest}, not \"{field}\"",
                            k + 1
                        ));
                    }
                }
            }
        }
        match digits.labels.len() {
            IMAGES => Ok(digits),
            len => Err(format!("{name}: {IMAGES} lines expected, not {len}")),
        }
    }

    /// The images of these numbers.
    fn select(&self, numbers: &[usize]) -> Self {
        let row = |&i: &usize| &self.pixels[i * PIXELS..(i + 1) * PIXELS];
        Self {
            pixels: numbers.iter().flat_map(row).copied().collect(),
            labels: numbers.iter().map(|&i| self.labels[i]).collect(),
        }
    }
}

/// splitmix64 of G. Steele, D. Lea and C. Flood, 2014: small enough to be written here, so that the
/// C program draws the same numbers.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// Every order is equally likely, but for a bias of about 2^-53.
    fn shuffle(&mut self, list: &mut [usize]) {
        for i in (1..list.len()).rev() {
            list.swap(i, (self.next() % (i as u64 + 1)) as usize);
        }
    }
}

/// The parameters: two layers of weights and biases.
struct Network<'g> {
    w1: Var<'g>,
    b1: Var<'g>,
    w2: Var<'g>,
    b2: Var<'g>,
}

impl<'g> Network<'g> {
    /// Weights with variance 2 / inputs (K. He et al., 2015) keep the signal's size through a relu.
    fn new(graph: &'g Graph) -> Result<Self> {
        let weights = |inputs: usize, outputs: usize| {
            graph.normal::<f32>(&[inputs, outputs], 0.0, (2.0 / inputs as f64).sqrt())
        };
        let network = Self {
            w1: weights(PIXELS, HIDDEN),
            b1: graph.zeros::<f32>(&[HIDDEN]),
            w2: weights(HIDDEN, CLASSES),
            b2: graph.zeros::<f32>(&[CLASSES]),
        };
        for parameter in [network.w1, network.b1, network.w2, network.b2] {
            parameter.set_requires_grad(true)?;
        }
        Ok(network)
    }

    /// One number a class; the largest is the network's answer.
    fn logits(&self, images: Var<'g>) -> Var<'g> {
        let hidden = (images.matmul(self.w1) + self.b1).relu();
        hidden.matmul(self.w2) + self.b2
    }

    /// The part of the images that the network reads right.
    fn accuracy(&self, graph: &'g Graph, digits: &Digits) -> Var<'g> {
        let images = graph.tensor(&digits.pixels, &[digits.labels.len(), PIXELS]);
        let labels = graph.tensor(&digits.labels, &[digits.labels.len()]);
        let answers = self.logits(images).argmax(Some(1), false);
        answers.eq(labels).cast(DType::F64).mean()
    }
}

/// Trains the network and returns its accuracy on images that it has not seen.
pub(crate) fn run(path: &Path) -> std::result::Result<f64, Box<dyn Error>> {
    let start = Instant::now();
    let digits = Digits::read(path)?;
    let mut random = Random(SEED);
    let mut numbers: Vec<usize> = (0..IMAGES).collect();
    random.shuffle(&mut numbers);
    let (train, test) = (digits.select(&numbers[..TRAIN]), digits.select(&numbers[TRAIN..]));

    // Everything is recorded once, and nothing is computed yet. Whoever reads a value below gets
    // it for the data that the leaves hold then: the batch that was written, the weights of now.
    let graph = Graph::new();
    graph.set_seed(SEED);
    let network = Network::new(&graph)?;
    let images = graph.zeros::<f32>(&[BATCH, PIXELS]);
    let labels = graph.zeros::<i64>(&[BATCH]);
    let loss = network.logits(images).cross_entropy(labels);
    let train_accuracy = network.accuracy(&graph, &train);
    let test_accuracy = network.accuracy(&graph, &test);

    for epoch in 1..=EPOCHS {
        // Smaller and smaller steps, so that the network comes to rest.
        let adam = Adam::new(RATE * (EPOCHS - epoch + 1) as f64 / EPOCHS as f64);
        random.shuffle(&mut numbers[..TRAIN]);
        let mut total = 0.0;
        for batch in numbers[..TRAIN].chunks_exact(BATCH) {
            let batch = digits.select(batch);
            images.write(&batch.pixels)?;
            labels.write(&batch.labels)?;
            graph.zero_grad();
            loss.backward()?;
            total += loss.item()?; // backward has computed it already
            adam.step(&graph)?;
        }
        println!(
            "epoch {epoch:2}  loss {:.12}  accuracy: train {:.3}, test {:.3}  {:.2} s",
            total / (TRAIN / BATCH) as f64,
            train_accuracy.item()?,
            test_accuracy.item()?,
            start.elapsed().as_secs_f64()
        );
    }

    let accuracy = test_accuracy.item()?;
    println!("{:.2} seconds, {} MB at most", start.elapsed().as_secs_f64(), peak_memory());
    println!("test accuracy {accuracy:.3}");
    Ok(accuracy)
}

/// The most memory this process had, in MB, where the system tells it as Linux does.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes =
        line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kilobytes.map_or("unknown".into(), |kb| format!("{:.1}", kb as f64 / 1024.0))
}

fn main() -> ExitCode {
    let default = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/data/digits.csv"));
    let path = std::env::args_os().nth(1).map_or_else(default, PathBuf::from);
    match run(&path) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("digits: {error}");
            ExitCode::FAILURE
        }
    }
}
