"""Words and numbers for people: states, roles, amounts, ages, odds. Pure functions, no page."""

from __future__ import annotations

import math
import re
import shlex
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from dpsynth.service import Releases

__all__ = [
    "ODDS_NOTE",
    "RECALL",
    "RELEASE_STATES",
    "RESULTS",
    "ROLES",
    "SPENT_NOTE",
    "STATES",
    "SYNTHESIZERS",
    "Word",
    "age_text",
    "due_text",
    "epsilon_band",
    "escaped",
    "hour_text",
    "local_time",
    "odds_rows",
    "odds_text",
    "plain_text",
    "rho_text",
    "role_text",
    "verify_command",
]

RECALL = Releases.SENTENCE

SPENT_NOTE = (
    "a running sum; if later requests were chosen after seeing earlier answers, the bound that holds is the "
    "cap's epsilon"
)
"""The accountant's own words, which belong beside every sum that was spent so far."""


@dataclass(frozen=True)
class Word:
    """A word with an icon and a colour, so that no meaning hangs on colour alone."""

    text: str
    icon: str
    color: str


STATES: dict[str, Word] = {
    "queued": Word("Queued", ":material/schedule:", "gray"),
    "running": Word("Running", ":material/sync:", "blue"),
    "awaiting_decision": Word("Waiting for signatures", ":material/signature:", "orange"),
    "blocked": Word("Blocked by a check", ":material/block:", "red"),
    "approved": Word("Approved, not yet published", ":material/task_alt:", "green"),
    "published": Word("Published", ":material/verified:", "green"),
    "revoked": Word("Revoked", ":material/cancel:", "red"),
    "rejected": Word("Rejected", ":material/thumb_down:", "red"),
    "failed": Word("Failed", ":material/error:", "red"),
    "cancelled": Word("Cancelled", ":material/cancel:", "gray"),
    "refused": Word("Refused, no room in the budget", ":material/block:", "red"),
}

RESULTS: dict[str, Word] = {
    "pass": Word("Pass", ":material/check_circle:", "green"),
    "warn": Word("Warning", ":material/warning:", "orange"),
    "inconclusive": Word("Inconclusive, not a pass", ":material/help:", "orange"),
    "not_tested": Word("Not tested, not a pass", ":material/help:", "orange"),
    "shown": Word("Shown, not judged", ":material/visibility:", "gray"),
    "fail": Word("Fail", ":material/cancel:", "red"),
    "block": Word("Blocked", ":material/block:", "red"),
    "stop": Word("Stopped", ":material/block:", "red"),
}

RELEASE_STATES: dict[str, Word] = {
    "published": Word("Published", ":material/verified:", "green"),
    "expiring": Word("Published; the permission ends within 30 days", ":material/timer:", "orange"),
    "expired": Word("Expired", ":material/event_busy:", "gray"),
    "revoked": Word("Revoked", ":material/cancel:", "red"),
    "damaged": Word("Not what was signed", ":material/error:", "red"),
}

ROLES: dict[str, str] = {
    "data_scientist": "data scientist",
    "compliance_officer": "compliance officer",
    "data_owner": "data owner",
    "auditor": "auditor",
    "admin": "admin",
}

SYNTHESIZERS: dict[str, str] = {
    "independent": "each column by itself; relations between columns are lost",
    "mst": "a tree of related column pairs",
    "aim": "chooses the column combinations that fit worst, round by round",
    "privbayes": "a directed model that says which columns depend on which",
    "wide": "for many columns: a mixture of groups or a small tree, whichever explains more",
    "auto": "the platform chooses from public facts, and says why",
}

_NANO = Decimal(10) ** 9
_ADDRESS = re.compile(r"\\:(?=//)|www(?=\\\.)|(?<=\w)(?=\\@)", re.IGNORECASE)
_HIDDEN = {"Cc", "Cf", "Cs", "Co"}


def rho_text(nano: int) -> str:
    """Nano-rho as an exact decimal, such as ``0.017869``; all nine digits that matter, none rounded."""
    return format((Decimal(nano) / _NANO).normalize(), "f")


def role_text(role: str) -> str:
    """A role for people; what is no role is shown as it is."""
    return ROLES.get(role, role)


def plain_text(text: str) -> str:
    """Text of a requester with control, zero-width and direction characters made visible as U+FFFD."""
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in _HIDDEN and c not in "\n\t" else c
        for c in text
    )


def escaped(text: str) -> str:
    """Text with every sign that Markdown could read escaped, for titles; a shortcode's colons are parted.

    Addresses become links whatever is escaped in them, so an invisible joiner parts these too.
    """
    marked = "".join(f"\\{c}" if c in "\\`*_{}[]()<>#+-.!|$~^=&@:" else c for c in plain_text(text))
    return _ADDRESS.sub(lambda found: f"{found[0]}\N{WORD JOINER}", marked)


def _seconds(first: str, second: datetime) -> float:
    return (second - datetime.fromisoformat(first)).total_seconds()


def age_text(created: str, now: datetime | None = None) -> str:
    """How long ago, in the largest unit that is at least one: ``3 h``."""
    seconds = max(0.0, _seconds(created, now or datetime.now(UTC)))
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return "less than a minute"


def hour_text(hour: str) -> str:
    """The hour that begins at an ISO time, as ``2026-11-23, between 11:00 and 12:00 UTC``."""
    begin = datetime.fromisoformat(hour).astimezone(UTC)
    return f"{begin:%Y-%m-%d}, between {begin:%H}:00 and {begin + timedelta(hours=1):%H}:00 UTC"


def due_text(due: str, now: datetime | None = None) -> str:
    """The due day, and how far off it is; ``OVERDUE`` in words once it is past."""
    left = -_seconds(due, now or datetime.now(UTC))
    day = due[:10]
    if left < 0:
        return f"{day}, OVERDUE"
    return f"{day}, in {int(left // 86_400)} days" if left >= 86_400 else f"{day}, within a day"


def local_time(stamp: str) -> str:
    """An ISO time as ``2026-11-23 11:36 UTC``."""
    return datetime.fromisoformat(stamp).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def odds_text(epsilon: str, delta: str) -> str:
    """A worked example: how far a suspicion of 1 in 2 may move, rounded up to a whole number in 100.

    From even odds a posterior is at most e^epsilon / (1 + e^epsilon), except with a chance of about delta.
    """
    factor = math.exp(min(float(epsilon), 700.0))
    worst = min(100, math.ceil(100 * factor / (1 + factor)))
    return (
        "Worked example: someone who thinks it as likely as not (50 in 100) that a person is in the data "
        f"could become at most {worst} in 100 sure at worst, except with a chance of about {delta}."
    )


ODDS_NOTE = (
    "Before: how likely somebody thinks it that one person is in the data. After: the most that the release "
    "may make of it, whatever else they know, except with a chance of about delta."
)


def odds_rows(epsilon: str) -> list[dict[str, str]]:
    """How far three suspicions may move at worst, rounded up to a whole number in 100."""
    factor = math.exp(min(float(epsilon), 700.0))
    rows = []
    for before in (1, 10, 50):
        after = factor * before / (100 - before + factor * before)
        rows.append(
            {"Before": f"{before} in 100", "After, at most": f"{min(100, math.ceil(100 * after))} in 100"}
        )
    return rows


def epsilon_band(epsilon: str) -> str:
    """Where an epsilon lies among those in use: information, no approval. After NIST SP 800-226."""
    value = float(epsilon)
    if value <= 1:
        band = "at most 1, which is conservative"
    elif value <= 20:
        band = "between 1 and 20, as in many deployments; what that means depends on the unit and the data"
    else:
        band = "above 20, where the promise alone says little"
    return f"This epsilon is {band} (after NIST SP 800-226). That is information, not approval."


def verify_command(bundle: str, keys: str) -> str:
    """The command that checks a bundle offline."""
    return f"dpsynth verify {shlex.quote(bundle)} --keys {shlex.quote(keys)}"
