//! A matrix wherever it lies.

/// A matrix in memory, in elements.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<T> {
    pub(crate) start: *const T,
    pub(crate) row_stride: isize,
    pub(crate) column_stride: isize,
}

impl<T> Matrix<T> {
    /// The part from a row and a column on.
    #[inline(always)]
    pub(super) fn at(self, row: usize, column: usize) -> Self {
        let at = row as isize * self.row_stride + column as isize * self.column_stride;
        Self { start: self.start.wrapping_offset(at), ..self }
    }
}
