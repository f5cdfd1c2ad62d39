"""The micro table: the worst case that a library can be given, with the target in it and without."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.audit.blackbox.claim import Outside
from dpsynth.audit.plan_blackbox import BlackBoxSection
from dpsynth.engines.made import Ask, Made

__all__ = ["MICRO", "Played", "play"]

MICRO = {"a": 2, "b": 3, "c": 2}
"""Columns and their numbers of codes."""


@dataclass(frozen=True)
class Played:
    """Fits on both tables.

    Attributes:
        out, held: how each fit without, and with, the target ended; of known numbers of rows.
        count_out, count_held: the same of fits whose number of rows was left to the library.
        rows_out, rows_held: rows of the tables.
    """

    out: list[Made]
    held: list[Made]
    count_out: list[Made]
    count_held: list[Made]
    rows_out: int
    rows_held: int

    @property
    def worth(self) -> bool:
        """Whether any fit released something: further fits are not worth their time otherwise."""
        return any(one.codes is not None and not one.grave for one in self.all)

    @property
    def all(self) -> list[Made]:
        """Every fit whose number of rows was given."""
        return [*self.out, *self.held]


def micro_tables(rows: int, replace: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All rows alike, and the same with one that differs in every column, added or put in one's place."""
    held = np.zeros((rows, len(MICRO)), dtype=np.int64)
    held[-1] = np.array(list(MICRO.values())) - 1
    out = np.zeros((rows if replace else rows - 1, len(MICRO)), dtype=np.int64)
    return out, held


def play(outside: Outside, limits: BlackBoxSection) -> Played:
    """Fit on both tables; a first fit on each decides whether the rest is worth the time."""
    replace = outside.declared.adjacency == "replace_one"
    out, held = micro_tables(limits.game_rows, replace)
    asks = [Ask(side, limits.game_released) for side in (0, 1)]
    outside.tell("a first fit on each of two tables")
    made = outside.fits(MICRO, [out, held], asks)
    counted: list[Made] = []
    if any(one.codes is not None and not one.grave for one in made):
        outside.tell(f"{limits.game_fits} fits on each side, with and without one row")
        made += outside.fits(MICRO, [out, held], asks * (limits.game_fits - 1))
        if limits.count_fits and not replace:
            outside.tell(f"{limits.count_fits} fits on each side that choose their own number of rows")
            own = [Ask(side, None) for side in (0, 1)]
            counted = outside.fits(MICRO, [out, held], own)
            # A library that always wants to be told how many has no number of its own to give away.
            usual = any(one.codes is not None for one in counted)
            counted = (
                counted + outside.fits(MICRO, [out, held], own * (limits.count_fits - 1)) if usual else []
            )
    return Played(made[::2], made[1::2], counted[::2], counted[1::2], len(out), len(held))
