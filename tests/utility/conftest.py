"""A small public domain and rows in which the last column follows from the others, more or less."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from dpsynth.core.domain import Column, Domain

Rows = Callable[..., NDArray[np.int64]]


@pytest.fixture(scope="session")
def domain() -> Domain:
    """Four columns, one of them a number with a missing code."""
    return Domain(
        (
            Column("region", "categorical", ("north", "east", "south")),
            Column("age", "integer", edges=("0", "20", "40", "60", "80"), has_missing=True),
            Column("plan", "categorical", ("a", "b")),
            Column("ill", "categorical", ("no", "yes")),
        )
    )


@pytest.fixture(scope="session")
def rows() -> Rows:
    """``rows(n, seed, tie)``: ``tie`` from 0 (columns are independent) to 1 (illness follows from age)."""

    def made(many: int, seed: int = 5, tie: float = 0.9) -> NDArray[np.int64]:
        rng = np.random.default_rng(seed)
        age = rng.integers(0, 5, many)
        tied = rng.random(many) < tie
        ill = np.where(tied, (age >= 2).astype(np.int64), rng.integers(0, 2, many))
        return np.column_stack([rng.integers(0, 3, many), age, rng.integers(0, 2, many), ill])

    return made
