#!/usr/bin/env python3
"""Regenerate the golden values of this directory from PyTorch.

How to run (any directory):

    python3 -m venv venv
    venv/bin/pip install torch==2.15.0 jax mpmath numpy
    venv/bin/python tests/golden/generate.py            # writes the files
    venv/bin/python tests/golden/generate.py --check    # writes, then cross-checks

It writes, next to this script, one JSON file a family:

    unary.json    elementwise functions of one input, scalar ops, clamp, cast
    binary.json   elementwise functions of two inputs, with broadcasting
    select.json   comparisons and where
    reduce.json   sum, mean, max, min, amax, amin, prod, var, norm, logsumexp,
                  argmax, argmin
    shaping.json  reshape, permute, transpose, expand, squeeze, unsqueeze, slice,
                  concat, stack
    index.json    index_select, gather
    matmul.json   dot, matmul
    loss.json     softmax, log_softmax, cross_entropy, mse
    operations.json  what src/op/ declares, with its cases, which `make interface` writes to
                     declared.json: --declared does no more than this

Everything is f64 on the CPU with one thread. Random numbers come from a
generator seeded with the fixed SEED and the name of the op, so two runs on one
machine are byte for byte the same and adding an op does not disturb another.
(PyTorch picks vector code by the processor: another machine may differ in the
last bit or two of an inexact number.) Random inputs, heads and probes are
rounded to three decimals to keep the files small; they are the exact f64 nearest
to those decimals.

Each file is a JSON array with one case on each line:

    op, note   the operation, and what the case is about
    inputs     {"dtype": "f64" | "i64" | "u8", "shape": [...], "data": [...]}
    params     the operation's parameters; an absent key is an absent parameter
    value      the result; its dtype may also be "f32"
    head       the head gradient, of the value's shape (ones at special points)
    grads      per input, the gradient of <head, value>; null for i64 and u8
    probe      per input, random numbers p_i (or numbers chosen by hand); null likewise
    second     per input, the gradient of s = sum_i <p_i, grads_i>, the head held
               constant (a Hessian-vector product); zeros if s does not depend on it

All arrays are flat, row major. NaN and the infinities are the strings "nan",
"inf", "-inf"; negative zero is the number -0.0. (The sign of a zero is worth
comparing in the values of elementwise functions; in gradients, in relu(-0.0) and in
the cases noted "zeros of both signs" it is an accident of PyTorch's.) Operations without a gradient
(comparisons, argmax, argmin, casts to an integer) have no head, grads, probe or
second. probe and second are also left out at the kinks, at the edges of domains
and wherever a number of the case is not finite.

All expected numbers are PyTorch's, except for the pieces marked NOT PYTORCH below:
those replace an answer PyTorch gets wrong (prod at NaN and infinity, whose notes say
so), or build one for which it has no single op from several. --check compares
everything that is smooth with finite differences, the functions of one variable with
mpmath at 50 digits, and prod, norm, var, logsumexp, the softmax family and
cross_entropy with JAX; it also evaluates the special points of elementwise functions
one at a time, because vector and scalar code may differ.
"""

import argparse
import itertools
import json
import math
import pathlib
import sys
import warnings
import zlib

import numpy as np
import torch
import torch.nn.functional as F

HERE = pathlib.Path(__file__).resolve().parent
SEED = 20260
INF, NAN = math.inf, math.nan
DTYPES = {"float64": "f64", "float32": "f32", "int64": "i64", "uint8": "u8"}


# ---------------------------------------------------------------- gamma functions

# PyTorch's polygamma of order 1 has 10 digits, and it is the gradient of digamma. Its zeta function has
# all of them, and so have the derivatives of that.


def trigamma(x):
    below = x < 0
    zeta = torch.special.zeta(torch.tensor(2.0, dtype=x.dtype), torch.where(below, 1 - x, x))
    sine = torch.sin(math.pi * torch.where(below, x - torch.round(x), 0.25))
    return torch.where(below, math.pi**2 / (sine * sine) - zeta, torch.where(x == INF, 0.0, zeta))


def with_slope(function, slope):
    class Function(torch.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x):
            return function(x)

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)
            ctx.save_for_forward(*inputs)

        @staticmethod
        def backward(ctx, g):
            return g * slope(*ctx.saved_tensors)

        @staticmethod
        def jvp(ctx, t):
            return t * slope(*ctx.saved_tensors)

    return Function.apply


torch.digamma = with_slope(torch.digamma, trigamma)
torch.lgamma = with_slope(torch.lgamma, torch.digamma)
polygamma = torch.special.polygamma
torch.special.polygamma = lambda n, x: ([torch.digamma, trigamma][n](x) if n < 2 else polygamma(n, x))


# ---------------------------------------------------------------- random numbers

_rng = None


def reseed(name):
    """Start the random numbers of one op; independent of the ops before it."""
    global _rng
    _rng = np.random.default_rng([SEED, zlib.crc32(name.encode())])


def uniform(shape, lo=-2.0, hi=2.0, avoid=(), margin=0.05):
    """Three-decimal numbers in [lo, hi], at least `margin` from every `avoid`."""
    out = np.empty(shape)
    for i in np.ndindex(*out.shape):
        while True:
            v = round(float(_rng.uniform(lo, hi)), 3)
            if v != 0 and all(abs(v - a) >= margin for a in avoid):
                break
        out[i] = v
    return out


def distinct(shape):
    """Numbers whose magnitudes are pairwise well apart and well above zero, so
    that no maximum, minimum or norm has a tie near them."""
    n = int(np.prod(shape))
    mags = 0.3 + 2.0 * _rng.permutation(n) / max(n, 1) + _rng.uniform(0, 0.02, n)
    return np.round(mags * _rng.choice([-1.0, 1.0], n), 3).reshape(shape)


def f64(values):
    return np.asarray(values, dtype=np.float64)


def i64(values):
    return np.asarray(values, dtype=np.int64)


def u8(values):
    return np.asarray(values, dtype=np.uint8)


# ---------------------------------------------------------------- running a case


class Recorder:
    """Collects the cases of one family."""

    def __init__(self, family):
        self.family = family
        self.cases = []   # what is written
        self.checks = []  # (case, function, inputs, smooth) for --check
        self.skipped = []

    def add(self, op, fn, inputs, params=None, note="", smooth=True, second=None,
            head=None, probe=None, grads=None, tracked=True, allow_error=False):
        """Run `fn` on the numpy arrays `inputs` and record the case.

        smooth:   a random head, probes and second derivatives; else a head of ones
                  and first derivatives only
        second:   record second derivatives although not smooth (probes of ones)
        head, probe: given numbers instead of those
        grads:    NOT PYTORCH: gradients to write in place of PyTorch's
        tracked:  False for operations without a gradient
        allow_error: skip the case if PyTorch rejects it
        """
        params = dict(params or {})
        xs = [torch.tensor(x) for x in inputs]
        for x, a in zip(xs, inputs):
            if tracked and is_variable(a):
                x.requires_grad_(True)
        try:
            y = fn(*xs)
        except (RuntimeError, IndexError) as error:
            if not allow_error:
                raise
            self.skipped.append(f"{op} {[list(x.shape) for x in xs]} {params}: {error}")
            return
        case = {"op": op, "note": note,
                "inputs": [array(x) for x in inputs],
                "params": params,
                "value": array(y.detach().numpy())}
        if tracked:
            want_second = smooth if second is None else second
            if head is None:
                h = uniform(tuple(y.shape), 0.2, 2.0) if smooth else np.ones(tuple(y.shape))
                h = h.astype(np.float32) if y.dtype == torch.float32 else h
            else:
                h = f64(head).reshape(tuple(y.shape))
            case["head"] = flat(h)
            if probe is not None:
                p = [None if q is None else f64(q) for q in probe]
            elif smooth:
                p = [uniform(x.shape, 0.2, 2.0) if is_variable(x) else None for x in inputs]
            else:
                p = [np.ones(x.shape) if is_variable(x) else None for x in inputs]
            g, s = derivatives(y, xs, h, p if want_second else None)
            g = g if grads is None else [f64(a) for a in grads]
            case["grads"] = [None if a is None else flat(a) for a in g]
            if want_second and finite(y.detach().numpy(), *inputs, *g, *s):
                case["probe"] = [None if a is None else flat(a) for a in p]
                case["second"] = [None if a is None else flat(a) for a in s]
        self.cases.append(case)
        self.checks.append((case, fn, inputs, smooth))

    def write(self):
        lines = [json.dumps(c, separators=(",", ":"), allow_nan=False) for c in self.cases]
        path = HERE / f"{self.family}.json"
        path.write_text("[\n" + ",\n".join(lines) + "\n]\n")
        return path


def is_f64(x):
    return x.dtype == np.float64


def is_variable(x):
    return is_f64(x) and not isinstance(x, Constant)


def derivatives(y, xs, head, probe):
    """The gradients of <head, y> and, given probes, of <probe, gradients>.
    Both lists have a None for every input that is not differentiable."""
    leaves = [x for x in xs if x.requires_grad]
    head = torch.tensor(head)
    g = torch.autograd.grad(y, leaves, head, create_graph=True, allow_unused=True)
    g = [torch.zeros_like(x) if a is None else a for a, x in zip(g, leaves)]
    second = None
    if probe is not None:
        p = [torch.tensor(a) for a in probe if a is not None]
        s = sum((a * b).sum() for a, b in zip(p, g))
        if s.requires_grad:
            second = torch.autograd.grad(s, leaves, allow_unused=True)
        else:
            second = [None] * len(leaves)
        second = [torch.zeros_like(x) if a is None else a for a, x in zip(second, leaves)]

    def spread(values):
        values = iter(values)
        return [next(values).numpy(force=True) if x.requires_grad else None for x in xs]

    return spread(g), None if second is None else spread(second)


def finite(*arrays):
    return all(np.isfinite(a).all() for a in arrays if a is not None)


def number(v):
    if isinstance(v, float):
        if math.isnan(v):
            return "nan"
        if math.isinf(v):
            return "inf" if v > 0 else "-inf"
    return v


def flat(a):
    return [number(v) for v in np.asarray(a).ravel().tolist()]


def array(a):
    a = np.asarray(a)
    return {"dtype": DTYPES[a.dtype.name], "shape": list(a.shape), "data": flat(a)}


# ---------------------------------------------------------------- unary

# name: (function, lower, upper, points to keep away from)
HALVES = tuple(k / 2 for k in range(-8, 9))
UNARY = {
    "neg": (torch.neg, -3, 3, ()),
    "abs": (torch.abs, -3, 3, (0,)),
    "sign": (torch.sign, -3, 3, (0,)),
    "exp": (torch.exp, -3, 3, ()),
    "expm1": (torch.expm1, -3, 3, ()),
    "log": (torch.log, 0.1, 4, ()),
    "log1p": (torch.log1p, -0.8, 4, ()),
    "sqrt": (torch.sqrt, 0.1, 4, ()),
    "rsqrt": (torch.rsqrt, 0.1, 4, ()),
    "square": (torch.square, -3, 3, ()),
    "reciprocal": (torch.reciprocal, -3, 3, (0, -0.1, 0.1)),
    "sin": (torch.sin, -3, 3, ()),
    "cos": (torch.cos, -3, 3, ()),
    "tan": (torch.tan, -1.3, 1.3, ()),
    "tanh": (torch.tanh, -3, 3, ()),
    "sigmoid": (torch.sigmoid, -3, 3, ()),
    "erf": (torch.erf, -2.5, 2.5, ()),
    "relu": (torch.relu, -3, 3, (0,)),
    "softplus": (F.softplus, -3, 3, ()),  # beta 1, threshold 20
    "gelu": (F.gelu, -3, 3, ()),
    "gelu_tanh": (lambda x: F.gelu(x, approximate="tanh"), -3, 3, ()),
    "silu": (F.silu, -3, 3, ()),
    "floor": (torch.floor, -3, 3, HALVES),
    "ceil": (torch.ceil, -3, 3, HALVES),
    "round": (torch.round, -3, 3, HALVES),
}
UNARY_SHAPES = [(7,), (2, 3), (), (0,), (1,)]
SPECIAL = f64([0.0, -0.0, INF, -INF, NAN, 1.0, -1.0, 1000.0, -1000.0])
WIDE = f64([1e-10, -1e-10, 0.5, -0.5, 6.0, -6.0, 19.5, 20.0, 20.5, -20.0, 40.0, -40.0])


def unary():
    r = Recorder("unary")
    for op, (fn, lo, hi, avoid) in UNARY.items():
        reseed(op)
        for shape in UNARY_SHAPES:
            r.add(op, fn, [uniform(shape, lo, hi, avoid)], note="smooth")
        r.add(op, fn, [SPECIAL], note="special points", smooth=False)
        r.add(op, fn, [WIDE], note="special points: small and large", smooth=False)
        if op in ("round", "floor", "ceil"):
            halves = f64([0.5, 1.5, 2.5, 3.5, -0.5, -1.5, -2.5, -3.5, 2.0, -2.0, -0.25,
                          0.49999999999999994, 4503599627370497.5, 9007199254740993.0])
            r.add(op, fn, [halves], note="special points: half-integers", smooth=False)

    for op in ("scale", "add_scalar"):
        reseed(op)
        for scalar in (2.5, -0.75, 0.0):
            fn = ((lambda x, c=scalar: x * c) if op == "scale"
                  else (lambda x, c=scalar: x + c))
            for shape in UNARY_SHAPES:
                r.add(op, fn, [uniform(shape, -3, 3)], {"scalar": scalar}, "smooth")
            r.add(op, fn, [SPECIAL], {"scalar": scalar}, "special points", smooth=False)

    reseed("pow_scalar")
    for c in (0.0, 1.0, 2.0, 3.0, -1.0, -2.0, 0.5, 2.5, -0.5):
        fn = lambda x, c=c: torch.pow(x, c)
        whole = c == int(c)
        for shape in UNARY_SHAPES:
            x = uniform(shape, -3 if whole else 0.2, 3, (0, -0.15, 0.15))
            r.add("pow_scalar", fn, [x], {"scalar": c}, "smooth")
        # PyTorch takes sqrt and rsqrt for the exponents +-0.5, which differ from the pow
        # of IEEE 754 at -0.0 and -inf; these two points are a case of their own.
        odd = [-0.0, -INF]
        x = [0.0, -2.0, -1.0, 1.0, INF, NAN]
        if abs(c) == 0.5:
            r.add("pow_scalar", fn, [f64(odd)], {"scalar": c},
                  "special points: as sqrt and rsqrt, not as pow", smooth=False)
        else:
            x += odd
        r.add("pow_scalar", fn, [f64(x)], {"scalar": c}, "special points", smooth=False)
        if whole and c >= 0:
            r.add("pow_scalar", fn, [f64([0.0, -0.0, -2.0, 1.0])], {"scalar": c},
                  "special points: second derivative at zero", smooth=False, second=True)

    reseed("clamp")
    for params in ({"min": -0.5, "max": 0.75}, {"min": -0.5}, {"max": 0.75}):
        fn = lambda x, p=params: torch.clamp(x, **p)
        for shape in UNARY_SHAPES:
            r.add("clamp", fn, [uniform(shape, -2, 2, (-0.5, 0.75))], params, "smooth")
        x = f64([-0.5, 0.75, NAN, INF, -INF, 0.0, -0.0, 1000.0, -1000.0])
        r.add("clamp", fn, [x], params, "special points: bounds, NaN", smooth=False)

    reseed("cast")
    to32 = lambda x: x.to(torch.float32)
    for shape in UNARY_SHAPES:
        r.add("cast", to32, [uniform(shape, -3, 3)], {"to": "f32"}, "smooth")
    x = f64([0.1, 1 / 3, -0.0, 16777217.0, 16777219.0, 1e39, -1e39, 1e-40, 1e-46, 1e-50,
             3.4028235677973366e38, INF, -INF, NAN])
    r.add("cast", to32, [x], {"to": "f32"}, "special points: rounding and range", smooth=False)
    x = f64([0.0, -0.0, 0.9, -0.9, 1.5, -1.5, 2.5, -2.5, 1e15 + 0.5, -1e15 - 0.5,
             9007199254740992.0])
    r.add("cast", lambda x: x.to(torch.int64), [x], {"to": "i64"}, "toward zero",
          tracked=False)
    r.add("cast", lambda x: x.to(torch.uint8), [f64([[0, 1, 1], [1, 0, 0]])], {"to": "u8"},
          "zeros and ones", tracked=False)
    for to, dt in (("i64", torch.int64), ("u8", torch.uint8)):
        r.add("cast", lambda x, dt=dt: x.to(dt), [f64([])], {"to": to}, "empty", tracked=False)
        r.add("cast", lambda x, dt=dt: x.to(dt), [f64(1.0)], {"to": to}, "0-d", tracked=False)
    return r


# ---------------------------------------------------------------- binary

PAIRS = [((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 3), (2, 1)), ((3, 1), (1, 4)), ((), (2, 3)),
         ((2, 3), ()), ((1,), (0,)), ((2, 1, 3), (4, 1)), ((1, 1), (3,))]
BINARY = {"add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div,
          "pow": torch.pow, "maximum": torch.maximum, "minimum": torch.minimum,
          "atan2": torch.atan2}


def binary():
    r = Recorder("binary")

    def points(op, note, pairs):
        a, b = zip(*pairs)
        r.add(op, BINARY[op], [f64(a), f64(b)], note=f"special points: {note}", smooth=False)

    for op, fn in BINARY.items():
        reseed(op)
        for sa, sb in PAIRS:
            while True:
                a = uniform(sa, 0.2, 2.5) if op == "pow" else uniform(sa)
                b = uniform(sb, avoid=(-0.1, 0, 0.1)) if op in ("div", "atan2") else uniform(sb)
                if op not in ("maximum", "minimum") or np.all(abs(a - b) > 0.02):
                    break
            r.add(op, fn, [a, b], note=f"smooth, {list(sa)} with {list(sb)}")
    points("add", "infinities, NaN", [(INF, -INF), (INF, 1), (NAN, 1), (1, NAN), (-0.0, -0.0)])
    points("sub", "infinities, NaN", [(INF, INF), (INF, 1), (NAN, 1), (1, NAN), (-0.0, 0.0)])
    points("mul", "infinities, NaN",
           [(INF, 0), (0, -INF), (INF, 2), (NAN, 2), (2, NAN), (-0.0, 3)])
    points("div", "division by zero, NaN",
           [(1, 0), (0, 0), (-1, 0), (1, -0.0), (0, 2), (INF, INF), (1, INF), (INF, 2),
            (NAN, 1), (1, NAN)])
    points("pow", "table",
           [(0, 0), (0, 2), (0, 1), (0, 0.5), (0, -1), (-2, 3), (2, 3)])
    points("pow", "NaN operands", [(NAN, 0), (NAN, 2), (2, NAN), (1, NAN), (0, NAN)])
    for op in ("maximum", "minimum"):
        points(op, "ties", [(1, 1), (-2, -2), (0, 0), (INF, INF), (-INF, -INF)])
        points(op, "zeros of both signs", [(0.0, -0.0), (-0.0, 0.0)])
        points(op, "infinities", [(INF, 1), (1, INF), (-INF, 1), (INF, -INF)])
        points(op, "NaN operands", [(NAN, 1), (1, NAN), (NAN, NAN), (NAN, INF)])
        r.add(op, BINARY[op], [f64([[1, 2, 3], [2, 2, 2]]), f64([2.0])],
              note="special points: ties, broadcast", smooth=False)
    points("atan2", "axes and origin",
           [(0, 0), (-0.0, 0), (0, 1), (0, -1), (-0.0, -1), (1, 0), (-1, 0), (1, -0.0)])
    points("atan2", "origin with a negative zero", [(0, -0.0), (-0.0, -0.0)])
    points("atan2", "infinities, NaN", [(INF, 1), (1, INF), (1, -INF), (INF, INF), (NAN, 1),
                                        (1, NAN)])
    return r


# ---------------------------------------------------------------- select


def select():
    r = Recorder("select")
    for op in ("eq", "ne", "lt", "le", "gt", "ge"):
        reseed(op)
        fn = lambda a, b, f=getattr(torch, op): f(a, b).to(torch.uint8)
        for sa, sb in PAIRS:
            a, b = (_rng.integers(-1, 2, s).astype(np.float64) * 0.5 for s in (sa, sb))
            r.add(op, fn, [f64(a), f64(b)], note=f"{list(sa)} with {list(sb)}", tracked=False)
        grid = f64([0.0, -0.0, 1.0, -1.0, INF, -INF, NAN])
        r.add(op, fn, [grid[:, None], grid[None, :]],
              note="special points: zeros, infinities, NaN", tracked=False)

    reseed("where")
    fn = lambda c, a, b: torch.where(c != 0, a, b)
    shapes = [((2, 3), (2, 3), (2, 3)), ((3,), (2, 3), ()), ((2, 1), (1, 3), (2, 3)),
              ((), (2, 3), (3,)), ((2, 3), (), ()), ((2, 1, 3), (4, 1), (3,)), ((), (), ()),
              ((0,), (1,), (1,)), ((1,), (0,), (1,)), ((2, 3), (2, 1), (1, 1)), ((1,), (3,), (3,))]
    for sc, sa, sb in shapes:
        c = u8(_rng.integers(0, 2, sc))
        r.add("where", fn, [c, uniform(sa), uniform(sb)],
              note=f"{list(sc)}, {list(sa)}, {list(sb)}")
    r.add("where", fn, [u8([1, 1, 0, 0, 1, 0]), f64([1, INF, NAN, -INF, NAN, 2]),
                        f64([NAN, -INF, 3, -0.0, 4, NAN])],
          note="special points: infinities, NaN", smooth=False)
    return r


# ---------------------------------------------------------------- reduce


def dims(x, axes):
    return tuple(range(x.ndim)) if axes is None else tuple(axes)


def keep_all(x, y, keepdim):
    """Give the full reduction y of x the shape that keepdim asks for."""
    return y.reshape([1] * x.ndim) if keepdim else y


# NOT PYTORCH: torch.max and torch.min take no axis or one; with none they have no
# keepdim, here a reshape.
def max_min(f):
    def fn(x, axes, keepdim):
        if axes is None:
            return keep_all(x, f(x), keepdim)
        (axis,) = axes
        return f(x, axis, keepdim).values
    return fn


# NOT PYTORCH: torch.prod takes no axis or one; several axes are one prod after
# another, the last axis first.
def prod(x, axes, keepdim):
    if axes is None:
        return keep_all(x, torch.prod(x), keepdim)
    for axis in sorted((a % max(x.ndim, 1) for a in axes), reverse=True):
        x = torch.prod(x, axis, keepdim)
    return x


def norm(x, axes, keepdim, p):
    return torch.linalg.vector_norm(x, float(p), None if axes is None else axes, keepdim)


def argm(f):
    def fn(x, axes, keepdim):
        if axes is None:
            return f(x, None, keepdim)
        (axis,) = axes
        return f(x, axis, keepdim)
    return fn


REDUCE = [  # op, function of (x, axes, keepdim, extra parameters), extras, single axis only
    ("sum", lambda x, axes, keepdim: torch.sum(x, axes, keepdim), [{}], False),
    ("mean", lambda x, axes, keepdim: torch.mean(x, axes, keepdim), [{}], False),
    ("max", max_min(torch.max), [{}], True),
    ("min", max_min(torch.min), [{}], True),
    ("amax", lambda x, axes, keepdim: torch.amax(x, dims(x, axes), keepdim), [{}], False),
    ("amin", lambda x, axes, keepdim: torch.amin(x, dims(x, axes), keepdim), [{}], False),
    ("prod", prod, [{}], False),
    ("var", lambda x, axes, keepdim, correction:
        torch.var(x, axes, correction=correction, keepdim=keepdim),
        [{"correction": 1}, {"correction": 0}], False),
    ("norm", norm, [{"p": 1}, {"p": 2}, {"p": 3}, {"p": "inf"}], False),
    ("logsumexp", lambda x, axes, keepdim: torch.logsumexp(x, dims(x, axes), keepdim), [{}], False),
    ("argmax", argm(torch.argmax), [{}], True),
    ("argmin", argm(torch.argmin), [{}], True),
]
REDUCE_AXES = {
    (4,): [None, [0], [-1]],
    (2, 3): [None, [0], [1], [-1], [-2], [0, 1]],
    (2, 3, 4): [None, [0], [1], [2], [-1], [-2], [-3], [0, 1], [0, 2], [1, 2], [-1, 0],
                [0, 1, 2]],
    (1, 5): [None, [0], [1], [-1], [0, 1]],
    (): [None, [0], [-1]],
    (0,): [None, [0]],
    (2, 0): [None, [0], [1], [-1], [0, 1]],
}


def reduce():
    r = Recorder("reduce")
    table = {op: fn for op, fn, _, _ in REDUCE}

    def one(op, x, axes=None, keepdim=False, extra=None, **kw):
        params = {"axes": axes, "keepdim": keepdim, **(extra or {})}
        fn = lambda t: table[op](t, axes, keepdim, **(extra or {}))
        r.add(op, fn, [f64(x)], params, tracked=not op.startswith("arg"), **kw)

    for op, _, extras, single in REDUCE:
        reseed(op)
        for extra in extras:
            for shape, axes_list in REDUCE_AXES.items():
                for axes, keepdim in itertools.product(axes_list, (False, True)):
                    if single and axes is not None and len(axes) != 1:
                        continue
                    # A reduction over an empty axis that PyTorch rejects is no case.
                    one(op, distinct(shape), axes, keepdim, extra,
                        note="smooth" if 0 not in shape else "empty",
                        allow_error=0 in shape)

    def special(op, x, axes=None, note="", extra=None, **kw):
        one(op, x, axes, False, extra, note=f"special points: {note}", smooth=False, **kw)

    ties = [[1, 3, 3], [3, 3, 3]]
    for op in ("max", "min", "amax", "amin", "argmax", "argmin"):
        s = 1 if "max" in op else -1
        for axes in (None, [0]):
            special(op, s * f64([1, 3, 3, 2]), axes, "ties")
            special(op, f64([2, 2, 2]), axes, "all equal")
            special(op, f64([0.0, -0.0]), axes, "zeros of both signs")
            special(op, f64([1, NAN, 3]), axes, "NaN")
            special(op, f64([NAN, 1, NAN]), axes, "two NaN")
            special(op, f64([1, INF, -INF, INF, -INF]), axes, "infinities")
        for axes in (None, [0], [1]):
            special(op, s * f64(ties), axes, "ties")
            special(op, f64([[1, NAN, 3], [4, 5, 6]]), axes, "NaN")
        if op in ("amax", "amin"):
            special(op, s * f64(ties), [0, 1], "ties")
    for op in ("sum", "mean"):
        special(op, f64([INF, 1, 2]), None, "infinity")
        special(op, f64([[INF, -INF], [NAN, 1]]), [1], "infinities, NaN")

    # The Hessian of a product with zeros is finite: probes of ones give its row sums.
    special("prod", [2, 0, 3], None, "one zero", second=True)
    special("prod", [2, 0, 3], [0], "one zero", second=True)
    special("prod", [0, 0, 3], None, "two zeros", second=True)
    special("prod", [0, 0, 3], [0], "two zeros", second=True)
    special("prod", [0, 0, 0], None, "three zeros", second=True)
    special("prod", [2, 0, 3, 4], None, "one zero", second=True)
    special("prod", [[2, 0, 3], [0, 0, 4]], [1], "zeros", second=True)
    special("prod", [[2, 0, 3], [0, 0, 4]], [0], "zeros", second=True)
    special("prod", [[2, 0, 3], [5, 1, 4]], [0, 1], "one zero", second=True)
    # NOT PYTORCH: it divides the product by each element, which at an infinity gives
    # nan for the finite product of the other elements. These are the products of the
    # other elements, as JAX has them.
    for axes in (None, [0]):
        for x, note in (([2, NAN, 3], "NaN"), ([2, INF, 3], "infinity")):
            others = [math.prod(x[:i] + x[i + 1:]) for i in range(len(x))]
            special("prod", x, axes, f"{note}, not PyTorch", grads=[others])

    for extra in ({"correction": 1}, {"correction": 0}):
        special("var", [1, 2, 3, 4], None, "one to four", extra, second=True)
        special("var", [3, 3, 3], None, "constants", extra)
        special("var", [[3, 3, 3], [1, 2, 3]], [1], "constants", extra)
        special("var", [5], None, "n = 1", extra)
        special("var", [5], [0], "n = 1", extra)
        special("var", 5.0, None, "n = 1", extra)
        special("var", [1, NAN, 3], None, "NaN", extra)
        special("var", [1e8 + 1, 1e8 + 2, 1e8 + 3, 1e8 + 6], None, "large mean", extra)

    for p in (1, 2, 3, "inf"):
        extra = {"p": p}
        special("norm", [0, 0, 0], None, "at zero", extra)
        special("norm", [0, 0, 0], [0], "at zero", extra)
        special("norm", 0.0, None, "at zero", extra)
        special("norm", [[0, 0], [3, -4]], [1], "a zero row", extra)
        special("norm", [0, -2, 3], None, "one zero", extra)
        special("norm", [1, NAN, 3], None, "NaN", extra)
        special("norm", [3, -3, 1], None, "ties", extra)
        special("norm", [[3, -3, 1], [2, 2, -2]], [1], "ties", extra)
    special("norm", [3, 4], None, "Hessian row", {"p": 2}, second=True, probe=[[1, 0]])

    for axes in (None, [0]):
        special("logsumexp", [-INF, 0], axes, "-inf and 0")
        special("logsumexp", [1000, 1000], axes, "large")
        special("logsumexp", [-1000, -1000, -1001], axes, "very negative")
        special("logsumexp", [1000, 0, -1000], axes, "far apart")
        special("logsumexp", [-INF, -INF], axes, "all -inf")
        special("logsumexp", [INF, 0], axes, "inf")
        special("logsumexp", [NAN, 0], axes, "NaN")
    special("logsumexp", [[-INF, -INF], [0, 1]], [1], "one row of -inf")
    return r


# ---------------------------------------------------------------- shaping


def shaping():
    r = Recorder("shaping")

    reseed("reshape")
    for src, dst in [((2, 3), (3, 2)), ((2, 3), (6,)), ((6,), (1, 2, 3)), ((2, 3), (-1,)),
                     ((2, 3, 4), (6, -1)), ((), (1,)), ((), (1, 1)), ((1,), ()), ((1, 1, 1), ()),
                     ((0,), (2, 0)), ((2, 0), (0, 5)), ((2, 3), (2, 3)), ((4,), (2, 1, 2))]:
        r.add("reshape", lambda x, s=dst: x.reshape(s), [uniform(src)], {"shape": list(dst)},
              f"{list(src)} to {list(dst)}")

    reseed("permute")
    for src, axes in [((2, 3), (1, 0)), ((2, 3), (0, 1)), ((2, 3, 4), (2, 0, 1)),
                      ((2, 3, 4), (0, 2, 1)), ((2, 3, 4), (-1, 0, -2)), ((2, 3, 4), (1, 2, 0)),
                      ((4,), (0,)), ((), ()), ((2, 0, 3), (2, 1, 0)), ((1, 2, 2, 3), (3, 1, 0, 2))]:
        r.add("permute", lambda x, a=axes: x.permute(a), [uniform(src)], {"axes": list(axes)},
              f"{list(src)}")

    reseed("transpose")
    for src, a, b in [((2, 3), 0, 1), ((2, 3), 1, 0), ((2, 3), -1, -2), ((2, 3), 0, 0),
                      ((2, 3, 4), 0, 2), ((2, 3, 4), 1, -1), ((4,), 0, -1), ((), 0, -1),
                      ((2, 0), 0, 1)]:
        r.add("transpose", lambda x, a=a, b=b: x.transpose(a, b), [uniform(src)],
              {"axis0": a, "axis1": b}, f"{list(src)}")

    reseed("expand")
    for src, dst in [((3,), (2, 3)), ((2, 1), (2, 4)), ((), (2, 3)), ((1,), (0,)), ((1, 1), (3, 2)),
                     ((2, 1, 3), (4, 2, 5, 3)), ((2, 3), (2, 3)), ((1,), (1,)), ((), ()),
                     ((1, 3), (2, -1)), ((3,), (0, 3))]:
        r.add("expand", lambda x, s=dst: x.expand(s), [uniform(src)], {"shape": list(dst)},
              f"{list(src)} to {list(dst)}")

    reseed("squeeze")
    for src, axis in [((2, 1, 3), 1), ((2, 1, 3), -2), ((2, 1, 3), 0), ((1, 3), 0), ((1,), 0),
                      ((1, 1), -1), ((), 0), ((), -1), ((1, 0), 0)]:
        r.add("squeeze", lambda x, a=axis: x.squeeze(a), [uniform(src)], {"axis": axis},
              f"{list(src)}")
    for src in [(2, 1, 3), (1, 1), (1, 2, 1, 2, 1), (2, 3), (), (1, 0)]:
        r.add("squeeze", lambda x: x.squeeze(), [uniform(src)], {}, f"{list(src)}, every axis")

    reseed("unsqueeze")
    for src, axis in [((2, 3), 0), ((2, 3), 1), ((2, 3), 2), ((2, 3), -1), ((2, 3), -3), ((), 0),
                      ((), -1), ((0,), 1), ((4,), -2)]:
        r.add("unsqueeze", lambda x, a=axis: x.unsqueeze(a), [uniform(src)], {"axis": axis},
              f"{list(src)}")

    reseed("slice")
    for src, axis, start, stop, step in [
            ((5,), 0, 1, 4, 1), ((5,), 0, 0, 5, 1), ((5,), 0, 0, 5, 2), ((5,), 0, 1, 5, 3),
            ((5,), 0, -3, -1, 1), ((5,), 0, -100, 100, 1), ((5,), 0, 2, 100, 2),
            ((5,), 0, 3, 3, 1), ((5,), 0, 4, 1, 1), ((5,), 0, 7, 9, 1), ((5,), 0, 0, 5, 7),
            ((5,), 0, None, None, 1), ((5,), 0, None, -2, 1), ((5,), 0, -2, None, 1),
            ((5,), 0, None, None, 2), ((3, 4), 0, 1, 3, 1), ((3, 4), 1, 1, 4, 2),
            ((3, 4), -1, -2, 4, 1), ((3, 4), -2, 0, -1, 1), ((2, 3, 4), 1, 0, 3, 2),
            ((2, 3, 4), 2, 3, 4, 1), ((0,), 0, 0, 5, 1), ((2, 0), 0, 1, 2, 1), ((2, 0), 1, 0, 1, 1)]:
        def cut(x, axis=axis, part=slice(start, stop, step)):
            at = [slice(None)] * x.ndim
            at[axis] = part
            return x[tuple(at)]
        r.add("slice", cut, [uniform(src)],
              {"axis": axis, "start": start, "stop": stop, "step": step}, f"{list(src)}")

    reseed("concat")
    for shapes, axis in [(((2,), (3,)), 0), (((2, 3), (1, 3)), 0), (((2, 3), (2, 2)), 1),
                         (((2, 3), (2, 2)), -1), (((2, 3), (2, 0), (2, 1)), 1),
                         (((1, 2), (2, 2), (3, 2)), 0), (((2, 3), (0, 3)), 0), (((0,), (2,)), 0),
                         (((0,), (0,)), 0), (((2, 2, 2), (2, 1, 2), (2, 2, 2)), -2)]:
        r.add("concat", lambda *xs, a=axis: torch.cat(xs, a), [uniform(s) for s in shapes],
              {"axis": axis}, " ".join(str(list(s)) for s in shapes))

    reseed("stack")
    for shape, n, axis in [((2, 3), 2, 0), ((2, 3), 2, 1), ((2, 3), 2, 2), ((2, 3), 3, -1),
                           ((2, 3), 2, -3), ((4,), 3, 0), ((), 2, 0), ((), 3, -1), ((0,), 2, 0),
                           ((2, 0), 2, 1), ((3,), 1, 1)]:
        r.add("stack", lambda *xs, a=axis: torch.stack(xs, a), [uniform(shape) for _ in range(n)],
              {"axis": axis}, f"{n} of {list(shape)}")
    return r


# ---------------------------------------------------------------- index


def index():
    r = Recorder("index")
    reseed("index_select")
    for shape, axis, idx, note in [
            ((5,), 0, [3, 1], "1-D"), ((5,), 0, [2, 2, 0, 2], "duplicates"),
            ((3, 4), 0, [2, 0], "rows"), ((3, 4), 0, [1, 1, 1], "duplicate rows"),
            ((3, 4), 1, [3, 3, 0, 1, 3], "duplicate columns"), ((3, 4), -1, [0, 2], "negative axis"),
            ((2, 3, 4), 1, [2, 0, 2], "middle axis"), ((3, 4), 0, [], "no index"),
            ((3, 0), 0, [1, 1], "empty rows"), ((3,), 0, [0, 1, 2], "identity"),
            ((1,), 0, [0, 0, 0], "one element")]:
        r.add("index_select", lambda x, i, a=axis: torch.index_select(x, a, i),
              [uniform(shape), i64(idx)], {"axis": axis}, f"{note}, {list(shape)}")

    reseed("gather")
    for shape, axis, idx, note in [
            ((5,), 0, [4, 0, 0, 2, 2, 2, 1], "duplicates"), ((5,), 0, [1], "one"),
            ((2, 3), 0, [[0, 1, 0]], "fewer rows"), ((2, 3), 0, [[0, 1, 0], [0, 0, 1], [1, 1, 1]],
                                                     "more rows"),
            ((2, 3), 1, [[2, 0], [1, 1]], "duplicates in a row"), ((2, 3), 1, [[2], [0]], "a column"),
            ((2, 3), -1, [[0, 1, 2, 2], [2, 2, 2, 2]], "negative axis"),
            ((2, 3), 1, [[1, 1]], "fewer rows than the input"),
            ((2, 3, 2), 1, [[[2, 0]], [[1, 1]]], "3-D"),
            ((2, 3, 2), 2, [[[1], [0], [1]], [[0], [0], [1]]], "3-D, last axis"),
            ((2, 3), 1, np.zeros((2, 0)), "no index"), ((), 0, 0, "0-d")]:
        r.add("gather", lambda x, i, a=axis: torch.gather(x, a, i),
              [uniform(shape), i64(idx)], {"axis": axis}, f"{note}, {list(shape)}")
    return r


# ---------------------------------------------------------------- matmul


def matmul():
    r = Recorder("matmul")
    reseed("dot")
    for n in (0, 1, 2, 3, 7):
        r.add("dot", torch.dot, [uniform((n,)), uniform((n,))], note=f"length {n}")

    reseed("matmul")
    pairs = [((n,), (n,)) for n in (1, 3)]                      # vector vector
    pairs += [((2, 3), (3,)), ((1, 1), (1,)), ((3, 1), (1,))]   # matrix vector
    pairs += [((3,), (3, 2)), ((1,), (1, 1)), ((1,), (1, 3))]   # vector matrix
    pairs += [((m, k), (k, n)) for m, k, n in itertools.product((1, 2, 3), repeat=3)]
    pairs += [((5, 2, 3), (5, 3, 4)), ((5, 1, 2, 3), (4, 3, 2)), ((5, 2, 3), (3,)),
              ((3,), (5, 3, 2)), ((5, 2, 3), (3, 4)), ((2, 3), (5, 3, 4)), ((1, 2, 3), (5, 3, 4)),
              ((2, 1, 2, 3), (3,))]
    pairs += [((2, 0), (0, 3)), ((0, 2), (2, 3)), ((3, 0), (0,)), ((0,), (0,)), ((0, 2, 3), (3, 4)),
              ((17, 19), (19, 23))]
    for sa, sb in pairs:
        r.add("matmul", torch.matmul, [uniform(sa), uniform(sb)], note=f"{list(sa)} @ {list(sb)}")
    r.add("matmul", torch.matmul, [np.ones((5, 2, 3)), np.ones(3)], smooth=False,
          note="special points: ones")
    r.add("matmul", torch.matmul, [np.ones((5, 1, 2, 3)), np.ones((4, 3, 2))], smooth=False,
          note="special points: ones")
    return r


# ---------------------------------------------------------------- loss


def loss():
    r = Recorder("loss")
    for op, f in (("softmax", torch.softmax), ("log_softmax", torch.log_softmax)):
        reseed(op)

        def one(x, axis, **kw):
            r.add(op, lambda t, f=f: f(t, axis), [f64(x)], {"axis": axis}, **kw)

        for shape, axes in [((2, 3), (0, 1, -1)), ((4,), (0, -1)), ((2, 3, 4), (0, 1, -1)),
                            ((1, 5), (0, 1)), ((), (0, -1)), ((0,), (0,)), ((2, 0), (0, 1))]:
            for axis in axes:
                one(uniform(shape), axis, note=f"smooth, {list(shape)}")
        for x, note in [([1000, 0, -1000], "far apart"), ([-INF, 0], "-inf and 0"),
                        ([1000, 1000], "large and equal"), ([-INF, -INF], "all -inf"),
                        ([INF, 0], "inf"), ([NAN, 0], "NaN")]:
            one(x, 0, note=f"special points: {note}", smooth=False)
        # The gradient of a softmax along a head of ones is zero; a head that is not constant.
        one([1000, 0, -1000], 0, note="special points: far apart, head", smooth=False,
            head=[1, 2, 3])
        one([-INF, 0, 1], 0, note="special points: -inf, head", smooth=False, head=[1, 2, 3])

    reseed("cross_entropy")

    def ce(x, target, **kw):
        r.add("cross_entropy", lambda t, i: F.cross_entropy(t, i, ignore_index=-100),
              [f64(x), i64(target)], **kw)

    for shape, target, note in [((1, 3), [1], "one row"), ((4, 3), [0, 2, 1, 1], "four rows"),
                                ((4, 3), [0, -100, 1, -100], "two ignored rows"),
                                ((3, 1), [0, 0, 0], "one class"),
                                ((3, 5), [-100, -100, 4], "one row left")]:
        ce(uniform(shape), target, note=f"smooth, {note}")
    ce(np.zeros((1, 3)), [1], note="special points: zeros", smooth=False)
    ce(uniform((2, 3)), [-100, -100], note="special points: every row ignored", smooth=False)
    ce(np.zeros((0, 3)), [], note="special points: no rows", smooth=False)
    ce([[1000, 0, -1000]], [2], note="special points: far apart", smooth=False)
    ce([[-INF, 0.0, 1.0]], [1], note="special points: -inf at another class", smooth=False)
    ce([[-INF, 0.0, 1.0]], [0], note="special points: -inf at the target", smooth=False)
    ce([[NAN, 0.0], [1.0, 2.0]], [-100, 1], note="special points: NaN in an ignored row",
       smooth=False)

    reseed("mse")
    for shape in [(4,), (2, 3), (), (1,), (2, 3, 4)]:
        r.add("mse", F.mse_loss, [uniform(shape), uniform(shape)], note=f"smooth, {list(shape)}")
    r.add("mse", F.mse_loss, [f64([]), f64([])], note="special points: empty", smooth=False)
    r.add("mse", F.mse_loss, [f64([1, 2]), f64([1, 2])], note="special points: equal",
          smooth=False, second=True)
    r.add("mse", F.mse_loss, [f64([1, INF, NAN]), f64([1, 1, 1])],
          note="special points: infinity, NaN", smooth=False)
    return r


# ---------------------------------------------------------------- what operations declare


class Special(np.ndarray):
    """Numbers at which only values and first derivatives are asked for."""


class Constant(np.ndarray):
    """Numbers by which nothing is differentiated."""


def operands_of(name):
    """What the cases of declared.json are written with."""
    def numbers(*shape, lo=-2.0, hi=2.0, avoid=()):
        return uniform(shape, lo, hi, avoid)

    def special(*values):
        return f64(values).view(Special)

    # `without`: special points at which bumpgrad decided otherwise.
    def elementwise(lo, hi, *avoid, special=True, without=()):
        cases = [{"x": uniform(shape, lo, hi, avoid)} for shape in UNARY_SHAPES]
        points = [SPECIAL, WIDE] if special else []
        return cases + [{"x": x[~np.isin(x, without)].view(Special)} for x in points]

    def pairs(lo, hi, lo2=None, hi2=None, special=True, without=None):
        lo2, hi2 = (lo, hi) if lo2 is None else (lo2, hi2)
        cases = [{"a": uniform(a, lo, hi), "b": uniform(b, lo2, hi2)} for a, b in PAIRS]
        values = [0.0, -0.0, 1.0, -2.0, 3.0, INF, -INF, NAN]
        both = f64(list(itertools.product(values, values)))
        if without:
            both = both[~without(both[:, 0], both[:, 1])]
        if special:
            cases.append({"a": both[:, 0].view(Special), "b": both[:, 1].view(Special)})
        return cases

    return {"U": numbers, "D": lambda *shape: distinct(shape), "S": special,
            "I": lambda *values: i64(values), "M": lambda *values: u8(values), "C": lambda *values: f64(values).view(Constant),
            "elementwise": elementwise, "pairs": pairs, "inf": INF, "nan": NAN, "pi": math.pi,
            "f64": f64, "np": np}


def declared():
    """The operations that say in src/op/ what PyTorch calls them, and for which cases."""
    r = Recorder("operations")
    for op in json.loads((HERE / "declared.json").read_text()):
        reseed(op["op"])
        scope = operands_of(op["op"])
        for text in op["cases"]:
            if text.startswith(("elementwise(", "pairs(")):
                # With parameters behind it.
                cases = eval(f"(lambda drawn, **params: [{{**case, **params}} for case in drawn])({text})",
                             dict(scope))
            else:
                cases = [eval(f"dict({text})", dict(scope))]
            for case in cases:
                ask(r, op, case, text)
    return r


def ask(r, op, case, text):
    # An operand that is given as a number is a parameter of the operation with `_scalar`.
    operands = [name for name in op["operands"] if not isinstance(case[name], (int, float))]
    key = op["op"] + ("_scalar" if len(operands) < len(op["operands"]) else "")
    inputs = []
    for name in operands:
        given = case[name]
        inputs += given if isinstance(given, list) else [given]
    params = {name: value for name, value in case.items() if name not in operands}
    smooth = not any(isinstance(x, Special) for x in inputs)
    inputs = [x if isinstance(x, Constant) else np.array(x) for x in inputs]

    def fn(*xs):
        xs, scope = list(xs), {"torch": torch, "F": F, "math": math, "special": torch.special,
                               "INF": INF, "NAN": NAN, **params}
        for name in operands:
            count = len(case[name]) if isinstance(case[name], list) else None
            scope[name] = xs.pop(0) if count is None else [xs.pop(0) for _ in range(count)]
        y = eval(op["torch"], scope)
        is_mask = isinstance(y, torch.Tensor) and y.dtype == torch.bool
        return y.to(torch.uint8) if is_mask else y

    results = fn(*[torch.tensor(x) for x in inputs])
    several = isinstance(results, (tuple, list))
    first = (lambda *xs: fn(*xs)[0]) if several else fn
    value = results[0] if several else results
    tracked = value.dtype in (torch.float64, torch.float32) and any(map(is_variable, inputs))
    if tracked:
        asked = [torch.tensor(x, requires_grad=is_variable(x)) for x in inputs]
        tracked = first(*asked).requires_grad
    named = {"scalar" if k == "b" else k: number(v) for k, v in params.items()}
    r.add(key, first, inputs, named,
          "smooth" if smooth else "special points", smooth=smooth, tracked=tracked)
    r.cases[-1]["case"] = text
    if several:
        r.cases[-1]["others"] = [array(y.detach().numpy()) for y in results[1:]]


FAMILIES = [unary, binary, select, reduce, shaping, index, matmul, loss, declared]


# ---------------------------------------------------------------- --check


def unflat(values, shape):
    return np.array([float(v) for v in values]).reshape(shape)


def close(a, b, tol):
    a, b = np.asarray(a, float), np.asarray(b, float)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        near = np.abs(a - b) <= tol * np.maximum(1, np.abs(b))
    return bool((same | near).all())


def check_differences(case, fn, inputs, say):
    """First derivatives from values, second from first, by central differences."""
    h = 1e-6
    head = unflat(case["head"], tuple(case["value"]["shape"]))
    probes = [None if p is None else unflat(p, x.shape)
              for p, x in zip(case.get("probe", []), inputs)]

    def value(xs):
        return float((fn(*[torch.tensor(x) for x in xs]).detach().double().numpy() * head).sum())

    def slope(xs):
        ts = [torch.tensor(x, requires_grad=bool(is_f64(x))) for x in xs]
        y = fn(*ts)
        g, _ = derivatives(y, ts, head, None)
        return sum(float((a * p).sum()) for a, p in zip(g, probes) if p is not None)

    for name, f in (("grads", value), ("second", slope)):
        if name not in case:
            continue
        for i, x in enumerate(inputs):
            if not is_f64(x):
                continue
            d = np.empty(x.shape)
            for at in np.ndindex(*x.shape):
                up, down = [[a.copy() for a in inputs] for _ in range(2)]
                up[i][at] += h
                down[i][at] -= h
                d[at] = (f(up) - f(down)) / (2 * h)
            if not close(unflat(case[name][i], x.shape), d, 2e-6):
                say(f"{name}[{i}] is not the difference quotient")


def check_single(case, fn, inputs, say):
    """Each special point of an elementwise function on its own."""
    for at in range(inputs[0].size):
        xs = [torch.tensor(x[at], requires_grad=True) for x in inputs]
        y = fn(*xs)
        g = torch.autograd.grad(y, xs, torch.ones_like(y), allow_unused=True)
        pairs = [(y, case["value"]["data"])] + list(zip(g, case["grads"]))
        for k, (alone, row) in enumerate(pairs):
            a, b = float(alone), float(row[at])
            if not close(a, b, 1e-14) or (a == 0 == b and math.copysign(1, a) != math.copysign(1, b)):
                say(f"point {at}, item {k}: {a!r} alone, {b!r} in an array")


def mp_functions():
    import mpmath as mp
    mp.mp.dps = 50
    cdf = lambda x: mp.erfc(-x / mp.sqrt(2)) / 2
    return mp, {
        "exp": mp.exp, "expm1": mp.expm1, "log": mp.log, "log1p": lambda x: mp.log(1 + x),
        "sqrt": mp.sqrt, "rsqrt": lambda x: 1 / mp.sqrt(x), "square": lambda x: x * x,
        "reciprocal": lambda x: 1 / x, "sin": mp.sin, "cos": mp.cos, "tan": mp.tan,
        "tanh": mp.tanh, "sigmoid": lambda x: 1 / (1 + mp.exp(-x)), "erf": mp.erf,
        "softplus": lambda x: x if x > 20 else mp.log(1 + mp.exp(x)),
        "gelu": lambda x: x * cdf(x), "silu": lambda x: x / (1 + mp.exp(-x)),
        "gelu_tanh": lambda x: x / 2 * (1 + mp.tanh(mp.sqrt(2 / mp.pi)
                                                    * (x + mp.mpf("0.044715") * x ** 3))),
    }


def check_mpmath(case, inputs, say, worst):
    mp, table = mp_functions()
    f = table.get(case["op"])
    if f is None:
        return
    x = inputs[0].ravel().tolist()
    rows = [("value", 0, case["value"]["data"], [1.0] * len(x)),
            ("grads", 1, case["grads"][0], case["head"])]
    if "second" in case:
        rows.append(("second", 2, case["second"][0],
                     [a * b for a, b in zip(case["head"], case["probe"][0])]))
    for name, order, got, factor in rows:
        for at, v, c in zip(x, got, factor):
            # Kinks, poles and outside the domain: what PyTorch says. The threshold of softplus too.
            if isinstance(v, str) or not math.isfinite(at) or at == 20:
                continue
            try:
                want = f(mp.mpf(at)) if order == 0 else mp.diff(f, mp.mpf(at), order)
            except (ZeroDivisionError, ValueError):
                continue
            if abs(mp.im(want)) > 0:  # log of a negative number and such
                continue
            error = float(abs(v - want * c) / max(1, abs(want * c)))
            worst[case["op"]] = max(worst.get(case["op"], 0), error)
            if error > 4e-15:
                say(f"{name} at {at}: {v!r}, mpmath {float(want * c)!r}")


def jax_functions():
    import jax
    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp

    def axis(p):
        return None if p["axes"] is None else tuple(p["axes"])

    def nrm(x, p):
        if x.ndim == 0:
            return jnp.abs(x)
        a, k = jnp.abs(x), dict(axis=axis(p), keepdims=p["keepdim"])
        if p["p"] == "inf":
            return jnp.max(a, **k)
        return jnp.sum(a ** p["p"], **k) ** (1 / p["p"])

    def red(f):
        def g(x, p):
            if x.ndim == 0:
                return f(x.reshape(1), axis=None)
            return f(x, axis=axis(p), keepdims=p["keepdim"])
        return g

    def ce(x, p, t):
        keep = t != -100
        rows = jax.nn.log_softmax(x, 1)[jnp.arange(len(t)), jnp.where(keep, t, 0)]
        return -jnp.sum(jnp.where(keep, rows, 0.0)) / jnp.sum(keep)

    table = {
        "sum": red(jnp.sum), "mean": red(jnp.mean), "prod": red(jnp.prod), "norm": nrm,
        "amax": red(jnp.max), "amin": red(jnp.min), "max": red(jnp.max), "min": red(jnp.min),
        "logsumexp": red(jax.scipy.special.logsumexp),
        "var": lambda x, p: red(lambda v, **k: jnp.var(v, ddof=p["correction"], **k))(x, p),
        "softmax": lambda x, p: jax.nn.softmax(x, p["axis"]),
        "log_softmax": lambda x, p: jax.nn.log_softmax(x, p["axis"]),
        "cross_entropy": ce,
    }
    return jax, jnp, table


def check_jax(case, inputs, say):
    jax, jnp, table = jax_functions()
    f = table.get(case["op"])
    if f is None or inputs[0].size == 0 or "second" not in case:
        return
    if case["params"].get("keepdim"):  # the same numbers as without it, and JAX is slow
        return
    if (case["op"], inputs[0].ndim) in [("softmax", 0), ("log_softmax", 0)]:
        return
    shape = inputs[0].shape
    head = unflat(case["head"], tuple(case["value"]["shape"]))
    probe = unflat(case["probe"][0], shape)
    rest = [jnp.asarray(t) for t in inputs[1:]]
    x = jnp.asarray(inputs[0])
    total = lambda v: jnp.sum(f(v, case["params"], *rest).reshape(head.shape) * head)
    slope = lambda v: jnp.sum(jax.grad(total)(v) * probe)
    y = f(x, case["params"], *rest)
    for name, want, got in (("value", y.ravel(), case["value"]["data"]),
                            ("grads", jax.grad(total)(x).ravel(), case["grads"][0]),
                            ("second", jax.grad(slope)(x).ravel(), case["second"][0])):
        if not close([float(v) for v in got], np.asarray(want), 1e-12):
            say(f"{name}: JAX says {np.asarray(want).tolist()}, written {got}")


def check(families):
    bad, worst = [], {}
    for r in families:
        for n, (case, fn, inputs, smooth) in enumerate(r.checks):
            say = lambda text: bad.append(f"{r.family}.json line {n + 2} {case['op']} "
                                          f"{case['params']} ({case['note']}): {text}")
            if "head" not in case:
                continue
            if smooth and case["value"]["dtype"] == "f64" and finite(
                    *[unflat(g, -1) for g in case["grads"] if g is not None]):
                check_differences(case, fn, inputs, say)
            if r.family in ("unary", "binary") and not smooth and inputs[0].ndim == 1 \
                    and "second" not in case:
                check_single(case, fn, inputs, say)
            if r.family == "unary":
                check_mpmath(case, inputs, say, worst)
            check_jax(case, inputs, say)
    print("worst error against mpmath (relative above 1, else absolute):")
    print("  " + ", ".join(f"{k} {v:.1e}" for k, v in sorted(worst.items())))
    for line in bad:
        print(line)
    print(f"{len(bad)} disagreements")
    return not bad


def main():
    parser = argparse.ArgumentParser(description="regenerate the golden values")
    parser.add_argument("--declared", action="store_true", help="only operations.json")
    parser.add_argument("--check", action="store_true", help="cross-check what was written")
    args = parser.parse_args()
    if not torch.__version__.startswith("2.15.0"):
        print(f"warning: torch {torch.__version__}, the reference is 2.15.0", file=sys.stderr)
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    warnings.simplefilter("ignore")  # var of too few, and such
    families = [make() for make in ([declared] if args.declared else FAMILIES)]
    for r in families:
        path = r.write()
        counts = {}
        for c in r.cases:
            counts[c["op"]] = counts.get(c["op"], 0) + 1
        print(f"{path.name}: {len(r.cases)} cases, {path.stat().st_size} bytes: "
              + " ".join(f"{k} {v}" for k, v in counts.items()))
        if r.skipped:
            print(f"  and {len(r.skipped)} reductions over an empty axis that PyTorch rejects")
    if args.check and not check(families):
        sys.exit(1)


if __name__ == "__main__":
    main()
