"""What is audited from outside: a library, the budget that it declares, and how its fits are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dpsynth.engines.fits import Budget, Fitter
from dpsynth.engines.made import Ask, Made

__all__ = ["Declared", "Outside", "Tell"]

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Declared:
    """What the library promises of each fit.

    Attributes:
        epsilon, delta: decimal strings.
        adjacency: for one row added or removed, or one replaced.
    """

    epsilon: str
    delta: str
    adjacency: Literal["add_remove", "replace_one"] = "add_remove"

    @property
    def numbers(self) -> tuple[float, float]:
        """Epsilon and delta."""
        return float(self.epsilon), float(self.delta)


@dataclass(frozen=True)
class Outside:
    """A library seen from outside.

    Attributes:
        fitter: the library behind a process boundary.
        declared: what it promises.
        jobs: fits that are made at the same time.
        tell: hears what is being done.
    """

    fitter: Fitter
    declared: Declared
    jobs: int = 1
    tell: Tell = lambda words: None

    def fits(
        self, domain: Mapping[str, int], tables: Sequence[NDArray[np.int64]], asks: Sequence[Ask]
    ) -> list[Made]:
        """One result for each ask, in order; shared out over ``jobs`` processes."""
        budget = Budget(self.declared.epsilon, self.declared.delta)
        shares = [asks[at :: self.jobs] for at in range(self.jobs)]
        with ThreadPoolExecutor(self.jobs) as pool:
            found = list(pool.map(lambda share: self.fitter.fits(domain, tables, share, budget), shares))
        made: list[Made] = [Made(None)] * len(asks)
        for at, share in enumerate(found):
            made[at :: self.jobs] = share
        return made
