//! What one thread needs to run programs.

use std::mem::MaybeUninit;
use std::time::Instant;

use super::copy::StridedCursor;
use super::padded::PaddedCursor;
use crate::arena::{OutOfMemory, TryPush};
use crate::buffer::{ALIGN, Part, Pool};
use crate::gemm::Held;
use crate::kernel::STRIDE;
use crate::plan::Plan;
use crate::shape::{Layout, Padded};

/// What one thread needs to run programs; kept from run to run.
#[derive(Default)]
pub(crate) struct Workspace {
    pub(super) registers: Vec<CacheLine>,
    pub(super) slots: Vec<*mut u8>,
    /// By view: its register, and where it stands.
    pub(super) cursors: Vec<(*mut u8, StridedCursor)>,
    /// By pad, the same.
    pub(super) padded: Vec<(*mut u8, PaddedCursor)>,
    /// By join.
    pub(super) joined: Vec<JoinPlace>,
    pub(super) lanes: Vec<Accumulators>,
    /// Copies of parts of matrices.
    product: Vec<CacheLine>,
    /// The right factor that is held there, by its first element.
    factor: Option<*const u8>,
    /// The chunk of a product at hand, and at which byte of the result it begins.
    pub(super) chunk: Vec<CacheLine>,
    pub(super) chunk_from: usize,
    /// Whether sinks scale what they take.
    pub(super) rescues: bool,
    /// From when to when it was used in a step, if a profile is taken.
    busy: Option<(Instant, Instant)>,
}

// SAFETY: the pointers are only looked at while a program runs, by the thread that set them.
unsafe impl Send for Workspace {}

/// Where the walk over a join stands.
#[derive(Clone, Copy)]
pub(super) struct JoinPlace {
    pub(super) register: *mut u8,
    /// The next element of the whole.
    pub(super) next: usize,
}

impl JoinPlace {
    pub(super) const NOWHERE: Self = Self { register: std::ptr::null_mut(), next: 0 };
}

/// A cache line of registers.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct CacheLine(
    #[expect(dead_code, reason = "only its address matters")] MaybeUninit<[u8; ALIGN]>,
);

/// The accumulators of a sink: `STRIDE` elements of any float type.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Accumulators(pub(super) [u64; STRIDE]);

impl Workspace {
    /// Memory for products.
    pub(super) fn memory(&mut self) -> *mut u8 {
        self.product.as_mut_ptr().cast()
    }

    /// Nothing is known of the factors any more.
    pub(super) fn forget_factor(&mut self) {
        self.factor = None;
    }

    /// What it holds of a right factor, if that is to be held from now on.
    pub(super) fn hold(&mut self, factor: *const u8) -> Held {
        if self.factor.replace(factor) == Some(factor) { Held::Now } else { Held::Later }
    }

    /// Room for a chunk of a product's result, which begins at this byte of it.
    pub(super) fn chunk_at(&mut self, from: usize) -> *mut u8 {
        self.chunk_from = from;
        self.chunk.as_mut_ptr().cast()
    }

    pub(super) fn busy(&self) -> Option<(Instant, Instant)> {
        self.busy
    }

    pub(super) fn forget_busy(&mut self) {
        self.busy = None;
    }

    pub(super) fn note_busy(&mut self, began: Instant) {
        let began = self.busy.map_or(began, |(first, _)| first);
        self.busy = Some((began, Instant::now()));
    }

    /// Bytes of memory that it holds.
    pub(super) fn bytes(&self) -> usize {
        let Self { registers, slots, cursors, padded, joined, lanes, product, chunk, .. } = self;
        let lines = registers.bytes() + product.bytes() + chunk.bytes() + lanes.bytes();
        lines + slots.bytes() + cursors.bytes() + padded.bytes() + joined.bytes()
    }

    /// Makes room for every program of a plan, and `product` bytes for its products.
    pub(super) fn prepare(
        &mut self,
        plan: &Plan,
        product: usize,
        pool: &Pool,
    ) -> Result<(), OutOfMemory> {
        let (mut bytes, mut slots, mut sinks, mut chunk) = (0, 0, 0, 0);
        let (mut views, mut pads, mut joins) = (0, 0, 0);
        for program in &plan.programs {
            bytes = bytes.max(program.register_bytes);
            slots = slots.max(program.slots.count as usize);
            sinks = sinks.max(program.sinks.count as usize);
            views = views.max(program.views.count as usize);
            pads = pads.max(program.pads.count as usize);
            joins = joins.max(program.joins.count as usize);
            if let Some(product) = plan.singles.get(program.product as usize) {
                chunk = chunk.max(program.chunk.min(program.len) * product.dtype.size());
            }
        }
        if pool.is_limited() {
            let need = [(product, &self.product), (chunk, &self.chunk), (bytes, &self.registers)];
            let more = need.map(|(need, has)| need.saturating_sub(has.bytes()));
            pool.room_for(Part::Plans, more.iter().sum())?;
        }
        self.product.try_extend_to(product.div_ceil(ALIGN), CacheLine(MaybeUninit::uninit()))?;
        self.chunk.try_extend_to(chunk.div_ceil(ALIGN), CacheLine(MaybeUninit::uninit()))?;
        self.registers.try_extend_to(bytes.div_ceil(ALIGN), CacheLine(MaybeUninit::uninit()))?;
        self.slots.try_extend_to(slots, std::ptr::null_mut())?;
        self.lanes.try_extend_to(sinks, Accumulators([0; STRIDE]))?;
        if self.cursors.len() < views {
            let nowhere = StridedCursor::new(&Layout::dense(&[]));
            self.cursors.try_extend_to(views, (std::ptr::null_mut(), nowhere))?;
        }
        if self.padded.len() < pads {
            let nowhere = PaddedCursor::new(&Padded::new(Layout::dense(&[])));
            self.padded.try_extend_to(pads, (std::ptr::null_mut(), nowhere))?;
        }
        self.joined.try_extend_to(joins, JoinPlace::NOWHERE)
    }
}
