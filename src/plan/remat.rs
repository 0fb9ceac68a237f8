//! Computing values again instead of keeping them, so that scratch memory holds less at a time.
//!
//! The steps of a plan are gone through in their order, as if they were run, with room for so many
//! bytes. Where there is none, a value goes that is cheap to have again, large, and not wanted for
//! long: *dynamic tensor rematerialisation* (Kirisame et al., ICLR 2021), but done when planned, where
//! the next use of a value is known, rather than guessed from the last one. Which one goes is in
//! `presence`.
//!
//! When a step reads what is absent, the steps that make it go in front, each once and in their order;
//! their values stay as long as there is room and something is to be made of them. It is the same step
//! that is run again, on the same values: no bit can differ.
//!
//! A checkpoint is the same with another reason to go: its values go at the end of what it spans.

mod presence;

use super::datum::{DatumId, NONE};
use super::emit::Used;
use super::places::{Lifetime, Places, room_for};
use super::{Looks, Plan, Span, Step, Storage, Work};
use crate::arena::{OutOfMemory, TryPush};
use crate::buffer::{buffer_bytes, buffer_within};
use presence::Set;

/// How many times the steps of a plan may be run, on average: what would take more is said not to fit.
const RUNS_MAX: usize = 8;

/// How often less room is tried where values do not fit side by side, though their sum does.
const TRIES: usize = 5;

/// What is known of a datum. One that is not in scratch memory has no bytes, and is always there.
#[derive(Clone, Copy)]
struct Value {
    bytes: usize,
    writer: u32,
    /// The steps that read it, in `users`.
    users: Span,
    /// A step after which it goes, though it is read later.
    until: u32,
    /// Whether its step may not be run again: then it stays.
    is_fixed: bool,

    // ---- as it stands ----
    /// How many of its users have been run.
    used: u32,
    /// Its place among those that are present, or `NONE`.
    place: u32,
    /// Its present lifetime.
    lifetime: u32,
    /// Reads that are still to come of steps that are run again.
    needed: u32,
    /// Absent values that are wanted, and made of it.
    holders: u32,
    /// Whether it is one of those, for what it is made of.
    is_holding: bool,
    /// Steps at hand that must find it when it is their turn.
    locks: u32,
    /// When a step used it last, counted in steps that were run.
    touched: u32,
    /// While it is absent and was there before: its set, and what it costs.
    set: u32,
    cost: u64,
}

impl Value {
    fn is_absent(&self) -> bool {
        self.bytes > 0 && self.place == NONE
    }

    /// Whether anything is to be made of it.
    fn is_wanted(&self) -> bool {
        let is_awaited = self.holders + self.needed + self.locks > 0;
        self.used < self.users.count || is_awaited || self.is_fixed
    }
}

/// What is known of a step.
#[derive(Clone, Copy)]
struct Item {
    /// Memory to work in, in `own`.
    own: Span,
    /// How many of its values are absent and were there before.
    gone: u32,
    /// The frame that it was listed for last.
    mark: u32,
    /// Whether it waits for what it reads, which is locked.
    waits: bool,
    /// Its first run, in the finished plan.
    first_run: u32,
}

/// The memory for this, kept from plan to plan.
#[derive(Default)]
pub(super) struct Remat {
    values: Vec<Value>,
    items: Vec<Item>,
    users: Vec<u32>,
    own: Vec<DatumId>,
    /// Values that go before they were read for the last time, by the step after which they do.
    leaving: Vec<DatumId>,

    // ---- as it stands ----
    room: usize,
    taken: usize,
    /// The step whose turn it is.
    now: u32,
    present: Vec<DatumId>,
    sets: Vec<Set>,
    /// Steps to be run again before it, the first one last, in frames: those of each frame are for the
    /// last step of the one below.
    todo: Vec<u32>,
    frames: Vec<u32>,
    mark: u32,
    work: Vec<DatumId>,
    chance: u64,
    /// Steps in the order in which they are run.
    order: Vec<u32>,
    /// The steps of the finished plan.
    steps: Vec<Step>,
    pub(super) looks: Looks,
}

impl Remat {
    pub(super) fn bytes(&self) -> usize {
        let Self { values, items, users, own, leaving, present, sets, .. } = self;
        let known = [values.bytes(), items.bytes(), users.bytes(), own.bytes(), leaving.bytes()];
        let stands = [present.bytes(), sets.bytes(), self.todo.bytes(), self.frames.bytes()];
        let lists = self.work.bytes() + self.order.bytes() + self.steps.bytes();
        known.iter().chain(&stands).sum::<usize>() + lists
    }

    /// Lists values again so that scratch memory takes at most `room` bytes, if that can be done; else
    /// so that it takes as little as was found, and the plan says how much would do. `until` says of a
    /// datum after which step it has to go, if it has to before its time.
    pub(super) fn fit(
        &mut self,
        plan: &mut Plan,
        used: &[Used],
        until: impl Fn(&Used) -> u32,
        room: usize,
        places: &mut Places,
    ) -> Result<(), OutOfMemory> {
        self.know(plan, used, until)?;
        if self.fits(plan, room, places)? {
            return self.finish(plan, places);
        }
        // Buffers are of certain sizes: the least of those that do.
        let least = self.least(plan);
        let (mut low, mut high) = (buffer_bytes(least.max(room)), usize::MAX);
        if !self.fits(plan, high, places)? {
            return Err(OutOfMemory); // not even with all of the address space
        }
        high = buffer_bytes(places.top);
        low = low.min(high);
        // (What is below `low` is known not to do, what is at `high` is tried last.)
        while low < high {
            let middle = buffer_within(low + (high - low) / 2).max(low);
            if self.fits(plan, middle, places)? {
                high = middle;
            } else {
                low = buffer_bytes(middle + 1);
            }
        }
        while !self.fits(plan, high, places)? {
            high = buffer_bytes(high + 1);
        }
        self.finish(plan, places)?;
        plan.scratch = high;
        Ok(())
    }

    /// Takes down what there is to know of a plan.
    fn know(
        &mut self,
        plan: &Plan,
        used: &[Used],
        until: impl Fn(&Used) -> u32,
    ) -> Result<(), OutOfMemory> {
        self.values.clear();
        self.items.clear();
        self.users.clear();
        self.own.clear();
        self.leaving.clear();
        for (datum, used) in plan.data.iter().zip(used) {
            let is_scratch = matches!(datum.place, Storage::Scratch(_));
            let bytes = if is_scratch { room_for(datum) } else { 0 };
            self.values.try_push(Value {
                bytes,
                writer: used.writer,
                users: Span::default(),
                until: if bytes > 0 { until(used) } else { NONE },
                is_fixed: false,
                used: 0,
                place: NONE,
                lifetime: NONE,
                needed: 0,
                holders: 0,
                is_holding: false,
                locks: 0,
                touched: 0,
                set: NONE,
                cost: 0,
            })?;
        }
        let item = Item { own: Span::default(), gone: 0, mark: 0, waits: false, first_run: NONE };
        self.items.try_extend_to(plan.steps.len(), item)?;
        // Counted, added up, filled in.
        for step in &plan.steps {
            for &read in plan.reads(step) {
                self.values[read as usize].users.count += 1;
            }
        }
        let mut first = 0;
        for value in &mut self.values {
            let count = std::mem::take(&mut value.users.count);
            value.users.first = first;
            first += count;
        }
        self.users.try_extend_to(first as usize, 0)?;
        for (number, step) in plan.steps.iter().enumerate() {
            for &read in plan.reads(step) {
                let users = &mut self.values[read as usize].users;
                self.users[(users.first + users.count) as usize] = number as u32;
                users.count += 1;
            }
        }
        for step in &plan.steps {
            if let Work::Single(number) = step.work
                && !plan.singles[number as usize].op.may_be_repeated()
            {
                for &write in plan.writes(step) {
                    self.values[write as usize].is_fixed = true;
                    self.values[write as usize].until = NONE;
                }
            }
        }
        // What a step works in is nobody's result.
        for (number, (value, used)) in self.values.iter().zip(used).enumerate() {
            if value.bytes > 0 && value.writer == NONE {
                self.items[used.first as usize].own.count += 1;
                self.own.try_push(number as u32)?;
            }
            if value.until != NONE {
                self.leaving.try_push(number as u32)?;
            }
        }
        self.own.sort_unstable_by_key(|&datum| (used[datum as usize].first, datum));
        let mut first = 0;
        for item in &mut self.items {
            item.own.first = first;
            first += item.own.count;
        }
        let values = &self.values;
        self.leaving.sort_unstable_by_key(|&datum| (values[datum as usize].until, datum));
        Ok(())
    }

    /// Bytes below which there is no use in trying: what the largest step takes.
    fn least(&self, plan: &Plan) -> usize {
        let needs = plan.steps.iter().zip(&self.items).map(|(step, item)| {
            let data = plan.reads(step).iter().chain(plan.writes(step));
            data.chain(item.own.of(&self.own)).map(|&datum| self.values[datum as usize].bytes).sum()
        });
        needs.max().unwrap_or(0)
    }

    /// Whether the plan can be run within so many bytes, side by side.
    fn fits(&mut self, plan: &Plan, room: usize, places: &mut Places) -> Result<bool, OutOfMemory> {
        let mut most = room;
        for _ in 0..TRIES {
            if !self.run(plan, most, places)? {
                return Ok(false);
            }
            places.find()?;
            if places.top <= room {
                return Ok(true);
            }
            most = most.saturating_sub((places.top - room).max(most / 64));
        }
        Ok(false)
    }

    /// Goes through the steps; whether `room` bytes are enough for the sum of what is there at a time.
    fn run(&mut self, plan: &Plan, room: usize, places: &mut Places) -> Result<bool, OutOfMemory> {
        for value in &mut self.values {
            let Value { bytes, writer, users, until, is_fixed, .. } = *value;
            let (used, needed, holders, locks, touched) = (0, 0, 0, 0, 0);
            let (place, lifetime, set, cost, is_holding) = (NONE, NONE, NONE, 0, false);
            *value = Value {
                bytes,
                writer,
                users,
                until,
                is_fixed,
                used,
                place,
                lifetime,
                needed,
                holders,
                is_holding,
                locks,
                touched,
                set,
                cost,
            };
        }
        for item in &mut self.items {
            *item = Item { gone: 0, mark: 0, waits: false, first_run: NONE, ..*item };
        }
        (self.room, self.taken, self.mark, self.chance) = (room, 0, 0, 0x9e37_79b9_7f4a_7c15);
        self.present.clear();
        self.sets.clear();
        self.order.clear();
        self.todo.clear();
        self.frames.clear();
        places.lifetimes.clear();
        let mut left = 0;
        for step in 0..plan.steps.len() as u32 {
            self.now = step;
            self.frames.try_push(0)?;
            self.todo.try_push(step)?;
            while let Some(&first) = self.frames.last() {
                if self.todo.len() == first as usize {
                    self.frames.pop();
                    continue;
                }
                let at = self.todo[self.todo.len() - 1];
                if at != step && !self.makes_what_is_wanted(plan, at) {
                    self.skip(plan, at)?;
                } else if self.lacks(plan, at) {
                    self.begin_frame(plan, at)?;
                    continue;
                } else if !self.step(plan, at, places)? {
                    return Ok(false);
                }
                self.todo.pop();
            }
            while let Some(&datum) = self.leaving.get(left)
                && self.values[datum as usize].until <= step
            {
                let value = &self.values[datum as usize];
                if !value.is_absent() && value.is_wanted() {
                    self.let_go(plan, datum)?;
                }
                left += 1;
            }
        }
        Ok(true)
    }

    fn makes_what_is_wanted(&self, plan: &Plan, step: u32) -> bool {
        plan.writes(&plan.steps[step as usize]).iter().any(|&write| {
            let value = &self.values[write as usize];
            value.is_absent() && value.is_wanted()
        })
    }

    fn lacks(&self, plan: &Plan, step: u32) -> bool {
        let reads = plan.reads(&plan.steps[step as usize]);
        reads.iter().any(|&read| self.values[read as usize].is_absent())
    }

    /// Lists the steps that make what a step lacks, and what those lack.
    fn begin_frame(&mut self, plan: &Plan, step: u32) -> Result<(), OutOfMemory> {
        debug_assert!(!self.items[step as usize].waits, "what a step waits for is locked");
        self.items[step as usize].waits = true;
        for &read in plan.reads(&plan.steps[step as usize]) {
            self.values[read as usize].locks += 1;
        }
        self.mark += 1;
        self.looks.note(1);
        let first = self.todo.len();
        self.frames.try_push(first as u32)?;
        let (mut next, mut at) = (first, step);
        loop {
            for &read in plan.reads(&plan.steps[at as usize]) {
                let Value { writer, .. } = self.values[read as usize];
                if self.values[read as usize].is_absent()
                    && std::mem::replace(&mut self.items[writer as usize].mark, self.mark)
                        != self.mark
                {
                    self.todo.try_push(writer)?;
                }
            }
            let Some(&other) = self.todo.get(next) else { break };
            (next, at) = (next + 1, other);
        }
        self.todo[first..].sort_unstable_by(|one, other| other.cmp(one));
        for &step in &self.todo[first..] {
            for &read in plan.reads(&plan.steps[step as usize]) {
                self.values[read as usize].needed += 1;
            }
        }
        Ok(())
    }

    /// Leaves out a step whose values have all come back in the meantime.
    fn skip(&mut self, plan: &Plan, step: u32) -> Result<(), OutOfMemory> {
        for &read in plan.reads(&plan.steps[step as usize]) {
            self.values[read as usize].needed -= 1;
            self.drop_if_done(plan, read)?;
        }
        Ok(())
    }

    /// Runs a step whose operands are there; whether there is room for what it makes.
    fn step(&mut self, plan: &Plan, number: u32, places: &mut Places) -> Result<bool, OutOfMemory> {
        let step = &plan.steps[number as usize];
        let (reads, writes) = (plan.reads(step), plan.writes(step));
        for &datum in reads.iter().chain(writes) {
            self.values[datum as usize].locks += 1;
        }
        let own = self.items[number as usize].own;
        let absent = writes.iter().filter(|&&write| self.values[write as usize].is_absent());
        let data = absent.chain(own.of(&self.own));
        let need = data.map(|&datum| self.values[datum as usize].bytes).sum::<usize>();
        while self.taken.saturating_add(need) > self.room {
            if !self.make_room(plan)? {
                return Ok(false);
            }
        }
        let time = self.order.try_push(number)?;
        if self.order.len() > RUNS_MAX * (plan.steps.len() + 8) {
            return Ok(false);
        }
        for &datum in own.of(&self.own) {
            let bytes = self.values[datum as usize].bytes;
            places.lifetimes.try_push(Lifetime { datum, first: time, last: time, bytes, at: 0 })?;
        }
        for &write in writes.iter() {
            if self.values[write as usize].is_absent() {
                self.appear(write, time, places)?;
            }
        }
        let waited = std::mem::take(&mut self.items[number as usize].waits);
        for &datum in reads.iter().chain(writes) {
            let value = &mut self.values[datum as usize];
            (value.locks, value.touched) = (value.locks - 1, time);
            if value.bytes > 0 {
                places.lifetimes[value.lifetime as usize].last = time;
            }
        }
        for &read in reads {
            let value = &mut self.values[read as usize];
            value.locks -= u32::from(waited);
            if number == self.now {
                value.used += 1;
            } else {
                value.needed -= 1;
            }
        }
        for &write in writes {
            self.stop_holding(plan, write)?;
        }
        for &datum in reads.iter().chain(writes) {
            self.drop_if_done(plan, datum)?;
        }
        Ok(true)
    }

    /// Writes the steps that were listed into the plan, and where their data are.
    fn finish(&mut self, plan: &mut Plan, places: &Places) -> Result<(), OutOfMemory> {
        self.steps.clear();
        self.values.iter_mut().for_each(|value| value.lifetime = NONE);
        (plan.cost, plan.scratch) = (0, places.top);
        let mut lifetimes = places.lifetimes.iter().peekable();
        for (time, &number) in self.order.iter().enumerate() {
            let first = plan.places.len();
            while let Some(&Lifetime { datum, at, .. }) =
                lifetimes.next_if(|lifetime| lifetime.first as usize == time)
            {
                match std::mem::replace(&mut self.values[datum as usize].lifetime, 0) {
                    NONE => plan.data[datum as usize].place = Storage::Scratch(at),
                    _ => plan.places.try_push((datum, at)).map(|_| ())?,
                }
            }
            let places = Span::since(first, plan.places.len());
            let first_run = &mut self.items[number as usize].first_run;
            let repeats = *first_run;
            *first_run = (*first_run).min(time as u32);
            let step = Step { repeats, places, ..plan.steps[number as usize] };
            plan.cost += step.cost;
            self.steps.try_push(step)?;
        }
        std::mem::swap(&mut plan.steps, &mut self.steps);
        Ok(())
    }
}
