//! What plans look like of programs that have been ten times slower than their neighbours: one pass
//! over memory where one is enough. Told as [`Graph::plan_to_text`] tells it, and kept in
//! `golden/plans.txt`; `UPDATE=1 cargo test --test plan_texts` writes that file anew.

use bumpgrad::{Graph, Result, Var};

type Program = for<'g> fn(&'g Graph) -> Result<Vec<Var<'g>>>;

/// What programs compute, whether with gradients, and their recordings; the last of what they give is
/// read, or differentiated.
const PROGRAMS: &[(&str, bool, Program)] = &[
    ("elements of a parameter in a loop, by slice", false, |g| Ok(vec![loop_over(g, by_slice)])),
    ("elements of a parameter in a loop, by slice", true, |g| Ok(vec![loop_over(g, by_slice)])),
    ("elements of a parameter in a loop, by index_select", false, |g| {
        Ok(vec![loop_over(g, by_index)])
    }),
    ("squared distances to the nearest of ten centres", false, nearest),
    ("squared distances to the nearest of ten centres", true, nearest),
    ("rotated points", false, |g| {
        let (m, p) = (g.tensor(&[0.5; 9000], &[1000, 3, 3]), g.tensor(&[0.5; 3000], &[1000, 3]));
        Ok(vec![(m * p.unsqueeze(1)).sum_axes(&[2], false) + g.tensor(&[1.0; 3], &[3])])
    }),
    ("argmax along the first axis", false, |g| Ok(vec![matrix(g).argmax(Some(0), false)])),
    ("logsumexp along the first axis", false, |g| Ok(vec![matrix(g).logsumexp_axes(&[0], false)])),
    ("prod along the first axis", false, |g| Ok(vec![matrix(g).prod_axes(&[0], false)])),
    ("softmax along the middle axis", false, |g| {
        Ok(vec![(g.param(&[0.5f32; 65536], &[16, 64, 64]) * 2.0).softmax(1)])
    }),
    ("a recurrence with its neighbour", false, shift),
    ("a recurrence with its neighbour", true, shift),
    ("stacked and padded", false, |g| {
        let x = g.param(&[0.5; 2000], &[2000]);
        let edge = g.zeros::<f64>(&[1]);
        let padded = g.concat(&[edge, x.sin(), edge], 0);
        Ok(vec![g.stack(&[padded.slice(0, 0, 2000, 1) + x, x * 2.0], 0).exp()])
    }),
];

fn loop_over<'g>(g: &'g Graph, element: fn(Var<'g>, usize) -> Var<'g>) -> Var<'g> {
    let p = g.param(&[0.5; 8], &[8]);
    (0..8).fold(g.zeros::<f64>(&[1]), |y, t| (y * 0.9 + element(p, t)).sin())
}

fn by_slice(p: Var<'_>, t: usize) -> Var<'_> {
    p.slice(0, t as isize, t as isize + 1, 1)
}

fn by_index(p: Var<'_>, t: usize) -> Var<'_> {
    p.index_select(0, p.graph().tensor(&[t as i64], &[1]))
}

fn nearest(g: &Graph) -> Result<Vec<Var<'_>>> {
    let (a, b) = (g.tensor(&[0.5; 8000], &[1000, 1, 8]), g.param(&[0.25; 80], &[1, 10, 8]));
    Ok(vec![(a - b).square().sum_axes(&[2], false).amin_axes(&[1], false).sum()])
}

fn matrix(g: &Graph) -> Var<'_> {
    g.param(&[0.5f32; 96_000], &[1000, 96])
}

fn shift(g: &Graph) -> Result<Vec<Var<'_>>> {
    let (x, one) = (g.param(&[0.5; 2000], &[2000]), g.ones::<f64>(&[1]));
    let slope = |y: Var<'_>| x * g.concat(&[one, y.slice(0, 0, 1999, 1)], 0);
    let y = x + 0.0;
    let k = slope(y + slope(y) * 0.05);
    Ok(vec![(y + k * 0.1).sum()])
}

fn texts() -> Result<String> {
    let mut texts = String::new();
    for (name, gradient, program) in PROGRAMS {
        let g = Graph::new();
        let mark = g.mark();
        // What is small is planned when it comes again.
        for _ in 0..3 {
            g.rewind(mark)?;
            let y = program(&g)?.pop().expect("something is computed");
            if *gradient { y.backward()? } else { y.eval()? }
        }
        let with = if *gradient { ", with gradients" } else { "" };
        texts += &format!("# {name}{with}\n{}\n", g.plan_to_text());
    }
    Ok(texts)
}

#[test]
fn plans_are_the_ones_that_are_known() -> Result<()> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/plans.txt");
    let texts = texts()?;
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &texts).expect("the repository can be written");
    }
    let known = std::fs::read_to_string(path).expect("the file is part of the repository");
    let differs = known.lines().zip(texts.lines()).position(|(known, text)| known != text);
    assert!(
        known == texts,
        "from line {} on, a plan is another one than in {path}: if it is better, run \
         `UPDATE=1 cargo test --test plan_texts`. It is now:\n{texts}",
        differs.unwrap_or(0) + 1
    );
    Ok(())
}
