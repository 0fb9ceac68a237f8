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
