//! Plans as text: how many passes over memory a computation takes, and what each reads and writes.

use crate::{Graph, Var};

/// A graph in which even what is small and new gets a plan.
pub(super) fn graph() -> Graph {
    let g = Graph::new();
    g.call(|session| session.engine().always_plan());
    g
}

fn leaf<'g>(g: &'g Graph, shape: &[usize]) -> Var<'g> {
    g.param(&vec![0.5f32; shape.iter().product()], shape)
}

fn backward(y: Var<'_>) -> String {
    y.backward().unwrap();
    y.graph().plan_to_text()
}

/// Compares a plan with its text, which is indented as here.
fn expect(plan: String, want: &str) {
    let want: Vec<&str> = want.lines().map(|line| line.get(8..).unwrap_or("")).collect();
    let want = want.join("\n");
    assert!(plan.trim() == want.trim(), "the plan is\n{plan}, not\n{}", want.trim());
}

const N: usize = 1_000_000;

#[test]
fn w3() {
    let g = &graph();
    let [x, y, z] = [(); 3].map(|()| leaf(g, &[N]));
    let loss = (x.sin() * y + (z * 0.1).exp()).square().mean();
    expect(
        backward(loss),
        "
        1 step, 3968 bytes of scratch memory
        0: 1000000 elements, reads n0 n1 n2, writes n9 dn2 dn1 dn0
           r8 = sincos n0 r9
           r10 = mul n2 0.1
           r11 = exp r10
           r8 | mul n1 | add r11 -> r10 | square -> r12
           0.0000009999999974752427 | square' r10 -> r10 | mul r11 | mul 0.1 -> dn2
           r10 | mul n1 | mul r9 -> dn0
           r10 | mul r8 -> dn1
           n9 <- mean r12
        ",
    );
}

#[test]
fn w3_chain() {
    let g = &graph();
    let x = leaf(g, &[N]);
    let loss = (0..4).fold(x, |y, _| (y * 0.9 + 0.1).sin()).mean();
    expect(
        backward(loss),
        "
        1 step, 3968 bytes of scratch memory
        0: 1000000 elements, reads n0, writes n13 dn0
           n0 | mul 0.9 | add 0.1 -> r5
           r6 = sincos r5 r7
           r6 | mul 0.9 | add 0.1 -> r6
           r5 = sincos r6 r8
           r5 | mul 0.9 | add 0.1 -> r5
           r6 = sincos r5 r9
           r6 | mul 0.9 | add 0.1 -> r6
           r5 = sincos r6 r10
           0.0000009999999974752427 | mul r10 | mul 0.9 | mul r9 | mul 0.9 | mul r8 | mul 0.9 | mul r7 | mul 0.9 -> dn0
           n13 <- mean r5
        ",
    );
}

#[test]
fn softmax() {
    let g = &graph();
    let x = leaf(g, &[512, 64]);
    let head = g.tensor(&vec![0.5f32; 512 * 64], &[512, 64]);
    let y = x.softmax(-1);
    y.backward_with(head).unwrap();
    expect(
        g.plan_to_text(),
        "
        1 step, 0 bytes of scratch memory
        0: 32768 elements in rows of 64, reads n0 n1, writes n2 dn0
           n2 = softmax n0
           r4 = mul n1 n2
             r5 = sum r4
           n1 | sub r5 of the row | mul n2 -> dn0
        ",
    );
}

#[test]
fn cross_entropy() {
    let g = &graph();
    let x = leaf(g, &[512, 10]);
    let loss = x.cross_entropy(g.tensor(&[3i64; 512], &[512]));
    expect(
        backward(loss),
        "
        3 steps, 2112 bytes of scratch memory
        0: 512 elements in rows of 512, reads n1, writes n7 t3 t4
           r7 = ne n1 -100
           r8 = cast r7
             n7 = sum r8
             r9 = div'0 1 n7 1
             t3 = neg'0 r9
           r8 = ne n1 -100
           r7 = along rows t3
           t4 = where r8 r7 0
        1: 5120 elements in rows of 10, reads n0 n1 t3 t4, writes n4 dn0
           r5 = log_softmax and softmax n0 r6
             r7 = gather_class r5 n1
           r5 = scatter_class t3[0] n1
           r8 = along rows t4
           r6 | weigh r8 | sub from r5 -> dn0
             n4 <- sum r7
        2: 1 elements, reads n4 n7, writes n9
           n4 | neg | div n7 -> n9
        ",
    );
}

#[test]
fn layer_norm() {
    let g = &graph();
    let x = leaf(g, &[512, 64]);
    let (w, b) = (leaf(g, &[64]), leaf(g, &[64]));
    let distance = x - x.mean_axes(&[-1], true);
    let scale = (distance.square().mean_axes(&[-1], true) + 1e-5).rsqrt();
    let y = distance * scale * w + b;
    let head = g.tensor(&vec![0.5f32; 512 * 64], &[512, 64]);
    y.backward_with(head).unwrap();
    expect(
        g.plan_to_text(),
        "
        1 step, 4096 bytes of scratch memory
        0: 32768 elements in rows of 64, reads n0 n1 n2 n12, writes n11 dn2 dn1 dn0
           r5 = n1 as [512, 64]*[0, 1]+0
           r6 = n2 as [512, 64]*[0, 1]+0
             r8 = mean n0
           n0 | sub r8 of the row -> r9 | square -> r10
             r8 = mean r10
             r11 = add r8 0.00001
             r8 = rsqrt r11
           n12 | mul r5 -> r10 | mul r9 -> r12
             r11 = sum r12
             r13 = rsqrt'0 r11 r8 r11
             r11 = div r13 64
           r10 | mul r8 of the row -> r10
           r11 of the row | square' r9 | add r10 -> r10 | neg -> r12
             r11 = sum r12
             r13 = div r11 64
           r9 | mul r8 of the row -> r9 | mul r5 | add r6 -> n11
           n12 | mul r9 -> r9
           r10 | add r13 of the row -> dn0
           dn2 <- sum n12
           dn1 <- sum r9
        ",
    );
}

#[test]
fn broadcast() {
    let g = &graph();
    let (a, b, c) = (leaf(g, &[1024, 1]), leaf(g, &[1, 1024]), leaf(g, &[1024]));
    expect(
        backward((a * b + c).relu().sum()),
        "
        1 step, 135168 bytes of scratch memory
        0: 1048576 elements in rows of 1024, reads n0 n1 n2, writes n6 dn2 dn0 dn1
           r2 = n1 as [1024, 1024]*[0, 1]+0
           r3 = n2 as [1024, 1024]*[0, 1]+0
           n0 of the row | mul r2 | add r3 | relu -> r5 | relu' times 1 -> r6 | mul r2 -> r7
             dn0 = sum r7
           r6 | mul n0 of the row -> r7
           n6 <- sum r5
           dn2 <- sum r6
           dn1 <- sum r7
        ",
    );
}

#[test]
fn layer() {
    let g = &graph();
    let x = g.tensor(&vec![0.5f32; 64 * 128], &[64, 128]);
    let (w, b) = (leaf(g, &[128, 32]), leaf(g, &[32]));
    expect(
        backward((x.matmul(w) + b).relu().square().mean()),
        "
        3 steps, 8192 bytes of scratch memory
        0: n3 = matmul n0 n1
        1: 2048 elements in rows of 2048, reads n3 n2, writes n7 t7 dn2
           r3 = n2 as [64, 32]*[0, 1]+0
           n3 | add r3 | relu -> r5 | square -> r6
             n7 = mean r6
           0.00048828125 | square' r5 | relu' r5 -> t7
           dn2 <- sum t7
        2: dn1 = matmul n0 as [128, 64]*[1, 128]+0 t7
        ",
    );
}

/// Large products are computed chunk by chunk in the step that reads them.
#[test]
fn large_layers() {
    let g = &graph();
    let x = g.tensor(&vec![0.5f32; 1 << 19], &[1 << 14, 32]);
    let (w1, b1) = (leaf(g, &[32, 64]), leaf(g, &[64]));
    let (w2, b2) = (leaf(g, &[64, 64]), leaf(g, &[64]));
    let loss = ((x.matmul(w1) + b1).relu().matmul(w2) + b2).gelu().mean();
    expect(
        backward(loss),
        "
        5 steps, 8458240 bytes of scratch memory
        0: 1048576 elements, reads n0 n1 n2, writes n7
           t4 = matmul n0 n1
           r2 = n2 as [16384, 64]*[0, 1]+0
           t4 | add r2 | relu => n7
        1: 1048576 elements, reads n7 n3 n4, writes n11 t14 dn4
           t9 = matmul n7 n3
           r2 = n4 as [16384, 64]*[0, 1]+0
           r4 = add t9 r2
           r5 = gelu r4
           r6 = gelu'0 r4 0.00000095367431640625
           r6 => t14
           n11 <- mean r5
           dn4 <- sum r6
        2: 1048576 elements, reads t14 n3 n7, writes t17 dn2
           t16 = matmul t14 n3 as [64, 64]*[1, 64]+0
           t16 | relu' n7 => t17 -> r3
           dn2 <- sum r3
        3: dn3 = matmul n7 as [64, 16384]*[1, 64]+0 t14
        4: dn1 = matmul n0 as [32, 16384]*[1, 32]+0 t17
        ",
    );
    // By itself a product of constants is computed once.
    let y = (x.matmul(g.tensor(&[0.5f32; 32 * 64], &[32, 64])) + b1).relu();
    y.eval().unwrap();
    expect(
        g.plan_to_text(),
        "
        2 steps, 0 bytes of scratch memory
        0: n13 = matmul n0 n12
        1: 1048576 elements, reads n13 n2, writes n15
           r2 = n2 as [16384, 64]*[0, 1]+0
           n13 | add r2 | relu => n15
        ",
    );
}

#[test]
fn mlp() {
    let g = &graph();
    let x = g.tensor(&vec![0.5f32; 64 * 128], &[64, 128]);
    let (w1, b1) = (leaf(g, &[128, 32]), leaf(g, &[32]));
    let (w2, b2) = (leaf(g, &[32, 10]), leaf(g, &[10]));
    let loss =
        ((x.matmul(w1) + b1).relu().matmul(w2) + b2).cross_entropy(g.tensor(&[3i64; 64], &[64]));
    expect(
        backward(loss),
        "
        10 steps, 19264 bytes of scratch memory
        0: n5 = matmul n0 n1
        1: 2048 elements, reads n5 n2, writes n7
           r2 = n2 as [64, 32]*[0, 1]+0
           n5 | add r2 | relu -> n7
        2: n8 = matmul n7 n3
        3: 64 elements in rows of 64, reads n10, writes n16 t13 t14
           r7 = ne n10 -100
           r8 = cast r7
             n16 = sum r8
             r9 = div'0 1 n16 1
             t13 = neg'0 r9
           r8 = ne n10 -100
           r7 = along rows t13
           t14 = where r8 r7 0
        4: 640 elements in rows of 10, reads n8 n4 n10 t13 t14, writes n13 t17 dn4
           r4 = n4 as [64, 10]*[0, 1]+0
           r6 = add n8 r4
           r7 = log_softmax and softmax r6 r8
             r9 = gather_class r7 n10
           r7 = scatter_class t13[0] n10
           r6 = along rows t14
           r8 | weigh r6 | sub from r7 -> t17
             n13 <- sum r9
           dn4 <- sum t17
        5: 1 elements, reads n13 n16, writes n18
           n13 | neg | div n16 -> n18
        6: t19 = matmul t17 n3 as [10, 32]*[1, 10]+0
        7: dn3 = matmul n7 as [32, 64]*[1, 32]+0 t17
        8: 2048 elements, reads n7 t19, writes t20 dn2
           t20 = relu'0 t19 n7 t19
           dn2 <- sum t20
        9: dn1 = matmul n0 as [128, 64]*[1, 128]+0 t20
        ",
    );
}

#[test]
fn dropout() {
    let g = &graph();
    let x = leaf(g, &[4096]);
    expect(
        backward(x.tanh().dropout(0.5).sum()),
        "
        1 step, 0 bytes of scratch memory
        0: 4096 elements in rows of 4096, reads n0, writes n4 dn0
           r4 = tanh n0
           r5 = dropout_mask
           r6 = mul r4 r5
             n4 = sum r6
           1 | weigh r5 | tanh' r4 -> dn0
        ",
    );
}

#[test]
fn mixed_axes() {
    let g = &graph();
    let x = leaf(g, &[8, 16, 32]);
    expect(
        backward(x.sin().sum_axes(&[0, 2], false).square().sum()),
        "
        4 steps, 64 bytes of scratch memory
        0: 4096 elements, reads n0, writes n1
           n1 = sin n0
        1: 4096 elements, reads n1, writes n2
           r0 = n1 as [16, 8, 32]*[32, 512, 1]+0
           n2 <- sum r0
        2: 16 elements in rows of 16, reads n2, writes n4 t5
           r4 = square n2
             n4 = sum r4
           t5 = square'0 n2 1
        3: 4096 elements, reads n0 t5, writes dn0
           r2 = t5 as [8, 16, 32]*[0, 1, 0]+0
           r3 = cos n0
           dn0 = mul r2 r3
        ",
    );
}

#[test]
fn middle_axis() {
    let g = &graph();
    let x = leaf(g, &[8, 16, 32]);
    expect(
        backward(x.sin().sum_axes(&[1], false).square().sum()),
        "
        3 steps, 1024 bytes of scratch memory
        0: 4096 elements, reads n0, writes n2
           r1 = sin n0
           n2 <- sum r1
        1: 256 elements in rows of 256, reads n2, writes n4 t4
           r4 = square n2
             n4 = sum r4
           t4 = square'0 n2 1
        2: 4096 elements, reads n0 t4, writes dn0
           r2 = t4 as [8, 16, 32]*[32, 0, 1]+0
           r3 = cos n0
           dn0 = mul r2 r3
        ",
    );
}

#[test]
fn reshape_of_a_transpose() {
    let g = &graph();
    let x = leaf(g, &[64, 32]);
    expect(
        backward(x.transpose(0, 1).reshape(&[-1]).sin().sum()),
        "
        2 steps, 8192 bytes of scratch memory
        0: 2048 elements in rows of 2048, reads n0, writes n4 t2
           r2 = n0 as [32, 64]*[1, 32]+0
           r4 = copy r2
           r5 = sincos r4 r6
             n4 = sum r5
           t2 = mul 1 r6
        1: 2048 elements, reads t2, writes dn0
           r1 = t2 as [64, 32]*[1, 64]+0
           dn0 = copy r1
        ",
    );
}

#[test]
fn norm() {
    let g = &graph();
    let x = leaf(g, &[100_000]);
    let c = g.tensor(&vec![0.5f32; 100_000], &[100_000]);
    expect(
        backward((x / x.norm(2.0, &[], false) * c).sum()),
        "
        3 steps, 400960 bytes of scratch memory
        0: 100000 elements, reads n0, writes n2
           n2 <- norm n0
        1: 100000 elements, reads n0 n2 n1, writes n5 t7 t8
           n0 | div n2[0] -> r5
           1 | mul n1 -> r6
           r7 = div'1 r6 n2[0] r5 r6
           r5 | mul n1 -> r5
           r6 | div n2[0] -> t7
           n5 <- sum r5
           t8 <- sum r7
        2: 100000 elements, reads n0 n2 t8 t7, writes dn0
           n0 | norm share n2[0] | mul t8[0] | add t7 -> dn0
        ",
    );
}

#[test]
fn bias_of_columns() {
    let g = &graph();
    let (x, b) = (leaf(g, &[512, 64]), leaf(g, &[64]));
    expect(
        backward((x + b).tanh().square().mean()),
        "
        1 step, 2176 bytes of scratch memory
        0: 32768 elements, reads n0 n1, writes n5 dn0 dn1
           r2 = n1 as [512, 64]*[0, 1]+0
           r4 = add n0 r2
           r5 = tanh r4
           r5 | square -> r4
           0.000030517578125 | square' r5 | tanh' r5 -> dn0
           n5 <- mean r4
           dn1 <- sum dn0
        ",
    );
}

#[test]
fn max_rows() {
    let g = &graph();
    let x = leaf(g, &[512, 64]);
    expect(
        backward(x.tanh().max_axes(&[-1], false).sum()),
        "
        1 step, 0 bytes of scratch memory
        0: 32768 elements in rows of 64, reads n0, writes n3 dn0
           r3 = tanh n0
             r4 = max r3
             r5 = argmax r3
           r6 = scatter_class 1 r5
           dn0 = tanh'0 r6 r3 r6
             n3 <- sum r4
        ",
    );
    let x = leaf(g, &[512, 64]);
    expect(
        backward(x.tanh().amax_axes(&[-1], false).sum()),
        "
        1 step, 0 bytes of scratch memory
        0: 32768 elements in rows of 64, reads n4, writes n7 dn4
           r3 = tanh n4
             r4 = amax r3
           r5 = along rows r4
           r6 = eq r3 r5
           r5 = cast r6
             r7 = sum r5
             r8 = div 1 r7
           r5 | mul r8 of the row | tanh' r3 -> dn4
             n7 <- sum r4
        ",
    );
}

#[test]
fn logsumexp() {
    let g = &graph();
    let x = leaf(g, &[512, 64]);
    expect(
        backward(x.logsumexp_axes(&[-1], false).sum()),
        "
        1 step, 0 bytes of scratch memory
        0: 32768 elements in rows of 64, reads n0, writes n2 dn0
             r3 = logsumexp n0
           n0 | sub r3 of the row -> r4
           r5 = exp r4
           dn0 = mul 1 r5
             n2 <- sum r3
        ",
    );
    let g = &graph();
    let x = leaf(g, &[512, 64]);
    expect(
        backward(x.logsumexp_axes(&[0], false).sum()),
        "
        3 steps, 0 bytes of scratch memory
        0: n1 = logsumexp n0
        1: 64 elements in rows of 64, reads n1, writes n2
             n2 = sum n1
        2: 32768 elements, reads n0 n1, writes dn0
           r2 = n1 as [512, 64]*[0, 1]+0
           r4 = sub n0 r2
           r5 = exp r4
           dn0 = mul 1 r5
        ",
    );
}

#[test]
fn attention() {
    let g = &graph();
    let [q, k, v] = [(); 3].map(|()| leaf(g, &[4, 32, 16]));
    let weights = (q.matmul(k.transpose(-1, -2)) * 0.25).softmax(-1);
    expect(
        backward(weights.matmul(v).sum()),
        "
        10 steps, 40960 bytes of scratch memory
        0: n4 = matmul n0 n1 as [4, 16, 32]*[512, 1, 16]+0
        1: 4096 elements in rows of 32, reads n4, writes n6
           r3 = mul n4 0.25
           n6 = softmax r3
        2: n7 = matmul n6 n2
        3: 2048 elements in rows of 2048, reads n7, writes n8 t9
             n8 = sum n7
           t9 = copy 1
        4: t10 = matmul t9 n2 as [4, 16, 32]*[512, 1, 16]+0
        5: dn2 = matmul n6 as [4, 32, 32]*[1024, 1, 32]+0 t9
        6: 4096 elements in rows of 32, reads t10 n6, writes t11
           r4 = mul t10 n6
             r5 = sum r4
           t10 | sub r5 of the row | mul n6 | mul 0.25 -> t11
        7: dn0 = matmul t11 n1
        8: t12 = matmul n0 as [4, 16, 32]*[512, 1, 16]+0 t11
        9: 2048 elements, reads t12, writes dn1
           r1 = t12 as [4, 32, 16]*[512, 1, 32]+0
           dn1 = copy r1
        ",
    );
}

#[test]
fn neighbours() {
    let g = &graph();
    let x = g.param(&[0.5f64; 1000], &[1000]);
    let (a, b) = (x.slice(0, 0, -1, 1), x.slice(0, 1, 1000, 1));
    expect(
        backward(((b - a.square()).square() * 100.0 + (1.0 - a).square()).sum()),
        "
        2 steps, 16000 bytes of scratch memory
        0: 999 elements in rows of 999, reads n0, writes n10 t3 t4
           n0 | square | sub from n0[1..] -> r8 | square | mul 100 -> r9
           1 | sub n0 -> r10 | square | add r9 -> r9
             n10 = sum r9
           1 | square' r10 | neg -> r10
           100 | square' r8 -> t3 | neg | square' n0 | add r10 -> t4
        1: 1000 elements, reads t3 t4, writes dn0
           r1 = t3 as [999]*[1]+0 at [1] of [1000]
           r2 = t4 as [999]*[1]+0 at [0] of [1000]
           dn0 = add r1 r2
        ",
    );
    let x = leaf(g, &[64, 32]);
    let inner = |i, j| x.slice(0, i, 62 + i, 1).slice(1, j, 30 + j, 1);
    let laplace = inner(0, 1) + inner(2, 1) + inner(1, 0) + inner(1, 2) - inner(1, 1) * 4.0;
    expect(
        backward(laplace.square().sum()),
        "
        2 steps, 14976 bytes of scratch memory
        0: 1860 elements in rows of 1860, reads n11, writes n28 t3 t4
           r3 = n11 as [62, 30]*[32, 1]+1
           r4 = n11 as [62, 30]*[32, 1]+65
           r5 = n11 as [62, 30]*[32, 1]+32
           r6 = n11 as [62, 30]*[32, 1]+34
           r7 = n11 as [62, 30]*[32, 1]+33
           r3 | add r4 | add r5 | add r6 -> r10
           r7 | mul 4 | sub from r10 -> r10 | square -> r11
             n28 = sum r11
           1 | square' r10 -> t3 | neg | mul 4 -> t4
        1: 2048 elements, reads t4 t3, writes dn11
           r1 = t4 as [62, 30]*[30, 1]+0 at [1, 1] of [64, 32]
           r2 = t3 as [62, 30]*[30, 1]+0 at [1, 2] of [64, 32]
           r3 = t3 as [62, 30]*[30, 1]+0 at [1, 0] of [64, 32]
           r4 = t3 as [62, 30]*[30, 1]+0 at [2, 1] of [64, 32]
           r5 = t3 as [62, 30]*[30, 1]+0 at [0, 1] of [64, 32]
           r1 | add r2 | add r3 | add r4 | add r5 -> dn11
        ",
    );
    // A block that was seen in another shape, and one of one constant.
    let (x, c) = (leaf(g, &[8, 16]), leaf(g, &[64]));
    let y = x.tanh().reshape(&[-1]).slice(0, 0, 128, 2) * c;
    expect(
        backward(y.sum() + x.slice(1, 3, 8, 1).sum()),
        "
        4 steps, 448 bytes of scratch memory
        0: 128 elements, reads n29, writes n31
           n31 = tanh n29
        1: 64 elements in rows of 64, reads n31 n30, writes n35 t6 dn30
           r4 = n31 as [64]*[2]+0
           r6 = mul r4 n30
             n35 = sum r6
           1 | mul n30 -> t6
           1 | mul r4 -> dn30
        2: 40 elements in rows of 40, reads n29 n35, writes n38 t8
           r3 = n29 as [8, 5]*[16, 1]+3
             r5 = sum r3
             n38 = add n35 r5
           t8 = copy 1
        3: 128 elements, reads n31 t6 t8, writes dn29
           r2 = t6 as [8, 8]*[8, 1]+0 at [0, 0] of [8, 16] by [1, 2]
           r3 = t8 as [8, 5]*[5, 1]+0 at [0, 3] of [8, 16]
           r2 | tanh' n31 | add r3 -> dn29
        ",
    );
}
