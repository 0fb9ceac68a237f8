//! Elementwise steps: tile by tile, so that operands without dense data of their own (broadcast,
//! strided, constant) are laid out in L1 right before the kernel reads them.

use std::mem::MaybeUninit;

use super::copy::Cursor;
use super::{Run, buffer_start};
use crate::dtype::{DType, Element, with_dtype};
use crate::graph::Core;
use crate::id::NodeId;
use crate::kernel::{self, Kernel};
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
        let operand = match node.op {
            // The first operand may be one that the rule does not read.
            Op::Map(_) | Op::Pull(..) => node.dtype,
            Op::Where => operand_dtype(core, node, 1),
            _ => operand_dtype(core, node, 0),
        };
        let kernel = kernel::elementwise(node.op, operand, node.dtype, self.level);
        let mut pointers = [std::ptr::null(); INLINE_OPERANDS];
        for (&source, pointer) in sources.iter().zip(&mut pointers) {
            match source {
                // SAFETY: the planner's offsets lie inside the base's buffer.
                Source::Dense(base, offset) => unsafe {
                    let size = core.node(base).dtype.size();
                    *pointer = buffer_start(core, base).add(offset * size);
                },
                Source::Absent => {}
                _ => return self.tiled(core, node, sources, kernel, out),
            }
        }
        point_absent(sources, &mut pointers);
        let [a, b, c, d] = pointers;
        // SAFETY: every pointer is good for `len` elements of the kernel's types, as the planner
        // says; the result is the node's own buffer of that length, which no operand's is.
        unsafe { kernel(node.len, out, a, b, c, d) };
    }

    /// With operands that are not all dense.
    #[inline(never)]
    fn tiled(&self, core: &Core, node: &Node, sources: &[Source], kernel: Kernel, out: *mut u8) {
        let mut tiles = [const { Tile(MaybeUninit::uninit()) }; INLINE_OPERANDS];
        let mut feeds = [const { Feed::Fixed }; INLINE_OPERANDS];
        let sizes: [usize; INLINE_OPERANDS] = std::array::from_fn(|k| match sources.get(k) {
            Some(_) => operand_dtype(core, node, k).size(),
            None => 0,
        });
        let most = TILE.min(node.len);
        for (k, &source) in sources.iter().enumerate() {
            let size = sizes[k];
            let tile = tiles[k].0.as_mut_ptr().cast::<u8>();
            feeds[k] = match source {
                // SAFETY: the planner's offsets lie inside the base's buffer.
                Source::Dense(base, offset) => unsafe {
                    Feed::Direct(buffer_start(core, base).add(offset * size))
                },
                Source::Splat(base, offset) => {
                    // SAFETY: as above; the tile has room for `most` elements of any dtype.
                    unsafe {
                        repeat(size, buffer_start(core, base).add(offset * size), tile, most)
                    };
                    Feed::Fixed
                }
                Source::Constant(value) => {
                    with_dtype!(operand_dtype(core, node, k), T => {
                        let value = T::from_f64(value);
                        // SAFETY: the value is one element; the tile has room for `most` of them.
                        unsafe { repeat(size, (&raw const value).cast(), tile, most) }
                    });
                    Feed::Fixed
                }
                Source::Strided(base, layout) => {
                    let layout = self.plan.layout(layout);
                    // SAFETY: the planner's layouts stay inside the base's buffer.
                    let from = unsafe { buffer_start(core, base).add(layout.offset * size) };
                    Feed::Walk(Cursor::new(layout), from)
                }
                Source::Absent => Feed::Fixed,
            };
        }
        let mut pointers = [std::ptr::null(); INLINE_OPERANDS];
        for start in (0..node.len).step_by(TILE) {
            let n = TILE.min(node.len - start);
            for k in 0..sources.len() {
                let tile = tiles[k].0.as_mut_ptr().cast::<u8>();
                // SAFETY: `start` is below the number of elements that every operand has.
                pointers[k] = unsafe {
                    match &mut feeds[k] {
                        Feed::Direct(from) => from.add(start * sizes[k]),
                        Feed::Fixed => tile.cast_const(),
                        Feed::Walk(cursor, from) => {
                            cursor.gather(sizes[k], *from, tile, n);
                            tile.cast_const()
                        }
                    }
                };
            }
            point_absent(sources, &mut pointers);
            let [a, b, c, d] = pointers;
            // SAFETY: as in `elementwise` for dense operands; tiles hold n <= TILE elements.
            unsafe { kernel(n, out.add(start * node.dtype.size()), a, b, c, d) };
        }
    }
}

/// A kernel may look at operands that the rule does not read, so their pointers must be valid: they
/// are the last operand's, which is always read and has the same type.
fn point_absent(sources: &[Source], pointers: &mut [*const u8; INLINE_OPERANDS]) {
    let last = pointers[sources.len() - 1];
    for (source, pointer) in sources.iter().zip(pointers) {
        if *source == Source::Absent {
            *pointer = last;
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

/// Fills the first `n` places of a tile with one element.
///
/// # Safety
/// `from` is valid for reading one element of `size` bytes, `tile` for writing `n` of them; both
/// are aligned for them.
unsafe fn repeat(size: usize, from: *const u8, tile: *mut u8, n: usize) {
    /// # Safety
    /// As for `repeat`, with elements of T.
    unsafe fn typed<T: Copy>(from: *const u8, tile: *mut u8, n: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            let value = from.cast::<T>().read();
            (0..n).for_each(|i| tile.cast::<T>().add(i).write(value));
        }
    }
    // SAFETY: the caller's promise.
    unsafe {
        match size {
            1 => typed::<u8>(from, tile, n),
            4 => typed::<u32>(from, tile, n),
            _ => typed::<u64>(from, tile, n),
        }
    }
}
