//! The contraction of terms, tensors with a label for each axis.
//!
//! Axes of length 1 are taken off first (they are repeated wherever a longer one has their label), and
//! what nobody else needs is summed. Then pairs are contracted until one term is left, by matrix
//! products between permutations and reshapes, all of which are views. For a few terms the cheapest
//! order is found, by trying all; of many, those first that leave the smallest results.

use crate::arena::TryPush;
use crate::error::{ErrorKind, Fail, Maybe};
use crate::graph::Core;
use crate::id::NodeId;
use crate::roll_call::Elem;
use crate::shape::{Dims, MAX_RANK};

/// Labels that are letters; behind them are those of the axes that an ellipsis stands for.
pub(super) const LETTERS: usize = 52;
pub(super) const LABELS: usize = LETTERS + MAX_RANK;

/// Terms of which the best order is found.
const FEW: usize = 6;

/// Terms of which the best pair is found.
const MANY: usize = 32;

/// A bit for each label.
pub(super) type Set = u64;

const _: () = assert!(LABELS <= Set::BITS as usize);

pub(super) fn set_of(labels: &[usize]) -> Set {
    labels.iter().fold(0, |set, &label| set | 1 << label)
}

pub(super) fn has(set: Set, label: usize) -> bool {
    set >> label & 1 != 0
}

/// Those of some labels that are in a set.
pub(super) fn among(labels: &[usize], set: Set) -> Dims {
    let mut out = Dims::SCALAR;
    labels.iter().filter(|&&label| has(set, label)).for_each(|&label| out.push(label));
    out
}

/// A tensor with a label for each axis.
#[derive(Clone, Copy)]
pub(super) struct Term {
    pub(super) x: NodeId,
    pub(super) labels: Dims,
}

impl Term {
    const NONE: Self = Self { x: NodeId::NONE, labels: Dims::SCALAR };

    fn set(&self) -> Set {
        set_of(&self.labels)
    }

    /// Those of its labels that are in a set, in its order.
    fn only(&self, set: Set) -> Dims {
        among(&self.labels, set)
    }
}

/// How long the axes of each label are; 1 of those that nobody has.
pub(super) struct Lens(pub(super) [usize; LABELS]);

impl Lens {
    /// Notes a length, unless another is known, which is returned.
    pub(super) fn note(&mut self, label: usize, len: usize) -> Result<(), usize> {
        let known = &mut self.0[label];
        if *known == 1 {
            *known = len;
        }
        if len == *known || len == 1 { Ok(()) } else { Err(*known) }
    }

    /// Elements of a tensor with these axes. (More than fit in an integer, perhaps.)
    fn size(&self, set: Set) -> f64 {
        (0..LABELS).filter(|&label| has(set, label)).map(|label| self.0[label] as f64).product()
    }

    fn of(&self, labels: &[usize]) -> Dims {
        let mut out = Dims::SCALAR;
        labels.iter().for_each(|&label| out.push(self.0[label]));
        out
    }
}

/// Which labels at least one, two and three terms have.
#[derive(Default)]
struct Counts([Set; 3]);

impl Counts {
    fn add(&mut self, set: Set) {
        let [once, twice, thrice] = &mut self.0;
        *thrice |= *twice & set;
        *twice |= *once & set;
        *once |= set;
    }

    /// What a pair of terms has that others have, too.
    fn elsewhere(&self, a: Set, b: Set) -> Set {
        let [_, twice, thrice] = self.0;
        (a ^ b) & twice | a & b & thrice
    }
}

impl Core {
    /// The product of terms with different labels each, summed over all but those of the result. The
    /// lengths are noted.
    pub(super) fn contract(
        &mut self,
        what: &str,
        terms: &mut Vec<Term>,
        lens: &Lens,
        out: &Dims,
    ) -> Maybe<NodeId> {
        let result = set_of(out);
        let mut counts = Counts::default();
        for term in terms.iter_mut() {
            *term = self.without_ones(what, *term)?;
            counts.add(term.set());
        }
        for term in terms.iter_mut() {
            *term = self.without(*term, !(counts.0[1] | result))?;
        }
        while terms.len() > FEW {
            self.contract_two(what, terms, lens, out)?;
        }
        let last = self.contract_few(what, terms, lens, out)?;
        let y = self.arranged(what, last, &among(out, last.set()))?;
        self.reshape_to(what, y, &lens.of(out))
    }

    /// A term without axes of length 1.
    fn without_ones(&mut self, what: &str, term: Term) -> Maybe<Term> {
        let dims = self.shape(term.x);
        let (mut labels, mut longer) = (Dims::SCALAR, Dims::SCALAR);
        for (&label, &len) in term.labels.iter().zip(dims.iter()).filter(|&(_, &len)| len != 1) {
            labels.push(label);
            longer.push(len);
        }
        Ok(Term { x: self.reshape_to(what, term.x, &longer)?, labels })
    }

    /// A term summed over labels.
    fn without(&mut self, term: Term, labels: Set) -> Maybe<Term> {
        let (mut axes, mut count) = ([0; MAX_RANK], 0);
        for (axis, _) in term.labels.iter().enumerate().filter(|&(_, &label)| has(labels, label)) {
            axes[count] = axis as isize;
            count += 1;
        }
        if count == 0 {
            return Ok(term);
        }
        let x = self.sum(term.x, &axes[..count], false)?;
        Ok(Term { x, labels: term.only(!labels) })
    }

    /// Of many terms, contracts those two whose product has the fewest elements more than they.
    fn contract_two(
        &mut self,
        what: &str,
        terms: &mut Vec<Term>,
        lens: &Lens,
        out: &Dims,
    ) -> Maybe<()> {
        let mut counts = Counts::default();
        terms.iter().for_each(|term| counts.add(term.set()));
        let kept = |a: Set, b: Set| (a | b) & set_of(out) | counts.elsewhere(a, b);
        let (mut least, mut best) = (f64::INFINITY, None);
        let first = &terms[..terms.len().min(MANY)];
        for (j, b) in first.iter().enumerate() {
            for (i, a) in first[..j].iter().enumerate() {
                let (a, b) = (a.set(), b.set());
                let kept = kept(a, b);
                let growth = lens.size(kept) - lens.size(a) - lens.size(b);
                if growth < least && kept.count_ones() as usize <= MAX_RANK {
                    (least, best) = (growth, Some((i, j, kept)));
                }
            }
        }
        let Some((i, j, kept)) = best else { return Err(self.rank_between(what)) };
        let b = terms.swap_remove(j);
        terms[i] = self.product(what, [terms[i], b], kept, lens, out)?;
        Ok(())
    }

    #[cold]
    fn rank_between(&mut self, what: &str) -> Fail {
        self.fail(
            ErrorKind::Limit,
            format_args!(
                "{what}: a product of two operands has more than {MAX_RANK} axes, in any order"
            ),
        )
    }

    /// Contracts a few terms in the cheapest order: the best for each subset is made of the best for
    /// the two parts of it that are contracted last.
    fn contract_few(&mut self, what: &str, terms: &[Term], lens: &Lens, out: &Dims) -> Maybe<Term> {
        const SUBSETS: usize = 1 << FEW;
        let all = (1 << terms.len()) - 1;
        let labels = |subset: usize| {
            let members = terms.iter().enumerate().filter(|(i, _)| subset >> i & 1 != 0);
            members.fold(0, |set, (_, term)| set | term.set())
        };
        let mut kept = [0; SUBSETS];
        let (mut cost, mut part) = ([0.0; SUBSETS], [0; SUBSETS]);
        for subset in 1..=all {
            kept[subset] = labels(subset) & (set_of(out) | labels(all & !subset));
            if subset.count_ones() == 1 {
                continue;
            }
            let size = lens.size(kept[subset]);
            cost[subset] = f64::INFINITY;
            let mut a = (subset - 1) & subset;
            // Each pair of parts once.
            while a > subset ^ a {
                let b = subset ^ a;
                let work = cost[a] + cost[b] + lens.size(kept[a] | kept[b]) + size;
                if work < cost[subset] && kept[subset].count_ones() as usize <= MAX_RANK {
                    (cost[subset], part[subset]) = (work, b);
                }
                a = (a - 1) & subset;
            }
        }
        if cost[all] == f64::INFINITY {
            return Err(self.rank_between(what));
        }
        // Parts have smaller numbers than what they are parts of.
        let mut is_needed = [false; SUBSETS];
        is_needed[all] = true;
        for subset in (1..=all).rev().filter(|subset| subset.count_ones() > 1) {
            if is_needed[subset] {
                is_needed[part[subset]] = true;
                is_needed[subset ^ part[subset]] = true;
            }
        }
        let mut made = [Term::NONE; SUBSETS];
        for subset in (1..=all).filter(|&subset| is_needed[subset]) {
            made[subset] = match subset.count_ones() {
                1 => terms[subset.trailing_zeros() as usize],
                _ => {
                    let parts = [part[subset], subset ^ part[subset]].map(|part| made[part]);
                    self.product(what, parts, kept[subset], lens, out)?
                }
            };
        }
        Ok(made[all])
    }

    /// The product of two terms, summed over what is not kept.
    fn product(
        &mut self,
        what: &str,
        [a, b]: [Term; 2],
        kept: Set,
        lens: &Lens,
        out: &Dims,
    ) -> Maybe<Term> {
        let both = a.set() & b.set();
        let (batch, inner) = (both & kept, both & !kept);
        let (rows, columns) = (a.set() & !both, b.set() & !both);
        if inner == 0 || rows | columns == 0 {
            return self.product_by_element([a, b], kept, lens, out, what);
        }
        // The result's order, as far as it is one of rows and columns.
        let first = out.iter().find(|&&label| has(rows | columns, label));
        let is_swapped = first.is_some_and(|&label| has(columns, label));
        let (a, b) = if is_swapped { (b, a) } else { (a, b) };
        let (rows, columns) = if is_swapped { (columns, rows) } else { (rows, columns) };
        // What both have is in the order of the larger one, which may need no copy then.
        let model = if lens.size(a.set()) < lens.size(b.set()) { b } else { a };
        let (batch, inner) = (model.only(batch), model.only(inner));
        let (rows, columns) = (a.only(rows), b.only(columns));
        let left = self.matrices(what, a, [&batch, &rows, &inner], lens)?;
        let right = self.matrices(what, b, [&batch, &inner, &columns], lens)?;
        let y = self.matmul(left, right)?;
        let mut labels = batch;
        rows.iter().chain(columns.iter()).for_each(|&label| labels.push(label));
        Ok(Term { x: self.reshape_to(what, y, &lens.of(&labels))?, labels })
    }

    /// A term as matrices: with the axes of these groups, of which the last two are one axis each.
    fn matrices(
        &mut self,
        what: &str,
        term: Term,
        [batch, rows, columns]: [&Dims; 3],
        lens: &Lens,
    ) -> Maybe<NodeId> {
        let mut order = *batch;
        rows.iter().chain(columns.iter()).for_each(|&label| order.push(label));
        let x = self.arranged(what, term, &order)?;
        // The strides of many axes of the batch are the product's business, as far as it has room.
        let len = |labels: &Dims| lens.of(labels).iter().product();
        let mut dims = lens.of(batch);
        if dims.len() > MAX_RANK - 2 {
            dims = Dims::new(&[len(batch)]);
        }
        dims.push(len(rows));
        dims.push(len(columns));
        self.reshape_to(what, x, &dims)
    }

    /// A term with its axes in this order of labels.
    fn arranged(&mut self, what: &str, term: Term, order: &[usize]) -> Maybe<NodeId> {
        let mut axes = Dims::SCALAR;
        for &label in order {
            axes.push(term.labels.iter().position(|&own| own == label).unwrap_or(0));
        }
        self.permute_by(what, term.x, &axes)
    }

    /// The same where nothing is summed, or all that is not an axis of both.
    fn product_by_element(
        &mut self,
        pair: [Term; 2],
        kept: Set,
        lens: &Lens,
        out: &Dims,
        what: &str,
    ) -> Maybe<Term> {
        let [a, b] = pair;
        // As the result has them, then what it has not got, then what is summed.
        let mut labels = Dims::SCALAR;
        out.iter().filter(|&&label| has(kept, label)).for_each(|&label| labels.push(label));
        let others = a.labels.iter().chain(b.labels.iter()).copied();
        let rest = others.clone().filter(|&label| has(kept, label));
        for label in rest.chain(others.filter(|&label| !has(kept, label))) {
            if !labels.contains(&label) {
                labels.push(label);
            }
        }
        let mut xs = [NodeId::NONE; 2];
        for (x, term) in xs.iter_mut().zip(pair) {
            let (own, mut dims) = (term.set(), lens.of(&labels));
            for (len, &label) in dims.iter_mut().zip(labels.iter()) {
                *len = if has(own, label) { *len } else { 1 };
            }
            *x = self.arranged(what, term, &among(&labels, own))?;
            *x = self.reshape_to(what, *x, &dims)?;
        }
        let [a, b] = xs;
        let product = self.map2(Elem::Mul, a, b)?;
        self.without(Term { x: product, labels }, !kept)
    }

    /// As `contract`, for a list that need not grow.
    pub(super) fn contract_all(
        &mut self,
        what: &str,
        terms: &[Term],
        lens: &Lens,
        out: &Dims,
    ) -> Maybe<NodeId> {
        let mut list = Vec::new();
        for &term in terms {
            list.try_push(term).map_err(|_| self.out_of_memory(what))?;
        }
        self.contract(what, &mut list, lens, out)
    }
}
