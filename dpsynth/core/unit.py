"""The privacy unit: whom the guarantee protects, and against which change of the table."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

__all__ = ["Adjacency", "PrivacyUnit"]

Adjacency = Literal["add_remove", "replace_one"]


@dataclass(frozen=True)
class PrivacyUnit:
    """Public facts about the protected unit.

    Attributes:
        kind: person, household, ... or a row kind such as person-year.
        id_column: column whose value names the unit; None when every row is its own unit.
        max_rows: rows a unit may contribute after bounding (>= 1).
        adjacency: neighbouring relation. ``add_remove`` adds or removes all rows of one unit;
            ``replace_one`` replaces all rows of one unit by other rows.
    """

    kind: str
    id_column: str | None
    max_rows: int
    adjacency: Adjacency

    def l2_sensitivity(self) -> float:
        """Largest L2 change of one marginal's counts: k for add/remove, sqrt(2) k for replace."""
        factor = 1.0 if self.adjacency == "add_remove" else math.sqrt(2.0)
        return self.max_rows * factor

    def l1_sensitivity(self) -> int:
        """Largest L1 change of one marginal's counts: k for add/remove, 2k for replace."""
        return self.max_rows * (1 if self.adjacency == "add_remove" else 2)
