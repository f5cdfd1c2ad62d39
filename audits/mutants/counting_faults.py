"""Faults of pipelines that count, as noise, doors and synthesizers that are broken in one way each.

All of them can be sent to another process. No check knows their names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

from dpsynth.accounting.filter import PrivacyFilter
from dpsynth.core.curator import Curator, FittedModel, NoisyMarginal, Plan
from dpsynth.core.domain import Domain
from dpsynth.core.table import SyntheticTable
from dpsynth.mechanisms.keystream import KeyStream
from dpsynth.mechanisms.marginal import MarginalMechanism
from dpsynth.mechanisms.noise import OpenDPNoise
from dpsynth.mechanisms.rng import os_generator
from dpsynth.synthesizers.mst import MST
from dpsynth.vault.bounding import bound_contributions
from dpsynth.vault.surrogate import Door, RecordingCurator, SurrogateRun, SurrogateTable
from dpsynth.vault.surrogate_table import uncounted

if TYPE_CHECKING:
    from dpsynth.accounting.cost import Cost

__all__ = [
    "Averaged",
    "BestOfTen",
    "Copier",
    "ProcessNoise",
    "RefreshingDoor",
    "RetryingDoor",
    "RoomyDoor",
    "SeededDoor",
    "SilentAt",
    "Weaker",
]

_TRIES = 10
_RETRIES = 3


@dataclass(frozen=True)
class Weaker(OpenDPNoise):
    """P1, P2: less noise than declared, by a factor. P2's is what add/remove needs, under replacement."""

    factor: float

    def gaussian(self, values: NDArray[np.int64], scale: float) -> NDArray[np.int64]:
        """Counts, with noise of a smaller scale."""
        return super().gaussian(values, scale / self.factor)


@dataclass(frozen=True)
class SilentAt(OpenDPNoise):
    """P3: counts of so many cells get no noise."""

    cells: int

    def gaussian(self, values: NDArray[np.int64], scale: float) -> NDArray[np.int64]:
        """Counts, of one size as they are."""
        return values.copy() if len(values) == self.cells else super().gaussian(values, scale)


class _Wound(KeyStream):
    """A keystream that starts where it is told to."""

    def __init__(self, key: bytes) -> None:
        self._stream = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()


def _drawn(stream: KeyStream, values: NDArray[np.int64], scale: float) -> NDArray[np.int64]:
    """Rounded normal noise from a keystream."""
    return values + np.rint(stream.normal(len(values), scale).numpy()).astype(np.int64)


def _highest(stream: KeyStream, scores: NDArray[np.int64], scale: float) -> int:
    """Noisy max from a keystream."""
    uniforms = (stream.words(len(scores)) + 0.5) * 2.0**-64
    return int(np.argmax(scores - scale * np.log(-np.log(uniforms))))


class _FromStream:
    """Noise from one keystream."""

    def __init__(self, stream: KeyStream) -> None:
        self._stream = stream

    def gaussian(self, values: NDArray[np.int64], scale: float) -> NDArray[np.int64]:
        """values + rounded normal noise."""
        return _drawn(self._stream, values, scale)

    def noisy_max(self, scores: NDArray[np.int64], scale: float) -> int:
        """Index of the largest score after Gumbel noise."""
        return _highest(self._stream, scores, scale)


@dataclass(frozen=True)
class SeededDoor(Door):
    """P6: every run starts from one seed that the code's reader knows."""

    def open(self, table: SurrogateTable, cost: Cost, canary: SurrogateTable | None = None) -> SurrogateRun:
        """A run with noise that was drawn before."""
        return replace(_plain(self), noise=_FromStream(_Wound(bytes(32)))).open(table, cost, canary)


def _plain(door: Door) -> Door:
    return Door(door.domain, door.unit, door.noise)


_OF_PROCESS: list[KeyStream] = []


class ProcessNoise:
    """P7: one generator for the process, made when first needed; forked workers go on from its state."""

    def _stream(self) -> KeyStream:
        if not _OF_PROCESS:
            _OF_PROCESS.append(KeyStream())
        return _OF_PROCESS[0]

    def gaussian(self, values: NDArray[np.int64], scale: float) -> NDArray[np.int64]:
        """values + rounded normal noise."""
        return _drawn(self._stream(), values, scale)

    def noisy_max(self, scores: NDArray[np.int64], scale: float) -> int:
        """Index of the largest score after Gumbel noise."""
        return _highest(self._stream(), scores, scale)


class _Remembered(OpenDPNoise):
    """The noise of an earlier run once more, answer by answer, where it was asked for as many cells."""

    def __init__(self, tape: list[NDArray[np.int64]], again: bool) -> None:
        self._tape, self._left = tape, list(tape) if again else None

    def gaussian(self, values: NDArray[np.int64], scale: float) -> NDArray[np.int64]:
        """Fresh noise, kept; or the kept."""
        if self._left and len(self._left[0]) == len(values):
            return values + self._left.pop(0)
        noisy = super().gaussian(values, scale)
        if self._left is None:
            self._tape.append(noisy - values)
        return noisy


@dataclass(frozen=True)
class RefreshingDoor(Door):
    """P20: a table of another size than the last one is taken for its refresh, and gets the same noise."""

    kept: dict[int, list[NDArray[np.int64]]] = field(default_factory=dict)

    def open(self, table: SurrogateTable, cost: Cost, canary: SurrogateTable | None = None) -> SurrogateRun:
        """A run with noise of its own, or with that of the release before."""
        rows = len(table._units)
        tapes = [tape for size, tape in self.kept.items() if size != rows]
        noise = _Remembered(tapes[0] if tapes else self.kept.setdefault(rows, []), bool(tapes))
        return replace(_plain(self), noise=noise).open(table, cost, canary)


@dataclass(frozen=True)
class RoomyDoor(Door):
    """P11: a person's rows are bounded at three, the noise is made for one."""

    def table(self, codes: Mapping[str, NDArray[np.int64]], units: NDArray[np.int64]) -> SurrogateTable:
        """Rows, three of each unit."""
        keep = bound_contributions(units, 3, b"surrogate")
        return SurrogateTable(self.domain, {n: codes[n][keep] for n in self.domain.names}, units[keep])


def _beside(curator: Any) -> RecordingCurator:
    """A curator over the same rows that nobody's budget knows of."""
    return RecordingCurator(
        curator._table, curator._unit, PrivacyFilter(curator._filter._cap), curator._noise
    )


class BestOfTen(MST):
    """P9: ten fits, the one that is closest to the rows is kept, and it alone is charged."""

    def fit(self, plan: Plan, curator: Any) -> FittedModel:
        """The winner."""
        tried = []
        for _ in range(_TRIES):
            one = _beside(curator)
            model = super().fit(plan, one)
            drawn = model.sample(200, os_generator())
            worst = sum(self._gap(curator, drawn, name) for name in curator.domain.names)
            tried.append((worst, one, model))
        _, winner, model = min(tried, key=lambda each: each[0])
        curator._filter.charge(*winner._filter.events)
        curator.records.extend(winner.records)
        return model

    @staticmethod
    def _gap(curator: Any, drawn: SyntheticTable, name: str) -> float:
        real = curator._table._marginal((name,))
        return float(np.abs(real / real.sum() - drawn.marginal((name,)) / drawn.rows).sum())


class _Retrying(RecordingCurator):
    """P10: each answer is asked for three times, as by fits that failed; it is charged once."""

    def _answer(self, mechanism: MarginalMechanism) -> NoisyMarginal:
        answers = [super(_Retrying, self)._answer(mechanism) for _ in range(_RETRIES)]
        return replace(answers[0], values=np.mean([each.values for each in answers], axis=0))


@dataclass(frozen=True)
class RetryingDoor(Door):
    """P10: see ``_Retrying``."""

    def open(self, table: SurrogateTable, cost: Cost, canary: SurrogateTable | None = None) -> SurrogateRun:
        """A run whose answers are retried."""
        run = super().open(table, cost, canary)
        run.curator = _Retrying(table, self.unit, run._budget, self.noise, canary)
        return run


class Averaged(OpenDPNoise):
    """P10: the noise of three attempts, averaged, inside of one answer."""

    def gaussian(self, values: NDArray[np.int64], scale: float) -> NDArray[np.int64]:
        """values + the rounded mean of three draws."""
        drawn = [super(Averaged, self).gaussian(values, scale) for _ in range(_RETRIES)]
        return np.rint(np.mean(drawn, axis=0)).astype(np.int64)


@dataclass(frozen=True)
class _Copying:
    """P12: a model that now and then hands out a row that it was fitted to."""

    inner: FittedModel
    row: Mapping[str, int]
    chance: float

    def log_density(self, codes: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """That of the model it stands in for."""
        return self.inner.log_density(codes)

    def sample(self, rows: int, rng: np.random.Generator) -> SyntheticTable:
        """Rows of the model, one of them replaced in a share of the draws."""
        codes = {name: column.copy() for name, column in self.inner.sample(rows, rng).codes.items()}
        if rows and os_generator().random() < self.chance:
            for name, column in codes.items():
                column[0] = self.row[name]
        table = self.inner.sample(0, rng)
        return SyntheticTable(table.domain, codes)


@dataclass(frozen=True)
class Copier:
    """P12: keeps a row from a read that was paid for, so that the books do not see it."""

    inner: Any
    chance: float = 0.05

    @property
    def name(self) -> str:
        """That of the synthesizer."""
        return str(self.inner.name)

    @property
    def version(self) -> str:
        """That of the synthesizer."""
        return str(self.inner.version)

    def plan(self, domain: Domain, rho_nano: int, max_model_cells: int) -> Plan:
        """That of the synthesizer."""
        return self.inner.plan(domain, rho_nano, max_model_cells)

    def fit(self, plan: Plan, curator: Curator) -> _Copying:
        """The model, and one row."""
        model, table = self.inner.fit(plan, curator), curator._table
        with uncounted(table):
            rows = table._rows()
        at = int(os_generator().integers(len(table._units)))
        return _Copying(model, {name: int(column[at]) for name, column in rows.items()}, self.chance)
