"""What a check found: one line each."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Check", "fault", "fine", "warning"]


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        checked: what was looked at.
        state: ``ok``, ``warning`` or ``fault``.
        found: how it is.
        remedy: what to do, or "".
    """

    checked: str
    state: str
    found: str
    remedy: str = ""


def fine(checked: str, found: str) -> Check:
    """It is as it should be."""
    return Check(checked, "ok", found)


def warning(checked: str, found: str, remedy: str) -> Check:
    """It works, and somebody should look at it."""
    return Check(checked, "warning", found, remedy)


def fault(checked: str, found: str, remedy: str) -> Check:
    """It must be mended."""
    return Check(checked, "fault", found, remedy)
