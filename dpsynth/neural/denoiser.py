"""A denoiser of rows: it sees some of a row's columns and says what the others are.

Absorbing-state discrete diffusion (Austin et al. 2021, section 3) over columns: noise hides columns one after
another, and what is learned is to bring them back. Time shows in how many columns are hidden, so the network
is not told it (Hoogeboom et al. 2022, section 3, where the bound on the likelihood is derived as well).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from dpsynth.neural.encoding import Encoding

__all__ = ["Denoiser", "Masks", "drawn_rows", "hidden_loss"]

_PRIME = 1_048_573
"""Larger than any code; products and sums of whole numbers below it stay exact in double precision."""

_AT_ONCE = 2_000
"""Rows that are drawn in one order of their columns."""


class Denoiser(nn.Module):
    """One-hot rows with gaps to logits for every code; each row by itself.

    Two hidden layers with a bridge and layer normalisation; one-way marginals are the first guess. Hidden
    columns are all zeros.
    """

    def __init__(self, encoding: Encoding, hidden: int, one_way: Tensor) -> None:
        """One_way: probabilities of each code, shape (width,)."""
        super().__init__()
        self.encoding = encoding
        self.first, self.second = nn.Linear(encoding.width, hidden), nn.Linear(hidden, hidden)
        self.last = nn.Linear(hidden, encoding.width)
        self.norms = nn.ModuleList([nn.LayerNorm(hidden), nn.LayerNorm(hidden)])
        with torch.no_grad():
            self.last.weight.mul_(0.5)
            self.last.bias.copy_(one_way.clamp(min=1e-5).log())

    def forward(self, shown: Tensor) -> Tensor:
        """Logits (..., width) from one-hot rows with gaps, same shape."""
        logits: Tensor = self.last(self.features(self.first(shown)))
        return logits

    def features(self, entered: Tensor) -> Tensor:
        """What the last layer reads, from what the first one answers; both (..., hidden)."""
        hidden = functional.silu(self.norms[0](entered))
        return hidden + functional.silu(self.norms[1](self.second(hidden)))


@dataclass(frozen=True)
class Masks:
    """Which columns of a row are hidden: a function of the row, and another one for each step.

    Masks drawn as a loss is computed would make it answer otherwise each time it is asked. So a row's masks
    come from a random linear hash of its codes (Carter and Wegman 1979): who audits a step can ask again, and
    what a row adds to it does not depend on the rows beside it.

    Attributes:
        factors: whole numbers as float64, (columns, shown x (columns + 1)).
        offsets: likewise, (shown x (columns + 1),).
        shown: how often each row is shown, every time with other columns hidden.
    """

    factors: Tensor
    offsets: Tensor
    shown: int

    @staticmethod
    def drawn(columns: int, shown: int, generator: torch.Generator) -> Masks:
        """Fresh masks for rows of so many columns."""
        wide = shown * (columns + 1)
        factors = torch.randint(_PRIME, (columns, wide), generator=generator)
        offsets = torch.randint(_PRIME, (wide,), generator=generator)
        return Masks(factors.double(), offsets.double(), shown)

    def hidden(self, codes: Tensor, salt: Tensor | None = None) -> Tensor:
        """True where a column is hidden, (examples, shown, columns); one of them at least, and all at most.

        The hidden shares of one row are spread evenly over its showings. With ``salt``, whole numbers below a
        million, (examples, 1), equal rows have masks of their own.
        """
        many, columns = codes.shape
        salted = 1.0 if salt is None else 1.0 + salt.double().to(codes.device)
        hashed = codes.double() @ self.factors.to(codes.device) + salted * self.offsets.to(codes.device)
        uniform = (hashed.remainder(_PRIME) / _PRIME).view(many, self.shown, columns + 1)
        place = torch.arange(self.shown, device=codes.device)
        spread = (place + uniform[:, :1, columns]) / self.shown
        count = (spread * columns).long().clamp(max=columns - 1) + 1
        ranks = uniform[..., :columns].argsort(2).argsort(2)
        return ranks < count[:, :, None]


def hidden_loss(denoiser: Denoiser, codes: Tensor, masks: Masks, salt: Tensor | None = None) -> Tensor:
    """Mean surprise at hidden columns, nats, shape (examples,): the likelihood bound divided by the columns.

    Each example is shown with all of its masks (Dockhorn et al. 2023, section 3.2: one gradient each).

    Args:
        denoiser: the model.
        codes: int64, (examples, columns).
        masks: which columns it does not see.
        salt: see :meth:`Masks.hidden`.
    """
    encoding, away = denoiser.encoding, masks.hidden(codes, salt)
    one_hot = encoding.one_hot(codes)[:, None, :]
    owner = torch.repeat_interleave(torch.tensor(encoding.sizes, device=codes.device))
    logits = denoiser(one_hot * ~away[:, :, owner])
    right = logits * one_hot
    surprise = [logits[..., p].logsumexp(2) - right[..., p].sum(2) for p in encoding.places]
    return ((torch.stack(surprise, 2) * away).sum(2) / away.sum(2)).mean(1)


@torch.no_grad()
def drawn_rows(denoiser: Denoiser, rows: int, rng: np.random.Generator) -> NDArray[np.int32]:
    """``rows`` (>= 0) rows of codes, (rows, columns): columns come back one by one, in random order."""
    found = np.empty((rows, len(denoiser.encoding.sizes)), dtype=np.int32)
    by_code = denoiser.first.weight.detach().T.contiguous()
    for low in range(0, rows, _AT_ONCE):
        part = found[low : low + _AT_ONCE]
        entered = denoiser.first.bias.detach().repeat(len(part), 1)
        for column in rng.permutation(part.shape[1]):
            place = denoiser.encoding.places[column]
            last = denoiser.last.weight[place], denoiser.last.bias[place]
            below = functional.linear(denoiser.features(entered), *last).double().softmax(1).cumsum(1)
            wanted = torch.from_numpy(rng.random((len(part), 1))) * below[:, -1:]
            codes = (below <= wanted).sum(1).clamp(max=below.shape[1] - 1)
            part[:, column] = codes.numpy()
            entered += by_code[place.start + codes]
    return found
