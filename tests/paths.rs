//! Along which paths gradients flow: those that were recorded with them, whatever is set later, and
//! also where all derivatives on the way are zero.

use bumpgrad::{Graph, Result, Var};

type Binary = for<'g> fn(&'g Graph, Var<'g>, Var<'g>) -> Var<'g>;

/// Operations of two tensors of shape [3, 3]; both are differentiable everywhere.
const BINARY: [(&str, Binary); 16] = [
    ("add", |_, x, w| x + w),
    ("mul", |_, x, w| x * w),
    ("div", |_, x, w| x / w),
    ("pow", |_, x, w| x.pow(w)),
    ("atan2", |_, x, w| x.atan2(w)),
    ("maximum", |_, x, w| x.maximum(w)),
    ("matmul", |_, x, w| x.matmul(w)),
    ("matmul of transposed", |_, x, w| x.transpose(0, 1).matmul(w.transpose(0, 1))),
    ("concat", |g, x, w| g.concat(&[x, w, x], 1)),
    ("stack", |g, x, w| g.stack(&[w, x], 0)),
    ("where", |_, x, w| x.gt(w).where_(x, w)),
    ("softmax", |_, x, w| (x * w).softmax(1)),
    ("logsumexp", |_, x, w| (x + w).logsumexp_axes(&[0], false)),
    ("slice", |_, x, w| (x.slice(0, 0, 2, 1) * w.slice(0, 1, 3, 1)).exp()),
    ("norm", |_, x, w| (x * w).norm(2.0, &[1], false)),
    ("prod", |_, x, w| (x * w).prod_axes(&[1], false)),
];

fn leaves(g: &Graph) -> [Var<'_>; 2] {
    let data = [0.5, 1.5, 2.0, 0.75, 1.25, 3.0, 0.1, 0.9, 1.1];
    let other: Vec<f64> = data.iter().map(|x| 2.2 - x * 0.5).collect();
    [g.param(&data, &[3, 3]), g.tensor(&other, &[3, 3])]
}

#[test]
fn a_leaf_that_is_made_a_parameter_later_gets_no_gradient_through_what_was_recorded_before()
-> Result<()> {
    for (name, op) in BINARY {
        let g = Graph::new();
        let [x, w] = leaves(&g);
        let want = {
            op(&g, x, w).sin().sum().backward()?;
            let grad = x.grad::<f64>()?.unwrap();
            g.zero_grad();
            grad
        };
        let mark = g.mark();
        for replayed in [false, true] {
            w.set_requires_grad(false)?;
            let y = op(&g, x, w).sin().sum();
            let dx = g.grad(&[(y, None)], &[x])?[0];
            if replayed {
                y.backward()?;
                g.zero_grad();
            }
            w.set_requires_grad(true)?;
            // Neither the first gradient goes there, nor that of a gradient recorded before.
            y.backward()?;
            assert_eq!(x.grad::<f64>()?.unwrap(), want, "{name}");
            assert!(w.grad::<f64>()?.is_none(), "{name}");
            dx.square().sum().backward()?;
            assert!(w.grad::<f64>()?.is_none(), "{name}: of a gradient");
            assert!(g.grad(&[(y, None)], &[w]).is_err(), "{name}");
            assert!(g.grad_allow_unused(&[(dx.sum(), None)], &[w])?[0].is_none(), "{name}");
            g.zero_grad();
            // What is recorded from now on goes there.
            op(&g, x, w).sin().sum().backward()?;
            assert_eq!(x.grad::<f64>()?.unwrap(), want, "{name}");
            assert!(w.grad::<f64>()?.unwrap().iter().all(|g| g.is_finite()), "{name}");
            g.zero_grad();
            g.rewind(mark)?;
        }
    }
    Ok(())
}

type Unary = for<'g> fn(Var<'g>) -> Var<'g>;

/// How often each can be differentiated until all that is left is zero, at most.
const POLYNOMIALS: [(&str, Unary, usize); 12] = [
    ("relu", |x| x.relu(), 1),
    ("abs", |x| x.abs(), 1),
    ("neg", |x| -x, 1),
    ("sign", |x| x.sign(), 0),
    ("floor", |x| x.floor(), 0),
    ("ceil", |x| x.ceil(), 0),
    ("round", |x| x.round(), 0),
    ("square", |x| x.square(), 2),
    ("pow", |x| x.pow_scalar(3.0), 3),
    ("clamp", |x| x.clamp(Some(-1.0), Some(9.0)), 1),
    ("scale", |x| x * 3.0, 1),
    ("maximum", |x| x.maximum(x.detach() - 1.0), 1),
];

#[test]
fn a_path_counts_as_used_where_its_derivative_is_zero() -> Result<()> {
    for (name, op, order) in POLYNOMIALS {
        for fused in [true, false] {
            let g = Graph::new();
            g.set_fusion(fused);
            let x = g.param(&[0.5, 2.0, -0.25, 1.75], &[4]);
            let mut y = op(x);
            let mut orders = 0;
            while y.requires_grad()? {
                let dy = g.grad(&[(y.sum(), None)], &[x])?[0];
                let values = dy.to_vec::<f64>()?;
                if orders >= order {
                    assert_eq!(values, [0.0; 4], "{name}, order {}", orders + 1);
                }
                g.zero_grad();
                y.sum().backward()?;
                assert_eq!(x.grad::<f64>()?.unwrap(), values, "{name}, order {}", orders + 1);
                y = dy;
                orders += 1;
                assert!(orders < 10, "{name}: a constant that says it requires a gradient");
            }
            assert!(orders >= order.max(1), "{name}: {orders} orders");
        }
    }
    Ok(())
}

#[test]
fn zeros_reach_all_parameters_whatever_is_beside_them() -> Result<()> {
    let g = Graph::new();
    let (x, w) = (g.param(&[0.0, f64::INFINITY], &[2]), g.param(&[f64::NAN, 3.0], &[2]));
    // No arithmetic with what is not finite: 0 times infinity would be NaN.
    (x * w).floor().sum().backward()?;
    assert_eq!(x.grad::<f64>()?.unwrap(), [0.0, 0.0]);
    assert_eq!(w.grad::<f64>()?.unwrap(), [0.0, 0.0]);
    let grads = g.grad(&[((x / w).sign().sum(), None)], &[x, w])?;
    for grad in grads {
        assert_eq!(grad.to_vec::<f64>()?, [0.0, 0.0]);
    }
    Ok(())
}
