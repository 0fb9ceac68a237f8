//! W31: the determinant by expansion by minors, each element a tensor of one number; recorded once,
//! then an element is written and the determinant read, or differentiated besides.

use std::hint::black_box;

use bumpgrad::Var;

use super::data::wide_numbers;
use super::{Outcome, Pass, Row, Serve, graph, ok, sizes};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = vec![];
    for gradient in [false, true] {
        for (large, n) in sizes(&[5, 7], &[9]) {
            let name = if gradient { "value+gradient" } else { "value" };
            rows.push(Row::new(
                format!("W31/{name}/{large}{n}x{n}"),
                (1, "determinant"),
                move |serve| determinant(serve, gradient, n),
                move || plain_determinant(gradient, n),
            ));
        }
    }
    rows
}

/// Of the rows from `row` on, in these columns.
fn expand<'g>(m: &[Vec<Var<'g>>], row: usize, columns: &[usize]) -> Var<'g> {
    let term = |i: usize| {
        let rest: Vec<_> = columns.iter().copied().filter(|&k| k != columns[i]).collect();
        m[row][columns[i]] * expand(m, row + 1, &rest)
    };
    match columns {
        [last] => m[row][*last],
        _ => (1..columns.len()).fold(term(0), |sum, i| match i % 2 {
            0 => sum + term(i),
            _ => sum - term(i),
        }),
    }
}

/// What the `pass`-th pass writes into the first element.
fn written(pass: usize) -> f64 {
    0.25 + (pass % 64) as f64 / 128.0
}

fn determinant(serve: &mut Serve<'_>, gradient: bool, n: usize) {
    let graph = graph();
    let data = wide_numbers(81, n * n, -1.0, 1.0);
    let m: Vec<Vec<_>> =
        data.chunks(n).map(|row| row.iter().map(|&x| graph.param(&[x], &[1])).collect()).collect();
    let columns: Vec<_> = (0..n).collect();
    let y = expand(&m, 0, &columns);
    let mut pass = 0;
    serve(&mut |outcome| {
        ok(m[0][0].write(&[written(pass)]));
        pass += 1;
        if gradient {
            ok(y.backward());
        }
        black_box(ok(y.item()));
        if let Some(outcome) = outcome {
            outcome.put_value("y", y);
            if gradient {
                let by = |x: &Var<'_>| ok(x.grad::<f64>()).expect("it is a leaf")[0];
                outcome.put("m", &m.iter().flatten().map(by).collect::<Vec<_>>());
            }
        }
        graph.zero_grad();
    });
}

/// Of the rows from `row` on, in the columns whose bits are set.
fn plain_expand(m: &[f64], n: usize, row: usize, columns: u32) -> f64 {
    let (mut sum, mut sign) = (0.0, 1.0);
    let mut left = columns;
    while left != 0 {
        let k = left.trailing_zeros();
        left &= left - 1;
        let element = m[row * n + k as usize];
        let minor = match columns & !(1 << k) {
            0 => 1.0,
            rest => plain_expand(m, n, row + 1, rest),
        };
        sum += sign * element * minor;
        sign = -sign;
    }
    sum
}

/// As [`plain_expand`]; adds to the gradients what comes with a cotangent.
fn plain_pull(m: &[f64], n: usize, row: usize, columns: u32, by: f64, out: &mut [f64]) -> f64 {
    let (mut sum, mut sign) = (0.0, 1.0);
    let mut left = columns;
    while left != 0 {
        let k = left.trailing_zeros();
        left &= left - 1;
        let place = row * n + k as usize;
        let minor = match columns & !(1 << k) {
            0 => 1.0,
            rest => plain_pull(m, n, row + 1, rest, by * sign * m[place], out),
        };
        out[place] += by * sign * minor;
        sum += sign * m[place] * minor;
        sign = -sign;
    }
    sum
}

fn plain_determinant(gradient: bool, n: usize) -> Box<Pass<'static>> {
    let mut m = wide_numbers(81, n * n, -1.0, 1.0);
    let mut pass = 0;
    Box::new(move |outcome: Option<&mut Outcome>| {
        m[0] = written(pass);
        pass += 1;
        let mut by = vec![0.0; n * n];
        let columns = (1 << n) - 1;
        let y = match gradient {
            true => plain_pull(&m, n, 0, columns, 1.0, &mut by),
            false => plain_expand(&m, n, 0, columns),
        };
        black_box((y, &by));
        if let Some(outcome) = outcome {
            outcome.put("y", &[y]);
            if gradient {
                outcome.put("m", &by);
            }
        }
    })
}
