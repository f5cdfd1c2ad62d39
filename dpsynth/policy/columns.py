"""Column specifications: what is kept, and the public domain in which it is counted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from dpsynth.core.domain import Column, WithinBin
from dpsynth.policy.fields import Bound, Broken, Category, ColumnName, Part, Text
from dpsynth.policy.places import Problem, quote
from dpsynth.policy.scalars import BOUND, exact, folded

__all__ = ["MAX_CATEGORIES", "ColumnSpec"]

MAX_CATEGORIES = 100_000

_DOMAIN_KEYS = ("domain", "bounds", "bins", "decimals", "domain_source", "out_of_domain", "missing")


class ColumnSpec(Part):
    """One column of the source.

    Attributes:
        name: header of the column in the source.
        role: what the column says about a person.
        type: ``string`` is free text and can only be dropped.
        action: ``keep`` or ``drop``.
        domain: the categories, in public order (categorical).
        bounds: lowest and highest value counted, exact decimals (numeric).
        bins: bin edges, exact decimals, from the first bound to the last (numeric).
        decimals: digits after the point of a released value (real), 0 to 9.
        domain_source: the public knowledge that the domain comes from.
        out_of_domain: where other values go: a listed value (categorical) or ``clamp`` (numeric).
        missing: where missing values go: a listed value, or for numbers a value within the bounds or
            ``category``, a code of its own.
        within_bin: where in its bin a released number lies: ``uniform`` (anywhere), ``left`` (its first
            number), ``midpoint``, or ``log_uniform`` (small numbers more often; positive bins only).
    """

    silent: ClassVar[tuple[str, ...]] = ("within_bin",)

    name: ColumnName
    role: Literal["identifier", "quasi_identifier", "sensitive", "other"]
    type: Literal["string", "categorical", "integer", "real"]
    action: Literal["keep", "drop"] = "keep"
    domain: Annotated[tuple[Category, ...], Field(max_length=MAX_CATEGORIES)] = ()
    bounds: Annotated[tuple[Bound, ...], Field(max_length=2)] = ()
    bins: Annotated[tuple[Bound, ...], Field(max_length=MAX_CATEGORIES + 1)] = ()
    decimals: Annotated[int, Field(ge=0, le=9)] | None = None
    domain_source: Text | None = None
    out_of_domain: str | None = None
    missing: str | None = None
    within_bin: WithinBin = "uniform"

    @model_validator(mode="after")
    def _rules(self) -> ColumnSpec:
        problems = tuple(_problems(self))
        if problems:
            raise Broken(*problems)
        return self

    @property
    def kept(self) -> bool:
        """True if the column is part of the synthetic table."""
        return self.action == "keep"

    def column(self) -> Column:
        """The core column. Call it for kept columns only."""
        if self.type == "categorical":
            return Column(self.name, "categorical", values=self.domain)
        return Column(
            self.name,
            "integer" if self.type == "integer" else "real",
            edges=self.bins,
            decimals=self.decimals or 0,
            has_missing=self.missing == "category",
            within_bin=self.within_bin,
        )


def _problems(spec: ColumnSpec) -> Iterator[Problem]:
    if "within_bin" in spec.model_fields_set and not (spec.kept and spec.type in ("integer", "real")):
        yield Problem(("within_bin",), "belongs to a kept numeric column", "delete it, or change the type")
    if spec.kept and spec.role == "identifier":
        yield Problem(("action",), "an identifier cannot be kept", "write action: drop")
    elif spec.kept and spec.type == "string":
        remedy = "write action: drop, or declare it categorical with a domain"
        yield Problem(("action",), "free text cannot be kept", remedy)
    elif spec.kept:
        yield from _kept(spec)
        yield from _categorical(spec) if spec.type == "categorical" else _numeric(spec)
    else:
        for key in _DOMAIN_KEYS:
            if getattr(spec, key) not in ((), None):
                yield Problem((key,), "a dropped column has no domain", "delete it, or write action: keep")


def _kept(spec: ColumnSpec) -> Iterator[Problem]:
    if spec.domain_source is None:
        remedy = "state the public document or knowledge that the domain comes from, never the rows"
        yield Problem(("domain_source",), "is missing on a kept column", remedy)
    allowed = "a listed value" if spec.type == "categorical" else "clamp"
    if spec.out_of_domain is None:
        yield Problem(("out_of_domain",), "is missing on a kept column", f"write {allowed}")
    allowed = "a listed value" if spec.type == "categorical" else "a number within the bounds, or category"
    if spec.missing is None:
        yield Problem(("missing",), "is missing on a kept column", f"write {allowed}")


def _categorical(spec: ColumnSpec) -> Iterator[Problem]:
    for key in ("bounds", "bins", "decimals"):
        if getattr(spec, key) not in ((), None):
            yield Problem((key,), "belongs to a numeric column", "delete it, or change the type")
    if not spec.domain:
        yield Problem(("domain",), "is missing on a kept categorical column", "list the public categories")
    seen: dict[str, str] = {}
    for index, value in enumerate(spec.domain):
        form = folded(value)
        if not form.strip():
            yield Problem(("domain", index), "is invisible", "choose a category that people can see")
        elif form in seen:
            what = f"{quote(value)} cannot be told from {quote(seen[form])}"
            yield Problem(("domain", index), what, "keep one of the two spellings")
        seen.setdefault(form, value)
    for key in ("out_of_domain", "missing") if spec.domain else ():
        target = getattr(spec, key)
        if target is not None and target not in spec.domain:
            what = f"{quote(target)} is not a listed value"
            yield Problem((key,), what, "name a value of the domain, or add one such as not_stated")


def _numeric(spec: ColumnSpec) -> Iterator[Problem]:
    if spec.domain:
        yield Problem(("domain",), "belongs to a categorical column", "write bounds and bins instead")
    if spec.type == "real" and spec.decimals is None:
        yield Problem(("decimals",), "is missing on a real column", "write the digits after the point")
    if spec.type == "integer" and spec.decimals is not None:
        yield Problem(("decimals",), "belongs to a real column", "delete it, or change the type")
    if spec.out_of_domain not in (None, "clamp"):
        yield Problem(("out_of_domain",), f"{quote(spec.out_of_domain)} is not allowed", "write clamp")
    if len(spec.bounds) != 2:
        yield Problem(("bounds",), "must be two numbers", 'write lowest and highest: ["0", "120"]')
        return
    yield from _edges(spec)
    yield from _missing_number(spec)


def _edges(spec: ColumnSpec) -> Iterator[Problem]:
    if len(spec.bins) < 2:
        yield Problem(("bins",), "needs two edges or more", "list the edges from the first bound to the last")
        return
    if exact(spec.bins[0]) != exact(spec.bounds[0]) or exact(spec.bins[-1]) != exact(spec.bounds[1]):
        yield Problem(("bins",), "does not run from bound to bound", "start and end with the bounds")
    for index, (left, right) in enumerate(pairwise(spec.bins), start=1):
        if exact(left) >= exact(right):
            what = f"{quote(right)} does not exceed the edge before it"
            yield Problem(("bins", index), what, "write strictly increasing edges")
    for index, edge in enumerate(spec.bins):
        if not _on_grid(edge, spec):
            # A bin must hold a value that can be released, and its left edge is one.
            yield Problem(("bins", index), f"{quote(edge)} has too many digits", _grid_remedy(spec))
    yield from _log_bins(spec)


def _log_bins(spec: ColumnSpec) -> Iterator[Problem]:
    """A logarithm needs positive numbers; a bin that holds a single number needs no rule."""
    step = exact("1").scaleb(-(spec.decimals or 0))
    for index, (left, right) in enumerate(pairwise(spec.bins), start=1):
        alone = index < len(spec.bins) - 1 and exact(right) - exact(left) == step
        if spec.within_bin == "log_uniform" and exact(left) <= 0 and not alone:
            what = f"log_uniform does not go with the bin from {quote(left)} to {quote(right)}"
            yield Problem(("within_bin",), what, "write uniform, or give zero and below bins of one number")
            return


def _missing_number(spec: ColumnSpec) -> Iterator[Problem]:
    if spec.missing in (None, "category"):
        return
    remedy = "write a number within the bounds in quotes, or category"
    if not _is_number(spec.missing):
        yield Problem(("missing",), f"{quote(spec.missing)} is not allowed", remedy)
    elif not exact(spec.bounds[0]) <= exact(spec.missing) <= exact(spec.bounds[1]):
        yield Problem(("missing",), f"{quote(spec.missing)} is outside the bounds", remedy)
    elif not _on_grid(spec.missing, spec):
        yield Problem(("missing",), f"{quote(spec.missing)} has too many digits", _grid_remedy(spec))


def _is_number(text: str | None) -> bool:
    return text is not None and re.fullmatch(BOUND, text) is not None and not text.endswith("\n")


def _on_grid(text: str, spec: ColumnSpec) -> bool:
    """True if the value has no more digits after the point than a released value, if that is stated."""
    if spec.type == "real" and spec.decimals is None:
        return True
    return exact(text) == round(exact(text), spec.decimals or 0)


def _grid_remedy(spec: ColumnSpec) -> str:
    if spec.type == "integer":
        return "write whole numbers, or make the column real"
    return f"write at most {spec.decimals or 0} digits after the point, or raise decimals"
