"""The dossier as one HTML file that prints to one A4 page: no script, nothing fetched, every text escaped."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Any

from dpsynth.service import Dossier
from dpsynth.ui.words import RECALL, odds_text, plain_text, rho_text

__all__ = ["printed"]

_LENGTHS = (600, 420, 300, 200, 140)
_MORE = " [more in the pages]"
_SIGNS, _BLOCK, _ROOM = 150, 0.5, 56
"""Signs in a line of the sheet, what a block adds in lines, and lines on a page; a test prints it."""
_SMALL, _SMALL_ROOM = (140, 90, 60, 40, 25), 86
"""Where no such length fits: the same in small print."""
_MOST_LINES = 5
_SOURCES = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """
@page { size: A4; margin: 9mm }
* { box-sizing: border-box }
body { font: 7.6pt/1.28 "Liberation Sans", Arial, sans-serif; color: #111; margin: 0 auto; max-width: 192mm }
h1 { font-size: 12pt; margin: 0 0 1mm }
h2 { font-size: 8.6pt; margin: 2mm 0 .6mm; border-bottom: .3mm solid #555 }
p { margin: .6mm 0; overflow-wrap: anywhere }
table { border-collapse: collapse; width: 100%; margin: .6mm 0 }
th, td { text-align: left; vertical-align: top; padding: .3mm 1.2mm .3mm 0; border-bottom: .1mm solid #bbb;
  overflow-wrap: anywhere }
.verdict { border: .5mm solid #111; padding: 1mm 1.5mm; font-weight: bold }
.two { column-count: 2; column-gap: 5mm }
.bar { display: flex; height: 2.6mm; border: .2mm solid #333; width: 30mm }
.small { font-size: 6.2pt } .small h2 { font-size: 7.4pt; margin-top: 1.2mm } .small p { margin: .3mm 0 }
@media print { td, th { min-width: 15mm } .amount { white-space: nowrap } }
.before { background: #0b3c5d } .this { background: repeating-linear-gradient(45deg, #fff, #fff .5mm,
  #e08e0b .5mm, #e08e0b 1.2mm) }
.line { display: inline-block; border-bottom: .2mm solid #111; min-width: 42mm; height: 5mm }
code { font-family: "Liberation Mono", monospace; font-size: 6.6pt }
@media screen { body { padding: 4mm; font-size: 11pt; max-width: 60rem } .two { column-width: 22rem } }
* { print-color-adjust: exact; -webkit-print-color-adjust: exact }
"""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells are HTML already."""
    top = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


_Cut = Callable[..., str]
"""Escapes words and cuts them, at its own length or at a shorter one."""


def _cut(most: int) -> _Cut:
    """Characters that nobody sees are shown as such; a long text says that it goes on."""

    def cut(words: object, shorter: int = most) -> str:
        plain, length = " ".join(plain_text(str(words)).split()), min(most, shorter)
        return escape(plain if len(plain) <= length else plain[:length].rstrip() + _MORE)

    return cut


def _verdict(body: dict[str, Any], t: _Cut) -> str:
    checks = sorted(body["checks"], key=lambda check: bool(check["ok"]))
    failing = sum(not check["ok"] for check in checks)
    policy = t(f"policy {body['policy']['id']} version {body['policy']['version']}", 120)
    count = (
        f"{failing} of {len(checks)} checks of {policy} FAIL"
        if failing
        else (f"All {len(checks)} checks of {policy} pass")
    )
    lines = "".join(
        f"<p>{word}: {t(check['name'], 80)}: {t(check['plain'])}</p>"
        for check in checks
        for word in ["Pass" if check["ok"] else "<b>FAIL</b>"]
    )
    why = "".join(f"<p>{t(one)}</p>" for one in body["audit"]["why"][:_MOST_LINES])
    return f'<p class="verdict">{count}. Audit: {t(body["audit"]["verdict"], 40)}.</p>{lines}{why}'


def _leaves(body: dict[str, Any], t: _Cut) -> str:
    release, request = body["release"], body["request"]
    part = f" From one part of the table: {t(request['partition'], 80)}." if request["partition"] else ""
    return (
        "<h2>What leaves, to whom, why, until when</h2>"
        f"<p>{release['rows']:,} synthetic rows, {len(release['columns'])} columns, by "
        f"{t(request['synthesizer'], 60)}, from {t(body['policy']['title'], 120)}.{part} "
        f"Asked for by {t(request['requester'], 70)}, {t(request['created'][:10], 10)}. Expires "
        f"{release['expires_after_days']} days after it is issued.</p>"
        f"<p><b>To whom</b> (requester's words): {t(request['recipients'])}. Policy allows: "
        f"{t(', '.join(release['recipients']), 200)}.</p>"
        f"<p><b>Why</b> (requester's words): {t(request['purpose'])}</p>"
    )


def _promise(body: dict[str, Any], t: _Cut) -> str:
    one = body["guarantee"]
    relies = one.get("relies_on")
    other = f", Gaussian {t(one['gaussian_epsilon'], 20)}" if one["gaussian_epsilon"] else ""
    return (
        "<h2>The promise</h2>"
        f"<p>Whether or not any one <b>{t(one['unit'], 40)}</b> is in the data, what anybody can infer "
        "about them from the release changes by at most a bounded amount: "
        f"<b>rho {rho_text(int(one['rho_nano']))}; epsilon {t(one['epsilon'], 20)}{other} at delta "
        f"{t(one['delta'], 20)}</b>. {t(odds_text(one['epsilon'], one['delta']))}</p>"
        + (f"<p>This promise {t(relies['plain'])}: a library was given the rows.</p>" if relies else "")
        + (f"<p>Who is protected: {t(one['unit_note'])}</p>" if one["unit_note"] else "")
    )


def _budget(body: dict[str, Any], t: _Cut) -> str:
    rows = []
    for scope in body["budget"]:
        before, this, cap = (max(0, int(scope[f"{name}_nano"])) for name in ("before", "this", "cap"))
        left = max(0, cap - int(scope["after_nano"]))
        shares = (("before", before), ("this", this))
        bar = "".join(
            f'<i class="{name}" style="width:{100 * part / max(cap, 1):.2f}%"></i>' for name, part in shares
        )
        amounts = [
            f'<span class="amount">{rho_text(one)}</span>'
            for one in (before, this, int(scope["after_nano"]), cap, left)
        ]
        rows.append([t(scope["title"], 90), *amounts, f'<div class="bar">{bar}</div>'])
    head = (
        "Budget (rho)",
        "Before",
        "This",
        "After",
        "Cap",
        "Left for ever",
        "dark: before, striped: this",
    )
    return "<h2>Budget before, this, after</h2>" + _table(head, rows)


def _attacks(body: dict[str, Any], t: _Cut) -> str:
    checks = sorted(body["audit"]["checks"], key=lambda check: str(check["result"]) == "pass")
    lines = "".join(
        f"<p><b>{t(check['result'], 20)}</b> {t(check['id'], 8)} {t(check['name'], 60)}: "
        f"{t(check['plain'], 150)}</p>"
        for check in checks
    )
    return (
        f'<h2>Attacks</h2><div class="two">{lines}</div>'
        f"<p>What the audit could have found: {t(body['audit']['could_have_found'])}. Exact results are "
        "in the review room.</p>"
    )


def _useful(body: dict[str, Any], t: _Cut) -> str:
    """Measures that were paid for; where none were, the words on harm say so."""
    lines = (body.get("utility") or {}).get("sentences")
    if not lines:
        return ""
    shown = "".join(f"<p>{t(one, 200)}</p>" for one in lines[:_MOST_LINES])
    return "<h2>How useful the rows are</h2>" + shown + (_MORE if len(lines) > _MOST_LINES else "")


def _harm(body: dict[str, Any], t: _Cut) -> str:
    words = body.get("harm")
    if not words:
        return ""
    return (
        "<h2>Who might be hurt, and what it is for</h2>"
        f"<p>{t(words['bias'], 300)} {t(words['utility'], 300)} "
        f"Other releases without differential privacy: {t(words['other_releases'], 200)}</p>"
    )


def _changed(body: dict[str, Any], t: _Cut) -> str:
    found = body.get("differences")
    if found is None:
        return ""
    since, lines = found["since"], found["lines"][:_MOST_LINES]
    words = f"Since {t(since, 60)}: " + (
        "; ".join(f"{t(one['what'], 60)}: {t(one['before'], 60)} → {t(one['now'], 60)}" for one in lines)
        or "nothing that is compared"
    )
    return "<h2>What changed since the last release</h2><p>" + (
        f"{words}.</p>" if since else "Nothing of this dataset has been published before.</p>"
    )


def _decision(body: dict[str, Any], t: _Cut) -> str:
    boxes = "".join(f"<p>☐ {t(one)}</p>" for one in body["must_tick"])
    line = '<span class="line"></span>'
    return (
        f"<h2>Decision</h2>{boxes}<p>☐ approve ☐ reject, because {line}{line} "
        f"Name, role {line} Date {line}</p><p>{t(RECALL)} This sheet is for reading: only a decision in "
        "the pages or on the command line counts, and it is signed over the digest below.</p>"
    )


def _whole(found: Dossier, most: int) -> str:
    """All parts, the failing items first; no text is longer than ``most`` characters."""
    body, t = found.body, _cut(most)
    parts = _verdict, _leaves, _promise, _budget, _attacks, _useful, _harm, _changed, _decision
    head = f"<h1>Dossier of release {t(body['release_id'])}</h1>"
    foot = f"<p>SHA-256 of the dossier: <code>{escape(found.sha256)}</code></p>"
    return "".join([head, *(part(body, t) for part in parts), foot])


def _lines(page: str) -> float:
    """About how many lines of print a page has: its signs, and what each block adds."""
    return len(re.sub(r"<[^>]*>", "", page)) / _SIGNS + len(re.findall(r"<(?:p|h2|tr)\b", page)) * _BLOCK


def _fitted(found: Dossier) -> tuple[str, str]:
    """The page with the longest texts that fit, and the class of its print; small print comes last."""
    tries = [(most, "", _ROOM) for most in _LENGTHS] + [(most, "small", _SMALL_ROOM) for most in _SMALL]
    pages = ((_whole(found, most), name, room) for most, name, room in tries)
    fitting = ((page, name) for page, name, room in pages if _lines(page) <= room)
    return next(fitting, (_whole(found, _SMALL[-1]), "small"))


def printed(found: Dossier) -> str:
    """One self-contained HTML file of one A4 page; texts are cut to the length at which all of them fit."""
    page, print_of = _fitted(found)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f'<meta http-equiv="Content-Security-Policy" content="{_SOURCES}">'
        f"<title>Dossier {escape(found.body['release_id'])}</title><style>{_STYLE}</style></head>"
        f'<body class="{print_of}">{page}</body></html>\n'
    )
