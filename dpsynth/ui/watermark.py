"""The watermark of the review room: who looks, when and at what, across the screen and every printed page."""

from __future__ import annotations

import html
from urllib.parse import quote

import streamlit as st

from dpsynth.service import watermark

__all__ = ["watermarked"]

_WIDTH, _HEIGHT = 330, 230
"""Pixels of a tile: a telephone shows a whole one."""


def watermarked(person: str, request_id: str, time: str) -> None:
    """Lay the words over the page: a picture that can be neither clicked nor selected, and that prints."""
    words = watermark(person, request_id, time)
    lines = "".join(
        f'<tspan x="{_WIDTH / 2:.0f}" dy="{20 * row}">{html.escape(line)}</tspan>'
        for row, line in enumerate((f"{person} · {time}", request_id))
    )
    tile = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}"><text y="50%" '
        f'text-anchor="middle" transform="rotate(-20 {_WIDTH / 2:.0f} {_HEIGHT / 2:.0f})" font-size="16" '
        f'font-family="sans-serif" fill="#a4161a" fill-opacity="0.15">{lines}</text></svg>'
    )
    st.html(
        "<style>.review-room-mark { position: fixed; inset: 0; z-index: 1000; pointer-events: none; "
        "-webkit-print-color-adjust: exact; print-color-adjust: exact; "
        f"background-image: url('data:image/svg+xml,{quote(tile)}'); }}</style>"
        f'<div class="review-room-mark" aria-hidden="true" data-words="{html.escape(words)}"></div>'
    )
