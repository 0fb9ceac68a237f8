//! A panic at the k-th fail point of every call, for every k: what comes after is right, or refused.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{ErrorKind, Result};
use crate::{Adam, Graph, Lbfgs, RmsProp, Sgd, Var};

/// Text or numbers that a call gave, as bits.
pub(super) type Seen = Vec<u64>;

/// Parameters, and what is made of them, the loss last.
pub(super) type Scene<'g> = Vec<Var<'g>>;

pub(super) fn bits(x: Var<'_>) -> Result<Seen> {
    Ok(x.to_vec::<f64>()?.iter().map(|x| x.to_bits()).collect())
}

fn bytes(text: &str) -> Seen {
    text.bytes().map(u64::from).collect()
}

/// A program of every kind of step, over `n` elements.
pub(super) fn record(g: &Graph, n: usize) -> Scene<'_> {
    g.set_seed(7);
    let row = n / 8;
    let x = g.uniform::<f64>(&[8, row], -1.0, 1.0);
    let w = g.uniform::<f64>(&[row, 5], -1.0, 1.0);
    let b = g.uniform::<f64>(&[5], -1.0, 1.0);
    for parameter in [x, w, b] {
        parameter.set_requires_grad(true).unwrap();
    }
    let h = (x.sin() * x.dropout(0.25)).tanh();
    let layer = h.matmul(w) + b;
    let classes = g.tensor(&[0i64, 1, 2, 3, 4, 0, 1, -100], &[8]);
    let picked = x.transpose(0, 1).index_select(0, g.tensor(&[3i64, 1, 3], &[3]));
    let sliced = g.concat(&[x.slice(1, 1, 9, 2), x.slice(1, 0, 4, 1)], 1);
    let parts = [
        layer.cross_entropy(classes),
        layer.softmax(0).square().sum(),
        picked.max_axes(&[1], false).sum() + sliced.exp().mean(),
        h.var(1.0, &[0], false).sum() + h.norm(2.0, &[1], false).sum(),
    ];
    let loss = parts.into_iter().reduce(|sum, part| sum + part).unwrap();
    vec![x, w, b, h, layer, loss]
}

/// Values and gradients of everything, as far as the graph gives them.
pub(super) fn look(scene: &[Var<'_>]) -> Result<Seen> {
    let mut seen = Seen::new();
    for &x in scene {
        seen.extend(bits(x)?);
        seen.extend(x.grad::<f64>()?.unwrap_or_default().iter().map(|g| g.to_bits()));
    }
    Ok(seen)
}

struct Case {
    name: &'static str,
    before: fn(&Graph, &[Var<'_>]) -> Result<()>,
    call: fn(&Graph, &[Var<'_>]) -> Result<Seen>,
    /// Whether it changes what cannot be computed again.
    changes: bool,
}

const NOTHING: fn(&Graph, &[Var<'_>]) -> Result<()> = |_, _| Ok(());
const BACKWARD: fn(&Graph, &[Var<'_>]) -> Result<()> = |_, scene| scene[5].backward();

const CASES: &[Case] = &[
    Case { name: "read", before: NOTHING, call: |_, scene| bits(scene[5]), changes: false },
    Case {
        name: "read anew after a write",
        before: |_, scene| {
            scene[5].eval()?;
            scene[2].write(&[1.0, 2.0, 3.0, 4.0, 5.0])
        },
        call: |_, scene| bits(scene[5]),
        changes: false,
    },
    Case {
        name: "read beside what was kept",
        before: |_, scene| scene[5].eval(),
        call: |_, scene| bits(scene[4].exp() + scene[2]),
        changes: false,
    },
    Case {
        name: "first backward",
        before: NOTHING,
        call: |_, scene| scene[5].backward().map(|()| Seen::new()),
        changes: true,
    },
    Case {
        name: "second backward",
        before: BACKWARD,
        call: |_, scene| scene[5].backward().map(|()| Seen::new()),
        changes: true,
    },
    Case {
        name: "grad of grad",
        before: NOTHING,
        call: |g, scene| {
            let dx = g.grad(&[(scene[5], None)], &scene[..1])?[0];
            bits(g.grad(&[(dx.square().sum(), None)], &scene[1..2])?[0])
        },
        changes: false,
    },
    Case {
        name: "record",
        before: NOTHING,
        call: |_, scene| {
            let p = scene[3].dropout(0.5).prod_axes(&[1], false);
            bits(p.logsumexp() + scene[4].var(1.0, &[0], false).sqrt().sum())
        },
        changes: false,
    },
    Case {
        name: "no_grad",
        before: NOTHING,
        call: |g, scene| {
            let _guard = g.no_grad();
            let y = scene[3] * scene[0];
            assert!(y.is_null() || !y.requires_grad()?);
            bits(y)
        },
        changes: false,
    },
    Case {
        name: "sgd",
        before: BACKWARD,
        call: |g, _| Sgd { momentum: 0.9, ..Sgd::new(0.1) }.step(g).map(|()| Seen::new()),
        changes: true,
    },
    Case {
        name: "adam",
        before: BACKWARD,
        call: |g, _| Adam::new(0.01).step(g).map(|()| Seen::new()),
        changes: true,
    },
    Case {
        name: "rms_prop on some",
        before: BACKWARD,
        call: |g, scene| {
            let rms = RmsProp { momentum: 0.5, centred: true, ..RmsProp::new(0.01) };
            rms.step_on(g, &scene[..3]).map(|()| Seen::new())
        },
        changes: true,
    },
    Case {
        name: "clip",
        before: BACKWARD,
        call: |g, _| g.clip_grad_norm(0.01).map(|norm| vec![norm.to_bits()]),
        changes: true,
    },
    Case {
        name: "lbfgs",
        before: NOTHING,
        call: |_, scene| {
            let few = Lbfgs { iterations: 0, ..Lbfgs::default() };
            few.minimise(scene[5], &scene[..3]).map(|found| vec![found.value.to_bits()])
        },
        changes: true,
    },
    Case { name: "snapshot", before: NOTHING, call: |_, s| bits(s[4].snapshot()), changes: false },
    Case {
        name: "format",
        before: NOTHING,
        call: |g, scene| {
            let text = format!("{} {} {}", scene[4], g.to_text(), g.to_dot());
            g.check().map(|()| bytes(&text))
        },
        changes: false,
    },
];

/// Tries `case` with a panic at each fail point in turn; how many there are.
fn try_all(case: &Case, n: usize, threads: usize) -> usize {
    let start = |g: &Graph| g.set_num_threads(threads);
    let undisturbed = Graph::new();
    start(&undisturbed);
    let scene = record(&undisturbed, n);
    (case.before)(&undisturbed, &scene).unwrap();
    let want = (case.call)(&undisturbed, &scene).unwrap();
    let live = undisturbed.memory().live;
    let want_after = look(&scene).unwrap();

    let g = Graph::new();
    start(&g);
    for k in 1.. {
        let what = format!("{}, {threads} threads, fail point {k}", case.name);
        g.reset();
        let scene = record(&g, n);
        (case.before)(&g, &scene).unwrap();
        g.call(|session| session.core.fail_point.arm(k));
        let panicked = catch_unwind(AssertUnwindSafe(|| (case.call)(&g, &scene))).is_err();
        if g.call(|session| session.core.fail_point.arm(0)) {
            assert!(!panicked);
            assert_eq!(look(&scene).unwrap(), want_after, "{what}: not reached");
            return k - 1;
        }
        assert!(panicked, "{what}");
        match (case.call)(&g, &scene) {
            Ok(seen) => {
                assert_eq!(seen, want, "{what}: tried again");
                assert!(g.memory().live <= live, "{what}: memory is lost");
                assert_eq!(look(&scene).unwrap(), want_after, "{what}: afterwards");
            }
            Err(error) => {
                assert!(case.changes, "{what}: {error}");
                assert_eq!(error.kind(), ErrorKind::Internal, "{error}");
                for x in scene {
                    assert_eq!(x.eval().unwrap_err().kind(), ErrorKind::Internal);
                }
                assert!(Adam::new(0.01).step(&g).is_err());
            }
        }
    }
    unreachable!()
}

#[test]
fn after_a_panic_anywhere_the_same_call_is_right_or_refused() {
    for case in CASES {
        let planned = try_all(case, 12_000, 1);
        let node_by_node = try_all(case, 160, 1);
        assert!(planned.min(node_by_node) >= 3, "{}: {planned}, {node_by_node}", case.name);
    }
}

#[test]
fn after_a_panic_on_any_thread_too() {
    for case in CASES {
        try_all(case, 12_000, 2);
    }
}

/// One panic after the other takes no memory.
#[test]
fn panics_leave_nothing_behind() {
    let g = Graph::new();
    let scene = record(&g, 4000);
    let pooled = |k: usize| {
        g.call(|session| session.core.fail_point.arm(k));
        let _panicked = catch_unwind(AssertUnwindSafe(|| scene[5].backward()));
        g.memory().pooled
    };
    for k in [20, 60, 120, 150] {
        let first = pooled(k);
        assert!((0..50).all(|_| pooled(k) == first), "at fail point {k}");
    }
    g.call(|session| session.core.fail_point.arm(0));
    scene[5].backward().unwrap();
}
