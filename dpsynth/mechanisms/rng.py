"""The only file that may touch numpy's random module. It takes no seed.

The generator made here is for post-processing (drawing synthetic rows, attack resampling, audit coins of
surrogate tables). Differentially private noise never comes from it: see :mod:`dpsynth.mechanisms.noise`.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

__all__ = ["os_generator", "os_torch_generator"]


def os_generator() -> np.random.Generator:
    """A fresh numpy generator seeded with 256 bits from the operating system."""
    return np.random.default_rng(np.random.SeedSequence(secrets.randbits(256)))


def os_torch_generator() -> torch.Generator:
    """A fresh torch generator seeded with 64 bits from the operating system; for post-processing as well."""
    import torch

    generator = torch.Generator()
    generator.manual_seed(secrets.randbits(64))
    return generator
