"""The two players: a generator of logits from noise, and a critic of one-hot rows."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from dpsynth.neural.encoding import Encoding

__all__ = ["Generator", "critic"]


class Generator(nn.Module):
    """Noise to logits for every code. Given the noise, columns are independent: a mixture without end.

    Two hidden layers with a bridge, layer normalisation, and one-way marginals as the first guess.
    """

    def __init__(self, encoding: Encoding, noise: int, hidden: int, one_way: Tensor) -> None:
        """One_way: probabilities of each code, shape (width,)."""
        super().__init__()
        self.noise = noise
        self.first, self.second = nn.Linear(noise, hidden), nn.Linear(hidden, hidden)
        self.last = nn.Linear(hidden, encoding.width)
        self.norms = nn.ModuleList([nn.LayerNorm(hidden), nn.LayerNorm(hidden)])
        with torch.no_grad():
            self.last.weight.mul_(0.5)
            self.last.bias.copy_(one_way.clamp(min=1e-5).log())

    def forward(self, noise: Tensor) -> Tensor:
        """Logits (rows, width) from noise (rows, noise)."""
        hidden = functional.silu(self.norms[0](self.first(noise.to(self.first.weight.device))))
        hidden = hidden + functional.silu(self.norms[1](self.second(hidden)))
        logits: Tensor = self.last(hidden)
        return logits


def critic(width: int, hidden: int) -> nn.Sequential:
    """One number for each row, above 0 where it takes the row for a real one; no example sees another."""
    return nn.Sequential(
        nn.Linear(width, hidden),
        nn.LeakyReLU(0.2),
        nn.Linear(hidden, hidden),
        nn.LeakyReLU(0.2),
        nn.Linear(hidden, 1),
        nn.Flatten(0),
    )
