//! Memory within a budget, and checkpoints: what is not kept is computed again, and no bit differs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bumpgrad::{Custom, ErrorKind, Graph, PlanMemory, Result, Var};

/// A program with a loss, and its parameters.
type Program = for<'g> fn(&'g Graph, usize) -> (Var<'g>, Vec<Var<'g>>);

fn normal<'g>(g: &'g Graph, shape: &[usize]) -> Var<'g> {
    let w = g.normal::<f32>(shape, 0.0, 1.0 / (shape[0] as f64).sqrt());
    w.set_requires_grad(true).unwrap();
    w
}

/// A net of so many layers of 8 units, and 256 examples.
fn net(g: &Graph, layers: usize) -> (Var<'_>, Vec<Var<'_>>) {
    let mut h = g.uniform::<f32>(&[256, 8], -1.0, 1.0);
    let mut params = vec![];
    for _ in 0..layers {
        let (w, b) = (normal(g, &[8, 8]), normal(g, &[8]));
        params.extend([w, b]);
        h = (h.matmul(w) + b).tanh();
    }
    (h.square().mean(), params)
}

/// So many steps of a recurrent cell of 8 units, and 8 sequences.
fn scan(g: &Graph, steps: usize) -> (Var<'_>, Vec<Var<'_>>) {
    let (w, u, b) = (normal(g, &[8, 8]), normal(g, &[3, 8]), normal(g, &[8]));
    let xs = g.uniform::<f32>(&[steps, 3], -1.0, 1.0);
    let mut h = g.zeros::<f32>(&[8, 8]);
    for t in 0..steps as isize {
        let x = xs.slice(0, t, t + 1, 1);
        h = (h.matmul(w) + x.matmul(u) + b).tanh();
    }
    (h.square().mean(), vec![w, u, b])
}

/// A cell with gates, each used by the gradient, and dropout.
fn gated(g: &Graph, steps: usize) -> (Var<'_>, Vec<Var<'_>>) {
    let (w, b) = (normal(g, &[16, 64]), normal(g, &[64]));
    let (mut h, mut c) = (g.full::<f32>(&[4, 16], 0.1), g.zeros::<f32>(&[4, 16]));
    for _ in 0..steps {
        let z = h.matmul(w) + b;
        let gate = |k: isize| z.slice(1, 16 * k, 16 * k + 16, 1);
        c = gate(0).sigmoid() * c + gate(1).sigmoid() * gate(2).tanh();
        h = (gate(3).sigmoid() * c.tanh()).dropout(0.1);
    }
    (h.square().sum(), vec![w, b])
}

/// Elementwise operations alone, on a few elements.
fn swing(g: &Graph, steps: usize) -> (Var<'_>, Vec<Var<'_>>) {
    let (mut angle, mut speed, k) = (normal(g, &[20]), normal(g, &[20]), normal(g, &[20]));
    let params = vec![angle, speed, k];
    for _ in 0..steps {
        speed = speed - angle.sin() * k * 0.01;
        angle = angle + speed * 0.01;
    }
    ((angle * speed).sum(), params)
}

/// Each layer reads all that came before it.
fn dense(g: &Graph, layers: usize) -> (Var<'_>, Vec<Var<'_>>) {
    let mut all = vec![g.uniform::<f32>(&[64, 8], -1.0, 1.0)];
    let mut params = vec![];
    for k in 0..layers {
        let w = normal(g, &[8 * (1 + k), 8]);
        params.push(w);
        all.push(g.concat(&all, 1).matmul(w).tanh());
    }
    (all[layers].square().mean(), params)
}

fn graph(threads: usize) -> Graph {
    let g = Graph::new();
    g.set_num_threads(threads);
    g.set_seed(1);
    g
}

fn bits(loss: Var<'_>, params: &[Var<'_>]) -> Result<Vec<u32>> {
    let mut bits = vec![(loss.item()? as f32).to_bits()];
    for p in params {
        bits.extend(p.grad::<f32>()?.unwrap().iter().map(|x| x.to_bits()));
    }
    Ok(bits)
}

/// What a program computes without a budget, and the memory that it takes.
fn plain(program: Program, length: usize) -> Result<(Vec<u32>, PlanMemory)> {
    let g = graph(1);
    let (loss, params) = program(&g, length);
    let planned = g.plan_memory_backward(&[(loss, None)])?;
    loss.backward()?;
    assert_eq!((g.memory().peak, planned.repeated), (planned.peak(), 0));
    Ok((bits(loss, &params)?, planned))
}

/// The same within a budget: what it takes is known before, and the bits are those without.
fn within(program: Program, length: usize, budget: usize, threads: usize) -> Result<PlanMemory> {
    let (want, _) = plain(program, length)?;
    let g = graph(threads);
    let (loss, params) = program(&g, length);
    g.set_memory_budget(Some(budget));
    let planned = g.plan_memory_backward(&[(loss, None)])?;
    loss.backward()?;
    assert!(planned.peak() <= budget, "{planned:?} in {budget}");
    assert_eq!(g.memory().peak, planned.peak());
    assert!(want == bits(loss, &params)?, "other bits in {budget}");
    assert!(g.memory().peak <= budget);
    Ok(planned)
}

fn a_tenth(program: Program, length: usize) -> Result<()> {
    let (_, planned) = plain(program, length)?;
    for threads in [1, 2] {
        let saved = within(program, length, planned.peak() / 10, threads)?;
        println!("{planned:?}\n{saved:?}");
        // Most steps once more, and no more than that.
        assert!(saved.repeated > 0 && saved.repeated < saved.steps / 2, "{saved:?}");
    }
    Ok(())
}

#[test]
fn a_net_of_1000_layers_in_a_tenth_of_the_memory() -> Result<()> {
    a_tenth(net, 1000)
}

#[test]
fn a_scan_of_10000_steps_in_a_tenth_of_the_memory() -> Result<()> {
    a_tenth(scan, 10_000)
}

#[test]
fn all_kinds_of_programs_in_less_and_less_memory() -> Result<()> {
    let programs: [(Program, usize); 5] =
        [(net, 60), (scan, 100), (gated, 60), (swing, 1000), (dense, 20)];
    for (k, (program, length)) in programs.into_iter().enumerate() {
        let (_, planned) = plain(program, length)?;
        let more = planned.kept + planned.scratch;
        let mut least = 0;
        for part in [1, 2, 3, 5, 8, 13, 21, 1000] {
            let budget = planned.live + more / part;
            match within(program, length, budget, 1) {
                Ok(saved) => {
                    assert!(least == 0, "{part} of program {k} after one that did not fit");
                    assert!(part > 1 || saved.repeated == 0);
                }
                Err(error) => {
                    least = told(&error);
                    assert!(least > budget, "{error}");
                    // What is said to be enough is.
                    within(program, length, least, 1)?;
                }
            }
        }
        assert!(least > 0, "program {k} in no memory");
    }
    Ok(())
}

/// The budget that an error says to be enough.
fn told(error: &bumpgrad::Error) -> usize {
    assert_eq!(error.kind(), ErrorKind::Memory, "{error}");
    let (_, tail) = error.message().split_once(" is too small: ").unwrap();
    tail.split_once(' ').unwrap().0.parse().unwrap()
}

#[test]
fn what_does_not_fit_is_refused_and_nothing_is_lost() -> Result<()> {
    for part in [0, 1, 2] {
        let g = graph(1);
        let (loss, params) = net(&g, 30);
        let want = params[0].to_vec::<f32>()?;
        let budget = 1 + g.memory().live * part / 2;
        g.set_memory_budget(Some(budget));
        assert_eq!(g.memory_budget(), Some(budget));
        let error = loss.backward().unwrap_err();
        assert!(error.message().starts_with("backward: the memory budget of "), "{error}");
        let planned = g.plan_memory_backward(&[(loss, None)]).unwrap_err();
        assert_eq!(told(&planned), told(&error));
        let read = loss.item().unwrap_err();
        assert!(read.message().starts_with("read: the memory budget of "), "{read}");
        assert!(told(&read) <= told(&error));
        assert_eq!(params[0].to_vec::<f32>()?, want);
        assert_eq!(params[0].grad::<f32>()?, None);
        g.set_memory_budget(Some(told(&read)));
        loss.item()?;
        assert_eq!(g.memory().peak, told(&read));
        g.set_memory_budget(None);
        assert_eq!(g.memory_budget(), None);
        loss.backward()?;
    }
    Ok(())
}

/// Values that are kept from one reading to the next count, and go when there is no room for them.
#[test]
fn a_budget_may_change_between_readings() -> Result<()> {
    let (want, planned) = plain(net, 60)?;
    let g = graph(2);
    let (loss, params) = net(&g, 60);
    let x = g.full::<f32>(&[1], 1.0);
    let least = 2 * planned.live + (planned.peak() - planned.live) / 8;
    for budget in [None, Some(least), Some(planned.peak()), Some(2 * least), None, Some(least)] {
        g.set_memory_budget(budget);
        for _ in 0..2 {
            // (Nothing depends on it, but what was computed is to be looked at again.)
            x.write(&[2.0f32])?;
            params[0].write(&params[0].to_vec::<f32>()?)?;
            g.zero_grad();
            loss.item()?;
            let planned = g.plan_memory_backward(&[(loss, None)])?;
            loss.backward()?;
            assert!(planned.peak() <= budget.unwrap_or(usize::MAX), "{planned:?} in {budget:?}");
            assert!(g.memory().live <= planned.peak());
            assert!(bits(loss, &params)? == want, "{budget:?}");
        }
    }
    Ok(())
}

/// Also what has no plan, because it is small and new.
#[test]
fn what_is_kept_of_small_values_counts_too() -> Result<()> {
    let g = graph(1);
    let x = g.param(&[0.5f64; 20], &[20]);
    let budget = g.memory().live + 40 * 192;
    g.set_memory_budget(Some(budget));
    let (mut y, mut want) = (x, vec![0.5f64; 20]);
    for k in 0..300 {
        y = (y * 1.01).sin();
        want.iter_mut().for_each(|x| *x = f64::sin(*x * 1.01));
        if k % 10 == 0 {
            assert!((y.slice(0, 0, 1, 1).item()? - want[0]).abs() < 1e-12);
        }
    }
    y.sum().backward()?;
    assert!(g.memory().peak <= budget, "{:?} in {budget}", g.memory());
    Ok(())
}

#[test]
fn values_that_were_read_stay() -> Result<()> {
    let (want, planned) = plain(net, 60)?;
    let g = graph(1);
    let (loss, params) = net(&g, 60);
    let nodes = g.len();
    loss.item()?;
    g.set_memory_budget(Some(2 * planned.live + (planned.peak() - planned.live) / 8));
    loss.backward()?;
    assert!(bits(loss, &params)? == want);
    let planned = loss.plan_memory()?;
    assert_eq!((planned.kept, planned.scratch, planned.steps), (0, 0, 0));
    assert_eq!((planned.live, g.len()), (g.memory().live, nodes));
    Ok(())
}

#[test]
fn steps_that_are_run_again_are_told() -> Result<()> {
    let (_, planned) = plain(net, 60)?;
    let g = graph(1);
    let (loss, _) = net(&g, 60);
    let budget = 2 * planned.live + (planned.peak() - planned.live) / 8;
    g.set_memory_budget(Some(budget));
    let planned = g.plan_memory_backward(&[(loss, None)])?;
    g.profile_begin();
    loss.backward()?;
    let (text, dot, profile) = (g.plan_to_text(), g.plan_to_dot(), g.profile_end());
    let PlanMemory { steps, repeated, .. } = planned;
    assert!(
        text.starts_with(&format!("{steps} steps, {repeated} of them again (about ")),
        "{text}"
    );
    assert_eq!(text.lines().filter(|line| line.ends_with(" again")).count(), repeated);
    assert_eq!(dot.matches(" again)").count(), repeated);
    assert_eq!(profile.matches("\"again\":true").count(), repeated);
    assert_eq!(profile.matches("\"cat\":\"step\"").count(), steps);
    Ok(())
}

/// What a callback does besides happens once, and its values stay.
#[test]
fn what_may_not_be_run_again_is_run_once() -> Result<()> {
    let run = |budget: Option<usize>, every: usize| -> Result<(Vec<u32>, usize, PlanMemory)> {
        let g = graph(1);
        let calls = Arc::new(AtomicUsize::new(0));
        let counter = calls.clone();
        let double = Custom::new("double", move |x, y| {
            counter.fetch_add(1, Ordering::Relaxed);
            let (x, y) = (x[0].data::<f32>(), y[0].data_mut::<f32>());
            y.iter_mut().zip(x).for_each(|(y, x)| *y = 2.0 * x);
            Ok(())
        });
        let double = double.recorded_vjp(|at| Ok(vec![Some(at.cotangents[0] * 2.0)])).impure();
        let double = g.custom(double);
        let (w, mut h) = (normal(&g, &[8, 8]), g.uniform::<f32>(&[256, 8], -1.0, 1.0));
        let mut mark = g.mark();
        for layer in 1..=60 {
            h = h.matmul(w).tanh();
            if layer % 6 == 0 {
                h = g.apply(double, &[h]);
            }
            if every > 0 && layer % every == 0 {
                g.checkpoint(mark, &[h])?;
                mark = g.mark();
            }
        }
        let loss = h.square().mean();
        g.set_memory_budget(budget);
        let planned = g.plan_memory_backward(&[(loss, None)])?;
        loss.backward()?;
        assert_eq!(g.memory().peak, planned.peak());
        Ok((bits(loss, &[w])?, calls.load(Ordering::Relaxed), planned))
    };
    let (want, calls, plain) = run(None, 0)?;
    assert_eq!(calls, 10);
    let [half, third] = [2, 3].map(|part| Some(plain.peak() / part));
    for (budget, every) in [(half, 0), (third, 0), (None, 10), (third, 10)] {
        let (seen, calls, planned) = run(budget, every)?;
        assert!(seen == want && calls == 10 && planned.repeated > 0, "{calls} calls, {planned:?}");
    }
    Ok(())
}

// ---- checkpoints ----

/// The recurrent program, with a checkpoint every so many steps.
fn with_checkpoints<'g>(g: &'g Graph, steps: usize, every: usize) -> (Var<'g>, Vec<Var<'g>>) {
    let (w, b) = (normal(g, &[16, 16]), normal(g, &[16]));
    let mut h = g.full::<f32>(&[32, 16], 0.1);
    let mut mark = g.mark();
    for step in 1..=steps {
        h = (h.matmul(w) + b).tanh().dropout(0.1);
        if every > 0 && step % every == 0 {
            g.checkpoint(mark, &[h]).unwrap();
            mark = g.mark();
        }
    }
    (h.square().sum(), vec![w, b])
}

#[test]
fn checkpoints_save_memory_and_change_no_bit() -> Result<()> {
    let run = |every: usize, threads: usize| -> Result<(Vec<u32>, PlanMemory)> {
        let g = graph(threads);
        let (loss, params) = with_checkpoints(&g, 100, every);
        let planned = g.plan_memory_backward(&[(loss, None)])?;
        loss.backward()?;
        assert_eq!(g.memory().peak, planned.peak());
        Ok((bits(loss, &params)?, planned))
    };
    let (want, most) = run(0, 1)?;
    for every in [5, 10, 20] {
        let (seen, planned) = run(every, 1 + every % 3)?;
        assert!(seen == want, "every {every}");
        // What is between goes, and comes once more.
        assert!(planned.repeated > 0 && planned.repeated < planned.steps / 2, "{planned:?}");
        let (more, plain) = (planned.peak() - planned.live, most.peak() - most.live);
        assert!(3 * more < plain, "{planned:?} instead of {most:?}");
    }
    Ok(())
}

/// A checkpoint and a budget together, and checkpoints within checkpoints.
#[test]
fn checkpoints_have_checkpoints_and_budgets() -> Result<()> {
    let run = |inner: usize, outer: usize, budget: Option<usize>| -> Result<Vec<u32>> {
        let g = graph(1);
        let (w, b) = (normal(&g, &[16, 16]), normal(&g, &[16]));
        let mut h = g.full::<f32>(&[32, 16], 0.1);
        let mut marks = [g.mark(); 2];
        for step in 1..=64 {
            h = (h.matmul(w) + b).tanh();
            for (k, every) in [inner, outer].into_iter().enumerate() {
                if step % every == 0 {
                    g.checkpoint(marks[k], &[h])?;
                    marks[k] = g.mark();
                }
            }
        }
        let loss = h.square().sum();
        g.set_memory_budget(budget);
        loss.backward()?;
        assert!(g.memory().peak <= budget.unwrap_or(usize::MAX));
        bits(loss, &[w, b])
    };
    let want = run(1000, 1000, None)?;
    assert!(run(4, 16, None)? == want);
    assert!(run(4, 16, Some(50_000))? == want);
    assert!(run(8, 8, Some(60_000))? == want);
    Ok(())
}

#[test]
fn checkpoints_compose_with_derivatives_as_nodes() -> Result<()> {
    let run = |every: usize| -> Result<Vec<Vec<f64>>> {
        let g = graph(1);
        let x = g.param(&[0.3f64, -0.2, 0.9], &[3]);
        let (mut y, mut mark) = (x, g.mark());
        for step in 1..=12 {
            y = (y * 1.3).sin() + y.square() * 0.1;
            if every > 0 && step % every == 0 {
                g.checkpoint(mark, &[y])?;
                mark = g.mark();
            }
        }
        let loss = y.square().sum();
        let dx = g.grad(&[(loss, None)], &[x])?[0];
        let v = g.tensor(&[1.0f64, 2.0, -1.0], &[3]);
        let hv = g.grad(&[((dx * v).sum(), None)], &[x])?[0];
        let forward = g.jvp(&[dx], &[(x, v)])?[0];
        let many = g.tensor(&[0.3f64, -0.2, 0.9, 1.0, 2.0, 3.0], &[2, 3]);
        let batch = g.vmap(&[y, dx], &[(x, many)])?;
        forward.square().sum().backward()?;
        let mut all = vec![x.grad::<f64>()?.unwrap()];
        for value in [loss, dx, hv, forward, batch[0], batch[1]] {
            all.push(value.to_vec()?);
        }
        Ok(all)
    };
    let want = run(0)?;
    for every in [1, 4, 6] {
        assert_eq!(run(every)?, want, "every {every}");
    }
    Ok(())
}

/// The batch of something between checkpoints is between checkpoints, too, and so are its tangents.
#[test]
fn transforms_keep_checkpoints() -> Result<()> {
    let run = |every: usize, batch: bool| -> Result<PlanMemory> {
        let g = graph(1);
        let x = g.param(&[0.3f32; 64], &[64]);
        let (mut y, mut mark) = (x, g.mark());
        for step in 1..=60 {
            y = (y * 1.1).matmul(g.full::<f32>(&[64, 64], 0.01)).sin();
            if every > 0 && step % every == 0 {
                g.checkpoint(mark, &[y])?;
                mark = g.mark();
            }
        }
        let many = g.full::<f32>(&[50, 64], 0.1);
        many.set_requires_grad(true)?;
        let out = if batch { g.vmap(&[y], &[(x, many)])? } else { g.jvp(&[y], &[(x, x)])? };
        g.plan_memory_backward(&[(out[0].square().sum(), None)])
    };
    for batch in [true, false] {
        let [more, plain] =
            [run(6, batch)?, run(0, batch)?].map(|memory| memory.peak() - memory.live);
        assert!(2 * more < plain, "{more} instead of {plain}");
    }
    Ok(())
}

#[test]
fn a_checkpoint_may_be_read_into_and_recorded_anew() -> Result<()> {
    let g = graph(1);
    let x = g.param(&[0.5f64, 1.0], &[2]);
    let start = g.mark();
    for round in 0..3 {
        let a = (x * 2.0).sin();
        let b = a.exp();
        let c = b.reshape(&[1, 2]);
        g.checkpoint(start, &[c])?;
        if round == 1 {
            assert_eq!(a.item().unwrap_err().kind(), ErrorKind::Shape);
            assert_eq!(a.to_vec::<f64>()?, [1.0f64.sin(), 2.0f64.sin()]);
        }
        c.sum().backward()?;
        let want = [1.0f64, 2.0].map(|x| 2.0 * x.cos() * x.sin().exp());
        let seen = x.grad::<f64>()?.unwrap();
        assert!((seen[0] - want[0]).abs() + (seen[1] - want[1]).abs() < 1e-14);
        g.zero_grad();
        g.rewind(start)?;
    }
    // Nothing at all, and what was there before.
    g.checkpoint(g.mark(), &[])?;
    g.checkpoint(g.mark(), &[x])?;
    let other = Graph::new();
    let error = g.checkpoint(other.mark(), &[]).unwrap_err();
    let want = "checkpoint: the mark is of another graph or of nodes already dropped";
    assert!(error.message().starts_with(want), "{error}");
    let y = x.sin();
    let late = g.mark();
    g.rewind(start)?;
    let error = g.checkpoint(late, &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Handle);
    let error = g.checkpoint(start, &[y]).unwrap_err();
    assert!(error.message().starts_with("checkpoint: "), "{error}");
    Ok(())
}
