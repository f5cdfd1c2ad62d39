"""Which synthesizer a request for ``auto`` gets: from public facts alone, among those that the policy allows.

Not a synthesizer: the name is resolved when a release is asked for, and what is stored, charged and attested
is the synthesizer that was chosen. The same facts give the same choice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from dpsynth.core.domain import Domain
from dpsynth.core.errors import PolicyRefusal
from dpsynth.synthesizers.budget import rho_text
from dpsynth.synthesizers.structure import reduced

__all__ = ["AUTO", "Choice", "choose"]

AUTO = "auto"

# Adult (39,073 rows, 15 columns), mean 3-way TVD of one run at nano-rho per column: at 900 independent .275,
# aim .292, privbayes .301; at 9,300 privbayes .163, aim .183, independent .204; at 40,000 privbayes .134,
# aim .136; at 1,000,000 aim .070, privbayes .094. The limit of 25 columns is a judgement of run time.
_LEAST_NANO_PER_COLUMN = 3_000
_SCARCE_NANO_PER_COLUMN = 50_000
_MOST_AIM_COLUMNS = 25


@dataclass(frozen=True)
class Choice:
    """A synthesizer and why, in plain words that follow "because"."""

    name: str
    reason: str

    def words(self) -> str:
        """One sentence for people."""
        return f"Public facts speak for {self.name}, because {self.reason}."


@dataclass(frozen=True)
class _Facts:
    columns: int
    codes: int
    smallest_pair: int
    rho_nano: int
    room: int

    @property
    def each(self) -> int:
        return self.rho_nano // max(self.columns, 1)

    @property
    def share(self) -> str:
        return f"rho {rho_text(self.rho_nano)} for {self.columns} columns that vary"


Rule = tuple[Callable[[_Facts], bool], Sequence[str], Callable[[_Facts], str]]

# In order: the first rule that applies and has a synthesizer that the policy allows.
_RULES: tuple[Rule, ...] = (
    (
        lambda facts: facts.columns < 2,
        ("independent",),
        lambda facts: "there are no two columns that vary, and so no relation to keep",
    ),
    (
        lambda facts: facts.codes + facts.smallest_pair > facts.room,
        ("independent",),
        lambda facts: f"the policy's room of {facts.room} model cells holds the columns but not one pair",
    ),
    (
        lambda facts: facts.each < _LEAST_NANO_PER_COLUMN,
        ("independent",),
        lambda facts: f"{facts.share} is too little to find relations with",
    ),
    (
        lambda facts: facts.columns > _MOST_AIM_COLUMNS,
        ("wide",),
        lambda facts: (
            f"{facts.columns} columns that vary are too many to rescore all their combinations in every round"
        ),
    ),
    (
        lambda facts: facts.each < _SCARCE_NANO_PER_COLUMN,
        ("privbayes",),
        lambda facts: f"{facts.share} pays for one well-counted group of columns each, not for many rounds",
    ),
    (
        lambda facts: facts.columns <= _MOST_AIM_COLUMNS,
        ("aim",),
        lambda facts: (
            f"{facts.columns} columns that vary and {facts.share.split(' for ')[0]} afford choosing "
            "the worst-fitted combinations round by round"
        ),
    ),
    (
        lambda facts: True,
        ("wide", "aim", "privbayes", "mst"),
        lambda facts: (
            f"it keeps more relations between {facts.columns} columns than the others that the policy allows"
        ),
    ),
    (lambda facts: True, ("independent",), lambda facts: "the policy allows no other of those known here"),
)


def choose(allowed: Collection[str], domain: Domain, rho_nano: int, max_model_cells: int) -> Choice:
    """The synthesizer to use, and why.

    Args:
        allowed: names that the policy allows and that are installed.
        domain: the public domain; columns that follow from others do not count.
        rho_nano: budget of the release, nano-rho.
        max_model_cells: the policy's room for a model, cells.

    Raises PolicyRefusal if the policy allows none of those that are chosen from.
    """
    sizes = sorted(column.size for column in reduced(domain).columns)
    varying = [size for size in sizes if size > 1]
    pair = math.prod(varying[:2]) if len(varying) > 1 else 0
    facts = _Facts(len(varying), sum(sizes), pair, rho_nano, max_model_cells)
    for applies, names, reason in _RULES:
        found = [name for name in names if name in allowed]
        if found and applies(facts):
            return Choice(found[0], reason(facts))
    known = sorted({name for _, names, _ in _RULES for name in names})
    raise PolicyRefusal(
        "The policy allows none of the synthesizers that auto chooses from",
        allowed=", ".join(known),
        remedy="name one of the synthesizers that the policy allows",
    )
