//! Scans and writes where factors are 0, and at the ends of the range: against the same written out
//! element by element, since PyTorch's derivatives are no help there.

use bumpgrad::{DType, Graph, Var};

fn numbers(x: Var<'_>) -> Vec<f64> {
    x.cast(DType::F64).to_vec().unwrap()
}

fn assert_near(got: &[f64], want: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (k, (&got_k, &want_k)) in got.iter().zip(want).enumerate() {
        let same = got_k == want_k || got_k.is_nan() && want_k.is_nan();
        let near = (got_k - want_k).abs() <= tolerance * want_k.abs().max(1.0);
        assert!(same || near, "{what}: element {k} of {got:?}, not of {want:?}");
    }
}

/// Derivatives of a value along fixed directions, one order after the other.
fn derivatives<'g>(g: &'g Graph, y: Var<'g>, xs: &[Var<'g>], orders: usize) -> Vec<Vec<f64>> {
    let weights = |like: Var<'g>, seed: usize| {
        let shape = like.shape().unwrap();
        let count = shape.iter().product::<usize>();
        let data: Vec<f64> =
            (0..count).map(|k| ((k * 7 + seed * 3) % 11) as f64 / 4.0 - 1.0).collect();
        g.tensor(&data, &shape).cast(like.dtype().unwrap())
    };
    let mut out = vec![numbers(y)];
    let mut total = (y * weights(y, 0)).sum();
    for order in 0..orders {
        // (What a variable has no part in has slope 0.)
        let slopes = g.grad_allow_unused(&[(total, None)], xs).unwrap();
        let slopes: Vec<_> =
            slopes.into_iter().zip(xs).map(|(slope, &x)| slope.unwrap_or(x * 0.0)).collect();
        out.extend(slopes.iter().map(|&slope| numbers(slope)));
        let next =
            slopes.iter().enumerate().map(|(k, &slope)| (slope * weights(slope, k + order)).sum());
        total = next.reduce(|a, b| a + b).unwrap();
    }
    out
}

/// What `scatter_reduce` by products does along a vector, factor by factor.
fn products_one_by_one<'g>(
    g: &'g Graph,
    x: Var<'g>,
    index: &[i64],
    src: Var<'g>,
    include_self: bool,
) -> Var<'g> {
    let count = x.shape().unwrap()[0];
    let places = (0..count).map(|place| {
        let named: Vec<usize> = (0..index.len()).filter(|&k| index[k] == place as i64).collect();
        let own = x.narrow(0, place as isize, 1);
        let factors = named.iter().map(|&k| src.narrow(0, k as isize, 1));
        let all = std::iter::once(own).filter(|_| include_self || named.is_empty()).chain(factors);
        all.reduce(|a, b| a * b).unwrap()
    });
    g.concat(&places.collect::<Vec<_>>(), 0)
}

#[test]
fn products_at_places_have_all_derivatives_where_factors_are_0() {
    let index = [0, 0, 2, 1, 2, 2, 4, 1, 0, 4, 4];
    let cases: [([f64; 6], [f64; 11]); 3] = [
        ([2.0, 0.0, 3.0, 5.0, 0.0, 1.0], [3.0, 0.0, 5.0, 0.0, 0.0, 2.0, 0.5, 1.5, 4.0, 0.0, 0.25]),
        ([0.0, 0.0, 0.0, 0.0, 0.0, 0.0], [0.0; 11]),
        (
            [1.5, -2.0, 0.5, 2.0, 3.0, 0.0],
            [1.0, 0.0, 0.0, 3.0, -4.0, 0.0, 2.0, 0.5, 2.5, 1.5, -1.0],
        ),
    ];
    for (x, src) in cases {
        for include_self in [true, false] {
            for dtype in [DType::F64, DType::F32] {
                let g = Graph::new();
                let leaf = |data: &[f64]| match dtype {
                    DType::F32 => {
                        let data: Vec<f32> = data.iter().map(|&x| x as f32).collect();
                        g.param(&data, &[data.len()])
                    }
                    _ => g.param(data, &[data.len()]),
                };
                let (x, src) = (leaf(&x), leaf(&src));
                let places = g.tensor(&index, &[index.len()]);
                let y = x.scatter_reduce(0, places, src, "prod", include_self);
                let want = products_one_by_one(&g, x, &index, src, include_self);
                let got = derivatives(&g, y, &[x, src], 4);
                let want = derivatives(&g, want, &[x, src], 4);
                let tolerance = if dtype == DType::F32 { 1e-5 } else { 1e-13 };
                for (order, (got, want)) in got.iter().zip(&want).enumerate() {
                    assert_near(got, want, tolerance, &format!("{include_self} {dtype} {order}"));
                }
            }
        }
    }
}

#[test]
fn products_of_numbers_have_derivatives() {
    for (include_self, orders) in [(true, 3), (false, 1)] {
        let g = Graph::new();
        let (x, src) = (g.param(&[3.0], &[]), g.param(&[5.0], &[]));
        let y = x.scatter_reduce(0, g.tensor(&[0i64], &[]), src, "prod", include_self);
        let got = derivatives(&g, y, &[x, src], orders);
        let want = derivatives(&g, if include_self { x * src } else { src }, &[x, src], orders);
        assert_eq!(got, want, "{include_self}");
    }
}

#[test]
fn products_at_other_places_do_not_matter() {
    let (inf, nan) = (f64::INFINITY, f64::NAN);
    let g = Graph::new();
    let x = g.param(&[1.0, 2.0, 3.0, nan], &[4]);
    let src = g.param(&[inf, 0.0, 5.0, 7.0, 3.0], &[5]);
    let index = g.tensor(&[0i64, 1, 1, 2, 3], &[5]);
    let y = x.scatter_reduce(0, index, src, "prod", true);
    y.sum().backward().unwrap();
    assert_eq!(src.grad::<f64>().unwrap().unwrap()[..4], [1.0, 10.0, 0.0, 3.0]);
    assert_eq!(x.grad::<f64>().unwrap().unwrap(), [inf, 0.0, 7.0, 3.0]);
}

#[test]
fn the_gradient_of_running_products_stays_in_the_range() {
    // The products of all factors behind one are up to 1e45, beyond f32.
    let x = [1e-30f32, 1e5, 1e25, 1e20, 1.0];
    let g = Graph::new();
    let param = g.param(&x, &[5]);
    param.cumprod(0).sum().backward().unwrap();
    let got: Vec<f64> = param.grad::<f32>().unwrap().unwrap().iter().map(|&x| x.into()).collect();
    let wide: Vec<f64> = x.iter().map(|&x| x.into()).collect();
    let want: Vec<f64> = (0..5)
        .map(|i| {
            let product = |j: usize| (0..=j).filter(|&k| k != i).map(|k| wide[k]).product::<f64>();
            (i..5).map(product).sum()
        })
        .collect();
    for (k, (&got, &want)) in got.iter().zip(&want).enumerate().skip(1) {
        assert!((got - want).abs() <= 1e-6 * want, "{k}: {got}, not {want}");
    }
    assert_eq!(got[0], f64::INFINITY, "1e50 itself is beyond the range");
}

/// What is cut off does not come in again, and what is left goes around as often as it must.
#[test]
fn circular_padding_goes_around_what_is_left() {
    let cases: [([isize; 2], &[f64], [f64; 4]); 6] = [
        ([-2, 3], &[3.0, 4.0, 3.0, 4.0, 3.0], [0.0, 0.0, 3.0, 2.0]),
        ([4, -2], &[1.0, 2.0, 1.0, 2.0, 1.0, 2.0], [3.0, 3.0, 0.0, 0.0]),
        ([-3, 4], &[4.0; 5], [0.0, 0.0, 0.0, 5.0]),
        ([3, -3], &[1.0; 4], [4.0, 0.0, 0.0, 0.0]),
        ([-1, 3], &[2.0, 3.0, 4.0, 2.0, 3.0, 4.0], [0.0, 2.0, 2.0, 2.0]),
        ([-1, -1], &[2.0, 3.0], [0.0, 1.0, 1.0, 0.0]),
    ];
    for (widths, want, grads) in cases {
        let g = Graph::new();
        let x = g.param(&[1.0, 2.0, 3.0, 4.0], &[1, 4]);
        let y = x.pad_circular(&widths);
        assert_eq!(numbers(y), want, "{widths:?}");
        y.sum().backward().unwrap();
        assert_eq!(x.grad::<f64>().unwrap().unwrap(), grads, "{widths:?}");
    }
    let g = Graph::new();
    let x = g.param(&[1.0, 2.0], &[2]);
    for widths in [[3, 0], [-1, 3], [-2, 1]] {
        assert!(x.pad_circular(&widths).to_vec::<f64>().is_err(), "{widths:?}");
    }
    let error = x.topk(3, 0, true).0.to_vec::<f64>().unwrap_err().to_string();
    assert!(
        error.contains(
            "topk: k is 3, and must be at least 0 and at most 2, the length of axis 0 of [2]"
        ),
        "{error}"
    );
}

/// Integers have places and medians, too, also such as no float holds.
#[test]
fn integers_have_places_and_medians() {
    let g = Graph::new();
    let (low, high) = (i64::MIN, i64::MAX);
    let x = g.tensor(&[high - 1, high, high - 2, low, low + 1, low], &[2, 3]);
    assert_eq!(x.argmax(Some(1), false).to_vec::<i64>().unwrap(), [1, 1]);
    assert_eq!(x.argmin(Some(1), false).to_vec::<i64>().unwrap(), [2, 0]);
    assert_eq!(x.argmin(None, false).to_vec::<i64>().unwrap(), [3]);
    assert_eq!(x.median_axes(&[1], false).to_vec::<i64>().unwrap(), [high - 1, low]);
    assert_eq!(x.median().to_vec::<i64>().unwrap(), [low + 1]);
    // Sums at places are exact, and wrap around.
    let (index, zeros) = (g.tensor(&[0i64, 1, 0], &[3]), g.tensor(&[0i64, 1], &[2]));
    let src = g.tensor(&[high, (1 << 53) + 1, 2], &[3]);
    assert_eq!(zeros.scatter_add(0, index, src).to_vec::<i64>().unwrap(), [low + 1, (1 << 53) + 2]);
}

/// A long line is cut into parts: sums and places are as if it were not, in both directions.
#[test]
fn long_lines_are_scanned_as_a_whole() {
    let count = 5003;
    let whole: Vec<i64> = (0..count).map(|k| (k * 7919 % 1009) as i64 - 504).collect();
    let sums: Vec<i64> = whole
        .iter()
        .scan(0, |sum, x| {
            *sum += x;
            Some(*sum)
        })
        .collect();
    let g = Graph::new();
    let x = g.tensor(&whole, &[count]);
    assert_eq!(x.cumsum(0).to_vec::<i64>().unwrap(), sums);
    for dtype in [DType::F64, DType::F32] {
        let x = match dtype {
            DType::F32 => g.param(&whole.iter().map(|&x| x as f32).collect::<Vec<_>>(), &[count]),
            _ => g.param(&whole.iter().map(|&x| x as f64).collect::<Vec<_>>(), &[count]),
        };
        let y = x.cumsum(0);
        assert_eq!(y.cast(DType::I64).to_vec::<i64>().unwrap(), sums, "{dtype}");
        // The gradient is the sum from the end on.
        let head = g.tensor(&whole, &[count]).cast(dtype);
        let slope = g.grad(&[(y, Some(head))], &[x]).unwrap()[0];
        let total = sums[count - 1];
        let want: Vec<i64> = (0..count).map(|k| total - sums[k] + whole[k]).collect();
        assert_eq!(slope.cast(DType::I64).to_vec::<i64>().unwrap(), want, "{dtype}");
    }
    // Infinities and NaN count from where they are on; parts beyond the range do not.
    let mut numbers_of: Vec<f64> = whole.iter().map(|&x| x as f64).collect();
    (numbers_of[0], numbers_of[1300], numbers_of[1301]) = (-1e308, 1e308, 1e308);
    let sums = numbers(g.tensor(&numbers_of, &[count]).cumsum(0));
    assert!(sums.iter().all(|sum| sum.is_finite()) && sums[count - 1] == 1e308, "{sums:?}");
    numbers_of[4000] = f64::INFINITY;
    let sums = numbers(g.tensor(&numbers_of, &[count]).cumsum(0));
    assert!(sums[3999].is_finite() && sums[4000..].iter().all(|&sum| sum == f64::INFINITY));
    // Places: of several the last one; a NaN stays until another comes.
    for (sign, nans) in [(1.0, &[][..]), (-1.0, &[]), (1.0, &[2000, 3000][..]), (-1.0, &[0, 4999])]
    {
        let mut data: Vec<f64> = whole.iter().map(|&x| sign * x as f64).collect();
        nans.iter().for_each(|&at| data[at] = f64::NAN);
        let x = g.tensor(&data, &[count]);
        let (_, high) = x.cummax(0);
        let (_, low) = x.cummin(0);
        let place = |is_better: fn(f64, f64) -> bool| -> Vec<i64> {
            let mut best = 0;
            let step = |k: usize| {
                if data[k].is_nan() || is_better(data[k], data[best]) {
                    best = k;
                }
                best as i64
            };
            (0..count).map(step).collect()
        };
        assert_eq!(high.to_vec::<i64>().unwrap(), place(|a, b| a >= b), "{sign} {nans:?}");
        assert_eq!(low.to_vec::<i64>().unwrap(), place(|a, b| a <= b), "{sign} {nans:?}");
    }
}

/// Products of rows of any length are those of their elements, with the errors of a tree.
#[test]
fn products_of_rows() {
    for count in [1usize, 2, 31, 32, 33, 127, 128, 129, 1000, 4096, 10_001] {
        let data: Vec<f64> =
            (0..2 * count).map(|k| 1.0 + ((k * 37 % 101) as f64 - 50.0) / 3e3).collect();
        let want: Vec<f64> =
            data.chunks(count).map(|row| row.iter().map(|x| x.ln()).sum::<f64>().exp()).collect();
        let g = Graph::new();
        let x = g.param(&data, &[2, count]);
        assert_near(&numbers(x.prod_axes(&[1], false)), &want, 1e-12, &format!("{count}"));
        let total = numbers(x.prod());
        assert_near(&total, &[want[0] * want[1]], 1e-12, &format!("{count}"));
        // The gradient is the product of the others.
        let slope = g.grad(&[(x.prod(), None)], &[x]).unwrap()[0];
        let others: Vec<f64> = data.iter().map(|x| want[0] * want[1] / x).collect();
        assert_near(&numbers(slope), &others, 1e-12, &format!("{count}"));
        let narrow = numbers(x.cast(DType::F32).prod_axes(&[1], false));
        assert_near(&narrow, &want, 1e-4, &format!("{count} of f32"));
    }
}

/// Distances by a product of matrices are those by differences: also of near points, equal ones, far from
/// the origin, and at the ends of the range, with their gradients.
#[test]
fn distances_of_many_rows_are_those_of_few() {
    let (rows, others, len) = (40, 30, 5);
    let point = |k: usize, seed: usize| ((k * 7919 + seed * 104_729) % 2003) as f64 / 1001.0 - 1.0;
    let (mut a, mut b): (Vec<f64>, Vec<f64>) = (
        (0..rows * len).map(|k| point(k, 1)).collect(),
        (0..others * len).map(|k| point(k, 2)).collect(),
    );
    // Equal points, and some that differ in the last digits.
    b[..len].copy_from_slice(&a[..len]);
    (0..len).for_each(|k| b[len + k] = a[len + k] * (1.0 + 1e-12 * k as f64));
    (0..len).for_each(|k| b[2 * len + k] = a[2 * len + k] + 1e-3);
    // At the ends of the range.
    (0..len).for_each(|k| (a[3 * len + k], b[3 * len + k]) = (3e200, 1e200 * k as f64));
    (0..2 * len).for_each(|k| a[4 * len + k] = 1e-200 * k as f64);
    (0..len).for_each(|k| b[4 * len + k] = -2e-200 * k as f64);
    for shift in [0.0, 1e6] {
        let (a, b): (Vec<f64>, Vec<f64>) =
            (a.iter().map(|x| x + shift).collect(), b.iter().map(|x| x + shift).collect());
        let g = Graph::new();
        let (x, y) = (g.param(&a, &[rows, len]), g.param(&b, &[others, len]));
        let many = x.cdist(y, 2.0);
        let difference = x.unsqueeze(1) - y.unsqueeze(0);
        let few = difference.norm(2.0, &[2], false);
        let (got, want) = (numbers(many), numbers(few));
        for (k, (got, want)) in got.iter().zip(&want).enumerate() {
            let error = (got - want).abs();
            assert!(error <= 1e-14 * want, "{k}: {got:e}, not {want:e}, shifted by {shift}");
        }
        let got = g.grad(&[(many.sum(), None)], &[x, y]).unwrap();
        let want = g.grad(&[(few.sum(), None)], &[x, y]).unwrap();
        for (&got, &want) in got.iter().zip(&want) {
            assert_near(&numbers(got), &numbers(want), 1e-12, &format!("gradients, {shift}"));
        }
    }
}
