//! Tensors and recordings as text, written without allocating.

use std::fmt::{self, Write};

use crate::callback::Part;
use crate::dtype::{DType, Element, with_dtype};
use crate::graph::Core;
use crate::id::NodeId;
use crate::node::Op;
use crate::shape::Dims;

/// Tensors with more elements are abbreviated ...
const WHOLE: usize = 1000;
/// ... to this many entries at both ends of a long axis.
const EDGE: usize = 3;

/// Writes a computed tensor as nested brackets, a row a line, columns aligned.
pub(crate) fn tensor(core: &Core, id: NodeId, out: &mut impl Write) -> fmt::Result {
    let dims = core.shape(id);
    if core.node(id).len == 0 {
        return out.write_str("[]"); // rather than rows of nothing
    }
    with_dtype!(core.node(id).dtype, T => {
        let mut table = Table { data: core.values::<T>(id), dims, width: 0 };
        table.width = table.widest(0, 0);
        table.write(0, 0, out)
    })
}

struct Table<'a, T> {
    data: &'a [T],
    dims: Dims,
    /// Of the longest number shown.
    width: usize,
}

impl<T: Element> Table<'_, T> {
    /// The entries of an axis that are shown: all, or those before and after a gap.
    fn shown(&self, axis: usize) -> impl Iterator<Item = usize> + use<T> {
        let len = self.dims[axis];
        let cut = self.data.len() > WHOLE && len > 2 * EDGE;
        let (head, tail) = if cut { (EDGE, len - EDGE) } else { (len, len) };
        (0..head).chain(tail..len)
    }

    /// Elements in one entry of an axis.
    fn stride(&self, axis: usize) -> usize {
        self.dims[axis + 1..].iter().product()
    }

    fn widest(&self, axis: usize, start: usize) -> usize {
        if axis == self.dims.len() {
            return Text::of(self.data[start]).len;
        }
        let entries =
            self.shown(axis).map(|i| self.widest(axis + 1, start + i * self.stride(axis)));
        entries.max().unwrap_or(0)
    }

    fn write(&self, axis: usize, start: usize, out: &mut impl Write) -> fmt::Result {
        if axis == self.dims.len() {
            return write!(out, "{:>1$}", Text::of(self.data[start]).as_str(), self.width);
        }
        out.write_char('[')?;
        let mut next = 0;
        for i in self.shown(axis) {
            if i > 0 {
                self.separate(axis, out)?;
            }
            if i > next {
                out.write_str("...")?;
                self.separate(axis, out)?;
            }
            self.write(axis + 1, start + i * self.stride(axis), out)?;
            next = i + 1;
        }
        out.write_char(']')
    }

    /// Numbers stand side by side, rows one below the other, matrices with empty lines between.
    fn separate(&self, axis: usize, out: &mut impl Write) -> fmt::Result {
        let below = self.dims.len() - axis - 1;
        if below == 0 {
            return out.write_str(", ");
        }
        out.write_char(',')?;
        (0..below).try_for_each(|_| out.write_char('\n'))?;
        (0..=axis).try_for_each(|_| out.write_char(' '))
    }
}

/// A number as text: what `{}` writes, with floats rounded to 6 or 8 digits, but not before the
/// point.
struct Text {
    bytes: [u8; 32],
    len: usize,
}

impl Text {
    const EMPTY: Self = Self { bytes: [0; 32], len: 0 };

    fn of<T: Element>(x: T) -> Self {
        let mut text = Self::EMPTY;
        // Every number below fits in 32 bytes.
        let _ = match T::DTYPE {
            DType::I64 | DType::U8 => write!(text, "{x}"),
            DType::F32 => text.write_float(x.to_f64(), 6),
            DType::F64 => text.write_float(x.to_f64(), 8),
        };
        text
    }

    fn write_float(&mut self, x: f64, digits: usize) -> fmt::Result {
        if !x.is_finite() {
            return match x {
                f64::INFINITY => self.write_str("inf"),
                f64::NEG_INFINITY => self.write_str("-inf"),
                _ => self.write_str("nan"),
            };
        }
        let mut rounded = Self::EMPTY;
        write!(rounded, "{x:.*e}", digits - 1)?;
        let short = rounded.as_str().parse().unwrap_or(x);
        // What is before the point is not rounded: it would look like another whole number.
        let x = match x.trunc() == x || x.abs() >= 10f64.powi(digits as i32 - 1) {
            true if x.abs() < 1e15 => x.round(),
            _ => short,
        };
        let plain = x == 0.0 || (1e-4..1e15).contains(&x.abs());
        if plain { write!(self, "{x}") } else { write!(self, "{x:e}") }
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }
}

impl Write for Text {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let end = self.len + s.len();
        let place = self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?;
        place.copy_from_slice(s.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// Writes a recording, one node a line: `n3 = mul(n1, n2): f32 [4, 1]`.
pub(crate) fn graph(core: &Core, out: &mut impl Write) -> fmt::Result {
    for id in ids(core) {
        core.fail_point.pass();
        write!(out, "{id} = ")?;
        operation(core, id, out)?;
        operands(core, id, out)?;
        let node = core.node(id);
        write!(out, ": {} {:?}", node.dtype, core.shape(id))?;
        out.write_str(if node.requires_grad { ", requires grad" } else { "" })?;
        if let Some(label) = core.label(id) {
            write!(out, ", {label:?}")?;
        }
        out.write_char('\n')?;
    }
    Ok(())
}

/// Writes a recording as a drawing for Graphviz.
pub(crate) fn dot(core: &Core, out: &mut impl Write) -> fmt::Result {
    out.write_str("digraph bumpgrad {\n  node [shape=box]\n")?;
    for id in ids(core) {
        let node = core.node(id);
        write!(out, "  {id} [label=\"{id} ")?;
        operation(core, id, out)?;
        write!(out, "\\n{} {:?}", node.dtype, core.shape(id))?;
        if let Some(label) = core.label(id) {
            write!(out, "\\n{}", label.escape_debug())?;
        }
        out.write_str(if node.requires_grad { "\"]\n" } else { "\", style=dashed]\n" })?;
        for operand in core.operands(id) {
            writeln!(out, "  {operand} -> {id}")?;
        }
    }
    out.write_str("}\n")
}

fn ids(core: &Core) -> impl Iterator<Item = NodeId> + use<> {
    (0..core.len() as u32).map(NodeId)
}

/// The name of an operation; `mul'1` is the gradient of `mul` for its operand 1, and `f'vjp` those of the
/// user's `f`.
fn operation(core: &Core, id: NodeId, out: &mut impl Write) -> fmt::Result {
    out.write_str(core.op_name(id))?;
    match core.node(id).op {
        Op::Pull(_, operand) => write!(out, "'{operand}"),
        Op::Custom(custom) if custom.part != Part::Forward => {
            write!(out, "'{}", custom.part.name())
        }
        _ => Ok(()),
    }
}

fn operands(core: &Core, id: NodeId, out: &mut impl Write) -> fmt::Result {
    let node = core.node(id);
    if matches!(node.op, Op::Leaf) {
        return Ok(());
    }
    out.write_char('(')?;
    let mut separator = "";
    let mut separate = |out: &mut _| {
        let written = Write::write_str(out, separator);
        separator = ", ";
        written
    };
    if matches!(node.op, Op::Fill | Op::DropoutMask) {
        separate(out)?;
        write!(out, "{}", node.imm)?;
    }
    if matches!(node.op, Op::Concat | Op::Assemble | Op::Custom(_)) {
        for operand in core.operands(id) {
            separate(out)?;
            write!(out, "{operand}")?;
        }
    }
    for operand in node.inputs.into_iter().filter(|operand| !operand.is_none()) {
        separate(out)?;
        if operand.is_node() { write!(out, "{operand}") } else { write!(out, "{}", node.imm) }?;
    }
    out.write_char(')')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown<T: Element>(data: &[T], dims: &[usize]) -> String {
        let mut core = Core::new();
        let id = core.leaf("tensor", data, dims).unwrap();
        let mut out = String::new();
        tensor(&core, id, &mut out).unwrap();
        out
    }

    #[test]
    fn tensors_are_nested_brackets_with_aligned_columns() {
        assert_eq!(shown(&[28.0f32], &[]), "28");
        assert_eq!(shown(&[1.0, -2.5], &[2]), "[   1, -2.5]");
        for dims in [&[0][..], &[0, 3], &[3, 0], &[1 << 32, 0, 1], &[0, 1 << 59]] {
            assert_eq!(shown::<f64>(&[], dims), "[]");
        }
        assert_eq!(shown(&[1i64, 20, 3, 4], &[2, 2]), "[[ 1, 20],\n [ 3,  4]]");
        let cube = shown(&[1u8, 2, 3, 4], &[2, 1, 2]);
        assert_eq!(cube, "[[[1, 2]],\n\n [[3, 4]]]");
    }

    #[test]
    fn numbers_have_the_digits_that_their_type_holds() {
        assert_eq!(shown(&[0.1f32], &[]), "0.1");
        assert_eq!(shown(&[1.0 / 3.0], &[]), "0.33333333");
        assert_eq!(shown(&[1_638_400.0f32], &[]), "1638400");
        assert_eq!(shown(&[f64::MIN_POSITIVE], &[]), "2.2250739e-308");
        assert_eq!(shown(&[f32::NAN, f32::NEG_INFINITY], &[2]), "[ nan, -inf]");
        assert_eq!(shown(&[i64::MIN], &[]), i64::MIN.to_string());
    }

    #[test]
    fn long_tensors_are_abbreviated() {
        let data: Vec<i64> = (0..2000).collect();
        let row = "[   0,    1,    2, ..., 1997, 1998, 1999]";
        assert_eq!(shown(&data, &[2000]), row);
        assert!(shown(&data, &[500, 4]).contains("],\n ...,\n ["));
        assert!(!shown(&data[..1000], &[1000]).contains("..."));
    }

    #[test]
    fn recordings_are_lines_or_a_drawing() {
        let mut core = Core::new();
        let x = core.leaf("tensor", &[1.0f32, 2.0], &[2]).unwrap();
        core.set_requires_grad(x, true).unwrap();
        core.set_label(x, "a \"b\"").unwrap();
        let y = core.map2(crate::roll_call::Elem::Mul, x, crate::graph::Operand::Constant(2.0));
        let z = core.concat(&[y.unwrap(), x], 0).unwrap();
        core.detach(z).unwrap();
        let (mut text, mut drawing) = (String::new(), String::new());
        graph(&core, &mut text).unwrap();
        dot(&core, &mut drawing).unwrap();
        assert_eq!(
            text,
            "n0 = leaf: f32 [2], requires grad, \"a \\\"b\\\"\"\n\
             n1 = mul(n0, 2): f32 [2], requires grad\n\
             n2 = concat(n1, n0): f32 [4], requires grad\n\
             n3 = detach(n2): f32 [4]\n"
        );
        assert!(drawing.contains("n0 [label=\"n0 leaf\\nf32 [2]\\na \\\"b\\\"\"]"));
        assert!(drawing.contains("  n1 -> n2\n  n0 -> n2\n"));
    }
}
