//! A nonlinear regression: Rat43 of NIST's Statistical Reference Datasets, onion growth by a curve of
//! four parameters, from far away.
//!
//!     cargo run --release --example fit

use bumpgrad::{Graph, LevenbergMarquardt, Result};

const WEIGHTS: [f64; 15] = [
    16.08, 33.83, 65.80, 97.20, 191.55, 326.20, 386.87, 520.53, 590.03, 651.92, 724.93, 699.56,
    689.96, 637.56, 717.41,
];
const START: [f64; 4] = [100.0, 10.0, 1.0, 1.0];
const CERTIFIED: [f64; 4] =
    [6.9964151270E+02, 5.2771253025E+00, 7.5962938329E-01, 1.2792483859E+00];

fn main() -> Result<()> {
    let graph = Graph::new();
    let days = graph.tensor(&std::array::from_fn::<f64, 15, _>(|i| 1.0 + i as f64), &[15]);
    let weights = graph.tensor(&WEIGHTS, &[15]);
    let b = START.map(|b| graph.param(&[b], &[]));
    let model = b[0] / (1.0 + (b[1] - b[2] * days).exp()).pow(1.0 / b[3]);
    let fit = LevenbergMarquardt::default().fit(model - weights, &b)?;
    println!("{} steps, {} evaluations: {:?}", fit.iterations, fit.evaluations, fit.ended);
    println!("sum of squares {:.10e}", fit.value);
    for (i, (b, certified)) in b.iter().zip(CERTIFIED).enumerate() {
        println!("b{} {:.10e}, certified {certified:.10e}", i + 1, b.item()?);
        assert!((b.item()? - certified).abs() <= 1e-10 * certified);
    }
    Ok(())
}
