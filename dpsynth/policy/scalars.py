"""Single values: what a bare word means, exact decimals, names, and characters that may mislead a reader."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal

__all__ = [
    "BOUND",
    "POSITIVE",
    "exact",
    "folded",
    "formula_start",
    "hidden_character",
    "plain_scalar",
]

POSITIVE = r"^(0|[1-9][0-9]{0,8})(\.[0-9]{1,30})?([eE]-?[0-9]{1,2})?$"
"""Exact non-negative decimal of a budget: digits, point, small exponent. No sign, NaN or infinity."""

BOUND = r"^-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,9})?$"
"""Exact decimal of a bound, bin edge or clamp value, without exponent."""

_INT = re.compile(r"0|-?[1-9][0-9]{0,14}")
_NUMBER_LIKE = re.compile(
    r"""[-+]?(
        [0-9][0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?   # 010, 1_000, 1.5, 1., 1e-6
      | \.[0-9][0-9_]*([eE][-+]?[0-9]+)?             # .5
      | 0[xob][0-9a-fA-F_]+                          # 0x1f, 0o10, 0b1
      | [0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?      # 12:30:00
      | \.?(inf|infinity|nan)                        # .inf, .nan, NaN
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?")
_SWITCH = re.compile(r"yes|no|on|off", re.IGNORECASE)
_TRUTH = {"true": True, "false": False}
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029")
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
_FORMULA = frozenset("=+-@")


def plain_scalar(text: str) -> tuple[str | int | bool, tuple[str, str] | None]:
    """Value of an unquoted word, and the problem with it as (what, remedy) or None.

    Only canonical integers (``0``, ``12``, ``-3``), ``true`` and ``false`` are not text. Whatever some
    YAML reader takes for another number, date or switch is refused, so no reader can disagree with us.
    """
    shown = ascii(text) if len(text) <= 40 else ascii(text[:37] + "...")
    if _INT.fullmatch(text):
        return int(text), None
    if text.lower() in _TRUTH:
        if text in _TRUTH:
            return _TRUTH[text], None
        return text, (f"bare {shown} is ambiguous", "write true or false, or put it in quotes")
    if _SWITCH.fullmatch(text):
        remedy = f'put it in quotes ("{text}") if text is meant, else write true or false'
        return text, (f"bare {shown} means a truth value to YAML", remedy)
    if _NUMBER_LIKE.fullmatch(text):
        remedy = 'put the exact number in quotes, such as "0.5"; whole numbers without leading zeros'
        return text, (f"bare number {shown} would not be kept as written", remedy)
    if _DATE.fullmatch(text):
        return text, (f"bare date {shown} would not be kept as written", "put it in quotes")
    if text in ("=", "<<"):
        return text, (f"{shown} has a special meaning in YAML", "write the keys out in full")
    return text, None


def exact(text: str) -> Decimal:
    """The decimal that a checked string states, without rounding."""
    return Decimal(text)


def folded(text: str) -> str:
    """Form in which two spellings that look alike are equal: NFKC, case folded, invisible characters out."""
    once = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return "".join(c for c in once if unicodedata.category(c) != "Cf" and not _ignorable(c))


def _ignorable(char: str) -> bool:
    return char in _INVISIBLE or "\ufe00" <= char <= "\ufe0f" or "\U000e0000" <= char <= "\U000e0fff"


def formula_start(text: str) -> bool:
    """True if a spreadsheet would run the cell as a formula, full-width forms included."""
    return bool(text) and unicodedata.normalize("NFKC", text[0])[0] in _FORMULA


def hidden_character(text: str) -> str:
    """Code point, as ``U+202E``, of the first control, bidirectional or surrogate character, else "".

    Tab and line feed are let pass: file layout and folded text need them; names and categories refuse them.
    """
    for char in text:
        if char in "\t\n":
            continue
        tag = "\U000e0000" <= char <= "\U000e007f"
        if char in _BIDI or tag or char == "\ufeff" or unicodedata.category(char) in ("Cc", "Cs"):
            return f"U+{ord(char):04X}"
    return ""
