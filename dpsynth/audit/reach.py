"""What a result would have found, in words; of class B from its numbers, which stay in the review room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dpsynth.audit.pictures.figure import finite, number
from dpsynth.audit.units import measured

__all__ = ["reach_of_attacks", "would_find"]

_UNKNOWN = "nothing was shown about what it would have found"


def would_find(result: Mapping[str, Any]) -> str:
    """The smallest leak that this test would have found.

    Args:
        result: a result as JSON.
    """
    details = result["details"]
    if result["could_have_found"]:
        return str(result["could_have_found"])
    if result["evidence"] == "A" or result["id"] == "R7":
        return _UNKNOWN
    if finite(details.get("right_guesses_that_would_flag")) is not None:
        needed, made = details["right_guesses_that_would_flag"], details["guesses"]
        return f"{needed} or more right guesses of {made} would have refuted the claim"
    if finite(details.get("detectable_difference")) is not None:
        return f"a difference of rates of {number(details['detectable_difference'])}"
    low, high = finite(result["low"]), finite(result["high"])
    if low is None or high is None:
        return _UNKNOWN
    return (
        f"about {number((high - low) / 2.0)}, half the width of its interval ({measured(result['id']).unit})"
    )


def reach_of_attacks(results: Sequence[Mapping[str, Any]]) -> str:
    """All of it in one sentence without a full stop, for the head of a class B page."""
    said = [f"{result['id']}: {would_find(result)}" for result in results if result["id"] != "R7"]
    if not said:
        return "nothing was shown about what would have been found"
    return f"of each attack, what it would have shown: {'; '.join(said)}"
