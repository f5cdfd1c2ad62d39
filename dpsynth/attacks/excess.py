"""Excess risk: how much more often an attack succeeds on members than on people left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.intervals import normal_quantile

__all__ = ["ExcessRisk", "excess", "excess_of_scores"]


@dataclass(frozen=True)
class ExcessRisk:
    """Risk of members above that of controls: (main - control) / (1 - control).

    Attributes:
        main: success rate on members; control: on controls; naive: of an attacker without the release's
            detail, on members.
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
    members: NDArray[np.float64],
    controls: NDArray[np.float64],
    naive: float,
    *,
    rounds: int,
    confidence: float,
    rng: np.random.Generator,
) -> ExcessRisk:
    """Excess risk of an attack that scores each unit on its own.

    The interval is normal, with the larger of two standard errors: resampling units on each side, and
    flipping the coins again (LeakPro PR #50: the residual-rate formula of Anonymeter understates it).

    Args:
        members, controls: chance of success on each unit, in 0 .. 1, one score per unit, at least one each.
        naive: success rate of the naive attacker on members.
        rounds: rounds of each resampling.
        confidence: of the two-sided interval.
        rng: randomness of the resampling.
    """
    sides = len(members), len(controls)
    drawn = [
        scores[rng.integers(0, side, size=(rounds, side))].mean(axis=1)
        for scores, side in zip((members, controls), sides, strict=True)
    ]
    pool = np.concatenate([members, controls])
    flipped = np.array([rng.permutation(pool)[: sides[0]].sum() for _ in range(rounds)])
    flip = _spread(flipped / sides[0], (pool.sum() - flipped) / sides[1])
    error = max(flip, _spread(*drawn))
    main, control = float(members.mean()), float(controls.mean())
    found, half = excess(main, control), normal_quantile(confidence) * error
    return ExcessRisk(main, control, naive, found, found - half, found + half, error, flip)
