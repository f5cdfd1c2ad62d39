"""Excess risk: how much more often an attack succeeds on members than on people left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.intervals import normal_quantile

__all__ = ["ExcessRisk", "excess", "excess_of_scores"]

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class ExcessRisk:
    """Risk of members above that of controls: (main - control) / (1 - control).

    Attributes:
        main: success rate on members; control: on controls (both less what the naive attacker explains, where
            that is known); naive: the naive attacker's on members.
        excess: the excess risk; low, high: its two-sided interval.
        error: the standard error used (the larger of the two); flip_error: the one from re-flipped coins.
    """

    main: float
    control: float
    naive: float
    excess: float
    low: float
    high: float
    error: float
    flip_error: float


def excess(main: float, control: float) -> float:
    """(main - control) / (1 - control); 0 where controls always succeed."""
    return (main - control) / (1.0 - control) if control < 1.0 else 0.0


def _spread(main: NDArray[np.float64], control: NDArray[np.float64]) -> float:
    return float(np.std([excess(float(a), float(b)) for a, b in zip(main, control, strict=True)]))


def excess_of_scores(
    members: tuple[Scores, Scores],
    controls: tuple[Scores, Scores],
    *,
    rounds: int,
    confidence: float,
    rng: np.random.Generator,
) -> ExcessRisk:
    """Excess risk of an attacker who scores each unit on its own.

    Some people are easier for anybody. What the naive attacker's success says of a unit is therefore taken
    out of its score by regression within sides (Lin 2013): coins are independent of it, so the excess stays
    what it is and its error shrinks.

    The interval is normal, with the larger of two standard errors: resampling units on each side, and
    flipping the coins again (LeakPro PR #50: the residual-rate formula of Anonymeter understates it).

    Args:
        members, controls: (chance of success, the naive attacker's success), in 0 .. 1, each one per unit of
            that side, at least one.
        rounds: rounds of each resampling.
        confidence: of the two-sided interval.
        rng: randomness of the resampling.
    """
    adjusted = _without_naive(members, controls)
    sides = len(adjusted[0]), len(adjusted[1])
    drawn = [
        scores[rng.integers(0, side, size=(rounds, side))].mean(axis=1)
        for scores, side in zip(adjusted, sides, strict=True)
    ]
    pool = np.concatenate(adjusted)
    flipped = np.array([rng.permutation(pool)[: sides[0]].sum() for _ in range(rounds)])
    flip = _spread(flipped / sides[0], (pool.sum() - flipped) / sides[1])
    error = max(flip, _spread(*drawn))
    main, control = (float(scores.mean()) for scores in adjusted)
    found, half = excess(main, control), normal_quantile(confidence) * error
    naive = float(members[1].mean())
    return ExcessRisk(main, control, naive, found, found - half, found + half, error, flip)


def _without_naive(*sides: tuple[Scores, Scores]) -> list[Scores]:
    """Scores less their regression on the naive attacker's success, at the mean of both sides."""
    centred = [(scores - scores.mean(), naive - naive.mean()) for scores, naive in sides]
    spread = sum(float(naive @ naive) for _, naive in centred)
    slope = sum(float(scores @ naive) for scores, naive in centred) / spread if spread > 0.0 else 0.0
    mean = float(np.concatenate([naive for _, naive in sides]).mean())
    return [scores - slope * (naive - mean) for scores, naive in sides]
