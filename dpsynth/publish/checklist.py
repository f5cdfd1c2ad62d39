"""The checklist of NIST SP 800-226: what each of its items must say, whoever wrote the statement.

Outline after the draft of December 2023. An item is answered, or it is not applicable and says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from dpsynth.core.errors import IntegrityError

__all__ = ["CHECKLIST", "PARTS", "check_checklist"]

_STATEMENT = "privacy-statement.json"

CHECKLIST: tuple[tuple[str, str], ...] = (
    ("Privacy parameters, original and converted", "guarantee"),
    ("Unit of privacy and whom it protects", "unit"),
    ("Total over time, lifetime cap, resets", "composition"),
    ("Other releases about the same people that are not differentially private", "other_releases"),
    ("Algorithm, library and evidence that it is correct", "mechanism"),
    ("What the data are good and bad for", "utility"),
    ("Systemic, human and statistical bias", "bias"),
    ("Contribution bounding and what it discards", "bounding"),
    ("Domains, bins and bounds chosen without the data", "domains"),
    ("Preprocessing and tuning, and what they cost", "preprocessing"),
    ("Delta: small, and no catastrophic failure", "delta_note"),
    ("Query model: who may ask again", "query_model"),
    ("Threat and trust model", "trust"),
    ("Side channels", "side_channels"),
    ("Data security and access control", "security"),
    ("Collection, exposure and minimisation", "collection"),
    ("Empirical audits and their limits", "audits"),
    ("Human decision informed by exact measurements", "decision_note"),
)
"""Element and field of each checklist item, in order."""

PARTS: Mapping[str, tuple[str, ...]] = {
    "guarantee": ("variant", "rho", "epsilon", "delta", "conversion", "assumptions"),
    "unit": ("kind", "id_space", "max_rows_per_unit", "adjacency", "plain"),
    "composition": ("this", "resets", "scopes"),
    "mechanism": ("synthesizer", "version", "libraries", "noise", "evidence", "saw"),
    "audits": ("result", "plan_sha256", "checks", "limits"),
}
"""What an item of several parts must state; none of them may be empty."""


def _refuse(number: int, what: str) -> NoReturn:
    raise IntegrityError(
        f"{_STATEMENT}: item {number} of the checklist {what}",
        allowed="all 18 items, each stated or not applicable with a reason",
        remedy="do not use this release; ask its publisher for a whole statement",
    )


def check_checklist(statement: Mapping[str, Any]) -> None:
    """Refuse a statement that leaves one of the 18 items open. Raises IntegrityError naming the item."""
    items = statement.get("checklist")
    found = items if isinstance(items, list) else []
    for number, (_, name) in enumerate(CHECKLIST, start=1):
        item = found[number - 1] if number <= len(found) else None
        if not isinstance(item, dict):
            _refuse(number, "is missing")
        if (item.get("item"), item.get("field")) != (number, name):
            _refuse(number, "is not the one that stands there in the outline")
        _check_item(statement, item, number, name)
    if len(found) > len(CHECKLIST):
        _refuse(len(CHECKLIST) + 1, "is not part of the outline")


def _check_item(statement: Mapping[str, Any], item: Mapping[str, Any], number: int, name: str) -> None:
    status = item.get("status")
    if status not in ("stated", "not applicable"):
        _refuse(number, "is neither stated nor not applicable")
    if status == "not applicable":
        if not item.get("reason"):
            _refuse(number, "is not applicable without a reason")
        return
    section = statement.get(name)
    if not section:
        _refuse(number, "is said to be stated and is empty")
    parts = PARTS.get(name, ())
    if parts and not isinstance(section, dict):
        _refuse(number, "is not stated in its parts")
    for part in parts:
        if not section.get(part):
            _refuse(number, f"does not state {part}")
