//! Operations of the user's.

use std::cell::UnsafeCell;
use std::ffi::{c_char, c_void};
use std::fmt::Write;
use std::mem::offset_of;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU32};

use super::{
    bg_graph, bg_node, bg_status, field, has_size, input, need_size, null_pointer, record, status,
    text, write_list,
};
use crate::arena::{TryPush, try_box};
use crate::callback::{Call, Facts, MESSAGE, MOST, Message, Part, Raw, Refused, ResultShape};
use crate::error::{ErrorKind, Fail, Maybe};
use crate::graph::{Core, CustomOp, Handle, Operation, Recorded};
use crate::host::Uncancelled;
use crate::session::Session;
use crate::shape::MAX_RANK;

/// A tensor that a callback reads: dense and row-major, aligned as its element type. Its data are NULL where
/// there are none: while shapes are asked for, and of the tangent of an input that does not move.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct bg_input {
    pub data: *const c_void,
    /// The axis lengths.
    pub dims: *const usize,
    pub rank: usize,
    /// How many elements it has.
    pub len: usize,
    /// BG_F32, BG_F64, BG_I64 or BG_U8.
    pub dtype: i32,
}

/// A tensor that a callback writes: dense and row-major, aligned as its element type, and zeros at first.
/// Its data are NULL where it is not wanted: a cotangent that nobody asks for.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct bg_output {
    pub data: *mut c_void,
    /// The axis lengths.
    pub dims: *const usize,
    pub rank: usize,
    /// How many elements it has.
    pub len: usize,
    /// BG_F32, BG_F64, BG_I64 or BG_U8.
    pub dtype: i32,
}

/// The shape of a result, to be set by a callback.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct bg_result_shape {
    /// The type of the float inputs at first, or BG_F64 if there are none. All results have one type, and
    /// floats that of the inputs.
    pub dtype: i32,
    /// The shape of input 0 at first.
    pub rank: usize,
    /// As many as BG_MAX_RANK.
    pub dims: [usize; 8],
}

/// An operation that was registered with a graph.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct bg_op {
    pub id: u32,
    pub tag: u32,
}

/// What the numeric callbacks of an operation are called with. All of it is gone when they return.
#[repr(C)]
pub struct bg_custom_call {
    /// sizeof(bg_custom_call)
    pub struct_size: usize,
    pub inputs: *const bg_input,
    pub num_inputs: usize,
    /// The values of the results; NULL in the forward.
    pub outputs: *const bg_input,
    pub num_outputs: usize,
    /// The cotangent of each result, in a vjp; else NULL.
    pub cotangents: *const bg_input,
    /// The tangent of each input, in a jvp; else NULL.
    pub tangents: *const bg_input,
    /// What is to be written: the results; in a vjp a cotangent for each input; in a jvp a tangent for each
    /// result.
    pub results: *const bg_output,
    /// Room for a text that says what was wrong, with a final NUL; empty at first.
    pub message: *mut c_char,
    pub message_capacity: usize,
}

/// What the callback for shapes is called with.
#[repr(C)]
pub struct bg_shape_call {
    /// sizeof(bg_shape_call)
    pub struct_size: usize,
    /// Without data.
    pub inputs: *const bg_input,
    pub num_inputs: usize,
    /// To be set.
    pub results: *mut bg_result_shape,
    pub num_results: usize,
    /// As in bg_custom_call.
    pub message: *mut c_char,
    pub message_capacity: usize,
}

/// What the callback that records a vjp is called with.
#[repr(C)]
pub struct bg_record_call {
    /// sizeof(bg_record_call)
    pub struct_size: usize,
    /// The graph to record with, until the callback returns: it is lent, and no other handle of it can be
    /// used meanwhile. Nothing can be computed, written or dropped (BG_ERR_BUSY).
    pub graph: *mut bg_graph,
    /// The operation itself, to be applied to other operands.
    pub op: bg_op,
    pub inputs: *const bg_node,
    pub num_inputs: usize,
    pub outputs: *const bg_node,
    pub num_outputs: usize,
    /// The cotangent of each result.
    pub cotangents: *const bg_node,
    /// To be written: the cotangent of each input, of its shape and type; BG_NULL at first, which is none.
    pub results: *mut bg_node,
    /// As in bg_custom_call.
    pub message: *mut c_char,
    pub message_capacity: usize,
}

/// A numeric callback. Returns 0; anything else ends the evaluation with BG_ERR_CALLBACK, and the message
/// that it wrote, or else the number. It must return: an exception or a jump that leaves it ends the
/// process, or worse; see bg::guarded for C++.
pub type bg_custom_function =
    Option<unsafe extern "C-unwind" fn(user: *mut c_void, call: *const bg_custom_call) -> i32>;

/// A callback that sets the shapes of results, or refuses the inputs. Returns as bg_custom_function does.
pub type bg_shape_function =
    Option<unsafe extern "C-unwind" fn(user: *mut c_void, call: *const bg_shape_call) -> i32>;

/// A callback that records the cotangents of the inputs of an operation. Returns as bg_custom_function
/// does; an error that the graph remembers from it is told, too.
pub type bg_record_function =
    Option<unsafe extern "C-unwind" fn(user: *mut c_void, call: *const bg_record_call) -> i32>;

/// An operation to be registered. Start from BG_CUSTOM_INIT, which leaves out all that may be: what is
/// a must is a name and the forward.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct bg_custom {
    /// sizeof(bg_custom)
    pub struct_size: usize,
    /// Letters, digits and _, at most 47; for messages and texts. It is copied.
    pub name: *const c_char,
    /// How many results it has: 1 to 64. Default: 1.
    pub num_results: usize,
    /// Sets their shapes when the operation is applied. Default: that of input 0.
    pub shapes: bg_shape_function,
    /// Computes the results.
    pub forward: bg_custom_function,
    /// Computes the cotangents of the inputs from those of the results.
    pub vjp: bg_custom_function,
    /// Computes the tangents of the results from those of the inputs.
    pub jvp: bg_custom_function,
    /// Records the cotangents of the inputs with operations of the graph, so that they can be differentiated
    /// again. It must record the same for inputs of the same shapes. It may differentiate operations that
    /// have such a callback, too: 16 of them, at most, can be at work, each within the one before; one more is
    /// BG_ERR_LIMIT.
    pub recorded_vjp: bg_record_function,
    /// BG_CUSTOM_IMPURE and BG_CUSTOM_TAKES_BATCHES, or 0.
    pub flags: u32,
    /// Handed to the callbacks.
    pub user: *mut c_void,
    /// Called once with `user` when the operation is no longer needed: when the graph is freed, or when
    /// registering fails. It must return, as the other callbacks must.
    pub drop: Option<unsafe extern "C-unwind" fn(user: *mut c_void)>,
}

/// Flag of an operation: its results are no function of its inputs, or computing them does something else
/// besides. It is run once in each replay, as dropout draws: again after any leaf was written or
/// bg_resample was called, and no more until then, so that a value and its gradient come from one run.
pub const BG_CUSTOM_IMPURE: u32 = 1;
/// Flag of an operation: its callbacks may be given tensors that all have more axes in front, the same
/// for all, by bg_vmap, which otherwise calls them once for each element of a batch.
pub const BG_CUSTOM_TAKES_BATCHES: u32 = 2;

// The structs of the header are those that callbacks get.
const _: () = {
    assert!(size_of::<bg_input>() == size_of::<Raw>());
    assert!(size_of::<bg_output>() == size_of::<Raw>());
    assert!(offset_of!(bg_input, data) == offset_of!(Raw, data));
    assert!(offset_of!(bg_input, dims) == offset_of!(Raw, dims));
    assert!(offset_of!(bg_input, rank) == offset_of!(Raw, rank));
    assert!(offset_of!(bg_input, len) == offset_of!(Raw, len));
    assert!(offset_of!(bg_input, dtype) == offset_of!(Raw, dtype));
    assert!(size_of::<bg_result_shape>() == size_of::<ResultShape>());
    assert!(MAX_RANK == 8);
};

type CustomFn = unsafe extern "C-unwind" fn(*mut c_void, *const bg_custom_call) -> i32;
type ShapeFn = unsafe extern "C-unwind" fn(*mut c_void, *const bg_shape_call) -> i32;
type RecordFn = unsafe extern "C-unwind" fn(*mut c_void, *const bg_record_call) -> i32;

/// What the user has handed in, to be dropped once.
struct User {
    user: *mut c_void,
    drop: Option<unsafe extern "C-unwind" fn(*mut c_void)>,
}

impl Drop for User {
    fn drop(&mut self) {
        if let Some(drop) = self.drop {
            let _uncancelled = Uncancelled::new();
            // SAFETY: the user's function for what the user has handed in, once.
            unsafe { drop(self.user) };
        }
    }
}

/// The callbacks of an operation that is registered.
struct Functions {
    facts: Facts,
    user: User,
    shapes: Option<ShapeFn>,
    forward: CustomFn,
    vjp: Option<CustomFn>,
    jvp: Option<CustomFn>,
    record: Option<RecordFn>,
}

// SAFETY: a graph is used by one thread at a time, and so is what its operations were handed: so the header
// says.
unsafe impl Send for Functions {}

/// Calls the user, and sees what is returned.
fn called(message: &mut Message, call: impl FnOnce() -> i32) -> Result<(), Refused> {
    let _uncancelled = Uncancelled::new();
    // (An exception of another language ends the process in here, or comes back as something unknown.)
    let told = match catch_unwind(AssertUnwindSafe(call)) {
        Ok(0) => return Ok(()),
        Ok(_) if !message.is_empty() => return Err(Refused),
        Ok(code) => write!(message, "it returned {code}"),
        Err(_) => write!(message, "it unwound"),
    };
    // (A message is cut, and never fails.)
    let _ = told;
    Err(Refused)
}

/// The first of some tensors, or NULL.
fn list<T>(raws: &[Raw], is_there: bool) -> *const T {
    if is_there { raws.as_ptr().cast() } else { ptr::null() }
}

impl Operation for Functions {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn has_shapes(&self) -> bool {
        self.shapes.is_some()
    }

    fn shapes(
        &self,
        inputs: &[Raw],
        results: &mut [ResultShape],
        message: &mut Message,
    ) -> Result<(), Refused> {
        let Some(shapes) = self.shapes else { return Ok(()) };
        let call = bg_shape_call {
            struct_size: size_of::<bg_shape_call>(),
            inputs: inputs.as_ptr().cast(),
            num_inputs: inputs.len(),
            results: results.as_mut_ptr().cast(),
            num_results: results.len(),
            message: message.text.as_mut_ptr().cast(),
            message_capacity: MESSAGE,
        };
        // SAFETY: the user's function is called as the header says.
        called(message, || unsafe { shapes(self.user.user, &raw const call) })
    }

    fn run(&self, call: Call<'_>, message: &mut Message) -> Result<(), Refused> {
        let Call { part, inputs, outputs, given, results } = call;
        let function = match part {
            Part::Forward => Some(self.forward),
            Part::Vjp => self.vjp,
            Part::Jvp => self.jvp,
        };
        let Some(function) = function else { return Err(Refused) };
        let call = bg_custom_call {
            struct_size: size_of::<bg_custom_call>(),
            inputs: inputs.as_ptr().cast(),
            num_inputs: inputs.len(),
            outputs: list(outputs, part != Part::Forward),
            num_outputs: self.facts.results,
            cotangents: list(given, part == Part::Vjp),
            tangents: list(given, part == Part::Jvp),
            results: results.as_ptr().cast(),
            message: message.text.as_mut_ptr().cast(),
            message_capacity: MESSAGE,
        };
        // SAFETY: as above; the tensors are as the executor has laid them out.
        called(message, || unsafe { function(self.user.user, &raw const call) })
    }

    fn record(
        &self,
        core: &mut Core,
        call: Recorded<'_>,
        message: &mut Message,
    ) -> Result<(), Refused> {
        let Some(record) = self.record else { return Err(Refused) };
        let Recorded { op, inputs, outputs, cotangents, results } = call;
        let mut nodes: Vec<bg_node> = Vec::new();
        if nodes.try_room(inputs.len() + outputs.len() + cotangents.len()).is_err() {
            core.out_of_memory(self.facts.name.as_str());
            return Err(Refused);
        }
        for &id in inputs.iter().chain(outputs).chain(cotangents) {
            nodes.push_within(core.handle(id).into());
        }
        let (given, rest) = nodes.split_at(inputs.len());
        let (values, heads) = rest.split_at(outputs.len());
        let mut made = [bg_node::from(Handle::NULL); MOST];
        let serial = core.mark().graph;
        let (session, lent) = Session::lent(core);
        let session = UnsafeCell::new(session);
        let (busy, searches) = (AtomicBool::new(false), AtomicU32::new(0));
        let mut graph = bg_graph { busy, searches, serial, is_lent: true, session };
        let call = bg_record_call {
            struct_size: size_of::<bg_record_call>(),
            graph: &raw mut graph,
            op: op.into(),
            inputs: given.as_ptr(),
            num_inputs: inputs.len(),
            outputs: values.as_ptr(),
            num_outputs: outputs.len(),
            cotangents: heads.as_ptr(),
            results: made.as_mut_ptr(),
            message: message.text.as_mut_ptr().cast(),
            message_capacity: MESSAGE,
        };
        // SAFETY: as above. The graph is there until the function returns, and nobody frees it: it is lent.
        let done = called(message, || unsafe { record(self.user.user, &raw const call) });
        graph.session.into_inner().give_back(core, lent);
        done?;
        for (to, made) in results.iter_mut().zip(made) {
            let handle = Handle::from(made);
            if handle != Handle::NULL {
                let found = core.resolve(self.facts.name.as_str(), handle);
                *to = found.map_err(|Fail| Refused)?;
            }
        }
        // (A null node of an operation that failed is no node that was left out.)
        if core.error.kind().is_some() { Err(Refused) } else { Ok(()) }
    }
}

impl From<CustomOp> for bg_op {
    fn from(op: CustomOp) -> Self {
        Self { id: op.number, tag: op.tag }
    }
}

impl From<bg_op> for CustomOp {
    fn from(op: bg_op) -> Self {
        Self { number: op.id, tag: op.tag }
    }
}

/// Makes an operation of what the user has handed in; `user` is taken if all is well.
///
/// # Safety
/// `custom` points to a struct that is as long as it says.
unsafe fn functions(
    core: &mut Core,
    custom: *const u8,
    user: &mut Option<User>,
) -> Maybe<Functions> {
    let what = "register";
    macro_rules! given {
        ($field:ident, $default:expr) => {
            field(custom, offset_of!(bg_custom, $field), $default)
        };
    }
    // SAFETY: the caller's promise.
    let (name, results, flags, shapes, forward, vjp, jvp, record) = unsafe {
        (
            text(core, what, given!(name, ptr::null()))?,
            given!(num_results, 1),
            given!(flags, 0),
            given!(shapes, None),
            given!(forward, None),
            given!(vjp, None),
            given!(jvp, None),
            given!(recorded_vjp, None),
        )
    };
    let name = core.custom_name(name, results)?;
    let known = BG_CUSTOM_IMPURE | BG_CUSTOM_TAKES_BATCHES;
    if flags & !known != 0 {
        return Err(core.fail(
            ErrorKind::Argument,
            format_args!("{what}: {flags} has flags that no operation has"),
        ));
    }
    let Some(forward) = forward else {
        return Err(core
            .fail(ErrorKind::Argument, format_args!("{what}: {name} needs a forward, not NULL")));
    };
    let Some(user) = user.take() else { return Err(null_pointer(core, what)) };
    let facts = Facts {
        name,
        results,
        is_pure: flags & BG_CUSTOM_IMPURE == 0,
        takes_batches: flags & BG_CUSTOM_TAKES_BATCHES != 0,
        has_vjp: vjp.is_some(),
        has_jvp: jvp.is_some(),
        records_vjp: record.is_some(),
    };
    Ok(Functions { facts, user, shapes, forward, vjp, jvp, record })
}

/// Registers an operation of the caller's with the graph, to be applied as often as one likes. It lives
/// until the graph is freed: bg_rewind and bg_reset keep it. `custom` is copied, but for what `user` points
/// to. Its `drop` is called exactly once, also if this fails: for a NULL or busy graph, too. Of derivatives,
/// numeric ones (vjp, jvp) cannot be differentiated again, and recorded_vjp can; it gives forward mode, too.
/// Where there are both, the numeric ones are used for what is not differentiated again: in bg_backward, and
/// between bg_no_grad_begin and bg_no_grad_end. An operation without any is constant
/// for derivatives, as bg_detach is: bg_backward refuses a loss that depends on its leaves through it alone
/// (BG_ERR_GRADIENT), and one that does so in other ways, too, gets the gradients of these alone.
/// bg_why_no_grad names it where it is what a gradient ends at.
///
/// Callbacks are called on the thread that asks for a value, in the default floating-point environment;
/// while something is recorded, only `shapes` and `recorded_vjp` are. They may use other graphs, and of
/// their own only what bg_record_call lends: it is BG_ERR_BUSY. Nothing is lost when one fails: the next
/// evaluation tries again. They are not called for results without elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_register(
    g: *mut bg_graph,
    custom: *const bg_custom,
    out: *mut bg_op,
) -> bg_status {
    let (what, start) = ("register", custom.cast::<u8>());
    // SAFETY: the header's rules for `g` and `out`; `custom` is NULL or begins with its size.
    unsafe {
        if !out.is_null() {
            out.write_unaligned(CustomOp::NULL.into());
        }
        let mut user = None;
        if !start.is_null() && has_size(start) {
            let drop = field(start, offset_of!(bg_custom, drop), None);
            user = Some(User {
                user: field(start, offset_of!(bg_custom, user), ptr::null_mut()),
                drop,
            });
        }
        // (What is to be dropped is dropped when the graph is no longer in use.)
        let mut refused = None;
        let done = status(g, |s| {
            need_size(&mut s.core, what, start)?;
            if start.is_null() || out.is_null() {
                return Err(null_pointer(&mut s.core, what));
            }
            let functions = functions(&mut s.core, start, &mut user)?;
            match try_box(functions) {
                Ok(operation) => {
                    let op = s.register(operation)?;
                    out.write_unaligned(op.into());
                    Ok(())
                }
                Err(functions) => {
                    refused = Some(functions);
                    Err(s.core.out_of_memory(what))
                }
            }
        });
        drop((user, refused));
        done
    }
}

/// The result of an operation of the caller's on n operands, at most 64, all floats among which have one
/// type. The operation has one result: see bg_apply_all.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_apply(
    g: *mut bg_graph,
    op: bg_op,
    xs: *const bg_node,
    n: usize,
) -> bg_node {
    // SAFETY: the header's rules for `g` and `xs`.
    unsafe {
        record(g, |s| match input(&mut s.core, "apply", xs, n) {
            Ok(xs) => s.apply_one(op.into(), xs.iter().map(Handle::from)),
            Err(Fail) => Handle::NULL,
        })
    }
}

/// The results of an operation of the caller's on n operands: writes at most `capacity` of them to `out`,
/// and null nodes to the rest of it; how many there are, 0 when there is an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bg_apply_all(
    g: *mut bg_graph,
    op: bg_op,
    xs: *const bg_node,
    n: usize,
    out: *mut bg_node,
    capacity: usize,
) -> usize {
    // SAFETY: the header's rules for `g`, `xs` and `out`.
    unsafe {
        write_list(g, out, capacity, |s, tell| {
            if let Ok(xs) = input(&mut s.core, "apply", xs, n) {
                s.apply(op.into(), xs.iter().map(Handle::from), tell);
            }
        })
    }
}
