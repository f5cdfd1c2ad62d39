"""A request's way in steps, as its requester may see it: names, and the hour of what was written down.

How long a stage of a run takes depends on the rows and nobody paid for it. So no step of a run has a time of
its own, and every time that is shown is the hour in which an entry of the ledger was written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from dpsynth.ledger.chain import Entry, entries_about
from dpsynth.ledger.store import Store
from dpsynth.service.requests import request_row, view
from dpsynth.service.views import RequestView

__all__ = ["Step", "timeline"]

StepState = Literal["done", "now", "to come", "stopped"]

_QUEUED = ("queued", "the budget is held, nothing is spent; a worker takes the oldest request first")
_RUN = (
    ("started", "committing", "the charge is written to the ledger for good, before anything is opened"),
    ("encoding", "opening", "the table is opened, bounded and encoded to the public domain"),
    ("fitting", "fitting", "the curator answers in noise, and a model is fitted to its answers"),
    ("sampling", "sampling", "synthetic rows are drawn from the model"),
    ("auditing", "auditing", "the mechanism and the release are attacked"),
    ("measuring", "measuring", "how useful the rows are is measured, for the review room"),
    ("packing", "packing", "the candidate release and the dossier are written"),
)
"""Name for people, stage of the worker, and what happens."""

_SIGNATURES = ("waiting for signatures", "people who did not ask for it read the dossier and decide")
_PUBLISHED = ("published", "the bundle is built from the files that were signed, and verified")
_STOPS = {
    "refused": ("refused", "there was no room in a budget; nothing was held"),
    "cancelled": ("cancelled", "its requester took it back; nothing was spent"),
    "failed": ("failed", "the run ended without a release"),
    "rejected": ("rejected", "one of those who decide said no; the budget stays spent"),
    "revoked": ("revoked", "the permission has ended; copies should be deleted"),
}
_TOLD = {
    "reserve": "queued",
    "committed": "started",
    "dossier": "packing",
    "approved": "waiting for signatures",
    "publish": "published",
    "refused": "refused",
    "released": "stopped",
    "forfeited": "failed",
    "reject": "rejected",
    "revoke": "revoked",
}
"""Kind of entry, and the step that it ends."""


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        name: a word or a few.
        words: what happens in it.
        state: done, now, to come, or stopped: the way ended here.
        hour: start of the UTC hour in which the ledger was told of its end, ISO 8601; "" where it was not.
    """

    name: str
    words: str
    state: StepState
    hour: str = ""


def timeline(store: Store, actor: str, request_id: str) -> tuple[Step, ...]:
    """The steps of a request that the actor may see. Raises BadInput, as for one that does not exist.

    Whoever looks sees what its requester may see: a release that a check blocks waits like any other.
    """
    with store.read() as connection:
        row = request_row(connection, actor, request_id)
        seen = view(connection, row, row.requester)
        hours = {
            _TOLD[one.kind]: _hour(one) for one in entries_about(connection, row.id) if one.kind in _TOLD
        }
    steps = [Step(name, words, state, hours.get(name, "")) for name, words, state in _way(seen, hours)]
    if seen.state in _STOPS:
        name, words = _STOPS[seen.state]
        steps.append(Step(name, words, "stopped", hours.get(name, hours.get("stopped", ""))))
    return tuple(steps)


def _hour(entry: Entry) -> str:
    moment = datetime.fromisoformat(entry.time)
    return moment.replace(minute=0, second=0, microsecond=0).isoformat(timespec="seconds")


def _way(seen: RequestView, hours: Mapping[str, str]) -> list[tuple[str, str, StepState]]:
    """The steps before the end, with where the request stands; of a way that stopped only what was done."""
    steps = [_QUEUED, *((name, words) for name, _, words in _RUN), _SIGNATURES, _PUBLISHED]
    ended = seen.state in _STOPS
    done = _done_of_stopped(seen.state, hours) if ended else _done(seen)
    found: list[tuple[str, str, StepState]] = []
    for place, (name, words) in enumerate(steps[:done] if ended else steps):
        state: StepState = "done" if place < done else "now" if place == done else "to come"
        found.append((name, words, state))
    return found


def _done(seen: RequestView) -> int:
    """How many steps are behind a request that goes on."""
    stages = [stage for _, stage, _ in _RUN]
    after = {"queued": 0, "awaiting_decision": 1 + len(_RUN), "approved": 2 + len(_RUN)}
    if seen.state == "running":
        return 1 + (stages.index(seen.stage) if seen.stage in stages else 0)
    return after.get(seen.state, 3 + len(_RUN))


def _done_of_stopped(state: str, hours: Mapping[str, str]) -> int:
    """How many steps were done before the way ended. Of a run that failed, only whether it had started:

    where it failed may depend on the rows.
    """
    if state == "failed":
        return 2 if "started" in hours else 1
    return {"refused": 0, "cancelled": 1, "rejected": 1 + len(_RUN), "revoked": 3 + len(_RUN)}[state]
