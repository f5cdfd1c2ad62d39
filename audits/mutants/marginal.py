"""Planted faults of pipelines that count: each is broken in one way, and can be sent to another process.

Faults are found by what a pipeline does: no check knows their names.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from audits.mutants.counting_faults import (
    Averaged,
    BestOfTen,
    Copier,
    ProcessNoise,
    RefreshingDoor,
    RetryingDoor,
    RoomyDoor,
    SeededDoor,
    SilentAt,
    Weaker,
)
from audits.mutants.mutant import Mutant
from dpsynth.accounting.cost import zcdp_cost
from dpsynth.accounting.statement import epsilon_at
from dpsynth.audit.pipeline import Pipeline
from dpsynth.audit.result import Claim
from dpsynth.core.domain import Column, Domain
from dpsynth.core.unit import PrivacyUnit
from dpsynth.mechanisms.noise import Noise, OpenDPNoise
from dpsynth.synthesizers.independent import Independent
from dpsynth.synthesizers.mst import MST
from dpsynth.vault.surrogate import Door

__all__ = ["DOMAIN", "MUTANTS", "correct"]

_SIZES = {"a": 12, "b": 3, "c": 5, "d": 8, "e": 2, "f": 7, "g": 15, "h": 4}
_RHO, _DELTA, _MOST_CELLS = 500_000_000, "1e-6", 10**6

DOMAIN = Domain(
    tuple(Column(name, "categorical", values=tuple(map(str, range(size)))) for name, size in _SIZES.items())
)


def correct(
    synthesizer: Any = None,
    noise: Noise | None = None,
    unit: PrivacyUnit | None = None,
    door: Callable[[Domain, PrivacyUnit, Noise], Door] = Door,
) -> Pipeline:
    """A correct pipeline, MST unless told otherwise; the other parameters are where faults are planted."""
    unit = unit or PrivacyUnit("row", None, 1, "add_remove")
    claim = Claim(_RHO, epsilon_at(zcdp_cost(_RHO), _DELTA), _DELTA)
    return Pipeline(synthesizer or MST(), door(DOMAIN, unit, noise or OpenDPNoise()), claim, _MOST_CELLS)


_REPLACED = PrivacyUnit("row", None, 1, "replace_one")
_BY_ID = PrivacyUnit("person", "id", 1, "add_remove")

MUTANTS = [
    Mutant("P1", "half the noise", "quick", ("S4",), partial(correct, noise=Weaker(2.0))),
    Mutant(
        "P2",
        "noise for adding or removing where a row is replaced",
        "quick",
        ("S4",),
        partial(correct, noise=Weaker(2.0**0.5), unit=_REPLACED),
    ),
    Mutant("P3", "one marginal without noise", "quick", ("S4",), partial(correct, noise=SilentAt(15))),
    Mutant("P6", "a constant seed for the noise", "quick", ("S5",), partial(correct, door=SeededDoor)),
    Mutant(
        "P7", "workers share a generator's state", "standard", ("S5",), partial(correct, noise=ProcessNoise())
    ),
    Mutant(
        "P9",
        "best of ten fits, the winner charged",
        "quick",
        ("S1",),
        partial(correct, synthesizer=BestOfTen()),
    ),
    Mutant("P10", "three answers for one charge", "quick", ("S1",), partial(correct, door=RetryingDoor)),
    Mutant(
        "P10", "three attempts averaged in one answer", "quick", ("S4",), partial(correct, noise=Averaged())
    ),
    Mutant(
        "P11",
        "three rows of a person, noise for one",
        "quick",
        ("S3",),
        partial(correct, unit=_BY_ID, door=RoomyDoor),
    ),
    Mutant(
        "P12",
        "one fit in twenty copies a row",
        "standard",
        ("S9",),
        partial(correct, synthesizer=Copier(Independent())),
    ),
    Mutant(
        "P20",
        "a second release with the first one's noise",
        "quick",
        ("S5",),
        partial(correct, door=RefreshingDoor),
    ),
]
"""Each with the tests that owe it a flag; made anew for every audit."""
