//! Every kernel at every level this machine has.

use std::f64::consts::FRAC_PI_2;

use super::cast::As;
use super::rule::rules;
use super::*;
use crate::dtype::{DType, Element};
use crate::level::Level;
use crate::node::{Comparison, Extreme, Op, Reduction};
use crate::op::{Cotangent, Rule};
use crate::random::Stream;
use crate::roll_call::Elem;

pub(super) fn levels() -> impl Iterator<Item = Level> {
    Level::ALL.into_iter().filter(|&level| level <= Level::detect())
}

/// Runs a kernel on operands of one length.
fn run<T: Float>(kernel: Kernel, operands: &[&[T]]) -> Vec<T> {
    let n = operands[0].len();
    assert!(operands.iter().all(|operand| operand.len() == n));
    // One element more on each side, to see that nothing else is written.
    let guard = T::from_f64(12345.0);
    let mut out = vec![guard; n + 2];
    let [a, b, c, d] = std::array::from_fn(|k| operands[k.min(operands.len() - 1)].as_ptr().cast());
    // SAFETY: as many operands as the callers below give the kernels, all of length n; `out` has
    // n + 2 elements; the level was detected.
    unsafe { kernel(n, out.as_mut_ptr().add(1).cast(), a, b, c, d) };
    assert!(out[0] == guard && out[n + 1] == guard);
    out[1..=n].to_vec()
}

const SPECIAL: [f64; 17] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    2.0,
    20.0,
    -20.0,
    1e-40,
    -1e-40,
    1e9,
    -1e9,
    1e30,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
];

/// How far apart a kernel and the rule in f64 may be: the rules add, multiply and cancel a few
/// times on top of functions that are good to 4 ULP.
fn tolerance<T: Float>() -> f64 {
    if size_of::<T>() == 4 { 1e-5 } else { 2e-14 }
}

fn assert_near<T: Float>(got: T, want: f64, scale: f64, what: &str) {
    let (value, rounded) = (got.to_f64(), T::from_f64(want).to_f64());
    let near = value == rounded
        || value.is_nan() && rounded.is_nan()
        || (value - want).abs() <= tolerance::<T>() * want.abs().max(scale);
    assert!(near, "{what}: {value:e} is not {want:e}");
}

/// For each elementwise kernel and level: `check(name, elem, operand or none, kernel)`.
fn each_kernel<T: Float>(mut check: impl FnMut(&str, Elem, Option<usize>, Kernel)) {
    for level in levels() {
        for &elem in Elem::ALL {
            let name = format!("{} {} {}", Rule::of(elem).name, T::DTYPE, level.name());
            let rules = rules(T::DTYPE, level);
            check(&name, elem, None, rules.eval[elem as usize]);
            for i in 0..elem.arity() {
                let name = format!("{name} pull {i}");
                check(&name, elem, Some(i), rules.pull[elem as usize][i]);
            }
        }
    }
}

/// Operands in the rule's domain, its values, and cotangents: columns of `n` numbers.
fn columns<T: Float>(elem: Elem, n: usize) -> Vec<Vec<T>> {
    let rule = Rule::of(elem);
    let draw = |k: usize, (low, high): (f64, f64)| -> Vec<T> {
        let unit = |i: usize| Stream::new(11, k as u64).uniform(i as u64)[0];
        (0..n).map(|i| T::from_f64(low + (high - low) * unit(i))).collect()
    };
    let mut out: Vec<Vec<T>> = rule.domain.iter().enumerate().map(|(k, &d)| draw(k, d)).collect();
    let value = |i: usize| {
        let x: Vec<f64> = out.iter().map(|column| column[i].to_f64()).collect();
        T::from_f64((rule.scalar.eval)(&x))
    };
    let values = (0..n).map(value).collect();
    out.push(values);
    out.push(draw(7, (-2.0, 2.0)));
    out
}

fn want(elem: Elem, pulled: Option<usize>, row: &[f64]) -> f64 {
    let (rule, arity) = (Rule::of(elem), elem.arity());
    match pulled {
        None => (rule.scalar.eval)(&row[..arity]),
        Some(i) => (rule.scalar.pull)(&row[..arity], row[arity], row[arity + 1], i),
    }
}

fn every_length<T: Float>() {
    each_kernel::<T>(|name, elem, pulled, kernel| {
        for n in (0..=65).chain([257]) {
            let columns = columns::<T>(elem, n);
            let given = if pulled.is_none() { elem.arity() } else { columns.len() };
            let operands: Vec<&[T]> = columns[..given].iter().map(|c| &c[..]).collect();
            let got = run(kernel, &operands);
            for i in 0..n {
                let row: Vec<f64> = columns.iter().map(|c| c[i].to_f64()).collect();
                assert_near(got[i], want(elem, pulled, &row), 1.0, &format!("{name} of {row:?}"));
            }
        }
    });
}

#[test]
fn f32_kernels_follow_the_rules_at_every_length() {
    every_length::<f32>();
}

#[test]
fn f64_kernels_follow_the_rules_at_every_length() {
    every_length::<f64>();
}

/// All pairs of special values, in a row long enough for whole vectors and a tail.
fn special_rows<T: Float>(elem: Elem) -> Vec<Vec<T>> {
    let mut columns: Vec<Vec<T>> = vec![Vec::new(); elem.arity() + 2];
    for a in SPECIAL {
        for b in if elem.arity() == 2 { &SPECIAL[..] } else { &[0.0] } {
            let x = [T::from_f64(a), T::from_f64(*b)];
            let exact: Vec<f64> = x[..elem.arity()].iter().map(|x| x.to_f64()).collect();
            (0..elem.arity()).for_each(|k| columns[k].push(x[k]));
            columns[elem.arity()].push(T::from_f64((Rule::of(elem).scalar.eval)(&exact)));
            columns[elem.arity() + 1].push(T::from_f64(1.0));
        }
    }
    columns
}

fn special_values<T: Float>() {
    each_kernel::<T>(|name, elem, pulled, kernel| {
        let columns = special_rows::<T>(elem);
        let given = if pulled.is_none() { elem.arity() } else { columns.len() };
        let operands: Vec<&[T]> = columns[..given].iter().map(|c| &c[..]).collect();
        let got = run(kernel, &operands);
        for i in 0..got.len() {
            let row: Vec<f64> = columns.iter().map(|c| c[i].to_f64()).collect();
            let wanted = want(elem, pulled, &row);
            let x = &row[..elem.arity()];
            // With operands of such size the steps inside a rule overflow, vanish or round in f32
            // where they do not in f64 (1e9 - 1 is even in f32): f64 checks those.
            let extreme = x.iter().any(|x| {
                x.abs() >= 1e9 && x.is_finite()
                    || x.abs() == 1e-40
                    || (x.abs() < 1e-30 && *x != 0.0)
            });
            if extreme && size_of::<T>() == 4 && (pulled.is_some() || !got[i].to_f64().is_finite())
            {
                continue;
            }
            assert_near(got[i], wanted, 1e-30, &format!("{name} of {row:?}"));
        }
    });
}

#[test]
fn f32_kernels_are_right_at_special_values() {
    special_values::<f32>();
}

#[test]
fn f64_kernels_are_right_at_special_values() {
    special_values::<f64>();
}

/// Bits, with all NaNs alike: which NaN an instruction returns is its own business.
pub(super) fn bits<T: Float>(values: &[T]) -> Vec<u64> {
    let bits = |x: f64| if x.is_nan() { u64::MAX } else { x.to_bits() };
    values.iter().map(|x| bits(x.to_f64())).collect()
}

fn v3_is_v4<T: Float>() {
    if Level::detect() < Level::V4 {
        println!("not run: this machine has no AVX-512");
        return;
    }
    let (v3, v4) = (rules(T::DTYPE, Level::V3), rules(T::DTYPE, Level::V4));
    for &elem in Elem::ALL {
        for columns in [columns::<T>(elem, 1000), special_rows::<T>(elem)] {
            let operands: Vec<&[T]> = columns.iter().map(|c| &c[..]).collect();
            let name = Rule::of(elem).name;
            let (a, b) = (v3.eval[elem as usize], v4.eval[elem as usize]);
            let values = &operands[..elem.arity()];
            assert_eq!(bits(&run(a, values)), bits(&run(b, values)), "{name}");
            for i in 0..elem.arity() {
                let (a, b) = (v3.pull[elem as usize][i], v4.pull[elem as usize][i]);
                assert_eq!(bits(&run(a, &operands)), bits(&run(b, &operands)), "{name} pull {i}");
            }
        }
    }
}

#[test]
fn v3_and_v4_agree_bit_for_bit() {
    v3_is_v4::<f32>();
    v3_is_v4::<f64>();
}

/// An element's value must not depend on where in a tensor it stands.
#[test]
fn tail_and_body_agree_bit_for_bit() {
    each_kernel::<f32>(|name, elem, pulled, kernel| {
        let columns = columns::<f32>(elem, 64);
        let given = if pulled.is_none() { elem.arity() } else { columns.len() };
        let whole: Vec<&[f32]> = columns[..given].iter().map(|c| &c[..]).collect();
        let body = run(kernel, &whole);
        for i in 0..64 {
            let one: Vec<&[f32]> = columns[..given].iter().map(|c| &c[i..=i]).collect();
            assert_eq!(bits(&run(kernel, &one)), bits(&body[i..=i]), "{name} at {i}");
        }
    });
}

/// What a pull does not read stands for anything: another operand, or what lies there.
#[test]
fn what_a_pull_does_not_read_changes_nothing() {
    fn check<T: Float>() {
        let other: Vec<T> = (0..70).map(|i| T::from_f64(1e9 * f64::from(i - 35))).collect();
        for level in levels() {
            let rules = rules(T::DTYPE, level);
            for &elem in Elem::ALL {
                // Near the poles of the tangent, too, where a rounding more or less shows.
                let mut columns = columns::<T>(elem, 70);
                columns[0][3..40].iter_mut().zip(0..).for_each(|(x, i): (&mut T, i32)| {
                    *x = T::from_f64(FRAC_PI_2 - 1e-4 + 1e-5 * f64::from(i));
                });
                if elem == Elem::Tan {
                    let tan: Vec<T> =
                        columns[0].iter().map(|x| T::from_f64(x.to_f64().tan())).collect();
                    columns[1] = tan;
                }
                for i in 0..elem.arity() {
                    let Cotangent::Pull { reads } = Rule::of(elem).cotangent(i) else { continue };
                    let kernel = rules.pull[elem as usize][i];
                    let given: Vec<&[T]> = columns.iter().map(|c| &c[..]).collect();
                    let want = run(kernel, &given);
                    let mut changed = given.clone();
                    for (k, column) in changed.iter_mut().enumerate() {
                        if (reads >> k) & 1u8 == 0u8 {
                            *column = &other;
                        }
                    }
                    let name = Rule::of(elem).name;
                    assert_eq!(bits(&run(kernel, &changed)), bits(&want), "{name} pull {i}");
                }
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

/// Also when angles of all sizes are neighbours, each with the result that it has alone.
fn any_angles<T: Float>(tolerance: f64) {
    let sizes = [0.5, 131072.0, 131072.03, -123456.75, 1e6, 1.3e8, 3e8, -7.5e11, 1e22, 1e37];
    let ones = [T::from_f64(1.0)];
    for level in levels() {
        let rules = rules(T::DTYPE, level);
        let sines: fn(f64) -> f64 = libm::sin;
        for (elem, f, slope) in [(Elem::Sin, sines, libm::cos as _), (Elem::Cos, libm::cos, sines)]
        {
            let eval = rules.eval[elem as usize];
            let pull = rules.pull[elem as usize][0];
            for n in 1..=sizes.len() {
                let angles: Vec<T> = sizes[..n].iter().map(|&x| T::from_f64(x)).collect();
                let y = run(eval, &[&angles]);
                let dx = run(pull, &[&angles, &y, &ones.repeat(n)]);
                for (i, x) in angles.iter().enumerate() {
                    let name = format!("{elem:?} of {x:?} at {level:?}");
                    let near = |y: T, exact: f64| (y.to_f64() - exact).abs() <= tolerance;
                    assert!(near(y[i], f(x.to_f64())), "{name}: {:?}", y[i]);
                    let sign = if elem == Elem::Cos { -1.0 } else { 1.0 };
                    assert!(near(dx[i], sign * slope(x.to_f64())), "{name}, pull: {:?}", dx[i]);
                    assert_eq!(bits(&run(eval, &[&[*x]])), bits(&y[i..=i]), "{name}");
                    let alone = run(pull, &[&[*x], &y[i..=i], &ones]);
                    assert_eq!(bits(&alone), bits(&dx[i..=i]), "{name}, pull");
                }
            }
        }
    }
}

#[test]
fn angles_of_any_size_are_reduced() {
    any_angles::<f32>(1.2e-7);
    any_angles::<f64>(4e-16);
}

#[test]
fn rows_are_reduced_alike_at_every_level() {
    let row: Vec<f32> = (0..5000).map(|i| ((i * 37) % 101) as f32 * 0.01 - 0.3).collect();
    let exact: f64 = row.iter().map(|&x| f64::from(x)).sum();
    let sums: Vec<Vec<f32>> = levels()
        .map(|level| {
            let mut out = [0f32];
            let sum = float_kernels(DType::F32, level).rows(Reduction::Sum);
            // SAFETY: a row of 5000 elements and one element of result.
            unsafe { call_rows(sum, 1, row.len(), out.as_mut_ptr().cast(), row.as_ptr().cast()) };
            out.to_vec()
        })
        .collect();
    assert!(sums.windows(2).all(|pair| pair[0] == pair[1]), "{sums:?}");
    assert!((f64::from(sums[0][0]) - exact).abs() <= exact.abs() * 1e-6, "{sums:?} {exact}");
}

fn places_of_extremes<T: Float>() {
    let better = |which: Extreme, x: f64, best: f64| match which {
        _ if best.is_nan() => false,
        Extreme::Max => x > best || x.is_nan(),
        Extreme::Min => x < best || x.is_nan(),
    };
    for n in (1..200).chain([1024, 1025, 3000]) {
        for special in [None, Some(f64::NAN), Some(f64::INFINITY), Some(f64::NEG_INFINITY)] {
            let number = |i: usize| match special {
                Some(special) if i % 67 == n % 67 => special,
                _ => ((i * 37 + n) % 29) as f64 - 14.0,
            };
            let row: Vec<T> = (0..n).map(|i| T::from_f64(number(i))).collect();
            for (which, level) in
                levels().flat_map(|level| [(Extreme::Max, level), (Extreme::Min, level)])
            {
                let want =
                    (1..n).fold(
                        0,
                        |best, i| {
                            if better(which, number(i), number(best)) { i } else { best }
                        },
                    );
                let kernel = float_kernels(T::DTYPE, level).arg(which).rows;
                let mut found = [-1i64];
                // SAFETY: a row of n elements and one i64 of result.
                unsafe { call_rows(kernel, 1, n, found.as_mut_ptr().cast(), row.as_ptr().cast()) };
                assert_eq!(found, [want as i64], "{which:?} {} {n} {special:?}", level.name());
            }
        }
    }
}

#[test]
fn the_first_extreme_of_a_row_is_found_at_every_level() {
    places_of_extremes::<f32>();
    places_of_extremes::<f64>();
}

fn joined_rules<T: Float>() {
    let angles = |n: usize| -> Vec<T> {
        let huge = [3e8, -7.5e11, 1e22, f64::INFINITY, -0.0, f64::NAN, 2e5, -1e8];
        let at = |i: usize| if i % 7 == 3 { huge[i / 7 % 8] } else { (i as f64 - 20.0) * 0.37 };
        (0..n).map(|i| T::from_f64(at(i))).collect()
    };
    for level in levels() {
        let (kernels, rules) = (float_kernels(T::DTYPE, level), rules(T::DTYPE, level));
        for n in (0..=65).chain([257]) {
            let x = angles(n);
            let mut cosine = vec![T::default(); n];
            let mut sine = vec![T::default(); n];
            let (angle, place) = (x.as_ptr().cast(), cosine.as_mut_ptr().cast::<u8>());
            // SAFETY: all three hold n elements, and the cosine's are the kernel's alone.
            unsafe { (kernels.sincos)(n, sine.as_mut_ptr().cast(), angle, place, angle, angle) };
            let name = format!("{n} x {} {}", T::DTYPE, level.name());
            let eval = |elem: Elem, operands: &[&[T]]| run(rules.eval[elem as usize], operands);
            assert_eq!(bits(&sine), bits(&eval(Elem::Sin, &[&x])), "{name}");
            assert_eq!(bits(&cosine), bits(&eval(Elem::Cos, &[&x])), "{name}");
        }
    }
}

#[test]
fn joined_rules_give_the_bits_of_their_parts() {
    joined_rules::<f32>();
    joined_rules::<f64>();
}

/// Runs links on `rows` rows of the operands, the last of which they write.
fn run_chain<T: Float>(level: Level, links: &[Link], rows: usize, operands: &mut [Vec<T>]) {
    let n = operands[0].len() / rows;
    let slots: Vec<*mut u8> = operands.iter_mut().map(|x| x.as_mut_ptr().cast()).collect();
    // SAFETY: each operand has rows of n elements, which are more than one a row; the level was
    // detected.
    unsafe { chain(T::DTYPE, level)(links, slots.as_ptr(), rows, n, 0) };
}

/// Every link that stands for an operation, in every way to reach its operand.
fn links_are_kernels<T: Float>() {
    let link = |act, reach, slot| Link { act, reach, slot };
    let mut tried = 0;
    let mut check = |level: Level, op: Op, kernel: Kernel, columns: &[Vec<T>]| {
        for &Form(act, block, operand) in forms(op) {
            tried += 1;
            for store in [Act::Store, Act::StoreNonTemporal] {
                for (rows, reach) in [(1, Reach::Each), (1, Reach::One), (3, Reach::Row)] {
                    let len = columns[0].len() / rows * rows;
                    let mut columns: Vec<Vec<T>> =
                        columns.iter().map(|column| column[..len].to_vec()).collect();
                    let other = operand.unwrap_or(block);
                    let mut repeated = columns[other].clone();
                    for i in 0..len {
                        match reach {
                            Reach::Each => {}
                            Reach::Row => repeated[i] = columns[other][i / (len / rows)],
                            Reach::One => repeated[i] = columns[other][0],
                        }
                    }
                    let reach = if operand.is_none() { Reach::Each } else { reach };
                    let links = [
                        link(Act::Load, Reach::Each, block as u32),
                        link(act, reach, other as u32),
                        link(store, Reach::Each, columns.len() as u32),
                    ];
                    columns.push(vec![T::default(); len]);
                    if len > 0 {
                        run_chain(level, &links, rows, &mut columns);
                    }
                    let got = columns.pop().expect("pushed above");
                    if operand.is_some() {
                        columns[other] = repeated;
                    }
                    let operands: Vec<&[T]> = columns.iter().map(|c| &c[..]).collect();
                    let name = format!("{op:?} {act:?} {reach:?} {len} {}", level.name());
                    assert_eq!(bits(&got), bits(&run(kernel, &operands)), "{name}");
                }
            }
        }
    };
    for level in levels() {
        let rules = rules(T::DTYPE, level);
        for &elem in Elem::ALL {
            let lengths = (1..=65).chain([257]).map(|n| columns::<T>(elem, n));
            for columns in lengths.chain([special_rows::<T>(elem)]) {
                let (values, arity) = (&columns[..elem.arity()], elem.arity());
                check(level, Op::Map(elem), rules.eval[elem as usize], values);
                for i in 0..arity {
                    let kernel = rules.pull[elem as usize][i];
                    check(level, Op::Pull(elem, i as u8), kernel, &columns);
                }
            }
        }
    }
    assert!(tried > 40 * 67, "{tried} links were tried");
}

#[test]
fn links_give_the_bits_of_kernels() {
    links_are_kernels::<f32>();
    links_are_kernels::<f64>();
}

/// What fills a vector up at the end of a row raises no exception that the row does not.
#[cfg(target_arch = "x86_64")]
fn tails_are_quiet<T: Float>() {
    let link = |act, reach, slot| Link { act, reach, slot };
    let mut tried = 0;
    let mut check = |level: Level, op: Op, row: &[T]| {
        for &Form(act, block, operand) in forms(op) {
            let seen = |n: usize| {
                let mut columns: Vec<Vec<T>> = row.iter().map(|&x| vec![x; n]).collect();
                columns.push(vec![T::default(); n]);
                let links = [
                    link(Act::Load, Reach::Each, block as u32),
                    link(act, Reach::Each, operand.unwrap_or(block) as u32),
                    link(Act::Store, Reach::Each, row.len() as u32),
                ];
                let run = || run_chain(level, &links, 1, &mut columns);
                crate::fpenv::host::within(crate::fpenv::host::DEFAULT, run).1
            };
            tried += 1;
            for n in 1..130 {
                assert_eq!(
                    seen(n),
                    seen(256),
                    "{op:?} {act:?} {n} x {} {}",
                    T::DTYPE,
                    level.name()
                );
            }
        }
    };
    for level in levels() {
        for &elem in Elem::ALL {
            // Numbers whose results are none that an exception tells of, but for being rounded.
            let columns = columns::<T>(elem, 1);
            let row: Vec<T> = columns.iter().map(|column| column[0]).collect();
            check(level, Op::Map(elem), &row[..elem.arity()]);
            (0..elem.arity()).for_each(|i| check(level, Op::Pull(elem, i as u8), &row));
        }
    }
    assert!(tried > 40, "{tried} links were tried");
}

#[cfg(target_arch = "x86_64")]
#[test]
fn what_fills_vectors_up_raises_no_exceptions() {
    tails_are_quiet::<f32>();
    tails_are_quiet::<f64>();
}

/// What a block holds is written down, changed and read again, and pieces of streams are fetched.
#[test]
fn a_chain_of_many_links() {
    let link = |act, reach, slot| Link { act, reach, slot };
    let each = Reach::Each;
    for level in levels() {
        for n in 1..300 {
            let x: Vec<f32> = (0..n).map(|i| i as f32 * 0.25 - 9.0).collect();
            let mut data = [x.clone(), vec![3.0f32], vec![0.0; n], vec![0.0; n]];
            let links = [
                link(Act::Load, each, 0),
                link(Act::Mul, Reach::One, 1),
                link(Act::Store, each, 2),
                link(Act::Relu, each, 0),
                link(Act::Ahead, each, 0),
                link(Act::SubFrom, each, 2),
                link(Act::StoreNonTemporal, each, 3),
                link(Act::Load, Reach::One, 1),
                link(Act::Add, each, 0),
                link(Act::Store, each, 0),
            ];
            run_chain(level, &links, 1, &mut data);
            for i in 0..n {
                let y = x[i] * 3.0;
                let want = (x[i] + 3.0, y, y - y.max(0.0));
                assert_eq!((data[0][i], data[2][i], data[3][i]), want, "{i} of {n}");
            }
        }
    }
}

/// Compares, selects and converts at every level as plain Rust does, whatever the length.
#[test]
fn plain_kernels_are_right_at_every_level() {
    fn column<T: Element>(n: usize, step: usize) -> Vec<T>
    where
        f64: As<T>,
    {
        let special = [f64::NAN, f64::INFINITY, -f64::INFINITY, -0.0, 1e19, -3e18, 300.5, -1.5];
        let at = |i: usize| if i % 3 == 1 { special[i / 3 % 8] } else { (i % 5) as f64 };
        (0..n).map(|i| at(i * step).cast()).collect()
    }
    fn call<R: Element>(kernel: Kernel, n: usize, operands: [*const u8; 3]) -> Vec<R> {
        let mut out = vec![R::from_f64(7.0); n + 1];
        let [a, b, c] = operands;
        // SAFETY: the callers give operands of n elements of the kernel's types; `out` has more.
        unsafe { kernel(n, out.as_mut_ptr().cast(), a, b, c, c) };
        assert_eq!(out[n].to_f64(), 7.0, "nothing else is written");
        out.truncate(n);
        out
    }
    fn check<T: Element + PartialOrd + As<f32> + As<f64> + As<i64> + As<u8>>(level: Level)
    where
        f64: As<T>,
    {
        for n in (0..=65).chain([257]) {
            let (a, b): (Vec<T>, Vec<T>) = (column(n, 1), column(n, 2));
            let mask: Vec<u8> = (0..n).map(|i| [0, 1, 255][i % 3]).collect();
            let at = |x: &[T]| x.as_ptr().cast::<u8>();
            let kernel = |op, to| elementwise(op, T::DTYPE, to, level);
            for comparison in Comparison::ALL {
                let compare = kernel(Op::Compare(comparison), DType::U8);
                let got: Vec<u8> = call(compare, n, [at(&a), at(&b), at(&b)]);
                for i in 0..n {
                    let nan = |x: T| x.partial_cmp(&x).is_none();
                    let (a, b) = (a[i], b[i]);
                    let want = match comparison {
                        Comparison::Eq => a == b,
                        Comparison::Ne => a != b,
                        Comparison::Lt => a < b,
                        Comparison::Le => a <= b,
                        Comparison::Gt => a > b,
                        Comparison::Ge => a >= b,
                        Comparison::Same => a == b || nan(a) && nan(b),
                    };
                    assert_eq!(got[i], u8::from(want), "{comparison:?} {} {level:?}", T::DTYPE);
                }
            }
            let got: Vec<T> = call(kernel(Op::Where, T::DTYPE), n, [mask.as_ptr(), at(&a), at(&b)]);
            for i in 0..n {
                let want = if mask[i] != 0 { a[i] } else { b[i] };
                assert!(got[i] == want || want.partial_cmp(&want).is_none(), "{level:?}");
            }
            macro_rules! cast {
                ($($to:ty)*) => {$(
                    let cast = kernel(Op::Cast, <$to>::DTYPE);
                    let got: Vec<$to> = call(cast, n, [at(&a); 3]);
                    let want: Vec<$to> = a.iter().map(|&x| x.cast()).collect();
                    assert_eq!(format!("{got:?}"), format!("{want:?}"), "{} {level:?}", T::DTYPE);
                )*};
            }
            cast!(f32 f64 i64 u8);
        }
    }
    for level in levels() {
        check::<f32>(level);
        check::<f64>(level);
        check::<i64>(level);
        check::<u8>(level);
    }
}

#[test]
fn casts_from_floats_are_as() {
    let near = [0.0, 0.5, 1.0, 254.9, 255.0, 255.5, 256.0, 2147483648.0, 4294967296.0, 1e18, 1e300];
    let edges = [9223372036854774784.0, 9223372036854775808.0, 9223372036854777856.0];
    let special = [f64::INFINITY, f64::NAN, f64::MIN_POSITIVE, 9007199254740993.0, 1e-40];
    for x in near.into_iter().chain(edges).chain(special).flat_map(|x| [x, -x]) {
        let single = x as f32;
        assert_eq!((As::<u8>::cast(x), As::<i64>::cast(x)), (x as u8, x as i64), "{x}");
        let got = (As::<u8>::cast(single), As::<i64>::cast(single));
        assert_eq!(got, (single as u8, single as i64), "{single}");
    }
}

/// Prints what each kernel takes, in nanoseconds an element: the best of many runs.
///
/// `cargo test --release --lib -- --ignored --nocapture kernel_speeds`; the environment variable
/// `KERNEL_SPEEDS` holds the number of elements (256: in the first cache).
#[test]
#[ignore = "takes a minute, and wants an idle machine"]
fn kernel_speeds() {
    let n = std::env::var("KERNEL_SPEEDS").map_or(100_000, |n| n.parse().expect("a number"));
    fn speeds<T: Float>(n: usize, level: Level) {
        let best = |kernel: Kernel, columns: &mut [Vec<T>]| {
            let mut out = vec![T::default(); n];
            let [a, b, c, d] = std::array::from_fn(|k| {
                let last = columns.len() - 1;
                columns[k.min(last)].as_mut_ptr().cast::<u8>().cast_const()
            });
            let calls = (10_000 / n).max(1);
            let mut best = f64::INFINITY;
            for _ in 0..20 {
                let start = std::time::Instant::now();
                for _ in 0..calls {
                    // SAFETY: operands of n elements of T, which a kernel may write to if it
                    // writes to operands; the level was detected.
                    unsafe { kernel(n, out.as_mut_ptr().cast(), a, b, c, d) };
                    std::hint::black_box(&mut out);
                }
                best = best.min(start.elapsed().as_secs_f64() / calls as f64);
            }
            best / n as f64 * 1e9
        };
        let (kernels, rules) = (float_kernels(T::DTYPE, level), rules(T::DTYPE, level));
        let (dtype, name) = (T::DTYPE, level.name());
        for &elem in Elem::ALL {
            let mut columns = columns::<T>(elem, n);
            let eval = best(rules.eval[elem as usize], &mut columns[..elem.arity()]);
            let rule = Rule::of(elem).name;
            print!("{dtype} {name} {rule:<10} {eval:.3}  pull");
            for i in 0..elem.arity() {
                print!(" {:.3}", best(rules.pull[elem as usize][i], &mut columns));
            }
            println!();
        }
        let more = [("sincos", kernels.sincos)];
        let compare = elementwise(Op::Compare(Comparison::Lt), T::DTYPE, DType::U8, level);
        let cast = elementwise(Op::Cast, T::DTYPE, DType::U8, level);
        let choose = elementwise(Op::Where, DType::U8, T::DTYPE, level);
        let plain = [("less", compare), ("to u8", cast), ("where", choose)];
        for (rule, kernel) in more.into_iter().chain(plain) {
            println!("{dtype} {name} {rule:<10} {:.3}", best(kernel, &mut columns(Elem::Mul, n)));
        }
    }
    for level in levels() {
        speeds::<f32>(n, level);
        speeds::<f64>(n, level);
    }
}
