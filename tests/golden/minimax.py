"""Print the polynomial coefficients of src/math/ that are not taken from FreeBSD's msun.

Run:  python minimax.py        (needs mpmath; about a minute)

Each polynomial p minimises max |weight * (f - p)| over its interval (Remez exchange on a fine
grid, 60 digits). The coefficients are then rounded to the type that uses them, and the error
printed is the one left after rounding, so it can be copied beside the table.
"""

import struct

from mpmath import (atan, atanh, cos, erf, erfc, exp, expm1, log, lu_solve, matrix, mp, mpf, ncdf,
                    pi, sin, sqrt, tanh)

mp.dps = 60


def to_f32(x):
    return struct.unpack("f", struct.pack("f", float(x)))[0]


def horner(coefficients, x):
    total = mpf(0)
    for c in reversed(coefficients):
        total = total * x + c
    return total


def remez(f, weight, low, high, degree, points=2400):
    """Coefficients, constant term first, of the minimax polynomial of f on [low, high]."""
    low, high = mpf(low), mpf(high)
    # Chebyshev-distributed, and never the ends or the middle, where a weight may vanish.
    grid = [(low + high) / 2 - (high - low) / 2 * cos(pi * (2 * i + 1) / (2 * points))
            for i in range(points)]
    values = [f(x) for x in grid]
    weights = [weight(x) for x in grid]
    count = degree + 2
    # The grid is Chebyshev-distributed itself, so equal steps in the index are what we want.
    reference = [round((points - 1) * i / (count - 1)) for i in range(count)]
    for _ in range(40):
        system = matrix(count, count)
        right = matrix(count, 1)
        for row, at in enumerate(reference):
            power = mpf(1)
            for column in range(degree + 1):
                system[row, column] = power
                power *= grid[at]
            system[row, degree + 1] = (-1) ** row / weights[at]
            right[row] = values[at]
        solution = lu_solve(system, right)
        coefficients = [solution[i] for i in range(degree + 1)]
        error = [w * (v - horner(coefficients, x)) for x, v, w in zip(grid, values, weights)]
        extrema = extrema_of(error, count)
        if len(extrema) < count or extrema == reference:
            break
        reference = extrema
    return coefficients, grid, values, weights


def extrema_of(error, count):
    """Where the error is largest in each run of equal sign, the `count` consecutive largest."""
    extrema = []
    for i, e in enumerate(error):
        if extrema and (error[extrema[-1]] > 0) == (e > 0):
            if abs(e) > abs(error[extrema[-1]]):
                extrema[-1] = i
        else:
            extrema.append(i)
    while len(extrema) > count:
        extrema.pop(0 if abs(error[extrema[0]]) < abs(error[extrema[-1]]) else -1)
    return extrema


def rational(f, weight, points, n, m):
    """Numerator and denominator (constant term 1) that minimise max |weight * (f - n / d)|."""
    values = [f(x) for x in points]
    weights = [weight(x) for x in points]
    count = n + m + 2
    reference = [round((len(points) - 1) * i / (count - 1)) for i in range(count)]
    for _ in range(40):
        # Linear but for error times denominator: there the last round's denominator stands in.
        below = [mpf(1)] * count
        for _ in range(20):
            system, right = matrix(count, count), matrix(count, 1)
            for row, at in enumerate(reference):
                x, v = points[at], values[at]
                for power in range(n + 1):
                    system[row, power] = x**power
                for power in range(1, m + 1):
                    system[row, n + power] = -v * x**power
                system[row, n + m + 1] = -((-1) ** row) * below[row] / weights[at]
                right[row] = v
            solution = lu_solve(system, right)
            top = [solution[i] for i in range(n + 1)]
            bottom = [mpf(1)] + [solution[n + i] for i in range(1, m + 1)]
            last, below = below, [horner(bottom, points[at]) for at in reference]
            if max(abs(a - b) for a, b in zip(last, below)) < mpf(10) ** -20:
                break
        error = [w * (horner(top, x) / horner(bottom, x) - v)
                 for x, v, w in zip(points, values, weights)]
        extrema = extrema_of(error, count)
        if len(extrema) < count or extrema == reference:
            break
        reference = extrema
    return top, bottom


def show(name, f, weight, low, high, degree, single=False):
    coefficients, grid, values, weights = remez(f, weight, low, high, degree)
    rounded = [mpf(to_f32(c)) if single else mpf(float(c)) for c in coefficients]
    worst = max(abs(w * (v - horner(rounded, x))) for x, v, w in zip(grid, values, weights))
    print(f"// {name}: degree {degree} on [{float(low):.6}, {float(high):.6}], "
          f"error 2^{float(log(worst, 2)):.1f}")
    for c in rounded:
        print(f"    {float(c)!r},")
    return rounded


def mills(k, limit):
    """Phi(-a) exp(a^2/2) (a + k) as a function of t = (a - k) / (a + k), with the end of t."""
    def f(t):
        a = k * (1 + t) / (1 - t)
        return ncdf(-a) * exp(a * a / 2) * (a + k)
    return f, (limit - k) / (limit + k)


def show_single_mills():
    """e^(-a^2/2) / Phi(-a) = 2 + a (c + n(v) / d(v)), v = a - 2: coefficients in f32.

    The quotient n / d has one factor to choose freely: the one that makes the rounding of the
    coefficients do least harm.
    """
    limit, k = mpf("14.6"), mpf(4)
    end = (limit - k) / (limit + k)
    middle = [(1 + end) / 2 * (1 - cos(pi * (2 * i + 1) / 1200)) - 1 for i in range(600)]
    points = [k * (1 + t) / (1 - t) for t in middle]
    inverse = [exp(-a * a / 2) / ncdf(-a) for a in points]
    of = dict(zip(points, inverse))
    top, bottom = rational(lambda a: (of[a] - 2) / a, lambda a: a / of[a], points, 4, 4)
    c = mpf(to_f32(top[4] / bottom[4]))
    top = [n - c * d for n, d in zip(top[:4], bottom)]
    # Taylor's shift: polynomials in v.
    for side in (top, bottom):
        for start in range(len(side) - 1):
            for i in reversed(range(start, len(side) - 1)):
                side[i] += 2 * side[i + 1]
    best = None
    for step in range(4096):
        factor = mpf(2) ** (mpf(step) / 4096)
        rounded = [[to_f32(x * factor) for x in side] for side in (top, bottom)]
        worst = 0.0
        for a, h in zip(points, inverse):
            x = float(a)
            n, d = (horner_f64(side, x - 2) for side in rounded)
            got = 2 + x * (float(c) + n / d)
            worst = max(worst, abs(got / float(h) - 1))
            if best and worst >= best[0]:
                break
        else:
            best = (worst, rounded)
    print(f"// single MILLS: on [0, 14.6], error 2^{float(log(best[0], 2)):.1f}")
    print(f"    {float(c)!r},\n    {best[1][0]},\n    {best[1][1]},")


def horner_f64(coefficients, x):
    total = 0.0
    for c in reversed(coefficients):
        total = total * x + c
    return total


def main():
    half_ln2 = mpf("0.34657359028") * mpf("1.0005")
    def exp_rest(r): return (expm1(r) - r) / (r * r)
    show("double EXP, relative to expm1", exp_rest, lambda r: abs(r), -half_ln2, half_ln2, 10)
    show("single EXP, relative to expm1", exp_rest, lambda r: abs(r), -half_ln2, half_ln2, 4, True)
    half = mpf("0.5") * mpf("1.0005")
    show("single EXP2_WIDE", lambda r: (2**r - 1) / r, lambda r: abs(r) / 2**r, -half, half, 5)

    limit = ((sqrt(2) - 1) / (sqrt(2) + 1)) ** 2 * mpf("1.0005")
    def atanh_over(z): return atanh(sqrt(z)) / sqrt(z)
    show("double LOG_REST", lambda z: (atanh_over(z) - 1 - z / 3) / z**2 * 2,
         lambda z: z**2, 0, limit, 8)
    show("single LOG2_WIDE", lambda z: atanh_over(z) * 2 / log(2),
         lambda z: log(2) / (2 * atanh_over(z)), 0, limit, 4)

    def erf_over(z): return erf(sqrt(z)) / sqrt(z)
    show("double ERF", lambda z: erf_over(z) - 1, lambda z: 1 / erf_over(z), 0, mpf("0.85") ** 2, 11)
    show("single ERF", lambda z: erf_over(z) - 1, lambda z: 1 / erf_over(z), 0,
         mpf("0.93") ** 2, 5, True)
    show("single ERFC", lambda x: -log(erfc(x)) / x, lambda x: x * erfc(x) / erf(x),
         mpf("0.92"), mpf("4"), 7, True)

    f, end = mills(mpf(5), mpf("38.7"))
    show("double MILLS", f, lambda t: 1 / f(t), -1, end, 22)
    show_single_mills()

    quarter = (pi / 4 * mpf("1.0005")) ** 2
    show("single SIN", lambda z: (sin(sqrt(z)) / sqrt(z) - 1) / z, lambda z: z, 0, quarter, 2, True)
    show("single COS", lambda z: (cos(sqrt(z)) - 1 + z / 2) / z**2, lambda z: z**2, 0, quarter,
         2, True)
    show("single TANH", lambda z: (tanh(sqrt(z)) / sqrt(z) - 1) / z, lambda z: z, 0,
         mpf("0.625") ** 2, 4, True)
    show("single ATAN_WIDE", lambda z: (atan(sqrt(z)) / sqrt(z) - 1) / z, lambda z: z, 0,
         mpf("0.4145") ** 2, 6)


if __name__ == "__main__":
    main()
