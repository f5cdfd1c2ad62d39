"""Giving rows to an entrusted library, and checking what it answers. RED: here rows leave this process.

They go as integer codes of the public domain, under names that say nothing, to a process without network.
What comes back is believed only as far as it has the shape that was asked for.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

from dpsynth.core.curator import Entrustment
from dpsynth.core.domain import Domain
from dpsynth.core.errors import EngineFailure
from dpsynth.core.table import SyntheticTable
from dpsynth.engines.sandbox import Isolation, anonymous_file
from dpsynth.engines.store import Engine
from dpsynth.vault.table import SensitiveTable

__all__ = ["Trustee", "checked_answer"]

_SPARE_BYTES = 2**22


@dataclass
class Trustee:
    """The one library that a run may give rows to.

    Attributes:
        trust: what it is and what it declares; the policy and the plan of the run name it.
        engine: where it runs.
        hidden: paths that it must not reach, besides the state directory.
        isolation: how its run was kept apart; None before it ran.
    """

    trust: Entrustment
    engine: Engine
    hidden: tuple[Path, ...] = ()
    isolation: Isolation | None = None

    def run(self, table: SensitiveTable, rows: int) -> SyntheticTable:
        """``rows`` synthetic rows over the table's domain.

        Raises EngineFailure where the library fails or answers anything else, in words that no row enters.
        """
        domain = table.domain
        request = {
            "method": self.trust.method,
            "sizes": list(domain.shape),
            "rows": rows,
            "epsilon": self.trust.epsilon,
            "delta": self.trust.delta,
        }
        most = 8 * rows * len(domain.columns) + _SPARE_BYTES
        with anonymous_file() as stream:
            _write(table, stream)
            answer = self.engine.run(request, stream, most, self.hidden)
        self.isolation = answer.isolation
        return checked_answer(answer.table, domain, rows)


def _write(table: SensitiveTable, stream: IO[bytes]) -> None:
    codes = {f"c{index}": column for index, column in enumerate(table._rows().values())}
    parquet.write_table(pa.table(codes), stream)
    stream.flush()


def checked_answer(data: bytes, domain: Domain, rows: int) -> SyntheticTable:
    """The answer, if it is exactly so many whole rows of integer codes of the public domain.

    Args:
        data: a Parquet file with a column ``c0``, ``c1``, ... for each of the domain, in its order.

    Raises EngineFailure for anything else.
    """
    try:
        file = parquet.ParquetFile(io.BytesIO(data))
        names = tuple(file.schema_arrow.names)
        integers = all(pa.types.is_integer(kind) for kind in file.schema_arrow.types)
        shape = (names, integers, file.metadata.num_rows)
    except (pa.ArrowException, OSError):
        _refuse("gave an answer that is no Parquet file")
    if shape != (tuple(f"c{index}" for index in range(len(domain.columns))), True, rows):
        _refuse("gave other columns or another number of rows than was asked for")
    found: dict[str, NDArray[np.int64]] = {}
    try:
        answer = file.read()
    except (pa.ArrowException, OSError):
        _refuse("gave an answer that is no Parquet file")
    if answer.num_rows != rows:  # a footer may say otherwise than the pages hold
        _refuse("gave other columns or another number of rows than was asked for")
    for column, values in zip(domain.columns, answer.columns, strict=True):
        if values.null_count:
            _refuse("left values out")
        codes = values.to_numpy()
        if rows and not (int(codes.min()) >= 0 and int(codes.max()) < column.size):
            _refuse("left the public domain")
        found[column.name] = codes.astype(np.int64)
    return SyntheticTable(domain, found)


def _refuse(what: str) -> NoReturn:
    raise EngineFailure(
        f"The entrusted library {what}",
        allowed="exactly the rows that were asked for, as codes of the public domain",
        remedy="nothing was published; the budget is spent; find out on made-up rows why it does",
    )
