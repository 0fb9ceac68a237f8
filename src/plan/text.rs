//! A plan as text, to be read and to be compared.

use std::fmt;

use super::{
    Code, Fill, FillFrom, Grain, PieceFrom, Plan, Program, Single, Slot, Storage, View, Work,
};
use crate::callback::Part;
use crate::kernel::{Act, Link, Reach};
use crate::node::Op;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = self.steps.len();
        let plural = if steps == 1 { "" } else { "s" };
        write!(f, "{steps} step{plural}")?;
        let (count, cost) = self.repeated();
        if count > 0 {
            let share = 100 * u128::from(cost) / u128::from(self.cost.max(1));
            write!(f, ", {count} of them again (about {share} % of the time)")?;
        }
        writeln!(f, ", {} bytes of scratch memory", self.scratch)?;
        for (number, step) in self.steps.iter().enumerate() {
            if step.is_again() {
                writeln!(f, "{number}: step {} again", step.repeats)?;
                continue;
            }
            match step.work {
                Work::Fused(program) => {
                    let program = &self.programs[program as usize];
                    write!(f, "{number}: {} elements", program.len)?;
                    if program.row != 0 {
                        write!(f, " in rows of {}", program.row)?;
                    }
                    write!(f, ", reads")?;
                    for &datum in self.reads(step) {
                        write!(f, " {}", self.datum_name(datum))?;
                    }
                    write!(f, ", writes")?;
                    for &datum in self.writes(step) {
                        write!(f, " {}", self.datum_name(datum))?;
                    }
                    writeln!(f)?;
                    let slots = program.slots.of(&self.slots);
                    let fills = program.fills.of(&self.fills);
                    if let Some(single) = self.singles.get(program.product as usize) {
                        writeln!(f, "   {}", SingleName { plan: self, single })?;
                    }
                    let slot_name = |slot: u32| SlotName { plan: self, slots, fills, slot };
                    for instr in program.instrs.of(&self.instrs) {
                        let indent = if instr.grain == Grain::Row { "     " } else { "   " };
                        let name = instr.name.name();
                        match instr.code {
                            Code::Sink => {
                                let sink = &program.sinks.of(&self.sinks)
                                    [(instr.arg - program.sinks.first) as usize];
                                let result = self.datum_name(sink.result);
                                writeln!(
                                    f,
                                    "{indent}{result} <- {name} {}",
                                    slot_name(instr.ops[0])
                                )?;
                                continue;
                            }
                            Code::Chain => {
                                let links = instr.links.of(&self.chains);
                                self.write_chain(f, links, slot_name)?;
                                continue;
                            }
                            Code::Gather => {
                                let view = &self.views[instr.arg as usize];
                                let datum = self.datum_name(view.datum);
                                let out = slot_name(instr.out);
                                writeln!(f, "{indent}{out} = {datum} as {:?}", view.layout)?;
                                continue;
                            }
                            Code::Pad => {
                                let pad = &self.pads[instr.arg as usize];
                                let datum = self.datum_name(pad.datum);
                                let out = slot_name(instr.out);
                                writeln!(f, "{indent}{out} = {datum} as {:?}", pad.padded)?;
                                continue;
                            }
                            Code::Join => {
                                let join = &self.joins[instr.arg as usize];
                                write!(f, "{indent}{} = concat", slot_name(instr.out))?;
                                for piece in join.pieces.of(&self.pieces) {
                                    match piece.from {
                                        PieceFrom::Constant(value) => write!(f, " {value}")?,
                                        PieceFrom::View(view) => {
                                            self.write_view(f, &self.views[view as usize])?;
                                        }
                                    }
                                }
                                writeln!(f)?;
                                continue;
                            }
                            _ => {}
                        }
                        write!(f, "{indent}{} = ", slot_name(instr.out))?;
                        match instr.code {
                            Code::Spread => write!(f, "along rows")?,
                            Code::Copy => write!(f, "copy")?,
                            Code::SinCos => write!(f, "sincos")?,
                            Code::Softmaxes => write!(f, "log_softmax and softmax")?,
                            _ => write!(f, "{name}")?,
                        }
                        if let crate::node::Op::Pull(_, operand) = instr.name {
                            write!(f, "'{operand}")?;
                        }
                        let mut count = 4;
                        while count > 1 && instr.ops[count - 1] == instr.ops[count - 2] {
                            count -= 1;
                        }
                        if instr.code != Code::Mask {
                            for &op in &instr.ops[..count] {
                                write!(f, " {}", slot_name(op))?;
                            }
                        }
                        if instr.second != instr.out {
                            write!(f, " {}", slot_name(instr.second))?;
                        }
                        writeln!(f)?;
                    }
                }
                Work::Single(single) => {
                    let single = &self.singles[single as usize];
                    writeln!(f, "{number}: {}", SingleName { plan: self, single })?;
                }
            }
        }
        Ok(())
    }
}

impl Plan {
    /// What a program does, and to which operand if it is a pull by a kernel.
    pub(crate) fn words(&self, program: &Program) -> impl Iterator<Item = (&str, Option<u8>)> {
        program.instrs.of(&self.instrs).iter().flat_map(|instr| {
            let operand = match instr.name {
                Op::Pull(_, operand) => Some(operand),
                _ => None,
            };
            let own = match instr.code {
                Code::Spread | Code::Gather | Code::Pad | Code::Chain => None,
                Code::Copy => Some(("copy", None)),
                _ => Some((instr.name.name(), operand)),
            };
            let links = instr.links.of(&self.chains).iter().filter(|link| link.act.computes());
            own.into_iter().chain(links.map(|link| (link.act.name(), None)))
        })
    }

    /// The steps and what passes between them, as a graph in the DOT language of Graphviz.
    pub(crate) fn dot(&self, out: &mut impl fmt::Write) -> fmt::Result {
        writeln!(out, "digraph plan {{\n  node [shape=box, fontname=monospace];")?;
        for (number, step) in self.steps.iter().enumerate() {
            write!(out, "  s{number} [label=\"")?;
            match step.work {
                Work::Fused(program) => {
                    let program = &self.programs[program as usize];
                    write!(out, "{number}: {} elements", program.len)?;
                    if program.row != 0 {
                        write!(out, " in rows of {}", program.row)?;
                    }
                    if let Some(product) = self.singles.get(program.product as usize) {
                        write!(out, "\\n{}", product.op.name())?;
                    }
                    for (word, operand) in self.words(program) {
                        write!(out, "\\n{word}")?;
                        if let Some(operand) = operand {
                            write!(out, "'{operand}")?;
                        }
                    }
                }
                Work::Single(single) => {
                    let single = &self.singles[single as usize];
                    write!(out, "{number}: {}", self.name_of(single))?;
                }
            }
            if step.is_again() {
                write!(out, "\\n(step {} again)", step.repeats)?;
            }
            writeln!(out, "\"];")?;
        }
        for (number, step) in self.steps.iter().enumerate() {
            for &datum in self.reads(step) {
                let name = self.datum_name(datum);
                // (What is made again is read where it was made last.)
                let mut made = self.steps[..number].iter();
                match made.rposition(|step| self.writes(step).contains(&datum)) {
                    Some(maker) => writeln!(out, "  s{maker} -> s{number} [label=\"{name}\"];")?,
                    None => {
                        writeln!(out, "  \"{name}\" [shape=ellipse];")?;
                        writeln!(out, "  \"{name}\" -> s{number};")?;
                    }
                }
            }
            for &datum in self.writes(step) {
                if !matches!(self.data[datum as usize].place, Storage::Scratch(_)) {
                    let name = self.datum_name(datum);
                    writeln!(out, "  \"{name}\" [shape=ellipse];\n  s{number} -> \"{name}\";")?;
                }
            }
        }
        writeln!(out, "}}")
    }

    /// A line for each value that a chain begins with.
    fn write_chain<'a>(
        &'a self,
        f: &mut fmt::Formatter<'_>,
        links: &[Link],
        slot_name: impl Fn(u32) -> SlotName<'a>,
    ) -> fmt::Result {
        let mut begun = false;
        for link in links {
            let slot = slot_name(link.slot);
            match link.act {
                Act::Ahead => {}
                Act::Load => {
                    write!(f, "{}   {slot}", if begun { "\n" } else { "" })?;
                    begun = true;
                }
                Act::Store => write!(f, " -> {slot}")?,
                Act::StoreNonTemporal => write!(f, " => {slot}")?,
                act if act.reads() => write!(f, " | {} {slot}", act.name())?,
                act => write!(f, " | {}", act.name())?,
            }
            if link.act.reads() && link.reach == Reach::Row {
                write!(f, " of the row")?;
            }
        }
        writeln!(f)
    }

    /// A datum, and in which layout if that is not its own.
    fn write_view(&self, f: &mut fmt::Formatter<'_>, view: &View) -> fmt::Result {
        let View { datum, layout } = view;
        write!(f, " {}", self.datum_name(*datum))?;
        if layout.offset != 0 || !layout.is_dense() {
            write!(f, " as {layout:?}")?;
        }
        Ok(())
    }

    fn datum_name(&self, datum: u32) -> DatumName<'_> {
        DatumName { plan: self, datum }
    }
}

/// A node by its id, a temporary by its number, a gradient by the node it belongs to.
struct DatumName<'a> {
    plan: &'a Plan,
    datum: u32,
}

impl fmt::Display for DatumName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.plan.data[self.datum as usize].place {
            Storage::Node(id) => write!(f, "{id}"),
            Storage::Scratch(_) | Storage::Chunk => write!(f, "t{}", self.datum),
            Storage::Result(k) => write!(f, "d{}", self.plan.targets[k as usize]),
        }
    }
}

/// An operation of its own, with its operands.
struct SingleName<'a> {
    plan: &'a Plan,
    single: &'a Single,
}

impl fmt::Display for SingleName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let &Self { plan, single } = self;
        write!(f, "{} = {}", plan.datum_name(single.out), plan.name_of(single))?;
        if let Op::Custom(custom) = single.op
            && custom.part != Part::Forward
        {
            write!(f, "'{}", custom.part.name())?;
        }
        for view in single.operands.of(&plan.views) {
            plan.write_view(f, view)?;
        }
        Ok(())
    }
}

struct SlotName<'a> {
    plan: &'a Plan,
    slots: &'a [Slot],
    fills: &'a [Fill],
    slot: u32,
}

impl fmt::Display for SlotName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.slots[self.slot as usize] {
            Slot::Stream { datum, offset: 0, .. } => write!(f, "{}", self.plan.datum_name(datum)),
            Slot::Stream { datum, offset, .. } => {
                write!(f, "{}[{offset}..]", self.plan.datum_name(datum))
            }
            Slot::Chunk { datum, .. } => write!(f, "{}", self.plan.datum_name(datum)),
            Slot::Register(_) => match self.fills.iter().find(|fill| fill.slot == self.slot) {
                Some(Fill { from: FillFrom::Constant(value), .. }) => write!(f, "{value}"),
                Some(Fill { from: FillFrom::Element(datum, at), .. }) => {
                    write!(f, "{}[{at}]", self.plan.datum_name(*datum))
                }
                None => write!(f, "r{}", self.slot),
            },
        }
    }
}
