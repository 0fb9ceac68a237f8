//! Recording of elementwise operations: checks, broadcasting of shapes, cotangent nodes.

use super::{Cotangent, Rule, Sink};
use crate::dtype::DType;
use crate::error::{ErrorKind, Fail, Maybe};
use crate::graph::{Core, NewNode, Operand};
use crate::id::{ListId, NodeId};
use crate::node::{Comparison, Integer, Op};
use crate::roll_call::Elem;
use crate::shape;

impl Core {
    /// The shape of a result whose operands are broadcast to one another.
    #[inline(always)]
    pub(crate) fn broadcast(&mut self, what: &str, a: NodeId, b: NodeId) -> Maybe<(ListId, usize)> {
        let (left, right) = (self.node(a), self.node(b));
        if left.shape == right.shape {
            return Ok((left.shape, left.len));
        }
        self.broadcast_unequal(what, a, b)
    }

    fn broadcast_unequal(&mut self, what: &str, a: NodeId, b: NodeId) -> Maybe<(ListId, usize)> {
        let (from, to) = (self.shape(a), self.shape(b));
        match shape::broadcast(&from, &to) {
            Ok(dims) => self.intern_shape(what, &dims),
            Err(clash) => {
                let (axis, lens) = (clash.axis, clash.lens);
                Err(self.fail_with(|core, slot| {
                    let (a, b) = (core.describe(a), core.describe(b));
                    slot.set(
                        ErrorKind::Shape,
                        format_args!(
                            "{what}: cannot broadcast {a} with {b}: axis {axis} is {} and {}",
                            lens.0, lens.1
                        ),
                    )
                }))
            }
        }
    }

    #[cold]
    fn dtype_clash(&mut self, what: &str, a: DType, b: DType) -> Fail {
        self.fail(
            ErrorKind::DType,
            format_args!("{what}: operands are {a} and {b}: use cast to make them equal"),
        )
    }

    #[inline(always)]
    pub(crate) fn need_float(&mut self, what: &str, x: NodeId) -> Maybe<DType> {
        let dtype = self.node(x).dtype;
        if dtype.is_float() {
            return Ok(dtype);
        }
        Err(self.no_float(what, dtype))
    }

    #[cold]
    fn no_float(&mut self, what: &str, dtype: DType) -> Fail {
        self.fail(
            ErrorKind::DType,
            format_args!("{what}: needs an operand of type f32 or f64, not {dtype}: use cast"),
        )
    }

    pub(crate) fn need_index(&mut self, what: &str, x: NodeId) -> Maybe<()> {
        match self.node(x).dtype {
            DType::I64 => Ok(()),
            dtype => Err(self.fail(
                ErrorKind::DType,
                format_args!("{what}: indices must be i64, not {dtype}: use cast"),
            )),
        }
    }

    /// Both float operands have one dtype, or an error that names `cast`.
    #[inline(always)]
    pub(crate) fn need_same_float(&mut self, what: &str, a: NodeId, b: NodeId) -> Maybe<DType> {
        let (left, right) = (self.need_float(what, a)?, self.need_float(what, b)?);
        if left == right { Ok(left) } else { Err(self.dtype_clash(what, left, right)) }
    }

    /// An elementwise function.
    #[inline(never)]
    pub(crate) fn map(&mut self, elem: Elem, x: NodeId) -> Maybe<NodeId> {
        self.map_here(elem, x)
    }

    /// An elementwise function of two operands.
    #[inline]
    pub(crate) fn map2(
        &mut self,
        elem: Elem,
        a: impl Into<Operand>,
        b: impl Into<Operand>,
    ) -> Maybe<NodeId> {
        self.map_operands(elem, a.into(), b.into())
    }

    /// Compiled once, for the sake of the many operations that record several of these.
    #[inline(never)]
    fn map_operands(&mut self, elem: Elem, a: Operand, b: Operand) -> Maybe<NodeId> {
        self.map2_here(elem, a, b)
    }

    /// As `map`, as a part of the caller: for programs that record one by one.
    #[inline(always)]
    pub(crate) fn map_here(&mut self, elem: Elem, x: NodeId) -> Maybe<NodeId> {
        let dtype = self.node(x).dtype;
        if !dtype.is_float() {
            return self.integer_function(elem, x);
        }
        let mut node = NewNode::new(Op::Map(elem), dtype);
        node.inputs[0] = x;
        (node.shape, node.len) = (self.node(x).shape, self.node(x).len);
        self.push_here(node)
    }

    /// As `map2`, as a part of the caller.
    #[inline(always)]
    pub(crate) fn map2_here(
        &mut self,
        elem: Elem,
        a: impl Into<Operand>,
        b: impl Into<Operand>,
    ) -> Maybe<NodeId> {
        let what = Rule::of(elem).name;
        let mut node;
        let (a, b) = (a.into(), b.into());
        if (self.is_integer(a) || self.is_integer(b))
            && let Some(integer) = Integer::of(elem)
        {
            return self.integer(integer, a, b);
        }
        match (a, b) {
            (Operand::Node(a), Operand::Node(b)) => {
                node = NewNode::new(Op::Map(elem), self.need_same_float(what, a, b)?);
                (node.shape, node.len) = self.broadcast(what, a, b)?;
                (node.inputs[0], node.inputs[1]) = (a, b);
            }
            (Operand::Node(x), Operand::Constant(c)) => {
                node = self.with_constant(what, Op::Map(elem), x, c)?;
                (node.inputs[0], node.inputs[1]) = (x, NodeId::IMMEDIATE);
            }
            (Operand::Constant(c), Operand::Node(x)) => {
                node = self.with_constant(what, Op::Map(elem), x, c)?;
                (node.inputs[0], node.inputs[1]) = (NodeId::IMMEDIATE, x);
            }
            (Operand::Constant(_), Operand::Constant(_)) => {
                unreachable!("{what} of two constants is nobody's tensor")
            }
        }
        self.push_here(node)
    }

    #[inline(always)]
    fn is_integer(&self, x: Operand) -> bool {
        matches!(x, Operand::Node(x) if self.node(x).dtype == DType::I64)
    }

    /// Functions of one integer, as far as there are any.
    #[cold]
    fn integer_function(&mut self, elem: Elem, x: NodeId) -> Maybe<NodeId> {
        let (x, zero) = (Operand::Node(x), Operand::Constant(0.0));
        match elem {
            _ if !self.is_integer(x) => {}
            Elem::Neg => return self.integer(Integer::Sub, zero, x),
            Elem::Square => return self.integer(Integer::Mul, x, x),
            Elem::Relu => return self.integer(Integer::Maximum, x, zero),
            Elem::Abs => {
                let negative = self.integer(Integer::Sub, zero, x)?;
                return self.integer(Integer::Maximum, x, Operand::Node(negative));
            }
            Elem::Sign => {
                let above = self.integer(Integer::Maximum, x, Operand::Constant(-1.0))?;
                return self.integer(Integer::Minimum, above.into(), Operand::Constant(1.0));
            }
            _ => {}
        }
        let Operand::Node(x) = x else { unreachable!("it is a node") };
        self.need_float(Rule::of(elem).name, x)?;
        unreachable!("floats have rules")
    }

    /// Arithmetic on integers, broadcast to one another; a number must be one, too.
    #[cold]
    pub(crate) fn integer(&mut self, op: Integer, a: Operand, b: Operand) -> Maybe<NodeId> {
        let what = op.name();
        let mut node = NewNode::new(Op::Integer(op), DType::I64);
        let mut like = None;
        for (place, operand) in [a, b].into_iter().enumerate() {
            node.inputs[place] = match operand {
                Operand::Constant(c) => {
                    self.need_exact(what, DType::I64, c)?;
                    node.imm = c;
                    NodeId::IMMEDIATE
                }
                Operand::Node(x) => {
                    let dtype = self.node(x).dtype;
                    if dtype != DType::I64 {
                        return Err(self.dtype_clash(what, DType::I64, dtype));
                    }
                    (node.shape, node.len) = match like {
                        None => (self.node(x).shape, self.node(x).len),
                        Some(other) => self.broadcast(what, other, x)?,
                    };
                    like = Some(x);
                    x
                }
            };
        }
        self.push(node)
    }

    /// A number is one of this dtype.
    fn need_exact(&mut self, what: &str, dtype: DType, c: f64) -> Maybe<()> {
        let is_exact = match dtype {
            DType::F32 | DType::F64 => true,
            // 2^63 itself is no i64, although it is what i64::MAX rounds to.
            DType::I64 => c as i64 as f64 == c && c < i64::MAX as f64,
            DType::U8 => f64::from(c as u8) == c,
        };
        if is_exact {
            return Ok(());
        }
        Err(self.fail(
            ErrorKind::Argument,
            format_args!("{what}: {c} is no {dtype}: cast the tensor to f64"),
        ))
    }

    fn with_constant(&mut self, what: &str, op: Op, x: NodeId, c: f64) -> Maybe<NewNode> {
        let mut node = NewNode::new(op, self.need_float(what, x)?);
        (node.shape, node.len, node.imm) = (self.node(x).shape, self.node(x).len, c);
        Ok(node)
    }

    /// x^c; exponents that have a rule of their own take it, as in PyTorch.
    pub(crate) fn pow_scalar(&mut self, x: NodeId, exponent: f64) -> Maybe<NodeId> {
        self.need_float("pow", x)?;
        match exponent {
            2.0 => self.map(Elem::Square, x),
            0.5 => self.map(Elem::Sqrt, x),
            -0.5 => self.map(Elem::Rsqrt, x),
            -1.0 => self.map(Elem::Reciprocal, x),
            _ => self.map2(Elem::Pow, x, Operand::Constant(exponent)),
        }
    }

    /// Clamping by scalars; an absent bound does nothing.
    pub(crate) fn clamp(&mut self, x: NodeId, min: Option<f64>, max: Option<f64>) -> Maybe<NodeId> {
        self.need_float("clamp", x)?;
        if min.is_none() && max.is_none() {
            return Err(self.fail(
                ErrorKind::Argument,
                format_args!("clamp: needs a lower or an upper bound, and has neither"),
            ));
        }
        let mut y = x;
        if let Some(min) = min {
            y = self.map2(Elem::AtLeast, y, Operand::Constant(min))?;
        }
        if let Some(max) = max {
            y = self.map2(Elem::AtMost, y, Operand::Constant(max))?;
        }
        Ok(y)
    }

    /// A u8 mask: 1 where a = b, else 0. No gradient.
    ///
    /// - PyTorch: `torch.eq(a, b)`
    /// - Types: any
    pub(crate) fn eq(&mut self, a: NodeId, b: impl Into<Operand>) -> Maybe<NodeId> {
        self.compare(Comparison::Eq, a, b)
    }

    /// A u8 mask: 1 where a != b, else 0. No gradient.
    ///
    /// - PyTorch: `torch.ne(a, b)`
    /// - Types: any
    pub(crate) fn ne(&mut self, a: NodeId, b: impl Into<Operand>) -> Maybe<NodeId> {
        self.compare(Comparison::Ne, a, b)
    }

    /// A u8 mask: 1 where a < b, else 0. No gradient.
    ///
    /// - PyTorch: `torch.lt(a, b)`
    /// - Types: any
    pub(crate) fn lt(&mut self, a: NodeId, b: impl Into<Operand>) -> Maybe<NodeId> {
        self.compare(Comparison::Lt, a, b)
    }

    /// A u8 mask: 1 where a <= b, else 0. No gradient.
    ///
    /// - PyTorch: `torch.le(a, b)`
    /// - Types: any
    pub(crate) fn le(&mut self, a: NodeId, b: impl Into<Operand>) -> Maybe<NodeId> {
        self.compare(Comparison::Le, a, b)
    }

    /// A u8 mask: 1 where a > b, else 0. No gradient.
    ///
    /// - PyTorch: `torch.gt(a, b)`
    /// - Types: any
    pub(crate) fn gt(&mut self, a: NodeId, b: impl Into<Operand>) -> Maybe<NodeId> {
        self.compare(Comparison::Gt, a, b)
    }

    /// A u8 mask: 1 where a >= b, else 0. No gradient.
    ///
    /// - PyTorch: `torch.ge(a, b)`
    /// - Types: any
    pub(crate) fn ge(&mut self, a: NodeId, b: impl Into<Operand>) -> Maybe<NodeId> {
        self.compare(Comparison::Ge, a, b)
    }

    pub(crate) fn compare(
        &mut self,
        comparison: Comparison,
        a: NodeId,
        b: impl Into<Operand>,
    ) -> Maybe<NodeId> {
        self.compare_with(comparison, a, b.into())
    }

    fn compare_with(&mut self, comparison: Comparison, a: NodeId, b: Operand) -> Maybe<NodeId> {
        let what = comparison.name();
        let mut node = NewNode::new(Op::Compare(comparison), DType::U8);
        node.inputs[0] = a;
        match b {
            Operand::Node(b) => {
                let (left, right) = (self.node(a).dtype, self.node(b).dtype);
                if left != right {
                    return Err(self.dtype_clash(what, left, right));
                }
                (node.shape, node.len) = self.broadcast(what, a, b)?;
                node.inputs[1] = b;
            }
            Operand::Constant(c) => {
                let dtype = self.node(a).dtype;
                self.need_exact(what, dtype, c)?;
                (node.shape, node.len, node.imm) = (self.node(a).shape, self.node(a).len, c);
                node.inputs[1] = NodeId::IMMEDIATE;
            }
        }
        self.push_here(node)
    }

    /// `yes` where the mask is set, else `no`; at most one of them is a constant.
    pub(crate) fn where_(
        &mut self,
        mask: NodeId,
        yes: impl Into<Operand>,
        no: impl Into<Operand>,
    ) -> Maybe<NodeId> {
        self.choose(mask, yes.into(), no.into())
    }

    fn choose(&mut self, mask: NodeId, yes: Operand, no: Operand) -> Maybe<NodeId> {
        let what = "where";
        if self.node(mask).dtype != DType::U8 {
            let dtype = self.node(mask).dtype;
            return Err(self.fail(
                ErrorKind::DType,
                format_args!("{what}: the mask must be u8, not {dtype}: make it by a comparison"),
            ));
        }
        let dtype = match (yes, no) {
            (Operand::Node(a), Operand::Node(b)) => {
                let (left, right) = (self.node(a).dtype, self.node(b).dtype);
                if left != right {
                    return Err(self.dtype_clash(what, left, right));
                }
                left
            }
            (Operand::Node(x), Operand::Constant(c)) | (Operand::Constant(c), Operand::Node(x)) => {
                let dtype = self.node(x).dtype;
                self.need_exact(what, dtype, c)?;
                dtype
            }
            _ => unreachable!("{what} of two constants is nobody's tensor"),
        };
        let mut node = NewNode::new(Op::Where, dtype);
        node.inputs[0] = mask;
        let mut dims = self.shape(mask);
        for (place, operand) in [(1, yes), (2, no)] {
            match operand {
                Operand::Constant(c) => (node.inputs[place], node.imm) = (NodeId::IMMEDIATE, c),
                Operand::Node(x) => {
                    node.inputs[place] = x;
                    let shape = self.shape(x);
                    dims = shape::broadcast(&dims, &shape).map_err(|clash| {
                        self.fail(
                            ErrorKind::Shape,
                            format_args!(
                                "{what}: cannot broadcast operand {place}, {shape:?}, with {dims:?}: \
                                 axis {} is {} and {}",
                                clash.axis, clash.lens.1, clash.lens.0
                            ),
                        )
                    })?;
                }
            }
        }
        (node.shape, node.len) = self.intern_shape(what, &dims)?;
        self.push_here(node)
    }

    /// The same numbers as another element type: floats to integers towards zero; what is beyond an
    /// integer type's range to its nearest end, and NaN to 0; integers to floats rounded. Casting to
    /// the type it has is the node itself.
    pub(crate) fn cast(&mut self, x: NodeId, dtype: DType) -> Maybe<NodeId> {
        if self.node(x).dtype == dtype {
            return Ok(x);
        }
        let mut node = NewNode::new(Op::Cast, dtype);
        node.inputs[0] = x;
        (node.shape, node.len) = (self.node(x).shape, self.node(x).len);
        self.push_here(node)
    }

    /// One constant everywhere, in the shape of `like`.
    pub(crate) fn fill_like(&mut self, like: NodeId, value: f64) -> Maybe<NodeId> {
        let mut node = NewNode::new(Op::Fill, self.node(like).dtype);
        (node.shape, node.len, node.imm) = (self.node(like).shape, self.node(like).len, value);
        self.push_here(node)
    }

    /// The cotangents that an elementwise node sends to its operands.
    pub(crate) fn vjp_map(
        &mut self,
        elem: Elem,
        id: NodeId,
        g: NodeId,
        sink: &mut Sink,
    ) -> Maybe<()> {
        let node = *self.node(id);
        let arity = elem.arity();
        for i in 0..arity {
            let input = node.inputs[i];
            if !sink.wants(self, input) {
                continue;
            }
            let cotangent = match Rule::of(elem).cotangent(i) {
                Cotangent::Zero => continue, // the walk notes that there is a path
                Cotangent::Same => g,
                Cotangent::Pull { reads } => self.pull(elem, i, id, g, reads)?,
            };
            sink.send(self, input, cotangent)?;
        }
        Ok(())
    }

    /// What the rule of a node makes of the cotangent (or tangent) `g`, in operand `i`'s direction.
    #[inline(always)]
    pub(crate) fn pull(
        &mut self,
        elem: Elem,
        i: usize,
        id: NodeId,
        g: NodeId,
        reads: u8,
    ) -> Maybe<NodeId> {
        let node = *self.node(id);
        let mut pull = NewNode::new(Op::Pull(elem, i as u8), node.dtype);
        (pull.shape, pull.len, pull.imm) = (node.shape, node.len, node.imm);
        let all = [node.inputs[0], node.inputs[1]];
        let operands = all[..elem.arity()].iter().copied().chain([id, g]);
        for (k, operand) in operands.enumerate() {
            if reads & (1 << k) != 0 {
                pull.inputs[k] = operand;
            }
        }
        self.push_here(pull)
    }

    pub(crate) fn vjp_where(&mut self, id: NodeId, g: NodeId, sink: &mut Sink) -> Maybe<()> {
        let [mask, yes, no, _] = self.node(id).inputs;
        let zero = Operand::Constant(0.0);
        if sink.wants(self, yes) {
            let cotangent = self.where_(mask, g, zero)?;
            sink.send(self, yes, cotangent)?;
        }
        if sink.wants(self, no) {
            let cotangent = self.where_(mask, zero, g)?;
            sink.send(self, no, cotangent)?;
        }
        Ok(())
    }

    pub(crate) fn vjp_cast(&mut self, id: NodeId, g: NodeId, sink: &mut Sink) -> Maybe<()> {
        let x = self.node(id).inputs[0];
        if sink.wants(self, x) {
            let cotangent = self.cast(g, self.node(x).dtype)?;
            sink.send(self, x, cotangent)?;
        }
        Ok(())
    }
}

impl Comparison {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::Lt => "lt",
            Self::Le => "le",
            Self::Gt => "gt",
            Self::Ge => "ge",
            Self::Same => "same",
        }
    }
}
