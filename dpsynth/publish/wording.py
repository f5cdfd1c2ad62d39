"""What the files for other programs and for people share: harmless text, stable names, numbers rounded up."""

from __future__ import annotations

import math
from decimal import Decimal
from uuid import NAMESPACE_URL, uuid5

__all__ = ["number_up", "plain", "release_urn"]

_NAMES = "https://dpsynth.dev/release/"
"""An identifier only: nothing is fetched from it."""


def plain(text: str) -> str:
    """Text of people made harmless in Markdown: no markup, no line breaks."""
    flat = " ".join(text.split())
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>#|!$" else letter for letter in flat)


def release_urn(release_id: str, part: str = "") -> str:
    """``urn:uuid:`` name of a release, or of one document of it: the same for the same ids, never random."""
    return f"urn:uuid:{uuid5(NAMESPACE_URL, f'{_NAMES}{release_id}/{part}')}"


def number_up(text: str) -> float:
    """An exact decimal as the least binary number that prints as no less than it."""
    near = float(text)
    return near if Decimal(repr(near)) >= Decimal(text) else math.nextafter(near, math.inf)
