"""Rows of codes as one-hot vectors over the public domain, and back."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["Encoding"]

_TEMPERATURE = 0.7


@dataclass(frozen=True)
class Encoding:
    """Columns side by side, one place for each code.

    Attributes:
        sizes: number of codes of each column.
    """

    sizes: tuple[int, ...]

    @property
    def width(self) -> int:
        """Places in all."""
        return sum(self.sizes)

    @property
    def places(self) -> list[slice]:
        """The places of each column."""
        ends = list(accumulate(self.sizes))
        return [slice(end - size, end) for end, size in zip(ends, self.sizes, strict=True)]

    def one_hot(self, codes: Tensor) -> Tensor:
        """Codes (rows, columns), int64, as ones in (rows, width)."""
        first = torch.tensor([place.start for place in self.places], device=codes.device)
        shown = torch.zeros(len(codes), self.width, device=codes.device)
        return shown.scatter_(1, codes + first, 1.0)

    def shares(self, codes: Tensor) -> Tensor:
        """Share of rows with each code, shape (width,); codes: (rows >= 1, columns)."""
        counts = [torch.bincount(codes[:, at], minlength=size) for at, size in enumerate(self.sizes)]
        return torch.cat(counts) / len(codes)

    def probabilities(self, logits: Tensor) -> Tensor:
        """A distribution over each column's codes, each row by itself; shape (rows, width)."""
        return torch.cat([logits[:, place].softmax(1) for place in self.places], dim=1)

    def drawn(self, logits: Tensor, generator: torch.Generator) -> Tensor:
        """One-hot rows drawn from the logits, through which gradients flow as through softened ones.

        Straight-through Gumbel-softmax (Jang, Gu, Poole 2017; Maddison, Mnih, Teh 2017).
        """
        uniform = torch.rand(logits.shape, generator=generator).to(logits.device)
        noisy = logits - torch.log(-torch.log(uniform.clamp(1e-9, 1.0 - 1e-7)))
        parts = []
        for place, size in zip(self.places, self.sizes, strict=True):
            soft = (noisy[:, place] / _TEMPERATURE).softmax(1)
            hard = functional.one_hot(noisy[:, place].argmax(1), size).to(soft.dtype)
            parts.append(hard - soft.detach() + soft)
        return torch.cat(parts, dim=1)

    def codes(self, probabilities: Tensor, uniforms: Tensor) -> Tensor:
        """Codes drawn independently for each column, by inversion; both (rows, columns).

        Args:
            probabilities: (rows, width).
            uniforms: numbers in [0, 1), (rows, columns).
        """
        found = []
        for column, (place, size) in enumerate(zip(self.places, self.sizes, strict=True)):
            below = probabilities[:, place].double().cumsum(1)
            wanted = uniforms[:, column : column + 1] * below[:, -1:]
            found.append((below <= wanted).sum(1).clamp(max=size - 1))
        return torch.stack(found, dim=1)
