//! Plans as text: how many passes over memory a computation takes, and what each reads and writes.

use crate::{Graph, Var};

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
    let g = &Graph::new();
    let [x, y, z] = [(); 3].map(|()| leaf(g, &[N]));
    let loss = (x.sin() * y + (z * 0.1).exp()).square().mean();
    expect(
        backward(loss),
        "
        2 steps, 3968 bytes of scratch memory
        0: 1000000 elements, reads n0 n1 n2, writes n9 dn2 dn1 dn0
           r8 = sincos n0 r9
           r10 = mul n2 0.1
           r11 = exp r10
           r10 = mul add r8 n1 r11
           r12 = square r10
           n9 <- sum r12
           r12 = square'0 r10 0.0000009999999974752427
           r10 = exp'0 r12 r11 r12
           dn2 = mul'0 r10 0.1 r10
           r10 = mul'0 r12 n1 r12
           dn1 = mul'1 r8 r12
           dn0 = sin'0 r10 r9
        1: 1 elements, reads n9, writes n10
           n10 = div n9 1000000
        ",
    );
}

#[test]
fn w3_chain() {
    let g = &Graph::new();
    let x = leaf(g, &[N]);
    let loss = (0..4).fold(x, |y, _| (y * 0.9 + 0.1).sin()).mean();
    expect(
        backward(loss),
        "
        2 steps, 3968 bytes of scratch memory
        0: 1000000 elements, reads n0, writes n13 dn0
           r5 = mul add n0 0.9 0.1
           r6 = sincos r5 r7
           r5 = mul add r6 0.9 0.1
           r6 = sincos r5 r8
           r5 = mul add r6 0.9 0.1
           r6 = sincos r5 r9
           r5 = mul add r6 0.9 0.1
           r6 = sincos r5 r10
           n13 <- sum r6
           r6 = sin'0 0.0000009999999974752427 r10
           r10 = mul'0 r6 0.9 r6
           r6 = sin'0 r10 r9
           r9 = mul'0 r6 0.9 r6
           r6 = sin'0 r9 r8
           r8 = mul'0 r6 0.9 r6
           r6 = sin'0 r8 r7
           dn0 = mul'0 r6 0.9 r6
        1: 1 elements, reads n13, writes n14
           n14 = div n13 1000000
        ",
    );
}

#[test]
fn softmax() {
    let g = &Graph::new();
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
           r4 = along rows r5
           r6 = sub n1 r4
           dn0 = mul n2 r6
        ",
    );
}

#[test]
fn cross_entropy() {
    let g = &Graph::new();
    let x = leaf(g, &[512, 10]);
    let loss = x.cross_entropy(g.tensor(&[3i64; 512], &[512]));
    expect(
        backward(loss),
        "
        3 steps, 64 bytes of scratch memory
        0: 512 elements in rows of 512, reads n1, writes n7 t3
           r5 = ne n1 -100
           r6 = cast r5
             n7 = sum r6
             r7 = div'0 1 n7 1
             t3 = neg'0 r7
        1: 5120 elements in rows of 10, reads n0 n1 t3, writes n4 dn0
           r4 = log_softmax n0
             r5 = cross_entropy r4 n1
             n4 <- sum r5
           r6 = unpick t3[0] n1
             r5 = sum r6
           r7 = exp r4
           r4 = along rows r5
           r8 = mul r7 r4
           dn0 = sub r6 r8
        2: 1 elements, reads n4 n7, writes n9
           r3 = neg n4
           n9 = div r3 n7
        ",
    );
}

#[test]
fn layer_norm() {
    let g = &Graph::new();
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
        0: 32768 elements in rows of 64, reads n0 n1 n2 n14, writes n13 dn2 dn1 dn0
             r8 = sum n0
             r9 = div r8 64
           r10 = along rows r9
           r11 = sub n0 r10
           r10 = square r11
             r9 = sum r10
             r8 = div r9 64
             r9 = add r8 0.00001
             r8 = rsqrt r9
           r10 = along rows r8
           r12 = mul r11 r10
           r6 = n1 as [512, 64]*[0, 1]+0
           r7 = n2 as [512, 64]*[0, 1]+0
           n13 = mul add r12 r6 r7
           dn2 <- sum n14
           r13 = mul'0 n14 r6 n14
           r14 = mul'1 r12 n14
           dn1 <- sum r14
           r14 = mul'0 r13 r10 r13
           r10 = mul'1 r11 r13
             r9 = sum r10
             r15 = rsqrt'0 r9 r8 r9
             r9 = div'0 r15 64 r15
           r10 = along rows r9
           r13 = square'0 r11 r10
           r10 = add r14 r13
           r13 = sub'1 r10
             r9 = sum r13
             r15 = div'0 r9 64 r9
           r13 = along rows r15
           dn0 = add r10 r13
        ",
    );
}

#[test]
fn broadcast() {
    let g = &Graph::new();
    let (a, b, c) = (leaf(g, &[1024, 1]), leaf(g, &[1, 1024]), leaf(g, &[1024]));
    expect(
        backward((a * b + c).relu().sum()),
        "
        1 step, 135168 bytes of scratch memory
        0: 1048576 elements in rows of 1024, reads n0 n1 n2, writes n6 dn2 dn0 dn1
           r1 = n0 as [1024, 1024]*[1, 0]+0
           r2 = n1 as [1024, 1024]*[0, 1]+0
           r3 = n2 as [1024, 1024]*[0, 1]+0
           r5 = mul add r1 r2 r3
           r6 = relu r5
           n6 <- sum r6
           r5 = relu'0 1 r6 1
           dn2 <- sum r5
           r6 = mul'0 r5 r2 r5
           r7 = mul'1 r1 r5
             dn0 = sum r6
           dn1 <- sum r7
        ",
    );
}

#[test]
fn layer() {
    let g = &Graph::new();
    let x = g.tensor(&vec![0.5f32; 64 * 128], &[64, 128]);
    let (w, b) = (leaf(g, &[128, 32]), leaf(g, &[32]));
    expect(
        backward((x.matmul(w) + b).relu().square().mean()),
        "
        3 steps, 8192 bytes of scratch memory
        0: n3 = matmul n0 n1
        1: 2048 elements in rows of 2048, reads n3 n2, writes n8 t7 dn2
           r3 = n2 as [64, 32]*[0, 1]+0
           r6 = add n3 r3
           r7 = relu r6
           r6 = square r7
             r8 = sum r6
             n8 = div r8 2048
           r6 = square'0 r7 0.00048828125
           t7 = relu'0 r6 r7 r6
           dn2 <- sum t7
        2: dn1 = matmul n0 as [128, 64]*[1, 128]+0 t7
        ",
    );
}

/// Large products are computed chunk by chunk in the step that reads them.
#[test]
fn large_layers() {
    let g = &Graph::new();
    let x = g.tensor(&vec![0.5f32; 1 << 19], &[1 << 14, 32]);
    let (w1, b1) = (leaf(g, &[32, 64]), leaf(g, &[64]));
    let (w2, b2) = (leaf(g, &[64, 64]), leaf(g, &[64]));
    let loss = ((x.matmul(w1) + b1).relu().matmul(w2) + b2).gelu().mean();
    expect(
        backward(loss),
        "
        6 steps, 8458240 bytes of scratch memory
        0: 1048576 elements, reads n0 n1 n2, writes n7
           t4 = matmul n0 n1
           r2 = n2 as [16384, 64]*[0, 1]+0
           r3 = add t4 r2
           r4 = relu r3
           n7 = flush r4
        1: 1048576 elements, reads n7 n3 n4, writes n11 t14 dn4
           t9 = matmul n7 n3
           r2 = n4 as [16384, 64]*[0, 1]+0
           r4 = add t9 r2
           r5 = gelu r4
           n11 <- sum r5
           r5 = gelu'0 r4 0.00000095367431640625
           t14 = flush r5
           dn4 <- sum r5
        2: 1 elements, reads n11, writes n12
           n12 = div n11 1048576
        3: 1048576 elements, reads t14 n3 n7, writes t18 dn2
           t17 = matmul t14 n3 as [64, 64]*[1, 64]+0
           r3 = relu'0 t17 n7 t17
           t18 = flush r3
           dn2 <- sum r3
        4: dn3 = matmul n7 as [64, 16384]*[1, 64]+0 t14
        5: dn1 = matmul n0 as [32, 16384]*[1, 32]+0 t18
        ",
    );
    // By itself a product of constants is computed once.
    let y = (x.matmul(g.tensor(&[0.5f32; 32 * 64], &[32, 64])) + b1).relu();
    y.eval().unwrap();
    expect(
        g.plan_to_text(),
        "
        2 steps, 0 bytes of scratch memory
        0: n14 = matmul n0 n13
        1: 1048576 elements, reads n14 n2, writes n16
           r2 = n2 as [16384, 64]*[0, 1]+0
           r3 = add n14 r2
           r4 = relu r3
           n16 = flush r4
        ",
    );
}

#[test]
fn mlp() {
    let g = &Graph::new();
    let x = g.tensor(&vec![0.5f32; 64 * 128], &[64, 128]);
    let (w1, b1) = (leaf(g, &[128, 32]), leaf(g, &[32]));
    let (w2, b2) = (leaf(g, &[32, 10]), leaf(g, &[10]));
    let loss =
        ((x.matmul(w1) + b1).relu().matmul(w2) + b2).cross_entropy(g.tensor(&[3i64; 64], &[64]));
    expect(
        backward(loss),
        "
        10 steps, 19008 bytes of scratch memory
        0: n5 = matmul n0 n1
        1: 2048 elements, reads n5 n2, writes n7
           r2 = n2 as [64, 32]*[0, 1]+0
           r3 = add n5 r2
           n7 = relu r3
        2: n8 = matmul n7 n3
        3: 64 elements in rows of 64, reads n10, writes n16 t13
           r5 = ne n10 -100
           r6 = cast r5
             n16 = sum r6
             r7 = div'0 1 n16 1
             t13 = neg'0 r7
        4: 640 elements in rows of 10, reads n8 n4 n10 t13, writes n13 t16 dn4
           r3 = n4 as [64, 10]*[0, 1]+0
           r5 = add n8 r3
           r6 = log_softmax r5
             r7 = cross_entropy r6 n10
             n13 <- sum r7
           r5 = unpick t13[0] n10
             r7 = sum r5
           r8 = exp r6
           r6 = along rows r7
           r9 = mul r8 r6
           t16 = sub r5 r9
           dn4 <- sum t16
        5: 1 elements, reads n13 n16, writes n18
           r3 = neg n13
           n18 = div r3 n16
        6: t18 = matmul t16 n3 as [10, 32]*[1, 10]+0
        7: dn3 = matmul n7 as [32, 64]*[1, 32]+0 t16
        8: 2048 elements, reads n7 t18, writes t19 dn2
           t19 = relu'0 t18 n7 t18
           dn2 <- sum t19
        9: dn1 = matmul n0 as [128, 64]*[1, 128]+0 t19
        ",
    );
}

#[test]
fn dropout() {
    let g = &Graph::new();
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
           r6 = mul'0 1 r5 1
           dn0 = tanh'0 r6 r4 r6
        ",
    );
}

#[test]
fn mixed_axes() {
    let g = &Graph::new();
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
           dn0 = sin'0 r2 r3
        ",
    );
}

#[test]
fn middle_axis() {
    let g = &Graph::new();
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
           dn0 = sin'0 r2 r3
        ",
    );
}

#[test]
fn reshape_of_a_transpose() {
    let g = &Graph::new();
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
           t2 = sin'0 1 r6
        1: 2048 elements, reads t2, writes dn0
           r1 = t2 as [64, 32]*[1, 64]+0
           dn0 = copy r1
        ",
    );
}

#[test]
fn norm() {
    let g = &Graph::new();
    let x = leaf(g, &[100_000]);
    let c = g.tensor(&vec![0.5f32; 100_000], &[100_000]);
    expect(
        backward((x / x.norm(2.0, &[], false) * c).sum()),
        "
        5 steps, 400960 bytes of scratch memory
        0: 100000 elements, reads n0, writes n3
           r1 = square n0
           n3 <- sum r1
        1: 1 elements, reads n3, writes n4
           n4 = norm n3
        2: 100000 elements, reads n0 n4 n1, writes n7 t8 t9
           r5 = div n0 n4[0]
           r6 = mul r5 n1
           n7 <- sum r6
           r6 = mul'0 1 n1 1
           t8 = div'0 r6 n4[0] r6
           r7 = div'1 r6 n4[0] r5 r6
           t9 <- sum r7
        3: 1 elements, reads n4 t9, writes t11
           t11 = norm'0 t9 n4 t9
        4: 100000 elements, reads n0 t11 t8, writes dn0
           r4 = square'0 n0 t11[0]
           dn0 = add t8 r4
        ",
    );
}

#[test]
fn bias_of_columns() {
    let g = &Graph::new();
    let (x, b) = (leaf(g, &[512, 64]), leaf(g, &[64]));
    expect(
        backward((x + b).tanh().square().mean()),
        "
        2 steps, 2176 bytes of scratch memory
        0: 32768 elements, reads n0 n1, writes n5 dn0 dn1
           r2 = n1 as [512, 64]*[0, 1]+0
           r4 = add n0 r2
           r5 = tanh r4
           r4 = square r5
           n5 <- sum r4
           r4 = square'0 r5 0.000030517578125
           dn0 = tanh'0 r4 r5 r4
           dn1 <- sum dn0
        1: 1 elements, reads n5, writes n6
           n6 = div n5 32768
        ",
    );
}

#[test]
fn max_rows() {
    let g = &Graph::new();
    let x = leaf(g, &[512, 64]);
    expect(
        backward(x.tanh().max_axes(&[-1], false).sum()),
        "
        5 steps, 137216 bytes of scratch memory
        0: 32768 elements in rows of 64, reads n0, writes n1 n3
           n1 = tanh n0
             r2 = max n1
             n3 <- sum r2
        1: t4 = argmax n1
        2: 512 elements, reads, writes t5
           t5 = copy 1
        3: t6 = scatter_add t5 t4
        4: 32768 elements, reads n1 t6, writes dn0
           dn0 = tanh'0 t6 n1 t6
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
             n7 <- sum r4
           r5 = along rows r4
           r6 = eq r3 r5
           r5 = cast r6
             r4 = sum r5
             r7 = div 1 r4
           r6 = along rows r7
           r8 = mul r5 r6
           dn4 = tanh'0 r8 r3 r8
        ",
    );
}

#[test]
fn logsumexp() {
    let g = &Graph::new();
    let x = leaf(g, &[512, 64]);
    expect(
        backward(x.logsumexp_axes(&[-1], false).sum()),
        "
        1 step, 0 bytes of scratch memory
        0: 32768 elements in rows of 64, reads n0, writes n2 dn0
             r3 = logsumexp n0
             n2 <- sum r3
           r4 = along rows r3
           r5 = sub n0 r4
           r4 = exp r5
           dn0 = mul 1 r4
        ",
    );
    let g = &Graph::new();
    let x = leaf(g, &[512, 64]);
    expect(
        backward(x.logsumexp_axes(&[0], false).sum()),
        "
        2 steps, 0 bytes of scratch memory
        0: 32768 elements in rows of 512, reads n0, writes n1 n2
           r1 = n0 as [64, 512]*[1, 64]+0
             n1 = logsumexp r1
             n2 <- sum n1
        1: 32768 elements, reads n0 n1, writes dn0
           r2 = n1 as [512, 64]*[0, 1]+0
           r4 = sub n0 r2
           r5 = exp r4
           dn0 = mul 1 r5
        ",
    );
}

#[test]
fn attention() {
    let g = &Graph::new();
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
           r4 = along rows r5
           r6 = sub t10 r4
           r4 = mul n6 r6
           t11 = mul'0 r4 0.25 r4
        7: dn0 = matmul t11 n1
        8: t12 = matmul n0 as [4, 16, 32]*[512, 1, 16]+0 t11
        9: 2048 elements, reads t12, writes dn1
           r1 = t12 as [4, 32, 16]*[512, 1, 32]+0
           dn1 = copy r1
        ",
    );
}
