use super::*;

/// Numbers in -1..1.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 40) as f64 / f64::from(1 << 23) - 1.0
    }

    fn below(&mut self, end: usize) -> usize {
        ((self.next() + 1.0) / 2.0 * end as f64) as usize
    }
}

/// A matrix of some layout, with numbers that are no part of it around its own.
struct Laid<T> {
    data: Vec<T>,
    offset: usize,
    strides: (isize, isize),
}

const LAYOUTS: usize = 5;

impl<T: Factor> Laid<T> {
    fn new(
        rows: usize,
        columns: usize,
        layout: usize,
        value: impl Fn(usize, usize) -> f64,
    ) -> Self {
        let (r, c) = (rows as isize, columns as isize);
        let (strides, offset, len) = match layout {
            0 => ((c, 1), 0, rows * columns),
            1 => ((1, r), 0, rows * columns),
            2 => ((c + 5, 1), 2, rows * (columns + 5) + 2),
            3 => ((1, r + 3), 1, columns * (rows + 3) + 1),
            _ => ((-3 * c, 3), rows.saturating_sub(1) * 3 * columns, rows * columns * 3),
        };
        let mut data = vec![T::from_f64(f64::NAN); len];
        for i in 0..rows {
            for j in 0..columns {
                let at = offset as isize + i as isize * strides.0 + j as isize * strides.1;
                data[at as usize] = T::from_f64(value(i, j));
            }
        }
        Self { data, offset, strides }
    }

    fn matrix(&self) -> Matrix<T> {
        Matrix {
            start: self.data.as_ptr().wrapping_add(self.offset),
            row_stride: self.strides.0,
            column_stride: self.strides.1,
        }
    }
}

fn levels() -> impl Iterator<Item = Level> {
    Level::ALL.into_iter().filter(|&level| level <= Level::detect())
}

/// A product, part by part; checks that each part is told to be done once.
fn product<T: Factor>(
    level: Level,
    sizes: Sizes,
    a: &Laid<T>,
    b: &Laid<T>,
    parts: &[Part],
) -> Vec<T> {
    let mut c = vec![T::from_f64(f64::NAN); sizes.m * sizes.n];
    let mut work = vec![0xffu8; sizes.workspace::<T>()];
    let product = Product { sizes, a: a.matrix(), b: b.matrix(), c: c.as_mut_ptr() };
    let mut told = vec![0; sizes.m * sizes.n];
    for part in parts {
        // SAFETY: the matrices and the workspace are as large as they must be.
        unsafe {
            product.run(level, part, work.as_mut_ptr(), &mut |part: Part| {
                for i in part.rows {
                    part.columns.clone().for_each(|j| told[i * sizes.n + j] += 1);
                }
            });
        }
    }
    assert!(told.iter().all(|&told| told == 1));
    c
}

fn check<T: Factor>(sizes: Sizes, layouts: &[(usize, usize)], draw: &mut Draw) {
    let Sizes { m, k, n } = sizes;
    let x: Vec<f64> = (0..m * k).map(|_| draw.next()).collect();
    let y: Vec<f64> = (0..k * n).map(|_| draw.next()).collect();
    let narrow = |x: f64| T::from_f64(x).to_f64();
    let mut fused: Option<Vec<u64>> = None;
    for level in levels() {
        let mut first: Option<Vec<u64>> = None;
        for &(left, right) in layouts {
            let a = Laid::<T>::new(m, k, left, |i, l| x[i * k + l]);
            let b = Laid::<T>::new(k, n, right, |l, j| y[l * n + j]);
            let c = product(level, sizes, &a, &b, &[sizes.whole()]);
            let bits: Vec<u64> = c.iter().map(|c| c.to_f64().to_bits()).collect();
            if first.is_none() {
                for i in 0..m {
                    for j in 0..n {
                        let products = (0..k).map(|l| narrow(x[i * k + l]) * narrow(y[l * n + j]));
                        let sum: f64 = products.sum();
                        let error = (c[i * n + j].to_f64() - sum).abs();
                        let unit = if size_of::<T>() == 4 { 1e-7 } else { 1e-15 };
                        assert!(
                            error <= unit * (k + 1) as f64,
                            "{level:?} {sizes:?} {i} {j}: {error}"
                        );
                    }
                }
            }
            let first = first.get_or_insert(bits.clone());
            assert!(*first == bits, "{level:?} {sizes:?} {left} {right}");
            // In pieces.
            let (i, j) = (draw.below(m + 1), draw.below(n + 1));
            let parts = [
                Part { rows: i..m, columns: 0..j },
                Part { rows: 0..i, columns: j..n },
                Part { rows: i..m, columns: j..n },
                Part { rows: 0..i, columns: 0..j },
            ];
            let c = product(level, sizes, &a, &b, &parts);
            assert!(c.iter().map(|c| c.to_f64().to_bits()).eq(bits.iter().copied()));
            // In tasks, from the last one to the first.
            let tasks: Vec<_> = (0..sizes.tasks()).rev().map(|i| sizes.task(i)).collect();
            let c = product(level, sizes, &a, &b, &tasks);
            assert!(c.iter().map(|c| c.to_f64().to_bits()).eq(bits.iter().copied()));
            if level > Level::Baseline {
                assert!(*fused.get_or_insert(bits.clone()) == bits, "{level:?} {sizes:?}");
            }
        }
    }
}

fn all_layouts() -> Vec<(usize, usize)> {
    (0..LAYOUTS * LAYOUTS).map(|i| (i / LAYOUTS, i % LAYOUTS)).collect()
}

#[test]
fn small_products_of_every_size_and_layout_are_right_and_the_same() {
    let draw = &mut Draw(1);
    for m in 0..=20 {
        for k in 0..=20 {
            for n in 0..=20 {
                let some = [(0, 0), (draw.below(LAYOUTS), draw.below(LAYOUTS))];
                check::<f32>(Sizes { m, k, n }, &some, draw);
                check::<f64>(Sizes { m, k, n }, &some, draw);
            }
        }
    }
    for sizes in [[3, 5, 7], [1, 17, 20], [20, 18, 1], [14, 8, 32], [1, 1, 1], [9, 33, 35]] {
        let [m, k, n] = sizes;
        check::<f32>(Sizes { m, k, n }, &all_layouts(), draw);
        check::<f64>(Sizes { m, k, n }, &all_layouts(), draw);
    }
}

#[test]
fn large_products_are_right_and_the_same() {
    let draw = &mut Draw(2);
    let shapes = [
        [1, 5000, 9],
        [9, 5000, 1],
        [1, 4097, 1],
        [70, 300, 600],
        [600, 3, 5],
        [2, 2, 900],
        [400, 100, 300],
        [1, 1000, 900],
    ];
    let random = (0..12).map(|_| [draw.below(150), draw.below(700), draw.below(150)]);
    for [m, k, n] in shapes.into_iter().chain(random.collect::<Vec<_>>()) {
        let some = [(0, 0), (1, 1), (draw.below(LAYOUTS), draw.below(LAYOUTS)), (0, 1), (1, 0)];
        check::<f32>(Sizes { m, k, n }, &some, draw);
        check::<f64>(Sizes { m, k, n }, &some[..3], draw);
    }
}

/// Measures against the `gemm` crate: `BENCH=f32\ 512 cargo test --release measure -- --ignored`; drop
/// together with that dependency.
fn now() -> f64 {
    #[repr(C)]
    struct Ts(i64, i64);
    unsafe extern "C" {
        fn clock_gettime(id: i32, ts: *mut Ts) -> i32;
    }
    let mut ts = Ts(0, 0);
    // SAFETY: plain call.
    unsafe { clock_gettime(3, &mut ts) };
    ts.0 as f64 * 1e9 + ts.1 as f64
}

fn bench_one<T: Factor + Copy + 'static>(
    name: &str,
    level: Level,
    batch: usize,
    m: usize,
    k: usize,
    n: usize,
    ta: bool,
    tb: bool,
) -> f64 {
    let draw = &mut Draw(3);
    let a: Vec<T> = (0..batch * m * k).map(|_| T::from_f64(draw.next())).collect();
    let b: Vec<T> = (0..batch * k * n).map(|_| T::from_f64(draw.next())).collect();
    let mut c = vec![T::default(); batch * m * n];
    let sizes = Sizes { m, k, n };
    let mut work = vec![0u8; sizes.workspace::<T>()];
    let (ars, acs) = if ta { (1, m as isize) } else { (k as isize, 1) };
    let (brs, bcs) = if tb { (1, k as isize) } else { (n as isize, 1) };
    let flops = 2.0 * (batch * m * k * n) as f64;
    let reps = ((1.0e6 / (flops / 60.0)) as usize).clamp(1, 2000);
    let (mut own, mut theirs, mut ratios) = (vec![], vec![], vec![]);
    let by_tasks = std::env::var_os("TASKS").is_some();
    let rounds = std::env::var("ROUNDS").map_or(15, |r| r.parse().unwrap());
    for round in 0..rounds {
        let mut t = [0.0; 2];
        for which in [round % 2, 1 - round % 2] {
            let start = now();
            for _ in 0..reps {
                for i in 0..batch {
                    let (ap, bp, cp) = (
                        a[i * m * k..].as_ptr(),
                        b[i * k * n..].as_ptr(),
                        c[i * m * n..].as_mut_ptr(),
                    );
                    if which == 0 {
                        let p = Product {
                            sizes,
                            a: Matrix { start: ap, row_stride: ars, column_stride: acs },
                            b: Matrix { start: bp, row_stride: brs, column_stride: bcs },
                            c: cp,
                        };
                        // SAFETY: as large as must be.
                        unsafe {
                            if by_tasks {
                                for i in 0..sizes.tasks() {
                                    p.run(level, &sizes.task(i), work.as_mut_ptr(), &mut |_| ());
                                }
                            } else {
                                p.run(level, &sizes.whole(), work.as_mut_ptr(), &mut |_| ());
                            }
                        }
                    } else {
                        // SAFETY: as large as must be.
                        unsafe {
                            gemm::gemm(
                                m,
                                n,
                                k,
                                cp,
                                1,
                                n as isize,
                                false,
                                ap,
                                acs,
                                ars,
                                bp,
                                bcs,
                                brs,
                                T::default(),
                                T::from_f64(1.0),
                                false,
                                false,
                                false,
                                gemm::Parallelism::None,
                            );
                        }
                    }
                }
            }
            t[which as usize] = (now() - start) / reps as f64;
        }
        own.push(t[0]);
        theirs.push(t[1]);
        ratios.push(t[0] / t[1]);
    }
    for v in [&mut own, &mut theirs, &mut ratios] {
        v.sort_by(f64::total_cmp);
    }
    let mid = own.len() / 2;
    println!(
        "{name:28} own {:9.2} us {:6.1} GF  gemm {:9.2} us {:6.1} GF  ratio {:.3} (best/best {:.3})",
        own[mid] / 1e3,
        flops / own[mid],
        theirs[mid] / 1e3,
        flops / theirs[mid],
        ratios[mid],
        own[0] / theirs[0]
    );
    ratios[mid]
}

#[test]
#[ignore = "a measurement"]
fn measure() {
    let filter = std::env::var("BENCH").unwrap_or_default();
    let level = Level::current();
    let shapes: &[(&str, usize, usize, usize, usize)] = &[
        ("8", 1, 8, 8, 8),
        ("peak", 1, 28, 100, 32),
        ("16", 1, 16, 16, 16),
        ("32", 1, 32, 32, 32),
        ("64", 1, 64, 64, 64),
        ("100", 1, 100, 100, 100),
        ("128", 1, 128, 128, 128),
        ("256", 1, 256, 256, 256),
        ("512", 1, 512, 512, 512),
        ("1024", 1, 1024, 1024, 1024),
        ("64x784x256", 1, 64, 784, 256),
        ("1024x784x256", 1, 1024, 784, 256),
        ("t64", 1, 64, 784, 256),
        ("t128", 1, 128, 784, 256),
        ("t256", 1, 256, 784, 256),
        ("t512", 1, 512, 784, 256),
        ("odd", 1, 1008, 784, 336),
        ("64*64", 64, 64, 64, 64),
        ("1024x10x128", 1, 1024, 10, 128),
        ("1024x128x10", 1, 1024, 128, 10),
        ("64x256x10", 1, 64, 256, 10),
        ("10x1024x128", 1, 10, 1024, 128),
        ("784x64x256", 1, 784, 64, 256),
        ("64x256x784", 1, 64, 256, 784),
        ("784x1024x256", 1, 784, 1024, 256),
        ("1x784x256", 1, 1, 784, 256),
        ("784x256x1", 1, 784, 256, 1),
        ("1x1000x1", 1, 1, 1000, 1),
        ("2x784x256", 1, 2, 784, 256),
        ("4x784x256", 1, 4, 784, 256),
        ("256x784x4", 1, 256, 784, 4),
        ("256x1x256", 1, 256, 1, 256),
        ("64x2x64", 1, 64, 2, 64),
        ("2x2x2", 1, 2, 2, 2),
        ("4x4x4", 1, 4, 4, 4),
    ];
    for &(name, batch, m, k, n) in shapes {
        for (tag, ta, tb) in [("nn", false, false), ("nt", false, true), ("tn", true, false)] {
            let name = format!("f32 {name} {tag}");
            if filter.split(',').any(|f| name.contains(f)) {
                bench_one::<f32>(&name, level, batch, m, k, n, ta, tb);
            }
        }
    }
    for n in [32, 64, 256, 512] {
        for (tag, ta, tb) in [("nn", false, false), ("nt", false, true), ("tn", true, false)] {
            let name = format!("f64 {n} {tag}");
            if filter.split(',').any(|f| name.contains(f)) {
                bench_one::<f64>(&name, level, 1, n, n, n, ta, tb);
            }
        }
    }
}
