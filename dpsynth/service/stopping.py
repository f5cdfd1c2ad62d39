"""Who may stop what others rely on, and the written reason that it takes."""

from __future__ import annotations

from dpsynth.core.errors import BadInput

__all__ = ["STOPPERS", "told_reason"]

STOPPERS = ("compliance_officer", "data_owner")
"""Roles that revoke a release and that pause or resume a dataset."""

_LEAST, _LONGEST = 10, 4000


def told_reason(reason: str) -> str:
    """A written reason within its limits, 10 to 4000 characters. Raises BadInput."""
    words = reason.strip()
    if not _LEAST <= len(words) <= _LONGEST:
        raise BadInput(
            "This needs a written reason",
            allowed=f"{_LEAST} to {_LONGEST} characters",
            remedy="write why, for those who look at it later",
        )
    return words
