"""The audit report as one page: the claim, the smallest leak, attack scores, distances, in this order."""

from __future__ import annotations

import html
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dpsynth.audit.export import Part, part_of
from dpsynth.audit.gallery import NOTHING, Beside, figures
from dpsynth.audit.page_html import definitions, document, figure, listing, paragraph, section
from dpsynth.audit.pictures.claimed import promised
from dpsynth.audit.pictures.figure import Figure, finite, number, span
from dpsynth.audit.reach import would_find
from dpsynth.audit.result import EvidenceClass
from dpsynth.audit.units import measured
from dpsynth.audit.verdict_words import verdict_words
from dpsynth.core.errors import BadInput

__all__ = ["write_report"]

_NAMES = {"A": "report.html", "B": "review-room.html"}
_TITLES = {
    "A": "Audit report: evidence about the mechanism",
    "B": "Audit report: attacks on the release",
}
_CLASS = {
    "A": (
        "Evidence class A: computed on made-up rows only. This page may be published. Whether attacks on the "
        "release itself were made, and how they ended, it does not say."
    ),
    "B": (
        "Evidence class B: computed on people's rows, which no budget covers. Review room only: do not copy "
        "this page, or any number on it, to anywhere else."
    ),
}
_ALONE = {
    "A": "This is what the mechanism's own tests amount to; attacks on the release are judged apart.",
    "B": "This is what the attacks on the release amount to; the mechanism's own tests are judged apart.",
}
_RESULTS = {
    "pass": "Pass",
    "warn": "Warning",
    "inconclusive": "Inconclusive, not a pass",
    "not_tested": "Not tested, not a pass",
    "shown": "Shown, not judged",
    "fail": "Fail",
}
_NO_INTERVAL = {True: "none: it is exact", False: "none was computed"}
_GRAVE = ("fail", "not_tested", "inconclusive", "warn")


def write_report(
    report: Mapping[str, Any],
    folder: Path,
    evidence: EvidenceClass = "A",
    beside: Beside = NOTHING,
    viewer: str = "",
    viewed: str = "",
) -> Path:
    """Write one self-contained HTML page of one evidence class; the same report gives the same bytes.

    Args:
        report: ``AuditReport.as_json()``; for class A ``AuditReport.mechanism_json()`` is enough, and
            nothing else is read.
        folder: made if it is not there.
        evidence: A (may be published) or B (review room only).
        beside: public facts for the pictures of planted faults, releases and failed attempts.
        viewer, viewed: who looks, and when (words); class B has both across every page.

    Returns:
        path of the page; that of class B can be read by its owner alone.

    Raises:
        BadInput: no such class, a result in the wrong class, or a class B page without viewer and time.
    """
    part = part_of(report, evidence)
    if evidence == "B" and not (viewer.strip() and viewed.strip()):
        raise BadInput(
            "a page of class B names who looks at it, and when",
            allowed="a viewer and a time",
            remedy="pass both, or write the page of class A",
        )
    mark = f"Review room only · {viewer} · {viewed}" if evidence == "B" else ""
    text = document(_TITLES[evidence], _body(part, figures(part, beside), mark), mark)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _NAMES[evidence]
    mode = 0o600 if evidence == "B" else 0o644
    path.unlink(missing_ok=True)
    with os.fdopen(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8"
    ) as stream:
        stream.write(text)
    return path


def _body(part: Part, drawn: Mapping[str, Figure], mark: str) -> str:
    order = ("ruler", "waterfall", "timeline", "qq", "matrix", "scoreboard", "roc", "forest", "distances")
    shown = [name for name in order if name in drawn]

    def pictures(*names: str) -> str:
        kinds = {"distances": "plain"}
        return "".join(
            figure(shown.index(name) + 1, drawn[name], kinds.get(name, "")) for name in names if name in drawn
        )

    return "".join(
        (
            f"<h1>{html.escape(_TITLES[part.evidence])}</h1>",
            paragraph(_CLASS[part.evidence] + (f" {mark}." if mark else ""), "class"),
            _summary(part),
            section("1. The claim", _claim(part), pictures("ruler", "waterfall", "timeline")),
            section(
                "2. The smallest leak that would have been found",
                _smallest(part),
                pictures("qq", "matrix", "scoreboard"),
            ),
            section("3. Attack scores", _reasons(part), _results(part), pictures("roc", "forest")),
            section("4. Distances", _distances(part), pictures("distances")),
            section("5. What this page rests on", _ground(part)),
        )
    )


def _summary(part: Part) -> str:
    """Claim first, smallest leak second, verdict third."""
    words = verdict_words(part.verdict.outcome, part.verdict.could_have_found)
    lines = [
        ("Claim", _claimed(part)),
        ("Smallest leak", f"{part.verdict.could_have_found}."),
        ("Verdict", f"{words.headline} {_ALONE[part.evidence]}"),
    ]
    return f'<div class="head">{definitions(lines)}</div>'


def _claimed(part: Part) -> str:
    claim = promised(part.claim)
    if claim is None:
        return "This report states no claim."
    return f"epsilon {number(claim.epsilon)} at delta {claim.at} for each privacy unit"


def _claim(part: Part) -> str:
    claim = promised(part.claim)
    if claim is None:
        return paragraph("This report states no claim, so nothing here can be set against one.")
    pairs = [
        ("Epsilon", f"{number(claim.epsilon)} at delta {claim.at}: how far the odds may move"),
        ("rho", f"{number(claim.rho)} (zCDP): what the accountant adds up"),
    ]
    if claim.mu is not None:
        pairs.append(
            ("mu", f"{number(claim.mu)}: the same as a shift of normal noise, in standard deviations")
        )
    if claim.omega is not None:
        pairs.append(("Orders", f"rho holds at Renyi orders up to {claim.omega}"))
    return paragraph("What the release promises; it was fixed before any test, so it has no interval.") + (
        definitions(pairs)
    )


def _smallest(part: Part) -> str:
    said = [(f"{r['id']} {r['name']}", would_find(r)) for r in part.results]
    if not said:
        return paragraph("Not tested: there is no result of this class.", "absent")
    return paragraph(
        "Silence of a test says nothing about leaks that it could not have seen. Of each test, what it would "
        "have found:"
    ) + definitions(said)


def _reasons(part: Part) -> str:
    words = verdict_words(part.verdict.outcome, part.verdict.could_have_found)
    kind = part.verdict.outcome
    head = (
        f'<p><span class="result {kind}">{html.escape(kind.upper())}</span> {html.escape(words.headline)}</p>'
    )
    why = [one for one in part.verdict.why if one.rstrip(".") != words.headline.rstrip(".")]
    reasons = f"<h3>Reasons</h3>{listing(why)}" if why else ""
    return (
        f"<h3>Verdict</h3>{head}{paragraph(words.meaning)}{reasons}"
        f"<h3>What a person may do next</h3>{listing(words.next_steps)}"
    )


def _results(part: Part) -> str:
    order = {outcome: at for at, outcome in enumerate(_GRAVE)}
    ordered = sorted(part.results, key=lambda r: order.get(r["outcome"], len(order)))
    return f"<h3>Test by test, the graver first</h3>{''.join(_article(r, part) for r in ordered)}"


def _article(result: Mapping[str, Any], part: Part) -> str:
    outcome = result["outcome"]
    badge = (
        f'<span class="result {html.escape(outcome)}">{html.escape(_RESULTS.get(outcome, outcome))}</span>'
    )
    return (
        f"<article><h3>{html.escape(result['id'])} {html.escape(result['name'])} {badge}</h3>"
        f"{paragraph(result['question'])}{paragraph(result['plain'])}"
        f"{definitions(_numbers(result, part.plan['confidence']))}</article>"
    )


def _numbers(result: Mapping[str, Any], confidence: float) -> Sequence[tuple[str, str]]:
    kind = measured(result["id"])
    pairs: list[tuple[str, str]] = []
    if result["estimate"] is not None:
        whole = result["low"] is not None and result["high"] is not None
        reach = (
            f"{span(result['low'], result['high'])} at {confidence:.0%} confidence"
            if whole
            else _NO_INTERVAL[kind.exact]
        )
        pairs.append(("Measured", f"{number(result['estimate'])}, {kind.unit}. {kind.plain}"))
        pairs.append(("Interval", reach))
    if finite(result["details"].get("epsilon_lower_bound")) is not None:
        bound = number(result["details"]["epsilon_lower_bound"])
        pairs.append(("Lower bound", f"epsilon {bound}: the true loss is this or more (one-sided)"))
    if result["control"] is not None:
        pairs.append(
            ("Without the data", f"{number(result['control'])}: the same on people left out, or by guessing")
        )
    if result["threshold"] is not None:
        pairs.append(("Limit", f"{number(result['threshold'])}, {kind.limit or kind.unit}"))
    if result["p_value"] is not None:
        pairs.append(("p", f"{number(result['p_value'])}: how often chance alone would look like this"))
    return [*pairs, ("Sample", f"{result['n']:,} {kind.counted}")]


def _distances(part: Part) -> str:
    if part.evidence == "A":
        return paragraph(
            "Distances between released and real rows are computed on people's rows: they are not on this "
            "page. They are no privacy test, and no verdict rests on them."
        )
    return paragraph(
        "Shown because people ask for them. They are no privacy test, and no verdict rests on them."
    )


def _ground(part: Part) -> str:
    plan, threat = part.plan, part.plan["threat_model"]
    pairs = [
        ("Audit plan", f"{plan['name']} version {plan['version']}, SHA-256 {part.plan_sha256}"),
        ("The attacker wants", threat["goal"]),
        ("Knows of the generator", threat["generator"]),
        ("Knows of the data", threat["data"]),
        ("When fits end", plan["stop_rule"]),
        *((f"Audited: {name}", f"SHA-256 {sha}") for name, sha in sorted(part.subject.items())),
    ]
    return definitions(pairs)
