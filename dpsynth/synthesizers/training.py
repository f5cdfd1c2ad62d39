"""What neural synthesizers share: refusals, the words of a training, progress, and rows from a pool.

All of it follows from public facts or is post-processing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from dpsynth.accounting.training import last_order, training_sigma
from dpsynth.core.curator import Curator, Progress
from dpsynth.core.domain import Domain
from dpsynth.core.errors import PolicyRefusal
from dpsynth.core.gradient import GradientPlan
from dpsynth.core.table import SyntheticTable
from dpsynth.graphical.model import GraphicalModel
from dpsynth.graphical.stack import Rows
from dpsynth.graphical.thinning import thinned
from dpsynth.mechanisms.rng import os_generator
from dpsynth.synthesizers.budget import rho_text

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "pooled",
    "refuse_if_too_wide",
    "refuse_without_torch",
    "rows_of",
    "sampled_words",
    "teller",
    "training_for",
]

_POOL = 8
_MOST_SPARE = 300_000
"""Rows drawn beyond those that are kept, at most: of many rows, chance spoils few."""

_LEAST_TEACHING = 10_000
"""Rows of a fitted model that teach, at least."""


def refuse_without_torch() -> None:
    """Raises PolicyRefusal where the extra is not installed."""
    try:
        import torch  # noqa: F401
    except ImportError:
        raise PolicyRefusal(
            "Neural synthesizers need torch and opacus, which are not installed here",
            allowed="the other synthesizers",
            remedy="install the extra: pip install 'dpsynth-platform[gan]'",
        ) from None


def refuse_if_too_wide(name: str, domain: Domain, most: int) -> None:
    """Raises PolicyRefusal for a domain of more than ``most`` codes, all columns together."""
    if sum(domain.shape) > most:
        raise PolicyRefusal(
            f"The columns of this domain have {sum(domain.shape):,} codes in all",
            allowed=f"at most {most:,} for {name}",
            remedy="use coarser bins, or choose wide",
        )


def training_for(rate: float, clip: float, steps: int, share_nano: int, rho_nano: int) -> GradientPlan:
    """The training that ``share_nano`` of ``rho_nano`` pays for. Raises PolicyRefusal where it is nothing."""
    if share_nano < 1:
        raise PolicyRefusal("The budget is too small for a training", remedy="ask for more")
    sigma = training_sigma(rate, steps, share_nano, last_order(rho_nano))
    return GradientPlan(rate, clip, sigma, steps)


def sampled_words(training: GradientPlan, what: str, share_nano: int) -> tuple[str, ...]:
    """A training in plain words; ``what``: what is trained."""
    noise = f"{training.sigma * training.clip:.3g}"
    return (
        f"Then train {what} by {training.steps} steps of DP-SGD, for rho {rho_text(share_nano)}.",
        f"A row is in a step's sample with probability {training.rate} and adds at most {training.clip:g}.",
        f"Each weight's sum gets noise of standard deviation {noise}.",
    )


def rows_of(known: GraphicalModel, domain: Domain) -> Tensor:
    """Rows of a fitted model to learn from, int64, (rows, columns): as many as it estimates, or some.

    They lie on the graphics card where torch finds one, and what is trained on them goes there too.
    """
    import torch

    drawn = known.sample(max(round(known.total), _LEAST_TEACHING), os_generator()).codes
    codes = torch.from_numpy(np.stack([drawn[name] for name in domain.names], axis=1))
    return codes.to("cuda" if torch.cuda.is_available() else "cpu")


def teller(curator: Curator, step: str, before: int, most: int, spent: float) -> Callable[[int], None]:
    """A listener that tells every twentieth step; ``before`` of ``most`` steps came earlier."""

    def tell(done: int) -> None:
        if done % 20 == 0:
            curator.tell(Progress(step, before + done, most, spent, 0))

    return tell


def pooled(
    draw: Callable[[int], Rows], domain: Domain, rows: int, rng: np.random.Generator, times: int = _POOL
) -> SyntheticTable:
    """``rows`` (>= 0) rows: a pool is drawn and thinned to its own marginals.

    Args:
        draw: answers as many rows as it is asked for, (rows, columns).
        domain: the public domain.
        rows: how many.
        rng: source of randomness (post-processing).
        times: rows of the pool for each row kept, where few are.
    """
    pool = draw(rows + min(rows * (times - 1), _MOST_SPARE))
    kept = thinned(pool, rows, domain.shape, rng)
    codes = {name: kept[:, at].astype(np.int64) for at, name in enumerate(domain.names)}
    return SyntheticTable(domain, codes)
