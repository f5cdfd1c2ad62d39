"""G4: many canaries in one surrogate table, each on a fair coin; how many coins do the noisy answers tell?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.fdp_one_run import fdp_one_run_p_value, fewest_right
from dpsynth.attacks.one_run import coin_guesses, epsilon_lower_bound, one_run_p_value
from dpsynth.audit.door import Recorded
from dpsynth.audit.games.claimed import claimed_curve, epsilon_of
from dpsynth.audit.games.micro import facts_of
from dpsynth.audit.games.questions import GAME_QUESTIONS, not_played
from dpsynth.audit.games.units import Observation
from dpsynth.audit.pipeline import Pipeline
from dpsynth.audit.plan_games import GamesSection
from dpsynth.audit.result import CheckResult, Claim, Outcome
from dpsynth.audit.surrogate import SurrogateRows

__all__ = ["CanaryGame", "canary_game", "check_canaries", "spread_out"]


def spread_out(shape: Sequence[int], count: int) -> NDArray[np.int64]:
    """At most ``count`` distinct rows, spread over every column and pair as evenly as they go.

    The digits of the row's number, the widest column first, each moved on by those before it: no two rows
    are equal, and with as many codes as rows each row has a cell of its own.

    Returns:
        shape (rows, columns); fewer rows than asked for where the domain holds no more.
    """
    left = np.arange(min(count, math.prod(int(size) for size in shape)), dtype=np.int64)
    rows = np.zeros((len(left), len(shape)), dtype=np.int64)
    moved = np.zeros_like(left)
    for at in sorted(range(len(shape)), key=lambda column: -shape[column]):
        digit = left % shape[at]
        rows[:, at] = (digit + moved) % shape[at]
        left, moved = left // shape[at], moved + digit
    return rows


@dataclass(frozen=True)
class CanaryGame:
    """One fit on surrogate rows with canaries, each in or out by a fair coin.

    Attributes:
        pipeline: with the release's schema.
        rows: the other rows.
        canaries: one row each, shape (canaries, columns); in the table as many copies as a unit may have.
    """

    pipeline: Pipeline
    rows: SurrogateRows
    canaries: NDArray[np.int64]

    def facts(self) -> dict[str, Any]:
        """What is fitted, and on which rows."""
        codes = {name: column.tolist() for name, column in self.rows.codes.items()}
        table = {"codes": codes, "units": self.rows.units.tolist()}
        return {**facts_of(self.pipeline), "rows": table, "canaries": self.canaries.tolist()}

    @property
    def _replaces(self) -> bool:
        return self.pipeline.door.unit.adjacency == "replace_one"

    def _made(self, canaries: NDArray[np.int64], base: SurrogateRows | None) -> SurrogateRows:
        """Units of canaries after ``base``; each as many equal rows as a unit may have."""
        copies = self.pipeline.door.unit.max_rows
        names = self.pipeline.door.domain.names
        codes = {name: np.repeat(canaries[:, at], copies) for at, name in enumerate(names)}
        units = np.repeat(np.arange(len(canaries)), copies) + 1 + int(self.rows.units.max(initial=0))
        if base is None:
            return SurrogateRows(codes, units)
        joined = {name: np.append(base.codes[name], codes[name]) for name in names}
        return SurrogateRows(joined, np.append(base.units, units))

    def play(self, side: int, rng: np.random.Generator) -> Observation:
        """One fit; ``side`` is not used. A score for each canary: high means that it seems to be in."""
        coins = rng.random(len(self.canaries)) < 0.5
        shown = self.canaries[coins]
        if self._replaces:
            # Who is out is replaced by a row of first codes, so that the number of units tells nothing.
            shown = np.where(coins[:, None], self.canaries, 0)
        said = {"coins": coins.astype(float).tolist()}
        try:
            fit = self.pipeline.fit(self._made(shown, self.rows), rng)
            scores = self._scores(fit.run.records)
        except Exception:
            return {**said, "crashed": [1.0], "scores": [0.0] * len(coins)}
        return {**said, "crashed": [0.0], "scores": scores.tolist()}

    def _scores(self, records: Sequence[Recorded]) -> NDArray[np.float64]:
        """Sum over answers of how far the canary's cell is above what is known of it, by its variance."""
        door = self.pipeline.door
        base = door.table(self.rows.codes, self.rows.units)
        each = [*self.canaries, np.zeros_like(self.canaries[0])]
        alone = [self._made(row[None, :], None) for row in each]
        *tables, filler = [door.table(one.codes, one.units) for one in alone]
        copies, scores = float(door.unit.max_rows), np.zeros(len(self.canaries))
        for record in records:
            if record.kind != "marginal" or record.sigma <= 0:
                continue
            cells = np.array([int(record.requery(table).argmax()) for table in tables])
            # The others of the cell, and fillers, are there or not by coins that nobody knows.
            others = np.bincount(cells, minlength=len(record.noisy))[cells] - 1.0
            if self._replaces:
                others += len(cells) * (cells == int(record.requery(filler).argmax()))
            excess = record.noisy[cells] - record.requery(base)[cells] - copies * (others + 1) / 2.0
            scores += excess / (record.sigma**2 + copies**2 * others / 4.0)
        return scores


def canary_game(pipeline: Pipeline, rows: SurrogateRows, section: GamesSection) -> CanaryGame:
    """Canaries spread over the domain, fewer than planned where the domain holds fewer rows."""
    canaries = spread_out(pipeline.door.domain.shape, section.canaries)
    return CanaryGame(pipeline, rows, canaries)


def check_canaries(
    game: CanaryGame, seen: Sequence[Observation], section: GamesSection, rng: np.random.Generator
) -> CheckResult:
    """Guess the coins of the highest and lowest scores of all fits together; two bounds, half the level each.

    Several fits with coins of their own are one mechanism on tables side by side, which no canary is in
    twice: the bounds of one run hold for all coins together. The bound of Steinke et al. is read at a delta
    so small that 2 m delta is at most a tenth of the level, with epsilon from the claim's own curve.

    Returns:
        fail where a bound refutes the claim at the level; inconclusive where a fit crashed, or where even
        all guesses right could not refute; else pass.
    """
    if not seen or any(one["crashed"][0] for one in seen):
        return not_played("G4", "A fit with canaries came to no end, so their coins were not guessed.")
    guessed = _guess(game.pipeline.claim, seen, section, rng)
    outcome: Outcome = "pass"
    plain = "The canaries' coins are guessed no better than the claim allows."
    if guessed.p <= section.alpha:
        outcome, plain = "fail", "The canaries' coins are guessed better than the claim allows."
    elif guessed.needed is None:
        outcome, plain = "inconclusive", "There were too few canaries to refute this claim with any guesses."
    share = 0.0 if guessed.needed is None else 100 * guessed.needed / guessed.guesses
    name, question = GAME_QUESTIONS["G4"]
    return CheckResult(
        id="G4",
        name=name,
        question=question,
        evidence="A",
        outcome=outcome,
        plain=plain,
        estimate=guessed.epsilon,
        threshold=float(game.pipeline.claim.epsilon),
        n=guessed.canaries,
        p_value=guessed.p,
        holm=True,
        could_have_found=f"{share:.0f} % of guesses about canaries right" if outcome == "pass" else "",
        details=asdict(guessed),
    )


@dataclass(frozen=True)
class _Guessed:
    """Coins, guesses and right ones of all fits, and what they prove.

    Attributes:
        canaries, guesses, right: counts.
        needed: fewest right guesses that refute the claim's curve; None if none do.
        delta: at which the bound of Steinke et al. is read.
        p_point, p_curve, p: by that bound, by the whole curve, and both together.
        epsilon: lower bound by the former.
    """

    canaries: int
    guesses: int
    right: int
    needed: int | None
    delta: str
    p_point: float
    p_curve: float
    p: float
    epsilon: float


def _guess(
    claim: Claim, seen: Sequence[Observation], section: GamesSection, rng: np.random.Generator
) -> _Guessed:
    coins = np.concatenate([one["coins"] for one in seen]) > 0
    scores = np.concatenate([one["scores"] for one in seen])
    m, r = len(coins), 2 * int(section.guess_share * len(coins) / 2)
    guesses = coin_guesses(scores, r, rng)
    made = guesses != 0
    v = int(((guesses[made] > 0) == coins[made]).sum())
    curve, delta = claimed_curve(claim), _delta(m, section.alpha)
    p_point = one_run_p_value(m, r, v, epsilon_of(claim, delta), float(delta))
    p_curve = fdp_one_run_p_value(m, r, v, curve)
    needed = fewest_right(m, r, curve, section.alpha / 2.0)
    epsilon = epsilon_lower_bound(m, r, v, float(delta), section.alpha)
    p = min(1.0, 2.0 * min(p_point, p_curve))
    return _Guessed(m, r, v, needed, delta, p_point, p_curve, p, epsilon)


def _delta(m: int, alpha: float) -> str:
    """A power of ten with 2 m delta <= alpha / 10."""
    return f"1e{math.floor(math.log10(alpha / (20.0 * m)))}"
