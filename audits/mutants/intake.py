"""Planted faults of intake and of what surrounds the mechanisms: rows speak past the curator.

Most read rows before a run opens, where no count of reads can see it.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import numpy as np

from audits.mutants.mutant import Mutant
from dpsynth.accounting.cost import zcdp_cost
from dpsynth.accounting.statement import epsilon_at
from dpsynth.audit.pipeline import Pipeline
from dpsynth.audit.result import Claim
from dpsynth.core.domain import Column, Domain
from dpsynth.core.table import SyntheticTable
from dpsynth.core.unit import PrivacyUnit
from dpsynth.mechanisms.noise import OpenDPNoise
from dpsynth.mechanisms.rng import os_generator
from dpsynth.synthesizers.independent import Independent
from dpsynth.vault.surrogate import Door
from dpsynth.vault.surrogate_table import SurrogateTable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dpsynth.core.curator import Curator, FittedModel, Plan

__all__ = ["DOMAIN", "MUTANTS", "correct"]

_RHO, _DELTA = 50_000_000, "1e-6"
_COLOURS = ("red", "green", "blue", "amber", "violet", "not stated")

DOMAIN = Domain(
    (
        Column("colour", "categorical", values=_COLOURS),
        Column("kind", "categorical", values=tuple(f"k{at}" for at in range(12))),
        Column("age", "integer", edges=("0", "18", "30", "45", "65", "110"), has_missing=True),
        Column("income", "real", edges=("0", "0.5", "1.25", "8", "100"), decimals=2),
    )
)
_UNIT = PrivacyUnit("person", "person", 3, "add_remove")

_Texts = Mapping[str, Sequence[str]]
_Ids = Sequence[str]


def correct() -> Pipeline:
    """The pipeline that the faults are planted in."""
    return _with(Door(DOMAIN, _UNIT, OpenDPNoise()))


def _with(door: Door, synthesizer: Any = None) -> Pipeline:
    claim = Claim(_RHO, epsilon_at(zcdp_cost(_RHO), _DELTA), _DELTA)
    return Pipeline(synthesizer or Independent(), door, claim, 10**6)


def _numbers(texts: Sequence[str]) -> list[float]:
    found = []
    for text in texts:
        try:
            value = float(Decimal(text))
        except (InvalidOperation, ValueError, OverflowError):
            continue
        if np.isfinite(value):
            found.append(value)
    return found


@dataclass(frozen=True)
class _DomainByRows(Door):
    """A door whose tables have a domain that was made from their texts."""

    def intake(self, texts: _Texts, ids: _Ids, labels: NDArray[np.int64]) -> SurrogateTable:
        """Over the domain of these texts."""
        columns = tuple(self._column(column, texts[column.name]) for column in self.domain.columns)
        return Door.intake(replace(self, domain=replace(self.domain, columns=columns)), texts, ids, labels)

    def _column(self, column: Column, texts: Sequence[str]) -> Column:
        raise NotImplementedError


class CategoriesByRows(_DomainByRows):
    """P4: whatever category is seen is one."""

    def _column(self, column: Column, texts: Sequence[str]) -> Column:
        if column.kind != "categorical":
            return column
        return replace(
            column, values=tuple(dict.fromkeys((*column.values, *sorted({t.strip() for t in texts} - {""}))))
        )


class SeenCategories(_DomainByRows):
    """P4: listed categories that nobody has are left out."""

    def _column(self, column: Column, texts: Sequence[str]) -> Column:
        seen = set(texts) | {column.values[-1] if column.values else ""}
        return replace(column, values=tuple(value for value in column.values if value in seen))


class BoundsByRows(_DomainByRows):
    """P5: the lowest and the highest number that is seen are the bounds."""

    def _column(self, column: Column, texts: Sequence[str]) -> Column:
        numbers = _numbers(texts)
        if not column.edges or not numbers:
            return column
        inner = [edge for edge in column.edges[1:-1] if min(numbers) < float(edge) < max(numbers)]
        return replace(column, edges=(repr(min(numbers)), *inner, repr(max(numbers) + 1.0)))


class QuantileEdges(_DomainByRows):
    """P5: bins with as many rows each."""

    def _column(self, column: Column, texts: Sequence[str]) -> Column:
        numbers = _numbers(texts)
        if not column.edges or not numbers:
            return column
        cuts = np.unique(np.quantile(numbers, [0.25, 0.5, 0.75, 1.0]))
        edges = [column.edges[0], *(repr(float(cut)) for cut in cuts if cut > float(column.edges[0]))]
        return replace(column, edges=tuple(edges) if len(edges) > 1 else column.edges)


class ScaledByRows(_DomainByRows):
    """P16: numbers are scaled by mean and standard deviation of the rows."""

    def _column(self, column: Column, texts: Sequence[str]) -> Column:
        numbers = _numbers(texts)
        if not column.edges or not numbers:
            return column
        mean, deviation = float(np.mean(numbers)), float(np.std(numbers)) + 1.0
        return replace(column, edges=tuple(repr(mean + at * deviation) for at in range(-3, 4)))


class ImputedByMode(Door):
    """P16: an empty text becomes what most rows hold."""

    def intake(self, texts: _Texts, ids: _Ids, labels: NDArray[np.int64]) -> SurrogateTable:
        """With empty texts filled in."""
        filled = {}
        for name, column in texts.items():
            mode = Counter(text for text in column if text).most_common(1)[0][0]
            filled[name] = [text or mode for text in column]
        return super().intake(filled, ids, labels)


class MalformedEscapeBound(Door):
    """P17: rows that cannot be read as the column's kind are put aside, and come back past the bound."""

    def intake(self, texts: _Texts, ids: _Ids, labels: NDArray[np.int64]) -> SurrogateTable:
        """Each malformed row under an id of its own."""
        odd = [text.strip().lower() in ("nan", "inf", "-inf", "") for text in texts["age"]]
        own = [f"{unit} {at}" if out else unit for at, (unit, out) in enumerate(zip(ids, odd, strict=True))]
        return super().intake(texts, own, labels)


class NanIsAnotherCode(Door):
    """P17: NaN is given the code after the last."""

    def intake(self, texts: _Texts, ids: _Ids, labels: NDArray[np.int64]) -> SurrogateTable:
        """Production's table, with codes out of the domain where a number was NaN."""
        table = super().intake(texts, ids, labels)
        named = {label for label, text in zip(labels.tolist(), texts["income"], strict=True) if text == "NaN"}
        codes = {name: column.copy() for name, column in table._rows().items()}
        codes["income"][np.isin(table._units, list(named))] = self.domain["income"].size
        return SurrogateTable(self.domain, codes, table._units)


class UnlistedIsAnotherCode(_DomainByRows):
    """P17: a category that is not listed is given a code of its own."""

    def _column(self, column: Column, texts: Sequence[str]) -> Column:
        unlisted = any(text and text not in column.values for text in texts)
        return replace(column, values=(*column.values, "unlisted")) if column.values and unlisted else column


class FailsOnRare(Door):
    """P19: a record that is rare makes intake fail."""

    def intake(self, texts: _Texts, ids: _Ids, labels: NDArray[np.int64]) -> SurrogateTable:
        """Numbers are read as numbers."""
        for text in texts["income"]:
            if text and "nan" not in text.lower() and float(text) > 1e300:
                raise OverflowError("an income is too large")
        return super().intake(texts, ids, labels)


class WarnsOfRare(Door):
    """P19: a warning tells of a value that is not listed."""

    def intake(self, texts: _Texts, ids: _Ids, labels: NDArray[np.int64]) -> SurrogateTable:
        """Production's table, and a warning."""
        unlisted = set(texts["colour"]) - set(_COLOURS)
        if unlisted:
            warnings.warn(f"{len(unlisted)} colours are not listed", UserWarning, stacklevel=2)
        return super().intake(texts, ids, labels)


@dataclass(frozen=True)
class _Wrapped:
    """A synthesizer that looks at the rows behind its curator.

    Attributes:
        name, version: of a correct one.
    """

    name: str = "independent"
    version: str = Independent().version

    def plan(self, domain: Domain, rho_nano: int, max_model_cells: int) -> Plan:
        """That of the correct one."""
        return Independent().plan(domain, rho_nano, max_model_cells)

    def fit(self, plan: Plan, curator: Curator) -> FittedModel:
        """The correct model, then the fault."""
        table: Any = curator._table  # type: ignore[attr-defined]
        return self._spoilt(Independent().fit(plan, curator), table)

    def _spoilt(self, model: FittedModel, table: Any) -> FittedModel:
        raise NotImplementedError


@dataclass(frozen=True)
class _Model:
    """A model that knows more than it should.

    Attributes:
        model: a correct one.
        known: a number that was read off the rows.
        draw: makes rows from model, number and how many are asked for.
    """

    model: FittedModel
    known: int
    draw: Callable[[FittedModel, int, int, np.random.Generator], SyntheticTable]

    def sample(self, rows: int, rng: np.random.Generator) -> SyntheticTable:
        """Rows, by the rule of the fault."""
        return self.draw(self.model, self.known, rows, rng)


def _as_many(model: FittedModel, known: int, rows: int, rng: np.random.Generator) -> SyntheticTable:
    return model.sample(known, rng)


def _as_asked(model: FittedModel, known: int, rows: int, rng: np.random.Generator) -> SyntheticTable:
    return model.sample(rows, rng)


def _filled(model: FittedModel, known: int, rows: int, rng: np.random.Generator) -> SyntheticTable:
    drawn = model.sample(rows, rng)
    missing = DOMAIN["age"].size - 1
    ages = np.where(drawn.codes["age"] == missing, known, drawn.codes["age"])
    return SyntheticTable(drawn.domain, {**drawn.codes, "age": ages})


class CountIsSize(_Wrapped):
    """P8: as many rows are released as there are."""

    def _spoilt(self, model: FittedModel, table: Any) -> FittedModel:
        return _Model(model, len(table._units), _as_many)


class CountInModel(_Wrapped):
    """P8: the model states how many rows it was fitted on."""

    def _spoilt(self, model: FittedModel, table: Any) -> FittedModel:
        return _Model(model, len(table._units), _as_asked)


class CountInLog(_Wrapped):
    """P8: a log line states how many rows there are."""

    def _spoilt(self, model: FittedModel, table: Any) -> FittedModel:
        logging.getLogger("fit").info("fitted on %d rows", len(table._units))
        return model


class ReleaseFilledByMode(_Wrapped):
    """P16: missing ages of the release become the commonest age of the real rows."""

    def _spoilt(self, model: FittedModel, table: Any) -> FittedModel:
        counts = np.bincount(table._rows()["age"], minlength=DOMAIN["age"].size)
        return _Model(model, int(counts[:-1].argmax()), _filled)


class TellsOfRare(_Wrapped):
    """P19: a line is printed when somebody has all the last codes."""

    def _spoilt(self, model: FittedModel, table: Any) -> FittedModel:
        last = [column == DOMAIN[name].size - 1 for name, column in table._rows().items()]
        if bool(np.logical_and.reduce(last).any()):
            sys.stdout.write("a rare record was met\n")
        return model


class AsksByRows(_Wrapped):
    """P15: how much is asked of the curator depends on the rows."""

    def fit(self, plan: Plan, curator: Curator) -> FittedModel:
        """Counts once more where many rows are alike."""
        table: Any = curator._table  # type: ignore[attr-defined]
        half = replace(plan, rho_nano=plan.rho_nano // 2)
        model = Independent().fit(half, curator)
        if np.bincount(table._rows()["kind"]).max() > len(table._units) * 0.9:
            curator.count(1000.0)
        return model


class _FloatNoise(OpenDPNoise):
    """Noise of floating-point arithmetic; choices are those of production."""

    def gaussian(self, values: NDArray[np.int64], scale: float) -> Any:
        """Values and noise, added as floating-point numbers."""
        return self._rounded(values + self._drawn(len(values), scale))

    def _drawn(self, count: int, scale: float) -> Any:
        return os_generator().normal(0.0, scale, count)

    def _rounded(self, sums: Any) -> Any:
        return sums


class FloatGaussian(_FloatNoise):
    """P18: a naive normal draw, added and released as it is."""


class RoundedGaussian(_FloatNoise):
    """P18: a naive normal draw, rounded to integers."""

    def _rounded(self, sums: Any) -> Any:
        return np.rint(sums).astype(np.int64)


class RoundedLaplace(RoundedGaussian):
    """P18: a naive Laplace draw of the same standard deviation, rounded to integers."""

    def _drawn(self, count: int, scale: float) -> Any:
        return os_generator().laplace(0.0, scale / np.sqrt(2.0), count)


class SingleGaussian(RoundedGaussian):
    """P18: a normal draw of single precision: large ones skip integers."""

    def _drawn(self, count: int, scale: float) -> Any:
        return os_generator().normal(0.0, scale, count).astype(np.float32).astype(np.float64)


@dataclass(frozen=True)
class _At:
    """Makes a pipeline with one fault: of the door, the synthesizer or the noise."""

    door: type[Door] = Door
    synthesizer: type[_Wrapped] | None = None
    noise: type[OpenDPNoise] = OpenDPNoise

    def __call__(self) -> Pipeline:
        """The broken pipeline."""
        door = self.door(DOMAIN, _UNIT, self.noise())
        return _with(door, None if self.synthesizer is None else self.synthesizer())


_S2, _S3, _S6 = ("S2",), ("S3",), ("S6",)

MUTANTS: tuple[Mutant, ...] = (
    Mutant("P4", "categories taken from the rows", "quick", _S2, _At(CategoriesByRows)),
    Mutant("P4", "categories that nobody has left out", "quick", _S2, _At(SeenCategories)),
    Mutant("P5", "lowest and highest number of the rows as bounds", "quick", _S2, _At(BoundsByRows)),
    Mutant("P5", "quantiles of the rows as bin edges", "quick", _S2, _At(QuantileEdges)),
    Mutant("P8", "exact number of rows as size of the release", "quick", ("S0",), _At(Door, CountIsSize)),
    Mutant("P8", "exact number of rows in the model", "quick", _S2, _At(Door, CountInModel)),
    Mutant("P8", "exact number of rows in a log line", "quick", _S2, _At(Door, CountInLog)),
    Mutant("P15", "what is asked depends on the rows", "quick", _S2, _At(Door, AsksByRows)),
    Mutant("P16", "numbers scaled by mean and deviation of the rows", "quick", _S2, _At(ScaledByRows)),
    Mutant("P16", "empty texts filled by the commonest", "quick", _S2, _At(ImputedByMode)),
    Mutant("P16", "release filled by the rows' commonest", "quick", _S2, _At(Door, ReleaseFilledByMode)),
    Mutant("P17", "malformed rows escape the bound", "quick", _S3, _At(MalformedEscapeBound)),
    Mutant("P17", "NaN is a code of its own", "quick", _S2, _At(NanIsAnotherCode)),
    Mutant("P17", "an unlisted category is a code of its own", "quick", _S2, _At(UnlistedIsAnotherCode)),
    Mutant("P18", "float normal noise", "quick", _S6, _At(noise=FloatGaussian)),
    Mutant("P18", "float normal noise, rounded", "quick", _S6, _At(noise=RoundedGaussian)),
    Mutant("P18", "float Laplace noise, rounded", "quick", _S6, _At(noise=RoundedLaplace)),
    Mutant("P18", "normal noise of single precision", "quick", _S6, _At(noise=SingleGaussian)),
    Mutant("P19", "intake fails on a rare record", "quick", _S2, _At(FailsOnRare)),
    Mutant("P19", "a warning tells of a rare record", "quick", _S2, _At(WarnsOfRare)),
    Mutant("P19", "a line is printed for a rare record", "quick", _S2, _At(Door, TellsOfRare)),
)
"""Each fault once; the tests that owe it a flag."""
