//! Reads the machine code of the kernels as it was built: each must have a loop over its operands
//! that computes on whole vectors. Nothing else would notice if LLVM stopped turning a loop into
//! vector instructions, or if a function were left outside of its `#[target_feature]` caller:
//! results stay right, and take ten times as long.
//!
//! Code is only read, so both levels are checked on every x86-64 machine.

use std::collections::{BTreeMap, BTreeSet};

use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess,
    OpKind, Register,
};

use super::body::DTYPES;
use super::parts::Parts;
use super::rule::rules;
use super::*;
use crate::dtype::DType;
use crate::level::Level;
use crate::node::{Comparison, Op};
use crate::op::Rule;
use crate::roll_call::Elem;

/// What the loop of a kernel must do.
#[derive(Clone, Copy)]
struct Demand {
    /// Write to where it has not written before. Reductions only read.
    writes: bool,
    /// Vector instructions that compute, at least: so that one loop of a kernel is not taken for
    /// another.
    computes: usize,
    /// Stay in one float type: the loop for angles that are not large does.
    one_type: bool,
}

const MAP: Demand = Demand { writes: true, computes: 1, one_type: false };
const ROW: Demand = Demand { writes: false, ..MAP };
/// There is an elementary function in it.
const FUNCTION: Demand = Demand { computes: 12, ..MAP };

const ANGLE: Demand = Demand { one_type: true, ..FUNCTION };

/// The instructions that can be reached from an address, and where calls lead.
#[derive(Default)]
struct Code {
    instructions: BTreeMap<u64, Instruction>,
}

/// The instruction at an address inside of this program's code.
fn decode(address: u64) -> Instruction {
    // SAFETY: code is mapped and readable, and no instruction is longer than 15 bytes; what may
    // follow the last one of a function is the next function or the end of the segment's page.
    let bytes = unsafe { std::slice::from_raw_parts(address as *const u8, 15) };
    Decoder::with_ip(64, bytes, address, DecoderOptions::NONE).decode()
}

impl Code {
    /// Everything that runs when `kernel` is called, apart from what is called through a table (the
    /// C library's functions are).
    fn of(kernel: Kernel) -> Code {
        const MOST: usize = 50_000;
        let mut code = Code::default();
        let mut open = vec![kernel as usize as u64];
        while let Some(address) = open.pop() {
            if code.instructions.contains_key(&address) || code.instructions.len() == MOST {
                continue;
            }
            let instruction = decode(address);
            code.instructions.insert(address, instruction);
            match instruction.flow_control() {
                FlowControl::Next | FlowControl::IndirectCall => open.push(instruction.next_ip()),
                FlowControl::ConditionalBranch | FlowControl::Call => {
                    open.push(instruction.next_ip());
                    open.push(instruction.near_branch_target());
                }
                FlowControl::UnconditionalBranch => open.push(instruction.near_branch_target()),
                _ => {}
            }
        }
        code
    }

    /// The instructions of each loop: from where a jump leads back to, up to the jump.
    fn loops(&self) -> impl Iterator<Item = Vec<&Instruction>> {
        let back = |i: &&Instruction| {
            matches!(
                i.flow_control(),
                FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch
            ) && i.near_branch_target() <= i.ip()
        };
        self.instructions.values().filter(back).map(|jump| {
            let body = self.instructions.range(jump.near_branch_target()..=jump.ip());
            body.map(|(_, instruction)| instruction).collect()
        })
    }

    /// The most vector instructions that compute in any one loop that will do.
    fn best_loop(&self, level: Level, demand: Demand) -> usize {
        self.loops().map(|body| vector_work(&body, level, demand)).max().unwrap_or(0)
    }
}

fn is_vector(register: Register, level: Level) -> bool {
    register.is_ymm() || level == Level::V4 && register.is_zmm()
}

fn mnemonic(instruction: &Instruction) -> String {
    format!("{:?}", instruction.mnemonic()).to_lowercase()
}

/// Moves, and constants copied to all lanes.
fn is_move(name: &str) -> bool {
    name.starts_with("vmov") || name.contains("broadcast")
}

/// Computes on a single number.
fn is_scalar(name: &str) -> bool {
    let scalar = ["ss", "sd"].iter().any(|end| name.ends_with(end))
        || ["ss2", "sd2", "2ss", "2sd"].iter().any(|part| name.contains(part));
    // vpabsd and its like are integers'.
    scalar && !is_move(name) && !name.starts_with("vp") && !name.starts_with("mov")
}

/// How many vector instructions compute in a loop; 0 if it does not go through memory by vectors, or
/// calls something, or computes on single numbers.
fn vector_work(body: &[&Instruction], level: Level, demand: Demand) -> usize {
    let mut factory = InstructionInfoFactory::new();
    let mut written = BTreeSet::new();
    for instruction in body {
        for used in factory.info(instruction).used_registers() {
            if !matches!(used.access(), OpAccess::Read | OpAccess::CondRead) {
                written.insert(used.register().full_register() as u32);
            }
        }
    }
    let moves_on = |i: &Instruction| {
        let address = [i.memory_base(), i.memory_index()];
        address
            .iter()
            .any(|r| *r != Register::None && written.contains(&(r.full_register() as u32)))
    };
    let (mut reads, mut writes, mut computes) = (false, false, 0);
    for instruction in body {
        let name = mnemonic(instruction);
        let calls =
            matches!(instruction.flow_control(), FlowControl::Call | FlowControl::IndirectCall);
        let changes_type = ["ps2pd", "pd2ps"].iter().any(|change| name.contains(change));
        if calls || is_scalar(&name) || demand.one_type && changes_type {
            return 0;
        }
        let operands = 0..instruction.op_count();
        let vector = operands.clone().any(|k| is_vector(instruction.op_register(k), level))
            || instruction.memory_size().size() >= 32;
        // A move under a mask selects.
        if vector && (!is_move(&name) || instruction.op_mask() != Register::None) {
            computes += 1;
        }
        // A narrower type's vectors are narrower: four f64 are made from an xmm of f32.
        let wide = vector || operands.clone().any(|k| instruction.op_register(k).is_xmm());
        let in_memory = operands.clone().any(|k| instruction.op_kind(k) == OpKind::Memory);
        if wide && in_memory && moves_on(instruction) {
            let stores = instruction.op_kind(0) == OpKind::Memory;
            writes |= stores;
            reads |= !stores;
        }
    }
    if reads && (writes || !demand.writes) { computes } else { 0 }
}

/// What must hold for a rule's value and its pulls; none where there is nothing to compute.
fn demands(elem: Elem, pulled: Option<usize>) -> Option<Demand> {
    use Elem::*;
    match (elem, pulled) {
        (Sin | Cos, _) | (Tan, None) => Some(ANGLE),
        (
            Exp | Expm1 | Log | Log1p | Tanh | Sigmoid | Erf | Softplus | Gelu | GeluTanh | Silu
            | Pow | Atan2 | NormRoot | Xlogy | Xlog1py,
            None,
        ) => Some(FUNCTION),
        (Expm1 | Erf | Softplus | Gelu | GeluTanh | Silu | Pow, Some(_)) => Some(FUNCTION),
        // One element after the other.
        (Zeta | ErfcMoment | BesselRatio | FallingMoment, _) => None,
        (Digamma | ErfcxSlope | FirstMoment, Some(_)) => None,
        // A few operations: the pieces are unrolled, with vectors, and no loop steps over them alone.
        (Exp2 | Log2 | Log10 | NormRoot, Some(_)) => None,
        (Fmod | Remainder, Some(1)) => None,
        // Zeros, written by memset.
        (Sign | Floor | Ceil | Round | FloorDivide, Some(_)) => None,
        // The cotangent itself, copied by memcpy.
        (Add | NotNegative, Some(_)) | (Sub | Fmod | Remainder, Some(0)) => None,
        _ => Some(MAP),
    }
}

fn check_floats<T: Float>(check: &mut impl FnMut(String, Level, Kernel, Demand)) {
    for level in [Level::V3, Level::V4] {
        let (kernels, rules) = (float_kernels(T::DTYPE, level), rules(T::DTYPE, level));
        let parts = Parts::of(T::DTYPE, level);
        for &elem in Elem::ALL {
            let pulls = (0..elem.arity()).map(Some);
            for pulled in std::iter::once(None).chain(pulls) {
                // (What calls the kernels for the wider type has no loop of its own.)
                if T::IS_NARROW && Rule::of(elem).is_wide {
                    continue;
                }
                let Some(demand) = demands(elem, pulled) else { continue };
                let kernel = match pulled {
                    None => rules.eval[elem as usize],
                    Some(i) => rules.pull[elem as usize][i],
                };
                let pull = pulled.map_or(String::new(), |i| format!(" pull {i}"));
                check(format!("{elem:?}{pull} {}", T::DTYPE), level, kernel, demand);
            }
        }
        // Sixteen accumulators become vectors in LLVM's SLP pass, which rustc runs from opt-level 3 on:
        // the profile of tests has 2. Of the extremes of rows it makes vectors in parts, or not at
        // all, by type and level: these are not checked.
        if !cfg!(debug_assertions) {
            check(format!("sum of a row {}", T::DTYPE), level, parts.block[0], ROW);
        }
        let others = [
            ("exp of differences", parts.exp_of_difference[0], FUNCTION),
            ("exp of a difference", parts.exp_of_difference[1], FUNCTION),
            ("multiply", parts.multiply[0], MAP),
            ("multiply by one", parts.multiply[1], MAP),
            ("two differences", parts.minus_both[0], Demand { computes: 2, ..MAP }),
            ("two differences from one", parts.minus_both[1], Demand { computes: 2, ..MAP }),
            ("sincos", kernels.sincos, ANGLE),
            ("accumulate", kernels.accumulate, MAP),
            ("accumulate largest", parts.join[2], MAP),
            ("accumulate smallest", parts.join[3], MAP),
            ("sgd", kernels.sgd, Demand { computes: 6, ..MAP }),
            ("adam", kernels.adam, Demand { computes: 12, ..MAP }),
            ("rms_prop", kernels.rms_prop, Demand { computes: 12, ..MAP }),
            ("adagrad", kernels.adagrad, Demand { computes: 10, ..MAP }),
            ("lion", kernels.lion, Demand { computes: 8, ..MAP }),
            ("scale", kernels.scale, MAP),
            ("bound", kernels.bound, Demand { computes: 2, ..MAP }),
        ];
        for (name, kernel, demand) in others {
            check(format!("{name} {}", T::DTYPE), level, kernel, demand);
        }
    }
}

/// AVX2 cannot convert between floats and 64-bit integers, and packs these to bytes by halves. They
/// are indices and classes.
fn beyond_avx2(from: DType, to: DType) -> bool {
    from == DType::I64 || from.is_float() && to == DType::I64
}

const ALL: [DType; DTYPES] = [DType::F32, DType::F64, DType::I64, DType::U8];

#[test]
fn hot_kernels_compute_on_vectors() {
    let (mut checked, mut slow) = (0, Vec::new());
    let mut check = |name: String, level: Level, kernel: Kernel, demand: Demand| {
        checked += 1;
        let found = Code::of(kernel).best_loop(level, demand);
        if found < demand.computes {
            slow.push(format!("{name} at {}: {found} of {}", level.name(), demand.computes));
        }
    };
    check_floats::<f32>(&mut check);
    check_floats::<f64>(&mut check);
    for level in [Level::V3, Level::V4] {
        for from in ALL {
            for comparison in Comparison::ALL {
                let kernel = elementwise(Op::Compare(comparison), from, DType::U8, level);
                check(format!("{comparison:?} {from}"), level, kernel, MAP);
            }
            let kernel = elementwise(Op::Where, from, from, level);
            check(format!("where {from}"), level, kernel, MAP);
            // A cast to the same type copies, by memcpy.
            let done = |to: DType| to == from || level == Level::V3 && beyond_avx2(from, to);
            for to in ALL.into_iter().filter(|&to| !done(to)) {
                let kernel = elementwise(Op::Cast, from, to, level);
                check(format!("cast {from} {to}"), level, kernel, MAP);
            }
        }
    }
    assert!(
        slow.is_empty(),
        "{} of {checked} kernels have lost their vectors: {slow:#?}",
        slow.len()
    );
}

/// The instructions of a function whose jumps through a table are not followed: one after the other,
/// up to the first return that nothing but padding follows.
fn straight(address: u64) -> Vec<Instruction> {
    const MOST: usize = 20_000;
    let mut code = Vec::new();
    let mut at = address;
    while code.len() < MOST {
        let instruction = decode(at);
        at = instruction.next_ip();
        code.push(instruction);
        let is_padding = |i: &Instruction| matches!(i.mnemonic(), Mnemonic::Nop | Mnemonic::Int3);
        if instruction.flow_control() == FlowControl::Return
            && (at.is_multiple_of(16) || is_padding(&decode(at)))
        {
            break;
        }
    }
    code
}

/// A chain has no loop that runs over its operands: each of its links is code for a block of eight
/// vectors, in registers.
#[test]
fn chains_compute_on_vectors_in_registers() {
    for level in [Level::V3, Level::V4] {
        for dtype in [DType::F32, DType::F64] {
            let code = straight(chain(dtype, level) as usize as u64);
            let vector = |i: &&Instruction| {
                (0..i.op_count()).any(|k| match level {
                    Level::V4 => i.op_register(k).is_zmm(),
                    _ => i.op_register(k).is_ymm(),
                })
            };
            let computes = code.iter().filter(vector).filter(|i| !is_move(&mnemonic(i))).count();
            let on_stack = |i: &&Instruction| {
                i.memory_base() == Register::RSP && i.op_kind(0) == OpKind::Memory
            };
            let stored = code.iter().filter(vector).filter(on_stack).count();
            // 40 links that compute, most of them with an operand of either kind, eight times.
            let name = format!("{} of {dtype}: {computes} and {stored}", level.name());
            assert!(computes > 40 * 2 * 8, "{name}");
            // Where debug assertions are on, the block is on the stack between links.
            assert!(stored == 0 || cfg!(debug_assertions), "{name}");
        }
    }
}
