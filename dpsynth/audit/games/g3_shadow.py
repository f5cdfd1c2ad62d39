"""G3: a table of the release's own schema and size; targets that stand apart, and random ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.audit.games.claimed import claimed_curve
from dpsynth.audit.games.duel import Duel, details, duel
from dpsynth.audit.games.features import target_features
from dpsynth.audit.games.micro import facts_of
from dpsynth.audit.games.power import tell_found
from dpsynth.audit.games.questions import GAME_QUESTIONS, not_played
from dpsynth.audit.games.units import Observation
from dpsynth.audit.pipeline import Pipeline
from dpsynth.audit.plan import AuditPlan
from dpsynth.audit.plan_games import GamesSection
from dpsynth.audit.result import CheckResult, Outcome
from dpsynth.audit.surrogate import SurrogateRows

__all__ = ["ShadowGame", "check_shadow", "shadow_game", "standing_apart"]

_NEAREST = 5
_FEATURES = 6


def standing_apart(rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Rows with the largest mean distance to their five nearest, most isolated first (ties by position).

    Distance: columns that differ, which is half the squared one-hot distance (Meeus et al. 2023).

    Args:
        rows: encoded rows, shape (rows, columns).
        count: how many are wanted.
    """
    kept = min(_NEAREST, len(rows) - 1)
    scores = np.zeros(len(rows))
    for at, row in enumerate(rows):
        far = (rows != row).sum(axis=1).astype(np.float64)
        far[at] = np.inf
        scores[at] = np.partition(far, kept - 1)[:kept].mean() if kept else 0.0
    return np.argsort(-scores, kind="stable")[:count]


@dataclass(frozen=True)
class ShadowGame:
    """One fit on surrogate rows in which every target's coin is flipped anew.

    The other targets' coins are the same mixture on both sides of a target, so each target by itself is a
    game between neighbours: a mixture of pairs that keep to a curve keeps to it, because curves are convex.

    Attributes:
        pipeline: with the release's schema.
        rows: surrogate rows, targets included.
        targets: their unit labels.
        instead: under replace_one, the unit label whose first row stands in for a target that is out.
    """

    pipeline: Pipeline
    rows: SurrogateRows
    targets: tuple[int, ...]
    instead: int | None

    def facts(self) -> dict[str, Any]:
        """What is fitted, and on which rows."""
        codes = {name: column.tolist() for name, column in self.rows.codes.items()}
        table = {"codes": codes, "units": self.rows.units.tolist()}
        return {**facts_of(self.pipeline), "rows": table, "targets": list(self.targets)}

    def _matrix(self) -> NDArray[np.int64]:
        return np.column_stack([self.rows.codes[name] for name in self.pipeline.door.domain.names])

    def _table(self, coins: NDArray[np.bool_]) -> SurrogateRows:
        rows = self.rows
        for target, coin in zip(self.targets, coins, strict=True):
            if coin:
                continue
            count = int((self.rows.units == target).sum())
            rows = rows.without(target)
            if self.instead is not None:
                first = self.rows.only(self.instead).codes
                rows = rows.plus({n: int(c[0]) for n, c in first.items()}, np.full(count, target))
        return rows

    def play(self, side: int, rng: np.random.Generator) -> Observation:
        """One fit; ``side`` is not used: each target has its own coin."""
        coins = rng.random(len(self.targets)) < 0.5
        said = {"coins": coins.astype(float).tolist()}
        matrix, units = self._matrix(), self.rows.units
        wanted = matrix[[int(np.flatnonzero(units == target)[0]) for target in self.targets]]
        reference = matrix[~np.isin(units, self.targets)]
        domain = self.pipeline.door.domain
        try:
            fit = self.pipeline.fit(self._table(coins), rng)
            # As many rows as the whole table has, whoever is in it: the number is public.
            release = fit.model.sample(len(units), rng)
            shown = target_features(release, domain, wanted, reference, self.pipeline.max_model_cells)
        except Exception:
            return {**said, "crashed": [1.0], "features": [0.0] * (_FEATURES * len(wanted))}
        return {**said, "crashed": [0.0], "features": [value for row in shown for value in row]}


def shadow_game(
    pipeline: Pipeline, rows: SurrogateRows, section: GamesSection, rng: np.random.Generator
) -> ShadowGame | None:
    """As many isolated as random targets; None for a table of too few units."""
    units, first = np.unique(rows.units, return_index=True)
    if len(units) < 2 * section.shadow_targets + 2:
        return None
    matrix = np.column_stack([rows.codes[name] for name in pipeline.door.domain.names])[first]
    apart = standing_apart(matrix, section.shadow_targets)
    others = np.setdiff1d(np.arange(len(units)), apart)
    drawn = rng.choice(others, section.shadow_targets + 1, replace=False)
    instead = int(units[drawn[-1]]) if pipeline.door.unit.adjacency == "replace_one" else None
    return ShadowGame(pipeline, rows, tuple(int(units[at]) for at in (*apart, *drawn[:-1])), instead)


def _duels(game: ShadowGame, seen: Sequence[Observation], section: GamesSection) -> list[Duel]:
    coins = np.array([one["coins"] for one in seen], dtype=np.float64) > 0
    features = np.array([one["features"] for one in seen]).reshape(len(seen), len(game.targets), -1)
    crashed = np.array([one["crashed"] for one in seen])
    level = section.alpha / len(game.targets)
    found = []
    for at in range(len(game.targets)):
        table = np.concatenate([features[:, at], crashed], axis=1)
        held = coins[:, at]
        one = duel(table[held], table[~held], game.pipeline.claim, level)
        found += [] if one is None else [one]
    return found


def check_shadow(
    game: ShadowGame, seen: Sequence[Observation], plan: AuditPlan, section: GamesSection
) -> CheckResult:
    """The strongest of all targets, corrected for their number.

    Returns:
        fail where the claimed curve is refuted at the level; inconclusive where every fit crashed, a
        target had too few fits on a side, or a sign that the plan wants found could not have been; else pass.
    """
    duels = [] if all(one["crashed"][0] for one in seen) else _duels(game, seen, section)
    if len(duels) < len(game.targets):
        return not_played("G3", "Too few fits came to an end to compare anything.")
    claim, level = game.pipeline.claim, section.alpha / len(duels)
    best = min(duels, key=lambda one: one.p)
    p = min(1.0, best.p * len(duels))
    fewest = min(min(one.errors.outs, one.errors.ins) for one in duels)
    tell = tell_found(fewest, fewest, claimed_curve(claim), level, plan.noise_power)
    outcome: Outcome = "pass"
    plain = "No target's presence shows more than the claim allows."
    if p <= section.alpha:
        outcome, plain = "fail", "A target's presence shows more than the claim allows."
    elif tell is None or tell > section.tell_needed:
        outcome, plain = "inconclusive", "The game was too small for this claim."
    name, question = GAME_QUESTIONS["G3"]
    numbers = details(best, claim, level)
    return CheckResult(
        id="G3",
        name=name,
        question=question,
        evidence="A",
        outcome=outcome,
        plain=plain,
        estimate=numbers["epsilon_equivalent"],
        threshold=float(claim.epsilon),
        n=len(seen),
        p_value=p,
        holm=True,
        could_have_found=f"a sign of one target in {tell * 100:.0f} % of full-size releases"
        if outcome == "pass" and tell is not None
        else "",
        details={**numbers, "targets": len(duels)},
    )
