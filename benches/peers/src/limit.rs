//! What the machine allows: loops written by hand for one case each, with vector instructions, no
//! tape, no allocation, and results and gradients in one pass.
//!
//! - W1 to W3chain, W8, W9 and some of W4 compute the case itself, and are checked like a library;
//! - the other cases of W4 and W5 move the bytes that they cannot do without, and compute nothing;
//! - W6, W7 and W11 are as many multiply-adds in registers as the products need;
//! - W13 to W31 are the plain loops of `benches/programs/`, of one thread and for every CPU.
//!
//! A limit is a limit of this machine at this time, not a bound in mathematics: a cleverer loop
//! may beat it.

use std::hint::black_box;

use crate::cases::*;
use crate::serve::{Outcome, Session};

pub fn run(session: &mut Session, case: Case) {
    if let Case::Program(place) = case {
        return session.serve_program(&mut *PROGRAMS[place].by_hand());
    }
    if !vectors() {
        return;
    }
    if let Some(count) = case.operations() {
        // Below a millisecond or so, starting threads takes longer than they save.
        if count < 1e8 {
            return session.serve(&mut |_| {
                black_box(multiply_adds(count));
            });
        }
        let share = count / crate::threads() as f64;
        return session.serve(&mut |_| {
            share_out(|_| {
                black_box(multiply_adds(share));
            });
        });
    }
    if let Some(traffic) = case.traffic() {
        return bytes(session, traffic);
    }
    match case {
        Case::W1 | Case::W2 => scalars(session, case == Case::W2),
        Case::W3(len) => squares(session, len),
        Case::W3Chain(len) => cheap(session, len),
        Case::W4 { op, pull, len } => elementwise(session, op, pull, len),
        Case::W8(len) => rosenbrock(session, len),
        Case::W9 => broadcast(session),
        _ => {}
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn vectors() -> bool {
    false
}

#[cfg(target_arch = "x86_64")]
fn vectors() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

/// Runs `work(part)` on as many threads as the run asks for.
fn share_out(work: impl Fn(usize) + Sync) {
    match crate::threads() {
        1 => work(0),
        count => std::thread::scope(|scope| {
            for part in 0..count {
                let work = &work;
                scope.spawn(move || work(part));
            }
        }),
    }
}

/// Compiles a function for the best vector instructions that the CPU has. Plain loops in it become
/// vector loops.
macro_rules! vectorised {
    ($(#[$doc:meta])* fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block) => {
        $(#[$doc])*
        fn $name($($arg: $type),*) $(-> $result)? {
            #[inline(always)]
            fn body($($arg: $type),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")]
                fn v4($($arg: $type),*) $(-> $result)? { body($($arg),*) }
                #[target_feature(enable = "avx2,fma")]
                fn v3($($arg: $type),*) $(-> $result)? { body($($arg),*) }
                if is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
                {
                    // SAFETY: the CPU has these instructions; AVX-512F comes with AVX2 and FMA.
                    return unsafe { v4($($arg),*) };
                }
                // SAFETY: nothing is served without AVX2 and FMA.
                unsafe { v3($($arg),*) }
            }
            #[cfg(not(target_arch = "x86_64"))]
            body($($arg),*)
        }
    };
}

/// Long enough that the loop over a piece costs little, short enough for the first cache.
const PIECE: usize = 1024;
type Piece = [f32; PIECE];
const LANES: usize = 16;

/// Beyond the caches, results go to memory past them.
const LARGE: usize = 1_000_000;

/// Copies a piece to memory past the caches, if the array is large and aligned.
#[inline(always)]
fn put(out: &mut [f32], from: &[f32], large: bool) {
    #[cfg(target_arch = "x86_64")]
    if large && out.as_ptr().addr().is_multiple_of(32) {
        use std::arch::x86_64::{_mm256_loadu_ps, _mm256_stream_ps};
        let whole = out.len() & !7;
        for i in (0..whole).step_by(8) {
            // SAFETY: eight floats from `i` on are in both (`from` is at least as long), `out` is
            // aligned to 32 bytes, and vectors() has found AVX2.
            unsafe {
                _mm256_stream_ps(out.as_mut_ptr().add(i), _mm256_loadu_ps(from[i..].as_ptr()));
            }
        }
        let rest = &from[whole..out.len()];
        out[whole..].copy_from_slice(rest);
        return;
    }
    let _ = large;
    out.copy_from_slice(&from[..out.len()]);
}

/// In many sums at once, for the latency of an addition.
#[inline(always)]
fn add_up(piece: &[f32]) -> f32 {
    let (chunks, rest) = piece.as_chunks::<{ 4 * LANES }>();
    let mut sums = [0.0f32; 4 * LANES];
    for chunk in chunks {
        for i in 0..4 * LANES {
            sums[i] += chunk[i];
        }
    }
    sums.iter().sum::<f32>() + rest.iter().sum::<f32>()
}

#[inline(always)]
fn add_up_f64(piece: &[f64]) -> f64 {
    let (chunks, rest) = piece.as_chunks::<{ 2 * LANES }>();
    let mut sums = [0.0f64; 2 * LANES];
    for chunk in chunks {
        for i in 0..2 * LANES {
            sums[i] += chunk[i];
        }
    }
    sums.iter().sum::<f64>() + rest.iter().sum::<f64>()
}

/// A vector whose first element is at a multiple of 64 bytes.
struct Aligned {
    data: Vec<f32>,
    skip: usize,
    len: usize,
}

impl Aligned {
    fn new(len: usize) -> Self {
        let data = vec![0.0f32; len + 16];
        let skip = data.as_ptr().align_offset(64);
        Self { data, skip, len }
    }

    fn all(&self) -> &[f32] {
        &self.data[self.skip..][..self.len]
    }

    fn all_mut(&mut self) -> &mut [f32] {
        &mut self.data[self.skip..][..self.len]
    }
}

/// The part of each array for each thread, in whole pieces.
fn parts(arrays: Vec<&mut [f32]>) -> Vec<std::sync::Mutex<Vec<&mut [f32]>>> {
    let count = crate::threads();
    let len = arrays[0].len().div_ceil(count).next_multiple_of(PIECE);
    let mut parts: Vec<Vec<&mut [f32]>> = (0..count).map(|_| Vec::new()).collect();
    for array in arrays {
        let mut rest = array;
        for part in &mut parts {
            let (first, others) = rest.split_at_mut(len.min(rest.len()));
            part.push(first);
            rest = others;
        }
    }
    parts.into_iter().map(std::sync::Mutex::new).collect()
}

// ---- the machine ----

#[cfg(target_arch = "x86_64")]
fn multiply_adds(operations: f64) -> f32 {
    use std::arch::x86_64::*;
    macro_rules! peak {
        ($name:ident, $feature:literal, $width:expr, $set:ident, $fma:ident, $store:ident) => {
            #[target_feature(enable = $feature)]
            fn $name(operations: f64) -> f32 {
                // As many as hide the latency of two units, and all in registers.
                const CHAINS: usize = 12;
                let (a, b) = ($set(black_box(0.999)), $set(black_box(0.001)));
                let mut sums = [$set(1.0); CHAINS];
                let steps = (operations / (2 * $width * CHAINS) as f64).ceil() as usize;
                for _ in 0..steps {
                    for sum in &mut sums {
                        *sum = $fma(*sum, a, b);
                    }
                }
                let mut out = [0.0f32; $width];
                let mut total = 0.0;
                for sum in sums {
                    // SAFETY: `out` is as long as a vector.
                    unsafe { $store(out.as_mut_ptr(), sum) };
                    total += out.iter().sum::<f32>();
                }
                total
            }
        };
    }
    peak!(v4, "avx512f", 16, _mm512_set1_ps, _mm512_fmadd_ps, _mm512_storeu_ps);
    peak!(v3, "avx2,fma", 8, _mm256_set1_ps, _mm256_fmadd_ps, _mm256_storeu_ps);
    if is_x86_feature_detected!("avx512f") {
        // SAFETY: the CPU has AVX-512F.
        unsafe { v4(operations) }
    } else {
        // SAFETY: nothing is served without AVX2 and FMA.
        unsafe { v3(operations) }
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn multiply_adds(_operations: f64) -> f32 {
    0.0
}

vectorised! {
    /// Adds up the reads and writes the sums, past the caches or not.
    fn stream(reads: &[&[f32]], writes: &mut [&mut [f32]], past: bool) -> f32 {
        let len = reads[0].len();
        let mut total = 0.0;
        let mut piece: Piece = [0.0; PIECE];
        for at in (0..len).step_by(PIECE) {
            let count = PIECE.min(len - at);
            match (reads, &mut *writes) {
                ([x], []) => {
                    total += add_up(&x[at..][..count]);
                }
                ([x], writes) => {
                    for out in writes.iter_mut() {
                        put(&mut out[at..][..count], &x[at..][..count], past);
                    }
                }
                ([x, y, ..], writes) => {
                    for ((out, x), y) in
                        piece.iter_mut().zip(&x[at..][..count]).zip(&y[at..][..count])
                    {
                        *out = x + y;
                    }
                    for out in writes.iter_mut() {
                        put(&mut out[at..][..count], &piece, past);
                    }
                }
                ([], _) => {}
            }
        }
        total
    }
}

/// Moves the bytes, the faster way of the two that there are to write.
fn bytes(session: &mut Session, Traffic { reads, writes, bytes }: Traffic) {
    let make = |count: usize| -> Vec<Aligned> {
        (0..count)
            .map(|_| {
                let mut data = Aligned::new(bytes / 4);
                data.all_mut().fill(1.0);
                data
            })
            .collect()
    };
    let mut sources = make(reads);
    let mut targets = make(writes);
    let all = sources.iter_mut().chain(&mut targets).map(Aligned::all_mut).collect();
    let parts = parts(all);
    let pass = |past: bool| {
        share_out(|part| {
            let mut arrays = parts[part].lock().expect("no thread panics");
            let (sources, targets) = arrays.split_at_mut(reads);
            let sources: Vec<&[f32]> = sources.iter().map(|source| &**source).collect();
            black_box(stream(&sources, targets, past));
        });
    };
    let time = |past: bool| {
        let begin = std::time::Instant::now();
        (0..5).for_each(|_| pass(past));
        begin.elapsed()
    };
    pass(false);
    let past = time(true) < time(false);
    session.serve(&mut |_| pass(past));
}

// ---- W1, W2 ----

fn scalars(session: &mut Session, write: bool) {
    let mut values = [0.0f32; STEPS + 1];
    let (term, factor) = (black_box(TERM as f32), black_box(FACTOR as f32));
    let mut count = 0;
    session.serve(&mut |outcome| {
        values[0] = START as f32;
        if write {
            values[0] = start(count);
            count += 1;
        }
        for step in 0..STEPS {
            let y = values[step];
            values[step + 1] = match step % 3 {
                0 => y + term,
                1 => y * factor,
                _ => y.sin(),
            };
        }
        black_box(values[STEPS]);
        let mut slope = 1.0f32;
        for step in (0..STEPS).rev() {
            match step % 3 {
                0 => {}
                1 => slope *= factor,
                _ => slope *= values[step].cos(),
            }
        }
        black_box(slope);
        if let Some(outcome) = outcome {
            outcome.put("result", &[values[STEPS]]);
            outcome.put("x", &[slope]);
        }
    });
}

// ---- elementary functions ----

/// e^x to about an ULP, between -87 and 88: reduction by ln 2 in two parts, and Cephes' polynomial
/// for expf.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // Adding it rounds to an integer, which is then in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-0.693_359_4, x);
    let r = n.mul_add(2.121_944_4e-4, r);
    let p = 1.987_569_1e-4f32
        .mul_add(r, 1.398_199_9e-3)
        .mul_add(r, 8.333_452e-3)
        .mul_add(r, 4.166_579_6e-2)
        .mul_add(r, 1.666_666_5e-1)
        .mul_add(r, 5.0e-1);
    let y = p.mul_add(r * r, r) + 1.0;
    let power = (shifted.to_bits() << 23).wrapping_add(1.0f32.to_bits());
    y * f32::from_bits(power)
}

/// Sine and cosine to about an ULP of 1, for |x| below some thousands: reduction by pi/2 in three
/// parts, and Cephes' polynomials for sinf and cosf.
#[inline(always)]
fn sin_cos(x: f32) -> (f32, f32) {
    const ROUND: f32 = 12_582_912.0;
    let shifted = x.mul_add(std::f32::consts::FRAC_2_PI, ROUND);
    let n = shifted - ROUND;
    let quarter = shifted.to_bits();
    let r = n.mul_add(-1.570_312_5, x);
    let r = n.mul_add(-4.837_513e-4, r);
    let r = n.mul_add(-7.549_79e-8, r);
    let square = r * r;
    let sine = (-1.951_529_6e-4f32)
        .mul_add(square, 8.332_161e-3)
        .mul_add(square, -1.666_665_5e-1)
        .mul_add(square * r, r);
    let cosine = 2.443_315_7e-5f32
        .mul_add(square, -1.388_731_6e-3)
        .mul_add(square, 4.166_664_6e-2)
        .mul_add(square * square, (-0.5f32).mul_add(square, 1.0));
    let swap = quarter & 1 == 1;
    let (s, c) = if swap { (cosine, sine) } else { (sine, cosine) };
    let sign = |x: f32, bits: u32| f32::from_bits(x.to_bits() ^ ((bits & 2) << 30));
    (sign(s, quarter), sign(c, quarter.wrapping_add(1)))
}

// ---- W3 ----

vectorised! {
    /// Writes the gradients and returns the sum of squares. `arrays` are x, y, z, dx, dy, dz.
    fn squares_part(arrays: &mut [&mut [f32]], scale: f32, large: bool) -> f64 {
        let [x, y, z, dx, dy, dz] = arrays else { return 0.0 };
        let mut total = 0.0;
        let mut by: [Piece; 4] = [[0.0; PIECE]; 4];
        for at in (0..x.len()).step_by(PIECE) {
            let count = PIECE.min(x.len() - at);
            let (x, y, z) = (&x[at..][..count], &y[at..][..count], &z[at..][..count]);
            let [by_x, by_y, by_z, squares] = &mut by;
            let (gx, gy, gz) = (&mut by_x[..count], &mut by_y[..count], &mut by_z[..count]);
            let r2 = &mut squares[..count];
            for i in 0..count {
                let (s, c) = sin_cos(x[i]);
                let e = exp(0.1 * z[i]);
                let r = s.mul_add(y[i], e);
                let g = scale * r;
                gx[i] = g * c * y[i];
                gy[i] = g * s;
                gz[i] = g * 0.1 * e;
                r2[i] = r * r;
            }
            total += f64::from(add_up(r2));
            put(&mut dx[at..][..count], by_x, large);
            put(&mut dy[at..][..count], by_y, large);
            put(&mut dz[at..][..count], by_z, large);
        }
        total
    }
}

fn squares(session: &mut Session, len: usize) {
    let data = crate::cases::squares(len);
    let mut arrays: Vec<Aligned> = (0..6).map(|_| Aligned::new(len)).collect();
    for (array, data) in arrays.iter_mut().zip(&data) {
        array.all_mut().copy_from_slice(data);
    }
    let large = len >= LARGE;
    let scale = 2.0 / len as f32;
    let mut views: Vec<&mut [f32]> = arrays.iter_mut().map(Aligned::all_mut).collect();
    if !large {
        return session.serve(&mut |outcome| {
            let sum = squares_part(&mut views, scale, false);
            report(outcome, sum / len as f64, &["x", "y", "z"], &views[3..]);
        });
    }
    let parts = parts(views);
    session.serve(&mut |outcome| {
        let total = std::sync::Mutex::new(0.0);
        share_out(|part| {
            let mut arrays = parts[part].lock().expect("no thread panics");
            let sum = squares_part(&mut arrays, scale, true);
            *total.lock().expect("no thread panics") += sum;
        });
        if let Some(outcome) = outcome {
            let parts: Vec<_> =
                parts.iter().map(|part| part.lock().expect("none panics")).collect();
            let whole: Vec<Vec<f32>> =
                (3..6).map(|i| parts.iter().flat_map(|part| part[i].to_vec()).collect()).collect();
            let total = *total.lock().expect("no thread panics");
            report(Some(outcome), total / len as f64, &["x", "y", "z"], &whole);
        }
    });
}

fn report<T: AsRef<[f32]>>(
    outcome: Option<&mut Outcome>,
    result: f64,
    names: &[&str],
    grads: &[T],
) {
    black_box(result);
    if let Some(outcome) = outcome {
        outcome.put("result", &[result]);
        for (name, grad) in names.iter().zip(grads) {
            outcome.put(name, grad.as_ref());
        }
    }
}

// ---- W3chain ----

vectorised! {
    /// `arrays` are x and dx.
    fn cheap_part(arrays: &mut [&mut [f32]]) -> f64 {
        let [x, dx] = arrays else { return 0.0 };
        let mut total = 0.0;
        let mut by: Piece = [0.0; PIECE];
        let mut values: Piece = [0.0; PIECE];
        for at in (0..x.len()).step_by(PIECE) {
            let count = PIECE.min(x.len() - at);
            let (x, by, values) = (&x[at..][..count], &mut by[..count], &mut values[..count]);
            for i in 0..count {
                let mut y = x[i];
                let mut slope = 1.0f32;
                for _ in 0..ROUNDS {
                    y = y.mul_add(1.1, 0.05);
                    slope = if y > 0.0 { slope * 1.1 } else { 0.0 };
                    y = y.max(0.0) - 0.04;
                }
                values[i] = y;
                by[i] = slope;
            }
            total += f64::from(add_up(values));
            put(&mut dx[at..][..count], by, true);
        }
        total
    }
}

fn cheap(session: &mut Session, len: usize) {
    let mut arrays = [Aligned::new(len), Aligned::new(len)];
    arrays[0].all_mut().copy_from_slice(&chain(len));
    let parts = parts(arrays.iter_mut().map(Aligned::all_mut).collect());
    session.serve(&mut |outcome| {
        let total = std::sync::Mutex::new(0.0);
        share_out(|part| {
            let sum = cheap_part(&mut parts[part].lock().expect("no thread panics"));
            *total.lock().expect("no thread panics") += sum;
        });
        let total = *total.lock().expect("no thread panics");
        if outcome.is_some() {
            let parts = parts.iter().map(|part| part.lock().expect("none panics")[1].to_vec());
            report(outcome, total, &["x"], &[parts.collect::<Vec<_>>().concat()]);
        }
    });
}

// ---- W4 ----

macro_rules! elementwise {
    ($name:ident, $op:expr) => {
        vectorised! {
            fn $name(x: &[f32], head: &[f32], y: &mut [f32], dx: &mut [f32]) {
                let pull = !dx.is_empty();
                let op: fn(f32) -> (f32, f32) = $op;
                let (head, y) = (&head[..x.len()], &mut y[..x.len()]);
                if pull {
                    let dx = &mut dx[..x.len()];
                    for i in 0..x.len() {
                        let (value, slope) = op(x[i]);
                        y[i] = value;
                        dx[i] = head[i] * slope;
                    }
                } else {
                    for i in 0..x.len() {
                        y[i] = op(x[i]).0;
                    }
                }
            }
        }
    };
}

elementwise!(exp_part, |x| {
    let y = exp(x);
    (y, y)
});
elementwise!(sin_part, sin_cos);
elementwise!(sqrt_part, |x| {
    let y = x.sqrt();
    (y, 0.5 / y)
});
elementwise!(recip_part, |x| {
    let y = 1.0 / x;
    (y, -y * y)
});

fn elementwise(session: &mut Session, op: Unary, pull: bool, len: usize) {
    let part = match op {
        Unary::Exp => exp_part,
        Unary::Sin => sin_part,
        Unary::Sqrt => sqrt_part,
        Unary::Recip => recip_part,
        _ => return,
    };
    let x = unary(op, len);
    let head = vec![1.0f32; len];
    let mut y = Aligned::new(len);
    let mut dx = Aligned::new(if pull { len } else { 0 });
    session.serve(&mut |outcome| {
        part(black_box(&x), &head, y.all_mut(), dx.all_mut());
        black_box((y.all(), dx.all()));
        if let Some(outcome) = outcome {
            outcome.put("result", y.all());
            if pull {
                outcome.put("x", dx.all());
            }
        }
    });
}

// ---- W8 ----

vectorised! {
    fn rosenbrock_part(x: &[f64], grad: &mut [f64]) -> f64 {
        let len = x.len();
        let first = |i: usize| {
            let t = x[i + 1] - x[i] * x[i];
            -400.0 * x[i] * t - 2.0 * (1.0 - x[i])
        };
        let second = |i: usize| 200.0 * (x[i] - x[i - 1] * x[i - 1]);
        grad[0] = first(0);
        grad[len - 1] = second(len - 1);
        let mut total = 0.0;
        let mut values = [0.0f64; PIECE];
        for at in (0..len - 2).step_by(PIECE) {
            let count = PIECE.min(len - 2 - at);
            let (low, middle) = (&x[at..][..count], &x[at + 1..][..count]);
            let (high, out) = (&x[at + 2..][..count], &mut grad[at + 1..][..count]);
            let values = &mut values[..count];
            for i in 0..count {
                let (a, b, c) = (low[i], middle[i], high[i]);
                let before = b - a * a;
                let after = c - b * b;
                values[i] = 100.0 * before * before + (1.0 - a) * (1.0 - a);
                out[i] = 200.0 * before - 400.0 * b * after - 2.0 * (1.0 - b);
            }
            total += add_up_f64(values);
        }
        let (a, b) = (x[len - 2], x[len - 1]);
        total + 100.0 * (b - a * a) * (b - a * a) + (1.0 - a) * (1.0 - a)
    }
}

fn rosenbrock(session: &mut Session, len: usize) {
    let x = valley(len);
    let mut grad = vec![0.0; len];
    session.serve(&mut |outcome| {
        let sum = rosenbrock_part(black_box(&x), &mut grad);
        black_box((sum, &grad));
        if let Some(outcome) = outcome {
            outcome.put("result", &[sum]);
            outcome.put("x", &grad);
        }
    });
}

// ---- W9 ----

vectorised! {
    fn broadcast_part(x: [&[f32]; 3], by: &mut [Vec<f32>; 3]) -> f64 {
        let [a, b, c] = x;
        let [by_a, by_b, by_c] = by;
        let (b, c) = (&b[..SIDE], &c[..SIDE]);
        let (by_b, by_c) = (&mut by_b[..SIDE], &mut by_c[..SIDE]);
        by_b.fill(0.0);
        by_c.fill(0.0);
        let mut values = [0.0f32; SIDE];
        let mut slopes = [0.0f32; SIDE];
        for (&a, by_a) in a.iter().zip(by_a) {
            for i in 0..SIDE {
                let y = a.mul_add(b[i], c[i]);
                let on = if y > 0.0 { 1.0 } else { 0.0 };
                values[i] += y.max(0.0);
                slopes[i] = b[i] * on;
                by_b[i] = a.mul_add(on, by_b[i]);
                by_c[i] += on;
            }
            *by_a = add_up(&slopes);
        }
        f64::from(add_up(&values))
    }
}

fn broadcast(session: &mut Session) {
    let data = outer();
    let mut by = [const { Vec::new() }; 3].map(|mut by: Vec<f32>| {
        by.resize(SIDE, 0.0);
        by
    });
    session.serve(&mut |outcome| {
        let data = black_box([&data[0][..], &data[1], &data[2]]);
        let sum = broadcast_part(data, &mut by);
        black_box(&by);
        report(outcome, sum, &["a", "b", "c"], &by);
    });
}
