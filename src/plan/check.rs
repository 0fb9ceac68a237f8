//! What must be true of every plan, looked at in debug builds.

use super::{Code, Grain, Plan, Slot, Storage, Work};

impl Plan {
    /// Says what is wrong with a plan: for debug builds.
    #[allow(clippy::disallowed_macros, reason = "no release has it")]
    pub(crate) fn check(&self) {
        self.check_memory();
        for step in &self.steps {
            let Work::Fused(number) = step.work else { continue };
            let program = &self.programs[number as usize];
            let slots = program.slots.of(&self.slots);
            assert!(program.row == 0 || program.tile.is_multiple_of(program.row));
            assert!(program.unit > 0 && program.tile > 0);
            assert!(program.chunk > 0 && program.chunk.is_multiple_of(program.unit));
            for (k, slot) in slots.iter().enumerate() {
                match *slot {
                    Slot::Stream { datum, offset, size, grain } => {
                        assert!(k < program.streams as usize);
                        let datum = self.data[datum as usize];
                        let count = match grain {
                            Grain::Element => program.len,
                            Grain::Row => program.len / program.row.max(1),
                        };
                        assert!(offset + count <= datum.len, "{slot:?} of {datum:?}");
                        assert_eq!(size as usize, datum.dtype.size());
                    }
                    Slot::Chunk { datum, size } => {
                        assert!(k < program.streams as usize);
                        assert_eq!(datum, self.singles[program.product as usize].out);
                        let datum = self.data[datum as usize];
                        assert!(datum.place == Storage::Chunk && datum.len == program.len);
                        assert_eq!(size as usize, datum.dtype.size());
                    }
                    Slot::Register(at) => {
                        assert!(k >= program.streams as usize && at < program.register_bytes);
                    }
                }
            }
            let mut set = vec![false; slots.len()];
            (0..program.streams as usize).for_each(|k| set[k] = true);
            program.fills.of(&self.fills).iter().for_each(|fill| set[fill.slot as usize] = true);
            for instr in program.instrs.of(&self.instrs) {
                if instr.code == Code::Chain {
                    for link in instr.links.of(&self.chains) {
                        let slot = link.slot as usize;
                        assert!(!link.act.reads() || set[slot], "{link:?} reads what is not set");
                        set[slot] |= link.act.writes();
                    }
                    continue;
                }
                if !matches!(instr.code, Code::Gather | Code::Pad | Code::Join | Code::Mask) {
                    for &op in &instr.ops {
                        assert!(set[op as usize], "{instr:?} reads slot {op} before it is set");
                    }
                }
                if instr.code != Code::Sink {
                    let has_none = [Code::Gather, Code::Pad, Code::Join, Code::Mask];
                    for out in [instr.out, instr.second] {
                        let apart = has_none.contains(&instr.code) || !instr.ops.contains(&out);
                        assert!(apart, "{instr:?} writes over its operand");
                        set[out as usize] = true;
                    }
                }
            }
        }
    }

    /// Goes through the steps as they are run: what one reads was written, and nothing has been written
    /// over it.
    #[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "no release has it")]
    fn check_memory(&self) {
        let mut written = vec![false; self.data.len()];
        let mut at: Vec<usize> = self
            .data
            .iter()
            .map(|datum| match datum.place {
                Storage::Scratch(at) => at,
                _ => usize::MAX,
            })
            .collect();
        // What is in scratch memory, by where it begins.
        let mut held = std::collections::BTreeMap::<usize, u32>::new();
        let mut used = vec![false; self.data.len()];
        for step in &self.steps {
            for &(datum, place) in step.places.of(&self.places) {
                if held.get(&at[datum as usize]) == Some(&datum) {
                    held.remove(&at[datum as usize]);
                }
                (at[datum as usize], written[datum as usize]) = (place, false);
            }
            for &read in self.reads(step) {
                let datum = self.data[read as usize];
                let is_source = matches!(datum.place, Storage::Node(_));
                assert!(written[read as usize] || is_source, "{datum:?} is read before it is made");
            }
            for &write in self.writes(step) {
                let datum = self.data[write as usize];
                assert!(
                    step.is_again() || !std::mem::replace(&mut used[write as usize], true),
                    "{datum:?} is written twice"
                );
                written[write as usize] = true;
                let (start, end) = (at[write as usize], datum.bytes());
                if start == usize::MAX || end == 0 {
                    continue;
                }
                let end = start + end;
                assert!(end <= self.scratch, "{datum:?} ends at {end}");
                let over = held.range(..end).rev().take_while(|&(&other, &datum)| {
                    // (Nothing that is held is over anything else, so the first that ends before is the last.)
                    other + self.data[datum as usize].bytes() > start
                });
                let over: Vec<(usize, u32)> = over.map(|(&place, &datum)| (place, datum)).collect();
                for (place, other) in over {
                    held.remove(&place);
                    written[other as usize] = other == write;
                }
                held.insert(start, write);
            }
        }
    }
}
