//! After the first iterations, a training step allocates nothing: counted by the allocator.

#![cfg(not(feature = "capi"))] // which brings an allocator of its own

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use bumpgrad::{Adam, Graph, Result, Var};

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

#[test]
fn replaying_a_chain() -> Result<()> {
    let g = Graph::new();
    let x = g.param(&[0.5f32], &[1]);
    let mut y = x;
    for _ in 0..300 {
        y = ((y + 0.1) * 0.9).sin();
    }
    let count = allocations(|| {
        x.write(&[0.25f32])?;
        g.zero_grad();
        y.backward()?;
        y.item().map(|_| ())
    })?;
    assert_eq!(count, 0, "allocations in 10 replays");
    Ok(())
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

/// Small enough that the matrix products need no packing.
#[test]
fn a_training_step() -> Result<()> {
    let g = Graph::new();
    let layer = |rows: usize, columns: usize| -> (Var<'_>, Var<'_>) {
        let w = g.normal::<f32>(&[rows, columns], 0.0, 0.1);
        let b = g.zeros::<f32>(&[columns]);
        w.set_requires_grad(true).unwrap();
        b.set_requires_grad(true).unwrap();
        (w, b)
    };
    let ((w1, b1), (w2, b2)) = (layer(8, 6), layer(6, 4));
    let x = g.uniform::<f32>(&[8, 8], -1.0, 1.0);
    let classes = g.tensor(&[0i64, 1, 2, 3, 0, 1, 2, 3], &[8]);
    let loss = ((x.matmul(w1) + b1).relu().matmul(w2) + b2).cross_entropy(classes);
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
