"""The results as tables: for the console, and as Markdown for README.md (run this file to write it there)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.table import Table

__all__ = ["console_table", "markdown"]

_HEADS = ("synthesizer", "ε", "fit s", "CPU s", "count %", "noise %", "TVD 2", "TVD 3")
_BEGIN, _END = "<!-- results: begin -->", "<!-- results: end -->"
_HERE = Path(__file__).parent


def console_table(results: dict[str, Any]) -> Group:
    """The fits and the counting of one result file, for a terminal."""
    fits = Table(*_HEADS, title=_title(results))
    for row in _fit_rows(results):
        fits.add_row(*row)
    heads, rows = _counting_rows(results)
    counting = Table(*heads, title=_counting_title(results))
    for row in rows:
        counting.add_row(*row)
    return Group(fits, counting)


def markdown(results: dict[str, Any]) -> str:
    """The same as two Markdown tables."""
    versions = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    command = f"`{results['command']}`, {results['seconds']:.0f} s on {results['machine']['cores']} cores"
    fits = _markdown_table(_HEADS, _fit_rows(results))
    counting = _markdown_table(*_counting_rows(results))
    parts = [
        f"### {_title(results)}",
        f"{command}; {versions}.",
        fits,
        f"{_counting_title(results)}:",
        counting,
    ]
    return "\n\n".join(parts)


def _title(results: dict[str, Any]) -> str:
    repeats = "one fit each" if results["repeats"] == 1 else f"mean of {results['repeats']} fits"
    return (
        f"{results['table']}: {results['train_rows']:,} training rows, {len(results['columns'])} columns, "
        f"delta {results['delta']}, {repeats} (* not private)"
    )


def _counting_title(results: dict[str, Any]) -> str:
    counting = results["counting"]
    shares = ", ".join(f"{name} {row['counting_share']:.1%}" for name, row in counting["fits"].items())
    return (
        f"Counting at {counting['rows']:,} rows. All two-way marginals below; share of a fit at ε 1: {shares}"
    )


def _fit_rows(results: dict[str, Any]) -> list[tuple[str, ...]]:
    baselines = [
        (f"{row['name']} *", "–", "–", "–", "–", "–", f"{row['tvd2']:.4f}", f"{row['tvd3']:.4f}")
        for row in results["baselines"]
    ]
    return baselines + [
        (
            row["name"],
            row["epsilon"],
            f"{row['fit_seconds']:.2f}",
            f"{row['fit_cpu_seconds']:.2f}",
            f"{100 * row['counting_share']:.1f}",
            f"{100 * row['noise_share']:.1f}",
            f"{row['tvd2']:.4f}",
            f"{row['tvd3']:.4f}",
        )
        for row in results["fits"]
    ]


def _counting_rows(results: dict[str, Any]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    counting = results["counting"]
    rows: list[tuple[str, ...]] = [
        (engine, f"{seconds:.4f}", f"{counting['times_the_vault'].get(engine, 1.0):.1f}")
        for engine, seconds in counting["all_pairs_seconds"].items()
    ]
    return ("engine", "s", "times the vault's"), rows


def _markdown_table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [heads, ("---",) * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    results = [json.loads(path.read_text()) for path in sorted((_HERE / "results").glob("*.json"))]
    readme = _HERE / "README.md"
    before, _, rest = readme.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    tables = "\n\n".join(markdown(each) for each in results)
    readme.write_text(f"{before}{_BEGIN}\n{tables}\n{_END}{after}")


if __name__ == "__main__":
    main()
