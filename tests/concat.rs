//! Tensors one after the other along an axis, read where they lie: values and gradients are what plain
//! arithmetic makes of them, fused or not, on any number of threads.

use bumpgrad::{Graph, Result, Var};

/// A tensor of plain numbers.
#[derive(Clone)]
struct Plain {
    dims: Vec<usize>,
    data: Vec<f64>,
}

impl Plain {
    fn lines(&self, axis: usize) -> (usize, usize) {
        (self.dims[..axis].iter().product(), self.dims[axis..].iter().product())
    }
}

/// By definition: line by line, the line of one after that of the other.
fn joined(pieces: &[Plain], axis: usize) -> Plain {
    let mut dims = pieces[0].dims.clone();
    dims[axis] = pieces.iter().map(|piece| piece.dims[axis]).sum();
    let mut data = Vec::new();
    for line in 0..pieces[0].lines(axis).0 {
        for piece in pieces {
            let len = piece.lines(axis).1;
            data.extend_from_slice(&piece.data[line * len..(line + 1) * len]);
        }
    }
    Plain { dims, data }
}

/// What is the part of each piece in a tensor that is shaped like them joined.
fn parted(whole: &Plain, pieces: &[Plain], axis: usize) -> Vec<Vec<f64>> {
    let mut parts = vec![Vec::new(); pieces.len()];
    let mut at = 0;
    for _ in 0..pieces[0].lines(axis).0 {
        for (piece, part) in pieces.iter().zip(&mut parts) {
            let len = piece.lines(axis).1;
            part.extend_from_slice(&whole.data[at..at + len]);
            at += len;
        }
    }
    parts
}

/// A number between -1 and 1 for each place.
fn some(count: usize, seed: usize) -> Vec<f64> {
    (0..count).map(|k| ((k * 37 + seed * 101) % 211) as f64 / 105.0 - 1.0).collect()
}

/// In which way a piece is given.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Leaf,
    /// A leaf's axes in reverse order.
    Turned,
    /// Every second element of the last axis, from the second on.
    Sliced,
    /// One number everywhere, of a leaf.
    Stretched,
    /// One number everywhere, of nobody.
    Constant,
    /// A value that is computed.
    Made,
    /// Among zeros.
    Padded,
}

const KINDS: [Kind; 7] = [
    Kind::Leaf,
    Kind::Turned,
    Kind::Sliced,
    Kind::Stretched,
    Kind::Constant,
    Kind::Made,
    Kind::Padded,
];

/// A piece, its numbers, and the leaf that it is a view of. Its gradient is that of the piece by `back`.
fn piece<'g>(
    g: &'g Graph,
    kind: Kind,
    dims: &[usize],
    seed: usize,
) -> Result<(Var<'g>, Plain, Option<Var<'g>>)> {
    let count: usize = dims.iter().product();
    let plain = |data: Vec<f64>| Plain { dims: dims.to_vec(), data };
    let signed: Vec<isize> = dims.iter().map(|&len| len as isize).collect();
    Ok(match kind {
        Kind::Leaf => {
            let x = g.param(&some(count, seed), dims);
            (x, plain(some(count, seed)), Some(x))
        }
        Kind::Turned => {
            let turned: Vec<usize> = dims.iter().rev().copied().collect();
            let order: Vec<isize> = (0..dims.len() as isize).rev().collect();
            let x = g.param(&some(count, seed), &turned);
            let y = x.permute(&order);
            (y, plain(y.snapshot().to_vec()?), Some(x))
        }
        Kind::Sliced => {
            let mut long = dims.to_vec();
            let last = long.len() - 1;
            long[last] = 2 * long[last] + 1;
            let data = some(long.iter().product(), seed);
            let x = g.param(&data, &long);
            let width = long[last];
            let taken = data.chunks(width).flat_map(|line| line[1..].iter().step_by(2).copied());
            let y = x.slice(-1, 1, width as isize, 2);
            (y, plain(taken.collect()), Some(x))
        }
        Kind::Stretched => {
            let x = g.param(&[0.25], &[1]);
            let y = x.reshape(&vec![1; dims.len()]).expand(&signed);
            (y, plain(vec![0.25; count]), Some(x))
        }
        Kind::Constant => (g.ones::<f64>(dims), plain(vec![1.0; count]), None),
        Kind::Made => {
            let x = g.param(&some(count, seed), dims);
            let data = some(count, seed).iter().map(|x| x * 3.0).collect();
            (x * 3.0, plain(data), Some(x))
        }
        Kind::Padded => {
            // The cotangent of a slice is what stands among zeros.
            let z = g.param(&vec![0.5; count], dims);
            let part = z.slice(0, 0, signed[0].min(1), 1);
            let y = g.grad(&[(part.sum(), None)], &[z])?[0];
            let line = count / dims[0].max(1);
            let data = (0..count).map(|k| f64::from(k < line)).collect();
            (y, plain(data), None)
        }
    })
}

fn close(got: &[f64], want: &[f64], what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (k, (got, want)) in got.iter().zip(want).enumerate() {
        assert!((got - want).abs() <= 1e-12 * (1.0 + want.abs()), "{what} at {k}: {got} {want}");
    }
}

/// sin(joined) * weights, summed: by each graph, and by hand.
fn check(kinds: &[Kind], dims: &[&[usize]], axis: usize) -> Result<()> {
    let what = format!("{kinds:?} of {dims:?} along {axis}");
    let mut first: Option<(Vec<f64>, Vec<Vec<f64>>)> = None;
    for (fusion, threads) in [(true, 1), (true, 2), (false, 1)] {
        let g = Graph::new();
        g.set_fusion(fusion);
        g.set_num_threads(threads);
        let mut pieces = Vec::new();
        for (k, (&kind, dims)) in kinds.iter().zip(dims).enumerate() {
            pieces.push(piece(&g, kind, dims, k)?);
        }
        let vars: Vec<_> = pieces.iter().map(|piece| piece.0).collect();
        let plains: Vec<_> = pieces.iter().map(|piece| piece.1.clone()).collect();
        let whole = joined(&plains, axis);
        let weights = some(whole.data.len(), 77);
        let y = g.concat(&vars, axis as isize).sin() * g.tensor(&weights, &whole.dims);
        let value = y.to_vec()?;
        let want: Vec<f64> = whole.data.iter().zip(&weights).map(|(x, w)| x.sin() * w).collect();
        close(&value, &want, &what);
        if pieces.iter().any(|piece| piece.2.is_some()) {
            y.sum().backward()?;
        }
        let slopes = Plain {
            data: whole.data.iter().zip(&weights).map(|(x, w)| x.cos() * w).collect(),
            ..whole.clone()
        };
        let mut gradients = Vec::new();
        for ((kind, part), (_, _, leaf)) in
            kinds.iter().zip(parted(&slopes, &plains, axis)).zip(&pieces)
        {
            let Some(leaf) = leaf else { continue };
            let gradient: Vec<f64> = leaf.grad()?.expect("it is a parameter");
            match kind {
                Kind::Leaf => close(&gradient, &part, &what),
                Kind::Made => {
                    let part: Vec<f64> = part.iter().map(|x| x * 3.0).collect();
                    close(&gradient, &part, &what);
                }
                // In another order, or among zeros.
                _ => close(&[gradient.iter().sum()], &[part.iter().sum()], &what),
            }
            gradients.push(gradient);
        }
        let bits = (value, gradients);
        match &first {
            None => first = Some(bits),
            Some(first) => assert!(*first == bits, "{what}: fusion {fusion}, {threads} threads"),
        }
    }
    Ok(())
}

#[test]
fn pieces_of_every_kind_along_every_axis_are_joined() -> Result<()> {
    for kind in KINDS {
        for other in KINDS {
            check(&[kind, other], &[&[1], &[999]], 0)?;
            check(&[kind, other, kind], &[&[300], &[7], &[300]], 0)?;
            check(&[kind, other], &[&[2, 3, 5], &[2, 4, 5]], 1)?;
            check(&[kind, other], &[&[40, 3, 4], &[40, 3, 1]], 2)?;
            check(&[kind, other, other], &[&[300, 1], &[300, 1], &[300, 2]], 1)?;
            check(&[kind, other], &[&[3, 500], &[2, 500]], 0)?;
        }
    }
    Ok(())
}

#[test]
fn large_ones_are_shared_out_among_threads() -> Result<()> {
    check(&[Kind::Leaf, Kind::Made], &[&[1], &[299_999]], 0)?;
    check(
        &[Kind::Turned, Kind::Constant, Kind::Sliced],
        &[&[50_000, 2], &[50_000, 1], &[50_000, 3]],
        1,
    )?;
    check(&[Kind::Made, Kind::Stretched], &[&[300, 400], &[300, 600]], 1)
}

#[test]
fn any_number_of_pieces_some_of_them_empty() -> Result<()> {
    for count in [1, 2, 7, 8, 9, 40] {
        let dims: Vec<&[usize]> =
            (0..count).map(|k| [&[3usize, 2][..], &[0, 2], &[1, 2]][k % 3]).collect();
        let kinds: Vec<Kind> =
            (0..count).map(|k| [Kind::Leaf, Kind::Leaf, Kind::Made][k % 3]).collect();
        check(&kinds, &dims, 0)?;
    }
    Ok(())
}

/// Rows of what was joined, and a second use of it in a step of another space.
#[test]
fn what_follows_reads_the_join_in_any_way() -> Result<()> {
    let mut all: Vec<Vec<f64>> = Vec::new();
    for fusion in [true, false] {
        let g = Graph::new();
        g.set_fusion(fusion);
        let (a, b) = (g.param(&some(64 * 20, 1), &[64, 20]), g.param(&some(64 * 30, 2), &[64, 30]));
        let c = g.concat(&[a, b * 2.0], 1);
        let rows = c.softmax(1) * c;
        let turned = c.transpose(0, 1).exp().sum_axes(&[0], false);
        let loss = rows.sum() + (turned * 0.5).sum() + c.matmul(c.transpose(0, 1)).mean();
        loss.backward()?;
        let (da, db) = (a.grad::<f64>()?.unwrap(), b.grad::<f64>()?.unwrap());
        all.push([vec![loss.item()?], c.to_vec()?, da, db].concat());
    }
    assert!(all[0] == all[1], "fused and unfused differ");
    Ok(())
}

/// The same values are had again when the pieces change.
#[test]
fn a_replay_reads_the_new_pieces() -> Result<()> {
    let g = Graph::new();
    let (x, one) = (g.param(&some(1000, 3), &[1000]), g.ones::<f64>(&[1]));
    let y = x * g.concat(&[one, x.slice(0, 0, 999, 1)], 0);
    for seed in 3..6 {
        let data = some(1000, seed);
        x.write(&data)?;
        let before = std::iter::once(&1.0).chain(&data);
        let want: Vec<f64> = data.iter().zip(before).map(|(x, before)| x * before).collect();
        close(&y.to_vec::<f64>()?, &want, "shifted by one");
    }
    Ok(())
}
