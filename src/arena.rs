//! The graph's memory for records: pages from a bump allocator, addressed by index.
//!
//! A bump allocator alone cannot give back a part of what it handed out, and its allocations
//! cannot be found by number. Pages solve both: a [`Stack`] takes fixed-size pages from the bump,
//! finds element `i` by a shift and a mask, and is cut back in O(1) while keeping its pages for the
//! next recording. Only the first page grows, and moves while it does. [`Lists`] interns short
//! integer lists in the same manner, so equal shapes have equal ids.
//!
//! Tensor data is elsewhere (`buffer.rs`): a bump allocator doubles its chunks, and one large
//! tensor would make the next small record reserve twice as much.

use std::alloc::Layout;
use std::marker::PhantomData;
use std::ptr::NonNull;

use bumpalo::Bump;
use hashbrown::HashTable;

use crate::host::advise_huge;
use crate::id::ListId;

/// The system, or the graph's limit, has no memory left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutOfMemory;

/// Pushing that reports exhausted memory, where `Vec::push` would abort the process.
pub(crate) trait TryPush<T> {
    /// Appends; the place of the new element.
    fn try_push(&mut self, value: T) -> Result<u32, OutOfMemory>;
    /// Puts an element at a place, before those from there on.
    fn try_insert(&mut self, place: usize, value: T) -> Result<(), OutOfMemory>;
    /// Makes room for exactly this many elements more.
    fn try_room(&mut self, more: usize) -> Result<(), OutOfMemory>;
    /// Appends into room that was made before.
    fn push_within(&mut self, value: T);
    /// Makes the list at least this long.
    fn try_extend_to(&mut self, len: usize, value: T) -> Result<(), OutOfMemory>
    where
        T: Clone;
    /// Bytes of memory that it holds.
    fn bytes(&self) -> usize;
}

// Here alone lists grow: clippy.toml forbids the methods that abort everywhere else.
#[allow(clippy::disallowed_methods, reason = "into room that was reserved")]
impl<T> TryPush<T> for Vec<T> {
    #[inline]
    fn try_push(&mut self, value: T) -> Result<u32, OutOfMemory> {
        if self.len() == self.capacity() {
            self.try_reserve(1).map_err(|_| OutOfMemory)?;
            note_growth(self);
        }
        self.push(value);
        Ok(self.len() as u32 - 1)
    }

    fn try_insert(&mut self, place: usize, value: T) -> Result<(), OutOfMemory> {
        self.try_reserve(1).map_err(|_| OutOfMemory)?;
        self.insert(place, value);
        Ok(())
    }

    fn try_room(&mut self, more: usize) -> Result<(), OutOfMemory> {
        self.try_reserve_exact(more).map_err(|_| OutOfMemory)
    }

    #[inline]
    fn push_within(&mut self, value: T) {
        assert!(self.len() < self.capacity(), "a list of {} has no room", self.len());
        self.push(value);
    }

    fn bytes(&self) -> usize {
        self.capacity() * size_of::<T>()
    }

    fn try_extend_to(&mut self, len: usize, value: T) -> Result<(), OutOfMemory>
    where
        T: Clone,
    {
        if self.len() < len {
            let capacity = self.capacity();
            self.try_reserve(len - self.len()).map_err(|_| OutOfMemory)?;
            if self.capacity() > capacity {
                note_growth(self);
            }
            self.resize(len, value);
        }
        Ok(())
    }
}

/// A box of a value, which is given back where `Box::new` would abort.
#[cfg(feature = "capi")]
pub(crate) fn try_box<T>(value: T) -> Result<Box<T>, T> {
    const { assert!(size_of::<T>() > 0) };
    // SAFETY: the layout has a size other than 0.
    let place = unsafe { std::alloc::alloc(Layout::new::<T>()) }.cast::<T>();
    if place.is_null() {
        return Err(value);
    }
    // SAFETY: newly allocated for this type, as a box is.
    unsafe {
        place.write(value);
        Ok(Box::from_raw(place))
    }
}

/// Asks for huge pages for a long list that has grown.
fn note_growth<T>(list: &Vec<T>) {
    if let Some(start) = NonNull::new(list.as_ptr().cast_mut()) {
        advise_huge(start.cast(), list.bytes());
    }
}

/// Memory of a bump. Of a new chunk, all is asked for as huge pages if it is large: a long recording
/// would otherwise spend a third of its time on page faults.
fn page_of(bump: &Bump, layout: Layout) -> Result<NonNull<u8>, OutOfMemory> {
    let before = bump.chunk_capacity();
    let page = bump.try_alloc_layout(layout).map_err(|_| OutOfMemory)?;
    // What is left of a chunk lies before what it gave last.
    let left = bump.chunk_capacity();
    if left > before
        && let Some(start) = NonNull::new(page.as_ptr().wrapping_sub(left))
    {
        advise_huge(start, left + layout.size());
    }
    Ok(page)
}

const PAGE_BITS: u32 = 9;

/// Elements that the first page has room for in the beginning: most graphs are small.
const FIRST: usize = 16;

/// A stack of small Copy records, in pages of a [`Bump`], of 2^`BITS` records each.
pub(crate) struct Stack<T: Copy, const BITS: u32 = PAGE_BITS> {
    pages: Vec<NonNull<T>>,
    len: usize,
    /// Elements that there is room for.
    room: usize,
    /// Elements that there will be room for at first.
    first: usize,
    own: PhantomData<T>,
}

impl<T: Copy, const BITS: u32> Stack<T, BITS> {
    /// Records of a page.
    const PAGE: usize = 1 << BITS;

    pub(crate) const fn new() -> Self {
        Self::with_room(FIRST)
    }

    /// One whose elements never move: its first page is a whole one from the beginning.
    pub(crate) const fn unmoved() -> Self {
        Self::with_room(Self::PAGE)
    }

    /// One that has room for so many records at first.
    pub(crate) const fn with_room(first: usize) -> Self {
        Self { pages: Vec::new(), len: 0, room: 0, first, own: PhantomData }
    }

    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn push(&mut self, bump: &Bump, value: T) -> Result<usize, OutOfMemory> {
        let index = self.len;
        if index == self.room {
            self.grow(bump)?;
        }
        // SAFETY: index < room (checked above), so its page exists and has room for it.
        unsafe {
            self.pages.get_unchecked(index >> BITS).add(index & (Self::PAGE - 1)).write(value)
        };
        self.len += 1;
        Ok(index)
    }

    #[cold]
    fn grow(&mut self, bump: &Bump) -> Result<(), OutOfMemory> {
        self.pages.try_reserve(1).map_err(|_| OutOfMemory)?;
        let page_len = if self.room < Self::PAGE {
            (2 * self.room).clamp(self.first, Self::PAGE)
        } else {
            Self::PAGE
        };
        let layout = Layout::array::<T>(page_len).map_err(|_| OutOfMemory)?;
        let page = page_of(bump, layout)?.cast();
        if self.room < Self::PAGE
            && let Some(first) = self.pages.first_mut()
        {
            // SAFETY: the first page holds all `room` elements, and the new one has room for more.
            unsafe { page.copy_from_nonoverlapping(*first, self.room) };
            *first = page;
            self.room = page_len;
        } else {
            self.pages.push_within(page);
            self.room += page_len;
        }
        Ok(())
    }

    /// Bytes of memory that it holds outside of the bump.
    pub(crate) fn bytes(&self) -> usize {
        self.pages.bytes()
    }

    /// Drops all elements from `len` on; their pages are kept for later ones.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    #[inline(always)]
    fn at(&self, index: usize) -> NonNull<T> {
        if index >= self.len {
            outside(index, self.len);
        }
        // SAFETY: index < len <= room, so its page was allocated by `grow` with room for it.
        unsafe { self.pages.get_unchecked(index >> BITS).add(index & (Self::PAGE - 1)) }
    }

    /// Where an element lies: for as long as the bump lives, if it is never moved. Nobody may borrow
    /// it while it is written there.
    #[inline(always)]
    pub(crate) fn place(&self, index: usize) -> NonNull<T> {
        self.at(index)
    }

    #[inline(always)]
    pub(crate) fn get(&self, index: usize) -> &T {
        // SAFETY: `at` returns an initialised element of this stack, borrowed as long as `self`.
        unsafe { self.at(index).as_ref() }
    }

    #[inline(always)]
    pub(crate) fn get_mut(&mut self, index: usize) -> &mut T {
        // SAFETY: as in `get`, and `self` is borrowed mutably.
        unsafe { self.at(index).as_mut() }
    }
}

#[cold]
#[inline(never)]
fn outside(index: usize, len: usize) -> ! {
    panic!("index {index} is outside a stack of {len}");
}

#[derive(Clone, Copy)]
struct Entry {
    words: NonNull<u64>,
    len: u32,
    hash: u32,
    /// All bits of the hash, of which `hash` is one half.
    whole: u64,
}

/// Where the next list goes: pages of words, filled one after the other.
#[derive(Clone, Copy, Default)]
struct Cursor {
    page: usize,
    used: usize,
}

#[derive(Clone, Copy)]
struct Page {
    words: NonNull<u64>,
    capacity: usize,
}

/// Interned integer lists: equal lists have equal ids, and an id's words never move.
pub(crate) struct Lists {
    entries: Stack<Entry>,
    pages: Vec<Page>,
    /// One a list: where it started, to which a rewind goes back.
    starts: Stack<Cursor>,
    cursor: Cursor,
    table: HashTable<u32>,
}

/// Words of a page, and of the first one.
const LIST_PAGE: usize = 1024;
const FIRST_LIST_PAGE: usize = 64;

/// The stored half of a hash as hashbrown wants it: a tag in the top bits, a bucket in the low ones.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

impl Lists {
    pub(crate) const fn new() -> Self {
        Self {
            entries: Stack::new(),
            pages: Vec::new(),
            starts: Stack::new(),
            cursor: Cursor { page: 0, used: 0 },
            table: HashTable::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn get(&self, id: ListId) -> &[u64] {
        let entry = self.entries.get(id.index());
        // SAFETY: the entry was made by `intern` over initialised words of a page, which live as
        // long as the bump; nothing writes to them while the entry exists.
        unsafe { std::slice::from_raw_parts(entry.words.as_ptr(), entry.len as usize) }
    }

    /// Sums up the content of a list.
    #[inline(always)]
    pub(crate) fn hash(&self, id: ListId) -> u64 {
        self.entries.get(id.index()).whole
    }

    /// The id of this list, an old one when the list is known.
    pub(crate) fn intern(
        &mut self,
        bump: &Bump,
        words: impl ExactSizeIterator<Item = u64> + Clone,
    ) -> Result<ListId, OutOfMemory> {
        let hash = words.clone().fold(0xcbf2_9ce4_8422_2325_u64, |hash, word| {
            (hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95)
        });
        let whole = hash ^ words.len() as u64;
        let hash = (hash >> 32) as u32;
        let same = |&id: &u32| {
            let known = self.get(ListId(id));
            known.len() == words.len() && known.iter().copied().eq(words.clone())
        };
        if let Some(&id) = self.table.find(spread(hash), same) {
            return Ok(ListId(id));
        }
        let entries = &self.entries;
        self.table
            .try_reserve(1, |&id| spread(entries.get(id as usize).hash))
            .map_err(|_| OutOfMemory)?;
        let start = self.cursor;
        let place = self.place(bump, words.len())?;
        for (i, word) in words.clone().enumerate() {
            // SAFETY: `place` gave room for this many words.
            unsafe { place.add(i).write(word) };
        }
        let entry = Entry { words: place, len: words.len() as u32, hash, whole };
        let id = self.entries.push(bump, entry)?;
        if self.starts.push(bump, start).is_err() {
            self.entries.truncate(id);
            return Err(OutOfMemory);
        }
        #[allow(clippy::disallowed_methods, reason = "into room that was reserved")]
        self.table.insert_unique(spread(hash), id as u32, |_| unreachable!("room was reserved"));
        Ok(ListId(id as u32))
    }

    /// Bytes of memory that they hold outside of the bump.
    pub(crate) fn bytes(&self) -> usize {
        self.entries.bytes()
            + self.starts.bytes()
            + self.pages.bytes()
            + self.table.allocation_size()
    }

    fn place(&mut self, bump: &Bump, len: usize) -> Result<NonNull<u64>, OutOfMemory> {
        loop {
            match self.pages.get(self.cursor.page) {
                Some(page) if page.capacity - self.cursor.used >= len => {
                    // SAFETY: the words from `used` on, `len` of them, are inside the page.
                    let place = unsafe { page.words.add(self.cursor.used) };
                    self.cursor.used += len;
                    return Ok(place);
                }
                Some(_) => self.cursor = Cursor { page: self.cursor.page + 1, used: 0 },
                None => {
                    self.pages.try_reserve(1).map_err(|_| OutOfMemory)?;
                    let page = if self.pages.is_empty() { FIRST_LIST_PAGE } else { LIST_PAGE };
                    let capacity = len.max(page);
                    let layout = Layout::array::<u64>(capacity).map_err(|_| OutOfMemory)?;
                    let words = page_of(bump, layout)?.cast();
                    self.pages.push_within(Page { words, capacity });
                }
            }
        }
    }

    /// Forgets all lists from the `len`-th on.
    pub(crate) fn truncate(&mut self, len: usize) {
        while self.entries.len() > len {
            let id = self.entries.len() - 1;
            let hash = self.entries.get(id).hash;
            if let Ok(found) = self.table.find_entry(spread(hash), |&other| other as usize == id) {
                found.remove();
            }
            self.cursor = *self.starts.get(id);
            self.entries.truncate(id);
            self.starts.truncate(id);
        }
    }
}

/// Bytes of one page of a stack of `T`; a graph cannot start with less.
#[cfg(test)]
const fn page_bytes<T: Copy>() -> usize {
    Stack::<T>::PAGE * size_of::<T>()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = Stack::<usize>::PAGE;

    #[test]
    fn a_stack_grows_without_losing_elements() {
        let bump = Bump::new();
        let mut stack = Stack::<usize>::new();
        for i in 0..3 * PAGE {
            assert_eq!(stack.push(&bump, i), Ok(i));
            assert!((0..=i).all(|k| *stack.get(k) == k));
            assert!(stack.room > i && stack.room <= (2 * (i + 1)).clamp(FIRST, i + PAGE));
        }
    }

    #[test]
    fn a_stack_keeps_addresses_and_pages() {
        let bump = Bump::new();
        let mut stack = Stack::<usize>::unmoved();
        stack.push(&bump, 0usize).unwrap();
        let first: *const usize = stack.get(0);
        for i in 1..3 * PAGE {
            assert_eq!(stack.push(&bump, i), Ok(i));
        }
        assert!(std::ptr::eq(first, stack.get(0)));
        let bytes = bump.allocated_bytes();
        assert!(bytes >= 3 * page_bytes::<usize>());
        stack.truncate(1);
        for i in 1..3 * PAGE {
            stack.push(&bump, i * 2).unwrap();
        }
        assert_eq!((stack.len(), *stack.get(700), bump.allocated_bytes()), (3 * PAGE, 1400, bytes));
    }

    #[test]
    fn lists_are_equal_exactly_when_their_ids_are() {
        let bump = Bump::new();
        let mut lists = Lists::new();
        let list = |i: u64| (0..i % 5).map(move |k| i / 5 + k).collect::<Vec<_>>();
        let ids: Vec<_> =
            (0..4000).map(|i| lists.intern(&bump, list(i).into_iter()).unwrap()).collect();
        for i in 0..4000 {
            assert_eq!(lists.get(ids[i as usize]), list(i));
            assert_eq!(lists.intern(&bump, list(i).into_iter()), Ok(ids[i as usize]));
        }
        let long: Vec<u64> = (0..5000).collect();
        let id = lists.intern(&bump, long.iter().copied()).unwrap();
        assert_eq!(lists.get(id), long);
    }

    #[test]
    fn truncating_and_filling_again_needs_no_more_memory() {
        let bump = Bump::new();
        let mut lists = Lists::new();
        let keep = lists.intern(&bump, [1, 2, 3].into_iter()).unwrap();
        let mut bytes = 0;
        for round in 0..50u64 {
            for i in 0..500 {
                lists.intern(&bump, [round, i, 7].into_iter()).unwrap();
            }
            lists.truncate(1);
            if round == 0 {
                bytes = bump.allocated_bytes();
            }
        }
        assert_eq!(bump.allocated_bytes(), bytes);
        assert_eq!(lists.len(), 1);
        assert_eq!(lists.intern(&bump, [1, 2, 3].into_iter()), Ok(keep));
    }
}
