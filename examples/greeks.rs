//! Greeks of a book of options, in thousands of scenarios.
//!
//!     cargo run --release --example greeks [folder]
//!
//! The price of one option is recorded once, as in a textbook. `vmap` makes a book of it, `grad` the
//! Greeks of the book, and `vmap` again has them for all scenarios; all of that is checked against the
//! formulas in closed form. The picture goes to the folder (default: target/pictures).
//! `examples/c/greeks.c` is the same program in C, without the picture.

mod plot;

use std::error::Error;
use std::f64::consts::{PI, SQRT_2};
use std::path::Path;
use std::process::ExitCode;

use bumpgrad::{Graph, Var};

use plot::{Legend, Panel, Series, Style};

/// Options in the book.
const OPTIONS: usize = 100;

/// Scenarios: each of these spot prices, from 51 to 150, with each volatility, from 10 to 49 per cent.
const SPOTS: usize = 100;
const VOLATILITIES: usize = 40;
const SCENARIOS: usize = SPOTS * VOLATILITIES;

const NAMES: [&str; 5] = ["price", "delta", "vega", "gamma", "rho"];

/// The price of a European call (`kind` 1) or put (-1) after F. Black and M. Scholes, 1973.
fn price<'g>(
    kind: Var<'g>,
    strike: Var<'g>,
    time: Var<'g>,
    spot: Var<'g>,
    volatility: Var<'g>,
    rate: Var<'g>,
) -> Var<'g> {
    let deviation = volatility * time.sqrt();
    let drift = (rate + volatility * volatility / 2.0) * time;
    let d1 = ((spot / strike).log() + drift) / deviation;
    let d2 = d1 - deviation;
    let discounted = strike * (-(rate * time)).exp();
    kind * (spot * (kind * d1).ndtr() - discounted * (kind * d2).ndtr())
}

/// One option in plain numbers.
#[derive(Clone, Copy)]
struct Terms {
    kind: f64,
    strike: f64,
    time: f64,
    quantity: f64,
}

/// The same price and its Greeks in closed form, in the order of [`NAMES`].
fn closed_form(option: Terms, spot: f64, volatility: f64, rate: f64) -> [f64; 5] {
    let Terms { kind, strike, time, .. } = option;
    let normal = |x: f64| 0.5 * libm::erfc(-x / SQRT_2);
    let deviation = volatility * time.sqrt();
    let d1 = ((spot / strike).ln() + (rate + volatility * volatility / 2.0) * time) / deviation;
    let (n1, n2) = (normal(kind * d1), normal(kind * (d1 - deviation)));
    let discounted = strike * (-rate * time).exp();
    let density = (-d1 * d1 / 2.0).exp() / (2.0 * PI).sqrt();
    [
        kind * (spot * n1 - discounted * n2),
        kind * n1,
        spot * density * time.sqrt(),
        density / (spot * deviation),
        kind * discounted * time * n2,
    ]
}

/// Calls and puts, bought and sold, with strikes from 60 to 140 and up to two years to go.
fn book() -> Vec<Terms> {
    (0..OPTIONS)
        .map(|i| Terms {
            kind: if i % 2 == 0 { 1.0 } else { -1.0 },
            strike: 60.0 + 4.0 * (i % 21) as f64,
            time: 0.25 * (1 + i % 8) as f64,
            quantity: (7 * i % 11) as f64 - 4.0,
        })
        .collect()
}

/// All of it; the picture goes to this folder.
pub(crate) fn run(folder: &Path) -> Result<(), Box<dyn Error>> {
    let graph = Graph::new();
    let parameter = |value: f64| graph.param(&[value], &[]);
    let (kind, strike, time) = (parameter(1.0), parameter(100.0), parameter(1.0));
    let (spot, volatility, rate) = (parameter(100.0), parameter(0.2), parameter(0.05));
    let one = price(kind, strike, time, spot, volatility, rate);

    // A value, its slopes, and the slope of a slope, as nodes.
    let greeks = |value| -> Result<[Var<'_>; 5], bumpgrad::Error> {
        let slopes = graph.grad(&[(value, None)], &[spot, volatility, rate])?;
        let gamma = graph.grad(&[(slopes[0], None)], &[spot])?[0];
        Ok([value, slopes[0], slopes[1], gamma, slopes[2]])
    };
    let of_one = greeks(one)?;

    // The book: the terms become vectors; what the market says is shared by all options.
    let book = book();
    let column = |field: fn(&Terms) -> f64| {
        let numbers: Vec<f64> = book.iter().map(field).collect();
        graph.tensor(&numbers, &[OPTIONS])
    };
    let terms = [
        (kind, column(|option| option.kind)),
        (strike, column(|option| option.strike)),
        (time, column(|option| option.time)),
    ];
    let prices = graph.vmap(&[one], &terms)?[0];
    let value = prices.dot(column(|option| option.quantity));
    let of_book = greeks(value)?;

    // Scenarios: now what the market says becomes vectors.
    let of = |scenario: usize| {
        (51.0 + (scenario % SPOTS) as f64, 0.1 + 0.01 * (scenario / SPOTS) as f64)
    };
    let (spots, volatilities): (Vec<f64>, Vec<f64>) = (0..SCENARIOS).map(of).unzip();
    let market = [
        (spot, graph.tensor(&spots, &[SCENARIOS])),
        (volatility, graph.tensor(&volatilities, &[SCENARIOS])),
    ];
    let of_scenarios = graph.vmap(&of_book, &market)?;

    // Read when all is recorded: what is recorded after a reading may hold for that value only, which vmap
    // refuses.
    println!("One call, at the money, a year to go:");
    let known = [10.450584, 0.636831, 37.524035, 0.018762, 53.232482];
    for ((node, name), wanted) in of_one.iter().zip(NAMES).zip(known) {
        println!("{name:6} {:10.6}", node.item()?);
        assert!((node.item()? - wanted).abs() < 5e-7, "{name}");
    }
    let mut found = Vec::new();
    for node in of_scenarios {
        found.push(node.to_vec::<f64>()?);
    }

    // In proportion to what the single options amount to, since bought and sold ones cancel.
    let mut worst = 0f64;
    for scenario in 0..SCENARIOS {
        let (mut net, mut gross) = ([0.0; 5], [0.0; 5]);
        for &option in &book {
            let each = closed_form(option, spots[scenario], volatilities[scenario], 0.05);
            for i in 0..5 {
                net[i] += option.quantity * each[i];
                gross[i] += (option.quantity * each[i]).abs();
            }
        }
        for i in 0..5 {
            worst = worst.max((found[i][scenario] - net[i]).abs() / gross[i]);
        }
    }
    assert!(worst < 1e-12, "{worst:e}");
    println!("\nA book of {OPTIONS} options in {SCENARIOS} scenarios, right to 12 digits:");
    println!(
        "  spot  vol. {:>10} {:>10} {:>10} {:>10} {:>10}",
        "value", "delta", "vega", "gamma", "rho"
    );
    for scenario in [1024, 1049, 1074, 3024, 3049, 3074] {
        print!("{:6.0}  {:.2}", spots[scenario], volatilities[scenario]);
        for numbers in &found {
            print!(" {:10.3}", numbers[scenario]);
        }
        println!();
    }

    let path = draw(folder, &spots, &found)?;
    eprintln!("{path}");
    Ok(())
}

/// Value, delta, vega and gamma by spot price, for three volatilities.
fn draw(folder: &Path, spots: &[f64], found: &[Vec<f64>]) -> Result<String, Box<dyn Error>> {
    let lines = [("10 %", 0), ("20 %", 10), ("40 %", 30)];
    let titles = [
        ("Value of the book", Legend::UpperMiddle),
        ("Delta", Legend::UpperLeft),
        ("Vega", Legend::LowerMiddle),
        ("Gamma", Legend::UpperRight),
    ];
    let panels: Vec<Panel> = titles
        .into_iter()
        .zip(found)
        .map(|((title, legend), numbers)| {
            let rows = lines.map(|(name, row)| (name, row * SPOTS..(row + 1) * SPOTS));
            let all = rows.iter().flat_map(|(_, row)| &numbers[row.clone()]);
            let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &y| {
                (low.min(y), high.max(y))
            });
            let margin = 0.05 * (high - low);
            Panel {
                title,
                x_name: "spot price",
                x: 50.0..150.01,
                y: low - margin..high + margin,
                legend,
                series: rows
                    .map(|(name, row)| {
                        Series::new(name, Style::Line, &spots[row.clone()], &numbers[row])
                    })
                    .into(),
            }
        })
        .collect();
    Ok(plot::draw(folder, "greeks.svg", &panels)?.display().to_string())
}

fn main() -> ExitCode {
    let folder = std::env::args_os().nth(1).unwrap_or_else(|| "target/pictures".into());
    match run(Path::new(&folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("greeks: {error}");
            ExitCode::FAILURE
        }
    }
}
