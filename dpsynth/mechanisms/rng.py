"""The only file that may touch numpy's random module. It takes no seed.

The generator made here is for post-processing (drawing synthetic rows, attack resampling, audit coins of
surrogate tables). Differentially private noise never comes from it: see :mod:`dpsynth.mechanisms.noise`.
"""

from __future__ import annotations

import random
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

__all__ = ["os_generator", "os_torch_generator", "rehearsed", "wound_back"]

_REHEARSED: ContextVar[np.random.Generator | None] = ContextVar("rehearsed", default=None)


def os_generator() -> np.random.Generator:
    """A fresh numpy generator seeded with 256 bits from the operating system."""
    return np.random.default_rng(np.random.SeedSequence(_bits(256)))


def os_torch_generator() -> torch.Generator:
    """A fresh torch generator seeded with 64 bits from the operating system; for post-processing as well."""
    import torch

    generator = torch.Generator()
    generator.manual_seed(_bits(64))
    return generator


@contextmanager
def rehearsed(key: int) -> Iterator[None]:
    """Coins that fall alike each time: only for the surrogate door, which rehearses fits on made-up rows.

    Inside, the generators made here, and those that numpy, torch and Python keep for everyone, are as they
    were inside any other block of the same key. Other threads make theirs as ever. No noise comes from them.

    Args:
        key: 256 bits of the operating system, kept by nobody but the rehearsal.
    """
    token = _REHEARSED.set(np.random.default_rng(np.random.SeedSequence(key)))
    try:
        with _everyones(_bits(32)):
            yield
    finally:
        _REHEARSED.reset(token)


@contextmanager
def wound_back() -> Iterator[None]:
    """The generators that Python, numpy and torch keep for everyone, always at the same start inside.

    For audits alone: whatever differs between two runs inside of it was not drawn from these.
    """
    with _everyones(0):
        yield


@contextmanager
def _everyones(start: int) -> Iterator[None]:
    """The shared generators from ``start`` (32 bits) on; afterwards they go on where they were."""
    torch = sys.modules.get("torch")
    kept = random.getstate(), np.random.get_state(), torch.get_rng_state() if torch else None
    try:
        random.seed(start)
        np.random.seed(start)
        if torch:
            torch.manual_seed(start)
        yield
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])
        if torch and kept[2] is not None:
            torch.set_rng_state(kept[2])


def _bits(many: int) -> int:
    """Random bits: the operating system's, or a rehearsal's."""
    coins = _REHEARSED.get()
    if coins is None:
        return secrets.randbits(many)
    return int.from_bytes(coins.bytes(many // 8 + 1), "big") >> (8 - many % 8)
