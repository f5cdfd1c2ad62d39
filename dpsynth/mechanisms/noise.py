"""The noise source: OpenDP's exact samplers, which draw from the operating system's entropy."""

from __future__ import annotations

from functools import lru_cache
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Noise", "OpenDPNoise"]


class Noise(Protocol):
    """What a mechanism needs of a noise source. Tests may put a fixed tape in its place; no
    configuration, command or policy can."""

    def gaussian(self, values: NDArray[np.int64], scale: float) -> NDArray[np.int64]:
        """values + discrete Gaussian noise of parameter ``scale`` in each cell, same shape."""

    def noisy_max(self, scores: NDArray[np.int64], scale: float) -> int:
        """Index of the largest score after Gumbel noise of parameter ``scale``."""


@lru_cache(maxsize=1)
def _opendp() -> Any:
    # Late, for the native library; not their prelude, which loads what only their other parts need.
    from opendp import domains, measurements, measures, metrics
    from opendp.mod import enable_features

    enable_features("contrib")
    return SimpleNamespace(**{**vars(domains), **vars(metrics), **vars(measures), **vars(measurements)})


class OpenDPNoise:
    """Exact samplers of the OpenDP library (Canonne, Kamath, Steinke 2020; McSherry and Talwar 2007).

    The measurement's own privacy map is compared with the declared cost before a draw, so a mechanism
    and its event cannot disagree about the scale.
    """

    def gaussian(self, values: NDArray[np.int64], scale: float) -> NDArray[np.int64]:
        """values + discrete Gaussian noise of parameter ``scale``."""
        dp = _opendp()
        space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l2_distance(T="f64")
        measurement = dp.make_gaussian(*space, scale=scale)
        self._agree(measurement.map(1.0), 0.5 / scale**2)
        return np.asarray(measurement(values.tolist()), dtype=np.int64)

    def noisy_max(self, scores: NDArray[np.int64], scale: float) -> int:
        """Index of the largest score after Gumbel noise of parameter ``scale``."""
        dp = _opendp()
        space = dp.vector_domain(dp.atom_domain(T="i64")), dp.linf_distance(T="i64")
        measurement = dp.make_noisy_max(*space, dp.zero_concentrated_divergence(), scale)
        self._agree(measurement.map(1), 0.5 / scale**2)
        return int(measurement(scores.tolist()))

    @staticmethod
    def _agree(theirs: float, ours: float) -> None:
        if not theirs <= ours * (1 + 1e-9):
            raise RuntimeError("the sampler's privacy map exceeds the declared cost")
