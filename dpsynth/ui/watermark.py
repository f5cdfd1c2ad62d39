"""The watermark of the review room: who looks, when and at what, across the screen and every printed page."""

from __future__ import annotations

import html
from urllib.parse import quote

import streamlit as st

from dpsynth.service import watermark

__all__ = ["watermarked"]

_SIZE = (620, 300)


def watermarked(person: str, request_id: str, time: str) -> None:
    """Lay the words over the page. A picture behind nothing: it can be neither clicked nor selected."""
    words = watermark(person, request_id, time)
    width, height = _SIZE
    tile = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"><text x="50%" y="50%" '
        f'text-anchor="middle" transform="rotate(-20 {width / 2:.0f} {height / 2:.0f})" font-size="17" '
        f'font-family="sans-serif" fill="#a4161a" fill-opacity="0.15">{html.escape(words)}</text></svg>'
    )
    st.html(
        "<style>.review-room-mark { position: fixed; inset: 0; z-index: 1000; pointer-events: none; "
        "-webkit-print-color-adjust: exact; print-color-adjust: exact; "
        f"background-image: url('data:image/svg+xml,{quote(tile)}'); }}</style>"
        f'<div class="review-room-mark" aria-hidden="true" data-words="{html.escape(words)}"></div>'
    )
