//! What is computed, and what is not.

use super::*;
use crate::error::ErrorKind;
use crate::graph::{Handle, Operand};
use crate::roll_call::Elem;
use crate::session::Session;

fn leaf(session: &mut Session, data: &[f64]) -> Handle {
    session.record(|core| {
        let id = core.leaf("x", data, &[data.len()])?;
        core.set_requires_grad(id, true)?;
        Ok(id)
    })
}

/// Reads a tensor; its elements, and the steps that it took.
fn read(session: &mut Session, x: Handle) -> (Vec<f64>, usize) {
    let before = session.nodes_run();
    let values = session.values::<f64>("read", x).unwrap().to_vec();
    (values, session.nodes_run() - before)
}

#[test]
fn recording_computes_nothing_and_reading_computes_once() {
    let s = &mut Session::new();
    let x = leaf(s, &[1.0, 2.0]);
    let y = s.map(Elem::Square, x);
    let z = s.map(Elem::Neg, y);
    let unread = s.map(Elem::Exp, y);
    assert_eq!(s.nodes_run(), 0);
    assert_eq!(read(s, z), (vec![-1.0, -4.0], 2));
    assert_eq!(read(s, z).1, 0);
    // What is in between was kept, as it is small.
    assert_eq!(read(s, unread).1, 1);
    assert_eq!(read(s, y).1, 0);
    // Large values in between are kept only when something new is made of them.
    let x = leaf(s, &vec![1.0; 10_000]);
    let y = s.map(Elem::Square, x);
    let z = s.map(Elem::Neg, y);
    let others = [Elem::Exp, Elem::Sin].map(|elem| s.map(elem, y));
    assert_eq!(read(s, z).1, 2);
    assert_eq!(read(s, others[0]).1, 2);
    assert_eq!(read(s, others[1]).1, 1);
    assert_eq!(read(s, y).1, 0);
}

#[test]
fn a_write_makes_exactly_what_is_downstream_stale() {
    let s = &mut Session::new();
    let (x, w) = (leaf(s, &[1.0]), leaf(s, &[10.0]));
    // A diamond over x, and a branch over w.
    let left = s.map(Elem::Square, x);
    let right = s.map(Elem::Neg, x);
    let joined = s.map2(Elem::Add, left, right);
    let branch = s.map(Elem::Neg, w);
    let all = s.map2(Elem::Mul, joined, branch);
    // What was read is kept, so each of these computes one node.
    for node in [left, right, joined, branch, all] {
        assert_eq!(read(s, node).1, 1);
    }
    s.write(w, &[20.0]).unwrap();
    assert_eq!(read(s, joined).1, 0);
    s.write(x, &[3.0]).unwrap();
    assert_eq!(read(s, joined), (vec![6.0], 3));
    assert_eq!(read(s, all), (vec![-120.0], 2));
    // A write that is undone by another is still a write; what does not depend on it is kept.
    s.write(w, &[20.0]).unwrap();
    assert_eq!(read(s, joined).1, 0);
    assert_eq!(read(s, all), (vec![-120.0], 2));
}

#[test]
fn views_cost_no_step_unless_they_are_read() {
    let s = &mut Session::new();
    s.engine().always_plan();
    let x = s.record(|core| core.leaf("x", &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0], &[2, 3]));
    let t = s.record1("t", x, |core, x| core.transpose(x, 0, 1));
    let r = s.record1("r", t, |core, t| core.slice(t, 0, 1, 3, 1));
    let y = s.map(Elem::Neg, r);
    assert_eq!(read(s, y), (vec![-1.0, -4.0, -2.0, -5.0], 1));
    assert_eq!(read(s, t), (vec![0.0, 3.0, 1.0, 4.0, 2.0, 5.0], 1));
    // A reshape of a transposed tensor cannot be a view: one copy.
    let flat = s.record1("flat", t, |core, t| core.reshape(t, &[6]));
    let z = s.map(Elem::Square, flat);
    assert_eq!(read(s, z).0, [0.0, 9.0, 1.0, 16.0, 4.0, 25.0]);
}

#[test]
fn define_by_run_does_not_compute_the_past_again() {
    let s = &mut Session::new();
    let mut x = leaf(s, &[1.0]);
    for _ in 0..1000 {
        x = s.record1("x", x, |core, x| core.map2(Elem::Add, x, Operand::Constant(1.0)));
        assert_eq!(read(s, x).1, 1);
    }
    assert_eq!(read(s, x).0, [1001.0]);
}

/// Each of the reads has a plan of its own, which the next pass finds.
#[test]
fn a_loop_that_reads_in_each_step_is_planned_once() {
    let s = &mut Session::new();
    let x = leaf(s, &[0.5]);
    let mark = s.core.mark();
    let mut made = vec![];
    for _ in 0..8 {
        let mut y = x;
        for step in 0..200 {
            for _ in 0..6 {
                y = s.map(Elem::Sin, y);
                y = s.map2(Elem::Add, y, x);
            }
            let read = read(s, y).1;
            assert!(read == 12 || read == 0, "{read} nodes in step {step}");
        }
        made.push(s.engine().plans_made);
        s.core.rewind(mark).unwrap();
    }
    assert_eq!(made[7], made[6], "{made:?}");
}

#[test]
fn gradients_follow_a_write_between_two_backwards_and_temporaries_are_dropped() {
    let s = &mut Session::new();
    let x = leaf(s, &[1.0, 2.0]);
    let y = s.record2("y", x, x, Core::dot);
    let nodes = s.core.len();
    s.backward(std::iter::once((y, None))).unwrap();
    assert_eq!(s.grad_values::<f64>(x).unwrap().unwrap(), [2.0, 4.0]);
    s.write(x, &[10.0, 20.0]).unwrap();
    s.backward(std::iter::once((y, None))).unwrap();
    assert_eq!(s.grad_values::<f64>(x).unwrap().unwrap(), [22.0, 44.0]);
    assert_eq!(s.core.len(), nodes);
    let live = s.memory().live;
    s.backward(std::iter::once((y, None))).unwrap();
    assert_eq!(s.memory().live, live);
}

#[test]
fn a_failure_in_the_middle_changes_nothing() {
    let s = &mut Session::new();
    let x = leaf(s, &[1.0, 2.0, 3.0]);
    let bad = s.record(|core| core.leaf("i", &[0i64, 7], &[2]));
    let good = s.record2("dot", x, x, Core::dot);
    s.backward(std::iter::once((good, None))).unwrap();
    let picked = s.record2("index_select", x, bad, |core, x, i| core.index_select(x, 0, i));
    let sum = s.record1("sum", picked, |core, x| core.sum(x, &[], false));
    assert!(s.backward(std::iter::once((sum, None))).is_err());
    let error = s.core.error.take().unwrap();
    assert_eq!(error.kind(), ErrorKind::Index);
    assert_eq!(error.message(), "index_select: index 7 at position 1 is outside of -3 to 2");
    assert_eq!(s.grad_values::<f64>(x).unwrap().unwrap(), [2.0, 4.0, 6.0]);
    s.write(bad, &[0i64, 2]).unwrap();
    s.backward(std::iter::once((sum, None))).unwrap();
    assert_eq!(s.grad_values::<f64>(x).unwrap().unwrap(), [3.0, 4.0, 7.0]);
}

#[test]
fn random_nodes_keep_their_numbers_within_a_replay_and_change_with_the_next() {
    let s = &mut Session::new();
    let x = leaf(s, &[1.0; 1000]);
    let y = s.record1("y", x, |core, x| core.dropout(x, 0.25));
    let first = read(s, y).0;
    let kept = first.iter().filter(|&&v| v != 0.0).count();
    assert!((700..800).contains(&kept), "{kept} of 1000 kept");
    assert!(first.iter().all(|&v| v == 0.0 || v == 1.0 / 0.75));
    let again = s.map(Elem::Neg, y);
    assert!(read(s, again).0.iter().zip(&first).all(|(a, b)| *a == -b));
    let sum = s.record1("sum", y, |core, y| core.sum(y, &[], false));
    s.backward(std::iter::once((sum, None))).unwrap();
    assert_eq!(s.grad_values::<f64>(x).unwrap().unwrap(), first);
    s.core.resample();
    assert_ne!(read(s, y).0, first);
    s.core.set_training(false);
    assert_eq!(read(s, y).0, [1.0; 1000]);
}

#[test]
fn a_million_nodes_need_no_stack() {
    let s = &mut Session::new();
    let x = leaf(s, &[1.0]);
    let mut y = x;
    for _ in 0..1_000_000 {
        y = s.record1("y", y, |core, y| core.map2(Elem::Mul, y, Operand::Constant(1.0)));
    }
    s.backward(std::iter::once((y, None))).unwrap();
    assert_eq!(s.grad_values::<f64>(x).unwrap().unwrap(), [1.0]);
    // And a million views, which are resolved one through the other.
    let mut v = x;
    for _ in 0..500_000 {
        v = s.record1("v", v, |core, v| core.reshape(v, &[1, 1]));
        v = s.record1("v", v, |core, v| core.reshape(v, &[1]));
    }
    assert_eq!(read(s, v).0, [1.0]);
}

#[test]
fn the_memory_limit_is_an_error_after_which_everything_is_still_there() {
    let s = &mut Session::new();
    let x = leaf(s, &[3.0; 1000]);
    s.core.set_memory_limit(1 << 20);
    // Values that can be computed again make room for others, so many can be read...
    let mut all = vec![x];
    for _ in 0..300 {
        all.push(s.map(Elem::Cos, *all.last().unwrap()));
        assert!(s.values::<f64>("read", all[all.len() - 1]).is_ok());
    }
    // ... but not leaves.
    let kind = loop {
        let new = s.record(|core| core.leaf("x", &[3.0; 1000], &[1000]));
        if new == Handle::NULL {
            break s.core.error.take().unwrap().kind();
        }
    };
    assert_eq!(kind, ErrorKind::Memory);
    assert_eq!(read(s, x).0, [3.0; 1000]);
    s.core.set_memory_limit(usize::MAX);
    let last = read(s, all[300]).0;
    assert!((last[0] - 0.739_085_133_215_160_6).abs() < 1e-12);
}

#[test]
fn reductions_of_every_layout_agree_with_their_definition() {
    let s = &mut Session::new();
    let dims = [3usize, 1, 4, 130, 2];
    let data: Vec<f64> =
        (0..dims.iter().product()).map(|i: usize| ((i * 7919) % 997) as f64).collect();
    let x = s.record(|core| core.leaf("x", &data, &dims));
    let views = [
        x,
        s.record1("v", x, |core, x| core.permute(x, &[4, 2, 0, 3, 1])),
        s.record1("v", x, |core, x| core.slice(x, 3, 1, 130, 3)),
        s.record1("v", x, |core, x| core.expand(x, &[3, 5, 4, 130, 2])),
    ];
    for view in views {
        let shape = s.shape(view).unwrap();
        let values = read(s, view).0;
        for subset in 0u32..32 {
            let axes: Vec<isize> = (0..5).filter(|axis| subset & (1 << axis) != 0).collect();
            let kept = |axis: usize| !axes.is_empty() && !axes.contains(&(axis as isize));
            let out: usize = (0..5).filter(|&axis| kept(axis)).map(|axis| shape[axis]).product();
            let mut want = vec![(0.0, f64::NEG_INFINITY); out];
            for (i, &value) in values.iter().enumerate() {
                let (mut rest, mut place, mut stride) = (i, 0, 1);
                for axis in (0..5).rev() {
                    if kept(axis) {
                        place += rest % shape[axis] * stride;
                        stride *= shape[axis];
                    }
                    rest /= shape[axis];
                }
                want[place] = (want[place].0 + value, want[place].1.max(value));
            }
            let sum = s.record1("sum", view, |core, x| core.sum(x, &axes, false));
            let max = s.record1("max", view, |core, x| core.max(x, &axes, true));
            let (sums, maxima): (Vec<f64>, Vec<f64>) = want.into_iter().unzip();
            assert_eq!(read(s, sum).0, sums, "sum of {shape:?} over {axes:?}");
            assert_eq!(read(s, max).0, maxima, "max of {shape:?} over {axes:?}");
        }
    }
}

/// Products that feed what follows them are what they are by themselves, bit by bit.
#[test]
fn products_in_chunks_are_the_same() {
    let sizes: [(&[usize], usize, usize, usize); 9] = [
        (&[], 1000, 20, 50),
        (&[], 999, 1, 64),
        (&[], 70, 100, 300),
        (&[], 5000, 3, 48),
        (&[], 2, 2, 256),
        (&[700], 5, 7, 48),
        (&[3, 2], 129, 16, 65),
        (&[40], 64, 9, 64),
        (&[2], 500, 60, 200),
    ];
    for (batch, m, k, n) in sizes {
        let bits = |chunks: bool, fusion: bool, threads: usize| {
            let g = &crate::Graph::new();
            g.call(|session| session.engine().always_plan());
            g.set_fusion(fusion);
            g.set_num_threads(threads);
            if chunks {
                g.call(|session| session.engine().planner.set_feed_bytes(0));
            }
            let leaf = |shape: &[usize]| {
                let x = g.normal::<f32>(shape, 0.0, 0.5);
                x.set_requires_grad(true).unwrap();
                x
            };
            let shape = |rows: usize, columns: usize| [batch, &[rows, columns]].concat();
            let (a, b, bias) = (leaf(&shape(m, k)), leaf(&shape(n, k)), leaf(&[n]));
            let (c, rows) = (leaf(&[n, 50]), leaf(&shape(m, 1)));
            let y = a.matmul(b.transpose(-1, -2));
            let z = (y + bias).tanh().matmul(c);
            let other = (a * 0.5).matmul(b.transpose(-1, -2)).softmax(-1) * rows;
            let loss = z.gelu().sum() + (other.sum_axes(&[-1], false) + 1.0).log().mean();
            let results = [z, loss, other];
            loss.backward().unwrap();
            if chunks {
                let plan = g.plan_to_text();
                let is_fed = |line: &str| line.starts_with("   t") && line.contains(" = matmul ");
                assert!(plan.lines().any(is_fed), "{plan}");
            }
            let mut all = Vec::new();
            for x in results {
                all.extend(x.to_vec::<f32>().unwrap().into_iter().map(f32::to_bits));
            }
            for x in [a, b, bias, c, rows] {
                all.extend(x.grad::<f32>().unwrap().unwrap().into_iter().map(f32::to_bits));
            }
            all
        };
        let want = bits(false, false, 1);
        for (fusion, threads) in [(true, 1), (true, 2), (true, 3), (false, 1)] {
            assert!(bits(fusion, fusion, threads) == want, "{batch:?} {m} {k} {n}");
        }
    }
}

#[test]
fn a_failure_in_a_chunk_is_told_and_a_product_of_constants_is_computed_once() {
    let g = &crate::Graph::new();
    g.call(|session| session.engine().planner.set_feed_bytes(0));
    let x = g.tensor(&vec![0.5f32; 3000 * 8], &[3000, 8]);
    let w = g.param(&[0.25f32; 8 * 64], &[8, 64]);
    let mut classes = vec![7i64; 3000];
    classes[2500] = 64;
    classes[2999] = -1;
    let t = g.tensor(&classes, &[3000]);
    let loss = x.matmul(w).cross_entropy(t);
    let error = loss.backward().unwrap_err();
    assert!(error.to_string().contains("class 64 at position 2500"), "{error}");
    assert_eq!(w.grad::<f32>().unwrap(), None);
    t.write(&[7i64; 3000]).unwrap();
    loss.backward().unwrap();
    assert!((loss.item().unwrap() - 64f64.ln()).abs() < 1e-5);

    let b = g.param(&[1.0f32; 64], &[64]);
    let y = (x.matmul(g.tensor(&[0.25f32; 8 * 64], &[8, 64])) + b).relu().sum();
    let run = || {
        let before = g.call(|session| session.nodes_run());
        g.zero_grad();
        y.backward().unwrap();
        g.call(|session| session.nodes_run()) - before
    };
    let first = run();
    b.write(&[2.0f32; 64]).unwrap();
    assert_eq!(run(), first - 1);
}

// ---- what grows with the program, and what must not ----

/// Nodes computed by each of `count` readings in a recording that grows.
fn reads_in_a_loop(count: usize, len: usize) -> Vec<usize> {
    let s = &mut Session::new();
    let w = leaf(s, &vec![1.1; len]);
    let mut y = leaf(s, &vec![0.3; len]);
    (0..count)
        .map(|_| {
            let inner = s.map2(Elem::Mul, y, w);
            let sine = s.map(Elem::Sin, inner);
            let step = s.map_scalar(Elem::Mul, sine, 0.01);
            y = s.map2(Elem::Add, y, step);
            read(s, y).1
        })
        .collect()
}

#[test]
fn a_reading_computes_what_is_new_since_the_last_one() {
    for len in [1, 2, 100] {
        assert!(reads_in_a_loop(200, len).iter().all(|&nodes| nodes == 4));
    }
    // What is large is planned, and kept only when it is needed for a second time.
    let nodes = reads_in_a_loop(50, 100_000);
    assert!(nodes.iter().all(|&nodes| nodes <= 8), "{nodes:?}");
}

#[test]
fn values_beside_many_others_are_computed_alone() {
    let s = &mut Session::new();
    let x = leaf(s, &[0.5]);
    let values: Vec<Handle> = (0..500)
        .map(|k| {
            let y = s.map_scalar(Elem::Mul, x, f64::from(k));
            let y = s.map_scalar(Elem::Add, y, 1.0);
            s.map(Elem::Sin, y)
        })
        .collect();
    for &y in &values {
        assert_eq!(read(s, y).1, 3);
    }
}

#[test]
fn one_leaf_after_the_other_is_written_and_one_plan_serves_them_all() {
    let s = &mut Session::new();
    let n = 200;
    let leaves: Vec<Handle> = (0..n).map(|k| leaf(s, &[f64::from(k)])).collect();
    let mut sum = s.map_scalar(Elem::Mul, leaves[0], 0.0);
    for &x in &leaves {
        let y = s.map(Elem::Sin, x);
        sum = s.map2(Elem::Add, sum, y);
    }
    read(s, sum);
    for round in 0..100 {
        let k = round * 37 % n;
        s.write(leaves[k as usize], &[f64::from(round)]).unwrap();
        let value = read(s, sum).0[0];
        assert!(s.engine().plans_made <= 1);
        let of = |x: Handle, s: &mut Session| s.values::<f64>("test", x).unwrap()[0];
        let exact: f64 = leaves.iter().map(|&x| of(x, s).sin()).sum();
        assert!((value - exact).abs() < 1e-12);
    }
}

/// A structure that comes again gets a plan, and gives the same numbers.
#[test]
fn what_comes_again_is_planned() {
    let s = &mut Session::new();
    let x = leaf(s, &[0.25; 5]);
    let y = (0..20).fold(x, |y, _| {
        let y = s.map_scalar(Elem::Mul, y, 0.9);
        s.map(Elem::Tanh, y)
    });
    let direct = read(s, y);
    assert!(s.engine().last_plan().is_none() && direct.1 == 40);
    let mut text = String::new();
    s.engine().tell(&mut text).unwrap();
    assert!(text.starts_with("40 nodes, one by one"), "{text}");
    for _ in 0..3 {
        s.write(x, &[0.25; 5]).unwrap();
        assert_eq!(read(s, y).0, direct.0);
        assert!(s.engine().last_plan().is_some_and(|plan| plan.steps().len() == 1));
    }
}
