//! Tensors without elements: every operation on shapes in which axes of length 0 stand beside huge
//! ones, seen through views; forward, backward, twice differentiated, printed. The values are
//! PyTorch's for empty tensors. That work is bounded by elements shows in the plans, and in that the
//! tests end: a walk over 2^32 positions would not.

use std::fmt::Write;

use super::*;
use crate::dtype::DType;
use crate::graph::{Handle, Operand};
use crate::node::{Comparison, Extreme, Ties};
use crate::op::Rule;
use crate::plan::Work;
use crate::print;
use crate::roll_call::Elem;
use crate::session::Session;

const HUGE: usize = 1 << 32;

const SHAPES: &[&[usize]] = &[
    &[0],
    &[0, 3],
    &[3, 0],
    &[0, 0],
    &[2, 0, 3],
    &[2, 3, 0, 4],
    &[HUGE, 0],
    &[0, HUGE],
    &[1 << 30, 0, 0],
    &[HUGE, 5, 0],
    &[HUGE, 0, 1],
    &[5, HUGE, 0],
    &[0, 1 << 30, 5],
    &[1, HUGE, 0, 1],
    &[1 << 29, 0, 1 << 26],
];

/// Elements of the longest result that is computed: sums over an empty axis leave the others.
const RESULT_MAX: usize = 1000;

/// Where there are no elements, or it does not matter which.
const ANY: Option<f64> = None;

/// A graph, and what is looked at.
struct Bench<'a> {
    s: &'a mut Session,
    /// Those that require a gradient.
    leaves: Vec<Handle>,
    /// How many results were looked at.
    count: usize,
}

impl Bench<'_> {
    fn dims(&mut self, x: Handle) -> Vec<usize> {
        self.s.shape(x).unwrap().to_vec()
    }

    fn len(&mut self, x: Handle) -> usize {
        self.dims(x).iter().product()
    }

    fn op(&mut self, x: Handle, f: impl FnOnce(&mut Core, NodeId) -> Maybe<NodeId>) -> Handle {
        self.s.record1("test", x, f)
    }

    /// Looks at a result in every way; all elements must be `want`, if there are any.
    fn check(&mut self, what: &str, y: Handle, want: impl Into<Option<f64>>) {
        if y == Handle::NULL {
            panic!("{what}: {}", self.s.core.error.text());
        }
        let len = self.len(y);
        if len > RESULT_MAX {
            return;
        }
        self.count += 1;
        self.value(what, y, want.into());
        if !self.s.requires_grad(y).unwrap() {
            return;
        }
        let (dims, dtype) = (self.s.shape(y).unwrap(), self.s.dtype(y).unwrap());
        let head = self.s.record(|core| core.full("head", dtype, &dims, 1.0));
        let done = self.s.backward([(y, Some(head))].into_iter());
        assert!(done.is_ok(), "{what}: {}", self.s.core.error.text());
        self.bounded(what);
        for leaf in self.leaves.clone() {
            let count = self.len(leaf);
            let grad = self.s.grad_values::<f64>(leaf).unwrap();
            let is_right = |grad: &[f64]| grad.len() == count && grad.iter().all(|x| *x == 0.0);
            assert!(grad.is_none_or(is_right), "{what}");
        }
        self.s.zero_all_grads();
        // Twice: the sum of a gradient is differentiated again.
        let (mut first, leaves) = (Vec::new(), self.leaves.clone());
        let roots = [(y, Some(head))].into_iter();
        let found = self.s.grad("grad", roots, leaves.into_iter(), true, |_, g| first.push(g));
        assert!(found.is_ok(), "{what}: {}", self.s.core.error.text());
        for g in first.into_iter().filter(|&g| g != Handle::NULL) {
            self.value(what, g, ANY);
            if self.s.requires_grad(g).unwrap() {
                let total = self.op(g, |core, g| core.sum(g, &[], false));
                self.value(what, total, ANY);
                let done = self.s.backward([(total, None)].into_iter());
                assert!(done.is_ok(), "{what} twice: {}", self.s.core.error.text());
                self.s.zero_all_grads();
            }
        }
    }

    /// The value and its text.
    fn value(&mut self, what: &str, y: Handle, want: Option<f64>) {
        let len = self.len(y);
        let id = self.s.core.resolve("test", y).unwrap();
        let done = self.s.evaluate(id);
        assert!(done.is_ok(), "{what}: {}", self.s.core.error.text());
        self.bounded(what);
        let dtype = self.s.dtype(y).unwrap();
        let y = self.op(y, |core, y| core.cast(y, DType::F64));
        let values = self.s.values::<f64>("test", y).unwrap();
        assert_eq!(values.len(), len, "{what}");
        let same = |x: &f64| want.is_none_or(|want| *x == want || x.is_nan() && want.is_nan());
        assert!(values.iter().all(same), "{what} ({dtype}): {values:?}, not {want:?}");
        let mut text = String::new();
        print::tensor(&self.s.core, id, &mut text).unwrap();
        assert!(text.len() < 100_000 && (len > 0 || text == "[]"), "{what}: {text:.100}");
    }

    /// No step of the last plan walks over more than there is.
    fn bounded(&mut self, what: &str) {
        let Some(plan) = self.s.engine().last_plan() else { return };
        let mut text = String::new();
        write!(text, "{plan}").unwrap();
        plan.dot(&mut text).unwrap();
        assert!(text.len() < 100_000, "{what}");
        let most = plan.data.iter().map(|datum| datum.len).max().unwrap_or(0);
        assert!(most <= RESULT_MAX, "{what}: {most} elements");
        for step in plan.steps() {
            if let Work::Fused(number) = step.work {
                assert!(plan.programs[number as usize].len <= RESULT_MAX, "{what}");
            }
        }
    }
}

fn leaf(s: &mut Session, dims: &[usize]) -> Handle {
    s.record(|core| {
        let id = core.full("x", DType::F64, dims, 0.5)?;
        core.set_requires_grad(id, true)?;
        Ok(id)
    })
}

/// The same shape, or another without elements, seen in other ways.
fn views(b: &mut Bench<'_>, x: Handle) -> Vec<Handle> {
    let dims = b.dims(x);
    let rank = dims.len() as isize;
    let mut all = vec![x];
    all.push(b.op(x, |core, x| core.permute(x, &(0..rank).rev().collect::<Vec<_>>())));
    for axis in 0..rank {
        all.push(b.op(x, |core, x| core.slice(x, axis, 0, 0, 1)));
        all.push(b.op(x, |core, x| core.slice(x, axis, 1, isize::MAX, isize::MAX)));
        all.push(b.op(x, |core, x| core.slice(x, axis, 0, isize::MAX, 2)));
    }
    let mut wide = vec![3isize];
    wide.extend(dims.iter().map(|&d| d as isize));
    all.push(b.op(x, |core, x| core.expand(x, &wide)));
    all.push(b.op(x, |core, x| core.reshape(x, &[7, 0, 5])));
    let last = *all.last().unwrap();
    all.push(b.op(last, |core, x| core.transpose(x, 0, 2)));
    for x in &all {
        assert_ne!(*x, Handle::NULL, "{}", b.s.core.error.text());
    }
    all
}

/// An empty view of something that has elements, as the cotangent's block is one, too.
fn cuts(b: &mut Bench<'_>) -> Vec<Handle> {
    let square = leaf(b.s, &[2, 2]);
    let cube = leaf(b.s, &[5, 5, 10]);
    b.leaves.extend([square, cube]);
    let turned = b.op(square, |core, x| core.transpose(x, 0, 1));
    let first = b.op(turned, |core, x| core.slice(x, 0, 0, 0, 1));
    let stepped = b.op(cube, |core, x| core.slice(x, -1, 1, isize::MAX, 2));
    let turned = b.op(stepped, |core, x| core.permute(x, &[2, 1, 0]));
    let second = b.op(turned, |core, x| core.slice(x, 1, 0, 0, 1));
    vec![first, second]
}

/// Node by node, by plans, and by plans of one node a step.
const WAYS: [fn(&mut Session); 3] =
    [|_| {}, |s| s.engine().always_plan(), |s| s.engine().set_fusion(false)];

fn over_every_view(f: impl Fn(&mut Bench<'_>, Handle)) -> usize {
    let mut count = 0;
    for way in WAYS {
        for dims in SHAPES {
            let s = &mut Session::new();
            way(s);
            let x = leaf(s, dims);
            let mut b = Bench { s, leaves: vec![x], count: 0 };
            let mut all = views(&mut b, x);
            all.extend(cuts(&mut b));
            for x in all {
                if x != Handle::NULL {
                    f(&mut b, x);
                }
            }
            count += b.count;
        }
    }
    count
}

#[test]
fn elementwise_operations_of_nothing() {
    let count = over_every_view(|b, x| {
        for &elem in Elem::ALL {
            let y = match Rule::of(elem).domain.len() {
                1 => b.s.map(elem, x),
                _ => {
                    let y = b.s.map_scalar(elem, x, 1.5);
                    b.check("with a number", y, ANY);
                    b.s.map2(elem, x, x)
                }
            };
            b.check(Rule::of(elem).name, y, ANY);
        }
        let one = b.s.record(|core| core.full("one", DType::F64, &[1], 1.0));
        let y = b.s.map2(Elem::Mul, x, one);
        b.check("mul", y, ANY);
        let mask = b.op(x, |core, x| core.compare(Comparison::Lt, x, Operand::Constant(0.0)));
        b.check("lt", mask, ANY);
        let y = b.op(x, |core, x| {
            let mask = core.compare(Comparison::Eq, x, x)?;
            core.where_(mask, x, Operand::Constant(2.0))
        });
        b.check("where", y, ANY);
        for dtype in [DType::F32, DType::I64, DType::U8] {
            let y = b.op(x, |core, x| core.cast(x, dtype));
            if dtype.is_float() {
                b.value("cast", y, ANY);
            } else {
                b.check("cast", y, ANY);
            }
        }
        for y in [
            b.op(x, |core, x| core.clamp(x, Some(0.0), Some(1.0))),
            b.op(x, |core, x| core.dropout(x, 0.5)),
            b.op(x, |core, x| core.detach(x)),
            b.s.snapshot(x),
        ] {
            b.check("clamp, dropout, detach, snapshot", y, ANY);
        }
    });
    assert!(count > 1000, "{count}");
}

#[test]
fn reductions_of_nothing_are_what_pytorch_says() {
    let count = over_every_view(|b, x| {
        let dims = b.dims(x);
        let rank = dims.len() as isize;
        let mut choices = vec![vec![]];
        choices.extend((0..rank).map(|axis| vec![axis]));
        choices.extend((1..rank).map(|axis| vec![0, axis]));
        for axes in choices {
            let reduced = |axis: usize| axes.is_empty() || axes.contains(&(axis as isize));
            let count = (0..dims.len()).filter(|&axis| reduced(axis)).map(|axis| dims[axis]);
            let none = count.product::<usize>() == 0;
            for keep in [false, true] {
                let y = b.op(x, |core, x| core.sum(x, &axes, keep));
                b.check("sum", y, 0.0);
                let y = b.op(x, |core, x| core.mean(x, &axes, keep));
                b.check("mean", y, f64::NAN);
                let y = b.op(x, |core, x| core.logsumexp(x, &axes, keep));
                b.check("logsumexp", y, f64::NEG_INFINITY);
                let y = b.op(x, |core, x| core.prod(x, &axes, keep));
                b.check("prod", y, 1.0);
                for p in [1.0, 2.0, 3.0, 0.5] {
                    let y = b.op(x, |core, x| core.norm(x, p, &axes, keep));
                    b.check("norm", y, 0.0);
                }
                for correction in [0.0, 1.0] {
                    let y = b.op(x, |core, x| core.var(x, correction, &axes, keep));
                    b.check("var", y, f64::NAN);
                }
                for which in [Extreme::Max, Extreme::Min] {
                    for ties in [Ties::First, Ties::Even, Ties::EvenNan] {
                        let single = axes.len() == 1 || ties != Ties::First;
                        if !single {
                            continue;
                        }
                        let y = b.op(x, |core, x| core.extreme_with(which, ties, x, &axes, keep));
                        assert_eq!(y == Handle::NULL, none, "an extreme of nothing");
                        if none {
                            b.s.core.error.clear();
                        } else {
                            b.check("extreme", y, ANY);
                        }
                    }
                    if axes.len() < 2 {
                        let axis = axes.first().copied();
                        let y = b.op(x, |core, x| core.arg_extreme(which, x, axis, keep));
                        assert_eq!(y == Handle::NULL, none, "the place of an extreme of nothing");
                        if none {
                            b.s.core.error.clear();
                        } else {
                            b.check("arg", y, ANY);
                        }
                    }
                }
            }
        }
        for axis in 0..rank {
            let y = b.op(x, |core, x| core.softmax(x, axis));
            b.check("softmax", y, ANY);
            let cut = b.op(y, |core, y| core.slice(y, 0, 0, 0, 1));
            let total = b.op(cut, |core, y| core.sum(y, &[], false));
            b.check("a sum of a cut", total, 0.0);
            let y = b.op(x, |core, x| core.log_softmax(x, axis));
            b.check("log_softmax", y, ANY);
        }
    });
    assert!(count > 1000, "{count}");
}

#[test]
fn moving_and_indexing_nothing() {
    let count = over_every_view(|b, x| {
        let dims = b.dims(x);
        let rank = dims.len() as isize;
        let none = b.s.record(|core| core.full("none", DType::I64, &[0], 0.0));
        let zeros = b.s.record(|core| core.full("zeros", DType::I64, &[2], 0.0));
        for axis in 0..rank {
            let y = b.s.record2("select", x, none, |core, x, at| core.index_select(x, axis, at));
            b.check("index_select of none", y, ANY);
            let y = b.s.record2("select", x, zeros, |core, x, at| core.index_select(x, axis, at));
            if dims[axis as usize] > 0 {
                b.check("index_select", y, ANY);
            } else if b.len(y) <= RESULT_MAX {
                assert!(b.s.eval(y).is_err(), "an index of an axis of length 0");
                b.s.core.error.clear();
            }
            let cut = dims.iter().map(|&d| if d == 0 { 0 } else { 1 }).collect::<Vec<_>>();
            let at = b.s.record(|core| core.full("at", DType::I64, &cut, 0.0));
            let y = b.s.record2("gather", x, at, |core, x, at| core.gather(x, axis, at));
            b.check("gather", y, ANY);
            let xs = [x, x];
            let y = b.s.record_all("concat", xs.into_iter(), |core, xs| core.concat(xs, axis));
            b.check("concat", y, ANY);
            // Beside something that has elements.
            let mut full = dims.clone();
            full[axis as usize] = 2;
            if dims.iter().filter(|&&d| d == 0).count() == 1 && dims[axis as usize] == 0 {
                let whole: usize = full.iter().product();
                if whole <= RESULT_MAX {
                    let ones = b.s.record(|core| core.full("ones", DType::F64, &full, 1.0));
                    let xs = [x, ones, x];
                    let y =
                        b.s.record_all("concat", xs.into_iter(), |core, xs| core.concat(xs, axis));
                    b.check("concat with some", y, 1.0);
                }
            }
            let y = b.op(x, |core, x| core.unsqueeze(x, axis));
            b.check("unsqueeze", y, ANY);
        }
        let xs = [x, x];
        let y = b.s.record_all("stack", xs.into_iter(), |core, xs| core.stack(xs, 0));
        b.check("stack", y, ANY);
        let y = b.s.record2("mse", x, x, |core, x, y| core.mse(x, y));
        b.check("mse", y, f64::NAN);
    });
    assert!(count > 1000, "{count}");
}

#[test]
fn products_and_losses_of_nothing() {
    for way in WAYS {
        let sizes: &[[&[usize]; 2]] = &[
            [&[2, 0], &[0, 3]],
            [&[0, 2], &[2, 3]],
            [&[2, 3], &[3, 0]],
            [&[0, 0], &[0, 0]],
            [&[HUGE, 0], &[0, 0]],
            [&[0, HUGE], &[HUGE, 0]],
            [&[1 << 30, 0, 0], &[0, 5]],
            [&[1 << 30, 0, 0], &[1 << 30, 0, 7]],
            [&[HUGE, 5, 0], &[0, 0]],
            [&[0, 2, 3], &[3, 4]],
            [&[4, 2, 0], &[0, 3]],
            [&[0], &[0]],
            [&[3, 0], &[0]],
            [&[0], &[0, 3]],
        ];
        for [left, right] in sizes {
            let s = &mut Session::new();
            way(s);
            let (a, w) = (leaf(s, left), leaf(s, right));
            let mut b = Bench { s, leaves: vec![a, w], count: 0 };
            let y = b.s.record2("matmul", a, w, |core, a, w| core.matmul(a, w));
            b.check("matmul", y, 0.0);
            let y = b.op(y, |core, y| core.map2(Elem::Add, y, Operand::Constant(1.0)));
            b.check("matmul + 1", y, 1.0);
            if left.len() == 1 && right.len() == 1 {
                let y = b.s.record2("dot", a, w, |core, a, w| core.dot(a, w));
                b.check("dot", y, 0.0);
            }
        }
        for dims in [[0usize, 5], [0, 0], [0, HUGE], [3, 0], [0, 1]] {
            let s = &mut Session::new();
            way(s);
            let x = leaf(s, &dims);
            let classes = s.record(|core| core.full("classes", DType::I64, &dims[..1], -100.0));
            let mut b = Bench { s, leaves: vec![x], count: 0 };
            let y = b.s.record2("loss", x, classes, |core, x, c| core.cross_entropy(x, c));
            b.check("cross_entropy", y, f64::NAN);
            if dims == [3, 0] {
                let classes = b.s.record(|core| core.full("classes", DType::I64, &[3], 0.0));
                let y = b.s.record2("loss", x, classes, |core, x, c| core.cross_entropy(x, c));
                assert!(b.s.eval(y).is_err(), "a class where there is none");
                b.s.core.error.clear();
            }
        }
    }
}

/// The gradients of what was cut to nothing are zeros, beside those of others.
#[test]
fn leaves_of_which_nothing_is_used_have_gradients_of_zeros() {
    let s = &mut Session::new();
    let (x, w) = (leaf(s, &[5, 5, 10]), leaf(s, &[3]));
    let y = s.record2("all", x, w, |core, x, w| {
        let y = core.slice(x, -1, 1, isize::MAX, 2)?;
        let y = core.permute(y, &[2, 1, 0])?;
        let cut = core.slice(y, 1, 0, 0, 1)?;
        let (cut, w) = (core.sum(cut, &[], false)?, core.sum(w, &[], false)?);
        core.map2(Elem::Add, cut, w)
    });
    s.backward([(y, None)].into_iter()).unwrap();
    assert_eq!(s.grad_values::<f64>(x).unwrap().unwrap(), [0.0; 250]);
    assert_eq!(s.grad_values::<f64>(w).unwrap().unwrap(), [1.0; 3]);
}
