//! Messages begin with the name of the call, whatever it is made of.

use std::collections::BTreeMap;

use bumpgrad::{
    Custom, DType, Error, ErrorKind, Graph, Lbfgs, LevenbergMarquardt, Mode, Result, TrustRegion,
    Var,
};

type Call = fn(&Graph, Var<'_>, Var<'_>) -> Result<()>;

/// Records, or fails; the graph remembers nothing.
fn recorded<'g>(graph: &'g Graph, record: impl FnOnce() -> Var<'g>) -> Result<()> {
    record();
    graph.check()
}

/// All that is made of gradients, tangents and batches, by the names that it has in messages.
const CALLS: [(&str, Call); 25] = [
    ("grad", |g, y, x| g.grad(&[(y, None)], &[x]).map(|_| ())),
    ("grad", |g, y, x| g.grad_allow_unused(&[(y, None)], &[x]).map(|_| ())),
    ("backward", |_, y, _| y.backward()),
    ("plan_memory_backward", |g, y, _| g.plan_memory_backward(&[(y, None)]).map(|_| ())),
    ("jvp", |g, y, x| g.jvp(&[y], &[(x, x)]).map(|_| ())),
    ("hvp", |g, y, x| g.hvp(y, &[(x, x)]).map(|_| ())),
    ("vmap", |g, y, x| {
        let is_deep = x.shape()?.len() == 8;
        let batch = if is_deep { x } else { g.stack(&[x, x], 0) };
        g.vmap(&[y], &[(x, batch)]).map(|_| ())
    }),
    ("jacobian", |g, y, x| recorded(g, || g.jacobian(y, x))),
    ("jacobian", |g, y, x| recorded(g, || g.jacobian_by(Mode::Forward, y, x))),
    ("jacobian", |g, y, x| recorded(g, || g.jacobian_by(Mode::Reverse, y, x))),
    ("jacobian_mode", |g, y, x| g.jacobian_mode(y, x).map(|_| ())),
    ("hessian", |g, y, x| recorded(g, || g.hessian(y, x))),
    ("hessian_diagonal", |g, y, x| recorded(g, || g.hessian_diagonal(y, x))),
    ("laplacian", |g, y, x| recorded(g, || g.laplacian(y, x))),
    ("divergence", |g, y, x| recorded(g, || g.divergence(y, x))),
    ("sparsity", |g, y, x| g.sparsity(y, x).map(|_| ())),
    ("hessian_sparsity", |g, y, x| g.hessian_sparsity(y, x, true).map(|_| ())),
    ("sparse_jacobian", |g, y, x| g.sparse_jacobian(y, x).map(|_| ())),
    ("sparse_jacobian_passes", |g, y, x| g.sparse_jacobian_passes(y, x).map(|_| ())),
    ("sparse_hessian", |g, y, x| g.sparse_hessian(y, x, false).map(|_| ())),
    ("sparse_hessian_passes", |g, y, x| g.sparse_hessian_passes(y, x).map(|_| ())),
    ("gradcheck", |g, y, x| g.gradcheck(y, &[x], &Default::default()).map(|_| ())),
    ("lbfgs", |_, y, x| Lbfgs { iterations: 1, ..Lbfgs::default() }.minimise(y, &[x]).map(|_| ())),
    ("trust_region", |_, y, x| {
        TrustRegion { iterations: 1, ..TrustRegion::default() }.minimise(y, &[x]).map(|_| ())
    }),
    ("levenberg_marquardt", |_, y, x| {
        let fit = LevenbergMarquardt { iterations: 1, ..LevenbergMarquardt::default() };
        fit.fit(y, &[x])?;
        LevenbergMarquardt { matrix_free: true, ..fit }.fit(y, &[x]).map(|_| ())
    }),
];

/// The square, with a numeric jvp or a numeric vjp only.
fn square<'g>(graph: &'g Graph, has_jvp: bool, x: Var<'_>) -> Var<'g> {
    let square = Custom::new("own_square", |x, y| {
        let y = y[0].data_mut::<f64>();
        y.iter_mut().zip(x[0].data::<f64>()).for_each(|(y, x)| *y = x * x);
        Ok(())
    });
    let square = match has_jvp {
        true => square.jvp(|at, dy| {
            let (x, t) = (at.inputs[0].data::<f64>(), at.tangent::<f64>(0).unwrap());
            let dy = dy[0].data_mut::<f64>();
            dy.iter_mut().zip(x).zip(t).for_each(|((dy, x), t)| *dy = 2.0 * x * t);
            Ok(())
        }),
        false => square.vjp(|at, dx| {
            let (x, g) = (at.inputs[0].data::<f64>(), at.cotangents[0].data::<f64>());
            let dx = dx[0].data_mut::<f64>();
            dx.iter_mut().zip(x).zip(g).for_each(|((dx, x), g)| *dx = 2.0 * x * g);
            Ok(())
        }),
    };
    graph.apply(graph.custom(square), &[x])
}

/// What fails somewhere inside.
fn case<'g>(graph: &'g Graph, number: usize) -> Option<(Var<'g>, Var<'g>)> {
    let x = graph.param(&[1.0, 2.0], &[2]);
    let constant = graph.tensor(&[1.0, 2.0], &[2]);
    let deep = graph.param(&[1.0, 2.0], &[2, 1, 1, 1, 1, 1, 1, 1]);
    Some(match number {
        0 => (square(graph, true, x).sum(), x),
        1 => (square(graph, false, x).sum(), x),
        2 => (x.square(), x),
        3 => (constant.square().sum(), constant),
        4 => (x.cast(DType::I64).sum(), x),
        5 => (x.sum(), constant.cast(DType::I64)),
        6 => (constant.sum(), x),
        7 => (graph.param(&[3.0], &[1]).square().sum(), x),
        8 => (deep.square().sum(), deep),
        9 => (deep.square(), deep),
        10 => (x.square().sum().item().map(|_| x.square().sum()).unwrap(), x),
        11 => {
            let y = x.square();
            y.to_vec::<f64>().unwrap();
            (y.sum(), x)
        }
        12 => (x.cast(DType::F32).square().sum(), x),
        13 => (square(graph, true, x), x),
        14 => (square(graph, false, x), x),
        _ => return None,
    })
}

#[test]
fn messages_begin_with_the_name_of_the_call() {
    let (mut failures, mut wrong) = (BTreeMap::<&str, usize>::new(), Vec::new());
    for (name, call) in CALLS {
        for number in 0.. {
            let graph = Graph::new();
            let Some((y, x)) = case(&graph, number) else { break };
            let Err(error) = call(&graph, y, x) else { continue };
            *failures.entry(name).or_default() += 1;
            tell(name, number, &error, &mut wrong);
        }
        // What needs memory somewhere inside: with ever more of it, until there is enough.
        let is_recorded =
            !["lbfgs", "trust_region", "levenberg_marquardt", "gradcheck"].contains(&name);
        for more in (0..).map(|k| k << 8).take_while(|_| is_recorded && name != "backward") {
            let graph = Graph::new();
            let (y, x) = case(&graph, 10).unwrap();
            graph.set_memory_limit(graph.memory().total() + more);
            let Err(error) = call(&graph, y, x) else { break };
            if error.kind() != ErrorKind::Memory {
                break;
            }
            tell(name, usize::MAX, &error, &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (name, _) in CALLS {
        assert!(failures.get(name).is_some_and(|&count| count > 0), "{name} never fails");
    }
}

fn tell(name: &str, number: usize, error: &Error, wrong: &mut Vec<String>) {
    if !error.message().starts_with(&format!("{name}: ")) {
        wrong.push(format!("{name}, case {number}: {error}"));
    }
}
