"""Write reference values of the special functions, for src/op/special/tests.rs.

Run:  python special_f64.py > special_f64.csv          (needs mpmath; some seconds)
      python special_f64.py 20000 > /tmp/large.csv     (so many random points a function)

Each line is  word,x,value,residual : the word of the roll-call, the bits of the argument and of the
correctly rounded f64 result, in hexadecimal, and by how much the exact result exceeds that, in units
of its last place. Special values (NaN, infinities, zeros, poles) are tested elsewhere.
"""

import math
import random
import sys

from mpmath import (acos, acosh, asin, asinh, atan, atanh, besseli, cbrt, cosh, digamma, erf, erfc,
                    exp, hyp1f1, log, loggamma, mp, mpf, ncdf, npdf, pi, sinh, sqrt)

from math_f64 import SMALL, TINY, bits, either_sign, logarithmic, neighbours, rounded

mp.dps = 60
random.seed(2611)


def uniform(*ranges):
    return lambda n: [random.uniform(*ranges[i % len(ranges)]) for i in range(n)]


def powers(low, high, signs=True):
    def draw(n):
        points = [logarithmic(low, high) for _ in range(n)]
        return [either_sign(x) for x in points] if signs else points
    return draw


def near(edge, reach=1.0):
    """Points at all distances from an edge, below it."""
    return lambda n: [edge - reach * logarithmic(1e-16, 1) for _ in range(n)]


def above(edge, reach=1.0):
    return lambda n: [edge + reach * logarithmic(1e-16, 1) for _ in range(n)]


def at(*edges, reach=2):
    return lambda n: [x for e in edges for x in neighbours(e, reach)]


def fixed(points):
    return lambda n: list(points)


def quantile(p):
    """The inverse of ncdf, for p from 0 to 1."""
    if p == mpf("0.5"):
        return mpf(0)
    upper = p > 0.5
    q = 1 - p if upper else p
    start = -2 * log(q) - log(-4 * pi * log(q))
    y = -sqrt(start) if q < 0.1 else (q - mpf("0.5")) * 2.5
    for _ in range(200):
        tail = ncdf(y)
        step = tail / npdf(y) * log(tail / q) if q < 0.1 else (tail - q) / npdf(y)
        y -= step
        if abs(step) < mpf(10) ** -45 * abs(y):
            break
    return -y if upper else y


def erf_inverse(x):
    a = abs(x)
    y = -quantile((1 - a) / 2) / sqrt(mpf(2)) if a > mpf("0.1") else small_inverse(a)
    return -y if x < 0 else y


def small_inverse(a):
    y = a * sqrt(pi) / 2
    for _ in range(100):
        step = (erf(y) - a) / (2 / sqrt(pi) * exp(-y * y))
        y -= step
        if abs(step) <= mpf(10) ** -50 * abs(y):
            break
    return y


def log_ndtr(x):
    # mpmath's ncdf has digits as far as its exponents reach.
    return log(ncdf(x)) if x < 5 else mp.log1p(-ncdf(-x))


def hazard(x):
    return npdf(x) / ncdf(x)


def i0e(x):
    return exp(-abs(x)) * besseli(0, x)


def i1e(x):
    return exp(-abs(x)) * besseli(1, x)


def erfcx_slope(x):
    with mp.workdps(60 + int(mp.log10(1 + x * x)) + 10):
        return 2 * x * exp(x * x) * erfc(x) - 2 / sqrt(pi)


def first_moment(x):
    if x > 60:
        return hyp1f1(mpf(3) / 2, 2, -2 * x)
    return exp(-x) * (besseli(0, x) - besseli(1, x))


FUNCTIONS = {
    "Exp2": (lambda x: mpf(2) ** x, [uniform((-1070, 1023), (-3, 3)), powers(1e-17, 1),
                                     at(-1022.0, -1074.0, -1075.0, 0.5, 1023.9, 10.0), fixed(TINY)]),
    "Log2": (lambda x: log(x) / log(mpf(2)), [powers(1e-320, 1e308, False), uniform((.3, 3)),
                                              near(1), above(1), at(8.0, 0.125, 2.0**-1074)]),
    "Log10": (lambda x: log(x) / log(mpf(10)), [powers(1e-320, 1e308, False), uniform((.3, 3)), near(1),
                                                above(1), at(1000.0, 1e22, 0.1, 10.0)]),
    "Cbrt": (lambda x: cbrt(x) if x > 0 else -cbrt(-x),
             [powers(1e-320, 1e308), uniform((-9, 9)), at(8.0, 27.0, 1e-300), fixed(TINY)]),
    "Asin": (asin, [uniform((-1, 1)), powers(1e-17, 1), near(1), at(0.5, 0.25, reach=3), fixed(TINY)]),
    "Acos": (acos, [uniform((-1, 1)), powers(1e-17, 1), near(1), above(-1), at(0.5, -0.5, reach=3)]),
    "Atan": (atan, [uniform((-4, 4)), powers(1e-300, 1e300), fixed(TINY)]),
    "Sinh": (sinh, [uniform((-4, 4), (-709, 709), (709.7, 710.47)), powers(1e-17, 1),
                    at(22.0, 710.4), fixed(TINY)]),
    "Cosh": (cosh, [uniform((-4, 4), (-709, 709), (709.7, 710.47)), powers(1e-17, 1), at(22.0)]),
    "Asinh": (asinh, [uniform((-4, 4)), powers(1e-17, 1), powers(1, 1e308), at(1e10, 1e-9), fixed(TINY)]),
    "Acosh": (acosh, [uniform((1, 4)), above(1), powers(1, 1e308, False), at(1e10)]),
    "Atanh": (atanh, [uniform((-1, 1)), powers(1e-17, 1), near(1), fixed(TINY)]),
    "Erfc": (erfc, [uniform((-3, 3), (0, 27.2)), powers(1e-17, 1), at(0.477, -0.477, 26.5, 27.2),
                    fixed(TINY)]),
    "Erfcx": (lambda x: exp(x * x) * erfc(x), [uniform((-3, 3), (-26.6, 60)), powers(1, 1e10, False),
                                              powers(1e-17, 1), at(27.0)]),
    "Erfinv": (erf_inverse, [uniform((-1, 1)), powers(1e-17, 1), near(1), at(0.5, 0.85), fixed(TINY)]),
    "ErfinvSlope": (lambda x: sqrt(pi) / 2 * exp(erf_inverse(x) ** 2),
                    [uniform((-1, 1)), near(1), at(0.5, 0.85)]),
    "Ndtr": (ncdf, [uniform((-38, 0), (-4, 4)), fixed(SMALL)]),
    "LogNdtr": (log_ndtr, [uniform((-5, 5), (-40, 38)), powers(1, 1e6), powers(1e-17, 1),
                           at(-38.0, 0.5)]),
    "Hazard": (hazard, [uniform((-5, 5), (-40, 38)), lambda n: [-x for x in powers(1, 1e5, False)(n)],
                        at(-38.0)]),
    "Ndtri": (quantile, [uniform((0, 1)), powers(1e-320, .5, False), near(1), above(.5, .1), near(.5, .1),
                         at(0.25, 0.75, 0.075)]),
    "NdtriSlope": (lambda x: sqrt(2 * pi) * exp(quantile(x) ** 2 / 2),
                   [uniform((0, 1)), powers(1e-307, .5, False), near(1)]),
    "Lgamma": (lambda x: loggamma(x).real, [uniform((0, 1), (1, 3), (2, 9), (8, 40)), powers(1e-300, 1e300, False),
                                       at(0.5, 1.5, 2.5, 8.5, 1.25)]),
    "Digamma": (digamma, [uniform((0, 1), (1, 2), (2, 9), (8, 40)), powers(1e-300, 1e300, False),
                          at(1.0, 2.0, 8.5, 1.4616321449683622)]),
    "I0": (lambda x: besseli(0, x), [uniform((-8, 8), (8, 713)), powers(1e-10, 8), at(8.0, 713.9)]),
    "I1": (lambda x: besseli(1, x), [uniform((-8, 8), (8, 713)), powers(1e-10, 8), at(8.0, 713.9)]),
    "I0e": (i0e, [uniform((-8, 8), (8, 100)), powers(1e-10, 1e4), at(8.0)]),
    "I1e": (i1e, [uniform((-8, 8), (8, 100)), powers(1e-10, 1e4), at(8.0)]),
    "ErfcxSlope": (erfcx_slope, [uniform((-3, 3), (-26, 60)), powers(1, 1e10, False), powers(1e-17, 1)]),
    "FirstMoment": (first_moment, [uniform((0, 6), (6, 100)), powers(1e-10, 1e6, False), at(6.0)]),
}


def main():
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    only = sys.argv[2:]
    for name, (function, draws) in FUNCTIONS.items():
        if only and name not in only:
            continue
        for draw in draws:
            for x in draw(n):
                x = float(x)
                if x == 0 and name.startswith(("Log2", "Log10", "Lgamma", "Digamma", "Ndtri")):
                    continue
                exact = function(mpf(x))
                result = rounded(exact)
                if result is None or not result[0] and exact:
                    continue
                value, residual = result
                print(f"{name},{bits(x):016x},{bits(value):016x},{float(residual):.4f}")


if __name__ == "__main__":
    main()
