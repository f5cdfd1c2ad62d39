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
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

__all__ = ["os_generator", "os_torch_generator", "wound_back"]


def os_generator() -> np.random.Generator:
    """A fresh numpy generator seeded with 256 bits from the operating system."""
    return np.random.default_rng(np.random.SeedSequence(secrets.randbits(256)))


def os_torch_generator() -> torch.Generator:
    """A fresh torch generator seeded with 64 bits from the operating system; for post-processing as well."""
    import torch

    generator = torch.Generator()
    generator.manual_seed(secrets.randbits(64))
    return generator


@contextmanager
def wound_back() -> Iterator[None]:
    """The global generators of Python, numpy and, where it is loaded, torch, always at the same start inside.

    For audits alone: whatever differs between two runs inside of it was not drawn from these. They go on
    afterwards where they were.
    """
    torch = sys.modules.get("torch")
    python, numpy_state = random.getstate(), np.random.get_state()
    torch_state = torch.get_rng_state() if torch else None
    try:
        random.seed(0)
        np.random.seed(0)
        if torch:
            torch.default_generator.manual_seed(0)
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy_state)
        if torch and torch_state is not None:
            torch.set_rng_state(torch_state)
