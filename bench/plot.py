"""The picture in README.md: panels from the raw samples, legible on a light page and on a dark one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from bench.results import ColdStart, Leases, Messages, OneChange, Results, Storm, percentile

OURS, NAIVE, FLOOR = "#0a6c74", "#c4551a", "#6b7280"
_GRID, _INK = "#e2e5e9", "#1f2430"
_MIB = 1024 * 1024
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "path",  # the same everywhere, whatever fonts the reader has
    "svg.hashsalt": "dialplane",  # the same data, the same file
    "font.size": 10,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.grid": True,
    "grid.color": _GRID,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "legend.frameon": False,
}


def draw(results: Results, path: Path) -> None:
    """Write the picture as SVG; a panel without data stays out."""
    with mpl.rc_context(_STYLE):
        panels = [
            (_cold, results.cold),
            (_memory, results.cold),
            (_change, sorted(results.change, key=lambda each: each.n)),
            (_storm, results.storm),
            (_messages, results.messages),
            (_leases, results.leases),
        ]
        filled = [(panel, data) for panel, data in panels if data]
        if not filled:
            return
        figure = Figure(figsize=(10, 3.6 * -(-len(filled) // 2)), layout="constrained", facecolor="white")
        for place, (panel, data) in enumerate(filled, 1):
            panel(figure.add_subplot(-(-len(filled) // 2), min(2, len(filled)), place), data)  # type: ignore[operator]
        figure.savefig(path, format="svg", metadata={"Date": None})


def _cold(axes: Axes, cold: Sequence[ColdStart]) -> None:
    sizes = [each.n for each in cold]
    _line(axes, sizes, [each.naive.seconds for each in cold], "naive operator", NAIVE)
    _line(axes, sizes, [each.seconds for each in cold], "Dialplane", OURS)
    _line(axes, sizes, [each.floor for each in cold], "floor: bare patches + bare reload", FLOOR, "--")
    _by_size(axes, sizes, "Cold start, until the last Ready", "seconds")


def _memory(axes: Axes, cold: Sequence[ColdStart]) -> None:
    sizes = [each.n for each in cold]
    _line(axes, sizes, [each.naive.peak_rss / _MIB for each in cold], "naive operator", NAIVE)
    _line(axes, sizes, [each.peak_rss / _MIB for each in cold], "Dialplane", OURS)
    _by_size(axes, sizes, "Cold start, peak memory", "MiB")
    axes.set_yscale("linear")
    axes.set_ylim(bottom=0)


def _change(axes: Axes, changes: Sequence[OneChange]) -> None:
    sizes = [each.n for each in changes]
    for percent, style in ((99, ":"), (95, "-."), (50, "-")):
        seconds = [percentile(each.samples, percent) for each in changes]
        _line(axes, sizes, seconds, f"Dialplane, p{percent}", OURS, style)
    _line(axes, sizes, [percentile(each.reload_floor, 50) for each in changes], "Asterisk's bare reload", FLOOR, "--")
    _by_size(axes, sizes, "One change, from PATCH to verified Ready", "seconds")


def _storm(axes: Axes, storms: Sequence[Storm]) -> None:
    storm = storms[-1]
    times = [storm.seconds * serial / storm.edits for serial in range(len(storm.staleness))]
    axes.scatter(times, storm.staleness, s=4, color=OURS, linewidths=0)
    axes.set_title(f"Storm: {storm.edits:,} edits of {storm.n:,} extensions")
    axes.set_xlabel("when it was edited, seconds")
    axes.set_ylabel("until Ready, seconds")
    axes.set_ylim(bottom=0)


def _messages(axes: Axes, measured: Sequence[Messages]) -> None:
    messages = measured[-1]
    for samples, label, colour in ((messages.bare, "bare loop", FLOOR), (messages.samples, "Dialplane", OURS)):
        axes.ecdf(samples, label=label, color=colour, linewidth=1.8)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_title(f"Messages received, {messages.per_second} a second")
    axes.set_xlabel("until it was told, seconds")
    axes.set_ylabel("share of the messages")
    axes.legend(loc="best", fontsize=9)


def _leases(axes: Axes, measured: Sequence[Leases]) -> None:
    largest = max(each.pool for each in measured)
    for each in measured:
        style = "-" if each.database == "SQLite" else "--"
        if each.pool == largest:
            for samples, label, colour in ((each.naive, "naive allocator", NAIVE), (each.samples, "Dialplane", OURS)):
                milliseconds = [1_000 * seconds for seconds in samples]
                axes.ecdf(milliseconds, label=f"{label}, {each.database}", color=colour, linestyle=style, linewidth=1.8)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_title(f"Leases of {largest:,} extensions, {measured[-1].callers} callers")
    axes.set_xlabel("until it was had, milliseconds")
    axes.set_ylabel("share of the leases")
    axes.legend(loc="best", fontsize=9)


def _line(axes: Axes, x: Sequence[float], y: Sequence[float], label: str, colour: str, style: str = "-") -> None:
    axes.plot(x, y, style, color=colour, label=label, marker="o", markersize=4, linewidth=1.8)


def _by_size(axes: Axes, sizes: Sequence[int], title: str, unit: str) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_title(title)
    axes.set_xlabel("extensions")
    axes.set_ylabel(unit)
    axes.legend(loc="best", fontsize=9)
