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

__all__ = ["os_generator", "os_torch_generator", "rehearsed"]

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
    kept = random.getstate(), np.random.get_state(), _torch_state()
    token = _REHEARSED.set(np.random.default_rng(np.random.SeedSequence(key)))
    try:
        random.seed(_bits(64))
        np.random.seed(_bits(32))
        if "torch" in sys.modules:
            sys.modules["torch"].manual_seed(_bits(63))
        yield
    finally:
        _REHEARSED.reset(token)
        random.setstate(kept[0])
        np.random.set_state(kept[1])
        if kept[2] is not None:
            sys.modules["torch"].set_rng_state(kept[2])


def _bits(many: int) -> int:
    """Random bits: the operating system's, or a rehearsal's."""
    coins = _REHEARSED.get()
    if coins is None:
        return secrets.randbits(many)
    return int.from_bytes(coins.bytes(many // 8 + 1), "big") >> (8 - many % 8)


def _torch_state() -> torch.Tensor | None:
    """State of torch's own generator, where torch is loaded."""
    if "torch" not in sys.modules:
        return None
    state: torch.Tensor = sys.modules["torch"].get_rng_state()
    return state
