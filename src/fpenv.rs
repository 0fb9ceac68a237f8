//! The floating-point environment of the thread at hand: how it rounds, what it does with subnormal
//! numbers, which exceptions trap, and which ones it has seen.
//!
//! It is the host's, and may be anything; all arithmetic here wants the default one: to nearest,
//! subnormal numbers as numbers, no traps. So whoever computes holds a [`Scope`], which gives the
//! host's back when it ends, the exceptions seen included. Every call of the C and of the Rust
//! interface is inside of one, but for those that record an elementwise operation, which is no
//! arithmetic. So is each worker's share of an evaluation: its thread may have been at work for
//! another graph.
//!
//! Only the unit that computes is set: SSE's on x86-64, whose x87 unit no instruction here uses. On
//! other CPUs than x86-64 and aarch64 nothing is done.
//!
//! The compiler knows of no other environment than the default one and may move arithmetic across
//! what changes it. It does not: computing begins with a call through a pointer to a kernel, or with
//! a loop over memory, which assembly that may write to memory is not exchanged with.

/// What arithmetic does with subnormal numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Subnormals {
    #[default]
    Keep,
    /// Takes them for zeros, as operands and as results, where the CPU can.
    Flush,
}

/// While it lives, this thread computes in the default environment.
#[must_use = "the environment is the default one while the scope lives"]
pub(crate) struct Scope {
    outside: unit::Environment,
}

impl Scope {
    #[inline(always)]
    pub(crate) fn enter(subnormals: Subnormals) -> Self {
        let outside = unit::get();
        // Reading is cheap, setting is not.
        if !outside.controls_as(subnormals) {
            unit::set(unit::Environment::new(subnormals));
        }
        Self { outside }
    }
}

impl Drop for Scope {
    #[inline(always)]
    fn drop(&mut self) {
        if unit::get() != self.outside {
            unit::set(self.outside);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod unit {
    use std::arch::asm;

    use super::Subnormals;

    /// MXCSR.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub(super) struct Environment(u32);

    const SEEN: u32 = 0x3f;
    /// All exceptions masked.
    const DEFAULT: u32 = 0x1f80;
    /// "Flush to zero" of results, and "denormals are zeros" of operands.
    const FLUSH: u32 = 0x8040;

    impl Environment {
        #[inline(always)]
        pub(super) const fn new(subnormals: Subnormals) -> Self {
            Self(match subnormals {
                Subnormals::Keep => DEFAULT,
                Subnormals::Flush => DEFAULT | FLUSH,
            })
        }

        /// Whether all but the exceptions seen is as wanted.
        #[inline(always)]
        pub(super) fn controls_as(self, subnormals: Subnormals) -> bool {
            self.0 & !SEEN == Self::new(subnormals).0
        }
    }

    #[inline(always)]
    pub(super) fn get() -> Environment {
        let mut register = 0u32;
        // SAFETY: SSE is part of x86-64, and the pointer is valid for the four bytes written.
        unsafe {
            asm!("stmxcsr [{}]", in(reg) &raw mut register, options(nostack, preserves_flags));
        }
        Environment(register)
    }

    #[cold]
    pub(super) fn set(environment: Environment) {
        // SAFETY: as above for reading, and the value is one that the register has had, or has no
        // reserved bit: every x86-64 CPU can flush both ways.
        unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const environment.0, options(nostack)) };
    }
}

#[cfg(target_arch = "aarch64")]
mod unit {
    use std::arch::asm;

    use super::Subnormals;

    /// FPCR and FPSR.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub(super) struct Environment {
        control: u64,
        seen: u64,
    }

    const FLUSH: u64 = 1 << 24;

    impl Environment {
        #[inline(always)]
        pub(super) const fn new(subnormals: Subnormals) -> Self {
            let control = match subnormals {
                Subnormals::Keep => 0,
                Subnormals::Flush => FLUSH,
            };
            Self { control, seen: 0 }
        }

        /// Whether all but the exceptions seen is as wanted.
        #[inline(always)]
        pub(super) fn controls_as(self, subnormals: Subnormals) -> bool {
            self.control == Self::new(subnormals).control
        }
    }

    #[inline(always)]
    pub(super) fn get() -> Environment {
        let (control, seen): (u64, u64);
        // SAFETY: every aarch64 CPU with a floating-point unit, which Rust's targets have, lets a
        // program read these registers.
        unsafe {
            asm!("mrs {}, fpcr", "mrs {}, fpsr", out(reg) control, out(reg) seen,
                options(nostack, preserves_flags));
        }
        Environment { control, seen }
    }

    #[cold]
    pub(super) fn set(Environment { control, seen }: Environment) {
        // SAFETY: as above for writing; the values are ones that the registers have had, or set no
        // other bit than one that every such CPU knows.
        unsafe {
            asm!("msr fpcr, {}", "msr fpsr, {}", in(reg) control, in(reg) seen, options(nostack));
        }
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod unit {
    use super::Subnormals;

    #[derive(Clone, Copy, PartialEq, Eq)]
    pub(super) struct Environment;

    impl Environment {
        pub(super) const fn new(_: Subnormals) -> Self {
            Self
        }

        pub(super) fn controls_as(self, _: Subnormals) -> bool {
            true
        }
    }

    pub(super) fn get() -> Environment {
        Environment
    }

    pub(super) fn set(_: Environment) {}
}

/// Other environments, for tests.
#[cfg(all(test, target_arch = "x86_64"))]
pub(crate) mod host {
    use std::arch::asm;
    use std::hint::black_box;

    /// MXCSR when a program starts, and some that hosts set: rounding up, down and towards zero;
    /// flushing; all exceptions trapping; all at once.
    pub(crate) const DEFAULT: u32 = 0x1f80;
    pub(crate) const OTHERS: [u32; 7] = [0x1fa4, 0x5f80, 0x3f80, 0x7f80, 0x9fc0, 0, 0xc040];

    fn exchange(new: u32) -> u32 {
        let mut old = 0u32;
        // SAFETY: SSE is part of x86-64; the pointers are valid, and the callers' values are ones that
        // the register holds.
        unsafe {
            asm!("stmxcsr [{}]", "ldmxcsr [{}]", in(reg) &raw mut old, in(reg) &raw const new,
                options(nostack));
        }
        old
    }

    /// Runs something in an environment; MXCSR when it has ended.
    pub(crate) fn within<R>(mxcsr: u32, run: impl FnOnce() -> R) -> (R, u32) {
        let mut run = Some(run);
        let mut result = None;
        // Called in a way that the compiler cannot see through, so that it moves nothing.
        let mut call = || result = run.take().map(|run| run());
        let call: &mut dyn FnMut() = &mut call;
        let before = exchange(mxcsr);
        black_box(call)();
        let after = exchange(before);
        (result.expect("called"), after)
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    #[test]
    fn a_scope_computes_in_the_default_environment_and_gives_the_hosts_back() {
        let computed = |a: f64, b: f64| std::hint::black_box(a) / std::hint::black_box(b);
        for outside in [host::DEFAULT].into_iter().chain(host::OTHERS) {
            let (results, after) = host::within(outside, || {
                let _scope = Scope::enter(Subnormals::Keep);
                let flushed = {
                    let _inner = Scope::enter(Subnormals::Flush);
                    computed(1e-300, 1e10)
                };
                [computed(1.0, 3.0), computed(1.0, 0.0), computed(1e-300, 1e10), flushed]
            });
            assert_eq!(results, [1.0 / 3.0, f64::INFINITY, 1e-310, 0.0], "{outside:x}");
            assert_eq!(after, outside);
            let (_, after) = host::within(outside, || {
                let hook = std::panic::catch_unwind(|| {
                    let _scope = Scope::enter(Subnormals::Flush);
                    std::panic::resume_unwind(Box::new(()));
                });
                drop(hook);
            });
            assert_eq!(after, outside, "after a panic");
        }
    }
}
