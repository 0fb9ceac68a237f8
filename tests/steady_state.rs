//! After the first iterations, a training step allocates nothing: counted by the allocator.

#![cfg(not(feature = "capi"))] // which brings an allocator of its own

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use bumpgrad::{Adagrad, Adam, AdamW, Custom, Element, Graph, Lion, Result, RmsProp, Sgd, Var};

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: hands everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(start, layout) }
    }
    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise.
        unsafe { System.realloc(start, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of one call, after three calls to get going.
fn allocations(mut step: impl FnMut() -> Result<()>) -> Result<usize> {
    for _ in 0..3 {
        step()?;
    }
    let before = COUNT.get();
    for _ in 0..10 {
        step()?;
    }
    Ok(COUNT.get() - before)
}

/// Writes a leaf, computes the gradients and reads the loss, over and over.
fn replay_without_allocating<T: Element>(
    g: &Graph,
    x: Var<'_>,
    data: &[T],
    loss: Var<'_>,
) -> Result<()> {
    let count = allocations(|| {
        x.write(data)?;
        g.zero_grad();
        loss.backward()?;
        loss.item().map(|_| ())
    })?;
    assert_eq!(count, 0, "allocations in 10 replays");
    Ok(())
}

#[test]
fn replaying_a_chain() -> Result<()> {
    let g = Graph::new();
    let x = g.param(&[0.5f32], &[1]);
    let mut y = x;
    for _ in 0..300 {
        y = ((y + 0.1) * 0.9).sin();
    }
    replay_without_allocating(&g, x, &[0.25f32], y)
}

#[test]
fn recording_anew_after_a_rewind() -> Result<()> {
    let g = Graph::new();
    let x = g.param(&[0.5f32; 40], &[8, 5]);
    let mark = g.mark();
    let count = allocations(|| {
        let mut y = x;
        for _ in 0..100 {
            y = ((y + 0.1) * 0.9).sin();
        }
        let row = y.softmax(1).sum_axes(&[0], false);
        (row * row).sum().backward()?;
        g.rewind(mark)
    })?;
    assert_eq!(count, 0, "allocations in 10 recordings");
    Ok(())
}

/// Of a perceptron 784-256-128-10 and 64 examples, on two threads.
#[test]
fn a_training_step() -> Result<()> {
    let g = Graph::new();
    g.set_num_threads(2);
    let layer = |rows: usize, columns: usize| -> (Var<'_>, Var<'_>) {
        let w = g.normal::<f32>(&[rows, columns], 0.0, 0.1);
        let b = g.zeros::<f32>(&[columns]);
        w.set_requires_grad(true).unwrap();
        b.set_requires_grad(true).unwrap();
        (w, b)
    };
    let ((w1, b1), (w2, b2), (w3, b3)) = (layer(784, 256), layer(256, 128), layer(128, 10));
    let x = g.uniform::<f32>(&[64, 784], -1.0, 1.0);
    let classes: Vec<i64> = (0..64).map(|i| i % 10).collect();
    let classes = g.tensor(&classes, &[64]);
    let hidden = (x.matmul(w1) + b1).relu().matmul(w2) + b2;
    let loss = (hidden.relu().matmul(w3) + b3).cross_entropy(classes);
    let data = x.to_vec::<f32>()?;
    let count = allocations(|| {
        x.write(&data)?;
        g.zero_grad();
        loss.backward()?;
        Adam::new(0.01).step(&g)?;
        loss.item().map(|_| ())
    })?;
    assert_eq!(count, 0, "allocations in 10 steps");
    Ok(())
}

/// A layer so large that its product feeds the step that reads it.
#[test]
fn a_training_step_of_many_examples() -> Result<()> {
    let g = Graph::new();
    g.set_num_threads(2);
    let x = g.uniform::<f32>(&[20_000, 8], -1.0, 1.0);
    let w = g.normal::<f32>(&[8, 64], 0.0, 0.1);
    w.set_requires_grad(true)?;
    let b = g.param(&[0.0f32; 64], &[64]);
    let loss = (x.matmul(w) + b).relu().square().mean();
    let data = x.to_vec::<f32>()?;
    let count = allocations(|| {
        x.write(&data)?;
        g.zero_grad();
        loss.backward()?;
        Adam::new(0.01).step(&g)?;
        loss.item().map(|_| ())
    })?;
    assert_eq!(count, 0, "allocations in 10 steps");
    Ok(())
}

/// Large enough for several threads, recorded anew each time. (`ffi-tests/c/pool.c` counts what the
/// other threads allocate, too.)
#[test]
fn recording_large_work_anew_on_several_threads() -> Result<()> {
    let g = Graph::new();
    g.set_num_threads(3);
    let x = g.uniform::<f32>(&[400, 300], -1.0, 1.0);
    let w = g.normal::<f32>(&[300, 200], 0.0, 0.1);
    x.set_requires_grad(true)?;
    w.set_requires_grad(true)?;
    let mark = g.mark();
    let count = allocations(|| {
        let y = g.concat(&[x.sin().matmul(w), x.tanh().matmul(w).softmax(1)], 1);
        let loss = y.square().mean() + x.exp().sum_axes(&[0], false).log().sum();
        loss.backward()?;
        loss.item()?;
        g.zero_grad();
        g.rewind(mark)
    })?;
    assert_eq!(count, 0, "allocations in 10 recordings");
    Ok(())
}

/// In a tenth of the memory, so that most steps are run twice.
#[test]
fn a_training_step_within_a_budget() -> Result<()> {
    let g = Graph::new();
    let x = g.uniform::<f32>(&[64, 16], -1.0, 1.0);
    let (mut h, mut mark) = (x, g.mark());
    for layer in 1..=100 {
        let w = g.normal::<f32>(&[16, 16], 0.0, 0.3);
        w.set_requires_grad(true)?;
        h = h.matmul(w).tanh();
        if layer == 50 {
            g.checkpoint(mark, &[h])?;
            mark = g.mark();
        }
    }
    let loss = h.square().mean();
    let plain = g.plan_memory_backward(&[(loss, None)])?;
    g.set_memory_budget(Some(3 * plain.live + (plain.peak() - plain.live) / 10));
    let data = x.to_vec::<f32>()?;
    let count = allocations(|| {
        x.write(&data)?;
        g.zero_grad();
        loss.backward()?;
        // (Afterwards it would be another evaluation, whose scratch memory has not room beside this one's.)
        loss.item()?;
        Sgd::new(0.01).step(&g)
    })?;
    assert_eq!(count, 0, "allocations in 10 steps");
    assert!(g.plan_memory_backward(&[(loss, None)])?.repeated > 50);
    Ok(())
}

/// loss = mean((sin(x) y + exp(0.1 z))^2) on one thread: sinks with many blocks.
#[test]
fn replaying_a_loss_on_many_elements() -> Result<()> {
    let g = Graph::new();
    g.set_num_threads(1);
    let leaf = |low: f64| {
        let x = g.uniform::<f32>(&[10_000], low, 1.0);
        x.set_requires_grad(true).map(|()| x)
    };
    let (x, y, z) = (leaf(-1.0)?, leaf(-0.5)?, leaf(0.0)?);
    let loss = (x.sin() * y + (z * 0.1).exp()).square().mean();
    let data = x.to_vec::<f32>()?;
    replay_without_allocating(&g, x, &data, loss)
}

#[test]
fn replaying_rows_of_softmax_and_layer_norm() -> Result<()> {
    let g = Graph::new();
    g.set_num_threads(1);
    let data: Vec<f64> = (0..100 * 70).map(|i| f64::from(i % 89) * 0.1).collect();
    let x = g.param(&data, &[100, 70]);
    let (w, b) = (g.param(&[1.5f64; 70], &[70]), g.param(&[0.5f64; 70], &[70]));
    let distance = x - x.mean_axes(&[-1], true);
    let scale = (x.var(0.0, &[-1], true) + 1e-5).rsqrt();
    let normal = distance * scale * w + b;
    let head = g.tensor(&data, &[100, 70]);
    let loss = (normal.softmax(-1) * head).sum() + normal.log_softmax(0).mean();
    replay_without_allocating(&g, x, &data, loss)
}

#[test]
fn recording_a_dropout_anew() -> Result<()> {
    let g = Graph::new();
    let x = g.param(&[0.5f32; 600], &[20, 30]);
    let mark = g.mark();
    let count = allocations(|| {
        let y = (x.sin().dropout(0.5) + 1.0).dropout(0.1);
        y.square().mean_axes(&[0], false).sum().backward()?;
        y.eval()?;
        g.rewind(mark)
    })?;
    assert_eq!(count, 0, "allocations in 10 recordings");
    Ok(())
}

/// What is asked of a leaf, or of a node, in each iteration anew.
#[test]
fn changing_what_requires_a_gradient_each_time() -> Result<()> {
    let g = Graph::new();
    let (x, w) = (g.param(&[0.5f64; 30], &[30]), g.param(&[0.25f64; 30], &[30]));
    let mark = g.mark();
    let count = allocations(|| {
        w.set_requires_grad(true)?;
        let y = x * w;
        let loss = y.sin().sum();
        y.retain_grad()?;
        loss.backward()?;
        w.set_requires_grad(false)?;
        loss.backward()?;
        g.rewind(mark)
    })?;
    assert_eq!(count, 0, "allocations in 10 recordings");
    Ok(())
}

/// A step that is recorded anew each time.
#[test]
fn a_recorded_training_step() -> Result<()> {
    let g = Graph::new();
    let weight = |rows: usize, columns: usize| {
        let w = g.normal::<f64>(&[rows, columns], 0.0, 0.3);
        w.set_requires_grad(true).map(|()| w)
    };
    let (w1, w2, w3) = (weight(6, 8)?, weight(8, 8)?, weight(8, 3)?);
    let b = g.param(&[0.1f64; 8], &[8]);
    let x = g.uniform::<f64>(&[8, 6], -1.0, 1.0);
    let classes = g.tensor(&[0i64, 1, 2, 0, 1, 2, 0, 1], &[8]);
    let mark = g.mark();
    let count = allocations(|| {
        let hidden = (x.matmul(w1) + b).gelu().dropout(0.1);
        let loss = hidden.matmul(w2).tanh().matmul(w3).cross_entropy(classes);
        g.zero_grad();
        loss.backward()?;
        Sgd { momentum: 0.9, ..Sgd::new(0.1) }.step(&g)?;
        loss.item()?;
        g.rewind(mark)
    })?;
    assert_eq!(count, 0, "allocations in 10 steps");
    Ok(())
}

/// Groups of parameters, with a clipped gradient each time.
#[test]
fn steps_of_optimisers() -> Result<()> {
    let g = Graph::new();
    let xs: Vec<_> = (0..5).map(|_| g.param(&[0.5f32; 100], &[100])).collect();
    let y = g.param(&[0.5f64; 100], &[100]);
    let rms = RmsProp { momentum: 0.5, centred: true, ..RmsProp::new(0.1) };
    let count = allocations(|| {
        for x in &xs {
            x.set_grad(&[0.25f32; 100])?;
        }
        y.set_grad(&[0.25f64; 100])?;
        g.clip_grad_norm(1.0)?;
        g.clip_grad_value_of(&xs[1..3], 0.1)?;
        Sgd { momentum: 0.9, nesterov: true, ..Sgd::new(0.1) }.step_on(&g, &xs[..2])?;
        AdamW::new(0.1).step_on(&g, &xs[2..3])?;
        rms.step_on(&g, &[y])?;
        Adagrad::new(0.1).step_on(&g, &xs[3..4])?;
        Lion::new(0.1).step_on(&g, &xs[4..])
    })?;
    assert_eq!(count, 0, "allocations in 10 steps");
    Ok(())
}

/// Lists of operands, and gradients as nodes, differentiated again.
#[test]
fn lists_and_gradients_of_gradients_recorded_anew() -> Result<()> {
    let g = Graph::new();
    let x = g.param(&[0.5f64; 40], &[8, 5]);
    let w = g.param(&[0.25f64; 40], &[8, 5]);
    let mark = g.mark();
    let count = allocations(|| {
        let joined = g.concat(&[x, w, x * w], 1);
        let stacked = g.stack(&[x, w], 0).sin();
        let y = joined.tanh().sum() + stacked.square().sum();
        // (The list of gradients is the caller's: one allocation a call.)
        let dx = g.grad(&[(y, None)], &[x])?[0];
        dx.square().sum().backward()?;
        g.zero_grad();
        g.rewind(mark)
    })?;
    assert_eq!(count, 10, "allocations in 10 recordings, one each for a vector");
    Ok(())
}

/// Operations of the user's: replayed, in a batch, recorded anew, and differentiated as numbers.
#[test]
fn custom_operations() -> Result<()> {
    let g = Graph::new();
    let both = |custom: Custom| {
        custom
            .results(2)
            .vjp(|at, dx| {
                let g = at.cotangents[1].data::<f64>();
                dx[0].data_mut::<f64>().iter_mut().zip(g).for_each(|(dx, g)| *dx = 2.0 * g);
                Ok(())
            })
            .jvp(|at, dy| {
                dy[0].data_mut::<f64>().copy_from_slice(at.tangent(0).unwrap_or_default());
                Ok(())
            })
    };
    let forward = |name| {
        Custom::new(name, |x, y| {
            y.iter_mut().for_each(|y| y.data_mut::<f64>().copy_from_slice(x[0].data()));
            Ok(())
        })
    };
    let one = g.custom(both(forward("one")));
    let whole = g.custom(both(forward("whole")).takes_batches());
    let x = g.param(&[0.5f64; 12], &[12]);
    let batch = g.tensor(&[0.25f64; 48], &[4, 12]);
    let mark = g.mark();
    for op in [one, whole] {
        let results = g.apply_all(op, &[x.sin()]);
        let loss = (results[0] * results[1]).sum();
        replay_without_allocating(&g, x, &[0.75f64; 12], loss)?;
        let many = g.vmap(&[loss], &[(x, batch)])?[0];
        let moved = g.jvp(&[many], &[(batch, batch.detach())])?[0].sum();
        replay_without_allocating(&g, x, &[0.75f64; 12], many.sum() * loss)?;
        let count = allocations(|| {
            batch.write(&[0.75f64; 48])?;
            moved.item().map(|_| ())
        })?;
        assert_eq!(count, 0, "allocations in 10 replays");
        let count = allocations(|| {
            g.rewind(mark)?;
            // (The list of the results is the caller's.)
            let results = g.apply_all(op, &[x]);
            let loss = (results[0] * results[1]).sum();
            loss.backward()?;
            g.zero_grad();
            Ok(())
        })?;
        assert_eq!(count, 10, "allocations in 10 recordings");
    }
    Ok(())
}

/// Tangents, batches and matrices of derivatives, of a program with rows, parts and products.
#[test]
fn transforms_recorded_anew() -> Result<()> {
    let g = Graph::new();
    let x = g.param(&[0.5f64, -0.25, 1.5], &[3]);
    let w = g.param(&[0.25f64; 9], &[3, 3]);
    let direction = g.tensor(&[1.0f64, 0.0, -1.0], &[3]);
    let batch = g.tensor(&[0.5f64; 12], &[4, 3]);
    let mark = g.mark();
    let count = allocations(|| {
        let y = g.concat(&[w.matmul(x).tanh(), x.softmax(0), x.slice(0, 0, 2, 1)], 0);
        let loss = y.square().sum() + x.logsumexp();
        // (Each of these lists is the caller's: one allocation a call.)
        let moved = g.jvp(&[y], &[(x, direction)])?[0];
        let product = g.hvp(loss, &[(x, direction)])?[0];
        let losses = g.vmap(&[loss], &[(x, batch)])?[0];
        let curvature = g.hessian(loss, x).sum() + g.laplacian(loss, x);
        let all = moved.sum() + product.sum() + losses.sum() + curvature;
        (all + g.jacobian(y, x).square().sum()).backward()?;
        g.zero_grad();
        g.rewind(mark)
    })?;
    assert_eq!(count, 30, "allocations in 10 recordings, one each for three lists");
    Ok(())
}
