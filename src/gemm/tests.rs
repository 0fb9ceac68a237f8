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

/// A product, part by part; from one copy of B, if it `holds` that.
fn product<T: Factor>(
    level: Level,
    sizes: Sizes,
    a: &Laid<T>,
    b: &Laid<T>,
    parts: &[Part],
    holds: bool,
) -> Vec<T> {
    let mut c = vec![T::from_f64(f64::NAN); sizes.m * sizes.n];
    let mut work = vec![0xffu8; sizes.workspace::<T>()];
    let product = Product { sizes, a: a.matrix(), b: b.matrix(), c: c.as_mut_ptr() };
    let mut held = if holds { Held::Later } else { Held::Nothing };
    for part in parts {
        // SAFETY: the matrices and the workspace are as large as they must be, and nobody else
        // writes to the workspace.
        unsafe { product.run(level, part, work.as_mut_ptr(), held, &mut |_| {}) };
        held = if holds { Held::Now } else { Held::Nothing };
    }
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
            let c = product(level, sizes, &a, &b, &[sizes.whole()], false);
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
            let c = product(level, sizes, &a, &b, &parts, false);
            assert!(c.iter().map(|c| c.to_f64().to_bits()).eq(bits.iter().copied()));
            // In tasks, from the last one to the first.
            let tasks: Vec<_> = (0..sizes.tasks()).rev().map(|i| sizes.task(i)).collect();
            let c = product(level, sizes, &a, &b, &tasks, false);
            assert!(c.iter().map(|c| c.to_f64().to_bits()).eq(bits.iter().copied()));
            // In rows, with one copy of B.
            if sizes.can_hold::<T>() {
                let rows = [i..m, 0..i / 2, i / 2..i].into_iter().filter(|rows| !rows.is_empty());
                let parts: Vec<_> = rows.map(|rows| Part { rows, columns: 0..n }).collect();
                let c = product(level, sizes, &a, &b, &parts, true);
                assert!(c.iter().map(|c| c.to_f64().to_bits()).eq(bits.iter().copied()));
            }
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

/// Entry by entry, or by the way that a product alone is computed: the same bits.
fn tiny_batches<T: Factor>() {
    let mut draw = Draw(77);
    let count = 7;
    let numbers: Vec<T> = (0..count * 32)
        .map(|i| {
            T::from_f64(match i % 41 {
                3 => -0.0,
                17 => 0.0,
                31 => f64::INFINITY,
                40 => 1e-30,
                _ => draw.next(),
            })
        })
        .collect();
    let sizes = (1..=4).flat_map(|m| (1..=4).flat_map(move |k| (1..=4).map(move |n| (m, k, n))));
    for ((m, k, n), level) in sizes.flat_map(|sizes| levels().map(move |level| (sizes, level))) {
        let sizes = Sizes { m, k, n };
        assert!(sizes.is_tiny());
        for turned in 0..4 {
            let matrix = |from: usize, rows: usize, columns: usize, turned: bool| Matrix {
                start: numbers[from..].as_ptr(),
                row_stride: if turned { 1 } else { columns as isize },
                column_stride: if turned { rows as isize } else { 1 },
            };
            let a = matrix(1, m, k, turned % 2 == 1);
            let b = matrix(4, k, n, turned / 2 == 1);
            // The right factor may be the same for all.
            let (a_step, b_step) =
                ((m * k) as isize, if turned == 0 { 0 } else { (k * n) as isize });
            let (mut out, mut want) = (vec![T::default(); count * m * n], Vec::new());
            let entries = Entries { count, a, b, c: out.as_mut_ptr(), a_step, b_step };
            // SAFETY: all entries are among the numbers, and there is room for the results.
            unsafe { entries.run(level, sizes) };
            for i in 0..count as isize {
                let mut c = vec![T::default(); m * n];
                let at = |x: Matrix<T>, step: isize| Matrix {
                    start: x.start.wrapping_offset(i * step),
                    ..x
                };
                let product =
                    Product { sizes, a: at(a, a_step), b: at(b, b_step), c: c.as_mut_ptr() };
                let mut work = vec![0u8; sizes.workspace::<T>()];
                let work = work.as_mut_ptr();
                // SAFETY: as above, with a workspace of its own.
                unsafe { product.run(level, &sizes.whole(), work, Held::Nothing, &mut |_| {}) };
                want.extend(c);
            }
            let bits = |x: &[T]| -> Vec<u64> {
                let bits = |x: f64| if x.is_nan() { u64::MAX } else { x.to_bits() };
                x.iter().map(|x| bits(x.to_f64())).collect()
            };
            assert_eq!(bits(&out), bits(&want), "{sizes:?}, {turned}, {}", level.name());
        }
    }
}

#[test]
fn tiny_products_of_a_batch_are_what_each_is_alone() {
    tiny_batches::<f32>();
    tiny_batches::<f64>();
}
