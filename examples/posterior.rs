//! How likely were the seals of the space shuttle to fail in the cold? Bayesian logistic regression, by
//! Laplace's approximation and by Hamiltonian Monte Carlo.
//!
//!     cargo run --release --example posterior [folder]
//!
//! The minus log density of the posterior is recorded once. Newton's method finds its lowest point with
//! `hessian`; Laplace takes the Hessian there for the inverse covariance of a normal distribution. The
//! chains start from that, in its coordinates, and all of them take each step at once: `vmap`. Both are
//! compared with the posterior itself, on a fine grid. The picture goes to the folder (default:
//! target/pictures). `examples/c/posterior.c` is the same program in C, without the picture.

mod plot;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use bumpgrad::{Graph, Reduce, Var};

use plot::{Legend, Panel, Series, Style};

type Failure = Box<dyn Error>;
type Pair = [f64; 2];

const FLIGHTS: usize = 23;

/// Both parameters are normal with this deviation before the flights are seen.
const PRIOR_DEVIATION: f64 = 5.0;

/// In degrees Fahrenheit: the morning of the last flight, 28 January 1986.
const COLD: f64 = 31.0;

const CHAINS: usize = 64;
const DRAWS: usize = 200;
/// What is thrown away first.
const WARM_UP: usize = 20;
/// In the coordinates of Laplace's approximation, most of the posterior is nearly the normal
/// distribution, where a quarter of a turn forgets the start: 8 steps make about that.
const LEAPS: usize = 8;
const STEP: f64 = 0.2;

/// Points of the grid along each axis, from -8 to 8 deviations.
const GRID: usize = 161;

/// Temperatures, and whether at least one seal was damaged.
fn read(path: &Path) -> Result<(Vec<f64>, Vec<f64>), Failure> {
    let name = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
    let (mut temperatures, mut damaged) = (Vec::new(), Vec::new());
    for (i, line) in text.lines().enumerate() {
        let fields = line.split_once(',').and_then(|(temperature, seals)| {
            Some((temperature.parse::<f64>().ok()?, seals.parse::<u8>().ok()?))
        });
        let (temperature, seals) =
            fields.ok_or_else(|| format!("{name}:{}: two numbers expected", i + 1))?;
        temperatures.push(temperature);
        damaged.push(f64::from(seals.min(1)));
    }
    match temperatures.len() {
        FLIGHTS => Ok((temperatures, damaged)),
        len => Err(format!("{name}: {FLIGHTS} lines expected, not {len}").into()),
    }
}

/// Temperatures around 70 degrees, in tens, so that both parameters are of the same size.
fn scaled(temperature: f64) -> f64 {
    (temperature - 70.0) / 10.0
}

/// The chance of damage for an intercept and a slope.
fn chance([intercept, slope]: Pair, temperature: f64) -> f64 {
    1.0 / (1.0 + (-intercept - slope * scaled(temperature)).exp())
}

/// The minus log density and its derivatives, all of them nodes.
struct Model<'g> {
    /// Intercept and slope.
    parameters: Var<'g>,
    /// 1 / variance of the prior; 0 for none.
    precision: Var<'g>,
    energy: Var<'g>,
    gradient: Var<'g>,
    hessian: Var<'g>,
}

impl<'g> Model<'g> {
    fn new(graph: &'g Graph, temperatures: &[f64], damaged: &[f64]) -> bumpgrad::Result<Self> {
        let rows: Vec<f64> = temperatures.iter().flat_map(|&t| [1.0, scaled(t)]).collect();
        let rows = graph.tensor(&rows, &[FLIGHTS, 2]);
        let damaged = graph.tensor(damaged, &[FLIGHTS]);
        let parameters = graph.param(&[0.0, 0.0], &[2]);
        let precision = graph.scalar(0.0);
        let misfit = rows.matmul(parameters).bce_with_logits(damaged, Reduce::Sum);
        let energy = misfit + 0.5 * precision * parameters.dot(parameters);
        let gradient = graph.grad(&[(energy, None)], &[parameters])?[0];
        let hessian = graph.hessian(energy, parameters);
        Ok(Self { parameters, precision, energy, gradient, hessian })
    }

    /// The lowest point, by Newton's method, and the inverse of the Hessian there.
    fn lowest(&self) -> bumpgrad::Result<(Pair, [f64; 4])> {
        let (mut at, mut moved) = ([0.0; 2], [0.0; 2]);
        for _ in 0..20 {
            self.parameters.write(&at)?;
            self.gradient.read_into(&mut moved)?;
            let inverse = inverse(self.hessian)?;
            let step = [
                inverse[0] * moved[0] + inverse[1] * moved[1],
                inverse[2] * moved[0] + inverse[3] * moved[1],
            ];
            at = [at[0] - step[0], at[1] - step[1]];
            if step[0].abs() + step[1].abs() < 1e-12 {
                return Ok((at, inverse));
            }
        }
        panic!("Newton's method converges from 0 where the two kinds of flights overlap");
    }
}

fn inverse(matrix: Var<'_>) -> bumpgrad::Result<[f64; 4]> {
    let mut m = [0.0; 4];
    matrix.read_into(&mut m)?;
    let determinant = m[0] * m[3] - m[1] * m[2];
    Ok([m[3], -m[1], -m[2], m[0]].map(|x| x / determinant))
}

/// Mean and deviation of each parameter, and the chance of damage in the cold.
struct Summary {
    mean: Pair,
    deviation: Pair,
    cold: f64,
}

impl Summary {
    fn new(points: &[Pair], weight: impl Fn(usize) -> f64) -> Self {
        let (mut total, mut mean, mut square, mut cold) = (0.0, [0.0; 2], [0.0; 2], 0.0);
        for (i, point) in points.iter().enumerate() {
            let weight = weight(i);
            total += weight;
            cold += weight * chance(*point, COLD);
            for k in 0..2 {
                mean[k] += weight * point[k];
                square[k] += weight * point[k] * point[k];
            }
        }
        let mean = mean.map(|sum| sum / total);
        let deviation = [0, 1].map(|k| (square[k] / total - mean[k] * mean[k]).sqrt());
        Self { mean, deviation, cold: cold / total }
    }

    fn print(&self, name: &str) {
        println!(
            "{name:8} {:6.2} +- {:4.2}  {:6.2} +- {:4.2}    {:.3}",
            self.mean[0], self.deviation[0], self.mean[1], self.deviation[1], self.cold
        );
    }
}

/// Normal coordinates z: a point is `mode` + z `factor`', with the Cholesky factor of the covariance.
struct Normal {
    mode: Pair,
    /// a, b, d of [[a, 0], [b, d]].
    factor: [f64; 3],
}

impl Normal {
    fn new(mode: Pair, covariance: [f64; 4]) -> Self {
        let a = covariance[0].sqrt();
        let b = covariance[2] / a;
        Self { mode, factor: [a, b, (covariance[3] - b * b).sqrt()] }
    }

    fn point(&self, z: Pair) -> Pair {
        let [a, b, d] = self.factor;
        [self.mode[0] + a * z[0], self.mode[1] + (b * z[0] + d * z[1])]
    }

    /// As nodes, for rows of coordinates.
    fn points<'g>(&self, z: Var<'g>) -> Var<'g> {
        let [a, b, d] = self.factor;
        let graph = z.graph();
        z.matmul(graph.tensor(&[a, b, 0.0, d], &[2, 2])) + graph.tensor(&self.mode, &[2])
    }
}

/// Draws of all chains, one chain's draws after the other's. Also the share of moves that were accepted.
fn sample(graph: &Graph, model: &Model<'_>, laplace: &Normal) -> Result<(Vec<Pair>, f64), Failure> {
    // Energy and gradient of all chains at once.
    let position = graph.normal::<f64>(&[CHAINS, 2], 0.0, 1.0);
    position.set_requires_grad(true)?;
    let batch = [(model.parameters, laplace.points(position))];
    let energy = graph.vmap(&[model.energy], &batch)?[0];
    let slope = graph.grad(&[(energy.sum(), None)], &[position])?[0];
    let rounds = WARM_UP + DRAWS;
    let momenta = graph.normal::<f64>(&[rounds, 2 * CHAINS], 0.0, 1.0).to_vec::<f64>()?;
    let uniform = graph.uniform::<f64>(&[rounds, CHAINS], 0.0, 1.0).to_vec::<f64>()?;

    let mut z: Vec<f64> = position.to_vec()?;
    let mut gradient: Vec<f64> = slope.to_vec()?;
    let mut energies: Vec<f64> = energy.to_vec()?;
    let mut draws = vec![[0.0; 2]; CHAINS * DRAWS];
    let mut accepted = 0;
    for round in 0..rounds {
        let mut p = momenta[round * 2 * CHAINS..(round + 1) * 2 * CHAINS].to_vec();
        let kinetic =
            |p: &[f64], c: usize| 0.5 * (p[2 * c] * p[2 * c] + p[2 * c + 1] * p[2 * c + 1]);
        let start: Vec<f64> = (0..CHAINS).map(|c| energies[c] + kinetic(&p, c)).collect();
        let (old_z, old_gradient, old_energies) = (z.clone(), gradient.clone(), energies.clone());
        // Leapfrog: half a step of the momenta, steps of both in turn, and half a step less at the end.
        for i in 0..2 * CHAINS {
            p[i] -= 0.5 * STEP * gradient[i];
        }
        for leap in 1..=LEAPS {
            for i in 0..2 * CHAINS {
                z[i] += STEP * p[i];
            }
            position.write(&z)?;
            slope.read_into(&mut gradient)?;
            let part = if leap < LEAPS { STEP } else { 0.5 * STEP };
            for i in 0..2 * CHAINS {
                p[i] -= part * gradient[i];
            }
        }
        energy.read_into(&mut energies)?;
        for c in 0..CHAINS {
            // What the steps have got wrong in the total energy is made good here (Metropolis).
            let gain = start[c] - (energies[c] + kinetic(&p, c));
            let here = 2 * c..2 * c + 2;
            if uniform[round * CHAINS + c].ln() < gain {
                accepted += 1;
            } else {
                z[here.clone()].copy_from_slice(&old_z[here.clone()]);
                gradient[here.clone()].copy_from_slice(&old_gradient[here]);
                energies[c] = old_energies[c];
            }
            if round >= WARM_UP {
                draws[c * DRAWS + round - WARM_UP] = laplace.point([z[2 * c], z[2 * c + 1]]);
            }
        }
    }
    Ok((draws, f64::from(accepted) / (rounds * CHAINS) as f64))
}

/// The posterior itself: its density at the points of a grid, by `vmap`.
fn exact(graph: &Graph, model: &Model<'_>, laplace: &Normal) -> Result<Summary, Failure> {
    let axis = |i: usize| (i as f64 - 80.0) / 10.0;
    let z: Vec<Pair> = (0..GRID * GRID).map(|i| [axis(i / GRID), axis(i % GRID)]).collect();
    let grid = graph.tensor(z.as_flattened(), &[GRID * GRID, 2]);
    let energy = graph.vmap(&[model.energy], &[(model.parameters, laplace.points(grid))])?[0];
    let density = (-(energy - energy.amin())).exp().to_vec::<f64>()?;
    let points: Vec<Pair> = z.iter().map(|&z| laplace.point(z)).collect();
    Ok(Summary::new(&points, |i| density[i]))
}

/// The standard error of a mean over all draws, from how the means of single chains scatter.
fn standard_error(draws: &[Pair], k: usize) -> f64 {
    let mean = |chain: &[Pair]| chain.iter().map(|draw| draw[k]).sum::<f64>() / DRAWS as f64;
    let means: Vec<f64> = draws.chunks(DRAWS).map(mean).collect();
    let centre = means.iter().sum::<f64>() / CHAINS as f64;
    let squares: f64 = means.iter().map(|mean| (mean - centre) * (mean - centre)).sum();
    (squares / (CHAINS * (CHAINS - 1)) as f64).sqrt()
}

/// All of it; the picture goes to this folder.
pub(crate) fn run(folder: &Path) -> Result<(), Failure> {
    let data = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/data/orings.csv"));
    let (temperatures, damaged) = read(data)?;
    let graph = Graph::new();
    let model = Model::new(&graph, &temperatures, &damaged)?;

    // Without the prior, the lowest point is the maximum of the likelihood, which books have.
    let (at, covariance) = model.lowest()?;
    let slope = at[1] / 10.0;
    let intercept = at[0] - 70.0 * slope;
    let errors = [
        (covariance[0] - 14.0 * covariance[1] + 49.0 * covariance[3]).sqrt(),
        covariance[3].sqrt() / 10.0,
    ];
    println!("Maximum likelihood, in degrees Fahrenheit, with standard errors:");
    println!("intercept {intercept:.4} ({:.4}), slope {slope:.4} ({:.4})", errors[0], errors[1]);
    for (found, known) in
        [(intercept, 15.0429), (slope, -0.2322), (errors[0], 7.3786), (errors[1], 0.1082)]
    {
        assert!((found - known).abs() < 5e-5, "{found}");
    }

    model.precision.write(&[1.0 / (PRIOR_DEVIATION * PRIOR_DEVIATION)])?;
    let (mode, covariance) = model.lowest()?;
    let normal = Normal::new(mode, covariance);
    let laplace = Summary {
        mean: mode,
        deviation: [covariance[0].sqrt(), covariance[3].sqrt()],
        cold: chance(mode, COLD),
    };
    let (draws, accepted) = sample(&graph, &model, &normal)?;
    let sampled = Summary::new(&draws, |_| 1.0);
    let exact = exact(&graph, &model, &normal)?;
    println!("\nPosterior, of temperatures in tens of degrees around 70:");
    println!("            intercept          slope         damage at 31");
    laplace.print("Laplace");
    sampled.print("HMC");
    exact.print("exact");
    println!("accepted: {:.1} %", 100.0 * accepted);

    assert!(accepted > 0.95, "{accepted}");
    for k in 0..2 {
        let error = standard_error(&draws, k);
        assert!(error < 0.02 * exact.deviation[k], "{CHAINS} chains mix well: {error}");
        assert!((sampled.mean[k] - exact.mean[k]).abs() < 4.0 * error, "parameter {k}");
        assert!((sampled.deviation[k] / exact.deviation[k] - 1.0).abs() < 0.05, "parameter {k}");
        // The posterior is skewed: its mean is not its mode.
        assert!((laplace.mean[k] - exact.mean[k]).abs() > 4.0 * error, "parameter {k}");
    }
    assert!((sampled.cold - exact.cold).abs() < 0.005);

    eprintln!("{}", draw(folder, &temperatures, &damaged, &normal, &draws)?);
    Ok(())
}

fn draw(
    folder: &Path,
    temperatures: &[f64],
    damaged: &[f64],
    normal: &Normal,
    draws: &[Pair],
) -> Result<String, Failure> {
    // The median and nine tenths of the curves that are drawn.
    let degrees: Vec<f64> = (30..=85).map(f64::from).collect();
    let quantiles = |at: f64| -> Vec<f64> {
        let quantile = |&degrees: &f64| {
            let mut chances: Vec<f64> = draws.iter().map(|&draw| chance(draw, degrees)).collect();
            chances.sort_by(f64::total_cmp);
            chances[(at * chances.len() as f64) as usize]
        };
        degrees.iter().map(quantile).collect()
    };
    let mut band = Series::new("90 %", Style::Area, &degrees, &quantiles(0.05));
    let upper = Series::new("", Style::Area, &degrees, &quantiles(0.95));
    band.points.extend(upper.points.iter().rev());

    let circle = (0..=100).map(|i| f64::from(i) * std::f64::consts::TAU / 100.0);
    let ellipse = circle.map(|angle| normal.point([2.0 * angle.cos(), 2.0 * angle.sin()]));
    let pairs = |points: Vec<Pair>| points.into_iter().map(|[x, y]| (x, y)).collect();
    let panels = [
        Panel {
            title: "Chance of damage, and the flights",
            x_name: "degrees Fahrenheit",
            x: 30.0..85.01,
            y: -0.05..1.06,
            legend: Legend::LowerLeft,
            series: vec![
                band,
                Series::new("median", Style::Line, &degrees, &quantiles(0.5)),
                Series::new("", Style::Points, temperatures, damaged),
            ],
        },
        Panel {
            title: "Slope by intercept: draws, and Laplace's ellipse",
            x_name: "intercept",
            x: -4.5..1.5,
            y: -8.0..1.0,
            legend: Legend::LowerRight,
            series: vec![
                Series {
                    name: "draws",
                    style: Style::Points,
                    points: pairs(draws.iter().step_by(40).copied().collect()),
                },
                Series {
                    name: "2 deviations",
                    style: Style::Line,
                    points: pairs(ellipse.collect()),
                },
            ],
        },
    ];
    Ok(plot::draw(folder, "posterior.svg", &panels)?.display().to_string())
}

fn main() -> ExitCode {
    let folder = std::env::args_os().nth(1).unwrap_or_else(|| "target/pictures".into());
    match run(Path::new(&folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("posterior: {error}");
            ExitCode::FAILURE
        }
    }
}
