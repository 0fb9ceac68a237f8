//! Elementwise steps: tile by tile, so that operands without dense data of their own (broadcast,
//! strided, constant) are laid out in L1 right before the kernel reads them.

use std::mem::MaybeUninit;

use super::copy::Cursor;
use super::{Run, buffer_start};
use crate::dtype::{DType, Element, with_dtype};
use crate::graph::Core;
use crate::id::NodeId;
use crate::kernel;
use crate::node::{INLINE_OPERANDS, Node, Op};
use crate::plan::Source;

/// Elements of a tile.
const TILE: usize = 256;

/// Room for a tile of any dtype, aligned for the widest vector.
#[repr(align(64))]
struct Tile(MaybeUninit<[u64; TILE]>);

/// How an operand is brought before the kernel.
#[expect(clippy::large_enum_variant, reason = "four of them, on the stack, for one step")]
enum Feed {
    /// The kernel reads the buffer itself.
    Direct(*const u8),
    /// The tile was filled once and stays.
    Fixed,
    /// The tile is filled anew each time, from the elements at this place on.
    Walk(Cursor, *const u8),
}

impl Run<'_> {
    pub(super) fn elementwise(&self, core: &Core, node: &Node, sources: &[Source], out: *mut u8) {
        let count = sources.len();
        let dtype_of = |k: usize| operand_dtype(core, node, k);
        let main = if node.op == Op::Where { 1 } else { 0 };
        let operand = match node.op {
            // The first operand may be one that the rule does not read.
            Op::Map(_) | Op::Pull(..) => node.dtype,
            _ => dtype_of(main),
        };
        let kernel = kernel::elementwise(node.op, operand, node.dtype, self.level);
        let mut tiles = [const { Tile(MaybeUninit::uninit()) }; INLINE_OPERANDS];
        let mut feeds = [const { Feed::Fixed }; INLINE_OPERANDS];
        let mut direct = true;
        for (k, &source) in sources.iter().enumerate() {
            let dtype = dtype_of(k);
            let size = dtype.size();
            let tile = tiles[k].0.as_mut_ptr().cast::<u8>();
            feeds[k] = match source {
                // SAFETY: the planner's offsets lie inside the base's buffer.
                Source::Dense(base, offset) => unsafe {
                    Feed::Direct(buffer_start(core, base).add(offset * size))
                },
                Source::Splat(base, offset) => {
                    // SAFETY: as above; the tile has room for TILE elements of any dtype.
                    unsafe { repeat(size, buffer_start(core, base).add(offset * size), tile) };
                    direct = false;
                    Feed::Fixed
                }
                Source::Constant(value) => {
                    with_dtype!(dtype, T => {
                        let value = T::from_f64(value);
                        // SAFETY: the value is one element; the tile has room for TILE of them.
                        unsafe { repeat(size, (&raw const value).cast(), tile) }
                    });
                    direct = false;
                    Feed::Fixed
                }
                Source::Strided(base, layout) => {
                    let layout = self.plan.layout(layout);
                    direct = false;
                    // SAFETY: the planner's layouts stay inside the base's buffer.
                    let from = unsafe { buffer_start(core, base).add(layout.offset * size) };
                    Feed::Walk(Cursor::new(layout), from)
                }
                Source::Absent => Feed::Fixed,
            };
        }
        let tile_len = if direct { node.len } else { TILE };
        let mut pointers = [std::ptr::null(); INLINE_OPERANDS];
        let mut start = 0;
        while start < node.len {
            let n = tile_len.min(node.len - start);
            for k in 0..count {
                let size = dtype_of(k).size();
                let tile = tiles[k].0.as_mut_ptr().cast::<u8>();
                // SAFETY: `start` is below the number of elements that every operand has.
                pointers[k] = unsafe {
                    match &mut feeds[k] {
                        Feed::Direct(from) => from.add(start * size),
                        Feed::Fixed => tile.cast_const(),
                        Feed::Walk(cursor, from) => {
                            cursor.gather(size, *from, tile, n);
                            tile.cast_const()
                        }
                    }
                };
            }
            // A kernel may look at operands that the rule does not read, so they must be valid;
            // the last operand is always read.
            for k in 0..count {
                if sources[k] == Source::Absent {
                    pointers[k] = pointers[count - 1];
                }
            }
            // SAFETY: every pointer is good for `n` elements of the kernel's types: dense ones by
            // their buffers' lengths, tiles because n <= TILE. The result is the node's own buffer
            // of `len` elements, which no operand's is.
            unsafe { kernel(n, out.add(start * node.dtype.size()), pointers.as_ptr()) };
            start += n;
        }
    }
}

/// The dtype in which operand `k` is read.
fn operand_dtype(core: &Core, node: &Node, k: usize) -> DType {
    match (node.op, node.inputs[k]) {
        (_, id) if id.is_node() => core.node(id).dtype,
        (Op::Compare(_), NodeId::IMMEDIATE) => core.node(node.inputs[0]).dtype,
        _ => node.dtype,
    }
}

/// Fills a tile with one element.
///
/// # Safety
/// `from` is valid for reading one element of `size` bytes, `tile` for writing TILE of them; both
/// are aligned for them.
unsafe fn repeat(size: usize, from: *const u8, tile: *mut u8) {
    /// # Safety
    /// As for `repeat`, with elements of T.
    unsafe fn typed<T: Copy>(from: *const u8, tile: *mut u8) {
        // SAFETY: the caller's promise.
        unsafe {
            let value = from.cast::<T>().read();
            (0..TILE).for_each(|i| tile.cast::<T>().add(i).write(value));
        }
    }
    // SAFETY: the caller's promise.
    unsafe {
        match size {
            1 => typed::<u8>(from, tile),
            4 => typed::<u32>(from, tile),
            _ => typed::<u64>(from, tile),
        }
    }
}
