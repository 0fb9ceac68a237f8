//! Every rule of the roll-call against independent oracles, without a line per rule.

use super::*;
use crate::dtype::DType;
use crate::dual::Dual;
use crate::graph::Operand;
use crate::random::Stream;
use crate::session::Session;

/// Operands from a rule's domain.
fn draw(rule: &Rule, stream: u64, i: u64) -> Vec<f64> {
    let operands = rule.domain.iter().enumerate();
    operands
        .map(|(k, &(low, high))| {
            low + (high - low) * Stream::new(3, stream).uniform(2 * i + k as u64)[0]
        })
        .collect()
}

const DRAWS: u64 = 50;

#[track_caller]
fn assert_close(got: f64, want: f64, tolerance: f64, what: &str) {
    let scale = want.abs().max(1.0);
    assert!((got - want).abs() <= tolerance * scale, "{what}: {got} is not {want}");
}

#[test]
fn what_a_rule_reads_is_found_by_running_it() {
    let cotangent = |elem, i| Rule::of(elem).cotangent(i);
    assert_eq!(cotangent(Elem::Add, 1), Cotangent::Same);
    assert_eq!(cotangent(Elem::Sign, 0), Cotangent::Zero);
    assert_eq!(cotangent(Elem::Exp, 0), Cotangent::Pull { reads: 0b110 });
    assert_eq!(cotangent(Elem::Relu, 0), Cotangent::Pull { reads: 0b110 });
    assert_eq!(cotangent(Elem::Sin, 0), Cotangent::Pull { reads: 0b101 });
    assert_eq!(cotangent(Elem::Mul, 0), Cotangent::Pull { reads: 0b1010 });
    assert_eq!(cotangent(Elem::Div, 1), Cotangent::Pull { reads: 0b1110 });
}

#[test]
fn every_pull_is_the_derivative_by_dual_numbers_and_by_finite_differences() {
    for (number, &elem) in Elem::ALL.iter().enumerate() {
        let rule = Rule::of(elem);
        for i in 0..DRAWS {
            let x = draw(rule, number as u64, i);
            let y = (rule.scalar.eval)(&x);
            for k in 0..elem.arity() {
                let what = format!("{} {k} at {x:?}", rule.name);
                let pulled = (rule.scalar.pull)(&x, y, 1.5, k) / 1.5;
                let dual: Vec<_> = x
                    .iter()
                    .enumerate()
                    .map(|(j, &value)| Dual { value, tangent: f64::from(u8::from(j == k)) })
                    .collect();
                let dual = (rule.dual.eval)(&dual);
                assert_close(dual.value, y, 1e-14, &what);
                assert_close(pulled, dual.tangent, 1e-13, &what);
                let moved = |step: f64| {
                    let mut x = x.clone();
                    x[k] += step;
                    (rule.scalar.eval)(&x)
                };
                // Richardson's extrapolation of central differences: error of order step^4.
                let central = |h: f64| (moved(h) - moved(-h)) / (2.0 * h);
                let slope = (4.0 * central(1e-4) - central(2e-4)) / 3.0;
                assert_close(pulled, slope, 1e-9, &what);
            }
        }
    }
}

/// The gradient of a gradient, recorded from the rule, against dual numbers through the rule.
#[test]
fn every_pull_can_be_differentiated_again() {
    for (number, &elem) in Elem::ALL.iter().enumerate() {
        let rule = Rule::of(elem);
        for i in 0..10 {
            let x = draw(rule, 1000 + number as u64, i);
            let mut session = Session::new();
            let mut leaves = Vec::new();
            for &value in &x {
                let leaf = session.record(|core| {
                    let id = core.leaf("x", &[value], &[])?;
                    core.set_requires_grad(id, true)?;
                    Ok(id)
                });
                leaves.push(leaf);
            }
            let y = match leaves[..] {
                [a] => session.record1("y", a, |core, a| core.map(elem, a)),
                [a, b] => session.record2("y", a, b, |core, a, b| core.map2(elem, a, b)),
                _ => unreachable!(),
            };
            for k in 0..elem.arity() {
                let mut first = crate::graph::Handle::NULL;
                let to = std::iter::once(leaves[k]);
                let from = std::iter::once((y, None));
                session.grad("grad", from, to, false, |_, handle| first = handle).unwrap();
                for j in 0..elem.arity() {
                    let what = format!("{} d{k} d{j} at {x:?}", rule.name);
                    let dual: Vec<_> = x
                        .iter()
                        .enumerate()
                        .map(|(l, &value)| Dual { value, tangent: f64::from(u8::from(l == j)) })
                        .collect();
                    let value = (rule.dual.eval)(&dual);
                    let want = (rule.dual.pull)(&dual, value, Dual { value: 1.0, tangent: 0.0 }, k)
                        .tangent;
                    let mut got = 0.0;
                    if session.requires_grad(first).unwrap() {
                        let mut second = crate::graph::Handle::NULL;
                        let to = std::iter::once(leaves[j]);
                        let from = std::iter::once((first, None));
                        session.grad("grad", from, to, true, |_, handle| second = handle).unwrap();
                        if second != crate::graph::Handle::NULL {
                            got = session.item(second).unwrap();
                        }
                    }
                    assert_close(got, want, 1e-12, &what);
                }
            }
        }
    }
}

/// Where a^2 + b^2 leaves the range, the derivatives need not.
#[test]
fn atan2_has_its_derivatives_over_the_whole_range() {
    let pull = Rule::of(Elem::Atan2).scalar.pull;
    for scale in [1e-300, 1e-200, 1.0, 1e200, 1e300] {
        for (a, b) in [(3.0, 4.0), (-4.0, 3.0), (1.0, 0.0), (0.0, -1.0), (2.0, 2.0), (-1.0, -1.0)] {
            let square = a * a + b * b;
            let x = [a * scale, b * scale];
            let y = f64::atan2(x[0], x[1]);
            for (k, want) in [b / square / scale, -a / square / scale].into_iter().enumerate() {
                let got = pull(&x, y, 1.0, k);
                assert!(
                    (got - want).abs() <= 1e-15 * want.abs(),
                    "{k} at {x:?}: {got}, not {want}"
                );
            }
        }
    }
    let far = pull(&[1e-200, 1e150], 0.0, 1.0, 0);
    assert!((far - 1e-150).abs() < 1e-164, "{far}");
    for (x, want) in [
        ([0.0, 0.0], [0.0, -0.0]),
        ([f64::INFINITY, 1.0], [0.0, 0.0]),
        ([1.0, f64::NEG_INFINITY], [0.0, 0.0]),
        ([5e-324, 0.0], [0.0, f64::NEG_INFINITY]),
    ] {
        assert_eq!([0, 1].map(|k| pull(&x, 0.0, 1.0, k)), want, "{x:?}");
    }
    assert!(pull(&[f64::NAN, 1.0], 0.0, 1.0, 0).is_nan());
    assert!(pull(&[1.0, f64::NAN], 0.0, 1.0, 1).is_nan());
}

/// Each pair of shapes that broadcast, with one operand a constant in the end.
#[test]
fn every_binary_rule_broadcasts_and_sums_its_cotangents_back() {
    const SHAPES: &[(&[usize], &[usize])] = &[
        (&[2, 3], &[2, 3]),
        (&[2, 3], &[3]),
        (&[2, 1], &[2, 3]),
        (&[3, 1], &[1, 4]),
        (&[], &[2, 3]),
        (&[1], &[0]),
        (&[2, 1, 3], &[4, 1]),
        (&[300], &[5, 1]),
        (&[5, 300], &[300]),
    ];
    let binary = Elem::ALL.iter().copied().filter(|elem| elem.arity() == 2);
    for (elem, (left, right)) in binary.flat_map(|elem| SHAPES.iter().map(move |s| (elem, *s))) {
        let rule = Rule::of(elem);
        let what = format!("{} of {left:?} and {right:?}", rule.name);
        let fill = |shape: &[usize], k: usize| -> Vec<f64> {
            let len = shape.iter().product::<usize>();
            (0..len as u64).map(|i| draw(rule, 77 + k as u64, i)[k]).collect()
        };
        let (a, b) = (fill(left, 0), fill(right, 1));
        let mut session = Session::new();
        let mut leaf = |data: &[f64], shape: &[usize]| {
            session.record(|core| {
                let id = core.leaf("x", data, shape)?;
                core.set_requires_grad(id, true)?;
                Ok(id)
            })
        };
        let (x, y) = (leaf(&a, left), leaf(&b, right));
        let z = session.record2("z", x, y, |core, x, y| core.map2(elem, x, y));
        let sum = session.record1("sum", z, |core, z| core.sum(z, &[], false));
        let out = session.shape(z).unwrap();
        let at = |shape: &[usize], i: usize| {
            let (mut rest, mut place, mut stride) = (i, 0, 1);
            for axis in (0..out.len()).rev() {
                let coordinate = rest % out[axis];
                rest /= out[axis];
                if let Some(own) = (axis + shape.len()).checked_sub(out.len()) {
                    place += if shape[own] == 1 { 0 } else { coordinate * stride };
                    stride *= shape[own];
                }
            }
            place
        };
        let (mut values, mut da, mut db) = (Vec::new(), vec![0.0; a.len()], vec![0.0; b.len()]);
        for i in 0..out.iter().product() {
            let (p, q) = (at(left, i), at(right, i));
            let operands = [a[p], b[q]];
            let value = (rule.scalar.eval)(&operands);
            values.push(value);
            da[p] += (rule.scalar.pull)(&operands, value, 1.0, 0);
            db[q] += (rule.scalar.pull)(&operands, value, 1.0, 1);
        }
        session.backward(std::iter::once((sum, None))).unwrap();
        let close = |got: &[f64], want: &[f64], part: &str| {
            assert_eq!(got.len(), want.len(), "{what}");
            for (got, want) in got.iter().zip(want) {
                assert_close(*got, *want, 1e-12, &format!("{what}, {part}"));
            }
        };
        close(session.values("z", z).unwrap(), &values, "value");
        close(session.grad_values(x).unwrap().unwrap(), &da, "left");
        close(session.grad_values(y).unwrap().unwrap(), &db, "right");

        // The same with constants for one operand, where it is a single element.
        for (k, (data, other)) in [(&a, y), (&b, x)].into_iter().enumerate() {
            if let [constant] = data[..] {
                let z = session.record1("z", other, |core, other| match k {
                    0 => core.map2(elem, Operand::Constant(constant), other),
                    _ => core.map2(elem, other, Operand::Constant(constant)),
                });
                close(session.values("z", z).unwrap(), &values, "constant");
            }
        }
        assert_eq!(session.dtype(z), Ok(DType::F64));
    }
}

#[test]
fn every_rule_has_golden_values() {
    let golden = [
        include_str!("../../tests/golden/unary.json"),
        include_str!("../../tests/golden/binary.json"),
        include_str!("../../tests/golden/reduce.json"),
        include_str!("../../tests/golden/operations.json"),
    ];
    for &elem in Elem::ALL {
        let case = format!("\"op\":\"{}\"", Rule::of(elem).name);
        assert!(golden.iter().any(|file| file.contains(&case)), "no case of {case}");
    }
}
