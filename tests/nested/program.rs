//! Programs of operations and transforms, and how they are recorded. A transform is a step like any
//! other: it makes a derivative of an earlier step, or a batch of it.

use std::fmt;

use bumpgrad::{DType, Error, ErrorKind, Graph, Result, Var};

use crate::plain::{BINARY, Plain, REDUCE, SHAPE, UNARY};

/// One step of a program, which finds operands among those so far.
#[derive(Clone, Copy)]
pub(crate) struct Gene {
    pub(crate) op: u8,
    pub(crate) x: u8,
    pub(crate) y: u8,
    pub(crate) z: u8,
    pub(crate) k: u8,
}

/// In one line, whatever is asked for: programs are lists of them.
impl fmt::Debug for Gene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { op, x, y, z, k } = self;
        write!(f, "Gene {{ op: {op}, x: {x}, y: {y}, z: {z}, k: {k} }}")
    }
}

/// What a step is, with the places of its operands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    Leaf(usize),
    Plain(Plain),
    /// How the output of this number moves when some inputs do: `(x, tangent)`.
    Jvp(Vec<usize>, Vec<(usize, usize)>, usize),
    /// The gradient of some outputs with heads, by an input.
    Grad(Vec<(usize, usize)>, usize),
    /// How the gradient of a sum moves.
    Hvp(usize, usize, usize),
    /// The output of this number for an input itself, and for another one in its place; for no input at
    /// all if that is asked for.
    Vmap(Vec<usize>, Vec<(usize, usize)>, bool, usize),
    Jacobian(usize, usize),
    /// Of a sum.
    Hessian(usize, usize),
}

impl Step {
    fn operands(&self) -> Vec<usize> {
        let both = |pairs: &[(usize, usize)]| -> Vec<usize> {
            pairs.iter().flat_map(|&(a, b)| [a, b]).collect()
        };
        match self {
            Self::Leaf(_) => vec![],
            Self::Plain(plain) => plain.operands(),
            Self::Jvp(ys, pairs, _) | Self::Vmap(ys, pairs, ..) => {
                [&ys[..], &both(pairs)[..]].concat()
            }
            Self::Grad(roots, x) => [&both(roots)[..], &[*x]].concat(),
            Self::Hvp(y, x, tangent) => vec![*y, *x, *tangent],
            Self::Jacobian(y, x) | Self::Hessian(y, x) => vec![*y, *x],
        }
    }

    fn is_transform(&self) -> bool {
        !matches!(self, Self::Leaf(_) | Self::Plain(_))
    }
}

/// More elements than that, or more transforms of each other, are too many for numbers like these.
const MOST: usize = 24;
const DEEPEST: usize = 3;
const LEAVES: usize = 4;

/// A program on its way.
pub(crate) struct Recording<'g> {
    graph: &'g Graph,
    pub(crate) pool: Vec<Var<'g>>,
    pub(crate) steps: Vec<Step>,
    /// How many transforms there are of each other, up to each step.
    depth: Vec<usize>,
    /// How many steps there were when each was first read.
    read: Vec<Option<usize>>,
    /// How many batches were refused.
    pub(crate) refused: usize,
}

impl<'g> Recording<'g> {
    pub(crate) fn new(graph: &'g Graph, shape: &[usize]) -> Self {
        let row = shape.last().map_or(&[][..], std::slice::from_ref);
        let mut recording = Self {
            graph,
            pool: Vec::new(),
            steps: Vec::new(),
            depth: Vec::new(),
            read: Vec::new(),
            refused: 0,
        };
        for (k, shape) in [shape, row, &[], shape].into_iter().enumerate() {
            let data = data(k, 0, shape.iter().product());
            // The last one requires no gradient.
            let is_param = k + 1 < LEAVES;
            let var = if is_param { graph.param(&data, shape) } else { graph.tensor(&data, shape) };
            recording.push(Step::Leaf(k), var);
        }
        recording
    }

    fn push(&mut self, step: Step, var: Var<'g>) {
        let below = step.operands().iter().map(|&x| self.depth[x]).max().unwrap_or(0);
        let own = match step {
            Step::Hvp(..) | Step::Hessian(..) => 2,
            Step::Leaf(_) | Step::Plain(_) => 0,
            _ => 1,
        };
        self.depth.push(below + own);
        self.read.push(None);
        self.steps.push(step);
        self.pool.push(var);
    }

    fn dims(&self, x: usize) -> Vec<usize> {
        self.pool[x].shape().unwrap()
    }

    fn len(&self, x: usize) -> usize {
        self.dims(x).iter().product()
    }

    fn is_float(&self, x: usize) -> bool {
        self.pool[x].dtype().unwrap() == DType::F64
    }

    fn requires(&self, x: usize) -> bool {
        self.pool[x].requires_grad().unwrap()
    }

    /// One of the steps that are such, a late one if the number is small.
    fn pick(&self, which: u8, fits: impl Fn(usize) -> bool) -> Option<usize> {
        let all: Vec<_> = (0..self.pool.len()).rev().filter(|&x| fits(x)).collect();
        (!all.is_empty()).then(|| all[which as usize % all.len()])
    }

    fn float(&self, which: u8) -> Option<usize> {
        self.pick(which, |x| self.is_float(x))
    }

    /// Another one of the same shape: itself if there is none.
    fn like(&self, which: u8, x: usize) -> Option<usize> {
        self.pick(which, |y| self.is_float(y) && self.dims(y) == self.dims(x))
    }

    /// Which steps depend on one.
    fn downstream(&self, x: usize) -> Vec<bool> {
        let mut all = vec![false; self.steps.len()];
        all[x] = true;
        for y in x + 1..self.steps.len() {
            all[y] = self.steps[y].operands().iter().any(|&z| all[z]);
        }
        all
    }

    /// The steps that lead from one to another, these two not among them.
    fn between(&self, x: usize, y: usize) -> Vec<usize> {
        let from = self.downstream(x);
        (x + 1..y).filter(|&z| from[z] && self.downstream(z)[y]).collect()
    }

    /// Whether something can move or be put in the place of `x`, as far as `ys` are concerned: a leaf, or
    /// a step of whose derivatives these are not made. (A derivative may be made of the value of `x`.)
    fn is_input(&self, x: usize, ys: &[usize]) -> bool {
        let is_plain = |y: usize| {
            let mut way = self.between(x, y);
            way.push(y);
            let from = self.downstream(x);
            !from[y] || way.iter().all(|&z| z == x || !self.steps[z].is_transform())
        };
        x < LEAVES || ys.iter().all(|&y| is_plain(y))
    }

    /// An input of some outputs; mostly one on which the first of them depends.
    fn input(&self, which: u8, ys: &[usize], fits: impl Fn(usize) -> bool) -> Option<usize> {
        let could = |x: usize| self.is_float(x) && fits(x) && self.is_input(x, ys);
        let leads = |x: usize| x != ys[0] && could(x) && self.downstream(x)[ys[0]];
        let leading = self.pick(which, leads).filter(|_| which % 8 != 7);
        leading.or_else(|| self.pick(which, could))
    }

    /// Whether a derivative of these is not too much.
    fn is_shallow(&self, ys: &[usize], own: usize) -> bool {
        ys.iter().all(|&y| self.depth[y] + own <= DEEPEST)
    }

    /// What a gene says, if it makes sense here.
    fn resolve(&self, gene: &Gene) -> Option<Step> {
        let Gene { op, x, y, z, k } = *gene;
        let which = k as usize;
        let plain = |plain| Some(Step::Plain(plain));
        match op % 31 {
            0..5 => plain(Plain::Unary(which % UNARY, self.float(x)?)),
            5..9 => {
                let a = self.float(x)?;
                let b = self.pick(y, |b| self.is_float(b) && broadcasts(self, a, b))?;
                plain(Plain::Binary(which % BINARY, a, b))
            }
            9..11 => {
                let x = self.pick(x, |x| self.is_float(x) && !self.dims(x).is_empty())?;
                let axis = y as usize % self.dims(x).len();
                let how = if self.dims(x)[axis] == 0 { 0 } else { which % REDUCE };
                plain(Plain::Reduce(how, x, axis))
            }
            11..14 => {
                let x = self.pick(x, |x| self.is_float(x) && !self.dims(x).is_empty())?;
                let axis = y as usize % self.dims(x).len();
                let needs_some = !matches!(which % SHAPE, 0 | 1 | 4);
                let is_empty = self.dims(x)[axis] == 0;
                (!(needs_some && is_empty)).then_some(())?;
                plain(Plain::Shape(which % SHAPE, x, axis))
            }
            14 => self.chosen(gene),
            15 => match k % 3 {
                0 => plain(Plain::Matmul(
                    self.pick(x, |x| self.is_float(x) && self.dims(x).len() == 2)?,
                )),
                1 => plain(Plain::Detach(self.float(x)?)),
                _ => plain(Plain::Cast(self.float(x)?)),
            },
            28.. => {
                let a = self.float(x)?;
                let b = self.pick(y, |b| self.is_float(b) && broadcasts(self, a, b))?;
                let still = [a, b].map(|x| self.requires(x));
                plain(Plain::Silent([a, b], still))
            }
            16 | 17 => {
                let ys = self.outputs(x, y, k)?;
                let by = self.input(z, &ys, |_| true)?;
                let mut pairs = vec![(by, self.like(k, by)?)];
                if k & 6 != 0 {
                    // Another one, or the same again.
                    let by = self.input(k >> 3, &ys, |_| true)?;
                    pairs.push((by, self.like(z, by)?));
                }
                self.is_shallow(&ys, 1).then_some(Step::Jvp(ys, pairs, 0))
            }
            18 | 19 => {
                let ys = self.outputs(x, y, k)?;
                let with = |y: &usize| Some((*y, self.like(z, *y)?));
                let roots = ys.iter().filter(|&&y| self.requires(y) && self.is_float(y));
                let roots = roots.map(with).collect::<Option<Vec<_>>>()?;
                let by = self.input(z, &ys, |x| self.requires(x))?;
                let is_some = !roots.is_empty() && self.is_shallow(&ys, 1);
                is_some.then_some(Step::Grad(roots, by))
            }
            20 => {
                let y = self.float(x)?;
                let x = self.input(z, &[y], |x| x + 1 < LEAVES)?;
                let is_some = self.requires(y) && self.is_shallow(&[y], 2);
                is_some.then_some(Step::Hvp(y, x, self.like(k, x)?))
            }
            21 | 22 | 24 => {
                let ys = self.outputs(x, y, k)?;
                let by = self.input(z, &ys, |_| true)?;
                let is_alike = |own: usize| {
                    move |y: usize| {
                        self.is_float(y)
                            && self.dims(y) == self.dims(own)
                            && self.requires(y) == self.requires(own)
                    }
                };
                let mut pairs = vec![(by, self.pick(k, is_alike(by))?)];
                if k & 8 != 0 && by < LEAVES {
                    let other = (by + 1) % LEAVES;
                    pairs.push((other, self.pick(k, is_alike(other))?));
                }
                Some(Step::Vmap(ys, pairs, k & 112 == 0, 0))
            }
            23 => {
                let y = self.float(x)?;
                let x = self.input(z, &[y], |x| x + 1 < LEAVES)?;
                if k & 1 == 0 {
                    let is_some = self.len(x) * self.len(y) <= MOST && self.is_shallow(&[y], 1);
                    is_some.then_some(Step::Jacobian(y, x))
                } else {
                    let is_small = self.len(x) * self.len(x) <= MOST;
                    let is_some = self.requires(y) && is_small && self.is_shallow(&[y], 2);
                    is_some.then_some(Step::Hessian(y, x))
                }
            }
            _ => None,
        }
    }

    fn chosen(&self, gene: &Gene) -> Option<Step> {
        let Gene { x, y, k, .. } = *gene;
        let a = self.float(x)?;
        let b = self.pick(y, |b| self.is_float(b) && broadcasts(self, a, b))?;
        let has_places = |x: usize| self.len(x) > 0 && !self.dims(x).is_empty();
        let step = match k % 4 {
            0 => Plain::Above(a, b),
            1 => Plain::Choose(a, b),
            2 => {
                let a = self.pick(x, |x| self.is_float(x) && has_places(x))?;
                Plain::Largest(a, y as usize % self.dims(a).len())
            }
            _ => {
                let is_place =
                    |x: &usize| matches!(self.steps[*x], Step::Plain(Plain::Largest(..)));
                let places = self.pick(x, |x| is_place(&x))?;
                let Step::Plain(Plain::Largest(own, axis)) = self.steps[places] else {
                    return None;
                };
                Plain::Gather(self.like(y, own)?, places, axis)
            }
        };
        Some(Step::Plain(step))
    }

    /// One or two outputs, of any type.
    fn outputs(&self, x: u8, y: u8, k: u8) -> Option<Vec<usize>> {
        let mut ys = vec![self.float(x)?];
        if k & 3 == 3 {
            ys.push(self.pick(y, |_| true)?);
        }
        Some(ys)
    }

    /// Records what a gene says.
    pub(crate) fn play(&mut self, gene: &Gene) -> Result<()> {
        if (25..28).contains(&(gene.op % 31)) {
            // Looked at, at once.
            if let Some(x) = self.pick(gene.x, |x| self.is_float(x)) {
                self.pool[x].to_vec::<f64>()?;
                self.read[x].get_or_insert(self.steps.len());
            }
            return Ok(());
        }
        let Some(step) = self.resolve(gene) else { return Ok(()) };
        let before = self.graph.len();
        let made = match self.record(&step) {
            Ok(made) => made,
            Err(error) => return self.refused(&step, error),
        };
        self.graph.check()?;
        assert!(!self.must_refuse(&step), "a value on the way of {step:?} was read");
        let is_new = self.graph.len() > before;
        for (k, var) in made.into_iter().enumerate() {
            let len: usize = var.shape()?.iter().product();
            // (A view of everything is the tensor itself.)
            if len <= MOST && is_new && var.shape()?.len() <= 4 {
                let mut step = step.clone();
                if let Step::Jvp(.., which) | Step::Vmap(.., which) = &mut step {
                    *which = k;
                }
                self.push(step, var);
            }
        }
        Ok(())
    }

    /// Whether a value on the way of a batch, or computed from one, was read before the last of what is mapped was
    /// recorded; and whether that is certain: what a derivative is made of hangs on its rule.
    fn is_read_between(&self, step: &Step) -> Option<bool> {
        let Step::Vmap(ys, pairs, ..) = step else { return None };
        let is_input = |z: usize| pairs.iter().any(|pair| pair.0 == z);
        let inputs = || pairs.iter().map(|pair| pair.0);
        let leads = |z: usize| !is_input(z) && inputs().any(|x| x < z && self.downstream(x)[z]);
        let last = ys.iter().copied().filter(|&y| leads(y)).max()?;
        let early = |z: usize| self.read[z].is_some_and(|at| at <= last);
        if !(0..self.steps.len()).any(|z| early(z) && leads(z)) {
            return None;
        }
        // What is on the way, without steps past an input; and what is made of it.
        let mut on_way = vec![false; self.steps.len()];
        on_way[last] = true;
        for z in (0..=last).rev().filter(|&z| !is_input(z)) {
            if on_way[z] {
                self.steps[z].operands().into_iter().for_each(|operand| on_way[operand] = true);
            }
        }
        let is_within = |z: usize| on_way[z] && leads(z);
        let is_plain = |z: &usize| !self.steps[*z].is_transform();
        let way: Vec<_> = (0..=last).filter(|&z| is_within(z)).collect();
        let made = |z: usize| way.iter().any(|&from| from == z || self.made_plainly(from)[z]);
        let is_certain = way.iter().all(is_plain) && (0..last).any(|z| early(z) && made(z));
        Some(is_certain)
    }

    /// What is made of a step by plain steps.
    fn made_plainly(&self, from: usize) -> Vec<bool> {
        let mut made = vec![false; self.steps.len()];
        made[from] = true;
        for z in from + 1..self.steps.len() {
            let step = &self.steps[z];
            made[z] = !step.is_transform() && step.operands().iter().any(|&x| made[x]);
        }
        made
    }

    fn must_refuse(&self, step: &Step) -> bool {
        self.is_read_between(step) == Some(true)
    }

    fn refused(&mut self, step: &Step, error: Error) -> Result<()> {
        let told = error.to_string();
        let was_read = error.kind() == ErrorKind::Argument && told.contains("was read");
        if was_read && self.is_read_between(step).is_some() {
            self.refused += 1;
            return Ok(());
        }
        Err(error)
    }

    fn record(&self, step: &Step) -> Result<Vec<Var<'g>>> {
        let (graph, of) = (self.graph, |x: usize| self.pool[x]);
        // (A node of its own: the tangent of what is moved is the one that was given.)
        let own = |all: Vec<Var<'g>>| all.into_iter().map(|x| x.neg()).collect::<Vec<_>>();
        Ok(match step {
            Step::Leaf(_) => unreachable!(),
            Step::Plain(plain) => vec![plain.record(graph, &self.pool)],
            Step::Jvp(ys, pairs, _) => {
                let ys: Vec<_> = ys.iter().map(|&y| of(y)).collect();
                let pairs: Vec<_> = pairs.iter().map(|&(x, t)| (of(x), of(t))).collect();
                let moved = graph.jvp(&ys, &pairs)?;
                own(moved.into_iter().map(|x| x.cast(DType::F64)).collect())
            }
            Step::Grad(roots, x) => {
                let roots: Vec<_> = roots.iter().map(|&(y, u)| (of(y), Some(of(u)))).collect();
                let found = graph.grad_allow_unused(&roots, &[of(*x)])?[0];
                own(vec![found.unwrap_or_else(|| graph.zeros::<f64>(&self.dims(*x)))])
            }
            Step::Hvp(y, x, t) => own(graph.hvp(of(*y).sum(), &[(of(*x), of(*t))])?),
            Step::Vmap(ys, pairs, is_empty, _) => {
                let ys: Vec<_> = ys.iter().map(|&y| of(y)).collect();
                let pairs: Vec<_> = pairs
                    .iter()
                    .map(|&(x, other)| {
                        let both = graph.stack(&[of(x), of(other)], 0);
                        (of(x), if *is_empty { both.slice(0, 0, 0, 1) } else { both })
                    })
                    .collect();
                let many = graph.vmap(&ys, &pairs)?;
                own(many.into_iter().map(|x| x.cast(DType::F64)).collect())
            }
            Step::Jacobian(y, x) => own(vec![graph.jacobian(of(*y), of(*x))]),
            Step::Hessian(y, x) => own(vec![graph.hessian(of(*y).sum(), of(*x))]),
        })
    }

    /// How many transforms there are of each other in a step.
    pub(crate) fn depth(&self, x: usize) -> usize {
        self.depth[x]
    }

    pub(crate) fn to_text(&self) -> String {
        let line = |(k, step): (usize, &Step)| {
            let read = if self.read[k].is_some() { ", read" } else { "" };
            format!("#{k} = {step:?}: {:?}{read}", self.dims(k))
        };
        self.steps.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// Whether two broadcast, and not to too much.
fn broadcasts(recording: &Recording<'_>, a: usize, b: usize) -> bool {
    let (a, b) = (recording.dims(a), recording.dims(b));
    let (long, short) = if a.len() < b.len() { (b, a) } else { (a, b) };
    let behind = long.len() - short.len();
    let pairs = long[behind..].iter().zip(&short);
    let len: usize = pairs.clone().map(|(a, b)| a.max(b)).product();
    let fits = pairs.clone().all(|(&a, &b)| a == b || a == 1 || b == 1);
    fits && len * long[..behind].iter().product::<usize>() <= MOST
}

/// Data of a leaf: neither ties nor zeros, and others for another salt.
pub(crate) fn data(leaf: usize, salt: usize, len: usize) -> Vec<f64> {
    let number = |i: usize| {
        let i = i + 5 * leaf + 11 * salt;
        ((i * 37 + leaf) % 29) as f64 / 13.0 - 1.1 + 0.003 * leaf as f64 + 0.0007 * i as f64
    };
    (0..len).map(number).collect()
}
