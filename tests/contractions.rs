//! Contractions of random equations are what plain loops make of them, to any order and for many operands;
//! attention moves no data; and messages say what would be right.

use bumpgrad::{DType, Graph, Reduce, Var};

/// A small generator, so that cases are the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        self.0 >> 33
    }

    fn below(&mut self, n: usize) -> usize {
        self.next() as usize % n
    }

    fn number(&mut self) -> f64 {
        self.below(4001) as f64 / 1000.0 - 2.0
    }

    fn numbers(&mut self, len: usize) -> Vec<f64> {
        (0..len).map(|_| self.number()).collect()
    }
}

const LABELS: &[u8] = b"abcdeZ";

/// A random equation with its operands' shapes.
struct Case {
    inputs: Vec<Vec<usize>>,
    output: Vec<usize>,
    /// By label.
    lens: Vec<usize>,
    /// Each operand's own: some are of length 1 and repeated.
    shapes: Vec<Vec<usize>>,
}

impl Case {
    fn new(random: &mut Random) -> Self {
        let kinds = 1 + random.below(LABELS.len());
        let lens: Vec<usize> = (0..kinds).map(|_| [1, 2, 2, 3, 3, 0][random.below(6)]).collect();
        // Empty ones seldom: most of them say little.
        let lens: Vec<usize> =
            lens.iter().map(|&len| if len == 0 && random.below(4) > 0 { 2 } else { len }).collect();
        let count = 1 + random.below(9);
        let inputs: Vec<Vec<usize>> = (0..count)
            .map(|_| (0..random.below(4)).map(|_| random.below(kinds)).collect())
            .collect();
        let shapes = inputs
            .iter()
            .map(|labels: &Vec<usize>| {
                let is_one: Vec<bool> = (0..kinds).map(|_| random.below(8) == 0).collect();
                labels.iter().map(|&label| if is_one[label] { 1 } else { lens[label] }).collect()
            })
            .collect();
        let mut used: Vec<usize> =
            (0..kinds).filter(|label| inputs.iter().any(|input| input.contains(label))).collect();
        let mut output = Vec::new();
        while !used.is_empty() && random.below(3) > 0 {
            output.push(used.swap_remove(random.below(used.len())));
        }
        let mut case = Self { inputs, output, lens, shapes };
        // Where all are 1, so is the label.
        for label in 0..kinds {
            let longest = case.axes().filter(|&(own, len)| own == label && len != 1).last();
            case.lens[label] = longest.map_or(1, |(_, len)| len);
        }
        case
    }

    fn axes(&self) -> impl Iterator<Item = (usize, usize)> {
        let both = self.inputs.iter().zip(&self.shapes);
        both.flat_map(|(labels, dims)| labels.iter().copied().zip(dims.iter().copied()))
    }

    fn equation(&self) -> String {
        let text = |labels: &Vec<usize>| -> String {
            labels.iter().map(|&label| char::from(LABELS[label])).collect()
        };
        let inputs: Vec<_> = self.inputs.iter().map(text).collect();
        format!("{}->{}", inputs.join(","), text(&self.output))
    }

    /// By definition.
    fn value(&self, xs: &[Vec<f64>]) -> Vec<f64> {
        let len = |labels: &[usize]| labels.iter().map(|&label| self.lens[label]).product();
        let mut out = vec![0.0; len(&self.output)];
        let total: usize = self.lens.iter().product();
        for place in 0..total {
            let mut at = vec![0; self.lens.len()];
            let mut left = place;
            for (at, &len) in at.iter_mut().zip(&self.lens) {
                (*at, left) = (left % len, left / len);
            }
            // Labels that nobody has are at 0 only.
            let product: f64 = xs
                .iter()
                .zip(self.inputs.iter().zip(&self.shapes))
                .map(|(x, (labels, dims))| {
                    let mut index = 0;
                    for (&label, &len) in labels.iter().zip(dims) {
                        index = index * len + if len == 1 { 0 } else { at[label] };
                    }
                    x[index]
                })
                .product();
            let mut index = 0;
            for &label in &self.output {
                index = index * self.lens[label] + at[label];
            }
            out[index] += product;
        }
        out
    }

    fn check(&self, random: &mut Random) {
        let graph = Graph::new();
        let len = |dims: &[usize]| dims.iter().product::<usize>();
        let data: Vec<_> = self.shapes.iter().map(|dims| random.numbers(len(dims))).collect();
        let xs: Vec<Var<'_>> =
            data.iter().zip(&self.shapes).map(|(data, dims)| graph.param(data, dims)).collect();
        let equation = self.equation();
        let y = graph.einsum(&equation, &xs);
        graph.check().unwrap_or_else(|error| panic!("{equation} of {:?}: {error}", self.shapes));
        let close = |got: &[f64], want: &[f64], what: &str| {
            let size = want.iter().fold(1.0f64, |size, x| size.max(x.abs()));
            let fits = got.len() == want.len()
                && got.iter().zip(want).all(|(a, b)| (a - b).abs() <= 1e-11 * size);
            assert!(fits, "{what} of {equation} of {:?}: {got:?}, not {want:?}", self.shapes);
        };
        let want_shape: Vec<_> = self.output.iter().map(|&label| self.lens[label]).collect();
        assert_eq!(y.shape().unwrap(), want_shape, "{equation} of {:?}", self.shapes);
        close(&y.to_vec::<f64>().unwrap(), &self.value(&data), "value");
        // It is linear in each operand: its gradient times a direction is the value there.
        let head = random.numbers(len(&want_shape));
        let grads = graph.grad(&[(y, Some(graph.tensor(&head, &want_shape)))], &xs).unwrap();
        for (k, grad) in grads.iter().enumerate() {
            let mut other = data.clone();
            other[k] = random.numbers(data[k].len());
            let value = self.value(&other);
            let want: f64 = value.iter().zip(&head).map(|(a, b)| a * b).sum();
            let grad = grad.to_vec::<f64>().unwrap();
            let got: f64 = grad.iter().zip(&other[k]).map(|(a, b)| a * b).sum();
            let size: f64 = grad.iter().zip(&other[k]).map(|(a, b)| (a * b).abs()).sum();
            assert!(
                (got - want).abs() <= 1e-11 * size.max(1.0),
                "gradient {k} of {equation} of {:?}: {got}, not {want}",
                self.shapes
            );
        }
    }
}

#[test]
fn random_equations_are_what_loops_make_of_them() {
    let mut random = Random(7);
    for _ in 0..400 {
        Case::new(&mut random).check(&mut random);
    }
}

/// Neither of the two products of attention copies an operand: both read the tensors where they lie.
#[test]
fn attention_is_two_products_without_copies() {
    let graph = Graph::new();
    let tensor = || graph.normal::<f32>(&[2, 40, 3, 16], 0.0, 1.0);
    let (q, k, v) = (tensor(), tensor(), tensor());
    let weights = graph.einsum("bqhd,bkhd->bhqk", &[q, k]).softmax(-1);
    let y = graph.einsum("bhqk,bkhd->bqhd", &[weights, v]);
    y.to_vec::<f32>().unwrap();
    let plan = graph.plan_to_text();
    assert_eq!(plan.matches("matmul").count(), 2, "{plan}");
    // The result alone is in another order than the product.
    assert_eq!(plan.matches("copy").count(), 1, "{plan}");
}

/// A chain of matrices is multiplied from the end at which there is a vector.
#[test]
fn the_cheapest_order_is_taken() {
    let graph = Graph::new();
    let [a, b, c] = [(); 3].map(|()| graph.normal::<f32>(&[50, 50], 0.0, 1.0));
    let x = graph.normal::<f32>(&[50], 0.0, 1.0);
    let y = graph.einsum("ij,jk,kl,l->i", &[a, b, c, x]);
    let by_hand = a.matmul(b.matmul(c.matmul(x)));
    let (y, by_hand) = (y.to_vec::<f32>().unwrap(), by_hand.to_vec::<f32>().unwrap());
    // The same products in the same order: the same bits.
    assert_eq!(y, by_hand);
}

#[test]
fn messages_say_what_would_be_right() {
    let graph = Graph::new();
    let x = |dims: &[usize]| graph.zeros::<f64>(dims);
    let classes = graph.tensor(&[0i64, 1], &[2]);
    let einsum = |equation: &str, shapes: &[&[usize]]| {
        let xs: Vec<_> = shapes.iter().map(|dims| x(dims)).collect();
        graph.einsum(equation, &xs)
    };
    let check = |message: &str, y: Var<'_>| {
        assert!(y.is_null(), "{message}");
        let error = graph.check().unwrap_err();
        assert!(error.message().contains(message), "{message}: {error}");
    };
    check("einsum: needs an operand", einsum("", &[]));
    check("\"i,j\" has subscripts for 2 operands, not for 1", einsum("i,j", &[&[2]]));
    check("\"i\" has subscripts for 1 operands, not for 2", einsum("i", &[&[2], &[2]]));
    check("at position 3 of \"ij,1k->ik\": '1'", einsum("ij,1k->ik", &[&[2, 2], &[2, 2]]));
    check(
        "at position 1 of \"i.->i\": '.' where an ellipsis has three dots",
        einsum("i.->i", &[&[2]]),
    );
    check("one ellipsis", einsum("...i...", &[&[2]]));
    check("one arrow", einsum("i->i->i", &[&[2]]));
    check("one arrow", einsum("i - > i", &[&[2]]));
    check("there is one result", einsum("i->i,i", &[&[2]]));
    check("'é'", einsum("é", &[&[2]]));
    check("has 1 labels for the 2 axes of operand 0, [2, 3]", einsum("i", &[&[2, 3]]));
    check("has 3 labels for the 2 axes of operand 0, [2, 3]", einsum("i...jk", &[&[2, 3]]));
    check(
        "label 'k' of \"ik,kj\" is for an axis of 4 elements of operand 1, [4, 2], and of 3",
        einsum("ik,kj", &[&[2, 3], &[4, 2]]),
    );
    check("axis -1 of the ellipsis", einsum("...,...", &[&[2, 3], &[4]]));
    check(
        "axes of 2 and 3 elements of operand 0, [2, 3], which has no diagonal",
        einsum("BB", &[&[2, 3]]),
    );
    check("label 'k' of \"i->k\": no operand has it", einsum("i->k", &[&[2]]));
    check("label 'i' of \"i->ii\": the result has it twice", einsum("i->ii", &[&[2]]));
    check("more than 8 axes", einsum("abcde,fghij", &[&[1; 5], &[1; 5]]));
    check("no tensor has more than 8 axes", einsum("abcdefghi", &[&[1; 8]]));
    check(
        "a product of two operands has more than 8 axes",
        einsum("abcdefgh,abijklmn,cdeijkop,fghlmnop", &[&[2; 8], &[2; 8], &[2; 8], &[2; 8]]),
    );
    check(
        "einsum: operands are f64 and f32",
        graph.einsum("i,i", &[x(&[2]), x(&[2]).cast(DType::F32)]),
    );
    check("tensordot: axis 1 of", x(&[2, 3]).tensordot(x(&[2, 4]), &[1], &[1]));
    check("appears twice", x(&[2, 2]).tensordot(x(&[2, 2]), &[0, -2], &[0, 1]));
    check("pairs of axes", x(&[2, 2]).tensordot(x(&[2, 2]), &[0], &[0, 1]));
    check("linear: needs [..., inputs]", x(&[2, 3]).linear(x(&[3, 2]), x(&[2])));
    check(
        "addmm: [3] is not broadcast to the product, [2, 2]",
        x(&[3]).addmm(x(&[2, 2]), x(&[2, 2]), 1.0, 1.0),
    );
    check("cross: needs operands of one rank, with 3", x(&[2]).cross(x(&[2]), 0));
    check("kron: needs operands of rank 4", x(&[1; 5]).kron(x(&[2])));
    check("l1_loss: needs tensors of one shape", x(&[2, 1]).l1_loss(x(&[2]), Reduce::Mean));
    check("nll_loss: needs [rows, classes, ...]", x(&[3, 2]).nll_loss(classes, Reduce::Mean));
    check("nll_loss: indices must be i64", x(&[2, 2]).nll_loss(x(&[2]), Reduce::Mean));
    check(
        "label smoothing must be from 0 to 1, not 2",
        x(&[2, 2]).cross_entropy_with(classes, 2.0, Reduce::Mean),
    );
    check(
        "needs a weight for each of 2 classes, not [3]",
        x(&[2, 2]).nll_loss_weighted(classes, x(&[3]), Reduce::Mean),
    );
    check(
        "layer_norm: needs a weight in the shape of the last axes",
        x(&[2, 3]).layer_norm(x(&[2]), x(&[2]), 1e-5),
    );
    check("cdist: p must not be negative, and is -1", x(&[2, 3]).cdist(x(&[2, 3]), -1.0));
}
