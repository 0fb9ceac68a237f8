//! The promise of `math`, kept at every level this machine can run: f32 against the f64 reference
//! over a dense sample of all bit patterns, f64 against correctly rounded values from mpmath, and
//! the special values one by one.
//!
//! `cargo test --release -- --ignored --nocapture largest_errors` prints the figures quoted in
//! `math`.

use std::fmt::Debug;
use std::marker::PhantomData;

use super::{NEAR_LIMIT_F32, TRIG_LIMIT_F32, TRIG_LIMIT_F64};
use crate::kernel::Float;
use crate::lane::{Register, Work, by_level};
use crate::level::Level;
use crate::real::Real;

/// A function under test. One of a single argument ignores y.
trait Function {
    const NAME: &str;
    /// The largest error promised, in ULP.
    const PROMISE: f64;
    const BINARY: bool;
    fn eval<R: Real>(x: R, y: R) -> R;
}

/// The functions, as types, and the table of them all.
macro_rules! functions {
    ($($type:ident $name:literal $promise:literal $binary:literal |$x:ident, $y:ident| $eval:expr;)*) => {
        $(
            enum $type {}
            impl Function for $type {
                const NAME: &str = $name;
                const PROMISE: f64 = $promise;
                const BINARY: bool = $binary;
                #[inline(always)]
                fn eval<R: Real>($x: R, $y: R) -> R {
                    $eval
                }
            }
        )*
        const FUNCTIONS: &[Runner] = &[$(Runner::of::<$type>()),*];
    };
}

functions! {
    Floor "floor" 0.0 false |x, _y| x.floor();
    Ceil "ceil" 0.0 false |x, _y| x.ceil();
    Round "round" 0.0 false |x, _y| x.round();
    Exp "exp" 2.0 false |x, _y| x.exp();
    Expm1 "expm1" 2.0 false |x, _y| x.expm1();
    Ln "ln" 2.0 false |x, _y| x.ln();
    Log1p "log1p" 2.0 false |x, _y| x.log1p();
    Sin "sin" 2.0 false |x, _y| x.sin();
    Cos "cos" 2.0 false |x, _y| x.cos();
    Tan "tan" 4.0 false |x, _y| x.tan();
    Tanh "tanh" 2.0 false |x, _y| x.tanh();
    Sigmoid "sigmoid" 2.0 false |x, _y| x.sigmoid();
    Erf "erf" 4.0 false |x, _y| Real::erf(x);
    NormalCdf "normal_cdf" 4.0 false |x, _y| x.normal_cdf();
    Gaussian "gaussian" 2.0 false |x, _y| x.gaussian();
    Bell "bell" 2.0 false |x, _y| x.bell();
    Silu "silu" 4.0 false |x, _y| x.silu();
    Gelu "gelu" 4.0 false |x, _y| x.gelu();
    GeluGate "gelu_gate" 4.0 false |x, _y| x.gelu_gate();
    GeluTanh "gelu_tanh" 4.0 false |x, _y| x.gelu_tanh();
    Pow "pow" 4.0 true |x, y| x.pow(y);
    Atan2 "atan2" 2.0 true |x, y| x.atan2(y);
}

/// out[i] = f(x[i], y[i]) at some level.
type Map<T> = fn(Level, &[T], &[T], &mut [T]);

/// A [`Function`] as a value.
struct Runner {
    name: &'static str,
    promise: f64,
    binary: bool,
    reference: fn(f64, f64) -> f64,
    f32: Map<f32>,
    /// The same on the lanes that are used while all angles are near.
    f32_near: Map<f32>,
    f64: Map<f64>,
}

impl Runner {
    const fn of<F: Function>() -> Runner {
        Runner {
            name: F::NAME,
            promise: F::PROMISE,
            binary: F::BINARY,
            reference: F::eval::<f64>,
            f32: at_level::<F, f32, true>,
            f32_near: at_level::<F, f32, false>,
            f64: at_level::<F, f64, false>,
        }
    }

    fn named(name: &str) -> &'static Runner {
        FUNCTIONS.iter().find(|f| f.name == name).expect("a function of the table")
    }

    fn is_trig(&self) -> bool {
        matches!(self.name, "sin" | "cos" | "tan")
    }
}

/// A call of [`Map`]; on the lanes that reach further if `FAR`.
struct Call<'a, F, T, const FAR: bool> {
    function: PhantomData<F>,
    x: &'a [T],
    y: &'a [T],
    out: &'a mut [T],
}

impl<F: Function, T: Float, const FAR: bool> Call<'_, F, T, FAR> {
    /// # Safety
    /// The CPU can run the register's level.
    #[inline(always)]
    unsafe fn map<R: Register<Elem = T>>(self) {
        let Self { x, y, out, .. } = self;
        assert!(x.len() == y.len() && x.len() == out.len(), "slices of one length");
        assert!(x.len().is_multiple_of(R::LANES), "{} is no number of whole lanes", x.len());
        for i in (0..x.len()).step_by(R::LANES) {
            // SAFETY: i + LANES is at most the length of all three.
            unsafe {
                let (x, y) = (R::load(x.as_ptr().add(i)), R::load(y.as_ptr().add(i)));
                F::eval(x, y).store(out.as_mut_ptr().add(i));
            }
        }
    }
}

impl<F: Function, T: Float, const FAR: bool> Work<T> for Call<'_, F, T, FAR> {
    #[inline(always)]
    unsafe fn on<R: Register<Elem = T>>(self) {
        // SAFETY: the caller's promise.
        unsafe { if FAR { self.map::<R::Far>() } else { self.map::<R>() } }
    }
}

by_level! {
    function_at [F: Function, T: Float, const FAR: bool] [F, T, FAR]
    unsafe fn(&[T], &[T], &mut [T]) = (x: &[T], y: &[T], out: &mut [T])
    on T => Call::<F, T, FAR> { function: PhantomData, x, y, out }
}

fn at_level<F: Function, T: Float, const FAR: bool>(level: Level, x: &[T], y: &[T], out: &mut [T]) {
    // SAFETY: the tests only ask for levels up to the one detected.
    unsafe { function_at::<F, T, FAR>(level)(x, y, out) }
}

fn levels() -> impl Iterator<Item = Level> {
    Level::ALL.into_iter().filter(|&level| level <= Level::detect())
}

/// The results at a level. The arguments are made whole lanes by repeating the last.
fn results<T: Copy + Default>(map: Map<T>, level: Level, points: &[(T, T)]) -> Vec<T> {
    let (mut x, mut y): (Vec<T>, Vec<T>) = points.iter().copied().unzip();
    while !x.len().is_multiple_of(16) {
        x.push(x[x.len() - 1]);
        y.push(y[y.len() - 1]);
    }
    let mut out = vec![T::default(); x.len()];
    map(level, &x, &y, &mut out);
    out.truncate(points.len());
    out
}

/// The error of `got` in units of the last place an f32 has at `exact`; infinite where one is NaN
/// and the other not. An infinite `got` counts as 2^128, so that overflow may be a rounding.
fn ulps_f32(got: f32, exact: f64) -> f64 {
    if got.is_nan() || exact.is_nan() {
        return if got.is_nan() && exact.is_nan() { 0.0 } else { f64::INFINITY };
    }
    let bounded = |x: f64| x.clamp(-(128f64.exp2()), 128f64.exp2());
    let (got, exact) = (bounded(f64::from(got)), bounded(exact));
    let exponent = if exact == 0.0 { -126 } else { (exact.to_bits() >> 52 & 0x7ff) as i32 - 1023 };
    let ulp = f64::from(exponent.clamp(-126, 127) - 23).exp2();
    (got - exact).abs() / ulp
}

/// The same for f64, with the exact result as its rounded value and the residual in ULP.
fn ulps_f64(got: f64, value: f64, residual: f64) -> f64 {
    if got.is_nan() || got.is_infinite() || value == 0.0 {
        return if got.to_bits() == value.to_bits() { 0.0 } else { f64::INFINITY };
    }
    let ulp = f64::from_bits(value.abs().to_bits() + 1) - value.abs();
    ((got - value) / ulp - residual).abs()
}

/// Every `stride`-th f32 of all, and every one near where methods change. A binary function gets a
/// second argument that is anything half of the time, else one that leads to a common result.
fn sample_f32(function: &Runner, start: usize, stride: usize) -> Vec<(f32, f32)> {
    let dense = [0.0f32, 0.29, 0.35, 0.41, 0.5, 0.625, 0.707, 0.785, 0.85, 0.925, 1.0, 1.414, 2.0]
        .into_iter()
        .chain([f32::MIN_POSITIVE, 3.92, 4.0, 9.1, 14.1, 16.6, 87.3, 88.7, 103.9, f32::MAX])
        .flat_map(|x| (0..200u32).map(move |i| x.to_bits().wrapping_add(i).wrapping_sub(100)))
        .flat_map(|bits| [bits, bits ^ 1 << 31]);
    (start..=u32::MAX as usize)
        .step_by(stride)
        .map(|bits| bits as u32)
        .chain(dense)
        .enumerate()
        .map(|(i, bits)| {
            let x = f32::from_bits(bits);
            let noise = bits.wrapping_mul(0x9e37_79b9).rotate_left(15).wrapping_mul(0x85eb_ca6b);
            let unit = noise as f32 / u32::MAX as f32 * 2.0 - 1.0;
            let y = match (function.name, i % 4) {
                ("pow", 0) => (unit * 12.0).round(),
                ("pow", 1) => unit * 100.0 / x.abs().ln(),
                ("atan2", 0 | 1) => x * unit * 3.0,
                _ => f32::from_bits(noise),
            };
            (x, y)
        })
        .filter(|&(x, _)| !function.is_trig() || f64::from(x.abs()) <= TRIG_LIMIT_F32 || x.is_nan())
        .collect()
}

/// Checks a function at every level, v3 and v4 against each other bit for bit, and gives the
/// largest error of each level. `error` is that of a result at a place, `bits` what must agree.
fn check<T: Copy + Default + Debug>(
    function: &Runner,
    map: Map<T>,
    points: &[(T, T)],
    error: impl Fn(usize, T) -> f64,
    bits: impl Fn(T) -> u64,
) -> Vec<f64> {
    let name = function.name;
    let mut fused: Option<Vec<T>> = None;
    let mut largest = Vec::new();
    for level in levels() {
        let got = results(map, level, points);
        let errors = got.iter().enumerate().map(|(i, &y)| error(i, y)).enumerate();
        let (at, worst) = errors.max_by(|a, b| a.1.total_cmp(&b.1)).expect("some points");
        let promise = function.promise;
        assert!(worst <= promise, "{name} at {level:?}: {worst} ULP at {:?}", points[at]);
        largest.push(worst);
        if level > Level::Baseline {
            let other = fused.get_or_insert_with(|| got.clone());
            let differs = (0..got.len()).find(|&i| bits(other[i]) != bits(got[i]));
            assert!(
                differs.is_none(),
                "{name} differs at {level:?}, at {:?}",
                differs.map(|i| points[i])
            );
        }
    }
    largest
}

/// All NaNs count as the same: which of two operands' NaN survives is left open by IEEE 754.
fn check_f32(function: &Runner, points: &[(f32, f32)]) -> Vec<f64> {
    let exact = |&(x, y): &(f32, f32)| (function.reference)(f64::from(x), f64::from(y));
    let exact: Vec<f64> = points.iter().map(exact).collect();
    let error = |i: usize, y| ulps_f32(y, exact[i]);
    let bits = |y: f32| {
        if y.is_nan() { u64::MAX } else { u64::from(y.to_bits()) }
    };
    check(function, function.f32, points, error, bits)
}

fn check_f64((function, points, exact): &Golden) -> Vec<f64> {
    let error = |i: usize, y| ulps_f64(y, exact[i].0, exact[i].1);
    check(function, function.f64, points, error, f64::to_bits)
}

type Golden = (&'static Runner, Vec<(f64, f64)>, Vec<(f64, f64)>);

/// The functions of the table with their arguments and their results: value and residual.
fn golden(table: &str) -> Vec<Golden> {
    let mut all: Vec<Golden> = Vec::new();
    for line in table.lines() {
        let fields: Vec<&str> = line.split(',').collect();
        let number = |field: usize| {
            f64::from_bits(u64::from_str_radix(fields[field], 16).expect("hexadecimal bits"))
        };
        if all.last().is_none_or(|(function, ..)| function.name != fields[0]) {
            all.push((Runner::named(fields[0]), Vec::new(), Vec::new()));
        }
        let (_, points, exact) = all.last_mut().expect("one was just pushed");
        points.push((number(1), number(2)));
        exact.push((number(3), fields[4].parse().expect("a residual")));
    }
    all
}

#[test]
fn f32_keeps_the_promise() {
    let stride = if cfg!(debug_assertions) { 99_991 } else { 9_973 };
    for function in FUNCTIONS {
        let points = sample_f32(function, 0, stride);
        check_f32(function, &points);
        if function.is_trig() {
            let near = |&&(x, _): &&(f32, f32)| x.is_nan() || f64::from(x.abs()) <= NEAR_LIMIT_F32;
            assert_near_is_far(function, &points.iter().filter(near).copied().collect::<Vec<_>>());
        }
    }
}

/// An angle's result must not depend on its neighbours, which choose the lanes.
fn assert_near_is_far(function: &Runner, points: &[(f32, f32)]) {
    for level in levels() {
        let (near, far) =
            (results(function.f32_near, level, points), results(function.f32, level, points));
        for ((near, far), &(x, _)) in near.into_iter().zip(far).zip(points) {
            let same = near.to_bits() == far.to_bits() || near.is_nan() && far.is_nan();
            assert!(same, "{} of {x:e} at {level:?}: {near:e} and {far:e}", function.name);
        }
    }
}

#[test]
fn f64_keeps_the_promise() {
    let table = golden(include_str!("../../tests/golden/math_f64.csv"));
    for entry in &table {
        check_f64(entry);
    }
    // floor, ceil and round are exact and need no table.
    assert_eq!(table.len(), FUNCTIONS.len() - 3, "every function is in the table");
}

/// What f32 is compared with, and beyond the limits of trigonometry returned, is itself good.
#[test]
fn the_reference_is_good_to_8_ulp() {
    for (function, points, exact) in golden(include_str!("../../tests/golden/math_f64.csv")) {
        for (&(x, y), (value, residual)) in points.iter().zip(exact) {
            let error = ulps_f64((function.reference)(x, y), value, residual);
            // The exponent of the gate is rounded, which is up to 700 in f64, and 100 where f32 ends;
            // where the other factor is subnormal, x times it multiplies its rounding.
            let is_gated = function.name.starts_with("gelu") || function.name == "silu";
            let most = if is_gated { 2048.0 } else { 8.0 };
            assert!(error <= most, "{} of {x:e}, {y:e}: {error} ULP", function.name);
        }
    }
}

/// Prints the largest error a level, over a far larger sample: every 64th f32, and the table that
/// the environment variable `MATH_TABLE` names (see tests/golden/math_f64.py).
#[test]
#[ignore = "takes minutes"]
fn largest_errors() {
    if let Some(path) = std::env::var_os("MATH_TABLE") {
        let text = std::fs::read_to_string(&path).expect("MATH_TABLE names a readable file");
        for entry in golden(&text) {
            println!("{} f64 {:.3?}", entry.0.name, check_f64(&entry));
        }
    }
    for function in FUNCTIONS {
        let mut largest = vec![0f64; levels().count()];
        for part in 0..16 {
            let points = sample_f32(function, part * 64 + 3, 1024);
            for (all, part) in largest.iter_mut().zip(check_f32(function, &points)) {
                *all = all.max(part);
            }
        }
        println!("{} f32 {largest:.3?}", function.name);
    }
}

/// Both results are NaN, or they have the same bits.
#[track_caller]
fn assert_same<T: Copy + Debug + Into<f64>>(got: T, expected: f64, what: impl Debug) {
    let got: f64 = got.into();
    let same = got.to_bits() == expected.to_bits() || got.is_nan() && expected.is_nan();
    assert!(same, "{what:?} gave {got:?}, not {expected:?}");
}

const INF: f64 = f64::INFINITY;
const NAN: f64 = f64::NAN;

/// (function, x, y, result), exact in f32 and f64 alike.
const SPECIAL: &[(&str, f64, f64, f64)] = &[
    ("exp", 0.0, 0.0, 1.0),
    ("exp", -0.0, 0.0, 1.0),
    ("exp", INF, 0.0, INF),
    ("exp", -INF, 0.0, 0.0),
    ("exp", 1000.0, 0.0, INF),
    ("exp", -1000.0, 0.0, 0.0),
    ("expm1", 0.0, 0.0, 0.0),
    ("expm1", -0.0, 0.0, -0.0),
    ("expm1", INF, 0.0, INF),
    ("expm1", 1000.0, 0.0, INF),
    ("expm1", -INF, 0.0, -1.0),
    ("expm1", -1000.0, 0.0, -1.0),
    ("ln", 0.0, 0.0, -INF),
    ("ln", -0.0, 0.0, -INF),
    ("ln", 1.0, 0.0, 0.0),
    ("ln", -1.0, 0.0, NAN),
    ("ln", -INF, 0.0, NAN),
    ("ln", INF, 0.0, INF),
    ("log1p", 0.0, 0.0, 0.0),
    ("log1p", -0.0, 0.0, -0.0),
    ("log1p", -1.0, 0.0, -INF),
    ("log1p", -1.5, 0.0, NAN),
    ("log1p", -INF, 0.0, NAN),
    ("log1p", INF, 0.0, INF),
    ("sin", 0.0, 0.0, 0.0),
    ("sin", -0.0, 0.0, -0.0),
    ("sin", INF, 0.0, NAN),
    ("sin", -INF, 0.0, NAN),
    ("cos", 0.0, 0.0, 1.0),
    ("cos", -0.0, 0.0, 1.0),
    ("cos", INF, 0.0, NAN),
    ("cos", -INF, 0.0, NAN),
    ("tan", 0.0, 0.0, 0.0),
    ("tan", -0.0, 0.0, -0.0),
    ("tan", INF, 0.0, NAN),
    ("tanh", 0.0, 0.0, 0.0),
    ("tanh", -0.0, 0.0, -0.0),
    ("tanh", INF, 0.0, 1.0),
    ("tanh", -INF, 0.0, -1.0),
    ("tanh", 50.0, 0.0, 1.0),
    ("tanh", -1e30, 0.0, -1.0),
    ("sigmoid", 0.0, 0.0, 0.5),
    ("sigmoid", -0.0, 0.0, 0.5),
    ("sigmoid", INF, 0.0, 1.0),
    ("sigmoid", -INF, 0.0, 0.0),
    ("erf", 0.0, 0.0, 0.0),
    ("erf", -0.0, 0.0, -0.0),
    ("erf", INF, 0.0, 1.0),
    ("erf", -INF, 0.0, -1.0),
    ("normal_cdf", 0.0, 0.0, 0.5),
    ("normal_cdf", -0.0, 0.0, 0.5),
    ("normal_cdf", INF, 0.0, 1.0),
    ("normal_cdf", -INF, 0.0, 0.0),
    ("gaussian", 0.0, 0.0, 1.0),
    ("gaussian", -0.0, 0.0, 1.0),
    ("gaussian", INF, 0.0, 0.0),
    ("gaussian", -INF, 0.0, 0.0),
    // C99 F.9.4.4
    ("pow", 0.0, -3.0, INF),
    ("pow", -0.0, -3.0, -INF),
    ("pow", -0.0, -1.0, -INF),
    ("pow", 0.0, -1.0, INF),
    ("pow", -0.0, -2.0, INF),
    ("pow", -0.0, -2.5, INF),
    ("pow", 0.0, -INF, INF),
    ("pow", 0.0, 3.0, 0.0),
    ("pow", -0.0, 3.0, -0.0),
    ("pow", -0.0, 2.0, 0.0),
    ("pow", -0.0, 0.5, 0.0),
    ("pow", -0.0, INF, 0.0),
    ("pow", -1.0, INF, 1.0),
    ("pow", -1.0, -INF, 1.0),
    ("pow", 1.0, NAN, 1.0),
    ("pow", 1.0, INF, 1.0),
    ("pow", 1.0, 1e30, 1.0),
    ("pow", NAN, 0.0, 1.0),
    ("pow", NAN, -0.0, 1.0),
    ("pow", INF, 0.0, 1.0),
    ("pow", 0.0, 0.0, 1.0),
    ("pow", -0.0, -0.0, 1.0),
    ("pow", -2.0, 0.0, 1.0),
    ("pow", -2.0, 0.5, NAN),
    ("pow", -1.0, 0.5, NAN),
    ("pow", -2.0, NAN, NAN),
    ("pow", -1.0, NAN, NAN),
    ("pow", 0.5, -INF, INF),
    ("pow", -0.5, -INF, INF),
    ("pow", 2.0, -INF, 0.0),
    ("pow", -2.0, -INF, 0.0),
    ("pow", 0.5, INF, 0.0),
    ("pow", -0.5, INF, 0.0),
    ("pow", 2.0, INF, INF),
    ("pow", -2.0, INF, INF),
    ("pow", -INF, -3.0, -0.0),
    ("pow", -INF, -2.0, 0.0),
    ("pow", -INF, -2.5, 0.0),
    ("pow", -INF, 3.0, -INF),
    ("pow", -INF, 2.0, INF),
    ("pow", -INF, 2.5, INF),
    ("pow", INF, -1.0, 0.0),
    ("pow", INF, 0.1, INF),
    ("pow", INF, INF, INF),
    ("pow", INF, -INF, 0.0),
    ("pow", NAN, 2.0, NAN),
    ("pow", 2.0, NAN, NAN),
    ("pow", 0.0, NAN, NAN),
    ("pow", INF, NAN, NAN),
    ("pow", -2.0, 3.0, -8.0),
    ("pow", -2.0, 2.0, 4.0),
    ("pow", -2.0, -1.0, -0.5),
    ("pow", 2.0, 2000.0, INF),
    ("pow", -2.0, 2001.0, -INF),
    ("pow", 2.0, -2000.0, 0.0),
    ("pow", -2.0, -2001.0, -0.0),
    // atan2(y, x), the first argument being y.
    ("atan2", 0.0, 1.0, 0.0),
    ("atan2", -0.0, 1.0, -0.0),
    ("atan2", 0.0, 0.0, 0.0),
    ("atan2", -0.0, 0.0, -0.0),
    ("atan2", 0.0, INF, 0.0),
    ("atan2", -0.0, INF, -0.0),
    ("atan2", 1.0, INF, 0.0),
    ("atan2", -1.0, INF, -0.0),
    ("atan2", NAN, 1.0, NAN),
    ("atan2", 1.0, NAN, NAN),
    ("atan2", NAN, 0.0, NAN),
    ("atan2", 0.0, NAN, NAN),
    ("atan2", INF, NAN, NAN),
    ("atan2", NAN, INF, NAN),
    ("floor", 0.5, 0.0, 0.0),
    ("floor", -0.5, 0.0, -1.0),
    ("floor", -0.0, 0.0, -0.0),
    ("floor", 2.75, 0.0, 2.0),
    ("floor", -3.0, 0.0, -3.0),
    ("ceil", 0.5, 0.0, 1.0),
    ("ceil", -0.5, 0.0, -0.0),
    ("ceil", -0.0, 0.0, -0.0),
    ("ceil", 2.25, 0.0, 3.0),
    ("ceil", -3.0, 0.0, -3.0),
    ("round", 0.5, 0.0, 0.0),
    ("round", -0.5, 0.0, -0.0),
    ("round", 1.5, 0.0, 2.0),
    ("round", 2.5, 0.0, 2.0),
    ("round", -2.5, 0.0, -2.0),
    ("round", -0.0, 0.0, -0.0),
];

/// (y, x, angle / pi) for the results of atan2 that are fractions of pi.
const ANGLES: &[(f64, f64, f64)] = &[
    (0.0, -0.0, 1.0),
    (-0.0, -0.0, -1.0),
    (0.0, -1.0, 1.0),
    (-0.0, -1.0, -1.0),
    (0.0, -INF, 1.0),
    (-0.0, -INF, -1.0),
    (1.0, -INF, 1.0),
    (-1.0, -INF, -1.0),
    (1.0, 0.0, 0.5),
    (1.0, -0.0, 0.5),
    (-1.0, 0.0, -0.5),
    (-1.0, -0.0, -0.5),
    (INF, 1.0, 0.5),
    (INF, -1.0, 0.5),
    (-INF, 1.0, -0.5),
    (INF, INF, 0.25),
    (-INF, INF, -0.25),
    (INF, -INF, 0.75),
    (-INF, -INF, -0.75),
    (1.0, 1.0, 0.25),
    (1.0, -1.0, 0.75),
    (-3.0, -3.0, -0.75),
];

#[test]
fn special_values() {
    for level in levels() {
        for &(name, x, y, expected) in SPECIAL {
            let function = Runner::named(name);
            let f64_result = results(function.f64, level, &[(x, y)])[0];
            assert_same(f64_result, expected, (name, x, y, level, "f64"));
            let f32_result = results(function.f32, level, &[(x as f32, y as f32)])[0];
            assert_same(f32_result, f64::from(expected as f32), (name, x, y, level, "f32"));
        }
        let atan2 = Runner::named("atan2");
        for &(y, x, turns) in ANGLES {
            let expected = turns * std::f64::consts::PI;
            let f64_result = results(atan2.f64, level, &[(y, x)])[0];
            assert_same(f64_result, expected, ("atan2", y, x, level, "f64"));
            let f32_result = results(atan2.f32, level, &[(y as f32, x as f32)])[0];
            assert_same(f32_result, f64::from(expected as f32), ("atan2", y, x, level, "f32"));
        }
        for function in FUNCTIONS.iter().filter(|function| !function.binary) {
            for nan in [NAN, -NAN] {
                assert_same(results(function.f64, level, &[(nan, 0.0)])[0], NAN, function.name);
                let nan = nan as f32;
                assert_same(results(function.f32, level, &[(nan, 0.0)])[0], NAN, function.name);
            }
        }
    }
}

#[test]
fn f64_rounds_to_integers_exactly() {
    let mut points: Vec<(f64, f64)> = vec![(INF, 0.0), (-INF, 0.0), (f64::MAX, 0.0)];
    for exponent in -3..60 {
        let x = f64::from(exponent).exp2();
        let near = [x - 0.5, x, x + 0.5, x * 1.3, x * (1.0 - f64::EPSILON), x * (1.0 + 1e-15)];
        points.extend(near.into_iter().flat_map(|x| [(x, 0.0), (-x, 0.0)]));
    }
    for name in ["floor", "ceil", "round"] {
        let function = Runner::named(name);
        for level in levels() {
            let got = results(function.f64, level, &points);
            for (&(x, y), got) in points.iter().zip(got) {
                assert_same(got, (function.reference)(x, y), (name, x, level));
            }
        }
    }
}

/// Beyond the limit the kernel computes again; infinities and NaN it need not.
#[test]
fn the_limits_of_trigonometry_are_where_they_are_said_to_be() {
    for name in ["sin", "cos", "tan"] {
        let function = Runner::named(name);
        for limit in [NEAR_LIMIT_F32, TRIG_LIMIT_F32] {
            let below = |i: u32| (f32::from_bits((limit as f32).to_bits() - i), 0.0);
            let points: Vec<_> = (0..20_000).map(below).collect();
            check_f32(function, &points);
            if limit == NEAR_LIMIT_F32 {
                assert_near_is_far(function, &points);
            }
        }
        for level in levels() {
            let got = results(function.f64, level, &[(TRIG_LIMIT_F64, 0.0)])[0];
            let exact = (function.reference)(TRIG_LIMIT_F64, 0.0);
            let error = ulps_f64(got, exact, 0.0);
            assert!(error <= 4.0, "{name} at {level:?}: {got} and {exact}");
            // Anything but a panic.
            results(function.f64, level, &[(1e300, 0.0)]);
            results(function.f32, level, &[(1e38, 0.0)]);
        }
    }
}
