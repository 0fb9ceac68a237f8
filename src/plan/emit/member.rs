//! Instructions for the members of a step, and where their results go.

use super::{Context, Emitter, instr};
use crate::arena::{OutOfMemory, TryPush};
use crate::dtype::DType;
use crate::graph::Core;
use crate::id::{CallId, NodeId};
use crate::kernel::{self, float_kernels};
use crate::node::{Node, Op, Reduction};
use crate::plan::cost::{cost, trig_part};
use crate::plan::datum::NONE;
use crate::plan::draft::{Aim, Member, What, elementwise_operand, operand_dtype};
use crate::plan::value::ValueKind;
use crate::plan::{Code, Datum, Dropout, Grain, Groups, Instr, Plan, SinkReduction, Storage};
use crate::task::Around;

/// Results from this size on are written past the cache: they would only push out what is still
/// needed, and would be read from memory first.
const NON_TEMPORAL_BYTES: usize = 4 << 20;

impl Emitter {
    /// The value that a member makes: in memory if others need it there. The second one is the
    /// stream to store it to, past the cache, if that is worth while.
    pub(super) fn target(
        &mut self,
        context: &Context<'_>,
        member: &Member,
        grain: Grain,
        plan: &mut Plan,
    ) -> Result<(u32, u32), OutOfMemory> {
        let &Context { drafts, core, .. } = context;
        let node = core.node(member.node);
        self.width = self.width.max(node.dtype.size());
        let datum = match member.aim {
            Aim::Result(k) => {
                let place = Storage::Result(k);
                self.add(NodeId::NONE, Datum { place, dtype: node.dtype, len: node.len }, plan)?
            }
            Aim::Node if drafts.fates[member.node.index()].stored => {
                self.datum(drafts, core, member.node, plan)?
            }
            aim => {
                let value = self.value(ValueKind::Register(grain))?;
                self.value_of[member.node.index()] = value;
                if aim == Aim::Step {
                    self.again_in[member.node.index()] = self.steps;
                }
                return Ok((value, NONE));
            }
        };
        self.writes(datum)?;
        let stream = self.stream(datum, 0, grain, plan)?;
        let large = grain == Grain::Element
            && node.dtype.is_float()
            && plan.data[datum as usize].bytes() >= NON_TEMPORAL_BYTES;
        let value = if large { self.value(ValueKind::Register(grain))? } else { stream };
        if member.aim == Aim::Node {
            self.value_of[member.node.index()] = value;
        }
        Ok((value, if large { stream } else { NONE }))
    }

    pub(super) fn store_non_temporal(
        &mut self,
        dtype: DType,
        value: u32,
        stream: u32,
    ) -> Result<(), OutOfMemory> {
        if stream == NONE {
            return Ok(());
        }
        self.push(Instr {
            ops: [value, NONE, NONE, NONE],
            ..instr(Code::StoreNonTemporal, Op::Detach, dtype, stream)
        })
    }
    pub(super) fn member(
        &mut self,
        context: &Context<'_>,
        member: &Member,
        plan: &mut Plan,
    ) -> Result<(), OutOfMemory> {
        let &Context { drafts, core, draft, .. } = context;
        let node = *core.node(member.node);
        let operands = member.operands.of(&drafts.sources);
        let level = drafts.level;
        let grain = member.grain;
        let input = node.inputs[0];
        let input_dtype = if input.is_node() { core.node(input).dtype } else { node.dtype };
        match member.what {
            What::Map => {
                let mut ops = [NONE; 4];
                for (k, &operand) in operands.iter().enumerate() {
                    let dtype = operand_dtype(core, &node, k);
                    ops[k] = self.operand(context, operand, dtype, grain, plan)?;
                }
                if let Some(part) = trig_part(node.op) {
                    return self.trig_member(context, member, part, ops, plan);
                }
                let kernel = kernel::elementwise(
                    node.op,
                    elementwise_operand(core, &node),
                    node.dtype,
                    level,
                );
                self.cost += cost(node.op) / if grain == Grain::Row { draft.row as u32 } else { 1 };
                let (out, stream) = self.target(context, member, grain, plan)?;
                let instr = instr(Code::Map, node.op, node.dtype, out);
                self.push(Instr { grain, kernel, ops, ..instr })?;
                self.store_non_temporal(node.dtype, out, stream)
            }
            What::Copy | What::Concat => {
                let op = if member.what == What::Copy {
                    self.operand(context, operands[0], node.dtype, grain, plan)?
                } else {
                    self.join(context, member, plan)?
                };
                let stored = drafts.fates[member.node.index()].stored || member.aim != Aim::Node;
                if member.what == What::Concat && (member.aim == Aim::Step || !stored) {
                    self.value_of[member.node.index()] = op;
                    if member.aim == Aim::Step {
                        self.again_in[member.node.index()] = self.steps;
                    }
                    return Ok(());
                }
                let (out, stream) = self.target(context, member, grain, plan)?;
                self.cost += 50;
                if stream != NONE {
                    // The register is not needed.
                    if member.aim == Aim::Node {
                        self.value_of[member.node.index()] = op;
                    }
                    return self.store_non_temporal(node.dtype, op, stream);
                }
                let ops = [op, NONE, NONE, NONE];
                self.push(Instr { grain, ops, ..instr(Code::Copy, Op::Detach, node.dtype, out) })
            }
            What::Mask => {
                let arg = plan.masks.try_push(Dropout { node: member.node, p: node.imm })?;
                let (out, stream) = self.target(context, member, grain, plan)?;
                self.cost += 2000;
                self.push(Instr { grain, arg, ..instr(Code::Mask, node.op, node.dtype, out) })?;
                self.store_non_temporal(node.dtype, out, stream)
            }
            What::Rows | What::Fold | What::MovedFold => {
                let kernels = float_kernels(input_dtype, level);
                let inner = match node.op {
                    Op::Softmax | Op::LogSoftmax => {
                        Around::new(&core.dims(node.shape), core.list(node.list)[0] as usize).inner
                    }
                    _ => 1,
                };
                let (code, kernel, out_grain) = match node.op {
                    Op::ArgReduce(which) => (Code::Arg, kernels.arg(which).rows, Grain::Row),
                    Op::Softmax => (Code::Rows, kernels.softmax.before(inner), Grain::Element),
                    Op::LogSoftmax => {
                        (Code::Rows, kernels.log_softmax.before(inner), Grain::Element)
                    }
                    Op::Reduce(reduction) if draft.row == 1 => {
                        (Code::Fold, kernels.rows(reduction), Grain::Element)
                    }
                    Op::Reduce(reduction) => (Code::Fold, kernels.rows(reduction), Grain::Row),
                    op => unreachable!("{op:?} is not made of rows"),
                };
                self.cost += match node.op {
                    Op::Reduce(Reduction::LogSumExp) => 400,
                    Op::Reduce(_) => 60,
                    Op::ArgReduce(_) => 100,
                    _ => 500,
                };
                let op = self.operand(context, operands[0], input_dtype, Grain::Element, plan)?;
                let (out, stream) = self.target(context, member, out_grain, plan)?;
                let ops = [op, NONE, NONE, NONE];
                let instr = instr(code, node.op, input_dtype, out);
                let arg = inner as u32;
                self.push(Instr { kernel, ops, arg, grain: out_grain, ..instr })?;
                self.store_non_temporal(node.dtype, out, stream)
            }
            What::FromRows => {
                let x = self.operand(context, operands[0], node.dtype, Grain::Element, plan)?;
                let classes = self.operand(context, operands[1], DType::I64, Grain::Row, plan)?;
                let (out, _) = self.target(context, member, Grain::Row, plan)?;
                let ops = [x, classes, NONE, NONE];
                let instr = of_rows(core, &node, out);
                self.push(Instr { ops, grain: Grain::Row, ..instr })
            }
            What::ToRows => {
                let g = self.operand(context, operands[0], node.dtype, Grain::Row, plan)?;
                let classes = self.operand(context, operands[1], DType::I64, Grain::Row, plan)?;
                let (out, stream) = self.target(context, member, Grain::Element, plan)?;
                self.cost += 30;
                let ops = [g, classes, NONE, NONE];
                self.push(Instr { ops, ..of_rows(core, &node, out) })?;
                self.store_non_temporal(node.dtype, out, stream)
            }
            What::Sink | What::MovedSink => {
                let Op::Reduce(reduction) = node.op else {
                    unreachable!("{:?} is no reduction", node.op)
                };
                let (dims, kept) = (core.shape(input), core.dims(node.list));
                let groups = match Groups::of(&dims, &kept) {
                    Some(groups) if member.what == What::Sink => groups,
                    _ => {
                        let reduced = core.node(input).len / node.len;
                        Groups { outer: node.len, reduced, inner: 1 }
                    }
                };
                let op = self.operand(context, operands[0], input_dtype, grain, plan)?;
                let result = self.datum(drafts, core, member.node, plan)?;
                self.writes(result)?;
                let blocks = groups.blocks();
                let mut sink = SinkReduction {
                    reduction,
                    dtype: node.dtype,
                    grain,
                    groups,
                    partial: result,
                    result,
                };
                if blocks > 1 || sink.is_scaled() {
                    let len = groups.outer * blocks * groups.inner;
                    let place = Storage::Scratch(0);
                    sink.partial =
                        self.add(NodeId::NONE, Datum { place, dtype: node.dtype, len }, plan)?;
                    self.touch(sink.partial);
                }
                self.cost += 60;
                let arg = plan.sinks.try_push(sink)?;
                let ops = [op, NONE, NONE, NONE];
                self.push(Instr { grain, arg, ops, ..instr(Code::Sink, node.op, node.dtype, op) })
            }
        }
    }
}

/// What an operation does to the rows of a tile, and for whom.
fn of_rows(core: &Core, node: &Node, out: u32) -> Instr {
    let (code, call) = match node.op {
        Op::Structural(kind) => (Code::OfRows(kind), kind.call(core.list(node.list))),
        _ => (Code::Copy, None),
    };
    Instr { arg: call.unwrap_or(CallId::NONE).0, ..instr(code, node.op, node.dtype, out) }
}
