//! Loops over lanes, element by element.

use crate::lane::Lanes;

/// What [`each`] does with its lanes. A trait and no closure: closures cannot be told to be inlined
/// always, and one that is left outside of its `#[target_feature]` caller is compiled without the
/// level's instructions.
pub(super) trait Lanewise<const N: usize> {
    fn apply<L: Lanes>(&self, x: [L; N]) -> L;
}

/// out = f(operands), element by element. That `out` is a parameter of its own tells LLVM that it
/// overlaps nothing, without which the loop would not be vectorised.
#[inline(always)]
pub(super) fn each<L: Lanes, const N: usize>(
    out: &mut [L::Elem],
    from: [&[L::Elem]; N],
    f: &impl Lanewise<N>,
) {
    let n = out.len();
    assert!(from.iter().all(|from| from.len() == n));
    if L::LANES == 1 && n == 1 {
        // A single number needs nothing of what sets up a loop of vectors.
        // SAFETY: all slices hold one element.
        unsafe {
            let x = std::array::from_fn(|k| L::load(from[k], 0));
            f.apply(x).store(out, 0);
        }
        return;
    }
    if L::LANES == 1 || n == 0 {
        return each_whole::<L, N>(out, from, f);
    }
    // The tail goes through the same loop, on copies filled up to whole lanes, so that there is one
    // copy of a function's code.
    let whole = n - n % L::LANES;
    let (body, tail) = out.split_at_mut(whole);
    let mut last = from.map(|from| [from[n - 1]; MAX_LANES]);
    let mut y = last[0];
    let (mut out, mut now) = (body, from.map(|from| &from[..whole]));
    let mut has_tail = !tail.is_empty();
    loop {
        each_whole::<L, N>(out, now, f);
        if !has_tail {
            break;
        }
        for k in 0..N {
            last[k][..n - whole].copy_from_slice(&from[k][whole..]);
        }
        (out, now) = (&mut y[..L::LANES], std::array::from_fn(|k| &last[k][..L::LANES]));
        has_tail = false;
    }
    tail.copy_from_slice(&y[..n - whole]);
}

/// The same for whole lanes.
#[inline(always)]
fn each_whole<L: Lanes, const N: usize>(
    out: &mut [L::Elem],
    from: [&[L::Elem]; N],
    f: &impl Lanewise<N>,
) {
    let n = out.len();
    assert!(from.iter().all(|from| from.len() == n) && n.is_multiple_of(L::LANES));
    let mut i = 0;
    while i < n {
        // SAFETY: LANES elements from i on are inside all slices, which are `n` long.
        unsafe {
            let x = std::array::from_fn(|k| L::load(from[k], i));
            f.apply(x).store(out, i);
        }
        i += L::LANES;
    }
}

/// [`each`] in pieces of one length, the last one filled up: so there is one copy of a long function's
/// code, where a loop of any length would have others for single elements and for what vectors leave.
#[inline(always)]
pub(super) fn in_pieces<L: Lanes, const N: usize>(
    out: &mut [L::Elem],
    from: [&[L::Elem]; N],
    f: &impl Lanewise<N>,
) {
    const PIECE: usize = 16;
    let n = out.len();
    assert!(from.iter().all(|from| from.len() == n));
    if n == 0 {
        return;
    }
    let whole = n - n % PIECE;
    let (body, tail) = out.split_at_mut(whole);
    let mut last = from.map(|from| [from[n - 1]; PIECE]);
    let mut y = last[0];
    let (mut out, mut now) = (body, from.map(|from| &from[..whole]));
    let mut has_tail = !tail.is_empty();
    loop {
        let mut i = 0;
        while i < out.len() {
            let piece = now.map(|from| &from[i..i + PIECE]);
            each_whole::<L, N>(&mut out[i..i + PIECE], piece, f);
            i += PIECE;
        }
        if !has_tail {
            break;
        }
        for k in 0..N {
            last[k][..n - whole].copy_from_slice(&from[k][whole..]);
        }
        (out, now) = (&mut y, std::array::from_fn(|k| &last[k][..]));
        has_tail = false;
    }
    tail.copy_from_slice(&y[..n - whole]);
}

pub(super) const MAX_LANES: usize = 8;
