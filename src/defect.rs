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
    #[cfg(test)]
    records: std::sync::Arc<std::sync::atomic::AtomicUsize>,
}

impl FailPoint {
    /// Goes through the fail point.
    #[inline(always)]
    pub(crate) fn pass(&self) {
        #[cfg(test)]
        if is_last(&self.left) {
            // Unwinds as a panic does, and prints nothing.
            std::panic::resume_unwind(Box::new("a fail point"));
        }
    }

    /// Whether there is to be no memory for a record.
    #[inline(always)]
    pub(crate) fn refuses(&self) -> bool {
        #[cfg(test)]
        let is_the_one = is_last(&self.records);
        #[cfg(not(test))]
        let is_the_one = false;
        is_the_one
    }

    /// Lets there be no memory for the k-th record from now on, counted from 1; 0 for none. Whether one was
    /// still to come.
    #[cfg(test)]
    pub(crate) fn starve(&self, k: usize) -> bool {
        self.records.swap(k, std::sync::atomic::Ordering::SeqCst) > 0
    }

    /// Lets the k-th pass from now on panic, counted from 1; 0 for none. Whether one was still to
    /// come.
    #[cfg(test)]
    pub(crate) fn arm(&self, k: usize) -> bool {
        self.left.swap(k, std::sync::atomic::Ordering::SeqCst) > 0
    }
}

/// Counts down to 0, and no further, whichever threads do; whether this was the last step.
#[cfg(test)]
fn is_last(left: &std::sync::atomic::AtomicUsize) -> bool {
    use std::sync::atomic::Ordering::SeqCst;
    left.load(SeqCst) > 0 && left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)) == Ok(1)
}

#[cfg(feature = "capi")]
pub(crate) use quiet::{hush, with_place};

/// Rust's panic hook in the libraries for C. They have a standard library of their own, so that all
/// panics which reach the hook are this library's.
///
/// No thread-local says so: in a library that is loaded while a program runs, the system allocates
/// the first one that a thread touches, and ends the process if it cannot.
#[cfg(feature = "capi")]
mod quiet {
    use std::fmt::{self, Write};
    use std::panic::{PanicHookInfo, set_hook};
    use std::sync::{Mutex, Once, PoisonError};

    /// Where the last panic came from, on whatever thread, as text: no memory is needed to tell it.
    struct Place {
        text: [u8; 64],
        len: usize,
    }

    static PLACE: Mutex<Place> = Mutex::new(Place::EMPTY);

    /// Makes panics silent: they are told in another way.
    pub(crate) fn hush() {
        static ONCE: Once = Once::new();
        // (A hook without data: its box takes no memory.)
        ONCE.call_once(|| {
            // The tests of the whole crate have one standard library, and want to be told, too.
            #[cfg(test)]
            {
                let before = std::panic::take_hook();
                set_hook(Box::new(move |info| {
                    hook(info);
                    before(info);
                }));
            }
            #[cfg(not(test))]
            #[allow(clippy::disallowed_methods, reason = "it takes no memory")]
            set_hook(Box::new(hook));
        });
    }

    fn hook(info: &PanicHookInfo<'_>) {
        let mut place = Place::EMPTY;
        if let Some(at) = info.location() {
            let _cut_where_it_is_full = write!(place, "{}:{}", at.file(), at.line());
        }
        *PLACE.lock().unwrap_or_else(PoisonError::into_inner) = place;
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

    /// Where the last panic came from.
    pub(crate) fn with_place<R>(tell: impl FnOnce(&str) -> R) -> R {
        let mut last = PLACE.lock().unwrap_or_else(PoisonError::into_inner);
        let place = std::mem::replace(&mut *last, Place::EMPTY);
        drop(last);
        tell(std::str::from_utf8(&place.text[..place.len]).unwrap_or_default())
    }
}

#[cfg(test)]
mod exhausted;
#[cfg(test)]
mod tests;
