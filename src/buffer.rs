//! The pool that tensor data lives in: 64-byte-aligned buffers, by size class, reused.
//!
//! Fresh pages from the system cost more than the arithmetic of an elementwise operation (a page
//! fault every 4 KiB), so a buffer that is given back is kept for the next tensor of its class.
//! Free buffers are linked through their own first bytes: the pool itself needs no memory to
//! remember them, and giving back cannot fail.
//!
//! The pool also keeps the books of all memory of a graph: what it has taken itself, what the bump
//! of the records has, and what it is told of the rest. One limit is for the sum.

use std::alloc::{Layout, alloc, dealloc};
use std::cell::Cell;
use std::ptr::{self, NonNull};

use bumpalo::Bump;

use crate::arena::{OutOfMemory, TryPush};
use crate::host::{HUGE, advise_huge};

/// Every buffer starts at a multiple of this: a cache line, and the widest vector register.
pub(crate) const ALIGN: usize = 64;

/// Buffers up to this size are cut from slabs, so that a graph of scalars does not call the
/// system's allocator for each.
const SLAB_LIMIT: usize = 2048;
/// Bytes of the first slab, and of the largest, which is of huge pages: each is twice the one before.
const FIRST_SLAB: usize = 2048;
const SLAB: usize = HUGE;

/// What buffers of huge pages are aligned for.
const HUGE_PAGE: usize = 2 << 20;

/// Buffers of huge pages begin a few cache lines apart from one another: otherwise the same element
/// of every operand would want the same place in the first-level cache.
const COLOURS: usize = 16;
const COLOUR: usize = 5 * ALIGN;

/// Size classes: 64, 128, 192, 256, and then four a doubling, so at most a fifth is wasted.
const CLASSES: usize = 4 * (usize::BITS as usize - 8);

fn class_of(bytes: usize) -> usize {
    let units = bytes.div_ceil(ALIGN).max(1);
    if units <= 4 {
        return units - 1;
    }
    let top = (units - 1).ilog2() as usize; // 2^top < units <= 2^(top + 1), top >= 2
    4 * (top - 1) + ((units - 1) >> (top - 2)) - 4
}

fn class_bytes(class: usize) -> usize {
    if class < 4 {
        return (class + 1) * ALIGN;
    }
    let (top, quarter) = (class / 4 + 1, class % 4);
    ((5 + quarter) << (top - 2)) * ALIGN
}

/// Bytes of the buffer that holds so many.
pub(crate) fn buffer_bytes(bytes: usize) -> usize {
    if bytes > isize::MAX as usize { usize::MAX } else { class_bytes(class_of(bytes)) }
}

/// Bytes of the largest buffer that takes at most so many; 0 if there is none.
pub(crate) fn buffer_within(bytes: usize) -> usize {
    if bytes < ALIGN {
        return 0;
    }
    let class = class_of(bytes.min(isize::MAX as usize));
    if class_bytes(class) <= bytes { class_bytes(class) } else { class_bytes(class - 1) }
}

/// A value of at most so many bytes is kept beside the record of its node: a graph of scalars
/// needs no buffers.
pub(crate) const INLINE: usize = 8;

/// The class of what is not the pool's.
const INLINE_CLASS: u32 = u32::MAX;

/// A buffer of a [`Pool`]; whoever holds it gives it back to that pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Buffer {
    start: NonNull<u8>,
    class: u32,
}

impl Buffer {
    /// Memory for `INLINE` bytes that is not the pool's, and whose owner outlives the buffer.
    pub(crate) fn inline(start: NonNull<u64>) -> Self {
        Self { start: start.cast(), class: INLINE_CLASS }
    }

    pub(crate) fn is_inline(self) -> bool {
        self.class == INLINE_CLASS
    }

    #[inline(always)]
    pub(crate) fn as_ptr(self) -> *mut u8 {
        self.start.as_ptr()
    }
}

/// What memory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Tensors,
    Recording,
    Plans,
}

/// Byte counts of a graph's memory. A limit is for the sum of `pooled`, `records` and `plans`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryStats {
    /// Bytes in buffers that hold values and gradients now.
    pub live: usize,
    /// Bytes of tensor data taken from the system, in use or kept for reuse.
    pub pooled: usize,
    /// The largest `live` so far.
    pub peak: usize,
    /// Bytes that hold the records of nodes, their shapes, states and labels.
    pub records: usize,
    /// Bytes that hold plans, and what making and running them takes beside tensors.
    pub plans: usize,
}

impl MemoryStats {
    /// All that was taken from the system: what a limit is for.
    pub fn total(&self) -> usize {
        self.pooled + self.records + self.plans
    }
}

/// Memory of the system, from `start` on in use.
struct Taken {
    start: NonNull<u8>,
    memory: NonNull<u8>,
    layout: Layout,
    bytes: usize,
}

/// See the module.
pub(crate) struct Pool {
    free: [*mut u8; CLASSES],
    /// What was taken from the system, to be given back when the pool is dropped.
    taken: Vec<Taken>,
    /// The rest of the newest slab.
    slab: *mut u8,
    slab_left: usize,
    /// Bytes of the next slab.
    next_slab: usize,
    /// `records` are those outside of the bump.
    stats: MemoryStats,
    limit: usize,
    /// Bytes of buffers that evaluations may hold at a time, and those that may be held now.
    budget: usize,
    bound: usize,
    /// For what memory was wanted when the limit was reached, and not the system's end.
    full: Cell<Option<Part>>,
    /// Pages of the records.
    pub(crate) bump: Bump,
}

impl Pool {
    pub(crate) fn new() -> Self {
        Self {
            free: [ptr::null_mut(); CLASSES],
            taken: Vec::new(),
            slab: ptr::null_mut(),
            slab_left: 0,
            next_slab: FIRST_SLAB,
            stats: MemoryStats::default(),
            limit: usize::MAX,
            budget: usize::MAX,
            bound: usize::MAX,
            full: Cell::new(None),
            bump: Bump::new(),
        }
    }

    pub(crate) fn stats(&self) -> MemoryStats {
        MemoryStats { records: self.stats.records + self.bump.allocated_bytes(), ..self.stats }
    }

    /// Lets the graph take at most this many bytes from the system.
    pub(crate) fn set_limit(&mut self, bytes: usize) {
        self.limit = bytes;
        self.share();
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn is_limited(&self) -> bool {
        self.limit != usize::MAX
    }

    /// Lets evaluations hold at most this many bytes of buffers at a time.
    pub(crate) fn set_budget(&mut self, bytes: usize) {
        self.budget = bytes;
    }

    pub(crate) fn budget(&self) -> usize {
        self.budget
    }

    pub(crate) fn has_budget(&self) -> bool {
        self.budget != usize::MAX
    }

    /// While an evaluation runs, no buffer is handed out beyond the budget.
    pub(crate) fn hold_to_budget(&mut self, on: bool) {
        self.bound = if on { self.budget } else { usize::MAX };
    }

    /// Notes what records take outside of the bump.
    pub(crate) fn count_records(&mut self, bytes: usize) {
        self.stats.records = bytes;
        self.share();
    }

    /// Notes what plans take.
    pub(crate) fn count_plans(&mut self, bytes: usize) {
        self.stats.plans = bytes;
        self.share();
    }

    /// Bytes that are left.
    pub(crate) fn room(&self) -> usize {
        self.limit.saturating_sub(self.stats().total())
    }

    /// Whether so many bytes more are allowed for this.
    pub(crate) fn room_for(&self, part: Part, bytes: usize) -> Result<(), OutOfMemory> {
        let fits = bytes <= self.room();
        self.full.set((!fits).then_some(part));
        if fits { Ok(()) } else { Err(OutOfMemory) }
    }

    /// For what the limit was reached, if it was since this was asked last.
    pub(crate) fn full(&self) -> Option<Part> {
        self.full.take()
    }

    /// Lets the bump have what is left.
    fn share(&self) {
        // (Below what it has, a limit would be none.)
        let limit = self.bump.allocated_bytes().saturating_add(self.room());
        self.bump.set_allocation_limit(self.is_limited().then_some(limit));
    }

    /// A buffer of at least this many bytes, with any content.
    #[inline]
    pub(crate) fn take(&mut self, bytes: usize) -> Result<Buffer, OutOfMemory> {
        if bytes > isize::MAX as usize / 2 {
            return Err(OutOfMemory);
        }
        let class = class_of(bytes);
        if self.stats.live + class_bytes(class) > self.bound {
            return Err(OutOfMemory);
        }
        let start = match NonNull::new(self.free[class]) {
            Some(start) => {
                // SAFETY: a free buffer's first bytes hold the next one (written by `give`).
                self.free[class] = unsafe { start.cast::<*mut u8>().read() };
                start
            }
            None => self.fresh(class)?,
        };
        self.stats.live += class_bytes(class);
        self.stats.peak = self.stats.peak.max(self.stats.live);
        Ok(Buffer { start, class: class as u32 })
    }

    /// Takes a buffer back for reuse. It must come from this pool, or be inline, and must not be used
    /// any more.
    #[inline]
    pub(crate) fn give(&mut self, buffer: Buffer) {
        if buffer.is_inline() {
            return;
        }
        let class = buffer.class as usize;
        // SAFETY: the buffer is ours, at least 64 bytes long, aligned, and nobody's any more.
        unsafe { buffer.start.cast::<*mut u8>().write(self.free[class]) };
        self.free[class] = buffer.as_ptr();
        self.stats.live -= class_bytes(class);
    }

    #[cold]
    fn fresh(&mut self, class: usize) -> Result<NonNull<u8>, OutOfMemory> {
        let bytes = class_bytes(class);
        if bytes > SLAB_LIMIT {
            return self.system(bytes);
        }
        if self.slab_left < bytes {
            // The rest of the old slab goes to waste: less than the buffer.
            let mut size = self.next_slab;
            let slab = loop {
                match self.system(size) {
                    Ok(slab) => break slab,
                    Err(OutOfMemory) if size > FIRST_SLAB => size /= 2,
                    Err(OutOfMemory) => return Err(OutOfMemory),
                }
            };
            self.slab = slab.as_ptr();
            self.slab_left = size;
            self.next_slab = (2 * size).min(SLAB);
        }
        let start = self.slab;
        // SAFETY: at least `bytes` of the slab are left.
        self.slab = unsafe { self.slab.add(bytes) };
        self.slab_left -= bytes;
        NonNull::new(start).ok_or(OutOfMemory)
    }

    /// New memory; when there is none, or more than the budget, what lies free in other classes is given back for it.
    fn system(&mut self, bytes: usize) -> Result<NonNull<u8>, OutOfMemory> {
        if self.stats.pooled.saturating_add(bytes) > self.budget {
            self.release_free();
        }
        self.try_system(bytes).or_else(|_| {
            self.release_free();
            self.try_system(bytes)
        })
    }

    /// Gives free buffers back to the system, except those cut from slabs.
    #[cold]
    pub(crate) fn release_free(&mut self) {
        for class in class_of(SLAB_LIMIT + 1)..CLASSES {
            while let Some(start) = NonNull::new(self.free[class]) {
                // SAFETY: a free buffer's first bytes hold the next one (written by `give`).
                self.free[class] = unsafe { start.cast::<*mut u8>().read() };
                let found = self.taken.iter().position(|taken| taken.start == start);
                let Some(place) = found else { unreachable!("a large buffer is taken as such") };
                let Taken { memory, layout, bytes, .. } = self.taken.swap_remove(place);
                self.stats.pooled -= bytes;
                // SAFETY: allocated by `try_system` with this layout, and in nobody's use.
                unsafe { dealloc(memory.as_ptr(), layout) };
            }
        }
        self.share();
    }

    fn try_system(&mut self, bytes: usize) -> Result<NonNull<u8>, OutOfMemory> {
        self.room_for(Part::Tensors, bytes)?;
        let (size, align, colour) = match bytes >= HUGE {
            false => (bytes, ALIGN, 0),
            true => {
                let colour = self.taken.len() % COLOURS * COLOUR;
                (bytes + COLOURS * COLOUR, HUGE_PAGE, colour)
            }
        };
        let layout = Layout::from_size_align(size, align).map_err(|_| OutOfMemory)?;
        self.taken.try_reserve(1).map_err(|_| OutOfMemory)?;
        // SAFETY: the layout has a non-zero size (class sizes start at 64).
        let memory = NonNull::new(unsafe { alloc(layout) }).ok_or(OutOfMemory)?;
        advise_huge(memory, size);
        // SAFETY: the colour is inside what was added to the size.
        let start = unsafe { memory.add(colour) };
        self.taken.push_within(Taken { start, memory, layout, bytes });
        self.stats.pooled += bytes;
        self.share();
        Ok(start)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for Taken { memory, layout, .. } in self.taken.drain(..) {
            // SAFETY: allocated by `try_system` with this layout, and still ours.
            unsafe { dealloc(memory.as_ptr(), layout) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_hold_their_sizes_and_waste_little() {
        for bytes in (0..100_000).chain([1 << 30, (1 << 40) + 1]) {
            let class = class_of(bytes);
            let got = class_bytes(class);
            assert!(got >= bytes, "{bytes} in {got}");
            assert!(bytes <= 256 || got * 4 <= (bytes + 64) * 5, "{bytes} in {got}");
            assert!(class == 0 || class_bytes(class - 1) < bytes.max(1), "{bytes} in {got}");
        }
        assert!(class_of(isize::MAX as usize / 2) < CLASSES);
    }

    #[test]
    fn buffers_are_aligned_apart_and_reused() {
        let mut pool = Pool::new();
        let sizes = [1, 64, 65, 300, 2048, 5000, 1 << 20];
        let buffers = sizes.map(|bytes| pool.take(bytes).unwrap());
        for (buffer, bytes) in buffers.iter().zip(sizes) {
            assert_eq!(buffer.as_ptr() as usize % ALIGN, 0);
            // SAFETY: the buffer has this many bytes.
            unsafe { buffer.as_ptr().write_bytes(1, bytes) };
        }
        let stats = pool.stats();
        buffers.into_iter().for_each(|buffer| pool.give(buffer));
        assert_eq!(pool.stats().live, 0);
        sizes.into_iter().for_each(|bytes| assert!(pool.take(bytes).is_ok()));
        assert_eq!(pool.stats(), stats);
    }

    #[test]
    fn the_limit_holds_and_freed_memory_can_be_used_again() {
        let mut pool = Pool::new();
        pool.set_limit(1 << 20);
        let half = pool.take(1 << 19).unwrap();
        assert_eq!(pool.take(1 << 20).unwrap_err(), OutOfMemory);
        pool.give(half);
        let half = pool.take(1 << 19).unwrap();
        assert!(pool.take(usize::MAX).is_err());
        // Free buffers of another size do not stand in the way.
        pool.give(half);
        let most = pool.take(900_000).unwrap();
        pool.give(most);
        let third = pool.take(300_000).unwrap();
        assert!(pool.take(900_000).is_err());
        pool.give(third);
        assert!(pool.take(900_000).is_ok() && pool.stats().pooled <= 1 << 20);
    }

    #[test]
    fn a_budget_is_for_what_is_held_and_for_what_is_kept() {
        for bytes in (0..5000).chain([1 << 20, (1 << 20) + 1, (1 << 40) - 1]) {
            let within = buffer_within(bytes);
            assert!(within <= bytes && buffer_bytes(within + 1) > bytes, "{within} in {bytes}");
            assert!(within == 0 || buffer_bytes(within) == within);
        }
        assert_eq!(buffer_bytes(usize::MAX), usize::MAX);
        let mut pool = Pool::new();
        pool.set_budget(1 << 20);
        let first = pool.take(600_000).unwrap();
        pool.hold_to_budget(true);
        assert_eq!(pool.take(600_000).unwrap_err(), OutOfMemory);
        // What is free is given back, rather than kept beside more.
        pool.give(first);
        let second = pool.take(900_000).unwrap();
        assert!(pool.stats().pooled <= 1 << 20);
        assert_eq!(pool.take(300_000).unwrap_err(), OutOfMemory);
        pool.hold_to_budget(false);
        assert!(pool.take(300_000).is_ok());
        pool.give(second);
        assert!(pool.take(1 << 22).is_ok() && pool.stats().peak > 1 << 20);
    }
}
