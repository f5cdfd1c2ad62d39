"""That the cells of a table keep to what the policy states: its structure, and its rule inside bins."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from dpsynth.core.domain import Column, Domain
from dpsynth.core.errors import IntegrityError
from dpsynth.core.structure import require_structure
from dpsynth.publish.rows import fixed_in_bin, grid

__all__ = ["cell_codes", "check_keeping"]


def check_keeping(texts: Mapping[str, Sequence[str]], domain: Domain, name: str) -> None:
    """Every row keeps to the structure, and numbers with a fixed place in their bin are there.

    Args:
        texts: cells as written, by column; each lies in the public domain.
        name: the file, for messages.

    Raises:
        IntegrityError naming the file and the columns of the rule, never a row.
    """
    for column in domain.columns:
        _check_place(texts[column.name], column, name)
    ruled = {name for zeros in domain.impossible for name in zeros.clique}
    ruled |= {name for rule in domain.determined for name in (rule.column, rule.by)}
    if not ruled:
        return
    try:
        require_structure(domain, {each: cell_codes(texts[each], domain[each]) for each in sorted(ruled)})
    except IntegrityError as error:
        raise IntegrityError(f"{name}: {error.what}", allowed=error.allowed, remedy=error.remedy) from None


def _check_place(texts: Sequence[str], column: Column, name: str) -> None:
    if column.kind == "categorical" or column.within_bin not in ("left", "midpoint"):
        return
    bounds = grid(column)
    fixed = fixed_in_bin(column, bounds[:, 0], bounds[:, 1])
    places = set() if fixed is None else set(fixed.tolist())
    written = {int(Decimal(text).scaleb(column.decimals)) for text in set(texts) if text}
    if not written <= places:
        raise IntegrityError(
            f"{name}: column {column.name} holds a number that is not the {column.within_bin} of its bin",
            allowed="the one number of each bin that the policy's within_bin names",
            remedy="do not use this table; nothing about it may be relied on",
        )


def cell_codes(texts: Sequence[str], column: Column) -> NDArray[np.int64]:
    """Codes of cells as written, each in the public domain, shape (cells,)."""
    if column.kind == "categorical":
        known = {value: code for code, value in enumerate(column.values)}
    else:
        edges = [Decimal(edge) for edge in column.edges]
        bins = len(edges) - 1
        known = {
            text: min(bisect_right(edges, Decimal(text)) - 1, bins - 1) if text else bins
            for text in set(texts)
        }
    return np.array([known[text] for text in texts], dtype=np.int64)
