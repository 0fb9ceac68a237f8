//! L-BFGS between bounds: R. Byrd, P. Lu, J. Nocedal, C. Zhu, "A limited memory algorithm for bound
//! constrained optimization", 1995 (L-BFGS-B).
//!
//! The Hessian that the pairs tell is B = theta - W M W', with a row of W for each variable and two columns
//! for each pair. Along the steepest descent, bent at each bound, the model that has it is followed to its
//! first minimum (the generalised Cauchy point). Variables that are at their bounds there stay; the others
//! go to the minimum of the model and, where that is outside, to the nearest point inside: J. Morales, J.
//! Nocedal, "Remark on algorithm 778", 2011.

use super::bounds::Bounds;
use super::lbfgs::Pair;
use super::minimise::{Stopped, dot, norm, zeros};
use crate::arena::TryPush;

/// Room for one direction after the other.
pub(super) struct Bounded {
    /// Of the pairs that count, from the oldest one on: their numbers.
    used: Vec<usize>,
    theta: f64,
    /// The inverse of M, and what it becomes for free variables.
    middle: Triangular,
    free: Triangular,
    /// Where variables meet their bounds, the next one last.
    meetings: Vec<(f64, u32)>,
    cauchy: Vec<f64>,
    descent: Vec<f64>,
    /// Lists of two numbers for each pair.
    p: Vec<f64>,
    c: Vec<f64>,
    w: Vec<f64>,
    solved: Vec<f64>,
}

impl Bounded {
    pub(super) fn new(n: usize, history: usize) -> Result<Self, Stopped> {
        let small = history.checked_mul(2).ok_or(Stopped::Memory)?;
        let (mut used, mut meetings) = (Vec::new(), Vec::new());
        used.try_room(history)?;
        meetings.try_room(n)?;
        Ok(Self {
            used,
            theta: 1.0,
            middle: Triangular::new(small)?,
            free: Triangular::new(small)?,
            meetings,
            cauchy: zeros(n)?,
            descent: zeros(n)?,
            p: zeros(small)?,
            c: zeros(small)?,
            w: zeros(small)?,
            solved: zeros(small)?,
        })
    }

    /// A step from x to a point between the bounds that lowers the model. Where no pair counts, the one
    /// along the gradient has this length.
    pub(super) fn direct(
        &mut self,
        (pairs, oldest): (&[Pair], usize),
        length: f64,
        bounds: Bounds<'_>,
        x: &[f64],
        gradient: &[f64],
        direction: &mut [f64],
    ) {
        self.look_at(pairs, oldest);
        self.find_cauchy(pairs, length, bounds, x, gradient);
        self.go_on(pairs, bounds, x, gradient, direction);
    }

    /// The pairs that count, and the inverse of M: [-D, L'; L, theta S'S]. Each pair is scaled such that D
    /// is 1, which changes nothing but how it rounds.
    fn look_at(&mut self, pairs: &[Pair], oldest: usize) {
        let Self { used, theta, middle, .. } = self;
        used.clear();
        let numbers = (0..pairs.len()).map(|k| (oldest + k) % pairs.len());
        numbers.filter(|&k| pairs[k].scale != 0.0).for_each(|k| used.push_within(k));
        *theta = used.last().map_or(1.0, |&k| {
            let Pair { changed, scale, .. } = &pairs[k];
            scale * dot(changed, changed)
        });
        let count = used.len();
        middle.clear(2 * count);
        for i in 0..count {
            let a = &pairs[used[i]];
            *middle.at(i, i) = -1.0;
            for j in 0..=i {
                let b = &pairs[used[j]];
                let scale = (a.scale * b.scale).sqrt();
                let square = *theta * scale * dot(&a.moved, &b.moved);
                (*middle.at(count + i, count + j), *middle.at(count + j, count + i)) =
                    (square, square);
                if j < i {
                    let mixed = scale * dot(&a.moved, &b.changed);
                    (*middle.at(count + i, j), *middle.at(j, count + i)) = (mixed, mixed);
                }
            }
        }
        middle.factor();
    }

    /// A row of W.
    fn row(used: &[usize], theta: f64, pairs: &[Pair], i: usize, w: &mut [f64]) {
        let (first, second) = w.split_at_mut(used.len());
        for ((first, second), &k) in first.iter_mut().zip(second).zip(used) {
            let Pair { moved, changed, scale, .. } = &pairs[k];
            let scale = scale.sqrt();
            (*first, *second) = (scale * changed[i], theta * scale * moved[i]);
        }
    }

    /// The generalised Cauchy point, and c = W' (cauchy - x): algorithm CP of the paper.
    fn find_cauchy(
        &mut self,
        pairs: &[Pair],
        length: f64,
        bounds: Bounds<'_>,
        x: &[f64],
        gradient: &[f64],
    ) {
        let Self { used, theta, middle, meetings, cauchy, descent, p, c, w, solved, .. } = self;
        let small = 2 * used.len();
        let [p, c, w, solved] = [p, c, w, solved].map(|list| &mut list[..small]);
        meetings.clear();
        p.fill(0.0);
        c.fill(0.0);
        cauchy.copy_from_slice(x);
        for i in 0..x.len() {
            let (lower, upper) = bounds.of(i);
            let g = gradient[i];
            let room = if g > 0.0 { x[i] - lower } else { upper - x[i] };
            descent[i] = if room > 0.0 { -g } else { 0.0 };
            if descent[i] != 0.0 {
                meetings.push_within((room / g.abs(), i as u32));
                Self::row(used, *theta, pairs, i, w);
                p.iter_mut().zip(&*w).for_each(|(p, w)| *p -= g * w);
            }
        }
        if used.is_empty() {
            *theta = norm(descent) / length;
        }
        let theta = *theta;
        // (Numbers of variables break ties, so that nothing depends on how it is sorted.)
        meetings.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)));
        let square = dot(descent, descent);
        let mut slope = -square;
        middle.solve(p, solved);
        let first = theta * square;
        let mut curvature = first - dot(p, solved);
        let mut now = 0.0;
        loop {
            let next = meetings.last().map_or(f64::INFINITY, |&(at, _)| at);
            let left = -slope / curvature.max(f64::EPSILON * first);
            // (Nothing is left to go, too.)
            if left.is_nan() || left < next - now || next == f64::INFINITY {
                let left = if left > 0.0 && left.is_finite() { left } else { 0.0 };
                now += left;
                c.iter_mut().zip(&*p).for_each(|(c, p)| *c += left * p);
                break;
            }
            let Some((_, i)) = meetings.pop() else { break };
            let (i, step) = (i as usize, next - now);
            let g = gradient[i];
            let (lower, upper) = bounds.of(i);
            cauchy[i] = if g > 0.0 { lower } else { upper };
            let moved = cauchy[i] - x[i];
            c.iter_mut().zip(&*p).for_each(|(c, p)| *c += step * p);
            Self::row(used, theta, pairs, i, w);
            middle.solve(w, solved);
            slope += step * curvature + g * g + theta * g * moved - g * dot(solved, c);
            curvature -= theta * g * g + 2.0 * g * dot(solved, p) + g * g * dot(solved, w);
            p.iter_mut().zip(&*w).for_each(|(p, w)| *p += g * w);
            descent[i] = 0.0;
            now = next;
        }
        for i in 0..x.len() {
            if descent[i] != 0.0 {
                cauchy[i] = bounds.nearest(i, x[i] + now * descent[i]);
            }
        }
    }

    /// From the Cauchy point to the minimum of the model in the free variables, and back inside.
    fn go_on(
        &mut self,
        pairs: &[Pair],
        bounds: Bounds<'_>,
        x: &[f64],
        gradient: &[f64],
        direction: &mut [f64],
    ) {
        let Self { used, theta, middle, free, cauchy, descent: r, p, c, w, solved, .. } = self;
        let (small, theta) = (2 * used.len(), *theta);
        let [p, c, w, solved] = [p, c, w, solved].map(|list| &mut list[..small]);
        middle.solve(c, solved);
        free.copy(middle);
        p.fill(0.0);
        let is_free = |i: usize, cauchy: &[f64]| {
            let (lower, upper) = bounds.of(i);
            lower < cauchy[i] && cauchy[i] < upper
        };
        for i in 0..x.len() {
            if !is_free(i, cauchy) {
                continue;
            }
            Self::row(used, theta, pairs, i, w);
            r[i] = gradient[i] + theta * (cauchy[i] - x[i]) - dot(w, solved);
            p.iter_mut().zip(&*w).for_each(|(p, w)| *p += r[i] * w);
            for a in 0..small {
                for b in 0..small {
                    *free.at(a, b) -= w[a] * w[b] / theta;
                }
            }
        }
        free.factor();
        free.solve(p, solved);
        let mut slope = 0.0;
        for i in 0..x.len() {
            direction[i] = cauchy[i] - x[i];
            if is_free(i, cauchy) {
                Self::row(used, theta, pairs, i, w);
                r[i] = -(r[i] + dot(w, solved) / theta) / theta;
                direction[i] = bounds.nearest(i, cauchy[i] + r[i]) - x[i];
            }
            slope += gradient[i] * direction[i];
        }
        if slope < 0.0 {
            return;
        }
        // What is nearest inside does not go down: the same way, as far as it is inside.
        let mut most = 1.0_f64;
        for i in (0..x.len()).filter(|&i| is_free(i, cauchy)) {
            let (lower, upper) = bounds.of(i);
            let room = if r[i] < 0.0 { lower - cauchy[i] } else { upper - cauchy[i] };
            if r[i] != 0.0 {
                most = most.min(room / r[i]);
            }
        }
        for i in (0..x.len()).filter(|&i| is_free(i, cauchy)) {
            direction[i] = bounds.nearest(i, cauchy[i] + most * r[i]) - x[i];
        }
    }
}

/// A small square matrix and, once it is factored, its triangles: Gaussian elimination with partial
/// pivoting. (It is symmetric, but indefinite.)
struct Triangular {
    len: usize,
    given: Vec<f64>,
    factors: Vec<f64>,
    rows: Vec<usize>,
}

impl Triangular {
    fn new(most: usize) -> Result<Self, Stopped> {
        let len = most.checked_mul(most).ok_or(Stopped::Memory)?;
        let mut rows = Vec::new();
        rows.try_room(most)?;
        rows.try_extend_to(most, 0)?;
        Ok(Self { len: 0, given: zeros(len)?, factors: zeros(len)?, rows })
    }

    fn clear(&mut self, len: usize) {
        self.len = len;
        self.given[..len * len].fill(0.0);
    }

    fn copy(&mut self, other: &Self) {
        self.len = other.len;
        let len = self.len * self.len;
        self.given[..len].copy_from_slice(&other.given[..len]);
    }

    fn at(&mut self, row: usize, column: usize) -> &mut f64 {
        &mut self.given[row * self.len + column]
    }

    fn factor(&mut self) {
        let Self { len, given, factors, rows } = self;
        let n = *len;
        factors[..n * n].copy_from_slice(&given[..n * n]);
        rows.iter_mut().enumerate().for_each(|(i, row)| *row = i);
        for k in 0..n {
            let size = |row: usize, factors: &[f64]| factors[row * n + k].abs();
            let largest = (k..n).fold(k, |best, i| {
                if size(rows[i], factors) > size(rows[best], factors) { i } else { best }
            });
            rows.swap(k, largest);
            let pivot = rows[k];
            for &row in &rows[k + 1..n] {
                let factor = factors[row * n + k] / factors[pivot * n + k];
                factors[row * n + k] = factor;
                for j in k + 1..n {
                    factors[row * n + j] -= factor * factors[pivot * n + j];
                }
            }
        }
    }

    fn solve(&self, b: &[f64], x: &mut [f64]) {
        let (n, factors) = (self.len, &self.factors);
        for i in 0..n {
            let row = &factors[self.rows[i] * n..][..n];
            x[i] = b[self.rows[i]] - dot(&row[..i], &x[..i]);
        }
        for i in (0..n).rev() {
            let row = &factors[self.rows[i] * n..][..n];
            x[i] = (x[i] - dot(&row[i + 1..], &x[i + 1..])) / row[i];
        }
    }
}
