//! Orthogonal triangles of tall matrices, and least squares that are damped: J. Moré, "The
//! Levenberg-Marquardt algorithm: implementation and theory", 1978.

use super::minimise::{largest, norm, zeros};
use crate::arena::{OutOfMemory, TryPush};

/// A P = Q R by Householder's reflections, with the longest column first. Columns lie one behind the
/// other.
pub(super) struct Triangle {
    rows: usize,
    columns: usize,
    /// R above the diagonal and on it. While a damped system is solved, what it adds is below.
    a: Vec<f64>,
    /// Which column of A is this one.
    order: Vec<usize>,
    /// The first entries of Q^T b.
    b: Vec<f64>,
    lengths: Vec<f64>,
    /// Of the damped system: its diagonal, the row at hand, the right-hand side.
    diagonal: Vec<f64>,
    row: Vec<f64>,
    right: Vec<f64>,
    scaled: Vec<f64>,
}

impl Triangle {
    pub(super) fn new(rows: usize, columns: usize) -> Result<Self, OutOfMemory> {
        // With rows of zeros, if there are few.
        let rows = rows.max(columns);
        let len = rows.checked_mul(columns).ok_or(OutOfMemory)?;
        let mut order = Vec::new();
        order.try_extend_to(columns, 0)?;
        Ok(Self {
            rows,
            columns,
            a: zeros(len)?,
            order,
            b: zeros(rows)?,
            lengths: zeros(columns)?,
            diagonal: zeros(columns)?,
            row: zeros(columns)?,
            right: zeros(columns)?,
            scaled: zeros(columns)?,
        })
    }

    fn at(&self, i: usize, j: usize) -> usize {
        i + j * self.rows
    }

    /// The lengths of the columns that A had.
    pub(super) fn lengths(&self) -> &[f64] {
        &self.lengths
    }

    /// Takes a matrix, row by row, and a right-hand side.
    pub(super) fn factor(&mut self, matrix: &[f64], b: &[f64]) {
        let (m, n) = (self.rows, self.columns);
        self.a.fill(0.0);
        self.b.fill(0.0);
        self.b[..b.len()].copy_from_slice(b);
        for (i, row) in matrix.chunks_exact(n.max(1)).enumerate() {
            for (j, &x) in row.iter().enumerate() {
                self.a[i + j * m] = x;
            }
        }
        for j in 0..n {
            self.order[j] = j;
            self.lengths[j] = norm(&self.a[j * m..(j + 1) * m]);
        }
        for k in 0..n {
            let rest = |a: &[f64], j: usize| norm(&a[k + j * m..(j + 1) * m]);
            let mut longest = (k, rest(&self.a, k));
            for j in k + 1..n {
                let length = rest(&self.a, j);
                if length > longest.1 {
                    longest = (j, length);
                }
            }
            let (j, length) = longest;
            if j != k {
                for i in 0..m {
                    self.a.swap(i + j * m, i + k * m);
                }
                self.order.swap(j, k);
            }
            if length == 0.0 {
                continue;
            }
            // The reflection's vector is v = x + sign(x_k) |x| e_k, scaled to length, in place.
            let (left, right) = self.a.split_at_mut((k + 1) * m);
            let v = &mut left[k + k * m..];
            let length = length.copysign(v[0]);
            v.iter_mut().for_each(|v| *v /= length);
            v[0] += 1.0;
            let first = v[0];
            let reflect = |x: &mut [f64]| {
                let share = x.iter().zip(&*v).map(|(x, v)| x * v).sum::<f64>() / first;
                x.iter_mut().zip(&*v).for_each(|(x, v)| *x -= share * v);
            };
            right.chunks_exact_mut(m).for_each(|column| reflect(&mut column[k..]));
            reflect(&mut self.b[k..]);
            v[0] = -length;
        }
    }

    /// The largest cosine between b and a column of A; NaN where A has no lengths.
    pub(super) fn largest_cosine(&self, b_norm: f64) -> f64 {
        let mut most = 0.0f64;
        if b_norm > 0.0 && !largest(&self.lengths).is_finite() {
            return f64::NAN;
        }
        for j in 0..self.columns {
            let length = self.lengths[self.order[j]];
            if length > 0.0 && b_norm > 0.0 {
                let sum: f64 = (0..=j).map(|i| self.a[self.at(i, j)] * (self.b[i] / b_norm)).sum();
                most = most.max((sum / length).abs());
            }
        }
        most
    }

    /// |A x|
    pub(super) fn size_of_product(&mut self, x: &[f64]) -> f64 {
        self.right.fill(0.0);
        for j in 0..self.columns {
            let x = x[self.order[j]];
            for i in 0..=j {
                self.right[i] += self.a[self.at(i, j)] * x;
            }
        }
        norm(&self.right)
    }

    /// The x for which |A x - b| is smallest; a short one where A's columns depend on one another.
    pub(super) fn solve(&mut self, x: &mut [f64]) {
        let n = self.columns;
        let rank = (0..n).position(|j| self.a[self.at(j, j)] == 0.0).unwrap_or(n);
        self.right[..rank].copy_from_slice(&self.b[..rank]);
        self.right[rank..].fill(0.0);
        for j in (0..rank).rev() {
            self.right[j] /= self.a[self.at(j, j)];
            for i in 0..j {
                self.right[i] -= self.a[self.at(i, j)] * self.right[j];
            }
        }
        (0..n).for_each(|j| x[self.order[j]] = self.right[j]);
    }

    /// The x for which |A x - b|^2 + damping |D x|^2 is smallest, by rotations that bring the damping
    /// into the triangle one row at a time.
    fn solve_damped(&mut self, damping: f64, d: &[f64], x: &mut [f64]) {
        let n = self.columns;
        let root = damping.sqrt();
        // Work below the diagonal, and keep R's diagonal aside.
        for j in 0..n {
            for i in j..n {
                let (to, from) = (self.at(i, j), self.at(j, i));
                self.a[to] = self.a[from];
            }
            self.scaled[j] = self.a[self.at(j, j)];
        }
        self.right.copy_from_slice(&self.b[..n]);
        for j in 0..n {
            self.row[j..].fill(0.0);
            self.row[j] = root * d[self.order[j]];
            let mut last = 0.0;
            for k in j..n {
                if self.row[k] == 0.0 {
                    continue;
                }
                let kk = self.at(k, k);
                let size = self.a[kk].hypot(self.row[k]);
                let (cos, sin) = (self.a[kk] / size, self.row[k] / size);
                self.a[kk] = size;
                let right = self.right[k];
                self.right[k] = cos * right + sin * last;
                last = cos * last - sin * right;
                for i in k + 1..n {
                    let ik = self.at(i, k);
                    let a = self.a[ik];
                    self.a[ik] = cos * a + sin * self.row[i];
                    self.row[i] = cos * self.row[i] - sin * a;
                }
            }
        }
        for j in 0..n {
            let jj = self.at(j, j);
            self.diagonal[j] = std::mem::replace(&mut self.a[jj], self.scaled[j]);
        }
        let rank = self.diagonal.iter().position(|&d| d == 0.0).unwrap_or(n);
        self.right[rank..].fill(0.0);
        for j in (0..rank).rev() {
            let sum: f64 = (j + 1..rank).map(|i| self.a[self.at(i, j)] * self.right[i]).sum();
            self.right[j] = (self.right[j] - sum) / self.diagonal[j];
        }
        (0..n).for_each(|j| x[self.order[j]] = self.right[j]);
    }

    /// The x with |D x| about `radius`, or less if A x = b wants no more, for which |A x - b| is smallest.
    /// `damping` is that of the last time, and becomes that of this one.
    pub(super) fn solve_within(
        &mut self,
        radius: f64,
        d: &[f64],
        damping: &mut f64,
        x: &mut [f64],
    ) {
        let n = self.columns;
        self.solve(x);
        let mut length = self.scale(d, x);
        let mut excess = length - radius;
        if excess <= 0.1 * radius {
            *damping = 0.0;
            return;
        }
        // Newton's method on the excess, between bounds. Where A has full rank its slope at 0 gives one.
        let has_rank = (0..n).all(|j| self.a[self.at(j, j)] != 0.0);
        let mut least = 0.0;
        if has_rank {
            self.row_of_scaled(d, length);
            for j in 0..n {
                let sum: f64 = (0..j).map(|i| self.a[self.at(i, j)] * self.row[i]).sum();
                self.row[j] = (self.row[j] - sum) / self.a[self.at(j, j)];
            }
            let size = norm(&self.row);
            least = excess / radius / size / size;
        }
        for j in 0..n {
            let sum: f64 = (0..=j).map(|i| self.a[self.at(i, j)] * self.b[i]).sum();
            self.row[j] = sum / d[self.order[j]];
        }
        let slope = norm(&self.row);
        let mut most = slope / radius;
        if most == 0.0 {
            most = f64::MIN_POSITIVE / radius.min(0.1);
        }
        let mut guess = damping.max(least).min(most);
        if guess == 0.0 {
            guess = slope / length;
        }
        for turn in 1.. {
            if guess == 0.0 {
                guess = (0.001 * most).max(f64::MIN_POSITIVE);
            }
            self.solve_damped(guess, d, x);
            length = self.scale(d, x);
            let before = excess;
            excess = length - radius;
            let is_close = excess.abs() <= 0.1 * radius;
            if is_close || least == 0.0 && excess <= before && before < 0.0 || turn == 10 {
                break;
            }
            self.row_of_scaled(d, length);
            for j in 0..n {
                self.row[j] /= self.diagonal[j];
                for i in j + 1..n {
                    self.row[i] -= self.a[self.at(i, j)] * self.row[j];
                }
            }
            let size = norm(&self.row);
            let more = excess / radius / size / size;
            if excess > 0.0 {
                least = least.max(guess);
            } else {
                most = most.min(guess);
            }
            guess = least.max(guess + more);
        }
        *damping = guess;
    }

    /// D x, and its length.
    fn scale(&mut self, d: &[f64], x: &[f64]) -> f64 {
        self.scaled.iter_mut().zip(d).zip(x).for_each(|((to, d), x)| *to = d * x);
        norm(&self.scaled)
    }

    /// D D x / |D x|, in the order of the columns.
    fn row_of_scaled(&mut self, d: &[f64], length: f64) {
        for j in 0..self.columns {
            let l = self.order[j];
            self.row[j] = d[l] * (self.scaled[l] / length);
        }
    }
}
