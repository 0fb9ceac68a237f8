//! Plans that were once wrong, or were once taken for others.

use bumpgrad::{Graph, Result};

#[test]
fn a_head_is_not_taken_for_one_more_root() -> Result<()> {
    let g = Graph::new();
    let x = g.param(&[2.0f64], &[]);
    let y = x * 3.0;
    g.backward(&[(y, None), (x, None)])?;
    assert_eq!(x.grad::<f64>()?, Some(vec![4.0]));
    g.zero_grad();
    g.backward(&[(y, Some(x))])?;
    assert_eq!(x.grad::<f64>()?, Some(vec![6.0]));
    Ok(())
}

#[test]
fn the_first_node_as_both_operands_does_not_hide_the_others() -> Result<()> {
    let g = Graph::new();
    let x = g.param(&[2.0f64], &[]);
    let (one, ten) = (g.tensor(&[1.0f64], &[]), g.tensor(&[10.0f64], &[]));
    let y = x.pow(x);
    let mark = g.mark();
    let small = g.grad(&[(y, Some(one))], &[x])?[0].item()?;
    g.rewind(mark)?;
    let large = g.grad(&[(y, Some(ten))], &[x])?[0].item()?;
    assert_eq!(large, 10.0 * small);
    Ok(())
}

#[test]
fn a_strided_operand_is_read_again_after_many_constants() -> Result<()> {
    let n = 64;
    let data: Vec<f64> = (0..n * n).map(|i| ((i * 7919) % 997) as f64 * 0.001).collect();
    let run = |fusion: bool| -> Result<Vec<f64>> {
        let g = Graph::new();
        g.set_fusion(fusion);
        let x = g.tensor(&data, &[n, n]);
        let t = x.transpose(0, 1);
        let y = (0..30).fold(t + x, |y, i| y + 0.001 * i as f64);
        (y * t).to_vec()
    };
    assert_eq!(run(true)?, run(false)?);
    Ok(())
}

#[test]
fn long_columns_have_the_log_sum_exp_of_columns() -> Result<()> {
    let g = Graph::new();
    let data: Vec<f64> = (0..27_000).map(|i| ((i * 7919) % 997 * (i % 3)) as f64 * 1e-3).collect();
    let x = g.tensor(&data, &[9000, 3]);
    let y = x.logsumexp_axes(&[0], false).to_vec::<f64>()?;
    let z = x.exp().sum_axes(&[0], false).log().to_vec::<f64>()?;
    assert!(y.iter().zip(&z).all(|(y, z)| (y - z).abs() < 1e-12), "{y:?} is not {z:?}");
    Ok(())
}

#[test]
fn a_leaf_that_was_changed_and_dropped_leaves_no_plan_behind() -> Result<()> {
    let g = Graph::new();
    let z = g.param(&[2.0f64], &[]);
    let mark = g.mark();
    let x = g.tensor(&[3.0f64], &[]);
    let y = x * z;
    x.set_requires_grad(true)?;
    y.backward()?;
    assert_eq!(x.grad::<f64>()?, Some(vec![2.0]));
    g.rewind(mark)?;
    let x = g.tensor(&[3.0f64], &[]);
    (x * z).backward()?;
    assert_eq!(x.grad::<f64>()?, None);
    Ok(())
}

#[test]
fn a_leaf_that_is_changed_while_it_is_the_last_node_is_a_changed_leaf() -> Result<()> {
    let g = Graph::new();
    let z = g.param(&[2.0f64], &[]);
    let x = g.tensor(&[3.0f64], &[]);
    let mark = g.mark();
    x.set_requires_grad(true)?;
    let _unread = x * z;
    x.set_requires_grad(false)?;
    g.rewind(mark)?;
    (x * z).backward()?;
    assert_eq!(x.grad::<f64>()?, None);
    g.rewind(mark)?;
    x.set_requires_grad(true)?;
    (x * z).backward()?;
    assert_eq!(x.grad::<f64>()?, Some(vec![2.0]));
    Ok(())
}
