"""The lines about one run: its stages, and how it ended. Never how the attacks on it ended."""

from __future__ import annotations

import logging
import time
from types import TracebackType

from dpsynth.service.jobs import Superseded
from dpsynth.service.logs import bucket, tell

__all__ = ["RunLog"]


class RunLog:
    """A context in which a run takes place; it ends as done, failed, stopped or superseded."""

    def __init__(self, request_id: str) -> None:
        self._request = request_id
        self._stage = ""
        self._begun = self._since = time.monotonic()

    def __enter__(self) -> RunLog:
        tell("run begun", request=self._request)
        return self

    def enter(self, stage: str) -> None:
        """The run is in this stage now."""
        now = time.monotonic()
        if self._stage:
            tell("stage ended", request=self._request, stage=self._stage, duration=bucket(now - self._since))
        self._stage, self._since = stage, now

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        lasted = bucket(time.monotonic() - self._begun)
        told = {"request": self._request, "stage": self._stage, "duration": lasted}
        tell("run ended", logging.WARNING if kind else logging.INFO, outcome=_outcome(kind), **told)


def _outcome(kind: type[BaseException] | None) -> str:
    if kind is None:
        return "done"
    if issubclass(kind, Superseded):
        return "superseded"
    return "failed" if issubclass(kind, Exception | SystemExit) else "stopped"
