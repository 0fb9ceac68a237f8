"""W13 to W31 in PyTorch and JAX, as their users write them; `benches/programs/` says what they are.

Both functions take a case's name and answer a pass, or none where a library has no natural way.

torch records anew each time, so that `first`, `anew` and `replay` are one. Where only a value is
wanted it does not record, but for W13, W15 and W17, which are about recordings that grow.

jax has loops as `lax.scan`, with branches inside of it, and a compiled step where Python reads. It
has nothing for:

- `first` and W17, which would time its compiler;
- W16 and W20's separate leaves: what is many arrays elsewhere is one array in jax;
- W29: it has no graphs;
- W31's gradients above 5x5, and values above 7x7: unrolled, they take the compiler minutes.
"""

import math
import re

import numpy as np

START, WEIGHTS, RATE = (0.5, -0.4), (1.3, 0.7), 0.01
PENDULUM, STEP = (2.0, 0.1, 1.2, 0.0), 0.01
PENDULUM_NAMES = ("strength", "friction", "angle", "speed")
LOOPS, SHORTEST, LONGEST = 20, 50, 500
CHARGES = (1.0, 0.6, -0.3)
PLACES = ((3.0, -1.0), (-3.0, -0.5), (0.5, 4.0))
PLACE, SPEED = (0.0, 1.0), (0.3, 0.2)
SHIFT = (0.1, -0.2, 4.0)
TURN = ((0.36, 0.48, -0.8), (-0.8, 0.6, 0.0), (0.48, 0.64, 0.6))
FOCUS = 1.5
DROPPED = 0.25
SMALL = (0.5, -1.0, 2.0)


def wide(numbers, *arguments):
    return numbers(*arguments).astype(np.float64)


def has(name):
    number = re.match(r"W(\d+)/", name)
    return number is not None and int(number[1]) >= 13


# ---- what both libraries write alike; `m` has their names ----


def euler(m, y, w):
    return y + m.sin(y * w) * RATE


def energy(m, y, w):
    return (m.sin(y * w) + m.square(y) * 0.5).sum()


def runge_kutta(m, strength, friction, angle, speed):
    slope = lambda angle, speed: -(m.sin(angle) * strength) - speed * friction  # noqa: E731
    half = STEP / 2
    a1, s1 = speed, slope(angle, speed)
    a2, s2 = speed + s1 * half, slope(angle + a1 * half, speed + s1 * half)
    a3, s3 = speed + s2 * half, slope(angle + a2 * half, speed + s2 * half)
    a4, s4 = speed + s3 * STEP, slope(angle + a3 * STEP, speed + s3 * STEP)
    angle = angle + (a1 + (a2 + a3) * 2 + a4) * (STEP / 6)
    return angle, speed + (s1 + (s2 + s3) * 2 + s4) * (STEP / 6)


def lstm_step(m, weights, ends, states, now, later):
    """One row of the sequence: the new states, and what the loss loses."""
    x, new = now * ends[0], []
    for layer, (hidden, memory) in enumerate(states):
        weight, bias = weights[2 * layer], weights[2 * layer + 1]
        forget = m.sigmoid(x * weight[0] + bias[0])
        accept = m.sigmoid(hidden * weight[1] + bias[1])
        show = m.sigmoid(x * weight[2] + bias[2])
        change = m.tanh(hidden * weight[3] + bias[3])
        memory = memory * forget + accept * change
        x = show * m.tanh(memory)
        new.append((x, memory))
    guess = x * ends[1] + ends[2]
    norm = m.log(m.exp(guess).sum() + 2.0)
    return new, (later * (guess - norm)).sum()


def clusters(m, a, b):
    return m.amin(m.square(a - b).sum(2), 1).sum()


def shift_step(m, x, y):
    one = m.ones(1)
    slope = lambda y: x * m.concat([one, y[:-1]])  # noqa: E731
    step = 1 / 100
    k1 = slope(y)
    k2 = slope(y + k1 * (step / 2))
    k3 = slope(y + k2 * (step / 2))
    k4 = slope(y + k3 * step)
    return y + (k1 + k2 * 2 + k3 * 2 + k4) * (step / 6)


def potential(m, x, charges, places):
    return (charges / m.sqrt(m.square(x - places).sum(1))).sum()


def residuals(m, p, turn, shift, seen):
    moved = p @ turn.T + shift
    return moved[:, :2] / moved[:, 2:] * FOCUS - seen


def project(m, camera, point):
    r, c, focus = camera[:, :3], camera[:, 3:6], camera[:, 6:7]
    centre, k1, k2 = camera[:, 7:9], camera[:, 9:10], camera[:, 10:11]
    apart = point - c
    angle = m.sqrt(m.square(r).sum(1))[:, None]
    axis = r / angle
    sin, cos = m.sin(angle), m.cos(angle)
    along = (axis * apart).sum(1)[:, None] * (1.0 - cos)
    moved = apart * cos + m.cross(axis, apart) * sin + axis * along
    flat = moved[:, :2] / moved[:, 2:]
    square = m.square(flat).sum(1)[:, None]
    return flat * (1.0 + k1 * square + k2 * m.square(square)) * focus + centre


def expand(rows, row, columns):
    if len(columns) == 1:
        return rows[row][columns[0]]
    total = None
    for i, column in enumerate(columns):
        rest = columns[:i] + columns[i + 1 :]
        term = rows[row][column] * expand(rows, row + 1, rest)
        total = term if total is None else total + term if i % 2 == 0 else total - term
    return total


def written(count):
    return 0.25 + (count % 64) / 128


class Paths:
    """W19's loops, as `loops.rs` draws them."""

    def __init__(self, numbers):
        self.draws = numbers(51, 2_000_000, 0, 1)
        self.place = 0

    def draw(self, count):
        if self.place + count > len(self.draws):
            # The loops of Rust go on; these begin again.
            self.place = 0
        self.place += count
        return self.draws[self.place - count : self.place]

    def __call__(self):
        lengths = [SHORTEST + (LONGEST - SHORTEST) * i // (LOOPS - 1) for i in range(LOOPS)]
        for i, draw in zip(reversed(range(1, LOOPS)), self.draw(LOOPS - 1)):
            k = int(draw * np.float32(i + 1))
            lengths[i], lengths[k] = lengths[k], lengths[i]
        return [self.draw(length) < 0.5 for length in lengths]


def tables(numbers, labels):
    low = np.array([-0.5, -0.5, -0.5, -1, -1, -8, 1, -0.1, -0.1, -0.1, -0.01])
    high = np.array([0.5, 0.5, 0.5, 1, 1, -5, 2, 0.1, 0.1, 0.1, 0.01])
    cameras = low + (high - low) * wide(numbers, 82, (49, 11), 0, 1)
    n = 31_843
    return (
        cameras,
        wide(numbers, 83, (7776, 3), -1, 1),
        wide(numbers, 84, n, 0.5, 1),
        wide(numbers, 85, (n, 2), -1, 1),
        labels(86, n, 49),
        labels(87, n, 7776),
    )


# ---- values of one expression ----


def expression(m, kind, rest, numbers, labels):
    """(leaves, fixed tensors, expression, names of gradients or none, head or none)."""
    n = 30_000
    vectors = lambda seed, *shape: wide(numbers, seed, (n, *shape), -1, 1)  # noqa: E731
    if kind == "W22" and rest[0] == "sums":
        d = int(rest[1])
        x = wide(numbers, 58, ((1 << 18) // d, d), -1, 1)
        return [], [x], lambda x: ("sums", m.square(x).sum(1)), (), None
    if kind == "W23":
        which = rest[0]
        if which == "norm":
            return [], [vectors(60, 2)], lambda x: ("y", m.sqrt(m.square(x).sum(1))), (), None
        if which.startswith("rotate"):
            fixed = [vectors(61, 3, 3), vectors(62, 3), np.array(SHIFT)]
            if which == "rotate":
                return [], fixed, lambda r, p, t: ("y", (r * p[:, None]).sum(2) + t), (), None
            return [], fixed, lambda r, p, t: ("y", (r @ p[:, :, None])[:, :, 0] + t), (), None
        if which == "cross":
            return [], [vectors(63, 3), vectors(62, 3)], lambda w, p: ("y", m.cross(w, p)), (), None
        leaves = [vectors(62, 3), np.array(TURN), np.array(SHIFT)]
        fixed = [vectors(64, 2)]
        if which == "residuals":
            return [], leaves + fixed, lambda *a: ("y", residuals(m, *a)), (), None
        loss = lambda *a: ("loss", m.square(residuals(m, *a)).sum())  # noqa: E731
        return leaves, fixed, loss, ("points", "turn", "shift"), None
    if kind == "W24":
        low, high = (0.99, 1.01) if rest[0] == "prod" else (0.5, 2.0)
        x, axis = numbers(70, (65_536, 192), low, high), int(rest[1][-1])
        return [], [x], lambda x: ("y", m.reduce[rest[0]](x, axis)), (), None
    if kind == "W25":
        x, head = wide(numbers, 71, (16, 64, 64), -2, 2), wide(numbers, 72, (16, 64, 64), -1, 1)
        axis = 1 if rest[1] == "middle" else 2
        if rest[0] == "softmax":
            return [], [x], lambda x: ("y", m.softmax_of(x, axis)), (), None
        return [x], [], lambda x: ("y", m.softmax_of(x, axis)), ("x",), head
    if kind == "W27":
        if rest[0] == "amax of two axes":
            x = wide(numbers, 74, (64, 128, 128), -1, 1)
            axes = (1, 2) if rest[1] == "last" else (0, 2)
            return [], [x], lambda x: ("y", m.amax(x, axes)), (), None
        if rest[0].startswith(("gather", "index_select")):
            count, classes = 100_000, 10
            x = wide(numbers, 75, count * classes, -1, 1)
            if rest[0].startswith("gather"):
                x = x.reshape(count, classes)
                index = labels(77, count, classes)[:, None]
                take = lambda x, i: ("y", m.gather(x, i)[:, 0])  # noqa: E731
            else:
                index = labels(77, count, count * classes)
                take = lambda x, i: ("y", m.rows(x, i))  # noqa: E731
            if rest[0].endswith("+gradient"):
                return [x], [index], take, ("x",), wide(numbers, 76, count, -1, 1)
            return [], [x, index], take, (), None
    return None


# ---- torch ----


def torch_work(library, name, numbers, labels, part):
    torch = library.torch
    if library.compiled:
        return None

    class M:
        sin, cos, exp, log = torch.sin, torch.cos, torch.exp, torch.log
        sqrt, square, tanh, sigmoid = torch.sqrt, torch.square, torch.tanh, torch.sigmoid
        amin, amax, concat = torch.amin, torch.amax, torch.cat
        ones = staticmethod(lambda n: torch.ones(n, dtype=torch.float64))
        cross = staticmethod(lambda a, b: torch.linalg.cross(a, b))
        gather = staticmethod(lambda x, i: torch.gather(x, 1, i))
        rows = staticmethod(lambda x, i: torch.index_select(x, 0, i))
        softmax_of = staticmethod(lambda x, axis: torch.softmax(x, axis))
        reduce = {
            "argmax": torch.argmax,
            "logsumexp": torch.logsumexp,
            "prod": torch.prod,
            "sum": torch.sum,
            "amax": torch.amax,
        }

    m = M
    kind, *rest = name.split("/")
    rest = [word for word in rest if word != "large"]
    size = int(rest[-1]) if rest[-1].isdigit() else 0
    tensor = lambda data: torch.from_numpy(np.array(data))  # noqa: E731
    double = lambda data: torch.tensor(data, dtype=torch.float64)  # noqa: E731
    param = lambda data: double(data).requires_grad_()  # noqa: E731
    tell_of = lambda *pairs: [part(key, x.detach()) for key, x in pairs]  # noqa: E731

    found = expression(m, kind, rest, numbers, labels)
    if found is not None:
        leaves, fixed, record, names, head = found
        leaves = [tensor(x).requires_grad_() for x in leaves]
        fixed = [tensor(x) for x in fixed]
        head = None if head is None else tensor(head)

        def work(tell):
            for leaf in leaves:
                leaf.grad = None
            key, y = record(*leaves, *fixed)
            if names:
                y.backward(head)
            if tell:
                return tell_of((key, y), *((k, x.grad) for k, x in zip(names, leaves)))

        return work

    if kind == "W13":
        mode = rest[0].rsplit(" ", 1)[0]

        def work(tell):
            y, w = double(START), param(WEIGHTS)
            seen = math.nan
            for _ in range(size):
                if mode == "branch" and seen > 2.0:
                    y = y * 0.5
                elif mode == "branch" and seen < 0.5:
                    y = y * 1.01
                else:
                    y = euler(m, y, w)
                if mode == "read element":
                    seen = y[0].item()
                elif mode == "read all":
                    seen = y.tolist()[0]
                else:
                    seen = m.square(y).sum().item()
            if mode == "read+backward":
                y.sum().backward()
            if tell:
                backward = [("w", w.grad)] if mode == "read+backward" else []
                return tell_of(("y", y), *backward)

        return work

    if kind == "W14":
        backward = rest[0].startswith("grad+backward")

        def work(tell):
            y, w = param(START), param(WEIGHTS)
            for _ in range(size):
                # Without the gradient of all steps, none needs a gradient that has one itself.
                (slope,) = torch.autograd.grad(energy(m, y, w), y, create_graph=backward)
                y = y - slope * RATE
            if backward:
                y.sum().backward()
            if tell:
                return tell_of(("y", y), *([("w", w.grad)] if backward else []))

        return work

    if kind == "W15":
        backward = rest[0].startswith("backward")

        def work(tell):
            x = param(START[:1])
            ys = [m.sin(x * (0.5 + 1e-4 * i)) + 0.1 for i in range(size)]
            total = 0.0
            for y in ys:
                if backward:
                    y.backward()
                else:
                    total += y.item()
            if tell:
                return [part("sum", x.grad if backward else [total])]

        return work

    if kind == "W16":
        # It keeps the terms, and computes the one of the leaf anew.
        xs = [double([x]) for x in wide(numbers, 50, size, -1, 1)]
        terms = [m.sin(x) * 1.5 for x in xs]
        count = 0

        def work(tell):
            nonlocal count
            i = count * 7919 % size
            xs[i].fill_(written(count))
            count += 1
            terms[i] = m.sin(xs[i]) * 1.5
            y = m.concat(terms).sum()
            y.item()
            return tell_of(("sum", y)) if tell else None

        return work

    if kind == "W17":
        backward = rest[0] == "forward+backward"

        def work(tell):
            x = param([0.5])
            y = x
            for step in range(size):
                y = y * 1.005 if step % 3 == 0 else y + 0.001 if step % 3 == 1 else m.sin(y)
            y.item()
            if backward:
                y.backward()
            if tell:
                return tell_of(("y", y), *([("x", x.grad)] if backward else []))

        return work

    if kind == "W18":

        def work(tell):
            leaves = [param([value]) for value in PENDULUM]
            strength, friction, angle, speed = leaves
            for _ in range(size):
                angle, speed = runge_kutta(m, strength, friction, angle, speed)
            y = m.square(angle)
            y.item()
            y.backward()
            if tell:
                return tell_of(("y", y), *((k, x.grad) for k, x in zip(PENDULUM_NAMES, leaves)))

        return work

    if kind == "W19":
        paths = Paths(numbers)
        names, values = "wbv", [1.1, 0.2, 1.7]

        def work(tell):
            leaves = [param([value]) for value in values]
            w, b, v = leaves
            results = []
            for path in paths():
                y = double([0.5])
                for tanh in path.tolist():
                    y = m.tanh(y * w + b) if tanh else m.sin(y * v)
                y.backward()
                results.append(y.item())
            if tell:
                grads = ((k, x.grad) for k, x in zip(names, leaves))
                return [part("values", results), *tell_of(*grads)]

        return work

    if kind == "W20":
        data = wide(numbers, 52, size, -0.5, 0.5)
        way = rest[0].split(" ")[0]
        places = [torch.tensor([t]) for t in range(size)] if way == "index_select" else []
        leaves = [param([x]) for x in data] if way == "leaves" else [tensor(data).requires_grad_()]
        first = param([0.25])
        count = 0

        def work(tell):
            nonlocal count
            with torch.no_grad():
                first.fill_(written(count))
            count += 1
            for leaf in (*leaves, first):
                leaf.grad = None
            y = first
            for t in range(size):
                if way == "slice":
                    w = leaves[0][t : t + 1]
                elif way == "index_select":
                    w = torch.index_select(leaves[0], 0, places[t])
                else:
                    w = leaves[t]
                y = m.tanh(y * 0.9 + w)
            y.item()
            y.backward()
            if tell:
                by = torch.cat([leaf.grad for leaf in leaves])
                return tell_of(("y", y), ("w", by), ("start", first.grad))

        return work

    if kind == "W21":
        backward = rest[0] == "value+gradient"
        weights = tensor(wide(numbers, 53, (8, 4, 14), -1, 1)).requires_grad_()
        ends = tensor(wide(numbers, 54, (3, 14), -1, 1)).requires_grad_()
        sequence = tensor(wide(numbers, 55, (size + 1, 14), 0, 1))
        zero = torch.zeros(14, dtype=torch.float64)

        def work(tell):
            weights.grad = ends.grad = None
            states, loss = [(zero, zero)] * 4, 0.0
            with torch.set_grad_enabled(backward):
                for t in range(size):
                    rows = sequence[t], sequence[t + 1]
                    states, gain = lstm_step(m, weights, ends, states, *rows)
                    loss = loss - gain
                loss = loss * (1 / (size * 14))
            loss.item()
            if backward:
                loss.backward()
            if tell:
                grads = [("weights", weights.grad), ("ends", ends.grad)] if backward else []
                return tell_of(("loss", loss), *grads)

        return work

    if kind == "W22":
        n, k, d = (int(word) for word in rest[1].split("x"))
        a = tensor(wide(numbers, 56, (n, 1, d), -1, 1))
        b = tensor(wide(numbers, 57, (1, k, d), -1, 1)).requires_grad_()
        derivatives = rest[0] == "clusters+derivatives"

        def work(tell):
            with torch.set_grad_enabled(derivatives):
                y = clusters(m, a, b)
            found = [("value", y)]
            if derivatives:
                (slope,) = torch.autograd.grad(y, b, create_graph=True)
                (curve,) = torch.autograd.grad(slope.sum(), b)
                found += [("slope", slope), ("curve", curve)]
            y.item()
            return tell_of(*found) if tell else None

        return work

    if kind == "W26":
        x = tensor(wide(numbers, 80, 10_000, 0.5, 1.5)).requires_grad_()
        gradient = rest[0] == "value+gradient"

        def work(tell):
            x.grad = None
            y = torch.zeros(10_000, dtype=torch.float64)
            with torch.set_grad_enabled(gradient):
                for _ in range(100):
                    y = shift_step(m, x, y)
            if gradient:
                y.sum().backward()
            if tell:
                return tell_of(("y", y), *([("x", x.grad)] if gradient else []))

        return work

    if kind == "W27" and rest[0] == "dropout":
        data = tensor(wide(numbers, 73, 1_000_000, 0.5, 1.0))

        def work(tell):
            y = torch.nn.functional.dropout(data, DROPPED)
            return [part("kept", [float((y != 0).sum())])] if tell else None

        return work

    if kind == "W28":
        places = double(PLACES)

        def work(tell):
            start, speed, charges = param(PLACE), param(SPEED), param(CHARGES)
            x, v = start, speed
            for _ in range(size):
                y = potential(m, x, charges, places)
                (force,) = torch.autograd.grad(y, x, create_graph=True)
                v = v - force * STEP
                x = x + v * STEP
                if x.tolist()[1] < 0:
                    break
            m.square(x).sum().backward()
            if tell:
                grads = [("speed", speed), ("start", start), ("charges", charges)]
                return tell_of(("place", x), *((key, leaf.grad) for key, leaf in grads))

        return work

    if kind == "W29":
        # A parameter and an optimizer for each.
        def work(tell):
            all_of = []
            for _ in range(size):
                w = param(SMALL)
                adam = torch.optim.Adam([w], lr=0.1)
                (m.square(w) + m.sin(w)).sum().backward()
                adam.step()
                w.tolist()
                all_of.append((w, adam))
            return tell_of(("w", w)) if tell else None

        return work

    if kind == "W30":
        cameras, points, weights, seen, by, of = map(tensor, tables(numbers, labels))
        for leaf in (cameras, points, weights):
            leaf.requires_grad_()
        gradients = rest[0] == "value+gradients"

        def work(tell):
            with torch.set_grad_enabled(gradients):
                camera, point = m.rows(cameras, by), m.rows(points, of)
                both = (project(m, camera, point) - seen) * weights[:, None]
                residual = [both[:, 0], both[:, 1]]
            slopes = []
            if gradients:
                for one in residual:
                    leaves = [camera, point, weights]
                    slopes += torch.autograd.grad(one.sum(), leaves, retain_graph=True)
            if tell:
                return tell_of(
                    *(("residual", x) for x in residual), *(("slope", x) for x in slopes)
                )

        return work

    if kind == "W31":
        n = int(rest[-1].split("x")[0])
        rows = [[param([x]) for x in row] for row in wide(numbers, 81, (n, n), -1, 1)]
        leaves = [leaf for row in rows for leaf in row]
        gradient = rest[0] == "value+gradient"
        count = 0

        def work(tell):
            nonlocal count
            with torch.no_grad():
                rows[0][0].fill_(written(count))
            count += 1
            for leaf in leaves:
                leaf.grad = None
            with torch.set_grad_enabled(gradient):
                y = expand(rows, 0, tuple(range(n)))
            y.item()
            if gradient:
                y.backward()
            if tell:
                by = [("m", torch.cat([leaf.grad for leaf in leaves]))] if gradient else []
                return tell_of(("y", y), *by)

        return work
    return None


# ---- jax ----


def jax_work(library, name, numbers, labels, part):
    jax, jnp = library.jax, library.jnp
    ready = jax.block_until_ready

    class M:
        sin, cos, exp, log = jnp.sin, jnp.cos, jnp.exp, jnp.log
        sqrt, square, tanh, sigmoid = jnp.sqrt, jnp.square, jnp.tanh, jax.nn.sigmoid
        amin, amax = jnp.min, jnp.max
        concat, ones, cross = jnp.concatenate, jnp.ones, jnp.cross
        gather = staticmethod(lambda x, i: jnp.take_along_axis(x, i, axis=1))
        rows = staticmethod(lambda x, i: x[i])
        softmax_of = staticmethod(lambda x, axis: jax.nn.softmax(x, axis=axis))
        reduce = {
            "argmax": jnp.argmax,
            "logsumexp": lambda x, axis: jax.nn.logsumexp(x, axis=axis),
            "prod": jnp.prod,
            "sum": jnp.sum,
            "amax": jnp.max,
        }

    m = M
    kind, *rest = name.split("/")
    rest = [word for word in rest if word != "large"]
    if " first" in name or rest[0] == "first":
        return None  # It would time the compiler.
    size = int(rest[-1]) if rest[-1].isdigit() else 0
    double = lambda data: jnp.asarray(data, jnp.float64)  # noqa: E731

    def compiled(names, function, *arguments):
        """A pass that answers what a function does, under these names."""
        function = jax.jit(function)

        def work(tell):
            found = ready(function(*arguments))
            return [part(*pair) for pair in zip(names, found)] if tell else None

        return work

    def with_gradients(key, names, function, leaves, fixed=(), head=None):
        def both(*arguments):
            leaves, fixed = arguments[: len(names)], arguments[len(names) :]
            *fixed, head = fixed
            y, pull = jax.vjp(lambda *leaves: function(*leaves, *fixed), *leaves)
            return (y, *pull(jnp.ones_like(y) if head is None else head))

        return compiled((key, *names), both, *leaves, *fixed, head)

    found = expression(m, kind, rest, numbers, labels)
    if found is not None:
        leaves, fixed, record, names, head = found
        leaves, fixed = map(jnp.asarray, leaves), map(jnp.asarray, fixed)
        leaves, fixed = list(leaves), list(fixed)
        key = {"W22": "sums"}.get(kind, "loss" if names and kind == "W23" else "y")
        value = lambda *arguments: record(*arguments)[1]  # noqa: E731
        if names:
            head = None if head is None else jnp.asarray(head)
            return with_gradients(key, names, value, leaves, fixed, head)
        return compiled([key], lambda *arguments: (value(*arguments),), *fixed)

    if kind == "W13":
        mode = rest[0].rsplit(" ", 1)[0]
        start, w = double(START), double(WEIGHTS)

        if mode == "branch":
            # A branch needs no read: it stays inside of what is compiled.
            def go(y, w):
                ways = [lambda y: euler(m, y, w), lambda y: y * 0.5, lambda y: y * 1.01]

                def step(state, _):
                    y, seen = state
                    way = jnp.where(seen > 2.0, 1, jnp.where(seen < 0.5, 2, 0))
                    y = jax.lax.switch(way, ways, y)
                    return (y, m.square(y).sum()), None

                return jax.lax.scan(step, (y, math.nan), None, length=size)[0]

            return compiled(["y"], go, start, w)

        if mode == "read+backward":
            # A gradient through steps that are compiled one by one takes six times as long.
            def last(w, y):
                def step(y, _):
                    y = euler(m, y, w)
                    jax.debug.callback(float, m.square(y).sum(), ordered=True)
                    return y, None

                y = jax.lax.scan(step, y, None, length=size)[0]
                return y.sum(), y

            grad = jax.jit(jax.grad(last, has_aux=True))

            def work(tell):
                by, y = ready(grad(w, start))
                jax.effects_barrier()
                return [part("y", y), part("w", by)] if tell else None

            return work

        def step(y, w):
            y = euler(m, y, w)
            return y, y[0] if mode == "read element" else m.square(y).sum()

        step = jax.jit(step)

        def work(tell):
            y = start
            for _ in range(size):
                y, seen = step(y, w)
                if mode == "read all":
                    np.asarray(y)
                else:
                    float(seen)
            return [part("y", y)] if tell else None

        return work

    if kind == "W14":

        def descend(y, w):
            def step(y, _):
                return y - jax.grad(lambda y: energy(m, y, w))(y) * RATE, None

            return jax.lax.scan(step, y, None, length=size)[0]

        start, w = double(START), double(WEIGHTS)
        if not rest[0].startswith("grad+backward"):
            return compiled(["y"], lambda y, w: (descend(y, w),), start, w)
        return with_gradients("y", ["w"], lambda w, y: descend(y, w), [w], [start])

    if kind == "W15":
        value = lambda x, factor: m.sin(x * factor) + 0.1  # noqa: E731
        backward = rest[0].startswith("backward")
        one = jax.jit(value)
        add = jax.jit(lambda total, *one: total + jax.grad(value)(*one))
        x = double(START[0])
        factors = [0.5 + 1e-4 * i for i in range(size)]

        def work(tell):
            if backward:
                total = double(0.0)
                for factor in factors:
                    total = add(total, x, factor)
                total = float(total)
            else:
                ys = [one(x, factor) for factor in factors]
                total = sum(float(y) for y in ys)
            return [part("sum", [total])] if tell else None

        return work

    if kind == "W18":

        def swing(strength, friction, angle, speed):
            def step(state, _):
                return runge_kutta(m, strength, friction, *state), None

            state, _ = jax.lax.scan(step, (angle, speed), None, length=size)
            return m.square(state[0])

        leaves = [double([value]) for value in PENDULUM]
        return with_gradients("y", PENDULUM_NAMES, swing, leaves)

    if kind == "W19":
        # One compiled loop for all: what a path lacks of the longest leaves y as it is.
        paths = Paths(numbers)

        def run(leaves, path):
            w, b, v = leaves
            ways = [lambda y: m.sin(y * v), lambda y: m.tanh(y * w + b), lambda y: y]
            step = lambda y, way: (jax.lax.switch(way, ways, y), None)  # noqa: E731
            return jax.lax.scan(step, 0.5, path)[0]

        grad = jax.jit(jax.value_and_grad(run))
        add = jax.jit(lambda *sums: jax.tree.map(lambda *parts: sum(parts), *sums))
        leaves = [double(value) for value in (1.1, 0.2, 1.7)]

        def work(tell):
            results, slopes = [], []
            for path in paths():
                ways = np.full(LONGEST, 2)
                ways[: len(path)] = path
                y, by = grad(leaves, ways)
                results.append(float(y))
                slopes.append(by)
            total = ready(add(*slopes))
            if tell:
                return [part("values", results), *(part(*pair) for pair in zip("wbv", total))]

        return work

    if kind == "W20" and not rest[0].startswith("leaves"):

        def chain(w, start):
            step = lambda y, w: (m.tanh(y * 0.9 + w), None)  # noqa: E731
            return jax.lax.scan(step, start, w[:, None])[0]

        grad = jax.jit(jax.value_and_grad(lambda *leaves: chain(*leaves)[0], argnums=(0, 1)))
        w = jnp.asarray(wide(numbers, 52, size, -0.5, 0.5))
        count = 0

        def work(tell):
            nonlocal count
            start = double([written(count)])
            count += 1
            y, by = ready(grad(w, start))
            if tell:
                return [part("y", y), part("w", by[0]), part("start", by[1])]

        return work

    if kind == "W21":
        weights = jnp.asarray(wide(numbers, 53, (8, 4, 14), -1, 1))
        ends = jnp.asarray(wide(numbers, 54, (3, 14), -1, 1))
        sequence = jnp.asarray(wide(numbers, 55, (size + 1, 14), 0, 1))
        zero = jnp.zeros(14)

        def loss(weights, ends, sequence):
            def step(states, rows):
                return lstm_step(m, weights, ends, states, *rows)

            rows = (sequence[:-1], sequence[1:])
            gains = jax.lax.scan(step, [(zero, zero)] * 4, rows)[1]
            return -gains.sum() * (1 / (size * 14))

        if rest[0] == "value+gradient":
            names = ["weights", "ends"]
            return with_gradients("loss", names, loss, [weights, ends], [sequence])
        return compiled(["loss"], lambda *a: (loss(*a),), weights, ends, sequence)

    if kind == "W22":
        n, k, d = (int(word) for word in rest[1].split("x"))
        a = jnp.asarray(wide(numbers, 56, (n, 1, d), -1, 1))
        b = jnp.asarray(wide(numbers, 57, (1, k, d), -1, 1))
        if rest[0] == "clusters":
            return compiled(["value"], lambda a, b: (clusters(m, a, b),), a, b)

        def derivatives(a, b):
            both = jax.value_and_grad(lambda b: clusters(m, a, b))
            (y, slope), (_, curve) = jax.jvp(both, (b,), (jnp.ones_like(b),))
            return y, slope, curve

        return compiled(["value", "slope", "curve"], derivatives, a, b)

    if kind == "W26":
        x = jnp.asarray(wide(numbers, 80, 10_000, 0.5, 1.5))

        def solve(x):
            step = lambda y, _: (shift_step(m, x, y), None)  # noqa: E731
            return jax.lax.scan(step, jnp.zeros(10_000), None, length=100)[0]

        if rest[0] == "value+gradient":
            return with_gradients("y", ["x"], solve, [x])
        return compiled(["y"], lambda x: (solve(x),), x)

    if kind == "W27" and rest[0] == "dropout":
        data = jnp.asarray(wide(numbers, 73, 1_000_000, 0.5, 1.0))
        key = jax.random.key(0)

        def drop(key, x):
            key, mine = jax.random.split(key)
            keep = jax.random.bernoulli(mine, 1 - DROPPED, x.shape)
            return key, jnp.where(keep, x / (1 - DROPPED), 0.0)

        drop = jax.jit(drop)

        def work(tell):
            nonlocal key
            key, y = ready(drop(key, data))
            return [part("kept", [float((y != 0).sum())])] if tell else None

        return work

    if kind == "W28":

        def travel(start, speed, charges, places):
            def step(state, _):
                x, v, gone = state
                force = jax.grad(lambda x: potential(m, x, charges, places))(x)
                new_v = v - force * STEP
                new_x = x + new_v * STEP
                # Where it has left, it stays; the loop goes on, as scan has no break.
                x, v = jnp.where(gone, x, new_x), jnp.where(gone, v, new_v)
                return (x, v, gone | (x[1] < 0)), None

            return jax.lax.scan(step, (start, speed, False), None, length=size)[0][0]

        def loss(speed, start, charges, places):
            x = travel(start, speed, charges, places)
            return m.square(x).sum(), x

        def both(*leaves):
            slopes, x = jax.grad(loss, argnums=(0, 1, 2), has_aux=True)(*leaves)
            return (x, *slopes)

        names = ["place", "speed", "start", "charges"]
        return compiled(names, both, *map(double, (SPEED, PLACE, CHARGES, PLACES)))

    if kind == "W30":
        data = map(jnp.asarray, tables(numbers, labels))

        def residual(camera, point, weights, seen):
            both = (project(m, camera, point) - seen) * weights[:, None]
            return both[:, 0], both[:, 1]

        def value(cameras, points, weights, seen, by, of):
            return residual(m.rows(cameras, by), m.rows(points, of), weights, seen)

        def gradients(cameras, points, weights, seen, by, of):
            leaves = (m.rows(cameras, by), m.rows(points, of), weights)
            both, pull = jax.vjp(lambda *leaves: residual(*leaves, seen), *leaves)
            one, none = jnp.ones(len(weights)), jnp.zeros(len(weights))
            return (*both, *pull((one, none)), *pull((none, one)))

        if rest[0] == "value":
            return compiled(["residual"] * 2, value, *data)
        return compiled(["residual"] * 2 + ["slope"] * 6, gradients, *data)

    if kind == "W31":
        n = int(rest[-1].split("x")[0])
        gradient = rest[0] == "value+gradient"
        if n > (5 if gradient else 7):
            return None  # Unrolled, it takes the compiler minutes, and gigabytes.
        matrix = wide(numbers, 81, (n, n), -1, 1)
        value = lambda x: expand(x, 0, tuple(range(n)))  # noqa: E731
        function = jax.jit(jax.value_and_grad(value) if gradient else value)
        count = 0

        def work(tell):
            nonlocal count
            matrix[0, 0] = written(count)
            count += 1
            found = ready(function(jnp.asarray(matrix)))
            if tell:
                y, *by = found if gradient else (found,)
                return [part("y", y), *(part("m", x) for x in by)]

        return work
    return None
