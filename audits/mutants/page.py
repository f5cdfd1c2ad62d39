"""The scoreboard as a page and a picture, written from its JSON alone."""

from __future__ import annotations

from html import escape
from typing import Any

__all__ = ["page", "picture"]

_ROW, _LEFT, _BAR, _RIGHT = 26, 440, 200, 400
_ALWAYS = {"S0"}  # whether the release has the size that was asked for: looked at in every audit


def _state(mutant: dict[str, Any]) -> str:
    """What is known of one mutant, in words."""
    stale = f"; {mutant['stale']} stale" if mutant["stale"] else ""
    if not mutant["runs"]:
        return f"no current record{stale}"
    missed = f", {mutant['misses']} missed" if mutant["misses"] else ""
    planned = mutant["in_plan"] or set(mutant["caught_by"]) <= _ALWAYS
    outside = "" if planned else ", its test is not in the plan"
    return f"{mutant['flagged']} of {mutant['runs']}{missed}{outside}{stale}"


def page(found: dict[str, Any]) -> str:
    """Markdown: planted faults, correct pipelines, and what was run."""
    lines = [
        "# Planted faults, and who finds them",
        "",
        "Each fault is planted in a pipeline that is otherwise correct, and audited with fresh entropy by",
        "the plan of its tier. A run counts as found where every test that owes the fault a flag fails.",
        "Stale: audits of other sources or of another version of the plan. They count for nothing here, and",
        "stand with all others in [mutants.jsonl](mutants.jsonl), hits and misses.",
        "",
        "![Share of runs in which each planted fault was found](mutants.svg)",
        "",
        "| fault | what is broken | tier | owed by | found | found also by | fits | seconds a run |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for each in found["mutants"]:
        also = ", ".join(f"{test} {times}" for test, times in each["also"].items()) or "-"
        fits = "-" if each["fits"] is None else each["fits"]
        seconds = each["seconds"] if each["runs"] else "-"
        owed = ", ".join(each["caught_by"])
        cells = each["id"], each["name"], each["tier"], owed, _state(each), also, fits, seconds
        lines.append(f"| {' | '.join(map(str, cells))} |")
    lines += ["", "## Correct pipelines", ""]
    if not found["correct"]:
        lines.append("No record.")
    else:
        lines += [
            "Whole audits of correct pipelines on made-up people. A block is a verdict that blocks or stops.",
            "",
            "| pipeline | tier | runs | blocks | upper 95 % bound of the rate | verdicts | failed tests |",
            "|---|---|---|---|---|---|---|",
        ]
    for each in found["correct"]:
        verdicts, failed = (
            ", ".join(f"{what} {times}" for what, times in each[kind].items()) or "-"
            for kind in ("verdicts", "failed")
        )
        runs = f"{each['runs']}; {each['stale']} stale" if each["stale"] else each["runs"]
        cells = each["name"], each["tier"], runs, each["blocks"], f"{each['upper']:.1%}", verdicts, failed
        lines.append(f"| {' | '.join(map(str, cells))} |")
    lines += ["", f"Sources: SHA-256 `{found['code_sha256']}`."]
    lines += [f"Plan {tier}: SHA-256 `{sha}`." for tier, sha in sorted(found["plans"].items())]
    return "\n".join(lines) + "\n"


def picture(found: dict[str, Any]) -> str:
    """SVG: for each fault a bar of the share of runs that found it, with its numbers, tier and fits."""
    mutants = found["mutants"]
    width, height = _LEFT + _BAR + _RIGHT, _ROW * (len(mutants) + 2)
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="13" role="img">',
        "<title>Share of runs in which each planted fault was found</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        _text(8, _ROW, "Planted fault", bold=True),
        _text(_LEFT, _ROW, "Found", bold=True),
        _text(_LEFT + _BAR + 8, _ROW, "Runs, tier, fits", bold=True),
    ]
    for row, each in enumerate(mutants, 2):
        parts += _bar(each, row * _ROW)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _bar(each: dict[str, Any], base: int) -> list[str]:
    share = each["flagged"] / each["runs"] if each["runs"] else 0.0
    fits = f", {each['fits']} fits" if each["fits"] is not None else ""
    parts = [
        _text(8, base, f"{each['id']}  {each['name']} ({', '.join(each['caught_by'])})"),
        f'<rect x="{_LEFT}" y="{base - 13}" width="{_BAR}" height="16" fill="none" stroke="#444444"/>',
        _text(_LEFT + _BAR + 8, base, f"{_state(each)}; {each['tier']}{fits}"),
    ]
    if share:
        parts.append(
            f'<rect x="{_LEFT}" y="{base - 13}" width="{_BAR * share:.1f}" height="16" fill="#2f6f9f"/>'
        )
    return parts


def _text(x: int, y: int, words: str, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x}" y="{y}"{weight}>{escape(words)}</text>'
