//! The host's floating-point environment has no influence.

use super::{Graph, Var};
use crate::dtype::{DType, Element};
use crate::error::Result;
use crate::fpenv::host;
use crate::roll_call::Elem;

/// The bits of the value and of the gradients of `y`, and what the host's environment is then.
fn results<T: Element>(
    outside: u32,
    xs: &[Var<'_>],
    y: impl FnOnce() -> Result<Vec<Vec<T>>>,
) -> Vec<Vec<u64>> {
    let (results, after) = host::within(outside, y);
    assert_eq!(after, outside);
    xs[0].graph().zero_grad();
    let bits = |x: &T| match T::DTYPE {
        DType::F32 => (x.to_f64() as f32).to_bits().into(),
        _ => x.to_f64().to_bits(),
    };
    results.unwrap().iter().map(|list| list.iter().map(bits).collect()).collect()
}

fn every_operation<T: Element>() {
    let numbers = [0.3, 150.0, -0.3, 2.5, 0.0, 1e-40, -1e-42, 20.5, -7.0, 1e30, 1e-310, 1e9];
    let data = |n: usize, step: usize| -> Vec<T> {
        (0..n).map(|i| T::from_f64(numbers[(step * i + step) % numbers.len()])).collect()
    };
    for n in (1..20).chain([31, 33, 47, 69]) {
        for &elem in Elem::ALL {
            let graph = Graph::new();
            let xs = [graph.param(&data(n, 1), &[n]), graph.param(&data(n, 5), &[n])];
            let xs = &xs[..elem.arity()];
            let head = graph.full(&[n], T::from_f64(0.7));
            let run = |outside| {
                results::<T>(outside, xs, || {
                    let y = graph.offer_map(|session| match xs {
                        [x] => session.map(elem, x.handle),
                        _ => session.map2(elem, xs[0].handle, xs[1].handle),
                    });
                    y.backward_with(head)?;
                    let mut out = vec![y.to_vec()?];
                    for x in xs {
                        out.push(x.grad()?.unwrap_or_default());
                    }
                    Ok(out)
                })
            };
            let want = run(host::DEFAULT);
            for outside in host::OTHERS {
                assert_eq!(run(outside), want, "{elem:?} {n} x {} {outside:x}", T::DTYPE);
            }
        }
    }
}

#[test]
fn whatever_the_hosts_environment_results_are_the_same() {
    every_operation::<f32>();
    every_operation::<f64>();
}

#[test]
fn what_records_prints_and_fails_heeds_no_environment_either() {
    let run = |outside| {
        let (text, after) = host::within(outside, || {
            let graph = Graph::new();
            let made = [
                graph.scalar(1e-40f32),
                graph.full(&[2], 1e-310),
                graph.arange::<f32>(-0.3, 0.7, 0.1),
                graph.linspace::<f64>(0.1, 0.7, 5),
                graph.uniform::<f32>(&[3], 0.1, 0.3),
                graph.normal::<f64>(&[3], 0.1, 0.3),
                graph.arange::<f64>(1.0, 4.0, 1.0).var(0.3, &[], false),
            ];
            let mut text: String = made.iter().map(|x| format!("{x} ")).collect();
            let wrong = graph.ones::<f32>(&[2]) + graph.ones::<f32>(&[3]);
            text += &wrong.eval().unwrap_err().to_string();
            text
        });
        assert_eq!(after, outside);
        text
    };
    let want = run(host::DEFAULT);
    for outside in host::OTHERS {
        assert_eq!(run(outside), want, "{outside:x}");
    }
}
