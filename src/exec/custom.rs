//! Operations of the user's, run on the thread that asked for a value.

use super::step::Run;
use crate::arena::{OutOfMemory, TryPush};
use crate::callback::{Call, Message, Part, Raw};
use crate::dtype::DType;
use crate::error::Maybe;
use crate::fpenv::Scope;
use crate::graph::{Core, CustomScratch};
use crate::op::custom::{CustomList, Row};
use crate::plan::{Single, View};
use crate::shape::{self, Dims, MAX_RANK};

/// Tensors that lie in a row in each element of a batch, and are shown to the operation with all elements
/// of the batch: copies of them.
#[derive(Clone, Copy)]
struct Gathered {
    row: *mut u8,
    /// Elements of the batch.
    batch: usize,
    /// The first of these tensors, and the one after the last.
    first: usize,
    end: usize,
}

/// How the tensors of a call were laid out.
#[derive(Default)]
struct Laid {
    /// Where inputs, values of the results, and what is given end; then comes what is made.
    ends: [usize; 3],
    read: [Option<Gathered>; 2],
    made: Option<Gathered>,
}

impl Run<'_> {
    /// Runs a function of an operation: once, or for each element of a batch.
    pub(super) fn custom(&self, core: &mut Core, single: &Single, part: Part) -> Maybe<()> {
        let list = CustomList::new(single.list.of(&self.plan.words));
        let facts = *core.customs.facts(list.number);
        let is_whole = list.lead > 0 && facts.takes_batches;
        let work = match self.plan.data.get(single.work as usize) {
            Some(_) => self.base(single.work),
            None => std::ptr::null_mut(),
        };
        let mut scratch = std::mem::take(&mut core.customs.scratch);
        let mut layer = Layer { run: self, single, list, is_whole, work, scratch: &mut scratch };
        let Ok(laid) = layer.lay(part) else {
            core.customs.scratch = scratch;
            return Err(core.out_of_memory(facts.name.as_str()));
        };
        let out = self.base(single.out);
        // SAFETY: the step's own result, of so many elements; zero bytes are zeros of any type.
        unsafe { out.write_bytes(0, shape::len(&single.dims) * single.dtype.size()) };
        let CustomScratch { raws, strides, .. } = &mut scratch;
        if let Some(Gathered { first, end, .. }) = laid.made {
            for raw in raws[first..end].iter().filter(|raw| !raw.data.is_null()) {
                let bytes = raw.len * DType::from_code(raw.dtype).map_or(0, DType::size);
                // SAFETY: memory of the step, of so many bytes.
                unsafe { raw.data.write_bytes(0, bytes) };
            }
        }
        for gathered in laid.read.iter().flatten() {
            // SAFETY: laid out for these, and the operands are complete.
            unsafe { rearrange(gathered, raws, true) };
        }
        let runs = if is_whole { 1 } else { shape::len(&single.dims[..list.lead]) };
        let operation = core.customs.get(list.number);
        let (mut message, mut done) = (Message::new(), Ok(()));
        for _ in 0..runs {
            self.fail_point.pass();
            let [inputs, outputs, given] = laid.ends;
            let (read, results) = raws.split_at_mut(given);
            let call = Call {
                part,
                inputs: &read[..inputs],
                outputs: &read[inputs..outputs],
                given: &read[outputs..],
                results,
            };
            // What a callback does to the floating-point environment ends with it.
            let scope = Scope::enter(core.subnormals());
            done = operation.run(call, &mut message);
            drop(scope);
            if done.is_err() {
                break;
            }
            for (raw, &stride) in raws.iter_mut().zip(&*strides) {
                // (The next element of the batch; after the last one nobody looks.)
                raw.data = raw.data.wrapping_byte_add(stride);
            }
        }
        if done.is_ok()
            && let Some(gathered) = &laid.made
        {
            // SAFETY: laid out for these, and the result is the step's own.
            unsafe { rearrange(gathered, raws, false) };
        }
        core.customs.scratch = scratch;
        done.map_err(|_| core.refuse_callback(facts.name, Some(part), &message))
    }
}

/// Copies tensors from where they lie in a row to memory of their own, or back.
///
/// # Safety
/// The row has, for each element of the batch, what the tensors have of it, one after the other; all of it
/// is valid for reading and, where it is copied to, for writing.
unsafe fn rearrange(gathered: &Gathered, raws: &[Raw], inwards: bool) {
    let Gathered { mut row, batch, first, end } = *gathered;
    let tensors = raws[first..end].iter().filter(|raw| !raw.data.is_null());
    for k in 0..batch {
        for raw in tensors.clone() {
            let bytes = raw.len / batch * DType::from_code(raw.dtype).map_or(0, DType::size);
            // SAFETY: the caller's promise.
            unsafe {
                let own = raw.data.cast::<u8>().add(k * bytes);
                let (from, to) = if inwards { (row, own) } else { (own, row) };
                std::ptr::copy_nonoverlapping(from, to, bytes);
                row = row.add(bytes);
            }
        }
    }
}

/// Lays the tensors of a call out.
struct Layer<'l, 'r> {
    run: &'l Run<'r>,
    single: &'l Single,
    list: CustomList<'l>,
    /// Whether the operation is given whole batches.
    is_whole: bool,
    /// Memory of the step that nothing is in yet.
    work: *mut u8,
    scratch: &'l mut CustomScratch,
}

impl<'l> Layer<'l, '_> {
    fn lay(&mut self, part: Part) -> Result<Laid, OutOfMemory> {
        let (list, single) = (self.list, self.single);
        let CustomScratch { dims, raws, strides, .. } = &mut *self.scratch;
        dims.clear();
        raws.clear();
        strides.clear();
        // Inputs, values, what is given and what is made: as many as inputs or results.
        let most = list.inputs + list.results + 2 * list.inputs.max(list.results);
        dims.try_room(most * MAX_RANK)?;
        raws.try_room(most)?;
        strides.try_room(most)?;
        let mut laid = Laid::default();
        for k in 0..list.inputs {
            let (data, dims, dtype) = self.operand(k);
            self.tensor(k, data, dims, dtype);
        }
        laid.ends[0] = self.end();
        let out = (self.run.base(single.out), single.dtype);
        let is_batch = list.lead > 0;
        if part != Part::Forward {
            let (data, _, dtype) = self.operand(list.inputs);
            laid.read[0] = self.row((data, dtype), list.is_each(list.inputs), Row::Results);
        }
        laid.ends[1] = self.end();
        match part {
            Part::Forward => {}
            Part::Vjp => {
                let g = list.inputs + 1;
                let (data, _, dtype) = self.operand(g);
                laid.read[1] = self.row((data, dtype), list.is_each(g), Row::Results);
            }
            Part::Jvp => {
                let mut next = list.inputs + 1;
                for k in 0..list.inputs {
                    if list.marks >> k & 1 == 0 {
                        self.absent(k);
                        continue;
                    }
                    let (data, dims, dtype) = self.operand(next);
                    self.tensor(next, data, dims, dtype);
                    next += 1;
                }
            }
        }
        laid.ends[2] = self.end();
        laid.made = match part {
            Part::Forward | Part::Jvp => self.row(out, is_batch, Row::Results),
            Part::Vjp => self.row(out, is_batch, Row::Inputs(list.marks)),
        };
        Ok(laid)
    }

    fn end(&self) -> usize {
        self.scratch.raws.len()
    }

    /// An operand: its first element, its shape and its type.
    fn operand(&self, k: usize) -> (*mut u8, &'l [usize], DType) {
        let views: &'l [View] = self.single.operands.of(&self.run.plan.views);
        let (start, layout) = self.run.start(&views[k]);
        let datum = &self.run.plan.data[views[k].datum as usize];
        assert!(layout.is_dense() && layout.offset + layout.len() <= datum.len);
        // (It is only read: what is made lies elsewhere.)
        (start.cast_mut(), layout.dims(), datum.dtype)
    }

    fn push(&mut self, data: *mut u8, dtype: DType, dims: &[usize], stride: usize) {
        let CustomScratch { dims: all, raws, strides, .. } = &mut *self.scratch;
        let first = all.len();
        dims.iter().for_each(|&len| all.push_within(len));
        // (There is room: it does not move.)
        let (dims, rank, len) = (all[first..].as_ptr(), dims.len(), shape::len(dims));
        raws.push_within(Raw { data: data.cast(), dims, rank, len, dtype: dtype as i32 });
        strides.push_within(stride);
    }

    /// An operand that is one tensor, in each element of the batch or for all of it.
    fn tensor(&mut self, k: usize, data: *mut u8, dims: &[usize], dtype: DType) {
        let list = self.list;
        if self.is_whole {
            return self.push(data, dtype, dims, 0);
        }
        let own = list.own(k, dims);
        let stride = if list.is_each(k) { shape::len(own) * dtype.size() } else { 0 };
        self.push(data, dtype, own, stride);
    }

    /// In the place of what belongs to an input, and is not there.
    fn absent(&mut self, k: usize) {
        let (_, dims, dtype) = self.operand(k);
        let own = if self.is_whole { dims } else { self.list.own(k, dims) };
        self.push(std::ptr::null_mut(), dtype, own, 0);
    }

    /// Tensors in a row: in each element of the batch, or for all of it.
    fn row(
        &mut self,
        (data, dtype): (*mut u8, DType),
        is_each: bool,
        row: Row,
    ) -> Option<Gathered> {
        let (list, first) = (self.list, self.end());
        let leading: &'l [usize] = &self.single.dims[..list.lead];
        let batch: usize = leading.iter().product();
        let shape_of = |layer: &Self, k: usize| Dims::new(list.own(k, layer.operand(k).1));
        let places = match row {
            Row::Results => list.results,
            Row::Inputs(_) => list.inputs,
        };
        let is_there = |k: usize| match row {
            Row::Results => true,
            Row::Inputs(marks) => marks >> k & 1 != 0,
        };
        let mut results = list.shapes();
        let mut shapes = [Dims::SCALAR; crate::callback::MOST];
        for (k, shape) in shapes[..places].iter_mut().enumerate() {
            *shape = match row {
                Row::Results => results.next().unwrap_or(Dims::SCALAR),
                Row::Inputs(_) => shape_of(self, k),
            };
        }
        let there = (0..places).filter(|&k| is_there(k));
        let total: usize = there.clone().map(|k| shape::len(&shapes[k])).sum();
        let is_gathered = self.is_whole && there.count() > 1;
        let stride = if is_each && !self.is_whole { total * dtype.size() } else { 0 };
        let mut at = if is_gathered { self.work } else { data };
        for (k, own) in shapes[..places].iter().enumerate() {
            let mut dims = Dims::SCALAR;
            if self.is_whole {
                leading.iter().for_each(|&len| dims.push(len));
            }
            own.iter().for_each(|&len| dims.push(len));
            if !is_there(k) {
                let dtype = self.operand(k).2;
                self.push(std::ptr::null_mut(), dtype, &dims, 0);
                continue;
            }
            self.push(at, dtype, &dims, stride);
            // (Inside of the row, or of the memory for it.)
            at = at.wrapping_add(shape::len(&dims) * dtype.size());
        }
        if !is_gathered {
            return None;
        }
        self.work = at;
        Some(Gathered { row: data, batch, first, end: self.end() })
    }
}
