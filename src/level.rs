//! Which instructions the CPU has.
//!
//! A [`Level`] names a set of instructions that kernels are compiled for. [`Level::current`] finds
//! the best one this CPU can run, once, and remembers it; the environment variable
//! `BUMPGRAD_LEVEL` (`baseline`, `v3` or `v4`) can lower it, so that every level can be tested on
//! one machine. It cannot raise it: running an instruction the CPU lacks is undefined behaviour.

use std::ffi::{CStr, c_char};
use std::sync::atomic::{AtomicU8, Ordering};

/// The environment variable that lowers the level.
const VARIABLE: &CStr = c"BUMPGRAD_LEVEL";

/// A set of instructions, each level holding those below it. Named after the x86-64
/// microarchitecture levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// What the compilation target promises: SSE2 on x86-64, NEON on aarch64.
    Baseline,
    /// AVX2 and FMA.
    V3,
    /// The AVX-512 subsets F, BW, CD, DQ and VL.
    V4,
}

impl Level {
    pub(crate) const ALL: [Level; 3] = [Level::Baseline, Level::V3, Level::V4];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Level::Baseline => "baseline",
            Level::V3 => "v3",
            Level::V4 => "v4",
        }
    }

    /// The level kernels run at: the CPU's, or the lower one asked for.
    ///
    /// Two threads may both find it out the first time; they find the same.
    pub(crate) fn current() -> Level {
        /// 0 while unknown, else one more than the level's place in `ALL`.
        static CURRENT: AtomicU8 = AtomicU8::new(0);
        // Relaxed: the number is the whole message, nothing else is published with it.
        match CURRENT.load(Ordering::Relaxed) {
            0 => {
                let level = lowered(Level::detect(), asked());
                CURRENT.store(level as u8 + 1, Ordering::Relaxed);
                level
            }
            place => Level::ALL[usize::from(place) - 1],
        }
    }

    /// The highest level this CPU, and its operating system, can run.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn detect() -> Level {
        let v3 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let v4 = v3
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512cd")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        match (v3, v4) {
            (_, true) => Level::V4,
            (true, false) => Level::V3,
            (false, false) => Level::Baseline,
        }
    }

    /// The highest level this CPU can run: elsewhere than on x86-64 there is only one.
    #[cfg(not(target_arch = "x86_64"))]
    pub(crate) fn detect() -> Level {
        Level::Baseline
    }
}

/// What the variable says. Rust's way to read it would copy it, and abort without memory for that.
fn asked() -> Option<&'static [u8]> {
    unsafe extern "C" {
        fn getenv(name: *const c_char) -> *const c_char;
    }
    // SAFETY: a name that ends in NUL; what is returned is NULL or a string that is left alone as long
    // as nobody changes the environment, which is looked at before anything else happens.
    unsafe {
        let value = getenv(VARIABLE.as_ptr());
        (!value.is_null()).then(|| CStr::from_ptr(value).to_bytes())
    }
}

/// `detected`, or the level called `asked` if there is one and it is lower.
fn lowered(detected: Level, asked: Option<&[u8]>) -> Level {
    Level::ALL
        .into_iter()
        .find(|level| asked == Some(level.name().as_bytes()))
        .map_or(detected, |level| level.min(detected))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_can_be_lowered_but_not_raised() {
        for detected in Level::ALL {
            for asked in Level::ALL {
                let level = lowered(detected, Some(asked.name().as_bytes()));
                assert_eq!(level, asked.min(detected), "{asked:?} asked of {detected:?}");
            }
            assert_eq!(lowered(detected, None), detected);
            assert_eq!(lowered(detected, Some(b"v9")), detected, "an unknown name is ignored");
            assert_eq!(lowered(detected, Some(b"")), detected);
        }
    }

    #[test]
    fn levels_are_ordered_and_the_current_one_can_be_run() {
        assert!(Level::ALL.is_sorted());
        assert!(Level::current() <= Level::detect());
        assert_eq!(Level::current(), Level::current());
    }
}
