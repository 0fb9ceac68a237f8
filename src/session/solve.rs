//! Searches for minima of what is recorded, in the data of its leaves.
//!
//! What a search reads is recorded once, as one list of f64: a value and its gradients, or residuals, and
//! their Jacobian, or products with it. Then leaves are written and lists evaluated, with one plan each. In the end the leaves
//! hold the minimum, and what was recorded is dropped.

use super::Session;
use crate::arena::{OutOfMemory, TryPush};
use crate::dtype::{DType, Element, with_float};
use crate::error::{ErrorKind, Fail, Maybe};
use crate::exec::Engine;
use crate::graph::{Core, Handle};
use crate::id::NodeId;
use crate::optim::{Bounds, Curved, Method, Minimum, Objective, Products, Residuals, Stopped};
use crate::transform::moving;

impl Session {
    /// Moves leaves to a minimum of a single element or, by the method for it, of the sum of squares of
    /// many. They are as before if it fails. Bounds, for L-BFGS, are of the leaves' elements, one leaf
    /// after the other.
    pub(crate) fn minimise(
        &mut self,
        method: Method,
        root: Handle,
        parameters: impl ExactSizeIterator<Item = Handle>,
        bounds: Bounds<'_>,
    ) -> Maybe<Minimum> {
        let what = method.name();
        self.check_method(method)?;
        let root = self.core.resolve(what, root)?;
        self.resolve_all(what, parameters)?;
        if self.core.is_torn {
            return Err(self.core.torn(what));
        }
        self.core.need_float(what, root)?;
        self.check_parameters(what)?;
        let len = self.xs.iter().map(|&x| self.core.node(x).len).sum();
        self.check_bounds(what, bounds, len)?;
        self.check_range(what, bounds)?;
        self.for_now("", |session| session.search(method, root, bounds))
    }

    /// Refuses options that make no sense.
    pub(crate) fn check_method(&mut self, method: Method) -> Maybe<()> {
        let what = method.name();
        match method.wrong() {
            None => Ok(()),
            Some((name, range, x)) => Err(self.core.fail(
                ErrorKind::Argument,
                format_args!("{what}: the {name} must be {range}, not {x}"),
            )),
        }
    }

    /// Refuses bounds that are not those of so many variables.
    pub(crate) fn check_bounds(&mut self, what: &str, bounds: Bounds<'_>, len: usize) -> Maybe<()> {
        match bounds.wrong(len) {
            None => Ok(()),
            Some(wrong) => {
                Err(self.core.fail(ErrorKind::Argument, format_args!("{what}: {wrong}")))
            }
        }
    }

    /// Refuses bounds that leave no number of a leaf's type.
    fn check_range(&mut self, what: &str, bounds: Bounds<'_>) -> Maybe<()> {
        let all = self.xs.iter().flat_map(|&x| {
            let node = self.core.node(x);
            (0..node.len).map(move |_| node.dtype == DType::F32)
        });
        let largest = f64::from(f32::MAX);
        let none = all.enumerate().find_map(|(i, is_single)| {
            let (lower, upper) = bounds.of(i);
            (is_single && (lower > largest || upper < -largest)).then_some((i, lower, upper))
        });
        match none {
            None => Ok(()),
            Some((i, lower, upper)) => Err(self.core.fail(
                ErrorKind::Argument,
                format_args!(
                    "{what}: the bounds of variable {i} are {lower} and {upper}, which no f32 is between"
                ),
            )),
        }
    }

    fn check_parameters(&mut self, what: &str) -> Maybe<()> {
        let Self { core, xs, others: sorted, .. } = self;
        if xs.is_empty() {
            return Err(
                core.fail(ErrorKind::Argument, format_args!("{what}: there must be a parameter"))
            );
        }
        for &x in &*xs {
            core.need_leaf(what, x)?;
            core.need_float(what, x)?;
        }
        sorted.clear();
        sorted.try_room(xs.len()).map_err(|_| core.out_of_memory(what))?;
        xs.iter().for_each(|&x| sorted.push_within(x));
        sorted.sort_unstable();
        match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            None => Ok(()),
            Some(pair) => {
                let x = pair[0];
                Err(core.fail(
                    ErrorKind::Argument,
                    format_args!("{what}: {x} is in the list more than once"),
                ))
            }
        }
    }

    /// Refuses a parameter from which no derivative leads to what is minimised.
    fn check_paths(&mut self, what: &str, root: NodeId) -> Maybe<()> {
        let Self { core, xs, between, .. } = self;
        let found = between.find(core, xs, &[root], |id| moving(core, id));
        found.map_err(|_| core.out_of_memory(what))?;
        match xs.iter().position(|&x| !between.leads(x)) {
            None => Ok(()),
            Some(i) => Err(core.fail_with(|core, slot| {
                let (x, leaf) = (xs[i], core.describe(xs[i]));
                slot.set(
                    ErrorKind::Gradient,
                    format_args!(
                        "{what}: parameter {i}, {x}, {leaf}, is not used by what is minimised: leave it out"
                    ),
                )
            })),
        }
    }

    fn search(&mut self, method: Method, root: NodeId, bounds: Bounds<'_>) -> Maybe<Minimum> {
        let what = method.name();
        let count = self.core.node(root).len;
        let lists = self.attempt(what, |session| {
            session.check_paths(what, root)?;
            session.record_lists(method, root)
        })?;
        let Self { core, engine, xs, others, .. } = self;
        let elements = parameters_of(core, xs);
        let (mut x, before) = elements.map_err(|_| core.out_of_memory(what))?;
        core.is_torn = true;
        let mut recorded = Recorded { core, engine, parameters: xs, tangents: others, lists };
        let found = match method {
            Method::Lbfgs(lbfgs) => lbfgs.minimise(&mut recorded, &mut x, bounds),
            Method::TrustRegion(region) => region.minimise(&mut recorded, &mut x),
            Method::Levenberg(levenberg) if levenberg.matrix_free => {
                levenberg.fit_by_products(&mut recorded, count, &mut x)
            }
            Method::Levenberg(levenberg) => levenberg.fit(&mut recorded, count, &mut x),
        };
        write_lists(core, xs, if found.is_ok() { &x } else { &before });
        core.is_torn = false;
        found.map_err(|stopped| match stopped {
            Stopped::Memory => core.out_of_memory(what),
            Stopped::Failed => Fail,
        })
    }

    /// Records the lists that a method reads, and leaves for vectors to multiply by, which are in `others`
    /// then.
    fn record_lists(&mut self, method: Method, root: NodeId) -> Maybe<Lists> {
        let what = method.name();
        let none = NodeId::NONE;
        self.others.clear();
        let mut out = Vec::new();
        // One more, for the value.
        let room = out.try_extend_to(self.xs.len() + 1, none);
        room.map_err(|_| self.core.out_of_memory(what))?;
        if let Method::Levenberg(levenberg) = method {
            let residuals = self.core.flat(what, root)?;
            return match levenberg.matrix_free {
                true => self.record_products(what, residuals, &mut out),
                false => self.record_matrix(what, residuals, &mut out),
            };
        }
        let Self { core, xs, .. } = self;
        if core.node(root).len != 1 {
            return Err(core.fail_with(|core, slot| {
                let root = core.describe(root);
                slot.set(
                    ErrorKind::Shape,
                    format_args!("{what}: what is minimised must be a single element, not {root}"),
                )
            }));
        }
        out[0] = root;
        core.record_grad(&[(root, None)], xs, false, &mut out[1..])?;
        let value = core.joined(what, &mut out)?;
        let mut lists = Lists { value, second: none, reverse: none, head: none };
        if let Method::TrustRegion(_) = method {
            self.make_tangents(what)?;
            let Self { core, xs, others, between, .. } = self;
            core.record_hvp(between, root, xs, others, &mut out[1..])?;
            lists.second = core.joined(what, &mut out[1..])?;
        }
        Ok(lists)
    }

    /// Residuals and their Jacobian.
    fn record_matrix(&mut self, what: &str, residuals: NodeId, out: &mut [NodeId]) -> Maybe<Lists> {
        let Self { core, xs, between, .. } = self;
        let count = core.node(residuals).len;
        for (to, &x) in out.iter_mut().zip(&*xs) {
            let len = core.node(x).len;
            let part = core.record_jacobian(between, residuals, x, None)?;
            let part = core.reshape_to(what, part, &[count, len])?;
            *to = core.cast(part, DType::F64)?;
        }
        let second = core.concat(&out[..xs.len()], 1)?;
        Ok(Lists { value: residuals, second, reverse: NodeId::NONE, head: NodeId::NONE })
    }

    /// Residuals, and the products of their Jacobian, and of its transpose, with a vector.
    fn record_products(
        &mut self,
        what: &str,
        residuals: NodeId,
        out: &mut [NodeId],
    ) -> Maybe<Lists> {
        self.make_tangents(what)?;
        let Self { core, xs, others, between, .. } = self;
        if let Some(&x) = xs.iter().find(|&&x| !core.node(x).requires_grad) {
            return Err(core.fail_with(|core, slot| {
                let leaf = core.describe(x);
                slot.set(
                    ErrorKind::Gradient,
                    format_args!(
                        "{what}: without the matrix parameters must require grad, as {x}, {leaf}, does not"
                    ),
                )
            }));
        }
        let head = core.new_leaf(what, DType::F64, &[core.node(residuals).len])?;
        core.clear_leaf(head);
        let out = &mut out[..xs.len()];
        core.record_jvp(between, &[residuals], xs, others, &mut out[..1])?;
        let second = core.flat(what, out[0])?;
        core.record_grad(&[(residuals, Some(head))], xs, false, out)?;
        let reverse = core.joined(what, out)?;
        Ok(Lists { value: residuals, second, reverse, head })
    }

    /// A leaf of zeros for each parameter.
    fn make_tangents(&mut self, what: &str) -> Maybe<()> {
        let Self { core, xs, others, .. } = self;
        others.clear();
        others.try_room(xs.len()).map_err(|_| core.out_of_memory(what))?;
        for &x in &*xs {
            let (dtype, dims) = (core.node(x).dtype, core.shape(x));
            let tangent = core.new_leaf(what, dtype, &dims)?;
            core.clear_leaf(tangent);
            others.push_within(tangent);
        }
        Ok(())
    }
}

impl Core {
    /// Fills a new leaf with zeros.
    fn clear_leaf(&mut self, leaf: NodeId) {
        let bytes = self.node(leaf).len * self.node(leaf).dtype.size();
        if let Some(buffer) = self.state(leaf).value() {
            // SAFETY: the leaf's buffer has as many bytes; zero bytes are float zeros.
            unsafe { buffer.as_ptr().write_bytes(0, bytes) };
        }
    }

    /// A node's elements as a list of f64.
    fn flat(&mut self, what: &str, x: NodeId) -> Maybe<NodeId> {
        let x = self.cast(x, DType::F64)?;
        let len = self.node(x).len;
        self.reshape_to(what, x, &[len])
    }

    /// All elements of nodes as one list of f64.
    fn joined(&mut self, what: &str, xs: &mut [NodeId]) -> Maybe<NodeId> {
        for x in xs.iter_mut() {
            *x = self.flat(what, *x)?;
        }
        self.concat(xs, 0)
    }
}

/// What a search reads.
#[derive(Clone, Copy)]
struct Lists {
    /// A value and its gradients; or residuals.
    value: NodeId,
    /// The products of the Hessian or of the Jacobian with the tangents; or the Jacobian.
    second: NodeId,
    /// The product of the transposed Jacobian with the head, which is a leaf.
    reverse: NodeId,
    head: NodeId,
}

/// What a search asks for, from leaves and lists.
struct Recorded<'a> {
    core: &'a mut Core,
    engine: &'a mut Engine,
    parameters: &'a [NodeId],
    tangents: &'a [NodeId],
    lists: Lists,
}

impl Recorded<'_> {
    fn list(&mut self, id: NodeId) -> Result<&[f64], Stopped> {
        self.engine.evaluate(self.core, id).map_err(|Fail| Stopped::Failed)?;
        Ok(self.core.values(id))
    }
}

impl Objective for Recorded<'_> {
    fn value(&mut self, x: &[f64], gradient: &mut [f64]) -> Result<f64, Stopped> {
        write_lists(self.core, self.parameters, x);
        let list = self.list(self.lists.value)?;
        gradient.copy_from_slice(&list[1..]);
        Ok(list[0])
    }
}

impl Curved for Recorded<'_> {
    fn hessian(&mut self, vector: &[f64], out: &mut [f64]) -> Result<(), Stopped> {
        write_lists(self.core, self.tangents, vector);
        out.copy_from_slice(self.list(self.lists.second)?);
        Ok(())
    }

    fn move_to(&mut self, x: &[f64]) -> Result<(), Stopped> {
        write_lists(self.core, self.parameters, x);
        Ok(())
    }
}

impl Residuals for Recorded<'_> {
    fn residuals(&mut self, x: &[f64], out: &mut [f64]) -> Result<(), Stopped> {
        write_lists(self.core, self.parameters, x);
        out.copy_from_slice(self.list(self.lists.value)?);
        Ok(())
    }

    fn jacobian(&mut self, x: &[f64], out: &mut [f64]) -> Result<(), Stopped> {
        write_lists(self.core, self.parameters, x);
        out.copy_from_slice(self.list(self.lists.second)?);
        Ok(())
    }
}

impl Products for Recorded<'_> {
    fn residuals(&mut self, x: &[f64], out: &mut [f64]) -> Result<(), Stopped> {
        Residuals::residuals(self, x, out)
    }

    fn forward(&mut self, v: &[f64], out: &mut [f64]) -> Result<(), Stopped> {
        self.hessian(v, out)
    }

    fn reverse(&mut self, u: &[f64], out: &mut [f64]) -> Result<(), Stopped> {
        write_lists(self.core, &[self.lists.head], u);
        out.copy_from_slice(self.list(self.lists.reverse)?);
        Ok(())
    }

    fn move_to(&mut self, x: &[f64]) -> Result<(), Stopped> {
        Curved::move_to(self, x)
    }
}

/// The elements of leaves, one after the other, twice.
fn parameters_of(core: &Core, leaves: &[NodeId]) -> Result<(Vec<f64>, Vec<f64>), OutOfMemory> {
    let len = leaves.iter().map(|&leaf| core.node(leaf).len).sum();
    let (mut x, mut copy) = (Vec::new(), Vec::new());
    x.try_room(len)?;
    copy.try_room(len)?;
    for &leaf in leaves {
        with_float!(core.node(leaf).dtype, T => {
            core.values::<T>(leaf).iter().for_each(|&element| x.push_within(element.to_f64()));
        });
    }
    x.iter().for_each(|&element| copy.push_within(element));
    Ok((x, copy))
}

/// Writes leaves, one after the other.
fn write_lists(core: &mut Core, leaves: &[NodeId], x: &[f64]) {
    let mut rest = x;
    for &leaf in leaves {
        let (here, after) = rest.split_at(core.node(leaf).len);
        write_list(core, leaf, |i| here[i]);
        rest = after;
    }
}

/// Writes a leaf, unless nothing would change.
fn write_list(core: &mut Core, leaf: NodeId, x: impl Fn(usize) -> f64) {
    let (dtype, len) = (core.node(leaf).dtype, core.node(leaf).len);
    with_float!(dtype, T => {
        let start = core.state(leaf).value().map(|buffer| buffer.as_ptr().cast::<T>());
        let Some(start) = start else { unreachable!("a leaf has a value") };
        // SAFETY: the leaf's buffer has `len` elements of this type, and nothing else refers to them now.
        let values = unsafe { std::slice::from_raw_parts_mut(start, len) };
        let mut is_changed = false;
        for (i, value) in values.iter_mut().enumerate() {
            let new = T::from_f64(x(i));
            is_changed |= new.to_bits() != value.to_bits();
            *value = new;
        }
        if is_changed {
            core.touch(leaf);
        }
    });
}
