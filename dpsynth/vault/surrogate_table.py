"""SurrogateTable: made-up rows behind the interface of people's rows, with a count of who read them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dpsynth.vault.table import SensitiveTable

__all__ = ["SurrogateTable", "uncounted"]


class SurrogateTable(SensitiveTable):
    """Made-up rows behind the same interface; counts its own reads for the taint check."""

    __slots__ = ()

    @property
    def reads(self) -> int:
        """How often rows were read so far."""
        return self._reads


@contextmanager
def uncounted(table: SurrogateTable) -> Iterator[None]:
    """The auditor's own reads, left out of the taint count."""
    before = table._reads
    try:
        yield
    finally:
        table._reads = before
