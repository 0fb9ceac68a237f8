#!/usr/bin/env python3
"""Writes docs/benchmarks/README.md and its charts from the figures of runs.

    report.py FILE...

The files are what the program in src/ has written, one a run; the text and the charts go beside the
first of them. Needs nothing but Python.
"""

import json
import math
import os
import re
import statistics
import sys
from html import escape

OURS = ("bumpgrad", "bumpgrad-replay")
ORDER = OURS + ("candle", "burn", "dfdx", "torch", "torch.compile", "jax", "limit")
TITLES = {"bumpgrad": "bumpgrad, anew", "bumpgrad-replay": "bumpgrad, replay"}
# Short enough to end left of the bars.
GROUPS = {
    "W1": "W1: chain of scalars, anew",
    "W2": "W2: chain of scalars, kept",
    "W3": "W3: (sin(x) y + exp(z))²",
    "W3chain": "W3chain: 20 cheap operations",
    "W5": "W5: rows, [4096, 1024]",
    "W6": "W6: matrix products",
    "W7": "W7: perceptron, by batch",
    "W8": "W8: Rosenbrock in f64",
    "W9": "W9: broadcasts to 1024²",
    "W11": "W11: transformer's block",
    "W13": "W13: reads inside a loop",
    "W14": "W14: grad inside a loop",
    "W15": "W15: many values, each once",
    "W16": "W16: one of many leaves written",
    "W17": "W17: long new tape",
    "W18": "W18: pendulum, 500 steps",
    "W19": "W19: control flow",
    "W20": "W20: loop over elements",
    "W21": "W21: recurrent net",
    "W22": "W22: short last axes",
    "W23": "W23: points",
    "W24": "W24: reductions by axis",
    "W25": "W25: softmax by axis",
    "W26": "W26: shift by concat",
    "W27": "W27: dropout, amax, gather",
    "W28": "W28: trajectory",
    "W29": "W29: many graphs",
    "W30": "W30: bundle adjustment",
    "W31": "W31: determinant by minors",
}


# ---- reading ----


class Row:
    """A case with its figures."""

    def __init__(self, case):
        self.name = case["name"]
        self.unit = case["unit"]
        self.group, _, self.rest = self.name.partition("/")
        if self.group == "W4":
            op, mode, size = self.rest.split("/")
            self.group, self.rest = f"W4: {mode}, n = {int(size):,}", op
        elif self.rest.isdigit():
            self.rest = f"{int(self.rest):,}"
        self.seconds = {name: value["median"] for name, value in case["seconds"].items()}
        self.spreads = {
            name: value["most"] / value["least"] for name, value in case["seconds"].items()
        }
        self.per = case["seconds_per_unit"]
        self.is_program = re.match(r"W(1[3-9]|[23]\d)/", self.name) is not None
        self.limit = self.seconds.get("limit")
        self.limit_by = case["limit_by"]
        ours = [name for name in OURS if name in self.seconds]
        others = [name for name in self.seconds if name not in OURS and name != "limit"]
        self.own_name = min(ours, key=self.seconds.get, default=None)
        self.other_name = min(others, key=self.seconds.get, default=None)
        self.own = self.seconds.get(self.own_name)
        self.other = self.seconds.get(self.other_name)

    @property
    def faster(self):
        """How many times as fast as the fastest other; below 1 it is slower."""
        return self.other / self.own if self.own and self.other else None

    @property
    def real(self):
        return {name: value for name, value in self.seconds.items() if name != "limit"}

    def show(self, name):
        return figure(self.seconds[name] / self.per) if name in self.seconds else ""


def scale(rows):
    """Shows a group in microseconds where all of it takes many nanoseconds."""
    for group in {row.group for row in rows if row.unit.startswith("ns/")}:
        some = [row for row in rows if row.group == group]
        if all(value / row.per >= 1e4 for row in some for value in row.real.values()):
            for row in some:
                row.unit, row.per = f"us{row.unit[2:]}", row.per * 1000


def figure(x):
    """Three digits that count."""
    if x == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(x))))
    text = f"{x:,.{digits}f}"
    return text[1:] if text.startswith("0.") else text


def share(part):
    return f"{100 * part:.0f} %" if part >= 0.095 else f"{100 * part:.1f} %"


def times(x):
    return f"{x:.2f} ×" if x < 9.95 else f"{x:.0f} ×"


# ---- charts ----

# Colours that can be read on white and on black; those of text follow the reader's scheme.
STYLE = """
  text { font: 12px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #3d444d }
  .title { font-size: 15px; font-weight: 600; fill: #1f2328 }
  .group { font-weight: 600; fill: #1f2328 }
  .small { font-size: 11px; fill: #656d76 }
  .grid { stroke: #8b949e; stroke-opacity: .28 }
  .axis { stroke: #656d76; stroke-width: 1.5 }
  .good { fill: #2f81f7 } .bad { fill: #db6d28 } .mark { fill: #ffffff; stroke: #3d444d; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) {
    text { fill: #b7bfc8 } .title, .group { fill: #f0f3f6 } .small { fill: #9198a1 }
    .axis { stroke: #9198a1 }
  }
"""
LEFT, WIDTH, RIGHT, LINE, HEAD = 250, 520, 145, 20, 62


class Chart:
    def __init__(self, title, subtitle, rows):
        self.parts, self.rows = [], rows
        groups = {row.group for row in rows}
        self.named = {
            group for group in groups if sum(row.group == group for row in rows) > 1
        }
        lines = len(rows) + len(self.named)
        self.height = HEAD + 26 + lines * LINE + 24
        self.text(12, 22, title, "title")
        self.text(12, 41, subtitle, "small")

    def text(self, x, y, text, kind="", anchor="start"):
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'
        )

    def line(self, x, kind):
        self.parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{HEAD + 16}" y2="{self.height - 12}" class="{kind}"/>'
        )

    def bar(self, x, to, y, kind, tip):
        x, to = min(x, to), max(x, to)
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y - 13:.1f}" width="{max(to - x, 1.5):.1f}" height="{LINE - 6}" '
            f'rx="2" class="{kind}"><title>{escape(tip)}</title></rect>'
        )

    def each(self):
        """Rows with their heights, and headings where a group has several."""
        y, last = HEAD + 26, None
        for row in self.rows:
            if row.group != last and row.group in self.named:
                y += LINE
                self.text(12, y - 2, GROUPS.get(row.group, row.group), "group")
            last = row.group
            y += LINE
            if row.group in self.named:
                self.text(LEFT - 10, y - 2, row.rest, anchor="end")
            else:
                self.text(12, y - 2, GROUPS.get(row.group, row.group), "group")
            yield row, y

    def write(self, path):
        width = LEFT + WIDTH + RIGHT
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{self.height}" '
            f'viewBox="0 0 {width} {self.height}" role="img"><style>{STYLE}</style>'
        )
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join([head, *self.parts, "</svg>\n"]))


def ratio_chart(path, rows, threads):
    rows = [row for row in rows if row.faster]
    if not rows:
        return False
    logs = [math.log2(row.faster) for row in rows]
    low = min(-1, math.floor(min(logs)))
    high = max(1, math.ceil(max(logs)))
    place = lambda log: LEFT + WIDTH * (log - low) / (high - low)  # noqa: E731
    chart = Chart(
        "bumpgrad by the fastest other library",
        f"times as fast (blue) or as slow (orange); {threads_text(threads)}, scale of doublings",
        rows,
    )
    step = max(1, round((high - low) / 9))
    for log in range(low, high + 1):
        if log % step == 0:
            chart.line(place(log), "axis" if log == 0 else "grid")
            label = f"{2**log} ×" if log >= 0 else f"1/{2**-log}"
            chart.text(place(log), HEAD + 8, label, "small", "middle")
    for row, y in chart.each():
        log = math.log2(row.faster)
        good = log >= 0
        tip = f"{row.name}: {row.own_name} {row.show(row.own_name)} {row.unit}, "
        tip += f"{row.other_name} {row.show(row.other_name)}"
        chart.bar(place(0), place(log), y, "good" if good else "bad", tip)
        value = times(row.faster) if good else f"1/{1 / row.faster:.2f}"
        # Beside the longer side of the bar.
        x = place(max(log, 0)) + 6
        chart.text(x, y - 2, f"{value}  {row.other_name}", "small")
    chart.write(path)
    return True


def limit_chart(path, rows, threads):
    rows = [row for row in rows if row.limit and row.own]
    if not rows:
        return False
    top = max(1.0, *(min(row.limit / row.own, 1.5) for row in rows))
    place = lambda part: LEFT + WIDTH * min(part, top) / top  # noqa: E731
    chart = Chart(
        "How much of what the machine allows",
        f"limit / time: bar bumpgrad, circle the fastest other; {threads_text(threads)}",
        rows,
    )
    for percent in range(0, int(top * 100) + 1, 20):
        chart.line(place(percent / 100), "axis" if percent in (0, 100) else "grid")
        chart.text(place(percent / 100), HEAD + 8, f"{percent} %", "small", "middle")
    for row, y in chart.each():
        part = row.limit / row.own
        tip = f"{row.name}: limit {row.show('limit')} {row.unit} by {row.limit_by}, "
        tip += f"{row.own_name} {row.show(row.own_name)}"
        chart.bar(place(0), place(part), y, "good", tip)
        value = share(part)
        if row.other:
            other = row.limit / row.other
            chart.parts.append(
                f'<circle cx="{place(other):.1f}" cy="{y - 6}" r="4" class="mark">'
                f"<title>{escape(row.other_name)} {row.show(row.other_name)} {row.unit}</title></circle>"
            )
            value += f"   ({row.other_name} {share(other)})"
        chart.text(place(top) + 12, y - 2, value, "small")
    chart.write(path)
    return True


def threads_text(threads):
    return "one thread" if threads == 1 else f"{threads} threads"


# ---- text ----


def table(rows):
    names = [name for name in ORDER if any(name in row.seconds for row in rows)]
    # The names of programs say themselves how bumpgrad records.
    titles = {} if all(row.is_program for row in rows) else TITLES
    head = ["case", "unit"] + [titles.get(name, name) for name in names]
    head += ["by fastest other", "of limit"]
    lines = ["| " + " | ".join(head) + " |", "|---|---|" + "--:|" * (len(head) - 2)]
    for row in rows:
        best = min(row.real, key=row.real.get, default=None)
        cells = [row.name, row.unit]
        for name in names:
            cell = row.show(name)
            cells.append(f"**{cell}**" if name == best else cell)
        cells.append(times(row.faster) if row.faster else "")
        cells.append(share(row.limit / row.own) if row.limit and row.own else "")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def hardware(figures):
    found = {}
    for case in figures["cases"]:
        if case["name"].startswith("hardware/") and "limit" in case["seconds"]:
            amount = case["operations"] or case["bytes"]
            found[case["name"][9:]] = amount / case["seconds"]["limit"]["median"] / 1e9
    if not found:
        return "not measured (it needs x86-64 with AVX2)"
    parts = []
    if "read" in found:
        parts.append(f"reads {found['read']:.1f} GB/s from memory")
    if "copy" in found:
        parts.append(f"copies {found['copy']:.1f} GB/s, bytes read and bytes written added")
    if "fma" in found:
        parts.append(f"does {found['fma']:.0f} GFLOP/s of f32 multiply-adds")
    return ", ".join(parts)


def losses(rows):
    lost = [row for row in rows if row.faster and row.faster < 1]
    compared = sum(1 for row in rows if row.faster)
    if not compared:
        return []
    if not lost:
        return [f"In none of {compared} cases, in this run."]
    lines = [f"In {len(lost)} of {compared} cases, the worst first:", ""]
    for row in sorted(lost, key=lambda row: row.faster):
        lines.append(
            f"- {row.name}: {row.show(row.own_name)} {row.unit}, {row.other_name} "
            f"{row.show(row.other_name)}: {1 / row.faster:.2f} times as long"
        )
    return lines


def is_of_programs(figures):
    """Whether a run had W13 to W31 alone: its figures stand beside those of the others."""
    rows = [Row(case) for case in figures["cases"] if not case["name"].startswith("hardware/")]
    return bool(rows) and all(row.is_program for row in rows)


def title(figures):
    text = threads_text(figures["threads"])
    return f"Programs as people write them, {text}" if is_of_programs(figures) else text.capitalize()


def section(figures, directory):
    threads = figures["threads"]
    rows = [Row(case) for case in figures["cases"] if not case["name"].startswith("hardware/")]
    scale(rows)
    machine, build = figures["machine"], figures["build"]
    spreads = sorted(
        spread for row in rows for name, spread in row.spreads.items() if name != "limit"
    )
    lines = [f"## {title(figures)}", ""]
    lines += [f"- **Date:** {build['date']}, bumpgrad at commit `{build['commit']}`."]
    lines += [
        f"- **Machine:** {machine['cpu']} ({machine['family']}), {machine['all']} cores, of which "
        f"the run used number {machine['allowed']}, caches {', '.join(machine['caches'])}, memory "
        f"{machine['memory']}, {machine['system']}; bumpgrad's level {machine['level']}.",
        f"- **It** {hardware(figures)}; measured in the same run.",
        f"- **Build:** {build['rustc']}, release, one codegen unit.",
        f"- **Timing:** the median of {figures['rounds']} rounds, in each of which every library has "
        f"a turn of at least {1000 * figures['batch_seconds']:.0f} ms.",
    ]
    if spreads:
        lines.append(
            f"- **Noise:** load {' before and '.join(figures['load'])} after the run. The slowest "
            f"round took {statistics.median(spreads):.2f} times the fastest in half of all figures, "
            f"and {spreads[int(len(spreads) * 0.95)]:.2f} times in the worst twentieth."
        )
    if figures["note"]:
        lines.append(f"- **Note:** {figures['note']}")
    lines += ["", "| library | version | |", "|---|---|---|"]
    for library in figures["libraries"]:
        if library["version"]:
            lines.append(f"| {library['library']} | {library['version']} | {library['flags']} |")
    lines.append("")
    tapes = [row for row in rows if row.is_program]
    big = [row for row in rows if not row.name.startswith("W4") and not row.is_program]
    small = [row for row in rows if row.name.startswith("W4")]
    ratios, limits = "How bumpgrad compares with the fastest other", "How much of the limit"
    for kind, draw, what in (("ratio", ratio_chart, ratios), ("limit", limit_chart, limits)):
        for part, some in (("programs", big), ("elementwise", small), ("loops", tapes)):
            name = f"{kind}-{part}-{threads}.svg"
            if draw(os.path.join(directory, name), some, threads):
                lines += [f"![{what}, {part}, {threads_text(threads)}]({name})", ""]
    lines += ["### Where bumpgrad loses", "", *losses(rows), ""]
    lines += ["### All figures", ""]
    for some in ([row for row in rows if not row.is_program], tapes):
        lines += [*table(some), ""] if some else []
    return lines


HEADER = """\
# bumpgrad beside other libraries

The same work in each, on one machine and in turn. What W1 to W31 are, what is fair about it and
what is not, and what not to conclude stand in [benches/README.md](../../benches/README.md#other-libraries).
This page and its charts are written by `benches/peers/report.py` from the figures beside it; do not
edit it. To run all of it again, on a machine that does nothing else:

```sh
make peers                                  # one thread; about 20 minutes after the build
make peers PEERS='--python PATH'            # with the torch and jax of that interpreter
make peers PEERS='--python PATH --threads 2'
```

Small is good in the tables, and the fastest library is in bold. `by fastest other` is how many times
as fast as the fastest other library the better column of bumpgrad is; below 1 it is slower.
`limit` is a loop by hand, or the bytes, or the multiply-adds that a case cannot do without, in the
same rounds; `of limit` is its time by that of bumpgrad.

W13 to W31 are programs, whose names say how bumpgrad records: `first` in a graph of its own, `anew`
after a mark, `replay` recorded once. torch records each time, and jax is compiled before it is
timed; a row for which jax has no natural way has no figure of it.

Each library is used as its documentation shows it. So bumpgrad goes backward first and reads the
value afterwards, because backward computes it on the way; the others compute the value, and then go
backward. Whoever reads bumpgrad's value first pays for one more forward.
"""


def main():
    files = sys.argv[1:]
    if not files:
        sys.exit(__doc__)
    directory = os.path.dirname(os.path.abspath(files[0]))
    runs = []
    for file in files:
        with open(file, encoding="utf-8") as text:
            figures = json.load(text)
        if figures["build"]["commit"].endswith("-dirty"):
            sys.exit(
                f"{file}: measured with changes that no commit has, so nobody could measure it "
                "again: commit them, and run it anew"
            )
        runs.append(figures)
    lines = [HEADER]
    for figures in sorted(runs, key=lambda run: (run["threads"], is_of_programs(run))):
        lines += section(figures, directory)
    path = os.path.join(directory, "README.md")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines).rstrip() + "\n")
    print(f"wrote {os.path.relpath(path)}")


if __name__ == "__main__":
    main()
