//! Fused steps: a small program, run tile by tile, so that everything in between stays in the
//! first-level cache.

use std::mem::MaybeUninit;

use super::copy::StridedCursor;
use super::memory::uninit;
use super::padded::PaddedCursor;
use super::step::Run;
use super::workspace::{JoinPlace, Workspace};
use crate::dtype::{Element, with_dtype, with_float};
use crate::id::CallId;
use crate::kernel::{Draws, call_columns, call_rows, chain, spread};
use crate::plan::{Code, FillFrom, Grain, Instr, Program, Slot};
use crate::random::Stream;
use crate::task::{Outside, Rows};

/// How many tiles ahead streams are fetched. The last chain of a program may be what fetches, just
/// before the next tile is read: one tile would be too late then (cross entropy: 1.15 of the time).
const AHEAD_TILES: usize = 2;

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
        if program.views.count + program.pads.count + program.joins.count > 0 {
            for instr in instrs {
                let arg = instr.arg as usize;
                let first = if instr.grain == Grain::Row { rows_of(from) } else { from };
                let register = workspace.slots[instr.out as usize];
                match instr.code {
                    Code::Gather => {
                        let mut cursor = StridedCursor::periodic(&self.plan.views[arg].layout);
                        cursor.seek(first);
                        workspace.cursors[arg - program.views.first as usize] = (register, cursor);
                    }
                    Code::Pad => {
                        let mut cursor = PaddedCursor::new(&self.plan.pads[arg].padded);
                        cursor.seek(first);
                        workspace.padded[arg - program.pads.first as usize] = (register, cursor);
                    }
                    Code::Join => {
                        let place = arg - program.joins.first as usize;
                        workspace.joined[place] = JoinPlace { register, next: first };
                        let (join, views) = (&self.plan.joins[arg], program.views);
                        self.seek_join(join, views, first, &mut workspace.cursors);
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
            // (A kernel with two results finds the second in place of its second operand.)
            let b = if instr.code == Code::Map { b } else { instr.second };
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
                    let second = match instr.code {
                        Code::Softmaxes => workspace.slots[instr.second as usize].cast_const(),
                        _ => op,
                    };
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
                    let view = &self.plan.views[instr.arg as usize];
                    let from = self.base(view.datum).add(view.layout.offset * size);
                    let (register, cursor) =
                        &mut workspace.cursors[(instr.arg - program.views.first) as usize];
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
                    let (cursors, views) = (&mut workspace.cursors, program.views);
                    let place = self.bring_join(join, views, instr.dtype, n, at, cursors);
                    workspace.slots[instr.out as usize] = place;
                }
                Code::OfRows(kind) => {
                    let each = workspace.slots[instr.ops[1] as usize].cast_const();
                    let rows = (tile.row_start, tile.rows, row);
                    let makes_rows = instr.grain == Grain::Element;
                    let call = CallId(instr.arg);
                    let mut rows = Rows::new(rows, size, [op, each], out, makes_rows, call);
                    if let Some(joins) = kind.rule().joins() {
                        (joins.run)(&mut rows)?;
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
}
