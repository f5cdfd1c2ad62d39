"""Two pictures of one table: error against processor seconds, and error against epsilon."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from benchmarks.marginals.summary import Row, counted, epsilons

__all__ = ["draw_plots"]

# Okabe and Ito's colours, which people who do not see red or green can tell apart.
_COLOURS = {"dpsynth": "#0072B2", "dpmm": "#D55E00", "opendp": "#009E73", "smartnoise": "#CC79A7"}
_MARKERS = {
    "aim": "o",
    "mst": "s",
    "independent": "D",
    "privbayes": "^",
    "wide": "P",
    "auto": "*",
    "gan": "X",
    "gan-marginals": "v",
    "gan-critic": "<",
    "diffusion": "h",
    "diffusion-marginals": ">",
}
_STYLES = {"aim": "-", "mst": "--"}
_LINE = 0.06  # of the height of a panel, for a line of text
_STYLE: Any = {
    "svg.hashsalt": "marginals",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
}


def draw_plots(rows: Sequence[Row], folder: Path, table: str) -> list[Path]:
    """Write ``<table>-cpu.svg`` and ``<table>-epsilon.svg``; their paths."""
    private = [
        row
        for row in counted(row for row in rows if not row.baseline)
        if row.values("tvd3") or not row.finished
    ]
    with mpl.rc_context(_STYLE):
        figures = {"cpu": _against_cpu(private, table), "epsilon": _against_epsilon(private, table)}
        paths = []
        for name, figure in figures.items():
            paths.append(folder / f"{table}-{name}.svg")
            figure.savefig(paths[-1], metadata={"Date": None}, bbox_inches="tight")
    return paths


def _against_cpu(rows: Sequence[Row], table: str) -> Figure:
    levels = epsilons(rows)
    figure = Figure(figsize=(4.2 * max(len(levels), 1), 4.6), layout="constrained")
    panels = figure.subplots(1, max(len(levels), 1), squeeze=False)[0]
    handles: dict[str, Any] = {}
    for panel, epsilon in zip(panels, levels, strict=False):
        here = [row for row in rows if row.epsilon == epsilon]
        panel.set(xscale="log", title=f"ε = {epsilon}", xlabel="CPU seconds (log)")
        panel.xaxis.set_major_locator(LogLocator(subs=(1, 3), numticks=15))
        panel.xaxis.set_major_formatter(FuncFormatter(_plain))
        panel.xaxis.set_minor_formatter(NullFormatter())
        for row in _in_order(row for row in here if row.finished):
            at = mean(row.values("cpu_s")), mean(row.values("tvd3"))
            (handles[row.system],) = panel.plot(*at, **_look(row))
        _show_unfinished(panel, [row for row in here if not row.finished])
    panels[0].set_ylabel("mean 3-way TVD")
    figure.suptitle(f"{table}: error against cost; lower left is better, × was stopped at its limit")
    figure.legend(
        handles.values(),
        handles.keys(),
        loc="outside lower center",
        ncols=_columns(len(levels)),
        frameon=False,
    )
    return figure


def _columns(panels: int) -> int:
    """Names of the legend that fit beside each other under so many panels."""
    return min(max(2 * panels - 1, 2), 5)


def _show_unfinished(panel: Any, rows: Sequence[Row]) -> None:
    """A cross with its name for each, at the seconds where it was stopped, in a band above the points."""
    bottom, top = 0.0, panel.get_ylim()[1]
    panel.set_ylim(bottom, top * (1.0 + _LINE * len(rows)))
    for line, row in enumerate(sorted(rows, key=lambda row: row.system)):
        at = max(record["cpu_s"] for record in row.unfinished), 1.0 - _LINE * (line + 0.4)
        place, shift = panel.get_xaxis_transform(), {"xytext": (-8, 0), "textcoords": "offset points"}
        panel.plot(*at, **_look(row) | {"marker": "x", "markeredgewidth": 2}, transform=place)
        panel.annotate(row.system, at, xycoords=place, ha="right", va="center", fontsize=8, **shift)


def _in_order(rows: Iterable[Row]) -> list[Row]:
    """Ours first, then by name."""
    return sorted(rows, key=lambda row: (not row.ours, row.system))


def _look(row: Row) -> dict[str, Any]:
    marker = _MARKERS.get(row.method, "v")
    return {"color": _colour(row), "marker": marker, "linestyle": "none", "markersize": 9 if row.ours else 7}


def _against_epsilon(rows: Sequence[Row], table: str) -> Figure:
    levels = epsilons(rows)
    figure = Figure(figsize=(7.5, 5.0), layout="constrained")
    panel = figure.subplots()
    for first in _in_order({row.system: row for row in rows if row.finished}.values()):
        mine = sorted(
            (row for row in rows if row.system == first.system and row.finished),
            key=lambda row: float(row.epsilon),
        )
        line = {"linestyle": _STYLES.get(first.method, ":"), "linewidth": 2.2 if first.ours else 1.4}
        at = [float(row.epsilon) for row in mine], [mean(row.values("tvd3")) for row in mine]
        panel.plot(*at, **_look(first) | line, label=first.system)
    panel.set(
        xscale="log",
        xlabel="ε (log)",
        ylabel="mean 3-way TVD",
        title=f"{table}: error against ε; lower is better",
    )
    panel.set_xticks([float(level) for level in levels], levels)
    panel.xaxis.set_minor_locator(NullLocator())
    panel.set_ylim(bottom=0.0)
    figure.legend(loc="outside right upper", frameon=False)
    return figure


def _colour(row: Row) -> str:
    return _COLOURS.get(row.system.partition(":")[0], "#000000")


def _plain(value: float, _: int) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"
