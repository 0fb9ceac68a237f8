//! What is visited, recorded and touched for a gradient; and gradients of what was read in parts.

use crate::node::Op;
use crate::plan::Work;
use crate::roll_call::Structural;
use crate::{Graph, Var};

/// Nodes that the last walk visited.
fn visited(g: &Graph) -> usize {
    g.call(|s| s.core.walk_scratch.visit.found().len())
}

/// Steps of the plan that was run last, and elements that they go over.
fn touched(g: &Graph) -> (usize, usize) {
    g.call(|s| {
        let plan = s.engine().last_plan().unwrap();
        let elements = plan.steps().iter().map(|step| match step.work {
            Work::Fused(number) => {
                let program = &plan.programs[number as usize];
                program.len * program.instrs.of(&plan.instrs).len()
            }
            Work::Single(number) => {
                let single = &plan.singles[number as usize];
                // Of what is selected from nothing else is touched.
                let is_selection = matches!(
                    single.op,
                    Op::Structural(Structural::IndexSelect | Structural::Gather)
                );
                let views = &single.operands.of(&plan.views)[usize::from(is_selection)..];
                let read = views.iter().map(|view| view.layout.len()).sum::<usize>();
                single.dims.iter().product::<usize>() + read
            }
        });
        (plan.steps().len(), elements.sum())
    })
}

/// Whether doubling what comes first never much more than doubles a figure.
fn is_linear(figures: &[usize]) -> bool {
    figures.windows(2).all(|pair| pair[1] <= 2 * pair[0] + pair[0] / 8 + 64)
}

#[test]
fn a_gradient_in_a_loop_records_and_visits_what_is_new() {
    for reads in [false, true] {
        let g = &Graph::new();
        let w = g.param(&[0.5, 2.0], &[2]);
        let mut y = w * 1.5;
        let (mut recorded, mut seen) = (Vec::new(), Vec::new());
        for _ in 0..40 {
            let first = g.len();
            let e = (y.sin() * y).sum();
            let slope = g.grad(&[(e, None)], &[y]).unwrap()[0];
            seen.push(visited(g));
            y = y - slope * 0.01;
            recorded.push(g.len() - first);
            if reads {
                y.eval().unwrap();
            }
        }
        assert!(recorded.iter().all(|&count| count == recorded[0]), "{recorded:?}");
        assert!(seen.iter().all(|&count| count == seen[0] && count < 10), "{seen:?}");
        // What was found by looking at so little is right.
        let (mut want, h) = ([0.75, 3.0f64], 1e-2);
        (0..40).for_each(|_| {
            want.iter_mut().for_each(|y| *y -= h * (y.cos() * *y + y.sin()));
        });
        let found = y.to_vec::<f64>().unwrap();
        assert!(found.iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?} {want:?}");
    }
}

#[test]
fn gradients_beside_unrelated_nodes_do_not_look_at_them() {
    let g = &Graph::new();
    let x = g.param(&[1.0, 2.0], &[2]);
    let beside = |count: usize| {
        (0..count).fold(g.param(&[0.5], &[1]), |y, _| y.sin());
    };
    for count in [1, 1000, 20_000] {
        beside(count);
        let loss = (x * x).sum();
        beside(count);
        g.grad(&[(loss, None)], &[x]).unwrap();
        assert_eq!(visited(g), 3);
        x.zero_grad().unwrap();
        loss.backward().unwrap();
        assert_eq!(visited(g), 3);
        assert_eq!(x.grad::<f64>().unwrap().unwrap(), [2.0, 4.0]);
    }
}

/// No cotangent is recorded for what is no way to an x, be it newer or older than the x.
#[test]
fn only_what_leads_to_an_x_gets_a_cotangent() {
    let g = &Graph::new();
    let [a, b] = [(); 2].map(|()| g.param(&[0.5], &[1]));
    let deep = (0..100).fold(a, |x, _| x.sin());
    let x = deep.exp();
    let newer = (0..100).fold(b, |x, _| x.sin());
    let y = x * newer;
    let first = g.len();
    let slope = g.grad(&[(y, None)], &[x]).unwrap()[0];
    assert!(g.len() - first <= 2, "{} nodes", g.len() - first);
    assert_eq!(slope.item().unwrap(), newer.item().unwrap());
    // The gradient depends on all that was left out, all the same.
    let again = g.grad(&[(slope, None)], &[b]).unwrap()[0];
    let want = g.grad(&[(newer, None)], &[b]).unwrap()[0];
    assert_eq!(again.item().unwrap(), want.item().unwrap());
}

#[test]
fn any_list_of_xs_is_answered_in_its_order() {
    let g = &Graph::new();
    let leaves: Vec<_> = (0..60).map(|k| g.param(&[k as f64], &[1])).collect();
    let squares: Vec<_> = leaves.iter().map(|&x| x * x).collect();
    let sum = squares[..50].iter().fold(g.param(&[0.0], &[1]), |sum, &x| sum + x * 3.0);
    let mut xs: Vec<_> =
        (0..50).map(|k| (k * 17) % 50).flat_map(|k| [squares[k], leaves[k]]).collect();
    xs.extend([sum, leaves[7], leaves[7], squares[3]]);
    let slopes = g.grad(&[(sum, None)], &xs).unwrap();
    for (&x, slope) in xs.iter().zip(&slopes) {
        let want = match (leaves.iter().position(|&y| same(x, y)), same(x, sum)) {
            (Some(k), _) => 6.0 * k as f64,
            (None, true) => 1.0,
            _ => 3.0,
        };
        assert_eq!(slope.item().unwrap(), want);
    }
    assert!(g.grad(&[(sum, None)], &[leaves[2], leaves[55]]).is_err(), "55 is not used");
    let found = g.grad_allow_unused(&[(sum, None)], &[leaves[55], leaves[2]]).unwrap();
    assert!(found[0].is_none() && found[1].is_some());
}

fn same(a: Var<'_>, b: Var<'_>) -> bool {
    format!("{a:?}") == format!("{b:?}")
}

// ---- parts ----

const SHAPE: [usize; 2] = [6, 10];

/// Ways to read a part of a tensor of that shape.
const KINDS: usize = 16;

fn part<'g>(x: Var<'g>, kind: usize, t: usize) -> Var<'g> {
    let g = x.graph();
    let (row, column) = ((t * 5 % 6) as isize, (t * 7 % 10) as isize);
    let index = |list: &[i64], shape: &[usize]| g.tensor(list, shape);
    match kind {
        0 => x.slice(0, row, row + 1, 1),
        1 => x.slice(1, column, column + 1, 1).squeeze(None),
        2 => x.transpose(0, 1).slice(0, column, column + 2, 1),
        // Across the end of a row.
        3 => x.reshape(&[-1]).slice(0, 7 + row, 14 + row, 1),
        4 => x.slice(1, column % 3, 10, 3).slice(0, row % 2, 6, 2),
        // One element.
        5 => x.slice(0, row, row + 1, 1).slice(1, column, column + 1, 1).reshape(&[]),
        // A layout that no strides express.
        6 => x.transpose(0, 1).reshape(&[-1]).slice(0, column, column + 3, 1),
        7 => x.unsqueeze(1).expand(&[6, 1, 10]).slice(2, column, column + 1, 1),
        8 => x.reshape(&[2, 3, 10]).permute(&[2, 0, 1]).slice(1, 1, 2, 1).slice(0, 2, 9, 3),
        9 => (0..3).fold(x, |x, _| x.slice(0, 1, 6, 1)).slice(0, 0, 1, 1),
        10 => x.index_select(1, index(&[column as i64, 3, column as i64], &[3])),
        11 => {
            let rows = x.transpose(0, 1).slice(0, 2, 9, 1);
            rows.index_select(1, index(&[row as i64, row as i64], &[2]))
        }
        12 => x.gather(0, index(&[row as i64, 0, 5, row as i64], &[2, 2])),
        13 => x.slice(0, row, row + 1, 1).gather(1, index(&[column as i64; 3], &[1, 3])),
        14 => x.transpose(0, 1),
        _ => x.slice(0, 3, 3, 1),
    }
}

/// The places of its elements.
fn places(kind: usize, t: usize) -> Vec<usize> {
    let g = &Graph::new();
    let all = g.arange::<f64>(0.0, 60.0, 1.0).reshape(&[6, 10]);
    part(all, kind, t).to_vec::<f64>().unwrap().into_iter().map(|place| place as usize).collect()
}

/// Gradients, and products of the second derivatives with a vector, of sums of cubes of parts.
fn check_parts<T: crate::Element>(
    parts: &[(usize, usize)],
    tolerance: f64,
    fusion: bool,
    leaf: bool,
) {
    let start: Vec<f64> = (0..60).map(|i| 0.2 + 0.03 * i as f64).collect();
    let vector: Vec<f64> = (0..60).map(|i| 1.0 + 0.04 * i as f64).collect();
    let (mut first, mut second) = (vec![0.0; 60], vec![0.0; 60]);
    for (k, &(kind, t)) in parts.iter().enumerate() {
        let c = 0.5 + (k % 3) as f64;
        for place in places(kind, t) {
            let x = start[place];
            first[place] += c * 3.0 * x * x;
            second[place] += c * 6.0 * x * vector[place];
        }
    }
    let g = &Graph::new();
    g.set_fusion(fusion);
    let of = |data: &[f64]| data.iter().map(|&x| T::from_f64(x)).collect::<Vec<_>>();
    let leaf_x = g.param(&of(&start), &SHAPE);
    let x = if leaf { leaf_x } else { leaf_x * 1.0 };
    let mut loss = (x * 0.0).sum();
    for (k, &(kind, t)) in parts.iter().enumerate() {
        let part = part(x, kind, t);
        loss = loss + (part * part * part).sum() * (0.5 + (k % 3) as f64);
    }
    let what = format!("{parts:?}, fusion {fusion}, leaf {leaf}");
    let near = |found: Vec<T>, want: &[f64], order: usize| {
        for (i, (x, want)) in found.into_iter().zip(want).enumerate() {
            let error = (x.to_f64() - want).abs();
            assert!(error <= tolerance * (1.0 + want.abs()), "{order} at {i}: {x}, {want}: {what}");
        }
    };
    let slope = g.grad(&[(loss, None)], &[x]).unwrap()[0];
    near(slope.to_vec().unwrap(), &first, 1);
    let bend = (slope * g.tensor(&of(&vector), &SHAPE)).sum();
    let product = g.grad(&[(bend, None)], &[x]).unwrap()[0];
    near(product.to_vec().unwrap(), &second, 2);
    // The third derivative of cubes is constant.
    let third = g.grad(&[(product.sum(), None)], &[x]).unwrap()[0];
    let want: Vec<f64> = second.iter().zip(&start).map(|(second, x)| second / x).collect();
    near(third.to_vec().unwrap(), &want, 3);
    bend.backward().unwrap();
    near(leaf_x.grad().unwrap().unwrap(), &second, 2);
    loss.backward().unwrap();
    let both: Vec<f64> = first.iter().zip(&second).map(|(a, b)| a + b).collect();
    near(leaf_x.grad().unwrap().unwrap(), &both, 1);
}

#[test]
fn cotangents_of_parts_are_added_where_they_belong() {
    let mut lists: Vec<Vec<(usize, usize)>> = Vec::new();
    for kind in 0..KINDS {
        for count in [1, 3, 7, 40] {
            lists.push((0..count).map(|t| (kind, t)).collect());
        }
    }
    for count in [2, 5, 30, 300] {
        lists.push((0..count).map(|t| (t * 11 % KINDS, t)).collect());
    }
    for (k, list) in lists.iter().enumerate() {
        check_parts::<f64>(list, 1e-12, k % 2 == 0, k % 3 == 0);
        check_parts::<f64>(list, 1e-12, k % 2 == 1, k % 3 != 0);
        check_parts::<f32>(list, 3e-5, k % 4 < 2, k % 3 == 1);
    }
}

#[test]
fn views_whose_gradient_is_asked_for_get_all_of_it() {
    let g = &Graph::new();
    let x = g.param(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[2, 3]);
    let view = x.transpose(0, 1);
    let row = view.slice(0, 1, 2, 1);
    view.retain_grad().unwrap();
    let loss = (row * row).sum() + (view.slice(0, 0, 1, 1) * 7.0).sum() + x.sum();
    let slopes = g.grad(&[(loss, None)], &[row, view, x]).unwrap();
    assert_eq!(slopes[0].to_vec::<f64>().unwrap(), [4.0, 10.0]);
    assert_eq!(slopes[1].to_vec::<f64>().unwrap(), [7.0, 7.0, 4.0, 10.0, 0.0, 0.0]);
    assert_eq!(slopes[2].to_vec::<f64>().unwrap(), [8.0, 5.0, 1.0, 8.0, 11.0, 1.0]);
    loss.backward().unwrap();
    assert_eq!(view.grad::<f64>().unwrap().unwrap(), [7.0, 7.0, 4.0, 10.0, 0.0, 0.0]);
    assert_eq!(x.grad::<f64>().unwrap().unwrap(), [8.0, 5.0, 1.0, 8.0, 11.0, 1.0]);
}

#[test]
fn an_index_outside_is_told_among_many_parts() {
    for (kind, want) in [("index_select", 0), ("gather", 1)] {
        for count in [1, 20] {
            let g = &Graph::new();
            let x = g.param(&[0.5; 8], &[8]);
            let mut loss = x.slice(0, 0, 1, 1).sum();
            for t in 0..count {
                let index = g.tensor(&[if t + 1 == count { 8i64 } else { 2 }, 1], &[2]);
                let part = if want == 0 { x.index_select(0, index) } else { x.gather(0, index) };
                loss = loss + part.sum();
            }
            let slope = g.grad(&[(loss, None)], &[x]).unwrap()[0];
            let error = slope.to_vec::<f64>().unwrap_err().to_string();
            let least = if want == 0 { -8 } else { 0 };
            let told = format!("{kind}: index 8 at position 0 is outside of {least} to 7");
            assert!(error.contains(&told), "{error}");
        }
    }
}

/// Sums of more than a few numbers lose nothing, whichever parts they came from.
#[test]
fn many_parts_meet_at_one_place_without_losing_digits() {
    let g = &Graph::new();
    let x = g.param(&[1.0f32; 4096], &[4096]);
    let mut loss = x.slice(0, 0, 1, 1) * 1e8;
    for t in 0..4000 {
        let index = g.tensor(&[0i64, 1 + t], &[2]);
        let part = if t % 2 == 0 { x.index_select(0, index) } else { x.slice(0, 0, 2, 1) };
        loss = loss + part.sum_axes(&[], true);
    }
    loss.backward().unwrap();
    let slope = x.grad::<f32>().unwrap().unwrap();
    assert_eq!(slope[0], (1e8f64 + 4000.0) as f32);
}

/// Row 4 of "no cliffs", and what is like it: each step of a loop reads its own part of a parameter.
#[test]
fn reading_one_tensor_part_by_part_is_linear() {
    type Way = (&'static str, fn(Var<'_>, usize) -> Var<'_>);
    let ways: [Way; 6] = [
        ("slices", |x, t| x.slice(0, t as isize, t as isize + 1, 1).sum_axes(&[1], false)),
        ("index_select", |x, t| {
            x.index_select(0, x.graph().tensor(&[t as i64], &[1])).sum_axes(&[1], false)
        }),
        ("gather", |x, t| {
            x.gather(0, x.graph().tensor(&[t as i64; 2], &[1, 2])).sum_axes(&[1], false)
        }),
        ("transposed", |x, t| {
            x.transpose(0, 1).slice(1, t as isize, t as isize + 1, 1).sum_axes(&[0], false)
        }),
        ("reshaped", |x, t| x.reshape(&[-1]).slice(0, 2 * t as isize, 2 * t as isize + 1, 1)),
        ("rows of pairs", |x, t| {
            let pairs = x.reshape(&[-1, 2, 2]).slice(0, t as isize / 2, t as isize / 2 + 1, 1);
            pairs.sum_axes(&[1, 2], false)
        }),
    ];
    for (name, read) in ways {
        let (mut recorded, mut first, mut second) = (Vec::new(), Vec::new(), Vec::new());
        for steps in [64, 128, 256, 512] {
            let g = &Graph::new();
            g.call(|session| session.engine().always_plan());
            let x = g.param(&vec![0.5; 2 * steps], &[steps, 2]);
            let y = (0..steps).fold(g.tensor(&[0.1], &[1]), |y, t| (y * read(x, t)).sin());
            let loss = y.sum();
            loss.backward().unwrap();
            first.push(touched(g).1);
            let before = g.len();
            let slope = g.grad(&[(loss, None)], &[x]).unwrap()[0];
            recorded.push(g.len() - before);
            let second_root = (slope * slope).sum();
            second_root.backward().unwrap();
            second.push(touched(g).1);
        }
        assert!(is_linear(&recorded), "{name}: nodes {recorded:?}");
        assert!(is_linear(&first), "{name}: elements {first:?}");
        assert!(is_linear(&second), "{name}: elements of the second gradient {second:?}");
    }
}

/// Row 5: cells that slice their weights and their inputs inside of a loop.
#[test]
fn a_recurrent_net_that_slices_its_weights_is_linear() {
    let (mut recorded, mut elements) = (Vec::new(), Vec::new());
    for steps in [16, 32, 64, 128] {
        let g = &Graph::new();
        g.call(|session| session.engine().always_plan());
        let inputs = g.param(&vec![0.1; steps * 3], &[steps, 3]);
        let weights = g.param(&[0.2; 2 * 4 * 3], &[4, 2, 3]);
        let mut state = [g.tensor(&[0.1; 3], &[3]); 2];
        for t in 0..steps {
            let mut x = inputs.slice(0, t as isize, t as isize + 1, 1).reshape(&[3]);
            for (layer, state) in state.iter_mut().enumerate() {
                let row = |k: isize, of: isize| {
                    let one = weights.slice(0, k, k + 1, 1).slice(1, of, of + 1, 1);
                    one.reshape(&[3])
                };
                let k = 2 * layer as isize;
                *state = (x * row(k, 0) + *state * row(k, 1) + row(k + 1, 0)).tanh();
                x = *state * row(k + 1, 1);
            }
        }
        let loss = state[1].sum();
        let first = g.len();
        g.grad(&[(loss, None)], &[weights, inputs]).unwrap();
        recorded.push(g.len() - first);
        loss.backward().unwrap();
        elements.push(touched(g).1);
    }
    assert!(is_linear(&recorded), "nodes {recorded:?}");
    assert!(is_linear(&elements), "elements {elements:?}");
}

/// A few parts, or large ones, stay where the step that adds them reads them among zeros.
#[test]
fn few_parts_are_added_in_the_step_that_reads_them() {
    let g = &Graph::new();
    g.call(|session| session.engine().always_plan());
    let x = g.param(&vec![0.5; 1000], &[1000]);
    let (a, b) = (x.slice(0, 1, 1000, 1), x.slice(0, 0, 999, 1));
    ((a - b * b).square() + (b - 1.0).square()).sum().backward().unwrap();
    let plan = g.plan_to_text();
    assert!(plan.contains("at [1] of [1000]") && !plan.contains("assemble"), "{plan}");
    let points = g.param(&vec![0.5; 30], &[10, 3]);
    let [x, y, z] = [0, 1, 2].map(|axis| points.slice(1, axis, axis + 1, 1));
    (x * y + z).sum().backward().unwrap();
    let plan = g.plan_to_text();
    assert!(!plan.contains("assemble"), "{plan}");
    let wide = g.param(&vec![0.5; 80], &[10, 8]);
    let columns = (0..8).map(|axis| wide.slice(1, axis, axis + 1, 1).square());
    columns.fold(g.tensor(&[0.0], &[1]), |sum, x| sum + x).sum().backward().unwrap();
    let plan = g.plan_to_text();
    assert_eq!(plan.matches("assemble").count(), 1, "{plan}");
}
