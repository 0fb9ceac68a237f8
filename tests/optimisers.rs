//! First-order optimisers against PyTorch's trajectories, and what is done to gradients and states.

use bumpgrad::{
    Adagrad, Adam, AdamW, Element, ErrorKind, Graph, Lion, Optimiser, Result, RmsProp, Sgd, Var,
    schedule,
};
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/optimisers.json")).unwrap()
}

fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

type Step<'a> = dyn Fn(&Graph) -> Result<()> + 'a;

/// A step by an optimiser of the golden file.
fn by_name<'a>(name: &str, options: &'a Value) -> Box<Step<'a>> {
    let number = |name: &str, default: f64| options[name].as_f64().unwrap_or(default);
    let flag = |name: &str| options[name].as_bool().unwrap_or(false);
    let (rate, decay) = (number("lr", f64::NAN), number("weight_decay", 0.0));
    let betas = |default: [f64; 2]| match &options["betas"] {
        Value::Null => default,
        list => numbers(list).try_into().unwrap(),
    };
    let momentum = number("momentum", 0.0);
    let (amsgrad, maximise) = (flag("amsgrad"), flag("maximize"));
    match name {
        "Sgd" => {
            let (dampening, nesterov) = (number("dampening", 0.0), flag("nesterov"));
            let sgd = Sgd { rate, momentum, dampening, nesterov, decay, maximise };
            Box::new(move |g| sgd.step(g))
        }
        "Adam" => {
            let epsilon = number("eps", 1e-8);
            let betas = betas([0.9, 0.999]);
            let adam = Adam { rate, betas, epsilon, decay, amsgrad, maximise };
            Box::new(move |g| adam.step(g))
        }
        "AdamW" => {
            let (epsilon, decay) = (number("eps", 1e-8), number("weight_decay", 0.01));
            let betas = betas([0.9, 0.999]);
            let adam = AdamW { rate, betas, epsilon, decay, amsgrad, maximise };
            Box::new(move |g| adam.step(g))
        }
        "RmsProp" => {
            let (epsilon, smoothing) = (number("eps", 1e-8), number("alpha", 0.99));
            let centred = flag("centered");
            let rms = RmsProp { rate, smoothing, epsilon, momentum, centred, decay, maximise };
            Box::new(move |g| rms.step(g))
        }
        "Adagrad" => {
            let (epsilon, rate_decay) = (number("eps", 1e-10), number("lr_decay", 0.0));
            let initial = number("initial_accumulator_value", 0.0);
            let adagrad = Adagrad { rate, rate_decay, initial, epsilon, decay, maximise };
            Box::new(move |g| adagrad.step(g))
        }
        _ => {
            let lion = Lion { rate, betas: betas([0.9, 0.99]), decay, maximise };
            Box::new(move |g| lion.step(g))
        }
    }
}

fn follow<T: Element>(case: &Value, start: &[f64], weights: &[f64], tolerance: f64) -> Result<()> {
    let name = case["optimiser"].as_str().unwrap();
    let step = by_name(name, &case["options"]);
    let g = Graph::new();
    // More elements than a register has, and an odd number of them.
    let times = 7;
    let start: Vec<T> = start.iter().map(|&x| T::from_f64(x)).collect();
    let p = g.param(&start.repeat(times), &[times, start.len()]);
    for (t, point) in case["points"].as_array().unwrap().iter().enumerate() {
        let found = p.to_vec::<T>()?;
        let gradient = (0..found.len()).map(|k| {
            let i = k % start.len();
            T::from_f64(weights[i] * found[k].to_f64() + f64::cos((t + i) as f64))
        });
        p.set_grad(&gradient.collect::<Vec<T>>())?;
        step(&g)?;
        let (found, point) = (p.to_vec::<T>()?, numbers(point));
        for (k, x) in found.iter().enumerate() {
            let wanted = point[k % start.len()];
            let near = (x.to_f64() - wanted).abs() <= tolerance * wanted.abs().max(1.0);
            assert!(near, "{case}: step {t}, element {k}: {x} instead of {wanted}");
        }
    }
    Ok(())
}

#[test]
fn trajectories_are_those_of_pytorch() -> Result<()> {
    let golden = golden();
    let (start, weights) = (numbers(&golden["start"]), numbers(&golden["weights"]));
    for case in golden["cases"].as_array().unwrap() {
        if case["dtype"] == "float64" {
            follow::<f64>(case, &start, &weights, 1e-13)?;
        } else {
            follow::<f32>(case, &start, &weights, 4e-6)?;
        }
    }
    Ok(())
}

#[test]
fn schedules_are_those_of_pytorch() {
    let golden = golden();
    for t in 0..20 {
        let found = [
            ("cosine", schedule::cosine(t, 20, 0.5, 0.1)),
            ("warm_up", 0.5 * schedule::warm_up(t, 8, 0.25)),
            ("step", 0.5 * schedule::step(t, 6, 0.3)),
        ];
        for (name, found) in found {
            let wanted = golden["schedules"][name][t as usize].as_f64().unwrap();
            assert!((found - wanted).abs() < 1e-15, "{name} at {t}: {found} and {wanted}");
        }
    }
    assert_eq!(schedule::cosine(21, 20, 0.5, 0.1), 0.1);
    assert_eq!([schedule::warm_up(0, 0, 0.0), schedule::step(9, 0, 0.1)], [1.0, 1.0]);
}

#[test]
fn gradients_are_clipped_as_by_pytorch() -> Result<()> {
    let golden = golden();
    let g = Graph::new();
    let (x, y) = (g.param(&[0.0; 3], &[3]), g.param(&[0.0f32], &[]));
    let frozen = g.param(&[0.0f32], &[]);
    let set = || {
        x.set_grad(&[3.0, -4.0, 12.0])?;
        y.set_grad(&[84.0f32])
    };
    set()?;
    assert_eq!(g.clip_grad_norm(10.0)?, golden["norm"].as_f64().unwrap());
    for (a, b) in x.grad::<f64>()?.unwrap().iter().zip(numbers(&golden["clipped"][0])) {
        assert!((a - b).abs() < 1e-14, "{a} {b}");
    }
    let clipped = golden["clipped"][1][0].as_f64().unwrap();
    assert_eq!(y.grad::<f32>()?.unwrap(), [clipped as f32]);
    assert_eq!(frozen.grad::<f32>()?, None);
    // What is small enough stays, bit for bit.
    set()?;
    assert_eq!(g.clip_grad_norm(85.1)?, 85.0);
    assert_eq!(x.grad::<f64>()?.unwrap(), [3.0, -4.0, 12.0]);
    assert_eq!(g.clip_grad_norm_of(&[x], 1e-3)?, 13.0);
    assert_eq!(y.grad::<f32>()?.unwrap(), [84.0]);
    set()?;
    g.clip_grad_value_of(&[x], 3.5)?;
    assert_eq!(x.grad::<f64>()?.unwrap(), [3.0, -3.5, 3.5]);
    g.clip_grad_value(1.0)?;
    assert_eq!(x.grad::<f64>()?.unwrap(), [1.0, -1.0, 1.0]);
    assert_eq!(y.grad::<f32>()?.unwrap(), [1.0]);
    // Squares out of range.
    let large = f64::powi(2.0, 600);
    x.set_grad(&[3.0 * large, 4.0 * large, 0.0])?;
    assert_eq!(g.clip_grad_norm_of(&[x], f64::INFINITY)?, 5.0 * large);
    x.set_grad(&[3.0, f64::NAN, 1.0])?;
    let error = g.clip_grad_norm(1.0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Gradient);
    assert!(error.message().contains("the gradient of n0, [3], is NaN"), "{error}");
    assert_eq!(y.grad::<f32>()?.unwrap(), [1.0]);
    assert_eq!(g.clip_grad_value(-1.0).unwrap_err().kind(), ErrorKind::Argument);
    assert_eq!(g.clip_grad_norm(f64::NAN).unwrap_err().kind(), ErrorKind::Argument);
    assert_eq!(g.clip_grad_norm_of(&[frozen], 1.0).unwrap_err().kind(), ErrorKind::Gradient);
    Ok(())
}

#[test]
fn groups_and_optimisers_side_by_side() -> Result<()> {
    let g = Graph::new();
    let leaf = |x: f64| g.param(&[x], &[]);
    let (a, b, c) = (leaf(1.0), leaf(1.0), leaf(1.0));
    (a.square() + b.square() + c.square()).backward()?;
    Sgd::new(0.1).step_on(&g, &[b])?;
    assert_eq!([a.item()?, b.item()?, c.item()?], [1.0, 0.8, 1.0]);
    Sgd { momentum: 0.5, ..Sgd::new(0.25) }.step_on(&g, &[c, a])?;
    assert_eq!([a.item()?, b.item()?, c.item()?], [0.5, 0.8, 0.5]);
    Lion::new(0.1).step_on(&g, &[b])?;
    assert_eq!(b.item()?, 0.8 - 0.1);
    assert_eq!(b.optimiser_state::<f64>()?.unwrap().optimiser, Optimiser::Lion);
    assert_eq!(a.optimiser_state::<f64>()?.unwrap().optimiser, Optimiser::Sgd);
    let refused = |xs: &[Var<'_>], kind, words: &str| {
        let error = Adam::new(0.1).step_on(&g, xs).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.message().contains(words), "{error}");
    };
    refused(&[a, b, a], ErrorKind::Argument, "adam_step: n0 is in the list more than once");
    refused(&[a.square()], ErrorKind::Argument, "is the result of square, not a leaf");
    refused(&[g.tensor(&[1.0], &[1])], ErrorKind::Gradient, "does not require grad");
    refused(&[a, leaf(1.0)], ErrorKind::Gradient, "has no gradient: call backward before");
    assert_eq!([a.item()?, b.item()?, c.item()?], [0.5, 0.8 - 0.1, 0.5]);
    Adam::new(0.1).step_on(&g, &[])
}

#[test]
fn states_are_saved_and_brought_back() -> Result<()> {
    let steps: [&Step<'_>; 6] = [
        &|g| Sgd { momentum: 0.9, dampening: 0.5, ..Sgd::new(0.1) }.step(g),
        &|g| AdamW::new(0.1).step(g),
        &|g| Adam { amsgrad: true, ..Adam::new(0.1) }.step(g),
        &|g| Lion { maximise: true, ..Lion::new(0.1) }.step(g),
        &|g| RmsProp { momentum: 0.5, centred: true, ..RmsProp::new(0.1) }.step(g),
        &|g| Adagrad { rate_decay: 0.5, ..Adagrad::new(0.1) }.step(g),
    ];
    for step in steps {
        let run = |g: &Graph, x: Var<'_>| -> Result<()> {
            g.zero_grad();
            x.square().sum().backward()?;
            step(g)
        };
        let (g, other) = (Graph::new(), Graph::new());
        let x = g.param(&[1.0f32, -2.0, 3.0], &[3]);
        run(&g, x)?;
        run(&g, x)?;
        let (value, state) = (x.to_vec::<f32>()?, x.optimiser_state::<f32>()?);
        let y = other.param(&value, &[3]);
        assert_eq!(y.optimiser_state::<f32>()?, None);
        y.set_optimiser_state(state.as_ref())?;
        run(&g, x)?;
        run(&other, y)?;
        assert_eq!(x.to_vec::<f32>()?, y.to_vec::<f32>()?);
        assert_eq!(x.optimiser_state::<f32>()?, y.optimiser_state::<f32>()?);
        let mut short = state.unwrap();
        short.moments[0] = Some(vec![0.0; 2]);
        let error = y.set_optimiser_state(Some(&short)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Shape);
        assert_eq!(y.optimiser_state::<f64>().unwrap_err().kind(), ErrorKind::DType);
        assert_eq!(x.optimiser_state::<f32>()?, y.optimiser_state::<f32>()?);
        y.set_optimiser_state::<f32>(None)?;
        assert_eq!(y.optimiser_state::<f32>()?, None);
    }
    Ok(())
}

/// What no optimiser leaves is refused, and nothing changes.
#[test]
fn states_that_are_none() -> Result<()> {
    let g = Graph::new();
    let x = g.param(&[1.0, 2.0], &[2]);
    x.set_grad(&[1.0, -1.0])?;
    Adam::new(0.1).step(&g)?;
    let state = x.optimiser_state::<f64>()?.unwrap();
    let refused = |optimiser, place: usize, numbers: [f64; 2], words: &str| {
        let mut wrong = state.clone();
        wrong.optimiser = optimiser;
        wrong.moments[place] = Some(numbers.into());
        let error = x.set_optimiser_state(Some(&wrong)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Argument);
        assert!(error.message().starts_with(&format!("set_optimiser: {words}")), "{error}");
        assert_eq!(x.optimiser_state::<f64>().unwrap().unwrap(), state);
    };
    let nan = f64::NAN;
    let wrong = "element 1 of moment 0 of n0 must be finite, not NaN";
    refused(Optimiser::Adam, 0, [0.0, nan], wrong);
    let wrong = "element 0 of moment 1 of n0 must be finite and at least 0, not -1";
    refused(Optimiser::Adam, 1, [-1.0, 1.0], wrong);
    let wrong = "element 1 of moment 2 of n0 must be finite and at least 0, not inf";
    refused(Optimiser::Adam, 2, [0.0, f64::INFINITY], wrong);
    refused(Optimiser::Sgd, 0, [0.0; 2], "this optimiser keeps no moment 1");
    Ok(())
}

#[test]
fn gradients_can_be_written() -> Result<()> {
    let g = Graph::new();
    let x = g.param(&[1.0, 2.0], &[2]);
    let y = x.square();
    x.set_grad(&[0.5, 0.25])?;
    y.sum().backward()?;
    assert_eq!(x.grad::<f64>()?.unwrap(), [2.5, 4.25]);
    assert_eq!(x.set_grad(&[1.0]).unwrap_err().kind(), ErrorKind::Shape);
    assert_eq!(x.set_grad(&[1.0f32, 2.0]).unwrap_err().kind(), ErrorKind::DType);
    assert_eq!(y.set_grad(&[1.0, 2.0]).unwrap_err().kind(), ErrorKind::Argument);
    y.retain_grad()?;
    y.set_grad(&[1.0, 2.0])?;
    assert_eq!(y.grad::<f64>()?.unwrap(), [1.0, 2.0]);
    let constant = g.tensor(&[1.0], &[1]);
    assert_eq!(constant.set_grad(&[1.0]).unwrap_err().kind(), ErrorKind::Gradient);
    Ok(())
}

#[test]
fn numbers_that_make_no_sense_are_refused() {
    let g = Graph::new();
    let x = g.param(&[1.0], &[1]);
    x.set_grad(&[1.0]).unwrap();
    let refused = |result: Result<()>, words: &str| {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Argument);
        assert!(error.message().contains(words), "{error}");
    };
    let sgd = Sgd::new(0.1);
    refused(
        Sgd { dampening: -1.0, ..sgd }.step(&g),
        "sgd_step: the dampening must be at least 0 and finite, not -1",
    );
    refused(
        Sgd { nesterov: true, ..sgd }.step(&g),
        "sgd_step: the momentum must be above 0 for Nesterov's, not 0",
    );
    refused(
        Sgd { momentum: 0.9, dampening: 0.1, nesterov: true, ..sgd }.step(&g),
        "the dampening must be 0 for Nesterov's momentum, not 0.1",
    );
    refused(AdamW::new(f64::NAN).step(&g), "adamw_step: the learning rate must be");
    refused(RmsProp { smoothing: 1.0, ..RmsProp::new(0.1) }.step(&g), "the smoothing must be");
    refused(Adagrad { initial: -1.0, ..Adagrad::new(0.1) }.step(&g), "the initial sum must be");
    refused(Lion { betas: [0.9, 2.0], ..Lion::new(0.1) }.step(&g), "lion_step: the second beta");
    assert_eq!(x.to_vec::<f64>().unwrap(), [1.0]);
}
