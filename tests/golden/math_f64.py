"""Write reference values of the elementary functions, for src/math/tests.rs.

Run:  python math_f64.py > math_f64.csv          (needs mpmath; about a minute)
      python math_f64.py 20000 > /tmp/large.csv  (so many random points a function)

Each line is  function,x,y,value,residual : the bits of the two arguments (y is 0 for functions of
one) and of the correctly rounded f64 result, in hexadecimal, and by how much the exact result
exceeds that, in units of its last place. Random points have a fixed seed. Besides them stand the
arguments that are hard for the usual methods: ends of reduction intervals, results that cancel,
underflow or nearly overflow. Special values (NaN, infinities, zeros) are tested elsewhere.
"""

import math
import random
import struct
import sys

from mpmath import (atan2, cos, erf, exp, expm1, floor, log, log1p, mp, mpf, ncdf, nint, pi, power, sqrt,
                    sin, tan, tanh)

mp.dps = 60
random.seed(2604)
TRIG_LIMIT = 1.6e6


def bits(x):
    return struct.unpack("<Q", struct.pack("<d", x))[0]


def from_bits(b):
    return struct.unpack("<d", struct.pack("<Q", b))[0]


def neighbours(x, reach=2):
    """x and the f64 around it."""
    x = float(x)
    b = bits(x)
    return [from_bits(b + i) for i in range(-reach, reach + 1)
            if 0 <= (b & (2**63 - 1)) + i < 0x7ff << 52]


def rounded(exact):
    """The nearest f64 and what it misses in ULPs, or None if that is infinite."""
    if exact == 0:
        return 0.0, mpf(0)
    place = max(int(floor(log(abs(exact), 2))) - 52, -1074)
    count = nint(mpf(exact) / mpf(2) ** place)
    if abs(count) * mpf(2) ** place >= mpf(2) ** 1024:
        return None
    value = math.ldexp(int(count), place)
    return value, (exact - mpf(value)) / mpf(math.ulp(value))


def sigmoid(x):
    return 1 / (1 + exp(-x))


def gelu(x):
    return x * ncdf(x)


def silu(x):
    return x * sigmoid(x)


def gelu_gate(x):
    return sigmoid(2 * sqrt(2 / pi) * (x + mpf("0.044715") * x**3))


def gelu_tanh(x):
    return x * gelu_gate(x)


def bell(x):
    return exp(-x * x)


def gaussian(x):
    return exp(-x * x / 2)


def logarithmic(low, high):
    return math.exp(random.uniform(math.log(low), math.log(high)))


def either_sign(x):
    return random.choice((-x, x))


def both_signs(points):
    return [s * x for x in points for s in (1, -1)]


TINY = both_signs([5e-324, 1e-320, 2.2250738585072014e-308, 1e-300, 1e-30, 1e-17, 5.5e-17, 1.1e-16,
                   3e-16, 1e-12, 9.9e-10, 1.01e-9, 1e-6, 1e-3])
SMALL = [either_sign(x) for x in (2.0**-k for k in range(1, 60))]
LN2 = log(mpf(2))
HALF_LN2 = [x for k in range(-9, 10) if k % 2 for x in neighbours(k * LN2 / 2, 1)]


def exponential_points(n, low, high):
    points = [random.uniform(low, high) for _ in range(n // 2)]
    points += [random.uniform(-2, 2) for _ in range(n // 4)]
    points += [either_sign(logarithmic(1e-17, 1)) for _ in range(n // 4)]
    return points + HALF_LN2 + TINY


def trig_points(n):
    points = [random.uniform(-TRIG_LIMIT, TRIG_LIMIT) for _ in range(n // 4)]
    points += [random.uniform(-7, 7) for _ in range(n // 4)]
    points += [either_sign(logarithmic(1e-10, 1e6)) for _ in range(n // 8)]
    most = int(TRIG_LIMIT / float(pi / 2))
    multiples = list(range(1, 20)) + [random.randrange(most) for _ in range(n // 8)]
    # Of some thousand multiples of pi/2, those nearest to an f64.
    candidates = [(abs(mpf(float(k * pi / 2)) - k * pi / 2), k)
                  for k in random.sample(range(most), max(4000, n // 4))]
    multiples += [k for _, k in sorted(candidates)[:40]]
    points += [x for k in multiples for x in neighbours(k * pi / 2, 0)]
    points += [x for k in multiples[:40] for x in neighbours(k * pi / 2 + pi / 4, 1)]
    return points + TINY + SMALL


def unary_points(name, n):
    if name == "exp":
        edges = [x for e in (709.782712893384, -745.1332191019411, -708.3964185322641, -744.4,
                             -740.0, -1.0, 1.0) for x in neighbours(e)]
        return exponential_points(n, -745, 709) + edges
    if name == "expm1":
        edges = [x for e in (709.782712893384, -0.2876820724517809, 37.0, 38.1, 39.0, -37.0, -38.0,
                             -49.9, -50.1, -700.0, 1.04) for x in neighbours(e)]
        return exponential_points(n, -40, 709) + edges
    if name == "ln":
        points = [logarithmic(5e-324, 1.7e308) for _ in range(n // 4)]
        points += [from_bits(random.randrange(1, 1 << 52)) for _ in range(n // 16)]
        points += [random.uniform(0.3, 3) for _ in range(n // 4)]
        points += [1 + either_sign(logarithmic(1e-16, 0.5)) for _ in range(n // 4)]
        edges = [2.0**k * c for k in (-1070, -1022, -3, -1, 0, 1, 2, 1023)
                 for c in (1.0, math.sqrt(2) / 2, math.sqrt(2) * 0.999999)]
        points += [x for e in edges for x in neighbours(e)]
        return points + [1 + x for x in SMALL[:52]] + [5e-324, 1.7976931348623157e308]
    if name == "log1p":
        points = [logarithmic(1e-300, 1e300) for _ in range(n // 8)]
        points += [random.uniform(-1, 3) for _ in range(n // 2)]
        points += [either_sign(logarithmic(1e-17, 0.5)) for _ in range(n // 4)]
        points += [-1 + logarithmic(1e-16, 0.5) for _ in range(n // 8)]
        edges = (math.sqrt(2) - 1, math.sqrt(0.5) - 1, 0.4141, -0.2929, 1.0, 3.0, 2.0**52, 2.0**53,
                 2.0**54, 1e16, -0.9999999999999999, 1.0914142135623731)
        points += [x for e in edges for x in neighbours(e) if x > -1]
        return points + TINY + SMALL[1:] + [1.7976931348623157e308]
    if name in ("sin", "cos", "tan"):
        return trig_points(n)
    if name == "tanh":
        points = [random.uniform(-3, 3) for _ in range(n // 2)]
        points += [random.uniform(-23, 23) for _ in range(n // 8)]
        points += [either_sign(logarithmic(1e-10, 1)) for _ in range(n // 4)]
        edges = [x for e in (0.5493061443340549, 19.06, 22.0, 25.0, 700.0) for x in neighbours(e)]
        return points + edges + [x / 2 for x in HALF_LN2] + TINY + SMALL
    if name == "sigmoid":
        edges = [x for e in (-745.1332191019411, -744.4, -708.3964185322641, 36.7, 37.5, -36.7)
                 for x in neighbours(e)]
        return exponential_points(n, -745, 40) + edges + SMALL
    if name == "erf":
        points = [random.uniform(-3, 3) for _ in range(n // 2)]
        points += [random.uniform(-6.6, 6.6) for _ in range(n // 8)]
        points += [either_sign(logarithmic(1e-10, 1)) for _ in range(n // 4)]
        edges = [x for e in (0.85, -0.85, 0.84375, 1.25, 2.857, 5.92, 6.5, 30.0)
                 for x in neighbours(e)]
        return points + edges + TINY + SMALL
    if name == "gaussian":
        points = [random.uniform(-38.5, 38.5) for _ in range(n // 2)]
        points += [random.uniform(-4, 4) for _ in range(n // 2)]
        edges = [x for e in (38.4, 37.6, 1.1774100225154747) for x in neighbours(e)]
        return points + edges + TINY + SMALL
    if name in ("normal_cdf", "gelu"):
        points = [random.uniform(-38.5, 0) for _ in range(n // 2)]
        points += [random.uniform(-4, 4) for _ in range(n // 2)]
        edges = [x for e in (-38.4, -38.0, -37.52, -37.4, -5.0, -1.2, 8.2, 8.3, 20.0)
                 for x in neighbours(e)]
        return points + edges + TINY + SMALL
    if name == "bell":
        points = [random.uniform(-27.3, 27.3) for _ in range(n // 2)]
        points += [random.uniform(-3, 3) for _ in range(n // 2)]
        edges = [x for e in (27.2, 26.6, 0.8325546111576977) for x in neighbours(e)]
        return points + edges + TINY + SMALL
    if name == "silu":
        edges = [x for e in (-751.0, -745.1332191019411, -708.3964185322641, 36.7, 37.5, -36.7, 1e4)
                 for x in neighbours(e)]
        return exponential_points(n, -751, 40) + edges + SMALL
    if name in ("gelu_gate", "gelu_tanh"):
        points = [random.uniform(-21.7, 5) for _ in range(n // 2)]
        points += [random.uniform(-4, 4) for _ in range(n // 2)]
        edges = [x for e in (-21.4, -21.0, -5.0, -1.2, 5.0, 6.0, 20.0) for x in neighbours(e)]
        return points + edges + TINY + SMALL
    raise ValueError(name)


def pow_points(n):
    points = []
    for _ in range(n // 4):
        x = logarithmic(1e-300, 1e300)
        points.append((x, random.uniform(-745, 709) / math.log(x)))
    for _ in range(n // 8):
        # Near one to a huge power.
        x = 1 + either_sign(logarithmic(3e-16, 1e-3))
        points.append((x, random.uniform(-745, 709) / math.log(x)))
    for _ in range(n // 8):
        # The ends of what can be represented.
        x = logarithmic(1e-300, 1e300)
        points.append((x, random.choice((709.7, -708.5, -720.0, -740.0, -744.0)) / math.log(x)))
    points += [(random.uniform(0.5, 2), random.uniform(-30, 30)) for _ in range(n // 4)]
    points += [(random.uniform(-9, 9), float(random.randrange(-30, 30))) for _ in range(n // 8)]
    points += [(from_bits(random.randrange(1, 1 << 52)), random.uniform(-0.9, 0.99))
               for _ in range(n // 16)]
    exponents = (0.5, -0.5, 1.0, -1.0, 2.0, 3.0, 1e-3, 1e-17, 1e-310, 1 / 3)
    points += [(x, y) for y in exponents
               for x in (5e-324, 1e-310, 0.1, 0.7071067811865476, 1.4142135623730951, 3.0, 1e100)]
    points += [(from_bits(bits(1.0) + i), y) for i in (-3, -2, -1, 1, 2, 3)
               for y in (1e10, 1e15, 1e18, -1e18, 3e18)]
    return points


def atan2_points(n):
    points = [(random.uniform(-1, 1), random.uniform(-1, 1)) for _ in range(n // 2)]
    points += [(either_sign(logarithmic(1e-300, 1e300)), either_sign(logarithmic(1e-300, 1e300)))
               for _ in range(n // 8)]
    points += [(y, either_sign(y * random.uniform(0.3, 3)))
               for y in (logarithmic(1e-320, 5e307) for _ in range(n // 4))]
    edges = (1.0, math.sqrt(2) - 1, math.sqrt(2) + 1, 0.4375, 0.5, 2.0, 1e-8, 1e8, 1e-17, 1e17)
    points += [(s * y, t * x) for x in (1.0, 1e-310, 1.7e308, 5e-324, 3e-250, 1e-100)
               for e in edges for y in neighbours(min(e * x, 1.79e308), 1)
               for s, t in ((1, 1), (-1, -1))]
    points += [(5e-324, 3.0), (1e-310, 2.0), (1e-300, 1e10), (1e-300, -1e10), (1e300, 1e-300)]
    return points


UNARY = {"exp": exp, "expm1": expm1, "ln": log, "log1p": log1p, "sin": sin, "cos": cos, "tan": tan,
         "tanh": tanh, "sigmoid": sigmoid, "erf": erf, "normal_cdf": ncdf, "gelu": gelu}
BINARY = {"pow": (power, pow_points), "atan2": (atan2, atan2_points)}


def write(name, exact, x, y):
    result = rounded(exact)
    if result is None or not result[0] and exact:
        return
    value, residual = result
    print(f"{name},{bits(x):016x},{bits(y):016x},{bits(value):016x},{float(residual):.4f}")


def main():
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 240
    for name, function in UNARY.items():
        for x in unary_points(name, n):
            write(name, function(mpf(x)), x, 0.0)
    for name, (function, points) in BINARY.items():
        for x, y in points(n):
            if x:
                write(name, function(mpf(x), mpf(y)), x, y)
    # Came later: the points of the others stay as they are.
    for x in unary_points("gaussian", n):
        write("gaussian", gaussian(mpf(x)), x, 0.0)
    for name, function in {"bell": bell, "silu": silu, "gelu_gate": gelu_gate,
                           "gelu_tanh": gelu_tanh}.items():
        for x in unary_points(name, n):
            write(name, function(mpf(x)), x, 0.0)


if __name__ == "__main__":
    main()
