"""Singling out by equality predicates (after Anonymeter, Giomi et al., PETS 2023).

A predicate "column a is 3 and column c is 0 and ..." is read off the release. It succeeds on a set of
people when exactly one row of that set satisfies it. People who were left out are the control.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.excess import ExcessRisk, excess
from dpsynth.attacks.intervals import normal_quantile

__all__ = ["ANY", "draw_predicates", "excess_risk", "matches", "naive_predicates"]

ANY = -1
"""In a predicate: this column may hold any code."""


def _masks(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Random column subsets: size uniform in 2 .. d (1 if d is 1), then columns uniform."""
    count, width = shape
    sizes = rng.integers(min(2, width), width + 1, size=count)
    order = rng.random(shape).argsort(axis=1).argsort(axis=1)
    return order < sizes[:, None]


def draw_predicates(release: NDArray[np.int64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """``count`` predicates from random rows and columns of the release, shape (count, d); ANY = free."""
    rows = release[rng.integers(0, len(release), size=count)]
    return np.where(_masks((count, release.shape[1]), rng), rows, ANY)


def naive_predicates(sizes: Sequence[int], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """``count`` predicates with uniform codes: what can be singled out while knowing only the domain."""
    rows = rng.integers(0, np.asarray(sizes), size=(count, len(sizes)))
    return np.where(_masks((count, len(sizes)), rng), rows, ANY)


def matches(predicates: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which rows satisfy which predicate, shape (predicates, rows)."""
    answer = np.empty((len(predicates), len(rows)), dtype=np.bool_)
    for number, predicate in enumerate(predicates):
        columns = np.flatnonzero(predicate != ANY)
        answer[number] = (rows[:, columns] == predicate[columns]).all(axis=1)
    return answer


def _single(hits: NDArray[np.bool_], inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.asarray(hits[:, inside].sum(axis=1) == 1)


def _bootstrap_error(
    main: NDArray[np.bool_], control: NDArray[np.bool_], rounds: int, rng: np.random.Generator
) -> float:
    chosen = rng.integers(0, len(main), size=(rounds, len(main)))
    pairs = zip(main[chosen].mean(axis=1), control[chosen].mean(axis=1), strict=True)
    return float(np.std([excess(float(a), float(b)) for a, b in pairs]))


def _flip_error(hits: NDArray[np.bool_], side: int, rounds: int, rng: np.random.Generator) -> float:
    """Spread of the excess when coins mean nothing: predicates share rows and are not independent."""
    inside = np.zeros((hits.shape[1], rounds), dtype=np.float32)
    for number in range(rounds):
        inside[rng.permutation(hits.shape[1])[:side], number] = 1.0
    dense = hits.astype(np.float32)
    total = dense.sum(axis=1, keepdims=True)
    found = np.rint(dense @ inside)
    main, control = (found == 1).mean(axis=0), (np.rint(total - found) == 1).mean(axis=0)
    return float(np.std([excess(float(a), float(b)) for a, b in zip(main, control, strict=True)]))


def excess_risk(
    release: NDArray[np.int64],
    members: NDArray[np.int64],
    controls: NDArray[np.int64],
    sizes: Sequence[int],
    *,
    predicates: int,
    rounds: int,
    confidence: float,
    rng: np.random.Generator,
) -> ExcessRisk:
    """Singling-out risk of members above controls, with an interval.

    The interval is normal, with the larger of two standard errors: resampling predicates, and flipping
    the coins again (LeakPro PR #50: the residual-rate formula of Anonymeter understates it).

    Args:
        release: released rows, (released, d), at least one.
        members, controls: one row per unit, the same number on both sides, (side, d).
        sizes: number of codes of each column.
        predicates: predicates drawn from the release, and as many naive ones.
        rounds: rounds of each resampling.
        confidence: of the two-sided interval.
        rng: randomness of the attack.
    """
    if len(members) != len(controls):
        raise ValueError("members and controls must be equally many")
    side = len(members)
    is_member = np.arange(2 * side) < side
    hits = matches(draw_predicates(release, predicates, rng), np.concatenate([members, controls]))
    main, control = _single(hits, is_member), _single(hits, ~is_member)
    naive = matches(naive_predicates(sizes, predicates, rng), members).sum(axis=1) == 1
    flip = _flip_error(hits, side, rounds, rng)
    error = max(flip, _bootstrap_error(main, control, rounds, rng))
    rates = float(main.mean()), float(control.mean())
    found, half = excess(*rates), normal_quantile(confidence) * error
    return ExcessRisk(*rates, float(naive.mean()), found, found - half, found + half, error, flip)
