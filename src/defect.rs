//! Panics, which are always defects of this library: how they are told, and made on purpose.
//!
//! A panic leaves a call by unwinding, and [`Session::enter`](crate::session::Session::enter) puts
//! the graph in order. What Rust would print to standard error is not the host's business in a
//! process that is not ours: in a C program a panic is told by the graph, with its place.

/// For tests of what a panic leaves behind: one that comes at a wanted place. Outside of tests it
/// is nothing.
#[derive(Clone, Default)]
pub(crate) struct FailPoint {
    #[cfg(test)]
    left: std::sync::Arc<std::sync::atomic::AtomicUsize>,
}

impl FailPoint {
    /// Goes through the fail point.
    #[inline(always)]
    pub(crate) fn pass(&self) {
        #[cfg(test)]
        {
            use std::sync::atomic::Ordering::SeqCst;
            let left = self.left.load(SeqCst);
            // (One of several threads may take the last pass from another: then nobody panics.)
            if left > 0 && self.left.fetch_sub(1, SeqCst) == 1 {
                // Unwinds as a panic does, and prints nothing.
                std::panic::resume_unwind(Box::new("a fail point"));
            }
        }
    }

    /// Lets the k-th pass from now on panic, counted from 1; 0 for none. Whether one was still to
    /// come.
    #[cfg(test)]
    pub(crate) fn arm(&self, k: usize) -> bool {
        self.left.swap(k, std::sync::atomic::Ordering::SeqCst) > 0
    }
}

#[cfg(feature = "capi")]
pub(crate) use quiet::{hush, set_quiet, with_place};

/// What Rust's panic hook does on threads that work for C.
#[cfg(feature = "capi")]
mod quiet {
    use std::cell::Cell;
    use std::fmt::{self, Write};
    use std::panic::{PanicHookInfo, set_hook, take_hook};
    use std::sync::{Once, OnceLock};

    type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Sync + Send>;

    /// Where the last panic came from, as text: no memory is needed to tell it.
    #[derive(Clone, Copy)]
    struct Place {
        text: [u8; 64],
        len: usize,
    }

    thread_local! {
        static IS_QUIET: Cell<bool> = const { Cell::new(false) };
        static PLACE: Cell<Place> = const { Cell::new(Place::EMPTY) };
    }

    static BEFORE: OnceLock<Hook> = OnceLock::new();

    /// Makes panics silent where they are told in another way. The hook that was there before goes
    /// on to tell all others.
    pub(crate) fn hush() {
        static ONCE: Once = Once::new();
        // (Hooks without data: neither box takes memory.)
        ONCE.call_once(|| {
            if BEFORE.set(take_hook()).is_ok() {
                set_hook(Box::new(hook));
            }
        });
    }

    fn hook(info: &PanicHookInfo<'_>) {
        if !IS_QUIET.get() {
            return BEFORE.get().map_or((), |before| before(info));
        }
        let mut place = Place::EMPTY;
        if let Some(at) = info.location() {
            let _cut_where_it_is_full = write!(place, "{}:{}", at.file(), at.line());
        }
        PLACE.set(place);
    }

    impl Place {
        const EMPTY: Self = Self { text: [0; 64], len: 0 };
    }

    impl Write for Place {
        fn write_str(&mut self, s: &str) -> fmt::Result {
            for byte in s.bytes() {
                *self.text.get_mut(self.len).ok_or(fmt::Error)? = byte;
                self.len += 1;
            }
            Ok(())
        }
    }

    /// Lets this thread be silent from here on, or not; what it was before.
    #[inline]
    pub(crate) fn set_quiet(on: bool) -> bool {
        IS_QUIET.replace(on)
    }

    /// Where the last silent panic of this thread came from.
    pub(crate) fn with_place<R>(tell: impl FnOnce(&str) -> R) -> R {
        let place = PLACE.replace(Place::EMPTY);
        tell(std::str::from_utf8(&place.text[..place.len]).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
