//! Kernels of rows and of columns, of every short length: rows by rows together are what each row is
//! alone, columns are what rows are, and both are what f64 says.

use super::parts::Parts;
use super::tests::{bits, levels};
use super::*;
use crate::node::{Extreme, Reduction, Ties};

/// Numbers in an order that shows what is mixed up; some special.
fn numbers<T: Float>(len: usize, special: Option<f64>) -> Vec<T> {
    let at = |i: usize| match special {
        Some(special) if i % 11 == 4 => special,
        _ => ((i * 7919 + 13) % 1009) as f64 / 101.0 - 4.0,
    };
    (0..len).map(|i| T::from_f64(at(i))).collect()
}

const SPECIAL: [Option<f64>; 5] =
    [None, Some(f64::NAN), Some(f64::INFINITY), Some(f64::NEG_INFINITY), Some(-0.0)];

/// Memory in which what is not written shows.
fn unwritten<T: Float>(len: usize) -> Vec<T> {
    vec![T::from_f64(-77.0); len]
}

fn turned<T: Copy>(x: &[T], lines: usize) -> Vec<T> {
    let n = x.len() / lines;
    (0..x.len()).map(|i| x[i % lines * n + i / lines]).collect()
}

/// The results of rows.
fn by_rows<T: Float, U: Copy>(kernel: Kernel, x: &[T], row: usize, per: usize, blank: U) -> Vec<U> {
    let rows = x.len() / row;
    let mut out = vec![blank; rows * per + 1];
    // SAFETY: whole rows, and as many results.
    unsafe { call_rows(kernel, rows, row, out.as_mut_ptr().cast(), x.as_ptr().cast()) };
    out.truncate(rows * per);
    out
}

/// As bits, all NaNs alike.
fn plain<T: Float>(x: &[T]) -> Vec<u64> {
    bits(x)
}

fn lengths() -> impl Iterator<Item = usize> {
    (1..=66).chain([100, 127, 128, 129, 255, 256, 257, 1023, 1024, 1025, 3000])
}

/// Each row alone is what it is among others, and near to what f64 says.
fn rows_are_rows<T: Float>() {
    for level in levels() {
        let kernels = float_kernels(T::DTYPE, level);
        let (max, min) = (Extreme::Max, Extreme::Min);
        let reductions = [
            Reduction::Sum,
            Reduction::Mean,
            Reduction::Norm,
            Reduction::LogSumExp,
            Reduction::Extreme(max, Ties::Even),
            Reduction::Extreme(min, Ties::Even),
        ];
        for (row, special) in lengths().flat_map(|row| SPECIAL.map(|special| (row, special))) {
            let rows = if row < 100 { 19 } else { 3 };
            let x = numbers::<T>(rows * row, special);
            let what = format!("rows of {row}, {special:?}, {} {}", T::DTYPE, level.name());
            for reduction in reductions {
                let kernel = kernels.rows(reduction);
                let blank = T::from_f64(-77.0);
                let all = by_rows(kernel, &x, row, 1, blank);
                for (r, one) in x.chunks(row).enumerate() {
                    let alone = by_rows(kernel, one, row, 1, blank);
                    assert_eq!(plain(&alone), plain(&all[r..=r]), "{reduction:?} of {what}");
                    let want = by_definition(reduction, one);
                    let got = alone[0].to_f64();
                    let near = (got - want).abs() <= 2e-6 * (1.0 + want.abs() + row as f64);
                    let same = got == want || got.is_nan() && want.is_nan();
                    assert!(near || same, "{reduction:?} of {what}: {got}, not {want}");
                }
            }
            for (name, kernel) in
                [("softmax", kernels.softmax.rows), ("log", kernels.log_softmax.rows)]
            {
                let all = by_rows(kernel, &x, row, row, T::from_f64(-77.0));
                for (r, one) in x.chunks(row).enumerate() {
                    let alone = by_rows(kernel, one, row, row, T::from_f64(-77.0));
                    let same = plain(&alone) == plain(&all[r * row..][..row]);
                    assert!(same, "{name} of {what}");
                    let log = by_definition(Reduction::LogSumExp, one);
                    for (x, y) in one.iter().zip(&alone) {
                        let want =
                            if name == "log" { x.to_f64() - log } else { (x.to_f64() - log).exp() };
                        let near = (y.to_f64() - want).abs() <= 4e-6 * (1.0 + want.abs());
                        let excused = !near && (want == y.to_f64() || !log.is_finite());
                        assert!(near || excused, "{name} of {what}: {y}, not {want}");
                    }
                }
            }
        }
    }
}

fn by_definition<T: Float>(reduction: Reduction, row: &[T]) -> f64 {
    let x = row.iter().map(|x| x.to_f64());
    let best = |max: bool| {
        x.clone().fold(if max { f64::NEG_INFINITY } else { f64::INFINITY }, |best, x| {
            if best.is_nan() || x.is_nan() {
                f64::NAN
            } else if max {
                best.max(x)
            } else {
                best.min(x)
            }
        })
    };
    match reduction {
        Reduction::Sum => x.sum(),
        Reduction::Mean => x.sum::<f64>() / row.len() as f64,
        Reduction::Norm => x.map(|x| x * x).sum::<f64>().sqrt(),
        Reduction::LogSumExp => {
            let largest = best(true);
            let shift = if largest.is_finite() { largest } else { 0.0 };
            shift + x.map(|x| (x - shift).exp()).sum::<f64>().ln()
        }
        Reduction::Extreme(which, _) => best(which == Extreme::Max),
    }
}

/// A column has the result that it has as a row, bit for bit.
fn columns_are_rows<T: Float>() {
    for level in levels() {
        let kernels = float_kernels(T::DTYPE, level);
        for lines in lengths() {
            for n in [1, 2, 3, 7, 8, 16, 17, 63, 64, 65, 130, 300] {
                if lines * n > 40_000 {
                    continue;
                }
                for special in SPECIAL {
                    // Lines lie apart, so that what lies between them shows.
                    for apart in [0, 5] {
                        let stride = n + apart;
                        let x = numbers::<T>(lines * stride, special);
                        let columns: Vec<T> =
                            x.chunks(stride).flat_map(|line| &line[..n]).copied().collect();
                        let rows = turned(&columns, lines);
                        let what = format!(
                            "{n} columns of {lines}, {apart} apart, {special:?}, {} {}",
                            T::DTYPE,
                            level.name()
                        );
                        let from = x.as_ptr().cast::<u8>();
                        let call = |kernel, out: *mut u8, second: *const u8| {
                            // SAFETY: so many lines, and room for the results.
                            unsafe { call_columns(kernel, n, lines, stride, out, [from, second]) };
                        };
                        let mut out = unwritten::<T>(n);
                        call(kernels.logsumexp().columns, out.as_mut_ptr().cast(), from);
                        let want = by_rows(kernels.logsumexp().rows, &rows, lines, 1, T::default());
                        assert_eq!(plain(&out), plain(&want), "log-sum-exp of {what}");
                        for which in [Extreme::Max, Extreme::Min] {
                            let mut out = vec![-7i64; n];
                            let arg = kernels.arg(which);
                            call(arg.columns, out.as_mut_ptr().cast(), from);
                            let want = by_rows(arg.rows, &rows, lines, 1, 0i64);
                            assert_eq!(out, want, "{which:?} of {what}");
                        }
                        let mut both = [unwritten::<T>(lines * stride), unwritten(lines * stride)];
                        let [log, shares] = both.each_mut().map(|x| x.as_mut_ptr().cast::<u8>());
                        call(kernels.softmaxes.columns, log, shares);
                        for (one, kernels) in
                            both.iter().zip([&kernels.log_softmax, &kernels.softmax])
                        {
                            let mut out = unwritten::<T>(lines * stride);
                            call(kernels.columns, out.as_mut_ptr().cast(), from);
                            assert_eq!(plain(&out), plain(one), "both of {what}");
                            let want = by_rows(kernels.rows, &rows, lines, lines, T::default());
                            for (line, out) in out.chunks(stride).enumerate() {
                                let want: Vec<T> = (0..n).map(|c| want[c * lines + line]).collect();
                                assert_eq!(plain(&out[..n]), plain(&want), "line {line}, {what}");
                                let between = &out[n..];
                                assert!(between.iter().all(|x| x.to_f64() == -77.0), "{what}");
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Lines that are joined at once are what they are joined one by one.
fn lines_are_joined<T: Float>() {
    for level in levels() {
        let parts = Parts::of(T::DTYPE, level);
        for (n, lines) in (1..40).flat_map(|n| [1, 2, 3, 10, 64].map(|lines| (n, lines))) {
            for special in SPECIAL {
                let x = numbers::<T>(n * lines, special);
                for part in 0..4 {
                    let mut want = if part == 1 { vec![T::default(); n] } else { x[..n].to_vec() };
                    let from = if part == 1 { 0 } else { 1 };
                    for line in x.chunks(n).skip(from) {
                        let out = want.as_mut_ptr().cast();
                        // SAFETY: n elements each.
                        unsafe { call1(parts.join[part], n, out, line.as_ptr().cast()) };
                    }
                    let mut out = unwritten::<T>(n);
                    let (to, x) = (out.as_mut_ptr().cast(), x.as_ptr().cast());
                    // SAFETY: so many lines of n elements.
                    unsafe { call_columns(parts.join_columns[part], n, lines, n, to, [x, x]) };
                    let what =
                        format!("{part}, {lines} lines of {n}, {special:?} {}", level.name());
                    assert_eq!(plain(&out), plain(&want), "{what}");
                }
            }
        }
    }
}

#[test]
fn rows_together_are_rows_alone() {
    rows_are_rows::<f32>();
    rows_are_rows::<f64>();
}

#[test]
fn columns_are_what_rows_are() {
    columns_are_rows::<f32>();
    columns_are_rows::<f64>();
}

#[test]
fn lines_together_are_lines_one_by_one() {
    lines_are_joined::<f32>();
    lines_are_joined::<f64>();
}

#[test]
fn elements_are_spread_along_rows_of_any_length() {
    for level in levels() {
        for (row, rows) in (1..70).flat_map(|row| [1, 2, 3, 30].map(|rows| (row, rows))) {
            let x: Vec<u64> = (0..rows as u64).map(|x| x * 0x0101_0101_0101 + 3).collect();
            let want: Vec<u64> = x.iter().flat_map(|&x| std::iter::repeat_n(x, row)).collect();
            let mut out = vec![0u64; rows * row];
            let (to, from) = (out.as_mut_ptr().cast(), x.as_ptr().cast());
            // SAFETY: rows elements, and room for each along a row.
            unsafe { call_rows(spread(8, level), rows, row, to, from) };
            assert_eq!(out, want, "{rows} rows of {row}");
            let x: Vec<u8> = x.iter().map(|&x| x as u8).collect();
            let mut out = vec![0u8; rows * row];
            let (to, from) = (out.as_mut_ptr(), x.as_ptr());
            // SAFETY: as above.
            unsafe { call_rows(spread(1, level), rows, row, to, from) };
            let want: Vec<u8> = want.iter().map(|&x| x as u8).collect();
            assert_eq!(out, want, "{rows} rows of {row} bytes");
        }
    }
}
