//! Going along the lines of a tensor, several of them side by side.

use std::mem::MaybeUninit;

use crate::task::Around;

/// Lines that are scanned side by side, since each step of one waits for the step before it: rows, and
/// columns.
const ROWS: usize = 4;
const COLUMNS: usize = 64;

/// From how many elements on a line that is alone is cut into as many parts.
const LONG: usize = 1024;

/// What a scan does at each element.
pub(super) struct Scan<S, Step, Value> {
    pub(super) start: S,
    /// Takes an element in: its place among all, and along its axis.
    pub(super) step: Step,
    /// What stands there then.
    pub(super) value: Value,
    /// The state behind a part, from the one before it and that of the part alone; none where that is
    /// not the same as to go through it.
    pub(super) join: fn(S, S) -> Option<S>,
}

/// Some lines, or parts of one, of `count` elements each.
struct Lines {
    first: usize,
    /// How far apart lines are.
    stride: usize,
    /// How far apart, along the axis, parts are.
    part: usize,
    /// Where the first part begins along the axis, in the order of the scan.
    from: usize,
    count: usize,
}

impl<S: Copy, Step: Fn(S, usize, usize) -> S, Value> Scan<S, Step, Value> {
    /// Goes along whole slabs.
    pub(super) fn along<T>(&self, out: &mut [MaybeUninit<T>], around: Around, backwards: bool)
    where
        Value: Fn(S) -> T,
    {
        let Around { len, inner, .. } = around;
        let at = |k: usize| if backwards { len - 1 - k } else { k };
        if inner > 1 {
            return self.along_columns(out, around, at);
        }
        let rows = out.len() / len;
        let mut put = |i: usize, state: S| {
            out[i].write((self.value)(state));
        };
        let mut row = 0;
        while row + ROWS <= rows {
            let lines = Lines { first: row * len, stride: len, part: 0, from: 0, count: len };
            self.side_by_side(lines, [self.start; ROWS], at, &mut put);
            row += ROWS;
        }
        for row in row..rows {
            self.along_line(row * len, len, at, &mut put);
        }
    }

    /// One line: side by side are parts of it, if it is long. What is before each part is found first.
    fn along_line(
        &self,
        first: usize,
        len: usize,
        at: impl Fn(usize) -> usize + Copy,
        put: &mut impl FnMut(usize, S),
    ) {
        let part = if len < LONG { 0 } else { len / ROWS };
        let lines = |from, count| Lines { first, stride: 0, part, from, count };
        let mut before = [self.start; ROWS];
        let mut state = self.start;
        let mut done = 0;
        if part > 0 {
            let parts = self.side_by_side(lines(0, part), before, at, &mut |_, _| {});
            let joined = (1..ROWS).try_for_each(|k| {
                before[k] =
                    if k == 1 { parts[0] } else { (self.join)(before[k - 1], parts[k - 1])? };
                Some(())
            });
            if joined.is_some() {
                state = self.side_by_side(lines(0, part), before, at, put)[ROWS - 1];
                done = part * ROWS;
            }
        }
        self.side_by_side(lines(done, len - done), [state], at, put);
    }

    /// The states at the ends.
    #[inline(always)]
    fn side_by_side<const N: usize>(
        &self,
        lines: Lines,
        mut states: [S; N],
        at: impl Fn(usize) -> usize,
        put: &mut impl FnMut(usize, S),
    ) -> [S; N] {
        let Lines { first, stride, part, from, count } = lines;
        for k in 0..count {
            for (line, state) in states.iter_mut().enumerate() {
                let k = at(from + line * part + k);
                let i = first + line * stride + k;
                *state = (self.step)(*state, i, k);
                put(i, *state);
            }
        }
        states
    }

    fn along_columns<T>(
        &self,
        out: &mut [MaybeUninit<T>],
        Around { len, inner, .. }: Around,
        at: impl Fn(usize) -> usize,
    ) where
        Value: Fn(S) -> T,
    {
        for first in (0..out.len()).step_by(len * inner) {
            for column in (0..inner).step_by(COLUMNS) {
                let columns = COLUMNS.min(inner - column);
                let mut states = [self.start; COLUMNS];
                for k in 0..len {
                    let k = at(k);
                    let line = first + k * inner + column;
                    for (c, state) in states[..columns].iter_mut().enumerate() {
                        *state = (self.step)(*state, line + c, k);
                        out[line + c].write((self.value)(*state));
                    }
                }
            }
        }
    }
}

/// For states of which parts say nothing about the whole.
pub(super) fn no_join<S>(_: S, _: S) -> Option<S> {
    None
}
