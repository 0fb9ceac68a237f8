//! Memory for starting and ending the pool of threads, in the libraries for C.
//!
//! The pool's crate ends the process where an allocation fails. It allocates when threads start, in
//! these threads, and when they end. In these moments the global allocator of the C libraries, which
//! is the system's, falls back on a reserve in the library's own zeroed memory, which takes no page
//! before it is used. Rust programs have an allocator of their own: there nothing is promised.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What the pool may take besides, and for each thread: several times of what it does take, which
/// the tests that let allocations fail would notice.
const BASE: usize = 64 << 10;
const PER_THREAD: usize = 8 << 10;
const SIZE: usize = BASE + 256 * PER_THREAD;

/// The largest alignment that the pool asks for: two cache lines.
const ALIGN: usize = 128;

#[repr(align(128))]
struct Memory(UnsafeCell<[u8; SIZE]>);

// SAFETY: parts of it are given away once, by an atomic counter.
unsafe impl Sync for Memory {}

static MEMORY: Memory = Memory(UnsafeCell::new([0; SIZE]));
/// How much was given away, from the start on, and how many parts did not come back.
static USED: AtomicUsize = AtomicUsize::new(0);
static LIVE: AtomicUsize = AtomicUsize::new(0);
/// How many of the moments there are now in which the reserve may be used.
static OPEN: AtomicUsize = AtomicUsize::new(0);

/// While it lives, what the system refuses is taken from the reserve.
pub(crate) struct Open(());

impl Open {
    /// None if the reserve does not do for so many threads. The caller holds the pool's lock.
    pub(crate) fn for_threads(count: usize) -> Option<Self> {
        if OPEN.load(Ordering::SeqCst) == 0 && LIVE.load(Ordering::SeqCst) == 0 {
            USED.store(0, Ordering::SeqCst);
        }
        let left = SIZE.saturating_sub(USED.load(Ordering::SeqCst));
        if left < BASE + count * PER_THREAD {
            return None;
        }
        OPEN.fetch_add(1, Ordering::SeqCst);
        Some(Self(()))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::SeqCst);
    }
}

fn start() -> *mut u8 {
    MEMORY.0.get().cast()
}

fn is_ours(place: *mut u8) -> bool {
    place.addr().wrapping_sub(start().addr()) < SIZE
}

/// Memory of the reserve, if it is open and has so much left.
#[cold]
fn take(layout: Layout) -> *mut u8 {
    if OPEN.load(Ordering::SeqCst) == 0 || layout.align() > ALIGN {
        return ptr::null_mut();
    }
    let size = layout.size().next_multiple_of(ALIGN);
    let taken = USED.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |used| {
        used.checked_add(size).filter(|&used| used <= SIZE)
    });
    match taken {
        Ok(used) => {
            LIVE.fetch_add(1, Ordering::SeqCst);
            // SAFETY: `used + size` is inside of the memory.
            unsafe { start().add(used) }
        }
        Err(_) => ptr::null_mut(),
    }
}

/// The system's allocator, with a reserve.
struct Reserving;

#[global_allocator]
static ALLOCATOR: Reserving = Reserving;

// SAFETY: blocks are the system's, or parts of the reserve that nobody else has; each goes back to
// where it came from, which its address tells.
unsafe impl GlobalAlloc for Reserving {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        let block = unsafe { System.alloc(layout) };
        if block.is_null() { take(layout) } else { block }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        let block = unsafe { System.alloc_zeroed(layout) };
        if !block.is_null() {
            return block;
        }
        let block = take(layout);
        if !block.is_null() {
            // SAFETY: newly taken, of this size.
            unsafe { block.write_bytes(0, layout.size()) };
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if is_ours(block) {
            LIVE.fetch_sub(1, Ordering::SeqCst);
            return;
        }
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) };
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise, and both blocks hold what is copied.
        unsafe {
            if !is_ours(block) {
                let moved = System.realloc(block, layout, size);
                if !moved.is_null() || OPEN.load(Ordering::SeqCst) == 0 {
                    return moved;
                }
            }
            let Ok(wanted) = Layout::from_size_align(size, layout.align()) else {
                return ptr::null_mut();
            };
            let moved = self.alloc(wanted);
            if !moved.is_null() {
                ptr::copy_nonoverlapping(block, moved, size.min(layout.size()));
                self.dealloc(block, layout);
            }
            moved
        }
    }
}
