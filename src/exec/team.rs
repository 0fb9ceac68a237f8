//! The threads that share the work of a plan. Only this file names `rayon`.
//!
//! One pool serves the whole process. It is started when a plan is first worth it, entered once a
//! plan, and joined by [`shutdown`]. What is shared out are *chunks* of fixed size: which thread
//! runs a chunk, and when, has no influence on any number.
//!
//! A process that forks leaves its threads behind. Its child finds out by the process id, and runs
//! everything on the thread at hand.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::fpenv::{Scope, Subnormals};

/// Estimated nanoseconds of a plan from which on the pool is entered, and of a step from which on
/// its chunks are shared. Entering costs 4 to 12 microseconds, waking a thread for a step about 5:
/// see the `threads` benchmark.
pub(super) const PLAN_COST: u64 = 100_000;
pub(super) const STEP_COST: u64 = 50_000;

/// More threads than anybody has cores would only take memory.
pub(crate) const THREADS_MAX: usize = 256;

struct Shared {
    pool: Arc<ThreadPool>,
    /// Of its threads, and of those of the smaller pools before it.
    handles: Vec<JoinHandle<()>>,
    threads: usize,
}

static SHARED: Mutex<Option<Shared>> = Mutex::new(None);

/// The process that has had a pool first; 0 for none. It is looked at before the lock, which another
/// thread of the parent may have held when the process forked.
static OWNER: AtomicU32 = AtomicU32::new(0);

/// Whether the pool is another process's, of which this one is a child.
fn is_inherited() -> bool {
    let owner = OWNER.load(Ordering::SeqCst);
    owner != 0 && owner != std::process::id()
}

/// How many threads the machine runs at once.
pub(super) fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| thread::available_parallelism().map_or(1, |count| count.get()))
}

/// The pool, with at least this many threads; none if it cannot be had.
fn pool(threads: usize) -> Option<Arc<ThreadPool>> {
    if is_inherited() {
        return None;
    }
    OWNER.store(std::process::id(), Ordering::SeqCst);
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(present) = shared.as_ref().filter(|present| present.threads >= threads) {
        return Some(present.pool.clone());
    }
    let mut handles = Vec::new();
    let built = ThreadPoolBuilder::new()
        .num_threads(threads)
        .spawn_handler(|worker| {
            let name = format!("bumpgrad-{}", worker.index());
            let work = || {
                // What panics here is told by the thread that waits.
                #[cfg(feature = "capi")]
                crate::defect::set_quiet(true);
                worker.run();
            };
            handles.push(thread::Builder::new().name(name).spawn(work)?);
            Ok(())
        })
        .build();
    let pool = Arc::new(built.ok()?);
    // A smaller pool ends when its last user is done; `shutdown` waits for its threads, too.
    handles.extend(shared.take().into_iter().flat_map(|smaller| smaller.handles));
    *shared = Some(Shared { pool: pool.clone(), handles, threads });
    Some(pool)
}

/// Ends the worker threads and waits for them. The next plan that is worth it starts them again.
pub(crate) fn shutdown() {
    if is_inherited() {
        return; // the threads stayed in the parent; there is nobody to wait for
    }
    let shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(Shared { pool, handles, .. }) = shared else { return };
    drop(pool);
    for handle in handles {
        // A worker that panicked has ended, too.
        let _ = handle.join();
    }
}

/// What crosses into the pool and back while the caller waits.
struct Across<T>(T);

// SAFETY: only used by `enter`, whose caller is blocked until the pool's thread is done: at any
// time one of the two uses what crosses.
unsafe impl<T> Send for Across<T> {}

impl<T> Across<T> {
    fn take(self) -> T {
        self.0
    }
}

/// The threads of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Team {
    threads: usize,
    subnormals: Subnormals,
}

impl Team {
    /// The thread at hand alone.
    pub(super) const ALONE: Self = Self { threads: 1, subnormals: Subnormals::Keep };

    /// How many threads it has.
    pub(super) fn threads(&self) -> usize {
        self.threads
    }

    /// Runs something with a team of this many threads, which all do the same with subnormal
    /// numbers; with the thread at hand alone if there can be no others.
    pub(super) fn enter<R>(
        threads: usize,
        subnormals: Subnormals,
        run: impl FnOnce(Self) -> R,
    ) -> R {
        let run = |team| {
            let _scope = Scope::enter(subnormals);
            run(team)
        };
        match if threads > 1 { pool(threads) } else { None } {
            None => run(Self::ALONE),
            Some(pool) => {
                let run = Across(run);
                let result = pool.install(move || Across(run.take()(Self { threads, subnormals })));
                result.take()
            }
        }
    }

    /// Calls `work(worker, chunk)` for each chunk, every worker on one thread at a time.
    pub(super) fn share(&self, chunks: usize, work: &(impl Fn(usize, usize) + Sync)) {
        let threads = self.threads.min(chunks);
        if threads <= 1 {
            return (0..chunks).for_each(|chunk| work(0, chunk));
        }
        let next = AtomicUsize::new(0);
        let all = |worker: usize| {
            let _scope = Scope::enter(self.subnormals);
            loop {
                // Relaxed: which chunk a worker gets means nothing; `join` orders what they write.
                let chunk = next.fetch_add(1, Ordering::Relaxed);
                if chunk >= chunks {
                    return;
                }
                work(worker, chunk);
            }
        };
        fan_out(0, threads, &all);
    }
}

/// Runs `work` for each worker, on as many threads as are free.
fn fan_out(first: usize, count: usize, work: &(impl Fn(usize) + Sync)) {
    if count == 1 {
        return work(first);
    }
    let half = count / 2;
    rayon::join(|| fan_out(first, half, work), || fan_out(first + half, count - half, work));
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
}
