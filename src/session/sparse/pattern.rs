//! Patterns as data: rows of columns, and colours that tell them apart.
//!
//! Columns that share no row share a direction (A. Curtis, M. Powell, J. Reid, 1974; greedy, by
//! T. Coleman, J. Moré, 1983: a distance-2 colouring of the columns); of a Hessian, which is symmetric,
//! a star colouring does with fewer (T. Coleman, J. Moré, 1984; A. Gebremedhin, F. Manne, A. Pothen,
//! "What color is your Jacobian?", 2005).

use std::cmp::Reverse;

use crate::arena::{OutOfMemory, TryPush};

pub(super) type Full<T> = Result<T, OutOfMemory>;

/// A list of what comes.
pub(super) fn list<T>(items: impl Iterator<Item = T>) -> Full<Vec<T>> {
    let mut out = Vec::new();
    out.try_room(items.size_hint().0)?;
    append(&mut out, items)?;
    Ok(out)
}

pub(super) fn append<T>(list: &mut Vec<T>, items: impl Iterator<Item = T>) -> Full<()> {
    items.into_iter().try_for_each(|item| list.try_push(item).map(|_| ()))
}

pub(super) fn filled<T: Clone>(value: T, len: usize) -> Full<Vec<T>> {
    let mut out = Vec::new();
    out.try_extend_to(len, value)?;
    Ok(out)
}

/// Which columns each row has, in rising order: compressed rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sparsity {
    /// Where each row begins in `columns`, and where the last one ends.
    pub starts: Vec<usize>,
    /// The columns of the first row, of the second, and so on.
    pub columns: Vec<u32>,
}

impl Sparsity {
    /// The columns of a row.
    pub fn row(&self, row: usize) -> &[u32] {
        &self.columns[self.starts[row]..self.starts[row + 1]]
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Of no rows; more are appended.
    pub(super) fn begin() -> Full<Self> {
        Ok(Self { starts: filled(0, 1)?, columns: Vec::new() })
    }

    /// The columns appended last are a row.
    pub(super) fn end_row(&mut self) -> Full<()> {
        self.starts.try_push(self.columns.len()).map(|_| ())
    }

    pub(super) fn identity(len: usize) -> Full<Self> {
        Ok(Self { starts: list(0..=len)?, columns: list(0..len as u32)? })
    }

    /// Rows and columns exchanged.
    pub(super) fn transposed(&self, columns: usize) -> Full<Self> {
        let mut starts = filled(0, columns + 1)?;
        for &column in &self.columns {
            starts[column as usize + 1] += 1;
        }
        (0..columns).for_each(|column| starts[column + 1] += starts[column]);
        let (mut next, mut rows) = (list(starts.iter().copied())?, filled(0, self.columns.len())?);
        for row in 0..self.rows() {
            for &column in self.row(row) {
                rows[next[column as usize]] = row as u32;
                next[column as usize] += 1;
            }
        }
        Ok(Self { starts, columns: rows })
    }

    /// Numbers, few of them, for some columns such that none of some rows has two columns of one number. The other
    /// columns have none, [`NO_COLOUR`]. `by_column` is the transposed pattern.
    ///
    /// Each column gets the least number that is free. If that takes more than the longest row has columns, it
    /// is tried with the next one that is free, round and round: on grids these often are as few as can be.
    pub(super) fn colours(
        &self,
        by_column: &Self,
        counts_column: impl Fn(usize) -> bool,
        counts_row: impl Fn(usize) -> bool,
    ) -> Full<Colouring> {
        let in_row =
            |row: usize| self.row(row).iter().filter(|&&c| counts_column(c as usize)).count();
        let longest = (0..self.rows()).filter(|&row| counts_row(row)).map(in_row).max();
        let longest = longest.unwrap_or(0) as u32;
        let columns = by_column.rows();
        if longest as usize == (0..columns).filter(|&column| counts_column(column)).count() {
            // One row keeps all of them apart.
            let mut count = 0..;
            let of = list((0..columns).map(|column| match counts_column(column) {
                true => count.next().unwrap_or(NO_COLOUR),
                false => NO_COLOUR,
            }))?;
            return Ok(Colouring { of, count: longest });
        }
        let least = self.greedy(by_column, &counts_column, &counts_row, 0)?;
        if least.count <= longest {
            return Ok(least);
        }
        let round = self.greedy(by_column, &counts_column, &counts_row, longest)?;
        Ok(if round.count < least.count { round } else { least })
    }

    /// Gives each column the first number that is free, of the first `round` numbers the one after the last
    /// that was given.
    fn greedy(
        &self,
        by_column: &Self,
        counts_column: &impl Fn(usize) -> bool,
        counts_row: &impl Fn(usize) -> bool,
        round: u32,
    ) -> Full<Colouring> {
        let columns = by_column.rows();
        let (mut of, mut count, mut next) = (filled(NO_COLOUR, columns)?, 0, 0);
        // By colour: the last column that met it.
        let mut met = filled(u32::MAX, columns.max(round as usize))?;
        for column in (0..columns).filter(|&column| counts_column(column)) {
            // Until all are met: in patterns that are nearly dense the first row may do.
            let mut left = count;
            for &row in by_column.row(column).iter().filter(|&&row| counts_row(row as usize)) {
                if left == 0 {
                    break;
                }
                for &other in self.row(row as usize) {
                    let colour = of[other as usize];
                    if colour != NO_COLOUR && met[colour as usize] != column as u32 {
                        met[colour as usize] = column as u32;
                        left -= 1;
                    }
                }
            }
            let is_free = |&colour: &u32| met[colour as usize] != column as u32;
            let mut in_turn = (next..round).chain(0..next).chain(round..columns as u32);
            let free = in_turn.find(is_free).unwrap_or(columns as u32);
            of[column] = free;
            count = count.max(free + 1);
            if free < round {
                next = (free + 1) % round;
            }
        }
        Ok(Colouring { of, count })
    }

    /// How many entries the longest row has.
    pub(super) fn longest(&self) -> usize {
        (0..self.rows()).map(|row| self.row(row).len()).max().unwrap_or(0)
    }
}

/// The colour of what needs none.
const NO_COLOUR: u32 = u32::MAX;

/// Colours of columns, or of rows: what has the same one shares a direction.
pub(super) struct Colouring {
    pub(super) of: Vec<u32>,
    pub(super) count: u32,
}

/// Colours of the vertices of a symmetric pattern.
pub(super) struct StarColouring {
    pub(super) colours: Colouring,
    /// By vertex: a bit for each colour that several of its neighbours have.
    repeated: Vec<Vec<u64>>,
}

fn has(bits: &[u64], colour: u32) -> bool {
    bits.get(colour as usize / 64).is_some_and(|word| word >> (colour % 64) & 1 != 0)
}

fn set(bits: &mut Vec<u64>, colour: u32) -> Full<()> {
    bits.try_extend_to(colour as usize / 64 + 1, 0)?;
    bits[colour as usize / 64] |= 1 << (colour % 64);
    Ok(())
}

/// Colours such that neighbours differ, and every path of four vertices has at least three: then each
/// entry of the matrix, or the one across the diagonal, is alone in its row with its colour. Where a quarter
/// of all entries are there each vertex has its own.
///
/// Vertices with most neighbours come first: two vertices with a neighbour in common that has no colour yet
/// get different ones, so one that meets all others must not be the last.
pub(super) fn star_colours(pattern: &Sparsity) -> Full<StarColouring> {
    const NONE: u32 = u32::MAX;
    let len = pattern.rows();
    if pattern.columns.len() >= len.saturating_mul(len) / 4 {
        let of = list(0..len as u32)?;
        let colours = Colouring { of, count: len as u32 };
        return Ok(StarColouring { colours, repeated: Vec::new() });
    }
    let (mut of, mut count) = (filled(NONE, len)?, 0);
    let (mut seen, mut repeated) = (filled(Vec::new(), len)?, filled(Vec::new(), len)?);
    // By colour: the last vertex that must not have it.
    let mut forbidden = filled(NONE, len + 1)?;
    let mut order = list(0..len as u32)?;
    order.sort_unstable_by_key(|&v| (Reverse(pattern.row(v as usize).len()), v));
    // By colour: how many vertices have it.
    let mut vertices = filled(0, len + 1)?;
    for v in order {
        let around = |w: u32| pattern.row(w as usize).iter().copied().filter(move |&x| x != w);
        for w in around(v) {
            let own = of[w as usize];
            if own != NONE {
                forbidden[own as usize] = v;
                // Nobody else has this colour, so no path comes back to it.
                if vertices[own as usize] == 1 {
                    continue;
                }
            }
            for x in around(w).filter(|&x| x != v) {
                let far = of[x as usize];
                if far != NONE && (own == NONE || has(&repeated[x as usize], own)) {
                    forbidden[far as usize] = v;
                }
            }
        }
        let free = forbidden.iter().position(|&last| last != v).unwrap_or(len) as u32;
        of[v as usize] = free;
        vertices[free as usize] += 1;
        count = count.max(free + 1);
        for x in around(v) {
            let x = x as usize;
            let bits = if has(&seen[x], free) { &mut repeated[x] } else { &mut seen[x] };
            set(bits, free)?;
        }
    }
    Ok(StarColouring { colours: Colouring { of, count }, repeated })
}

/// Where each entry of a symmetric pattern is among the compressed values: in the direction of its
/// column's colour, or across the diagonal.
pub(super) fn star_places(star: &StarColouring, entries: &Sparsity) -> Full<Vec<i64>> {
    let len = entries.rows();
    let mut out = Vec::new();
    out.try_room(entries.columns.len())?;
    for i in 0..len {
        for &j in entries.row(i) {
            let j = j as usize;
            let repeated = star.repeated.get(i).map_or(&[][..], |bits| bits);
            let is_alone = i == j || !has(repeated, star.colours.of[j]);
            let (i, j) = if is_alone { (i, j) } else { (j, i) };
            out.push_within((star.colours.of[j] as usize * len + i) as i64);
        }
    }
    Ok(out)
}

/// The entries on and below the diagonal, or all.
pub(super) fn triangle(pattern: &Sparsity, lower: bool) -> Full<Sparsity> {
    let mut out = Sparsity::begin()?;
    for row in 0..pattern.rows() {
        let own = pattern.row(row).iter().filter(|&&column| !lower || column as usize <= row);
        append(&mut out.columns, own.copied())?;
        out.end_row()?;
    }
    Ok(out)
}

/// A square pattern, and what lies across its diagonal.
pub(super) fn with_transposed(pattern: &Sparsity) -> Full<Sparsity> {
    let across = pattern.transposed(pattern.rows())?;
    let mut out = Sparsity::begin()?;
    for row in 0..pattern.rows() {
        let (mut own, mut other) = (pattern.row(row), across.row(row));
        // Both rise.
        while let Some(&next) = own.first().into_iter().chain(other.first()).min() {
            out.columns.try_push(next)?;
            own = own.strip_prefix(&[next]).unwrap_or(own);
            other = other.strip_prefix(&[next]).unwrap_or(other);
        }
        out.end_row()?;
    }
    Ok(out)
}
