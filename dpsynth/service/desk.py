"""What every desk of the platform is given."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from dpsynth.ledger.store import Store

__all__ = ["Desk"]


class Desk:
    """Store, state directory, the guard around actions that the sinks witness, and whether pages ask."""

    def __init__(
        self, store: Store, home: Path, witnessed: Callable[[], AbstractContextManager[None]], served: bool
    ) -> None:
        self._store = store
        self._home = home
        self._witnessed = witnessed
        self._served = served
