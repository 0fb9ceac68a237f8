//! The behaviours that introductions to automatic differentiation teach, as programs.

use bumpgrad::{DType, ErrorKind, Graph, Result, Var};

fn vector<'g>(graph: &'g Graph, data: &[f64]) -> Var<'g> {
    graph.param(data, &[data.len()])
}

fn grad(x: Var<'_>) -> Vec<f64> {
    x.grad().unwrap().expect("a gradient")
}

#[test]
fn a_column_times_itself() -> Result<()> {
    let g = Graph::new();
    let x = g.param(&[0.0, 1.0, 2.0, 3.0], &[4, 1]);
    let y = 2.0 * x.transpose(0, 1).matmul(x);
    assert_eq!((y.shape()?, y.to_vec::<f64>()?), (vec![1, 1], vec![28.0]));
    assert_eq!(x.grad::<f64>()?, None, "unset before any backward, not zeros");
    y.backward()?;
    assert_eq!(grad(x), [0.0, 4.0, 8.0, 12.0]);
    let dx = x.grad_tensor()?.expect("a gradient");
    assert_eq!(dx.shape()?, [4, 1]);
    assert_eq!((dx - 4.0 * x).norm(2.0, &[], false).item()?, 0.0);
    assert_eq!((y.op_name()?.as_deref(), x.op_name()?), (Some("mul"), None));
    Ok(())
}

#[test]
fn gradients_accumulate_until_they_are_zeroed() -> Result<()> {
    let g = Graph::new();
    let x = vector(&g, &[0.0, 1.0, 2.0, 3.0]);
    let y = 2.0 * x.dot(x);
    assert_eq!((y.shape()?, y.item()?), (vec![], 28.0));
    y.backward()?;
    assert_eq!(grad(x), [0.0, 4.0, 8.0, 12.0]);
    x.sum().backward()?;
    assert_eq!(grad(x), [1.0, 5.0, 9.0, 13.0]);
    g.zero_grad();
    assert_eq!(x.grad::<f64>()?, None);
    x.sum().backward()?;
    assert_eq!(grad(x), [1.0; 4]);
    x.zero_grad()?;
    (x * x).backward_with(g.ones::<f64>(&[4]))?;
    assert_eq!(grad(x), [0.0, 2.0, 4.0, 6.0]);
    Ok(())
}

#[test]
fn detach_cuts_the_gradient_and_keeps_following_while_snapshot_stays() -> Result<()> {
    let g = Graph::new();
    let x = vector(&g, &[0.0, 1.0, 2.0, 3.0]);
    let square = x * x;
    let (u, kept) = (square.detach(), square.snapshot());
    assert!(!u.requires_grad()? && !kept.requires_grad()?);
    (u * x).sum().backward()?;
    assert_eq!(grad(x), [0.0, 1.0, 4.0, 9.0]);
    x.write(&[2.0; 4])?;
    assert_eq!(u.to_vec::<f64>()?, [4.0; 4]);
    assert_eq!(kept.to_vec::<f64>()?, [0.0, 1.0, 4.0, 9.0]);
    Ok(())
}

#[test]
fn head_gradients() -> Result<()> {
    let g = Graph::new();
    let x = vector(&g, &[1.0, 2.0]);
    let y = 3.0 * x.pow_scalar(2.0);
    assert_eq!(y.to_vec::<f64>()?, [3.0, 12.0]);
    for (head, want) in [([1.0, 1.0], [6.0, 12.0]), ([1.0, 10.0], [6.0, 120.0])] {
        g.zero_grad();
        y.backward_with(g.tensor(&head, &[2]))?;
        assert_eq!(grad(x), want);
    }
    let x = vector(&g, &[0.0, 1.0, 2.0, 3.0]);
    let z = (2.0 * x) * x;
    z.backward_with(g.tensor(&[10.0, 1.0, 0.1, 0.01], &[4]))?;
    let want = [0.0, 4.0, 0.8, 0.12];
    assert!(grad(x).iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-15));
    x.zero_grad()?;
    z.backward_with(g.ones::<f64>(&[4]))?;
    assert_eq!(grad(x), [0.0, 4.0, 8.0, 12.0]);
    Ok(())
}

#[test]
fn control_flow_on_values() -> Result<()> {
    for (start, slope) in
        [(0.1136, 16384.0), (-0.1136, 1638400.0), (1.2009, 1024.0), (-0.7, 204800.0)]
    {
        let g = Graph::new();
        let a = g.param(&[start], &[]);
        let mut b = a * 2.0;
        while b.norm(2.0, &[], false).item()? < 1000.0 {
            b = b * 2.0;
        }
        let c = if b.sum().item()? > 0.0 { b } else { 100.0 * b };
        c.backward()?;
        let da = a.grad_tensor()?.expect("a gradient");
        assert_eq!((da.shape()?, da.item()?), (vec![], slope));
        assert_eq!(da.item()?, (c / a).item()?);
    }
    Ok(())
}

#[test]
fn doubled_until_long() -> Result<()> {
    let g = Graph::new();
    let x = vector(&g, &[0.5, -0.3, 0.2]);
    let (mut y, mut count) = (x * 2.0, 1);
    while y.norm(2.0, &[], false).item()? < 1000.0 {
        (y, count) = (y * 2.0, count + 1);
    }
    assert_eq!(count, 11);
    y.backward_with(g.tensor(&[0.1, 1.0, 0.0001], &[3]))?;
    assert_eq!(grad(x), [204.8, 2048.0, 0.2048]);
    Ok(())
}

#[test]
fn nothing_to_differentiate_is_said_in_the_known_words() -> Result<()> {
    let g = Graph::new();
    let x = g.tensor(&[0.0, 1.0, 2.0, 3.0], &[4]);
    let y = 2.0 * x.dot(x);
    let error = y.backward().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Gradient);
    let words = "element 0 of tensors does not require grad and does not have a grad_fn";
    assert!(error.message().contains(words), "{error}");
    assert_eq!(y.item()?, 28.0, "the value can still be read");

    let p = vector(&g, &[1.0, 2.0]);
    let error = (p * p).backward().unwrap_err();
    assert!(error.message().contains("grad can be implicitly created only for scalar outputs"));
    let error = (p * p).backward_with(g.ones::<f64>(&[1, 2])).unwrap_err();
    assert!(error.message().contains("shape [2]"), "{error}");
    let error = (p * p).backward_with(g.ones::<f32>(&[2])).unwrap_err();
    assert!(error.message().contains("f64"), "{error}");
    Ok(())
}

#[test]
fn a_mean_of_squares() -> Result<()> {
    let g = Graph::new();
    let x = g.param(&[1.0; 4], &[2, 2]);
    let y = x + 2.0;
    let z = y * y * 3.0;
    let mean = z.mean();
    assert_eq!((y.to_vec::<f64>()?, z.to_vec::<f64>()?), (vec![3.0; 4], vec![27.0; 4]));
    assert_eq!(mean.item()?, 27.0);
    mean.backward()?;
    assert_eq!(grad(x), [4.5; 4]);
    Ok(())
}

#[test]
fn requires_grad_is_inherited_when_recording() -> Result<()> {
    let g = Graph::new();
    let a = g.tensor(&[2.0, 3.0], &[2]);
    let b = a * 3.0 / (a - 1.0);
    assert!(!b.requires_grad()?);
    a.set_requires_grad(true)?;
    let sum = (a * a).sum();
    assert!(sum.requires_grad()? && !b.requires_grad()?);
    assert_eq!(sum.op_name()?.as_deref(), Some("sum"));

    let x = g.param(&[1.0], &[]);
    assert!(x.pow_scalar(2.0).requires_grad()?);
    {
        let _outer = g.no_grad();
        {
            let _inner = g.no_grad();
            assert!(!x.pow_scalar(2.0).requires_grad()?);
        }
        assert!(!x.pow_scalar(2.0).requires_grad()?);
        assert!(g.param(&[1.0], &[]).requires_grad()?, "a leaf keeps its own setting");
    }
    assert!(x.pow_scalar(2.0).requires_grad()?);
    let error = g.tensor(&[1i64], &[]).set_requires_grad(true).unwrap_err();
    assert!(error.message().contains("floating point"), "{error}");
    let error = x.sin().set_requires_grad(false).unwrap_err();
    assert!(error.message().contains("detach"), "{error}");
    Ok(())
}

#[test]
fn the_derivative_of_sin_is_cos() -> Result<()> {
    let g = Graph::new();
    let x = g.linspace::<f64>(-10.0, 10.0, 201);
    x.set_requires_grad(true)?;
    x.sin().sum().backward()?;
    assert_eq!(grad(x), x.cos().to_vec::<f64>()?);
    Ok(())
}

#[test]
fn a_function_of_everything() -> Result<()> {
    let g = Graph::new();
    let x = vector(&g, &[-2.0, -1.0, 0.5, 1.0, 2.0]);
    let f = (x * x).log() * x.sin() + 1.0 / x;
    f.backward_with(g.ones::<f64>(&[5]))?;
    let close = |got: &[f64], want: &[f64]| {
        got.iter().zip(want).all(|(a, b)| (a - b).abs() <= 1e-14 * b.abs())
    };
    let value = [-1.7605538953892688, -1.0, 1.335375079256127, 1.0, 1.7605538953892688];
    assert!(close(&f.to_vec::<f64>()?, &value), "{:?}", f.to_vec::<f64>()?);
    let slope = [
        0.08239541392249738,
        0.682941969615793,
        -3.2988856025489586,
        0.682941969615793,
        0.08239541392249738,
    ];
    assert!(close(&grad(x), &slope), "{:?}", grad(x));
    Ok(())
}

#[test]
fn training_and_evaluation_mode() -> Result<()> {
    let g = Graph::new();
    let x = vector(&g, &[1.0; 200]);
    let dropped = x.dropout(0.5);
    let (none, all) = (x.dropout(0.0), x.dropout(1.0));
    let zeros = dropped.to_vec::<f64>()?.iter().filter(|&&v| v == 0.0).count();
    assert!((60..140).contains(&zeros));
    assert_eq!(none.to_vec::<f64>()?, [1.0; 200]);
    assert_eq!(all.to_vec::<f64>()?, [0.0; 200]);
    all.sum().backward()?;
    assert_eq!(grad(x), [0.0; 200]);
    g.set_training(false);
    assert!(!g.is_training());
    assert_eq!(dropped.to_vec::<f64>()?, [1.0; 200]);
    g.set_training(true);
    let mark = g.mark();
    let mut masks = Vec::new();
    for _ in 0..3 {
        masks.push(x.dropout(0.5).to_vec::<f64>()?);
        g.rewind(mark)?;
    }
    assert!(masks[0] != masks[1] && masks[1] != masks[2], "a recording has its own numbers");
    assert!(x.dropout(1.5).item().unwrap_err().message().contains("from 0 to 1"));
    Ok(())
}

#[test]
fn a_seed_restarts_dropout() -> Result<()> {
    let g = Graph::new();
    let x = g.ones::<f64>(&[64]);
    let w = vector(&g, &[0.0]);
    let recorded = x.dropout(0.5);
    // Recording and drawing; and drawing again from nodes that are there, after writes.
    let run = |seed: u64| -> Result<Vec<Vec<f64>>> {
        g.set_seed(seed);
        let mut all = vec![recorded.to_vec()?, x.dropout(0.5).to_vec()?, x.dropout(0.5).to_vec()?];
        all.push(g.normal::<f64>(&[64], 0.0, 1.0).to_vec()?);
        for _ in 0..2 {
            w.write(&[1.0])?;
            all.push(recorded.to_vec()?);
        }
        Ok(all)
    };
    let first = run(7)?;
    assert_eq!(run(7)?, first);
    assert_ne!(run(8)?, first);
    let mark = g.mark();
    assert_eq!(run(7)?, first);
    g.rewind(mark)?;
    assert_eq!(run(7)?, first);
    for (i, a) in first.iter().enumerate() {
        assert!(first[..i].iter().all(|b| a != b), "{i} is an earlier one again");
    }
    // Each node has its own numbers, even one that was recorded under another seed.
    g.set_seed(1);
    let one = x.dropout(0.5);
    g.set_seed(2);
    let two = x.dropout(0.5);
    assert!(one.to_vec::<f64>()? != two.to_vec()?);
    Ok(())
}

#[test]
fn derivatives_of_derivatives() -> Result<()> {
    let g = Graph::new();
    let x = g.param(&[3.0], &[]);
    let mut y = x * x * x;
    for want in [27.0, 18.0, 6.0] {
        y = g.grad(&[(y, None)], &[x])?[0];
        assert_eq!(y.item()?, want);
    }
    assert_eq!(x.grad::<f64>()?, None, "grad leaves the accumulated gradients alone");
    let x = vector(&g, &[1.0, 2.0]);
    let first = g.grad(&[(x.pow_scalar(3.0).sum(), None)], &[x])?[0];
    for (i, want) in [[6.0, 0.0], [0.0, 12.0]].into_iter().enumerate() {
        let row = first.slice(0, i as isize, i as isize + 1, 1).sum();
        assert_eq!(g.grad(&[(row, None)], &[x])?[0].to_vec::<f64>()?, want);
    }
    let v = vector(&g, &[3.0, 4.0]);
    let slope = g.grad(&[(v.norm(2.0, &[], false), None)], &[v])?[0];
    let row = g.grad(&[(slope.slice(0, 0, 1, 1).sum(), None)], &[v])?[0].to_vec::<f64>()?;
    assert!((row[0] - 0.128).abs() < 1e-15 && (row[1] + 0.096).abs() < 1e-15, "{row:?}");
    Ok(())
}

#[test]
fn norms_below_one_have_no_slope_at_zero() -> Result<()> {
    let g = Graph::new();
    let x = vector(&g, &[0.0, 1.0, -4.0]);
    let norm = x.norm(0.5, &[], false);
    assert!((norm.item()? - 9.0).abs() < 1e-14);
    norm.backward()?;
    let want = [0.0, 3.0, -1.5];
    assert!(grad(x).iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-14), "{:?}", grad(x));
    Ok(())
}

#[test]
fn roots_leaves_and_nodes_in_between() -> Result<()> {
    let g = Graph::new();
    let x = g.param(&[3.0], &[]);
    x.backward()?;
    assert_eq!(grad(x), [1.0], "a leaf is its own root");
    x.zero_grad()?;
    let double = 2.0 * x;
    g.backward(&[(double, None), (double * double, None)])?;
    assert_eq!(grad(x), [26.0]);

    let middle = x.exp();
    let y = middle * middle;
    y.backward()?;
    assert_eq!(middle.grad::<f64>()?, None);
    middle.retain_grad()?;
    y.backward()?;
    assert_eq!(grad(middle), [2.0 * 3f64.exp()]);

    let unused = g.param(&[1.0], &[]);
    let error = g.grad(&[(y, None)], &[x, unused]).unwrap_err();
    assert!(error.message().contains("input 1"), "{error}");
    let found = g.grad_allow_unused(&[(y, None)], &[x, unused])?;
    assert!(found[0].is_some() && found[1].is_none());
    let plain = g.tensor(&[1.0], &[]);
    assert!(g.grad(&[(y, None)], &[plain]).unwrap_err().message().contains("input 0"));
    // A root without any gradient uses nothing.
    let constant = plain.exp();
    let error = g.grad(&[(constant, None)], &[x]).unwrap_err();
    assert!(error.message().contains("does not require grad"), "{error}");
    assert_eq!(g.grad_allow_unused(&[(constant, None)], &[x])?.len(), 1);
    assert!(g.grad_allow_unused(&[(constant, None)], &[x])?[0].is_none());
    Ok(())
}

#[test]
fn two_leaves_may_share_a_cotangent() -> Result<()> {
    let g = Graph::new();
    let (a, b) = (vector(&g, &[1.0, 2.0]), vector(&g, &[3.0, 4.0]));
    let y = (a + b).exp().sum();
    y.backward()?;
    let want = [4f64.exp(), 6f64.exp()];
    assert!(grad(a).iter().zip(want).all(|(x, y)| (x - y).abs() < 1e-12));
    assert_eq!(grad(a), grad(b));
    a.zero_grad()?;
    y.backward()?;
    assert!(grad(b).iter().zip(grad(a)).all(|(twice, once)| *twice == 2.0 * once));
    Ok(())
}

#[test]
fn the_untaken_branch_of_where_poisons_unless_it_is_made_safe() -> Result<()> {
    let g = Graph::new();
    let x = vector(&g, &[-1.0, 0.0]);
    let (zero, one) = (g.scalar(0.0), g.scalar(1.0));
    let positive = x.gt_scalar(0.0);
    positive.where_(x.sqrt(), zero).sum().backward()?;
    assert!(grad(x).iter().all(|d| d.is_nan()));
    x.zero_grad()?;
    let safe = positive.where_(x, one);
    positive.where_(safe.sqrt(), zero).sum().backward()?;
    assert_eq!(grad(x), [0.0, 0.0]);
    Ok(())
}

#[test]
fn optimisers_take_the_known_steps() -> Result<()> {
    let after_two = |step: &dyn Fn(&Graph) -> Result<()>| -> Result<Vec<f64>> {
        let g = Graph::new();
        let p = vector(&g, &[1.0, 2.0]);
        let loss = (p * p).sum();
        for _ in 0..2 {
            g.zero_grad();
            loss.backward()?;
            step(&g)?;
        }
        p.to_vec()
    };
    let sgd = bumpgrad::Sgd { momentum: 0.9, ..bumpgrad::Sgd::new(0.1) };
    let got = after_two(&|g| sgd.step(g))?;
    assert!((got[0] - 0.46).abs() < 1e-15 && (got[1] - 0.92).abs() < 1e-15, "{got:?}");
    let got = after_two(&|g| bumpgrad::Adam::new(0.1).step(g))?;
    let bad = bumpgrad::Adam { betas: [0.9, 1.0], ..bumpgrad::Adam::new(0.1) };
    assert_eq!(bad.step(&Graph::new()).unwrap_err().kind(), ErrorKind::Argument);
    assert!(bumpgrad::Sgd::new(f64::NAN).step(&Graph::new()).is_err());
    assert!((got[0] - 0.8004122).abs() < 5e-8 && (got[1] - 1.8001665).abs() < 5e-8, "{got:?}");
    Ok(())
}

#[test]
fn shapes_at_their_edges() -> Result<()> {
    let g = Graph::new();
    let (a, b) = (g.param(&[1.0; 3], &[3, 1]), g.param(&[1.0; 4], &[1, 4]));
    (a + b).sum().backward()?;
    assert_eq!((grad(a), grad(b)), (vec![4.0; 3], vec![3.0; 4]));
    let (s, m) = (g.param(&[1.0], &[]), g.param(&[1.0; 6], &[2, 3]));
    (s * m).sum().backward()?;
    assert_eq!(grad(s), [6.0]);
    let (one, none) = (g.param(&[1.0], &[1]), g.param(&[0.0; 0], &[0]));
    (one * none).sum().backward()?;
    assert_eq!((grad(one), grad(none)), (vec![0.0], vec![]));
    assert_eq!(none.sum().item()?, 0.0);
    assert_eq!(none.prod().item()?, 1.0);
    assert!(none.mean().item()?.is_nan());
    assert_eq!(none.logsumexp().item()?, f64::NEG_INFINITY);
    let error = none.max().item().unwrap_err();
    assert!(error.message().contains("no element"), "{error}");
    let empty = g.zeros::<f64>(&[2, 0]).matmul(g.zeros::<f64>(&[0, 3]));
    assert_eq!((empty.shape()?, empty.to_vec::<f64>()?), (vec![2, 3], vec![0.0; 6]));
    let scalar = g.param(&[2.0], &[]);
    assert_eq!(scalar.sum_axes(&[0], false).item()?, 2.0);
    assert_eq!(scalar.sum_axes(&[-1], false).item()?, 2.0);
    assert!(scalar.sum_axes(&[1], false).item().is_err());
    let single = g.param(&[2.0], &[1, 1, 1]);
    single.square().backward()?;
    assert_eq!(grad(single), [4.0]);

    let (x, w) = (g.ones::<f64>(&[5, 2, 3]), g.param(&[1.0; 3], &[3]));
    x.matmul(w).sum().backward()?;
    assert_eq!(grad(w), [10.0; 3]);
    let (p, q) = (g.param(&[1.0; 30], &[5, 1, 2, 3]), g.param(&[1.0; 24], &[4, 3, 2]));
    p.matmul(q).sum().backward()?;
    assert_eq!((grad(p), grad(q)), (vec![8.0; 30], vec![10.0; 24]));
    Ok(())
}

#[test]
fn indices_are_checked_and_duplicates_accumulate() -> Result<()> {
    let g = Graph::new();
    let x = vector(&g, &[1.0, 2.0, 3.0]);
    let index = g.tensor(&[0i64, 2, 2], &[3]);
    x.index_select(0, index).sum().backward()?;
    assert_eq!(grad(x), [1.0, 0.0, 2.0]);
    let negative = g.tensor(&[-1i64], &[1]);
    let error = x.gather(0, negative).to_vec::<f64>().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Index);
    assert!(error.message().contains("gather: index -1 at position 0 is outside of 0 to 2"));
    let logits = g.zeros::<f64>(&[1, 3]);
    logits.set_requires_grad(true)?;
    let loss = logits.cross_entropy(g.tensor(&[1i64], &[1]));
    loss.backward()?;
    let third = 1.0 / 3.0;
    let want = [third, third - 1.0, third];
    assert!(grad(logits).iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-15));
    let error = logits.cross_entropy(g.tensor(&[3i64], &[1])).item().unwrap_err();
    assert!(error.message().contains("cross_entropy: class 3 at position 0"), "{error}");
    assert!(logits.cross_entropy(g.tensor(&[-100i64], &[1])).item()?.is_nan());
    Ok(())
}

#[test]
fn errors_name_the_operation_the_shapes_the_label_and_the_line() {
    let g = Graph::new();
    let a = g.zeros::<f64>(&[2, 3]).label("weights");
    let b = g.zeros::<f64>(&[4]);
    let line = line!() + 1;
    let bad = a + b;
    assert!(bad.is_null());
    let worse = (bad.exp() * a).matmul(bad).sum();
    let error = worse.item().unwrap_err();
    let want = format!(
        "add: cannot broadcast \"weights\" [2, 3] with [4]: axis 1 is 3 and 4 (tests/tutorial.rs:{line})"
    );
    assert_eq!((error.kind(), error.message()), (ErrorKind::Shape, &*want));
    // Reported once; the null that is left says what it is.
    let error = worse.item().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Handle);
    assert!(error.message().contains("null"), "{error}");
    assert_eq!(a.to_vec::<f64>().unwrap(), [0.0; 6]);

    let i = g.zeros::<i64>(&[2]);
    type Bad<'a, 'g> = (&'static str, ErrorKind, &'a dyn Fn() -> Var<'g>);
    let cases: &[Bad<'_, '_>] = &[
        ("cast", ErrorKind::DType, &|| a + g.zeros::<f32>(&[2, 3])),
        ("i64", ErrorKind::DType, &|| i.exp()),
        ("inner lengths are 3 and 2", ErrorKind::Shape, &|| a.matmul(a)),
        ("axis 2", ErrorKind::Argument, &|| a.sum_axes(&[2], false)),
        ("twice", ErrorKind::Argument, &|| a.sum_axes(&[0, -2], false)),
        ("do not fill", ErrorKind::Shape, &|| a.reshape(&[4])),
        ("do not fill", ErrorKind::Shape, &|| a.reshape(&[-1, -1])),
        ("does not name", ErrorKind::Argument, &|| a.permute(&[0, 0])),
        ("does not expand", ErrorKind::Shape, &|| a.expand(&[3, 3])),
        ("step", ErrorKind::Argument, &|| a.slice(0, 0, 2, 0)),
        ("0-d", ErrorKind::Shape, &|| g.scalar(1.0).slice(0, 0, 1, 1)),
        ("operand 1", ErrorKind::Shape, &|| g.concat(&[a, b], 0)),
        ("needs an operand", ErrorKind::Argument, &|| g.concat(&[], 0)),
        ("stack", ErrorKind::Shape, &|| g.stack(&[a, b], 0)),
        ("i64", ErrorKind::DType, &|| a.index_select(0, b)),
        ("ranks", ErrorKind::Shape, &|| a.gather(0, i)),
        ("u8", ErrorKind::DType, &|| a.where_(a, a)),
        ("where: cannot broadcast operand 2, [4], with [2, 3]", ErrorKind::Shape, &|| {
            a.gt_scalar(0.0).where_(a, b)
        }),
        ("bound", ErrorKind::Argument, &|| a.clamp(None, None)),
        ("p must", ErrorKind::Argument, &|| a.norm(f64::NAN, &[], false)),
        ("logits", ErrorKind::Shape, &|| a.cross_entropy(i.reshape(&[2, 1]))),
        ("needs 5 elements", ErrorKind::Shape, &|| g.tensor(&[1.0, 2.0], &[5])),
        ("floating point", ErrorKind::Gradient, &|| g.param(&[1i64], &[1])),
        ("rank 9", ErrorKind::Limit, &|| g.zeros::<f64>(&[1; 9])),
        ("address space", ErrorKind::Limit, &|| g.zeros::<f64>(&[usize::MAX, 2])),
        ("step other than 0", ErrorKind::Argument, &|| g.arange::<f64>(0.0, 1.0, 0.0)),
        ("f32 or f64", ErrorKind::DType, &|| g.uniform::<u8>(&[2], 0.0, 1.0)),
    ];
    for (words, kind, run) in cases {
        let nodes = g.len();
        assert!(run().is_null(), "{words}");
        assert!(g.len() - nodes <= 2, "{words}: a failed operation leaves no nodes but operands");
        let error = g.check().unwrap_err();
        assert!(error.message().contains(words) && error.kind() == *kind, "{words}: {error}");
    }
    assert_eq!(a.dtype().unwrap(), DType::F64);
}

#[test]
fn handles_are_of_their_graph_and_end_with_a_rewind() -> Result<()> {
    let (g, other) = (Graph::new(), Graph::new());
    let w = vector(&g, &[1.0, 2.0]);
    let mark = g.mark();
    for round in 1..4 {
        let y = (w * f64::from(round)).sum();
        y.backward()?;
        g.rewind(mark)?;
        let error = y.item().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Handle);
        let next = w.exp(); // takes the dropped node's place, with another tag
        assert!(y.item().is_err() && next.to_vec::<f64>().is_ok());
        g.rewind(mark)?;
    }
    assert_eq!(grad(w), [6.0, 6.0]);
    let foreign = other.scalar(1.0);
    let error = (w + foreign).to_vec::<f64>().unwrap_err();
    assert!(error.message().contains("another graph"), "{error}");
    assert!(other.rewind(mark).is_err());
    // A mark of another graph is refused even if its numbers would fit.
    let (a, b) = (Graph::new(), Graph::new());
    let x = a.tensor(&[1f32; 1000], &[1000]);
    b.tensor(&[1f32; 3], &[3]);
    let foreign = b.mark();
    a.rewind(a.mark())?;
    assert!(a.rewind(foreign).is_err());
    assert_eq!(x.shape()?, [1000]);
    let late = g.mark();
    g.reset();
    assert!(g.is_empty() && w.to_vec::<f64>().is_err());
    assert!(g.rewind(late).is_err());
    Ok(())
}

#[test]
fn tensors_and_recordings_can_be_printed() {
    let g = Graph::new();
    let x = g.param(&[1.0, 2.5, -3.0, 4.0], &[2, 2]).label("x");
    assert_eq!((x * 2.0).to_string(), "[[ 2,  5],\n [-6,  8]]");
    assert_eq!(g.scalar(7i64).to_string(), "7");
    let bad = x.matmul(g.zeros::<f64>(&[3]));
    assert!(bad.to_string().starts_with("(matmul: cannot multiply"), "{bad}");
    assert!(g.to_text().contains("mul") && g.to_dot().starts_with("digraph"), "{}", g.to_text());
}

#[test]
fn a_graph_moves_between_threads() {
    let g = Graph::new();
    g.tensor(&[1.0], &[1]);
    let length = std::thread::spawn(move || g.len()).join().unwrap();
    assert_eq!(length, 1);
}
