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
