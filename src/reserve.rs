//! Keeps exhausted memory a status: the one thing that would abort the process is covered here.
//!
//! This library allocates nothing that may not fail, except through the `gemm` crate, which packs
//! its operands into memory that it takes for granted. So before a product, a *reserve* as large as
//! `gemm` can need is taken from the graph's pool, where failing is an error like any other; and
//! while the product runs, the C libraries' allocator turns to the reserve whenever the system has
//! no memory left. The reserve belongs to one thread and one product: no lock, no waiting.
//!
//! The alternative, a product of our own that allocates nothing, would be slower and much longer.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr;

use dyn_stack::{MemBuffer, StackReq};
use gemm_common::cache::CACHE_INFO;
use gemm_common::gemm::{CACHELINE_ALIGN, L2_SLAB};

use crate::error::Maybe;
use crate::graph::Core;

/// The system's allocator, with the thread's reserve behind it.
struct WithReserve;

#[global_allocator]
static ALLOCATOR: WithReserve = WithReserve;

thread_local! {
    /// The reserve of the product that is running, or null. Needs neither set-up nor clean-up, so
    /// the allocator may use it.
    static RESERVE: Cell<*mut Reserve> = const { Cell::new(ptr::null_mut()) };

    /// Whether `gemm`'s own buffer of this thread is there.
    static IS_PRIMED: Cell<bool> = const { Cell::new(false) };
}

/// Runs a function on this thread's reserve, if there is one.
fn with_current<R>(run: impl FnOnce(&mut Reserve) -> R) -> Option<R> {
    // SAFETY: the pointer is null or that of the `Reserve` in a frame of `with_reserve` further up,
    // which does not touch it meanwhile; `run` does not allocate, so this is not entered twice.
    unsafe { RESERVE.get().as_mut() }.map(run)
}

// SAFETY: memory comes from `System`, or from the reserve, which hands out disjoint, aligned blocks
// of a buffer that outlives the product; each goes back to where it came from.
unsafe impl GlobalAlloc for WithReserve {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        let start = unsafe { System.alloc(layout) };
        if !start.is_null() {
            return start;
        }
        with_current(|reserve| reserve.take(layout)).unwrap_or(ptr::null_mut())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        let start = unsafe { System.alloc_zeroed(layout) };
        if !start.is_null() {
            return start;
        }
        let start = with_current(|reserve| reserve.take(layout)).unwrap_or(ptr::null_mut());
        if !start.is_null() {
            // SAFETY: a new block of this size.
            unsafe { start.write_bytes(0, layout.size()) };
        }
        start
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if with_current(|reserve| reserve.owns(old)) != Some(true) {
            // SAFETY: `old` is the system's; else the caller's promise.
            let new = unsafe { System.realloc(old, layout, size) };
            if !new.is_null() {
                return new;
            }
        }
        // SAFETY: the caller promises that the new size is valid for this alignment; the old block
        // is released only after its content has been copied.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                ptr::copy_nonoverlapping(old, new, layout.size().min(size));
                self.dealloc(old, layout);
            }
            new
        }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        if with_current(|reserve| reserve.give(start)) != Some(true) {
            // SAFETY: not the reserve's, so it is the system's; else the caller's promise.
            unsafe { System.dealloc(start, layout) };
        }
    }
}

/// Blocks of a reserve that may be in use at once.
const BLOCKS: usize = 32;

/// A small allocator over a given piece of memory: first fit.
struct Reserve {
    memory: *mut u8,
    len: usize,
    /// Offset and end of each block in use, in order.
    blocks: [(usize, usize); BLOCKS],
    count: usize,
}

impl Reserve {
    fn take(&mut self, layout: Layout) -> *mut u8 {
        if self.count == BLOCKS {
            return ptr::null_mut();
        }
        let mut end = 0;
        for place in 0..=self.count {
            let next = self.blocks[..self.count].get(place).copied();
            let gap = next.map_or(self.len, |block| block.0);
            let start = end + self.memory.wrapping_add(end).align_offset(layout.align());
            if start.checked_add(layout.size()).is_some_and(|end| end <= gap) {
                self.blocks.copy_within(place..self.count, place + 1);
                self.blocks[place] = (start, start + layout.size());
                self.count += 1;
                return self.memory.wrapping_add(start);
            }
            end = next.map_or(gap, |block| block.1);
        }
        ptr::null_mut()
    }

    fn owns(&self, start: *mut u8) -> bool {
        (self.memory.addr()..self.memory.addr() + self.len).contains(&start.addr())
    }

    /// Takes a block back; false if it is none of the reserve's.
    fn give(&mut self, start: *mut u8) -> bool {
        if !self.owns(start) {
            return false;
        }
        let offset = start.addr() - self.memory.addr();
        if let Some(place) = self.blocks[..self.count].iter().position(|block| block.0 == offset) {
            self.blocks.copy_within(place + 1..self.count, place);
            self.count -= 1;
        }
        true
    }
}

/// Makes a reserve the thread's, until dropped.
struct Current;

impl Current {
    fn new(reserve: &mut Reserve) -> Self {
        RESERVE.set(reserve);
        Self
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        RESERVE.set(ptr::null_mut());
    }
}

/// Runs a function that cannot run out of memory as long as it needs, at any time, no more than
/// `bytes`, and keeps none of it.
fn with_reserve<R>(core: &mut Core, bytes: usize, run: impl FnOnce(&Core) -> R) -> Maybe<R> {
    let buffer = core.pool.take(bytes).map_err(|_| core.out_of_memory("matmul"))?;
    let memory = buffer.as_ptr();
    let mut reserve = Reserve { memory, len: bytes, blocks: [(0, 0); BLOCKS], count: 0 };
    let current = Current::new(&mut reserve);
    let result = run(core);
    drop(current);
    core.pool.give(buffer);
    Ok(result)
}

/// Runs a product of an m x k and a k x n matrix of elements of this size, by `gemm`.
pub(crate) fn with_room_for_gemm(
    core: &mut Core,
    (m, k, n): (usize, usize, usize),
    size: usize,
    multiply: impl FnOnce(&Core),
) -> Maybe<()> {
    prime(core)?;
    with_reserve(core, packed_bytes(m, k, n, size), multiply)
}

/// What `gemm` allocates once and keeps: a description of the caches, read from files, and for each
/// thread a buffer of the size of the second-level cache.
fn prime(core: &mut Core) -> Maybe<()> {
    /// Paths, and one small file at a time.
    const FILES: usize = 256 * 1024;
    if IS_PRIMED.get() {
        return Ok(());
    }
    let bytes = with_reserve(core, FILES, |_| CACHE_INFO[1].cache_bytes)?;
    let slab = MemBuffer::try_new(StackReq::new_aligned::<u8>(bytes, CACHELINE_ALIGN));
    L2_SLAB.set(slab.map_err(|_| core.out_of_memory("matmul"))?);
    IS_PRIMED.set(true);
    Ok(())
}

/// What `gemm` (0.19) allocates for one product: a packed copy of each operand, or of a part that
/// fits in the caches, and a flag for each panel of rows.
fn packed_bytes(m: usize, k: usize, n: usize, size: usize) -> usize {
    /// Rows or columns by which a copy may be padded, or a part exceed its cache.
    const PANEL: usize = 64;
    /// More than the depth of a part.
    const DEEP: usize = 4096;
    let (l2, l3) = (CACHE_INFO[1].cache_bytes, CACHE_INFO[2].cache_bytes);
    let part = l3.max(2 * l2) + PANEL * DEEP * size;
    let copy = |len: usize| (len + PANEL).saturating_mul(k).saturating_mul(size).min(part);
    copy(m) + copy(n) + l2 / (size * k.min(512)) + 4 * CACHELINE_ALIGN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_hands_out_disjoint_blocks_and_takes_them_back_in_any_order() {
        let mut memory = vec![0u8; 4096];
        let (start, len) = (memory.as_mut_ptr(), memory.len());
        let mut reserve = Reserve { memory: start, len, blocks: [(0, 0); BLOCKS], count: 0 };
        let layout = |size| Layout::from_size_align(size, 64).unwrap();
        let a = reserve.take(layout(1000));
        let b = reserve.take(layout(100));
        let c = reserve.take(layout(2000));
        assert!(!a.is_null() && a.addr() + 1000 <= b.addr() && b.addr() + 100 <= c.addr());
        assert!([a, b, c].iter().all(|start| start.addr() % 64 == 0));
        assert!(reserve.take(layout(1000)).is_null());
        assert!(reserve.give(a));
        assert_eq!(reserve.take(layout(900)), a);
        assert!(reserve.give(c) && reserve.give(b) && reserve.give(a));
        assert!(!reserve.give(ptr::null_mut()));
        assert_eq!(reserve.count, 0);
        let all: Vec<_> = (0..BLOCKS).map(|_| reserve.take(layout(64))).collect();
        assert!(!all.contains(&ptr::null_mut()));
        assert!(reserve.take(layout(1)).is_null(), "the list of blocks is full");
    }
}
