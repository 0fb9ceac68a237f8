#!/usr/bin/env python3
"""Writes tests/golden/torch_func.json: what the transforms of torch.func say of every operation.

    python3 -m venv venv
    venv/bin/pip install torch==2.15.0 numpy
    venv/bin/python tests/golden/torch_func.py

The operations and their operands are those of generate.py, of which it takes the smallest cases: a few an
operation, with different parameters. One case on each line:

    op, note, inputs, params, value, head, probe    as in the other files
    jvp          how the value moves when each input moves by its probe: torch.func.jvp
    jacobian     per input, the derivatives in the value's shape and then the input's: jacrev
    hessian      per input, the second derivatives of <head, value>: torch.func.hessian, or, where that has no
                 forward rule, jacrev twice
    jvp_of_grad  per input, how the gradient of <head, value> moves when all inputs move by their probes
    batches      for all inputs with one more axis, and for each alone: `in`, which; and of the second
                 element, in which these inputs have their data in reverse, `value` and, by torch.func.vmap
                 of torch.func.grad, `gradients` of <head, value>
    skipped      which of these PyTorch does not do for this operation, and why not

Before a number is written it is compared with the same by another way of PyTorch's own: jvp with the gradient,
jacrev and hessian with a loop of gradients and with jacfwd, jvp of grad with grad of jvp and with the double
backward of generate.py, and a batch with its elements one by one. What disagrees is skipped. (In PyTorch 2.15
forward mode is wrong for products of scatter_reduce, and jacrev for cdist.)"""

import json
import re
import sys
import warnings

import generate as golden
import numpy as np
import torch
from torch.func import grad, hessian, jacfwd, jacrev, jvp, vmap

# Sizes up to which a case is taken, unless all are larger, and its matrices are written.
ELEMENTS, MATRIX = 12, 40
# Cases of one operation, at most.
CASES = 3


class Disagreement(Exception):
    pass


def same(a, b, what, tolerance):
    a, b = (np.asarray(x.detach().double().numpy(force=True) if torch.is_tensor(x) else x, float).ravel() for x in (a, b))
    scale = max(1.0, np.abs(b[np.isfinite(b)]).max(initial=0))
    if a.shape != b.shape or not np.allclose(a, b, rtol=0, atol=tolerance * scale, equal_nan=True):
        raise Disagreement(f"with {what}")


def reason(error):
    """The first words of an error, without what differs from run to run."""
    text = re.sub(r"\s+", " ", str(error)).strip()
    return f"{type(error).__name__}: {text}"[:90]


def loop(function, xs, k):
    """The Jacobian by the input of this number: a gradient for each element, one by one."""
    xs = [x.clone().requires_grad_() for x in xs]
    y = function(*xs).reshape(-1)
    found = [torch.autograd.grad(e, xs[k], retain_graph=True, allow_unused=True)[0] if y.requires_grad else None
             for e in y]
    return torch.stack([torch.zeros_like(xs[k]) if g is None else g for g in found])


class Asked:
    """One case, and what is asked about it."""

    def __init__(self, case, fn, inputs):
        self.case, self.fn = case, fn
        self.xs = [torch.tensor(x) for x in inputs]
        gradients = case.get("grads") or [None] * len(inputs)
        self.by = [k for k, g in enumerate(gradients) if g is not None]
        self.out = {key: case[key] for key in ("op", "note", "inputs", "params", "value")}
        self.skipped = {}
        if self.by:
            probes = case.get("probe") or [golden.flat(np.ones(x.shape)) if k in self.by else None
                                           for k, x in enumerate(inputs)]
            self.out.update(head=case["head"], probe=probes)
            self.head = torch.tensor(golden.unflat(case["head"], case["value"]["shape"]))
            self.probes = tuple(torch.tensor(golden.unflat(probes[k], self.xs[k].shape)) for k in self.by)
        # (A cast rounds in one mode before and in the other after.)
        self.tolerance = 1e-7 if case["value"]["dtype"] == "f32" else 1e-11

    def of(self, xs):
        return [xs[k] for k in self.by]

    def value(self, *moving, xs=None):
        """The value, as a function of the inputs that have gradients."""
        all_inputs = list(self.xs if xs is None else xs)
        for k, x in zip(self.by, moving):
            all_inputs[k] = x
        return self.fn(*all_inputs).double()

    def scalar(self, *moving):
        return (self.head * self.value(*moving)).sum()

    def attempt(self, key, ask):
        try:
            return ask()
        except Exception as error:  # whatever PyTorch raises
            self.skipped[key] = reason(error)
            return None

    def spread(self, found):
        """One entry for each input."""
        found = iter(found)
        return [golden.flat(next(found).detach().numpy(force=True)) if k in self.by else None for k in range(len(self.xs))]

    def write(self, key, value):
        if value is not None:
            self.out[key] = value

    def derivatives(self):
        moving, places = tuple(self.of(self.xs)), tuple(range(len(self.by)))
        result = int(np.prod(self.case["value"]["shape"]))
        moved = self.attempt("jvp", lambda: self.tangent(moving))
        self.write("jvp", None if moved is None else golden.flat(moved.detach().numpy(force=True)))
        self.write("jacobian", self.attempt("jacobian", lambda: self.jacobians(moving, places, moved, result)))
        if "second" not in self.case:
            return
        self.write("hessian", self.attempt("hessian", lambda: self.hessians(moving, places)))
        self.write("jvp_of_grad", self.attempt("jvp_of_grad", lambda: self.second(moving, places)))

    def tangent(self, moving):
        """<head, J probe> is <J' head, probe>, of generate.py, which is checked with differences."""
        moved = jvp(self.value, moving, self.probes)[1]
        pulled = [np.array([float(v) for v in self.case["grads"][k]]) for k in self.by]
        want = sum(g @ p.flatten().numpy() for g, p in zip(pulled, self.probes))
        same((self.head * moved).sum(), want, "the gradient", self.tolerance)
        return moved

    def jacobians(self, moving, places, moved, result):
        rows = jacrev(self.value, argnums=places)(*moving)
        forward = self.attempt("jacfwd", lambda: jacfwd(self.value, argnums=places)(*moving))
        for k in places:
            same(rows[k], loop(self.value, moving, k), "a loop over rows", self.tolerance)
            if forward is not None:
                same(forward[k], rows[k], "jacfwd", self.tolerance)
        if moved is not None:
            total = sum(r.reshape(result, -1) @ p.reshape(-1) for r, p in zip(rows, self.probes))
            same(moved, total, "jvp", self.tolerance)
        small = [r.numel() <= MATRIX for r in rows]
        return self.spread(rows) if all(small) else None

    def hessians(self, moving, places):
        if any(x.numel() ** 2 > MATRIX for x in moving):
            return None
        forward = lambda: [hessian(self.scalar, argnums=k)(*moving) for k in places]
        reverse = lambda: [jacrev(jacrev(self.scalar, argnums=k), argnums=k)(*moving) for k in places]
        found = self.attempt("hessian by jacfwd", forward) or reverse()
        for k in places:
            gradient = grad(self.scalar, argnums=k)
            same(found[k], loop(gradient, moving, k), "a loop over rows", self.tolerance)
        return self.spread(found)

    def second(self, moving, places):
        gradient = grad(self.scalar, argnums=places)
        over = jvp(gradient, moving, self.probes)[1]
        moved = lambda *xs: (self.head * jvp(self.value, xs, self.probes)[1]).sum()
        under = self.attempt("grad_of_jvp", lambda: grad(moved, argnums=places)(*moving))
        for k, i in enumerate(self.by):
            same(over[k], np.array(self.case["second"][i], float), "double backward", self.tolerance)
            if under is not None:
                same(under[k], over[k], "grad of jvp", self.tolerance)
        return self.spread(over)

    def batches(self):
        count = len(self.xs)
        which = [[1] * count] + ([[int(i == k) for i in range(count)] for k in range(count)] if count > 1 else [])
        found = [self.attempt(f"vmap {which}", lambda which=which: self.batch(which)) for which in which]
        self.write("batches", [batch for batch in found if batch is not None] or None)

    def batch(self, which):
        other = [x.flatten().flip(0).reshape(x.shape) if on else x for x, on in zip(self.xs, which)]
        many = [torch.stack([x, y]) if on else x for x, y, on in zip(self.xs, other, which)]
        axes = tuple(0 if on else None for on in which)
        value = vmap(self.fn, in_dims=axes)(*many)
        same(value[0], np.array([float(v) for v in self.case["value"]["data"]]), "the first of a batch", self.tolerance)
        same(value[1], self.fn(*other), "the second of a batch", self.tolerance)
        batch = {"in": which, "value": golden.flat(value[1].detach().numpy())}
        gradients = self.by and self.attempt(f"vmap of grad {which}", lambda: self.gradients(many, axes, other))
        if gradients:
            batch["gradients"] = gradients
        return batch

    def gradients(self, many, axes, other):
        by = tuple(self.by)
        scalar = lambda *xs: (self.head * self.fn(*xs).double()).sum()
        found = vmap(grad(scalar, argnums=by), in_dims=axes)(*many)
        for k, alone in enumerate(grad(scalar, argnums=by)(*other)):
            same(found[k][1], alone, "vmap of grad", self.tolerance)
        return self.spread([g[1] for g in found])


def few(checks, elements, order):
    """The smallest cases of one operation that have so many derivatives, of different parameters if there are
    some."""
    def size(entry):
        case, _, inputs, _ = entry
        return sum(x.size for x in inputs) + len(case["value"]["data"])

    def fits(entry):
        case, _, inputs, smooth = entry
        numbers = len(case["value"]["data"])
        derived = "grads" not in case or "second" in case or order < 2
        given = inputs + [case["value"]["data"]] + [g for g in case.get("grads", []) if g is not None]
        whole = all(np.isfinite(np.array(x, float)).all() for x in given)
        return (derived and whole and (smooth or order < 2) and 0 < numbers <= elements
                and all(0 < x.size <= elements for x in inputs) and any(x.size > 1 for x in inputs))

    taken, seen = [], set()
    entries = sorted(filter(fits, checks), key=size)
    for again in (False, True):
        for entry in entries:
            case, _, inputs, _ = entry
            params = json.dumps(case["params"])
            shapes = str([x.shape for x in inputs]) if again else ""
            if len(taken) < (2 if again else CASES) and (params, shapes) not in seen \
                    and all(entry is not other for other in taken):
                seen.update({(params, shapes), (params, str([x.shape for x in inputs]))})
                taken.append(entry)
    return taken


def main():
    if not torch.__version__.startswith("2.15.0"):
        print(f"warning: torch {torch.__version__}, the reference is 2.15.0", file=sys.stderr)
    torch.set_num_threads(1)
    torch.manual_seed(golden.SEED)
    warnings.simplefilter("ignore")
    by_op = {}
    for family in (make() for make in golden.FAMILIES):
        for entry in family.checks:
            by_op.setdefault(entry[0]["op"], []).append(entry)
    lines, skipped, left_out = [], {}, []
    for op, checks in by_op.items():
        taken = few(checks, ELEMENTS, 2) or few(checks, 10 * ELEMENTS, 2)[:1] or few(checks, ELEMENTS, 1)
        if not taken:
            left_out.append(op)
        for case, fn, inputs, _ in taken:
            asked = Asked(case, fn, inputs)
            if asked.by:
                asked.derivatives()
            asked.batches()
            if asked.skipped:
                asked.out["skipped"] = asked.skipped
            for key, why in asked.skipped.items():
                skipped.setdefault(f"{key.split(' [')[0]}: {why}", set()).add(op)
            lines.append(json.dumps(asked.out, separators=(",", ":"), allow_nan=False))
    path = golden.HERE / "torch_func.json"
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n")
    print(f"{path.name}: {len(lines)} cases of {len(by_op)} operations, {path.stat().st_size} bytes")
    print(f"without a small smooth case: {' '.join(left_out) or 'none'}")
    for why, ops in sorted(skipped.items()):
        print(f"skipped, {why}: {' '.join(sorted(ops))}")


if __name__ == "__main__":
    main()
