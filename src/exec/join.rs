//! Operands that follow one another along an axis, read where they lie by the step that wants them
//! together: most tiles lie inside of one piece, and need not be copied.

use std::mem::MaybeUninit;

use super::copy::StridedCursor;
use super::memory::uninit;
use super::step::Run;
use super::workspace::JoinPlace;
use crate::dtype::{DType, Element, with_bits, with_dtype};
use crate::plan::{Join, Piece, PieceFrom, Span};

impl Run<'_> {
    /// Has the cursors of the pieces, among those of the program's views, go to where element
    /// `first` of the whole wants them.
    pub(super) fn seek_join(
        &self,
        join: &Join,
        views: Span,
        first: usize,
        cursors: &mut [(*mut u8, StridedCursor)],
    ) {
        let (line, column) = (first / join.line, first % join.line);
        for piece in join.pieces.of(&self.plan.pieces) {
            let PieceFrom::View(view) = piece.from else { continue };
            let mut cursor = StridedCursor::new(&self.plan.views[view as usize].layout);
            cursor.seek(line * piece.len + column.saturating_sub(piece.start).min(piece.len));
            cursors[(view - views.first) as usize].1 = cursor;
        }
    }

    /// Brings the next `n` elements together: in the register, unless they lie together anyway. What
    /// it returns is only to be read.
    ///
    /// # Safety
    /// The register has room for `n` elements of the dtype, as many as are left; the pieces are
    /// complete, and their cursors where the walk is.
    pub(super) unsafe fn bring_join(
        &self,
        join: &Join,
        views: Span,
        dtype: DType,
        n: usize,
        at: &mut JoinPlace,
        cursors: &mut [(*mut u8, StridedCursor)],
    ) -> *mut u8 {
        let column = at.next % join.line;
        at.next += n;
        let pieces = join.pieces.of(&self.plan.pieces);
        let mut around = pieces
            .iter()
            .filter(|piece| piece.start <= column && column + n <= piece.start + piece.len);
        // SAFETY: the caller's promise.
        unsafe {
            if let Some(Piece { from: PieceFrom::View(view), .. }) = around.next() {
                let cursor = &mut cursors[(view - views.first) as usize].1;
                cursor.forget_full();
                let from = self.start(&self.plan.views[*view as usize]).0;
                return cursor.bring(dtype.size(), from, at.register, n);
            }
            with_dtype!(dtype, T => {
                self.join_as::<T>(join, views, at.register.cast(), column, n, cursors);
            });
        }
        at.register
    }

    /// # Safety
    /// As for `bring_join`.
    unsafe fn join_as<T: Element>(
        &self,
        join: &Join,
        views: Span,
        mut to: *mut T,
        mut column: usize,
        mut left: usize,
        cursors: &mut [(*mut u8, StridedCursor)],
    ) {
        let pieces = join.pieces.of(&self.plan.pieces);
        while left > 0 {
            // As many whole lines as there are, or what there is of one.
            let (end, lines) = match left / join.line {
                lines if column == 0 && lines > 0 => (join.line, lines),
                _ => (join.line.min(column + left), 1),
            };
            for piece in pieces {
                let from = piece.start.max(column);
                let len = (piece.start + piece.len).min(end).saturating_sub(from);
                if len == 0 {
                    continue;
                }
                // SAFETY: the places are among the next `left`, and the piece's cursor is at the
                // first of its elements there.
                unsafe {
                    let to = to.add(from - column);
                    match piece.from {
                        PieceFrom::View(view) => {
                            let cursor = &mut cursors[(view - views.first) as usize].1;
                            let from = self.start(&self.plan.views[view as usize]).0;
                            with_bits!(size_of::<T>(), B => cursor.gather_lines::<B>(
                                from.cast(),
                                to.cast(),
                                (len, 1),
                                (lines, join.line),
                            ));
                        }
                        PieceFrom::Constant(value) => {
                            let value = MaybeUninit::new(T::from_f64(value));
                            for line in 0..lines {
                                uninit::<T>(to.add(line * join.line).cast(), len).fill(value);
                            }
                        }
                    }
                }
            }
            let done = (end - column) * lines;
            // SAFETY: inside of the register, or just behind what was wanted.
            to = unsafe { to.add(done) };
            left -= done;
            column = 0;
        }
    }
}
