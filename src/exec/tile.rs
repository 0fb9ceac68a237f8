//! Fused steps: a small program, run tile by tile, so that everything in between stays in the
//! first-level cache.

use std::mem::MaybeUninit;
use std::time::Instant;

use super::copy::{Cursor, PaddedCursor};
use super::index::{Outside, pick_row, unpick_row};
use super::join::JoinPlace;
use super::{Run, matmul, uninit};
use crate::arena::{OutOfMemory, TryPush};
use crate::buffer::{ALIGN, Part, Pool};
use crate::dtype::{Element, with_dtype, with_float};
use crate::gemm::Held;
use crate::kernel::{
    COLUMNS, Draws, Float, FloatKernels, STRIDE, call_columns, call_rows, call1, chain,
    combine_sums, finish, float_kernels, rescue, spread,
};
use crate::node::{Op, Reduction};
use crate::plan::{
    Code, FillFrom, Grain, Groups, Instr, JOIN_BLOCK, Plan, Program, SUM_BLOCK, Sink, Slot, TILE,
};
use crate::random::Stream;
use crate::shape::{Layout, Padded};

/// How many tiles ahead streams are fetched. The last chain of a program may be what fetches, just
/// before the next tile is read: one tile would be too late then (cross entropy: 1.15 of the time).
const AHEAD_TILES: usize = 2;

/// What one thread needs to run programs; kept from run to run.
#[derive(Default)]
pub(crate) struct Workspace {
    registers: Vec<Line>,
    slots: Vec<*mut u8>,
    /// By gather: its register, and where it stands.
    cursors: Vec<(*mut u8, Cursor)>,
    /// By pad, the same.
    padded: Vec<(*mut u8, PaddedCursor)>,
    /// By join.
    joined: Vec<JoinPlace>,
    lanes: Vec<Lanes>,
    /// Copies of parts of matrices.
    product: Vec<Line>,
    /// The right factor that is held there, by its first element.
    factor: Option<*const u8>,
    /// The chunk of a product at hand, and at which byte of the result it begins.
    chunk: Vec<Line>,
    chunk_from: usize,
    /// Whether sinks scale what they take.
    pub(super) rescues: bool,
    /// From when to when it was used in a step, if a profile is taken.
    busy: Option<(Instant, Instant)>,
}

// SAFETY: the pointers are only looked at while a program runs, by the thread that set them.
unsafe impl Send for Workspace {}

/// A cache line of registers.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(#[expect(dead_code, reason = "only its address matters")] MaybeUninit<[u8; ALIGN]>);

/// The accumulators of a sink: `STRIDE` elements of any float type.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Lanes([u64; STRIDE]);

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

    /// Makes room for every program of a plan.
    pub(super) fn prepare(&mut self, plan: &Plan, pool: &Pool) -> Result<(), OutOfMemory> {
        let (mut bytes, mut slots, mut sinks, mut chunk) = (0, 0, 0, 0);
        let (mut gathers, mut pads, mut joins) = (0, 0, 0);
        for program in &plan.programs {
            bytes = bytes.max(program.register_bytes);
            slots = slots.max(program.slots.count as usize);
            sinks = sinks.max(program.sinks.count as usize);
            gathers = gathers.max(program.gathers.count as usize);
            pads = pads.max(program.pads.count as usize);
            joins = joins.max(program.joins.count as usize);
            if let Some(product) = plan.singles.get(program.product as usize) {
                chunk = chunk.max(program.chunk.min(program.len) * product.dtype.size());
            }
        }
        let products = plan.singles.iter().filter(|single| single.op == Op::MatMul);
        let product = products.map(|single| matmul::workspace(single, plan)).max().unwrap_or(0);
        if pool.is_limited() {
            let need = [(product, &self.product), (chunk, &self.chunk), (bytes, &self.registers)];
            let more = need.map(|(need, has)| need.saturating_sub(has.bytes()));
            pool.room_for(Part::Plans, more.iter().sum())?;
        }
        self.product.try_extend_to(product.div_ceil(ALIGN), Line(MaybeUninit::uninit()))?;
        self.chunk.try_extend_to(chunk.div_ceil(ALIGN), Line(MaybeUninit::uninit()))?;
        self.registers.try_extend_to(bytes.div_ceil(ALIGN), Line(MaybeUninit::uninit()))?;
        self.slots.try_extend_to(slots, std::ptr::null_mut())?;
        self.lanes.try_extend_to(sinks, Lanes([0; STRIDE]))?;
        let nowhere = (std::ptr::null_mut(), Cursor::new(&Layout::dense(&[])));
        self.cursors.try_extend_to(gathers, nowhere)?;
        let nowhere = Padded::new(Layout::dense(&[]));
        let nowhere = (std::ptr::null_mut(), PaddedCursor::new(&nowhere));
        self.padded.try_extend_to(pads, nowhere)?;
        self.joined.try_extend_to(joins, JoinPlace::NOWHERE)
    }
}

/// The tile at hand.
#[derive(Clone, Copy)]
struct Tile {
    /// The first element, and how many there are.
    start: usize,
    n: usize,
    /// The same for rows, where there are any.
    row_start: usize,
    rows: usize,
}

impl Tile {
    fn span(&self, grain: Grain) -> (usize, usize) {
        match grain {
            Grain::Element => (self.start, self.n),
            Grain::Row => (self.row_start, self.rows),
        }
    }
}

impl Run<'_> {
    /// Runs a program on the elements from `from` to `to`, which are whole units.
    ///
    /// # Safety
    /// The run's bases hold the data of its plan: those that the program reads are complete, and
    /// nobody else writes those that it reads, or the units from `from` to `to` of those that it
    /// writes. The workspace was prepared for the plan, and holds the product's chunk of these
    /// elements if the program has one.
    pub(super) unsafe fn program(
        &self,
        program: &Program,
        from: usize,
        to: usize,
        workspace: &mut Workspace,
    ) -> Result<(), Outside> {
        let slots = program.slots.of(&self.plan.slots);
        let streams = program.streams as usize;
        let registers: *mut u8 = workspace.registers.as_mut_ptr().cast();
        for (slot, place) in slots[streams..].iter().zip(&mut workspace.slots[streams..]) {
            if let Slot::Register(at) = *slot {
                // SAFETY: prepared for so many bytes of registers.
                *place = unsafe { registers.add(at) };
            }
        }
        let rows_of = |n: usize| n.checked_div(program.row).unwrap_or(0);
        for fill in program.fills.of(&self.plan.fills) {
            let n = match fill.grain {
                Grain::Element => program.tile,
                Grain::Row => rows_of(program.tile),
            };
            let out = workspace.slots[fill.slot as usize];
            with_dtype!(fill.dtype, T => {
                let value = match fill.from {
                    FillFrom::Constant(value) => T::from_f64(value),
                    // SAFETY: the plan says that the datum has that element.
                    FillFrom::Element(datum, at) => unsafe {
                        self.base(datum).cast::<T>().add(at).read()
                    },
                };
                // SAFETY: the register has room for a tile of its grain.
                unsafe { uninit::<T>(out, n) }.fill(MaybeUninit::new(value));
            });
        }
        let instrs = program.instrs.of(&self.plan.instrs);
        if program.gathers.count + program.pads.count + program.joins.count > 0 {
            for instr in instrs {
                let arg = instr.arg as usize;
                let first = if instr.grain == Grain::Row { rows_of(from) } else { from };
                let register = workspace.slots[instr.out as usize];
                match instr.code {
                    Code::Gather => {
                        let gather = &self.plan.gathers[arg];
                        let mut cursor = Cursor::periodic(&gather.layout, gather.period);
                        cursor.seek(first);
                        workspace.cursors[arg - program.gathers.first as usize] =
                            (register, cursor);
                    }
                    Code::Pad => {
                        let mut cursor = PaddedCursor::new(&self.plan.pads[arg].padded);
                        cursor.seek(first);
                        workspace.padded[arg - program.pads.first as usize] = (register, cursor);
                    }
                    Code::Join => {
                        let place = arg - program.joins.first as usize;
                        workspace.joined[place] = JoinPlace { register, next: first };
                        let (join, gathers) = (&self.plan.joins[arg], program.gathers);
                        self.seek_join(join, gathers, first, &mut workspace.cursors);
                    }
                    _ => {}
                }
            }
        }
        let mut start = from;
        while start < to {
            let n = program.tile.min(to - start);
            let tile = Tile { start, n, row_start: rows_of(start), rows: rows_of(n) };
            for (slot, place) in slots[..streams].iter().zip(&mut workspace.slots) {
                *place = match *slot {
                    Slot::Stream { datum, offset, size, grain } => {
                        let (start, _) = tile.span(grain);
                        // SAFETY: the tile lies inside the datum, as `Plan::check` states it.
                        unsafe { self.base(datum).add((offset + start) * size as usize) }
                    }
                    Slot::Chunk { size, .. } => {
                        let at = start * size as usize - workspace.chunk_from;
                        // SAFETY: the tile lies inside the chunk, says the caller.
                        unsafe { workspace.chunk.as_mut_ptr().cast::<u8>().add(at) }
                    }
                    Slot::Register(_) => continue,
                };
            }
            for instr in instrs {
                // SAFETY: the caller's promise, and slots as the plan states them.
                unsafe { self.instr(program, instr, &tile, workspace)? };
            }
            start += n;
        }
        #[cfg(target_arch = "x86_64")]
        if program.non_temporal {
            // Stores past the cache are ordered by nothing else.
            // SAFETY: SSE is part of x86-64.
            unsafe {
                std::arch::x86_64::_mm_sfence();
            }
        }
        Ok(())
    }

    /// # Safety
    /// As for `program`.
    #[inline(always)]
    unsafe fn instr(
        &self,
        program: &Program,
        instr: &Instr,
        tile: &Tile,
        workspace: &mut Workspace,
    ) -> Result<(), Outside> {
        self.fail_point.pass();
        // SAFETY: the plan's slots are below the number that the workspace was prepared for.
        let slot = |k: u32| unsafe { *workspace.slots.get_unchecked(k as usize) };
        let out = slot(instr.out);
        if matches!(instr.code, Code::Map | Code::SinCos) {
            let n = match instr.grain {
                Grain::Element => tile.n,
                Grain::Row => tile.rows,
            };
            let [a, b, c, d] = instr.ops;
            // SAFETY: every slot holds a tile of the kernel's type, and those of the results are
            // others than the operands'.
            unsafe {
                (instr.kernel)(n, out, slot(a), slot(b), slot(c), slot(d));
            }
            return Ok(());
        }
        if instr.code == Code::Chain {
            let links = instr.links.of(&self.plan.chains);
            let size = instr.dtype.size();
            let (rows, n) = match instr.grain {
                Grain::Element => (1, tile.n),
                Grain::Row => (tile.rows, program.row),
            };
            // SAFETY: every slot holds a tile of its grain and of floats of this size.
            unsafe {
                let slots = workspace.slots.as_ptr();
                chain(instr.dtype, self.level)(
                    links,
                    slots,
                    rows,
                    n,
                    AHEAD_TILES * program.tile * size,
                );
            }
            return Ok(());
        }
        // SAFETY: the caller's promise.
        unsafe { self.other_instr(program, instr, tile, out, workspace) }
    }

    /// # Safety
    /// As for `program`.
    #[inline(never)]
    unsafe fn other_instr(
        &self,
        program: &Program,
        instr: &Instr,
        tile: &Tile,
        out: *mut u8,
        workspace: &mut Workspace,
    ) -> Result<(), Outside> {
        let (start, n) = tile.span(instr.grain);
        let size = instr.dtype.size();
        let op = workspace.slots[instr.ops[0] as usize].cast_const();
        let row = program.row;
        // SAFETY: every slot holds a tile of its grain, and the result's is another one than the
        // operands'; the rest is said where it differs.
        unsafe {
            match instr.code {
                Code::Map | Code::SinCos | Code::Chain => unreachable!("run by `instr`"),
                Code::StoreNonTemporal => unreachable!("a link of a chain"),
                Code::Rows | Code::Softmaxes => {
                    // The second result, if there is one.
                    let second = workspace.slots[instr.ops[1] as usize].cast_const();
                    let inner = instr.arg as usize;
                    if inner == 1 {
                        let row = (&raw const row).cast();
                        (instr.kernel)(tile.rows, out, op, second, op, row);
                    } else {
                        for r in 0..tile.rows {
                            let at = r * row * size;
                            let x = [op.add(at), second.add(at)];
                            call_columns(instr.kernel, inner, row / inner, inner, out.add(at), x);
                        }
                    }
                }
                Code::Fold | Code::Arg => call_rows(instr.kernel, tile.rows, row, out, op),
                Code::Spread => call_rows(spread(size, self.level), tile.rows, row, out, op),
                Code::Copy => std::ptr::copy_nonoverlapping(op, out, n * size),
                Code::Gather => {
                    let gather = &self.plan.gathers[instr.arg as usize];
                    let from = self.base(gather.datum).add(gather.layout.offset * size);
                    let (register, cursor) =
                        &mut workspace.cursors[(instr.arg - program.gathers.first) as usize];
                    let place = cursor.bring(size, from, *register, n);
                    workspace.slots[instr.out as usize] = place;
                }
                Code::Pad => {
                    let pad = &self.plan.pads[instr.arg as usize];
                    let from = self.base(pad.datum).add(pad.padded.block.offset * size);
                    let (register, cursor) =
                        &mut workspace.padded[(instr.arg - program.pads.first) as usize];
                    let place = cursor.bring(size, from, *register, n);
                    workspace.slots[instr.out as usize] = place;
                }
                Code::Join => {
                    let join = &self.plan.joins[instr.arg as usize];
                    let at = &mut workspace.joined[(instr.arg - program.joins.first) as usize];
                    let (cursors, gathers) = (&mut workspace.cursors, program.gathers);
                    let place = self.bring_join(join, gathers, instr.dtype, n, at, cursors);
                    workspace.slots[instr.out as usize] = place;
                }
                Code::Pick => {
                    let classes = workspace.slots[instr.ops[1] as usize].cast::<i64>();
                    for r in 0..n {
                        let class = classes.add(r).read();
                        pick_row(
                            size,
                            start + r,
                            class,
                            row,
                            op.add(r * row * size),
                            out.add(r * size),
                        )?;
                    }
                }
                Code::Unpick => {
                    let classes = workspace.slots[instr.ops[1] as usize].cast::<i64>();
                    out.write_bytes(0, n * size);
                    for r in 0..tile.rows {
                        let (class, place) = (classes.add(r).read(), tile.row_start + r);
                        unpick_row(
                            size,
                            place,
                            class,
                            row,
                            op.add(r * size),
                            out.add(r * row * size),
                        )?;
                    }
                }
                Code::Mask => {
                    with_float!(instr.dtype, T => self.mask::<T>(instr.arg, start, n, out));
                }
                Code::Sink => {
                    let sink = &self.plan.sinks[instr.arg as usize];
                    let lanes = &mut workspace.lanes[(instr.arg - program.sinks.first) as usize];
                    let lanes = (&raw mut lanes.0).cast::<u8>();
                    if workspace.rescues && sink.is_scaled() {
                        with_float!(sink.dtype, T => {
                            self.sink_scaled::<T>(sink, start, n, op.cast(), lanes);
                        });
                    } else {
                        self.sink(sink, start, n, op, lanes);
                    }
                }
            }
        }
        Ok(())
    }

    /// Elements `start` and on of a random mask.
    ///
    /// # Safety
    /// `out` is valid for writing `n` elements of T.
    unsafe fn mask<T: Element>(&self, mask: u32, start: usize, n: usize, out: *mut u8) {
        let p = self.plan.masks[mask as usize].p;
        // SAFETY: the caller's promise.
        let out = unsafe { uninit::<T>(out, n) };
        if !self.training {
            out.fill(MaybeUninit::new(T::from_f64(1.0)));
            return;
        }
        // The node's own stream, with another key in each replay since the seed was set.
        let key = self.seed ^ self.replay.rotate_left(32);
        let stream = Stream::new(key, self.random[mask as usize]);
        Draws { stream, start: start as u64, p, level: self.level }.mask(out);
    }

    // ---- sinks ----

    /// Takes the elements `start` to `start + n` of a reduced operand in.
    ///
    /// # Safety
    /// `from` is valid for reading `n` elements, `lanes` for `STRIDE` of them, and the sink's
    /// partial results are this thread's for the blocks that these elements lie in.
    unsafe fn sink(&self, sink: &Sink, start: usize, n: usize, from: *const u8, lanes: *mut u8) {
        let kernels = float_kernels(sink.dtype, self.level);
        let size = sink.dtype.size();
        let reduction = sink.reduction;
        let partial = self.base(sink.partial);
        let groups = sink.groups;
        let blocks = groups.blocks();
        let mut done = 0;
        if groups.inner == 1 {
            while done < n {
                let at = start + done;
                let (row, place) = (at / groups.reduced, at % groups.reduced);
                let (block, inside) = (place / SUM_BLOCK, place % SUM_BLOCK);
                let block_len = SUM_BLOCK.min(groups.reduced - block * SUM_BLOCK);
                let mut count = (block_len - inside).min(n - done);
                // SAFETY: the caller's promise; the block's result is inside the partial results.
                unsafe {
                    let from = from.add(done * size);
                    let out = partial.add((row * blocks + block) * size);
                    if count == block_len {
                        // Groups of one block follow one another.
                        let rows = if blocks == 1 { (n - done) / block_len } else { 1 };
                        call_rows(kernels.block(reduction), rows, block_len, out, from);
                        count *= rows;
                    } else {
                        if inside == 0 {
                            call1(kernels.open(reduction), STRIDE, lanes, lanes);
                        }
                        lanes_in(kernels, reduction, size, inside, count, from, lanes);
                        if inside + count == block_len {
                            call1(kernels.close(reduction), STRIDE, out, lanes);
                        }
                    }
                }
                done += count;
            }
            return;
        }
        let join = kernels.join(reduction);
        while done < n {
            let at = start + done;
            let (line, column) = (at / groups.inner, at % groups.inner);
            let (outer, place) = (line / groups.reduced, line % groups.reduced);
            let mut count = (groups.inner - column).min(n - done);
            let is_first = place.is_multiple_of(JOIN_BLOCK);
            let lines = JOIN_BLOCK.min(groups.reduced - place);
            let is_whole = is_first && column == 0 && lines * groups.inner <= n - done;
            // SAFETY: as above.
            unsafe {
                let from = from.add(done * size);
                let line = (outer * blocks + place / JOIN_BLOCK) * groups.inner + column;
                let out = partial.add(line * size);
                if is_whole {
                    let kernel = kernels.join_columns(reduction);
                    call_columns(kernel, groups.inner, lines, groups.inner, out, [from, from]);
                    count = lines * groups.inner;
                } else if is_first && reduction != Reduction::Norm {
                    std::ptr::copy_nonoverlapping(from, out, count * size);
                } else {
                    if is_first {
                        out.write_bytes(0, count * size);
                    }
                    call1(join, count, out, from);
                }
            }
            done += count;
        }
    }

    /// As `sink`, after the sink's results were found to have left the range on the way: elements
    /// are multiplied by what brings these back.
    ///
    /// # Safety
    /// As for `sink`, with elements of `T`; the results are complete, and nobody writes them.
    #[cold]
    unsafe fn sink_scaled<T: Float>(
        &self,
        sink: &Sink,
        start: usize,
        n: usize,
        from: *const T,
        lanes: *mut u8,
    ) {
        let Groups { reduced, inner, .. } = sink.groups;
        let results: *const T = self.base(sink.result).cast();
        let mut scaled = [T::default(); TILE];
        for first in (0..n).step_by(TILE) {
            let count = TILE.min(n - first);
            for k in 0..count {
                let at = start + first + k;
                let group = at / inner / reduced * inner + at % inner;
                // SAFETY: the caller's promise, for an element that exists, and its group.
                let (x, result) = unsafe { (*from.add(first + k), *results.add(group)) };
                let scale = rescue(sink.reduction, result);
                scaled[k] = scale.map_or(x, |scale| x.times(T::from_f64(scale)));
            }
            // SAFETY: as above.
            unsafe { self.sink(sink, start + first, count, scaled.as_ptr().cast(), lanes) };
        }
    }

    /// Makes the result of a sink from its partial results. Says whether some of them have left the
    /// range on the way, so that the step has to be run again for the sake of these.
    ///
    /// # Safety
    /// The partial results are complete, and the result is this thread's to write.
    pub(super) unsafe fn combine(&self, sink: &Sink, rescues: bool) -> bool {
        let groups = sink.groups;
        let blocks = groups.blocks();
        if blocks == 1 && !sink.is_scaled() {
            return false;
        }
        if !matches!(sink.reduction, Reduction::Extreme(..)) {
            // SAFETY: the caller's promise.
            return with_float!(sink.dtype, T => unsafe { self.combine_as::<T>(sink, rescues) });
        }
        let size = sink.dtype.size();
        let join = float_kernels(sink.dtype, self.level).join(sink.reduction);
        let (partial, out) = (self.base(sink.partial), self.base(sink.result));
        for outer in 0..groups.outer {
            // SAFETY: the caller's promise; both hold `outer` groups.
            unsafe {
                let from = partial.add(outer * blocks * groups.inner * size);
                let out = out.add(outer * groups.inner * size);
                std::ptr::copy_nonoverlapping(from, out, groups.inner * size);
                for block in 1..blocks {
                    call1(join, groups.inner, out, from.add(block * groups.inner * size));
                }
            }
        }
        false
    }

    /// `combine` for sums: they go on in f64.
    ///
    /// # Safety
    /// As for `combine`.
    unsafe fn combine_as<T: Float>(&self, sink: &Sink, rescues: bool) -> bool {
        let Groups { outer, reduced, inner } = sink.groups;
        let blocks = sink.groups.blocks();
        let (partial, out) = (self.base(sink.partial).cast::<T>(), self.base(sink.result));
        let kernel = float_kernels(sink.dtype, self.level).combine_columns();
        let lengths = [blocks, inner];
        let mut wants_rescue = false;
        let mut end = |out: &mut T, total: f64| {
            if !rescues {
                *out = finish(sink.reduction, total, reduced, 1.0);
                wants_rescue |= rescue(sink.reduction, *out).is_some();
            } else if let Some(scale) = rescue(sink.reduction, *out) {
                *out = finish(sink.reduction, total, reduced, scale);
            }
        };
        // SAFETY: the caller's promise: `outer` groups of `blocks` rows of `inner` sums, and as many
        // groups of `inner` results.
        unsafe {
            if inner == 1 {
                for group in 0..outer {
                    let sums = std::slice::from_raw_parts(partial.add(group * blocks), blocks);
                    end(&mut *out.cast::<T>().add(group), combine_sums(sums));
                }
                return wants_rescue;
            }
            let mut totals = [0.0; COLUMNS];
            for group in 0..outer {
                for column in (0..inner).step_by(COLUMNS) {
                    let n = COLUMNS.min(inner - column);
                    let from: *const u8 = partial.add(group * blocks * inner + column).cast();
                    let (to, lengths) = (totals.as_mut_ptr().cast(), (&raw const lengths).cast());
                    kernel(n, to, from, lengths, lengths, lengths);
                    for (k, &total) in totals[..n].iter().enumerate() {
                        end(&mut *out.cast::<T>().add(group * inner + column + k), total);
                    }
                }
            }
        }
        wants_rescue
    }
}

/// Joins elements into the lanes of a block: the element at place `i` of the block into lane
/// `i % STRIDE`.
///
/// # Safety
/// `from` is valid for reading `n` elements of `size` bytes, `lanes` for `STRIDE` of them.
unsafe fn lanes_in(
    kernels: &FloatKernels,
    reduction: Reduction,
    size: usize,
    place: usize,
    n: usize,
    from: *const u8,
    lanes: *mut u8,
) {
    let join = kernels.join(reduction);
    let lane = place % STRIDE;
    let head = if lane == 0 { 0 } else { n.min(STRIDE - lane) };
    // SAFETY: the caller's promise.
    unsafe {
        if head > 0 {
            call1(join, head, lanes.add(lane * size), from);
        }
        if n > head {
            call1(kernels.fold_into(reduction), n - head, lanes, from.add(head * size));
        }
    }
}
