//! The transforms against PyTorch's own, over all operations: what `torch.func.jvp`, `vmap`, `jacrev`,
//! `hessian`, `jvp` of `grad` and `vmap` of `grad` say (`tests/golden/torch_func.json`, made by
//! `tests/golden/torch_func.py`).

#[path = "golden/cases.rs"]
mod cases;
#[rustfmt::skip]
mod operations;

use std::collections::BTreeMap;

use bumpgrad::{DType, ErrorKind, Graph, Mode, Var};
use cases::{Case, cases_of, leaf, numbers, read, run, tensor};
use serde_json::Value;

/// PyTorch's own f64 values are good to about this, absolute or relative; second derivatives to ten times
/// as much.
const TOLERANCE: f64 = 1e-12;

struct Recorded<'g> {
    graph: &'g Graph,
    case: &'g Case,
    tolerance: f64,
    x: Vec<Var<'g>>,
    y: Var<'g>,
    /// The inputs that have gradients.
    by: Vec<usize>,
}

/// How many numbers were compared, by what they are.
type Counts = BTreeMap<&'static str, usize>;

impl<'g> Recorded<'g> {
    fn new(graph: &'g Graph, case: &'g Case) -> Self {
        let inputs = case.json["inputs"].as_array().unwrap();
        let x: Vec<_> = inputs.iter().map(|input| leaf(graph, input, DType::F64)).collect();
        let y = run(graph, case, &x)[0];
        let probes = case.json["probe"].as_array().map_or(&[][..], |all| all);
        let by = (0..probes.len()).filter(|&k| !probes[k].is_null()).collect();
        // (A cast is rounded in one mode before and in the other after.)
        let is_cast = y.dtype().unwrap() == DType::F32;
        let tolerance = if is_cast { 1e-7 } else { TOLERANCE };
        Self { graph, case, tolerance, x, y, by }
    }

    fn xs(&self) -> Vec<Var<'g>> {
        self.by.iter().map(|&k| self.x[k]).collect()
    }

    fn head(&self) -> Var<'g> {
        tensor(self.graph, &self.case.json["head"], self.y)
    }

    /// The inputs that have gradients, with their probes as tangents.
    fn moving(&self) -> Vec<(Var<'g>, Var<'g>)> {
        let probe = |&k: &usize| tensor(self.graph, &self.case.json["probe"][k], self.x[k]);
        self.by.iter().map(|k| (self.x[*k], probe(k))).collect()
    }

    fn gradients(&self) -> Result<Vec<Var<'g>>, String> {
        let roots = [(self.y, Some(self.head()))];
        self.graph.grad(&roots, &self.xs()).map_err(|e| format!("grad: {e}"))
    }

    /// Compares numbers with PyTorch's, if it has some, as far as they are precise.
    fn compare(&self, what: &'static str, got: &[f64], want: &Value, counts: &mut Counts) -> Told {
        if want.is_null() {
            return Ok(());
        }
        let want = numbers(want);
        *counts.entry(what).or_default() += want.len();
        let scale = want.iter().fold(1.0f64, |most, x| most.max(x.abs()));
        let tolerance = self.tolerance * scale * if what == "value" { 1.0 } else { 10.0 };
        let is_close =
            |a: f64, b: f64| a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= tolerance;
        if got.len() != want.len() {
            return Err(format!("{what}: {} numbers, not {}", got.len(), want.len()));
        }
        match (0..want.len()).find(|&i| !is_close(got[i], want[i])) {
            Some(i) => Err(format!("{what}: element {i} is {:?}, not {:?}", got[i], want[i])),
            None => Ok(()),
        }
    }

    /// Compares a matrix, unless there is no room for its axes.
    fn matrix(&self, what: &'static str, got: Var<'_>, want: &Value, counts: &mut Counts) -> Told {
        match self.graph.check() {
            Err(error) if error.kind() == ErrorKind::Limit => Ok(()),
            Err(error) => Err(format!("{what}: {error}")),
            Ok(()) => self.compare(what, &read(got), want, counts),
        }
    }

    fn derivatives(&self, counts: &mut Counts) -> Told {
        let (graph, json) = (self.graph, &self.case.json);
        self.compare("value", &read(self.y), &json["value"]["data"], counts)?;
        if self.by.is_empty() {
            return Ok(());
        }
        let moved = graph.jvp(&[self.y], &self.moving()).map_err(|e| format!("jvp: {e}"))?[0];
        self.compare("jvp", &read(moved), &json["jvp"], counts)?;
        let gradients = self.gradients()?;
        let over = graph.jvp(&gradients, &self.moving()).map_err(|e| format!("jvp: {e}"))?;
        let under = match moved.requires_grad().unwrap() {
            true => {
                let roots = [(moved, Some(self.head()))];
                graph.grad_allow_unused(&roots, &self.xs()).map_err(|e| format!("grad: {e}"))?
            }
            false => vec![None; over.len()],
        };
        let value = (self.y.cast(DType::F64) * self.head().cast(DType::F64)).sum();
        for (k, &i) in self.by.iter().enumerate() {
            let x = self.x[i];
            let zeros = || vec![0.0; read(x).len()];
            self.compare("jvp of grad", &read(over[k]), &json["jvp_of_grad"][i], counts)?;
            let under = under[k].map_or_else(zeros, read);
            self.compare("grad of jvp", &under, &json["jvp_of_grad"][i], counts)?;
            for (mode, what) in
                [(Mode::Reverse, "jacobian by rows"), (Mode::Forward, "jacobian by columns")]
            {
                if !json["jacobian"][i].is_null() {
                    let rows = graph.jacobian_by(mode, self.y, x);
                    self.matrix(what, rows, &json["jacobian"][i], counts)?;
                }
            }
            if !json["hessian"][i].is_null() {
                let found = graph.hessian(value, x);
                self.matrix("hessian", found, &json["hessian"][i], counts)?;
                let len = read(x).len();
                let want = json["hessian"][i].as_array().unwrap();
                let want = Value::Array((0..len).map(|i| want[i * len + i].clone()).collect());
                let diagonal = read(graph.hessian_diagonal(value, x));
                self.compare("diagonal of the hessian", &diagonal, &want, counts)?;
            }
        }
        Ok(())
    }

    /// One batch: some inputs with one more axis, of themselves and of their data in reverse.
    fn batch(&self, batch: &Value, counts: &mut Counts) -> Told {
        let (graph, json) = (self.graph, &self.case.json);
        let many = (0..self.x.len()).filter(|&k| batch["in"][k] == 1).map(|k| {
            let input = &json["inputs"][k];
            let mut reverse = input.clone();
            reverse["data"].as_array_mut().unwrap().reverse();
            let both = [leaf(graph, input, DType::F64), leaf(graph, &reverse, DType::F64)];
            (self.x[k], graph.stack(&both, 0))
        });
        let mut ys = vec![self.y];
        if !self.by.is_empty() {
            ys.extend(self.gradients()?);
        }
        let all = graph.vmap(&ys, &many.collect::<Vec<_>>()).map_err(|e| format!("vmap: {e}"))?;
        let second = |y: Var<'_>| read(y.select(0, 1));
        self.compare("vmap", &read(all[0].select(0, 0)), &json["value"]["data"], counts)?;
        self.compare("vmap", &second(all[0]), &batch["value"], counts)?;
        for (k, &i) in self.by.iter().enumerate() {
            self.compare("vmap of grad", &second(all[1 + k]), &batch["gradients"][i], counts)?;
        }
        Ok(())
    }
}

type Told = Result<(), String>;

fn check(case: &Case, counts: &mut Counts) -> Told {
    let graph = Graph::new();
    Recorded::new(&graph, case).derivatives(counts)?;
    for batch in case.json["batches"].as_array().map_or(&[][..], |all| all) {
        // (Of a recording of its own: here values were read.)
        let graph = Graph::new();
        Recorded::new(&graph, case)
            .batch(batch, counts)
            .map_err(|e| format!("{}: {e}", batch["in"]))?;
    }
    Ok(())
}

#[test]
fn transforms_agree_with_torch_func() {
    let all = cases_of("torch_func.json", include_str!("golden/torch_func.json"));
    let mut counts = Counts::new();
    let failures: Vec<_> = all
        .iter()
        .filter_map(|case| check(case, &mut counts).err().map(|e| format!("{}: {e}", case.name())))
        .collect();
    println!("{counts:#?}");
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), all.len(), failures.join("\n"));
    assert!(counts.len() == 10 && counts.values().all(|&count| count > 1000), "{counts:?}");
}

/// Of what PyTorch does not do there is no golden value. It is little, and each has its reason.
#[test]
fn golden_values_are_of_all_operations() {
    let all = cases_of("torch_func.json", include_str!("golden/torch_func.json"));
    let with = |op: &str| all.iter().any(|case| case.op() == op && !case.json["batches"].is_null());
    let without: Vec<_> = operations::NAMES.iter().copied().filter(|op| !with(op)).collect();
    // (PyTorch draws other masks.)
    assert_eq!(without, ["dropout"]);
    let skipped = all.iter().filter(|case| !case.json["skipped"].is_null()).count();
    assert!(skipped * 20 < all.len(), "{skipped} of {}", all.len());
}
