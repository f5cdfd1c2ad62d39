"""What a library that insists on rows implements, so that it can be audited from outside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RowTaker"]


class RowTaker(Protocol):
    """A synthesizer that is given rows. It need not import anything of dpsynth: the shape is enough.

    Attributes:
        name, version: as the report shows them.
    """

    name: str
    version: str

    def fit_sample(
        self,
        rows: pd.DataFrame,
        domain: Mapping[str, int],
        epsilon: float,
        delta: float,
        rows_out: int | None,
    ) -> pd.DataFrame:
        """Fit once with all of (epsilon, delta) and release rows.

        Args:
            rows: codes, int64, one column for each of the domain; made up by the auditor.
            domain: public number of codes of each column; codes are 0 .. size-1.
            epsilon, delta: of this fit, for one row added or removed (or replaced, if that is claimed).
            rows_out: rows to release; None: as many as the library would by itself.

        Returns:
            codes, with the domain's columns.
        """
