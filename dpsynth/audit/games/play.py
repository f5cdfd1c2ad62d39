"""All games of a plan: tasks out, observations back, one result each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dpsynth import __version__
from dpsynth.audit.games.g1_g2_micro import check_black_box, check_white_box
from dpsynth.audit.games.g3_shadow import check_shadow, shadow_game
from dpsynth.audit.games.g4_canaries import canary_game, check_canaries
from dpsynth.audit.games.micro import micro_game
from dpsynth.audit.games.questions import not_played
from dpsynth.audit.games.spread import Spread
from dpsynth.audit.games.units import MemoryStore, Store, collect, tasks_of
from dpsynth.audit.pipeline import Pipeline
from dpsynth.audit.plan import AuditPlan
from dpsynth.audit.plan_games import GamesSection
from dpsynth.audit.result import CheckResult
from dpsynth.audit.surrogate import SurrogateRows, make_surrogate
from dpsynth.core.canonical import digest

__all__ = ["GAMES", "Progress", "run_games"]

GAMES = ("G1", "G2", "G3", "G4")

Progress = Callable[[str, int, int], None]
"""Told the name of a game, units of work done, and units in all."""


def run_games(
    pipeline: Pipeline,
    plan: AuditPlan,
    spread: Spread,
    rng: np.random.Generator,
    *,
    store: Store | None = None,
    build: str = __version__,
    progress: Progress = lambda game, done, most: None,
) -> tuple[CheckResult, ...]:
    """Class A evidence: the plan's games, on surrogate rows only.

    Args:
        pipeline: what is audited; the plan's limit on model cells keeps the fits quick.
        plan: names the games and, in its section ``games``, how they are played.
        spread: where the fits are made.
        rng: randomness of surrogate rows and of ties; every unit of work has its own, from the operating
            system.
        store: where results of units are kept, so that a run that was cut off goes on where it was; in
            memory if not given.
        build: digest, or version, of the code: results of another build do not count.
        progress: told of units as they are done.
    """
    due = [test for test in plan.tests if test in GAMES]
    if not due or plan.games is None:
        return ()
    table = _Table(
        pipeline.limited(plan.surrogate_max_model_cells),
        plan,
        plan.games,
        spread,
        rng,
        store,
        build,
        progress,
    )
    found: list[CheckResult] = []
    if {"G1", "G2"} & set(due):
        found += [one for one in table.micro() if one.id in due]
    if "G3" in due:
        found.append(table.shadow())
    if "G4" in due:
        found.append(table.canaries())
    return tuple(found)


class _Table:
    """What all games of one run share."""

    def __init__(
        self,
        pipeline: Pipeline,
        plan: AuditPlan,
        section: GamesSection,
        spread: Spread,
        rng: np.random.Generator,
        store: Store | None,
        build: str,
        progress: Progress,
    ) -> None:
        self.pipeline, self.plan, self.section = pipeline, plan, section
        self.spread, self.rng, self.build, self.progress = spread, rng, build, progress
        self.store = MemoryStore() if store is None else store

    def _seen(self, name: str, game: Any, fits: int, sides: tuple[int, ...]) -> dict[int, list[Any]]:
        tasks = tasks_of(name, game, self.build, fits, self.section.unit_fits, sides)

        def told(done: int, most: int) -> None:
            self.progress(name, done, most)

        return collect(tasks, self.store, self.spread, told)[name]

    def micro(self) -> list[CheckResult]:
        game = micro_game(self.pipeline, self.section)
        if game is None:
            why = "No column has two codes, so a target cannot differ from the rest."
            return [not_played(test, why) for test in ("G1", "G2")]
        section, claim = self.section, self.pipeline.claim
        results: list[CheckResult] = []
        for fits in _stops(section):
            sides = self._seen("micro", game, fits, (1, 0))
            results = [
                check(sides, claim, self.plan, section) for check in (check_black_box, check_white_box)
            ]
            if any(one.outcome == "fail" for one in results):
                break
        return results

    def shadow(self) -> CheckResult:
        game = shadow_game(self.pipeline, self._rows("G3"), self.section, self.rng)
        if game is None:
            return not_played("G3", "The surrogate table has too few units for that many targets.")
        seen = self._seen("shadow", game, self.section.shadow_fits, (0,))[0]
        return check_shadow(game, seen, self.plan, self.section)

    def canaries(self) -> CheckResult:
        game = canary_game(self.pipeline, self._rows("G4"), self.section)
        seen = self._seen("canaries", game, self.section.canary_fits, (0,))[0]
        return check_canaries(game, seen, self.section, self.rng)

    def _rows(self, test: str) -> SurrogateRows:
        """Surrogate rows; a run that goes on has those that it began with."""
        door = self.pipeline.door
        domain = [[column.name, column.size] for column in door.domain.columns]
        key = digest({"rows": test, "build": self.build, "domain": domain, "of": self.plan.surrogate_rows})
        if key not in self.store.known:
            made = make_surrogate(door.domain, door.unit, self.plan.surrogate_rows, self.rng)
            codes = {name: column.tolist() for name, column in made.codes.items()}
            self.store.add(key, {"codes": codes, "units": made.units.tolist()})
        kept = self.store.known[key]
        codes = {name: np.array(kept["codes"][name], dtype=np.int64) for name in door.domain.names}
        return SurrogateRows(codes, np.array(kept["units"], dtype=np.int64))


def _stops(section: GamesSection) -> list[int]:
    """Fits of a side after which the test fits are looked at; the last is all of them."""
    tested = section.fits - 2 * (section.fits // 3)
    each = -(-tested // section.looks)
    return [min(section.fits, section.fits - tested + (look + 1) * each) for look in range(section.looks)]
