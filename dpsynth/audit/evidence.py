"""What the release attacks are given: the release, and real rows whose membership a coin decided."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.audit.result import Claim
from dpsynth.core.domain import Domain

__all__ = ["EarlierRelease", "ReleaseEvidence", "one_row_per_unit"]


@dataclass(frozen=True, repr=False)
class EarlierRelease:
    """A release of the same table that was published before.

    Attributes:
        name: what the review room calls it.
        claim: what it promised.
        rows: its encoded rows, (rows, columns) in domain order; None if they are not at hand.
    """

    name: str
    claim: Claim
    rows: NDArray[np.int64] | None = None

    def __repr__(self) -> str:
        return "<EarlierRelease: contents withheld>"


@dataclass(frozen=True, repr=False)
class ReleaseEvidence:
    """Encoded rows in domain order, each matrix of shape (rows, columns). Class B: review room only.

    Attributes:
        release: the released synthetic rows.
        members: coined rows that were in the fit; controls: coined rows that were left out.
        member_units, control_units: the unit of each coined row; one fair coin decided each unit.
        reference: real rows without a coin.
        domain: the public domain.
        claim: what the release promises.
        earlier: published releases of the same table.
        quasi, sensitive: positions of the columns that the policy marks as quasi-identifiers and as
            sensitive; empty where it marks none.
    """

    release: NDArray[np.int64]
    members: NDArray[np.int64]
    controls: NDArray[np.int64]
    member_units: NDArray[np.int64]
    control_units: NDArray[np.int64]
    reference: NDArray[np.int64]
    domain: Domain
    claim: Claim
    earlier: tuple[EarlierRelease, ...] = ()
    quasi: tuple[int, ...] = ()
    sensitive: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        width = len(self.domain.columns)
        before = [release.rows for release in self.earlier if release.rows is not None]
        for table in (self.release, self.members, self.controls, self.reference, *before):
            if table.ndim != 2 or table.shape[1] != width:
                raise ValueError("every matrix must have one column for each column of the domain")
        pairs = (self.members, self.member_units), (self.controls, self.control_units)
        if any(units.shape != (len(rows),) for rows, units in pairs):
            raise ValueError("every coined row needs its unit")
        if np.intersect1d(self.member_units, self.control_units).size:
            raise ValueError("a unit cannot be on both sides of its coin")

    def __repr__(self) -> str:
        return "<ReleaseEvidence: contents withheld>"

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of codes of each column."""
        return self.domain.shape

    @property
    def fewest_coined(self) -> int:
        """Units on the smaller side of the coin."""
        return min(len(np.unique(self.member_units)), len(np.unique(self.control_units)))

    @property
    def empty(self) -> bool:
        """Whether there is nothing to attack or nothing to compare with."""
        return min(len(self.release), len(self.reference)) == 0


def one_row_per_unit(units: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Position of one random row of each unit, in random order of units, shape (units,).

    Rows of one person share a coin; one of them each keeps trials independent.
    """
    order = rng.permutation(len(units))
    _, first = np.unique(units[order], return_index=True)
    return rng.permutation(order[first])
