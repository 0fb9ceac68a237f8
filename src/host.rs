//! The process in which the library is a guest: how it gets threads that disturb nobody, keeps
//! cancellation out of the middle of its work, notices `fork`, and counts cores.
//!
//! Threads are POSIX's, and the standard library's only where there are no others: what it allocates
//! for a thread would end the process where there is no memory.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

#[cfg(unix)]
use posix as system;
#[cfg(not(unix))]
use standard as system;

pub(crate) use system::{Uncancelled, WithoutSignals, Worker};

/// The process that started threads first; 0 for none.
static OWNER: AtomicU32 = AtomicU32::new(0);

/// Whether this process, or one of its forebears, was forked from one that had started threads.
static FORKED: AtomicBool = AtomicBool::new(false);

/// Whether the threads that were started are another process's, of which this one is a descendant.
///
/// The handler of `fork` says so, whatever the numbers of processes: they are used again, and begin
/// anew in a namespace. Children made without handlers have at least another number.
pub(crate) fn is_inherited() -> bool {
    let owner = OWNER.load(Ordering::SeqCst);
    FORKED.load(Ordering::SeqCst) || (owner != 0 && owner != std::process::id())
}

/// To be called before threads are started; false if children could not be told from this process.
pub(crate) fn own_threads() -> bool {
    // Two threads may both do it the first time.
    if OWNER.load(Ordering::SeqCst) == 0 {
        if !system::call_in_children() {
            return false;
        }
        OWNER.store(std::process::id(), Ordering::SeqCst);
    }
    true
}

/// How many threads the machine runs at once for this process.
pub(crate) fn cores() -> usize {
    static CORES: AtomicUsize = AtomicUsize::new(0);
    // Relaxed: the number is the whole message. Two threads may both find it out.
    match CORES.load(Ordering::Relaxed) {
        0 => {
            let _uncancelled = Uncancelled::new();
            let count = count_cores().max(1);
            CORES.store(count, Ordering::Relaxed);
            count
        }
        count => count,
    }
}

/// From this size on memory is made of huge pages where the system has them: a walk over 4 KiB pages
/// misses the table of addresses at every page, and faults at each when they are new.
pub(crate) const HUGE: usize = 4 << 20;

/// Asks for huge pages where there is as much memory. It is advice: nothing depends on whether it is
/// followed.
pub(crate) fn advise_huge(memory: NonNull<u8>, size: usize) {
    if size < HUGE {
        return;
    }
    #[cfg(target_os = "linux")]
    {
        const PAGE: usize = 4096;
        let first = memory.as_ptr().align_offset(PAGE);
        // SAFETY: whole pages inside of memory that is the caller's; the advice changes no content.
        unsafe {
            let first_page = memory.as_ptr().add(first).cast();
            libc::madvise(first_page, (size - first) / PAGE * PAGE, libc::MADV_HUGEPAGE);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = memory;
}

#[cfg(not(target_os = "linux"))]
fn count_cores() -> usize {
    std::thread::available_parallelism().map_or(1, |count| count.get())
}

/// As the standard library does, which would allocate: the processors that the thread may run on,
/// within the share of time that a container has.
#[cfg(target_os = "linux")]
fn count_cores() -> usize {
    // SAFETY: a set is plain bits, and the call writes at most its size.
    let allowed = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        match libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) {
            0 => libc::CPU_COUNT(&set) as usize,
            // There are more processors than the set has bits.
            _ => libc::sysconf(libc::_SC_NPROCESSORS_ONLN).max(1) as usize,
        }
    };
    allowed.min(quota::cores())
}

#[cfg(target_os = "linux")]
mod quota {
    //! How much time the control groups of this process allow, in cores.

    use std::fs::File;
    use std::io::Read;
    use std::path::Path;

    /// The least of the limits of the process's group and of the groups around it; a group that
    /// cannot be read, or whose name is very long, sets none.
    pub(super) fn cores() -> usize {
        let mut text = [0; 4096];
        let groups = read(Path::new("/proc/self/cgroup"), &mut text);
        let group = groups.lines().find_map(|line| line.strip_prefix("0::/"));
        let within = group.map_or(usize::MAX, |group| within("/sys/fs/cgroup", group));
        // The older kind of groups, as a container sees its own.
        let mut text = [[0; 64]; 2];
        let [limit, period] = &mut text;
        let limit = read(Path::new("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), limit);
        let period = read(Path::new("/sys/fs/cgroup/cpu/cpu.cfs_period_us"), period);
        within.min(ratio(limit, period))
    }

    fn within(mount: &str, group: &str) -> usize {
        let mut path = [0; 380]; // longer ones the standard library would allocate
        let mut least = usize::MAX;
        let mut group = Some(group.trim_end_matches('/'));
        while let Some(here) = group {
            let parts = [mount, "/", here, "/cpu.max"];
            if parts.iter().map(|part| part.len()).sum::<usize>() > path.len() {
                return least;
            }
            let mut len = 0;
            for part in parts {
                path[len..len + part.len()].copy_from_slice(part.as_bytes());
                len += part.len();
            }
            let name = std::str::from_utf8(&path[..len]).unwrap_or_default();
            let mut text = [0; 64];
            let (limit, period) =
                read(Path::new(name), &mut text).trim().split_once(' ').unwrap_or_default();
            least = least.min(ratio(limit, period));
            group = match here.rsplit_once('/') {
                Some((around, _)) => Some(around),
                None => (!here.is_empty()).then_some(""),
            };
        }
        least
    }

    /// What a file begins with.
    #[allow(clippy::disallowed_methods, reason = "short paths are copied to the stack")]
    fn read<'t>(path: &Path, text: &'t mut [u8]) -> &'t str {
        let len = File::open(path).and_then(|mut file| file.read(text)).unwrap_or(0);
        std::str::from_utf8(&text[..len]).unwrap_or_default()
    }

    /// Cores, from microseconds; "max" and -1 are no limit.
    fn ratio(limit: &str, period: &str) -> usize {
        match (limit.trim().parse::<usize>(), period.trim().parse::<usize>()) {
            (Ok(limit), Ok(period)) if period > 0 => (limit / period).max(1),
            _ => usize::MAX,
        }
    }

    #[cfg(test)]
    mod tests {
        #[test]
        fn the_least_limit_of_the_groups_around_counts() {
            let mount = std::env::temp_dir().join(format!("groups-{}", std::process::id()));
            let inner = mount.join("a/b");
            std::fs::create_dir_all(&inner).unwrap();
            let limits = |limits: [&str; 3]| {
                for (group, limit) in ["", "a", "a/b"].iter().zip(limits) {
                    std::fs::write(mount.join(group).join("cpu.max"), limit).unwrap();
                }
                super::within(mount.to_str().unwrap(), "a/b")
            };
            assert_eq!(limits(["max 100000\n"; 3]), usize::MAX);
            assert_eq!(limits(["max 100000\n", "350000 100000\n", "max 100000\n"]), 3);
            assert_eq!(limits(["200000 100000\n", "350000 100000\n", "900000 100000\n"]), 2);
            assert_eq!(limits(["max 100000\n", "", "150000 100000\n"]), 1);
            std::fs::remove_file(inner.join("cpu.max")).unwrap();
            assert_eq!(super::within(mount.to_str().unwrap(), "a/b"), usize::MAX);
            assert_eq!(super::within(mount.to_str().unwrap(), &"long/".repeat(100)), usize::MAX);
            std::fs::remove_dir_all(mount).unwrap();
        }

        #[test]
        fn limits_are_whole_cores_and_at_least_one() {
            for (limit, period, cores) in
                [("250000", "100000\n", 2), ("5000", "100000", 1), ("max", "100000", usize::MAX)]
            {
                assert_eq!(super::ratio(limit, period), cores);
            }
            assert_eq!(super::ratio("-1\n", "100000\n"), usize::MAX);
            assert_eq!(super::ratio("", ""), usize::MAX);
        }
    }
}

#[cfg(unix)]
mod posix {
    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    use std::ffi::c_int;
    use std::ffi::c_void;
    use std::mem::{MaybeUninit, zeroed};
    use std::ptr;
    use std::sync::atomic::Ordering;

    /// What the standard library gives its threads; a host's default may be much less.
    const STACK: usize = 2 << 20;

    /// A thread of the library.
    #[derive(Clone, Copy)]
    pub(crate) struct Worker(libc::pthread_t);

    // SAFETY: any thread may wait for another one.
    unsafe impl Send for Worker {}

    impl Worker {
        /// Starts one, which does this and must not unwind; none if the system has no more.
        pub(crate) fn start<F: FnOnce() + Send + 'static>(duty: F) -> Option<Self> {
            extern "C" fn main<F: FnOnce()>(duty: *mut c_void) -> *mut c_void {
                #[cfg(target_os = "linux")]
                // SAFETY: a name of at most 15 bytes, for the thread at hand.
                unsafe {
                    libc::pthread_setname_np(libc::pthread_self(), c"bumpgrad".as_ptr());
                }
                // SAFETY: the box that `start` made of a duty of this type; it is taken once.
                let duty = unsafe { Box::from_raw(duty.cast::<F>()) };
                duty();
                ptr::null_mut()
            }
            let mut attributes = MaybeUninit::uninit();
            let mut thread = MaybeUninit::uninit();
            // SAFETY: attributes are used between their beginning and their end, and a thread is
            // there if the call that makes it says so; else the duty is still ours.
            unsafe {
                if libc::pthread_attr_init(attributes.as_mut_ptr()) != 0 {
                    return None;
                }
                // If the system wants larger stacks, its own size will do.
                libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), STACK);
                #[allow(clippy::disallowed_methods, reason = "see reserve.rs")]
                let duty = Box::into_raw(Box::new(duty));
                let attributes = attributes.as_mut_ptr();
                let made =
                    libc::pthread_create(thread.as_mut_ptr(), attributes, main::<F>, duty.cast());
                libc::pthread_attr_destroy(attributes);
                if made != 0 {
                    drop(Box::from_raw(duty));
                    return None;
                }
                Some(Self(thread.assume_init()))
            }
        }

        /// Waits for its end.
        ///
        /// # Safety
        /// Once a thread.
        pub(crate) unsafe fn join(self) {
            // SAFETY: a thread that was started, and that nobody has waited for.
            unsafe { libc::pthread_join(self.0, ptr::null_mut()) };
        }
    }

    /// While it is there, threads that are started get no signals but those of their own faults:
    /// all others are the host's, whose threads may block and await them.
    pub(crate) struct WithoutSignals(libc::sigset_t);

    impl WithoutSignals {
        pub(crate) fn new() -> Self {
            let faults = [
                libc::SIGSEGV,
                libc::SIGBUS,
                libc::SIGFPE,
                libc::SIGILL,
                libc::SIGTRAP,
                libc::SIGSYS,
            ];
            // SAFETY: sets are plain bits, which the calls fill in.
            unsafe {
                let (mut all, mut before) = (zeroed(), zeroed());
                libc::sigfillset(&mut all);
                for fault in faults {
                    libc::sigdelset(&mut all, fault);
                }
                libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
                Self(before)
            }
        }
    }

    impl Drop for WithoutSignals {
        fn drop(&mut self) {
            // SAFETY: the set that was there before.
            unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, ptr::null_mut()) };
        }
    }

    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    unsafe extern "C" {
        // Not declared by `libc` on these systems.
        fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
    }

    /// While it is there, the thread at hand is not cancelled, but at the next occasion after it.
    /// To unwind from the middle of a system's call through frames of Rust would be an abort.
    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    pub(crate) struct Uncancelled(c_int);

    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    impl Uncancelled {
        pub(crate) fn new() -> Self {
            const DISABLE: c_int = if cfg!(target_vendor = "apple") { 0 } else { 1 };
            Self::set(DISABLE)
        }

        /// Sets the state, and keeps the one before.
        fn set(state: c_int) -> Self {
            let mut before = 0;
            // SAFETY: writes the state before.
            unsafe { pthread_setcancelstate(state, &mut before) };
            Self(before)
        }
    }

    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    impl Drop for Uncancelled {
        fn drop(&mut self) {
            std::mem::forget(Self::set(self.0));
        }
    }

    #[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
    pub(crate) use super::standard::Uncancelled;

    /// Has children of `fork` know that they are.
    pub(super) fn call_in_children() -> bool {
        extern "C" fn forked() {
            super::FORKED.store(true, Ordering::SeqCst);
        }
        // SAFETY: a store to an atomic may be done in a child. The system forgets the handler
        // when the library is unloaded.
        unsafe { libc::pthread_atfork(None, None, Some(forked)) == 0 }
    }
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
#[cfg_attr(unix, allow(dead_code, reason = "only what POSIX has not got everywhere is used"))]
mod standard {
    use std::thread::{self, JoinHandle};

    /// A thread of the library. Starting one allocates.
    pub(crate) struct Worker(JoinHandle<()>);

    impl Worker {
        pub(crate) fn start<F: FnOnce() + Send + 'static>(duty: F) -> Option<Self> {
            thread::Builder::new().name("bumpgrad".into()).spawn(duty).ok().map(Self)
        }

        /// # Safety
        /// None here.
        pub(crate) unsafe fn join(self) {
            let _ended_either_way = self.0.join();
        }
    }

    /// There are no signals of POSIX.
    pub(crate) struct WithoutSignals;

    impl WithoutSignals {
        pub(crate) fn new() -> Self {
            Self
        }
    }

    /// There is no cancellation of POSIX, or nobody has tried.
    pub(crate) struct Uncancelled;

    impl Uncancelled {
        pub(crate) fn new() -> Self {
            Self
        }
    }

    /// There is no `fork`.
    pub(super) fn call_in_children() -> bool {
        true
    }
}
