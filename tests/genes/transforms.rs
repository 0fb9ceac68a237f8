//! Genes that make recordings of recordings: tangents, gradients and batches, of each other, too, since
//! what they are made of may be made by such genes.

use bumpgrad::{DType, ErrorKind, Graph, Result, Var};

use super::{Gene, Program, len_of, record, unary};

/// What took more nodes than this is not used any further: each transform doubles a recording.
const LONGEST: usize = 2000;

pub(crate) const KINDS: u8 = 7;

pub(crate) fn transformed<'g>(
    graph: &'g Graph,
    program: &Program,
    pool: &[Var<'g>],
    gene: &Gene,
    kind: u8,
) -> Result<Option<Var<'g>>> {
    let before = graph.len();
    let y = match kind {
        0 => tangents(graph, pool, gene, &[of(pool, gene.x)])?.pop(),
        1 => {
            // How a gradient moves.
            let y = of(pool, gene.x).sum();
            let directions = directions(pool, gene);
            if y.requires_grad()? && directions[0].0.requires_grad()? {
                graph.hvp(y, &directions[..1])?.pop()
            } else {
                None
            }
        }
        2 => {
            // The gradient of how something moves.
            let moved = tangents(graph, pool, gene, &[of(pool, gene.x)])?[0];
            gradient(graph, moved, of(&pool[..pool.len().min(4)], gene.k))?
        }
        3 => {
            let moved = tangents(graph, pool, gene, &[of(pool, gene.x)])?;
            tangents(graph, pool, &Gene { k: gene.k.wrapping_add(3), ..*gene }, &moved)?.pop()
        }
        4 => {
            // Several outputs, one of which may be a gradient.
            let x = of(pool, gene.x);
            let mut ys = vec![x, of(pool, gene.y), x.gt_scalar(0.0)];
            ys.extend(gradient(graph, x, pool[0])?);
            let mut moved = tangents(graph, pool, gene, &ys)?;
            // What is no float does not move.
            moved.swap_remove(2);
            Some(moved[gene.k as usize % moved.len()])
        }
        _ => batch(graph, program, pool, gene)?,
    };
    Ok(y.filter(|_| graph.len() - before <= LONGEST))
}

fn of<'g>(pool: &[Var<'g>], which: u8) -> Var<'g> {
    pool[which as usize % pool.len()]
}

/// Inputs with directions, of their shapes: a leaf, and perhaps something that is made of leaves.
fn directions<'g>(pool: &[Var<'g>], gene: &Gene) -> Vec<(Var<'g>, Var<'g>)> {
    let mut all = vec![(pool[0], unary(pool[0], gene.k as usize))];
    if gene.k & 1 == 1 {
        let other = of(pool, gene.y);
        all.push((other, other.cos()));
    }
    all
}

fn tangents<'g>(
    graph: &'g Graph,
    pool: &[Var<'g>],
    gene: &Gene,
    ys: &[Var<'g>],
) -> Result<Vec<Var<'g>>> {
    graph.jvp(ys, &directions(pool, gene))
}

/// The gradient of the sum, if there is one.
pub(crate) fn gradient<'g>(graph: &'g Graph, y: Var<'g>, x: Var<'g>) -> Result<Option<Var<'g>>> {
    if y.requires_grad()? && x.requires_grad()? {
        Ok(graph.grad_allow_unused(&[(y.sum(), None)], &[x])?[0])
    } else {
        Ok(None)
    }
}

/// Two genes on a point, recorded for all points along the first axis of a tensor.
fn batch<'g>(
    graph: &'g Graph,
    program: &Program,
    pool: &[Var<'g>],
    gene: &Gene,
) -> Result<Option<Var<'g>>> {
    let points = of(pool, gene.x);
    let shape = points.shape()?;
    let Some((&count, own)) = shape.split_first() else { return Ok(None) };
    let point = match program.dtype {
        _ if count > 0 => points.select(0, 0),
        DType::F32 => graph.param(&vec![0.5f32; len_of(own)], own),
        _ => graph.param(&vec![0.5; len_of(own)], own),
    };
    let mut inner = vec![point];
    inner.extend(pool.iter().skip(1).take(3));
    for step in 1..3 {
        let k = gene.k.rotate_left(3 * step);
        // (The last tensor so far: the second gene sees what the first one made.)
        let x = inner.len() as u8 - 1;
        let x = if step == 1 { 0 } else { x };
        // (Each batch in another one halves it: so there is an end.)
        let gene = Gene { op: gene.y.rotate_left(5 * step), x, y: gene.y >> 1, k };
        inner.extend(record(graph, program, &inner, &gene)?);
    }
    let last = inner[inner.len() - 1];
    let ys = [last, last.le(point.mean()).cast(program.dtype)];
    let mut inputs = vec![(point, points)];
    if gene.k & 16 != 0 && inner.len() > 3 && inner[3].shape()?.is_empty() {
        // A number for each point.
        let rows = points.reshape(&[count as isize, len_of(own) as isize]);
        inputs.push((inner[3], rows.sum_axes(&[1], false).tanh()));
    }
    match graph.vmap(if gene.k & 32 == 0 { &ys } else { &ys[..1] }, &inputs) {
        Ok(all) => Ok(Some(if gene.k & 64 == 0 { all[0] } else { all[all.len() - 1] })),
        // There is no room for one more axis.
        Err(error) if error.kind() == ErrorKind::Limit => Ok(None),
        Err(error) => Err(error),
    }
}
