//! Sums of products over named axes: einsum, and the products that are one.
//!
//! Here labels are read and checked; `contract` does the rest.

use super::contract::{LABELS, LETTERS, Lens, Set, Term, has};
use crate::arena::TryPush;
use crate::error::{ErrorKind, Fail, Maybe};
use crate::graph::Core;
use crate::id::NodeId;
use crate::roll_call::Elem;
use crate::shape::{Dims, MAX_RANK};

/// The subscripts of an operand, or of the result.
struct Subscripts {
    /// The labels that are letters.
    labels: Dims,
    /// Before which of them the ellipsis is.
    ellipsis: Option<usize>,
}

impl Subscripts {
    /// All labels, with those of so many axes in place of the ellipsis; None if there are too many.
    fn with_ellipsis(&self, axes: usize) -> Option<Dims> {
        let axes = if self.ellipsis.is_some() { axes } else { 0 };
        if self.labels.len() + axes > MAX_RANK {
            return None;
        }
        let (before, after) = self.labels.split_at(self.ellipsis.unwrap_or(0));
        let mut out = Dims::new(before);
        (LABELS - axes..LABELS).for_each(|label| out.push(label));
        after.iter().for_each(|&label| out.push(label));
        Some(out)
    }
}

/// A letter's label: in the order in which the axes of an implicit result are.
fn label_of(letter: char) -> Option<usize> {
    match letter {
        'A'..='Z' => Some(letter as usize - 'A' as usize),
        'a'..='z' => Some(letter as usize - 'a' as usize + LETTERS / 2),
        _ => None,
    }
}

/// A label as users know it.
struct Named(usize);

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 as u8 {
            label @ 0..26 => write!(f, "label '{}'", char::from(b'A' + label)),
            label @ 26..52 => write!(f, "label '{}'", char::from(b'a' + label - 26)),
            label => write!(f, "axis {} of the ellipsis", i32::from(label) - LABELS as i32),
        }
    }
}

impl Core {
    /// Sums of products by Einstein's convention: each axis of each operand has a label, a letter, in
    /// the equation, as in "ij,jk->ik"; products are summed over the labels that the result has not got.
    ///
    /// A label that one operand has twice takes its diagonal. An ellipsis "..." stands for all axes that have
    /// no label; those of several operands are broadcast to one another, and are summed if the result has no
    /// ellipsis. Axes of length 1 are repeated where another operand's are longer. Without "->" the result
    /// has the ellipsis, and then the labels that occur once, capital letters first, by the alphabet. Spaces
    /// do not count.
    ///
    /// Any number of float tensors of one dtype. They are multiplied by matrix products, two at a time, in
    /// the order with the fewest multiplications; of more than six, those first that leave the smallest
    /// result. No intermediate result may have more than 8 axes.
    ///
    /// - PyTorch: `torch.einsum(equation, xs)`
    /// - Cases: `equation='ij,jk->ik', xs=[U(2,3), U(3,4)]`; `equation='ij,jk', xs=[U(2,3), U(3,4)]`;
    ///   `equation='ij,kj->ki', xs=[U(2,3), U(4,3)]`; `equation='ji,jk->ki', xs=[U(3,2), U(3,4)]`;
    ///   `equation='bij,bjk->bik', xs=[U(2,3,4), U(2,4,2)]`; `equation='ij,bjk->bik', xs=[U(3,4), U(2,4,2)]`;
    ///   `equation='bij,jk->bik', xs=[U(2,3,4), U(4,2)]`;
    ///   `equation='bqhd,bkhd->bhqk', xs=[U(2,3,2,4), U(2,5,2,4)]`;
    ///   `equation='bhqk,bkhd->bqhd', xs=[U(2,2,3,4), U(2,4,2,3)]`; `equation='i,i->', xs=[U(3), U(3)]`;
    ///   `equation='i,i', xs=[U(3), U(3)]`; `equation='i,j->ij', xs=[U(3), U(2)]`;
    ///   `equation='i,j->ji', xs=[U(3), U(2)]`; `equation='bi,bi->b', xs=[U(2,3), U(2,3)]`;
    ///   `equation='ij,ij->ij', xs=[U(2,3), U(2,3)]`; `equation='ij,ji->ij', xs=[U(2,3), U(3,2)]`;
    ///   `equation='ij,ij->', xs=[U(2,3), U(2,3)]`; `equation='ij,ij->j', xs=[U(2,3), U(2,3)]`;
    ///   `equation='bi,bj->bij', xs=[U(2,3), U(2,4)]`; `equation='ij,j->i', xs=[U(2,3), U(3)]`;
    ///   `equation='i,ij->j', xs=[U(2), U(2,3)]`; `equation='ij->ji', xs=[U(2,3)]`;
    ///   `equation='ba', xs=[U(2,3)]`; `equation='aB', xs=[U(2,3)]`; `equation='ij->', xs=[U(2,3)]`;
    ///   `equation='ij->j', xs=[U(2,3)]`; `equation='ijk->ki', xs=[U(2,3,4)]`;
    ///   `equation='ii->i', xs=[U(3,3)]`; `equation='ii', xs=[U(3,3)]`; `equation='ii->', xs=[U(0,0)]`;
    ///   `equation='ii->i', xs=[U(1,1)]`; `equation='iji->ji', xs=[U(3,2,3)]`;
    ///   `equation='iii->i', xs=[U(3,3,3)]`; `equation='ijij->ij', xs=[U(2,3,2,3)]`;
    ///   `equation='ii,ij->j', xs=[U(3,3), U(3,2)]`; `equation='ijj,jk->ik', xs=[U(2,3,3), U(3,4)]`;
    ///   `equation='ij,k->i', xs=[U(2,3), U(4)]`; `equation='ijk,jl->il', xs=[U(2,3,4), U(3,2)]`;
    ///   `equation='', xs=[U()]`; `equation='->', xs=[U()]`; `equation=',', xs=[U(), U()]`;
    ///   `equation=',i->i', xs=[U(), U(3)]`; `equation='...', xs=[U(2,3)]`; `equation='...->', xs=[U(2,3)]`;
    ///   `equation='i...->...', xs=[U(2,3)]`; `equation='i...->i', xs=[U(2,3,2)]`;
    ///   `equation='...ij,...jk->...ik', xs=[U(5,1,2,3), U(4,3,2)]`;
    ///   `equation='...ij,...jk', xs=[U(2,2,3), U(3,2)]`; `equation='...i,...i->...', xs=[U(2,3), U(3)]`;
    ///   `equation='i...,j...->ij', xs=[U(2,3), U(4,3)]`; `equation='...ii->...i', xs=[U(2,3,3)]`;
    ///   `equation='b...i,b...j->...ji', xs=[U(2,3,2), U(2,1,4)]`; `equation='i...', xs=[U(2,3,4)]`;
    ///   `equation=' i j , j k -> i k ', xs=[U(2,3), U(3,4)]`; `equation='Ab,bA->A', xs=[U(2,3), U(3,2)]`;
    ///   `equation='ij,jk->ik', xs=[U(2,1), U(3,4)]`; `equation='ij,ij->ij', xs=[U(1,3), U(2,1)]`;
    ///   `equation='i,i->', xs=[U(1), U(3)]`; `equation='i,i->i', xs=[U(1), U(0)]`;
    ///   `equation='ij,jk->ik', xs=[U(2,0), U(0,3)]`; `equation='ij,jk->ik', xs=[U(0,2), U(2,3)]`;
    ///   `equation='ij,jk,kl->il', xs=[U(2,3), U(3,4), U(4,2)]`;
    ///   `equation='ij,jk,kl,lm->im', xs=[U(2,5), U(5,1), U(1,4), U(4,3)]`;
    ///   `equation='i,i,i->i', xs=[U(3), U(3), U(3)]`; `equation='i,j,k->kij', xs=[U(2), U(3), U(4)]`;
    ///   `equation='i,j,k->', xs=[U(2), U(3), U(4)]`;
    ///   `equation='ni,oij,nj->no', xs=[U(4,2), U(3,2,3), U(4,3)]`;
    ///   `equation='ij,ik,il->jkl', xs=[U(3,2), U(3,2), U(3,2)]`;
    ///   `equation='ab,bc,cd,de,ef,fg,ga->', xs=[U(2,2), U(2,2), U(2,2), U(2,2), U(2,2), U(2,2), U(2,2)]`;
    ///   `equation='a,a,a,a,b,b,b,b->ab', xs=[U(2), U(2), U(2), U(2), U(3), U(3), U(3), U(3)]`;
    ///   `equation='ij,jk->ik', xs=[S(1,nan,inf,0,2,-inf).reshape(2,3), S(0,1,2,0,1,1).reshape(3,2)]`;
    ///   `equation='abcdefg,agfedcb->abcdefg', xs=[U(1,2,1,2,1,2,2), U(1,2,2,1,2,1,2)]`;
    ///   `equation='abcdefg,abcdefgh->h', xs=[U(2,1,2,1,2,1,2), U(2,1,2,1,2,1,2,2)]`;
    ///   `equation='abcdefg,abcdefgh->abcdefh', xs=[U(2,2,2,2,1,2,2), U(2,2,2,2,1,2,2,2)]`
    pub(crate) fn einsum(&mut self, equation: &str, xs: &[NodeId]) -> Maybe<NodeId> {
        let what = "einsum";
        let Some(&first) = xs.first() else {
            return Err(self.fail(ErrorKind::Argument, format_args!("{what}: needs an operand")));
        };
        self.need_float(what, first)?;
        for &x in xs {
            self.need_same_float(what, first, x)?;
        }
        let (inputs, output) = match equation.split_once("->") {
            Some((inputs, output)) => (inputs, Some(output)),
            None => (equation, None),
        };
        let (mut terms, mut lens) = (Vec::new(), Lens([1; LABELS]));
        // What occurs once, and more than once.
        let (mut once, mut more) = (0, 0);
        for (i, part) in inputs.split(',').enumerate() {
            let subscripts = self.subscripts(equation, part)?;
            let Some(&x) = xs.get(i) else {
                return Err(self.wrong_count(equation, inputs, xs.len()));
            };
            let labels = self.labels(equation, i, x, &subscripts, &mut lens)?;
            for &label in labels.iter() {
                more |= once & 1 << label;
                once |= 1 << label;
            }
            let pushed = terms.try_push(Term { x, labels });
            pushed.map_err(|_| self.out_of_memory(what))?;
        }
        if terms.len() != xs.len() {
            return Err(self.wrong_count(equation, inputs, xs.len()));
        }
        let out = match output {
            Some(part) => self.explicit_result(equation, part, once)?,
            None => self.implicit_result(equation, once & !more | once >> LETTERS << LETTERS)?,
        };
        for term in &mut terms {
            *term = self.of_equal_labels(what, *term)?;
        }
        self.contract(what, &mut terms, &lens, &out)
    }

    #[cold]
    fn wrong_count(&mut self, equation: &str, inputs: &str, given: usize) -> Fail {
        let named = inputs.split(',').count();
        self.fail(
            ErrorKind::Argument,
            format_args!(
                "einsum: {equation:?} has subscripts for {named} operands, not for {given}"
            ),
        )
    }

    /// What stands between commas, or behind the arrow.
    fn subscripts(&mut self, equation: &str, part: &str) -> Maybe<Subscripts> {
        let mut out = Subscripts { labels: Dims::SCALAR, ellipsis: None };
        let mut rest = part;
        while let Some(c) = rest.chars().next() {
            let position = rest.as_ptr() as usize - equation.as_ptr() as usize;
            let is_ellipsis = rest.starts_with("...");
            if c == ' ' {
            } else if let Some(label) = label_of(c) {
                if out.labels.len() == MAX_RANK {
                    return Err(self.fail(
                        ErrorKind::Limit,
                        format_args!(
                            "einsum: at position {position} of {equation:?}: no tensor has more than \
                             {MAX_RANK} axes"
                        ),
                    ));
                }
                out.labels.push(label);
            } else if is_ellipsis && out.ellipsis.is_none() {
                out.ellipsis = Some(out.labels.len());
            } else {
                let wanted = match (c, is_ellipsis) {
                    ('.', true) => "one ellipsis is all that there may be",
                    ('.', false) => "an ellipsis has three dots",
                    ('-' | '>', _) => "there may be one arrow \"->\"",
                    (',', _) => "there is one result",
                    _ => "a label is a letter from a to z or A to Z",
                };
                return Err(self.fail(
                    ErrorKind::Argument,
                    format_args!(
                        "einsum: at position {position} of {equation:?}: {c:?} where {wanted}"
                    ),
                ));
            }
            rest = &rest[if is_ellipsis { 3 } else { c.len_utf8() }..];
        }
        Ok(out)
    }

    /// The labels of an operand's axes, whose lengths are noted.
    fn labels(
        &mut self,
        equation: &str,
        operand: usize,
        x: NodeId,
        subscripts: &Subscripts,
        lens: &mut Lens,
    ) -> Maybe<Dims> {
        let what = "einsum";
        let (dims, named) = (self.shape(x), subscripts.labels.len());
        let labels = match dims.len().checked_sub(named) {
            Some(0) => subscripts.with_ellipsis(0),
            Some(more) if subscripts.ellipsis.is_some() => subscripts.with_ellipsis(more),
            _ => None,
        };
        let Some(labels) = labels else {
            return Err(self.fail(
                ErrorKind::Shape,
                format_args!(
                    "{what}: {equation:?} has {named} labels for the {} axes of operand {operand}, \
                     {dims:?}",
                    dims.len()
                ),
            ));
        };
        for (axis, (&label, &len)) in labels.iter().zip(dims.iter()).enumerate() {
            let before = labels[..axis].iter().position(|&other| other == label);
            if let Some(other) = before.map(|before| dims[before]).filter(|&other| other != len) {
                return Err(self.fail(
                    ErrorKind::Shape,
                    format_args!(
                        "{what}: {} of {equation:?} is for axes of {other} and {len} elements of \
                         operand {operand}, {dims:?}, which has no diagonal",
                        Named(label)
                    ),
                ));
            }
            if let Err(other) = lens.note(label, len) {
                return Err(self.fail(
                    ErrorKind::Shape,
                    format_args!(
                        "{what}: {} of {equation:?} is for an axis of {len} elements of operand \
                         {operand}, {dims:?}, and of {other} of an operand before it",
                        Named(label)
                    ),
                ));
            }
        }
        Ok(labels)
    }

    /// The labels of the result that an equation names; `known` are those of the operands.
    fn explicit_result(&mut self, equation: &str, part: &str, known: Set) -> Maybe<Dims> {
        let subscripts = self.subscripts(equation, part)?;
        let mut seen = 0;
        for &label in subscripts.labels.iter() {
            let wrong = match (has(known, label), has(seen, label)) {
                (false, _) => "no operand has it",
                (_, true) => "the result has it twice",
                _ => "",
            };
            if !wrong.is_empty() {
                return Err(self.fail(
                    ErrorKind::Argument,
                    format_args!("einsum: {} of {equation:?}: {wrong}", Named(label)),
                ));
            }
            seen |= 1 << label;
        }
        match subscripts.with_ellipsis((known >> LETTERS).count_ones() as usize) {
            Some(labels) => Ok(labels),
            None => Err(self.result_is_too_large(equation)),
        }
    }

    /// The labels of a result that an equation does not name.
    fn implicit_result(&mut self, equation: &str, labels: Set) -> Maybe<Dims> {
        if labels.count_ones() as usize > MAX_RANK {
            return Err(self.result_is_too_large(equation));
        }
        let mut out = Dims::SCALAR;
        let order = (LETTERS..LABELS).chain(0..LETTERS);
        order.filter(|&label| has(labels, label)).for_each(|label| out.push(label));
        Ok(out)
    }

    #[cold]
    fn result_is_too_large(&mut self, equation: &str) -> Fail {
        self.fail(
            ErrorKind::Limit,
            format_args!("einsum: the result of {equation:?} has more than {MAX_RANK} axes"),
        )
    }

    /// A term whose labels are different ones: where two axes have one, there is their diagonal.
    fn of_equal_labels(&mut self, what: &str, term: Term) -> Maybe<Term> {
        let Term { mut x, mut labels } = term;
        while let Some(second) = (1..labels.len()).find(|&at| labels[..at].contains(&labels[at])) {
            let label = labels[second];
            let dims = self.shape(x);
            let (mut order, mut flat, mut rest) = (Dims::SCALAR, Dims::SCALAR, Dims::SCALAR);
            let first = labels.iter().position(|&other| other == label).unwrap_or(0);
            for axis in (0..dims.len()).filter(|&axis| axis != first && axis != second) {
                order.push(axis);
                flat.push(dims[axis]);
                rest.push(labels[axis]);
            }
            order.push(first);
            order.push(second);
            let len = dims[first];
            flat.push(len * len);
            rest.push(label);
            x = self.permute_by(what, x, &order)?;
            x = self.reshape_to(what, x, &flat)?;
            if len > 1 {
                x = self.slice_by(x, flat.len() - 1, 0, len, len + 1)?;
            }
            labels = rest;
        }
        Ok(Term { x, labels })
    }

    /// Products summed over pairs of axes: axes_a[i] of a with axes_b[i] of b, which must have one length
    /// each, or one of them 1. The result has the other axes of a, and then those of b. Without axes it has
    /// all products.
    ///
    /// - PyTorch: `torch.tensordot(a, b, (list(axes_a), list(axes_b)))`
    /// - Cases: `a=U(2,3), b=U(3,4), axes_a=[1], axes_b=[0]`;
    ///   `a=U(2,3,4), b=U(4,3,2), axes_a=[1,2], axes_b=[1,0]`;
    ///   `a=U(2,3), b=U(2,3), axes_a=[0,1], axes_b=[0,1]`;
    ///   `a=U(2,3), b=U(2,3), axes_a=[-1,0], axes_b=[-1,0]`; `a=U(2), b=U(3), axes_a=[], axes_b=[]`;
    ///   `a=U(), b=U(3), axes_a=[], axes_b=[]`; `a=U(2,0), b=U(0,3), axes_a=[1], axes_b=[0]`;
    ///   `a=U(2,3), b=U(1,4), axes_a=[1], axes_b=[0]`; `a=U(2,3,2), b=U(3,2), axes_a=[0], axes_b=[-1]`
    pub(crate) fn tensordot(
        &mut self,
        a: NodeId,
        b: NodeId,
        axes_a: &[isize],
        axes_b: &[isize],
    ) -> Maybe<NodeId> {
        let what = "tensordot";
        self.need_same_float(what, a, b)?;
        let (left, right) = (self.shape(a), self.shape(b));
        if axes_a.len() != axes_b.len() {
            return Err(self.fail(
                ErrorKind::Argument,
                format_args!("{what}: needs pairs of axes, not {axes_a:?} and {axes_b:?}"),
            ));
        }
        let mut lens = Lens([1; LABELS]);
        let (mut of_a, mut of_b) = (left, right);
        of_a.iter_mut().enumerate().for_each(|(axis, label)| *label = axis);
        of_b.iter_mut().enumerate().for_each(|(axis, label)| *label = MAX_RANK + axis);
        let mut summed = 0;
        for (&i, &j) in axes_a.iter().zip(axes_b) {
            let (i, j) = (self.axis(what, i, left.len())?, self.axis(what, j, right.len())?);
            let (Some(&x), Some(&y)) = (left.get(i), right.get(j)) else {
                return Err(self.fail(
                    ErrorKind::Argument,
                    format_args!("{what}: a 0-d tensor has no axis to sum over"),
                ));
            };
            if has(summed, i) || of_b[j] < MAX_RANK {
                return Err(self.fail(
                    ErrorKind::Argument,
                    format_args!("{what}: an axis appears twice in {axes_a:?} or in {axes_b:?}"),
                ));
            }
            if x != y && x != 1 && y != 1 {
                return Err(self.refuse_pair(a, b, |slot, a, b| {
                    slot.set(
                        ErrorKind::Shape,
                        format_args!(
                            "{what}: axis {i} of {a} and axis {j} of {b} differ: {x} and {y}"
                        ),
                    )
                }));
            }
            of_b[j] = i;
            summed |= 1 << i;
        }
        let free = |labels: &Dims| labels.iter().filter(|&&label| !has(summed, label)).count();
        if free(&of_a) + free(&of_b) > MAX_RANK {
            return Err(self.refuse_pair(a, b, |slot, a, b| {
                slot.set(
                    ErrorKind::Limit,
                    format_args!(
                        "{what}: the product of {a} and {b} has more than {MAX_RANK} axes"
                    ),
                )
            }));
        }
        let mut out = Dims::SCALAR;
        for (labels, dims) in [(&of_a, &left), (&of_b, &right)] {
            for (&label, &len) in labels.iter().zip(dims.iter()) {
                let _fits_or_is_one = lens.note(label, len);
                if !has(summed, label) {
                    out.push(label);
                }
            }
        }
        let terms = [Term { x: a, labels: of_a }, Term { x: b, labels: of_b }];
        self.contract_all(what, &terms, &lens, &out)
    }

    /// Products summed over the last axis of both, which must have one length. The result has the other axes
    /// of a, and then those of b. With a 0-d tensor, it is their product.
    ///
    /// - PyTorch: `torch.inner(a, b)`
    /// - Cases: `a=U(3), b=U(3)`; `a=U(2,3), b=U(3)`; `a=U(2,3), b=U(4,3)`; `a=U(2,2,3), b=U(2,3)`;
    ///   `a=U(), b=U(2,3)`; `a=U(2,3), b=U()`; `a=U(0), b=U(0)`; `a=U(2,0), b=U(3,0)`
    pub(crate) fn inner(&mut self, a: NodeId, b: NodeId) -> Maybe<NodeId> {
        let what = "inner";
        self.need_same_float(what, a, b)?;
        let (left, right) = (self.shape(a), self.shape(b));
        match (left.last(), right.last()) {
            (Some(x), Some(y)) if x == y => self.tensordot(a, b, &[-1], &[-1]),
            (Some(x), Some(y)) => Err(self.refuse_pair(a, b, |slot, a, b| {
                slot.set(
                    ErrorKind::Shape,
                    format_args!("{what}: the last axes of {a} and {b} differ: {x} and {y}"),
                )
            })),
            _ => self.map2(Elem::Mul, a, b),
        }
    }

    /// y_k = sum a_i weight_kij b_j + bias_k, for vectors along the last axis of `a` and `b`, whose other axes
    /// are the same. The weight has the shape [outputs, inputs of a, inputs of b], the bias [outputs].
    ///
    /// - PyTorch: `F.bilinear(a, b, weight, bias)`
    /// - Cases: `a=U(2,2), b=U(2,3), weight=U(2,2,3), bias=U(2)`;
    ///   `a=U(4,2), b=U(4,3), weight=U(5,2,3), bias=U(5)`; `a=U(2), b=U(3), weight=U(5,2,3), bias=U(5)`;
    ///   `a=U(2,4,2), b=U(2,4,3), weight=U(1,2,3), bias=U(1)`;
    ///   `a=U(0,2), b=U(0,3), weight=U(5,2,3), bias=U(5)`
    pub(crate) fn bilinear(
        &mut self,
        a: NodeId,
        b: NodeId,
        weight: NodeId,
        bias: NodeId,
    ) -> Maybe<NodeId> {
        let what = "bilinear";
        for x in [b, weight, bias] {
            self.need_same_float(what, a, x)?;
        }
        let [left, right, middle, shift] = [a, b, weight, bias].map(|x| self.shape(x));
        let split = |dims: &Dims| dims.split_last().map(|(&last, rest)| (last, Dims::new(rest)));
        let (Some((i, rows)), Some((j, others)), &[k, m, n]) =
            (split(&left), split(&right), &*middle)
        else {
            return Err(self.bilinear_shapes(&left, &right, &middle, &shift));
        };
        if rows != others || (i, j) != (m, n) || *shift != [k] {
            return Err(self.bilinear_shapes(&left, &right, &middle, &shift));
        }
        let count = rows.iter().product();
        let mut lens = Lens([1; LABELS]);
        lens.0[..4].copy_from_slice(&[count, i, j, k]);
        let a = self.reshape_to(what, a, &[count, i])?;
        let b = self.reshape_to(what, b, &[count, j])?;
        let term = |x, labels: &[usize]| Term { x, labels: Dims::new(labels) };
        let terms = [term(a, &[0, 1]), term(weight, &[3, 1, 2]), term(b, &[0, 2])];
        let y = self.contract_all(what, &terms, &lens, &Dims::new(&[0, 3]))?;
        let mut dims = rows;
        dims.push(k);
        let y = self.reshape_to(what, y, &dims)?;
        self.map2(Elem::Add, y, bias)
    }

    #[cold]
    fn bilinear_shapes(&mut self, a: &Dims, b: &Dims, weight: &Dims, bias: &Dims) -> Fail {
        self.fail(
            ErrorKind::Shape,
            format_args!(
                "bilinear: needs [..., i] and [..., j] with a weight [k, i, j] and a bias [k], not \
                 {a:?}, {b:?}, {weight:?} and {bias:?}"
            ),
        )
    }
}
