//! What callers hand in: pointers, lists and structs of C, looked at before they are used.

use std::ffi::{CStr, c_char};
use std::marker::PhantomData;
use std::ops::Deref;

use super::types::*;
use crate::dtype::DType;
use crate::error::{ErrorKind, Fail, Maybe};
use crate::graph::{Core, Handle};
use crate::op::Reduce;
use crate::shape::{Dims, MAX_RANK};

/// A list of nodes of the caller.
pub(super) fn node_list(start: *const bg_node, len: usize) -> (*const bg_node, usize) {
    (start, len)
}

/// A list of the caller's. It may lie anywhere, also where no `T` of Rust may: entries are read one
/// by one.
pub(super) struct List<'a, T> {
    start: *const T,
    len: usize,
    caller: PhantomData<&'a T>,
}

impl<T: Copy> List<'_, T> {
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = T> {
        // SAFETY: `input` was promised `len` entries at any alignment.
        (0..self.len).map(|i| unsafe { self.start.add(i).read_unaligned() })
    }
}

/// The entries that a caller's pointer and count stand for.
///
/// # Safety
/// `start` is NULL or valid for reading `len` entries, at any alignment, during this call of the
/// library.
pub(super) unsafe fn input<'a, T>(
    core: &mut Core,
    what: &str,
    start: *const T,
    len: usize,
) -> Maybe<List<'a, T>> {
    if start.is_null() && len > 0 {
        return Err(null_pointer(core, what));
    }
    if len > isize::MAX as usize / size_of::<T>().max(1) {
        return Err(core.fail(
            ErrorKind::Argument,
            format_args!("{what}: a list of {len} entries exceeds the address space"),
        ));
    }
    Ok(List { start, len, caller: PhantomData })
}

/// A list with at most one entry an axis.
///
/// # Safety
/// As for [`input`].
pub(super) unsafe fn short_list<'a, T>(
    core: &mut Core,
    what: &str,
    start: *const T,
    len: usize,
) -> Maybe<List<'a, T>> {
    if len > MAX_RANK {
        return Err(core.fail(
            ErrorKind::Limit,
            format_args!("{what}: a list of {len} axes exceeds the largest rank, {MAX_RANK}"),
        ));
    }
    // SAFETY: the caller's promise.
    unsafe { input(core, what, start, len) }
}

/// Entries of a list that is no list of axes, at most.
pub(super) const LISTED: usize = 64;

/// A short list of numbers of the caller's.
pub(super) struct Short<T> {
    numbers: [T; LISTED],
    len: usize,
}

impl<T> Deref for Short<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.numbers[..self.len]
    }
}

/// A list of the caller's, with each entry as it is wanted.
///
/// # Safety
/// As for [`input`].
pub(super) unsafe fn numbers<T: Copy, U: Copy + Default>(
    core: &mut Core,
    what: &str,
    start: *const T,
    len: usize,
    widen: fn(T) -> U,
) -> Maybe<Short<U>> {
    if len > LISTED {
        return Err(core.fail(
            ErrorKind::Limit,
            format_args!("{what}: a list of {len} numbers exceeds the longest, {LISTED}"),
        ));
    }
    // SAFETY: the caller's promise.
    let given = unsafe { input(core, what, start, len) }?;
    let mut numbers = [U::default(); LISTED];
    for (to, from) in numbers.iter_mut().zip(given.iter()) {
        *to = widen(from);
    }
    Ok(Short { numbers, len })
}

/// Axes given by the caller.
///
/// # Safety
/// As for [`input`].
pub(super) unsafe fn axis_list(
    core: &mut Core,
    what: &str,
    start: *const i32,
    len: usize,
) -> Maybe<Short<isize>> {
    // SAFETY: the caller's promise.
    unsafe {
        short_list(core, what, start, len)?;
        numbers(core, what, start, len, |axis| axis as isize)
    }
}

/// Lengths, bounds or shifts given by the caller.
///
/// # Safety
/// As for [`input`].
pub(super) unsafe fn int_list(
    core: &mut Core,
    what: &str,
    start: *const i64,
    len: usize,
) -> Maybe<Short<isize>> {
    // SAFETY: the caller's promise.
    unsafe { numbers(core, what, start, len, saturate) }
}

/// Lengths given by the caller.
///
/// # Safety
/// As for [`input`].
pub(super) unsafe fn len_list(
    core: &mut Core,
    what: &str,
    start: *const usize,
    len: usize,
) -> Maybe<Short<usize>> {
    // SAFETY: the caller's promise.
    unsafe { numbers(core, what, start, len, |len| len) }
}

/// A length or bound of C's; out of isize, it is out of range for any tensor.
pub(super) fn saturate(x: i64) -> isize {
    isize::try_from(x).unwrap_or(if x < 0 { isize::MIN } else { isize::MAX })
}

/// A shape given by the caller.
///
/// # Safety
/// As for [`input`].
pub(super) unsafe fn shape(
    core: &mut Core,
    what: &str,
    dims: *const usize,
    rank: usize,
) -> Maybe<Dims> {
    // SAFETY: the caller's promise.
    let given = unsafe { short_list(core, what, dims, rank) }?;
    let mut dims = Dims::SCALAR;
    given.iter().for_each(|len| dims.push(len));
    Ok(dims)
}

#[cold]
pub(super) fn null_pointer(core: &mut Core, what: &str) -> Fail {
    core.fail(ErrorKind::Argument, format_args!("{what}: a pointer is NULL"))
}

/// A word given by the caller.
///
/// # Safety
/// `start` is NULL or points to a string that ends with a NUL, during this call of the library.
pub(super) unsafe fn text<'a>(core: &mut Core, what: &str, start: *const c_char) -> Maybe<&'a str> {
    if start.is_null() {
        return Err(null_pointer(core, what));
    }
    // SAFETY: the caller's promise.
    let text = unsafe { CStr::from_ptr(start) };
    text.to_str()
        .map_err(|_| core.fail(ErrorKind::Argument, format_args!("{what}: a text is not UTF-8")))
}

pub(super) fn dtype(core: &mut Core, what: &str, code: i32) -> Maybe<DType> {
    DType::from_code(code).ok_or_else(|| {
        core.fail(
            ErrorKind::Argument,
            format_args!("{what}: {code} is no element type: use BG_F32, BG_F64, BG_I64 or BG_U8"),
        )
    })
}

/// How a loss is reduced.
pub(super) fn reduce(core: &mut Core, what: &str, code: i32) -> Maybe<Reduce> {
    match code {
        BG_REDUCE_NONE => Ok(Reduce::None),
        BG_REDUCE_MEAN => Ok(Reduce::Mean),
        BG_REDUCE_SUM => Ok(Reduce::Sum),
        _ => Err(core.fail(
            ErrorKind::Argument,
            format_args!(
                "{what}: {code} is no reduction: use BG_REDUCE_NONE, BG_REDUCE_MEAN or BG_REDUCE_SUM"
            ),
        )),
    }
}

/// The largest size that a struct of the interface may ever have.
pub(super) const STRUCT_MAX: usize = 4096;

/// The caller's struct, if there is one, says how long it is: at least one field besides, as there
/// was in the first version, and no longer than any version will be.
///
/// # Safety
/// `options` is NULL or points to a struct that begins with its size.
pub(super) unsafe fn need_size(core: &mut Core, what: &str, options: *const u8) -> Maybe<()> {
    if options.is_null() {
        return Ok(());
    }
    // SAFETY: the caller's promise.
    if unsafe { has_size(options) } {
        return Ok(());
    }
    // SAFETY: the caller's promise.
    let size = unsafe { options.cast::<usize>().read_unaligned() };
    Err(core.fail(
        ErrorKind::Argument,
        format_args!(
            "{what}: struct_size is {size}, which no struct has: start from its _INIT macro"
        ),
    ))
}

/// Whether a struct of the caller's has a size that one may have.
///
/// # Safety
/// `options` points to a struct that begins with its size.
pub(super) unsafe fn has_size(options: *const u8) -> bool {
    // SAFETY: the caller's promise.
    let size = unsafe { options.cast::<usize>().read_unaligned() };
    (2 * size_of::<usize>()..=STRUCT_MAX).contains(&size)
}

/// One field of an options struct, if the caller's struct is long enough to have it. Its first
/// field is its size; a reference to a shorter struct than ours would be undefined behaviour.
///
/// # Safety
/// `options` points to a struct of the caller's that is as long as its first field says.
pub(super) unsafe fn field<T: Copy>(options: *const u8, offset: usize, default: T) -> T {
    // SAFETY: the size is there, and tells whether the field is.
    unsafe {
        let size = options.cast::<usize>().read_unaligned();
        if offset + size_of::<T>() > size {
            return default;
        }
        options.add(offset).cast::<T>().read_unaligned()
    }
}

/// A field of an options struct, or its default where there is none, or no struct.
///
/// # Safety
/// `options` is NULL, or as for [`field`].
pub(super) unsafe fn field_or<T: Copy>(options: *const u8, offset: usize, default: T) -> T {
    // SAFETY: the caller's promise.
    if options.is_null() { default } else { unsafe { field(options, offset, default) } }
}

/// [`field_or`] of a field by its name.
macro_rules! option {
    ($options:ident: $struct:ident, $field:ident, $default:expr) => {
        crate::ffi::field_or($options, std::mem::offset_of!($struct, $field), $default)
    };
}
pub(super) use option;

/// The same of a field that is true or false, and false by default. (Read as a byte: the caller's may hold
/// any.)
macro_rules! flag {
    ($options:ident: $struct:ident, $field:ident) => {
        crate::ffi::field_or($options, std::mem::offset_of!($struct, $field), 0u8) != 0
    };
}
pub(super) use flag;

/// Writes one field of an output struct, if the caller's struct has it.
///
/// # Safety
/// As for [`field`], and the struct may be written to.
pub(super) unsafe fn set_field<T: Copy>(out: *mut u8, offset: usize, value: T) {
    // SAFETY: the size is there, and tells whether the field is.
    unsafe {
        let size = out.cast::<usize>().read_unaligned();
        if offset + size_of::<T>() <= size {
            out.add(offset).cast::<T>().write_unaligned(value);
        }
    }
}

/// A head gradient as C gives it: null for "ones".
pub(super) fn head(head: bg_node) -> Option<Handle> {
    (head.tag != 0).then(|| head.into())
}
