"""Writes tests/golden/derivatives.json: elementwise functions and their derivatives up to the third
order, all mixed ones included, at special points and far out in the tails.

    pip install sympy mpmath
    python3 tests/golden/derivatives.py            # all; takes minutes
    python3 tests/golden/derivatives.py elu logit  # these anew, and the others as they were

sympy differentiates the closed form, and mpmath evaluates that with 1,000 digits: no code of this
project, and no float, takes part. Where a derivative does not exist, at kinks, the convention is
PyTorch's for the first order (a subgradient), and 0 for all orders above; null stands for "nothing
is promised". At an infinity stand the limits."""

import json
import math
import os
import struct
import sys

import mpmath as mp
import sympy as sp

mp.mp.dps = 1000
x, a, b = sp.symbols("x a b", real=True)
INF = math.inf

GATE = 2 * sp.sqrt(2 / sp.pi) * (x + sp.Rational("0.044715") * x**3)
LOGISTIC = 1 / (1 + sp.exp(-x))
TAILS = [0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 3.0, -3.0, 10.0, -10.0, 18.0, -18.0, 20.5, 25.0, -25.0,
         37.0, -37.0, 40.0, -40.0, 100.0, -100.0, 700.0, -700.0, 1e5, -1e5, 1e20, -1e20, 1e-20,
         -1e-20, INF, -INF]
ORDINARY = [0.5, -0.5, 1.0, -1.0, 2.0, -3.0, 10.0, 1e-20, -1e-20, 1e10]
SMALL = [0.5, -0.5, 1.0, -1.0, 2.0, -3.0, 1e-20]
INSIDE = [0.0, 0.25, -0.5, 0.75, -0.9375, 1e-20, 1 - 2.0**-20]
BEYOND = [1e10, -1e20, 1e60, 1e100, -1e160, 1e200, 1e300]
GAMMA = [0.25, 0.75, 1.0, 2.0, 2.75, 7.0, 10.0, 1e-10, 1e5]
SELU_SCALE = sp.Rational("1.0507009873554804934193349852946")
SELU_ALPHA = sp.Rational("1.6732632423543772848170429916717")
NORMAL = sp.erfc(-x / sp.sqrt(2)) / 2
FALLING = [1e-20, 1e-10, 1e-5, 1e-3, 0.25, 0.5, 1.0, 2.0, 5.0, 7.0, 12.0, 20.0, 25.0, 30.0, 60.0, 1e3, 1e4]
POSITIVE = [0.25, 1.0, 2.0, 10.0, 1e-10, 1e10, 1e20]
NEAR_1 = [1 + 2.0**-20, 1 - 2.0**-20, 1 + 2.0**-10]
# Where exponentials are near the ends of the ranges of f32 and f64.
ENDS = [-80.0, 80.0, -86.0, -600.0, 600.0]
LEVEL = [-1e3, -100.0, -20.0, -3.0, -0.5, 0.5, 3.0, 20.0, 100.0, 1e3]


def below_0(form, above):
    """One form up to 0, another one above."""
    return sp.Piecewise((form, x <= 0), (above, True))


# name: (closed form, points)
UNARY = {
    "exp": (sp.exp(x), [p for p in TAILS if p <= 700]),
    "expm1": (sp.exp(x) - 1, [p for p in TAILS if p <= 700]),
    "log": (sp.log(x), POSITIVE + NEAR_1),
    "log1p": (sp.log(1 + x), [0.0, 0.5, -0.5, 1e-20, -1e-20, 1e10, 1e20, 2.0**-20 - 1]),
    "sqrt": (sp.sqrt(x), POSITIVE),
    "rsqrt": (1 / sp.sqrt(x), POSITIVE),
    "square": (x**2, [0.0, *ORDINARY]),
    "reciprocal": (1 / x, ORDINARY),
    "sin": (sp.sin(x), [0.0, *ORDINARY]),
    "cos": (sp.cos(x), [0.0, *ORDINARY]),
    "tan": (sp.tan(x), [0.0, *ORDINARY]),
    "tanh": (sp.tanh(x), TAILS),
    "sigmoid": (LOGISTIC, TAILS),
    "erf": (sp.erf(x), [p for p in TAILS if abs(p) not in (0.5,)]),
    "softplus": (sp.log(1 + sp.exp(x)), TAILS),
    "silu": (x * LOGISTIC, TAILS),
    "gelu": (x * sp.erfc(-x / sp.sqrt(2)) / 2, TAILS),
    "gelu_tanh": (x / (1 + sp.exp(-GATE)), TAILS),
    "exp2": (2**x, [0.0, 0.5, -0.5, 1.0, 3.0, -3.0, 10.0, -25.0, 100.0, -100.0, 1e-20]),
    "log2": (sp.log(x) / sp.log(2), POSITIVE + NEAR_1),
    "log10": (sp.log(x) / sp.log(10), POSITIVE + NEAR_1),
    "cbrt": (sp.cbrt(x), POSITIVE),
    "asin": (sp.asin(x), INSIDE),
    "acos": (sp.acos(x), INSIDE),
    "atan": (sp.atan(x), [*SMALL, 10.0, 1e5, *BEYOND]),
    "sinh": (sp.sinh(x), [0.0, *SMALL, 10.0, -25.0, 60.0, *ENDS]),
    "cosh": (sp.cosh(x), [0.0, *SMALL, 10.0, -25.0, 60.0, *ENDS]),
    "asinh": (sp.asinh(x), [0.0, *ORDINARY, *BEYOND]),
    "acosh": (sp.acosh(x), [1 + 2.0**-20, 1.5, 2.0, 10.0, 1e5, *[abs(p) for p in BEYOND]]),
    "atanh": (sp.atanh(x), INSIDE),
    "erfc": (sp.erfc(x), [0.0, *SMALL, 4.0, -4.0, 9.0, -9.0, 25.0]),
    "erfcx": (sp.exp(x**2) * sp.erfc(x), [0.0, *SMALL, 1.5, 4.0, 9.0, 25.0, 40.0, 1e3, 1e6, 1e10]),
    "erfinv": (sp.erfinv(x), INSIDE),
    "ndtr": (NORMAL, [0.0, *SMALL, 4.0, -10.0, 10.0, -35.0, 35.0]),
    "log_ndtr": (sp.log(NORMAL), [0.0, *SMALL, 4.0, 10.0, 30.0]),
    "ndtri": (sp.sqrt(2) * sp.erfinv(2 * x - 1), [0.25, 0.5, 0.75, 0.9375, 1e-5, 1e-10, 1e-30]),
    "lgamma": (sp.loggamma(x), GAMMA),
    "digamma": (sp.polygamma(0, x), [*GAMMA, -0.75, -3.25]),
    "i0": (sp.besseli(0, x), [0.25, 0.5, 1.0, 3.0, 7.5, 9.0, 20.0]),
    "i1": (sp.besseli(1, x), [1e-20, 1e-10, 1e-5, 1e-3, 0.0625, 0.25, 0.5, 1.0, 3.0, 7.5, 9.0, 20.0]),
    "i0e": (sp.exp(-x) * sp.besseli(0, x), FALLING),
    # (The slope has a zero at 1.55.)
    "i1e": (sp.exp(-x) * sp.besseli(1, x), [p for p in FALLING if p != 2.0]),
    # (At -100 the exponential is subnormal in f32, and its rounding is multiplied by x.)
    "mish": (x * sp.tanh(sp.log(1 + sp.exp(x))), [p for p in TAILS if abs(p) < 1e5 and p != -100.0]),
    "tanhshrink": (x - sp.tanh(x), [p for p in TAILS if p != 0]),
    # Each with one parameter: that of `apply` in tests/derivatives.rs.
    "elu": (below_0(sp.Rational(3, 4) * (sp.exp(x) - 1), x), TAILS + ENDS),
    "celu": (below_0((sp.exp(2 * x) - 1) / 2, x), TAILS + ENDS),
    "selu": (SELU_SCALE * below_0(SELU_ALPHA * (sp.exp(x) - 1), x), TAILS + ENDS),
    "log_sigmoid": (-sp.log(1 + sp.exp(-x)), TAILS + ENDS),
    "softplus_beta": (sp.log(1 + sp.exp(2 * x)) / 2, TAILS),
    "logit": (sp.log(x / (1 - x)), [0.25, 0.5, 0.75, 1e-10, 1e-30, 0.5 + 2.0**-6, 0.5 - 2.0**-6, 1 - 2.0**-20]),
    "sinc": (sp.sin(sp.pi * x) / (sp.pi * x), [1e-20, -1e-5, 0.25, 0.5, -0.75, 1.5, 2.25, -10.25, 100.25]),
    "softsign": (below_0(x / (1 - x), x / (1 + x)), [p for p in TAILS if p != 0]),
    "entr": (-x * sp.log(x), POSITIVE + NEAR_1),
}

# name: (points, for each order what each point has)
KINKS = [0.0, -0.0, 2.5, -2.5, INF, -INF]
PIECEWISE = {
    "neg": (KINKS, lambda p: [-p, -1, 0, 0]),
    "abs": (KINKS, lambda p: [abs(p), (p > 0) - (p < 0), 0, 0]),
    "relu": (KINKS, lambda p: [max(p, 0.0), float(p > 0), 0, 0]),
    "sign": (KINKS, lambda p: [(p > 0) - (p < 0), 0, 0, 0]),
    "floor": ([0.0, 2.5, -2.5, 3.0], lambda p: [math.floor(p), 0, 0, 0]),
    "ceil": ([0.0, 2.5, -2.5, 3.0], lambda p: [math.ceil(p), 0, 0, 0]),
    "round": ([0.0, 2.5, -2.5, 3.5], lambda p: [round(p), 0, 0, 0]),
}


def rounded(number, dtype):
    """A number of mpmath as the nearest one of the type, as a float."""
    if mp.isnan(number):
        return math.nan
    if mp.isinf(number):
        return INF if number > 0 else -INF
    with mp.workprec(53):
        number = float(+number) if abs(number) < mp.mpf(2) ** 1024 else math.copysign(INF, number)
    if dtype == "f32":
        try:
            number = struct.unpack("f", struct.pack("f", number))[0]
        except OverflowError:
            number = math.copysign(INF, number)
    return number


def text(number):
    if number is None:
        return None
    if math.isnan(number) or math.isinf(number):
        return str(number)
    return repr(float(number))


def at(function, point):
    """The function at a point; its limit at an infinity."""
    if math.isinf(point):
        far = function(mp.mpf(10) ** 60 * (1 if point > 0 else -1))
        if abs(far) > mp.mpf(10) ** 50:
            return mp.inf if far > 0 else -mp.inf
        return mp.mpf(0) if abs(far) < mp.mpf(10) ** -50 else mp.mpf(float(far))
    return function(mp.mpf(point))


def unary(name, form, points, dtype):
    orders = []
    points = [p for p in points if math.isinf(p) or not math.isinf(rounded(mp.mpf(p), dtype))]
    points = [rounded(mp.mpf(p), dtype) for p in points]
    for order in range(4):
        function = sp.lambdify(x, sp.diff(form, x, order), "mpmath")
        orders.append([text(rounded(mp.mpf(at(function, p)), dtype)) for p in points])
    names = [f"{order}" for order in range(4)]
    return {"op": name, "dtype": dtype, "points": [[text(p)] for p in points],
            "orders": dict(zip(names, orders))}


def piecewise(name, points, rule, dtype):
    rows = [rule(p) for p in points]
    orders = {f"{k}": [text(float(row[k])) for row in rows] for k in range(4)}
    return {"op": name, "dtype": dtype, "points": [[text(p)] for p in points], "orders": orders}


MIXED = [(i, j) for total in range(4) for i in range(total, -1, -1) for j in [total - i]]


def power(i, j, base, exponent):
    """d^i/da^i d^j/db^j of a^b."""
    whole = float(exponent).is_integer()
    if base == 0:
        if j == 0:
            factor = mp.mpf(1)
            for k in range(i):
                factor *= mp.mpf(exponent) - k
            if factor == 0:
                return mp.mpf(0)
            if exponent - i == 0:
                return factor
            return mp.mpf(0) if exponent > i else None  # infinite, of a sign that hangs on that of 0
        # a^b log(a)^j and what follows from it: 0 where the power wins.
        return mp.mpf(0) if exponent > i or (exponent == 0 and i == 0) else None
    if base < 0:
        if not whole:
            return mp.nan if (i, j) == (0, 0) else None
        if j > 0:
            return mp.nan if (i, j) == (0, 1) else None
        factor = mp.mpf(1)
        for k in range(i):
            factor *= mp.mpf(exponent) - k
        return mp.mpf(0) if factor == 0 else factor * mp.power(mp.mpf(base), int(exponent) - i)
    function = sp.lambdify((a, b), sp.diff(a**b, a, i, b, j), "mpmath")
    return function(mp.mpf(base), mp.mpf(exponent))


def angle(i, j, y, over):
    if math.isnan(y) or math.isnan(over):
        return mp.nan if i + j < 2 else None
    if y == 0 and over == 0:
        return mp.mpf(0)  # by decision; the value is that of signed zeros
    if (i, j) == (0, 0):
        return mp.atan2(mp.mpf(y), mp.mpf(over))
    # The angle itself is many-valued, and its derivatives are those of either branch.
    slopes = (b / (a**2 + b**2), -a / (a**2 + b**2))
    form = sp.diff(slopes[0], a, i - 1, b, j) if i > 0 else sp.diff(slopes[1], b, j - 1)
    return sp.lambdify((a, b), form, "mpmath")(mp.mpf(y), mp.mpf(over))


def quotient(i, j, top, bottom):
    return sp.lambdify((a, b), sp.diff(a / b, a, i, b, j), "mpmath")(mp.mpf(top), mp.mpf(bottom))


def times_log(argument):
    def form(i, j, factor, point):
        function = sp.lambdify((a, b), sp.diff(a * sp.log(argument), a, i, b, j), "mpmath")
        return function(mp.mpf(factor), mp.mpf(point))
    return form


def of_form(expression):
    def form(i, j, p, q):
        return sp.lambdify((a, b), sp.diff(expression, a, i, b, j), "mpmath")(mp.mpf(p), mp.mpf(q))
    return form


def rest(whole, takes):
    """A rounded quotient, or what is left of its division."""
    def form(i, j, top, bottom):
        quotient = whole(mp.mpf(top) / mp.mpf(bottom))
        if not takes:
            return quotient if (i, j) == (0, 0) else mp.mpf(0)
        value = mp.mpf(top) - quotient * mp.mpf(bottom)
        return {(0, 0): value, (1, 0): mp.mpf(1), (0, 1): -quotient}.get((i, j), mp.mpf(0))
    return form


def truncated(q):
    return mp.floor(q) if q > 0 else mp.ceil(q)


DIVISIONS = [(5.5, 2.0), (-5.5, 2.0), (5.5, -2.0), (-7.25, -3.0), (1.0, 0.1), (0.25, 8.0), (-0.25, 8.0), (1e10, 7.0),
             (1e30, 3.0)]

BINARY = {
    "xlogy": (times_log(b), [(p, q) for p in [0.0, 1.0, -2.5, 1e10] for q in [0.5, 1.0, 3.0, 1e-10, 1e10, NEAR_1[0]]]),
    "xlog1py": (times_log(1 + b), [(p, q) for p in [0.0, 1.0, -2.5, 1e10] for q in [-0.5, 1.0, 3.0, 1e-10, 1e10]]),
    "fmod": (rest(truncated, True), DIVISIONS),
    "remainder": (rest(mp.floor, True), DIVISIONS),
    "floor_divide": (rest(mp.floor, False), DIVISIONS[:-1]),
    "pow": (power, [(p, e) for p in [0.0, 1.0, 2.0, -2.0, 0.5, -1000.0, 1e-10, 3e3]
                    for e in [0.0, 1.0, 2.0, 3.0, -1.0, 0.5, 1.5, 4.0, 2.5, 1e10]]),
    "atan2": (angle, [(y, o) for y in [0.0, 1.0, -1.0, 2.0, 1e-20, 1e10, math.nan]
                      for o in [0.0, 1.0, -1.0, 3.0, -1e-10, 1e10, math.nan]]),
    # (Its second derivative by an operand that is much the larger one is a difference that cancels.)
    "hypot": (of_form(sp.sqrt(a**2 + b**2)), [(3.0, 4.0), (-1.0, 0.5), (3e10, 1e10), (-2.0, -2.0)]),
    "logaddexp": (of_form(sp.log(sp.exp(a) + sp.exp(b))),
                  [(p, q) for p in LEVEL for q in [0.0, 50.0, -50.0, p]]),
    "logaddexp2": (of_form(sp.log(2**a + 2**b) / sp.log(2)),
                   [(p, q) for p in LEVEL for q in [0.0, 50.0, -50.0, p]]),
    # (A logit and a target.)
    "bce_with_logits": (of_form(sp.log(1 + sp.exp(a)) - b * a),
                        [(p, t) for p in LEVEL for t in [0.0, 1.0, 0.5, 1e-10, 2.0**-20, 1 - 2.0**-20]]),
    "soft_margin_loss": (of_form(sp.log(1 + sp.exp(-a * b))), [(p, t) for p in LEVEL if abs(p) < 100 for t in [1.0, -1.0]]),
    "div": (quotient, [(1.0, 2.0), (0.0, 3.0), (-5.0, 0.5), (1e10, -1e5)]),
}


def binary(name, function, points, dtype):
    points = [tuple(rounded(mp.mpf(p), dtype) if p == p else p for p in pair) for pair in points]
    orders = {}
    for i, j in MIXED:
        row = []
        for pair in points:
            number = function(i, j, *pair)
            row.append(None if number is None else text(rounded(mp.mpf(number), dtype)))
        orders[f"{i}{j}"] = row
    # Beside an infinite derivative of the same order nothing is promised of the others.
    for total in range(1, 4):
        names = [f"{i}{j}" for i, j in MIXED if i + j == total]
        for k in range(len(points)):
            row = [orders[name][k] for name in names]
            if name == "atan2" and any(number in ("inf", "-inf") for number in row):
                for name_of_order in names:
                    orders[name_of_order][k] = None
    return {"op": name, "dtype": dtype, "points": [[text(p) for p in pair] for pair in points],
            "orders": orders}


def main(names):
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "derivatives.json")
    kept = {}
    if names:
        with open(path, encoding="utf-8") as file:
            kept = {(entry["op"], entry["dtype"]): entry for entry in json.load(file)}
    entries = []
    for dtype in ("f64", "f32"):
        for form, of in ((unary, UNARY), (piecewise, PIECEWISE), (binary, BINARY)):
            for name, rest in of.items():
                is_kept = names and name not in names
                entries.append(kept[name, dtype] if is_kept else form(name, *rest, dtype))
    with open(path, "w", encoding="utf-8") as file:
        file.write("[\n" + ",\n".join(json.dumps(entry) for entry in entries) + "\n]\n")


if __name__ == "__main__":
    main(sys.argv[1:])
