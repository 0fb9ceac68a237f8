//! Views and rearrangements in long compositions: what they show, and where gradients go. Everything here
//! chooses elements, so gradients are known exactly: of each element, the sum of what is sent to the
//! places that show it.

use bumpgrad::{Graph, Var};

/// Numbers that look random, the same in each run.
struct Draw(u64);

impl Draw {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % below.max(1)
    }

    fn axis(&mut self, rank: usize) -> isize {
        self.next(rank) as isize - if self.next(2) == 0 { rank as isize } else { 0 }
    }
}

/// Some operation that fits a shape, with its parameters, to be recorded as often as one likes.
fn draw_operation<'g>(draw: &mut Draw, dims: &[usize]) -> Box<dyn Fn(Var<'g>) -> Var<'g>> {
    let rank = dims.len();
    let len: usize = dims.iter().product();
    let (a, b) = (draw.axis(rank), draw.axis(rank));
    let at = |axis: isize| axis.rem_euclid(rank.max(1) as isize) as usize;
    let long = dims.get(at(a)).copied().unwrap_or(1);
    let two = rank >= 2 && at(a) != at(b);
    match draw.next(17) {
        0 if rank > 0 => Box::new(move |x| x.flip(&[a])),
        1 if two => Box::new(move |x| x.flip(&[a, b])),
        2 if two => Box::new(move |x| x.transpose(a, b)),
        3 if rank > 0 => {
            let shift = draw.next(9) as isize - 4;
            Box::new(move |x| x.roll(&[shift], &[a]))
        }
        4 if rank > 0 && long > 0 => {
            let (start, step) = (draw.next(long) as isize, 1 + draw.next(2) as isize);
            Box::new(move |x| x.slice(a, start, isize::MAX, step))
        }
        5 if rank > 0 && rank < 5 && long > 0 && len < 200 => {
            let size = 1 + draw.next(long);
            let step = 1 + draw.next(3);
            Box::new(move |x| x.unfold(a, size, step))
        }
        6 if two => {
            let offset = draw.next(3) as isize - 1;
            Box::new(move |x| x.diagonal(offset, a, b))
        }
        7 if rank > 0 && rank < 5 && len < 100 => {
            let offset = draw.next(3) as isize - 1;
            Box::new(move |x| x.diag_embed(offset))
        }
        8 if rank > 0 => {
            let widths = [draw.next(4) as isize - 1, draw.next(3) as isize];
            Box::new(move |x| x.pad(&widths, 0.0))
        }
        9 if rank > 0 && dims[rank - 1] > 1 => {
            let widths = [draw.next(2) as isize, draw.next(2) as isize];
            Box::new(move |x| x.pad_reflect(&widths))
        }
        10 if rank > 0 && dims[rank - 1] > 1 => {
            let widths = [draw.next(3) as isize, draw.next(3) as isize];
            Box::new(move |x| x.pad_circular(&widths))
        }
        11 if rank > 0 => Box::new(move |x| x.flatten(0, -1)),
        12 if rank > 0 && len < 100 => {
            let repeats = 1 + draw.next(2);
            Box::new(move |x| x.repeat_interleave(repeats, a))
        }
        13 if rank > 0 && len < 100 => Box::new(move |x| x.tile(&[2])),
        14 if two => {
            let k = draw.next(4) as isize;
            Box::new(move |x| x.rot90(k, a, b))
        }
        15 if two => Box::new(move |x| x.tril(0)),
        16 if rank > 0 && long > 0 => {
            let index = [draw.next(long) as i64, -1, -(long as i64)];
            Box::new(move |x| x.index_select(a, x.graph().tensor(&index, &[3])))
        }
        _ => Box::new(move |x| x.unsqueeze(-1).flip(&[0])),
    }
}

fn read(x: Var<'_>) -> Vec<f64> {
    x.to_vec().unwrap()
}

#[test]
fn compositions_show_the_right_elements_and_send_gradients_there() {
    let draw = &mut Draw(7);
    let mut moved = 0;
    for trial in 0..400 {
        let dims: Vec<usize> = (0..1 + draw.next(3)).map(|_| 1 + draw.next(4)).collect();
        let len = dims.iter().product::<usize>();
        let (composed, apart) = (&Graph::new(), &Graph::new());
        composed.set_fusion(trial % 2 == 0);
        let numbers: Vec<f64> = (1..=len).map(|i| i as f64).collect();
        let x = composed.param(&numbers, &dims);
        // The same one by one, each on data of its own.
        let (mut y, mut want) = (x, apart.tensor(&numbers, &dims));
        let mut told = vec![];
        for _ in 0..1 + draw.next(6) {
            let shape = want.shape().unwrap();
            if shape.len() > 6 {
                break;
            }
            let before = draw.0;
            let operation = draw_operation(draw, &shape);
            (y, want) = (operation(y), {
                let mut again = Draw(before);
                draw_operation(&mut again, &shape)(want)
            });
            want = apart.tensor(&read(want), &want.shape().unwrap());
            told.push(want.shape().unwrap());
        }
        let (got, want, shape) = (read(y), read(want), want.shape().unwrap());
        assert_eq!(y.shape().unwrap(), shape);
        assert_eq!(got, want, "{trial}: {dims:?} to {told:?}");
        let heads: Vec<f64> = (0..want.len()).map(|_| draw.next(64) as f64).collect();
        let mut slopes = vec![0.0; len];
        for (&from, &head) in want.iter().zip(&heads) {
            if from > 0.0 {
                slopes[from as usize - 1] += head;
            }
        }
        let head = composed.tensor(&heads, &shape);
        for _ in 0..2 {
            // The second time there is a plan.
            x.write(&numbers).unwrap();
            composed.zero_grad();
            y.backward_with(head).unwrap();
            assert_eq!(x.grad::<f64>().unwrap().unwrap(), slopes, "{trial}: {dims:?} to {told:?}");
        }
        // Sent on to the same places when differentiated again.
        let slope = composed.grad(&[((y * y).sum(), None)], &[x]).unwrap()[0];
        let twice = composed.grad(&[((slope * x).sum(), None)], &[x]).unwrap()[0];
        let times = |i: usize| want.iter().filter(|&&from| from == i as f64).count() as f64;
        let expected: Vec<f64> = (1..=len).map(|i| 4.0 * i as f64 * times(i)).collect();
        assert_eq!(read(twice), expected, "{trial}: {dims:?} to {told:?}");
        moved += usize::from(got != numbers);
    }
    assert!(moved > 300, "{moved}");
}

/// More parts than are put among zeros one by one: they are added in one step.
#[test]
fn many_parts_that_go_backwards_are_added_to_their_places() {
    for count in [1, 3, 9] {
        let g = &Graph::new();
        let x = g.param(&[0.5; 30], &[5, 6]);
        let mut loss = x.sum() * 0.0;
        let mut want = vec![0.0; 30];
        for t in 0..count {
            let weights: Vec<f64> = (0..8).map(|k| (10 * t + k) as f64).collect();
            let weights = g.tensor(&weights, &[4, 2]);
            // Columns 4, 2 of rows 3, 2, 1, 0, or turned.
            let part = x.slice(0, 0, 4, 1).flip(&[0, 1]).slice(1, 1, 4, 2);
            loss = loss + (part * weights).sum();
            for k in 0..8 {
                want[(3 - k / 2) * 6 + 4 - 2 * (k % 2)] += (10 * t + k) as f64;
            }
            let row = x.transpose(0, 1).flip(&[1]).select(0, 5);
            loss = loss + (row * g.tensor(&[1.0, 2.0, 3.0, 4.0, 5.0], &[5])).sum();
            (0..5).for_each(|k| want[(4 - k) * 6 + 5] += k as f64 + 1.0);
        }
        loss.backward().unwrap();
        assert_eq!(x.grad::<f64>().unwrap().unwrap(), want, "{count}");
    }
}

/// Overlapping windows: sums of many elements lose no digits, and are the same whatever is fused.
#[test]
fn windows_that_overlap_are_added_up() {
    let run = |fusion: bool| {
        let g = &Graph::new();
        g.set_fusion(fusion);
        let data: Vec<f32> = (0..400).map(|i| (i as f32 * 0.37).sin()).collect();
        let x = g.param(&data, &[2, 200]);
        let windows = x.unfold(1, 150, 1);
        (windows * windows.exp()).sum().backward().unwrap();
        let weights: Vec<f32> = (0..200).map(|i| i.min(199 - i).min(50) as f32 + 1.0).collect();
        let slopes = x.grad::<f32>().unwrap().unwrap();
        for (i, (&slope, &x)) in slopes.iter().zip(&data).enumerate() {
            let x = f64::from(x);
            let want = f64::from(weights[i % 200]) * (1.0 + x) * x.exp();
            assert!((f64::from(slope) - want).abs() <= 1e-5 * want.abs().max(1.0), "{i}");
        }
        slopes
    };
    assert_eq!(run(true), run(false));
}

#[test]
fn products_read_what_goes_backwards_or_overlaps() {
    for n in [3usize, 40] {
        let g = &Graph::new();
        let data: Vec<f64> = (0..n * n).map(|i| ((i * 7) % 11) as f64 - 5.0).collect();
        let x = g.param(&data, &[n, n]);
        let back: Vec<i64> = (0..n as i64).rev().collect();
        let back = g.tensor(&back, &[n]);
        for (view, same) in [
            (x.flip(&[0]), x.index_select(0, back)),
            (x.flip(&[1]), x.index_select(1, back)),
            (x.flip(&[0, 1]).transpose(0, 1), {
                x.index_select(0, back).index_select(1, back).transpose(0, 1)
            }),
        ] {
            let pair = [view.matmul(x), same.matmul(x), x.matmul(view), x.matmul(same)];
            let [a, b, c, d] = pair.map(read);
            assert!(a == b && c == d);
            let slope = |y: Var<'_>| {
                g.zero_grad();
                let loss = y.matmul(x).square().sum();
                loss.backward().unwrap();
                x.grad::<f64>().unwrap().unwrap()
            };
            assert_eq!(slope(view), slope(same));
        }
        // A Hankel matrix, whose rows overlap.
        let h = x.flatten(0, -1).unfold(0, n, 1);
        let rows = h.shape().unwrap()[0];
        let mut want = vec![0.0; rows * n];
        for i in 0..rows {
            for j in 0..n {
                want[i * n + j] = (0..n).map(|k| data[i + k] * data[k * n + j]).sum();
            }
        }
        assert_eq!(read(h.matmul(x)), want);
    }
}

#[test]
fn negative_indices_count_from_the_end() {
    for inner in [1usize, 3, 5, 9, 20] {
        for count in [5usize, 3000] {
            let g = &Graph::new();
            let rows = 7;
            let data: Vec<f64> = (0..2 * rows * inner).map(|i| i as f64).collect();
            let x = g.param(&data, &[2, rows, inner]);
            let plain: Vec<i64> = (0..count as i64).map(|k| (k * k + 3) % rows as i64).collect();
            let signed = plain.iter().enumerate();
            let signed: Vec<i64> = signed
                .map(|(k, &i)| if k % 3 == 0 && k < 1100 { i - rows as i64 } else { i })
                .collect();
            let [a, b] = [&plain, &signed].map(|index| {
                g.zero_grad();
                let y = x.index_select(1, g.tensor(index, &[count]));
                let mut loss = (y * y).sum();
                for k in 0..6 {
                    // Several, which are added in one step.
                    let part = x.slice(0, 0, 1 + k % 2, 1);
                    loss = loss + part.index_select(1, g.tensor(&index[..4], &[4])).sum();
                }
                loss.backward().unwrap();
                (read(y), x.grad::<f64>().unwrap().unwrap())
            });
            assert!(a == b, "{inner} {count}");
        }
    }
}

#[test]
fn what_does_not_fit_is_told() {
    let told = |make: &dyn Fn(&Graph) -> Option<Var<'_>>, want: &str| {
        let g = Graph::new();
        let result = make(&g).map(|y| y.to_vec::<f64>().map(|_| ()));
        let error = match (g.check(), result) {
            (Err(error), _) | (_, Some(Err(error))) => error.to_string(),
            _ => "nothing".to_owned(),
        };
        assert!(error.contains(want), "{error:?}, not {want:?}");
    };
    fn x(g: &Graph) -> Var<'_> {
        g.param(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[2, 3])
    }
    told(&|g| Some(x(g).select(1, 3)), "select: index 3 is outside of axis 1 of [2, 3]");
    told(&|g| Some(x(g).narrow(0, 1, 2)), "narrow: 2 from 1 on are not within axis 0 of [2, 3]");
    told(
        &|g| {
            x(g).split_sizes(&[1, 1], 1);
            None
        },
        "split_sizes: pieces of [1, 1] do not fill axis 1 of [2, 3]",
    );
    told(
        &|g| {
            x(g).chunk(0, 1);
            None
        },
        "chunk: needs at least 1 piece, not 0",
    );
    told(
        &|g| {
            g.meshgrid(&[x(g)]);
            None
        },
        "meshgrid: operand 0 is [2, 3], and no vector",
    );
    told(&|g| Some(x(g).unfold(1, 4, 1)), "unfold: windows of 4, 1 apart, do not fit axis 1");
    told(&|g| Some(x(g).flip(&[0, -2])), "flip: axis -2 appears twice");
    told(&|g| Some(x(g).roll(&[1, 2], &[0])), "roll: 2 shifts for 1 axes");
    told(&|g| Some(x(g).pad(&[1], 0.0)), "pad: 1 widths for [2, 3]");
    told(&|g| Some(x(g).pad(&[-2, -2], 0.0)), "pad: widths of [-2, -2] leave no tensor of [2, 3]");
    told(
        &|g| Some(x(g).pad_reflect(&[0, 3])),
        "pad_reflect: a width of 3 for axis 1 of [2, 3], which allows 2 at most",
    );
    told(&|g| Some(x(g).tile(&[-1])), "tile: repeats of [-1]");
    told(&|g| Some(x(g).diagonal(0, 1, -1)), "diagonal: needs two axes, and 1 and -1 are the same");
    told(&|g| Some(x(g).unflatten(1, &[2, 2])), "unflatten: axis 1 of [2, 3] is not as long as");
    told(&|g| Some(x(g).flatten(1, 0)), "flatten: axis 1 of [2, 3] is behind axis 0");
    told(
        &|g| Some(x(g).index_select(0, g.tensor(&[0i64, -3], &[2]))),
        "index_select: index -3 at position 1 is outside of -2 to 1",
    );
    told(
        &|g| Some(x(g).take(g.tensor(&[6i64], &[1]))),
        "take: index 6 at position 0 is outside of -6 to 5",
    );
    told(
        &|g| Some(x(g).gather_nd(g.tensor(&[0i64, -4], &[1, 2]))),
        "gather_nd: index -4 at position 1 is outside of -3 to 2",
    );
    told(
        &|g| Some(x(g).slice_write(x(g), 1, 1, 1)),
        "slice_write: [2, 3] does not fit into axis 1 of [2, 3] from 1 on by steps of 1",
    );
    told(
        &|g| Some(x(g).index_add(0, g.tensor(&[0i64], &[1]), x(g), 1.0)),
        "index_add: with a 1-d index, here [1], into axis 0 of [2, 3], the source is [1, 3], not [2, 3]",
    );
}

/// What an operation is made of is not told in its place.
#[test]
fn operations_are_told_by_their_own_names() {
    let told = |make: &dyn Fn(&Graph) -> Var<'_>, want: &str| {
        let g = Graph::new();
        assert!(make(&g).is_null(), "{want}");
        let error = g.check().unwrap_err();
        assert!(error.message().starts_with(want), "{error}, not {want}");
    };
    let deep = |g: &'_ Graph| g.ones::<f32>(&[1; bumpgrad::MAX_RANK]).shape().unwrap();
    told(&|g| g.stack(&[g.ones::<f32>(&deep(g))], 0), "stack: ");
    told(&|g| g.ones::<f32>(&deep(g)).cdist(g.ones::<f32>(&deep(g)), 2.0), "cdist: ");
    told(&|g| g.ones::<f32>(&[2]).masked_fill(g.ones::<f32>(&[2]), 0.0), "masked_fill: ");
    told(&|g| g.block_diag(&[g.ones::<f32>(&[2]), g.ones::<f64>(&[2])]), "block_diag: ");
    told(
        &|g| g.ones::<f32>(&[2]).index_copy(1, g.ones::<i64>(&[1]), g.ones::<f32>(&[1])),
        "index_copy: ",
    );
    // The operations of elements have names of their own.
    told(&|g| g.ones::<f32>(&[2]) + g.ones::<f32>(&[3]), "add: ");
    told(&|g| g.ones::<f32>(&[2]).std(1.0, &[3], false), "std: ");
}
