//! The functions' values, at every level this machine can run: f64 against correctly rounded values
//! from mpmath, f32 against the same rounded further, and the special values one by one.
//!
//! `cargo test --release -- --ignored --nocapture errors_of_special` prints the figures quoted beside
//! the functions, for the table that the environment variable `SPECIAL_TABLE` names (see
//! tests/golden/special_f64.py).

use std::collections::BTreeMap;

use super::*;
use crate::dtype::DType;
use crate::kernel::{call1, elementwise};
use crate::level::Level;
use crate::node::Op;
use crate::op::Rule;

fn levels() -> impl Iterator<Item = Level> {
    Level::ALL.into_iter().filter(|&level| level <= Level::detect())
}

fn values(elem: Elem, level: Level, x: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; x.len()];
    let kernel = elementwise(Op::Map(elem), DType::F64, DType::F64, level);
    // SAFETY: both lists are as long; the level was detected.
    unsafe { call1(kernel, x.len(), out.as_mut_ptr().cast(), x.as_ptr().cast()) };
    out
}

fn values_f32(elem: Elem, level: Level, x: &[f32]) -> Vec<f32> {
    let mut out = vec![0.0; x.len()];
    let kernel = elementwise(Op::Map(elem), DType::F32, DType::F32, level);
    // SAFETY: both lists are as long; the level was detected.
    unsafe { call1(kernel, x.len(), out.as_mut_ptr().cast(), x.as_ptr().cast()) };
    out
}

fn named(word: &str) -> Elem {
    let all = Elem::ALL.iter().copied();
    all.into_iter().find(|elem| format!("{elem:?}") == word).expect("a word of the roll-call")
}

struct Point {
    x: f64,
    value: f64,
    residual: f64,
}

fn golden(table: &str) -> BTreeMap<String, Vec<Point>> {
    let mut all: BTreeMap<String, Vec<Point>> = BTreeMap::new();
    for line in table.lines() {
        let fields: Vec<&str> = line.split(',').collect();
        let number = |field: usize| {
            f64::from_bits(u64::from_str_radix(fields[field], 16).expect("hexadecimal bits"))
        };
        let residual = fields[3].parse().expect("a residual");
        let point = Point { x: number(1), value: number(2), residual };
        all.entry(fields[0].to_owned()).or_default().push(point);
    }
    all
}

/// The error in units of the last place.
fn ulps(got: f64, point: &Point) -> f64 {
    if !got.is_finite() || point.value == 0.0 {
        return if got == point.value { 0.0 } else { f64::INFINITY };
    }
    let size = point.value.abs();
    ((got - point.value) / (f64::from_bits(size.to_bits() + 1) - size) - point.residual).abs()
}

/// The largest error of a function by level, and where.
fn largest(elem: Elem, points: &[Point]) -> Vec<(f64, f64)> {
    let x: Vec<f64> = points.iter().map(|point| point.x).collect();
    let worst = |level| {
        let got = values(elem, level, &x);
        let errors = got.iter().zip(points).map(|(&got, point)| (ulps(got, point), point.x));
        errors.max_by(|a, b| a.0.total_cmp(&b.0)).expect("there are points")
    };
    levels().map(worst).collect()
}

/// The largest error of a function in f32 by level, and where, for arguments that are f32: 0 for the
/// nearest number of the f64.
fn largest_in_f32(elem: Elem, points: &[Point]) -> Vec<(f64, f64)> {
    let x: Vec<f32> = points.iter().map(|point| point.x as f32).collect();
    let wide: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
    let error = |(got, want): (f32, f64)| {
        if got.to_bits() == (want as f32).to_bits() || got.is_nan() && want.is_nan() {
            return 0.0;
        }
        let least = f64::from(f32::MIN_POSITIVE).to_bits() >> 52;
        let exponent = (want.abs().to_bits() >> 52).max(least);
        (f64::from(got) - want).abs() / f64::from_bits((exponent - 23) << 52)
    };
    let worst = |level| {
        let (got, want) = (values_f32(elem, level, &x), values(elem, level, &wide));
        let errors = got.into_iter().zip(want).map(error).zip(&wide);
        let (error, &x) = errors.max_by(|a, b| a.0.total_cmp(&b.0)).expect("there are points");
        (error, x)
    };
    levels().map(worst).collect()
}

#[test]
fn special_functions_keep_their_promise() {
    let table = golden(include_str!("../../../tests/golden/special_f64.csv"));
    let mut wrong = Vec::new();
    for (word, points) in &table {
        let elem = named(word);
        let most = Rule::of(elem).ulp.expect("a function");
        for (error, x) in largest(elem, points) {
            if error > most {
                wrong.push(format!("{word} of {x:e}: {error} ULP"));
            }
        }
        // In f32: the nearest one of the f64, or within what is promised.
        let most = single_ulp(elem).unwrap_or(0.0);
        for (level, (error, x)) in levels().zip(largest_in_f32(elem, points)) {
            if error > most {
                wrong.push(format!("{word} of {x:e} in f32: {error} ULP, {level:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let functions = Elem::ALL.iter().filter(|&&elem| Rule::of(elem).ulp.is_some());
    assert_eq!(functions.count(), table.len(), "every function is in the table");
}

/// Of what has a method of its own in f32.
fn single_ulp(elem: Elem) -> Option<f64> {
    match elem {
        Elem::Erfinv => unary::Erfinv::SINGLE_ULP,
        Elem::Lgamma => unary::Lgamma::SINGLE_ULP,
        _ => None,
    }
}

#[test]
#[ignore = "needs a table"]
fn errors_of_special_functions() {
    let path = std::env::var_os("SPECIAL_TABLE").expect("SPECIAL_TABLE names a file");
    for (word, points) in golden(&std::fs::read_to_string(path).expect("a readable file")) {
        let elem = named(&word);
        println!("{word} {:?}, in f32 {:?}", largest(elem, &points), largest_in_f32(elem, &points));
    }
}

/// Every reference is good to some ULP: constants are made by it.
#[test]
fn references_of_special_functions_are_good() {
    for (word, points) in golden(include_str!("../../../tests/golden/special_f64.csv")) {
        for point in &points {
            let got = (Rule::of(named(&word)).scalar.eval)(&[point.x]);
            let error = ulps(got, point);
            assert!(error <= 8.0, "{word} of {:e}: {error} ULP", point.x);
        }
    }
}

/// Rests are exact at every level: whether found in a step or in the loop, near the ends of the range
/// and where a quotient was rounded up to a whole number.
#[test]
fn rests_are_exact_at_every_level() {
    let mut state = 7u64;
    let mut draw = |least: i64, most: i64| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let exponent = (least + (state >> 33) as i64 % (most - least + 1) + 1023) as u64;
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        f64::from_bits(exponent << 52 | state >> 12 | state << 63)
    };
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for (span, count) in [(3, 20_000), (30, 20_000), (1022, 300)] {
        for _ in 0..count {
            let by = draw(-span, span);
            a.push(draw(-span, span));
            b.push(by);
            // A multiple, and its neighbours.
            let whole = (draw(0, 25).abs().floor() * by).abs();
            for bits in [0, 1, u64::MAX] {
                a.push(f64::from_bits(whole.to_bits().wrapping_add(bits)));
                b.push(by);
            }
        }
    }
    let special = [0.0, -0.0, 1.0, -3.5, INF, -INF, NAN, 5e-324, 1e308, f64::MIN_POSITIVE];
    for (x, y) in special.iter().flat_map(|&x| special.map(|y| (x, y))) {
        a.push(x);
        b.push(y);
    }
    for level in levels() {
        let kernel = elementwise(Op::Map(Elem::Fmod), DType::F64, DType::F64, level);
        let mut got = vec![0.0f64; a.len()];
        let operands = [&a, &b, &a, &a].map(|x| x.as_ptr().cast::<u8>());
        let [p, q, r, s] = operands;
        // SAFETY: all lists are as long; the level was detected.
        unsafe { kernel(a.len(), got.as_mut_ptr().cast(), p, q, r, s) };
        for (k, got) in got.iter().enumerate() {
            let want = libm::fmod(a[k], b[k]);
            let same = got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan();
            assert!(same, "{:e} by {:e}: {got:e}, not {want:e}, {level:?}", a[k], b[k]);
        }
    }
}

const INF: f64 = f64::INFINITY;
const NAN: f64 = f64::NAN;

/// Function, argument, value, slope.
const SPECIAL: &[(Elem, f64, f64, f64)] = &[
    (Elem::Exp2, 3.0, 8.0, 8.0 * std::f64::consts::LN_2),
    (Elem::Exp2, -1074.0, 5e-324, 5e-324),
    (Elem::Exp2, INF, INF, INF),
    (Elem::Exp2, -INF, 0.0, 0.0),
    (Elem::Log2, 8.0, 3.0, 1.0 / (8.0 * std::f64::consts::LN_2)),
    (Elem::Log2, 0.0, -INF, INF),
    (Elem::Log2, INF, INF, 0.0),
    (Elem::Log10, 1000.0, 3.0, 1.0 / (1000.0 * std::f64::consts::LN_10)),
    (Elem::Log10, -0.0, -INF, -INF),
    (Elem::Cbrt, 27.0, 3.0, 1.0 / 27.0),
    (Elem::Cbrt, -8.0, -2.0, 1.0 / 12.0),
    (Elem::Cbrt, 0.0, 0.0, INF),
    (Elem::Cbrt, -0.0, -0.0, INF),
    (Elem::Cbrt, -INF, -INF, 0.0),
    (Elem::Asin, 1.0, std::f64::consts::FRAC_PI_2, INF),
    (Elem::Asin, -0.0, -0.0, 1.0),
    (Elem::Asin, 1.5, NAN, NAN),
    (Elem::Acos, 1.0, 0.0, -INF),
    (Elem::Acos, -1.0, std::f64::consts::PI, -INF),
    (Elem::Acos, 0.0, std::f64::consts::FRAC_PI_2, -1.0),
    (Elem::Acos, INF, NAN, NAN),
    (Elem::Atan, INF, std::f64::consts::FRAC_PI_2, 0.0),
    (Elem::Atan, -0.0, -0.0, 1.0),
    (Elem::Sinh, -0.0, -0.0, 1.0),
    (Elem::Sinh, -INF, -INF, INF),
    (Elem::Sinh, 711.0, INF, INF),
    (Elem::Cosh, 0.0, 1.0, 0.0),
    (Elem::Cosh, -INF, INF, -INF),
    (Elem::Asinh, -0.0, -0.0, 1.0),
    (Elem::Asinh, -INF, -INF, 0.0),
    (Elem::Acosh, 1.0, 0.0, INF),
    (Elem::Acosh, 0.5, NAN, NAN),
    (Elem::Acosh, INF, INF, 0.0),
    (Elem::Atanh, 1.0, INF, INF),
    (Elem::Atanh, -1.0, -INF, INF),
    (Elem::Atanh, -0.0, -0.0, 1.0),
    (Elem::Erfc, 0.0, 1.0, -std::f64::consts::FRAC_2_SQRT_PI),
    (Elem::Erfc, INF, 0.0, -0.0),
    (Elem::Erfc, -INF, 2.0, -0.0),
    (Elem::Erfinv, 1.0, INF, INF),
    (Elem::Erfinv, -1.0, -INF, INF),
    (Elem::Erfinv, -0.0, -0.0, 0.886226925452758),
    (Elem::Erfinv, 1.5, NAN, NAN),
    (Elem::Ndtr, INF, 1.0, 0.0),
    (Elem::Ndtr, -INF, 0.0, 0.0),
    (Elem::LogNdtr, INF, -0.0, 0.0),
    (Elem::LogNdtr, -INF, -INF, INF),
    (Elem::LogNdtr, -1e200, -INF, 1e200),
    (Elem::Ndtri, 0.5, 0.0, 2.5066282746310007),
    (Elem::Ndtri, 0.0, -INF, INF),
    (Elem::Ndtri, 1.0, INF, INF),
    (Elem::Ndtri, -0.5, NAN, NAN),
    (Elem::Lgamma, 1.0, 0.0, -0.5772156649015329),
    (Elem::Lgamma, 2.0, 0.0, 0.42278433509846713),
    (Elem::Lgamma, 0.0, INF, -INF),
    (Elem::Lgamma, -0.0, INF, INF),
    (Elem::Lgamma, -3.0, INF, NAN),
    (Elem::Lgamma, INF, INF, INF),
    (Elem::Lgamma, -INF, INF, NAN),
    (Elem::Digamma, 0.0, -INF, INF),
    (Elem::Digamma, -0.0, INF, INF),
    (Elem::Digamma, -2.0, NAN, INF),
    (Elem::Digamma, 1.0, -0.5772156649015329, 1.6449340668482264),
    (Elem::Digamma, INF, INF, 0.0),
    (Elem::Digamma, -INF, NAN, NAN),
    (Elem::Erfcx, 0.0, 1.0, -std::f64::consts::FRAC_2_SQRT_PI),
    (Elem::Erfcx, INF, 0.0, -0.0),
    (Elem::Erfcx, 1e200, 5.641895835477563e-201, -0.0),
    (Elem::Erfcx, -INF, INF, -INF),
    (Elem::Erfcx, -30.0, INF, -INF),
    (Elem::I0, 0.0, 1.0, 0.0),
    (Elem::I0, -INF, INF, -INF),
    (Elem::I0, 800.0, INF, INF),
    (Elem::I1, -0.0, -0.0, 0.5),
    (Elem::I1, -800.0, -INF, NAN),
    (Elem::I0e, 0.0, 1.0, 0.0),
    (Elem::I0e, INF, 0.0, 0.0),
    (Elem::I1e, 0.0, 0.0, 0.5),
    (Elem::I1e, -0.0, -0.0, 0.5),
    (Elem::I1e, -INF, -0.0, 0.0),
];

#[test]
fn special_values_of_special_functions() {
    let mut wrong = Vec::new();
    for level in levels() {
        for &(elem, x, value, slope) in SPECIAL {
            let got = values(elem, level, &[x])[0];
            let exact = got.to_bits() == value.to_bits() || got.is_nan() && value.is_nan();
            let near = (got - value).abs() <= 4e-16 * value.abs() && value != value.round();
            if !(exact || near) {
                wrong.push(format!("{elem:?} of {x}: {got:?}, not {value:?}, {level:?}"));
            }
            let kernel = elementwise(Op::Pull(elem, 0), DType::F64, DType::F64, level);
            let (one, mut pulled) = (1.0f64, 0.0f64);
            let operands = [&x, &value, &one, &one].map(|x| std::ptr::from_ref(x).cast::<u8>());
            let [a, b, c, d] = operands;
            // SAFETY: single numbers; the level was detected.
            unsafe { kernel(1, (&raw mut pulled).cast(), a, b, c, d) };
            let same = pulled == slope || pulled.is_nan() && slope.is_nan();
            if !same && (pulled - slope).abs() > 1e-15 * slope.abs() {
                wrong.push(format!(
                    "slope of {elem:?} at {x}: {pulled:?}, not {slope:?}, {level:?}"
                ));
            }
        }
        for &elem in Elem::ALL.iter().filter(|&&elem| Rule::of(elem).ulp.is_some()) {
            if !values(elem, level, &[NAN])[0].is_nan() {
                wrong.push(format!("{elem:?} of NaN"));
            }
        }
        for k in -1074..1024 {
            let power = f64::from(k).exp2();
            if values(Elem::Log2, level, &[power])[0] != f64::from(k)
                || values(Elem::Exp2, level, &[f64::from(k)])[0] != power
            {
                wrong.push(format!("2^{k}"));
            }
        }
        for k in 0..23 {
            let power = 10f64.powi(k);
            if values(Elem::Log10, level, &[power])[0] != f64::from(k) {
                wrong.push(format!("10^{k}"));
            }
        }
        for k in -2000..2000 {
            let k = f64::from(k);
            if values(Elem::Cbrt, level, &[k * k * k])[0] != k {
                wrong.push(format!("{k}^3"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
