"""Synthesizers that ask the curator and misbehave."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from dpsynth.synthesizers.independent import Independent


class Crashes(Independent):
    def fit(self, plan: Any, curator: Any) -> Any:
        raise RuntimeError("row 17 holds a secret")


class Leaves(Independent):
    def fit(self, plan: Any, curator: Any) -> Any:
        os._exit(3)


class Hangs(Independent):
    """Catches every ordinary exception and goes on."""

    def fit(self, plan: Any, curator: Any) -> Any:
        while True:
            try:
                time.sleep(600)
            except Exception:
                continue


class NoPlan(Independent):
    def plan(self, domain: Any, rho_nano: int, max_model_cells: int) -> Any:
        raise ZeroDivisionError


class _Spoiled:
    def __init__(self, inner: Any, how: str) -> None:
        self.inner, self.how = inner, how

    def sample(self, rows: int, rng: np.random.Generator) -> Any:
        made = self.inner.sample(rows + (self.how == "rows"), rng)
        first = made.domain.names[0]
        if self.how == "outside":
            made.codes[first] = made.codes[first] + 1000
        if self.how == "missing":
            made.codes[first] = np.full(rows, np.nan)
        return None if self.how == "nothing" else made


class Spoils(Independent):
    def __init__(self, how: str = "outside") -> None:
        self.how = how

    def fit(self, plan: Any, curator: Any) -> Any:
        return _Spoiled(super().fit(plan, curator), self.how)


class Silent(Independent):
    """Asks nothing: rows of the first code only."""

    def fit(self, plan: Any, curator: Any) -> Any:
        from dpsynth.core.table import SyntheticTable

        domain = curator.domain

        class Constant:
            def sample(self, rows: int, rng: np.random.Generator) -> SyntheticTable:
                return SyntheticTable(domain, {name: np.zeros(rows, dtype=np.int64) for name in domain.names})

        return Constant()
