"""Pieces of a page: plain HTML that needs no script and no network, reads on a phone and prints on A4."""

from __future__ import annotations

import html
from collections.abc import Sequence

from dpsynth.audit.pictures.figure import Figure

__all__ = ["definitions", "document", "figure", "listing", "paragraph", "section", "table"]

_STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 16px; max-width: 760px; color: #1b2733; background: white;
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: .4em 0; }
h2 { font-size: 1.25rem; margin: 2em 0 .4em; border-top: 2px solid #1b2733; padding-top: .5em; }
h3 { font-size: 1.05rem; margin: 1.2em 0 .2em; }
p, ul { margin: .4em 0 .8em; } ul { padding-left: 1.2em; }
dl { display: grid; grid-template-columns: minmax(7rem, 11rem) 1fr; gap: .3em .8em; margin: .6em 0; }
dt { color: #46535f; } dd { margin: 0; }
.head { border: 2px solid #1b2733; padding: .2em 1em .6em; }
.class { font-weight: 700; border: 1px solid #1b2733; padding: .5em .8em; }
article { border: 1px solid #9aa5b1; padding: .1em .9em .4em; margin: .8em 0; break-inside: avoid; }
.result { display: inline-block; border: 2px solid currentColor; padding: 0 .5em; font-weight: 700; }
.pass { color: #14532d; border-style: solid; } .warn, .inconclusive, .not_tested { color: #7a4b00;
  border-style: dashed; } .fail, .block, .stop { color: #a4161a; border-style: double; border-width: 4px; }
figure { margin: 1.2em 0 1.6em; }
.picture { break-inside: avoid; }
.wide { overflow-x: auto; border: 1px solid #d5dce2; }
.wide svg { display: block; width: 100%; min-width: 560px; height: auto; }
figcaption { font-weight: 700; margin: 0 0 .3em; break-after: avoid; }
.how, .small { font-size: .875rem; color: #46535f; }
.absent { border: 1px dashed #46535f; padding: .6em .9em; margin: 0; }
.plain svg { filter: grayscale(1); }
table { border-collapse: collapse; width: 100%; font-size: .8125rem; overflow-wrap: normal; }
th, td { text-align: left; vertical-align: top; padding: .25em .6em .25em 0;
  border-bottom: 1px solid #d5dce2; }
thead th { border-bottom: 1px solid #1b2733; }
code { font-size: .8125rem; }
.mark { position: fixed; inset: 0; z-index: 2; pointer-events: none; overflow: hidden; }
.mark span { position: absolute; left: -10%; width: 120%; text-align: center; transform: rotate(-24deg);
  font-size: 1.5rem; font-weight: 700; color: #a4161a; opacity: .16; }
@page { size: A4; margin: 16mm; }
@media print { body { padding: 0; max-width: none; font-size: 10.5pt; }
  .wide { overflow: visible; } .wide svg { min-width: 0; }
  table { font-size: 8pt; } }
@media (max-width: 480px) { .mark span { font-size: .85rem; }
  dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .5em; } }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def paragraph(words: str, kind: str = "") -> str:
    """One paragraph."""
    style = f' class="{kind}"' if kind else ""
    return f"<p{style}>{html.escape(words)}</p>"


def listing(lines: Sequence[str]) -> str:
    """A list of sentences."""
    return f"<ul>{''.join(f'<li>{html.escape(line)}</li>' for line in lines)}</ul>" if lines else ""


def definitions(pairs: Sequence[tuple[str, str]]) -> str:
    """Names with what they are."""
    rows = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(words)}</dd>" for name, words in pairs)
    return f"<dl>{rows}</dl>"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], label: str) -> str:
    """A table with a row of headings; the first cell of each row names it."""
    top = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{html.escape(row[0])}</th>'
        f"{''.join(f'<td>{html.escape(cell)}</td>' for cell in row[1:])}</tr>"
        for row in rows
    )
    name = html.escape(label)
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{name}"><table>'
        f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def figure(number: int, shown: Figure, kind: str = "") -> str:
    """A picture with its caption and the table under it; or, in its place, why there is none."""
    title = f"<figcaption>Picture {number}. {html.escape(shown.title)}</figcaption>"
    if shown.absent:
        return f"<figure>{title}{paragraph(shown.absent, 'absent')}</figure>"
    label = html.escape(f"Picture {number}: {shown.title}")
    picture = f'<div class="wide" tabindex="0" role="region" aria-label="{label}">{shown.svg}</div>'
    numbers = table(shown.head, shown.rows, f"The numbers of picture {number}")
    return (
        f'<figure class="{kind}"><div class="picture">{title}{picture}</div>'
        f"{paragraph(shown.caption, 'how')}{numbers}</figure>"
    )


def section(title: str, *parts: str) -> str:
    """A part of the page under its heading."""
    return f"<section><h2>{html.escape(title)}</h2>{''.join(parts)}</section>"


def document(title: str, body: str, watermark: str = "") -> str:
    """The whole page.

    Args:
        title: of the page.
        body: HTML made by the functions above.
        watermark: words across every screen and every printed page; "" for none.
    """
    words = html.escape(watermark)
    over = "".join(f'<span style="top: {top}%">{words}</span>' for top in (12, 45, 78))
    mark = f'<div class="mark" aria-hidden="true">{over}</div>' if watermark else ""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<style>{_STYLE}</style></head><body>{mark}<main>{body}</main></body></html>\n"
    )
