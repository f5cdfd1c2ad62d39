"""S4 in pictures: for each block the measured noise with its interval, and a few quantiles of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from dpsynth.audit.door import SurrogateRun

__all__ = ["Block", "block_details", "training_blocks"]

_MOST = 12
_SHARES = np.array([0.005, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.995])


@dataclass(frozen=True)
class Block:
    """Noise of one block over all fits.

    Attributes:
        name: the clique, or the training.
        cells: noisy numbers.
        ratio: measured standard deviation divided by the declared one.
        degrees: degrees of freedom of the sum of squares.
        uniforms: probability transforms of the residuals, shape (numbers,); of a training a sample of them.
    """

    name: str
    cells: int
    ratio: float
    degrees: float
    uniforms: NDArray[np.float64]


def training_blocks(runs: Sequence[SurrogateRun]) -> list[Block]:
    """One block for each training of each run that made a step."""
    found = [(at, t) for at, run in enumerate(runs, 1) for t in run.trainings if t.steps and t.sizes.sum()]
    return [
        Block(
            f"training of fit {at}",
            cells := int(t.sizes.sum()),
            float(np.sqrt(t.squares.sum() / (cells * t.scale**2))),
            float(cells),
            special.ndtr(np.concatenate(list(t.residuals)) / t.scale),
        )
        for at, t in found
    ]


def block_details(blocks: Sequence[Block], confidence: float) -> dict[str, Any]:
    """JSON of at most twelve blocks, those whose noise is furthest from the declared first.

    Args:
        blocks: every block that was tested.
        confidence: of each block's own interval, two-sided; not corrected for the number of blocks.

    Returns:
        ``blocks`` with name, cells, ratio, low, high and the drawn normal scores at ``probabilities``; and
        how many blocks were left out of the picture. Surrogate rows only: class A.
    """
    ordered = sorted(blocks, key=lambda one: -abs(np.log(max(one.ratio, 1e-300))) * np.sqrt(one.degrees))
    return {
        "probabilities": _SHARES.tolist(),
        "blocks": [_as_json(one, confidence) for one in ordered[:_MOST]],
        "blocks_left_out": max(0, len(blocks) - _MOST),
    }


def _as_json(block: Block, confidence: float) -> dict[str, Any]:
    tail = (1.0 - confidence) / 2.0
    low, high = (
        float(block.ratio * np.sqrt(block.degrees / stats.chi2.ppf(q, block.degrees)))
        for q in (1.0 - tail, tail)
    )
    scores = special.ndtri(np.clip(np.quantile(block.uniforms, _SHARES), 1e-12, 1 - 1e-12))
    return {
        "block": block.name,
        "cells": block.cells,
        "ratio": block.ratio,
        "low": low,
        "high": high,
        "scores": [round(float(score), 4) for score in scores],
    }
