//! Steps that read or add at indices. An index out of bounds is an error that names it.

use std::fmt;
use std::mem::MaybeUninit;

use super::{Run, uninit, zero};
use crate::dtype::{Element, with_dtype};
use crate::error::{ErrorKind, Maybe};
use crate::graph::Core;
use crate::node::{Node, Op};
use crate::op::loss::IGNORED_CLASS;
use crate::plan::Source;
use crate::shape::{Dims, Layout};

/// An index that is none.
struct Outside {
    position: usize,
    index: i64,
    len: usize,
}

impl fmt::Display for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { position, index, len } = self;
        write!(f, "{index} at position {position} is outside of ")?;
        match len.checked_sub(1) {
            Some(last) => write!(f, "0 to {last}"),
            None => f.write_str("an axis of length 0"),
        }
    }
}

fn checked(position: usize, index: i64, len: usize) -> Result<usize, Outside> {
    match usize::try_from(index) {
        Ok(at) if at < len => Ok(at),
        _ => Err(Outside { position, index, len }),
    }
}

/// A shape seen from one axis: positions before it, along it, after it.
fn around(dims: &Dims, axis: usize) -> (usize, usize, usize) {
    if dims.is_empty() {
        return (1, 1, 1);
    }
    (dims[..axis].iter().product(), dims[axis], dims[axis + 1..].iter().product())
}

impl Run<'_> {
    pub(super) fn index(
        &self,
        core: &mut Core,
        node: &Node,
        sources: &[Source],
        out: *mut u8,
    ) -> Maybe<()> {
        let indexed = with_dtype!(node.dtype, T => self.index_as::<T>(core, node, sources, out));
        indexed.map_err(|outside| {
            let (what, noun) = match node.op {
                Op::Pick | Op::Unpick => (Op::Pick.name(), "class"),
                Op::IndexAdd => (Op::IndexSelect.name(), "index"),
                Op::ScatterAdd => (Op::Gather.name(), "index"),
                op => (op.name(), "index"),
            };
            core.fail(ErrorKind::Index, format_args!("{what}: {noun} {outside}"))
        })
    }

    fn index_as<T: Element>(
        &self,
        core: &Core,
        node: &Node,
        sources: &[Source],
        out: *mut u8,
    ) -> Result<(), Outside> {
        let [x, at, ..] = node.inputs;
        let from = self.dense::<T>(core, sources[0], core.node(x).len);
        let index = self.dense::<i64>(core, sources[1], core.node(at).len);
        let (inside, outside) = (core.shape(x), core.dims(node.shape));
        let axis = if node.list.is_none() { 0 } else { core.list(node.list)[0] as usize };
        if matches!(node.op, Op::IndexAdd | Op::ScatterAdd | Op::Unpick) {
            zero(node.dtype, node.len, out);
        }
        // SAFETY: the node's own buffer, of `len` elements of T.
        let out = unsafe { uninit::<T>(out, node.len) };
        match node.op {
            Op::IndexSelect => {
                let (outer, len, inner) = around(&inside, axis);
                for o in 0..outer {
                    for (k, &i) in index.iter().enumerate() {
                        let start = (o * len + checked(k, i, len)?) * inner;
                        let to = (o * index.len() + k) * inner;
                        out[to..to + inner].write_copy_of_slice(&from[start..start + inner]);
                    }
                }
            }
            Op::IndexAdd => {
                let (outer, len, inner) = around(&outside, axis);
                for o in 0..outer {
                    for (k, &i) in index.iter().enumerate() {
                        let to = (o * len + checked(k, i, len)?) * inner;
                        let start = (o * index.len() + k) * inner;
                        let part = &from[start..start + inner];
                        out[to..to + inner].iter_mut().zip(part).for_each(|(out, &x)| add(out, x));
                    }
                }
            }
            Op::Gather => {
                each_position(&outside, &inside, axis, index, |k, at| {
                    out[k].write(from[at]);
                })?;
            }
            Op::ScatterAdd => {
                each_position(&inside, &outside, axis, index, |k, at| add(&mut out[at], from[k]))?;
            }
            Op::Pick => {
                let classes = inside[1];
                for (row, (&class, out)) in index.iter().zip(out).enumerate() {
                    out.write(match class {
                        IGNORED_CLASS => T::default(),
                        class => from[row * classes + checked(row, class, classes)?],
                    });
                }
            }
            _ => {
                let classes = outside[1];
                for (row, &class) in index.iter().enumerate() {
                    if class != IGNORED_CLASS {
                        out[row * classes + checked(row, class, classes)?].write(from[row]);
                    }
                }
            }
        }
        Ok(())
    }
}

/// Adds to an element that was set to zero before.
fn add<T: Element>(out: &mut MaybeUninit<T>, x: T) {
    // SAFETY: `zero` wrote the whole buffer before anything is added to it.
    let sum = unsafe { out.assume_init_read() };
    out.write(T::from_f64(sum.to_f64() + x.to_f64()));
}

/// For each position `k` of an index of shape `small`: where it points to in a tensor of shape
/// `large` along `axis`.
fn each_position(
    small: &Dims,
    large: &Dims,
    axis: usize,
    index: &[i64],
    mut visit: impl FnMut(usize, usize),
) -> Result<(), Outside> {
    let strides = Layout::dense(large);
    for (k, &i) in index.iter().enumerate() {
        let at = checked(k, i, large.get(axis).copied().unwrap_or(1))?;
        let (mut rest, mut place) = (k, 0);
        for other in (0..small.len()).rev() {
            let coordinate = if other == axis { at } else { rest % small[other] };
            place += coordinate * strides.strides()[other] as usize;
            rest /= small[other];
        }
        visit(k, place);
    }
    Ok(())
}
