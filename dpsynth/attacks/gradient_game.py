"""The two-run gradient game (Nasr et al. 2023): what one unit's coin does to a noisy sum, step by step.

The attacker holds everyone else's part of each sum and the direction in which the canary moves it. Under the
declared mechanism the rest of the noisy sum along that direction is N(coin * move, scale^2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = ["Game", "GameBounds", "game_bounds", "game_p_values", "smallest_shift"]


@dataclass(frozen=True)
class Game:
    """Observations of both runs.

    Attributes:
        inside: scores where the canary was in the sample, in units of the declared noise; shape (k,).
        outside: scores where it was not, from both runs; shape (m,).
        drawn: steps of the runs whose table holds the canary (each flips its coin).
        rate: declared chance of the canary's coin.
        shift: declared largest shift of a score: 1 / noise multiplier.
    """

    inside: NDArray[np.float64]
    outside: NDArray[np.float64]
    drawn: int
    rate: float
    shift: float


@dataclass(frozen=True)
class GameBounds:
    """What holds with probability 1 - alpha, all together.

    Attributes:
        noise_low, noise, noise_high: noise drawn divided by noise declared.
        rate_low: lowest chance of being sampled.
        shift_low, shift: shift of a score in units of the noise drawn: lower bound, estimate.
    """

    noise_low: float
    noise: float
    noise_high: float
    rate_low: float
    shift_low: float
    shift: float


def game_p_values(game: Game) -> dict[str, float]:
    """One-sided p-values against the declared noise, rate and shift, keyed by what they would refute.

    ``less noise`` and ``more noise``: chi-square over the scores without the canary. ``sampled more often``
    and ``sampled less often``: exact binomial. ``larger shift``: normal, for a shift of at most the declared
    one.
    """
    total, many = float(game.outside @ game.outside), len(game.outside)
    hits = len(game.inside)
    above = float(game.inside.sum() - hits * game.shift) / math.sqrt(max(hits, 1))
    return {
        "less noise": float(stats.chi2.cdf(total, many)) if many else 1.0,
        "more noise": float(stats.chi2.sf(total, many)) if many else 1.0,
        "sampled more often": float(stats.binom.sf(hits - 1, game.drawn, game.rate)),
        "sampled less often": float(stats.binom.cdf(hits, game.drawn, game.rate)),
        "larger shift": float(stats.norm.sf(above)) if hits else 1.0,
    }


def game_bounds(game: Game, alpha: float) -> GameBounds:
    """Simultaneous bounds; ``alpha`` is shared by the four of them.

    Both kinds of scores must be there.
    """
    level, many, hits = alpha / 4.0, len(game.outside), len(game.inside)
    total = float(game.outside @ game.outside)
    low, high = (math.sqrt(total / stats.chi2.ppf(q, many)) for q in (1.0 - level, level))
    noise = math.sqrt(total / many)
    rate = float(stats.beta.ppf(level, hits, game.drawn - hits + 1)) if hits else 0.0
    mean = float(game.inside.mean())
    least = (mean - stats.norm.isf(level) * high / math.sqrt(hits)) / high
    return GameBounds(low, noise, high, rate, max(0.0, float(least)), mean / noise)


def smallest_shift(hits: int, shift: float, level: float, power: float) -> float:
    """The shift that ``larger shift`` rejects at ``level`` with probability ``power``, declared noise."""
    return shift + float(stats.norm.isf(level) + stats.norm.ppf(power)) / math.sqrt(hits)
