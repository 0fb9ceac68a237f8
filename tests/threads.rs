//! Threads: whatever the number of them, and whoever else uses them, the bits are the same.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use bumpgrad::{DType, Graph, Result, Var};

/// Large enough for the pool, and of no round size.
const ROWS: usize = 601;
const COLUMNS: usize = 509;

/// The numbers of a graph in one list: results, then gradients.
type Bits = Vec<u64>;

/// A network's worth of everything whose chunks are shared: chains, row and column sums, sums of
/// all, softmax, and the gradients of all that.
fn record(graph: &Graph) -> Result<(Vec<Var<'_>>, Vec<Var<'_>>)> {
    graph.set_seed(7);
    let x = graph.normal::<f32>(&[ROWS, COLUMNS], 0.0, 1.0);
    let bias = graph.normal::<f32>(&[COLUMNS], 0.0, 1.0);
    for leaf in [x, bias] {
        leaf.set_requires_grad(true)?;
    }
    let chain = ((x + bias).sin() * x + (x * 0.1).exp()).square();
    let softmax = (chain * 0.01).softmax(1);
    let columns = softmax.sum_axes(&[0], false);
    let loss = chain.mean() + columns.square().sum() + (x * softmax).sum();
    Ok((vec![chain, softmax, columns, loss], vec![x, bias]))
}

/// Layers whose products feed what follows them, with results that stay and that do not, of whole
/// matrices and of batches.
fn layers(graph: &Graph) -> Result<(Vec<Var<'_>>, Vec<Var<'_>>)> {
    graph.set_seed(8);
    let leaf = |shape: &[usize]| {
        let leaf = graph.normal::<f32>(shape, 0.0, 0.3);
        leaf.set_requires_grad(true).map(|()| leaf)
    };
    let (x, w1, w2) = (leaf(&[20_011, 30])?, leaf(&[30, 60])?, leaf(&[60, 70])?);
    let (b1, b2) = (leaf(&[60])?, leaf(&[70])?);
    let (q, k) = (leaf(&[5, 601, 16])?, leaf(&[5, 509, 16])?);
    let hidden = (x.matmul(w1) + b1).gelu().matmul(w2) + b2;
    let weights = (q.matmul(k.transpose(1, 2)) * 0.25).softmax(-1);
    let loss = hidden.relu().square().mean() + weights.square().sum();
    Ok((vec![weights, hidden, loss], vec![x, w1, b1, w2, b2, q, k]))
}

/// Where numbers become too small to be normal, and all that could keep one, choose one, or compute
/// with it.
fn tiny(graph: &Graph) -> Result<(Vec<Var<'_>>, Vec<Var<'_>>)> {
    graph.set_seed(9);
    let x = graph.normal::<f32>(&[ROWS, COLUMNS], 0.0, 1.0);
    x.set_requires_grad(true)?;
    let data = |i: usize| (i * 7919 % 6007) as f32 * 4e-42 - 1e-38;
    let data: Vec<f32> = (0..ROWS * COLUMNS).map(data).collect();
    let small = graph.param(&data, &[ROWS, COLUMNS]);
    let (below, row) = (small * 0.3, small.slice(0, 0, 1, 1));
    let mut results = vec![
        (small + below) * 0.7,
        small.maximum(below).minimum(row),
        small.neg().abs().relu(),
        small.clamp(Some(-1e-39), Some(1e-39)) - below,
        small.gt(below).where_(small, below),
        small.sqrt() + small.abs().log() * below,
        below.sin() + below.tanh() + below.expm1() + below.log1p(),
        below.sigmoid() * below + below.gelu() + below.erf(),
        below.softmax(0) * below,
        (x * 30.0).softmax(1),
        below.sum_axes(&[0], false),
        below.max_axes(&[1], false),
        below.amin(),
        below.sign(),
        below.eq_scalar(0.0).cast(DType::F32),
        below.slice(1, 0, 300, 1).matmul(x.slice(0, 0, 300, 1)),
        below.norm(2.0, &[], false) + below.prod_axes(&[1], false).sum(),
    ];
    let sums: Vec<Var<'_>> = results.iter().map(|y| y.sum()).collect();
    results.push(sums.into_iter().fold(graph.scalar(0f32), |loss, sum| loss + sum));
    Ok((results, vec![x, small]))
}

type Record = for<'g> fn(&'g Graph) -> Result<(Vec<Var<'g>>, Vec<Var<'g>>)>;

fn bits(graph: &Graph, record: Record, threads: usize, fusion: bool) -> Result<Bits> {
    graph.set_num_threads(threads);
    graph.set_fusion(fusion);
    let (results, leaves) = record(graph)?;
    let loss = results[results.len() - 1];
    loss.backward()?;
    let mut out = Bits::new();
    for result in results {
        out.extend(result.to_vec::<f32>()?.iter().map(|x| u64::from(x.to_bits())));
    }
    for leaf in leaves {
        let gradient = leaf.grad::<f32>()?.unwrap_or_default();
        assert!(!gradient.is_empty());
        out.extend(gradient.iter().map(|x| u64::from(x.to_bits())));
    }
    Ok(out)
}

/// As many threads as a profile says that runs had.
fn entered(profile: &str, threads: usize) -> bool {
    let is_run = |line: &&str| line.contains("\"cat\":\"run\"");
    let words = format!("\"threads\":{threads}}}");
    profile.lines().filter(is_run).any(|line| line.contains(&words))
}

#[test]
fn the_bits_are_the_same_for_any_number_of_threads_and_without_fusion() -> Result<()> {
    for record in [record as Record, layers] {
        let want = bits(&Graph::new(), record, 1, true)?;
        let others = [(2, true), (3, true), (8, true), (1, false), (2, false), (0, true)];
        for (threads, fusion) in others {
            let graph = Graph::new();
            graph.profile_begin();
            let got = bits(&graph, record, threads, fusion)?;
            assert!(got == want, "{threads} threads, fusion {fusion}");
            let profile = graph.profile_end();
            assert!(entered(&profile, graph.num_threads()), "not shared by {threads}: {profile}");
        }
    }
    Ok(())
}

#[test]
fn subnormal_numbers_are_flushed_alike_on_all_threads_and_without_fusion() -> Result<()> {
    let flushing = |on: bool| {
        let graph = Graph::new();
        graph.set_flush_subnormals(on);
        graph
    };
    let want = bits(&flushing(true), tiny, 1, true)?;
    let is_subnormal = |&&x: &&u64| f32::from_bits(x as u32).is_subnormal();
    let subnormals = |bits: &Bits| bits.iter().filter(is_subnormal).count();
    assert!(subnormals(&want) < subnormals(&bits(&flushing(false), tiny, 1, true)?) / 2);
    for threads in [2, 3, 8] {
        assert!(bits(&flushing(true), tiny, threads, true)? == want, "{threads} threads");
    }
    let single = bits(&flushing(true), tiny, 1, false)?;
    assert!(bits(&flushing(true), tiny, 2, false)? == single, "2 threads, without fusion");
    // What `maximum` chooses among the leaf's data may be subnormal still, which is as good as 0.
    let flushed = |bits: Bits| -> Bits {
        let sign = |x| if is_subnormal(&&x) { x & 1 << 31 } else { x };
        bits.into_iter().map(sign).collect()
    };
    assert!(flushed(single) == flushed(want), "without fusion");
    Ok(())
}

/// Graphs on threads of their own share one pool, and threads of any number come and go.
#[test]
fn graphs_share_the_pool_while_others_shut_it_down() -> Result<()> {
    let want = bits(&Graph::new(), record, 1, true)?;
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..6)
            .map(|worker| {
                let want = &want;
                scope.spawn(move || {
                    let graph = Graph::new();
                    for round in 0..3 {
                        graph.reset();
                        let got = bits(&graph, record, 2 + (worker + round) % 4, true);
                        assert!(got.as_ref() == Ok(want), "worker {worker}, round {round}");
                    }
                })
            })
            .collect();
        let done = &done;
        scope.spawn(move || {
            while !done.load(Ordering::Relaxed) {
                bumpgrad::shutdown();
                thread::yield_now();
            }
        });
        let ended: Vec<_> = workers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        done.store(true, Ordering::Relaxed);
        assert!(ended.iter().all(std::result::Result::is_ok));
    });
    Ok(())
}
