//! Reductions of rows, many in one call.
//!
//! `kernel(rows, out, x, x, x, &row)`: the fourth operand is the length of a row, as a usize. Rows lie
//! one behind the other. A row is reduced in `STRIDE` accumulators, which are then joined in pairs: the
//! same at every level, so that a sum is the same bit for bit wherever it is made. A row of fewer
//! elements leaves some of them empty, so it is read in a window of 2, 4, 8 or 16 elements, those that
//! belong to the next row left out, and needs no loop of its own.

use super::register::Register;
use super::{
    Bits, Body, Explicit, Float, FloatKernels, Kernel, Made, Operands, Plain, Scratch, operand,
    power_of_two, result,
};
use crate::lane::Lanes;
use crate::node::{Extreme, Reduction, Ties};

/// Calls a kernel of rows.
///
/// # Safety
/// As for [`Kernel`]: `x` is valid for reading `rows * row` elements, `out` for writing what the kernel
/// makes of them.
#[inline(always)]
pub(crate) unsafe fn call_rows(
    kernel: Kernel,
    rows: usize,
    row: usize,
    out: *mut u8,
    x: *const u8,
) {
    // SAFETY: the caller's promise; the other operands are not looked at.
    unsafe { kernel(rows, out, x, x, x, (&raw const row).cast()) }
}

/// The length of the rows that a kernel is called for.
///
/// # Safety
/// The kernel was called as the module says.
#[inline(always)]
pub(super) unsafe fn row_of(operands: &Operands) -> usize {
    // SAFETY: the caller's promise.
    unsafe { operands[3].cast::<usize>().read() }
}

/// Elements that are reduced side by side.
pub(crate) const STRIDE: usize = 16;

/// Elements of a row that are summed in its own precision before the sum goes on in f64.
pub(crate) const SUM_BLOCK: usize = 1024;

/// How elements are reduced: `join` is associative up to rounding, and `first` neutral.
pub(super) trait Fold<T> {
    fn first() -> T;
    /// What there is after one element alone.
    fn begin(x: T) -> T;
    /// Takes an element in.
    fn take(held: T, x: T) -> T;
    fn join(a: T, b: T) -> T;
}

/// The sum of elements, or (`SQUARE`) of their squares.
pub(super) struct Sum<const SQUARE: bool>;

impl<T: Float, const SQUARE: bool> Fold<T> for Sum<SQUARE> {
    #[inline(always)]
    fn first() -> T {
        T::default()
    }
    #[inline(always)]
    fn begin(x: T) -> T {
        term::<T, SQUARE>(x)
    }
    #[inline(always)]
    fn take(held: T, x: T) -> T {
        held.plus(term::<T, SQUARE>(x))
    }
    #[inline(always)]
    fn join(a: T, b: T) -> T {
        a.plus(b)
    }
}

/// The largest (`MAX`) or smallest element; NaN if there is one.
pub(super) struct Best<const MAX: bool>;

impl<T: Float, const MAX: bool> Fold<T> for Best<MAX> {
    #[inline(always)]
    fn first() -> T {
        T::from_f64(if MAX { f64::NEG_INFINITY } else { f64::INFINITY })
    }
    #[inline(always)]
    fn begin(x: T) -> T {
        x
    }
    #[inline(always)]
    fn take(held: T, x: T) -> T {
        better::<T, MAX>(held, x)
    }
    #[inline(always)]
    fn join(a: T, b: T) -> T {
        better::<T, MAX>(a, b)
    }
}

/// What a sum takes of an element: the element itself, or its square.
#[inline(always)]
pub(super) fn term<T: Float, const SQUARE: bool>(x: T) -> T {
    if SQUARE { x.times(x) } else { x }
}

/// The better one of two numbers, or the first.
#[inline(always)]
pub(super) fn beyond<T: Float, const MAX: bool>(a: T, b: T) -> T {
    if if MAX { b > a } else { b < a } { b } else { a }
}

/// The better one of two; NaN wins. (As bits: where the result is stored over `a`, LLVM would make of a
/// choice between the two a store under a mask, which takes many times as long on some CPUs.)
#[inline(always)]
pub(super) fn better<T: Float, const MAX: bool>(a: T, b: T) -> T {
    T::from_bits(beyond::<T, MAX>(a, b).bits() | nan(b))
}

// ---- one stretch, into accumulators ----

/// Joins a stretch of a row into `STRIDE` accumulators.
#[inline(always)]
fn fold_into<T: Copy, F: Fold<T>>(held: &mut [T; STRIDE], row: &[T]) {
    let (whole, rest) = row.as_chunks::<STRIDE>();
    for chunk in whole {
        for k in 0..STRIDE {
            held[k] = F::take(held[k], chunk[k]);
        }
    }
    for (k, &x) in rest.iter().enumerate() {
        held[k] = F::take(held[k], x);
    }
}

/// Joins the accumulators.
#[inline(always)]
fn close<T: Copy, F: Fold<T>, const P: usize>(mut held: [T; P]) -> T {
    let mut width = P;
    while width > 1 {
        width /= 2;
        for k in 0..width {
            held[k] = F::join(held[k], held[k + width]);
        }
    }
    held[0]
}

/// Which elements of a window belong to a row, by bits, and what stands for the others.
struct Own<T: Float, const P: usize> {
    keep: [T::Bits; P],
    rest: [T::Bits; P],
}

impl<T: Float, const P: usize> Own<T, P> {
    /// The first `n` ones.
    #[inline(always)]
    fn first<F: Fold<T>>(n: usize) -> Self {
        let keep = std::array::from_fn(|k| if k < n { T::Bits::ALL } else { T::Bits::of(0) });
        Self { keep, rest: keep.map(|keep| F::first().bits() & !keep) }
    }

    #[inline(always)]
    fn of(&self, window: &[T; P], k: usize) -> T {
        T::from_bits(window[k].bits() & self.keep[k] | self.rest[k])
    }
}

/// A window in accumulators, of which some may stay empty.
#[inline(always)]
fn fold_window<T: Float, F: Fold<T>, const P: usize>(window: &[T; P], own: &Own<T, P>) -> T {
    let mut held = [F::first(); P];
    for k in 0..P {
        held[k] = F::take(F::first(), own.of(window, k));
    }
    close::<T, F, P>(held)
}

/// The first `P` elements of what is left, of which `n` are there at least.
#[inline(always)]
fn window<T: Copy, const P: usize>(rest: &[T], n: usize) -> [T; P] {
    match rest.first_chunk::<P>() {
        Some(window) => *window,
        None => {
            let mut window = [rest[0]; P];
            window[..n].copy_from_slice(&rest[..n]);
            window
        }
    }
}

// ---- many rows ----

#[inline(always)]
fn fold_short<T: Float, F: Fold<T>, const P: usize>(out: &mut [T], x: &[T], row: usize) {
    assert!(row <= P && x.len() == out.len() * row);
    if row == P {
        for (out, window) in out.iter_mut().zip(x.as_chunks::<P>().0) {
            let held = window.map(|x| F::take(F::first(), x));
            *out = close::<T, F, P>(held);
        }
        return;
    }
    let own = Own::first::<F>(row);
    for (r, out) in out.iter_mut().enumerate() {
        *out = fold_window::<T, F, P>(&window(&x[r * row..], row), &own);
    }
}

/// Reduces rows of at most `STRIDE` elements.
#[inline(always)]
fn fold_shorts<T: Float, F: Fold<T>>(out: &mut [T], x: &[T], row: usize) {
    match row {
        0 => out.fill(F::first()),
        1..=2 => fold_short::<T, F, 2>(out, x, row),
        3..=4 => fold_short::<T, F, 4>(out, x, row),
        5..=8 => fold_short::<T, F, 8>(out, x, row),
        _ => fold_short::<T, F, STRIDE>(out, x, row),
    }
}

/// Reduces rows of at most `SUM_BLOCK` elements.
#[inline(always)]
fn fold_rows<T: Float, F: Fold<T>>(out: &mut [T], x: &[T], row: usize) {
    match row {
        0..=STRIDE => fold_shorts::<T, F>(out, x, row),
        _ => {
            let (whole, tail) = (row - row % STRIDE, row % STRIDE);
            let own = Own::first::<F>(tail);
            for (r, out) in out.iter_mut().enumerate() {
                let from = &x[r * row..];
                let mut held = [F::first(); STRIDE];
                fold_into::<T, F>(&mut held, &from[..whole]);
                if tail > 0 {
                    let window: [T; STRIDE] = window(&from[whole..], tail);
                    for k in 0..STRIDE {
                        held[k] = F::take(held[k], own.of(&window, k));
                    }
                }
                *out = close::<T, F, STRIDE>(held);
            }
        }
    }
}

/// Reduces rows of at most `SUM_BLOCK` elements, or blocks of longer ones.
pub(super) struct BlockRows<F>(std::marker::PhantomData<F>);

impl<T: Float, F: Fold<T>> Body<T> for BlockRows<F> {
    #[inline(always)]
    unsafe fn run<L: Lanes<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, as the module states it.
        let (row, out, x) = unsafe { rows_and_one::<T, T>(n, out, operands) };
        fold_rows::<T, F>(out, x, row);
    }
}

/// The best element of such rows.
pub(super) struct BlockExtremes<const MAX: bool>;

impl<T: Float, const MAX: bool> Explicit<T> for BlockExtremes<MAX> {
    #[inline(always)]
    unsafe fn run<R: Register<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, as the module states it.
        let (row, out, x) = unsafe { rows_and_one::<T, T>(n, out, operands) };
        if row <= STRIDE {
            return fold_shorts::<T, Best<MAX>>(out, x, row);
        }
        for (out, row) in out.iter_mut().zip(x.chunks_exact(row)) {
            // SAFETY: the caller's promise: the level's registers.
            *out = unsafe { extreme_of::<R, T, MAX>(row) };
        }
    }
}

/// The best element of a row; NaN if there is one.
///
/// # Safety
/// The CPU can run the register's level, and the caller has its instructions.
#[inline(always)]
unsafe fn extreme_of<R: Register<Elem = T>, T: Float, const MAX: bool>(row: &[T]) -> T {
    const MOST: usize = 4;
    let registers = STRIDE / R::LANES;
    assert!(registers <= MOST);
    let first: T = Beyond::<MAX>::first();
    let first = R::lit(first.to_f64());
    // NaNs are kept apart: so the comparison is one instruction.
    let (mut held, mut nans) = ([first; MOST], [R::lit(0.0); MOST]);
    let (whole, rest) = row.as_chunks::<STRIDE>();
    for chunk in whole {
        for p in 0..registers {
            // SAFETY: the chunk has as many elements as the registers.
            let x = unsafe { R::load(chunk.as_ptr().add(p * R::LANES)) };
            let is_beyond = if MAX { held[p].lt(x) } else { x.lt(held[p]) };
            held[p] = R::select(is_beyond, x, held[p]);
            nans[p] = R::select(x.eq(x), nans[p], x);
        }
    }
    let mut all = [[T::default(); STRIDE]; 2];
    for (all, registers_) in all.iter_mut().zip([held, nans]) {
        for p in 0..registers {
            // SAFETY: as above.
            unsafe { registers_[p].store(all.as_mut_ptr().add(p * R::LANES)) };
        }
    }
    let [mut held, nans] = all;
    for (held, &x) in held.iter_mut().zip(rest) {
        *held = better::<T, MAX>(*held, x);
    }
    let best = close::<T, Best<MAX>, STRIDE>(held);
    T::from_bits(nans.into_iter().fold(best.bits(), |bits, x| bits | nan(x)))
}

/// The length of rows, one result for each, and all their elements.
///
/// # Safety
/// As for [`Kernel`], with operands as the module says.
#[inline(always)]
pub(super) unsafe fn rows_and_one<'a, T, U>(
    n: usize,
    out: *mut u8,
    operands: &Operands,
) -> (usize, &'a mut [U], &'a [T]) {
    // SAFETY: the caller's promise.
    unsafe {
        let row = row_of(operands);
        (row, result(out, n), operand(operands, 0, n * row))
    }
}

/// Reduces rows of any length, by blocks. Their sums go on in f64 with the lost low part carried
/// along, so the error does not grow with the length of a row.
pub(super) struct WholeRows<const REDUCTION: usize>;

impl<T: Float, const REDUCTION: usize> Made<T> for WholeRows<REDUCTION> {
    unsafe fn run(kernels: &FloatKernels, n: usize, out: *mut u8, operands: &Operands) {
        let reduction = WHOLE[REDUCTION];
        // SAFETY: the caller's promise, as the module states it.
        let (row, out, x) = unsafe { rows_and_one::<T, T>(n, out, operands) };
        reduce_rows(kernels.block(reduction), reduction, row, out, x);
    }
}

fn reduce_rows<T: Float>(block: Kernel, reduction: Reduction, row: usize, out: &mut [T], x: &[T]) {
    let blocks = |out: &mut [T], x: &[T], row: usize| {
        assert!(out.len() * row == x.len());
        // SAFETY: whole rows, and as many results.
        unsafe { call_rows(block, out.len(), row, out.as_mut_ptr().cast(), x.as_ptr().cast()) };
    };
    let is_extreme = matches!(reduction, Reduction::Extreme(..));
    if row <= SUM_BLOCK {
        // One block: it is what there is to a row.
        blocks(out, x, row);
        if !matches!(reduction, Reduction::Mean | Reduction::Norm) {
            return;
        }
        for y in &mut *out {
            *y = finish(reduction, y.to_f64(), row, 1.0);
        }
    }
    let mut scaled = Scratch::<SUM_BLOCK>::new();
    for (k, y) in out.iter_mut().enumerate() {
        let x = &x[k * row..][..row];
        let mut total_of = |scale: f64| {
            let mut total = Total::default();
            for block in x.chunks(SUM_BLOCK) {
                let mut one = [T::default()];
                if scale == 1.0 {
                    blocks(&mut one, block, block.len());
                } else {
                    // SAFETY: written at once.
                    let scaled = unsafe { scaled.list::<T>(block.len()) };
                    let scale = T::from_f64(scale);
                    scaled.iter_mut().zip(block).for_each(|(y, &x)| *y = x.times(scale));
                    blocks(&mut one, scaled, block.len());
                }
                total.add(one[0].to_f64());
            }
            total.value()
        };
        if is_extreme {
            for (b, part) in x.chunks(SUM_BLOCK).enumerate() {
                let mut one = [T::default()];
                blocks(&mut one, part, part.len());
                *y = match reduction {
                    _ if b == 0 => one[0],
                    Reduction::Extreme(Extreme::Min, _) => better::<T, false>(*y, one[0]),
                    _ => better::<T, true>(*y, one[0]),
                };
            }
            continue;
        }
        if row > SUM_BLOCK {
            *y = finish(reduction, total_of(1.0), row, 1.0);
        }
        if let Some(scale) = rescue(reduction, *y) {
            *y = finish(reduction, total_of(scale), row, scale);
        }
    }
}

/// What [`WholeRows`] makes.
pub(super) const WHOLE: [Reduction; 5] = [
    Reduction::Sum,
    Reduction::Mean,
    Reduction::Norm,
    Reduction::Extreme(Extreme::Max, Ties::Even),
    Reduction::Extreme(Extreme::Min, Ties::Even),
];

/// By what the elements have to be multiplied to get a result that is right, after one that left the
/// range of its type on the way: `None` if it did not.
#[inline(always)]
pub(crate) fn rescue<T: Float>(reduction: Reduction, result: T) -> Option<f64> {
    let result = result.to_f64();
    match reduction {
        // More than the number of elements, which is all by which a sum exceeds the largest of them.
        Reduction::Mean if !result.is_finite() => Some(power_of_two(-64)),
        Reduction::Norm if result == f64::INFINITY => Some(T::DOWN),
        Reduction::Norm if result < T::TINY => Some(T::UP),
        _ => None,
    }
}

/// What a reduction makes of the sum of `count` terms, whose elements were multiplied by `scale`.
#[inline(always)]
pub(crate) fn finish<T: Float>(reduction: Reduction, total: f64, count: usize, scale: f64) -> T {
    match reduction {
        Reduction::Mean if scale == 1.0 => T::from_f64(total / count as f64),
        // A mean is not beyond the largest number, but may be by rounding.
        Reduction::Mean if total.is_finite() => {
            let largest = T::DTYPE.largest();
            T::from_f64((total / count as f64 / scale).clamp(-largest, largest))
        }
        Reduction::Norm => T::from_f64(total.sqrt() / scale),
        _ => T::from_f64(total),
    }
}

/// As [`Best`], of numbers: NaNs may be passed over.
pub(super) struct Beyond<const MAX: bool>;

impl<T: Float, const MAX: bool> Fold<T> for Beyond<MAX> {
    #[inline(always)]
    fn first() -> T {
        Best::<MAX>::first()
    }
    #[inline(always)]
    fn begin(x: T) -> T {
        x
    }
    #[inline(always)]
    fn take(a: T, b: T) -> T {
        beyond::<T, MAX>(a, b)
    }
    #[inline(always)]
    fn join(a: T, b: T) -> T {
        beyond::<T, MAX>(a, b)
    }
}

/// Where the first element of a row is that is the same as one of its own, as i64: the second operand
/// tells it for each row. NaN is the same as NaN.
pub(super) struct FindRows;

impl<T: Float> Body<T> for FindRows {
    #[inline(always)]
    unsafe fn run<L: Lanes<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, as the module and the struct state it, with one i64 a row.
        let ((row, out, x), sought): (_, &[T]) =
            unsafe { (rows_and_one::<T, i64>(n, out, operands), operand(operands, 1, n)) };
        for ((out, row), &sought) in out.iter_mut().zip(x.chunks_exact(row)).zip(sought) {
            #[allow(clippy::eq_op)] // a number that is not itself is NaN
            let first = match sought == sought {
                true => first_place(row, |x| x == sought),
                false => first_place(row, |x| x != x),
            };
            *out = first as i64;
        }
    }
}

/// Where the first extreme of a row is, as i64; the first NaN if there is one.
pub(super) struct ArgRows<const MAX: bool>;

impl<T: Float, const MAX: bool> Made<T> for ArgRows<MAX> {
    unsafe fn run(kernels: &FloatKernels, n: usize, out: *mut u8, operands: &Operands) {
        let [x, ..] = *operands;
        const AT_ONCE: usize = 256;
        let mut best = Scratch::<AT_ONCE>::new();
        // SAFETY: written by the first kernel.
        let best = unsafe { best.list::<T>(AT_ONCE) }.as_mut_ptr().cast::<u8>();
        let which = if MAX { Extreme::Max } else { Extreme::Min };
        let extremes = kernels.rows(Reduction::Extreme(which, Ties::Even));
        for first in (0..n).step_by(AT_ONCE) {
            let count = AT_ONCE.min(n - first);
            // SAFETY: the caller's promise, as the module states it, for some of the rows.
            unsafe {
                let row = row_of(operands);
                let x = x.add(first * row * size_of::<T>());
                let out = out.add(first * size_of::<i64>());
                call_rows(extremes, count, row, best, x);
                (kernels.find_rows)(count, out, x, best, x, (&raw const row).cast());
            }
        }
    }
}

/// All bits if it is NaN, else none.
#[inline(always)]
fn nan<T: Float>(x: T) -> T::Bits {
    #[allow(clippy::eq_op)] // a number that is not itself is NaN
    if x != x { T::Bits::ALL } else { T::Bits::of(0) }
}

/// The place of the first element that is sought, in a row that has one.
#[inline(always)]
fn first_place<T: Copy>(row: &[T], is_sought: impl Fn(T) -> bool) -> usize {
    // Blocks without a branch, smaller ones, and then the place in the last one.
    const BLOCK: usize = 4 * STRIDE;
    let blocks = row.as_chunks::<BLOCK>().0;
    let holds = |block: &[T; BLOCK]| block.iter().fold(false, |any, &x| any | is_sought(x));
    let mut start = blocks.iter().position(holds).unwrap_or(blocks.len()) * BLOCK;
    for window in row[start..].as_chunks::<STRIDE>().0 {
        if window.iter().fold(false, |any, &x| any | is_sought(x)) {
            break;
        }
        start += STRIDE;
    }
    start + row[start..].iter().position(|&x| is_sought(x)).unwrap_or(0)
}

// ---- rows that come in pieces: the accumulators lie in memory ----

/// What the accumulators begin with, what goes into them, and what comes out: `STRIDE` elements as the
/// result; a stretch of a row, its first element for the first accumulator; accumulators as the operand,
/// and one element of result.
pub(super) struct Open<F>(std::marker::PhantomData<F>);
pub(super) struct Into<F>(std::marker::PhantomData<F>);
pub(super) struct Close<F>(std::marker::PhantomData<F>);

impl<T: Float, F: Fold<T>> Body<T> for Open<F> {
    #[inline(always)]
    unsafe fn run<L: Lanes<Elem = T>>(_: usize, out: *mut u8, _: &Operands) {
        // SAFETY: the caller's promise: the result is STRIDE elements.
        unsafe { result(out, STRIDE) }.fill(F::first());
    }
}

impl<T: Float, F: Fold<T>> Body<T> for Into<F> {
    #[inline(always)]
    unsafe fn run<L: Lanes<Elem = T>>(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, with one operand and accumulators as the result.
        let (held, row): (&mut [T; STRIDE], &[T]) =
            unsafe { (&mut *out.cast(), operand(operands, 0, n)) };
        fold_into::<T, F>(held, row);
    }
}

impl<T: Float, F: Fold<T>> Body<T> for Close<F> {
    #[inline(always)]
    unsafe fn run<L: Lanes<Elem = T>>(_: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise: accumulators as the operand, one element of result.
        let held: [T; STRIDE] = unsafe { operands[0].cast::<[T; STRIDE]>().read() };
        // SAFETY: as above.
        unsafe { out.cast::<T>().write(close::<T, F, STRIDE>(held)) };
    }
}

// ---- sums of sums ----

/// A sum with the low part that additions lost carried along (A. Neumaier, 1974).
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct Total {
    pub(super) sum: f64,
    pub(super) lost: f64,
}

impl Total {
    #[inline(always)]
    pub(crate) fn add(&mut self, x: f64) {
        let sum = self.sum + x;
        let lost =
            if self.sum.abs() >= x.abs() { (self.sum - sum) + x } else { (x - sum) + self.sum };
        // An infinite sum has lost nothing (the difference would be NaN).
        self.lost += if sum.is_finite() { lost } else { 0.0 };
        self.sum = sum;
    }

    /// Adds the sum of a block: as it is, if there are digits enough for many.
    #[inline(always)]
    pub(crate) fn add_block<T: Float>(&mut self, x: T) {
        if T::IS_NARROW {
            self.sum += x.to_f64();
        } else {
            self.add(x.to_f64());
        }
    }

    #[inline(always)]
    pub(crate) fn value(&self) -> f64 {
        self.sum + self.lost
    }
}

/// The sum of the sums of a row's blocks, as [`SumRows`] makes it.
pub(crate) fn combine_sums<T: Float>(sums: &[T]) -> f64 {
    let mut total = Total::default();
    sums.iter().for_each(|&sum| total.add(sum.to_f64()));
    total.value()
}

// ---- one number a row, repeated along it ----

/// Repeats each of `n` elements along a row. Operands: the elements; the length of a row.
pub(super) struct SpreadRows;

impl<T: Copy> Plain<T> for SpreadRows {
    #[inline(always)]
    unsafe fn run(n: usize, out: *mut u8, operands: &Operands) {
        // SAFETY: the caller's promise, as the struct states it.
        let (out, x): (&mut [T], &[T]) = unsafe {
            let row = row_of(operands);
            (result(out, n * row), operand(operands, 0, n))
        };
        spread_rows(out, x);
    }
}

#[inline(always)]
pub(super) fn spread_rows<T: Copy>(out: &mut [T], x: &[T]) {
    let row = out.len().checked_div(x.len()).unwrap_or(0);
    match row {
        0 => {}
        1 => out.copy_from_slice(x),
        2 => spread_short::<T, 2>(out, x, row),
        3..=4 => spread_short::<T, 4>(out, x, row),
        5..=8 => spread_short::<T, 8>(out, x, row),
        9..=STRIDE => spread_short::<T, STRIDE>(out, x, row),
        _ => {
            for (out, &x) in out.chunks_exact_mut(row).zip(x) {
                for window in out.as_chunks_mut::<STRIDE>().0 {
                    *window = [x; STRIDE];
                }
                if let Some(last) = out.last_chunk_mut::<STRIDE>() {
                    *last = [x; STRIDE];
                }
            }
        }
    }
}

/// Writes a window of `P` elements at each row; what is too much is written over by the next one.
#[inline(always)]
fn spread_short<T: Copy, const P: usize>(out: &mut [T], x: &[T], row: usize) {
    let whole = if out.len() < P { 0 } else { ((out.len() - P) / row + 1).min(x.len()) };
    for r in 0..whole {
        // SAFETY: r * row + P is no more than the length.
        unsafe { out.as_mut_ptr().add(r * row).cast::<[T; P]>().write([x[r]; P]) };
    }
    for r in whole..x.len() {
        out[r * row..][..row].fill(x[r]);
    }
}
