#!/usr/bin/env python3
"""PyTorch or JAX in a process of its own, timed by the program in src/.

    python.py torch | torch.compile | jax

It reads commands, a line each, and answers each with a line of JSON: `src/serve.rs` has the list,
`src/cases.rs` the cases, whose data are made here once more; W13 to W31 are in `programs.py`. Needs
NumPy besides the library.
"""

import gc
import json
import os
import sys
import time

THREADS = int(os.environ.get("PEERS_THREADS", "1"))
if hasattr(os, "sched_setaffinity"):
    # XLA has as many threads as it finds CPUs.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])

import numpy as np  # noqa: E402

import programs  # noqa: E402

STEPS, TERM, FACTOR, START = 1000, 0.001, 1.005, 0.5
ROUNDS = 5
HEIGHT, COLUMNS, EPSILON = 4096, 1024, 1e-5
SIZES, RATE = (784, 256, 128, 10), 1e-4
SIDE = 1024
BATCH, LENGTH, WIDTH, HEADS = 8, 128, 128, 4
POSITIVE = ("log", "sqrt", "recip", "pow2.5")
PRODUCTS = {
    "32": (1, 32, 32, 32),
    "128": (1, 128, 128, 128),
    "512": (1, 512, 512, 512),
    "1024": (1, 1024, 1024, 1024),
    "64x784x256": (1, 64, 784, 256),
    "batched-64": (64, 64, 64, 64),
}
BLOCK = (
    ("norm 1 weight", (WIDTH,), 0.5, 1.5),
    ("norm 1 bias", (WIDTH,), -0.5, 0.5),
    ("qkv weight", (WIDTH, 3 * WIDTH), -0.1, 0.1),
    ("qkv bias", (3 * WIDTH,), -0.1, 0.1),
    ("out weight", (WIDTH, WIDTH), -0.1, 0.1),
    ("out bias", (WIDTH,), -0.1, 0.1),
    ("norm 2 weight", (WIDTH,), 0.5, 1.5),
    ("norm 2 bias", (WIDTH,), -0.5, 0.5),
    ("up weight", (WIDTH, 4 * WIDTH), -0.1, 0.1),
    ("up bias", (4 * WIDTH,), -0.1, 0.1),
    ("down weight", (4 * WIDTH, WIDTH), -0.1, 0.1),
    ("down bias", (WIDTH,), -0.1, 0.1),
)


# ---- data ----


def numbers(seed, shape, low, high):
    """The numbers of `cases.rs`: SplitMix64, and its upper 24 bits as a fraction."""
    shape = (shape,) if isinstance(shape, int) else shape
    with np.errstate(over="ignore"):
        steps = np.arange(1, int(np.prod(shape)) + 1, dtype=np.uint64)
        z = np.uint64(seed) + steps * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = (z ^ (z >> np.uint64(31))) >> np.uint64(40)
    unit = z.astype(np.float32) / np.float32(1 << 24)
    low, high = np.float32(low), np.float32(high)
    return (low + (high - low) * unit).reshape(shape)


def labels(seed, count, classes):
    return np.minimum(numbers(seed, count, 0, classes).astype(np.int64), classes - 1)


def start(count):
    return np.float32(START) + np.float32(count % 64) / np.float32(128)


class Case:
    """A computation that both libraries write alike: leaves, fixed inputs, and a head."""

    def __init__(self, forward, leaves, fixed=(), head=None, backward=True, step=False):
        self.forward, self.leaves, self.fixed = forward, leaves, fixed
        self.head, self.backward, self.step = head, backward, step


def block_forward(m, *p, x):
    normal = m.layer_norm(x, p[0], p[1])
    qkv = m.linear(normal, p[2], p[3]).reshape(BATCH, LENGTH, 3, HEADS, WIDTH // HEADS)
    mixed = m.attention(qkv[:, :, 0], qkv[:, :, 1], qkv[:, :, 2]).reshape(BATCH * LENGTH, WIDTH)
    x = x + m.linear(mixed, p[4], p[5])
    up = m.gelu(m.linear(m.layer_norm(x, p[6], p[7]), p[8], p[9]))
    return m.square(x + m.linear(up, p[10], p[11])).mean()


def perceptron(m, *p, x, classes):
    for layer in range(3):
        x = m.linear(x, p[layer], p[3 + layer])
        if layer < 2:
            x = m.relu(x)
    return m.cross_entropy(x, classes)


def scalars(m, x, term, factor):
    for step in range(STEPS):
        if step % 3 == 0:
            x = x + term
        elif step % 3 == 1:
            x = x * factor
        else:
            x = m.sin(x)
    return x


def chain(m, x):
    for _ in range(ROUNDS):
        x = m.relu(x * 1.1 + 0.05) - 0.04
    return x.sum()


def rosenbrock(m, x):
    low, high = x[:-1], x[1:]
    return (100.0 * m.square(high - m.square(low)) + m.square(1.0 - low)).sum()


def rows(m, which):
    x = numbers(6, (HEIGHT, COLUMNS), -4, 4)
    head = lambda *shape: numbers(7, shape, -1, 1)  # noqa: E731
    if which == "sum":
        return Case(lambda x: x.sum(), [("x", x)])
    if which == "sum-axis-0":
        return Case(lambda x: x.sum(0), [("x", x)], head=head(COLUMNS))
    if which == "sum-axis-1":
        return Case(lambda x: x.sum(1), [("x", x)], head=head(HEIGHT))
    if which == "max-axis-1":
        return Case(m.largest, [("x", x)], head=head(HEIGHT))
    if which == "softmax":
        return Case(m.softmax, [("x", x)], head=head(HEIGHT, COLUMNS))
    if which == "cross-entropy":
        fixed = [("classes", labels(8, HEIGHT, COLUMNS))]
        return Case(lambda x, classes: m.cross_entropy(x, classes), [("x", x)], fixed)
    leaves = [("x", x), ("weight", numbers(9, COLUMNS, 0.5, 1.5))]
    leaves += [("bias", numbers(10, COLUMNS, -0.5, 0.5))]
    return Case(m.layer_norm, leaves, head=head(HEIGHT, COLUMNS))


def make(m, name):
    """The case of this name, or none."""
    kind, *rest = name.split("/")
    if kind == "W3":
        leaves = [(leaf, numbers(i + 1, int(rest[0]), -3, 3)) for i, leaf in enumerate("xyz")]
        return Case(lambda x, y, z: m.square(m.sin(x) * y + m.exp(0.1 * z)).mean(), leaves)
    if kind == "W3chain":
        return Case(lambda x: chain(m, x), [("x", numbers(4, int(rest[0]), -1, 1))])
    if kind == "W4":
        op, mode, size = rest[0], rest[1], int(rest[2])
        x = numbers(5, size, 0.1 if op in POSITIVE else -4, 4)
        head = np.ones(size, np.float32)
        return Case(m.unary[op], [("x", x)], head=head, backward=mode != "forward")
    if kind == "W5":
        return rows(m, rest[0])
    if kind == "W6":
        count, rows_, inner, columns = PRODUCTS[rest[0]]
        shape = lambda a, b: (a, b) if count == 1 else (count, a, b)  # noqa: E731
        leaves = [("left", numbers(11, shape(rows_, inner), -1, 1))]
        leaves += [("right", numbers(12, shape(inner, columns), -1, 1))]
        return Case(lambda a, b: a @ b, leaves, head=numbers(13, shape(rows_, columns), -1, 1))
    if kind == "W7":
        batch = int(rest[0])
        bound = [1 / np.sqrt(np.float32(size)) for size in SIZES]
        weight = lambda i: numbers(14 + i, SIZES[i : i + 2], -bound[i], bound[i])  # noqa: E731
        bias = lambda i: numbers(17 + i, SIZES[i + 1], -bound[i], bound[i])  # noqa: E731
        leaves = [(f"weight {i + 1}", weight(i)) for i in range(3)]
        leaves += [(f"bias {i + 1}", bias(i)) for i in range(3)]
        fixed = [("x", numbers(20, (batch, SIZES[0]), 0, 1))]
        fixed += [("classes", labels(21, batch, SIZES[3]))]
        forward = lambda *p, x, classes: perceptron(m, *p, x=x, classes=classes)  # noqa: E731
        return Case(forward, leaves, fixed, step=True)
    if kind == "W8":
        x = numbers(22, int(rest[0]), -1.5, 1.5).astype(np.float64)
        return Case(lambda x: rosenbrock(m, x), [("x", x)])
    if kind == "W9":
        shapes = ((SIDE, 1), (1, SIDE), (SIDE,))
        leaves = [(leaf, numbers(23 + i, shapes[i], -1, 1)) for i, leaf in enumerate("abc")]
        return Case(lambda a, b, c: m.relu(a * b + c).sum(), leaves)
    if kind == "W11":
        leaves = [
            (leaf, numbers(27 + i, shape, low, high))
            for i, (leaf, shape, low, high) in enumerate(BLOCK)
        ]
        fixed = [("x", numbers(26, (BATCH * LENGTH, WIDTH), -1, 1))]
        return Case(lambda *p, x: block_forward(m, *p, x=x), leaves, fixed)
    return None


# ---- what a library has computed ----


def part(name, data):
    data = np.asarray(data).reshape(-1).astype(np.float64)
    samples = data[:: (len(data) // 2000) | 1].tolist() + [float(data[-1])]
    norm = float(np.sqrt(np.square(data).sum()))
    return {"name": name, "len": len(data), "norm": norm, "samples": samples}


# ---- torch ----


class Torch:
    def __init__(self, compiled):
        import torch
        import torch.nn.functional as F

        self.torch, self.compiled = torch, compiled
        self.version = torch.__version__
        torch.set_num_threads(THREADS)
        torch.set_num_interop_threads(1)
        self.sin, self.exp, self.relu, self.square = torch.sin, torch.exp, torch.relu, torch.square
        self.gelu, self.cross_entropy = F.gelu, F.cross_entropy
        self.softmax = lambda x: torch.softmax(x, 1)
        self.largest = lambda x: x.max(1).values
        self.layer_norm = lambda x, w, b: F.layer_norm(x, (x.shape[-1],), w, b, EPSILON)
        self.linear = lambda x, w, b: torch.addmm(b, x, w)
        self.unary = {
            "exp": torch.exp,
            "log": torch.log,
            "sin": torch.sin,
            "tanh": torch.tanh,
            "sigmoid": torch.sigmoid,
            "gelu": F.gelu,
            "sqrt": torch.sqrt,
            "recip": torch.reciprocal,
            "pow2.5": lambda x: x**2.5,
        }

    def attention(self, *qkv):
        from torch.nn.functional import scaled_dot_product_attention

        q, k, v = (x.transpose(1, 2) for x in qkv)
        return scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2)

    def work(self, name):
        torch = self.torch
        tensor = lambda data: torch.from_numpy(np.array(data))  # noqa: E731
        if self.compiled:
            torch._dynamo.reset()
            torch._dynamo.config.recompile_limit = 1000
        if name in ("W1", "W2"):
            if name == "W1" and self.compiled:
                return None
            term, factor = (tensor([np.float32(value)]) for value in (TERM, FACTOR))
            forward = lambda x: scalars(self, x, term, factor)  # noqa: E731
            if self.compiled:
                forward = torch.compile(forward)
            x = tensor([np.float32(START)]).requires_grad_()
            count = 0

            def chain_work(tell):
                nonlocal count
                if name == "W2":
                    with torch.no_grad():
                        x.fill_(float(start(count)))
                    count += 1
                x.grad = None
                y = forward(x)
                y.item()
                y.backward()
                return [part("result", y.detach()), part("x", x.grad)] if tell else None

            return chain_work

        if programs.has(name):
            return programs.torch_work(self, name, numbers, labels, part)
        case = make(self, name)
        if case is None:
            return None
        leaves = [(leaf, tensor(data).requires_grad_()) for leaf, data in case.leaves]
        values = [leaf for _, leaf in leaves]
        fixed = {key: tensor(data) for key, data in case.fixed}
        head = None if case.head is None else tensor(case.head)
        forward = torch.compile(case.forward) if self.compiled else case.forward
        sgd = torch.optim.SGD(values, RATE) if case.step else None

        def work(tell):
            for leaf in values:
                leaf.grad = None
            y = forward(*values, **fixed)
            if head is None:
                y.item()
            if case.backward:
                y.backward(head)
            answer = None
            if tell:
                answer = [part("result", y.detach())]
                if case.backward:
                    answer += [part(leaf, value.grad) for leaf, value in leaves]
            if sgd is not None:
                sgd.step()
            return answer

        return work


# ---- jax ----


class Jax:
    def __init__(self):
        import jax
        import jax.numpy as jnp

        jax.config.update("jax_platforms", "cpu")
        jax.config.update("jax_enable_x64", True)
        self.jax, self.jnp = jax, jnp
        self.version = jax.__version__
        self.sin, self.exp, self.square = jnp.sin, jnp.exp, jnp.square
        self.relu = jax.nn.relu
        self.gelu = lambda x: jax.nn.gelu(x, approximate=False)
        self.softmax = lambda x: jax.nn.softmax(x, axis=1)
        self.largest = lambda x: x.max(1)
        self.linear = lambda x, w, b: x @ w + b
        self.unary = {
            "exp": jnp.exp,
            "log": jnp.log,
            "sin": jnp.sin,
            "tanh": jnp.tanh,
            "sigmoid": jax.nn.sigmoid,
            "gelu": self.gelu,
            "sqrt": jnp.sqrt,
            "recip": lambda x: 1.0 / x,
            "pow2.5": lambda x: x**2.5,
        }

    def layer_norm(self, x, weight, bias):
        centred = x - x.mean(-1, keepdims=True)
        variance = self.square(centred).mean(-1, keepdims=True)
        return centred * self.jax.lax.rsqrt(variance + EPSILON) * weight + bias

    def cross_entropy(self, logits, classes):
        chosen = self.jnp.take_along_axis(logits, classes[:, None], axis=1)[:, 0]
        return (self.jax.nn.logsumexp(logits, axis=1) - chosen).mean()

    def attention(self, *qkv):
        return self.jax.nn.dot_product_attention(*qkv, is_causal=True)

    def work(self, name):
        jax, jnp = self.jax, self.jnp
        ready = jax.block_until_ready
        if name in ("W1", "W2"):
            term, factor = (jnp.float32(value) for value in (TERM, FACTOR))
            grad = jax.value_and_grad(lambda x: scalars(self, x, term, factor))
            if name == "W2":
                grad = jax.jit(grad)
            count = 0

            def chain_work(tell):
                nonlocal count
                x = jnp.float32(start(count) if name == "W2" else START)
                count += 1
                y, dx = ready(grad(x))
                return [part("result", y), part("x", dx)] if tell else None

            return chain_work

        if programs.has(name):
            return programs.jax_work(self, name, numbers, labels, part)
        case = make(self, name)
        if case is None:
            return None
        names = [leaf for leaf, _ in case.leaves]
        values = [jnp.asarray(data) for _, data in case.leaves]
        fixed = {key: jnp.asarray(data) for key, data in case.fixed}
        if not case.backward:
            once = jax.jit(case.forward)

            def forward(tell):
                y = ready(once(*values))
                return [part("result", y)] if tell else None

            return forward

        if case.head is None:
            argnums = tuple(range(len(values)))
            grad = jax.value_and_grad(case.forward, argnums=argnums)
            arguments = ()
        else:
            arguments = (jnp.asarray(case.head),)

            def grad(head, *values):
                y, pull = jax.vjp(case.forward, *values)
                return y, pull(head)

        if case.step:

            def step(values, fixed):
                y, grads = grad(*values, **fixed)
                return y, grads, [value - RATE * by for value, by in zip(values, grads)]

            step = jax.jit(step)

            def learn(tell):
                nonlocal values
                y, grads, values = ready(step(values, fixed))
                if tell:
                    return [part("result", y)] + [part(*pair) for pair in zip(names, grads)]

            return learn

        compiled = jax.jit(grad)

        def work(tell):
            y, grads = ready(compiled(*arguments, *values, **fixed))
            if tell:
                return [part("result", y)] + [part(*pair) for pair in zip(names, grads)]

        return work


# ---- the server ----


def main():
    name = sys.argv[1]
    # What a library prints must not come between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(value):
        answers.write(json.dumps(value) + "\n")
        answers.flush()

    library = Jax() if name == "jax" else Torch(compiled=name == "torch.compile")
    answer({"library": name, "version": library.version, "flags": "as packaged"})
    work = None
    for line in sys.stdin:
        verb, _, rest = line.strip().partition(" ")
        if verb == "open":
            work = library.work(rest)
            answer({"closed": False} if work is None else {"parts": work(True)})
        elif verb == "run":
            count = int(rest)
            begin = time.perf_counter()
            for _ in range(count):
                work(False)
            answer({"seconds": time.perf_counter() - begin})
        elif verb == "close":
            work = None
            gc.collect()
            answer({"closed": True})
        else:
            sys.exit(f"not a command: {line}")


if __name__ == "__main__":
    main()
