"""Stand-in tables: rows from public facts alone, to try a synthesizer on, and how far off it comes.

A stand-in is made up from the policy's public domain, or it holds the rows of a release that is published
already. Neither opens the table of people, so whatever is measured on one is free and may be told to all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dpsynth.audit.surrogate import make_surrogate
from dpsynth.core.canonical import sha256_hex
from dpsynth.core.domain import Clique, Domain
from dpsynth.core.errors import BadInput, DpsynthError
from dpsynth.core.structure import follow, violating
from dpsynth.core.table import SyntheticTable
from dpsynth.core.unit import PrivacyUnit
from dpsynth.mechanisms.noise import OpenDPNoise
from dpsynth.mechanisms.rng import os_generator
from dpsynth.policy.model import Policy
from dpsynth.publish.files import read_file
from dpsynth.publish.tables import DATA_NAMES, read_codes
from dpsynth.vault.surrogate import Door, SurrogateTable

__all__ = [
    "LEAST_ROWS",
    "MADE_UP",
    "MOST_ROWS",
    "Errors",
    "Published",
    "StandIn",
    "behind_curator",
    "errors_of",
    "made_up",
    "of_release",
    "resampled",
    "unrelated",
]

LEAST_ROWS, MOST_ROWS = 100, 1_000_000
_MOST_MARGINALS, _MOST_CELLS = 300, 1_000_000
_MOST_BYTES = 2**29

Errors = tuple[float, float, float]
"""Mean total variation distance of the marginals of one, two and three columns, each 0 to 1."""

MADE_UP = (
    "made up from the public domain: a hidden trait of each row moves each column with a chance of 6 in 10, "
    "later values are rarer, and 1 row in 20 is left to chance"
)


@dataclass(frozen=True)
class StandIn:
    """A table of rows that are public.

    Attributes:
        name: ``""`` for made-up rows, otherwise what names the release.
        words: where its rows come from, for people.
        table: its rows, encoded.
    """

    name: str
    words: str
    table: SyntheticTable


@dataclass(frozen=True)
class Published:
    """A published bundle: its name for people, where it lies, and the SHA-256 of its files as signed.

    ``signed`` is None where nobody here knows who signed it: whoever names the folder vouches for it.
    """

    name: str
    folder: Path
    signed: Mapping[str, str] | None = None


def made_up(domain: Domain, rows: int) -> StandIn:
    """Made-up rows that keep the public structure, ``rows`` of them or a little fewer.

    Raises BadInput for a number of rows beyond LEAST_ROWS to MOST_ROWS.
    """
    if not LEAST_ROWS <= rows <= MOST_ROWS:
        raise BadInput(
            "The stand-in cannot have that many rows",
            allowed=f"{LEAST_ROWS} to {MOST_ROWS:,}",
            remedy="choose a number in between",
        )
    made = make_surrogate(domain, PrivacyUnit("row", None, 1, "add_remove"), rows, os_generator())
    # The last row is planted for audits: rare in every column.
    codes = follow(domain, {name: column[:rows] for name, column in made.codes.items()})
    keep = ~violating(domain, codes)
    return StandIn("", MADE_UP, SyntheticTable(domain, {name: codes[name][keep] for name in domain.names}))


def of_release(place: Published, domain: Domain, most: int) -> StandIn:
    """The rows of a published bundle, at most ``most`` of them, drawn without putting back.

    Raises BadInput where the bundle has no readable data file within this public domain, or another than the
    one that was signed.
    """
    files: dict[str, bytes] = {}
    try:
        for file in DATA_NAMES.values():
            if (place.folder / file).exists():
                files[file] = read_file(place.folder, file, _MOST_BYTES)
        codes = read_codes(files, domain)
    except (OSError, ValueError, DpsynthError) as error:
        raise _no_stand_in(place.name) from error
    if place.signed is not None and any(sha256_hex(files[one]) != place.signed.get(one) for one in files):
        raise _no_stand_in(place.name)
    if len(codes) > most:
        codes = codes[np.sort(os_generator().permutation(len(codes))[:most])]
    columns = {column: codes[:, at] for at, column in enumerate(domain.names)}
    return StandIn(place.name, f"rows of {place.name}, which is published", SyntheticTable(domain, columns))


def _no_stand_in(name: str) -> BadInput:
    return BadInput(
        f"{name} has no data file that can stand in for this policy's table",
        allowed="a published release of the same public domain, with the files that were signed",
        remedy="rehearse on made-up rows",
    )


def behind_curator(policy: Policy, table: SyntheticTable) -> SurrogateTable:
    """The stand-in as the ordinary curator is given a table: each row is a unit of its own."""
    door = Door(table.domain, policy.unit(), OpenDPNoise())
    return door.table(table.codes, np.arange(table.rows))


def errors_of(truth: SyntheticTable, drawn: SyntheticTable) -> Errors:
    """How far off the shares of ``drawn`` are: of all marginals, or of as many as are quick."""
    one, two, three = (_error(truth, drawn, width) for width in (1, 2, 3))
    return one, two, three


def resampled(table: SyntheticTable, rows: int) -> SyntheticTable:
    """``rows`` rows drawn by chance from the table itself: a perfect model whose rows are left to chance."""
    chosen = os_generator().integers(0, table.rows, size=rows)
    return SyntheticTable(table.domain, {name: codes[chosen] for name, codes in table.codes.items()})


def unrelated(table: SyntheticTable, rows: int) -> SyntheticTable:
    """``rows`` rows with each column drawn for itself: every relation between columns is lost."""
    rng = os_generator()
    drawn = {name: codes[rng.integers(0, table.rows, size=rows)] for name, codes in table.codes.items()}
    return SyntheticTable(table.domain, drawn)


def _error(truth: SyntheticTable, drawn: SyntheticTable, width: int) -> float:
    gaps: list[float] = []
    for clique in _cliques(truth.domain, width):
        one, two = (_shares(table, clique) for table in (truth, drawn))
        gaps.append(0.5 * float(np.abs(one - two).sum()))
    return float(np.mean(gaps)) if gaps else 0.0


def _cliques(domain: Domain, width: int) -> list[Clique]:
    small = [one for one in combinations(domain.names, width) if domain.size(one) <= _MOST_CELLS]
    step = max(1, len(small) // _MOST_MARGINALS)
    return small[::step]


def _shares(table: SyntheticTable, clique: Clique) -> NDArray[np.float64]:
    return table.marginal(clique) / max(table.rows, 1)
