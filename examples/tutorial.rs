//! What every introduction to automatic differentiation shows, in nine short lessons. Each claim is
//! checked where it is made.
//!
//!     cargo run --release --example tutorial [folder]
//!
//! The pictures go to the folder (default: target/pictures). `examples/c/tutorial.c` is the same program
//! in C, without pictures, and says the same.

mod plot;

use std::error::Error;
use std::path::Path;
use std::process::{Command, ExitCode};

use bumpgrad::{Custom, Graph, Result, Var};

use plot::{Legend, Panel, Series, Style};

type Lesson = std::result::Result<(), Box<dyn Error>>;

/// These numbers, to within a relative tolerance.
fn near(x: Var<'_>, tolerance: f64, wanted: &[f64]) -> Result<bool> {
    let found = x.to_vec::<f64>()?;
    let close = |(a, b): (&f64, &f64)| (a - b).abs() <= tolerance * b.abs();
    Ok(found.len() == wanted.len() && found.iter().zip(wanted).all(close))
}

/// The gradient of 2 x.x is 4 x, whether x is a column or a vector.
fn first_gradient() -> Lesson {
    println!("1. The gradient of 2 x.x");
    let graph = Graph::new();
    let x = graph.param(&[0.0, 1.0, 2.0, 3.0], &[4, 1]);
    let y = 2.0 * x.transpose(0, 1).matmul(x);
    y.backward()?;
    let dx = x.grad_tensor()?.expect("backward has set it");
    println!("column: y = {y}, dy/dx =\n{dx}");
    assert_eq!(y.to_vec::<f64>()?, [28.0]);
    assert_eq!((dx.shape()?, dx.to_vec::<f64>()?), (vec![4, 1], vec![0.0, 4.0, 8.0, 12.0]));

    let x = graph.param(&[0.0, 1.0, 2.0, 3.0], &[4]);
    let y = 2.0 * x.dot(x);
    y.backward()?;
    let dx = x.grad_tensor()?.expect("backward has set it");
    println!("vector: y = {y}, dy/dx = {dx}");
    assert_eq!(y.item()?, 28.0);
    assert_eq!(dx.to_vec::<f64>()?, (4.0 * x).to_vec::<f64>()?);
    Ok(())
}

/// The derivative of the sine, for which nobody needs to know the cosine.
fn sine(folder: &Path) -> Lesson {
    println!("\n2. The sine and its derivative");
    let graph = Graph::new();
    let x = graph.linspace::<f64>(-10.0, 10.0, 401);
    x.set_requires_grad(true)?;
    let y = x.sin();
    // Each y depends on its own x only, so the gradient of the sum holds all derivatives.
    y.sum().backward()?;
    let dx = x.grad_tensor()?.expect("backward has set it");
    println!("at 0: {:.6}", dx.select(0, 200).item()?);
    assert_eq!(dx.select(0, 200).item()?, 1.0);
    // It is the sine a quarter of a turn ahead, and what the difference quotient comes to.
    let ahead = (x + std::f64::consts::FRAC_PI_2).sin();
    let quotient = ((x + 1e-5).sin() - (x - 1e-5).sin()) / 2e-5;
    assert!((dx - ahead).abs().amax().item()? < 1e-14);
    assert!((dx - quotient).abs().amax().item()? < 1e-9);

    let xs = x.to_vec()?;
    let picture = plot::draw(
        folder,
        "sine.svg",
        &[Panel {
            title: "The sine and its derivative",
            x_name: "x",
            x: -10.0..10.01,
            y: -1.2..1.8,
            legend: Legend::UpperRight,
            series: vec![
                Series::new("sin x", Style::Line, &xs, &y.to_vec()?),
                Series::new("its derivative", Style::Line, &xs, &dx.to_vec()?),
            ],
        }],
    )?;
    eprintln!("{}", picture.display());
    Ok(())
}

/// ln(x^2) sin x + 1/x: what was recorded, and the derivative beside the one from a book.
fn function(folder: &Path) -> Lesson {
    println!("\n3. ln(x^2) sin x + 1/x");
    let graph = Graph::new();
    let x = graph.linspace::<f64>(-10.0, 10.0, 400).label("x"); // without 0
    x.set_requires_grad(true)?;
    let f = ((x * x).log() * x.sin() + x.reciprocal()).label("f");
    // The recording is the graph of dependencies: as text, and as a drawing for Graphviz.
    print!("{}", graph.to_text());
    let dot = graph.to_dot();
    assert!(["log", "sin", "mul", "add"].iter().all(|name| dot.contains(name)), "{dot}");
    assert_eq!(dot.matches(" -> ").count(), 9, "{dot}");
    std::fs::create_dir_all(folder)?;
    let drawing = folder.join("function.dot");
    std::fs::write(&drawing, dot)?;
    let graphviz = Command::new("dot").args(["-Tsvg", "-O"]).arg(&drawing).status();
    if graphviz.is_ok_and(|status| status.success()) {
        eprintln!("{}.svg", drawing.display());
    } else {
        eprintln!("{}, without Graphviz not drawn", drawing.display());
    }

    f.sum().backward()?;
    let dx = x.grad_tensor()?.expect("backward has set it");
    let by_hand = 2.0 * x.sin() / x + (x * x).log() * x.cos() - 1.0 / (x * x);
    let off = ((dx - by_hand) / (1.0 + by_hand.abs())).abs().amax().item()?;
    println!("the derivative by hand is the same to 14 digits: {}", off < 1e-14);
    assert!(off < 1e-14, "{off}");

    let xs = x.to_vec()?;
    let curve = |name, style, ys: Var<'_>| -> Result<Series> {
        Ok(Series::new(name, style, &xs, &ys.to_vec()?))
    };
    let picture = plot::draw(
        folder,
        "function.svg",
        &[
            Panel {
                title: "f(x) = ln(x²) sin x + 1/x",
                x_name: "x",
                x: -10.0..10.01,
                y: -8.0..8.0,
                legend: Legend::UpperRight,
                series: vec![curve("", Style::Line, f)?],
            },
            Panel {
                title: "Its derivative",
                x_name: "x",
                x: -10.0..10.01,
                y: -8.0..8.0,
                legend: Legend::UpperMiddle,
                series: vec![
                    curve("computed", Style::Line, dx)?,
                    curve("by hand", Style::Dashes, by_hand)?,
                ],
            },
        ],
    )?;
    eprintln!("{}", picture.display());
    Ok(())
}

/// Doubles 2 x until it is long, and makes it a hundred times longer if its sum is not positive. Which
/// operations are recorded is decided by values: reading them is all that it takes.
fn doubled(x: Var<'_>) -> Result<Var<'_>> {
    let mut y = x * 2.0;
    while y.norm(2.0, &[], false).item()? < 1000.0 {
        y = y * 2.0;
    }
    Ok(if y.sum().item()? > 0.0 { y } else { 100.0 * y })
}

/// Loops and branches of the program are differentiated by what they did.
fn control_flow(folder: &Path) -> Lesson {
    println!("\n4. Control flow");
    let graph = Graph::new();
    let a = graph.param(&[0.0], &[]);
    // The value and the slope at a point. Other points may take other ways, so each is recorded anew,
    // and dropped.
    let at = |point: f64| -> Result<(f64, f64)> {
        let mark = graph.mark();
        a.write(&[point])?;
        let y = doubled(a)?;
        let slope = graph.grad(&[(y, None)], &[a])?[0];
        let found = (y.item()?, slope.item()?);
        graph.rewind(mark)?;
        Ok(found)
    };
    for (point, wanted) in
        [(0.1136, 16384.0), (1.2009, 1024.0), (-0.1136, 1638400.0), (-0.7, 204800.0)]
    {
        let (value, slope) = at(point)?;
        println!("at {point:7.4}: f = {value:12.4}, slope {slope:.0}");
        assert_eq!((slope, slope), (wanted, value / point)); // f is linear there
    }
    assert_eq!(graph.len(), 1, "all but the leaf was dropped");

    // A point that is not finite ends a curve: between points that took different ways.
    let (mut points, mut values, mut slopes) = (Vec::new(), Vec::new(), Vec::new());
    let mut before = f64::NAN;
    for i in -200..200 {
        let point = (f64::from(i) + 0.5) / 50.0;
        let (value, slope) = at(point)?;
        if slope != before {
            points.push(f64::NAN);
            values.push(f64::NAN);
            slopes.push(f64::NAN);
        }
        points.push(point);
        values.push(value / 1000.0);
        slopes.push(slope.log10());
        before = slope;
    }
    let picture = plot::draw(
        folder,
        "branches.svg",
        &[
            Panel {
                title: "Doubled until 1000, in thousands",
                x_name: "a",
                x: 0.0..4.01,
                y: 0.0..2.5,
                legend: Legend::UpperRight,
                series: vec![Series::new("", Style::Line, &points, &values)],
            },
            Panel {
                title: "Slope, as a power of 10",
                x_name: "a",
                x: -4.0..4.01,
                y: 0.0..8.0,
                legend: Legend::UpperRight,
                series: vec![Series::new("", Style::Line, &points, &slopes)],
            },
        ],
    )?;
    eprintln!("{}", picture.display());
    Ok(())
}

/// A tensor has no gradient but for a weighing of its elements, the head gradient: the result is that
/// vector times the Jacobian, which is never made.
fn heads() -> Lesson {
    println!("\n5. Head gradients");
    let graph = Graph::new();
    let x = graph.param(&[0.0, 1.0, 2.0, 3.0], &[4]);
    let z = (2.0 * x) * x;
    z.backward_with(graph.tensor(&[10.0, 1.0, 0.1, 0.01], &[4]))?;
    let dx = x.grad_tensor()?.expect("backward has set it");
    println!("2 x^2 weighed by 10, 1, .1, .01: {dx}");
    assert!(near(dx, 1e-15, &[0.0, 4.0, 0.8, 0.12])?);
    let refused = z.backward().unwrap_err();
    println!("without weights: {}", refused.message().split(": ").nth(1).unwrap_or_default());
    assert!(refused.message().contains("only for scalar outputs"), "{refused}");

    let x = graph.param(&[0.5, -0.3, 0.2], &[3]);
    let y = doubled(x)?;
    let v = graph.tensor(&[0.1, 1.0, 0.0001], &[3]);
    let vjp = graph.grad(&[(y, Some(v))], &[x])?[0];
    println!("doubled until long, by .1, 1, .0001: {vjp}");
    assert_eq!(vjp.to_vec::<f64>()?, [204.8, 2048.0, 0.2048]); // 2^11 v
    Ok(())
}

/// Backward adds to gradients until they are zeroed.
fn accumulation() -> Lesson {
    println!("\n6. Gradients add up");
    let graph = Graph::new();
    let x = graph.param(&[0.0, 1.0, 2.0, 3.0], &[4]);
    let gradient = || -> Result<Var<'_>> { Ok(x.grad_tensor()?.expect("backward has set it")) };
    assert_eq!(x.grad::<f64>()?, None, "before the first backward there is none");
    (2.0 * x.dot(x)).backward()?;
    println!("2 x.x: {}", gradient()?);
    x.sum().backward()?;
    println!("and the sum: {}", gradient()?);
    assert_eq!(gradient()?.to_vec::<f64>()?, [1.0, 5.0, 9.0, 13.0]);
    graph.zero_grad();
    x.sum().backward()?;
    println!("the sum alone: {}", gradient()?);
    assert_eq!(gradient()?.to_vec::<f64>()?, [1.0; 4]);
    Ok(())
}

/// `detach` is the same value, taken for a constant.
fn detached() -> Lesson {
    println!("\n7. Detach");
    let graph = Graph::new();
    let x = graph.param(&[0.0, 1.0, 2.0, 3.0], &[4]);
    let u = (x * x).detach();
    let z = u * x;
    z.sum().backward()?;
    let dx = x.grad_tensor()?.expect("backward has set it");
    println!("x^2 detached, times x: {dx}");
    assert_eq!(dx.to_vec::<f64>()?, u.to_vec::<f64>()?, "u, not 3 x^2");
    println!("{}", graph.why_no_grad(u.sum(), x)?);
    // It follows the leaf all the same.
    x.write(&[2.0; 4])?;
    assert_eq!(u.to_vec::<f64>()?, [4.0; 4]);
    Ok(())
}

/// What is recorded under `no_grad` requires no gradients.
fn without_gradients() -> Lesson {
    println!("\n8. No gradients");
    let graph = Graph::new();
    let x = graph.param(&[1.0], &[]);
    {
        let _guard = graph.no_grad();
        let y = x.pow_scalar(2.0);
        println!("inside: {}", y.requires_grad()?);
        assert!(!y.requires_grad()?);
        assert!(graph.param(&[1.0], &[]).requires_grad()?, "a leaf has its own setting");
    }
    let y = x.pow_scalar(2.0);
    println!("outside: {}", y.requires_grad()?);
    assert!(y.requires_grad()?);
    Ok(())
}

/// Dropout works in training mode only. Values that are recorded follow the mode.
fn training_and_evaluation() -> Lesson {
    println!("\n9. Training and evaluation");
    let graph = Graph::new();
    let x = graph.param(&[1.0; 1000], &[1000]);
    let mean = x.dropout(0.5).mean();
    assert!(graph.is_training());
    println!("training: {:.3}", mean.item()?);
    assert!((mean.item()? - 1.0).abs() < 0.15); // half are 0, and half are 2
    mean.backward()?;
    let kept = x.grad::<f64>()?.expect("backward has set it").iter().filter(|&&d| d != 0.0).count();
    assert_eq!(kept as f64 / 500.0, mean.item()?, "gradients go through what was kept");
    graph.set_training(false);
    println!("evaluation: {:.3}", mean.item()?);
    assert_eq!(mean.item()?, 1.0);
    Ok(())
}

/// A function with a backward of its own: here the rounding of a number, which has no slope worth the name,
/// with the slope of what it rounds ("straight through").
fn custom_function() -> Lesson {
    println!("\n10. A custom function with its own backward");
    let graph = Graph::new();
    let rounding = graph.custom(
        Custom::new("round_through", |x, y| {
            let y = y[0].data_mut::<f64>();
            y.iter_mut().zip(x[0].data::<f64>()).for_each(|(y, x)| *y = x.round());
            Ok(())
        })
        .vjp(|at, dx| {
            dx[0].data_mut::<f64>().copy_from_slice(at.cotangents[0].data());
            Ok(())
        }),
    );
    let x = graph.param(&[0.2, 1.6, -2.7], &[3]);
    let y = graph.apply(rounding, &[x]);
    println!("values: {y}");
    assert_eq!(y.to_vec::<f64>()?, [0.0, 2.0, -3.0]);
    y.square().sum().backward()?;
    println!("gradient: {}", x.grad_tensor()?.expect("backward has set it"));
    assert_eq!(x.grad::<f64>()?, Some(vec![0.0, 4.0, -6.0]), "2 y, not 0");
    // Numbers cannot be differentiated again: for that, a vjp is recorded.
    let slope = graph.grad(&[(y.square().sum(), None)], &[x])?[0];
    let error = graph.grad(&[(slope.sum(), None)], &[x]).expect_err("they are numbers");
    println!("again: {}", error.message().split(" (").next().unwrap_or_default());
    Ok(())
}

/// All lessons; pictures go to this folder.
pub(crate) fn run(folder: &Path) -> Lesson {
    first_gradient()?;
    sine(folder)?;
    function(folder)?;
    control_flow(folder)?;
    heads()?;
    accumulation()?;
    detached()?;
    without_gradients()?;
    training_and_evaluation()?;
    custom_function()
}

fn main() -> ExitCode {
    let folder = std::env::args_os().nth(1).unwrap_or_else(|| "target/pictures".into());
    match run(Path::new(&folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tutorial: {error}");
            ExitCode::FAILURE
        }
    }
}
