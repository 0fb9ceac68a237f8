//! The threads that share the work of a plan. Only this file names `rayon`.
//!
//! One pool of helpers serves the whole process. rayon starts the threads when a plan is first worth
//! it, and ends them at [`shutdown`]; in between each runs [`help`]. What is shared out are *chunks*
//! of fixed size: which thread runs a chunk, and when, has no influence on any number.
//!
//! Whoever shares out work does it, too, and goes on when no chunk is left and those who came to
//! help have gone. Nobody ever waits for a helper to come: where none can be had, in a forked
//! child, or without memory, everything is done by the thread at hand. Sharing allocates nothing,
//! and hands the work to no queue; rayon's own entries do both
//! ([ADR 25](../docs/adr/0025-a-guest.md)).

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

use crate::fpenv::{Scope, Subnormals};
use crate::host::{self, Uncancelled, WithoutSignals, Worker};
#[cfg(feature = "capi")]
use crate::reserve::Open;

/// Estimated nanoseconds of a plan from which on helpers are wanted, and of a step from which on
/// its chunks are shared. Waking a helper takes about 5 microseconds: see the `threads` benchmark.
pub(crate) const PLAN_COST: u64 = 100_000;
pub(crate) const STEP_COST: u64 = 50_000;

/// More threads than anybody has cores would only take memory.
pub(crate) const THREADS_MAX: usize = 256;

/// How often a thread that waits looks again, giving way to others, before it sleeps: for a few
/// tens of microseconds, since the next step often comes sooner than it could be woken.
const LOOKS: usize = 64;

/// What helpers and those who want help tell each other.
struct Pool {
    /// The threads that have been started in this era, and the rayon pools that they belong to, each
    /// at the place of its first one.
    helpers: [Option<Worker>; THREADS_MAX - 1],
    pools: [Option<ThreadPool>; THREADS_MAX - 1],
    count: usize,
    /// Work that may be helped with: a list through `Job::next`.
    open: *mut Job,
    /// How many helpers wait for `CALL`, and how many sharers for `GONE`.
    asleep: usize,
    waiting: usize,
}

// SAFETY: the jobs of the list are there as long as they are in it, and used under the pool's lock.
unsafe impl Send for Pool {}

static POOL: Mutex<Pool> = Mutex::new(Pool {
    helpers: [const { None }; THREADS_MAX - 1],
    pools: [const { None }; THREADS_MAX - 1],
    count: 0,
    open: ptr::null_mut(),
    asleep: 0,
    waiting: 0,
});

/// There is work, or the era is over.
static CALL: Condvar = Condvar::new();
/// The last helper has left some job.
static GONE: Condvar = Condvar::new();
/// How many more helpers are wanted. This and the next are looked at without the lock, too, which
/// is held when they change.
static WANTED: AtomicUsize = AtomicUsize::new(0);
/// A shutdown ends an era, and the helpers of the era end with it.
static ERA: AtomicUsize = AtomicUsize::new(0);
/// How many helpers were ever started, and how many have begun to help.
static STARTED: AtomicUsize = AtomicUsize::new(0);
static ARRIVED: AtomicUsize = AtomicUsize::new(0);

fn lock() -> MutexGuard<'static, Pool> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Work that is shared out. It lies on the stack of the thread that does so, and changes only under
/// the pool's lock.
struct Job {
    work: &'static (dyn Fn(usize) + Sync),
    /// Which worker the next helper will be; `end` if no more are wanted.
    worker: usize,
    end: usize,
    /// Helpers at work. Also looked at without the lock.
    inside: AtomicUsize,
    panic: Option<Box<dyn Any + Send>>,
    next: *mut Job,
}

/// A helper's place in a job.
struct Place {
    job: *mut Job,
    work: &'static (dyn Fn(usize) + Sync),
    worker: usize,
}

impl Pool {
    /// Starts this many more helpers.
    fn start(&mut self, more: usize) -> Result<(), ThreadPoolBuildError> {
        let _signals = WithoutSignals::new();
        let first = self.count;
        let mut started = 0;
        let built = ThreadPoolBuilder::new()
            .num_threads(more)
            .spawn_handler(|thread| {
                let worker = Worker::start(|| thread.run()).ok_or(io::ErrorKind::OutOfMemory)?;
                self.helpers[first + started] = Some(worker);
                started += 1;
                Ok(())
            })
            .build();
        match built {
            Ok(pool) => {
                let era = ERA.load(Ordering::Relaxed);
                pool.spawn_broadcast(move |_| help(era));
                self.pools[first] = Some(pool);
                self.count += more;
                Ok(())
            }
            Err(error) => {
                // Those that started are ending.
                for helper in &mut self.helpers[first..first + started] {
                    // SAFETY: taken out of the pool: nobody else waits for it.
                    helper.take().inspect(|helper| unsafe { helper.join() });
                }
                Err(error)
            }
        }
    }

    /// Takes a helper's place in a job, if there is one to be had.
    fn claim(&mut self) -> Option<Place> {
        let mut job = self.open;
        // SAFETY: jobs of the list are there, and the pool is locked. (No reference to a whole job
        // is made: its sharer may be looking at `inside`.)
        unsafe {
            while !job.is_null() && (*job).worker == (*job).end {
                job = (*job).next;
            }
            if job.is_null() {
                return None;
            }
            let place = Place { job, work: (*job).work, worker: (*job).worker };
            (*job).worker += 1;
            (*job).inside.fetch_add(1, Ordering::Relaxed);
            WANTED.fetch_sub(1, Ordering::Relaxed);
            Some(place)
        }
    }

    /// Takes a job out of the list: nobody else comes to help.
    ///
    /// # Safety
    /// The job is in the list.
    unsafe fn withdraw(&mut self, job: *mut Job) {
        // SAFETY: jobs of the list are there, and the pool is locked.
        unsafe {
            let mut at = &raw mut self.open;
            while *at != job {
                at = &raw mut (**at).next;
            }
            *at = (*job).next;
            WANTED.fetch_sub((*job).end - (*job).worker, Ordering::Relaxed);
        }
    }
}

/// Starts helpers until there are this many, if it can be done; how many there are.
fn start(wanted: usize) -> usize {
    let mut pool = lock();
    let more = wanted.saturating_sub(pool.count);
    if more > 0 {
        #[cfg(feature = "capi")]
        let Some(_reserve) = Open::for_threads(more) else { return pool.count };
        if pool.start(more).is_ok() {
            let all = STARTED.fetch_add(more, Ordering::Relaxed) + more;
            drop(pool);
            // Until then they allocate. They are there: nothing keeps them from coming.
            while ARRIVED.load(Ordering::Acquire) < all {
                thread::yield_now();
            }
            pool = lock();
        }
    }
    pool.count.min(wanted)
}

/// What a helper does until its era ends.
fn help(era: usize) {
    ARRIVED.fetch_add(1, Ordering::Release);
    let mut pool = lock();
    while ERA.load(Ordering::Relaxed) == era {
        if let Some(Place { job, work, worker }) = pool.claim() {
            drop(pool);
            let done = catch_unwind(AssertUnwindSafe(|| work(worker)));
            pool = lock();
            // SAFETY: the job is there until this helper has left; the pool is locked.
            unsafe {
                if let Err(panic) = done {
                    (*job).panic = Some(panic);
                }
                let is_last = (*job).inside.fetch_sub(1, Ordering::Release) == 1;
                if is_last && pool.waiting > 0 {
                    GONE.notify_all();
                }
            }
            continue;
        }
        drop(pool);
        let is_called = || WANTED.load(Ordering::Relaxed) > 0 || ERA.load(Ordering::Relaxed) != era;
        let is_awake = look(is_called);
        pool = lock();
        if !is_awake && !is_called() {
            pool.asleep += 1;
            pool = CALL.wait(pool).unwrap_or_else(PoisonError::into_inner);
            pool.asleep -= 1;
        }
    }
}

/// Looks whether something has come true, for a while.
fn look(is_true: impl Fn() -> bool) -> bool {
    (0..LOOKS).any(|_| {
        let is_true = is_true();
        if !is_true {
            thread::yield_now();
        }
        is_true
    })
}

/// Calls `work` for worker 0 here, and for up to `helpers` more on other threads meanwhile.
fn with_helpers(helpers: usize, work: &(dyn Fn(usize) + Sync)) {
    /// Waits for the helpers that have come, also when the work here panics.
    struct Shared(*mut Job);
    impl Drop for Shared {
        fn drop(&mut self) {
            let mut pool = lock();
            // SAFETY: in the list since it was shared, and there until the end of `with_helpers`.
            let inside = unsafe {
                pool.withdraw(self.0);
                &(*self.0).inside
            };
            let is_left = || inside.load(Ordering::Acquire) == 0;
            if !is_left() {
                drop(pool);
                look(is_left);
                pool = lock(); // which the last helper may still hold
            }
            while !is_left() {
                pool.waiting += 1;
                pool = GONE.wait(pool).unwrap_or_else(PoisonError::into_inner);
                pool.waiting -= 1;
            }
        }
    }

    // SAFETY: only a longer life: `Shared` sees to it that no helper is left with the work.
    let lasting: &'static (dyn Fn(usize) + Sync) = unsafe { std::mem::transmute(work) };
    let mut job = Job {
        work: lasting,
        worker: 1,
        end: 1 + helpers,
        inside: AtomicUsize::new(0),
        panic: None,
        next: ptr::null_mut(),
    };
    let job = &raw mut job;
    let mut pool = lock();
    // SAFETY: nobody else knows it yet.
    unsafe { (*job).next = pool.open };
    pool.open = job;
    WANTED.fetch_add(helpers, Ordering::Relaxed);
    let asleep = pool.asleep;
    drop(pool);
    let shared = Shared(job);
    if helpers >= asleep && asleep > 0 {
        CALL.notify_all();
    } else {
        (0..helpers.min(asleep)).for_each(|_| CALL.notify_one());
    }
    work(0);
    drop(shared);
    // SAFETY: nobody else has it any more.
    if let Some(panic) = unsafe { (*job).panic.take() } {
        resume_unwind(panic);
    }
}

/// Ends the worker threads and waits for them. The next plan that is worth it starts them again.
pub(crate) fn shutdown() {
    /// Whoever comes second waits, too, until there are no threads.
    static ONE: Mutex<()> = Mutex::new(());
    if host::is_inherited() {
        return; // the threads stayed in the parent; there is nobody to wait for
    }
    let _uncancelled = Uncancelled::new();
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut pool = lock();
    // (What ends them allocates little, if anything; if the reserve is used up, it has to do without.)
    #[cfg(feature = "capi")]
    let _reserve = Open::for_threads(0);
    let helpers = std::mem::replace(&mut pool.helpers, [const { None }; THREADS_MAX - 1]);
    let pools = std::mem::replace(&mut pool.pools, [const { None }; THREADS_MAX - 1]);
    pool.count = 0;
    ERA.fetch_add(1, Ordering::Relaxed);
    CALL.notify_all();
    drop(pool);
    drop(pools);
    for helper in helpers.into_iter().flatten() {
        // SAFETY: taken out of the pool: nobody else waits for it.
        unsafe { helper.join() };
    }
}

/// The threads of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Team {
    threads: usize,
    subnormals: Subnormals,
}

impl Team {
    /// The thread at hand alone.
    pub(crate) const ALONE: Self = Self { threads: 1, subnormals: Subnormals::Keep };

    /// How many threads it has.
    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// Runs something with a team of this many threads, or of as many as there can be, which all do
    /// the same with subnormal numbers.
    pub(crate) fn enter<R>(
        threads: usize,
        subnormals: Subnormals,
        run: impl FnOnce(Self) -> R,
    ) -> R {
        let _scope = Scope::enter(subnormals);
        // In a child the lock is not touched: another thread of the parent may have held it.
        if threads <= 1 || host::is_inherited() || !host::own_threads() {
            return run(Self::ALONE);
        }
        let _uncancelled = Uncancelled::new();
        let helpers = start(threads.min(THREADS_MAX) - 1);
        run(Self { threads: 1 + helpers, subnormals })
    }

    /// Calls `work(worker, chunk)` for each chunk, every worker on one thread at a time.
    pub(crate) fn share(&self, chunks: usize, work: &(impl Fn(usize, usize) + Sync)) {
        let threads = self.threads.min(chunks);
        if threads <= 1 {
            return (0..chunks).for_each(|chunk| work(0, chunk));
        }
        let next = AtomicUsize::new(0);
        let all = |worker: usize| {
            let _scope = Scope::enter(self.subnormals);
            loop {
                // Relaxed: which chunk a worker gets means nothing; the pool's lock orders what
                // they write.
                let chunk = next.fetch_add(1, Ordering::Relaxed);
                if chunk >= chunks {
                    return;
                }
                work(worker, chunk);
            }
        };
        with_helpers(threads - 1, &all);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chunk_runs_once_for_any_number_of_threads_and_after_a_shutdown() {
        for threads in [1, 2, 3, 8, 2] {
            for chunks in [0, 1, 2, 7, 1000] {
                let count: Vec<AtomicUsize> = (0..chunks).map(|_| AtomicUsize::new(0)).collect();
                Team::enter(threads, Subnormals::Keep, |team| {
                    team.share(chunks, &|worker, chunk| {
                        assert!(worker < threads);
                        count[chunk].fetch_add(1, Ordering::Relaxed);
                    });
                });
                assert!(count.iter().all(|count| count.load(Ordering::Relaxed) == 1));
            }
            if threads == 3 {
                shutdown();
            }
        }
    }

    #[test]
    fn sharers_at_once_and_shutdowns_between_them() {
        thread::scope(|scope| {
            for threads in 2..8 {
                scope.spawn(move || {
                    for chunks in 2..300 {
                        let sum = AtomicUsize::new(0);
                        Team::enter(threads, Subnormals::Keep, |team| {
                            team.share(chunks, &|_, chunk| {
                                sum.fetch_add(chunk, Ordering::Relaxed);
                            });
                        });
                        assert_eq!(sum.into_inner(), chunks * (chunks - 1) / 2);
                    }
                });
            }
            for _ in 0..100 {
                shutdown();
                thread::yield_now();
            }
        });
    }

    /// Also that the threads are as useful as before.
    #[test]
    fn a_panic_of_any_worker_reaches_the_sharer() {
        for bad in [0, 1, 2, 37, 99] {
            let seen = AtomicUsize::new(0);
            let shared = catch_unwind(AssertUnwindSafe(|| {
                Team::enter(3, Subnormals::Keep, |team| {
                    team.share(100, &|_, chunk| {
                        seen.fetch_add(1, Ordering::Relaxed);
                        if chunk == bad {
                            resume_unwind(Box::new(bad));
                        }
                    });
                });
            }));
            assert_eq!(shared.unwrap_err().downcast_ref::<usize>(), Some(&bad));
            assert!(seen.into_inner() <= 100);
        }
        every_chunk_runs_once_for_any_number_of_threads_and_after_a_shutdown();
    }
}
