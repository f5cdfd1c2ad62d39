"""The page of one table, written from its results file and from nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.marginals import records
from benchmarks.marginals.plots import draw_plots
from benchmarks.marginals.records import Record
from benchmarks.marginals.summary import Row, counted, epsilons, summarise
from benchmarks.marginals.targets import Answer, answers
from dpsynth.core.errors import BadInput

__all__ = ["markdown", "write_page"]

_FIGURES = (("tvd1", 4), ("tvd2", 4), ("tvd3", 4), ("gb_auc", 3), ("lr_auc", 3), ("cpu_s", 1), ("rss_mb", 0))
_HEADS = ("system", "runs", "TVD 1", "TVD 2", "TVD 3", "AUC boosting", "AUC logistic", "CPU s", "peak MB")


def write_page(folder: Path, table: str) -> Path:
    """Write ``<table>.md`` and its two plots beside the results; returns the page's path.

    Raises BadInput where nothing was measured.
    """
    found = records.read(folder / f"{table}.jsonl")
    if not found:
        raise BadInput(f"There is no result for {table} in {folder}", remedy="measure it first")
    plots = draw_plots(summarise(found), folder, table)
    page = folder / f"{table}.md"
    page.write_text(markdown(found, [plot.name for plot in plots]))
    return page


def markdown(found: Sequence[Record], plots: Sequence[str]) -> str:
    """The page's text."""
    rows = summarise(found)
    parts = [_head(found)]
    parts += [f"![{name}]({name})" for name in plots]
    parts += ["## Targets", _targets(answers(rows, found[-1]["columns"]))]
    for epsilon in epsilons(rows):
        parts += [f"## ε = {epsilon}", _table([row for row in rows if row.epsilon == epsilon])]
    baselines = [row for row in rows if row.baseline]
    if baselines:
        parts += ["## Not private, for comparison", _table(baselines)]
    parts += ["## Recount", _recount(rows), "## Versions and runs", _runs(rows)]
    return "\n\n".join(parts) + "\n"


def _machine(record: Record) -> str:
    return record["machine"] + (f" with {record['card']}" if "card" in record else "")


def _head(found: Sequence[Record]) -> str:
    last, until = found[-1], max(record["when"] for record in found)
    machines = "; or on ".join(dict.fromkeys(_machine(record) for record in found))
    return f"""\
# Synthesizers on {last["table"]}

{last["rows_in"]:,} training rows, {last["columns"]} columns, δ = {last["delta"]}; on {machines}.
Measured from {found[0]["when"][:16]} to {until[:16]} UTC.
Written from [{last["table"]}.jsonl]({last["table"]}.jsonl) by
`python -m benchmarks.marginals --table {last["table"]}.csv --page-only` (`--results` names another folder);
definitions are in the [README](../../README.md).

Each figure is the mean over the runs, with the lowest and the highest where there are several.
*TVD 1, 2, 3*: mean total variation distance of all marginals of that many columns from the training rows.
*AUC*: models that learn `{last["target"]}` from synthetic rows, tested on real rows that no synthesizer was
given. *CPU*: user and system seconds of a fresh process on one core, from its start to the written rows; a
busy machine makes them longer, so the load before and after each run is in the last table. Ours compile their
loops in the first run after an installation and keep them: a run that had to would stand out by its seconds.

mbi's default sampler, which opendp and smartnoise use, correlates columns that are independent in the model.
Their fits are also drawn from row by row (*independent sampler*); the better of the two, marked ✓, is what
counts for them. smartnoise and dpmm write as many rows as they were given, which is private; ours and opendp
write as many as they estimate."""


def _targets(found: Sequence[Answer]) -> str:
    words = {True: "**yes**", False: "**no**", None: "–"}
    return _markdown_table(
        ("target", "reached", "numbers"), [(one.target, words[one.reached], one.numbers) for one in found]
    )


def _table(rows: Sequence[Row]) -> str:
    best = counted(rows)
    twice = {row.system for row in rows if row.sampler == "independent"}
    lines: list[tuple[str, ...]] = []
    for row in sorted(rows, key=lambda row: (not row.ours, row.method, row.mean("tvd3") or 9.0)):
        name = row.system
        if row.system in twice:
            name += f" ({row.sampler} sampler){' ✓' if row in best else ''}"
        if row.finished:
            figures = [_spread(row.values(figure), digits) for figure, digits in _FIGURES]
            lines.append((name, str(len(row.finished)), *figures))
        if row.sampler == "own":
            lines += [(name, "0", *_unfinished(record)) for record in row.unfinished]
    return _markdown_table(_HEADS, lines)


def _unfinished(record: Record) -> tuple[str, ...]:
    reason = {
        "cpu limit": f"unfinished: stopped at its limit of {record['limit_cpu_s']:,} CPU s",
        "memory limit": f"unfinished: stopped at its limit of {record['limit_memory_mb']:,} MB",
    }.get(record["status"], f"failed: {record.get('note', '')}".replace("|", "/"))
    return (reason, "–", "–", "–", "–", f"{record['cpu_s']:,.1f}", "–")


def _spread(values: Sequence[float], digits: int) -> str:
    if not values:
        return "–"
    middle = f"{sum(values) / len(values):,.{digits}f}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):,.{digits}f}–{max(values):,.{digits}f})"


def _recount(rows: Sequence[Row]) -> str:
    ours = [row for row in rows if row.ours and row.finished]
    if not ours:
        return "No run of ours is here yet."
    lines = []
    for row in ours:
        counts = [record["recount"] for record in row.finished]
        lines.append(
            (
                row.system,
                row.epsilon,
                str(len(counts)),
                ", ".join(sorted({record["accounting"] for record in row.finished})),
                f"{max(one['epsilon'] for one in counts):.6f}",
                "yes" if all(one["within"] for one in counts) else "**no**",
                f"{max(one['charge_gap'] for one in counts):.1e}",
                "yes" if all(one["equals_charge"] for one in counts) else "**no**",
            )
        )
    heads = (
        "system",
        "ε asked",
        "runs",
        "accounting",
        "ε recounted, highest",
        "within",
        "gap to the charge",
        "equal",
    )
    text = (
        "The recorded events of each run of ours, counted again by the dp-accounting library "
        "(`benchmarks/recount.py`), and its Renyi curve against the one that was charged (largest relative "
        "gap). The recount's own seconds are not in the tables above."
    )
    return f"{text}\n\n{_markdown_table(heads, lines)}"


def _runs(rows: Sequence[Row]) -> str:
    lines = []
    for row in rows:
        if row.baseline:
            continue
        for record in (*row.finished, *row.unfinished):
            if record.get("sampler", "own") == "own":
                lines.append(
                    (
                        row.system,
                        record["version"],
                        row.epsilon,
                        str(record["turn"]),
                        record["status"],
                        record["when"][:16],
                        f"{record['cpu_s']:,.1f}",
                        f"{record['wall_s']:,.1f}",
                        f"{record['limit_cpu_s']:,}",
                        " to ".join(f"{load:.1f}" for load in record.get("load", ())) or "–",
                    )
                )
    heads = (
        "system",
        "version",
        "ε",
        "turn",
        "status",
        "started (UTC)",
        "CPU s",
        "wall s",
        "CPU limit s",
        "load",
    )
    return _markdown_table(heads, lines)


def _markdown_table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [heads, ("---",) * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
