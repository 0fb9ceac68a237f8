"""Print the polynomial coefficients of src/math/ and src/op/special/ that are not taken from FreeBSD's msun.

Run:  python minimax.py        (needs mpmath; about a minute)

Each polynomial p minimises max |weight * (f - p)| over its interval (Remez exchange on a fine
grid, 60 digits). The coefficients are then rounded to the type that uses them, and the error
printed is the one left after rounding, so it can be copied beside the table.
"""

import struct

from mpmath import (atan, atanh, besseli, cos, cot, digamma, erf, erfc, exp, expm1, findroot, log,
                    loggamma, lu_solve, matrix, mp, mpf, ncdf, pi, sin, sqrt, tanh)

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


def show_powers(name, f, points=45, terms=25):
    """The polynomial through the zeros of a Chebyshev polynomial, without its last terms."""
    zeros = [cos(pi * (mpf(2 * i + 1)) / (2 * points)) for i in range(points)]
    values = [f(t) for t in zeros]
    before, now, powers = [], [mpf(1)], [mpf(0)] * terms
    for k in range(terms):
        factor = (2 if k else 1) / mpf(points)
        c = mpf(float(factor * sum(v * cos(pi * k * (2 * i + 1) / (2 * points))
                                   for i, v in enumerate(values))))
        for i, power in enumerate(now):
            powers[i] += c * power
        following = [mpf(0)] + [(2 if k else 1) * power for power in now]
        for i, power in enumerate(before):
            following[i] -= power
        before, now = now, following
    print(f"// {name}")
    for c in powers:
        print(f"    {float(c)!r},")


def special():
    slope = digamma(mpf(2))
    def over(t): return loggamma(2 + t).real / t
    show("Lgamma NEAR", lambda t: (over(t) - slope) / t, lambda t: t / over(t), -0.5, 0.5, 18)
    end, least = 1 / mpf(8.5) ** 2, mpf(1) / 10**8
    def stirling(a): return (a - mpf(1) / 2) * log(a) - a + log(2 * pi) / 2
    show("Lgamma STIRLING", lambda z: (loggamma(1 / sqrt(z)).real - stirling(1 / sqrt(z))) / sqrt(z),
         lambda z: sqrt(z) / loggamma(1 / sqrt(z)).real, least, end, 6)
    zero = findroot(digamma, 1.4616)
    def from_zero(u): return digamma(u + 1.5) / (u + 1.5 - zero)
    show("Digamma NEAR", from_zero, lambda u: 1 / from_zero(u), -0.5, 0.5, 22)
    show("Digamma FAR", lambda z: (-log(z) / 2 - sqrt(z) / 2 - digamma(1 / sqrt(z))) / z,
         lambda z: z / digamma(1 / sqrt(z)), least, end, 6)
    show("Digamma COTANGENT",
         lambda z: (1 / sqrt(z) - pi * cot(pi * sqrt(z))) / sqrt(z) - 2 / (1 - z),
         lambda z: z / (1 + z), mpf(10) ** -12, 0.25, 8)
    def i0(z): return besseli(0, 2 * sqrt(z))
    def i1(z): return besseli(1, 2 * sqrt(z)) / sqrt(z)
    show("I0e NEAR", lambda z: (i0(z) - 1) / z, lambda z: z / i0(z), mpf(10) ** -10, 16, 14)
    show("I1e NEAR", lambda z: (i1(z) - 1) / z, lambda z: z / i1(z), mpf(10) ** -10, 16, 13)
    for order in (0, 1):
        show_powers(f"I{order}e FAR", lambda t: exp(-16 / (t + 1)) * besseli(order, 16 / (t + 1))
                    * sqrt(16 / (t + 1)))


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
    special()


if __name__ == "__main__":
    main()
