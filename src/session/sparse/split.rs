//! Which entries of a Jacobian are taken forwards, and which in reverse, so that few directions tell all of them
//! apart.
//!
//! A row of many entries keeps as many columns apart. Taken in reverse, it costs one direction, and no longer
//! counts forwards; so with columns, the other way round. The longest rows are taken away, as many as pay;
//! these, and the columns by what is left, are coloured each for itself: a bicolouring, after T. Coleman,
//! A. Verma, "The efficient computation of sparse Jacobian matrices using automatic differentiation", 1998.

use super::pattern::{Colouring, Full, Sparsity, filled, list};
use crate::arena::TryPush;

/// Directions in both modes.
pub(super) struct Split {
    /// Of columns: tangents, forwards.
    pub(super) tangents: Colouring,
    /// Of rows: head gradients, in reverse.
    pub(super) heads: Colouring,
    reverse: Reverse,
}

/// What is taken in reverse.
enum Reverse {
    /// These rows.
    Rows(Vec<bool>),
    /// All but these columns.
    AllBut(Vec<bool>),
}

/// A way to split a pattern: by so many of its longest rows, or, seen across, columns.
#[derive(Clone, Copy)]
struct Plan {
    across: bool,
    taken: usize,
    /// How many directions are needed at least.
    least: usize,
    /// How many they may well be.
    guess: usize,
}

impl Plan {
    /// All at once: columns forwards, or, seen across, rows in reverse.
    fn whole(pattern: &Sparsity, across: bool) -> Self {
        let longest = pattern.longest();
        Self { across, taken: 0, least: longest, guess: longest }
    }

    /// So many rows that the longest of the others and these are as few as can be.
    fn apart(pattern: &Sparsity, across: bool) -> Full<Self> {
        let mut lens = list((0..pattern.rows()).map(|row| pattern.row(row).len()))?;
        lens.sort_unstable_by(|a, b| b.cmp(a));
        let rest = |taken: usize| lens.get(taken).copied().unwrap_or(0);
        let best = (0..=lens.len()).min_by_key(|&taken| rest(taken) + taken).unwrap_or(0);
        let least = rest(best) + usize::from(best > 0);
        Ok(Self { across, taken: best, least, guess: rest(best) + best })
    }
}

impl Split {
    /// The one with the fewest directions of those that are tried, in the modes that there are.
    pub(super) fn of(
        pattern: &Sparsity,
        across: &Sparsity,
        [has_forward, has_reverse]: [bool; 2],
    ) -> Full<Self> {
        let mut plans = Vec::new();
        // (Where there is none, forward mode says what it lacks.)
        if has_forward || !has_reverse {
            plans.try_push(Plan::whole(pattern, false))?;
        }
        if has_reverse {
            plans.try_push(Plan::whole(across, true))?;
        }
        if has_forward && has_reverse {
            plans.try_push(Plan::apart(pattern, false)?)?;
            plans.try_push(Plan::apart(across, true)?)?;
        }
        plans.sort_unstable_by_key(|plan| (plan.guess, plan.across, plan.taken));
        let mut best: Option<Self> = None;
        for plan in plans {
            let is_worse = best.as_ref().is_some_and(|best| best.count() as usize <= plan.least);
            if is_worse {
                continue;
            }
            let split = match plan.across {
                false => Self::apart(pattern, across, plan)?,
                true => Self::apart(across, pattern, plan)?,
            };
            if best.as_ref().is_none_or(|best| split.count() < best.count()) {
                best = Some(split);
            }
        }
        match best {
            Some(best) => Ok(best),
            None => Self::apart(pattern, across, Plan::whole(pattern, false)),
        }
    }

    /// The longest rows of a pattern apart from the rest of it. If it is the one that is seen across, its rows
    /// are columns.
    fn apart(pattern: &Sparsity, across: &Sparsity, plan: Plan) -> Full<Self> {
        let mut taken = filled(false, pattern.rows())?;
        if plan.taken > 0 {
            let mut rows = list(0..pattern.rows())?;
            // (Of rows as long, the first ones.)
            rows.sort_unstable_by_key(|&row| (usize::MAX - pattern.row(row).len(), row));
            rows[..plan.taken].iter().for_each(|&row| taken[row] = true);
        }
        let rest = pattern.colours(across, |_| true, |row| !taken[row])?;
        let rows = across.colours(pattern, |row| taken[row], |_| true)?;
        Ok(match plan.across {
            false => Self { tangents: rest, heads: rows, reverse: Reverse::Rows(taken) },
            true => Self { tangents: rows, heads: rest, reverse: Reverse::AllBut(taken) },
        })
    }

    /// How many directions there are.
    pub(super) fn count(&self) -> u32 {
        self.tangents.count + self.heads.count
    }

    /// Where each entry is among the products, those with the tangents first.
    pub(super) fn places(&self, pattern: &Sparsity, columns: usize) -> Full<Vec<i64>> {
        let rows = pattern.rows();
        let forwards = self.tangents.count as usize * rows;
        let mut out = Vec::new();
        out.try_room(pattern.columns.len())?;
        for row in 0..rows {
            for &column in pattern.row(row) {
                let column = column as usize;
                let in_reverse = match &self.reverse {
                    Reverse::Rows(taken) => taken[row],
                    Reverse::AllBut(taken) => !taken[column],
                };
                out.push_within(match in_reverse {
                    false => self.tangents.of[column] as usize * rows + row,
                    true => forwards + self.heads.of[row] as usize * columns + column,
                } as i64);
            }
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    fn of_rows(rows: &[Vec<u32>]) -> Sparsity {
        let mut starts = vec![0];
        rows.iter().for_each(|row| starts.push(starts[starts.len() - 1] + row.len()));
        Sparsity { starts, columns: rows.concat() }
    }

    /// The best split, of which each entry is alone in its product.
    fn checked(pattern: &Sparsity, columns: usize, has_reverse: bool) -> Split {
        let across = pattern.transposed(columns).unwrap();
        let split = Split::of(pattern, &across, [true, has_reverse]).unwrap();
        let places = split.places(pattern, columns).unwrap();
        // What each product is the sum of.
        let rows = pattern.rows();
        let len = split.tangents.count as usize * rows + split.heads.count as usize * columns;
        let mut terms = vec![Vec::new(); len];
        for row in 0..rows {
            for &column in pattern.row(row) {
                let (entry, column) = ((row, column), column as usize);
                let (forwards, back) = (split.tangents.of[column], split.heads.of[row]);
                if forwards != u32::MAX {
                    terms[forwards as usize * rows + row].push(entry);
                }
                if back != u32::MAX {
                    let first = split.tangents.count as usize * rows;
                    terms[first + back as usize * columns + column].push(entry);
                }
            }
        }
        let mut next = places.iter();
        for row in 0..rows {
            for &column in pattern.row(row) {
                assert_eq!(terms[*next.next().unwrap() as usize], [(row, column)], "{pattern:?}");
            }
        }
        split
    }

    #[test]
    fn arrows_take_three_directions() {
        for n in [4, 5, 100, 3000] {
            let mut rows: Vec<Vec<u32>> = (0..n).map(|i| vec![0, i]).collect();
            rows[0] = (0..n).collect();
            let arrow = of_rows(&rows);
            assert_eq!(checked(&arrow, n as usize, true).count(), 3);
            assert_eq!(checked(&arrow, n as usize, false).count(), n);
            // The other way round, with wings, and with a dense column alone or a dense row alone.
            let n = n as usize;
            let flipped: Vec<Vec<u32>> = rows.iter().rev().cloned().collect();
            assert_eq!(checked(&of_rows(&flipped), n, true).count(), 3);
            let mut row = vec![(0..n as u32).collect::<Vec<_>>()];
            row.extend((0..n as u32).map(|i| vec![i]));
            assert_eq!(checked(&of_rows(&row), n, true).count(), 2);
            let column = of_rows(&row).transposed(n).unwrap();
            assert_eq!(checked(&column, n + 1, true).count(), 2);
        }
    }

    #[test]
    fn bands_are_taken_forwards_and_dense_matrices_by_the_shorter_side() {
        let band: Vec<Vec<u32>> =
            (0..50u32).map(|i| (i.saturating_sub(1)..=(i + 1).min(49)).collect()).collect();
        let split = checked(&of_rows(&band), 50, true);
        assert_eq!((split.tangents.count, split.heads.count), (3, 0));
        let wide = of_rows(&vec![(0..40).collect(); 3]);
        let split = checked(&wide, 40, true);
        assert_eq!((split.tangents.count, split.heads.count), (0, 3));
        let tall = wide.transposed(40).unwrap();
        let split = checked(&tall, 3, true);
        assert_eq!((split.tangents.count, split.heads.count), (3, 0));
        let triangle: Vec<Vec<u32>> = (0..1500u32).map(|i| (0..=i).collect()).collect();
        assert_eq!(checked(&of_rows(&triangle), 1500, true).count(), 1500);
        for columns in [0, 7] {
            checked(&of_rows(&vec![vec![]; 5]), columns, true);
        }
    }

    /// On grids as few directions are enough as a row has entries.
    #[test]
    fn grids_take_few_directions() {
        for (height, width) in [(30, 31), (32, 32), (33, 36), (20, 101)] {
            let at = |i: i32, j: i32| {
                ((0..height).contains(&i) && (0..width).contains(&j))
                    .then(|| (i * width + j) as u32)
            };
            let around = |place: i32| {
                let (i, j) = (place / width, place % width);
                let all = [at(i - 1, j), at(i, j - 1), at(i, j), at(i, j + 1), at(i + 1, j)];
                all.into_iter().flatten().collect()
            };
            let rows: Vec<Vec<u32>> = (0..height * width).map(around).collect();
            let split = checked(&of_rows(&rows), rows.len(), true);
            assert_eq!(split.count(), 5, "{height} by {width}");
        }
    }

    /// Any pattern is told apart, in no more directions than in one mode.
    #[test]
    fn random_patterns_are_told_apart() {
        for seed in 0..300 {
            let stream = Stream::new(11, seed);
            let mut k = 0;
            let mut draw = || {
                k += 1;
                stream.uniform(k)[0]
            };
            let (rows, columns) = (1 + (40.0 * draw()) as usize, 1 + (40.0 * draw()) as usize);
            let few = draw() * 0.2;
            let of = |draw: &mut dyn FnMut() -> f64, len| -> Vec<f64> {
                (0..len).map(|_| if draw() < 0.1 { 0.9 } else { few }).collect()
            };
            let (by_row, by_column) = (of(&mut draw, rows), of(&mut draw, columns));
            let drawn: Vec<Vec<u32>> = by_row
                .iter()
                .map(|&p| {
                    let all = 0..columns as u32;
                    all.filter(|&c| draw() < p.max(by_column[c as usize])).collect()
                })
                .collect();
            let pattern = of_rows(&drawn);
            let across = pattern.transposed(columns).unwrap();
            let forwards = checked(&pattern, columns, false).count();
            let in_reverse = across.colours(&pattern, |_| true, |_| true).unwrap().count;
            assert!(
                checked(&pattern, columns, true).count() <= forwards.min(in_reverse),
                "{pattern:?}"
            );
            let alone = Split::of(&pattern, &across, [false, true]).unwrap();
            assert_eq!((alone.tangents.count, alone.heads.count), (0, in_reverse));
        }
    }
}
