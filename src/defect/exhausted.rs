//! Memory that is exhausted at the k-th record of a call, for every k: nothing stays of the call, nothing else
//! is lost, and it is right when it is made again.

use super::tests::{bits, look, record};
use crate::cases::{Case, cases, leaf, read, run};
use crate::dtype::DType;
use crate::error::{ErrorKind, Result};
use crate::graph::Start;
use crate::{Graph, Mode, Var};

fn start(g: &Graph) -> Start {
    g.call(|session| session.core.start())
}

/// Lets there be no memory for the k-th record of a call.
fn starve(g: &Graph, k: usize) -> bool {
    g.call(|session| session.core.fail_point.starve(k))
}

/// Makes a call without memory for its first record, then its second, and so on, until it goes through: its
/// result, and how often it failed.
fn until_there_is_enough<R>(
    g: &Graph,
    what: &str,
    mut call: impl FnMut() -> Result<R>,
) -> (R, usize) {
    for k in 1.. {
        let (before, live) = (start(g), g.memory().live);
        let mut failed = |again: &str| {
            starve(g, k);
            let result = call();
            if starve(g, 0) {
                return Some(result.unwrap_or_else(|e| panic!("{what}{again}: {e}")));
            }
            let Err(error) = result else {
                panic!("{what}{again}: goes through without record {k}")
            };
            assert_eq!(error.kind(), ErrorKind::Memory, "{what}{again}, {k}: {error}");
            assert_eq!(start(g), before, "{what}{again}: what stays without record {k}");
            None
        };
        if let Some(result) = failed("") {
            return (result, k - 1);
        }
        // (What was computed on the way is kept, but only once.)
        let kept = g.memory().live;
        assert!(
            failed(", again").is_none() && g.memory().live == kept && kept >= live,
            "{what}, {k}"
        );
    }
    unreachable!()
}

fn results<'g>(g: &'g Graph, case: &Case, xs: &[Var<'g>]) -> Result<Vec<Var<'g>>> {
    let ys = run(g, case, xs);
    g.check().map(|()| ys)
}

#[test]
fn an_operation_without_memory_leaves_nothing_behind() {
    let (mut last, mut checked) = (String::new(), 0);
    for case in cases() {
        let is_special = case.json["note"].as_str().unwrap().contains("special");
        if case.op() == last || is_special {
            continue;
        }
        last = case.op().to_owned();
        let inputs = case.json["inputs"].as_array().unwrap();
        let leaves = |g| inputs.iter().map(|input| leaf(g, input, DType::F64)).collect::<Vec<_>>();
        let numbers = |ys: Vec<Var<'_>>| -> Vec<u64> {
            ys.into_iter().flat_map(|y| read(y).into_iter().map(f64::to_bits)).collect()
        };
        let undisturbed = Graph::new();
        let want = numbers(results(&undisturbed, &case, &leaves(&undisturbed)).unwrap());
        let g = Graph::new();
        let xs = leaves(&g);
        let (ys, _) = until_there_is_enough(&g, &case.name(), || results(&g, &case, &xs));
        assert_eq!(numbers(ys), want, "{}", case.name());
        checked += 1;
    }
    assert!(checked > 200, "{checked} operations");
}

type Call = for<'g> fn(&'g Graph, &[Var<'g>]) -> Result<Vec<Var<'g>>>;

/// What turns a recording into more recording: of x, w, b, h, layer and loss; then of the gradients of the
/// loss by x and w, a number made of the first one, batches of x and of w, and the sums of rows of the layer.
const CALLS: &[(&str, Call)] = &[
    ("grad", |g, s| g.grad(&[(s[5], None)], &s[..3])),
    ("grad of grad", |g, s| g.grad(&[(s[8], None)], &s[1..2])),
    ("jvp", |g, s| g.jvp(&[s[5], s[4]], &[(s[0], s[0]), (s[1], s[1])])),
    ("jvp of grad", |g, s| g.jvp(&s[6..8], &[(s[0], s[0])])),
    ("vmap", |g, s| g.vmap(&[s[5], s[4]], &[(s[0], s[9])])),
    ("vmap of grad", |g, s| g.vmap(&s[6..8], &[(s[1], s[10])])),
    ("hvp", |g, s| g.hvp(s[5], &[(s[1], s[1]), (s[2], s[2])])),
    ("jacobian", |g, s| one(g, g.jacobian(s[11], s[2]))),
    ("jacobian by rows", |g, s| one(g, g.jacobian_by(Mode::Reverse, s[11], s[1]))),
    ("jacobian by columns", |g, s| one(g, g.jacobian_by(Mode::Forward, s[4], s[2]))),
    ("hessian", |g, s| one(g, g.hessian(s[5], s[2]))),
    ("hessian_diagonal", |g, s| one(g, g.hessian_diagonal(s[5], s[2]))),
    ("laplacian", |g, s| one(g, g.laplacian(s[5], s[2]))),
    ("divergence", |g, s| one(g, g.divergence(s[3], s[0]))),
    ("sparse_jacobian", |g, s| g.sparse_jacobian(s[4], s[0]).map(|(_, values)| vec![values])),
    ("sparse_hessian", |g, s| g.sparse_hessian(s[5], s[2], true).map(|(_, values)| vec![values])),
    ("sparsity", |g, s| g.sparsity(s[5], s[0]).map(|_| vec![])),
    ("hessian_sparsity", |g, s| g.hessian_sparsity(s[5], s[2], false).map(|_| vec![])),
    ("snapshot", |g, s| one(g, s[4].snapshot())),
    ("gradcheck", |g, s| g.gradcheck(s[4], &s[2..3], &Default::default()).map(|_| vec![])),
    ("backward", |_, s| s[5].backward().map(|()| vec![])),
];

fn one<'g>(g: &'g Graph, y: Var<'g>) -> Result<Vec<Var<'g>>> {
    g.check().map(|()| vec![y])
}

fn scene(g: &Graph) -> Vec<Var<'_>> {
    let mut s = record(g, 72);
    s.extend(g.grad(&[(s[5], None)], &s[..2]).unwrap());
    s.push(s[6].square().sum());
    s.extend([0, 1].map(|k| g.stack(&[s[k], s[k] * 0.5], 0)));
    s.push(s[4].sum_axes(&[1], false));
    s
}

#[test]
fn a_transform_without_memory_leaves_nothing_behind() {
    for (what, call) in CALLS {
        let all =
            |ys: Vec<Var<'_>>| -> Vec<_> { ys.into_iter().map(|y| bits(y).unwrap()).collect() };
        // (It writes data, after which dropout draws anew.)
        let draws = *what != "gradcheck";
        let undisturbed = Graph::new();
        undisturbed.set_training(draws);
        let s = scene(&undisturbed);
        let want = all(call(&undisturbed, &s).unwrap());
        let want_after = look(&s).unwrap();
        let g = Graph::new();
        g.set_training(draws);
        let s = scene(&g);
        let data = all(s[..3].to_vec());
        let (ys, times) = until_there_is_enough(&g, what, || {
            call(&g, &s).inspect_err(|_| assert_eq!(all(s[..3].to_vec()), data, "{what}"))
        });
        assert!(times >= 2, "{what} failed {times} times");
        assert!(all(ys) == want, "{what}");
        assert!(look(&s).unwrap() == want_after, "{what}: afterwards");
    }
}
