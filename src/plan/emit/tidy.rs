//! Instructions that are not needed, or of which one does for two.

use super::{Emitter, instr};
use crate::arena::{OutOfMemory, TryPush};
use crate::kernel::float_kernels;
use crate::level::Level;
use crate::node::Op;
use crate::plan::datum::NONE;
use crate::plan::value::ValueKind;
use crate::plan::{Code, Instr};

impl Emitter {
    /// Leaves out what nobody reads (every other step may compute it for itself), and makes one
    /// instruction of a softmax and the logarithm of the same one.
    pub(super) fn tidy(&mut self, level: Level) -> Result<(), OutOfMemory> {
        self.uses.clear();
        self.uses.try_extend_to(self.values.len(), 0)?;
        for instr in &self.instrs {
            instr.operands().for_each(|op| self.uses[op as usize] += 1);
        }
        let mut needless = false;
        for number in (0..self.instrs.len()).rev() {
            let instr = &self.instrs[number];
            let is_pure = matches!(
                instr.code,
                Code::Map | Code::Spread | Code::Gather | Code::Pad | Code::Join
            );
            let in_memory =
                matches!(self.values[instr.out as usize].kind, ValueKind::Stream { .. });
            if is_pure && !in_memory && self.uses[instr.out as usize] == 0 {
                instr.operands().for_each(|op| self.uses[op as usize] -= 1);
                self.instrs[number].out = NONE;
                needless = true;
            }
        }
        // By value: the instruction that makes rows of it and has no partner yet.
        let alone = &mut self.uses;
        alone.fill(NONE);
        for number in 0..self.instrs.len() {
            self.looks.note(1);
            if self.instrs[number].code != Code::Rows || self.instrs[number].out == NONE {
                continue;
            }
            let this = self.instrs[number];
            let first = std::mem::replace(&mut alone[this.ops[0] as usize], number as u32) as usize;
            let Some(&one) =
                self.instrs.get(first).filter(|one| one.name != this.name && one.arg == this.arg)
            else {
                continue;
            };
            alone[this.ops[0] as usize] = NONE;
            let other = &mut self.instrs[number];
            let (log, shares) = if one.name == Op::LogSoftmax {
                (one.out, other.out)
            } else {
                (other.out, one.out)
            };
            other.out = NONE;
            let dtype = one.dtype;
            self.instrs[first] = Instr {
                kernel: float_kernels(dtype, level).softmaxes.before(one.arg as usize),
                ops: [one.ops[0], NONE, NONE, NONE],
                second: shares,
                arg: one.arg,
                ..instr(Code::Softmaxes, Op::LogSoftmax, dtype, log)
            };
            needless = true;
        }
        if needless {
            self.instrs.retain(|instr| instr.out != NONE);
        }
        Ok(())
    }
}
