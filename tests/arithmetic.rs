//! Elementwise expressions where PyTorch's answers are no help: exactness, ends of the range, high
//! derivatives, decisions of our own, and messages.

use bumpgrad::{DType, Element, Graph, Result, Var};

/// What a function of n numbers gives, and the gradients of its sum.
fn slopes<T: Element, const N: usize>(
    xs: [&[f64]; N],
    f: impl for<'g> Fn([Var<'g>; N]) -> Var<'g>,
) -> Result<(Vec<f64>, [Vec<f64>; N])> {
    let g = Graph::new();
    let leaf = |x: &[f64]| {
        let given: Vec<T> = x.iter().map(|&x| T::from_f64(x)).collect();
        g.param(&given, &[x.len()])
    };
    let xs = xs.map(leaf);
    let y = f(xs);
    y.sum().backward()?;
    let all = |x: Vec<T>| x.into_iter().map(T::to_f64).collect();
    Ok((all(y.to_vec()?), xs.map(|x| all(x.grad().unwrap().unwrap()))))
}

/// Numbers with all bits that there are, by a congruential generator.
struct Draw(u64);

impl Draw {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        self.0 >> 11
    }

    /// With an exponent from `least` to `most`.
    fn number(&mut self, least: i64, most: i64) -> f64 {
        let exponent = least + (self.bits() % (most - least + 1) as u64) as i64;
        let fraction = 1.0 + self.bits() as f64 / 2f64.powi(53);
        let sign = if self.bits().is_multiple_of(2) { 1.0 } else { -1.0 };
        // (In two steps, for numbers without an exponent of their own.)
        sign * fraction
            * 2f64.powi((exponent / 2) as i32)
            * 2f64.powi((exponent - exponent / 2) as i32)
    }
}

/// Python's %.
fn modulo(a: f64, b: f64) -> f64 {
    let rest = a % b;
    if rest != 0.0 && (rest < 0.0) != (b < 0.0) { rest + b } else { rest }
}

fn pairs(least: i64, most: i64, quotient: i64) -> (Vec<f64>, Vec<f64>) {
    let mut draw = Draw(1);
    let pair = |_| {
        let by = draw.number(least, most);
        let exponent = by.abs().log2().floor() as i64;
        (draw.number((exponent - 3).max(least), (exponent + quotient).min(most)), by)
    };
    (0..3000).map(pair).unzip()
}

/// Rests are those of the C library, bit for bit, however large the quotient is.
#[test]
fn rests_are_exact() -> Result<()> {
    let inexact = [(1.0, 0.1), (5.3, 0.1), (0.3, 0.1), (6.0, 0.1), (1e15, 0.1), (2.1, 0.7)];
    let ends =
        [(f64::MAX, 3e300), (1e300, 7e299), (5e-324, 1e300), (1e-310, 5e-324), (3e-308, 7e-320)];
    for range in [(-40, 60), (-1070, -1000), (960, 1023), (-1074, 1023)] {
        let (mut a, mut b) = pairs(range.0, range.1, 2100);
        for (x, y) in inexact.iter().chain(&ends).flat_map(|&(x, y)| [(x, y), (-x, y), (x, -y)]) {
            a.push(x);
            b.push(y);
        }
        let (rests, _) = slopes::<f64, 2>([&a, &b], |[a, b]| a.fmod(b))?;
        let (modulos, grads) = slopes::<f64, 2>([&a, &b], |[a, b]| a.remainder(b))?;
        let (wholes, _) = slopes::<f64, 2>([&a, &b], |[a, b]| a.floor_divide(b))?;
        for i in 0..a.len() {
            let (x, y) = (a[i], b[i]);
            assert_eq!(rests[i].to_bits(), (x % y).to_bits(), "{x:e} fmod {y:e}");
            assert_eq!(modulos[i], modulo(x, y), "{x:e} mod {y:e}");
            assert_eq!(grads[0][i], 1.0, "{x:e} mod {y:e}");
            assert_eq!(grads[1][i], -wholes[i], "{x:e} mod {y:e}");
            // A quotient of fewer bits is the one number that fits.
            if (x / y).abs() < 1e15 {
                assert_eq!(wholes[i], wholes[i].round());
                let left = (-wholes[i]).mul_add(y, x);
                assert_eq!(left, modulo(x, y), "{x:e} // {y:e}");
            }
        }
    }
    Ok(())
}

#[test]
fn rests_of_f32_are_exact() -> Result<()> {
    for range in [(-40, 60), (-149, -100), (90, 127), (-149, 127)] {
        let (a, b) = pairs(range.0, range.1, 280);
        let narrow = |x: &[f64]| x.iter().map(|&x| f64::from(x as f32)).collect::<Vec<_>>();
        let (a, b) = (narrow(&a), narrow(&b));
        let (rests, _) = slopes::<f32, 2>([&a, &b], |[a, b]| a.fmod(b))?;
        let (modulos, _) = slopes::<f32, 2>([&a, &b], |[a, b]| a.remainder(b))?;
        for i in 0..a.len() {
            let (x, y) = (a[i] as f32, b[i] as f32);
            if y == 0.0 {
                continue;
            }
            assert_eq!(rests[i], f64::from(x % y), "{x:e} fmod {y:e}");
            assert_eq!(modulos[i] as f32, modulo(a[i], b[i]) as f32, "{x:e} mod {y:e}");
        }
    }
    let (rests, _) = slopes::<f32, 1>([&[1.0, -1.0]], |[a]| a.remainder_scalar(0.1))?;
    assert_eq!(rests[0], f64::from(1.0 % 0.1_f32));
    Ok(())
}

/// A quotient that rounding made a whole number is not that number; a large one is.
#[test]
fn quotients_are_those_of_the_numbers_as_they_are() -> Result<()> {
    let (a, b) =
        ([1.0, -1.0, 0.3, 6.0, 1e30, -1e300, 1e20], [0.1, 0.1, 0.1, 0.1, 1e-3, 1e-10, -3.0]);
    let (whole, grads) = slopes::<f64, 2>([&a, &b], |[a, b]| a.floor_divide(b))?;
    assert_eq!(whole, [9.0, -10.0, 2.0, 59.0, 1e30 / 1e-3, f64::NEG_INFINITY, 1e20 / -3.0]);
    assert_eq!(grads, [vec![0.0; 7], vec![0.0; 7]]);
    // 0 has the sign of the quotient.
    let (a, b) = ([0.0, -0.0, 0.0, -0.0, 1.0, -0.0], [2.0, 2.0, -2.0, -2.0, 3.0, f64::INFINITY]);
    let (whole, _) = slopes::<f64, 2>([&a, &b], |[a, b]| a.floor_divide(b))?;
    let signs: Vec<bool> = whole.iter().map(|x| x.is_sign_negative()).collect();
    assert_eq!(whole, [0.0; 6]);
    assert_eq!(signs, [false, true, true, false, false, true]);
    Ok(())
}

#[test]
fn lengths_of_any_size() -> Result<()> {
    let cases = [
        (3.0, 4.0),
        (3e-300, 4e-300),
        (3e300, -4e300),
        (1e308, 1e308),
        (1e308, 1e-308),
        (-5e-324, 5e-324),
        (3e-160, 4e-150),
        (1e150, 1e160),
        (1e-145, 1e-144),
        (-2e154, 1e154),
    ];
    let (a, b): (Vec<f64>, Vec<f64>) = cases.into_iter().unzip();
    let (y, grads) = slopes::<f64, 2>([&a, &b], |[a, b]| a.hypot(b))?;
    for (i, (&a, &b)) in a.iter().zip(&b).enumerate() {
        let want = a.hypot(b);
        assert!((y[i] - want).abs() <= 4.0 * f64::EPSILON * want, "{a:e} {b:e}: {:e}", y[i]);
        let scale = a.abs().max(b.abs());
        let length = (a / scale).hypot(b / scale);
        for (grad, x) in [(grads[0][i], a), (grads[1][i], b)] {
            let want = x / scale / length;
            assert!((grad - want).abs() <= 1e-15, "{a:e} {b:e}: {grad:e} {want:e}");
        }
    }
    let (a, b) = ([3e-44, 3e38, 2e19, 1e-38, 4e-16], [4e-44, 1e38, 2e19, 1e-38, 3e-16]);
    let (y, _) = slopes::<f32, 2>([&a, &b], |[a, b]| a.hypot(b))?;
    for (i, (&a, &b)) in a.iter().zip(&b).enumerate() {
        let want = f64::from(a as f32).hypot(f64::from(b as f32));
        assert!((y[i] - want).abs() <= 2e-7 * want + 1e-45, "{a:e} {b:e}: {:e}", y[i]);
    }
    let (infinity, nan) = (f64::INFINITY, f64::NAN);
    let (a, b) = ([infinity, nan, nan, -infinity], [nan, infinity, 1.0, nan]);
    let (y, _) = slopes::<f64, 2>([&a, &b], |[a, b]| a.hypot(b))?;
    assert_eq!(y[..2], [infinity; 2]);
    assert!(y[2].is_nan() && y[3] == infinity);
    Ok(())
}

/// The derivatives of sinc are integrals over t from 0 to 1 of those of cos(pi x t).
#[test]
fn sinc_has_derivatives_of_any_order() -> Result<()> {
    use std::f64::consts::{FRAC_PI_2, PI};
    let points =
        [0.0, 1e-300, 1e-10, -1e-4, 0.1, 0.3, 0.49999, 0.5, -0.5, 0.50001, 1.0, 1.3, -2.0, 7.25];
    let g = Graph::new();
    let x = g.param(&points, &[points.len()]);
    let mut y = x.sinc();
    for order in 0..=6 {
        let size = PI.powi(order) / f64::from(order + 1);
        for (got, x) in y.to_vec::<f64>()?.into_iter().zip(points) {
            // Simpson's rule: the error is h^4 / 180 of the fourth derivative, up to about 30^4 size.
            let n = 20000;
            let f = |i: i32| {
                let t = f64::from(i) / f64::from(n);
                (PI * t).powi(order) * (PI * x * t + f64::from(order) * FRAC_PI_2).cos()
            };
            let inner: f64 = (1..n).map(|i| f64::from(2 + 2 * (i % 2)) * f(i)).sum();
            let want = (f(0) + inner + f(n)) / f64::from(3 * n);
            assert!((got - want).abs() <= 2e-13 * size, "order {order} at {x}: {got:e} {want:e}");
        }
        y = g.grad(&[(y.sum(), None)], &[x])?[0];
    }
    Ok(())
}

/// Where PyTorch gives NaN and the limit is plain.
#[test]
fn limits_at_infinity() -> Result<()> {
    fn at<T: Element>(f: impl for<'g> Fn(Var<'g>) -> Var<'g>, want: [[f64; 2]; 2]) -> Result<()> {
        let x = [f64::INFINITY, f64::NEG_INFINITY];
        let (y, [slope]) = slopes::<T, 1>([&x], |[x]| f(x))?;
        assert_eq!([y, slope], want);
        Ok(())
    }
    fn both(f: impl for<'g> Fn(Var<'g>) -> Var<'g> + Copy, want: [[f64; 2]; 2]) -> Result<()> {
        at::<f32>(f, want)?;
        at::<f64>(f, want)
    }
    let infinity = f64::INFINITY;
    both(|x| x.hardswish(), [[infinity, 0.0], [1.0, 0.0]])?;
    both(|x| x.mish(), [[infinity, 0.0], [1.0, 0.0]])?;
    both(|x| x.softsign(), [[1.0, -1.0], [0.0, 0.0]])?;
    both(|x| x.softplus_beta(2.0), [[infinity, 0.0], [1.0, 0.0]])?;
    both(|x| x.copysign(x.detach()), [[infinity, -infinity], [1.0, 1.0]])?;
    both(|x| x.copysign(-x.detach()), [[-infinity, infinity], [-1.0, -1.0]])
}

/// Nor do higher derivatives become NaN there, or far out, by a branch that is not taken.
#[test]
fn branches_do_not_poison_higher_derivatives() -> Result<()> {
    type Function = for<'g> fn(Var<'g>) -> Var<'g>;
    let functions: &[(&str, Function)] = &[
        ("leaky_relu", |x| x.leaky_relu(0.1)),
        ("elu", |x| x.elu(1.0)),
        ("selu", |x| x.selu()),
        ("celu", |x| x.celu(0.5)),
        ("relu6", |x| x.relu6()),
        ("hardtanh", |x| x.hardtanh(-1.0, 0.5)),
        ("hardsigmoid", |x| x.hardsigmoid()),
        ("hardswish", |x| x.hardswish()),
        ("mish", |x| x.mish()),
        ("softsign", |x| x.softsign()),
        ("tanhshrink", |x| x.tanhshrink()),
        ("softshrink", |x| x.softshrink(0.5)),
        ("hardshrink", |x| x.hardshrink(0.5)),
        ("threshold", |x| x.threshold(0.5, 7.0)),
        ("softplus_beta", |x| x.softplus_beta(2.0)),
        ("log_sigmoid", |x| x.log_sigmoid()),
        ("logit", |x| x.logit(0.1)),
        ("trunc", |x| x.trunc()),
        ("nan_to_num", |x| x.nan_to_num(0.0, 1.0, -1.0)),
        ("fmax", |x| x.fmax(x.detach())),
        ("logaddexp", |x| x.logaddexp(x.detach().tanh())),
    ];
    let x = [
        0.0,
        -0.0,
        0.5,
        -0.5,
        1.0,
        3.0,
        -3.0,
        6.0,
        40.0,
        -40.0,
        1000.0,
        -1000.0,
        1e300,
        -1e300,
        f64::INFINITY,
        f64::NEG_INFINITY,
    ];
    for (name, function) in functions {
        let g = Graph::new();
        let x = g.param(&x, &[x.len()]);
        let mut y = function(x);
        for order in 1..=3 {
            let Some(next) = g.grad_allow_unused(&[(y.sum(), None)], &[x])?.pop().flatten() else {
                break;
            };
            y = next;
            let all: Vec<f64> = y.to_vec()?;
            assert!(all.iter().all(|slope| slope.is_finite()), "{name}, {order}: {all:?}");
        }
    }
    Ok(())
}

/// Small slopes of large numbers are no differences.
#[test]
fn softsign_is_accurate_far_out() -> Result<()> {
    let x = [1e3, -1e6, 1e12, 1e30, 0.75];
    let (_, [slope]) = slopes::<f64, 1>([&x], |[x]| x.softsign())?;
    for (got, x) in slope.into_iter().zip(x) {
        let want = (1.0 + x.abs()).powi(-2);
        assert!((got - want).abs() <= 1e-15 * want, "{x:e}: {got:e}");
    }
    Ok(())
}

#[test]
fn the_largest_number_is_that_of_the_type() -> Result<()> {
    let (y, _) = slopes::<f32, 1>([&[f64::INFINITY, f64::NEG_INFINITY]], |[x]| {
        x.nan_to_num(0.0, f64::MAX, f64::MIN)
    })?;
    assert_eq!(y, [f64::from(f32::MAX), f64::from(f32::MIN)]);
    Ok(())
}

#[test]
fn messages() {
    fn fails(f: impl for<'g> Fn(&'g Graph) -> Var<'g>, want: &str) {
        let g = Graph::new();
        f(&g);
        let error = g.check().unwrap_err();
        assert!(error.message().contains(want), "{}: not {want:?}", error.message());
    }
    fn x(g: &Graph) -> Var<'_> {
        g.param(&[1.0, 2.0], &[2])
    }
    fn of_shape<'g>(g: &'g Graph, shape: &[usize]) -> Var<'g> {
        g.zeros::<f64>(shape)
    }
    fails(|g| x(g).hardtanh(1.0, 0.5), "hardtanh: needs min up to max, not 1 and 0.5");
    fails(|g| x(g).hardtanh(f64::NAN, 0.5), "hardtanh: needs min up to max");
    fails(|g| x(g).celu(0.0), "celu: alpha must not be 0");
    fails(|g| x(g).softplus_beta(0.0), "softplus_beta: beta must not be 0");
    fails(|g| x(g).softshrink(-1.0), "softshrink: the threshold must be at least 0, not -1");
    fails(|g| x(g).logit(0.75), "logit: eps must be from 0, which means none, to 0.5, not 0.75");
    fails(|g| x(g).isclose(x(g), -1.0, 0.0, false), "isclose: tolerances must be at least 0");
    fails(|g| x(g).cast(DType::I64).relu6(), "relu6: needs an operand of type f32 or f64, not i64");
    fails(|g| x(g).fmod(x(g).cast(DType::F32)), "fmod: operands are f64 and f32");
    fails(|g| x(g).hypot(of_shape(g, &[3])), "hypot: cannot broadcast");
    fails(|g| x(g).fmod(of_shape(g, &[3])), "fmod: cannot broadcast");
    fails(|g| x(g).floor_divide(of_shape(g, &[3])), "floor_divide: cannot broadcast");
    fails(|g| x(g).fmax(of_shape(g, &[3])), "fmax: cannot broadcast");
    fails(|g| x(g).copysign(of_shape(g, &[3])), "copysign: cannot broadcast");
    fails(|g| x(g).clamp_tensor(x(g), of_shape(g, &[3])), "clamp_tensor: cannot broadcast");
    fails(|g| x(g).logical_xor(of_shape(g, &[3])), "logical_xor: cannot broadcast");
    fails(|g| x(g).isclose(of_shape(g, &[3]), 0.0, 0.0, false), "isclose: cannot broadcast");
    fails(
        |g| of_shape(g, &[2, 3]).prelu(x(g)),
        "prelu: needs one weight, or a vector of one for each of the 3 channels on axis 1 of [2, 3], not [2]",
    );
    fails(|g| x(g).prelu(of_shape(g, &[1, 1])), "prelu: needs one weight");
}
