"""Unpredictable words in bulk: AES-256 in counter mode under a fresh key of the operating system.

DP-SGD needs millions of normal draws in each training, too many for exact samplers. Their source must still
be one that nobody can wind back: a seed of 64 bits, or a generator whose state can be read off its outputs,
would undo the noise.
"""

from __future__ import annotations

import math
import secrets
from typing import Protocol

import numpy as np
import torch
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["GradientNoise", "KeyStream"]

_BLOCK = 1 << 20  # words at a time: 8 MB


class GradientNoise(Protocol):
    """What DP-SGD draws. Tests may put a fixed tape in its place; no configuration or policy can."""

    def included(self, units: int, rate: float) -> NDArray[np.bool_]:
        """An independent coin for each unit, true with probability ``rate``; shape (units,)."""

    def normal(self, count: int, scale: float) -> Tensor:
        """``count`` independent normal draws of standard deviation ``scale``, float64."""


class KeyStream:
    """Implements :class:`GradientNoise`. Each has a key of its own; it takes no seed and cannot be copied."""

    def __init__(self) -> None:
        cipher = Cipher(algorithms.AES(secrets.token_bytes(32)), modes.CTR(bytes(16)))
        self._stream = cipher.encryptor()

    def words(self, count: int) -> NDArray[np.uint64]:
        """``count`` uniform words of 64 bits."""
        return np.frombuffer(bytearray(self._stream.update(bytes(8 * count))), dtype=np.uint64)

    def included(self, units: int, rate: float) -> NDArray[np.bool_]:
        """An independent coin for each unit; ``rate`` is rounded down to a multiple of 2^-64."""
        if rate >= 1.0:
            return np.ones(units, dtype=np.bool_)
        below = np.uint64(int(rate * 2.0**64))
        coins = np.empty(units, dtype=np.bool_)
        for low in range(0, units, _BLOCK):
            high = min(low + _BLOCK, units)
            np.less(self.words(high - low), below, out=coins[low:high])
        return coins

    def normal(self, count: int, scale: float) -> Tensor:
        """Normal draws by the transform of Box and Muller (1958), in double precision.

        What lies beyond 9.3 standard deviations is cut off: less than 1e-19 of each draw. Callers round to
        single precision, so that the low bits, in which floating-point noise betrays what it was added to
        (Mironov 2012), are not kept.
        """
        half = (count + 1) // 2
        words = torch.from_numpy(self.words(2 * half).view(np.int64))
        # Without their signs small words, of which the far draws are made, keep every bit as doubles.
        whole = words.bitwise_and_(2**63 - 1).to(torch.float64)
        radius, angle = whole[:half], whole[half:]
        radius.add_(1.0).mul_(2.0**-63).log_().mul_(-2.0).sqrt_().mul_(scale)
        angle.mul_(math.pi * 2.0**-62)
        draws = torch.empty(2 * half, dtype=torch.float64)
        torch.mul(radius, torch.cos(angle), out=draws[:half])
        torch.mul(radius, torch.sin(angle), out=draws[half:])
        return draws[:count]
