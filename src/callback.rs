//! Operations of the user's: what one says of itself, which tensors it is run on, and what it says when
//! it fails. These are the words of both interfaces; how such an operation is recorded is in
//! `op/custom.rs`, and how it is run in `exec/custom.rs`.

use std::ffi::c_void;
use std::fmt::{self, Write};
use std::marker::PhantomData;

use crate::dtype::{DType, Element};
use crate::shape::{Dims, MAX_RANK};

// ---- names ----

/// Bytes of a name, with its final NUL.
const NAME: usize = 48;

/// The name of an operation: letters, digits and `_`, so that it fits into messages, plans and profiles as
/// those of the library do.
#[derive(Clone, Copy)]
pub(crate) struct Name {
    text: [u8; NAME],
    len: usize,
}

impl Name {
    pub(crate) const LONGEST: usize = NAME - 1;

    /// A copy of this text, if it is a name.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if !(1..=Self::LONGEST).contains(&text.len()) || !text.bytes().all(is_plain) {
            return None;
        }
        let mut name = Self { text: [0; NAME], len: text.len() };
        name.text[..text.len()].copy_from_slice(text.as_bytes());
        Some(name)
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[..self.len]).unwrap_or_default()
    }

    /// With its final NUL.
    #[cfg(feature = "capi")]
    pub(crate) fn c_text(&self) -> &[u8] {
        &self.text[..=self.len]
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// ---- what an operation says of itself ----

/// Operands and results of an operation, at most: there is a bit for each in a word.
pub(crate) const MOST: usize = 64;

/// What is known of an operation before it is run.
#[derive(Clone, Copy)]
pub(crate) struct Facts {
    pub(crate) name: Name,
    pub(crate) results: usize,
    /// Whether its results are a function of its inputs, and running it does nothing else.
    pub(crate) is_pure: bool,
    /// Whether it may be run on tensors that all have more axes in front.
    pub(crate) takes_batches: bool,
    pub(crate) has_vjp: bool,
    pub(crate) has_jvp: bool,
    /// Whether it can record its cotangents.
    pub(crate) records_vjp: bool,
}

impl Facts {
    pub(crate) fn has_derivative(&self) -> bool {
        self.has_vjp || self.has_jvp || self.records_vjp
    }
}

// ---- tensors ----

/// A tensor of a call, laid out as in C: dense and row-major; one that is not there has no data.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Raw {
    pub(crate) data: *mut c_void,
    pub(crate) dims: *const usize,
    pub(crate) rank: usize,
    pub(crate) len: usize,
    pub(crate) dtype: i32,
}

impl Raw {
    pub(crate) const ABSENT: Self = Self {
        data: std::ptr::null_mut(),
        dims: std::ptr::null(),
        rank: 0,
        len: 0,
        dtype: DType::F64 as i32,
    };

    fn dtype(&self) -> DType {
        DType::from_code(self.dtype).unwrap_or(DType::U8)
    }

    fn need<T: Element>(&self) {
        let dtype = self.dtype();
        assert!(dtype == T::DTYPE, "the tensor is {dtype}, not {}", T::DTYPE);
    }
}

/// A tensor that a custom operation reads: dense and row-major.
#[repr(transparent)]
pub struct TensorRef<'a> {
    raw: Raw,
    life: PhantomData<&'a [u8]>,
}

impl<'a> TensorRef<'a> {
    /// # Safety
    /// - The dims of all of them are valid for reading.
    /// - Their data are absent, or elements of their type, as many as their lengths, which are the products
    ///   of the dims; and nobody writes them while the result lives.
    pub(crate) unsafe fn of(all: &'a [Raw]) -> &'a [Self] {
        // SAFETY: of the same layout (it is transparent).
        unsafe { std::slice::from_raw_parts(all.as_ptr().cast(), all.len()) }
    }

    /// Its element type.
    pub fn dtype(&self) -> DType {
        self.raw.dtype()
    }

    /// Its axis lengths.
    pub fn shape(&self) -> &'a [usize] {
        shape_of(&self.raw)
    }

    /// How many elements it has.
    #[allow(clippy::len_without_is_empty, reason = "not a collection")]
    pub fn len(&self) -> usize {
        self.raw.len
    }

    /// Its elements, row by row. None while shapes are asked for, when there are no data.
    ///
    /// # Panics
    /// If `T` is another element type. (A panic of a callback is contained: it becomes an error.)
    pub fn data<T: Element>(&self) -> &'a [T] {
        self.raw.need::<T>();
        if self.raw.data.is_null() {
            return &[];
        }
        // SAFETY: so many elements of this type, by the promise of `of`.
        unsafe { std::slice::from_raw_parts(self.raw.data.cast(), self.raw.len) }
    }
}

impl fmt::Debug for TensorRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.dtype(), self.shape())
    }
}

/// A tensor that a custom operation writes: dense and row-major, and zeros at first.
#[repr(transparent)]
pub struct TensorMut<'a> {
    raw: Raw,
    life: PhantomData<&'a mut [u8]>,
}

impl<'a> TensorMut<'a> {
    /// # Safety
    /// As for [`TensorRef::of`]; and nobody else reads or writes the data while the result lives.
    pub(crate) unsafe fn of(all: &'a mut [Raw]) -> &'a mut [Self] {
        // SAFETY: of the same layout (it is transparent).
        unsafe { std::slice::from_raw_parts_mut(all.as_mut_ptr().cast(), all.len()) }
    }

    /// Its element type.
    pub fn dtype(&self) -> DType {
        self.raw.dtype()
    }

    /// Its axis lengths.
    pub fn shape(&self) -> &'a [usize] {
        shape_of(&self.raw)
    }

    /// Whether it is wanted: a cotangent that nobody asks for has no elements to write.
    pub fn is_wanted(&self) -> bool {
        !self.raw.data.is_null()
    }

    /// Its elements, row by row: zeros at first; none if it is not wanted.
    ///
    /// # Panics
    /// If `T` is another element type, and it is wanted. (A panic of a callback is contained: it becomes an
    /// error.)
    pub fn data_mut<T: Element>(&mut self) -> &mut [T] {
        if self.raw.data.is_null() {
            return &mut [];
        }
        self.raw.need::<T>();
        // SAFETY: so many elements of this type, by the promise of `of`.
        unsafe { std::slice::from_raw_parts_mut(self.raw.data.cast(), self.raw.len) }
    }
}

impl fmt::Debug for TensorMut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.dtype(), self.shape())
    }
}

fn shape_of<'a>(raw: &Raw) -> &'a [usize] {
    if raw.rank == 0 {
        return &[];
    }
    // SAFETY: a tensor is only shown by `of`, to which its dims were promised for as long as it is seen.
    unsafe { std::slice::from_raw_parts(raw.dims, raw.rank) }
}

/// The shape and the element type of a result, to be set by a custom operation.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ResultShape {
    dtype: i32,
    rank: usize,
    dims: [usize; MAX_RANK],
}

impl ResultShape {
    pub(crate) fn new(dtype: DType, dims: &[usize]) -> Self {
        let mut shape = Self { dtype: dtype as i32, rank: dims.len(), dims: [0; MAX_RANK] };
        shape.dims[..dims.len()].copy_from_slice(dims);
        shape
    }

    /// Sets the axis lengths.
    ///
    /// # Panics
    /// If there are more than [`MAX_RANK`]. (A panic of a callback is contained: it becomes an error.)
    pub fn set(&mut self, dims: &[usize]) {
        assert!(dims.len() <= MAX_RANK, "a shape of rank {} exceeds {MAX_RANK}", dims.len());
        self.dims[..dims.len()].copy_from_slice(dims);
        self.rank = dims.len();
    }

    /// Sets the element type, which is that of the float inputs, or f64 if there are none. All results have
    /// the same. Integers have no gradients.
    pub fn set_dtype(&mut self, dtype: DType) {
        self.dtype = dtype as i32;
    }

    /// What was set, if it is a type and a rank.
    pub(crate) fn get(&self) -> Option<(DType, Dims)> {
        let dims = self.dims.get(..self.rank)?;
        Some((DType::from_code(self.dtype)?, Dims::new(dims)))
    }
}

// ---- a call ----

/// Which of its functions an operation is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum Part {
    /// The results.
    Forward,
    /// The cotangents of the inputs, from those of the results.
    Vjp,
    /// The tangents of the results, from those of the inputs.
    Jvp,
}

impl Part {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Vjp => "vjp",
            Self::Jvp => "jvp",
        }
    }
}

/// What an operation is called with. Cotangents that are not wanted, and tangents of inputs that do not
/// move, are absent.
pub(crate) struct Call<'a> {
    pub(crate) part: Part,
    pub(crate) inputs: &'a [Raw],
    /// The values of the results, but for the forward.
    pub(crate) outputs: &'a [Raw],
    /// The cotangents of the results, or the tangents of the inputs.
    pub(crate) given: &'a [Raw],
    pub(crate) results: &'a mut [Raw],
}

/// What a vjp of a custom operation is called with.
#[derive(Debug)]
pub struct Vjp<'a> {
    /// The inputs.
    pub inputs: &'a [TensorRef<'a>],
    /// The results, as the forward computed them.
    pub outputs: &'a [TensorRef<'a>],
    /// The cotangent of each result: zeros for one that nothing was made of.
    pub cotangents: &'a [TensorRef<'a>],
}

/// What a jvp of a custom operation is called with.
#[derive(Debug)]
pub struct Jvp<'a> {
    /// The inputs.
    pub inputs: &'a [TensorRef<'a>],
    /// The results, as the forward computed them.
    pub outputs: &'a [TensorRef<'a>],
    pub(crate) tangents: &'a [TensorRef<'a>],
}

impl<'a> Jvp<'a> {
    /// The tangent of an input, row by row; none if it does not move.
    ///
    /// # Panics
    /// If there is no such input, or `T` is not its type. (A panic of a callback is contained.)
    pub fn tangent<T: Element>(&self, input: usize) -> Option<&'a [T]> {
        let tangent = &self.tangents[input];
        (!tangent.raw.data.is_null()).then(|| tangent.data())
    }
}

/// A callback failed: its words are in the message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused;

/// Bytes of a message, with its final NUL.
pub(crate) const MESSAGE: usize = 320;

/// What a callback says when it fails: a text of C, in no memory of its own.
pub(crate) struct Message {
    pub(crate) text: [u8; MESSAGE],
}

impl Message {
    pub(crate) fn new() -> Self {
        Self { text: [0; MESSAGE] }
    }

    fn len(&self) -> usize {
        self.text.iter().position(|&byte| byte == 0).unwrap_or(MESSAGE - 1)
    }

    #[cfg(feature = "capi")]
    pub(crate) fn is_empty(&self) -> bool {
        self.text[0] == 0
    }
}

impl Write for Message {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let start = self.len();
        let take = s.floor_char_boundary(MESSAGE - 1 - start);
        self.text[start..start + take].copy_from_slice(&s.as_bytes()[..take]);
        self.text[start + take] = 0;
        Ok(())
    }
}

/// What is no UTF-8 in it is left out.
impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text[..self.len()].utf8_chunks().try_for_each(|chunk| f.write_str(chunk.valid()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_functions() {
        for name in ["f", "my_op2", &"x".repeat(Name::LONGEST)] {
            assert_eq!(Name::new(name).unwrap().as_str(), name);
        }
        for bad in ["", "a b", "a:b", "é", "a\0", &"x".repeat(NAME)] {
            assert!(Name::new(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn messages_are_cut_at_a_character_and_hold_any_bytes() {
        let mut message = Message::new();
        write!(message, "x{}", "é".repeat(MESSAGE)).unwrap();
        let text = format!("{message}");
        assert!(text.len() >= MESSAGE - 2 && text.ends_with('é'));
        message.text = [b'a'; MESSAGE];
        message.text[1] = 0xff;
        assert_eq!(format!("{message}").len(), MESSAGE - 2);
    }
}
