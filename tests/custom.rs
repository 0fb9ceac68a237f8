//! Operations of one's own: twins of built-in ones, in every transform and in pairs of them; failures,
//! panics, re-entry; purity; and how long they live.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bumpgrad::custom::TensorRef;
use bumpgrad::{Custom, CustomOp, DType, ErrorKind, Graph, Result, Var};

/// Which derivatives a twin has.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Has {
    vjp: bool,
    jvp: bool,
    recorded: bool,
    takes_batches: bool,
}

const ALL: Has = Has { vjp: true, jvp: true, recorded: true, takes_batches: false };
const NUMERIC: Has = Has { recorded: false, ..ALL };
const RECORDED: Has = Has { vjp: false, jvp: false, ..ALL };
const WHOLE: Has = Has { takes_batches: true, ..ALL };
const WHOLE_NUMERIC: Has = Has { takes_batches: true, ..NUMERIC };
const ALL_KINDS: [Has; 5] = [ALL, NUMERIC, RECORDED, WHOLE, WHOLE_NUMERIC];

fn apply_flags(custom: Custom, has: Has) -> Custom {
    if has.takes_batches { custom.takes_batches() } else { custom }
}

/// x^3, element by element.
fn cube(graph: &Graph, has: Has) -> CustomOp {
    let mut custom = Custom::new("cube", |x, y| {
        let y = y[0].data_mut::<f64>();
        y.iter_mut().zip(x[0].data::<f64>()).for_each(|(y, x)| *y = x * x * x);
        Ok(())
    });
    if has.vjp {
        custom = custom.vjp(|at, dx| {
            let (x, g) = (at.inputs[0].data::<f64>(), at.cotangents[0].data::<f64>());
            let dx = dx[0].data_mut::<f64>();
            dx.iter_mut().zip(x).zip(g).for_each(|((dx, x), g)| *dx = 3.0 * x * x * g);
            Ok(())
        });
    }
    if has.jvp {
        custom = custom.jvp(|at, dy| {
            let (x, t) = (at.inputs[0].data::<f64>(), at.tangent::<f64>(0).unwrap());
            let dy = dy[0].data_mut::<f64>();
            dy.iter_mut().zip(x).zip(t).for_each(|((dy, x), t)| *dy = 3.0 * x * x * t);
            Ok(())
        });
    }
    if has.recorded {
        custom = custom
            .recorded_vjp(|at| Ok(vec![Some(3.0 * at.inputs[0].square() * at.cotangents[0])]));
    }
    graph.custom(apply_flags(custom, has))
}

/// The product of two tensors of one shape along the last axis, and their difference: two inputs and two
/// results of different shapes.
fn pair(graph: &Graph, has: Has) -> CustomOp {
    fn row(x: &TensorRef<'_>) -> usize {
        x.shape().last().copied().unwrap_or(1).max(1)
    }
    let mut custom = Custom::new("pair", |x, y| {
        let row = row(&x[0]);
        let (a, b) = (x[0].data::<f64>(), x[1].data::<f64>());
        let rows = a.chunks(row).zip(b.chunks(row));
        for (y, (a, b)) in y[0].data_mut::<f64>().iter_mut().zip(rows) {
            *y = a.iter().zip(b).map(|(a, b)| a * b).sum();
        }
        let y = y[1].data_mut::<f64>();
        y.iter_mut().zip(a.iter().zip(b)).for_each(|(y, (a, b))| *y = a - b);
        Ok(())
    })
    .results(2)
    .shapes(|x, y| {
        if x.len() != 2 || x[0].shape() != x[1].shape() || x[0].shape().is_empty() {
            return Err(format!("two rows of one length, not {x:?}").into());
        }
        let rank = x[0].shape().len();
        y[0].set(&x[0].shape()[..rank - 1]);
        Ok(())
    });
    if has.vjp {
        custom = custom.vjp(|at, dx| {
            let row = row(&at.inputs[0]);
            let [product, difference] = [0, 1].map(|k| at.cotangents[k].data::<f64>());
            for (k, sign) in [(0, 1.0), (1, -1.0)] {
                let other = at.inputs[1 - k].data::<f64>();
                let all = other.iter().zip(difference).enumerate();
                for (dx, (i, (other, g))) in dx[k].data_mut::<f64>().iter_mut().zip(all) {
                    *dx = product[i / row] * other + sign * g;
                }
            }
            Ok(())
        });
    }
    if has.jvp {
        custom = custom.jvp(|at, dy| {
            let row = row(&at.inputs[0]);
            for (k, sign) in [(0, 1.0), (1, -1.0)] {
                let Some(t) = at.tangent::<f64>(k) else { continue };
                let other = at.inputs[1 - k].data::<f64>();
                for (i, (t, other)) in t.iter().zip(other).enumerate() {
                    dy[0].data_mut::<f64>()[i / row] += t * other;
                    dy[1].data_mut::<f64>()[i] += sign * t;
                }
            }
            Ok(())
        });
    }
    if has.recorded {
        custom = custom.recorded_vjp(|at| {
            let product = at.cotangents[0].unsqueeze(-1);
            let difference = at.cotangents[1];
            Ok(vec![
                Some(product * at.inputs[1] + difference),
                Some(product * at.inputs[0] - difference),
            ])
        });
    }
    graph.custom(apply_flags(custom, has))
}

type Register = fn(&Graph, Has) -> CustomOp;
type Program = for<'g> fn(&'g Graph, Option<CustomOp>, &[Var<'g>]) -> Var<'g>;

fn cubes<'g>(graph: &'g Graph, op: Option<CustomOp>, xs: &[Var<'g>]) -> Var<'g> {
    let cube = |x: Var<'g>| match op {
        Some(op) => graph.apply(op, &[x]),
        None => x * x * x,
    };
    let y = cube(xs[0].sin() + xs[1]);
    (cube(y * 0.5) * xs[1]).sum()
}

fn pairs<'g>(graph: &'g Graph, op: Option<CustomOp>, xs: &[Var<'g>]) -> Var<'g> {
    let pair = |a: Var<'g>, b: Var<'g>| match op {
        Some(op) => {
            let both = graph.apply_all(op, &[a, b]);
            (both[0], both[1])
        }
        None => ((a * b).sum_axes(&[-1], false), a - b),
    };
    let (product, difference) = pair(xs[0].sin(), xs[1]);
    let (again, last) = pair(difference.square(), xs[0]);
    (product.exp() * again + last.cos().sum_axes(&[-1], false)).sum()
}

const PROGRAMS: [(&str, Register, Program); 2] = [("cube", cube, cubes), ("pair", pair, pairs)];

fn near(what: &str, have: &[f64], want: &[f64]) {
    assert_eq!(have.len(), want.len(), "{what}");
    for (i, (have, want)) in have.iter().zip(want).enumerate() {
        let bound = 1e-12 * want.abs().max(1.0);
        assert!((have - want).abs() <= bound, "{what}: element {i} is {have}, not {want}");
    }
}

/// A derivative, or a pair of them, of a program of two inputs.
type Transform = for<'g> fn(&'g Graph, Option<CustomOp>, Program, [Var<'g>; 2]) -> Result<Var<'g>>;

fn loss<'g>(g: &'g Graph, op: Option<CustomOp>, f: Program, xs: [Var<'g>; 2]) -> Var<'g> {
    f(g, op, &xs)
}

fn direction<'g>(x: Var<'g>, seed: f64) -> Var<'g> {
    ((x.detach() + seed) * 7.0).sin()
}

/// Numbers of inputs, as a batch with one more axis: of input 0, and of input 1 only where `both` says so.
fn batch<'g>(xs: [Var<'g>; 2], both: bool) -> Vec<(Var<'g>, Var<'g>)> {
    let more = |x: Var<'g>| {
        let x = x.detach();
        x.graph().stack(&[x, x * 0.5 - 0.1, x + 0.25], 0)
    };
    let all = [(xs[0], more(xs[0])), (xs[1], more(xs[1]))];
    all[..if both { 2 } else { 1 }].to_vec()
}

fn grad<'g>(g: &'g Graph, y: Var<'g>, x: Var<'g>) -> Result<Var<'g>> {
    Ok(g.grad(&[(y, None)], &[x])?[0])
}

/// (name, whether derivatives are differentiated again, by what is no cotangent or tangent, transform)
const TRANSFORMS: &[(&str, bool, Transform)] = &[
    ("value", false, |g, op, f, xs| Ok(loss(g, op, f, xs))),
    ("grad", false, |g, op, f, xs| grad(g, loss(g, op, f, xs), xs[0])),
    ("grad by the other", false, |g, op, f, xs| grad(g, loss(g, op, f, xs), xs[1])),
    ("jvp", false, |g, op, f, xs| {
        let y = loss(g, op, f, xs);
        let moved = xs.map(|x| (x, direction(x, 0.3)));
        Ok(g.jvp(&[y], &moved)?[0])
    }),
    ("jvp by one", false, |g, op, f, xs| {
        Ok(g.jvp(&[loss(g, op, f, xs)], &[(xs[1], direction(xs[1], 0.7))])?[0])
    }),
    ("vmap", false, |g, op, f, xs| Ok(g.vmap(&[loss(g, op, f, xs)], &batch(xs, true))?[0])),
    ("vmap of one", false, |g, op, f, xs| Ok(g.vmap(&[loss(g, op, f, xs)], &batch(xs, false))?[0])),
    ("vmap of grad", false, |g, op, f, xs| {
        let slope = grad(g, loss(g, op, f, xs), xs[1])?;
        Ok(g.vmap(&[slope], &batch(xs, true))?[0])
    }),
    ("vmap of one of grad", false, |g, op, f, xs| {
        let slope = grad(g, loss(g, op, f, xs), xs[1])?;
        Ok(g.vmap(&[slope], &batch(xs, false))?[0])
    }),
    ("grad of vmap", false, |g, op, f, xs| {
        let all = g.vmap(&[loss(g, op, f, xs)], &batch(xs, false))?[0];
        grad(g, (all * all).sum(), xs[1])
    }),
    ("jvp of vmap", false, |g, op, f, xs| {
        let all = g.vmap(&[loss(g, op, f, xs)], &batch(xs, false))?[0];
        Ok(g.jvp(&[all], &[(xs[1], direction(xs[1], 0.2))])?[0])
    }),
    ("vmap of jvp", false, |g, op, f, xs| {
        let moved = g.jvp(&[loss(g, op, f, xs)], &[(xs[0], direction(xs[1], 0.2))])?[0];
        Ok(g.vmap(&[moved], &batch(xs, true))?[0])
    }),
    ("vmap of vmap", false, |g, op, f, xs| {
        let all = g.vmap(&[loss(g, op, f, xs)], &batch(xs, false))?[0];
        let other = xs[1].detach();
        let more = g.stack(&[other, other * 2.0], 0);
        Ok(g.vmap(&[all], &[(xs[1], more)])?[0])
    }),
    ("grad of vmap of vmap", false, |g, op, f, xs| {
        let y = loss(g, op, f, xs);
        let more = g.stack(&[xs[0] * 0.9, xs[0] + 0.1], 0);
        let all = g.vmap(&[y], &[(xs[0], more)])?[0];
        let more = g.stack(&[xs[1], xs[1] * 2.0, xs[1] - 0.2], 0);
        let all = g.vmap(&[all], &[(xs[1], more)])?[0];
        grad(g, all.sin().sum(), xs[1])
    }),
    ("jvp of grad", true, |g, op, f, xs| {
        let slope = grad(g, loss(g, op, f, xs), xs[0])?;
        let moved = xs.map(|x| (x, direction(x, 0.1)));
        Ok(g.jvp(&[slope], &moved)?[0])
    }),
    ("grad of jvp", true, |g, op, f, xs| {
        let moved = g.jvp(&[loss(g, op, f, xs)], &[(xs[1], direction(xs[1], 0.4))])?[0];
        grad(g, moved, xs[0])
    }),
    ("grad of grad", true, |g, op, f, xs| {
        let slope = grad(g, loss(g, op, f, xs), xs[0])?;
        grad(g, slope.square().sum(), xs[1])
    }),
    ("jvp of jvp", true, |g, op, f, xs| {
        let moved = g.jvp(&[loss(g, op, f, xs)], &[(xs[1], direction(xs[1], 0.4))])?[0];
        Ok(g.jvp(&[moved], &[(xs[0], direction(xs[0], 0.6))])?[0])
    }),
    ("hessian", true, |g, op, f, xs| Ok(g.hessian(loss(g, op, f, xs), xs[0]))),
    ("grad of vmap of grad", true, |g, op, f, xs| {
        let slope = grad(g, loss(g, op, f, xs), xs[0])?;
        let more = g.stack(&[xs[0] * 0.9, xs[0] + 0.1], 0);
        let all = g.vmap(&[slope], &[(xs[0], more)])?[0];
        grad(g, all.sin().sum(), xs[1])
    }),
    ("jvp of vmap of grad", true, |g, op, f, xs| {
        let slope = grad(g, loss(g, op, f, xs), xs[1])?;
        let all = g.vmap(&[slope], &batch(xs, false))?[0];
        Ok(g.jvp(&[all], &[(xs[1], direction(xs[1], 0.2))])?[0])
    }),
    ("vmap of hessian", true, |g, op, f, xs| {
        let hessian = g.hessian(loss(g, op, f, xs), xs[1]);
        Ok(g.vmap(&[hessian], &batch(xs, true))?[0])
    }),
    ("third derivative", true, |g, op, f, xs| {
        let slope = grad(g, loss(g, op, f, xs), xs[0])?;
        let second = grad(g, slope.square().sum(), xs[1])?;
        grad(g, second.sin().sum(), xs[0])
    }),
];

fn inputs(graph: &Graph) -> [Var<'_>; 2] {
    [graph.param(&[0.3, -0.8, 1.1], &[3]), graph.param(&[0.6, 0.2, -0.4], &[3])]
}

#[test]
fn twins_are_what_they_are_twins_of_in_every_transform() {
    for (name, register, program) in PROGRAMS {
        for &(transform, is_twice, run) in TRANSFORMS {
            for has in ALL_KINDS {
                let what = format!("{transform} of {name}, {has:?}");
                let graph = &Graph::new();
                let want = run(graph, None, program, inputs(graph)).unwrap();
                let op = register(graph, has);
                let have = run(graph, Some(op), program, inputs(graph));
                if is_twice && !has.recorded {
                    let error = have.and_then(|y| y.to_vec::<f64>()).expect_err(&what);
                    assert_eq!(error.kind(), ErrorKind::Gradient, "{what}: {error}");
                    let hint = format!("register {name} with a vjp that is recorded");
                    assert!(error.message().contains(&hint), "{what}: {error}");
                    continue;
                }
                let have = have.unwrap_or_else(|error| panic!("{what}: {error}"));
                assert_eq!(have.shape().unwrap(), want.shape().unwrap(), "{what}");
                let have = have.to_vec::<f64>().unwrap_or_else(|error| panic!("{what}: {error}"));
                near(&what, &have, &want.to_vec::<f64>().unwrap());
            }
        }
    }
}

/// Numbers that callbacks and the test share.
#[derive(Clone, Default)]
struct Count(Arc<AtomicUsize>);

impl Count {
    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, value: usize) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Counts; how many there were before.
    fn add(&self) -> usize {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// y = 2 x, with all callbacks; the one of this number fails, or panics from 10 on.
fn failing(graph: &Graph, which: &Count) -> CustomOp {
    fn pass(which: &Count, own: usize) -> bumpgrad::CustomResult {
        match which.get() {
            k if k == own => Err(format!("callback {own} says no").into()),
            k if k == 10 + own => panic!("callback {own} falls over"),
            _ => Ok(()),
        }
    }
    fn double(to: &mut [f64], from: &[f64]) {
        to.iter_mut().zip(from).for_each(|(to, from)| *to = 2.0 * from);
    }
    let [forward, shapes, vjp, jvp, record] = [0; 5].map(|_| which.clone());
    graph.custom(
        Custom::new("double", move |x, y| {
            double(y[0].data_mut(), x[0].data());
            pass(&forward, 1)
        })
        .shapes(move |_, _| pass(&shapes, 2))
        .vjp(move |at, dx| {
            double(dx[0].data_mut(), at.cotangents[0].data());
            pass(&vjp, 3)
        })
        .jvp(move |at, dy| {
            double(dy[0].data_mut(), at.tangent(0).unwrap());
            pass(&jvp, 4)
        })
        .recorded_vjp(move |at| {
            pass(&record, 5)?;
            Ok(vec![Some(at.cotangents[0] * 2.0)])
        }),
    )
}

/// Something that calls a callback.
type Deed = fn(&Graph, CustomOp, Var<'_>) -> Result<Vec<f64>>;

#[test]
fn a_callback_that_fails_or_panics_ends_the_call_and_nothing_else() {
    let deeds: [(usize, &str, Deed); 5] = [
        (1, "forward", |g, op, x| g.apply(op, &[x]).to_vec()),
        (2, "", |g, op, x| g.apply(op, &[x * 3.0]).to_vec()),
        (3, "vjp", |g, op, x| {
            g.apply(op, &[x]).sum().backward()?;
            let grad = x.grad::<f64>()?.unwrap();
            x.zero_grad()?;
            Ok(grad)
        }),
        (4, "jvp", |g, op, x| {
            let y = g.apply(op, &[x]);
            let _guard = g.no_grad();
            g.jvp(&[y], &[(x, x.detach())])?[0].to_vec()
        }),
        (5, "vjp", |g, op, x| g.hessian(g.apply(op, &[x]).square().sum(), x).to_vec()),
    ];
    for (own, part, deed) in deeds {
        for panics in [false, true] {
            for threads in [1, 3] {
                let (graph, which) = (&Graph::new(), Count::default());
                graph.set_num_threads(threads);
                let op = failing(graph, &which);
                let x = graph.param(&[1.0, -2.0], &[2]);
                graph.apply(op, &[x]).sum().backward().unwrap();
                assert_eq!(x.grad::<f64>().unwrap().unwrap(), [2.0, 2.0]);
                x.zero_grad().unwrap();
                let want = deed(graph, op, x).unwrap();
                x.write(&[1.0, -2.0]).unwrap();
                let (nodes, what) = (graph.len(), format!("callback {own}"));
                which.set(if panics { 10 + own } else { own });
                let error = deed(graph, op, x).expect_err(&what);
                assert_eq!(error.kind(), ErrorKind::Callback, "{error}");
                let its =
                    if part.is_empty() { String::new() } else { format!("its {part} failed: ") };
                let words = match panics {
                    false => format!("callback {own} says no"),
                    true => format!("it panicked: callback {own} falls over"),
                };
                let message = error.message();
                let called = if own == 5 { "hessian: " } else { "" };
                let start = format!("{called}double: {its}{words}");
                assert!(message.starts_with(&start), "{message}");
                assert_eq!(x.grad::<f64>().unwrap(), None, "{what}");
                // (The operation, where its value is at fault, was recorded.)
                assert!(graph.len() <= nodes + 6, "{what}");
                which.set(0);
                graph.check().unwrap();
                assert_eq!(deed(graph, op, x).unwrap(), want, "{what}");
            }
        }
    }
}

#[test]
fn a_gradient_that_fails_changes_no_gradient() {
    let (graph, which) = (&Graph::new(), Count::default());
    let op = failing(graph, &which);
    let (x, z) = (graph.param(&[1.0, 2.0], &[2]), graph.param(&[3.0, 4.0], &[2]));
    let loss = (graph.apply(op, &[x]) * z).sum();
    loss.backward().unwrap();
    which.set(3);
    for _ in 0..3 {
        x.write(&[5.0, 6.0]).unwrap();
        assert_eq!(loss.backward().unwrap_err().kind(), ErrorKind::Callback);
        assert_eq!(z.grad::<f64>().unwrap().unwrap(), [2.0, 4.0]);
        assert_eq!(x.grad::<f64>().unwrap().unwrap(), [6.0, 8.0]);
    }
    which.set(0);
    loss.backward().unwrap();
    assert_eq!(z.grad::<f64>().unwrap().unwrap(), [12.0, 16.0]);
}

/// The element of a batch at which it fails is of no importance for the next time.
#[test]
fn a_batch_that_fails_in_the_middle() {
    let (graph, calls) = (&Graph::new(), Count::default());
    let counter = calls.clone();
    let op = graph.custom(Custom::new("third", move |x, y| {
        y[0].data_mut()[0] = 1.0 + x[0].data::<f64>()[0];
        if counter.add() == 2 { Err("the third".into()) } else { Ok(()) }
    }));
    let x = graph.tensor(&[0.0], &[]);
    let y = graph.apply(op, &[x]);
    let all = graph.vmap(&[y], &[(x, graph.arange::<f64>(0.0, 5.0, 1.0))]).unwrap()[0];
    let error = all.to_vec::<f64>().unwrap_err();
    assert_eq!(error.message().split(" (").next(), Some("third: its forward failed: the third"));
    assert_eq!(all.to_vec::<f64>().unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(calls.get(), 8);
}

thread_local!(static OUTER: RefCell<Option<Rc<Graph>>> = const { RefCell::new(None) });

fn outer() -> Rc<Graph> {
    OUTER.with_borrow(|graph| graph.clone()).unwrap()
}

#[test]
fn a_callback_cannot_use_the_graph_that_called_it() {
    let graph = Rc::new(Graph::new());
    OUTER.set(Some(graph.clone()));
    let op = graph.custom(
        Custom::new("greedy", |x, y| {
            let graph = outer();
            assert!(
                graph.tensor(&[1.0], &[]).is_null() && graph.tensor(&[1.0], &[]).sin().is_null()
            );
            assert_eq!(graph.check().unwrap_err().kind(), ErrorKind::Busy);
            assert!(format!("{graph:?}").contains("in use"));
            y[0].data_mut().copy_from_slice(x[0].data::<f64>());
            match x[0].data::<f64>()[0] {
                7.0 => graph.check().map_err(Into::into),
                8.0 => {
                    assert!(!graph.is_empty());
                    Ok(())
                }
                _ => Ok(()),
            }
        })
        .recorded_vjp(|at| {
            let graph = outer();
            assert!(graph.tensor(&[1.0], &[]).is_null());
            let (x, g) = (at.inputs[0], at.cotangents[0]);
            for refused in [
                g.to_vec::<f64>().map(|_| ()),
                x.item().map(|_| ()),
                x.write(&[2.0]),
                at.graph.rewind(at.graph.mark()),
                bumpgrad::Sgd::new(0.1).step(at.graph),
                (g * x).sum().backward(),
                at.graph.gradcheck(x, &[x], &Default::default()).map(|_| ()),
                bumpgrad::Lbfgs::default().minimise(x, &[x]).map(|_| ()),
            ] {
                let error = refused.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
                assert!(error.message().contains("lent to a callback"), "{error}");
            }
            at.graph.reset();
            assert_eq!(at.graph.check().unwrap_err().kind(), ErrorKind::Busy);
            // What only records goes: gradients of what is recorded, too, and the operation itself.
            let again = at.graph.apply(at.op, &[x.detach()]);
            let slope = at.graph.grad(&[(x.square(), Some(g))], &[x])?[0];
            Ok(vec![Some(g + 0.0 * again + 0.0 * slope)])
        }),
    );
    let x = graph.param(&[3.0], &[]);
    let y = graph.apply(op, &[x]).square();
    y.backward().unwrap();
    assert_eq!((y.item().unwrap(), x.grad::<f64>().unwrap()), (9.0, Some(vec![6.0])));
    for (bad, words) in [(7.0, "the graph is in use"), (8.0, "it panicked: the graph is in use")] {
        x.write(&[bad]).unwrap();
        let error = y.item().unwrap_err();
        assert!(error.kind() == ErrorKind::Callback && error.message().contains(words), "{error}");
    }
    OUTER.set(None);
}

/// sqrt, by Newton's iteration in another graph, and its gradient by the implicit function theorem.
#[test]
fn a_callback_uses_another_graph() {
    let graph = &Graph::new();
    let inner = Graph::new();
    let op = graph.custom(
        Custom::new("solve", move |x, y| {
            for (y, &a) in y[0].data_mut::<f64>().iter_mut().zip(x[0].data::<f64>()) {
                inner.reset();
                let t = inner.param(&[1.0 + a], &[]);
                let residual = t * t - a;
                for _ in 0..60 {
                    t.zero_grad()?;
                    residual.backward()?;
                    let step = residual.item()? / t.grad::<f64>()?.unwrap()[0];
                    t.write(&[t.item()? - step])?;
                }
                *y = t.item()?;
            }
            Ok(())
        })
        .vjp(|at, dx| {
            let (y, g) = (at.outputs[0].data::<f64>(), at.cotangents[0].data::<f64>());
            let dx = dx[0].data_mut::<f64>();
            dx.iter_mut().zip(y).zip(g).for_each(|((dx, y), g)| *dx = g / (2.0 * y));
            Ok(())
        }),
    );
    let x = graph.param(&[2.0, 9.0], &[2]);
    let y = graph.apply(op, &[x]);
    near("values", &y.to_vec::<f64>().unwrap(), &[2f64.sqrt(), 3.0]);
    y.sum().backward().unwrap();
    near("slopes", &x.grad::<f64>().unwrap().unwrap(), &[0.5 / 2f64.sqrt(), 1.0 / 6.0]);
    let check = graph.gradcheck(y, &[x], &Default::default()).unwrap();
    assert!(check.is_right && check.forward == check.reverse, "{check:?}");
}

// ---- purity ----

/// Its input and how often it was called; the slope is twice that.
fn counting(graph: &Graph, calls: &Count, is_pure: bool) -> CustomOp {
    let calls = calls.clone();
    let custom = Custom::new("counting", move |x, y| {
        let count = calls.add() as f64 + 1.0;
        let y = y[0].data_mut::<f64>();
        y.iter_mut().zip(x[0].data::<f64>()).for_each(|(y, x)| *y = x + 100.0 * count);
        Ok(())
    })
    .vjp(|at, dx| {
        let (x, y) = (at.inputs[0].data::<f64>(), at.outputs[0].data::<f64>());
        let g = at.cotangents[0].data::<f64>();
        let all = dx[0].data_mut::<f64>().iter_mut().zip(x).zip(y).zip(g);
        all.for_each(|(((dx, x), y), g)| *dx = (y - x) / 50.0 * g);
        Ok(())
    });
    graph.custom(if is_pure { custom } else { custom.impure() })
}

#[test]
fn a_pure_operation_is_run_again_when_its_inputs_changed() {
    let (graph, calls) = (&Graph::new(), Count::default());
    let op = counting(graph, &calls, true);
    let (x, other) = (graph.param(&[1.0], &[]), graph.param(&[2.0], &[]));
    let y = graph.apply(op, &[x]) * other;
    for _ in 0..8 {
        other.write(&[3.0]).unwrap();
        y.item().unwrap();
        y.backward().unwrap();
    }
    assert_eq!(calls.get(), 1);
    x.write(&[2.0]).unwrap();
    y.backward().unwrap();
    assert_eq!((calls.get(), y.item().unwrap()), (2, 3.0 * 202.0));
}

#[test]
fn an_impure_operation_is_run_once_in_each_replay() {
    for fusion in [true, false] {
        for size in [1, 100, 5000] {
            let (graph, calls) = (&Graph::new(), Count::default());
            graph.set_fusion(fusion);
            let op = counting(graph, &calls, false);
            let x = graph.param(&vec![1.0; size], &[size]);
            let other = graph.param(&[2.0], &[]);
            let before = (0..30).fold(x, |x, _| x * 1.0);
            let y = graph.apply(op, &[before]);
            let loss = (y * other).mean();
            let half = (y * 0.5).sum();
            for round in 1..12 {
                other.write(&[3.0]).unwrap();
                let want = 3.0 * (1.0 + 100.0 * round as f64);
                graph.zero_grad();
                if round % 3 == 0 {
                    assert_eq!(loss.item().unwrap(), want);
                }
                loss.backward().unwrap();
                // The value and the gradient come from one run, whoever looks at what besides.
                assert_eq!(loss.item().unwrap(), want, "fusion {fusion}, {size}, {round}");
                let slope = x.grad::<f64>().unwrap().unwrap()[0] * size as f64;
                assert!((slope - 6.0 * round as f64).abs() < 1e-9, "{slope}");
                half.item().unwrap();
                y.to_vec::<f64>().unwrap();
                loss.backward().unwrap();
                assert_eq!(calls.get(), round, "fusion {fusion}, {size}");
            }
            graph.resample();
            y.eval().unwrap();
            assert_eq!(calls.get(), 12);
        }
    }
}

#[test]
fn what_is_impure_has_no_inputs_maybe_and_draws_for_each_element_of_a_batch() {
    let (graph, calls) = (&Graph::new(), Count::default());
    let counter = calls.clone();
    let noise = graph.custom(
        Custom::new("noise", move |_, y| {
            y[0].data_mut::<f64>().fill(counter.add() as f64);
            Ok(())
        })
        .shapes(|_, y| {
            y[0].set(&[2]);
            Ok(())
        })
        .impure(),
    );
    let x = graph.param(&[1.0, 2.0], &[2]);
    let y = x * graph.apply(noise, &[]);
    let slope = graph.grad(&[(y.sum(), None)], &[x]).unwrap()[0];
    let batch = graph.ones::<f64>(&[3, 2]);
    let all = graph.vmap(&[y, slope], &[(x, batch)]).unwrap();
    let values = [0.0, 0.0, 1.0, 1.0, 2.0, 2.0];
    assert_eq!(all[0].to_vec::<f64>().unwrap(), values);
    assert_eq!(all[1].to_vec::<f64>().unwrap(), values, "that of the same run");
    assert_eq!(calls.get(), 3);
}

// ---- lives ----

#[test]
fn operations_are_dropped_once_with_the_graph_or_when_registering_fails() {
    struct Dropped(Count);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.add();
        }
    }
    let dropped = Count::default();
    let make = |name: &str, results: usize| {
        let held = Dropped(dropped.clone());
        Custom::new(name, move |_, _| {
            assert_eq!(held.0.get(), 4);
            Ok(())
        })
        .results(results)
    };
    let graph = Graph::new();
    let mark = graph.mark();
    let op = graph.custom(make("held", 1));
    for (name, results, words) in [
        ("", 1, "custom: a name consists of 1 to 47 letters"),
        ("a b", 1, "custom: a name consists of"),
        ("a", 0, "custom: an operation has 1 to 64 results, not 0"),
        ("a", 65, "custom: an operation has 1 to 64 results, not 65"),
    ] {
        let before = dropped.get();
        let op = graph.custom(make(name, results));
        assert!(op.is_null() && dropped.get() == before + 1);
        let error = graph.check().unwrap_err();
        assert!(
            error.message().starts_with(words) && error.message().contains("custom.rs"),
            "{error}"
        );
    }
    let x = graph.tensor(&[1.0], &[1]);
    assert_eq!(graph.apply(op, &[x]).to_vec::<f64>().unwrap(), [0.0]);
    graph.rewind(mark).unwrap();
    graph.reset();
    let x = graph.tensor(&[1.0], &[1]);
    assert_eq!(graph.apply(op, &[x]).to_vec::<f64>().unwrap(), [0.0], "a reset keeps it");
    assert_eq!(dropped.get(), 4);
    drop(graph);
    assert_eq!(dropped.get(), 5);
}

#[test]
fn what_is_recorded_again_is_found_again_and_another_operation_is_another() {
    let graph = Graph::new();
    let factors = [2.0, 3.0, 5.0].map(|factor| {
        graph.custom(
            Custom::new("times", move |x, y| {
                let y = y[0].data_mut::<f64>();
                y.iter_mut().zip(x[0].data::<f64>()).for_each(|(y, x)| *y = factor * x);
                Ok(())
            })
            .vjp(move |at, dx| {
                let dx = dx[0].data_mut::<f64>();
                let g = at.cotangents[0].data::<f64>();
                dx.iter_mut().zip(g).for_each(|(dx, g)| *dx = factor * g);
                Ok(())
            }),
        )
    });
    for round in 0..4 {
        for (op, factor) in factors.iter().zip([2.0, 3.0, 5.0]) {
            graph.reset();
            let x = graph.param(&[1.0 + round as f64; 20], &[20]);
            let chain = (0..20).fold(x, |x, _| x * 1.0);
            let y = graph.apply(*op, &[chain]).sum();
            y.backward().unwrap();
            assert_eq!(y.item().unwrap(), 20.0 * factor * (1.0 + round as f64));
            assert_eq!(x.grad::<f64>().unwrap().unwrap(), [factor; 20]);
        }
    }
}

// ---- texts, types and misuse ----

fn told(graph: &Graph, y: Var<'_>) -> String {
    assert!(y.is_null());
    graph.check().unwrap_err().message().into()
}

#[test]
fn texts_have_the_name() {
    let graph = &Graph::new();
    let op = pair(graph, NUMERIC);
    let x = graph.param(&[1.0; 40], &[4, 10]).label("x");
    let both = graph.apply_all(op, &[x, x.sin()]);
    let loss = both[0].sum() + both[1].square().sum();
    let slope = graph.grad(&[(loss, None)], &[x]).unwrap()[0];
    graph.set_fusion(false);
    slope.eval().unwrap();
    for text in [graph.to_text(), graph.plan_to_text()] {
        assert!(text.contains(" = pair") && text.contains(" = pair'vjp"), "{text}");
    }
    assert!(graph.to_dot().contains("pair'vjp") && graph.plan_to_dot().contains(": pair"));
    graph.profile_begin();
    x.write(&[2.0; 40]).unwrap();
    slope.eval().unwrap();
    let profile = graph.profile_end();
    assert!(profile.contains("\"name\":\"pair\""), "{profile}");
    let cubed = graph.apply(cube(graph, ALL), &[x]);
    assert_eq!(cubed.op_name().unwrap().as_deref(), Some("cube"));
    assert_eq!(graph.apply_all(op, &[x, x])[1].op_name().unwrap().as_deref(), Some("reshape"));
    let none = Has { vjp: false, jvp: false, recorded: false, takes_batches: false };
    let flat = graph.apply(cube(graph, none), &[x]).sum();
    assert!(!flat.requires_grad().unwrap());
    let why = graph.why_no_grad(flat, x).unwrap();
    assert!(why.contains("cube [4, 10] was registered without a derivative"), "{why}");
    assert!(flat.backward().unwrap_err().message().contains("does not require grad"));
    x.zero_grad().unwrap();
    (flat + x.sum()).backward().unwrap();
    assert_eq!(x.grad::<f64>().unwrap().unwrap(), [1.0; 40], "by the other way alone");
    graph.set_check_numbers(true);
    x.write(&[1e200; 40]).unwrap();
    let error = cubed.to_vec::<f64>().unwrap_err();
    assert!(error.message().contains("cube [4, 10], is inf"), "{error}");
}

#[test]
fn operands_are_refused_when_they_are_applied() {
    let graph = &Graph::new();
    let (double, single) = (graph.param(&[1.0; 3], &[3]), graph.param(&[1.0f32; 3], &[3]));
    let (op, two) = (cube(graph, ALL), pair(graph, ALL));
    let at = |message: String, words: &str| assert!(message.starts_with(words), "{message}");
    at(told(graph, graph.apply(two, &[double, double])), "pair: it has 2 results: use apply_all");
    at(told(graph, graph.apply(op, &[])), "cube: without operands its results have no shape");
    at(told(graph, graph.apply(op, &[double; 65])), "cube: 65 operands exceed the most, 64");
    let refused = graph.apply_all(two, &[double, graph.ones::<f64>(&[4])]);
    assert!(refused.is_empty());
    at(
        graph.check().unwrap_err().message().into(),
        "pair: two rows of one length, not [f64 [3], f64 [4]]",
    );
    let mixed = graph.apply(op, &[double, single]);
    at(told(graph, mixed), "cube: operand 0 is f64 and operand 1 is f32: use cast");
    let elsewhere = Graph::new();
    let foreign = elsewhere.tensor(&[1.0], &[1]);
    assert!(graph.apply(op, &[foreign]).is_null());
    at(graph.check().unwrap_err().message().into(), "cube: the handle");
    assert!(elsewhere.apply(op, &[foreign]).is_null());
    at(elsewhere.check().unwrap_err().message().into(), "apply: the operation is of another graph");
    // Its callbacks are for f64.
    let error = graph.apply(op, &[single]).to_vec::<f32>().unwrap_err();
    at(error.message().into(), "cube: its forward failed: it panicked: the tensor is f32, not f64");
    let bad = graph.custom(Custom::new("bad", |_, _| Ok(())).shapes(|_, y| {
        y[0].set(&[1; 9]);
        Ok(())
    }));
    at(told(graph, graph.apply(bad, &[double])), "bad: it panicked: a shape of rank 9 exceeds 8");
    let bad = graph.custom(Custom::new("bad", |_, _| Ok(())).shapes(|_, y| {
        y[0].set_dtype(DType::F32);
        Ok(())
    }));
    at(told(graph, graph.apply(bad, &[double])), "bad: result 0 is f32, and should be f64");
    let bad = graph.custom(Custom::new("bad", |_, _| Ok(())).shapes(|_, y| {
        y[0].set(&[1 << 40, 1 << 40]);
        Ok(())
    }));
    at(told(graph, graph.apply(bad, &[double])), "bad: a tensor of shape");
    for (what, made) in [("is f64 [3]", 0), ("recorded 2 cotangents for 1 inputs", 1)] {
        let bad = graph.custom(Custom::new("bad", |_, _| Ok(())).recorded_vjp(move |at| {
            let g = at.cotangents[0];
            Ok(if made == 0 { vec![Some(g.sum())] } else { vec![None, None] })
        }));
        let loss = graph.apply(bad, &[double]).sum();
        let error = loss.backward().unwrap_err();
        assert!(error.message().contains(what), "{error}");
        let error = told(graph, graph.hessian(loss, double));
        assert!(error.starts_with("hessian: bad: its vjp") && error.contains(what), "{error}");
    }
    let bad = graph.custom(
        Custom::new("bad", |_, _| Ok(()))
            .recorded_vjp(|at| Ok(vec![Some(at.cotangents[0] + at.graph.ones::<f64>(&[7]))])),
    );
    let error = graph.apply(bad, &[double]).sum().backward().unwrap_err();
    at(error.message().into(), "add: cannot broadcast [3] with [7]");
}

/// An operation whose vjp applies it again, and differentiates that, so many times.
fn nested(graph: &Graph, times: usize) -> CustomOp {
    let left = AtomicUsize::new(times);
    let custom = Custom::new("nested", |x, y| {
        y[0].data_mut::<f64>().copy_from_slice(x[0].data());
        Ok(())
    });
    graph.custom(custom.recorded_vjp(move |at| {
        let (x, g) = (at.inputs[0], at.cotangents[0]);
        if left.load(Ordering::Relaxed) == 0 {
            return Ok(vec![Some(g)]);
        }
        left.fetch_sub(1, Ordering::Relaxed);
        let again = at.graph.apply(at.op, &[x]);
        Ok(at.graph.grad(&[(again, Some(g))], &[x])?.into_iter().map(Some).collect())
    }))
}

#[test]
fn a_vjp_that_records_itself_is_stopped() {
    let graph = &Graph::new();
    let x = graph.param(&[1.0, 2.0], &[2]);
    for times in [0, 1, 15, 16, usize::MAX] {
        x.zero_grad().unwrap();
        let result = graph.apply(nested(graph, times), &[x]).sum().backward();
        if times < 16 {
            result.unwrap();
            assert_eq!(x.grad::<f64>().unwrap().unwrap(), [1.0, 1.0]);
        } else {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
            let words = "nested: more than 16 vjps are recorded, each within";
            assert!(error.message().contains(words), "{error}");
        }
    }
    assert_eq!((3.0 * x).sum().item().unwrap(), 9.0, "the graph is of use");
    assert!(x.write(&[2.0, 3.0]).is_ok(), "and nobody has it");
}

#[test]
fn what_a_derivative_lacks_is_told_when_it_is_recorded() {
    let graph = &Graph::new();
    let x = graph.param(&[1.0, 2.0], &[2]);
    let only = |has: Has| graph.apply(cube(graph, has), &[x]).sum();
    let nothing = Has { vjp: false, jvp: false, recorded: false, takes_batches: false };
    let forward = only(Has { jvp: true, ..nothing });
    let error = forward.backward().unwrap_err();
    assert!(
        error.message().starts_with("backward: cube needs a vjp, numeric or recorded"),
        "{error}"
    );
    assert_eq!(graph.jvp(&[forward], &[(x, x)]).unwrap()[0].item().unwrap(), 3.0 + 24.0);
    let reverse = only(Has { vjp: true, ..nothing });
    reverse.backward().unwrap();
    let error = graph.jvp(&[reverse], &[(x, x)]).unwrap_err();
    assert!(
        error.message().starts_with("jvp: cube needs a jvp, or a vjp that is recorded"),
        "{error}"
    );
    // A vjp is linear in its cotangents, and so differentiated by a jvp.
    let y = graph.apply(cube(graph, Has { vjp: true, ..nothing }), &[x]);
    let head = graph.param(&[1.0, 1.0], &[2]);
    let slope = graph.grad(&[(y, Some(head))], &[x]).unwrap()[0];
    let error = graph.grad(&[(slope.sum(), None)], &[head]).unwrap_err();
    assert!(error.message().starts_with("grad: cube needs a jvp"), "{error}");
    let y = graph.apply(cube(graph, NUMERIC), &[x]);
    let slope = graph.grad(&[(y, Some(head))], &[x]).unwrap()[0];
    let twice = graph.grad(&[((slope * slope).sum(), None)], &[head]).unwrap()[0];
    assert_eq!(twice.to_vec::<f64>().unwrap(), [18.0, 288.0]);
    let moved = graph.jvp(&[slope], &[(head, x)]).unwrap()[0];
    assert_eq!(moved.to_vec::<f64>().unwrap(), [3.0, 24.0]);
    let again = graph.grad(&[(moved.sum(), None)], &[x]);
    assert!(again.is_err(), "{again:?}");
}

/// A Jacobian, a sparse one too, takes the mode that there is, whichever would take fewer passes.
#[test]
fn a_jacobian_takes_the_mode_that_there_is() {
    let graph = &Graph::new();
    let x = graph.param(&[1.0, 2.0], &[2]);
    let nothing = Has { vjp: false, jvp: false, recorded: false, takes_batches: false };
    for has in [Has { vjp: true, ..nothing }, Has { jvp: true, ..nothing }, RECORDED] {
        let y = graph.apply(cube(graph, has), &[x]);
        for (y, rows) in [(y, 2), (graph.concat(&[y, y], 0), 4), (y.slice(0, 0, 1, 1), 1)] {
            let jacobian = graph.jacobian(y, x);
            let want = [3.0, 0.0, 0.0, 12.0, 3.0, 0.0, 0.0, 12.0];
            assert_eq!(jacobian.to_vec::<f64>().unwrap(), want[..2 * rows], "{has:?}");
            // All results of an operation of one's own may depend on all that is given to it.
            let (pattern, values) = graph.sparse_jacobian(y, x).unwrap();
            assert_eq!(pattern.columns.len(), 2 * rows, "{has:?}");
            assert_eq!(values.to_vec::<f64>().unwrap(), want[..2 * rows], "{has:?}");
            let (forward, reverse) = graph.sparse_jacobian_passes(y, x).unwrap();
            assert!(has.jvp || has.recorded || forward == 0, "{forward} {reverse}");
            assert!(has.vjp || has.recorded || reverse == 0, "{forward} {reverse}");
        }
    }
}

/// What was recorded without gradients is constant, and so is a tangent of it; by what else it was made of.
#[test]
fn what_is_constant_in_a_value_is_constant_in_its_tangent() {
    let graph = &Graph::new();
    let x = graph.param(&[1.0, 2.0], &[2]);
    for has in [NUMERIC, RECORDED, ALL] {
        let op = pair(graph, has);
        let t = graph.tensor(&[3.0, 5.0], &[2]);
        let both = {
            let _guard = graph.no_grad();
            graph.apply_all(op, &[x, t])
        };
        let direction = graph.tensor(&[1.0, 1.0], &[2]);
        let moved = graph.jvp(&[both[0]], &[(t, direction)]).unwrap()[0];
        assert_eq!(moved.item().unwrap(), 3.0, "{has:?}");
        let moved = graph.jvp(&[both[0]], &[(x, direction)]).unwrap()[0];
        assert_eq!(moved.item().unwrap(), 0.0, "{has:?}");
        let joined = {
            let _guard = graph.no_grad();
            graph.concat(&[x, t], 0)
        };
        let moved = graph.jvp(&[joined], &[(x, direction)]).unwrap()[0];
        assert_eq!(moved.to_vec::<f64>().unwrap(), [0.0; 4], "as built-in lists of operands");
    }
}

#[test]
fn a_value_that_cannot_be_had_again_is_kept_where_memory_is_short() {
    let (graph, calls) = (&Graph::new(), Count::default());
    let op = counting(graph, &calls, false);
    let x = graph.param(&vec![1.0; 10_000], &[10_000]);
    let y = graph.apply(op, &[x]);
    let first = y.to_vec::<f64>().unwrap();
    let others: Vec<_> = (0..20).map(|k| (x * f64::from(k)).sin().cumsum(0)).collect();
    others.iter().for_each(|other| other.eval().unwrap());
    let memory = graph.memory();
    graph.set_memory_limit(memory.pooled + memory.records + memory.plans + 400_000);
    for k in 0..20 {
        let other = (x * f64::from(k)).cos().cumsum(0) + others[k as usize];
        other.eval().unwrap_or_else(|error| panic!("{error}"));
    }
    assert_eq!(y.to_vec::<f64>().unwrap(), first);
    assert_eq!(calls.get(), 1);
}

#[test]
fn integers_go_in_and_out_without_gradients_and_f32_with() {
    let graph = &Graph::new();
    let take = graph.custom(
        Custom::new("take_at", |x, y| {
            let (data, at) = (x[0].data::<f32>(), x[1].data::<i64>());
            y[0].data_mut::<f32>().iter_mut().zip(at).for_each(|(y, &i)| *y = data[i as usize]);
            Ok(())
        })
        .shapes(|x, y| {
            y[0].set(x[1].shape());
            Ok(())
        })
        .vjp(|at, dx| {
            assert!(dx[0].is_wanted() && !dx[1].is_wanted());
            let places = at.inputs[1].data::<i64>();
            for (g, &i) in at.cotangents[0].data::<f32>().iter().zip(places) {
                dx[0].data_mut::<f32>()[i as usize] += g;
            }
            Ok(())
        }),
    );
    let x = graph.param(&[1.0f32, 2.0, 4.0], &[3]);
    let at = graph.tensor(&[2i64, 0, 2, 2], &[2, 2]);
    let y = graph.apply(take, &[x, at]);
    assert_eq!(y.to_vec::<f32>().unwrap(), [4.0, 1.0, 4.0, 4.0]);
    y.square().sum().backward().unwrap();
    assert_eq!(x.grad::<f32>().unwrap().unwrap(), [2.0, 0.0, 24.0]);
    let sign = graph.custom(
        Custom::new("signs", |x, y| {
            let y = y[0].data_mut::<i64>();
            y.iter_mut().zip(x[0].data::<f32>()).for_each(|(y, x)| *y = i64::from(*x > 1.5));
            Ok(())
        })
        .shapes(|_, y| {
            y[0].set_dtype(DType::I64);
            Ok(())
        })
        .vjp(|_, _| Err("there is no cotangent".into())),
    );
    let signs = graph.apply(sign, &[x]);
    assert_eq!(signs.to_vec::<i64>().unwrap(), [0, 1, 1]);
    assert!(!signs.requires_grad().unwrap());
}

/// Constants, views and what is broadcast arrive as dense tensors; nothing arrives where there are no
/// elements.
#[test]
fn operands_are_dense_whatever_they_are_made_of() {
    let graph = &Graph::new();
    let op = graph.custom(Custom::new("same", |x, y| {
        assert!(x[0].len() > 0, "it is not called for nothing");
        y[0].data_mut::<f64>().copy_from_slice(x[0].data());
        Ok(())
    }));
    let x = graph.tensor(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[2, 3]);
    let y = graph.concat(&[x, x * 2.0], 0);
    for z in [
        x.transpose(0, 1),
        x.slice(1, 0, 3, 2),
        x.slice(0, 1, 2, 1),
        x.unsqueeze(0).expand(&[4, 2, 3]),
        y,
        y.pad(&[1, 1], 0.5),
        (x * 0.0 + 3.0).sum(),
        graph.zeros::<f64>(&[0, 3]),
    ] {
        for fusion in [true, false] {
            graph.set_fusion(fusion);
            let same = graph.apply(op, &[z]).to_vec::<f64>().unwrap();
            assert_eq!(same, z.to_vec::<f64>().unwrap());
        }
    }
}

#[test]
fn patterns_and_checks_know_them() {
    let graph = &Graph::new();
    let x = graph.param(&[0.3, 0.6, -0.9], &[3]);
    for has in [ALL, NUMERIC, RECORDED, Has { jvp: false, ..NUMERIC }] {
        let y = graph.apply(cube(graph, has), &[x]);
        assert_eq!(graph.sparsity(y, x).unwrap().columns.len(), 9, "on all that it may depend on");
        let check = graph.gradcheck(y, &[x], &Default::default()).unwrap();
        assert!(check.is_right, "{has:?}: {check:?}");
    }
    let square = graph.param(&[3.0], &[1]);
    let found = graph.gradcheck(square.square(), &[square], &Default::default()).unwrap();
    assert!(found.derivative == 6.0, "a single element is not weighed: {found:?}");
    let wrong = graph.custom(
        Custom::new("wrong", |x, y| {
            y[0].data_mut().copy_from_slice(x[0].data::<f64>());
            Ok(())
        })
        .vjp(|at, dx| {
            dx[0].data_mut().copy_from_slice(at.cotangents[0].data::<f64>());
            if let Some(last) = dx[0].data_mut::<f64>().last_mut() {
                *last *= 2.0;
            }
            Ok(())
        })
        .recorded_vjp(|at| Ok(vec![Some(at.cotangents[0])])),
    );
    let check = graph.gradcheck(graph.apply(wrong, &[x]), &[x], &Default::default()).unwrap();
    assert!(!check.is_right && check.element == 2, "{check:?}");
}
